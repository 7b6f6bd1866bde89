"""The penalty on the outputs of hidden units, l1 |a|_1 + l2 / 2 |a|_2^2 for each row: value and gradient.

Both take one pass over the units, in vectors. Nobody needs the value of a single row, so that lanes are summed but
once for ROWS rows. A relu layer before a single output has little else to do than to read its activations and to
write their gradients, an outer product: there the penalty is part of that (see outer.py), and costs next to nothing.
"""

from numba import types
from numba.extending import intrinsic

from .dots import ROWS, emit_lane_sums
from .simd import INT32, Vectors, emit_sums, ir
from .stages import NO_ADDRESS, Stage, array_at

NUMBER = None  # what a stage makes of the template

_N_TOGETHER = 4  # rows, so that the processor has enough to do at a time
_MEASURE, _ADD, _OUTER = range(3)  # what becomes of the deltas: nothing, they are added to, they are made


def _emit_weight(vec, weights, rows, i):
    """The weight of row i, 1 without weights."""
    builder = vec.builder

    def at(address, kind, place):
        return builder.gep(builder.inttoptr(address, kind.as_pointer()), [place])

    is_weighted = builder.icmp_signed("!=", weights, ir.Constant(weights.type, NO_ADDRESS))
    row = builder.load(at(rows, ir.IntType(64), i))
    # Where there are no weights, the row's number is read as one, and forgotten.
    place = builder.select(is_weighted, at(weights, vec.element, row), at(rows, vec.element, i))
    return builder.select(is_weighted, builder.load(place), vec.scalar(1))


def _emit_terms(vec, effect, a, count, slope, delta, coef, l1, half_l2, total):
    """Of one vector of activations: their value is added to `total`, the gradient goes to the first `count` deltas."""
    builder, mask = vec.builder, vec.first_lanes(count)
    is_positive = builder.fcmp_ordered(">", a, vec.zero)
    if effect == _OUTER:  # relu's: what is not positive is zero, whose gradient is
        sign = l1
    else:
        negative = builder.select(builder.fcmp_ordered("<", a, vec.zero), builder.fneg(l1), vec.zero)
        sign = builder.select(is_positive, l1, negative)
    half = vec.fma(half_l2, a, sign)
    if effect != _MEASURE:
        pull = vec.fma(half_l2, a, half)
        if effect == _OUTER:
            pull = vec.fma(slope, vec.load(coef, mask), pull)
            vec.store(builder.select(is_positive, pull, vec.zero), delta, count)
        else:
            vec.store(builder.fadd(vec.load(delta, mask), pull), delta, count)
    return vec.fma(a, half, total)


