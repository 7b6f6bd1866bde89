"""Losses of one row as functions of the raw prediction, with their gradients.

loss(y, f) is summed over the outputs; the link (exp, logistic, softmax) is inside, so that nothing
overflows that need not.

- squared_error         (y - f)^2 / 2
- poisson               half the deviance at mean exp(f): y log(y / exp f) - y + exp f
- binary_log_loss       log(1 + exp f) - y f, for each output
- multinomial_log_loss  logsumexp(f) - f[y]; y holds the index of the class in its only column
"""

import math

import numpy as np
from numba import int64 as INDEX

from ._jit import helper
from .elementary import exp, logistic, maximum, softplus
from .stages import Stage, array_at, row_weight

# Each loop has one loss, so that LLVM vectorises it. What does not cancel is computed in the network's
# precision; sums and differences are float64.


@helper
def _squared_error(y, raw, n_outputs, parameters):
    loss = 0.0
    for j in range(n_outputs):
        residual = raw[j] - y[j]
        raw[j] = residual
        loss += 0.5 * residual * residual
    return loss


@helper
def _poisson(y, raw, n_outputs, parameters):
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
def _binary(y, raw, n_outputs, parameters):
    """log(1 + exp f) - y f, which is log(1 + exp -|f|) + max(f, 0) - y f."""
    zero, loss = raw.dtype.type(0), 0.0
    for j in range(n_outputs):
        f = raw[j]
        margin = (f if f > zero else zero) - y[j] * f
        loss += softplus(-abs(f)) + margin
        raw[j] = logistic(f) - y[j]
    return loss


@helper
def _multinomial(y, raw, n_outputs, parameters):
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


NUMBER = loss_and_gradient = None  # what a stage makes of the template


def _losses(y, n_targets, weights, rows, n_rows, raw, stride, n_outputs, row_loss, loss_parameters,
            n_parameters, scale):  # fmt: skip
    """Weighted losses of rows; their raw predictions become scale * weight * the losses' gradients.

    `y` and `weights` are addresses of the targets and weights of all rows of the data, `weights` may be
    NO_ADDRESS; those of `rows` (int64), `raw` and `row_loss` (float64) are of the first row that is meant;
    that of `loss_parameters` (float64) may be NO_ADDRESS. `stride` counts bytes between rows.
    """
    indices, total = array_at(rows, n_rows, INDEX), array_at(row_loss, n_rows, np.float64)
    parameters = array_at(loss_parameters, n_parameters, np.float64)
    for i in range(n_rows):
        prediction = array_at(raw + i * stride, n_outputs, NUMBER)
        target = array_at(y + indices[i] * n_targets * prediction.itemsize, n_targets, NUMBER)
        weight = row_weight(weights, indices[i], NUMBER)
        factor = NUMBER(weight * scale)
        # A single output without loops: five times as fast for the squared error.
        if n_outputs == 1:
            total[i] = weight * loss_and_gradient(target, prediction, 1, parameters)
            prediction[0] *= factor
        else:
            total[i] = weight * loss_and_gradient(target, prediction, n_outputs, parameters)
            for j in range(n_outputs):
                prediction[j] *= factor


STAGES = {
    name: Stage(f"losses_{name}", _losses, 11, 1, loss_and_gradient=function)
    for name, function in {
        "squared_error": _squared_error,
        "poisson": _poisson,
        "binary_log_loss": _binary,
        "multinomial_log_loss": _multinomial,
    }.items()
}


def loss_stage(name, dtype):
    """Address of the stage of a loss."""
    return STAGES[name].address(dtype)
