import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skreg.cli import main

from .conftest import make_frame

GOOD = "a,b,y\n" + "".join(f"{i % 5},{i % 3},{i * i % 11}.5\n" for i in range(30))

# Content of the file, and what the sentence must say.
BAD_FILES = {
    "empty": ("", "is empty"),
    "blank lines": ("\n\n\n", "is empty"),
    "header only": ("a,b,y\n", "header but no rows"),
    "one row": ("a,b,y\n1,2,3.5\n", "At least 2 rows"),
    "no header": ("1,2,3.5\n4,5,6.5\n", "first line"),
    "too many fields": ("a,b,y\n1,2,3\n1,2,3,4\n", "4 fields in line 3 and 3 in its header"),
    "too few fields": ("a,b,y\n1,2,3\n1,2\n", "2 fields in line 3"),
    "every row too long": ("a,b,y\n1,2,3,4\n5,6,7,8\n", "4 fields in line 2"),
    "open quote": ('a,b,y\n1,2,3\n"1,2,3\n', "line"),
    "Latin-1": ("a,b,y\n1,2,caf\xe9\n".encode("latin-1"), "not UTF-8"),
    "UTF-16": ("a,b,y\n1,2,3\n".encode("utf-16"), "not UTF-8"),
    "unknown target": (GOOD.replace("y", "yy", 1), "no column 'y'; did you mean 'yy'?"),
    "unlike target": (GOOD.replace("y", "z", 1), "it has 'a', 'b', 'z'"),
    "only the target": ("y\n1.5\n2.5\n", "no column besides the target"),
    "repeated column": ("a,a,y\n1,2,3\n", "column 'a' more than once"),
    "constant target": ("a,y\n" + "".join(f"{i},5\n" for i in range(30)), "constant"),
    "no target values": ("a,y\n1,\n2,\n", "At least 2 rows"),
    "empty column": ("a,b,y\n" + "".join(f"{i},,{i}.5\n" for i in range(30)), "'b' has no values"),
    "infinite": ("a,y\n" + "".join(f"inf,{i}.5\n" for i in range(30)), "infinite"),
    "too few rows": ("a,y\n" + "".join(f"{i},{i}.5\n" for i in range(9)), "at least 10 rows"),
    "rare class": ("a,y\n" + "".join(f"{i},{'ab'[i > 26]}\n" for i in range(30)), "'b' has 3"),
    "parquet": (b"not parquet", "cannot be read as parquet", ".parquet"),
    "suffix": (GOOD, "must end in '.csv', '.parquet'", ".xlsx"),
}

BAD_OPTIONS = {
    "no target": ([], "it has 'a', 'b', 'y'"),
    "target without data": (["--target", "y"], "give it by --data", False),
    "folds": (["--folds", "1"], "--folds: must be a whole number of at least 2"),
    "folds as text": (["--folds", "five"], "--folds"),
    "jobs": (["--jobs", "0"], "--jobs"),
    "seed": (["--seed", "-1"], "--seed"),
    "task": (["--task", "ranking"], "ranking"),
    "unknown option": (["--fold"], "expected one argument"),
    "unknown column": (["--target", "y", "--drop", "c"], "no column 'c'"),
    "target is dropped": (["--target", "y", "--drop", "y"], "'y' cannot be left out"),
    "all is dropped": (["--target", "y", "--drop", "a", "--drop", "b"], "no column besides"),
    "no such folder": (["--target", "y", "--output", "none/r.html"], "does not exist"),
    "not a page": (["--target", "y", "--output", "r.csv"], "must end in '.html'"),
    "output is a folder": (["--target", "y", "--output", "folder.html"], "cannot be written"),
    "too many folds": (["--target", "y", "--folds", "20"], "at least 40 rows"),
}


def run(argv):
    """Exit code of the command line; argparse exits by itself."""
    try:
        return main(argv)
    except SystemExit as error:
        return error.code


