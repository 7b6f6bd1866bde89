"""Products whose rows fill no more than half a vector: layers with few units, outputs of few classes.

A tile of matmul.py would leave most lanes empty. Here a vector holds p = 2 or 4 *parts* of lanes / p columns each, and
a multiply-add takes p neighbours of A at once, each to the lanes of its part:

- where the rows of A are contiguous, p steps of k. The parts of a sum are added at the end, those of p rows together;
- where A is transposed, p rows of C. Each has its sums in the order of the tiles of matmul.py, to the last bit.

The lanes of the parts are interleaved (column j of part t is lane p j + t), so that p neighbours of A reach them by a
load that repeats them; that needs no shuffle, which would take an arithmetic port. B is packed as its lanes are, to a
panel of BLOCK vectors: 17 KiB with AVX-512, so that it stays in the first-level cache while rows of A pass.

A tile has 8 accumulators. Each step is 8 multiply-adds and 9 loads, 4.5 cycles on 2 load ports: longer than the latency
of 4 cycles, so that more accumulators would gain little, and their 8 places in A, the step and the panel take 11 of
the 15 general registers. 8 accumulators, 1 vector of B and 1 of A also fit into the 16 registers of AVX2.

Where A is transposed each step of k is on another page, where no processor looks ahead: a tile asks for what the next
one reads. In a batch of 200 rows of 5000 inputs that saves a fifth of the whole step.

All loops are functions of the LLVM module: numba takes longer to compile a loop than LLVM.
"""

from ._jit import intrinsic
from ._lazy import cgutils, types
from .dots import merge
from .layout import CACHE_LINE
from .simd import BOOL, INT64, VECTOR_BYTES, Vectors, as_flag, element, emit_prefetch, emit_sums, ir
from .tiles import UNBROKEN, Tile, emit_change, make_function

BLOCK = 272  # vectors of the panel, where the rows of A are contiguous
_PARTS = (2, 4)
_N_SUMS = 8  # accumulators


def _number(value):
    return ir.Constant(INT64, value)


