"""Units that dropout leaves out for a whole batch need not be computed: the step is that of a smaller network.

Batchwise dropout (Graham, Reizenstein & Robinson 2015, arXiv:1502.02478). The mask of a layer is that of row 0 of
plain dropout. With rate p in two layers, the weights between them take part with (1 - p)^2 of their products. In
a step

- one member *draws* the units that stay, and notes in the layout of the smaller network how many there are;
- the weights between units that stay, multiplied by 1 / (1 - p) of their input, are copied one after the other:
  all members *shrink* the network together;
- that network takes the batch forward and back as any other does;
- each piece of its gradient is *spread* to where the weights lie in the whole network, with zeros elsewhere, and
  the optimizer then goes on as ever.

Inputs that are left out get weights of zero, so that X is copied as it is.

The layout of the smaller network (`network_layout`) names the stages, and has the addresses of what they share. For the
units of each layer, the inputs and outputs among them, there are `places`, int64: the number of units that stay before
each of n units and their number at the end, then their numbers; and n `factors`: 0 of a unit that is left out, and
what its outgoing weights are multiplied by.
"""

import numpy as np
from llvmlite import ir

from ._jit import helper, intrinsic
from ._lazy import cgutils, types
from .layout import (
    COEF,
    FAN_IN,
    FAN_OUT,
    INPUT_FACTORS,
    INPUT_PLACES,
    INTERCEPT,
    N_LAYOUT,
    OUTPUT_FACTORS,
    OUTPUT_PLACES,
    RATES,
    THINNED_PARAMS,
    WHOLE_LAYOUT,
    WHOLE_PARAMS,
)
from .random import combine, drop_threshold, dropout_key, is_kept
from .simd import VECTOR_BYTES, Vectors, element, lanes_of
from .stages import INDEX, Stage, array_at
from .team import share, wait
from .views import part, set_zero

NUMBER = None  # what a stage makes of a template

_GRANULE = 16  # intercepts that one member copies, lest two write to a cache line
# Whether a vector's lanes of a mask move together, or apart, in one instruction.
_HAS_COMPRESSION = VECTOR_BYTES == 64


# Rows of weights, in vectors --------------------------------------------------------------------------------------


def _vector_operation(name, vec, arguments):
    kind = ir.FunctionType(vec.type, [argument.type for argument in arguments])
    return vec.builder.call(cgutils.get_or_insert_function(vec.builder.module, kind, name), arguments)


@intrinsic
def _compress(context, source, at, count, factors, target, place, room, factor):
    """Of one vector, the lanes below `count` with factors > 0 go to `place`, where there is `room`. Their number."""

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, signature.args[0].dtype)
        inside = vec.first_lanes(args[2])
        values, wanted = (vec.load(element(ctx, builder, signature, args, array, args[1]), inside) for array in (0, 3))
        mask = builder.fcmp_ordered(">", wanted, vec.zero)
        scaled = builder.fmul(values, vec.broadcast(args[7]))
        together = _vector_operation(
            f"llvm.x86.avx512.mask.compress.v{vec.lanes}f{vec.bits}", vec, [scaled, vec.zero, mask]
        )
        vec.store(together, element(ctx, builder, signature, args, 4, args[5]), args[6])
        bits = builder.bitcast(mask, ir.IntType(vec.lanes))
        return builder.zext(builder.ctpop(bits), ir.IntType(64))

    i = types.intp
    return types.intp(source, i, i, factors, target, i, i, source.dtype), emit


@intrinsic
def _expand(context, values, source, target, count, factors, at, factor):
    """The lanes below `count` of a vector at `target`, with factors > 0, are those from `source` on; the rest is 0."""

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, signature.args[0].dtype)
        wanted = vec.load(element(ctx, builder, signature, args, 4, args[5]), vec.first_lanes(args[3]))
        mask = builder.fcmp_ordered(">", wanted, vec.zero)
        place = element(ctx, builder, signature, args, 0, args[1])
        apart = _vector_operation(f"llvm.masked.expandload.v{vec.lanes}f{vec.bits}", vec, [place, mask, vec.zero])
        scaled = builder.fmul(apart, vec.broadcast(args[6]))
        vec.store(scaled, element(ctx, builder, signature, args, 0, args[2]), args[3])
        return ctx.get_dummy_value()

    i = types.intp
    return types.void(values, i, i, i, factors, i, values.dtype), emit


@helper
def _shrink_row_in_vectors(row, kept, factors, to, factor):
    done = 0
    for at in range(0, len(row), lanes_of(row)):
        done += _compress(row, at, len(row) - at, factors, to, done, len(to) - done, factor)


@helper
def _shrink_row_by_number(row, kept, factors, to, factor):
    for j in range(len(to)):
        to[j] = row[kept[j]] * factor


