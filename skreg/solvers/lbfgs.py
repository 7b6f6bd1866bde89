"""Full-batch training by SciPy's L-BFGS-B, deterministic, with exact zeros where there is an l1 term.

A parameter w with an l1 term is split into w = u - v with u, v >= 0, where |w|_1 = sum(u + v) is smooth;
the bounds make zeros exact. Without l1 terms this is plain L-BFGS.

Byrd, Lu, Nocedal & Zhu (1995), doi:10.1137/0916069.
"""

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from .._blas import single_blas_thread
from .._evaluate import penalty_terms
from .._interrupt import DeferredInterrupt
from .._objective import FullBatch
from .._warn import warn
from ..exceptions import DivergenceError
from .linear import is_within, make_variables, polish, set_tiny_to_zero

# Stands for a value that is not finite while the line search looks for a shorter step.
_FAR_TOO_LARGE = 1e200
# Relative change of F, in units of `tol`, that counts as standing still: 2.2e-9 at the default tol,
# which is SciPy's own default.
_STANDSTILL = 2.2e-5


class _Split:
    """The variables that L-BFGS-B sees.

    Parameters are measured in units, and the intercept may be that of centred columns (see
    `linear.Variables`); those with an l1 term are differences of two non-negative variables.
    """

    def __init__(self, l1, variables):
        self.where = np.flatnonzero(l1)
        self.units, self.center = variables.units, variables.center
        self.l1 = (l1 / self.units)[self.where]
        self.n_params = len(l1)

    def _shift(self, params, sign):
        """Intercepts for centred columns (sign = 1) or back (sign = -1), in place."""
        if self.center is not None:
            n_outputs = self.n_params // (len(self.center) + 1)
            params[-n_outputs:] += sign * (self.center @ params[:-n_outputs].reshape(-1, n_outputs))
        return params

    def start(self, params):
        scaled = self._shift(params.copy(), 1) * self.units
        x = np.concatenate([scaled, np.zeros(len(self.where))])
        x[self.where] = np.maximum(scaled[self.where], 0)
        x[self.n_params :] = np.maximum(-scaled[self.where], 0)
        return x

    def params(self, x):
        scaled = x[: self.n_params].copy()
        scaled[self.where] -= x[self.n_params :]
        return self._shift(scaled / self.units, -1)

    def _gradient(self, gradient):
        """With respect to the shifted and scaled parameters."""
        gradient = gradient.copy()
        if self.center is not None:
            n_outputs = self.n_params // (len(self.center) + 1)
            gradient[:-n_outputs] -= np.outer(self.center, gradient[-n_outputs:]).ravel()
        return gradient / self.units

    def bounds(self):
        if len(self.where) == 0:
            return None
        low = np.full(self.n_params + len(self.where), -np.inf)
        low[self.where] = low[self.n_params :] = 0
        return np.column_stack([low, np.full(len(low), np.inf)])

    def overlap(self, x):
        """What the l1 terms count too much where both parts of a parameter are positive."""
        return 2 * (self.l1 @ np.minimum(x[self.where], x[self.n_params :]))

    def value_and_gradient(self, value, gradient, x):
        """Of F in these variables, from value and gradient of its smooth part in the parameters."""
        positive, negative = x[self.where], x[self.n_params :]
        value += self.l1 @ (positive + negative)
        scaled = self._gradient(gradient)
        full = np.concatenate([scaled, self.l1 - scaled[self.where]])
        full[self.where] += self.l1
        return value, full


