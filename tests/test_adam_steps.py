"""Adam's step on vectors: its roundings, its ends, and what is not finite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit, types
from numba.extending import intrinsic

from skreg.kernels.simd import VECTOR_BYTES, Vectors, lanes_of

from .adam_steps import adam, assert_a_step, constants

DTYPES = [np.float32, np.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES)
properties = settings(derandomize=True, deadline=None, max_examples=200, database=None)
GUARD = 40


# Root and inverse ----------------------------------------------------------------------------------------------------


def _compiled(name):
    """A function of `Vectors` on arrays of whole vectors."""

    @intrinsic
    def apply(context, source, target, at):
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            places = [
                builder.gep(ctx.make_array(signature.args[i])(ctx, builder, args[i]).data, [args[2]]) for i in (0, 1)
            ]
            vec.store(getattr(vec, name)(vec.load(places[0])), places[1])
            return ctx.get_dummy_value()

        return types.void(source, target, types.intp), emit

    @njit
    def loop(source, target):
        for at in range(0, len(source), lanes_of(source)):
            apply(source, target, at)

    return loop


FUNCTIONS = {name: _compiled(name) for name in ("root", "inverse")}


def evaluate(name, x):
    count = VECTOR_BYTES // x.itemsize
    source = np.concatenate([x, np.ones(-len(x) % count, x.dtype)])
    target = np.empty_like(source)
    FUNCTIONS[name](source, target)
    return target[: len(x)]


def normal_numbers(dtype, per_exponent=200):
    """Positive ones of every exponent, with random mantissas and the smallest and largest."""
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp, info.maxexp)
    mantissas = 1 + np.random.default_rng(0).random((per_exponent, len(exponents)))
    mantissas[:2] = [[1], [2 - info.eps]]
    return np.ldexp(mantissas.astype(dtype).clip(1, dtype(2 - info.eps)), exponents).ravel()


@dtypes
@pytest.mark.parametrize("name", FUNCTIONS)
def test_root_and_inverse_are_off_by_two_units_at_most(name, dtype):
    """The exact value is that of a longer type, or, where there is none, itself rounded, which adds half a unit."""
    x, longer = normal_numbers(dtype), np.float64 if dtype == np.float32 else np.longdouble
    exact = np.sqrt(x.astype(longer)) if name == "root" else 1 / x.astype(longer)
    error = abs(evaluate(name, x) - exact) / np.spacing(exact.astype(dtype))
    assert error.max() <= (2 if VECTOR_BYTES == 64 else 0.5) + 0.5 * (np.finfo(longer).nmant == np.finfo(dtype).nmant)


@dtypes
def test_root_and_inverse_of_what_is_not_normal(dtype):
    info = np.finfo(dtype)
    assert np.isnan(evaluate("root", np.array([np.nan], dtype)))
    assert np.isnan(evaluate("inverse", np.array([np.nan], dtype)))
    x = np.array([0, info.smallest_subnormal, np.inf], dtype)
    expected = np.sqrt(x.clip(info.tiny, info.max)) if VECTOR_BYTES == 64 else np.sqrt(x)
    np.testing.assert_allclose(evaluate("root", x), expected, rtol=2 * info.eps)


# Steps ---------------------------------------------------------------------------------------------------------------


def draw(seed, n, dtype, scales):
    """(w, gradient, first, second): each a normal deviate times ten to one of `scales`, some of them zero."""
    rng = np.random.default_rng(seed)

    def numbers():
        with np.errstate(over="ignore"):
            values = (rng.standard_normal(n) * 10.0 ** rng.choice(scales, n) * (rng.random(n) < 0.8)).astype(dtype)
        return np.nan_to_num(values)

    return numbers(), numbers(), numbers(), abs(numbers())


EXPONENTS = st.lists(st.integers(-60, 60), min_size=1, max_size=4)
NUMBERS = st.fixed_dictionaries({
    "l2": st.sampled_from([0.0, 1e-4, 0.3]), "step": st.sampled_from([0.0, 1e-3, 0.5]),
    "threshold": st.sampled_from([0.0, 1e-4, 2.0]), "beta_1": st.sampled_from([0.0, 0.9, 0.99]),
    "beta_2": st.sampled_from([0.0, 0.999, 0.99999]),
    "epsilon": st.sampled_from([1e-37, 1e-20, 1e-8, 1.0, 1e10, 1e30]),
})  # fmt: skip


@dtypes
@given(n=st.integers(0, 100), seed=st.integers(0, 999), scales=EXPONENTS, numbers=NUMBERS)
@properties
@pytest.mark.filterwarnings("ignore:overflow", "ignore:underflow")
def test_a_step_is_that_of_numpy(dtype, n, seed, scales, numbers):
    """Any length, zeros, gradients and second moments from tiny to huge, extreme epsilons."""
    scales = np.clip(scales, -18, 18) if dtype == np.float32 else scales
    assert_a_step(*draw(seed, n, dtype, scales), constants(dtype, **numbers))


@dtypes
@given(values=st.data(), numbers=NUMBERS)
@properties
@pytest.mark.filterwarnings("ignore:overflow", "ignore:underflow", "ignore:invalid")
def test_a_step_of_any_numbers(dtype, values, numbers):
    """The floats that break things; what overflows on the way is left out of the comparison."""
    width = np.dtype(dtype).itemsize * 8
    finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
    positive = st.floats(0, float(np.finfo(dtype).max), width=width)
    n = values.draw(st.integers(0, 20))
    arrays = [values.draw(st.lists(kind, min_size=n, max_size=n)) for kind in (finite, finite, finite, positive)]
    assert_a_step(*(np.array(array, dtype) for array in arrays), constants(dtype, **numbers))


@dtypes
@pytest.mark.parametrize("epsilon", [1e-30, 1e-8, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", [0, 1, 2, 3], ids=["w", "gradient", "first", "second"])
@pytest.mark.parametrize("threshold", [0.0, 0.1])
def test_what_is_not_finite_stays_so_and_where_it_is(dtype, epsilon, value, array, threshold):
    """At every place of a vector; but an infinite second moment is only a weight that hardly moves."""
    numbers = constants(dtype, l2=0.1, threshold=threshold, epsilon=epsilon)
    for n in (1, 2 * VECTOR_BYTES // np.dtype(dtype).itemsize + 3):
        base = [a + dtype(1) for a in draw(3, n, dtype, [0])]
        expected = [a.copy() for a in base]
        adam(*expected, *numbers)
        for place in range(n):
            arrays = [a.copy() for a in base]
            arrays[array][place] = abs(value) if array == 3 else value
            adam(*arrays, *numbers)
            others = np.arange(n) != place
            for found, wanted in zip(arrays, expected, strict=True):
                np.testing.assert_array_equal(found[others], wanted[others])
            if array < 3:
                assert not np.isfinite(arrays[0][place])
            elif np.isnan(value):
                assert np.isnan(arrays[0][place]) and np.isnan(arrays[3][place])


@dtypes
def test_only_its_own_elements_are_written(dtype):
    """All others keep their bits, the gradient too."""
    for n in range(70):
        flat = [np.pad(a, GUARD, constant_values=np.nan) for a in draw(n, n, dtype, [0])]
        before = [a.copy() for a in flat]
        expected = [a[GUARD : GUARD + n].copy() for a in flat]
        adam(*expected, *constants(dtype, l2=0.1, threshold=0.1))
        adam(*(a[GUARD : GUARD + n] for a in flat), *constants(dtype, l2=0.1, threshold=0.1))
        for now, then, inside in zip(flat, before, expected, strict=True):
            then[GUARD : GUARD + n] = inside
            assert now.tobytes() == then.tobytes()


@dtypes
def test_the_same_bits_however_a_vector_is_cut(dtype):
    rng = np.random.default_rng(0)
    numbers = constants(dtype, l2=0.1, threshold=0.1)
    whole, pieces = ([a.copy() for a in draw(1, 203, dtype, [-3, 0, 2])] for _ in range(2))
    adam(*whole, *numbers)
    cuts = [0, *np.sort(rng.choice(202, 12, replace=False) + 1), 203]
    for begin, end in zip(cuts[:-1], cuts[1:], strict=True):
        adam(*(a[begin:end] for a in pieces), *numbers)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)


@dtypes
def test_the_soft_threshold_leaves_exact_zeros(dtype):
    """Whatever the gradient's sign; and nothing that is beyond it."""
    w = np.linspace(-1e-3, 1e-3, 101).astype(dtype)
    zeros, numbers = np.zeros_like(w), constants(dtype, step=0.1, threshold=0.5e-2, epsilon=1.0)
    found, _, _ = assert_a_step(w, zeros, zeros, zeros, numbers)[::-1]
    inside = abs(w) < 0.49e-3
    assert (found[inside] == 0).all() and (found[abs(w) > 0.51e-3] != 0).all()
