"""Ctrl-C at a moment of our own choosing."""

import signal

from .kernels._signals import in_main_thread


class DeferredInterrupt:
    """Context in which SIGINT waits until `check` is called, of this one or of one within it.

    Python raises KeyboardInterrupt between any two instructions, where a fit may be in no state to be left. Outside the
    main thread there is nothing to do, nor where a program has replaced Python's own handler.
    """

    def __init__(self):
        self.requested = False
        self._previous = self._outer = None

    def __enter__(self):
        handler = signal.getsignal(signal.SIGINT) if in_main_thread() else None
        if handler is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._remember)
        elif _is_deferring(handler):
            self._outer = handler.__self__
        return self

    def __exit__(self, *error):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _remember(self, number, frame):
        self.requested = True

    _remember.only_remembers = True

    def check(self):
        """Raise the KeyboardInterrupt that has been waiting, if there is one."""
        if self._outer is not None:
            self._outer.check()
        if self.requested:
            raise KeyboardInterrupt


def _is_deferring(handler):
    return isinstance(getattr(handler, "__self__", None), DeferredInterrupt)
