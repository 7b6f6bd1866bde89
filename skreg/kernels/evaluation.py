"""A forward pass without dropout over all rows of some data, block by block: to predict, or to measure a network.

A stage: Python runs it by `evaluate` in entry.py, and training itself at the end of an epoch. What it works on is the
same from call to call and lies in a *table*, of which the columns below are

- addresses of arrays, each with its number of elements in the next column;
- numbers.

Arrays and numbers are called as in entry.py, but for

- `rows`: the numbers 0, 1, ... of the rows of a block;
- `layout` and `penalties`, of which the DROPOUT column must be zero: nothing may be done to the inputs;
- `prediction`: gets `n_columns` numbers for each row, by a link, or raw ones for NO_ADDRESS; may be empty;
- `terms`: gets the sums of losses and of activity penalties of each block; or where y is empty, of dense inputs, and
  zero: not finite where an input is not;
- `works`, `row_terms` and `panels`: scratch, with one part for each member.

Those two results have room for several *times* that the data are passed.
"""

from ._entry import entry
from ._jit import helper
from .layout import FAN_IN, INPUT, INPUT_STRIDE, N_LAYOUT, N_PENALTIES
from .network import activity_of_rows, forward, loss_of_rows, sum_of_inputs, write_predictions
from .stages import BYTE, INDEX, TERM, Stage, address_of, array_at, array_of, call_stage, table_at
from .team import next_task
from .views import nth_part, part, rest

NUMBER = None  # what a stage makes of the template

# columns of the table
X, DATA, INDICES, INDPTR, Y, WEIGHTS, ROWS = 0, 2, 4, 6, 8, 10, 12
PREDICTION, LAYOUT, PENALTIES, LOSS_PARAMETERS, TERMS = 14, 16, 18, 20, 22
WORKS, ROW_TERMS, PANELS = 24, 26, 28
X_ROW, X_COL, N_SAMPLES, N_TARGETS, LINK, N_COLUMNS = 30, 31, 32, 33, 34, 35
N_LAYERS, N_PARAMS, LOSS, BLOCK_SIZE = 36, 37, 38, 39
N_TABLE = 40


@helper
def _set(table, place, array):
    table[place], table[place + 1] = address_of(array, 0), len(array)


@entry
def describe_data(table, x, data, indices, indptr, y, weights, rows, prediction, layout, penalties, loss_parameters,
                  terms, works, row_terms, panels, x_row, x_col, n_samples, n_targets, link, n_columns, n_params, loss,
                  block_size):  # fmt: skip
    """Fill a table; its arrays must outlive it. Python would take a third of the time of predicting a row for it."""
    _set(table, X, x)
    _set(table, DATA, data)
    _set(table, INDICES, indices)
    _set(table, INDPTR, indptr)
    _set(table, Y, y)
    _set(table, WEIGHTS, weights)
    _set(table, ROWS, rows)
    _set(table, PREDICTION, prediction)
    _set(table, LAYOUT, layout)
    _set(table, PENALTIES, penalties)
    _set(table, LOSS_PARAMETERS, loss_parameters)
    _set(table, TERMS, terms)
    _set(table, WORKS, works)
    _set(table, ROW_TERMS, row_terms)
    _set(table, PANELS, panels)
    table[X_ROW], table[X_COL], table[N_SAMPLES], table[N_TARGETS] = x_row, x_col, n_samples, n_targets
    table[LINK], table[N_COLUMNS], table[N_LAYERS], table[N_PARAMS] = link, n_columns, len(layout), n_params
    table[LOSS], table[BLOCK_SIZE] = loss, block_size


@helper
def total(row_terms, count):
    """Sum in the order of the rows, so that it does not depend on who computed them."""
    result = 0.0
    for i in range(count):
        result += row_terms[i]
    return result


@helper
def _n_blocks(table):
    return (table[N_SAMPLES] + table[BLOCK_SIZE] - 1) // table[BLOCK_SIZE]


@helper
def mean_terms(tables, time):
    """(mean loss, mean activity penalty) of the data of the first table when they were passed for that time."""
    table = array_at(address_of(tables, 0), N_TABLE, INDEX)
    size, loss, activity = 2 * _n_blocks(table), 0.0, 0.0
    terms = rest(array_of(table, TERMS, TERM), time * size)
    for i in range(0, size, 2):
        loss += terms[i]
        activity += terms[i + 1]
    return loss / table[N_SAMPLES], activity / table[N_SAMPLES]


