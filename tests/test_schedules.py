"""Learning rates of each step: the formulas of their papers, the kernels that follow them, fits that go on."""

import math
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skreg import DivergenceError, MLPClassifier, MLPRegressor
from skreg.solvers import stochastic
from skreg.solvers.schedules import LearningRate

from .conftest import RATES, KernelRun, ReferenceRun, draw_data, draw_network, draw_params, relative_error

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
SHAPES = pytest.mark.parametrize("shape", ["cosine", "one_cycle", "log_cosine"])
SOLVERS = pytest.mark.parametrize("solver", ["adam", "sgd"])


def data(n_samples=40):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] ** 2


def network(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": (5,), "batch_size": 10, "max_iter": 8, "random_state": 0} | parameters)


def weights_of(net):
    return np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])


# The formulas --------------------------------------------------------------------------------------------------------


def half_cosine(t, start, end):
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * t))


FORMULAS = {
    "cosine": lambda t, top, end: half_cosine(t, top, end),
    "one_cycle": lambda t, top, end: (
        half_cosine(t / 0.3, top / 25, top) if t < 0.3 else half_cosine((t - 0.3) / 0.7, top, end)
    ),
    "log_cosine": lambda t, top, end: end + (top - end) / 2 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t))),
}


@SHAPES
@pytest.mark.parametrize("end", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("warmup", [0.0, 0.4, 2, 10.0])
def test_the_rates_of_all_steps_are_those_of_the_formula(shape, end, warmup):
    """Over two rounds of 4 epochs of 5 steps, in one piece and epoch by epoch."""
    rate = LearningRate(shape, 0.1, end=end, n_epochs=4, warmup=warmup)
    expected = [
        FORMULAS[shape](step % 20 / 20, 0.1, end) * (min(1, (step + 1) / (5 * warmup)) if warmup else 1)
        for step in range(40)
    ]
    found = rate.of_steps(0, 8, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-16)
    np.testing.assert_array_equal(np.concatenate([rate.of_steps(epoch, 1, 5) for epoch in range(8)]), found)


def test_landmarks_of_the_shapes():
    def at(shape, steps):
        return LearningRate(shape, 1.0, n_epochs=1, end=0.25).of_steps(0, 1, 1500)[steps]

    assert at("cosine", 0) == 1 and np.isclose(at("cosine", 750), (1 + 0.25) / 2)
    assert np.isclose(at("one_cycle", 0), 1 / 25) and np.isclose(at("one_cycle", 450), 1)
    np.testing.assert_allclose(at("log_cosine", [0, 100, 300, 700]), 0.25, atol=1e-12)  # t = (2^k - 1) / 15
    assert (np.diff(at("cosine", slice(None))) < 0).all()
    for shape in ("cosine", "one_cycle", "log_cosine"):
        rates = at(shape, slice(None))
        assert rates.max() <= 1 + 1e-15 and rates.min() > 0.0399 and abs(rates[-1] - 0.25) < 1e-4


# The kernels ---------------------------------------------------------------------------------------------------------


@OPTIMIZERS
def test_every_step_takes_its_own_rate(optimizer):
    """With l1 terms: what the averages of gradients hold depends on all rates before."""
    problem = draw_network("tanh", "one target", (5,)), *draw_params((4, 5, 1)), *draw_data("one target")
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=3)
    found, expected = KernelRun(*problem, **arguments), ReferenceRun(*problem, **arguments)
    rng = np.random.default_rng(0)
    for _ in range(4):
        rates = rng.uniform(0, 0.1, 5) * (rng.random(5) < 0.8)
        assert relative_error(found.train_epoch(rates), expected.train_epoch(rates)) < 1e-12
    for parts in zip(found.layers(), expected.layers(), strict=True):
        assert relative_error(*parts) < 1e-12


