"""All solvers minimise the same F, set weights to zero exactly, and follow the schedules that they document."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from skreg import MLPClassifier, MLPRegressor

from . import reference
from .conftest import RATES, ReferenceRun, draw_data, draw_network, relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

FIXED = {"tol": 0.0, "n_iter_no_change": np.inf, "random_state": 0}

# One weight ------------------------------------------------------------------------------------------------------

# F(w) = (w - 1)^2 / 2 + 0.3 |w| for y = x, x = +-1: the solution is 0.7.
ONE_X, ONE_Y = np.array([[1.0], [-1.0]] * 8), np.array([1.0, -1.0] * 8)
ONE_DIMENSION = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01, "max_iter": 3000},
    "adam without momentum": {"solver": "adam", "learning_rate_init": 0.01, "max_iter": 3000, "beta_1": 0.0},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    "heavy ball": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.9},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling"},
    "lbfgs": {"solver": "lbfgs"},
}


@pytest.mark.parametrize("name", ONE_DIMENSION)
@pytest.mark.parametrize("batch_size", [2, 16])
def test_one_weight_ends_at_the_lasso_solution(name, batch_size):
    """Momentum with the learning rate alone as proximal step would end at 0.97."""
    for alpha, expected in ((0.3, 0.7), (0.0, 1.0), (1.5, 0.0)):
        parameters = {"max_iter": 1000, "batch_size": batch_size, **FIXED, **ONE_DIMENSION[name]}
        model = MLPRegressor((), penalty="l1", alpha=alpha, shuffle=False, **parameters).fit(ONE_X, ONE_Y)
        np.testing.assert_allclose(model.coefs_[0], expected, rtol=1e-5, atol=0)
        np.testing.assert_allclose(model.intercepts_[0], 0.0, atol=1e-5)


def test_a_wrong_proximal_step_would_be_seen():
    """The textbook momentum with a proximal step of lr after it, as many write it, ends elsewhere."""
    w = velocity = 0.0
    for _ in range(1000):
        velocity = 0.9 * velocity - 0.1 * (w - 1)
        w = float(reference.soft_threshold(w + velocity, 0.1 * 0.3))
    np.testing.assert_allclose(w, 0.97, rtol=1e-6)


# Networks --------------------------------------------------------------------------------------------------------

NETWORKS = {
    "one hidden layer": ((6,), {}),
    "two hidden layers": ((6, 4), {"alpha": 0.0005}),
    "elastic net": ((6,), {"penalty": "elasticnet", "l1_ratio": 0.6}),
    "penalised intercepts": ((6,), {"bias_penalty": 0.02, "bias_l1_ratio": 0.5}),
    "penalised activity": ((6,), {"activity_penalty": 0.01, "activity_l1_ratio": 0.0}),
    "l2": ((6,), {"penalty": "l2"}),
}


def draw_nonlinear(seed, n_rows=80):
    rng = np.random.RandomState(seed)
    X = rng.randn(n_rows, 6)
    return X, np.tanh(X @ rng.randn(6, 3)) @ [1.0, -1.0, 0.5] + 0.1 * rng.randn(n_rows)


def draw_for(cls, seed):
    X, y = draw_nonlinear(seed)
    return X, y if cls is MLPRegressor else (y > 0).astype(int)


def fit_lbfgs(cls, activation, network, seed, tol, **more):
    hidden, parameters = NETWORKS[network]
    X, y = draw_for(cls, seed)
    parameters = {"penalty": "l1", "alpha": 0.01, "max_iter": 10**5, "max_fun": 10**6, **parameters, **more}
    model = cls(hidden, activation, solver="lbfgs", tol=tol, random_state=seed, **parameters).fit(X, y)
    return model, model.kkt_residual(X, y)


@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("activation", ["identity", "tanh", "logistic"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seed", range(5))
def test_lbfgs_reaches_a_stationary_point_of_a_network(cls, activation, network, seed):
    """Where F is smooth but for its l1 terms. tol is the bound on the residual that is asked for."""
    model, residual = fit_lbfgs(cls, activation, network, seed, tol=1e-5)
    assert residual <= 1e-5
    share_of_zeros = np.mean(np.concatenate([coef.ravel() == 0 for coef in model.coefs_]))
    assert share_of_zeros == 0 if network == "l2" else 0.1 < share_of_zeros < 1
    np.testing.assert_allclose(model.loss_, model.objective(*draw_for(cls, seed)).value, rtol=1e-9)


@pytest.mark.parametrize("strength", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_lbfgs_obeys_a_huge_alpha_of_one_layer_at_once(activation, layer, strength):
    """Within three iterations, few evaluations, and without a long step of the layers that have no penalty."""
    X, y = draw_nonlinear(0)
    alpha = np.where(np.arange(3) == layer, strength, 0.0)
    parameters = {**FIXED, "penalty": "l1", "alpha": alpha, "max_iter": 3, "max_fun": 25}
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        net = MLPRegressor((6, 4), activation, solver="lbfgs", **parameters).fit(X, y)
    assert [not coef.any() for coef in net.coefs_] == [i == layer for i in range(3)]
    assert (np.diff(net.loss_curve_) < 0).all()
    assert net.loss_ < 2 * np.var(y)
    assert max(np.abs(values).max() for values in (*net.coefs_, *net.intercepts_)) < 3


@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("seed", range(8))
def test_a_fresh_start_of_lbfgs_does_not_better_a_network_with_relu(cls, seed):
    """relu has kinks, where no gradient is small: that lbfgs says so is right, but not that it stops early."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "lbfgs failed to converge: it could not get below")
        model, _ = fit_lbfgs(cls, "relu", "one hidden layer", seed, tol=1e-6)
        X, y = draw_for(cls, seed)
        before = model.objective(X, y).value
        after = model.set_params(warm_start=True).fit(X, y).objective(X, y).value
    assert before - after < 2e-3 * before


