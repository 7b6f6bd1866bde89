"""mixup, cutmix and cutout of rows: the naive network's formulas, gradients, distributions and expectations."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from skreg import MLPClassifier, MLPRegressor, _team
from skreg.kernels import augmentation as kernels

from .conftest import (
    GRADIENT_RATES,
    HIDDEN,
    RATES,
    TARGETS,
    KernelRun,
    check_epochs,
    draw_data,
    draw_network,
    draw_params,
)

KINDS = pytest.mark.parametrize("kind", ["mixup", "cutmix", "cutout"])
MIXES = pytest.mark.parametrize("kind", ["mixup", "cutmix"])


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem_of(target, depth="two hidden layers", *, dropout=False, activation="tanh"):
    X, y, weights = draw_data(target)
    coefs, intercepts = draw_params((X.shape[1], *HIDDEN[depth], TARGETS[target][1]))
    return draw_network(activation, target, HIDDEN[depth], dropout=dropout), coefs, intercepts, X, y, weights


def fit(cls, X, y, weights=None, **parameters):
    common = {"hidden_layer_sizes": (5,), "batch_size": 10, "max_iter": 4, "random_state": 0}
    return cls(**common | {"learning_rate_init": 0.02} | parameters).fit(X, y, weights)


def weights_of(net):
    return np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])


# Against the naive network -------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_epochs_of_every_loss(kind, target, weighted):
    """With all penalties, dropout and shuffling; the last of the batches has 1 row."""
    *problem, weights = problem_of(target, dropout=True)
    arguments = dict(optimizer="adam", rates=RATES, batch_size=11, seed=5, augmentation=(kind, 0.4))
    check_epochs(*problem, weights if weighted else None, **arguments)


@KINDS
@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
@pytest.mark.parametrize("depth", HIDDEN)
@pytest.mark.parametrize("strength", [0.05, 0.9])
def test_epochs_of_every_depth(kind, optimizer, depth, strength):
    problem = problem_of("multinomial", depth, activation="relu")
    arguments = dict(optimizer=optimizer, rates=RATES, batch_size=5, seed=5, augmentation=(kind, strength))
    check_epochs(*problem, **arguments)


@KINDS
@pytest.mark.parametrize("target", ["three targets", "multilabel", "multinomial"])
def test_gradients_are_the_slopes_of_the_loss_that_was_met(kind, target):
    """Finite differences of the first epoch's loss and activity, of fourth order."""
    network, coefs, intercepts, X, y, weights = problem_of(target, dropout=True)
    network.alpha, network.beta, network.q = [0.0] * 3, [0.0] * 3, [0.0] * 2

    def run_at(moved, by):
        run = KernelRun(network, coefs, intercepts, X, y, weights, optimizer="adam", rates=GRADIENT_RATES,
                        batch_size=23, seed=2, augmentation=(kind, 0.4))  # fmt: skip
        run.params[moved] += by
        loss, _, _, activity = run.train_epoch()
        return loss + activity, run.gradient.copy()

    _, gradient = run_at(0, 0.0)
    for moved in range(0, len(gradient), 3):
        h = 1e-3
        up, down, far_up, far_down = (run_at(moved, k * h)[0] for k in (1, -1, 2, -2))
        slope = (8 * (up - down) - (far_up - far_down)) / (12 * h)
        np.testing.assert_allclose(gradient[moved], slope, rtol=1e-6, atol=1e-9)


@KINDS
@pytest.mark.parametrize("batch_size", [10, 40])
def test_rows_of_weight_0_are_not_there(kind, batch_size):
    """Whatever stands in them: outliers that are weighted away must not come back in mixed rows."""
    rng = np.random.RandomState(0)
    X, y, weights = rng.randn(40, 3), rng.randn(40), np.where(np.arange(40) % 3 == 1, 0.0, rng.rand(40) + 0.5)
    parameters = dict(augmentation=kind, batch_size=batch_size)
    net = fit(MLPRegressor, X, y, weights, **parameters)
    X[weights == 0], y[weights == 0] = 1e6, -1e6
    np.testing.assert_array_equal(weights_of(fit(MLPRegressor, X, y, weights, **parameters)), weights_of(net))


@MIXES
def test_a_batch_without_weight(kind):
    rng = np.random.RandomState(0)
    weights = np.r_[np.zeros(20), 1.0, np.zeros(9)]
    net = fit(MLPRegressor, rng.randn(30, 3), rng.randn(30), weights, augmentation=kind, shuffle=False)
    assert np.isfinite(weights_of(net)).all()


