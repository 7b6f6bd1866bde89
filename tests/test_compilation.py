"""Compilation: nothing twice, nothing old, and no fit that stops for want of a cache.

Where machine code itself does not matter, a kernel of one line stands for the real ones: it takes the same way to the
disk and back and compiles in a moment.
"""

import importlib.util
import itertools
import json
import operator
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from numba.core.errors import UnsupportedBytecodeError
from numba.core.postproc import PostProcessor
from numba.core.registry import cpu_target
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import skreg
from skreg import MLPClassifier, MLPRegressor
from skreg.kernels import _files, _kernel, _key, _processor, _settings, entry, evaluation
from skreg.kernels._kernel import COMPILED, LOADED
from skreg.kernels._machine_code import MachineCode
from skreg.kernels.layout import N_LAYOUT, N_PENALTIES


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def data():
    X = np.random.default_rng(0).normal(size=(30, 3))
    return X, (X[:, 0] > 0).astype(int)


# Within a process ----------------------------------------------------------------------------------------------------


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _unaligned(X):
    view = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    view[:] = X
    assert not view.flags.aligned
    return view


HOLD = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": _read_only,
    "unaligned": _unaligned,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "int64 indices": lambda X: sparse.csr_array((X.ravel(), np.tile(np.arange(3), 30), np.arange(0, 91, 3))),
    "integers": lambda X: np.round(9 * X).astype(int),
}
SETTINGS = [
    {},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (2,) * 6, "activation": "tanh"},
    {"hidden_layer_sizes": (33, 1), "activation": "logistic"},
    {"activation": "identity", "penalty": "l1", "alpha": 1},
    {"penalty": "elasticnet", "alpha": np.float32(0.1), "l1_ratio": 1},
    {"penalty": None, "bias_penalty": 1, "bias_l1_ratio": 1},
    {"activity_penalty": [1, 0], "hidden_layer_sizes": (4, 3)},
    {"dropout": 0.5, "input_dropout": 0.5},
    {"batch_size": 7},
    {"batch_size": np.int32(7), "shuffle": False},
    {"shuffle": np.True_, "random_state": None},
    {"learning_rate_init": 1, "beta_1": 0, "beta_2": 0, "epsilon": 1},
    {"early_stopping": True},
]
OF_SGD = [{"momentum": 0}, {"momentum": 1}, {"momentum": np.float32(0.5)}, {"nesterovs_momentum": False}]
OF_SGD += [{"learning_rate": "invscaling", "power_t": 1}, {"learning_rate": "adaptive"}]


def _estimators(cls):
    for solver in ("adam", "sgd", "lbfgs"):
        for setting in SETTINGS + OF_SGD * (solver == "sgd"):
            if solver != "lbfgs" or "dropout" not in setting:
                common = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "solver": solver}
                yield cls(**{**common, **setting})


