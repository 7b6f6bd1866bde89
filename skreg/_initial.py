"""The weights that a fit starts from, such that signals neither die nor explode on their way through the layers."""

from itertools import pairwise

import numpy as np

# The mean of f(z)^2 over z ~ N(0, 1) for each activation f.
SECOND_MOMENTS = {
    "identity": 1.0,
    "logistic": 0.2933790358580930,
    "tanh": 0.3942944903978412,
    "relu": 0.5,
    "leaky_relu": 0.50005,
    "elu": 0.6449454174929239,
    "selu": 1.0,
    "gelu": 0.4252214825702987,
    "silu": 0.3557755198173522,
    "mish": 0.4523421923758828,
    "softplus": 0.9212459088593003,
}
_GLOROT = {"identity": 6.0, "logistic": 2.0, "tanh": 6.0, "relu": 6.0}


def initial_weights(spec, rng, dtype):
    """(coefs, intercepts), drawn from uniform distributions around 0; a linear model starts from zero.

    Before the activations that scikit-learn has, the bounds are its own, of weights and intercepts:
    Glorot & Bengio (2010). Before all others, the variance of the weights is 1 / (fan_in E f(z)^2), where f
    is the activation that the layer's inputs come from, and intercepts are 0: a sum of many inputs then
    has the variance 1 if the sums of the layer before had. That is the rule of He et al. (2015) for relu,
    E f(z)^2 = 1/2, and LeCun's for selu, which is made for E f(z)^2 = 1 (Klambauer et al. 2017). The
    output layer is treated as one with the activation of the last hidden layer.
    """
    coefs, intercepts = [], []
    leads_to = [*spec.activations, *spec.activations[-1:]] or [None]
    comes_from = ["identity", *spec.activations]
    for (fan_in, fan_out), before, activation in zip(pairwise(spec.layer_units), comes_from, leads_to, strict=True):
        if activation is None:
            bound = bound_of_intercepts = 0.0
        elif activation in _GLOROT:
            bound = bound_of_intercepts = np.sqrt(_GLOROT[activation] / (fan_in + fan_out))
        else:
            bound, bound_of_intercepts = np.sqrt(3.0 / (fan_in * SECOND_MOMENTS[before])), 0.0
        coefs.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
        intercepts.append(rng.uniform(-bound_of_intercepts, bound_of_intercepts, fan_out).astype(dtype, copy=False))
    return coefs, intercepts
