"""Elementary functions of the kernels: errors in units in the last place, special values, vector code.

The references are computed in long double, which must have more bits than the type under test.
"""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from scipy import special

from skreg._losses import loss_parameters
from skreg.kernels import _compile, activations, elementary, losses, stages
from skreg.kernels.simd import VECTOR_BYTES

from . import reference

INF, NAN = np.inf, np.nan
DTYPES = [np.float32, np.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def _erf(x):
    """2 / sqrt(pi) exp(-x^2) sum_n 2^n x^(2n + 1) / (2n + 1)!!, whose terms all have the same sign."""
    x = np.clip(x, -7, 7)  # it is 1 beyond, to 70 bits
    term = total = x
    for n in range(1, 220):
        term = term * (2 * x * x / (2 * n + 1))
        total = total + term
    root_of_pi = np.sqrt(np.arctan(np.longdouble(1)) * 4)
    return 2 / root_of_pi * np.exp(-x * x) * total


# by name: (reference, bound in ulp that the docstring states)
FUNCTIONS = {
    "exp": (np.exp, 1.2),
    "expm1": (np.expm1, 2.4),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))), 2.2),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "tanh": (np.tanh, 2.3),
    "erf": (_erf, 1.5),
}
functions = pytest.mark.parametrize("name", FUNCTIONS)
VANISHING = ["exp", "softplus", "logistic"]  # like e^x for x -> -inf


