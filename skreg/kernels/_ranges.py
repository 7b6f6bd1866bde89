"""`range` as kernels need it: of its numbers nothing is known but where they begin, end and how far they are apart.

numba counts them ahead, by a division, looks whether the step is zero or negative, and takes each from a pair that it
writes to memory twice: forty instructions for LLVM at each loop, where there are a dozen here. A negative step has to
be written as a number.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model


class _Numbers(types.SimpleIteratorType):
    """What a loop goes through, of type intp; `falls` says whether the step is negative."""

    def __init__(self, falls):
        self.falls = falls
        super().__init__(f"NumbersOfRange({falls})", types.intp)


class _Range(types.SimpleIterableType):
    def __init__(self, falls):
        super().__init__(f"Range({falls})", _Numbers(falls))


_BOUNDS = [(name, types.intp) for name in ("start", "stop", "step")]


@register_model(_Range)
class _RangeModel(models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _BOUNDS)


@register_model(_Numbers)
class _NumbersModel(models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("place", types.CPointer(types.intp)), *_BOUNDS[1:]])


def _bounds(values):
    """(start, stop, step) from what is given of them."""
    number = values[0].type
    if len(values) == 1:
        values = [ir.Constant(number, 0), *values]
    return [*values, ir.Constant(number, 1)][:3]


@intrinsic(prefer_literal=True)
def kernel_range(context, *given):
    """range(stop), range(start, stop) or range(start, stop, step)."""
    if not (1 <= len(given) <= 3 and all(isinstance(types.unliteral(kind), types.Integer) for kind in given)):
        return None
    falls = isinstance(given[-1], types.IntegerLiteral) and len(given) == 3 and given[-1].literal_value < 0

    def emit(ctx, builder, signature, args):
        values = cgutils.unpack_tuple(builder, args[0])
        return cgutils.pack_struct(
            builder, _bounds([ctx.cast(builder, *pair, types.intp) for pair in zip(values, given, strict=True)])
        )

    return _Range(falls)(types.Tuple(given)), emit


@lower_builtin("getiter", _Range)
def _lower_getiter(ctx, builder, signature, args):
    start, *others = cgutils.unpack_tuple(builder, args[0])
    with builder.goto_entry_block():
        place = builder.alloca(start.type)
    builder.store(start, place)
    return cgutils.pack_struct(builder, [place, *others])


@lower_builtin("iternext", _Numbers)
def _lower_iternext(ctx, builder, signature, args):
    place, stop, step = cgutils.unpack_tuple(builder, args[0])
    number = builder.load(place)
    builder.store(builder.add(number, step, flags=["nsw"]), place)
    is_valid = builder.icmp_signed(">" if signature.args[0].falls else "<", number, stop)
    return cgutils.pack_struct(builder, [number, is_valid])
