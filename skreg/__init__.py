"""Regularised neural networks for people who live in scikit-learn."""

# What numba, which the first fit loads, needs first: a fifth of the wait, moved to where it is not felt.
import llvmlite.binding
import llvmlite.ir  # noqa: F401

from ._objective import Objective
from ._version import __version__
from .classifier import MLPClassifier
from .exceptions import DivergenceError
from .regressor import MLPRegressor

__all__ = ["DivergenceError", "MLPClassifier", "MLPRegressor", "Objective", "__version__", "compare_models"]


def __getattr__(name):
    if name == "compare_models":  # imported when asked for, so that importing skreg stays quick
        from .compare import compare_models

        return compare_models
    raise AttributeError(f"module 'skreg' has no attribute {name!r}")
