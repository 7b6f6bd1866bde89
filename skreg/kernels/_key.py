"""What makes machine code another: sources, compiler, processor and settings, each as a hash."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from ._processor import host_features
from ._settings import settings, settings_of_process


def _hash_of(*parts):
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def hash_of_folder(folder):
    """Of the names and contents of its files."""
    return _hash_of(*(part for path in sorted(folder.glob("*.py")) for part in (path.name, path.read_bytes())))


@cache
def hash_of_sources():
    """Of all kernels, since each has its helpers inside; None where they are not files, as in an archive."""
    folder = Path(__file__).parent
    return hash_of_folder(folder) if any(folder.glob("*.py")) else None


@cache
def _machine():
    return (
        llvm.get_process_triple(), llvm.get_host_cpu_name(), host_features().flatten(), settings(), version("numba"),
        llvmlite.__version__, str(object.__basicsize__),
    )  # fmt: skip


def hash_of_machine():
    """Of processor, compiler and settings, and of what is not the same in each of Python's builds: an object's size."""
    return _hash_of(*_machine(), settings_of_process())
