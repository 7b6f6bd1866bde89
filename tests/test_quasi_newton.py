"""The driver of lbfgs by itself: closed forms, optimality, monotone descent, and what it may cost."""

from itertools import islice

import numpy as np
import pytest

from skreg.solvers.lbfgs_memory import N_PAIRS, Memory
from skreg.solvers.quasi_newton import Composite, descend

from . import reference


def draw_quadratic(seed, n, condition=100.0):
    """(H, b) of f(x) = x'Hx / 2 - b'x."""
    rng = np.random.RandomState(seed)
    basis, _ = np.linalg.qr(rng.randn(n, n))
    return (basis * np.geomspace(1, condition, n)) @ basis.T, 3 * rng.randn(n)


def quadratic(H, b):
    return lambda x: (0.5 * x @ H @ x - b @ x, H @ x - b)


def solve(smooth, x, l1, tol=1e-5, max_iter=1000):
    """The iterates up to the first whose residual is at most `tol`."""
    found = []
    for iterate in islice(descend(smooth, x, l1), max_iter + 1):
        found.append(iterate)
        if iterate.residual <= tol:
            break
    return found


@pytest.mark.parametrize("seed", range(5))
def test_separable_quadratics_end_at_the_soft_threshold(seed):
    """min sum h_i (x_i - c_i)^2 / 2 + l1_i |x_i|; some entries have no l1 term and cross zero on their way."""
    rng = np.random.RandomState(seed)
    h, c, l1 = rng.uniform(0.5, 20, 40), rng.randn(40), rng.uniform(0, 4, 40) * (np.arange(40) % 4 > 0)
    x = solve(lambda x: (0.5 * h @ (x - c) ** 2, h * (x - c)), rng.randn(40), l1, tol=1e-6)[-1].x
    expected = reference.soft_threshold(c, l1 / h)
    np.testing.assert_allclose(x, expected, atol=1e-5)
    np.testing.assert_array_equal(x == 0, expected == 0)


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_convex_quadratics_are_solved_to_their_kkt_conditions(strength, seed):
    """F never rises; the residual reported is that of the optimality conditions, written out here."""
    H, b = draw_quadratic(seed, 50)
    l1 = np.full(50, strength)
    iterates = solve(quadratic(H, b), np.random.RandomState(seed).randn(50), l1)
    values = [iterate.value for iterate in iterates]
    assert all(after < before for before, after in zip(values, values[1:], strict=False))
    x = iterates[-1].x
    gradient = H @ x - b
    residual = np.where(x == 0, np.maximum(np.abs(gradient) - l1, 0), np.abs(gradient + l1 * np.sign(x))).max()
    assert residual <= 1e-5
    np.testing.assert_allclose(iterates[-1].residual, residual, atol=1e-12)
    np.testing.assert_allclose(values[-1], 0.5 * x @ H @ x - b @ x + l1 @ np.abs(x), rtol=1e-12)
    if strength == 0:
        np.testing.assert_allclose(x, np.linalg.solve(H, b), atol=2e-5)
    elif strength == 2.0:
        assert 0 < np.count_nonzero(x) < 50
    elif strength == 100.0:
        assert not x.any()


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_an_iteration_costs_little_more_than_one_evaluation(strength):
    """With an l1 term as without; the bound on iterations is three times what conjugate gradients may need."""
    for seed in range(5):
        H, b = draw_quadratic(seed, 50)
        iterates = solve(quadratic(H, b), np.ones(50), np.full(50, strength))
        assert iterates[-1].n_evaluations <= 1.4 * len(iterates) + 8
        assert len(iterates) < 150


@pytest.mark.parametrize("held_share", [0.0, 0.3, 0.9])
def test_the_memory_solves_with_the_bfgs_matrix_of_the_free_parameters(held_share):
    """Beside the matrix itself, updated pair by pair; more pairs than it keeps, and other parameters held each time."""
    rng = np.random.RandomState(0)
    H, _ = draw_quadratic(0, 30)
    memory, pairs = Memory(30, True), []
    for _ in range(N_PAIRS + 4):
        step = rng.randn(30)
        memory.hold(rng.rand(30) < held_share)
        memory.add(step, H @ step)
        pairs.append((step, H @ step))
    held, vector = rng.rand(30) < held_share, rng.randn(30)
    memory.hold(held)
    at_held = np.flatnonzero(held)
    theta = np.exp(np.log(pairs[-1][1] @ pairs[-1][1] / (pairs[-1][0] @ pairs[-1][1])) * 0.75
                   + np.log(pairs[-1][0] @ pairs[-1][1] / (pairs[-1][0] @ pairs[-1][0])) * 0.25)  # fmt: skip
    B = theta * np.eye(30)
    for s, y in pairs[-N_PAIRS:]:
        B += np.outer(y, y) / (s @ y) - np.outer(B @ s, B @ s) / (s @ B @ s)
    assert np.linalg.eigvalsh(B).min() > 0
    expected = np.linalg.solve(B[np.ix_(~held, ~held)], vector[~held])
    found = memory.solve(vector)
    np.testing.assert_allclose(found[~held], expected, rtol=1e-10)
    np.testing.assert_allclose(found[at_held], vector[at_held] / theta, rtol=1e-12)


