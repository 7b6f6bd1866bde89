"""Elementary functions that LLVM can vectorise, of one float32 or float64 argument.

A loop that calls the mathematical library stays scalar. These functions are arithmetic and selections
alone, without branches, calls or tables, so that a loop over a row becomes vector code of the host's
width. Error bounds are in ulp, units in the last place of the result, against the exact value; they hold
with and without fused multiply-adds. NaN in, NaN out; 0 keeps its sign where the function is odd.

The methods are classical (Cody & Waite, Software Manual for the Elementary Functions, 1980; Muller,
Elementary Functions, 2016): reduce the argument, evaluate a polynomial, scale by changing the exponent's
bits. Each polynomial has the least maximal relative error of the *function* on its interval, found by
Remez's exchange in 45 digits and then rounded; a comment tells function and interval.
"""

import math

from llvmlite import ir

from ._jit import exact_helper, intrinsic
from ._lazy import cgutils, types

_MANTISSA_BITS = {"float32": 23, "float64": 52}
_BIAS = {"float32": 127, "float64": 1023}
_BITS_OF_ROOT_OF_HALF = {"float32": 0x3F3504F3, "float64": 0x3FE6A09E667F3BCD}


def _integer(kind):
    return ir.IntType(kind.bitwidth)


def _polynomial(single, double):
    """Intrinsic p(x) = c[0] + c[1] x + ... with the coefficients for the type of x.

    By Horner's rule; long ones as even + x odd, two chains of operations that do not wait for each other.
    """
    coefficients = {"float32": single, "float64": double}

    @intrinsic
    def evaluate(context, x):
        def emit(ctx, builder, signature, args):
            def horner(values, x):
                *lower, total = (ir.Constant(x.type, c) for c in values)
                for c in reversed(lower):
                    total = builder.fadd(builder.fmul(total, x), c)
                return total

            (value,), c = args, coefficients[x.name]
            if len(c) < 8:
                return horner(c, value)
            square = builder.fmul(value, value)
            return builder.fadd(builder.fmul(value, horner(c[1::2], square)), horner(c[::2], square))

        return x(x), emit

    return evaluate


def _constant(single, double=None):
    """Intrinsic c(x): a number in the type of x, since a plain one would make everything float64."""
    return _polynomial([single], [single if double is None else double])


@intrinsic
def _times_power_of_2(context, y, shifted):
    """2^n y by adding n to the exponent of y; n is in the low bits of `shifted` = n + _SHIFT.

    Right if y and the result are normal numbers.
    """

    def emit(ctx, builder, signature, args):
        integer = _integer(y)
        y_bits, n = (builder.bitcast(value, integer) for value in args)
        exponent = builder.shl(n, integer(_MANTISSA_BITS[y.name]))
        return builder.bitcast(builder.add(y_bits, exponent), args[0].type)

    return y(y, y), emit


@intrinsic
def _exponent(context, x):
    """The whole number n for which x / 2^n is in [sqrt(1/2), sqrt(2)), as a float; x is positive and normal."""

    def emit(ctx, builder, signature, args):
        exponent = builder.lshr(_shifted_bits(builder, x, args[0]), _integer(x)(_MANTISSA_BITS[x.name]))
        narrow = exponent if x == types.float32 else builder.trunc(exponent, ir.IntType(32))  # no AVX2 for 64 bits
        return builder.sitofp(builder.sub(narrow, ir.IntType(32)(_BIAS[x.name])), args[0].type)

    return x(x), emit


@intrinsic
def _significand(context, x):
    """x / 2^n in [sqrt(1/2), sqrt(2))."""

    def emit(ctx, builder, signature, args):
        integer = _integer(x)
        fraction = builder.and_(_shifted_bits(builder, x, args[0]), integer(2 ** _MANTISSA_BITS[x.name] - 1))
        return builder.bitcast(builder.add(fraction, integer(_BITS_OF_ROOT_OF_HALF[x.name])), args[0].type)

    return x(x), emit


def _shifted_bits(builder, kind, value):
    """Bits of a number whose exponent field changes where the number is sqrt(1/2) 2^n."""
    integer = _integer(kind)
    shift = (_BIAS[kind.name] << _MANTISSA_BITS[kind.name]) - _BITS_OF_ROOT_OF_HALF[kind.name]
    return builder.add(builder.bitcast(value, integer), integer(shift))


