"""Vector types for intrinsics: the host's width, and the few operations that numba's own code lacks.

LLVM vectors of any length are legal on every processor (it splits or widens them), so a wrong guess of
the width costs speed, never correctness.
"""

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INT32 = ir.IntType(32)
BOOL = ir.IntType(1)


def vector_bytes():
    """Bytes in a vector register of the host: 64 with AVX-512, 32 with AVX2, else 16 (SSE, NEON)."""
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # a processor that LLVM does not know
        return 16
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


VECTOR_BYTES = vector_bytes()


class Vectors:
    """Emits operations on vectors of one element type with one builder."""

    def __init__(self, builder, numba_dtype):
        self.builder, self.numba_dtype = builder, numba_dtype
        self.element = ir.FloatType() if numba_dtype == types.float32 else ir.DoubleType()
        self.bits = 32 if numba_dtype == types.float32 else 64
        self.lanes = 8 * VECTOR_BYTES // self.bits
        self.type = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.type, None)
        self._undefined = ir.Constant(self.type, ir.Undefined)

    def load(self, pointer):
        return self.builder.load(
            self.builder.bitcast(pointer, self.type.as_pointer()), align=self.bits // 8
        )

    def store(self, value, pointer):
        self.builder.store(
            value, self.builder.bitcast(pointer, self.type.as_pointer()), align=self.bits // 8
        )

    def shuffle(self, first, second, lanes):
        """Lanes of two vectors one after the other, chosen by number."""
        mask = ir.Constant(ir.VectorType(INT32, len(lanes)), [ir.Constant(INT32, i) for i in lanes])
        return self.builder.shuffle_vector(first, second, mask)

    def broadcast(self, scalar):
        first = self.builder.insert_element(self._undefined, scalar, ir.Constant(INT32, 0))
        lanes = ir.Constant(ir.VectorType(INT32, self.lanes), None)
        return self.builder.shuffle_vector(first, self._undefined, lanes)

    def fma(self, a, b, c):
        """a * b + c, rounded once."""
        name = f"llvm.fma.v{self.lanes}f{self.bits}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, [a, b, c])

    def first_lanes(self, count):
        """Mask of the lanes below `count` (an i64, any sign)."""
        integers = ir.VectorType(count.type, self.lanes)
        index = ir.Constant(integers, [ir.Constant(count.type, i) for i in range(self.lanes)])
        one = self.builder.insert_element(
            ir.Constant(integers, ir.Undefined), count, ir.Constant(INT32, 0)
        )
        counts = self.builder.shuffle_vector(
            one,
            ir.Constant(integers, ir.Undefined),
            ir.Constant(ir.VectorType(INT32, self.lanes), None),
        )
        return self.builder.icmp_signed("<", index, counts)

    def _masked(self, name, result, arguments):
        pointer = self.type.as_pointer()
        mask = ir.VectorType(BOOL, self.lanes)
        kinds = {"load": [pointer, INT32, mask, self.type], "store": [self.type, pointer, INT32, mask]}
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(result, kinds[name]),
            f"llvm.masked.{name}.v{self.lanes}f{self.bits}.p0",
        )
        return self.builder.call(function, arguments)

    def masked_load(self, pointer, mask):
        """The masked lanes of memory, zero elsewhere; memory outside the mask is not touched."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        align = ir.Constant(INT32, self.bits // 8)
        return self._masked("load", self.type, [pointer, align, mask, self.zero])

    def masked_store(self, value, pointer, mask):
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        align = ir.Constant(INT32, self.bits // 8)
        self._masked("store", ir.VoidType(), [value, pointer, align, mask])


@intrinsic
def lanes_of(context, array):
    """Elements of the array's dtype in one vector register, as a compile-time constant."""
    count = VECTOR_BYTES // (4 if array.dtype == types.float32 else 8)

    def emit(ctx, builder, signature, args):
        return ctx.get_constant(types.intp, count)

    return types.intp(array), emit
