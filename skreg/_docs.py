"""The documentation of what both estimators share, written once and put into both classes."""

import re
import textwrap

PARAMETERS = """\
hidden_layer_sizes : int or sequence of int, default=(100,)
    Number of units of each hidden layer. ``()`` is the linear model: Lasso, Ridge, ElasticNet,
    logistic regression or Poisson regression, by `penalty` and loss.

activation : str or sequence of str, default='relu'
    Activation of the hidden units; a sequence has one name for each hidden layer.

    - 'identity', 'logistic', 'tanh', 'relu': as in scikit-learn, and with its first weights [5]_.
    - 'leaky_relu': ``z`` for z > 0, else ``z / 100``.
    - 'elu': ``z`` for z > 0, else ``exp(z) - 1`` [6]_.
    - 'selu': a scaled elu that keeps mean 0 and variance 1 from layer to layer [7]_.
    - 'gelu': ``z Phi(z)`` with the normal distribution function [8]_.
    - 'silu': ``z logistic(z)``, also called swish [9]_.
    - 'mish': ``z tanh(softplus(z))`` [10]_.
    - 'softplus': ``log(1 + exp(z))``.

    All but the first four start from intercepts of 0 and weights that give the sums of each layer the
    variance 1 if those of the layer before have it, as He et al. have it for relu [11]_.

[LOSS]

solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
    - 'adam': mini-batches, adaptive steps [1]_.
    - 'sgd': mini-batches, with momentum; proximal steps on the averaged gradient [2]_.
    - 'lbfgs': all rows at once, deterministic, by L-BFGS, projected to an orthant where there is an
      l1 term [3]_; exact for small data. Not with dropout.

    All solvers minimise the same objective, and all set weights to exactly zero where `penalty` has
    an l1 part, and whole rows where it has norms of them. For those, and for `positive`, 'lbfgs' takes
    proximal quasi-Newton steps [Lee2014]_.

penalty : {'l2', 'l1', 'elasticnet', 'group_lasso', 'sparse_group_lasso', None} or sequence, default='l2'
    Penalty on the weights; a sequence has one entry for each layer of weights.

    - 'l2', 'l1', 'elasticnet': ``alpha * (rho * |W|_1 + (1 - rho) / 2 * |W|_2^2)`` with rho = 0 for
      'l2', 1 for 'l1' and `l1_ratio` for 'elasticnet'.
    - 'group_lasso': ``alpha * sqrt(fan_out) * sum_j |W_j|_2`` over the rows of W, the `fan_out`
      outgoing weights of each input or unit: whole inputs and whole units become exactly zero [Scardapane2017]_
      (see `prune`). Without hidden layers it is MultiTaskLasso with alpha * sqrt(n_outputs).
    - 'sparse_group_lasso': ``alpha * (rho * |W|_1 + (1 - rho) * sqrt(fan_out) * sum_j |W_j|_2)`` with
      rho = `l1_ratio`: single weights as well [Simon2013]_.
    - None: no penalty, whatever `alpha`.

alpha : float or sequence of float, default=1e-4
    Strength of `penalty`, >= 0; a sequence has one entry for each layer of weights. It is Lasso's
    and ElasticNet's `alpha`, Ridge's divided by the number of samples, and 1 / (n_samples * C) in
    logistic regression. It does not depend on the batch size (scikit-learn's MLP divides its own
    `alpha` by the batch size).

l1_ratio : float or sequence of float, default=0.5
    Share of the l1 part, in [0, 1]; used by 'elasticnet' and 'sparse_group_lasso'.

positive : bool, default=False
    Whether all weights are held at or above zero, exactly, in every step; intercepts are free. Without
    hidden layers it is Lasso's `positive`; with them, an increasing activation and no normalisation,
    predictions never fall where an input rises.

max_norm : float, None or sequence, default=None
    Largest Euclidean norm of each unit's incoming weights, a column of its layer's weights. It holds
    after every step: longer columns are scaled down [4]_. A sequence has one entry, a number or None, for
    each layer of weights. Not with 'lbfgs'.

weight_decay : float, default=0.0
    Decoupled weight decay [Loshchilov2019]_: each step of 'adam' and 'sgd' first multiplies all weights, not the
    intercepts, by ``1 - learning_rate * weight_decay``. It is no part of the objective; not with 'lbfgs'.

bias_penalty : float or sequence of float, default=0.0
    Strength of the penalty on the intercepts, of the same form as that on the weights; a sequence has
    one entry for each layer of weights.

bias_l1_ratio : float or sequence of float, default=0.0
    Share of the l1 part in `bias_penalty`, in [0, 1].

activity_penalty : float or sequence of float, default=0.0
    Strength of the penalty on the outputs of the hidden layers, averaged over the samples:
    ``activity_penalty * (q * |a|_1 + (1 - q) / 2 * |a|_2^2)``; a sequence has one entry for each
    hidden layer.

activity_l1_ratio : float or sequence of float, default=1.0
    Share q of the l1 part in `activity_penalty`, in [0, 1].

dropout : float or sequence of float, default=0.0
    Probability, in [0, 1), with which each hidden unit is dropped while training [4]_; kept units are
    divided by ``1 - dropout``, so that nothing changes at prediction. A sequence has one entry for
    each hidden layer.

input_dropout : float, default=0.0
    The same for the inputs.

dropout_kind : {'bernoulli', 'batchwise', 'gaussian', 'alpha'}, default='bernoulli'
    What `dropout` and `input_dropout` do to a unit while training, p being the rate.

    - 'bernoulli': zero with probability p, else divided by 1 - p, anew for each row.
    - 'batchwise': the same, but drawn once for all rows of a batch [Graham2015]_. Hidden units that are
      dropped are then not computed, and large layers train up to twice as fast and more; the noise of a
      step is larger, so that it is for fits of many steps. Nothing is left out with sparse X, `batch_norm`,
      `layer_norm`, nor of layers with `activity_penalty`.
    - 'gaussian': multiplied by a normal number of mean 1 and variance p / (1 - p), which are those of
      'bernoulli' [4]_.
    - 'alpha': with probability p the number that selu tends to far below 0, and then all are scaled
      and shifted so that mean 0 and variance 1 stay [7]_. Hidden layers with `dropout` must have
      ``activation='selu'``; not with `input_dropout` on sparse X.

input_noise : float or sequence of float, default=0.0
    Standard deviation, >= 0, of normal noise that is added to the inputs while training, new in every
    step [12]_; a sequence has one entry for each column of X. It is in units of the inputs. On a linear
    model with squared error it is Ridge with ``alpha = n_samples * input_noise ** 2``. Not with sparse
    X, which it would make dense, and not with 'lbfgs'.

batch_norm : bool, default=False
    Whether the sums of each hidden layer are normalised before its activation by mean and variance of
    the rows of the batch [Ioffe2015]_, weighted by the samples' weights, and then scaled and shifted by a learned
    number for each unit, which has no penalty. The layers' own intercepts do nothing then, and are 0. At
    prediction, and where a batch has fewer than two rows of positive weight, running statistics are
    taken: those of the rows so far, of which a row counts 0.9 times as much with each full batch after it.
    ``loss_curve_`` is that at the batches' statistics, except where it is measured at the end of epochs.
    Not with 'lbfgs'.

layer_norm : bool, default=False
    The same by mean and variance of each row over the units of the layer [Ba2016]_, while training and at
    prediction. The intercepts are learned as well.

batch_size : int or 'auto', default='auto'
    Rows in a mini-batch; 'auto' is ``min(200, n_samples)``. Used by 'adam' and 'sgd'.

learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine', 'one_cycle', 'log_cosine'}, default='constant'
    How the learning rate goes on from step to step.

    - 'invscaling' and 'adaptive', for 'sgd' only, 'adam' takes them for 'constant': the one is
      ``learning_rate_init / (t + 1) ** power_t`` after t samples; the other divides the rate by 5 whenever
      training stalls (see `tol`) until it is below 1e-6.
    - 'cosine': from `learning_rate_init` to `learning_rate_end` along half a cosine [Loshchilov2017]_.
    - 'one_cycle': from a 25th of `learning_rate_init` up to it in the first 30 % of the schedule, then
      down to `learning_rate_end` [Smith2018]_; the momentum stays.
    - 'log_cosine': four waves, each twice as long as the one before, which begin and end at
      `learning_rate_end` and rise to `learning_rate_init` [Holzmuller2024]_.

    The last three, for 'adam' and 'sgd', take `schedule_epochs` epochs, and a training loss that
    does not improve is no reason to stop before `max_iter`; with `early_stopping` the validation score
    still is, unless ``n_iter_no_change=np.inf``, which only keeps the best weights.

learning_rate_init : float, default=0.001
    Learning rate of 'adam' and 'sgd' that `learning_rate` starts from, or rises to.

power_t : float, default=0.5
    Exponent of 'invscaling'.

learning_rate_end : float, default=0.0
    Learning rate at the end of 'cosine', 'one_cycle' and 'log_cosine', at most `learning_rate_init`.

schedule_epochs : int or None, default=None
    Epochs that 'cosine', 'one_cycle' and 'log_cosine' take; None is `max_iter`. After them they begin
    anew, so that a part of `max_iter` makes 'cosine' one with warm restarts. `warm_start` and
    `partial_fit`, each call of which is one epoch, go on in the schedule where the last call ended it.

warmup : float, default=0.0
    Epochs, or a fraction of one, in which the learning rate of 'adam' and 'sgd' rises linearly to what
    `learning_rate` asks for [Goyal2017]_.

clip_norm : float or None, default=None
    Largest Euclidean norm of a step's gradient, over all weights, intercepts, scales and shifts together;
    a longer one is shortened to it [Pascanu2013]_. It is the gradient of the batch's loss, its activity
    penalty and the l2 terms; the proximal step of the l1 terms is shortened by the same factor, so that the objective's
    stationary points stay. Not with 'lbfgs'.

averaging : {'swa', 'ema'} or None, default=None
    What becomes of the weights that 'adam' and 'sgd' go through. None keeps the last ones.

    - 'swa': their mean at the ends of the last epochs, see `averaging_start` [Izmailov2018]_; as it
      needs them all, a training loss that does not improve is no reason to stop before `max_iter`.
    - 'ema': their exponential moving average over all steps, see `ema_decay`, divided by the sum of its
      weights.

    `coefs_` and `intercepts_` are the average, and `loss_curve_`, `validation_scores_` and
    `early_stopping` look at it as soon as there is one. `warm_start` and `partial_fit` go on from the
    weights themselves, which the estimator keeps, not from `coefs_`. A mean is exactly zero only where
    all that is averaged is zero, so that it has fewer zeros than the last weights. Not with 'lbfgs'.

averaging_start : float, default=0.75
    Share, in [0, 1), of `max_iter` (of `schedule_epochs` if that is given) after which 'swa' averages,
    at least over the last epoch. After so many epochs, in the same fit or a later one, a new mean is
    begun, together with the schedule of the learning rate; until it has an epoch to average, the weights
    are the last ones.

ema_decay : float, default=0.999
    Factor, in [0, 1), by which the weights of 'ema' shrink with each step.

augmentation : {'mixup', 'cutmix', 'cutout'} or None, default=None
    What is done to the rows x_i of a batch while training, before input noise and dropout. Their
    partners x_j are rows of the same batch, each row once, anew in each step; rows of weight 0 are left out.

    - 'mixup': ``l * x_i + (1 - l) * x_j``, with a share l of its own for each row [Zhang2018]_.
    - 'cutmix': each input is x_i's with probability l, else x_j's; l is then the share of the inputs
      that are x_i's [Yun2019]_.
    - 'cutout': each input is set to zero, which is its mean where inputs are standardised, with
      probability `augmentation_strength`, and none is scaled [DeVries2017]_.

    The loss is l times that for y_i plus 1 - l times that for y_j, each with its sample weight. The
    curves are measured on the rows as they are. For tables see [Kadra2021]_. Not with 'lbfgs', nor
    with sparse X.

augmentation_strength : float, default=0.2
    Parameter a > 0 of the distribution Beta(a, a) of l; for 'cutout' the share of the inputs, in (0, 1).

max_iter : int, default=200
    Largest number of epochs ('adam', 'sgd') or iterations ('lbfgs').

shuffle : bool, default=True
    Whether to shuffle the rows in each epoch.

random_state : int, RandomState instance or None, default=None
    Seed of the initial weights, the validation split, the order of the rows, dropout and noise. An
    int gives the same weights, bit for bit, in every run on the same kind of processor.

tol : float, default=1e-4
    'adam' and 'sgd' stop when the training loss (with `early_stopping`: the validation score) has not
    improved by more than `tol` for more than `n_iter_no_change` epochs. 'lbfgs' stops when the KKT
    residual is at most `tol`, or at most ``min(tol, 1e-6)`` without hidden layers, where the problem
    is convex; networks also where the objective has not fallen by more than 2.2e-5 `tol` of itself in
    more than `n_iter_no_change` iterations.

verbose : bool or int, default=False
    Whether to print the loss of each epoch.

warm_start : bool, default=False
    Whether `fit` goes on from where the previous fit ended: weights, the state of the optimizer, and
    the order of the rows, so that k fits of one epoch are one fit of k epochs; with a schedule or 'swa'
    if `schedule_epochs` is given. Where the objective or the data are others than then, as along a path
    of `alpha`, the best loss or score of before is no reason to stop.

momentum : float, default=0.9
    Momentum of 'sgd', in [0, 1].

nesterovs_momentum : bool, default=True
    Whether 'sgd' takes gradients ahead, as Nesterov does.

early_stopping : bool, default=False
    Whether to stop when the score on validation data no longer improves (see `tol`) and to return to
    the best weights. The validation data are `X_val`, `y_val` if given to `fit`, else a share
    `validation_fraction` of the training data[STRATIFIED].

validation_fraction : float, default=0.1
    Share of the training data that is set aside for `early_stopping`, in (0, 1).

beta_1 : float, default=0.9
    Decay rate of Adam's first moment, in [0, 1).

beta_2 : float, default=0.999
    Decay rate of Adam's second moment, in [0, 1).

epsilon : float, default=1e-8
    Term in Adam's denominator.

n_iter_no_change : int or np.inf, default=10
    Epochs without progress that are tolerated; see `tol`.

max_fun : int, default=15000
    Largest number of evaluations of the objective in 'lbfgs'."""

