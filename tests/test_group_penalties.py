"""Norms of rows of weights: their proximal operator, their subdifferential, and what they do in a fit."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_regression
from sklearn.linear_model import Lasso, MultiTaskLasso
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor
from skreg.kernels import _compile
from skreg.kernels.activations import rectify
from skreg.kernels.proximal import shrink
from skreg.solvers.lbfgs_memory import N_PAIRS, Memory

from . import reference
from .conftest import (
    HIDDEN,
    RATES,
    TARGETS,
    KernelRun,
    ReferenceRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
    full_batch,
    layer_units,
    make_flat,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings(
    "error", "ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge. it reached max_iter"
)

properties = settings(derandomize=True, deadline=None, max_examples=300, database=None)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])
forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
optimizers = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])


# The proximal operator -------------------------------------------------------------------------------------------


@njit(**_compile.OPTIONS)
def _shrink(w, a):
    shrink(w, a)


@njit(**_compile.OPTIONS)
def _clip(w):
    rectify(w)


def prox(w, a, dtype=np.float64):
    """The kernels' proximal step of a row w, `a` being the lengths of its coordinates times the strength."""
    w, a = np.array(w, dtype), np.array(np.broadcast_to(a, np.shape(w)), dtype)
    _shrink(w, a)
    return w


ROWS = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-100, 100, width=32), min_size=n, max_size=n),
        st.lists(st.floats(2.0**-10, 2.0**10, width=32), min_size=n, max_size=n),
    )
)


def moreau(u, w, a):
    """What the proximal step minimises over u."""
    return ((u - w) ** 2 / (2 * a)).sum() + np.linalg.norm(u)


@dtypes
def test_prox_of_a_row_is_the_root_found_by_bisection(dtype):
    @properties
    @given(ROWS)
    def check(row):
        w, a = np.array(row)
        expected, eps = reference.shrink_row(w, a, 1.0), np.finfo(dtype).eps
        found = prox(w, a, dtype)
        # Where f(0) is 1 to rounding, the root is any number close to zero.
        assert np.abs(found - expected).max() <= 8 * eps * np.abs(w).max() + 1e-30
        margin = ((w / a) ** 2).sum()
        assert not (margin < 1 - 8 * eps and found.any())
        assert margin < 1 + 8 * eps or found.any()

    check()


@properties
@given(ROWS, st.integers(0, 2**32 - 1))
def test_prox_of_a_row_is_the_argmin_by_brute_force(row, seed):
    """No point near or far is lower, and an optimizer that knows nothing of the formula does not find one."""
    w, a = np.array(row)
    found = prox(w, a)
    lowest, rng = moreau(found, w, a), np.random.default_rng(seed)
    others = [np.zeros_like(w), w, *(found + 10.0 ** rng.uniform(-8, 2, 50)[:, None] * rng.normal(size=(50, len(w))))]
    others.append(minimize(moreau, w / 2, args=(w, a), method="Nelder-Mead", options={"maxfev": 200}).x)
    assert lowest <= min(moreau(u, w, a) for u in others) + 1e-12 * (1 + lowest)


@properties
@given(ROWS)
def test_the_step_is_the_subgradient_at_its_end(row):
    """(w - u) / a is u / |u|, or in the unit ball at u = 0: what makes it the prox."""
    w, a = np.array(row)
    u = prox(w, a)
    if u.any():
        np.testing.assert_allclose((w - u) / a, u / np.linalg.norm(u), atol=1e-9 * (1 + np.abs(w / a).max()))
    else:
        assert np.linalg.norm(w / a) <= 1 + 1e-12


@properties
@given(ROWS, ROWS)
def test_prox_of_a_row_is_firmly_non_expansive_in_its_metric(one, other):
    n = min(len(one[0]), len(other[0]))
    v, w, a = np.array(one[0][:n]), np.array(other[0][:n]), np.array(one[1][:n])
    step = prox(v, a) - prox(w, a)
    assert (step**2 / a).sum() <= (step * (v - w) / a).sum() + 1e-9 * (1 + ((v - w) ** 2 / a).sum())


