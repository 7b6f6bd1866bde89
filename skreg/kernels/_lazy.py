"""Modules of numba and of what needs it, each imported when something of it is used.

Kernels are written with them, but finished machine code needs neither: who finds it on disk does not wait for numba,
whose import takes longer than many a fit.
"""

from importlib import import_module


class _Later:
    """A module that is imported when it is asked for one of its names."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


types, cgutils = _Later("numba.core.types"), _Later("numba.core.cgutils")
view_types = _Later("skreg.kernels._view_types")
