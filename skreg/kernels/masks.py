"""Dropout of whole rows, one vector of units at a time.

The hash of `random.is_kept` in integer lanes as many as the number's lanes: an addition, a shift, an
exclusive or, a multiplication and a comparison for 16 float32 units.
"""

from ._jit import helper, intrinsic
from ._lazy import cgutils, types
from .random import GOLDEN_32, combine, drop_threshold, halves
from .simd import INT32, INT64, Vectors, element, ir, splat
from .tiles import make_function


def _emit_row(builder, numba_dtype, arguments):
    """Body of a function that does what `_drop_row` says."""
    source, target, width, low, multiplier, threshold, scale = arguments
    vec = Vectors(builder, numba_dtype)
    lanes = ir.Constant(INT64, vec.lanes)
    multipliers, thresholds, shift, advance = (
        splat(builder, number, vec.lanes)
        for number in (multiplier, threshold, ir.Constant(INT32, 16),
                       ir.Constant(INT32, vec.lanes * int(GOLDEN_32) % 2**32))
    )  # fmt: skip
    scales = vec.broadcast(scale)
    multiples = [ir.Constant(INT32, lane * int(GOLDEN_32) % 2**32) for lane in range(vec.lanes)]
    steps = ir.Constant(ir.VectorType(INT32, vec.lanes), multiples)
    places = cgutils.alloca_once_value(builder, builder.add(splat(builder, low, vec.lanes), steps))

    def drop(start, count=None):
        mask = None if count is None else vec.first_lanes(count)
        bits = builder.load(places)
        builder.store(builder.add(bits, advance), places)
        bits = builder.mul(builder.xor(bits, builder.lshr(bits, shift)), multipliers)
        scaled = builder.fmul(vec.load(builder.gep(source, [start]), mask), scales)
        kept = builder.select(builder.icmp_unsigned(">=", bits, thresholds), scaled, vec.zero)
        vec.store(kept, builder.gep(target, [start]), count)

    rest = builder.srem(width, lanes)
    n_whole = builder.sub(width, rest)
    with cgutils.for_range_slice(builder, ir.Constant(INT64, 0), n_whole, lanes, inc=True) as (start, _):
        drop(start)
    with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(INT64, 0))):
        drop(n_whole, rest)
    builder.ret_void()


@intrinsic
def _drop_row(context, array, source, target, width, low, multiplier, threshold, scale):
    """`width` numbers of a row that begins at `source`, multiplied by `scale` or set to zero, to `target`."""

    def emit(ctx, builder, signature, args):
        dtype = signature.args[0].dtype
        vec = Vectors(builder, dtype)
        pointer = vec.element.as_pointer()
        function = make_function(
            builder.module, f"skreg_drop_row_f{vec.bits}",
            [pointer, pointer, INT64, INT32, INT32, INT32, vec.element],
            lambda inner, arguments: _emit_row(inner, dtype, arguments),
        )  # fmt: skip
        places = (element(ctx, builder, signature, args, 0, at) for at in args[1:3])
        builder.call(function, [*places, *args[3:]])
        return ctx.get_dummy_value()

    i, u = types.intp, types.uint32
    return types.void(array, i, i, i, u, u, u, array.dtype), emit


@helper
def scale_rows_by_masks(array, source, source_stride, target, target_stride, n_rows, width, key, number, step, rate):
    """Inverted dropout: target = source / (1 - rate) where kept, else 0; row i has the mask of `number` + i `step`."""
    threshold, scale = drop_threshold(rate), array.dtype.type(1.0 / (1.0 - rate))
    for i in range(n_rows):
        low, multiplier = halves(combine(key, number + i * step))
        _drop_row(array, source + i * source_stride, target + i * target_stride, width, low, multiplier, threshold,
                  scale)  # fmt: skip
