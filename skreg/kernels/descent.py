"""The second half of a training step: the gradient, each piece followed at once.

A piece is at most HEIGHT rows of a layer's weights. Its gradient goes to a small scratch and from there
into the update, while both are in the second-level cache; the gradient as a whole is never stored. No
other member needs the weights any more: all deltas are there, or are made on the way by a single member (rank_one.py).
A member that is done takes over pieces that others have not taken: one may have lost its core for a while.

Only where the length of a step depends on the gradient as a whole, for clipping, it is stored first.

Penalties that couple the outgoing weights of a unit, which are a row, and constraints on them are a
*proximal stage* (proximal.py): the layout says which. It is called with whole rows that the optimizer has
moved, by the member that moved them. It takes

- addresses of all parameters, of all second moments of Adam (in the same order), and of the layer's rows
  of `layout` and of `penalties`;
- the rows' numbers, begin:end;
- the address of the rows' gradient, which nobody needs any more: scratch of one number for each weight;
- the optimizer, its step, its epsilon, and its reach in this step (see optimizers.py).
"""

from ._jit import helper, outlined
from .clipping import clip_factor
from .csr import gradient_of_sparse_weights
from .layout import (
    CLIP_NORM,
    COEF,
    COEF_L1,
    COEF_L2,
    DECAY,
    DROPOUT,
    EPSILON,
    FAN_IN,
    FAN_OUT,
    HAS_STATISTICS,
    INPUT_PLACES,
    INTERCEPT,
    INTERCEPT_L1,
    INTERCEPT_L2,
    N_LAYOUT,
    N_PENALTIES,
    NORM_SCRATCH,
    NORMALIZE,
    OUTPUT_PLACES,
    OUTPUT_STRIDE,
    PROJECTION,
    PROX,
    SCALES,
    SKIP,
    SPREAD,
)
from .matmul import HEIGHT, SET
from .network import (
    gradient_of_intercepts,
    gradient_of_intercepts_of_rank_one,
    gradient_of_weights,
    gradient_of_weights_of_rank_one,
)
from .optimizers import next_reach, proximal_reach, scale, update
from .random import dropout_key
from .rank_one import is_of_rank_one
from .stages import INDEX, NO_ADDRESS, address_of, array_at, call_stage
from .team import next_task_of, share, wait, wait_for_tasks
from .tiles import TILE_ROWS
from .views import part, set_zero

_GRANULE = 16  # parameters that one member has, lest two write to a cache line

# Rows of weights that another member would take over, rather than wait.
_ROWS_WORTH_HELP = 96

# What is done with each piece of the gradient: computed and followed at once, computed, followed.
_BOTH, _STORE, _FOLLOW = 0, 1, 2


@helper
def _move(optimizer, rates, step, reach, fraction, factor, l1, l2, params, state, at, count, gradient, start):
    """Update `count` parameters from place `at` on; their gradient, to be multiplied by `factor`, lies at `start`."""
    piece = part(gradient, start, count)
    if factor != 1:
        scale(piece, factor)
    update(optimizer, rates, step, reach, fraction, l1, l2, part(params, at, count), piece, part(state, at, count),
           part(state, len(params) + at, count))  # fmt: skip


@helper
def _move_rows(layer, begin, end, optimizer, rates, learning_rate, step, reach, fraction, factor, params, state, layout,
               penalties, gradient, start):  # fmt: skip
    """Update rows begin:end of a layer's weights; their gradient lies at `start`."""
    fan_out, l2 = layout[layer, FAN_OUT], penalties[layer, COEF_L2]
    at, count = layout[layer, COEF] + begin * fan_out, (end - begin) * fan_out
    if penalties[layer, DECAY] != 0:
        left = 1 - learning_rate * penalties[layer, DECAY]
        scale(part(params, at, count), left)
        l2 /= left  # whose gradient is that of the weights before
    _move(optimizer, rates, step, reach, fraction, factor, penalties[layer, COEF_L1], l2, params, state, at, count,
          gradient, start)  # fmt: skip
    if layout[layer, PROX] != NO_ADDRESS:
        call_stage(layout[layer, PROX], (
            address_of(params, 0), address_of(state, len(params)), address_of(layout, layer * N_LAYOUT),
            address_of(penalties, layer * N_PENALTIES), begin, end, address_of(gradient, start), optimizer, step,
            rates[EPSILON], proximal_reach(optimizer, rates, step, reach, fraction),
        ))  # fmt: skip


@helper
def _project(params, layout, penalties, panel, member, n_members, arrivals, n_met):
    """Where there are constraints on columns of weights: as soon as all rows are there, each member takes some."""
    has_met = False
    for layer in range(len(layout)):
        if layout[layer, PROJECTION] != NO_ADDRESS:
            if not has_met:
                n_met, has_met = wait(arrivals, n_met, n_members), True
            first, last = share(layout[layer, FAN_OUT], _GRANULE, member, n_members)
            call_stage(layout[layer, PROJECTION], (
                address_of(params, 0), address_of(layout, layer * N_LAYOUT),
                address_of(penalties, layer * N_PENALTIES), first, last, address_of(panel, 0),
            ))  # fmt: skip
    return n_met


