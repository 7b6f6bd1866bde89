"""What an import of skreg loads, and that the optional packages are optional."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skreg

ROOT = Path(skreg.__file__).parents[1]
SOURCES = sorted((ROOT / "skreg").rglob("*.py"))
OPTIONAL = ["pandas", "pyarrow", "rich", "matplotlib", "jinja2"]  # the extras of pyproject.toml


def run(code, *flags):
    """Standard output of a new process that runs `code`; an error in it is one here."""
    command = [sys.executable, *flags, "-c", code]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_an_import_loads_neither_numba_nor_anything_optional():
    # scikit-learn may load pandas and rich itself.
    code = (
        "import sys, sklearn.neural_network, sklearn.model_selection; before = set(sys.modules)\n"
        "import skreg; print(*{name.split('.')[0] for name in sys.modules.keys() - before})"
    )
    assert set(run(code).split()).isdisjoint({"numba", *OPTIONAL})


COVERAGE = """
import os, sys
from skreg.kernels._collector import load_compiler

{before}
load_compiler()
from numba.core import lowering
from numba.misc import coverage_support
print(lowering.get_registered_loc_notify is coverage_support.get_registered_loc_notify)
"""


@pytest.mark.parametrize("before, is_told", [
    ("", False), ("os.environ['NUMBA_JIT_COVERAGE'] = '1'", True), ("import numba", True),
])  # fmt: skip
def test_numba_tells_coverage_of_lines_only_where_someone_may_want_to_know(before, is_told):
    """It would load the package coverage for that; whoever imports numba's module for it gets it all the same."""
    assert run(COVERAGE.format(before=before)).strip() == str(is_told)


def test_predicting_and_printing_need_no_numba_until_they_must():
    code = "import sys, skreg; print(repr(skreg.MLPRegressor(alpha=1.0)), 'numba' in sys.modules)"
    assert run(code).strip() == "MLPRegressor(alpha=1.0) False"


def test_an_import_is_quick(monkeypatch):
    """skreg adds next to nothing to what scikit-learn's own networks load."""
    # From bytecode, as with everybody: the first of the processes writes it.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    code = (
        "import time, sklearn.neural_network, sklearn.model_selection, sklearn.metrics; start = time.process_time()\n"
        "import skreg; print(time.process_time() - start)"
    )
    assert any(float(run(code)) < 0.1 for _ in range(10))  # tests beside this one may take half of the processor


BLOCK = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""

FIT = """
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import estimator_html_repr
from skreg import *

X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
for net in (MLPRegressor((2,), max_iter=2, solver="lbfgs", tol=1.0), MLPClassifier((2,), max_iter=20, tol=1.0)):
    net.fit(X, y).predict(sparse.csr_array(X))
    print(type(clone(net)).__name__, len(estimator_html_repr(net)) > 100)
"""


def test_everything_but_the_comparison_works_without_the_optional_packages():
    assert run(BLOCK + FIT) == "MLPRegressor True\nMLPClassifier True\n"


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_packages_that_are_blocked_are_really_missing(name):
    code = BLOCK + f"try:\n    import {name}\nexcept ModuleNotFoundError:\n    print('missing')"
    assert run(code) == "missing\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skreg' has no attribute 'MLPRegresor'"):
        _ = skreg.MLPRegresor


def test_no_warning_is_raised_by_the_import():
    run("import skreg", "-W", "error")


# The rooms of the package ---------------------------------------------------------------------------------------------


def _imports(path):
    """(module with its dots, imported name) of each import statement of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), name.name) for name in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_scikit_learn_is_reached_through_one_module(path):
    names = [(*module.split("."), name) for module, name in _imports(path) if module.split(".")[0] == "sklearn"]
    private = [parts for parts in names if any(part.startswith("_") for part in parts)]
    assert not private or path.name == "_compat.py"


@pytest.mark.parametrize("path", sorted((ROOT / "skreg" / "kernels").glob("*.py")), ids=lambda path: path.name)
def test_compiled_code_imports_nothing_from_the_rest(path):
    outside = [module for module, _ in _imports(path) if module.startswith("..") or module.startswith("skreg")]
    assert outside == []
    others = {module.split(".")[0] for module, _ in _imports(path) if not module.startswith(".")}
    assert others <= {"numpy", "numba", "llvmlite", "math", "hashlib", "platform", "pathlib", "sys", "os"} | set(
        sys.stdlib_module_names
    )


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "skreg" / "py.typed").exists()
