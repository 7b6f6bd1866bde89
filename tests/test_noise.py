"""Noise beside plain dropout: gaussian and alpha dropout, and noise on the inputs; each is what theory says it is."""

import pickle

import numpy as np
import pytest
from numba import njit
from scipy import sparse, special, stats
from sklearn.linear_model import Ridge
from sklearn.utils import get_tags

from skreg import MLPClassifier, MLPRegressor, _team
from skreg.kernels import _compile, noise, stages

from . import reference
from .conftest import (
    GRADIENT_RATES,
    RATES,
    KernelRun,
    ReferenceRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

BOTH = pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
optimizers = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
# A false alarm of a statistical test below would have to be this unlikely; all seeds are fixed.
SMALLEST_P = 1e-6

# The kernels are the reference's formulas ------------------------------------------------------------------------

# name: (activation, dropout_kind, input_noise, whether CSR X is allowed)
NOISE = {
    "gaussian, relu": ("relu", "gaussian", 0.0, True),
    "gaussian, tanh": ("tanh", "gaussian", 0.0, True),
    "gaussian, identity": ("identity", "gaussian", 0.0, True),
    "gaussian, mixed": (("relu", "gelu"), "gaussian", 0.0, True),
    "alpha": ("selu", "alpha", 0.0, False),
    "inputs": ("relu", "bernoulli", 0.3, False),
    "inputs by column": ("tanh", "gaussian", [0.1, 0.0, 2.0, 0.5], False),
    "all": ("selu", "alpha", 0.7, False),
}


def draw_noisy(name, target="multinomial", hidden=(5, 3), dropout=True, penalised=True):
    activation, kind, input_noise, _ = NOISE[name]
    network = draw_network(activation, target, hidden, dropout=dropout)
    network.dropout_kind, network.input_noise = kind, input_noise
    if not penalised:
        network.gamma = [0.0] * len(hidden)
    X, y, weights = draw_data(target)
    coefs, intercepts = draw_params((X.shape[1], *hidden, 3 if target == "multinomial" else 1))
    return network, coefs, intercepts, X, y, weights


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in NOISE for form in (np.asarray, sparse.csr_array) if form is np.asarray or NOISE[name][3]],
)
@optimizers
@pytest.mark.parametrize("penalised", [False, True], ids=["", "activity penalty"])
def test_epochs_are_those_of_the_reference(name, form, optimizer, penalised):
    network, *params, X, y, weights = draw_noisy(name, penalised=penalised)
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=12345)
    check_epochs(network, *params, form(X), y, weights, n_epochs=2, **arguments)


@pytest.mark.parametrize("name", NOISE)
def test_single_precision(name):
    network, *params, X, y, weights = draw_noisy(name)
    X = X.astype(np.float32).astype(float)
    arguments = dict(optimizer="adam", rates=RATES, batch_size=5, seed=3)
    found = KernelRun(network, *params, X, y, weights, dtype=np.float32, **arguments)
    expected = ReferenceRun(network, *params, X, y, weights, **arguments)
    for _ in range(2):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < 5e-5
    assert relative_error(found.layers()[0], expected.layers()[0]) < 5e-5


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("kind", ["gaussian", "alpha"])
def test_one_layer_alone(kind, layer):
    """Without noise around it, and inputs that no noise is added to."""
    network, *params, X, y, weights = draw_noisy("alpha" if kind == "alpha" else "gaussian, relu")
    network.dropout = [0.4 * (number == layer) for number in range(3)]
    arguments = dict(optimizer="adam", rates=RATES, batch_size=7, seed=1)
    found = KernelRun(network, *params, X, y, weights, **arguments)
    expected = ReferenceRun(network, *params, X, y, weights, **arguments)
    for _ in range(2):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < 1e-12


# Normal numbers --------------------------------------------------------------------------------------------------


@njit(**_compile.OPTIONS)
def _call(stage, arguments):
    stages.call_stage(stage, arguments)


def draw_normals(n_rows, n_units, *, seed=0, step=0, dtype=np.float64):
    """What the stage adds to zeros."""
    values, deviations = np.zeros((n_rows, n_units), dtype), np.ones(n_units, dtype)
    key = reference.combine(reference.combine(seed, 3), step)
    _call(noise.STAGES["added"].address(dtype), (values.ctypes.data, values.strides[0], n_rows, n_units,
                                                 np.uint64(key), 0, deviations.ctypes.data))  # fmt: skip
    return values


