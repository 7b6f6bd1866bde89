"""How many threads a fit takes: all that numba may have, shared by the fits of a process, fewer where others say so."""

import threading

import numpy as np
import pytest
from numba import config

from skreg import _team
from skreg._team import WORTH_A_TEAM, Team


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr(_team.sys, "modules", {**_team.sys.modules, "numba.np.ufunc.parallel": None})
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def members_of(team):
    """Numbers of the members that a kernel is called with, and of how many."""
    called = []
    team.run(lambda *arguments: called.append(arguments[:2]))
    return sorted(called)


def test_a_fit_takes_all_cores_where_that_pays_and_one_where_it_does_not():
    with Team(WORTH_A_TEAM) as team:
        assert members_of(team) == [(member, 8) for member in range(8)]
    with Team(WORTH_A_TEAM - 1) as team:
        assert members_of(team) == [(0, 1)]


@pytest.mark.parametrize(
    ("openmp", "numba", "n_cores"),
    [("1", None, 1), ("3", None, 3), ("4,2", None, 4), ("64", None, 8), ("1", "8", 8), ("0", None, 8), ("x", None, 8)],
)
def test_openmp_s_limit_counts_where_numba_s_is_not_said(openmp, numba, n_cores, monkeypatch):
    """dask's workers set the first, joblib's the second."""
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    if numba is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", numba)
    assert _team.n_cores() == n_cores


def test_fits_in_several_threads_share_the_cores():
    counts, both_inside, both_done = [], threading.Barrier(2), threading.Barrier(2)

    def fit():
        with Team(WORTH_A_TEAM) as team:
            both_inside.wait()
            counts.append(len(members_of(team)))
            both_done.wait()

    threads = [threading.Thread(target=fit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4, 4]
    with Team(WORTH_A_TEAM) as team:
        assert len(members_of(team)) == 8


def test_a_team_within_a_team_takes_its_threads():
    with Team(WORTH_A_TEAM) as outer:
        with Team(WORTH_A_TEAM, most=3) as inner:
            assert members_of(inner) == [(0, 3), (1, 3), (2, 3)]
        with Team(1) as inner:
            assert members_of(inner) == [(0, 1)]
        assert len(members_of(outer)) == 8
    with Team(1) as outer, Team(WORTH_A_TEAM) as inner:
        assert len(members_of(inner)) == 8


def test_an_error_of_a_member_reaches_the_caller():
    def fail(member, n_members, arrivals):
        if member == 1:
            raise MemoryError("no memory")

    with Team(WORTH_A_TEAM) as team, pytest.raises(MemoryError):
        team.run(fail)


def test_an_error_of_the_caller_s_member_frees_the_others():
    def fail(member, n_members, arrivals):
        if member == 0:
            raise KeyboardInterrupt
        while arrivals[0] < n_members:  # as if at a meeting
            np.asarray(arrivals)

    with Team(WORTH_A_TEAM) as team, pytest.raises(KeyboardInterrupt):
        team.run(fail)
