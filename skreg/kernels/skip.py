"""A skip connection from the inputs to the outputs: linear units of the first layer that are added to the output.

The last SKIP units of the first layer are the skip connection: a row of that layer's weights holds all
that leaves an input. These units have neither an intercept nor an activation, and the next layer does
not see them; they go to the raw prediction, and its gradient comes back to them.
"""

from ._jit import helper
from .activations import rectify
from .layout import ACTIVATION, DELTA, FAN_OUT, OUTPUT, OUTPUT_STRIDE, RELU, SKIP
from .views import part


@helper
def _places(layout, column, i):
    """Where the skipping units of row i lie, and the units of the last layer."""
    last = len(layout) - 1
    first = layout[0, column] + i * layout[0, OUTPUT_STRIDE] + layout[0, FAN_OUT] - layout[0, SKIP]
    return first, layout[last, column] + i * layout[last, OUTPUT_STRIDE]


@helper
def activate_beside_skip(begin, end, layout, work):
    """relu, if that is the first layer's activation, of all its units but those that skip."""
    if layout[0, ACTIVATION] != RELU:
        return
    width = layout[0, FAN_OUT] - layout[0, SKIP]
    for i in range(begin, end):
        rectify(part(work, layout[0, OUTPUT] + i * layout[0, OUTPUT_STRIDE], width))


@helper
def add_skip(begin, end, layout, work):
    """raw prediction += skip."""
    for i in range(begin, end):
        skip, output = _places(layout, OUTPUT, i)
        for j in range(layout[0, SKIP]):
            work[output + j] += work[skip + j]


@helper
def delta_of_skip(begin, end, layout, work):
    """What arrives at the raw prediction arrives at the skip."""
    for i in range(begin, end):
        skip, output = _places(layout, DELTA, i)
        for j in range(layout[0, SKIP]):
            work[skip + j] = work[output + j]
