"""Threads that run one kernel together, and how many of them a fit may have.

See kernels/team.py for what they do. The number of threads never changes a result, so it may follow what
the machine has free: numba's limit (NUMBA_NUM_THREADS, which joblib's processes set to their share, else
OMP_NUM_THREADS, which dask's workers set), divided by the number of fits that run at the moment in this
process.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ._spare import leave, take
from .kernels.layout import CACHE_LINE

# Multiply-adds in a batch, forward and backward, from which a second core pays for the meetings.
WORTH_A_TEAM = 2_000_000

# More arrivals at the members' meetings than there will ever be: nobody waits any more.
DISBANDED = 2**62

_lock = threading.Lock()
_n_running = 0
_this_thread = threading.local()
_spare_pools = []  # one at most: to start a thread takes as long as to predict some thousand rows


def _borrow_pool(n_threads):
    """A pool of so many threads or more, that of a team before where there is one."""
    pool = take(_spare_pools)
    if pool is not None and pool._max_workers < n_threads:
        pool.shutdown()
        pool = None
    return pool or ThreadPoolExecutor(n_threads, thread_name_prefix="skreg")


def _give_back_pool(pool):
    """Its threads wait for the next team, unless others do already."""
    if not leave(_spare_pools, pool):
        pool.shutdown()


def _begin_in_child():
    """Nothing of the threads of a process is in its child."""
    global _lock, _n_running
    _lock, _n_running = threading.Lock(), 0
    _spare_pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


def n_cores():
    """Threads that numba may use in this process."""
    from numba import config

    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if parallel is not None and getattr(parallel, "_is_initialized", False):
        return parallel.get_num_threads()
    return min(config.NUMBA_NUM_THREADS, _openmp_limit())


def _openmp_limit():
    """What OMP_NUM_THREADS allows, where nothing is said of numba's threads."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if "NUMBA_NUM_THREADS" in os.environ or not said.isdigit() or int(said) == 0:
        return sys.maxsize
    return int(said)


class Team:
    """Context within which `run` calls a kernel in one or more threads.

    A team within another of the same thread takes its place, and its threads.

    Parameters
    ----------
    n_multiplications : int
        Multiply-adds between two meetings; decides whether more than one thread is worth it.
    most : int
        Number of members that have something to do.

    Attributes
    ----------
    size : int
        Largest number of members.
    """

    def __init__(self, n_multiplications, most=sys.maxsize):
        self.size = min(n_cores(), most) if n_multiplications >= WORTH_A_TEAM else 1
        self._pool = self._outer = None

    def __enter__(self):
        global _n_running
        self._outer = getattr(_this_thread, "team", None)
        _this_thread.team = self
        if self._outer is None:
            with _lock:
                _n_running += 1
        if self.size > 1:
            self._pool = self._outer and self._outer._pool
            if self._pool is None:
                self._pool = _borrow_pool(self.size - 1)
        return self

    def __exit__(self, *error):
        global _n_running
        _this_thread.team = self._outer
        if self._outer is None:
            with _lock:
                _n_running -= 1
        pool, self._pool = self._pool, None
        if pool is not None and not (self._outer and pool is self._outer._pool):
            _give_back_pool(pool)

    def _n_members(self):
        if self._pool is None:
            return 1
        return max(1, min(self.size, n_cores() // _n_running))

    def run(self, kernel, *arguments):
        """Call `kernel(*arguments, member, n_members, arrivals)` in each member; member 0's result.

        An interrupt may come before all have started: the others are then told to wait for nobody, what
        they wrote is to be discarded, and none of them works on when this returns.
        """
        n_members = self._n_members()
        arrivals = np.zeros((1 + n_members) * CACHE_LINE // 8, np.int64)
        if n_members == 1:
            return kernel(*arguments, 0, 1, arrivals)
        others = []
        try:
            for member in range(1, n_members):
                others.append(self._pool.submit(kernel, *arguments, member, n_members, arrivals))
            return kernel(*arguments, 0, n_members, arrivals)
        except BaseException:
            arrivals[0] = DISBANDED
            raise
        finally:
            wait(others)
            for other in others:
                other.result()
