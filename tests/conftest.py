"""What several test files need: random problems, and the kernels called as `reference.py` is called."""

import signal
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor
from skreg._data import Dataset
from skreg._network import pack, unpack
from skreg._objective import FullBatch
from skreg._spec import make_spec
from skreg._team import Team
from skreg.solvers.averaging import WeightAverage
from skreg.solvers.stochastic import OptimizerState, StochasticOptions, _Epochs

from . import reference

# What a shell starts in the background ignores interrupts, and so would the processes that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Kinds of target: (loss, number of outputs). The binary loss of several outputs is that of multilabel targets.
TARGETS = {
    "one target": ("squared_error", 1),
    "three targets": ("squared_error", 3),
    "counts": ("poisson", 1),
    "three counts": ("poisson", 3),
    "binary": ("binary_log_loss", 1),
    "multilabel": ("binary_log_loss", 3),
    "multinomial": ("multinomial_log_loss", 3),
}
# Each of scikit-learn's activations with each target, each of the others with some that take turns.
ACTIVATIONS_AND_TARGETS = [
    (activation, target)
    for number, activation in enumerate(reference.ACTIVATIONS)
    for place, target in enumerate(TARGETS)
    if number < 4 or (place - number) % 4 == 0
]
# Those of losses with parameters of their own, and these parameters. They have no kink but where y is met.
LOSSES = {
    "absolute error": ("absolute_error", 1, {}),
    "three absolute errors": ("absolute_error", 3, {}),
    "huber": ("huber", 1, {"delta": 0.8}),
    "three of huber": ("huber", 3, {"delta": 0.8}),
    "quantile": ("quantile", 1, {"quantile": 0.3}),
    "two quantiles of three": ("quantile", 6, {"quantile": [0.3, 0.9]}),
    "gamma": ("gamma", 1, {}),
    "three of gamma": ("gamma", 3, {}),
    "tweedie": ("tweedie", 1, {"power": 1.3}),
    "three of tweedie": ("tweedie", 3, {"power": 1.9}),
    "tweedie, positive": ("tweedie", 1, {"power": 2.7}),
    "tweedie, stable": ("tweedie", 1, {"power": -0.5}),
    "tweedie, normal": ("tweedie", 1, {"power": 0.0}),
    "smoothed binary": ("binary_log_loss", 1, {"label_smoothing": 0.2}),
    "smoothed multilabel": ("binary_log_loss", 3, {"label_smoothing": 0.2}),
    "smoothed multinomial": ("multinomial_log_loss", 3, {"label_smoothing": 0.2}),
    "focal binary": ("binary_focal", 1, {"focal_gamma": 2.0, "label_smoothing": 0.0}),
    "focal multilabel": ("binary_focal", 3, {"focal_gamma": 0.5, "label_smoothing": 0.1}),
    "focal multinomial": ("multinomial_focal", 3, {"focal_gamma": 2.0, "label_smoothing": 0.0}),
    "smoothed focal multinomial": ("multinomial_focal", 3, {"focal_gamma": 0.5, "label_smoothing": 0.1}),
}
LOSS_PARAMETERS = {name: parameters for name, (_, _, parameters) in LOSSES.items()}
HIDDEN = {"linear": (), "one hidden layer": (5,), "two hidden layers": (5, 3)}
# With these, Adam's first moment is the gradient, and nothing moves.
GRADIENT_RATES = {"learning_rate": 0.0, "momentum": 0.0, "beta_1": 0.0, "beta_2": 0.95, "epsilon": 1e-4}
RATES = {"learning_rate": 0.005, "momentum": 0.6, "beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-4}


def loss_and_outputs(target):
    return TARGETS[target] if target in TARGETS else LOSSES[target][:2]


def draw_data(target, n_rows=23, n_features=4, seed=0):
    """(X with many zeros, y as the loss takes it, sample weights of mean 1)."""
    rng = np.random.RandomState(seed)
    loss, n_outputs = loss_and_outputs(target)
    n_targets = n_outputs // np.size(LOSS_PARAMETERS.get(target, {}).get("quantile", 0.5))
    X = rng.randn(n_rows, n_features) * (rng.rand(n_rows, n_features) < 0.7)
    draws = {
        "poisson": lambda: rng.poisson(1.5, (n_rows, n_targets)).astype(float),
        "gamma": lambda: rng.gamma(2.0, 1.0, (n_rows, n_targets)),
        "tweedie": lambda: rng.gamma(2.0, 1.0, (n_rows, n_targets)),
        "binary_log_loss": lambda: rng.randint(0, 2, (n_rows, n_targets)).astype(float),
        "multinomial_log_loss": lambda: rng.randint(0, n_targets, (n_rows, 1)).astype(float),
    }
    draws |= {kind + "_focal": draws[kind + "_log_loss"] for kind in ("binary", "multinomial")}
    y = draws.get(loss, lambda: rng.randn(n_rows, n_targets))()
    if loss == "tweedie" and LOSS_PARAMETERS[target]["power"] < 2:  # which has zeros, or negative numbers
        y[::3] = 0.0 if LOSS_PARAMETERS[target]["power"] > 0 else -0.5
    weights = rng.randint(0, 4, n_rows) + rng.rand(n_rows) * (rng.rand(n_rows) < 0.5)
    return X, y, weights / weights.mean()


def draw_network(activation, target, hidden, *, dropout=False, seed=0):
    """A `reference.Network` whose every penalty differs from layer to layer."""
    rng = np.random.RandomState(seed + 100)
    n_hidden = len(hidden)

    def strengths(n, largest):
        return list(rng.uniform(largest / 5, largest, n))

    return reference.Network(
        activation=activation, loss=loss_and_outputs(target)[0], loss_parameters=LOSS_PARAMETERS.get(target, {}),
        alpha=strengths(n_hidden + 1, 0.05), rho=strengths(n_hidden + 1, 1.0),
        beta=strengths(n_hidden + 1, 0.05), r=strengths(n_hidden + 1, 1.0),
        gamma=strengths(n_hidden, 0.05), q=strengths(n_hidden, 1.0),
        dropout=strengths(n_hidden + 1, 0.5) if dropout else [0.0] * (n_hidden + 1),
    )  # fmt: skip


def draw_params(layer_units, seed=0):
    """(coefs, intercepts), none of them zero."""
    rng = np.random.RandomState(seed + 200)
    coefs = [rng.uniform(0.1, 0.6, shape) * rng.choice([-1, 1], shape) for shape in pairwise(layer_units)]
    return coefs, [rng.uniform(0.1, 0.5, n) * rng.choice([-1, 1], n) for n in layer_units[1:]]


def make_flat(coefs, intercepts, dtype=np.float64, vectors=()):
    return pack(coefs, intercepts, dtype, vectors)


def layer_units(coefs):
    return (len(coefs[0]), *(coef.shape[1] for coef in coefs))


def make_kernel_spec(network, units):
    """The package's specification of a reference network, by way of an estimator's parameters."""
    kind = MLPClassifier if network.loss.startswith(("binary", "multinomial")) else MLPRegressor
    estimator = kind(
        units[1:-1], network.activation, penalty=network.penalty or "elasticnet", alpha=network.alpha,
        l1_ratio=network.rho, positive=network.positive, max_norm=network.max_norm, weight_decay=network.weight_decay,
        bias_penalty=network.beta, bias_l1_ratio=network.r, activity_penalty=network.gamma,
        activity_l1_ratio=network.q, input_dropout=network.dropout[0], dropout=network.dropout[1:],
        dropout_kind=network.dropout_kind, input_noise=network.input_noise,
        **network.loss_parameters,
    )  # fmt: skip
    return make_spec(estimator, units, network.loss)


def full_batch(network, units, X, y, weights=None):
    return FullBatch(make_kernel_spec(network, units), Dataset.make(X, y, weights))


class KernelRun:
    """Training by the compiled kernels, epoch by epoch, from given weights.

    `params`, `moments`, and `order` are the kernels' own arrays.
    """

    def __init__(self, network, coefs, intercepts, X, y, weights, *, optimizer, rates, batch_size, seed, shuffled=True,
                 clip_norm=None, augmentation=None, dtype=np.float64, normalization=None, vectors=()):  # fmt: skip
        self.units = layer_units(coefs)
        self.learning_rate = rates["learning_rate"]
        self.params = pack(coefs, intercepts, dtype, vectors)
        options = StochasticOptions(
            solver="adam" if optimizer == "adam" else "sgd", nesterovs_momentum=optimizer == "nesterov",
            batch_size=batch_size, shuffle=shuffled, learning_rate="constant", learning_rate_init=self.learning_rate,
            power_t=0.5, max_iter=1, incremental=True, clip_norm=clip_norm,
            augmentation=augmentation or (),
            **{name: rates[name] for name in ("momentum", "beta_1", "beta_2", "epsilon")},
        )  # fmt: skip
        self.state = OptimizerState.start(options, self.params)
        dataset = Dataset.make(X.astype(dtype), y.astype(dtype), weights)
        spec = replace(make_kernel_spec(network, self.units), normalization=normalization)
        averages = WeightAverage(options, self.state, self.params)
        team = Team(n_multiplications=0)
        self._epochs = _Epochs(spec, options, dataset, self.params, self.state, seed, team, averages)
        self.moments, self.order = self.state.moments, self._epochs.order

    def start_at(self, epoch, step):
        """As if so many epochs and updates had been made."""
        self.state.n_epochs, self.state.n_steps = epoch, step

    def train_epoch(self, learning_rates=None):
        """The objective's four terms; the learning rates of the steps, if they are not those of `rates`."""
        (terms,) = self._epochs.run(self.learning_rate if learning_rates is None else learning_rates)
        return terms

    @property
    def gradient(self):
        """That of the last batch and of the l2 terms: with beta_1 = 0 it is Adam's first moment."""
        return self.moments[: len(self.params)]

    def layers(self):
        """(coefs, intercepts)."""
        return unpack(self.params.copy(), self.units)


class ReferenceRun:
    """The same by `reference.py`."""

    def __init__(self, network, coefs, intercepts, X, y, weights, *, optimizer, rates, batch_size, seed, shuffled=True,
                 clip_norm=None, augmentation=None):  # fmt: skip
        self.network, self.coefs, self.intercepts = network, coefs, intercepts
        self.X, self.y = X.toarray() if sparse.issparse(X) else X, y
        self.weights = np.ones(X.shape[0]) if weights is None else weights
        self.batch_size, self.seed, self.shuffled = batch_size, seed, shuffled
        self.clip_norm, self.augmentation = clip_norm, augmentation
        kind = {"sgd": reference.HeavyBall, "nesterov": reference.Nesterov, "adam": reference.Adam}[optimizer]
        names = ("beta_1", "beta_2", "epsilon") if optimizer == "adam" else ("momentum",)
        self.optimizer = kind(rates["learning_rate"], *(rates[name] for name in names))
        self.epoch, self.step = 0, 0

    def start_at(self, epoch, step):
        self.epoch, self.step = epoch, step

    def train_epoch(self, learning_rates=None):
        n = len(self.X)
        order = reference.permutation(n, self.seed, self.epoch) if self.shuffled else np.arange(n)
        self.coefs, self.intercepts, terms = reference.train_epoch(
            self.network, self.coefs, self.intercepts, self.X, self.y, self.weights, order, self.optimizer,
            self.batch_size, self.seed, self.step, learning_rates=learning_rates, clip_norm=self.clip_norm,
            augmentation=self.augmentation,
        )  # fmt: skip
        self.epoch += 1
        self.step += -(-n // self.batch_size)
        return terms

    def layers(self):
        return self.coefs, self.intercepts


def relative_error(found, expected):
    """Largest difference between two lists of arrays, in units of the largest entry of the second."""
    found, expected = (np.concatenate([np.ravel(a) for a in arrays]) for arrays in (found, expected))
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    return np.abs(found - expected).max() / np.abs(expected).max()


def check_epochs(network, coefs, intercepts, X, y, weights, *, n_epochs=3, **arguments):
    """The kernels' epochs are those of the formulas: the objective's terms, weights and intercepts after each."""
    problem = network, coefs, intercepts, X, y, weights
    found, expected = KernelRun(*problem, **arguments), ReferenceRun(*problem, **arguments)
    for _ in range(n_epochs):
        assert relative_error(found.train_epoch(), expected.train_epoch()) < 1e-12
        for parts in zip(found.layers(), expected.layers(), strict=True):
            assert relative_error(*parts) < 1e-12
