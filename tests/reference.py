"""A regularised network in plain NumPy, written from the formulas of the user guide: the oracle of the kernels.

Nothing here is fast, nothing is shared with skreg, and everything is float64. A network is a list of weight
matrices `coefs` and a list of intercept vectors `intercepts`, one entry a layer. Random bits are computed with
Python's own integers.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

# Activations f(z) and their derivatives as functions of z ------------------------------------------------------


def logistic(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def expm1_below_0(z):
    return np.expm1(np.minimum(z, 0))


ALPHA, LAMBDA = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. (2017), section 2

ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "logistic": (logistic, lambda z: logistic(z) * logistic(-z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.where(z > 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, expm1_below_0(z)), lambda z: np.exp(np.minimum(z, 0))),
    "selu": (
        lambda z: LAMBDA * np.where(z > 0, z, ALPHA * expm1_below_0(z)),
        lambda z: LAMBDA * np.where(z > 0, 1.0, ALPHA * np.exp(np.minimum(z, 0))),
    ),
    "gelu": (lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + z * stats.norm.pdf(z)),
    "silu": (lambda z: z * logistic(z), lambda z: logistic(z) + z * logistic(z) * logistic(-z)),
    "mish": (
        lambda z: z * np.tanh(np.logaddexp(0, z)),
        lambda z: np.tanh(np.logaddexp(0, z)) + z * logistic(z) / np.cosh(np.logaddexp(0, z)) ** 2,
    ),
    "softplus": (lambda z: np.logaddexp(0, z), logistic),
}


def normal_mean(function):
    """Mean of function(z) over z ~ N(0, 1), by Gauss and Legendre's rule on either side of a kink at 0."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = np.concatenate([6 * (nodes - 1), 6 * (nodes + 1)])
    return (np.tile(6 * weights, 2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)) @ function(z)


# Losses of each row and their gradients with respect to the raw predictions f -----------------------------------


def squared_error(y, f):
    return 0.5 * ((y - f) ** 2).sum(axis=1), f - y


def poisson(y, f):
    """Half the Poisson deviance at mean exp(f); y log y is 0 at y = 0."""
    y_log_y = y * np.log(np.where(y > 0, y, 1.0))
    return (y_log_y - y * f - y + np.exp(f)).sum(axis=1), np.exp(f) - y


def binary_log_loss(y, f, label_smoothing=0.0):
    """-log of the probability of each label, which is 1 with probability logistic(f)."""
    y = (1 - label_smoothing) * y + label_smoothing / 2
    return (np.logaddexp(0, f) - y * f).sum(axis=1), logistic(f) - y


def smoothed(y, n_classes, label_smoothing):
    """Weights of the classes: (1 - e) onehot + e / K."""
    return (1 - label_smoothing) * np.eye(n_classes)[y[:, 0].astype(int)] + label_smoothing / n_classes


def multinomial_log_loss(y, f, label_smoothing=0.0):
    """-log of the softmax probability of class y[:, 0]."""
    chosen = smoothed(y, f.shape[1], label_smoothing)
    log_probability = f - np.logaddexp.reduce(f, axis=1)[:, None]
    return -(chosen * log_probability).sum(axis=1), np.exp(log_probability) - chosen


def absolute_error(y, f):
    return np.abs(y - f).sum(axis=1), np.sign(f - y)


def huber(y, f, delta=1.0):
    """Squared within delta of y, linear beyond."""
    r = np.abs(y - f)
    loss = np.where(r <= delta, r**2 / 2, delta * (r - delta / 2))
    return loss.sum(axis=1), np.where(r <= delta, f - y, delta * np.sign(f - y))


def quantile(y, f, quantile=0.5):
    """Pinball loss; with several quantiles each target has an output for each of them."""
    levels = np.atleast_1d(quantile)
    y, q = np.repeat(y, len(levels), axis=1), np.tile(levels, y.shape[1])
    loss = np.maximum(q * (y - f), (q - 1) * (y - f))
    return loss.sum(axis=1), np.where(f > y, 1 - q, np.where(f < y, -q, 0.0))


def gamma(y, f):
    """Half the gamma deviance at mean exp(f)."""
    ratio = y / np.exp(f)
    return (ratio - np.log(ratio) - 1).sum(axis=1), 1 - ratio


