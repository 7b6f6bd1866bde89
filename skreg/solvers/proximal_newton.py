"""Quasi-Newton descent on F(x) = f(x) + h(x), f smooth and h convex with kinks that couple parameters.

Each step minimises the model g'd + d'Bd / 2 + h(x + d), g the gradient of f and B the limited-memory BFGS
approximation of its Hessian, and then searches along d for a lower F (Lee, Sun & Saunders 2014,
doi:10.1137/130921428). h enters the model as it is, so that its zeros are exact and its curvature near them,
which no pair of gradients could tell, is right.

The model itself is minimised by proximal gradient steps, each of which may set parameters and groups to zero
or free them, in turn with Newton steps on those that are not zero, where h is smooth: B is a multiple of the
identity and a matrix of low rank, h's Hessian there has a block for each group, so that Woodbury's identity
solves the system (Newton on the manifold that the proximal steps find: Bareilles, Iutzeler & Malick 2023,
doi:10.1007/s10107-022-01873-w).
"""

from typing import NamedTuple

import numpy as np

from .lbfgs_memory import Memory
from .quasi_newton import Iterate

_DECREASE = 1e-4  # share of the decrease of the model that a step must bring
_N_TRIALS = 30
_N_ROUNDS = 30  # of proximal and Newton steps on one model
_MODEL_TOLERANCE = 0.03  # residual of the model's minimum, in units of that at the start
_FLAT = 1e-9  # relative change of F below which residuals say more than its values


class _Point(NamedTuple):
    x: np.ndarray
    smooth: float
    gradient: np.ndarray
    value: float


def descend(smooth, x, nonsmooth):
    """Generator of iterates, the start included, of which each has a lower F than the one before.

    It ends where none is found any more. `smooth` is a callable x -> (f(x), its gradient), `nonsmooth` a
    `NonSmooth`; x keeps its constraint.
    """
    n_evaluations = 0

    def at(x):
        nonlocal n_evaluations
        n_evaluations += 1
        value, gradient = smooth(x)
        return _Point(x, value, gradient, value + nonsmooth.value(x))

    memory, point = Memory(len(x), can_hold=False), at(x)
    while True:
        subgradient = nonsmooth.smallest_subgradient(point.x, point.gradient)
        residual = float(np.abs(subgradient).max())
        yield Iterate(point.x, point.value, residual, n_evaluations)
        new = _lower(at, nonsmooth, memory, point, residual)
        if new is None:
            return
        memory.add(new.x - point.x, new.gradient - point.gradient)
        point = new


def _lower(at, nonsmooth, memory, point, residual):
    """A point with a lower F, by the quasi-Newton model or else by a proximal gradient step; or None."""
    while True:
        model = _Model(memory, point, nonsmooth)
        new = _search(at, nonsmooth, point, model.minimum(_MODEL_TOLERANCE * residual), residual)
        if new is not None or memory.is_empty:
            return new
        memory.clear()


def _search(at, nonsmooth, start, end, residual):
    """The first of ever shorter steps towards `end` that is low enough, or None."""
    step = end - start.x
    slope = float(start.gradient @ step) + nonsmooth.value(end) - nonsmooth.value(start.x)
    if not slope < 0:
        return None
    length = 1.0
    for _ in range(_N_TRIALS):
        new = at(end if length == 1 else start.x + length * step)
        change = new.value - start.value
        if change <= _DECREASE * length * slope:
            return new
        if abs(change) <= _FLAT * abs(start.value):
            left = nonsmooth.smallest_subgradient(new.x, new.gradient)
            if np.abs(left).max() < residual:
                return new
        length *= _shorter(change, length * slope)
    return None


def _shorter(change, slope):
    """Share of a step at which the parabola with this slope and change is lowest, within bounds."""
    if not np.isfinite(change):
        return 0.1
    return min(max(-slope / (2 * (change - slope)), 0.1), 0.5)


class _Model:
    """m(z) = g'(z - x) + (z - x)'B(z - x) / 2 + h(z), with B = theta I - W M W'."""

    def __init__(self, memory, point, nonsmooth):
        self.x, self.gradient, self.h = point.x, point.gradient, nonsmooth
        if memory.is_empty:
            slopes = nonsmooth.smallest_subgradient(point.x, point.gradient)
            self.theta, self.rows, self.inverse = max(1.0, float(np.linalg.norm(slopes))), None, None
            self.largest = self.theta
            return
        self.theta, self.rows, self.inverse = memory.compact()
        # Eigenvalues of B other than theta are those of theta - M W'W.
        eigenvalues = self.theta - np.linalg.eigvals(np.linalg.solve(self.inverse, self.rows @ self.rows.T)).real
        self.largest = max(self.theta, float(eigenvalues.max()))

    def times(self, d):
        """B d."""
        product = self.theta * d
        if self.rows is not None:
            product -= np.linalg.solve(self.inverse, self.rows @ d) @ self.rows
        return product

    def at(self, z):
        """(m(z), gradient of its smooth part)."""
        d = z - self.x
        pull = self.times(d)
        return float((self.gradient + 0.5 * pull) @ d) + self.h.value(z), self.gradient + pull

    def minimum(self, tolerance):
        """z with residuals of at most `tolerance`, if it can be had."""
        z = self.x
        value, slopes = self.at(z)
        for _ in range(_N_ROUNDS):
            z = self.h.prox(z - slopes / self.largest, 1 / self.largest)
            value, slopes = self.at(z)
            subgradient = self.h.smallest_subgradient(z, slopes)
            if self.rows is None or np.abs(subgradient).max() <= tolerance:
                break
            lower = self._lower(z, value, self._newton(z, subgradient))
            if lower is not None:
                z, slopes = lower
                if np.abs(self.h.smallest_subgradient(z, slopes)).max() <= tolerance:
                    break
        return z

    def _lower(self, z, value, direction):
        """(z, slopes) of a lower m, at the end of a step, or where the first kink is on the way; or None.

        What would change its sign ends at zero. In directions almost without curvature steps are long, and too much
        would end there at once.
        """
        for length in (1.0, self.h.length_to_kink(z, direction)):
            new = self.h.keep_side(z, z + length * direction)
            new_value, slopes = self.at(new)
            if new_value < value:
                return new, slopes
        return None

    def _newton(self, z, subgradient):
        """Newton's step on what is not zero or may move freely."""
        free = self.h.is_free(z)
        rows = self.rows * free
        solved = self.h.solve_shifted(z, np.vstack([rows, subgradient * free]), self.theta) * free
        scaled, direct = solved[:-1], solved[-1]
        shares = np.linalg.solve(self.inverse - rows @ scaled.T, rows @ direct)
        return -direct - shares @ scaled
