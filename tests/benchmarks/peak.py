"""The most multiplications and additions that the processor can do in a second: on registers alone."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from skreg.kernels.simd import Vectors, ir

from ._process import call
from ._timing import best_of

N_CHAINS = 12  # enough to hide the latency of two units, few enough for 16 registers
N_STEPS = 3_000_000


@intrinsic
def _multiply_adds(context, start, n_steps):
    """`n_steps` times one fused multiply-add in each of several independent chains of full vectors."""

    def emit(ctx, builder, signature, args):
        vec = Vectors(builder, start)
        factor = vec.broadcast(args[0])
        # Different starts, lest the compiler find that all chains are one.
        starts = [builder.fadd(args[0], ir.Constant(vec.element, float(i))) for i in range(N_CHAINS)]
        chains = [cgutils.alloca_once_value(builder, vec.broadcast(value)) for value in starts]
        with cgutils.for_range(builder, args[1]):
            for chain in chains:
                builder.store(vec.fma(builder.load(chain), factor, factor), chain)
        total = builder.load(chains[0])
        for chain in chains[1:]:
            total = builder.fadd(total, builder.load(chain))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return start(start, types.intp), emit


@njit(nogil=True)
def _run(start, n_steps):
    return _multiply_adds(start, n_steps)


def measure(dtype):
    """Operations a second of all cores at once; a multiply-add is two."""
    from skreg.kernels.simd import VECTOR_BYTES

    start, n_threads = np.dtype(dtype).type(0.5), os.cpu_count()
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    with ThreadPoolExecutor(n_threads) as pool:
        fastest = best_of(lambda: list(pool.map(lambda _: _run(start, N_STEPS), range(n_threads))), repeats=100)
    return 2 * N_CHAINS * N_STEPS * lanes * n_threads / fastest


def peak(dtype):
    """The same, measured in a process of its own."""
    return call(measure, dtype=dtype)
