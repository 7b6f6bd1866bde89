"""Adam's step on vectors, in NumPy and by the kernels."""

import numpy as np
from numba import njit

from skreg.kernels import _compile
from skreg.kernels import adam as module
from skreg.kernels.simd import VECTOR_BYTES

_adam = module.adam


@njit(**_compile.UNIFORM_OPTIONS)
def adam(w, gradient, first, second, l2, step, threshold, beta_1, rest_1, beta_2, rest_2, epsilon):
    _adam(w, gradient, first, second, l2, step, threshold, beta_1, rest_1, beta_2, rest_2, epsilon)


def constants(dtype, *, l2=0.0, step=1e-3, threshold=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    numbers = (l2, step, threshold, beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon)
    return tuple(dtype(number) for number in numbers)


def with_room_for_products(dtype):
    """A type in which no product of two `dtype` overflows or is rounded by much."""
    return np.float64 if dtype == np.float32 else np.longdouble


def moments(w, gradient, first, second, numbers):
    """((first, second) after a step, bounds of their errors in `eps`)."""
    exact = with_room_for_products(w.dtype.type)
    l2, _, _, beta_1, rest_1, beta_2, rest_2, _ = (exact(number) for number in numbers)
    w, gradient, first, second = (array.astype(exact) for array in (w, gradient, first, second))
    g, size = gradient + l2 * w, abs(gradient) + abs(l2 * w)
    after = beta_1 * first + rest_1 * g, beta_2 * second + rest_2 * g**2
    return after, (4 * (beta_1 * abs(first) + rest_1 * size), 6 * (beta_2 * second + rest_2 * size**2))


def weights(w, first, second, numbers):
    """(weights after a step with these moments, bound of their error in `eps`)."""
    limits, exact = np.finfo(w.dtype), with_room_for_products(w.dtype.type)
    _, step, threshold, *_, epsilon = (exact(number) for number in numbers)
    if VECTOR_BYTES == 64:  # what is smaller or larger counts as that
        second = np.clip(second, limits.tiny, limits.max)
    length = step / (np.sqrt(second.astype(exact)) + epsilon)
    reach = length * threshold
    moved = w.astype(exact) - length * first
    return moved - np.clip(moved, -reach, reach), 10 * (abs(w) + abs(length * first) + reach)


def assert_a_step(w, gradient, first, second, numbers):
    """The kernel's step of vectors is NumPy's: the moments, and the weights from the kernel's own moments."""
    limits = np.finfo(w.dtype)
    w, first, second = w.copy(), first.copy(), second.copy()
    before, (expected, bounds) = w.copy(), moments(w, gradient, first, second, numbers)
    adam(w, gradient, first, second, *numbers)
    found = [first, second, w]
    small = abs(gradient) + abs(numbers[0] * before) < np.sqrt(limits.max) / 4  # squares do not overflow
    moved, bound = weights(before, first, second, numbers)
    for value, wanted, size in zip(found, [*expected, moved], [*bounds, bound], strict=True):
        inside = (abs(wanted) + size < limits.max / 16) & small  # others may overflow on the way
        error = abs(value - wanted)
        # What underflows on the way is wrong by a few of the smallest numbers.
        smallest = limits.smallest_subnormal * 8 * (1 + abs(first.astype(float)))
        assert (error <= size * limits.eps + smallest)[inside].all()
    return found
