"""Without hidden layers the networks are scikit-learn's linear models: same coefficients, same zeros, same strengths.

Also the conversions between `alpha` and the strengths of other libraries that the user guide states.
"""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor

from .conftest import relative_error

# No deprecated parameter is used on either side, and lbfgs and all of scikit-learn's solvers converge. Of mini-batch
# training it is only asked where it ends after a given number of epochs.
pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

KKT_TOLERANCE = 1e-6
# Of the largest coefficient. The last steps are Newton's, and so it is better than that residual alone would make it.
TOLERANCE = 1e-6


def draw_plain(rng, n, p):
    return rng.randn(n, p)


def draw_correlated(rng, n, p):
    """Correlations of about 0.9 between all columns."""
    return rng.randn(n, p) + 3 * rng.randn(n, 1)


def draw_constant(rng, n, p):
    X = rng.randn(n, p)
    X[:, 1] = 1.5
    return X


def draw_counts(rng, n, p):
    """Mostly zeros, means far from zero: what sparse data look like."""
    return rng.poisson(0.5, (n, p)).astype(float)


DESIGNS = {
    "plain": (draw_plain, 60, 8),
    "correlated": (draw_correlated, 60, 8),
    "constant column": (draw_constant, 60, 8),
    "counts": (draw_counts, 60, 8),
    "more columns than rows": (draw_plain, 30, 50),
}


def draw_problem(design, kind, seed, weighted):
    """(X, y, weights or None)."""
    draw, n, p = DESIGNS[design]
    rng = np.random.RandomState(seed)
    X = draw(rng, n, p)
    coef = np.where(np.arange(p) < 4, rng.uniform(1, 2, p) * rng.choice([-1, 1], p), 0) / 2
    signal = (X - X.mean(axis=0)) @ coef
    y = {
        "regression": lambda: 3 * signal + rng.randn(n) + 2,
        "three targets": lambda: signal[:, None] * [1, -2, 0] + X[:, :3] + rng.randn(n, 3) - 1,
        "counts": lambda: rng.poisson(np.exp(np.clip(signal / 3, -2, 2))).astype(float),
        "binary": lambda: (signal + rng.randn(n) > 0).astype(int),
        "three classes": lambda: np.digitize(signal + rng.randn(n), [-1, 1]),
    }[kind]()
    weights = None
    if weighted:
        # At most 1: the steps of scikit-learn's saga are too long for larger weights, and it never ends.
        weights = (rng.randint(0, 4, n) + rng.rand(n)) / 4
    return X, y, weights


def logistic(alpha, total, l1_ratio):
    """`total` is the sum of the weights: the n of C = 1 / (n alpha)."""
    solver = "newton-cholesky" if l1_ratio == 0 else "saga"
    return LogisticRegression(
        C=1 / (total * alpha), l1_ratio=l1_ratio, solver=solver, tol=1e-10, max_iter=10**5, random_state=0
    )


EXACT_LASSO = {"tol": 1e-14, "max_iter": 10**6}

# name: (kind of target, alphas, our parameters, scikit-learn's model of alpha and the sum of weights)
MODELS = {
    "LinearRegression": (
        "regression", [1.0], {"penalty": None}, lambda alpha, total: LinearRegression(),
    ),
    "Lasso": (
        "regression", [1.0, 0.03], {"penalty": "l1"}, lambda alpha, total: Lasso(alpha=alpha, **EXACT_LASSO),
    ),
    "Lasso of three targets": (
        "three targets", [0.3], {"penalty": "l1"}, lambda alpha, total: Lasso(alpha=alpha, **EXACT_LASSO),
    ),
    "ElasticNet": (
        "regression", [1.0, 0.03], {"penalty": "elasticnet", "l1_ratio": 0.7},
        lambda alpha, total: ElasticNet(alpha=alpha, l1_ratio=0.7, **EXACT_LASSO),
    ),
    "Ridge: alpha = n * alpha": (
        "regression", [1.0, 0.03], {"penalty": "l2"}, lambda alpha, total: Ridge(alpha=total * alpha),
    ),
    "Ridge of three targets": (
        "three targets", [0.1], {"penalty": "l2"}, lambda alpha, total: Ridge(alpha=total * alpha),
    ),
    "PoissonRegressor": (
        "counts", [0.1], {"loss": "poisson"},
        lambda alpha, total: PoissonRegressor(alpha=alpha, tol=1e-10, max_iter=10**4, solver="newton-cholesky"),
    ),
    "LogisticRegression: C = 1 / (n * alpha)": (
        "binary", [0.3, 0.01], {"penalty": "l2"}, lambda alpha, total: logistic(alpha, total, 0),
    ),
    "LogisticRegression, l1": (
        "binary", [0.1, 0.03], {"penalty": "l1"}, lambda alpha, total: logistic(alpha, total, 1),
    ),
    "LogisticRegression, elastic net": (
        "binary", [0.1], {"penalty": "elasticnet", "l1_ratio": 0.4}, lambda alpha, total: logistic(alpha, total, 0.4),
    ),
    "LogisticRegression, three classes": (
        "three classes", [0.1], {"penalty": "l2"}, lambda alpha, total: logistic(alpha, total, 0),
    ),
    "LogisticRegression, three classes, l1": (
        "three classes", [0.05], {"penalty": "l1"}, lambda alpha, total: logistic(alpha, total, 1),
    ),
}  # fmt: skip


