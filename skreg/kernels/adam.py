"""Adam's step, one vector of parameters at a time.

Square root and quotient would take three quarters of the time: a vector of 16 float32 needs 20 cycles
for the root and 10 for the quotient, all else 12. With AVX-512 they are Newton's iterations from
estimates of 14 bits instead, each of which doubles the bits: one in float32, two in float64, which
leaves 1 or 2 units in the last place. Other processors take the exact instructions.

Kingma & Ba (2015), arXiv:1412.6980, with a proximal step in the metric of Adam.
"""

from ._jit import intrinsic, uniform
from ._lazy import types
from .simd import Vectors, element, emit_prefetch, ir, lanes_of

# The processor's own prefetching ends with each page of 4 KiB.
_BYTES_AHEAD = 2048


def _emit_length(vec, second, step, epsilon):
    """step / (sqrt(second) + epsilon)."""
    return vec.builder.fmul(step, vec.inverse(vec.builder.fadd(vec.root(second), epsilon)))


def _emit_step(vec, w, gradient, first, second, constants):
    """(weights, first moments, second moments) after a step."""
    l2, step, threshold, beta_1, rest_1, beta_2, rest_2, epsilon = constants
    builder = vec.builder
    g = vec.fma(l2, w, gradient)
    first = vec.fma(rest_1, g, builder.fmul(beta_1, first))
    second = vec.fma(rest_2, builder.fmul(g, g), builder.fmul(beta_2, second))
    length = _emit_length(vec, second, step, epsilon)
    w = builder.fsub(w, builder.fmul(length, first))
    # Soft threshold: a weight within it becomes an exact zero, a NaN stays one.
    reach = builder.fmul(length, threshold)
    within = vec.at_most(reach, vec.at_least(builder.fneg(reach), w))
    return builder.fsub(w, within), first, second


def _make_block(whole):
    """Intrinsic: the step of one vector of parameters, or of its first `count` if not `whole`."""

    @intrinsic
    def block(
        context, w, gradient, first, second, at, count, l2, step, threshold, beta_1, rest_1, beta_2, rest_2, epsilon
    ):  # fmt: skip
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            count = None if whole else args[5]
            mask = None if whole else vec.first_lanes(count)

            places = [element(ctx, builder, signature, args, array, args[4]) for array in range(4)]
            changed = places[0], *places[2:]
            if whole:
                for place in changed:
                    ahead = builder.gep(place, [ir.Constant(args[4].type, _BYTES_AHEAD * 8 // vec.bits)])
                    emit_prefetch(builder, ahead, to_write=True)
            constants = [vec.broadcast(value) for value in args[6:]]
            after = _emit_step(vec, *(vec.load(place, mask) for place in places), constants)
            for place, value in zip(changed, after, strict=True):
                vec.store(value, place, count)
            return ctx.get_dummy_value()

        number = w.dtype
        return types.void(w, gradient, first, second, types.intp, types.intp, *[number] * 8), emit

    return block


_whole_block, _part_of_block = _make_block(True), _make_block(False)


@uniform
def adam(w, gradient, first, second, l2, step, threshold, beta_1, rest_1, beta_2, rest_2, epsilon):
    """One step of all of `w`; `step` holds the corrections of both moments.

    `rest_1` and `rest_2` are 1 - beta_1 and 1 - beta_2, rounded once: 1 - float32(0.999) is off by 1e-5.
    """
    n, lanes = len(w), lanes_of(w)
    n_whole = n // lanes * lanes
    for at in range(0, n_whole, lanes):
        _whole_block(w, gradient, first, second, at, lanes, l2, step, threshold, beta_1, rest_1, beta_2, rest_2,
                     epsilon)  # fmt: skip
    if n_whole < n:
        _part_of_block(w, gradient, first, second, n_whole, n - n_whole, l2, step, threshold, beta_1, rest_1, beta_2,
                       rest_2, epsilon)  # fmt: skip


def _make_lengths(whole):
    """Intrinsic: the lengths of the steps of one vector of parameters, or of its first `count`."""

    @intrinsic
    def lengths(context, second, to, at, count, step, epsilon):
        def emit(ctx, builder, signature, args):
            vec = Vectors(builder, signature.args[0].dtype)
            count = None if whole else args[3]
            mask = None if whole else vec.first_lanes(count)
            source, target = (element(ctx, builder, signature, args, array, args[2]) for array in range(2))
            step, epsilon = vec.broadcast(args[4]), vec.broadcast(args[5])
            vec.store(_emit_length(vec, vec.load(source, mask), step, epsilon), target, count)
            return ctx.get_dummy_value()

        return types.void(second, to, types.intp, types.intp, second.dtype, second.dtype), emit

    return lengths


_whole_lengths, _part_of_lengths = _make_lengths(True), _make_lengths(False)


@uniform
def step_lengths(second, to, step, epsilon):
    """Lengths of Adam's steps of the parameters with these second moments, for proximal steps that come later."""
    n, lanes = len(second), lanes_of(second)
    n_whole = n // lanes * lanes
    for at in range(0, n_whole, lanes):
        _whole_lengths(second, to, at, lanes, step, epsilon)
    if n_whole < n:
        _part_of_lengths(second, to, n_whole, n - n_whole, step, epsilon)
