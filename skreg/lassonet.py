"""LassoNet: networks that choose their inputs, and the path from all of them to none."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from ._compat import Interval, InvalidParameterError, Options, one_of
from ._data import Dataset
from ._docs import lassonet_docs
from ._entries import n_dimensions
from ._initial import initial_weights
from ._network import pack, unpack
from ._objective import Objective
from ._parameters import COUNT, NON_NEGATIVE, POSITIVE
from ._spec import hidden_units, make_spec, prediction_spec
from .classifier import MLPClassifier
from .kernels import layout as code
from .regressor import MLPRegressor

_FITTED = {
    "classes_", "coefs_", "skip_coef_", "intercepts_", "lambda_", "best_index_", "path_", "learning_rate_path_",
    "n_iter_", "interrupted_", "n_features_in_", "feature_names_in_", "n_layers_", "n_outputs_", "out_activation_",
}  # fmt: skip

_ABOVE_ONE = Interval(Real, 1, None, closed="neither")


def _keep_defaults(cls):
    """Class decorator: parameters of the network that a LassoNet does not have keep their defaults."""
    network = next(base for base in cls.__mro__ if base in (MLPRegressor, MLPClassifier))
    own, defaults = set(cls._get_param_names()), network().get_params()
    for name in defaults.keys() - own:
        setattr(cls, name, defaults[name])
    constraints = {**network._parameter_constraints, **cls._parameter_constraints}
    cls._parameter_constraints = {name: constraints[name] for name in cls._get_param_names()}
    return cls


def _unavailable(name, reason):
    """Attribute in place of a method that makes no sense here."""

    def raise_error(self):
        raise AttributeError(f"{name} is not available for a {type(self).__name__}: {reason}.")

    return property(raise_error)


class BaseLassoNet(SelectorMixin):
    """What both LassoNets share, in front of the network that they are; not for direct use."""

    partial_fit = _unavailable("partial_fit", "a path needs all data at once")
    prune = _unavailable("prune", "inputs that are out take no part in predictions already")
    kkt_residual = _unavailable("kkt_residual", "it is for objectives without a constraint")

    _parameter_constraints: dict = {
        "M": [NON_NEGATIVE],
        "n_features_to_select": [None, COUNT, Interval(Real, 0, 1, closed="neither")],
        "lambda_start": [one_of("auto"), POSITIVE],
        "path_multiplier": [_ABOVE_ONE],
        "lambda_seq": [None, "array-like"],
        "max_iter_path": [one_of("auto"), COUNT],
        "learning_rate_path": [one_of("auto"), POSITIVE],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [COUNT, Options(Real, {np.inf})],
    }

    # Fitting -----------------------------------------------------------------------------------

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train the dense network, follow the path, and keep one of its networks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs. Dense (float32 stays float32) or sparse (CSR; CSC is converted).

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples. A weight of 2 is the row twice, and only ratios matter.

        X_val, y_val, sample_weight_val : default=None
            Validation data, of the same form as the training data, in place of the share
            `validation_fraction` of these. The dense network stops by their score and returns to its best
            weights; their loss and score at each lambda are in `path_`, and the smallest loss chooses the
            network that is kept, unless `n_features_to_select` does.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            A ValueError: the objective of the dense network was no longer finite, or that at a lambda, with
            smaller steps too. The path up to there is kept.
        """
        return super().fit(X, y, sample_weight, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val)

    def _check_before_data(self, validation, incremental):
        super()._check_before_data(validation, incremental)
        if not hidden_units(self.hidden_layer_sizes):
            raise ValueError(
                "hidden_layer_sizes is empty, but LassoNet needs a hidden layer to constrain: without one it is the "
                "Lasso, MLPRegressor((), penalty='l1')."
            )
        if self.lambda_seq is not None:
            self._check_lambda_seq()
        elif validation[0] is None and self.validation_fraction == 0 and self.n_features_to_select is None:
            raise ValueError(
                "validation_fraction=0 leaves nothing to choose lambda by: give X_val and y_val, or "
                "validation_fraction > 0, or n_features_to_select, or lambda_seq."
            )

    def _check_lambda_seq(self):
        values = np.asarray(self.lambda_seq) if n_dimensions(self.lambda_seq) == 1 else np.empty(0)
        if self.lambda_start != "auto":
            raise ValueError(
                f"lambda_seq gives all lambdas, so lambda_start must be 'auto', got lambda_start={self.lambda_start!r}."
            )
        is_good = values.dtype.kind in "iuf" and len(values) > 0 and np.isfinite(values).all()
        if not is_good or values[0] <= 0 or (np.diff(values) <= 0).any():
            raise InvalidParameterError(
                f"lambda_seq must be finite numbers > 0, each larger than the one before, got {self.lambda_seq!r}."
            )

    def _fit_data(self, X, y, sample_weight, validation, incremental):
        X, y = self._validate_X_y(X, y, reset=True)
        target, n_outputs, loss = self._validate_target(y, X.dtype, None, True)
        sample_weight = self._weights("sample_weight", sample_weight, X, y)
        n_features = self._n_features_wanted(X.shape[1])
        layer_units = X.shape[1], *hidden_units(self.hidden_layer_sizes), n_outputs
        spec = make_spec(self, layer_units, loss[0], numbers=loss[1])
        penalties = spec.penalties.copy()
        penalties[0, code.HIERARCHY] = self.M
        spec = replace(spec, skip=n_outputs, penalties=penalties)
        self._start(spec, X.dtype, False)
        held_out, rows = self._validation_data(validation, X, loss), None
        if held_out is None and self.validation_fraction > 0:
            rows, held_out = self._split(X, target, sample_weight)
        self._follow_path(spec, Dataset.make(X, target, sample_weight, rows).compact(), held_out, n_features)

    def _n_features_wanted(self, n_inputs):
        """`n_features_to_select` as a number of inputs, 0 for None."""
        wanted = self.n_features_to_select
        if wanted is None:
            return 0
        if not isinstance(wanted, Integral):
            wanted = max(1, int(wanted * n_inputs))
        if wanted > n_inputs:
            raise ValueError(
                f"n_features_to_select={wanted} is more than the {n_inputs} features of X: choose at most {n_inputs}."
            )
        return int(wanted)

    def _initialize(self, spec, rng, dtype):
        """The network's own first weights; the skip connection is a part of its first layer."""
        coefs, intercepts = initial_weights(spec, rng, dtype)
        n_inputs = spec.layer_units[0]
        bound = np.sqrt(6.0 / (n_inputs + spec.skip))  # a linear layer of its own
        coefs[0] = np.hstack([coefs[0], rng.uniform(-bound, bound, (n_inputs, spec.skip))])
        intercepts[0] = np.append(intercepts[0], np.zeros(spec.skip))
        self._initial_params = pack(coefs, intercepts, dtype)

    def _split(self, X, target, weights):
        """As for early stopping, but that small data have a validation set as well."""
        stratify, n_samples = self._stratify(target), X.shape[0]
        n_val = max(int(np.ceil(self.validation_fraction * n_samples)), 2)
        if stratify is not None:
            counts = np.unique(stratify, return_counts=True)[1]
            n_val = max(n_val, len(counts))
            if counts.min() < 2 or n_samples - n_val < len(counts):
                stratify = None
        if n_val >= n_samples:
            raise ValueError(
                f"{n_samples} samples are too few to set some of them aside for validation: give X_val and y_val, or "
                "set validation_fraction=0 and n_features_to_select."
            )
        rows, rows_val = train_test_split(
            np.arange(n_samples), test_size=n_val, random_state=self._seeds["split"], stratify=stratify
        )
        weights_val = None if weights is None else weights[rows_val]
        if weights is not None and not (weights[rows].any() and weights_val.any()):
            raise ValueError(
                "All sample weights in the training or the validation part of the split are zero: give X_val and y_val."
            )
        return rows, self._make_validation(X[rows_val], target[rows_val], weights_val)

    def _follow_path(self, spec, dataset, validation, n_features):
        from .solvers.hierarchical_path import Path, PathOptions
        from .solvers.monitor import History, Monitor

        history = History(best_loss=np.inf)
        monitor = Monitor(
            history, validation=validation, early_stopping=validation is not None, tol=self.tol,
            n_iter_no_change=self.n_iter_no_change, verbose=self.verbose,
        )  # fmt: skip
        dense = self._stochastic_options(dataset.n_samples, False)
        options = PathOptions(
            n_features=n_features,
            lambda_start=None if self.lambda_start == "auto" else float(self.lambda_start),
            path_multiplier=float(self.path_multiplier),
            lambda_seq=None if self.lambda_seq is None else tuple(float(value) for value in self.lambda_seq),
            n_epochs=None if self.max_iter_path == "auto" else int(self.max_iter_path),
            learning_rate=None if self.learning_rate_path == "auto" else float(self.learning_rate_path),
            tol=self.tol, n_iter_no_change=self.n_iter_no_change, verbose=bool(self.verbose),
        )  # fmt: skip
        sgd = replace(dense, solver="sgd", nesterovs_momentum=False)
        path = Path(spec, dataset, validation, dense, sgd, options, self._seeds["training"])
        try:
            path.run(self.__dict__.pop("_initial_params"), monitor)
        finally:
            if path.best is not None:  # where it diverges: the last point of the path before
                self._keep(path)

    def _keep(self, path):
        """Fitted attributes from a path."""
        best, points, n_inputs = path.best, path.points, self.n_features_in_
        coefs, intercepts = unpack(best.params, best.spec.layer_units, best.spec.skip)
        first = np.zeros((n_inputs, coefs[0].shape[1]), coefs[0].dtype)
        first[best.inputs] = coefs[0]
        skip = best.spec.skip
        self.coefs_ = [first[:, :-skip].copy(), *(coef.copy() for coef in coefs[1:])]
        self.skip_coef_ = first[:, -skip:].copy()
        self.intercepts_ = [intercepts[0][:-skip].copy(), *(intercept.copy() for intercept in intercepts[1:])]
        self.path_ = {
            "lambda": np.array([point.lambda_ for point in points]),
            "n_features": np.array([point.n_features for point in points]),
            "loss": np.array([point.loss for point in points]),
            "validation_loss": np.array([point.validation_loss for point in points]),
            "validation_score": np.array([point.validation_score for point in points]),
            "n_iter": np.array([point.n_epochs for point in points]),
            "skip_norm": np.array([point.norms for point in points]),
        }
        self.best_index_ = path.best_index
        self.lambda_ = float(points[path.best_index].lambda_)
        self.learning_rate_path_ = float(path.learning_rate)
        self.n_iter_ = int(self.path_["n_iter"].sum())
        self.interrupted_ = path.interrupted
        # Curves and vectors of a network's fit, which a path does not have.
        for name in [name for name in vars(self) if name.endswith("_") and name not in _FITTED]:
            delattr(self, name)
        self._optimizer_state = None

    # What was selected -------------------------------------------------------------------------

    @property
    def feature_importances_(self):
        """The lambda at which each input leaves the path; infinite where it is still there at its end."""
        check_is_fitted(self)
        leaving = self._leaving()
        # The last one may be smaller than the one before, where the inputs to keep were chosen by their weights.
        return np.append(np.maximum.accumulate(self.path_["lambda"]), np.inf)[leaving]

    @property
    def n_features_used_(self):
        """Number of inputs of the network that is kept."""
        return int(self._get_support_mask().sum())

    def _leaving(self):
        """Index of the point of the path at which each input is out; their number where it never is."""
        return (self.path_["skip_norm"] > 0).sum(axis=0)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.skip_coef_.any(axis=1)

    def selected(self, n_features):
        """The inputs that stay longest on the path.

        Parameters
        ----------
        n_features : int
            How many of them.

        Returns
        -------
        support : ndarray of bool of shape (n_features_in_,)
            Inputs that leave at the same lambda are taken by the norm of their skip connection before.
        """
        check_is_fitted(self)
        if not isinstance(n_features, Integral) or not 0 <= n_features <= self.n_features_in_:
            raise ValueError(
                f"n_features must be a whole number from 0 to {self.n_features_in_}, the number of features, got "
                f"{n_features!r}."
            )
        leaving = self._leaving()
        norms = self.path_["skip_norm"][np.maximum(leaving - 1, 0), np.arange(self.n_features_in_)]
        support = np.zeros(self.n_features_in_, bool)
        support[np.lexsort((norms, leaving))[self.n_features_in_ - n_features :]] = True
        return support

    # After fitting -----------------------------------------------------------------------------

    def _fitted_network(self, inputs):
        """(specification, flat parameters) of the network on some inputs."""
        n_outputs = self.skip_coef_.shape[1]
        units = (len(inputs), *(coef.shape[1] for coef in self.coefs_))
        first = np.hstack([self.coefs_[0][inputs], self.skip_coef_[inputs]])
        intercept = np.append(self.intercepts_[0], np.zeros(n_outputs, first.dtype))
        params = pack([first, *self.coefs_[1:]], [intercept, *self.intercepts_[1:]], first.dtype)
        return replace(prediction_spec(units, self._activations_at_fit()), skip=n_outputs), params

    def _raw_predict(self, X, linked=False):
        from ._evaluate import predict

        check_is_fitted(self)
        X = self._validate_rows(X)
        used = np.flatnonzero(self._get_support_mask())
        if len(used) < X.shape[1]:
            used = used if len(used) else np.zeros(1, np.intp)
            X = X.tocsr()[:, used] if hasattr(X, "tocsr") else np.take(X, used, axis=1)
        spec, params = self._fitted_network(used)
        return predict(spec, params, X, self._link() if linked else None)[0]

    def _predict_draws(self, X, n_draws, random_state, asked):
        raise ValueError(
            f"{asked} is not available for a {type(self).__name__}: fit a network with dropout on the inputs that "
            "`transform` selects."
        )

    def _network_of_objective(self, loss):
        """With the skip connection."""
        network, params = self._fitted_network(np.arange(self.n_features_in_))
        spec = make_spec(self, network.layer_units, loss[0], self._activations_at_fit(), loss[1])
        return replace(spec, skip=network.skip), params.astype(np.float64)

    def objective(self, X, y, sample_weight=None):
        """Value of the objective at the fitted weights and `lambda_`, on any data, and its terms.

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
            Named tuple of floats: `value`, and its terms `loss`, `weights`, `biases`, `activity`. The
            penalty on the skip connection is part of `weights`.
        """
        terms = super().objective(X, y, sample_weight)
        skip = self.lambda_ * np.linalg.norm(self.skip_coef_.astype(np.float64), axis=1).sum()
        return Objective.of_terms(terms.loss, terms.weights + skip, terms.biases, terms.activity)


