"""Losses of positive targets: half deviances of exponential families with a log link, the mean being exp f.

All are of one family, Tweedie's with variance mean^p (Jorgensen 1987, doi:10.1111/j.2517-6161.1987.tb01685.x);
p = 1 is Poisson's and p = 2 the gamma distribution's. They are 0 where the mean is y.
"""

import math

import numpy as np

from ._jit import helper
from .elementary import exp


@helper
def poisson(y, raw, n_outputs, parameters):
    """y log(y / exp f) - y + exp f."""
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
def gamma(y, raw, n_outputs, parameters):
    """y / exp f - log(y / exp f) - 1."""
    loss = 0.0
    for j in range(n_outputs):
        f, target = np.float64(raw[j]), np.float64(y[j])
        ratio = target * math.exp(-f)
        loss += ratio - 1 + (f - math.log(target))
        raw[j] = 1 - ratio
    return loss


@helper
def _growth(rate, z):
    """expm1(rate z) / rate, which is z at rate 0."""
    return math.expm1(rate * z) / rate if rate != 0 else z


@helper
def tweedie(y, raw, n_outputs, parameters):
    """Of power p: y^(2-p) (expm1((2-p) z) / (2-p) - expm1((1-p) z) / (1-p)) with z = f - log y.

    It is max(y, 0)^(2-p) / ((1-p)(2-p)) - y m^(1-p) / (1-p) + m^(2-p) / (2-p) for the mean m, in a form that
    is right at p = 1 and 2 as well; for p = 0 the first term is y^2 / 2 also where y < 0.
    """
    first, second = 1 - parameters[0], 2 - parameters[0]
    loss = 0.0
    for j in range(n_outputs):
        f, target = np.float64(raw[j]), np.float64(y[j])
        low, high = math.exp(first * f), math.exp(second * f)
        if target > 0:
            z = f - math.log(target)
            loss += target**second * (_growth(second, z) - _growth(first, z))
        else:
            loss += high / second
            if target < 0:  # only powers <= 0 have such targets
                loss -= target * low / first
                loss += 0.5 * target * target if parameters[0] == 0 else 0.0
        raw[j] = high - target * low
    return loss
