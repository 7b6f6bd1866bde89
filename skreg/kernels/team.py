"""Several threads inside one kernel: who does what, and where they wait for each other.

Python starts the same kernel in each thread, outside the interpreter's lock, with a number `member` of `n_members`.
They split rows or parameters by `share`, take over each other's tasks, and meet at `wait`. Every number is computed by
one member in one order, so the result has the same bits for any number of members. Nothing of numba's own threading is
used: it would have to be compiled and started, and its simplest form aborts when two Python threads use it.
"""

import sys

import llvmlite.binding as llvm
from llvmlite import ir

from ._jit import helper, intrinsic
from ._lazy import cgutils, types
from .layout import CACHE_LINE
from .simd import element

_APART = CACHE_LINE // 8  # elements of `arrivals` from one counter to the next one
# A member that waits longer than some 50 microseconds gives its core away: another process may need it,
# perhaps even the member that is waited for.
_SPINS = 1000


_HAS_YIELD = sys.platform != "win32"


@intrinsic
def _atomic_add(context, array, index, value):
    def emit(ctx, builder, signature, args):
        return builder.atomic_rmw("add", element(ctx, builder, signature, args, 0, args[1]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), emit


@intrinsic
def _atomic_load(context, array, index):
    def emit(ctx, builder, signature, args):
        return builder.load_atomic(element(ctx, builder, signature, args, 0, args[1]), "seq_cst", 8)

    return types.int64(array, types.intp), emit


@intrinsic
def _pause(context):
    """Tell the processor that this is a waiting loop."""

    def emit(ctx, builder, signature, args):
        if llvm.get_process_triple().startswith("x86_64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return ctx.get_dummy_value()

    return types.void(), emit


@intrinsic
def _give_core_away(context):
    def emit(ctx, builder, signature, args):
        if _HAS_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return ctx.get_dummy_value()

    return types.void(), emit


@helper
def wait(arrivals, n_met, n_members):
    """Wait until all members are here. Returns the number of meetings so far, for the next call.

    `arrivals` is an int64 array of zeros with a cache line for this, and one for each member's tasks. The caller sets
    its first element to more than all arrivals where a member will never come: nobody waits any more, and the results
    are worthless.
    """
    if n_members == 1:
        return n_met
    n_met += 1
    _atomic_add(arrivals, 0, 1)
    spins = 0
    while _atomic_load(arrivals, 0) < n_met * n_members:
        spins += 1
        if spins > _SPINS:
            _give_core_away()
        else:
            _pause()
    return n_met


@helper
def next_task(arrivals):
    """Number of the next task that no member has taken, for members that never meet; the caller ends them as in `wait`.

    A member that started late or lost its core takes fewer.
    """
    return _atomic_add(arrivals, 0, 1)


@helper
def wait_for_tasks(arrivals, n_met, n_members, member):
    """`wait`; from then on each member has tasks, from number 0 on.

    Only where nobody takes tasks any more that were there before the last meeting.
    """
    arrivals[(1 + member) * _APART] = 0
    return wait(arrivals, n_met, n_members)


@helper
def next_task_of(owner, arrivals, n_members):
    """Number of the next of a member's tasks that nobody has taken: it does those first, and then helps the others.

    So less is waited for a member that has lost its core.
    """
    place = (1 + owner) * _APART
    if n_members > 1:
        return _atomic_add(arrivals, place, 1)
    arrivals[place] += 1
    return arrivals[place] - 1


@helper
def share(count, granule, member, n_members):
    """(begin, end) of a member's part of range(count), cut at multiples of `granule`."""
    n_granules = (count + granule - 1) // granule
    begin = min(n_granules * member // n_members * granule, count)
    end = min(n_granules * (member + 1) // n_members * granule, count)
    return begin, end
