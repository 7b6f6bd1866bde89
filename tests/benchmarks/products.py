"""The matrix product alone, on the shapes of a training step, on one core."""

from importlib.util import find_spec

import numpy as np

from ._process import call_with
from ._product import multiply
from ._table import Table, three_digits
from ._timing import best_of_many

TITLE = "Matrix products of a training step on one core, in GFLOP/s"
SHAPES = {  # rows of the batch, fan in, fan out
    "32 x 10 x 32": (32, 10, 32),
    "200 x 8 x 100": (200, 8, 100),
    "128 x 128 x 128": (128, 128, 128),
    "128 x 784 x 256": (128, 784, 256),
    "512 x 1024 x 1024": (512, 1024, 1024),
    "17 x 77 x 301": (17, 77, 301),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def _factors(shape, kind, dtype):
    """(A, B) of the product of a forward pass, of the gradient of the weights, or of the deltas."""
    n_rows, fan_in, fan_out = shape
    rng = np.random.default_rng(0)
    inputs, weights, deltas = (
        rng.standard_normal(size).astype(dtype) for size in ((n_rows, fan_in), (fan_in, fan_out), (n_rows, fan_out))
    )
    return {"forward": (inputs, weights), "gradient": (inputs.T, deltas), "deltas": (deltas, weights.T)}[kind]


def _calls(a, b):
    """{library: function without arguments that multiplies}."""
    out = np.empty((len(a), b.shape[1]), a.dtype)
    calls = {"skreg": multiply(a, b, out), "numpy": lambda: np.dot(a, b, out=out)}
    if find_spec("torch"):
        import torch

        of_torch = [torch.from_numpy(array) for array in (a, b, out)]
        calls["torch"] = lambda: torch.mm(*of_torch[:2], out=of_torch[2])
    return calls


def measure(shape, kind, dtype, repeats):
    """{library: seconds}; an error where skreg's product is wrong."""
    a, b = _factors(SHAPES[shape], kind, dtype)
    calls = _calls(a, b)
    np.testing.assert_allclose(calls["skreg"](), a @ b, rtol=1e-3, atol=1e-2)
    return {name: best_of_many(function, repeats) for name, function in calls.items()}


def run(options):
    libs = ["skreg", "numpy"] + ["torch"] * bool(find_spec("torch"))
    note = "rows of the batch x fan in x fan out, and which of a layer's three products it is"
    table = Table(TITLE, ["shape", "product", "dtype", *libs], note)
    for dtype in options.dtype:
        for name, shape in SHAPES.items():
            for kind in ("forward", "gradient", "deltas"):
                times = call_with(ONE_THREAD, measure, shape=name, kind=kind, dtype=dtype, repeats=options.repeats)
                rates = (three_digits(2e-9 * np.prod(shape) / times[lib]) for lib in libs)
                table.add(name, kind, dtype, *rates)
    return table
