"""Parts of flat arrays without the cost of slices.

A numba slice checks and clips its bounds and counts references with atomic operations, each time; a
kernel that cuts out every row of every layer pays for that in speed and in seconds of compilation.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import helper


def _view(array):
    return types.Array(array.dtype, 1, "C", readonly=not array.mutable, aligned=array.aligned)


def _emit_view(ctx, builder, signature, array, start, count):
    """A view of an array's elements start : start + count."""
    kind = signature.args[0]
    source = ctx.make_array(kind)(ctx, builder, array)
    view = ctx.make_array(signature.return_type)(ctx, builder)
    itemsize = ctx.get_constant(types.intp, kind.dtype.bitwidth // 8)
    ctx.populate_array(
        view,
        data=builder.gep(source.data, [start]),
        shape=cgutils.pack_array(builder, [count]),
        strides=cgutils.pack_array(builder, [itemsize]),
        itemsize=itemsize,
        meminfo=None,
    )
    return view._getvalue()


@intrinsic
def part(context, array, start, count):
    """array[start : start + count] of a one-dimensional contiguous array, unchecked and uncounted.

    It must not outlive the array.
    """

    def emit(ctx, builder, signature, args):
        return _emit_view(ctx, builder, signature, *args)

    return _view(array)(array, types.intp, types.intp), emit


@intrinsic
def rest(context, array, start):
    """array[start:] of a contiguous array; of one that is empty, that."""

    def emit(ctx, builder, signature, args):
        array, start = args
        length = ctx.make_array(signature.args[0])(ctx, builder, array).nitems
        start = builder.select(builder.icmp_signed("<", start, length), start, length)
        return _emit_view(ctx, builder, signature, array, start, builder.sub(length, start))

    return _view(array)(array, types.intp), emit


@intrinsic
def nth_part(context, array, number, n_parts):
    """The part with a number, from 0 on, of a contiguous array that is cut into `n_parts` of one size."""

    def emit(ctx, builder, signature, args):
        length = ctx.make_array(signature.args[0])(ctx, builder, args[0]).nitems
        size = builder.sdiv(length, args[2])
        return _emit_view(ctx, builder, signature, args[0], builder.mul(args[1], size), size)

    return _view(array)(array, types.intp, types.intp), emit


@helper
def set_zero(array):
    for i in range(len(array)):
        array[i] = 0
