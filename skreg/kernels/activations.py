"""Activations of hidden units and their derivatives, written in terms of the activation itself."""

from ._jit import helper
from .elementary import logistic, tanh
from .layout import LOGISTIC, RELU, TANH


@helper
def add_intercepts_and_activate(row, intercepts, code):
    """row = activation(row + intercepts), in place; `code` IDENTITY also serves the output layer."""
    n = len(intercepts)
    zero, one = row.dtype.type(0), row.dtype.type(1)
    if code == RELU:
        for j in range(n):
            z = row[j] + intercepts[j]
            # A product, not a choice of z: it is vectorised, and a NaN stays one.
            row[j] = z * (one if z > zero else zero)
    elif code == TANH:
        for j in range(n):
            row[j] = tanh(row[j] + intercepts[j])
    elif code == LOGISTIC:
        for j in range(n):
            row[j] = logistic(row[j] + intercepts[j])
    else:
        for j in range(n):
            row[j] += intercepts[j]


@helper
def multiply_by_derivative(delta, activation, code):
    """delta *= activation'(z), given activation(z); relu's is the gate of the product that makes delta."""
    n, one = len(activation), delta.dtype.type(1)
    if code == TANH:
        for j in range(n):
            delta[j] *= one - activation[j] * activation[j]
    elif code == LOGISTIC:
        for j in range(n):
            delta[j] *= activation[j] * (one - activation[j])
