"""Dropout is the regulariser that theory says it is, its masks are random, and it stays out of everything else."""

import numpy as np
import pytest
from scipy import sparse, stats

from skreg import MLPClassifier, MLPRegressor

from . import reference
from .conftest import GRADIENT_RATES, RATES, KernelRun, draw_data, draw_network, draw_params, relative_error

pytestmark = pytest.mark.filterwarnings("error", "ignore:Stochastic Optimizer")

# A false alarm of a statistical test below would have to be this unlikely; all seeds are fixed.
SMALLEST_P = 1e-6

# The linear model's closed form ----------------------------------------------------------------------------------


def draw_regression():
    """Correlated columns of different scales, so that dropout turns the solution and not only shrinks it."""
    rng = np.random.RandomState(0)
    X = (rng.randn(40, 5) + rng.randn(40, 1)) * [0.5, 1.0, 1.5, 1.0, 0.7]
    y = X @ [2.0, -1.0, 1.0, 0.0, 0.5] + rng.randn(40) + 3
    return X, y


def marginal_solution(X, y, rate, alpha=0.0):
    """(coef, intercept) that minimise the expectation over all masks.

    The noise of a mask adds p / (1 - p) sum_ij (x_ij w_j)^2 to the squares; the intercept is not dropped.
    """
    design = np.column_stack([X, np.ones(len(X))])
    noise = rate / (1 - rate) * (X**2).sum(axis=0) + len(X) * alpha
    solution = np.linalg.solve(design.T @ design + np.diag([*noise, 0.0]), design.T @ y)
    return solution[:-1], solution[-1]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_input_dropout_on_a_linear_model_reaches_its_closed_form(form, rate, alpha, solver):
    """Every row is there 500 times, each with a mask of its own, so that one epoch is near the expectation."""
    X, y = draw_regression()
    many_X, many_y = np.tile(X, (500, 1)), np.tile(y, 500)
    model = MLPRegressor(
        (), solver=solver, alpha=alpha, input_dropout=rate, batch_size=2000, random_state=1, tol=0.0, max_iter=30,
        n_iter_no_change=np.inf, learning_rate_init={"adam": 0.02, "sgd": 0.03}[solver], warm_start=True,
    )  # fmt: skip
    model.fit(form(many_X), many_y)
    model.set_params(max_iter=1)
    tail = []
    for _ in range(30):
        model.fit(form(many_X), many_y)
        tail.append(np.append(model.coefs_[0], model.intercepts_[0]))
    expected = np.append(*marginal_solution(X, y, rate, alpha))
    assert relative_error([np.mean(tail, axis=0)], [expected]) < 0.01
    without = np.append(*marginal_solution(X, y, 0.0, alpha))
    assert relative_error([without], [expected]) > 0.1  # the test can tell them apart


def test_marginal_solution_is_that_of_the_formula():
    """(X'X + p / (1 - p) diag(X'X)) w = X'y on centred data, and the mean of explicit masks."""
    X, y = draw_regression()
    X, y = X - X.mean(axis=0), y - y.mean()
    gram = X.T @ X
    coef, intercept = marginal_solution(X, y, 0.4)
    np.testing.assert_allclose((gram + 0.4 / 0.6 * np.diag(np.diag(gram))) @ coef, X.T @ y, rtol=1e-10)
    np.testing.assert_allclose(intercept, 0.0, atol=1e-12)


# One mask's effect on the forward pass ---------------------------------------------------------------------------


def draw_predictions(rates, n_steps, *, activation="identity", n_rows=1):
    """Masked raw predictions of the same row at many steps, and the clean one; read off the intercept's gradient."""
    network = draw_network(activation, "one target", (5, 3), dropout=True)
    network.dropout = rates
    for strengths in (network.alpha, network.beta, network.gamma):
        strengths[:] = [0.0] * len(strengths)
    coefs, intercepts = draw_params((4, 5, 3, 1))
    X = np.tile([[0.7, -1.1, 0.4, 1.3]], (n_rows, 1))
    run = KernelRun(network, coefs, intercepts, X, np.zeros((n_rows, 1)), None, optimizer="adam",
                    rates=GRADIENT_RATES, batch_size=n_rows, seed=5)  # fmt: skip
    predictions = np.empty(n_steps)
    for step in range(n_steps):
        run.train_epoch()
        predictions[step] = run.gradient[-1]
    return predictions, reference.forward(network, coefs, intercepts, X[:1])[1], coefs, network


