"""What a fitted model's weights say: how many are zero, and which inputs they use."""

import numpy as np


def weight_matrices(estimator):
    """Weights of a linear model or a network without intercepts, first layer first.

    Returns
    -------
    list of ndarray of shape (fan_in, fan_out), or None
        None for models without weights, such as trees.
    """
    if hasattr(estimator, "coefs_"):
        return list(estimator.coefs_)
    if hasattr(estimator, "coef_"):
        return [np.atleast_2d(estimator.coef_).T]
    return None


def zero_share(estimator):
    """Share of the weights that are exactly zero, or None without weights."""
    matrices = weight_matrices(estimator)
    if matrices is None:
        return None
    n_zeros = sum(np.count_nonzero(weights == 0) for weights in matrices)
    return n_zeros / sum(weights.size for weights in matrices)


def used_inputs(estimator, origin):
    """Inputs from which a path of nonzero weights leads to an output.

    An input whose weights all end in hidden units without outgoing weights does not count: it
    cannot change a prediction.

    Parameters
    ----------
    estimator : estimator
        Fitted linear model or network.
    origin : ndarray of shape (n_encoded,)
        Index of the input that each encoded column was made from.

    Returns
    -------
    ndarray of int, or None
        Indices of the inputs, ascending; None without weights.
    """
    matrices = weight_matrices(estimator)
    if matrices is None:
        return None
    leads_on = np.ones(matrices[-1].shape[1], dtype=bool)
    for weights in reversed(matrices):
        leads_on = ((weights != 0) & leads_on).any(axis=1)
    return np.unique(origin[leads_on])