def make_ours(kind, **parameters):
    cls = MLPClassifier if kind in ("binary", "three classes") else MLPRegressor
    return cls((), **{"solver": "lbfgs", "max_iter": 10_000, **parameters})


def coefs_of(ours, theirs):
    """(coef_, intercept_) of both in our shape; the intercepts of three classes have mean 0."""
    intercepts = [ours.intercepts_[0], np.atleast_1d(theirs.intercept_)]
    if len(getattr(ours, "classes_", ())) > 2:  # softmax does not see their mean
        intercepts = [b - b.mean() for b in intercepts]
    return ours.coefs_[0], np.atleast_2d(theirs.coef_).T, *intercepts


def assert_same_model(ours, theirs, tolerance=TOLERANCE):
    """Within the tolerance, and with the same zeros if there is an l1 term (Ridge has zeros by accident only)."""
    coef, expected, intercept, expected_intercept = coefs_of(ours, theirs)
    assert relative_error([coef], [expected]) < tolerance
    assert relative_error([intercept, [1.0]], [expected_intercept, [1.0]]) < 10 * tolerance
    if ours.penalty in ("l1", "elasticnet"):
        np.testing.assert_array_equal(coef == 0, expected == 0)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [0, 1])
def test_same_coefficients_and_same_zeros(name, design, weighted, seed):
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, weights = draw_problem(design, kind, seed, weighted)
    total = len(X) if weights is None else weights.sum()
    for alpha in alphas:
        ours = make_ours(kind, alpha=alpha, **parameters).fit(X, y, weights)
        theirs = make_theirs(alpha, total).fit(X, y, weights)
        assert ours.kkt_residual(X, y, weights) <= KKT_TOLERANCE
        if name == "LinearRegression" and design in ("more columns than rows", "constant column"):
            # The coefficients are not unique, the predictions are.
            assert relative_error([ours.predict(X)], [theirs.predict(X)]) < TOLERANCE
        else:
            assert_same_model(ours, theirs)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix, np.asfortranarray])
@pytest.mark.parametrize("name", MODELS)
def test_same_coefficients_for_every_form_of_x(name, form):
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, weights = draw_problem("counts", kind, 2, True)
    ours = make_ours(kind, alpha=alphas[-1], **parameters).fit(form(X), y, weights)
    theirs = make_theirs(alphas[-1], weights.sum()).fit(X, y, weights)
    assert_same_model(ours, theirs)
    assert ours.kkt_residual(form(X), y, weights) <= KKT_TOLERANCE


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("name", MODELS)
def test_same_coefficients_in_single_precision(name, form):
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, weights = draw_problem("plain", kind, 3, True)
    X = X.astype(np.float32)
    ours = make_ours(kind, alpha=alphas[-1], **parameters).fit(form(X), y, weights)
    assert ours.coefs_[0].dtype == ours.intercepts_[0].dtype == np.float32
    y = y.astype(np.float32) if kind == "regression" else y  # what ours was given to fit
    assert_same_model(ours, make_theirs(alphas[-1], weights.sum()).fit(X.astype(np.float64), y, weights))


