"""The penalty on the outputs of hidden units, l1 |a|_1 + l2 / 2 |a|_2^2 for each row: value and gradient.

Both take one pass over the units, in vectors. Nobody needs the value of a single row, so that lanes are summed but
once for ROWS rows. A relu layer before a single output has little else to do than to read its activations and to
make their gradients, an outer product: there the penalty is part of that (see rank_one.py), and costs next to nothing.
"""

from functools import reduce

from ._jit import intrinsic
from ._lazy import types
from .dots import ROWS, emit_lane_sums
from .layout import ACTIVITY_GRADIENT, ACTIVITY_OUTER, ACTIVITY_PANEL, ACTIVITY_VALUE
from .rank_one import ColumnSums, emit_rows, load_weights, places_of_panel
from .simd import INT32, INT64, Vectors, as_flag, emit_sums, ir, lanes_of
from .stages import NO_ADDRESS, TERM, Stage, array_at
from .tiles import VECTORS

NUMBER = None  # what a stage makes of the template

_N_TOGETHER = 4  # rows, so that the processor has enough to do at a time


def _has_weights(builder, weights):
    return builder.icmp_signed("!=", weights, ir.Constant(weights.type, NO_ADDRESS))


def _emit_strengths(vec, weights, rows, i, strengths):
    """Of the penalty on row i, as vectors: times its weight, if there are weights."""
    builder = vec.builder

    def at(address, kind, place):
        return builder.gep(builder.inttoptr(address, kind.as_pointer()), [place])

    is_weighted = _has_weights(builder, weights)
    row = builder.load(at(rows, ir.IntType(64), i))
    # Where there are no weights, the row's number is read as one, and forgotten.
    place = builder.select(is_weighted, at(weights, vec.element, row), at(rows, vec.element, i))
    weight = builder.select(is_weighted, builder.load(place), vec.scalar(1))
    return [vec.broadcast(builder.fmul(weight, strength)) for strength in strengths]


def _emit_terms(vec, a, count, delta, l1, half_l2, total):
    """Of one vector of activations: the value is added to `total`, the gradient to the first `count` deltas, if any."""
    builder = vec.builder
    negative = builder.select(builder.fcmp_ordered("<", a, vec.zero), builder.fneg(l1), vec.zero)
    sign = builder.select(builder.fcmp_ordered(">", a, vec.zero), l1, negative)
    half = vec.fma(half_l2, a, sign)
    if delta is not None:
        pull = vec.fma(half_l2, a, half)
        vec.store(builder.fadd(vec.load(delta, vec.first_lanes(count)), pull), delta, count)
    return vec.fma(a, half, total)


def _emit_sum_of_lanes(vec, vectors):
    """Sum of all lanes of some vectors, a float64."""
    ((merged, _),) = emit_lane_sums(vec, [reduce(vec.builder.fadd, vectors)])
    total = vec.builder.extract_element(merged, ir.Constant(INT32, 0))
    return total if vec.bits == 64 else vec.builder.fpext(total, ir.DoubleType())