def with_this_path():
    """Environment of a process that finds the modules which this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def assert_one_sentence(captured, words):
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("skreg compare: ")
    assert captured.err.endswith((".\n", "?\n"))
    assert "Traceback" not in captured.err
    assert words in captured.err


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def never_computes(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr("skreg.compare._run.evaluate", refuse)


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name, capsys, never_computes, tmp_path):
    content, words, *suffix = BAD_FILES[name]
    path = tmp_path / f"data{suffix[0] if suffix else '.csv'}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run(["compare", "--data", str(path), "--target", "y"]) == 2
    assert_one_sentence(capsys.readouterr(), words)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "folder.csv"])
def test_files_that_cannot_be_opened(name, capsys, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    assert run(["compare", "--data", name, "--target", "y"]) == 2
    words = "cannot be opened" if "folder" in name else "does not exist"
    assert_one_sentence(capsys.readouterr(), words)


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(name, capsys, never_computes, tmp_path):
    options, words, *has_data = BAD_OPTIONS[name]
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "folder.html").mkdir()
    data = [] if has_data == [False] else ["--data", "data.csv"]
    assert run(["compare", *data, *options]) == 2
    assert_one_sentence(capsys.readouterr(), words)
    assert not (tmp_path / "skreg-compare.html").exists()


def test_a_command_is_needed(capsys):
    assert run([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run(capsys, tmp_path):
    make_frame(60).to_csv(tmp_path / "houses.csv", index=False)
    argv = ["compare", "--data", "houses.csv", "--target", "price", "--drop", "sold"]
    assert run([*argv, "--quick", "--jobs", "1", "--folds", "2", "--output", "r.html"]) == 0
    captured = capsys.readouterr()
    for name in ("Ridge", "Lasso", "ElasticNet", "HistGradientBoosting", "Network dropout"):
        assert name in captured.out
    assert "Choose" in captured.out
    assert "Report: r.html" in captured.out
    assert "60 rows, 4 inputs, target 'price': regression" in captured.err
    assert "[15/27] Ridge" in captured.err
    assert "Warning" not in captured.err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")


def test_an_interrupt_is_one_line(capsys, monkeypatch, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skreg.compare._run.evaluate", interrupt)
    (tmp_path / "data.csv").write_text(GOOD)
    argv = ["compare", "--data", "data.csv", "--target", "y", "--jobs", "1"]
    assert run(argv) == 130
    assert capsys.readouterr().err.endswith("\nskreg compare: interrupted.\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of a terminal")
def test_an_interrupt_from_the_terminal_reaches_no_worker(tmp_path):
    """A terminal signals all processes; only the main one may answer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skreg", "compare", "--jobs", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=with_this_path(),
    )
    lines = [process.stderr.readline(), process.stderr.readline()]
    assert lines[1].startswith("[0/54]")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "skreg compare: interrupted."
    assert "Traceback" not in errors


@pytest.mark.skipif(os.name != "posix", reason="a pipe of the shell")
def test_a_reader_that_goes_away_is_no_error(tmp_path):
    (tmp_path / "talk.py").write_text(
        "import sys\n"
        "from skreg import cli\n"
        "from skreg.compare import _command\n"
        "_command.run = lambda options: print('word ' * 100_000)\n"
        "sys.exit(cli.main(['compare']))\n"
    )
    process = subprocess.run(
        f'"{sys.executable}" talk.py | head -c 1',
        shell=True,
        capture_output=True,
        text=True,
        env=with_this_path(),
    )
    assert (process.stdout, process.stderr) == ("w", "")


@pytest.mark.parametrize("separator, decimal", [(",", "."), (";", ","), ("\t", "."), ("|", ".")])
def test_separators_decimals_and_byte_order_mark(separator, decimal, tmp_path):
    from skreg.compare._files import read_csv

    frame = make_frame(20)
    frame["note"] = "a, b; c"
    path = str(tmp_path / "data.csv")
    frame.to_csv(path, sep=separator, decimal=decimal, index=False, encoding="utf-8-sig")
    data, call, _ = read_csv(path)
    pd.testing.assert_frame_equal(data, frame)
    pd.testing.assert_frame_equal(eval(call, {"pd": pd}), frame)


def test_parquet_is_read_like_csv(tmp_path):
    from skreg.compare._files import read_dataset

    frame = make_frame(40)
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    one, _ = read_dataset(str(tmp_path / "data.csv"), "price")
    other, _ = read_dataset(str(tmp_path / "data.parquet"), "price")
    assert one.input_names == other.input_names
    np.testing.assert_array_equal(one.y, other.y)
    pd.testing.assert_frame_equal(one.X, other.X)
