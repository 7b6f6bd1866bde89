"""How skreg's kernels are compiled and cached: the options of numba, in one place.

Only the few *entry* kernels that Python calls are cached on disk, each with its helpers inside: that
is faster to compile and to load than a cache file for each helper. numba looks only at the file of a
cached function, not at those of its helpers, so a hash of all kernel sources is part of the key under
which machine code is kept: with an edited helper it is another key.
"""

import hashlib
import platform
from functools import cached_property, update_wrapper
from pathlib import Path

from numba import config, njit, types, version_info
from numba.extending import typeof_impl

from ._cache import ForgivingCache

# Reassociation lets sums be vectorised and contraction makes fused multiply-adds. "nnan" and "ninf"
# stay off: a diverging fit is recognised by its NaN. No kernel makes an array, so that none counts references to
# them: the counter of an array is an atomic number, and took half of the time of a step on small batches.
_OPTIONS = {
    "error_model": "numpy",
    "nogil": True,
    "_nrt": False,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
# For loops over a piece of a vector: each element is rounded alike wherever the pieces are cut, while LLVM may
# regroup or fuse the vectors of a loop and the elements behind them in different ways.
_UNIFORM_OPTIONS = {**_OPTIONS, "fastmath": False}
# For arithmetic whose rounding matters: a function keeps its own options where it is inlined.
_EXACT_OPTIONS = {**_OPTIONS, "fastmath": {"contract"}}


if config.DISABLE_JIT:
    raise ImportError("skreg's kernels run as machine code alone, which NUMBA_DISABLE_JIT=1 forbids: unset it.")

_WITHOUT_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_NEWEST_KNOWN_NUMBA = (0, 68)  # into which _pipeline.py reaches
try:
    if version_info.short > _NEWEST_KNOWN_NUMBA:
        raise ImportError
    from ._pipeline import EntryCompiler, HelperCompiler, InlinedCompiler, OutlinedCompiler
except (ImportError, AttributeError):  # another numba: kernels then take longer to compile, nothing else
    _FOR_ENTRIES = _FOR_HELPERS = _FOR_INLINED = _FOR_OUTLINED = {}
else:
    _FOR_ENTRIES = {"pipeline_class": EntryCompiler}
    _FOR_HELPERS, _FOR_INLINED, _FOR_OUTLINED = (
        {**_WITHOUT_WRAPPERS, "pipeline_class": compiler}
        for compiler in (HelperCompiler, InlinedCompiler, OutlinedCompiler)
    )


def _for_compiled_callers(dispatcher):
    """What only compiled code calls, and no cache keeps.

    numba would compile it once more for each whole number that a caller writes as such, and has clocks for each
    function, which all run while something within it is compiled.
    """
    template_of = dispatcher.get_call_template

    def get_call_template(args, kws):
        return template_of([types.unliteral(arg) for arg in args], {k: types.unliteral(v) for k, v in kws.items()})

    def compile_without_clocks(args):
        if args not in dispatcher.overloads:
            with dispatcher._compiling_counter:
                dispatcher.add_overload(dispatcher._compiler.compile(args, None))

    dispatcher.get_call_template, dispatcher.compile = get_call_template, compile_without_clocks
    return dispatcher


class Helper:
    """A function that becomes numba's when something that calls it is compiled. Python cannot call it.

    Most never do: who loads a finished kernel needs none of its helpers, and numba takes 0.2 ms to make one.

    Parameters
    ----------
    function : function
    options : dict, of `njit`
    """

    def __init__(self, function, options):
        self.py_func, self._options = function, options
        update_wrapper(self, function)

    @cached_property
    def dispatcher(self):
        return _for_compiled_callers(njit(**self._options)(self.py_func))


@typeof_impl.register(Helper)
def _type_of_helper(value, context):
    return types.Dispatcher(value.dispatcher)


def _decorator(**options):
    return lambda function: Helper(function, options)


helper, outlined = _decorator(**_OPTIONS, **_FOR_HELPERS), _decorator(**_OPTIONS, **_FOR_OUTLINED)
exact_helper = _decorator(**_EXACT_OPTIONS, **_FOR_INLINED)
uniform = _decorator(**_UNIFORM_OPTIONS, **_FOR_OUTLINED)


def _hash_of_sources():
    digest = hashlib.blake2b(digest_size=7)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(platform.machine().encode())
    return int.from_bytes(digest.digest(), "little")


SOURCE_STAMP = _hash_of_sources()

ENTRIES = []  # all that `entry` has decorated


def entry(function):
    """Compile `function` at its first call and keep the machine code on disk where that is possible."""
    dispatcher = _cached(njit(**_OPTIONS, **_FOR_ENTRIES, no_cfunc_wrapper=True)(function))
    ENTRIES.append(dispatcher)
    return dispatcher


def stage(function):
    """The same for a function that entries call by address, see stages.py."""
    return _cached(njit(**_OPTIONS, **_FOR_ENTRIES, no_cpython_wrapper=True)(function))


def _no_extensions():
    """In the place of numba's search for extensions of others in all installed packages: kernels know none."""


def _cached(dispatcher):
    dispatcher._compilation_chain_init_hook = _no_extensions
    try:
        dispatcher._cache = ForgivingCache(dispatcher.py_func, SOURCE_STAMP)
    except RuntimeError:  # numba knows no folder for this file: compile in each process
        pass
    return dispatcher
