"""Line search for the weak Wolfe conditions, along a straight line or its projection to an orthant.

F may have kinks, those of its l1 terms or of relu. Where slopes jump, conditions on the size of the slope
cannot always be met, but the weak conditions can, and a bracket that is halved finds such a point.

A parameter whose way ends on a face of the orthant has gone as far as it can, however steep F still is
across that face. Whether a step is long enough is for the parameters that move on to say. With all of them,
one large l1 term that has just been brought to zero would ask for ever longer steps of all the others.

- Lewis & Overton (2013), doi:10.1007/s10107-012-0514-2.
- The approximate condition near a minimum: Hager & Zhang (2005), doi:10.1137/030601880.
"""

from typing import NamedTuple

import numpy as np

_DECREASE = 1e-4  # share of the decrease that the slope at the start promises
_CURVATURE = 0.9  # share of the slope at the start that may be left at the end
_CURVATURE_MOVING = 0.5  # that for the parameters that move on, where others have come to a face
_N_TRIALS = 20
# Relative change of F below which slopes say more about its decrease than its values do.
_FLAT = 1e-9


class Point(NamedTuple):
    """x with the value and the gradient of F's smooth part, and the value of its l1 terms."""

    x: np.ndarray
    smooth: float
    gradient: np.ndarray
    penalty: float

    @property
    def value(self):
        return self.smooth + self.penalty


class Step(NamedTuple):
    """A trial of the line search.

    Within an orthant the l1 terms are linear: with their change the slopes of F along the whole step,
    at its start and at its end, need no more than the smooth gradients.
    """

    end: Point
    vector: np.ndarray
    change: float  # of F
    slope: float
    slope_at_end: float

    @classmethod
    def between(cls, start, end):
        vector, penalty = end.x - start.x, end.penalty - start.penalty
        slope, slope_at_end = (float(point.gradient @ vector) + penalty for point in (start, end))
        return cls(end, vector, end.value - start.value, slope, slope_at_end)

    @property
    def is_finite(self):
        return np.isfinite(self.change) and np.isfinite(self.slope_at_end)

    def is_low_enough(self, size):
        """Armijo's condition; where F is flat to rounding of its `size`, by the slopes instead."""
        if not (self.is_finite and self.slope < 0):
            return False
        is_flat = -_FLAT * size <= self.change <= 0 and self.slope_at_end <= (2 * _DECREASE - 1) * self.slope
        return self.change <= _DECREASE * self.slope or is_flat

    def minimum_of_parabola(self):
        """Share of the step at which the parabola through both values and the slope at the start is lowest."""
        curvature = 2 * (self.change - self.slope)
        return -self.slope / curvature if self.is_finite and curvature > 0 else 0.0


def line_search(objective, start, direction):
    """The first Step found that satisfies the weak Wolfe conditions; else the longest that is low enough, or None.

    `objective` is a `quasi_newton.Composite`; `direction` is one of descent.
    """
    too_short, too_long, length, best = 0.0, np.inf, 1.0, None
    for _ in range(_N_TRIALS):
        step = Step.between(start, objective.at(objective.along(start.x, direction, length)))
        if not step.is_low_enough(abs(start.value)):
            too_long = length
            length = _shorter(step, too_short, too_long)
            continue
        best = step
        if _is_long_enough(objective, start, step):
            break
        too_short = length
        length = 4 * length if too_long == np.inf else (too_short + too_long) / 2
    return best


def _is_long_enough(objective, start, step):
    """Wolfe's second condition: for all parameters, or else for those that are not at a face at the end."""
    if step.slope_at_end >= _CURVATURE * step.slope:
        return True
    at_face = objective.held(step.end.x)
    if not (at_face & (step.vector != 0)).any():
        return False
    moving = np.where(at_face, 0.0, step.vector)
    slope = float(objective.subgradient(start) @ moving)
    slope_at_end = slope + float((step.end.gradient - start.gradient) @ moving)
    return slope_at_end >= _CURVATURE_MOVING * min(slope, 0.0)


def _shorter(step, too_short, too_long):
    """A length within the bracket: from the parabola at first, by halving once a lower bound is known."""
    if too_short > 0:
        return (too_short + too_long) / 2
    return too_long * min(max(step.minimum_of_parabola(), 0.1), 0.5)
