"""Numbers in columns of text, where a few rows hold a mark instead, or all of them a unit."""

from ._errors import listing, require
from ._recipe import quoted

# Of a column's values; the rest are marks such as '?' or 'unknown'.
NUMBER_SHARE = 0.95
# Different ones. Codes of categories are fewer, and '4+' or 'other' is one of these.
MIN_NUMBERS = 10

DECORATED_NUMBER = r"\s*[$€£¥]?\s*[+-]?(\d+|\d{1,3}([.,'\s]\d{3})+)([.,]\d+)?\s*[%$€£¥]?\s*"


def read_numbers(X, notes, steps):
    """A DataFrame whose columns of text are numbers where nearly all of their values are.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    notes : list of str
        Receives a sentence for each column that is changed, or that holds numbers with units.
    steps : list of str
        Receives the lines of Python that do the same.

    Returns
    -------
    DataFrame
        `X`, or a copy; what is no number in such a column is missing.
    """
    pandas = require("pandas", "Reading columns")
    for name in X.columns:
        column = X[name]
        values = column.dropna()
        if isinstance(values.dtype, pandas.CategoricalDtype) or pandas.api.types.infer_dtype(values) != "string":
            continue
        numbers = pandas.to_numeric(column, errors="coerce")
        is_number = numbers[column.notna()].notna()
        if _are_most(is_number, values):
            notes.append(_note_on_marks(name, values[~is_number]))
            X = X.assign(**{name: numbers})
            steps.append(f'X = X.assign(**{{{quoted(name)}: pd.to_numeric(X[{quoted(name)}], errors="coerce")}})')
        elif _are_most(values.astype(str).str.fullmatch(DECORATED_NUMBER), values):
            notes.append(
                f"{name!r} is read as text, such as {str(values.iloc[0])!r}; if these are numbers, write them without "
                "units and separators."
            )
    return X


def _are_most(is_number, values):
    return len(values) > 0 and is_number.mean() >= NUMBER_SHARE and values[is_number].nunique() > MIN_NUMBERS


def _note_on_marks(name, marks):
    if len(marks) == 0:
        return f"{name!r} holds numbers as text; they are read as numbers."
    rows = "1 row" if len(marks) == 1 else f"{len(marks)} rows"
    return f"{name!r} holds numbers but for {rows}, read as missing: {listing(marks.unique(), 3)}."
