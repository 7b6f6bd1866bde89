"""Training: when it stops, what it keeps, records and prints, and that it goes on as if it had never stopped."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sklearn.model_selection
import sklearn.neural_network
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

import skreg._base
import skreg.kernels.entry
import skreg.solvers.monitor
import skreg.solvers.stochastic
from skreg import DivergenceError, MLPClassifier, MLPRegressor

BOTH = pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
SOLVERS = pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
STOCHASTIC = pytest.mark.parametrize("solver", ["adam", "sgd"])
N = 48


@pytest.fixture
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


quiet = pytest.mark.usefixtures("_quiet")


def data(n_samples=N, seed=0):
    X = np.random.default_rng(seed).normal(size=(n_samples, 3))
    return X, (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


def linear_data():
    X = np.random.default_rng(0).normal(size=(N, 3))
    return X, (X[:, 0] - 0.5 * X[:, 1]) / X[:, 0].std()


def quick(cls, **parameters):
    """A net of two hidden layers that trains for 8 epochs in batches, of which the last is short."""
    return cls(
        **{"hidden_layer_sizes": (6, 4), "max_iter": 8, "random_state": 0, "batch_size": 20, "n_iter_no_change": np.inf,
           "learning_rate_init": 0.01, **parameters}
    )  # fmt: skip


def classes_of(cls):
    return {"classes": [0, 1]} if cls is MLPClassifier else {}


def weights(net):
    return np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])


def assert_same_training(a, b):
    np.testing.assert_array_equal(weights(a), weights(b))
    assert a.loss_curve_ == b.loss_curve_
    assert a.t_ == b.t_


# The path of scikit-learn's own networks ------------------------------------------------------------------------------

# Without shuffling and with batches that divide the data nothing is left to chance but the initial weights, which are
# drawn as scikit-learn draws them.
PATHS = {
    "adam": {"solver": "adam"},
    "adam in batches": {"solver": "adam", "batch_size": 16},
    "adam until it stalls": {"solver": "adam", "learning_rate_init": 0.05, "tol": 1e-3, "max_iter": 300},
    "adam, impatient": {"solver": "adam", "tol": 1e-2, "n_iter_no_change": 3},
    "adam, other moments": {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "tanh": {"activation": "tanh"},
    "logistic in batches": {"activation": "logistic", "batch_size": 12},
    "identity": {"activation": "identity"},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "sgd with momentum": {"solver": "sgd", "nesterovs_momentum": False, "batch_size": 24},
    "sgd, Nesterov": {"solver": "sgd"},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.3, "power_t": 0.3},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 1e-3},
    "sgd, adaptive to the end": {
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01, "tol": 1e-2, "n_iter_no_change": 2,
    },
}  # fmt: skip


@quiet
@BOTH
@pytest.mark.parametrize("parameters", PATHS.values(), ids=PATHS)
def test_training_takes_the_path_of_scikit_learn_and_stops_where_it_stops(cls, parameters):
    X, y = data()
    common = {"hidden_layer_sizes": (6, 4), "shuffle": False, "alpha": 0, "random_state": 3, "max_iter": 100}
    theirs = getattr(sklearn.neural_network, cls.__name__)(**{**common, **parameters}).fit(X, y)
    ours = cls(**{**common, **parameters}).fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-9)
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


@quiet
def test_poisson_training_takes_the_path_of_scikit_learn():
    X, y = data()
    common = {"loss": "poisson", "hidden_layer_sizes": (6,), "shuffle": False, "alpha": 0, "random_state": 3}
    theirs, ours = sklearn.neural_network.MLPRegressor(**common).fit(X, y), MLPRegressor(**common).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7)


@quiet
@BOTH
@pytest.mark.parametrize("batch_size", [12, N])
def test_alpha_of_scikit_learn_is_alpha_times_batch_size(cls, batch_size):
    X, y = data()
    common = {"hidden_layer_sizes": (6,), "shuffle": False, "random_state": 3, "batch_size": batch_size}
    theirs = getattr(sklearn.neural_network, cls.__name__)(alpha=0.05 * batch_size, **common).fit(X, y)
    ours = cls(alpha=0.05, max_iter=theirs.n_iter_, n_iter_no_change=np.inf, **common).fit(X, y)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


# Seeds ---------------------------------------------------------------------------------------------------------------


@quiet
@BOTH
@SOLVERS
def test_a_seed_gives_the_same_bits_whatever_else_is_drawn(cls, solver):
    X, y = data()
    np.random.seed(1)
    first = quick(cls, solver=solver).fit(X, y)
    np.random.seed(2)
    assert_same_training(quick(cls, solver=solver).fit(X, y), first)
    assert_same_training(quick(cls, solver=solver, random_state=np.int64(0)).fit(X, y), first)
    assert not np.array_equal(weights(quick(cls, solver=solver, random_state=1).fit(X, y)), weights(first))


@quiet
def test_a_random_state_object_is_drawn_from_and_none_differs_each_time():
    X, y = data()
    state = np.random.RandomState(0)
    first, second = (quick(MLPRegressor, random_state=state).fit(X, y) for _ in range(2))
    assert not np.array_equal(weights(first), weights(second))
    assert_same_training(quick(MLPRegressor, random_state=np.random.RandomState(0)).fit(X, y), first)
    one, other = (quick(MLPRegressor, random_state=None).fit(X, y) for _ in range(2))
    assert not np.array_equal(weights(one), weights(other))


@quiet
@STOCHASTIC
def test_shuffling_and_dropout_go_by_the_seed_alone_and_do_something(solver):
    X, y = data()
    seen = set()
    unshuffled, dropout = {"shuffle": False}, {"dropout": 0.3}
    for parameters in ({}, unshuffled, dropout, unshuffled | dropout, {"input_dropout": 0.3}):
        first, second = (quick(MLPRegressor, solver=solver, **parameters).fit(X, y) for _ in range(2))
        assert_same_training(first, second)
        seen.add(weights(first).tobytes())
    assert len(seen) == 5


@quiet
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_lbfgs_gives_the_same_bits_for_any_number_of_blas_threads(penalty):
    """More than 10,000 weights: from there on OpenBLAS would share its sums among threads."""
    X = np.random.default_rng(0).normal(size=(30, 300))
    nets = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            net = MLPRegressor((50,), solver="lbfgs", penalty=penalty, alpha=1e-3, random_state=0, max_iter=20)
            nets.append(net.fit(X, X[:, 0]))
    np.testing.assert_array_equal(weights(nets[0]), weights(nets[1]))


@quiet
def test_the_limit_of_blas_threads_outlasts_other_fits_and_is_lifted_at_the_end():
    """The limit is one of the whole process: a short fit that ends must not lift that of a long one."""

    def n_blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    X = np.random.default_rng(0).normal(size=(30, 300))
    long, short = (MLPRegressor((60,), solver="lbfgs", random_state=0, max_iter=k, tol=0.0) for k in (60, 2))
    before = n_blas_threads()
    expected = weights(long.fit(X, X[:, 0]))
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(long.fit, X, X[:, 0])
        while not job.done():
            short.fit(X, X[:, 0])
    np.testing.assert_array_equal(weights(job.result()), expected)
    assert n_blas_threads() == before


@quiet
@SOLVERS
@pytest.mark.parametrize("size", [{}, {"hidden_layer_sizes": (200, 60), "batch_size": 200}], ids=["small", "large"])
def test_fits_in_several_threads_are_as_fits_one_after_the_other(solver, size):
    """The large ones would be fitted by several threads each."""
    X, y = data(500)
    jobs = [quick(MLPRegressor, solver=solver, random_state=i, max_iter=20, **size) for i in range(6)]
    alone = [pickle.loads(pickle.dumps(net)).fit(X, y) for net in jobs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda net: net.fit(X, y), jobs))
    for a, b in zip(alone, together, strict=True):
        assert_same_training(a, b)


THREADS = """
import hashlib, itertools, warnings
import numpy as np
from scipy import sparse
from skreg import MLPClassifier

warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(450, 1400))  # inputs for several pieces of each member's share of weights
more = {"lbfgs": {}, "adam": {"dropout": 0.2}, "sgd": {"dropout": 0.2, "clip_norm": 0.5}}
for solver, form in itertools.product(more, (np.asarray, sparse.csr_array)):
    for dtype in (np.float32, np.float64):
        net = MLPClassifier((150, 60), solver=solver, max_iter=3, random_state=0, **more[solver])
        net.fit(form(X.astype(dtype)), np.arange(450) % 3)
        arrays = [*net.coefs_, *net.intercepts_, net.predict_proba(X), np.array(net.loss_curve_)]
        print(solver, hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


def test_a_seed_gives_the_same_bits_for_any_number_of_threads():
    outputs = set()
    for n_threads in ("1", "3"):
        process = subprocess.run(
            [sys.executable, "-c", THREADS], cwd=Path(__file__).parents[1], capture_output=True, text=True,
            env={**os.environ, "NUMBA_NUM_THREADS": n_threads, "OPENBLAS_NUM_THREADS": n_threads}, timeout=120,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        outputs.add(process.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 24


@quiet
def test_one_estimator_predicts_in_several_threads_at_once():
    X, y = data(2000)
    net = quick(MLPRegressor, hidden_layer_sizes=(50, 50)).fit(X, y)
    expected = net.predict(X)
    with ThreadPoolExecutor(4) as pool:
        for predicted in pool.map(lambda _: net.predict(X), range(16)):
            np.testing.assert_array_equal(predicted, expected)


# Curves --------------------------------------------------------------------------------------------------------------


@quiet
@BOTH
@SOLVERS
@pytest.mark.parametrize("regularised", [{}, {"dropout": 0.4, "input_dropout": 0.1}, {"activity_penalty": 0.1}])
def test_both_curves_are_equal_where_the_validation_data_are_the_training_data(cls, solver, regularised):
    if solver == "lbfgs":
        regularised = {name: value for name, value in regularised.items() if "dropout" not in name}
    X, y = data()
    net = quick(cls, solver=solver, alpha=0.1, bias_penalty=0.1, **regularised).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(net.validation_loss_curve_, net.loss_curve_, rtol=1e-9)
    assert len(net.loss_curve_) == len(net.validation_loss_curve_) == len(net.validation_scores_) == net.n_iter_ == 8
    objective = net.objective(X, y)
    assert net.loss_curve_[-1] == pytest.approx(objective.value, rel=1e-9)
    assert objective.value == pytest.approx(sum(objective[1:]), rel=1e-12)
    assert net.loss_ == net.loss_curve_[-1]
    assert net.best_loss_ == min(net.loss_curve_)
    curves = (net.loss_curve_, net.validation_loss_curve_, net.validation_scores_, [net.loss_, net.best_loss_])
    assert {type(value) for curve in curves for value in curve} == {float}


@quiet
@BOTH
@STOCHASTIC
@pytest.mark.parametrize("dropout", [{"dropout": 0.5}, {"input_dropout": 0.5}])
def test_the_loss_curve_has_no_dropout_noise(cls, solver, dropout):
    X, y = data()
    for max_iter in (1, 5):
        net = quick(cls, solver=solver, max_iter=max_iter, **dropout).fit(X, y)
        assert net.loss_curve_[-1] == pytest.approx(net.objective(X, y).value, rel=1e-9)


@quiet
@STOCHASTIC
def test_without_dropout_and_validation_the_curve_is_the_mean_over_the_batches(solver):
    """With a rate of almost 0 that is the objective at the initial weights, of all rows alike."""
    X, y = data()
    net = quick(MLPRegressor, solver=solver, learning_rate_init=1e-15, alpha=0.1).fit(X, y)
    np.testing.assert_allclose(net.loss_curve_, net.objective(X, y).value, rtol=1e-9)


@quiet
@BOTH
@SOLVERS
def test_validation_loss_and_score_are_those_of_the_final_weights(cls, solver):
    X, y = data()
    X_val, y_val = data(30, seed=1)
    weight_val = np.arange(30) % 3 + 0.5
    net = quick(cls, solver=solver, alpha=0.1).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight_val)
    assert net.validation_loss_curve_[-1] == pytest.approx(net.objective(X_val, y_val, weight_val).value, rel=1e-9)
    assert net.validation_scores_[-1] == pytest.approx(net.score(X_val, y_val, weight_val), rel=1e-9)


@quiet
@BOTH
@SOLVERS
def test_validation_data_without_early_stopping_change_nothing_but_the_records(cls, solver):
    X, y = data()
    plain, watched = quick(cls, solver=solver).fit(X, y), quick(cls, solver=solver).fit(X, y, X_val=X[:9], y_val=y[:9])
    np.testing.assert_array_equal(weights(plain), weights(watched))
    assert plain.validation_scores_ is None and plain.validation_loss_curve_ is None
    assert plain.best_validation_score_ is None and watched.best_validation_score_ is None
    assert len(watched.validation_scores_) == watched.n_iter_


# Early stopping ------------------------------------------------------------------------------------------------------


@quiet
@BOTH
@SOLVERS
def test_early_stopping_returns_to_the_best_weights_on_given_data(cls, solver):
    X, y = data()
    X_val, y_val = data(30, seed=1)
    net = quick(cls, solver=solver, early_stopping=True, max_iter=60, learning_rate_init=0.1).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    assert net.t_ in (0, net.n_iter_ * N), "no row of X was set aside"
    score = (accuracy_score if cls is MLPClassifier else r2_score)(y_val, net.predict(X_val))
    assert score == pytest.approx(net.best_validation_score_, rel=1e-12)
    assert net.best_validation_score_ == max(net.validation_scores_) >= net.validation_scores_[-1]
    assert net.best_loss_ is None


@quiet
@BOTH
@SOLVERS
def test_early_stopping_returns_to_the_best_weights_on_its_own_split(cls, solver, monkeypatch):
    X, y = data()
    parts = []

    def spy(*arrays, **keywords):
        parts[:] = sklearn.model_selection.train_test_split(*arrays, **keywords)
        return parts

    monkeypatch.setattr(skreg._base, "train_test_split", spy)
    net = quick(cls, solver=solver, early_stopping=True, max_iter=60, learning_rate_init=0.1, validation_fraction=0.25)
    net.fit(X, y)
    rows, rows_val = parts
    assert (len(rows), len(rows_val)) == (36, 12)
    X_val, y_val = X[rows_val], y[rows_val]
    assert net.t_ in (0, net.n_iter_ * 36)
    score = (accuracy_score if cls is MLPClassifier else r2_score)(y_val.ravel(), net.predict(X_val))
    assert score == pytest.approx(net.best_validation_score_, rel=1e-12)
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_


@quiet
@BOTH
@SOLVERS
def test_the_split_goes_by_the_seed(cls, solver):
    X, y = data()
    parameters = {"solver": solver, "early_stopping": True, "validation_fraction": 0.4}
    first, second = (quick(cls, **parameters).fit(X, y) for _ in range(2))
    assert_same_training(first, second)
    assert first.validation_scores_ == second.validation_scores_
    other = quick(cls, random_state=1, **parameters).fit(X, y)
    assert other.validation_loss_curve_ != first.validation_loss_curve_


@quiet
@pytest.mark.parametrize("labels", [[0, 1], ["a", "b"], [0, 1, 2]])
@pytest.mark.parametrize("seed", range(5))
def test_the_split_is_stratified(labels, seed):
    """The linear model starts from zero and so predicts the first class: its score is the share of that class."""
    y = np.repeat(labels, [30, 10, 10][: len(labels)])
    X = np.zeros((len(y), 1))
    net = MLPClassifier((), early_stopping=True, validation_fraction=0.2, max_iter=1, learning_rate_init=1e-15)
    net.set_params(random_state=seed).fit(X, y)
    assert net.validation_scores_[0] == 30 / len(y)


@quiet
@SOLVERS
def test_early_stopping_stops_early(solver):
    """y is noise, so that the score on other noise cannot get better for long."""
    X, y = data(200)[0], np.random.default_rng(5).normal(size=200)
    net = MLPRegressor(
        (30,), solver=solver, early_stopping=True, n_iter_no_change=5, max_iter=2000, random_state=0, tol=1e-4,
        validation_fraction=0.3,
    )  # fmt: skip
    net.fit(X, y)
    assert net.n_iter_ < 2000
    last = net.validation_scores_[-6:]
    assert max(last) < net.best_validation_score_ + net.tol


@quiet
@SOLVERS
@pytest.mark.parametrize("n_iter_no_change", [1, 3])
def test_patience_is_the_number_of_epochs_without_progress_that_are_tolerated(solver, n_iter_no_change):
    """The score cannot rise by a tol of 10, so only the first epoch, the first of all to have a score, is progress."""
    X, y = data()
    net = quick(MLPRegressor, solver=solver, early_stopping=True, tol=10.0, n_iter_no_change=n_iter_no_change)
    net.set_params(max_iter=50).fit(X, y, X_val=X, y_val=y)
    expected = n_iter_no_change + 2
    if solver != "lbfgs" or net.n_iter_ > 1:  # a tol of 10 is also one on the gradient
        assert net.n_iter_ == expected


def test_early_stopping_refuses_a_validation_set_without_a_score():
    X, y = data()
    with pytest.raises(ValueError, match="validation set is too small"):
        quick(MLPRegressor, early_stopping=True).fit(X, y, X_val=X[:1], y_val=y[:1])
    with pytest.raises(ValueError, match="validation set is too small"):
        quick(MLPRegressor, early_stopping=True, validation_fraction=0.02).fit(X, y)


@quiet
def test_weights_of_the_split_are_used():
    """Rows of weight 0 are as if they were not there, in training and in the score."""
    X, y = data()
    X2, y2 = np.vstack([X, X + 100]), np.concatenate([y, 1000 * np.ones(N)])
    weight = np.repeat([1.0, 0.0], N)
    net = quick(MLPRegressor, early_stopping=True, validation_fraction=0.5, max_iter=100).fit(X2, y2, weight)
    assert net.best_validation_score_ > -3
    assert np.abs(net.predict(X)).max() < 10


def test_a_split_in_which_a_part_has_no_weight_is_refused():
    X, y = data()
    weight = np.zeros(N)
    weight[0] = 1
    with pytest.raises(ValueError, match="weights in the (training|validation) part of the .* split are zero"):
        quick(MLPRegressor, early_stopping=True).fit(X, y, weight)


# Going on ------------------------------------------------------------------------------------------------------------

GOING_ON = {
    "adam": {"solver": "adam"},
    "adam with dropout": {"solver": "adam", "dropout": 0.3, "input_dropout": 0.1},
    "adam with l1": {"solver": "adam", "penalty": "l1", "alpha": 0.05},
    "sgd": {"solver": "sgd", "nesterovs_momentum": False},
    "sgd, Nesterov, l1": {"solver": "sgd", "penalty": "l1", "alpha": 0.05},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.3},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "not shuffled": {"shuffle": False},
    "a norm that holds": {"max_norm": 0.7},
}


@quiet
@BOTH
@pytest.mark.parametrize("parameters", GOING_ON.values(), ids=GOING_ON)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fits_one_after_the_other_are_one_long_fit(cls, parameters, dtype):
    X, y = data()
    X = X.astype(dtype)
    whole = quick(cls, **parameters).fit(X, y)
    by_warm_start = quick(cls, warm_start=True, max_iter=2, **parameters)
    for _ in range(4):
        by_warm_start.fit(X, y)
        assert by_warm_start.n_iter_ == 2
    by_partial_fit = quick(cls, **parameters).partial_fit(X, y, **classes_of(cls))
    for _ in range(7):
        by_partial_fit.partial_fit(X, y)
        assert by_partial_fit.n_iter_ == 1
    mixed = quick(cls, max_iter=5, **parameters).fit(X, y)
    for _ in range(3):
        mixed.partial_fit(X, y)
    for other in (by_warm_start, by_partial_fit, mixed):
        assert_same_training(other, whole)


@quiet
@BOTH
@SOLVERS
def test_a_new_fit_without_warm_start_forgets_the_old_one(cls, solver):
    X, y = data()
    once = quick(cls, solver=solver).fit(X, y)
    twice = quick(cls, solver=solver, early_stopping=True).fit(X[::2], y[::2])
    twice.set_params(early_stopping=False).fit(X, y)
    assert_same_training(once, twice)
    assert (twice.best_validation_score_, twice.validation_scores_) == (None, None)
    assert len(twice.loss_curve_) == twice.n_iter_


@quiet
@BOTH
def test_a_warm_start_may_change_the_solver_and_the_parameters(cls):
    X, y = data()
    net = quick(cls, warm_start=True, max_iter=20).fit(X, y)
    for change in ({"solver": "sgd"}, {"solver": "lbfgs"}, {"solver": "adam", "alpha": 0.1}, {"dropout": 0.2}):
        before = net.set_params(**change).objective(X, y).value
        net.fit(X, y)
        assert np.isfinite(net.loss_)
        assert net.solver != "lbfgs" or net.objective(X, y).value < before


@quiet
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_warm_start_of_lbfgs_begins_where_the_last_fit_ended(penalty):
    X, y = data()
    net = quick(MLPRegressor, solver="lbfgs", penalty=penalty, alpha=0.01, warm_start=True, max_iter=2000).fit(X, y)
    before = net.loss_
    n_iter = net.n_iter_
    net.fit(X, y)
    assert net.n_iter_ < n_iter
    assert max([*net.loss_curve_[n_iter:], net.loss_]) <= before * (1 + 1e-9)


@quiet
@BOTH
def test_a_warm_start_with_other_rows(cls):
    X, y = data()
    net = quick(cls, warm_start=True).fit(X, y)
    seen = net.t_
    net.fit(X[:31], y[:31])
    assert net.t_ == seen + 8 * 31
    assert len(net.loss_curve_) == 16


@quiet
@STOCHASTIC
def test_a_path_by_warm_starts_comes_to_each_minimum(solver):
    """The best loss at a weaker penalty is out of reach: counted as no progress, each fit had ended at once."""
    X, y = linear_data()
    common = {
        "solver": solver,
        "penalty": "l1",
        "learning_rate_init": 0.02,
        "max_iter": 3000,
        "tol": 1e-6,
        "n_iter_no_change": 50,
    }
    path = MLPRegressor((), warm_start=True, random_state=0, **common)
    for alpha in (0.001, 0.01, 0.1, 0.3):
        minimum = MLPRegressor((), solver="lbfgs", penalty="l1", alpha=alpha).fit(X, y).objective(X, y).value
        assert path.set_params(alpha=alpha).fit(X, y).objective(X, y).value < minimum + 0.01
    assert path.fit(X, 10 - y).score(X, 10 - y) > 0.5


@quiet
@SOLVERS
def test_the_best_score_on_other_data_is_no_reason_to_return_to_old_weights(solver):
    X, y = linear_data()
    net = MLPRegressor(
        (8,), solver=solver, learning_rate_init=0.02, warm_start=True, early_stopping=True, random_state=0
    )
    best = net.fit(X, y, X_val=X, y_val=y).best_validation_score_
    assert net.fit(X, y, X_val=X, y_val=y).best_validation_score_ >= best > 0.5
    score = net.fit(X, -y, X_val=X, y_val=-y).score(X, -y)
    assert score > 0.5
    assert score == pytest.approx(net.best_validation_score_)


@quiet
@BOTH
def test_a_warm_start_refuses_other_shapes(cls):
    X, y = data()
    net = quick(cls, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        net.set_params(hidden_layer_sizes=(7,)).fit(X, y)


@quiet
@BOTH
@STOCHASTIC
def test_partial_fit_with_early_stopping_keeps_the_best_weights_so_far(cls, solver):
    X, y = data()
    X_val, y_val = data(30, seed=1)
    net = quick(cls, solver=solver, early_stopping=True, learning_rate_init=0.3)
    for k in range(1, 13):
        net.partial_fit(X, y, X_val=X_val, y_val=y_val, **(classes_of(cls) if k == 1 else {}))
        assert len(net.validation_scores_) == len(net.loss_curve_) == k
        assert net.best_validation_score_ == max(net.validation_scores_)
        assert net.score(X_val, y_val) == pytest.approx(net.best_validation_score_, rel=1e-9)


@quiet
@BOTH
def test_partial_fit_records_validation_data_from_when_they_are_given(cls):
    X, y = data()
    net = quick(cls).fit(X, y)
    net.partial_fit(X, y, X_val=X, y_val=y).partial_fit(X, y, X_val=X, y_val=y)
    assert len(net.validation_scores_) == 2
    assert net.validation_loss_curve_ == pytest.approx(net.loss_curve_[-2:], rel=1e-9)


@quiet
@BOTH
@STOCHASTIC
def test_partial_fit_after_a_fit_by_lbfgs(cls, solver):
    X, y = data()
    net = quick(cls, solver="lbfgs").fit(X, y).set_params(solver=solver).partial_fit(X, y)
    assert np.isfinite(net.loss_)
    assert net.t_ == N


# Convergence ---------------------------------------------------------------------------------------------------------


def caught(function):
    """The warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function()
    return found


@BOTH
@STOCHASTIC
def test_a_fit_that_does_not_converge_says_so_in_the_words_of_scikit_learn(cls, solver):
    (warning,) = caught(lambda: quick(cls, solver=solver).fit(*data()))
    assert warning.category is ConvergenceWarning
    assert str(warning.message) == (
        "Stochastic Optimizer: Maximum iterations (8) reached and the optimization hasn't converged yet. "
        "Scale the inputs (and in regression the target), or raise max_iter or learning_rate_init."
    )


@BOTH
def test_lbfgs_says_which_limit_it_met_and_what_to_do(cls):
    X, y = data()
    for parameters, limit in (({"max_iter": 3}, "max_iter=3"), ({"max_iter": 10**4, "max_fun": 4}, "max_fun")):
        net = quick(cls, solver="lbfgs", **parameters)
        (warning,) = caught(lambda net=net: net.fit(X, y))
        assert warning.category is ConvergenceWarning
        assert "lbfgs failed to converge" in str(warning.message)
        assert limit in str(warning.message)
        assert "Increase the limit" in str(warning.message)
        assert net.n_iter_ == len(net.loss_curve_) <= parameters["max_iter"]


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_lbfgs_that_is_optimal_from_the_start(cls, early_stopping):
    """As every model is whose alpha is too large for a first weight: usual in a search over alpha."""
    X, _ = data()
    y = np.repeat([0, 1], N // 2)
    X = np.vstack([X[: N // 2], X[: N // 2]])  # the same inputs in both classes
    net = cls((), solver="lbfgs", penalty="l1", alpha=10.0, early_stopping=early_stopping, random_state=0)
    assert caught(lambda: net.fit(X, y - 0.5 if cls is MLPRegressor else y, X_val=X, y_val=y)) == []
    target = y - 0.5 if cls is MLPRegressor else y
    assert not net.coefs_[0].any()
    assert net.loss_ == pytest.approx(net.objective(X, target).value)
    assert len(net.loss_curve_) == len(net.validation_loss_curve_) == len(net.validation_scores_)
    if early_stopping:
        assert net.best_validation_score_ == pytest.approx(net.score(X, y))


@BOTH
def test_a_fit_that_converges_says_nothing(cls):
    X, y = data()
    assert caught(lambda: cls((6,), max_iter=5000, random_state=0, tol=1e-3).fit(X, y)) == []
    assert caught(lambda: cls((6,), solver="lbfgs", alpha=0.1, max_iter=5000, random_state=0).fit(X, y)) == []
    assert caught(lambda: cls((), solver="lbfgs", penalty="l1", alpha=0.01).fit(X, y)) == []
    assert caught(lambda: quick(cls).partial_fit(X, y, **classes_of(cls))) == []


@quiet
@BOTH
def test_warnings_point_at_the_code_of_the_caller(cls):
    X, y = data()
    trained = quick(cls, early_stopping=True, warm_start=True).fit(X, y)
    calls = {
        "fit": lambda: quick(cls).fit(X, y),
        "batch size": lambda: quick(cls, batch_size=100, tol=10.0, n_iter_no_change=1).fit(X, y),
        "batch size in partial_fit": lambda: quick(cls, batch_size=100).partial_fit(X, y, **classes_of(cls)),
        "lbfgs": lambda: quick(cls, solver="lbfgs", max_iter=1).fit(X, y),
        "pipeline": lambda: make_pipeline(StandardScaler(), quick(cls)).fit(X, y),
        "search": lambda: GridSearchCV(quick(cls), {"alpha": [0.1]}, cv=2).fit(X, y),
        "divergence": lambda: trained.set_params(learning_rate_init=1e300).fit(X, y),
    }
    for name, call in calls.items():
        ours = (ConvergenceWarning, UserWarning)
        found = [warning for warning in caught(call) if warning.category in ours]
        assert found, name
        assert {warning.filename for warning in found} == {__file__}, name


@BOTH
def test_warnings_of_a_worker_point_at_skreg(cls):
    """In a thread of a search the caller has no line: the runner's would hide where the warning comes from."""
    X, y = data()
    with parallel_config("threading", n_jobs=2):
        found = caught(lambda: GridSearchCV(quick(cls), {"alpha": [0.1]}, cv=2, refit=False).fit(X, y))
    assert found
    assert {Path(warning.filename).name for warning in found} == {"stochastic.py"}


def test_a_warning_that_is_an_error_leaves_a_usable_estimator():
    X, y = data()
    net = quick(MLPRegressor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            net.fit(X, y)
        net.partial_fit(X, y)
    assert np.isfinite(net.predict(X)).all()


# What is printed -----------------------------------------------------------------------------------------------------


@quiet
@BOTH
@SOLVERS
@pytest.mark.parametrize("verbose", [False, True, 2])
def test_verbose_prints_the_loss_of_each_iteration(cls, solver, verbose, capsys):
    X, y = data()
    net = quick(cls, solver=solver, verbose=verbose, early_stopping=True).fit(X, y, X_val=X, y_val=y)
    lines = capsys.readouterr().out.splitlines()
    losses = [f"Iteration {k}, loss = {loss:.8f}" for k, loss in enumerate(net.loss_curve_, 1)]
    scores = [f"Validation score: {score:f}" for score in net.validation_scores_]
    assert [line for line in lines if line.startswith("Iteration")] == (losses if verbose else [])
    assert [line for line in lines if line.startswith("Validation score: ")] == (scores if verbose else [])


@quiet
def test_verbose_says_why_training_stops(capsys):
    X, y = data()
    quick(MLPRegressor, verbose=True, tol=10.0, n_iter_no_change=2).fit(X, y)
    assert "Training loss did not improve more than tol=10.000000 for 2 consecutive epochs. Stopping." in (
        capsys.readouterr().out
    )
    quick(MLPRegressor, verbose=True, tol=10.0, n_iter_no_change=2, early_stopping=True).fit(X, y)
    assert "Validation score did not improve more than tol=10.000000 for 2 cons" in capsys.readouterr().out


@quiet
def test_adaptive_learning_rate_is_divided_by_five_at_each_plateau(capsys):
    X, y = data()
    quick(
        MLPRegressor, solver="sgd", learning_rate="adaptive", learning_rate_init=1e-3, tol=10.0, n_iter_no_change=1,
        verbose=True, max_iter=1000,
    ).fit(X, y)  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    rates = [float(line.split("Setting learning rate to ")[1]) for line in lines if "Setting learning rate" in line]
    np.testing.assert_allclose(rates, [1e-3 / 5**k for k in range(1, len(rates) + 1)], atol=5.1e-7)
    assert len(rates) == 5  # 1e-3 / 5^5 = 3.2e-7 is the first below 1e-6
    assert "Learning rate too small. Stopping." in lines[-1]


@quiet
@pytest.mark.parametrize("power_t", [0.0, 0.5, 1.0])
def test_invscaling_is_its_formula(power_t):
    """One feature, no penalty, one batch: each epoch is w -= rate * gradient, to be done by hand."""
    X, y = np.ones((N, 1)), np.full(N, 3.0)
    net = MLPRegressor(
        (), solver="sgd", momentum=0.0, learning_rate="invscaling", learning_rate_init=0.5, power_t=power_t, alpha=0.0,
        max_iter=6, tol=0.0, batch_size=N,
    ).fit(X, y)  # fmt: skip
    weight = intercept = 0.0
    for epoch in range(6):
        rate = 0.5 / (N * epoch + 1) ** power_t
        residual = weight + intercept - 3.0
        weight, intercept = weight - rate * residual, intercept - rate * residual
    assert net.coefs_[0][0, 0] == pytest.approx(weight, rel=1e-9)
    assert net.intercepts_[0][0] == pytest.approx(intercept, rel=1e-9)


# Divergence ----------------------------------------------------------------------------------------------------------


def diverging(cls=MLPRegressor, **parameters):
    """A linear model whose weights double and change their sign in each step, and so diverge after many epochs."""
    common = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0.0, "learning_rate_init": 3.0, "max_iter": 500}
    return quick(cls, **{**common, **parameters})


def diverging_data():
    X, _ = data()
    return X, X[:, 0]


@quiet
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
def test_divergence_names_epoch_and_rate_and_keeps_the_last_finite_weights(dtype, input_dropout):
    X, y = diverging_data()
    X = X.astype(dtype)
    net = diverging(input_dropout=input_dropout)
    with pytest.raises(DivergenceError) as raised, np.errstate(all="ignore"):
        net.fit(X, y)
    error = raised.value
    assert isinstance(error, ValueError)
    assert error.epoch > 10, "the test wants a net that diverges after some epochs"
    assert f"epoch {error.epoch} " in str(error)
    assert error.learning_rate == 3.0 and "learning rate 3;" in str(error)
    assert "learning_rate_init" in str(error) and "Scale" in str(error)
    assert np.isfinite(weights(net)).all()
    with np.errstate(all="ignore"):
        before = diverging(input_dropout=input_dropout, max_iter=error.epoch - 1).fit(X, y)
    np.testing.assert_array_equal(weights(net), weights(before))
    assert net.loss_curve_[:-1] == before.loss_curve_
    assert not np.isfinite(net.loss_curve_[-1])
    assert len(net.loss_curve_) == net.n_iter_ == error.epoch


@quiet
def test_divergence_in_the_first_epoch_keeps_the_initial_weights():
    X, y = diverging_data()
    net = diverging(hidden_layer_sizes=(6,), learning_rate_init=1e200)
    with pytest.raises(DivergenceError, match="epoch 1 with learning rate 1e\\+200"), np.errstate(all="ignore"):
        net.fit(X, y)
    start = diverging(hidden_layer_sizes=(6,), learning_rate_init=1e-300, max_iter=1).fit(X, y)
    np.testing.assert_array_equal(weights(net), weights(start))


@quiet
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_divergence_by_huge_data(solver):
    X, y = diverging_data()
    net = quick(MLPRegressor, solver=solver)
    with pytest.raises(DivergenceError, match="preprocessed") as raised, np.errstate(all="ignore"):
        net.fit(X, y * 1e200)
    assert raised.value.epoch >= 1
    assert np.isfinite(weights(net)).all()


def test_a_divergence_error_survives_pickling():
    error = pickle.loads(pickle.dumps(DivergenceError(3, 0.5)))
    assert (error.epoch, error.learning_rate, str(error)) == (3, 0.5, str(DivergenceError(3, 0.5)))
    assert pickle.loads(pickle.dumps(DivergenceError(1, None))).learning_rate is None


@quiet
def test_divergence_in_a_worker_process_reaches_the_caller():
    X, y = diverging_data()
    with pytest.raises(DivergenceError, match="learning rate"):
        cross_val_score(diverging(learning_rate_init=1e200), X, y, cv=2, n_jobs=2, error_score="raise")


@quiet
@BOTH
def test_divergence_with_early_stopping_warns_and_keeps_the_best_weights(cls):
    X, y = data()
    net = diverging(cls, early_stopping=True, alpha=1.0, batch_size=16)  # the penalty alone makes a step too long
    with np.errstate(all="ignore"):
        found = caught(lambda: net.fit(X, y, X_val=X, y_val=y))
    found = [warning for warning in found if warning.category is ConvergenceWarning]
    assert len(found) == 1
    assert "diverged in epoch" in str(found[0].message) and "best weights" in str(found[0].message)
    assert np.isnan(net.validation_scores_[-1])
    assert np.isfinite(weights(net)).all()
    assert len(net.validation_scores_) == len(net.loss_curve_) == len(net.validation_loss_curve_) == net.n_iter_
    assert net.best_validation_score_ == np.nanmax(net.validation_scores_)
    assert net.score(X, y) == pytest.approx(net.best_validation_score_, rel=1e-9)


@quiet
@BOTH
def test_divergence_in_the_first_epoch_is_an_error_with_early_stopping_too(cls):
    """There are no weights of an epoch to return to."""
    X, y = data()
    net = quick(cls, early_stopping=True, learning_rate_init=1e300)
    with pytest.raises(DivergenceError, match="epoch 1 "), np.errstate(all="ignore"):
        net.fit(X, y)
    assert np.isfinite(weights(net)).all()


@quiet
def test_training_can_go_on_after_a_divergence():
    X, y = diverging_data()
    net = diverging(warm_start=True)
    with pytest.raises(DivergenceError), np.errstate(all="ignore"):
        net.fit(X, y)
    net.set_params(learning_rate_init=1e-4, warm_start=False).fit(X, y)
    assert np.isfinite(net.loss_)


# Interrupts ----------------------------------------------------------------------------------------------------------


def interrupted_after(monkeypatch, n_epochs, *, within):
    """Ctrl-C in epoch `n_epochs` + 1: before the compiled epoch begins, or after it has changed the weights."""
    real, calls = skreg.kernels.entry.train_epochs, []
    monkeypatch.setattr(skreg.solvers.stochastic, "_SECONDS_AT_ONCE", 0.0)

    def train_epochs(*arguments):
        calls.append(None)
        if len(calls) == n_epochs + 1:
            if within:
                real(*arguments)
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(skreg.kernels.entry, "train_epochs", train_epochs)


@quiet
@BOTH
@STOCHASTIC
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("n_epochs", [0, 1, 4])
def test_an_interrupt_keeps_the_last_whole_epoch_bit_for_bit(cls, solver, within, dropout, n_epochs, monkeypatch):
    X, y = data()
    whole = quick(cls, solver=solver, dropout=dropout).fit(X, y)
    net = quick(cls, solver=solver, dropout=dropout)
    with monkeypatch.context() as context:
        interrupted_after(context, n_epochs, within=within)
        (warning,) = caught(lambda: net.fit(X, y))
    assert "interrupted" in str(warning.message) and "last whole epoch" in str(warning.message)
    assert warning.filename == __file__
    assert net.interrupted_ is True and whole.interrupted_ is False
    assert len(net.loss_curve_) == net.n_iter_ == n_epochs
    assert net.loss_curve_ == whole.loss_curve_[:n_epochs]
    if n_epochs:
        short = quick(cls, solver=solver, dropout=dropout, max_iter=n_epochs).fit(X, y)
        np.testing.assert_array_equal(weights(net), weights(short))
    while len(net.loss_curve_) < 8:  # going on is as if nothing had happened
        net.partial_fit(X, y)
    assert net.interrupted_ is False
    assert_same_training(net, whole)


PLACES = {
    "training": (skreg.solvers.stochastic, "evaluate", {"batch_norm": True, "averaging": "ema"}),
    "validation": (skreg.solvers.monitor, "evaluate", {"batch_norm": True, "averaging": "ema"}),
    "score": (skreg.solvers.monitor.Validation, "summary", {"dropout": 0.3}),
}


@quiet
@STOCHASTIC
@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_while_an_epoch_is_measured(solver, place, monkeypatch):
    """The compiled epoch is over, but a loss or score is not known: the epoch is not a whole one."""
    X, y = data()
    owner, name, parameters = PLACES[place]
    validation = {"X_val": X, "y_val": y}
    monkeypatch.setattr(skreg.solvers.stochastic, "_SECONDS_AT_ONCE", 0.0)
    whole = quick(MLPRegressor, solver=solver, **parameters).fit(X, y, **validation)
    real, calls = getattr(owner, name), []

    def measure(*arguments, **keywords):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    net = quick(MLPRegressor, solver=solver, **parameters)
    with monkeypatch.context() as context:
        context.setattr(owner, name, measure)
        caught(lambda: net.fit(X, y, **validation))
    assert net.interrupted_
    assert len(net.loss_curve_) == len(net.validation_loss_curve_) == len(net.validation_scores_) == net.n_iter_ == 3
    assert net.t_ == 3 * N
    for _ in range(5):
        net.partial_fit(X, y, **validation)
    assert_same_training(net, whole)
    assert net.validation_scores_ == whole.validation_scores_


@quiet
@BOTH
def test_an_interrupt_with_early_stopping_keeps_the_best_weights(cls, monkeypatch):
    X, y = data()
    net = quick(cls, early_stopping=True)
    interrupted_after(monkeypatch, 4, within=True)
    caught(lambda: net.fit(X, y, X_val=X, y_val=y))
    assert net.interrupted_
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_ == 4
    assert net.score(X, y) == pytest.approx(net.best_validation_score_, rel=1e-9)


@quiet
@SOLVERS
@pytest.mark.parametrize("n_prints", range(4, 10))
def test_an_interrupt_while_an_epoch_is_recorded(solver, n_prints, monkeypatch):
    """Whoever watches the printed losses presses Ctrl-C while they are printed."""
    X, y = data()
    validation = {"X_val": X, "y_val": y}
    common = {"solver": solver, "warm_start": True, "n_iter_no_change": 50}
    net, printed = quick(MLPRegressor, verbose=True, **common), []

    def print_and_interrupt(text):
        printed.append(text)
        if len(printed) == n_prints:
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("builtins.print", print_and_interrupt)
        caught(lambda: net.fit(X, y, **validation))
    assert net.interrupted_
    assert 1 <= net.n_iter_ < 8
    assert len(net.loss_curve_) == len(net.validation_loss_curve_) == len(net.validation_scores_) == net.n_iter_
    assert net.best_loss_ == min(net.loss_curve_)
    short = quick(MLPRegressor, **{**common, "max_iter": net.n_iter_}).fit(X, y, **validation)
    assert_same_training(net, short)
    if solver != "lbfgs":
        rest = 8 - net.n_iter_
        net.set_params(max_iter=rest, verbose=False).fit(X, y, **validation)
        assert_same_training(net, quick(MLPRegressor, **common).fit(X, y, **validation))


CTRL_C = """
import json, signal, sys, time, warnings
import numpy as np
from skreg import MLPRegressor

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 60))
y = np.sin(X[:, 0])
# Large enough for several threads, small enough for hundreds of epochs a second.
common = dict(hidden_layer_sizes=(100, 60), solver=sys.argv[1], random_state=0, n_iter_no_change=np.inf, tol=0.0)
MLPRegressor(max_iter=3, **common).fit(X, y)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
seen, wrong = 0, []
while seen < 24:
    net = MLPRegressor(max_iter=10**8, max_fun=10**9, **common)
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.004, 0.02))
        net.fit(X, y)
    except KeyboardInterrupt:
        continue  # before the first epoch or after the last one
    seen += 1
    if len(net.loss_curve_) != net.n_iter_:
        wrong.append([net.n_iter_, len(net.loss_curve_)])
    elif net.n_iter_ and seen % 4 == 0:
        again = MLPRegressor(max_iter=net.n_iter_, max_fun=10**9, **common).fit(X, y)
        if not all(map(np.array_equal, net.coefs_, again.coefs_)) or net.loss_curve_ != again.loss_curve_:
            wrong.append(net.n_iter_)
print(json.dumps(wrong))
"""


@SOLVERS
def test_ctrl_c_at_any_moment_neither_hangs_nor_loses_the_weights(solver):
    process = subprocess.run(
        [sys.executable, "-c", CTRL_C, solver], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == []


SIGINT = """
import json, sys, warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from skreg import MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 20))
y = np.sin(X[:, 0]) + rng.normal(size=2000)
solver = sys.argv[1]
parameters = dict(solver=solver, random_state=0, n_iter_no_change=np.inf, tol=0.0, max_fun=10**9)
net = MLPRegressor((50, 50), max_iter=10**8, verbose=True, **parameters)
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    net.fit(X, y)
again = MLPRegressor((50, 50), max_iter=net.n_iter_, **parameters).fit(X, y)
same = all(np.array_equal(a, b) for a, b in zip(net.coefs_ + net.intercepts_, again.coefs_ + again.intercepts_))
curves = net.loss_curve_ == again.loss_curve_
if solver != "lbfgs":
    net.set_params(verbose=False).partial_fit(X, y)
print("RESULT", json.dumps([net.n_iter_, same, curves, net.interrupted_, [str(w.message) for w in found]]))
"""


@SOLVERS
def test_a_real_ctrl_c_ends_a_long_fit_and_keeps_its_last_iteration(solver):
    lines = []
    with subprocess.Popen(
        [sys.executable, "-u", "-c", SIGINT, solver], cwd=Path(__file__).parents[1], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        killer = threading.Timer(60, process.kill)
        killer.start()
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Iteration 5,"):
                process.send_signal(signal.SIGINT)
        error = process.stderr.read()
        killer.cancel()
    assert process.returncode == 0, error
    n_iter, same, curves, interrupted, messages = json.loads(lines[-1].removeprefix("RESULT "))
    assert same and curves, "the weights are not those of the last whole epoch"
    assert interrupted is (solver == "lbfgs"), "a partial_fit that was not interrupted says so"
    assert any("Training interrupted by user" in message for message in messages)
    assert n_iter >= 1
