"""Standard normal numbers that are functions of their place, as the masks are (random.py).

A number is the normal quantile of 32 random bits: the first is its sign, the others are the probability of
a number farther from 0, in (0, 1/2). The quantile is that of Wichura (1988, doi:10.2307/2347330, algorithm AS
241) in the version for each precision: a quotient of polynomials near 0, and another one in the root of
the logarithm of the probability in the tails, which the 32 bits let reach to 6.3.
"""

import math

import numpy as np

from ._jit import exact_helper
from .elementary import _polynomial, as_number, constant, log
from .random import GOLDEN_32, halves

_MIXER = np.uint32(0x846CA68B)  # of Wellons' hash "lowbias32"
_LOW_31 = np.uint32(0x7FFFFFFF)

_HALF, _RESOLUTION = constant(0.5), constant(2.0**-32)
_CENTRE, _CENTRE_SQUARED, _TAIL = constant(0.425), constant(0.180625), constant(1.6)
_CENTRAL_NUMERATOR = _polynomial(
    [3.3871327179, 50.434271938, 159.29113202, 59.109374720],
    [3.3871328727963666, 133.14166789178438, 1971.5909503065514, 13731.693765509461, 45921.953931549871,
     67265.770927008701, 33430.575583588128, 2509.0809287301227],
)  # fmt: skip
_CENTRAL_DENOMINATOR = _polynomial(
    [1.0, 17.895169469, 78.757757664, 67.187563600],
    [1.0, 42.313330701600911, 687.18700749205791, 5394.1960214247511, 21213.794301586596, 39307.895800092711,
     28729.085735721943, 5226.4952788528546],
)  # fmt: skip
_TAIL_NUMERATOR = _polynomial(
    [1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103],
    [1.4234371107496836, 4.6303378461565453, 5.7694972214606914, 3.6478483247632046, 1.2704582524523684,
     0.24178072517745061, 0.022723844989269185, 7.7454501427834141e-4],
)  # fmt: skip
_TAIL_DENOMINATOR = _polynomial(
    [1.0, 0.73700164250, 0.12021132975],
    [1.0, 2.0531916266377588, 1.6763848301838038, 0.68976733498510000, 0.14810397642748007, 0.015198666563616457,
     5.4759380849953449e-4, 1.0507500716444168e-9],
)  # fmt: skip


@exact_helper
def random_bits(row_key, unit):
    """32 random bits of a unit; more thoroughly mixed than those of `random.is_kept`, since all of them count."""
    low, multiplier = halves(row_key)
    x = np.uint32(np.uint32(unit) * GOLDEN_32 + low)
    x = np.uint32((x ^ (x >> np.uint32(16))) * multiplier)
    x = np.uint32((x ^ (x >> np.uint32(15))) * _MIXER)
    return np.uint32(x ^ (x >> np.uint32(16)))


@exact_helper
def normal_quantile(bits, kind):
    """The number whose sign and tail probability the bits are, in the type of `kind`."""
    rest = np.uint32(bits & _LOW_31)
    tail = (as_number(rest, kind) + _HALF(kind)) * _RESOLUTION(kind)
    q = (as_number(np.uint32(_LOW_31 - rest), kind) + _HALF(kind)) * _RESOLUTION(kind)  # 1/2 - tail
    is_central = q <= _CENTRE(kind)
    r = _CENTRE_SQUARED(kind) - q * q
    s = math.sqrt(-log(tail)) - _TAIL(kind)
    numerator = q * _CENTRAL_NUMERATOR(r) if is_central else _TAIL_NUMERATOR(s)
    z = numerator / (_CENTRAL_DENOMINATOR(r) if is_central else _TAIL_DENOMINATOR(s))
    return z if bits <= _LOW_31 else -z


@exact_helper
def normal(row_key, unit, kind):
    """A standard normal number in the type of `kind`, for a unit of a row."""
    return normal_quantile(random_bits(row_key, unit), kind)
