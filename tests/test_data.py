"""Data: what is refused and with which words, and that every way to hold the same numbers gives the same network."""

import json
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.neural_network
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skreg import LassoNetClassifier, MLPClassifier, MLPRegressor

CLASSES = [MLPRegressor, MLPClassifier]
BOTH = pytest.mark.parametrize("cls", CLASSES)
BOTH_CLASSIFIERS = pytest.mark.parametrize("cls", [MLPClassifier, LassoNetClassifier])
SOLVERS = pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
N = 40


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def data(n_features=4):
    """(X, y): a third of X is zero, and y has two classes that are also numbers to regress on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, n_features))
    X[rng.random(X.shape) < 0.3] = 0
    return X, (X[:, 0] - X[:, -1] > 0).astype(int)


def quick(cls, **parameters):
    """A small net that trains for a few epochs in short batches, of which the last is shorter."""
    common = {"hidden_layer_sizes": (5, 4), "max_iter": 4, "random_state": 0, "batch_size": 16, "alpha": 0.01}
    return cls(**{**common, **parameters})


def raw(net, X):
    """What a network says of X, in numbers."""
    return net.predict_proba(X) if isinstance(net, MLPClassifier) else net.predict(X)


def assert_same_network(a, b):
    for first, second in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        np.testing.assert_array_equal(first, second)


# Ways to hold the same numbers ---------------------------------------------------------------------------------------


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _strided(X):
    big = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan)
    big[::2, ::3] = X
    return big[::2, ::3]


def _unaligned(X):
    memory = np.zeros(X.nbytes + 1, np.uint8)
    view = memory[1:].view(X.dtype).reshape(X.shape)
    view[:] = X
    assert not view.flags.aligned
    return view


def _within_records(X):
    """A column of a structured array: its stride is no multiple of the size of its numbers."""
    records = np.zeros(len(X), [("flag", "i1"), ("x", X.dtype, (X.shape[1],))])
    records["x"] = X
    return records["x"]


DENSE = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "every second row, every third column": _strided,
    "columns of a wider array": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "rows backwards": lambda X: X[::-1].copy()[::-1],
    "columns backwards": lambda X: X[:, ::-1].copy()[:, ::-1],
    "both backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _read_only,
    "unaligned": _unaligned,
    "within records": _within_records,
    "big-endian": lambda X: X.astype(">f8"),
    "longdouble": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "DataFrame": pd.DataFrame,
    "DataFrame of several blocks": lambda X: pd.DataFrame({f"x{j}": X[:, j].copy() for j in range(X.shape[1])}),
    "masked array without a mask": np.ma.asarray,
}


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("hold", DENSE.values(), ids=DENSE)
def test_dense_data_give_the_same_bits_however_they_are_held(cls, hold, solver):
    X, y = data()
    expected = quick(cls, solver=solver).fit(X, y)
    found = quick(cls, solver=solver).fit(hold(X), y)
    assert_same_network(found, expected)
    np.testing.assert_array_equal(raw(found, hold(X)), raw(expected, X))


@BOTH
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memory_map_gives_the_same_bits(cls, mode, tmp_path):
    X, y = data()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    assert_same_network(quick(cls).fit(mapped, y), quick(cls).fit(X, y))


@BOTH
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, bool, np.float16, ">i4", ">f4"])
def test_other_numbers_are_as_their_float64(cls, dtype):
    X, y = data()
    X = (X > 0.5 if dtype is bool else np.round(X) + 3).astype(dtype)
    net = quick(cls).fit(X, y)
    assert_same_network(net, quick(cls).fit(X.astype(float), y))
    np.testing.assert_array_equal(raw(net, X), raw(net, X.astype(float)))


@BOTH
def test_a_frame_of_mixed_dtypes_is_as_its_float64(cls):
    X, y = data()
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(np.float32), "c": (X[:, 2] * 9).astype(int)})
    frame["d"] = X[:, 3] > 0
    frame["e"] = pd.array(frame["c"], dtype="Int64")  # pandas' own integers
    net = quick(cls).fit(frame, y)
    assert_same_network(net, quick(cls).fit(frame.to_numpy(dtype=np.float64), y))
    assert list(net.feature_names_in_) == list(frame.columns)


def test_targets_and_weights_may_be_held_in_any_way():
    X, y = data()
    y, weight = y + 0.5, np.arange(N) % 3 + 1.0
    expected = quick(MLPRegressor).fit(X, y, weight)
    backwards, strided = (lambda v: v[::-1].copy()[::-1]), (lambda v: np.repeat(v, 2)[::2])
    for hold in (list, np.float32, pd.Series, _read_only, strided, backwards):
        assert_same_network(quick(MLPRegressor).fit(X, hold(y), hold(weight)), expected)
    index = np.arange(N)[::-1] * 7  # rows go by their places, not by the index of a Series
    assert_same_network(quick(MLPRegressor).fit(X, pd.Series(y, index), pd.Series(weight, index)), expected)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("hold", ["C order", "Fortran order", "every second row", "float32"])
def test_dense_data_are_not_copied(solver, hold):
    """X of 40 MB (20 MB in float32) costs a tenth of that to train on and to predict."""
    X = np.random.default_rng(0).normal(size=(100_000, 50))
    ways = {"Fortran order": np.asfortranarray(X), "every second row": np.repeat(X, 2, axis=0)[::2]}
    held = X.astype(np.float32) if hold == "float32" else ways.get(hold, X)
    net = MLPRegressor((4,), solver=solver, max_iter=1, random_state=0)
    net.fit(held[:100], X[:100, 0]).predict(held[:100])
    y = X[:, 0].copy()
    tracemalloc.start()
    try:
        net.fit(held, y).predict(held)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (4e6 if solver == "adam" else 10e6)


# Sparse data ---------------------------------------------------------------------------------------------------------


def _unsorted(X):
    """CSR with the columns of each row backwards."""
    csr = sparse.csr_array(X)
    for start, stop in zip(csr.indptr[:-1], csr.indptr[1:], strict=True):
        csr.indices[start:stop] = csr.indices[start:stop][::-1].copy()
        csr.data[start:stop] = csr.data[start:stop][::-1].copy()
    csr.has_sorted_indices = False
    return csr


def _with_explicit_zeros(X):
    rows, columns = np.indices(X.shape)
    csr = sparse.csr_array((X.ravel(), columns.ravel(), np.arange(0, X.size + 1, X.shape[1])), shape=X.shape)
    assert csr.nnz == X.size
    return csr


def _with_duplicates(X):
    """Each entry twice, with half of its value."""
    csr = sparse.csr_array(X)
    doubled = sparse.csr_array((np.repeat(csr.data / 2, 2), np.repeat(csr.indices, 2), csr.indptr * 2), shape=X.shape)
    assert doubled.nnz == 2 * csr.nnz
    return doubled


def _long_indices(X):
    csr = sparse.csr_array(X)
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr


def _read_only_sparse(X):
    csr = sparse.csr_array(X)
    for part in (csr.data, csr.indices, csr.indptr):
        part.flags.writeable = False
    return csr


SPARSE = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "lil_matrix": sparse.lil_matrix,
    "int64 indices": _long_indices,
    "unsorted indices": _unsorted,
    "explicit zeros": _with_explicit_zeros,
    "duplicate entries": _with_duplicates,
    "read-only": _read_only_sparse,
    "DataFrame of sparse columns": lambda X: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(X)),
}


@BOTH
@SOLVERS
@pytest.mark.parametrize("hold", SPARSE.values(), ids=SPARSE)
def test_sparse_data_give_the_network_of_the_dense_ones(cls, hold, solver):
    X, y = data()
    expected = quick(cls, solver=solver, max_iter=10).fit(X, y)
    found = quick(cls, solver=solver, max_iter=10).fit(hold(X), y)
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(raw(found, hold(X)), raw(expected, X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.objective(hold(X), y), expected.objective(X, y), rtol=1e-6)


@BOTH
@pytest.mark.parametrize("hold", [sparse.csr_array, sparse.csc_matrix, _long_indices])
def test_sparse_float32_and_integers_are_taken(cls, hold):
    X, y = data()
    integers = hold(np.round(X).astype(int))
    assert_same_network(quick(cls).fit(integers, y), quick(cls).fit(hold(np.round(X)), y))
    narrow = quick(cls).fit(hold(X.astype(np.float32)), y)
    assert narrow.coefs_[0].dtype == np.float32


def test_rows_without_entries_and_a_matrix_without_any():
    _, y = data()
    empty = sparse.csr_array((N, 4))
    net, dense = quick(MLPRegressor).fit(empty, y), quick(MLPRegressor).fit(np.zeros((N, 4)), y)
    np.testing.assert_allclose(net.predict(empty), dense.predict(np.zeros((N, 4))), rtol=1e-9)


SPARSE_MEMORY = """
import json, resource, sys, tracemalloc, warnings
import numpy as np
from scipy import sparse
from skreg import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
places = rng.integers(2000, size=40_000), rng.integers(200_000, size=40_000)
X = sparse.csr_array((rng.normal(size=40_000), places), shape=(2000, 200_000))
y = np.arange(2000) % 2
cls = {"adam": MLPClassifier, "lbfgs": MLPRegressor}[sys.argv[1]]
net = cls((2,), solver=sys.argv[1], max_iter=2, random_state=0)
peaks = {}
for dtype in ("float32", "float64"):
    small = X[:50, :100].astype(dtype)
    net.fit(small, y[:50]).predict(small)  # compile or load the kernels before counting
    net.objective(small, y[:50])
    for kind in ("csr", "csc"):
        held = X.astype(dtype).asformat(kind)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.start()
        net.fit(held, y).predict(held)
        net.objective(held, y)
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        peaks[f"{kind} {dtype}"] = max(traced / 1e6, resident * 1024 / 1e6)
print(json.dumps(peaks))
"""


@pytest.mark.parametrize(("solver", "limit"), [("adam", 60), ("lbfgs", 250)])
def test_sparse_data_are_never_made_dense(solver, limit):
    """In MB: X would have 3,200, and 256 of its rows 410; its entries have 0.6, and one vector of weights 3.2.

    L-BFGS keeps about 40 of those vectors.
    """
    command = [sys.executable, "-c", SPARSE_MEMORY, solver]
    process = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    peaks = json.loads(process.stdout)
    assert len(peaks) == 4
    assert {case: peak for case, peak in peaks.items() if peak > limit} == {}


# Precision -----------------------------------------------------------------------------------------------------------


@BOTH
@SOLVERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_of_the_data_is_kept(cls, solver, dtype):
    X, y = data()
    net = quick(cls, solver=solver, early_stopping=True, n_iter_no_change=1).fit(X.astype(dtype), y)
    assert {a.dtype for a in (*net.coefs_, *net.intercepts_)} == {np.dtype(dtype)}
    assert raw(net, X.astype(dtype)).dtype == dtype
    assert isinstance(net.loss_, float) and all(isinstance(loss, float) for loss in net.loss_curve_)


@BOTH
def test_a_network_of_one_precision_predicts_data_of_the_other(cls):
    X, y = data()
    narrow, wide = quick(cls).fit(X.astype(np.float32), y), quick(cls).fit(X, y)
    np.testing.assert_allclose(raw(narrow, X), raw(wide, X), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(raw(wide, X.astype(np.float32)), raw(wide, X), rtol=1e-5, atol=1e-6)


@BOTH
def test_training_goes_on_with_data_of_the_other_precision(cls):
    X, y = data()
    net = quick(cls).fit(X.astype(np.float32), y)
    net.partial_fit(X, y)
    assert np.isfinite(net.loss_)
    assert len({a.dtype for a in (*net.coefs_, *net.intercepts_)}) == 1
    assert np.isfinite(raw(net.partial_fit(X.astype(np.float32), y), X)).all()


def test_targets_do_not_widen_float32():
    X, y = data()
    net = quick(MLPRegressor).fit(X.astype(np.float32), y.astype(np.float64), np.ones(N))
    assert net.predict(X.astype(np.float32)).dtype == np.float32


def test_large_values_of_one_column_of_float32_do_not_overflow_the_check():
    X = np.full((N, 2), 1e30, np.float32)
    with pytest.raises(ValueError, match="non-finite"):
        quick(MLPRegressor, learning_rate_init=1.0).fit(X, np.full(N, 1e30))


# Targets -------------------------------------------------------------------------------------------------------------


@SOLVERS
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_regression_on_several_outputs(solver, n_outputs):
    X, _ = data()
    Y = X[:, :1] * np.arange(1, n_outputs + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)  # a column is asked to be a vector
        net = quick(MLPRegressor, solver=solver).fit(X, Y)
    assert net.n_outputs_ == n_outputs
    assert net.predict(X).shape == ((N,) if n_outputs == 1 else (N, n_outputs))


def test_a_column_is_a_vector_with_a_warning():
    X, y = data()
    for cls in CLASSES:
        with pytest.warns(DataConversionWarning, match="column-vector"):
            net = quick(cls).fit(X, y[:, None])
        assert_same_network(net, quick(cls).fit(X, y))


LABELS = {
    "int": np.array([0, 1, 2]),
    "negative int": np.array([-3, 5, 10**12]),
    "str": np.array(["a", "b", "long name"]),
    "objects": np.array(["a", "b", "c"], dtype=object),
    "whole floats": np.array([0.0, 1.0, 2.0]),
}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_kind_give_the_same_network(labels, n_classes, early_stopping):
    X, _ = data()
    codes = np.arange(N) % n_classes
    expected = quick(MLPClassifier, early_stopping=early_stopping, n_iter_no_change=1).fit(X, codes)
    net = quick(MLPClassifier, early_stopping=early_stopping, n_iter_no_change=1).fit(X, labels[codes])
    assert_same_network(net, expected)
    np.testing.assert_array_equal(net.classes_, labels[:n_classes])
    np.testing.assert_array_equal(net.predict(X), labels[expected.predict(X)])
    assert net.score(X, labels[codes]) == expected.score(X, codes)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_bool_labels_and_categories(early_stopping):
    X, y = data()
    expected = quick(MLPClassifier, early_stopping=early_stopping).fit(X, y)
    net = quick(MLPClassifier, early_stopping=early_stopping).fit(X, y.astype(bool))
    assert_same_network(net, expected)
    assert net.predict(X).dtype == bool
    words = pd.Series(np.where(y, "yes", "no"), dtype="category")
    net = quick(MLPClassifier, early_stopping=early_stopping).fit(X, words)
    assert_same_network(net, expected)
    assert set(net.predict(X)) <= {"yes", "no"}


@SOLVERS
@pytest.mark.parametrize("hold", [np.asarray, sparse.csr_array, sparse.csc_matrix, np.asfortranarray, pd.DataFrame])
def test_multilabel_targets_dense_and_sparse(solver, hold):
    X, y = data()
    Y = np.column_stack([y, X[:, 1] > 0, X[:, 2] > 0]).astype(int)
    net = quick(MLPClassifier, solver=solver).fit(X, hold(Y))
    assert_same_network(net, quick(MLPClassifier, solver=solver).fit(X, Y))
    labels = net.predict(X)
    theirs = sklearn.neural_network.MLPClassifier((2,), solver=solver, max_iter=1).fit(X, hold(Y)).predict(X)
    assert type(labels) is type(theirs)
    labels = labels.toarray() if sparse.issparse(labels) else labels
    assert labels.shape == net.predict_proba(X).shape == (N, 3)
    assert labels.dtype.kind == theirs.dtype.kind
    np.testing.assert_array_equal(labels, net.predict_proba(X) > 0.5)
    np.testing.assert_array_equal(net.classes_, np.arange(3))
    assert net.score(X, Y) == np.mean((labels == Y).all(axis=1))


def test_multilabel_with_validation_data_and_early_stopping():
    X, y = data()
    Y = np.column_stack([y, 1 - y])
    split = quick(MLPClassifier, early_stopping=True).fit(X, sparse.csr_array(Y))
    given = quick(MLPClassifier, early_stopping=True).fit(X, Y, X_val=X, y_val=sparse.csr_array(Y))
    assert len(split.validation_scores_) == split.n_iter_
    assert given.validation_scores_[-1] <= given.best_validation_score_ == given.score(X, Y)


@SOLVERS
@pytest.mark.parametrize("label", [0, 7, "only"])
def test_one_class(solver, label):
    """As unsurprising as can be: that class, with certainty."""
    X, _ = data()
    net = quick(MLPClassifier, solver=solver).fit(X, [label] * N)
    assert list(net.classes_) == [label]
    assert set(net.predict(X)) == {label}
    np.testing.assert_allclose(net.predict_proba(X), np.ones((N, 1)), rtol=1e-6)
    np.testing.assert_allclose(net.predict_log_proba(X), np.zeros((N, 1)), atol=1e-6)
    assert net.score(X, [label] * N) == 1.0


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_probabilities_sum_to_one_and_agree_with_the_prediction(n_classes):
    X, _ = data()
    net = quick(MLPClassifier).fit(X, np.arange(N) % n_classes)
    probability = net.predict_proba(100 * X)
    assert probability.shape == (N, n_classes)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(probability.argmax(axis=1), net.predict(100 * X))
    np.testing.assert_allclose(net.predict_log_proba(100 * X), np.log(probability))
    assert np.isfinite(net.predict_log_proba(1e6 * X)).all()


# Small and odd shapes ------------------------------------------------------------------------------------------------


@BOTH
@SOLVERS
def test_one_feature_and_one_unit(cls, solver):
    X, y = data()
    net = quick(cls, solver=solver, hidden_layer_sizes=(1,)).fit(X[:, :1], y)
    assert net.coefs_[0].shape == (1, 1)
    assert net.predict(X[:, :1]).shape == (N,)


@BOTH
@pytest.mark.parametrize("n_rows", [1, 2, 7, 255, 256, 257])
@pytest.mark.parametrize("hold", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_a_row_is_predicted_the_same_whatever_rows_come_with_it(cls, n_rows, hold):
    X, y = data()
    net = quick(cls, hidden_layer_sizes=(37, 5)).fit(X, y)
    many = np.tile(X, (10, 1))[:n_rows]
    alone = np.concatenate([raw(net, hold(row[None])) for row in X])
    np.testing.assert_array_equal(raw(net, hold(many)), np.concatenate([alone] * 10)[:n_rows])


@BOTH
@SOLVERS
@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_as_few_rows_as_one(cls, solver, n_rows):
    X, y = data()
    net = quick(cls, solver=solver, batch_size="auto").fit(X[:n_rows], y[:n_rows])
    assert np.isfinite(raw(net, X)).all()


@BOTH
def test_more_features_than_rows(cls):
    X, y = data(n_features=300)
    assert np.isfinite(quick(cls, batch_size="auto").fit(X[:10], y[:10]).loss_)


@BOTH
@pytest.mark.parametrize("batch_size", [N + 1, 10**9, np.int64(100)])
def test_a_batch_larger_than_the_data_is_clipped_with_a_warning(cls, batch_size):
    X, y = data()
    with pytest.warns(UserWarning, match=f"batch_size={batch_size} .*larger than the {N} training samples"):
        net = quick(cls, batch_size=batch_size).fit(X, y)
    assert_same_network(net, quick(cls, batch_size=N).fit(X, y))


@BOTH
def test_no_warning_for_auto_nor_for_the_whole(cls):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        auto = quick(cls, batch_size="auto").fit(X, y)
        assert_same_network(auto, quick(cls, batch_size=N).fit(X, y))
        quick(cls, solver="lbfgs", batch_size=10**6).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 39])
def test_every_row_is_in_one_batch_even_if_the_last_is_short(solver, batch_size):
    """One epoch over 40 rows in which only the last one has a nonzero target, at a rate that changes the network."""
    X, _ = data()
    nets = [
        quick(MLPRegressor, solver=solver, shuffle=False, batch_size=batch_size, max_iter=1, learning_rate_init=0.1)
        for _ in range(2)
    ]
    y = np.zeros(N)
    y[-1] = 100
    before = nets[0].fit(X, np.zeros(N)).predict(X)
    assert not np.allclose(nets[1].fit(X, y).predict(X), before)
    assert nets[1].t_ == N


# Nothing that is given is changed ------------------------------------------------------------------------------------


@BOTH
@SOLVERS
@pytest.mark.parametrize("hold", [np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_array, _unsorted])
def test_fit_and_predict_change_nothing_that_they_are_given(cls, solver, hold):
    X, y = data()
    given = {"X": hold(X), "y": y.astype(float) if cls is MLPRegressor else y, "w": np.arange(N) % 3 + 0.5}

    def content():
        return [part.tobytes() for thing in given.values() for part in _parts(thing)]

    before = content()
    net = quick(cls, solver=solver, early_stopping=True, n_iter_no_change=1)
    net.fit(given["X"], given["y"], given["w"])
    net.fit(given["X"], given["y"], given["w"], X_val=given["X"], y_val=given["y"], sample_weight_val=given["w"])
    raw(net, given["X"])
    net.objective(given["X"], given["y"], given["w"])
    net.kkt_residual(given["X"], given["y"], given["w"])
    assert content() == before


def _parts(thing):
    return (thing.data, thing.indices, thing.indptr) if sparse.issparse(thing) else (thing,)


@BOTH
def test_predictions_belong_to_the_caller(cls):
    X, y = data()
    net = quick(cls).fit(X, y)
    first = raw(net, X)
    kept = first.copy()
    first[:] = -1
    np.testing.assert_array_equal(raw(net, X), kept)


@BOTH
def test_the_network_holds_no_view_of_the_data(cls):
    X, y = data()
    net = quick(cls).fit(X, y)
    held = [value for value in vars(net).values() if isinstance(value, np.ndarray)]
    assert not any(np.shares_memory(array, thing) for array in (*held, *net.coefs_) for thing in (X, y))


# Weights -------------------------------------------------------------------------------------------------------------


@BOTH
@SOLVERS
@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1, 8, 1e300, 1e308])
def test_only_ratios_of_weights_matter(cls, solver, scale):
    X, y = data()
    weight = np.arange(N) % 3 + 0.5
    with np.errstate(over="ignore"):
        scaled = np.minimum(weight * scale, 1.7e308) if scale == 1e308 else weight * scale
    if scale == 1e308:
        weight = scaled / 1e308
    expected = quick(cls, solver=solver).fit(X, y, weight)
    found = quick(cls, solver=solver).fit(X, y, scaled)
    np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-6, atol=1e-9)
    assert found.loss_ == pytest.approx(expected.loss_, rel=1e-6)


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_equal_weights_are_no_weights(cls, solver):
    X, y = data()
    expected = quick(cls, solver=solver).fit(X, y)
    for weight in (np.ones(N), np.full(N, 3), 2.0):
        found = quick(cls, solver=solver).fit(X, y, weight)
        np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.2, 1: 3.0}, {0: 1}])
def test_class_weights_are_the_sample_weights_that_they_mean(class_weight, solver):
    X, _ = data()
    y = (np.arange(N) % 5 == 0).astype(int)
    given = np.arange(N) % 3 + 0.5
    by_class = quick(MLPClassifier, solver=solver, class_weight=class_weight).fit(X, y, given)
    if class_weight == "balanced":  # as in LogisticRegression it counts the weights, not the rows
        meant = compute_class_weight("balanced", classes=np.unique(y), y=y, sample_weight=given)[y]
    else:
        meant = compute_sample_weight(class_weight, y)
    by_row = quick(MLPClassifier, solver=solver).fit(X, y, given * meant)
    assert_same_network(by_class, by_row)


@pytest.mark.parametrize("labels", [np.array(["a", "b", "c"]), np.array([10, 20, 30])])
def test_class_weights_go_by_label(labels):
    X, _ = data()
    y = labels[np.arange(N) % 3]
    class_weight = {labels[0]: 5.0, labels[2]: 0.1}
    by_class = quick(MLPClassifier, class_weight=class_weight, early_stopping=True).fit(X, y, X_val=X, y_val=y)
    weight = compute_sample_weight(class_weight, y)
    by_row = quick(MLPClassifier, early_stopping=True).fit(X, y, weight, X_val=X, y_val=y, sample_weight_val=weight)
    assert_same_network(by_class, by_row)
    assert by_class.validation_scores_ == by_row.validation_scores_


def test_class_weights_of_multilabel_targets():
    X, y = data()
    Y = np.column_stack([y, X[:, 1] > 0])
    class_weight = [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 1.0}]
    by_class = quick(MLPClassifier, class_weight=class_weight).fit(X, Y)
    by_row = quick(MLPClassifier).fit(X, Y, compute_sample_weight(class_weight, Y))
    assert_same_network(by_class, by_row)


@BOTH_CLASSIFIERS
@pytest.mark.parametrize("words", [False, True])
def test_class_weights_hold_for_data_that_lack_the_class(cls, words):
    """Batches, validation data and what the objective is asked for need not have every class."""
    X, _ = data()
    labels = np.array(["a", "b", "c"]) if words else np.arange(3)
    y, class_weight = labels[np.arange(N) % 3], {labels[2]: 5.0}
    lacking, meant = y != labels[2], np.where(y == labels[2], 5.0, 1.0)
    X_val, y_val = X[lacking], y[lacking]
    weighted = dict(sample_weight=meant, sample_weight_val=meant[lacking], X_val=X_val, y_val=y_val)
    by_class = quick(cls, class_weight=class_weight).fit(X, y, X_val=X_val, y_val=y_val)
    assert_same_network(by_class, quick(cls).fit(X, y, **weighted))
    np.testing.assert_allclose(
        by_class.objective(X_val, y_val).value, by_class.set_params(class_weight=None).objective(X_val, y_val).value
    )


def test_class_weights_hold_for_batches_that_lack_the_class():
    X, _ = data()
    y = np.arange(N) % 3
    by_class, by_row = quick(MLPClassifier, class_weight={2: 5.0}), quick(MLPClassifier)
    for rows in (slice(None), y < 2, y > 0):
        by_class.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        by_row.partial_fit(X[rows], y[rows], np.where(y == 2, 5.0, 1.0)[rows], classes=[0, 1, 2])
    assert_same_network(by_class, by_row)


@BOTH_CLASSIFIERS
def test_a_warm_start_takes_validation_data_that_lack_a_class(cls):
    X, _ = data()
    y = np.arange(N) % 3
    known = {} if cls is LassoNetClassifier else {"warm_start": True}
    net = quick(cls, **known).fit(X, y, X_val=X[y < 2], y_val=y[y < 2])
    assert np.isfinite(net.objective(X[y < 2], y[y < 2]).value)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_balanced_class_weights_take_a_weight_of_two_for_the_row_twice(solver):
    """One of zero for no row, even where that leaves a class without any; also of multilabel targets."""
    X, _ = data()
    y = np.arange(N) % 3
    for target, given in (y, np.where(y < 2, 1, 0)), (np.column_stack([y > 0, X[:, 1] > 0]), np.arange(N) % 3):
        common = {"solver": solver, "class_weight": "balanced", "batch_size": "auto", "hidden_layer_sizes": ()}
        weighted = quick(MLPClassifier, **common).fit(X, target, given * 1e307)
        balance = balanced_by_hand(target, given)
        by_row = quick(MLPClassifier, **common | {"class_weight": None}).fit(X, target, given * balance)
        np.testing.assert_allclose(weighted.coefs_[0], by_row.coefs_[0], rtol=1e-9, atol=1e-12)
        if target.ndim == 2:
            twice = quick(MLPClassifier, **common).fit(np.repeat(X, given, axis=0), np.repeat(target, given, axis=0))
            np.testing.assert_allclose(weighted.coefs_[0], twice.coefs_[0], rtol=1e-5, atol=1e-7)


def test_balanced_class_weights_are_the_same_bits_for_any_order_of_the_rows():
    X, y = data()
    order, given = np.random.default_rng(1).permutation(N), np.random.default_rng(0).random(N)
    net = quick(MLPClassifier, hidden_layer_sizes=(), solver="lbfgs", class_weight="balanced", max_iter=100)
    assert_same_network(net.fit(X, y, given), clone(net).fit(X[order], y[order], given[order]))


def balanced_by_hand(target, given):
    """scikit-learn's, on rows as often as their weights say."""
    rows = np.repeat(np.arange(N), given)
    weight = np.zeros(N)
    weight[rows] = compute_sample_weight("balanced", target[rows])
    return weight