@pytest.mark.parametrize("solver", ["adam", "sgd", "nesterov"])
@pytest.mark.parametrize("seed", range(3))
def test_full_batches_reach_a_stationary_point_of_a_network(solver, seed):
    """With zeros, and with F as low as lbfgs has it (it may be another point) to a tenth."""
    lbfgs, _ = fit_lbfgs(MLPRegressor, "tanh", "one hidden layer", seed, tol=1e-5)
    X, y = draw_nonlinear(seed)
    model = MLPRegressor(
        (6,), "tanh", solver="adam" if solver == "adam" else "sgd", nesterovs_momentum=solver == "nesterov",
        penalty="l1", alpha=0.01, batch_size=80, max_iter=5000, warm_start=True, **FIXED,
    )  # fmt: skip
    for learning_rate in (0.01, 0.001, 1e-4) if solver == "adam" else (0.1, 0.1):
        model.set_params(learning_rate_init=learning_rate).fit(X, y)
    assert model.kkt_residual(X, y) < 1e-4
    assert model.objective(X, y).value < 1.1 * lbfgs.objective(X, y).value
    assert all((coef == 0).any() for coef in model.coefs_)


MINI_BATCHES = {
    "adam": {"solver": "adam", "learning_rate_init": 0.003},
    "sgd": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.005},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.005},
}


@pytest.mark.parametrize("name", MINI_BATCHES)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
@pytest.mark.parametrize("n_rows", [400, 401, 420])
def test_mini_batches_find_the_zeros_of_the_lasso(name, form, alpha, n_rows):
    """With batches of 50, whose gradients are noise where the Lasso's weights are zero, and a short one at the end.

    The short one must not free the weights that the others have set to zero.
    """
    rng = np.random.RandomState(0)
    X = rng.randn(n_rows, 30)
    y = X[:, 0] - X[:, 1] + rng.randn(n_rows)
    lasso = Lasso(alpha=alpha).fit(X, y).coef_
    model = MLPRegressor((), penalty="l1", alpha=alpha, batch_size=50, max_iter=200, **FIXED, **MINI_BATCHES[name])
    found = model.fit(form(X), y).coefs_[0][:, 0]
    assert (found[lasso == 0] == 0).mean() > 0.8  # the others are those that only just are zero
    assert (found[:2] != 0).all()
    np.testing.assert_allclose(found[:2], lasso[:2], atol=0.05)


@pytest.mark.parametrize("name", MINI_BATCHES)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_mini_batches_set_weights_of_a_network_to_zero_exactly(name, form):
    """Those of inputs that are noise first; with l2 there is no zero."""
    rng = np.random.RandomState(0)
    X = rng.randn(400, 10)
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.05 * rng.randn(400)
    parameters = {"alpha": 0.02, "batch_size": 50, "max_iter": 300, **FIXED, **MINI_BATCHES[name]}
    model = MLPRegressor((10,), "tanh", penalty="l1", **parameters).fit(form(X), y)
    zeros = model.coefs_[0] == 0
    assert zeros[2:].mean() > 0.9
    assert (~zeros[:2]).any(axis=1).all()
    ridge = MLPRegressor((10,), "tanh", penalty="l2", **parameters).fit(form(X), y)
    assert all((coef != 0).all() for coef in ridge.coefs_)


