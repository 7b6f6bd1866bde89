"""Numbers too small to be normal count as zero inside the kernels.

The averages of gradients that have stopped, those of a dead unit, fall geometrically until they are
subnormal, and stay there. Each operation on such numbers takes a hundred cycles and more on many
processors: a fit becomes several times slower as it converges.
"""

import llvmlite.binding as llvm
from llvmlite import ir

from ._jit import intrinsic
from ._lazy import cgutils, types

_INT32 = ir.IntType(32)
# Results flushed to zero (bit 15) and operands that count as zero (bit 6), in the MXCSR register of x86.
_X86_FLAGS = 0x8040
# Both, in the FPCR register of ARM.
_ARM_FLAG = 1 << 24


def _processor():
    return llvm.get_process_triple().split("-")[0]


def _x86_register(builder, name, slot):
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(slot, ir.IntType(8).as_pointer())])


def _exchange(builder, change):
    """Replace the control register by `change(its value)`; returns the value before, an i64."""
    i64 = ir.IntType(64)
    if _processor() == "x86_64":
        slot = cgutils.alloca_once(builder, _INT32)
        _x86_register(builder, "stmxcsr", slot)
        before = builder.zext(builder.load(slot), i64)
        builder.store(builder.trunc(change(before, _X86_FLAGS), _INT32), slot)
        _x86_register(builder, "ldmxcsr", slot)
        return before
    if _processor() in ("aarch64", "arm64"):
        read = cgutils.get_or_insert_function(builder.module, ir.FunctionType(i64, []), "llvm.aarch64.get.fpcr")
        write = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [i64]), "llvm.aarch64.set.fpcr"
        )
        before = builder.call(read, [])
        builder.call(write, [change(before, _ARM_FLAG)])
        return before
    return ir.Constant(i64, 0)


@intrinsic
def flush_subnormals(context):
    """Begin to count subnormal numbers as zero, in this thread; returns what `restore` takes."""

    def emit(ctx, builder, signature, args):
        return _exchange(builder, lambda before, flags: builder.or_(before, ir.Constant(before.type, flags)))

    return types.int64(), emit


@intrinsic
def restore(context, before):
    """What was before, lest other code of this thread lose its subnormals."""

    def emit(ctx, builder, signature, args):
        _exchange(builder, lambda now, flags: args[0])
        return ctx.get_dummy_value()

    return types.void(types.int64), emit