def test_class_weights_in_partial_fit():
    X, y = data()
    by_class = quick(MLPClassifier, class_weight={0: 0.2, 1: 3.0}).partial_fit(X, y, classes=[0, 1])
    by_row = quick(MLPClassifier).partial_fit(X, y, np.where(y, 3.0, 0.2), classes=[0, 1])
    assert_same_network(by_class, by_row)


# Refused -------------------------------------------------------------------------------------------------------------

X0, Y0 = data()


def with_entry(array, value):
    array = np.array(array, dtype=float)
    array.flat[-1] = value
    return array


# data that are wrong -> words of the message
BAD_DATA = {
    "nan in X": ({"X": with_entry(X0, np.nan)}, "Input X contains NaN"),
    "inf in X": ({"X": with_entry(X0, -np.inf)}, "Input X contains infinity"),
    "nan in sparse X": ({"X": sparse.csr_array(with_entry(X0, np.nan))}, "Input X contains NaN"),
    "float64 too large for nothing": ({"X": X0 + 1j}, "Complex data not supported"),
    "words in X": ({"X": [["a", "b"]] * N}, "could not convert string to float"),
    "one-dimensional X": ({"X": X0[:, 0]}, "Expected 2D array, got 1D array"),
    "three-dimensional X": ({"X": np.ones((N, 2, 2))}, "dim 3"),
    "no rows": ({"X": X0[:0], "y": Y0[:0]}, "0 sample"),
    "no features": ({"X": X0[:, :0]}, r"0 feature\(s\)"),
    "nan in y": ({"y": with_entry(Y0, np.nan)}, "Input y contains NaN"),
    "inf in y": ({"y": with_entry(Y0, np.inf)}, "Input y contains infinity"),
    "short y": ({"y": Y0[:-1]}, "inconsistent numbers of samples"),
    "no y": ({"y": None}, "requires y to be passed, but the target y is None"),
    "three-dimensional y": ({"y": np.ones((N, 2, 2))}, "dim 3|Unknown label type|dimension"),
    "negative weight": ({"sample_weight": with_entry(np.ones(N), -1)}, "Negative values in .*`sample_weight`"),
    "zero weights": ({"sample_weight": np.zeros(N)}, "weights must contain at least one non-zero|zero everywhere"),
    "nan in weights": ({"sample_weight": with_entry(np.ones(N), np.nan)}, "Input sample_weight contains NaN"),
    "inf in weights": ({"sample_weight": with_entry(np.ones(N), np.inf)}, "Input sample_weight contains infinity"),
    "short weights": ({"sample_weight": np.ones(N - 1)}, r"sample_weight.shape == \(39,\), expected \(40,\)"),
    "weights of two dimensions": ({"sample_weight": np.ones((N, 1))}, "[Ss]ample.weights must be 1D"),
}


