"""Imports and loads without the garbage collector in between.

numba makes some hundred thousand objects when it is imported and drops none; the collector looks through
all of them again and again, which is half of the time of the import.
"""

import gc
import sys
import threading
from contextlib import contextmanager
from importlib import import_module

_ENTRY = "skreg.kernels.entry"

_lock = threading.Lock()
_n_inside = 0
_was_enabled = False


@contextmanager
def collector_paused():
    """Context without garbage collection, for as long as any thread is inside."""
    global _n_inside, _was_enabled
    with _lock:
        _n_inside += 1
        if _n_inside == 1:
            _was_enabled = gc.isenabled()
            gc.disable()
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0 and _was_enabled:
                gc.enable()


def load_kernels():
    """Import the kernels, and numba with them, unless that has been done."""
    if _ENTRY not in sys.modules:
        with collector_paused():
            import_module(_ENTRY)
