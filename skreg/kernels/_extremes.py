"""`min` and `max` of numbers: numba compiles a function of its own in Python for each combination of types."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _make_extreme(relation):
    """Intrinsic: that of all numbers to which none of those behind it has a relation; a NaN stands for itself."""

    @intrinsic
    def extreme(context, *numbers):
        kind = context.unify_types(*map(types.unliteral, numbers))

        def emit(ctx, builder, signature, args):
            values = cgutils.unpack_tuple(builder, args[0])
            found, *others = (ctx.cast(builder, *pair, kind) for pair in zip(values, numbers, strict=True))
            for other in others:
                if isinstance(other.type, ir.IntType):
                    is_better = builder.icmp_signed(relation, other, found)
                else:
                    is_better = builder.fcmp_ordered(relation, other, found)
                found = builder.select(is_better, other, found)
            return found

        if isinstance(kind, types.Float) or (isinstance(kind, types.Integer) and kind.signed):
            return kind(types.Tuple(numbers)), emit

    return extreme


EXTREMES = {min: _make_extreme("<"), max: _make_extreme(">")}