ATTRIBUTES = """\
coefs_ : list of ndarray of shape (fan_in, fan_out)
    Weights of each layer, in X's dtype.

intercepts_ : list of ndarray of shape (fan_out,)
    Intercepts of each layer.

norm_scales_ : list of ndarray of shape (n_units,), or None
    Learned scales of each hidden layer with `batch_norm` or `layer_norm`: a unit's activation is that of
    ``scale * (z - mean) / sqrt(variance + 1e-5) + shift``, z being its sum.

norm_shifts_ : list of ndarray of shape (n_units,), or None
    Learned shifts of each hidden layer with `batch_norm` or `layer_norm`.

norm_means_ : list of ndarray of shape (n_units,), or None
    Running means of each hidden layer with `batch_norm`.

norm_variances_ : list of ndarray of shape (n_units,), or None
    Running variances of each hidden layer with `batch_norm`.

loss_ : float
    The last entry of `loss_curve_`; with early stopping the weights that are kept may be earlier ones.

best_loss_ : float or None
    Smallest entry of `loss_curve_`; None with early stopping.

loss_curve_ : list of float
    The objective on the training data, penalties included, after each epoch or iteration. With
    validation data, dropout, augmentation or averaging it is measured at the end of the epoch, without
    dropout, on all rows up to 256, else on n_samples / 64, at least 256, always the same; otherwise it
    is the mean over the epoch's batches.

validation_loss_curve_ : list of float or None
    The same objective on the validation data, so that the difference to `loss_curve_` is what does
    not generalise; None without validation data.

validation_scores_ : list of float or None
    [SCORE] on the validation data after each epoch; None without validation data.

best_validation_score_ : float or None
    Largest validation score; None without early stopping.

n_iter_ : int
    Epochs or iterations of the last fit.

t_ : int
    Training samples seen so far ('adam', 'sgd').

interrupted_ : bool
    Whether the last fit was ended by Ctrl-C; the weights are then those of the last whole epoch.

feature_importances_ : ndarray of shape (n_features_in_,)
    Euclidean norm of each input's outgoing weights in the first layer, 0.0 for inputs that are not used.
    They are not normalised; comparing them supposes inputs of one scale. `SelectFromModel` takes them.

n_features_used_ : int
    Number of inputs with an outgoing weight that is not zero.

kept_features_ : ndarray of int or None
    Columns of X that the first layer multiplies, in a network made by `prune`; else None, for all.

n_features_in_ : int
    Number of inputs.

feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the inputs, if X had names that are all strings.

n_layers_ : int
    Number of layers, input and output included.

n_outputs_ : int
    Number of units in the output layer.

out_activation_ : str
    Activation of the output layer."""

