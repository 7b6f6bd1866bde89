"""Dropout with one mask for a whole batch: left out or masked, the units count as the formulas say."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from skreg import MLPClassifier, MLPRegressor, _team
from skreg.kernels import layout as code

from . import reference
from .conftest import (
    GRADIENT_RATES,
    RATES,
    TARGETS,
    KernelRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
    relative_error,
)

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

# What is computed of the dropped units, by the activity penalty of each hidden layer: nothing without any.
ACTIVITY = {"thinned": [0.0, 0.0], "one layer thinned": [0.03, 0.0], "masked": [0.03, 0.02]}
FORMS = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])


def draw_problem(activation, target, *, hidden=(21, 19), activity=(0.0, 0.0), rates=(0.3, 0.5, 0.4), n_features=20):
    """Layers wider than a vector of float64, so that there are whole ones and rests."""
    network = draw_network(activation, target, hidden)
    network.dropout_kind, network.dropout = "batchwise", list(rates)[: len(hidden) + 1]
    network.gamma = list(activity)[: len(hidden)]
    X, y, weights = draw_data(target, n_features=n_features)
    coefs, intercepts = draw_params((n_features, *hidden, TARGETS[target][1]))
    return network, [coef / len(coef) ** 0.5 for coef in coefs], intercepts, X, y, weights


# Steps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activity", ACTIVITY)
@FORMS
@pytest.mark.parametrize(
    ("activation", "target", "optimizer"),
    [("relu", "multinomial", "adam"), ("tanh", "three targets", "sgd"), ("logistic", "binary", "nesterov"),
     ("identity", "multilabel", "adam"), ("silu", "one target", "sgd"), ("relu", "counts", "nesterov")],
)  # fmt: skip
def test_epochs_are_those_of_the_formulas(activation, target, optimizer, form, activity):
    """Three epochs with all penalties, weights, shuffling and a short last batch."""
    network, coefs, intercepts, X, y, weights = draw_problem(activation, target, activity=ACTIVITY[activity])
    check_epochs(network, coefs, intercepts, form(X), y, weights, optimizer=optimizer, rates=RATES, batch_size=5,
                 seed=3)  # fmt: skip


BESIDES = {
    "clipped": ({}, {"clip_norm": 0.3}),
    "mixup": ({}, {"augmentation": ("mixup", 0.4)}),
    "cutout": ({}, {"augmentation": ("cutout", 0.3)}),
    "input noise": ({"input_noise": 0.3}, {}),
    "groups": ({"penalty": ["group_lasso", "sparse_group_lasso", "l1"]}, {}),
    "positive": ({"positive": True}, {}),
    "max norm": ({"max_norm": [0.5, None, 1.0]}, {}),
    "weight decay": ({"weight_decay": 0.5}, {}),
    "hidden units alone": ({"dropout": [0.0, 0.5, 0.5]}, {}),
    "inputs alone": ({"dropout": [0.4, 0.0, 0.0]}, {}),
    "first hidden layer alone": ({"dropout": [0.0, 0.5, 0.0]}, {}),
}


@pytest.mark.parametrize("besides", BESIDES)
def test_epochs_with_other_regularisers(besides):
    changes, arguments = BESIDES[besides]
    problem = draw_problem("relu", "three targets")
    for name, value in changes.items():
        setattr(problem[0], name, value)
    check_epochs(*problem, optimizer="adam", rates=RATES, batch_size=5, seed=3, n_epochs=2, **arguments)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.integers(1, 300), st.lists(st.sampled_from([1, 2, 3, 7, 8, 9, 16, 33, 260]), min_size=1, max_size=3),
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=4, max_size=4), st.sampled_from(["relu", "tanh"]),
    st.sampled_from(["one target", "multinomial"]), st.integers(0, 2**31 - 1),
)  # fmt: skip
def test_epochs_of_any_shape(n_features, hidden, rates, activation, target, seed):
    """Layers of one unit and of more rows than a piece of the gradient has; masks that leave no unit at all."""
    problem = draw_problem(activation, target, hidden=tuple(hidden), activity=[0.0] * 3, rates=rates,
                           n_features=n_features)  # fmt: skip
    check_epochs(*problem, optimizer="sgd", rates=RATES, batch_size=9, seed=seed, n_epochs=1)


def run_of_one_step(step, seed=3, activity=(0.0, 0.0), form=np.asarray):
    network, coefs, intercepts, X, y, weights = draw_problem("tanh", "three targets", activity=activity)
    run = KernelRun(network, coefs, intercepts, form(X), y, weights, optimizer="adam", rates=GRADIENT_RATES,
                    batch_size=len(X), seed=seed)  # fmt: skip
    run.start_at(0, step)
    run.train_epoch()
    return run


@pytest.mark.parametrize("step", [0, 1, 12345])
def test_units_are_left_out(step):
    """As many are computed as the mask of row 0 keeps; of inputs all, which are copied as they are."""
    table = run_of_one_step(step)._epochs.network.layout
    masks = [reference.keep_mask(3, step, layer, 1, n, rate) for layer, n, rate in ((1, 21, 0.5), (2, 19, 0.4))]
    kept = [int(mask.sum()) for mask in masks]
    assert table[:, code.FAN_IN].tolist() == [20, *kept]
    assert table[:, code.FAN_OUT].tolist() == [*kept, 3]


def test_units_that_are_needed_are_computed():
    """For an activity penalty; and with CSR X, where the weights would have to be copied."""
    table = run_of_one_step(0, activity=[0.1, 0.0])._epochs.network.layout
    assert (table[0, code.FAN_OUT], table[1, code.FAN_OUT] < 19) == (21, True)
    table = run_of_one_step(0, form=sparse.csr_array)._epochs.network.layout
    assert table[:, code.FAN_OUT].tolist() == [21, 19, 3]


# Theory -------------------------------------------------------------------------------------------------------------


def test_mean_gradient_of_a_linear_model_is_that_of_its_closed_form():
    """The mean over masks of |y - X (m * w) / (1 - p)|^2 / 2 is |y - X w|^2 / 2 + p / (1 - p) / 2 w' diag(X'X) w."""
    X, y, _ = draw_data("one target", n_rows=30)
    coefs, intercepts = draw_params((4, 1))
    network = draw_network("identity", "one target", ())
    network.dropout_kind, network.dropout = "batchwise", [0.4]
    network.alpha, network.beta = [0.0], [0.0]
    run = KernelRun(network, coefs, intercepts, X, y, None, optimizer="adam", rates=GRADIENT_RATES, batch_size=30,
                    seed=5)  # fmt: skip
    gradients = []
    for _ in range(20_000):
        run.train_epoch()
        gradients.append(run.gradient.copy())
    w, residuals = coefs[0][:, 0], X @ coefs[0][:, 0] + intercepts[0] - y[:, 0]
    expected = (X.T @ residuals + 0.4 / 0.6 * (X**2).sum(axis=0) * w) / 30
    errors = np.std(gradients, axis=0) / np.sqrt(len(gradients))
    assert (np.abs(np.mean(gradients, axis=0) - [*expected, residuals.mean()]) < 4.5 * errors + 1e-12).all()
    without = X.T @ residuals / 30
    assert (np.abs(without - expected) > 4.5 * errors[:4]).any()  # the test can tell them apart


def test_mean_gradient_of_a_linear_network_of_two_layers():
    """Thinned: over the masks m of the hidden units, the mean of W1 diag(m / (1 - p)) W2 is W1 W2."""
    X, y, _ = draw_data("one target", n_rows=30)
    coefs, intercepts = draw_params((4, 6, 1))
    network = draw_network("identity", "one target", (6,))
    network.dropout_kind, network.dropout, network.gamma = "batchwise", [0.0, 0.4], [0.0]
    network.alpha, network.beta = [0.0, 0.0], [0.0, 0.0]
    run = KernelRun(network, coefs, intercepts, X, y, None, optimizer="adam", rates=GRADIENT_RATES, batch_size=30,
                    seed=5)  # fmt: skip
    gradients = []
    for _ in range(20_000):
        run.train_epoch()
        gradients.append(run.gradient[-7:-1].copy())  # of the second layer's weights
    hidden, w = X @ coefs[0] + intercepts[0], coefs[1][:, 0]
    residuals = hidden @ w + intercepts[1] - y[:, 0]
    expected = (hidden.T @ residuals + 0.4 / 0.6 * (hidden**2).sum(axis=0) * w) / 30
    errors = np.std(gradients, axis=0) / np.sqrt(len(gradients))
    assert (np.abs(np.mean(gradients, axis=0) - expected) < 4.5 * errors).all()


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_it_generalises_as_plain_dropout_does(load):
    """Accuracy on held-out rows, over three seeds, is within 1.5 points; both do learn."""
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
    scores = {
        kind: np.mean([
            MLPClassifier((64, 32), dropout=0.3, dropout_kind=kind, batch_size=32, max_iter=40, random_state=seed)
            .fit(X, y).score(X_test, y_test)
            for seed in range(3)
        ])
        for kind in ("bernoulli", "batchwise")
    }  # fmt: skip
    assert scores["bernoulli"] > 0.94
    assert scores["batchwise"] > scores["bernoulli"] - 0.015


# Estimators ---------------------------------------------------------------------------------------------------------


def fit(cls=MLPRegressor, hidden=(40, 30), target="binary", form=np.asarray, dtype=np.float64, **parameters):
    X, y, weights = draw_data(target, n_rows=90, n_features=11)
    defaults = {"random_state": 0, "batch_size": 16, "learning_rate_init": 0.01, "tol": 0.0, "max_iter": 4,
                "dropout": [0.5, 0.3], "input_dropout": 0.2, "dropout_kind": "batchwise"}  # fmt: skip
    y = y[:, 0] if y.shape[1] == 1 else y
    return cls(hidden, **{**defaults, **parameters}).fit(form(X.astype(dtype)), y, weights), X.astype(dtype), y


ESTIMATORS = {
    "regression": (MLPRegressor, "one target"),
    "several outputs": (MLPRegressor, "three targets"),
    "binary": (MLPClassifier, "binary"),
    "multilabel": (MLPClassifier, "multilabel"),
    "multiclass": (MLPClassifier, "multinomial"),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_thinned_networks_learn_what_masked_ones_learn(kind, solver, dtype):
    """Sparse X has the masks of dense X, and no unit is left out."""
    cls, target = ESTIMATORS[kind]
    thinned = fit(cls, target=target, solver=solver, dtype=dtype)[0]
    masked = fit(cls, target=target, solver=solver, dtype=dtype, form=sparse.csr_array)[0]
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    assert relative_error(thinned.coefs_, masked.coefs_) < tolerance
    plain = fit(cls, target=target, solver=solver, dtype=dtype, dropout_kind="bernoulli")[0]
    assert relative_error(thinned.coefs_, plain.coefs_) > 0.01


@FORMS
@pytest.mark.parametrize("normalization", [{}, {"batch_norm": True}, {"layer_norm": True}], ids=str)
def test_the_same_bits_for_any_number_of_threads(normalization, form, monkeypatch):
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    found = []
    for n_cores in (1, 2, 3):
        monkeypatch.setattr(_team, "n_cores", lambda n_cores=n_cores: n_cores)
        for dtype in (np.float32, np.float64):
            net = fit(MLPClassifier, (70, 50), "multinomial", form, dtype, clip_norm=1.0, **normalization)[0]
            wide = fit(hidden=(300,), dropout=0.5, form=form, dtype=dtype, **normalization)[0]
            found.append([w.tobytes() for each in (net, wide) for w in [*each.coefs_, *each.intercepts_]])
    assert found[0::2] == [found[0]] * 3
    assert found[1::2] == [found[1]] * 3


def test_warm_starts_and_partial_fits_go_on_with_new_masks():
    whole, X, y = fit(max_iter=4, batch_size=90)
    weights = draw_data("binary", n_rows=90, n_features=11)[2]
    for how in ("warm", "partial"):
        net = clone(whole).set_params(max_iter=1, warm_start=True)
        for _ in range(4):
            net = pickle.loads(pickle.dumps(net))
            net.fit(X, y, weights) if how == "warm" else net.partial_fit(X, y, weights)
        for found, expected in zip(net.coefs_, whole.coefs_, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_draws_of_predictions_are_those_of_plain_dropout():
    """A draw is one mask for all rows anyway; on a linear model with the variance p / (1 - p) sum_j w_j^2 x_j^2."""
    net, X, y = fit(hidden=(), dropout=[], input_dropout=0.3)
    mean, spread = net.predict(X[:5], return_std=True, n_draws=20_000, random_state=0)
    variance = 0.3 / 0.7 * X[:5] ** 2 @ net.coefs_[0][:, 0] ** 2
    np.testing.assert_allclose(spread**2, variance, rtol=0.06)
    np.testing.assert_allclose(mean, net.predict(X[:5]), atol=4.5 * np.sqrt(variance.max() / 20_000))
    net = fit(MLPClassifier)[0]
    drawn = net.predict_proba(X, n_draws=20, random_state=1, return_std=True)
    net._fitted_dropout = {**net._fitted_dropout, "kind": "bernoulli"}
    for found, expected in zip(net.predict_proba(X, n_draws=20, random_state=1, return_std=True), drawn, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_early_stopped_fit_and_its_curves():
    net, X, y = fit(MLPClassifier, early_stopping=True, max_iter=6)
    assert np.isfinite(net.loss_curve_).all()
    assert len(net.validation_scores_) == len(net.loss_curve_)
    net, X, y = fit(max_iter=3)
    weights = draw_data("binary", n_rows=90, n_features=11)[2]
    np.testing.assert_allclose(net.loss_curve_[-1], net.objective(X, y, weights).value, rtol=1e-12)
