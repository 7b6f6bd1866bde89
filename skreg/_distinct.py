"""Distinct rows of a dataset in an order that depends on their values alone.

The deterministic solver sums over these, so that its result is the same, bit for bit, for any order of
the rows and whether a row is there twice or has a weight of 2. Without this, roundings of the last bit
would grow over the iterations of a network's training.
"""

import numpy as np
from scipy import sparse

_N_ROWS = 65536  # rows hashed at a time, so that memory does not grow with X
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(x):
    """Finaliser of SplitMix64, elementwise on uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _cell_hash(column, values):
    """Hash of values at their columns; 0 for a zero, so that sparse and dense rows agree."""
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)  # adding 0.0 makes -0.0 a zero
    return np.where(bits == 0, np.uint64(0), _mix(bits + _mix((column + np.uint64(1)) * np.uint64(_GOLDEN))))


def _hash_dense(X):
    total = np.zeros(len(X), np.uint64)
    for start in range(0, len(X), _N_ROWS):
        block = X[start : start + _N_ROWS]
        for j in range(X.shape[1]):
            total[start : start + _N_ROWS] += _cell_hash(np.uint64(j), np.ascontiguousarray(block[:, j]))
    return total


def _hash_sparse(X):
    total = np.zeros(X.shape[0], np.uint64)
    for start in range(0, X.shape[0], _N_ROWS):
        block = X[start : start + _N_ROWS]
        row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        np.add.at(total[start : start + _N_ROWS], row, _cell_hash(block.indices.astype(np.uint64), block.data))
    return total


def _equal_rows(X, first, second):
    """Whether rows `first[i]` and `second[i]` are equal, for each i."""
    equal = np.empty(len(first), bool)
    for start in range(0, len(first), _N_ROWS):
        a, b = X[first[start : start + _N_ROWS]], X[second[start : start + _N_ROWS]]
        if sparse.issparse(X):
            equal[start : start + _N_ROWS] = np.asarray((a != b).sum(axis=1)).ravel() == 0
        else:
            equal[start : start + _N_ROWS] = (a == b).all(axis=1)
    return equal


def distinct_rows(X, y, weights):
    """(row numbers, weights): one row of each kind with the sum of the weights, mean 1, zero weights left out.

    X : ndarray or CSR; y : ndarray of shape (n_samples, n_targets); weights : float64 ndarray or None.
    """
    weights = np.ones(len(y)) if weights is None else weights
    with np.errstate(over="ignore"):
        row_hash = (_hash_sparse(X) if sparse.issparse(X) else _hash_dense(X)) + _mix(_hash_dense(y) + np.uint64(1))
    order = np.argsort(row_hash, kind="stable")
    order = order[weights[order] > 0]
    same = row_hash[order[1:]] == row_hash[order[:-1]]
    pairs = np.flatnonzero(same)
    first, second = order[pairs], order[pairs + 1]
    same[pairs] = _equal_rows(X, first, second) & _equal_rows(y, first, second)
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    merged = np.add.reduceat(weights[order], starts)
    return order[starts], merged / merged.mean()
