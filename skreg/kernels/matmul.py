"""Matrix products on flat buffers, every element summed in one fixed order.

`product` computes C = A B or C += A B where A and B lie anywhere in flat arrays with any two strides,
so that transposes cost nothing to express. It walks over C in tiles of ROWS x (VECTORS * lanes)
elements that stay in registers while the depth k runs:

- AVX-512 has 32 vector registers: 8 rows x 2 vectors are 16 accumulators, 2 more hold a row of B, 1 an
  element of A. Each step of k is 16 multiply-adds and 10 loads: 8 cycles on 2 arithmetic ports, 5 on 2
  load ports. 16 independent chains cover the latency of 4 cycles on 2 ports (8 would do).
- AVX2 and SSE have 16 (NEON 32): 4 rows x 2 vectors = 8 accumulators + 2 for B + 1 for A.

A product with one column has tiles of its own: `dots` where the rows of A are contiguous, and 1 row x
ROW_VECTORS vectors of the transposed product where its columns are.

What is not next to each other in memory is first copied to where it is:

- B to a panel of DEPTH x (VECTORS * lanes) elements, 32 KiB with AVX-512, that stays in the first-level
  cache while HEIGHT rows of A pass: where its rows are not contiguous, where a tile is not full, where
  its rows share cache sets (a multiple of 1 KiB apart), or where they lie on too many pages.
- A transposed to a block of HEIGHT x DEPTH elements, 256 or 512 KiB, that stays in the second-level
  cache while the panels of B pass: one step of k would touch another page each time. Where A is not
  transposed its ROWS rows are read along, and a copy costs more than it gains.

The end of a product (its *epilogue*, see `product`) is done while the tile is in registers.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from ._jit import helper, outlined
from .dots import ROWS, dots
from .outer import outer_product
from .packing import pack_panel
from .simd import (
    BOOL,
    HAS_MASKS,
    VECTOR_BYTES,
    Vectors,
    as_flag,
    element,
    emit_prefetch,
    emit_sums,
    ir,
    lanes_of,
)
from .views import part, set_zero

VECTORS = 2
ROW_VECTORS = 4  # of a tile of one row: as many loads as a sum takes cycles
DEPTH = 256
HEIGHT = 256
# Bytes between rows of which few fit into the first-level cache at a time, because they share its sets.
_ALIAS_BYTES = 1024
# Bytes that the first-level translation buffer reaches, at 4 KiB a page.
_REACH_BYTES = 256 * 1024
# From so many columns of B and so many steps of k, copying a transposed A pays.
_COLUMNS_WORTH_A_COPY, _DEPTH_WORTH_A_COPY = 200, 96
_DEPTH_WORTH_A_PREFETCH = 48

# Steps and flags for `product`. As plain literals each would be a type of its own to numba, and `product`
# compiled once for every combination of them.
NEXT, SET, ADD = np.int64(1), np.bool_(False), np.bool_(True)
NONE, UNBOUNDED = np.int64(-1), np.bool_(False)

_LANES = {np.dtype(np.float32): VECTOR_BYTES // 4, np.dtype(np.float64): VECTOR_BYTES // 8}


def panel_size(dtype, transposed=True):
    """Elements of scratch that `product` needs: a panel of B and, if A may be transposed, a block of A."""
    return DEPTH * (VECTORS * _LANES[np.dtype(dtype)] + (HEIGHT if transposed else 0))


def _emit_products(builder, vec, vectors, a, a_rows, a_col, b, b_row, depth, masks):
    """The sums of a tile, row by row; B is masked if asked to."""

    def add_terms(k, places, sums):
        a_at, b_at = places
        shifts = [ir.Constant(depth.type, v * vec.lanes) for v in range(vectors)]
        starts = [builder.gep(b, [builder.add(b_at, shift)]) for shift in shifts]
        right = [vec.load(start, mask) for start, mask in zip(starts, masks, strict=True)]
        after = []
        for r, a_row in enumerate(a_rows):
            left = vec.broadcast(builder.load(builder.gep(a, [builder.add(a_at, a_row)])))
            after += [vec.fma(left, right[v], sums[r * vectors + v]) for v in range(vectors)]
        return after

    return emit_sums(vec, depth, 1, [a_col, b_row], len(a_rows) * vectors, add_terms)


def _emit_prefetches(builder, depth, arrays, c_rows, shifts):
    """Ask for what the end of a tile reads and writes, if the tile takes long enough for that to help."""
    with builder.if_then(builder.icmp_signed(">=", depth, ir.Constant(depth.type, _DEPTH_WORTH_A_PREFETCH))):
        for start, to_write in arrays:
            for row in c_rows:
                for shift in shifts:
                    emit_prefetch(builder, builder.gep(start, [builder.add(row, shift)]), to_write=to_write)


def _emit_epilogue(builder, vec, sums, c, c_rows, shifts, masks, add, terms, floor, gate, factors):
    """From the sums of a tile to elements of C, as `product` says; `gate` is (whether there is one, pointer).

    All is read before anything is written: rows that are there twice are then written twice alike.
    """
    vectors = len(shifts)
    places = [(builder.add(row, shift), masks[v]) for row in c_rows for v, shift in enumerate(shifts)]

    def load(start, place):
        return vec.load(builder.gep(start, [place[0]]), place[1])

    def changed(wanted, totals, change):
        before = builder.block
        with builder.if_then(wanted):
            after = [change(total, place) for total, place in zip(totals, places, strict=True)]
            changing = builder.block
        joined = [builder.phi(vec.type) for _ in totals]
        for phi, total, other in zip(joined, totals, after, strict=True):
            phi.add_incoming(total, before)
            phi.add_incoming(other, changing)
        return joined

    def gated(total, place):
        opened = builder.fcmp_ordered(">", load(gate[1], place), vec.zero)
        return builder.select(opened, builder.fmul(total, factors), vec.zero)

    totals = changed(add, sums, lambda total, place: builder.fadd(total, load(c, place)))
    totals = [vec.at_least(floor, builder.fadd(total, terms[at % vectors])) for at, total in enumerate(totals)]
    totals = changed(gate[0], totals, gated)
    for total, (at, mask) in zip(totals, places, strict=True):
        vec.store(total, builder.gep(c, [at]), mask)


def _emit_tiles(builder, vec, n_rows, vectors, arguments):
    """Body of a tile function; see `_make_tile` for the arguments.

    Tiles of `n_rows` rows follow each other in a loop, so that the processor begins one before the last has
    ended. The rest of the rows makes a second round of the same code: its missing rows repeat the last one.
    """
    a, a_row, a_col, b, b_row, c, c_row, depth, rows, columns, add = arguments[:11]
    intercepts, has_intercepts, rectified, gate, has_gate, factor = arguments[11:]

    def constant(value):
        return ir.Constant(depth.type, value)

    shifts = [constant(v * vec.lanes) for v in range(vectors)]
    masks = [vec.first_lanes(builder.sub(columns, shift)) for shift in shifts]
    # What is not wanted is not loaded, so that its pointers need not be valid.
    terms = [
        vec.load(builder.gep(intercepts, [shift]), builder.select(has_intercepts, mask, ir.Constant(mask.type, None)))
        for shift, mask in zip(shifts, masks, strict=True)
    ]
    floor = vec.broadcast(builder.select(rectified, vec.scalar(0), vec.scalar(float("-inf"))))
    factors = vec.broadcast(factor)
    gate = builder.select(has_gate, gate, c)
    rest = builder.srem(rows, constant(n_rows))
    has_whole = builder.icmp_signed(">=", rows, constant(n_rows))
    first_height = builder.select(has_whole, constant(n_rows), rest)
    first_stop = builder.select(has_whole, builder.sub(rows, rest), rows)

    entry = builder.block
    round_, tile, done, end = (builder.append_basic_block(name) for name in ("round", "tile", "done", "end"))
    builder.branch(round_)
    builder.position_at_end(round_)
    height, start, stop = (builder.phi(depth.type) for _ in range(3))  # of its tiles, and its rows
    last = builder.sub(height, constant(1))
    row = [builder.select(builder.icmp_signed("<", constant(r), last), constant(r), last) for r in range(n_rows)]
    a_rows, c_rows = ([builder.mul(step, at) for at in row] for step in (a_row, c_row))
    builder.branch(tile)

    builder.position_at_end(tile)
    at = builder.phi(depth.type)  # row of the tile's first
    a_at, c_at, gate_at = (builder.gep(matrix, [builder.mul(step, at)])
                           for matrix, step in ((a, a_row), (c, c_row), (gate, c_row)))
    _emit_prefetches(builder, depth, [(c_at, True), (gate_at, False)], c_rows, shifts)
    b_masks = masks if n_rows == 1 else [None] * vectors
    sums = _emit_products(builder, vec, vectors, a_at, a_rows, a_col, b, b_row, depth, b_masks)
    _emit_epilogue(builder, vec, sums, c_at, c_rows, shifts, masks, add, terms, floor, (has_gate, gate_at), factors)
    following = builder.add(at, constant(n_rows))
    at.add_incoming(start, round_)
    at.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, stop), tile, done)

    builder.position_at_end(done)
    for phi, in_first, in_second in (
        (height, first_height, rest), (start, constant(0), following), (stop, first_stop, rows)
    ):  # fmt: skip
        phi.add_incoming(in_first, entry)
        phi.add_incoming(in_second, done)
    builder.cbranch(builder.icmp_signed("<", following, rows), round_, end)
    builder.position_at_end(end)
    builder.ret_void()


def _tile_function(module, vec, n_rows, vectors):
    """The tile as a function of the module, made once: inlined at each use it would be compiled many times."""
    name = f"skreg_tile_{n_rows}x{vectors}x{vec.lanes}_f{vec.bits}"
    if name in module.globals:
        return module.globals[name]
    pointer, i64 = vec.element.as_pointer(), ir.IntType(64)
    kinds = [pointer, i64, i64, pointer, i64, pointer, i64, i64, i64, i64, BOOL]
    kinds += [pointer, BOOL, BOOL, pointer, BOOL, vec.element]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    _emit_tiles(builder, type(vec)(builder, vec.numba_dtype), n_rows, vectors, function.args)
    return function


def _make_tile(n_rows, vectors):
    """Intrinsic C[rows, columns] = or += A[rows, depth] B[depth, columns], `n_rows` rows at a time.

    `columns` <= vectors * lanes: missing ones are masked. B must be readable for the whole width, except
    where a tile has but one row. depth > 0. The epilogue's arguments are those of `product`; `intercept`
    and `gate` are places in `others` and in `c`.
    """

    @intrinsic
    def tile(
        context, a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, depth, rows, columns, add, others,
        intercept, rectified, gate, factor
    ):  # fmt: skip
        def emit(ctx, builder, signature, args):
            def pointer(array, at):
                return element(ctx, builder, signature, args, array, at)

            def is_wanted(at):
                return builder.icmp_signed(">=", at, ir.Constant(at.type, 0))

            vec = Vectors(builder, signature.args[0].dtype)
            intercept, rectified, gate, factor = args[15:]
            builder.call(
                _tile_function(builder.module, vec, n_rows, vectors),
                [pointer(0, args[1]), args[2], args[3], pointer(4, args[5]), args[6], pointer(7, args[8]), args[9],
                 *args[10:13], as_flag(builder, args[13]), pointer(14, intercept), is_wanted(intercept),
                 as_flag(builder, rectified), pointer(7, gate), is_wanted(gate), factor],
            )  # fmt: skip
            return ctx.get_dummy_value()

        i, flag = types.intp, types.boolean
        return types.void(a, i, i, i, b, i, i, c, i, i, i, i, i, flag, others, i, flag, i, a.dtype), emit

    return tile


_tile_1, _tile_2, _one_row = _make_tile(ROWS, 1), _make_tile(ROWS, VECTORS), _make_tile(1, ROW_VECTORS)
_low_tile = _make_tile(ROWS // 2, VECTORS)  # for what is left of the rows


@helper
def _finish(total, c, at, add, others, intercept, rectified, gate, factor):
    """Store one element with its epilogue."""
    if add:
        total += c[at]
    if intercept >= 0:
        total += others[intercept]
    if rectified and total <= 0:
        total = c.dtype.type(0)
    if gate >= 0:
        total = total * factor if c[gate] > 0 else c.dtype.type(0)
    c[at] = total


@outlined
def column_sums(a, a_start, a_row, m, n, to, to_start, add, one):
    """to = or += the sums of n columns of m contiguous rows of A; `one` holds a 1 in its first place."""
    if not HAS_MASKS or m == 0:
        _column_sums_in_memory(a, a_start, a_row, m, n, to, to_start, add)
        return
    for j in range(0, n, ROW_VECTORS * lanes_of(to)):
        _one_row(one, 0, 0, 0, a, a_start + j, a_row, to, to_start + j, 0, m, 1, n - j, add, one, NONE, UNBOUNDED,
                 NONE, one[0])  # fmt: skip


@helper
def _column_sums_in_memory(a, a_start, a_row, m, n, to, to_start, add):
    sums = part(to, to_start, n)
    if not add:
        set_zero(sums)
    for i in range(m):
        row = part(a, a_start + i * a_row, n)
        for j in range(n):
            sums[j] += row[j]


@outlined
def _product_one_column(a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, add, intercept,
                        rectified, gate, factor):  # fmt: skip
    """C[:, 0] = or += A B[:, 0]: too narrow for a tile."""
    if a_row == 1 and c_row == 1 and intercept < 0 and gate < 0 and not rectified and HAS_MASKS:
        # A' is contiguous: the transposed product has one row.
        for i in range(0, m, ROW_VECTORS * lanes_of(c)):
            _one_row(b, b_start, 0, b_row, a, a_start + i, a_col, c, c_start + i, 0, depth, 1, m - i, add, b, NONE,
                     UNBOUNDED, NONE, factor)  # fmt: skip
        return
    if a_col == 1 and b_row == 1 and HAS_MASKS:
        for i in range(0, m, ROWS):
            at = i * c_row
            dots(a, a_start + i * a_row, a_row, b, b_start, c, c_start + at, c_row, depth, min(ROWS, m - i), add,
                 intercept, rectified, gate + at if gate >= 0 else NONE, factor)  # fmt: skip
        return
    for i in range(m):
        total, at = c.dtype.type(0), i * c_row
        for k in range(depth):
            total += a[a_start + i * a_row + k * a_col] * b[b_start + k * b_row]
        _finish(total, c, c_start + at, add, b, intercept, rectified, gate + at if gate >= 0 else NONE, factor)


@helper
def _product_without_depth(a, b, c, c_start, c_row, m, n, add, intercept, rectified, gate, factor):
    """The epilogue of a sum of nothing."""
    for j in range(n):
        _product_one_column(a, 0, 0, 0, b, 0, 0, c, c_start + j, c_row, m, 0, add,
                            intercept + j if intercept >= 0 else intercept, rectified, gate + j if gate >= 0 else gate,
                            factor)  # fmt: skip


@helper
def _multiply_panel(a, a_start, a_row, a_col, a_group, a_group_step, b, b_start, b_row, c, c_start, c_row, m, depth,
                    columns, wide, add, others, intercept, rectified, gate, factor):  # fmt: skip
    """C[:, :columns] = or += A B for one panel of B, tile by tile.

    A lies in groups of `a_group` rows, `a_group_step` apart.
    """
    for i in range(0, m, a_group):
        rows, c_at, gate_at = min(a_group, m - i), c_start + i * c_row, gate + i * c_row if gate >= 0 else gate
        low = rows % ROWS if wide and rows % ROWS <= ROWS // 2 else 0  # rows of which a whole tile would waste half
        rows -= low
        if not wide:
            _tile_1(a, a_start, a_row, a_col, b, b_start, b_row, c, c_at, c_row, depth, rows, columns, add, others,
                    intercept, rectified, gate_at, factor)  # fmt: skip
        elif rows > 0:
            _tile_2(a, a_start, a_row, a_col, b, b_start, b_row, c, c_at, c_row, depth, rows, columns, add, others,
                    intercept, rectified, gate_at, factor)  # fmt: skip
        if low > 0:
            _low_tile(a, a_start + rows * a_row, a_row, a_col, b, b_start, b_row, c, c_at + rows * c_row, c_row, depth,
                      low, columns, add, others, intercept, rectified, gate_at + rows * c_row if gate >= 0 else NONE,
                      factor)  # fmt: skip
        a_start += a_group_step


@helper
def _pack_block(a, a_start, a_row, a_col, height, depth, panel, start, group):
    """Copy A[:height, :depth] to groups of rows, each with the elements of one column together."""
    for i in range(0, height, group):
        pack_panel(a, a_start + i * a_row, a_col, a_row, depth, min(group, height - i), panel, start + i * DEPTH, group)


@outlined
def product(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add, intercept,
            rectified, gate, factor):  # fmt: skip
    """C (m x n, contiguous rows c_row apart) = or += A (m x depth) B (depth x n), and its epilogue.

    `*_start` is the place of a matrix in its flat array, `*_row` and `*_col` the steps between its
    rows and columns. `panel` has `panel_size(dtype, a_row == 1)` elements. The epilogue does, in this order:

    - adds the n elements of `b` from `intercept` on to each row, unless that is NONE;
    - if `rectified`, sets what is negative to zero (a NaN stays one);
    - multiplies by `factor` where the matrix at `gate` in `c`, strided as C, is positive, and sets the
      rest to zero, unless `gate` is NONE.
    """
    if depth == 0:
        _product_without_depth(a, b, c, c_start, c_row, m, n, add, intercept, rectified, gate, factor)
        return
    if n == 1:
        _product_one_column(a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, add,
                            intercept, rectified, gate, factor)  # fmt: skip
        return
    if depth == 1 and b_col == 1 and intercept < 0 and not (add or rectified):
        outer_product(a, a_start, a_row, b, b_start, c, c_start, c_row, m, n, gate, factor)
        return
    lanes, itemsize = lanes_of(c), VECTOR_BYTES // lanes_of(c)
    block, group = DEPTH * VECTORS * lanes, max(lanes, ROWS)
    copies_a = a_row == 1 and n >= _COLUMNS_WORTH_A_COPY and depth >= _DEPTH_WORTH_A_COPY
    for i0 in range(0, m, HEIGHT):
        height = min(HEIGHT, m - i0)
        for k0 in range(0, depth, DEPTH):
            k_count = min(DEPTH, depth - k0)
            ends = k0 + k_count == depth
            left, l_start, l_row, l_col = a, a_start + i0 * a_row + k0 * a_col, a_row, a_col
            l_group, l_group_step = height, 0
            if copies_a:
                _pack_block(a, l_start, a_row, a_col, height, k_count, panel, block, group)
                left, l_start, l_row, l_col, l_group, l_group_step = panel, block, 1, group, group, group * DEPTH
            scattered = (b_row * itemsize) % _ALIAS_BYTES == 0 or k_count * b_row * itemsize > _REACH_BYTES
            for j in range(0, n, VECTORS * lanes):
                columns = min(VECTORS * lanes, n - j)
                width = VECTORS * lanes if columns > lanes else lanes
                right, r_start, r_row = b, b_start + k0 * b_row + j * b_col, b_row
                if b_col != 1 or columns != width or (scattered and height > 2 * ROWS):
                    pack_panel(b, r_start, b_row, b_col, k_count, columns, panel, 0, width)
                    right, r_start, r_row = panel, 0, width
                at = i0 * c_row + j
                _multiply_panel(
                    left, l_start, l_row, l_col, l_group, l_group_step, right, r_start, r_row, c, c_start + at, c_row,
                    height, k_count, columns, width > lanes, add or k0 > 0, b,
                    intercept + j if ends and intercept >= 0 else NONE, rectified and ends,
                    gate + at if ends and gate >= 0 else NONE, factor,
                )  # fmt: skip
