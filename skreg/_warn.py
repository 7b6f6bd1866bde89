"""Warnings that point at the user's line."""

import sys
import warnings
from pathlib import Path

import joblib
import sklearn

# Between the user's call and the place of a warning lie skreg's own frames, and scikit-learn's where a
# pipeline or a search does the fitting.
_INSIDE = tuple(str(Path(file).parent) for file in (__file__, sklearn.__file__, joblib.__file__))
# What the workers of a search begin with: there the user has no line.
_RUNNERS = {"multiprocessing", "threading", "concurrent", "distributed"}


def warn(message, category=UserWarning):
    """Warn at the innermost frame that is neither of skreg nor of scikit-learn; in a worker, at the line that calls."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    if frame.f_globals.get("__name__", "").partition(".")[0] in _RUNNERS:
        level = 2
    warnings.warn(message, category, stacklevel=level)
