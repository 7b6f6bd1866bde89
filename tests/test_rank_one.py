"""One hidden layer of relu and one output: deltas that are made where they are multiplied."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor, _team
from skreg.kernels.matmul import DEPTH, HEIGHT

from . import reference
from .conftest import GRADIENT_RATES, KernelRun, draw_network, make_flat, relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

TOLERANCES = [(np.float64, 1e-12), (np.float32, 5e-5)]


@pytest.mark.parametrize("n_units", [9, 17, 31, 32, 33, 100])
@pytest.mark.parametrize("n_features", [1, 8, 9, HEIGHT + 5])
@pytest.mark.parametrize("n_rows", [2, 7, DEPTH + 9])
@pytest.mark.parametrize("activity", ["", "activity", "activity, weights"])
@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES, ids=["float64", "float32"])
def test_gradients_and_activity(n_units, n_features, n_rows, activity, dtype, tolerance):
    """Widths around panels of one and two vectors, depths in one and in two panels, inputs of several pieces."""
    rng = np.random.RandomState(0)
    network = draw_network("relu", "one target", (n_units,))
    network.alpha, network.beta, network.gamma = [0.0, 0.0], [0.0, 0.0], [0.7 if activity else 0.0]

    def draw(*shape):  # of numbers that float32 holds, too, lest rounding opens another gate
        return np.float32(rng.randn(*shape)).astype(float)

    coefs = [draw(n_features, n_units) / 2 ** int(np.log2(n_features) / 2), draw(n_units, 1)]
    intercepts, X, y = [draw(n_units), draw(1)], draw(n_rows, n_features), draw(n_rows, 1)
    weights = np.float32(rng.uniform(0.5, 2, n_rows)).astype(float) if "weights" in activity else np.ones(n_rows)
    weights /= weights.mean()
    expected = make_flat(*reference.data_gradient(network, coefs, intercepts, X, y, weights / n_rows))
    run = KernelRun(network, coefs, intercepts, X, y, weights if "weights" in activity else None, optimizer="adam",
                    rates=GRADIENT_RATES, batch_size=n_rows, seed=0, dtype=dtype)  # fmt: skip
    terms = run.train_epoch()
    assert relative_error([run.gradient], [expected]) < tolerance
    expected = reference.data_terms(network, coefs, intercepts, X, y, weights)
    assert relative_error([terms[[0, 3]]], [np.array(expected) / n_rows]) < tolerance


FITS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "dropout": {"dropout": 0.4, "input_dropout": 0.2},
    "clipped": {"clip_norm": 0.1},
    "groups": {"penalty": "group_lasso", "alpha": 0.02},
    "weights": {},
    "activity": {"activity_penalty": 0.01, "activity_l1_ratio": 0.5},
    "activity, weights": {"activity_penalty": 0.01, "activity_l1_ratio": 0.5},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", FITS)
@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_the_same_bits_as_with_deltas_of_their_own(cls, case, dtype, monkeypatch):
    """Where threads share a batch they need each other's deltas, and these are made as those of any network."""
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    rng = np.random.RandomState(0)
    X = StandardScaler().fit_transform(rng.randn(2 * DEPTH + 21, 40)).astype(dtype)
    y = X[:, 0] * X[:, 1] + X[:, 2] > 0 if cls is MLPClassifier else X[:, 0] * X[:, 1]
    weights = rng.uniform(0.5, 2, len(X)) if "weights" in case else None
    for n_units, batch_size in ((100, DEPTH + 10), (35, 20), (16, len(X))):
        found = []
        for n_threads in (1, 2, 3):
            monkeypatch.setattr(_team, "n_cores", lambda n=n_threads: n)
            net = cls((n_units,), batch_size=batch_size, max_iter=3, random_state=0, **FITS[case])
            net.fit(X, y, weights)
            parts = (*net.coefs_, *net.intercepts_, np.array(net.loss_curve_))
            found.append(np.concatenate([part.ravel() for part in parts]))
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other)
