"""Asking memory for what is needed soon."""

from ._jit import helper
from .layout import CACHE_LINE
from .simd import prefetch_from_afar
from .stages import address_of


@helper
def ask_for(array, start, count):
    """Bring `count` elements of an array near, and no cache line behind them."""
    first = address_of(array, start)
    n_lines = (first + count * array.itemsize - 1) // CACHE_LINE - first // CACHE_LINE + 1
    for line in range(n_lines):
        prefetch_from_afar(array, start + line * (CACHE_LINE // array.itemsize))
