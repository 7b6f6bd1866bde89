"""How many threads a fit takes: all that numba may have, shared by the fits of a process, fewer where others say so."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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


def thread_of_second_member(team):
    found = {}

    def note(member, n_members, arrivals):
        found[member] = threading.get_ident()

    team.run(note)
    return found[1]


def test_threads_stay_for_the_next_team():
    _team._spare_pools.clear()
    first = run_a_team()
    assert run_a_team() == first
    with Team(WORTH_A_TEAM, most=2) as team:
        assert thread_of_second_member(team) == first
        with ThreadPoolExecutor(1) as other:  # at the same time, one of its own
            assert other.submit(run_a_team).result() != first
    assert len(_team._spare_pools) == 1
    with Team(WORTH_A_TEAM) as team:  # more than wait
        assert len(members_of(team)) == 8
    assert len(_team._spare_pools) == 1


def run_a_team():
    with Team(WORTH_A_TEAM, most=2) as team:
        return thread_of_second_member(team)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no other way to have a child without threads")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    run_a_team()
    child = os.fork()
    if child == 0:
        with Team(WORTH_A_TEAM) as team:
            os._exit(0 if len(members_of(team)) == 8 else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("The child waits for threads of its parent.")


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
