"""The picture: every model's score on each fold, its mean, and the best linear model."""

import io
import re

import numpy as np

from ._display import number
from ._errors import require
from ._judge import REFERENCE
from ._models import BOOSTING, DUMMY, LINEAR, NETWORK
from ._records import by_score

# Readable on white and on black.
COLORS = {LINEAR: "#3b86c8", NETWORK: "#d97a1f", BOOSTING: "#3a9a68", DUMMY: "#8a8a8a"}
LABELS = {LINEAR: "linear", NETWORK: "network", BOOSTING: "boosting"}
LINE_COLOR = "#8a8a8a"

# Stands for the colour of the surrounding text until the picture is part of a page.
TEXT_COLOR = "#010203"


def plot_scores(comparison, ax=None):
    """Draw the scores; see :meth:`Comparison.plot`."""
    if ax is None:
        pyplot = require("matplotlib.pyplot", "The picture")
        n_models = len(comparison.results)
        _, ax = pyplot.subplots(figsize=(7, 1.2 + 0.36 * n_models), layout="constrained")
    results = [result for result in by_score(comparison.results) if not np.isnan(result.mean)]
    for row, result in enumerate(results):
        _draw_model(ax, row, result)
    for reference in (result for result in results if result.verdict == REFERENCE):
        ax.axvline(reference.mean, color=LINE_COLOR, linewidth=1, linestyle="--", zorder=0)
    _fit_limits(ax, results)
    ax.set_yticks(range(len(results)), [result.name for result in results])
    ax.set_ylim(len(results) - 0.4, -0.6)
    ax.set_xlabel(f"{comparison.score_name} on each fold (dots) and mean (diamonds)")
    ax.tick_params(left=False)
    ax.spines[["top", "right", "left"]].set_visible(False)
    _draw_legend(ax, results)
    return ax


def _draw_model(ax, row, result):
    color = COLORS[result.family]
    scores = result.scores[np.isfinite(result.scores)]
    ax.plot([scores.min(), scores.max()], [row, row], color=color, alpha=0.35, linewidth=1.5)
    ax.plot(scores, np.full(len(scores), row), "o", color=color, alpha=0.45, ms=5, mew=0)
    ax.plot(result.mean, row, "D", color=color, ms=7, mew=0)


def _fit_limits(ax, results):
    """Limits around the real models; the dummy is often far off, and is then a number there."""
    real = [result for result in results if not result.is_dummy] or results
    scores = np.concatenate([result.scores[np.isfinite(result.scores)] for result in real])
    low, high = scores.min(), scores.max()
    pad = 0.06 * (high - low) or 0.01
    ax.set_xlim(low - pad, high + pad)
    for row, result in enumerate(results):
        if result.is_dummy and result.scores.max() < low - pad:
            text = f"◂ {number(result.mean)}"
            ax.text(low - pad, row, text, va="center", color=COLORS[DUMMY], size="small")


def _draw_legend(ax, results):
    families = [family for family in LABELS if any(r.family == family for r in results)]
    marks = [ax.plot([], [], "D", color=COLORS[family], ms=6, mew=0, label=LABELS[family])[0] for family in families]
    marks += ax.plot([], [], "--", color=LINE_COLOR, linewidth=1, label="best linear model")
    ax.legend(
        handles=marks,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=len(marks),
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def score_svg(comparison):
    """The picture as an SVG element for a page, with text in the colour of the page.

    It is drawn without pyplot, so that no window or global figure is touched.
    """
    matplotlib = require("matplotlib", "The report")
    figure_class = require("matplotlib.figure", "The report").Figure
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "skreg",
        "font.size": 10,
        "font.family": "sans-serif",
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"),
            TEXT_COLOR,
        ),
    }
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style}):
        n_models = len(comparison.results)
        figure = figure_class(figsize=(7, 1.2 + 0.36 * n_models), layout="constrained")
        plot_scores(comparison, figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _as_element(buffer.getvalue())


def _as_element(svg):
    """The svg element alone, scaled to its surroundings and in their colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", svg)
    return svg.replace(TEXT_COLOR, "currentColor")
