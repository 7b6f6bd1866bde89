"""Matrix products on flat buffers, every element summed in one fixed order.

`product` computes C = A B or C += A B where A and B lie anywhere in flat arrays with any two strides,
so that transposes cost nothing to express. It walks over C in tiles of TILE_ROWS x (VECTORS * lanes)
elements that stay in registers while the depth k runs:

- AVX-512 and ARM have 32 vector registers: 8 rows x 2 vectors are 16 accumulators, 2 more hold a row of B, 1 an
  element of A. Each step of k is 16 multiply-adds and 10 loads: 8 cycles on 2 arithmetic ports, 5 on 2
  load ports. 16 independent chains cover the latency of 4 cycles on 2 ports (8 would do).
- AVX2 and SSE have 16: 6 rows x 2 vectors = 12 accumulators + 2 for B + 1 for A. Each step is 12 multiply-adds and
  8 loads, 6 and 4 cycles. With 4 rows the 8 chains just cover the latency, and whatever comes late is lost: such
  tiles reached half of the peak.

What is left of the rows takes a tile of 4, unless it is more. A product with one column has tiles of its own: `dots`
where the rows of A are contiguous, and 1 row x ROW_VECTORS vectors of the transposed product where its columns are. So
has one with few columns, see narrow.py.

What is not next to each other in memory is first copied to where it is:

- B to a panel of at most DEPTH x (VECTORS * lanes) elements, about what the first-level cache holds or half of that,
  that stays there while HEIGHT rows of A pass: where its rows are not contiguous, where a tile is not full, where
  its rows share cache sets (a multiple of 1 KiB apart), or where they lie on too many pages.
- A transposed to a block of HEIGHT x DEPTH elements, 272 or 544 KiB with AVX-512, twice that else, that stays in the
  second-level cache or near it while the panels of B pass: one step of k would touch another page each time. Where A is
  not transposed its rows are read along, and a copy costs more than it gains.

The next panel of B is asked for while a panel is multiplied, a cache line with each step of k of the first tiles.
Weights that other cores have just updated come from far: without it the copy waits for each line, a tenth of a step of
two layers of 128.

The end of a product (its *epilogue*, see `product`) is done while the tile is in registers.
"""

import numpy as np

from ._jit import helper, outlined
from .dots import ROWS, dots
from .narrow import narrow_product, narrow_product_of_transposed
from .outer import outer_product
from .packing import pack_panel
from .rank_one import NOT_OF_RANK_ONE, is_of_rank_one, make_panel
from .simd import HAS_MASKS, VECTOR_BYTES, lanes_of
from .stages import address_of
from .tiles import LOW_TILE_ROWS, TILE_ROWS, UNBROKEN, VECTORS, make_tile
from .views import part, set_zero

