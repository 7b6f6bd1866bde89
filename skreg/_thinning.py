"""The smaller network that the batches pass through where dropout leaves units out for a whole batch."""

import numpy as np

from ._network import aligned_empty, has_activity
from .kernels import layout as code


def left_out(spec, sparse):
    """Rates at which inputs of each layer are left out of the computation: what nobody else needs.

    Normalisation and an activity penalty need all units; with CSR X, which is multiplied where it lies, dropout is
    but one mask for all rows.
    """
    rates = spec.penalties[:, code.DROPOUT]
    if spec.dropout_kind != "batchwise" or sparse or spec.normalization is not None or spec.skip:
        return np.zeros_like(rates)
    return np.where(np.append(False, has_activity(spec)[:-1]), 0.0, rates)


class Thinning:
    """What a batch passes through: the network itself, unless units are left out, see kernels/thinning.py.

    Attributes
    ----------
    params : ndarray
        Weights and intercepts, where those of `params` lie.
    layout : ndarray of shape (n_layers, N_LAYOUT), int64
    penalties : ndarray of shape (n_layers, N_PENALTIES)
        Without the dropout that leaves units out.
    """

    def __init__(self, spec, params, layout, sparse):
        self.params, self.layout, self.penalties = params, layout, spec.penalties
        rates = left_out(spec, sparse)
        if rates.any():
            self.params, self.layout = aligned_empty(len(params), params.dtype), layout.copy()
            self.penalties = spec.penalties.copy()
            self.penalties[rates > 0, code.DROPOUT] = 0.0
            self._units(spec.layer_units, params.dtype)
            self._stages(params, layout, rates)

    def _units(self, layer_units, dtype):
        """Places and factors of all units, at first those of a network where all stay."""
        self._places = [np.concatenate([np.arange(n + 1), np.arange(n)]).astype(np.int64) for n in layer_units]
        self._factors = [np.ones(n, dtype) for n in layer_units]
        places, factors = ([array.ctypes.data for array in arrays] for arrays in (self._places, self._factors))
        self.layout[:, code.INPUT_PLACES], self.layout[:, code.OUTPUT_PLACES] = places[:-1], places[1:]
        self.layout[:, code.INPUT_FACTORS], self.layout[:, code.OUTPUT_FACTORS] = factors[:-1], factors[1:]

    def _stages(self, params, layout, rates):
        from .kernels.thinning import STAGES

        self._held = params, layout, rates  # whose addresses are in the layout
        addresses = [array.ctypes.data for array in (*self._held, self.params)]
        self.layout[0, [code.WHOLE_PARAMS, code.WHOLE_LAYOUT, code.RATES, code.THINNED_PARAMS]] = addresses
        self.layout[0, code.THIN] = STAGES["thin"].address(params.dtype)
        is_thinned = (rates > 0) | np.append(rates[1:] > 0, False)
        self.layout[is_thinned, code.SPREAD] = STAGES["spread"].address(params.dtype)
