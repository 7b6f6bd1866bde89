"""Waiting for the compiler and for imports: on a new machine, and in each new process."""

from statistics import median
from tempfile import TemporaryDirectory

from ._process import call_with
from ._table import Table, three_digits
from ._timing import seconds

TITLE = "Cold start, in seconds"
N_PROCESSES = 7


def first_fit(dtype):
    """(seconds of `import skreg` after scikit-learn's networks, of the first fit, of the second one)."""
    import numpy as np
    import sklearn.model_selection
    import sklearn.neural_network  # noqa: F401

    imported = seconds(lambda: __import__("skreg"))
    import skreg

    X = np.random.default_rng(0).standard_normal((442, 10)).astype(dtype)
    network = skreg.MLPRegressor((32,), max_iter=10, random_state=0)
    return imported, *(seconds(lambda: network.fit(X, X[:, 0])) for _ in range(2))


def warm_up():
    """Seconds to compile everything."""
    import skreg

    return seconds(skreg.warmup)


def run(options):
    table = Table(TITLE, ["what", "seconds"], f"Of later processes the median of {N_PROCESSES}.")
    for dtype in options.dtype:
        with TemporaryDirectory() as folder:
            elsewhere = {"NUMBA_CACHE_DIR": folder}
            _, first, _ = call_with(elsewhere, first_fit, dtype=dtype)
            later = [call_with(elsewhere, first_fit, dtype=dtype) for _ in range(N_PROCESSES)]
        imports, firsts, seconds_fits = zip(*later, strict=True)
        waits = [first - second for first, second in zip(firsts, seconds_fits, strict=True)]
        table.add(f"first fit on a new machine, {dtype}", three_digits(first))
        table.add(f"first fit of a later process beyond its second, {dtype}", three_digits(median(waits)))
        table.add(f"import skreg beyond scikit-learn's networks, {dtype}", three_digits(median(imports)))
    with TemporaryDirectory() as folder:
        table.add("everything compiled by skreg warmup", three_digits(call_with({"NUMBA_CACHE_DIR": folder}, warm_up)))
    return table
