"""Linear models with losses that are linear on both sides of a kink, solved by a primal-dual interior-point method.

Minimises over w, with residuals r = y - A w, costs a_i of each positive part and b_i of each negative part::

    F(w) = sum_i a_i max(r_i, 0) + b_i max(-r_i, 0) + sum_j l2_j w_j^2 / 2

The l1 terms are rows as well: l1_j |w_j| is the cost of the row e_j with y = 0. With r = u - v and u, v >= 0 it
is a quadratic program (a linear one without l2), whose dual variables d lie between -b and a. Newton's steps need
A' diag(theta) A alone, so that rows cost next to nothing.

- For quantile regression: Portnoy & Koenker (1997), doi:10.1214/ss/1030037960.
- Predictor and corrector: Mehrotra (1992), doi:10.1137/0802028.

Inner points are never at a kink. In the end those rows whose u and v have vanished are set to r_i = 0, weights
among them to exactly zero, and the linear system that is left is solved: the solution is then exact to rounding.
"""

import numpy as np
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from .._kinks import weighted_median
from .columns import Columns
from .quasi_newton import Iterate

_N_STEPS = 100
_TO_THE_BORDER = 0.9995  # of the way to u, v = 0 or to the border of d
_SMALLEST_GAP = 1e-13  # relative to F: what is reached
_TINY = 1e-200  # what rounding makes 0
_ENOUGH = 1e-9  # relative to F: what is a solution where rounding ends the steps before
_RESIDUAL = 1e-10  # relative to the largest target: what is 0 at a kink
_MOST_AT_KINKS = 3000  # rows and weights of the last linear system
_MOST_FEATURES = 4000  # columns of X, of which each step solves a dense system


def is_affordable(spec):
    """Whether X is narrow enough for a dense system of all its columns."""
    return spec.layer_units[0] <= _MOST_FEATURES


def descend(objective, dataset, params, look):
    """Generator of `quasi_newton.Iterate`, the start included, of all outputs together, which do not interact.

    `look` is called before each step. `residual` is 1 on the way, and in the end 0, or the relative duality gap
    where that is too large.
    """
    problems, n_outputs = _problems(objective, dataset), objective.spec.layer_units[-1]
    w = params.reshape(-1, n_outputs).copy()
    steps = [problem.steps(problem.start(w[:-1, j], w[-1, j])) for j, problem in enumerate(problems)]
    values, gaps, active, n_steps = np.zeros(n_outputs), np.ones(n_outputs), list(range(n_outputs)), 0
    while active:
        look()
        for j in list(active):
            point, gap = next(steps[j])
            w[:-1, j], w[-1, j] = problems[j].params(point)
            values[j] = problems[j].objective(point)
            if gap is not None:
                gaps[j] = gap
                active.remove(j)
        n_steps += 1
        residual = 1.0 if active else gaps.max()
        yield Iterate(w.ravel().copy(), float(values.sum()), float(residual), n_steps)


