"""The last digits of a full-batch solution: Newton steps that look at gradients alone, and zeros.

Near the optimum F is flat to the last bit of its value long before its gradient is, so that no line
search on values can go on. On badly scaled columns that leaves a KKT residual of some 1e-6.
"""

import numpy as np
from scipy.linalg import lstsq

LARGEST_SYSTEM = 500  # non-zero parameters up to which the Hessian is made
_N_STEPS = 8


def _hessian(gradient, params, active):
    """Central differences of the gradient with respect to the active parameters."""
    columns = []
    for i in active:
        step = 1e-4 * max(abs(params[i]), 1.0)
        there, back = params.copy(), params.copy()
        there[i] += step
        back[i] -= step
        columns.append((gradient(there)[active] - gradient(back)[active]) / (there[i] - back[i]))
    hessian = np.column_stack(columns)
    return (hessian + hessian.T) / 2


def _newton_direction(objective, params):
    """Newton step of F on the parameters that are not held at zero, zero for the others."""
    active = np.flatnonzero((params != 0) | (objective.l1 == 0))
    if not 0 < len(active) <= LARGEST_SYSTEM:
        return None
    hessian = _hessian(lambda at: objective.smooth(at)[1], params, active)
    slope = (objective.smooth(params)[1] + objective.l1 * np.sign(params))[active]
    scale = 1 / np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
    direction = np.zeros_like(params)
    direction[active] = -scale * lstsq(hessian * scale[:, None] * scale, scale * slope)[0]
    return direction


def polish(objective, params, tol):
    """Lower the KKT residual of `params` to `tol` if Newton steps can; never raises it.

    Parameters keep their sign or zero; a step is taken only where it lowers the residual.
    """
    residual = objective.kkt_residual(params)
    for _ in range(_N_STEPS):
        direction = _newton_direction(objective, params) if residual > tol else None
        if direction is None:
            return params
        for length in (1.0, 0.5, 0.1):
            new = params + length * direction
            penalised = objective.l1 > 0
            if np.any(np.sign(new[penalised]) != np.sign(params[penalised])):
                continue
            new_residual = objective.kkt_residual(new)
            if new_residual < residual:
                params, residual = new, new_residual
                break
        else:
            return params
    return params


def set_tiny_to_zero(objective, params, tol):
    """Set l1-penalised parameters that rounding kept from zero to zero, where that is as good a solution.

    At alpha_max, or at a tie on the path, the gradient at zero equals the l1 strength to the last bit,
    and the solver may end at 1e-9 instead of 0. Of two points within `tol` the sparser is taken.
    """
    size = np.where(objective.l1 > 0, np.abs(params), np.inf)
    largest = max(1.0, np.abs(params).max())
    for bound in (1e-6, 1e-9, 1e-12):
        tiny = (size > 0) & (size < bound * largest)
        if not tiny.any():
            return params
        sparser = np.where(tiny, 0.0, params)
        if objective.kkt_residual(sparser) <= tol:
            return sparser
    return params
