"""Compilation: nothing twice, nothing old, and no fit that stops for want of a cache.

Where machine code itself does not matter, a kernel of one line stands for the real ones: it takes the same way to the
disk and back and compiles in a moment.
"""

import gc
import importlib.util
import itertools
import json
import operator
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching
from numba.core.errors import UnsupportedBytecodeError
from numba.core.postproc import PostProcessor
from numba.core.registry import cpu_target
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import skreg
from skreg import MLPClassifier, MLPRegressor
from skreg.kernels import _jit, entry
from skreg.kernels._collector import collector_paused

KERNELS = [entry.train_epochs, entry.evaluate, entry.loss_gradient]


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
def test_nothing_is_compiled_for_another_network_or_other_data(dtype):
    """Whatever this process has done before: one version of each kernel and dtype, and of the gradient only one."""
    X, y = data()
    with np.errstate(all="ignore"):
        for net in itertools.chain(_estimators(MLPRegressor), _estimators(MLPClassifier)):
            _use(net, X.astype(dtype), y)
        for hold, solver in itertools.product(HOLD.values(), ("adam", "sgd", "lbfgs")):
            held = hold(X.astype(dtype))
            _use(MLPRegressor((3,), solver=solver, max_iter=2), held, np.column_stack([y, y]), sample_weight=y + 1)
            _use(MLPClassifier((3,), solver=solver, max_iter=2), held, np.arange(30) % 3, sample_weight=y + 0.5)
    for kernel in KERNELS:
        of_dtype = [str(signature) for signature in kernel.signatures if np.dtype(dtype).name in str(signature[0])]
        assert len(of_dtype) <= 1, "\n\n".join(of_dtype)
        assert len(kernel.signatures) <= 2
    assert len(entry.loss_gradient.signatures) == 1
    assert any(np.dtype(dtype).name in str(signature[0]) for signature in entry.train_epochs.signatures)


FIT = """
import sys, warnings
import numpy as np
from scipy import sparse
from skreg import MLPRegressor

warnings.simplefilter("ignore")
X = np.eye(4, dtype=np.float32)
MLPRegressor((2,), max_iter=1).fit(X if sys.argv[1] == "dense" else sparse.csr_array(X), X[:, 0])
print(*{name.split(".")[2] for name in sys.modules if name.startswith("skreg.kernels.")})
from skreg import _warmup
print(*{name for name, _ in _warmup.ready_kernels()})
"""
OF_SOME_NETWORKS = {"activity", "augmentation", "averaging", "draws", "links", "noise", "projections", "proximal"}


@pytest.mark.parametrize("kind, stages", [("dense", set()), ("csr", {"sparse_sums", "sparse_gradient"})])
def test_a_fit_loads_and_compiles_what_it_needs_and_no_more(kind, stages):
    root = Path(skreg.__file__).parents[1]
    process = subprocess.run([sys.executable, "-c", FIT, kind], cwd=root, capture_output=True, text=True, timeout=300)
    modules, ready = map(str.split, process.stdout.splitlines())
    assert set(modules).isdisjoint(OF_SOME_NETWORKS), process.stderr
    assert set(ready) == {"train_epochs", "losses_squared_error"} | stages


# From process to process ---------------------------------------------------------------------------------------------

RUN = """
import json, sys, warnings
import numpy as np
from skreg import MLPRegressor

warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(30, 3))
answer = []
for task in sys.argv[1:]:
    if task == "predict":
        answer.append(net.predict(X).sum().item().hex())
    else:
        net = MLPRegressor((4,), activation="tanh", solver=task, penalty="l1", alpha=0.01, max_iter=5, random_state=0)
        answer.append(net.fit(X, X[:, 0]).loss_.hex())

from skreg.kernels import entry

used = [kernel for kernel in (entry.train_epochs, entry.evaluate, entry.loss_gradient) if kernel.signatures]
counts = [(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())) for kernel in used]
print(json.dumps([answer, *map(sum, zip(*counts))]))
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


NAMES = """
from numba.core.registry import cpu_target
from skreg import MLPRegressor
from skreg.kernels.simd import VECTOR_BYTES
from skreg.kernels.tiles import TILE_ROWS, VECTORS