REFERENCES = """\
.. [1] Kingma & Ba (2015), "Adam: A method for stochastic optimization", :arxiv:`1412.6980`.
.. [2] Xiao (2010), "Dual averaging methods for regularized stochastic learning and online optimization",
   Journal of Machine Learning Research 11, 2543-2596.
.. [3] Schmidt, Fung & Rosales (2007), "Fast optimization methods for L1 regularization: a comparative study
   and two new approaches", :doi:`10.1007/978-3-540-74958-5_28`.
.. [4] Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from overfitting",
   Journal of Machine Learning Research 15, 1929-1958.
.. [5] Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks",
   Proceedings of Machine Learning Research 9, 249-256.
.. [6] Clevert, Unterthiner & Hochreiter (2016), "Fast and accurate deep network learning by exponential
   linear units (ELUs)", :arxiv:`1511.07289`.
.. [7] Klambauer et al. (2017), "Self-normalizing neural networks", :arxiv:`1706.02515`.
.. [8] Hendrycks & Gimpel (2016), "Gaussian error linear units (GELUs)", :arxiv:`1606.08415`.
.. [9] Ramachandran, Zoph & Le (2017), "Searching for activation functions", :arxiv:`1710.05941`.
.. [10] Misra (2020), "Mish: A self regularized non-monotonic activation function", :arxiv:`1908.08681`.
.. [11] He et al. (2015), "Delving deep into rectifiers: surpassing human-level performance on ImageNet
   classification", :arxiv:`1502.01852`.
.. [12] Bishop (1995), "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7,
   108-116, :doi:`10.1162/neco.1995.7.1.108`.
.. [Loshchilov2017] "SGDR: stochastic gradient descent with warm restarts", :arxiv:`1608.03983`.
.. [Smith2018] Smith & Topin, "Super-convergence: very fast training of neural networks using large learning
   rates", :arxiv:`1708.07120`.
.. [Holzmuller2024] Holzmüller, Grinsztajn & Steinwart, "Better by default: strong pre-tuned MLPs and boosted
   trees on tabular data", :arxiv:`2407.04491`.
.. [Goyal2017] "Accurate, large minibatch SGD: training ImageNet in 1 hour", :arxiv:`1706.02677`.
.. [Pascanu2013] Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks",
   :arxiv:`1211.5063`.
.. [Scardapane2017] Scardapane, Comminiello, Hussain & Uncini (2017), "Group sparse regularization for deep neural
   networks", :arxiv:`1607.00485`; Yuan & Lin (2006), :doi:`10.1111/j.1467-9868.2005.00532.x`.
.. [Lee2014] Lee, Sun & Saunders (2014), "Proximal Newton-type methods for minimizing composite functions",
   :doi:`10.1137/130921428`.
.. [Simon2013] Simon, Friedman, Hastie & Tibshirani (2013), "A sparse-group lasso", :doi:`10.1080/10618600.2012.681250`.
.. [Loshchilov2019] Loshchilov & Hutter (2019), "Decoupled weight decay regularization", :arxiv:`1711.05101`.
.. [Izmailov2018] "Averaging weights leads to wider optima and better generalization", :arxiv:`1803.05407`.
.. [Graham2015] Graham, Reizenstein & Robinson, "Efficient batchwise dropout training using submatrices",
   :arxiv:`1502.02478`.
.. [Ioffe2015] Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal
   covariate shift", :arxiv:`1502.03167`.
.. [Ba2016] Ba, Kiros & Hinton, "Layer normalization", :arxiv:`1607.06450`.
.. [Zhang2018] "mixup: beyond empirical risk minimization", :arxiv:`1710.09412`.
.. [Yun2019] "CutMix: regularization strategy to train strong classifiers with localizable features",
   :arxiv:`1905.04899`.
.. [DeVries2017] DeVries & Taylor, "Improved regularization of convolutional neural networks with cutout",
   :arxiv:`1708.04552`.
.. [Kadra2021] "Well-tuned simple nets excel on tabular datasets", :arxiv:`2106.11189`."""