@BOTH
@pytest.mark.parametrize(("given", "words"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_are_refused(cls, given, words):
    with pytest.raises(ValueError, match=words):
        quick(cls).fit(**{"X": X0, "y": Y0, **given})


@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_refuses_bad_data_as_well(cls, solver, method):
    classes = {"classes": [0, 1]} if cls is MLPClassifier and method == "partial_fit" else {}
    for given in ({"X": with_entry(X0, np.nan)}, {"sample_weight": with_entry(np.ones(N), -1)}):
        with pytest.raises(ValueError, match="NaN|Negative"):
            getattr(quick(cls, solver=solver), method)(**{"X": X0, "y": Y0, **given}, **classes)


def test_targets_that_are_no_classes_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        quick(MLPClassifier).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="[Mm]ultioutput target data"):
        quick(MLPClassifier).fit(X, np.column_stack([y, y + 1]))


NO_NUMBERS = {"words": ["a"] * N, "dates": np.full(N, "2020-02-02", "datetime64[D]"), "complex": Y0 + 1j}


@pytest.mark.parametrize("y", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_words_are_no_numbers_to_regress_on(y):
    with pytest.raises(ValueError, match="could not convert string|must be numeric|Complex data"):
        quick(MLPRegressor).fit(X0, y)


@pytest.mark.parametrize("hold", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_sparse_targets_of_a_regression_are_as_dense_ones(hold, n_outputs):
    Y = np.column_stack([Y0, X0[:, 0]])[:, :n_outputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)
        assert_same_network(quick(MLPRegressor).fit(X0, hold(Y)), quick(MLPRegressor).fit(X0, Y))


def test_poisson_regression_refuses_negative_targets():
    with pytest.raises(ValueError, match=r"loss='poisson' needs y >= 0, got a smallest value of -1"):
        quick(MLPRegressor, loss="poisson").fit(X0, -Y0)
    with pytest.raises(ValueError, match=r"loss='poisson' needs y >= 0"):
        quick(MLPRegressor, loss="poisson").fit(X0, Y0, X_val=X0, y_val=-Y0)


@BOTH
def test_prediction_refuses_what_training_refuses(cls):
    net = quick(cls).fit(X0, Y0)
    with pytest.raises(ValueError, match=f"X has 3 features, but {cls.__name__} is expecting 4 features"):
        net.predict(X0[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        net.predict(with_entry(X0, np.nan))
    with pytest.raises(ValueError, match="Expected 2D array"):
        net.predict(X0[0])
    with pytest.raises(ValueError, match="NaN|Negative"):
        net.objective(X0, Y0, with_entry(np.ones(N), -1))


METHODS = ["predict", "predict_proba", "predict_log_proba", "score", "objective", "kkt_residual"]


@pytest.mark.parametrize(("cls", "method"), [(c, m) for c in CLASSES for m in METHODS if hasattr(c, m)])
def test_an_estimator_that_is_not_fitted_says_so(cls, method):
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        getattr(cls(), method)(*([X0] if method.startswith("predict") else [X0, Y0]))


@BOTH
def test_other_names_of_features_are_refused(cls):
    frame = pd.DataFrame(X0, columns=list("abcd"))
    net = quick(cls).fit(frame, Y0)
    assert list(net.feature_names_in_) == list("abcd")
    for method in (net.predict, lambda X: net.partial_fit(X, Y0), lambda X: net.objective(X, Y0)):
        with pytest.raises(ValueError, match="feature names should match|Feature names"):
            method(frame.rename(columns={"a": "z"}))
        with pytest.raises(ValueError, match="feature names should match|Feature names"):
            method(frame[list("bacd")])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        net.predict(X0)


# Classes that training did not see -----------------------------------------------------------------------------------


def test_warm_start_refuses_other_classes():
    net = quick(MLPClassifier, warm_start=True).fit(X0, Y0)
    for other in (Y0 + 1, np.zeros(N), np.arange(N) % 3):
        with pytest.raises(ValueError, match="same classes as in the previous call"):
            net.fit(X0, other)


def test_fit_without_warm_start_takes_other_classes():
    net = quick(MLPClassifier).fit(X0, Y0).fit(X0[:, :2], np.array(["a", "b", "c"])[np.arange(N) % 3])
    assert list(net.classes_) == ["a", "b", "c"]
    assert net.n_features_in_ == 2
    assert net.predict_proba(X0[:, :2]).shape == (N, 3)


def test_partial_fit_refuses_unknown_classes():
    net = quick(MLPClassifier).partial_fit(X0, Y0, classes=[0, 1])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`.*\[0 1\].*\[1 2\]"):
        net.partial_fit(X0, Y0 + 1)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        net.partial_fit(X0, Y0, classes=[0, 1, 2])


def test_partial_fit_takes_a_part_of_the_classes():
    net = quick(MLPClassifier, batch_size="auto").partial_fit(X0[:3], [1, 1, 1], classes=[2, 0, 1])
    assert list(net.classes_) == [0, 1, 2]
    net.partial_fit(X0, Y0)
    assert net.predict_proba(X0).shape == (N, 3)


@pytest.mark.parametrize("low, high, wrong", [(-1, 1, -1), (1, 2, 2), (0, 5, 5)])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_labels_that_are_not_0_and_1_are_refused(low, high, wrong, solver):
    """They are multilabel targets to scikit-learn, and the losses would take them for probabilities."""
    Y = np.where(np.column_stack([Y0, 1 - Y0]) == 1, high, low)
    with pytest.raises(ValueError, match=f"each of which must be 0 or 1, but there is {wrong}:"):
        MLPClassifier((4,), solver=solver).fit(X0, Y)


def test_classes_of_the_first_partial_fit_are_those_of_the_labels():
    Y = np.column_stack([Y0, 1 - Y0])
    for y in (Y, Y.tolist(), sparse.csr_array(Y)):
        with pytest.raises(ValueError, match="y has 2 labels, but classes has 3"):
            MLPClassifier((4,)).partial_fit(X0, y, classes=[0, 1, 2])


def test_partial_fit_of_multilabel_targets():
    Y = np.column_stack([Y0, 1 - Y0, Y0])
    net = quick(MLPClassifier).partial_fit(X0, Y, classes=[0, 1, 2]).partial_fit(X0, sparse.csr_array(Y))
    assert net.predict(X0).shape == (N, 3)
    fitted = quick(MLPClassifier, max_iter=1).fit(X0, Y)
    assert_same_network(fitted.partial_fit(X0, Y), net)


def test_targets_of_another_kind_are_refused():
    net = quick(MLPClassifier).fit(X0, Y0)
    with pytest.raises(ValueError, match="multilabel"):
        net.partial_fit(X0, np.column_stack([Y0, 1 - Y0]))


# class weights that are no weights -> words of the message
BAD_CLASS_WEIGHTS = {
    "negative": {0: -1, 1: 2},
    "negative with mean 0": {0: -1, 1: 1},
    "nan": {0: np.nan, 1: 1},
    "infinite": {0: np.inf, 1: 1},
    "word": {0: "a", 1: 1},
    "None": {0: None, 1: 1},
    "zero for every class": {0: 0, 1: 0},
}


@pytest.mark.parametrize("class_weight", BAD_CLASS_WEIGHTS.values(), ids=BAD_CLASS_WEIGHTS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_bad_class_weights_are_refused(class_weight, solver):
    y = np.arange(N) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(ValueError, match="class_weight"):
            quick(MLPClassifier, class_weight=class_weight, solver=solver).fit(X0, y)


def test_class_weights_of_unknown_classes_are_refused():
    with pytest.raises(ValueError, match="class_weight"):
        quick(MLPClassifier, class_weight={"a": 1.0}).fit(X0, Y0)


@pytest.mark.parametrize("class_weight, words", [
    ([{0: 1.0}, {1: 2.0}], "multilabel"), ({0: 1.0}, "one for each label"), ([{0: 1.0}], "1 entries, but y has 2"),
])  # fmt: skip
def test_class_weights_for_another_kind_of_target_are_refused(class_weight, words):
    y = Y0 if words == "multilabel" else np.column_stack([Y0, 1 - Y0])
    with pytest.raises(ValueError, match=f"class_weight.* {words}"):
        quick(MLPClassifier, class_weight=class_weight).fit(X0, y)


def test_class_weights_that_leave_no_row_are_refused():
    with pytest.raises(ValueError, match="at least one (weight|sample)|zero"):
        quick(MLPClassifier, class_weight={0: 0.0, 1: 1.0}).fit(X0, Y0, 1 - Y0)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("method", ["fit", "objective"])
@pytest.mark.parametrize("loss, y, words", [
    ("squared_error", np.full(N, 1e50), "y is beyond the range of float32"),
    ("gamma", np.full(N, 1e-50), "gamma.*y > 0"),
    ("squared_error", np.array([None] + [1.0] * (N - 1), dtype=object), "y contains NaN"),
    ("squared_error", np.array([np.inf] + [1.0] * (N - 1), dtype=object), "y contains infinity"),
])  # fmt: skip
def test_targets_that_are_no_numbers_in_the_dtype_of_inputs_are_refused(solver, method, loss, y, words):
    X = X0.astype(np.float32)
    net = quick(MLPRegressor, loss=loss, solver=solver).fit(X, Y0 + 1.0)
    with pytest.raises(ValueError, match=words):
        getattr(net, method)(X, y)


# Validation data -----------------------------------------------------------------------------------------------------

# validation data that are wrong -> (what the message must name, other words of it)
BAD_VALIDATION = {
    "nan in X_val": ({"X_val": with_entry(X0, np.nan)}, "X_val", "NaN"),
    "other features": ({"X_val": X0[:, :2]}, "X_val", "2 features.*expecting 4"),
    "short y_val": ({"y_val": Y0[:-1]}, "X_val|y_val", "inconsistent numbers of samples"),
    "nan in y_val": ({"y_val": with_entry(Y0, np.nan)}, "y_val", "NaN"),
    "several outputs": ({"y_val": np.column_stack([Y0, 1 - Y0])}, "y_val", "2 outputs|multilabel"),
    "no rows": ({"X_val": X0[:0], "y_val": Y0[:0]}, "X_val", "0 sample"),
    "negative weight": ({"sample_weight_val": with_entry(np.ones(N), -1)}, "sample_weight_val", "Negative"),
    "zero weights": ({"sample_weight_val": np.zeros(N)}, "sample_weight_val", "non-zero|zero everywhere"),
    "nan weight": ({"sample_weight_val": with_entry(np.ones(N), np.nan)}, "sample_weight_val", "NaN"),
    "short weights": ({"sample_weight_val": np.ones(3)}, "sample_weight_val", r"\(3,\), expected \(40,\)"),
}


@BOTH
@pytest.mark.parametrize(("given", "name", "words"), BAD_VALIDATION.values(), ids=BAD_VALIDATION)
def test_errors_in_validation_data_name_the_validation_data(cls, given, name, words):
    with pytest.raises(ValueError, match=words) as error:
        quick(cls).fit(X0, Y0, **{"X_val": X0, "y_val": Y0, **given})
    assert any(word in str(error.value) for word in name.split("|")), str(error.value)


def test_unknown_classes_in_validation_data_are_refused():
    for y_val in (Y0 + 1, np.array(["a", "b"])[Y0]):
        with pytest.raises(ValueError, match="y_val.*classes|classes.*y_val"):
            quick(MLPClassifier).fit(X0, Y0, X_val=X0, y_val=y_val)


def test_other_names_in_validation_data_are_refused():
    frame = pd.DataFrame(X0, columns=list("abcd"))
    with pytest.raises(ValueError, match="feature names should match|Feature names"):
        quick(MLPRegressor).fit(frame, Y0, X_val=frame.rename(columns={"a": "z"}), y_val=Y0)


def test_validation_data_need_not_have_every_class():
    net = quick(MLPClassifier, early_stopping=True).fit(X0, Y0, X_val=X0[Y0 == 1][:3], y_val=[1, 1, 1])
    assert len(net.validation_scores_) == net.n_iter_


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("hold_train", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("hold", [np.asarray, np.float32, np.asfortranarray, sparse.csr_array, sparse.csc_array])
def test_validation_data_may_be_of_another_form_than_the_training_data(cls, hold, hold_train, solver):
    parameters = {"early_stopping": True, "solver": solver, "n_iter_no_change": 2}
    expected = quick(cls, **parameters).fit(hold_train(X0), Y0, X_val=X0, y_val=Y0)
    found = quick(cls, **parameters).fit(hold_train(X0), Y0, X_val=hold(X0), y_val=Y0)
    np.testing.assert_allclose(found.validation_loss_curve_, expected.validation_loss_curve_, rtol=1e-5)


# A fit that fails ----------------------------------------------------------------------------------------------------

FAILURES = {
    "nan in X": {"X": with_entry(X0, np.nan)},
    "nan in y": {"y": with_entry(Y0, np.nan)},
    "negative weights": {"sample_weight": -np.ones(N)},
    "features of X_val": {"X_val": X0[:, :2], "y_val": Y0},
    "nan in X_val": {"X_val": with_entry(X0, np.nan), "y_val": Y0},
    "weights of X_val": {"X_val": X0, "y_val": Y0, "sample_weight_val": -np.ones(N)},
}


@BOTH
@SOLVERS
@pytest.mark.parametrize("given", FAILURES.values(), ids=FAILURES)
def test_an_estimator_that_failed_to_fit_does_not_count_as_fitted(cls, solver, given):
    net = quick(cls, solver=solver)
    with pytest.raises(ValueError):
        net.fit(**{"X": X0, "y": Y0, **given})
    with pytest.raises(NotFittedError):
        net.predict(X0)


@BOTH
@SOLVERS
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("given", FAILURES.values(), ids=FAILURES)
def test_a_failed_fit_leaves_the_estimator_as_it_was(cls, solver, given, warm_start):
    net = quick(cls, solver=solver, warm_start=warm_start).fit(X0, Y0)
    predicted, state = raw(net, X0), dict(vars(net))
    with pytest.raises(ValueError):
        net.fit(**{"X": X0, "y": Y0, **given})
    np.testing.assert_array_equal(raw(net, X0), predicted)
    assert vars(net).keys() == state.keys()
    assert (net.n_iter_, net.loss_curve_, net.t_) == (state["n_iter_"], state["loss_curve_"], state["t_"])


def test_a_failed_fit_leaves_the_classes_as_they_were():
    net = quick(MLPClassifier).fit(X0, np.array(["a", "b"])[Y0])
    with pytest.raises(ValueError, match="Negative"):
        net.fit(X0, np.array(["c", "d"])[Y0], -np.ones(N))
    assert set(net.predict(X0)) <= {"a", "b"}


@BOTH
def test_a_split_that_is_not_possible_leaves_the_estimator_unfitted(cls):
    net = quick(cls, early_stopping=True, batch_size="auto")
    with pytest.raises(ValueError, match="validation|test_size|train set|classes"):
        net.fit(X0[:3], Y0[:3])
    with pytest.raises(NotFittedError):
        net.predict(X0)
