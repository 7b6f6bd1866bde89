"""Compile everything ahead, so that no later fit or prediction has to wait for it."""

import time
import warnings
from contextlib import ExitStack, contextmanager
from itertools import chain, product

import numpy as np
from scipy import sparse

from .classifier import MLPClassifier
from .kernels._collector import load_kernels
from .regressor import MLPRegressor

DTYPES = ("float32", "float64")
COMPILED, LOADED, READY = "compiled", "loaded", "ready before"


def warmup(dtypes=DTYPES):
    """Compile all kernels of skreg, or load them where their machine code is on disk already.

    The first fit on a new machine waits some seconds for the compiler, once for float32 and once for
    float64. This waits for it ahead: while an image is built, say, or on the login node of a cluster.
    The machine code is kept in ``NUMBA_CACHE_DIR`` if that is set, else beside the installed package or,
    where that cannot be written to, in the user's cache folder. It is for processors of this kind.
    Calling it again costs next to nothing.

    Parameters
    ----------
    dtypes : sequence of {'float32', 'float64'}, default=('float32', 'float64')
        Types of the data to come. What a fit on float32 computes in float64 is compiled as well.

    Returns
    -------
    seconds : dict
        Seconds that each kernel took, by its name and type, such as ``'evaluate float32'``; 0.0 for
        those that this process had before.

    Examples
    --------
    >>> import skreg
    >>> seconds = skreg.warmup(["float32"])
    >>> max(skreg.warmup(["float32"]).values())
    0.0
    """
    return {f"{name} {dtype}": seconds for name, dtype, seconds, _ in prepare(dtypes)}


def prepare(dtypes=DTYPES):
    """Use every kernel; yields (name, dtype, seconds, how it came) of each, as soon as it is ready."""
    dtypes = [_checked(dtype) for dtype in ([dtypes] if isinstance(dtypes, str) else dtypes)]
    load_kernels()
    known = set()
    for dtype in dtypes:
        for record in chain.from_iterable(_prepare_stage(stage, dtype) for stage in stages()):
            known.add(record[:2])
            yield record
        for use in _uses(dtype):
            with _recorded() as records, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # so few epochs do not converge
                use()
            for record in records:
                known.add(record[:2])
                yield record
    for name in sorted(ready_kernels() - known):
        yield *name, 0.0, READY


def _prepare_stage(stage, dtype):
    """A record of each version of a stage that a fit on a dtype may need; a full-batch solver works in float64."""
    for needed in dict.fromkeys([np.dtype(dtype), np.dtype(np.float64)]):
        if needed not in stage.dispatchers:
            start = time.perf_counter()
            stage.address(needed)
            was_loaded = sum(stage.dispatchers[needed].stats.cache_hits.values()) > 0
            yield stage.name, needed.name, time.perf_counter() - start, LOADED if was_loaded else COMPILED


def kernels():
    """The compiled functions that Python calls."""
    from .kernels._jit import ENTRIES

    return [kernel for kernel in ENTRIES if kernel.__module__.startswith("skreg.")]


def stages():
    """The functions that kernels call by address."""
    from .kernels import (
        activations,
        activity,
        augmentation,
        averaging,
        clipping,
        links,
        losses,
        normalization,
        projections,
        proximal,
    )

    steps = proximal, projections, clipping, averaging, augmentation
    modules = activations, activity, losses, links, normalization, *steps
    return list(dict.fromkeys(stage for module in modules for stage in module.STAGES.values()))


def ready_kernels():
    """{(name, dtype)} of what this process has machine code of."""
    entries = {(kernel.__name__, dtype_of(signature)) for kernel in kernels() for signature in kernel.signatures}
    return entries | {(stage.name, dtype.name) for stage in stages() for dtype in stage.dispatchers}


def dtype_of(signature):
    """'float32' or 'float64': the type of the data in a kernel's signature."""
    dtypes = (str(getattr(argument, "dtype", "")) for argument in signature)
    return next((dtype for dtype in dtypes if dtype in DTYPES), "")


def cache_errors():
    """{folder: error} of those kernels whose machine code could not be written."""
    caches = [dispatcher._cache for dispatcher in _dispatchers()]
    return {cache.cache_path: cache.error for cache in caches if getattr(cache, "error", None) is not None}


def cache_folders():
    """Where machine code is kept, without those who cannot keep any."""
    folders = {dispatcher.stats.cache_path for dispatcher in _dispatchers()} - {None}
    return sorted(folders - cache_errors().keys())


def _dispatchers():
    return [*kernels(), *(dispatcher for stage in stages() for dispatcher in stage.dispatchers.values())]


def _checked(dtype):
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise ValueError(f"dtypes must be 'float32' or 'float64', got {dtype!r}.")
    return name


# How long each takes ------------------------------------------------------------------------------


@contextmanager
def _recorded():
    """Yields a list that gets (name, dtype, seconds, how it came) of what is compiled or loaded meanwhile."""
    records = []
    with ExitStack() as stack:
        for kernel in kernels():
            stack.enter_context(_timed(kernel, records))
        yield records


@contextmanager
def _timed(kernel, records):
    compile_or_load = kernel.compile

    def timed(signature):
        n_loaded, start = sum(kernel.stats.cache_hits.values()), time.perf_counter()
        try:
            return compile_or_load(signature)
        finally:
            how = LOADED if sum(kernel.stats.cache_hits.values()) > n_loaded else COMPILED
            records.append((kernel.__name__, dtype_of(signature), time.perf_counter() - start, how))

    kernel.compile = timed
    try:
        yield
    finally:
        del kernel.compile


# What is done with it -----------------------------------------------------------------------------


def _uses(dtype):
    """Functions that together do all that there is to do with data of a dtype, on a few rows."""
    X = np.linspace(-1, 1, 24).reshape(8, 3).astype(dtype)
    y = np.arange(8) % 2
    held = [X, np.asfortranarray(X), sparse.csr_array(X), _with_long_indices(X)]
    networks = [(MLPRegressor, {"solver": solver}) for solver in ("adam", "sgd", "lbfgs")]
    networks += [(MLPRegressor, {"dropout": 0.5}), (MLPClassifier, {}), (MLPClassifier, {"solver": "lbfgs"})]
    for (kind, parameters), data in product(networks, held):
        network = kind((2,), max_iter=1, random_state=0, **parameters)
        yield lambda network=network, data=data: network.fit(data, y)
        yield lambda network=network, data=data: network.fit(data, y, y + 1, X_val=data, y_val=y)
        for other in DTYPES:
            yield lambda network=network, data=data, other=other: network.predict(data.astype(other))
        yield lambda network=network, data=data: network.objective(data, y)


def _with_long_indices(X):
    X = sparse.csr_array(X)
    return sparse.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