def tweedie(y, f, power=1.5):
    """Half the Tweedie deviance at mean exp(f), as in scikit-learn's user guide; 1 and 2 are limits of it."""
    if power == 1:
        return poisson(y, f)
    if power == 2:
        return gamma(y, f)
    mean, positive = np.exp(f), y if power == 0 else np.maximum(y, 0)
    loss = (
        positive ** (2 - power) / ((1 - power) * (2 - power))
        - y * mean ** (1 - power) / (1 - power)
        + mean ** (2 - power) / (2 - power)
    )
    return loss.sum(axis=1), (mean - y) * mean ** (1 - power)


def focal(probability, log_probability, others, focal_gamma):
    """(loss of a class that is right, derivative with respect to the log of its probability)."""
    loss = -(others**focal_gamma) * log_probability
    slope = focal_gamma * others ** (focal_gamma - 1) * probability * log_probability - others**focal_gamma
    return loss, slope


def binary_focal(y, f, focal_gamma=2.0, label_smoothing=0.0):
    p, q = logistic(f), logistic(-f)
    t = (1 - label_smoothing) * y + label_smoothing / 2
    one, one_slope = focal(p, -np.logaddexp(0, -f), q, focal_gamma)
    zero, zero_slope = focal(q, -np.logaddexp(0, f), p, focal_gamma)
    return (t * one + (1 - t) * zero).sum(axis=1), t * one_slope * q - (1 - t) * zero_slope * p


def multinomial_focal(y, f, focal_gamma=2.0, label_smoothing=0.0):
    t = smoothed(y, f.shape[1], label_smoothing)
    log_probability = f - np.logaddexp.reduce(f, axis=1)[:, None]
    p = np.exp(log_probability)
    others = np.stack([np.delete(p, k, axis=1).sum(axis=1) for k in range(p.shape[1])], axis=1)
    others = np.maximum(others, np.finfo(float).tiny)  # of a single class
    loss, slope = focal(p, log_probability, others, focal_gamma)
    jacobian = np.eye(f.shape[1]) - p[:, None, :]  # of log p_k by f_j
    return (t * loss).sum(axis=1), np.einsum("ik,ikj->ij", t * slope, jacobian)


LOSSES = {
    "absolute_error": absolute_error,
    "huber": huber,
    "quantile": quantile,
    "gamma": gamma,
    "tweedie": tweedie,
    "binary_focal": binary_focal,
    "multinomial_focal": multinomial_focal,
    "squared_error": squared_error,
    "poisson": poisson,
    "binary_log_loss": binary_log_loss,
    "multinomial_log_loss": multinomial_log_loss,
}

# The objective -------------------------------------------------------------------------------------------------


@dataclass
class Network:
    """The objective's parameters in the letters of its formula; one activation for all hidden layers or one for each.

    alpha, rho, beta, r have one entry for each layer of weights; gamma, q one for each hidden layer; dropout
    one for each layer of weights, the rate of that layer's input. `penalty` and `max_norm` have one entry for each
    layer of weights, or are None for the elastic net and for no constraint.
    """

    activation: str | tuple
    loss: str
    alpha: list
    rho: list
    beta: list
    r: list
    gamma: list
    q: list
    dropout: list
    loss_parameters: dict = field(default_factory=dict)
    penalty: list | None = None
    positive: bool = False
    max_norm: list | None = None
    weight_decay: float = 0.0
    dropout_kind: str = "bernoulli"
    input_noise: float | list = 0.0

    def strengths(self, layer, fan_out):
        """(l1, l2, strength of the norm of each row) of a layer's weights."""
        alpha, rho = self.alpha[layer], self.rho[layer]
        group = alpha * fan_out**0.5
        return {
            "elasticnet": (alpha * rho, alpha * (1 - rho), 0.0),
            "l1": (alpha, 0.0, 0.0),
            "l2": (0.0, alpha, 0.0),
            "group_lasso": (0.0, 0.0, group),
            "sparse_group_lasso": (alpha * rho, 0.0, (1 - rho) * group),
            None: (0.0, 0.0, 0.0),
        }["elasticnet" if self.penalty is None else self.penalty[layer]]


