"""Rows of a batch that are mixed with each other, or cut, on their way to the first layer.

- mixup   x = l x_i + (1 - l) x_j                        Zhang et al. (2018), arXiv:1710.09412
- cutmix  each input of x_i with probability l, else x_j's  Yun et al. (2019), arXiv:1905.04899
- cutout  each input set to zero with a probability      DeVries & Taylor (2017), arXiv:1708.04552

Row i's partner j lies a number of places further in the batch, the same for all of its rows and drawn for
each step: every row is a partner once. Rows of weight 0 stay as they are and are not counted as places. Its
share l, drawn for each row, is a quantile of Beta(a, a), by interpolation in a table. The loss is
l loss(y_i) + (1 - l) loss(y_j), each with the weight of its row; with cutmix l is then the share of the inputs
that are x_i's.

A *mixture* is a table of addresses that the stages share, one number for each row of the batch in each.
"""

import numpy as np

from ._jit import helper
from .random import combine, drop_threshold, is_kept
from .stages import INDEX, NO_ADDRESS, Stage, array_at, call_stage, row_weight

# columns of a mixture
NUMBERS = 0  # float64: quantiles of the shares, or the probability of cutout
PARTNERS, SHARES = 1, 2  # rows of the data (int64) and float64
RAW, LOSSES = 3, 4  # of the partners: raw predictions, row by row, and losses (float64)
WEIGHTS, MIXED_WEIGHTS = 5, 6  # of all rows of the data, or NO_ADDRESS
N_MIXTURE = 7

N_QUANTILES = 1024  # intervals between those in the table

NUMBER = mix_row = None  # what a stage makes of a template


@helper
def _shift(key, n_rows):
    """From 1 to n_rows - 1; 0 where there is no other row."""
    if n_rows <= 1:
        return 0
    bits = combine(key, n_rows) >> np.uint64(32)
    return 1 + np.int64((bits * np.uint64(n_rows - 1)) >> np.uint64(32))


@helper
def _n_weighted(weights, indices, kind):
    """Number of rows whose weight is not 0."""
    if weights == NO_ADDRESS:
        return len(indices)
    n = 0
    for i in range(len(indices)):
        n += row_weight(weights, indices[i], kind) > 0
    return n


@helper
def _after(place, weights, indices, kind):
    """The next place in the batch whose row's weight is not 0; there must be one."""
    place = (place + 1) % len(indices)
    while weights != NO_ADDRESS and row_weight(weights, indices[place], kind) == 0:
        place = (place + 1) % len(indices)
    return place


@helper
def _share(row_key, quantiles):
    place = np.float64(row_key >> np.uint64(11)) * (N_QUANTILES * 2.0**-53)
    k = int(place)
    return quantiles[k] + (place - k) * (quantiles[k + 1] - quantiles[k])


@helper
def _mixup(row, other, step, share, row_key):
    own, others = row.dtype.type(share), row.dtype.type(1.0 - share)
    for j in range(len(row)):
        row[j] = own * row[j] + others * other[j * step]
    return share


@helper
def _cutmix(row, other, step, share, row_key):
    key, threshold, n_kept = combine(row_key, 0), drop_threshold(1.0 - share), 0
    for j in range(len(row)):
        kept = is_kept(key, j, threshold)
        row[j] = row[j] if kept else other[j * step]
        n_kept += kept
    return n_kept / len(row)


