"""From raw predictions to means and probabilities, while they are in the cache.

A sigmoid never reaches 0 or 1. Neither do the roundings here, so that logarithms of probabilities stay finite.
"""

import numpy as np

from ._jit import helper
from .elementary import exp, logistic, maximum
from .layout import EXP_LINK, LOGISTIC_LINK, NO_LINK, SOFTMAX_LINK


@helper
def _softmax(raw, out, n_outputs, lowest):
    highest = raw[0]
    for j in range(1, n_outputs):
        highest = maximum(highest, raw[j])
    total = raw.dtype.type(0)
    for j in range(n_outputs):
        e = exp(raw[j] - highest)
        out[j] = e
        total += e
    scale = 1 / total
    for j in range(n_outputs):
        out[j] = maximum(out[j] * scale, lowest)


@helper
def _probability(f, lowest, highest):
    """Logistic function within the open interval; NaN stays one."""
    p = maximum(logistic(f), lowest)
    return highest if p > highest else p


@helper
def apply_link(raw, out, n_outputs, link):
    """Write the link of one row of raw predictions to `out`, which has 2 columns for TWO_CLASSES_LINK."""
    limits = np.finfo(raw.dtype)
    lowest, highest = limits.tiny, 1 - limits.epsneg
    if link == NO_LINK:
        for j in range(n_outputs):
            out[j] = raw[j]
    elif link == EXP_LINK:
        for j in range(n_outputs):
            out[j] = exp(raw[j])
    elif link == SOFTMAX_LINK:
        _softmax(raw, out, n_outputs, lowest)
    elif link == LOGISTIC_LINK:
        for j in range(n_outputs):
            out[j] = _probability(raw[j], lowest, highest)
    else:
        out[0], out[1] = _probability(-raw[0], lowest, highest), _probability(raw[0], lowest, highest)