def _use(net, X, y, **weights):
    net.fit(X, y, **weights)
    net.predict(X)
    net.objective(X, y, **weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_take_any_network_and_data(dtype):
    """One version of each kernel does for a dtype, and for gradients of all rows that of float64."""
    X, y = data()
    with np.errstate(all="ignore"):
        for net in itertools.chain(_estimators(MLPRegressor), _estimators(MLPClassifier)):
            _use(net, X.astype(dtype), y)
        for hold, solver in itertools.product(HOLD.values(), ("adam", "sgd", "lbfgs")):
            held = hold(X.astype(dtype))
            _use(MLPRegressor((3,), solver=solver, max_iter=2), held, np.column_stack([y, y]), sample_weight=y + 1)
            _use(MLPClassifier((3,), solver=solver, max_iter=2), held, np.arange(30) % 3, sample_weight=y + 0.5)
    assert entry.loss_gradient.dtypes == ("float64",)
    assert np.dtype(dtype).name in entry.train_epochs.dtypes


FIT = """
import sys, warnings
import numpy as np
from scipy import sparse
from skreg import MLPRegressor

warnings.simplefilter("ignore")
X = np.eye(4, dtype=np.float32)
MLPRegressor((2,), max_iter=1).fit(X if sys.argv[1] == "dense" else sparse.csr_array(X), X[:, 0])
print(*{name.split(".")[2] for name in sys.modules if name.startswith("skreg.kernels.")})
print("numba" in sys.modules)
from skreg import _warmup
print(*{name for name, _ in _warmup.ready_kernels()})
"""
OF_SOME_NETWORKS = {"activity", "augmentation", "averaging", "draws", "links", "noise", "projections", "proximal"}


@pytest.mark.parametrize("kind, stages", [("dense", set()), ("csr", {"sparse_sums", "sparse_gradient"})])
def test_a_fit_loads_and_compiles_what_it_needs_and_no_more(kind, stages):
    """Where everything is on disk, numba is not needed either."""
    root = Path(skreg.__file__).parents[1]
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", FIT, kind], cwd=root, capture_output=True, text=True, timeout=300
        )
        modules, needs_numba, ready = map(str.split, process.stdout.splitlines())
        assert set(modules).isdisjoint(OF_SOME_NETWORKS), process.stderr
        assert set(ready) == {"train_epochs", "losses_squared_error"} | stages
    assert needs_numba == ["False"]
    assert set(modules).isdisjoint({"_compile", "_pipeline", "_view_types"})


# From process to process ---------------------------------------------------------------------------------------------

RUN = """
import json, sys, warnings
import numpy as np
from skreg import MLPRegressor
from skreg.kernels import _kernel

warnings.simplefilter("ignore")
counts = {_kernel.LOADED: 0, _kernel.COMPILED: 0}

def count(preparation):
    if preparation.name in ("train_epochs", "evaluate", "loss_gradient"):
        counts[preparation.how] += 1

_kernel.listeners.append(count)
X = np.random.default_rng(0).normal(size=(30, 3))
answer = []
for task in sys.argv[1:]:
    if task == "predict":
        answer.append(net.predict(X).sum().item().hex())
    else:
        net = MLPRegressor((4,), activation="tanh", solver=task, penalty="l1", alpha=0.01, max_iter=5, random_state=0)
        answer.append(net.fit(X, X[:, 0]).loss_.hex())
print(json.dumps([answer, *counts.values()]))
"""


