"""Memory of a fit beyond its data and the imports."""

import importlib

import numpy as np

from ._memory import most_used
from ._process import call
from ._table import Table

TITLE = "Memory of a fit beyond X, y and the imports, in MB"
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}
N_ROWS, N_FEATURES = 1_000_000, 50


def measure(library, dtype, dropout):
    """Bytes that a fit of one epoch adds to the most that was used before, a small fit included."""
    rng = np.random.default_rng(0)
    kind = importlib.import_module(MODULES[library]).MLPRegressor
    network = kind(hidden_layer_sizes=(32,), max_iter=1, batch_size=1000, **dropout)
    network.fit(np.ones((100, N_FEATURES), dtype), np.ones(100, dtype))
    X = np.empty((N_ROWS, N_FEATURES), dtype)
    for rows in np.array_split(X, 100):
        rows[:] = rng.standard_normal(rows.shape)
    y = X[:, 0].copy()
    before = most_used()
    network.fit(X, y)
    return most_used() - before


def run(options):
    note = f"{N_ROWS} x {N_FEATURES}, 32 hidden units, 1 epoch"
    table = Table(TITLE, ["library", "dtype", "X and y", "beyond"], note)
    variants = {"skreg": ("skreg", {}), "skreg, dropout": ("skreg", {"dropout": 0.5}), "sklearn": ("sklearn", {})}
    for dtype in options.dtype:
        size = N_ROWS * (N_FEATURES + 1) * np.dtype(dtype).itemsize
        for name, (library, dropout) in variants.items():
            beyond = call(measure, library=library, dtype=dtype, dropout=dropout)
            table.add(name, dtype, f"{size / 1e6:.0f}", f"{beyond / 1e6:.0f}")
    return table
