"""Dropout of whole rows, one vector of units at a time.

The hash of `random.is_kept` in integer lanes as many as the number's lanes: an addition, a shift, an
exclusive or, a multiplication and a comparison for 16 float32 units.
"""

from numba import types
from numba.extending import intrinsic

from ._jit import helper
from .random import GOLDEN_32, combine, drop_threshold, halves
from .simd import INT32, Vectors, element, ir, lanes_of, splat


def _emit_kept(vec, start, low, multiplier, threshold):
    """Mask of the units from `start` on that are kept."""
    builder = vec.builder

    def everywhere(scalar):
        return splat(builder, scalar, vec.lanes)

    golden = int(GOLDEN_32)
    multiples = [ir.Constant(INT32, lane * golden % 2**32) for lane in range(vec.lanes)]
    steps = ir.Constant(ir.VectorType(INT32, vec.lanes), multiples)
    first = builder.add(builder.mul(builder.trunc(start, INT32), ir.Constant(INT32, golden)), low)
    bits = builder.add(everywhere(first), steps)
    bits = builder.xor(bits, builder.lshr(bits, everywhere(ir.Constant(INT32, 16))))
    return builder.icmp_unsigned(">=", builder.mul(bits, everywhere(multiplier)), everywhere(threshold))


def _make_drop(whole):
    """Intrinsic: units start : start + count of one row, `count` being the lanes if `whole`, else fewer."""

    @intrinsic
    def drop(context, source, target, start, count, low, multiplier, threshold, scale):
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            source, target = (element(ctx, builder, signature, args, array, args[2]) for array in (0, 1))
            mask = None if whole else vec.first_lanes(args[3])
            kept = _emit_kept(vec, args[2], *args[4:7])
            scaled = builder.fmul(vec.load(source, mask), vec.broadcast(args[7]))
            vec.store(builder.select(kept, scaled, vec.zero), target, mask)
            return ctx.get_dummy_value()

        i, u = types.intp, types.uint32
        return types.void(source, target, i, i, u, u, u, source.dtype), emit

    return drop


_drop_whole, _drop_part = _make_drop(True), _make_drop(False)


@helper
def scale_row_by_mask(source, target, key, row, rate):
    """Inverted dropout of one row: target = source / (1 - rate) where kept, else 0."""
    row_key = combine(key, row)
    low, multiplier = halves(row_key)
    threshold, scale = drop_threshold(rate), target.dtype.type(1.0 / (1.0 - rate))
    n, lanes = len(source), lanes_of(source)
    n_whole = n // lanes * lanes
    for start in range(0, n_whole, lanes):
        _drop_whole(source, target, start, lanes, low, multiplier, threshold, scale)
    if n_whole < n:
        _drop_part(source, target, n_whole, n - n_whole, low, multiplier, threshold, scale)
