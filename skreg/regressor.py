"""The regression network."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d

from ._base import BaseMLP
from ._compat import Interval, one_of
from ._data import as_dense
from ._docs import shared_docs
from ._losses import (
    REGRESSION_LOSSES,
    check_range,
    loss_parameters,
    n_levels,
    of_levels,
    quantile_levels,
    regression_score,
)
from ._plain import is_plain_target
from ._scores import r_squared


@shared_docs(
    LOSS="""\
loss : {'squared_error', 'absolute_error', 'huber', 'quantile', 'poisson', 'gamma', 'tweedie'}, default='squared_error'
    The loss of a raw prediction f, summed over the outputs:

    - 'squared_error': ``(y - f)^2 / 2``, for the mean.
    - 'absolute_error': ``|y - f|``, for the median.
    - 'huber': ``r^2 / 2`` where ``|r| <= delta`` and ``delta * (|r| - delta / 2)`` beyond, with
      ``r = y - f`` (Huber 1964, :doi:`10.1214/aoms/1177703732`). It is the loss of HuberRegressor at a
      given scale s: ``delta = epsilon * s``, and alpha its own times ``s / n_samples``.
    - 'quantile': ``q * r`` where ``r = y - f > 0``, else ``(q - 1) * r``, summed over the quantiles q
      (Koenker & Bassett 1978, :doi:`10.2307/1913643`); as QuantileRegressor.
    - 'poisson', 'gamma', 'tweedie': half the deviance with a log link, the mean being ``exp(f)``; as
      PoissonRegressor, GammaRegressor and TweedieRegressor. They need ``y >= 0``, ``y > 0``, and
      for the last: any y for ``power <= 0``, ``y >= 0`` below 2, ``y > 0`` from 2 on.

    'adam' and 'sgd' go by subgradients of 'absolute_error' and 'quantile', which have a kink; 'lbfgs'
    solves their linear models exactly, by an interior-point method (Portnoy & Koenker 1997,
    :doi:`10.1214/ss/1030037960`), up to 4,000 inputs. In networks, and with group
    penalties or `positive`, it smooths the kinks: within ``width = 0.02 * mean |y - median|`` of y the
    loss is quadratic, which lowers F by at most ``width / 2`` for each output.

delta : float, default=1.0
    Where 'huber' goes over from squared to absolute, > 0, in units of y.

quantile : float or sequence of float, default=0.5
    Of 'quantile', each between 0 and 1, increasing. Several ones at once share the hidden layers: the
    network has an output for each target and quantile, and `predict` sorts them.

