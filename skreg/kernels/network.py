"""Forward and backward pass of a network over one batch, in a flat workspace.

`layout` and `penalties` are described in layout.py. X reaches the first layer either dense, as a flat
array with two strides, of which the batch's rows are copied to the workspace, or as CSR, which is
multiplied where it lies. `begin` and `end` are the part of the batch's rows that a member of the team
takes all the way to the delta of the first layer; the gradients then sum over all rows, each member's
share of them, and are either added up (`add_gradients`) or followed at once (descent.py).
"""

import numpy as np

from ._jit import helper, outlined
from .elementary import maximum
from .layout import (
    ACTIVATION,
    ACTIVITY_GRADIENT,
    ACTIVITY_L1,
    ACTIVITY_L2,
    ACTIVITY_VALUE,
    AUGMENT,
    CACHE_LINE,
    COEF,
    DELTA,
    DROPOUT,
    FAN_IN,
    FAN_OUT,
    IDENTITY,
    INPUT,
    INPUT_STRIDE,
    INTERCEPT,
    MIX_LOSSES,
    MIXTURE,
    NORM_SCRATCH,
    NORMALIZE,
    NOWHERE,
    OUTPUT,
    OUTPUT_STRIDE,
    RELU,
    SCALES,
    SLOPE,
)
from .masks import scale_row_by_mask
from .matmul import ADD, NEXT, NONE, ROWS, SET, UNBOUNDED, product
from .normalization import denormalize, normalize
from .random import augment_key, combine, drop_threshold, dropout_key, is_kept
from .simd import VECTOR_BYTES, lanes_of, prefetch
from .stages import NO_ADDRESS, address_of, address_or_none, call_stage
from .team import share
from .views import part, set_zero

_ROWS_AHEAD = 8


@outlined
def _gather(x, x_row, x_col, rows, begin, end, key, rate, work, start, stride, n_features):
    """Copy rows of dense X to the workspace, with input dropout at `rate`.

    They lie anywhere in memory that is as large as it may be: a few rows ahead are on their way.
    """
    per_line = CACHE_LINE * lanes_of(work) // VECTOR_BYTES
    for i in range(begin, end):
        if x_col == 1 and i + _ROWS_AHEAD < end:
            ahead = rows[i + _ROWS_AHEAD] * x_row
            for j in range(0, n_features, per_line):
                prefetch(x, ahead + j)
        to = part(work, start + i * stride, n_features)
        source = rows[i] * x_row
        if x_col == 1:
            row = part(x, source, n_features)
            for j in range(n_features):
                to[j] = row[j]
        else:
            for j in range(n_features):
                to[j] = x[source + j * x_col]
        if rate > 0:
            scale_row_by_mask(to, to, key, i, rate)


@outlined
def _sparse_forward(data, indices, indptr, rows, begin, end, key, rate, coefs, intercepts, rectified, work, start,
                    stride, n_outputs):  # fmt: skip
    """output = dropout(X[rows]) coefs + intercepts for CSR X, or its positive part if `rectified`."""
    scale, zero = work.dtype.type(1.0 / (1.0 - rate)), work.dtype.type(0)
    threshold = drop_threshold(rate)
    for i in range(begin, end):
        to = part(work, start + i * stride, n_outputs)
        for j in range(n_outputs):
            to[j] = intercepts[j]
        row_key = combine(key, i)
        for position in range(indptr[rows[i]], indptr[rows[i] + 1]):
            feature = indices[position]
            if rate > 0 and not is_kept(row_key, feature, threshold):
                continue
            value = data[position] * scale
            weights = part(coefs, feature * n_outputs, n_outputs)
            for j in range(n_outputs):
                to[j] += value * weights[j]
        if rectified:
            for j in range(n_outputs):
                to[j] = maximum(to[j], zero)


