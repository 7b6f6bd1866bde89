"""Activations of hidden units, each with its derivative.

IDENTITY and RELU are part of the product that makes what they are applied to (matmul.py), and so is
relu's derivative. All others are stages: they replace a row of sums by activations and, for the way
back, leave the slopes in a buffer beside it, which cost little once the activation is known.
"""

from ._jit import helper
from .elementary import logistic, one, tanh
from .layout import IDENTITY, RELU
from .stages import NO_ADDRESS, Stage, array_at

NUMBER = activation_and_slope = None  # what a stage makes of the template


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


def _stage(name, function):
    return Stage(f"activate_{name}", _activate, 5, activation_and_slope=function)


STAGES = {"logistic": _stage("logistic", _logistic), "tanh": _stage("tanh", _tanh)}
_FUSED = {"identity": IDENTITY, "relu": RELU}


def activation_code(name, dtype):
    """What stands in the layout for an activation: IDENTITY, RELU, or the address of a stage."""
    return _FUSED[name] if name in _FUSED else STAGES[name].address(dtype)
