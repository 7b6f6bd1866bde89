import signal
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import RepeatedKFold

from skreg.compare import Comparison, InputError, compare_models
from skreg.compare._judge import REFERENCE
from skreg.compare._models import Model

from .conftest import make_frame

LINEAR = {"Ridge", "Lasso", "ElasticNet"}
NETWORKS = {"Network l2", "Network l1", "Network elastic net", "Network dropout"}


@pytest.fixture
def only_fast_models(monkeypatch):
    """Compare the linear models and one network, where the others add nothing to a test."""
    from skreg.compare import _tables

    kept = ("Ridge", "Lasso", "Network l1", "Logistic l2", "dummy")
    for name in ("REGRESSION", "CLASSIFICATION"):
        table = getattr(_tables, name)
        fast = tuple(model for model in table if any(word in model.name for word in kept))
        monkeypatch.setattr(_tables, name, fast)


def signature(result):
    """All of a comparison that must be reproducible."""
    return [(r.name, r.scores.tolist(), r.params, r.fold_params) for r in result.results]


def test_regression(regression):
    assert isinstance(regression, Comparison)
    assert regression.task == "regression"
    names = {result.name for result in regression.results}
    assert names == LINEAR | NETWORKS | {"HistGradientBoosting", "Mean (dummy)"}
    assert regression.score_name == "R²"
    assert all(np.isfinite(result.scores).all() for result in regression.results)
    # The data are linear: 3 * size, plus one city, plus noise.
    best_linear = regression.result("Ridge").mean
    assert best_linear > 0.9
    assert regression.result("Mean (dummy)").mean < 0.05
    assert regression.chosen.name in LINEAR
    assert sum(result.verdict == REFERENCE for result in regression.results) == 1


def test_classification(classification):
    assert classification.task == "classification"
    assert classification.score_name == "ROC AUC"
    names = {result.name for result in classification.results}
    assert {"Logistic l2", "Logistic l1", "Logistic elastic net"} | NETWORKS < names
    assert classification.result("Class shares (dummy)").mean == 0.5
    assert classification.result("Logistic l2").mean > 0.8


def test_table(regression):
    table = regression.table
    assert table.index.name == "model"
    assert table["score"].is_monotonic_decreasing
    reference = table.index[table["verdict"] == REFERENCE].item()
    for name, row in table.iterrows():
        result = regression.result(name)
        assert row["score"] == pytest.approx(result.scores.mean())
        if name != reference:
            expected = result.scores.mean() - regression.result(reference).mean
            assert row["difference"] == pytest.approx(expected)
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert table.loc["Ridge", "zero_weights"] == 0
    assert table.loc["Ridge", "inputs_used"] == 4
    assert np.isnan(table.loc["HistGradientBoosting", "zero_weights"])


def test_the_sparse_models_have_exact_zeros(regression):
    table = regression.table
    assert table.loc["Network l1", "zero_weights"] > 0.1
    assert table.loc["Lasso", "zero_weights"] > 0


def test_nothing_is_printed(capfd, only_fast_models):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = make_frame(40)[["size", "noise"]].fillna(0)
        result = compare_models(X, X["size"] ** 2, cv=2, quick=True)
    assert capfd.readouterr() == ("", "")
    assert all(isinstance(line, str) for line in result.warnings)


def test_verbose_names_each_model(capsys, only_fast_models):
    X = np.random.default_rng(0).normal(size=(30, 2))
    compare_models(X, X[:, 0], cv=2, quick=True, verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[0/12] Network l1"
    assert lines[-1] == "[12/12] done"


def test_progress_is_reported_from_start_to_end(only_fast_models):
    calls = []
    X = np.random.default_rng(0).normal(size=(30, 2))
    compare_models(X, X[:, 0], cv=2, quick=True, progress=lambda *call: calls.append(call))
    assert [n_done for n_done, _, _ in calls] == list(range(13))
    assert {n_tasks for _, n_tasks, _ in calls} == {12}
    assert calls[-1] == (12, 12, "")


def test_the_same_for_any_number_of_jobs(regression):
    frame = make_frame()
    frame.loc[7, "price"] = np.nan
    frame = frame.rename(columns={"noise": "<script>alert('noise')</script>"})
    X = frame.drop(columns=["price", "sold"])
    parallel = compare_models(X, frame["price"], quick=True, n_jobs=2)
    assert signature(parallel) == signature(regression)
    assert parallel.advice == regression.advice


def test_seed(monkeypatch):
    from skreg.compare import _tables

    monkeypatch.setattr(_tables, "REGRESSION", _tables.REGRESSION[:3])
    X = make_frame(40)[["size", "noise"]]
    y = make_frame(40)["price"]
    runs = [
        compare_models(X, y, cv=2, quick=True, random_state=seed)
        for seed in (0, 0, 1, np.random.RandomState(3), np.random.RandomState(3))
    ]
    assert signature(runs[0]) == signature(runs[1]) != signature(runs[2])
    assert signature(runs[3]) == signature(runs[4])


def test_splitter_as_cv(only_fast_models):
    X = np.random.default_rng(0).normal(size=(40, 2))
    cv = RepeatedKFold(n_splits=2, n_repeats=3, random_state=0)
    result = compare_models(X, X[:, 0], cv=cv, quick=True)
    assert result.n_folds == 6
    assert len(result.results[0].scores) == 6
    assert result.ratio == 1


def test_multiclass_text_in_arrays(only_fast_models):
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], 60)
    X = rng.normal(size=(60, 3)) + (y[:, None] == ["a", "b", "c"])
    result = compare_models(X, y, cv=2, quick=True)
    assert result.score_name == "mean ROC AUC"
    assert result.result("Logistic l2").mean > 0.6
    assert result.result("Class shares (dummy)").mean == 0.5


