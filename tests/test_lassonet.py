"""LassoNet: the proximal operator is the one that mathematics defines, the path obeys the constraint and ends as it
should, and without hierarchy it is the Lasso."""

import ctypes
import pickle
import signal
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LogisticRegression, MultiTaskLasso
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import skreg.solvers.stochastic
from skreg import DivergenceError, LassoNetClassifier, LassoNetRegressor
from skreg.kernels import layout as code
from skreg.kernels.hierarchy import HIERARCHICAL
from skreg.solvers.hierarchical_path import Path

BOTH = pytest.mark.parametrize("cls", [LassoNetClassifier, LassoNetRegressor])
QUICK = {"hidden_layer_sizes": (6,), "max_iter": 20, "path_multiplier": 1.3, "random_state": 0}


def data(n_samples=120, n_features=6, seed=0):
    """(X, y): y depends on inputs 1 and 3 alone, on one of them not linearly."""
    X = np.random.default_rng(seed).normal(size=(n_samples, n_features))
    return X, X[:, 1] + X[:, 3] ** 2


def make(cls, n_samples=120, **parameters):
    X, y = data(n_samples)
    return cls(**{**QUICK, **parameters}), X, (y > 1).astype(int) if cls is LassoNetClassifier else y


# The proximal operator ---------------------------------------------------------------------------------------------


def compiled(dtype):
    stage = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 8, *[ctypes.c_double] * 3)
    return stage(HIERARCHICAL.address(dtype))


def prox(u, v, strength, hierarchy, dtype=np.float64, step=1.0):
    """(w, theta) of the kernel, for each row of u and v."""
    width, n_rows = u.shape[1] + v.shape[1], len(u)
    params = np.ascontiguousarray(np.hstack([u, v]), dtype)
    layout, penalties = np.zeros(code.N_LAYOUT, np.int64), np.zeros(code.N_PENALTIES)
    layout[code.FAN_IN], layout[code.FAN_OUT], layout[code.SKIP] = n_rows, width, v.shape[1]
    penalties[code.SKIP_NORM], penalties[code.HIERARCHY] = strength / step, hierarchy
    places = (array.ctypes.data for array in (params, params, layout, penalties))
    compiled(np.dtype(dtype))(*places, 0, n_rows, 0, code.SGD, 0.0, 0.0, step)
    return params[:, : u.shape[1]], params[:, u.shape[1] :]


def value(w, theta, u, v, strength):
    return 0.5 * ((w - u) ** 2).sum() + 0.5 * ((theta - v) ** 2).sum() + strength * np.linalg.norm(theta)


def paper(u, v, strength, hierarchy):
    """Algorithm 2 of Lemhadri et al. (2021) in its group version, with a sort: (w, theta) of one row."""
    norm, magnitudes = np.linalg.norm(v), np.sort(np.abs(u))[::-1]
    for m in range(len(u) + 1):
        scale = max(0.0, norm - strength + hierarchy * magnitudes[:m].sum()) / (1 + m * hierarchy**2)
        above = magnitudes[m - 1] if m > 0 else np.inf
        below = magnitudes[m] if m < len(u) else 0.0
        if below <= hierarchy * scale <= above:
            break
    return np.sign(u) * np.minimum(np.abs(u), hierarchy * scale), scale * v / norm


NUMBERS = st.one_of(st.floats(-5, 5, width=32), st.sampled_from([0.0, 1.0, -1.0]))


@st.composite
def rows(draw):
    n_hidden, n_outputs = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    u = np.array(draw(st.lists(NUMBERS, min_size=n_hidden, max_size=n_hidden)))
    v = np.array(draw(st.lists(NUMBERS, min_size=n_outputs, max_size=n_outputs)))
    return u, v, draw(st.floats(0, 20)), draw(st.sampled_from([0.0, 0.1, 1.0, 10.0]))


