from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression

from skreg.compare._weights import used_inputs, zero_share


def network(*matrices):
    return SimpleNamespace(coefs_=[np.array(weights, dtype=float) for weights in matrices])


def test_an_input_of_a_network_needs_a_path_to_the_output():
    first = [[1, 0], [0, 1], [0, 0]]
    estimator = network(first, [[2], [0]])  # the second hidden unit leads nowhere
    np.testing.assert_array_equal(used_inputs(estimator, np.arange(3)), [0])
    assert zero_share(estimator) == pytest.approx(5 / 8)


def test_a_path_is_not_closed_by_weights_that_cancel():
    estimator = network([[1, 1]], [[1], [-1]])
    np.testing.assert_array_equal(used_inputs(estimator, np.arange(1)), [0])


def test_encoded_columns_count_as_their_input():
    estimator = SimpleNamespace(coef_=np.array([0.0, 2, 0, 1]))
    np.testing.assert_array_equal(used_inputs(estimator, np.array([0, 1, 1, 1])), [1])
    assert zero_share(estimator) == 0.5


def test_an_input_of_any_class_is_used():
    X = np.random.default_rng(0).normal(size=(30, 3))
    estimator = LogisticRegression().fit(X, np.arange(30) % 3)
    estimator.coef_ = np.array([[0, 0, 1.0], [1.0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(used_inputs(estimator, np.arange(3)), [0, 2])


def test_models_without_weights():
    estimator = DummyRegressor().fit([[1], [2]], [1, 2])
    assert zero_share(estimator) is None
    assert used_inputs(estimator, np.arange(1)) is None