@pytest.mark.parametrize("name", ["Lasso", "Ridge: alpha = n * alpha", "LogisticRegression: C = 1 / (n * alpha)"])
def test_a_smaller_tol_gives_more_digits(name):
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, _ = draw_problem("plain", kind, 4, False)
    ours = make_ours(kind, alpha=alphas[0], tol=1e-10, **parameters).fit(X, y)
    theirs = make_theirs(alphas[0], len(X))
    assert_same_model(ours, theirs.fit(X, y), tolerance=1e-8)
    assert ours.kkt_residual(X, y) <= 1e-8


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("of", ["X", "y"])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_units_do_not_matter(penalty, of, unit):
    """A target in other units needs an l1 strength in those units, a column an l2 strength in their square."""
    X, y, _ = draw_problem("plain", "regression", 6, False)
    plain = make_ours("regression", penalty=penalty, alpha=0.3).fit(X, y).coefs_[0]
    X_unit, y_unit = (unit, 1.0) if of == "X" else (1.0, unit)
    alpha = 0.3 * (X_unit * y_unit if penalty == "l1" else X_unit**2)
    scaled = make_ours("regression", penalty=penalty, alpha=alpha).fit(X_unit * X, y_unit * y).coefs_[0]
    assert relative_error([scaled * X_unit / y_unit], [plain]) < TOLERANCE
    if penalty == "l1":
        np.testing.assert_array_equal(scaled == 0, plain == 0)


@pytest.mark.parametrize("name", ["Lasso", "Ridge: alpha = n * alpha", "LogisticRegression, l1", "PoissonRegressor"])
@pytest.mark.parametrize("design", ["plain", "more columns than rows"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_columns_far_from_zero(name, design, form):
    """Such as years: the intercept makes up for it, and the coefficients are those of the centred columns."""
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, _ = draw_problem(design, kind, 0, False)
    signs = np.random.RandomState(1).choice([-1, 1], X.shape[1])
    ours = make_ours(kind, alpha=alphas[-1], **parameters).fit(form(X + 100 * signs), y)
    theirs = make_theirs(alphas[-1], len(X)).fit(X, y)
    assert relative_error([ours.coefs_[0]], [theirs.coef_]) < TOLERANCE
    if ours.penalty == "l1":
        np.testing.assert_array_equal(ours.coefs_[0].ravel() == 0, theirs.coef_.ravel() == 0)


@pytest.mark.parametrize("name", ["LinearRegression", "LogisticRegression: C = 1 / (n * alpha)", "PoissonRegressor"])
@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1.0, 1e4])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("seed", range(5))
def test_a_constant_column_has_no_weight(name, constant, form, seed):
    """It is the intercept once more."""
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, weights = draw_problem("plain", kind, seed, weighted=True)
    theirs = make_theirs(alphas[0], weights.sum()).fit(X, y, weights)
    ours = make_ours(kind, alpha=alphas[0], **parameters)
    ours.fit(form(np.insert(X, 2, constant, axis=1)), y, weights)
    assert ours.coefs_[0][2, 0] == 0.0
    assert relative_error([np.delete(ours.coefs_[0], 2)], [theirs.coef_.ravel()]) < TOLERANCE


@pytest.mark.parametrize("deviation", [1e-15, 1e-12, 1e-11])
@pytest.mark.parametrize("seed", range(5))
def test_a_column_that_is_almost_constant_disturbs_nothing(deviation, seed):
    X, y, _ = draw_problem("plain", "regression", seed, False)
    theirs = LinearRegression().fit(X, y)
    almost = 1 + deviation * np.random.RandomState(seed).randn(len(X))
    ours = make_ours("regression", penalty=None).fit(np.insert(X, 2, almost, axis=1), y)
    assert relative_error([np.delete(ours.coefs_[0], 2)], [theirs.coef_]) < TOLERANCE


@pytest.mark.parametrize("loss", ["gamma", "poisson", "squared_error"])
@pytest.mark.parametrize("seed", range(10))
def test_a_constant_target_is_the_intercept(loss, seed):
    rng = np.random.RandomState(seed)
    X, weights = rng.randn(30, 4), rng.rand(30)
    ours = make_ours("regression", loss=loss, penalty=None).fit(X, np.full(30, 7.4), weights)
    np.testing.assert_allclose(ours.coefs_[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X), 7.4, rtol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "three classes"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}], ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
