"""Is the difference between two models on the same folds more than chance?"""

from typing import NamedTuple

import numpy as np
from scipy import stats


class PairedTest(NamedTuple):
    """Outcome of :func:`corrected_paired_test`; ``nan`` where it cannot be computed."""

    mean: float
    std_error: float
    p_value: float
    low: float
    high: float


def corrected_paired_test(differences, test_to_train_ratio, confidence=0.95):
    """Corrected resampled t-test of Nadeau and Bengio, two-sided.

    The training sets of a cross-validation overlap, so the scores of its folds are not
    independent and the plain paired t-test finds differences that are not there. The
    correction replaces the factor ``1/J`` of the variance of the mean by
    ``1/J + n_test/n_train``, with ``J`` folds.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of one model minus score of the other, fold by fold. Folds with ``nan`` (a model
        that could not be fitted or scored there) are left out.
    test_to_train_ratio : float
        Mean of ``n_test / n_train`` over the folds; 1/4 for five folds.
    confidence : float, default=0.95
        Level of the confidence interval of the mean difference.

    Returns
    -------
    PairedTest
        Mean difference, its corrected standard error, p-value and confidence interval. Fewer
        than two usable folds leave all but the mean ``nan``. Differences without any variance
        have the p-value 1 if they are all 0, else 0.

    References
    ----------
    C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning 52
    (2003), 239-281, doi:10.1023/A:1024068626366.
    """
    differences = np.asarray(differences, dtype=float)
    differences = differences[np.isfinite(differences)]
    n_folds = len(differences)
    if n_folds == 0:
        return PairedTest(*[np.nan] * 5)
    mean = float(differences.mean())
    if n_folds == 1:
        return PairedTest(mean, *[np.nan] * 4)
    variance = differences.var(ddof=1) * (1 / n_folds + test_to_train_ratio)
    std_error = float(np.sqrt(variance))
    if std_error == 0:
        return PairedTest(mean, 0.0, 1.0 if mean == 0 else 0.0, mean, mean)
    t_distribution = stats.t(n_folds - 1)
    half_width = std_error * t_distribution.ppf((1 + confidence) / 2)
    p_value = 2 * t_distribution.sf(abs(mean) / std_error)
    return PairedTest(mean, std_error, float(p_value), mean - half_width, mean + half_width)
