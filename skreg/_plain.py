"""The common case of data and seeds, without what scikit-learn and NumPy do for all others.

On small data scikit-learn's checks of X and y take as long as fifty steps of training, and a new `RandomState` as
long as ten. Whatever is not plain goes their way, with their errors.
"""

import threading

import numpy as np
from sklearn.utils import check_random_state

_of_thread = threading.local()


def _is_finite(array):
    """Whether all numbers are; a sum that overflows counts as one that is not."""
    if array.dtype.kind in "iub":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def is_plain_matrix(X, dtypes):
    """Whether X is NumPy's own and has rows and columns of one of `dtypes`, finite or not."""
    return type(X) is np.ndarray and X.ndim == 2 and X.size > 0 and X.dtype in dtypes


def are_plain(X, y, dtypes):
    """Whether scikit-learn's checks would find nothing and return X and y as they are.

    That is for NumPy's own arrays: X of one of `dtypes` and y of numbers, all of them finite, a row for each target.
    """
    return (
        is_plain_matrix(X, dtypes) and type(y) is np.ndarray and y.ndim == 1 and len(X) == len(y)
        and y.dtype.kind in "fiub" and _is_finite(X) and _is_finite(y)
    )  # fmt: skip


def is_plain_target(values, shape):
    """The same of targets or predictions of a shape, for scikit-learn's scores."""
    return (type(values) is np.ndarray and values.dtype.kind == "f" and values.shape == shape and len(values) > 1
            and _is_finite(values))  # fmt: skip


def generator_of(random_state):
    """scikit-learn's `check_random_state`, for use before anything else asks this thread for one with a seed."""
    if type(random_state) is not int:
        return check_random_state(random_state)
    if not hasattr(_of_thread, "generator"):
        _of_thread.generator = np.random.RandomState(0)
    _of_thread.generator.seed(random_state)
    return _of_thread.generator
