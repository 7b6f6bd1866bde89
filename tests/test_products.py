"""The matrix product of the kernels: every element right, nothing else written, nothing else read."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skreg.kernels.dots import ROWS
from skreg.kernels.matmul import DEPTH, DEPTH_WORTH_PARTS, HEIGHT, NEAR_BYTES, panel_size
from skreg.kernels.narrow import BLOCK
from skreg.kernels.tiles import LOW_TILE_ROWS, TILE_ROWS, VECTORS

from .products import (
    BOTH_APART,
    COLUMNS_APART,
    GUARD,
    ROWS_APART,
    Problem,
    Strides,
    assert_close,
    assert_exact,
    draw,
    lanes,
    multiply,
    outside,
    sum_columns,
    view,
)

DTYPES = [np.float32, np.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES)
properties = settings(derandomize=True, deadline=None, max_examples=250, database=None)


def around(*numbers):
    return sorted({max(number + shift, 0) for number in numbers for shift in (-1, 0, 1)})


WIDTHS = around(0, *(k * lanes(dtype) for dtype in DTYPES for k in (1, VECTORS, VECTORS + 1, 2 * VECTORS)))
LINES = {
    "m": around(0, LOW_TILE_ROWS, ROWS, 2 * TILE_ROWS),
    "depth": around(0, *(lanes(t) for t in DTYPES)),
    "n": WIDTHS,
}
MANY = {"m": around(HEIGHT), "depth": [95, 96, DEPTH, DEPTH + 1, 2 * DEPTH + 1], "n": around(200)}
PARTS = around(DEPTH_WORTH_PARTS, 2 * BLOCK, 4 * BLOCK, DEPTH)
ORDERS = ["rows", "columns", "both"]
FLAGS = ["add", "intercepts", "rectified", "gate"]
EPILOGUES = [dict(zip(FLAGS, flags, strict=True)) for flags in itertools.product([False, True], repeat=len(FLAGS))]
epilogues = pytest.mark.parametrize("epilogue", EPILOGUES, ids=lambda e: " ".join(k for k in e if e[k]) or "plain")


def sizes(name):
    many = st.sampled_from(MANY[name])
    return st.one_of(st.sampled_from(LINES[name]), many, many, st.integers(1, 70))


def strides():
    padding = st.one_of(st.just(0), st.integers(1, 20), st.just("alias"))
    return st.tuples(st.sampled_from(ORDERS), padding, st.integers(0, 9))


def make_strides(drawn, n_rows, n_columns, dtype):
    """Strides; for "alias" what is contiguous is a multiple of 1 KiB apart."""
    order, padding, offset = drawn
    if padding == "alias":
        length = n_rows if order == "columns" else n_columns
        padding = 0 if order == "both" else -length % (1024 // np.dtype(dtype).itemsize)
    return Strides(order, padding, offset)


@dtypes
@given(
    m=sizes("m"), depth=sizes("depth"), n=sizes("n"), a=strides(), b=strides(), c_padding=st.integers(0, 20),
    c_offset=st.integers(0, 9), epilogue=st.sampled_from(EPILOGUES), whole=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@properties
def test_any_shape_strides_and_epilogue(dtype, m, depth, n, a, b, c_padding, c_offset, epilogue, whole, seed):
    """Whole numbers to the last bit, others within the bound of their roundings."""
    problem = draw(
        np.random.default_rng(seed), m, depth, n, dtype, **epilogue, whole=whole, a=make_strides(a, m, depth, dtype),
        b=make_strides(b, depth, n, dtype), c_padding=c_padding, c_offset=c_offset,
    )  # fmt: skip
    (assert_exact if whole else assert_close)(problem)


@dtypes
@given(
    m=sizes("m"), depth=sizes("depth"), a=strides(), b=strides(), c_padding=st.integers(0, 3),
    epilogue=st.sampled_from(EPILOGUES), whole=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@properties
def test_one_column(dtype, m, depth, a, b, c_padding, epilogue, whole, seed):
    """Dot products, the transposed product with one row, and plain loops."""
    problem = draw(
        np.random.default_rng(seed), m, depth, 1, dtype, **epilogue, whole=whole, a=make_strides(a, m, depth, dtype),
        b=make_strides(b, depth, 1, dtype), c_padding=c_padding,
    )  # fmt: skip
    (assert_exact if whole else assert_close)(problem)


@dtypes
@given(
    m=sizes("m"), depth=st.one_of(sizes("depth"), st.sampled_from(PARTS)),
    n=st.integers(2, lanes(np.float32)), a=strides(), b_padding=st.integers(0, 9), c_padding=st.integers(0, 3),
    epilogue=st.one_of(st.sampled_from(EPILOGUES), st.builds(dict, add=st.booleans())), whole=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
@properties
def test_few_columns(dtype, m, depth, n, a, b_padding, c_padding, epilogue, whole, seed):
    """Vectors with parts of the depth or of the rows, in one block of k and in several."""
    problem = draw(
        np.random.default_rng(seed), m, depth, n, dtype, **epilogue, whole=whole, a=make_strides(a, m, depth, dtype),
        b=Strides("rows", b_padding), c_padding=c_padding,
    )  # fmt: skip
    (assert_exact if whole else assert_close)(problem)


@dtypes
@epilogues
@pytest.mark.parametrize("shape", [(TILE_ROWS, 0, 5), (0, 3, 5), (3, 3, 0), (1, 1, 1), (2 * ROWS + 3, 2 * DEPTH + 9, 1),
                                   (HEIGHT, DEPTH, 203), (HEIGHT + TILE_ROWS + 1, 2 * DEPTH + 1, 203)],
                         ids=str)  # fmt: skip
def test_every_epilogue(dtype, shape, epilogue):
    """Only once, behind the last part of the depth."""
    rng = np.random.default_rng(1)
    for a, b in itertools.product((ROWS_APART, COLUMNS_APART, BOTH_APART), repeat=2):
        if shape[2] > 200 and (BOTH_APART in (a, b)):
            continue  # slow, and no other code than with fewer columns
        assert_exact(draw(rng, *shape, dtype, **epilogue, a=a, b=b, c_padding=3))


@dtypes
def test_rows_far_apart(dtype):
    """B's rows on more pages than the translation buffer holds, and more rows of A than are read in one go."""
    rng = np.random.default_rng(2)
    for m, padding in itertools.product((2 * TILE_ROWS, 2 * TILE_ROWS + 1, 40), (1, 1501)):
        assert_exact(draw(rng, m, 130, 4 * lanes(dtype), dtype, b=Strides("rows", padding)))


