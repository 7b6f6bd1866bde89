"""Threads that wait for work, and do it together with the one that has it.

Python's own pool starts threads when work is there already, holds locks that an interrupt may leave locked, and takes
no work any more once the interpreter is ending.
"""

import threading
from queue import SimpleQueue

# More arrivals at the members' meetings than there will ever be: nobody waits any more.
DISBANDED = 2**62


class Threads:
    """Threads that wait until `end`, as many as could be started.

    Parameters
    ----------
    n_wanted : int

    Attributes
    ----------
    size : int
        0 where no thread can be started: there is no memory for its stack, or the interpreter is ending.
    """

    def __init__(self, n_wanted):
        self._jobs, self.size = SimpleQueue(), 0
        try:
            for _ in range(n_wanted):
                threading.Thread(target=_work, args=(self._jobs,), name="skreg", daemon=True).start()
                self.size += 1
        except (RuntimeError, MemoryError):
            pass

    def end(self):
        """The threads end when they have nothing to do."""
        for _ in range(self.size):
            self._jobs.put(None)

    __del__ = end

    def run(self, kernel, arguments, n_members, arrivals):
        """Call `kernel(*arguments, member, n_members, arrivals)` in each member; that of member 0, here, is returned.

        Where a member fails, the others are told to wait for nobody: what they wrote is to be discarded. None of them
        works on when this returns.
        """
        done, n_given = SimpleQueue(), 0
        try:
            for member in range(1, n_members):
                self._jobs.put((done, arrivals, kernel, (*arguments, member, n_members, arrivals)))
                n_given += 1
            result = kernel(*arguments, 0, n_members, arrivals)
        except BaseException:
            arrivals[0] = DISBANDED
            raise
        finally:
            errors = [done.get() for _ in range(n_given)]
        for error in errors:
            if error is not None:
                raise error
        return result


def _work(jobs):
    while _did(jobs.get()):
        pass


def _did(job):
    """Whether there was a job; nothing of it is left when the thread waits for the next one."""
    if job is None:
        return False
    done, arrivals, kernel, arguments = job
    error = None
    try:
        kernel(*arguments)
    except BaseException as failure:
        arrivals[0], error = DISBANDED, failure
    done.put(error)
    return True