LAYERS = {"input": [0.3, 0.0, 0.0], "first hidden": [0.0, 0.4, 0.0], "second hidden": [0.0, 0.0, 0.5],
          "all": [0.3, 0.4, 0.5]}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_masked_predictions_of_a_linear_network_have_the_clean_one_as_mean(layer):
    predictions, sums, _, _ = draw_predictions(LAYERS[layer], 20_000)
    standard_error = predictions.std() / np.sqrt(len(predictions))
    assert predictions.std() > 0.1
    assert abs(predictions.mean() - sums[-1][0, 0]) < 4.5 * standard_error


def test_masked_predictions_have_the_variance_of_dropout():
    """p / (1 - p) sum_j (w_j a_j)^2, with any activation: the mask is on the activations, before the weights."""
    for activation in reference.ACTIVATIONS:
        predictions, sums, coefs, network = draw_predictions([0.0, 0.0, 0.5], 20_000, activation=activation)
        activations = reference.hidden_activations(network, sums)[-1][0]
        expected = 0.5 / 0.5 * ((activations * coefs[-1][:, 0]) ** 2).sum()
        np.testing.assert_allclose(predictions.var(), expected, rtol=0.05)
        np.testing.assert_allclose(predictions.mean(), sums[-1][0, 0], atol=4.5 * np.sqrt(expected / 20_000))


# The masks -------------------------------------------------------------------------------------------------------


def read_mask(rate, *, seed=0, step=0, layer=0, n_rows=64, n_units=64):
    """The kernels' mask of one batch: the gradient of weights from the layer's inputs of 1 to one output a row.

    Layers before have weights 0 and intercepts 1, so that the inputs are 1 whatever was dropped before.
    """
    hidden = (n_units,) * layer
    network = reference.Network(
        "identity", "squared_error", *([0.0] * (layer + 1) for _ in range(4)), [0.0] * layer, [0.0] * layer,
        [0.0] * layer + [rate],
    )  # fmt: skip
    units = (n_units, *hidden, n_rows)
    coefs = [np.zeros(shape) for shape in zip(units[:-1], units[1:], strict=True)]
    intercepts = [np.ones(n) for n in hidden] + [np.zeros(n_rows)]
    X = np.ones((n_rows, n_units))
    run = KernelRun(network, coefs, intercepts, X, -np.eye(n_rows), None, optimizer="adam", shuffled=False,
                    rates=GRADIENT_RATES, batch_size=n_rows, seed=seed)  # fmt: skip
    run.start_at(0, step)
    run.train_epoch()
    start = len(run.gradient) - n_rows - n_units * n_rows
    gradient = run.gradient[start : start + n_units * n_rows].reshape(n_units, n_rows).T
    return gradient * n_rows * (1 - rate)


def read_masks(rate, n_steps, **arguments):
    return np.array([read_mask(rate, step=step, **arguments) for step in range(n_steps)])


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
def test_masks_are_those_of_the_documented_hash(layer, rate):
    for seed, step in ((0, 0), (1, 0), (2**31 - 2, 12345)):
        mask = read_mask(rate, seed=seed, step=step, layer=layer, n_rows=9, n_units=21)
        expected = reference.keep_mask(seed, step, layer, 9, 21, rate)
        np.testing.assert_allclose(mask, expected, atol=1e-12)


def assert_binomial(counts, n, probability):
    """Chi-square test that the counts are independent draws of Binomial(n, probability)."""
    counts = np.ravel(counts)
    statistic = ((counts - n * probability) ** 2).sum() / (n * probability * (1 - probability))
    assert stats.chi2.sf(statistic, len(counts)) > SMALLEST_P
    assert stats.chi2.cdf(statistic, len(counts)) > SMALLEST_P  # nor more even than chance


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05, *np.arange(0.1, 1, 0.1).round(1), 0.95, 0.98, 0.99])
def test_share_of_kept_units(rate):
    """Overall, for each unit, each row and each step."""
    kept = read_masks(rate, 60).round()
    n_steps, n_rows, n_units = kept.shape
    assert_binomial(kept.sum(), kept.size, 1 - rate)
    assert_binomial(kept.sum(axis=(0, 1)), n_steps * n_rows, 1 - rate)
    assert_binomial(kept.sum(axis=(0, 2)), n_steps * n_units, 1 - rate)
    assert_binomial(kept.sum(axis=(1, 2)), n_rows * n_units, 1 - rate)


