"""skreg's matrix product as a function of NumPy arrays: the one place that knows the kernel's arguments."""

import numpy as np
from numba import njit

from skreg.kernels.matmul import NONE, SET, UNBOUNDED, panel_size, product


@njit(nogil=True)
def _product(a, a_row, a_col, b, b_row, b_col, c, n_rows, depth, n_columns, panel):
    product(a, 0, a_row, a_col, b, 0, b_row, b_col, c, 0, n_columns, n_rows, depth, n_columns, panel, SET,
            NONE, UNBOUNDED, NONE, c.dtype.type(1))  # fmt: skip


def _flat(matrix):
    """(memory of a contiguous matrix or of its transpose, step between rows, step between columns)."""
    row, col = (stride // matrix.itemsize for stride in matrix.strides)
    return (matrix if col == 1 else matrix.T).reshape(-1), row, col


def multiply(a, b, out):
    """A function that computes out = a @ b, and returns it."""
    panel = np.empty(panel_size(a.dtype), a.dtype)
    arguments = *_flat(a), *_flat(b), out.reshape(-1), *a.shape, b.shape[1], panel

    def call():
        _product(*arguments)
        return out

    return call