def test_imbalance_does_not_fool_the_score(only_fast_models):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 12 == 0
    result = compare_models(rng.normal(size=(120, 2)), y, cv=2, quick=True)
    dummy = result.table.loc["Class shares (dummy)"]
    assert dummy["extra_score"] > 0.9
    assert dummy["score"] == 0.5


def test_sparse_inputs_leave_boosting_out():
    X = sparse.random_array((60, 8), density=0.3, rng=0, format="csc")
    y = X.toarray()[:, 0] * 3 + np.random.default_rng(0).normal(size=60)
    result = compare_models(X, y, cv=2, quick=True)
    assert "HistGradientBoosting" not in result.table.index
    assert result.notes == ["Left out HistGradientBoosting: it takes no sparse inputs."]
    assert NETWORKS < set(result.table.index)


class Broken:
    """An estimator that cannot be fitted."""

    def __init__(self, **params):
        raise RuntimeError("no luck\nat all")


def test_a_model_that_fails_does_not_end_the_comparison(monkeypatch, only_fast_models):
    from skreg.compare import _tables

    broken = Model("Broken", "network", f"{__name__}.Broken")
    monkeypatch.setattr(_tables, "REGRESSION", (*_tables.REGRESSION, broken))
    X = np.random.default_rng(0).normal(size=(40, 2))
    result = compare_models(X, X[:, 0], cv=2, quick=True)
    assert np.isnan(result.table.loc["Broken", "score"])
    assert result.table.index[-1] == "Broken"
    assert result.notes == ["Broken failed in 3 fits: RuntimeError: no luck at all."]
    assert "Broken" in result.to_html()
    assert "Broken" in str(result)
    with pytest.raises(ValueError, match="Broken could not be fitted"):
        result.code("Broken")


def test_only_failures_are_an_error(monkeypatch):
    from skreg.compare import _tables

    broken = Model("Broken", "linear", f"{__name__}.Broken")
    monkeypatch.setattr(_tables, "REGRESSION", (broken,))
    with pytest.raises(InputError, match="No model could be fitted .*no luck at all"):
        compare_models(np.arange(20.0)[:, None], np.arange(20) / 3, cv=2)


def test_one_interrupt_ends_all(monkeypatch):
    """A network's fit alone would end, with weights that are no result, and the others would go on."""
    from skreg.solvers import stochastic

    real, fits = stochastic._Epochs.run, []

    def run(*arguments):
        fits.append(None)
        signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(stochastic._Epochs, "run", run)
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(KeyboardInterrupt):
        compare_models(X, X[:, 0], quick=True)
    assert len(fits) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    "options, words",
    [
        ({"cv": 1}, "at least 2"),
        ({"cv": 20}, "at least 40 rows"),
        ({"cv": "five"}, "number of folds or a splitter"),
        ({"task": "ranking"}, "'ranking'"),
    ],
)
def test_options_that_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        compare_models(np.arange(20.0)[:, None], np.arange(20) / 3, **options)


def test_results_by_name(regression):
    assert regression.result("Ridge").name == "Ridge"
    assert regression.input_names("Ridge") == regression.dataset.input_names
    with pytest.raises(KeyError, match="Ridge"):
        regression.result("ridge")


def test_text(regression):
    text = str(regression)
    assert regression.advice in text
    assert len(text.splitlines()) == 1 + 9 + 1 + 1
    assert regression.advice in repr(regression)


def test_skreg_exposes_the_function():
    import skreg

    assert skreg.compare_models is compare_models


def test_importing_is_cheap():
    import subprocess

    code = (
        "import sys, sklearn.linear_model\n"  # imports pandas by itself if it is there
        "optional = {'pandas', 'rich', 'matplotlib', 'jinja2', 'pyarrow'} - set(sys.modules)\n"
        "import skreg.compare, skreg.cli\n"
        "found = optional & set(sys.modules)\n"
        "sys.exit(str(found) if found else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_table_without_pandas(regression, monkeypatch):
    frame = regression.table
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows = regression.table
    assert isinstance(rows, list)
    assert [row["model"] for row in rows] == list(frame.index)
    assert rows[0]["score"] == frame["score"].iloc[0]
    assert isinstance(frame, pd.DataFrame)