@dtypes
def test_numbers_are_the_documented_ones(dtype):
    for seed, step in ((0, 0), (2**31 - 2, 12345)):
        expected = reference.normals(reference.combine(reference.combine(seed, 3), step), 9, 37)
        found = draw_normals(9, 37, seed=seed, step=step, dtype=dtype)
        rtol, atol = (1e-6, 3e-7) if dtype == np.float32 else (1e-13, 0)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@dtypes
def test_distribution_is_normal(dtype):
    """Kolmogorov and Smirnov, moments, and the tails, of a million numbers."""
    z = draw_normals(1000, 1000, dtype=dtype).astype(np.float64).ravel()
    n = len(z)
    assert SMALLEST_P < stats.kstest(z, "norm").pvalue < 1 - SMALLEST_P
    for power, (mean, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96), 6: (15, 10170)}.items():
        assert abs((z**power).mean() - mean) < 4.9 * np.sqrt(variance / n), power
    for limit in (2, 3, 4):
        expected = 2 * special.ndtr(-limit)
        assert stats.binomtest(int((np.abs(z) > limit).sum()), n, expected).pvalue > SMALLEST_P


def test_units_rows_steps_and_seeds_are_independent():
    """Correlations of numbers, of their squares and of their products, of all pairs."""
    cube = np.array([draw_normals(64, 64, step=step) for step in range(64)])
    seeds = np.stack([draw_normals(64, 64, seed=seed).ravel() for seed in range(64)], axis=1)
    views = {"units": cube.reshape(-1, 64), "rows": cube.transpose(0, 2, 1).reshape(-1, 64),
             "steps": cube.transpose(1, 2, 0).reshape(-1, 64), "seeds": seeds}  # fmt: skip
    for name, z in views.items():
        for transformed in (z, (z**2 - 1) / np.sqrt(2), np.sign(z)):
            correlation = transformed.T @ transformed / np.sqrt(len(z))
            pairs = correlation[np.triu_indices(64, 1)]
            assert np.abs(pairs).max() < 1.25 * stats.norm.isf(SMALLEST_P / len(pairs) / 2), name
            assert abs((pairs**2).mean() - 1) < 0.25, name
        triples = (z[:, :-2] * z[:, 1:-1] * z[:, 2:]).sum(axis=0) / np.sqrt(len(z))
        assert np.abs(triples).max() < 1.25 * stats.norm.isf(SMALLEST_P / len(triples) / 2), name


def test_noise_of_the_inputs_is_not_that_of_gaussian_dropout():
    key = reference.combine(reference.combine(reference.combine(0, 2), 0), 0)
    other = reference.normals(key, 64, 64).ravel()
    assert abs(np.corrcoef(draw_normals(64, 64).ravel(), other)[0, 1]) < 5 / 64


# Dropout ---------------------------------------------------------------------------------------------------------


def noise_on(kind, values, rate, n_draws):
    """Rows of `values` with the noise of a kind, each row a draw."""
    rows = np.tile(values, (n_draws, 1)).astype(float)
    stage = noise.STAGES[kind].address(np.float64)
    where = (rows.ctypes.data, rows.strides[0]) * 2
    _call(stage, (*where, n_draws, len(values), np.uint64(7), 0, 1, False, rate))
    return rows


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_gaussian_dropout_has_the_mean_and_variance_of_bernoulli(rate):
    values = np.array([1.0, -2.0, 0.0, 0.5])
    draws = noise_on("gaussian", values, rate, 200_000)
    variance = rate / (1 - rate) * values**2
    np.testing.assert_allclose(draws.mean(axis=0), values, atol=5 * np.sqrt(variance.max() / 200_000))
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=5 * np.sqrt(2 / 200_000))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.6])
def test_alpha_dropout_keeps_mean_0_and_variance_1(rate):
    """Of selu(z) with z ~ N(0, 1); plain dropout keeps the mean alone."""
    z = np.random.RandomState(0).randn(2000)
    values = reference.ACTIVATIONS["selu"][0](z)
    values = (values - values.mean()) / values.std()
    draws = noise_on("alpha", values, rate, 500)
    assert len(np.unique(draws[:, 0].round(12))) == 2
    # 500 masks of 2000 units: standard errors of 0.001 to 0.002
    np.testing.assert_allclose([draws.mean(), draws.var()], [0, 1], atol=0.01)


