"""Compile everything ahead, so that no later fit or prediction has to wait for it."""

import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, product

import numpy as np
from scipy import sparse

from ._team import n_cores
from ._warmup_partner import Partner
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
    Calling it again costs next to nothing. Where there are two cores, a second process takes its part.

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
    """Use every kernel; yields (name, dtype, seconds, how it came) of each, as soon as it is ready.

    Where there is much to compile, a second process takes its part.
    """
    dtypes = [_checked(dtype) for dtype in ([dtypes] if isinstance(dtypes, str) else dtypes)]
    known, partner = set(), None
    try:
        for name, dtype, seconds, how in prepare_all(tasks_of(dtypes)):
            known.add((name, dtype))
            if partner is not None and how == LOADED and (name, dtype) in partner.seconds:
                seconds, how = partner.seconds[name, dtype], COMPILED
            yield name, dtype, seconds, how
            if partner is None and how == COMPILED and _has_core_for_partner() and not cache_errors():
                partner = Partner(dtypes)
    finally:
        if partner is not None:
            partner.close()
    for name, dtype in sorted(ready_kernels() - known):
        yield name, dtype, 0.0, READY


def _has_core_for_partner():
    return n_cores() > 1 and bool(sys.executable)


def prepare_all(tasks):
    """Run the tasks of `tasks_of`; yields the records of each."""
    for task in tasks:
        records = []
        prepare_one(task, records.append)
        yield from records


def prepare_one(task, found):
    """Run a task; `found` gets the record of each kernel as soon as it is ready."""
    with _recorded(found), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few epochs do not converge
        task()


def tasks_of(dtypes):
    """Functions that together compile or load everything.

    A second process begins at the other end. What is of one dtype stays together, since its kernels hold the same
    helpers, and what needs another dtype as well is in the middle.
    """
    needed = dict.fromkeys([*dtypes, "float64"])  # a full-batch solver works in float64
    of_stages = {dtype: [partial(stage.address, dtype) for stage in stages()] for dtype in needed}
    of_dtypes = {dtype: [*_uses(dtype)] if dtype in dtypes else [] for dtype in needed}
    first, *others = needed
    # A small one at the very first, to see whether there is anything to compile.
    ahead = [*of_stages[first][:1], *of_dtypes[first], *of_stages[first][1:]]
    across = chain(*map(_uses_across, dtypes))
    return [*ahead, *across, *chain(*([*of_stages[dtype], *of_dtypes[dtype]] for dtype in others))]


def kernels():
    """The compiled functions that Python calls."""
    load_kernels()
    from .kernels import draws  # noqa: F401 - which is loaded when it is first used
    from .kernels._jit import ENTRIES

    return [kernel for kernel in ENTRIES if kernel.__module__.startswith("skreg.")]


def stages():
    """The functions that kernels call by address."""
    load_kernels()
    from .kernels import (
        activations,
        activity,
        augmentation,
        averaging,
        clipping,
        csr,
        evaluation,
        links,
        losses,
        noise,
        normalization,
        projections,
        proximal,
        thinning,
    )

    steps = csr, proximal, projections, clipping, averaging, augmentation, noise, thinning
    modules = evaluation, activations, activity, losses, links, normalization, *steps
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
def _recorded(found):
    """Context in which `found` is called with (name, dtype, seconds, how it came) of what is compiled or loaded."""
    with ExitStack() as stack:
        for kernel in kernels():
            stack.enter_context(_timed(kernel, found))
        stack.enter_context(_timed_stages(found))
        yield


@contextmanager
def _timed(kernel, found):
    compile_or_load = kernel.compile

    def timed(signature):
        n_loaded, start = sum(kernel.stats.cache_hits.values()), time.perf_counter()
        try:
            return compile_or_load(signature)
        finally:
            how = LOADED if sum(kernel.stats.cache_hits.values()) > n_loaded else COMPILED
            found((kernel.__name__, dtype_of(signature), time.perf_counter() - start, how))

    kernel.compile = timed
    try:
        yield
    finally:
        del kernel.compile


@contextmanager
def _timed_stages(found):
    from .kernels.stages import Stage

    prepare = Stage.prepare

    def timed(stage, dtype):
        start = time.perf_counter()
        prepare(stage, dtype)
        was_loaded = sum(stage.dispatchers[dtype].stats.cache_hits.values()) > 0
        found((stage.name, dtype.name, time.perf_counter() - start, LOADED if was_loaded else COMPILED))

    Stage.prepare = timed
    try:
        yield
    finally:
        Stage.prepare = prepare


# What is done with it -----------------------------------------------------------------------------


def _uses(dtype):
    """Functions that together do all that there is to do with data and solvers of a dtype, on a few rows."""
    networks = [(MLPRegressor, {"solver": solver}) for solver in ("adam", "sgd")]
    networks += [(MLPRegressor, {"dropout": 0.5}), (MLPClassifier, {})]
    if dtype == "float64":
        networks += _FULL_BATCH
    return _uses_of(networks, dtype, [dtype])


def _uses_across(dtype):
    """The same of a dtype with solvers and predictions of another."""
    return _uses_of(_FULL_BATCH, dtype, DTYPES)


_FULL_BATCH = [(MLPRegressor, {"solver": "lbfgs"}), (MLPClassifier, {"solver": "lbfgs"})]


def _uses_of(networks, dtype, predicted):
    X = np.linspace(-1, 1, 24).reshape(8, 3).astype(dtype)
    y = np.arange(8) % 2
    held = [X, np.asfortranarray(X), sparse.csr_array(X), _with_long_indices(X)]
    for (kind, parameters), data in product(networks, held):
        yield partial(_use, kind((2,), max_iter=1, random_state=0, **parameters), data, y, predicted)


def _use(network, X, y, predicted):
    for validation in {}, {"X_val": X, "y_val": y}:
        network.fit(X, y, y + 1 if validation else None, **validation)
        if network.interrupted_:  # a fit keeps what it has then; here it is the user's wish to end
            raise KeyboardInterrupt
    for dtype in predicted:
        network.predict(X.astype(dtype))
    network.objective(X, y)


def _with_long_indices(X):
    X = sparse.csr_array(X)
    return sparse.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
