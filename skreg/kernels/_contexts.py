"""numba's contexts with a memory.

Compiling asks the typing context what `a + b` is for arguments of some types, and the target context for what
makes code of it; numba tries some ten candidates each time, and looks at the source of each answer. The same
questions come some thousand times in a kernel. Here each is asked once, for the options that functions are
compiled with. A few functions are our own (_arithmetic.py, _ranges.py), and calls (_lowering.py). A context with a
memory shares all else with the one that it is made of, which stays as it was.
"""

from functools import lru_cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.cpu import CPUContext
from numba.core.datamodel.manager import DataModelManager
from numba.core.datamodel.models import BooleanModel
from numba.core.typing import Context

from ._arithmetic import division, maximum, minimum
from ._lowering import emit_call
from ._ranges import kernel_range

_OWN = {id(max): maximum, id(min): minimum, id(range): kernel_range}  # some of the others have no hash


def _twin(thing):
    """Another object with the same attributes."""
    twin = object.__new__(type(thing))
    vars(twin).update(vars(thing))
    return twin


def _known_function(function):
    """The type of one of numba's functions, with a memory for the types that it is called with."""
    known, answers, resolve = _twin(function), {}, function.get_call_type

    def get_call_type(context, args, kws):
        if kws:
            return resolve(context, args, kws)
        question = tuple(args)
        if question not in answers:
            answers[question] = resolve(context, args, kws)
        return answers[question]

    known.get_call_type = get_call_type
    return known


class _TypingContext(Context):
    """What the types of operators and calls are."""

    def __init__(self, context):
        vars(self).update(vars(context))
        self._answers, self._known_functions = {}, {}

    def refresh(self):
        """Asked for before each function. The context that this one is made of is fresh, and shares its tables."""

    def resolve_function_type(self, func, args, kws):
        if kws or isinstance(func, str | types.BoundFunction):  # names of numba's own come with values, not types
            return super().resolve_function_type(func, args, kws)
        question = func, tuple(args)
        answer = self._answers.get(question)
        if answer is None:
            answer = self._answers[question] = super().resolve_function_type(func, args, kws)
        return answer

    def resolve_value_type(self, value):
        kind = super().resolve_value_type(_OWN.get(id(value), value))
        if type(kind) is not types.Function:
            return kind
        if kind not in self._known_functions:
            self._known_functions[kind] = _known_function(kind)
        return self._known_functions[kind]


class _Boolean(BooleanModel):
    """Read from a byte without a branch."""

    def from_data(self, builder, value):
        return cgutils.as_bool_bit(builder, value)


class _TargetContext(CPUContext):
    """What makes LLVM code of operators and calls, and how many bytes types take."""

    def __init__(self, context, typing_context):
        vars(self).update(vars(context), typing_context=typing_context)
        self._implementations, self._sizes = {}, {}
        self.data_model_manager = DataModelManager({types.Boolean: _Boolean}).chain(self.data_model_manager)

    def get_abi_sizeof(self, ty):
        if ty not in self._sizes:  # numba has LLVM read a module of its own for it
            self._sizes[ty] = super().get_abi_sizeof(ty)
        return self._sizes[ty]

    def get_function(self, fn, sig, _firstcall=True):
        own = division(getattr(fn, "typing_key", fn), sig.args)
        if own:
            return own
        if not isinstance(fn, types.Function):
            # A name is one of numba's own: where it is unknown, nobody has registered it meanwhile.
            return super().get_function(fn, sig, _firstcall and not isinstance(fn, str))
        question = fn, sig
        if question not in self._implementations:
            self._implementations[question] = super().get_function(fn, sig, _firstcall)
            self._implementations[question]._context = None
        # For this context: each function that is lowered has one of its own, with the same memory.
        implementation = _twin(self._implementations[question])
        implementation._context = self
        return implementation

    def get_constant_generic(self, builder, ty, val):
        if isinstance(ty, types.Dispatcher):  # a helper, of which nobody needs the address
            return self.get_dummy_value()
        return super().get_constant_generic(builder, ty, val)

    def insert_user_function(self, func, fndesc, libs=()):
        def emit(ctx, builder, signature, args):
            return ctx.call_internal(builder, fndesc, signature, args)

        emit.signature, emit.libs = fndesc.argtypes, tuple(libs)
        self._defns[func].append(emit, emit.signature)

    def create_cfunc_wrapper(self, library, fndesc, env, call_helper):
        """A function that C may call. How the kernel has ended is not asked, unless bounds are checked."""
        if self.enable_boundscheck:
            super().create_cfunc_wrapper(library, fndesc, env, call_helper)
            return
        module = self.create_module("cfunc_wrapper")
        kernel = ir.Function(
            module, self.call_conv.get_function_type(fndesc.restype, fndesc.argtypes), fndesc.llvm_func_name
        )
        kind = ir.FunctionType(
            self.get_value_type(fndesc.restype), [self.get_value_type(each) for each in fndesc.argtypes]
        )
        wrapper = ir.Function(module, kind, fndesc.llvm_cfunc_wrapper_name)
        builder = ir.IRBuilder(wrapper.append_basic_block("entry"))
        _, result = self.call_conv.call_function(builder, kernel, fndesc.restype, fndesc.argtypes, wrapper.args)
        builder.ret(result)
        library.add_ir_module(module)

    def call_internal(self, builder, fndesc, sig, args):
        # Checks of bounds raise, and how a call has ended says whether there is a value that there may not be.
        if self.enable_boundscheck or isinstance(fndesc.restype, types.Optional):
            return super().call_internal(builder, fndesc, sig, args)
        return emit_call(self, builder, fndesc, args)


@lru_cache(maxsize=None)
def with_memory(typing_context, target_context, flags):
    """(typing context, target context) for all compilations with the same flags.

    By these flags the bodies of numba's own functions are compiled, too.
    """
    target_context.refresh()
    typing_context = _TypingContext(typing_context)
    return typing_context, _TargetContext(target_context, typing_context)
