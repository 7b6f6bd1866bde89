"""One task of the comparison: tune, fit and score one model on one split."""

import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ._preprocess import encoded_from, final_estimator, make_model
from ._weights import used_inputs, zero_share


@dataclass
class Outcome:
    """What one task returns to the main process; `error` is set if it failed.

    The fitted model and its weights are kept only of the fit to all rows.
    """

    score: float = np.nan
    extra: float = np.nan
    params: dict = field(default_factory=dict)
    tune_time: float = np.nan
    fit_time: float = np.nan
    warnings: Counter = field(default_factory=Counter)
    error: str = ""
    estimator: object = None
    zero_share: float | None = None
    used_inputs: np.ndarray | None = None


def evaluate(model, dataset, scores, setting, train=None, test=None):
    """Tune and fit a model on the training rows, and score it on the test rows.

    Whatever fails here fails for one model on one split only; it is reported, not raised. The
    linear algebra runs in one thread, so that its sums are the same for any number of jobs.

    Parameters
    ----------
    model : Model
    dataset : Dataset
    scores : Scores
    setting : Setting
        Of the training rows.
    train, test : ndarray of int or None
        Rows; None for a fit to all rows without a score.

    Returns
    -------
    Outcome
    """
    outcome = Outcome()
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        try:
            _evaluate(outcome, model, dataset, scores, setting, train, test)
        except Exception as error:  # one model must not end the comparison of the others
            outcome.error = f"{type(error).__name__}: {error}"
    outcome.warnings = Counter(warning.category.__name__ for warning in caught)
    return outcome


def _evaluate(outcome, model, dataset, scores, setting, train, test):
    X, y = dataset.X, dataset.y
    X_train, y_train = (X, y) if train is None else (_rows(X, train), y[train])
    started = time.perf_counter()
    outcome.params = _tune(model, dataset, setting, X_train, y_train)
    tuned = time.perf_counter()
    estimator = make_model(
        dataset.preprocessor(),
        model.estimator(setting, **outcome.params),
        dataset.task.is_regression,
    ).fit(X_train, y_train)
    outcome.tune_time, outcome.fit_time = tuned - started, time.perf_counter() - tuned
    if test is not None:
        outcome.score, outcome.extra = scores.measure(estimator, _rows(X, test), y[test])
        return
    outcome.estimator = estimator
    final = final_estimator(estimator)
    outcome.zero_share = zero_share(final)
    outcome.used_inputs = used_inputs(final, encoded_from(estimator, X.shape[1]))


def _tune(model, dataset, setting, X, y):
    """Parameters chosen on the training rows.

    The preprocessing is fitted once to all of them: it does not see the target, and the test
    rows that give the score stay unseen.
    """
    X = dataset.preprocessor().fit_transform(X)
    if dataset.task.is_regression:
        y = StandardScaler().fit_transform(y.reshape(-1, 1)).ravel()
    return model.tune(X, y, setting)


def _rows(X, index):
    return X.iloc[index] if hasattr(X, "iloc") else X[index]