def test_penalties_by_layer_set_only_that_layers_weights_to_zero():
    X, y = draw_nonlinear(0)
    for solver in ("adam", "lbfgs"):
        model = MLPRegressor(
            (6, 4), "tanh", solver=solver, penalty="l1", alpha=[0.0, 0.1, 0.0], max_iter=2000, random_state=0, tol=1e-3
        )
        assert [(coef == 0).any() for coef in model.fit(X, y).coefs_] == [False, True, False]


# Schedules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
@pytest.mark.parametrize("power_t", [0.5, 0.25])
def test_invscaling(optimizer, power_t):
    """learning_rate_init / (t + 1)^power_t, t the number of samples seen before the epoch."""
    network = draw_network("tanh", "one target", (5,))
    X, y, _ = draw_data("one target")
    model = MLPRegressor(
        (5,), "tanh", solver="sgd", learning_rate="invscaling", power_t=power_t, learning_rate_init=0.5,
        nesterovs_momentum=optimizer == "nesterov", momentum=RATES["momentum"], batch_size=5, penalty="elasticnet",
        alpha=network.alpha, l1_ratio=network.rho, bias_penalty=network.beta, bias_l1_ratio=network.r,
        activity_penalty=network.gamma, activity_l1_ratio=network.q, warm_start=True, max_iter=1, **FIXED,
    ).fit(X, y[:, 0])  # fmt: skip
    start = [coef.copy() for coef in model.coefs_], [b.copy() for b in model.intercepts_]
    fresh = MLPRegressor(**model.get_params()).set_params(learning_rate_init=1e-300).fit(X, y[:, 0])
    run = ReferenceRun(network, fresh.coefs_, fresh.intercepts_, X, y, None, optimizer=optimizer, rates=RATES,
                       batch_size=5, seed=model._seeds["training"])  # fmt: skip
    for epoch in range(4):
        run.optimizer.learning_rate = 0.5 / (epoch * len(X) + 1) ** power_t
        run.train_epoch()
        if epoch > 0:
            model.fit(X, y[:, 0])
        assert relative_error(model.coefs_, run.coefs) < 1e-12
    assert relative_error(start[0], run.coefs) > 1e-3


def test_adaptive_divides_the_rate_by_five_where_training_stalls():
    """tol is so large that every epoch is a stall: rates of 1, 1/5, 1/25, ... times the first, until below 1e-6."""
    X, y, _ = draw_data("one target")
    model = MLPRegressor(
        (), solver="sgd", learning_rate="adaptive", learning_rate_init=0.02, momentum=0.0, n_iter_no_change=1, tol=1e9,
        batch_size=23, penalty=None, random_state=0, max_iter=1000,
    ).fit(X, y[:, 0])  # fmt: skip
    coef, intercept, rate, epochs, stalled = np.zeros(X.shape[1]), 0.0, 0.02, 0, 0
    while True:
        error = X @ coef + intercept - y[:, 0]
        coef, intercept = coef - rate * X.T @ error / len(X), intercept - rate * error.mean()
        epochs += 1
        # The first epoch is better than nothing, which was infinitely bad.
        stalled = stalled + 1 if epochs > 1 else 0
        if stalled > 1:
            if rate <= 1e-6:
                break
            rate, stalled = rate / 5, 0
    assert model.n_iter_ == epochs
    assert relative_error([model.coefs_[0], model.intercepts_[0]], [coef, [intercept]]) < 1e-12


# Decisions that need the same F ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_last_entry_of_the_curve_with_validation_data_is_the_objective(solver, weighted):
    """On the training and on the validation data, weights included: the curves can be compared."""
    X, y, weights = draw_data("one target", n_rows=60)
    weights = weights if weighted else np.ones(60)
    train, held_out = slice(0, 40), slice(40, 60)
    model = MLPRegressor(
        (5,), "tanh", solver=solver, penalty="elasticnet", alpha=0.01, bias_penalty=0.02, activity_penalty=0.03,
        max_iter=7, batch_size=10, **FIXED,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "lbfgs failed")
        model.fit(X[train], y[train, 0], weights[train], X_val=X[held_out], y_val=y[held_out, 0],
                  sample_weight_val=weights[held_out])  # fmt: skip
    expected = [model.objective(X[rows], y[rows, 0], weights[rows]).value for rows in (train, held_out)]
    found = [model.loss_curve_[-1], model.validation_loss_curve_[-1]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    score = model.score(X[held_out], y[held_out, 0], weights[held_out])
    np.testing.assert_allclose(model.validation_scores_[-1], score, rtol=1e-12)
