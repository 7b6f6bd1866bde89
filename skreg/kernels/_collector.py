"""Imports and loads without the garbage collector in between.

numba makes some hundred thousand objects when it is imported and drops none; the collector looks through
all of them again and again, which is half of the time of the import. A tenth more goes where the package
coverage is installed: numba loads it to tell it of lines that it compiles, if NUMBA_JIT_COVERAGE says so.
"""

import gc
import os
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from ._fork import in_child
from ._signals import HeldSignals

_COMPILER = "skreg.kernels._compile"
_COVERAGE = "numba.misc.coverage_support"

_lock = threading.Lock()
_n_inside = 0
_was_enabled = False


@in_child
def _begin_in_child():
    """The threads that were inside are not in a child."""
    global _lock, _n_inside
    _lock = threading.Lock()
    if _n_inside > 0 and _was_enabled:
        gc.enable()
    _n_inside = 0


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


@contextmanager
def _without_coverage():
    """Context in which numba, if it is imported now, has nobody to tell of lines."""
    if "coverage" in sys.modules or "numba" in sys.modules or "NUMBA_JIT_COVERAGE" in os.environ:
        yield
        return
    nobody = ModuleType(_COVERAGE)
    nobody.get_registered_loc_notify = list
    sys.modules[_COVERAGE] = nobody
    try:
        yield
    finally:
        sys.modules.pop(_COVERAGE, None)  # which another thread, that began to import with this one, may have done


def load_compiler():
    """The module _compile.py, and numba with it: whole, since half of numba cannot be imported again."""
    with HeldSignals(), collector_paused(), _without_coverage():
        return import_module(_COMPILER)
