"""Data as the kernels take it: X as flat read-only arrays, dense or CSR, with targets and weights."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

N_ROWS_CAST = 4096  # rows that are converted at a time where a computation needs another dtype


def _read_only(array):
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _flat(X):
    """(flat view of dense X's memory, step between rows, step between columns); a copy as a last resort."""
    itemsize = X.itemsize
    well_behaved = X.flags.aligned and all(s >= 0 and s % itemsize == 0 for s in X.strides)
    if not well_behaved:
        X = np.ascontiguousarray(X)
    if X.flags.c_contiguous:
        return X.reshape(-1), X.shape[1], 1
    if X.flags.f_contiguous:
        return X.T.reshape(-1), 1, X.shape[0]
    row, col = (stride // itemsize for stride in X.strides)
    extent = (X.shape[0] - 1) * row + (X.shape[1] - 1) * col + 1
    return np.lib.stride_tricks.as_strided(X, (extent,), (itemsize,)), row, col


def operands(X, dtype):
    """The kernels' six arguments for X of the same dtype: x, x_row, x_col, data, indices, indptr."""
    none, no_index = np.empty(0, dtype), np.empty(0, np.int32)
    if sparse.issparse(X):
        small = X.indices.dtype == np.int32 or X.shape[1] <= np.iinfo(np.int32).max
        indices = X.indices.astype(np.int32 if small else np.int64, copy=False)
        return (
            _read_only(none), 0, 0,
            _read_only(X.data), _read_only(indices), _read_only(X.indptr.astype(np.int64, copy=False)),
        )  # fmt: skip
    flat, row, col = _flat(X)
    return (
        _read_only(flat), row, col,
        _read_only(none), _read_only(no_index), _read_only(np.empty(0, np.int64)),
    )  # fmt: skip


@dataclass
class Dataset:
    """Validated rows to train or to evaluate on.

    X : ndarray or CSR of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets) in X's dtype, as the loss takes it
    sample_weight : ndarray of shape (n_samples,) with mean 1, or None
    """

    X: object
    y: np.ndarray
    sample_weight: np.ndarray | None = None

    @classmethod
    def make(cls, X, y, sample_weight=None):
        """Bring targets and weights to X's dtype, and weights to mean 1: their scale means nothing."""
        if sparse.issparse(X):
            X = X.tocsr()
        y = np.ascontiguousarray(y, dtype=X.dtype)
        if sample_weight is not None:
            weights = np.asarray(sample_weight, dtype=np.float64)
            sample_weight = np.ascontiguousarray(weights / weights.mean(), dtype=X.dtype)
        return cls(X, y.reshape(len(y), -1), sample_weight)

    @property
    def n_samples(self):
        return self.X.shape[0]

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def is_sparse(self):
        return sparse.issparse(self.X)

    def arguments(self):
        """The kernels' arguments for X, y and the weights."""
        weights = np.empty(0, self.dtype) if self.sample_weight is None else self.sample_weight
        return *operands(self.X, self.dtype), _read_only(self.y), _read_only(weights)

    def blocks(self, dtype):
        """The rows in blocks of another dtype, or all at once where nothing has to be converted."""
        if self.dtype == dtype:
            yield slice(0, self.n_samples), self
            return
        for start in range(0, self.n_samples, N_ROWS_CAST):
            rows = slice(start, min(start + N_ROWS_CAST, self.n_samples))
            weights = None if self.sample_weight is None else self.sample_weight[rows].astype(dtype)
            yield rows, Dataset(self.X[rows].astype(dtype), self.y[rows].astype(dtype), weights)
