"""One step of an optimizer over the flat parameters: gradient, proximal step and state in one pass.

Every optimizer takes its step on the smooth part and then the proximal step of the l1 part with the
step length that it really took, so all have the same stationary points, those of F, and zeros are zero.

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
def _adam(w, gradient, first, second, l1, l2, step, prox_step, beta_1, rest_1, beta_2, rest_2, epsilon):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980), with a proximal step in the metric of Adam.

    `step` holds the corrections of both moments, `prox_step` that of the second one only: where the
    gradient stands still, the corrected first moment is that gradient, so the l1 term must not be
    enlarged by its correction. A weight is stationary exactly where |mean gradient| <= l1.

    `rest_1` and `rest_2` are 1 - beta_1 and 1 - beta_2, rounded once: 1 - float32(0.999) is off by 1e-5.
    """
    one = w.dtype.type(1)
    for i in range(len(w)):
        g = gradient[i] + l2 * w[i]
        m = beta_1 * first[i] + rest_1 * g
        v = beta_2 * second[i] + rest_2 * (g * g)
        first[i] = m
        second[i] = v
        inverse = one / (math.sqrt(v) + epsilon)
        w[i] = soft_threshold(w[i] - step * inverse * m, prox_step * inverse * l1)


@outlined
def _sgd(w, gradient, velocity, l1, l2, learning_rate, prox_step, momentum, nesterov):
    """Gradient descent with heavy-ball or Nesterov momentum, and a proximal step.

    The velocity sums gradients, v = momentum v + g, so that without l1 this is the usual method. Where
    the gradient stands still v is g / (1 - momentum), and the proximal step has that length too:
    the stationary points are those of F. The proximal step follows the averaged gradient and not that
    of one batch, whose noise would keep weights from zero (Xiao 2010, JMLR 11, 2543-2596).
    """
    look_ahead, now = (momentum, w.dtype.type(1)) if nesterov else (w.dtype.type(1), w.dtype.type(0))
    threshold = prox_step * l1
    for i in range(len(w)):
        g = gradient[i] + l2 * w[i]
        v = momentum * velocity[i] + g
        velocity[i] = v
        w[i] = soft_threshold(w[i] - learning_rate * (look_ahead * v + now * g), threshold)


@helper
def _length_of_velocity(momentum, step_number):
    """Sum of momentum^k over the steps so far: the velocity of a gradient that stands still."""
    if momentum == 1:
        return float(step_number)
    return (1 - momentum**step_number) / (1 - momentum)


@outlined
def update(optimizer, params, gradient, state, layout, penalties, rates, fraction, step_number, member,
           n_members):  # fmt: skip
    """Move a member's share of the weights and intercepts once.

    `state` holds two vectors one after the other: Adam's moments; the velocity of SGD in the first.
    `step_number` counts from 1.
    """
    kind = params.dtype.type
    learning_rate, momentum = rates[LEARNING_RATE], rates[MOMENTUM]
    adam_prox_step = learning_rate * math.sqrt(1 - rates[BETA_2] ** step_number)
    adam_step = adam_prox_step / (1 - rates[BETA_1] ** step_number)
    sgd_prox_step = learning_rate * _length_of_velocity(momentum, step_number)
    for layer in range(layout.shape[0]):
        start = layout[layer, COEF]
        for part_index in range(2):
            size = layout[layer, INTERCEPT] - start if part_index == 0 else layout[layer, FAN_OUT]
            l1 = kind(fraction * penalties[layer, COEF_L1 if part_index == 0 else INTERCEPT_L1])
            l2 = kind(fraction * penalties[layer, COEF_L2 if part_index == 0 else INTERCEPT_L2])
            begin, end = share(size, CACHE_LINE, member, n_members)
            at, n = start + begin, end - begin
            w, g, first = part(params, at, n), part(gradient, at, n), part(state, at, n)
            if optimizer == ADAM:
                second = part(state, len(params) + at, n)
                _adam(w, g, first, second, l1, l2, kind(adam_step), kind(adam_prox_step),
                      kind(rates[BETA_1]), kind(1 - rates[BETA_1]), kind(rates[BETA_2]), kind(1 - rates[BETA_2]),
                      kind(rates[EPSILON]))  # fmt: skip
            else:
                _sgd(w, g, first, l1, l2, kind(learning_rate), kind(sgd_prox_step), kind(momentum),
                     optimizer == NESTEROV)  # fmt: skip
            start += size
