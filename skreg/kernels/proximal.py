"""Proximal steps on rows of weights: penalties on the norm of a unit's outgoing weights, and W >= 0.

A group penalty is strength * |w|_2 for each row w of a layer's weights. An optimizer moves each coordinate
by its own length t_k (Adam: step / (sqrt(v_k) + epsilon), SGD: 1), and its proximal step is

    argmin_u  sum_k (u_k - w_k)^2 / (2 t_k) + strength |u|_2,   u_k = w_k rho / (rho + a_k),  a_k = strength t_k,

rho = |u|_2 being the root of f(rho) = sum_k (w_k / (rho + a_k))^2 = 1; there is none, and u = 0, where
f(0) <= 1. 1 / sqrt(f) is concave, as power means are, so Newton's method on it rises to the root from below
(the secular equation of trust regions: Moré & Sorensen 1983, doi:10.1137/0904038), and it starts close to it:
by the same concavity the root is at least |w| - sum_k w_k^2 a_k / |w|^2. That is exact where all a_k are equal.

An l1 term and w >= 0 go before: their steps, coordinate by coordinate, change nothing in what follows, in
any diagonal metric (the soft threshold has been applied by the optimizer already).
"""

import math

import numpy as np

from ._jit import helper
from .activations import rectify
from .adam import step_lengths
from .elementary import power_of_2_that_shrinks
from .hierarchy import HIERARCHICAL
from .layout import ADAM, COEF, COEF_GROUP, FAN_OUT, N_LAYOUT, N_PENALTIES, POSITIVE
from .penalties import soft_threshold
from .stages import Stage, array_at
from .views import part

NUMBER = None  # what a stage makes of the template

_MOST_STEPS = 50


@helper
def _limits(w):
    """Share of rho at which Newton stops, which its last step squares; squares that are precise; exponents of units."""
    is_single = w.itemsize == 4
    kind = w.dtype.type
    tolerance = kind(3e-4 if is_single else 1e-8)
    least, most = (1e-25, 1e25) if is_single else (1e-200, 1e200)
    return tolerance, kind(least), kind(most), 100 if is_single else 1000


@helper
def _moments(w, a, scale):
    """(sum of squares, their sum times a, that times a^2) of scale * w, and the sum of all a^2."""
    kind = w.dtype.type
    squares, first, second, lengths = kind(0), kind(0), kind(0), kind(0)
    for k in range(len(w)):
        value = scale * w[k]
        square = value * value
        squares += square
        first += square * a[k]
        second += square * a[k] * a[k]
        lengths += a[k] * a[k]
    return squares, first, second, lengths


@helper
def _secular(w, a, scale, rho):
    """f(rho) of scale * w, and sum_k w_k^2 / (rho + a_k)^3."""
    kind = w.dtype.type
    one, f, slope = kind(1), kind(0), kind(0)
    for k in range(len(w)):
        inverse = one / (rho + a[k])
        ratio = scale * w[k] * inverse
        f += ratio * ratio
        slope += ratio * ratio * inverse
    return f, slope


@helper
def _has_root(w, a, scale):
    """Whether f(0) > 1, also where some a_k have come to zero."""
    kind = w.dtype.type
    f = kind(0)
    for k in range(len(w)):
        value = scale * w[k]
        if value != kind(0):
            f += (value / a[k]) * (value / a[k])
    return f > kind(1)


@helper
def _root(w, a, scale, moments, tolerance):
    """rho, or 0 where there is none."""
    kind = w.dtype.type
    one = kind(1)
    squares, first, second, lengths = moments
    norm, inverse = kind(math.sqrt(squares)), one / squares
    mean = first * inverse
    rho = norm - mean
    variance = max(second * inverse - mean * mean, kind(0)) * inverse
    # Where all a_k are much smaller than |w|, 2 max(a) variance is what the next term would change, in units of rho;
    # of that, w feels no more than the share max(a) / |w|.
    if lengths < squares * kind(1e-3) and lengths * variance < tolerance * tolerance * squares * kind(0.1):
        return rho + kind(1.5) * variance * norm
    if not rho > kind(0):
        if not _has_root(w, a, scale):
            return kind(0)
        rho = kind(1e-30)
        for k in range(len(w)):  # a lower bound from each coordinate alone
            rho = max(rho, abs(scale * w[k]) - a[k])
    for _ in range(_MOST_STEPS):
        f, slope = _secular(w, a, scale, rho)
        change = f * (kind(math.sqrt(f)) - one) / slope
        if not change > kind(0):  # there, or at the last digit
            break
        rho += change
        if change <= tolerance * rho:
            break
    return rho


@helper
def _largest(w):
    """Largest absolute value; NaN or infinite where w is."""
    kind = w.dtype.type
    largest = kind(0)
    for k in range(len(w)):
        if not abs(w[k]) <= largest:
            largest = abs(w[k])
            if not largest < kind(np.inf):
                return largest
    return largest


@helper
def shrink(w, a):
    """The proximal step of one row w, in place; `a` is scratch afterwards.

    Very small and very large rows are looked at in another unit. A row that is not finite is left alone.
    """
    kind = w.dtype.type
    tolerance, least, most, exponent = _limits(w)
    scale = kind(1)
    moments = _moments(w, a, scale)
    if not (moments[0] > least and moments[0] < most and moments[3] < most):
        largest = _largest(w)
        if largest == kind(0) or not largest < kind(np.inf):
            return
        scale = power_of_2_that_shrinks(largest, exponent)
        for k in range(len(a)):
            a[k] *= scale
        moments = _moments(w, a, scale)
    rho = _root(w, a, scale, moments, tolerance)
    if rho > kind(0):
        one, inverse = kind(1), kind(1) / rho
        for k in range(len(w)):
            w[k] *= one / (one + a[k] * inverse)
    else:
        for k in range(len(w)):
            w[k] = kind(0)


def _finish_rows(params, second, layout, penalties, begin, end, scratch, optimizer, step, epsilon, reach):
    """A proximal stage, see descent.py."""
    layout, penalties = array_at(layout, N_LAYOUT, np.int64), array_at(penalties, N_PENALTIES, np.float64)
    fan_out, strength = layout[FAN_OUT], reach * penalties[COEF_GROUP]
    at, count = (layout[COEF] + begin * fan_out) * array_at(params, 1, NUMBER).itemsize, (end - begin) * fan_out
    rows = array_at(params + at, count, NUMBER)
    if penalties[POSITIVE] > 0:
        rectify(rows)
    if strength > 0:
        a = array_at(scratch, count, NUMBER)
        if optimizer == ADAM:
            step_lengths(array_at(second + at, count, NUMBER), a, NUMBER(strength * step), NUMBER(epsilon))
        else:
            for k in range(count):
                a[k] = NUMBER(strength)
        if fan_out == 1:
            for k in range(count):
                rows[k] = soft_threshold(rows[k], a[k])
        else:
            for start in range(0, count, fan_out):
                shrink(part(rows, start, fan_out), part(a, start, fan_out))


STAGES = {"rows": Stage("proximal_rows", _finish_rows, 8, 3), "hierarchical": HIERARCHICAL}
