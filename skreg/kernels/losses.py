"""Losses of one row as functions of the raw prediction, with their gradients.

loss(y, f) is summed over the outputs; the link (exp, logistic, softmax) is inside, so that nothing
overflows that need not.

- SQUARED_ERROR         (y - f)^2 / 2
- POISSON               half the deviance at mean exp(f): y log(y / exp f) - y + exp f
- BINARY_LOG_LOSS       log(1 + exp f) - y f, for each output
- MULTINOMIAL_LOG_LOSS  logsumexp(f) - f[y]; y holds the index of the class in its only column
"""

import math

import numpy as np

from ._jit import helper
from .elementary import exp, logistic, maximum, softplus
from .layout import MULTINOMIAL_LOG_LOSS, POISSON, SQUARED_ERROR

# Each loop has one loss, so that LLVM vectorises it. What does not cancel is computed in the network's
# precision; sums and differences are float64.


@helper
def squared_error(y, raw, n_outputs):
    loss = 0.0
    for j in range(n_outputs):
        residual = raw[j] - y[j]
        raw[j] = residual
        loss += 0.5 * residual * residual
    return loss


@helper
def _poisson(y, raw, n_outputs):
    loss = 0.0
    for j in range(n_outputs):
        if y[j] > 0:
            loss += y[j] * math.log(np.float64(y[j])) - y[j]
    for j in range(n_outputs):
        mean = exp(raw[j])
        loss += mean - np.float64(y[j]) * raw[j]
        raw[j] = mean - y[j]
    return loss


@helper
def _binary(y, raw, n_outputs):
    """log(1 + exp f) - y f, which is log(1 + exp -|f|) + max(f, 0) - y f."""
    zero, loss = raw.dtype.type(0), 0.0
    for j in range(n_outputs):
        f = raw[j]
        margin = (f if f > zero else zero) - y[j] * f
        loss += softplus(-abs(f)) + margin
        raw[j] = logistic(f) - y[j]
    return loss


@helper
def _multinomial(y, raw, n_outputs):
    highest = raw[0]
    for j in range(1, n_outputs):
        highest = maximum(highest, raw[j])
    chosen = int(y[0])
    loss = highest - raw[chosen]
    total = 0.0
    for j in range(n_outputs):
        raw[j] = exp(raw[j] - highest)
        total += raw[j]
    scale = raw.dtype.type(1 / total)
    for j in range(n_outputs):
        raw[j] *= scale
    raw[chosen] -= 1
    return loss + math.log(total)


@helper
def loss_and_gradient(y, raw, n_outputs, code):
    """Loss of one row (float64); `raw[:n_outputs]` becomes its gradient with respect to raw."""
    if code == SQUARED_ERROR:
        return squared_error(y, raw, n_outputs)
    if code == POISSON:
        return _poisson(y, raw, n_outputs)
    if code == MULTINOMIAL_LOG_LOSS:
        return _multinomial(y, raw, n_outputs)
    return _binary(y, raw, n_outputs)