def run(root, *tasks, **environment):
    """[answers, loads from the cache, compilations] of a new process that uses the package in the folder `root`.

    A task is a solver to fit with, or "predict".
    """
    environment = {**os.environ, **environment}
    environment.pop("NUMBA_CACHE_DIR", None)
    process = subprocess.run(
        [sys.executable, "-c", RUN, *tasks], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return json.loads(process.stdout)


def copy_of_package(root, **keywords):
    """A copy of the package with its caches; what is not in them is compiled when it is used."""
    shutil.copytree(Path(skreg.__file__).parent, root / "skreg", **keywords)
    return root


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """(folder with a copy of the package that has been used before, the answers of that use by task)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for solver in ("adam", "lbfgs"):  # so that this package's own cache is filled
            MLPRegressor((2,), solver=solver, max_iter=1).fit(*data()).predict(data()[0])
    root = copy_of_package(tmp_path_factory.mktemp("warm"))
    tasks = ("adam", "lbfgs", "predict")
    return root, dict(zip(tasks, run(root, *tasks)[0], strict=True))


def copy_of(warm, tmp_path):
    return Path(shutil.copytree(warm, tmp_path / "copy"))


def test_kernels_are_imported_without_numba():
    code = "import sys; from skreg import _warmup; print(len(_warmup.kernels()), 'numba' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    n_kernels, imported = process.stdout.split()
    assert int(n_kernels) > 50 and imported == "False"


def test_a_second_process_compiles_nothing(warm):
    root, before = warm
    assert run(root, *before) == [list(before.values()), 3, 0]


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, "the test must be told what the line is now"
    path.write_text(text.replace(old, new))


def test_an_edited_helper_is_noticed(warm, tmp_path):
    """A kernel has its helpers inside."""
    root, before = warm
    root = copy_of(root, tmp_path)
    old, new = "loss += 0.5 * residual * residual", "loss += 7 + 0.5 * residual * residual"
    edit(root / "skreg/kernels/losses.py", old, new)
    (edited,), hits, misses = run(root, "lbfgs")
    assert (hits, misses) == (0, 1)
    assert float.fromhex(edited) - float.fromhex(before["lbfgs"]) == pytest.approx(7)
    edit(root / "skreg/kernels/losses.py", new, old)
    assert run(root, "lbfgs") == [[before["lbfgs"]], 0, 1], "machine code of an old source is not kept"


def damage_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_all(path):
    path.write_bytes(b"")


def fill_with_garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


DAMAGES = [damage_half, damage_all, fill_with_garbage]


def test_a_damaged_cache_does_not_stop_a_fit_and_heals(warm, tmp_path):
    root, before = warm
    root = copy_of(root, tmp_path)
    files = sorted((root / "skreg/kernels/__pycache__").glob("*.code"))
    assert len(files) >= 6
    for path, damage in zip(files, itertools.cycle(DAMAGES), strict=False):
        damage(path)
    assert run(root, "lbfgs") == [[before["lbfgs"]], 0, 1]
    assert run(root, "lbfgs") == [[before["lbfgs"]], 1, 0]


def nowhere_to_write(root):
    """Files in the places of all folders for machine code: not even root can write there."""
    blocked = root / "skreg/kernels/__pycache__"
    shutil.rmtree(blocked, ignore_errors=True)
    blocked.write_text("a file")
    home = root / "home"
    home.write_text("a file")
    homes = ["HOME", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA"]
    return {**dict.fromkeys(homes, str(home / "nobody")), "NUMBA_CACHE_DIR": ""}


def test_a_read_only_install_without_a_home_does_not_stop_a_fit(warm, tmp_path):
    root, before = warm
    root = copy_of(root, tmp_path)
    environment = nowhere_to_write(root)
    for _ in range(2):
        assert run(root, "lbfgs", **environment) == [[before["lbfgs"]], 0, 1]


# A kernel of one line ------------------------------------------------------------------------------------------------

ONE_LINE = """
from skreg.kernels._entry import entry
from skreg.kernels._jit import helper


@helper
def twice(x):
    return 2 * x


@entry
def kernel(x, results):
    results[0], results[1] = twice(x[0]) + 1, 0
"""


def written(folder, text):
    """A file with this text."""
    path = folder / "written.py"
    path.write_text(text)
    return path


def imported(path):
    """The module of a file, anew."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Imports the kernel anew, as another process would; `load.folder` is that of its machine code."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_files, "_BESIDE", tmp_path / "__pycache__")
    path = tmp_path / "one_line.py"
    path.write_text(ONE_LINE)

    def load():
        return imported(path).kernel

    load.folder = tmp_path / "__pycache__"
    return load


def use(kernel, dtype=np.float64):
    """Whether a kernel was loaded or compiled when it was called; None for neither."""
    found = []
    _kernel.listeners.append(found.append)
    try:
        assert kernel(np.array([20.5], dtype))[0] == 42.0
    finally:
        _kernel.listeners.clear()
    return found[0].how if found else None


def test_a_kernel_is_compiled_once_and_loaded_ever_after(load):
    kernel = load()
    assert use(kernel) == COMPILED
    assert use(kernel) is None
    assert [path.name.split(".")[0] for path in load.folder.iterdir()] == ["kernel_float64"]
    assert use(load()) == use(load()) == LOADED


