"""Full-batch training by SciPy's L-BFGS-B, deterministic, with exact zeros where there is an l1 term.

A parameter w with an l1 term is split into w = u - v with u, v >= 0, where |w|_1 = sum(u + v) is smooth;
the bounds make zeros exact. Without l1 terms this is plain L-BFGS.

Byrd, Lu, Nocedal & Zhu (1995), doi:10.1137/0916069.
"""

from functools import cache

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from .._objective import FullBatch
from .._warn import warn
from ..exceptions import DivergenceError
from .polish import polish, set_tiny_to_zero

# Stands for a value that is not finite while the line search looks for a shorter step.
_FAR_TOO_LARGE = 1e200
# A linear model's problem is convex and cheap: it is solved as exactly as Lasso would be.
LINEAR_TOL = 1e-6


@cache
def _threadpools():
    """The thread pools of the loaded libraries; finding them takes a millisecond."""
    return ThreadpoolController()


class _Split:
    """Parameters with an l1 term as differences of two non-negative variables."""

    def __init__(self, l1):
        self.where = np.flatnonzero(l1)
        self.l1 = l1[self.where]
        self.n_params = len(l1)

    def start(self, params):
        x = np.concatenate([params, np.zeros(len(self.where))])
        x[self.where] = np.maximum(params[self.where], 0)
        x[self.n_params :] = np.maximum(-params[self.where], 0)
        return x

    def params(self, x):
        params = x[: self.n_params].copy()
        params[self.where] -= x[self.n_params :]
        return params

    def bounds(self):
        if len(self.where) == 0:
            return None
        low = np.full(self.n_params + len(self.where), -np.inf)
        low[self.where] = low[self.n_params :] = 0
        return np.column_stack([low, np.full(len(low), np.inf)])

    def value_and_gradient(self, value, gradient, x):
        """Of F in the split variables, from value and gradient of its smooth part in the parameters."""
        positive, negative = x[self.where], x[self.n_params :]
        value += self.l1 @ (positive + negative)
        full = np.concatenate([gradient, self.l1 - gradient[self.where]])
        full[self.where] += self.l1
        return value, full


class _Run:
    """One minimisation: keeps the last accepted point, the curves, and the reason to stop."""

    def __init__(self, spec, objective, split, monitor):
        self.spec, self.objective, self.split, self.monitor = spec, objective, split, monitor
        self.n_iter, self.started = 0, False
        self.accepted = None  # set by begin

    def evaluate(self, x):
        value, gradient = self.objective.smooth(self.split.params(x))
        if not np.isfinite(value):
            if not self.started:
                raise DivergenceError(1, None)
            return _FAR_TOO_LARGE, np.zeros_like(x)
        return self.split.value_and_gradient(value, gradient, x)

    def begin(self, x):
        self.accepted = self.split.params(x)
        self.monitor.begin(self.accepted)
        self.evaluate(x)
        self.started = True

    def accept(self, *, intermediate_result):
        """Called by SciPy after each iteration."""
        self.accepted = self.split.params(intermediate_result.x)
        self.n_iter += 1
        params, monitor = self.accepted, self.monitor
        penalty = 0.0
        if monitor.validation is not None:
            from .._evaluate import penalty_terms

            penalty = sum(penalty_terms(self.spec, params))
        monitor.record(self.spec, params, self.n_iter, float(intermediate_result.fun), penalty)
        if monitor.early_stopping and monitor.has_stalled:
            monitor.stalled("Stopping.")
            raise StopIteration


def fit_lbfgs(spec, dataset, params, monitor, *, max_iter, max_fun, tol):
    """Minimise F from `params` (float64), changed in place.

    Returns (number of iterations, whether it was interrupted).
    """
    objective = FullBatch(spec, dataset)
    split = _Split(objective.l1)
    run = _Run(spec, objective, split, monitor)
    x = split.start(params)
    interrupted, result = False, None
    gtol = min(tol, LINEAR_TOL) if spec.is_linear else tol
    try:
        # SciPy's vector operations are too short for BLAS threads, and would differ with their number.
        with _threadpools().limit(limits=1, user_api="blas"), objective:
            run.begin(x)
            result = minimize(
                run.evaluate, x, jac=True, method="L-BFGS-B", bounds=split.bounds(), callback=run.accept,
                options={
                    "maxiter": max_iter, "maxfun": max_fun, "gtol": gtol, "maxcor": 10,
                    # Networks also stop when F stands still, as in scikit-learn: 2.2e-9 at the default tol.
                    "ftol": 0.0 if spec.is_linear else 2.2e-5 * tol,
                },
            )  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
        warn("Training interrupted by user; the weights of the last iteration were kept.")
    if result is not None:
        run.accepted = split.params(result.x)
        if spec.is_linear and result.status != 1:  # it may have ended where F stands still, not its gradient
            run.accepted = polish(objective, run.accepted, gtol)
        run.accepted = set_tiny_to_zero(objective, run.accepted, gtol)
    params[:] = monitor.best_params if monitor.early_stopping else run.accepted
    if result is not None:
        _warn_unless_converged(result, objective, params, gtol, max_iter, monitor)
    return run.n_iter, interrupted


def _warn_unless_converged(result, objective, params, gtol, max_iter, monitor):
    if monitor.early_stopping and monitor.has_stalled:
        return
    if result.status == 1:
        limit = f"max_iter={max_iter}" if result.nit >= max_iter else f"{result.nfev} evaluations (max_fun)"
        reason = f"it reached {limit}. Increase the limit, scale the data, or raise tol"
    else:
        if result.success and not objective.spec.is_linear:
            return
        residual = objective.kkt_residual(params)
        if residual <= gtol or gtol == 0.0:
            return
        reason = f"it could not get below a KKT residual of {residual:.1e}. Scale the data, or raise tol"
    warn(f"lbfgs failed to converge: {reason}.", ConvergenceWarning)
