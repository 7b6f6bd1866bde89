"""What both estimators share: parameters -> checked data -> specification -> solver -> fitted attributes."""

from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from functools import cache, lru_cache

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.metaestimators import available_if

from ._augmentation import augmentation_of, refuse_sparse_augmentation
from ._compat import check_sample_weight, fit_context, validate_data
from ._data import Dataset, scaled_weights
from ._entries import n_entries
from ._initial import initial_weights
from ._inspection import InspectionMixin
from ._losses import OUT_ACTIVATIONS
from ._network import pack, units_of, unpack, unpack_vectors
from ._normalization import (
    keep_vectors,
    normalization_of,
    start_normalization,
    vectors_of,
)
from ._parameters import CONSTRAINTS
from ._plain import are_plain, generator_of
from ._prediction import PredictionMixin
from ._spec import hidden_units, make_spec, refuse_dense_noise, takes_sparse
from ._steps import check_steps, learning_rate_of
from ._warn import warn
from ._weight_terms import make_feasible
from .exceptions import DivergenceError
from .kernels import layout as code


@lru_cache(maxsize=1000, typed=True)  # 1, 1.0 and True are equal, and judged apart
def _check_params(cls, *values):
    """scikit-learn's check of an estimator's parameters: a fifth of a small fit's Python, once for the same ones."""
    BaseEstimator._validate_params(cls(**dict(zip(cls._get_param_names(), values, strict=True))))


def _copy(curve):
    return None if curve is None else list(curve)


def _is_same(last, objective):
    """Whether the best loss or score of one objective says something of another's."""
    (last_spec, last_data), (spec, data) = last, objective
    return last_spec == spec and (None in (last_data, data) or last_data == data)


def _is_stochastic(estimator):
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for the stochastic solvers 'adam' and 'sgd', got solver='lbfgs'."
        )
    return True


