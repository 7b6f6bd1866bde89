"""Matrix products on flat buffers, every element summed in one fixed order.

`product` computes C = A B or C += A B where A and B lie anywhere in flat arrays with any two strides,
so that transposes cost nothing to express. It walks over C in tiles of ROWS x (VECTORS * lanes)
elements that stay in registers while the depth k runs:

- AVX-512 has 32 vector registers: 8 rows x 2 vectors are 16 accumulators, 2 more hold a row of B, and
  A's elements are broadcast from memory within the multiply-add. 16 independent chains cover the
  latency of 4 cycles on 2 ports (8 would do).
- AVX2, SSE and NEON have 16 (NEON 32): 4 rows x 2 vectors = 8 accumulators + 2 for B + 1 for A.

B is read in place where its rows are contiguous and a tile is full, else from a packed panel of
DEPTH x (VECTORS * lanes) elements, 32 KiB with AVX-512, that stays in the first-level cache. HEIGHT rows
of A at a time, 256 or 512 KiB, stay in the second-level cache while the panels pass.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from ._jit import helper, outlined
from .packing import pack_panel
from .simd import BOOL, VECTOR_BYTES, Vectors, ir, lanes_of
from .views import part

ROWS = 8 if VECTOR_BYTES == 64 else 4
VECTORS = 2
DEPTH = 256
HEIGHT = 256
_ALIAS_VECTORS = 1024 // VECTOR_BYTES

# Steps and flags for `product`. As plain literals each would be a type of its own to numba, and `product`
# compiled once for every combination of them.
NEXT, SET, ADD = np.int64(1), np.bool_(False), np.bool_(True)

_LANES = {np.dtype(np.float32): VECTOR_BYTES // 4, np.dtype(np.float64): VECTOR_BYTES // 8}


def panel_size(dtype):
    """Elements of the scratch panel that `product` needs."""
    return DEPTH * VECTORS * _LANES[np.dtype(dtype)]


def _emit_tile(builder, vec, vectors, arguments):
    """Body of a tile function; see `_make_tile` for the arguments, all pointers and i64 but the last."""
    a, a_row, a_col, b, b_row, c, c_row, depth, rows, columns, add = arguments
    i64 = depth.type

    def constant(value):
        return ir.Constant(i64, value)

    last = builder.sub(rows, constant(1))
    a_rows = []
    for r in range(ROWS):
        inside = builder.icmp_signed("<", constant(r), rows)
        a_rows.append(builder.mul(a_row, builder.select(inside, constant(r), last)))

    before = builder.block
    loop, done = builder.append_basic_block("depth"), builder.append_basic_block("store")
    builder.branch(loop)
    builder.position_at_end(loop)
    k, a_at, b_at = builder.phi(i64), builder.phi(i64), builder.phi(i64)
    sums = [builder.phi(vec.type) for _ in range(ROWS * vectors)]
    right = [vec.load(builder.gep(b, [builder.add(b_at, constant(v * vec.lanes))])) for v in range(vectors)]
    after = []
    for r in range(ROWS):
        left = vec.broadcast(builder.load(builder.gep(a, [builder.add(a_at, a_rows[r])])))
        after += [vec.fma(left, right[v], sums[r * vectors + v]) for v in range(vectors)]
    k_next = builder.add(k, constant(1))
    for phi, step in ((k, k_next), (a_at, builder.add(a_at, a_col)), (b_at, builder.add(b_at, b_row))):
        phi.add_incoming(constant(0), before)
        phi.add_incoming(step, loop)
    for phi, value in zip(sums, after, strict=True):
        phi.add_incoming(vec.zero, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

    builder.position_at_end(done)
    masks = [vec.first_lanes(builder.sub(columns, constant(v * vec.lanes))) for v in range(vectors)]
    # Where C is set and not added to, no lane of it is loaded.
    kept = [builder.select(add, mask, ir.Constant(mask.type, None)) for mask in masks]
    for r in range(ROWS):
        with builder.if_then(builder.icmp_signed("<", constant(r), rows)):
            for v in range(vectors):
                at = builder.gep(c, [builder.add(builder.mul(c_row, constant(r)), constant(v * vec.lanes))])
                total = builder.fadd(after[r * vectors + v], vec.masked_load(at, kept[v]))
                vec.masked_store(total, at, masks[v])
    builder.ret_void()


def _tile_function(module, vec, vectors):
    """The tile as a function of the module, made once: inlined at each use it would be compiled many times."""
    name = f"skreg_tile_{ROWS}x{vectors}x{vec.lanes}_f{vec.bits}"
    if name in module.globals:
        return module.globals[name]
    pointer, i64 = vec.element.as_pointer(), ir.IntType(64)
    kinds = [pointer, i64, i64, pointer, i64, pointer, i64, i64, i64, i64, BOOL]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    _emit_tile(builder, type(vec)(builder, vec.numba_dtype), vectors, function.args)
    return function


def _make_tile(vectors):
    """Intrinsic C[rows, columns] = or += A[rows, depth] B[depth, columns] for one register tile.

    `rows` <= ROWS and `columns` <= vectors * lanes may be smaller than the tile: missing rows of A
    repeat the last one and are not stored, missing columns are masked. B must be readable for the
    whole width. depth > 0.
    """

    @intrinsic
    def tile(
        context, a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, depth, rows, columns, add
    ):  # fmt: skip
        def emit(ctx, builder, signature, args):
            def pointer(index):
                array = ctx.make_array(signature.args[index])(ctx, builder, args[index])
                return builder.gep(array.data, [args[index + 1]])

            vec = Vectors(builder, signature.args[0].dtype)
            keep = args[13] if args[13].type == BOOL else builder.trunc(args[13], BOOL)
            builder.call(
                _tile_function(builder.module, vec, vectors),
                [pointer(0), args[2], args[3], pointer(4), args[6], pointer(7), args[9], *args[10:13], keep],
            )
            return ctx.get_dummy_value()

        i = types.intp
        return types.void(a, i, i, i, b, i, i, c, i, i, i, i, i, types.boolean), emit

    return tile


_tile_1, _tile_2 = _make_tile(1), _make_tile(2)


@outlined
def _product_one_column(a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, add):
    """C[:, 0] = or += A B[:, 0]: too narrow for a tile."""
    if a_col == 1 and b_row == 1:
        right = part(b, b_start, depth)
        for i in range(m):
            left = part(a, a_start + i * a_row, depth)
            total = c.dtype.type(0)
            for k in range(depth):
                total += left[k] * right[k]
            at = c_start + i * c_row
            c[at] = c[at] + total if add else total
    elif a_row == 1 and c_row == 1:
        out = part(c, c_start, m)
        if not add:
            for i in range(m):
                out[i] = 0
        for k in range(depth):
            left = part(a, a_start + k * a_col, m)
            factor = b[b_start + k * b_row]
            for i in range(m):
                out[i] += left[i] * factor
    else:
        for i in range(m):
            total = c.dtype.type(0)
            for k in range(depth):
                total += a[a_start + i * a_row + k * a_col] * b[b_start + k * b_row]
            at = c_start + i * c_row
            c[at] = c[at] + total if add else total


@helper
def _multiply_panel(a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, columns, wide, add):
    """C[:, :columns] = or += A B for one panel of B, tile by tile."""
    for i in range(0, m, ROWS):
        rows = min(ROWS, m - i)
        a_at, c_at = a_start + i * a_row, c_start + i * c_row
        if wide:
            _tile_2(a, a_at, a_row, a_col, b, b_start, b_row, c, c_at, c_row, depth, rows, columns, add)
        else:
            _tile_1(a, a_at, a_row, a_col, b, b_start, b_row, c, c_at, c_row, depth, rows, columns, add)


@outlined
def product(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add):
    """C (m x n, contiguous rows c_row apart) = or += A (m x depth) B (depth x n).

    `*_start` is the place of a matrix in its flat array, `*_row` and `*_col` the steps between its
    rows and columns. `panel` has `panel_size(dtype)` elements.
    """
    if depth == 0 and not add:
        for i in range(m):
            row = part(c, c_start + i * c_row, n)
            for j in range(n):
                row[j] = 0
        return
    if n == 1:
        _product_one_column(a, a_start, a_row, a_col, b, b_start, b_row, c, c_start, c_row, m, depth, add)
        return
    lanes = lanes_of(c)
    alias = _ALIAS_VECTORS * lanes
    for k0 in range(0, depth, DEPTH):
        k_count = min(DEPTH, depth - k0)
        for i0 in range(0, m, HEIGHT):
            height = min(HEIGHT, m - i0)
            for j in range(0, n, VECTORS * lanes):
                columns = min(VECTORS * lanes, n - j)
                width = VECTORS * lanes if columns > lanes else lanes
                right, r_start, r_row = b, b_start + k0 * b_row + j * b_col, b_row
                # Rows a multiple of 1 KiB apart share few cache sets and would drive each other out.
                if b_col != 1 or columns != width or (b_row % alias == 0 and m > 2 * ROWS):
                    pack_panel(b, r_start, b_row, b_col, k_count, columns, panel, width)
                    right, r_start, r_row = panel, 0, width
                _multiply_panel(a, a_start + i0 * a_row + k0 * a_col, a_row, a_col, right, r_start, r_row,
                                c, c_start + i0 * c_row + j, c_row, height, k_count, columns, width > lanes,
                                add or k0 > 0)  # fmt: skip
