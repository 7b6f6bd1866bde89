"""BLAS on one thread, for as long as any fit of this process needs it."""

import threading
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_n_inside = 0
_limit = None


@cache
def _controller():
    """The thread pools of the loaded libraries; finding them takes a millisecond."""
    return ThreadpoolController()


@contextmanager
def single_blas_thread():
    """Context in which BLAS uses one thread.

    The setting is one for the whole process: the first of several fits that run at once makes it, and
    the last one takes it back.
    """
    global _n_inside, _limit
    with _lock:
        _n_inside += 1
        if _n_inside == 1:
            _limit = _controller().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _limit.restore_original_limits()
