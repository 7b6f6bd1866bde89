"""Functions that a kernel calls by address: activations, losses and links, each compiled when it is first used.

Were they part of the kernels, every kernel would hold them all, and a first fit would wait until the
last of them is compiled. A *stage* works on all rows of a member's share of a batch at once, so that the
call costs nothing. Its arguments are int64 (counts, and addresses of array elements) and float64; what
comes back lies in the arrays. It is compiled once for a dtype, from a template: a function one of whose
global names, NUMBER, is the dtype, and others are the functions that make the stage what it is.
"""

import numpy as np
from llvmlite import ir

from ._jit import helper, intrinsic
from ._kernel import Kernel
from ._lazy import cgutils, types, view_types
from .simd import element

NO_ADDRESS = 0
INDEX, BYTE, TERM = np.int64, np.uint8, np.float64  # what lies at an address, beside the numbers of the dtype


@intrinsic
def address_of(context, array, at):
    """Address of an element as an integer; the array must outlive it."""

    def emit(ctx, builder, signature, args):
        return builder.ptrtoint(element(ctx, builder, signature, args, 0, args[1]), ir.IntType(64))

    return types.int64(array, types.intp), emit


@helper
def address_or_none(array):
    """Address of the first element, or NO_ADDRESS of an empty array."""
    return address_of(array, 0) if len(array) > 0 else NO_ADDRESS


def _emit_view(ctx, builder, signature, address, count):
    """What the signature returns, of numbers that lie at an address."""
    kind = signature.return_type
    pointer = builder.inttoptr(address, ctx.get_data_type(kind.dtype).as_pointer())
    return view_types.make(builder, pointer, count)


@intrinsic
def array_at(context, address, count, number):
    """A view of `count` numbers of a type, where they lie."""

    def emit(ctx, builder, signature, args):
        return _emit_view(ctx, builder, signature, *args[:2])

    return view_types.View(number.dtype)(types.int64, types.int64, number), emit


@intrinsic
def array_of(context, table, place, number):
    """A view of the numbers of a type whose address and count are in a table, from a place on."""

    def emit(ctx, builder, signature, args):
        places = args[1], builder.add(args[1], ir.Constant(args[1].type, 1))
        address, count = (builder.load(element(ctx, builder, signature, args, 0, place)) for place in places)
        return _emit_view(ctx, builder, signature, address, count)

    return view_types.View(number.dtype)(table, types.intp, number), emit


@intrinsic(prefer_literal=True)
def table_at(context, address, n_rows, width, number):
    """A table of numbers of a type, row by row where they lie."""

    def emit(ctx, builder, signature, args):
        return _emit_view(ctx, builder, signature, *args[:2])

    return view_types.Table(number.dtype, width.literal_value)(types.int64, types.int64, width, number), emit


def _emit_call(ctx, builder, signature, args, result):
    """Call the function at an address with the entries of a tuple, as int64 and float64."""
    kinds, given = signature.args[1], cgutils.unpack_tuple(builder, args[1])
    wanted = [types.float64 if isinstance(kind, types.Float) else types.int64 for kind in kinds]
    values = [ctx.cast(builder, *value) for value in zip(given, kinds, wanted, strict=True)]
    function = ir.FunctionType(result, [value.type for value in values])
    return builder.call(builder.inttoptr(args[0], function.as_pointer()), values)


@intrinsic
def call_stage(context, address, arguments):
    """Call the stage at an address with a tuple of integers and floats."""

    def emit(ctx, builder, signature, args):
        _emit_call(ctx, builder, signature, args, ir.VoidType())
        return ctx.get_dummy_value()

    return types.void(types.int64, arguments), emit


@intrinsic
def call_function(context, address, arguments):
    """What the stage at an address returns, for those that return a float64."""

    def emit(ctx, builder, signature, args):
        return _emit_call(ctx, builder, signature, args, ir.DoubleType())

    return types.float64(types.int64, arguments), emit


@helper
def row_weight(weights, row, number):
    """The weight of a row of the data, from the address of all weights; 1 if that is NO_ADDRESS."""
    if weights == NO_ADDRESS:
        return 1.0
    itemsize = array_at(weights, 1, number).itemsize
    return float(array_at(weights + row * itemsize, 1, number)[0])


class Stage(Kernel):
    """What a template becomes with the functions that it applies, for each dtype.

    Parameters
    ----------
    name : str
        Unique among all kernels: the files on disk are named by it.
    template : function
        Takes `n_integers` integers and then `n_floats` floats.
    returns_number : bool, default=False
        Whether it returns a float64, or nothing.
    **functions
        Global names of the template.
    """

    def __init__(self, name, template, n_integers, n_floats=0, returns_number=False, **functions):
        super().__init__(name, template, **functions)
        self._arguments, self.returns_number = [int] * n_integers + [float] * n_floats, returns_number

    def arguments(self, dtype):
        return self._arguments


def address_of_stage(stages, name, dtype):
    """Address of one of the stages {name: Stage}; NO_ADDRESS for None."""
    return NO_ADDRESS if name is None else stages[name].address(dtype)