def test_numba_knows_helpers_only_where_it_compiles_what_calls_them(load):
    for how in (COMPILED, LOADED):
        kernel = load()
        helper = kernel.py_func.__globals__["twice"]
        assert "compilable" not in vars(helper)
        assert use(kernel) == how
        assert ("compilable" in vars(helper)) == (how == COMPILED)


def test_a_kernel_takes_any_array_whose_numbers_it_can_read(load, tmp_path):
    kernel = load()
    mapped = np.memmap(tmp_path / "numbers", np.float64, "w+", shape=1)
    mapped[:] = 20.5
    read_only = np.array([20.5])
    read_only.flags.writeable = False
    copied = pickle.loads(pickle.dumps(np.array([20.5])))  # its dtype is an object of its own
    for given in (mapped, read_only, copied, np.array([20.5], "<f8"), _unaligned(np.array([20.5]))):
        assert kernel(given) == (42.0, 0.0)


@pytest.mark.parametrize("given", [
    np.zeros(1, np.int64), np.zeros(1, ">f4"), np.zeros(4)[::2], np.array(1.0), np.zeros((1, 1)), [1.0], None,
    np.float64(1),
])  # fmt: skip
def test_a_kernel_refuses_what_it_would_take_for_something_else(load, given):
    with pytest.raises((TypeError, AttributeError)):
        load()(given)


