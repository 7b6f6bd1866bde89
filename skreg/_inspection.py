"""What both estimators share of looking at a fitted network: its objective, its inputs, its dead units."""

from copy import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._data import Dataset
from ._network import pack, units_of, unpack
from ._normalization import keep_units, normalization_of, normalized_constants, vectors_of
from ._spec import make_spec, prediction_spec


class InspectionMixin:
    """Objective and optimality on any data, use of the inputs, and the smaller network that does the same."""

    def _full_batch(self, X, y, sample_weight):
        """The objective on these data with the current penalties, and the fitted parameters."""
        from ._objective import FullBatch

        check_is_fitted(self)
        X, y = self._validate_X_y(X, y, reset=False)
        loss = self._loss_at_fit()
        target, n_outputs, _ = self._validate_target(y, X.dtype, loss, False)
        if n_outputs != self.n_outputs_:
            raise ValueError(f"y has {n_outputs} outputs, but the network has {self.n_outputs_}.")
        spec, params = self._network_of_objective(loss)
        return FullBatch(spec, Dataset.make(X, target, self._weights("sample_weight", sample_weight, X, y))), params

    def _network_of_objective(self, loss):
        """(specification with this loss and the current penalties, flat float64 parameters)."""
        units = units_of(self.coefs_, self.intercepts_)
        spec = make_spec(self, units, loss[0], self._activations_at_fit(), loss[1], normalization_of(self))
        return spec, pack(self.coefs_, self.intercepts_, np.float64, vectors_of(self, units))

    def objective(self, X, y, sample_weight=None):
        """Value of the training objective at the fitted weights, on any data, and its terms.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples.

        Returns
        -------
        objective : Objective
            Named tuple of floats: `value`, and its terms `loss`, `weights`, `biases`, `activity`. It
            is without dropout, and computed in float64. With `batch_norm` it is that at prediction.
        """
        batch, params = self._full_batch(X, y, sample_weight)
        with batch:
            return batch.terms(params)

    def kkt_residual(self, X, y, sample_weight=None):
        """How far the fitted weights are from optimal on these data: 0 at a stationary point.

        It is the largest entry of the distance of minus the gradient of the smooth part of the
        objective to the subdifferential of its l1 and group terms, of weights >= 0 with `positive`. Losses
        with a kink, 'absolute_error' and 'quantile', are a part of the latter in linear models, a row whose
        prediction equals its target to rounding being at the kink; in networks, and with group penalties or
        `positive`, their kinks are smoothed as they are for 'lbfgs'.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples.

        Returns
        -------
        residual : float
            In units of the objective per unit of weight.

        Raises
        ------
        ValueError
            With `batch_norm`, where what is minimised depends on the batches.
        """
        batch, params = self._full_batch(X, y, sample_weight)
        if batch.spec.normalization == "batch":
            raise ValueError(
                "kkt_residual is not defined with batch_norm=True, where training minimises F at the statistics of its "
                "batches: use layer_norm=True, or look at objective()."
            )
        with batch:
            return float(batch.kkt_residuals(params).max())

    # Inputs and units without effect --------------------------------------------------------------

    @property
    def feature_importances_(self):
        """Euclidean norm of each input's outgoing weights in the first layer, 0.0 for those that are not used.

        They are not normalised: inputs should be of one scale, and a network's are to be compared with each other.
        """
        check_is_fitted(self)
        norms = np.linalg.norm(self.coefs_[0], axis=1)
        kept = getattr(self, "kept_features_", None)
        if kept is None:
            return norms
        importances = np.zeros(self.n_features_in_, norms.dtype)
        importances[kept] = norms
        return importances

    @property
    def n_features_used_(self):
        """Number of inputs with an outgoing weight that is not zero."""
        check_is_fitted(self)
        return int(self.coefs_[0].any(axis=1).sum())

    def prune(self):
        """An equivalent smaller network, without the units and inputs whose weights are zero.

        Hidden units without outgoing weights are left out; those without incoming weights are constant, and
        move into the intercepts of the next layer, unless dropout varies them. Inputs without outgoing
        weights are no longer multiplied. At least one unit of each hidden layer stays; with `layer_norm` all
        do, because each counts in its layer's mean and variance.

        Returns
        -------
        pruned : object
            A new fitted estimator of the same class, which takes the same X: `n_features_in_` is as before,
            and `kept_features_` are the columns that it looks at. Its predictions are the same to rounding,
            and take less time. Its `hidden_layer_sizes` are those that are left. `partial_fit`, and `fit`
            with ``warm_start=True``, go on training the smaller network, with a new state of the optimizer;
            `fit` without starts anew, with all inputs. The objective is that of the smaller network: penalties
            on intercepts and activations of units that are gone are gone too, and a group's strength grows with
            the number of its weights.
        """
        from ._prune import pruned

        check_is_fitted(self)
        activate = None if normalization_of(self) == "layer" else self._activate
        are_dropped = [rate > 0 for rate in self._fitted_dropout["rates"][1:]]
        coefs, intercepts, (inputs, *hidden) = pruned(self.coefs_, self.intercepts_, activate, are_dropped)
        smaller = copy(self)
        params = pack(coefs, intercepts, coefs[0].dtype)
        smaller.coefs_, smaller.intercepts_ = unpack(params, units_of(coefs, intercepts))
        keep_units(smaller, hidden)
        smaller.hidden_layer_sizes = tuple(len(units) for units in hidden)
        kept = getattr(self, "kept_features_", None)
        smaller.kept_features_ = inputs if kept is None else kept[inputs]
        smaller._optimizer_state = None
        return smaller

    def _activate(self, layer, units, sums):
        """Activations of units of a hidden layer whose sums are always these."""
        from ._evaluate import predict

        activations = self._activations_at_fit()
        name = activations if isinstance(activations, str) else activations[layer]
        sums = normalized_constants(self, layer, units, sums)
        n_units, dtype = len(sums), sums.dtype
        coefs, intercepts = [np.zeros((1, n_units), dtype), np.eye(n_units, dtype=dtype)], [sums, np.zeros_like(sums)]
        spec = prediction_spec((1, n_units, n_units), (name,))
        return predict(spec, pack(coefs, intercepts, dtype), np.zeros((1, 1), dtype), None)[0][0]
