"""Full-batch training by L-BFGS, deterministic, with exact zeros where there is an l1 term."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._blas import single_blas_thread
from .._evaluate import evaluate, penalty_terms
from .._interrupt import DeferredInterrupt
from .._objective import FullBatch
from .._warn import warn
from ..exceptions import DivergenceError
from . import interior_point, proximal_newton, quasi_newton
from .linear import is_within, make_variables, polish, set_tiny_to_zero

# Relative change of F, in units of `tol`, that counts as standing still: 2.2e-9 at the default tol.
_STANDSTILL = 2.2e-5

# Why a minimisation ended.
_CONVERGED, _STALLED, _OUT_OF_ITERATIONS, _OUT_OF_EVALUATIONS, _STUCK = range(5)


class _Run:
    """One minimisation: keeps the last whole iteration and the curves, and knows when to stop."""

    def __init__(
        self, spec, dataset, objective, variables, monitor, params, *, max_iter, max_fun, tol, n_iter_no_change
    ):
        self.interrupt = DeferredInterrupt()
        self.spec, self.dataset, self.objective = spec, dataset, objective
        self.variables, self.monitor = variables, monitor
        self.max_iter, self.max_fun, self.n_iter_no_change = max_iter, max_fun, n_iter_no_change
        self.tolerance = variables.tolerance
        self.standstill = -np.inf if spec.is_linear else _STANDSTILL * tol
        self.n_still, self.n_evaluations, self.value = 0, 0, np.inf
        self.kept = params.copy(), 0, monitor.history.snapshot()  # the last whole iteration
        monitor.begin(params)

    @property
    def accepted(self):
        """Parameters of the last whole iteration."""
        return self.kept[0]

    @property
    def n_iter(self):
        return self.kept[1]

    def restore(self):
        """Back to the last whole iteration."""
        _, _, history = self.kept
        self.monitor.history.restore(history)

    def minimise(self):
        """Iterate until there is a reason to stop, and return it."""
        iterates = self.iterates()
        start = next(iterates)
        if not np.isfinite(start.residual + start.value):
            raise DivergenceError(1, None)
        self.value = start.value
        if start.residual <= self.tolerance:  # the curves show it
            self.record(start.value, self.accepted, 0)
            return _CONVERGED
        for iterate in iterates:
            self.record(iterate.value, self.variables.params(iterate.x), self.n_iter + 1)
            reason = self.reason_to_stop(iterate)
            if reason is not None:
                return reason
        if self.n_iter == 0:
            self.record(start.value, self.accepted, 0)
        return _STUCK

    def iterates(self):
        """Generator of iterates, the start included."""
        if self.objective.has_kinks:
            return interior_point.descend(self.objective, self.dataset, self.accepted, self.look)
        nonsmooth, x = self.objective.nonsmooth.scaled(self.variables.scales), self.variables.of(self.accepted)
        if nonsmooth.is_l1:
            return quasi_newton.descend(self.evaluate, x, nonsmooth.l1)
        return proximal_newton.descend(self.evaluate, x, nonsmooth)

    def look(self):
        """Before each evaluation: count it, and see whether there was an interrupt."""
        self.interrupt.check()
        self.n_evaluations += 1

    def evaluate(self, x):
        """Smooth part of F and its gradient, in the variables."""
        self.look()
        return self.variables.smooth(self.objective, x)

    def record(self, value, params, n_iter):
        """Record an iteration; only then is it the one that an interrupt returns to."""
        monitor = self.monitor
        if self.objective.spec.is_smooth != self.spec.is_smooth:  # what is minimised is not F itself
            value = sum(evaluate(self.spec, params, self.dataset)) + sum(penalty_terms(self.spec, params))
        if monitor.validation is None:
            monitor.record_losses(n_iter, [value])
        else:
            penalty, validated = sum(penalty_terms(self.spec, params)), monitor.validation.measure(self.spec, params)
            monitor.record(params, n_iter, value, penalty, validated)
        self.kept = params, n_iter, monitor.history.snapshot()

    def reason_to_stop(self, iterate):
        """Why this iteration is the last one, or None."""
        self._count_still(iterate.value)
        if self.monitor.early_stopping and self.monitor.has_stalled:
            self.monitor.stalled("Stopping.")
            return _STALLED
        if iterate.n_evaluations >= self.max_fun:
            return _OUT_OF_EVALUATIONS
        if iterate.residual <= self.tolerance:
            return _CONVERGED
        if self.n_still > self.n_iter_no_change:
            return _STALLED
        return _OUT_OF_ITERATIONS if self.n_iter >= self.max_iter else None

    def _count_still(self, value):
        """A network's F may stand still at a kink of relu; one small step alone says nothing."""
        still = self.value - value <= self.standstill * max(abs(value), abs(self.value), 1.0)
        self.n_still = self.n_still + 1 if still else 0
        self.value = value


def fit_lbfgs(spec, dataset, params, monitor, *, max_iter, max_fun, tol, n_iter_no_change):
    """Minimise F from `params` (float64), changed in place.

    Returns (number of iterations, whether it was interrupted).
    """
    dataset = dataset.compact()
    objective = FullBatch(spec, dataset)
    if not (objective.has_kinks and interior_point.is_affordable(spec)):
        objective.smooth_kinks()
    variables = make_variables(objective.spec, dataset, tol, objective)
    run = _Run(
        spec, dataset, objective, variables, monitor, params, max_iter=max_iter, max_fun=max_fun, tol=tol,
        n_iter_no_change=n_iter_no_change,
    )  # fmt: skip
    interrupted, complaint = False, None
    try:
        # Vectors are too short for BLAS threads, and sums would differ with their number.
        with run.interrupt, single_blas_thread(), objective, np.errstate(over="ignore", invalid="ignore"):
            reason = run.minimise()
            solution = _finish(run, reason)
            complaint = _complaint(run, reason, solution)
    except KeyboardInterrupt:
        interrupted = True
        run.restore()
        solution = run.accepted
        warn("Training interrupted by user; the weights of the last iteration were kept.")
    params[:] = monitor.best_params if monitor.early_stopping else solution
    if complaint is not None:
        warn(f"lbfgs failed to converge: {complaint}.", ConvergenceWarning)
    return run.n_iter, interrupted


def _finish(run, reason):
    """The solution, with the digits and zeros that the minimiser left out."""
    params = run.accepted
    if run.spec.is_linear and run.objective.spec.is_smooth and reason not in (_OUT_OF_ITERATIONS, _OUT_OF_EVALUATIONS):
        params = polish(run.objective, run.variables, params)
    return set_tiny_to_zero(run.objective, params, run.variables.tolerances)


def _complaint(run, reason, params):
    """Why the minimiser ended before it converged, and what to do; or None."""
    if reason == _STALLED or (reason == _CONVERGED and not run.objective.spec.is_smooth):
        return None
    if reason in (_OUT_OF_ITERATIONS, _OUT_OF_EVALUATIONS):
        n_evaluations = f"{run.n_evaluations} evaluations (max_fun)"
        limit = f"max_iter={run.max_iter}" if reason == _OUT_OF_ITERATIONS else n_evaluations
        return f"it reached {limit}. Increase the limit, scale the data, or raise tol"
    if is_within(run.objective, params, run.variables.tolerances):
        return None
    residual = run.objective.kkt_residuals(params).max()
    return f"it could not get below a KKT residual of {residual:.1e}. Scale the data, or raise tol"
