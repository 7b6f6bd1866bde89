"""Batch and layer normalisation: against the naive networks of `normalized.py`, finite differences, and promises."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from skreg import DivergenceError, MLPClassifier, MLPRegressor, _team
from skreg._data import Dataset
from skreg._evaluate import evaluate
from skreg._network import unpack_vectors
from skreg._objective import FullBatch
from skreg.solvers import stochastic

from . import normalized, reference
from .conftest import (
    GRADIENT_RATES,
    RATES,
    TARGETS,
    KernelRun,
    draw_data,
    draw_network,
    draw_params,
    layer_units,
    make_flat,
    make_kernel_spec,
    relative_error,
)
from .test_gradients import assert_is_gradient

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge")

# Rounding is multiplied by up to 1 / sqrt(EPSILON) where a batch has next to no variance.
EXACT = 1e-10
HIDDEN = (5, 3)
KINDS = ["batch", "layer"]
OPTIMIZERS = {"sgd": reference.HeavyBall, "nesterov": reference.Nesterov, "adam": reference.Adam}

kinds = pytest.mark.parametrize("kind", KINDS)
# Every activation, and every target with relu, whose derivative is a gate, and with tanh.
MODELS = [(activation, "three targets") for activation in reference.ACTIVATIONS]
MODELS += [(activation, target) for activation in ("relu", "tanh") for target in TARGETS if target != "three targets"]
models = pytest.mark.parametrize(("activation", "target"), MODELS)
activations = pytest.mark.parametrize("activation", reference.ACTIVATIONS)
forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])


def draw_vectors(kind, hidden, seed=0):
    """Scales and shifts, and running statistics that are not those of the data, of each hidden layer."""
    rng = np.random.RandomState(seed + 300)
    return [
        [rng.uniform(0.5, 1.5, n), rng.uniform(-0.5, 0.5, n), rng.uniform(-0.3, 0.3, n), rng.uniform(0.5, 2, n),
         np.full(n, 0.4)][: 5 if kind == "batch" else 2]
        for n in hidden
    ]  # fmt: skip


def draw_all(kind, activation, target, *, dropout=False, hidden=HIDDEN, n_rows=23):
    """(network, coefs, intercepts, vectors, X, y, weights)."""
    network = draw_network(activation, target, hidden, dropout=dropout)
    X, y, weights = draw_data(target, n_rows=n_rows)
    coefs, intercepts = draw_params((X.shape[1], *hidden, TARGETS[target][1]))
    return network, coefs, intercepts, draw_vectors(kind, hidden), X, y, weights


def kernel_run(kind, problem, form=np.asarray, optimizer="adam", rates=RATES, batch_size=5, **more):
    network, coefs, intercepts, vectors, X, y, weights = problem
    return KernelRun(network, coefs, intercepts, form(X), y, weights, optimizer=optimizer, rates=rates,
                     batch_size=batch_size, seed=12345, normalization=kind, vectors=sum(vectors, []),
                     **more)  # fmt: skip


def vectors_of(run, kind):
    return sum(unpack_vectors(run.params, run.units, kind), [])


# Against the naive network ---------------------------------------------------------------------------------------


@kinds
@models
@forms
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_epochs(kind, activation, target, form, optimizer):
    """Three epochs with everything: weights, all penalties, dropout, shuffling, a short last batch."""
    problem = draw_all(kind, activation, target, dropout=True)
    network, coefs, intercepts, vectors, X, y, weights = problem
    names = ("beta_1", "beta_2", "epsilon") if optimizer == "adam" else ("momentum",)
    oracle = OPTIMIZERS[optimizer](RATES["learning_rate"], *(RATES[name] for name in names))
    expected = normalized.Run(network, kind, coefs, intercepts, vectors, X, y, weights, oracle, 5, 12345)
    found = kernel_run(kind, problem, form, optimizer)
    for _ in range(3):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < EXACT
    for parts in zip((*found.layers(), vectors_of(found, kind)),
                     (expected.coefs, expected.intercepts, sum(expected.vectors, [])), strict=True):  # fmt: skip
        assert relative_error(*parts) < EXACT


@kinds
@pytest.mark.parametrize("clip_norm", [1e-3, 0.3, 10.0])
def test_epochs_with_clipped_gradients(kind, clip_norm):
    """The gradients of scales and shifts count."""
    problem = draw_all(kind, "tanh", "multinomial")
    if kind == "batch":
        for intercept in problem[2][:-1]:
            intercept[:] = 0
    oracle = reference.HeavyBall(RATES["learning_rate"], RATES["momentum"])
    expected = normalized.Run(problem[0], kind, *problem[1:], oracle, 5, 12345, clip_norm)
    found = kernel_run(kind, problem, optimizer="sgd", clip_norm=clip_norm)
    for _ in range(2):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < EXACT
    assert relative_error(vectors_of(found, kind), sum(expected.vectors, [])) < EXACT
    assert relative_error(found.layers()[0], expected.coefs) < EXACT


@kinds
@pytest.mark.parametrize("batch_size", [1, 2, 11, 23])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
def test_epochs_in_batches_of_every_size(kind, batch_size, weighted):
    """23 rows in batches of 2 and 11 leave a last batch of one row."""
    network, coefs, intercepts, vectors, X, y, weights = draw_all(kind, "tanh", "three targets")
    weights = weights if weighted else np.ones(len(X))
    oracle = reference.HeavyBall(0.005, 0.6)
    expected = normalized.Run(network, kind, coefs, intercepts, vectors, X, y, weights, oracle, batch_size, 12345)
    given = (network, coefs, intercepts, vectors, X, y, weights if weighted else None)
    found = kernel_run(kind, given, optimizer="sgd", batch_size=batch_size)
    for _ in range(2):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < EXACT
    assert relative_error(vectors_of(found, kind), sum(expected.vectors, [])) < EXACT
    assert relative_error(found.layers()[0], expected.coefs) < EXACT


@kinds
@pytest.mark.parametrize("hidden", [(2,), (15, 16, 17), (33, 70)], ids=str)
def test_every_width(kind, hidden):
    problem = draw_all(kind, "relu", "one target", hidden=hidden)
    network, coefs, intercepts, vectors, X, y, weights = problem
    slopes, _ = normalized.data_gradient(network, kind, coefs, intercepts, vectors, X, y, weights, 23)
    network.alpha = network.beta = [0.0] * len(coefs)
    for dtype, tolerance in ((np.float64, EXACT), (np.float32, 1e-3)):
        run = kernel_run(kind, problem, rates=GRADIENT_RATES, batch_size=23, dtype=dtype)
        run.train_epoch()
        n_statistics = 3 if kind == "batch" else 0
        layers = zip(*slopes[2:], strict=True)
        expected = sum([[scale, shift, *[np.zeros_like(scale)] * n_statistics] for scale, shift in layers], [])
        assert relative_error([run.gradient], [make_flat(*slopes[:2], vectors=expected)]) < tolerance


@kinds
@models
@forms
def test_predictions_and_objective_at_the_running_statistics(kind, activation, target, form):
    problem = draw_all(kind, activation, target, dropout=True)
    network, coefs, intercepts, vectors, X, y, weights = problem
    spec = replace(make_kernel_spec(network, layer_units(coefs)), normalization=kind)
    params, data = make_flat(coefs, intercepts, vectors=sum(vectors, [])), Dataset.make(form(X), y, weights)
    raw = np.empty((len(X), TARGETS[target][1]))
    terms = evaluate(spec, params, data, raw)
    passed = normalized.Forward(network, kind, coefs, intercepts, vectors, X)
    assert relative_error([raw], [passed.sums[-1]]) < 1e-12
    expected = normalized.data_terms(network, kind, coefs, intercepts, vectors, X, y, weights, trains=False)
    assert relative_error(terms * len(X), expected) < 1e-12
    loss, activity, _ = FullBatch(spec, data).data_terms(params)
    assert relative_error([loss, activity], np.array(expected) / len(X)) < 1e-12


@kinds
@models
def test_single_precision_is_double_precision_rounded(kind, activation, target):
    network, coefs, intercepts, vectors, X, y, weights = draw_all(kind, activation, target, dropout=True)
    problem = (network, coefs, intercepts, vectors, X.astype(np.float32).astype(float), y, None)
    single, double = (kernel_run(kind, problem, batch_size=12, dtype=dtype) for dtype in (np.float32, np.float64))
    for _ in range(2):
        assert relative_error(single.train_epoch(), double.train_epoch()) < 1e-4
    assert single.params.dtype == np.float32
    assert relative_error([single.params], [double.params]) < 1e-3


# Against finite differences --------------------------------------------------------------------------------------


def smooth_problem(kind, activation, target, weighted):
    """Rows that leave relu and |a| away from their kinks, in one batch."""
    for seed in range(100):
        network = draw_network(activation, target, (3,), seed=seed)
        X, y, weights = draw_data(target, n_rows=12, seed=seed)
        weights = weights if weighted else np.ones(12)
        coefs, intercepts = draw_params((X.shape[1], 3, TARGETS[target][1]), seed)
        vectors = draw_vectors(kind, (3,), seed)
        passed = normalized.Forward(network, kind, coefs, intercepts, vectors, X, weights)
        if min(np.abs(values).min() for values in passed.activated) > 0.03:
            network.alpha = network.beta = [0.0, 0.0]
            return network, coefs, intercepts, vectors, X, y, weights
    raise AssertionError("no seed is far enough from all kinks")


@kinds
@models
@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
def test_gradient_is_that_of_what_the_kernel_sums(kind, activation, target, weighted):
    """Through the statistics of the batch: loss and activity penalty of one batch, by all that is learned."""
    problem = smooth_problem(kind, activation, target, weighted)
    run = kernel_run(kind, problem, rates=GRADIENT_RATES, batch_size=12, shuffled=False)
    start = run.params.copy()
    run.train_epoch()
    gradient = run.gradient.copy()
    # The hidden intercepts have no effect with batch normalisation; behind scales and shifts come statistics.
    learned = np.arange(len(start)) < len(start) - (9 if kind == "batch" else 0)

    def terms(values):
        run.params[:] = start
        run.params[learned] = values
        loss, _, _, activity = run.train_epoch()
        return loss + activity

    assert not gradient[~learned].any()
    assert_is_gradient(gradient[learned], terms, start[learned])


@models
def test_gradient_of_the_full_batch_with_layer_norm(activation, target):
    """What lbfgs follows."""
    network, coefs, intercepts, vectors, X, y, weights = smooth_problem("layer", activation, target, True)
    spec = replace(make_kernel_spec(network, layer_units(coefs)), normalization="layer")
    batch = FullBatch(spec, Dataset.make(sparse.csr_array(X), y, weights))
    params = make_flat(coefs, intercepts, vectors=sum(vectors, []))
    assert_is_gradient(batch.smooth(params)[1], lambda w: batch.smooth(w)[0], params)


# What it promises ------------------------------------------------------------------------------------------------


def draw(n_rows=60, n_features=6, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n_rows, n_features) * (rng.rand(n_rows, n_features) < 0.7)
    return X, np.sin(X @ rng.uniform(-2, 2, n_features)) + 0.1 * rng.randn(n_rows)


def make(kind, cls=MLPRegressor, **parameters):
    defaults = {
        "activation": "tanh", "alpha": 0.001, "random_state": 0, "learning_rate_init": 0.01, "batch_size": 16,
        "max_iter": 5, "tol": 0.0, "n_iter_no_change": np.inf,
    }  # fmt: skip
    return cls((7, 4), **{**defaults, f"{kind}_norm": True, **parameters})


def arrays_of(network):
    names = [name for name, value in vars(network).items() if name.startswith(("norm_", "_norm_")) and value]
    return sum((getattr(network, name) for name in ["coefs_", "intercepts_", *sorted(names)]), [])


def assert_same_bits(a, b):
    assert [w.tobytes() for w in arrays_of(a)] == [w.tobytes() for w in arrays_of(b)]


@activations
@forms
def test_prediction_of_batch_norm_is_that_of_a_folded_plain_network(activation, form):
    X, y = draw()
    network = make("batch", activation=activation, max_iter=30, dropout=0.2).fit(form(X), y)
    plain = MLPRegressor((7, 4), activation, random_state=0, max_iter=1).fit(X, y)
    plain.coefs_, plain.intercepts_ = list(network.coefs_), list(network.intercepts_)
    for layer, (scale, shift, mean, variance) in enumerate(
        zip(network.norm_scales_, network.norm_shifts_, network.norm_means_, network.norm_variances_, strict=True)
    ):
        factor = scale / np.sqrt(variance + 1e-5)
        plain.coefs_[layer] = plain.coefs_[layer] * factor
        plain.intercepts_[layer] = (plain.intercepts_[layer] - mean) * factor + shift
    assert relative_error([network.predict(form(X))], [plain.predict(X)]) < 1e-12
    row_by_row = np.ravel([network.predict(form(X[i : i + 1])) for i in range(9)])
    assert relative_error([row_by_row], [plain.predict(X[:9])]) < 1e-12
    np.testing.assert_allclose(network.objective(form(X), y).loss, plain.objective(X, y).loss, rtol=1e-12)


def test_layer_norm_of_one_row_is_that_among_others():
    X, y = draw()
    network = make("layer").fit(X, y)
    found = np.concatenate([network.predict(X[i : i + 1]) for i in range(len(X))])
    assert relative_error([found], [network.predict(X)]) < 1e-14


def test_running_statistics_are_those_of_one_sample_of_fading_rows():
    """Weights stand still, so that all batches come from one network; among them are some of one row, and of zeros."""
    rng = np.random.RandomState(0)
    network, coefs, intercepts, vectors, *_ = draw_all("batch", "tanh", "one target", hidden=(5,))
    vectors = [[*vectors[0][:4], np.zeros(5)]]  # nothing seen
    sums, weights_left = np.empty((0, 5)), np.empty(0)
    params = None
    for n_rows in (7, 1, 3, 12, 2, 1):
        X, y, weights = rng.randn(n_rows, 4), rng.randn(n_rows, 1), rng.rand(n_rows) * rng.randint(0, 2, n_rows)
        weights[0] += 0.1
        weights /= weights.mean()
        problem = (network, coefs, intercepts, vectors, X, y, weights)
        run = kernel_run("batch", problem, rates=GRADIENT_RATES, batch_size=12)
        if params is not None:
            run.params[:] = params
        run.train_epoch()
        params = run.params.copy()
        weights_left = 0.9 ** (n_rows / 12) * weights_left
        new = (1 - 0.9 ** (n_rows / 12)) * weights / weights.sum()
        sums, weights_left = np.vstack([sums, X @ coefs[0] + intercepts[0]]), np.append(weights_left, new)
        mean = np.average(sums, axis=0, weights=weights_left)
        variance = np.average((sums - mean) ** 2, axis=0, weights=weights_left)
        found = unpack_vectors(params, run.units, "batch")[0]
        assert relative_error(found[2:], [mean, variance, np.full(5, weights_left.sum())]) < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", [{"averaging": "swa", "averaging_start": 0.3}, {"averaging": "ema"}], ids=str)
@forms
def test_an_average_of_weights_has_the_statistics_of_all_training_rows(parameters, form, dtype):
    X, y, weights = (*draw(), np.random.RandomState(1).randint(0, 3, 60).astype(float))
    network = make("batch", max_iter=10, learning_rate_init=0.05, **parameters)
    network.fit(form(X.astype(dtype)), y.astype(dtype), weights)
    values, tolerance = X, 1e-12 if dtype == np.float64 else 1e-5
    for layer in range(2):
        sums = values @ network.coefs_[layer] + network.intercepts_[layer]
        mean = np.average(sums, axis=0, weights=weights)
        variance = np.average((sums - mean) ** 2, axis=0, weights=weights)
        found = network.norm_means_[layer], network.norm_variances_[layer]
        assert relative_error(found, [mean, variance]) < tolerance
        u = (sums - mean) / np.sqrt(variance + 1e-5)
        values = np.tanh(network.norm_scales_[layer] * u + network.norm_shifts_[layer])


@pytest.mark.parametrize("averaging", ["swa", "ema"])
def test_curves_look_at_the_statistics_that_the_average_will_predict_with(averaging):
    """Not at averages of the running ones."""
    X, y = draw(n_rows=90)
    training, validation = (X[:60], y[:60]), (X[60:], y[60:])
    network = make("batch", averaging=averaging, max_iter=12, learning_rate_init=0.05)
    for arguments in ({}, {"X_val": validation[0], "y_val": validation[1]}):
        network.fit(*training, **arguments)
        assert network.loss_ == network.loss_curve_[-1] == pytest.approx(network.objective(*training).value, rel=1e-10)
        assert network.best_loss_ == min(network.loss_curve_)
    assert network.validation_loss_curve_[-1] == pytest.approx(network.objective(*validation).value, rel=1e-10)
    assert network.validation_scores_[-1] == pytest.approx(network.score(*validation), rel=1e-10)


def test_early_stopping_keeps_an_average_with_the_statistics_of_all_training_rows():
    X, y = draw(n_rows=90)
    network = make("batch", averaging="ema", early_stopping=True, max_iter=12, learning_rate_init=0.05)
    network.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    sums = X[:60] @ network.coefs_[0] + network.intercepts_[0]
    assert relative_error([network.norm_means_[0], network.norm_variances_[0]], [sums.mean(0), sums.var(0)]) < 1e-12
    assert network.best_validation_score_ == pytest.approx(network.score(X[60:], y[60:]), rel=1e-10)


def test_refreshed_statistics_of_many_rows_are_put_together_block_by_block(monkeypatch):
    X, y = draw(n_rows=50)
    whole = make("batch", averaging="ema").fit(X, y)
    monkeypatch.setattr("skreg._normalization.N_ROWS", 7)
    pieces = make("batch", averaging="ema").fit(X, y)
    assert relative_error(arrays_of(pieces), arrays_of(whole)) < 1e-13


def test_training_goes_on_from_the_weights_and_statistics_beside_an_average():
    X, y = draw()
    whole = make("batch", max_iter=6, averaging="ema").fit(X, y)
    parts = make("batch", max_iter=3, averaging="ema", warm_start=True).fit(X, y).fit(X, y)
    assert_same_bits(parts, whole)


def test_a_first_epoch_of_one_batch_leaves_the_statistics_of_the_training_data():
    X, y = draw()
    network = make("batch", max_iter=1, batch_size=60, activation="relu", learning_rate_init=1e-12).fit(X, y)
    sums = X @ network.coefs_[0]
    assert relative_error([network.norm_means_[0]], [sums.mean(axis=0)]) < 1e-9
    assert relative_error([network.norm_variances_[0]], [sums.var(axis=0)]) < 1e-9


def test_a_weight_of_two_is_the_row_twice():
    X, y = draw(n_rows=24)
    weights = np.where(np.arange(24) % 3 == 0, 2.0, 1.0)
    weights[5] = 0.0
    rows = np.repeat(np.arange(24), weights.astype(int))
    for kind in KINDS:
        weighted = make(kind, batch_size=24, shuffle=False, solver="sgd").fit(X, y, weights)
        repeated = make(kind, batch_size=len(rows), shuffle=False, solver="sgd").fit(X[rows], y[rows])
        assert relative_error(arrays_of(weighted), arrays_of(repeated)) < 1e-12
        np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_stands_in_rows_of_weight_0_does_not_matter(dtype):
    """Also in the first row of a batch, from which moments are measured, and where its square is no number."""
    X, y = draw()
    weights = np.ones(60)
    weights[::3] = 0
    networks = []
    for scale in (1, 1e6, 1e30):
        others = np.where(weights[:, np.newaxis] > 0, X, scale * X).astype(dtype)
        networks.append(make("batch", batch_size=4).fit(others, y, weights))
    assert_same_bits(networks[0], networks[1])
    assert_same_bits(networks[0], networks[2])


@kinds
@pytest.mark.parametrize("n_rows", [1, 17], ids=["one row in all", "one row in the last batch"])
def test_a_batch_of_one_row_destroys_nothing(kind, n_rows):
    X, y = draw(n_rows=n_rows)
    network = make(kind, max_iter=300, batch_size="auto" if n_rows == 1 else 16).fit(X, y)
    assert all(np.isfinite(array).all() for array in arrays_of(network))
    assert np.square(network.predict(X) - y).mean() < 0.5 * np.square(y).mean()


def test_a_batch_of_one_row_trains_the_layers_before_batch_norm():
    """By its own statistics it would be 0 wherever it lies."""
    X, y = draw(n_rows=33)
    network = make("batch", solver="sgd", momentum=0.0, alpha=0.0, batch_size="auto", max_iter=1).fit(X[:32], y[:32])
    before = network.coefs_[0].copy()
    network.partial_fit(X[32:], y[32:])
    assert (network.coefs_[0] != before).any()


@pytest.mark.parametrize("columns", ["constant", "far from zero"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_of_columns_without_and_with_little_variance(columns, dtype):
    rng = np.random.RandomState(0)
    X = np.full((40, 3), 1000.0) if columns == "constant" else 1000 + rng.randn(40, 3)
    y = rng.randn(40)
    network = make("batch", batch_size=40, max_iter=1).fit(X.astype(dtype), y.astype(dtype))
    assert network.coefs_[0].dtype == network.norm_scales_[0].dtype == dtype
    if columns == "constant":
        assert not network.norm_variances_[0].any()
        np.testing.assert_allclose(network.predict(X.astype(dtype)), network.predict(X[:1].astype(dtype))[0])
    else:
        first = make("batch", batch_size=40, max_iter=1, learning_rate_init=1e-12).fit(X.astype(dtype), y.astype(dtype))
        sums = X @ first.coefs_[0].astype(float)
        tolerance = 1e-2 if dtype == np.float32 else 1e-6
        np.testing.assert_allclose(first.norm_variances_[0], sums.var(axis=0), rtol=tolerance)


def test_the_scale_of_the_inputs_does_not_matter_with_batch_norm():
    X, y = draw()
    curves = {
        (scale, norm): make("batch", batch_norm=norm, alpha=0.0, max_iter=20).fit(scale * X, y).loss_curve_
        for scale in (1, 1000) for norm in (False, True)
    }  # fmt: skip
    np.testing.assert_allclose(curves[1000, True], curves[1, True], rtol=1e-2)
    assert relative_error([curves[1000, False]], [curves[1, False]]) > 0.1


@kinds
@forms
@pytest.mark.parametrize("n_cores", [2, 3])
def test_the_same_bits_for_any_number_of_threads(kind, form, n_cores, monkeypatch):
    X, y, weights = (*draw(n_rows=300), np.random.RandomState(0).rand(300))

    def fit():
        return MLPRegressor(
            (33, 21), **{f"{kind}_norm": True}, batch_size=64, max_iter=3, dropout=0.2, random_state=0
        ).fit(form(X), y, weights)  # fmt: skip

    one = fit()
    alone = one.predict(X)
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    monkeypatch.setattr(_team, "n_cores", lambda: n_cores)
    many = fit()
    assert_same_bits(one, many)
    assert many.loss_curve_ == one.loss_curve_
    assert many.predict(X).tobytes() == alone.tobytes()
    if kind == "layer":
        lbfgs = make(kind, solver="lbfgs", max_iter=5)
        several = lbfgs.fit(form(X), y, weights).predict(X)
        monkeypatch.undo()
        assert lbfgs.fit(form(X), y, weights).predict(X).tobytes() == several.tobytes()


# An estimator like any other -------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_k_fits_of_one_epoch_are_one_fit_of_k_epochs(kind, solver):
    X, y = draw()
    held_out = {"X_val": X[:20], "y_val": y[:20]}
    whole = make(kind, solver=solver, max_iter=4).fit(X, y, **held_out)
    parts, partial = make(kind, solver=solver, max_iter=1, warm_start=True), make(kind, solver=solver)
    for _ in range(4):
        parts = pickle.loads(pickle.dumps(parts)).fit(X, y, **held_out)
        partial.partial_fit(X, y, **held_out)
    for other in (parts, partial):
        assert_same_bits(other, whole)
        assert other.validation_scores_ == whole.validation_scores_
        assert other.loss_curve_ == whole.loss_curve_


@kinds
def test_copies_predict_the_same(kind):
    X, y = draw()
    network = make(kind, cls=MLPClassifier).fit(X, y > 0)
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(copied.predict_proba(X), network.predict_proba(X))


@kinds
def test_early_stopping_returns_to_the_best_weights_and_their_statistics(kind):
    X, y = draw()
    network = make(kind, early_stopping=True, learning_rate_init=0.05, max_iter=40)
    network.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    scores = network.validation_scores_
    assert np.argmax(scores) < len(scores) - 1, "the last epoch is the best, which shows nothing"
    np.testing.assert_allclose(network.score(X[40:], y[40:]), network.best_validation_score_, rtol=1e-12)


@kinds
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_an_interrupt_keeps_the_last_whole_epoch(kind, dropout, monkeypatch):
    X, y = draw()
    whole = make(kind, max_iter=3, dropout=dropout).fit(X, y)
    run, calls = stochastic._Epochs.run, []
    monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", 0.0)

    def interrupted(self, *arguments):
        calls.append(run(self, *arguments))
        if len(calls) > 3:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(stochastic._Epochs, "run", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        network = make(kind, max_iter=9, dropout=dropout).fit(X, y)
    assert_same_bits(network, whole)


@kinds
@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_prediction_depends_on_the_fitted_network_alone(kind, cls):
    X, y = draw()
    network = make(kind, cls).fit(X, y > 0)
    before, objective = network.predict(X), network.objective(X, y > 0)
    network.set_params(batch_norm=kind != "batch", layer_norm=kind != "layer")
    np.testing.assert_array_equal(network.predict(X), before)
    assert network.set_params(**{f"{kind}_norm": True}).objective(X, y > 0) == objective
    plain = network.set_params(batch_norm=False, layer_norm=False).fit(X, y > 0)
    assert plain.norm_scales_ is plain.norm_shifts_ is plain.norm_means_ is plain.norm_variances_ is None


@kinds
def test_warm_starts_refuse_another_normalisation(kind):
    X, y = draw()
    network = make(kind, warm_start=True).fit(X, y).set_params(batch_norm=False, layer_norm=False)
    with pytest.raises(ValueError, match="previous fit had normalization.*warm_start=False"):
        network.fit(X, y)
    assert network.norm_scales_


def test_vectors_that_do_not_fit_are_refused():
    X, y = draw()
    network = make("batch").fit(X, y)
    network.norm_means_ = network.norm_means_[:1]
    with pytest.raises(ValueError, match="norm_means_ does not fit coefs_"):
        network.predict(X)


@pytest.mark.parametrize("activation", ["identity", "tanh", "logistic"])
def test_lbfgs_reaches_a_stationary_point_with_layer_norm(activation):
    """A penalty on weights that are normalised has no minimum: it pulls them on until EPSILON is seen."""
    X, y = draw(n_rows=300)
    network = MLPRegressor(
        (4,), activation, layer_norm=True, solver="lbfgs", max_iter=5000, tol=1e-5, alpha=[0.0, 0.01], random_state=0,
        n_iter_no_change=np.inf,
    ).fit(X, y)  # fmt: skip
    assert network.kkt_residual(X, y) <= 1e-5


def test_kkt_residual_is_refused_with_batch_norm():
    X, y = draw()
    with pytest.raises(ValueError, match="kkt_residual is not defined with batch_norm=True"):
        make("batch").fit(X, y).kkt_residual(X, y)


def test_the_intercepts_that_batch_norm_takes_away_stay_zero():
    X, y = draw()
    network = make("batch", max_iter=20).fit(X, y)
    assert [intercept.any() for intercept in network.intercepts_] == [False, False, True]
    assert all(np.ptp(scale) > 0.01 for scale in network.norm_scales_)


@kinds
def test_a_scale_that_is_not_finite_is_a_divergence(kind):
    X, y = draw()
    network = make(kind, learning_rate_init=1e300)
    with pytest.raises(DivergenceError):
        network.fit(X, y)
    assert all(np.isfinite(array).all() for array in arrays_of(network))
    with np.errstate(all="ignore"):  # of the last step of the epoch alone
        network = make(kind, warm_start=True, batch_size=60, max_iter=1).fit(X, y)
        network.norm_scales_[0] = np.full(7, np.finfo(float).max)
        network.set_params(learning_rate_init=1e308)
        with pytest.raises(DivergenceError):
            network.fit(X, y)