MLPRegressor((4,), max_iter=1, tol=1).fit([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0])
tile = f"skreg_tile_{TILE_ROWS}x{VECTORS}x{VECTOR_BYTES // 8}_f64"
engine = cpu_target.target_context.codegen()._engine
print(*[engine.get_function_address(name) > 0 for name in (tile, f"internal.{tile}")])
"""


def test_functions_within_a_kernel_are_not_taken_for_others_of_their_name(warm):
    """LLVM may have changed what they take."""
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", NAMES], cwd=warm[0], capture_output=True, text=True)
    assert process.stdout.split() == ["False", "True"], process.stderr


def test_a_second_process_compiles_nothing(warm):
    root, before = warm
    assert run(root, *before) == [list(before.values()), 3, 0]


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, "the test must be told what the line is now"
    path.write_text(text.replace(old, new))


def test_an_edited_helper_is_noticed(warm, tmp_path):
    """numba would look at the file of the kernel alone, not at those of its helpers."""
    root, before = warm
    root = copy_of(root, tmp_path)
    old, new = "loss += 0.5 * residual * residual", "loss += 7 + 0.5 * residual * residual"
    edit(root / "skreg/kernels/losses.py", old, new)
    (edited,), hits, misses = run(root, "lbfgs")
    assert (hits, misses) == (0, 1)
    assert float.fromhex(edited) - float.fromhex(before["lbfgs"]) == pytest.approx(7)
    edit(root / "skreg/kernels/losses.py", new, old)
    assert run(root, "lbfgs") == [[before["lbfgs"]], 1, 0], "the old source has its old machine code again"


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
    files = sorted((root / "skreg/kernels/__pycache__").glob("*.nb[ic]"))
    assert len(files) >= 6
    for path, damage in zip(files, itertools.cycle(DAMAGES), strict=False):
        damage(path)
    assert run(root, "lbfgs") == [[before["lbfgs"]], 0, 1]
    assert run(root, "lbfgs") == [[before["lbfgs"]], 1, 0]


def nowhere_to_write(root):
    """Files in the places of all folders that numba would write to: not even root can write there."""
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
    (root / "skreg/kernels/plain.py").write_text("import numba\n@numba.njit(cache=True)\ndef f(x):\n    return x\n")
    plain = subprocess.run(
        [sys.executable, "-c", "import skreg.kernels.plain"], cwd=root, env={**os.environ, **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "no locator available" in plain.stderr, "the test does not keep numba from writing"
    (root / "skreg/kernels/plain.py").unlink()
    answers, hits, _ = run(root, "lbfgs", **environment)
    assert answers == [before["lbfgs"]]
    assert hits == 0


# A kernel of one line ------------------------------------------------------------------------------------------------

ONE_LINE = """
from skreg.kernels._jit import entry, helper


@helper
def twice(x):
    return 2 * x


@entry
def kernel(x):
    return twice(x) + 1
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
    """Imports the kernel anew, as another process would; `load.cache` is the folder of its cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    path = tmp_path / "one_line.py"
    path.write_text(ONE_LINE)

    def load():
        return imported(path).kernel

    load.cache = tmp_path / "__pycache__"
    return load


def use(kernel):
    """Loads and compilations that it takes to call a kernel."""
    assert kernel(20.5) == 42.0
    return sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())


def test_a_kernel_is_compiled_once_and_loaded_ever_after(load):
    assert use(load()) == (0, 1)
    assert {path.suffix for path in load.cache.glob("one_line.kernel*")} == {".nbi", ".nbc"}
    assert use(load()) == use(load()) == (1, 0)


def test_numba_knows_helpers_only_where_it_compiles_what_calls_them(load):
    for is_compiled in (True, False):
        kernel = load()
        helper = kernel.py_func.__globals__["twice"]
        assert "dispatcher" not in vars(helper)
        assert use(kernel) == (int(not is_compiled), int(is_compiled))
        assert ("dispatcher" in vars(helper)) == is_compiled


STORES_TO_A_GLOBAL = """
from skreg.kernels._jit import entry

@entry
def kernel(x):
    global y
    y = x
"""


def test_numba_stays_as_it_was(load, tmp_path):
    """Kernels are compiled with contexts of their own, and with less of numba's analysis."""
    cpu_target.target_context.refresh()
    multiply = cpu_target.typing_context.resolve_value_type(operator.mul)
    before = PostProcessor.run, set(vars(multiply)), type(cpu_target.target_context)
    load()(20.5)
    with pytest.raises(UnsupportedBytecodeError):
        imported(written(tmp_path, STORES_TO_A_GLOBAL)).kernel(20.5)
    assert (PostProcessor.run, set(vars(multiply)), type(cpu_target.target_context)) == before


