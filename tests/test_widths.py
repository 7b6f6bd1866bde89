"""The kernels on processors with other vector registers, and at the ends of memory.

numba compiles for the processor that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name; one with longer registers runs that
code too. Each width is a process with a cache of its own, where all checks of this file are made.
"""

import itertools
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from scipy import sparse

from skreg._data import Dataset
from skreg._evaluate import evaluate
from skreg.kernels import matmul, simd, tiles

from . import adam_steps, products, reference
from .conftest import (
    RATES,
    TARGETS,
    KernelRun,
    ReferenceRun,
    draw_data,
    draw_network,
    draw_params,
    layer_units,
    make_flat,
    make_kernel_spec,
    relative_error,
)
from .guarded_memory import CAN_GUARD, empty_at_end, empty_at_start

ROOT = Path(__file__).parents[1]
TOLERANCES = {np.float64: 1e-12, np.float32: 5e-5}
# name: (bytes in a register, variables of the environment)
WIDTHS = {"host": (simd.VECTOR_BYTES, {})}
if platform.machine().lower() in ("x86_64", "amd64"):
    WIDTHS["SSE2"] = 16, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"}
    if llvm.get_host_cpu_features().get("avx2"):
        WIDTHS["AVX2"] = 32, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"}
widths = pytest.mark.parametrize("width", WIDTHS)


# What each process checks --------------------------------------------------------------------------------------------