@helper
def _spread_row_in_vectors(values, source, target, places, factors, factor):
    """From the end on, so that nothing is overwritten that is still to be read: no unit's place is behind it."""
    lanes = lanes_of(values)
    for at in range((len(factors) - 1) // lanes * lanes, -1, -lanes):
        _expand(values, source + places[at] - places[0], target + at, len(factors) - at, factors, at, factor)


@helper
def _spread_row_by_number(values, source, target, places, factors, factor):
    zero = values.dtype.type(0)
    for at in range(len(factors) - 1, -1, -1):
        values[target + at] = values[source + places[at] - places[0]] * factor if factors[at] > 0 else zero


_shrink_row = _shrink_row_in_vectors if _HAS_COMPRESSION else _shrink_row_by_number
_spread_row = _spread_row_in_vectors if _HAS_COMPRESSION else _spread_row_by_number


# Stages -----------------------------------------------------------------------------------------------------------


@helper
def _draw_layer(key, rate, places, factors, is_first):
    """Places and factors of the units that stay. Returns their number."""
    n_units, n_kept = len(factors), 0
    row_key, threshold, factor = combine(key, 0), drop_threshold(rate), factors.dtype.type(1.0 / (1.0 - rate))
    for unit in range(n_units):
        stays = is_kept(row_key, unit, threshold)
        factors[unit] = factor if stays else factors.dtype.type(0)
        if not is_first:  # inputs stay where they are
            places[unit], places[n_units + 1 + n_kept] = n_kept, unit
            n_kept += np.int64(stays)
    if not is_first:
        places[n_units] = n_kept
    return n_kept


@helper
def _draw(whole, thinned, rates, seed, step, number):
    """Draw the units of all layers."""
    for layer in range(len(rates)):
        row = layer * N_LAYOUT
        if rates[layer] > 0:
            n_units = whole[row + FAN_IN]
            places = array_at(thinned[row + INPUT_PLACES], 2 * n_units + 1, INDEX)
            factors = array_at(thinned[row + INPUT_FACTORS], n_units, number)
            n_kept = _draw_layer(dropout_key(seed, step, layer), rates[layer], places, factors, layer == 0)
            if layer > 0:
                thinned[row + FAN_IN] = thinned[row - N_LAYOUT + FAN_OUT] = n_kept


@helper
def _shrink(row, whole, thinned, member, n_members, number):
    """Copy a member's share of a layer's weights and intercepts; its row of the tables begins at `row`."""
    fan_in, fan_out = whole[row + FAN_IN], whole[row + FAN_OUT]
    n_inputs, n_outputs = thinned[row + FAN_IN], thinned[row + FAN_OUT]
    coef, intercept, size = whole[row + COEF], whole[row + INTERCEPT], whole[row + INTERCEPT] + fan_out
    source, target = array_at(thinned[WHOLE_PARAMS], size, number), array_at(thinned[THINNED_PARAMS], size, number)
    inputs = array_at(thinned[row + INPUT_PLACES] + (fan_in + 1) * 8, n_inputs, INDEX)
    outputs = array_at(thinned[row + OUTPUT_PLACES] + (fan_out + 1) * 8, n_outputs, INDEX)
    factors = array_at(thinned[row + INPUT_FACTORS], fan_in, number)
    stays = array_at(thinned[row + OUTPUT_FACTORS], fan_out, number)
    begin, end = share(n_inputs, 1, member, n_members)
    for i in range(begin, end):
        weights = part(source, coef + inputs[i] * fan_out, fan_out)
        _shrink_row(weights, outputs, stays, part(target, coef + i * n_outputs, n_outputs), factors[inputs[i]])
    begin, end = share(n_outputs, _GRANULE, member, n_members)
    for j in range(begin, end):
        target[intercept + j] = source[intercept + outputs[j]]


def _thin(network_layout, n_layers, seed, step, member, n_members, arrivals, n_met):
    """Make the network of a step; the members meet twice."""
    meetings, thinned = array_at(arrivals, 1, INDEX), array_at(network_layout, n_layers * N_LAYOUT, INDEX)
    whole = array_at(thinned[WHOLE_LAYOUT], n_layers * N_LAYOUT, INDEX)
    if member == 0:
        _draw(whole, thinned, array_at(thinned[RATES], n_layers, np.float64), seed, step, NUMBER)
    n_met = wait(meetings, n_met, n_members)
    for layer in range(n_layers):
        _shrink(layer * N_LAYOUT, whole, thinned, member, n_members, NUMBER)
    wait(meetings, n_met, n_members)


def _spread(network_layout, gradient, begin, end, has_rows, first, last):
    """The gradient of rows begin:end and columns first:last of a layer's weights, at the address `gradient`: of the
    smaller network's before, of the whole one's after.

    Unless it `has_rows` it is one row, that of intercepts. The first address is that of the layer's row.
    """
    row, width = array_at(network_layout, N_LAYOUT, INDEX), last - first
    places = part(array_at(row[OUTPUT_PLACES], last + 1, INDEX), first, width + 1)
    factors = part(array_at(row[OUTPUT_FACTORS], last, NUMBER), first, width)
    values, n_outputs = array_at(gradient, (end - begin) * width, NUMBER), places[width] - places[0]
    row_places, row_factors = array_at(row[INPUT_PLACES], end + 1, INDEX), array_at(row[INPUT_FACTORS], end, NUMBER)
    for i in range(end - 1, begin - 1, -1):
        target = (i - begin) * width
        source = (row_places[i] - row_places[begin]) * n_outputs if has_rows else 0
        factor = row_factors[i] if has_rows else NUMBER(1)
        if factor > 0:
            _spread_row(values, source, target, places, factors, factor)
        else:
            set_zero(part(values, target, width))


STAGES = {"thin": Stage("thinning_thin", _thin, 8), "spread": Stage("thinning_spread", _spread, 7)}
