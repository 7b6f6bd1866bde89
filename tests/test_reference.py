"""The kernels are the naive NumPy network of `reference.py`, to 1e-12."""

import numpy as np
import pytest
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor
from skreg._data import Dataset
from skreg._evaluate import evaluate
from skreg.kernels.matmul import HEIGHT

from . import reference
from .conftest import (
    ACTIVATIONS_AND_TARGETS,
    GRADIENT_RATES,
    HIDDEN,
    RATES,
    TARGETS,
    KernelRun,
    ReferenceRun,
    draw_data,
    draw_network,
    draw_params,
    full_batch,
    layer_units,
    make_flat,
    make_kernel_spec,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

EXACT = 1e-12
SINGLE = 5e-5

activations_and_targets = pytest.mark.parametrize(("activation", "target"), ACTIVATIONS_AND_TARGETS)
targets = pytest.mark.parametrize("target", TARGETS)
depths = pytest.mark.parametrize("depth", HIDDEN)
forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
optimizers = pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])


def draw_all(activation, target, depth, *, dropout=False):
    """(network, coefs, intercepts, X, y, weights)."""
    network = draw_network(activation, target, HIDDEN[depth], dropout=dropout)
    X, y, weights = draw_data(target)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS[target][1]))
    return network, coefs, intercepts, X, y, weights


@activations_and_targets
@depths
@forms
@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "weights"])
def test_objective_and_gradient(activation, target, depth, form, weighted):
    network, coefs, intercepts, X, y, weights = draw_all(activation, target, depth)
    weights = weights if weighted else np.ones(len(X))
    batch = full_batch(network, layer_units(coefs), form(X), y, weights if weighted else None)
    params = make_flat(coefs, intercepts)
    expected = reference.objective_terms(network, coefs, intercepts, X, y, weights)
    assert relative_error(batch.terms(params)[1:], expected) < EXACT
    *_, gradient = batch.data_terms(params)
    coef_gradients, intercept_gradients = reference.data_gradient(
        network, coefs, intercepts, X, y, weights / weights.sum()
    )
    assert relative_error([gradient], [make_flat(coef_gradients, intercept_gradients)]) < EXACT


@activations_and_targets
@depths
@forms
def test_raw_predictions_and_sums_without_dropout(activation, target, depth, form):
    network, coefs, intercepts, X, y, weights = draw_all(activation, target, depth, dropout=True)
    spec = make_kernel_spec(network, layer_units(coefs))
    raw = np.empty((len(X), TARGETS[target][1]))
    terms = evaluate(spec, make_flat(coefs, intercepts), Dataset.make(form(X), y, weights), raw)
    assert relative_error([raw], [reference.forward(network, coefs, intercepts, X)[1][-1]]) < EXACT
    assert relative_error(terms * len(X), reference.data_terms(network, coefs, intercepts, X, y, weights)) < EXACT


@activations_and_targets
@depths
@forms
@optimizers
def test_epochs(activation, target, depth, form, optimizer):
    """Three epochs with everything at once: weights, all penalties, dropout, shuffling, a short last batch of 3."""
    network, coefs, intercepts, X, y, weights = draw_all(activation, target, depth, dropout=True)
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=12345)
    found = KernelRun(network, coefs, intercepts, form(X), y, weights, **arguments)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
    for _ in range(3):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < EXACT
        for parts in zip(found.layers(), expected.layers(), strict=True):
            assert relative_error(*parts) < EXACT


@forms
@optimizers
@pytest.mark.parametrize("dropout", [False, True])
def test_epochs_set_the_same_weights_to_zero(form, optimizer, dropout):
    network, coefs, intercepts, X, y, weights = draw_all("tanh", "multinomial", "two hidden layers", dropout=dropout)
    network.alpha = [(0.3 if optimizer == "adam" else 10) * a for a in network.alpha]
    coefs = [0.1 * coef for coef in coefs]
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=1)
    found = KernelRun(network, coefs, intercepts, form(X), y, weights, **arguments)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
    for _ in range(6):
        found.train_epoch(), expected.train_epoch()
    (found, _), (expected, _) = found.layers(), expected.layers()
    assert relative_error(found, expected) < EXACT
    zeros = np.concatenate([coef.ravel() == 0 for coef in expected])
    np.testing.assert_array_equal(np.concatenate([coef.ravel() == 0 for coef in found]), zeros)
    assert 0.1 < zeros.mean() < 0.9


@forms
@optimizers
@pytest.mark.parametrize("batch_size", [1, 4, 23])
@pytest.mark.parametrize("changed", ["no dropout", "no shuffling", "no weights", "no penalties"])
def test_epochs_with_one_thing_left_out(form, optimizer, batch_size, changed):
    """The branches that the kernels take where there is nothing to do."""
    network, coefs, intercepts, X, y, weights = draw_all(
        "tanh", "multinomial", "two hidden layers", dropout=changed != "no dropout"
    )
    if changed == "no penalties":
        for strengths in (network.alpha, network.beta, network.gamma):
            strengths[:] = [0.0] * len(strengths)
    weights = None if changed == "no weights" else weights
    arguments = dict(
        optimizer=optimizer, rates=RATES, batch_size=batch_size, seed=7, shuffled=changed != "no shuffling"
    )
    found = KernelRun(network, coefs, intercepts, form(X), y, weights, **arguments)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
    for _ in range(2):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < EXACT
    assert relative_error(found.layers()[0], expected.layers()[0]) < EXACT


