"""Predictions of a network with dropout left on: their mean and spread over many draws of the masks.

A draw is one network: its masks are the same for all rows, so that a row's prediction does not depend on
the rows beside it, nor on how rows and draws are put into blocks. Each member has blocks of its own.
"""

import math

from ._entry import entry
from ._jit import helper
from .csr import sparse_sums
from .layout import DROPOUT, FAN_IN, INPUT, INPUT_STRIDE, NOISE, NORMALIZE, OUTPUT, OUTPUT_STRIDE
from .network import activate, drop_rows, gather, is_rectified, multiply, write_predictions
from .normalization import normalize
from .random import dropout_key
from .stages import NO_ADDRESS
from .subnormal import flush_subnormals, restore
from .views import nth_part, part


@helper
def _activate(layer, rows, begin, end, params, layout, arrivals, work):
    """From sums to activations; running statistics take no weights of rows and need no meeting."""
    if layout[layer, NORMALIZE] != NO_ADDRESS:
        normalize(layer, part(params, 0, 0), rows, begin, end, params, layout, work, 0.0, 0, 1, arrivals, 0)
    activate(layer, begin, end, layout, work)


@helper
def _first_layer(x, x_row, x_col, data, indices, indptr, rows, draw, copy, params, layout, rate, key, arrivals, work,
                 panel):  # fmt: skip
    """Activations of the first layer with the masks of one draw, as copy number `copy` of the block's rows."""
    n_rows, begin = len(rows), copy * len(rows)
    if len(indptr) > 0:
        sparse_sums(data, indices, indptr, rows, 0, n_rows, key, draw, 0, rate, params, layout, work,
                    layout[0, OUTPUT] + begin * layout[0, OUTPUT_STRIDE], is_rectified(0, layout))  # fmt: skip
    else:
        stride, width = layout[0, INPUT_STRIDE], layout[0, FAN_IN]
        place = layout[0, INPUT] + begin * stride
        gather(x, x_row, x_col, rows, part(rows, 0, 0), 0, n_rows, work, place, stride, width)
        if rate > 0:
            drop_rows(place, stride, place, stride, n_rows, width, key, draw, 0, False, rate, layout[0, NOISE], work)
        multiply(0, begin, begin + n_rows, params, layout, work, panel)
    _activate(0, rows, begin, begin + n_rows, params, layout, arrivals, work)


@helper
def _copy_rows(source, target, stride, n_rows, width, work):
    for i in range(n_rows):
        row, to = part(work, source + i * stride, width), part(work, target + i * stride, width)
        for j in range(width):
            to[j] = row[j]


@helper
def _inputs_of_draw(layer, draw, copy, is_first_copied, n_rows, layout, rate, key, work):
    """Dropout before a layer for one copy of the rows; made of the first copy if that alone is there."""
    stride, width = layout[layer, INPUT_STRIDE], layout[layer, FAN_IN]
    before = layout[layer - 1, OUTPUT] + (0 if is_first_copied else copy * n_rows * stride)
    place = layout[layer, INPUT] + copy * n_rows * stride
    if rate > 0:
        drop_rows(before, stride, place, stride, n_rows, width, key, draw, 0, False, rate, layout[layer, NOISE], work)
    elif before != place:
        _copy_rows(before, place, stride, n_rows, width, work)


@helper
def _add_draw(prediction, mean, spread, n_before):
    """Welford's (1962) update of means and sums of squared differences from them."""
    share = 1.0 / (n_before + 1)
    for j in range(len(prediction)):
        difference = prediction[j] - mean[j]
        mean[j] += share * difference
        spread[j] += difference * (prediction[j] - mean[j])


@entry
def predict_draws(x, x_row, x_col, data, indices, indptr, order, link, n_columns, mean, spread, params, layout,
                  penalties, n_draws, seed, block_size, n_together, works, predictions, panels, member, n_members,
                  arrivals):  # fmt: skip
    """Mean and standard deviation over draws of the predictions for the rows `order`.

    The flat float64 `mean` and `spread` get `n_columns` numbers for each row. `n_together` copies of a block
    of rows, each with the masks of another draw, pass through the network at once; without input dropout
    they share the first layer. `works`, `predictions` and `panels` have one part for each member; the
    layout must keep the first layer's outputs. The rest is as in entry.py.
    """
    control = flush_subnormals()
    n_layers = len(layout)
    work, panel = nth_part(works, member, n_members), nth_part(panels, member, n_members)
    prediction = nth_part(predictions, member, n_members)
    shares_first = penalties[0, DROPOUT] == 0
    for start in range(member * block_size, len(order), n_members * block_size):
        n_rows = min(block_size, len(order) - start)
        rows = part(order, start, n_rows)
        size = n_rows * n_columns
        mean_of_block, spread_of_block = part(mean, start * n_columns, size), part(spread, start * n_columns, size)
        for j in range(size):
            mean_of_block[j] = spread_of_block[j] = 0.0
        if shares_first:
            _first_layer(x, x_row, x_col, data, indices, indptr, rows, 0, 0, params, layout, 0.0,
                         dropout_key(seed, 0, 0), arrivals, work, panel)  # fmt: skip
        for first in range(0, n_draws, n_together):
            n_copies = min(n_together, n_draws - first)
            if not shares_first:
                for copy in range(n_copies):
                    _first_layer(x, x_row, x_col, data, indices, indptr, rows, first + copy, copy, params, layout,
                                 penalties[0, DROPOUT], dropout_key(seed, 0, 0), arrivals, work, panel)  # fmt: skip
            for layer in range(1, n_layers):
                for copy in range(n_copies):
                    _inputs_of_draw(layer, first + copy, copy, shares_first and layer == 1, n_rows, layout,
                                    penalties[layer, DROPOUT], dropout_key(seed, 0, layer), work)  # fmt: skip
                multiply(layer, 0, n_copies * n_rows, params, layout, work, panel)
                _activate(layer, rows, 0, n_copies * n_rows, params, layout, arrivals, work)
            write_predictions(link, n_copies * n_rows, n_columns, layout, work, prediction, 0)
            for copy in range(n_copies):
                _add_draw(part(prediction, copy * size, size), mean_of_block, spread_of_block, first + copy)
        for j in range(size):
            spread_of_block[j] = math.sqrt(spread_of_block[j] / (n_draws - 1))
    restore(control)
