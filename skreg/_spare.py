"""What outlives a fit, for the next one: a large buffer here, threads in _team.py.

Memory that the system has just handed out costs more when it is first touched than the copy it is needed
for: a millisecond for each 1 to 2 MB. So one buffer of each fit stays for the next.
"""

import numpy as np

# More than this is not kept back from the system.
_MOST_BYTES = 64 * 2**20

_kept = []


def take(kept):
    """The thing that was left in a list, or None.

    Without a lock, which a fork might copy while another thread holds it: what a list does at once needs none.
    """
    try:
        return kept.pop()
    except IndexError:
        return None


def leave(kept, thing):
    """Whether a thing stays in a list: one is enough, and two, of threads that leave theirs together, do no harm."""
    if kept:
        return False
    kept.append(thing)
    return True


def borrow(size, dtype):
    """An uninitialised array. Give it back when it is no longer used, or let it go."""
    n_bytes = size * np.dtype(dtype).itemsize
    buffer = take(_kept)
    if buffer is None or len(buffer) < n_bytes:
        buffer = np.empty(n_bytes, np.uint8)
    return buffer[:n_bytes].view(dtype)


def give_back(array):
    """Nothing may use the array from now on."""
    buffer = array.base
    if buffer is not None and buffer.nbytes <= _MOST_BYTES:
        leave(_kept, buffer)
