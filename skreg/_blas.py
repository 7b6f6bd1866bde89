"""BLAS on one thread, for as long as any fit of this process needs it."""

import threading
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

from .kernels._fork import in_child

_lock = threading.Lock()
_n_inside = 0
_before = []


@cache
def _libraries():
    """The BLAS libraries of the process; finding them takes a millisecond."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set(library, n_threads):
    # threadpoolctl lets only one Python thread at a time change the limit of a library, and ignores the
    # others; but fits in several threads end in any order.
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n_threads)


def _is_of_each_thread(library):
    """Whether a limit is that of the Python thread that sets it, or of the whole process."""
    return getattr(library, "threading_layer", None) == "openmp"


@in_child
def _begin_in_child():
    """The threads that were inside are not in a child: their limit ends."""
    global _lock, _n_inside, _before
    _lock = threading.Lock()
    for library, n_threads in _before if _n_inside > 0 else []:
        _set(library, n_threads)
    _n_inside, _before = 0, []


@contextmanager
def single_blas_thread():
    """Context in which BLAS uses one thread.

    Where the limit is one for the whole process, the first of several fits that run at once sets it, and
    the last one takes it back.
    """
    global _n_inside, _before
    with _lock:
        now = [(library, library.num_threads) for library in _libraries()]
        _n_inside += 1
        if _n_inside == 1:
            _before = [pair for pair in now if not _is_of_each_thread(pair[0])]
    mine = [pair for pair in now if _is_of_each_thread(pair[0])]
    for library, _ in now:
        _set(library, 1)
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            for library, n_threads in mine + (_before if _n_inside == 0 else []):
                _set(library, n_threads)
