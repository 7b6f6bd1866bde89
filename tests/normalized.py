"""Networks with batch or layer normalisation in plain NumPy, float64: what kernels/normalization.py is measured by.

Each hidden layer has a list of vectors: scale and shift; with batch normalisation also the running mean and variance
and their weight. Gradients go through the whole Jacobian of the normalisation, entry by entry.
"""

import numpy as np

from . import reference

EPSILON, RETENTION = 1e-5, 0.9


def batch_statistics(z, weights, vectors):
    """(mean, variance, share of each row in them) of a batch, or the running ones, in which no row has a share."""
    if np.count_nonzero(weights) < 2:
        return vectors[2], vectors[3], np.zeros(len(z))
    shares = weights / weights.sum()
    mean = (shares[:, None] * z).sum(axis=0)
    return mean, (shares[:, None] * (z - mean) ** 2).sum(axis=0), shares


def remembered(z, weights, vectors, batch_size):
    """The vectors after a batch: moments of all rows so far, of which the old ones count less."""
    scale, shift, mean, variance, mass = vectors
    if not weights.any():
        return vectors
    retained = RETENTION ** (weights.sum() / batch_size)
    old, new = retained * mass, 1 - retained
    shares = (weights / weights.sum())[:, None]
    first = (old * mean + new * (shares * z).sum(axis=0)) / (old + new)
    second = (old * (variance + mean**2) + new * (shares * z**2).sum(axis=0)) / (old + new)
    return [scale, shift, first, second - first**2, old + new]


def jacobian(u, inverse, shares):
    """d u_k / d z_i of u = (z - mean) inverse, with mean and variance of z by these shares."""
    return inverse * (np.eye(len(u)) - shares[None, :] - np.outer(u, u * shares))


class Forward:
    """One forward pass: `inputs` and `sums` of all layers; normalised and activated values of the hidden ones.

    With `weights` the batch's statistics are taken, else the running ones.
    """

    def __init__(self, network, kind, coefs, intercepts, vectors, X, weights=None, noise=None):
        self.inputs, self.sums, self.normalized, self.inverses, self.shares = [], [], [], [], []
        self.activated, self.outputs = [], []
        values = X
        for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            if noise is not None:
                values = values * noise[layer][0] + noise[layer][1]
            self.inputs.append(values)
            z = values @ coef + intercept
            self.sums.append(z)
            if layer == len(coefs) - 1:
                break
            shares = None
            if kind == "layer":
                mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
            elif weights is None:
                mean, variance = vectors[layer][2:4]
            else:
                mean, variance, shares = batch_statistics(z, weights, vectors[layer])
            inverse = 1 / np.sqrt(variance + EPSILON)
            u = (z - mean) * inverse
            self.normalized.append(u), self.inverses.append(inverse), self.shares.append(shares)
            self.activated.append(vectors[layer][0] * u + vectors[layer][1])
            values = reference.activation_of(network, layer)[0](self.activated[-1])
            self.outputs.append(values)


def data_terms(network, kind, coefs, intercepts, vectors, X, y, weights, noise=None, *, trains=True):
    """(sum of s_i loss, sum of s_i activity penalty) over the rows of a batch."""
    passed = Forward(network, kind, coefs, intercepts, vectors, X, weights if trains else None, noise)
    losses, _ = reference.LOSSES[network.loss](y, passed.sums[-1])
    activity = sum(
        weight * gamma * reference.elastic(row, q)
        for values, gamma, q in zip(passed.outputs, network.gamma, network.q, strict=True)
        for weight, row in zip(weights, values, strict=True)
    )
    return (weights * losses).sum(), activity


def back(kind, delta, u, inverse, shares):
    """From the gradient with respect to normalised values to that with respect to the sums."""
    result = np.empty_like(delta)
    if kind == "layer":
        equal = np.full(u.shape[1], 1 / u.shape[1])
        for i in range(len(u)):
            result[i] = delta[i] @ jacobian(u[i], inverse[i, 0], equal)
    else:
        for j in range(u.shape[1]):
            through = jacobian(u[:, j], inverse[j], shares) if shares.any() else inverse[j] * np.eye(len(u))
            result[:, j] = delta[:, j] @ through
    return result


