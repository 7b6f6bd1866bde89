"""The kernels that Python calls. Each is compiled once for a dtype, whatever the network.

Shared arguments
----------------
x, x_row, x_col : dense X as a flat array and the steps between its rows and columns (empty if sparse)
data, indices, indptr : CSR X (empty if dense)
y : (n_samples, n_targets) in X's dtype; class indices in one column for the multinomial loss
weights : sample weights with mean 1, or empty for equal ones
params : flat weights and intercepts; layout, penalties : see layout.py
work, panel : scratch; the layout's buffers hold as many rows as a batch or block
"""

import numpy as np

from ._jit import SOURCE_STAMP, entry
from .layout import FAN_OUT, NESTEROV, OUTPUT, OUTPUT_STRIDE
from .network import activity_penalty, backward, forward, output_loss
from .optimizers import look_ahead, update
from .penalties import all_penalties
from .random import shuffle
from .views import part


@entry
def train_epoch(x, x_row, x_col, data, indices, indptr, y, weights, order, shuffled, params, ahead, state, gradient,
                layout, penalties, activation, loss_code, optimizer, rates, momentum, batch_size, seed, epoch, step,
                work, panel, stamp=SOURCE_STAMP):  # fmt: skip
    """One pass over the data. Returns the terms of the objective.

    Mean loss and mean activity penalty are those met on the way; the penalties on weights and on
    intercepts are those at the end, not finite where a parameter is not.

    `step` is the number of updates before this epoch. `params` is what has the exact zeros; `ahead`,
    the same array except for Nesterov's method, is where gradients are taken.
    """
    n_samples = len(order)
    if shuffled:
        shuffle(order, seed, epoch)
    if optimizer == NESTEROV:
        look_ahead(params, part(state, 0, len(params)), params.dtype.type(momentum), ahead)
    loss, activity = 0.0, 0.0
    scale = 1.0 / batch_size
    for start in range(0, n_samples, batch_size):
        rows = part(order, start, min(batch_size, n_samples - start))
        forward(x, x_row, x_col, data, indices, indptr, rows, ahead, layout, penalties, activation, seed, step, work,
                panel)  # fmt: skip
        activity += activity_penalty(weights, rows, layout, penalties, work)
        loss += output_loss(y, weights, rows, scale, layout, loss_code, work)
        backward(data, indices, indptr, weights, rows, scale, ahead, layout, penalties, activation, seed, step, work,
                 panel, gradient, False)  # fmt: skip
        step += 1
        update(optimizer, params, ahead, gradient, state, layout, penalties, rates, len(rows) * scale, step)
    coefs, intercepts = all_penalties(params, layout, penalties)
    return loss / n_samples, coefs, intercepts, activity / n_samples


@entry
def evaluate(x, x_row, x_col, data, indices, indptr, y, weights, raw_prediction, params, layout, penalties,
             activation, loss_code, block_size, n_samples, work, panel, stamp=SOURCE_STAMP):  # fmt: skip
    """Forward pass without dropout, block by block. Returns (sum of losses, sum of activity penalties).

    `raw_prediction` (n_samples, n_outputs) is filled unless it has no rows; the sums are zero where y
    has no rows. The DROPOUT column of `penalties` must be zero.
    """
    last = layout.shape[0] - 1
    output, stride, n_outputs = layout[last, OUTPUT], layout[last, OUTPUT_STRIDE], layout[last, FAN_OUT]
    loss, activity = 0.0, 0.0
    for start in range(0, n_samples, block_size):
        rows = np.arange(start, min(start + block_size, n_samples))
        forward(x, x_row, x_col, data, indices, indptr, rows, params, layout, penalties, activation, 0, 0, work, panel)
        if len(raw_prediction) > 0:
            for i in range(len(rows)):
                raw_prediction[start + i] = part(work, output + i * stride, n_outputs)
        if len(y) > 0:
            activity += activity_penalty(weights, rows, layout, penalties, work)
            loss += output_loss(y, weights, rows, 1.0, layout, loss_code, work)
    return loss, activity


@entry
def loss_gradient(x, x_row, x_col, data, indices, indptr, y, weights, order, params, gradient, layout, penalties,
                  activation, loss_code, block_size, scale, work, panel, stamp=SOURCE_STAMP):  # fmt: skip
    """Add the gradient of scale * (losses + activity penalties) over the rows `order` to `gradient`.

    Returns both sums, unscaled.
    """
    loss, activity = 0.0, 0.0
    for start in range(0, len(order), block_size):
        rows = part(order, start, min(block_size, len(order) - start))
        forward(x, x_row, x_col, data, indices, indptr, rows, params, layout, penalties, activation, 0, 0, work, panel)
        activity += activity_penalty(weights, rows, layout, penalties, work)
        loss += output_loss(y, weights, rows, scale, layout, loss_code, work)
        backward(data, indices, indptr, weights, rows, scale, params, layout, penalties, activation, 0, 0, work, panel,
                 gradient, True)  # fmt: skip
    return loss, activity
