"""Mini-batch training: compiled epochs within a Python loop that can be interrupted between them."""

import math
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._augmentation import Mixture
from .._evaluate import evaluate, penalty_terms
from .._interrupt import DeferredInterrupt
from .._network import Workspace, aligned_empty, aligned_zeros, descent_scratch, multiplications
from .._normalization import refresh_statistics
from .._spare import borrow, give_back
from .._team import Team
from .._thinning import Thinning
from .._warn import warn
from .._weight_terms import make_feasible
from ..exceptions import DivergenceError, divergence_message
from ..kernels import layout as code
from .averaging import WeightAverage
from .measurement import Measurement
from .monitor import ENDLESS
from .schedules import LearningRate


@dataclass(frozen=True)
class StochasticOptions:
    """How to train by mini-batches; the names are those of the estimators' parameters."""

    solver: str
    batch_size: int
    max_iter: int
    shuffle: bool
    learning_rate: str
    learning_rate_init: float
    power_t: float
    momentum: float
    nesterovs_momentum: bool
    beta_1: float
    beta_2: float
    epsilon: float
    incremental: bool
    learning_rate_end: float = 0.0
    schedule_epochs: int | None = None
    warmup: float = 0.0
    clip_norm: float | None = None
    averaging: str | None = None
    averaging_start: float = 0.75
    ema_decay: float = 0.999
    augmentation: tuple = ()  # (kind, strength)

    @property
    def learning_rates(self):
        return LearningRate(
            self.learning_rate, self.learning_rate_init, self.power_t, self.learning_rate_end,
            self.schedule_epochs or self.max_iter, self.warmup,
        )  # fmt: skip

    @property
    def schedule(self):
        """What makes a schedule another one, in plain numbers."""
        shape = (float(self.learning_rate_end), self.learning_rates.n_epochs) if self.learning_rates.has_shape else ()
        warmup = (float(self.warmup),) if self.warmup > 0 else ()
        return self.learning_rate, float(self.learning_rate_init), *shape, *warmup

    @property
    def optimizer(self):
        if self.solver == "adam":
            return code.ADAM
        return code.NESTEROV if self.nesterovs_momentum and self.momentum > 0 else code.SGD


@dataclass
class OptimizerState:
    """What a fit must remember for the next one to go on as if there had been no break."""

    optimizer: int
    moments: np.ndarray  # two vectors one after the other: Adam's moments; SGD's velocity in the first
    learning_rate: float
    schedule: tuple  # of the options, that `learning_rate` comes from
    schedule_start: int = 0  # epochs before it
    n_epochs: int = 0
    n_steps: int = 0
    reach: float = 0.0  # what the average of gradients holds of one that stood still
    n_samples_seen: int = 0
    averaging: tuple = ()  # this and the rest: see averaging.py
    averaging_since: int = 0
    n_averaged: int = 0
    average: np.ndarray | None = None
    iterate: np.ndarray | None = None

    @classmethod
    def start(cls, options, params):
        moments = aligned_zeros(2 * len(params), params.dtype)
        return cls(options.optimizer, moments, options.learning_rate_init, options.schedule)

    def fits(self, options, params):
        return self.optimizer == options.optimizer and len(self.moments) == 2 * len(params)

    def resumed(self, options, dtype, anew=False):
        """A copy to go on from, which starts its schedule `anew`, or where the parameters ask for another."""
        copies = {name: _copy(getattr(self, name), dtype) for name in ("moments", "average", "iterate")}
        changed = replace(self, **copies)
        if anew or self.schedule != options.schedule:
            changed = replace(
                changed, learning_rate=options.learning_rate_init, schedule=options.schedule,
                schedule_start=self.n_epochs,
            )  # fmt: skip
        return changed


def _copy(array, dtype):
    if array is None:
        return None
    copied = aligned_empty(len(array), dtype)
    copied[:] = array
    return copied


# Small epochs run several at a time, for so long that Ctrl-C is still heard at once.
_SECONDS_AT_ONCE, _MOST_AT_ONCE = 0.05, 1000