def _problems(objective, dataset):
    """One for each output."""
    spec = objective.spec
    rows = objective.rows[objective.row_weights[objective.rows] > 0]
    costs = objective.row_weights[rows] / objective.row_weights[rows].sum()
    y = dataset.y[rows].astype(np.float64)
    n_outputs, numbers = spec.layer_units[-1], spec.loss_parameters
    n_levels = n_outputs // y.shape[1]
    l1, l2 = objective.l1.reshape(-1, n_outputs), objective.l2.reshape(-1, n_outputs)
    design = Design(dataset.X[rows], costs, centred=not (l1[-1].any() or l2[-1].any()))
    return [
        KinkedProblem(
            design, y[:, j // n_levels], costs, numbers[1 + j % n_levels], numbers[1 + n_levels + j % n_levels],
            l1[:, j], l2[:, j],
        )
        for j in range(n_outputs)
    ]  # fmt: skip


class Design:
    """A = [X, 1] with centred and scaled columns, without making sparse X dense."""

    def __init__(self, X, weights, centred):
        self._X = sparse.csr_array(X, dtype=np.float64) if sparse.issparse(X) else np.array(X, np.float64)
        self.means, _, self.scales = Columns.of(self._X, weights, centred=centred)
        if sparse.issparse(X):
            self._shift = self.means
        else:
            self._X -= self.means
            self._shift = np.zeros_like(self.means)

    def times(self, w):
        scaled = w[:-1] * self.scales
        return self._X @ scaled + (w[-1] - self._shift @ scaled)

    def transposed_times(self, v):
        total = v.sum()
        return np.append((self._X.T @ v - self._shift * total) * self.scales, total)

    def gram(self, theta):
        """A' diag(theta) A."""
        X, total, sums = self._X, theta.sum(), self._X.T @ theta
        if sparse.issparse(X):
            products = (X.T @ X.multiply(theta[:, None])).toarray()
        else:
            products = X.T @ (X * theta[:, None])
        mixed = np.outer(self._shift, sums)
        products = products - mixed - mixed.T + total * np.outer(self._shift, self._shift)
        corner = (sums - total * self._shift) * self.scales
        return np.block([[products * np.outer(self.scales, self.scales), corner[:, None]], [corner[None, :], total]])

    def rows(self, taken):
        rows = self._X[taken]
        rows = rows.toarray() if sparse.issparse(rows) else rows
        return np.column_stack([(rows - self._shift) * self.scales, np.ones(len(rows))])


class KinkedProblem:
    """F of one output, in centred and scaled columns and in units of y's spread, times a constant.

    Parameters
    ----------
    design : Design
    y, costs : ndarray of shape (n_rows,)
        Costs are weights of the rows, which sum to 1.
    above, below : float
        Slopes of the loss for residuals above and below 0.
    l1, l2 : ndarray of shape (n_features + 1,)
        Strengths for the weights of the columns as they were given, the intercept last.
    """

    def __init__(self, design, y, costs, above, below, l1, l2):
        self.design, self._n = design, len(y)
        scales = np.append(design.scales, 1.0)
        can_move = l1[-1] == l2[-1] == 0
        self._middle = weighted_median(y, costs) if can_move else 0.0
        spread = costs @ np.abs(y - self._middle)
        self._unit = spread if spread > 0 else 1.0
        # F is divided by its unit and multiplied by the number of rows: costs are of order 1.
        n_rows = self._n
        self._strong = np.flatnonzero((l1 > 0) & (scales > 0))  # weights with a kink at 0
        strengths = n_rows * l1[self._strong] * scales[self._strong]
        self._a = np.append(n_rows * above * costs, strengths)
        self._b = np.append(n_rows * below * costs, strengths)
        self._l2 = n_rows * l2 * self._unit * scales**2
        self._y = np.append((y - self._middle) / self._unit, np.zeros(len(self._strong)))
        self._size = 1.0 + np.abs(self._y).max()

    def params(self, w):
        """(weights of the columns as they were given, intercept)."""
        coef = self._unit * w[:-1] * self.design.scales
        return coef, self._unit * w[-1] + self._middle - self.design.means @ coef

    def start(self, coef, intercept):
        """w of given weights."""
        scales, centred = self.design.scales, intercept - self._middle + self.design.means @ coef
        return np.append(np.divide(coef, scales, out=np.zeros_like(coef), where=scales > 0), centred) / self._unit

    def _times(self, w):
        return np.append(self.design.times(w), w[self._strong])

    def _transposed_times(self, v):
        result = self.design.transposed_times(v[: self._n])
        result[self._strong] += v[self._n :]
        return result

    def _system(self, theta):
        """Solver of (A' diag(theta) A + diag(l2)) x = v."""
        matrix = self.design.gram(theta[: self._n])
        diagonal = matrix.diagonal() + self._l2
        diagonal[self._strong] += theta[self._n :]
        np.fill_diagonal(matrix, diagonal)
        scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        matrix *= scale[:, None] * scale
        for ridge in 10.0 ** np.arange(-15, 0):
            np.fill_diagonal(matrix, 1.0 + ridge)
            try:
                factor = cho_factor(matrix)
            except LinAlgError:
                continue
            return lambda v: scale * cho_solve(factor, scale * v)
        raise LinAlgError("The normal equations are not finite.")

    def objective(self, w):
        """F itself."""
        return self._unit / self._n * self.value(w)

    def value(self, w):
        """F as it is solved."""
        residual = self._y - self._times(w)
        return self._a @ np.maximum(residual, 0) + self._b @ np.maximum(-residual, 0) + 0.5 * self._l2 @ w**2

    def steps(self, w):
        """Generator of (w, None), and in the end (solution, relative duality gap or 0 if that is small)."""
        residual = self._y - self._times(w)
        margin = 0.1 + 0.1 * np.abs(residual).mean()
        u, v = np.maximum(residual, 0) + margin, np.maximum(-residual, 0) + margin
        d = (self._a - self._b) / 2
        best, best_gap, kept = w, np.inf, (u, v, d)
        for _ in range(_N_STEPS):
            s, t = self._a - d, self._b + d
            gap = (u @ s + v @ t) / (1.0 + self.value(w))
            infeasible = max(np.abs(self._y - self._times(w) - u + v).max(), self._dual_error(w, d))
            if max(gap, infeasible) < best_gap:
                best, best_gap, kept = w, max(gap, infeasible), (u, v, d)
            yield w, None
            if best_gap <= _SMALLEST_GAP or gap > 1e6 * best_gap:
                break
            try:
                w, u, v, d = self._step(w, u, v, d)
            except (LinAlgError, ValueError):  # numbers that are not finite any more
                break
        yield self._at_kinks(best, *kept), 0.0 if best_gap <= _ENOUGH else best_gap

    def _dual_error(self, w, d):
        return np.abs(self._l2 * w - self._transposed_times(d)).max() / (1.0 + self._n)

    def _step(self, w, u, v, d):
        s, t = np.maximum(self._a - d, _TINY), np.maximum(self._b + d, _TINY)
        mean = (u @ s + v @ t) / (2 * len(u))
        solve = self._system(1 / (u / s + v / t))
        predicted = self._direction(solve, w, u, v, d, s, t, -u * s, -v * t)
        _, du, dv, dd = predicted
        primal, dual = self._lengths(u, v, s, t, du, dv, dd, 1.0)
        reached = ((u + primal * du) @ (s - dual * dd) + (v + primal * dv) @ (t + dual * dd)) / (2 * len(u))
        target = mean * (reached / mean) ** 3
        dw, du, dv, dd = self._direction(solve, w, u, v, d, s, t, target - u * s + du * dd, target - v * t - dv * dd)
        primal, dual = self._lengths(u, v, s, t, du, dv, dd, _TO_THE_BORDER)
        return w + primal * dw, np.maximum(u + primal * du, _TINY), np.maximum(v + primal * dv, _TINY), d + dual * dd

    def _direction(self, solve, w, u, v, d, s, t, of_us, of_vt):
        """Newton's step, where u s and v t are to change by `of_us` and `of_vt`."""
        theta = 1 / (u / s + v / t)
        missing = self._y - self._times(w) - u + v - of_us / s + of_vt / t
        pull = self._transposed_times(d) - self._l2 * w

        def newton(pull, missing):
            dw = solve(self._transposed_times(theta * missing) + pull)
            return dw, theta * (missing - self._times(dw))

        dw, dd = newton(pull, missing)
        # Once more for what rounding has left over.
        left = pull + self._transposed_times(dd) - self._l2 * dw
        more, more_d = newton(left, np.zeros_like(missing))
        dw, dd = dw + more, dd + more_d
        return dw, (of_us + u * dd) / s, (of_vt - v * dd) / t, dd

    def _lengths(self, u, v, s, t, du, dv, dd, share):
        """(primal length, dual length): one where a quadratic term couples them."""
        primal = min(_to_border(u, du, share), _to_border(v, dv, share))
        dual = min(_to_border(s, -dd, share), _to_border(t, dd, share))
        return (min(primal, dual),) * 2 if self._l2.any() else (primal, dual)

    def _at_kinks(self, w, u, v, d):
        """The solution with the kinks at which w almost is, or w where these are not those of a solution."""
        s, t = self._a - d, self._b + d
        at_kink = (u < s) & (v < t)
        rows, zeros = np.flatnonzero(at_kink[: self._n]), self._strong[at_kink[self._n :]]
        free = np.setdiff1d(np.arange(len(w)), zeros)
        w = w.copy()
        w[zeros] = 0.0
        if len(rows) + len(free) > _MOST_AT_KINKS or not len(free):
            return w
        d = np.where(u > v, self._a, -self._b)
        d[at_kink] = 0.0
        kinks = self.design.rows(rows)
        matrix = np.block([
            [np.diag(self._l2[free]), -kinks[:, free].T],
            [kinks[:, free], np.zeros((len(rows), len(rows)))],
        ])  # fmt: skip
        right = np.append((self._transposed_times(d) - self._l2 * w)[free], (self._y[: self._n][rows] - kinks @ w))
        # Columns of small scale have large l2 terms, beside which lstsq would take those of others for rounding.
        scale = np.append(1 / np.sqrt(1.0 + self._l2[free]), np.ones(len(rows)))
        solution = scale * lstsq(scale[:, None] * matrix * scale, scale * right)[0]
        new = w.copy()
        new[free] += solution[: len(free)]
        new[np.abs(new) < np.finfo(float).eps] = 0.0  # what no target can tell from 0
        d[rows] = solution[len(free) :]
        return new if self._is_solution(new, d, at_kink, zeros) else w

    def _is_solution(self, w, d, at_kink, zeros):
        """Whether w and d are those of an optimum: residuals are 0 at kinks and elsewhere have the sign of d, d is
        between its bounds, and no weight pulls more than its kink allows."""
        residual = self._y - self._times(w)
        reached = (np.where(at_kink, -np.abs(residual), residual * np.sign(d)) >= -_RESIDUAL * self._size).all()
        data = at_kink.copy()
        data[self._n :] = False
        within = (d[data] <= self._a[data] * (1 + 1e-9)) & (d[data] >= -self._b[data] * (1 + 1e-9))
        allowed = np.full(len(w), _ENOUGH * (1.0 + self._n))
        allowed[zeros] += self._a[self._n :][at_kink[self._n :]]
        return reached and within.all() and (np.abs(self._transposed_times(d) - self._l2 * w) <= allowed).all()


def _to_border(values, change, share):
    """Length of a step at which the first value would come to 0, times a share, at most 1."""
    falling = change < 0
    return min(1.0, share * float((-values[falling] / change[falling]).min())) if falling.any() else 1.0
