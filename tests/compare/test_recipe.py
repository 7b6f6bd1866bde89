from collections import defaultdict

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skreg.compare import compare_models
from skreg.compare._recipe import quoted, write

from .conftest import make_frame


def run(code, **names):
    """Names after the code has run, in one thread, as the comparison does."""
    with threadpool_limits(1):
        exec(code, names)
    return names


def all_names(comparison):
    return [result.name for result in comparison.results]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_model_is_rebuilt_from_the_file(regression):
    """Target that is missing in a row, a dropped column, odd names: all must be in the lines."""
    for name in all_names(regression):
        names = run(regression.code(name))
        expected = regression.result(name).estimator.predict(regression.dataset.X)
        np.testing.assert_array_equal(names["model"].predict(names["X"]), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_model_is_rebuilt_from_data_in_memory(classification):
    frame = make_frame()
    X = frame.drop(columns=["price", "sold"])
    for name in all_names(classification):
        model = run(classification.code(name), X=X, y=frame["sold"])["model"]
        expected = classification.result(name).estimator.predict_proba(X)
        np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_the_chosen_model_is_the_default(regression):
    assert regression.code() == regression.code(regression.chosen.name)


def test_diabetes(monkeypatch):
    from skreg.compare import _command, _tables
    from skreg.compare._run import compare_dataset
    from skreg.compare._source import DIABETES

    monkeypatch.setattr(_tables, "REGRESSION", _tables.REGRESSION[:4])
    options = type("Options", (), {"data": None, "target": None, "drop": [], "task": "auto"})
    dataset, source = _command._read(options)
    assert source is DIABETES
    comparison = compare_dataset(dataset, source=source, quick=True)
    names = run(comparison.code())
    expected = comparison.best_estimator_.predict(dataset.X)
    np.testing.assert_array_equal(names["model"].predict(names["X"]), expected)


def test_odd_frames(monkeypatch):
    """pandas.NA in text, names that are numbers, and rows without a target."""
    from skreg.compare import _tables

    monkeypatch.setattr(_tables, "REGRESSION", _tables.REGRESSION[:2])
    frame = make_frame()
    X = frame[["size", "city"]].astype({"city": "string"}).set_axis([0, 1], axis=1)
    y = frame["price"].where(frame.index > 1)
    comparison = compare_models(X, y, quick=True)
    names = run(comparison.code(), X=X, y=y)
    expected = comparison.best_estimator_.predict(comparison.dataset.X)
    np.testing.assert_array_equal(names["model"].predict(names["X"]), expected)


@pytest.mark.parametrize(
    "value",
    [
        OneHotEncoder(sparse_output=False),
        LogisticRegression(C=np.inf, l1_ratio=0.5),
        make_pipeline(StandardScaler(), StandardScaler(with_mean=False)),
        Pipeline([("first", StandardScaler()), ("last", LogisticRegression())]),
        (32,),
        (),
        [0.1, None, True, "a"],
        ["long" * 10] * 5,
        "both ' and \"",
        "back\\slash",
    ],
)
def test_values_are_written_as_they_are(value):
    names = defaultdict(set)
    text = write(value, names)
    imports = [f"from {module} import {', '.join(found)}" for module, found in names.items()]
    code = "\n".join([*imports, f"value = {text}"])
    rebuilt = run(code)["value"]
    assert type(rebuilt) is type(value)
    assert repr(rebuilt) == repr(value)


def test_numbers_of_numpy_are_written_as_python():
    assert write([np.float64(0.5), np.int64(3), np.bool_(True)], {}) == "[0.5, 3, True]"


def test_strings_are_in_double_quotes_where_they_can():
    assert quoted("a") == '"a"'
    assert quoted('a"') == "'a\"'"
    assert eval(quoted("a\nb'\"")) == "a\nb'\""


def test_lines_are_not_too_long(regression):
    for name in all_names(regression):
        assert max(map(len, regression.code(name).splitlines())) <= 100