def check_products(dtype):
    """Every path of the product; matrices that end where memory ends, or begin where it begins."""
    rng = np.random.default_rng(0)
    lanes, rows = products.lanes(dtype), tiles.TILE_ROWS
    shapes = [(1, 1, 1), (rows + 1, lanes + 1, 1), (rows, 3, lanes), (rows + 3, 2 * lanes - 1, lanes + 1),
              (2 * rows + 1, 2 * lanes, 2 * lanes), (2 * rows + 3, matmul.DEPTH + 5, 3 * lanes - 1),
              (rows + 1, 97, 201), (70, 33, lanes // 2), (70, 35, max(lanes // 4, 2))]  # fmt: skip
    copied = products.draw(rng, matmul.HEIGHT, matmul.DEPTH, 201, dtype, a=products.COLUMNS_APART)
    products.assert_exact(copied, guard=0, empty=empty_at_end)
    epilogues = [{}, {"add": True}, {"add": True, "intercepts": True, "rectified": True, "gate": True}]
    layouts = [products.ROWS_APART, products.COLUMNS_APART, products.BOTH_APART]
    for shape, epilogue, a, b in itertools.product(shapes, epilogues, layouts, layouts):
        problem = products.draw(rng, *shape, dtype, **epilogue, a=a, b=b)
        for empty in (empty_at_end, empty_at_start):
            products.assert_exact(problem, guard=0, empty=empty)
        whole = products.draw(rng, *shape, dtype, **epilogue, a=a, b=b, c_padding=2, whole=False)
        products.assert_close(whole)


def check_adam(dtype):
    """Every length around two vectors, in ordinary memory and at the ends of it."""
    rng = np.random.default_rng(2)
    numbers = adam_steps.constants(dtype, l2=0.1, threshold=0.05)
    for n in range(2 * products.lanes(dtype) + 2):
        arrays = [rng.standard_normal(n).astype(dtype) for _ in range(4)]
        arrays[3] **= 2
        first, second, w = adam_steps.assert_a_step(*arrays, numbers)
        for empty in (empty_at_end, empty_at_start):
            if n:
                moved = [empty(n, dtype) for _ in arrays]
                for to, array in zip(moved, arrays, strict=True):
                    to[:] = array
                adam_steps.adam(*moved, *numbers)
                for found, expected in zip((moved[2], moved[3], moved[0]), (first, second, w), strict=True):
                    np.testing.assert_array_equal(found, expected)


def check_calls(dtype):
    """Not a call of the C library for each lane where the processor has no fused multiply-add."""
    for function in (products.multiply, adam_steps.adam):
        assert function.inspect_asm()
        for code in function.inspect_asm().values():
            assert not re.search(r"\bfmaf?\b", code)


def check_training(dtype):
    """Each loss with dropout, weights and penalties, layers that are wider than a tile, dense and CSR."""
    hidden = (2 * products.lanes(np.float32) + 3, 5)
    forms = itertools.cycle([np.asarray, sparse.csr_array])
    activations, optimizers = itertools.cycle(reference.ACTIVATIONS), itertools.cycle(["adam", "sgd", "nesterov"])
    dropout_kinds = itertools.cycle(["bernoulli", "bernoulli", "batchwise"])
    for target in TARGETS:
        network = draw_network(next(activations), target, hidden, dropout=True)
        network.dropout_kind = next(dropout_kinds)
        if network.dropout_kind == "batchwise":  # so that units are left out
            network.gamma = [0.0, 0.0]
        X, y, weights = draw_data(target)
        X, y = (array.astype(np.float32).astype(float) for array in (X, y))
        coefs, intercepts = draw_params((X.shape[1], *hidden, TARGETS[target][1]))
        coefs = [(0.3 * coef).astype(np.float32).astype(float) for coef in coefs]
        arguments = dict(optimizer=next(optimizers), rates=RATES, batch_size=9, seed=3)
        found = KernelRun(network, coefs, intercepts, next(forms)(X), y, weights, **arguments, dtype=dtype)
        expected = ReferenceRun(network, coefs, intercepts, X, y, weights, **arguments)
        for _ in range(2):
            assert relative_error(found.train_epoch(), expected.train_epoch()) < TOLERANCES[dtype], target
        for parts in zip(found.layers(), expected.layers(), strict=True):
            assert relative_error(*parts) < TOLERANCES[dtype], target


def check_predictions(dtype):
    """Raw predictions of each activation; layers of one unit, of a vector's part and of several vectors."""
    hidden = (37, 1, 3)
    for activation in reference.ACTIVATIONS:
        network = draw_network(activation, "three targets", hidden)
        X, y, weights = draw_data("three targets")
        coefs, intercepts = draw_params((X.shape[1], *hidden, 3))
        raw = np.empty((len(X), 3), dtype)
        data = Dataset.make(X.astype(dtype), y.astype(dtype), weights)
        evaluate(make_kernel_spec(network, layer_units(coefs)), make_flat(coefs, intercepts, dtype), data, raw)
        expected = reference.forward(network, coefs, intercepts, X)[1][-1]
        assert relative_error([raw], [expected]) < TOLERANCES[dtype], activation


def check(width_in_bytes, *checks):
    """In the process that it is called in."""
    assert simd.VECTOR_BYTES == width_in_bytes
    for name, dtype in checks:
        globals()[name](np.dtype(dtype).type)
    print("checked")


def in_process(code, folder, variables):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@widths
def test_kernels_of_each_width(width, tmp_path):
    """Products, steps of Adam, training and predictions against NumPy, to the precision of each type.

    Training is compiled for one type, predictions for the other, and both not again for the processor at hand, whose
    width all other tests have.
    """
    n_bytes, variables = WIDTHS[width]
    checks = [(name, dtype) for name in ("check_products", "check_adam", "check_calls") for dtype in ("f4", "f8")]
    if variables:
        checks += [("check_training", "f4"), ("check_predictions", "f8")]
    run = in_process(f"from tests.test_widths import check; check({n_bytes}, *{checks})", tmp_path, variables)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.strip() == "checked"


# The checks can fail -------------------------------------------------------------------------------------------------

BEYOND = """
import ctypes
from tests.guarded_memory import empty_at_{end}
array = empty_at_{end}(5, "f8")
array[:] = 1
print(ctypes.c_double.from_address(array.ctypes.data + {inside}).value, flush=True)
print(ctypes.c_double.from_address(array.ctypes.data + {outside}).value, flush=True)
"""


@pytest.mark.parametrize("end, inside, outside", [("end", 32, 40), ("start", 0, -8)])
def test_memory_ends_where_it_is_said_to_end(end, inside, outside, tmp_path):
    """A load beyond guarded memory ends the process; elsewhere that memory is ordinary."""
    run = in_process(BEYOND.format(end=end, inside=inside, outside=outside), tmp_path, {})
    assert run.stdout.startswith("1.0\n")
    assert (run.returncode != 0) == CAN_GUARD