class _LastGood:
    """The state between two epochs, to return to from within one: weights, optimizer and history.

    Between the epochs the run itself is that state, so that an interrupt at any moment finds a whole one.
    """

    def __init__(self, run):
        self._run, self._is_kept = run, False
        n_numbers = len(run.params) + len(run.state.moments)
        self._buffer = borrow(n_numbers + (0 if run.state.average is None else len(run.params)), run.params.dtype)

    def keep(self):
        """Called before an epoch."""
        run, state, n_params = self._run, self._run.state, len(self._run.params)
        np.copyto(self._buffer[:n_params], run.params)
        if state.n_steps > 0:  # else they are all zero
            np.copyto(self._buffer[n_params : 3 * n_params], state.moments)
        if state.n_averaged > 0:
            np.copyto(self._buffer[3 * n_params :], state.average)
        scalars = {name: value for name, value in vars(state).items() if not isinstance(value, np.ndarray)}
        self._rest = scalars, run.monitor.history.snapshot(), run.n_iter
        self._is_kept = True

    def release(self):
        """Called after an epoch."""
        self._is_kept = False

    def restore(self):
        if not self._is_kept:
            return
        run, state, n_params = self._run, self._run.state, len(self._run.params)
        scalars, history, run.n_iter = self._rest
        np.copyto(run.params, self._buffer[:n_params])
        if scalars["n_steps"] > 0:
            np.copyto(state.moments, self._buffer[n_params : 3 * n_params])
        else:
            state.moments[:] = 0
        if scalars["n_averaged"] > 0:
            np.copyto(state.average, self._buffer[3 * n_params :])
        vars(state).update(scalars)
        run.monitor.history.restore(history)

    def close(self):
        """Called when nothing is restored any more."""
        give_back(self._buffer)