def _mix(x, x_row, x_col, rows, n_rows, begin, end, inputs, stride, n_features, key, mixture):
    """Mix rows begin:end of a batch with their partners.

    Addresses: `x` of X, `rows` and `inputs` of the batch's first row, `mixture`. `stride` counts bytes.
    """
    table, indices = array_at(mixture, N_MIXTURE, INDEX), array_at(rows, n_rows, INDEX)
    quantiles = array_at(table[NUMBERS], N_QUANTILES + 1, np.float64)
    partners, shares = array_at(table[PARTNERS], n_rows, INDEX), array_at(table[SHARES], n_rows, np.float64)
    weights, place = table[WEIGHTS], begin - 1
    for _ in range(_shift(np.uint64(key), _n_weighted(weights, indices, NUMBER))):
        place = _after(place, weights, indices, NUMBER)
    for i in range(begin, end):
        row, row_key = array_at(inputs + i * stride, n_features, NUMBER), combine(np.uint64(key), i)
        partner, shares[i] = indices[i], 1.0
        if row_weight(weights, partner, NUMBER) > 0:
            place = _after(place, weights, indices, NUMBER)
            partner = indices[place]
            other = array_at(x + partner * x_row * row.itemsize, (n_features - 1) * x_col + 1, NUMBER)
            shares[i] = mix_row(row, other, x_col, _share(row_key, quantiles), row_key)
        partners[i] = partner
        if weights != NO_ADDRESS:
            mixed = array_at(table[MIXED_WEIGHTS] + indices[i] * row.itemsize, 1, NUMBER)
            mixed[0] = (shares[i] * row_weight(weights, indices[i], NUMBER)
                        + (1.0 - shares[i]) * row_weight(weights, partner, NUMBER))  # fmt: skip


def _cutout(x, x_row, x_col, rows, n_rows, begin, end, inputs, stride, n_features, key, mixture):
    """Set inputs of rows begin:end to zero; arguments as for `_mix`."""
    table = array_at(mixture, N_MIXTURE, INDEX)
    threshold = drop_threshold(array_at(table[NUMBERS], 1, np.float64)[0])
    for i in range(begin, end):
        row, row_key = array_at(inputs + i * stride, n_features, NUMBER), combine(np.uint64(key), i)
        for j in range(n_features):
            row[j] = row[j] if is_kept(row_key, j, threshold) else NUMBER(0)


def _mix_losses(loss, mixture, begin, y, n_targets, weights, rows, n_rows, raw, stride, n_outputs, row_loss,
                loss_parameters, n_parameters, scale):  # fmt: skip
    """Losses and gradients of rows from `begin` on, and of their partners; arguments as for `loss`, the stage."""
    if n_rows == 0:
        return
    table, itemsize = array_at(mixture, N_MIXTURE, INDEX), array_at(raw, 1, NUMBER).itemsize
    other_raw = table[RAW] + begin * n_outputs * itemsize
    shares, other_loss = array_at(table[SHARES] + begin * 8, n_rows, np.float64), table[LOSSES] + begin * 8
    copies = array_at(other_raw, n_rows * n_outputs, NUMBER)
    for i in range(n_rows):
        row = array_at(raw + i * stride, n_outputs, NUMBER)
        for j in range(n_outputs):
            copies[i * n_outputs + j] = row[j]
    call_stage(loss, (y, n_targets, weights, rows, n_rows, raw, stride, n_outputs, row_loss, loss_parameters,
                      n_parameters, scale))  # fmt: skip
    call_stage(loss, (y, n_targets, weights, table[PARTNERS] + begin * 8, n_rows, other_raw, n_outputs * itemsize,
                      n_outputs, other_loss, loss_parameters, n_parameters, scale))  # fmt: skip
    losses, others = array_at(row_loss, n_rows, np.float64), array_at(other_loss, n_rows, np.float64)
    for i in range(n_rows):
        row, share, rest = array_at(raw + i * stride, n_outputs, NUMBER), shares[i], 1.0 - shares[i]
        losses[i] = share * losses[i] + rest * others[i]
        for j in range(n_outputs):
            row[j] = NUMBER(share) * row[j] + NUMBER(rest) * copies[i * n_outputs + j]


STAGES = {
    "mixup": Stage("augmentation_mixup", _mix, 12, mix_row=_mixup),
    "cutmix": Stage("augmentation_cutmix", _mix, 12, mix_row=_cutmix),
    "cutout": Stage("augmentation_cutout", _cutout, 12),
    "losses": Stage("augmentation_losses", _mix_losses, 14, 1),
}