@optimizers
@pytest.mark.parametrize("first_step", [0, 1, 500])
def test_steps_are_counted_on(optimizer, first_step):
    """Masks, shuffling and Adam's corrections belong to the step and epoch of the whole training."""
    network, coefs, intercepts, X, y, weights = draw_all("tanh", "one target", "one hidden layer", dropout=True)
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=99)
    found = KernelRun(network, coefs, intercepts, X, y, weights, **arguments)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
    for run in (found, expected):
        run.start_at(first_step // 5, first_step)
        run.train_epoch()
    assert relative_error(found.layers()[0], expected.layers()[0]) < EXACT


@pytest.mark.parametrize("n_features", sorted({1, 3, 255, 256, 257, HEIGHT - 1, HEIGHT, HEIGHT + 1, 300}))
@pytest.mark.parametrize("widths", [(1,), (2, 1), (7, 8), (15, 16, 17), (25, 29), (31, 33), (40, 300)], ids=str)
@pytest.mark.parametrize("batch_size", [1, 8, 13])
@forms
def test_every_shape_of_matrix_product(n_features, widths, batch_size, form):
    """Widths around one and two vector registers, depths around a panel, batches around a tile.

    The full batch adds to the gradient, mini-batches set it.
    """
    rng = np.random.RandomState(0)
    units = (n_features, *widths, 3)
    network = draw_network("tanh", "three targets", widths)
    network.alpha, network.beta = [0.0] * (len(widths) + 1), [0.0] * (len(widths) + 1)
    coefs = [rng.randn(a, b) / np.sqrt(a) for a, b in zip(units[:-1], units[1:], strict=True)]
    intercepts = [rng.randn(b) for b in units[1:]]
    X = (rng.randn(batch_size, n_features) * (rng.rand(batch_size, n_features) < 0.5)).astype(np.float32).astype(float)
    y = rng.randn(batch_size, 3)
    expected = [
        make_flat(*reference.data_gradient(network, coefs, intercepts, X, y, np.full(batch_size, 1 / batch_size)))
    ]
    *_, gradient = full_batch(network, units, form(X), y).data_terms(make_flat(coefs, intercepts))
    assert relative_error([gradient], expected) < EXACT
    for dtype, tolerance in ((np.float64, EXACT), (np.float32, SINGLE)):
        run = KernelRun(network, coefs, intercepts, form(X), y, None, optimizer="adam", rates=GRADIENT_RATES,
                        batch_size=batch_size, seed=0, dtype=dtype)  # fmt: skip
        run.train_epoch()
        assert relative_error([run.gradient], expected) < tolerance


MEMORY_LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "a window": lambda X: np.pad(X, 3, constant_values=7.0)[3:-3, 3:-3],
    "a transposed window": lambda X: np.pad(X.T, 3, constant_values=7.0)[3:-3, 3:-3].T,
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "one row again and again": lambda X: np.broadcast_to(X[:1], X.shape),
    "not aligned": lambda X: np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
    "read-only": lambda X: np.broadcast_to(X, X.shape),
    "CSR, columns not sorted": lambda X: unsorted_csr(X),
    "CSR with explicit zeros": lambda X: explicit_zeros_csr(X),
    "CSC": sparse.csc_array,
    "CSR matrix": sparse.csr_matrix,
    "COO": sparse.coo_array,
}


def unsorted_csr(X):
    X = sparse.csr_array(X)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop], X.data[start:stop] = X.indices[start:stop][::-1], X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def explicit_zeros_csr(X):
    n, p = X.shape
    return sparse.csr_array((X.ravel(), np.tile(np.arange(p), n), np.arange(0, n * p + 1, p)), X.shape)


@pytest.mark.parametrize("name", MEMORY_LAYOUTS)
def test_wherever_x_lies_in_memory(name):
    X, y, _ = draw_data("one target")
    X = X.astype(np.float64)
    laid_out = MEMORY_LAYOUTS[name](X)
    plain = np.ascontiguousarray(laid_out.toarray() if sparse.issparse(laid_out) else laid_out)
    for solver in ("adam", "lbfgs"):
        network = MLPRegressor((5,), "tanh", solver=solver, random_state=0, max_iter=5, batch_size=7, tol=0)
        with pytest.warns(UserWarning, match="converge"):
            found = network.fit(laid_out, y[:, 0]).predict(laid_out)
            assert relative_error([found], [network.fit(plain, y[:, 0]).predict(plain)]) < EXACT


