"""From raw predictions to means and probabilities, while they are in the cache.

A sigmoid never reaches 0 or 1. Neither do the roundings here, so that logarithms of probabilities stay finite.
"""

from ._jit import helper
from .elementary import constant, exp, logistic, maximum
from .stages import Stage, address_of_stage, array_at
from .views import part

# The smallest normal number, and by how much the number below 1 is smaller.
_SMALLEST, _BELOW_ONE = constant(2.0**-126, 2.0**-1022), constant(2.0**-24, 2.0**-53)


@helper
def _copy(raw, out, n_outputs):
    for j in range(n_outputs):
        out[j] = raw[j]


@helper
def _both_signs(raw, out, n_outputs):
    out[0], out[1] = -raw[0], raw[0]


@helper
def _below_largest(raw, out, n_outputs):
    largest = raw[0]
    for j in range(1, n_outputs):
        largest = maximum(largest, raw[j])
    for j in range(n_outputs):
        out[j] = raw[j] - largest


@helper
def _exp(f, lowest, highest):
    return exp(f)


@helper
def _probability(f, lowest, highest):
    """Logistic function within the open interval; NaN stays one."""
    p = maximum(logistic(f), lowest)
    return highest if p > highest else p


@helper
def _nothing(out, lowest):
    pass


@helper
def _normalize(out, lowest):
    total = out.dtype.type(0)
    for j in range(len(out)):
        total += out[j]
    scale = 1 / total
    for j in range(len(out)):
        out[j] = maximum(out[j] * scale, lowest)


NUMBER = prepare = function = finish = None  # what a stage makes of the template


def _link(raw, stride, n_rows, n_outputs, prediction, n_columns):
    """Write the links of rows of raw predictions, `stride` bytes apart, to `prediction`; both are addresses.

    `prepare` writes the row that `function` is applied to, element by element, and `finish` makes the link of it. In
    between there is one long loop over all rows, since a row may be too short for a vector.
    """
    lowest, highest = _SMALLEST(NUMBER(0)), 1 - _BELOW_ONE(NUMBER(0))
    to = array_at(prediction, n_rows * n_columns, NUMBER)
    for i in range(n_rows):
        prepare(array_at(raw + i * stride, n_outputs, NUMBER), part(to, i * n_columns, n_columns), n_outputs)
    for j in range(len(to)):
        to[j] = function(to[j], lowest, highest)
    for i in range(n_rows):
        finish(part(to, i * n_columns, n_columns), lowest)


STAGES = {
    name: Stage(f"link_{name}", _link, 6, prepare=prepare, function=function, finish=finish)
    for name, prepare, function, finish in (
        ("exp", _copy, _exp, _nothing),
        ("softmax", _below_largest, _exp, _normalize),
        ("logistic", _copy, _probability, _nothing),
        ("two_classes", _both_signs, _probability, _nothing),
    )
}


def link_stage(name, dtype):
    """Address of the stage of a link, NO_ADDRESS for None."""
    return address_of_stage(STAGES, name, dtype)
