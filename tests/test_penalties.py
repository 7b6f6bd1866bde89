"""The proximal step is the one that mathematics defines, and no optimizer leaves a point where F is stationary.

Numbers with few binary digits make most of the comparisons exact.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from skreg import MLPRegressor
from skreg._evaluate import penalty_terms
from skreg.kernels import _compile
from skreg.kernels.penalties import soft_threshold

from . import reference
from .conftest import (
    HIDDEN,
    KernelRun,
    draw_data,
    draw_network,
    draw_params,
    full_batch,
    make_flat,
    make_kernel_spec,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

# The same examples in every run.
properties = settings(derandomize=True, deadline=None, max_examples=300, database=None)

EIGHTHS = st.integers(-800, 800).map(lambda i: i / 8)
THRESHOLDS = st.integers(0, 400).map(lambda i: i / 8)
FLOATS = st.floats(-1e6, 1e6)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@njit(**_compile.OPTIONS)
def _prox_of_all(values, threshold, out):
    for i in range(len(values)):
        out[i] = soft_threshold(values[i], threshold)


def prox(values, threshold, dtype=np.float64):
    """The kernels' proximal step of threshold * |.|."""
    values = np.atleast_1d(np.asarray(values, dtype))
    out = np.empty_like(values)
    _prox_of_all(values, dtype(threshold), out)
    return out


def moreau(u, z, threshold):
    """What the proximal step minimises over u."""
    return (u - z) ** 2 / 2 + threshold * abs(u)


# The proximal operator -------------------------------------------------------------------------------------------


@properties
@given(z=EIGHTHS, threshold=THRESHOLDS)
def test_prox_is_the_argmin_by_brute_force(z, threshold):
    """Over all multiples of 1/8 between -100 and 100, where the minimum lies exactly."""
    grid = np.arange(-800, 801) / 8
    [found] = prox(z, threshold)
    values = moreau(grid, z, threshold)
    assert found == grid[values.argmin()]
    assert (values == values.min()).sum() == 1


@properties
@given(z=EIGHTHS, u=EIGHTHS, threshold=THRESHOLDS)
def test_three_point_inequality(z, u, threshold):
    """h(u) >= h(prox) + (u - prox)^2 / 2: the prox is the minimum and h is as curved as a parabola."""
    [p] = prox(z, threshold)
    assert moreau(u, z, threshold) >= moreau(p, z, threshold) + (u - p) ** 2 / 2


@properties
@given(a=EIGHTHS, b=EIGHTHS, threshold=THRESHOLDS)
def test_prox_is_firmly_non_expansive(a, b, threshold):
    p, q = prox([a, b], threshold)
    assert (p - q) ** 2 <= (p - q) * (a - b)
    assert abs(p - q) <= abs(a - b)


@dtypes
def test_prox_of_any_float(dtype):
    @properties
    @given(z=st.floats(width=32), threshold=st.floats(0, 2.0**100, width=32))
    def check(z, threshold):
        [p], [minus] = prox(z, threshold, dtype), prox(-z, threshold, dtype)
        if np.isnan(z):
            assert np.isnan(p)
            return
        assert (p == 0) == (abs(z) <= threshold)
        assert p == dtype(z) - np.clip(dtype(z), dtype(-threshold), dtype(threshold))
        assert minus == -p
        assert abs(p) <= abs(z) and np.sign(p) in (0, np.sign(z))

    check()


@dtypes
def test_prox_of_what_is_not_finite(dtype):
    """A divergence is not thresholded away."""
    found = prox([np.nan, np.inf, -np.inf], 0.5, dtype)
    np.testing.assert_array_equal(found, [np.nan, np.inf, -np.inf])
    assert np.isnan(prox(np.nan, 0.0, dtype)).all()


def test_prox_with_threshold_zero_is_the_identity():
    values = np.array([0.0, -0.0, 1e-320, 5.0, -1e300])
    np.testing.assert_array_equal(prox(values, 0.0), values)


# The distance to the subdifferential -----------------------------------------------------------------------------


def quadratic(z, threshold):
    """F(w) = |w - z|^2 / 2 + threshold |w|_1, as a linear model whose intercept is held at zero.

    X = 2 I with 4 rows, so that X'X / n = 1.
    """
    network = draw_network("identity", "one target", ())
    network.alpha, network.rho, network.beta, network.r = [threshold], [1.0], [1e9], [1.0]
    return full_batch(network, (4, 1), 2 * np.eye(4), 2 * np.asarray(z)[:, None])


VECTORS = st.lists(EIGHTHS, min_size=4, max_size=4)


@properties
@given(z=VECTORS, threshold=THRESHOLDS)
def test_residual_is_zero_exactly_at_the_fixed_point_of_the_prox(z, threshold):
    solution = prox(z, threshold)
    assert not quadratic(z, threshold).kkt_residuals(np.append(solution, 0.0)).any()


