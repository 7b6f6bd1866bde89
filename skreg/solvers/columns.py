"""Means and sizes of columns, from which linear models have their variables; constant columns are told from others.

A constant column is the intercept once more. Centred, it is 0 but for rounding, and a weight in units of that
rounding would end anywhere: it is left out, and its weight is 0 as in scikit-learn's linear models.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import incr_mean_variance_axis

_N_ROWS = 4096  # rows converted at a time
# Relative to the mean: deviations from it that are rounding, and those too small beside it to be a unit.
_ROUNDING, _SMALL = 1e-13, 1e-10


class Columns(NamedTuple):
    """Columns about their means.

    Attributes
    ----------
    means : ndarray of shape (n_columns,)
        0 unless they are centred.
    sizes : ndarray of shape (n_columns,)
        Root mean square about the means, or 1 where that is no unit; of a constant column its absolute value.
    scales : ndarray of shape (n_columns,)
        1 / sizes, and 0 for constant columns.
    """

    means: np.ndarray
    sizes: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, X, weights, rows=None, centred=True):
        """With the weights of all rows of X, of which `rows` are meant."""
        rows = np.arange(len(weights)) if rows is None else rows
        means, squares = (_sparse_moments if sparse.issparse(X) else _dense_moments)(X, weights, rows, centred)
        means, sizes = np.where(np.isfinite(means), means, 0.0), np.sqrt(np.maximum(squares, 0.0))
        constant, is_unit = sizes <= _ROUNDING * np.abs(means), np.isfinite(sizes) & (sizes > _SMALL * np.abs(means))
        sizes = np.where(is_unit, sizes, np.where(constant & (means != 0), np.abs(means), 1.0))
        return cls(means, sizes, np.where(constant, 0.0, 1 / sizes))


def _blocks(X, weights, rows):
    for start in range(0, len(rows), _N_ROWS):
        taken = rows[start : start + _N_ROWS]
        yield X[taken].astype(np.float64), weights[taken]


def _dense_moments(X, weights, rows, centred):
    """(means, mean squares about them), 0 in place of the means unless `centred`."""

    def mean(function):
        return sum(w @ function(block) for block, w in _blocks(X, weights, rows)) / weights[rows].sum()

    origin = X[rows[0]].astype(np.float64)  # the differences of a constant column are exactly 0
    means = origin + mean(lambda block: block - origin) if centred else np.zeros_like(origin)
    return means, mean(lambda block: np.square(block - means))


def _sparse_moments(X, weights, rows, centred):
    means, variances, total = np.zeros((3, X.shape[1]))
    for block, w in _blocks(X, weights, rows):
        means, variances, total = incr_mean_variance_axis(
            block, axis=0, last_mean=means, last_var=variances, last_n=total, weights=w
        )
    return (means, variances) if centred else (np.zeros_like(means), variances + means**2)
