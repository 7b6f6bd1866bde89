"""Products of some rows with one vector: a layer with a single output.

ROWS rows at a time have an accumulator each; the vector's part and one row's part are 2 registers more.
The lanes are added at the end, those of all rows together: 7 shuffled pairs for 8 rows.
"""

from ._jit import intrinsic
from ._lazy import types
from .simd import INT32, Vectors, as_flag, element, emit_sums, ir, splat
from .tiles import emit_change

ROWS = 8  # at a time


def _folded(vec, first, second):
    """Sums of neighbouring lanes of two vectors."""
    even, odd = (vec.shuffle(first, second, range(shift, 2 * vec.lanes, 2)) for shift in (0, 1))
    return vec.builder.fadd(even, odd)


def merge(vec, vectors):
    """One vector of a power of two of them: each has its part of the lanes, which sum to its sum."""
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_folded(vec, first, second) for first, second in pairs]
    return vectors[0]


def emit_lane_sums(vec, vectors):
    """[(vector whose first lanes are sums, how many)], in the order of the vectors."""
    results = []
    for at in range(0, len(vectors), vec.lanes):
        group = vectors[at : at + vec.lanes]
        merged, n_parts = merge(vec, group), vec.lanes // len(group)
        while n_parts > 1:
            merged = _folded(vec, merged, merged)
            n_parts //= 2
        results.append((merged, len(group)))
    return results


def _emit_rows(builder, vec, starts, b, depth):
    """A vector for each row, whose lanes sum to its product."""

    def add_terms(k, places, sums):
        mask = vec.first_lanes(builder.sub(depth, k))
        right = vec.load(builder.gep(b, [k]), mask)
        rows = [vec.load(builder.gep(start, [k]), mask) for start in starts]
        return [vec.fma(left, right, total) for left, total in zip(rows, sums, strict=True)]

    return emit_sums(vec, depth, vec.lanes, [], len(starts), add_terms)


def _emit_numbers(vec, start, places):
    """A vector whose first lanes are numbers that lie apart."""
    numbers = vec.zero
    for lane, place in enumerate(places):
        number = vec.builder.load(vec.builder.gep(start, [place]))
        numbers = vec.builder.insert_element(numbers, number, ir.Constant(INT32, lane))
    return numbers


def _emit_end(vec, totals, to, places, add, intercept, rectified, gate, factor):
    """Elements of C, in the first lanes, from sums by the epilogue; `gate` is (whether there is one, pointer)."""
    builder = vec.builder

    def added(values):
        return [builder.fadd(values[0], _emit_numbers(vec, to, places))]

    def gated(values):
        is_open = builder.fcmp_ordered(">", _emit_numbers(vec, gate[1], places), vec.zero)
        return [builder.select(is_open, builder.fmul(values[0], vec.broadcast(factor)), vec.zero)]

    (totals,) = emit_change(builder, add, [totals], added)
    totals = builder.fadd(totals, vec.broadcast(intercept))
    is_cut = builder.and_(splat(builder, rectified, vec.lanes), builder.fcmp_ordered("<=", totals, vec.zero))
    (totals,) = emit_change(builder, gate[0], [builder.select(is_cut, vec.zero, totals)], gated)
    return totals


@intrinsic
def dots(
    context, a, a_start, a_row, b, b_start, c, c_start, c_row, depth, rows, add, intercept, rectified, gate, factor
):  # fmt: skip
    """C[:rows, 0] = or += A b for rows <= ROWS contiguous rows of A, `a_row` apart. depth > 0.

    The epilogue is that of `product`, with `intercept` a place in `b`.
    """

    def emit(ctx, builder, signature, args):
        def place(array, at):
            return element(ctx, builder, signature, args, array, at)

        def is_place(at):
            return builder.icmp_signed(">=", at, ir.Constant(at.type, 0))

        vec = Vectors(builder, signature.args[0].dtype)
        a_row, c_start, c_row, depth, rows, add, intercept, rectified, gate, factor = args[2], *args[6:]
        number = rows.type
        last = builder.sub(rows, ir.Constant(number, 1))
        row = [
            builder.select(builder.icmp_signed("<", ir.Constant(number, r), last), ir.Constant(number, r), last)
            for r in range(ROWS)
        ]
        first, to = place(0, args[1]), place(5, c_start)
        starts = [builder.gep(first, [builder.mul(a_row, at)]) for at in row]
        sums = emit_lane_sums(vec, _emit_rows(builder, vec, starts, place(3, args[4]), depth))
        # Without an intercept, b's first number is read, which is there.
        read = builder.load(place(3, builder.select(is_place(intercept), intercept, args[4])))
        intercept = builder.select(is_place(intercept), read, vec.scalar(0))
        gate, places = (is_place(gate), place(5, gate)), [builder.mul(c_row, at) for at in row]
        add, rectified = as_flag(builder, add), as_flag(builder, rectified)
        # All is read before anything is written: the last row, which is there twice, is written twice alike.
        results, n_done = [], 0
        for totals, n in sums:
            results.append(_emit_end(vec, totals, to, places[n_done : n_done + n], add, intercept, rectified, gate,
                                     factor))  # fmt: skip
            n_done += n
        numbers = [builder.extract_element(values, ir.Constant(INT32, lane))
                   for values, (_, n) in zip(results, sums, strict=True) for lane in range(n)]  # fmt: skip
        for number, at in zip(numbers, places, strict=True):
            builder.store(number, builder.gep(to, [at]))
        return ctx.get_dummy_value()

    i, boolean = types.intp, types.boolean
    return types.void(a, i, i, b, i, c, i, i, i, i, boolean, i, boolean, i, a.dtype), emit
