"""Deltas of rank one before the gate: what a single output sends back to relu units, made where they are multiplied.

With one hidden layer of relu and one output, the delta of unit j in row k is delta_k w_j where the unit's activation
h_kj is positive, and else zero. The backward pass is then three sums over rows:

- the gradient of the first layer's weights, a product whose panels of B are these deltas;
- the gradient of its intercepts, the sums of their columns;
- the gradient of the second layer's weights, the sums of delta_k h_kj.

The panels are made from the activations, as others are copied from memory, and both other sums on the way: one pass
over the activations instead of four over two matrices, which takes a sixth off a step on few inputs. For each vector
that is a load, a comparison, a product, a multiply-add, an addition and a store. A penalty on the activations adds
three multiply-adds, for its gradient and its value: those panels are made by a stage (activity.py).

What the deltas are made of is a tuple, so that kernels can hand it on: see `rank_one` below.

Each sum is what those passes would have, to the last bit: in the order of the rows, and rounded as often.
"""

from ._jit import helper, intrinsic, uniform
from ._lazy import types
from .simd import BOOL, INT64, Vectors, as_flag, element, emit_sums, ir
from .stages import NO_ADDRESS, address_of, call_stage
from .tiles import VECTORS, make_function

# Where nothing is of rank one; entries as in `rank_one`.
NOT_OF_RANK_ONE = (NO_ADDRESS,) * 8 + (0.0, 0.0, 0.0)


@helper
def is_of_rank_one(rank_one):
    return rank_one[0] != NO_ADDRESS


@helper
def rank_one(deltas, step, weights, sums, activity, totals, row_weights, rows, l1, l2, scale):
    """What deltas of rank one are made of, and what else comes of them: integers, and three floats.

    Addresses of the output's deltas, which are `step` elements apart, and of the weights to it; of the sums of columns
    and, a row of activations further on, of the products with activations. If activations are penalised the address of
    the stage that makes panels then, else NO_ADDRESS; for it the addresses of each row's penalty, of the weights of all
    rows of the data or NO_ADDRESS, and of the rows meant, the strengths of the penalty, and the gradient's scale.
    """
    return deltas, step, weights, sums, activity, totals, row_weights, rows, l1, l2, scale


def places_of_panel(vec, columns):
    """([shift of each vector of a row], [how many columns it and what is behind it has])."""
    shifts = [ir.Constant(INT64, v * vec.lanes) for v in range(VECTORS)]
    return shifts, [vec.builder.sub(columns, shift) for shift in shifts]


def load_weights(vec, start, places):
    """The weights to the output of a panel's columns, as vectors."""
    return [vec.load(vec.builder.gep(start, [shift]), vec.first_lanes(count))
            for shift, count in zip(*places, strict=True)]  # fmt: skip


def emit_rows(vec, n_rows, units, deltas, to, right, factor, places, sums, strengths_of=None, counts=(None,) * VECTORS):
    """A loop over the rows of a panel. Returns `sums` after it.

    Parameters
    ----------
    vec : Vectors
    n_rows : i64, > 0
    units, deltas, to : (pointer, i64)
        The first row's, and how many elements the next one is further on: activations, the output's delta, and where
        the deltas go.
    right : list of vectors
        The weights to the output.
    factor : element, or None for 1
    places : as of `places_of_panel`
    sums : list of vectors
        Of columns, and of products with activations, or none of both; with `strengths_of`, behind them, of penalties.
    strengths_of : function, optional
        Emits l1 and l2 / 2 of a row, as vectors.
    counts : list of i64
        How many deltas each vector has to store, None for all.
    """
    builder, (shifts, left_of) = vec.builder, places
    masks = [vec.first_lanes(count) for count in left_of]
    has_products = len(sums) >= 2 * VECTORS

    def add_row(k, at, sums):
        (unit_at, delta_at, to_at), after = at, list(sums)
        delta = builder.load(builder.gep(deltas[0], [delta_at]))
        scaled = vec.broadcast(delta if factor is None else builder.fmul(delta, factor))
        left = vec.broadcast(delta)
        if strengths_of is not None:
            l1, half_l2 = strengths_of(k)
        for v, (shift, mask, weight, count) in enumerate(zip(shifts, masks, right, counts, strict=True)):
            unit = vec.load(builder.gep(builder.gep(units[0], [unit_at]), [shift]), mask)
            is_open = builder.fcmp_ordered(">", unit, vec.zero)
            if strengths_of is None:
                sent = builder.fmul(scaled, weight)
            else:
                half = vec.fma(half_l2, unit, l1)
                sent = vec.fma(scaled, weight, vec.fma(half_l2, unit, half))
                after[v - VECTORS] = vec.fma(unit, half, after[v - VECTORS])
            sent = builder.select(is_open, sent, vec.zero)
            vec.store(sent, builder.gep(builder.gep(to[0], [to_at]), [shift]), count)
            if has_products:
                after[v] = builder.fadd(after[v], sent)
                after[VECTORS + v] = vec.fma(left, unit, after[VECTORS + v])
        return after

    return emit_sums(vec, n_rows, 1, [units[1], deltas[1], to[1]], sums, add_row)


