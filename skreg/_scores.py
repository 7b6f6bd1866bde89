"""Scores of the epochs of a fit: scikit-learn's numbers, without the checks that take longer than a small epoch."""

import numpy as np


def accuracy(y, predicted, sample_weight=None):
    """Share of the rows of which all is right, `sklearn.metrics.accuracy_score`."""
    is_right = (y == predicted).reshape(len(y), -1).all(axis=1)
    return float(np.average(is_right, weights=sample_weight))


def _mean(values, weights):
    return values.mean(axis=0) if weights is None else np.average(values, axis=0, weights=weights)


def r_squared(y, predicted, sample_weight=None):
    """Mean over the outputs of `sklearn.metrics.r2_score`, for y and predictions of shape (n_samples, n_outputs).

    It is 1 of a constant target that is met and 0 of one that is not.
    """
    y, predicted = y.astype(np.float64, copy=False), predicted.astype(np.float64, copy=False)
    errors = _mean((y - predicted) ** 2, sample_weight)
    variances = _mean((y - _mean(y, sample_weight)) ** 2, sample_weight)
    is_constant = variances == 0
    scores = 1 - errors / np.where(is_constant, 1, variances)
    return float(np.where(is_constant, errors == 0, scores).mean())
