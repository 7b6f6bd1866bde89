"""Threads that run one kernel together, and how many of them a fit may have.

See kernels/team.py for what they do. The number of threads never changes a result, so it may follow what
the machine has free: numba's limit (NUMBA_NUM_THREADS, which joblib's processes set to their share, else
OMP_NUM_THREADS, which dask's workers set), divided by the number of fits that run at the moment in this
process.
"""

import os
import sys
import threading
from weakref import WeakSet, ref

import numpy as np

from ._spare import leave, take
from ._threads import Threads
from .kernels._fork import in_child
from .kernels._settings import numba_config
from .kernels._signals import HeldSignals
from .kernels.layout import CACHE_LINE

# Multiply-adds in a batch, forward and backward, from which a second core pays for the meetings.
WORTH_A_TEAM = 2_000_000

_lock = threading.Lock()
# Teams that are not within others. Weakly, so that one that a signal has kept from its end is soon forgotten.
_running = WeakSet()
_this_thread = threading.local()
_spare_threads = []  # one at most: to start a thread takes as long as to predict some thousand rows


def _borrow_threads(n_threads):
    """So many threads or more, those of a team before where there are."""
    threads = take(_spare_threads)
    if threads is not None and threads.size >= n_threads:
        return threads
    with HeldSignals():
        return Threads(n_threads)


def _give_back_threads(threads):
    """They wait for the next team, unless others do already."""
    if not leave(_spare_threads, threads):
        threads.end()


@in_child
def _begin_in_child():
    """Nothing of the threads of a process is in its child."""
    global _lock, _running
    _lock, _running = threading.Lock(), WeakSet()
    for threads in _spare_threads:
        threads.size = 0
    _spare_threads.clear()


def n_cores():
    """Threads that numba may use in this process, or might if it were imported."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(parallel, "_is_initialized", False):
        return parallel.get_num_threads()
    return min(_numba_limit(), _openmp_limit())


def _numba_limit():
    config = numba_config()
    if config is not None:
        return config.NUMBA_NUM_THREADS
    said = os.environ.get("NUMBA_NUM_THREADS", "")
    try:
        n_threads = int(said)
    except ValueError:
        return _n_processors()
    if n_threads < 1:
        raise ValueError(f"The environment variable NUMBA_NUM_THREADS must be a whole number >= 1, got {said!r}.")
    return n_threads


def _n_processors():
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _openmp_limit():
    """What OMP_NUM_THREADS allows, where nothing is said of numba's threads."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if "NUMBA_NUM_THREADS" in os.environ or not said.isdecimal() or int(said) == 0:
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
        self._threads = self._outer = None

    def __enter__(self):
        outer = getattr(_this_thread, "team", None)
        self._outer = outer and outer()
        _this_thread.team = ref(self)
        if self._outer is None:
            with _lock:
                _running.add(self)
        if self.size > 1:
            self._threads = self._outer and self._outer._threads
            if self._threads is None:
                self._threads = _borrow_threads(self.size - 1)
            self.size = min(self.size, 1 + self._threads.size)
        return self

    def __exit__(self, *error):
        _this_thread.team = self._outer and ref(self._outer)
        if self._outer is None:
            with _lock:
                _running.discard(self)
        threads, self._threads = self._threads, None
        if threads is not None and not (self._outer and threads is self._outer._threads):
            _give_back_threads(threads)

    def _n_members(self):
        if self._threads is None:
            return 1
        return max(1, min(self.size, n_cores() // max(1, len(_running))))

    def run(self, kernel, *arguments):
        """Call `kernel(*arguments, member, n_members, arrivals)` in each member; member 0's result.

        Signals wait meanwhile. They would anyway, until the kernel is at its end.
        """
        n_members = self._n_members()
        arrivals = np.zeros((1 + n_members) * CACHE_LINE // 8, np.int64)
        if n_members == 1:
            return kernel(*arguments, 0, 1, arrivals)
        with HeldSignals():
            return self._threads.run(kernel, arguments, n_members, arrivals)
