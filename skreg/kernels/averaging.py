"""A running average of the weights, which goes a part of the way to the weights after each step.

With the rates 1, 1/2, 1/3, ... it is their mean, with a constant rate their exponential moving average.
"""

from ._jit import helper
from .stages import Stage, array_at
from .team import share
from .views import part

_BLOCK = 1024  # parameters whose average one member moves, whatever the number of members

NUMBER = None  # what a stage makes of the template


@helper
def _move(average, params, rate):
    if rate == 1:  # whatever the average was
        for i in range(len(params)):
            average[i] = params[i]
    else:
        for i in range(len(params)):
            average[i] += rate * (params[i] - average[i])


def _average(average, params, n_params, member, n_members, rate):
    """average += rate * (params - average), in a member's share of both, whose addresses are given."""
    if rate == 0:
        return
    mean, now = array_at(average, n_params, NUMBER), array_at(params, n_params, NUMBER)
    first, last = share(n_params, _BLOCK, member, n_members)
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        _move(part(mean, start, count), part(now, start, count), NUMBER(rate))


STAGES = {"average": Stage("average", _average, 5, 1)}
