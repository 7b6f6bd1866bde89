"""Tasks that members of a team take from each other: each is done, and once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit

from skreg.kernels import _compile, team
from skreg.kernels.layout import CACHE_LINE


@njit(**_compile.OPTIONS)
def do_tasks(n_tasks, n_late, done, member, n_members, arrivals):
    """Count what each member does of everybody's tasks; in each round the first `n_late` come when nothing is left."""
    n_met = 0
    for of_round in done:
        n_met = team.wait_for_tasks(arrivals, n_met, n_members, member)
        if member < n_late:
            n_met = team.wait(arrivals, n_met, n_members)
        for shift in range(n_members):
            owner = (member + shift) % n_members
            task = team.next_task_of(owner, arrivals, n_members)
            while task < n_tasks:
                of_round[member, owner, task] += 1
                task = team.next_task_of(owner, arrivals, n_members)
        if member >= n_late:
            n_met = team.wait(arrivals, n_met, n_members)
        n_met = team.wait(arrivals, n_met, n_members)


@pytest.mark.parametrize("n_members", [1, 2, 3])
@pytest.mark.parametrize("n_tasks", [0, 1, 40])
def test_each_task_is_done_once_and_others_do_those_of_the_late(n_members, n_tasks):
    for n_late in range(n_members):
        done = np.zeros((20, n_members, n_members, n_tasks), np.int64)
        arrivals = np.zeros((1 + n_members) * CACHE_LINE // 8, np.int64)
        with ThreadPoolExecutor(n_members) as pool:
            members = [pool.submit(do_tasks, n_tasks, n_late, done, member, n_members, arrivals)
                       for member in range(n_members)]  # fmt: skip
        assert all(member.result() is None for member in members)
        np.testing.assert_array_equal(done.sum(axis=1), 1)
        assert not done[:, :n_late].any()
