"""Losses of one row as functions of the raw prediction, with their gradients.

loss(y, f) is summed over the outputs; the link (exp, logistic, softmax) is inside, so that nothing
overflows that need not.

- SQUARED_ERROR         (y - f)^2 / 2
- POISSON               half the deviance at mean exp(f): y log(y / exp f) - y + exp f
- BINARY_LOG_LOSS       log(1 + exp f) - y f, for each output
- MULTINOMIAL_LOG_LOSS  logsumexp(f) - f[y]; y holds the index of the class in its only column
"""

import math

from ._jit import helper
from .activations import logistic
from .layout import MULTINOMIAL_LOG_LOSS, POISSON, SQUARED_ERROR


@helper
def _one_output(y, raw, code):
    """Loss and gradient of one output whose loss does not depend on the others."""
    if code == SQUARED_ERROR:
        residual = raw - y
        return 0.5 * residual * residual, residual
    if code == POISSON:
        mean = math.exp(raw)
        constant = y * math.log(y) - y if y > 0 else 0.0
        return constant - y * raw + mean, mean - y
    # log(1 + exp f) - y f
    return max(raw, 0.0) + math.log1p(math.exp(-abs(raw))) - y * raw, logistic(raw) - y


@helper
def _multinomial(y, raw, n_outputs):
    """Loss of one row; its gradient replaces `raw`."""
    highest = raw[0]
    for j in range(1, n_outputs):
        highest = max(highest, raw[j])
    total = 0.0
    chosen = int(y[0])
    loss = highest - raw[chosen]
    for j in range(n_outputs):
        raw[j] = math.exp(raw[j] - highest)
        total += raw[j]
    for j in range(n_outputs):
        raw[j] = raw[j] / total
    raw[chosen] -= 1
    return loss + math.log(total)


@helper
def loss_and_gradient(y, raw, n_outputs, code):
    """Loss of one row (float64); `raw[:n_outputs]` becomes its gradient with respect to raw."""
    if code == MULTINOMIAL_LOG_LOSS:
        return _multinomial(y, raw, n_outputs)
    loss = 0.0
    for j in range(n_outputs):
        value, gradient = _one_output(y[j], raw[j], code)
        loss += value
        raw[j] = gradient
    return loss


