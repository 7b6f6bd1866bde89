"""`search_space`: what a search draws from it fits, at every level, for dense and sparse data."""

import sys
import warnings

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import MLPClassifier, MLPRegressor, search_space
from skreg._search_space import Range

ESTIMATORS = {"regressor": MLPRegressor, "classifier": MLPClassifier}
LEVELS = ["light", "standard", "cocktail"]
kinds = pytest.mark.parametrize("kind", ESTIMATORS)
levels = pytest.mark.parametrize("level", LEVELS)


def _data(kind):
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    return X, X[:, 0] * X[:, 1] if kind == "regressor" else (X[:, 0] > X[:, 1]).astype(int)


@kinds
@levels
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_every_draw_fits(kind, level, form):
    X, y = _data(kind)
    space = search_space(kind, level, sparse=form is not np.asarray) | {"max_iter": [2]}
    for drawn in ParameterSampler(space, 40, random_state=0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net = ESTIMATORS[kind](random_state=0, **drawn | {"batch_size": 16}).fit(form(X), y)
        assert np.isfinite(net.loss_), drawn


@kinds
def test_each_level_holds_the_ones_before(kind):
    light, standard, cocktail = (search_space(kind, level).keys() for level in LEVELS)
    assert light < standard < cocktail


@kinds
def test_few_draws_are_wasted(kind):
    """Most networks learn a plain signal in a hundred rows, and hold out better than none; without an l1 part all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 10))
    y = X[:, :3] @ [0.8, -0.5, 0.33] + 0.3 * rng.normal(size=300)
    if kind == "classifier":
        y = (y > 0).astype(int)
    scores, has_zeros = [], []
    for drawn in ParameterSampler(search_space(kind), 60, random_state=0):
        net = ESTIMATORS[kind](random_state=0, **drawn).fit(X[:100], y[:100])
        scores.append(net.score(X[100:], y[100:]))
        has_zeros.append(drawn["penalty"] != "l2")
    learned = np.array(scores) > (0.5 if kind == "regressor" else 0.75)
    assert learned.mean() > 0.75
    assert learned[~np.array(has_zeros)].all()


def test_standard_holds_the_linear_model():
    draws = list(ParameterSampler(search_space("regressor"), 400, random_state=0))
    share = np.mean([drawn["activation"] == "identity" for drawn in draws])
    assert abs(share - 1 / 6) < 4 * np.sqrt(1 / 6 * 5 / 6 / 400)


@pytest.mark.parametrize("search", [RandomizedSearchCV, HalvingRandomSearchCV])
def test_searches_take_it_in_a_pipeline(search):
    X, y = _data("classifier")
    space = search_space("classifier", "light", prefix="mlpclassifier__") | {"mlpclassifier__max_iter": [2]}
    limit = {"n_iter": 3} if search is RandomizedSearchCV else {"n_candidates": 3, "min_resources": 20}
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = search(pipeline, space, cv=2, random_state=0, error_score="raise", **limit).fit(X, y)
    assert found.best_params_.keys() == space.keys()


@pytest.mark.parametrize("log", [False, True])
def test_numbers_are_uniform_or_uniform_in_their_logarithm(log):
    numbers = Range(0.01, 2.0, log=log).rvs(4000, random_state=0)
    of_all = (np.log(numbers / 0.01) / np.log(200)) if log else (numbers - 0.01) / 1.99
    assert stats.kstest(of_all, "uniform").pvalue > 0.01
    assert stats.kstest(np.log(numbers) if not log else numbers, "uniform").pvalue < 1e-6


def test_a_share_is_off():
    numbers = Range(0.1, 0.6, off=0.3).rvs(20_000, random_state=0)
    assert 0.1 <= numbers[numbers > 0].min() < 0.101  # whether it is off does not go by the number
    assert abs((numbers == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 20_000)
    assert numbers[numbers > 0].min() >= 0.1
    assert isinstance(float(Range(0.1, 0.6, off=0.3).rvs(random_state=0)), float)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kind": "ranker"}, r"kind must be one of \['regressor', 'classifier'\], got 'ranker'."),
        ({"level": "full"}, r"level must be one of \['light', 'standard', 'cocktail'\], got 'full'."),
        ({"library": "hyperopt"}, r"library must be one of \['sklearn', 'optuna'\], got 'hyperopt'."),
    ],
)
def test_another_word_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        search_space(**{"kind": "regressor", **wrong})


def test_optuna_is_asked_for_in_one_sentence_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna.distributions", None)
    with pytest.raises(ImportError, match="needs the package optuna: pip install optuna"):
        search_space("regressor", library="optuna")


class _Distributions:
    """In the place of `optuna.distributions`."""

    @staticmethod
    def FloatDistribution(low, high, log=False):  # noqa: N802
        return low, high, log

    @staticmethod
    def CategoricalDistribution(choices):  # noqa: N802
        return choices


def test_distributions_of_optuna(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna.distributions", _Distributions)
    space = search_space("classifier", "cocktail", library="optuna")
    assert space["alpha"] == (1e-3, 0.1, True)
    assert space["dropout"] == (0.0, 0.5, False), "from 0 on, where scikit-learn's may be off"
    assert space["weight_decay"] == (1e-4, 0.3, True)
    assert space["max_norm"] == [None, 1.0, 3.0], "a choice is there once"