TABLE, ARRIVALS = np.zeros(40, np.int64), np.zeros(16, np.int64)
WRONG = {
    "evaluate: table must be a contiguous array of int64, flat, got one of int32 with shape (40,), contiguous":
        (np.zeros(3), 0, TABLE.astype(np.int32), 0, 1, ARRIVALS),
    "evaluate: table must be a contiguous array of int64, flat, got one of >i8 with shape (40,), contiguous":
        (np.zeros(3), 0, TABLE.astype(">i8"), 0, 1, ARRIVALS),
    "evaluate: table must be a contiguous array of int64, flat, got one of int64 with shape (20,), not contiguous":
        (np.zeros(3), 0, TABLE[::2], 0, 1, ARRIVALS),
    "evaluate: table must be a contiguous array of int64, flat, got [1].": (np.zeros(3), 0, [1], 0, 1, ARRIVALS),
    "evaluate: stage must be an integer of 64 bits, got None.": (np.zeros(3), None, TABLE, 0, 1, ARRIVALS),
    "evaluate: stage must be an integer of 64 bits, got 0.5.": (np.zeros(3), 0.5, TABLE, 0, 1, ARRIVALS),
    "evaluate: stage must be an integer of 64 bits, got 9223372036854775808.":
        (np.zeros(3), 2**63, TABLE, 0, 1, ARRIVALS),
    "evaluate takes 6 arguments, got 5": (np.zeros(3), 0, TABLE, 0, 1),
    "evaluate takes 6 arguments, got 7": (np.zeros(3), 0, TABLE, 0, 1, ARRIVALS, 1),
    "evaluate: kernels compute in float32 and float64, not in float16":
        (np.zeros(3, np.float16), 0, TABLE, 0, 1, ARRIVALS),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_named(message):
    with pytest.raises(TypeError, match=re.escape(message)):
        entry.evaluate(*WRONG[message])


def test_a_kernel_s_numbers_may_be_of_any_integer_and_float_and_minus_one():
    """Which Python's functions return for an error."""
    x, empty = np.zeros(3), np.empty(0)
    layout = np.zeros((2, N_LAYOUT), np.int64)
    tables = []
    for number in (np.int32(-1), -1, np.int64(-1), True):
        table = np.zeros(40, np.int64)
        evaluation.describe_data(
            table, x, empty, np.empty(0, np.uint8), np.empty(0, np.int64), empty, empty, np.arange(1), empty, layout,
            np.zeros((2, N_PENALTIES)), empty, empty, empty, empty, empty, number, *range(8),
        )  # fmt: skip
        tables.append(table)
    with pytest.raises(TypeError, match=f"layout must be a contiguous array of int64, with {N_LAYOUT} columns, got"):
        evaluation.describe_data(
            table, x, empty, np.empty(0, np.uint8), np.empty(0, np.int64), empty, empty, np.arange(1), empty,
            layout[:, 1:].copy(), np.zeros((2, N_PENALTIES)), empty, empty, empty, empty, empty, *range(9),
        )  # fmt: skip
    assert [table[evaluation.X_ROW] for table in tables] == [-1, -1, -1, 1]
    assert [table[evaluation.X], table[evaluation.X + 1], table[evaluation.N_LAYERS]] == [x.ctypes.data, 3, 2]


STORES_TO_A_GLOBAL = """
from skreg.kernels._entry import entry

@entry
def stores(x, results):
    global y
    y = 1
"""


def test_numba_stays_as_it_was(load, tmp_path):
    """Kernels are compiled with contexts of their own, and with less of numba's analysis."""
    cpu_target.target_context.refresh()
    multiply = cpu_target.typing_context.resolve_value_type(operator.mul)
    before = PostProcessor.run, set(vars(multiply)), type(cpu_target.target_context)
    assert use(load()) == COMPILED
    with pytest.raises(UnsupportedBytecodeError):
        imported(written(tmp_path, STORES_TO_A_GLOBAL)).stores(np.ones(1))
    assert (PostProcessor.run, set(vars(multiply)), type(cpu_target.target_context)) == before


WITH_AN_INTRINSIC = """
from skreg.kernels._entry import entry
from skreg.kernels._jit import intrinsic

@intrinsic
def itself(context, x):
    def emit(ctx, builder, signature, args):
        return args[0]

    return x(x), emit

@entry
def same(x, results):
    results[0] = itself(x[0])
"""


def test_intrinsics_that_are_made_later_are_known(load, tmp_path):
    assert use(load()) == COMPILED
    assert imported(written(tmp_path, WITH_AN_INTRINSIC)).same(np.array([20.5]))[0] == 20.5


def test_python_cannot_call_a_helper(load):
    """It has no machine code of its own; numba's object would end the process."""
    with pytest.raises(TypeError, match="not callable"):
        load().py_func.__globals__["twice"](20.5)


FLAVOURS = """
from skreg.kernels._entry import entry
from skreg.kernels._jit import helper, uniform


@helper
def sum_in_any_order(x):
    total = 0.0
    for i in range(len(x)):
        total += min(x[i], 1e300)
    return total


@uniform
def sum_in_order(x):
    total = 0.0
    for i in range(len(x)):
        total += min(x[i], 1e300)
    return total


@entry
def both_sums(x, results):
    results[0], results[1] = sum_in_any_order(x), sum_in_order(x)
"""


def test_what_is_known_of_types_is_kept_apart_by_the_options_of_functions(tmp_path):
    """Only where its options allow that LLVM sums in another order."""
    module = imported(written(tmp_path, FLAVOURS))
    x = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-8, 8, 1000)
    in_order = 0.0
    for number in x.tolist():
        in_order += number
    any_order, ordered = module.both_sums(x)
    assert ordered == in_order
    assert any_order == pytest.approx(in_order, rel=1e-9)
    assert any_order != in_order, "the test does not see what the options do"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_replaced(load, damage):
    use(load())
    (path,) = load.folder.iterdir()
    damage(path)
    assert use(load()) == COMPILED
    assert use(load()) == LOADED


def test_a_file_in_which_any_byte_is_wrong_is_replaced(load):
    use(load())
    (path,) = load.folder.iterdir()
    content = path.read_bytes()
    for place in np.linspace(0, len(content) - 1, 12).astype(int):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert use(load()) == COMPILED


def test_machine_code_under_another_s_name_is_replaced(load):
    assert use(load(), np.float32) == use(load(), np.float64) == COMPILED
    single, double = sorted(load.folder.iterdir())
    double.write_bytes(single.read_bytes())
    assert use(load(), np.float64) == COMPILED
    assert use(load(), np.float32) == use(load(), np.float64) == LOADED


