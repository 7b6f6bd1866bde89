"""Ctrl-C ends the whole comparison, and reaches the main process only."""

import signal
from contextlib import contextmanager

from ..kernels._signals import in_main_thread


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


class _Interrupted(BaseException):
    """What no fit takes for the wish to end itself alone."""


def _raise(number, frame):
    raise _Interrupted


@contextmanager
def interrupts_end_all():
    """A network's fit in this process keeps what it has at Ctrl-C, and all others would follow; in here none does."""
    if not in_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _raise)
    try:
        yield
    except _Interrupted:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
