"""`min`, `max`, `//` and `%` of numbers in a few instructions.

numba has the first two in Python and compiles them anew for each combination of types. Its quotients take thirty
instructions and five branches each, of which LLVM leaves three where the divisor is a constant.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _make_extreme(relation):
    """Intrinsic: of several numbers that to which none of the others has a relation, the first of equal ones.

    A NaN is that only where it is the first, as in Python.
    """

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


minimum, maximum = _make_extreme("<"), _make_extreme(">")


def _emit_division(builder, dividend, divisor):
    """(quotient, remainder, whether the quotient is one too large: the remainder has not the sign of the divisor)."""
    remainder, zero = builder.srem(dividend, divisor), ir.Constant(divisor.type, 0)
    differs = builder.icmp_signed("<", builder.xor(remainder, divisor), zero)
    is_large = builder.and_(builder.icmp_signed("!=", remainder, zero), differs)
    return builder.sdiv(dividend, divisor), remainder, is_large


def _emit_floordiv(builder, dividend, divisor):
    quotient, _, is_large = _emit_division(builder, dividend, divisor)
    return builder.sub(quotient, builder.zext(is_large, quotient.type))


def _emit_mod(builder, dividend, divisor):
    _, remainder, is_large = _emit_division(builder, dividend, divisor)
    return builder.add(remainder, builder.select(is_large, divisor, ir.Constant(divisor.type, 0)))


def _defined_for_zero(emit):
    """Zero where the divisor is, as in NumPy and where numba's error model is NumPy's."""

    def emit_defined(builder, args):
        dividend, divisor = args
        if isinstance(divisor, ir.Constant) and divisor.constant:
            return emit(builder, dividend, divisor)
        zero = ir.Constant(divisor.type, 0)
        is_zero = builder.icmp_signed("==", divisor, zero)
        result = emit(builder, dividend, builder.select(is_zero, ir.Constant(divisor.type, 1), divisor))
        return builder.select(is_zero, zero, result)

    return emit_defined


_DIVISIONS = {
    operation: _defined_for_zero(emit)
    for emit, operations in {
        _emit_floordiv: (operator.floordiv, operator.ifloordiv),
        _emit_mod: (operator.mod, operator.imod),
    }.items()
    for operation in operations
}


def division(operation, kinds):
    """What emits `//` or `%` of signed integers; None for all else."""
    if operation in _DIVISIONS and all(isinstance(kind, types.Integer) and kind.signed for kind in kinds):
        return _DIVISIONS[operation]
    return None
