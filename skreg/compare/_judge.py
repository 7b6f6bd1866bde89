"""From scores on the same folds to differences, and whether they matter."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ._errors import InputError
from ._models import DUMMY, LINEAR, NETWORK
from ._ttest import PairedTest, corrected_paired_test

BETTER, WORSE = "better", "worse"
UNCLEAR, TINY, REFERENCE, UNKNOWN = "no clear difference", "too small", "reference", "unknown"

SIGNIFICANCE = 0.05
# A difference matters if it closes at least this share of the gap to a perfect score of 1.
MIN_SHARE_OF_GAP = 0.01

MEANINGS = {
    "ConvergenceWarning": "Fits that ended at their limit of iterations, which for networks "
    "is a budget (ConvergenceWarning)"
}


@dataclass
class ModelResult:
    """One row of the comparison.

    Attributes
    ----------
    name, family : str
    scores, extras : ndarray of shape (n_folds,)
        The deciding and the second score on each fold; ``nan`` where the model failed.
    fold_params : list of dict
        Parameters chosen on each fold.
    params : dict
        Parameters chosen on all rows.
    fit_time, tune_time : float
        Seconds for one fit with the chosen parameters and for choosing them; mean over folds.
    zero_share : float or None
        Share of the weights that are exactly zero in the fit to all rows.
    used_inputs : ndarray of int or None
        Inputs that this fit uses; None for models without weights.
    estimator : estimator or None
        The fit to all rows, with the preprocessing.
    test : PairedTest
        Of the difference to the best linear model.
    verdict : str
        Whether this difference matters.
    """

    name: str
    family: str
    scores: np.ndarray
    extras: np.ndarray
    fold_params: list
    params: dict
    fit_time: float
    tune_time: float
    zero_share: float | None = None
    used_inputs: np.ndarray | None = None
    estimator: object = None
    test: PairedTest = PairedTest(*[np.nan] * 5)
    verdict: str = UNKNOWN
    warnings: Counter = field(default_factory=Counter)
    errors: list = field(default_factory=list)

    @property
    def mean(self):
        return float(np.nanmean(self.scores)) if np.isfinite(self.scores).any() else np.nan

    @property
    def std(self):
        n_scores = np.isfinite(self.scores).sum()
        return float(np.nanstd(self.scores, ddof=1)) if n_scores > 1 else np.nan

    @property
    def is_linear(self):
        return self.family == LINEAR

    @property
    def is_network(self):
        return self.family == NETWORK

    @property
    def is_dummy(self):
        return self.family == DUMMY


def compare_scores(result, reference, ratio):
    """Corrected paired test of two results on the same folds."""
    return corrected_paired_test(result.scores - reference.scores, ratio)


def verdict_of(test, reference_score):
    """Whether a difference matters.

    It is clear if the p-value is below 5 %, and large enough if it closes or opens at least 1 %
    of the gap between the reference and a perfect score of 1.

    Parameters
    ----------
    test : PairedTest
        Of a model against the reference.
    reference_score : float
        Mean score of the reference.

    Returns
    -------
    str
    """
    if np.isnan(test.p_value):
        return UNKNOWN
    if test.p_value >= SIGNIFICANCE:
        return UNCLEAR
    if abs(test.mean) < MIN_SHARE_OF_GAP * (1 - reference_score):
        return TINY
    return BETTER if test.mean > 0 else WORSE


def best_of(results):
    """Result with the highest mean score, or None if none has one."""
    scored = [result for result in results if np.isfinite(result.mean)]
    return max(scored, key=lambda result: result.mean, default=None)


def judge(models, outcomes, ratio):
    """Results of all models, each tested against the best linear one.

    Parameters
    ----------
    models : sequence of Model
    outcomes : dict of str to list of Outcome
        For each model one on every split, then the fit to all rows.
    ratio : float
        Mean of ``n_test / n_train`` over the folds.

    Returns
    -------
    list of ModelResult
        In the order of `models`.

    Raises
    ------
    InputError
        If no model has a score.
    """
    results = [_collect(model, outcomes[model.name]) for model in models]
    if best_of(results) is None:
        reasons = [*(reason for result in results for reason in result.errors), "no score"]
        raise InputError(f"No model could be fitted and scored: {_one_line(reasons[0])}.")
    reference = best_of(result for result in results if result.is_linear)
    for result in results:
        if reference is not None and result is not reference:
            result.test = compare_scores(result, reference, ratio)
            result.verdict = verdict_of(result.test, reference.mean)
    if reference is not None:
        reference.verdict = REFERENCE
    return results


def test_to_train_ratio(splits):
    """Mean of n_test / n_train over the folds."""
    return float(np.mean([len(test) / len(train) for train, test in splits]))


def _collect(model, outcomes):
    folds, final = outcomes[:-1], outcomes[-1]
    ok = [fold for fold in folds if not fold.error]
    return ModelResult(
        name=model.name,
        family=model.family,
        scores=np.array([fold.score for fold in folds]),
        extras=np.array([fold.extra for fold in folds]),
        fold_params=[fold.params for fold in folds],
        params=final.params,
        fit_time=float(np.mean([fold.fit_time for fold in ok])) if ok else np.nan,
        tune_time=float(np.mean([fold.tune_time for fold in ok])) if ok else np.nan,
        zero_share=final.zero_share,
        used_inputs=final.used_inputs,
        estimator=final.estimator,
        warnings=sum((outcome.warnings for outcome in outcomes), Counter()),
        errors=[outcome.error for outcome in outcomes if outcome.error],
    )


def failure_notes(results):
    """A sentence for each model that failed somewhere."""
    return [
        f"{result.name} failed in {len(result.errors)} fits: {_one_line(result.errors[0])}."
        for result in results
        if result.errors
    ]


def warning_notes(results):
    """A sentence for each kind of warning, with its count for each model."""
    kinds = sorted({kind for result in results for kind in result.warnings})
    notes = []
    for kind in kinds:
        counts = [(result.name, result.warnings[kind]) for result in results]
        by_model = ", ".join(f"{name} {count}" for name, count in counts if count)
        notes.append(f"{MEANINGS.get(kind, kind)}: {by_model}.")
    return notes


def _one_line(error):
    return " ".join(error.split()).rstrip(".")