def test_class_weights(kind, class_weight, weighted):
    """They are multiplied with the sample weights, and n is the sum of the products."""
    X, y, weights = draw_problem("plain", kind, 8, weighted)
    weights = np.ones(len(X)) if weights is None else weights
    if class_weight == "balanced":
        total = weights.sum()
    else:
        class_weight = {k: class_weight[k] for k in np.unique(y)}
        total = sum(class_weight[k] * weights[y == k].sum() for k in class_weight)
    ours = make_ours(kind, alpha=0.1, class_weight=class_weight).fit(X, y, weights)
    theirs = logistic(0.1, total, 0).set_params(class_weight=class_weight).fit(X, y, weights)
    assert_same_model(ours, theirs)


REAL = {
    "diabetes": (load_diabetes, "regression", "Lasso"),
    "diabetes, Ridge": (load_diabetes, "regression", "Ridge: alpha = n * alpha"),
    "breast cancer": (load_breast_cancer, "binary", "LogisticRegression, l1"),
    "iris": (load_iris, "three classes", "LogisticRegression, three classes"),
}


@pytest.mark.parametrize("name", REAL)
def test_same_coefficients_on_real_data(name):
    load, kind, model = REAL[name]
    _, alphas, parameters, make_theirs = MODELS[model]
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    for alpha in alphas:
        ours = make_ours(kind, alpha=alpha, **parameters).fit(X, y)
        assert ours.kkt_residual(X, y) <= KKT_TOLERANCE
        assert_same_model(ours, make_theirs(alpha, len(X)).fit(X, y))


def test_raw_diabetes_data():
    """Columns of length 1 and targets of 150: as scikit-learn's examples give them to Lasso."""
    X, y = load_diabetes(return_X_y=True)
    for alpha in (1.0, 0.1, 0.001):
        ours = MLPRegressor((), penalty="l1", alpha=alpha, solver="lbfgs", max_iter=10**4).fit(X, y)
        assert ours.kkt_residual(X, y) <= KKT_TOLERANCE
        assert_same_model(ours, Lasso(alpha=alpha, **EXACT_LASSO).fit(X, y))


# Where the last coefficient vanishes -----------------------------------------------------------------------------


def smallest_alpha_without_coefficients(X, y, weights):
    """Largest |covariance| of a column and the target: the gradient at the model that is an intercept only."""
    weights = np.ones(len(X)) if weights is None else weights
    y = y - np.average(y, weights=weights)
    return np.abs(X.T @ (weights * y)).max() / weights.sum()


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
@pytest.mark.parametrize("kind", ["regression", "binary"])
@pytest.mark.parametrize("seed", range(3))
def test_alpha_max(kind, design, weighted, seed):
    X, y, weights = draw_problem(design, kind, seed, weighted)
    alpha_max = smallest_alpha_without_coefficients(X, y, weights)
    for factor, all_zero in ((1 + 1e-5, True), (1.0, True), (0.99, False)):
        fitted = make_ours(kind, penalty="l1", alpha=factor * alpha_max).fit(X, y, weights)
        assert (fitted.coefs_[0] == 0).all() == all_zero
        mean = np.average(y, weights=weights)
        if all_zero:
            expected = np.log(mean / (1 - mean)) if kind == "binary" else mean
            np.testing.assert_allclose(fitted.intercepts_[0], expected, rtol=1e-5, atol=1e-5)


# The intercept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_bias_penalty_is_the_penalty_on_a_column_of_ones(l1_ratio, weighted, seed):
    X, y, weights = draw_problem("plain", "regression", seed, weighted)
    ours = make_ours(
        "regression", penalty="elasticnet", alpha=0.4, l1_ratio=l1_ratio, bias_penalty=0.4, bias_l1_ratio=l1_ratio
    ).fit(X, y, weights)
    with_ones = np.column_stack([X, np.ones(len(X))])
    if l1_ratio == 0:
        total = len(X) if weights is None else weights.sum()
        theirs = Ridge(alpha=0.4 * total, fit_intercept=False)
    else:
        theirs = ElasticNet(alpha=0.4, l1_ratio=l1_ratio, fit_intercept=False, **EXACT_LASSO)
    theirs.fit(with_ones, y, weights)
    assert relative_error([ours.coefs_[0], ours.intercepts_[0]], [theirs.coef_]) < TOLERANCE


