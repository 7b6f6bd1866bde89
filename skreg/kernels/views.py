"""Views (see _view_types.py) of parts of others, or of numba's arrays.

A slice of an array checks and clips its bounds and counts references with atomic operations, each time; a kernel that
cuts out every row of every layer pays for that in speed and in seconds of compilation. Here nothing is checked or
counted: no view may outlive what it shows.
"""

from ._jit import helper, intrinsic
from ._lazy import types, view_types


def _emit_part(ctx, builder, signature, array, start, count):
    """A view of elements start : start + count of the intrinsic's first argument."""
    data = view_types.field(ctx, builder, signature.args[0], array, "data")
    return view_types.make(builder, builder.gep(data, [start]), count)


def _length(ctx, builder, signature, array):
    return view_types.field(ctx, builder, signature.args[0], array, "nitems")


@intrinsic
def part(context, array, start, count):
    """array[start : start + count] of a one-dimensional contiguous array, unchecked and uncounted."""

    def emit(ctx, builder, signature, args):
        return _emit_part(ctx, builder, signature, *args)

    return view_types.View(array.dtype)(array, types.intp, types.intp), emit


@intrinsic
def rest(context, array, start):
    """array[start:] of a contiguous array; of one that is empty, that."""

    def emit(ctx, builder, signature, args):
        array, start = args
        length = _length(ctx, builder, signature, array)
        start = builder.select(builder.icmp_signed("<", start, length), start, length)
        return _emit_part(ctx, builder, signature, array, start, builder.sub(length, start))

    return view_types.View(array.dtype)(array, types.intp), emit


@intrinsic
def nth_part(context, array, number, n_parts):
    """The part with a number, from 0 on, of a contiguous array that is cut into `n_parts` of one size."""

    def emit(ctx, builder, signature, args):
        size = builder.sdiv(_length(ctx, builder, signature, args[0]), args[2])
        return _emit_part(ctx, builder, signature, args[0], builder.mul(args[1], size), size)

    return view_types.View(array.dtype)(array, types.intp, types.intp), emit


@helper
def set_zero(array):
    for i in range(len(array)):
        array[i] = 0