def shared_docs(**replacements):
    """Class decorator: replace [PARAMETERS], [ATTRIBUTES] and [REFERENCES], and the words given.

    Each place keeps its indentation.
    """
    parts = {"PARAMETERS": PARAMETERS, "ATTRIBUTES": ATTRIBUTES, "REFERENCES": REFERENCES, **replacements}

    def decorate(cls):
        doc = cls.__doc__ or ""
        for name, text in parts.items():
            doc = _with_part(doc, f"[{name}]", text)
        cls.__doc__ = doc
        return cls

    return decorate


def _with_part(doc, place, text):
    """`doc` with a text in each of its places: indented where a line has nothing else, within a line as it is."""
    pieces, start = [], 0
    while (at := doc.find(place, start)) >= 0:
        end = at + len(place)
        before = doc[doc.rfind("\n", 0, at) + 1 : at]
        is_alone = not before.strip(" ") and doc[end : end + 1] in ("", "\n")
        if is_alone:
            pieces += [doc[start : at - len(before)], textwrap.indent(text, before).rstrip()]
        else:
            pieces += [doc[start:at], text]
        start = end
    return "".join(pieces) + doc[start:]


# LassoNet -----------------------------------------------------------------------------------------

LASSONET_METHOD = """\
The network has a skip connection from the inputs to the outputs, ``f(x) = x @ theta + g_W(x) + b``,
and an input j takes part in its first layer of weights W only as far as it does there [1]_::

    minimise    mean loss + alpha / 2 (|W|_2^2 + |theta|_2^2) + lambda sum_j |theta_j|_2
    subject to  |W_j|_inf <= M |theta_j|_2    for each input j

So it is the skip connection's norm that selects inputs, for the whole network. `fit` trains a dense
network, and then lets lambda grow, from the weights before each time, until no input is left or
`n_features_to_select` are. It keeps the network at one lambda, `lambda_`, which predicts and selects;
`selected` gives any number of inputs. Inputs should be standardised. An input that is out stays out. A
path needs all data at once, so there is no `partial_fit`; nor are there `prune`, `kkt_residual`, and draws
of dropout in predictions."""

