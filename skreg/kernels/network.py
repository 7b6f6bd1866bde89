"""Forward and backward pass of a network over one batch, in a flat workspace.

`layout` and `penalties` are described in layout.py. X reaches the first layer either dense, as a flat
array with two strides, of which the batch's rows are copied to the workspace, or as CSR, which is
multiplied where it lies.
"""

from ._jit import helper
from .activations import add_intercepts_and_activate, multiply_by_derivative
from .layout import (
    ACTIVITY_L1,
    ACTIVITY_L2,
    COEF,
    DELTA,
    DROPOUT,
    FAN_IN,
    FAN_OUT,
    IDENTITY,
    INPUT,
    INPUT_STRIDE,
    INTERCEPT,
    OUTPUT,
    OUTPUT_STRIDE,
)
from .losses import loss_and_gradient
from .matmul import product
from .random import combine, drop_threshold, dropout_key, is_kept, scale_row_by_mask
from .views import part, set_zero


@helper
def gather(x, x_row, x_col, rows, key, rate, target, stride, n_features):
    """Copy the rows of dense X to the flat `target`, `stride` apart, with input dropout at `rate`."""
    for i in range(len(rows)):
        to = part(target, i * stride, n_features)
        start = rows[i] * x_row
        if x_col == 1:
            source = part(x, start, n_features)
            for j in range(n_features):
                to[j] = source[j]
        else:
            for j in range(n_features):
                to[j] = x[start + j * x_col]
        if rate > 0:
            scale_row_by_mask(to, to, key, i, rate)


@helper
def _sparse_forward(data, indices, indptr, rows, key, rate, coefs, output, stride, n_outputs):
    """output = dropout(X[rows]) coefs for CSR X."""
    scale = output.dtype.type(1.0 / (1.0 - rate))
    threshold = drop_threshold(rate)
    for i in range(len(rows)):
        to = part(output, i * stride, n_outputs)
        set_zero(to)
        row_key = combine(key, i)
        for position in range(indptr[rows[i]], indptr[rows[i] + 1]):
            feature = indices[position]
            if rate > 0 and not is_kept(row_key, feature, threshold):
                continue
            value = data[position] * scale
            weights = part(coefs, feature * n_outputs, n_outputs)
            for j in range(n_outputs):
                to[j] += value * weights[j]


@helper
def _sparse_gradient(data, indices, indptr, rows, key, rate, delta, stride, n_outputs, gradient):
    """gradient += dropout(X[rows])' delta for CSR X."""
    scale = delta.dtype.type(1.0 / (1.0 - rate))
    threshold = drop_threshold(rate)
    for i in range(len(rows)):
        source = part(delta, i * stride, n_outputs)
        row_key = combine(key, i)
        for position in range(indptr[rows[i]], indptr[rows[i] + 1]):
            feature = indices[position]
            if rate > 0 and not is_kept(row_key, feature, threshold):
                continue
            value = data[position] * scale
            to = part(gradient, feature * n_outputs, n_outputs)
            for j in range(n_outputs):
                to[j] += value * source[j]


@helper
def forward(x, x_row, x_col, data, indices, indptr, rows, params, layout, penalties, activation, seed, step,
            work, panel):  # fmt: skip
    """Fill the workspace with every layer's activations; the last layer's are the raw predictions."""
    n_layers, m = layout.shape[0], len(rows)
    for layer in range(n_layers):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        source, source_stride = layout[layer, INPUT], layout[layer, INPUT_STRIDE]
        output, stride = layout[layer, OUTPUT], layout[layer, OUTPUT_STRIDE]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        rate = penalties[layer, DROPOUT]
        key = dropout_key(seed, step, layer)
        if layer == 0 and len(indptr) > 0:
            _sparse_forward(data, indices, indptr, rows, key, rate, part(params, coef, intercept - coef),
                            part(work, output, m * stride), stride,
                            fan_out)  # fmt: skip
        else:
            if layer == 0:
                gather(x, x_row, x_col, rows, key, rate, part(work, source, m * source_stride), source_stride, fan_in)
            elif rate > 0:
                before, before_stride = layout[layer - 1, OUTPUT], layout[layer - 1, OUTPUT_STRIDE]
                for i in range(m):
                    scale_row_by_mask(
                        part(work, before + i * before_stride, fan_in),
                        part(work, source + i * source_stride, fan_in),
                        key, i, rate)  # fmt: skip
            product(work, source, source_stride, 1, params, coef, fan_out, 1, work, output, stride, m, fan_in,
                    fan_out, panel, False)  # fmt: skip
        code = activation if layer < n_layers - 1 else IDENTITY
        bias = part(params, intercept, fan_out)
        for i in range(m):
            add_intercepts_and_activate(part(work, output + i * stride, fan_out), bias, code)


