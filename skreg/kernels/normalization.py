"""Batch and layer normalisation of a layer's sums, before its activation, and the way back.

    u = (z - mean) / sqrt(variance + EPSILON),    result = scale * u + shift,

with a learned scale and shift for each unit. Layer normalisation (Ba, Kiros & Hinton 2016,
arXiv:1607.06450) takes mean and variance over the units of a row, batch normalisation (Ioffe & Szegedy
2015, arXiv:1502.03167) over the rows of a batch, each with its weight.

Running statistics
------------------
At prediction batch normalisation takes the mean and variance of the rows that it has met, as those of one
sample in which a row's weight shrinks by the factor RETENTION with each batch after it; a short batch
shrinks them less, by its share of a batch. So the batches may have any size: means and variances of two
samples are combined as those of their union (Chan, Golub & LeVeque 1983, doi:10.2307/2683386).

A batch with fewer than two rows of positive weight has no variance. The running statistics before it
take its place, as constants, so that a single row does not lose all that it says.

The stages
----------
All take the same arguments. The members of the team have rows begin:end each; where columns are summed
they meet, and each sums some of the columns over all rows, in their order. `sums`, `kept` (for the way
back; or NO_ADDRESS), and `scratch` are addresses in the workspace, the first two of row 0, with `stride`
bytes between rows. `scratch` holds four vectors with as many bytes between: the gradients of scales and
of shifts, then means and 1 / deviations of units, or after two vectors 1 / deviations of rows.
`parameters` is the address of scales, shifts and the running means, variances and weights.
`batch_share` is what a row is of a full batch.
"""

import math

from ._jit import helper, uniform
from .activations import rectify
from .layout import (
    ACTIVATION,
    DELTA,
    DENORMALIZE,
    FAN_OUT,
    HAS_STATISTICS,
    NORM_SCRATCH,
    NORMALIZE,
    NORMALIZED,
    NOWHERE,
    OUTPUT,
    OUTPUT_STRIDE,
    RELU,
    SCALES,
)
from .stages import INDEX, NO_ADDRESS, Stage, address_of, address_or_none, array_at, call_stage, row_weight
from .team import share, wait
from .views import part

EPSILON = 1e-5
RETENTION = 0.9

_GRANULE = 16  # columns that one member has, lest two write to a cache line

NUMBER = gradient_of_rows = None  # what a stage makes of the template


@helper
def _weight(weights, row, like):
    """Weight of a row of the data, in the type of an array."""
    return like.dtype.type(row_weight(weights, row, like.dtype))


@helper
def _weight_of_batch(weights, rows, like):
    """(sum of the weights, whether at least two of them are positive)."""
    if weights == NO_ADDRESS:
        return float(len(rows)), len(rows) > 1
    total, n_positive = 0.0, 0
    for i in range(len(rows)):
        weight = _weight(weights, rows[i], like)
        total += weight
        n_positive += weight > 0
    return total, n_positive > 1


@uniform
def _column_moments(sums, stride, weights, rows, unit, means, variances):
    """Weighted means and variances of the columns from `sums` on; `unit` is 1 / the sum of the weights.

    Relative to the first row that has a weight: a constant column has variance 0, and large means cost no digits.
    """
    width, first = len(means), 0
    while _weight(weights, rows[first], means) == 0:
        first += 1
    origin = array_at(sums + first * stride, width, means.dtype)
    for j in range(width):
        means[j], variances[j] = 0, 0
    for i in range(first, len(rows)):
        row, weight = array_at(sums + i * stride, width, means.dtype), unit * _weight(weights, rows[i], means)
        if weight > 0:
            for j in range(width):
                means[j] += weight * (row[j] - origin[j])
    for j in range(width):
        means[j] += origin[j]
    for i in range(first, len(rows)):
        row, weight = array_at(sums + i * stride, width, means.dtype), unit * _weight(weights, rows[i], means)
        if weight > 0:
            for j in range(width):
                difference = row[j] - means[j]
                variances[j] += weight * difference * difference


@uniform
def _remember(retained, mass, means, variances, running_means, running_variances, masses):
    """Combine the running statistics of some columns with those of a batch, which weighs `mass`."""
    one = means.dtype.type(1)
    for j in range(len(means)):
        masses[j] = retained * masses[j] + mass
        part = mass / masses[j]
        difference = means[j] - running_means[j]
        running_means[j] += part * difference
        change = variances[j] - running_variances[j] + (one - part) * difference * difference
        running_variances[j] += part * change


