"""One workload with different parameters of skreg's network, in one process and in turn."""

from skreg import MLPClassifier, MLPRegressor

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of_each
from .libraries._estimator import parameters
from .workloads import WORKLOADS


def measure(workload, dtype, repeats, variants):
    """Seconds of the fastest fit with each of several changes of the parameters."""
    workload = WORKLOADS[workload]
    X, y = workload.data(dtype)
    kind = MLPClassifier if workload.n_classes else MLPRegressor
    networks = [kind(**{**parameters(workload), **changes}) for changes in variants]
    return best_of_each([lambda network=network: network.fit(X, y) for network in networks], repeats)


def compare(title, workloads, variants, options):
    """Table of each variant's time and of its ratio to the first variant's.

    `variants` is {name: parameters}.
    """
    table = Table(title, ["workload", "dtype", "variant", "ms", "of the first"])
    for workload in workloads:
        for dtype in options.dtype:
            common = {"workload": workload, "dtype": dtype, "repeats": options.repeats}
            times = call(measure, variants=list(variants.values()), **common)
            for name, time in zip(variants, times, strict=True):
                table.add(workload, dtype, name, ms(time), ratio(time, times[0]))
    return table