@OPTIMIZERS
def test_nothing_moves_at_the_solution_of_the_lasso_whatever_the_rates(optimizer):
    """Orthogonal columns, z = (1.5, -0.25, 0.75), l1 = 0.5: the solution is the soft threshold of z."""
    hadamard = np.array([[1.0, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])
    lasso = draw_network("identity", "one target", ())
    lasso.alpha, lasso.rho, lasso.beta, lasso.r = [0.5], [1.0], [0.0], [0.0]
    solution = [np.array([[1.0], [0.0], [0.25]])], [np.array([0.5])]
    y = (hadamard @ [1.5, -0.25, 0.75] + 0.5)[:, None]
    rates = {**RATES, "epsilon": 1.0}
    run = KernelRun(lasso, *solution, hadamard, y, None, optimizer=optimizer, rates=rates, batch_size=4, seed=0)
    for rate in np.random.default_rng(0).uniform(0, 0.2, 50):
        run.train_epoch([rate])
        np.testing.assert_allclose(run.params, [1, 0, 0.25, 0.5], rtol=1e-13)
        assert run.params[1] == 0


# Fits ----------------------------------------------------------------------------------------------------------------


@SOLVERS
@SHAPES
def test_a_fit_follows_the_formula(solver, shape, monkeypatch):
    taken, run = [], stochastic._Epochs.run

    def spy(self, learning_rate, *arguments):
        taken.extend(learning_rate)
        return run(self, learning_rate, *arguments)

    monkeypatch.setattr(stochastic._Epochs, "run", spy)
    X, y = data()
    network(solver=solver, learning_rate=shape, learning_rate_init=0.02, learning_rate_end=0.01, warmup=1.5).fit(X, y)
    expected = [FORMULAS[shape](step / 32, 0.02, 0.01) * min(1, (step + 1) / 6) for step in range(32)]
    np.testing.assert_allclose(taken, expected, rtol=1e-13)


@SOLVERS
def test_the_rates_reach_the_weights(solver):
    """A cosine that ends where it begins is a constant; warm-up is not."""
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        constant = weights_of(network(solver=solver, tol=0.0).fit(X, y))
        flat = weights_of(network(solver=solver, learning_rate="cosine", learning_rate_end=0.001).fit(X, y))
        warm = weights_of(network(solver=solver, tol=0.0, warmup=2).fit(X, y))
    np.testing.assert_array_equal(flat, constant)
    assert np.abs(warm - constant).max() > 1e-4


@SOLVERS
@SHAPES
@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
def test_fits_of_one_epoch_are_one_fit(solver, shape, how):
    X, y = data()
    whole = network(solver=solver, learning_rate=shape, warmup=2.5).fit(X, y)
    if how == "warm_start":
        parts = network(solver=solver, learning_rate=shape, warmup=2.5, warm_start=True, schedule_epochs=8, max_iter=1)
        step = parts.fit
    else:
        parts = network(solver=solver, learning_rate=shape, warmup=2.5)
        step = parts.partial_fit
    for _ in range(8):
        step(X, y)
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))


def test_a_fit_after_the_end_begins_the_schedule_anew():
    X, y = data()
    twice = network(learning_rate="cosine", warm_start=True).fit(X, y).fit(X, y)
    restarted = network(learning_rate="cosine", max_iter=16, schedule_epochs=8).fit(X, y)
    np.testing.assert_array_equal(weights_of(twice), weights_of(restarted))
    stretched = network(learning_rate="cosine", max_iter=16).fit(X, y)
    assert not np.array_equal(weights_of(stretched), weights_of(restarted))


def test_another_schedule_begins_at_its_beginning():
    X, y = data()
    net = network(learning_rate="cosine", warm_start=True, max_iter=3, schedule_epochs=4).fit(X, y)
    other = network(learning_rate="cosine", warm_start=True, max_iter=3, schedule_epochs=4).fit(X, y)
    net.set_params(learning_rate="log_cosine").fit(X, y)
    assert net._optimizer_state["schedule_start"] == 3
    other.fit(X, y)
    assert other._optimizer_state["schedule_start"] == 0


@SHAPES
def test_a_plateau_is_no_reason_to_stop_and_the_end_no_reason_to_warn(shape):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = network(learning_rate=shape, tol=10.0, n_iter_no_change=1).fit(X, y)
        constant = network(tol=10.0, n_iter_no_change=1).fit(X, y)
    assert net.n_iter_ == 8 and constant.n_iter_ < 8


def test_early_stopping_stops_within_a_schedule():
    X, y = data()
    net = network(learning_rate="cosine", tol=10.0, n_iter_no_change=1, early_stopping=True).fit(X, y)
    assert net.n_iter_ < 8
    net = network(learning_rate="cosine", tol=10.0, n_iter_no_change=np.inf, early_stopping=True).fit(X, y)
    assert net.n_iter_ == 8


@pytest.mark.parametrize("keywords", [{"learning_rate": "cosine"}, {"learning_rate": "one_cycle", "warmup": 7},
                                      {"warmup": 20.5}, {"learning_rate": "log_cosine", "schedule_epochs": 11}],
                         ids=str)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_several_epochs_at_once_are_the_same_bits(keywords, monkeypatch):
    X, y = data()
    found = []
    for seconds in (1e9, 0.0):
        monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", seconds)
        found.append(weights_of(network(max_iter=40, tol=0.0, n_iter_no_change=np.inf, **keywords).fit(X, y)))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("rate", ["invscaling", "adaptive"])
def test_adam_takes_the_schedules_of_sgd_for_a_constant(rate):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        np.testing.assert_array_equal(
            weights_of(network(learning_rate=rate).fit(X, y)), weights_of(network().fit(X, y))
        )


def test_a_divergence_names_the_largest_rate_of_its_epoch():
    X, y = data()
    net = network(activation="identity", solver="sgd", learning_rate="cosine", learning_rate_init=1e3, max_iter=50)
    with np.errstate(all="ignore"), pytest.raises(DivergenceError) as error:
        net.fit(X, y)
    first_of_epoch = FORMULAS["cosine"]((error.value.epoch - 1) / 50, 1e3, 0.0)
    np.testing.assert_allclose(error.value.learning_rate, first_of_epoch, rtol=1e-12)


def test_classes_labels_weights_and_float32_follow_it_too():
    X, y = data()
    for target in (y > 0.5, np.arange(40) % 3, np.column_stack([y > 0, y > 1])):
        for solver in ("adam", "sgd"):
            net = MLPClassifier((4,), solver=solver, learning_rate="one_cycle", warmup=1, max_iter=4)
            net.fit(X.astype(np.float32), target, np.arange(40))
            assert np.isfinite(net.loss_) and net.coefs_[0].dtype == np.float32