@uniform
def _inverse_deviations(variances, epsilon):
    """1 / sqrt(variance + epsilon) in place."""
    one = variances.dtype.type(1)
    for j in range(len(variances)):
        variances[j] = one / math.sqrt(variances[j] + epsilon)


@helper
def _copy(source, target):
    for j in range(len(target)):
        target[j] = source[j]


@uniform
def _normalize_row(row, means, inverses, scales, shifts):
    for j in range(len(row)):
        row[j] = scales[j] * ((row[j] - means[j]) * inverses[j]) + shifts[j]


@uniform
def _normalize_and_keep_row(row, kept, means, inverses, scales, shifts):
    for j in range(len(row)):
        kept[j] = (row[j] - means[j]) * inverses[j]
    for j in range(len(row)):  # a loop of its own, lest LLVM have too many pairs of arrays to tell apart
        row[j] = scales[j] * kept[j] + shifts[j]


@helper
def _normalize_rows(sums, kept, stride, begin, end, width, parameters, means, inverses, rectified):
    """Rows by the statistics of each unit."""
    like = means.dtype
    scales = array_at(parameters, width, like)
    shifts = array_at(parameters + width * means.itemsize, width, like)
    for i in range(begin, end):
        row = array_at(sums + i * stride, width, like)
        if kept == NO_ADDRESS:
            _normalize_row(row, means, inverses, scales, shifts)
        else:
            _normalize_and_keep_row(row, array_at(kept + i * stride, width, like), means, inverses, scales, shifts)
        if rectified:
            rectify(row)


def _by_batch(sums, kept, stride, begin, end, n_rows, width, weights, rows, parameters, scratch, rectified, member,
              n_members, arrivals, n_met, batch_share):  # fmt: skip
    """By the statistics of the batch, which join the running ones."""
    indices, meetings = array_at(rows, n_rows, INDEX), array_at(arrivals, 1, INDEX)
    all_means, inverses = array_at(scratch + 2 * stride, width, NUMBER), array_at(scratch + 3 * stride, width, NUMBER)
    n_met = wait(meetings, n_met, n_members)
    first, last = share(width, _GRANULE, member, n_members)
    # Of the member's columns:
    offset, n, vector = first * inverses.itemsize, last - first, width * inverses.itemsize
    old_means = array_at(scratch + offset, n, NUMBER)
    old_variances = array_at(scratch + stride + offset, n, NUMBER)
    means, variances = part(all_means, first, n), part(inverses, first, n)
    running_means = array_at(parameters + 2 * vector + offset, n, NUMBER)
    running_variances = array_at(parameters + 3 * vector + offset, n, NUMBER)
    masses = array_at(parameters + 4 * vector + offset, n, NUMBER)
    total, has_variance = _weight_of_batch(weights, indices, means)
    _copy(running_means, old_means)
    _copy(running_variances, old_variances)
    if total > 0:
        _column_moments(sums + offset, stride, weights, indices, NUMBER(1 / total), means, variances)
        retained = RETENTION ** (total * batch_share)
        _remember(NUMBER(retained), NUMBER(1 - retained), means, variances, running_means, running_variances,
                  masses)  # fmt: skip
    if not has_variance:
        _copy(old_means, means)
        _copy(old_variances, variances)
    _inverse_deviations(variances, NUMBER(EPSILON))
    wait(meetings, n_met, n_members)
    _normalize_rows(sums, kept, stride, begin, end, width, parameters, all_means, inverses, rectified)


def _by_running(sums, kept, stride, begin, end, n_rows, width, weights, rows, parameters, scratch, rectified, member,
                n_members, arrivals, n_met, batch_share):  # fmt: skip
    """By the running statistics, as constants."""
    meetings = array_at(arrivals, 1, INDEX)
    inverses = array_at(scratch + 3 * stride, width, NUMBER)
    vector = width * inverses.itemsize
    n_met = wait(meetings, n_met, n_members)
    first, last = share(width, _GRANULE, member, n_members)
    own = part(inverses, first, last - first)
    _copy(part(array_at(parameters + 3 * vector, width, NUMBER), first, last - first), own)
    _inverse_deviations(own, NUMBER(EPSILON))
    wait(meetings, n_met, n_members)
    means = array_at(parameters + 2 * vector, width, NUMBER)
    _normalize_rows(sums, kept, stride, begin, end, width, parameters, means, inverses, rectified)


