"""Views (see _view_types.py) of numba's arrays, of numbers at an address, and of parts of either.

A slice of an array checks and clips its bounds and counts references with atomic operations, each time; a kernel that
cuts out every row of every layer pays for that in speed and in seconds of compilation. Here nothing is checked or
counted: no view may outlive what it shows.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import helper
from ._view_types import Table, View, field, fields, make


def _emit_part(ctx, builder, signature, array, start, count):
    """A view of elements start : start + count of the intrinsic's first argument."""
    data = field(ctx, builder, signature.args[0], array, "data")
    return make(builder, builder.gep(data, [start]), count)


def _length(ctx, builder, signature, array):
    return field(ctx, builder, signature.args[0], array, "nitems")


def _is_contiguous(array):
    return getattr(array, "layout", "C") == "C"


@intrinsic
def views(context, *arrays):
    """A view of all of each of several contiguous arrays; others are refused when a kernel is compiled."""
    if not all(map(_is_contiguous, arrays)):
        return None
    result = types.Tuple([View(array.dtype) for array in arrays])

    def emit(ctx, builder, signature, args):
        made = [
            make(builder, *fields(ctx, builder, array, value))
            for array, value in zip(arrays, cgutils.unpack_tuple(builder, args[0]), strict=True)
        ]
        return ctx.make_tuple(builder, result, made)

    return result(types.Tuple(arrays)), emit


@intrinsic(prefer_literal=True)
def table(context, array, width):
    """All of a contiguous two-dimensional array, whose rows are of that width; others are refused likewise."""
    if not _is_contiguous(array):
        return None

    def emit(ctx, builder, signature, args):
        data, count = fields(ctx, builder, array, args[0])
        return make(builder, data, builder.udiv(count, ctx.get_constant(types.intp, width.literal_value)))

    return Table(array.dtype, width.literal_value)(array, width), emit


@intrinsic
def part(context, array, start, count):
    """array[start : start + count] of a one-dimensional contiguous array, unchecked and uncounted."""

    def emit(ctx, builder, signature, args):
        return _emit_part(ctx, builder, signature, *args)

    return View(array.dtype)(array, types.intp, types.intp), emit


@intrinsic
def rest(context, array, start):
    """array[start:] of a contiguous array; of one that is empty, that."""

    def emit(ctx, builder, signature, args):
        array, start = args
        length = _length(ctx, builder, signature, array)
        start = builder.select(builder.icmp_signed("<", start, length), start, length)
        return _emit_part(ctx, builder, signature, array, start, builder.sub(length, start))

    return View(array.dtype)(array, types.intp), emit


@intrinsic
def nth_part(context, array, number, n_parts):
    """The part with a number, from 0 on, of a contiguous array that is cut into `n_parts` of one size."""

    def emit(ctx, builder, signature, args):
        size = builder.sdiv(_length(ctx, builder, signature, args[0]), args[2])
        return _emit_part(ctx, builder, signature, args[0], builder.mul(args[1], size), size)

    return View(array.dtype)(array, types.intp, types.intp), emit


@helper
def set_zero(array):
    for i in range(len(array)):
        array[i] = 0