# Noise on the inputs is Ridge ------------------------------------------------------------------------------------


def draw_regression():
    rng = np.random.RandomState(0)
    X = (rng.randn(40, 5) + rng.randn(40, 1)) * [0.5, 1.0, 1.5, 1.0, 0.7]
    return X, X @ [2.0, -1.0, 1.0, 0.0, 0.5] + rng.randn(40) + 3


def ridge_gradient(X, y, w, b, deviations):
    """Gradient of the mean of (y - x w - b)^2 / 2 and of sum_j s_j^2 w_j^2 / 2, which the noise adds in expectation."""
    residual = X @ w + b - y
    return np.append(X.T @ residual / len(X) + deviations**2 * w, residual.mean())


@pytest.mark.parametrize("deviation", [0.3, 1.5, [0.1, 0.0, 2.0, 0.5, 1.0]], ids=str)
def test_the_mean_of_noisy_gradients_is_that_of_ridge(deviation):
    """Over 4,000 steps, within 4.5 standard errors, which are a hundredth of the penalty's part."""
    X, y = draw_regression()
    network = reference.Network("identity", "squared_error", *([0.0] for _ in range(4)), [], [], [0.0])
    network.input_noise = deviation
    coefs, intercepts = draw_params((5, 1))
    run = KernelRun(network, coefs, intercepts, X, y[:, None], None, optimizer="adam", rates=GRADIENT_RATES,
                    batch_size=40, seed=5)  # fmt: skip
    gradients = np.empty((4000, 6))
    for step in range(len(gradients)):
        run.train_epoch()
        gradients[step] = run.gradient
    deviations = np.broadcast_to(deviation, 5).astype(float)
    expected = ridge_gradient(X, y, coefs[0][:, 0], intercepts[0][0], deviations)
    standard_errors = gradients.std(axis=0) / np.sqrt(len(gradients))
    assert (np.abs(gradients.mean(axis=0) - expected) < 4.5 * standard_errors + 1e-12).all()
    without = ridge_gradient(X, y, coefs[0][:, 0], intercepts[0][0], 0 * deviations)
    assert np.abs(without - expected).max() > 20 * standard_errors.max()  # the test can tell them apart


@pytest.mark.parametrize("deviation", [0.5, 1.5])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_long_run_reaches_ridge(solver, deviation):
    """Every row is there 500 times, each with noise of its own, so that one epoch is near the expectation."""
    X, y = draw_regression()
    many_X, many_y = np.tile(X, (500, 1)), np.tile(y, 500)
    model = MLPRegressor(
        (), solver=solver, alpha=0.0, input_noise=deviation, batch_size=2000, random_state=1, tol=0.0, max_iter=30,
        n_iter_no_change=np.inf, learning_rate_init={"adam": 0.02, "sgd": 0.03}[solver], warm_start=True,
    )  # fmt: skip
    model.fit(many_X, many_y)
    model.set_params(max_iter=1)
    tail = []
    for _ in range(30):
        model.fit(many_X, many_y)
        tail.append(np.append(model.coefs_[0], model.intercepts_[0]))
    ridge = Ridge(alpha=len(X) * deviation**2).fit(X, y)
    assert relative_error([np.mean(tail, axis=0)], [np.append(ridge.coef_, ridge.intercept_)]) < 0.015
    plain = Ridge(alpha=0.0).fit(X, y)
    assert relative_error([plain.coef_], [ridge.coef_]) > 0.1


# Estimators ------------------------------------------------------------------------------------------------------

PARAMETERS = {
    "gaussian": {"dropout": 0.4, "input_dropout": 0.2, "dropout_kind": "gaussian"},
    "alpha": {"dropout": 0.4, "input_dropout": 0.2, "dropout_kind": "alpha", "activation": "selu"},
    "inputs": {"input_noise": 0.5},
    "columns": {"input_noise": [0.5, 0.0, 1.0, 0.1]},
}
kinds = pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)


def fit(cls=MLPRegressor, form=np.asarray, dtype=np.float64, n_rows=50, **parameters):
    X, y, weights = draw_data("binary", n_rows=n_rows)
    defaults = {"hidden_layer_sizes": (6, 4), "random_state": 0, "batch_size": 8, "learning_rate_init": 0.01,
                "max_iter": 5}  # fmt: skip
    return cls(**{**defaults, **parameters}).fit(form(X.astype(dtype)), y[:, 0], weights), X, y[:, 0], weights


