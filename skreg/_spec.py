"""Parameters of an estimator -> typed specification: the one place where strings become codes.

Everything that can be refused without looking at the data's values is refused here.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np
from scipy import sparse

from ._compat import InvalidParameterError
from ._entries import is_sequence, n_dimensions, n_entries
from ._losses import is_smooth, loss_parameters
from ._weight_terms import penalties_of, set_constraints, set_penalties
from .kernels import layout as code

ACTIVATIONS = (
    "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus",
)  # fmt: skip
DROPOUT_KINDS = ("bernoulli", "batchwise", "gaussian", "alpha")


@dataclass(frozen=True, eq=False)
class Spec:
    """What is trained: the shape of the network and its objective.

    It never changes, so that what follows from it is worked out once, here or in caches that know it as an object.

    `activations` has one name for each hidden layer, `penalties` one row for each layer of weights, with
    the columns of `kernels.layout`; the dropout rate of a layer is that of its input. `loss_parameters` are
    the numbers that the loss needs, see `kernels.losses`. `dropout_kind` says what noise the rates stand for;
    `input_noise` has one standard deviation for all columns of X or one for each, or none. `normalization`
    of the hidden layers is 'batch', 'layer' or None. `skip` is the number of outputs where there is a skip
    connection to them, as LassoNet has it (kernels/skip.py; not with normalisation), else 0.
    """

    layer_units: tuple
    activations: tuple
    loss: str
    penalties: np.ndarray
    loss_parameters: tuple = ()
    normalization: str | None = None
    dropout_kind: str = "bernoulli"
    input_noise: tuple = ()
    skip: int = 0

    @property
    def n_layers(self):
        return len(self.layer_units) - 1

    @cached_property
    def loss_numbers(self):
        """`loss_parameters` as the kernels take them."""
        return np.asarray(self.loss_parameters, dtype=np.float64)

    @property
    def is_smooth(self):
        """Whether the loss has a gradient everywhere."""
        return is_smooth(self.loss, self.loss_parameters)

    @property
    def is_linear(self):
        return self.n_layers == 1

    @cached_property
    def fingerprint(self):
        """The same for specifications of the same objective."""
        plain = (getattr(self, field.name) for field in fields(self) if field.name != "penalties")
        return repr((*plain, self.penalties.tolist()))

    @cached_property
    def has_dropout(self):
        return bool(self.penalties[:, code.DROPOUT].any())

    @property
    def proxes(self):
        """Name of the proximal stage of each layer's weights (kernels/proximal.py), or None."""
        if self.skip:
            return ("hierarchical", *[None] * (self.n_layers - 1))
        needed = self.penalties[:, [code.COEF_GROUP, code.POSITIVE]].any(axis=1)
        return tuple(["rows" if is_needed else None for is_needed in needed.tolist()])

    @property
    def projections(self):
        """Name of the projection of each layer's weights after a step (kernels/projections.py), or None."""
        return tuple(["columns" if max_norm else None for max_norm in self.penalties[:, code.MAX_NORM].tolist()])

    @property
    def has_noise(self):
        return self.has_dropout or bool(self.input_noise)

    @cached_property
    def without_noise(self):
        """The same network without dropout and noise on its inputs; itself where it has none."""
        if not self.has_noise:
            return self
        penalties = self.penalties.copy()
        penalties[:, code.DROPOUT] = 0.0
        return replace(self, penalties=penalties, input_noise=())


def hidden_units(hidden_layer_sizes):
    """`hidden_layer_sizes` as a tuple of positive ints; () is the linear model."""
    sizes = list(hidden_layer_sizes) if is_sequence(hidden_layer_sizes) else [hidden_layer_sizes]
    if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
        raise InvalidParameterError(
            f"hidden_layer_sizes must be a whole number > 0 or a sequence of them, got {hidden_layer_sizes!r}."
        )
    if any(size <= 0 for size in sizes):
        raise InvalidParameterError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return tuple(int(size) for size in sizes)


def per_layer(name, value, n_layers, layers, upper=np.inf):
    """`value`, a number or a sequence with one number a layer, as an array of length `n_layers`.

    `upper` is the largest number that is allowed; an open bound is given as the float below it.
    """
    if isinstance(value, float) and 0 <= value <= upper and value < np.inf:  # nearly always
        return np.full(n_layers, value)
    is_one = n_dimensions(value) == 0
    if isinstance(value, str) or n_dimensions(value) > 1:
        raise InvalidParameterError(f"{name} must be a number or have one for each of the {layers}, got {value!r}.")
    entries = [value] * n_layers if is_one else list(value)
    if len(entries) != n_layers:
        raise InvalidParameterError(
            f"{name} must be a number or have one entry for each of the {n_layers} {layers}, got {value!r}."
        )
    for entry in [value] if is_one else entries:
        if not isinstance(entry, Real) or not 0 <= entry <= upper or not np.isfinite(entry):
            bound = "a finite number >= 0" if upper == np.inf else f"in [0, 1{']' if upper == 1 else ')'}"
            every = "column" if layers == "columns of X" else "layer"
            raise InvalidParameterError(f"{name} must be {bound} in every {every}, got {value!r}.")
    return np.asarray(entries, dtype=np.float64)


