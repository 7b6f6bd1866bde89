"""The first layer's products where X is CSR: multiplied where it lies, never made dense.

Both are stages, so that who has no sparse X does not wait until they are compiled. They skip what dropout
sets to zero; its noise is that of the places in X, as in dense rows.
"""

import numpy as np

from ._jit import helper
from .activations import rectify
from .ahead import ask_for
from .layout import (
    BATCHWISE,
    COEF,
    DELTA,
    FAN_IN,
    FAN_OUT,
    INTERCEPT,
    NOISE,
    OUTPUT_STRIDE,
    SPARSE_GRADIENT,
    SPARSE_SUMS,
)
from .random import combine, drop_threshold, is_kept
from .simd import prefetch_from_afar
from .stages import BYTE, INDEX, Stage, address_of, array_at, call_function, call_stage
from .team import share
from .views import part, set_zero

NUMBER = None  # what a stage makes of a template
# Rows that are on their way from memory, and how many elements of each.
_ROWS_AHEAD, _ELEMENTS_AHEAD = 8, 64


@helper
def _factor(noise, row_key, feature, rate, threshold, values):
    """What dropout multiplies an element of X by."""
    kind = values.dtype.type
    if rate == 0:
        return kind(1)
    if noise > BATCHWISE:
        return kind(call_function(noise, (row_key, feature, rate)))
    return kind(1.0 / (1.0 - rate)) if is_kept(row_key, feature, threshold) else kind(0)


@helper
def _column(indices, index_size, position):
    """The column of the element at a position; scipy's indices have 4 or 8 bytes."""
    if index_size == 4:
        return INDEX(array_at(indices + 4 * position, 1, np.int32)[0])
    return array_at(indices + 8 * position, 1, INDEX)[0]


@helper
def _element(indices, index_size, position, row_key, noise, rate, threshold, values):
    """(column, value after dropout, whether it is left) of the element at a position."""
    feature = _column(indices, index_size, position)
    factor = _factor(noise, row_key, feature, rate, threshold, values)
    return feature, part(values, position, 1)[0] * factor, factor != 0


@helper
def _ask_for_row(chosen, i, ends, values, indices, index_size):
    """Bring the beginning of row i near, and where the one lies that is asked for _ROWS_AHEAD rows later."""
    if i + _ROWS_AHEAD < len(chosen):
        prefetch_from_afar(ends, chosen[i + _ROWS_AHEAD])
    if i >= len(chosen):
        return
    places = part(ends, chosen[i], 2)
    count = min(places[1] - places[0], _ELEMENTS_AHEAD)
    ask_for(values, places[0], count)
    ask_for(array_at(indices, 0, BYTE), places[0] * index_size, count * index_size)


def _sums(data, indices, index_size, indptr, rows, n_rows, key, number, step, params, coefs, intercepts, noise, sums,
          stride, width, rectified, rate):  # fmt: skip
    """Sums of the first layer, or their positive parts if `rectified`, of some rows of X.

    `data`, `indices`, `indptr`, `rows`, `params` and `sums` are addresses, the last of the first of these rows,
    with `stride` numbers between rows. The dropout of row i is that of number + i step.
    """
    chosen, biases = array_at(rows, n_rows, INDEX), part(array_at(params, 0, NUMBER), intercepts, width)
    all_weights, all_sums, values = array_at(params, 0, NUMBER), array_at(sums, 0, NUMBER), array_at(data, 0, NUMBER)
    ends = array_at(indptr, 0, INDEX)
    threshold = drop_threshold(rate)
    for i in range(n_rows):
        _ask_for_row(chosen, i + _ROWS_AHEAD, ends, values, indices, index_size)
        to = part(all_sums, i * stride, width)
        for j in range(width):
            to[j] = biases[j]
        row_key = combine(np.uint64(key), number + i * step)
        of_row = part(ends, chosen[i], 2)
        for position in range(of_row[0], of_row[1]):
            feature, value, is_left = _element(indices, index_size, position, row_key, noise, rate, threshold, values)
            if not is_left:
                continue
            weights = part(all_weights, coefs + feature * width, width)
            for j in range(width):
                to[j] += value * weights[j]
        if rectified:
            rectify(to)