class ColumnSums:
    """Both sums over rows of a panel's columns, which lie in memory before and after.

    Parameters
    ----------
    vec : Vectors
    start, row : pointer, i64
        Of the first sum of columns, and how many elements further on the first one of products is.
    places : as of `places_of_panel`
    adds : i1
        Whether they are added to; else they are set.
    """

    def __init__(self, vec, start, row, places, adds):
        shifts, left_of = places
        starts = start, vec.builder.gep(start, [row])
        self._vec, self._adds = vec, adds
        self._places = [vec.builder.gep(of_kind, [shift]) for of_kind in starts for shift in shifts]
        self._counts = left_of * 2

    def before(self):
        vec = self._vec
        masks = [vec.first_lanes(count) for count in self._counts]
        nothing = ir.Constant(masks[0].type, None)
        masks = [vec.builder.select(self._adds, mask, nothing) for mask in masks]
        return [vec.load(place, mask) for place, mask in zip(self._places, masks, strict=True)]

    def store(self, sums):
        for total, place, count in zip(sums, self._places, self._counts, strict=True):
            self._vec.store(total, place, count)


def _emit_panel(builder, numba_dtype, arguments):
    """Body of a function that makes a panel of `depth` rows; see `make_panel` for the arguments."""
    units, row, deltas, step, weights, factor, sums, panel, depth, columns, adds = arguments
    vec = Vectors(builder, numba_dtype)
    places = places_of_panel(vec, columns)
    sums = ColumnSums(vec, sums, row, places, adds)
    right = load_weights(vec, weights, places)
    to = panel, ir.Constant(INT64, VECTORS * vec.lanes)
    sums.store(emit_rows(vec, depth, (units, row), (deltas, step), to, right, factor, places, sums.before()))
    builder.ret_void()


@intrinsic
def _make_panel(context, units, start, row, deltas, step, weights, factor, sums, panel, depth, columns, adds):
    """See `make_panel`."""

    def emit(ctx, builder, signature, args):
        dtype = signature.args[0].dtype
        vec = Vectors(builder, dtype)
        pointer = vec.element.as_pointer()

        def at_address(address):
            return builder.inttoptr(address, pointer)

        _, start, row, deltas, step, weights, factor, sums, _, depth, columns, adds = args
        kinds = [pointer, INT64, pointer, INT64, pointer, vec.element, pointer, pointer, INT64, INT64, BOOL]
        function = make_function(builder.module, f"skreg_rank_one_f{vec.bits}", kinds,
                                 lambda inner, arguments: _emit_panel(inner, dtype, arguments))  # fmt: skip
        units, panel = (element(ctx, builder, signature, args, array, at)
                        for array, at in ((0, start), (8, ir.Constant(INT64, 0))))  # fmt: skip
        builder.call(function, [units, row, at_address(deltas), step, at_address(weights), factor, at_address(sums),
                                panel, depth, columns, as_flag(builder, adds)])  # fmt: skip
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(units, i, i, i, i, i, units.dtype, i, panel, i, i, types.boolean), emit


# LLVM must not regroup these sums.
@uniform
def make_panel(units, start, row, made_of, k, j, factor, panel, depth, columns):
    """A panel of deltas of VECTORS vectors in each of `depth` > 0 rows, and both sums; zeros from `columns` on.

    `units` are the activations, from place `start` on and `row` apart; they are those of row `k` and column `j` of all.
    A delta is multiplied by `factor`. `made_of` is a `rank_one`.
    """
    deltas, step, weights, sums, activity, totals, row_weights, rows, l1, l2, scale = made_of
    itemsize = units.itemsize
    deltas, weights, sums = deltas + k * step * itemsize, weights + j * itemsize, sums + j * itemsize
    if activity == NO_ADDRESS:
        _make_panel(units, start, row, deltas, step, weights, factor, sums, panel, depth, columns, k > 0)
    else:
        call_stage(activity, (address_of(units, start), row, deltas, step, weights, sums, address_of(panel, 0), depth,
                              columns, k > 0, totals + 8 * k, j > 0, row_weights, rows + 8 * k, l1, l2,
                              scale))  # fmt: skip
