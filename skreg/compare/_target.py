"""The target as a plain array of numbers, booleans or text."""

from numbers import Integral, Number

import numpy as np

from ._errors import InputError


def read_target(y, target):
    """Known values of the target, and where they are.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        Numbers, booleans, text or a categorical column; None and NaN are missing.
    target : str
        Name of the target, for messages.

    Returns
    -------
    values : ndarray of shape (n_known,)
        Of integers, floats, booleans or strings.
    is_known : ndarray of shape (n_samples,) of bool

    Raises
    ------
    InputError
        If it is not one column, holds other types, mixes them, or holds infinity.
    """
    if hasattr(y, "to_pandas"):
        y = y.to_pandas()
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    if values.ndim != 1:
        raise InputError(f"The target must be one column, and its shape is {values.shape}.")
    is_known = ~_is_missing(y, values)
    values = values[is_known]
    if values.dtype.kind == "O":
        values = _from_objects(values, target)
    if values.dtype.kind not in "biufU":
        raise InputError(f"The target {target!r} must hold numbers or text.")
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise InputError(f"The target {target!r} holds an infinite value.")
    return values, is_known


def _is_missing(y, values):
    if hasattr(y, "isna"):
        return np.asarray(y.isna()).ravel()
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values], dtype=bool)
    return values != values


def _from_objects(values, target):
    """Array of the one type that all objects have."""
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return values.astype(bool)
    if all(isinstance(value, str) for value in values):
        return values.astype(str)
    if all(isinstance(value, Integral) for value in values):
        return values.astype(np.int64)
    if all(isinstance(value, Number) and not isinstance(value, complex) for value in values):
        return values.astype(float)
    raise InputError(f"The target {target!r} must hold only numbers or only text.")