def _make_sum(adds):
    """Intrinsic: the weighted sum of l1 |a| + half_l2 a^2 over some rows, n_rows > 0 and width > 0."""

    @intrinsic
    def weighted_sum(context, number, values, stride, n_rows, width, weights, rows, delta, l1, half_l2):
        """Addresses and bytes between rows, as for the stages below, and two numbers; deltas lie as the values do."""

        def emit(ctx, builder, signature, args):
            values, stride, n_rows, width, weights, rows, delta, l1, half_l2 = args[1:]
            vec = Vectors(builder, number.dtype)

            def pointer(address, shift):
                return builder.inttoptr(builder.add(address, shift), vec.element.as_pointer())

            def prepare(i):
                """(strengths, row, deltas, whether it is there) of row i, or of the last one."""
                is_there = builder.icmp_signed("<", i, n_rows)
                i = builder.select(is_there, i, builder.sub(n_rows, ir.Constant(i.type, 1)))
                at, strengths = builder.mul(i, stride), _emit_strengths(vec, weights, rows, i, (l1, half_l2))
                return strengths, pointer(values, at), pointer(delta, at), is_there

            def add_rows(i, _, totals):
                together = [prepare(builder.add(i, ir.Constant(i.type, r))) for r in range(_N_TOGETHER)]

                def add_terms(k, _, sums):
                    count = builder.sub(width, k)
                    return [add_term(k, count, *row, total) for row, total in zip(together, sums, strict=True)]

                def add_term(k, count, strengths, row, deltas, is_there, total):
                    count = builder.select(is_there, count, ir.Constant(count.type, 0))
                    a = vec.load(builder.gep(row, [k]), vec.first_lanes(count))
                    return _emit_terms(vec, a, count, builder.gep(deltas, [k]) if adds else None, *strengths, total)

                # From zero for each row, so that rows need not wait for each other.
                for of_row in emit_sums(vec, width, vec.lanes, [], _N_TOGETHER, add_terms):
                    totals = [builder.fadd(totals[0], of_row)]
                return totals

            return _emit_sum_of_lanes(vec, emit_sums(vec, n_rows, _N_TOGETHER, [], 1, add_rows))

        kind = number.dtype
        return types.float64(number, *[types.int64] * 7, kind, kind), emit

    return weighted_sum


_measured, _added = _make_sum(False), _make_sum(True)


def _value(values, stride, n_rows, width, weights, rows, totals, l1, l2):
    """totals += weight * (l1 |a|_1 + l2 / 2 |a|_2^2) of some rows, ROWS in the place of their first one.

    `values` is an address, `stride` the bytes between rows; `weights` of all rows of the data or NO_ADDRESS, `rows`
    of those meant and `totals` (float64) of the first of them as for a loss (losses.py).
    """
    to, strength, half = array_at(totals, n_rows, TERM), NUMBER(l1), NUMBER(l2 / 2)
    for i in range(0, n_rows, ROWS):
        to[i] += _measured(NUMBER, values + i * stride, stride, min(ROWS, n_rows - i), width, weights, rows + 8 * i, 0,
                           strength, half)  # fmt: skip


def _gradient(delta, values, stride, n_rows, width, weights, rows, totals, l1, l2, scale):
    """delta += scale * weight * (l1 sign(a) + l2 a), where sign(0) = 0, and `totals` as above."""
    to, strength, half = array_at(totals, n_rows, TERM), NUMBER(scale * l1), NUMBER(scale * l2 / 2)
    for i in range(0, n_rows, ROWS):
        at = i * stride
        to[i] += _added(NUMBER, values + at, stride, min(ROWS, n_rows - i), width, weights, rows + 8 * i, delta + at,
                        strength, half) / scale  # fmt: skip


