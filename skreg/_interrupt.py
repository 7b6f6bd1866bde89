"""Ctrl-C, and other signals, at a moment of our own choosing."""

import signal
import threading

# Not the same functions of `signal`, which make an enumeration's member of each number: ten times as slow.
from _signal import getsignal, raise_signal
from _signal import signal as set_handler
from functools import cache


def _in_main_thread():
    """Signals reach it alone."""
    return threading.current_thread() is threading.main_thread()


class DeferredInterrupt:
    """Context in which SIGINT waits until `check` is called, of this one or of one within it.

    Python raises KeyboardInterrupt between any two instructions, where a fit may be in no state to be left. Outside the
    main thread there is nothing to do, nor where a program has replaced Python's own handler.
    """

    def __init__(self):
        self.requested = False
        self._previous = self._outer = None

    def __enter__(self):
        handler = getsignal(signal.SIGINT) if _in_main_thread() else None
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

    def check(self):
        """Raise the KeyboardInterrupt that has been waiting, if there is one."""
        if self._outer is not None:
            self._outer.check()
        if self.requested:
            raise KeyboardInterrupt


def _is_deferring(handler):
    return isinstance(getattr(handler, "__self__", None), DeferredInterrupt)


@cache
def _numbers():
    return tuple(int(number) for number in signal.valid_signals())


class HeldSignals:
    """Context in which no handler of a signal runs, whosever it is; those that came run at its end.

    A handler may raise anything, a KeyboardInterrupt or the TimeoutError of somebody's alarm, between any two
    instructions of the main thread. Where other threads write to arrays of this one, it must wait until they are done.
    """

    def __enter__(self):
        self._held, self._came = {}, []
        if _in_main_thread():
            try:
                for number in _numbers():
                    handler = getsignal(number)
                    if callable(handler) and not _is_deferring(handler):
                        self._held[number] = handler
                        set_handler(number, self._remember)
            except BaseException:  # of a handler that had not been held yet
                self._release()
                raise
        return self

    def __exit__(self, *error):
        self._release()
        for number in self._came:
            raise_signal(number)

    def _remember(self, number, frame):
        self._came.append(number)

    def _release(self):
        try:
            for number in list(self._held):
                set_handler(number, self._held[number])
                del self._held[number]
        except BaseException:  # of a handler that is back: first the others
            self._release()
            raise
