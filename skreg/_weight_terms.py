"""What `penalty`, `positive`, `max_norm` and `weight_decay` say of each layer's weights."""

from itertools import pairwise
from numbers import Real

import numpy as np

from ._compat import InvalidParameterError
from ._entries import n_dimensions
from ._network import offsets
from .kernels import layout as code

PENALTIES = ("l1", "l2", "elasticnet", "group_lasso", "sparse_group_lasso", None)


def _entries(name, value, n_layers, kind):
    """`value`, one for all or a sequence with one entry for each layer of weights, as a list."""
    is_one = value is None or isinstance(value, str) or n_dimensions(value) == 0
    entries = [value] * n_layers if is_one else list(value)
    if n_dimensions(value) > 1 or len(entries) != n_layers:
        raise InvalidParameterError(
            f"{name} must be {kind} or have one entry for each of the {n_layers} layers of weights, got {value!r}."
        )
    return entries


def penalties_of(penalty, n_layers):
    """Name of each layer's penalty."""
    names = _entries("penalty", penalty, n_layers, "a name, None")
    for name in names:
        if not (name is None or isinstance(name, str)) or name not in PENALTIES:
            raise InvalidParameterError(f"penalty must be one of {list(PENALTIES)} in every layer, got {penalty!r}.")
    return names


def set_penalties(table, names, alpha, l1_ratio, layer_units):
    """Strengths of the l1, l2 and group terms; a group is as many weights as a layer has outputs."""
    for row, name, a, ratio, fan_out in zip(table, names, alpha, l1_ratio, layer_units[1:], strict=True):
        group = a * np.sqrt(fan_out)
        row[code.COEF_L1], row[code.COEF_L2], row[code.COEF_GROUP] = {
            "l1": (a, 0.0, 0.0),
            "l2": (0.0, a, 0.0),
            "elasticnet": (a * ratio, a * (1 - ratio), 0.0),
            "group_lasso": (0.0, 0.0, group),
            "sparse_group_lasso": (a * ratio, 0.0, group * (1 - ratio)),
            None: (0.0, 0.0, 0.0),
        }[name]


def set_constraints(table, estimator):
    """What is no part of the objective: W >= 0, the largest norm of a column, and weight decay."""
    table[:, code.POSITIVE] = bool(estimator.positive)
    table[:, code.DECAY] = _weight_decay(estimator)
    table[:, code.MAX_NORM] = _max_norm(estimator.max_norm, len(table))
    if estimator.solver != "lbfgs":
        return
    if table[:, code.MAX_NORM].any():
        raise ValueError(
            "solver='lbfgs' has no constraint on the norm of a unit's weights, got "
            f"max_norm={estimator.max_norm!r}: use solver='adam' or 'sgd', or set max_norm=None."
        )
    if estimator.weight_decay > 0:
        raise ValueError(
            "weight_decay belongs to the steps of an optimizer and is no part of the objective that solver='lbfgs' "
            f"minimises, got weight_decay={estimator.weight_decay!r}: use penalty='l2' with alpha, solver='adam' or "
            "'sgd', or set weight_decay=0."
        )


def _weight_decay(estimator):
    decay, rate = estimator.weight_decay, estimator.learning_rate_init
    if estimator.solver != "lbfgs" and not decay * rate < 1:
        raise ValueError(
            "weight_decay * learning_rate_init must be < 1, lest weights change their sign, got "
            f"weight_decay={decay!r} and learning_rate_init={rate!r}."
        )
    return decay


def _max_norm(max_norm, n_layers):
    entries = _entries("max_norm", max_norm, n_layers, "a number, None")
    for entry in entries:
        if not (entry is None or (isinstance(entry, Real) and not isinstance(entry, bool) and 0 < entry < np.inf)):
            raise InvalidParameterError(
                f"max_norm must be a finite number > 0, or None, in every layer, got {max_norm!r}."
            )
    return [0.0 if entry is None else float(entry) for entry in entries]


def norm_limit(max_norm, fan_in, dtype):
    """The norm that columns of `fan_in` weights are held below, lest a sum in their own type exceed `max_norm`."""
    return max_norm * (1 - (fan_in + 8) * np.finfo(dtype).eps / 4)


def make_feasible(spec, params):
    """Project all weights on the constraints, in place, as the kernels do."""
    for (coef, intercept), (fan_in, fan_out), row in zip(
        offsets(spec.layer_units)[0], pairwise(spec.layer_units), spec.penalties, strict=True
    ):
        W = params[coef:intercept].reshape(fan_in, fan_out)
        if row[code.POSITIVE]:
            np.maximum(W, 0, out=W)
        if row[code.MAX_NORM]:
            limit = norm_limit(row[code.MAX_NORM], fan_in, params.dtype)
            norms = np.sqrt(np.square(W, dtype=np.float64).sum(axis=0))
            # What the kernels have scaled stays as it is, so that a warm start goes on bit for bit.
            too_long = norms > row[code.MAX_NORM]
            W[:, too_long] *= (limit / norms[too_long]).astype(params.dtype)
