"""Forward passes without dropout: raw predictions, and the data's terms of the objective."""

import numpy as np

from ._data import Dataset
from ._network import Workspace, multiplications, offsets
from ._team import Team
from .kernels import layout as code

BLOCK = 256  # rows that pass through the network together; their activations stay in the cache


def evaluate(spec, params, dataset, raw_prediction=None, losses=True):
    """(mean loss, mean activity penalty) at `params`; fills `raw_prediction` if given.

    Computed in the dtype of `params`, block by block, so that memory does not grow with the rows.
    `params` and `raw_prediction` must have one dtype.
    """
    from .kernels.entry import evaluate as kernel

    spec = spec.without_dropout()
    dtype, n_samples = params.dtype, dataset.n_samples
    total = np.zeros(2)
    with Team(multiplications(spec.layer_units, n_samples), most=-(-n_samples // BLOCK)) as team:
        workspace = Workspace(spec, min(BLOCK, n_samples), dtype, dataset.is_sparse, team.size, of_each=True)
        for rows, block in dataset.blocks(dtype):
            *x, y, n_targets, weights = block.arguments()
            out = np.empty(0, dtype) if raw_prediction is None else raw_prediction[rows].reshape(-1)
            terms = np.zeros((-(-block.n_samples // workspace.capacity), 2))
            team.run(
                kernel, *x, y if losses else y[:0], n_targets, weights, np.arange(block.n_samples), out, params,
                workspace.layout, spec.penalties, spec.activation, spec.loss, workspace.capacity, terms.reshape(-1),
                workspace.work, workspace.row_terms, workspace.panels,
            )  # fmt: skip
            total += terms.sum(axis=0)
    return total / n_samples


def raw_prediction(spec, params, X):
    """Output of the last layer before the link, shape (n_samples, n_outputs), in the wider of both dtypes."""
    dtype = np.result_type(params.dtype, X.dtype)
    params = params.astype(dtype, copy=False)
    out = np.empty((X.shape[0], spec.layer_units[-1]), dtype)
    dataset = Dataset.make(X, np.empty((X.shape[0], 0)))
    evaluate(spec, params, dataset, out, losses=False)
    return out


def penalty_terms(spec, params):
    """(penalty on the weights, penalty on the intercepts), summed in float64."""
    def term(w, l1, l2):
        w = w.astype(np.float64, copy=False)
        return l1 * np.abs(w).sum() + 0.5 * l2 * (w @ w)

    coefs = intercepts = 0.0
    for (coef, intercept), fan_out, row in zip(
        offsets(spec.layer_units)[0], spec.layer_units[1:], spec.penalties, strict=True
    ):
        coefs += term(params[coef:intercept], row[code.COEF_L1], row[code.COEF_L2])
        intercepts += term(params[intercept : intercept + fan_out], row[code.INTERCEPT_L1], row[code.INTERCEPT_L2])
    return coefs, intercepts
