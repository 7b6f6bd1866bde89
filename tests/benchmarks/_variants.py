"""One workload with different parameters of skreg's network, each in a process of its own."""

from skreg import MLPClassifier, MLPRegressor

from ._process import call
from ._table import Table, ms, ratio
from ._timing import best_of
from .libraries._estimator import parameters
from .workloads import WORKLOADS


def measure(workload, dtype, repeats, changes):
    """Seconds of the fastest fit with changed parameters."""
    workload = WORKLOADS[workload]
    X, y = workload.data(dtype)
    network = (MLPClassifier if workload.n_classes else MLPRegressor)(**{**parameters(workload), **changes})
    return best_of(lambda: network.fit(X, y), repeats)


def compare(title, workloads, variants, options):
    """Table of each variant's time and of its ratio to the first variant's.

    `variants` is {name: parameters}.
    """
    table = Table(title, ["workload", "dtype", "variant", "ms", "of the first"])
    for workload in workloads:
        for dtype in options.dtype:
            first = None
            for name, changes in variants.items():
                time = call(measure, workload=workload, dtype=dtype, repeats=options.repeats, changes=changes)
                first = first or time
                table.add(workload, dtype, name, ms(time), ratio(time, first))
    return table
