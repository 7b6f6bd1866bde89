import io
import re

import pytest

from skreg.compare import _display, _terminal
from skreg.compare._progress import PrintProgress, terminal_progress

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_the_table_fits_the_terminal(width, regression, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    monkeypatch.setattr("sys.stdout", output)
    _terminal.print_comparison(regression)
    lines = STYLE.sub("", output.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    for result in regression.results:
        line = next(line for line in lines if line.startswith(result.name))
        assert _display.number(result.mean) in line


def test_nothing_is_cut_in_a_pipe(regression, capsys):
    _terminal.print_comparison(regression)
    output = capsys.readouterr().out
    assert regression.advice in output.splitlines()
    assert "\x1b" not in output
    for row in _display.rows(regression):
        line = next(line for line in output.splitlines() if line.startswith(row[0]))
        assert all(cell in line for cell in row)


def test_names_with_markup_of_rich_are_printed_as_they_are(regression, capsys, monkeypatch):
    monkeypatch.setattr(regression, "notes", ["Left out '[bold]a[/bold] :smile:'."])
    _terminal.print_comparison(regression)
    assert "[bold]a[/bold] :smile:" in capsys.readouterr().out


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    monkeypatch.setattr("sys.stderr", output)
    with terminal_progress() as progress:
        progress(0, 4, "Network l1")
        progress(2, 4, "Ridge")
        progress(4, 4, "")
    assert "4/4" in output.getvalue()


def test_lines_elsewhere(capsys):
    with terminal_progress() as progress:
        assert isinstance(progress, PrintProgress)
        for call in [(0, 3, "Ridge"), (1, 3, "Ridge"), (2, 3, "Lasso"), (3, 3, "")]:
            progress(*call)
    assert capsys.readouterr().err == "[0/3] Ridge\n[2/3] Lasso\n[3/3] done\n"


@pytest.mark.parametrize(
    "value, text",
    [(0.1234, "0.123"), (-0.0001, "0.000"), (float("nan"), "–"), (-0.5, "-0.500")],
)
def test_numbers(value, text):
    assert _display.number(value) == text


@pytest.mark.parametrize("value, text", [(0.7, "0.7000"), (1234.5, "1234"), (123456.7, "123,457"), (54.138, "54.14")])
def test_significant_digits(value, text):
    assert _display.significant(value) == text


@pytest.mark.parametrize("value, text", [(0.0004, "< 0.001"), (0.0449, "0.045"), (1.0, "1.000")])
def test_p_values(value, text):
    assert _display.p_value(value) == text
