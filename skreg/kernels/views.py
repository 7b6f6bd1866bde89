"""Parts of flat arrays without the cost of slices.

A numba slice checks and clips its bounds and counts references with atomic operations, each time; a
kernel that cuts out every row of every layer pays for that in speed and in seconds of compilation.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import helper


@intrinsic
def part(context, array, start, count):
    """array[start : start + count] of a one-dimensional contiguous array, unchecked and uncounted.

    It must not outlive the array.
    """
    result = types.Array(array.dtype, 1, "C", readonly=not array.mutable, aligned=array.aligned)

    def emit(ctx, builder, signature, args):
        source = ctx.make_array(signature.args[0])(ctx, builder, args[0])
        view = ctx.make_array(signature.return_type)(ctx, builder)
        count = args[2]
        itemsize = ctx.get_constant(types.intp, ctx.get_abi_sizeof(ctx.get_data_type(array.dtype)))
        ctx.populate_array(
            view,
            data=builder.gep(source.data, [args[1]]),
            shape=cgutils.pack_array(builder, [count]),
            strides=cgutils.pack_array(builder, [itemsize]),
            itemsize=itemsize,
            meminfo=None,
        )
        return view._getvalue()

    return result(array, types.intp, types.intp), emit


@helper
def set_zero(array):
    for i in range(len(array)):
        array[i] = 0
