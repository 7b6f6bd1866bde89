"""numba's pipeline without what skreg's functions do not need.

numba optimises and assembles each function that it compiles, then again within each caller, so that
kernels three helpers deep are compiled many times. Here a *helper*, which is only ever called from other
compiled code, is lowered to LLVM code and no further; the entry that links it optimises everything once.
It halves the time of a first fit (14 s to 7 s on an Intel Emerald Rapids).

Most of what is left is numba's own work in Python. Passes for closures, array expressions and `with`, of
which kernels have none, are left out; and the types of `a + b` are found once for the same types of
`a` and `b`, where numba asks some ten candidates each time.
"""

from functools import lru_cache

from llvmlite.binding import Linkage
from numba import _dynfunc, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import InlineOverloads, NativeLowering, NopythonRewrites
from numba.core.typing import Context
from numba.core.untyped_passes import InlineClosureLikes, WithLifting

from ._collector import collector_paused

_NEEDLESS = {WithLifting, InlineClosureLikes, InlineOverloads, NopythonRewrites}


class _Remembering(Context):
    """A typing context that remembers what it has resolved, and shares all else with another one."""

    def __init__(self, context):
        vars(self).update(vars(context))
        self._answers = {}

    def resolve_function_type(self, func, args, kws):
        if kws or isinstance(func, str | types.BoundFunction):  # names of numba's own come with values, not types
            return super().resolve_function_type(func, args, kws)
        question = func, tuple(args)
        answer = self._answers.get(question)
        if answer is None:
            answer = super().resolve_function_type(func, args, kws)
            self._answers[question] = answer
        return answer


@lru_cache(maxsize=None)
def _remembering(context, flags):
    """One for all compilations with the same flags, by which the bodies of numba's own functions are compiled, too."""
    return _Remembering(context)


class _HelperLibrary(JITCodeLibrary):
    """Code of a helper as LLVM has it before optimisation, only to be linked into an entry."""

    def _optimize_functions(self, module):
        module.data_layout = self._codegen._data_layout
        for function in module.functions:
            if not function.is_declaration:  # numba prepares its passes for those, too
                manager, builder = self._codegen._function_pass_manager()
                manager.run(function, builder)

    def finalize(self):
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """Lowers a function without making it callable from Python."""

    _name = "skreg_helper_lowering"
    attribute = None  # of the LLVM function

    def run_pass(self, state):
        if state.library is None:
            state.library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        if self.attribute:
            state.library.get_function(lowered.fndesc.llvm_func_name).add_function_attribute(self.attribute)
        name = state.func_id.func_name
        # Callers find the code by this object, which numba wants to look like a compiled function.
        key = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), name, "helper of skreg", 0, lowered.env, (state.library,)
        )
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _OutlinedLowering(_HelperLowering):
    """Lowers a function that LLVM must not inline."""

    _name = "skreg_outlined_lowering"
    attribute = "noinline"


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlinedLowering(_HelperLowering):
    """Lowers a function that LLVM must inline."""

    _name = "skreg_inlined_lowering"
    attribute = "alwaysinline"


class _EntryLibrary(JITCodeLibrary):
    """Code of an entry with that of all its helpers.

    Nobody else calls these: LLVM may leave out what they are given and do not use, and fold them into their callers.
    """

    def _optimize_final_module(self):
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "internal"
                # The linker of numba's functions finds internal ones too, by name, and LLVM may change what they take.
                function.name = f"internal.{function.name}"
        # numba's first round is to count references to arrays less often; there is nothing to count.
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)


@register_pass(mutates_CFG=True, analysis_only=False)
class _EntryLowering(NativeLowering):
    """Lowers a function that Python or another kernel calls."""

    _name = "skreg_entry_lowering"

    def run_pass(self, state):
        if state.library is None:
            state.library = _EntryLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        return super().run_pass(state)


class _LeanCompiler(CompilerBase):
    """numba's pipeline for compiled code without the needless passes."""

    _lowering = None

    def __init__(self, typing_context, target_context, library, args, return_type, flags, local_types):
        context = _remembering(typing_context, flags.copy())
        super().__init__(context, target_context, library, args, return_type, flags, local_types)

    def define_pipelines(self):
        build, manager = DefaultPassBuilder, PassManager("skreg")
        for part in (
            build.define_untyped_pipeline(self.state), build.define_typed_pipeline(self.state),
            build.define_nopython_lowering_pipeline(self.state),
        ):  # fmt: skip
            for step, text in part.passes:
                if step not in _NEEDLESS:
                    manager.add_pass(self._lowering if step is NativeLowering else step, text)
        manager.finalize()
        return [manager]


class EntryCompiler(_LeanCompiler):
    """For what Python or an address calls; without garbage collection: it makes a million objects and drops few."""

    _lowering = _EntryLowering

    def compile_extra(self, function):
        with collector_paused():
            return super().compile_extra(function)


class HelperCompiler(_LeanCompiler):
    """For functions that other compiled code calls."""

    _lowering = _HelperLowering


class OutlinedCompiler(HelperCompiler):
    """The same for large functions with several callers: one copy of their code, compiled once."""

    _lowering = _OutlinedLowering


class InlinedCompiler(HelperCompiler):
    """The same for functions that loops call: however long they are, a call would keep LLVM from vectorising."""

    _lowering = _InlinedLowering
