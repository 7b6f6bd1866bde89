"""How skreg's kernels are compiled and cached: the options of numba, in one place.

Only the few *entry* kernels that Python calls are cached on disk, each with its helpers inside: that
is faster to compile and to load than a cache file for each helper. numba looks only at the file of a
cached function, not at those of its helpers, so every entry takes a last argument whose default is a
hash of all kernel sources: it is part of the signature, so that an edited helper is a new signature.
"""

import hashlib
import platform
from pathlib import Path

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

# Reassociation lets sums be vectorised and contraction makes fused multiply-adds. "nnan" and "ninf"
# stay off: a diverging fit is recognised by its NaN.
_OPTIONS = {
    "error_model": "numpy",
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
# For loops over a piece of a vector: each element is rounded alike wherever the pieces are cut, while LLVM may
# regroup or fuse the vectors of a loop and the elements behind them in different ways.
_UNIFORM_OPTIONS = {**_OPTIONS, "fastmath": False}
# For arithmetic whose rounding matters: a function keeps its own options where it is inlined.
_EXACT_OPTIONS = {**_OPTIONS, "fastmath": {"contract"}}


_WITHOUT_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
try:
    from ._pipeline import HelperCompiler, InlinedCompiler, OutlinedCompiler
except (ImportError, AttributeError):  # another numba: helpers then take longer to compile, nothing else
    helper = outlined = njit(**_OPTIONS)
    exact_helper = njit(**_EXACT_OPTIONS)
    uniform = njit(**_UNIFORM_OPTIONS)
else:
    helper = njit(**_OPTIONS, **_WITHOUT_WRAPPERS, pipeline_class=HelperCompiler)
    exact_helper = njit(**_EXACT_OPTIONS, **_WITHOUT_WRAPPERS, pipeline_class=InlinedCompiler)
    outlined = njit(**_OPTIONS, **_WITHOUT_WRAPPERS, pipeline_class=OutlinedCompiler)
    uniform = njit(**_UNIFORM_OPTIONS, **_WITHOUT_WRAPPERS, pipeline_class=OutlinedCompiler)


def _hash_of_sources():
    digest = hashlib.blake2b(digest_size=7)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(platform.machine().encode())
    return int.from_bytes(digest.digest(), "little")


SOURCE_STAMP = _hash_of_sources()


class _ForgivingCache(FunctionCache):
    """numba's cache on disk, except that a broken or unwritable file is no reason to stop a fit."""

    def load_overload(self, sig, target_context):
        try:
            # What numba does, except that it first loads all that the compiler knows, which takes a
            # tenth of a second in each new process; finished machine code needs only the runtime.
            rtsys.initialize(target_context)
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


def entry(function):
    """Compile `function` at its first call and keep the machine code on disk where that is possible."""
    dispatcher = njit(**_OPTIONS, no_cfunc_wrapper=True)(function)
    try:
        dispatcher._cache = _ForgivingCache(function)
    except RuntimeError:  # numba found no folder it can write to: compile in each process
        pass
    return dispatcher
