"""The table as people read it: formatted cells, the same in the terminal and on the page."""

import math
from typing import NamedTuple

from ._judge import MIN_SHARE_OF_GAP, REFERENCE, SIGNIFICANCE
from ._records import records

NONE = "–"


class Column(NamedTuple):
    """A column of the displayed table; the highest rank is left out first where it is narrow."""

    title: str
    is_number: bool
    rank: int


def columns(comparison):
    """Columns of :func:`rows`."""
    return (
        Column("Model", False, 0),
        Column(comparison.scores.label, True, 0),
        Column(comparison.scores.extra_label, True, 4),
        Column("vs linear", True, 0),
        Column("95 % interval", True, 3),
        Column("p", True, 1),
        Column("Verdict", False, 0),
        Column("Zero weights", True, 1),
        Column("Inputs used", True, 1),
        Column("Fit time", True, 2),
    )


def rows(comparison):
    """Formatted cells, a list for each model, highest score first."""
    return [_cells(record) for record in records(comparison)]


def _cells(record):
    low, high = record["difference_low"], record["difference_high"]
    used = record["inputs_used"]
    return [
        record["model"],
        f"{number(record['score'])} ± {number(record['score_std'])}",
        significant(record["extra_score"]),
        number(record["difference"], "+.3f"),
        NONE if math.isnan(low) else f"{number(low, '+.3f')} to {number(high, '+.3f')}",
        p_value(record["p_value"]),
        record["verdict"],
        NONE if math.isnan(record["zero_weights"]) else f"{record['zero_weights']:.0%}",
        NONE if math.isnan(used) else f"{used} of {record['inputs']}",
        seconds(record["fit_time"]),
    ]


def number(value, form=".3f"):
    """A number, or a dash for ``nan``; never '-0.000'."""
    if math.isnan(value):
        return NONE
    text = format(value, form)
    return text.replace("-0.000", "0.000").replace("+0.000", "0.000")


def significant(value):
    """Four significant digits; large numbers without fractions."""
    if math.isnan(value):
        return NONE
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:#.4g}".rstrip(".")


def p_value(value):
    """Three decimals; small values as a bound."""
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value):
    """Milliseconds below one second."""
    if math.isnan(value):
        return NONE
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


def parameter(value):
    """A parameter's value, numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def explain(comparison):
    """What the columns of the table mean, a sentence each."""
    label = comparison.scores.label
    reference = [r.name for r in comparison.results if r.verdict == REFERENCE]
    yield f"{label}: mean ± standard deviation over {comparison.n_folds} folds; 1 is perfect."
    if reference:
        yield (
            f"vs linear: difference to {reference[0]}, the best linear model, with its 95 % "
            "interval and p by the corrected paired t-test of Nadeau and Bengio (2003)."
        )
    yield (
        f"Verdict: better or worse if p < {SIGNIFICANCE:g} and at least "
        f"{MIN_SHARE_OF_GAP:.0%} of the gap to a perfect score; p is not corrected for the "
        "number of models."
    )


def plain_table(comparison):
    """The table in plain text, without rich."""
    header = columns(comparison)
    lines = [[column.title for column in header], *rows(comparison)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for cell, width, column in zip(line, widths, header, strict=True)
        ).rstrip()
        for line in lines
    )
