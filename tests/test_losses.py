"""Losses: their formulas, the linear models of scikit-learn that they make, and what is true of their optima."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    TweedieRegressor,
)
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.metrics import d2_pinball_score, r2_score

from skreg import MLPClassifier, MLPRegressor
from skreg.solvers import interior_point

from . import reference
from .conftest import LOSSES, draw_data, draw_network, draw_params, full_batch, layer_units, make_flat, relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

TOLERANCE = 1e-6
FORMS = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])


def draw(kind, n=61, p=6, seed=0, weighted=False):
    """(X, y, weights or None) with outliers, or with positive targets of variance mean^2."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, p) * rng.uniform(0.5, 2, p) + rng.randn(p)
    signal = (X - X.mean(axis=0)) @ np.where(np.arange(p) < 4, rng.uniform(-0.4, 0.4, p), 0)
    y = {
        "outliers": lambda: 3 * signal + rng.standard_t(1.5, n) + 2,
        "positive": lambda: rng.gamma(2.0, np.exp(signal + 1) / 2),
        "zeros": lambda: rng.gamma(2.0, np.exp(signal + 1) / 2) * (rng.rand(n) < 0.7),
    }[kind]()
    return X, y, rng.randint(0, 4, n) + rng.rand(n) if weighted else None


def linear(**parameters):
    return MLPRegressor((), **{"solver": "lbfgs", "max_iter": 10_000, **parameters})


def assert_same_model(ours, theirs, tolerance=TOLERANCE):
    found = [ours.coefs_[0][:, 0], ours.intercepts_[0]]
    assert relative_error(found, [theirs.coef_, np.atleast_1d(theirs.intercept_)]) < tolerance


# The linear models of scikit-learn -----------------------------------------------------------------------------------

EXACT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}


@WEIGHTED
@FORMS
@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 1.0001, 1.5, 1.9, 2.0, 2.5, 3.0, "poisson", "gamma"])
def test_generalised_linear_models(power, alpha, form, weighted):
    """Half deviances with a log link: the same alpha as scikit-learn's."""
    kind = "zeros" if power in ("poisson", 1.0, 1.5) else "positive"
    X, y, weights = draw(kind, weighted=weighted)
    if isinstance(power, str):
        ours = linear(loss=power, alpha=alpha)
        theirs = {"poisson": PoissonRegressor, "gamma": GammaRegressor}[power](alpha=alpha, **EXACT)
    else:
        ours = linear(loss="tweedie", power=power, alpha=alpha)
        theirs = TweedieRegressor(power=power, alpha=alpha, link="log", **EXACT)
    ours.fit(form(X), y, weights)
    assert ours.kkt_residual(form(X), y, weights) <= 1e-6
    assert_same_model(ours, theirs.fit(X, y, weights))


@WEIGHTED
@FORMS
@pytest.mark.parametrize("epsilon", [1.1, 1.35, 3.0])
def test_huber_regressor_at_its_scale(epsilon, form, weighted):
    X, y, weights = draw("outliers", weighted=weighted)
    total = len(y) if weights is None else weights.sum()
    theirs = HuberRegressor(epsilon=epsilon, alpha=0.5, max_iter=10**5).fit(X, y, weights)
    # Their solver stops at a relative change of F of 2e-9: the same F on from there.
    given = np.ones(len(y)) if weights is None else weights
    exact = optimize.minimize(
        _huber_loss_and_gradient, np.r_[theirs.coef_, theirs.intercept_, theirs.scale_], jac=True, method="L-BFGS-B",
        args=(X, y, epsilon, 0.5, given), options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 10**5, "maxfun": 10**5},
    ).x  # fmt: skip
    assert relative_error([exact], [np.r_[theirs.coef_, theirs.intercept_, theirs.scale_]]) < 1e-3
    theirs.coef_, theirs.intercept_, theirs.scale_ = exact[:-2], exact[-2], exact[-1]
    delta, alpha = epsilon * theirs.scale_, 0.5 * theirs.scale_ / total
    ours = linear(loss="huber", delta=delta, alpha=alpha).fit(form(X), y, weights)
    assert ours.kkt_residual(form(X), y, weights) <= 1e-6
    assert_same_model(ours, theirs)
    other = ours.set_params(delta=delta / 2).fit(X, y, weights)
    assert relative_error([other.coefs_[0][:, 0]], [theirs.coef_]) > 1e-3


