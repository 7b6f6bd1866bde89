"""Warnings that point at the user's line."""

import sys
import warnings
from pathlib import Path

import joblib
import sklearn

# Between the user's call and the place of a warning lie skreg's own frames, and scikit-learn's where a
# pipeline or a search does the fitting.
_INSIDE = tuple(str(Path(file).parent) for file in (__file__, sklearn.__file__, joblib.__file__))


def warn(message, category=UserWarning):
    """Warn at the innermost frame that belongs neither to skreg nor to scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