LASSONET_PARAMETERS = """\
hidden_layer_sizes : int or sequence of int, default=(100,)
    Number of units of each hidden layer; at least one layer.

activation : str or sequence of str, default='relu'
    Activation of the hidden units: 'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu',
    'gelu', 'silu', 'mish' or 'softplus'; a sequence has one name for each hidden layer.

[LOSS]

M : float, default=10.0
    Hierarchy, >= 0: how much larger than the norm of its skip connection an input's other weights may
    be. 0 leaves the linear model, with a group lasso over its outputs; with one output, the Lasso.

n_features_to_select : int, float or None, default=None
    Number of inputs, or share of them in (0, 1), rounded down but at least one, at which the path ends
    and whose network is kept. None goes on until no input is left, and keeps the network with the
    smallest validation loss. That is often at a small lambda, with all inputs: to select, give a number
    here, or take `selected` after the fit.

lambda_start : float or 'auto', default='auto'
    First lambda. 'auto' doubles a tiny one until an input leaves, and goes on from half of that.

path_multiplier : float, default=1.02
    Factor, > 1, from one lambda to the next.

lambda_seq : array-like of float or None, default=None
    All lambdas, increasing, in place of `lambda_start` and `path_multiplier`; the path ends where none
    are left. Without validation data the network at the last one is kept.

max_iter_path : int or 'auto', default='auto'
    Largest number of epochs at each lambda; fewer where the objective stalls, as `tol` and
    `n_iter_no_change` say. 'auto' makes at least 20 steps.

learning_rate_path : float or 'auto', default='auto'
    Learning rate along the path, where the optimizer is SGD with momentum. 'auto' is the inverse of the
    largest curvature of the linear model's loss. It is halved wherever a lambda diverges.

momentum : float, default=0.9
    Momentum along the path, in [0, 1].

alpha : float or sequence of float, default=0.0
    Strength of the l2 penalty on the weights; a sequence has one entry for each layer of weights, of
    which the first holds for the skip connection as well.

[dropout]

[input_dropout]

batch_size : int or 'auto', default='auto'
    Rows in a mini-batch; 'auto' is ``min(200, n_samples)``.

learning_rate_init : float, default=0.001
    Learning rate of Adam, which trains the dense network.

max_iter : int, default=200
    Largest number of epochs of the dense network.

tol : float, default=1e-4
    The dense network is done when the validation score (without validation data: the training loss)
    has not improved by more than `tol` for more than `n_iter_no_change` epochs; a lambda, when the
    objective has not.

n_iter_no_change : int or np.inf, default=10
    Epochs without progress that are tolerated; see `tol`.

validation_fraction : float, default=0.1
    Share of the training data, in [0, 1), that is set aside to choose lambda by if `X_val` and `y_val`
    are not given to `fit`[STRATIFIED]. 0 needs `n_features_to_select` or `lambda_seq`.

random_state : int, RandomState instance or None, default=None
    Seed of the initial weights, the validation split, the order of the rows and the dropout masks. An
    int gives the same path, bit for bit, in every run on the same kind of processor.

verbose : bool or int, default=False
    Whether to print each epoch of the dense network and each lambda."""

