"""Products of some rows with one vector: a layer with a single output.

ROWS rows at a time have an accumulator each; the vector's part and one row's part are 2 registers more.
The lanes are added at the end, those of all rows together: 7 shuffled pairs for 8 rows.
"""

from numba import types
from numba.extending import intrinsic

from .simd import INT32, VECTOR_BYTES, Vectors, as_flag, element, emit_sums, ir

# Rows of every tile, see matmul.py for how many.
ROWS = 8 if VECTOR_BYTES == 64 else 4


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


def _emit_end(builder, vec, total, c, at, add, intercept, rectified, gate, factor):
    """One element of C from a sum, by the epilogue; `gate` is (whether there is one, pointer to read)."""
    zero = vec.scalar(0)
    total = builder.fadd(total, builder.select(add, builder.load(builder.gep(c, [at])), zero))
    total = builder.fadd(total, intercept)
    negative = builder.and_(rectified, builder.fcmp_ordered("<=", total, zero))
    total = builder.select(negative, zero, total)
    opened = builder.fcmp_ordered(">", builder.load(builder.gep(gate[1], [at])), zero)
    gated = builder.select(opened, builder.fmul(total, factor), zero)
    return builder.select(gate[0], gated, total)


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

        def choice(array, at, otherwise):
            """What is not wanted is read elsewhere, where there is something."""
            wanted = builder.icmp_signed(">=", at, ir.Constant(at.type, 0))
            return wanted, place(array, builder.select(wanted, at, otherwise))

        vec = Vectors(builder, signature.args[0].dtype)
        a_row, c_start, c_row, depth, rows, add, intercept, rectified, gate, factor = args[2], *args[6:]
        number = rows.type
        last = builder.sub(rows, ir.Constant(number, 1))
        row = [builder.select(builder.icmp_signed("<", ir.Constant(number, r), last), ir.Constant(number, r), last)
               for r in range(ROWS)]
        first, to = place(0, args[1]), place(5, c_start)
        starts = [builder.gep(first, [builder.mul(a_row, at)]) for at in row]
        sums = emit_lane_sums(vec, _emit_rows(builder, vec, starts, place(3, args[4]), depth))
        totals = [builder.extract_element(merged, ir.Constant(INT32, lane)) for merged, n in sums for lane in range(n)]
        has_intercept, intercept = choice(3, intercept, args[4])
        intercept = builder.select(has_intercept, builder.load(intercept), vec.scalar(0))
        gates, places = choice(5, gate, c_start), [builder.mul(c_row, at) for at in row]
        # All is read before anything is written: the last row, which is there twice, is written twice alike.
        results = [
            _emit_end(builder, vec, total, to, at, as_flag(builder, add), intercept, as_flag(builder, rectified), gates,
                      factor) for total, at in zip(totals, places, strict=True)
        ]  # fmt: skip
        for result, at in zip(results, places, strict=True):
            builder.store(result, builder.gep(to, [at]))
        return ctx.get_dummy_value()

    i, boolean = types.intp, types.boolean
    return types.void(a, i, i, b, i, c, i, i, i, i, boolean, i, boolean, i, a.dtype), emit