def _row_lanes(p):
    """Lanes of the vectors for rows of C: a part, but at least 16 bytes, as short as vectors are in registers."""
    return lambda lanes: max(lanes // p, 16 * lanes // VECTOR_BYTES) if lanes // p > 1 else 0


def _rows_of(vec, row_vec, total, first_lanes, step):
    """Vectors whose first lanes are those lanes of one vector that begin at `first_lanes`, `step` apart."""
    n = vec.lanes // len(first_lanes)
    return [vec.shuffle(total, total, [first + step * min(j, n - 1) for j in range(row_vec.lanes)])
            for first in first_lanes]  # fmt: skip


def _repeated(builder, vec, p, pointer):
    """p elements, again and again."""
    kind = ir.VectorType(vec.element, p)
    few = builder.load(builder.bitcast(pointer, kind.as_pointer()), align=vec.bits // 8)
    return vec.shuffle(few, few, [lane % p for lane in range(vec.lanes)])


def _interleaved(vec, rows):
    """Element 0 of all rows, then element 1 of all, ..., for a power of two of them."""
    while len(rows) > 1:
        size, half = rows[0].type.count, len(rows) // 2
        order = [size * side + lane for lane in range(size) for side in range(2)]
        rows = [vec.shuffle(rows[t], rows[t + half], order) for t in range(half)]
    return rows[0]


def _emit_packing(builder, numba_dtype, p, arguments):
    """Body of a function that packs `count` vectors, each of p rows of B, and one more of the first `rest` rows.

    The rows of a vector are `part_step` apart, those of the next vector `step` behind them.
    """
    b, part_step, step, panel, count, rest, columns = arguments
    vec = Vectors(builder, numba_dtype)
    row_vec = Vectors(builder, numba_dtype, _row_lanes(p)(vec.lanes))
    there, nothing = row_vec.first_lanes(columns), ir.Constant(ir.VectorType(BOOL, row_vec.lanes), None)

    def pack(at, masks):
        first = builder.gep(b, [builder.mul(step, at)])
        rows = [row_vec.load(builder.gep(first, [builder.mul(part_step, _number(t))]), mask)
                for t, mask in enumerate(masks)]  # fmt: skip
        parts = [vec.shuffle(row, row, range(vec.lanes // p)) for row in rows]
        vec.store(_interleaved(vec, parts), builder.gep(panel, [builder.mul(at, _number(vec.lanes))]))

    with cgutils.for_range(builder, count) as vector:
        pack(vector.index, [there] * p)
    with builder.if_then(builder.icmp_signed(">", rest, _number(0))):
        pack(count, [builder.select(builder.icmp_signed("<", _number(t), rest), there, nothing) for t in range(p)])
    builder.ret_void()


def _packing(module, vec, p):
    pointer = vec.element.as_pointer()
    return make_function(
        module, f"skreg_parts{p}_f{vec.bits}", [pointer, INT64, INT64, pointer, INT64, INT64, INT64],
        lambda builder, arguments: _emit_packing(builder, vec.numba_dtype, p, arguments),
    )  # fmt: skip


# Parts of the depth --------------------------------------------------------------------------------------------------


def _along_depth(p):
    """What a `Tile` emits, for B packed."""

    def emit(builder, row_vec, a, a_rows, a_col, b, b_row, depth, masks):
        vec = Vectors(builder, row_vec.numba_dtype)
        step, lanes = _number(p), _number(vec.lanes)
        rest = builder.srem(depth, step)
        whole = builder.sub(depth, rest)
        starts = [builder.gep(a, [row]) for row in a_rows]

        def add_products(sums, lefts, b_at):
            right = vec.load(builder.gep(b, [b_at]))
            return [vec.fma(left, right, total) for left, total in zip(lefts, sums, strict=True)]

        def add_terms(k, places, sums):
            lefts = [_repeated(builder, vec, p, builder.gep(start, [k])) for start in starts]
            return add_products(sums, lefts, *places)

        def add_rest(sums):
            mask, repeated = vec.first_lanes(rest), [lane % p for lane in range(vec.lanes)]
            lefts = [vec.load(builder.gep(start, [whole]), mask) for start in starts]
            return add_products(sums, [vec.shuffle(left, left, repeated) for left in lefts],
                                builder.mul(builder.sdiv(whole, step), lanes))  # fmt: skip

        sums = emit_change(builder, builder.icmp_signed(">", whole, _number(0)), [vec.zero] * len(a_rows),
                           lambda _: emit_sums(vec, whole, p, [lanes], len(a_rows), add_terms))  # fmt: skip
        sums = emit_change(builder, builder.icmp_signed(">", rest, _number(0)), sums, add_rest)
        blocks = [merge(vec, sums[at : at + p]) for at in range(0, len(sums), p)]
        first_lanes = range(0, vec.lanes, vec.lanes // p)
        return [row for block in blocks for row in _rows_of(vec, row_vec, block, first_lanes, 1)]

    return emit


# Parts of the rows ---------------------------------------------------------------------------------------------------


def _emit_transposed(builder, numba_dtype, p, arguments):
    """Body of a function C[rows, columns] = or += A B for a multiple of p _N_SUMS rows and B packed, A transposed."""
    a, a_col, b, c, c_row, depth, rows, columns, add = arguments
    vec = Vectors(builder, numba_dtype)
    row_vec = Vectors(builder, numba_dtype, _row_lanes(p)(vec.lanes))
    mask = row_vec.first_lanes(columns)
    n_rows, places = p * _N_SUMS, [_number(p * group) for group in range(_N_SUMS)]
    with cgutils.for_range_slice(builder, _number(0), rows, _number(n_rows), inc=True) as (row, _):
        tile = builder.gep(a, [row])

        def add_terms(k, at, sums):
            right, start = vec.load(builder.gep(b, [at[1]])), builder.gep(tile, [at[0]])
            for line in range(0, n_rows, 8 * CACHE_LINE // vec.bits):
                emit_prefetch(builder, builder.gep(start, [_number(n_rows + line)]), to_write=False)
            lefts = [_repeated(builder, vec, p, builder.gep(start, [place])) for place in places]
            return [vec.fma(left, right, total) for left, total in zip(lefts, sums, strict=True)]

        sums = emit_sums(vec, depth, 1, [a_col, _number(vec.lanes)], len(places), add_terms)
        rows_of_c = [builder.gep(c, [builder.mul(c_row, builder.add(row, _number(r)))])
                     for r in range(n_rows)]  # fmt: skip
        totals = [part for total in sums for part in _rows_of(vec, row_vec, total, range(p), p)]

        def added(totals):
            return [builder.fadd(total, row_vec.load(to, mask)) for total, to in zip(totals, rows_of_c, strict=True)]

        for total, to in zip(emit_change(builder, add, totals, added), rows_of_c, strict=True):
            row_vec.store(total, to, columns)
    builder.ret_void()


def _transposed(module, vec, p):
    pointer = vec.element.as_pointer()
    return make_function(
        module, f"skreg_transposed{p}_f{vec.bits}",
        [pointer, INT64, pointer, pointer, INT64, INT64, INT64, INT64, BOOL],
        lambda builder, arguments: _emit_transposed(builder, vec.numba_dtype, p, arguments),
    )  # fmt: skip


_TILES = {p: Tile(f"parts{p}", _N_SUMS, 1, _along_depth(p), _row_lanes(p)) for p in _PARTS}


# What `product` calls ------------------------------------------------------------------------------------------------


def _emit_for_parts(builder, vec, columns, emit):
    """`emit(p)` for as many parts as there is room for."""
    fits = builder.icmp_signed("<=", builder.mul(columns, _number(4)), _number(vec.lanes))
    with builder.if_else(fits) as (then, otherwise):
        for branch, p in ((then, 4), (otherwise, 2)):
            with branch:
                if _row_lanes(p)(vec.lanes):
                    emit(p)


def _emit_blocks(builder, depth, size, emit):
    """`emit(k0, count, whether that is the first block, whether it is the last)` for blocks of the depth."""
    with cgutils.for_range_slice(builder, _number(0), depth, size, inc=True) as (k0, _):
        rest = builder.sub(depth, k0)
        is_last = builder.icmp_signed("<=", rest, size)
        emit(k0, builder.select(is_last, rest, size), builder.icmp_signed("==", k0, _number(0)), is_last)


@intrinsic
def narrow_product(context, a, a_start, a_row, b, b_start, b_row, c, c_start, c_row, m, depth, n, panel, add, intercept,
                   rectified, gate, factor):  # fmt: skip
    """`product` where the rows of A and B are contiguous, and n is from 2 to half a vector's lanes. m, depth > 0."""
    zero = _number(0)

    def emit(ctx, builder, signature, args):
        def pointer(array, at):
            return element(ctx, builder, signature, args, array, at)

        vec = Vectors(builder, signature.args[0].dtype)
        a_row, b_row, c_row, m, depth, n, factor = (args[at] for at in (2, 5, 8, 9, 10, 11, 17))
        first, right, to, packed = pointer(0, args[1]), pointer(3, args[4]), pointer(6, args[7]), pointer(12, zero)
        add, rectified = as_flag(builder, args[13]), as_flag(builder, args[15])
        has_intercepts, has_gate = (builder.icmp_signed(">=", args[at], zero) for at in (14, 16))

        def multiply(p):
            def block(k0, count, is_first, is_last):
                start, vectors = builder.gep(right, [builder.mul(b_row, k0)]), builder.sdiv(count, _number(p))
                builder.call(_packing(builder.module, vec, p), [
                    start, b_row, builder.mul(b_row, _number(p)), packed, vectors, builder.srem(count, _number(p)), n
                ])  # fmt: skip
                builder.call(_TILES[p].function(builder.module, vec), [
                    builder.gep(first, [k0]), a_row, _number(1), _number(UNBROKEN), _number(0), packed, _number(0), to,
                    c_row, count, m, n, builder.or_(add, builder.not_(is_first)), pointer(3, args[14]),
                    builder.and_(has_intercepts, is_last), builder.and_(rectified, is_last), pointer(6, args[16]),
                    builder.and_(has_gate, is_last), factor,
                ])  # fmt: skip

            _emit_blocks(builder, depth, _number(BLOCK * p), block)

        _emit_for_parts(builder, vec, n, multiply)
        return ctx.get_dummy_value()

    i, flag = types.intp, types.boolean
    return types.void(a, i, i, b, i, i, c, i, i, i, i, i, panel, flag, i, flag, i, a.dtype), emit


@intrinsic
def narrow_product_of_transposed(context, a, a_start, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, n, panel,
                                 add, block_size):  # fmt: skip
    """The same, without epilogue, where the columns of A are contiguous, for as many rows as whole tiles have.

    Sums are cut after each `block_size` steps of k; the panel has room for as many vectors. Returns how many rows these
    are.
    """
    zero = _number(0)

    def emit(ctx, builder, signature, args):
        def pointer(array, at):
            return element(ctx, builder, signature, args, array, at)

        vec = Vectors(builder, signature.args[0].dtype)
        a_col, b_row, c_row, m, depth, n = (args[at] for at in (2, 5, 8, 9, 10, 11))
        first, right, to, packed = pointer(0, args[1]), pointer(3, args[4]), pointer(6, args[7]), pointer(12, zero)
        add, done = as_flag(builder, args[13]), cgutils.alloca_once_value(builder, zero)

        def multiply(p):
            rows = builder.sub(m, builder.srem(m, _number(p * _N_SUMS)))
            builder.store(rows, done)

            def block(k0, count, is_first, is_last):
                builder.call(_packing(builder.module, vec, p), [
                    builder.gep(right, [builder.mul(b_row, k0)]), _number(0), b_row, packed, count, zero, n,
                ])  # fmt: skip
                builder.call(_transposed(builder.module, vec, p), [
                    builder.gep(first, [builder.mul(a_col, k0)]), a_col, packed, to, c_row, count, rows, n,
                    builder.or_(add, builder.not_(is_first)),
                ])  # fmt: skip

            with builder.if_then(builder.icmp_signed(">", rows, zero)):
                _emit_blocks(builder, depth, args[14], block)

        _emit_for_parts(builder, vec, n, multiply)
        return builder.load(done)

    i = types.intp
    return types.intp(a, i, i, b, i, i, c, i, i, i, i, i, panel, types.boolean, i), emit