def _make_sum(effect):
    """Intrinsic: the weighted sum of l1 |a| + half_l2 a^2 over some rows, n_rows > 0 and width > 0."""

    @intrinsic
    def weighted_sum(
        context, number, values, stride, n_rows, width, weights, rows, delta, above, above_stride, coefs, l1, half_l2
    ):  # fmt: skip
        """Addresses and bytes between rows, as for the stages below, and two numbers.

        What the effect is needs: addresses of the deltas, which lie as the values do; of the deltas of the single
        output above them, and of its weights.
        """

        def emit(ctx, builder, signature, args):
            values, stride, n_rows, width, weights, rows, delta, above, above_stride, coefs, l1, half_l2 = args[1:]
            vec = Vectors(builder, number.dtype)

            def pointer(address, shift=None):
                address = address if shift is None else builder.add(address, shift)
                return builder.inttoptr(address, vec.element.as_pointer())

            def prepare(i):
                """(strengths, slope, row, deltas, whether it is there) of row i, or of the last one."""
                is_there = builder.icmp_signed("<", i, n_rows)
                i = builder.select(is_there, i, builder.sub(n_rows, ir.Constant(i.type, 1)))
                at, weight = builder.mul(i, stride), _emit_weight(vec, weights, rows, i)
                strengths = [vec.broadcast(builder.fmul(weight, strength)) for strength in (l1, half_l2)]
                slope = None
                if effect == _OUTER:
                    slope = vec.broadcast(builder.load(pointer(above, builder.mul(i, above_stride))))
                return strengths, slope, pointer(values, at), pointer(delta, at), is_there

            def add_rows(i, _, totals):
                together = [prepare(builder.add(i, ir.Constant(i.type, r))) for r in range(_N_TOGETHER)]

                def add_terms(k, _, sums):
                    count, factors = builder.sub(width, k), builder.gep(pointer(coefs), [k])
                    return [add_term(k, count, factors, *row, total) for row, total in zip(together, sums, strict=True)]

                def add_term(k, count, factors, strengths, slope, row, deltas, is_there, total):
                    count = builder.select(is_there, count, ir.Constant(count.type, 0))
                    a = vec.load(builder.gep(row, [k]), vec.first_lanes(count))
                    return _emit_terms(vec, effect, a, count, slope, builder.gep(deltas, [k]), factors, *strengths,
                                       total)  # fmt: skip

                # From zero for each row, so that rows need not wait for each other.
                for of_row in emit_sums(vec, width, vec.lanes, [], _N_TOGETHER, add_terms):
                    totals = [builder.fadd(totals[0], of_row)]
                return totals

            ((merged, _),) = emit_lane_sums(vec, emit_sums(vec, n_rows, _N_TOGETHER, [], 1, add_rows))
            total = builder.extract_element(merged, ir.Constant(INT32, 0))
            return ctx.cast(builder, total, number.dtype, types.float64)

        kind = number.dtype
        return types.float64(number, *[types.int64] * 10, kind, kind), emit

    return weighted_sum


_measured, _added, _of_outer_product = _make_sum(_MEASURE), _make_sum(_ADD), _make_sum(_OUTER)


def _value(values, stride, n_rows, width, weights, rows, totals, l1, l2):
    """totals += weight * (l1 |a|_1 + l2 / 2 |a|_2^2) of some rows, ROWS in the place of their first one.

    `values` is an address, `stride` the bytes between rows; `weights` of all rows of the data or NO_ADDRESS, `rows`
    of those meant and `totals` (float64) of the first of them as for a loss (losses.py).
    """
    to, strength, half = array_at(totals, n_rows, types.float64), NUMBER(l1), NUMBER(0.5 * l2)
    for i in range(0, n_rows, ROWS):
        to[i] += _measured(NUMBER, values + i * stride, stride, min(ROWS, n_rows - i), width, weights, rows + 8 * i, 0,
                           0, 0, 0, strength, half)  # fmt: skip


def _gradient(delta, values, stride, n_rows, width, weights, rows, totals, above, above_stride, coefs, l1, l2, scale):
    """delta += scale * weight * (l1 sign(a) + l2 a), where sign(0) = 0, and `totals` as above.

    With `coefs`, for relu, the deltas are made: by the weights of a single output and the deltas `above` of it. Where
    relu is 0 they are.
    """
    to, strength, half = array_at(totals, n_rows, types.float64), NUMBER(scale * l1), NUMBER(scale * 0.5 * l2)
    for i in range(0, n_rows, ROWS):
        n_together, at, row = min(ROWS, n_rows - i), i * stride, rows + 8 * i
        if coefs != NO_ADDRESS:
            total = _of_outer_product(NUMBER, values + at, stride, n_together, width, weights, row, delta + at,
                                      above + i * above_stride, above_stride, coefs, strength, half)  # fmt: skip
        else:
            total = _added(NUMBER, values + at, stride, n_together, width, weights, row, delta + at, 0, 0, 0, strength,
                           half)  # fmt: skip
        to[i] += total / scale


STAGES = {"value": Stage("activity_value", _value, 7, 2), "gradient": Stage("activity_gradient", _gradient, 11, 3)}


def activity_stages(dtype):
    """Addresses of the stages of value and gradient."""
    return tuple(stage.address(dtype) for stage in STAGES.values())
