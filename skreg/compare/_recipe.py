"""Python that rebuilds a model: estimators written as the calls that make them."""

import inspect
from collections import defaultdict

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline

WIDTH = 88


def recipe(comparison, result):
    """Lines of Python that read the data and fit the model of a result.

    Parameters
    ----------
    comparison : Comparison
    result : ModelResult

    Returns
    -------
    str
        The lines run as they are; ``model`` is then the fitted model.

    Raises
    ------
    ValueError
        If the model could not be fitted.
    """
    if result.estimator is None:
        raise ValueError(f"{result.name} could not be fitted to all rows.")
    names = defaultdict(set)
    model = write(clone(result.estimator), names)
    read = [*comparison.source.code, *comparison.dataset.steps]
    imports = set(comparison.source.imports)
    if any("pd." in line for line in read):
        imports.add("import pandas as pd")
    imports |= {f"from {module} import {', '.join(sorted(classes))}" for module, classes in names.items()}
    lines = [
        *sorted(imports, key=lambda line: (line.startswith("from"), line)),
        "",
        *read,
        "",
        f"model = {model}",
        "model.fit(X, y)",
    ]
    return "\n".join(lines) + "\n"


def write(value, names=None, indent=0):
    """A value as Python, with the names that must be imported added to `names`.

    Parameters
    ----------
    value : object
        An estimator, a list or tuple of values, a number, a string, None or a bool.
    names : defaultdict of set or None
        Receives names by the module to import them from; needed for estimators.
    indent : int
        Spaces before the line that the value is on.

    Returns
    -------
    str
    """
    if isinstance(value, Pipeline) and _has_automatic_names(value):
        names["sklearn.pipeline"].add("make_pipeline")
        items = [("", step) for _, step in value.steps]
        return _bracket("make_pipeline(", items, ")", names, indent)
    if isinstance(value, BaseEstimator):
        name = type(value).__name__
        names[_public_module(type(value))].add(name)
        return _bracket(f"{name}(", _arguments(value), ")", names, indent)
    if isinstance(value, list):
        return _bracket("[", [("", item) for item in value], "]", names, indent)
    if isinstance(value, tuple):
        end = ",)" if len(value) == 1 else ")"
        return _bracket("(", [("", item) for item in value], end, names, indent)
    if isinstance(value, str):
        return quoted(value)
    value = value.item() if isinstance(value, np.generic) else value
    is_finite = not isinstance(value, float) or np.isfinite(value)
    return repr(value) if is_finite else f'float("{value}")'


def quoted(text):
    """A string as Python, in double quotes where it needs no escapes."""
    plain = repr(text)
    return f'"{text}"' if plain == f"'{text}'" and '"' not in text else plain


def _bracket(start, items, end, names, indent):
    """Items between brackets on one line, or each on its own if that is too long."""
    cells = [key + write(item, names, indent + 4) for key, item in items]
    line = start + ", ".join(cells) + end
    if "\n" not in line and indent + len(line) <= WIDTH:
        return line
    space = " " * (indent + 4)
    body = "".join(f"{space}{cell},\n" for cell in cells)
    return f"{start}\n{body}{' ' * indent}{end.lstrip(',')}"


def _arguments(estimator):
    """Parameters that are not at their defaults; those without a default by position."""
    signature = inspect.signature(type(estimator)).parameters
    for name, value in estimator.get_params(deep=False).items():
        if not _is_same(value, signature[name].default):
            is_plain = signature[name].default is inspect.Parameter.empty
            yield ("" if is_plain else f"{name}=", value)


def _is_same(value, default):
    if isinstance(value, BaseEstimator) or isinstance(default, BaseEstimator):
        return False
    if isinstance(value, float) and isinstance(default, float):
        return value == default or (value != value and default != default)
    return type(value) is type(default) and value == default


def _has_automatic_names(pipeline):
    steps = [step for _, step in pipeline.steps]
    return [name for name, _ in pipeline.steps] == [name for name, _ in make_pipeline(*steps).steps]


def _public_module(cls):
    """The module that users import a class from: its private parts are cut off."""
    parts = cls.__module__.split(".")
    if parts[0] == "skreg":
        return "skreg"
    private = (i for i, part in enumerate(parts) if part.startswith("_"))
    return ".".join(parts[: next(private, len(parts))])
