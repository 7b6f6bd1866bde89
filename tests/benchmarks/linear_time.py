"""Whether four times the rows take four times as long."""

import numpy as np
from scipy import sparse

from skreg import MLPRegressor

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of_each

TITLE = "Time of a fit with four times the rows, in milliseconds"
N_ROWS, N_FEATURES = 100_000, 20


def measure(solver, form, dtype, repeats):
    """Seconds of a fit of one epoch or of five iterations, on few and on many rows."""
    network = MLPRegressor((16,), solver=solver, max_iter=5 if solver == "lbfgs" else 1, tol=0.0, random_state=0)

    def fit_on(n_rows):
        X = np.random.default_rng(0).standard_normal((n_rows, N_FEATURES)).astype(dtype)
        y = X[:, 0].copy()
        X = sparse.csr_array(X) if form == "sparse" else X
        return lambda: network.fit(X, y)

    return best_of_each([fit_on(N_ROWS), fit_on(4 * N_ROWS)], repeats)


def run(options):
    table = Table(TITLE, ["solver", "X", "dtype", f"{N_ROWS} rows", f"{4 * N_ROWS} rows", "ratio"])
    for solver in ("adam", "sgd", "lbfgs"):
        for form in ("dense", "sparse"):
            for dtype in options.dtype:
                few, many = call(measure, solver=solver, form=form, dtype=dtype, repeats=options.repeats)
                table.add(solver, form, dtype, ms(few), ms(many), ratio(many, few))
    return table