@settings(max_examples=200, deadline=None)
@given(rows(), st.integers(0, 2**31))
def test_nothing_is_better_than_the_proximal_step(row, seed):
    u, v, strength, hierarchy = row
    w, theta = (part[0] for part in prox(u[None], v[None], strength, hierarchy))
    assert (np.abs(w) <= hierarchy * np.linalg.norm(theta)).all()

    def best(length):
        """The optimum for a given |theta|."""
        direction = v / np.linalg.norm(v) if v.any() else np.eye(len(v))[0]
        inside = np.clip(u, -hierarchy * length, hierarchy * length)
        return value(inside, length * direction, u, v, strength)

    reached = value(w, theta, u, v, strength)
    largest = np.linalg.norm(v) + 10 * np.abs(u).sum() + 1
    grid = min(best(length) for length in np.linspace(0, largest, 300))
    refined = minimize_scalar(best, bounds=(0, largest), method="bounded", options={"xatol": 1e-12}).fun
    scale = 1 + value(0 * u, 0 * v, u, v, strength)
    assert reached <= min(grid, refined) + 1e-9 * scale
    rng = np.random.default_rng(seed)
    for spread in (1e-3, 1e-1, 1.0):  # and no other feasible point, whatever the argument above
        near = theta + spread * rng.normal(size=theta.shape)
        bound = hierarchy * np.linalg.norm(near)
        other = np.clip(w + spread * rng.normal(size=w.shape), -bound, bound)
        assert reached <= value(other, near, u, v, strength) + 1e-9 * scale


@settings(max_examples=100, deadline=None)
@given(rows())
def test_the_proximal_step_is_that_of_the_paper(row):
    u, v, strength, hierarchy = row
    if not v.any():
        return  # any direction is as good
    w, theta = prox(u[None], v[None], strength, hierarchy)
    expected_w, expected_theta = paper(u, v, strength, hierarchy)
    np.testing.assert_allclose(theta[0], expected_theta, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(w[0], expected_w, rtol=1e-9, atol=1e-9)


def test_each_row_has_its_own_step_in_both_precisions():
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(50, 33)), rng.normal(size=(50, 3))
    expected = [paper(*row, 2.0, 0.5) for row in zip(u, v, strict=True)]
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        for step in (1.0, 0.01):  # the optimizer's reach times lambda is the strength
            w, theta = prox(u, v, 2.0, 0.5, dtype, step)
            np.testing.assert_allclose(w, [row[0] for row in expected], atol=tolerance)
            np.testing.assert_allclose(theta, [row[1] for row in expected], atol=tolerance)
            bound = 0.5 * np.linalg.norm(theta.astype(np.float64), axis=1)
            assert (np.abs(w).max(axis=1) <= bound).all()


@pytest.mark.parametrize("place", [0, 2, 5])
def test_what_is_not_finite_does_not_become_a_zero(place):
    row = np.arange(1.0, 7.0)
    row[place] = np.nan
    _, theta = prox(row[None, :4], row[None, 4:], 100.0, 1.0)
    assert np.isnan(theta).all()


# The network -------------------------------------------------------------------------------------------------------


def by_hand(net, X):
    """Raw prediction in NumPy."""
    hidden = X
    for coef, intercept in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ coef + intercept, 0)
    return hidden @ net.coefs_[-1] + net.intercepts_[-1] + X @ net.skip_coef_


@pytest.mark.parametrize("hidden", [(7,), (5, 4)])
def test_the_prediction_is_network_plus_skip_connection(hidden):
    net, X, y = make(LassoNetRegressor, hidden_layer_sizes=hidden, n_features_to_select=4)
    for targets in (y, np.column_stack([y, -y, X[:, 0]])):
        net.fit(X, targets)
        expected = by_hand(net, X)
        np.testing.assert_allclose(net.predict(X), expected if targets.ndim == 2 else expected[:, 0], rtol=1e-9)
        np.testing.assert_allclose(net.predict(sparse.csr_array(X)), net.predict(X), rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradient_is_that_of_finite_differences(activation, form):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    net = LassoNetClassifier(**QUICK, activation=activation, n_features_to_select=3, alpha=0.1).fit(X, y)
    batch, params = net._full_batch(form(X), y, np.arange(1.0, 21.0))
    with batch:
        gradient, step = batch.smooth(params)[1], 1e-6
        for place in rng.choice(len(params), 40, replace=False):
            moved = np.eye(len(params))[place] * step
            slope = (batch.smooth(params + moved)[0] - batch.smooth(params - moved)[0]) / (2 * step)
            if place in range(4 * 9 + 6, 4 * 9 + 9):  # the skip connection has no intercepts of its own
                slope = 0.1 * params[place]
            np.testing.assert_allclose(gradient[place], slope, atol=1e-7)


def test_the_objective_has_the_penalty_on_the_skip_connection():
    net, X, y = make(LassoNetRegressor, n_features_to_select=3, alpha=0.2)
    terms = net.fit(X, y).objective(X, y)
    weights = sum((coef**2).sum() for coef in [*net.coefs_, net.skip_coef_])
    norms = np.linalg.norm(net.skip_coef_, axis=1).sum()
    np.testing.assert_allclose(terms.loss, 0.5 * ((y - net.predict(X)) ** 2).mean())
    np.testing.assert_allclose(terms.weights, 0.1 * weights + net.lambda_ * norms)


# The path ----------------------------------------------------------------------------------------------------------

EXACT = {"hidden_layer_sizes": (3,), "M": 0.0, "validation_fraction": 0, "max_iter": 5, "batch_size": 442,
         "max_iter_path": 5000, "n_iter_no_change": np.inf, "random_state": 0}  # fmt: skip


def test_without_hierarchy_it_is_the_lasso():
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), y / y.std()
    lambdas = [0.01, 0.03, 0.1, 0.3]
    for n_lambdas in range(1, len(lambdas) + 1):
        net = LassoNetRegressor(**EXACT, lambda_seq=lambdas[:n_lambdas]).fit(X, y)
        lasso = Lasso(alpha=lambdas[n_lambdas - 1], tol=1e-12, max_iter=100_000).fit(X, y)
        np.testing.assert_allclose(net.skip_coef_[:, 0], lasso.coef_, atol=1e-6)
        np.testing.assert_array_equal(net.get_support(), lasso.coef_ != 0)
        assert not net.coefs_[0].any()
        np.testing.assert_allclose(net.predict(X), lasso.predict(X), atol=1e-6)


