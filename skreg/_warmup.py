"""Compile everything ahead, so that no later fit or prediction has to wait for it."""

import sys
import warnings
from functools import partial
from itertools import chain, product

import numpy as np
from scipy import sparse

from ._team import n_cores
from ._warmup_partner import Partner
from .classifier import MLPClassifier
from .kernels import _kernel
from .kernels._kernel import COMPILED, LOADED, listeners
from .regressor import MLPRegressor

DTYPES = tuple(dtype.name for dtype in _kernel.DTYPES)
READY = "ready before"


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
    listeners.append(found)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few epochs do not converge
            task()
    finally:
        listeners.remove(found)


def tasks_of(dtypes):
    """Functions that together compile or load everything.

    A second process begins at the other end. What is of one dtype stays together, since its kernels hold the same
    helpers, and what needs another dtype as well is in the middle.
    """
    needed = dict.fromkeys([*dtypes, "float64"])  # a full-batch solver works in float64
    of_stages = {dtype: [partial(stage.address, dtype) for stage in stages()] for dtype in needed}
    of_dtypes = {dtype: [*_uses(dtype)] if dtype in dtypes else [] for dtype in needed}
    first, *others = needed
    # A small one at the very first: the second process starts when it is known that there is something to compile.
    ahead = [*of_stages[first][:1], *of_dtypes[first], *of_stages[first][1:]]
    across = chain(*map(_uses_across, dtypes))
    return [*ahead, *across, *chain(*([*of_stages[dtype], *of_dtypes[dtype]] for dtype in others))]


def entries():
    """The kernels that Python calls."""
    from .kernels import draws, entry  # noqa: F401 - they are loaded when they are first used
    from .kernels._entry import ENTRIES

    return [kernel for kernel in ENTRIES if kernel.py_func.__module__.startswith("skreg.")]


def stages():
    """The kernels that others call by address; the first of them is small, see `tasks_of`."""
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
    modules = activity, evaluation, activations, losses, links, normalization, *steps
    return list(dict.fromkeys(stage for module in modules for stage in module.STAGES.values()))


def kernels():
    """All of them."""
    return [*entries(), *stages()]


def ready_kernels():
    """{(name, dtype)} of what this process has machine code of."""
    return {(kernel.name, dtype) for kernel in kernels() for dtype in kernel.dtypes}


def cache_errors():
    """{folder: error} of those kernels whose machine code could not be written."""
    return dict(kernel.error for kernel in kernels() if kernel.error is not None)


def cache_folders():
    """Where machine code is kept."""
    return sorted({str(kernel.folder) for kernel in kernels() if kernel.folder is not None and kernel.error is None})


def _checked(dtype):
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise ValueError(f"dtypes must be 'float32' or 'float64', got {dtype!r}.")
    return name


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
