"""Compare: every model on every fold, in parallel, then once on all rows."""

import time
from numbers import Integral

import joblib
import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state

from ._comparison import Comparison
from ._data import make_dataset
from ._errors import InputError
from ._evaluate import evaluate
from ._interrupts import interrupts_end_all, interrupts_held_back
from ._judge import failure_notes, judge, test_to_train_ratio, warning_notes
from ._models import Setting
from ._progress import PrintProgress
from ._scores import scores_for
from ._source import MEMORY
from ._tables import budget_for, models_for
from ._task import check_folds

# Slow models first, so that no long task is left to one process at the end.
STARTING_ORDER = ("network", "boosting", "linear", "dummy")


def compare_models(
    X,
    y,
    *,
    task="auto",
    cv=None,
    n_jobs=None,
    random_state=0,
    quick=False,
    verbose=False,
    progress=None,
):
    """Compare linear models, gradient boosting and regularised networks on one data set.

    The preprocessing (numbers are imputed and scaled, categories one-hot encoded, the target of
    a regression scaled) is fitted within every fold. The parameters of each model are tuned by
    an inner cross-validation on the training rows of a fold, and the model is scored on its
    test rows, which neither has seen.

    The compared models are a dummy, `Ridge`, `Lasso` and `ElasticNet` (for classification,
    logistic regression with the l2, l1 and elastic net penalties),
    `HistGradientBoosting`, and skreg networks with the l2, l1 and elastic net penalties and with
    dropout.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Inputs. Text, categorical and boolean columns of a DataFrame are one-hot encoded; columns
        of dates, and of texts that nearly all differ, are left out. A sparse matrix is scaled
        without centring, and gradient boosting is left out.
    y : array-like of shape (n_samples,)
        Target. Rows without a value are left out.
    task : {'auto', 'regression', 'classification'}, default='auto'
        With 'auto', labels, targets with two values, and whole numbers with at most ten values
        of at least ten rows each are classes.
    cv : int, cross-validation splitter or None, default=None
        Outer folds: a number of shuffled folds (stratified for classification), or a splitter
        such as :class:`~sklearn.model_selection.RepeatedKFold`. None means 5, or 3 if `quick`.
    n_jobs : int or None, default=None
        Number of processes; None means 1 and -1 all cores. The result does not depend on it.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds and of the models.
    quick : bool, default=False
        Try fewer parameters, with fewer folds.
    verbose : bool, default=False
        Print a line to standard error for each model that is done.
    progress : callable or None, default=None
        Called at the start and after each task as ``progress(n_done, n_tasks, name)``, where
        `name` is the model that is being worked on, and '' at the end.

    Returns
    -------
    Comparison
        Printed, it shows the table and the advice.

        - `table`: a row for each model, highest score first; `advice`: a sentence that names one and
          says why; `chosen` and `result(name)`: a model's scores on each fold and more.
        - `best_estimator_`: the chosen model with its preprocessing, fitted to all rows;
          `best_params_`: its parameters, tuned on them; `input_names()`: the inputs it uses.
        - `code()`: Python that makes the chosen model, or another by its name.
        - `plot()`: the scores of the folds, with matplotlib; `to_html(path)`: the report as a page,
          with jinja2 and matplotlib.
        - `notes` and `warnings`: what was left out, what failed, what was silenced.

    Raises
    ------
    InputError
        A ValueError with one sentence that says what cannot be compared.

    Notes
    -----
    Regression is scored by R². Classification is scored by the area under the ROC curve (the
    mean over the classes, each against the rest, if there are more than two), because accuracy
    rewards naming the most frequent class where classes are imbalanced. Parameters are tuned by
    the squared error and the log loss. `extra_score` in the table, the root mean squared error or the
    accuracy, decides nothing.

    The difference to the best linear model is tested by the corrected resampled t-test [1]_. The
    p-values are not corrected for the number of models compared.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning 52
       (2003), 239-281, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import compare_models
    >>> X, y = load_diabetes(return_X_y=True)
    >>> result = compare_models(X[:100], y[:100], quick=True)
    >>> result.task
    'regression'
    >>> len(result.table), result.chosen.name in str(result)
    (9, True)
    """
    seed = _seed(random_state)
    dataset = make_dataset(X, y, task=task)
    if progress is None and verbose:
        progress = PrintProgress()
    return compare_dataset(dataset, cv=cv, n_jobs=n_jobs, seed=seed, quick=quick, progress=progress)