def _compiled(name):
    function = getattr(elementary, name)

    @njit(**_compile.OPTIONS)  # with the kernels' liberties: they must not enter the functions
    def apply(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    return apply


LOOPS = {name: _compiled(name) for name in [*FUNCTIONS, "log"]}


def evaluate(name, x):
    out = np.empty_like(x)
    LOOPS[name](x, out)
    return out


def ulps(found, exact, dtype):
    """|found - exact| in units of the last place of `exact`."""
    info = np.finfo(dtype)
    exponent = np.frexp(exact)[1] - 1
    unit = np.ldexp(np.longdouble(1), np.maximum(exponent, info.minexp) - info.nmant)
    return np.abs(found.astype(np.longdouble) - exact) / unit


def _random_bits(dtype, per_exponent):
    """Numbers of both signs with random mantissas and every exponent, subnormal numbers among them."""
    info = np.finfo(dtype)
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    exponents = np.arange(2**info.iexp - 1, dtype=unsigned).repeat(per_exponent)
    rng = np.random.default_rng(0)
    mantissas = rng.integers(0, 2**info.nmant, len(exponents), dtype=unsigned)
    x = ((exponents << unsigned.type(info.nmant)) | mantissas).view(dtype)
    return np.concatenate([x, -x])


def _arguments(dtype):
    rng = np.random.default_rng(1)
    largest = np.log(np.finfo(dtype).max)
    dense = [np.linspace(-limit, limit, 40_001) for limit in (0.4, 2.0, 7.0, 20.0, 1.02 * largest)]
    random = [rng.uniform(-limit, limit, 40_000) for limit in (0.4, 2.0, 7.0)]
    limits = np.array([largest, np.log(np.finfo(dtype).tiny)], dtype)
    near_limits = limits[:, None] + np.spacing(limits)[:, None] * np.arange(-50, 51)
    return np.concatenate([*dense, *random, near_limits.ravel(), _random_bits(dtype, 16)]).astype(dtype)


# Accuracy ------------------------------------------------------------------------------------------------------------


# Those with a longer float to compare with: not double precision where long double is nothing else.
MEASURABLE = [dtype for dtype in DTYPES if np.finfo(np.longdouble).nmant >= np.finfo(dtype).nmant + 8]


@pytest.mark.parametrize("dtype", MEASURABLE)
@functions
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.filterwarnings("ignore:underflow")
def test_error_is_within_the_documented_bound(name, dtype):
    info = np.finfo(dtype)
    function, bound = FUNCTIONS[name]
    assert f"{bound} ulp" in getattr(elementary, name).__doc__
    x = _arguments(dtype)
    exact = function(x.astype(np.longdouble))
    found = evaluate(name, x)
    overflow = exact > info.max
    assert (found[overflow] == np.inf).all()
    vanished = (np.exp(x.astype(np.longdouble)) < info.tiny) & (name in VANISHING)
    assert (found[vanished] == 0).all()
    regular = ~overflow & ~vanished
    errors = ulps(found[regular], exact[regular], dtype)
    assert errors.max() <= bound, f"{errors.max():.3f} ulp at {x[regular][errors.argmax()]!r}"


def test_the_reference_of_erf():
    x = np.linspace(-7, 7, 1001)
    np.testing.assert_allclose(_erf(x.astype(np.longdouble)).astype(float), special.erf(x), rtol=1e-15, atol=0)


@dtypes
@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_exactly_odd(name, dtype):
    x = _arguments(dtype)
    np.testing.assert_array_equal(evaluate(name, -x), -evaluate(name, x))


@dtypes
@functions
def test_a_value_does_not_depend_on_its_place_in_the_row(name, dtype):
    """Vector code and the loop's remainder round alike."""
    x = np.random.default_rng(2).normal(size=75).astype(dtype)
    whole = evaluate(name, x)
    for start in range(0, 75, 7):
        np.testing.assert_array_equal(evaluate(name, x[start : start + 3].copy()), whole[start : start + 3])


def test_error_of_log_is_within_the_documented_bound():
    assert "1.8 ulp" in elementary.log.__doc__
    for dtype in MEASURABLE:
        info = np.finfo(dtype)
        rng = np.random.default_rng(3)
        near_1 = rng.uniform(0.3, 3, 100_000), 1 + rng.normal(0, 1e-5, 1000)
        x = np.concatenate([np.abs(_random_bits(dtype, 16)), *near_1])
        x = np.concatenate([x.astype(dtype), np.nextafter(dtype(1), [0, 2], dtype=dtype), [info.max, info.tiny]])
        x = x[(x >= info.tiny) & (x != 1)].astype(dtype)
        errors = ulps(evaluate("log", x), np.log(x.astype(np.longdouble)), dtype)
        assert errors.max() <= 1.8, f"{errors.max():.3f} ulp at {x[errors.argmax()]!r}"


@dtypes
@pytest.mark.parametrize("length", [1, 40])
def test_special_values_of_log(length, dtype):
    tiny = np.finfo(dtype).tiny
    for x, expected in {1: 0, INF: INF, 0: -INF, tiny / 4: -INF, -1: NAN, -INF: NAN, NAN: NAN}.items():
        found = evaluate("log", np.full(length, x, dtype))
        np.testing.assert_array_equal(found, np.full(length, expected, dtype), err_msg=f"log({x})")


# Special values ------------------------------------------------------------------------------------------------------

SPECIAL = {
    "exp": {INF: INF, -INF: 0.0, 0.0: 1.0},
    "expm1": {INF: INF, -INF: -1.0, 0.0: 0.0},
    "softplus": {INF: INF, -INF: 0.0},
    "logistic": {INF: 1.0, -INF: 0.0, 0.0: 0.5},
    "tanh": {INF: 1.0, -INF: -1.0, 0.0: 0.0},
    "erf": {INF: 1.0, -INF: -1.0, 0.0: 0.0},
}


@dtypes
@functions
@pytest.mark.parametrize("length", [1, 40])
def test_special_values(name, dtype, length):
    for x, expected in {**SPECIAL[name], NAN: NAN}.items():
        found = evaluate(name, np.full(length, x, dtype))
        np.testing.assert_array_equal(found, np.full(length, expected, dtype), err_msg=f"{name}({x})")


@dtypes
@functions
def test_nan_beside_numbers_stays_where_it_is(name, dtype):
    x = np.linspace(-1, 1, 40).astype(dtype)
    x[[3, 17, 39]] = np.nan
    np.testing.assert_array_equal(np.isnan(evaluate(name, x)), np.isnan(x))


@dtypes
@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_zero_keeps_its_sign(name, dtype):
    zeros = np.array([0.0, -0.0], dtype)
    np.testing.assert_array_equal(np.signbit(evaluate(name, zeros)), [False, True])


@dtypes
def test_tanh_of_the_smallest_numbers_is_the_number(dtype):
    x = _random_bits(dtype, 4)
    x = x[np.abs(x) < np.finfo(dtype).tiny]
    np.testing.assert_array_equal(evaluate("tanh", x), x)


@njit(**_compile.OPTIONS)
def _maximum(x):
    highest = x[0]
    for i in range(1, len(x)):
        highest = elementary.maximum(highest, x[i])
    return highest


@dtypes
def test_maximum(dtype):
    x = np.random.default_rng(0).normal(size=37).astype(dtype)
    assert _maximum(x) == x.max()
    for place in range(37):
        with_nan = x.copy()
        with_nan[place] = np.nan
        assert np.isnan(_maximum(with_nan))


# Vector code ---------------------------------------------------------------------------------------------------------


def _assembly(kernel):
    (text,) = kernel.inspect_asm().values()
    return text


def _calls_of_libm(assembly):
    return re.findall(r"[$\s](?:expm1|exp|log1p|log|tanh|erf|fma|rint|copysign)f?(?:@PLT)?(?=[,\s])", assembly)


def test_a_call_of_the_mathematical_library_would_be_seen():
    @njit(**_compile.OPTIONS)
    def apply(x):
        for i in range(len(x)):
            x[i] = math.tanh(x[i])

    for dtype in DTYPES:
        apply(np.zeros(9, dtype))
    assert all(_calls_of_libm(text) for text in apply.inspect_asm().values())


@dtypes
@pytest.mark.parametrize("name", [*FUNCTIONS, "log"])
def test_loops_are_vectorised(name, dtype):
    kernel = _compiled(name)
    kernel(np.zeros(9, dtype), np.zeros(9, dtype))
    assembly = _assembly(kernel)
    assert not _calls_of_libm(assembly)
    if VECTOR_BYTES > 16:  # AVX2 or AVX-512: their instructions have names of their own
        kind = "ps" if dtype == np.float32 else "pd"
        assert re.search(rf"\bv(?:fn?madd\d+|mul){kind}\s.*%[yz]mm", assembly)


# Rows of activations and losses: wide ones are vector code, narrow ones and remainders are not -----------------------

WIDTHS = [1, 3, 8, 37]
widths = pytest.mark.parametrize("width", WIDTHS)
activation_names = pytest.mark.parametrize("activation", sorted(activations.STAGES))
loss_names = pytest.mark.parametrize("loss", sorted(losses.STAGES))


@njit(**_compile.OPTIONS)
def _call(stage, arguments):
    stages.call_stage(stage, arguments)


def _address(array):
    return array.ctypes.data


# Of the losses that have any.
PARAMETERS = {
    "huber": {"delta": 0.8},
    "quantile": {"quantile": 0.3},
    "tweedie": {"power": 1.7},
    "binary_focal": {"focal_gamma": 1.5, "label_smoothing": 0.0},
    "multinomial_focal": {"focal_gamma": 1.5, "label_smoothing": 0.0},
}
_CLASSIFIERS = [f"{kind}_{loss}" for kind in ("binary", "multinomial") for loss in ("log_loss", "focal")]
SMOOTHED = {name: {**PARAMETERS.get(name, {}), "label_smoothing": 0.1} for name in _CLASSIFIERS}


def _loss(name, y, raw, parameters=None):
    """The loss of one row; `raw` becomes its gradient."""
    row, loss = np.zeros(1, np.int64), np.zeros(1)
    estimator = SimpleNamespace(**{"label_smoothing": 0.0, **(parameters or PARAMETERS.get(name, {}))})
    numbers = np.array(loss_parameters(estimator, name))
    data, one_row = (_address(y), len(y), stages.NO_ADDRESS), (_address(row), 1, _address(raw), 0, len(raw))
    _call(losses.loss_stage(name, raw.dtype), (*data, *one_row, _address(loss), _address(numbers), len(numbers), 1.0))
    return loss[0]


@dtypes
@widths
@activation_names
def test_rows_of_activations(activation, width, dtype):
    """Two rows of a wider matrix, with their slopes and without, and nothing beside them."""
    z = 3 * np.random.default_rng(0).normal(size=(2, width + 1)).astype(dtype)
    expected = [f(z[:, :width].astype(np.float64)) for f in reference.ACTIVATIONS[activation]]
    values, slopes, alone = z.copy(), np.full_like(z, 7), z.copy()
    stage = activations.activation_code(activation, dtype)
    _call(stage, (_address(values), _address(slopes), z.strides[0], 2, width))
    _call(stage, (_address(alone), stages.NO_ADDRESS, z.strides[0], 2, width))
    # gelu is z (1 + erf z) / 2, with a sum that vanishes for negative z.
    atol = 4 * np.finfo(dtype).eps if activation == "gelu" else 0
    np.testing.assert_allclose(values[:, :width], expected[0], rtol=4 * np.finfo(dtype).eps, atol=atol)
    # Where a slope is small it is a difference of numbers of order 1.
    np.testing.assert_allclose(slopes[:, :width], expected[1], rtol=0, atol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(alone, values)
    np.testing.assert_array_equal(values[:, width], z[:, width])
    np.testing.assert_array_equal(slopes[:, width], 7)


def _targets(loss, width, dtype):
    rng = np.random.default_rng(1)
    draw = {
        "squared_error": lambda: rng.normal(size=width),
        "poisson": lambda: rng.poisson(1.5, width),
        "binary_log_loss": lambda: rng.integers(0, 2, width),
        "gamma": lambda: rng.gamma(2.0, size=width),
        "tweedie": lambda: rng.gamma(2.0, size=width) * rng.integers(0, 2, width),
        "binary_focal": lambda: rng.integers(0, 2, width),
        "multinomial_log_loss": lambda: rng.integers(0, width, 1),
        "multinomial_focal": lambda: rng.integers(0, width, 1),
    }
    return draw.get(loss, draw["squared_error"])().astype(dtype)


@dtypes
@widths
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
@pytest.mark.parametrize(
    ("loss", "parameters"), [(name, PARAMETERS.get(name, {})) for name in sorted(losses.STAGES)] + [*SMOOTHED.items()]
)
def test_rows_of_losses(loss, parameters, scale, width, dtype):
    y = _targets(loss, width, dtype)
    raw = (scale * np.random.default_rng(2).uniform(-1, 1, width)).astype(dtype)
    exact = [a[None].astype(np.longdouble) for a in (y, raw)]
    expected, gradient = (a[0] for a in reference.LOSSES[loss](*exact, **parameters))
    found = _loss(loss, y, raw, parameters)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=4 * eps, atol=4 * eps)
    np.testing.assert_allclose(raw, gradient, rtol=8 * eps, atol=4 * eps)


@dtypes
@widths
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@loss_names
def test_a_raw_prediction_that_is_not_finite_makes_the_loss_so(loss, bad, width, dtype):
    """That is how a diverging fit is recognised."""
    y = _targets(loss, width, dtype)
    for place in range(width):
        raw = np.zeros(width, dtype)
        raw[place] = bad
        assert not np.isfinite(_loss(loss, y, raw))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss", ["log_loss", "focal"])
def test_losses_of_huge_logits_are_finite_and_their_gradients_right_in_float32(loss, smoothing):
    """Of a logit f of the class that is wrong, the loss is f and its slope 1, whatever gamma."""
    parameters = {"focal_gamma": 2.0, "label_smoothing": smoothing}
    for f in (100.0, 1e4, 1e30):
        for y in (0.0, 1.0):
            raw = np.array([f if y == 0 else -f], np.float32)
            found = _loss(f"binary_{loss}", np.array([y], np.float32), raw, parameters)
            assert found == pytest.approx((1 - smoothing / 2) * f, rel=1e-6)
            expected = (1 - smoothing / 2) * (1 if y == 0 else -1)
            assert raw[0] == pytest.approx(expected, rel=1e-6)
        raw = np.array([0, f, 0], np.float32)
        found = _loss(f"multinomial_{loss}", np.array([0.0], np.float32), raw, parameters)
        assert found == pytest.approx((1 - smoothing / 3) * f, rel=1e-6)
        np.testing.assert_allclose(raw, [-1 + 2 * smoothing / 3, 1 - smoothing / 3, -smoothing / 3], atol=1e-6)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_focal_loss_of_saturated_labels_keeps_its_digits(gamma):
    """q^gamma -log(1 - q) and its slope with q = exp -20: not the difference of 1 and a number near 1."""
    parameters, q = {"focal_gamma": gamma, "label_smoothing": 0.0}, 1 / (1 + np.exp(20.0))
    expected, slope = -(q**gamma) * np.log1p(-q), -(q ** (1 + gamma)) - gamma * q**gamma * (1 - q) * -np.log1p(-q)
    for name, y, f in (("binary", 1.0, [20.0]), ("multinomial", 0.0, [20.0, 0.0])):
        raw = np.array(f, np.float32)
        assert _loss(f"{name}_focal", np.array([y], np.float32), raw, parameters) == pytest.approx(expected, rel=1e-5)
        assert raw[0] == pytest.approx(slope, rel=1e-5)


def test_logits_of_saturated_labels_keep_their_loss_in_float32():
    """log(1 + exp -20), not the difference of two numbers near 20."""
    for y, f in ((1.0, 20.0), (0.0, -20.0)):
        found = _loss("binary_log_loss", np.array([y], np.float32), np.array([f], np.float32))
        assert found == pytest.approx(np.log1p(np.exp(-20.0)), rel=1e-6)


@njit(**_compile.OPTIONS)
def _shrinking(x, most):
    return elementary.power_of_2_that_shrinks(x, most)


@pytest.mark.parametrize("most", [10, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_2_that_shrink_numbers_are_those_of_frexp(dtype, most):
    info = np.finfo(dtype)
    powers = np.ldexp(dtype(1), np.arange(info.minexp, info.maxexp)).astype(dtype)
    for x in [*powers, *(dtype(1.7) * powers), info.max, np.nextafter(dtype(1), dtype(0))]:
        power = _shrinking(x, most)
        assert type(power) is float and power == 2.0 ** -np.clip(np.frexp(x)[1], -most, most)
