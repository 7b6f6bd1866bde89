"""Whether four times the rows take four times as long."""

import numpy as np
from scipy import sparse

from skreg import MLPRegressor

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of

TITLE = "Time of a fit with four times the rows, in milliseconds"
N_ROWS, N_FEATURES = 100_000, 20


def measure(n_rows, solver, form, dtype, repeats):
    """Seconds of a fit of one epoch or of five iterations."""
    X = np.random.default_rng(0).standard_normal((n_rows, N_FEATURES)).astype(dtype)
    y = X[:, 0].copy()
    X = sparse.csr_array(X) if form == "sparse" else X
    network = MLPRegressor((16,), solver=solver, max_iter=5 if solver == "lbfgs" else 1, tol=0.0, random_state=0)
    return best_of(lambda: network.fit(X, y), repeats)


def run(options):
    table = Table(TITLE, ["solver", "X", "dtype", f"{N_ROWS} rows", f"{4 * N_ROWS} rows", "ratio"])
    for solver in ("adam", "sgd", "lbfgs"):
        for form in ("dense", "sparse"):
            for dtype in options.dtype:
                common = {"solver": solver, "form": form, "dtype": dtype, "repeats": options.repeats}
                few, many = (call(measure, n_rows=n_rows, **common) for n_rows in (N_ROWS, 4 * N_ROWS))
                table.add(solver, form, dtype, ms(few), ms(many), ratio(many, few))
    return table
