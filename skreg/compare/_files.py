"""Data files: read, or refused in one sentence."""

import csv
from difflib import get_close_matches
from pathlib import Path

from ._data import make_dataset
from ._errors import InputError, listing, require
from ._recipe import quoted, write
from ._source import file_source

SEPARATORS = ",;\t|"
DECIMAL_COMMA = r"[+-]?\d+,\d+"
MAX_FIELD_SIZE = 2**24


def read_dataset(path, target=None, *, task="auto", drop=()):
    """Data set and source of a CSV or parquet file.

    Parameters
    ----------
    path : str
        The file; its suffix says what it is.
    target : str or None
        Column of the target.
    task : {'auto', 'regression', 'classification'}, default='auto'
    drop : sequence of str
        Columns to leave out.

    Returns
    -------
    dataset : Dataset
    source : Source

    Raises
    ------
    InputError
        With one sentence that says what is wrong with the file or the columns.
    MissingExtraError
        If pandas, or pyarrow for parquet, is not installed.
    """
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(f"{path} must end in {listing(READERS)}.")
    _check_exists(path)
    data, call, notes = reader(path)
    _check_columns(data.columns, path, target, drop)
    if len(data) == 0:
        raise InputError(f"{path} has a header but no rows.")
    y = data[target]
    dataset = make_dataset(data.drop(columns=[target, *drop]), y, task=task, target=target)
    dataset.notes[:0] = notes
    return dataset, file_source(path, target, call, drop)


def read_csv(path):
    """DataFrame of a CSV file, the call of pandas that reads it, and notes.

    The separator is the one of `,`, `;`, tab and `|` that splits the first line into the most
    fields. A decimal comma is recognised where the separator is another one, and a field that is
    but a question mark is missing.
    """
    pandas = require("pandas", "Reading a file")
    options, notes = {}, []
    try:
        separator = _check_lines(path)
        if separator != ",":
            options["sep"] = separator
        data = _read_csv(pandas, path, options)
        marks = _question_marks(data)
        if marks:
            options["na_values"] = marks
            notes.append("Read '?' as a missing value.")
            data = _read_csv(pandas, path, options)
        if separator != "," and _has_decimal_comma(data):
            options["decimal"] = ","
            data = _read_csv(pandas, path, options)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as UTF-8."
        ) from None
    except (csv.Error, pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{path} cannot be read as CSV: {reason}.") from None
    written = "".join(f", {name}={write(value)}" for name, value in options.items())
    return data, f"pd.read_csv({quoted(path)}{written})", notes


def read_parquet(path):
    """DataFrame of a parquet file, the call of pandas that reads it, and notes: none."""
    pandas = require("pandas", "Reading a file")
    arrow = require("pyarrow", "Reading a parquet file")
    try:
        data = pandas.read_parquet(path)
    except (arrow.ArrowException, ValueError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{path} cannot be read as parquet: {reason}.") from None
    return data.rename(columns=str), f"pd.read_parquet({quoted(path)})", []


READERS = {".csv": read_csv, ".parquet": read_parquet}


def _read_csv(pandas, path, options):
    return pandas.read_csv(path, encoding="utf-8", low_memory=False, **options)


def _check_exists(path):
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty.")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.") from None


def _check_lines(path):
    """Separator of a CSV file whose header and number of fields are in order."""
    csv.field_size_limit(MAX_FIELD_SIZE)
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        if not first:
            raise InputError(f"{path} is empty.")
        separator = max(SEPARATORS, key=lambda mark: len(_split(first, mark)))
        file.seek(0)
        lines = csv.reader(file, delimiter=separator)
        header = next(line for line in lines if line)
        _check_header(header, path)
        for line in lines:
            if line and len(line) != len(header):
                raise InputError(
                    f"{path} has {len(line)} fields in line {lines.line_num} and {len(header)} in its header."
                )
    return separator


def _split(line, separator):
    return next(csv.reader([line], delimiter=separator), [])


def _check_header(header, path):
    if all(_is_number(name) for name in header):
        raise InputError(
            f"{path} has only numbers in its first line, which must be a header with the names of the columns."
        )
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise InputError(f"{path} has the column {listing(repeated)} more than once.")


def _is_number(text):
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _question_marks(data):
    """How missing values are written in old files, with the spaces around."""
    text = data.select_dtypes(exclude="number")
    return sorted({value for name in text for value in text[name].unique() if str(value).strip() == "?"})


def _has_decimal_comma(data):
    """Whether a column of text holds only numbers with a decimal comma and whole numbers."""
    for name in data.select_dtypes(exclude="number"):
        values = data[name].dropna().astype(str)
        is_decimal = values.str.fullmatch(DECIMAL_COMMA)
        is_whole = values.str.fullmatch(r"[+-]?\d+")
        if is_decimal.any() and (is_decimal | is_whole).all():
            return True
    return False


def _check_columns(columns, path, target, drop):
    names = list(columns)
    if target is None:
        raise InputError(f"Name the target of {path} by --target; it has {listing(names)}.")
    for name in (target, *drop):
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {listing(names)}."
            raise InputError(f"{path} has no column {name!r}; {hint}")
    if target in drop:
        raise InputError(f"The target {target!r} cannot be left out.")
    if len(names) - len({target, *drop}) == 0:
        raise InputError(f"{path} has no column besides the target.")
