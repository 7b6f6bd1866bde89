"""Vector types for intrinsics: the host's width, and the few operations that numba's own code lacks.

LLVM vectors of any length are legal on every processor: it splits or widens them. The width is that of
the processor numba compiles for, which NUMBA_CPU_FEATURES and NUMBA_ENABLE_AVX may set.
"""

import platform

import numpy as np
from llvmlite import ir

from ._jit import intrinsic
from ._lazy import cgutils, types, view_types
from ._processor import host_features
from ._settings import numba_config

INT32, INT64 = ir.IntType(32), ir.IntType(64)
BOOL = ir.IntType(1)


def _features():
    """What the processor can do that numba compiles for, as {name: whether}."""
    config = numba_config()
    if config is not None and config.CPU_FEATURES is not None:
        return {name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name}
    return host_features()


def vector_bytes():
    """Bytes in a vector register: 64 with AVX-512, 32 with AVX2, else 16 (SSE, NEON)."""
    config, features = numba_config(), _features()
    if config is not None and not config.ENABLE_AVX:
        return 16
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


VECTOR_BYTES = vector_bytes()
# Whether a masked load or store is one instruction, not a branch for each lane,
HAS_MASKS = VECTOR_BYTES > 16
# and whether a masked store takes no longer than another one. AMD's processors with AVX2 take some 12 cycles.
HAS_QUICK_MASKED_STORES = VECTOR_BYTES == 64
# Vector registers: 32 with AVX-512 and on ARM, else 16.
N_REGISTERS = 32 if VECTOR_BYTES == 64 or platform.machine().lower() in ("aarch64", "arm64") else 16


def emit_prefetch(builder, pointer, *, to_write, level=1):
    """Bring a cache line to the first or second level."""
    pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, *(ir.Constant(INT32, number) for number in (int(to_write), 4 - level, 1))])


def opaque(builder, pointer):
    """The same pointer, of which LLVM knows nothing, so that it finds no progressions to keep registers for."""
    return builder.asm(ir.FunctionType(pointer.type, [pointer.type]), "", "=r,0", [pointer], False)


def element(ctx, builder, signature, args, array, at):
    """Pointer to an element of the array or view that is argument number `array` of an intrinsic."""
    return builder.gep(view_types.field(ctx, builder, signature.args[array], args[array], "data"), [at])


def as_flag(builder, value):
    """A boolean argument, which numba may hand over as a byte, as one bit."""
    return value if value.type == BOOL else builder.trunc(value, BOOL)


def splat(builder, scalar, lanes):
    """A vector of one number of any type."""
    kind = ir.VectorType(scalar.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, lanes), None))


def _keep_rolled(builder, branch):
    """Tell LLVM not to unroll the loop that ends with this branch."""
    module = builder.module
    option = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = ir.values.MDValue(module, [option], name=str(len(module.metadata)))
    loop.operands = (loop, option)  # a loop's name is a node that holds itself
    branch.set_metadata("llvm.loop", loop)


def emit_sums(vec, count, step, strides, sums, add_terms, unrolls=True):
    """A loop over k = 0, step, 2 step, ... < count. Returns vectors, with the builder behind the loop.

    `sums` are what the vectors are at first, or how many they are, all zero. `add_terms(k, places, sums)` emits one
    round and returns the sums after it; `places` are 0 at first and move by `strides`. count > 0. Unless it `unrolls`,
    LLVM is to leave the loop as it is.
    """
    builder, integer = vec.builder, count.type
    before = builder.block
    loop, done = builder.append_basic_block("depth"), builder.append_basic_block("store")
    builder.branch(loop)
    builder.position_at_end(loop)
    k, *places = [builder.phi(integer) for _ in range(1 + len(strides))]
    first_sums = [vec.zero] * sums if isinstance(sums, int) else sums
    sums = [builder.phi(vec.type) for _ in first_sums]
    after = add_terms(k, places, sums)
    end = builder.block  # of a round, which may have loops of its own
    following = builder.add(k, ir.Constant(integer, step))
    moved = [builder.add(place, stride) for place, stride in zip(places, strides, strict=True)]
    zero = ir.Constant(integer, 0)
    changes = [(phi, zero, value) for phi, value in zip([k, *places], [following, *moved], strict=True)]
    changes += zip(sums, first_sums, after, strict=True)
    for phi, first, value in changes:
        phi.add_incoming(first, before)
        phi.add_incoming(value, end)
    branch = builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    if not unrolls:
        _keep_rolled(builder, branch)
    builder.position_at_end(done)
    return after


