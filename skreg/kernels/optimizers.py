"""One step of an optimizer over the flat parameters: gradient, proximal step and state in one pass.

Every optimizer takes its step on the smooth part and then the proximal step of the l1 part with the
step length that it really took, so all have the same stationary points, those of F, and zeros are zero.

`fraction` is the share of a full batch that the batch holds: the data's gradient is divided by the full
batch size, so the penalties of a short last batch must weigh less in the same proportion.
"""

import math

from ._jit import helper
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


@helper
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


@helper
def _sgd(w, gradient, velocity, l1, l2, learning_rate, momentum):
    """Heavy ball: iPiano (Ochs, Chen, Brox & Pock 2014, arXiv:1404.4805).

    The velocity is the way that w really went, proximal step included; without l1 this is plain
    momentum. A velocity that ignored the proximal step would move the stationary points.
    """
    threshold = learning_rate * l1
    for i in range(len(w)):
        g = gradient[i] + l2 * w[i]
        new = soft_threshold(w[i] + momentum * velocity[i] - learning_rate * g, threshold)
        velocity[i] = new - w[i]
        w[i] = new


@helper
def _nesterov(w, ahead, gradient, velocity, l1, l2, learning_rate, momentum):
    """Accelerated proximal gradient (Nesterov 2013, doi:10.1007/s10107-012-0629-5) with fixed momentum.

    The gradient is taken at `ahead` = w + momentum * velocity; w itself has the exact zeros.
    """
    threshold = learning_rate * l1
    for i in range(len(w)):
        g = gradient[i] + l2 * ahead[i]
        new = soft_threshold(ahead[i] - learning_rate * g, threshold)
        velocity[i] = new - w[i]
        w[i] = new
        ahead[i] = new + momentum * velocity[i]


@helper
def look_ahead(w, velocity, momentum, ahead):
    """The point at which Nesterov's method takes its next gradient."""
    for i in range(len(w)):
        ahead[i] = w[i] + momentum * velocity[i]


@helper
def update(optimizer, params, ahead, gradient, state, layout, penalties, rates, fraction, step_number, member,
           n_members):  # fmt: skip
    """Move a member's share of the weights and intercepts once.

    `state` holds two vectors one after the other: Adam's moments; the velocity of SGD in the first.
    `step_number` counts from 1.
    """
    kind = params.dtype.type
    learning_rate = rates[LEARNING_RATE]
    prox_step = learning_rate * math.sqrt(1 - rates[BETA_2] ** step_number)
    step = prox_step / (1 - rates[BETA_1] ** step_number)
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
                _adam(w, g, first, second, l1, l2, kind(step), kind(prox_step),
                      kind(rates[BETA_1]), kind(1 - rates[BETA_1]), kind(rates[BETA_2]), kind(1 - rates[BETA_2]),
                      kind(rates[EPSILON]))  # fmt: skip
            elif optimizer == NESTEROV:
                _nesterov(w, part(ahead, at, n), g, first, l1, l2, kind(learning_rate), kind(rates[MOMENTUM]))
            else:
                _sgd(w, g, first, l1, l2, kind(learning_rate), kind(rates[MOMENTUM]))
            start += size
