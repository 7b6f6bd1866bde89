"""Losses: which there are, the numbers that their kernels need, the targets that they take, and their scores."""

from numbers import Real

import numpy as np
from sklearn.metrics import d2_pinball_score

from ._compat import InvalidParameterError
from ._entries import is_sequence
from ._scores import r_squared

# Of each loss, the function from raw predictions to means or probabilities.
OUT_ACTIVATIONS = {
    "squared_error": "identity",
    "absolute_error": "identity",
    "huber": "identity",
    "quantile": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "binary_log_loss": "logistic",
    "multinomial_log_loss": "softmax",
    "binary_focal": "logistic",
    "multinomial_focal": "softmax",
}
REGRESSION_LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie")
CLASSIFICATION_LOSSES = ("log_loss", "focal")
# Quadratic near zero and linear beyond, or linear throughout: parameters as in kernels/losses.py.
_CLIPPED = ("absolute_error", "huber", "quantile")


def loss_parameters(estimator, loss):
    """The numbers that a loss needs, as kernels/losses.py takes them, from an estimator's parameters."""
    if loss == "absolute_error":
        return (0.0, 1.0, 1.0)
    if loss == "huber":
        return (1.0, float(estimator.delta), float(estimator.delta))
    if loss == "quantile":
        levels = quantile_levels(estimator.quantile)
        return (0.0, *levels, *(1 - level for level in levels))
    if loss == "tweedie":
        return (float(estimator.power),)
    if loss.endswith("log_loss"):
        return (float(estimator.label_smoothing),) if estimator.label_smoothing else ()
    if loss.endswith("focal"):
        return (float(estimator.focal_gamma), float(estimator.label_smoothing))
    return ()


def quantile_levels(quantile):
    """`quantile`, a number or an increasing sequence of them, as a tuple of floats between 0 and 1."""
    levels = list(quantile) if is_sequence(quantile) else [quantile]
    is_valid = all(isinstance(q, Real) and not isinstance(q, bool) and 0 < q < 1 for q in levels)
    if not (levels and is_valid and all(a < b for a, b in zip(levels[:-1], levels[1:], strict=True))):
        raise InvalidParameterError(
            f"quantile must be a number between 0 and 1 or a sequence of such numbers that increase, got {quantile!r}."
        )
    return tuple(float(q) for q in levels)


def n_levels(loss, parameters):
    """Outputs for each target: more than one where there are several quantiles."""
    return (len(parameters) - 1) // 2 if loss in _CLIPPED else 1


def is_smooth(loss, parameters):
    """Whether the loss has a gradient everywhere."""
    return loss not in _CLIPPED or parameters[0] > 0


def check_range(loss, parameters, y):
    """Refuse targets for which a loss is not defined."""
    power = {"poisson": 1.0, "gamma": 2.0, "tweedie": parameters[0] if parameters else 0.0}.get(loss, 0.0)
    name = f"loss='tweedie' with power={power:g}" if loss == "tweedie" else f"loss={loss!r}"
    if power >= 2 and y.min() <= 0:
        raise ValueError(f"{name} needs y > 0, got a smallest value of {y.min()!s}.")
    if power >= 1 and y.min() < 0:
        raise ValueError(f"{name} needs y >= 0, got a smallest value of {y.min()!s}.")


def of_levels(values, predicted, n):
    """`values` of n quantiles a target, of shape (n_samples, n_targets, n), in the order of what is predicted.

    With the predictions themselves as values they are sorted, so that they do not cross.
    """
    shape = len(values), -1, n
    order = np.argsort(predicted.reshape(shape), axis=2, kind="stable")
    return np.take_along_axis(values.reshape(shape), order, axis=2)


def regression_score(loss, parameters, y, raw, sample_weight):
    """R^2 of the mean; of quantiles the mean of D^2, the share of the pinball loss that is explained.

    It is NaN where a mean exp(raw) is too large for a number.
    """
    if loss != "quantile":
        with np.errstate(over="ignore"):
            mean = np.exp(raw) if OUT_ACTIVATIONS[loss] == "exp" else raw
        return r_squared(y, mean, sample_weight) if np.isfinite(mean).all() else np.nan
    n = n_levels(loss, parameters)
    predicted = of_levels(raw, raw, n)
    scores = [
        d2_pinball_score(y, predicted[:, :, k], sample_weight=sample_weight, alpha=level)
        for k, level in enumerate(parameters[1 : 1 + n])
    ]
    return float(np.mean(scores))
