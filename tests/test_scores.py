"""Scores of the epochs are scikit-learn's."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, r2_score

from skreg import MLPRegressor
from skreg._scores import accuracy, r_squared


def draw(seed, n_rows, n_columns, weighted):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 3, n_rows) + np.eye(n_rows)[0] if weighted else None
    return rng, weights, (n_rows, n_columns)


DRAWS = {"seed": st.integers(0, 10**6), "n_rows": st.integers(2, 12), "n_columns": st.integers(1, 3),
         "weighted": st.booleans()}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(**DRAWS, n_constant=st.integers(0, 3), is_met=st.booleans(), dtype=st.sampled_from([np.float32, np.float64]))
def test_r_squared(seed, n_rows, n_columns, weighted, n_constant, is_met, dtype):
    rng, weights, shape = draw(seed, n_rows, n_columns, weighted)
    y, predicted = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    y[:, :n_constant] = 2
    if is_met:
        predicted[:, :1] = y[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single row has no variance
        expected = r2_score(y.astype(float), predicted.astype(float), sample_weight=weights)
    assert r_squared(y, predicted, weights) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(**DRAWS)
def test_accuracy(seed, n_rows, n_columns, weighted):
    rng, weights, shape = draw(seed, n_rows, n_columns, weighted)
    y, predicted = rng.integers(0, 2, shape), rng.integers(0, 2, shape)
    if n_columns == 1:
        y, predicted = y[:, 0], predicted[:, 0]
    assert accuracy(y, predicted, weights) == pytest.approx(accuracy_score(y, predicted, sample_weight=weights))


def bent(y):
    """Targets that are not scored quickly, as scikit-learn scores them."""
    return [list(y), y.astype(object), y.reshape(-1, 1), np.round(y).astype(int)]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_score_of_the_regressor_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    for y in (Y, Y[:, 0], Y.astype(np.float32)):
        net = MLPRegressor((4,), max_iter=5, tol=0, n_iter_no_change=np.inf, random_state=0).fit(X, y)
        assert net.score(X, y) == pytest.approx(r2_score(y, net.predict(X)), rel=1e-6)
        weights = rng.integers(1, 3, 30)
        assert net.score(X, y, weights) == pytest.approx(r2_score(y, net.predict(X), sample_weight=weights), rel=1e-6)
    net.fit(X, Y[:, 0])
    for y in bent(Y[:, 0]):
        assert net.score(X, y) == r2_score(y, net.predict(X))
    with pytest.raises(ValueError, match="NaN"):
        net.score(X, np.where(Y[:, 0] > 1, np.nan, Y[:, 0]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.score(X, Y[:-1, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLPRegressor((4,), loss="quantile", max_iter=2).fit(X, Y).score(X, Y.T)
    with pytest.raises(ValueError, match="y has 1 columns, but the network predicts quantiles of 2"):
        MLPRegressor((4,), loss="quantile", max_iter=2).fit(X, Y).score(X, Y[:, 0])
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(net.score(X[:1], Y[:1, 0]))