def compare_dataset(dataset, *, cv=None, n_jobs=None, seed=0, quick=False, progress=None, source=MEMORY):
    """The same for a `Dataset` that has been checked, and that came from `source`."""
    started = time.perf_counter()
    budget = budget_for(quick)
    scores = scores_for(dataset.task)
    splits = make_splits(dataset, budget.n_folds if cv is None else cv, seed)
    models, notes = models_for(dataset.task, dataset.is_sparse)
    with interrupts_end_all():
        outcomes = run(dataset, models, scores, splits, seed, budget, n_jobs, progress)
    ratio = test_to_train_ratio(splits)
    results = judge(models, outcomes, ratio)
    return Comparison(
        dataset=dataset,
        scores=scores,
        results=results,
        ratio=ratio,
        n_folds=len(splits),
        seed=seed,
        quick=quick,
        elapsed=time.perf_counter() - started,
        notes=[*dataset.notes, *notes, *failure_notes(results)],
        warnings=warning_notes(results),
        source=source,
    )


def make_splits(dataset, cv, seed):
    """Training and test rows of the outer folds.

    Parameters
    ----------
    dataset : Dataset
    cv : int or cross-validation splitter
    seed : int

    Returns
    -------
    list of (train, test) pairs of ndarray
    """
    if isinstance(cv, Integral):
        check_folds(dataset.y, dataset.task, cv)
        cv = _folds(dataset.task, int(cv), seed)
    elif not hasattr(cv, "get_n_splits"):
        raise InputError(f"cv must be a number of folds or a splitter, not {cv!r}.")
    return list(cv.split(np.zeros(len(dataset.y)), dataset.y))


def make_setting(dataset, scores, train, seed, budget):
    """Setting of a model that is fitted to the training rows, or to all rows if None."""
    y = dataset.y if train is None else dataset.y[train]
    n_smallest = len(y)
    if not dataset.task.is_regression:
        n_smallest = np.unique(y, return_counts=True)[1].min()
    n_inner_folds = int(max(2, min(budget.n_inner_folds, n_smallest)))
    inner_cv = _folds(dataset.task, n_inner_folds, seed)
    return Setting(len(y), seed, budget, inner_cv, scores.tuning)


def run(dataset, models, scores, splits, seed, budget, n_jobs=None, progress=None):
    """Outcomes of every model: one for each split, then the one of the fit to all rows.

    Returns
    -------
    dict of str to list of Outcome
        By name of the model, in the order of `models`.
    """
    splits = [*splits, (None, None)]
    settings = [make_setting(dataset, scores, train, seed, budget) for train, _ in splits]
    order = sorted(models, key=lambda model: STARTING_ORDER.index(model.family))
    tasks = [(model, i) for model in order for i in range(len(splits))]
    calls = (
        joblib.delayed(_numbered)(number, model, dataset, scores, settings[i], *splits[i])
        for number, (model, i) in enumerate(tasks)
    )
    outcomes = [None] * len(tasks)
    if progress is not None:
        progress(0, len(tasks), tasks[0][0].name)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    with interrupts_held_back():
        finished = parallel(calls)
    for n_done, (number, outcome) in enumerate(finished, start=1):
        outcomes[number] = outcome
        if progress is not None:
            progress(n_done, len(tasks), _first_open(tasks, outcomes))
    by_name = {model.name: [] for model in models}
    for (model, _), outcome in zip(tasks, outcomes, strict=True):
        by_name[model.name].append(outcome)
    return by_name


def _first_open(tasks, outcomes):
    """Name of the model that is being worked on; '' at the end."""
    pairs = zip(tasks, outcomes, strict=True)
    return next((model.name for (model, _), outcome in pairs if outcome is None), "")


def _numbered(number, *args):
    return number, evaluate(*args)


def _folds(task, n_splits, seed):
    splitter = KFold if task.is_regression else StratifiedKFold
    return splitter(n_splits, shuffle=True, random_state=seed)


def _seed(random_state):
    """A number that can be written into the report."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