@helper
def activity_penalty(weights, rows, layout, penalties, work):
    """Sum over the rows of weight * gamma_l (q |a_l|_1 + (1 - q) / 2 |a_l|^2) over the hidden layers."""
    total = 0.0
    for layer in range(layout.shape[0] - 1):
        l1, l2 = penalties[layer, ACTIVITY_L1], penalties[layer, ACTIVITY_L2]
        if l1 == 0 and l2 == 0:
            continue
        output, stride, width = layout[layer, OUTPUT], layout[layer, OUTPUT_STRIDE], layout[layer, FAN_OUT]
        for i in range(len(rows)):
            values = part(work, output + i * stride, width)
            absolute, squared = values.dtype.type(0), values.dtype.type(0)
            for j in range(width):
                absolute += abs(values[j])
                squared += values[j] * values[j]
            weight = weights[rows[i]] if len(weights) > 0 else 1.0
            total += weight * (l1 * absolute + 0.5 * l2 * squared)
    return total


@helper
def output_loss(y, weights, rows, scale, layout, loss_code, work):
    """Weighted sum of the rows' losses; the raw predictions become scale * weight * their gradient."""
    last = layout.shape[0] - 1
    output, stride, n_outputs = layout[last, OUTPUT], layout[last, OUTPUT_STRIDE], layout[last, FAN_OUT]
    total = 0.0
    for i in range(len(rows)):
        raw = part(work, output + i * stride, n_outputs)
        weight = weights[rows[i]] if len(weights) > 0 else 1.0
        total += weight * loss_and_gradient(y[rows[i]], raw, n_outputs, loss_code)
        factor = raw.dtype.type(weight * scale)
        for j in range(n_outputs):
            raw[j] *= factor
    return total


@helper
def _add_activity_gradient(activations, delta, factor, l1, l2):
    """delta += factor * (l1 sign(a) + l2 a), with sign(0) = 0."""
    kind = delta.dtype.type
    zero, l1, l2 = kind(0), kind(factor * l1), kind(factor * l2)
    for j in range(len(activations)):
        a = activations[j]
        sign = l1 if a > zero else (-l1 if a < zero else zero)
        delta[j] += sign + l2 * a


@helper
def _delta_of_inputs(layer, weights, rows, scale, params, layout, penalties, activation, seed, step, work, panel):
    """From the delta of `layer`'s output to that of the layer before it: weights, dropout, activity, activation."""
    m = len(rows)
    fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
    delta, stride = layout[layer, DELTA], layout[layer, OUTPUT_STRIDE]
    before, before_stride = layout[layer - 1, DELTA], layout[layer - 1, OUTPUT_STRIDE]
    output = layout[layer - 1, OUTPUT]
    product(work, delta, stride, 1, params, layout[layer, COEF], 1, fan_out, work, before, before_stride, m,
            fan_out, fan_in, panel, False)  # fmt: skip
    rate = penalties[layer, DROPOUT]
    key = dropout_key(seed, step, layer)
    l1, l2 = penalties[layer - 1, ACTIVITY_L1], penalties[layer - 1, ACTIVITY_L2]
    for i in range(m):
        row = part(work, before + i * before_stride, fan_in)
        activations = part(work, output + i * before_stride, fan_in)
        if rate > 0:
            scale_row_by_mask(row, row, key, i, rate)
        if l1 != 0 or l2 != 0:
            weight = weights[rows[i]] if len(weights) > 0 else 1.0
            _add_activity_gradient(activations, row, weight * scale, l1, l2)
        multiply_by_derivative(row, activations, activation)


@helper
def backward(data, indices, indptr, weights, rows, scale, params, layout, penalties, activation, seed, step, work,
             panel, gradient, add):  # fmt: skip
    """Gradient of the batch's loss and activity penalty (without the other penalties), set or added.

    The last layer's outputs must hold the delta that `output_loss` leaves there.
    """
    m = len(rows)
    for layer in range(layout.shape[0] - 1, -1, -1):
        fan_in, fan_out = layout[layer, FAN_IN], layout[layer, FAN_OUT]
        source, source_stride = layout[layer, INPUT], layout[layer, INPUT_STRIDE]
        delta, stride = layout[layer, DELTA], layout[layer, OUTPUT_STRIDE]
        coef, intercept = layout[layer, COEF], layout[layer, INTERCEPT]
        if layer == 0 and len(indptr) > 0:
            to = part(gradient, coef, intercept - coef)
            if not add:
                set_zero(to)
            _sparse_gradient(data, indices, indptr, rows, dropout_key(seed, step, 0), penalties[0, DROPOUT],
                             part(work, delta, m * stride), stride, fan_out, to)  # fmt: skip
        else:
            product(work, source, 1, source_stride, work, delta, stride, 1, gradient, coef, fan_out, fan_in, m,
                    fan_out, panel, add)  # fmt: skip
        bias_gradient = part(gradient, intercept, fan_out)
        if not add:
            set_zero(bias_gradient)
        for i in range(m):
            row = part(work, delta + i * stride, fan_out)
            for j in range(fan_out):
                bias_gradient[j] += row[j]
        if layer > 0:
            _delta_of_inputs(layer, weights, rows, scale, params, layout, penalties, activation, seed, step, work,
                             panel)  # fmt: skip