WITH_AN_INTRINSIC = """
from numba.extending import intrinsic
from skreg.kernels._jit import entry

@intrinsic
def itself(context, x):
    def emit(ctx, builder, signature, args):
        return args[0]

    return x(x), emit

@entry
def kernel(x):
    return itself(x)
"""


def no_folder(*args):
    raise RuntimeError("no locator available")


def test_what_is_imported_later_is_known_without_a_cache_too(load, tmp_path, monkeypatch):
    """A miss in the cache makes numba look at what modules have registered; without one there is no miss."""
    load()(20.5)
    monkeypatch.setattr(_jit, "ForgivingCache", no_folder)
    assert imported(written(tmp_path, WITH_AN_INTRINSIC)).kernel(20.5) == 20.5


def test_python_cannot_call_a_helper(load):
    """It has no machine code of its own; numba's object would end the process."""
    with pytest.raises(TypeError, match="not callable"):
        load().py_func.__globals__["twice"](20.5)


FLAVOURS = """
from skreg.kernels._jit import entry, helper, uniform


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
def kernel(x):
    return sum_in_any_order(x), sum_in_order(x)
"""


def test_what_is_known_of_types_is_kept_apart_by_the_options_of_functions(tmp_path):
    """Only where its options allow that LLVM sums in another order."""
    module = imported(written(tmp_path, FLAVOURS))
    x = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-8, 8, 1000)
    in_order = 0.0
    for number in x.tolist():
        in_order += number
    any_order, ordered = module.kernel(x)
    assert ordered == in_order
    assert any_order == pytest.approx(in_order, rel=1e-9)
    assert any_order != in_order, "the test does not see what the options do"


def test_helpers_have_no_cache_of_their_own(load):
    use(load())
    assert list(load.cache.glob("*twice*")) == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffixes", [(".nbi",), (".nbc",), (".nbi", ".nbc")], ids="+".join)
def test_any_damaged_file_is_replaced(load, suffixes, damage):
    use(load())
    files = [path for path in load.cache.iterdir() if path.suffix in suffixes]
    assert len(files) == len(suffixes)
    for path in files:
        damage(path)
    assert use(load()) == (0, 1)
    assert use(load()) == (1, 0)


def test_machine_code_under_another_s_name_is_replaced(load):
    """Two processes that save at once may leave that."""
    kernel = load()
    assert kernel(20.5) == 42.0 and kernel(np.float32(1.5)) == 4.0
    first, second = sorted(load.cache.glob("*.nbc"))
    first_code, second_code = first.read_bytes(), second.read_bytes()
    first.write_bytes(second_code)
    second.write_bytes(first_code)
    kernel = load()
    assert use(kernel) == (0, 1)
    assert kernel(np.float32(1.5)) == 4.0
    assert use(load()) == (1, 0)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_missing_file_is_replaced(load, suffix):
    use(load())
    for path in load.cache.glob(f"*{suffix}"):
        path.unlink()
    assert use(load()) == (0, 1)
    assert use(load()) == (1, 0)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_that_cannot_be_replaced_does_not_matter(load, suffix):
    """A folder in its place can neither be read nor written."""
    use(load())
    for path in list(load.cache.glob(f"*{suffix}")):
        path.unlink()
        path.mkdir()
        (path / "full").touch()
    assert use(load()) == (0, 1)
    assert use(load()) == (0, 1)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError("read-only")])
@pytest.mark.parametrize("part", ["save", "_save_data", "_save_index"])
def test_a_full_disk_does_not_matter(load, monkeypatch, part, error):
    def fail(*arguments, **keywords):
        raise error

    with monkeypatch.context() as context:
        context.setattr(caching.IndexDataCacheFile, part, fail)
        kernel = load()
        assert use(kernel) == (0, 1)
        assert kernel(1.0) == 3.0
    assert use(load()) == (0, 1)  # nothing half-written was left
    assert use(load()) == (1, 0)


def test_a_cache_folder_that_is_removed_in_the_meantime_does_not_matter(load):
    kernel = load()
    shutil.rmtree(load.cache, ignore_errors=True)
    assert use(kernel)[1] == 1


def test_no_folder_for_a_cache_does_not_matter(load, tmp_path, monkeypatch):
    load.cache.write_text("a file")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(load.cache / "nobody"))
    for _ in range(2):
        kernel = load()
        assert kernel(20.5) == 42.0
        assert sum(kernel.stats.cache_hits.values()) == 0