LASSONET_ATTRIBUTES = """\
coefs_ : list of ndarray of shape (fan_in, fan_out)
    Weights of each layer at `lambda_`, in X's dtype; rows of zeros for inputs that are out.

skip_coef_ : ndarray of shape (n_features_in_, n_outputs_)
    Weights theta of the skip connection at `lambda_`.

intercepts_ : list of ndarray of shape (fan_out,)
    Intercepts of each layer at `lambda_`.

lambda_ : float
    The lambda whose network is kept; 0 for the dense network.

best_index_ : int
    Its place in `path_`.

path_ : dict of ndarray
    One entry for each lambda, the dense network's 0 first: 'lambda', 'n_features', 'loss' (mean training
    loss in the last epoch), 'validation_loss' and 'validation_score' ([SCORE]; NaN without validation
    data), 'n_iter' (epochs), and 'skip_norm', of shape (n_lambdas, n_features_in_): the norm of each
    input's skip connection, 0 where it is out.

feature_importances_ : ndarray of shape (n_features_in_,)
    The lambda at which each input leaves; infinite where it is still there at the end of the path.

n_features_used_ : int
    Number of inputs of the network that is kept.

learning_rate_path_ : float
    Learning rate at the end of the path.

n_iter_ : int
    Epochs of the whole path, the dense network's included.

interrupted_ : bool
    Whether the path was ended by Ctrl-C.

n_features_in_ : int
    Number of inputs.

feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the inputs, if X had names that are all strings.

n_layers_ : int
    Number of layers, input and output included.

n_outputs_ : int
    Number of units in the output layer.

out_activation_ : str
    Activation of the output layer."""