def assert_uncorrelated(kept, rate):
    """Columns of `kept` (draws x variables): no pair is kept together more or less often than chance."""
    centred = (kept - (1 - rate)) / np.sqrt(rate * (1 - rate))
    z = centred.T @ centred / np.sqrt(len(centred))
    pairs = z[np.triu_indices(len(z), 1)]
    assert np.abs(pairs).max() < stats.norm.isf(SMALLEST_P / len(pairs) / 2)
    statistic = (pairs**2).sum()
    # The pairs are not quite independent: hence a factor on the standard deviation of the sum.
    assert abs(statistic - len(pairs)) < 8 * np.sqrt(2 * len(pairs))


def assert_no_triple_correlated(kept, rate):
    """No three columns of `kept` together more or less often than pairs of them explain."""
    n_draws, n = kept.shape
    centred = (kept - (1 - rate)) / np.sqrt(rate * (1 - rate))
    pairs = np.array(np.triu_indices(n, 1))
    z = (centred[:, pairs[0]] * centred[:, pairs[1]]).T @ centred / np.sqrt(n_draws)
    triples = z[pairs[1][:, None] < np.arange(n)]
    assert len(triples) == n * (n - 1) * (n - 2) / 6
    # Products of three skewed numbers have longer tails than the normal distribution: a little room.
    assert np.abs(triples).max() < 1.2 * stats.norm.isf(SMALLEST_P / len(triples) / 2)
    assert abs((triples**2).mean() - 1) < 0.1


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.5, 0.7, 0.8])
def test_units_rows_and_steps_are_independent(rate):
    """In pairs, and in triples: units enter the hash by a line, on which three points could betray each other."""
    kept = read_masks(rate, 64).round()
    by_unit, by_row, by_step = (kept.transpose(axes).reshape(-1, 64) for axes in ((0, 1, 2), (0, 2, 1), (1, 2, 0)))
    for columns in (by_unit, by_row, by_step):
        assert_uncorrelated(columns, rate)
        assert_no_triple_correlated(columns, rate)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.75])