class _Epochs:
    """Runs compiled epochs on one dataset with one workspace."""

    def __init__(self, spec, options, dataset, params, state, seed, team, averages, measurement=None):
        from ..kernels import clipping
        from ..kernels.stages import NO_ADDRESS

        self.team = team
        self.averages, self.measurement = averages, measurement or Measurement(spec)
        self.measurement.begin(team.size)
        self.average = np.empty(0, params.dtype) if state.average is None else state.average
        self.clip = self.average_stage = NO_ADDRESS
        if options.clip_norm is not None:
            self.clip = clipping.STAGES["clip"].address(params.dtype)
        if options.averaging is not None:
            from ..kernels import averaging

            self.average_stage = averaging.STAGES["average"].address(params.dtype)
        self.spec, self.options, self.dataset = spec, options, dataset
        self.params, self.state, self.seed = params, state, seed
        self.arguments = dataset.arguments()
        self.mixture = Mixture(options.augmentation, options.batch_size, spec.layer_units[-1], self.arguments[-1])
        self.workspace = Workspace(
            spec, options.batch_size, params.dtype, dataset.is_sparse, team.size, descends=True,
            codes=self.mixture.codes,
        )  # fmt: skip
        self.network = Thinning(spec, params, self.workspace.layout, dataset.is_sparse)
        self.subset = np.empty(0, np.int64) if dataset.rows is None else dataset.rows.astype(np.int64, copy=False)
        self.order = np.arange(dataset.n_samples) if dataset.rows is None else self.subset.copy()
        self.scratch = descent_scratch(
            spec.layer_units, spec.skip, spec.normalization, params.dtype, dataset.is_sparse, team.size,
            whole=options.clip_norm is not None,
        )  # fmt: skip
        self.n_steps = -(-dataset.n_samples // options.batch_size)  # in an epoch
        self.rates = np.empty(code.N_RATES)
        self.rates[code.MOMENTUM], self.rates[code.EPSILON] = options.momentum, options.epsilon
        self.rates[code.BETA_1], self.rates[code.BETA_2] = options.beta_1, options.beta_2
        self.rates[code.CLIP_NORM] = options.clip_norm or 0.0

    def run(self, learning_rate, n_epochs=1, patience=ENDLESS):
        """Train some epochs, up to one that diverges, with one learning rate or with one for each step.

        Or up to that whose loss is not good enough for `patience`, see `Monitor.patience`.

        Returns the objective's four terms in the order of the formula, one row an epoch.
        """
        from ..kernels.entry import train_epochs
        from ..kernels.losses import loss_stage

        spec, options, state, workspace = self.spec, self.options, self.state, self.workspace
        network = self.network
        learning_rates, terms = np.empty(n_epochs * self.n_steps), np.empty((n_epochs, 4))
        learning_rates[:] = learning_rate
        average_rates, n_averaged = self.averages.rates(n_epochs, self.n_steps)
        *tables, kept = self.measurement.arguments(n_epochs, self.params)
        n_done, state.reach = self.team.run(
            train_epochs, *self.arguments, self.mixture.weights, self.subset, self.order, options.shuffle, self.params,
            network.params, state.moments, workspace.layout, network.layout, network.penalties,
            loss_stage(spec.loss, self.params.dtype), spec.loss_numbers, options.optimizer, self.rates, learning_rates,
            self.clip, self.average_stage, self.average, average_rates, n_averaged, options.batch_size, self.seed,
            state.n_epochs, state.n_steps, state.reach, n_epochs, np.array(patience, float), *tables, terms.reshape(-1),
            kept, workspace.work, workspace.row_terms, workspace.panels, *self.scratch,
        )  # fmt: skip
        n_done = int(n_done)
        state.n_epochs += n_done
        state.n_averaged = int(n_averaged[n_done - 1])
        state.n_steps += n_done * self.n_steps
        state.n_samples_seen += n_done * self.dataset.n_samples
        return terms[:n_done]


def fit_stochastic(spec, options, dataset, params, state, seed, monitor):
    """Train `params` and `state` in place. Returns (number of epochs run, whether it was interrupted).

    Raises
    ------
    DivergenceError
        If the objective is no longer finite, unless early stopping has weights to return to.
    """
    schedule = options.learning_rates
    schedule.current = state.learning_rate
    monitor.begin(params)
    may_be_stale = spec.normalization == "batch" and options.averaging is not None
    n_epochs_before, params_before = state.n_epochs, params.copy() if may_be_stale else None
    averages = WeightAverage(options, state, params)
    if options.averaging is not None:  # both may be of a fit without the constraints
        make_feasible(spec, params)
        if state.n_averaged > 0:
            make_feasible(spec, state.average)
    run = _Run(spec, options, dataset, params, state, seed, schedule, monitor, averages)
    interrupted, divergence = False, None
    try:
        with DeferredInterrupt() as interrupt, Team(multiplications(spec.layer_units, options.batch_size)) as team:
            run.epochs(_Epochs(spec, options, dataset, params, state, seed, team, averages, run.measurement), interrupt)
    except KeyboardInterrupt:
        interrupted = True
        run.good.restore()
        warn("Training interrupted by user; the weights of the last whole epoch were kept.")
    except DivergenceError as error:
        divergence = error
    finally:
        averages.finish(params)
    run.good.close()
    state.learning_rate = schedule.current
    if monitor.early_stopping:
        np.copyto(params, monitor.best_params)
        if options.averaging == "swa" and state.n_averaged == 0 and not options.incremental:
            warn(
                "Early stopping ended the fit before averaging='swa' began: lower averaging_start, or raise "
                "n_iter_no_change."
            )
    elif run.has_stale_statistics:
        if state.n_epochs == n_epochs_before:  # these data have taught it nothing
            np.copyto(params, params_before)
        else:
            refresh_statistics(spec, params, dataset)
            run.measure_again()
    if divergence is not None:
        raise divergence
    return run.n_iter, interrupted


@dataclass
class _Run:
    """The loop over the epochs of one fit."""

    spec: object
    options: StochasticOptions
    dataset: object
    params: np.ndarray
    state: OptimizerState
    seed: int
    schedule: LearningRate
    monitor: object
    averages: WeightAverage
    n_iter: int = 0
    seconds_an_epoch: float = np.inf

    def __post_init__(self):
        self.good = _LastGood(self)
        self.measurement = Measurement.of_fit(self.spec, self.options, self.dataset, self.seed, self.monitor)

    def epochs(self, epochs, interrupt):
        """Run epochs until one of the reasons to stop."""
        while self.n_iter < self.options.max_iter:
            stop = self._some(epochs)
            interrupt.check()
            if stop or self.options.incremental:
                return
        if self.schedule.has_shape:  # it has come to its end
            return
        warn(
            f"Stochastic Optimizer: Maximum iterations ({self.n_iter}) reached and the optimization hasn't converged "
            "yet. Scale the inputs (and in regression the target), or raise max_iter or learning_rate_init.",
            ConvergenceWarning,
        )

    def _n_at_once(self):
        """Most epochs to run before Python looks at them: none but the last of them can be a reason to stop."""
        monitor, is_known_ahead, until_stalled = self.monitor, self.schedule.is_known_ahead, np.inf
        if self.measurement.is_apart or monitor.verbose or self.options.incremental or not is_known_ahead:
            return 1
        if monitor.early_stopping:
            until_stalled = monitor.n_iter_no_change - monitor.history.no_improvement_count + 1
        in_time = _SECONDS_AT_ONCE / self.seconds_an_epoch
        most = min(_MOST_AT_ONCE, self.measurement.most_at_once(self.params))
        return int(max(1, min(self.options.max_iter - self.n_iter, until_stalled, in_time, most)))

    @property
    def _needs_all(self):
        """Whether a plateau of the training loss is no reason to stop."""
        takes_its_time = self.schedule.has_shape or self.options.averaging == "swa"
        return takes_its_time and not self.monitor.early_stopping

    def _learning_rates(self, epochs, n_epochs):
        state = self.state
        return self.schedule.of_steps(state.n_epochs - state.schedule_start, n_epochs, epochs.n_steps)

    def _some(self, epochs):
        """Train some epochs and record them. Returns whether to stop."""
        self.good.keep()
        n_epochs, start = self._n_at_once(), perf_counter()
        rates, patience = self._learning_rates(epochs, n_epochs), ENDLESS if self._needs_all else self.monitor.patience
        objectives = self._objectives(epochs.run(rates, n_epochs, patience))
        finite = [objective for objective in objectives if math.isfinite(objective[0])]
        if len(finite) < len(objectives):
            self.good.restore()
            if finite:  # the same again, bit for bit
                epochs.run(rates[: len(finite) * epochs.n_steps], len(finite), patience)
        if finite:
            self._record(finite)
        self.seconds_an_epoch = (perf_counter() - start) / len(objectives)
        self.good.release()
        if len(finite) < len(objectives):
            self._diverged(objectives[-1][0], rates[len(finite) * epochs.n_steps :].max())
            return True
        return not self._needs_all and self.monitor.has_stalled and self._stalled()

    def _record(self, objectives):
        """The ends of the last epochs, with what `_objectives` says of them."""
        if self.monitor.validation is None:
            self.monitor.record_losses(self.n_iter + 1, [loss for loss, _ in objectives])
        else:
            for epoch, (loss, penalty) in enumerate(objectives):
                shown, validated = self._at_end_of(epoch)
                self.monitor.record(shown, self.n_iter + 1 + epoch, loss, penalty, validated)
        self.n_iter += len(objectives)
        self.schedule.end_epoch(self.state.n_samples_seen)

    def _at_end_of(self, epoch):
        """(parameters, what validation data say of them) at the end of one of the last epochs."""
        shown = self.averages.shown(self.params)
        if self.measurement.is_apart:
            return shown, self.monitor.validation.measure(self.spec, shown)
        return self.measurement.shown_after(epoch, shown), self.measurement.validated_after(epoch)

    def _diverged(self, loss, learning_rate):
        self.n_iter += 1
        self.monitor.diverged(loss)
        _report_divergence(self.n_iter, float(learning_rate), self.monitor.has_best)

    @property
    def has_stale_statistics(self):
        """Whether batch normalisation's statistics are averages, which are not those at the average of the weights."""
        return self.spec.normalization == "batch" and self.state.n_averaged > 0

    def measure_again(self):
        """The last entry of the curve, at new statistics."""
        history = self.monitor.history
        if self.n_iter > 0 and np.isfinite(history.loss_curve[-1]):
            history.loss_curve[-1] = float(sum(evaluate(self.spec, self.params, self.measurement.rows))
                                           + sum(penalty_terms(self.spec, self.params)))  # fmt: skip
            history.best_loss = min(loss for loss in history.loss_curve if np.isfinite(loss))

    def _objectives(self, terms):
        """[(F, its penalty on weights and biases)] after the epochs with these terms, one row each."""
        loss, weights, biases, activity = terms.T
        if self.measurement.is_apart and np.isfinite(loss).all():
            shown = self.averages.shown(self.params)
            if self.has_stale_statistics:
                refresh_statistics(self.spec, shown, self.dataset)
            loss, activity = evaluate(self.spec, shown, self.measurement.rows)
            weights, biases = penalty_terms(self.spec, shown)
        totals, penalties = loss + weights + biases + activity, np.add(weights, biases)
        return list(zip(np.atleast_1d(totals).tolist(), np.atleast_1d(penalties).tolist(), strict=True))

    def _stalled(self):
        action, stop = self.schedule.plateau()
        self.monitor.stalled(action)
        if not stop:
            self.monitor.history.no_improvement_count = 0
        return stop


def _report_divergence(epoch, learning_rate, has_best):
    if not has_best:
        raise DivergenceError(epoch, learning_rate)
    kept = "the best weights so far were restored"
    warn(divergence_message(epoch, learning_rate, "learning_rate_init", kept), ConvergenceWarning)
