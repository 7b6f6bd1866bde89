"""``skreg warmup`` on the command line."""

import time

from ._warmup import COMPILED, DTYPES, cache_errors, cache_folders, prepare

HELP = "compile everything ahead, for images and clusters"
DESCRIPTION = """\
Compile all kernels ahead and keep the machine code on disk, so that no later fit has to wait for the
compiler: while an image is built, or once on a cluster's login node. The folder is NUMBA_CACHE_DIR if
that is set."""


def add_arguments(parser):
    """Add the options of the command to its parser."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        action="append",
        help="type of the data to come; may be given more than once (default: both)",
    )


def run(options):
    """Compile, and print a line for each kernel and one for the whole.

    Parameters
    ----------
    options : argparse.Namespace
        What `add_arguments` has parsed.
    """
    start, n_compiled, n_all = time.perf_counter(), 0, 0
    for name, dtype, seconds, how in prepare(options.dtype or DTYPES):
        n_all, n_compiled = n_all + 1, n_compiled + (how == COMPILED)
        print(f"{name:15} {dtype:8} {seconds:7.2f} s  {how}", flush=True)
    print(f"{n_all} kernels are ready, {n_compiled} of them newly compiled, in {time.perf_counter() - start:.1f} s.")
    print(_where())


def _where():
    """One sentence on where the machine code is, or why it is nowhere."""
    errors = cache_errors()
    if errors:
        folder, error = next(iter(errors.items()))
        reason = getattr(error, "strerror", None) or str(error)
        return (
            f"The machine code could not be kept in {folder} ({reason}), so every process will compile again: "
            "set NUMBA_CACHE_DIR to a folder that can be written to."
        )
    return f"The machine code is in {', '.join(cache_folders())}."