@helper
def pass_all(stage, tables, tasks, params, time, member, n_members):
    """A member's part in one pass of the data of each table."""
    n_tables = len(tables) // N_TABLE
    for number in range(n_tables):
        call_stage(stage, (address_of(tables, number * N_TABLE), address_of(params, 0), time, member, n_members,
                           address_of(tasks, time * n_tables + number)))  # fmt: skip


def _evaluate(address, network, time, member, n_members, task_counter):
    """Each member takes the next block that is left: the counter was 0 before.

    `address` is that of the table, `network` that of the parameters.
    """
    table, tasks = array_at(address, N_TABLE, INDEX), array_at(task_counter, 1, INDEX)
    x, data, y = array_of(table, X, NUMBER), array_of(table, DATA, NUMBER), array_of(table, Y, NUMBER)
    weights, params = array_of(table, WEIGHTS, NUMBER), array_at(network, table[N_PARAMS], NUMBER)
    indices, indptr, rows = array_of(table, INDICES, BYTE), array_of(table, INDPTR, INDEX), array_of(table, ROWS, INDEX)
    layout = table_at(table[LAYOUT], table[N_LAYERS], N_LAYOUT, INDEX)
    penalties = table_at(table[PENALTIES], table[N_LAYERS], N_PENALTIES, TERM)
    n_samples, n_targets, n_columns = table[N_SAMPLES], table[N_TARGETS], table[N_COLUMNS]
    x_row, x_col, block_size, n_blocks = table[X_ROW], table[X_COL], table[BLOCK_SIZE], _n_blocks(table)

    prediction = rest(array_of(table, PREDICTION, NUMBER), time * n_samples * n_columns)
    terms = rest(array_of(table, TERMS, TERM), time * 2 * n_blocks)
    work = nth_part(array_of(table, WORKS, NUMBER), member, n_members)
    panel = nth_part(array_of(table, PANELS, NUMBER), member, n_members)
    own_terms = nth_part(array_of(table, ROW_TERMS, TERM), member, n_members)
    row_loss, row_activity = nth_part(own_terms, 0, 2), nth_part(own_terms, 1, 2)
    in_place = x_col == 1 and len(indptr) == 0
    block = next_task(tasks)
    while block < n_blocks:  # which is true of no block of a team that is disbanded
        start = block * block_size
        n_rows = min(block_size, n_samples - start)
        of_block, x_of_block, weights_of_block = part(rows, 0, n_rows), rest(x, start * x_row), rest(weights, start)
        # Before, since that brings the rows near, one after the other.
        inputs = sum_of_inputs(x_of_block, 0, x_row, n_rows, layout[0, FAN_IN]) if in_place else 0.0
        forward(x_of_block, x_row, x_col, data, indices, rest(indptr, start), of_block, part(rows, 0, 0), 0, n_rows,
                params, layout, penalties, 0, 0, work, panel, weights_of_block, 0.0, in_place, 0, 1, tasks,
                0)  # fmt: skip
        if len(prediction) > 0:
            write_predictions(table[LINK], n_rows, n_columns, layout, work, prediction, start * n_columns)
        terms[2 * block] = terms[2 * block + 1] = 0.0
        if len(y) > 0:
            activity_of_rows(weights_of_block, of_block, n_rows, layout, penalties, work, row_activity)
            loss_of_rows(rest(y, start * n_targets), n_targets, weights_of_block, of_block, 0, n_rows, 1.0, layout,
                         table[LOSS], array_of(table, LOSS_PARAMETERS, TERM), work, row_loss)  # fmt: skip
            terms[2 * block], terms[2 * block + 1] = total(row_loss, n_rows), total(row_activity, n_rows)
        elif in_place:
            terms[2 * block] = inputs
        elif len(indptr) == 0:
            terms[2 * block] = sum_of_inputs(work, layout[0, INPUT], layout[0, INPUT_STRIDE], n_rows,
                                             layout[0, FAN_IN])  # fmt: skip
        block = next_task(tasks)


STAGES = {"evaluation": Stage("evaluation", _evaluate, 6)}
