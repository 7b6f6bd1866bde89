"""One step of an optimizer over the flat parameters: gradient, proximal step and state in one pass.

Every optimizer moves along an average of past gradients (Adam's first moment, the velocity of SGD). The
proximal step of the l1 part follows that average and has its length: its `reach`, what the average holds
of a gradient that stands still. So all have the same stationary points, those of F, from the first step
on and for any schedule, and a weight stays at zero where the averaged gradient is below the l1 strength.
With the gradient of one batch instead, its noise would keep weights from zero (Xiao 2010, JMLR 11,
2543-2596, on the zeros of stochastic proximal methods).

`fraction` is the share of a full batch that the batch holds: the data's gradient is divided by the full
batch size, so the penalties of a short last batch must weigh less in the same proportion.
"""

import math

from ._jit import helper, outlined
from .layout import (
    ADAM,
    BETA_1,
    BETA_2,
    COEF,
    COEF_L1,
    COEF_L2,
    EPSILON,
    FAN_OUT,
    INTERCEPT,
    INTERCEPT_L1,
    INTERCEPT_L2,
    LEARNING_RATE,
    MOMENTUM,
    NESTEROV,
)
from .penalties import soft_threshold
from .team import share
from .views import part

CACHE_LINE = 16  # parameters that no two members share, at least


@outlined
def _adam(w, gradient, first, second, l1, l2, step, reach, beta_1, rest_1, beta_2, rest_2, epsilon):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980), with a proximal step in the metric of Adam.

    `step` holds the corrections of both moments. `rest_1` and `rest_2` are 1 - beta_1 and 1 - beta_2,
    rounded once: 1 - float32(0.999) is off by 1e-5.
    """
    threshold = reach * l1
    for i in range(len(w)):
        g = gradient[i] + l2 * w[i]
        m = beta_1 * first[i] + rest_1 * g
        v = beta_2 * second[i] + rest_2 * (g * g)
        first[i] = m
        second[i] = v
        length = step / (math.sqrt(v) + epsilon)
        w[i] = soft_threshold(w[i] - length * m, length * threshold)


@outlined
def _sgd(w, gradient, velocity, l2, learning_rate, threshold, momentum):
    """Gradient descent with heavy-ball momentum and a proximal step; without l1 the usual method."""
    for i in range(len(w)):
        v = momentum * velocity[i] - learning_rate * (gradient[i] + l2 * w[i])
        velocity[i] = v
        w[i] = soft_threshold(w[i] + v, threshold)


@outlined
def _nesterov(w, gradient, velocity, l2, learning_rate, threshold, momentum):
    """The same with Nesterov's momentum; w is the point ahead, where gradients are taken."""
    for i in range(len(w)):
        step = learning_rate * (gradient[i] + l2 * w[i])
        v = momentum * velocity[i] - step
        velocity[i] = v
        w[i] = soft_threshold(w[i] + momentum * v - step, threshold)


@helper
def next_reach(optimizer, rates, reach, fraction):
    """What an optimizer's average would hold of a gradient that has always stood still at 1.

    It is the same average, taken over the fractions of the batches.
    """
    if optimizer == ADAM:
        return rates[BETA_1] * reach + (1 - rates[BETA_1]) * fraction
    return rates[MOMENTUM] * reach + rates[LEARNING_RATE] * fraction


@outlined
def update(optimizer, params, gradient, state, layout, penalties, rates, fraction, reach, step_number, member,
           n_members):  # fmt: skip
    """Move a member's share of the weights and intercepts once.

    `state` holds two vectors one after the other: Adam's moments; the velocity of SGD in the first.
    `reach` is that of the average with this batch in it; `step_number` counts from 1.
    """
    kind = params.dtype.type
    learning_rate, momentum = rates[LEARNING_RATE], rates[MOMENTUM]
    adam_step = learning_rate * math.sqrt(1 - rates[BETA_2] ** step_number) / (1 - rates[BETA_1] ** step_number)
    if optimizer == NESTEROV:
        reach = momentum * reach + learning_rate * fraction
    for layer in range(layout.shape[0]):
        start = layout[layer, COEF]
        for part_index in range(2):
            size = layout[layer, INTERCEPT] - start if part_index == 0 else layout[layer, FAN_OUT]
            l1 = penalties[layer, COEF_L1 if part_index == 0 else INTERCEPT_L1]
            l2 = kind(fraction * penalties[layer, COEF_L2 if part_index == 0 else INTERCEPT_L2])
            begin, end = share(size, CACHE_LINE, member, n_members)
            at, n = start + begin, end - begin
            w, g, first = part(params, at, n), part(gradient, at, n), part(state, at, n)
            if optimizer == ADAM:
                second = part(state, len(params) + at, n)
                _adam(w, g, first, second, kind(l1), l2, kind(adam_step), kind(reach),
                      kind(rates[BETA_1]), kind(1 - rates[BETA_1]), kind(rates[BETA_2]), kind(1 - rates[BETA_2]),
                      kind(rates[EPSILON]))  # fmt: skip
            elif optimizer == NESTEROV:
                _nesterov(w, g, first, l2, kind(learning_rate), kind(reach * l1), kind(momentum))
            else:
                _sgd(w, g, first, l2, kind(learning_rate), kind(reach * l1), kind(momentum))
            start += size
