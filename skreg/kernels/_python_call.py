"""What makes a kernel a function of Python's, as one that is written in C would be.

It takes the arguments' values out of Python's objects and calls the kernel without the interpreter's lock. ctypes
does the same in ten times the time, a tenth of what a row takes to be predicted. Of an array it makes a view
(_view_types.py), if it is one of the right numbers that lie one after the other.
"""

from contextlib import contextmanager

import numpy as np
from llvmlite import ir

N_RESULTS = 2

_BYTE, _INT, _SIZE, _DOUBLE = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
_OBJECT = _BYTE.as_pointer()
_API = {
    "PyErr_BadArgument": (_INT, []),
    "PyErr_Occurred": (_OBJECT, []),
    "PyEval_RestoreThread": (ir.VoidType(), [_OBJECT]),
    "PyEval_SaveThread": (_OBJECT, []),
    "PyFloat_AsDouble": (_DOUBLE, [_OBJECT]),
    "PyFloat_FromDouble": (_OBJECT, [_DOUBLE]),
    "PyLong_AsLongLong": (_SIZE, [_OBJECT]),
    "PyTuple_New": (_OBJECT, [_SIZE]),
    "PyTuple_SetItem": (_INT, [_OBJECT, _SIZE, _OBJECT]),
    "PyType_IsSubtype": (_INT, [_OBJECT, _OBJECT]),
}
# Where CPython and NumPy have what is asked for, in bytes: the type, of each object;
_HEAD = object.__basicsize__
_TYPE = _HEAD - 8
# of a PyArrayObject its data, how many axes it has and how long they are, its kind of numbers, and its flags, of which
# the first says that it is contiguous in C's order;
_DATA, _N_AXES, _SHAPE, _DESCRIPTION, _FLAGS = (_HEAD + offset for offset in (0, 8, 16, 40, 48))
# of a PyArray_Descr the order of bytes and the number of the type.
_BYTE_ORDER, _TYPE_NUMBER = _HEAD + 10, _HEAD + 12


