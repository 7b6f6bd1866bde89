"""Ctrl-C at a moment of our own choosing."""

import signal
import threading


class DeferredInterrupt:
    """Context in which SIGINT waits until `check` is called.

    Python raises KeyboardInterrupt between any two instructions, perhaps while a lock is held that the
    other threads of a fit need. Signals reach the main thread alone, so elsewhere there is nothing to do;
    nor where a program has replaced Python's own handler.
    """

    def __init__(self):
        self.requested = False
        self._previous = None

    def __enter__(self):
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(self, *error):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _remember(self, number, frame):
        self.requested = True

    def check(self):
        """Raise the KeyboardInterrupt that has been waiting, if there is one."""
        if self.requested:
            raise KeyboardInterrupt
