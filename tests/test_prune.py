"""Importances of inputs, and the smaller network that predicts the same."""

import copy
import pickle
import time
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor

from .reference import ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("error")

forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array], ids=["dense", "CSR", "CSC"])
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def data(dtype=np.float64, n_features=12):
    X = np.random.default_rng(0).normal(size=(80, n_features)).astype(dtype)
    return X, (X[:, 0] - X[:, 1] + X[:, 2] ** 2 > 0.5).astype(int)


def with_holes(cls, dtype=np.float64, activation="tanh", seed=0, **parameters):
    """A network with dead inputs, units without effect, and constant units, some only because of others."""
    X, y = data(dtype)
    net = cls((9, 8, 7), activation, max_iter=2, random_state=seed, **parameters).fit(X, y)
    first, second, third, last = net.coefs_
    first[[1, 4, 5, 11]] = 0  # inputs
    first[:, [0, 3]] = 0  # constant
    second[[3, 6]] = 0  # without effect; 3 is constant as well
    second[:, 2] = 0
    second[[1, 2, 4, 5, 7, 8], 5] = 0  # 5 sees only the constant unit 0: constant at second sight
    third[[1, 7]] = 0
    last[4] = 0
    third[[0, 2, 3, 4, 5, 6], 4] = 0
    return net, X, y


@dtypes
@forms
@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_are_equal_to_rounding(dtype, form, cls, activation):
    net, X, _ = with_holes(cls, dtype, activation)
    small = net.prune()
    predict = "predict" if cls is MLPRegressor else "predict_proba"
    found, expected = getattr(small, predict)(form(X)), getattr(net, predict)(form(X))
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=50 * np.finfo(dtype).eps, atol=50 * np.finfo(dtype).eps)
    assert small.hidden_layer_sizes == (6, 4, 6)
    assert small.kept_features_.tolist() == [0, 2, 3, 6, 7, 8, 9, 10]
    assert [coef.shape for coef in small.coefs_] == [(8, 6), (6, 4), (4, 6), (6, 1)]
    assert all(coef.any(axis=0).all() and coef.any(axis=1).all() for coef in small.coefs_)


@dtypes
def test_with_batch_norm(dtype):
    net, X, y = with_holes(MLPRegressor, dtype, batch_norm=True)
    for means, variances in zip(net.norm_means_, net.norm_variances_, strict=True):
        means += np.linspace(-1, 1, len(means), dtype=dtype)
        variances += np.linspace(0, 1, len(means), dtype=dtype)
    small = net.prune()
    assert small.hidden_layer_sizes == (6, 4, 6)
    assert [len(scale) for scale in small.norm_scales_] == [6, 4, 6]
    tolerance = 500 * np.finfo(dtype).eps
    np.testing.assert_allclose(small.predict(X), net.predict(X), rtol=tolerance, atol=tolerance)
    before = [mean.copy() for mean in net.norm_means_]
    small.partial_fit(X, y)
    for old, now in zip(before, net.norm_means_, strict=True):
        np.testing.assert_array_equal(old, now)


def test_with_layer_norm_only_inputs_go():
    net, X, _ = with_holes(MLPRegressor, layer_norm=True)
    small = net.prune()
    assert small.hidden_layer_sizes == (9, 8, 7)
    assert len(small.kept_features_) == 8
    np.testing.assert_allclose(small.predict(X), net.predict(X), rtol=1e-12)


def test_nothing_to_prune_is_the_same_network():
    X, y = data()
    net = MLPRegressor((5, 3), max_iter=2, random_state=0).fit(X, y)
    small = net.prune()
    np.testing.assert_array_equal(small.predict(X), net.predict(X))
    assert small.hidden_layer_sizes == (5, 3)
    assert small.kept_features_.tolist() == list(range(12))


def test_the_network_itself_stays_as_it_was():
    net, X, _ = with_holes(MLPRegressor)
    before = copy.deepcopy(vars(net))
    small = net.prune()
    small.coefs_[0][:] = 7
    for name, value in before.items():
        assert repr(vars(net)[name]) == repr(value), name


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_a_network_that_is_constant(layer):
    """All weights of a layer are zero: one unit of each layer is left, and one input."""
    net, X, _ = with_holes(MLPRegressor)
    net.coefs_[layer][:] = 0
    small = net.prune()
    np.testing.assert_allclose(small.predict(X), net.predict(X), rtol=1e-14)
    assert sum(coef.size for coef in small.coefs_) == 4
    np.testing.assert_array_equal(small.prune().predict(X), small.predict(X))


def test_a_linear_model():
    X, y = data()
    net = MLPRegressor((), penalty="l1", alpha=0.05, solver="lbfgs").fit(X, y)
    small = net.prune()
    assert 0 < len(small.kept_features_) < 12
    assert small.hidden_layer_sizes == ()
    np.testing.assert_array_equal(small.kept_features_, np.flatnonzero(net.coefs_[0][:, 0]))
    np.testing.assert_allclose(small.predict(X), net.predict(X), rtol=1e-13)


