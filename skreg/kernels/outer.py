"""Products of depth 1: what a single output sends back. There is nothing to sum, so a tile would be all overhead."""

from ._jit import intrinsic, outlined
from ._lazy import types
from .simd import Vectors, element, lanes_of


def _make_block(whole, gated):
    """Intrinsic: one vector of a row, or its first `count` elements if not `whole`."""

    @intrinsic
    def block(context, left, b, b_at, c, c_at, gate_at, count):
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0])
            count = None if whole else args[6]
            mask = None if whole else vec.first_lanes(count)

            def place(array, at):
                return element(ctx, builder, signature, args, array, at)

            result = builder.fmul(vec.broadcast(args[0]), vec.load(place(1, args[2]), mask))
            if gated:
                is_open = builder.fcmp_ordered(">", vec.load(place(3, args[5]), mask), vec.zero)
                result = builder.select(is_open, result, vec.zero)
            vec.store(result, place(3, args[4]), count)
            return ctx.get_dummy_value()

        i = types.intp
        return types.void(b.dtype, b, i, c, i, i, i), emit

    return block


_plain, _plain_rest = _make_block(True, False), _make_block(False, False)
_gated, _gated_rest = _make_block(True, True), _make_block(False, True)


@outlined
def outer_product(a, a_start, a_row, b, b_start, c, c_start, c_row, m, n, gate, factor):
    """C = a b' for a column a and a contiguous row b, with the gate and factor of `product`'s epilogue."""
    lanes = lanes_of(c)
    n_whole = n // lanes * lanes
    for i in range(m):
        left, to = a[a_start + i * a_row], c_start + i * c_row
        if gate < 0:
            for j in range(0, n_whole, lanes):
                _plain(left, b, b_start + j, c, to + j, 0, lanes)
            if n_whole < n:
                _plain_rest(left, b, b_start + n_whole, c, to + n_whole, 0, n - n_whole)
        else:
            left, opening = left * factor, gate + i * c_row
            for j in range(0, n_whole, lanes):
                _gated(left, b, b_start + j, c, to + j, opening + j, lanes)
            if n_whole < n:
                _gated_rest(left, b, b_start + n_whole, c, to + n_whole, opening + n_whole, n - n_whole)
