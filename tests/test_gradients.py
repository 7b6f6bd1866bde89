"""The gradient of F agrees with fourth-order finite differences of F, and the check notices where one does not."""

import numpy as np
import pytest
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor

from . import reference
from .conftest import (
    ACTIVATIONS_AND_TARGETS,
    HIDDEN,
    LOSSES,
    TARGETS,
    draw_data,
    draw_network,
    draw_params,
    full_batch,
    layer_units,
    loss_and_outputs,
    make_flat,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge")

STEP = 1e-3
# The error of the differences is about STEP^4 = 1e-12 times the fifth derivative, plus 1e-16 / STEP of rounding.
TOLERANCE = 1e-9


def numerical_gradient(function, params):
    """Fourth-order central differences."""
    gradient = np.empty_like(params)
    for i in range(len(params)):
        values = {}
        for steps in (-2, -1, 1, 2):
            moved = params.copy()
            moved[i] += steps * STEP
            values[steps] = function(moved)
        gradient[i] = (values[-2] - 8 * values[-1] + 8 * values[1] - values[2]) / (12 * STEP)
    return gradient


def assert_is_gradient(gradient, function, params):
    assert relative_error([gradient], [numerical_gradient(function, params)]) < TOLERANCE


def distance_to_kinks(network, y, f):
    """Of raw predictions, to those where the slope of a loss is not smooth."""
    if network.loss == "huber":
        return np.abs(np.abs(f - y) - network.loss_parameters["delta"])
    if network.loss in ("absolute_error", "quantile"):
        return np.abs(f - np.repeat(y, f.shape[1] // y.shape[1], axis=1))
    return np.ones_like(f)


def draw_smooth_problem(activation, target, depth, weighted, change=lambda network: None, seed=0):
    """A problem without a kink of relu, |a| or |w| within the reach of the differences."""
    network = draw_network(activation, target, HIDDEN[depth], seed=seed)
    change(network)
    X, y, weights = draw_data(target, n_rows=400, seed=seed)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], loss_and_outputs(target)[1]), seed)
    _, sums = reference.forward(network, coefs, intercepts, X)
    distances = [np.abs(z) for z in sums[:-1]] + [distance_to_kinks(network, y, sums[-1])]
    rows = np.flatnonzero(np.all([(distance > 0.02).all(axis=1) for distance in distances], axis=0))[:15]
    assert len(rows) == 15
    params = make_flat(coefs, intercepts)
    assert np.abs(params).min() > 3 * STEP
    weights = weights[rows] if weighted else None
    return full_batch(network, layer_units(coefs), X[rows], y[rows], weights), params


problems = [
    pytest.mark.parametrize(("activation", "target"), ACTIVATIONS_AND_TARGETS),
    pytest.mark.parametrize("depth", HIDDEN),
    pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"]),
]


def over_problems(test):
    for mark in problems:
        test = mark(test)
    return test


@over_problems
def test_gradient_of_all_terms(activation, target, depth, weighted):
    """Of F with every penalty, where F has a gradient."""
    batch, params = draw_smooth_problem(activation, target, depth, weighted)
    value, gradient = batch.smooth(params)
    assert_is_gradient(gradient, lambda w: batch.smooth(w)[0], params)
    subgradient = gradient + batch.l1 * np.sign(params)
    assert_is_gradient(subgradient, lambda w: batch.terms(w).value, params)
    terms = batch.terms(params)
    np.testing.assert_allclose(terms.value, value + batch.l1 @ np.abs(params), rtol=1e-14)
    np.testing.assert_allclose(terms.value, sum(terms[1:]), rtol=1e-14)
    np.testing.assert_allclose(batch.kkt_residuals(params), np.abs(subgradient), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("target", LOSSES)
@pytest.mark.parametrize(
    ("activation", "depth"),
    [(activation, "one hidden layer") for activation in reference.ACTIVATIONS]
    + [("tanh", "linear"), ("tanh", "two hidden layers")],
)
def test_gradient_of_losses_with_parameters(activation, target, depth):
    batch, params = draw_smooth_problem(activation, target, depth, True)
    assert_is_gradient(batch.smooth(params)[1], lambda w: batch.smooth(w)[0], params)


PARTS = {
    "loss": lambda network: set_to_zero(network, "alpha", "beta", "gamma"),
    "l1 of the activity": lambda network: only(network, "gamma", "q", 1.0),
    "l2 of the activity": lambda network: only(network, "gamma", "q", 0.0),
    "l1 of the intercepts": lambda network: only(network, "beta", "r", 1.0),
    "l2 of the intercepts": lambda network: only(network, "beta", "r", 0.0),
    "l1 of the weights": lambda network: only(network, "alpha", "rho", 1.0),
    "l2 of the weights": lambda network: only(network, "alpha", "rho", 0.0),
}


def set_to_zero(network, *names):
    for name in names:
        setattr(network, name, [0.0] * len(getattr(network, name)))


def only(network, strength, ratio, value):
    """One penalty, of the size of the loss, so that it cannot hide behind it."""
    set_to_zero(network, *{"alpha", "beta", "gamma"} - {strength})
    setattr(network, strength, [0.5 + layer for layer in range(len(getattr(network, strength)))])
    setattr(network, ratio, [value] * len(getattr(network, ratio)))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("target", ["three targets", "multinomial"])
def test_gradient_of_each_term_alone(part, activation, target):
    batch, params = draw_smooth_problem(activation, target, "two hidden layers", True, change=PARTS[part], seed=1)
    gradient = batch.smooth(params)[1] + batch.l1 * np.sign(params)
    assert_is_gradient(gradient, lambda w: batch.terms(w).value, params)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("depth", HIDDEN)
def test_gradient_in_blocks_of_rows(target, depth):
    """More rows than a block holds, sparse: the blocks' gradients are added up."""
    network = draw_network("tanh", target, HIDDEN[depth])
    network.q = [0.0] * len(network.q)  # the l1 part has kinks that so many rows cannot all stay away from
    X, y, weights = draw_data(target, n_rows=700)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS[target][1]))
    batch = full_batch(network, layer_units(coefs), sparse.csr_array(X), y, weights)
    params = make_flat(coefs, intercepts)
    assert_is_gradient(batch.smooth(params)[1], lambda w: batch.smooth(w)[0], params)