@helper
def _row_moments(row):
    """(mean, variance), relative to the first unit."""
    origin, total, squares = row[0], row.dtype.type(0), row.dtype.type(0)
    for j in range(len(row)):
        total += row[j] - origin
    mean = origin + total / row.dtype.type(len(row))
    for j in range(len(row)):
        squares += (row[j] - mean) * (row[j] - mean)
    return mean, squares / row.dtype.type(len(row))


def _by_units(sums, kept, stride, begin, end, n_rows, width, weights, rows, parameters, scratch, rectified, member,
              n_members, arrivals, n_met, batch_share):  # fmt: skip
    """Each row by its own statistics."""
    inverses = array_at(scratch + 2 * stride, end, NUMBER)
    scales = array_at(parameters, width, NUMBER)
    shifts = array_at(parameters + width * scales.itemsize, width, NUMBER)
    for i in range(begin, end):
        row = array_at(sums + i * stride, width, NUMBER)
        mean, variance = _row_moments(row)
        inverse = NUMBER(1 / math.sqrt(variance + NUMBER(EPSILON)))
        if kept == NO_ADDRESS:
            for j in range(width):
                row[j] = scales[j] * ((row[j] - mean) * inverse) + shifts[j]
        else:
            inverses[i], normalized = inverse, array_at(kept + i * stride, width, NUMBER)
            for j in range(width):
                normalized[j] = (row[j] - mean) * inverse
                row[j] = scales[j] * normalized[j] + shifts[j]
        if rectified:
            rectify(row)


# The way back ----------------------------------------------------------------------------------------------------


@uniform
def _column_sums(delta, kept, stride, n_rows, scale_gradient, shift_gradient):
    """Gradients of scales and shifts, of the columns from `delta` and `kept` on."""
    width = len(scale_gradient)
    for j in range(width):
        scale_gradient[j], shift_gradient[j] = 0, 0
    for i in range(n_rows):
        row = array_at(delta + i * stride, width, scale_gradient.dtype)
        normalized = array_at(kept + i * stride, width, scale_gradient.dtype)
        for j in range(width):
            scale_gradient[j] += row[j] * normalized[j]
            shift_gradient[j] += row[j]


@uniform
def _back_through_batch(row, normalized, weight, scales, inverses, scale_gradient, shift_gradient):
    for j in range(len(row)):
        through_statistics = shift_gradient[j] + normalized[j] * scale_gradient[j]
        row[j] = scales[j] * inverses[j] * (row[j] - weight * through_statistics)


@uniform
def _back_through_constants(row, scales, inverses):
    for j in range(len(row)):
        row[j] *= scales[j] * inverses[j]


@helper
def _rows_of_batch(delta, kept, stride, begin, end, indices, weights, scales, scratch):
    like, width = scales.dtype, len(scales)
    scale_gradient, shift_gradient = array_at(scratch, width, like), array_at(scratch + stride, width, like)
    inverses = array_at(scratch + 3 * stride, width, like)
    total, has_variance = _weight_of_batch(weights, indices, scales)
    unit = like.type(1 / total) if has_variance else like.type(0)
    for i in range(begin, end):
        row = array_at(delta + i * stride, width, like)
        if has_variance:
            _back_through_batch(row, array_at(kept + i * stride, width, like), unit * _weight(weights, indices[i], row),
                                scales, inverses, scale_gradient, shift_gradient)  # fmt: skip
        else:
            _back_through_constants(row, scales, inverses)


@helper
def _rows_of_running(delta, kept, stride, begin, end, indices, weights, scales, scratch):
    inverses = array_at(scratch + 3 * stride, len(scales), scales.dtype)
    for i in range(begin, end):
        _back_through_constants(array_at(delta + i * stride, len(scales), scales.dtype), scales, inverses)


