"""Copies of parts of matrices into the order in which the product's tiles read them."""

from numba import types
from numba.extending import intrinsic

from ._jit import helper
from .simd import Vectors, ir, lanes_of
from .views import part


def _transposed(vec, rows):
    """Transpose of a square of vectors: at each stage, blocks off the diagonal change places.

    log2(lanes) stages of `lanes` shuffles, a third of a cycle for each element with AVX-512.
    """
    lanes, size = vec.lanes, 1
    while size < lanes:
        low = [t if (t // size) % 2 == 0 else lanes + t - size for t in range(lanes)]
        high = [t + size if (t // size) % 2 == 0 else lanes + t for t in range(lanes)]
        for i in range(lanes):
            if not i & size:
                first, second = rows[i], rows[i + size]
                rows[i], rows[i + size] = vec.shuffle(first, second, low), vec.shuffle(first, second, high)
        size *= 2
    return rows


@intrinsic
def _transpose_square(context, source, source_start, source_row, target, target_start, target_row):
    """target = source' for a square of one vector's lanes."""

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, signature.args[0].dtype)

        def pointers(index):
            array = ctx.make_array(signature.args[index])(ctx, builder, args[index])
            start, step = args[index + 1], args[index + 2]
            for i in range(vec.lanes):
                offset = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
                yield builder.gep(array.data, [offset])

        rows = _transposed(vec, [vec.load(pointer) for pointer in pointers(0)])
        for row, pointer in zip(rows, pointers(3), strict=True):
            vec.store(row, pointer)
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(source, i, i, target, i, i), emit


@helper
def _pack_transposed(b, b_start, b_row, b_col, depth, columns, panel, width):
    """The panel of a matrix whose columns lie contiguously (b_row = 1), or anyhow."""
    lanes = lanes_of(b)
    k_whole = depth // lanes * lanes if b_row == 1 else 0
    j_whole = columns // lanes * lanes
    for j in range(0, j_whole, lanes):
        for k in range(0, k_whole, lanes):
            _transpose_square(b, b_start + j * b_col + k, b_col, panel, k * width + j, width)
    for j in range(columns):
        source, column = b_start + j * b_col, part(panel, j, depth * width - j)
        for k in range(k_whole if j < j_whole else 0, depth):
            column[k * width] = b[source + k * b_row]


@helper
def pack_panel(b, b_start, b_row, b_col, depth, columns, panel, width):
    """Copy B[:depth, :columns] to consecutive rows of `width`, zeros behind them."""
    if b_col == 1:
        for k in range(depth):
            row, source = part(panel, k * width, width), part(b, b_start + k * b_row, columns)
            for j in range(columns):
                row[j] = source[j]
    else:
        _pack_transposed(b, b_start, b_row, b_col, depth, columns, panel, width)
    if columns < width:
        for k in range(depth):
            row = part(panel, k * width, width)
            for j in range(columns, width):
                row[j] = 0
