"""Functions that are called by the address of their machine code, which is on disk or compiled when it is needed.

Only they are kept on disk, each with its helpers inside: that is faster to compile and to load than a file for each
helper. A file is known by the kernel's name and dtype and by all that makes machine code different: the kernels'
sources, the compiler, the processor and what the user has told numba.
"""

import threading
from contextlib import suppress
from time import perf_counter
from types import FunctionType
from typing import NamedTuple

import numpy as np

from . import _files
from ._collector import collector_paused, load_compiler
from ._fork import in_child
from ._key import hash_of_machine, hash_of_sources
from ._machine_code import MachineCode, load

COMPILED, LOADED = "compiled", "loaded"
DTYPES = np.dtype(np.float32), np.dtype(np.float64)
listeners = []  # functions that are called with the `Preparation` of each

_lock = threading.RLock()


@in_child
def _begin_in_child():
    """The thread that was compiling is not in a child."""
    global _lock
    _lock = threading.RLock()


class Preparation(NamedTuple):
    """How a kernel came to its machine code for a dtype."""

    name: str
    dtype: str
    seconds: float
    how: str


class Kernel:
    """What a function becomes for each dtype.

    Parameters
    ----------
    name : str
        Unique among all kernels: the files on disk are named by it.
    py_func : function
        One of its global names, NUMBER, is the dtype.
    **functions
        Others of its global names.

    Attributes
    ----------
    error : (Path, OSError) or None
        Where it could not be written, and why.
    folder : Path or None
        Where it lies, or would.
    """

    returns_number = is_for_python = False

    def __init__(self, name, py_func, **functions):
        self.name, self.py_func, self._functions = name, py_func, functions
        self._addresses, self.error, self.folder = {}, None, None

    @property
    def dtypes(self):
        """Names of those that there is machine code for in this process."""
        return tuple(dtype.name for dtype in self._addresses)

    def arguments(self, dtype):
        """What each of the function's arguments is, see `compile_kernel`."""
        raise NotImplementedError

    def address(self, dtype):
        """Address of the machine code for a dtype, compiled or loaded now unless that has been done before."""
        dtype = np.dtype(dtype)
        if dtype not in self._addresses:
            with _lock:
                if dtype not in self._addresses:
                    self._prepare(dtype)
        return self._addresses[dtype]

    def _prepare(self, dtype):
        if dtype not in DTYPES:
            raise TypeError(f"{self.name}: kernels compute in float32 and float64, not in {dtype}.")
        start = perf_counter()
        with collector_paused():  # a compiler makes a million objects and drops few
            self._addresses[dtype], how = self._obtain(dtype)
        for listener in listeners:
            listener(Preparation(self.name, dtype.name, perf_counter() - start, how))

    def _obtain(self, dtype):
        name, machine = self._name_for(dtype), hash_of_machine()
        key, file = [name, hash_of_sources(), machine], f"{name}.{machine}.code"
        for self.folder, content in _files.read(file):
            code = MachineCode.of_bytes(content, key)
            if code:
                with suppress(LookupError):
                    return load(code), LOADED
        code = load_compiler().compile_kernel(self, dtype)
        self.folder, error = _files.write(file, code.as_bytes(key))
        if error:
            self.error = self.folder, error
        return load(code), COMPILED

    def _name_for(self, dtype):
        return f"{self.name}_{dtype.name}"

    def function(self, dtype):
        """The function with its global names."""
        names = {**self.py_func.__globals__, **self._functions, "NUMBER": dtype.type}
        function = FunctionType(self.py_func.__code__, names, self._name_for(dtype))
        function.__qualname__ = function.__name__
        return function