def test_pairs_without_positive_curvature_are_left_out():
    memory, step = Memory(3, False), np.array([1.0, 2.0, 0.0])
    for change in (-step, np.array([2.0, -1.0, 0.0]), np.zeros(3), np.full(3, np.nan)):
        memory.add(step, change)
    assert memory.is_empty
    memory.add(step, 4 * step)
    np.testing.assert_allclose(memory.solve(step), step / 4)


@pytest.mark.parametrize("strength", [1e2, 1e4, 1e8])
def test_a_huge_l1_term_is_at_zero_at_once_and_moves_nothing_else_far(strength):
    """The others have no such term, and are a small part of the steepest descent as long as it is not at zero."""
    H, b = draw_quadratic(0, 20)
    l1 = np.repeat([strength, 0.0], 10)
    iterates = solve(quadratic(H, b), np.random.RandomState(1).randn(20), l1)
    values = [iterate.value for iterate in iterates]
    assert all(after < before for before, after in zip(values, values[1:], strict=False))
    assert not any(iterate.x[:10].any() for iterate in iterates[2:])
    optimum = np.append(np.zeros(10), np.linalg.solve(H[10:, 10:], b[10:]))
    np.testing.assert_allclose(iterates[-1].x, optimum, atol=1e-4)
    assert max(np.abs(iterate.x).max() for iterate in iterates) < 4 * np.abs(optimum).max()
    assert len(iterates) < 40 and iterates[-1].n_evaluations <= 1.4 * len(iterates) + 20


def test_values_that_are_not_finite_make_a_shorter_step():
    """f(x) = x - log(x) is not defined where the first steps lead."""

    def smooth(x):
        return (x - np.log(x)).sum() if (x > 0).all() else np.nan, 1 - 1 / x

    assert np.isfinite([iterate.value for iterate in solve(smooth, np.array([0.01, 30.0]), np.zeros(2))]).all()
    np.testing.assert_allclose(solve(smooth, np.array([0.01, 30.0]), np.zeros(2))[-1].x, 1.0, atol=1e-6)


def test_the_way_down_goes_on_at_kinks_and_ends():
    """f(x) = |x_1| + x_2^2 / 2 without telling where the kink is: its gradient never gets small."""

    def smooth(x):
        return abs(x[0]) + 0.5 * x[1] ** 2, np.array([np.sign(x[0]), x[1]])

    iterates = list(islice(descend(smooth, np.array([1.3, 3.0]), np.zeros(2)), 500))
    assert len(iterates) < 500
    assert iterates[-1].value < 1e-6


def test_only_penalised_parameters_end_at_zero():
    start, l1 = np.array([1.0, 1.0, -1.0, 0.0]), np.array([0.5, 0.0, 0.5, 0.5])
    end = Composite(None, l1).along(start, np.array([-3.0, -3.0, 0.5, 2.0]), 1.0)
    np.testing.assert_array_equal(end, [0.0, -2.0, -0.5, 2.0])


def test_gradients_that_are_not_finite_make_a_shorter_step():
    """Although F is lower there."""

    def smooth(x):
        return float(x[0]), np.ones(1) if x[0] > -2 else np.full(1, np.nan)

    iterates = list(islice(descend(smooth, np.zeros(1), np.zeros(1)), 20))
    assert all(np.isfinite(iterate.residual) for iterate in iterates)


def test_the_descent_ends_where_values_are_flat_to_rounding():
    H, b = draw_quadratic(0, 20)
    shifted = quadratic(H, b)
    iterates = list(islice(descend(lambda x: (shifted(x)[0] + 1e9, shifted(x)[1]), np.ones(20), np.zeros(20)), 300))
    values = np.array([iterate.value for iterate in iterates])
    assert len(values) < 300 and (np.diff(values) < 0).all()
