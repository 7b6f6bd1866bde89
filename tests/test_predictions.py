"""Predictions: links, blocks, and what is plainly right or not."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, softmax

from skreg import MLPClassifier, MLPRegressor, _evaluate, _team
from skreg._data import N_ROWS_AT_ONCE, Dataset
from skreg._evaluate import evaluate
from skreg._spec import prediction_spec
from skreg._threads import DISBANDED

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def linear(cls, coef, intercept, dtype, y, **keywords):
    """A linear model with the given weights: its raw prediction is X coef + intercept."""
    net = cls((), max_iter=1, random_state=0, **keywords)
    net.fit(np.zeros((len(y), len(coef)), dtype), y)
    net.coefs_, net.intercepts_ = [np.asarray(coef, dtype)], [np.asarray(intercept, dtype)]
    return net


def raw_values(dtype, n_columns):
    limits = 700 if dtype == np.float64 else 85
    dense = np.linspace(-limits, limits, 3001)
    small = np.array([0.0, 1e-30, -1e-30, 1e-3, -1e-3, 1e5, -1e5])
    values = np.concatenate([dense, small, np.random.default_rng(0).normal(size=992)])
    return np.random.default_rng(1).choice(values, (4000, n_columns)).astype(dtype)


@DTYPES
def test_probabilities_of_many_classes_are_the_softmax(dtype):
    raw = raw_values(dtype, 3)
    net = linear(MLPClassifier, np.eye(3), np.zeros(3), dtype, [0, 1, 2])
    found = net.predict_proba(raw)
    expected = softmax(raw.astype(float), axis=1)
    seen = expected > 1e3 * np.finfo(dtype).tiny
    np.testing.assert_allclose(found[seen], expected[seen], rtol=200 * np.finfo(dtype).eps)
    assert (found > 0).all() and np.isfinite(net.predict_log_proba(raw)).all()
    np.testing.assert_array_equal(net.predict(raw), raw.argmax(axis=1))


@DTYPES
def test_probabilities_of_two_classes_and_of_labels_are_sigmoids_within_the_open_interval(dtype):
    raw = raw_values(dtype, 2)
    two = linear(MLPClassifier, [[1.0], [0.0]], [0.0], dtype, [0, 1]).predict_proba(raw)
    labels = linear(MLPClassifier, np.eye(2), [0.0, 0.0], dtype, np.array([[0, 1], [1, 0]])).predict_proba(raw)
    for found, expected in ((two[:, 1], expit(raw[:, 0].astype(float))), (two[:, 0], expit(-raw[:, 0].astype(float))),
                            (labels, expit(raw.astype(float)))):  # fmt: skip
        seen = expected > 1e3 * np.finfo(dtype).tiny
        np.testing.assert_allclose(found[seen], expected[seen], rtol=4 * np.finfo(dtype).eps)
        assert (found > 0).all() and (found < 1).all()


@DTYPES
def test_the_mean_of_counts_is_the_exponential(dtype):
    raw = raw_values(dtype, 1)[:, :1]
    net = linear(MLPRegressor, [[1.0]], [0.0], dtype, [0.0, 1.0], loss="poisson")
    with np.errstate(over="ignore"):
        expected = np.exp(raw[:, 0].astype(float))
    seen = (expected > 1e3 * np.finfo(dtype).tiny) & (expected < np.finfo(dtype).max)
    np.testing.assert_allclose(net.predict(raw)[seen], expected[seen], rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("n_rows", [1, 255, 256, 257, 65_536, 65_537, 131_100])
def test_any_number_of_rows(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    net = linear(MLPRegressor, [[1.0, 0.5], [2.0, 0.0], [-1.0, 1.0]], [0.5, -2.0], np.float64, np.zeros((2, 2)))
    np.testing.assert_allclose(net.predict(X), X @ net.coefs_[0] + net.intercepts_[0], atol=1e-13)
    if n_rows < 1000:
        np.testing.assert_allclose(net.predict(sparse.csr_array(X)), net.predict(X), atol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (299, 4)])
@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, sparse.csr_array], ids=["C", "F", "CSR"])
def test_what_is_not_finite_is_refused(bad, place, form):
    """Also where the network would not let it through: relu of minus infinity is zero."""
    X = np.random.default_rng(0).normal(size=(300, 5))
    net = MLPRegressor((4,), max_iter=2, random_state=0).fit(X, X[:, 0])
    net.coefs_ = [np.abs(coef) for coef in net.coefs_]
    X[place] = bad
    with pytest.raises(ValueError, match="Input X contains (NaN|infinity)"):
        net.predict(form(X))


@DTYPES
@pytest.mark.parametrize("n_features", [3, 64])
def test_columns_of_a_wider_array_are_all_that_counts(n_features, dtype):
    """The rows are multiplied where they lie: what lies between them is not."""
    wide = np.random.default_rng(0).normal(size=(700, 256)).astype(dtype)
    wide[:, n_features:] = np.nan
    X = np.ascontiguousarray(wide[:, :n_features])
    net = MLPRegressor((9,), max_iter=2, random_state=0).fit(X, X[:, 0])
    for held in (wide[:, :n_features], np.asfortranarray(X), wide.repeat(2, axis=1)[:, : 2 * n_features : 2]):
        np.testing.assert_array_equal(net.predict(held), net.predict(X))
        np.testing.assert_array_equal(net.predict(held[300:301]), net.predict(X[300:301]))
    wide[699, n_features - 1] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        net.predict(wide[:, :n_features])


@pytest.mark.parametrize("huge", [1e308, 3e38])
def test_a_sum_beyond_the_largest_number_is_no_reason_to_refuse(huge):
    dtype = np.float64 if huge > 1e300 else np.float32
    X = np.full((3, 4), huge, dtype)
    net = linear(MLPRegressor, np.full((4, 1), 1e-300 if huge > 1e300 else 1e-30), [0.0], dtype, [0.0, 1.0])
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(net.predict(X), 4 * (huge * float(net.coefs_[0][0, 0])), rtol=1e-5)


def test_changed_weights_are_seen_wherever_they_lie():
    X = np.random.default_rng(0).normal(size=(30, 5))
    fitted = MLPRegressor((4,), max_iter=2, random_state=0).fit(X, X[:, 0])
    for net in (fitted, pickle.loads(pickle.dumps(fitted))):
        before = net.predict(X)
        net.coefs_[1][:] *= 2  # in place
        net.intercepts_[1][:] *= 2
        np.testing.assert_allclose(net.predict(X), 2 * before, rtol=1e-12)
        net.coefs_[1] = np.asfortranarray(net.coefs_[1] / 2)  # an array of the user's own
        net.intercepts_[1] = net.intercepts_[1] / 2
        np.testing.assert_allclose(net.predict(X), before, rtol=1e-12)


@pytest.mark.parametrize("held", [np.ascontiguousarray, np.asfortranarray, sparse.csr_array])
def test_rows_at_once_or_slice_by_slice(held, monkeypatch):
    """Dense X is passed in one piece, unless that takes too long for an interrupt to wait."""
    X = np.random.default_rng(0).normal(size=(2 * N_ROWS_AT_ONCE + 7, 3)).astype(np.float32)
    net = MLPRegressor((4,), max_iter=2, random_state=0).fit(X[:50], X[:50, 0])
    counts, run = [], _team.Team.run

    def counted(team, kernel, *arguments):
        counts[-1] += 1
        return run(team, kernel, *arguments)

    monkeypatch.setattr(_team.Team, "run", counted)
    predictions = []
    for at_once in (_evaluate.AT_ONCE, 1):
        monkeypatch.setattr(_evaluate, "AT_ONCE", at_once)
        counts.append(0)
        predictions.append(net.predict(held(X)))
    assert counts == ([3, 3] if held is sparse.csr_array else [1, 3])
    np.testing.assert_array_equal(*predictions)


def test_a_disbanded_team_predicts_nothing_more(monkeypatch):
    """What a member writes after an interrupt, nobody may own any longer."""
    arrivals, prediction = np.full(1, DISBANDED), np.full((3, 1), -7.0)
    monkeypatch.setattr(_team.Team, "run", lambda team, kernel, *arguments: kernel(*arguments, 0, 1, arrivals))
    rows = Dataset.make(np.ones((3, 4)), np.empty((3, 0)))
    evaluate(prediction_spec((4, 1), "relu"), np.ones(5), rows, prediction, losses=False)
    assert arrivals[0] == DISBANDED + 1
    np.testing.assert_array_equal(prediction, -7.0)