@outlined
def _sparse_gradient(data, indices, indptr, rows, key, rate, work, start, stride, n_outputs, first, last, gradient):
    """Columns first:last of gradient += dropout(X[rows])' delta for CSR X."""
    scale = work.dtype.type(1.0 / (1.0 - rate))
    threshold = drop_threshold(rate)
    width = last - first
    for i in range(len(rows)):
        source = part(work, start + i * stride + first, width)
        row_key = combine(key, i)
        for position in range(indptr[rows[i]], indptr[rows[i] + 1]):
            feature = indices[position]
            if rate > 0 and not is_kept(row_key, feature, threshold):
                continue
            value = data[position] * scale
            to = part(gradient, feature * n_outputs + first, width)
            for j in range(width):
                to[j] += value * source[j]


@outlined
def forward(x, x_row, x_col, data, indices, indptr, rows, begin, end, params, layout, penalties, seed, step, work,
            panel, weights, batch_share, member, n_members, arrivals, n_met):  # fmt: skip
    """Fill the workspace with the activations of every layer; those of the last are the raw predictions.

    Returns the number of meetings so far: batch normalisation, which takes the rows' weights and what one
    of them is of a full batch, has some.
    """
    n_layers, m = layout.shape[0], end - begin
    for layer in range(n_layers):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        source, source_stride = layout[layer, INPUT], layout[layer, INPUT_STRIDE]
        output, stride = layout[layer, OUTPUT], layout[layer, OUTPUT_STRIDE]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        rate = penalties[layer, DROPOUT]
        key = dropout_key(seed, step, layer)
        activation = layout[layer, ACTIVATION]
        is_normalized = layout[layer, NORMALIZE] != NO_ADDRESS
        rectified = activation == RELU and not is_normalized
        if layer == 0 and len(indptr) > 0:
            _sparse_forward(data, indices, indptr, rows, begin, end, key, rate, part(params, coef, intercept - coef),
                            part(params, intercept, fan_out), rectified, work, output, stride,
                            fan_out)  # fmt: skip
        else:
            if layer == 0:
                augment = layout[0, AUGMENT]
                _gather(x, x_row, x_col, rows, begin, end, key, rate if augment == NO_ADDRESS else 0.0, work, source,
                        source_stride, fan_in)  # fmt: skip
                if augment != NO_ADDRESS:
                    call_stage(augment, (address_of(x, 0), x_row, x_col, address_of(rows, 0), len(rows), begin, end,
                                         address_of(work, source), source_stride * work.itemsize, fan_in,
                                         augment_key(seed, step), layout[0, MIXTURE]))  # fmt: skip
                if augment != NO_ADDRESS and rate > 0:
                    for i in range(begin, end):
                        row = part(work, source + i * source_stride, fan_in)
                        scale_row_by_mask(row, row, key, i, rate)
            elif rate > 0:
                before, before_stride = layout[layer - 1, OUTPUT], layout[layer - 1, OUTPUT_STRIDE]
                for i in range(begin, end):
                    scale_row_by_mask(part(work, before + i * before_stride, fan_in),
                                      part(work, source + i * source_stride, fan_in), key, i, rate)  # fmt: skip
            product(work, source + begin * source_stride, source_stride, NEXT, params, coef, fan_out, NEXT, work,
                    output + begin * stride, stride, m, fan_in, fan_out, panel, SET, intercept, rectified, NONE,
                    work.dtype.type(1))  # fmt: skip
        if is_normalized:
            n_met = normalize(layer, weights, rows, begin, end, params, layout, work, batch_share, member, n_members,
                              arrivals, n_met)  # fmt: skip
        if activation not in (IDENTITY, RELU):
            slope = layout[layer, SLOPE]
            slopes = NO_ADDRESS if slope == NOWHERE else address_of(work, slope + begin * stride)
            call_stage(activation, (address_of(work, output + begin * stride), slopes, stride * work.itemsize, m,
                                    fan_out))  # fmt: skip
    return n_met


@helper
def sum_of_inputs(n_rows, layout, work):
    """Of dense rows in the workspace."""
    total = 0.0
    for i in range(n_rows):
        row = part(work, layout[0, INPUT] + i * layout[0, INPUT_STRIDE], layout[0, FAN_IN])
        in_row = row.dtype.type(0)
        for j in range(len(row)):
            in_row += row[j]
        total += in_row
    return total