@activations_and_targets
@depths
@forms
def test_single_precision_is_double_precision_rounded(activation, target, depth, form):
    network, coefs, intercepts, X, y, weights = draw_all(activation, target, depth, dropout=True)
    X = X.astype(np.float32).astype(np.float64)
    for optimizer in ("sgd", "nesterov", "adam"):
        arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=3)
        runs = [
            KernelRun(network, coefs, intercepts, form(X), y, weights, dtype=dtype, **arguments)
            for dtype in (np.float32, np.float64)
        ]
        for _ in range(2):
            single, double = (run.train_epoch() for run in runs)
            assert relative_error(single, double) < SINGLE
        assert runs[0].params.dtype == np.float32
        assert relative_error([runs[0].params], [runs[1].params]) < SINGLE


def first_weights(activation, units, rng):
    """Glorot & Bengio's for scikit-learn's activations, else He et al.'s for any activation."""
    coefs, intercepts = [], []
    for layer, (fan_in, fan_out) in enumerate(zip(units[:-1], units[1:], strict=True)):
        bound = bound_of_intercepts = np.sqrt((2 if activation == "logistic" else 6) / (fan_in + fan_out))
        if activation not in ("identity", "logistic", "tanh", "relu"):
            f = reference.ACTIVATIONS[activation][0]
            second_moment = reference.normal_mean(lambda z, f=f: f(z) ** 2) if layer > 0 else 1
            bound, bound_of_intercepts = np.sqrt(3 / (fan_in * second_moment)), 0
        coefs.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(rng.uniform(-bound_of_intercepts, bound_of_intercepts, fan_out))
    return coefs, intercepts


ESTIMATORS = {
    "one target": MLPRegressor,
    "three targets": MLPRegressor,
    "counts": MLPRegressor,
    "binary": MLPClassifier,
    "multilabel": MLPClassifier,
    "multinomial": MLPClassifier,
}


@pytest.mark.parametrize(("activation", "target"), [pair for pair in ACTIVATIONS_AND_TARGETS if pair[1] in ESTIMATORS])
@optimizers
def test_estimators_from_the_first_draw_to_the_loss_curve(target, activation, optimizer):
    """The seeds, parameters and curves of a whole fit, against the reference alone."""
    network = draw_network(activation, target, (5, 3))
    X, y, weights = draw_data(target)
    solver = {"solver": "adam"} if optimizer == "adam" else {"solver": "sgd", "nesterovs_momentum": optimizer != "sgd"}
    rates = {name: RATES[name] for name in ("momentum", "beta_1", "beta_2", "epsilon")}
    extra = {"loss": "poisson"} if network.loss == "poisson" else {}
    estimator = ESTIMATORS[target](
        (5, 3), activation, penalty="elasticnet", alpha=network.alpha, l1_ratio=network.rho,
        bias_penalty=network.beta, bias_l1_ratio=network.r, activity_penalty=network.gamma,
        activity_l1_ratio=network.q, batch_size=5, learning_rate_init=RATES["learning_rate"], max_iter=3,
        random_state=11, **solver, **rates, **extra,
    )  # fmt: skip
    estimator.fit(X, y if y.shape[1] > 1 else y[:, 0], 3.7 * weights)

    rng = np.random.RandomState(11)
    units = (4, 5, 3, TARGETS[target][1])
    coefs, intercepts = first_weights(activation, units, rng)
    _, seed = rng.randint(2**31 - 1), rng.randint(2**31 - 1)
    expected = ReferenceRun(network, coefs, intercepts, X, y, weights, optimizer=optimizer, rates=RATES, batch_size=5,
                            seed=seed)  # fmt: skip
    curve = [sum(expected.train_epoch()) for _ in range(3)]
    assert relative_error(estimator.coefs_, expected.coefs) < EXACT
    assert relative_error(estimator.intercepts_, expected.intercepts) < EXACT
    assert relative_error(estimator.loss_curve_, curve) < EXACT
    objective = reference.objective_terms(network, expected.coefs, expected.intercepts, X, y, weights)
    found = estimator.objective(X, y if y.shape[1] > 1 else y[:, 0], 3.7 * weights)
    assert relative_error(found, [sum(objective), *objective]) < EXACT


@pytest.mark.parametrize("raw", [0.0, 30.0, -30.0, 800.0, -800.0])
@pytest.mark.parametrize("target", ["binary", "multilabel", "multinomial"])
def test_losses_far_from_zero_are_finite_and_exact(raw, target):
    network = draw_network("identity", target, ())
    n_outputs = TARGETS[target][1]
    X, y = np.array([[1.0], [1.0]]), np.array([[0.0] * n_outputs, [1.0] * n_outputs])
    y = y[:, :1] if target == "multinomial" else y
    coefs, intercepts = [np.linspace(raw, raw / 2, n_outputs)[None]], [np.zeros(n_outputs)]
    batch = full_batch(network, (1, n_outputs), X, y)
    loss, _, gradient = batch.data_terms(make_flat(coefs, intercepts))
    terms = reference.objective_terms(network, coefs, intercepts, X, y)
    np.testing.assert_allclose(loss, terms[0], rtol=1e-14, atol=0)
    expected = reference.data_gradient(network, coefs, intercepts, X, y, np.full(2, 0.5))
    np.testing.assert_allclose(gradient, make_flat(*expected), rtol=1e-14, atol=1e-300)
