"""Random numbers that are functions of their place: (seed, stream, step, row, unit) -> bits.

Nothing is drawn from a running state, so a mask is the same for any number of threads and can be made
again in the backward pass, and the order of the batches does not change when dropout is switched on.
`mix64` is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195). Units
within a row take a cheaper hash with a random odd multiplier for each row (Dietzfelbinger et al. 1997,
doi:10.1006/jagm.1997.0873), of which only the high bits decide: one multiplication a unit.
"""

import numpy as np

from ._jit import helper
from .simd import prefetch
from .stages import address_of, array_at

SHUFFLE_STREAM, DROPOUT_STREAM, INPUT_NOISE_STREAM = 1, 2, 3
AUGMENT_STREAM = 5

# Steps of the shuffle that memory is asked for ahead, from so many rows on that they leave the second-level cache.
_STEPS_AHEAD, _MANY, _MOST_INT32 = 24, 100_000, 2**31 - 1

_GOLDEN_64 = np.uint64(0x9E3779B97F4A7C15)
GOLDEN_32 = np.uint32(0x9E3779B9)


@helper
def mix64(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@helper
def combine(key, number):
    """A new 64-bit key from a key and an integer."""
    return mix64(key + _GOLDEN_64 * (np.uint64(number) + np.uint64(1)))


@helper
def _partner(key, i):
    """The place up to i that changes with place i."""
    bits = combine(key, i) >> np.uint64(32)
    return np.int64((bits * np.uint64(i + 1)) >> np.uint64(32))


@helper
def _shuffle_many(order, key):
    """`shuffle` on numbers of half the size, which stay nearer, with all partners known before, in the other half."""
    n, start = len(order), address_of(order, 0)
    partners, places = array_at(start, n, np.int32), array_at(start + 4 * n, n, np.int32)
    for i in range(n):
        partners[i] = _partner(key, i)
    for i in range(n):
        places[i] = i
    for i in range(n - 1, 0, -1):
        prefetch(places, partners[max(i - _STEPS_AHEAD, 0)])
        j = partners[i]
        places[i], places[j] = places[j], places[i]
    for i in range(n):  # number i never lies where another one still has to be read
        order[i] = places[i]


@helper
def shuffle(order, seed, epoch):
    """Fill `order` with a permutation of its indices that depends on seed and epoch alone, by Fisher-Yates."""
    n = len(order)
    key = combine(combine(np.uint64(seed), SHUFFLE_STREAM), epoch)
    if _MANY <= n <= _MOST_INT32:
        _shuffle_many(order, key)
        return
    for i in range(n):
        order[i] = i
    for i in range(n - 1, 0, -1):
        j = _partner(key, i)
        order[i], order[j] = order[j], order[i]


@helper
def dropout_key(seed, step, layer):
    return combine(combine(combine(np.uint64(seed), DROPOUT_STREAM), step), layer)


@helper
def augment_key(seed, step):
    return combine(combine(np.uint64(seed), AUGMENT_STREAM), step)


@helper
def input_noise_key(seed, step):
    return combine(combine(np.uint64(seed), INPUT_NOISE_STREAM), step)


@helper
def drop_threshold(rate):
    """Units whose 32 random bits are below this are dropped."""
    return np.uint32(min(rate * 4294967296.0, 4294967295.0))


@helper
def halves(row_key):
    """(what a row adds, what it multiplies by), of its key `combine(dropout_key(...), row)`."""
    return np.uint32(row_key), np.uint32(np.uint32(row_key >> np.uint64(32)) | np.uint32(1))


@helper
def is_kept(row_key, unit, threshold):
    """Whether a unit of a row survives dropout."""
    low, multiplier = halves(row_key)
    x = np.uint32(np.uint32(unit) * GOLDEN_32 + low)
    return np.uint32((x ^ (x >> np.uint32(16))) * multiplier) >= threshold