# Distributions -------------------------------------------------------------------------------------------------------


def mixture_of(kind, strength, n_rows=3000, n_features=1, epochs=1):
    """Partners and shares of one batch that holds all rows in their order, after some epochs."""
    rng = np.random.RandomState(0)
    network, X = draw_network("identity", "one target", ()), rng.randn(n_rows, n_features)
    run = KernelRun(network, [np.zeros((n_features, 1))], [np.zeros(1)], X, rng.randn(n_rows, 1), None,
                    optimizer="sgd", rates=RATES, batch_size=n_rows, seed=4, shuffled=False,
                    augmentation=(kind, strength))  # fmt: skip
    found = []
    for _ in range(epochs):
        run.train_epoch()
        arrays = run._epochs.mixture._arrays
        found.append((arrays[kernels.PARTNERS].copy(), arrays[kernels.SHARES].copy()))
    return found


@pytest.mark.parametrize("a", [0.05, 0.2, 1.0, 4.0, 100.0])
def test_shares_have_the_beta_distribution(a):
    ((_, shares),) = mixture_of("mixup", a)
    low = shares[shares < 0.5]  # above, numbers next to 1 are rounded to it
    assert stats.kstest(low, lambda share: 2 * stats.beta(a, a).cdf(share)).pvalue > 1e-3
    assert stats.binomtest(len(low), len(shares)).pvalue > 1e-3
    assert shares.min() >= 0 and shares.max() <= 1


def test_shares_of_cutmix_are_counts_of_inputs():
    ((_, shares),) = mixture_of("cutmix", 1.0, n_features=4)
    np.testing.assert_array_equal(shares * 4, np.round(shares * 4))
    assert stats.chisquare(np.bincount((4 * shares).astype(int), minlength=5)).pvalue > 1e-3  # uniform over 0..4


@MIXES
def test_each_row_is_the_partner_of_another_one_and_of_others_in_other_steps(kind):
    found = mixture_of(kind, 0.2, n_rows=50, epochs=40)
    distances = set()
    for partners, _ in found:
        assert sorted(partners) == list(range(50))
        assert len(set((partners - np.arange(50)) % 50)) == 1
        distances.add(int(partners[0]))
    assert 0 not in distances and len(distances) > 20


# Expectations --------------------------------------------------------------------------------------------------------


def regression(n=60):
    rng = np.random.RandomState(0)
    X = rng.randn(n, 3) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])
    X -= X.mean(axis=0)
    y = X @ [1.0, -2.0, 0.5] + 0.3 * rng.randn(n)
    return X, y - y.mean()


def mean_solution(X, y, **parameters):
    """Weights of a linear model, averaged over many steps on noisy copies of all rows."""
    net = fit(MLPRegressor, X, y, hidden_layer_sizes=(), solver="sgd", momentum=0.0, alpha=0.0, batch_size=len(X),
              learning_rate_init=0.1, max_iter=6000, averaging="swa", averaging_start=0.1, **parameters)  # fmt: skip
    return net.coefs_[0][:, 0]


def test_cutout_is_input_dropout_without_rescaling():
    """(q^2 X'X + q (1 - q) diag(X'X)) w = q X'y with q = 1 - p: dropout's solution divided by q."""
    X, y = regression()
    p, gram = 0.4, X.T @ X
    dropout = np.linalg.solve(gram + p / (1 - p) * np.diag(np.diag(gram)), X.T @ y)
    found = mean_solution(X, y, augmentation="cutout", augmentation_strength=p)
    np.testing.assert_allclose(found, dropout / (1 - p), rtol=0.02)
    assert np.abs(found - LinearRegression().fit(X, y).coef_).max() > 0.1


def test_mixup_of_a_linear_model_is_least_squares():
    """Centred rows: X'X and X'y shrink by the same factor."""
    X, y = regression()
    found = mean_solution(X, y, augmentation="mixup", augmentation_strength=1.0)
    np.testing.assert_allclose(found, LinearRegression().fit(X, y).coef_, rtol=0.02)


