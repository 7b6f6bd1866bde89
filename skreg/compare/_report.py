"""The report: one self-contained page."""

import platform
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from . import _display
from ._errors import require
from ._plot import score_svg
from ._records import by_score

PACKAGES = ("scikit-learn", "numpy", "scipy", "numba")
MAX_NAMES = 12


def render(comparison):
    """The page of a comparison.

    Whatever comes from the data, such as names of columns, is escaped by jinja2; only the
    picture, which holds none of it, is put in as it is.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    str
    """
    jinja2 = require("jinja2", "The report")
    template = files(__package__).joinpath("report.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(
        comparison=comparison,
        dataset=comparison.dataset,
        facts=_facts(comparison),
        columns=_display.columns(comparison),
        rows=_display.rows(comparison),
        families={result.name: result.family for result in comparison.results},
        chosen=comparison.chosen.name,
        picture=score_svg(comparison),
        parameters=[_parameters(comparison, result) for result in by_score(comparison.results)],
        code=comparison.code(),
    )


def _facts(comparison):
    """The summary, as pairs of a name and a value."""
    dataset = comparison.dataset
    versions = [f"Python {platform.python_version()}", f"skreg {_skreg_version()}"]
    versions += [f"{name} {_version(name)}" for name in PACKAGES]
    folds = f"{comparison.n_folds}{', quick run' if comparison.quick else ''}"
    return (
        ("Data", comparison.source.name),
        ("Rows", f"{len(dataset.y):,}"),
        ("Inputs", _inputs(dataset)),
        ("Target", dataset.target),
        ("Task", f"{dataset.task.label}: {dataset.task.reason}"),
        ("Folds", folds),
        ("Seed", str(comparison.seed)),
        ("Time", _display.seconds(comparison.elapsed)),
        ("Versions", ", ".join(versions)),
    )


def _inputs(dataset):
    n_inputs = len(dataset.input_names)
    if not dataset.categorical:
        return f"{n_inputs:,}"
    n_numeric, n_categorical = len(dataset.numeric), len(dataset.categorical)
    return f"{n_inputs:,} ({n_numeric} numeric, {n_categorical} categorical)"


def _parameters(comparison, result):
    """Chosen parameters of a model on all rows and on the folds, and the inputs it leaves out."""
    names = list(result.params)
    return {
        "name": result.name,
        "params": [f"{name}: {_display.parameter(result.params[name])}" for name in names],
        "folds": [_fold_values(result, name) for name in names],
        "left_out": _left_out(comparison.dataset.input_names, result.used_inputs),
    }


def _fold_values(result, name):
    """'alpha: 0.03 in 3 folds, 0.1 in 2'."""
    counts = Counter(_display.parameter(p[name]) for p in result.fold_params if name in p)
    values = ", ".join(f"{value} ({count}×)" if count > 1 else value for value, count in counts.most_common())
    return f"{name}: {values}"


def _left_out(names, used):
    """Names of the inputs that a model does not use."""
    if used is None:
        return _display.NONE
    used = set(used.tolist())
    left_out = [name for i, name in enumerate(names) if i not in used]
    shown = ", ".join(left_out[:MAX_NAMES])
    n_more = len(left_out) - MAX_NAMES
    return (f"{shown} and {n_more} more" if n_more > 0 else shown) or "none"


def _skreg_version():
    import skreg

    return skreg.__version__


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
