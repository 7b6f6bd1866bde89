"""Focal losses: log losses with the factor (1 - p)^gamma, p being the probability of the class that is right.

Lin et al. (2017), arXiv:1708.02002. `parameters` are gamma >= 0 and the label smoothing e: a target gives weights
that sum to 1 to the classes, see losses.py, and the loss is the mean over the classes by these weights.
"""

import math

import numpy as np

from ._jit import helper
from .elementary import exp, logistic, softplus


@helper
def binary_focal(y, raw, n_outputs, parameters):
    """t (1 - p)^gamma (-log p) + (1 - t) p^gamma (-log(1 - p)) with p = logistic f, for each output."""
    kind = raw.dtype.type
    zero, one, gamma = kind(0), kind(1), kind(parameters[0])
    kept, spread = kind(1 - parameters[1]), kind(0.5 * parameters[1])
    loss = 0.0
    for j in range(n_outputs):
        f, t = raw[j], kept * y[j] + spread
        tail, p, q = softplus(-abs(f)), logistic(f), logistic(-f)
        minus_log_p, minus_log_q = tail + (-f if f < zero else zero), tail + (f if f > zero else zero)
        q_power, p_power = t * exp(-gamma * minus_log_q), (one - t) * exp(-gamma * minus_log_p)
        loss += q_power * minus_log_p + p_power * minus_log_q
        raw[j] = p_power * (gamma * q * minus_log_q + p) - q_power * (gamma * p * minus_log_p + q)
    return loss


@helper
def _term(log_p, q, gamma):
    """-(1 - p)^gamma log p, and its derivative with respect to log p; q is 1 - p without cancellation."""
    power = q**gamma
    ratio = -log_p / q if q > 0 else 1.0
    return -power * log_p, -power * (gamma * math.exp(log_p) * ratio + 1.0)


@helper
def _log_probability(j, top, raw, rest):
    """(log p, 1 - p) of a class, where raw[top] = 0 and `rest` is the sum of the exponentials of all others."""
    log_p = raw[j] - math.log1p(rest)
    return log_p, (rest / (1 + rest) if j == top else 1 - math.exp(log_p))


@helper
def multinomial_focal(y, raw, n_outputs, parameters):
    """sum_k t_k (1 - p_k)^gamma (-log p_k) with p = softmax f."""
    gamma, smoothing, chosen = parameters[0], parameters[1], int(y[0])
    top = 0
    for j in range(1, n_outputs):
        top = j if raw[j] > raw[top] else top
    highest, rest = raw[top], 0.0
    for j in range(n_outputs):
        raw[j] -= highest
        rest += exp(raw[j]) if j != top else 0.0
    loss = total = raw[top] * 0.0  # not a number where raw[top] is infinite
    for j in range(n_outputs):
        if j == chosen or smoothing > 0:
            t = (1 - smoothing) * (j == chosen) + smoothing / n_outputs
            term, slope = _term(*_log_probability(j, top, raw, rest), gamma)
            loss += t * term
            total += t * slope
    for j in range(n_outputs):
        log_p, q = _log_probability(j, top, raw, rest)
        own = 0.0
        if j == chosen or smoothing > 0:
            own = ((1 - smoothing) * (j == chosen) + smoothing / n_outputs) * _term(log_p, q, gamma)[1]
        raw[j] = own * q - math.exp(log_p) * (total - own)
    return np.float64(loss)
