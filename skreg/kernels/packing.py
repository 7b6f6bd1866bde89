"""Copies of parts of matrices into the order in which the product's tiles read them."""

from ._jit import helper, intrinsic
from ._lazy import types
from .simd import HAS_MASKS, Vectors, element, ir, lanes_of


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
def _copy_row(context, source, source_start, target, target_start, columns, vectors):
    """`vectors` vectors of a row, zeros from `columns` on."""
    if not isinstance(vectors, types.IntegerLiteral):
        return None

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, signature.args[0].dtype)
        start = element(ctx, builder, signature, args, 0, args[1])
        to = element(ctx, builder, signature, args, 2, args[3])
        columns = args[4]
        for v in range(vectors.literal_value):
            offset = ir.Constant(columns.type, v * vec.lanes)
            mask = vec.first_lanes(builder.sub(columns, offset))
            vec.store(vec.load(builder.gep(start, [offset]), mask), builder.gep(to, [offset]))
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(source, i, target, i, i, vectors), emit


@helper
def copy_row(source, source_start, target, target_start, count):
    """Copy numbers to where there is room for whole vectors; what is behind them may become zero."""
    lanes = lanes_of(target)
    if count >= lanes:  # the last ends with the row
        for j in range(0, count - lanes, lanes):
            _copy_row(source, source_start + j, target, target_start + j, lanes, 1)
        j = count - lanes
        _copy_row(source, source_start + j, target, target_start + j, lanes, 1)
    elif HAS_MASKS:
        _copy_row(source, source_start, target, target_start, count, 1)
    else:
        for j in range(count):
            target[target_start + j] = source[source_start + j]


def _make_transpose(whole):
    """Intrinsic target = source' for a square of one vector's lanes.

    Unless `whole`, only `rows` x `columns` of the source are read; zeros stand for the rest.
    """

    @intrinsic
    def transpose(context, source, source_start, source_row, target, target_start, target_row, rows, columns):
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            rows, columns = args[6:]

            def pointers(index):
                start, step = args[index + 1], args[index + 2]
                for i in range(vec.lanes):
                    offset = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
                    yield element(ctx, builder, signature, args, index, offset)

            def load(i, pointer):
                if whole:
                    return vec.load(pointer)
                is_there = builder.icmp_signed("<", ir.Constant(rows.type, i), rows)
                count = builder.select(is_there, columns, ir.Constant(columns.type, 0))
                return vec.load(pointer, vec.first_lanes(count))

            square = _transposed(vec, [load(i, pointer) for i, pointer in enumerate(pointers(0))])
            for row, pointer in zip(square, pointers(3), strict=True):
                vec.store(row, pointer)
            return ctx.get_dummy_value()

        i = types.intp
        return types.void(source, i, i, target, i, i, i, i), emit

    return transpose


_transpose_whole, _transpose_part = _make_transpose(True), _make_transpose(False)


@helper
def pack_panel(b, b_start, b_row, b_col, depth, columns, panel, panel_start, width):
    """Copy B[:depth, :columns] to consecutive rows of `width`, zeros behind them.

    If `width` is no multiple of the lanes, the rows of B must be contiguous, and the last one needs room for two
    vectors more. If the columns are, as many rows as make `depth` a multiple of the lanes are written.
    """
    lanes = lanes_of(b)
    if b_col == 1 and width <= lanes:
        for k in range(depth):
            _copy_row(b, b_start + k * b_row, panel, panel_start + k * width, columns, 1)
    elif b_col == 1 and width <= 2 * lanes:
        for k in range(depth):
            _copy_row(b, b_start + k * b_row, panel, panel_start + k * width, columns, 2)
    elif b_col == 1:
        for k in range(depth):
            for j in range(0, width, 2 * lanes):
                _copy_row(b, b_start + k * b_row + j, panel, panel_start + k * width + j, columns - j, 2)
    elif b_row == 1:
        for j in range(0, width, lanes):
            for k in range(0, depth, lanes):
                source, to = b_start + j * b_col + k, panel_start + k * width + j
                if j + lanes <= columns and k + lanes <= depth:
                    _transpose_whole(b, source, b_col, panel, to, width, lanes, lanes)
                else:
                    _transpose_part(b, source, b_col, panel, to, width, columns - j, depth - k)
    else:
        for k in range(depth):
            to = panel_start + k * width
            for j in range(width):
                panel[to + j] = b[b_start + k * b_row + j * b_col] if j < columns else b.dtype.type(0)
