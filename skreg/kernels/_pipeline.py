"""numba's pipeline without what skreg's functions do not need.

numba optimises and assembles each function that it compiles, then again within each caller, so that
kernels three helpers deep are compiled many times. Here a *helper*, which is only ever called from other
compiled code, is lowered to LLVM code and no further; the kernel that links it optimises everything once.
It halves the time of a first fit (14 s to 7 s on an Intel Emerald Rapids).

Most of what is left is numba's own work in Python. Passes for closures, array expressions and `with`, of
which kernels have none, are left out, and so are clocks and messages for each pass, and all analysis of where
variables live and end, by which references are counted. Contexts remember their answers (_contexts.py), and
what is written for LLVM is short (_lowering.py).
"""

from threading import get_ident

from llvmlite.binding import Linkage
from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.interpreter import (
    Interpreter,
    peep_hole_delete_with_exit,
    peep_hole_fuse_dict_add_updates,
)
from numba.core.postproc import PostProcessor
from numba.core.typed_passes import (
    InlineOverloads,
    IRLegalization,
    NativeLowering,
    NopythonRewrites,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    GenericRewrites,
    InlineClosureLikes,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
    WithLifting,
)

from ._contexts import with_memory
from ._lowering import LeanLower

# The last two say where variables live and end, for generators and for references to be counted.
_NEEDLESS = {WithLifting, InlineClosureLikes, InlineOverloads, NopythonRewrites, IRProcessing, IRLegalization}
_NEEDLESS_PEEPHOLES = {peep_hole_delete_with_exit, peep_hole_fuse_dict_add_updates}
# They end with an analysis of lifetimes.
_ANALYSING = {GenericRewrites, ReconstructSSA, PreLowerStripPhis}


class _Interpreter(Interpreter):
    """Reads bytecode without a look for what kernels have not: `with` and dictionaries."""

    def post_process(self, peepholes, func_ir):
        return super().post_process([step for step in peepholes if step not in _NEEDLESS_PEEPHOLES], func_ir)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Translation(TranslateByteCode):
    """Makes numba's statements of bytecode."""

    _name = "skreg_translation"

    def run_pass(self, state):
        state["func_ir"] = _Interpreter(state["func_id"]).interpret(state["bc"])
        return True


class _Library(JITCodeLibrary):
    """Code of a function that is compiled here."""

    def _optimize_functions(self, module):
        """What numba does with each function; all that it would is done in the kernel that holds it."""
        module.data_layout = self._codegen._data_layout


class _HelperLibrary(_Library):
    """That of a helper as LLVM has it before optimisation, only to be linked into a kernel."""

    def finalize(self):
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def alone(self):
        """The module without what it calls."""
        return super()._get_module_for_linking()

    def _get_module_for_linking(self):
        """With all that it calls: compiled by numba's own pipeline, a caller links nothing else."""
        module = self.alone().clone()
        _link(module, self._linking_libraries)
        return module


def _modules(libraries, known):
    """Those of `libraries` and of all that their helpers call, without what is `known`; it is added to that."""
    for library in libraries:
        if library in known:
            continue
        known.add(library)
        if isinstance(library, _HelperLibrary):
            yield library.alone()
            yield from _modules(library._linking_libraries, known)
        else:
            yield library._get_module_for_linking()


def _link(module, libraries):
    """Link libraries, and what their helpers call, into a module; each once."""
    for other in _modules(libraries, set()):
        module.link_in(other, preserve=True)


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """Lowers a function without making it callable from Python."""

    _name, lowering_class = "skreg_helper_lowering", LeanLower
    attribute = None  # of the LLVM function

    def run_pass(self, state):
        if state.library is None:
            state.library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
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


class _KernelLibrary(_Library):
    """That of a kernel with that of all its helpers.

    Nobody else calls these: LLVM may leave out what they are given and do not use, and fold them into their callers.
    """

    def finalize(self):
        # numba has each helper copy all that it calls for each of its callers; here it finds nothing left to link.
        _link(self._final_module, self._linking_libraries)
        self._linking_libraries = []
        super().finalize()

    def _finalize_final_module(self):
        """Here numba has LLVM make machine code, which would live in this process alone."""
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def final_module(self):
        self._ensure_finalized()
        return self._final_module

    def _optimize_final_module(self):
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "internal"
        for variable in self._final_module.global_variables:
            if variable.linkage == Linkage.common:  # what numba would write to, for a function that needs Python
                variable.linkage = "internal"
        # numba's first round is to count references to arrays less often; there is nothing to count.
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    """Lowers a function that is called by its address."""

    _name, lowering_class = "skreg_kernel_lowering", LeanLower

    def run_pass(self, state):
        if state.library is None:
            state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        return super().run_pass(state)


class _LeanPassManager(PassManager):
    """Runs passes, and that is all."""

    def _runPass(self, index, pss, internal_state):
        pss.analysis = self._analysis
        analyse, compiling = PostProcessor.run, get_ident()

        def analyse_elsewhere(*args, **options):
            if get_ident() != compiling:
                analyse(*args, **options)

        if type(pss) in _ANALYSING:
            PostProcessor.run = analyse_elsewhere
        try:
            for step in pss.run_initialization, pss.run_pass, pss.run_finalizer:
                step(internal_state)
        finally:
            PostProcessor.run = analyse


class _LeanCompiler(CompilerBase):
    """numba's pipeline for compiled code without the needless passes."""

    _lowering = None

    def __init__(self, typing_context, target_context, library, args, return_type, flags, local_types):
        contexts = with_memory(typing_context, target_context, flags.copy())
        super().__init__(*contexts, library, args, return_type, flags, local_types)

    def define_pipelines(self):
        build, manager = DefaultPassBuilder, _LeanPassManager("skreg")
        ours = {TranslateByteCode: _Translation, NativeLowering: self._lowering}
        for part in (
            build.define_untyped_pipeline(self.state), build.define_typed_pipeline(self.state),
            build.define_nopython_lowering_pipeline(self.state),
        ):  # fmt: skip
            for step, text in part.passes:
                if step not in _NEEDLESS:
                    manager.add_pass(ours.get(step, step), text)
        manager.finalize()
        return [manager]


class KernelCompiler(_LeanCompiler):
    """For what is called by its address."""

    _lowering = _KernelLowering


class HelperCompiler(_LeanCompiler):
    """For functions that other compiled code calls."""

    _lowering = _HelperLowering


class OutlinedCompiler(HelperCompiler):
    """The same for large functions with several callers: one copy of their code, compiled once."""

    _lowering = _OutlinedLowering


class InlinedCompiler(HelperCompiler):
    """The same for functions that loops call: however long they are, a call would keep LLVM from vectorising."""

    _lowering = _InlinedLowering