@helper
def _rows_of_units(delta, kept, stride, begin, end, indices, weights, scales, scratch):
    like, width = scales.dtype, len(scales)
    inverses = array_at(scratch + 2 * stride, end, like)
    for i in range(begin, end):
        row, normalized = array_at(delta + i * stride, width, like), array_at(kept + i * stride, width, like)
        total, along = like.type(0), like.type(0)
        for j in range(width):
            row[j] *= scales[j]
            total += row[j]
            along += row[j] * normalized[j]
        total, along = total / like.type(width), along / like.type(width)
        for j in range(width):
            row[j] = inverses[i] * (row[j] - total - normalized[j] * along)


def _backward(delta, kept, stride, begin, end, n_rows, width, weights, rows, parameters, scratch, rectified, member,
              n_members, arrivals, n_met, batch_share):  # fmt: skip
    """From the delta of the results to that of the sums, in place; the gradients of scales and shifts on the way."""
    indices, meetings = array_at(rows, n_rows, INDEX), array_at(arrivals, 1, INDEX)
    n_met = wait(meetings, n_met, n_members)
    first, last = share(width, _GRANULE, member, n_members)
    scales = array_at(parameters, width, NUMBER)
    offset, n = first * scales.itemsize, last - first
    _column_sums(delta + offset, kept + offset, stride, n_rows, array_at(scratch + offset, n, NUMBER),
                 array_at(scratch + stride + offset, n, NUMBER))  # fmt: skip
    wait(meetings, n_met, n_members)
    gradient_of_rows(delta, kept, stride, begin, end, indices, weights, scales, scratch)


# Called by the network -------------------------------------------------------------------------------------------


def _stage(name, template, **functions):
    return Stage(name, template, 16, 1, **functions)


STAGES = {
    "by batch": _stage("normalize_by_batch", _by_batch),
    "by running": _stage("normalize_by_running", _by_running),
    "by units": _stage("normalize_by_units", _by_units),
    "back by batch": _stage("denormalize_by_batch", _backward, gradient_of_rows=_rows_of_batch),
    "back by running": _stage("denormalize_by_running", _backward, gradient_of_rows=_rows_of_running),
    "back by units": _stage("denormalize_by_units", _backward, gradient_of_rows=_rows_of_units),
}


def normalization_stages(normalization, descends, forward_only, dtype):
    """Addresses (NORMALIZE, DENORMALIZE) of the layout, for a normalisation 'batch' or 'layer'.

    The statistics are those of the batches only in a workspace that `descends`.
    """
    kind = "by units" if normalization == "layer" else "by batch" if descends else "by running"
    back = NO_ADDRESS if forward_only else STAGES[f"back {kind}"].address(dtype)
    return STAGES[kind].address(dtype), back


@helper
def _call(stage, layer, values, weights, rows, begin, end, params, layout, work, batch_share, member, n_members,
          arrivals, n_met):  # fmt: skip
    kept = layout[layer, NORMALIZED]
    call_stage(stage, (address_of(work, values), NO_ADDRESS if kept == NOWHERE else address_of(work, kept),
                       layout[layer, OUTPUT_STRIDE] * work.itemsize, begin, end, len(rows), layout[layer, FAN_OUT],
                       address_or_none(weights), address_of(rows, 0), address_of(params, layout[layer, SCALES]),
                       address_of(work, layout[layer, NORM_SCRATCH]), layout[layer, ACTIVATION] == RELU, member,
                       n_members, address_of(arrivals, 0), n_met, batch_share))  # fmt: skip


@helper
def normalize(layer, weights, rows, begin, end, params, layout, work, batch_share, member, n_members, arrivals, n_met):
    """From a layer's sums to what is activated, or to the activations of relu. Returns the number of meetings."""
    _call(layout[layer, NORMALIZE], layer, layout[layer, OUTPUT], weights, rows, begin, end, params, layout, work,
          batch_share, member, n_members, arrivals, n_met)  # fmt: skip
    return n_met + 2 if layout[layer, HAS_STATISTICS] and n_members > 1 else n_met


@helper
def denormalize(layer, weights, rows, begin, end, params, layout, work, member, n_members, arrivals, n_met):
    """The same for the delta of a layer, on the way back."""
    _call(layout[layer, DENORMALIZE], layer, layout[layer, DELTA], weights, rows, begin, end, params, layout, work,
          0.0, member, n_members, arrivals, n_met)  # fmt: skip
    return n_met + 2 if n_members > 1 else n_met