def not_writable(locator):
    raise PermissionError("read-only")


@pytest.mark.parametrize("chosen", ["", "chosen"])
@pytest.mark.parametrize("home", [True, False])
def test_machine_code_that_someone_else_has_left_is_used(load, tmp_path, monkeypatch, chosen, home):
    """As in an image, where root has compiled and another user runs, with or without a home of theirs."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / chosen) if chosen else "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert use(load()) == (0, 1)
    for locator in ("InTree", "UserProvided") + ("UserWide",) * (not home):
        monkeypatch.setattr(getattr(caching, f"{locator}CacheLocator"), "ensure_cache_path", not_writable)
    assert use(load()) == (1, 0)


def test_a_cache_folder_of_the_users_choice_is_used(load, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "chosen"))
    assert use(load()) == (0, 1)
    assert use(load()) == (1, 0)
    assert list((tmp_path / "chosen").rglob("*.nbc"))


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
        "from one_line import kernel; print(kernel(20.5), sys.modules.get('skreg.kernels._pipeline'))"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(skreg.__file__).parents[1])])
    process = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert process.stdout.split() == ["42.0", "None"], process.stderr


def _stamp(folder):
    """What _jit.py makes of the kernels that lie beside it."""
    spec = importlib.util.spec_from_file_location("skreg.kernels._jit_of_copy", folder / "_jit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SOURCE_STAMP


@pytest.mark.parametrize("name", sorted(path.name for path in Path(entry.__file__).parent.glob("*.py")))
def test_every_kernel_file_is_in_the_stamp(tmp_path, name):
    """An edit of any of them changes what enters the key of the cache; the time of the edit does not."""
    ignored = shutil.ignore_patterns("__pycache__")
    folder = shutil.copytree(Path(entry.__file__).parent, tmp_path / "kernels", ignore=ignored)
    os.utime(folder / name, (0, 0))
    assert _stamp(folder) == _jit.SOURCE_STAMP
    (folder / name).write_text((folder / name).read_text() + "\n# edited\n")
    assert _stamp(folder) != _jit.SOURCE_STAMP


# Loading --------------------------------------------------------------------------------------------------------------

IN_A_NEW_PROCESS = """
import gc
from pathlib import Path
from numba import njit
import numpy as np
from numba.core.runtime import rtsys
from one_line import kernel

assert kernel(20.5) == 42.0
print(sum(kernel.stats.cache_hits.values()), rtsys._init, gc.isenabled())

@njit
def allocates(n):
    return np.ones(n), [1.0, n]

print(allocates(3)[0].sum(), rtsys._init)
"""


def test_what_is_loaded_without_the_compiler_lives_with_what_is_compiled_later(tmp_path):
    (tmp_path / "one_line.py").write_text(ONE_LINE)
    paths = os.pathsep.join([str(tmp_path), str(Path(skreg.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths}
    environment.pop("NUMBA_CACHE_DIR", None)
    for first_line in ("0 True True", "1 False True"):
        process = subprocess.run(
            [sys.executable, "-c", IN_A_NEW_PROCESS], env=environment, capture_output=True, text=True, timeout=120
        )
        assert process.stdout.splitlines() == [first_line, "3.0 True"], process.stderr


def test_the_collector_rests_while_any_thread_loads():
    assert gc.isenabled()
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_the_collector_works_again_after_an_error_and_stays_off_where_it_was_off():
    with pytest.raises(KeyboardInterrupt), collector_paused():
        raise KeyboardInterrupt
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


TWO_THREADS_BEGIN = """
import sys
from skreg.kernels._collector import _without_coverage

contexts = [_without_coverage() for _ in range(2)]
for context in contexts:
    context.__enter__()
for context in contexts:
    context.__exit__(None, None, None)
print("numba" in sys.modules, "numba.misc.coverage_support" in sys.modules)
"""


def test_two_threads_may_load_the_kernels_at_once():
    """Each of them may begin before the other has come to numba: a first fit by two of dask's threads had failed."""
    process = subprocess.run(
        [sys.executable, "-c", TWO_THREADS_BEGIN], capture_output=True, text=True, cwd=Path(skreg.__file__).parents[1]
    )
    assert process.stdout.split() == ["False", "False"], process.stderr


def test_without_machine_code_there_is_one_sentence():
    code = "import numpy as np, skreg; skreg.MLPRegressor((2,)).fit(np.eye(3), np.ones(3))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ImportError: skreg's kernels run as machine code alone, ")
