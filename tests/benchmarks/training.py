"""Time to train a network, beside other libraries and beside what the processor could do at most."""

from . import libraries
from ._process import Failed, call
from ._table import Table, ms, ratio, share
from ._timing import best_of
from .peak import peak
from .workloads import WORKLOADS

TITLE = "Training a network with Adam, in milliseconds"
NOTE = (
    "Fastest of {repeats} fits after one that does not count. 'limit' is the time of the multiply-adds alone at the "
    "measured peak of all cores, {peaks}; 'of limit' is skreg's share of it; 'ahead' is the fastest other library's "
    "time in units of skreg's."
)


def measure(library, workload, dtype, repeats):
    """Seconds of the fastest fit, or None where the library cannot do it."""
    fit = libraries.make_fit(library, WORKLOADS[workload], dtype)
    return None if fit is None else best_of(fit, repeats)


def _attempt(**arguments):
    try:
        return call(measure, **arguments)
    except Failed as error:
        print(f"{arguments['library']} on {arguments['workload']}: {error}", flush=True)
        return None


def run(options):
    peaks = {dtype: peak(dtype) for dtype in options.dtype}
    named = ", ".join(f"{value / 1e9:.0f} GFLOP/s ({dtype})" for dtype, value in peaks.items())
    columns = ["workload", "dtype", "limit", *options.libs, "of limit", "ahead"]
    table = Table(TITLE, columns, NOTE.format(repeats=options.repeats, peaks=named))
    for dtype in options.dtype:
        for workload in options.workloads:
            limit = WORKLOADS[workload].operations() / peaks[dtype]
            times = {
                lib: _attempt(library=lib, workload=workload, dtype=dtype, repeats=options.repeats)
                for lib in options.libs
            }
            ours = times.get("skreg")
            others = [time for lib, time in times.items() if lib != "skreg" and time is not None]
            figures = map(ms, (limit, *times.values()))
            table.add(workload, dtype, *figures, share(limit, ours), ratio(min(others, default=None), ours))
    return table