def test_without_hierarchy_and_with_several_outputs_it_is_the_multi_task_lasso():
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), np.column_stack([y / y.std(), np.abs(X[:, 2]) * 30])
    net = LassoNetRegressor(**EXACT, lambda_seq=[0.1]).fit(X, y)
    lasso = MultiTaskLasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(net.skip_coef_.T, lasso.coef_, atol=1e-6)


def test_without_hierarchy_the_classifier_is_the_l1_logistic_regression():
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), y > np.median(y)
    net = LassoNetClassifier(**EXACT, lambda_seq=[0.02]).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        linear = LogisticRegression(C=1 / (0.02 * len(y)), l1_ratio=1.0, solver="saga", tol=1e-10, max_iter=20_000)
        linear.fit(X, y)
    np.testing.assert_allclose(net.skip_coef_.T, linear.coef_, atol=1e-4)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_constraint_holds_at_the_end_of_each_lambda(cls, dtype, monkeypatch):
    net, X, y = make(cls, M=0.3)
    record, n_bound = Path._record, []

    def checked(path, state, point):
        n_hidden = state.spec.layer_units[1]
        first = state.params[: len(state.inputs) * (n_hidden + state.spec.skip)].reshape(len(state.inputs), -1)
        bound = 0.3 * np.linalg.norm(first[:, n_hidden:].astype(np.float64), axis=1)
        largest = np.abs(first[:, :n_hidden]).max(axis=1)
        assert (largest <= bound).all()
        n_bound.append((largest > 0.999 * bound).sum())
        record(path, state, point)

    monkeypatch.setattr(Path, "_record", checked)
    net.fit(X.astype(dtype), y)
    assert net.skip_coef_.dtype == dtype
    assert len(n_bound) == len(net.path_["lambda"]) and sum(n_bound) > 5
    assert (np.abs(net.coefs_[0]).max(axis=1) <= 0.3 * np.linalg.norm(net.skip_coef_.astype(float), axis=1)).all()


@BOTH
def test_inputs_that_carry_nothing_leave_first(cls):
    net, X, y = make(cls, n_samples=600, hidden_layer_sizes=(20,), path_multiplier=1.1, max_iter=50)
    net.fit(X, y)
    assert set(np.argsort(net.feature_importances_)[-2:]) == {1, 3}
    np.testing.assert_array_equal(np.flatnonzero(net.selected(2)), [1, 3])
    assert {1, 3} <= set(net.get_support(indices=True))