@intrinsic
def power_of_2_that_shrinks(context, x, most):
    """2^-n in the type of x for the n with which it makes x, positive and normal, a number of [1/2, 1); |n| <= most."""

    def emit(ctx, builder, signature, args):
        integer, mantissa_bits, bias = _integer(x), _MANTISSA_BITS[x.name], _BIAS[x.name]
        value, most = args[0], builder.trunc(args[1], integer) if x.bitwidth < 64 else args[1]
        n = builder.sub(builder.lshr(builder.bitcast(value, integer), integer(mantissa_bits)), integer(bias - 1))
        n = builder.select(builder.icmp_signed("<", n, most), n, most)
        least = builder.neg(most)
        n = builder.select(builder.icmp_signed(">", n, least), n, least)
        return builder.bitcast(builder.shl(builder.sub(integer(bias), n), integer(mantissa_bits)), value.type)

    return x(x, types.int64), emit


@intrinsic
def as_number(context, integer, x):
    """An integer of up to 31 bits in the type of x."""

    def emit(ctx, builder, signature, args):
        narrow = builder.trunc(args[0], ir.IntType(32)) if integer.bitwidth > 32 else args[0]
        return builder.sitofp(narrow, args[1].type)

    return x(integer, x), emit


@intrinsic
def maximum(context, x, y):
    """The larger number; NaN if either is."""

    def emit(ctx, builder, signature, args):
        kind = args[0].type
        signature = ir.FunctionType(kind, [kind, kind])
        name = f"llvm.maximum.f{x.bitwidth}"
        return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), args)

    return x(x, x), emit


constant = _constant
_ZERO, _ONE, _TWO = _constant(0.0), _constant(1.0), _constant(2.0)
zero, one = _ZERO, _ONE
_HALF, _MINUS_TWO = _constant(0.5), _constant(-2.0)
_INFINITY, _NAN = _constant(math.inf), _constant(math.nan)

_LOG2_E = _constant(1.442695, 1.4426950408889634)
# log 2 in two parts: products of the first with any exponent are exact
_LN_2_HIGH = _constant(0.693115234375, 0.693147180559663)
_LN_2_LOW = _constant(3.1946183e-05, 2.8235290563031577e-13)
# z + 1.5 * 2^23 (2^52) rounds z to an integer, which is then the low bits of the sum
_SHIFT = _constant(1.5 * 2.0**23, 1.5 * 2.0**52)
_SMALLEST = _constant(2.0**-126, 2.0**-1022)
_LN_OF_SMALLEST = _constant(-87.33654, -708.3964185322641)
_LN_OF_LARGEST = _constant(88.72283, 709.782712893384)

# (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2
_EXP = _polynomial(
    [0.49999997, 0.16666543, 0.0416672, 0.008366523, 0.0013882449],
    [0.5000000000000006, 0.16666666666666588, 0.04166666666657678, 0.008333333333389594, 0.0013888888931557475,
     0.00019841269718905223, 2.480150528164922e-05, 2.755740763576856e-06, 2.762603515681589e-07,
     2.5053746400475446e-08],
)  # fmt: skip
# (atanh(s) / s - 1) / s^2 as a polynomial in s^2, for |s| <= 1/3
_ATANH = _polynomial(
    [0.3333321, 0.2001072, 0.14001453, 0.14003862],
    [0.33333333333333154, 0.20000000000077967, 0.1428571427400358, 0.11111111980469096, 0.09090872104719483,
     0.07693277192863118, 0.06650519825991816, 0.06052807017301716, 0.04170977048587264, 0.08507757417093603],
)  # fmt: skip
# exp(x) - 1 rounds to -1 below the first and to exp(x) above the second
_EXPM1_IS_MINUS_1, _EXPM1_IS_EXP = _constant(-18.0, -40.0), _constant(18.0, 40.0)
_TANH_IS_ONE = _constant(9.5, 19.5)
# erf(x) / x - 1 as a polynomial in x^2, for |x| <= 0.875
_ERF = _polynomial(
    [0.12837915, -0.3761255, 0.11282456, -0.026791487, 0.0050322167, -0.00062034297],
    [0.12837916709551256, -0.3761263890318299, 0.11283791670915576, -0.02686617063714176, 0.005223977542429903,
     -0.0008548321976911603, 0.00012055141066547692, -1.4920941803789464e-05, 1.6387372399094995e-06,
     -1.561924444691348e-07, 1.0456754534927134e-08],
)  # fmt: skip
# -log(erfc(0.875 + u)) for 0.875 <= 0.875 + u <= _ERF_IS_ONE, weighted for the error of erf
_ERF_SPLIT = _constant(0.875)
_ERF_IS_ONE = _constant(3.9375, 5.9375)
_LN_OF_ERFC = _polynomial(
    [1.5328244, 2.430219, 0.8265527, 0.046839066, -0.011199741, 0.0020370462, -0.00020099143],
    [1.5328244365985517, 2.4302197229548095, 0.8265416933355576, 0.04689605452134164, -0.01132333923106709,
     0.002143994644025801, -0.00020077424065168345, -5.93191753049488e-05, 3.944213992019091e-05,
     -1.2266696114799247e-05, 2.1550060296061985e-06, 3.9988884021346485e-08, -1.7666909090521772e-07,
     6.780069082075752e-08, -1.532072398998119e-08, 2.2204614194568543e-09, -1.9177964727593723e-10,
     7.535320411499551e-12],
)  # fmt: skip


