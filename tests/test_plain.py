"""The short ways that a fit takes on plain data, seeds and parameters: to the same place as the long ones."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import check_random_state

from skreg import MLPClassifier, MLPRegressor
from skreg._plain import are_plain, generator_of
from skreg._spec import make_spec
from skreg.kernels.layout import COEF_L2

DTYPES = np.float64, np.float32
UNITS = 3, 4, 1


def data():
    X = np.random.default_rng(0).normal(size=(12, 3))
    return X, X[:, 0].copy()


def test_plain_data_are_those_that_scikit_learn_would_return():
    X, y = data()
    for dtype in DTYPES:
        assert are_plain(X.astype(dtype), y, DTYPES)
        assert are_plain(np.asfortranarray(X.astype(dtype))[::2], (y > 0)[::2], DTYPES)
    assert are_plain(X, (y * 10).astype(int), DTYPES)


def with_entry(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


@pytest.mark.parametrize("change", [
    lambda X, y: (X.tolist(), y),
    lambda X, y: (X, y.tolist()),
    lambda X, y: (pd.DataFrame(X), y),
    lambda X, y: (X, pd.Series(y)),
    lambda X, y: (X.view(np.matrix), y),
    lambda X, y: (np.ma.array(X), y),
    lambda X, y: (X.astype(np.int64), y),
    lambda X, y: (X.astype(np.float16), y),
    lambda X, y: (X.astype(">f8"), y),
    lambda X, y: (X.astype(complex), y),
    lambda X, y: (X.astype(object), y),
    lambda X, y: (X, y.astype(complex)),
    lambda X, y: (X, y.astype(str)),
    lambda X, y: (X, y[:, None]),
    lambda X, y: (X[0], y[:3]),
    lambda X, y: (X[None], y[:1]),
    lambda X, y: (X[:0], y[:0]),
    lambda X, y: (X[:, :0], y),
    lambda X, y: (X, y[:-1]),
    lambda X, y: (with_entry(X, np.nan), y),
    lambda X, y: (with_entry(X, np.inf), y),
    lambda X, y: (with_entry(with_entry(X, np.inf), -np.inf), y),
    lambda X, y: (X, with_entry(y, np.nan)),
    lambda X, y: (X, with_entry(y, -np.inf)),
    lambda X, y: (np.full_like(X, 1e308), y),
])  # fmt: skip
def test_all_others_go_the_long_way(change):
    assert not are_plain(*change(*data()), DTYPES)


@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_a_fit_on_plain_data_is_that_on_others(cls):
    X, y = data()
    y = (y > 0).astype(int)
    net = cls((4,), max_iter=2, tol=0.0, n_iter_no_change=3, learning_rate="cosine", random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    first = net.fit(frame, y)
    expected = [coef.copy() for coef in first.coefs_]
    assert list(net.feature_names_in_) == ["a", "b", "c"]
    net.fit(X, y)
    assert not hasattr(net, "feature_names_in_")
    assert net.n_features_in_ == 3
    for coef, other in zip(net.coefs_, expected, strict=True):
        np.testing.assert_array_equal(coef, other)


def test_a_seed_gives_the_numbers_of_scikit_learns_generator():
    for seed in (0, 7, 2**32 - 1, np.int64(7), np.random.RandomState(3)):
        again = np.random.RandomState(3) if isinstance(seed, np.random.RandomState) else seed
        ours, theirs = generator_of(seed), check_random_state(again)
        ours.normal()  # leaves a second number for the next call, which no new seed may meet
        theirs.normal()
        np.testing.assert_array_equal(ours.uniform(size=5), theirs.uniform(size=5))
    np.testing.assert_array_equal(generator_of(7).normal(size=3), np.random.RandomState(7).normal(size=3))
    assert generator_of(None) is check_random_state(None)


def test_threads_do_not_share_a_generator():
    def draw(seed):
        generator = generator_of(seed)
        return [generator.uniform() for _ in range(2000)]

    with ThreadPoolExecutor(4) as pool:
        for seed, numbers in enumerate(pool.map(draw, range(16))):
            np.testing.assert_array_equal(numbers, np.random.RandomState(seed).uniform(size=2000))


@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_a_specification_is_made_once_for_the_same_parameters(number):
    """A grid of NumPy's numbers as well."""
    nets = [MLPRegressor((4,), alpha=number(0.5)) for _ in range(2)]
    first, second = (make_spec(net, UNITS, "squared_error") for net in nets)
    assert first is second
    changed = make_spec(nets[0].set_params(alpha=0.25), UNITS, "squared_error")
    assert changed is not first
    np.testing.assert_array_equal(changed.penalties[:, COEF_L2], [0.25, 0.25])
    assert make_spec(nets[1], (2, 4, 1), "squared_error").layer_units == (2, 4, 1)
    assert make_spec(nets[1], UNITS, "absolute_error").loss == "absolute_error"


def test_a_list_that_changes_is_read_again():
    alphas = [0.5, 0.25]
    net = MLPRegressor((4,), alpha=alphas)
    before = make_spec(net, UNITS, "squared_error").penalties.copy()
    alphas[1] = 0.125
    after = make_spec(net, UNITS, "squared_error").penalties
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1] * 2, before[1])


class Named(MLPRegressor):
    """A subclass that hands its parameters on; only its own are those of its signature."""

    def __init__(self, extra=1, **others):
        super().__init__(**others)
        self.extra = extra


class Chooses(MLPRegressor):
    """A subclass with fewer parameters, which sets one itself."""

    def __init__(self, hidden_layer_sizes=()):
        super().__init__(hidden_layer_sizes, solver="lbfgs")

    def fit(self, X, y):
        self.alpha = 10.0
        return super().fit(X, y)


def test_subclasses_with_another_signature_are_what_their_attributes_say():
    X, y = data()
    expected = MLPRegressor((), solver="lbfgs", alpha=10.0).fit(X, y).coefs_[0]
    named = Named(hidden_layer_sizes=(), solver="lbfgs", alpha=10.0)
    np.testing.assert_array_equal(named._fit(X, y, None, (None, None, None), incremental=False).coefs_[0], expected)
    np.testing.assert_array_equal(Chooses().fit(X, y).coefs_[0], expected)


@pytest.mark.parametrize(("plain", "refused"), [(1, True), ((1.0, 1.0), (1.0, True))])
def test_equal_parameters_of_other_types_are_judged_apart(plain, refused):
    make_spec(MLPRegressor((4,), max_norm=plain), UNITS, "squared_error")
    with pytest.raises(ValueError, match="max_norm"):
        make_spec(MLPRegressor((4,), max_norm=refused), UNITS, "squared_error")
