"""The largest norm of each unit's incoming weights, a column of its layer's weights: Keras's MaxNorm.

- Srivastava et al. (2014), Journal of Machine Learning Research 15, 1929-1958, section 5.1.
"""

import math

import numpy as np

from ._jit import helper
from .layout import COEF, FAN_IN, FAN_OUT, MAX_NORM, N_LAYOUT, N_PENALTIES
from .stages import Stage, array_at
from .views import part, set_zero

NUMBER = None  # what a stage makes of the template

_WIDTH = 256  # columns whose sums, in float64, are in the first-level cache


@helper
def _sum_of_squares(values):
    total = 0.0
    for i in range(len(values)):
        value = np.float64(values[i])
        total += value * value
    return total


@helper
def _sums_of_squares(w, start, stride, n_rows, sums):
    """Of the columns of rows that lie `stride` apart."""
    set_zero(sums)
    for i in range(n_rows):
        row = part(w, start + i * stride, len(sums))
        for j in range(len(sums)):
            value = np.float64(row[j])
            sums[j] += value * value


def _limit_columns(params, layout, penalties, first, last, scratch):
    """Scale columns first:last that are too long; `scratch` is the address of 2 KiB.

    The limit is below the norm that is asked for by what sums in the weights' own type may lose, in any order.
    """
    layout, penalties = array_at(layout, N_LAYOUT, np.int64), array_at(penalties, N_PENALTIES, np.float64)
    fan_in, fan_out = layout[FAN_IN], layout[FAN_OUT]
    w = array_at(params, layout[COEF] + fan_in * fan_out, NUMBER)
    epsilon = 2.0**-23 if w.itemsize == 4 else 2.0**-52
    limit = penalties[MAX_NORM] * (1.0 - (fan_in + 8) * epsilon / 4.0)
    for start in range(first, last, _WIDTH):
        width, at = min(_WIDTH, last - start), layout[COEF] + start
        sums = array_at(scratch, width, np.float64)
        if fan_out == 1:
            sums[0] = _sum_of_squares(part(w, at, fan_in))
        else:
            _sums_of_squares(w, at, fan_out, fan_in, sums)
        for j in range(width):
            if sums[j] > limit * limit:
                factor = NUMBER(limit / math.sqrt(sums[j]))
                for i in range(fan_in):
                    w[at + i * fan_out + j] *= factor


STAGES = {"columns": Stage("limit_columns", _limit_columns, 6)}
