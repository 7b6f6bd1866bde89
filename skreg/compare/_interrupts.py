"""Ctrl-C reaches the main process only."""

import signal
from contextlib import contextmanager


@contextmanager
def interrupts_held_back():
    """Start worker processes in here: they then leave Ctrl-C to the main process.

    A terminal sends the signal to all processes, and each worker would print a traceback of its
    own. Processes inherit a signal that is blocked; here it is delivered at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