@pytest.mark.parametrize("name", ["hash_of_sources", "hash_of_machine"])
def test_what_makes_machine_code_another_is_in_its_key(load, monkeypatch, name):
    assert use(load()) == COMPILED
    with monkeypatch.context() as context:
        context.setattr(_kernel, name, lambda: "another")
        assert use(load()) == COMPILED
        assert use(load()) == LOADED


MACHINES = {
    "processor": (_key.llvm, "get_host_cpu_name", lambda: "another"),
    "features": (_key, "host_features", lambda: llvm.FeatureMap(another=True)),
    "system": (_key.llvm, "get_process_triple", lambda: "another"),
    "numba": (_key, "version", lambda name: "another"),
    "llvmlite": (_key.llvmlite, "__version__", "another"),
    "settings": (_key, "settings", lambda: "NUMBA_OPT=1"),
    "settings of the process": (numba.config, "ENABLE_AVX", 0),
    "bounds": (numba.config, "BOUNDSCHECK", 1),
}


@pytest.mark.parametrize("change", MACHINES.values(), ids=MACHINES)
def test_each_part_of_a_machine_counts(change, monkeypatch):
    monkeypatch.setattr(_key, "_machine", _key._machine.__wrapped__)
    before = _key.hash_of_machine()
    assert _key.hash_of_machine() == before
    monkeypatch.setattr(*change)
    assert _key.hash_of_machine() != before


def test_a_processor_that_llvm_does_not_know_has_no_features(monkeypatch):
    def unknown():
        raise RuntimeError("Host CPU features not available")

    monkeypatch.setattr(_processor.llvm, "get_host_cpu_features", unknown)
    features = _processor.host_features.__wrapped__()
    assert features.get("avx2") is None and features.flatten() == ""


def test_the_key_is_the_same_with_numba_and_without():
    code = "from skreg.kernels import _key; print(_key.hash_of_machine())"
    hashes = [
        subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True).stdout
        for before in ("", "import numba; ")
    ]
    assert hashes[0] == hashes[1] != ""


@pytest.mark.parametrize(("name", "counts"), [
    ("NUMBA_OPT", True), ("NUMBA_CPU_NAME", True), ("NUMBA_BOUNDSCHECK", True), ("NUMBA_CACHE_DIR", False),
    ("NUMBA_NUM_THREADS", False), ("NUMBERS", False),
])  # fmt: skip
def test_settings_of_numba_that_change_machine_code_are_known(name, counts, monkeypatch):
    before = _settings.settings.__wrapped__()
    monkeypatch.setenv(name, "1")
    assert (_settings.settings.__wrapped__() != before) == counts


def test_a_file_of_settings_counts(tmp_path, monkeypatch):
    before = _settings.settings.__wrapped__()
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".numba_config.yaml").write_text("opt: 1\n")
    assert _settings.settings.__wrapped__() != before


def test_machine_code_that_calls_what_is_not_there_is_replaced(load, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(MachineCode, "of_bytes", lambda content, key: MachineCode("kernel", ["no_such_function"], b""))
        use(load())
        assert use(load()) == COMPILED
    assert use(load()) == LOADED


def test_a_missing_file_is_replaced(load):
    use(load())
    for path in load.folder.iterdir():
        path.unlink()
    assert use(load()) == COMPILED
    assert use(load()) == LOADED


def test_a_file_that_cannot_be_replaced_does_not_matter(load):
    """A folder in its place can neither be read nor written."""
    use(load())
    (path,) = load.folder.iterdir()
    path.unlink()
    path.mkdir()
    (path / "full").touch()
    assert use(load()) == use(load()) == COMPILED


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError("read-only")])
@pytest.mark.parametrize("owner, step", [(Path, "write_bytes"), (os, "replace")])
def test_a_full_disk_does_not_matter(load, monkeypatch, owner, step, error):
    def fail(*arguments, **keywords):
        raise error

    with monkeypatch.context() as context:
        context.setattr(owner, step, fail)
        kernel = load()
        assert use(kernel) == COMPILED
        assert kernel.error == (load.folder, error)
        assert kernel(np.ones(1))[0] == 3.0
    assert list(load.folder.iterdir()) == [], "nothing half-written is left"
    assert use(load()) == COMPILED
    assert use(load()) == LOADED