def test_bias_penalty_on_centred_columns_shrinks_the_intercept_alone():
    """It is mean(y) / (1 + beta), or mean(y) - beta with l1."""
    X, y, _ = draw_problem("plain", "regression", 0, False)
    X = X - X.mean(axis=0)
    for l1_ratio, expected in ((0.0, y.mean() / 1.3), (1.0, y.mean() - 0.3)):
        ours = make_ours("regression", alpha=0.1, bias_penalty=0.3, bias_l1_ratio=l1_ratio).fit(X, y)
        np.testing.assert_allclose(ours.intercepts_[0], expected, rtol=1e-6)
        np.testing.assert_allclose(ours.coefs_[0][:, 0], Ridge(alpha=0.1 * len(X)).fit(X, y).coef_, rtol=1e-4)


# The other solvers -----------------------------------------------------------------------------------------------

STOCHASTIC = {
    "adam": {"solver": "adam", "learning_rate_init": 0.003, "max_iter": 6000},
    "sgd": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.02, "max_iter": 3000},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.02, "max_iter": 3000},
}


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", MODELS)
def test_full_batches_lead_to_the_same_model(name, solver):
    """To 1e-3, and for gradient descent with momentum to the same zeros."""
    kind, alphas, parameters, make_theirs = MODELS[name]
    X, y, weights = draw_problem("plain", kind, 5, True)
    fitted = make_ours(
        kind, alpha=alphas[0], batch_size=len(X), tol=0.0, n_iter_no_change=np.inf, random_state=0, **parameters,
        **STOCHASTIC[solver],
    ).fit(X, y, weights)  # fmt: skip
    assert_same_model(fitted, make_theirs(alphas[0], weights.sum()).fit(X, y, weights), tolerance=1e-3)


# Strengths in other libraries ------------------------------------------------------------------------------------


def fit_network(X, y, **parameters):
    """A small network, anywhere: the value of its penalty is compared with another library's formula."""
    return MLPRegressor((4, 3), "tanh", max_iter=2, random_state=0, **parameters).fit(X, y)


PENALTY_FORMULAS = {
    # name: (our parameters for the strength a or lambda = 0.3 with n = 60 rows, their penalty on one layer's weights)
    "Keras l1(a)": ({"alpha": 0.3, "penalty": "l1"}, lambda w: 0.3 * np.abs(w).sum()),
    "Keras l2(a)": ({"alpha": 2 * 0.3, "penalty": "l2"}, lambda w: 0.3 * (w**2).sum()),
    "Keras l1_l2(a, b)": (
        {"alpha": 0.3 + 2 * 0.1, "penalty": "elasticnet", "l1_ratio": 0.3 / (0.3 + 2 * 0.1)},
        lambda w: 0.3 * np.abs(w).sum() + 0.1 * (w**2).sum(),
    ),
    "textbook lambda / (2 n) sum w^2": ({"alpha": 0.3 / 60, "penalty": "l2"}, lambda w: 0.3 / (2 * 60) * (w**2).sum()),
    "no penalty": ({"alpha": 0.3, "penalty": None}, lambda w: 0.0),
}


@pytest.mark.parametrize("name", PENALTY_FORMULAS)
def test_penalties_of_other_libraries(name):
    parameters, formula = PENALTY_FORMULAS[name]
    X, y, _ = draw_problem("plain", "regression", 0, False)
    network = fit_network(X, y, **parameters)
    expected = sum(formula(w) for w in network.coefs_)
    np.testing.assert_allclose(network.objective(X, y).weights, expected, rtol=1e-13)


SKLEARN_KINDS = {
    "one target": (MLPRegressor, SklearnRegressor, "regression", {}),
    "three targets": (MLPRegressor, SklearnRegressor, "three targets", {}),
    "counts": (MLPRegressor, SklearnRegressor, "counts", {"loss": "poisson"}),
    "binary": (MLPClassifier, SklearnClassifier, "binary", {}),
    "three classes": (MLPClassifier, SklearnClassifier, "three classes", {}),
    "labels": (MLPClassifier, SklearnClassifier, "labels", {}),
}
SKLEARN_OPTIMIZERS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.8},
    "Nesterov": {"solver": "sgd", "momentum": 0.8},
    "invscaling": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling", "power_t": 0.3},
}