def test_what_is_pruned_twice_is_pruned_once():
    net, X, _ = with_holes(MLPClassifier)
    once = net.prune()
    twice = once.prune()
    np.testing.assert_array_equal(once.kept_features_, twice.kept_features_)
    once.coefs_[0][2] = 0
    less = once.prune()
    assert less.kept_features_.tolist() == [0, 2, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(less.predict_proba(X), once.predict_proba(X), rtol=1e-13)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_it_can_be_copied_and_pickled(copier):
    net, X, y = with_holes(MLPClassifier)
    small = net.prune()
    np.testing.assert_array_equal(copier(small).predict_proba(X), small.predict_proba(X))
    assert len(pickle.dumps(small)) < len(pickle.dumps(net))
    assert clone(small).get_params()["hidden_layer_sizes"] == (6, 4, 6)
    assert clone(small).fit(X, y).kept_features_ is None


@forms
def test_training_goes_on_with_the_inputs_that_are_left(form):
    net, X, y = with_holes(MLPClassifier)
    X_kept = X[:, net.prune().kept_features_]
    alone = net.prune()
    alone.n_features_in_, alone.kept_features_ = X_kept.shape[1], None
    alone.partial_fit(form(X_kept), y, X_val=X_kept, y_val=y)
    small = net.prune().partial_fit(form(X), y, X_val=X, y_val=y)
    np.testing.assert_array_equal(small.predict_proba(X), alone.predict_proba(X_kept))
    assert small.validation_loss_curve_ == alone.validation_loss_curve_
    assert small.objective(X, y) == alone.objective(X_kept, y)
    warm = net.prune().set_params(warm_start=True, max_iter=1).fit(X, y)
    assert [coef.shape for coef in warm.coefs_] == [(8, 6), (6, 4), (4, 6), (6, 1)]
    anew = net.prune().fit(form(X), y)
    assert [coef.shape for coef in anew.coefs_] == [(12, 6), (6, 4), (4, 6), (6, 1)]
    assert anew.kept_features_ is None


def test_its_inputs_are_checked_as_before():
    net, X, _ = with_holes(MLPRegressor)
    small = net.prune()
    with pytest.raises(ValueError, match="X has 8 features, but MLPRegressor is expecting 12"):
        small.predict(X[:, small.kept_features_])
    bad = X.copy()
    bad[3, 1] = np.nan  # in a column that is not used
    with pytest.raises(ValueError, match="NaN"):
        small.predict(bad)


def test_an_unfitted_network_has_nothing_to_prune():
    net = MLPRegressor()
    with pytest.raises(NotFittedError):
        net.prune()
    assert not hasattr(net, "feature_importances_")
    assert not hasattr(net, "n_features_used_")


def test_a_pruned_network_is_faster():
    X = np.random.default_rng(0).normal(size=(4000, 100)).astype(np.float32)
    net = MLPRegressor((200, 200), max_iter=1, random_state=0).fit(X, X[:, 0])
    net.coefs_[0][20:], net.coefs_[0][:, 30:], net.coefs_[1][:, 30:] = 0, 0, 0
    small = net.prune()

    def seconds(model):
        start = time.perf_counter()
        model.predict(X)
        return time.perf_counter() - start

    net.predict(X), small.predict(X)
    assert min(seconds(small) for _ in range(7)) < 0.7 * min(seconds(net) for _ in range(7))


# Importances ---------------------------------------------------------------------------------------------------------


def test_importances_are_norms_of_outgoing_weights():
    net, X, _ = with_holes(MLPRegressor)
    np.testing.assert_allclose(net.feature_importances_, np.sqrt((net.coefs_[0] ** 2).sum(axis=1)))
    assert np.flatnonzero(net.feature_importances_ == 0).tolist() == [1, 4, 5, 11]
    assert net.n_features_used_ == 8
    small = net.prune()
    np.testing.assert_array_equal(small.feature_importances_ > 0, net.feature_importances_ > 0)
    np.testing.assert_allclose(small.feature_importances_[[0, 2]], np.linalg.norm(small.coefs_[0][:2], axis=1))
    assert small.n_features_used_ == 8


@forms
@pytest.mark.parametrize("prefit", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_select_from_model_finds_the_inputs_that_matter(form, prefit, solver):
    X, y = make_classification(
        300, 15, n_informative=3, n_redundant=0, n_clusters_per_class=1, shuffle=False, random_state=1
    )
    X = StandardScaler().fit_transform(X)
    net = MLPClassifier(
        (8,), solver=solver, penalty="group_lasso", alpha=0.02, learning_rate_init=0.01, max_iter=300, random_state=0
    )
    net.fit(form(X), y)
    assert net.n_features_used_ == np.count_nonzero(net.feature_importances_) < 10
    selector = SelectFromModel(net, prefit=prefit, threshold=1e-12).fit(form(X), y)
    np.testing.assert_array_equal(selector.get_support(), net.feature_importances_ > 0)
    assert selector.transform(form(X)).shape == (300, net.n_features_used_)
    by_mean = SelectFromModel(net, prefit=prefit).fit(form(X), y)
    assert set(by_mean.get_support(indices=True)) <= {0, 1, 2}
    assert make_pipeline(SelectFromModel(net), clone(net)).fit(form(X), y).score(form(X), y) > 0.85


def test_monte_carlo_predictions_of_the_pruned_network_are_spread_as_before():
    """A unit that is constant without dropout is not constant in draws."""
    X, y = data()
    net = MLPRegressor((20,), dropout=0.5, max_iter=20, random_state=0).fit(X, y)
    net.coefs_[0][:, :10] = 0
    net.intercepts_[0][:10] = 1
    net.coefs_[1][15:] = 0
    smaller = net.prune()
    assert smaller.hidden_layer_sizes == (15,)
    np.testing.assert_allclose(smaller.predict(X), net.predict(X))
    spread, expected = (each.predict(X, return_std=True, n_draws=4000, random_state=0)[1] for each in (smaller, net))
    np.testing.assert_allclose(spread, expected, rtol=0.1)  # the standard error is a hundredth