@WEIGHTED
@FORMS
@pytest.mark.parametrize("shape", [(61, 6), (30, 50)], ids=["plain", "more columns than rows"])
@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.83])
def test_quantile_regressor(quantile, alpha, shape, form, weighted):
    X, y, weights = draw("outliers", *shape, weighted=weighted)
    if alpha == 0 and shape[1] > shape[0]:
        return  # infinitely many solutions
    ours = linear(loss="quantile", quantile=quantile, penalty="l1", alpha=alpha).fit(form(X), y, weights)
    theirs = QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, y, weights)
    assert_same_model(ours, theirs, 1e-9)
    np.testing.assert_array_equal(ours.coefs_[0][:, 0] == 0, theirs.coef_ == 0)
    assert ours.kkt_residual(form(X), y, weights) <= 1e-9
    if quantile == 0.5:
        ours = linear(loss="absolute_error", penalty="l1", alpha=2 * alpha).fit(form(X), y, weights)
        assert_same_model(ours, theirs, 1e-9)


def test_quantile_regressor_in_single_precision():
    X, y, weights = (a.astype(np.float32).astype(float) for a in draw("outliers", weighted=True))
    ours = linear(loss="quantile", quantile=0.3, penalty="l1", alpha=0.02).fit(X.astype(np.float32), y, weights)
    assert ours.coefs_[0].dtype == np.float32
    assert_same_model(ours, QuantileRegressor(quantile=0.3, alpha=0.02).fit(X, y, weights))
    assert ours.kkt_residual(X.astype(np.float32), y, weights) <= 1e-6