def fit_both(name, X, y, alpha, batch_size, weights=None, **parameters):
    """Our network and scikit-learn's, trained on the same batches; `alpha` is theirs: ours times the batch size."""
    ours, theirs, _, extra = SKLEARN_KINDS[name]
    parameters = {
        "hidden_layer_sizes": (6, 4), "batch_size": batch_size, "shuffle": False, "random_state": 3, "max_iter": 4,
        "learning_rate_init": 0.01, **extra, **parameters,
    }  # fmt: skip
    penalty = {"penalty": "l2", "alpha": alpha / batch_size} if alpha > 0 else {"penalty": None}
    fitted = [ours(**penalty, **parameters), theirs(alpha=alpha, **parameters)]
    return [model.fit(X, y, sample_weight=weights) for model in fitted]


def draw_sklearn_problem(name):
    kind = SKLEARN_KINDS[name][2]
    X, y, _ = draw_problem("plain", "regression" if kind == "labels" else kind, 7, False)
    return X, np.column_stack([y > 2, y < 1, X[:, 0] > 0]).astype(int) if kind == "labels" else y


def layers_of(network):
    return [*network.coefs_, *network.intercepts_]


ACTIVATIONS_TRIED = {"adam": ["identity", "logistic", "tanh", "relu"]}


@pytest.mark.parametrize("name", SKLEARN_KINDS)
@pytest.mark.parametrize(
    ("optimizer", "activation"), [(o, a) for o in SKLEARN_OPTIMIZERS for a in ACTIVATIONS_TRIED.get(o, ["relu"])]
)
@pytest.mark.parametrize(
    ("batch_size", "alpha"),
    [(12, 0.0), (12, 0.5), (60, 0.5)],
    ids=["no penalty", "alpha * batch_size, batches", "alpha * batch_size, one batch"],
)
def test_trains_as_sklearns_mlp(name, optimizer, activation, batch_size, alpha):
    """The same weights after four epochs from the same random_state, where all batches are full."""
    X, y = draw_sklearn_problem(name)
    ours, theirs = fit_both(name, X, y, alpha, batch_size, activation=activation, **SKLEARN_OPTIMIZERS[optimizer])
    assert relative_error(layers_of(ours), layers_of(theirs)) < 1e-10


@pytest.mark.parametrize("name", SKLEARN_KINDS)
def test_l2_of_sklearns_mlp_would_be_seen_if_it_were_not_converted(name):
    """The same alpha on both sides is not the same model: the test above can fail."""
    X, y = draw_sklearn_problem(name)
    ours, theirs = fit_both(name, X, y, 0.5, 12, activation="tanh")
    ours.set_params(alpha=0.5).fit(X, y)
    assert relative_error(ours.coefs_, theirs.coefs_) > 1e-3


@pytest.mark.parametrize("name", ["one target", "binary"])
def test_objective_is_the_loss_that_sklearns_mlp_reports(name):
    """One full batch of learning rate nearly 0: their loss_ is F of the first weights."""
    X, y = draw_sklearn_problem(name)
    ours, theirs = fit_both(name, X, y, 0.5, 60, max_iter=1, learning_rate_init=1e-15)
    np.testing.assert_allclose(ours.objective(X, y).value, theirs.loss_, rtol=1e-10)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-10)


@pytest.mark.parametrize("name", ["one target", "three targets", "binary", "three classes"])
def test_sample_weights_of_mean_one_as_sklearns_mlp(name):
    """They divide by the size of the batch, not by its weight: the same where the weights have mean 1."""
    X, y = draw_sklearn_problem(name)
    weights = np.random.RandomState(0).uniform(0.1, 2, len(X))
    weights /= weights.mean()
    ours, theirs = fit_both(name, X, y, 0.5, 60, weights, solver="sgd", momentum=0.0)
    assert relative_error(layers_of(ours), layers_of(theirs)) < 1e-10
