"""Monte-Carlo dropout: means and spreads of predictions over masks are those of theory and of explicit masks."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor, _evaluate, _team

from . import reference
from .conftest import draw_data, relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

BOTH = pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
KINDS = {
    "bernoulli": {"dropout": 0.4},
    "inputs": {"input_dropout": 0.3},
    "both": {"dropout": [0.4, 0.1], "input_dropout": 0.3},
    "second layer": {"dropout": [0.0, 0.4]},
    "batchwise": {"dropout": 0.4, "input_dropout": 0.3, "dropout_kind": "batchwise"},
    "gaussian": {"dropout": 0.4, "input_dropout": 0.3, "dropout_kind": "gaussian", "activation": "tanh"},
    "alpha": {"dropout": 0.4, "input_dropout": 0.3, "dropout_kind": "alpha", "activation": "selu"},
}
kinds = pytest.mark.parametrize("parameters", KINDS.values(), ids=KINDS)


def fit(cls=MLPRegressor, hidden=(6, 4), n_rows=50, target="binary", dtype=np.float64, **parameters):
    X, y, _ = draw_data(target, n_rows=n_rows)
    y = y[:, 0] if y.shape[1] == 1 else y
    net = cls(hidden, **{"max_iter": 5, "random_state": 0, "learning_rate_init": 0.01, **parameters})
    return net.fit(X.astype(dtype), y), X.astype(dtype)


def draw(net, X, n_draws=100, random_state=0):
    """(mean, std) of either estimator."""
    if isinstance(net, MLPClassifier):
        return net.predict_proba(X, n_draws=n_draws, random_state=random_state, return_std=True)
    return net.predict(X, return_std=True, n_draws=n_draws, random_state=random_state)


def explicit_draws(net, X, n_draws, random_state):
    """Raw predictions of each draw by the documented bits, of shape (n_draws, n_samples, n_outputs)."""
    seed = np.random.RandomState(random_state).randint(2**31 - 1)
    rates = [net.input_dropout, *np.broadcast_to(net.dropout, len(net.coefs_) - 1)]
    kind = "bernoulli" if net.dropout_kind == "batchwise" else net.dropout_kind
    network = reference.Network(net.activation, "squared_error", *([] for _ in range(6)), rates)
    draws = []
    for number in range(n_draws):
        noise = []
        for layer, (coef, rate) in enumerate(zip(net.coefs_, rates, strict=True)):
            factor = (1.0, 0.0)
            if rate > 0:
                of_rows = reference.dropout_noise(kind, seed, 0, layer, number + 1, len(coef), rate)
                factor = tuple(part[-1] if np.ndim(part) else part for part in of_rows)
            noise.append(factor)
        draws.append(reference.forward(network, net.coefs_, net.intercepts_, X, noise)[1][-1])
    return np.array(draws)


@kinds
def test_draws_are_those_of_explicit_masks(parameters):
    net, X = fit(**parameters)
    draws = explicit_draws(net, X, 20, 3)[:, :, 0]
    mean, std = draw(net, X, 20, 3)
    assert relative_error([mean, std], [draws.mean(axis=0), draws.std(axis=0, ddof=1)]) < 1e-12
    assert np.median(std) > 0.01


LINKS = {
    "binary": (MLPClassifier, lambda f: np.stack([reference.logistic(-f[..., 0]), reference.logistic(f[..., 0])], -1)),
    "multinomial": (MLPClassifier, lambda f: np.exp(f - np.logaddexp.reduce(f, axis=-1)[..., None])),
    "multilabel": (MLPClassifier, reference.logistic),
    "three targets": (MLPRegressor, lambda f: f),
    "three counts": (MLPRegressor, np.exp),
}


@pytest.mark.parametrize("target", LINKS)
def test_means_are_of_what_is_predicted(target):
    """Probabilities and exponentials are averaged, not the raw predictions."""
    cls, link = LINKS[target]
    extra = {"loss": "poisson"} if target == "three counts" else {}
    net, X = fit(cls, target=target, dropout=0.4, **extra)
    draws = link(explicit_draws(net, X, 20, 3))
    mean, std = draw(net, X, 20, 3)
    assert relative_error([mean, std], [draws.mean(axis=0), draws.std(axis=0, ddof=1)]) < 1e-11
    if target in ("binary", "multinomial"):
        np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-14)
    if cls is MLPClassifier:
        np.testing.assert_array_equal(net.predict_proba(X, n_draws=20, random_state=3), mean)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_normalised_networks(norm):
    """Behind the normalisation of the running statistics or of each row, the masks of the last layer alone."""
    net, X = fit(hidden=(40,), dropout=0.3, **{norm: True})
    z = X @ net.coefs_[0] + net.intercepts_[0]
    plain, (mean, std) = net.predict(X), draw(net, X, 5000)
    assert np.abs(plain - mean).max() < 5 * std.max() / np.sqrt(5000)
    if norm == "layer_norm":
        z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
    else:
        z = (z - net.norm_means_[0]) / np.sqrt(net.norm_variances_[0] + 1e-5)
    activations = np.maximum(z * net.norm_scales_[0] + net.norm_shifts_[0], 0)
    np.testing.assert_allclose(activations @ net.coefs_[1][:, 0] + net.intercepts_[1], plain, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(std**2, 0.3 / 0.7 * (activations**2 @ net.coefs_[1] ** 2)[:, 0], rtol=0.15)


def test_a_pruned_network_keeps_its_rates_and_the_noise_of_its_columns():
    X, y, _ = draw_data("one target")
    net = MLPRegressor((5,), "tanh", dropout=0.3, input_noise=[0.1, 0.2, 0.3, 0.4], max_iter=5, random_state=0)
    net.fit(X, y[:, 0])
    net.coefs_[0][1] = 0.0
    smaller = net.prune()
    assert len(smaller.coefs_[0]) == 3
    for a, b in zip(draw(smaller, X), draw(net, X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert np.isfinite(smaller.partial_fit(X, y[:, 0]).loss_)


# Closed form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_variance_of_a_linear_model(kind, rate, form):
    """p / (1 - p) sum_j w_j^2 x_j^2, with the plain prediction as mean; within 5 standard errors of 4,000 draws."""
    X, y, _ = draw_data("one target", n_rows=30)
    net = MLPRegressor((), input_dropout=rate, dropout_kind=kind, max_iter=50, learning_rate_init=0.1, random_state=0)
    net.fit(form(X), y[:, 0])
    n_draws = 4000
    mean, std = net.predict(form(X), return_std=True, n_draws=n_draws, random_state=1)
    variance = rate / (1 - rate) * (X**2 @ net.coefs_[0] ** 2)[:, 0]
    assert (np.abs(mean - net.predict(X)) <= 5 * np.sqrt(variance / n_draws) + 1e-12).all()
    # The variance of a sample variance is (kurtosis - 1) / n_draws times its square.
    kurtosis = max(3.0, 1 / (rate * (1 - rate)))
    assert (np.abs(std**2 - variance) <= 5 * variance * np.sqrt((kurtosis - 1) / n_draws) + 1e-12).all()
    assert variance.max() > 0.01


def test_variance_of_the_last_layer_alone():
    """p / (1 - p) sum_j w_j^2 a_j^2 with the activations of the hidden layer."""
    net, X = fit(hidden=(40,), dropout=0.3)
    activations = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    variance = 0.3 / 0.7 * (activations**2 @ net.coefs_[1] ** 2)[:, 0]
    mean, std = draw(net, X, 5000)
    np.testing.assert_allclose(std**2, variance, rtol=0.15, atol=1e-12)
    assert (np.abs(mean - net.predict(X)) <= 5 * np.sqrt(variance / 5000) + 1e-12).all()


# What it does not depend on --------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_block_and_any_number_of_threads_gives_the_same_bits(parameters, dtype, monkeypatch):
    net, X = fit(hidden=(33, 17), n_rows=150, dtype=dtype, **parameters)
    expected = draw(net, X, 30)
    assert expected[0].dtype == dtype
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    for threads, block, together in ((1, 1, 1), (2, 7, 40), (3, 64, 256), (3, 150, 150)):
        monkeypatch.setattr(_team, "n_cores", lambda threads=threads: threads)
        monkeypatch.setattr(_evaluate, "BLOCK_OF_DRAWS", block)
        monkeypatch.setattr(_evaluate, "BLOCK", together)
        for a, b in zip(draw(net, X, 30), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@BOTH
def test_a_row_does_not_depend_on_the_rows_beside_it(cls):
    net, X = fit(cls, dropout=0.4, input_dropout=0.2)
    mean, std = draw(net, X)
    order = np.random.RandomState(0).permutation(len(X))[:20]
    for a, b in zip(draw(net, X[order]), (mean[order], std[order]), strict=True):
        np.testing.assert_array_equal(a, b)
    for i in range(3):
        np.testing.assert_array_equal(draw(net, X[i : i + 1])[1][0], std[i])


@pytest.mark.parametrize("name", ["inputs", "both", "second layer", "gaussian"])
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_data(name, form):
    net, X = fit(**KINDS[name])
    assert relative_error(draw(net, form(X)), draw(net, X)) < 1e-12


@BOTH
def test_the_seed_decides(cls):
    net, X = fit(cls, dropout=0.4)
    first, same, other = (draw(net, X, random_state=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(draw(net, X, random_state=np.random.RandomState(0))[1], first)
    assert not np.array_equal(draw(net, X, random_state=None)[1], draw(net, X, random_state=None)[1])


@BOTH
def test_it_is_that_of_the_fit(cls):
    net, X = fit(cls, dropout=0.4, input_dropout=0.2)
    before = draw(net, X)
    changed = pickle.loads(pickle.dumps(net)).set_params(
        dropout=0.0, input_dropout=0.7, dropout_kind="gaussian", hidden_layer_sizes=(3,), activation="tanh"
    )
    for a, b in zip(draw(changed, X), before, strict=True):
        np.testing.assert_array_equal(a, b)


@BOTH
def test_nothing_changes_without_it(cls):
    net, X = fit(cls, dropout=0.4)
    plain = net.predict_proba(X) if cls is MLPClassifier else net.predict(X)
    draw(net, X)
    again = net.predict_proba(X) if cls is MLPClassifier else net.predict(X)
    np.testing.assert_array_equal(plain, again)
    mean, _ = draw(net, X, 3000)
    assert np.abs(mean - plain).max() < 0.3


def test_memory_does_not_grow_with_draws():
    net, _ = fit(hidden=(50,), dropout=0.4)
    X = np.random.RandomState(0).randn(20_000, 4)
    draw(net, X[:10])
    peaks = []
    for n_draws in (10, 500):
        tracemalloc.start()
        draw(net, X, n_draws)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000
    assert peaks[1] < 3_000_000


# Refusals --------------------------------------------------------------------------------------------------------


def test_spread_is_there_by_default_with_100_draws():
    net, X = fit(MLPClassifier, dropout=0.4)
    for a, b in zip(net.predict_proba(X, return_std=True, random_state=0), draw(net, X, 100), strict=True):
        np.testing.assert_array_equal(a, b)


@BOTH
def test_a_network_without_dropout_is_refused(cls):
    net, X = fit(cls, input_noise=0.1)
    net.set_params(dropout=0.5)
    with pytest.raises(ValueError, match="needs a network that was fitted with dropout, got dropout=0 and"):
        draw(net, X)
    unfitted = cls(dropout=0.5)
    with pytest.raises(ValueError, match="not fitted yet"):
        draw(unfitted, X)


@BOTH
@pytest.mark.parametrize("n_draws", [0, 1, -1, 2.0, "a", True])
def test_bad_numbers_of_draws_are_refused(cls, n_draws):
    net, X = fit(cls, dropout=0.4)
    with pytest.raises(ValueError, match="n_draws must be a whole number >= 2, got"):
        draw(net, X, n_draws)


def test_alpha_dropout_of_sparse_inputs_is_refused():
    net, X = fit(**KINDS["alpha"])
    with pytest.raises(ValueError, match="would make sparse X dense"):
        draw(net, sparse.csr_array(X))


@BOTH
def test_bad_inputs_are_refused(cls):
    net, X = fit(cls, dropout=0.4)
    for bad in (X[:, :2], np.where(X == X[0, 0], np.nan, X)):
        with pytest.raises(ValueError, match="features|NaN"):
            draw(net, bad)
