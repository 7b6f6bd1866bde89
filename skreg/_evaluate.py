"""Forward passes without dropout: raw predictions, and the data's terms of the objective."""

import numpy as np

from ._data import Dataset
from ._network import Workspace, multiplications, offsets
from ._team import Team
from .kernels import layout as code

BLOCK_OF_DRAWS = 64  # rows that pass through it together in several copies, of different draws
BLOCK = 256  # rows that pass through the network together; their activations stay in the cache


def evaluate(spec, params, dataset, prediction=None, *, link=None, losses=True):
    """(mean loss, mean activity penalty) at `params`; fills `prediction`, by the link of that name, if given.

    Without `losses`, what is returned is not finite if X is not.

    Computed in the dtype of `params`, block by block, so that memory does not grow with the rows.
    `params` and `prediction` must have one dtype.
    """
    from .kernels.entry import evaluate as kernel
    from .kernels.links import link_stage
    from .kernels.losses import loss_stage

    spec = spec.without_noise
    dtype, n_samples = params.dtype, dataset.n_samples
    total = np.zeros(2)
    n_columns = 0 if prediction is None else prediction.shape[1]
    loss = loss_stage(spec.loss, dtype) if losses else code.NOWHERE
    with Team(multiplications(spec.layer_units, n_samples), most=-(-n_samples // BLOCK)) as team:
        workspace = Workspace(spec, min(BLOCK, n_samples), dtype, dataset.is_sparse, team.size, forward_only=True)
        order = np.arange(workspace.capacity)
        for rows, block in dataset.blocks(dtype):
            *x, y, n_targets, weights = block.arguments()
            out = np.empty(0, dtype) if prediction is None else prediction[rows].reshape(-1)
            terms = np.zeros(2 * -(-block.n_samples // workspace.capacity))
            team.run(
                kernel, *x, block.n_samples, y if losses else y[:0], n_targets, weights, order,
                link_stage(link, dtype), n_columns, out, params, workspace.layout, spec.penalties, loss,
                spec.loss_numbers, workspace.capacity, terms, workspace.work, workspace.row_terms, workspace.panels,
            )  # fmt: skip
            total += terms.reshape(-1, 2).sum(axis=0)
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
