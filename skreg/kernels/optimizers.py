"""One step of an optimizer over the flat parameters: gradient, proximal step and state in one pass.

Every optimizer moves along an average of past gradients (Adam's first moment, the velocity of SGD). The
proximal step of the l1 part follows that average and has its length: its `reach`, what the average holds
of a gradient that stands still. So all have the same stationary points, those of F, from the first step
on and for any schedule, and a weight stays at zero where the averaged gradient is below the l1 strength.
With the gradient of one batch instead, its noise would keep weights from zero (Xiao 2010, JMLR 11,
2543-2596, on the zeros of stochastic proximal methods).

`fraction` is the share of a full batch that the batch holds: the data's gradient is divided by the full
batch size, so the penalties of a short last batch must weigh less in the same proportion.
"""

import math

from ._jit import helper, outlined, uniform
from .adam import adam
from .layout import ADAM, BETA_1, BETA_2, EPSILON, MOMENTUM, NESTEROV
from .penalties import soft_threshold


@uniform
def scale(w, factor):
    """Decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101): w = factor w, before the step."""
    factor = w.dtype.type(factor)
    for i in range(len(w)):
        w[i] *= factor


@uniform
def _sgd(w, gradient, velocity, l2, learning_rate, threshold, momentum):
    """Gradient descent with heavy-ball momentum and a proximal step; without l1 the usual method."""
    for i in range(len(w)):
        v = momentum * velocity[i] - learning_rate * (gradient[i] + l2 * w[i])
        velocity[i] = v
        w[i] = soft_threshold(w[i] + v, threshold)


@uniform
def _nesterov(w, gradient, velocity, l2, learning_rate, threshold, momentum):
    """The same with Nesterov's momentum; w is the point ahead, where gradients are taken."""
    for i in range(len(w)):
        step = learning_rate * (gradient[i] + l2 * w[i])
        v = momentum * velocity[i] - step
        velocity[i] = v
        w[i] = soft_threshold(w[i] + momentum * v - step, threshold)


@helper
def next_reach(optimizer, rates, learning_rate, reach, fraction):
    """What an optimizer's average would hold of a gradient that has always stood still at 1.

    It is the same average, taken over the fractions of the batches. SGD's holds the learning rate of each step;
    Adam's does not, whose step has it.
    """
    if optimizer == ADAM:
        return rates[BETA_1] * reach + (1 - rates[BETA_1]) * fraction
    return rates[MOMENTUM] * reach + learning_rate * fraction


@helper
def proximal_reach(optimizer, rates, step, reach, fraction):
    """Reach of the proximal step; Nesterov's point ahead is one step of momentum further."""
    if optimizer == NESTEROV:
        return rates[MOMENTUM] * reach + step * fraction
    return reach


@helper
def step_length(optimizer, learning_rate, power_1, power_2):
    """The learning rate; Adam's with the corrections of both moments: powers of its betas, one for each step so far."""
    if optimizer == ADAM:
        return learning_rate * math.sqrt(1 - power_2) / (1 - power_1)
    return learning_rate


@outlined
def update(optimizer, rates, step, reach, fraction, l1, l2, w, gradient, first, second):
    """Move some weights once.

    `step` is `step_length`, `reach` that of the average with this batch in it. `first` and `second` are
    Adam's moments; the velocity of SGD is the first.
    """
    kind = w.dtype.type
    l2 = kind(fraction * l2)
    momentum = rates[MOMENTUM]
    reach = proximal_reach(optimizer, rates, step, reach, fraction)
    if optimizer == ADAM:
        adam(w, gradient, first, second, l2, kind(step), kind(reach * l1), kind(rates[BETA_1]),
             kind(1 - rates[BETA_1]), kind(rates[BETA_2]), kind(1 - rates[BETA_2]), kind(rates[EPSILON]))  # fmt: skip
    elif optimizer == NESTEROV:
        _nesterov(w, gradient, first, l2, kind(step), kind(reach * l1), kind(momentum))
    else:
        _sgd(w, gradient, first, l2, kind(step), kind(reach * l1), kind(momentum))