def _gradient(data, indices, index_size, indptr, rows, n_rows, key, noise, delta, stride, n_features, n_outputs, first,
              last, gradient, add, rate):  # fmt: skip
    """Columns first:last of gradient = or += dropout(X[rows])' delta.

    `data`, `indices`, `indptr`, `rows`, `delta` and `gradient` are addresses; `delta` has `stride` numbers between
    rows.
    """
    chosen, ends = array_at(rows, n_rows, INDEX), array_at(indptr, 0, INDEX)
    deltas, values, gradients = array_at(delta, 0, NUMBER), array_at(data, 0, NUMBER), array_at(gradient, 0, NUMBER)
    threshold = drop_threshold(rate)
    width, each = last - first, 0 if noise == BATCHWISE else 1
    if not add:
        for feature in range(n_features):
            set_zero(part(gradients, feature * n_outputs + first, width))
    for i in range(n_rows):
        source = part(deltas, i * stride + first, width)
        row_key = combine(np.uint64(key), i * each)
        of_row = part(ends, chosen[i], 2)
        for position in range(of_row[0], of_row[1]):
            feature, value, is_left = _element(indices, index_size, position, row_key, noise, rate, threshold, values)
            if not is_left:
                continue
            to = part(gradients, feature * n_outputs + first, width)
            for j in range(width):
                to[j] += value * source[j]


STAGES = {"sums": Stage("sparse_sums", _sums, 17, 1), "gradient": Stage("sparse_gradient", _gradient, 16, 1)}


def csr_codes(dtype, backward):
    """((column of the layout, address of its stage), ...) for the first layer."""
    codes = ((SPARSE_SUMS, STAGES["sums"].address(dtype)),)
    return (*codes, (SPARSE_GRADIENT, STAGES["gradient"].address(dtype))) if backward else codes


@helper
def _index_size(indices, data):
    """Bytes of the number of a column."""
    return len(indices) // max(len(data), 1)


@helper
def sparse_sums(data, indices, indptr, rows, begin, end, key, number, step, rate, params, layout, work, start,
                rectified):  # fmt: skip
    """Sums of the first layer, or their positive parts if `rectified`, for rows begin:end of CSR X.

    Those of row i are written to row i from place `start` on; its dropout is that of number + i step.
    """
    stride = layout[0, OUTPUT_STRIDE]
    if layout[0, NOISE] == BATCHWISE:
        number, step = 0, 0
    call_stage(layout[0, SPARSE_SUMS], (
        address_of(data, 0), address_of(indices, 0), _index_size(indices, data), address_of(indptr, 0),
        address_of(rows, begin), end - begin, key, number + begin * step, step, address_of(params, 0), layout[0, COEF],
        layout[0, INTERCEPT], layout[0, NOISE], address_of(work, start + begin * stride), stride,
        layout[0, FAN_OUT], rectified, rate,
    ))  # fmt: skip


@helper
def gradient_of_sparse_weights(data, indices, indptr, rows, layout, rate, key, work, gradient, start, add, member,
                               n_members):  # fmt: skip
    """A member's columns of the first layer's weights for CSR X: their gradient is set or added at `start`."""
    first, last = share(layout[0, FAN_OUT], 1, member, n_members)
    call_stage(layout[0, SPARSE_GRADIENT], (
        address_of(data, 0), address_of(indices, 0), _index_size(indices, data), address_of(indptr, 0),
        address_of(rows, 0), len(rows), key, layout[0, NOISE], address_of(work, layout[0, DELTA]),
        layout[0, OUTPUT_STRIDE], layout[0, FAN_IN], layout[0, FAN_OUT], first, last, address_of(gradient, start), add,
        rate,
    ))  # fmt: skip
