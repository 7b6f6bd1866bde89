"""The penalty on the outputs of hidden units, l1 |a|_1 + l2 / 2 |a|_2^2 for each row: value and gradient.

Both are stages. They read and write each row once, in vectors, and the sums over the lanes are those of
ROWS rows at a time (dots.py): a thin network has little else to do.
"""

from numba import float64, int64, types
from numba.extending import intrinsic

from .dots import ROWS, emit_lane_sums
from .simd import INT32, Vectors, element, emit_sums, ir, lanes_of
from .stages import Stage, array_at, row_weight

NUMBER = None  # what a stage makes of a template


def _make_add_rows(squared):
    """Intrinsic: the sums of |v|, or of v^2, of `rows` <= ROWS rows of `width` > 0 numbers, times `strength`."""

    @intrinsic
    def add_rows(context, values, start, stride, width, rows, strength, totals, at):
        """totals[at + i] += strength * sum of row i; rows are `stride` numbers apart."""

        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            start, stride, width, rows, strength, _, at = args[1:]
            inside = [builder.icmp_signed("<", ir.Constant(rows.type, r), rows) for r in range(ROWS)]
            zero = ir.Constant(rows.type, 0)
            rows_read = [builder.select(inside[r], ir.Constant(rows.type, r), zero) for r in range(ROWS)]
            places = [builder.add(start, builder.mul(stride, row)) for row in rows_read]
            starts = [element(ctx, builder, signature, args, 0, place) for place in places]

            def add_terms(k, places, sums):
                mask = vec.first_lanes(builder.sub(width, k))
                read = [vec.load(builder.gep(place, [k]), mask) for place in starts]
                if squared:
                    return [vec.fma(v, v, total) for v, total in zip(read, sums, strict=True)]
                return [builder.fadd(vec.absolute(v), total) for v, total in zip(read, sums, strict=True)]

            sums = emit_lane_sums(vec, emit_sums(vec, width, vec.lanes, [], ROWS, add_terms))
            lanes = [(merged, lane) for merged, count in sums for lane in range(count)]
            for r, (merged, lane) in enumerate(lanes):
                with builder.if_then(inside[r]):
                    total = builder.extract_element(merged, ir.Constant(INT32, lane))
                    place = element(ctx, builder, signature, args, 6, builder.add(at, ir.Constant(at.type, r)))
                    scaled = builder.fmul(ctx.cast(builder, total, values.dtype, types.float64), strength)
                    builder.store(builder.fadd(builder.load(place), scaled), place)
            return ctx.get_dummy_value()

        i = types.intp
        return types.void(values, i, i, i, i, types.float64, totals, i), emit

    return add_rows


_add_absolutes, _add_squares = _make_add_rows(False), _make_add_rows(True)


@intrinsic
def _pull_row(context, delta, activations, at, count, l1, l2):
    """delta += l1 sign(a) + l2 a for the lanes below `count` of the vectors at `at`; sign(0) = 0."""

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, signature.args[0].dtype)
        to, source = (element(ctx, builder, signature, args, array, args[2]) for array in (0, 1))
        mask, l1, l2 = vec.first_lanes(args[3]), vec.broadcast(args[4]), vec.broadcast(args[5])
        a, minus_l1 = vec.load(source, mask), builder.fneg(l1)
        negative = builder.select(builder.fcmp_ordered("<", a, vec.zero), minus_l1, vec.zero)
        sign = builder.select(builder.fcmp_ordered(">", a, vec.zero), l1, negative)
        vec.store(builder.fadd(vec.load(to, mask), vec.fma(l2, a, sign)), to, mask)
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(delta, activations, i, i, delta.dtype, delta.dtype), emit


def _value(values, stride, n_rows, width, row_activity, l1, half_l2):
    """row_activity += l1 |a| + half_l2 a^2, summed over the units of each row.

    `values` and `row_activity` (float64) are addresses, `stride` the bytes between rows.
    """
    if n_rows == 0:
        return
    first, totals = array_at(values, width, NUMBER), array_at(row_activity, n_rows, float64)
    apart = stride // first.itemsize
    for i in range(0, n_rows, ROWS):
        n_together = min(ROWS, n_rows - i)
        if l1 != 0:
            _add_absolutes(first, i * apart, apart, width, n_together, l1, totals, i)
        if half_l2 != 0:
            _add_squares(first, i * apart, apart, width, n_together, half_l2, totals, i)


def _gradient(delta, values, stride, n_rows, width, weights, rows, l1, l2):
    """delta += weight * (l1 sign(a) + l2 a) for each row.

    Addresses as for a loss (losses.py): `weights` of all rows of the data or NO_ADDRESS, `rows` of those meant.
    """
    indices = array_at(rows, n_rows, int64)
    for i in range(n_rows):
        to, activations = array_at(delta + i * stride, width, NUMBER), array_at(values + i * stride, width, NUMBER)
        weight = row_weight(weights, indices[i], NUMBER)
        row_l1, row_l2, lanes = NUMBER(weight * l1), NUMBER(weight * l2), lanes_of(to)
        for at in range(0, width, lanes):
            _pull_row(to, activations, at, width - at, row_l1, row_l2)


STAGES = {"value": Stage("activity_value", _value, 5, 2), "gradient": Stage("activity_gradient", _gradient, 7, 2)}


def activity_stages(dtype):
    """Addresses of the stages of value and gradient."""
    return tuple(stage.address(dtype) for stage in STAGES.values())
