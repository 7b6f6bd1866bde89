"""How skreg's functions are marked for the compiler, which is imported when it is needed (_compile.py)."""

from functools import cached_property, update_wrapper


class ForCompiler:
    """A function that becomes one of numba's when something that calls it is compiled. Python cannot call it.

    Most never do: who loads a finished kernel needs none of them.

    Parameters
    ----------
    function : function
    make : str
        Name of the function in _compile.py that makes it one of numba's.
    options : dict
        What that is given beside the function.
    """

    def __init__(self, function, make, options):
        self.py_func, self._make, self._options = function, make, options
        update_wrapper(self, function)

    @cached_property
    def compilable(self):
        from . import _compile

        return getattr(_compile, self._make)(self.py_func, **self._options)


class Helper(ForCompiler):
    """One that is compiled from Python."""


class Intrinsic(ForCompiler):
    """One that says what to write for LLVM."""


def _helper(flavour):
    return lambda function: Helper(function, "make_helper", {"flavour": flavour})


# Reassociation lets sums be vectorised and contraction makes fused multiply-adds, in helpers and in what LLVM is not
# to inline: large functions with several callers.
helper, outlined = _helper("helper"), _helper("outlined")
# For arithmetic whose rounding matters: a function keeps its own options where it is inlined.
exact_helper = _helper("exact")
# For loops over a piece of a vector: each element is rounded alike wherever the pieces are cut, while LLVM may
# regroup or fuse the vectors of a loop and the elements behind them in different ways.
uniform = _helper("uniform")


def intrinsic(function=None, *, prefer_literal=False):
    """`numba.extending.intrinsic`, made when it is needed."""
    if function is None:
        return lambda function: intrinsic(function, prefer_literal=prefer_literal)
    return Intrinsic(function, "make_intrinsic", {"prefer_literal": prefer_literal})
