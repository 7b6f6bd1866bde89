"""What the kernels need to augment a batch: the table of addresses of kernels/augmentation.py and what it points to."""

import numpy as np
from scipy import sparse, special

from ._data import _read_only
from .kernels import layout as code

KINDS = ("mixup", "cutmix", "cutout")


class Mixture:
    """Scratch of an augmentation, () for none, for batches of up to `capacity` rows.

    Attributes
    ----------
    codes : tuple of (column of the layout, address)
        For the layout's first row; the addresses are good as long as this object lives.
    weights : ndarray of shape (n_samples,) or (0,)
        What the rows' weights become where rows are mixed; else empty.
    """

    def __init__(self, augmentation, capacity, n_outputs, weights):
        self.codes, self.weights = (), _read_only(np.empty(0, weights.dtype))
        if augmentation:
            self._make(*augmentation, capacity, n_outputs, weights)

    def _make(self, kind, strength, capacity, n_outputs, weights):
        from .kernels import augmentation as kernels

        dtype, mixes = weights.dtype, kind != "cutout"
        self.weights = _read_only(np.empty(len(weights) if mixes else 0, dtype))  # only the kernels write to it
        self._arrays = {
            kernels.NUMBERS: quantiles(strength, kernels.N_QUANTILES) if mixes else np.array([strength]),
            kernels.PARTNERS: np.empty(capacity, np.int64),
            kernels.SHARES: np.empty(capacity),
            kernels.RAW: np.empty(capacity * n_outputs, dtype),
            kernels.LOSSES: np.empty(capacity),
            kernels.WEIGHTS: weights,
            kernels.MIXED_WEIGHTS: self.weights,
        }
        self._table = np.zeros(kernels.N_MIXTURE, np.int64)
        for column, array in self._arrays.items():
            self._table[column] = array.ctypes.data if len(array) > 0 else 0
        self.codes = (
            (code.AUGMENT, kernels.STAGES[kind].address(dtype)),
            (code.MIX_LOSSES, kernels.STAGES["losses"].address(dtype) if mixes else 0),
            (code.MIXTURE, self._table.ctypes.data),
        )


def quantiles(strength, n_intervals):
    """Those of Beta(strength, strength), from 0 to 1."""
    return special.betaincinv(strength, strength, np.linspace(0, 1, n_intervals + 1))


def augmentation_of(estimator):
    """(kind, strength), or () for none. Refuses what makes no sense."""
    kind, strength = estimator.augmentation, estimator.augmentation_strength
    if kind is None:
        return ()
    if kind == "cutout" and strength >= 1:
        raise ValueError(
            f"augmentation_strength={strength!r} is the share of inputs that augmentation='cutout' sets to zero: it "
            "must be smaller than 1."
        )
    if estimator.solver == "lbfgs":
        raise ValueError(
            f"solver='lbfgs' needs the same objective at every evaluation and so cannot be used with "
            f"augmentation={kind!r}: use solver='adam' or 'sgd', or set augmentation=None."
        )
    return kind, float(strength)


def refuse_sparse_augmentation(estimator, X):
    if estimator.augmentation is not None and sparse.issparse(X):
        raise ValueError(
            f"augmentation={estimator.augmentation!r} mixes or cuts dense rows, but X is sparse: give X.toarray(), or "
            "set augmentation=None."
        )
