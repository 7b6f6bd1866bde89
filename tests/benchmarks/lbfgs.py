"""L-BFGS on digits, each iteration beside scikit-learn's."""

import importlib

from sklearn.datasets import load_digits

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of_each

TITLE = "L-BFGS on digits, in milliseconds an iteration"
N_ITERATIONS = 30
VARIANTS = {  # of skreg; scikit-learn has l2 alone
    "l2": {"penalty": "l2", "alpha": 1e-4},
    "l1": {"penalty": "l1", "alpha": 1e-3},
}
MODULES = {"skreg": "skreg", "sklearn": "sklearn.neural_network"}


def measure(library, hidden, dtype, variants, repeats):
    """Seconds an iteration with each of several parameters."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(dtype)
    kind = importlib.import_module(MODULES[library]).MLPClassifier
    common = {"hidden_layer_sizes": hidden, "solver": "lbfgs", "max_iter": N_ITERATIONS, "tol": 0.0, "random_state": 0}
    networks = [kind(**common, **changes) for changes in variants]
    times = best_of_each([lambda network=network: network.fit(X, y) for network in networks], repeats)
    return [time / network.n_iter_ for time, network in zip(times, networks, strict=True)]


def run(options):
    table = Table(TITLE, ["hidden", "dtype", *VARIANTS, "sklearn, l2", "ahead, l2", "l1 / l2"])
    table.note = f"{N_ITERATIONS} iterations from random weights, evaluations of the line search included"
    for hidden in ((), (50,), (100, 50)):
        for dtype in options.dtype:
            common = {"hidden": hidden, "dtype": dtype, "repeats": options.repeats}
            l2, l1 = call(measure, library="skreg", variants=list(VARIANTS.values()), **common)
            (theirs,) = call(measure, library="sklearn", variants=[{}], **common)
            table.add(hidden, dtype, ms(l2), ms(l1), ms(theirs), ratio(theirs, l2), ratio(l1, l2))
    return table
