"""Data as the kernels take it: X as flat read-only arrays, dense or CSR, with targets and weights."""

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from scipy import sparse

N_ROWS_AT_ONCE = 65536  # rows that are looked at together
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
    """The kernels' six arguments for X of the same dtype: x, x_row, x_col, data, indices, indptr.

    `indices` are bytes, 4 or 8 of each number.
    """
    none, no_byte = np.empty(0, dtype), np.empty(0, np.uint8)
    if sparse.issparse(X):
        small = X.indices.dtype == np.int32 or X.shape[1] <= np.iinfo(np.int32).max
        indices = np.ascontiguousarray(X.indices, np.int32 if small else np.int64).view(np.uint8)
        return (
            _read_only(none), 0, 0,
            _read_only(X.data), _read_only(indices), _read_only(X.indptr.astype(np.int64, copy=False)),
        )  # fmt: skip
    flat, row, col = _flat(X)
    return (
        _read_only(flat), row, col,
        _read_only(none), _read_only(no_byte), _read_only(np.empty(0, np.int64)),
    )  # fmt: skip


def as_dense(y):
    """A target, sparse or not, as an array."""
    return y.toarray() if sparse.issparse(y) else np.asarray(y)


def scaled_weights(weights):
    """By a power of two, which is exact, lest the sum of huge or tiny weights leave the numbers."""
    return np.ldexp(weights, -np.frexp(weights.max())[1])


@dataclass
class Dataset:
    """Validated rows to train or to evaluate on.

    X : ndarray or CSR of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets) in X's dtype, as the loss takes it
    sample_weight : float64 ndarray of shape (n_samples,), or None
    weight_unit : the weight that counts as 1, the mean of all: the scale of weights means nothing
    rows : int array, those of X, y and sample_weight that are meant, in this order; or None for all
    """

    X: object
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    weight_unit: float = 1.0
    rows: np.ndarray | None = None

    @classmethod
    def make(cls, X, y, sample_weight=None, rows=None):
        """Bring X to the form and the targets to the dtype that the kernels take."""
        if sparse.issparse(X):
            X = X.tocsr()
        y = np.ascontiguousarray(y, dtype=X.dtype).reshape(len(y), -1)
        if sample_weight is None:
            return cls(X, y, rows=rows)
        weights = scaled_weights(np.asarray(sample_weight, dtype=np.float64))
        return cls(X, y, weights, (weights if rows is None else weights[rows]).mean(), rows)

    @property
    def n_samples(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def compact(self):
        """The same rows, with none beside them in memory."""
        return self if self.rows is None else self.take(slice(None), self.dtype)

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def fingerprint(self):
        """The same for the same data, as far as targets, weights and the first inputs tell: not all of X is read."""
        first = self.X.data[:100] if self.is_sparse else self.X[:1]
        parts = self.y, self.sample_weight, self.rows, first
        digest = blake2b(repr((self.X.shape, self.weight_unit)).encode(), digest_size=16)
        for part in parts:
            digest.update(b"" if part is None else np.ascontiguousarray(part))
        return digest.hexdigest()

    @property
    def is_sparse(self):
        return sparse.issparse(self.X)

    def arguments(self):
        """The kernels' arguments for X, y and the weights: x, x_row, ..., y, n_targets, weights."""
        if self.sample_weight is None:
            weights = np.empty(0, self.dtype)
        else:
            weights = (self.sample_weight / self.weight_unit).astype(self.dtype)
        return *operands(self.X, self.dtype), _read_only(self.y.reshape(-1)), self.y.shape[1], _read_only(weights)

    def blocks(self, dtype, most=np.inf, at_once=N_ROWS_AT_ONCE):
        """(slice of rows, dataset of them in another dtype), at most `most`, so few that they cost no memory.

        `at_once` may be more where a slice of all is a view.
        """
        n_rows = min(at_once if self.dtype == dtype else N_ROWS_CAST, most)
        if self.rows is None and self.dtype == dtype and self.n_samples <= n_rows:
            yield slice(0, self.n_samples), self
            return
        for start in range(0, self.n_samples, n_rows):
            rows = slice(start, min(start + n_rows, self.n_samples))
            yield rows, self.take(rows, dtype)

    def take(self, rows, dtype):
        """Some of the rows, converted if `dtype` is another."""
        rows = rows if self.rows is None else self.rows[rows]
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        X, y = self.X[rows].astype(dtype, copy=False), self.y[rows].astype(dtype, copy=False)
        return Dataset(X, y, weights, self.weight_unit)

    def with_mean_weight(self):
        """The same rows, on which the mean of their own weights counts as 1."""
        if self.sample_weight is None:
            return self
        return replace(self, weight_unit=self.sample_weight.mean())