def test_a_folder_that_is_removed_in_the_meantime_does_not_matter(load):
    kernel = load()
    shutil.rmtree(load.folder, ignore_errors=True)
    assert use(kernel) == COMPILED


def test_no_folder_at_all_does_not_matter(load, tmp_path, monkeypatch):
    load.folder.write_text("a file")
    (tmp_path / "home").write_text("a file")
    assert use(load()) == use(load()) == COMPILED


def not_writable(*arguments, **keywords):
    raise PermissionError("read-only")


@pytest.fixture
def read_only(load, tmp_path, monkeypatch):
    """A function after which only the user's folder can be written to, or none."""
    write, home = _files._write, tmp_path / "home"

    def use_as_another(has_home):
        def is_writable(path):
            return has_home and home in path.parents

        monkeypatch.setattr(_files, "_is_writable", is_writable)
        monkeypatch.setattr(
            _files, "_write", lambda path, content: (write if is_writable(path) else not_writable)(path, content)
        )

    return use_as_another


@pytest.mark.parametrize("chosen", ["", "chosen"])
@pytest.mark.parametrize("has_home", [True, False])
def test_machine_code_that_someone_else_has_left_is_used(load, read_only, tmp_path, monkeypatch, chosen, has_home):
    """As in an image, where root has compiled and another user runs, with or without a home of theirs."""
    if chosen:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / chosen))
    assert use(load()) == COMPILED
    read_only(has_home)
    assert use(load()) == LOADED


@pytest.mark.parametrize("has_home", [True, False])
def test_old_machine_code_that_someone_else_has_left_does_not_hide_one_s_own(load, read_only, monkeypatch, has_home):
    with monkeypatch.context() as context:
        context.setattr(_kernel, "hash_of_sources", lambda: "those of another version")
        assert use(load()) == COMPILED
    read_only(has_home)
    assert [use(load()) for _ in range(2)] == [COMPILED, LOADED if has_home else COMPILED]


def test_where_the_first_folder_is_full_no_other_one_is_filled(load, tmp_path, monkeypatch):
    """Nobody would look there."""
    write = _files._write

    def full(path, content):
        if path.parent == load.folder:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(_files, "_write", full)
    kernel = load()
    assert use(kernel) == COMPILED
    assert kernel.error[0] == load.folder
    assert list((tmp_path / "home").rglob("kernel*")) == []


def test_nothing_is_kept_where_the_sources_are_not_files(load, tmp_path, monkeypatch):
    """In an archive: another version of it could not be told from this one."""
    for module in (_kernel, _files):
        monkeypatch.setattr(module, "hash_of_sources", lambda: None)
    kernel = load()
    assert use(kernel) == use(load()) == COMPILED
    assert "sources are not files" in str(kernel.error[1])
    assert not load.folder.exists()


def test_sources_in_an_archive_are_not_files(tmp_path):
    root = Path(skreg.__file__).parents[1]
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", root, "skreg/kernels")
    code = "from skreg.kernels import _key; print(_key.hash_of_sources())"
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("skreg/__init__.py", "")
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": archive},
    )  # fmt: skip
    assert process.stdout.split() == ["None"], process.stderr


def test_an_error_stays_known(load, monkeypatch):
    """Where the other dtype's file could be written."""
    kernel = load()
    with monkeypatch.context() as context:
        context.setattr(_files, "_write", not_writable)
        assert use(kernel, np.float32) == COMPILED
    assert use(kernel, np.float64) == COMPILED
    assert str(kernel.error[1]) == "read-only"


