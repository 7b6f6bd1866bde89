import numpy as np
import pytest

from skreg.compare._advice import advise
from skreg.compare._judge import (
    BETTER,
    TINY,
    UNCLEAR,
    UNKNOWN,
    WORSE,
    ModelResult,
    best_of,
    compare_scores,
    verdict_of,
)
from skreg.compare._ttest import PairedTest

RATIO = 1 / 4
NOISE = np.array([0.02, -0.02, 0.0, 0.01, -0.01])
FAMILIES = {"Dummy": "dummy", "Ridge": "linear", "Lasso": "linear", "Boosting": "boosting"}


def result(name, mean, n_inputs=None, wobble=0.002):
    """Scores around a mean that move with those of the other models, up to a wobble."""
    family = FAMILIES.get(name, "network")
    own = wobble * np.array([1, -1, 2, -1, -1]) * (1 if family == "linear" else -1)
    return ModelResult(
        name=name,
        family=family,
        scores=mean + NOISE + own,
        extras=np.zeros(5),
        fold_params=[{}] * 5,
        params={},
        fit_time=0.0,
        tune_time=0.0,
        used_inputs=None if n_inputs is None else np.arange(n_inputs),
    )


def advice(*results):
    reference = best_of(r for r in results if r.is_linear)
    for other in results:
        if reference is not None and other is not reference:
            other.test = compare_scores(other, reference, RATIO)
            other.verdict = verdict_of(other.test, reference.mean)
    chosen, sentence = advise(list(results), RATIO, "R²", 10)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return chosen.name, sentence


DUMMY = result("Dummy", 0.0)


def on_few_folds(wide):
    """Three folds of a model that is far better on each, by a distance that varies."""
    ridge, net = result("Ridge", 0.39, 10), result("Net", 0.53, 10)
    ridge.scores, net.scores = ridge.scores[:3], ridge.scores[:3] + wide
    dummy = result("Dummy", 0.0)
    dummy.scores = dummy.scores[:3]
    return dummy, ridge, net


def test_few_folds_are_named_as_the_reason_that_little_is_clear():
    sentence = advice(*on_few_folds(np.array([0.02, 0.3, 0.1])))[1]
    assert (
        "not clearly better than the best linear model, which 3 folds can hardly tell: compare on 5 or more" in sentence
    )
    dummy, ridge, net = on_few_folds(np.array([0.02, 0.3, 0.1]))
    ridge.scores, net.scores = np.array([-0.3, 0.2, 0.9]), np.array([0.9, 0.1, -0.2])
    assert "than the dummy on these folds, which 3 folds can hardly tell" in advice(dummy, ridge, net)[1]
    assert "can hardly tell" not in advice(DUMMY, result("Ridge", 0.5, 10), result("Net", 0.501, 10))[1]


def test_the_linear_model_if_no_other_is_clearly_better():
    name, sentence = advice(DUMMY, result("Ridge", 0.5, 10), result("Net", 0.501, 10))
    assert name == "Ridge"
    assert "no other model is clearly better" in sentence
    assert "Net (R² 0.501) scores highest, but is not clearly better" in sentence


def test_the_linear_model_with_fewest_inputs_among_equals():
    name, sentence = advice(DUMMY, result("Ridge", 0.5, 10), result("Lasso", 0.4999, 3, wobble=0.004))
    assert name == "Lasso"
    assert "uses 3 of 10 inputs" in sentence
    assert "Ridge (R² 0.500)" in sentence


def test_fewest_inputs_do_not_excuse_a_lower_score():
    name, _ = advice(DUMMY, result("Ridge", 0.5, 10), result("Lasso", 0.4, 3))
    assert name == "Ridge"


def test_a_network_that_is_clearly_better():
    name, sentence = advice(DUMMY, result("Ridge", 0.5, 10), result("Boosting", 0.55), result("Net", 0.6, 4))
    assert name == "Net"
    assert "clearly better than the best linear model, Ridge (R² 0.500), by 0.100" in sentence
    assert "4 of 10 inputs" in sentence


def test_boosting_that_beats_everything():
    name, sentence = advice(DUMMY, result("Ridge", 0.5, 10), result("Boosting", 0.8), result("Net", 0.6, 4))
    assert name == "Boosting"
    assert "the best network is Net (R² 0.600)" in sentence


def test_the_sparser_network_among_equals():
    name, sentence = advice(
        DUMMY,
        result("Ridge", 0.5, 10),
        result("Net", 0.6, 10),
        result("Sparse net", 0.5995, 3, wobble=0.005),
    )
    assert name == "Sparse net"
    assert "Net (R² 0.600) scores highest, but not clearly above this one" in sentence


def test_a_clear_difference_that_is_too_small():
    name, sentence = advice(DUMMY, result("Ridge", 0.5, 10, wobble=0), result("Net", 0.503, 10, wobble=0.0001))
    assert name == "Ridge"
    assert "by too little to matter" in sentence


def test_nothing_predicts():
    name, sentence = advice(DUMMY, result("Ridge", 0.001, 10), result("Net", -0.05, 10))
    assert name == "Ridge"
    assert sentence.startswith("No model is clearly better than the dummy")


def test_no_linear_model_could_be_fitted():
    ridge = result("Ridge", np.nan, 10)
    name, sentence = advice(DUMMY, ridge, result("Net", 0.6, 10))
    assert name == "Net"
    assert "could not be fitted" in sentence


@pytest.mark.parametrize(
    "mean, p_value, verdict",
    [
        (0.10, 0.01, BETTER),
        (-0.10, 0.01, WORSE),
        (0.10, 0.06, UNCLEAR),
        (0.004, 0.01, TINY),  # less than 1 % of the gap of 0.5
        (-0.004, 0.01, TINY),
        (0.10, np.nan, UNKNOWN),
    ],
)
def test_verdicts(mean, p_value, verdict):
    assert verdict_of(PairedTest(mean, 0.01, p_value, 0, 0), 0.5) == verdict
