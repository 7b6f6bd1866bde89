"""What kernels are lowered to, beside Python: whatever is left out of numba's way, results are Python's."""

import ast
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core.compiler import run_frontend

import skreg.kernels
from skreg.kernels import _compile, _jit, _lowering


def extremes(a, b, c):
    return min(a, b), max(a, b), min(a, b, c), max(a, b, c), min(8, a), max(a, 1)


def loops(a, b, c):
    total = 0
    for i in range(a):
        total = 3 * total + i
    for i in range(a, b):
        total = 3 * total + i
    for i in range(a, b, 3):
        total = 5 * total + i
    for i in range(a, b, abs(c) + 1):
        total = 7 * total + i
    for i in range(b, a, -1):
        total = total + i * i
    for i in range(b, a - 1, -2):
        total = total - i
    for i in range(3):  # what it held before stays where a loop has nothing to go through
        last = i
    for last in range(a, b):  # noqa: B007
        pass
    return total, last, i


def nested_loops(a, b, c):
    total, found = 0, -1
    for i in range(a, a + 6):
        for j in range(i, 2, -1):
            if j == b:
                break
            if (i + j) % 3 == 0:
                continue
            total += i * j
        else:
            total += 100
            if found < 0 and i > c:
                found = i
    while total > 50:
        total -= 7
    return total, found


def branches(a, b, c):
    if a < b:
        kept, other = a, 1
    elif a == c:
        kept, other = c, 2
    else:
        kept, other = b, 3
    before = kept
    kept = kept + (other if b < c else -other)
    swapped, kept = kept, before
    is_even = kept % 2 == 0
    if is_even and not a > c:
        other = -1
    return kept, other, swapped, is_even, before + swapped


def carried(a, b, c):
    total, previous = 0, c
    for i in range(6):
        if i > 0:
            total = 3 * total + previous
        previous = a * i + b
    if c > 0:
        bonus = a
    while total > 1000:
        total -= 999
    if c > 0:
        total += bonus
    return total


def divisions(a, b, c):
    return a // 3, a % 3, a // -3, a % -3, a // 4, a % 4, (a + b) // (2 * abs(c) + 1), b % (-1 - abs(c))


def truths(a, b, c):
    is_less, is_same = a < b, b == c
    return is_less, is_same, is_less or is_same, not is_less, is_less != is_same


FUNCTIONS = [extremes, loops, nested_loops, branches, carried, divisions, truths]


def as_kernel(function):
    """A function of the same arguments that calls it as a kernel calls a helper."""
    inner = _jit.helper(function)

    @njit(**_compile.OPTIONS)
    def call(*arguments):
        return inner(*arguments)

    return call


@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_are_those_of_python(function):
    kernel = as_kernel(function)
    for numbers in np.random.default_rng(0).integers(-9, 9, (200, 3)).tolist():
        assert kernel(*numbers) == function(*numbers)


@pytest.mark.parametrize("kinds", [(float, float, float), (int, float, np.float32), (np.int32, int, int)])
def test_extremes_of_different_types_are_those_of_python(kinds):
    kernel = as_kernel(extremes)
    for numbers in np.random.default_rng(0).integers(-9, 9, (40, 3)):
        values = [kind(number) for kind, number in zip(kinds, numbers, strict=True)]
        assert kernel(*values) == extremes(*values)


@pytest.mark.parametrize("numbers", [(np.nan, 1.0, 2.0), (1.0, np.nan, 0.0), (2.0, 1.0, np.nan)])
def test_extremes_with_nan_are_those_of_python(numbers):
    np.testing.assert_array_equal(as_kernel(extremes)(*numbers), extremes(*numbers))


def test_a_helper_may_return_nothing_in_the_place_of_a_value():
    larger = _jit.helper(lambda a, b: a if a > b else None)

    def sum_of_larger(a, b, c):
        first, second = larger(a, b), larger(b, c)
        return (0 if first is None else first) + (100 if second is None else second)

    kernel = as_kernel(sum_of_larger)
    for a, b, c in np.random.default_rng(0).integers(-9, 9, (100, 3)).tolist():
        assert kernel(a, b, c) == (a if a > b else 0) + (b if b > c else 100)


def test_zero_divides_to_zero():
    kernel = as_kernel(lambda a, b: (a // b, a % b))
    assert [kernel(a, 0) for a in (-3, 0, 5)] == [(0, 0)] * 3
    assert kernel(-7, 2) == (-4, 1)


def test_unsigned_numbers_are_divided_as_such():
    largest = np.uint64(2**64 - 1)
    assert as_kernel(lambda a, b: (a // b, a % b))(largest, np.uint64(10)) == divmod(2**64 - 1, 10)


def truth_in_memory(flags, at):
    flags[at] = not flags[at] and flags[at - 1]
    return flags[at]


@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_truths_in_memory_are_bytes(flags):
    array, expected = np.array(flags, bool), np.array(flags, bool)
    assert as_kernel(truth_in_memory)(array, 1) == truth_in_memory(expected, 1)
    np.testing.assert_array_equal(array, expected)


def test_variables_need_memory_that_get_values_at_two_places_or_may_have_none():
    names = _lowering._variables_without_memory(run_frontend(carried).blocks)
    assert {"a", "b", "c"} <= names
    assert not {"total", "previous", "bonus"} & names
    assert "kept" not in _lowering._variables_without_memory(run_frontend(branches).blocks)


def files_of_kernels():
    """All but those that say how kernels are compiled."""
    return [path for path in Path(skreg.kernels.__file__).parent.glob("*.py") if not path.name.startswith("_")]


@pytest.mark.parametrize("path", files_of_kernels(), ids=lambda path: path.stem)
def test_kernels_raise_nothing(path):
    """Their callers do not look for errors."""
    tree = ast.parse(path.read_text())
    compiled = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(
            getattr(mark, "id", "") in ("helper", "outlined", "exact_helper", "uniform", "entry")
            for mark in node.decorator_list
        )
    ]
    for node in (inner for function in compiled for inner in ast.walk(function)):
        assert not isinstance(node, ast.Raise | ast.Assert | ast.Try)
