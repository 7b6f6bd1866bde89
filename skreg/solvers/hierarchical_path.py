"""LassoNet's path: a dense network, then ever larger penalties on the skip connection until no input is left.

The dense network is trained by Adam, under the hierarchy's constraint; along the path it is SGD with
momentum, whose steps have one length, so that the proximal step is that of kernels/hierarchy.py. Each
lambda starts from the weights and the velocity of the one before.

An input that is out at the end of a lambda stays out: its column of X and its row of weights are dropped,
and what is left becomes quicker from lambda to lambda.
"""

import warnings
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._evaluate import evaluate
from .._interrupt import DeferredInterrupt
from .._network import aligned_zeros, multiplications, pack, unpack
from .._team import Team
from .._warn import warn
from ..exceptions import DivergenceError
from ..kernels import layout as code
from .averaging import WeightAverage
from .stochastic import OptimizerState, _Epochs, fit_stochastic

STEPS = 20  # of the optimizer, at each lambda at least: twice the memory of a momentum of 0.9
_FACTOR_OF_SEARCH = 2.0
_MOST_HALVINGS = 20  # of the learning rate
_MOST_RETREATS = 8  # from lambdas at which too many inputs leave at once, before some are chosen by their weights
_WORTH_HALVING = 0.05  # share of the loss for which lambda is halved once more
_ROWS_FOR_CURVATURE, _POWER_ITERATIONS = 4096, 20
# Largest second derivative of the loss with respect to the raw prediction; elsewhere 1.
_CURVATURE = {"binary_log_loss": 0.25, "multinomial_log_loss": 0.5}


@dataclass(frozen=True)
class PathOptions:
    """How to go along the path; the names are those of the estimators' parameters.

    `n_features` is the number of inputs at which the path ends, or 0; `lambda_start`, `learning_rate` and
    `n_epochs` are None for 'auto', and `lambda_seq` is None where lambdas grow by the multiplier.
    """

    n_features: int
    lambda_start: float | None
    path_multiplier: float
    lambda_seq: tuple | None
    n_epochs: int | None
    learning_rate: float | None
    tol: float
    n_iter_no_change: float
    verbose: bool


@dataclass
class Point:
    """What is known at the end of one lambda; `norms` are those of the skip connection's rows, of all inputs."""

    lambda_: float
    norms: np.ndarray
    loss: float
    validation_loss: float
    validation_score: float
    n_epochs: int

    @property
    def n_features(self):
        return int(np.count_nonzero(self.norms))


@dataclass(frozen=True)
class Network:
    """Weights of a point: flat parameters of a network on some of the inputs."""

    spec: object
    params: np.ndarray
    inputs: np.ndarray


@dataclass
class _State:
    """All that changes along the path. What is changed in place is copied by `copy`."""

    spec: object
    params: np.ndarray
    optimizer: OptimizerState
    dataset: object
    validation: object
    inputs: np.ndarray

    def copy(self):
        params = aligned_zeros(len(self.params), self.params.dtype)
        params[:] = self.params
        moments = aligned_zeros(len(self.optimizer.moments), self.params.dtype)
        moments[:] = self.optimizer.moments
        return replace(self, params=params, optimizer=replace(self.optimizer, moments=moments))

    @property
    def lambda_(self):
        return float(self.spec.penalties[0, code.SKIP_NORM])

    def _first_weights(self):
        return unpack(self.params, self.spec.layer_units, self.spec.skip)[0][0]

    def norms(self):
        return np.linalg.norm(self._first_weights()[:, -self.spec.skip :], axis=1)

    def sizes(self):
        """Of all weights that each input has, those to hidden units too."""
        return np.linalg.norm(self._first_weights(), axis=1)

    def penalty(self):
        return self.lambda_ * float(self.norms().sum(dtype=np.float64))

    def set_lambda(self, lambda_):
        penalties = self.spec.penalties.copy()
        penalties[0, code.SKIP_NORM] = lambda_
        self.spec = replace(self.spec, penalties=penalties)

    def drop(self):
        """Leave out the inputs that are out, but for one where all are."""
        is_in = self.norms() > 0
        if not is_in.any():
            is_in[0] = True
        if not is_in.all():
            self.drop_all_but(np.flatnonzero(is_in))

    def drop_all_but(self, keep):
        """Leave out all inputs but those at some places."""
        units, skip, n_params = self.spec.layer_units, self.spec.skip, len(self.params)

        def rows(vector):
            coefs, intercepts = unpack(vector, units, skip)
            return pack([coefs[0][keep], *coefs[1:]], intercepts, vector.dtype)

        moments, self.params = self.optimizer.moments, rows(self.params)
        self.optimizer.moments = aligned_zeros(2 * len(self.params), moments.dtype)
        self.optimizer.moments[: len(self.params)] = rows(moments[:n_params])
        self.spec = replace(self.spec, layer_units=(len(keep), *units[1:]))
        self.dataset, self.inputs = _columns(self.dataset, keep), self.inputs[keep]
        if self.validation is not None:
            self.validation = replace(self.validation, dataset=_columns(self.validation.dataset, keep))