LASSONET_REFERENCES = """\
.. [1] Lemhadri, Ruan, Abraham & Tibshirani (2021), "LassoNet: a neural network with feature sparsity",
   Journal of Machine Learning Research 22(127), 1-29, :arxiv:`1907.12207`.
.. [4] Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from overfitting",
   Journal of Machine Learning Research 15, 1929-1958."""


def _entry(name):
    """The documentation of one of the networks' parameters."""
    found = re.search(rf"^{name} : .*?(?=\n\n\S|\Z)", PARAMETERS, flags=re.MULTILINE | re.DOTALL)
    return found.group(0)


def lassonet_docs(**replacements):
    """The same for the LassoNets."""
    parameters = re.sub(r"^\[([a-z_]+)\]$", lambda match: _entry(match.group(1)), LASSONET_PARAMETERS, flags=re.M)
    parts = {
        "METHOD": LASSONET_METHOD, "PARAMETERS": parameters, "ATTRIBUTES": LASSONET_ATTRIBUTES,
        "REFERENCES": LASSONET_REFERENCES.replace("[4]", "[2]"),
    }  # fmt: skip
    decorate = shared_docs(**parts, **replacements)

    def renumbered(cls):
        cls = decorate(cls)
        cls.__doc__ = cls.__doc__.replace("[4]_", "[2]_")
        return cls

    return renumbered
