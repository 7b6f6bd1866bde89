"""Regularised neural networks for people who live in scikit-learn."""

from importlib import import_module

from ._objective import Objective
from ._version import __version__
from .classifier import MLPClassifier
from .exceptions import DivergenceError
from .regressor import MLPRegressor

__all__ = [
    "DivergenceError",
    "LassoNetClassifier",
    "LassoNetRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "Objective",
    "__version__",
    "compare_models",
    "search_space",
    "warmup",
]

# Imported when asked for, so that importing skreg stays quick.
_LATER = {
    "LassoNetClassifier": ".lassonet",
    "LassoNetRegressor": ".lassonet",
    "compare_models": ".compare",
    "search_space": "._search_space",
    "warmup": "._warmup",
}


def __getattr__(name):
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module 'skreg' has no attribute {name!r}")
