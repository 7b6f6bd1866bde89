"""The part h of the objective that has kinks: l1 terms, norms of groups of weights, and weights held >= 0.

h(x) = sum_i l1_i |x_i| + sum_g strength_g |x_g|_2, and infinite where a weight that must be >= 0 is below. It
is known by its value, its proximal operator and its subdifferential, of the flat parameters or of their
multiples.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ._network import n_params_of, offsets
from .kernels import layout as code

_BEYOND = 1e-12  # share of a step for which rounding does not make up


def spread(spec, coef_column, intercept_column=None):
    """One strength a parameter, from the table with one row a layer; 0 for intercepts without a column."""
    places, _ = offsets(spec.layer_units, spec.skip)
    strength = np.zeros(n_params_of(spec.layer_units, spec.normalization, spec.skip))
    for (coef, intercept), fan_out, row in zip(places, spec.layer_units[1:], spec.penalties, strict=True):
        strength[coef:intercept] = row[coef_column]
        if intercept_column is not None:
            strength[intercept : intercept + fan_out] = row[intercept_column]
    return strength


def smallest_subgradient(params, gradient, l1):
    """The subgradient of smallest length, of a function with this smooth gradient and these l1 strengths.

    The way down is its opposite; it is 0 where the parameters are optimal.
    """
    pull = np.copysign(l1, params)
    np.negative(gradient, out=pull, where=params == 0)
    np.minimum(pull, l1, out=pull)
    np.maximum(pull, -l1, out=pull)
    pull += gradient
    return pull


@dataclass(frozen=True)
class _Groups:
    """Rows of one layer's weights: params[begin:end], `strength` of each row's norm."""

    begin: int
    end: int
    strength: np.ndarray

    def rows(self, x):
        return x[self.begin : self.end].reshape(len(self.strength), -1)

    def norms(self, x):
        rows = self.rows(x)
        return np.sqrt(np.einsum("ij,ij->i", rows, rows))


@dataclass(frozen=True)
class NonSmooth:
    """h itself.

    l1 : ndarray of shape (n_params,)
    groups : list of _Groups, of layers with such a term
    positive : mask of parameters that must be >= 0, or None
    """

    l1: np.ndarray
    groups: tuple
    positive: np.ndarray | None

    @classmethod
    def of(cls, spec):
        groups = []
        shapes = zip(offsets(spec.layer_units)[0], pairwise(spec.layer_units), spec.penalties, strict=True)
        for (begin, end), (fan_in, _), row in shapes:
            if row[code.COEF_GROUP] > 0:
                groups.append(_Groups(begin, end, np.full(fan_in, row[code.COEF_GROUP])))
        positive = spread(spec, code.POSITIVE) > 0
        l1 = spread(spec, code.COEF_L1, code.INTERCEPT_L1)
        return cls(l1, tuple(groups), positive if positive.any() else None)

    @property
    def is_l1(self):
        """Whether there is nothing but l1 terms, or not even those."""
        return not self.groups and self.positive is None

    def scaled(self, scales):
        """The same function of the x that times `scales` are the parameters; each group has one scale."""
        if scales is None:
            return self
        groups = tuple(replace(g, strength=g.strength * g.rows(scales)[:, 0]) for g in self.groups)
        return replace(self, l1=self.l1 * scales, groups=groups)

    def value(self, x):
        """h(x) of an x that keeps the constraint."""
        return float(self.l1 @ np.abs(x)) + sum(float(g.strength @ g.norms(x)) for g in self.groups)

    def prox(self, x, step):
        """argmin_u |u - x|^2 / (2 step) + h(u): soft threshold, constraint, then norms."""
        threshold = step * self.l1
        u = x - np.clip(x, -threshold, threshold)
        if self.positive is not None:
            u[self.positive] = np.maximum(u[self.positive], 0.0)
        for g in self.groups:
            rows = g.rows(u)
            rows *= _share_left(g.norms(u), step * g.strength)[:, None]
        return u

    def smallest_subgradient(self, x, gradient):
        """Minus the steepest way down of f + h, f with this gradient at x; 0 where x is stationary.

        In a row that is zero as a whole it is what is left of its entries when their norm is shortened by
        the group's strength.
        """
        s = smallest_subgradient(x, gradient, self.l1)
        if self.positive is not None:
            at_bound = self.positive & (x == 0)
            s[at_bound] = np.minimum(gradient[at_bound] + self.l1[at_bound], 0.0)
        for g in self.groups:
            rows, norms = g.rows(s), g.norms(x)
            is_zero = norms == 0
            rows += g.rows(x) * np.divide(g.strength, norms, out=np.zeros_like(norms), where=~is_zero)[:, None]
            rows[is_zero] *= _share_left(g.norms(s), g.strength)[is_zero, None]
        return s

    # Where nothing changes between zero and not zero, h is smooth -------------------------------------

    @property
    def _has_kink(self):
        """Mask of parameters with a kink of their own at zero."""
        return self.l1 > 0 if self.positive is None else (self.l1 > 0) | self.positive

    def distance_to_kink(self, x):
        """Of each parameter, or of its group where that is closer; infinite for those without."""
        distance = np.where(self._has_kink, np.abs(x), np.inf)
        for g in self.groups:
            rows = g.rows(distance)
            np.minimum(rows, g.norms(x)[:, None], out=rows)
        return distance

    def is_free(self, x):
        """1.0 for parameters that are not zero or at zero have no kink, 0.0 for the others."""
        free = ((x != 0) | ~self._has_kink).astype(float)
        for g in self.groups:
            g.rows(free)[g.norms(x) == 0] = 0.0
        return free

    def solve_shifted(self, x, vectors, shift):
        """(shift I + h''(x))^-1 times each row of `vectors`, over the rows of groups that are not zero.

        The Hessian of s |w| is s / |w| (I - w w' / |w|^2).
        """
        solved = vectors / shift
        for g in self.groups:
            rows, norms = g.rows(x), g.norms(x)
            alive = norms > 0
            curvature = np.divide(g.strength, norms, out=np.zeros_like(norms), where=alive)
            unit = rows * np.divide(1.0, norms, out=np.zeros_like(norms), where=alive)[:, None]
            blocks = vectors[:, g.begin : g.end].reshape(len(vectors), *rows.shape)
            along = np.einsum("vij,ij->vi", blocks, unit) * curvature / shift
            blocks = (blocks + along[:, :, None] * unit) / (shift + curvature)[:, None]
            solved[:, g.begin : g.end] = blocks.reshape(len(vectors), -1)
        return solved

    def hessian(self, x, active):
        """h''(x) on these parameters, or 0.0 where it is zero."""
        if not self.groups:
            return 0.0
        group, unit, curvature = np.full(len(x), -1), np.zeros(len(x)), np.zeros(len(x))
        for g in self.groups:
            rows, norms = g.rows(x), g.norms(x)
            inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
            g.rows(group)[:] = g.begin + np.arange(len(rows))[:, None]
            g.rows(unit)[:] = rows * inverse[:, None]
            g.rows(curvature)[:] = (g.strength * inverse)[:, None]
        group, unit, curvature = group[active], unit[active], curvature[active]
        together = (group[:, None] == group) & (group >= 0)
        return np.diag(curvature) - together * np.outer(curvature * unit, unit)

    def length_to_kink(self, x, direction):
        """Length of a step just beyond the first kink, which `keep_side` ends at zero; at most 1."""
        falling = self._has_kink & (x * direction < 0)
        lengths = [-x[falling] / direction[falling]]
        for g in self.groups:
            squares, change = np.square(g.norms(x)), np.einsum("ij,ij->i", g.rows(x), g.rows(direction))
            falling = change < 0
            lengths.append(-squares[falling] / change[falling])
        return min(1.0, (1 + _BEYOND) * float(np.concatenate(lengths).min(initial=np.inf)))

    def keep_side(self, x, new):
        """`new`, with zeros where it would leave x's side of a kink."""
        new = np.where(self._has_kink & (new * x < 0), 0.0, new)
        for g in self.groups:
            g.rows(new)[np.einsum("ij,ij->i", g.rows(new), g.rows(x)) <= 0] = 0.0
        return new


def _share_left(norms, strength):
    """max(0, 1 - strength / norms): what is left of vectors that are shortened by `strength`."""
    return np.divide(np.maximum(norms - strength, 0.0), norms, out=np.zeros_like(norms), where=norms > 0)
