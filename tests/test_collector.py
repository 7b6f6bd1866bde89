"""How numba is imported: without garbage collection, by several threads at once, and whole, whatever signals come."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

import skreg
from skreg.kernels._collector import collector_paused


def run(code):
    """Words that a new process with `code` prints."""
    command, root = [sys.executable, "-c", code], Path(skreg.__file__).parents[1]
    process = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_the_collector_rests_while_any_thread_loads():
    assert gc.isenabled()
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_the_collector_works_again_after_an_error_and_stays_off_where_it_was_off():
    with pytest.raises(KeyboardInterrupt), collector_paused():
        raise KeyboardInterrupt
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


TWO_THREADS_BEGIN = """
import sys
from skreg.kernels._collector import _without_coverage

contexts = [_without_coverage() for _ in range(2)]
for context in contexts:
    context.__enter__()
for context in contexts:
    context.__exit__(None, None, None)
print("numba" in sys.modules, "numba.misc.coverage_support" in sys.modules)
"""


def test_two_threads_may_load_the_compiler_at_once():
    """Each of them may begin before the other has come to numba: a first fit by two of dask's threads had failed."""
    assert run(TWO_THREADS_BEGIN) == ["False", "False"]


RINGS_AMID_THE_IMPORT = """
import signal, sys
from importlib.abc import MetaPathFinder

class Alarm(Exception):
    pass

def ring(number, frame):
    raise Alarm

class Ringing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "numba.core.typing.typeof":
            signal.raise_signal(signal.SIGTERM)

signal.signal(signal.SIGTERM, ring)
sys.meta_path.insert(0, Ringing())
from skreg.kernels._collector import load_compiler
try:
    load_compiler()
except Alarm:
    print("rang", "numba.core.registry" in sys.modules)
sys.meta_path.pop(0)
from numba import njit
print(njit(lambda x: x + 1)(1), signal.getsignal(signal.SIGTERM) is ring)
"""


def test_a_handler_that_raises_waits_until_numba_is_whole():
    """What is left of numba in the middle of its import cannot be imported again: every later fit had failed."""
    assert run(RINGS_AMID_THE_IMPORT) == ["rang", "True", "2", "True"]
