import numpy as np
import pandas as pd
import pytest

from skreg.compare._errors import InputError
from skreg.compare._target import read_target
from skreg.compare._task import check_folds, choose_task, detect_task

TWELVE = np.arange(12)


@pytest.mark.parametrize(
    "y, kind",
    [
        (np.array(["a", "b", "c"] * 4), "classification"),
        (np.array([True, False] * 6), "classification"),
        (np.array([0, 1] * 6), "classification"),
        (np.array([0.5, 1.5] * 6), "classification"),
        (np.repeat([1, 2, 3], 10), "classification"),
        (np.repeat([1.0, 2.0, 3.0], 10), "classification"),
        (np.repeat([1, 2, 3], 9), "regression"),  # each too rare
        (np.repeat(TWELVE, 10), "regression"),  # too many
        (np.repeat([0.5, 1.0, 2.0], 10), "regression"),  # fractions
        (np.linspace(0, 1, 12), "regression"),
        (TWELVE, "regression"),
    ],
)
def test_detection(y, kind):
    task = detect_task(y)
    assert task.kind == kind
    assert task.reason
    assert task.n_classes == (len(np.unique(y)) if kind == "classification" else 0)


def test_a_task_that_is_asked_for_wins():
    y = np.repeat([1, 2, 3], 10)
    assert choose_task(y, "regression", "y").kind == "regression"
    assert choose_task(TWELVE, "classification", "y").n_classes == 12


@pytest.mark.parametrize(
    "y, task, words",
    [
        (TWELVE, "ranking", "'ranking'"),
        (np.array(["a", "b"] * 6), "regression", "text"),
        (np.array(["a"] * 6), "auto", "constant"),
        (np.ones(6), "regression", "constant"),
        (np.array([f"1,{i}" for i in range(60)]), "auto", "60 different texts"),
    ],
)
def test_targets_that_are_refused(y, task, words):
    with pytest.raises(InputError, match=words):
        choose_task(y, task, "y")


@pytest.mark.parametrize(
    "y, n_folds, words",
    [
        (np.arange(9) / 2, 5, "at least 10 rows"),
        (np.arange(9) / 2, 1, "at least 2"),
        (np.array(["a"] * 9 + ["b"] * 4), 5, "class 'b' has 4"),
        (np.array(["a"] * 9 + ["b"] * 3), 2, "at least 4 rows of each class"),
    ],
)
def test_folds_that_are_too_many(y, n_folds, words):
    with pytest.raises(InputError, match=words):
        check_folds(y, detect_task(y), n_folds)


def test_folds_that_just_fit():
    check_folds(np.arange(10) / 3, detect_task(np.arange(10) / 3), 5)
    y = np.array(["a"] * 5 + ["b"] * 5)
    check_folds(y, detect_task(y), 5)


@pytest.mark.parametrize(
    "y, values, kind",
    [
        ([1, None, 3], [1, 3], "i"),
        ([1.5, np.nan, 3], [1.5, 3], "f"),
        (["a", None, "b"], ["a", "b"], "U"),
        ([True, None, False], [True, False], "b"),
        (pd.Series([1, None, 3], dtype="Int64"), [1, 3], "f"),
        (pd.Series(["a", None, "b"], dtype="string"), ["a", "b"], "U"),
        (pd.Series(["a", None, "b"], dtype="category"), ["a", "b"], "U"),
        (pd.DataFrame({"y": [1.5, np.nan, 3]}), [1.5, 3], "f"),
    ],
)
def test_targets_are_read_without_missing_values(y, values, kind):
    read, is_known = read_target(y, "y")
    assert read.tolist() == values
    assert read.dtype.kind == kind
    assert is_known.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "y, words",
    [
        (pd.Series([1, "a"]), "only numbers or only text"),
        ([[1, 2], [3, 4]], "one column"),
        ([1.0, np.inf], "infinite"),
        ([1j, 2j], "numbers or text"),
        (pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])), "numbers or"),
    ],
)
def test_targets_that_cannot_be_read(y, words):
    with pytest.raises(InputError, match=words):
        read_target(y, "y")
