"""The kernels that Python calls. Each is compiled once for a dtype, whatever the network.

Shared arguments
----------------
x, x_row, x_col : dense X as a flat array and the steps between its rows and columns (empty if sparse)
data, indices, indptr : CSR X (empty if dense); `indices` are bytes, 4 or 8 of each number
y, n_targets : n_targets numbers for each row in X's dtype, flat; class indices for the multinomial loss
weights : sample weights with mean 1, or empty for equal ones
mixed_weights : where rows are mixed and have weights, what these become (see augmentation.py); else empty
subset, order : the rows to train on, or empty for all; the order in which an epoch takes rows
params : flat weights and intercepts, then those of normalisation; layout, penalties : see layout.py
network, network_layout : what a batch passes through: `params` and `layout`, or what thinning.py makes of them
loss, link : addresses of their stages, see stages.py
loss_parameters : float64 numbers that the loss needs, see losses.py; may be empty
work : scratch; the layout's buffers hold as many rows as a batch or block
row_terms : scratch, two float64 for each row of a batch or block
panels : scratch of the products, one part for each member
gradients, shared_gradient, squares : scratch of the descent, see descent.py; the first has one part for each member
clip, average_stage, average : see clipping.py and averaging.py; NO_ADDRESS and empty where they are not used
evaluate_stage, evaluations, tasks : address of the stage in evaluation.py, its tables, one after the other, and a
    counter for each of them and each epoch, at first 0
member, n_members, arrivals : the team, see team.py; member 0 returns the sums
results : the two float64 that a call from Python returns; it does not give them
"""

import math

from ._entry import entry
from ._jit import exact_helper, helper
from .descent import descend
from .dots import ROWS
from .evaluation import mean_terms, pass_all, total
from .layout import BETA_1, BETA_2, THIN
from .network import add_gradients, deltas, forward, has_activity_penalty, loss_of_rows, rank_one_of_batch
from .optimizers import step_length
from .penalties import all_penalties
from .random import shuffle
from .rank_one import is_of_rank_one
from .stages import NO_ADDRESS, address_of, call_stage
from .subnormal import flush_subnormals, restore
from .team import share, wait, wait_for_tasks
from .views import nth_part, part


@helper
def _draw_order(order, subset, seed, epoch):
    shuffle(order, seed, epoch)
    if len(subset) > 0:
        for i in range(len(order)):
            order[i] = subset[order[i]]


@exact_helper
def _objective(terms):
    """To the last bit what Python makes of the terms, for both to stop at the same epoch."""
    return terms[0] + terms[1] + terms[2] + terms[3]


@helper
def _copy(source, target):
    for i in range(len(source)):
        target[i] = source[i]


@helper
def _record(n_done, mean_loss, mean_activity, shown, evaluations, layout, penalties, terms, kept):
    """`terms` and `kept` of the epoch after `n_done` others, from the means met on the way."""
    if len(evaluations) > 0 and math.isfinite(mean_loss):
        mean_loss, mean_activity = mean_terms(evaluations, n_done)
    terms[4 * n_done], terms[4 * n_done + 3] = mean_loss, mean_activity
    terms[4 * n_done + 1], terms[4 * n_done + 2] = all_penalties(shown, layout, penalties)
    if len(kept) > 0:
        _copy(shown, part(kept, n_done * len(shown), len(shown)))


