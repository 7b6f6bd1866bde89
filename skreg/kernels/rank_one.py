"""Deltas of rank one before the gate: what a single output sends back to relu units, made where they are multiplied.

With one hidden layer of relu and one output, the delta of unit j in row k is delta_k w_j where the unit's activation
h_kj is positive, and else zero. The backward pass is then three sums over rows:

- the gradient of the first layer's weights, a product whose panels of B are these deltas;
- the gradient of its intercepts, the sums of their columns;
- the gradient of the second layer's weights, the sums of delta_k h_kj.

The panels are made from the activations, as others are copied from memory, and both other sums on the way: one pass
over the activations instead of four over two matrices, which takes a sixth off a step on few inputs. For each vector
that is a load, a comparison, a product, a multiply-add, an addition and a store.

Each sum is what those passes would have, to the last bit: in the order of the rows, and rounded as often.
"""

from numba import types
from numba.extending import intrinsic

from ._jit import uniform
from .simd import BOOL, INT64, Vectors, as_flag, element, emit_sums, ir
from .tiles import VECTORS, make_function


def _emit_panel(builder, numba_dtype, arguments):
    """Body of a function that makes a panel of `depth` rows; see `make_panel` for the arguments."""
    units, row, deltas, step, weights, factor, sums, sums_row, panel, depth, columns, adds = arguments
    vec = Vectors(builder, numba_dtype)
    shifts = [ir.Constant(INT64, v * vec.lanes) for v in range(VECTORS)]
    counts = [builder.sub(columns, shift) for shift in shifts]
    masks = [vec.first_lanes(count) for count in counts]
    nothing = ir.Constant(masks[0].type, None)
    before = [builder.select(adds, mask, nothing) for mask in masks]

    def places(start):
        return [builder.gep(start, [shift]) for shift in shifts]

    def load(start, masks):
        return [vec.load(place, mask) for place, mask in zip(places(start), masks, strict=True)]

    right = load(weights, masks)
    products = builder.gep(sums, [sums_row])

    def add_row(k, at, values):
        unit_at, delta_at, panel_at = at
        delta = builder.load(builder.gep(deltas, [delta_at]))
        left, scaled = vec.broadcast(delta), vec.broadcast(builder.fmul(delta, factor))
        after = []
        for v, unit in enumerate(load(builder.gep(units, [unit_at]), masks)):
            is_open = builder.fcmp_ordered(">", unit, vec.zero)
            sent = builder.select(is_open, builder.fmul(scaled, right[v]), vec.zero)
            vec.store(sent, places(builder.gep(panel, [panel_at]))[v])
            after.append((builder.fadd(values[v], sent), vec.fma(left, unit, values[VECTORS + v])))
        return [total for kind in zip(*after, strict=True) for total in kind]

    strides = [row, step, ir.Constant(INT64, VECTORS * vec.lanes)]
    totals = emit_sums(vec, depth, 1, strides, load(sums, before) + load(products, before), add_row)
    for total, place, count in zip(totals, places(sums) + places(products), counts * 2, strict=True):
        vec.store(total, place, count)
    builder.ret_void()


@intrinsic
def _make_panel(context, units, units_start, units_row, deltas, deltas_step, weights, factor, sums, sums_row, panel,
                depth, columns, adds):  # fmt: skip
    """See `make_panel`."""

    def emit(ctx, builder, signature, args):
        dtype = signature.args[0].dtype
        vec = Vectors(builder, dtype)
        pointer = vec.element.as_pointer()

        def at_address(address):
            return builder.inttoptr(address, pointer)

        kinds = [pointer, INT64, pointer, INT64, pointer, vec.element, pointer, INT64, pointer, INT64,
                 INT64, BOOL]  # fmt: skip
        function = make_function(builder.module, f"skreg_rank_one_f{vec.bits}", kinds,
                                 lambda inner, arguments: _emit_panel(inner, dtype, arguments))  # fmt: skip
        start = element(ctx, builder, signature, args, 0, args[1])
        to = element(ctx, builder, signature, args, 9, ir.Constant(INT64, 0))
        builder.call(function, [start, args[2], at_address(args[3]), args[4], at_address(args[5]), args[6],
                                at_address(args[7]), args[8], to, args[10], args[11], as_flag(builder, args[12])])
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(units, i, i, i, i, i, units.dtype, i, i, panel, i, i, types.boolean), emit


# LLVM must not regroup these sums.
@uniform
def make_panel(units, units_start, units_row, deltas, deltas_step, weights, factor, sums, sums_row, panel, depth,
               columns, adds):  # fmt: skip
    """A panel of deltas of VECTORS vectors in each of `depth` > 0 rows, and both sums; zeros from `columns` on.

    `units` are the activations, rows of them `units_row` apart. `deltas`, `weights` and `sums` are addresses: of the
    output's deltas, `deltas_step` apart; of the weights to it; of the sums of this panel's columns and, `sums_row`
    further on, of the products with activations, which are added to if `adds`. A delta is multiplied by `factor`.
    """
    _make_panel(units, units_start, units_row, deltas, deltas_step, weights, factor, sums, sums_row, panel, depth,
                columns, adds)  # fmt: skip
