"""A second process that compiles from the other end: numba compiles one function at a time in each process."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

_RUN = "from skreg._warmup_partner import main; main()"


class Partner:
    """Compiles in another process what `skreg.warmup` will need last; what it has done is found on disk.

    Parameters
    ----------
    dtypes : sequence of str

    Attributes
    ----------
    seconds : dict
        What it has compiled so far, {(name, dtype): seconds}.
    """

    def __init__(self, dtypes):
        self.seconds = {}
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        # Safe: it takes this skreg, not one that the current folder may hold.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *dtypes], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        for line in self._process.stdout:
            name, dtype, seconds = line.split()
            self.seconds[name, dtype] = float(seconds)

    def close(self):
        """End it, wherever it is."""
        self._process.terminate()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()


def main():
    """In the second process: a line for each kernel that it has compiled, as soon as it is on disk."""
    from ._warmup import COMPILED, prepare_one, tasks_of

    def say(record):
        *what, how = record
        if how == COMPILED:
            print(*what, flush=True)

    for task in reversed(tasks_of(sys.argv[1:])):
        prepare_one(task, say)