class Vectors:
    """Emits operations on vectors of one element type with one builder, as long as a register or of `lanes`."""

    def __init__(self, builder, numba_dtype, lanes=None):
        self.builder, self.numba_dtype = builder, numba_dtype
        self.element = ir.FloatType() if numba_dtype == types.float32 else ir.DoubleType()
        self.bits = 32 if numba_dtype == types.float32 else 64
        self.lanes = lanes or 8 * VECTOR_BYTES // self.bits
        self.type = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.type, None)

    def scalar(self, value):
        return ir.Constant(self.element, value)

    def constant(self, value):
        """A vector of one number."""
        return ir.Constant(self.type, [self.scalar(float(value))] * self.lanes)

    def load(self, pointer, mask=None):
        """A vector of memory; with a mask zero elsewhere, and memory outside the mask is not touched."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        if mask is None:
            return self.builder.load(pointer, align=self.bits // 8)
        return self._masked("load", self.type, [pointer, self._alignment, mask, self.zero])

    def store(self, value, pointer, count=None):
        """All lanes, or those below `count` (see `first_lanes`)."""
        if count is None:
            whole = self.builder.bitcast(pointer, self.type.as_pointer())
            self.builder.store(value, whole, align=self.bits // 8)
        elif HAS_QUICK_MASKED_STORES:
            pointer = self.builder.bitcast(pointer, self.type.as_pointer())
            self._masked("store", ir.VoidType(), [value, pointer, self._alignment, self.first_lanes(count)])
        else:
            is_whole = self.builder.icmp_signed(">=", count, ir.Constant(count.type, self.lanes))
            with self.builder.if_else(is_whole) as (whole, otherwise):
                with whole:
                    self.store(value, pointer)
                with otherwise:
                    self._store_in_parts(value, pointer, count)

    def _store_in_parts(self, value, pointer, count):
        """The lanes below `count`, which are not all: half of them, a quarter and so on, where its bits say so."""
        builder, zero, n = self.builder, ir.Constant(count.type, 0), self.lanes // 2
        count = builder.select(builder.icmp_signed(">", count, zero), count, zero)
        while n > 0:
            part, behind = (self.shuffle(value, value, range(start, start + n)) for start in (0, n))
            bit = builder.and_(count, ir.Constant(count.type, n))
            is_there = builder.icmp_signed("!=", bit, zero)
            with builder.if_then(is_there):
                builder.store(part, builder.bitcast(pointer, part.type.as_pointer()), align=self.bits // 8)
            value, pointer, n = builder.select(is_there, behind, part), builder.gep(pointer, [bit]), n // 2

    @property
    def _alignment(self):
        return ir.Constant(INT32, self.bits // 8)

    def _masked(self, name, result, arguments):
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(result, [argument.type for argument in arguments]),
            f"llvm.masked.{name}.v{self.lanes}f{self.bits}.p0",
        )
        return self.builder.call(function, arguments)

    def shuffle(self, first, second, lanes):
        """Lanes of two vectors one after the other, chosen by number."""
        mask = ir.Constant(ir.VectorType(INT32, len(lanes)), [ir.Constant(INT32, i) for i in lanes])
        return self.builder.shuffle_vector(first, second, mask)

    def broadcast(self, scalar):
        return splat(self.builder, scalar, self.lanes)

    def fma(self, a, b, c):
        """a * b + c, rounded once where the processor has an instruction for that.

        Elsewhere `llvm.fma` would be a call of the C library for each lane, 20 times slower than two instructions.
        """
        name = f"llvm.fmuladd.v{self.lanes}f{self.bits}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, [a, b, c])

    def absolute(self, value):
        name = f"llvm.fabs.v{self.lanes}f{self.bits}"
        signature = ir.FunctionType(self.type, [self.type])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, signature, name), [value])

    def at_least(self, floor, value):
        """The larger of both; a NaN in `value` stays one. As x86's `max` has it: a single instruction."""
        return self.builder.select(self.builder.fcmp_ordered(">", floor, value), floor, value)

    def at_most(self, ceiling, value):
        """The smaller of both; a NaN in `value` stays one."""
        return self.builder.select(self.builder.fcmp_ordered("<", ceiling, value), ceiling, value)

    def _estimate(self, name, value):
        """14 bits of a function, by an instruction of AVX-512."""
        mask = ir.IntType(max(self.lanes, 8))
        name = f"llvm.x86.avx512.{name}14.p{'s' if self.bits == 32 else 'd'}.512"
        kind = ir.FunctionType(self.type, [self.type, self.type, mask])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [value, self.zero, ir.Constant(mask, -1)])

    @property
    def _n_newton(self):
        return 1 if self.bits == 32 else 2

    def inverse(self, value):
        """1 / value, to 1 or 2 units in the last place, of a normal number."""
        one = self.constant(1)
        if VECTOR_BYTES < 64:
            return self.builder.fdiv(one, value)
        result, minus = self._estimate("rcp", value), self.builder.fneg(value)
        for _ in range(self._n_newton):
            result = self.fma(self.fma(minus, result, one), result, result)
        return result

    def root(self, value):
        """Square root of a normal number, to 1 or 2 units in the last place.

        What is smaller or larger, zero and infinity too, counts as the smallest or largest.
        """
        if VECTOR_BYTES < 64:
            name = f"llvm.sqrt.v{self.lanes}f{self.bits}"
            kind = ir.FunctionType(self.type, [self.type])
            return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [value])
        limits = np.finfo(np.float32 if self.bits == 32 else np.float64)
        inside = self.at_most(self.constant(limits.max), self.at_least(self.constant(limits.tiny), value))
        result, half = self._estimate("rsqrt", inside), self.constant(0.5)
        halved = self.builder.fneg(self.builder.fmul(inside, half))
        for _ in range(self._n_newton):
            error = self.fma(self.builder.fmul(halved, result), result, half)
            result = self.fma(error, result, result)
        return self.builder.fmul(inside, result)

    def first_lanes(self, count):
        """Mask of the lanes below `count`, an i64 above -2^31."""
        if self.bits < count.type.width:  # integers as long as the elements: one comparison makes the mask
            most, integer = ir.Constant(count.type, self.lanes), ir.IntType(self.bits)
            is_below = self.builder.icmp_signed("<", count, most)
            count = self.builder.trunc(self.builder.select(is_below, count, most), integer)
        integers = ir.VectorType(count.type, self.lanes)
        index = ir.Constant(integers, [ir.Constant(count.type, i) for i in range(self.lanes)])
        return self.builder.icmp_signed("<", index, splat(self.builder, count, self.lanes))


@intrinsic
def lanes_of(context, array):
    """Elements of the array's dtype in one vector register, as a compile-time constant."""
    count = VECTOR_BYTES // (4 if array.dtype == types.float32 else 8)

    def emit(ctx, builder, signature, args):
        return ctx.get_constant(types.intp, count)

    return types.intp(array), emit


def _make_prefetch(level):
    @intrinsic
    def prefetch(context, array, at):
        """Bring an element's cache line near; any place will do, there or not."""

        def emit(ctx, builder, signature, args):
            place = element(ctx, builder, signature, args, 0, args[1])
            emit_prefetch(builder, place, to_write=False, level=level)
            return ctx.get_dummy_value()

        return types.void(array, types.intp), emit

    return prefetch


# To the first level, which few can be on their way to at a time, and to the second.
prefetch, prefetch_from_afar = _make_prefetch(1), _make_prefetch(2)
