"""Limited-memory quasi-Newton descent on F(x) = f(x) + sum_i l1_i |x_i|, f smooth, with exact zeros.

Without l1 terms this is L-BFGS. With them it is a two-metric projection: within one orthant F is smooth,
a step that would leave the orthant ends on its face, and a parameter at zero starts from there along its
own steepest descent alone. A direction of L-BFGS can fail to be one of descent after the projection where
it mixes parameters at zero with others; here the memory forgets a parameter as soon as that is zero, which
makes the approximate inverse Hessian diagonal in all such parameters.

- L-BFGS: Liu & Nocedal (1989), doi:10.1007/BF01589116.
- Two-metric projection: Bertsekas (1982), doi:10.1137/0320018; with l1 terms and L-BFGS: Schmidt, Fung &
  Rosales (2007), doi:10.1007/978-3-540-74958-5_28.
- Descent within an orthant: Andrew & Gao (2007), doi:10.1145/1273496.1273501.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import daxpy

from .line_search import Point, line_search

_N_PAIRS = 10
# A pair (s, y) is kept where the cosine of the angle between them is at least this.
_LEAST_COSINE = 1e-10


class Pair:
    """A step s and the change y of the smooth gradient along it; their product is s'y."""

    def __init__(self, step, change):
        self.step, self.change = step, change
        self.product = float(step @ change)

    @property
    def is_positive(self):
        """Whether F curves upwards along the step, clearly enough for rounding."""
        lengths = np.sqrt(float(self.step @ self.step) * float(self.change @ self.change))
        return self.product > _LEAST_COSINE * lengths

    def forget(self, where):
        """Take some parameters out of the pair."""
        product = self.product - float(self.step[where] @ self.change[where])
        self.step[where] = self.change[where] = 0.0
        # What is left of a difference that cancels is rounding.
        self.product = product if product > 0.5 * self.product else float(self.step @ self.change)


class InverseHessian:
    """L-BFGS's approximation from the last few pairs, all of positive curvature."""

    def __init__(self):
        self.pairs = deque(maxlen=_N_PAIRS)

    def clear(self):
        self.pairs.clear()

    def add(self, pair):
        if pair.is_positive:
            self.pairs.append(pair)

    def forget(self, where):
        """Make it diagonal in some parameters: nothing is known of how they curve with others."""
        for pair in self.pairs:
            pair.forget(where)
        self.pairs = deque((pair for pair in self.pairs if pair.is_positive), _N_PAIRS)

    def times(self, vector):
        """Its product with a vector, by the two-loop recursion. Without pairs, a step of length 1 at most."""
        result = vector.copy()
        if not self.pairs:
            return result * min(1.0, 1.0 / np.linalg.norm(vector))
        shares = []
        for pair in reversed(self.pairs):
            shares.append(float(pair.step @ result) / pair.product)
            result = daxpy(pair.change, result, a=-shares[-1])
        newest = self.pairs[-1]
        result *= newest.product / float(newest.change @ newest.change)
        for pair, share in zip(self.pairs, reversed(shares), strict=True):
            result = daxpy(pair.step, result, a=share - float(pair.change @ result) / pair.product)
        return result


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
        return Point(x, value, gradient, float(self._l1 @ np.abs(x)) if self.has_l1 else 0.0)

    def subgradient(self, point):
        """The subgradient of F of smallest length: the way down is its opposite, and it is 0 at an optimum."""
        if not self.has_l1:
            return point.gradient
        at_zero = np.clip(point.gradient, -self._l1, self._l1)
        return point.gradient + np.where(point.x == 0, -at_zero, np.copysign(self._l1, point.x))

    def along(self, x, direction, length):
        """x + length * direction, ending on the faces of the orthant in which x lies."""
        new = x + length * direction
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
    objective, inverse_hessian = Composite(smooth, l1), InverseHessian()
    point = objective.at(x)
    while True:
        subgradient = objective.subgradient(point)
        yield Iterate(point.x, point.value, float(np.abs(subgradient).max()), objective.n_evaluations)
        step = _lower(objective, inverse_hessian, point, subgradient)
        if step is None:
            return
        _learn(objective, inverse_hessian, point, step)
        point = step.end


def _lower(objective, inverse_hessian, point, subgradient):
    """A step to a lower F, by the quasi-Newton direction or else by the steepest descent; or None."""
    while True:
        direction = -inverse_hessian.times(subgradient)
        if direction @ subgradient < 0:
            step = line_search(objective, point, direction)
            if step is not None and step.end.value < point.value:
                return step
        if not inverse_hessian.pairs:
            return None
        inverse_hessian.clear()


def _learn(objective, inverse_hessian, point, step):
    """Add the step to the memory, which forgets the parameters that are zero now."""
    change = step.end.gradient - point.gradient
    if objective.has_l1:
        held = objective.held(step.end.x)
        arrived = np.flatnonzero(held & (point.x != 0))
        change[held] = 0.0
        step.vector[arrived] = 0.0
        if len(arrived) > 0:
            inverse_hessian.forget(arrived)
    inverse_hessian.add(Pair(step.vector, change))