@helper
def _normalization(what, layer, first, last, optimizer, rates, step, reach, fraction, factor, params, state, layout,
                   work, gradient):  # fmt: skip
    """Units first:last of a layer's scales and shifts, whose gradients are in the workspace already."""
    fan_out, stride = layout[layer, FAN_OUT], layout[layer, OUTPUT_STRIDE]
    for vector in range(2):
        place = layout[layer, SCALES] + vector * fan_out + first
        source = layout[layer, NORM_SCRATCH] + vector * stride + first
        if what == _STORE:
            for j in range(last - first):
                gradient[place + j] = work[source + j]
        else:
            _move(optimizer, rates, step, reach, fraction, factor, 0.0, 0.0, params, state, place, last - first, work,
                  source)  # fmt: skip


@helper
def _staying(network_layout, layer, column, begin, end):
    """(first, last) of units begin:end in the network that the batch has passed through.

    `column` of the layout says of which units: a layer's inputs or its outputs.
    """
    if network_layout[layer, SPREAD] == NO_ADDRESS:
        return begin, end
    places = array_at(network_layout[layer, column], end + 1, INDEX)
    return places[begin], places[end]


@helper
def _spread(network_layout, layer, begin, end, has_rows, first, last, gradient, start):
    """From the gradient of the smaller network's weights, or intercepts if not `has_rows`, to the whole one's."""
    call_stage(network_layout[layer, SPREAD], (address_of(network_layout, layer * N_LAYOUT),
                                               address_of(gradient, start), begin, end, has_rows, first,
                                               last))  # fmt: skip