@dtypes
@pytest.mark.parametrize("n", [1, 3, 16, 17, 100])
def test_prox_with_equal_lengths_is_in_closed_form(dtype, n):
    w = np.random.default_rng(n).normal(size=n).astype(dtype)
    norm = float(np.linalg.norm(w))
    for a in (0.0, norm / 100, norm / 2, norm * (1 - 1e-3)):
        np.testing.assert_allclose(prox(w, a, dtype), w * (1 - a / norm), rtol=4e3 * np.finfo(dtype).eps)
    for a in (norm * (1 + 1e-6), 2 * norm, 1e6 * norm):
        assert not prox(w, a, dtype).any()


@dtypes
@pytest.mark.parametrize("scale", [1e-35, 1e-25, 1e-12, 1e12, 1e25, 1e35])
def test_prox_in_any_unit(dtype, scale):
    w, a = np.array([3.0, -4.0, 0.5, 0.0]), np.array([0.1, 1.0, 3.0, 2.0])
    found = prox(w * scale, a * scale, dtype) / dtype(scale)
    np.testing.assert_allclose(found, reference.shrink_row(w, a, 1.0), rtol=1e3 * np.finfo(dtype).eps)
    assert not prox(w * scale, 100 * a * scale, dtype).any()


@dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays(dtype, bad):
    """A divergence is not shrunk away."""
    for w in ([bad, 0.0], [1.0, bad, 2.0], [bad]):
        np.testing.assert_array_equal(prox(w, 10.0, dtype), np.array(w, dtype))
    w = np.array([np.nan, -1.0, 2.0, -np.inf, np.inf, -0.0], dtype)
    _clip(w)
    np.testing.assert_array_equal(w, [np.nan, 0, 2, 0, np.inf, 0])


# Training by the kernels -----------------------------------------------------------------------------------------

PENALTIES = ["group_lasso", "sparse_group_lasso"]


def draw_all(target, depth, penalty, *, strength=1.0):
    """(network, coefs, intercepts, X, y, weights)."""
    network = draw_network("tanh", target, HIDDEN[depth])
    network.penalty = [penalty] * len(network.alpha)
    network.alpha = [strength * a for a in network.alpha]
    X, y, weights = draw_data(target)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS[target][1]))
    return network, coefs, intercepts, X, y, weights


@forms
@optimizers
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("depth", HIDDEN)
@pytest.mark.parametrize("positive", [False, True])
def test_epochs(form, optimizer, penalty, depth, positive):
    network, coefs, intercepts, X, y, weights = draw_all("three targets", depth, penalty)
    network.positive = positive
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=12345)
    check_epochs(network, coefs, intercepts, form(X), y, weights, **arguments)


@forms
@optimizers
@pytest.mark.parametrize("penalty", PENALTIES)
def test_epochs_set_the_same_rows_to_zero(form, optimizer, penalty):
    strength = 0.05 if optimizer == "adam" else 4.0
    network, coefs, intercepts, X, y, weights = draw_all("multinomial", "two hidden layers", penalty, strength=strength)
    coefs = [0.1 * coef for coef in coefs]
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=1)
    found = KernelRun(network, coefs, intercepts, form(X), y, weights, **arguments)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
    for _ in range(6):
        found.train_epoch(), expected.train_epoch()
    (found, _), (expected, _) = found.layers(), expected.layers()
    assert relative_error(found, expected) < 1e-11
    zeros = np.concatenate([(coef == 0).all(axis=1) for coef in expected])
    np.testing.assert_array_equal(np.concatenate([(coef == 0).all(axis=1) for coef in found]), zeros)
    assert 0 < zeros.mean() < 1


