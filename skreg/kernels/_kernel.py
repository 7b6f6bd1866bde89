"""Functions that are called by the address of their machine code, which is on disk or compiled when it is needed.

Only they are kept on disk, each with its helpers inside: that is faster to compile and to load than a file for each
helper. A file is known by the kernel's name and dtype and by all that makes machine code different: the kernels'
sources, the compiler, the processor and what the user has told numba.
"""

import hashlib
import platform
import threading
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from types import FunctionType
from typing import NamedTuple

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from . import _files
from ._collector import collector_paused, load_compiler
from ._fork import in_child
from ._machine_code import MachineCode, load
from ._settings import settings

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


class Array(NamedTuple):
    """An argument of a kernel: a contiguous array, flat, or with rows of a width."""

    dtype: np.dtype
    width: int | None = None

    @property
    def description(self):
        return f"a contiguous array of {self.dtype}, {f'with {self.width} columns' if self.width else 'flat'}"

    def matches(self, given):
        """Whether a kernel could read it."""
        return (
            isinstance(given, np.ndarray) and given.dtype == self.dtype and given.flags.c_contiguous
            and given.shape[1:] == ((self.width,) if self.width else ()) and given.ndim > 0
        )  # fmt: skip


def _hash_of(*parts):
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def hash_of_folder(folder):
    """Of the names and contents of its files."""
    return _hash_of(*(part for path in sorted(folder.glob("*.py")) for part in (path.name, path.read_bytes())))


@cache
def hash_of_sources():
    """Of all files of kernels, since a kernel has its helpers inside."""
    return hash_of_folder(Path(__file__).parent)


@cache
def hash_of_machine():
    """Of processor, compiler and settings; and of how far the data of a NumPy array are from its beginning."""
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # a processor that LLVM does not know
        features = platform.machine()
    return _hash_of(
        llvm.get_process_triple(), llvm.get_host_cpu_name(), features, settings(), version("numba"),
        llvmlite.__version__, str(object.__basicsize__),
    )  # fmt: skip


class Kernel:
    """What a template becomes for each dtype.

    Parameters
    ----------
    name : str
        Unique among all kernels: the files on disk are named by it.
    template : function
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

    def __init__(self, name, template, **functions):
        self.name, self.py_func, self._functions = name, template, functions
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
        with collector_paused():
            self._addresses[dtype], how = self._obtain(dtype)
        for listener in listeners:
            listener(Preparation(self.name, dtype.name, perf_counter() - start, how))

    def _obtain(self, dtype):
        name, key = f"{self.name}_{dtype.name}", [hash_of_sources(), hash_of_machine()]
        file = f"{name}.{hash_of_machine()}.code"
        self.folder, content = _files.read(file)
        code = content and MachineCode.of_bytes(content, [name, *key])
        if code:
            with suppress(LookupError):
                return load(code), LOADED
        code = load_compiler().compile_kernel(self, dtype)
        self.folder, error = _files.write(file, code.as_bytes([name, *key]))
        self.error = error and (self.folder, error)
        return load(code), COMPILED

    def function(self, dtype):
        """The template with its global names."""
        names = {**self.py_func.__globals__, **self._functions, "NUMBER": dtype.type}
        function = FunctionType(self.py_func.__code__, names, f"{self.name}_{dtype.name}")
        function.__qualname__ = function.__name__
        return function
