"""How skreg's functions are marked for the compiler, which is imported when it is needed (_compile.py)."""

from functools import cached_property, update_wrapper


class ForCompiler:
    """A function that becomes one of numba's when something that calls it is compiled. Python cannot call it.

    Most never do: who loads a finished kernel needs none of them.

    Parameters
    ----------
    py_func : function
    options : dict
        How to compile it.
    """

    def __init__(self, py_func, **options):
        self.py_func, self.options = py_func, options
        update_wrapper(self, py_func)

    @cached_property
    def compilable(self):
        """What numba knows it as."""
        from . import _compile

        return self._made_by(_compile)


class Helper(ForCompiler):
    """One that is compiled from Python."""

    def _made_by(self, compiler):
        return compiler.make_helper(self.py_func, **self.options)


class Intrinsic(ForCompiler):
    """One that says what to write for LLVM."""

    def _made_by(self, compiler):
        return compiler.make_intrinsic(self.py_func, **self.options)


def _helper(flavour):
    return lambda py_func: Helper(py_func, flavour=flavour)


# Reassociation lets sums be vectorised and contraction makes fused multiply-adds, in helpers and in what LLVM is not
# to inline: large functions with several callers.
helper, outlined = _helper("helper"), _helper("outlined")
# For arithmetic whose rounding matters: a function keeps its own options where it is inlined.
exact_helper = _helper("exact")
# For loops over a piece of a vector: each element is rounded alike wherever the pieces are cut, while LLVM may
# regroup or fuse the vectors of a loop and the elements behind them in different ways.
uniform = _helper("uniform")


def intrinsic(py_func=None, *, prefer_literal=False):
    """`numba.extending.intrinsic`, made when it is needed."""
    if py_func is None:
        return lambda py_func: intrinsic(py_func, prefer_literal=prefer_literal)
    return Intrinsic(py_func, prefer_literal=prefer_literal)
