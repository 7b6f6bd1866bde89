"""``skreg compare`` on the command line."""

import argparse
import os
import sys
from pathlib import Path

from ._errors import InputError, require

HELP = "compare linear models, boosting and regularised networks on a table"
DESCRIPTION = """\
Compare linear models, gradient boosting and regularised networks on a table, say which to choose,
and write a report. Without --data it runs on scikit-learn's diabetes data."""
EPILOG = """\
exit codes: 0 done, 2 the data or an option cannot be used, 130 interrupted"""
DEFAULT_OUTPUT = "skreg-compare.html"


def add_arguments(parser):
    """Add the options of the command to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add = parser.add_argument
    add("--data", metavar="FILE", help="a .csv file with a header, or a .parquet file")
    add("--target", metavar="COLUMN", help="the column to predict")
    add(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column to leave out; may be given more than once",
    )
    add(
        "--task",
        choices=("auto", "regression", "classification"),
        default="auto",
        help="auto takes labels and few distinct whole numbers for classes (default: auto)",
    )
    add("--folds", type=_folds, metavar="N", help="outer folds (default: 5; 3 with --quick)")
    add(
        "--jobs",
        type=_jobs,
        metavar="N",
        default=-1,
        help="processes, -1 for all cores; the result does not depend on it (default: -1)",
    )
    add("--seed", type=_seed, metavar="N", default=0, help="of folds and models (default: 0)")
    add(
        "--output",
        metavar="REPORT.html",
        default=DEFAULT_OUTPUT,
        help=f"where to write the report (default: {DEFAULT_OUTPUT})",
    )
    add("--quick", action="store_true", help="try fewer parameters, with fewer folds")


def run(options):
    """Compare, print the table and write the report.

    Parameters
    ----------
    options : argparse.Namespace
        Of the parser of :func:`add_arguments`.

    Raises
    ------
    InputError, MissingExtraError
        With one sentence for the user.
    """
    for package in ("pandas", "rich", "matplotlib", "jinja2"):
        require(package, "skreg compare")
    # Only now, because these import scikit-learn and what was just looked for.
    from ._progress import terminal_progress
    from ._run import compare_dataset
    from ._tables import budget_for
    from ._task import check_folds
    from ._terminal import print_comparison

    dataset, source = _read(options)
    n_folds = options.folds or budget_for(options.quick).n_folds
    check_folds(dataset.y, dataset.task, n_folds)
    check_output(options.output)
    print(_headline(dataset, source), file=sys.stderr, flush=True)
    with terminal_progress() as progress:
        comparison = compare_dataset(
            dataset,
            cv=n_folds,
            n_jobs=options.jobs,
            seed=options.seed,
            quick=options.quick,
            progress=progress,
            source=source,
        )
    print_comparison(comparison)
    comparison.to_html(options.output)
    print(f"Report: {options.output} ({comparison.elapsed:.0f} s)")


def _read(options):
    from ._data import make_dataset
    from ._files import read_dataset
    from ._source import DIABETES

    if options.data is not None:
        return read_dataset(options.data, options.target, task=options.task, drop=options.drop)
    if options.target is not None or options.drop:
        raise InputError("--target and --drop name columns of a file: give it by --data.")
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return make_dataset(X, y, task=options.task), DIABETES


def _headline(dataset, source):
    n_rows, n_inputs = len(dataset.y), len(dataset.input_names)
    inputs = "1 input" if n_inputs == 1 else f"{n_inputs:,} inputs"
    return (
        f"{source.name}: {n_rows:,} rows, {inputs}, target {dataset.target!r}: "
        f"{dataset.task.label} ({dataset.task.reason})."
    )


def check_output(path):
    """Refuse an output that cannot be written, before anything is computed.

    Raises
    ------
    InputError
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"The report {path} must end in '.html'.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} of the report does not exist.")
    exists = path.exists()
    try:
        with open(path, "ab"):
            pass
        if not exists:
            os.remove(path)
    except OSError as error:
        raise InputError(f"The report {path} cannot be written: {error.strerror}.") from None


def _whole_number(is_allowed, allowed):
    """Type of an option: a whole number of which `is_allowed` holds, as `allowed` says in words."""

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not is_allowed(value):
            raise argparse.ArgumentTypeError(f"must be a whole number {allowed}, not {text!r}")
        return value

    return read


_folds = _whole_number(lambda value: value >= 2, "of at least 2")
_jobs = _whole_number(lambda value: value >= 1 or value == -1, "of at least 1, or -1 for all cores")
_seed = _whole_number(lambda value: 0 <= value < 2**32, "from 0 to 4294967295")
