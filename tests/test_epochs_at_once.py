"""Small epochs run several in one call of the kernel: nothing but the time shows it."""

import numpy as np
import pytest

from skreg import DivergenceError, MLPClassifier, MLPRegressor, _spare
from skreg.solvers import stochastic

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

    def count(self, learning_rate, n_epochs=1):
        calls[-1].append(n_epochs)
        return run(self, learning_rate, n_epochs)

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
def test_the_same_bits_and_the_same_epoch_to_stop_at(solver, n_iter_no_change, tol, monkeypatch):
    def make():
        return MLPRegressor((6,), solver=solver, batch_size=16, max_iter=90, tol=tol, n_iter_no_change=n_iter_no_change,
                            learning_rate_init=0.01, random_state=0)  # fmt: skip

    (many, one), (at_once, one_by_one) = fit_both(monkeypatch, make, *data())
    assert_same(many, one)
    assert set(one_by_one) == {1} and sum(at_once) == one.n_iter_ == sum(one_by_one)
    assert n_iter_no_change < 10 or max(at_once) > 5


@pytest.mark.parametrize("keywords", [{"dropout": 0.3}, {"early_stopping": True}, {"verbose": True},
                                      {"solver": "sgd", "learning_rate": "adaptive"},
                                      {"solver": "sgd", "learning_rate": "invscaling"}], ids=str)  # fmt: skip
def test_what_python_must_see_after_each_epoch_is_one_by_one(keywords, monkeypatch, capsys):
    def make():
        return MLPRegressor((6,), max_iter=12, random_state=0, **keywords)

    (many, one), (at_once, _) = fit_both(monkeypatch, make, *data())
    assert_same(many, one)
    assert set(at_once) == {1}


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