class BaseMLP(PredictionMixin, InspectionMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of MLPRegressor and MLPClassifier; not for direct use."""

    _parameter_constraints: dict = CONSTRAINTS

    @classmethod
    @cache
    def _get_param_names(cls):
        """scikit-learn's, which reads the signature again each time: many times for each candidate of a search."""
        return super()._get_param_names()

    def _validate_params(self):
        values = tuple(getattr(self, name) for name in self._get_param_names())
        try:
            hash(values)
        except TypeError:  # a list or an array, which may change
            super()._validate_params()
        else:
            _check_params(type(self), *values)

    # What a subclass says of its targets -------------------------------------------------------

    @abstractmethod
    def _validate_target(self, y, dtype, loss, new_classes):
        """(y as the loss takes it, of shape (n_samples, n_targets); number of outputs; the loss).

        A loss is its name with the numbers that it needs; None stands for the one that the parameters ask for.
        """

    @abstractmethod
    def _score_raw(self, y, raw_prediction, sample_weight):
        """Accuracy or R^2 of a raw prediction for targets as `_validate_target` returns them."""

    @abstractmethod
    def _stratify(self, y):
        """What to stratify the validation split by, or None."""

    def _combine_weights(self, y, sample_weight):
        """Sample weights times class weights, or None."""
        return sample_weight

    # Fitting -----------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs. Dense (float32 stays float32) or sparse (CSR; CSC is converted); sparse data are
            never made dense as a whole.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples. A weight of 2 is the row twice, and only ratios matter.

        X_val, y_val, sample_weight_val : default=None
            Validation data, of the same form as the training data. They are used for
            `validation_scores_` and `validation_loss_curve_` and, if `early_stopping`, to stop.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            A ValueError: the objective was no longer finite. The weights of the last finite epoch are
            kept. With early stopping there is a warning instead and the best weights are kept, unless
            no epoch was finite.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=False)

    @available_if(_is_stochastic)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train one epoch on the given data, going on from where the last one ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples.

        X_val, y_val, sample_weight_val : default=None
            Validation data; needed with `early_stopping`, which then keeps the best weights so far.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)

    def _fit(self, X, y, sample_weight, validation, *, incremental):
        self._check_before_data(validation, incremental)
        with self._unchanged_on_error():
            self._fit_data(X, y, sample_weight, validation, incremental)
        return self

    @contextmanager
    def _unchanged_on_error(self):
        """A fit that could not be made leaves the estimator as it was."""
        before = dict(vars(self))
        try:
            yield
        except DivergenceError:
            raise  # the last finite weights are kept
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit_data(self, X, y, sample_weight, validation, incremental):
        going_on = hasattr(self, "coefs_") and (self.warm_start or incremental)
        X, y = self._validate_X_y(X, y, reset=not going_on)
        refuse_sparse_augmentation(self, X)
        target, n_outputs, loss = self._validate_target(y, X.dtype, None, not going_on and not incremental)
        sample_weight = self._weights("sample_weight", sample_weight, X, y)
        hidden = hidden_units(self.hidden_layer_sizes)
        spec = make_spec(self, (X.shape[1], *hidden, n_outputs), loss[0], numbers=loss[1])
        refuse_dense_noise(self, spec, X)
        self._start(spec, X.dtype, going_on)
        held_out = self._validation_data(validation, X, loss)
        rows = None
        if self.early_stopping and held_out is None:
            rows, held_out = self._split(X, target, sample_weight)
        self._solve(spec, Dataset.make(X, target, sample_weight, rows), held_out, incremental)

    def _validate_X_y(self, X, y, *, reset, dtype=(np.float64, np.float32)):
        if reset and are_plain(X, y, dtype):
            self.n_features_in_ = X.shape[1]
            vars(self).pop("feature_names_in_", None)
            return X, y
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=dtype, y_numeric=False, reset=reset
        )
        return X if reset else self._kept(X), y

    def _check_before_data(self, validation, incremental):
        """Refuse what can be refused before looking at the data."""
        make_spec(self, (n_entries(self.input_noise), *hidden_units(self.hidden_layer_sizes), 1), "squared_error")
        check_steps(self)
        augmentation_of(self)
        X_val, y_val, sample_weight_val = validation
        if (X_val is None) != (y_val is None) or (X_val is None and sample_weight_val is not None):
            raise ValueError("X_val and y_val must be given together, and sample_weight_val only with them.")
        if self.early_stopping and X_val is None:
            if incremental:
                raise ValueError(
                    "partial_fit does not support early_stopping=True without validation data: give X_val and y_val."
                )
            if self.validation_fraction == 0:
                raise ValueError(
                    "early_stopping=True needs validation data: give X_val and y_val, or validation_fraction > 0."
                )

    def _weights(self, name, sample_weight, X, y):
        """Checked sample weights times class weights, or None."""
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=np.float64)
            if sample_weight.min() < 0:
                raise ValueError(f"Negative values in data passed to `{name}`: weights must be >= 0.")
            if sample_weight.any():
                sample_weight = scaled_weights(sample_weight)
        weights = self._combine_weights(y, sample_weight)
        if weights is not None and not weights.any():
            with_classes = " times class_weight" if weights is not sample_weight else ""
            raise ValueError(f"{name}{with_classes} is zero everywhere: at least one weight must be positive.")
        return weights

    def _start(self, spec, dtype, going_on):
        """Initial weights, or a check that the old ones still fit."""
        shapes = list(zip(spec.layer_units[:-1], spec.layer_units[1:], strict=True))
        if not going_on:
            rng = generator_of(self.random_state)
            self._initialize(spec, rng, dtype)
            start_normalization(self, spec, dtype)
            self._draw_seeds(rng)
            self._forget_history()
            self.kept_features_ = None
        elif units_of(self.coefs_, self.intercepts_) != spec.layer_units:
            found = [np.shape(coef) for coef in self.coefs_]
            raise ValueError(
                f"The weights of the previous fit have shapes {found}, but parameters and data now need {shapes}: "
                f"{self._to_start_anew()}, or keep hidden_layer_sizes and the number of inputs and outputs."
            )
        elif normalization_of(self) != spec.normalization:
            raise ValueError(
                f"The previous fit had normalization by {normalization_of(self)}, but parameters now ask for "
                f"{spec.normalization}: {self._to_start_anew()}, or keep batch_norm and layer_norm."
            )
        if not hasattr(self, "_seeds"):
            self._draw_seeds(generator_of(self.random_state))
        if not hasattr(self, "_optimizer_state"):
            self._forget_history()
        self.n_outputs_ = spec.layer_units[-1]
        self.n_layers_ = len(spec.layer_units)
        self.out_activation_ = OUT_ACTIVATIONS[spec.loss]
        self._fitted_loss = spec.loss, spec.loss_parameters
        self._fitted_activations = spec.activations
        self._fitted_dropout = {"kind": spec.dropout_kind, "rates": spec.penalties[:, code.DROPOUT].tolist()}

    def _to_start_anew(self):
        return "set warm_start=False" if self.warm_start else "call fit, which starts anew"

    def _draw_seeds(self, rng):
        """Seeds of the validation split and of shuffling and dropout; they stay for warm starts."""
        self._seeds = {name: int(rng.randint(np.iinfo(np.int32).max)) for name in ("split", "training")}

    def _initialize(self, spec, rng, dtype):
        """Draw the first weights."""
        self.coefs_, self.intercepts_ = initial_weights(spec, rng, dtype)
        if spec.normalization == "batch":  # the means take the intercepts away
            for intercept in self.intercepts_[:-1]:
                intercept[:] = 0

    def _forget_history(self):
        self._optimizer_state = None
        self._no_improvement_count = 0
        self._last_objective = None
        self.loss_curve_, self.t_, self.n_iter_ = [], 0, 0
        self.validation_loss_curve_ = self.validation_scores_ = self.best_validation_score_ = None
        self.best_loss_ = np.inf

    # Validation data ---------------------------------------------------------------------------

    def _validation_data(self, validation, X, loss):
        if validation[0] is None:
            return None
        try:
            return self._make_validation(*self._validate_held_out(*validation, X.dtype, loss))
        except ValueError as error:
            raise ValueError(f"In the validation data (X_val, y_val, sample_weight_val): {error}") from error

    def _validate_held_out(self, X_val, y_val, weights, dtype, loss):
        X_val, y_val = self._validate_X_y(X_val, y_val, reset=False, dtype=dtype)
        target, n_outputs, _ = self._validate_target(y_val, X_val.dtype, loss, False)
        if n_outputs != self.n_outputs_:
            raise ValueError(f"y has {n_outputs} outputs, but the training data have {self.n_outputs_}.")
        if self.early_stopping and X_val.shape[0] < 2:
            raise ValueError("The validation set is too small: early stopping needs at least 2 rows, got 1.")
        return X_val, target, self._weights("sample_weight", weights, X_val, y_val)

    def _make_validation(self, X, target, weights):
        from .solvers.monitor import Validation

        return Validation(Dataset.make(X, target, weights), lambda raw: self._score_raw(target, raw, weights))

    def _split(self, X, target, weights):
        """Set `validation_fraction` of the rows aside. Returns (rows to train on, validation data)."""
        rows, rows_val = train_test_split(
            np.arange(X.shape[0]), test_size=self.validation_fraction, random_state=self._seeds["split"],
            stratify=self._stratify(target),
        )  # fmt: skip
        if len(rows_val) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        weights_val = None
        if weights is not None:
            weights_val = weights[rows_val]
            for name, part in (("training", weights[rows]), ("validation", weights_val)):
                if not part.any():
                    raise ValueError(
                        f"All sample weights in the {name} part of the early-stopping split are zero: give X_val and "
                        "y_val."
                    )
        return rows, self._make_validation(X[rows_val], target[rows_val], weights_val)

    # Training ----------------------------------------------------------------------------------

    def _solve(self, spec, dataset, validation, incremental):
        from .solvers.monitor import History, Monitor

        history = History(
            list(self.loss_curve_), _copy(self.validation_loss_curve_), _copy(self.validation_scores_), self.best_loss_,
            self.best_validation_score_, self._no_improvement_count,
        )  # fmt: skip
        last, self._last_objective = (
            getattr(self, "_last_objective", None), self._objective_of(spec, dataset, validation, incremental)
        )  # fmt: skip
        is_same_objective = last is None or _is_same(last, self._last_objective)
        if not is_same_objective:
            history.forget_best()
        monitor = Monitor(
            history, validation=validation, early_stopping=self.early_stopping, tol=self.tol,
            n_iter_no_change=self.n_iter_no_change, verbose=self.verbose,
        )  # fmt: skip
        dtype = np.float64 if self.solver == "lbfgs" else dataset.dtype
        params = pack(self.coefs_, self.intercepts_, dtype, vectors_of(self, spec.layer_units))
        make_feasible(spec, params)
        self.n_iter_, self.interrupted_ = 0, False
        try:
            if self.solver == "lbfgs":
                self._solve_lbfgs(spec, dataset, params, monitor)
            else:
                self._solve_stochastic(spec, dataset, params, monitor, incremental, is_same_objective)
        except DivergenceError as error:
            self.n_iter_ = error.epoch
            raise
        finally:  # also after a divergence: the last finite weights and all curves
            params = params.astype(dataset.dtype, copy=False)
            self.coefs_, self.intercepts_ = unpack(params, spec.layer_units)
            keep_vectors(self, unpack_vectors(params, spec.layer_units, spec.normalization))
            self._keep_history(history)

    def _objective_of(self, spec, dataset, validation, incremental):
        """What progress is measured by: specification, and data, None for partial_fit's, others each time."""
        if self.early_stopping:
            return spec.fingerprint, validation.dataset.fingerprint
        return spec.fingerprint, None if incremental else dataset.fingerprint

    def _keep_history(self, history):
        self.loss_curve_, self.best_loss_ = history.loss_curve, history.best_loss
        self.validation_loss_curve_ = history.validation_loss_curve
        self.validation_scores_ = history.validation_scores
        self.best_validation_score_ = history.best_validation_score
        self._no_improvement_count = history.no_improvement_count
        if self.loss_curve_:
            self.loss_ = self.loss_curve_[-1]

    def _solve_lbfgs(self, spec, dataset, params, monitor):
        from .solvers.lbfgs import fit_lbfgs

        self._optimizer_state = None
        self.n_iter_, self.interrupted_ = fit_lbfgs(
            spec, dataset, params, monitor, max_iter=self.max_iter, max_fun=self.max_fun, tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
        )  # fmt: skip

    def _solve_stochastic(self, spec, dataset, params, monitor, incremental, is_same_objective):
        from .solvers.stochastic import OptimizerState, fit_stochastic

        options = self._stochastic_options(dataset.n_samples, incremental)
        state = None if self._optimizer_state is None else OptimizerState(**self._optimizer_state)
        if state is None or not state.fits(options, params):
            state = OptimizerState.start(options, params)
        else:
            state = state.resumed(options, params.dtype, anew=not (is_same_objective or incremental))
        try:
            self.n_iter_, self.interrupted_ = fit_stochastic(
                spec, options, dataset, params, state, self._seeds["training"], monitor
            )
        finally:
            self.t_ = state.n_samples_seen
            self._optimizer_state = dict(vars(state))

    def _stochastic_options(self, n_samples, incremental):
        from .solvers.stochastic import StochasticOptions

        if self.batch_size == "auto":
            batch_size = min(200, n_samples)
        else:
            batch_size = min(self.batch_size, n_samples)
            if self.batch_size > n_samples:
                warn(
                    f"batch_size={self.batch_size} is larger than the {n_samples} training samples. It is going to be "
                    "clipped"
                )
        # Plain Python numbers, lest a NumPy scalar be a new type to the compiler.
        floats = (
            "learning_rate_init", "learning_rate_end", "power_t", "warmup", "momentum", "beta_1", "beta_2", "epsilon",
            "averaging_start", "ema_decay",
        )  # fmt: skip
        return StochasticOptions(
            solver=self.solver, batch_size=int(batch_size), max_iter=self.max_iter, shuffle=bool(self.shuffle),
            learning_rate=learning_rate_of(self), nesterovs_momentum=self.nesterovs_momentum, incremental=incremental,
            schedule_epochs=None if self.schedule_epochs is None else int(self.schedule_epochs),
            clip_norm=None if self.clip_norm is None else float(self.clip_norm), averaging=self.averaging,
            augmentation=augmentation_of(self),
            **{name: float(getattr(self, name)) for name in floats},
        )  # fmt: skip

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = takes_sparse(self)
        return tags
