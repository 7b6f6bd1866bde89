"""numba's cache on disk, made forgiving, and quick to load from.

A new process would spend a tenth of a second on what finished machine code does not need: all that the
compiler knows, the LLVM code of the kernel (for callers that would inline it; there are none), the
environments of helpers that use no Python objects, with the modules that they come from, and the
compilation of numba's own reference counting, of which a kernel holds a copy where it needs one.
"""

import inspect
import os

import llvmlite.binding as llvm
from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.runtime import _nrt_python, rtsys

from ._collector import collector_paused

_PREFIX = "NRT_"
# numba's choices in their order: NUMBA_CACHE_DIR, __pycache__ beside the source, the user's home, ...
_LOCATORS = CompileResultCacheImpl._locator_classes


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


class _FirstChoice:
    """NUMBA_CACHE_DIR, or else beside the source, whether it can be written to or not.

    Who installs for others (in an image, on a cluster) leaves machine code there which they can read but
    not write; numba would pass over the folder.
    """

    @staticmethod
    def from_function(function, source):
        chosen, beside = _LOCATORS[:2]
        return (chosen if config.CACHE_DIR else beside)(function, source) if os.path.exists(source) else None


class _KeyedFile(IndexDataCacheFile):
    """numba's file of machine code, which holds its key too.

    Two processes that save at once may leave an index that names the other's file.
    """

    def save(self, key, data):
        super().save(key, (key, data))

    def load(self, key):
        found = super().load(key)
        return found[1] if found is not None and found[0] == key else None


class _LeanResults(CompileResultCacheImpl):
    """Reads and writes compiled functions that no other compiled code calls."""

    _locator_classes = [*_LOCATORS, _FirstChoice]

    def reduce(self, cres):
        library = cres.library
        (name, kind, (machine_code, _)), *rest, annotation, reload, environments = super().reduce(cres)
        lean = name, kind, (machine_code, _names_only(library._get_module_for_linking()))
        needed = tuple(environment for environment in environments if environment.consts)
        return _needs_runtime(library._final_module), (lean, *rest, "", reload, needed)

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
    """numba's cache, except that a broken or unwritable file is no reason to stop a fit.

    Parameters
    ----------
    function : function
    stamp : hashable
        What must be the same for machine code to be used again, beside what numba looks at.

    Attributes
    ----------
    error : Exception or None
        Why machine code could not be written.
    """

    _impl_class = _LeanResults

    def __init__(self, function, stamp):
        super().__init__(function)
        self._stamp, self.error = stamp, None
        first = _FirstChoice.from_function(function, inspect.getfile(function))
        path = self.cache_path if first is None else first.get_cache_path()
        name_and_stamp = self._impl.filename_base, self._impl.locator.get_source_stamp()
        self._cache_file, self._read_only = (_KeyedFile(each, *name_and_stamp) for each in (self.cache_path, path))

    def _index_key(self, sig, codegen):
        return *super()._index_key(sig, codegen), self._stamp

    def load_overload(self, sig, target_context):
        with collector_paused():
            compiled = self._load(self._cache_file, sig, target_context)
            if compiled is None and self._read_only._index_path != self._cache_file._index_path:
                compiled = self._load(self._read_only, sig, target_context)
        if compiled is None:  # numba does this first, though machine code does not need what it loads
            target_context.refresh()
        return compiled

    def _load(self, cache_file, sig, target_context):
        try:
            data = cache_file.load(self._index_key(sig, target_context.codegen()))
            return None if data is None else self._impl.rebuild(target_context, data)
        except Exception:  # a damaged pickle may raise almost anything: compile again
            if cache_file is self._cache_file:
                self._forget()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:
            self._forget()
            try:
                super().save_overload(sig, data)
            except Exception as error:  # full disk, read-only folder: go on without a cache
                self.error = error

    def _forget(self):
        try:
            self.flush()
        except OSError:
            pass
