"""An equivalent smaller network: without the units and inputs whose weights are zero.

A hidden unit whose outgoing weights are all zero has no effect. One whose incoming weights are all zero is a
constant, its activation at its intercept, and moves into the intercepts of the next layer. Either may leave
others without effect, so the layers are looked at until nothing changes. An input without outgoing weights
in the first layer is not multiplied any more. One unit of each hidden layer stays, whatever it does.
"""

import numpy as np


def pruned(coefs, intercepts, activate, are_dropped):
    """(coefs, intercepts, indices of the inputs and of each hidden layer's units that are left).

    What is given is not changed. `activate` is a callable (layer, units, their sums) -> their activations, or
    None where no unit may go. `are_dropped` says for each hidden layer whether draws of dropout leave units out:
    constant ones are not constant then.
    """
    coefs, intercepts = [coef.copy() for coef in coefs], [intercept.copy() for intercept in intercepts]
    units, n_before = [np.arange(len(coef)) for coef in coefs], -1
    while activate and n_before != (n_before := sum(map(np.count_nonzero, coefs))):
        for layer in range(len(coefs) - 1):
            if not are_dropped[layer]:
                _fold_constants(coefs, intercepts, layer, units[layer + 1], activate)
            kept = _keep_units(coefs, intercepts, layer, coefs[layer + 1].any(axis=1))
            units[layer + 1] = units[layer + 1][kept]
    units[0] = _indices(coefs[0].any(axis=1))
    coefs[0] = coefs[0][units[0]]
    return coefs, intercepts, units


def _indices(is_kept):
    """Of what is kept; the first where that is nothing."""
    return np.flatnonzero(is_kept) if is_kept.any() else np.zeros(1, int)


def _fold_constants(coefs, intercepts, layer, units, activate):
    """Move constant units of a hidden layer into the next intercepts; their outgoing weights are zero then."""
    is_constant = ~coefs[layer].any(axis=0) & coefs[layer + 1].any(axis=1)
    if is_constant.any():
        outgoing = coefs[layer + 1][is_constant]
        values = activate(layer, units[is_constant], intercepts[layer][is_constant])
        intercepts[layer + 1] = intercepts[layer + 1] + values @ outgoing
        coefs[layer + 1][is_constant] = 0


def _keep_units(coefs, intercepts, layer, has_effect):
    """Leave the others out. Returns the places of those kept."""
    units = _indices(has_effect)
    coefs[layer], intercepts[layer] = coefs[layer][:, units], intercepts[layer][units]
    coefs[layer + 1] = coefs[layer + 1][units]
    if not has_effect.any():  # the one that stays does not need what is before it
        coefs[layer][:] = 0
    return units