@exact_helper
def _reduced(x):
    """(r, n + _SHIFT) with x = n log 2 + r and n the nearest integer to x / log 2."""
    shifted = x * _LOG2_E(x) + _SHIFT(x)
    n = shifted - _SHIFT(x)
    return (x - n * _LN_2_HIGH(x)) - n * _LN_2_LOW(x), shifted


@exact_helper
def _expm1_of_reduced(r):
    """exp(r) - 1 for |r| <= log(2) / 2."""
    return r + r * r * _EXP(r)


@exact_helper
def exp(x):
    """e^x: 1.2 ulp; inf on overflow, 0 where e^x would be subnormal: below 2^-126 or 2^-1022."""
    r, shifted = _reduced(x)
    y = _times_power_of_2(_ONE(x) + _expm1_of_reduced(r), shifted)
    y = y if x <= _LN_OF_LARGEST(x) else x + _INFINITY(x)  # a NaN stays one
    return _ZERO(x) if x < _LN_OF_SMALLEST(x) else y


@exact_helper
def expm1(x):
    """e^x - 1: 2.4 ulp; inf on overflow."""
    lowest, highest = _EXPM1_IS_MINUS_1(x), _EXPM1_IS_EXP(x)
    within = lowest if x < lowest else (highest if x > highest else x)  # a NaN stays one
    r, shifted = _reduced(within)
    power = _times_power_of_2(_ONE(x), shifted)
    near = (power - _ONE(x)) + power * _expm1_of_reduced(r)
    return exp(x) if x > highest else near


@exact_helper
def _log1p(f):
    """log(1 + f) for -1/2 <= f <= 1, from atanh(f / (2 + f)) as in fdlibm's log (Ng 1993)."""
    s = f / (_TWO(f) + f)
    z = s * s
    half_square = _HALF(f) * f * f
    return f - (half_square - s * (half_square + _TWO(f) * z * _ATANH(z)))


@exact_helper
def log(x):
    """Natural logarithm: 1.8 ulp; -inf where x is 0 or subnormal, NaN below."""
    n = _exponent(x)
    y = n * _LN_2_HIGH(x) + (_log1p(_significand(x) - _ONE(x)) + n * _LN_2_LOW(x))
    y = y if x < _INFINITY(x) else x  # a NaN stays one
    y = y if x >= _SMALLEST(x) or x != x else -_INFINITY(x)
    return _NAN(x) if x < _ZERO(x) else y


@exact_helper
def softplus(x):
    """log(1 + e^x): 2.2 ulp; 0 where e^x would be subnormal."""
    return (x if x > _ZERO(x) else _ZERO(x)) + _log1p(exp(-abs(x)))


@exact_helper
def logistic(x):
    """1 / (1 + e^-x): 2.5 ulp; 0 where e^x would be subnormal."""
    e = exp(-abs(x))
    return (_ONE(x) if x >= _ZERO(x) else e) / (_ONE(x) + e)


@exact_helper
def tanh(x):
    """Hyperbolic tangent: 2.3 ulp."""
    a = abs(x)
    r, shifted = _reduced(_MINUS_TWO(x) * (_TANH_IS_ONE(x) if a > _TANH_IS_ONE(x) else a))
    power = _times_power_of_2(_ONE(x), shifted)
    e = power * _expm1_of_reduced(r)  # exp(-2 |x|) = power + e: both sums below are rounded once
    return math.copysign(((_ONE(x) - power) - e) / ((_ONE(x) + power) + e), x)


@exact_helper
def erf(x):
    """Error function: 1.5 ulp."""
    a = abs(x)
    near_zero = a + a * _ERF(a * a)
    u = (_ERF_IS_ONE(x) if a > _ERF_IS_ONE(x) else a) - _ERF_SPLIT(x)
    far = _ONE(x) - exp(-_LN_OF_ERFC(u))
    return math.copysign(near_zero if a < _ERF_SPLIT(x) else far, x)