@_keep_defaults
@lassonet_docs(
    LOSS="""\
loss : {'squared_error', 'poisson'}, default='squared_error'
    'squared_error' is ``(y - f)^2 / 2``, summed over the outputs; 'poisson' is half the Poisson
    deviance with a log link, ``y >= 0``.""",
    STRATIFIED="",
    SCORE="R^2",
)
class LassoNetRegressor(BaseLassoNet, MLPRegressor):
    """Regression network that chooses its inputs: LassoNet.

    [METHOD]

    Parameters
    ----------
    [PARAMETERS]

    Attributes
    ----------
    [ATTRIBUTES]

    See Also
    --------
    LassoNetClassifier : The same for classification.
    MLPRegressor : The network without selection; ``penalty='group_lasso'`` selects inputs as well.
    sklearn.linear_model.lasso_path : The path of the linear model.

    References
    ----------
    [REFERENCES]

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import LassoNetRegressor
    >>> X = np.random.default_rng(0).normal(size=(300, 6))
    >>> y = X[:, 1] + np.abs(X[:, 4])
    >>> net = LassoNetRegressor((16,), n_features_to_select=2, random_state=0).fit(X, y)
    >>> net.get_support(indices=True)
    array([1, 4])
    >>> net.transform(X).shape
    (300, 2)
    """

    _parameter_constraints: dict = {
        **BaseLassoNet._parameter_constraints,
        "loss": [one_of("squared_error", "poisson")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        M=10.0,
        n_features_to_select=None,
        lambda_start="auto",
        path_multiplier=1.02,
        lambda_seq=None,
        max_iter_path="auto",
        learning_rate_path="auto",
        momentum=0.9,
        alpha=0.0,
        dropout=0.0,
        input_dropout=0.0,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=200,
        tol=1e-4,
        n_iter_no_change=10,
        validation_fraction=0.1,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.M = M
        self.n_features_to_select = n_features_to_select
        self.lambda_start = lambda_start
        self.path_multiplier = path_multiplier
        self.lambda_seq = lambda_seq
        self.max_iter_path = max_iter_path
        self.learning_rate_path = learning_rate_path
        self.momentum = momentum
        self.alpha = alpha
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose


@_keep_defaults
@lassonet_docs(
    LOSS="""\
class_weight : dict, list of dict, 'balanced' or None, default=None
    Weights of the classes, {label: weight}, multiplied with `sample_weight`; 'balanced' makes them
    inversely proportional to the frequencies in y. For multilabel y: a list with one dict a label.""",
    STRATIFIED=", stratified by class where that is possible",
    SCORE="Accuracy",
)
class LassoNetClassifier(BaseLassoNet, MLPClassifier):
    """Classification network that chooses its inputs: LassoNet.

    [METHOD]

    Parameters
    ----------
    [PARAMETERS]

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets the numbers of the labels.

    [ATTRIBUTES]

    See Also
    --------
    LassoNetRegressor : The same for regression.
    MLPClassifier : The network without selection; ``penalty='group_lasso'`` selects inputs as well.
    sklearn.svm.l1_min_c : Where the path of the linear model begins.

    References
    ----------
    [REFERENCES]

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import LassoNetClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 6))
    >>> y = X[:, 1] + X[:, 4] ** 2 > 0.5
    >>> net = LassoNetClassifier((16,), n_features_to_select=2, random_state=0).fit(X, y)
    >>> net.get_support(indices=True)
    array([1, 4])
    >>> net.transform(X).shape
    (300, 2)
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        class_weight=None,
        M=10.0,
        n_features_to_select=None,
        lambda_start="auto",
        path_multiplier=1.02,
        lambda_seq=None,
        max_iter_path="auto",
        learning_rate_path="auto",
        momentum=0.9,
        alpha=0.0,
        dropout=0.0,
        input_dropout=0.0,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=200,
        tol=1e-4,
        n_iter_no_change=10,
        validation_fraction=0.1,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.class_weight = class_weight
        self.M = M
        self.n_features_to_select = n_features_to_select
        self.lambda_start = lambda_start
        self.path_multiplier = path_multiplier
        self.lambda_seq = lambda_seq
        self.max_iter_path = max_iter_path
        self.learning_rate_path = learning_rate_path
        self.momentum = momentum
        self.alpha = alpha
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose
