"""Activations of the hidden layers: their values and slopes, the weights they start from, and one for each layer."""

import pickle

import numpy as np
import pytest
from numba import njit
from scipy import sparse, special
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skreg import MLPClassifier, MLPRegressor
from skreg._initial import SECOND_MOMENTS, initial_weights
from skreg._spec import ACTIVATIONS, prediction_spec
from skreg.kernels import _compile, activations, stages

from . import reference
from .conftest import (
    RATES,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge")

NEW = [name for name in ACTIVATIONS if name not in ("identity", "logistic", "tanh", "relu")]
names = pytest.mark.parametrize("name", sorted(activations.STAGES))
new_names = pytest.mark.parametrize("name", NEW)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
BOTH = pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])


@njit(**_compile.OPTIONS)
def _call(stage, arguments):
    stages.call_stage(stage, arguments)


def apply(name, z):
    """(activations, slopes) of a row."""
    values, slopes = z.copy(), np.empty_like(z)
    stage = activations.activation_code(name, z.dtype)
    _call(stage, (values.ctypes.data, slopes.ctypes.data, 0, 1, len(z)))
    return values, slopes


# Values and slopes -----------------------------------------------------------------------------------------------


def test_all_activations_have_a_reference_and_a_second_moment():
    assert set(ACTIVATIONS) == set(reference.ACTIVATIONS) == set(SECOND_MOMENTS)
    assert set(ACTIVATIONS) == set(activations.STAGES) | {"identity", "relu"}


# Their slopes at 0; softplus is log 2 there and logistic 1 / 2.
SLOPE_AT_0 = {"tanh": 1.0, "leaky_relu": None, "elu": 1.0, "selu": None, "gelu": 0.5, "silu": 0.5, "mish": 0.6}


@dtypes
@pytest.mark.parametrize("name", SLOPE_AT_0)
def test_near_0_they_are_exact_to_the_last_places(name, dtype):
    """f(z) = f'(0) z + O(z^2), without a digit lost to a difference of numbers of order 1."""
    eps = np.finfo(dtype).eps
    z = np.geomspace(1e-30, eps / 100, 50).astype(dtype)
    for sign in (dtype(1), dtype(-1)):
        slope = SLOPE_AT_0[name]
        if name == "leaky_relu":
            slope = 1.0 if sign > 0 else 0.01
        elif name == "selu":
            slope = reference.LAMBDA if sign > 0 else reference.LAMBDA * reference.ALPHA
        found = apply(name, sign * z)[0].astype(np.float64) / (sign * z).astype(np.float64)
        np.testing.assert_allclose(found, slope, rtol=3 * eps)


@dtypes
@names
def test_values_and_slopes_between_the_ends(name, dtype):
    z = np.linspace(-15, 15, 4001).astype(dtype)
    eps = np.finfo(dtype).eps
    found, slopes = apply(name, z)
    values, derivatives = (f(z.astype(np.float64)) for f in reference.ACTIVATIONS[name])
    np.testing.assert_allclose(slopes, derivatives, rtol=0, atol=6 * eps)
    # gelu is z (1 + erf z) / 2, with a sum that vanishes for negative z.
    np.testing.assert_allclose(found, values, rtol=5 * eps, atol=4 * eps if name == "gelu" else 0)


@dtypes
@names
def test_far_from_0_all_is_finite(name, dtype):
    """Up to where a sum overflows itself."""
    largest = np.finfo(dtype).max / 2
    z = np.concatenate([s * np.geomspace(20, largest, 200) for s in (-1, 1)]).astype(dtype)
    values, slopes = apply(name, z)
    assert np.isfinite(values).all() and np.isfinite(slopes).all()
    eps = np.finfo(dtype).eps
    with np.errstate(over="ignore", invalid="ignore"):
        limits = {
            "logistic": (0.0, 1.0), "tanh": (-1.0, 1.0), "leaky_relu": (0.01 * z[:200], z[200:]),
            "elu": (-1.0, z[200:]), "selu": (-reference.LAMBDA * reference.ALPHA, reference.LAMBDA * z[200:]),
        }.get(name, (0.0, z[200:]))  # fmt: skip
    np.testing.assert_allclose(values[:200], np.broadcast_to(limits[0], 200), rtol=4 * eps, atol=1e-7)
    np.testing.assert_allclose(values[200:], np.broadcast_to(limits[1], 200), rtol=4 * eps, atol=1e-7)


