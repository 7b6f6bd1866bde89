"""Finished machine code: as bytes to keep, and as a function that can be called by its address.

LLVM's loader is all that is needed for the latter, not the compiler.
"""

import hashlib
import json
from typing import NamedTuple

import llvmlite.binding as llvm

_MAGIC, _N_DIGEST = b"skreg machine code 1\n", 16
_engines = []  # which own the functions that have been loaded


class MachineCode(NamedTuple):
    """A function and all that it calls, but for what every process has.

    Attributes
    ----------
    symbol : str
        Its name within the object file.
    needs : list of str
        Names of functions outside of it that it may call, but for those that every process has, such as memset.
    object_file : bytes
    """

    symbol: str
    needs: list
    object_file: bytes

    def as_bytes(self, key):
        """What `of_bytes` takes apart again, if it is given the same key."""
        head = json.dumps([key, self.symbol, self.needs]).encode() + b"\n"
        return _MAGIC + _digest(head + self.object_file) + head + self.object_file

    @classmethod
    def of_bytes(cls, data, key):
        """None if they are damaged, or those of another key."""
        begin = len(_MAGIC)
        digest, content = data[begin : begin + _N_DIGEST], data[begin + _N_DIGEST :]
        if data[:begin] != _MAGIC or digest != _digest(content):
            return None
        head, _, object_file = content.partition(b"\n")
        found, symbol, needs = json.loads(head)
        return cls(symbol, needs, object_file) if found == key else None


def _digest(content):
    return hashlib.blake2b(content, digest_size=_N_DIGEST).digest()


def load(code):
    """The address of its function, for as long as the process lives; LookupError where that lacks what it calls."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)  # from now on LLVM knows all functions
    if not _has_all(code.needs):
        raise LookupError(f"{code.symbol} calls functions that this process does not have: {code.needs}.")
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(code.symbol)


def _has_all(names):
    """Whether this process has functions of these names. Some may be numba's."""
    if all(map(llvm.address_of_symbol, names)):
        return True
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()
    return all(map(llvm.address_of_symbol, names))
