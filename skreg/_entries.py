"""How many entries a parameter has that is one number, or a sequence of them."""

from collections.abc import Sequence

import numpy as np


def n_dimensions(value):
    """That of `value` as an array; 2 for sequences within sequences even of different lengths, which are no array."""
    try:
        return np.ndim(value)
    except ValueError:
        return 2


def is_sequence(value):
    """Whether `value` is a sequence or an array, and no text."""
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and n_dimensions(value) > 0


def n_entries(value):
    """Length of a sequence, 1 for a number."""
    return len(value) if is_sequence(value) else 1