@helper
def _n_rows_of_piece(n_left, n_members):
    """Of `n_left` rows of a member's share; the last ones in two halves, so that another member can take one."""
    if n_members == 1 or n_left <= 2 * _ROWS_WORTH_HELP or n_left > HEIGHT:
        return min(n_left, HEIGHT)
    return (n_left // 2 + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS


@outlined
def _piece(what, layer, begin, end, n_rows, params, state, layout, network_layout, penalties, optimizer, rates,
           learning_rate, step, reach, fraction, factor, made_of, work, panel, gradient):  # fmt: skip
    """Rows begin:end of a layer's weights, which pass all rows of X as they are."""
    fan_out = layout[layer, FAN_OUT]
    place = 0 if what == _BOTH else layout[layer, COEF] + begin * fan_out
    if what != _FOLLOW:
        low, high = _staying(network_layout, layer, INPUT_PLACES, begin, end)
        if is_of_rank_one(made_of):
            gradient_of_weights_of_rank_one(layer, begin, end, n_rows, made_of, layout, penalties, work, panel,
                                            gradient, place)  # fmt: skip
        else:
            gradient_of_weights(layer, low, high, n_rows, network_layout, work, panel, gradient, place, SET)
        if network_layout[layer, SPREAD] != NO_ADDRESS:
            _spread(network_layout, layer, begin, end, True, 0, fan_out, gradient, place)
    if what != _STORE:
        _move_rows(layer, begin, end, optimizer, rates, learning_rate, step, reach, fraction, factor, params, state,
                   layout, penalties, gradient, place)  # fmt: skip


@helper
def _pieces(owner, layer, number, task, what, n_rows, params, state, layout, network_layout, penalties, optimizer,
            rates, learning_rate, step, reach, fraction, factor, made_of, work, panel, gradient, n_members,
            arrivals):  # fmt: skip
    """Of the pieces of a layer that are `owner`'s those that nobody else has taken: the next one is number `task`.

    `number` is that of the layer's first one. Returns (that of the next layer's first one, next task).
    """
    begin, last = share(layout[layer, FAN_IN], TILE_ROWS, owner, n_members)
    while begin < last:
        end = begin + _n_rows_of_piece(last - begin, n_members)
        if number == task:
            _piece(what, layer, begin, end, n_rows, params, state, layout, network_layout, penalties, optimizer, rates,
                   learning_rate, step, reach, fraction, factor, made_of, work, panel, gradient)  # fmt: skip
            task = next_task_of(owner, arrivals, n_members)
        begin, number = end, number + 1
    return number, task


@outlined
def _layers(what, data, indices, indptr, rows, params, state, layout, network_layout, penalties, optimizer, rates,
            learning_rate, step, reach, fraction, factor, seed, n_steps, made_of, work, panel, gradient,
            shared_gradient, member, n_members, arrivals, n_met):  # fmt: skip
    """A member's share of all parameters, layer by layer, and then what others have left of theirs.

    Returns the number of meetings so far.
    """
    n_rows, stores = len(rows), what != _FOLLOW
    factor = work.dtype.type(factor)
    number, task, is_sparse = 0, next_task_of(member, arrivals, n_members), len(indptr) > 0
    for layer in range(len(layout)):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        intercept, is_thinned = layout[layer, INTERCEPT], network_layout[layer, SPREAD] != NO_ADDRESS
        if layer == 0 and is_sparse:
            if stores:
                gradient_of_sparse_weights(data, indices, indptr, rows, layout, penalties[0, DROPOUT],
                                           dropout_key(seed, n_steps, 0), work, shared_gradient, 0, SET, member,
                                           n_members)  # fmt: skip
                n_met = wait(arrivals, n_met, n_members)
            if what != _STORE:
                begin, end = share(fan_in, _GRANULE, member, n_members)
                _move_rows(0, begin, end, optimizer, rates, learning_rate, step, reach, fraction, factor, params, state,
                           layout, penalties, shared_gradient, begin * fan_out)  # fmt: skip
        else:
            number, task = _pieces(member, layer, number, task, what, n_rows, params, state, layout, network_layout,
                                   penalties, optimizer, rates, learning_rate, step, reach, fraction, factor,
                                   made_of, work, panel, gradient, n_members, arrivals)  # fmt: skip
        first, last = share(fan_out - layout[layer, SKIP], _GRANULE, member, n_members)
        place = 0 if what == _BOTH else intercept + first
        if stores:
            low, high = _staying(network_layout, layer, OUTPUT_PLACES, first, last)
            if is_of_rank_one(made_of) and layer == 0:
                gradient_of_intercepts_of_rank_one(first, last, layout, work, gradient, place)
            else:
                gradient_of_intercepts(layer, low, high, n_rows, network_layout, work, panel, gradient, place, SET)
            if is_thinned:
                _spread(network_layout, layer, 0, 1, False, first, last, gradient, place)
        if layout[layer, NORMALIZE] != NO_ADDRESS:
            _normalization(what, layer, first, last, optimizer, rates, step, reach, fraction, factor, params, state,
                           layout, work, gradient)  # fmt: skip
        if layout[layer, HAS_STATISTICS]:  # the means take the intercepts away
            if stores:
                set_zero(part(gradient, place, last - first))
        elif what != _STORE:
            _move(optimizer, rates, step, reach, fraction, factor, penalties[layer, INTERCEPT_L1],
                  penalties[layer, INTERCEPT_L2], params, state, intercept + first, last - first, gradient,
                  place)  # fmt: skip
    for other in range(member + 1, member + n_members):
        owner, number = other % n_members, 0
        task = next_task_of(owner, arrivals, n_members)
        for layer in range(1 if is_sparse else 0, len(layout)):
            number, task = _pieces(owner, layer, number, task, what, n_rows, params, state, layout, network_layout,
                                   penalties, optimizer, rates, learning_rate, step, reach, fraction, factor,
                                   made_of, work, panel, gradient, n_members, arrivals)  # fmt: skip
    return n_met


@helper
def descend(data, indices, indptr, rows, params, state, layout, network_layout, penalties, optimizer, rates,
            learning_rate, step, reach, fraction, clip, seed, n_steps, made_of, work, panel, gradient,
            shared_gradient, squares, member, n_members, arrivals, n_met):  # fmt: skip
    """Move all parameters once: a member's share, and what others have left of theirs.

    Returns (number of meetings so far, reach after the step).

    `network_layout` is that of the network that the batch has passed through (see thinning.py). With `made_of`, a
    `rank_one`, its hidden layer has no deltas yet.
    `step`, `reach` and `fraction` are the optimizer's (see optimizers.py). `gradient` is the member's
    scratch, `shared_gradient` that of all members for the first layer of CSR X. With `clip`, the address
    of the stage in clipping.py, both are the same array, as long as the parameters.
    """
    what, factor = _BOTH, 1.0
    if clip != NO_ADDRESS:
        what = _FOLLOW
        n_met = _layers(_STORE, data, indices, indptr, rows, params, state, layout, network_layout, penalties,
                        optimizer, rates, learning_rate, step, reach, fraction, factor, seed, n_steps, made_of,
                        work, panel, gradient, shared_gradient, member, n_members, arrivals, n_met)  # fmt: skip
        n_met = wait(arrivals, n_met, n_members)
        call_stage(clip, (address_of(params, 0), address_of(gradient, 0), address_of(layout, 0),
                          address_of(penalties, 0), len(layout), address_of(squares, 0), member, n_members,
                          fraction))  # fmt: skip
        n_met = wait_for_tasks(arrivals, n_met, n_members, member)
        factor = clip_factor(squares, rates[CLIP_NORM])
    # A shorter gradient is one of fewer rows: so the penalties keep their proportion to it.
    fraction *= factor
    reach = next_reach(optimizer, rates, learning_rate, reach, fraction)
    n_met = _layers(what, data, indices, indptr, rows, params, state, layout, network_layout, penalties, optimizer,
                    rates, learning_rate, step, reach, fraction, factor, seed, n_steps, made_of, work, panel,
                    gradient, shared_gradient, member, n_members, arrivals, n_met)  # fmt: skip
    return _project(params, layout, penalties, panel, member, n_members, arrivals, n_met), reach