# The subdifferential ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("positive", [False, True])
def test_the_residual_is_zero_exactly_at_fixed_points_of_the_prox(penalty, positive):
    """In each row of a convex problem whose solution is known: F = |W - Z|^2 / 2 + penalty, the intercept at zero."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        Z = rng.normal(size=(4, 3)) * rng.uniform(0, 3, (4, 1))
        network = draw_network("identity", "three targets", ())
        network.penalty, network.positive = [penalty], positive
        network.alpha, network.rho, network.beta, network.r = [0.7], [0.4], [1e9], [1.0]
        batch = full_batch(network, (4, 3), 2 * np.eye(4), 2 * Z)
        l1, _, group = network.strengths(0, 3)
        solution = reference.Prox(l1, group, positive)(Z, 1.0)
        params = np.append(solution, np.zeros(3))
        assert batch.kkt_residuals(params).max() < 1e-14
        np.testing.assert_allclose(batch.nonsmooth.prox(np.append(Z, np.zeros(3)), 1.0), params, atol=1e-14)
        other = np.append(solution + 1e-3 * (rng.random((4, 3)) if positive else rng.normal(size=(4, 3))), np.zeros(3))
        residual = batch.kkt_residuals(other)
        assert np.linalg.norm(residual) >= (1 - 1e-9) * np.linalg.norm(other - params)


def test_the_residual_of_a_zero_row_is_what_its_gradient_has_beyond_the_strength():
    network = draw_network("identity", "three targets", ())
    network.penalty, network.alpha, network.beta, network.r = ["group_lasso"], [2.0 / np.sqrt(3)], [1e9], [1.0]
    for norm, expected in ((1.0, 0.0), (2.0 - 1e-9, 0.0), (2.5, 0.5), (7.0, 5.0)):
        Z = np.zeros((4, 3))
        Z[0] = norm * np.array([2.0, -1.0, 2.0]) / 3
        residual = full_batch(network, (4, 3), 2 * np.eye(4), 2 * Z).kkt_residuals(np.zeros(15))
        np.testing.assert_allclose(np.linalg.norm(residual), expected, atol=1e-12)


def test_layers_are_where_the_tests_above_think():
    assert [a * b + b for a, b in pairwise((4, 3))] == [15]


@pytest.mark.parametrize("depth", HIDDEN)
def test_values(depth):
    """In the kernels, in the full-batch objective and by the formula, with another penalty in each layer."""
    for shift in range(3):
        network, coefs, intercepts, X, y, weights = draw_all("three targets", depth, "group_lasso")
        names = ["group_lasso", "sparse_group_lasso", None, "l1", "l2", "elasticnet"]
        network.penalty = [names[(2 * shift + layer) % 6] for layer in range(len(coefs))]
        expected = reference.penalty_terms(network, coefs, intercepts)
        params = make_flat(coefs, intercepts)
        batch = full_batch(network, layer_units(coefs), X, y)
        np.testing.assert_allclose(batch.terms(params)[2:4], expected, rtol=1e-13)
        value, _ = batch.smooth(params)
        np.testing.assert_allclose(value + batch.nonsmooth.value(params), batch.terms(params).value, rtol=1e-13)
        still = dict.fromkeys(("learning_rate", "momentum", "beta_1", "beta_2", "epsilon"), 0.0)
        run = KernelRun(network, coefs, intercepts, X, y, None, optimizer="sgd", rates=still, batch_size=5, seed=0)
        np.testing.assert_allclose(run.train_epoch()[1:3], expected, rtol=1e-13)


# Fits ------------------------------------------------------------------------------------------------------------


def diabetes():
    """(X, three targets), standardised columns."""
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    noise = np.random.default_rng(0).normal(size=(len(y), 2))
    return X, np.column_stack([y, y**2 / 200 + 20 * noise[:, 0], 50 * noise[:, 1] + 30 * X[:, 2]])


@forms
@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0, 20.0, 40.0])
def test_without_hidden_layers_it_is_the_multi_task_lasso(alpha, form):
    """At alpha times the square root of the number of outputs."""
    X, Y = diabetes()
    theirs = MultiTaskLasso(alpha, tol=1e-12, max_iter=10**5).fit(X, Y)
    ours = MLPRegressor((), penalty="group_lasso", alpha=alpha / np.sqrt(3), solver="lbfgs").fit(form(X), Y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coef_.T, atol=1e-6)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_)
    np.testing.assert_array_equal((ours.coefs_[0] == 0).all(axis=1), (theirs.coef_ == 0).all(axis=0))
    assert ours.kkt_residual(X, Y) < 1e-6


def test_it_is_the_multi_task_lasso_where_there_are_more_inputs_than_rows():
    X, Y = make_regression(60, 150, n_informative=10, n_targets=4, noise=5, random_state=0)
    theirs = MultiTaskLasso(5.0, tol=1e-12, max_iter=10**5).fit(X, Y)
    ours = MLPRegressor((), penalty="group_lasso", alpha=2.5, solver="lbfgs", max_iter=2000).fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coef_.T, atol=1e-6)
    np.testing.assert_array_equal((ours.coefs_[0] == 0).all(axis=1), (theirs.coef_ == 0).all(axis=0))


def test_in_any_units_of_the_inputs():
    """Columns of other sizes and far from zero: the solver changes its variables, the solution is still theirs."""
    X, Y = diabetes()
    X = X * np.logspace(-1, 1, 10) + np.linspace(0, 1000, 10)
    theirs = MultiTaskLasso(2.0, tol=1e-13, max_iter=10**6).fit(X, Y)
    ours = MLPRegressor((), penalty="group_lasso", alpha=2.0 / np.sqrt(3), solver="lbfgs").fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coef_.T, atol=1e-5 * np.abs(theirs.coef_).max())
    assert ours.kkt_residual(X, Y) < 1e-6


@pytest.mark.parametrize("penalty", PENALTIES)
def test_with_one_output_a_group_is_one_weight(penalty):
    X, Y = diabetes()
    lasso = Lasso(3.0, tol=1e-12).fit(X, Y[:, 0])
    net = MLPRegressor((), penalty=penalty, alpha=3.0, solver="lbfgs").fit(X, Y[:, 0])
    np.testing.assert_allclose(net.coefs_[0][:, 0], lasso.coef_, atol=1e-6)
    np.testing.assert_array_equal(net.coefs_[0][:, 0] == 0, lasso.coef_ == 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "of", [{"penalty": "group_lasso"}, {"penalty": "sparse_group_lasso"}, {"penalty": "l1", "positive": True}], ids=str
)
@pytest.mark.parametrize("shape", [(5, 10), (10, 20)], ids=str)
def test_it_is_the_lasso_where_the_loss_is_flat_in_most_directions(shape, of, seed):
    """Steps in them are one another's multiples, and the penalty's kinks alone end them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=shape)
    y = X @ rng.normal(size=shape[1])
    lasso = Lasso(1e-3, positive=of.get("positive", False), tol=1e-12, max_iter=10**7).fit(X, y)
    net = MLPRegressor((), alpha=1e-3, solver="lbfgs", max_iter=2000, **of).fit(X, y)
    assert net.kkt_residual(X, y) < 1e-6
    np.testing.assert_allclose(net.coefs_[0][:, 0], lasso.coef_, atol=1e-3)
    residual = y - lasso.predict(X)
    lowest = residual @ residual / (2 * len(y)) + 1e-3 * np.abs(lasso.coef_).sum()
    np.testing.assert_allclose(net.loss_, lowest, rtol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("positive", [False, True])
def test_the_multinomial_model_reaches_its_optimum(penalty, positive):
    """KKT conditions, zeros in whole rows, and single ones where there is an l1 part."""
    X, Y = diabetes()
    y = np.digitize(Y[:, 0], np.quantile(Y[:, 0], [0.3, 0.6]))
    net = MLPClassifier((), penalty=penalty, alpha=0.02, positive=positive, solver="lbfgs").fit(X, y)
    assert net.kkt_residual(X, y) < 1e-6
    zero = net.coefs_[0] == 0
    assert 0 < zero.all(axis=1).sum() < 10
    if not positive:
        assert (zero.any(axis=1) > zero.all(axis=1)).any() == (penalty == "sparse_group_lasso")


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_stochastic_solvers_come_to_the_same_solution(solver, penalty):
    X, Y = diabetes()
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    exact = MLPRegressor((), penalty=penalty, alpha=0.05, solver="lbfgs").fit(X, Y)
    net = MLPRegressor(
        (), penalty=penalty, alpha=0.05, solver=solver, batch_size=len(X), learning_rate_init=0.01, max_iter=3000,
        tol=0.0, n_iter_no_change=3000,
    ).fit(X, Y)  # fmt: skip
    np.testing.assert_allclose(net.coefs_[0], exact.coefs_[0], atol=1e-4)
    np.testing.assert_array_equal((net.coefs_[0] == 0).all(axis=1), (exact.coefs_[0] == 0).all(axis=1))
    assert 0 < (exact.coefs_[0] == 0).all(axis=1).sum() < 10


@pytest.mark.parametrize("penalty", [*PENALTIES, ["group_lasso", "l1", "sparse_group_lasso"]])
@pytest.mark.parametrize("positive", [False, True])
def test_lbfgs_comes_to_stationary_points_of_networks(penalty, positive):
    X, Y = diabetes()
    net = MLPRegressor(
        (10, 5), "tanh", penalty=penalty, alpha=0.01, positive=positive, solver="lbfgs", max_iter=3000, tol=1e-4,
        random_state=0,
    ).fit(X, Y / 70)  # fmt: skip
    assert net.kkt_residual(X, Y / 70) < 1e-4
    assert all(0 < (coef == 0).all(axis=1).sum() < len(coef) for coef in net.coefs_[1:2])
    assert not positive or all((coef >= 0).all() for coef in net.coefs_)
    curve = np.array(net.loss_curve_)
    assert (np.diff(curve) <= 1e-9 * curve[:-1]).all()
    np.testing.assert_allclose(net.loss_, net.objective(X, Y / 70).value, rtol=1e-12)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_an_entry_of_penalty_acts_on_its_own_layer(layer, solver):
    X, Y = diabetes()
    penalty = ["group_lasso" if i == layer else None for i in range(3)]
    net = MLPRegressor(
        (5, 4), penalty=penalty, alpha=1e4, solver=solver, max_iter=30, random_state=0, tol=0.0, batch_size=50
    ).fit(X[:100], Y[:100, 0] / 100)
    assert [not coef.any() for coef in net.coefs_] == [i == layer for i in range(3)]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "float32", "warm start", "early stopping"])
