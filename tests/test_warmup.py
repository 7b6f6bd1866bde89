"""`skreg.warmup` and ``skreg warmup``: after them nothing compiles any more, whatever is fitted."""

import itertools
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import skreg
import skreg.solvers.stochastic
from skreg import MLPClassifier, MLPRegressor, _warmup
from skreg._warmup_partner import Partner
from skreg.cli import main
from skreg.kernels._kernel import listeners

KERNELS = {"evaluate", "loss_gradient", "train_epochs"}


@pytest.fixture(scope="module", autouse=True)
def ready():
    """Dtypes of each kernel after a warm-up of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skreg.warmup()
    return kernel_dtypes()


def kernel_dtypes():
    return {kernel.name: kernel.dtypes for kernel in _warmup.kernels()}


# Nothing is left to compile ------------------------------------------------------------------------------------------


def _memmap(X, folder):
    held = np.memmap(folder / "X", X.dtype, "w+", shape=X.shape)
    held[:] = X
    return held


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _long_indices(X, kind):
    X = kind(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


HOLD = {
    "C order": lambda X, folder: X,
    "Fortran order": lambda X, folder: np.asfortranarray(X),
    "strided": lambda X, folder: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X, folder: X[::-1, ::-1],
    "read-only": lambda X, folder: _read_only(X),
    "memmap": _memmap,
    "one row repeated": lambda X, folder: np.broadcast_to(X[:1], X.shape),
    "csr": lambda X, folder: sparse.csr_array(X),
    "csc": lambda X, folder: sparse.csc_matrix(X),
    "csr, int64": lambda X, folder: _long_indices(X, sparse.csr_matrix),
    "csc, int64": lambda X, folder: _long_indices(X, sparse.csc_array),
    "csr, read-only": lambda X, folder: sparse.csr_array(
        (_read_only(X.ravel()), _read_only(np.tile(np.arange(3), 30)), _read_only(np.arange(0, 91, 3))), X.shape
    ),
    "list": lambda X, folder: X.tolist(),
    "integers": lambda X, folder: np.round(9 * X).astype(np.int32),
    "float16": lambda X, folder: X.astype(np.float16),
}
SETTINGS = [
    {},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (70, 33), "activation": "tanh", "batch_size": 7},
    {"dropout": 0.5, "input_dropout": 0.2},
    {"penalty": "elasticnet", "bias_penalty": 1, "activity_penalty": 0.1},
    {"early_stopping": True, "warm_start": True, "shuffle": False},
]
TARGETS = {
    MLPRegressor: [lambda y: y, lambda y: np.column_stack([y, y]), lambda y: y.astype("float32")],
    MLPClassifier: [lambda y: y, lambda y: np.arange(30) % 3, lambda y: np.column_stack([y, 1 - y])],
}


def _use(network, X, y, weights):
    network.fit(X, y, weights)
    network.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)
    if network.solver != "lbfgs":
        network.partial_fit(X, y, X_val=X, y_val=y)
    network.predict(X)
    getattr(network, "predict_proba", network.predict)(X[:1])
    network.score(X, y)
    network.objective(X, y, weights)
    network.kkt_residual(X, y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", _warmup.DTYPES)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_no_fit_compiles_anything_after_a_warm_up(kind, solver, dtype, ready, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(dtype)
    y = (X[:, 0] > 0).astype(int)
    for i, (hold, setting) in enumerate(itertools.product(HOLD.values(), SETTINGS)):
        if solver == "lbfgs" and "dropout" in setting:
            continue
        target, weights = TARGETS[kind][i % 3](y), (None, y + 1, (y + 0.5).astype(dtype))[i % 2]
        network = kind(**{"hidden_layer_sizes": (3,), "solver": solver, "max_iter": 2, "random_state": 0, **setting})
        _use(network, hold(X, tmp_path), target, weights)
        for other in _warmup.DTYPES:
            network.predict(X.astype(other))
    assert kernel_dtypes() == ready


def test_large_batches_and_many_threads_compile_nothing(ready):
    X = np.ones((2000, 100), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for solver in ("adam", "lbfgs"):
            MLPRegressor((100, 100), solver=solver, batch_size=1000, max_iter=1).fit(X, X[:, 0])
    assert kernel_dtypes() == ready


# The function --------------------------------------------------------------------------------------------------------


def test_it_knows_all_kernels(ready):
    assert ready.keys() >= KERNELS


def test_it_returns_the_seconds_of_each_and_nothing_is_done_twice(ready):
    seconds = skreg.warmup()
    assert seconds.keys() >= {f"{name} {dtype}" for name in ("train_epochs", "evaluate") for dtype in _warmup.DTYPES}
    assert set(seconds.values()) == {0.0}
    assert kernel_dtypes() == ready


@pytest.mark.parametrize("dtypes", ["float32", ("float32",), [np.float32], {np.dtype("float32")}])
def test_dtypes_may_be_named_in_any_way(dtypes):
    assert "train_epochs float32" in skreg.warmup(dtypes)


@pytest.mark.parametrize("dtype", ["float16", np.int64, "double precision"])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match="dtypes must be 'float32' or 'float64', got"):
        skreg.warmup([dtype])


def test_an_error_leaves_nobody_listening():
    def task():
        assert listeners == [print]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _warmup.prepare_one(task, print)
    assert listeners == []


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command_says_what_is_ready_and_where(capsys):
    assert main(["warmup"]) == 0
    *lines, summary, where = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= KERNELS
    assert all(line.endswith("ready before") for line in lines)
    assert summary.startswith(f"{len(lines)} kernels are ready, 0 of them newly compiled, in ")
    assert where.startswith("The machine code is in ")


def test_the_command_says_in_one_sentence_why_nothing_was_kept(capsys, monkeypatch):
    kernel = _warmup.kernels()[0]
    monkeypatch.setattr(kernel, "error", (kernel.folder, PermissionError(13, "Permission denied")))
    assert main(["warmup", "--dtype", "float32"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"The machine code could not be kept in {kernel.folder} (Permission denied), so every process will compile "
        "again: set NUMBA_CACHE_DIR to a folder that can be written to."
    )


def test_an_unknown_dtype_ends_the_command_with_a_sentence(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["warmup", "--dtype", "float16"])
    assert exit.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_machine_code_is_where_numba_is_told_to_keep_it(tmp_path):
    """One command compiles, the next one loads, in new processes."""
    command = [sys.executable, "-m", "skreg", "warmup", "--dtype", "float32"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "chosen")}
    for how in ("compiled", "loaded"):
        process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        *lines, _, where = process.stdout.splitlines()
        assert {line.split()[-1] for line in lines} == {how}, process.stderr
        assert where.startswith(f"The machine code is in {tmp_path / 'chosen'}")
    assert list((tmp_path / "chosen").rglob("*.code"))


# The second process --------------------------------------------------------------------------------------------------


class _PartnerThatHasDoneAll:
    """In the place of `Partner`."""

    seconds, is_closed = {("train_epochs", "float64"): 5.0}, False

    def __init__(self, dtypes):
        assert dtypes == ["float64"]

    def close(self):
        type(self).is_closed = True


def test_what_the_second_process_has_compiled_counts_as_compiled(monkeypatch):
    records = [("clip", "float64", 0.5, _warmup.COMPILED), ("train_epochs", "float64", 0.1, _warmup.LOADED),
               ("evaluate", "float64", 0.1, _warmup.LOADED)]  # fmt: skip
    monkeypatch.setattr(_warmup, "prepare_all", lambda tasks: iter(records))
    monkeypatch.setattr(_warmup, "Partner", _PartnerThatHasDoneAll)
    monkeypatch.setattr(_warmup, "n_cores", lambda: 2)
    found = [record for record in _warmup.prepare(["float64"]) if record[3] != _warmup.READY]
    assert found == [records[0], ("train_epochs", "float64", 5.0, _warmup.COMPILED), records[2]]
    assert _PartnerThatHasDoneAll.is_closed


def test_ctrl_c_ends_it(monkeypatch):
    """Though a fit would keep what it has."""
    real, tasks = skreg.solvers.stochastic._Epochs.run, []

    def run(*arguments):
        signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(skreg.solvers.stochastic._Epochs, "run", run)
    monkeypatch.setattr(_warmup, "prepare_one", lambda task, found: tasks.append(task) or task())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(KeyboardInterrupt):
            skreg.warmup("float64")
    assert len(tasks) < 5


def test_what_is_to_be_done_can_be_done_from_either_end(ready):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for task in reversed(_warmup.tasks_of(_warmup.DTYPES)):
            task()
    assert kernel_dtypes() == ready


def test_the_second_process_does_the_same_and_ends_when_it_is_told_to(tmp_path, monkeypatch):
    """Nothing is on its disk: it compiles, from the other end, until it is closed, and not the folder's skreg."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "skreg.py").write_text("raise ImportError")
    partner = Partner(["float32"])
    deadline = time.monotonic() + 120
    while not partner.seconds and partner._process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    partner.close()
    assert partner._process.poll() is not None
    last = _warmup.stages()[-1].name
    assert next(iter(partner.seconds)) in {(last, "float32"), (last, "float64")}