def data_gradient(network, kind, coefs, intercepts, vectors, X, y, weights, batch_size, noise=None):
    """Gradients of coefs, intercepts, scales and shifts, and the forward pass."""
    passed = Forward(network, kind, coefs, intercepts, vectors, X, weights, noise)
    factors = weights[:, None] / batch_size
    delta = factors * reference.LOSSES[network.loss](y, passed.sums[-1])[1]
    gradients = [[], [], [], []]
    for layer in reversed(range(len(coefs))):
        gradients[0].insert(0, passed.inputs[layer].T @ delta)
        gradients[1].insert(0, delta.sum(axis=0))
        if layer == 0:
            break
        delta = delta @ coefs[layer].T
        if noise is not None:
            delta = delta * noise[layer][0]
        a, gamma, q = passed.outputs[layer - 1], network.gamma[layer - 1], network.q[layer - 1]
        delta = delta + factors * gamma * (q * np.sign(a) + (1 - q) * a)
        with np.errstate(over="ignore"):  # a row of weight 0 may lie far from the others
            delta = delta * reference.activation_of(network, layer - 1)[1](passed.activated[layer - 1])
        u = passed.normalized[layer - 1]
        gradients[2].insert(0, (delta * u).sum(axis=0))
        gradients[3].insert(0, delta.sum(axis=0))
        delta = delta * vectors[layer - 1][0]
        delta = back(kind, delta, u, passed.inverses[layer - 1], passed.shares[layer - 1])
    if kind == "batch":  # the means take the hidden intercepts away
        gradients[1][:-1] = [np.zeros_like(b) for b in gradients[1][:-1]]
    return gradients, passed


class Run:
    """Training as `reference.train_epoch` does it, with normalisation."""

    def __init__(self, network, kind, coefs, intercepts, vectors, X, y, weights, optimizer, batch_size, seed,
                 clip_norm=None):  # fmt: skip
        self.network, self.kind, self.X, self.y, self.weights = network, kind, X, y, weights
        self.coefs, self.intercepts = coefs, intercepts
        self.vectors = [list(layer) for layer in vectors]
        self.optimizer, self.batch_size, self.seed, self.epoch, self.step = optimizer, batch_size, seed, 0, 0
        self.clip_norm = clip_norm

    def strengths(self, strengths, ratios, of_hidden):
        """Of weights, intercepts, scales and shifts: the latter two have none, nor has what the means take away."""
        n_hidden = len(self.vectors)
        on_coefs, on_intercepts = (
            [strength * ratio for strength, ratio in zip(strength, ratio, strict=True)]
            for strength, ratio in zip(strengths, ratios, strict=True)
        )
        if not of_hidden:
            on_intercepts[:-1] = [0.0] * n_hidden
        return [*on_coefs, *on_intercepts, *[0.0] * (2 * n_hidden)]

    def train_epoch(self):
        network, n_hidden = self.network, len(self.vectors)
        order = reference.permutation(len(self.X), self.seed, self.epoch)
        strengths, ratios = (network.alpha, network.beta), (network.rho, network.r)
        l1 = self.strengths(strengths, ratios, self.kind == "layer")
        l2 = self.strengths(strengths, [[1 - r for r in ratio] for ratio in ratios], self.kind == "layer")
        loss = activity = 0.0
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            share, weights = len(rows) / self.batch_size, self.weights[rows]
            noise = reference.draw_noise(network, self.coefs, self.seed, self.step, len(rows))
            batch = (network, self.kind, self.coefs, self.intercepts, self.vectors, self.X[rows], self.y[rows], weights)
            terms = data_terms(*batch, noise)
            loss, activity = loss + terms[0], activity + terms[1]
            slopes, passed = data_gradient(*batch, self.batch_size, noise)
            scales, shifts = ([layer[k] for layer in self.vectors] for k in (0, 1))
            params = [*self.coefs, *self.intercepts, *scales, *shifts]
            gradients = [g + share * b * w for g, b, w in zip(sum(slopes, []), l2, params, strict=True)]
            gradients, share = reference.clipped(gradients, share, self.clip_norm)
            if self.kind == "batch":
                self.vectors = [
                    remembered(z, weights, layer, self.batch_size)
                    for z, layer in zip(passed.sums, self.vectors, strict=False)
                ]
            proxes = [reference.Prox(strength) for strength in l1]
            params = self.optimizer.step(params, gradients, proxes, share, self.step + 1)
            self.coefs, self.intercepts = params[: n_hidden + 1], params[n_hidden + 1 : 2 * n_hidden + 2]
            for k, layer in enumerate(self.vectors):
                layer[0], layer[1] = params[2 * n_hidden + 2 + k], params[3 * n_hidden + 2 + k]
            self.step += 1
        self.epoch += 1
        penalties = reference.penalty_terms(network, self.coefs, self.intercepts)
        return loss / len(self.X), *penalties, activity / len(self.X)