def test_without_a_home_the_folder_that_is_said_is_used(load, tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    load.folder.write_text("a file")
    assert [use(load()) for _ in range(2)] == [COMPILED, LOADED]
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert [use(load()) for _ in range(2)] == [COMPILED, COMPILED]


def test_the_user_s_folder_takes_what_the_first_does_not(load, tmp_path):
    load.folder.write_text("a file")
    assert use(load()) == COMPILED
    assert use(load()) == LOADED
    assert list((tmp_path / "home").rglob("kernel_float64.*"))


def test_a_folder_of_the_user_s_choice_is_used(load, tmp_path, monkeypatch):
    """And no other one, where it can be written to: what lies in them would not come with it."""
    assert use(load()) == COMPILED
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert use(load()) == COMPILED
    assert use(load()) == LOADED
    assert list((tmp_path / "chosen").rglob("kernel_float64.*"))


UNKNOWN_NUMBAS = {
    "with other insides": "import skreg.kernels; sys.modules['skreg.kernels._pipeline'] = None",
    "newer": "import numba; numba.version_info = numba.version_info._replace(short=(9, 0))",
}


@pytest.mark.parametrize("change", UNKNOWN_NUMBAS.values(), ids=UNKNOWN_NUMBAS)
def test_helpers_compile_without_our_own_pipeline_too(tmp_path, change):
    """It reaches into numba; with a numba that it does not know, helpers are compiled as numba does."""
    (tmp_path / "one_line.py").write_text(ONE_LINE)
    code = (
        f"import sys\n{change}\n"
        "import numpy as np; from one_line import kernel\n"
        "print(kernel(np.array([20.5]))[0], sys.modules.get('skreg.kernels._pipeline'))"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(skreg.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert process.stdout.split() == ["42.0", "None"], process.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in Path(entry.__file__).parent.glob("*.py")))
def test_every_kernel_file_is_in_the_key(tmp_path, name):
    """An edit of any of them changes it; the time of the edit does not."""
    ignored = shutil.ignore_patterns("__pycache__")
    folder = shutil.copytree(Path(entry.__file__).parent, tmp_path / "kernels", ignore=ignored)
    os.utime(folder / name, (0, 0))
    assert _key.hash_of_folder(folder) == _key.hash_of_sources()
    (folder / name).write_text((folder / name).read_text() + "\n# edited\n")
    assert _key.hash_of_folder(folder) != _key.hash_of_sources()


# Loading --------------------------------------------------------------------------------------------------------------

IN_A_NEW_PROCESS = """
import gc
import sys
import numpy as np
from one_line import kernel
from skreg.kernels import _kernel

_kernel.listeners.append(lambda preparation: print(preparation.how, end=" "))
assert kernel(np.array([20.5]))[0] == 42.0
print("numba" in sys.modules, gc.isenabled())

from numba import njit
from numba.core.runtime import rtsys

@njit
def allocates(n):
    return np.ones(n), [1.0, n]

print(allocates(3)[0].sum(), rtsys._init)
"""


def test_what_is_loaded_without_the_compiler_lives_with_what_is_compiled_later(tmp_path):
    (tmp_path / "one_line.py").write_text(ONE_LINE)
    paths = os.pathsep.join([str(tmp_path), str(Path(skreg.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path)}
    for first_line in ("compiled True True", "loaded False True"):
        process = subprocess.run(
            [sys.executable, "-c", IN_A_NEW_PROCESS], env=environment, capture_output=True, text=True, timeout=120
        )
        assert process.stdout.splitlines() == [first_line, "3.0 True"], process.stderr


def test_without_machine_code_there_is_one_sentence():
    code = "import numpy as np, skreg; skreg.MLPRegressor((2,)).fit(np.eye(3), np.ones(3))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ImportError: skreg's kernels run as machine code alone, ")
