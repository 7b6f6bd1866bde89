"""Regularised neural networks for people who live in scikit-learn."""

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
