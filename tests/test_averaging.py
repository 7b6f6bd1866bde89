"""Averages of weights: the mean of the iterates, the exponential average, and fits that go on from the iterates."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import skreg
from skreg import DivergenceError, MLPClassifier, MLPRegressor, _team

SOLVERS = pytest.mark.parametrize("solver", ["adam", "sgd"])
KINDS = pytest.mark.parametrize("averaging", ["swa", "ema"])
N_EPOCHS, N_STEPS = 8, 5


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def data(n_samples=45):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] ** 2


def network(cls=MLPRegressor, **parameters):
    """Five steps in an epoch, the last batch short."""
    common = {"hidden_layer_sizes": (5,), "batch_size": 10, "max_iter": N_EPOCHS, "random_state": 0, "tol": 0.0}
    return cls(**common | {"n_iter_no_change": np.inf, "learning_rate_init": 0.02} | parameters)


def weights_of(net):
    return np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])


def iterates(X, y, n_epochs=N_EPOCHS, **parameters):
    """The weights at the end of each epoch, by fits of one epoch without averaging."""
    net = network(max_iter=1, warm_start=True, **parameters)
    return np.array([weights_of(net.fit(X, y)) for _ in range(n_epochs)])


def steps(X, y, solver):
    """The weights after each step: without shuffling, batches are calls of partial_fit."""
    net = network(solver=solver, shuffle=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([
            weights_of(net.partial_fit(X[start : start + 10], y[start : start + 10]))
            for _ in range(N_EPOCHS)
            for start in range(0, 40, 10)
        ])  # fmt: skip


# What the averages are -----------------------------------------------------------------------------------------------


@SOLVERS
@pytest.mark.parametrize(("start", "n_averaged"), [(0.0, 8), (0.5, 4), (0.75, 2), (0.7, 2), (0.6, 3), (0.99, 1)])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_swa_is_the_mean_of_the_last_iterates(solver, start, n_averaged, penalty):
    X, y = data()
    mean = iterates(X, y, solver=solver, penalty=penalty, alpha=0.01)[-n_averaged:].mean(axis=0)
    net = network(solver=solver, penalty=penalty, alpha=0.01, averaging="swa", averaging_start=start).fit(X, y)
    np.testing.assert_allclose(weights_of(net), mean, rtol=1e-13, atol=1e-15)


@SOLVERS
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_ema_is_the_weighted_mean_of_all_steps(solver, decay):
    """sum_k decay^(n - k) w_k / sum_k decay^(n - k)."""
    X, y = data(40)
    after = steps(X, y, solver)
    shares = decay ** np.arange(len(after))[::-1].astype(float)
    net = network(solver=solver, shuffle=False, averaging="ema", ema_decay=decay).fit(X, y)
    np.testing.assert_allclose(weights_of(net), shares @ after / shares.sum(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [lambda y: y > 0.5, lambda y: np.digitize(y, [0, 1]),
                                    lambda y: np.column_stack([y > 0, y > 1])],
                         ids=["binary", "multiclass", "multilabel"])  # fmt: skip
def test_swa_of_classifiers(form, dtype, labels):
    X, y = data()
    X, y, weights = form(X.astype(dtype)), labels(y), np.arange(45)
    single = network(MLPClassifier, max_iter=1, warm_start=True)
    found = np.array([weights_of(single.fit(X, y, weights)) for _ in range(N_EPOCHS)])
    net = network(MLPClassifier, averaging="swa").fit(X, y, weights)
    assert net.coefs_[0].dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(weights_of(net), found[-2:].mean(axis=0), rtol=tolerance, atol=tolerance)


def test_zeros_of_the_mean_are_those_of_all_iterates():
    X, y = data()
    problem = {"penalty": "l1", "alpha": 0.15, "batch_size": 45, "hidden_layer_sizes": (20,)}
    last = iterates(X, y, n_epochs=40, **problem)[-10:]
    net = network(averaging="swa", max_iter=40, **problem).fit(X, y)
    np.testing.assert_array_equal(weights_of(net) == 0, (last == 0).all(axis=0))
    assert (weights_of(net) == 0).any()


@pytest.mark.parametrize("averaging", ["swa", "ema"])
def test_the_same_bits_for_any_number_of_threads(averaging, monkeypatch):
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    X, y = data()
    found = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(_team, "n_cores", lambda n=n_threads: n)
        net = network(averaging=averaging, hidden_layer_sizes=(70, 30), batch_size=25, max_iter=4).fit(X, y)
        found.append(weights_of(net))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


# Fits that go on -----------------------------------------------------------------------------------------------------


@SOLVERS
@KINDS
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_averaging_does_not_change_the_training(solver, averaging, dropout):
    """The iterates go on as if nobody had averaged them."""
    X, y = data()
    plain = network(solver=solver, dropout=dropout).fit(X, y)
    averaged = network(solver=solver, dropout=dropout, averaging=averaging).fit(X, y)
    np.testing.assert_array_equal(averaged._optimizer_state["iterate"], _flat(plain))
    assert not np.array_equal(weights_of(plain), weights_of(averaged))


@SOLVERS
@KINDS
def test_constraints_schedules_and_clipping_are_those_of_the_iterates(solver, averaging):
    X, y = data()
    problem = {"penalty": "sparse_group_lasso", "alpha": 0.01, "weight_decay": 0.1, "max_norm": 1.0, "solver": solver,
               "bias_penalty": 0.1, "clip_norm": 0.5, "dropout": 0.2, "learning_rate": "cosine", "warmup": 1.5,
               "augmentation": "mixup"}  # fmt: skip
    plain, net = network(**problem).fit(X, y), network(averaging=averaging, ema_decay=0.9, **problem).fit(X, y)
    np.testing.assert_array_equal(net._optimizer_state["iterate"], _flat(plain))
    for coef in net.coefs_:  # a mean of matrices within a norm is within it
        assert np.linalg.norm(coef, axis=0).max() <= 1 + 1e-12
    if averaging == "swa":
        after = iterates(X, y, schedule_epochs=N_EPOCHS, **problem)
        np.testing.assert_allclose(weights_of(net), after[-2:].mean(axis=0), rtol=1e-13, atol=1e-15)


def _flat(net):
    layers = zip(net.coefs_, net.intercepts_, strict=True)
    return np.concatenate([part.ravel() for layer in layers for part in layer])


@SOLVERS
@KINDS
@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
def test_fits_of_one_epoch_are_one_fit(solver, averaging, how):
    X, y = data()
    whole = network(solver=solver, averaging=averaging, ema_decay=0.9).fit(X, y)
    parts = network(solver=solver, averaging=averaging, ema_decay=0.9)
    if how == "warm_start":
        parts.set_params(max_iter=1, schedule_epochs=N_EPOCHS, warm_start=True)
    for _ in range(N_EPOCHS):
        getattr(parts, "fit" if how == "warm_start" else "partial_fit")(X, y)
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))
    assert parts.loss_curve_ == whole.loss_curve_


def test_each_round_has_its_own_mean():
    X, y = data()
    after = iterates(X, y, n_epochs=2 * N_EPOCHS)
    net = network(averaging="swa", warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_allclose(weights_of(net), after[-2:].mean(axis=0), rtol=1e-13, atol=1e-15)
    net.partial_fit(X, y)  # the first epoch of the third round: no mean yet
    assert net._optimizer_state["n_averaged"] == 0
    np.testing.assert_array_equal(_flat(net), net._optimizer_state["iterate"])


def test_another_way_of_averaging_begins_anew_and_none_goes_on_from_the_mean():
    X, y = data()
    after = iterates(X, y, n_epochs=2 * N_EPOCHS)
    net = network(averaging="ema", warm_start=True).fit(X, y)
    net.set_params(averaging="swa", averaging_start=0.0).fit(X, y)
    np.testing.assert_allclose(weights_of(net), after[-N_EPOCHS:].mean(axis=0), rtol=1e-13, atol=1e-15)
    mean = weights_of(net)
    net.set_params(averaging=None, learning_rate_init=1e-9).fit(X, y)
    np.testing.assert_allclose(weights_of(net), mean, atol=1e-6)
    assert net._optimizer_state["iterate"] is None


# What looks at them --------------------------------------------------------------------------------------------------


@KINDS
def test_curves_scores_and_predictions_are_of_the_average(averaging):
    X, y = data()
    net = network(averaging=averaging, penalty="elasticnet", alpha=0.1).fit(X, y, X_val=X[:9], y_val=y[:9])
    np.testing.assert_allclose(net.loss_, net.objective(X, y).value, rtol=1e-12)
    np.testing.assert_allclose(net.validation_loss_curve_[-1], net.objective(X[:9], y[:9]).value, rtol=1e-12)
    np.testing.assert_allclose(net.validation_scores_[-1], net.score(X[:9], y[:9]), rtol=1e-12)


@KINDS
def test_early_stopping_returns_to_the_best_average(averaging):
    X, y = data()
    held = {"X_val": X[:15], "y_val": y[:15]}
    net = network(averaging=averaging, early_stopping=True, learning_rate_init=0.2, max_iter=30, averaging_start=0.2)
    net.fit(X, y, **held)
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert net.score(X[:15], y[:15]) == net.best_validation_score_
    assert net.validation_scores_[-1] < net.best_validation_score_


def test_early_stopping_before_swa_begins_is_said():
    X, y = data()
    net = network(averaging="swa", early_stopping=True, max_iter=200, n_iter_no_change=2, learning_rate_init=0.5)
    with pytest.warns(UserWarning, match="before averaging='swa' began: lower averaging_start"):
        net.fit(X, y)


def test_swa_is_not_ended_by_a_plateau_and_ema_is():
    X, y = data()
    for averaging, n_iter in (("swa", N_EPOCHS), ("ema", 3)):
        net = network(averaging=averaging, tol=10.0, n_iter_no_change=1).fit(X, y)
        assert net.n_iter_ == n_iter


@KINDS
@pytest.mark.parametrize("within", [False, True])
def test_an_interrupt_keeps_the_average_of_the_last_whole_epoch(averaging, within, monkeypatch):
    X, y = data()
    expected = network(averaging=averaging, averaging_start=0.0, warm_start=True, max_iter=4, schedule_epochs=8)
    expected.fit(X, y)
    monkeypatch.setattr(skreg.solvers.stochastic, "_SECONDS_AT_ONCE", 0.0)
    real, calls = skreg.kernels.entry.train_epochs, []

    def train_epochs(*arguments):
        calls.append(None)
        if len(calls) == 5:
            if within:
                real(*arguments)
            raise KeyboardInterrupt
        return real(*arguments)

    net = network(averaging=averaging, averaging_start=0.0, warm_start=True, schedule_epochs=8)
    with monkeypatch.context() as context, pytest.warns(UserWarning, match="interrupted"):
        context.setattr(skreg.kernels.entry, "train_epochs", train_epochs)
        net.fit(X, y)
    np.testing.assert_array_equal(weights_of(net), weights_of(expected))
    np.testing.assert_array_equal(weights_of(net.fit(X, y)), weights_of(expected.set_params(max_iter=8).fit(X, y)))


def test_a_divergence_keeps_the_last_finite_average():
    X, y = data()
    net = network(solver="sgd", activation="identity", learning_rate_init=0.3, averaging="swa", averaging_start=0.0,
                  max_iter=100)  # fmt: skip
    with np.errstate(all="ignore"), pytest.raises(DivergenceError):
        net.fit(X, y)
    assert net.n_iter_ > 2 and net._optimizer_state["n_averaged"] == net.n_iter_ - 1
    assert np.isfinite(weights_of(net)).all()


@KINDS
@pytest.mark.parametrize("how", ["divergence", "interrupt"])
@pytest.mark.parametrize("n_epochs", [0, 3])
def test_statistics_belong_to_the_average_however_a_fit_ends(averaging, how, n_epochs, monkeypatch):
    """With batch normalisation: those of the fit before where no epoch was whole, else those of these rows."""
    X, y = data()
    net = network(batch_norm=True, averaging=averaging, averaging_start=0.0, warm_start=True, schedule_epochs=30)
    net.fit(X[::2], y[::2])
    expected, whole = net.predict(X), pickle.loads(pickle.dumps(net))
    if n_epochs > 0:
        expected = whole.set_params(max_iter=n_epochs).fit(X, y).predict(X)
    real, calls = skreg.solvers.stochastic._Epochs.run, []
    monkeypatch.setattr(skreg.solvers.stochastic, "_SECONDS_AT_ONCE", 0.0)

    def run(*arguments):
        calls.append(None)
        terms = real(*arguments)
        if len(calls) <= n_epochs:
            return terms
        if how == "interrupt":
            raise KeyboardInterrupt
        return terms * np.nan

    monkeypatch.setattr(skreg.solvers.stochastic._Epochs, "run", run)
    if how == "interrupt":
        with pytest.warns(UserWarning, match="interrupted"):
            net.fit(X, y)
    else:
        with pytest.raises(DivergenceError):
            net.fit(X, y)
    np.testing.assert_array_equal(net.predict(X), expected)
    assert len(calls) == n_epochs + 1
