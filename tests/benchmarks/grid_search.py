"""A grid search as people run it, in two processes, beside scikit-learn."""

import importlib

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from ._process import call
from ._table import Table, ratio, three_digits
from ._timing import seconds

TITLE = "Grid search on diabetes, in seconds"
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}
GRID = {"alpha": np.logspace(-4, 1, 20).tolist(), "learning_rate_init": [1e-3, 3e-3, 1e-2]}
EPOCHS, N_FOLDS, N_JOBS = 50, 5, 2


def measure(library):
    """Seconds of the first search of a process, starting its workers included, and of the second."""
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    kind = importlib.import_module(MODULES[library]).MLPRegressor
    network = kind(hidden_layer_sizes=(32,), max_iter=EPOCHS, tol=0.0, n_iter_no_change=10**9, random_state=0)
    search = GridSearchCV(network, GRID, cv=N_FOLDS, n_jobs=N_JOBS)
    return [seconds(lambda: search.fit(X, y)) for _ in range(2)]


def run(options):
    note = f"{len(GRID['alpha']) * len(GRID['learning_rate_init'])} candidates, {N_FOLDS} folds, {EPOCHS} epochs each"
    table = Table(TITLE, ["search", *MODULES, "ahead"], f"{note}, n_jobs={N_JOBS}")
    times = [call(measure, library=lib) for lib in MODULES]
    for name, ours, theirs in zip(("first", "second"), *times, strict=True):
        table.add(name, three_digits(ours), three_digits(theirs), ratio(theirs, ours))
    return table