@dtypes
@names
def test_nan_stays_nan(name, dtype):
    """That is how a diverging fit is recognised."""
    for z in (np.full(1, np.nan, dtype), np.full(40, np.nan, dtype)):
        values, _ = apply(name, z)
        assert np.isnan(values).all()


def test_selu_keeps_mean_and_variance():
    """Theorem 1's fixed point: mean 0 and variance 1 of selu(z), z ~ N(0, 1)."""
    moments = [reference.normal_mean(lambda z, power=power: apply("selu", z)[0] ** power) for power in (0, 1, 2)]
    np.testing.assert_allclose(moments, [1, 0, 1], atol=1e-14)


# First weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_second_moments(name):
    f = reference.ACTIVATIONS[name][0]
    np.testing.assert_allclose(SECOND_MOMENTS[name], reference.normal_mean(lambda z: f(z) ** 2), rtol=1e-13)


def sums_of(activation, n_layers=10, width=400, seed=0):
    """The sums of each hidden layer at the first weights, for 200 rows of standard normal inputs."""
    names = (activation,) * n_layers if isinstance(activation, str) else activation
    spec = prediction_spec((width,) * (len(names) + 1) + (1,), names)
    rng = np.random.RandomState(seed)
    coefs, intercepts = initial_weights(spec, rng, np.float64)
    network = draw_network(names, "one target", (1,) * len(names))
    return reference.forward(network, coefs, intercepts, rng.randn(200, width))[1]


@new_names
def test_variances_stay_through_ten_layers(name):
    variances = [z.var() for z in sums_of(name)[:-1]]
    second_moments = [(z**2).mean() for z in sums_of(name)[:-1]]
    assert 0.5 < min(second_moments) and max(second_moments) < 2, second_moments
    np.testing.assert_allclose(variances[0], 1, rtol=0.1)


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu"])
def test_variances_of_the_first_four_stay_within_what_theory_says(name):
    """scikit-learn's bounds: a sum's second moment is that of its 400 inputs and of its intercept."""
    sums = sums_of(name)
    factor = 1 / 3 if name == "logistic" else 1.0
    intercept = factor / 400
    expected = [factor + intercept]
    f = reference.ACTIVATIONS[name][0]
    z = np.random.RandomState(0).randn(200_000)
    for _ in range(9):
        expected.append(factor * (f(np.sqrt(expected[-1]) * z) ** 2).mean() + intercept)
    np.testing.assert_allclose([(z**2).mean() for z in sums[:-1]], expected, rtol=0.35)


@new_names
def test_mean_activations_do_not_grow_with_the_width(name):
    for width in (50, 800):
        z = sums_of(name, 3, width)[2]
        assert 0.6 < (z**2).mean() < 1.7


def test_first_weights_of_selu_are_lecuns_and_of_leaky_relu_hes():
    for name, factor in (("selu", 3.0), ("leaky_relu", 6 / (1 + 0.01**2))):
        net = MLPRegressor((50, 60), name, max_iter=1, learning_rate_init=1e-30, random_state=0)
        net.fit(np.random.RandomState(0).randn(20, 40), np.arange(20.0))
        for coef, before in zip(net.coefs_, (3.0, factor, factor), strict=True):
            bound = np.sqrt(before / len(coef))
            assert 0.97 * bound < np.abs(coef).max() <= bound
        assert not any(np.abs(intercept).max() > 1e-20 for intercept in net.intercepts_)


def test_mixed_layers_start_from_what_each_of_them_needs():
    """Its own rule, with the inputs' activation: Glorot's before tanh, He's for gelu before selu."""
    rng = np.random.RandomState(0)
    spec = prediction_spec((40, 50, 60, 70, 3), ("gelu", "selu", "tanh"))
    coefs, intercepts = initial_weights(spec, rng, np.float64)
    bounds = [np.sqrt(3 / 40), np.sqrt(3 / (50 * SECOND_MOMENTS["gelu"])), np.sqrt(6 / 130), np.sqrt(6 / 73)]
    for coef, bound in zip(coefs, bounds, strict=True):
        assert 0.95 * bound < np.abs(coef).max() <= bound
    assert [bool(intercept.any()) for intercept in intercepts] == [False, False, True, True]