class _Call:
    """Writes the function, as METH_FASTCALL has it: its `self` is NumPy's class of arrays."""

    def __init__(self, symbol, kernel, kinds):
        self.module = ir.Module(symbol)
        function = ir.Function(self.module, ir.FunctionType(_OBJECT, [_OBJECT, _OBJECT.as_pointer(), _SIZE]), symbol)
        self.array_type, self.args, self.n_given = function.args
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.refused = function.append_basic_block("refused")
        self.failed = function.append_basic_block("failed")
        self._write(kernel, kinds)

    def _write(self, kernel, kinds):
        builder = self.builder
        has_results = kinds[-1] is tuple
        results = builder.alloca(ir.ArrayType(_DOUBLE, N_RESULTS))
        builder.store(ir.Constant(results.type.pointee, None), results)  # for a kernel that fails
        results = builder.bitcast(results, _DOUBLE.as_pointer())
        self._unless(builder.icmp_signed("==", self.n_given, _SIZE(len(kinds) - has_results)), self.refused)
        values = [self._value(i, kind) for i, kind in enumerate(kinds) if kind is not tuple]
        if has_results:
            values.append(self._view(builder.bitcast(results, _OBJECT), _SIZE(N_RESULTS)))
        called = ir.Function(self.module, ir.FunctionType(_OBJECT, [value.type for value in values]), kernel)
        thread = self._api("PyEval_SaveThread")
        builder.call(called, values)
        self._api("PyEval_RestoreThread", thread)
        builder.ret(self._tuple(results, N_RESULTS * has_results))
        builder.position_at_end(self.refused)
        self._api("PyErr_BadArgument")
        builder.branch(self.failed)
        builder.position_at_end(self.failed)
        builder.ret(_OBJECT(None))

    def _api(self, name, *arguments):
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(*_API[name]), name)
        return self.builder.call(function, arguments)

    def _unless(self, condition, otherwise):
        """Go on where a condition holds."""
        following = self.builder.append_basic_block()
        self.builder.cbranch(condition, following, otherwise)
        self.builder.position_at_end(following)

    def _load(self, pointer, offset, kind):
        place = self.builder.gep(pointer, [_SIZE(offset)])
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()))

    def _value(self, i, kind):
        given = self.builder.load(self.builder.gep(self.args, [_SIZE(i)]))
        if kind is int:
            return self._number(self._api("PyLong_AsLongLong", given))
        if kind is float:
            return self._number(self._api("PyFloat_AsDouble", given))
        self._check_class(given)
        self._check_numbers(given, kind.dtype)
        return self._view_of_array(given, kind.width)

    def _view(self, data, count):
        undefined = ir.Constant(ir.LiteralStructType([_OBJECT, _SIZE]), ir.Undefined)
        return self.builder.insert_value(self.builder.insert_value(undefined, data, 0), count, 1)

    def _view_of_array(self, given, width):
        n_axes, shape = self._load(given, _N_AXES, _INT), self._load(given, _SHAPE, _SIZE.as_pointer())
        self._unless(self.builder.icmp_signed("==", n_axes, _INT(2 if width else 1)), self.refused)
        if width:
            n_columns = self.builder.load(self.builder.gep(shape, [_SIZE(1)]))
            self._unless(self.builder.icmp_signed("==", n_columns, _SIZE(width)), self.refused)
        return self._view(self._load(given, _DATA, _OBJECT), self.builder.load(shape))

    def _number(self, value):
        """A number, unless it is -1 because the object was none."""
        builder, minus_one = self.builder, value.type(-1)
        compare = builder.fcmp_ordered if value.type == _DOUBLE else builder.icmp_signed
        with self._unless_at_once(compare("!=", value, minus_one)):
            self._unless(builder.icmp_unsigned("==", self._api("PyErr_Occurred"), _OBJECT(None)), self.failed)
        return value

    @contextmanager
    def _unless_at_once(self, condition):
        """What is written within the context is done only where a condition does not hold."""
        asked, following = self.builder.append_basic_block(), self.builder.append_basic_block()
        self.builder.cbranch(condition, following, asked)
        self.builder.position_at_end(asked)
        yield
        self.builder.branch(following)
        self.builder.position_at_end(following)

    def _check_class(self, given):
        kind = self._load(given, _TYPE, _OBJECT)
        with self._unless_at_once(self.builder.icmp_unsigned("==", kind, self.array_type)):
            is_subtype = self._api("PyType_IsSubtype", kind, self.array_type)
            self._unless(self.builder.icmp_signed("!=", is_subtype, _INT(0)), self.refused)

    def _check_numbers(self, given, dtype):
        builder = self.builder
        description = self._load(given, _DESCRIPTION, _OBJECT)
        number, order = self._load(description, _TYPE_NUMBER, _INT), self._load(description, _BYTE_ORDER, _BYTE)
        is_contiguous = builder.trunc(self._load(given, _FLAGS, _INT), ir.IntType(1))
        is_number = self._is_one_of(number, [each.num for each in _same_as(dtype)])
        is_native = self._is_one_of(order, map(ord, "=|"))
        self._unless(builder.and_(is_contiguous, builder.and_(is_number, is_native)), self.refused)

    def _is_one_of(self, value, allowed):
        found = ir.Constant(ir.IntType(1), 0)
        for each in allowed:
            found = self.builder.or_(found, self.builder.icmp_signed("==", value, value.type(each)))
        return found

    def _tuple(self, numbers, count):
        made = self._api("PyTuple_New", _SIZE(count))
        for i in range(count):
            number = self.builder.load(self.builder.gep(numbers, [_SIZE(i)]))
            self._api("PyTuple_SetItem", made, _SIZE(i), self._api("PyFloat_FromDouble", number))
        return made


def _same_as(dtype):
    """C has several names for one type."""
    return [each for each in map(np.dtype, "bBhHiIlLqQfd") if each == dtype]


def python_call(symbol, kernel, kinds):
    """LLVM's text of a function for Python, to be linked with a kernel.

    Parameters
    ----------
    symbol, kernel : str
        Its own name, and that of the kernel as C calls it.
    kinds : list of {int, float, Array, tuple}
        What the kernel's arguments are. The last may be tuple: a view of N_RESULTS numbers that are returned.
    """
    return str(_Call(symbol, kernel, kinds).module)