def test_cutmix_of_a_linear_model_takes_correlations_from_the_inputs():
    """Of two inputs, both come from one row in 2/3 of all cases where l is uniform; an input fits y by its share.

    With l ~ U(0, 1), w inputs and m of the others x_i's: E[(m own) / w] by hand, for the cross moments.
    """
    X, y = regression()
    n, p = X.shape
    gram, cross = X.T @ X / n, X.T @ y / n
    both = 2 / 3 - (1 / 3) / (n - 1)  # two inputs of the same row, or of rows that are never the same
    moments = np.where(np.eye(p, dtype=bool), gram, both * gram)
    same = 1 / p + (p - 1) / p * 2 / 3  # expected share of the loss whose target is of the input's own row
    target = (same - (1 - same) / (n - 1)) * cross
    found = mean_solution(X, y, augmentation="cutmix", augmentation_strength=1.0)
    np.testing.assert_allclose(found, np.linalg.solve(moments, target), rtol=0.03, atol=0.01)


# Fits ----------------------------------------------------------------------------------------------------------------


def data(n_rows=45):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] ** 2


@KINDS
@pytest.mark.parametrize("hold", [np.asfortranarray, lambda X: np.repeat(X, 2, axis=1)[:, ::2], pd.DataFrame],
                         ids=["Fortran order", "every second column", "data frame"])  # fmt: skip
def test_wherever_x_lies_in_memory(kind, hold):
    X, y = data()
    found = fit(MLPRegressor, hold(X), y, augmentation=kind)
    np.testing.assert_allclose(weights_of(found), weights_of(fit(MLPRegressor, X, y, augmentation=kind)), rtol=1e-12)


@KINDS
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_same_bits_for_any_number_of_threads(kind, batch_norm, monkeypatch):
    monkeypatch.setattr(_team, "WORTH_A_TEAM", 0)
    X, y = data()
    found = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(_team, "n_cores", lambda n=n_threads: n)
        net = fit(MLPClassifier, X, np.digitize(y, [0, 1]), np.arange(45) % 4, augmentation=kind, batch_size=25,
                  batch_norm=batch_norm)  # fmt: skip
        found.append(weights_of(net))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@KINDS
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_fits_of_one_epoch_are_one_fit(kind, solver):
    X, y = data()
    whole = fit(MLPRegressor, X, y, augmentation=kind, solver=solver)
    parts = fit(MLPRegressor, X, y, augmentation=kind, solver=solver, max_iter=1, warm_start=True)
    for _ in range(2):
        parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    np.testing.assert_array_equal(weights_of(parts.partial_fit(X, y)), weights_of(whole))


@KINDS
def test_early_stopping_and_weights_take_only_the_rows_they_should(kind):
    """Rows that are held out, or of weight 0 beside others, are nobody's partner with any weight."""
    X, y = data()
    weights = np.r_[np.ones(30), np.zeros(15)]
    net = fit(MLPRegressor, X, y, weights, augmentation=kind, early_stopping=True, batch_size=40)
    assert np.isfinite(net.validation_scores_).all() and np.isfinite(net.loss_curve_).all()
    far = X.copy()
    far[30:] = 1e30  # inputs of weight 0 do enter mixed rows, but not those of cutout
    if kind == "cutout":
        np.testing.assert_array_equal(
            weights_of(fit(MLPRegressor, far, y, weights, augmentation=kind)),
            weights_of(fit(MLPRegressor, X, y, weights, augmentation=kind)),
        )


@KINDS
def test_the_curve_is_of_the_rows_as_they_are(kind):
    X, y = data()
    net = fit(MLPRegressor, X, y, augmentation=kind)
    np.testing.assert_allclose(net.loss_, net.objective(X, y).value, rtol=1e-12)


@KINDS
@pytest.mark.parametrize("labels", [lambda y: y > 0.5, lambda y: np.digitize(y, [0, 1]),
                                    lambda y: np.column_stack([y > 0, y > 1])],
                         ids=["binary", "multiclass", "multilabel"])  # fmt: skip
def test_single_precision_is_double_precision_rounded(kind, labels):
    X, y = data()
    X = X.astype(np.float32).astype(float)
    single, double = (fit(MLPClassifier, X.astype(dtype), labels(y), augmentation=kind) for dtype in ("f4", "f8"))
    np.testing.assert_allclose(weights_of(single), weights_of(double), atol=1e-4)


@KINDS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_are_refused(kind, method, form):
    X, y = data()
    with pytest.raises(ValueError, match=f"augmentation='{kind}'.*X is sparse: give X.toarray"):
        getattr(MLPRegressor(augmentation=kind), method)(form(X), y)


@KINDS
def test_a_table_of_sparse_columns_is_refused(kind):
    """scikit-learn makes a sparse matrix of it, whose memory is no row's."""
    X, y = data()
    with pytest.raises(ValueError, match=f"augmentation='{kind}'.*X is sparse"):
        MLPRegressor(augmentation=kind).fit(pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(X)), y)
