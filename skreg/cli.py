"""The command line: ``skreg COMMAND`` or ``python -m skreg COMMAND``.

A command is a module with ``HELP``, ``add_arguments(parser)`` and ``run(options)``; it is named in
`COMMANDS`. What it refuses ends with one sentence on standard error and the exit code 2.
"""

import argparse
import os
import sys
from importlib import import_module

from . import __version__
from .compare._errors import InputError, MissingExtraError

COMMANDS = {"compare": "skreg.compare._command", "warmup": "skreg._warmup_command"}

BAD_INPUT, INTERRUPTED = 2, 130


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage."""

    def error(self, message):
        self.exit(BAD_INPUT, f"{self.prog}: {_sentence(message)}\n")


def make_parser():
    """Parser with one subparser for each command."""
    parser = OneLineParser(prog="skreg", description="Regularised neural networks.")
    parser.add_argument("--version", action="version", version=f"skreg {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, path in COMMANDS.items():
        command = import_module(path)
        subparser = subparsers.add_parser(name, help=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run, prog=subparser.prog)
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str or None
        Arguments; by default those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 2 bad input, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal may not know '±'
    options = make_parser().parse_args(argv)
    try:
        options.run(options)
    except (InputError, MissingExtraError) as error:
        print(f"{options.prog}: {_sentence(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"{options.prog}: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has gone: nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _sentence(message):
    message = " ".join(message.split())
    return message if message.endswith((".", "?")) else message + "."
