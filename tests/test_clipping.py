"""Clipping of gradients: the norm of a step, the stationary points, the same bits for any number of threads."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Lasso

from skreg import DivergenceError, MLPClassifier, MLPRegressor, _team
from skreg.solvers import stochastic

from . import reference
from .conftest import (
    HIDDEN,
    RATES,
    TARGETS,
    KernelRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
    make_flat,
    relative_error,
)

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
FORMS = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def problem_of(target, depth, *, dropout=False):
    X, y, weights = draw_data(target)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS[target][1]))
    return draw_network("tanh", target, HIDDEN[depth], dropout=dropout), coefs, intercepts, X, y, weights


@OPTIMIZERS
@FORMS
@pytest.mark.parametrize("depth", HIDDEN)
@pytest.mark.parametrize("clip_norm", [0.01, 0.7, 100.0])
def test_epochs_are_those_of_the_formula(optimizer, form, depth, clip_norm):
    """With weights, all penalties, dropout and a short last batch; the norms are on both sides of 0.7."""
    network, coefs, intercepts, X, y, weights = problem_of("three targets", depth, dropout=True)
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=1, clip_norm=clip_norm)
    check_epochs(network, coefs, intercepts, form(X), y, weights, **arguments)


@FORMS
@pytest.mark.parametrize("widths", [(5,), (40, 70), (300, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_step_of_plain_descent_has_the_norm_asked_for(form, widths, dtype):
    """Against the gradient of the reference; several blocks of parameters and pieces of the product."""
    network = draw_network("tanh", "three targets", widths)
    for strengths in (network.alpha, network.beta):
        strengths[:] = [0.0] * len(strengths)
    rng = np.random.RandomState(0)
    X, y = rng.randn(12, 300), 10 * rng.randn(12, 3)
    coefs, intercepts = draw_params((300, *widths, 3))
    coefs = [coef / np.sqrt(len(coef)) for coef in coefs]
    rates = {**RATES, "learning_rate": 1.0, "momentum": 0.0}
    run = KernelRun(network, coefs, intercepts, form(X), y, None, optimizer="sgd", rates=rates, batch_size=12, seed=0,
                    clip_norm=0.25, dtype=dtype)  # fmt: skip
    before = run.params.copy()
    run.train_epoch()
    step, tolerance = before.astype(float) - run.params, 1e-12 if dtype == np.float64 else 1e-4
    gradient = make_flat(*reference.data_gradient(network, coefs, intercepts, X, y, np.full(12, 1 / 12)))
    assert np.linalg.norm(gradient) > 1
    np.testing.assert_allclose(np.linalg.norm(step), 0.25, rtol=tolerance)
    assert relative_error([step], [0.25 * gradient / np.linalg.norm(gradient)]) < tolerance


@OPTIMIZERS
@FORMS
def test_a_norm_that_is_never_reached_changes_nothing(optimizer, form):
    network, coefs, intercepts, X, y, weights = problem_of("multinomial", "two hidden layers", dropout=True)
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=1)
    free = KernelRun(network, coefs, intercepts, form(X), y, weights, **arguments)
    clipped = KernelRun(network, coefs, intercepts, form(X), y, weights, clip_norm=1e300, **arguments)
    np.testing.assert_array_equal(free.train_epoch(), clipped.train_epoch())
    np.testing.assert_array_equal(free.params, clipped.params)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_lasso_stays_the_lasso_though_each_of_its_steps_is_clipped(solver):
    """At the Lasso's solution the smooth gradient has not the norm 0: it is always longer than `clip_norm`."""
    rng = np.random.RandomState(0)
    X = np.linalg.qr(rng.randn(40, 6) - 0.1)[0] * np.sqrt(40)
    X -= X.mean(axis=0)
    y = X @ [2.0, -1.0, 0.5, 0.0, 0.2, -0.1] + 1 + 0.1 * rng.randn(40)
    lasso = Lasso(0.3, tol=1e-12).fit(X, y)
    assert np.linalg.norm(X.T @ (X @ lasso.coef_ + lasso.intercept_ - y)) / 40 > 0.5
    net = MLPRegressor((), solver=solver, penalty="l1", alpha=0.3, clip_norm=0.5, learning_rate_init=0.02, epsilon=0.1,
                       batch_size=40, max_iter=4000, tol=0.0, n_iter_no_change=np.inf).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(net.coefs_[0][:, 0], lasso.coef_, atol=1e-6)
    np.testing.assert_array_equal(net.coefs_[0][:, 0] == 0, lasso.coef_ == 0)


@FORMS
def test_the_same_bits_for_any_number_of_threads(form, monkeypatch):
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    rng = np.random.RandomState(0)
    X = rng.randn(60, 70) * (rng.rand(60, 70) < 0.5)
    y, found = rng.randint(0, 3, 60), []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(_team, "n_cores", lambda n=n_threads: n)
        net = MLPClassifier((40, 20), clip_norm=0.1, max_iter=3, batch_size=25, random_state=0).fit(form(X), y)
        found.append(np.concatenate([coef.ravel() for coef in net.coefs_]))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_it_rescues_a_fit_that_would_diverge():
    rng = np.random.RandomState(0)
    X, y = rng.randn(50, 4), 1e6 * rng.randn(50)
    with np.errstate(all="ignore"), pytest.raises(DivergenceError):
        MLPRegressor((5,), "relu", solver="sgd", learning_rate_init=0.1, random_state=0).fit(X, y)
    net = MLPRegressor((5,), "relu", solver="sgd", learning_rate_init=0.1, clip_norm=1.0, max_iter=5, random_state=0)
    assert np.isfinite(net.fit(X, y).loss_)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_gradient_that_is_not_finite_is_a_divergence():
    X, y = np.ones((20, 2)), np.full(20, 1e200)
    for dtype in (np.float32, np.float64):
        with np.errstate(all="ignore"), pytest.raises(ValueError):
            MLPRegressor((3,), clip_norm=1.0, max_iter=3).fit(X.astype(dtype), y * 1e150)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_several_epochs_at_once_and_fits_that_go_on_are_the_same_bits(solver, monkeypatch):
    X, y, _ = draw_data("one target")

    def net(**parameters):
        return MLPRegressor((4,), solver=solver, clip_norm=0.05, batch_size=7, tol=0.0, random_state=0,
                            n_iter_no_change=np.inf, **parameters)  # fmt: skip

    found = [net(max_iter=6).fit(X, y[:, 0])]
    monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", 0.0)
    found.append(net(max_iter=6).fit(X, y[:, 0]))
    found.append(net(max_iter=1, warm_start=True))
    for _ in range(6):
        found[-1].fit(X, y[:, 0])
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].coefs_[0], other.coefs_[0])
