"""numba's cache on disk, made forgiving, and quick to load from.

A new process would spend a tenth of a second on what finished machine code does not need: all that the
compiler knows, the LLVM code of the kernel (for callers that would inline it; there are none), and the
compilation of numba's own reference counting, of which a kernel holds a copy where it needs one.
"""

import llvmlite.binding as llvm
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime import _nrt_python, rtsys

from ._collector import collector_paused

_PREFIX = "NRT_"


def _c_helpers():
    """{name: address} of the C functions of numba's runtime."""
    helpers = _nrt_python.c_helpers.items()
    return {name if name.startswith("_") else _PREFIX + name: address for name, address in helpers}


def _needs_runtime(module):
    """Whether a module calls functions of numba's runtime that are compiled, not C."""
    declared = {function.name for function in module.functions if function.is_declaration}
    return any(name.startswith(_PREFIX) for name in declared - _c_helpers().keys())


def _names_only(module):
    """Bitcode with the functions that a module defines, each empty: numba asks only for their names."""
    names = [function.name for function in module.functions if not function.is_declaration]
    text = "\n".join(f'define void @"{name}"() {{ unreachable }}' for name in names)
    return llvm.parse_assembly(text).as_bitcode()


class _LeanResults(CompileResultCacheImpl):
    """Reads and writes compiled functions that no other compiled code calls."""

    def reduce(self, cres):
        library = cres.library
        (name, kind, (machine_code, _)), *rest = super().reduce(cres)
        lean = name, kind, (machine_code, _names_only(library._get_module_for_linking()))
        return _needs_runtime(library._final_module), (lean, *rest)

    def rebuild(self, target_context, payload):
        needs_runtime, reduced = payload
        if needs_runtime:
            rtsys.initialize(target_context)
        else:
            for name, address in _c_helpers().items():
                llvm.add_symbol(name, address)
        compiled = super().rebuild(target_context, reduced)
        compiled.library._shared_module = None  # an error, should other compiled code call it after all
        return compiled


class ForgivingCache(FunctionCache):
    """numba's cache, except that a broken or unwritable file is no reason to stop a fit."""

    _impl_class = _LeanResults

    def load_overload(self, sig, target_context):
        try:
            with collector_paused():
                # What numba does, except that it first loads all that the compiler knows.
                compiled = self._load_overload(sig, target_context)
        except Exception:  # a damaged pickle may raise almost anything: compile again
            self._forget()
            compiled = None
        if compiled is None:
            target_context.refresh()
        return compiled

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:
            self._forget()
            try:
                super().save_overload(sig, data)
            except Exception:  # full disk, read-only folder: go on without a cache
                pass

    def _forget(self):
        try:
            self.flush()
        except OSError:
            pass
