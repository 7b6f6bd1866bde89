"""Dropout of whole rows, one vector of units at a time.

The hash of `random.is_kept` in integer lanes as many as the number's lanes: an addition, a shift, an
exclusive or, a multiplication and a comparison for 16 float32 units.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from ._jit import helper
from .random import _GOLDEN_32, combine, drop_threshold
from .simd import INT32, Vectors, ir, lanes_of


def _emit_kept(vec, start, low, multiplier, threshold):
    """Mask of the units from `start` on that are kept."""
    builder = vec.builder
    integers = ir.VectorType(INT32, vec.lanes)

    def everywhere(scalar):
        first = builder.insert_element(ir.Constant(integers, ir.Undefined), scalar, ir.Constant(INT32, 0))
        zeros = ir.Constant(ir.VectorType(INT32, vec.lanes), None)
        return builder.shuffle_vector(first, ir.Constant(integers, ir.Undefined), zeros)

    golden = int(_GOLDEN_32)
    steps = ir.Constant(integers, [ir.Constant(INT32, lane * golden % 2**32) for lane in range(vec.lanes)])
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
            source, target = (
                builder.gep(ctx.make_array(signature.args[at])(ctx, builder, args[at]).data, [args[2]]) for at in (0, 1)
            )
            mask = None if whole else vec.first_lanes(args[3])
            values = vec.load(source) if whole else vec.masked_load(source, mask)
            kept = _emit_kept(vec, args[2], *args[4:7])
            scaled = builder.select(kept, builder.fmul(values, vec.broadcast(args[7])), vec.zero)
            if whole:
                vec.store(scaled, target)
            else:
                vec.masked_store(scaled, target, mask)
            return ctx.get_dummy_value()

        i, u = types.intp, types.uint32
        return types.void(source, target, i, i, u, u, u, source.dtype), emit

    return drop


_drop_whole, _drop_part = _make_drop(True), _make_drop(False)


@helper
def scale_row_by_mask(source, target, key, row, rate):
    """Inverted dropout of one row: target = source / (1 - rate) where kept, else 0."""
    row_key = combine(key, row)
    low, multiplier = np.uint32(row_key), np.uint32(np.uint32(row_key >> np.uint64(32)) | np.uint32(1))
    threshold, scale = drop_threshold(rate), target.dtype.type(1.0 / (1.0 - rate))
    n, lanes = len(source), lanes_of(source)
    n_whole = n // lanes * lanes
    for start in range(0, n_whole, lanes):
        _drop_whole(source, target, start, lanes, low, multiplier, threshold, scale)
    if n_whole < n:
        _drop_part(source, target, n_whole, n - n_whole, low, multiplier, threshold, scale)
