"""Classes of sparse rows that look like texts, beside scikit-learn."""

import importlib

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of

TITLE = "Sparse text-like classification, in milliseconds"
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}
N_ROWS, N_WORDS, N_OF_TEXT, N_CLASSES = 6000, 16000, 100, 20  # of 100 drawn words some 80 differ


def make_texts(dtype):
    """(tf-idf of random words, classes): few words are frequent, and each class has words of its own."""
    rng = np.random.default_rng(0)
    y = rng.integers(N_CLASSES, size=N_ROWS)
    words = (N_WORDS * rng.random((N_ROWS, N_OF_TEXT)) ** 3).astype(np.int64)
    own = rng.random(words.shape) < 0.2
    words[own] = (words * N_CLASSES // N_WORDS * (N_WORDS // N_CLASSES) + y[:, None])[own]
    rows = np.repeat(np.arange(N_ROWS), N_OF_TEXT)
    counts = sparse.csr_matrix((np.ones(words.size), (rows, words.ravel())), shape=(N_ROWS, N_WORDS))
    return TfidfTransformer().fit_transform(counts).astype(dtype), y


def measure(library, dtype, repeats):
    """Seconds of a fit of three epochs, the mean number of words a row, and the share of rows it then gets right."""
    X, y = make_texts(dtype)
    network = importlib.import_module(MODULES[library]).MLPClassifier(
        (64,), batch_size=200, max_iter=3, tol=0.0, n_iter_no_change=10**9, random_state=0
    )
    time = best_of(lambda: network.fit(X, y), repeats)
    return time, X.nnz / N_ROWS, network.score(X, y)


def run(options):
    table = Table(TITLE, ["dtype", "words a row", *MODULES, "ahead", *(f"accuracy, {lib}" for lib in MODULES)])
    table.note = f"{N_ROWS} x {N_WORDS}, {N_CLASSES} classes, 64 hidden units, batches of 200, 3 epochs"
    for dtype in options.dtype:
        ours, theirs = (call(measure, library=lib, dtype=dtype, repeats=options.repeats) for lib in MODULES)
        figures = ms(ours[0]), ms(theirs[0]), ratio(theirs[0], ours[0]), f"{ours[2]:.3f}", f"{theirs[2]:.3f}"
        table.add(dtype, f"{ours[1]:.0f}", *figures)
    return table