def test_what_the_path_says_fits_together():
    net, X, y = make(LassoNetRegressor)
    path = net.fit(X, y).path_
    assert path["lambda"][0] == 0 and (np.diff(path["lambda"]) > 0).all()
    np.testing.assert_array_equal(path["n_features"], (path["skip_norm"] > 0).sum(axis=1))
    assert path["n_features"][0] == 6 and path["n_features"][-1] == 0
    assert (np.diff((path["skip_norm"] > 0).astype(int), axis=0) <= 0).all()  # who is out stays out
    for feature in range(6):
        first = np.flatnonzero(path["skip_norm"][:, feature] == 0)[0]
        assert net.feature_importances_[feature] == path["lambda"][first]
    best = np.argmin(path["validation_loss"])
    assert net.best_index_ == best and net.lambda_ == path["lambda"][best]
    np.testing.assert_array_equal(net.get_support(), path["skip_norm"][best] > 0)
    np.testing.assert_allclose(np.linalg.norm(net.skip_coef_, axis=1), path["skip_norm"][best], rtol=1e-12)
    assert net.n_iter_ == path["n_iter"].sum()
    for n_features in range(7):
        assert net.selected(n_features).sum() == n_features
        assert not (net.selected(n_features) & ~net.selected(min(6, n_features + 1))).any()
    assert all(len(values) == len(path["lambda"]) for values in path.values())


def test_validation_scores_are_those_of_the_kept_network():
    net, X, y = make(LassoNetRegressor)
    X_val, y_val = data(50, seed=1)
    net.fit(X, y, X_val=X_val, y_val=y_val)
    assert net.path_["validation_score"][net.best_index_] == pytest.approx(net.score(X_val, y_val))
    assert net.path_["validation_loss"][net.best_index_] == pytest.approx(
        0.5 * ((net.predict(X_val) - y_val) ** 2).mean()
    )


@BOTH
@pytest.mark.parametrize(("wanted", "number"), [(1, 1), (3, 3), (0.5, 3), (6, 6)])
def test_the_wanted_number_of_inputs_is_kept(cls, wanted, number):
    net, X, y = make(cls, n_features_to_select=wanted, path_multiplier=4.0, validation_fraction=0)
    net.fit(X, y)
    assert net.get_support().sum() == net.n_features_used_ == number == net.path_["n_features"][-1]
    assert net.transform(X).shape[1] == number
    assert np.isinf(net.feature_importances_).sum() == number


