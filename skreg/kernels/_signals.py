"""Signals that wait while somebody's work may not be left half done."""

import signal
import threading

# Not the same functions of `signal`, which make an enumeration's member of each number: ten times as slow.
from _signal import getsignal, raise_signal
from _signal import signal as set_handler
from functools import cache


def in_main_thread():
    """Signals reach it alone."""
    return threading.current_thread() is threading.main_thread()


@cache
def _numbers():
    return tuple(int(number) for number in signal.valid_signals())


class HeldSignals:
    """Context in which no handler of a signal runs, whosever it is; those that came run at its end.

    A handler may raise anything, a KeyboardInterrupt or the TimeoutError of somebody's alarm, between any two
    instructions of the main thread. Where other threads write to arrays of this one, it must wait until they are done,
    and where a module is imported that cannot be imported again. A handler that `only_remembers` need not wait.
    """

    def __enter__(self):
        self._held, self._came = {}, []
        if in_main_thread():
            try:
                for number in _numbers():
                    handler = getsignal(number)
                    if callable(handler) and not getattr(handler, "only_remembers", False):
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
