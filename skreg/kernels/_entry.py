"""Kernels that Python calls. What their arguments are is known by their names, which are the same in all of them."""

import ctypes
from functools import update_wrapper
from inspect import signature
from typing import NamedTuple

import numpy as np

from ._kernel import Kernel
from .layout import N_LAYOUT, N_PENALTIES

_DATA = {
    None: "x data y weights mixed_weights params network state average kept work works panels gradient gradients "
          "shared_gradient prediction predictions",
    "uint8": "indices",
    "int64": "table indptr subset order rows layout network_layout n_averaged evaluations tasks arrivals",
    "float64": "penalties loss_parameters rates learning_rates average_rates patience terms row_terms squares mean "
               "spread",
}  # fmt: skip
_ARRAYS = {name: dtype for dtype, names in _DATA.items() for name in names.split()}
_WIDTHS = {"layout": N_LAYOUT, "network_layout": N_LAYOUT, "penalties": N_PENALTIES}
_FLOATS = {"reach", "scale"}

_METH_FASTCALL = 0x80

ENTRIES = []  # all that `entry` has decorated


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


class _Definition(ctypes.Structure):
    """What Python wants to know of a function in C, a PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]  # fmt: skip


_make_builtin = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


class Entry(Kernel):
    """A kernel that Python calls with contiguous arrays, integers and floats.

    Its dtype is that of the first array whose numbers may be of any. Where the last of the function's arguments is
    `results`, it is a view of the numbers that the call returns, which it makes itself.
    """

    is_for_python = True

    def __init__(self, function):
        super().__init__(function.__name__, function)
        update_wrapper(self, function)
        self._names = list(signature(function).parameters)
        self._of_dtype = next(i for i, name in enumerate(self._names) if _ARRAYS.get(name, "") is None)
        self._calls, self._definitions = {}, []

    def arguments(self, dtype):
        return [self._argument(name, dtype) for name in self._names]

    def _argument(self, name, dtype):
        if name in _ARRAYS:
            return Array(np.dtype(_ARRAYS[name] or dtype), _WIDTHS.get(name))
        return float if name in _FLOATS else tuple if name == "results" else int

    def __call__(self, *arguments):
        """Returns a tuple of numbers."""
        dtype = arguments[self._of_dtype].dtype
        call = self._calls.get(dtype) or self._builtin(dtype)
        try:
            return call(*arguments)
        except (TypeError, OverflowError) as error:
            raise TypeError(self._complaint(arguments, dtype)) from error

    def _builtin(self, dtype):
        definition = _Definition(self.name.encode(), self.address(dtype), _METH_FASTCALL, None)
        self._definitions.append(definition)  # which the function needs as long as it lives
        self._calls[dtype] = _make_builtin(ctypes.addressof(definition), np.ndarray, None)
        return self._calls[dtype]

    def _complaint(self, arguments, dtype):
        """Which argument is not what it should be."""
        wanted = [kind for kind in self.arguments(dtype) if kind is not tuple]
        if len(arguments) != len(wanted):
            return f"{self.name} takes {len(wanted)} arguments, got {len(arguments)}."
        for name, kind, given in zip(self._names, wanted, arguments, strict=False):
            if isinstance(kind, Array):
                if not kind.matches(given):
                    return f"{self.name}: {name} must be {kind.description}, got {_description(given)}."
            elif kind is int and not (isinstance(given, int | np.integer) and -(2**63) <= given < 2**63):
                return f"{self.name}: {name} must be an integer of 64 bits, got {_description(given)}."
            elif kind is float and not isinstance(given, int | float | np.number):
                return f"{self.name}: {name} must be a number, got {_description(given)}."


def _description(given):
    if not isinstance(given, np.ndarray):
        return repr(given)
    how = "contiguous" if given.flags.c_contiguous else "not contiguous"
    return f"one of {given.dtype} with shape {given.shape}, {how}"


def entry(function):
    """A kernel of a function with arguments that `_ARRAYS` and `_FLOATS` know; others are integers."""
    made = Entry(function)
    ENTRIES.append(made)
    return made
