"""Limited-memory quasi-Newton descent on F(x) = f(x) + sum_i l1_i |x_i|, f smooth, with exact zeros.

Without l1 terms this is L-BFGS. With them it is a two-metric projection: within one orthant F is smooth,
and a step that would leave the orthant ends on its face. The direction is Newton's for the approximate
Hessian of the parameters that are not at zero; those at zero start along their own steepest descent, lest
the projected direction be none of descent.

- Two-metric projection: Bertsekas (1982), doi:10.1137/0320018; with l1 terms: Schmidt, Fung & Rosales
  (2007), doi:10.1007/978-3-540-74958-5_28.
- Descent within an orthant: Andrew & Gao (2007), doi:10.1145/1273496.1273501.
"""

from typing import NamedTuple

import numpy as np

from .._nonsmooth import smallest_subgradient
from .lbfgs_memory import Memory
from .line_search import Point, line_search


class Composite:
    """F = f + sum_i l1_i |x_i|, and how often it was evaluated.

    Parameters
    ----------
    smooth : callable
        x -> (f(x), its gradient), a new array each.
    l1 : ndarray
        Strengths, >= 0.
    """

    def __init__(self, smooth, l1):
        self._smooth, self._l1 = smooth, l1
        self._penalised = l1 > 0
        self.has_l1 = bool(self._penalised.any())
        self.n_evaluations = 0

    def at(self, x):
        self.n_evaluations += 1
        value, gradient = self._smooth(x)
        return Point(x, float(value), gradient, float(self._l1 @ np.abs(x)) if self.has_l1 else 0.0)

    def subgradient(self, point):
        return smallest_subgradient(point.x, point.gradient, self._l1) if self.has_l1 else point.gradient

    def along(self, x, direction, length):
        """x + length * direction, ending on the faces of the orthant in which x lies."""
        new = length * direction
        new += x
        if self.has_l1:
            new[(new * x < 0) & self._penalised] = 0.0
        return new

    def held(self, x):
        """Mask of the penalised parameters at zero."""
        return (x == 0) & self._penalised


class Iterate(NamedTuple):
    """Where the descent has come to.

    Attributes
    ----------
    x : ndarray
        The point; never changed afterwards.
    value : float
        F there.
    residual : float
        Largest entry of the smallest subgradient: how far x is from optimal.
    n_evaluations : int
        Evaluations of F up to here.
    """

    x: np.ndarray
    value: float
    residual: float
    n_evaluations: int


def descend(smooth, x, l1):
    """Generator of iterates, the start included, of which each has a lower F than the one before.

    It ends where no lower F is found any more, also not along the steepest descent. `smooth` and `l1`
    are those of `Composite`; a value that is not finite makes a step shorter.
    """
    objective = Composite(smooth, l1)
    memory = Memory(len(x), objective.has_l1)
    point = objective.at(x)
    while True:
        subgradient = objective.subgradient(point)
        yield Iterate(point.x, point.value, float(np.abs(subgradient).max()), objective.n_evaluations)
        if objective.has_l1:
            memory.hold(objective.held(point.x))
        step = _lower(objective, memory, point, subgradient)
        if step is None:
            return
        memory.add(step.vector, step.end.gradient - point.gradient)
        point = step.end


def _lower(objective, memory, point, subgradient):
    """A step to a lower F, by the quasi-Newton direction or else by the steepest descent; or None."""
    while True:
        direction = -memory.solve(subgradient)
        if direction @ subgradient < 0:
            step = line_search(objective, point, direction)
            if step is not None and step.end.value < point.value:
                return step
        if memory.is_empty:
            return None
        memory.clear()
