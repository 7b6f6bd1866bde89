"""Arrays at the very end of memory: what reads or writes beyond them ends the process."""

import ctypes
import mmap
import sys

import numpy as np

CAN_GUARD = sys.platform.startswith("linux") or sys.platform == "darwin"


def _pages(n_bytes, from_start):
    """(memory of `n_bytes` between two pages that cannot be touched, at one of its ends)."""
    page = mmap.PAGESIZE
    size = -(-n_bytes // page) * page
    memory = mmap.mmap(-1, size + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for at in (address, address + page + size):
        if protect(at, page, 0):  # 0 is PROT_NONE
            raise OSError(ctypes.get_errno(), "mprotect")
    start = page if from_start else page + size - n_bytes
    return np.frombuffer(memory, np.uint8, n_bytes, start)


def empty_at_end(size, dtype):
    """np.empty, with nothing readable behind the last element; ordinary memory where that cannot be arranged."""
    return _pages(size * np.dtype(dtype).itemsize, False).view(dtype) if CAN_GUARD else np.empty(size, dtype)


def empty_at_start(size, dtype):
    """The same with nothing readable before the first element."""
    return _pages(size * np.dtype(dtype).itemsize, True).view(dtype) if CAN_GUARD else np.empty(size, dtype)
