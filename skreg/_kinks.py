"""Losses that have a kink, absolute errors and quantiles: smoothed, and what optimality of linear models means."""

from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

# Residuals that are 0 but for rounding, relative to the size of targets and of what predictions are the sum of.
_ROUNDING = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-6}
# Width of the smoothed kinks, as a share of the targets' mean distance from their medians.
SMOOTHED_SHARE = 0.02


def smoothed(spec, y, weights):
    """The specification with a loss that is quadratic within `width` of its kinks; as it is where it has none.

    It is Moreau's envelope: at most ``width / 2 * slope**2`` lower, slope <= 1 being the larger one at the kink.
    """
    if spec.is_smooth:
        return spec
    distances = [np.abs(column - weighted_median(column, weights)) for column in y.astype(np.float64).T]
    distance = np.mean([weights @ distance for distance in distances]) / weights.sum()
    width = SMOOTHED_SHARE * (distance if distance > 0 else 1.0)
    return replace(spec, loss_parameters=(float(width), *spec.loss_parameters[1:]))


def weighted_median(y, weights):
    """The smallest y at or below which lies half of the weight."""
    order = np.argsort(y)
    total = np.cumsum(weights[order])
    return float(y[order[min(np.searchsorted(total, 0.5 * total[-1]), len(y) - 1)]])


def kinked_residuals(spec, l1, l2, dataset, rows, params):
    """For each parameter, how far 0 is from F's subdifferential, at the subgradient whose largest entry is least.

    A row whose prediction equals its target to rounding may have any slope between those on both sides. Slopes
    are chosen by a linear program (HiGHS), which knows them to about 1e-7 of their size.
    """
    n_outputs, numbers = spec.layer_units[-1], spec.loss_parameters
    rows = rows[dataset.sample_weight[rows] > 0]
    weights, targets = dataset.sample_weight[rows], dataset.y[rows].astype(np.float64)
    X, n_levels = dataset.X[rows].astype(np.float64), n_outputs // targets.shape[1]
    values, l1, l2 = (a.reshape(-1, n_outputs) for a in (params, l1, l2))
    predictions = np.asarray(X @ values[:-1]) + values[-1]
    sizes = (np.asarray(abs(X) @ np.abs(values[:-1])) + np.abs(values[-1])).max(axis=0)
    found = np.empty_like(values)
    for j in range(n_outputs):
        y, f = targets[:, j // n_levels], predictions[:, j]
        above, below = (numbers[1 + side * n_levels + j % n_levels] for side in (0, 1))
        at_kink = np.abs(y - f) <= _ROUNDING[dataset.dtype] * (np.abs(y).max() + sizes[j])
        pull = weights * np.where(at_kink, 0.0, np.where(y > f, -above, below))
        gradient = np.append(X.T @ pull, pull.sum()) / len(rows) + l2[:, j] * values[:, j]
        kinks = X[at_kink].toarray() if hasattr(X, "toarray") else X[at_kink]
        slopes = np.column_stack([kinks, np.ones(len(kinks))]) * weights[at_kink, None] / len(rows)
        found[:, j] = _smallest(gradient, slopes, -above, below, values[:, j], l1[:, j])
    return found.ravel()


def _smallest(gradient, slopes, lower, upper, values, l1):
    """|gradient + slopes' z + l1 terms| by its entries, with z in [lower, upper] such that the largest is least."""
    fixed = gradient + l1 * np.sign(values)
    free = np.where(values == 0, l1, 0.0)  # how much an entry may be moved either way

    def distances(z):
        return np.maximum(np.abs(fixed + z @ slopes) - free, 0.0)

    if not len(slopes):
        return distances(np.zeros(0))
    # In units in which the largest slope is 1: the program's tolerances are absolute.
    unit = np.abs(slopes).max()
    columns = slopes.T / unit
    bound = -np.ones((len(fixed), 1))
    program = linprog(
        np.append(np.zeros(len(slopes)), 1.0),
        A_ub=np.block([[columns, bound], [-columns, bound]]),
        b_ub=np.append(free - fixed, free + fixed) / unit,
        bounds=[(lower, upper)] * len(slopes) + [(0, None)],
        method="highs",
    )
    return distances(program.x[:-1] if program.x is not None else np.zeros(len(slopes)))
