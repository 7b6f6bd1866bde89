"""Activations of hidden units, each with its derivative.

IDENTITY and RELU are part of the product that makes what they are applied to (matmul.py), and so is
relu's derivative. All others are stages: they replace a row of sums by activations and, for the way
back, leave the slopes in a buffer beside it, which cost little once the activation is known.

- leaky_relu  z for z > 0, else z / 100
- elu         z for z > 0, else e^z - 1
- selu        lambda z for z > 0, else lambda alpha (e^z - 1)
- gelu        z Phi(z), Phi being the normal distribution function
- silu        z logistic(z)
- mish        z tanh(softplus(z))
- softplus    log(1 + e^z)

For every finite z the slope is finite, and so is the activation, unless a product with lambda overflows.
"""

from ._jit import exact_helper, helper
from .elementary import constant, erf, exp, expm1, logistic, maximum, one, softplus, tanh, zero
from .layout import IDENTITY, RELU
from .stages import NO_ADDRESS, Stage, array_at

NUMBER = activation_and_slope = None  # what a stage makes of the template

_HALF, _TWO, _FOUR = constant(0.5), constant(2.0), constant(4.0)
_LEAK = constant(0.01)
# Klambauer et al. (2017): mean 0 and variance 1 of a normal sum stay what they are
_SELU_SCALE, _SELU_SATURATION = constant(1.0507009873554805), constant(1.0507009873554805 * 1.6732632423543772)
_ROOT_OF_HALF, _NORMAL_DENSITY_AT_0 = constant(0.7071067811865476), constant(0.3989422804014327)


@helper
def rectify(values):
    """relu in place; a NaN stays one."""
    zero_of_type = values.dtype.type(0)
    for j in range(len(values)):
        values[j] = maximum(values[j], zero_of_type)


def _activate(values, slopes, stride, n_rows, width):
    """Activate rows of sums in place; their slopes go to `slopes` unless it is NO_ADDRESS.

    `values` and `slopes` are addresses, `stride` the bytes between rows.
    """
    for i in range(n_rows):
        row = array_at(values + i * stride, width, NUMBER)
        if slopes == NO_ADDRESS:
            for j in range(width):
                row[j] = activation_and_slope(row[j])[0]
        else:
            slope = array_at(slopes + i * stride, width, NUMBER)
            for j in range(width):
                row[j], slope[j] = activation_and_slope(row[j])


@helper
def _logistic(z):
    a = logistic(z)
    return a, a * (one(z) - a)


@helper
def _tanh(z):
    a = tanh(z)
    return a, one(z) - a * a


@exact_helper
def _leaky_relu(z):
    slope = one(z) if z > zero(z) else _LEAK(z)
    return slope * z, slope


@exact_helper
def _elu(z):
    a = expm1(z)
    return (z, one(z)) if z > zero(z) else (a, a + one(z))


@exact_helper
def _selu(z):
    a, scale = _SELU_SATURATION(z) * expm1(z), _SELU_SCALE(z)
    return (scale * z, scale) if z > zero(z) else (a, a + _SELU_SATURATION(z))


@exact_helper
def _gelu(z):
    probability = _HALF(z) + _HALF(z) * erf(_ROOT_OF_HALF(z) * z)
    return z * probability, probability + z * (_NORMAL_DENSITY_AT_0(z) * exp(-_HALF(z) * z * z))


@exact_helper
def _silu(z):
    e = exp(-abs(z))
    scale = one(z) / (one(z) + e)
    probability = scale if z >= zero(z) else e * scale
    return z * probability, probability + z * (e * scale * scale)


@exact_helper
def _mish(z):
    """tanh(log(1 + u)) is (u^2 + 2 u) / (u^2 + 2 u + 2), here divided by u^2 where u = e^z is above 1."""
    e, two = exp(-abs(z)), _TWO(z)
    below = e * (e + two)
    above = one(z) + two * e
    scale = one(z) / (above + two * e * e if z >= zero(z) else below + two)
    share = (above if z >= zero(z) else below) * scale
    slope_of_share = _FOUR(z) * (e * e if z >= zero(z) else e) * (one(z) + e) * scale * scale
    return z * share, share + z * slope_of_share


@exact_helper
def _softplus(z):
    return softplus(z), logistic(z)


def _stage(name, function):
    return Stage(f"activate_{name}", _activate, 5, activation_and_slope=function)


STAGES = {
    name: _stage(name, function)
    for name, function in {
        "logistic": _logistic,
        "tanh": _tanh,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "selu": _selu,
        "gelu": _gelu,
        "silu": _silu,
        "mish": _mish,
        "softplus": _softplus,
    }.items()
}
_FUSED = {"identity": IDENTITY, "relu": RELU}


def activation_code(name, dtype):
    """What stands in the layout for an activation: IDENTITY, RELU, or the address of a stage."""
    return _FUSED[name] if name in _FUSED else STAGES[name].address(dtype)