def _columns(dataset, keep):
    X = dataset.X[:, keep] if dataset.is_sparse else np.take(dataset.X, keep, axis=1)
    return replace(dataset, X=X)


def _curvature(dataset, loss):
    """Largest second derivative of the mean loss along the weights of a linear model, by power iteration."""
    step = max(1, ceil(dataset.n_samples / _ROWS_FOR_CURVATURE))
    rows = dataset.take(slice(None, None, step), np.dtype(np.float64))
    weights = np.ones(rows.n_samples) if rows.sample_weight is None else rows.sample_weight / rows.weight_unit
    direction, largest = np.ones(rows.X.shape[1]), 1.0
    intercept = 1.0
    for _ in range(_POWER_ITERATIONS):
        product = weights * (rows.X @ direction + intercept) / rows.n_samples
        direction, intercept = rows.X.T @ product, product.sum()
        largest = sqrt(direction @ direction + intercept * intercept)
        if largest == 0:
            return 1.0
        direction, intercept = direction / largest, intercept / largest
    of_loss = max(1.0, float(np.mean(rows.y))) if loss == "poisson" else _CURVATURE.get(loss, 1.0)
    return of_loss * largest


class Path:
    """Goes along the path and remembers its points, and the network of the best of them.

    Parameters
    ----------
    spec : Spec
        With a skip connection; its penalties hold the hierarchy M.
    dataset, validation : Dataset, Validation or None
    dense_options, path_options : StochasticOptions
        Of 'adam' and of 'sgd'.
    options : PathOptions
    seed : int

    Attributes
    ----------
    points : list of Point
        The first is that of the dense network.
    best : Network
        The last one if the path ends at a number of inputs or there is no validation data, else the
        sparsest of those with the smallest validation loss: less a matter of chance than the score.
    best_index : int
    learning_rate : float
    interrupted : bool
    """

    def __init__(self, spec, dataset, validation, dense_options, path_options, options, seed):
        self._dataset, self._validation, self._spec = dataset, validation, spec
        self._dense_options, self._path_options, self._options, self._seed = dense_options, path_options, options, seed
        self.points, self.best, self.best_index, self.interrupted = [], None, None, False
        self.learning_rate = options.learning_rate or 1.0 / _curvature(dataset, spec.loss)
        self._n_epochs = options.n_epochs or ceil(STEPS / ceil(dataset.n_samples / path_options.batch_size))

    def run(self, params, monitor):
        """From the initial weights to the end."""
        work = multiplications(self._spec.layer_units, self._path_options.batch_size)
        with DeferredInterrupt() as self._interrupt, Team(work):
            try:
                self._dense(params, monitor)
                self._interrupt.check()
                for state, point in self._sequence():
                    self._record(state, point)
                    self._interrupt.check()
            except KeyboardInterrupt:
                self.interrupted = True
                warn("The path was interrupted by user; it ends at the last whole lambda.")

    # The dense network -------------------------------------------------------------------------

    def _dense(self, params, monitor):
        state = OptimizerState.start(self._dense_options, params)
        with warnings.catch_warnings():
            # The path goes on from wherever it is.
            warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations", ConvergenceWarning)
            warnings.filterwarnings("ignore", "Training interrupted", UserWarning)  # the path says so
            try:
                n_epochs, self.interrupted = fit_stochastic(
                    self._spec, self._dense_options, self._dataset, params, state, self._seed, monitor
                )
            except DivergenceError as error:
                self._begin(params, state, error.epoch)
                raise
        self._begin(params, state, n_epochs)
        if self.interrupted:
            raise KeyboardInterrupt

    def _begin(self, params, state, n_epochs):
        """The path's state and first point, of the dense network."""
        optimizer = OptimizerState.start(self._path_options, params)
        optimizer.n_epochs, optimizer.n_steps = state.n_epochs, state.n_steps  # other batches and masks from here on
        inputs = np.arange(self._spec.layer_units[0])
        state = _State(self._spec, params, optimizer, self._dataset, self._validation, inputs)
        loss = evaluate(state.spec, params, self._dataset)[0]
        nothing = aligned_zeros(len(params), params.dtype)
        self._loss_of_nothing = evaluate(state.spec, nothing, self._dataset)[0]
        self._record(state, self._point(state, 0.0, loss, n_epochs))
        self._state = state

    # The sequence of lambdas -------------------------------------------------------------------

    def _sequence(self):
        """(state, point) of each lambda."""
        options, state = self._options, self._state
        if self._is_over(self.points[0]):
            return
        if options.lambda_seq is not None:
            yield from self._given(state)
            return
        if options.lambda_start is None:
            lambda_ = yield from self._search()
            state = self._state
        else:
            lambda_ = options.lambda_start
        step, n_retreats = options.path_multiplier, 0
        while True:
            after, point = self._at(state, lambda_)
            if point.n_features >= options.n_features:
                yield after, point
                if self._is_over(point):
                    return
                state = after
                lambda_ *= step
            elif state.lambda_ == 0 and lambda_ > np.finfo(np.float32).tiny:
                lambda_ /= _FACTOR_OF_SEARCH  # the first one is too large
            elif state.lambda_ > 0 and n_retreats < _MOST_RETREATS:
                # Too many have left at once: go back, and on by half of the way and in half of the time.
                step, n_retreats = sqrt(step), n_retreats + 1
                self._n_epochs = ceil(self._n_epochs / 2)
                lambda_ = state.lambda_ * step
            else:
                yield self._with_strongest(state, point.norms)
                return

    def _given(self, state):
        """(state, point) of each lambda of `lambda_seq`."""
        wanted = self._options.n_features
        for lambda_ in self._options.lambda_seq:
            after, point = self._at(state, lambda_)
            if point.n_features < wanted:
                after, point = self._with_strongest(state, point.norms)
            yield after, point
            if self._is_over(point):
                return
            state = after
        if wanted > 0:
            warn(
                f"lambda_seq ends at {lambda_:g} with {point.n_features} inputs, which are kept: more than "
                f"n_features_to_select={wanted}. Give larger lambdas, or leave them to the path by lambda_seq=None."
            )

    def _with_strongest(self, state, survivors):
        """(state, point) with as many inputs as are wanted, where all steps from `state` on leave fewer.

        They are those that survived such a step, and of the others those with the largest weights before. Where so
        many leave at once all are about to: lambda becomes smaller for as long as the network becomes better by it.
        """
        ranks = np.lexsort((state.sizes(), survivors[state.inputs]))
        state = state.copy()
        state.drop_all_but(np.sort(ranks[len(ranks) - self._options.n_features :]))
        loss_before = evaluate(state.spec, state.params, state.dataset)[0]
        lambda_, kept = state.lambda_, None
        while True:
            after, point = self._at(state, lambda_, loss_before)
            if point.n_features == self._options.n_features:
                if kept is not None and point.loss > (1 - _WORTH_HALVING) * kept[1].loss:
                    return kept
                kept = after, point
            if lambda_ == 0:
                return kept or (after, point)
            lambda_ = lambda_ / _FACTOR_OF_SEARCH if lambda_ > np.finfo(np.float32).tiny else 0.0

    def _search(self):
        """Double a tiny lambda until inputs leave; returns where to go on, at half of that."""
        state, optimizer = self._state, self._path_options
        n_steps = self._n_epochs * ceil(self._dataset.n_samples / optimizer.batch_size)
        reach = self.learning_rate * n_steps / max(1e-3, 1 - optimizer.momentum)
        lambda_ = 1e-3 * max(float(np.median(state.norms())), np.finfo(np.float32).tiny) / reach
        while True:
            after, point = self._at(state, lambda_)
            if point.n_features < len(state.inputs):
                self._state = state
                return lambda_ / _FACTOR_OF_SEARCH * self._options.path_multiplier
            yield after, point
            state, lambda_ = after, lambda_ * _FACTOR_OF_SEARCH

    def _is_over(self, point):
        return point.n_features <= self._options.n_features

    # One lambda --------------------------------------------------------------------------------

    def _at(self, before, lambda_, loss_before=0.0):
        """(state, point) at the end of a lambda; `before` is left as it is, its loss at most this or the last point's.

        Where it diverges, the learning rate is halved, for all that follows, and what is moving is stopped.
        """
        loss_before = max(loss_before, self.points[-1].loss)
        for n_halvings in range(_MOST_HALVINGS):
            state = before.copy()
            state.set_lambda(lambda_)
            if n_halvings > 0:
                state.optimizer.moments[:] = 0
                state.optimizer.reach = 0.0
            if n_halvings == 1:  # the mean over an epoch says little where it goes up and down
                loss_before = max(loss_before, evaluate(before.spec, before.params, before.dataset)[0])
            # It does not become worse than it was with this lambda, but for the noise of batches and dropout.
            most = self._loss_of_nothing / 5 + 1.1 * (loss_before + state.penalty())
            loss, n_epochs = self._train(state)
            if np.isfinite(loss) and loss + state.penalty() <= most:
                norms = state.norms()
                state.drop()
                return state, self._point(state, lambda_, loss, n_epochs, norms, before.inputs)
            self.learning_rate /= 2
        n_epochs = sum(point.n_epochs for point in self.points)
        culprit = "learning_rate_path" if self._options.learning_rate else "learning_rate_init"
        raise DivergenceError(n_epochs + 1, self.learning_rate, culprit)

    def _train(self, state):
        """(mean loss of the last epoch, or at its end without dropout where there is some; number of epochs)."""
        options = self._options
        best, stalled, done = np.inf, 0, 0
        with Team(multiplications(state.spec.layer_units, self._path_options.batch_size)) as team:
            epochs = _Epochs(
                state.spec, self._path_options, state.dataset, state.params, state.optimizer, self._seed, team,
                WeightAverage(self._path_options, state.optimizer, state.params),
            )  # fmt: skip
            while done < self._n_epochs and stalled <= options.n_iter_no_change:
                # None but the last of so many epochs can be a reason to stop.
                n_epochs = int(min(self._n_epochs - done, options.n_iter_no_change + 1 - stalled))
                terms = epochs.run(self.learning_rate, n_epochs)
                done += len(terms)
                if not np.isfinite(terms[-1]).all():
                    return np.nan, done
                objective = terms[-1].sum() + state.penalty()
                stalled = 0 if objective < best - options.tol else stalled + len(terms)
                best = min(best, objective)
                self._interrupt.check()
        loss = evaluate(state.spec, state.params, state.dataset)[0] if state.spec.has_dropout else terms[-1, 0]
        return float(loss), done

    def _point(self, state, lambda_, loss, n_epochs, norms=None, inputs=None):
        all_norms = np.zeros(self._spec.layer_units[0], state.params.dtype)
        all_norms[state.inputs if inputs is None else inputs] = state.norms() if norms is None else norms
        measured = (np.nan, np.nan)
        if state.validation is not None:
            measured = state.validation.measure(state.spec, state.params)
        return Point(lambda_, all_norms, float(loss), *measured, n_epochs)

    def _record(self, state, point):
        self.points.append(point)
        if self._options.verbose:
            print(
                f"lambda {point.lambda_:.4g}, {point.n_features} inputs, loss {point.loss:.4g}, "
                f"validation score {point.validation_score:.4g}"
            )
        if self.best is None or self._is_better(point):
            self.best, self.best_index = Network(state.spec, state.params, state.inputs), len(self.points) - 1

    def _is_better(self, point):
        if self._options.n_features or self._validation is None:
            return True
        return point.validation_loss <= self.points[self.best_index].validation_loss
