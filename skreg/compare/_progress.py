"""Progress: a bar on a terminal, a line for each model elsewhere."""

import sys
from contextlib import contextmanager

from ._errors import require


class PrintProgress:
    """Prints a line to standard error whenever another model is begun."""

    def __init__(self):
        self.current = None

    def __call__(self, n_done, n_tasks, name):
        if name != self.current:
            self.current = name
            print(f"[{n_done}/{n_tasks}] {name or 'done'}", file=sys.stderr, flush=True)


@contextmanager
def terminal_progress():
    """Progress for the command line: rich's bar on a terminal, lines elsewhere.

    Yields
    ------
    callable
        Taken by :func:`skreg.compare_models` as `progress`.
    """
    if not sys.stderr.isatty():
        yield PrintProgress()
        return
    bars = require("rich.progress", "The progress bar")
    console = require("rich.console", "The progress bar").Console(stderr=True)
    layout = (
        bars.SpinnerColumn(),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("{task.description}"),
    )
    with bars.Progress(*layout, console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=None)

        def advance(n_done, n_tasks, name):
            progress.update(bar, completed=n_done, total=n_tasks, description=name)

        yield advance