class _Run:
    """One minimisation: keeps the last accepted point, the curves, and the reason to stop."""

    def __init__(self, spec, objective, split, monitor, standstill, n_iter_no_change):
        self.interrupt = DeferredInterrupt()
        self.spec, self.objective, self.split, self.monitor = spec, objective, split, monitor
        self.standstill, self.n_iter_no_change = standstill, n_iter_no_change
        self.n_still, self.value = 0, np.inf
        self.started = self.has_stopped = False
        self.kept = None  # (params, number of iterations, history) of the last whole iteration

    def evaluate(self, x):
        self.interrupt.check()
        value, gradient = self.objective.smooth(self.split.params(x))
        if not np.isfinite(value):
            if not self.started:
                raise DivergenceError(1, None)
            return _FAR_TOO_LARGE, np.zeros_like(x)
        return self.split.value_and_gradient(value, gradient, x)

    def begin(self, x):
        self.kept = self.split.params(x), 0, self.monitor.history.snapshot()
        self.monitor.begin(self.accepted)
        self.evaluate(x)
        self.started = True

    def accept(self, *, intermediate_result):
        """Called by SciPy after each iteration."""
        value = float(intermediate_result.fun - self.split.overlap(intermediate_result.x))
        self.record(value, self.split.params(intermediate_result.x), self.n_iter + 1)
        self._count_still(value)
        monitor = self.monitor
        stalled = monitor.early_stopping and monitor.has_stalled
        if stalled:
            monitor.stalled("Stopping.")
        if stalled or self.n_still > self.n_iter_no_change:
            self.has_stopped = True
            raise StopIteration

    def record(self, value, params, n_iter):
        """Record an iteration; only then is it the one that an interrupt returns to."""
        monitor = self.monitor
        penalty = 0.0 if monitor.validation is None else sum(penalty_terms(self.spec, params))
        monitor.record(self.spec, params, n_iter, value, penalty)
        self.kept = params, n_iter, monitor.history.snapshot()

    def restore(self):
        """Back to the last whole iteration."""
        _, _, history = self.kept
        self.monitor.history.restore(history)

    @property
    def accepted(self):
        return self.kept[0]

    @property
    def n_iter(self):
        return self.kept[1]

    def _count_still(self, value):
        """A network's F may stand still at a kink of relu; one small step alone says nothing."""
        still = self.value - value <= self.standstill * max(abs(value), abs(self.value), 1.0)
        self.n_still = self.n_still + 1 if still else 0
        self.value = value


def fit_lbfgs(spec, dataset, params, monitor, *, max_iter, max_fun, tol, n_iter_no_change):
    """Minimise F from `params` (float64), changed in place.

    Returns (number of iterations, whether it was interrupted).
    """
    objective = FullBatch(spec, dataset)
    variables = make_variables(spec, dataset, tol, objective)
    tolerances = variables.tolerances
    split = _Split(objective.l1, variables)
    standstill = -np.inf if spec.is_linear else _STANDSTILL * tol
    run = _Run(spec, objective, split, monitor, standstill, n_iter_no_change)
    x = split.start(params)
    interrupted, complaint = False, None
    try:
        # SciPy's vector operations are too short for BLAS threads, and would differ with their number.
        with run.interrupt, single_blas_thread(), objective:
            run.begin(x)
            result = minimize(
                run.evaluate, x, jac=True, method="L-BFGS-B", bounds=split.bounds(), callback=run.accept,
                options={
                    "maxiter": max_iter, "maxfun": max_fun, "gtol": (tolerances / variables.units).min(), "ftol": 0.0,
                },
            )  # fmt: skip
            if run.n_iter == 0:  # optimal from the start: the curves show that
                run.record(float(result.fun), run.accepted, 0)
            solution = _finish(run, objective, result, tolerances)
            complaint = _complaint(run, result, objective, solution, tolerances, max_iter)
    except KeyboardInterrupt:
        interrupted = True
        run.restore()
        solution = run.accepted
        warn("Training interrupted by user; the weights of the last iteration were kept.")
    params[:] = monitor.best_params if monitor.early_stopping else solution
    if complaint is not None:
        warn(f"lbfgs failed to converge: {complaint}.", ConvergenceWarning)
    return run.n_iter, interrupted


def _finish(run, objective, result, tolerances):
    """The solution, with the digits and zeros that the minimiser left out."""
    params = run.split.params(result.x)
    if run.spec.is_linear and result.status != 1:
        params = polish(objective, params, tolerances)
    return set_tiny_to_zero(objective, params, tolerances)


def _complaint(run, result, objective, params, tolerances, max_iter):
    """Why the minimiser ended before it converged, and what to do; or None."""
    if run.has_stopped:
        return None
    if result.status == 1:
        limit = f"max_iter={max_iter}" if result.nit >= max_iter else f"{result.nfev} evaluations (max_fun)"
        return f"it reached {limit}. Increase the limit, scale the data, or raise tol"
    if is_within(objective, params, tolerances):
        return None
    residual = objective.kkt_residuals(params).max()
    return f"it could not get below a KKT residual of {residual:.1e}. Scale the data, or raise tol"
