"""Penalties l1 |w|_1 + l2 / 2 |w|^2 of a vector: value and proximal step."""

import math

from ._jit import helper, outlined
from .layout import (
    COEF,
    COEF_GROUP,
    COEF_L1,
    COEF_L2,
    FAN_OUT,
    INTERCEPT,
    INTERCEPT_L1,
    INTERCEPT_L2,
    NORMALIZE,
    SCALES,
)
from .stages import NO_ADDRESS
from .views import part


@helper
def soft_threshold(w, threshold):
    """argmin_u (u - w)^2 / 2 + threshold |u|: exact zeros within the threshold; a NaN stays one."""
    return w - min(max(w, -threshold), threshold)


@helper
def penalty_value(w, l1, l2):
    """l1 |w|_1 + l2 / 2 |w|^2, summed in float64; NaN or infinite where a weight is not finite."""
    absolute, squared = 0.0, 0.0
    for i in range(len(w)):
        value = float(w[i])
        absolute += abs(value)
        squared += value * value
    return l1 * absolute + 0.5 * l2 * squared


@helper
def _norms_of_rows(w, fan_out):
    """Sum of the Euclidean norms of rows, in float64."""
    total = 0.0
    for start in range(0, len(w), fan_out):
        total += math.sqrt(penalty_value(part(w, start, fan_out), 0.0, 2.0))
    return total


@outlined
def all_penalties(params, layout, penalties):
    """(penalty on the weights, penalty on the intercepts) of the whole network."""
    coefs, intercepts = 0.0, 0.0
    for layer in range(len(layout)):
        start, middle = layout[layer, COEF], layout[layer, INTERCEPT]
        weights, biases = part(params, start, middle - start), part(params, middle, layout[layer, FAN_OUT])
        coefs += penalty_value(weights, penalties[layer, COEF_L1], penalties[layer, COEF_L2])
        if penalties[layer, COEF_GROUP] > 0:
            coefs += penalties[layer, COEF_GROUP] * _norms_of_rows(weights, layout[layer, FAN_OUT])
        intercepts += penalty_value(biases, penalties[layer, INTERCEPT_L1], penalties[layer, INTERCEPT_L2])
        if layout[layer, NORMALIZE] != NO_ADDRESS:  # not penalised, but to be finite
            coefs += penalty_value(part(params, layout[layer, SCALES], 2 * layout[layer, FAN_OUT]), 0.0, 0.0)
    return coefs, intercepts
