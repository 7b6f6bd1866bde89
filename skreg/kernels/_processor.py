"""What LLVM knows of the processor, asked once."""

from functools import cache

import llvmlite.binding as llvm


@cache
def host_features():
    """{name: whether it has that}, empty for a processor that LLVM does not know."""
    try:
        return llvm.get_host_cpu_features()
    except RuntimeError:
        return llvm.FeatureMap()