@dtypes
def test_more_of_c_than_is_near(dtype):
    """The tiles of a panel in two calls: the first ask for the next panel's B, the others for its C."""
    rng = np.random.default_rng(3)
    n = NEAR_BYTES // (HEIGHT * np.dtype(dtype).itemsize) + lanes(dtype) + 3
    for a, b in itertools.product((ROWS_APART, COLUMNS_APART), (ROWS_APART, COLUMNS_APART, BOTH_APART)):
        assert_exact(draw(rng, HEIGHT + TILE_ROWS + 1, HEIGHT // 2, n, dtype, add=True, intercepts=True, rectified=True,
                          gate=True, a=a, b=b, c_padding=3))  # fmt: skip


# The order of a sum --------------------------------------------------------------------------------------------------


def rows_of(problem, rows, **changes):
    """The problem of some rows."""
    parts = {name: None if value is None else value[rows] for name, value in vars(problem).items()
             if name in ("A", "before", "gate")}  # fmt: skip
    return Problem(**{**vars(problem), **parts, **changes})


@dtypes
@pytest.mark.parametrize("depth", [5, 101, 4 * DEPTH + 7])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 37, 210])
@pytest.mark.parametrize("order", ORDERS)
def test_the_same_bits_however_rows_are_split(dtype, depth, n, order):
    """With anything in the panel; as teams split rows of a batch, and of weights."""
    rng = np.random.default_rng(depth + n)
    m = HEIGHT + 5 * TILE_ROWS + 3
    has_epilogue = order != "columns" or n % 2 == 1
    flags = dict.fromkeys(FLAGS, has_epilogue)
    problem = draw(rng, m, depth, n, dtype, **flags, whole=False, a=Strides(order, 2))
    whole = problem.solve()
    np.testing.assert_array_equal(whole, rows_of(problem, slice(None), scratch=1e30).solve())
    for granule in (ROWS, TILE_ROWS, ROWS, TILE_ROWS):
        cuts = granule * np.sort(rng.choice(m // granule, 4, replace=False) + 1)
        parts = [rows_of(problem, slice(*ends)).solve() for ends in itertools.pairwise([0, *cuts, m])]
        np.testing.assert_array_equal(whole, np.concatenate(parts))


@dtypes
@pytest.mark.parametrize("shape", [(1, 7, 2), (2 * TILE_ROWS + 3, 300, 37), (40, 100, 205)], ids=str)
def test_the_same_bits_wherever_matrices_lie(dtype, shape):
    """Copies change nothing; but for one column or few, whose sums are in another order."""
    rng = np.random.default_rng(4)
    problem = draw(rng, *shape, dtype, add=True, intercepts=True, whole=False)
    expected = problem.solve()
    for a, b in itertools.product(ORDERS, repeat=2):
        changed = {"a": Strides(a, 3, 1), "b": make_strides((b, "alias", 2), *shape[1:], dtype), "c_padding": 5}
        np.testing.assert_array_equal(Problem(**{**vars(problem), **changed}).solve(), expected)


@dtypes
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_the_same_bits_of_few_columns_and_a_transposed(dtype, n):
    """Parts of the rows are summed as by other tiles, which take what is neither in rows nor in columns."""
    problem = draw(np.random.default_rng(n), 3 * HEIGHT + 37, DEPTH + 9, n, dtype, add=True, whole=False)
    found = [Problem(**{**vars(problem), "a": Strides(order, 3)}).solve() for order in ("columns", "both")]
    np.testing.assert_array_equal(*found)


# What is not finite --------------------------------------------------------------------------------------------------

SHAPES = [(ROWS + 3, 20, 1), (ROWS + 3, DEPTH + 9, 1), (ROWS + 3, 20, 5), (ROWS + 3, DEPTH + 9, 40),
          (ROWS + 3, 35, 2), (ROWS + 3, 35, 3), (ROWS + 3, 4 * DEPTH + 3, 7)]  # fmt: skip


def disturbed(problem, name, place, value):
    """(result without, result with one element replaced)."""
    array = getattr(problem, name).copy()
    array[place] = value
    return problem.solve(), Problem(**{**vars(problem), name: array}).solve()


@dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("a", ORDERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_numbers_reach_what_depends_on_them_and_nothing_else(dtype, shape, a, value):
    """A row for an element of A, a column for one of B or an intercept, one element for one of C."""
    rng = np.random.default_rng(5)
    m, depth, n = shape
    base = draw(rng, *shape, dtype, add=True, intercepts=True, gate=True, whole=False, a=Strides(a, 1))
    base.gate = abs(base.gate) + 1
    for rectified in (False, True):
        problem = Problem(**{**vars(base), "rectified": rectified, "A": abs(base.A) + 1, "B": abs(base.B) + 1})
        for row, k, column in ((0, 0, 0), (m - 1, depth - 1, n - 1), (TILE_ROWS, depth // 2, n // 2)):
            places = [
                ("A", (row, k), np.s_[row, :]), ("B", (k, column), np.s_[:, column]),
                ("intercepts", column, np.s_[:, column]), ("before", (row, column), np.s_[row, column]),
            ]  # fmt: skip
            for name, place, reached in places:
                before, after = disturbed(problem, name, place, value)
                np.testing.assert_array_equal(after[reached], value)
                after[reached] = before[reached]
                np.testing.assert_array_equal(before, after)


@dtypes
@pytest.mark.parametrize("n", [1, 5, 40])
def test_what_is_rectified_or_gated(dtype, n):
    """-inf becomes 0, NaN stays; a gate that is not positive, NaN too, gives 0 whatever the sum is."""
    values = np.array([-np.inf, -1, -0.0, 0, 2, np.inf, np.nan], dtype)
    m = len(values)
    before = np.repeat(values[:, None], n, axis=1)
    for depth in (0, 3):
        empty = Problem(np.zeros((m, depth), dtype), np.zeros((depth, n), dtype), before, rectified=True)
        np.testing.assert_array_equal(empty.solve()[:, 0], [0, 0, 0, 0, 2, np.inf, np.nan])
        for gate in values:
            opened = np.full((m, n), gate)
            gated = Problem(empty.A, empty.B, before, gate=opened, factor=2.0).solve()
            np.testing.assert_array_equal(gated, 2 * before if gate > 0 else np.zeros((m, n)))


@dtypes
@pytest.mark.parametrize("n", [1, 2, 7, 8, 15, 16, 17, 40])
@pytest.mark.parametrize("gated", [False, True])
def test_depth_one(dtype, n, gated):
    """The outer product of a column and a contiguous row, between guards."""
    rng = np.random.default_rng(n)
    m, stride = 5, n + 3
    a, b = (rng.normal(size=size).astype(dtype) for size in (m, n))
    c = np.full((2 * m, stride), np.nan, dtype)
    gates = rng.normal(size=(m, n)).astype(dtype)
    c[m:, :n] = gates
    panel = np.empty(panel_size(dtype), dtype)
    factor, gate = dtype(1.5), m * stride if gated else -1
    multiply(a, 0, 1, 1, b, 0, 1, 1, c.reshape(-1), 0, stride, m, 1, n, panel, False, -1, False, gate, factor)
    expected = np.outer(a, b)
    if gated:
        expected = np.where(gates > 0, factor * expected, 0)
    np.testing.assert_allclose(c[:m, :n], expected, rtol=2 * np.finfo(dtype).eps)
    assert np.isnan(c[:, n:]).all()
    np.testing.assert_array_equal(c[m:, :n], gates)


@dtypes
@given(m=sizes("m"), n=sizes("n"), padding=st.integers(0, 20), add=st.booleans(), seed=st.integers(0, 99))
@properties
def test_column_sums(dtype, m, n, padding, add, seed):
    """Sums of columns, to the last bit for whole numbers, beside numbers that are neither read nor written."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-9, 10, (m, n)).astype(dtype)
    flat, steps = np.full(GUARD + m * (n + padding) + GUARD, np.nan, dtype), (n + padding, 1)
    view(flat, GUARD, A.shape, steps)[...] = A
    to = rng.integers(-9, 10, GUARD + n + GUARD).astype(dtype)
    before = to.copy()
    sum_columns(flat, GUARD, n + padding, m, n, to, GUARD, add, np.ones(1, dtype))
    expected = A.sum(axis=0) + (before[GUARD : GUARD + n] if add else 0)
    np.testing.assert_array_equal(to[GUARD : GUARD + n], expected)
    beside = outside(to, (GUARD, (1, n), (n, 1)))
    np.testing.assert_array_equal(to[beside], before[beside])
