"""What the user has told numba that changes machine code, known without numba."""

import os
import sys
from functools import cache
from pathlib import Path

# They say where machine code lies, how many threads there are, and who is told of what is compiled.
_OTHERS = {
    "NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_JIT_COVERAGE", "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY",
}  # fmt: skip
_FILE = Path(".numba_config.yaml")  # of the current folder when numba is imported


@cache
def settings():
    """The environment's, and the file's that numba looks for, as one text; empty where there are none."""
    said = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_") and item[0] not in _OTHERS)
    try:
        in_file = _FILE.read_text()
    except OSError:
        in_file = ""
    return "\n".join([f"{name}={value}" for name, value in said if value] + [in_file] * bool(in_file))


def configuration():
    """numba's, where it is imported or the user has settings of their own; else None."""
    if not settings() and not hasattr(sys.modules.get("numba"), "config"):
        return None
    from numba import config

    return config
