"""What a normalised network has beside weights and intercepts: fitted attributes <-> the flat parameters."""

from dataclasses import replace

import numpy as np

from ._network import N_VECTORS, pack, unpack, unpack_vectors

# In the order in which they lie in the flat parameters, and what they are at first.
_INITIAL = {"norm_scales_": 1.0, "norm_shifts_": 0.0, "norm_means_": 0.0, "norm_variances_": 1.0, "_norm_masses": 0.0}

N_ROWS = 1024  # whose sums are looked at together


def _names(normalization):
    return list(_INITIAL)[: N_VECTORS[normalization]]


def normalization_of(estimator):
    """'batch', 'layer' or None: what the fitted network has."""
    return getattr(estimator, "_fitted_normalization", None)


def start_normalization(estimator, spec, dtype):
    """Give a network that is fitted anew its first scales, shifts and statistics; None where it needs none."""
    names = _names(spec.normalization)
    for name, value in _INITIAL.items():
        vectors = [np.full(width, value, dtype) for width in spec.layer_units[1:-1]]
        setattr(estimator, name, vectors if name in names else None)
    estimator._fitted_normalization = spec.normalization


def vectors_of(estimator, layer_units):
    """The vectors of all hidden layers, one layer after the other."""
    names = _names(normalization_of(estimator))
    if not names:
        return []
    lists = [getattr(estimator, name) for name in names]
    expected = [(width,) for width in layer_units[1:-1]]
    for name, vectors in zip(names, lists, strict=True):
        if [np.shape(vector) for vector in vectors] != expected:
            raise ValueError(
                f"{name} does not fit coefs_: its shapes are {[np.shape(vector) for vector in vectors]}, those of the "
                f"hidden layers {expected}."
            )
    return [vector for layer in zip(*lists, strict=True) for vector in layer]


def keep_vectors(estimator, layers):
    """Make attributes of the lists of vectors that each hidden layer has."""
    for name, vectors in zip(_names(normalization_of(estimator)), zip(*layers, strict=True), strict=False):
        setattr(estimator, name, list(vectors))


def keep_units(estimator, units):
    """Keep only these units of each hidden layer, in vectors of its own."""
    for name in _names(normalization_of(estimator)):
        vectors = getattr(estimator, name)
        setattr(estimator, name, [vector[kept] for vector, kept in zip(vectors, units, strict=True)])


def normalized_constants(estimator, layer, units, sums):
    """What prediction with batch normalisation, or without any, makes of units that always have these sums."""
    if normalization_of(estimator) is None:
        return sums
    from .kernels.normalization import EPSILON

    scale, shift, mean, variance = (getattr(estimator, name)[layer][units] for name in list(_INITIAL)[:4])
    return (scale * (sums - mean) / np.sqrt(variance + EPSILON) + shift).astype(sums.dtype)


def refresh_statistics(spec, params, dataset):
    """Set batch normalisation's running statistics to those of all rows, at weights that no batch has met.

    Layer by layer, each behind layers that have their new ones; as Izmailov et al. (2018), section 3.2, do
    after averaging weights.
    """
    coefs, intercepts = unpack(params, spec.layer_units)
    layers = unpack_vectors(params, spec.layer_units, spec.normalization)
    for layer, (*_, means, variances, masses) in enumerate(layers):
        # The layers up to this one, whose sums are then the raw predictions.
        below = replace(
            spec, layer_units=spec.layer_units[: layer + 2], activations=spec.activations[:layer],
            penalties=spec.penalties[: layer + 1], loss="squared_error", loss_parameters=(),
        )  # fmt: skip
        vectors = [vector for before in layers[:layer] for vector in before]
        flat = pack(coefs[: layer + 1], intercepts[: layer + 1], params.dtype, vectors)
        means[:], variances[:] = _moments_of_raw(below, flat, dataset)
        masses[:] = 1


def _moments_of_raw(spec, params, dataset):
    """Weighted mean and variance of a network's raw predictions, in float64, over few rows at a time."""
    from ._evaluate import evaluate

    total, mean, variance = 0.0, 0.0, 0.0
    predictions = np.empty((min(N_ROWS, dataset.n_samples), spec.layer_units[-1]), params.dtype)
    for _, block in dataset.blocks(params.dtype, N_ROWS):
        raw = predictions[: block.n_samples]
        evaluate(spec, params, block, raw, losses=False)
        weights = np.ones(block.n_samples) if block.sample_weight is None else block.sample_weight
        if not weights.any():
            continue
        shares = weights / weights.sum()
        block_mean = shares @ raw
        differences = raw - block_mean
        block_variance = shares @ np.square(differences, out=differences)
        total += weights.sum()
        share, difference = weights.sum() / total, block_mean - mean
        mean = mean + share * difference
        variance = variance + share * (block_variance - variance + (1 - share) * difference**2)
    return mean, variance