power : float, default=1.5
    Of 'tweedie': the variance is proportional to the mean to this power (Jorgensen 1987,
    :doi:`10.1111/j.2517-6161.1987.tb01685.x`). At most 0, or at least 1: 0 is the squared error at
    mean ``exp(f)``, 1 is 'poisson', 2 is 'gamma'.""",
    STRATIFIED="",
    SCORE="R^2",
)
class MLPRegressor(RegressorMixin, BaseMLP):
    """Regularised neural network for regression.

    It minimises, over weights W_l and intercepts b_l, with weights s_i of the samples::

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
    [ATTRIBUTES]

    See Also
    --------
    MLPClassifier : The same for classification.
    sklearn.linear_model.ElasticNet : The linear model with the same penalty.

    References
    ----------
    [REFERENCES]

    Examples
    --------
    Without hidden layers and with ``penalty='l1'`` it is the Lasso:

    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Lasso
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> linear = MLPRegressor((), penalty="l1", alpha=10.0, solver="lbfgs").fit(X, y)
    >>> lasso = Lasso(alpha=10.0, tol=1e-10).fit(X, y)
    >>> bool(abs(linear.coefs_[0][:, 0] - lasso.coef_).max() < 1e-3)
    True
    >>> int((linear.coefs_[0] == 0).sum()) == int((lasso.coef_ == 0).sum())
    True
    """

    _parameter_constraints: dict = {
        **BaseMLP._parameter_constraints,
        "loss": [one_of(*REGRESSION_LOSSES)],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "power": [Interval(Real, None, 0, closed="right"), Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        delta=1.0,
        quantile=0.5,
        power=1.5,
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
        self.loss = loss
        self.delta = delta
        self.quantile = quantile
        self.power = power
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

    def predict(self, X, return_std=False, n_draws=100, random_state=None):
        """Predict targets, with their uncertainty if asked for.

        The uncertainty is that of Monte-Carlo dropout: mean and standard deviation of the predictions over
        draws of the dropout masks that `fit` trained with, each draw with one mask for all rows (Gal &
        Ghahramani 2016, :arxiv:`1506.02142`). It is that of the function, without the noise of the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        return_std : bool, default=False
            Whether to return the standard deviation as well, and the mean in place of the prediction
            without dropout.

        n_draws : int, default=100
            Number of draws, >= 2. Used if `return_std`.

        random_state : int, RandomState instance or None, default=None
            Seed of the masks. Used if `return_std`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets. With K > 1 quantiles there is one more axis of length K for them, in
            increasing order; they never cross.

        std : ndarray of the same shape
            Standard deviation over the draws, with ``n_draws - 1`` in the denominator; only if `return_std`.

        Raises
        ------
        ValueError
            If `return_std` and the network was fitted without dropout.
        """
        if return_std:
            mean, std = self._predict_draws(X, n_draws, random_state, "return_std=True")
            return self._in_shape(mean, mean), self._in_shape(std, mean)
        mean = self._raw_predict(X, linked=True)
        return self._in_shape(mean, mean)

    def _in_shape(self, values, mean):
        """`values` without an axis that has one entry, and with one for several quantiles, in the order of `mean`."""
        n_quantiles = n_levels(*self._loss_at_fit())
        if n_quantiles > 1:
            quantiles = of_levels(values, mean, n_quantiles)
            return quantiles[:, 0] if quantiles.shape[1] == 1 else quantiles
        return values.ravel() if values.shape[1] == 1 else values

    def score(self, X, y, sample_weight=None):
        """R^2 of the predictions; of quantiles D^2, the share of the pinball loss that they explain.

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
        score : float
            At most 1. Of ``loss='quantile'`` it is the mean over the quantiles of
            `sklearn.metrics.d2_pinball_score`, 0 for the quantiles of `y` themselves.
        """
        self._check_is_fitted()
        loss = self._loss_at_fit()
        if loss[0] != "quantile":
            predicted = self.predict(X)
            if sample_weight is None and is_plain_target(y, predicted.shape) and is_plain_target(predicted, y.shape):
                return r_squared(y.reshape(len(y), -1), predicted.reshape(len(y), -1))
            return r2_score(y, predicted, sample_weight=sample_weight)
        raw, y = self._raw_predict(X), np.asarray(y)
        y = y.reshape(len(y), -1)
        check_consistent_length(y, raw)
        n_targets = raw.shape[1] // n_levels(*loss)
        if y.shape[1] != n_targets:
            raise ValueError(f"y has {y.shape[1]} columns, but the network predicts quantiles of {n_targets}.")
        return regression_score(*loss, y, raw, sample_weight)

    def _link(self):
        return "exp" if self.out_activation_ == "exp" else None

    def _check_before_data(self, validation, incremental):
        quantile_levels(self.quantile)
        super()._check_before_data(validation, incremental)

    def _validate_target(self, y, dtype, loss, new_classes):
        y = as_dense(y)
        if y.dtype.kind not in "fiubO":
            raise ValueError(f"y must be numeric, got dtype {y.dtype}.")
        if y.dtype.kind == "O":
            y = y.astype(np.float64)
            assert_all_finite(y, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.reshape(len(y), -1)
        loss = loss or (self.loss, loss_parameters(self, self.loss))
        check_range(*loss, self._in_dtype_of_inputs(y, dtype))
        return y, y.shape[1] * n_levels(*loss), loss

    def _in_dtype_of_inputs(self, y, dtype):
        """Targets as the kernels will see them."""
        with np.errstate(over="ignore"):
            seen = y.astype(dtype, copy=False)
        if seen is not y and not np.isfinite(seen).all():
            raise ValueError(f"y is beyond the range of {dtype}, the dtype of X: scale y, or give X in float64.")
        return seen

    def _score_raw(self, y, raw_prediction, sample_weight):
        return regression_score(*self._loss_at_fit(), y, raw_prediction, sample_weight)

    def _stratify(self, y):
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        is_tweedie = self.loss == "tweedie" and self.power >= 1
        tags.target_tags.positive_only = self.loss in ("poisson", "gamma") or is_tweedie
        return tags
