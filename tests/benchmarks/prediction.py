"""Predictions of one row and of very many, beside scikit-learn."""

import importlib

import numpy as np

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of_many

TITLE = "Predictions, in milliseconds"
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}
METHODS = {"predict": "MLPRegressor", "predict_proba": "MLPClassifier"}
N_FEATURES, HIDDEN = 20, (100, 50)


def measure(library, method, n_rows, dtype, repeats):
    """Seconds of a call on a network of 20 inputs and two hidden layers."""
    X = np.random.default_rng(0).standard_normal((n_rows, N_FEATURES)).astype(dtype)
    start = np.linspace(-1, 1, 200 * N_FEATURES).reshape(200, -1).astype(dtype)
    kind = getattr(importlib.import_module(MODULES[library]), METHODS[method])
    network = kind(hidden_layer_sizes=HIDDEN, max_iter=2, random_state=0)
    network.fit(start, np.arange(200) % 5)
    predict = getattr(network, method)
    return best_of_many(lambda: predict(X), repeats)


def run(options):
    table = Table(TITLE, ["method", "rows", "dtype", *MODULES, "ahead"], f"{N_FEATURES} inputs, hidden layers {HIDDEN}")
    for method in METHODS:
        for n_rows in (1, 100, 100_000):
            for dtype in options.dtype:
                ours, theirs = (
                    call(measure, library=lib, method=method, n_rows=n_rows, dtype=dtype, repeats=options.repeats)
                    for lib in MODULES
                )
                table.add(method, n_rows, dtype, ms(ours), ms(theirs), ratio(theirs, ours))
    return table
