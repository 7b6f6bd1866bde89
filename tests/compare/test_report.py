import html
import re
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from skreg.compare import compare_models
from skreg.compare._errors import MissingExtraError
from skreg.compare._plot import plot_scores

matplotlib.use("Agg")

LOADING = {"src", "href", "srcset", "action", "data", "poster", "background"}


class Page(HTMLParser):
    """Tags, attributes that load something, and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.loads, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        names = {name.partition(":")[2] or name: value for name, value in attributes}
        self.loads += [names[name] for name in LOADING & set(names)]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(regression):
    return regression.to_html()


def test_the_page_loads_nothing(page):
    parsed = Page(page)
    assert all(value.startswith("#") for value in parsed.loads), parsed.loads
    assert not {"script", "link", "iframe", "img", "object"} & set(parsed.tags)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", page)
    # What is left are the names of SVG's namespaces.
    addresses = set(re.findall(r"https?://[^\"'\s<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_names_are_escaped(page, regression):
    name = "<script>alert('noise')</script>"
    assert name in regression.dataset.input_names
    assert "<script" not in page
    assert html.escape(name, quote=False).replace("'", "&#39;") in page


def test_what_the_page_says(page, regression):
    text = " ".join(Page(page).text.split())
    assert regression.advice in text
    assert "Which model predicts price?" in text
    assert "71" in text  # rows
    for result in regression.results:
        assert result.name in text
    for note in regression.notes:
        assert note in text
    code = html.unescape(re.search(r"<pre><code>(.*?)</code>", page, re.DOTALL)[1])
    assert code.strip() == regression.code().strip()


def test_the_page_fits_phones_and_dark_mode(page):
    assert '<meta name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page
    assert "#010203" not in page


def test_the_page_is_reproducible_and_written(page, regression, tmp_path):
    path = tmp_path / "report.html"
    assert regression.to_html(path) == page == path.read_text(encoding="utf-8")


def test_the_page_of_a_classification(classification):
    text = Page(classification.to_html()).text
    assert "ROC AUC" in text
    assert "Logistic elastic net" in text


def test_a_target_with_markup_and_mathematics(monkeypatch):
    from skreg.compare import _tables

    monkeypatch.setattr(_tables, "REGRESSION", _tables.REGRESSION[:3])
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(np.arange(20) / 3, name="$x^{<b>${{ 7 * 7 }}{% raw %}")
    result = compare_models(np.arange(20.0)[:, None], y, cv=2, quick=True)
    page = result.to_html()
    assert html.escape("$x^{<b>${{ 7 * 7 }}{% raw %}") in page


def test_the_picture(regression):
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert regression.plot(ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(regression.table.index)
    reference = regression.table.query("verdict == 'reference'")["score"].item()
    lines = [line.get_xdata() for line in ax.lines]
    assert any(list(x) == [reference, reference] for x in lines)
    for result in regression.results:
        assert any(np.array_equal(x, result.scores) for x in lines)
        assert any(np.array_equal(x, [result.mean]) for x in lines)


def test_a_new_figure_is_made(regression):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = plot_scores(regression)
    assert ax.figure is pyplot.gcf()
    pyplot.close(ax.figure)


def test_the_page_leaves_the_style_of_pictures_alone(regression):
    before = dict(matplotlib.rcParams)
    regression.to_html()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "missing, call",
    [
        ("matplotlib", lambda result: result.to_html()),
        ("jinja2", lambda result: result.to_html()),
        ("matplotlib.pyplot", lambda result: result.plot()),
    ],
)
def test_missing_extras(missing, call, regression, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError) as caught:
        call(regression)
    message = str(caught.value)
    assert 'pip install "skreg[compare]"' in message
    assert message.endswith(".")
    assert missing.partition(".")[0] in message


@pytest.mark.parametrize("missing", ["pandas", "rich", "matplotlib", "jinja2"])
def test_missing_extras_on_the_command_line(missing, monkeypatch, capsys):
    from skreg.cli import main

    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["compare"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert f'needs {missing}, which is not installed: pip install "skreg[compare]"' in captured.err


def test_parquet_needs_pyarrow(monkeypatch, tmp_path):
    from skreg.compare._files import read_dataset

    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="parquet file needs pyarrow"):
        read_dataset(str(path), "y")


WITHOUT_EXTRAS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "rich", "matplotlib", "jinja2", "pyarrow"}:
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())

import numpy as np
from skreg.compare import _tables, compare_models

_tables.REGRESSION = (_tables.REGRESSION[0], _tables.REGRESSION[2])
X = np.random.default_rng(0).normal(size=(30, 2))
result = compare_models(X, X[:, 0], cv=2, quick=True)
assert result.table[0]["model"] == "Lasso"
assert "Lasso" in str(result)
assert "Lasso" in result.code()
"""


def test_numpy_data_need_no_extra():
    """Only the table as a DataFrame, the picture and the page need more than the estimators."""
    run = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