@properties
@given(z=VECTORS, w=VECTORS, threshold=THRESHOLDS)
def test_residual_bounds_the_distance_to_the_solution(z, w, threshold):
    """Here F has curvature 1 at least: nowhere but at the solution can the residual be small."""
    solution, w = prox(z, threshold), np.array(w)
    residuals = quadratic(z, threshold).kkt_residuals(np.append(w, 0.0))
    assert (residuals[:-1] >= np.abs(w - solution)).all()
    expected = [abs_distance(w_j - z_j, w_j, threshold) for w_j, z_j in zip(w, z, strict=True)]
    assert residuals.tolist() == [*expected, 0.0]


def abs_distance(gradient, w, threshold):
    """Distance of -gradient to threshold * [sign(w)], which is [-1, 1] at zero."""
    lowest, highest = (-threshold, threshold) if w == 0 else (threshold * np.sign(w), threshold * np.sign(w))
    return abs(-gradient - np.clip(-gradient, lowest, highest))


# Values ----------------------------------------------------------------------------------------------------------


@properties
@given(data=st.data())
def test_values_of_all_penalties(data):
    """In the kernels, in the full-batch objective and by the formula, for any strengths of any layers."""
    hidden = data.draw(st.sampled_from(list(HIDDEN.values())))
    n_layers = len(hidden) + 1
    network = draw_network("tanh", "one target", hidden)
    for name, largest in (("alpha", 100), ("beta", 100), ("rho", 1), ("r", 1)):
        numbers = st.lists(st.floats(0, largest, allow_subnormal=False), min_size=n_layers, max_size=n_layers)
        setattr(network, name, data.draw(numbers))
    units = (4, *hidden, 1)
    coefs, intercepts = draw_params(units, seed=data.draw(st.integers(0, 100)))
    expected = reference.penalty_terms(network, coefs, intercepts)
    params, spec = make_flat(coefs, intercepts), make_kernel_spec(network, units)
    np.testing.assert_allclose(penalty_terms(spec, params), expected, rtol=1e-13, atol=1e-300)
    X, y, _ = draw_data("one target")
    np.testing.assert_allclose(full_batch(network, units, X, y).terms(params)[2:4], expected, rtol=1e-13, atol=1e-300)
    still = dict.fromkeys(("learning_rate", "momentum", "beta_1", "beta_2", "epsilon"), 0.0)
    run = KernelRun(network, coefs, intercepts, X, y, None, optimizer="sgd", rates=still, batch_size=5, seed=0)
    np.testing.assert_allclose(run.train_epoch()[1:3], expected, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_penalties_of_weights_that_are_not_finite_are_not_finite(bad):
    network = draw_network("tanh", "one target", (5,))
    X, y, _ = draw_data("one target")
    for position in (0, 3, 20, 24, 25, 30):
        params = make_flat(*draw_params((4, 5, 1)))
        params[position] = bad
        assert not np.isfinite(sum(penalty_terms(make_kernel_spec(network, (4, 5, 1)), params)))


NAMED = {
    "l1": ({"penalty": "l1"}, 1.0),
    "l2": ({"penalty": "l2"}, 0.0),
    "elasticnet": ({"penalty": "elasticnet", "l1_ratio": 0.3}, 0.3),
    "l1 whatever l1_ratio": ({"penalty": "l1", "l1_ratio": 0.3}, 1.0),
    "l2 whatever l1_ratio": ({"penalty": "l2", "l1_ratio": 0.3}, 0.0),
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("alpha", [0.7, [0.7, 0.2]])
def test_names_of_penalties(name, alpha):
    """`alpha` may have one entry a layer."""
    parameters, rho = NAMED[name]
    X, y, _ = draw_data("one target")
    network = MLPRegressor((5,), max_iter=1, random_state=0, alpha=alpha, **parameters).fit(X, y[:, 0])
    strengths = np.broadcast_to(alpha, 2)
    expected = sum(a * reference.elastic(w, rho) for a, w in zip(strengths, network.coefs_, strict=True))
    np.testing.assert_allclose(network.objective(X, y[:, 0]).weights, expected, rtol=1e-13)


# Stationary points -----------------------------------------------------------------------------------------------

OPTIMIZERS = ["sgd", "nesterov", "adam"]
# Powers of two: Adam's first step is then free of rounding.
DYADIC = {"learning_rate": 0.25, "momentum": 0.5, "beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.25}
HADAMARD = np.array([[1.0, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])


def small_lasso():
    """(network, X, y, solution): orthogonal columns, z = (1.5, -0.25, 0.75), l1 = 0.5; the intercept is 0.5."""
    network = draw_network("identity", "one target", ())
    network.alpha, network.rho, network.beta, network.r = [0.5], [1.0], [0.0], [0.0]
    y = HADAMARD @ [1.5, -0.25, 0.75] + 0.5
    return network, HADAMARD, y[:, None], ([np.array([[1.0], [0.0], [0.25]])], [np.array([0.5])])


def small_elastic_net():
    """The same with l2 = 1 and a penalised intercept: everything is halved, the intercept after its prox at 0.25."""
    network, X, y, _ = small_lasso()
    network.alpha, network.rho, network.beta, network.r = [1.5], [1 / 3], [1.25], [0.2]
    return network, X, y, ([np.array([[0.5], [0.0], [0.125]])], [np.array([0.125])])


PROBLEMS = {"lasso": small_lasso, "elastic net with a penalised intercept": small_elastic_net}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_nothing_moves_at_the_solution(optimizer, problem):
    """From the first step on: what the optimizer remembers is always that of a gradient that has stood still."""
    network, X, y, solution = PROBLEMS[problem]()
    assert full_batch(network, (3, 1), X, y).kkt_residuals(make_flat(*solution)).max() < 1e-15
    run = KernelRun(network, *solution, X, y, None, optimizer=optimizer, rates=DYADIC, batch_size=4, seed=0)
    for _ in range(100):
        run.train_epoch()
        np.testing.assert_allclose(run.params, make_flat(*solution), rtol=1e-14, atol=1e-15)
        assert run.params[1] == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_nothing_moves_at_the_solution_in_batches_of_which_the_last_is_short(optimizer, problem):
    """All rows twice in the first batch and once in the last: both have the gradient of all data, the last a half."""
    network, X, y, solution = PROBLEMS[problem]()
    rows = np.tile(np.arange(4), 3)
    run = KernelRun(network, *solution, X[rows], y[rows], None, optimizer=optimizer, rates=DYADIC, batch_size=8,
                    seed=0, shuffled=False)  # fmt: skip
    for _ in range(100):
        run.train_epoch()
        np.testing.assert_allclose(run.params, make_flat(*solution), rtol=1e-14, atol=1e-15)
        assert run.params[1] == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_bit_changes_at_the_solution_of_the_lasso(optimizer):
    """Not a bit changes in the first step, where nothing is rounded."""
    network, X, y, solution = small_lasso()
    run = KernelRun(network, *solution, X, y, None, optimizer=optimizer, rates=DYADIC, batch_size=4, seed=0)
    run.train_epoch()
    np.testing.assert_array_equal(run.params, make_flat(*solution))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("moved", range(4))
def test_something_moves_anywhere_else(optimizer, moved):
    network, X, y, solution = small_lasso()
    run = KernelRun(network, *solution, X, y, None, optimizer=optimizer, rates=DYADIC, batch_size=4, seed=0)
    run.params[moved] += 2.0**-10
    before = run.params.copy()
    run.train_epoch()
    assert run.params[moved] != before[moved]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_every_optimizer_ends_at_the_solution(optimizer, problem, momentum):
    """From zero and from far away, with momentum or without."""
    network, X, y, solution = PROBLEMS[problem]()
    rates = {"learning_rate": 0.05, "momentum": momentum, "beta_1": momentum, "beta_2": 0.99, "epsilon": 0.1}
    for start in (0.0, 3.0, -3.0):
        run = KernelRun(network, [np.full((3, 1), start)], [np.array([start])], X, y, None, optimizer=optimizer,
                        rates=rates, batch_size=4, seed=0)  # fmt: skip
        for _ in range(2000):
            run.train_epoch()
        assert relative_error([run.params], [make_flat(*solution)]) < 1e-8
        assert run.params[1] == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stationary_points_of_a_network_are_those_of_the_full_batch_solver(optimizer):
    """A KKT point of a network, found by lbfgs: no optimizer moves away from it by more than its residual allows."""
    network = draw_network("tanh", "three targets", (5, 3))
    network.q = [0.0, 0.0]  # the l1 part of the activity has kinks
    X, y, weights = draw_data("three targets")
    lbfgs = MLPRegressor(
        (5, 3), "tanh", solver="lbfgs", penalty="elasticnet", alpha=network.alpha, l1_ratio=network.rho,
        bias_penalty=network.beta, bias_l1_ratio=network.r, activity_penalty=network.gamma, activity_l1_ratio=0.0,
        max_iter=10**5, max_fun=10**6, tol=1e-8, random_state=0,
    ).fit(X, y, weights)  # fmt: skip
    start = make_flat(lbfgs.coefs_, lbfgs.intercepts_)
    residual = full_batch(network, (4, 5, 3, 3), X, y, weights).kkt_residuals(start).max()
    assert residual < 1e-6
    assert all((coef == 0).any() and (coef != 0).any() for coef in lbfgs.coefs_)
    rates = {"learning_rate": 0.1, "momentum": 0.5, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1.0}
    run = KernelRun(network, lbfgs.coefs_, lbfgs.intercepts_, X, y, weights, optimizer=optimizer, rates=rates,
                    batch_size=len(X), seed=0)  # fmt: skip
    for _ in range(10):
        run.train_epoch()
    assert np.abs(run.params - start).max() < 10 * residual
    np.testing.assert_array_equal(run.params == 0, start == 0)


def test_layers_are_where_the_tests_above_think():
    """Guards the positions in `test_penalties_of_weights_that_are_not_finite_are_not_finite`."""
    assert [a * b + b for a, b in pairwise((4, 5, 1))] == [25, 6]