_BELOW_ONE = np.nextafter(1.0, 0.0)


def make_penalties(estimator, layer_units):
    """The table of penalties, constraints and dropout rates of an estimator's parameters."""
    n_layers = len(layer_units) - 1
    n_hidden = n_layers - 1
    table = np.zeros((n_layers, code.N_PENALTIES))
    alpha = per_layer("alpha", estimator.alpha, n_layers, "layers of weights")
    l1_ratio = per_layer("l1_ratio", estimator.l1_ratio, n_layers, "layers of weights", upper=1)
    set_penalties(table, penalties_of(estimator.penalty, n_layers), alpha, l1_ratio, layer_units)
    set_constraints(table, estimator)

    beta = per_layer("bias_penalty", estimator.bias_penalty, n_layers, "layers of weights")
    ratio = per_layer("bias_l1_ratio", estimator.bias_l1_ratio, n_layers, "layers of weights", upper=1)
    table[:, code.INTERCEPT_L1], table[:, code.INTERCEPT_L2] = beta * ratio, beta * (1 - ratio)

    gamma = per_layer("activity_penalty", estimator.activity_penalty, n_hidden, "hidden layers")
    ratio = per_layer("activity_l1_ratio", estimator.activity_l1_ratio, n_hidden, "hidden layers", upper=1)
    table[:n_hidden, code.ACTIVITY_L1] = gamma * ratio
    table[:n_hidden, code.ACTIVITY_L2] = gamma * (1 - ratio)

    table[1:, code.DROPOUT] = per_layer("dropout", estimator.dropout, n_hidden, "hidden layers", upper=_BELOW_ONE)
    table[0, code.DROPOUT] = per_layer("input_dropout", estimator.input_dropout, 1, "input", upper=_BELOW_ONE)[0]
    _refuse_contradictions(estimator, n_hidden, table)
    return table


def _refuse_contradictions(estimator, n_hidden, table):
    if n_hidden == 0:
        for name in ("dropout", "activity_penalty"):
            if np.any(np.asarray(getattr(estimator, name), dtype=float) > 0):
                instead = ": use input_dropout, or" if name == "dropout" else ":"
                raise ValueError(
                    f"{name}={getattr(estimator, name)!r} needs a hidden layer, but hidden_layer_sizes is empty"
                    f"{instead} set {name}=0."
                )
    if estimator.solver == "lbfgs" and table[:, code.DROPOUT].any():
        raise ValueError(
            "solver='lbfgs' needs the same objective at every evaluation and so cannot be used with dropout, got "
            f"dropout={estimator.dropout!r}, input_dropout={estimator.input_dropout!r}: use solver='adam' or 'sgd', "
            "or set both to 0."
        )


def activations_of(activation, n_hidden):
    """`activation`, a name or a sequence with one name for each hidden layer, as a tuple of `n_hidden` names."""
    is_one = not is_sequence(activation)
    names = [activation] * n_hidden if is_one else list(activation)
    if len(names) != n_hidden:
        raise InvalidParameterError(
            f"activation must be a name or have one entry for each of the {n_hidden} hidden layers, got {activation!r}."
        )
    given = [activation] if is_one else names
    if any(not isinstance(name, str) or name not in ACTIVATIONS for name in given):
        raise InvalidParameterError(f"activation must be among {', '.join(ACTIVATIONS)}, got {activation!r}.")
    return tuple([str(name) for name in names])


def normalization_of(estimator, layer_units):
    """'batch', 'layer' or None, by an estimator's parameters."""
    wanted = [kind for kind in ("batch", "layer") if getattr(estimator, f"{kind}_norm")]
    if len(wanted) > 1:
        raise ValueError("batch_norm=True and layer_norm=True exclude each other: set one of them to False.")
    if not wanted:
        return None
    (kind,), hidden = wanted, layer_units[1:-1]
    if not hidden:
        raise ValueError(
            f"{kind}_norm=True needs a hidden layer, but hidden_layer_sizes is empty: set {kind}_norm=False."
        )
    if kind == "batch" and estimator.solver == "lbfgs":
        raise ValueError(
            "solver='lbfgs' goes through the rows in blocks and so cannot be used with batch_norm=True: use "
            "solver='adam' or 'sgd', or layer_norm=True."
        )
    if kind == "layer" and min(hidden) == 1:
        raise ValueError(
            "layer_norm=True needs at least 2 units in each hidden layer, as one unit alone is always normalised to 0, "
            f"got hidden_layer_sizes={tuple(hidden)!r}: set layer_norm=False, or add units."
        )
    return kind


_BY_PARAMETERS = object()

# What a specification is made of, beside the units.
_OF_SPEC = (
    "activation", "activity_l1_ratio", "activity_penalty", "alpha", "batch_norm", "bias_l1_ratio", "bias_penalty",
    "delta", "dropout", "dropout_kind", "focal_gamma", "input_dropout", "input_noise", "l1_ratio", "label_smoothing",
    "layer_norm", "learning_rate_init", "max_norm", "penalty", "positive", "power", "quantile", "solver",
    "weight_decay",
)  # fmt: skip
# NumPy's numbers are those of grids: the entries of np.logspace are no floats.
_UNCHANGING = {str, float, int, bool, type(None), np.float64, np.float32, np.int64, np.int32, np.bool_}


