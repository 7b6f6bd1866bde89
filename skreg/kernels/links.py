"""From raw predictions to means and probabilities, while they are in the cache.

A sigmoid never reaches 0 or 1. Neither do the roundings here, so that logarithms of probabilities stay finite.
"""

import numpy as np

from ._jit import helper
from .elementary import exp, logistic, maximum
from .stages import Stage, address_of_stage, array_at
from .views import part


@helper
def _softmax(raw, out, n_outputs, lowest, highest):
    largest = raw[0]
    for j in range(1, n_outputs):
        largest = maximum(largest, raw[j])
    total = raw.dtype.type(0)
    for j in range(n_outputs):
        e = exp(raw[j] - largest)
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
def _exp(raw, out, n_outputs, lowest, highest):
    for j in range(n_outputs):
        out[j] = exp(raw[j])


@helper
def _logistic(raw, out, n_outputs, lowest, highest):
    for j in range(n_outputs):
        out[j] = _probability(raw[j], lowest, highest)


@helper
def _two_classes(raw, out, n_outputs, lowest, highest):
    out[0], out[1] = _probability(-raw[0], lowest, highest), _probability(raw[0], lowest, highest)


NUMBER = link_of_row = None  # what a stage makes of the template


def _link(raw, stride, n_rows, n_outputs, prediction, n_columns):
    """Write the links of rows of raw predictions, `stride` bytes apart, to `prediction`; both are addresses."""
    limits = np.finfo(NUMBER)
    lowest, highest = limits.tiny, 1 - limits.epsneg
    to = array_at(prediction, n_rows * n_columns, NUMBER)
    for i in range(n_rows):
        row = array_at(raw + i * stride, n_outputs, NUMBER)
        link_of_row(row, part(to, i * n_columns, n_columns), n_outputs, lowest, highest)


STAGES = {
    name: Stage(f"link_{name}", _link, 6, link_of_row=function)
    for name, function in {
        "exp": _exp,
        "softmax": _softmax,
        "logistic": _logistic,
        "two_classes": _two_classes,
    }.items()
}


def link_stage(name, dtype):
    """Address of the stage of a link, NO_ADDRESS for None."""
    return address_of_stage(STAGES, name, dtype)
