"""Clipping of a step's gradient to a largest Euclidean norm, over all parameters together.

What is clipped is the gradient of the batch's loss, its activity penalty and the l2 terms. The l1 terms
have no gradient; their proximal step is shortened by the same factor, so that the stationary points stay
those of F.

Pascanu, Mikolov & Bengio (2013), arXiv:1211.5063.
"""

import math

import numpy as np

from ._jit import helper
from .layout import COEF, COEF_L2, FAN_OUT, INTERCEPT, INTERCEPT_L2, N_LAYOUT, N_PENALTIES, NORMALIZE, SCALES
from .stages import INDEX, NO_ADDRESS, Stage, array_at
from .views import part

BLOCK = 1024  # parameters whose squares one member sums, whatever the number of members

NUMBER = None  # what a stage makes of the template


@helper
def _sum_of_squares(params, gradient, l2):
    """Of the elements of gradient + l2 params, in float64."""
    total = 0.0
    for i in range(len(params)):
        value = float(gradient[i]) + l2 * float(params[i])
        total += value * value
    return total


def _squares(params, gradient, layout, penalties, n_layers, squares, member, n_members, fraction):
    """Fill a member's elements of `squares`, one for each block of each layer's weights, of its intercepts, and of
    what normalises it.

    The first four and `squares` are addresses, `fraction` is the share of a full batch.
    """
    table = array_at(layout, n_layers * N_LAYOUT, INDEX)
    strengths = array_at(penalties, n_layers * N_PENALTIES, np.float64)
    n_blocks = 0
    for layer in range(n_layers):
        row, strength = layer * N_LAYOUT, layer * N_PENALTIES
        width = table[row + FAN_OUT]
        places = table[row + COEF], table[row + INTERCEPT], table[row + SCALES]
        ends = places[1], places[1] + width, places[2] + 2 * width
        l2s = strengths[strength + COEF_L2], strengths[strength + INTERCEPT_L2], 0.0
        for kind in range(2 if table[row + NORMALIZE] == NO_ADDRESS else 3):
            for start in range(places[kind], ends[kind], BLOCK):
                if n_blocks % n_members == member:
                    count = min(BLOCK, ends[kind] - start)
                    w = part(array_at(params, start + count, NUMBER), start, count)
                    g = part(array_at(gradient, start + count, NUMBER), start, count)
                    sums = array_at(squares, n_blocks + 1, np.float64)
                    sums[n_blocks] = _sum_of_squares(w, g, fraction * l2s[kind])
                n_blocks += 1


@helper
def clip_factor(squares, clip_norm):
    """What brings the gradient to its largest norm, at most 1; a NaN in it stays one."""
    total = 0.0
    for block in range(len(squares)):
        total += squares[block]
    norm = math.sqrt(total)
    return clip_norm / norm if norm > clip_norm else 1.0


STAGES = {"clip": Stage("clip", _squares, 8, 1)}