ROW_VECTORS = 4  # of a tile of one row: as many loads as a sum takes cycles
DEPTH = 272 if VECTOR_BYTES == 64 else 528  # 34 KiB for a panel of B, or 33, or 17 with SSE and on ARM
HEIGHT = (256 + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
# Bytes between rows of which few fit into the first-level cache at a time, because they share its sets.
_ALIAS_BYTES = 1024
# Bytes that the first-level translation buffer reaches, at 4 KiB a page.
_REACH_BYTES = 256 * 1024
# So much of C stays in the second-level cache from one piece of the depth to the next. More is worth asking for.
NEAR_BYTES = 768 * 1024
# From so many columns of B and so many steps of k, copying a transposed A pays.
_COLUMNS_WORTH_A_COPY, _DEPTH_WORTH_A_COPY = 200, 96
# From so many steps of k, a vector with parts of the depth pays.
DEPTH_WORTH_PARTS = 24

# Steps and flags for `product`. As plain literals each would be a type of its own to numba, and `product`
# compiled once for every combination of them.
NEXT, SET, ADD = np.int64(1), np.bool_(False), np.bool_(True)
NONE, UNBOUNDED = np.int64(-1), np.bool_(False)

_LANES = {np.dtype(np.float32): VECTOR_BYTES // 4, np.dtype(np.float64): VECTOR_BYTES // 8}


def panel_size(dtype, transposed=True):
    """Elements of scratch that `product` needs: a panel of B and, if A may be transposed, a block of A."""
    width = VECTORS * _LANES[np.dtype(dtype)]
    return DEPTH * width + (DEPTH * HEIGHT + width if transposed else 0)


_tile_1 = make_tile(f"{TILE_ROWS}x1", TILE_ROWS, 1, asks_below=True)
_tile_2 = make_tile(f"{TILE_ROWS}x{VECTORS}", TILE_ROWS, VECTORS, asks_ahead=True)
_low_tile = make_tile(f"{LOW_TILE_ROWS}x{VECTORS}", LOW_TILE_ROWS, VECTORS)
_one_row = make_tile(f"1x{ROW_VECTORS}", 1, ROW_VECTORS)


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
        _one_row(one, 0, 0, 0, UNBROKEN, 0, a, a_start + j, a_row, to, to_start + j, 0, m, 1, n - j, add, one, NONE,
                 UNBOUNDED, NONE, one[0])  # fmt: skip


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
            _one_row(b, b_start, 0, b_row, UNBROKEN, 0, a, a_start + i, a_col, c, c_start + i, 0, depth, 1, m - i, add,
                     b, NONE, UNBOUNDED, NONE, factor)  # fmt: skip
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
def _place_of_row(row, a_row, a_shift, a_gap):
    """Of the first row of a tile in an A that lies in groups of rows."""
    return row * a_row + (row // TILE_ROWS >> a_shift) * a_gap


@helper
def _multiply_panel(a, a_start, a_row, a_col, a_shift, a_gap, b, b_start, b_row, c, c_start, c_row, m, depth, columns,
                    wide, add, others, intercept, rectified, gate, factor, line, next_line, n_asking, next_tile,
                    asks_for_c):  # fmt: skip
    """C[:, :columns] = or += A B for one panel of B, tile by tile.

    A lies in groups of rows, see `make_tile`. `line` and what follows say where the next panel's cache lines are, see
    `Tile`: one for each step of k, and others for each of the first tiles. With `asks_for_c` the tiles behind them ask
    for the C that the next panel makes.
    """
    low = m % TILE_ROWS if wide and m % TILE_ROWS <= LOW_TILE_ROWS else 0
    rows = m - low
    if not wide:
        _tile_1(a, a_start, a_row, a_col, a_shift, a_gap, b, b_start, b_row, c, c_start, c_row, depth, rows, columns,
                add, others, intercept, rectified, gate, factor)  # fmt: skip
        return
    begin, end = 0, min(rows, n_asking * TILE_ROWS) if asks_for_c else rows
    while begin < rows:
        at = begin * c_row
        _tile_2(a, a_start + _place_of_row(begin, a_row, a_shift, a_gap), a_row, a_col, a_shift, a_gap, b, b_start,
                b_row, c, c_start + at, c_row, depth, end - begin, columns, add, others, intercept, rectified,
                gate + at if gate >= 0 else NONE, factor, line, next_line, n_asking, next_tile)  # fmt: skip
        begin, end = end, rows
        line, next_line, n_asking, next_tile = address_of(c, c_start + columns), c_row, VECTORS, lanes_of(c)
    if low > 0:
        at = rows * c_row
        _low_tile(a, a_start + _place_of_row(rows, a_row, a_shift, a_gap), a_row, a_col, UNBROKEN, 0, b, b_start, b_row,
                  c, c_start + at, c_row, depth, low, columns, add, others, intercept, rectified,
                  gate + at if gate >= 0 else NONE, factor)  # fmt: skip


@helper
def _pack_block(a, a_start, a_row, a_col, height, depth, panel, start, group):
    """Copy A[:height, :depth] to groups of rows, each with the elements of one column together."""
    for i in range(0, height, group):
        pack_panel(a, a_start + i * a_row, a_col, a_row, depth, min(group, height - i), panel, start + i * DEPTH, group)


@helper
def _log2(power):
    log = 0
    while 1 << log < power:
        log += 1
    return log


@helper
def _block_depth(depth):
    """Steps of k in a panel: as few panels as hold them all, and those alike, for a short one costs almost as much."""
    n_blocks = (depth + DEPTH - 1) // DEPTH
    return (depth + 8 * n_blocks - 1) // (8 * n_blocks) * 8


@helper
def _lines_of_panel(b_row, b_col, depth, width, lanes):
    """(from one cache line of a panel to the next, how many tiles ask for them, from one tile's to the next one's).

    At least two tiles, and an even number: where a copied A lies in groups of rows, they take whole ones.
    """
    if b_col == 1:
        return b_row, 2, lanes
    if b_col == depth:  # whole columns, one behind the other
        return lanes, 2, depth * lanes
    if b_row == 1:  # parts of columns: each tile takes another one
        return 1, width, b_col
    return 0, 2, 0  # nothing is contiguous: the first element alone


@outlined
def _product(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add, intercept,
             rectified, gate, factor, made_of):  # fmt: skip
    """What `product` says or, unless `made_of` is NOT_OF_RANK_ONE, `product_of_rank_one`."""
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
    block_depth = _block_depth(depth)
    if 2 * n <= lanes and b_col == 1 and m > 0 and HAS_MASKS:
        if a_col == 1 and depth >= DEPTH_WORTH_PARTS:
            narrow_product(a, a_start, a_row, b, b_start, b_row, c, c_start, c_row, m, depth, n, panel, add, intercept,
                           rectified, gate, factor)  # fmt: skip
            return
        if a_row == 1 and intercept < 0 and gate < 0 and not rectified:
            done = narrow_product_of_transposed(a, a_start, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, n,
                                                panel, add, block_depth)  # fmt: skip
            a_start, c_start, m = a_start + done, c_start + done * c_row, m - done
    block, shift = DEPTH * VECTORS * lanes, _log2(max(lanes // TILE_ROWS, 1))
    group = TILE_ROWS << shift
    copies_a = a_row == 1 and n >= _COLUMNS_WORTH_A_COPY and depth >= _DEPTH_WORTH_A_COPY
    for i0 in range(0, m, HEIGHT):
        height = min(HEIGHT, m - i0)
        for k0 in range(0, depth, block_depth):
            k_count = min(block_depth, depth - k0)
            ends = k0 + k_count == depth
            left, l_start, l_row, l_col = a, a_start + i0 * a_row + k0 * a_col, a_row, a_col
            l_shift, l_gap = UNBROKEN, 0
            if copies_a:
                _pack_block(a, l_start, a_row, a_col, height, k_count, panel, block, group)
                left, l_start, l_row, l_col, l_shift, l_gap = panel, block, 1, group, shift, group * (DEPTH - 1)
            asks_for_c = height * n * itemsize > NEAR_BYTES and height >= k_count
            scattered = (b_row * itemsize) % _ALIAS_BYTES == 0 or k_count * b_row * itemsize > _REACH_BYTES
            for j in range(0, n, VECTORS * lanes):
                columns = min(VECTORS * lanes, n - j)
                width = VECTORS * lanes if columns > lanes else lanes
                right, r_start, r_row = b, b_start + k0 * b_row + j * b_col, b_row
                if is_of_rank_one(made_of):
                    make_panel(b, r_start, b_row, made_of, k0, j, factor, panel, k_count, columns)
                    right, r_start, r_row = panel, 0, VECTORS * lanes
                elif b_col != 1 or columns != width or (scattered and height > 2 * TILE_ROWS):
                    pack_panel(b, r_start, b_row, b_col, k_count, columns, panel, 0, width)
                    right, r_start, r_row = panel, 0, width
                upcoming = b_start + k0 * b_row + (j + width) * b_col
                next_line, n_asking, next_tile = _lines_of_panel(b_row, b_col, k_count, width, lanes)
                at = i0 * c_row + j
                is_last = j + width >= n
                _multiply_panel(
                    left, l_start, l_row, l_col, l_shift, l_gap, right, r_start, r_row, c, c_start + at, c_row,
                    height, k_count, columns, width > lanes, add or k0 > 0, b,
                    intercept + j if ends and intercept >= 0 else NONE, rectified and ends,
                    gate + at if ends and gate >= 0 else NONE, factor, address_of(b, upcoming), next_line,
                    0 if is_last else n_asking, next_tile, asks_for_c and not is_last,
                )  # fmt: skip


@helper
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
    _product(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add, intercept,
             rectified, gate, factor, NOT_OF_RANK_ONE)  # fmt: skip


@helper
def product_of_rank_one(a, a_start, a_row, a_col, units, units_start, units_row, c, c_start, c_row, m, depth, n, panel,
                        add, factor, made_of):  # fmt: skip
    """`product` for the B that rank_one.py makes of contiguous rows of activations, and its sums; m, depth, n > 1."""
    _product(a, a_start, a_row, a_col, units, units_start, units_row, NEXT, c, c_start, c_row, m, depth, n, panel, add,
             NONE, UNBOUNDED, NONE, factor, made_of)  # fmt: skip
