"""What makes linear models exact: units, tolerances in those units, Newton steps, and zeros.

Without hidden layers the problem is convex, and a user expects the coefficients of Lasso or of
LogisticRegression to many digits, whatever the units of the inputs and of the target.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq

from .._losses import OUT_ACTIVATIONS
from ..kernels import layout as code
from .columns import Columns

# KKT residual to which a linear model is solved, at most.
LINEAR_TOL = 1e-6
# Newton steps go on to this share of the tolerance, where they are cheap.
_POLISHED = 1e-4
_N_STEPS = 8
_LARGEST_WORK = 2e9  # multiply-adds that a Hessian by differences may cost


def _size_of_residuals(spec, y, weights):
    """Typical gradient of the loss with respect to the raw prediction of a constant model, at most 1."""
    if OUT_ACTIVATIONS[spec.loss] in ("logistic", "softmax") or spec.loss in ("absolute_error", "quantile"):
        return 1.0
    mean, deviation, scale = Columns.of(y, weights)
    deviation = np.where(scale > 0, deviation, 0.0)
    if spec.loss in ("gamma", "tweedie"):  # the slope is (mean - y) / mean^(power - 1)
        power = 2.0 if spec.loss == "gamma" else spec.loss_parameters[0]
        deviation = deviation * np.where(mean > 0, mean, 1.0) ** (1 - power)
    if spec.loss == "huber":
        deviation = np.minimum(deviation, spec.loss_parameters[1])
    typical = np.sqrt(np.square(deviation).mean())
    return min(typical, 1.0) if typical > 0 else 1.0


class Variables(NamedTuple):
    """How a solver varies the parameters of a network: a change of variables, and what is small enough.

    scales : ndarray of shape (n_params,) or None
        Each parameter is its variable times this; None for 1. 0 for the weights of constant columns, which are 0.
    center : ndarray of shape (n_features,) or None
        Means of the columns, if the intercept is varied as that of centred columns.
    tolerances : ndarray of shape (n_params,)
        KKT residuals that are small enough. That of a weight has the units of the loss's gradient times
        those of its input.
    tolerance : float
        Residual with respect to the variables that is small enough for all of them.
    """

    scales: np.ndarray | None
    center: np.ndarray | None
    tolerances: np.ndarray
    tolerance: float

    def _by_output(self, weights):
        return weights.reshape(len(self.center), -1)

    def of(self, params):
        """The variables, from the parameters."""
        if self.center is not None:
            params, n_weights = params.copy(), len(params) - len(params) // (len(self.center) + 1)
            params[n_weights:] += self.center @ self._by_output(params[:n_weights])
        if self.scales is None:
            return params
        return np.divide(params, self.scales, out=np.zeros_like(params), where=self.scales > 0)

    def params(self, x):
        """The parameters, from the variables."""
        params = x if self.scales is None else x * self.scales
        if self.center is not None:
            n_weights = len(params) - len(params) // (len(self.center) + 1)
            params[n_weights:] -= self.center @ self._by_output(params[:n_weights])
        return params

    def gradient(self, gradient):
        """With respect to the variables, from that with respect to the parameters."""
        if self.center is not None:
            gradient, n_weights = gradient.copy(), len(gradient) - len(gradient) // (len(self.center) + 1)
            gradient[:n_weights] -= np.outer(self.center, gradient[n_weights:]).ravel()
        return gradient if self.scales is None else gradient * self.scales

    def smooth(self, objective, x):
        """Value and gradient, with respect to the variables, of F without its l1 terms."""
        value, gradient = objective.smooth(self.params(x))
        return value, self.gradient(gradient)


def make_variables(spec, dataset, tol, objective):
    """Scaled and centred variables for a linear model; a network's parameters are left as they are.

    Columns far from zero (years, temperatures in kelvin) make weights and intercept nearly exchangeable.
    The intercept of the centred columns has no such trouble; where the intercept has a penalty it must be
    left as it is.
    """
    n_params = len(objective.l1)
    if not spec.is_linear:
        return Variables(None, None, np.full(n_params, tol), tol)
    tol = min(tol, LINEAR_TOL)
    if not spec.is_smooth:
        return Variables(None, None, np.full(n_params, tol), tol)
    n_outputs = spec.layer_units[-1]
    centred = not spec.penalties[0, [code.INTERCEPT_L1, code.INTERCEPT_L2]].any()
    columns = Columns.of(dataset.X, objective.row_weights, objective.rows, centred)
    sizes, scales = (np.append(np.repeat(a, n_outputs), np.ones(n_outputs)) for a in (columns.sizes, columns.scales))
    residual = _size_of_residuals(spec, dataset.y[objective.rows], objective.row_weights[objective.rows])
    tolerances = tol * np.minimum(1.0, sizes * residual)
    # Of a constant column the residual is a multiple of the intercept's, which Newton's steps make small in the end.
    tolerance = float((tolerances * scales)[scales > 0].min())
    return Variables(scales, columns.means if centred else None, tolerances, tolerance)


def _excess(objective, params, tolerances):
    """Largest KKT residual in units of its tolerance; with tolerance 0, the largest residual itself."""
    return (objective.kkt_residuals(params) / np.where(tolerances > 0, tolerances, 1.0)).max()


def is_within(objective, params, tolerances):
    """Whether every KKT residual is within its tolerance; a tolerance of 0 asks for what can be had."""
    return not tolerances.all() or _excess(objective, params, tolerances) <= 1.0


def _hessian(gradient_at, x, active):
    """Central differences of the gradient with respect to the active variables."""
    columns = []
    for i in active:
        step = 1e-4 * max(abs(x[i]), 1e-3)
        there, back = x.copy(), x.copy()
        there[i] += step
        back[i] -= step
        slopes = gradient_at(there)[active] - gradient_at(back)[active]
        columns.append(slopes / (there[i] - back[i]))
    hessian = np.column_stack(columns)
    return (hessian + hessian.T) / 2


def _newton_direction(gradient_at, nonsmooth, x, subgradient, active):
    """Newton step of F on the active variables."""
    hessian = _hessian(gradient_at, x, active) + nonsmooth.hessian(x, active)
    scale = 1 / np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
    direction = np.zeros_like(x)
    direction[active] = -scale * lstsq(hessian * scale[:, None] * scale, scale * subgradient[active])[0]
    return direction


def _is_affordable(objective, n_active, n_params):
    """Whether there is a Hessian to compute, and it takes little work."""
    return 0 < 4 * n_active * len(objective.rows) * n_params + n_active**3 <= _LARGEST_WORK


def _newton_step(gradient_at, nonsmooth, x, subgradient, active):
    """(x, subgradient) after a Newton step, shortened if need be; None where no length keeps the signs and helps."""
    direction = _newton_direction(gradient_at, nonsmooth, x, subgradient, active)
    for length in (1.0, 0.5, 0.1):
        new = x + length * direction
        if (nonsmooth.keep_side(x, new) != new).any():
            continue
        new_subgradient = nonsmooth.smallest_subgradient(new, gradient_at(new))
        if np.abs(new_subgradient).max() < np.abs(subgradient).max():
            return new, new_subgradient
    return None


def polish(objective, variables, params):
    """Lower the KKT residuals by Newton steps, which look at gradients alone.

    Near the optimum F is flat to the last bit of its value long before its gradient is, so that no
    line search on values can go on. Parameters keep their sign or zero; a step is taken only where it
    lowers the largest residual. Hessians that would cost too much are not computed.
    """

    def gradient_at(x):
        return variables.smooth(objective, x)[1]

    nonsmooth, x = objective.nonsmooth.scaled(variables.scales), variables.of(params)
    active = np.flatnonzero(nonsmooth.is_free(x))
    if not _is_affordable(objective, len(active), len(x)):
        return params
    subgradient = nonsmooth.smallest_subgradient(x, gradient_at(x))
    for _ in range(_N_STEPS):
        if np.abs(subgradient).max() <= _POLISHED * variables.tolerance:
            break
        step = _newton_step(gradient_at, nonsmooth, x, subgradient, active)
        if step is None:
            break
        x, subgradient = step
    return variables.params(x)


def set_tiny_to_zero(objective, params, tolerances):
    """Set parameters and groups that rounding kept from zero to zero, where that is as good a solution.

    At alpha_max, or at a tie on the path, the gradient at zero equals the l1 strength to the last bit,
    and the solver may end at 1e-9 instead of 0. Of two points within tolerance the sparser is taken.
    """
    size = objective.nonsmooth.distance_to_kink(params)
    largest = np.abs(params).max()
    for bound in (1e-6, 1e-9, 1e-12):
        tiny = (size > 0) & (size < bound * largest)
        if not tiny.any():
            return params
        sparser = np.where(tiny, 0.0, params)
        if _excess(objective, sparser, tolerances) <= 1.0:
            return sparser
    return params