@BOTH
@kinds
@dtypes
def test_only_while_training(cls, parameters, dtype):
    """Predictions and objective are those of the same weights without noise, and the noise changes the weights."""
    net, X, y, weights = fit(cls, dtype=dtype, **parameters)
    before = net.predict(X), net.objective(X, y, weights)
    assert before[1].value == pytest.approx(net.loss_curve_[-1], rel=1e-5)
    other = pickle.loads(pickle.dumps(net)).set_params(dropout=0.0, input_dropout=0.0, input_noise=0.0)
    np.testing.assert_array_equal(other.predict(X), before[0])
    assert other.objective(X, y, weights) == before[1]
    plain = fit(cls, dtype=dtype, activation=parameters.get("activation", "relu"))[0]
    assert relative_error(net.coefs_, plain.coefs_) > 1e-3


@kinds
def test_a_warm_start_goes_on_with_new_noise(parameters):
    whole = fit(max_iter=4, **parameters)[0]
    net, X, y, weights = fit(max_iter=2, warm_start=True, **parameters)
    net = pickle.loads(pickle.dumps(net)).fit(X, y, weights)
    np.testing.assert_array_equal(net.coefs_[0], whole.coefs_[0])


@kinds
def test_any_number_of_threads_gives_the_same_bits(parameters, monkeypatch):
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    found = []
    for n in (1, 2, 3):
        monkeypatch.setattr(_team, "n_cores", lambda n=n: n)
        found.append(fit(hidden_layer_sizes=(40, 30), batch_size=33, n_rows=80, **parameters)[0].coefs_)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@BOTH
def test_gaussian_dropout_of_the_inputs_leaves_sparse_data_sparse(cls):
    parameters = PARAMETERS["gaussian"]
    for form in (sparse.csr_array, sparse.csc_matrix):
        assert relative_error(fit(cls, form, **parameters)[0].coefs_, fit(cls, **parameters)[0].coefs_) < 1e-11


def test_noise_with_early_stopping_and_partial_fit():
    for parameters in PARAMETERS.values():
        assert np.isfinite(fit(early_stopping=True, **parameters)[0].best_validation_score_)
        net, X, y, _ = fit(**parameters)
        assert np.isfinite(net.partial_fit(X, y).loss_)


def test_equal_deviations_are_one_number():
    np.testing.assert_array_equal(fit(input_noise=[0.5] * 4)[0].coefs_[0], fit(input_noise=0.5)[0].coefs_[0])
    np.testing.assert_array_equal(fit(input_noise=[0.0] * 4)[0].coefs_[0], fit()[0].coefs_[0])


@BOTH
@pytest.mark.parametrize("deviations", [[0.1, 0.2], [0.1] * 5])
def test_one_deviation_for_each_column(cls, deviations):
    with pytest.raises(ValueError, match="input_noise must be a number or have one entry for each of the 4 columns"):
        fit(cls, input_noise=deviations)


@BOTH
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"input_noise": 0.1}, "input_noise=0.1 would make sparse X dense: give X.toarray"),
        ({"input_dropout": 0.1, "dropout_kind": "alpha"}, "dropout_kind='alpha' with input_dropout=0.1 would make"),
    ],
)
def test_what_would_make_sparse_data_dense_is_refused(cls, parameters, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        fit(cls, sparse.csr_array, **parameters)
    assert str(error.value).count(".") <= 4
    assert not get_tags(cls(**parameters)).input_tags.sparse


@BOTH
def test_the_tag_of_sparse_data_is_that_of_the_parameters(cls):
    assert get_tags(cls()).input_tags.sparse
    assert get_tags(cls(input_dropout=0.1, dropout_kind="gaussian", input_noise=[0.0, 0.0])).input_tags.sparse
    assert not get_tags(cls(input_noise=[0.0, 0.1])).input_tags.sparse
    assert not get_tags(cls(augmentation="cutout")).input_tags.sparse


def test_alpha_dropout_acts_where_selu_is():
    net = fit(activation=["relu", "selu"], dropout=[0.0, 0.3], dropout_kind="alpha")[0]
    assert np.isfinite(net.loss_)