def test_every_kind_of_fit(solver, kind):
    X, Y = diabetes()
    y = {
        "binary": Y[:, 0] > 150,
        "multiclass": np.digitize(Y[:, 0], [100, 200]),
        "multilabel": (Y > np.median(Y, axis=0)).astype(int),
    }.get(kind, Y[:, 0] > 150)
    X = X.astype(np.float32) if kind == "float32" else X
    net = MLPClassifier(
        (6,), penalty=["group_lasso", "sparse_group_lasso"], alpha=0.01, solver=solver, max_iter=20, random_state=0,
        warm_start=kind == "warm start", early_stopping=kind == "early stopping",
    )  # fmt: skip
    for form in (np.asarray, sparse.csr_array):
        net.fit(form(X), y, np.linspace(0, 2, len(X)))
        assert np.isfinite(net.loss_)
        assert net.coefs_[0].dtype == X.dtype
        again = clone(net).set_params(**net.get_params())
        assert repr(again) == repr(net)
        same = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(same.predict(X), net.predict(form(X)))


# The full-batch solver -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_pairs", [1, 3, 15])
def test_the_compact_matrix_is_that_of_bfgs(n_pairs):
    """B of Nocedal & Wright, (6.19), update by update from theta I, over the last pairs."""
    rng = np.random.default_rng(n_pairs)
    A = rng.normal(size=(8, 8))
    A = A @ A.T + np.eye(8)
    memory, pairs = Memory(8, can_hold=False), []
    for _ in range(n_pairs):
        s = rng.normal(size=8)
        pairs.append((s, A @ s))
        memory.add(*pairs[-1])
    theta, rows, inverse = memory.compact()
    s, y = pairs[-1]
    np.testing.assert_allclose(theta, y @ y / (s @ y))
    B = theta * np.eye(8)
    for s, y in pairs[-N_PAIRS:]:
        B = B - np.outer(B @ s, B @ s) / (s @ B @ s) + np.outer(y, y) / (s @ y)
    np.testing.assert_allclose(theta * np.eye(8) - rows.T @ np.linalg.solve(inverse, rows), B, atol=1e-8)


