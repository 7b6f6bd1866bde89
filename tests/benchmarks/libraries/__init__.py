"""The same training in several libraries: a module each, with ``make_fit(workload, dtype)``.

It returns a function that trains a new network each time, with Adam at a rate of 0.001 on batches that are drawn anew
in each epoch, or None where the library cannot.
"""

from importlib import import_module
from importlib.util import find_spec

MODULES = {"skreg": "_skreg", "sklearn": "_sklearn", "torch": "_torch", "jax": "_jax"}
NAMES = list(MODULES)


def installed():
    return [name for name in NAMES if find_spec(name) is not None]


def make_fit(library, workload, dtype):
    return import_module(f"{__name__}.{MODULES[library]}").make_fit(workload, dtype)