@entry
def train_epochs(x, x_row, x_col, data, indices, indptr, y, n_targets, weights, mixed_weights, subset, order, shuffled,
                 params, network, state, layout, network_layout, penalties, loss, loss_parameters, optimizer, rates,
                 learning_rates, clip, average_stage, average, average_rates, n_averaged, batch_size, seed, epoch, step,
                 reach, n_epochs, patience, evaluate_stage, evaluations, tasks, terms, kept, work, row_terms, panels,
                 gradients, shared_gradient, squares, member, n_members, arrivals, results):  # fmt: skip
    """Up to `n_epochs` passes over the data. Returns their number and the optimizer's reach (see optimizers.py).

    `terms` gets the four terms of the objective for each epoch: mean loss and mean activity penalty are
    those met on the way, or those of the first of `evaluations` at its end; the penalties on weights and on
    intercepts are those at its end, not finite where a parameter is not. What is said of an epoch's end is that of the
    average, once there is one. Unless `kept` is empty, it gets the parameters at the end of each epoch.

    An epoch whose terms are not finite is the last. So is one that exhausts the `patience`: four numbers, the best
    objective before, by how much more than that it must improve, and of epochs where it did not how many there have
    been, and how many there may be.

    `epoch` and `step` are the numbers of epochs and updates before; `learning_rates` and `average_rates`, see
    averaging.py, have one entry for each update to come, and `n_averaged` one for each epoch: how many updates the
    average then is of.
    """
    control = flush_subnormals()
    n_samples = len(order)
    panel = nth_part(panels, member, n_members)
    gradient = nth_part(gradients, member, n_members) if clip == NO_ADDRESS else gradients
    row_loss, row_activity = nth_part(row_terms, 0, 2), nth_part(row_terms, 1, 2)
    scale, penalises_activity = 1.0 / batch_size, has_activity_penalty(layout)
    row_weights = mixed_weights if len(mixed_weights) > 0 else weights
    n_met, n_done, n_steps = 0, 0, 0
    best, tol, n_without, most_without = patience[0], patience[1], patience[2], patience[3]
    for _ in range(n_epochs):
        if member == 0 and shuffled:
            _draw_order(order, subset, seed, epoch + n_done)
        n_met = wait(arrivals, n_met, n_members)
        if n_done > 0:
            objective = _objective(part(terms, 4 * n_done - 4, 4))
            n_without = n_without + 1 if objective > best - tol else 0
            best = min(best, objective)
            if not math.isfinite(objective) or n_without > most_without:
                break
        total_loss, total_activity = 0.0, 0.0
        power_1, power_2 = rates[BETA_1] ** step, rates[BETA_2] ** step
        for start in range(0, n_samples, batch_size):
            rows = part(order, start, min(batch_size, n_samples - start))
            upcoming = part(order, start + len(rows), min(batch_size, n_samples - start - len(rows)))
            begin, end = share(len(rows), ROWS, member, n_members)
            if network_layout[0, THIN] != NO_ADDRESS:
                call_stage(network_layout[0, THIN], (address_of(network_layout, 0), len(layout), seed, step,
                                                     member, n_members, address_of(arrivals, 0), n_met))  # fmt: skip
                n_met += 2
            n_met = forward(x, x_row, x_col, data, indices, indptr, rows, upcoming, begin, end, network, network_layout,
                            penalties, seed, step, work, panel, row_weights, scale, False, member, n_members, arrivals,
                            n_met)  # fmt: skip
            loss_of_rows(y, n_targets, weights, rows, begin, end, scale, layout, loss, loss_parameters, work,
                         row_loss)  # fmt: skip
            made_of = rank_one_of_batch(row_weights, rows, indptr, scale, network, network_layout, penalties, work,
                                        row_activity, n_members)  # fmt: skip
            if not is_of_rank_one(made_of):
                n_met = deltas(row_weights, rows, begin, end, scale, network, network_layout, penalties, seed, step,
                               work, panel, row_activity, member, n_members, arrivals, n_met)  # fmt: skip
            n_met = wait_for_tasks(arrivals, n_met, n_members, member)
            if member == 0:
                total_loss += total(row_loss, len(rows))
            power_1, power_2 = power_1 * rates[BETA_1], power_2 * rates[BETA_2]
            fraction = len(rows) * scale
            learning_rate = learning_rates[n_steps]
            n_met, reach = descend(data, indices, indptr, rows, params, state, layout, network_layout, penalties,
                                   optimizer, rates, learning_rate,
                                   step_length(optimizer, learning_rate, power_1, power_2), reach, fraction, clip,
                                   seed, step, made_of, work, panel, gradient, shared_gradient, squares, member,
                                   n_members, arrivals, n_met)  # fmt: skip
            if member == 0 and penalises_activity:
                total_activity += total(row_activity, len(rows))
            n_met = wait(arrivals, n_met, n_members)
            if average_stage != NO_ADDRESS:
                call_stage(average_stage, (address_of(average, 0), address_of(params, 0), len(params), member,
                                           n_members, average_rates[n_steps]))  # fmt: skip
            step, n_steps = step + 1, n_steps + 1
        shown = average if n_averaged[n_done] > 0 else params
        if len(evaluations) > 0:
            n_met = wait(arrivals, n_met, n_members)  # all have moved the average
            pass_all(evaluate_stage, evaluations, tasks, shown, n_done, member, n_members)
            n_met = wait(arrivals, n_met, n_members)
        if member == 0:
            _record(n_done, total_loss / n_samples, total_activity / n_samples, shown, evaluations, layout, penalties,
                    terms, kept)  # fmt: skip
        n_done += 1
    restore(control)
    results[0], results[1] = n_done, reach


@entry
def evaluate(params, stage, table, member, n_members, arrivals):
    """One pass of the data of a table by the stage of evaluation.py at an address."""
    control = flush_subnormals()
    call_stage(stage, (address_of(table, 0), address_of(params, 0), 0, member, n_members, address_of(arrivals, 0)))
    restore(control)


@entry
def loss_gradient(x, x_row, x_col, data, indices, indptr, y, n_targets, weights, order, params, gradient, layout,
                  penalties, loss, loss_parameters, block_size, scale, work, row_terms, panels, member, n_members,
                  arrivals, results):  # fmt: skip
    """Add the gradient of scale * (losses + activity penalties) over the rows `order` to `gradient`.

    Returns both sums, unscaled.
    """
    control = flush_subnormals()
    panel = nth_part(panels, member, n_members)
    row_loss, row_activity = nth_part(row_terms, 0, 2), nth_part(row_terms, 1, 2)
    total_loss, total_activity = 0.0, 0.0
    n_met = 0
    for start in range(0, len(order), block_size):
        rows = part(order, start, min(block_size, len(order) - start))
        begin, end = share(len(rows), ROWS, member, n_members)
        n_met = forward(x, x_row, x_col, data, indices, indptr, rows, part(order, 0, 0), begin, end, params, layout,
                        penalties, 0, 0, work, panel, weights, 0.0, False, member, n_members, arrivals,
                        n_met)  # fmt: skip
        loss_of_rows(y, n_targets, weights, rows, begin, end, scale, layout, loss, loss_parameters, work,
                         row_loss)  # fmt: skip
        n_met = deltas(weights, rows, begin, end, scale, params, layout, penalties, 0, 0, work, panel, row_activity,
                       member, n_members, arrivals, n_met)  # fmt: skip
        n_met = wait(arrivals, n_met, n_members)
        add_gradients(data, indices, indptr, rows, layout, work, panel, gradient, member, n_members)
        if member == 0:
            total_loss += total(row_loss, len(rows))
            total_activity += total(row_activity, len(rows))
        n_met = wait(arrivals, n_met, n_members)
    restore(control)
    results[0], results[1] = total_loss, total_activity
