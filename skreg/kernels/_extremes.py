"""`min` and `max` of numbers, as in Python: the first of equal ones, and a NaN only where it is the first.

numba has them in Python and compiles them anew for each combination of types.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _make_extreme(relation):
    """Intrinsic: of several numbers that to which none of the others has a relation."""

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