def activation_of(network, layer):
    """(f, its derivative) of a hidden layer."""
    name = network.activation if isinstance(network.activation, str) else network.activation[layer]
    return ACTIVATIONS[name]


def elastic(values, l1_ratio):
    """rho |v|_1 + (1 - rho) / 2 |v|_2^2."""
    return l1_ratio * np.abs(values).sum() + (1 - l1_ratio) / 2 * (values**2).sum()


def forward(network, coefs, intercepts, X, noise=None):
    """(inputs, pre-activations) of every layer; `noise` has a factor and a shift for each layer's inputs."""
    inputs, sums = [], []
    values = X
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if layer > 0:
            values = activation_of(network, layer - 1)[0](sums[-1])
        if noise is not None:
            factor, shift = noise[layer]
            values = values * factor + shift
        inputs.append(values)
        sums.append(np.einsum("ij,jk->ik", values, coef) + intercept)
    return inputs, sums


def hidden_activations(network, sums):
    """Outputs of the hidden layers, before dropout."""
    return [activation_of(network, layer)[0](z) for layer, z in enumerate(sums[:-1])]


def data_terms(network, coefs, intercepts, X, y, weights, noise=None):
    """(sum of s_i loss, sum of s_i activity penalty) over the rows."""
    _, sums = forward(network, coefs, intercepts, X, noise)
    losses, _ = LOSSES[network.loss](y, sums[-1], **network.loss_parameters)
    activity = 0.0
    for layer, values in enumerate(hidden_activations(network, sums)):
        for weight, row in zip(weights, values, strict=True):
            activity += weight * network.gamma[layer] * elastic(row, network.q[layer])
    return (weights * losses).sum(), activity


def penalty_terms(network, coefs, intercepts):
    """(penalty on the weights, penalty on the intercepts)."""
    on_coefs = 0.0
    for layer, w in enumerate(coefs):
        l1, l2, group = network.strengths(layer, w.shape[1])
        on_coefs += l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum() + group * sum(np.linalg.norm(row) for row in w)
    on_biases = sum(a * elastic(b, r) for a, b, r in zip(network.beta, intercepts, network.r, strict=True))
    return on_coefs, on_biases


def objective_terms(network, coefs, intercepts, X, y, weights=None):
    """(loss, weights, biases, activity): the four terms of F in the order of its formula."""
    weights = np.ones(len(X)) if weights is None else weights
    loss, activity = data_terms(network, coefs, intercepts, X, y, weights)
    return loss / weights.sum(), *penalty_terms(network, coefs, intercepts), activity / weights.sum()


def data_gradient(network, coefs, intercepts, X, y, row_factors, noise=None):
    """Gradients (of coefs, of intercepts) of sum_i row_factors_i (loss_i + activity penalty_i)."""
    inputs, sums = forward(network, coefs, intercepts, X, noise)
    hidden = hidden_activations(network, sums)
    delta = row_factors[:, None] * LOSSES[network.loss](y, sums[-1], **network.loss_parameters)[1]
    coef_gradients, intercept_gradients = [], []
    for layer in reversed(range(len(coefs))):
        coef_gradients.insert(0, np.einsum("ij,ik->jk", inputs[layer], delta))
        intercept_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            back = np.einsum("ik,jk->ij", delta, coefs[layer])
            if noise is not None:
                back = back * noise[layer][0]
            gamma, q, a = network.gamma[layer - 1], network.q[layer - 1], hidden[layer - 1]
            back = back + row_factors[:, None] * gamma * (q * np.sign(a) + (1 - q) * a)
            delta = back * activation_of(network, layer - 1)[1](sums[layer - 1])
    return coef_gradients, intercept_gradients


# Random bits ---------------------------------------------------------------------------------------------------

_64, _32 = 2**64 - 1, 2**32 - 1


