"""What must not change the result: batch size, copies and order of rows, form of X, breaks, processes."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor, _team

from .conftest import relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer", "ignore:lbfgs failed to converge")

ROOT = Path(__file__).parents[1]


def draw(n_rows=45, n_features=6, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n_rows, n_features) * (rng.rand(n_rows, n_features) < 0.7)
    return X, X @ rng.uniform(-2, 2, n_features) + rng.randn(n_rows) + 1


def make(hidden=(5, 3), cls=MLPRegressor, **parameters):
    defaults = {
        "activation": "tanh", "penalty": "elasticnet", "alpha": 0.01, "bias_penalty": 0.01, "random_state": 0,
        "learning_rate_init": 0.01, "batch_size": 8, "max_iter": 5, "tol": 0.0, "n_iter_no_change": np.inf,
    }  # fmt: skip
    return cls(hidden, **{**defaults, "activity_penalty": 0.01 if hidden else 0.0, **parameters})


def weights_of(network):
    return [*network.coefs_, *network.intercepts_]


def assert_same_bits(a, b):
    assert [w.tobytes() for w in weights_of(a)] == [w.tobytes() for w in weights_of(b)]


# The objective is that of all rows, however they are dealt out --------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 16, 45])
@pytest.mark.parametrize("penalty", [{"penalty": "l2", "alpha": 0.5}, {"penalty": "l1", "alpha": 0.5}])
@pytest.mark.parametrize("nesterov", [False, True])
def test_optimum_does_not_move_with_the_batch_size(batch_size, penalty, nesterov):
    """45 rows, so that 7 and 16 leave short last batches."""
    X, y = draw()
    expected = make((), solver="lbfgs", bias_penalty=0.0, max_iter=1000, **penalty).fit(X, y)
    found = make(
        (), solver="sgd", bias_penalty=0.0, batch_size=batch_size, momentum=0.5, max_iter=1500, warm_start=True,
        nesterovs_momentum=nesterov, **penalty,
    )  # fmt: skip
    for learning_rate in (0.05, 0.005, 5e-4, 5e-5):
        found.set_params(learning_rate_init=learning_rate).fit(X, y)
    assert relative_error(found.coefs_, expected.coefs_) < 2e-3
    # An alpha divided by the batch size, or one that a short last batch saw whole, would be seen:
    for factor in (1 / 7, 7 * 7 / 45):
        other = make((), solver="lbfgs", bias_penalty=0.0, max_iter=1000, penalty=penalty["penalty"], alpha=factor / 2)
        assert relative_error(other.fit(X, y).coefs_, expected.coefs_) > 1e-2


def test_objective_of_given_weights_does_not_depend_on_how_they_are_trained():
    X, y = draw()
    values = set()
    for parameters in (
        {"batch_size": 1}, {"batch_size": 45}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"shuffle": False},
        {"learning_rate_init": 1.0}, {"early_stopping": True},
    ):  # fmt: skip
        values.add(make().fit(X, y).set_params(**parameters).objective(X, y))
    assert len(values) == 1


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_loss_curve_of_one_full_batch_is_the_objective_before_the_step(solver):
    """But for the penalties on the weights, which are those after it."""
    X, y = draw()
    network = make(solver=solver, batch_size=45, max_iter=1, warm_start=True, nesterovs_momentum=False)
    network.fit(X, y)
    for _ in range(3):
        before = network.objective(X, y)
        network.fit(X, y)
        after = network.objective(X, y)
        expected = before.loss + before.activity + after.weights + after.biases
        np.testing.assert_allclose(network.loss_curve_[-1], expected, rtol=1e-12)


# Rows -------------------------------------------------------------------------------------------------------------

FULL_BATCH = {
    "adam": {"solver": "adam", "batch_size": 10**4, "max_iter": 40},
    "sgd": {"solver": "sgd", "batch_size": 10**4, "nesterovs_momentum": False, "max_iter": 40},
    "nesterov": {"solver": "sgd", "batch_size": 10**4, "max_iter": 40},
    "lbfgs": {"solver": "lbfgs", "max_iter": 40},
}
CLASSES = {"regression": MLPRegressor, "classification": MLPClassifier}


def fit_rows(kind, solver, X, y, weights=None, **parameters):
    y = y if kind == "regression" else (y > 0).astype(int) + (y > 2)
    parameters = {**FULL_BATCH[solver], **parameters}
    if "batch_size" in parameters:
        parameters["batch_size"] = X.shape[0]
    return make(cls=CLASSES[kind], **parameters).fit(X, y, weights)


full_batches = pytest.mark.parametrize("solver", FULL_BATCH)
kinds = pytest.mark.parametrize("kind", CLASSES)


@full_batches
@kinds
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_a_weight_of_k_is_the_row_k_times(solver, kind, form):
    """And a weight of 0 is no row."""
    X, y = draw()
    counts = np.random.RandomState(1).randint(0, 4, len(X))
    weighted = fit_rows(kind, solver, form(X), y, counts.astype(float))
    repeated = fit_rows(kind, solver, form(np.repeat(X, counts, axis=0)), np.repeat(y, counts))
    assert relative_error(weights_of(weighted), weights_of(repeated)) < 1e-9
    objectives = [
        weighted.objective(form(X), *targets_of(kind, y), counts),
        weighted.objective(form(np.repeat(X, counts, axis=0)), *targets_of(kind, np.repeat(y, counts))),
    ]
    assert relative_error(*objectives) < 1e-13
    if solver == "lbfgs":
        assert_same_bits(weighted, repeated)


@kinds
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_weight_of_k_is_the_row_k_times_to_the_bit_in_a_linear_model(kind, form, penalty):
    X, y = draw()
    y = targets_of(kind, y)[0]
    counts = np.random.RandomState(1).randint(0, 4, len(X))
    model = {"solver": "lbfgs", "penalty": penalty, "alpha": 0.05, "max_iter": 1000}
    weighted = make((), CLASSES[kind], **model).fit(form(X), y, counts)
    order = np.random.RandomState(2).permutation(counts.sum())
    rows = np.repeat(np.arange(len(X)), counts)[order]
    assert_same_bits(weighted, make((), CLASSES[kind], **model).fit(form(X[rows]), y[rows]))


def targets_of(kind, y):
    return [y if kind == "regression" else (y > 0).astype(int) + (y > 2)]


def test_balanced_classes_count_weights():
    """Integer weights with class_weight='balanced' are repeated rows too, and weights of zero are no rows."""
    X, y = draw()
    y = targets_of("classification", y)[0]
    counts = np.random.RandomState(1).randint(0, 4, len(X))
    model = {"solver": "lbfgs", "alpha": 0.05, "max_iter": 1000, "class_weight": "balanced"}
    weighted = make((), MLPClassifier, **model).fit(X, y, counts)
    repeated = make((), MLPClassifier, **model).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert relative_error(weights_of(weighted), weights_of(repeated)) < 1e-6


@full_batches
@kinds
def test_rows_of_weight_zero_may_hold_anything(solver, kind):
    X, y = draw()
    weights = np.random.RandomState(1).randint(0, 2, len(X)).astype(float)
    other = np.where(weights[:, None] > 0, X, 1e3)
    fits = [fit_rows(kind, solver, values, y, weights) for values in (X, other)]
    assert_same_bits(*fits)


@full_batches
@kinds
@pytest.mark.parametrize("batch_size", [8, 45])
def test_the_scale_of_weights_means_nothing(solver, kind, batch_size):
    X, y = draw()
    weights = np.random.RandomState(1).uniform(0, 2, len(X))
    parameters = {} if solver == "lbfgs" else {"batch_size": batch_size, "max_iter": 5}
    scales = (1.0, 2.0**10, 2.0**-30, 3.7, 1e-9)
    fits = [fit_rows(kind, solver, X, y, scale * weights, **parameters) for scale in scales]
    assert_same_bits(fits[0], fits[1])
    assert_same_bits(fits[0], fits[2])
    for other in fits[3:]:
        assert relative_error(weights_of(other), weights_of(fits[0])) < 1e-10


@kinds
def test_equal_weights_are_no_weights(kind):
    X, y = draw()
    for solver in FULL_BATCH:
        assert_same_bits(fit_rows(kind, solver, X, y), fit_rows(kind, solver, X, y, np.full(len(X), 0.25)))


@kinds
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("linear", [False, True], ids=["network", "linear"])
def test_the_order_of_rows_does_not_change_a_bit_of_an_lbfgs_fit(kind, form, weighted, penalty, linear):
    X, y = draw(n_rows=300)
    weights = np.random.RandomState(2).uniform(0, 2, len(X)) if weighted else None
    model = {"penalty": penalty, **({"hidden": (), "max_iter": 1000} if linear else {})}
    first = fit_rows(kind, "lbfgs", form(X), y, weights, **model)
    for seed in range(3):
        order = np.random.RandomState(seed).permutation(len(X))
        again = fit_rows(kind, "lbfgs", form(X[order]), y[order], None if weights is None else weights[order], **model)
        assert_same_bits(first, again)


@full_batches
def test_the_order_of_rows_does_not_change_a_full_batch(solver):
    X, y = draw()
    order = np.random.RandomState(3).permutation(len(X))
    fits = [fit_rows("regression", solver, X, y), fit_rows("regression", solver, X[order], y[order])]
    assert relative_error(weights_of(fits[0]), weights_of(fits[1])) < 1e-9


# Columns and forms of X -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("n_rows", [45, 20])
def test_permuted_columns_have_permuted_coefficients(kind, penalty, n_rows):
    X, y = draw(n_rows, 25)
    y = targets_of(kind, y)[0]
    order = np.random.RandomState(4).permutation(X.shape[1])
    model = make((), CLASSES[kind], solver="lbfgs", penalty=penalty, alpha=0.05, max_iter=5000, tol=1e-9)
    first = model.fit(X, y).coefs_[0]
    permuted = model.fit(X[:, order], y).coefs_[0]
    assert relative_error([permuted], [first[order]]) < 1e-6
    if penalty != "l2":
        np.testing.assert_array_equal(permuted == 0, first[order] == 0)
        assert 0 < (first == 0).sum() < first.size


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@kinds
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dense_and_sparse_agree(solver, kind, dtype):
    X, y = draw()
    X = X.astype(dtype)
    network = make(cls=CLASSES[kind], solver=solver, max_iter=5)
    dense = network.fit(X, targets_of(kind, y)[0])
    prediction, layers, objective = dense.predict(X), weights_of(dense), dense.objective(X, targets_of(kind, y)[0])
    tolerance = 1e-11 if dtype == np.float64 else 1e-4
    for form in (sparse.csr_array, sparse.csc_array, sparse.csr_matrix):
        in_form = network.fit(form(X), targets_of(kind, y)[0])
        assert relative_error(weights_of(in_form), layers) < tolerance
        assert relative_error([in_form.predict(form(X))], [prediction]) < tolerance
        assert relative_error(in_form.objective(form(X), targets_of(kind, y)[0]), objective) < tolerance


# Breaks -----------------------------------------------------------------------------------------------------------

TRAININGS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "nesterov with dropout": {"solver": "sgd", "dropout": 0.3},
    "batchwise dropout": {"dropout": 0.4, "input_dropout": 0.2, "dropout_kind": "batchwise", "activity_penalty": 0.0},
    "l1": {"penalty": "l1", "alpha": 0.3},
    "adam without penalties": {"penalty": None, "bias_penalty": 0.0, "activity_penalty": 0.0},
    "without shuffling": {"shuffle": False},
    "one batch": {"batch_size": 45},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.5},
    "a linear model": {"hidden_layer_sizes": (), "activity_penalty": 0.0},
}


def make_training(name, **parameters):
    parameters = {**TRAININGS[name], **parameters}
    return make(**parameters) if "hidden_layer_sizes" not in parameters else make().set_params(**parameters)


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_six_warm_starts_of_one_epoch_are_one_fit_of_six(name, dtype):
    X, y = draw()
    X = X.astype(dtype)
    at_once = make_training(name, max_iter=6).fit(X, y)
    in_steps = make_training(name, max_iter=1, warm_start=True)
    by_partial_fit = make_training(name)
    halves = make_training(name, max_iter=3, warm_start=True).fit(X, y).fit(X, y)
    for _ in range(6):
        in_steps.fit(X, y)
        by_partial_fit.partial_fit(X, y)
    for other in (in_steps, by_partial_fit, halves):
        assert_same_bits(other, at_once)
        assert other.loss_curve_ == at_once.loss_curve_
        assert other.t_ == at_once.t_ == 6 * len(X)


@pytest.mark.parametrize("name", TRAININGS)
def test_pickling_is_no_break(name):
    X, y = draw()
    whole = make_training(name).partial_fit(X, y).partial_fit(X, y).partial_fit(X, y)
    pickled = make_training(name)
    for _ in range(3):
        pickled = pickle.loads(pickle.dumps(pickled)).partial_fit(X, y)
    assert_same_bits(pickled, whole)


# Processes and threads --------------------------------------------------------------------------------------------


def fit_all():
    """Bytes of the weights of every kind of training, of lbfgs and of wide layers, on dense and sparse X."""
    X, y = draw(n_rows=300, n_features=40)
    found = []
    for form in (np.asarray, sparse.csr_array):
        for name in TRAININGS:
            found.append(make_training(name, max_iter=3).fit(form(X), y))
        found.append(make(solver="lbfgs", max_iter=30).fit(form(X), y))
        for dtype in (np.float32, np.float64):
            wide = make((33, 17), MLPClassifier, batch_size=77, dropout=0.2, max_iter=3)
            found.append(wide.fit(form(X.astype(dtype)), targets_of("classification", y)[0]))
    return [w.tobytes() for network in found for w in weights_of(network)]


def fit_one(name):
    X, y = draw(n_rows=300, n_features=40)
    network = make_training(name, hidden_layer_sizes=(30, 20), max_iter=3) if name != "lbfgs" else make(solver="lbfgs")
    return [w.tobytes() for w in weights_of(network.fit(X, y))]


PARALLEL = [name for name in TRAININGS if name != "a linear model"] + ["lbfgs"]
CODE = """
import hashlib, warnings
warnings.simplefilter("ignore")
from tests.test_invariances import fit_all
print(hashlib.sha256(b"".join(fit_all())).hexdigest())
"""


def test_the_same_bits_again_and_in_a_fresh_process():
    here = hashlib.sha256(b"".join(fit_all())).hexdigest()
    assert here == hashlib.sha256(b"".join(fit_all())).hexdigest()
    # One BLAS thread there, as many as there are processors here.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", CODE], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == here


@pytest.mark.parametrize("n_cores", [2, 3, 8])
def test_the_same_bits_for_any_number_of_threads(n_cores, monkeypatch):
    """Threads of one fit, made to work together on problems that are too small for them."""
    expected = fit_all()
    members, count = [], _team.Team._n_members
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    monkeypatch.setattr(_team, "n_cores", lambda: n_cores)
    monkeypatch.setattr(_team.Team, "_n_members", lambda team: members.append((count(team), team.size)) or count(team))
    assert fit_all() == expected
    assert all(n_members == size for n_members, size in members)
    assert members.count((n_cores, n_cores)) > 0.8 * len(members)  # a few blocks of rows leave nothing for some


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_same_bits_in_parallel(backend):
    expected = [fit_one(name) for name in PARALLEL]
    found = Parallel(n_jobs=2, backend=backend)(delayed(fit_one)(name) for name in PARALLEL)
    assert found == expected


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_seeds(solver):
    """The same seed, whatever numpy's global state; another seed, another network."""
    X, y = draw()
    np.random.seed(0)
    first = make(solver=solver).fit(X, y)
    np.random.seed(1)
    assert_same_bits(first, make(solver=solver).fit(X, y))
    assert relative_error(make(solver=solver, random_state=1).fit(X, y).coefs_, first.coefs_) > 1e-3
    with_instance = make(solver=solver, random_state=np.random.RandomState(0)).fit(X, y)
    assert_same_bits(first, with_instance)


def test_the_seed_of_training_is_not_only_that_of_the_first_weights():
    """A linear model starts at zero, and yet another seed deals out other batches and masks."""
    X, y = draw()
    fits = [make((), random_state=seed, input_dropout=rate).fit(X, y) for seed in (0, 1) for rate in (0.0, 0.3)]
    assert relative_error(fits[0].coefs_, fits[2].coefs_) > 1e-6
    assert relative_error(fits[1].coefs_, fits[3].coefs_) > 1e-3