@pytest.mark.parametrize("gap", [1, 2, 3, 5, 8, 13])
def test_units_at_equal_distances_are_independent(rate, gap):
    """All eight outcomes of units u, u + gap, u + 2 gap, over all rows and steps."""
    kept = read_masks(rate, 64, n_units=63).round().astype(int)
    outcomes = kept[..., : -2 * gap] + 2 * kept[..., gap:-gap] + 4 * kept[..., 2 * gap :]
    found = np.bincount(outcomes.ravel(), minlength=8)
    n_kept = np.array([bin(outcome).count("1") for outcome in range(8)])
    expected = (1 - rate) ** n_kept * rate ** (3 - n_kept) * outcomes.size
    # Triples that share units are not independent of each other, which widens the statistic: at most threefold.
    statistic = ((found - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic / 3, 7) > SMALLEST_P


def test_layers_and_seeds_are_independent():
    by_layer = np.stack([read_mask(0.5, layer=layer).round().ravel() for layer in range(3)], axis=1)
    assert_uncorrelated(by_layer, 0.5)
    by_seed = np.stack([read_mask(0.5, seed=seed).round().ravel() for seed in range(64)], axis=1)
    assert_uncorrelated(by_seed, 0.5)


@pytest.mark.parametrize("shift", [1, 2, 7, 32])
def test_no_mask_is_another_one_shifted(shift):
    """Neighbours in every direction: unit, row, step, layer, seed, and combinations such as step + row."""
    base = read_mask(0.5).round()
    others = {
        "unit": (base[:, shift:], base[:, :-shift]),
        "row": (base[shift:], base[:-shift]),
        "row and unit": (base[shift:, shift:], base[:-shift, :-shift]),
        "row against unit": (base[shift:, :-shift], base[:-shift, shift:]),
        "step for row": (read_mask(0.5, step=shift).round()[:-shift], base[shift:]),
        "seed for step": (read_mask(0.5, seed=shift).round(), read_mask(0.5, step=shift).round()),
        "layer for step": (read_mask(0.5, layer=2).round(), read_mask(0.5, step=2).round()),
    }
    for name, (a, b) in others.items():
        equal = (a == b).sum()
        assert stats.binomtest(int(equal), a.size, 0.5).pvalue > SMALLEST_P, name


def test_the_same_place_has_the_same_mask_whatever_the_shape():
    """A mask is a function of seed, step, layer, row and unit."""
    large, small = read_mask(0.3, n_rows=33, n_units=70), read_mask(0.3, n_rows=5, n_units=16)
    np.testing.assert_allclose(large[:5, :16], small, atol=1e-12)


def test_a_higher_rate_drops_the_same_units_and_more():
    masks = [read_mask(rate).round() for rate in (0.1, 0.3, 0.6)]
    assert (masks[0] >= masks[1]).all() and (masks[1] >= masks[2]).all()


def test_smallest_and_largest_rates():
    assert read_mask(1e-12).round().all()
    assert read_mask(1 - 1e-12).round().sum() == 0


# Where dropout has no business -----------------------------------------------------------------------------------


def fit(cls=MLPRegressor, hidden=(6, 4), n_iter=5, form=np.asarray, **parameters):
    X, y, weights = draw_data("binary", n_rows=50)
    y = y[:, 0]
    defaults = {"random_state": 0, "batch_size": 8, "learning_rate_init": 0.01, "tol": 0.0, "activation": "tanh"}
    return cls(hidden, max_iter=n_iter, **{**defaults, **parameters}).fit(form(X), y, weights), X, y, weights


@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_only_while_training(cls):
    """Predictions, F, the KKT residual and the curve are those of the same weights without dropout."""
    network, X, y, weights = fit(cls, dropout=0.5, input_dropout=0.3)
    measures = [lambda: network.predict(X), lambda: network.score(X, y), lambda: network.objective(X, y, weights),
                lambda: network.kkt_residual(X, y, weights)]  # fmt: skip
    with_dropout = [measure() for measure in measures]
    assert np.array_equal(with_dropout[0], network.predict(X))
    np.testing.assert_allclose(network.loss_curve_[-1], network.objective(X, y, weights).value, rtol=1e-13)
    network.set_params(dropout=0.0, input_dropout=0.0)
    for before, measure in zip(with_dropout, measures, strict=True):
        np.testing.assert_array_equal(before, measure())


def test_it_changes_what_is_learnt():
    plain = fit()[0]
    for parameters in ({"dropout": 0.5}, {"input_dropout": 0.3}, {"dropout": [0.5, 0.0]}, {"dropout": [0.0, 0.5]}):
        assert relative_error(fit(**parameters)[0].coefs_, plain.coefs_) > 1e-2


def test_rates_by_layer():
    np.testing.assert_array_equal(fit(dropout=[0.4, 0.4])[0].coefs_[0], fit(dropout=0.4)[0].coefs_[0])
    assert relative_error(fit(dropout=[0.4, 0.0])[0].coefs_, fit(dropout=[0.0, 0.4])[0].coefs_) > 1e-2


@pytest.mark.parametrize(
    "parameters", [{"dropout": 0.5}, {"input_dropout": 0.4}, {"dropout": 0.3, "input_dropout": 0.2}], ids=str
)
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array])
def test_masks_do_not_depend_on_the_form_of_x(parameters, form):
    dense, in_form = fit(**parameters)[0], fit(form=form, **parameters)[0]
    assert relative_error(in_form.coefs_, dense.coefs_) < 1e-11
    assert relative_error([in_form.loss_curve_], [dense.loss_curve_]) < 1e-11


def test_the_order_of_batches_does_not_depend_on_dropout():
    orders = {}
    for rates in ([0.0, 0.0], [0.5, 0.0], [0.3, 0.6]):
        network = draw_network("tanh", "one target", (5,))
        network.dropout = rates
        X, y, _ = draw_data("one target")
        run = KernelRun(network, *draw_params((4, 5, 1)), X, y, None, optimizer="adam", rates=RATES, batch_size=5,
                        seed=21)  # fmt: skip
        for epoch in range(3):
            run.train_epoch()
            orders.setdefault(epoch, []).append(run.order.copy())
            np.testing.assert_array_equal(run.order, reference.permutation(len(X), 21, epoch))
    for epoch, found in orders.items():
        assert all(np.array_equal(order, found[0]) for order in found), epoch
    assert not np.array_equal(orders[0][0], orders[1][0])


def test_every_order_of_rows_is_as_likely():
    """All 24 orders of 4 rows, over 2,400 epochs."""
    network = draw_network("identity", "one target", ())
    X, y, _ = draw_data("one target", n_rows=4)
    run = KernelRun(network, *draw_params((4, 1)), X, y, None, optimizer="sgd",
                    rates={**RATES, "learning_rate": 0.0}, batch_size=4, seed=8)  # fmt: skip
    counts = {}
    for _ in range(2400):
        run.train_epoch()
        order = tuple(run.order)
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert SMALLEST_P < stats.chisquare(list(counts.values())).pvalue < 1 - SMALLEST_P