def pinball_oracle(X, y, weights, level, l1, l2, bias_l2):
    """Smallest F and its weights by SLSQP on w = p - m and r = u - v with p, m, u, v >= 0."""
    n, p = X.shape
    costs = weights / weights.sum()

    def split(z):
        return z[:p] - z[p : 2 * p], z[2 * p], z[2 * p + 1 : 2 * p + 1 + n], z[2 * p + 1 + n :]

    def value(z):
        w, b, u, v = split(z)
        loss = costs @ (level * u + (1 - level) * v)
        return loss + l1 * z[: 2 * p].sum() + l2 / 2 * w @ w + bias_l2 / 2 * b * b

    def gradient(z):
        w, b, _, _ = split(z)
        return np.concatenate([l1 + l2 * w, l1 - l2 * w, [bias_l2 * b], level * costs, (1 - level) * costs])

    rows = np.block([X, -X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
    start = np.concatenate([np.ones(2 * p), [0.0], np.maximum(y, 0), np.maximum(-y, 0)])
    bounds = [(0, None)] * (2 * p) + [(None, None)] + [(0, None)] * (2 * n)
    constraint = {"type": "eq", "fun": lambda z: rows @ z - y, "jac": lambda z: rows}
    solution = optimize.minimize(
        value, start, jac=gradient, bounds=bounds, constraints=constraint, method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )  # fmt: skip
    w, b, _, _ = split(solution.x)
    return solution.fun, np.append(w, b)


@WEIGHTED
@pytest.mark.parametrize("level", [0.25, 0.5])
@pytest.mark.parametrize(
    "penalty",
    [
        {"penalty": "l2", "alpha": 0.05},
        {"penalty": "elasticnet", "alpha": 0.05, "l1_ratio": 0.5},
        {"penalty": "l2", "alpha": 0.05, "bias_penalty": 0.2},
        {"penalty": "l1", "alpha": 0.02, "bias_penalty": 0.2},
    ],
    ids=str,
)
def test_pinball_loss_with_l2_terms(penalty, level, weighted):
    """Against a general solver, whose objective must not be lower."""
    X, y, weights = draw("outliers", 20, 3, weighted=weighted)
    rho = {"l1": 1.0, "l2": 0.0}.get(penalty["penalty"], 0.5)
    given = np.ones(len(y)) if weights is None else weights
    l1, l2 = penalty["alpha"] * rho, penalty["alpha"] * (1 - rho)
    lowest, solution = pinball_oracle(X, y, given, level, l1, l2, penalty.get("bias_penalty", 0.0))
    ours = linear(loss="quantile", quantile=level, **penalty).fit(X, y, weights)
    found = ours.objective(X, y, weights).value
    assert abs(found - lowest) < 1e-7
    assert found < lowest + 1e-10
    np.testing.assert_allclose(np.append(ours.coefs_[0], ours.intercepts_[0]), solution, atol=1e-3)
    assert ours.kkt_residual(X, y, weights) <= 1e-9


def test_columns_far_from_zero_in_any_units():
    X, y, _ = draw("outliers", weighted=False)
    units = np.array([1e-3, 1.0, 1e3, 1.0, 10.0, 0.1])
    plain = linear(loss="quantile", penalty=None).fit(X, y)
    for form in (np.asarray, sparse.csr_array):
        moved = linear(loss="quantile", penalty=None).fit(form((X + 100) * units), 1e4 * y)
        assert relative_error([moved.coefs_[0][:, 0] * units / 1e4], [plain.coefs_[0][:, 0]]) < 1e-7


@WEIGHTED
@FORMS
@pytest.mark.parametrize("constant", [0.1, 1.0, 3.0, 1e4])
@pytest.mark.parametrize("n", [5, 30, 1000])
def test_a_constant_column_without_penalty_has_no_weight(n, constant, form, weighted):
    """It is the intercept once more: the model is that of scikit-learn without it."""
    X, y, weights = draw("outliers", n, 2, weighted=weighted)
    with_constant = np.insert(X, 1, constant, axis=1)
    ours = linear(loss="quantile", quantile=0.3, penalty=None).fit(form(with_constant), y, weights)
    theirs = QuantileRegressor(quantile=0.3, alpha=0.0).fit(X, y, weights)
    assert ours.coefs_[0][1, 0] == 0.0
    residual = y - theirs.predict(X)
    lowest = np.average(np.maximum(0.3 * residual, -0.7 * residual), weights=weights)
    np.testing.assert_allclose(ours.objective(with_constant, y, weights).value, lowest, rtol=1e-9)
    assert np.abs(ours.coefs_[0]).max() < 10


@FORMS
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("column", [0.1, 1.0, "small"])
@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_l2_terms_of_columns_that_can_be_left_out(loss, column, n, seed, form):
    """A constant column needs no weight, and one of small scale would need one that is too dear."""
    X, y, _ = draw("outliers", n, 40, seed=seed)
    other = 1e-6 * X[:, 3] if column == "small" else np.full(n, column)
    more = np.insert(np.delete(X, 3, axis=1), 3, other, axis=1)
    ours = linear(loss=loss, penalty="l2", alpha=1e-3).fit(form(more), y)
    without = linear(loss=loss, penalty="l2", alpha=1e-3).fit(np.delete(X, 3, axis=1), y)
    assert ours.kkt_residual(more, y) <= 1e-9
    np.testing.assert_allclose(ours.loss_curve_[-1], without.loss_curve_[-1], rtol=1e-8)
    assert ours.loss_curve_[-1] <= ours.loss_curve_[-2] * (1 + 1e-9)


# What is true of the optima ------------------------------------------------------------------------------------------


@WEIGHTED
@pytest.mark.parametrize("n_columns", [0, 4], ids=["constant", "linear"])
def test_share_of_targets_below_a_quantile(n_columns, weighted):
    """With a free intercept: weight of y < f <= quantile <= weight of y <= f, exactly."""
    levels = [0.05, 0.5, 0.9]
    X, y, weights = draw("outliers", 2001, 4, weighted=weighted)
    X[:, n_columns:] = 0.0
    ours = linear(loss="quantile", quantile=levels, penalty="l1", alpha=0.01).fit(X, y, weights)
    weights = np.ones(len(y)) if weights is None else weights
    for k, level in enumerate(levels):
        difference = y - X @ ours.coefs_[0][:, k] - ours.intercepts_[0][k]
        rounding = 1e-9
        below = weights[difference < -rounding].sum() / weights.sum()
        at_most = weights[difference <= rounding].sum() / weights.sum()
        assert below <= level <= at_most
        assert at_most - below < 0.01


def test_constant_models_are_the_textbook_statistics():
    _, y, weights = draw("positive", weighted=True)
    X = np.zeros((len(y), 1))
    mean = np.average(y, weights=weights)
    expected = {"squared_error": mean, "poisson": np.log(mean), "gamma": np.log(mean), "tweedie": np.log(mean)}
    for loss, value in expected.items():
        np.testing.assert_allclose(linear(loss=loss).fit(X, y, weights).intercepts_[0], value, rtol=1e-6)
    order = np.argsort(y)
    share = np.cumsum(weights[order]) / weights.sum()
    median = y[order][np.searchsorted(share, 0.5)]
    np.testing.assert_allclose(linear(loss="absolute_error").fit(X, y, weights).intercepts_[0], median, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_label_smoothing_of_constant_models(epsilon, solver):
    """Probabilities are (1 - e) share + e / K."""
    rng = np.random.RandomState(0)
    X = np.zeros((50, 1))
    for y, n_classes in ((rng.rand(50) < 0.3, 2), (rng.choice(3, 50, p=[0.1, 0.3, 0.6]), 3)):
        options = {"batch_size": 50, "learning_rate_init": 0.05, "max_iter": 1500, "n_iter_no_change": np.inf}
        options = options if solver == "adam" else {}
        ours = MLPClassifier((), solver=solver, label_smoothing=epsilon, random_state=0, **options).fit(X, y)
        share = np.bincount(y) / len(y)
        expected = (1 - epsilon) * share + epsilon / n_classes
        np.testing.assert_allclose(ours.predict_proba(X)[0], expected, atol=1e-6 if solver == "lbfgs" else 1e-4)
    labels = np.column_stack([rng.rand(50) < 0.2, rng.rand(50) < 0.7]).astype(int)
    ours = MLPClassifier((), solver="lbfgs", label_smoothing=epsilon).fit(X, labels)
    np.testing.assert_allclose(ours.predict_proba(X)[0], (1 - epsilon) * labels.mean(axis=0) + epsilon / 2, atol=1e-6)


def classes(kind, n=80):
    rng = np.random.RandomState(0)
    X = rng.randn(n, 4)
    signal = X[:, 0] + 0.5 * X[:, 1] ** 2 + rng.randn(n) / 2
    return X, {
        "binary": (signal > 0.5).astype(int),
        "multiclass": np.digitize(signal, [0, 1]),
        "multilabel": np.column_stack([signal > 0, X[:, 2] > 0.5, X[:, 3] > 0]).astype(int),
    }[kind]


KINDS = pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])


@KINDS
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_focal_loss_without_gamma_is_the_log_loss(solver, smoothing, kind):
    X, y = classes(kind)
    common = {"solver": solver, "label_smoothing": smoothing, "max_iter": 20, "random_state": 0, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        log_loss = MLPClassifier((5,), "tanh", **common).fit(X, y)
        focal = MLPClassifier((5,), "tanh", loss="focal", focal_gamma=0.0, **common).fit(X, y)
        other = MLPClassifier((5,), "tanh", loss="focal", focal_gamma=1.0, **common).fit(X, y)
    assert relative_error([focal.objective(X, y).loss], [log_loss.objective(X, y).loss]) < 1e-9
    assert relative_error([focal.coefs_[0]], [log_loss.coefs_[0]]) < 1e-7
    assert relative_error([other.coefs_[0]], [log_loss.coefs_[0]]) > 1e-4


@KINDS
def test_label_smoothing_is_a_mixture_of_targets(kind):
    """F with smoothing e is (1 - e) F plus e times the mean of F over all classes as targets."""
    X, y = classes(kind)
    smooth = MLPClassifier((5,), "tanh", solver="lbfgs", label_smoothing=0.3, max_iter=500, tol=1e-3, random_state=0)
    smooth.fit(X, y)
    raw = smooth._raw_predict(X)
    if kind == "multiclass":
        every = [reference.multinomial_log_loss(np.full((len(y), 1), k), raw)[0].mean() for k in range(3)]
        plain = reference.multinomial_log_loss(y[:, None], raw)[0].mean()
    else:
        targets = y.reshape(len(y), -1)
        every = [reference.binary_log_loss(np.full(targets.shape, k), raw)[0].mean() for k in range(2)]
        plain = reference.binary_log_loss(targets, raw)[0].mean()
    np.testing.assert_allclose(smooth.objective(X, y).loss, 0.7 * plain + 0.3 * np.mean(every), rtol=1e-12)


def test_l2_and_smoothing_shrink_alike_in_the_linear_model():
    """The smoothed logistic regression is scikit-learn's on rows of both classes with the smoothed weights."""
    X, y = classes("binary")
    ours = MLPClassifier((), solver="lbfgs", label_smoothing=0.2, alpha=0.05, max_iter=1000).fit(X, y)
    both = LogisticRegression(C=1 / (len(y) * 0.05), tol=1e-10, solver="newton-cholesky")
    both.fit(np.vstack([X, X]), np.r_[y, 1 - y], np.r_[np.full(len(y), 0.9), np.full(len(y), 0.1)])
    assert relative_error([ours.coefs_[0][:, 0]], [both.coef_[0]]) < TOLERANCE


# Formulas and relations ----------------------------------------------------------------------------------------------


@WEIGHTED
@pytest.mark.parametrize("target", LOSSES)
def test_objective_is_the_mean_of_the_formula(target, weighted):
    network = draw_network("tanh", target, (5,))
    X, y, weights = draw_data(target)
    weights = weights if weighted else None
    coefs, intercepts = draw_params((4, 5, LOSSES[target][1]))
    batch = full_batch(network, layer_units(coefs), X, y, weights)
    expected = reference.objective_terms(network, coefs, intercepts, X, y, weights)
    np.testing.assert_allclose(batch.terms(make_flat(coefs, intercepts))[1:], expected, rtol=1e-12)


def fitted(loss, X, y, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        options = {"solver": "lbfgs", "max_iter": 15, "random_state": 0, **parameters}
        return MLPRegressor((4,), "tanh", loss=loss, **options).fit(X, y)


SAME = {
    "huber far out is squared": (("huber", {"delta": 1e6}), ("squared_error", {})),
    "tweedie 1 is poisson": (("tweedie", {"power": 1}), ("poisson", {})),
    "tweedie 2 is gamma": (("tweedie", {"power": 2}), ("gamma", {})),
}


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_special_cases(one, other, solver):
    X, y, _ = draw("positive")
    one, other = (fitted(loss, X, y, solver=solver, **parameters) for loss, parameters in (one, other))
    assert relative_error(one.coefs_, other.coefs_) < 1e-9
    np.testing.assert_allclose(one.loss_, other.loss_, rtol=1e-9)


def test_quantiles_at_once_without_hidden_layers_are_those_alone():
    """The loss is their sum, so that each has the same alpha."""
    X, y, _ = draw("outliers")
    Y = np.column_stack([y, -y])
    levels = (0.2, 0.6)
    both = linear(loss="quantile", quantile=levels, penalty="l1", alpha=0.02).fit(X, Y)
    for t in range(2):
        for k, level in enumerate(levels):
            alone = linear(loss="quantile", quantile=level, penalty="l1", alpha=0.02).fit(X, Y[:, t])
            np.testing.assert_allclose(both.coefs_[0][:, 2 * t + k], alone.coefs_[0][:, 0], rtol=1e-9)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "gamma", "tweedie"])
def test_several_targets_without_hidden_layers_are_those_alone(loss):
    X, y, _ = draw("positive")
    Y = np.column_stack([y, y[::-1]])
    both = linear(loss=loss, alpha=0.02).fit(X, Y)
    for t in range(2):
        alone = linear(loss=loss, alpha=0.02).fit(X, Y[:, t])
        np.testing.assert_allclose(both.coefs_[0][:, t], alone.coefs_[0][:, 0], rtol=1e-5, atol=1e-7)


REGRESSION = {
    "absolute_error": {},
    "huber": {"delta": 0.7},
    "quantile": {"quantile": (0.1, 0.5, 0.9)},
    "gamma": {},
    "tweedie": {"power": 1.5},
}


@pytest.mark.parametrize("hidden", [(), (4,)], ids=["linear", "network"])
@pytest.mark.parametrize("loss", REGRESSION)
def test_a_weight_is_the_row_as_often(loss, hidden):
    """Bit for bit with the full batch."""
    X, y, _ = draw("positive")
    weights = np.random.RandomState(0).randint(0, 4, len(y))
    options = {"solver": "lbfgs", "max_iter": 15, "random_state": 0, "loss": loss, **REGRESSION[loss]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = MLPRegressor(hidden, "tanh", **options).fit(X, y, weights)
        repeated = MLPRegressor(hidden, "tanh", **options).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_array_equal(weighted.coefs_[0], repeated.coefs_[0])


# Kinks ---------------------------------------------------------------------------------------------------------------


def test_kkt_residual_of_a_constant_model_is_the_share_that_is_missing():
    y = np.arange(11.0)
    X = np.zeros((11, 1))
    ours = linear(loss="quantile", quantile=0.3).fit(X, y)
    assert ours.intercepts_[0] == 3.0
    # 0.3 of 11 rows are 3.3, and the row at the kink may count for any share of it.
    for b, missing in ((3.0, 0.0), (3.5, 0.7), (2.0, 0.3), (2.5, 0.3), (7.5, 4.7), (-1.0, 3.3)):
        ours.intercepts_ = [np.array([b])]
        np.testing.assert_allclose(ours.kkt_residual(X, y), missing / 11, atol=1e-7)


@pytest.mark.parametrize("bias_penalty", [0.0, 0.1])
@pytest.mark.parametrize("penalty", [None, "l1", "l2"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (2, 5), (3, 3)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_targets_of_zero_are_met(shape, penalty, bias_penalty, seed):
    """Weights of 0 are optimal, of which there are others where nothing has a penalty."""
    X = np.random.RandomState(seed).randn(*shape)
    y = np.zeros(len(X))
    ours = linear(loss="quantile", quantile=0.1, penalty=penalty, alpha=0.01, bias_penalty=bias_penalty).fit(X, y)
    assert ours.kkt_residual(X, y) <= 1e-6
    assert ours.objective(X, y).value < 1e-12


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_kkt_residual_is_not_small_beside_the_optimum(level):
    X, y, weights = draw("outliers", weighted=True)
    ours = linear(loss="quantile", quantile=level, alpha=0.02).fit(X, y, weights)
    assert ours.kkt_residual(X, y, weights) < 1e-9
    ours.coefs_[0][0] += 1e-4
    assert ours.kkt_residual(X, y, weights) > 1e-3


@pytest.mark.parametrize("target", ["absolute error", "three absolute errors", "quantile", "two quantiles of three"])
def test_smoothed_kinks_lower_the_loss_by_no_more_than_is_stated(target):
    network = draw_network("tanh", target, (5,))
    X, y, weights = draw_data(target, n_rows=200)
    coefs, intercepts = draw_params((4, 5, LOSSES[target][1]))
    batch, params = full_batch(network, layer_units(coefs), X, y, weights), make_flat(coefs, intercepts)
    exact = batch.terms(params).loss
    batch.smooth_kinks()
    medians = [c[np.argsort(c)][np.searchsorted(np.cumsum(weights[np.argsort(c)]), weights.sum() / 2)] for c in y.T]
    width = 0.02 * np.average(np.abs(y - medians).mean(axis=1), weights=weights)
    np.testing.assert_allclose(batch.spec.loss_parameters[0], width, rtol=1e-12)
    lowered = exact - batch.terms(params).loss
    assert 0 < lowered <= width / 2 * LOSSES[target][1]


def test_loss_curve_of_smoothed_networks_is_that_of_the_objective():
    X, y, weights = draw("outliers", weighted=True)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        ours = MLPRegressor((4,), loss="absolute_error", solver="lbfgs", max_iter=7, random_state=0).fit(X, y, weights)
    np.testing.assert_allclose(ours.loss_, ours.objective(X, y, weights).value, rtol=1e-12)


def test_interior_points_report_what_they_have_reached():
    X, y, _ = draw("outliers")
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        ours = linear(loss="absolute_error", max_iter=3).fit(X, y)
    assert ours.n_iter_ == 3 == len(ours.loss_curve_)
    np.testing.assert_allclose(ours.loss_, ours.objective(X, y).value, rtol=1e-12)
    again = linear(loss="absolute_error").fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(again.validation_loss_curve_[-1], again.loss_, rtol=1e-12)


TIES = {"same": np.full(20, 3.0), "two": np.arange(20) % 2, "far": np.r_[np.zeros(19), 1e9]}
COLUMNS = {"zero": np.zeros((20, 2)), "constant": np.ones((20, 2)), "line": np.arange(40.0).reshape(20, 2)}


@pytest.mark.parametrize("y", TIES.values(), ids=TIES)
@pytest.mark.parametrize("X", COLUMNS.values(), ids=COLUMNS)
def test_degenerate_data(X, y):
    """Ties, columns that are constant or one another's shift: F is that of scikit-learn's solution."""
    ours = linear(loss="quantile", quantile=0.5, penalty="l1", alpha=0.01).fit(X, y)
    theirs = QuantileRegressor(quantile=0.5, alpha=0.01).fit(X, y)
    residual = y - X @ theirs.coef_ - theirs.intercept_
    lowest = np.abs(residual).mean() / 2 + 0.01 * np.abs(theirs.coef_).sum()
    assert ours.objective(X, y).value <= lowest * (1 + 1e-9) + 1e-9


def test_wide_data_take_the_smoothed_loss(monkeypatch):
    monkeypatch.setattr("skreg.solvers.interior_point._MOST_FEATURES", 5)
    X, y, _ = draw("outliers")
    exact = QuantileRegressor(quantile=0.5, alpha=0.01).fit(X, y)
    ours = linear(loss="quantile", penalty="l1", alpha=0.01, tol=1e-4).fit(X, y)
    distance = np.abs(y - np.median(y)).mean()
    lowest = np.abs(y - exact.predict(X)).mean() / 2 + 0.01 * np.abs(exact.coef_).sum()
    assert lowest <= ours.objective(X, y).value <= lowest + 0.02 * distance / 8


@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize("change", [1e-4, -1e-4])
def test_a_linear_system_that_is_not_solved_changes_nothing(penalty, change, monkeypatch):
    """What it gives is taken where it is optimal, else the last inner point."""
    X, y, _ = draw("outliers")
    exact = linear(loss="quantile", penalty=penalty, alpha=0.02).fit(X, y)
    lstsq = interior_point.lstsq
    monkeypatch.setattr(interior_point, "lstsq", lambda *system: (lstsq(*system)[0] + change, None))
    ours = linear(loss="quantile", penalty=penalty, alpha=0.02).fit(X, y)
    np.testing.assert_allclose(ours.objective(X, y).value, exact.objective(X, y).value, rtol=1e-10)


@pytest.mark.parametrize("other", [{"positive": True}, {"penalty": "group_lasso"}], ids=str)
def test_kinks_are_smoothed_where_the_penalty_is_no_sum_over_weights(other):
    X, y, _ = draw("outliers")
    common = {"loss": "absolute_error", "penalty": "l1", "alpha": 0.02, **other}
    ours = linear(**common, tol=1e-4).fit(X, y)
    assert ours.kkt_residual(X, y) <= 1e-5
    if "positive" in other:  # columns of the other sign can be left out, where others are positive anyway
        assert (ours.coefs_[0] >= 0).all()
        kept = ours.coefs_[0][:, 0] > 0
        exact = linear(loss="absolute_error", penalty="l1", alpha=0.02).fit(X[:, kept], y)
        assert (exact.coefs_[0] > 0).all()
        lowest = exact.objective(X[:, kept], y).value
    else:  # of one output: the lasso
        lowest = linear(loss="absolute_error", penalty="l1", alpha=0.02).fit(X, y).objective(X, y).value
    assert lowest - 1e-9 <= ours.objective(X, y).value <= lowest + 0.01 * np.abs(y - np.median(y)).mean()


# As parameters of an estimator ---------------------------------------------------------------------------------------


def test_quantiles_never_cross_and_have_an_axis_of_their_own():
    X, y, _ = draw("outliers")
    levels = [0.1, 0.45, 0.5, 0.55, 0.9]
    for target, shape in ((y, (61, 5)), (np.column_stack([y, -y]), (61, 2, 5))):
        ours = MLPRegressor((3,), loss="quantile", quantile=levels, max_iter=1, random_state=0).fit(X, target)
        predicted = ours.predict(X)
        assert predicted.shape == shape
        assert (np.diff(predicted, axis=-1) >= 0).all()
        raw = ours._raw_predict(X)
        assert (np.diff(raw[:, :5], axis=1) < 0).any(), "none would have crossed"
        np.testing.assert_array_equal(np.sort(raw.reshape(predicted.shape), axis=-1), predicted)
        assert ours.n_outputs_ == raw.shape[1]
    assert MLPRegressor((3,), loss="quantile", max_iter=1).fit(X, y).predict(X).shape == (61,)


def test_spreads_of_quantiles_are_in_the_order_of_the_quantiles():
    X, y, _ = draw("outliers")
    ours = MLPRegressor((8,), loss="quantile", quantile=[0.2, 0.5, 0.8], dropout=0.3, max_iter=1, random_state=0)
    ours.fit(X, y)
    mean, std = ours.predict(X, return_std=True, n_draws=20, random_state=0)
    raw_mean, raw_std = ours._predict_draws(X, 20, 0, "return_std=True")
    assert (np.diff(mean, axis=1) >= 0).all() and (np.diff(raw_mean, axis=1) < 0).any()
    for found, raw, found_std, raw_spread in zip(mean, raw_mean, std, raw_std, strict=True):
        assert sorted(zip(found, found_std, strict=True)) == sorted(zip(raw, raw_spread, strict=True))


def test_scores():
    X, y, weights = draw("positive", weighted=True)
    for loss, parameters in REGRESSION.items():
        ours = fitted(loss, X, y, **parameters)
        predicted = ours.predict(X)
        if loss == "quantile":
            each = [d2_pinball_score(y, predicted[:, k], alpha=q, sample_weight=weights) for k, q in
                    enumerate((0.1, 0.5, 0.9))]  # fmt: skip
            expected = np.mean(each)
        else:
            expected = r2_score(y, predicted, sample_weight=weights)
        np.testing.assert_allclose(ours.score(X, y, weights), expected, rtol=1e-12)
        checked = fitted(loss, X, y, **parameters, solver="adam").set_params(max_iter=2)
        checked.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)
        np.testing.assert_allclose(checked.validation_scores_[-1], checked.score(X, y, weights), rtol=1e-9)


RANGES = [
    ("poisson", {}, -1e-9, "loss='poisson' needs y >= 0, got a smallest value of -1e-09."),
    ("gamma", {}, 0.0, "loss='gamma' needs y > 0, got a smallest value of 0.0."),
    ("tweedie", {"power": 1.5}, -1.0, "loss='tweedie' with power=1.5 needs y >= 0, got a smallest value of -1.0."),
    ("tweedie", {"power": 1}, -1.0, "loss='tweedie' with power=1 needs y >= 0, got a smallest value of -1.0."),
    ("tweedie", {"power": 2}, 0.0, "loss='tweedie' with power=2 needs y > 0, got a smallest value of 0.0."),
]


@pytest.mark.parametrize(("loss", "parameters", "smallest", "message"), RANGES)
def test_targets_out_of_range_are_refused(loss, parameters, smallest, message):
    X, y, _ = draw("positive")
    network = MLPRegressor((3,), loss=loss, max_iter=2, **parameters)
    bad = np.r_[smallest, y[1:]]
    with pytest.raises(ValueError, match=message.replace("(", "[(]")):
        network.fit(X, bad)
    assert not hasattr(network, "coefs_")
    with pytest.raises(ValueError, match="In the validation data.*" + message):
        network.fit(X, y, X_val=X, y_val=bad)


ALL = [(MLPRegressor, {"loss": loss, **parameters}) for loss, parameters in REGRESSION.items()]
ALL += [(MLPClassifier, {"loss": loss, "label_smoothing": e}) for loss in ("log_loss", "focal") for e in (0.0, 0.1)][1:]


def _target(cls, kind):
    if cls is MLPClassifier:
        return classes(kind)
    X, y, _ = draw("positive", 80, 4)
    counts, both = np.digitize(y, [1, 2]) + 1.0, np.column_stack([y, y[::-1]])
    return X, {"binary": y, "multiclass": counts, "multilabel": both}[kind]


def train_further(network, X, y, weights):
    """Whatever the solver."""
    network.fit(X, y, weights)
    if network.solver != "lbfgs":
        network.partial_fit(X, y, weights, X_val=X, y_val=y)


@pytest.mark.parametrize(("dtype", "form"), [(np.float32, np.asarray), (np.float64, sparse.csr_array)])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@KINDS
@pytest.mark.parametrize(("cls", "parameters"), ALL, ids=lambda value: str(value) if isinstance(value, dict) else None)
def test_losses_work_with_everything_else(cls, parameters, kind, solver, form, dtype):
    X, y = _target(cls, kind)
    X, weights = form(X.astype(dtype)), np.linspace(0, 2, len(y))
    network = cls(
        (4,), solver=solver, max_iter=3, random_state=0, warm_start=True, penalty="elasticnet", alpha=1e-3,
        early_stopping=True, activity_penalty=1e-3, **parameters,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        train_further(network, X, y, weights)
        train_further(network, X, y, weights)
    assert np.isfinite(network.loss_curve_ + network.validation_scores_).all()
    copied = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(copied.predict(X), network.predict(X))
    assert np.isfinite(copied.predict(X)).all()
    before = network.predict(X), network.objective(X, y).loss
    other = {"loss": "squared_error" if cls is MLPRegressor else "log_loss"}
    network.set_params(**other, **({"quantile": 0.5} if cls is MLPRegressor else {}))
    np.testing.assert_array_equal(network.predict(X), before[0])
    if cls is MLPRegressor:
        assert network.objective(X, y).loss == before[1], "the loss is that of the fit"


# Predictions too large for a number ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@KINDS
@pytest.mark.parametrize(("cls", "parameters"), ALL, ids=lambda value: str(value) if isinstance(value, dict) else None)
def test_rows_of_weight_0_may_hold_anything(cls, parameters, kind, solver):
    """Outliers that are weighted away: a loss that overflows there is not multiplied with zero."""
    X, y = _target(cls, kind)
    weights = np.where(np.arange(len(y)) % 7 == 3, 0.0, 1.0)
    network = cls((4,), solver=solver, max_iter=3, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = network.fit(X, y, weights).predict(X), network.loss_curve_
        outliers = np.where(weights[:, None] > 0, X, 1e6 * X)
        found = network.fit(outliers, y, weights).predict(X), network.loss_curve_
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_rows_whose_prediction_overflows_have_no_score(loss, early_stopping):
    X, y, _ = draw("positive", 80, 4)
    network = MLPRegressor((4,), loss=loss, max_iter=3, random_state=0, early_stopping=early_stopping)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(X, y, X_val=np.vstack([X, 1e6 * np.ones((2, 4)), -1e6 * np.ones((2, 4))]), y_val=np.r_[y, y[:4]])
    assert np.isnan(network.validation_scores_).all()
    assert np.isfinite(network.predict(X)).all()
