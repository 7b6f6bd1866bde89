"""Training with JAX: all epochs in one compiled function. Rows that fill no whole batch are left out."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

BETA_1, BETA_2, EPSILON, RATE = 0.9, 0.999, 1e-8, 0.001


def _start(workload, dtype):
    rng = np.random.default_rng(0)
    limits = [(np.sqrt(6 / sum(shape)), shape) for shape in pairwise(workload.units)]
    return [(jnp.asarray(rng.uniform(-a, a, shape), dtype), jnp.zeros(shape[1], dtype)) for a, shape in limits]


def _output(layers, x, dropout, key):
    *hidden, last = layers
    for weights, bias in hidden:
        x = jax.nn.relu(x @ weights + bias)
        if dropout:
            key, of_layer = jax.random.split(key)
            x = jnp.where(jax.random.bernoulli(of_layer, 1 - dropout, x.shape), x / (1 - dropout), 0).astype(x.dtype)
    return x @ last[0] + last[1]


def _loss(layers, x, y, workload, key):
    output = _output(layers, x, workload.dropout, key)
    if workload.n_classes:
        return -jnp.take_along_axis(jax.nn.log_softmax(output), y[:, None], axis=1).mean()
    return jnp.square(output - y).mean() / 2


def _adam(layers, first, second, gradient, step):
    """Layers and both moments after a step, each in the dtype that it had."""
    rate = RATE * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradient)
    layers = jax.tree.map(
        lambda w, m, v: w - (rate * m / (jnp.sqrt(v) + EPSILON)).astype(w.dtype), layers, first, second
    )
    return layers, first, second


def make_fit(workload, dtype):
    X, y = map(jnp.asarray, workload.data(dtype))
    y = y if workload.n_classes or y.ndim == 2 else y[:, None]
    n_batches = len(X) // workload.batch

    def train_batch(state, rows_and_key):
        (layers, first, second, step), (rows, key) = state, rows_and_key
        gradient = jax.grad(_loss)(layers, X[rows], y[rows], workload, key)
        return (*_adam(layers, first, second, gradient, step + 1), step + 1), None

    def train_epoch(state, key):
        for_rows, for_batches = jax.random.split(key)
        rows = jax.random.permutation(for_rows, len(X))[: n_batches * workload.batch].reshape(n_batches, -1)
        return jax.lax.scan(train_batch, state, (rows, jax.random.split(for_batches, n_batches)))[0], None

    @jax.jit
    def train(layers, key):
        zeros = jax.tree.map(jnp.zeros_like, layers)
        state = (layers, zeros, zeros, jnp.zeros((), X.dtype))
        return jax.lax.scan(train_epoch, state, jax.random.split(key, workload.epochs))[0][0]

    layers = _start(workload, dtype)
    return lambda: jax.block_until_ready(train(layers, jax.random.key(0)))
