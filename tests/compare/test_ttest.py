import numpy as np
import pytest
from scipy import stats

from skreg.compare._ttest import corrected_paired_test

DIFFERENCES = [0.02, 0.05, -0.01, 0.04, 0.03]


def test_without_correction_it_is_the_one_sample_t_test():
    expected = stats.ttest_1samp(DIFFERENCES, 0)
    test = corrected_paired_test(DIFFERENCES, test_to_train_ratio=0)
    interval = expected.confidence_interval(0.95)
    assert test.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_against_a_computation_by_hand():
    # mean 0.026, variance 0.00053, factor 1/5 + 1/4
    test = corrected_paired_test(DIFFERENCES, test_to_train_ratio=1 / 4)
    std_error = (0.00053 * 0.45) ** 0.5
    assert test.mean == pytest.approx(0.026)
    assert test.std_error == pytest.approx(std_error)
    # 2.776445 is the 97.5 % point of Student's t with 4 degrees of freedom.
    assert test.high - test.mean == pytest.approx(2.7764451 * std_error, rel=1e-6)
    assert test.mean - test.low == pytest.approx(2.7764451 * std_error, rel=1e-6)
    assert test.p_value == pytest.approx(2 * stats.t.sf(0.026 / std_error, 4))


def test_correction_makes_the_test_more_careful():
    plain = corrected_paired_test(DIFFERENCES, 0)
    corrected = corrected_paired_test(DIFFERENCES, 1 / 4)
    assert corrected.p_value > plain.p_value
    assert corrected.std_error == pytest.approx(plain.std_error * (0.45 / 0.2) ** 0.5)


def test_sign_does_not_change_the_p_value():
    test = corrected_paired_test(DIFFERENCES, 1 / 4)
    mirrored = corrected_paired_test(-np.array(DIFFERENCES), 1 / 4)
    assert mirrored.p_value == test.p_value
    assert (mirrored.low, mirrored.high) == (-test.high, -test.low)


@pytest.mark.parametrize("value, p_value", [(0.0, 1.0), (0.1, 0.0), (-0.1, 0.0)])
def test_differences_without_variance(value, p_value):
    test = corrected_paired_test([value] * 2, 1)
    assert (test.p_value, test.low, test.high) == (p_value, value, value)


def test_folds_without_a_score_are_left_out():
    with_nan = corrected_paired_test([0.02, np.nan, 0.05, -0.01, 0.04, 0.03], 1 / 4)
    assert with_nan == corrected_paired_test(DIFFERENCES, 1 / 4)


@pytest.mark.parametrize("differences, mean", [([], np.nan), ([np.nan], np.nan), ([0.1], 0.1)])
def test_too_few_folds_give_nan(differences, mean):
    test = corrected_paired_test(differences, 1 / 4)
    np.testing.assert_equal(test.mean, mean)
    assert np.isnan([test.p_value, test.low, test.high, test.std_error]).all()


def test_false_positives_under_the_null_are_near_the_level():
    """On overlapping training sets the plain t-test errs far more often than it claims."""
    rng = np.random.default_rng(0)
    n_trials, n_folds, ratio = 2000, 5, 1 / 4
    # Nadeau and Bengio's assumption: correlation n_test / (n_test + n_train) between folds.
    correlation = ratio / (1 + ratio)
    shared = rng.normal(size=(n_trials, 1)) * correlation**0.5
    own = rng.normal(size=(n_trials, n_folds)) * (1 - correlation) ** 0.5
    corrected = [corrected_paired_test(row, ratio).p_value < 0.05 for row in shared + own]
    plain = [corrected_paired_test(row, 0).p_value < 0.05 for row in shared + own]
    assert np.mean(corrected) == pytest.approx(0.05, abs=0.015)
    assert np.mean(plain) > 0.1
