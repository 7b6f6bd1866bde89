"""Which model to choose, and why, in a sentence."""

import numpy as np

from ._display import p_value
from ._judge import BETTER, TINY, WORSE, best_of, compare_scores, verdict_of

ENOUGH_FOLDS = 5  # with fewer the test has so few degrees of freedom that it sees hardly anything


def choose(results, ratio):
    """The model to choose.

    If models are clearly better than the best linear one, one of them; else a linear one. Of
    these, every model counts as good as the highest if its mean score is within one corrected
    standard error of the paired difference, and the difference is not clear. Of the good ones
    the simplest is chosen: linear first, then the fewest inputs, then the highest score.

    Parameters
    ----------
    results : list of ModelResult
    ratio : float
        Mean of ``n_test / n_train`` over the folds.

    Returns
    -------
    ModelResult
    """
    better = [result for result in results if result.verdict == BETTER]
    linear = [result for result in results if result.is_linear]
    others = [result for result in results if not result.is_dummy]
    pool = better or (linear if best_of(linear) else others)
    top = best_of(pool) or best_of(results)
    good = [result for result in pool if is_as_good(result, top, ratio)]
    return min(good or [top], key=_complexity)


def is_as_good(result, top, ratio):
    """Whether a result is within one corrected standard error of the highest one."""
    if result is top:
        return True
    test = compare_scores(result, top, ratio)
    if verdict_of(test, top.mean) == WORSE:
        return False
    return bool(-test.mean <= test.std_error)


def _complexity(result):
    n_inputs = np.inf if result.used_inputs is None else len(result.used_inputs)
    return (not result.is_linear, n_inputs, -result.mean)


def beats_dummy(result, results, ratio):
    """Whether a result is clearly better than the dummy."""
    dummies = [other for other in results if other.is_dummy]
    tests = [(compare_scores(result, dummy, ratio), dummy) for dummy in dummies]
    return all(verdict_of(test, dummy.mean) == BETTER for test, dummy in tests)


def advise(results, ratio, label, n_inputs):
    """The model to choose, and a sentence that says why.

    Parameters
    ----------
    results : list of ModelResult
    ratio : float
        Mean of ``n_test / n_train`` over the folds.
    label : str
        Name of the score.
    n_inputs : int
        Number of inputs before encoding.

    Returns
    -------
    chosen : ModelResult
    advice : str
    """
    chosen = choose(results, ratio)
    wording = _Wording(results, chosen, label, n_inputs)
    if not any(beats_dummy(result, results, ratio) for result in results if not result.is_dummy):
        return chosen, wording.nothing_predicts()
    if chosen.verdict == BETTER:
        return chosen, wording.beyond_linear()
    return chosen, wording.linear()


class _Wording:
    """The sentences, for one outcome."""

    def __init__(self, results, chosen, label, n_inputs):
        self.results, self.chosen = results, chosen
        self.label, self.n_inputs = label, n_inputs
        self.linear_best = best_of(result for result in results if result.is_linear)
        self.top = best_of(results)

    def nothing_predicts(self):
        return (
            f"No model is clearly better than the dummy on these folds{self._on_few_folds()}. So far the inputs say "
            f"little about the target; if you need a model, take {self._scored(self.chosen)}."
        )

    def beyond_linear(self):
        test = self.chosen.test
        p = p_value(test.p_value)
        sentence = (
            f"Choose {self._scored(self.chosen)}{self._inputs()}: it is clearly better than the "
            f"best linear model, {self._scored(self.linear_best)}, by {test.mean:.3f} "
            f"(p {'' if p.startswith('<') else '= '}{p})"
        )
        return f"{sentence}{self._about_networks()}{self._about_top()}."

    def linear(self):
        if self.linear_best is None:
            reason = "the linear models could not be fitted"
        elif self.chosen is self.linear_best:
            reason = "no other model is clearly better"
        else:
            reason = (
                f"no model is clearly better than {self._scored(self.linear_best)}, and this one "
                "is as good within the error"
            )
        return f"Choose {self._scored(self.chosen)}{self._inputs()}: {reason}{self._about_top()}."

    def _about_networks(self):
        """If boosting beats the networks too, how far they come."""
        network = best_of(result for result in self.results if result.is_network)
        if self.chosen.is_network or network is None:
            return ""
        return f"; the best network is {self._scored(network)}"

    def _about_top(self):
        """What to say about a model with a higher mean that was not chosen."""
        if self.top is self.chosen or self.top is self.linear_best:
            return ""
        limit = {
            BETTER: "not clearly above this one",
            TINY: "by too little to matter",
        }.get(self.top.verdict, f"is not clearly better than the best linear model{self._on_few_folds()}")
        return f"; {self._scored(self.top)} scores highest, but {limit}"

    def _on_few_folds(self):
        """Where even large differences are within the error."""
        n_folds = len(self.top.scores)
        if n_folds >= ENOUGH_FOLDS:
            return ""
        return f", which {n_folds} folds can hardly tell: compare on {ENOUGH_FOLDS} or more"

    def _scored(self, result):
        return f"{result.name} ({self.label} {result.mean:.3f})"

    def _inputs(self):
        used = self.chosen.used_inputs
        if used is None or len(used) == self.n_inputs:
            return ""
        return f", which uses {len(used)} of {self.n_inputs} inputs"
