"""What both estimators share of predictions: by the fitted attributes alone, whatever the parameters are now."""

from abc import abstractmethod
from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._compat import validate_data
from ._losses import OUT_ACTIVATIONS, loss_parameters
from ._network import flat, units_of
from ._normalization import normalization_of, vectors_of
from ._plain import is_plain_matrix
from ._spec import prediction_spec, refuse_dense_noise
from .kernels import layout as code


class PredictionMixin:
    """Raw predictions of a fitted network, once or by draws of its dropout masks."""

    def _raw_predict(self, X, linked=False):
        """Output of the last layer, by the estimator's link or not, shape (n_samples, n_outputs).

        It depends on the fitted attributes alone, whatever `set_params` was called with since.
        """
        from ._evaluate import predict

        self._check_is_fitted()
        is_plain = self._is_plain(X)
        X = X if is_plain else self._validate_rows(X)
        units = units_of(self.coefs_, self.intercepts_)
        spec = prediction_spec(units, self._activations_at_fit(), normalization_of(self))
        link = self._link() if linked else None
        params = flat(self.coefs_, self.intercepts_, vectors_of(self, units))
        prediction, is_finite = predict(spec, params, X, link)
        if is_plain and not is_finite:
            self._validate_rows(X)
        return prediction

    def _predict_draws(self, X, n_draws, random_state, asked):
        """(mean, standard deviation) of predictions over draws of the dropout masks that the fit had."""
        from ._evaluate import predict_draws

        check_is_fitted(self)
        if not isinstance(n_draws, Integral) or isinstance(n_draws, bool) or n_draws < 2:
            raise ValueError(f"n_draws must be a whole number >= 2, got {n_draws!r}.")
        spec = self._spec_with_dropout(asked)
        X = self._validate_rows(X)
        refuse_dense_noise(self, spec, X)
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        params = flat(self.coefs_, self.intercepts_, vectors_of(self, spec.layer_units))
        return predict_draws(spec, params, X, self._link(), int(n_draws), seed)

    def _spec_with_dropout(self, asked):
        """For predictions with the rates and the kind of dropout that the fit had."""
        units = units_of(self.coefs_, self.intercepts_)
        spec = prediction_spec(units, self._activations_at_fit(), normalization_of(self))
        fitted = getattr(self, "_fitted_dropout", {"rates": [], "kind": "bernoulli"})
        if not any(fitted["rates"]):
            raise ValueError(
                f"{asked} needs a network that was fitted with dropout, got dropout=0 and input_dropout=0: set one of "
                "them > 0 and fit again."
            )
        penalties = spec.penalties.copy()
        penalties[:, code.DROPOUT] = fitted["rates"]
        return replace(spec, penalties=penalties, dropout_kind=fitted["kind"])

    @abstractmethod
    def _link(self):
        """Name of the function from raw predictions to means or probabilities, or None."""

    def _check_is_fitted(self):
        """scikit-learn's check, which goes through all attributes, only where it will find none."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self)

    def _is_plain(self, X):
        """Whether there is nothing to validate but that all is finite: then one row takes no longer than it must."""
        return (
            is_plain_matrix(X, (np.float64, np.float32)) and X.shape[1] == getattr(self, "n_features_in_", None)
            and not hasattr(self, "feature_names_in_") and getattr(self, "kept_features_", None) is None
        )  # fmt: skip

    def _validate_rows(self, X):
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False)
        return self._kept(X)

    def _kept(self, X):
        """The columns that the first layer multiplies."""
        kept = getattr(self, "kept_features_", None)
        if kept is None:
            return X
        return np.take(X, kept, axis=1) if isinstance(X, np.ndarray) else X[:, kept]

    def _activations_at_fit(self):
        """Of the hidden layers; those of the parameters where the network was not made by `fit`."""
        activations = getattr(self, "_fitted_activations", self.activation)
        return activations if isinstance(activations, str) else tuple(activations)

    def _loss_at_fit(self):
        """(name, numbers) of the loss; by its output and the parameters where the network was not made by `fit`."""
        if not hasattr(self, "_fitted_loss"):
            name = next(name for name, activation in OUT_ACTIVATIONS.items() if activation == self.out_activation_)
            return name, loss_parameters(self, name)
        return self._fitted_loss
