"""From a Python function to machine code, by numba and LLVM. Nothing is imported from here until that is needed."""

import re

import llvmlite.binding as llvm
from numba import config, from_dtype, njit, types, version_info
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic

from ._jit import Helper, Intrinsic
from ._machine_code import MachineCode
from ._python_call import python_call
from ._view_types import Table, View

if config.DISABLE_JIT:
    raise ImportError("skreg's kernels run as machine code alone, which NUMBA_DISABLE_JIT=1 forbids: unset it.")

# Reassociation lets sums be vectorised and contraction makes fused multiply-adds. "nnan" and "ninf"
# stay off: a diverging fit is recognised by its NaN. No kernel makes an array, so that none counts references to
# them: the counter of an array is an atomic number, and took half of the time of a step on small batches.
OPTIONS = {
    "error_model": "numpy",
    "nogil": True,
    "_nrt": False,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
UNIFORM_OPTIONS = {**OPTIONS, "fastmath": False}
_EXACT_OPTIONS = {**OPTIONS, "fastmath": {"contract"}}
_WITHOUT_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_FUNCTION_OF_C = re.compile(r"llvm\.(?P<name>exp2?|log(2|10)?|pow|sin|cos)\.(v\d+)?f(?P<bits>32|64)")
_NEWEST_KNOWN_NUMBA = (0, 68)  # into which _pipeline.py reaches
try:
    if version_info.short > _NEWEST_KNOWN_NUMBA:
        raise ImportError
    from ._pipeline import HelperCompiler, InlinedCompiler, KernelCompiler, OutlinedCompiler
except (ImportError, AttributeError):  # another numba: kernels then take longer to compile, nothing else
    _FOR_KERNELS = _FOR_HELPERS = _FOR_INLINED = _FOR_OUTLINED = {}
else:
    _FOR_KERNELS = {"pipeline_class": KernelCompiler}
    _FOR_HELPERS, _FOR_INLINED, _FOR_OUTLINED = (
        {**_WITHOUT_WRAPPERS, "pipeline_class": compiler}
        for compiler in (HelperCompiler, InlinedCompiler, OutlinedCompiler)
    )
_FLAVOURS = {
    "helper": {**OPTIONS, **_FOR_HELPERS},
    "outlined": {**OPTIONS, **_FOR_OUTLINED},
    "exact": {**_EXACT_OPTIONS, **_FOR_INLINED},
    "uniform": {**UNIFORM_OPTIONS, **_FOR_OUTLINED},
}


def make_helper(function, flavour):
    """A dispatcher of what only compiled code calls.

    numba would compile it once more for each whole number that a caller writes as such, and has clocks for each
    function, which all run while something within it is compiled.
    """
    dispatcher = njit(**_FLAVOURS[flavour])(function)
    template_of = dispatcher.get_call_template

    def get_call_template(args, kws):
        return template_of([types.unliteral(arg) for arg in args], {k: types.unliteral(v) for k, v in kws.items()})

    def compile_without_clocks(args):
        if args not in dispatcher.overloads:
            with dispatcher._compiling_counter:
                dispatcher.add_overload(dispatcher._compiler.compile(args, None))

    dispatcher.get_call_template, dispatcher.compile = get_call_template, compile_without_clocks
    return dispatcher


def make_intrinsic(function, prefer_literal):
    """The type of one of numba's intrinsics, which is all that a caller needs of it."""
    made = intrinsic(prefer_literal=prefer_literal)(function)
    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


@typeof_impl.register(Helper)
def _type_of_helper(value, context):
    return types.Dispatcher(value.compilable)


@typeof_impl.register(Intrinsic)
def _type_of_intrinsic(value, context):
    return value.compilable


def _type_of(argument):
    """That of an argument as a `Kernel` says what it is."""
    plain = {int: types.int64, float: types.float64, tuple: View(types.float64)}
    if argument in plain:
        return plain[argument]
    number = from_dtype(argument.dtype)
    return Table(number, argument.width) if argument.width else View(number)


def compile_kernel(kernel, dtype):
    """Machine code of a `Kernel` for a dtype.

    What its arguments are, it says by int, float, an `Array`, of which they are views, or tuple: that is a view of the
    numbers that Python gets back.
    """
    dispatcher = njit(**OPTIONS, **_FOR_KERNELS, no_cpython_wrapper=True)(kernel.function(dtype))
    arguments, result = kernel.arguments(dtype), types.float64 if kernel.returns_number else types.void
    with global_compiler_lock:
        compiled = dispatcher._compiler.compile(tuple(map(_type_of, arguments)), result)
        library = compiled.library
        if library.has_dynamic_globals:
            raise NotImplementedError(f"{kernel.name} would hold addresses that are good in this process alone.")
        module = library.final_module if _FOR_KERNELS else llvm.parse_assembly(library.get_llvm_str())
        symbol = compiled.fndesc.llvm_cfunc_wrapper_name
        if kernel.is_for_python:
            of_c, symbol = symbol, f"python.{kernel.name}"
            module.link_in(llvm.parse_assembly(python_call(symbol, of_c, arguments)))
        object_file = library.codegen._tm.emit_object(module)
    return MachineCode(symbol, _needs(module), object_file)


def _needs(module):
    """Names of functions that it declares, and of the C library's that LLVM makes of its own."""
    declared = [function.name for function in module.functions if function.is_declaration]
    of_c = filter(None, map(_FUNCTION_OF_C.fullmatch, declared))
    return [name for name in declared if not name.startswith("llvm.")] + [
        match["name"] + ("f" if match["bits"] == "32" else "") for match in of_c
    ]
