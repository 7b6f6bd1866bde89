"""What each column of a DataFrame holds: a number, a category, or nothing usable."""

import numpy as np

from ._errors import InputError, listing, require

# A text column with more different values than this, nearly all different, names the rows.
MIN_IDENTIFIER_VALUES = 20
IDENTIFIER_SHARE = 0.9

ISO_DATE = r"\d{4}-\d{2}-\d{2}([T ].*)?"
NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
DATES = {"datetime64", "datetime", "date", "timedelta64", "timedelta", "period", "time"}
LABELS = {"string", "boolean", "categorical", "empty"}


def sort_columns(X):
    """Split the columns of a DataFrame into numeric and categorical ones.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    numeric, categorical : list of str
        Names in the order of `X`. Booleans are categories.
    notes : list of str
        One sentence for each kind of column that is left out: dates, identifiers, row numbers, constants.

    Raises
    ------
    InputError
        If a column is empty, holds infinity or mixes types, or if none is left.
    """
    groups = {"number": [], "category": [], "date": [], "identifier": [], "row number": [], "constant": []}
    for name in X.columns:
        groups[_kind_of(X[name])].append(name)
    if not groups["number"] and not groups["category"]:
        raise InputError("No usable input column is left besides the target.")
    return groups["number"], groups["category"], list(_notes(groups))


def _kind_of(column):
    """Key of the group that a column belongs to."""
    types = require("pandas", "Reading columns").api.types
    if column.isna().all():
        raise InputError(f"The column {column.name!r} has no values; leave it out.")
    if types.is_bool_dtype(column.dtype):
        return _kind_of_labels(column)
    if types.is_complex_dtype(column.dtype):
        raise InputError(f"The column {column.name!r} holds complex numbers.")
    if types.is_numeric_dtype(column.dtype):
        return _kind_of_number(column)
    content = types.infer_dtype(column, skipna=True)
    if content in NUMBERS:
        return "number"
    if content in DATES:
        return "date"
    if content not in LABELS:
        raise InputError(
            f"The column {column.name!r} holds values of type '{content}'; turn them into "
            "numbers or text, or leave the column out."
        )
    return _kind_of_labels(column)


def _kind_of_number(column):
    values = column.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(values).any():
        raise InputError(f"The column {column.name!r} holds an infinite value.")
    if np.nanmin(values) == np.nanmax(values):
        return "constant"
    is_unnamed = column.name == "" or str(column.name).startswith("Unnamed: ")
    is_counted = len(values) > 1 and np.all(np.diff(values) > 0)
    return "row number" if is_unnamed and is_counted else "number"


def _kind_of_labels(column):
    values = column.dropna()
    n_values = values.nunique()
    if n_values == 1 and len(values) == len(column):
        return "constant"
    if isinstance(values.iloc[0], str) and values.astype(str).str.fullmatch(ISO_DATE).all():
        return "date"
    if n_values > max(MIN_IDENTIFIER_VALUES, IDENTIFIER_SHARE * len(values)):
        return "identifier"
    return "category"


def _notes(groups):
    reasons = {
        "date": "dates are not inputs by themselves; add columns such as year or weekday",
        "identifier": "nearly every row has a text of its own",
        "row number": "only the rows are counted there",
        "constant": "the value is the same in all rows",
    }
    for kind, reason in reasons.items():
        if groups[kind]:
            yield f"Left out {listing(groups[kind])}: {reason}."
