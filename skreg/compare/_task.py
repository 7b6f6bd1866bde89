"""The target: which task it is, and whether that task can be cross-validated."""

from typing import NamedTuple

import numpy as np

from ._errors import InputError, listing

TASKS = ("auto", "regression", "classification")

# Whole numbers are taken for classes if there are this few, each this often.
MAX_INTEGER_CLASSES = 10
MIN_ROWS_OF_INTEGER_CLASS = 10


class Task(NamedTuple):
    """What is predicted, and how that was decided."""

    kind: str  # 'regression' or 'classification'
    reason: str
    n_classes: int = 0

    @property
    def is_regression(self):
        return self.kind == "regression"

    @property
    def label(self):
        """'regression', or 'classification, 3 classes'."""
        return self.kind if self.is_regression else f"{self.kind}, {self.n_classes} classes"


def is_text(y):
    """Whether the values of a one-dimensional array are labels rather than numbers."""
    return y.dtype.kind not in "iuf"


def detect_task(y):
    """Decide between regression and classification.

    Labels (text, booleans, categories) and targets with two values are classes. So are whole
    numbers with at most ten distinct values, each of which occurs at least ten times. All else
    is regression.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        The target without missing values.

    Returns
    -------
    Task
    """
    values, counts = np.unique(y, return_counts=True)
    n_values = len(values)
    if is_text(y):
        return Task("classification", f"the target has {n_values} different labels", n_values)
    if n_values == 2:
        return Task("classification", "the target has two different values", n_values)
    if np.any(values != np.round(values)):
        return Task("regression", "the target holds numbers with fractions")
    if n_values <= MAX_INTEGER_CLASSES and counts.min() >= MIN_ROWS_OF_INTEGER_CLASS:
        reason = f"the target has only {n_values} different whole numbers"
        return Task("classification", reason, n_values)
    return Task("regression", f"the target has {n_values} different numbers")


def choose_task(y, task, target):
    """Task asked for, or detected if 'auto'; refused if the target cannot be used for it.

    Raises
    ------
    InputError
        If the task has no such name, if the target is constant, or if it is text and the task
        is regression.
    """
    if task not in TASKS:
        raise InputError(f"The task must be one of {listing(TASKS)}, not {task!r}.")
    if is_text(y):
        if task == "regression":
            raise InputError(f"The target {target!r} holds text, so it cannot be a regression.")
    n_values = len(np.unique(y))
    if n_values == 1:
        raise InputError(f"The target {target!r} is constant, so there is nothing to predict.")
    if is_text(y) and n_values > max(20, len(y) // 2):
        raise InputError(
            f"The target {target!r} holds {n_values} different texts in {len(y)} rows, too many for classes; if they "
            f"are numbers, write {_first_text(y)!r} and the like as a number, or leave the field empty."
        )
    if task == "auto":
        return detect_task(y)
    n_classes = n_values if task == "classification" else 0
    return Task(task, "as asked for", n_classes)


def _first_text(y):
    """The first value that is no number; the first one where all are."""
    for text in y:
        try:
            float(text)
        except ValueError:
            return str(text)
    return str(y[0])


def check_folds(y, task, n_folds):
    """Refuse a number of folds that leaves folds or classes too small.

    Every fold of a regression needs two rows for R². Every class needs a row in each fold, and
    two in each training set, because the parameters are tuned by cross-validation there.

    Raises
    ------
    InputError
    """
    if n_folds < 2:
        raise InputError(f"The number of folds must be at least 2, not {n_folds}.")
    if task.is_regression:
        n_needed = 2 * n_folds
        if len(y) < n_needed:
            raise InputError(f"{n_folds} folds need at least {n_needed} rows, and there are {len(y)}.")
        return
    classes, counts = np.unique(y, return_counts=True)
    smallest = counts.argmin()
    n_needed = max(n_folds, 4 if n_folds == 2 else 0)
    if counts[smallest] < n_needed:
        raise InputError(
            f"{n_folds} folds need at least {n_needed} rows of each class, and the class "
            f"{str(classes[smallest])!r} has {counts[smallest]}."
        )
