"""That the benchmarks run; what they measure is not for a test."""

import subprocess
import sys
from pathlib import Path

import pytest

from .benchmarks._table import Table

ROOT = Path(__file__).parents[1]


def run(*arguments):
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_list_names_benchmarks_workloads_and_libraries():
    output = run("--list").stdout
    for name in ("training", "cold_start", "imgdrop", "sklearn"):
        assert name in output


def test_a_table_is_printed_and_written(tmp_path):
    options = ["--workloads", "tiny", "--libs", "skreg", "sklearn", "--dtype", "float32", "--repeats", "1"]
    process = run("training", *options, "--markdown", str(tmp_path / "table.md"))
    assert process.returncode == 0, process.stderr
    header, _, row = process.stdout.splitlines()[-3:]
    assert header.split()[:5] == ["workload", "dtype", "limit", "skreg", "sklearn"]
    assert row.split()[:2] == ["tiny", "float32"]
    assert all(float(figure) > 0 for figure in row.split()[2:5])
    assert "| tiny" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("argument", ["training_", "--dtype=float16"])
def test_what_is_unknown_is_refused(argument):
    assert run(argument).returncode == 2


def test_columns_line_up():
    table = Table("Title", ["name", "figure"], "A note.")
    table.add("a", 1)
    table.add("longer", 2.5)
    assert table.text().splitlines()[2:] == ["name    figure", "--------------", "a            1", "longer     2.5"]
    assert table.markdown().splitlines()[-3:] == ["|---|---:|", "| a      |      1 |", "| longer |    2.5 |"]
