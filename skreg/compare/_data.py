"""Inputs and target, checked and cleaned once for all models."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from ._columns import sort_columns
from ._errors import InputError, listing
from ._preprocess import make_preprocessor
from ._target import read_target
from ._task import choose_task
from ._text_numbers import read_numbers

_KNOWN_ROWS = ["is_known = ~pd.isna(y)", "X, y = X[is_known], y[is_known]"]


@dataclass
class Dataset:
    """What is compared on.

    Attributes
    ----------
    X : DataFrame, ndarray or sparse array of shape (n_samples, n_features)
        The inputs, in rows whose target is known.
    y : ndarray of shape (n_samples,)
        The target.
    task : Task
        Regression or classification.
    target : str
        Name of the target.
    input_names : list of str
        Names of the inputs that are used, in the order of the preprocessing.
    numeric, categorical : list of str or None
        Columns of a DataFrame; None for an array.
    notes : list of str
        What was left out or decided, a sentence each.
    steps : list of str
        Lines of Python that were applied to `X` and `y` before all else.
    """

    X: object
    y: np.ndarray
    task: object
    target: str
    input_names: list
    numeric: list = None
    categorical: list = None
    notes: list = field(default_factory=list)
    steps: list = field(default_factory=list)

    @property
    def is_sparse(self):
        return sparse.issparse(self.X)

    def preprocessor(self):
        """Unfitted preprocessing for these columns."""
        if self.numeric is not None and len(self.numeric) == self.X.shape[1]:
            return make_preprocessor()
        return make_preprocessor(self.numeric, self.categorical, self.is_sparse)


def make_dataset(X, y, *, task="auto", target=None):
    """Check inputs and target, drop rows without a target, and decide on the task.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Inputs. Columns of a DataFrame may be numbers or categories.
    y : array-like of shape (n_samples,)
        Target.
    task : {'auto', 'regression', 'classification'}, default='auto'
    target : str or None
        Name of the target; by default that of `y`, or 'target'.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        With one sentence that says what cannot be used.
    """
    target = target or str(getattr(y, "name", None) or "target")
    notes, steps = [], []
    X = _as_inputs(X, steps)
    if hasattr(X, "columns"):
        X = read_numbers(X, notes, steps)
    y, is_known = read_target(y, target)
    if X.shape[0] != len(is_known):
        raise InputError(f"X has {X.shape[0]} rows and y has {len(is_known)}.")
    if not is_known.all():
        n_missing = len(is_known) - len(y)
        notes.append(f"Left out {n_missing} rows without a value of the target.")
        X = _rows(X, is_known)
        steps += _KNOWN_ROWS
    if len(y) < 2:
        raise InputError(f"At least 2 rows with a known target are needed, not {len(y)}.")
    chosen = choose_task(y, task, target)
    names, numeric, categorical = _input_names(X, notes)
    return Dataset(X, y, chosen, target, names, numeric, categorical, notes, steps)


def _input_names(X, notes):
    if not hasattr(X, "columns"):
        return [f"x{i}" for i in range(X.shape[1])], None, None
    numeric, categorical, left_out = sort_columns(X)
    notes += left_out
    return [*numeric, *categorical], numeric, categorical


def _as_inputs(X, steps):
    """A DataFrame with text names, a CSR matrix, or a float array; two-dimensional, finite."""
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
        steps.append("X = X.to_pandas()")
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _as_frame(X, steps)
    X = X.tocsr() if sparse.issparse(X) else _as_float_array(X)
    if X.ndim != 2 or X.shape[1] == 0:
        raise InputError(f"X must have two dimensions and a column, and its shape is {X.shape}.")
    if sparse.issparse(X):
        if not np.isfinite(X.data).all():
            raise InputError("The sparse matrix X holds a missing or infinite value.")
        return X
    if np.isinf(X).any():
        raise InputError("X holds an infinite value.")
    empty = np.flatnonzero(np.isnan(X).all(axis=0))
    if len(empty):
        raise InputError(f"The column {empty[0]} of X has no values; leave it out.")
    return X


def _as_frame(X, steps):
    """`X` with text as names, without pandas.NA in text, which no encoder understands, and without sparse columns."""
    if not all(isinstance(name, str) for name in X.columns):
        X = X.rename(columns=str)
        steps.append("X = X.rename(columns=str)")
    if not X.columns.is_unique:
        repeated = X.columns[X.columns.duplicated()].unique()
        raise InputError(f"Column names must be different, and {listing(repeated)} is repeated.")
    dtypes = {
        name: "str"
        for name, dtype in X.dtypes.items()
        if dtype == "string" and dtype.na_value is not np.nan and X[name].hasnans
    }
    # A table of them would become a sparse matrix, which is scaled in another way.
    dtypes |= {name: str(dtype.subtype) for name, dtype in X.dtypes.items() if hasattr(dtype, "fill_value")}
    if dtypes:
        X = X.astype(dtypes)
        steps.append(f"X = X.astype({dtypes})")
    return X


def _as_float_array(X):
    try:
        return np.asarray(X, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            "X holds values that are not numbers; pass a pandas DataFrame, whose text columns are one-hot encoded."
        ) from None


def _rows(X, keep):
    return X.loc[keep] if hasattr(X, "loc") else X[keep]