def mix64(x):
    """Finaliser of SplitMix64."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _64
    return x ^ (x >> 31)


def combine(key, number):
    return mix64((key + 0x9E3779B97F4A7C15 * (number + 1)) & _64)


def permutation(n, seed, epoch):
    """Fisher-Yates from the end, by the bits of stream 1."""
    key = combine(combine(seed, 1), epoch)
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = ((combine(key, i) >> 32) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order)


def random_32_bits(row_key, unit):
    """The unit's number, shifted by one half of the row's key, folded, and multiplied by the other half."""
    low, high = row_key & _32, row_key >> 32
    x = (unit * 0x9E3779B9 + low) & _32
    return ((x ^ (x >> 16)) * (high | 1)) & _32


def keep_mask(seed, step, layer, n_rows, n_units, rate):
    """1 where a unit of a batch's row is kept at this step, by the bits of stream 2."""
    key = combine(combine(combine(seed, 2), step), layer)
    threshold = int(min(rate * 2**32, 2**32 - 1))
    bits = [[random_32_bits(combine(key, row), unit) for unit in range(n_units)] for row in range(n_rows)]
    return (np.array(bits).reshape(n_rows, n_units) >= threshold).astype(float)


def normals(key, n_rows, n_units):
    """Normal numbers for the units of rows: quantiles of 32 bits, the first of which is the sign."""

    def number(row, unit):
        x = random_32_bits(combine(key, row), unit)
        x = ((x ^ (x >> 15)) * 0x846CA68B) & _32
        x ^= x >> 16
        tail = special.ndtri(((x & (2**31 - 1)) + 0.5) / 2**32)
        return tail if x >= 2**31 else -tail

    return np.array([[number(row, unit) for unit in range(n_units)] for row in range(n_rows)])


def dropout_noise(kind, seed, step, layer, n_rows, n_units, p):
    """(factor, shift) that dropout of this kind and rate applies to the inputs of a layer."""
    if kind == "gaussian":
        key = combine(combine(combine(seed, 2), step), layer)
        return 1 + np.sqrt(p / (1 - p)) * normals(key, n_rows, n_units), 0.0
    if kind == "batchwise":  # all rows have the first one's
        return np.repeat(keep_mask(seed, step, layer, 1, n_units, p), n_rows, axis=0) / (1 - p), 0.0
    mask = keep_mask(seed, step, layer, n_rows, n_units, p)
    if kind == "bernoulli":
        return mask / (1 - p), 0.0
    limit, q = -LAMBDA * ALPHA, 1 - p
    a = (q + limit**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * limit
    return a * mask, a * limit * (1 - mask) + b


def draw_noise(network, coefs, seed, step, n_rows):
    """(factor, shift) of every layer's input, or None without noise: dropout, and normal numbers added to X."""
    if not any(network.dropout) and not np.any(network.input_noise):
        return None
    noise = [
        dropout_noise(network.dropout_kind, seed, step, layer, n_rows, len(coef), network.dropout[layer])
        if network.dropout[layer]
        else (1.0, 0.0)
        for layer, coef in enumerate(coefs)
    ]
    if np.any(network.input_noise):
        factor, shift = noise[0]
        added = network.input_noise * normals(combine(combine(seed, 3), step), n_rows, len(coefs[0]))
        noise[0] = factor, shift + factor * added
    return noise


# Augmentation of a batch -----------------------------------------------------------------------------------------


def partners(key, weights):
    """The row that each row of a batch is mixed with: of the n with a weight, some 1 to n - 1 places further."""
    weighted, other = np.flatnonzero(weights), np.arange(len(weights))
    n = len(weighted)
    shift = 1 + (((combine(key, n) >> 32) * (n - 1)) >> 32) if n > 1 else 0
    other[weighted] = np.roll(weighted, -shift)
    return other


def shares(key, n_rows, a):
    """Shares drawn from Beta(a, a), by straight lines between 1025 of its quantiles."""
    uniform = [(combine(key, row) >> 11) / 2**53 for row in range(n_rows)]
    places = np.linspace(0, 1, 1025)
    return np.interp(uniform, places, stats.beta.ppf(places, a, a))


def augmented(X, y, weights, kind, strength, seed, step):
    """(X, y, weights) of a batch on which the usual loss is that of the augmented one.

    A mixed row is there twice: with the target and a share of the weight of each row that is in it.
    """
    (n_rows, n_features), key = X.shape, combine(combine(seed, 5), step)
    row_keys = [combine(key, row) for row in range(n_rows)]

    def kept(keys, rates):
        bits = [[random_32_bits(row_key, j) for j in range(n_features)] for row_key in keys]
        return np.array(bits) >= np.array([[int(min(rate * 2**32, 2**32 - 1))] for rate in rates])

    if kind == "cutout":
        return np.where(kept(row_keys, [strength] * n_rows), X, 0.0), y, weights
    other, share = partners(key, weights), shares(key, n_rows, strength)
    if kind == "mixup":
        mixed = share[:, None] * X + (1 - share[:, None]) * X[other]
    else:
        own = kept([combine(row_key, 0) for row_key in row_keys], 1 - share)
        mixed, share = np.where(own, X, X[other]), own.mean(axis=1)
    both = np.concatenate([share * weights, (1 - share) * weights[other]])
    return np.vstack([mixed, mixed]), np.vstack([y, y[other]]), both


def _copied(part, n_copies):
    """The same noise for copies of all rows, which are those that are mixed."""
    return np.tile(part, (n_copies, 1)) if np.ndim(part) else part


# Optimizers, in their textbook forms, over lists of arrays -----------------------------------------------------


def soft_threshold(w, threshold):
    """argmin_u (u - w)^2 / 2 + threshold |u|."""
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0.0)


