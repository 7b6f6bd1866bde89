"""The classification network."""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from ._base import BaseMLP, _is_stochastic
from ._class_weight import check_class_weight, weights_by_class, weights_by_labels
from ._compat import Interval, check_partial_fit_first_call, fit_context, one_of
from ._data import as_dense
from ._docs import shared_docs
from ._losses import CLASSIFICATION_LOSSES, loss_parameters
from ._scores import accuracy


@shared_docs(
    LOSS="""\
class_weight : dict, list of dict, 'balanced' or None, default=None
    Weights of the classes, {label: weight}, multiplied with `sample_weight`; 'balanced' makes them
    inversely proportional to the frequencies in y. For multilabel y: a list with one dict a label.

loss : {'log_loss', 'focal'}, default='log_loss'
    Of the probability p of the right class: ``-log(p)``, or the focal loss
    ``-(1 - p)^focal_gamma * log(p)``, in which rows that are right already weigh less (Lin et
    al. 2017, :arxiv:`1708.02002`); summed over the labels of multilabel targets.

focal_gamma : float, default=2.0
    Exponent of 'focal', >= 0; with 0 it is the log loss.

label_smoothing : float, default=0.0
    In [0, 1): the loss becomes a mean over the K classes with the weights ``1 - e + e / K`` of the
    right one and ``e / K`` of each other, e being this number (Szegedy et al. 2016,
    :arxiv:`1512.00567`); K = 2 for each label of multilabel targets.""",
    STRATIFIED=", stratified by class except for multilabel targets",
    SCORE="Accuracy",
)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Regularised neural network for classification: binary, multiclass and multilabel.

    It minimises, over weights W_l and intercepts b_l, with weights s_i of the samples and the log
    loss or the focal loss (binomial for each label, or multinomial)::

        sum_i s_i loss(y_i, f(x_i)) / sum_i s_i
        + sum_l alpha_l [ rho |W_l|_1 + (1 - rho)/2 |W_l|_2^2 ]
        + sum_l bias_penalty_l [ r |b_l|_1 + (1 - r)/2 |b_l|_2^2 ]
        + sum_i s_i sum_l activity_penalty_l [ q |a_l(x_i)|_1 + (1 - q)/2 |a_l(x_i)|_2^2 ] / sum_i s_i

    Read more in the user guide.

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
    MLPRegressor : The same for regression.
    sklearn.linear_model.LogisticRegression : The linear model with the same penalty.

    References
    ----------
    [REFERENCES]

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import MLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = MLPClassifier(
    ...     (16,), penalty="elasticnet", alpha=0.01, learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> pipe = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> pipe.score(X, y) > 0.97
    True
    >>> float((pipe[-1].coefs_[0] == 0).mean()) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **BaseMLP._parameter_constraints,
        "class_weight": [one_of("balanced"), dict, list, None],
        "loss": [one_of(*CLASSIFICATION_LOSSES)],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        class_weight=None,
        loss="log_loss",
        focal_gamma=2.0,
        label_smoothing=0.0,
        solver="adam",
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.5,
        positive=False,
        max_norm=None,
        weight_decay=0.0,
        bias_penalty=0.0,
        bias_l1_ratio=0.0,
        activity_penalty=0.0,
        activity_l1_ratio=1.0,
        dropout=0.0,
        input_dropout=0.0,
        dropout_kind="bernoulli",
        input_noise=0.0,
        batch_norm=False,
        layer_norm=False,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        learning_rate_end=0.0,
        schedule_epochs=None,
        warmup=0.0,
        clip_norm=None,
        averaging=None,
        averaging_start=0.75,
        ema_decay=0.999,
        augmentation=None,
        augmentation_strength=0.2,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.class_weight = class_weight
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing
        self.solver = solver
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.max_norm = max_norm
        self.weight_decay = weight_decay
        self.bias_penalty = bias_penalty
        self.bias_l1_ratio = bias_l1_ratio
        self.activity_penalty = activity_penalty
        self.activity_l1_ratio = activity_l1_ratio
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.dropout_kind = dropout_kind
        self.input_noise = input_noise
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.learning_rate_end = learning_rate_end
        self.schedule_epochs = schedule_epochs
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.averaging = averaging
        self.averaging_start = averaging_start
        self.ema_decay = ema_decay
        self.augmentation = augmentation
        self.augmentation_strength = augmentation_strength
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    @available_if(_is_stochastic)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train one epoch on the given data, going on from where the last one ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples.

        classes : array of shape (n_classes,), default=None
            All classes that will ever be seen; needed in the first call, may be left out later.

        X_val, y_val, sample_weight_val : default=None
            Validation data; needed with `early_stopping`, which then keeps the best weights so far.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which sees only a part of the data: compute "
                "the weights with sklearn.utils.class_weight.compute_class_weight and give them as a dict."
            )
        self._check_before_data((X_val, y_val, sample_weight_val), incremental=True)
        with self._unchanged_on_error():
            if check_partial_fit_first_call(self, classes):
                self._multilabel = type_of_target(y).startswith("multilabel")
                self._check_n_labels(y)
            return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels), or csr_matrix of the latter shape
            Labels, or 0 and 1 for each label of a multilabel target; sparse where `fit` was given sparse ones.
        """
        labels = self._decide(self._raw_predict(X))
        return sparse.csr_matrix(labels) if self._sparse_labels else labels

    def predict_proba(self, X, n_draws=None, random_state=None, return_std=False):
        """Probabilities of the classes, with their uncertainty if asked for.

        The uncertainty is that of Monte-Carlo dropout: mean and standard deviation of the probabilities over
        draws of the dropout masks that `fit` trained with, each draw with one mask for all rows (Gal &
        Ghahramani 2016, :arxiv:`1506.02142`).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        n_draws : int or None, default=None
            Number of draws, >= 2, that the probabilities are averaged over; None leaves dropout out, or is
            100 if `return_std`.

        random_state : int, RandomState instance or None, default=None
            Seed of the masks. Used with draws.

        return_std : bool, default=False
            Whether to return the standard deviation over the draws as well.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. For multilabel targets the probability of each label, rows not
            summing to one.

        std : ndarray of shape (n_samples, n_classes)
            Standard deviation over the draws, with ``n_draws - 1`` in the denominator; only if `return_std`.

        Raises
        ------
        ValueError
            If draws are asked for and the network was fitted without dropout.
        """
        if n_draws is None and not return_std:
            return self._of_classes(self._raw_predict(X, linked=True), 1.0)
        asked = "return_std=True" if n_draws is None else f"n_draws={n_draws!r}"
        mean, std = self._predict_draws(X, 100 if n_draws is None else n_draws, random_state, asked)
        mean, std = self._of_classes(mean, 1.0), self._of_classes(std, 0.0)
        return (mean, std) if return_std else mean

    def _of_classes(self, values, of_only_class):
        """One column a class; where there is only one, it has that number."""
        return np.full_like(values[:, :1], of_only_class) if len(self.classes_) == 1 else values

    def predict_log_proba(self, X):
        """Logarithms of the probabilities of the classes; never infinite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return np.log(self.predict_proba(X))

    def _link(self):
        if self._multilabel:
            return "logistic"
        return "softmax" if self.out_activation_ == "softmax" else "two_classes"

    def _decide(self, raw):
        """Labels of a raw prediction."""
        if self._multilabel:
            return (raw > 0).astype(int)
        return self.classes_[self._decide_codes(raw)]

    def _decide_codes(self, raw):
        if self.out_activation_ == "softmax":
            return raw.argmax(axis=1)
        return np.minimum((raw[:, 0] > 0).astype(int), len(self.classes_) - 1)

    def _validate_target(self, y, dtype, loss, new_classes):
        is_sparse, y = sparse.issparse(y), as_dense(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if new_classes or not hasattr(self, "_sparse_labels"):
            self._sparse_labels = is_sparse and y.ndim == 2
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError("Multioutput target data is not supported: y must have one column, or be 0 and 1 in each.")
        if new_classes or not hasattr(self, "classes_"):
            self._multilabel = kind.startswith("multilabel")
            self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y)
        elif not hasattr(self, "_multilabel"):
            self._multilabel = kind.startswith("multilabel")
        if kind.startswith("multilabel") != self._multilabel:
            raise ValueError(f"y is {kind}, but the classes {self.classes_} were fitted on another kind of target.")
        if self._multilabel:
            _refuse_other_numbers(y)
            return y, y.shape[1], self._loss("binary")
        self._check_known(y, is_training=loss is None)
        codes = np.searchsorted(self.classes_, y).reshape(-1, 1)
        if len(self.classes_) > 2:
            return codes, len(self.classes_), self._loss("multinomial")
        return codes, 1, self._loss("binary")

    def _check_n_labels(self, y):
        n_classes, shape = len(self.classes_), np.shape(y)
        if self._multilabel and shape[1] != n_classes:
            raise ValueError(f"y has {shape[1]} labels, but classes has {n_classes}: give the numbers of all labels.")

    def _loss(self, kind):
        name = f"{kind}_{self.loss}"
        return name, loss_parameters(self, name)

    def _check_known(self, y, is_training):
        found = unique_labels(y)
        unknown = np.setdiff1d(found, self.classes_)
        if is_training and self.warm_start and hasattr(self, "coefs_") and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found}"
            )
        if len(unknown):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
            )

    def _combine_weights(self, y, sample_weight):
        if self.class_weight is None:
            return sample_weight
        check_class_weight(self.class_weight)
        if self._multilabel:
            weights = weights_by_labels(self.class_weight, as_dense(y), sample_weight)
        else:
            weights = weights_by_class(self.class_weight, self.classes_, column_or_1d(y), sample_weight)
        return weights if sample_weight is None else weights * sample_weight

    def _score_raw(self, y, raw_prediction, sample_weight):
        if self._multilabel:
            return accuracy(y, self._decide(raw_prediction), sample_weight)
        return accuracy(y[:, 0], self._decide_codes(raw_prediction), sample_weight)

    def _stratify(self, y):
        if self._multilabel:
            return None
        if len(self.classes_) <= 2:
            return (y[:, 0] == 1).astype(str)  # scikit-learn's messages then name the classes False and True
        return self.classes_[y[:, 0]]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _refuse_other_numbers(y):
    """Two numbers a label are multilabel targets to scikit-learn, whichever they are; the losses mean 0 and 1."""
    others = y[(y != 0) & (y != 1)]
    if len(others):
        raise ValueError(f"y has several labels, each of which must be 0 or 1, but there is {others[0]}: recode y.")
