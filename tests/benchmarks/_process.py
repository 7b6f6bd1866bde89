"""A function in a process of its own: nothing that is measured shares imports, threads or caches with another."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(RuntimeError):
    """What the process said last."""


def call(function, **arguments):
    """What a module's function returns in a new process; arguments and result are JSON."""
    return call_with({}, function, **arguments)


def call_with(environment, function, **arguments):
    """The same with changes of the environment."""
    command = [sys.executable, "-W", "ignore", "-m", __name__, function.__module__, function.__name__]
    process = subprocess.run(
        [*command, json.dumps(arguments)], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if process.returncode:
        raise Failed((process.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(process.stdout.splitlines()[-1])


def _main(module, function, arguments):
    print(json.dumps(getattr(import_module(module), function)(**json.loads(arguments))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