def shrink_row(w, lengths, strength):
    """argmin_u sum_k (u_k - w_k)^2 / (2 lengths_k) + strength |u|_2.

    Its stationary points other than 0 are u_k = w_k rho / (rho + strength lengths_k) with rho = |u|_2 > 0.
    """

    def excess(rho):
        return ((w / (rho + strength * lengths)) ** 2).sum() - 1

    if strength == 0:
        return w
    if excess(0.0) <= 0:
        return np.zeros_like(w)
    rho = brentq(excess, 0.0, 2 * np.linalg.norm(w), xtol=1e-300, rtol=1e-15)
    return w * rho / (rho + strength * lengths)


@dataclass
class Prox:
    """The proximal operator of one array's l1 terms, norms of rows and constraint, in a diagonal metric."""

    l1: float
    group: float = 0.0
    positive: bool = False

    def __call__(self, w, lengths):
        lengths = np.broadcast_to(lengths, w.shape)
        u = soft_threshold(w, lengths * self.l1)
        if self.positive:
            u = np.maximum(u, 0.0)
        if self.group > 0:
            u = np.array([shrink_row(row, t, self.group) for row, t in zip(u, lengths, strict=True)])
        return u


class HeavyBall:
    """Velocity u = m u - lr gradient; w = prox(w + u).

    A gradient g that has stood still for all steps makes u = -reach g, where reach = m reach + lr share, and share
    is that of a full batch in each batch. The proximal step of l1 |w| has the same reach, so that w stands still
    exactly where |g| <= l1 (at zero) or g = -l1 sign(w), which are the stationary points of F.
    """

    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity, self.reach = None, 0.0

    def remember(self, gradients, share):
        velocity = self.velocity or [0.0] * len(gradients)
        self.velocity = [self.momentum * u - self.learning_rate * g for u, g in zip(velocity, gradients, strict=True)]
        self.reach = self.momentum * self.reach + self.learning_rate * share

    def step(self, params, gradients, proxes, share, k):
        self.remember(gradients, share)
        return [prox(w + u, self.reach) for w, u, prox in zip(params, self.velocity, proxes, strict=True)]


class Nesterov(HeavyBall):
    """The same velocity; w = prox(w + m u - lr gradient), w being the point ahead at which gradients are taken."""

    def step(self, params, gradients, proxes, share, k):
        self.remember(gradients, share)
        reach = self.momentum * self.reach + self.learning_rate * share
        return [
            prox(w + self.momentum * u - self.learning_rate * g, reach)
            for w, u, g, prox in zip(params, self.velocity, gradients, proxes, strict=True)
        ]


