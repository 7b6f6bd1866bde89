"""The machine and the versions that figures belong to."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def processor():
    """The processor's name, as far as the system tells it."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _target():
    """The processor's generation as the compiler names it, which a virtual machine's own name may hide."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name()


def describe(libs):
    import skreg

    others = [f"{lib} {version(DISTRIBUTIONS.get(lib, lib))}" for lib in libs if lib != "skreg"]
    versions = ", ".join([f"skreg {skreg.__version__}", *others])
    return f"{processor()} ({_target()}), {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