# One for each layer ----------------------------------------------------------------------------------------------

MIXED = ("gelu", "leaky_relu")


@pytest.mark.parametrize("activation", [MIXED, ("relu", "mish"), ("selu", "relu"), ("identity", "silu")], ids=str)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_epochs_of_mixed_layers_are_those_of_the_reference(activation, form):
    network = draw_network(activation, "multinomial", (5, 3), dropout=True)
    X, y, weights = draw_data("multinomial")
    coefs, intercepts = draw_params((4, 5, 3, 3))
    arguments = dict(optimizer="adam", rates=RATES, batch_size=5, seed=1)
    check_epochs(network, coefs, intercepts, form(X), y, weights, **arguments)


def fit(cls=MLPRegressor, n_rows=40, **parameters):
    rng = np.random.RandomState(0)
    X = rng.randn(n_rows, 3)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
    defaults = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (6, 4)}
    return cls(**{**defaults, **parameters}).fit(X, y), X, y


@BOTH
@new_names
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_every_solver_learns_with_every_activation(cls, name, solver):
    rates = {"adam": 0.02, "sgd": 0.05, "lbfgs": 0.001}
    net, X, y = fit(cls, activation=name, solver=solver, max_iter=150, learning_rate_init=rates[solver], n_rows=60,
                    n_iter_no_change=np.inf)  # fmt: skip
    assert net.score(X, y) > (0.85 if cls is MLPClassifier else 0.45)
    assert net.loss_ < net.loss_curve_[0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_name_is_the_same_as_that_name_for_each_layer(name):
    one = fit(activation=name)[0]
    for many in ([name, name], (name, name), np.array([name, name])):
        np.testing.assert_array_equal(fit(activation=many)[0].coefs_[0], one.coefs_[0])


def test_each_entry_acts_on_its_own_layer():
    base = fit(activation=["tanh", "relu"])[0]
    for other in (["relu", "tanh"], ["tanh", "gelu"], ["gelu", "relu"]):
        assert relative_error(fit(activation=other)[0].coefs_, base.coefs_) > 1e-3


@BOTH
def test_a_sequence_through_clone_pickle_repr_and_html(cls):
    net, X, _ = fit(cls, activation=list(MIXED))
    copied = clone(net)
    assert copied.activation == list(MIXED)
    assert (
        repr(copied).replace("\n", "").replace(" ", "").startswith(f"{cls.__name__}(activation=['gelu','leaky_relu'],")
    )
    html = estimator_html_repr(make_pipeline(StandardScaler(), net))
    assert "leaky_relu" in html and "gelu" in html
    same = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(same.predict(X), net.predict(X))
    assert type(net._fitted_activations[0]) is str


def test_grid_search_over_names_and_sequences():
    _, X, y = fit()
    grid = {"activation": ["relu", ["gelu", "tanh"], ("selu", "selu")], "hidden_layer_sizes": [(4, 3)]}
    search = GridSearchCV(MLPClassifier(max_iter=3, random_state=0), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["activation"] in grid["activation"]


@BOTH
@pytest.mark.parametrize("change", ["tanh", ["relu"] * 7, "nonsense"])
@pytest.mark.parametrize("hidden", [(), (6, 4)])
def test_set_params_does_not_change_the_fitted_network(cls, change, hidden):
    net, X, y = fit(cls, hidden_layer_sizes=hidden, activation="relu" if hidden == () else list(MIXED))
    before = net.predict(X), net.objective(X, y)
    net.set_params(activation=change)
    np.testing.assert_array_equal(net.predict(X), before[0])
    assert net.objective(X, y) == before[1]


def test_a_network_that_was_not_fitted_takes_the_sequence_of_its_parameters():
    net, X, _ = fit(activation=list(MIXED))
    by_hand = MLPRegressor((6, 4), list(MIXED))
    by_hand.coefs_, by_hand.intercepts_, by_hand.out_activation_ = net.coefs_, net.intercepts_, "identity"
    by_hand.n_features_in_ = 3
    np.testing.assert_array_equal(by_hand.predict(X), net.predict(X))


def test_gelu_is_the_normal_distribution_function_and_not_an_approximation():
    z = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(apply("gelu", z)[0], z * special.ndtr(z), rtol=1e-14, atol=1e-15)
