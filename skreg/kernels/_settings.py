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
# What a program may set without the environment, where numba's value is not this one.
_DEFAULTS = {"CPU_NAME": None, "CPU_FEATURES": None, "ENABLE_AVX": 1, "BOUNDSCHECK": None, "OPT": 3}


@cache
def settings():
    """The environment's, and the file's that numba looks for, as one text; empty where there are none."""
    said = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_") and item[0] not in _OTHERS)
    try:
        in_file = _FILE.read_text()
    except OSError:
        in_file = ""
    return "\n".join([f"{name}={value}" for name, value in said if value] + [in_file] * bool(in_file))


def numba_config():
    """numba's, where it is imported or the user has settings of their own; else None."""
    if not settings() and not hasattr(sys.modules.get("numba"), "config"):
        return None
    from numba import config

    return config


def settings_of_process():
    """What a program has set in numba's configuration, or the environment has, as a text; empty for nothing."""
    config = numba_config()
    if config is None:
        return ""
    return "\n".join(
        f"{name}={getattr(config, name)}" for name, usual in _DEFAULTS.items() if getattr(config, name) != usual
    )
