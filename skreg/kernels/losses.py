"""Losses of one row as functions of the raw prediction, with their gradients.

loss(y, f) is summed over the outputs; the link (exp, logistic, softmax) is inside, so that nothing
overflows that need not.

- squared_error         (y - f)^2 / 2
- absolute_error, huber, quantile
                        quadratic where |y - f| is small, linear beyond: their slope is clipped. Parameters are
                        width, above_1 ... above_K, below_1 ... below_K: with respect to r = y - f the slope is
                        clip(r / width, -below, above), or by the sign of r where width = 0. Each target has K
                        outputs. (0, 1, 1) is |r|, (1, delta, delta) Huber's, (0, q, 1 - q) the pinball loss
- poisson, gamma, tweedie
                        half deviances at mean exp(f), see deviances.py; tweedie's parameter is its power
- binary_log_loss       log(1 + exp f) - t f, for each output
- multinomial_log_loss  logsumexp(f) - sum_k t_k f_k; y holds the index of the class in its only column
- binary_focal, multinomial_focal
                        see focal.py

Label smoothing e, the first parameter of the log losses, turns a target that is one class of K into the weights
t = (1 - e) onehot + e / K (Szegedy et al. 2016, arXiv:1512.00567); of two classes, t = (1 - e) y + e / 2. Without
parameters e = 0.
"""

import math

import numpy as np

from ._jit import helper
from .deviances import gamma, poisson, tweedie
from .elementary import exp, logistic, maximum, softplus
from .focal import binary_focal, multinomial_focal
from .simd import prefetch
from .stages import INDEX, Stage, array_at, row_weight

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
def _clipped(y, raw, n_outputs, parameters):
    """max over -below <= u <= above of u r - width u^2 / 2, with r = y - f; u is minus the gradient."""
    n_levels, width = (len(parameters) - 1) // 2, parameters[0]
    inverse = 1 / width if width > 0 else 0.0
    loss = 0.0
    for target in range(n_outputs // n_levels):
        for level in range(n_levels):
            j, above, below = target * n_levels + level, parameters[1 + level], parameters[1 + n_levels + level]
            residual = np.float64(y[target]) - raw[j]
            slope = residual * inverse
            slope = above if residual > width * above else slope
            slope = -below if residual < -width * below else slope
            loss += slope * (residual - 0.5 * width * slope)
            raw[j] = -slope
    return loss


@helper
def _binary(y, raw, n_outputs, parameters):
    """log(1 + exp f) - t f, which is log(1 + exp -|f|) + max(f, 0) - t f."""
    kind, loss = raw.dtype.type, 0.0
    zero, smoothing = kind(0), parameters[0] if len(parameters) > 0 else 0.0
    kept, spread = kind(1 - smoothing), kind(0.5 * smoothing)
    for j in range(n_outputs):
        f, t = raw[j], kept * y[j] + spread
        margin = (f if f > zero else zero) - t * f
        loss += softplus(-abs(f)) + margin
        raw[j] = logistic(f) - t
    return loss


@helper
def _smoothed_margin(raw, n_outputs, highest, margin, smoothing):
    """Largest raw prediction minus the mean by the smoothed weights; `margin` is that of the class alone."""
    margins = 0.0
    for j in range(n_outputs):
        margins += np.float64(highest) - raw[j]
    return (1 - smoothing) * margin + smoothing / n_outputs * margins


@helper
def _multinomial(y, raw, n_outputs, parameters):
    highest = raw[0]
    for j in range(1, n_outputs):
        highest = maximum(highest, raw[j])
    chosen = int(y[0])
    smoothing = parameters[0] if len(parameters) > 0 else 0.0
    loss = highest - raw[chosen]
    if smoothing > 0:
        loss = _smoothed_margin(raw, n_outputs, highest, loss, smoothing)
    total = 0.0
    for j in range(n_outputs):
        raw[j] = exp(raw[j] - highest)
        total += raw[j]
    scale = raw.dtype.type(1 / total)
    for j in range(n_outputs):
        raw[j] *= scale
    raw[chosen] -= raw.dtype.type(1 - smoothing)
    if smoothing > 0:
        for j in range(n_outputs):
            raw[j] -= raw.dtype.type(smoothing / n_outputs)
    return loss + math.log(total)


_ROWS_AHEAD = 24  # of which memory is asked for the targets
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
        if i + _ROWS_AHEAD < n_rows:
            prefetch(array_at(y, 1, NUMBER), indices[i + _ROWS_AHEAD] * n_targets)
        prediction = array_at(raw + i * stride, n_outputs, NUMBER)
        target = array_at(y + indices[i] * n_targets * prediction.itemsize, n_targets, NUMBER)
        weight = row_weight(weights, indices[i], NUMBER)
        factor = NUMBER(weight * scale)
        # Not a product with zero: the loss of a row that is not there may overflow.
        if weight == 0:
            total[i] = 0.0
            for j in range(n_outputs):
                prediction[j] = NUMBER(0)
        # A single output without loops: five times as fast for the squared error.
        elif n_outputs == 1:
            total[i] = weight * loss_and_gradient(target, prediction, 1, parameters)
            prediction[0] *= factor
        else:
            total[i] = weight * loss_and_gradient(target, prediction, n_outputs, parameters)
            for j in range(n_outputs):
                prediction[j] *= factor


def _stage(name, function):
    return Stage(f"losses_{name}", _losses, 11, 1, loss_and_gradient=function)


_CLIPPED = _stage("clipped", _clipped)
STAGES = {
    "squared_error": _stage("squared_error", _squared_error),
    "absolute_error": _CLIPPED,
    "huber": _CLIPPED,
    "quantile": _CLIPPED,
    "poisson": _stage("poisson", poisson),
    "gamma": _stage("gamma", gamma),
    "tweedie": _stage("tweedie", tweedie),
    "binary_log_loss": _stage("binary_log_loss", _binary),
    "multinomial_log_loss": _stage("multinomial_log_loss", _multinomial),
    "binary_focal": _stage("binary_focal", binary_focal),
    "multinomial_focal": _stage("multinomial_focal", multinomial_focal),
}


def loss_stage(name, dtype):
    """Address of the stage of a loss."""
    return STAGES[name].address(dtype)