@pytest.mark.parametrize("wanted", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_wanted_number_is_kept_where_many_leave_at_once(wanted, seed):
    """Small data with a short path, and inputs that are there three times."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 12))
    X, y = np.hstack([X, X[:, :2], X[:, :2]]), X[:, 0] - 0.5 * np.abs(X[:, 1])
    net = LassoNetRegressor(random_state=seed, n_features_to_select=wanted).fit(X, y)
    assert net.n_features_used_ == net.transform(X).shape[1] == wanted
    assert net.path_["n_features"][-1] == wanted < net.path_["n_features"][-2]
    out_at_last = (net.path_["skip_norm"][-2] > 0) & ~net.get_support()
    assert (net.feature_importances_[out_at_last] == net.path_["lambda"].max()).all()
    assert np.isinf(net.feature_importances_[net.get_support()]).all()
    assert set(net.get_support(indices=True)) <= {0, 1, 12, 13, 14, 15}


def test_the_wanted_number_is_kept_with_given_lambdas_or_the_difference_is_told():
    net, X, y = make(LassoNetRegressor, n_features_to_select=2, max_iter=200, learning_rate_init=0.01)
    leaping = clone(net).set_params(lambda_seq=[1e-3, 1e6]).fit(X, y)
    assert list(leaping.get_support(indices=True)) == [1, 3]
    with pytest.warns(UserWarning, match=r"lambda_seq ends at 0\.001 with 6 inputs, .*n_features_to_select=2"):
        short = clone(net).set_params(lambda_seq=[1e-3]).fit(X, y)
    assert short.n_features_used_ == 6


def test_ctrl_c_in_the_dense_network_keeps_it(monkeypatch):
    net, X, y = make(LassoNetRegressor, max_iter=1000, n_iter_no_change=np.inf)
    real, calls = skreg.solvers.stochastic._Epochs.run, []
    monkeypatch.setattr(skreg.solvers.stochastic, "_SECONDS_AT_ONCE", 0.0)

    def run(*arguments):
        calls.append(None)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(skreg.solvers.stochastic._Epochs, "run", run)
    with pytest.warns(UserWarning) as found:
        net.fit(X, y)
    assert ["interrupted" in str(warning.message) for warning in found] == [True]
    assert net.interrupted_ and net.n_iter_ == len(calls) == 3
    assert net.path_["lambda"].tolist() == [0.0]


@pytest.mark.parametrize("lambda_start", [5.0, 1e10])
def test_a_first_lambda_that_is_too_large_is_made_smaller(lambda_start):
    net, X, y = make(LassoNetRegressor, lambda_start=lambda_start, n_features_to_select=2)
    net.fit(X, y)
    assert list(net.get_support(indices=True)) == [1, 3]
    assert 0 < net.path_["lambda"][1] < lambda_start


@pytest.mark.parametrize("rate, number", [
    ("learning_rate_init", 1e200),  # the dense network itself
    ("learning_rate_init", 1e30),  # what comes after
    ("learning_rate_path", 1e30),
])  # fmt: skip
def test_a_path_that_diverges_keeps_what_it_had(rate, number):
    """The dense network, or what that one had been before."""
    net, X, y = make(LassoNetRegressor, validation_fraction=0.0, n_features_to_select=2)
    dense = clone(net).set_params(n_features_to_select=None, lambda_seq=[1e-9], max_iter_path=1).fit(X, y)
    for fitted in clone(net), clone(net).fit(X[:, :3], y):
        with pytest.raises(DivergenceError, match=f"choose a smaller {rate}"):
            fitted.set_params(**{rate: number}).fit(X, y)
        assert fitted.path_["lambda"].tolist() == [0.0]
        assert fitted.n_features_used_ == X.shape[1]
        assert np.isfinite(fitted.predict(X)).all()
        if rate == "learning_rate_path":
            assert fitted.path_["loss"][0] == dense.path_["loss"][0]


def test_a_dense_network_that_diverges_at_once_is_an_error():
    net, X, y = make(LassoNetRegressor, learning_rate_init=1e200, random_state=0)
    with pytest.raises(DivergenceError, match="diverged in epoch 1 with learning rate 1e[+]200"):
        net.fit(X, y)


def test_a_learning_rate_that_is_too_large_is_made_smaller():
    net, X, y = make(LassoNetRegressor, learning_rate_path=1e3)
    net.fit(X, y)
    assert net.learning_rate_path_ < 10
    assert np.isfinite(net.path_["loss"]).all() and net.path_["n_features"][-1] == 0


@BOTH
def test_dropout_and_l2_penalty_take_part(cls):
    net, X, y = make(cls, n_features_to_select=3)
    plain = net.fit(X, y).coefs_[1]
    for name in ("dropout", "input_dropout", "alpha"):
        other = clone(net).set_params(**{name: 0.3}).fit(X, y)
        assert np.isfinite(other.predict(X)).all() and not np.array_equal(other.coefs_[1], plain), name


# As a part of scikit-learn -----------------------------------------------------------------------------------------


def test_it_selects_in_a_pipeline():
    X = np.random.default_rng(0).normal(size=(200, 8))
    y = X[:, 2] - X[:, 5] + 0.5 * X[:, 6] > 0
    selector = LassoNetClassifier(**QUICK, n_features_to_select=3)
    pipe = make_pipeline(StandardScaler(), selector, LogisticRegression()).fit(X, y)
    assert pipe[-1].coef_.shape == (1, 3)
    assert list(selector.get_feature_names_out()) == [f"x{i}" for i in selector.get_support(indices=True)]
    assert list(selector.get_support(indices=True)) == [2, 5, 6]
    assert pipe.score(X, y) > 0.9


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_kinds_of_classes(kind):
    X, y = data()
    labels = {"binary": np.where(y > 1, "yes", "no"), "multiclass": np.digitize(y, [0, 1, 2]),
              "multilabel": np.column_stack([y > 0, y > 1, X[:, 0] > 0]).astype(int)}[kind]  # fmt: skip
    weights = {"yes": 2.0, "no": 1.0} if kind == "binary" else None
    net = LassoNetClassifier(**QUICK, class_weight=weights, n_features_to_select=4).fit(X, labels)
    assert net.predict(X).shape == labels.shape
    assert net.score(X, labels) > {"binary": 0.7, "multiclass": 0.5, "multilabel": 0.4}[kind]
    assert net.predict_proba(X).shape == (120, {"binary": 2, "multiclass": 4, "multilabel": 3}[kind])


@BOTH
def test_a_weight_of_two_is_the_row_twice(cls):
    parameters = {"batch_size": 500, "validation_fraction": 0, "n_features_to_select": 3, "learning_rate_path": 0.05,
                  "max_iter": 5, "lambda_start": 0.1}  # fmt: skip
    net, X, y = make(cls, **parameters)
    weights = np.random.default_rng(0).integers(1, 4, len(y))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "batch_size=500 is larger", UserWarning)
        weighted = clone(net).fit(X, y, weights)
        repeated = clone(net).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.skip_coef_, repeated.skip_coef_, rtol=1e-6, atol=1e-9)


@BOTH
def test_sparse_data_and_copies_and_another_number_of_threads_give_the_same(cls, monkeypatch):
    net, X, y = make(cls, n_features_to_select=3)
    X = X * (np.abs(X) > 0.5)
    net.fit(X, y)
    for name in ("coefs_", "skip_coef_"):
        for other in (pickle.loads(pickle.dumps(net)), clone(net).fit(np.asfortranarray(X), y)):
            np.testing.assert_array_equal(np.hstack(getattr(other, name)[:1]), np.hstack(getattr(net, name)[:1]))
    from_sparse = clone(net).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(from_sparse.skip_coef_, net.skip_coef_, atol=1e-6)
    monkeypatch.setattr("skreg._team.n_cores", lambda: 2)
    monkeypatch.setattr("skreg._team.WORTH_A_TEAM", 0)
    np.testing.assert_array_equal(clone(net).fit(X, y).skip_coef_, net.skip_coef_)


@BOTH
def test_passes_the_checks_of_scikit_learn(cls):
    # Of rows and their weights, each batch and the validation split see some only: see test_estimator_checks.py.
    impossible = {
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(cls((10,), path_multiplier=1.5, max_iter_path=20), on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert {check: error for check, error in failed.items() if check not in impossible} == {}


# Refused -----------------------------------------------------------------------------------------------------------

REFUSED = [
    ({"hidden_layer_sizes": ()}, "hidden_layer_sizes is empty, but LassoNet needs a hidden layer"),
    ({"M": -1.0}, "'M' parameter"),
    ({"M": np.inf}, "'M' parameter"),
    ({"path_multiplier": 1.0}, "'path_multiplier' parameter"),
    ({"lambda_start": 0.0}, "'lambda_start' parameter"),
    ({"lambda_start": "first"}, "'lambda_start' parameter"),
    ({"n_features_to_select": 0}, "'n_features_to_select' parameter"),
    ({"n_features_to_select": 7}, "n_features_to_select=7 is more than the 6 features of X"),
    ({"n_features_to_select": 1.5}, "'n_features_to_select' parameter"),
    ({"lambda_seq": [0.1, 0.1]}, "lambda_seq must be finite numbers > 0, each larger than the one before"),
    ({"lambda_seq": [0.0, 0.1]}, "lambda_seq must be finite numbers > 0"),
    ({"lambda_seq": []}, "lambda_seq must be finite numbers > 0"),
    ({"lambda_seq": [0.1], "lambda_start": 0.1}, "lambda_seq gives all lambdas, so lambda_start must be 'auto'"),
    ({"validation_fraction": 0}, "validation_fraction=0 leaves nothing to choose lambda by"),
    ({"max_iter_path": 0}, "'max_iter_path' parameter"),
    ({"learning_rate_path": 0.0}, "'learning_rate_path' parameter"),
    ({"alpha": -1.0}, "'alpha' parameter"),
    ({"alpha": [0.1]}, "alpha must be a number or have one entry for each of the 2 layers of weights"),
]


@BOTH
@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_what_makes_no_sense_is_refused(cls, parameters, message):
    net, X, y = make(cls, **parameters)
    before = dict(vars(net))
    with pytest.raises(ValueError, match=message):
        net.fit(X, y)
    assert vars(net) == before


@BOTH
@pytest.mark.parametrize("name", ["partial_fit", "kkt_residual", "prune"])
def test_what_a_path_cannot_do_is_not_there(cls, name):
    assert not hasattr(cls(), name)


def test_draws_of_dropout_masks_are_refused():
    net, X, y = make(LassoNetRegressor, n_features_to_select=3, dropout=0.2)
    with pytest.raises(ValueError, match="return_std=True is not available for a LassoNetRegressor: fit a network"):
        net.fit(X, y).predict(X, return_std=True)


def test_a_number_of_inputs_that_there_is_not_is_refused():
    net, X, y = make(LassoNetRegressor, n_features_to_select=3)
    net.fit(X, y)
    for n_features in (-1, 7, 1.5):
        with pytest.raises(ValueError, match="n_features must be a whole number from 0 to 6"):
            net.selected(n_features)
