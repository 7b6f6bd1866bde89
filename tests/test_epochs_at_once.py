"""Small epochs run several in one call of the kernel: nothing but the time shows it."""

import numpy as np
import pytest
from scipy import sparse

from skreg import DivergenceError, MLPClassifier, MLPRegressor, _spare
from skreg.solvers import measurement, stochastic

from .conftest import GRADIENT_RATES, KernelRun, draw_network

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")
EAGER, ONE_BY_ONE = 1e9, 0.0


def data(n_rows=60):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5))
    return X, np.sin(X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=n_rows)


def fit_both(monkeypatch, make, X, y):
    """The same fit with many epochs at once and with one, and the numbers of epochs in each call of the kernel."""
    fitted, calls, run = [], [], stochastic._Epochs.run

    def count(self, *arguments):
        terms = run(self, *arguments)
        calls[-1].append(len(terms))
        return terms

    monkeypatch.setattr(stochastic._Epochs, "run", count)
    for seconds in (EAGER, ONE_BY_ONE):
        monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", seconds)
        calls.append([])
        net = make()
        try:
            net.fit(X, y)
        except DivergenceError as error:
            net.error = str(error)
        fitted.append(net)
    return fitted, calls


def assert_same(a, b):
    np.testing.assert_array_equal(a.loss_curve_, b.loss_curve_)
    assert (a.n_iter_, a.t_, a.best_loss_) == (b.n_iter_, b.t_, b.best_loss_)
    assert a._optimizer_state["reach"] == b._optimizer_state["reach"]
    for mine, yours in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10])
