"""Every two regularisers together: a fit is finite, predicts, and pickles, or is refused in one sentence."""

import pickle
import warnings
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skreg import MLPClassifier, MLPRegressor

REGULARISERS = {
    "l2": {"penalty": "l2", "alpha": [0.01, 0.02]},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "elasticnet": {"penalty": "elasticnet", "alpha": 0.01, "l1_ratio": 0.3},
    "group lasso": {"penalty": "group_lasso", "alpha": 0.01},
    "sparse group lasso, then l2": {"penalty": ["sparse_group_lasso", "l2"], "alpha": 0.01},
    "bias penalty": {"bias_penalty": 0.01, "bias_l1_ratio": 0.5},
    "activity penalty": {"activity_penalty": 0.01, "activity_l1_ratio": 0.5},
    "dropout": {"dropout": 0.3},
    "gaussian dropout": {"dropout": 0.3, "dropout_kind": "gaussian"},
    "batchwise dropout": {"dropout": 0.3, "dropout_kind": "batchwise"},
    "alpha dropout": {"dropout": 0.2, "dropout_kind": "alpha", "activation": "selu"},
    "input dropout": {"input_dropout": 0.2},
    "input noise": {"input_noise": 0.1},
    "max norm": {"max_norm": [1.0, None]},
    "positive": {"positive": True},
    "weight decay": {"weight_decay": 0.01},
    "batch norm": {"batch_norm": True},
    "layer norm": {"layer_norm": True},
    "swa": {"averaging": "swa", "averaging_start": 0.5},
    "ema": {"averaging": "ema", "ema_decay": 0.9},
    "clipping": {"clip_norm": 0.1},
    "cosine, warm-up": {"learning_rate": "cosine", "warmup": 0.25},
    "mixup": {"augmentation": "mixup", "augmentation_strength": 0.4},
    "cutmix": {"augmentation": "cutmix", "augmentation_strength": 0.4},
    "cutout": {"augmentation": "cutout", "augmentation_strength": 0.2},
    "early stopping": {"early_stopping": True},
    "tanh": {"activation": "tanh"},
}
OF_CLASSIFIER = {"label smoothing": {"label_smoothing": 0.1}, "focal": {"loss": "focal"}}
OF_REGRESSOR = {"huber": {"loss": "huber"}, "quantiles": {"loss": "quantile", "quantile": [0.2, 0.8]}}
REFUSED = {frozenset(pair) for pair in [("batch norm", "layer norm")]}
DENSE_ONLY = {"input noise", "mixup", "cutmix", "cutout"}
PAIRS_FOR_DENSE_ONLY = {frozenset(["alpha dropout", "input dropout"])}


def _pairs(own):
    """Pairs that do not set one parameter to different values."""
    known = REGULARISERS | own
    for first, second in combinations(known, 2):
        if all(known[first][name] == known[second][name] for name in known[first].keys() & known[second].keys()):
            yield first, second


def _data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    X[rng.uniform(size=X.shape) < 0.3] = 0.0
    return X, X[:, 0] - 2 * X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=40)


def _fitted(cls, parameters, X, y):
    net = cls((7,), batch_size=16, max_iter=4, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(X, y, sample_weight=np.linspace(0.5, 1.5, len(y)))


def _numbers(net, X):
    predictions = net.predict(X) if isinstance(net, MLPRegressor) else net.predict_proba(X)
    return [*net.coefs_, *net.intercepts_, predictions, np.array(net.loss_curve_)]


def _check(cls, pair, own, dtype, hold, target):
    known, (X, y) = REGULARISERS | own, _data()
    X, y = hold(X.astype(dtype)), target(y)
    parameters = known[pair[0]] | known[pair[1]]
    would_fill = DENSE_ONLY & set(pair) or frozenset(pair) in PAIRS_FOR_DENSE_ONLY
    if frozenset(pair) in REFUSED or (sparse.issparse(X) and would_fill):
        with pytest.raises(ValueError) as error:
            _fitted(cls, parameters, X, y)
        assert "\n" not in str(error.value)
        return
    net = _fitted(cls, parameters, X, y)
    numbers = _numbers(net, X)
    assert all(np.isfinite(part).all() for part in numbers)
    again = pickle.loads(pickle.dumps(net))
    for one, other in zip(numbers, _numbers(again, X), strict=True):
        np.testing.assert_array_equal(one, other)
    assert clone(net).get_params() == net.get_params()


HOLDS = {"dense float32": (np.float32, np.asarray), "csr float64": (np.float64, sparse.csr_array)}
holds = pytest.mark.parametrize(("dtype", "hold"), HOLDS.values(), ids=HOLDS)


@holds
@pytest.mark.parametrize("pair", list(_pairs(OF_REGRESSOR)), ids=" and ".join)
def test_regression(pair, dtype, hold):
    _check(MLPRegressor, pair, OF_REGRESSOR, dtype, hold, lambda y: y)


TARGETS = {
    "binary": lambda y: (y > 0).astype(int),
    "multiclass": lambda y: np.digitize(y, [-0.5, 0.5]),
    "multilabel": lambda y: np.column_stack([y > 0, y > 0.5]).astype(int),
}


@holds
@pytest.mark.parametrize("pair", list(_pairs(OF_CLASSIFIER)), ids=" and ".join)
def test_classification(pair, dtype, hold):
    for target in TARGETS.values():
        _check(MLPClassifier, pair, OF_CLASSIFIER, dtype, hold, target)
