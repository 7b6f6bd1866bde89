"""Forward and backward pass of a network over one batch, in a flat workspace.

`layout` and `penalties` are described in layout.py. X reaches the first layer either dense, as a flat
array with two strides, of which the batch's rows are copied to the workspace, or as CSR (csr.py). `begin`
and `end` are the part of the batch's rows that a member of the team takes all the way to the delta of the
first layer; the gradients then sum over all rows, each member's share of them, and are either added up
(`add_gradients`) or followed at once (descent.py).
"""

import numpy as np

from ._jit import helper, outlined
from .ahead import ask_for
from .csr import gradient_of_sparse_weights, sparse_sums
from .layout import (
    ACTIVATION,
    ACTIVITY_GRADIENT,
    ACTIVITY_L1,
    ACTIVITY_L2,
    ACTIVITY_OUTER,
    ACTIVITY_PANEL,
    ACTIVITY_VALUE,
    AUGMENT,
    BATCHWISE,
    COEF,
    DELTA,
    DEVIATIONS,
    DROPOUT,
    FAN_IN,
    FAN_OUT,
    IDENTITY,
    INPUT,
    INPUT_NOISE,
    INPUT_STRIDE,
    INTERCEPT,
    MIX_LOSSES,
    MIXTURE,
    NOISE,
    NORM_SCRATCH,
    NORMALIZE,
    NOWHERE,
    OUTPUT,
    OUTPUT_STRIDE,
    RELU,
    SCALES,
    SKIP,
    SLOPE,
    SPREAD,
)
from .masks import scale_rows_by_masks
from .matmul import ADD, NEXT, NONE, SET, UNBOUNDED, column_sums, product, product_of_rank_one
from .normalization import denormalize, normalize
from .packing import copy_row
from .random import augment_key, dropout_key, input_noise_key
from .rank_one import NOT_OF_RANK_ONE, rank_one
from .simd import HAS_MASKS, lanes_of
from .skip import activate_beside_skip, add_skip, delta_of_skip
from .stages import NO_ADDRESS, address_of, address_or_none, array_at, call_stage
from .team import share
from .tiles import TILE_ROWS
from .views import part, set_zero

# Rows of X that memory is asked for ahead, of so many bytes at most: they wait in the second-level cache.
_ROWS_AHEAD, _BYTES_AHEAD = 64, 256 * 1024
# Bytes of X from which on they are further away than that.
_FAR = 1024 * 1024


