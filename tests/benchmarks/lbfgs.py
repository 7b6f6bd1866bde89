"""L-BFGS on digits, each iteration beside scikit-learn's."""

import importlib

from sklearn.datasets import load_digits

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of

TITLE = "L-BFGS on digits, in milliseconds an iteration"
N_ITERATIONS = 30
VARIANTS = {  # of skreg; scikit-learn has l2 alone
    "l2": {"penalty": "l2", "alpha": 1e-4},
    "l1": {"penalty": "l1", "alpha": 1e-3},
}
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}


def measure(library, hidden, dtype, changes, repeats):
    """Seconds an iteration."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(dtype)
    network = importlib.import_module(MODULES[library]).MLPClassifier(
        hidden, solver="lbfgs", max_iter=N_ITERATIONS, tol=0.0, random_state=0, **changes
    )
    return best_of(lambda: network.fit(X, y), repeats) / network.n_iter_


def run(options):
    table = Table(TITLE, ["hidden", "dtype", *VARIANTS, "sklearn, l2", "ahead, l2", "l1 / l2"])
    table.note = f"{N_ITERATIONS} iterations from random weights, evaluations of the line search included"
    for hidden in ((), (50,), (100, 50)):
        for dtype in options.dtype:
            common = {"hidden": hidden, "dtype": dtype, "repeats": options.repeats}
            l2, l1 = (call(measure, library="skreg", changes=changes, **common) for changes in VARIANTS.values())
            theirs = call(measure, library="sklearn", changes={}, **common)
            table.add(hidden, dtype, ms(l2), ms(l1), ms(theirs), ratio(theirs, l2), ratio(l1, l2))
    return table