def test_steps_in_a_flat_direction_leave_a_matrix_that_can_be_solved():
    """B of the pairs that are left, of which the newest is one: B s = y."""
    rng = np.random.default_rng(0)
    A, flat = np.diag([0.0, 1.0, 2.0, 3.0]), np.array([1e8, 0.0, 0.0, 0.0])
    memory = Memory(4, can_hold=False)
    for _ in range(8):
        s = rng.uniform(1, 2) * flat + np.append(0.0, rng.normal(size=3))
        memory.add(s, A @ s)
    theta, rows, inverse = memory.compact()
    assert 0 < len(rows) < 2 * 8
    product = theta * s - rows.T @ np.linalg.solve(inverse, rows @ s)
    np.testing.assert_allclose(product, A @ s, atol=1e-6 * np.linalg.norm(s))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_first_kink_of_a_step_is_where_one_comes_to_zero(penalty):
    network, coefs, intercepts, X, y, _ = draw_all("three targets", "two hidden layers", penalty)
    h, x = full_batch(network, layer_units(coefs), X, y).nonsmooth, make_flat(coefs, intercepts)
    direction = 100 * np.random.default_rng(0).normal(size=len(x))
    length = h.length_to_kink(x, direction)

    def zeros(length):
        return (h.keep_side(x, x + length * direction) == 0).sum()

    assert 0 < length < 1
    assert zeros(length) > zeros(length * (1 - 1e-9)) == zeros(0.0)
    assert h.length_to_kink(x, 0 * direction) == 1.0


def test_the_hessian_of_norms_is_that_of_differences():
    network, coefs, intercepts, X, y, _ = draw_all("three targets", "two hidden layers", "sparse_group_lasso")
    coefs[1][2] = 0.0
    h, x = full_batch(network, layer_units(coefs), X, y).nonsmooth, make_flat(coefs, intercepts)
    active = np.flatnonzero(h.is_free(x))
    zero = np.zeros_like(x)

    def slopes(i, step):
        moved = x.copy()
        moved[i] += step
        return h.smallest_subgradient(moved, zero)[active]

    expected = np.column_stack([(slopes(i, 1e-6) - slopes(i, -1e-6)) / 2e-6 for i in active])
    hessian = h.hessian(x, active)
    np.testing.assert_allclose(hessian, expected, atol=1e-8)
    vectors = np.random.default_rng(0).normal(size=(2, len(x)))
    solved = h.solve_shifted(x, vectors * h.is_free(x), 0.7)[:, active]
    np.testing.assert_allclose(solved @ (hessian + 0.7 * np.eye(len(active))), vectors[:, active], atol=1e-10)
