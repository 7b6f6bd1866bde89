"""The proximal operator of LassoNet: an input's skip connection bounds all else that leaves it.

A row of the first layer holds the weights w of an input to the hidden units and, behind them, those of
its skip connection, theta (skip.py). With strength lambda, times the length of the step, and hierarchy M:

    argmin 1/2 |theta - v|^2 + 1/2 |w - u|^2 + lambda |theta|_2   subject to   |w|_inf <= M |theta|_2

With t = |theta|_2 the best w is u clipped to [-M t, M t], and the best theta is t v / |v|. What is left
is a convex function of t >= 0 whose derivative,

    t - |v| + lambda - M sum_h (|u_h| - M t)_+,

is concave, piecewise linear and increasing. Newton's method from the left of its root therefore goes up
to it without ever passing it, and ends there after as many steps as there are pieces on the way: most
often one or two. No sorting is needed, as it is in Lemhadri et al. (2021), Algorithm 2, and each step is a
vectorised pass over the row.
"""

import math

import numpy as np

from ._jit import helper
from .elementary import constant
from .layout import COEF, FAN_OUT, HIERARCHY, N_LAYOUT, N_PENALTIES, SKIP, SKIP_NORM
from .stages import INDEX, Stage, array_at
from .views import part, set_zero

_EPSILON = constant(2.0**-23, 2.0**-52)


@helper
def _norm(v):
    squared = 0.0
    for k in range(len(v)):
        squared += float(v[k]) * float(v[k])
    return math.sqrt(squared)


@helper
def _above(u, bound):
    """(number of elements above a bound in absolute value, sum of them)."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    count, total = zero, zero
    for h in range(len(u)):
        size = abs(u[h])
        is_above = not size <= bound  # so is NaN
        count += one if is_above else zero
        total += size if is_above else zero
    return float(count), float(total)


@helper
def _length(u, norm, threshold, hierarchy):
    """The best |theta|: the root of the derivative, or 0; NaN where anything is."""
    length = 0.0 if norm < threshold else norm - threshold
    while True:
        count, total = _above(u, u.dtype.type(hierarchy * length))
        longer = (norm - threshold + hierarchy * total) / (1 + count * hierarchy * hierarchy)
        if not longer > length:
            return length if longer <= length else longer  # NaN
        length = longer


@helper
def _shrink(u, v, threshold, hierarchy):
    norm = _norm(v)
    length = _length(u, norm, threshold, hierarchy)
    if length == 0:
        set_zero(u)
        set_zero(v)
        return
    if norm > 0:
        for k in range(len(v)):
            v[k] *= v.dtype.type(length / norm)
    else:  # all directions are as good
        for k in range(len(v)):
            v[k] = length / math.sqrt(len(v))
    # Rounded down, so that what is stored keeps to the constraint however its norm is computed.
    bound = u.dtype.type(hierarchy * _norm(v) * (1 - 4 * _EPSILON(u.dtype.type(0))))
    for h in range(len(u)):
        u[h] = min(max(u[h], -bound), bound)


NUMBER = None  # what a stage makes of the template


def _hierarchical(params, moments, layer, penalties, begin, end, scratch, optimizer, step, epsilon, reach):
    """Proximal stage (descent.py) of rows of the first layer, in the metric of 'sgd': one length for all steps.

    Adam's steps differ within a row. Where SKIP_NORM is 0 this is no more than the projection to the
    constraint, which is as good after its steps.
    """
    table, strengths = array_at(layer, N_LAYOUT, INDEX), array_at(penalties, N_PENALTIES, np.float64)
    width, n_skipping = table[FAN_OUT], table[SKIP]
    weights = array_at(params, table[COEF] + end * width, NUMBER)
    for row in range(begin, end):
        start = table[COEF] + row * width
        _shrink(part(weights, start, width - n_skipping), part(weights, start + width - n_skipping, n_skipping),
                reach * strengths[SKIP_NORM], strengths[HIERARCHY])  # fmt: skip


HIERARCHICAL = Stage("proximal_hierarchical", _hierarchical, 8, 3)