@outlined
def activity_of_rows(weights, rows, begin, end, layout, penalties, work, row_activity):
    """Each row's weight * gamma_l (q |a_l|_1 + (1 - q) / 2 |a_l|^2), summed over the hidden layers."""
    for i in range(begin, end):
        row_activity[i] = 0.0
    for layer in range(layout.shape[0] - 1):
        stage = layout[layer, ACTIVITY_VALUE]
        if stage == NO_ADDRESS:
            continue
        stride = layout[layer, OUTPUT_STRIDE]
        call_stage(stage, (address_of(work, layout[layer, OUTPUT] + begin * stride), stride * work.itemsize,
                           end - begin, layout[layer, FAN_OUT], address_of(row_activity, begin),
                           penalties[layer, ACTIVITY_L1], 0.5 * penalties[layer, ACTIVITY_L2]))  # fmt: skip
    if len(weights) > 0:
        for i in range(begin, end):
            row_activity[i] *= weights[rows[i]]


@helper
def loss_of_rows(y, n_targets, weights, rows, begin, end, scale, layout, loss, loss_parameters, work, row_loss):
    """Each row's weighted loss; its raw prediction becomes scale * weight * the loss's gradient."""
    last = layout.shape[0] - 1
    output, stride, n_outputs = layout[last, OUTPUT], layout[last, OUTPUT_STRIDE], layout[last, FAN_OUT]
    arguments = (address_of(y, 0), n_targets, address_or_none(weights), address_of(rows, begin), end - begin,
                 address_of(work, output + begin * stride), stride * work.itemsize, n_outputs,
                 address_of(row_loss, begin), address_or_none(loss_parameters), len(loss_parameters),
                 scale)  # fmt: skip
    if layout[0, MIX_LOSSES] == NO_ADDRESS:
        call_stage(loss, arguments)
    else:
        call_stage(layout[0, MIX_LOSSES], (loss, layout[0, MIXTURE], begin, *arguments))


@outlined
def _delta_of_inputs(layer, weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel):
    """From the delta of `layer`'s output to that of the layer before: weights, dropout, activation, activity."""
    fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
    delta, stride = layout[layer, DELTA], layout[layer, OUTPUT_STRIDE]
    before, before_stride = layout[layer - 1, DELTA], layout[layer - 1, OUTPUT_STRIDE]
    is_relu, slope = layout[layer - 1, ACTIVATION] == RELU, layout[layer - 1, SLOPE]
    rate = penalties[layer, DROPOUT]
    # What relu or its dropout has set to zero gets no gradient: the inputs tell, no mask is needed.
    gate = layout[layer, INPUT] + begin * before_stride if is_relu else NONE
    product(work, delta + begin * stride, stride, NEXT, params, layout[layer, COEF], NEXT, fan_out, work,
            before + begin * before_stride, before_stride, end - begin, fan_out, fan_in, panel, SET, NONE, UNBOUNDED,
            gate, work.dtype.type(1.0 / (1.0 - rate)))  # fmt: skip
    key, output, stage = dropout_key(seed, step, layer), layout[layer - 1, OUTPUT], layout[layer - 1, ACTIVITY_GRADIENT]
    if rate > 0 and not is_relu:
        for i in range(begin, end):
            row = part(work, before + i * before_stride, fan_in)
            scale_row_by_mask(row, row, key, i, rate)
    if stage != NO_ADDRESS:  # where relu is zero, so is the gradient of its penalty
        call_stage(stage, (address_of(work, before + begin * before_stride),
                           address_of(work, output + begin * before_stride), before_stride * work.itemsize,
                           end - begin, fan_in, address_or_none(weights), address_of(rows, begin),
                           scale * penalties[layer - 1, ACTIVITY_L1],
                           scale * penalties[layer - 1, ACTIVITY_L2]))  # fmt: skip
    if slope != NOWHERE:
        for i in range(begin, end):
            row = part(work, before + i * before_stride, fan_in)
            slopes = part(work, slope + i * before_stride, fan_in)
            for j in range(fan_in):
                row[j] *= slopes[j]


