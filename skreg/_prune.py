"""An equivalent smaller network: without the units and inputs whose weights are zero.

A hidden unit whose outgoing weights are all zero has no effect. One whose incoming weights are all zero is a
constant, its activation at its intercept, and moves into the intercepts of the next layer. Either may leave
others without effect, so the layers are looked at until nothing changes. An input without outgoing weights
in the first layer is not multiplied any more. One unit of each hidden layer stays, whatever it does.
"""

import numpy as np


def pruned(coefs, intercepts, activate):
    """(coefs, intercepts, indices of the inputs that are left); what is given is not changed.

    `activate` is a callable (layer, sums) -> activations of a hidden layer.
    """
    coefs, intercepts = [coef.copy() for coef in coefs], [intercept.copy() for intercept in intercepts]
    n_before = -1
    while n_before != (n_before := sum(map(np.count_nonzero, coefs))):
        for layer in range(len(coefs) - 1):
            _fold_constants(coefs, intercepts, layer, activate)
            _keep_units(coefs, intercepts, layer, coefs[layer + 1].any(axis=1))
    inputs = _indices(coefs[0].any(axis=1))
    coefs[0] = coefs[0][inputs]
    return coefs, intercepts, inputs


def _indices(is_kept):
    """Of what is kept; the first where that is nothing."""
    return np.flatnonzero(is_kept) if is_kept.any() else np.zeros(1, int)


def _fold_constants(coefs, intercepts, layer, activate):
    """Move constant units of a hidden layer into the next intercepts; their outgoing weights are zero then."""
    is_constant = ~coefs[layer].any(axis=0) & coefs[layer + 1].any(axis=1)
    if is_constant.any():
        outgoing = coefs[layer + 1][is_constant]
        intercepts[layer + 1] = intercepts[layer + 1] + activate(layer, intercepts[layer])[is_constant] @ outgoing
        coefs[layer + 1][is_constant] = 0


def _keep_units(coefs, intercepts, layer, has_effect):
    units = _indices(has_effect)
    coefs[layer], intercepts[layer] = coefs[layer][:, units], intercepts[layer][units]
    coefs[layer + 1] = coefs[layer + 1][units]
    if not has_effect.any():  # the one that stays does not need what is before it
        coefs[layer][:] = 0
