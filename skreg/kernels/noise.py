"""Noise that is not plain dropout: on the inputs of a layer, for some rows at once, as stages.

- gaussian  a multiplier of mean 1 and variance p / (1 - p), the mean and variance of a dropout mask with rate p
            (Srivastava et al. 2014, section 10)
- alpha     a unit is not set to zero but to the number alpha' that selu tends to, and an affine map makes mean
            0 and variance 1 of all units what they were (Klambauer et al. 2017)
- added     normal numbers with a standard deviation for each column are added

Gaussian multipliers leave zeros what they are, so that CSR X stays sparse: `factor_stage` is the multiplier of one
element.
"""

import math

import numpy as np

from ._jit import helper
from .layout import BATCHWISE, BERNOULLI
from .normals import normal
from .random import combine, drop_threshold, is_kept
from .stages import Stage, array_at

SELU_LIMIT = -1.0507009873554805 * 1.6732632423543772

NUMBER = noise_of_row = is_factor = None  # what a stage makes of the template


@helper
def _gaussian(row, row_key, is_backward, rate):
    kind = row.dtype.type
    spread = kind(math.sqrt(rate / (1.0 - rate)))
    for j in range(len(row)):
        row[j] *= kind(1) + spread * normal(row_key, j, spread)


@helper
def _alpha(row, row_key, is_backward, rate):
    kind, threshold = row.dtype.type, drop_threshold(rate)
    a = 1.0 / math.sqrt((1.0 - rate) * (1.0 + rate * SELU_LIMIT * SELU_LIMIT))
    factor, shift, dropped = kind(a), kind(-a * rate * SELU_LIMIT), kind(a * (1.0 - rate) * SELU_LIMIT)
    if is_backward:
        shift = dropped = kind(0)
    for j in range(len(row)):
        row[j] = factor * row[j] + shift if is_kept(row_key, j, threshold) else dropped


@helper
def _multiply_rows(n_rows, source, source_stride, target, target_stride, factors):
    for i in range(n_rows):
        before = array_at(source + i * source_stride, len(factors), factors.dtype)
        row = array_at(target + i * target_stride, len(factors), factors.dtype)
        for j in range(len(factors)):
            row[j] = before[j] * factors[j]


def _noise(source, source_stride, target, target_stride, n_rows, width, key, number, step, is_backward, rate):
    """Apply the noise of a dropout rate to rows, or to their gradients if `is_backward`.

    `source` and `target`, which may be the same, are addresses, the strides are bytes between rows. The
    noise of row i is that of number + i step.
    """
    if step == 0 and is_factor and source != target and n_rows > 0:
        # One row of factors for all: it lies where the last row will.
        factors = array_at(target + (n_rows - 1) * target_stride, width, NUMBER)
        for j in range(width):
            factors[j] = 1
        noise_of_row(factors, combine(np.uint64(key), number), is_backward, rate)
        _multiply_rows(n_rows, source, source_stride, target, target_stride, factors)
        return
    for i in range(n_rows):
        row = array_at(target + i * target_stride, width, NUMBER)
        if source != target:  # two arrays that may be one would not be vectorised
            before = array_at(source + i * source_stride, width, NUMBER)
            for j in range(width):
                row[j] = before[j]
        noise_of_row(row, combine(np.uint64(key), number + i * step), is_backward, rate)


def _factor(row_key, unit, rate):
    """Gaussian multiplier of one element."""
    spread = NUMBER(math.sqrt(rate / (1.0 - rate)))
    return np.float64(NUMBER(1) + spread * normal(np.uint64(row_key), unit, spread))


def _add(target, stride, n_rows, width, key, number, deviations):
    """Add noise to rows of inputs, that of row i being number + i.

    `target` and `deviations`, one for each column, are addresses.
    """
    scale = array_at(deviations, width, NUMBER)
    for i in range(n_rows):
        row = array_at(target + i * stride, width, NUMBER)
        row_key = combine(np.uint64(key), number + i)
        for j in range(width):
            row[j] += scale[j] * normal(row_key, j, scale[j])


STAGES = {
    "gaussian": Stage("noise_gaussian", _noise, 10, 1, noise_of_row=_gaussian, is_factor=True),
    "alpha": Stage("noise_alpha", _noise, 10, 1, noise_of_row=_alpha, is_factor=False),
    "factor": Stage("noise_factor", _factor, 2, 1, returns_number=True),
    "added": Stage("noise_added", _add, 7),
}

_MASKS = {"bernoulli": BERNOULLI, "batchwise": BATCHWISE}


def dropout_code(kind, dtype, sparse_inputs=False):
    """What stands in the layout for a kind of dropout: BERNOULLI, BATCHWISE, or the address of its stage."""
    if kind in _MASKS:
        return _MASKS[kind]
    return STAGES["factor" if sparse_inputs else kind].address(dtype)