@helper
def deltas(weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel, member, n_members,
           arrivals, n_met):  # fmt: skip
    """The deltas of all hidden layers, from that of the last one, which `loss_of_rows` leaves there.

    Returns the number of meetings so far.
    """
    for layer in range(layout.shape[0] - 1, 0, -1):
        _delta_of_inputs(layer, weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel)
        if layout[layer - 1, NORMALIZE] != NO_ADDRESS:
            n_met = denormalize(layer - 1, weights, rows, begin, end, params, layout, work, member, n_members, arrivals,
                                n_met)  # fmt: skip
    return n_met


@outlined
def gradient_of_intercepts(layer, first, last, n_rows, layout, work, gradient, start, add):
    """Intercepts first:last of a layer: their gradient is set or added at `start`."""
    delta, stride, width = layout[layer, DELTA] + first, layout[layer, OUTPUT_STRIDE], last - first
    to = part(gradient, start, width)
    if not add:
        set_zero(to)
    for i in range(n_rows):
        row = part(work, delta + i * stride, width)
        for j in range(width):
            to[j] += row[j]


@helper
def gradient_of_weights(layer, begin, end, n_rows, layout, work, panel, gradient, start, add):
    """Weights from inputs begin:end of a dense layer: their gradient is set or added at `start`."""
    fan_out = layout[layer, FAN_OUT]
    product(work, layout[layer, INPUT] + begin, NEXT, layout[layer, INPUT_STRIDE], work, layout[layer, DELTA],
            layout[layer, OUTPUT_STRIDE], NEXT, gradient, start, fan_out, end - begin, n_rows, fan_out, panel, add,
            NONE, UNBOUNDED, NONE, work.dtype.type(1))  # fmt: skip


@helper
def gradient_of_sparse_weights(data, indices, indptr, rows, layout, rate, key, work, gradient, start, add, member,
                               n_members):  # fmt: skip
    """A member's columns of the first layer's weights for CSR X: their gradient is set or added at `start`."""
    fan_in, fan_out = layout[0, FAN_IN], layout[0, FAN_OUT]
    first, last = share(fan_out, 1, member, n_members)
    to = part(gradient, start, fan_in * fan_out)
    if not add:
        for feature in range(fan_in):
            set_zero(part(to, feature * fan_out + first, last - first))
    _sparse_gradient(data, indices, indptr, rows, key, rate, work, layout[0, DELTA], layout[0, OUTPUT_STRIDE], fan_out,
                     first, last, to)  # fmt: skip


@helper
def _add_gradient_of_normalization(layer, first, last, layout, work, gradient):
    """Add that of scales and shifts first:last."""
    for vector in range(2):
        to = layout[layer, SCALES] + vector * layout[layer, FAN_OUT]
        source = layout[layer, NORM_SCRATCH] + vector * layout[layer, OUTPUT_STRIDE]
        for j in range(first, last):
            gradient[to + j] += work[source + j]


@helper
def add_gradients(data, indices, indptr, rows, layout, work, panel, gradient, member, n_members):
    """Add a member's part of the gradient of loss and activity penalty, without dropout, from all deltas."""
    n_rows = len(rows)
    for layer in range(layout.shape[0]):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        if layer == 0 and len(indptr) > 0:
            gradient_of_sparse_weights(data, indices, indptr, rows, layout, 0.0, np.uint64(0), work, gradient, coef,
                                       ADD, member, n_members)  # fmt: skip
        else:
            begin, end = share(fan_in, ROWS, member, n_members)
            gradient_of_weights(layer, begin, end, n_rows, layout, work, panel, gradient, coef + begin * fan_out, ADD)
        first, last = share(fan_out, 1, member, n_members)
        gradient_of_intercepts(layer, first, last, n_rows, layout, work, gradient, intercept + first, ADD)
        if layout[layer, NORMALIZE] != NO_ADDRESS:
            _add_gradient_of_normalization(layer, first, last, layout, work, gradient)