class Adam:
    """Algorithm 1 of Kingma & Ba, in the form of the end of their section 2: epsilon is not bias-corrected.

    The proximal step of each coordinate has the length of its gradient step, times the average of the batches'
    shares with the weights that the first moment gives to their gradients.
    """

    def __init__(self, learning_rate, beta_1, beta_2, epsilon):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.first, self.second, self.share = None, None, 0.0

    def step(self, params, gradients, proxes, share, k):
        first = self.first or [0.0] * len(params)
        second = self.second or [0.0] * len(params)
        self.first = [self.beta_1 * m + (1 - self.beta_1) * g for m, g in zip(first, gradients, strict=True)]
        self.second = [self.beta_2 * v + (1 - self.beta_2) * g**2 for v, g in zip(second, gradients, strict=True)]
        self.share = self.beta_1 * self.share + (1 - self.beta_1) * share
        correction = np.sqrt(1 - self.beta_2**k)
        moved = []
        for w, m, v, prox in zip(params, self.first, self.second, proxes, strict=True):
            mean, mean_share = m / (1 - self.beta_1**k), self.share / (1 - self.beta_1**k)
            length = self.learning_rate / (np.sqrt(v) / correction + self.epsilon / correction)
            moved.append(prox(w - length * mean, length * mean_share))
        return moved


def clipped(gradients, share, largest_norm):
    """Gradients of at most this Euclidean norm, all together, and the share of a full batch that is left of them."""
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    factor = 1.0 if largest_norm is None else min(1.0, largest_norm / norm)
    return [factor * gradient for gradient in gradients], factor * share


def train_epoch(network, coefs, intercepts, X, y, weights, order, optimizer, batch_size, seed, first_step, *,
                learning_rates=None, clip_norm=None, augmentation=None):  # fmt: skip
    """One pass over the rows in `order`. Returns (coefs, intercepts, the objective's four terms).

    `weights` have mean 1. Each batch's gradient is divided by the full batch size, and the penalties of a short
    last batch weigh less in the same proportion, so that the steps of an epoch add up to a multiple of F's
    gradient. Loss and activity are those met on the way; the penalties are those at the end. `learning_rates` has
    one entry for each batch; `augmentation` is (kind, strength).
    """
    n_layers, params = len(coefs), [*coefs, *intercepts]
    of_coefs = [network.strengths(layer, coef.shape[1]) for layer, coef in enumerate(coefs)]
    proxes = [Prox(l1, group, network.positive) for l1, _, group in of_coefs]
    proxes += [Prox(beta * r) for beta, r in zip(network.beta, network.r, strict=True)]
    l2 = [b for _, b, _ in of_coefs] + [beta * (1 - r) for beta, r in zip(network.beta, network.r, strict=True)]
    loss = activity = 0.0
    for number, start in enumerate(range(0, len(order), batch_size)):
        rows = order[start : start + batch_size]
        share = len(rows) / batch_size
        noise = draw_noise(network, coefs, seed, first_step + number, len(rows))
        given, targets, factors = X[rows], y[rows], weights[rows]
        if augmentation is not None:
            given, targets, factors = augmented(given, targets, factors, *augmentation, seed, first_step + number)
            n_copies = len(given) // len(rows)
            noise = noise and [tuple(_copied(part, n_copies) for part in parts) for parts in noise]
        batch = (network, params[:n_layers], params[n_layers:], given, targets)
        batch_loss, batch_activity = data_terms(*batch, factors, noise)
        loss, activity = loss + batch_loss, activity + batch_activity
        slopes = sum(data_gradient(*batch, factors / batch_size, noise), [])
        gradients = [slope + share * b * w for slope, b, w in zip(slopes, l2, params, strict=True)]
        gradients, share = clipped(gradients, share, clip_norm)
        if learning_rates is not None:
            optimizer.learning_rate = learning_rates[number]
        left = 1 - optimizer.learning_rate * network.weight_decay
        params = [left * w for w in params[:n_layers]] + params[n_layers:]
        params = optimizer.step(params, gradients, proxes, share, first_step + number + 1)
        for layer, largest in enumerate(network.max_norm or []):
            if largest is not None:
                norms = np.linalg.norm(params[layer], axis=0)
                params[layer] = params[layer] * np.minimum(1.0, largest / np.maximum(norms, largest))
    coefs, intercepts = params[:n_layers], params[n_layers:]
    on_coefs, on_biases = penalty_terms(network, coefs, intercepts)
    return coefs, intercepts, (loss / len(order), on_coefs, on_biases, activity / len(order))
