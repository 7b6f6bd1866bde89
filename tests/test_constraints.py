"""Constraints on weights hold exactly, and decoupled weight decay is what its formula says."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor, _team

from .conftest import (
    HIDDEN,
    RATES,
    TARGETS,
    KernelRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
)

pytestmark = pytest.mark.filterwarnings("error")

forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
optimizers = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), y


# All of them in the kernels --------------------------------------------------------------------------------------


@forms
@optimizers
@pytest.mark.parametrize("depth", HIDDEN)
def test_epochs(form, optimizer, depth):
    """Decay, gradient step, proximal step and projection, in this order, with several penalties at once."""
    network = draw_network("tanh", "three targets", HIDDEN[depth], dropout=True)
    n_layers = len(network.alpha)
    network.penalty = ["sparse_group_lasso", "elasticnet", "group_lasso"][:n_layers]
    network.max_norm = [0.6, None, 0.3][:n_layers]
    network.weight_decay, network.positive = 3.0, optimizer == "sgd"
    X, y, weights = draw_data("three targets")
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS["three targets"][1]))
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=12345)
    check_epochs(network, coefs, intercepts, form(X), y, weights, **arguments)


@forms
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_same_bits_for_any_number_of_threads(form, solver, monkeypatch):
    """Rows and columns that no number of members divides."""
    X, y, weights = draw_data("three targets", n_rows=60, n_features=37)

    def fit():
        net = MLPRegressor(
            (35, 50), solver=solver, penalty=["sparse_group_lasso", "group_lasso", "l1"], alpha=0.01, positive=True,
            max_norm=[0.9, 0.5, None], weight_decay=1.0, max_iter=4, batch_size=25, random_state=0,
        ).fit(form(X), y, weights)  # fmt: skip
        return [a.tobytes() for a in (*net.coefs_, *net.intercepts_)]

    expected = fit()
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    for n_cores in (2, 3, 5):
        monkeypatch.setattr(_team, "n_cores", lambda n_cores=n_cores: n_cores)
        assert fit() == expected


# The norm of a unit's weights ------------------------------------------------------------------------------------


@dtypes
@forms
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("max_norm", [0.1, [0.1, None, 0.1]])
def test_no_column_is_longer_after_any_epoch(dtype, form, solver, max_norm):
    """By NumPy's sum in the weights' own type, whatever its order."""
    X, y, _ = draw_data("one target", n_rows=60, n_features=300)
    X, y = form(X.astype(dtype)), y[:, 0].astype(dtype)
    net = MLPRegressor((40, 3), solver=solver, max_norm=max_norm, learning_rate_init=0.05, random_state=0)
    bounds = [max_norm] * 3 if isinstance(max_norm, float) else max_norm
    for _ in range(5):
        net.partial_fit(X, y)
        for coef, bound in zip(net.coefs_, bounds, strict=True):
            norms = [np.linalg.norm(coef, axis=0), np.sqrt((coef[::-1] ** 2).sum(axis=0)),
                     np.sqrt(np.add.accumulate(coef.T.copy() ** 2, axis=1)[:, -1])]  # fmt: skip
            assert all(norm.dtype == dtype for norm in norms)
            if bound is not None:
                assert max(norm.max() for norm in norms) <= bound
            else:
                assert norms[0].max() > 0.5
        assert np.linalg.norm(net.coefs_[0], axis=0).max() > 0.99 * bounds[0], "it does not bind"


def test_columns_within_the_norm_are_left_alone():
    X, y = diabetes()
    free = MLPRegressor((5,), max_iter=3, random_state=0).fit(X, y)
    wide = MLPRegressor((5,), max_iter=3, random_state=0, max_norm=1e3).fit(X, y)
    np.testing.assert_array_equal(free.coefs_[0], wide.coefs_[0])


def test_the_projection_is_the_nearest_point():
    """A step of no length: columns come to the sphere along their own direction."""
    network = draw_network("tanh", "three targets", (5,))
    network.max_norm, network.alpha = [0.5, 0.2], [0.0, 0.0]
    X, y, weights = draw_data("three targets")
    coefs, intercepts = draw_params((4, 5, 3))
    rates = {"learning_rate": 0.0, "momentum": 0.0, "beta_1": 0.0, "beta_2": 0.0, "epsilon": 1.0}
    run = KernelRun(network, coefs, intercepts, X, y, weights, optimizer="sgd", rates=rates, batch_size=23, seed=0)
    run.train_epoch()
    for before, after, bound in zip(coefs, run.layers()[0], (0.5, 0.2), strict=True):
        np.testing.assert_allclose(after, before * bound / np.linalg.norm(before, axis=0), rtol=1e-13)


# Weights that are not negative -----------------------------------------------------------------------------------


@forms
@pytest.mark.parametrize("alpha", [0.1, 2.0, 20.0])
@pytest.mark.parametrize("penalty", ["l1", "group_lasso"])
def test_without_hidden_layers_it_is_the_positive_lasso(alpha, penalty, form):
    """With one output a group is one weight."""
    X, y = diabetes()
    lasso = Lasso(alpha, positive=True, tol=1e-12, max_iter=10**6).fit(X, y)
    net = MLPRegressor((), penalty=penalty, alpha=alpha, positive=True, solver="lbfgs").fit(form(X), y)
    np.testing.assert_allclose(net.coefs_[0][:, 0], lasso.coef_, atol=1e-6)
    np.testing.assert_allclose(net.intercepts_[0], lasso.intercept_)
    np.testing.assert_array_equal(net.coefs_[0][:, 0] == 0, lasso.coef_ == 0)
    assert net.kkt_residual(X, y) < 1e-6
    assert 0 < (lasso.coef_ == 0).sum() < 10


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_stochastic_solvers_come_to_the_positive_lasso(solver):
    X, y = diabetes()
    y = (y - y.mean()) / y.std()
    lasso = Lasso(0.05, positive=True, tol=1e-12).fit(X, y)
    net = MLPRegressor(
        (), penalty="l1", alpha=0.05, positive=True, solver=solver, batch_size=len(y), learning_rate_init=0.01,
        max_iter=2000, tol=0.0, n_iter_no_change=2000,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(net.coefs_[0][:, 0], lasso.coef_, atol=1e-4)
    np.testing.assert_array_equal(net.coefs_[0][:, 0] == 0, lasso.coef_ == 0)


@dtypes
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("penalty", ["l2", "sparse_group_lasso"])
def test_no_weight_is_negative_and_predictions_are_monotone(dtype, solver, penalty):
    X, y = diabetes()
    X, y = X.astype(dtype), (y > y.mean()).astype(int)
    net = MLPClassifier(
        (8, 4), "relu", solver=solver, penalty=penalty, alpha=1e-3, positive=True, max_iter=20, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert all((coef >= 0).all() for coef in net.coefs_)
    assert any((intercept < 0).any() for intercept in net.intercepts_)
    before = net.predict_proba(X)[:, 1]
    for feature in range(X.shape[1]):
        raised = X.copy()
        raised[:, feature] += 1
        assert (net.predict_proba(raised)[:, 1] >= before - 1e-6).all()


@pytest.mark.parametrize("averaging", ["swa", "ema"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("constraint", [{"positive": True}, {"max_norm": 0.1}], ids=str)
def test_constraints_that_come_later_hold_for_averages_too(constraint, method, averaging):
    """Neither the average before nor the weights beside it knew of them."""
    X, y = diabetes()
    net = MLPRegressor((5,), averaging=averaging, averaging_start=0.2, max_iter=5, warm_start=True, random_state=0)
    net.fit(X, y / y.std()).partial_fit(X, y / y.std())
    getattr(net.set_params(**constraint), method)(X, y / y.std())
    for W in net.coefs_:
        assert W.min() >= 0 if "positive" in constraint else np.linalg.norm(W, axis=0).max() <= 0.1


def test_a_warm_start_may_bring_the_constraint():
    X, y = diabetes()
    net = MLPRegressor((5,), max_iter=3, random_state=0, warm_start=True).fit(X, y)
    assert (net.coefs_[0] < 0).any()
    for solver in ("lbfgs", "adam"):
        again = MLPRegressor((5,), max_iter=3, random_state=0, warm_start=True).fit(X, y)
        again.set_params(positive=True, solver=solver).fit(X, y)
        assert all((coef >= 0).all() for coef in again.coefs_)


# Weight decay ----------------------------------------------------------------------------------------------------


@dtypes
@forms
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_decay_is_exact_where_the_gradient_is_zero(dtype, form, solver):
    """y is what the linear model predicts at x = 0, always: no gradient reaches any weight."""
    X, y = form(np.zeros((20, 3), dtype)), np.zeros(20, dtype)
    net = MLPRegressor(
        (), solver=solver, alpha=0.0, weight_decay=4.0, learning_rate_init=0.03125, batch_size=5, max_iter=1,
    ).fit(X, y)  # fmt: skip
    start = np.array([[1.0], [-2.0], [0.5]], dtype)
    net.coefs_, net.intercepts_ = [start.copy()], [np.zeros(1, dtype)]
    net.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0], start * dtype(0.875) ** 8)
    assert net.intercepts_[0] == 0


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_decay_leaves_intercepts_out(solver):
    """Without momentum and at the optimum of the intercept."""
    X, y = np.zeros((20, 3)), np.full(20, 7.0)
    net = MLPRegressor((), solver=solver, alpha=0.0, weight_decay=4.0, learning_rate_init=0.03125, max_iter=1)
    net.fit(X, y)
    net.coefs_, net.intercepts_ = [np.ones((3, 1))], [np.full(1, 7.0)]
    net._forget_history()
    net.partial_fit(X, y)
    assert net.coefs_[0].tolist() == [[0.875]] * 3
    assert net.intercepts_[0].tolist() == [7.0]


def test_decay_is_not_in_the_objective():
    X, y = diabetes()
    net = MLPRegressor((5,), max_iter=3, random_state=0, weight_decay=0.1, alpha=0.0).fit(X, y)
    assert net.objective(X, y).weights == 0.0
