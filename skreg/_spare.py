"""Large buffers that outlive a fit, for the next one.

Memory that the system has just handed out costs more when it is first touched than the copy it is needed
for: a millisecond for each 1 to 2 MB. So one buffer of each fit stays for the next.
"""

import threading

import numpy as np

# More than this is not kept back from the system.
_MOST_BYTES = 64 * 2**20

_lock = threading.Lock()
_kept = []


def borrow(size, dtype):
    """An uninitialised array. Give it back when it is no longer used, or let it go."""
    n_bytes = size * np.dtype(dtype).itemsize
    with _lock:
        buffer = _kept.pop() if _kept else None
    if buffer is None or len(buffer) < n_bytes:
        buffer = np.empty(n_bytes, np.uint8)
    return buffer[:n_bytes].view(dtype)


def give_back(array):
    """Nothing may use the array from now on."""
    buffer = array.base
    with _lock:
        if not _kept and buffer is not None and buffer.nbytes <= _MOST_BYTES:
            _kept.append(buffer)
