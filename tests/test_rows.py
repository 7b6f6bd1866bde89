"""The order of rows and their copies: the same numbers however many there are, and wherever they lie."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from skreg import MLPClassifier, MLPRegressor
from skreg.kernels import _compile, network, packing, random

from . import reference
from .guarded_memory import empty_at_end, empty_at_start

_shuffle, _shuffle_many, _combine, _gather, _copy_row = (
    random.shuffle, random._shuffle_many, random.combine, network.gather, packing.copy_row
)  # fmt: skip


@njit(**_compile.OPTIONS)
def shuffle(order, seed, epoch):
    _shuffle(order, seed, epoch)


@njit(**_compile.OPTIONS)
def shuffle_many(order, seed, epoch):
    _shuffle_many(order, _combine(_combine(np.uint64(seed), random.SHUFFLE_STREAM), epoch))


@njit(**_compile.OPTIONS)
def gather(x, x_row, x_col, rows, upcoming, begin, end, work, start, stride, n_features):
    _gather(x, x_row, x_col, rows, upcoming, begin, end, work, start, stride, n_features)


@njit(**_compile.OPTIONS)
def copy_row(source, source_start, target, target_start, count):
    _copy_row(source, source_start, target, target_start, count)


@pytest.mark.parametrize("shuffled", [shuffle, shuffle_many])
@pytest.mark.parametrize("n", [1, 2, 3, 24, 25, 26, 1000])
def test_order_is_that_of_fisher_and_yates(shuffled, n):
    order = np.empty(n, np.int64)
    for seed, epoch in ((0, 0), (7, 3), (2**63 + 5, 1)):
        shuffled(order, np.uint64(seed), epoch)
        np.testing.assert_array_equal(order, reference.permutation(n, seed, epoch))


@pytest.mark.parametrize("n", [random._MANY - 1, random._MANY, random._MANY + 1])
def test_order_of_many_rows_is_that_of_few(n):
    order = np.empty(n, np.int64)
    shuffle(order, np.uint64(5), 2)
    np.testing.assert_array_equal(order, reference.permutation(n, 5, 2))


@pytest.mark.parametrize("shuffled", [shuffle, shuffle_many])
def test_every_order_is_as_likely(shuffled):
    """All 120 orders of 5 rows, and all places of 40 rows, over many epochs."""
    order, n_epochs = np.empty(5, np.int64), 24_000
    counts = {}
    for epoch in range(n_epochs):
        shuffled(order, np.uint64(11), epoch)
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    assert len(counts) == 120
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    order, table = np.empty(40, np.int64), np.zeros((40, 40))
    for epoch in range(n_epochs):
        shuffled(order, np.uint64(12), epoch)
        table[np.arange(40), order] += 1
    assert stats.chisquare(table.ravel(), ddof=2 * 40 - 2).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 64])
def test_copied_row_reads_and_writes_nothing_outside(dtype, count):
    """Room for whole vectors is there behind the target; the source has no memory before and behind it."""
    room = -(-count // 16) * 16
    for empty in (empty_at_end, empty_at_start):
        source, target = empty(count, dtype), np.full(room + 16, np.nan, dtype)
        source[:] = np.arange(1, count + 1)
        copy_row(source, 0, target, 8, count)
        np.testing.assert_array_equal(target[8 : 8 + count], source)
        assert np.isnan(target[:8]).all() and np.isnan(target[8 + room :]).all()


@pytest.mark.parametrize("is_far", [False, True])
@pytest.mark.parametrize("steps", ["rows", "columns", "apart"])
def test_gathered_rows(steps, is_far):
    """From X at the end of memory, near or so large that memory is asked for rows to come, of the next batch too."""
    rng = np.random.default_rng(0)
    n_features = 13
    n_rows = 40_000 if is_far else 100
    assert (n_rows * n_features * 4 > network._FAR) == is_far
    if steps == "apart":
        x_row, x_col = 2 * n_features, 2
        flat = empty_at_end((n_rows - 1) * x_row + 2 * n_features - 1, np.float32)
    else:
        x_row, x_col = (n_features, 1) if steps == "rows" else (1, n_rows)
        flat = empty_at_end(n_rows * n_features, np.float32)
    flat[:] = rng.normal(size=len(flat))
    X = np.lib.stride_tricks.as_strided(flat, (n_rows, n_features), (4 * x_row, 4 * x_col))
    order = np.append(rng.permutation(n_rows)[:98], [n_rows - 1, 0])
    for n_next in (0, 5, 90):
        work = np.full((12, 16), np.nan, np.float32)
        rows, upcoming = order[:10], order[10 : 10 + n_next]
        gather(flat, x_row, x_col, rows, upcoming, 2, 9, work.reshape(-1), 16, 16, n_features)
        np.testing.assert_array_equal(work[3:10, :n_features], X[rows[2:9]])
        assert np.isnan(work[:3]).all() and np.isnan(work[10:]).all()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("shuffled", [False, True])
def test_fit_of_far_rows_does_not_depend_on_how_they_lie(shuffled):
    """Memory is asked for rows to come only where their numbers are next to each other."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(5000, 60)).astype(np.float32)
    assert X.nbytes > network._FAR
    y, weights = X[:, 0] > X[:, 1] ** 2, rng.uniform(1, 2, len(X))
    for cls in (MLPRegressor, MLPClassifier):
        models = [
            cls((8,), batch_size=300, max_iter=2, random_state=0, shuffle=shuffled).fit(held, y, weights)
            for held in (X, np.asfortranarray(X))
        ]
        for one, other in zip(models[0].coefs_, models[1].coefs_, strict=True):
            np.testing.assert_array_equal(one, other)