def make_spec(estimator, layer_units, loss, activation=None, numbers=None, normalization=_BY_PARAMETERS):
    """Specification of a network with these units in each layer, inputs first, and `estimator`'s penalties.

    `activation`, `numbers`, which the loss needs, and `normalization` are those of a fitted network; by default
    they are taken from the estimator's parameters.
    """
    question = tuple(layer_units), loss, activation, numbers, normalization
    values = tuple([getattr(estimator, name, None) for name in _OF_SPEC])
    if not _UNCHANGING.issuperset(map(type, values)) or getattr(estimator, "kept_features_", None) is not None:
        return _make_spec(estimator, *question)
    return _spec_of(question, *values)


@lru_cache(maxsize=256, typed=True)  # 1, 1.0 and True are equal, and judged apart
def _spec_of(question, *values):
    """The same object for the same parameters, as in the folds of a search."""
    return _make_spec(SimpleNamespace(**dict(zip(_OF_SPEC, values, strict=True))), *question)


def _make_spec(estimator, layer_units, loss, activation, numbers, normalization):
    n_hidden = len(layer_units) - 2
    spec = Spec(
        layer_units=layer_units,
        activations=activations_of(estimator.activation if activation is None else activation, n_hidden),
        loss=loss,
        penalties=make_penalties(estimator, layer_units),
        loss_parameters=loss_parameters(estimator, loss) if numbers is None else numbers,
        normalization=(normalization_of(estimator, layer_units) if normalization is _BY_PARAMETERS else normalization),
        dropout_kind=estimator.dropout_kind,
        input_noise=input_noise_of(_of_kept_inputs(estimator, layer_units[0]), layer_units[0]),
    )
    _refuse_alpha_dropout(estimator, spec)
    _refuse_noise_with_lbfgs(estimator, spec)
    return spec


def _of_kept_inputs(estimator, n_features):
    """`input_noise`, of the inputs that a pruned network still has where it names all."""
    value, kept = estimator.input_noise, getattr(estimator, "kept_features_", None)
    if kept is None or n_entries(value) == n_features or n_entries(value) != estimator.n_features_in_:
        return value
    return np.asarray(value)[kept] if n_dimensions(value) else value


def input_noise_of(value, n_features):
    """`input_noise` as a tuple: one standard deviation for all columns, one for each, or nothing without noise."""
    deviations = per_layer("input_noise", value, n_features, "columns of X")
    if not deviations.any():
        return ()
    return tuple(deviations.tolist()) if n_dimensions(value) else (float(value),)


def _refuse_alpha_dropout(estimator, spec):
    dropped = spec.penalties[1:, code.DROPOUT] > 0
    if spec.dropout_kind == "alpha" and any(name != "selu" for name in np.array(spec.activations)[dropped]):
        raise ValueError(
            "dropout_kind='alpha' is made for the mean and variance of selu's outputs, got "
            f"activation={estimator.activation!r}: use activation='selu', or dropout_kind='bernoulli' or 'gaussian'."
        )


def _refuse_noise_with_lbfgs(estimator, spec):
    if estimator.solver == "lbfgs" and spec.input_noise:
        raise ValueError(
            "solver='lbfgs' needs the same objective at every evaluation and so cannot be used with input_noise, got "
            f"input_noise={estimator.input_noise!r}: use solver='adam' or 'sgd', or set input_noise=0."
        )


def refuse_dense_noise(estimator, spec, X):
    """Refuse noise that would make sparse X dense."""
    if not sparse.issparse(X):
        return
    if spec.input_noise:
        raise ValueError(
            f"input_noise={estimator.input_noise!r} would make sparse X dense: give X.toarray(), or set input_noise=0 "
            "and use input_dropout, which leaves zeros what they are."
        )
    if spec.dropout_kind == "alpha" and spec.penalties[0, code.DROPOUT] > 0:
        raise ValueError(
            f"dropout_kind='alpha' with input_dropout={spec.penalties[0, code.DROPOUT]} would make sparse X dense: "
            "give X.toarray(), or set input_dropout=0, or dropout_kind='bernoulli' or 'gaussian'."
        )


def takes_sparse(estimator):
    """Whether an estimator's parameters go with sparse X."""
    is_noisy = bool(np.any(np.asarray(estimator.input_noise, dtype=object)))
    moves_zeros = estimator.dropout_kind == "alpha" and bool(estimator.input_dropout)
    return estimator.augmentation is None and not is_noisy and not moves_zeros


@lru_cache(maxsize=256)
def prediction_spec(layer_units, activation, normalization=None):
    """Specification that is enough for a forward pass; `activation` must be hashable."""
    table = np.zeros((len(layer_units) - 1, code.N_PENALTIES))
    activations = activations_of(activation, len(layer_units) - 2)
    return Spec(layer_units, activations, "squared_error", table, normalization=normalization)
