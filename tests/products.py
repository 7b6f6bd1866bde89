"""The product of the kernels, called with matrices that lie anywhere between numbers that it must not touch."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from skreg.kernels import _compile, matmul
from skreg.kernels.simd import VECTOR_BYTES

_product, _column_sums = matmul.product, matmul.column_sums
GUARD = 40  # elements around everything: more than a tile of one row has vectors' lanes beyond its end


@njit(**_compile.OPTIONS)
def multiply(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add, intercept,
             rectified, gate, factor):  # fmt: skip
    _product(a, a_start, a_row, a_col, b, b_start, b_row, b_col, c, c_start, c_row, m, depth, n, panel, add, intercept,
             rectified, gate, factor)  # fmt: skip


@njit(**_compile.OPTIONS)
def sum_columns(a, a_start, a_row, m, n, to, to_start, add, one):
    _column_sums(a, a_start, a_row, m, n, to, to_start, add, one)


def lanes(dtype):
    return VECTOR_BYTES // np.dtype(dtype).itemsize


@dataclass(frozen=True)
class Strides:
    """How a matrix lies: contiguous rows or columns or neither, and elements between what is contiguous."""

    order: str = "rows"
    padding: int = 0
    offset: int = 0

    def steps(self, n_rows, n_columns):
        """(row step, column step)."""
        if self.order == "rows":
            return n_columns + self.padding, 1
        if self.order == "columns":
            return 1, n_rows + self.padding
        return (2 + self.padding) * n_columns + 1, 2 + self.padding


ROWS_APART, COLUMNS_APART, BOTH_APART = Strides("rows"), Strides("columns"), Strides("both")


def extent(shape, steps):
    """Elements from the first to the last of a matrix."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))


def view(flat, start, shape, steps):
    strides = [step * flat.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(flat[start:], shape, strides)


def outside(flat, *matrices):
    """Mask of the elements that belong to none of the `(start, shape, steps)`."""
    mask = np.ones(len(flat), bool)
    for matrix in matrices:
        view(mask, *matrix)[...] = False
    return mask


def plain_empty(size, dtype):
    return np.empty(size, dtype)


@dataclass
class Problem:
    """One call of `product`: matrices A and B, what C holds before, the epilogue, and how all of them lie.

    `before` None is SET. `gate` is a matrix like C or None, `intercepts` a vector or None.
    """

    A: np.ndarray
    B: np.ndarray
    before: np.ndarray = None
    intercepts: np.ndarray = None
    rectified: bool = False
    gate: np.ndarray = None
    factor: float = 1.0
    a: Strides = ROWS_APART
    b: Strides = ROWS_APART
    c_padding: int = 0
    c_offset: int = 0
    scratch: float = np.nan

    def solve(self, guard=GUARD, empty=plain_empty):
        """C. Between A's and B's elements and around them are NaN; around C and the panel nothing may change."""
        dtype, (m, depth), n = self.A.dtype, self.A.shape, self.B.shape[1]
        a_steps, b_steps = self.a.steps(m, depth), self.b.steps(depth, n)
        a = empty(extent((m, depth), a_steps) + self.a.offset + 2 * guard, dtype)
        a_at = guard + self.a.offset
        a[:] = np.nan
        view(a, a_at, (m, depth), a_steps)[...] = self.A

        b_at = guard + self.b.offset
        n_intercepts = 0 if self.intercepts is None else n
        intercept = b_at + extent((depth, n), b_steps) + guard
        b = empty(intercept + n_intercepts + guard, dtype)
        b[:] = np.nan
        view(b, b_at, (depth, n), b_steps)[...] = self.B
        if n_intercepts:
            b[intercept : intercept + n] = self.intercepts

        c_steps = (n + self.c_padding, 1)
        c_extent = extent((m, n), c_steps)
        gate_at = guard + self.c_offset
        c_at = gate_at if self.gate is None else gate_at + c_extent + guard
        c = empty(c_at + c_extent + guard, dtype)
        c[:] = np.random.default_rng(0).uniform(1, 2, len(c))  # a gate beside the gate would be open
        result = view(c, c_at, (m, n), c_steps)
        result[...] = np.nan if self.before is None else self.before
        if self.gate is not None:
            view(c, gate_at, (m, n), c_steps)[...] = self.gate

        scratch = empty(matmul.panel_size(dtype) + 2 * guard, dtype)
        scratch[:] = self.scratch
        scratch[:guard] = scratch[len(scratch) - guard :] = 3.5
        panel = scratch[guard : len(scratch) - guard]
        kept = [outside(c, (c_at, (m, n), c_steps)), outside(scratch, (guard, panel.shape, (1,)))]
        untouched = [a.copy(), b.copy(), c[kept[0]], scratch[kept[1]]]
        multiply(
            a, a_at, *a_steps, b, b_at, *b_steps, c, c_at, c_steps[0], m, depth, n, panel,
            matmul.SET if self.before is None else matmul.ADD,
            matmul.NONE if self.intercepts is None else np.int64(intercept), np.bool_(self.rectified),
            matmul.NONE if self.gate is None else np.int64(gate_at), dtype.type(self.factor),
        )  # fmt: skip
        for now, then in zip([a, b, c[kept[0]], scratch[kept[1]]], untouched, strict=True):
            assert now.tobytes() == then.tobytes(), "written outside C"
        return result.copy()

    def expected(self, exact):
        """The same by NumPy in the type `exact`."""
        A, B = self.A.astype(exact), self.B.astype(exact)
        total = A @ B if A.shape[1] else np.zeros((len(A), B.shape[1]), exact)
        if self.before is not None:
            total = total + self.before
        if self.intercepts is not None:
            total = total + self.intercepts
        if self.rectified:
            total = np.where(total <= 0, 0, total)
        if self.gate is not None:
            total = np.where(self.gate > 0, total * exact(self.factor), 0)
        return total

    def scale(self):
        """Sum of the absolute terms of each element, times the factor."""
        parts = [abs(self.A).astype(float) @ abs(self.B).astype(float)]
        parts += [abs(part) for part in (self.before, self.intercepts) if part is not None]
        return sum(parts) * (1 if self.gate is None else abs(self.factor))


def draw(rng, m, depth, n, dtype, *, add=False, intercepts=False, rectified=False, gate=False, whole=True, **strides):
    """A random problem; of whole numbers, whose sums are exact in any order, or of normal deviates."""

    def numbers(*shape):
        return (rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)).astype(dtype)

    return Problem(
        numbers(m, depth), numbers(depth, n), numbers(m, n) if add else None, numbers(n) if intercepts else None,
        rectified, numbers(m, n) if gate else None, 4.0 if whole else 1 / 0.7, **strides,
    )  # fmt: skip


def assert_exact(problem, **how):
    """A problem of whole numbers has no rounding at all."""
    np.testing.assert_array_equal(problem.solve(**how), problem.expected(np.float64))


def assert_close(problem, **how):
    """The a-priori bound of a sum: one rounding for each term, and one for each step of the epilogue."""
    depth, eps = problem.A.shape[1], np.finfo(problem.A.dtype).eps
    error = abs(problem.solve(**how) - problem.expected(np.longdouble))
    assert (error <= (depth + 4) * eps * problem.scale()).all()