@outlined
def gather(x, x_row, x_col, rows, upcoming, begin, end, work, start, stride, n_features):
    """Copy rows of dense X to the workspace.

    They lie anywhere in memory that is as large as it may be: those to come are on their way, too, and at the end
    the first of the next batch, `upcoming`.
    """
    if x_col != 1:
        for i in range(begin, end):
            to, source = start + i * stride, rows[i] * x_row
            for j in range(n_features):
                work[to + j] = x[source + j * x_col]
    elif x.itemsize * len(x) <= _FAR:
        for i in range(begin, end):
            copy_row(x, rows[i] * x_row, work, start + i * stride, n_features)
    else:
        ahead = min(_ROWS_AHEAD, end - begin, _BYTES_AHEAD // (n_features * x.itemsize) + 1)
        for i in range(begin, end):
            if i + ahead < end:
                ask_for(x, rows[i + ahead] * x_row, n_features)
            elif i + ahead - end + begin < len(upcoming):
                ask_for(x, upcoming[i + ahead - end + begin] * x_row, n_features)
            copy_row(x, rows[i] * x_row, work, start + i * stride, n_features)


@helper
def is_rectified(layer, layout):
    """Whether relu is part of a layer's sums: nothing comes between, and it is of all units."""
    return layout[layer, ACTIVATION] == RELU and layout[layer, NORMALIZE] == NO_ADDRESS and layout[layer, SKIP] == 0


@outlined
def drop_rows(source, source_stride, target, target_stride, n_rows, width, key, number, step, is_backward, rate, noise,
              work):  # fmt: skip
    """Dropout of any kind, or what it does to gradients; that of row i has the number + i step."""
    if noise == BATCHWISE:
        number, step = 0, 0
    if noise <= BATCHWISE:
        scale_rows_by_masks(work, source, source_stride, target, target_stride, n_rows, width, key, number, step, rate)
    else:
        size = work.itemsize
        call_stage(noise, (address_of(work, source), source_stride * size, address_of(work, target),
                           target_stride * size, n_rows, width, key, number, step, is_backward, rate))  # fmt: skip


@outlined
def _multiply(layer, source, start, source_stride, begin, end, params, layout, work, panel):
    """Sums of a layer from its inputs, or their positive parts before relu."""
    stride = layout[layer, OUTPUT_STRIDE]
    product(source, start, source_stride, NEXT, params, layout[layer, COEF], layout[layer, FAN_OUT], NEXT, work,
            layout[layer, OUTPUT] + begin * stride, stride, end - begin, layout[layer, FAN_IN], layout[layer, FAN_OUT],
            panel, SET, layout[layer, INTERCEPT], is_rectified(layer, layout), NONE,
            work.dtype.type(1))  # fmt: skip


@helper
def multiply(layer, begin, end, params, layout, work, panel):
    """The same from the inputs in the workspace."""
    stride = layout[layer, INPUT_STRIDE]
    _multiply(layer, work, layout[layer, INPUT] + begin * stride, stride, begin, end, params, layout, work, panel)


@helper
def activate(layer, begin, end, layout, work):
    """Activations from the sums of a layer, unless `multiply` has made them."""
    activation, slope, skip = layout[layer, ACTIVATION], layout[layer, SLOPE], layout[layer, SKIP]
    if skip > 0:
        activate_beside_skip(begin, end, layout, work)
    if activation != IDENTITY and activation != RELU:
        stride = layout[layer, OUTPUT_STRIDE]
        slopes = NO_ADDRESS if slope == NOWHERE else address_of(work, slope + begin * stride)
        call_stage(activation, (address_of(work, layout[layer, OUTPUT] + begin * stride), slopes,
                                stride * work.itemsize, end - begin, layout[layer, FAN_OUT] - skip))  # fmt: skip


@outlined
def forward(x, x_row, x_col, data, indices, indptr, rows, upcoming, begin, end, params, layout, penalties, seed, step,
            work, panel, weights, batch_share, in_place, member, n_members, arrivals, n_met):  # fmt: skip
    """Fill the workspace with the activations of every layer; those of the last are the raw predictions.

    `upcoming` are the rows of the next batch, if they are known.
    With `in_place` the rows begin:end of dense X are multiplied where they lie, whatever `rows` says; its columns
    must be next to each other, and nothing may be done to them before.
    Returns the number of meetings so far: batch normalisation, which takes the rows' weights and what one
    of them is of a full batch, has some.
    """
    for layer in range(len(layout)):
        rate, key = penalties[layer, DROPOUT], dropout_key(seed, step, layer)
        if layer == 0 and len(indptr) > 0:
            sparse_sums(data, indices, indptr, rows, begin, end, key, 0, 1, rate, params, layout, work,
                        layout[0, OUTPUT], is_rectified(0, layout))  # fmt: skip
        elif layer == 0 and in_place:  # as an array that may be written to, or `product` would be compiled once more
            _multiply(0, array_at(address_of(x, 0), len(x), work.dtype), begin * x_row, x_row, begin, end, params,
                      layout, work, panel)  # fmt: skip
        else:
            before, source, stride = layout[layer, INPUT], layout[layer, INPUT], layout[layer, INPUT_STRIDE]
            fan_in = layout[layer, FAN_IN]
            if layer > 0:
                before = layout[layer - 1, OUTPUT]
            else:
                gather(x, x_row, x_col, rows, upcoming, begin, end, work, source, stride, fan_in)
                augment = layout[0, AUGMENT]
                if augment != NO_ADDRESS:
                    call_stage(augment, (address_of(x, 0), x_row, x_col, address_of(rows, 0), len(rows), begin, end,
                                         address_of(work, source), stride * work.itemsize, fan_in,
                                         augment_key(seed, step), layout[0, MIXTURE]))  # fmt: skip
                if layout[0, INPUT_NOISE] != NO_ADDRESS:
                    call_stage(layout[0, INPUT_NOISE], (address_of(work, source + begin * stride),
                               stride * work.itemsize, end - begin, fan_in, input_noise_key(seed, step), begin,
                               layout[0, DEVIATIONS]))  # fmt: skip
            if rate > 0:
                drop_rows(before + begin * stride, stride, source + begin * stride, stride, end - begin, fan_in, key,
                          begin, 1, False, rate, layout[layer, NOISE], work)  # fmt: skip
            multiply(layer, begin, end, params, layout, work, panel)
        if layout[layer, NORMALIZE] != NO_ADDRESS:
            n_met = normalize(layer, weights, rows, begin, end, params, layout, work, batch_share, member, n_members,
                              arrivals, n_met)  # fmt: skip
        activate(layer, begin, end, layout, work)
    if layout[0, SKIP] > 0:
        add_skip(begin, end, layout, work)
    return n_met


@helper
def write_predictions(link, n_rows, n_columns, layout, work, prediction, start):
    """Raw predictions of the rows in the workspace by a link, or as they are for NO_ADDRESS, from place `start` on."""
    last = len(layout) - 1
    output, stride, n_outputs = layout[last, OUTPUT], layout[last, OUTPUT_STRIDE], layout[last, FAN_OUT]
    if link != NO_ADDRESS:
        call_stage(link, (address_of(work, output), stride * work.itemsize, n_rows, n_outputs,
                          address_of(prediction, start), n_columns))  # fmt: skip
        return
    to, source = part(prediction, start, n_rows * n_columns), part(work, output, n_rows * stride)
    for i in range(n_rows):
        if n_outputs == 1:  # without a loop: three times as fast
            to[i] = source[i * stride]
        else:
            for j in range(n_outputs):
                to[i * n_columns + j] = source[i * stride + j]


@helper
def _sum(values):
    total = values.dtype.type(0)
    for i in range(len(values)):
        total += values[i]
    return np.float64(total)


@helper
def sum_of_inputs(inputs, start, stride, n_rows, n_features):
    """Of rows that lie `stride` apart."""
    if stride == n_features:
        return _sum(part(inputs, start, n_rows * n_features))
    total = 0.0
    for i in range(n_rows):
        total += _sum(part(inputs, start + i * stride, n_features))
    return total


@helper
def has_activity_penalty(layout):
    """Whether the outputs of any layer are penalised."""
    for layer in range(len(layout)):
        if layout[layer, ACTIVITY_VALUE] != NO_ADDRESS:
            return True
    return False


@outlined
def activity_of_rows(weights, rows, n_rows, layout, penalties, work, row_activity):
    """Sum of weight * gamma_l (q |a_l|_1 + (1 - q) / 2 |a_l|^2) over hidden layers and rows; that of ROWS at once."""
    set_zero(part(row_activity, 0, n_rows))
    for layer in range(len(layout) - 1):
        stage = layout[layer, ACTIVITY_VALUE]
        if stage == NO_ADDRESS:
            continue
        call_stage(stage, (address_of(work, layout[layer, OUTPUT]), layout[layer, OUTPUT_STRIDE] * work.itemsize,
                           n_rows, layout[layer + 1, FAN_IN], address_or_none(weights), address_of(rows, 0),
                           address_of(row_activity, 0), penalties[layer, ACTIVITY_L1],
                           penalties[layer, ACTIVITY_L2]))  # fmt: skip


@helper
def loss_of_rows(y, n_targets, weights, rows, begin, end, scale, layout, loss, loss_parameters, work, row_loss):
    """Each row's weighted loss; its raw prediction becomes scale * weight * the loss's gradient."""
    last = len(layout) - 1
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
def _delta_of_inputs(layer, weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel,
                     row_activity):  # fmt: skip
    """From the delta of `layer`'s output to that of the layer before: weights, dropout, activation, activity."""
    fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
    delta, stride = layout[layer, DELTA], layout[layer, OUTPUT_STRIDE]
    before, before_stride = layout[layer - 1, DELTA], layout[layer - 1, OUTPUT_STRIDE]
    is_relu, slope = layout[layer - 1, ACTIVATION] == RELU, layout[layer - 1, SLOPE]
    rate = penalties[layer, DROPOUT]
    noise = layout[layer, NOISE]
    is_plain = noise <= BATCHWISE
    # What relu or its dropout has set to zero gets no gradient: the inputs tell, no mask is needed. Other noise may
    # change signs: then the outputs tell what relu has set to zero.
    gated_by = layout[layer, INPUT] if is_plain else layout[layer - 1, OUTPUT]
    gate = gated_by + begin * before_stride if is_relu else NONE
    key, output = dropout_key(seed, step, layer), layout[layer - 1, OUTPUT]
    stage, outer = layout[layer - 1, ACTIVITY_GRADIENT], layout[layer - 1, ACTIVITY_OUTER]
    if outer != NO_ADDRESS:
        call_stage(outer, (address_of(work, before + begin * before_stride),
                           address_of(work, output + begin * before_stride), before_stride * work.itemsize,
                           end - begin, fan_in, address_or_none(weights), address_of(rows, begin),
                           address_of(row_activity, begin), address_of(work, delta + begin * stride),
                           stride * work.itemsize, address_of(params, layout[layer, COEF]),
                           penalties[layer - 1, ACTIVITY_L1], penalties[layer - 1, ACTIVITY_L2], scale))  # fmt: skip
    else:
        product(work, delta + begin * stride, stride, NEXT, params, layout[layer, COEF], NEXT, fan_out, work,
                before + begin * before_stride, before_stride, end - begin, fan_out, fan_in, panel, SET, NONE,
                UNBOUNDED, gate, work.dtype.type(1.0 / (1.0 - rate) if is_plain else 1.0))  # fmt: skip
    if rate > 0 and not (is_relu and is_plain):
        place = before + begin * before_stride
        drop_rows(place, before_stride, place, before_stride, end - begin, fan_in, key, begin, 1, True, rate, noise,
                  work)  # fmt: skip
    if stage != NO_ADDRESS:  # where relu is zero, so is the gradient of its penalty
        call_stage(stage, (address_of(work, before + begin * before_stride),
                           address_of(work, output + begin * before_stride), before_stride * work.itemsize,
                           end - begin, fan_in, address_or_none(weights), address_of(rows, begin),
                           address_of(row_activity, begin), penalties[layer - 1, ACTIVITY_L1],
                           penalties[layer - 1, ACTIVITY_L2], scale))  # fmt: skip
    if slope != NOWHERE:
        for i in range(begin, end):
            row = part(work, before + i * before_stride, fan_in)
            slopes = part(work, slope + i * before_stride, fan_in)
            for j in range(fan_in):
                row[j] *= slopes[j]


@helper
def rank_one_of_batch(weights, rows, indptr, scale, params, layout, penalties, work, row_activity, n_members):
    """What rank_one.py makes all of that `deltas` would for a whole batch: nothing where members need each other's."""
    is_possible = (HAS_MASKS and n_members == 1 and len(rows) > 1 and len(indptr) == 0 and len(layout) == 2
                   and layout[1, FAN_OUT] == 1 and 2 * layout[0, FAN_OUT] > lanes_of(work) and is_rectified(0, layout)
                   and layout[1, NORMALIZE] == NO_ADDRESS and layout[0, ACTIVITY_GRADIENT] == NO_ADDRESS
                   and layout[1, NOISE] <= BATCHWISE and layout[0, SPREAD] == NO_ADDRESS)  # fmt: skip
    if not is_possible:  # without hidden layers there is nothing to describe
        return NOT_OF_RANK_ONE
    if layout[0, ACTIVITY_PANEL] != NO_ADDRESS:
        set_zero(part(row_activity, 0, len(rows)))
    return rank_one(address_of(work, layout[1, DELTA]), layout[1, OUTPUT_STRIDE], address_of(params, layout[1, COEF]),
                    address_of(work, layout[0, DELTA]), layout[0, ACTIVITY_PANEL], address_of(row_activity, 0),
                    address_or_none(weights), address_of(rows, 0), penalties[0, ACTIVITY_L1],
                    penalties[0, ACTIVITY_L2], scale)  # fmt: skip


@helper
def deltas(weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel, row_activity, member,
           n_members, arrivals, n_met):  # fmt: skip
    """The deltas of all hidden layers, from that of the last one, which `loss_of_rows` leaves there.

    On the way `row_activity` gets what `activity_of_rows` says. Returns the number of meetings so far.
    """
    set_zero(part(row_activity, begin, end - begin))
    if layout[0, SKIP] > 0:
        delta_of_skip(begin, end, layout, work)
    for layer in range(len(layout) - 1, 0, -1):
        _delta_of_inputs(layer, weights, rows, begin, end, scale, params, layout, penalties, seed, step, work, panel,
                         row_activity)  # fmt: skip
        if layout[layer - 1, NORMALIZE] != NO_ADDRESS:
            n_met = denormalize(layer - 1, weights, rows, begin, end, params, layout, work, member, n_members, arrivals,
                                n_met)  # fmt: skip
    return n_met


@helper
def gradient_of_intercepts(layer, first, last, n_rows, layout, work, panel, gradient, start, add):
    """Intercepts first:last of a layer: their gradient is set or added at `start`."""
    panel[0] = 1
    column_sums(work, layout[layer, DELTA] + first, layout[layer, OUTPUT_STRIDE], n_rows, last - first, gradient, start,
                add, panel)  # fmt: skip


@helper
def gradient_of_weights_of_rank_one(layer, begin, end, n_rows, made_of, layout, penalties, work, panel, gradient,
                                    start):  # fmt: skip
    """What `gradient_of_weights` would set, where there are no deltas of the first layer; that one must come first.

    On the way the gradients of its intercepts and of the weights behind it become two rows where its deltas would be.
    """
    if layer > 0:
        _copy_sums(1, begin, end, layout, work, gradient, start)
        return
    fan_out = layout[0, FAN_OUT]
    product_of_rank_one(work, layout[0, INPUT] + begin, NEXT, layout[0, INPUT_STRIDE], work, layout[1, INPUT],
                        layout[1, INPUT_STRIDE], gradient, start, fan_out, end - begin, n_rows, fan_out, panel, SET,
                        work.dtype.type(1.0 / (1.0 - penalties[1, DROPOUT])), made_of)  # fmt: skip


@helper
def gradient_of_intercepts_of_rank_one(first, last, layout, work, gradient, start):
    """The same for intercepts first:last of the first layer, whose weights must have come before."""
    _copy_sums(0, first, last, layout, work, gradient, start)


@helper
def _copy_sums(row, first, last, layout, work, gradient, start):
    source = layout[0, DELTA] + row * layout[1, INPUT_STRIDE]
    for j in range(first, last):
        gradient[start + j - first] = work[source + j]


@helper
def gradient_of_weights(layer, begin, end, n_rows, layout, work, panel, gradient, start, add):
    """Weights from inputs begin:end of a dense layer: their gradient is set or added at `start`."""
    fan_out = layout[layer, FAN_OUT]
    product(work, layout[layer, INPUT] + begin, NEXT, layout[layer, INPUT_STRIDE], work, layout[layer, DELTA],
            layout[layer, OUTPUT_STRIDE], NEXT, gradient, start, fan_out, end - begin, n_rows, fan_out, panel, add,
            NONE, UNBOUNDED, NONE, work.dtype.type(1))  # fmt: skip


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
    for layer in range(len(layout)):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        if layer == 0 and len(indptr) > 0:
            gradient_of_sparse_weights(data, indices, indptr, rows, layout, 0.0, np.uint64(0), work, gradient, coef,
                                       ADD, member, n_members)  # fmt: skip
        else:
            begin, end = share(fan_in, TILE_ROWS, member, n_members)
            gradient_of_weights(layer, begin, end, n_rows, layout, work, panel, gradient, coef + begin * fan_out, ADD)
        first, last = share(fan_out - layout[layer, SKIP], 1, member, n_members)
        gradient_of_intercepts(layer, first, last, n_rows, layout, work, panel, gradient, intercept + first, ADD)
        if layout[layer, NORMALIZE] != NO_ADDRESS:
            _add_gradient_of_normalization(layer, first, last, layout, work, gradient)
