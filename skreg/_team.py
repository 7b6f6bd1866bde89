"""Threads that run one kernel together, and how many of them a fit may have.

See kernels/team.py for what they do. The number of threads never changes a result, so it may follow what
the machine has free: numba's limit (NUMBA_NUM_THREADS, which joblib's processes set to their share), divided
by the number of fits that run at the moment in this process.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

# Multiply-adds in a batch, forward and backward, from which a second core pays for the meetings.
WORTH_A_TEAM = 2_000_000

# More arrivals at the members' meetings than there will ever be: nobody waits any more.
DISBANDED = 2**62

_lock = threading.Lock()
_n_running = 0


def n_cores():
    """Threads that numba may use in this process."""
    from numba import config

    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if parallel is not None and getattr(parallel, "_is_initialized", False):
        return parallel.get_num_threads()
    return config.NUMBA_NUM_THREADS


class Team:
    """Context within which `run` calls a kernel in one or more threads.

    Parameters
    ----------
    n_multiplications : int
        Multiply-adds between two meetings; decides whether more than one thread is worth it.

    Attributes
    ----------
    size : int
        Largest number of members.
    """

    def __init__(self, n_multiplications):
        self.size = n_cores() if n_multiplications >= WORTH_A_TEAM else 1
        self._pool = None

    def __enter__(self):
        global _n_running
        with _lock:
            _n_running += 1
        if self.size > 1:
            self._pool = ThreadPoolExecutor(self.size - 1, thread_name_prefix="skreg")
        return self

    def __exit__(self, *error):
        global _n_running
        with _lock:
            _n_running -= 1
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

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
        arrivals = np.zeros(1, np.int64)
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