def _make_columns(with_sums):
    """Intrinsic: deltas of rank one and the penalty's gradient, of VECTORS vectors of relu units in each row."""

    @intrinsic
    def columns_of_rows(
        context, number, units, row, deltas, step, coefs, sums, to, to_row, n_rows, columns, adds, totals, adds_totals,
        weights, rows, l1, half_l2, per_scale
    ):  # fmt: skip
        """As the stages below; the penalty of each ROWS rows is multiplied by `per_scale`."""

        def emit(ctx, builder, signature, args):
            units, row, deltas, step, coefs, sums, to, to_row, n_rows, columns, adds, totals, adds_totals = args[1:14]
            weights, rows, l1, half_l2, per_scale = args[14:]
            vec = Vectors(builder, number.dtype)

            def pointer(address, kind=vec.element):
                return builder.inttoptr(address, kind.as_pointer())

            def behind(start, step, i):
                return builder.gep(start, [builder.mul(step, i)]), step

            units, deltas, to, coefs, sums = (pointer(address) for address in (units, deltas, to, coefs, sums))
            places = places_of_panel(vec, columns)
            right, double = load_weights(vec, coefs, places), ir.DoubleType()
            column_sums = ColumnSums(vec, sums, row, places, as_flag(builder, adds)) if with_sums else None

            def add_group(first, sums, strengths_of):
                left = builder.sub(n_rows, first)
                size = ir.Constant(INT64, ROWS)
                size = builder.select(builder.icmp_signed("<", left, size), left, size)
                after = emit_rows(vec, size, behind(units, row, first), behind(deltas, step, first),
                                  behind(to, to_row, first), right, None, places, [*sums, *[vec.zero] * VECTORS],
                                  lambda k: strengths_of(builder.add(first, k)),
                                  counts=[None] * VECTORS if with_sums else places[1])  # fmt: skip
                place = builder.gep(pointer(totals, double), [first])
                before = builder.select(as_flag(builder, adds_totals), builder.load(place), ir.Constant(double, 0))
                value = builder.fmul(_emit_sum_of_lanes(vec, after[-VECTORS:]), per_scale)
                builder.store(builder.fadd(before, value), place)
                return after[:-VECTORS]

            def add_all(strengths_of):
                sums = column_sums.before() if with_sums else []
                sums = emit_sums(vec, n_rows, ROWS, [], sums, lambda i, _, sums: add_group(i, sums, strengths_of))
                if with_sums:
                    column_sums.store(sums)

            equal = [vec.broadcast(strength) for strength in (l1, half_l2)]
            with builder.if_else(_has_weights(builder, weights)) as (weighted, otherwise):
                with weighted:
                    add_all(lambda i: _emit_strengths(vec, weights, rows, i, (l1, half_l2)))
                with otherwise:
                    add_all(lambda i: equal)
            return ctx.get_dummy_value()

        kind, i, flag = number.dtype, types.int64, types.boolean
        return types.void(number, *[i] * 10, flag, i, flag, i, i, kind, kind, types.float64), emit

    return columns_of_rows


_columns, _columns_and_sums = _make_columns(False), _make_columns(True)


def _outer(delta, values, stride, n_rows, width, weights, rows, totals, above, above_stride, coefs, l1, l2, scale):
    """The deltas that a single output sends back to relu units, with the penalty's gradient, and `totals` as above.

    `above` are the output's own deltas, `coefs` its weights. Where relu is 0 the deltas are.
    """
    first = array_at(values, 1, NUMBER)
    size, itemsize = VECTORS * lanes_of(first), first.itemsize
    row, step, strength, half = stride // itemsize, above_stride // itemsize, NUMBER(scale * l1), NUMBER(scale * l2 / 2)
    for at in range(0, width * itemsize if n_rows > 0 else 0, size * itemsize):
        columns = min(size, width - at // itemsize)
        _columns(NUMBER, values + at, row, above, step, coefs + at, 0, delta + at, row, n_rows, columns, False, totals,
                 True, weights, rows, strength, half, 1 / scale)  # fmt: skip


def _panel(units, row, deltas, step, coefs, sums, panel, n_rows, columns, adds, totals, adds_totals, weights, rows, l1,
           l2, scale):  # fmt: skip
    """The same for a panel of these deltas, with both sums of rank_one.py; the first row is the first of ROWS."""
    to_row = VECTORS * lanes_of(array_at(panel, 1, NUMBER))
    _columns_and_sums(NUMBER, units, row, deltas, step, coefs, sums, panel, to_row, n_rows, columns, adds != 0, totals,
                      adds_totals != 0, weights, rows, NUMBER(scale * l1), NUMBER(scale * l2 / 2),
                      1 / scale)  # fmt: skip


STAGES = {"value": Stage("activity_value", _value, 7, 2), "gradient": Stage("activity_gradient", _gradient, 8, 3),
          "outer": Stage("activity_outer", _outer, 11, 3), "panel": Stage("activity_panel", _panel, 14, 3)}  # fmt: skip


def activity_codes(dtype, before_single_output, descends, forward_only):
    """((column of the layout, address of its stage), ...) for a layer; `before_single_output`: as relu, undropped."""
    names = {"value": ACTIVITY_VALUE}
    if before_single_output and not forward_only:
        names["outer"] = ACTIVITY_OUTER
    elif not forward_only:
        names["gradient"] = ACTIVITY_GRADIENT
    if before_single_output and descends:
        names["panel"] = ACTIVITY_PANEL
    return tuple((column, STAGES[name].address(dtype)) for name, column in names.items())
