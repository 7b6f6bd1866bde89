"""The kernels under numba's checks of array bounds: no index outside, and the same numbers as without.

An index is checked against the length of its array, which for the views of `part` is that of the view: a loop that
leaves its row or layer is seen. Not seen are `part` itself, whose own bounds nobody checks, the vectors' loads and
stores (intrinsics work on pointers). Of these, products and steps of Adam are checked at the ends of memory in
test_widths.py. The code with checks is not optimised, to compile faster.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numba import config, njit
from scipy import sparse

from skreg import MLPClassifier, MLPRegressor
from skreg.kernels import _compile, stages, views

from .conftest import draw_data, relative_error

ROOT = Path(__file__).parents[1]


def fit_all():
    """{case: weights and predictions} of small fits: every solver, activation and kind of y, dense and CSR."""
    cases = [("adam", "relu", "one target"), ("sgd", "tanh", "multinomial"), ("adam", "logistic", "multilabel"),
             ("lbfgs", "identity", "counts"), ("lbfgs", "relu", "multinomial")]  # fmt: skip
    found = {}
    warnings.simplefilter("ignore")
    for (solver, activation, target), form in zip(cases * 2, [np.asarray] * 5 + [sparse.csr_array] * 5, strict=True):
        X, y, weights = draw_data(target, n_rows=41)
        y = y if target == "multilabel" else y[:, 0]
        cls = MLPClassifier if target in ("multinomial", "multilabel") else MLPRegressor
        dropout = {} if solver == "lbfgs" else {"dropout": 0.4, "input_dropout": 0.2}
        loss = {"loss": "poisson"} if target == "counts" else {}
        model = cls(
            (19, 3), activation, solver=solver, max_iter=3, random_state=0, penalty="elasticnet", alpha=0.01,
            l1_ratio=0.5, activity_penalty=0.01, **({} if solver == "lbfgs" else {"batch_size": 7}), **dropout, **loss,
        )  # fmt: skip
        model.fit(form(X), y, weights)
        predictions = model.predict(form(X)) if cls is MLPRegressor else model.predict_proba(form(X))
        numbers = [*model.coefs_, *model.intercepts_, predictions]
        found[f"{solver} {activation} {target} {form.__name__}"] = np.concatenate(
            [np.ravel(a) for a in numbers]
        ).tolist()
    # Without hidden layers, and with the deltas of a single one that rank_one.py makes.
    X, y, weights = draw_data("one target", n_rows=41)
    for hidden in ((), (19,)):
        model = MLPRegressor(hidden, max_iter=3, random_state=0, batch_size=7, activity_penalty=0.01 if hidden else 0.0)
        model.fit(X, y[:, 0], weights)
        numbers = [*model.coefs_, *model.intercepts_, model.predict(X)]
        found[f"{hidden}"] = np.concatenate([np.ravel(a) for a in numbers]).tolist()
    return found


@njit(**_compile.OPTIONS)
def read(array, start, count, at):
    return views.part(array, start, count)[at]


@njit(**_compile.OPTIONS)
def read_table(array, row, column):
    return stages.table_at(stages.address_of(array, 0), len(array), 3, np.float64)[row, column]


def main():
    """In the process with checks."""
    assert config.BOUNDSCHECK
    assert read(np.arange(5.0), 1, 2, 1) == 2
    assert read_table(np.arange(6.0).reshape(2, 3), 1, 1) == 4
    for at in (2, -1):
        with pytest.raises(IndexError):
            read(np.arange(5.0), 1, 2, at)
        with pytest.raises(IndexError):
            read_table(np.arange(6.0).reshape(2, 3), at, 1)
    for at in (3, -1):
        with pytest.raises(IndexError):
            read_table(np.arange(6.0).reshape(2, 3), 1, at)
    print(json.dumps(fit_all()))


def test_fits_and_predictions_with_checked_bounds(tmp_path):
    """A view's bounds are seen, and no fit leaves its own; their numbers are those of fits without checks."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", "from tests.test_bounds import main; main()"], env=environment, cwd=ROOT,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert "IndexError" not in run.stderr  # which a kernel that C calls can only print
    checked = json.loads(run.stdout)
    with warnings.catch_warnings():
        unchecked = fit_all()
    assert checked.keys() == unchecked.keys()
    for case, numbers in checked.items():
        assert relative_error([numbers], [unchecked[case]]) < 1e-10, case
