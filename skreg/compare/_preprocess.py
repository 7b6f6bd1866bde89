"""The preprocessing that all models share, and which input each encoded column came from."""

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

# Rarer categories than the 19 most frequent ones share one encoded column.
MAX_CATEGORIES = 20


def make_preprocessor(numeric=None, categorical=None, sparse=False):
    """Unfitted preprocessing: impute and scale numbers, one-hot encode categories.

    Parameters
    ----------
    numeric, categorical : list of str or None
        Columns of a DataFrame; None if all columns are numbers and used.
    sparse : bool, default=False
        Whether the inputs are a sparse matrix. It is scaled by its largest absolute values and
        not centred, so that it stays sparse.

    Returns
    -------
    estimator
        A transformer for :func:`~sklearn.pipeline.make_pipeline`.
    """
    if sparse:
        return MaxAbsScaler()
    # A column may have no value in the rows of one fold: it is kept, as zeros.
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    if numeric is None:
        return numbers
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False)
    parts = [("numeric", numbers, numeric), ("categorical", categories, categorical)]
    return ColumnTransformer([part for part in parts if part[2]])


def make_model(preprocessor, estimator, is_regression):
    """Preprocessing, then the estimator; the target of a regression is scaled as well."""
    if is_regression:
        estimator = TransformedTargetRegressor(regressor=estimator, transformer=StandardScaler())
    is_pipeline = isinstance(preprocessor, Pipeline)
    steps = [step for _, step in preprocessor.steps] if is_pipeline else [preprocessor]
    return make_pipeline(*steps, estimator)


def final_estimator(model):
    """Fitted estimator at the end of a model of :func:`make_model`."""
    last = model[-1]
    return getattr(last, "regressor_", last)


def encoded_from(model, n_features):
    """Index of the input that each encoded column was made from.

    Parameters
    ----------
    model : Pipeline
        A fitted model of :func:`make_model`.
    n_features : int
        Number of columns of `X`.

    Returns
    -------
    ndarray of shape (n_encoded,)
        Positions in the list of inputs: numeric columns first, then categorical ones.
    """
    if not isinstance(model[0], ColumnTransformer):
        return np.arange(n_features)
    sizes = []
    for name, transformer, columns in model[0].transformers_:
        if name == "numeric":
            sizes += [1] * len(columns)
        elif name == "categorical":
            sizes += _n_encoded(transformer)
    return np.repeat(np.arange(len(sizes)), sizes)


def _n_encoded(encoder):
    """Number of encoded columns of each categorical column."""
    infrequent = encoder.infrequent_categories_
    return [
        len(categories) - (0 if rare is None else len(rare) - 1)
        for categories, rare in zip(encoder.categories_, infrequent, strict=True)
    ]
