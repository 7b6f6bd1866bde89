"""Compact limited-memory BFGS approximation of a Hessian, restricted to the parameters that are free.

With the last pairs of steps S and changes Y of the gradient, as columns, the approximation is

    B = theta I - W M W',   W = [Y, theta S],   M^-1 = [[-D, L'], [L, theta S'S]],

D and L the diagonal and what is below it of S'Y. By Sherman, Morrison and Woodbury the solution of
B_FF d = v on the free parameters F is d = (v + Y_F a + S_F b) / theta, with

    [[-theta D - Y_F'Y_F,  S_H'Y_H' - R'],     [a]   [Y_F'v]
     [S_H'Y_H - R,         S_H'S_H      ]]  *  [b] = [S_F'v],

H the parameters that are held and R the upper triangle of S'Y, diagonal included. It takes products of the
pairs with one vector, and the inner products of the pairs, which change little from step to step. All
pairs keep their curvature where parameters are held or freed; pairs cut down to F would lose it.

- Byrd, Nocedal & Schnabel (1994), doi:10.1007/BF01582063.
- The same in L-BFGS-B: Byrd, Lu, Nocedal & Zhu (1995), doi:10.1137/0916069.
"""

import numpy as np

N_PAIRS = 10
# A pair (s, y) is kept where the cosine of the angle between them is at least this.
_LEAST_COSINE = 1e-10
# Of the matrix that tells the steps apart, scaled to 1 on its diagonal.
_LEAST_EIGENVALUE = 1e-10
# 1 / theta is s'y / y'y, the shorter of the two steps of Barzilai and Borwein. Where parameters have yet to
# shrink to zero, which takes many short steps, it is this share of the way, in logarithms, to s's / s'y.
_SHARE_OF_LONG_STEP = 0.25


class Memory:
    """The last pairs, scaled to s'y = 1, which changes nothing, and their inner products.

    Parameters
    ----------
    n_params : int
    can_hold : bool
        Whether parameters will ever be held.
    """

    def __init__(self, n_params, can_hold):
        self._rows = np.zeros((2 * N_PAIRS, n_params))  # steps, then changes; in the slots of a ring
        self._products = np.zeros((2 * N_PAIRS, 2 * N_PAIRS))  # of rows, over all parameters
        self._held_products = np.zeros_like(self._products)  # over those that are held
        self._slots = []  # the oldest pair first
        self._next_slot = 0
        self._held = np.zeros(n_params, bool) if can_hold else None
        self._theta = 1.0

    @property
    def is_empty(self):
        return not self._slots

    def clear(self):
        self._slots = []

    def hold(self, held):
        """From now on these parameters (a mask) are held, the others free."""
        changed = np.flatnonzero(held != self._held)
        columns = self._rows[:, changed]
        self._held_products += columns @ (columns * np.where(held[changed], 1.0, -1.0)).T
        self._held = held

    def add(self, step, change):
        """Add a pair, unless F does not curve upwards along the step; the oldest one makes room for it."""
        product, steps, changes = float(step @ change), float(step @ step), float(change @ change)
        if not product > _LEAST_COSINE * np.sqrt(steps * changes):
            return
        slot, self._next_slot = self._next_slot, (self._next_slot + 1) % N_PAIRS
        self._slots = [other for other in self._slots if other != slot] + [slot]
        self._theta = changes / product
        if self._held is not None:
            self._theta *= (product**2 / (steps * changes)) ** _SHARE_OF_LONG_STEP
        for row, vector in ((slot, step), (slot + N_PAIRS, change)):
            np.multiply(vector, 1 / np.sqrt(product), out=self._rows[row])
        for row in (slot, slot + N_PAIRS):
            _set_products(self._products, row, self._rows @ self._rows[row])
            if self._held is not None:
                _set_products(self._held_products, row, self._times_held(self._rows[row]))

    def compact(self):
        """(theta, W' as rows, M^-1) of B = theta I - W M W'; there must be pairs, and none held.

        The oldest pairs are forgotten until M can be computed: steps one after the other in a direction without
        curvature are one another's multiples but for rounding.
        """
        inverse = self._inverse()
        while len(self._slots) > 1 and not _is_regular(inverse):
            self._slots = self._slots[1:]
            inverse = self._inverse()
        scale = np.repeat([1.0, self._theta], len(self._slots))
        return self._theta, self._rows[self._order] * scale[:, None], inverse

    def _inverse(self):
        """M^-1."""
        n_pairs, order = len(self._slots), np.ix_(self._order, self._order)
        products = self._products[order]
        inverse = np.zeros_like(products)
        changes, steps = slice(0, n_pairs), slice(n_pairs, None)
        inverse[changes, changes] = -np.eye(n_pairs)
        inverse[steps, steps] = self._theta * products[steps, steps]
        inverse[steps, changes] = np.tril(products[steps, changes], -1)
        inverse[changes, steps] = inverse[steps, changes].T
        return inverse

    def _times_held(self, vector):
        """Products of the rows with a vector over the held parameters, few of which a step has moved."""
        moved = np.flatnonzero(self._held & (vector != 0))
        if len(moved) < len(vector) // 16:
            return self._rows[:, moved] @ vector[moved]
        return self._rows @ (vector * self._held)

    def solve(self, vector):
        """B_FF^-1 times the vector on the free parameters, 1 / theta times on those held.

        Without pairs, the vector itself, shortened to a length of 1.
        """
        if self.is_empty:
            return vector * min(1.0, 1.0 / np.linalg.norm(vector))
        free = vector if self._held is None else np.where(self._held, 0.0, vector)
        shares = np.zeros(2 * N_PAIRS)
        shares[self._order] = np.linalg.solve(self._inner_matrix(), (self._rows @ free)[self._order])
        correction = shares @ self._rows
        if self._held is not None:
            correction[self._held] = 0.0
        correction += vector
        correction /= self._theta
        return correction

    @property
    def _order(self):
        """Rows of the changes, then of the steps, each from the oldest to the newest."""
        return np.array([slot + N_PAIRS for slot in self._slots] + self._slots)

    def _inner_matrix(self):
        n_pairs, order = len(self._slots), np.ix_(self._order, self._order)
        products, matrix = self._products[order], self._held_products[order]
        changes, steps = slice(0, n_pairs), slice(n_pairs, None)
        matrix[changes, changes] -= products[changes, changes] + self._theta * np.eye(n_pairs)
        matrix[steps, changes] -= np.triu(products[steps, changes])
        matrix[changes, steps] = matrix[steps, changes].T
        return matrix


def _is_regular(inverse):
    """Whether theta S'S + L L', to which M^-1 is reduced by its first half, is positive definite beyond rounding."""
    n_pairs = len(inverse) // 2
    lower = inverse[n_pairs:, :n_pairs]
    reduced = inverse[n_pairs:, n_pairs:] + lower @ lower.T
    scale = 1 / np.sqrt(np.diag(reduced))
    return np.linalg.eigvalsh(scale[:, None] * reduced * scale)[0] > _LEAST_EIGENVALUE


def _set_products(products, row, values):
    products[row] = products[:, row] = values
