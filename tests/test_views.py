"""Views and tables of numbers, beside NumPy's arrays."""

import numpy as np
import pytest
from numba import njit

from skreg.kernels import _compile, stages, views

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8]
INDICES = [np.int64, np.int32, np.uint8, np.uint64]
_part, _rest, _nth_part = views.part, views.rest, views.nth_part
_address_of, _array_at, _table_at = stages.address_of, stages.array_at, stages.table_at


@njit(**_compile.OPTIONS)
def read(array, at):
    view = _part(array, 0, len(array))
    return view[at], len(view), view.itemsize, view.dtype.type(3), view[1]


@njit(**_compile.OPTIONS)
def write(array, at, value):
    view = _part(array, 0, len(array))
    view[at] = value
    view[0] += 2


@njit(**_compile.OPTIONS)
def read_table(array, row, column):
    table = _table_at(_address_of(array, 0), len(array), 3, np.float64)
    same = _table_at(_address_of(table, 0), len(table), 3, np.float64)
    return table[row, column], table[row, 2], len(table), same[row, column], len(same)


@njit(**_compile.OPTIONS)
def write_table(array, row, column, value):
    table = _table_at(_address_of(array, 0), len(array), 3, np.float64)
    table[row, column] = value
    table[row, 0] += 1


@njit(**_compile.OPTIONS)
def add_parts(array, start, count, number, n_parts, sums):
    """The sums of parts, each of a view of an array and of a part of it."""
    view = _part(array, 0, len(array))
    for row, whole in enumerate((view, _part(array, 0, len(array)))):
        at = _array_at(_address_of(whole, start), count, np.float64)
        for place, piece in enumerate(
            (_part(whole, start, count), _rest(whole, start), _nth_part(whole, number, n_parts), at)
        ):
            for i in range(len(piece)):
                sums[row, place] += piece[i]


def cut(*arguments):
    sums = np.zeros((2, 4))
    add_parts(*arguments, sums)
    return sums


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_view_is_read_and_written_as_its_array(dtype, index):
    array = np.arange(5, 12).astype(dtype)
    for at in range(len(array)):
        value, length, itemsize, three, second = read(array, index(at))
        assert (value, length, itemsize, second) == (array[at], len(array), array.itemsize, array[1])
        assert three == 3
        expected = array.copy()
        expected[at] = 77.9  # which an array of integers cuts off
        expected[0] += 2
        written = array.copy()
        write(written, index(at), 77.9)
        np.testing.assert_array_equal(written, expected)


def test_a_table_is_read_and_written_as_its_array():
    array = np.arange(12.0).reshape(4, 3)
    for row in range(4):
        for column in range(3):
            assert read_table(array, row, np.uint8(column)) == (array[row, column], array[row, 2], 4) + (
                array[row, column], 4,
            )  # fmt: skip
            expected, written = array.copy(), array.copy()
            expected[row, column] = -1.5
            expected[row, 0] += 1
            write_table(written, row, column, -1.5)
            np.testing.assert_array_equal(written, expected)


def test_an_empty_table_has_no_rows():
    assert len_of_table(np.empty((0, 3))) == 0


@njit(**_compile.OPTIONS)
def len_of_table(array):
    return len(_table_at(_address_of(array, 0), len(array), 3, np.float64))


@pytest.mark.parametrize("start", [0, 2, 7])
def test_parts_of_views_are_those_of_arrays(start):
    array = np.random.default_rng(start).standard_normal(12)
    sums = cut(array, start, 4, 2, 3)
    expected = [array[start : start + 4].sum(), array[start:].sum(), array[8:12].sum(), array[start : start + 4].sum()]
    np.testing.assert_allclose(sums, [expected, expected], rtol=1e-14)


@njit(**_compile.OPTIONS)
def length_of_rest(array, start):
    return len(_rest(array, start))


def test_behind_the_end_there_is_no_rest():
    assert [length_of_rest(np.zeros(12), start) for start in (0, 11, 12, 40)] == [12, 1, 0, 0]
