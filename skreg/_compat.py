"""The one place that touches scikit-learn's private API."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call as check_partial_fit_first_call,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import validate_data

__all__ = [
    "Interval",
    "InvalidParameterError",
    "Options",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "one_of",
    "validate_data",
]


def one_of(*names):
    """scikit-learn's constraint, with the names in their order: it prints a set, in another order in each process."""
    return StrOptions(dict.fromkeys(names).keys())