@pytest.mark.parametrize("tol", [0.0, 1e-3, 0.1])
@pytest.mark.parametrize("most", [2, 1000])
def test_the_same_bits_and_the_same_epoch_to_stop_at(solver, n_iter_no_change, tol, most, monkeypatch):
    monkeypatch.setattr(stochastic, "_MOST_AT_ONCE", most)

    def make():
        return MLPRegressor((6,), solver=solver, batch_size=16, max_iter=90, tol=tol, n_iter_no_change=n_iter_no_change,
                            learning_rate_init=0.01, random_state=0)  # fmt: skip

    (many, one), (at_once, one_by_one) = fit_both(monkeypatch, make, *data())
    assert_same(many, one)
    assert set(one_by_one) == {1} and sum(at_once) == one.n_iter_ == sum(one_by_one)
    # The first epoch alone, and as many others as may be, up to that which is a reason to stop.
    assert len(at_once) == 1 + -(-(one.n_iter_ - 1) // most)


@pytest.mark.parametrize("keywords", [{"verbose": True}, {"solver": "sgd", "learning_rate": "adaptive"},
                                      {"solver": "sgd", "learning_rate": "invscaling"},
                                      {"batch_norm": True, "averaging": "ema", "early_stopping": True}],
                         ids=str)  # fmt: skip
def test_what_python_must_see_after_each_epoch_is_one_by_one(keywords, monkeypatch, capsys):
    def make():
        return MLPRegressor((6,), max_iter=12, random_state=0, **keywords)

    (many, one), (at_once, _) = fit_both(monkeypatch, make, *data())
    assert_same(many, one)
    assert set(at_once) == {1}


# The objective and validation data at the end of each epoch ---------------------------------------------------------

MEASURED = pytest.mark.parametrize("keywords", [
    {"dropout": 0.3}, {"dropout": 0.3, "dropout_kind": "batchwise"}, {"input_dropout": 0.2, "penalty": "l1"},
    {"dropout": 0.3, "activity_penalty": 0.1, "activation": "tanh"}, {"averaging": "swa", "averaging_start": 0.5},
    {"averaging": "ema", "ema_decay": 0.9}, {"averaging": "swa", "schedule_epochs": 5, "averaging_start": 0.4},
    {"batch_norm": True, "dropout": 0.3}, {"layer_norm": True, "dropout": 0.3}, {"early_stopping": True},
    {"early_stopping": True, "averaging": "ema", "ema_decay": 0.9}, {"solver": "sgd", "dropout": 0.3},
], ids=str)  # fmt: skip
OF_DENSE = pytest.mark.parametrize("keywords", [{"input_noise": 0.5}, {"augmentation": "mixup"}], ids=str)


def assert_measured_alike(cls, keywords, X, y, monkeypatch):
    def make():
        return cls((6,), batch_size=16, max_iter=40, tol=0.0, n_iter_no_change=12, alpha=0.01, random_state=0,
                   **keywords)  # fmt: skip

    (many, one), (at_once, one_by_one) = fit_both(monkeypatch, make, X, y)
    assert_same(many, one)
    assert many.validation_scores_ == one.validation_scores_
    assert many.validation_loss_curve_ == one.validation_loss_curve_
    assert set(one_by_one) == {1} and max(at_once) > 5


@MEASURED
@pytest.mark.parametrize("is_sparse", [False, True])
def test_what_is_measured_is_the_same_at_once(keywords, is_sparse, monkeypatch):
    X, y = data()
    X = sparse.csr_array(np.where(X > 0, X, 0)) if is_sparse else X
    assert_measured_alike(MLPRegressor, keywords, X, y, monkeypatch)
    assert_measured_alike(MLPClassifier, keywords, X, np.digitize(y, [0, 1]), monkeypatch)


@OF_DENSE
def test_what_is_measured_of_dense_inputs_is_the_same_at_once(keywords, monkeypatch):
    assert_measured_alike(MLPRegressor, keywords, *data(), monkeypatch)


@pytest.mark.parametrize("keywords", [{"dropout": 0.3}, {"averaging": "swa", "averaging_start": 0.0},
                                      {"averaging": "ema", "ema_decay": 0.9}, {"input_noise": 0.5},
                                      {"layer_norm": True, "input_dropout": 0.2}], ids=str)  # fmt: skip
@pytest.mark.parametrize("weighted", [False, True])
def test_each_entry_is_the_objective_at_the_end_of_its_epoch(keywords, weighted, monkeypatch):
    monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", EAGER)
    (X, y), (X_val, y_val) = data(), data(23)
    weights, weights_val = (np.arange(len(y)) % 4, np.arange(len(y_val)) % 3) if weighted else (None, None)

    def fit(n_epochs):
        net = MLPRegressor((6,), batch_size=16, max_iter=n_epochs, schedule_epochs=9, random_state=0, penalty="l1",
                           alpha=0.01, activity_penalty=0.05, n_iter_no_change=99, **keywords)  # fmt: skip
        return net.fit(X, y, weights, X_val=X_val, y_val=y_val, sample_weight_val=weights_val)

    whole = fit(9)
    for n_epochs in (1, 4, 9):
        net = fit(n_epochs)
        expected, of_val = net.objective(X, y, weights), net.objective(X_val, y_val, weights_val)
        assert whole.loss_curve_[n_epochs - 1] == pytest.approx(expected.value, rel=1e-12)
        assert whole.validation_loss_curve_[n_epochs - 1] == pytest.approx(of_val.value, rel=1e-12)
        score = net.score(X_val, y_val, weights_val)
        assert whole.validation_scores_[n_epochs - 1] == pytest.approx(score, rel=1e-9, abs=1e-12)


def test_early_stopping_returns_to_the_weights_of_the_best_of_epochs_that_ran_at_once(monkeypatch):
    monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", EAGER)
    (X, y), (X_val, y_val) = data(), data(40)
    net = MLPRegressor((32,), batch_size=8, learning_rate_init=0.05, max_iter=60, n_iter_no_change=99, random_state=0,
                       early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val + 2 * np.cos(7 * y_val))  # fmt: skip
    best = int(np.argmax(net.validation_scores_))
    assert 0 < best < 59
    short = MLPRegressor((32,), batch_size=8, learning_rate_init=0.05, max_iter=best + 1, random_state=0).fit(X, y)
    for mine, yours in zip([*net.coefs_, *net.intercepts_], [*short.coefs_, *short.intercepts_], strict=True):
        np.testing.assert_array_equal(mine, yours)


def test_results_of_epochs_at_once_take_little_memory(monkeypatch):
    monkeypatch.setattr(measurement, "_MOST_BYTES", 5 * 8 * 23)
    (X, y), (X_val, y_val) = data(), data(23)
    calls, run = [], stochastic._Epochs.run
    monkeypatch.setattr(stochastic._Epochs, "run",
                        lambda self, rate, n, patience: (calls.append(n), run(self, rate, n, patience))[1])  # fmt: skip
    monkeypatch.setattr(stochastic, "_SECONDS_AT_ONCE", EAGER)
    MLPRegressor((6,), max_iter=30, n_iter_no_change=99, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    assert max(calls) == 5 and sum(calls) == 30


# When something goes wrong -------------------------------------------------------------------------------------------


def test_a_fit_that_diverges_on_the_way_keeps_the_last_finite_epoch(monkeypatch):
    X, y = data()

    def make():
        return MLPRegressor((6,), "identity", solver="sgd", learning_rate_init=0.16, batch_size=10, max_iter=80,
                            n_iter_no_change=np.inf, random_state=0)  # fmt: skip

    with np.errstate(all="ignore"):
        (many, one), (at_once, _) = fit_both(monkeypatch, make, X, y)
    assert many.error == one.error
    assert 1 < one.n_iter_ < 80 and max(at_once) > 1
    assert_same(many, one)
    assert np.isfinite(many.coefs_[0]).all()


# Subnormal numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_averages_of_gradients_that_have_stopped_become_zero(dtype):
    network = draw_network("relu", "one target", (5,))
    network.alpha, network.beta, network.gamma = [0.0] * 2, [0.0] * 2, [0.0]
    coefs, intercepts = [np.zeros((4, 5)), np.zeros((5, 1))], [np.zeros(5), np.zeros(1)]
    rates = {**GRADIENT_RATES, "beta_1": 0.5, "beta_2": 0.5}
    run = KernelRun(network, coefs, intercepts, np.zeros((9, 4)), np.zeros((9, 1)), None, optimizer="adam", rates=rates,
                    batch_size=9, seed=0, dtype=dtype)  # fmt: skip
    tiny = np.finfo(dtype).tiny
    run.moments[:] = 8 * tiny
    for _ in range(6):
        run.train_epoch()
        assert ((run.moments == 0) | (run.moments >= tiny)).all()
    assert (run.moments == 0).all()


def test_python_keeps_its_subnormal_numbers():
    X, y = data()
    net = MLPRegressor((3,), max_iter=3, random_state=0).fit(X, y)
    net.predict(X)
    MLPRegressor((3,), solver="lbfgs", max_iter=3, random_state=0).fit(X, y)
    assert np.array([1e-300])[0] * 1e-20 == 1e-320 > 0


# Spare buffers -------------------------------------------------------------------------------------------------------


def test_a_buffer_is_used_again_but_never_twice_at_a_time(monkeypatch):
    monkeypatch.setattr(_spare, "_kept", [])
    first, second = _spare.borrow(10, np.float64), _spare.borrow(10, np.float64)
    assert not np.shares_memory(first, second)
    _spare.give_back(first)
    _spare.give_back(second)
    again, other = _spare.borrow(20, np.float32), _spare.borrow(10, np.float64)
    assert again.dtype == np.float32 and len(again) == 20
    assert np.shares_memory(again, first) and not np.shares_memory(other, first)
    _spare.give_back(again)
    assert len(_spare.borrow(100, np.float64)) == 100


def test_what_is_too_large_goes_back_to_the_system(monkeypatch):
    monkeypatch.setattr(_spare, "_kept", [])
    monkeypatch.setattr(_spare, "_MOST_BYTES", 100)
    _spare.give_back(_spare.borrow(101, np.uint8))
    assert _spare._kept == []


def test_a_fitted_network_holds_no_spare_buffer(monkeypatch):
    X, y = data()
    net = MLPClassifier((4,), max_iter=3, random_state=0).fit(X, y > 0.5)
    before = [coef.copy() for coef in net.coefs_]
    for buffer in _spare._kept:
        buffer[:] = 255
    for coef, copy in zip(net.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, copy)
    assert np.isfinite(net._optimizer_state["moments"]).all()
