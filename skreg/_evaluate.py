"""Forward passes without dropout: raw predictions, and the data's terms of the objective."""

import numpy as np

from ._data import N_ROWS_AT_ONCE, Dataset
from ._network import Workspace, multiplications, n_params_of, offsets
from ._team import Team
from .kernels import layout as code

BLOCK_OF_DRAWS = 64  # rows that pass through it together in several copies, of different draws
BLOCK = 256  # rows that pass through the network together; their activations stay in the cache
AT_ONCE = 10_000_000_000  # multiply-adds, in less than a second, after which an interrupt is seen


class Evaluation:
    """A forward pass over a dataset as a table for the stage of kernels/evaluation.py, to be made any number of times.

    Parameters
    ----------
    spec : Spec
        Without noise.
    dataset : Dataset
        Of the dtype that is computed in.
    workspace : Workspace
        One that is `forward_only`, for BLOCK rows or fewer.
    n_columns : int, default=0
        Predictions of a row.
    link : str or None, default=None
        Name of the predictions' link; None for raw ones.
    losses : bool, default=True
        Whether the terms are those of the loss; else they are finite only where X is.

    Attributes
    ----------
    table : int64 ndarray
    terms : float64 ndarray of shape (n_times, n_blocks, 2)
        Sums of losses and activity penalties.
    prediction : ndarray of shape (n_times, n_samples, n_columns)
    """

    def __init__(self, spec, dataset, workspace, n_columns=0, link=None, losses=True):
        from .kernels.evaluation import N_TABLE
        from .kernels.links import link_stage
        from .kernels.losses import loss_stage

        dtype, n_samples, block_size = dataset.dtype, dataset.n_samples, workspace.capacity
        x, x_row, x_col, *csr, y, n_targets, weights = dataset.arguments()
        self.table = np.empty(N_TABLE, np.int64)
        self._inputs = x, *csr, y if losses else y[:0], weights, np.arange(block_size)
        self._network = workspace.layout, spec.penalties, spec.loss_numbers
        self._scratch = workspace.work, workspace.row_terms, workspace.panels
        self._numbers = (
            x_row, x_col, n_samples, n_targets, link_stage(link, dtype), n_columns,
            n_params_of(spec.layer_units, spec.normalization, spec.skip),
            loss_stage(spec.loss, dtype) if losses else code.NOWHERE, block_size,
        )  # fmt: skip
        self._shape, self._n_blocks, self._dtype = (n_samples, n_columns), -(-n_samples // block_size), dtype

    def make_room(self, n_times, prediction=None):
        """For the results of so many passes. `prediction` is where they go, if it is given."""
        from .kernels.evaluation import describe_data

        self.terms = np.empty((n_times, self._n_blocks, 2))
        self.prediction = np.empty((n_times, *self._shape), self._dtype) if prediction is None else prediction
        describe_data(
            self.table, *self._inputs, self.prediction.reshape(-1), *self._network, self.terms.reshape(-1),
            *self._scratch, *self._numbers,
        )  # fmt: skip


def evaluate(spec, params, dataset, prediction=None, *, link=None, losses=True):
    """(mean loss, mean activity penalty) at `params`; fills `prediction`, by the link of that name, if given.

    Without `losses`, what is returned is not finite if X is not.

    Computed in the dtype of `params`, block by block, so that memory does not grow with the rows.
    `params` and `prediction` must have one dtype.
    """
    from .kernels.entry import evaluate as kernel
    from .kernels.evaluation import STAGES

    spec, dtype, n_samples = spec.without_noise, params.dtype, dataset.n_samples
    stage, n_columns = STAGES["evaluation"].address(dtype), 0 if prediction is None else prediction.shape[1]
    total = np.zeros(2)
    with Team(multiplications(spec.layer_units, n_samples), most=-(-n_samples // BLOCK)) as team:
        workspace = Workspace(spec, min(BLOCK, n_samples), dtype, dataset.is_sparse, team.size, forward_only=True)
        # Terms are summed up slice by slice; predictions of dense X need no slices.
        at_once = N_ROWS_AT_ONCE
        if n_samples > at_once and not losses and not dataset.is_sparse:
            at_once = max(at_once, AT_ONCE // multiplications(spec.layer_units, 1))
        for rows, block in dataset.blocks(dtype, at_once=at_once):
            a_pass = Evaluation(spec, block, workspace, n_columns, link, losses)
            a_pass.make_room(1, None if prediction is None else prediction[rows])
            team.run(kernel, params, stage, a_pass.table)
            total += a_pass.terms.sum(axis=(0, 1))
    return total / n_samples


def predict(spec, params, X, link):
    """(predictions, whether X may be finite).

    Predictions have the shape (n_samples, n_outputs), or 2 columns by the link 'two_classes', and the wider dtype.
    """
    dtype = np.result_type(params.dtype, X.dtype)
    n_columns = 2 if link == "two_classes" else spec.layer_units[-1]
    out = np.empty((X.shape[0], n_columns), dtype)
    dataset = Dataset.make(X, np.empty((X.shape[0], 0), X.dtype))
    inputs = evaluate(spec, params.astype(dtype, copy=False), dataset, out, link=link, losses=False)
    return out, bool(np.isfinite(inputs).all())


def predict_draws(spec, params, X, link, n_draws, seed):
    """(means, standard deviations) of predictions over draws of the dropout masks, as `predict` returns them."""
    from .kernels.draws import predict_draws as kernel
    from .kernels.links import link_stage

    dtype, n_samples = np.result_type(params.dtype, X.dtype), X.shape[0]
    n_columns = 2 if link == "two_classes" else spec.layer_units[-1]
    mean, spread = np.empty((n_samples, n_columns)), np.empty((n_samples, n_columns))
    params = params.astype(dtype, copy=False)
    dataset = Dataset.make(X, np.empty((n_samples, 0), X.dtype))
    block = min(BLOCK_OF_DRAWS, n_samples)
    together = min(n_draws, BLOCK // block)
    with Team(n_draws * multiplications(spec.layer_units, n_samples), most=-(-n_samples // block)) as team:
        workspace = Workspace(
            spec, block * together, dtype, dataset.is_sparse, team.size, forward_only=True, draws=True
        )
        predictions = np.empty(team.size * block * together * n_columns, dtype)
        for rows, part in dataset.blocks(dtype):
            x = part.arguments()[:6]
            team.run(
                kernel, *x, np.arange(part.n_samples), link_stage(link, dtype), n_columns, mean[rows].reshape(-1),
                spread[rows].reshape(-1), params, workspace.layout, spec.penalties, n_draws, seed, block, together,
                workspace.work, predictions, workspace.panels,
            )  # fmt: skip
    return mean.astype(dtype, copy=False), spread.astype(dtype, copy=False)


def penalty_terms(spec, params):
    """(penalty on the weights, penalty on the intercepts), summed in float64."""

    def term(w, l1, l2):
        w = w.astype(np.float64, copy=False)
        return l1 * np.abs(w).sum() + 0.5 * l2 * (w @ w)

    coefs = intercepts = 0.0
    for (coef, intercept), fan_out, row in zip(
        offsets(spec.layer_units, spec.skip)[0], spec.layer_units[1:], spec.penalties, strict=True
    ):
        coefs += term(params[coef:intercept], row[code.COEF_L1], row[code.COEF_L2])
        if row[code.COEF_GROUP] > 0:
            rows = params[coef:intercept].reshape(-1, fan_out).astype(np.float64, copy=False)
            coefs += row[code.COEF_GROUP] * np.linalg.norm(rows, axis=1).sum()
        intercepts += term(params[intercept : intercept + fan_out], row[code.INTERCEPT_L1], row[code.INTERCEPT_L2])
    return coefs, intercepts
