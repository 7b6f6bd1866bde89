"""The second half of a training step: a member's share of the gradient, each piece followed at once.

A piece is at most HEIGHT rows of a layer's weights. Its gradient goes to a small scratch and from there
into the update, while both are in the second-level cache; the gradient as a whole is never stored. No
other member needs the weights any more: all deltas are there.
"""

from ._jit import helper, outlined
from .layout import (
    COEF,
    COEF_L1,
    COEF_L2,
    DROPOUT,
    FAN_IN,
    FAN_OUT,
    INTERCEPT,
    INTERCEPT_L1,
    INTERCEPT_L2,
)
from .matmul import HEIGHT, ROWS, SET
from .network import gradient_of_intercepts, gradient_of_sparse_weights, gradient_of_weights
from .optimizers import update
from .random import dropout_key
from .team import share, wait
from .views import part

_GRANULE = 16  # parameters that one member has, lest two write to a cache line


@helper
def _move(optimizer, rates, step, reach, fraction, l1, l2, params, state, at, count, gradient, start):
    """Update `count` parameters from place `at` on; their gradient lies at `start`."""
    update(optimizer, rates, step, reach, fraction, l1, l2, part(params, at, count), part(gradient, start, count),
           part(state, at, count), part(state, len(params) + at, count))  # fmt: skip


@outlined
def descend(data, indices, indptr, rows, params, state, layout, penalties, optimizer, rates, step, reach, fraction,
            seed, n_steps, work, panel, gradient, shared_gradient, member, n_members, arrivals, n_met):  # fmt: skip
    """Move a member's share of all parameters once. Returns the number of meetings so far.

    `step`, `reach` and `fraction` are the optimizer's (see optimizers.py). `gradient` is the member's
    scratch, `shared_gradient` that of all members for the first layer of CSR X.
    """
    n_rows = len(rows)
    for layer in range(layout.shape[0]):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        l1, l2 = penalties[layer, COEF_L1], penalties[layer, COEF_L2]
        if layer == 0 and len(indptr) > 0:
            gradient_of_sparse_weights(data, indices, indptr, rows, layout, penalties[0, DROPOUT],
                                       dropout_key(seed, n_steps, 0), work, shared_gradient, 0, SET, member,
                                       n_members)  # fmt: skip
            n_met = wait(arrivals, n_met, n_members)
            begin, end = share(fan_in * fan_out, _GRANULE, member, n_members)
            _move(optimizer, rates, step, reach, fraction, l1, l2, params, state, coef + begin, end - begin,
                  shared_gradient, begin)  # fmt: skip
        else:
            first, last = share(fan_in, ROWS, member, n_members)
            for begin in range(first, last, HEIGHT):
                end = min(begin + HEIGHT, last)
                gradient_of_weights(layer, begin, end, n_rows, layout, work, panel, gradient, 0, SET)
                _move(optimizer, rates, step, reach, fraction, l1, l2, params, state, coef + begin * fan_out,
                      (end - begin) * fan_out, gradient, 0)  # fmt: skip
        first, last = share(fan_out, _GRANULE, member, n_members)
        gradient_of_intercepts(layer, first, last, n_rows, layout, work, gradient, 0, SET)
        _move(optimizer, rates, step, reach, fraction, penalties[layer, INTERCEPT_L1], penalties[layer, INTERCEPT_L2],
              params, state, intercept + first, last - first, gradient, 0)  # fmt: skip
    return n_met