def test_gradient_of_single_precision_data_is_taken_in_double_precision():
    """5,000 rows are more than are converted at a time."""
    network = draw_network("tanh", "one target", (5,))
    network.q = [0.0]
    X, y, weights = draw_data("one target", n_rows=5000)
    X, y = X.astype(np.float32), y.astype(np.float32)
    coefs, intercepts = draw_params((4, 5, 1))
    batch = full_batch(network, (4, 5, 1), X, y, weights)
    params = make_flat(coefs, intercepts)
    value, gradient = batch.smooth(params)
    same = full_batch(network, (4, 5, 1), X.astype(np.float64), y.astype(np.float64), weights)
    assert relative_error([[value], gradient], [[same.smooth(params)[0]], same.smooth(params)[1]]) < 1e-13
    assert_is_gradient(gradient, lambda w: batch.smooth(w)[0], params)


KINDS = {
    "regression": (MLPRegressor, "one target", {}),
    "counts": (MLPRegressor, "three counts", {"loss": "poisson"}),
    "binary": (MLPClassifier, "binary", {}),
    "multinomial": (MLPClassifier, "multinomial", {}),
    "multilabel": (MLPClassifier, "multilabel", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kkt_residual_of_an_estimator_is_the_slope_of_its_objective(kind):
    """By the public methods alone."""
    cls, target, extra = KINDS[kind]
    X, y, weights = draw_data(target)
    y = y[:, 0] if y.shape[1] == 1 else y
    estimator = cls((3,), "tanh", solver="lbfgs", alpha=0.01, max_iter=2, random_state=0, **extra).fit(X, y, weights)
    flat = np.concatenate([a.ravel() for a in (*estimator.coefs_, *estimator.intercepts_)])
    arrays = [*estimator.coefs_, *estimator.intercepts_]

    def objective(values):
        at = 0
        for array in arrays:
            array[...] = values[at : at + array.size].reshape(array.shape)
            at += array.size
        return estimator.objective(X, y, weights).value

    slope = np.abs(numerical_gradient(objective, flat)).max()
    objective(flat)
    np.testing.assert_allclose(estimator.kkt_residual(X, y, weights), slope, rtol=1e-8)


# The checker itself ----------------------------------------------------------------------------------------------


def break_one_entry(batch, gradient):
    gradient[3] += 1e-8 * np.abs(gradient).max()


def break_intercepts(batch, gradient):
    gradient[-1] = 0.0


def break_sign_of_all(batch, gradient):
    gradient *= -1


def break_l2(batch, gradient):
    """As if the l2 term were alpha |W|^2 instead of alpha / 2 |W|^2."""
    gradient += batch.l2


def break_scale(batch, gradient):
    """As if the mean were taken over n - 1 rows."""
    gradient *= 15 / 14


@pytest.mark.parametrize("broken", [break_one_entry, break_intercepts, break_sign_of_all, break_l2, break_scale])
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_the_checker_notices_a_wrong_gradient(broken, activation):
    batch, params = draw_smooth_problem(activation, "three targets", "two hidden layers", True)
    gradient = batch.smooth(params)[1]
    assert_is_gradient(gradient, lambda w: batch.smooth(w)[0], params)
    broken(batch, gradient)
    with pytest.raises(AssertionError):
        assert_is_gradient(gradient, lambda w: batch.smooth(w)[0], params)


def test_the_checker_notices_a_wrong_objective():
    batch, params = draw_smooth_problem("tanh", "multinomial", "two hidden layers", True)
    gradient = batch.smooth(params)[1]
    batch.l2 = batch.l2 * 1.001
    with pytest.raises(AssertionError):
        assert_is_gradient(gradient, lambda w: batch.smooth(w)[0], params)
