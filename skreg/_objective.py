"""The objective F on all rows, in float64: value, gradient, and how far a point is from optimal.

F = mean loss + penalties on weights and intercepts + mean penalty on hidden activations, as in the user
guide. Its terms with kinks, l1 and norms of groups, have no gradient; they are an object of their own, see
_nonsmooth.py.
"""

from typing import NamedTuple

import numpy as np

from ._data import N_ROWS_CAST, Dataset
from ._distinct import distinct_rows
from ._evaluate import BLOCK, penalty_terms
from ._kinks import kinked_residuals, smoothed
from ._network import Workspace, aligned_empty, multiplications
from ._nonsmooth import NonSmooth, spread
from ._team import Team
from .kernels import layout as code


class Objective(NamedTuple):
    """Value of the training objective F and of its four terms; ``value`` is their sum.

    Attributes
    ----------
    value : float
        F itself.
    loss : float
        Weighted mean of the loss over the samples.
    weights, biases : float
        Penalties on the weights (``alpha``) and on the intercepts (``bias_penalty``).
    activity : float
        Weighted mean over the samples of the penalty on the hidden units' outputs
        (``activity_penalty``).
    """

    value: float
    loss: float
    weights: float
    biases: float
    activity: float

    @classmethod
    def of_terms(cls, loss, weights, biases, activity):
        """From the four terms, in the order of the formula."""
        return cls(*(float(t) for t in (loss + weights + biases + activity, loss, weights, biases, activity)))


class FullBatch:
    """F of a dataset as a function of the flat float64 parameters.

    Attributes
    ----------
    nonsmooth : NonSmooth
        What F has beside its smooth part.
    l1, l2 : ndarray of shape (n_params,)
        Strengths of each parameter's l1 and l2 terms.
    rows : ndarray of int
        Distinct rows that F sums over.
    row_weights : ndarray of shape (n_samples,)
        Weights of these rows, with mean 1 over them; 0 for all others.
    """

    def __init__(self, spec, dataset):
        self.spec = spec.without_noise
        self.nonsmooth = NonSmooth.of(spec)
        self.l1 = self.nonsmooth.l1
        self.l2 = spread(spec, code.COEF_L2, code.INTERCEPT_L2)
        self.rows, weights = distinct_rows(dataset.X, dataset.y, dataset.sample_weight)
        self.row_weights = np.zeros(dataset.n_samples)
        self.row_weights[self.rows] = weights
        block = min(BLOCK, len(self.rows))
        self._team = Team(multiplications(spec.layer_units, block))
        self._workspace = Workspace(self.spec, block, np.float64, dataset.is_sparse, self._team.size)
        self._dataset = Dataset(dataset.X, dataset.y, self.row_weights)
        # Converted once where nothing has to be cast, else block by block at every evaluation.
        self._arguments = self._dataset.arguments() if dataset.dtype == np.float64 else None

    def __enter__(self):
        """Within the context several threads may work."""
        self._team.__enter__()
        return self

    def __exit__(self, *error):
        self._team.__exit__(*error)

    @property
    def has_kinks(self):
        """Whether F is a sum of kinks and of l2 terms: a linear model whose loss is linear on both sides of y."""
        return self.spec.is_linear and not self.spec.is_smooth and self.nonsmooth.is_l1

    def smooth_kinks(self):
        """From now on the loss is one that has a gradient everywhere, see `_kinks.smoothed`."""
        self.spec = self._smoothed_spec()

    def _smoothed_spec(self):
        return smoothed(self.spec, self._dataset.y[self.rows], self.row_weights[self.rows])

    def data_terms(self, params, spec=None):
        """(mean loss, mean activity penalty, gradient of their sum)."""
        from .kernels.entry import loss_gradient
        from .kernels.losses import loss_stage

        workspace, spec, n_rows = self._workspace, spec or self.spec, len(self.rows)
        flat = aligned_empty(len(params), np.float64)
        flat[:] = params
        gradient = aligned_empty(len(params), np.float64)
        gradient[:] = 0
        total = np.zeros(2)
        for arguments, rows in self._blocks():
            total += self._team.run(
                loss_gradient, *arguments, rows, flat, gradient, workspace.layout, spec.penalties,
                loss_stage(spec.loss, np.float64), spec.loss_numbers, workspace.capacity, 1.0 / n_rows,
                workspace.work, workspace.row_terms, workspace.panels,
            )  # fmt: skip
        return total[0] / n_rows, total[1] / n_rows, gradient

    def _blocks(self):
        if self._arguments is not None:
            yield self._arguments, self.rows
            return
        for start in range(0, len(self.rows), N_ROWS_CAST):
            block = self._dataset.take(self.rows[start : start + N_ROWS_CAST], np.dtype(np.float64))
            yield block.arguments(), np.arange(block.n_samples)

    def smooth(self, params, spec=None):
        """Value and gradient of F without its terms with kinks on weights and intercepts, with the loss of `spec`."""
        loss, activity, gradient = self.data_terms(params, spec)
        pull = self.l2 * params
        gradient += pull
        return loss + activity + 0.5 * float(pull @ params), gradient

    def terms(self, params):
        loss, activity, _ = self.data_terms(params)
        return Objective.of_terms(loss, *penalty_terms(self.spec, params), activity)

    def kkt_residuals(self, params):
        """For each parameter the distance of minus the smooth gradient to the subdifferential of the rest.

        Kinks of the loss are a part of the rest where the model `has_kinks`, else they are smoothed.
        """
        if self.has_kinks:
            return kinked_residuals(self.spec, self.l1, self.l2, self._dataset, self.rows, params)
        _, gradient = self.smooth(params, self._smoothed_spec())
        return np.abs(self.nonsmooth.smallest_subgradient(params, gradient))
