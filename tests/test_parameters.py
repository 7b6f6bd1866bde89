"""Parameters: scikit-learn's where it has them, checked before any work, one number or one for each layer."""

import copy
import inspect
import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn.neural_network
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils._param_validation import InvalidParameterError

import skreg
from skreg import MLPClassifier, MLPRegressor

BOTH = pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
NAN, INF = np.nan, np.inf

# Parameters that take one number or one for each layer, and the number of layers of a net with 2 hidden layers.
BY_LAYER = {
    "alpha": 3,
    "l1_ratio": 3,
    "bias_penalty": 3,
    "bias_l1_ratio": 3,
    "activity_penalty": 2,
    "activity_l1_ratio": 2,
    "dropout": 2,
    "max_norm": 3,
}


def data(n_samples=30):
    """(X, y) with two classes that are also numbers to regress on."""
    X = np.random.default_rng(0).normal(size=(n_samples, 3))
    return X, (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


def quick(cls, **parameters):
    """A small net that trains for a few epochs."""
    return cls(**{"hidden_layer_sizes": (5, 4), "max_iter": 3, "random_state": 0, **parameters})


@pytest.fixture(autouse=True)
def _few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


# The same as scikit-learn's ------------------------------------------------------------------------------------------


@BOTH
def test_every_parameter_of_scikit_learn_has_the_same_default(cls):
    theirs = inspect.signature(getattr(sklearn.neural_network, cls.__name__)).parameters
    ours = inspect.signature(cls).parameters
    assert {name: parameter.default for name, parameter in theirs.items()} == {
        name: ours[name].default for name in theirs
    }


@BOTH
def test_only_layers_and_activation_may_be_positional(cls):
    parameters = inspect.signature(cls).parameters.values()
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == ["hidden_layer_sizes", "activation"]


def test_both_classes_have_the_same_parameters_but_those_of_losses_and_class_weight():
    regressor, classifier = (
        {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items() if name not in own}
        for cls, own in ((MLPRegressor, BAD_OF_REGRESSOR), (MLPClassifier, BAD_OF_CLASSIFIER))
    )
    assert list(regressor.items()) == list(classifier.items())


@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_methods_take_the_arguments_of_scikit_learn_in_their_places(cls, method):
    theirs = inspect.signature(getattr(getattr(sklearn.neural_network, cls.__name__), method))
    ours = inspect.signature(getattr(cls, method))
    n_theirs = len(theirs.parameters)
    assert list(ours.parameters.values())[:n_theirs] == list(theirs.parameters.values())
    assert all(p.kind is p.KEYWORD_ONLY for p in list(ours.parameters.values())[n_theirs:])


def _public(estimator):
    return {name for name in dir(estimator) if not name.startswith("_") and hasattr(estimator, name)}


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_every_public_attribute_and_method_of_scikit_learn_is_there(cls, solver, early_stopping):
    X, y = data()
    parameters = {"solver": solver, "early_stopping": early_stopping, "max_iter": 3, "random_state": 0}
    theirs = getattr(sklearn.neural_network, cls.__name__)(**parameters).fit(X, y)
    ours = cls(**parameters).fit(X, y)
    # `loss` of their classifier is not a parameter and not documented; their regressor's partial_fit is there with
    # lbfgs, but raises when it is called.
    undocumented = {"loss"} if cls is MLPClassifier else {"partial_fit"} if solver == "lbfgs" else set()
    assert _public(theirs) - _public(ours) - undocumented == set()


@BOTH
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_counters_and_shapes_are_those_of_scikit_learn(cls, solver, early_stopping):
    X, y = data()
    parameters = {"solver": solver, "early_stopping": early_stopping, "max_iter": 3, "hidden_layer_sizes": (5, 4)}
    theirs = getattr(sklearn.neural_network, cls.__name__)(**parameters).fit(X, y)
    ours = cls(**parameters).fit(X, y)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("coefs_", "intercepts_"):
        assert [a.shape for a in getattr(ours, name)] == [a.shape for a in getattr(theirs, name)]
    for name in ("loss_curve_", "validation_scores_"):
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name)), name
    for name in ("best_loss_", "best_validation_score_"):
        assert (getattr(ours, name) is None) == (getattr(theirs, name) is None), name


@BOTH
def test_partial_fit_is_not_available_with_lbfgs(cls):
    assert hasattr(cls(), "partial_fit")
    assert hasattr(cls(solver="sgd"), "partial_fit")
    assert not hasattr(cls(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        cls(solver="lbfgs").partial_fit([[0.0]], [0])
    assert "only available for" in str(error.value.__cause__)


@BOTH
@pytest.mark.parametrize("name", ["sample_weight", "X_val", "y_val", "sample_weight_val"])
def test_arguments_of_fit_can_be_routed(cls, name):
    with config_context(enable_metadata_routing=True):
        request = cls().set_fit_request(**{name: True}).get_metadata_routing()
    assert request.fit.requests[name] is True


def test_a_grid_search_routes_weights_through_a_pipeline():
    X, y = data()
    weight = np.arange(len(y), dtype=float)
    with config_context(enable_metadata_routing=True):
        net = quick(MLPRegressor).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        grid = {"mlpregressor__alpha": [0.0, 1.0]}
        scaler = StandardScaler(with_mean=False, with_std=False).set_fit_request(sample_weight=False)
        search = GridSearchCV(make_pipeline(scaler, net), grid, cv=2).fit(X, y, sample_weight=weight)
    alone = clone(search.best_estimator_[-1]).fit(X, y, weight)
    np.testing.assert_array_equal(alone.coefs_[0], search.best_estimator_[-1].coefs_[0])


# Bad values ----------------------------------------------------------------------------------------------------------

STRENGTHS = [-1, NAN, INF, "a", None, 1j, {"a": 1}, [NAN] * 3, [-1, 0, 0], [0, INF, 0], ["a", 0, 0], [None, 0, 0],
             (0.1, "0.2", 0.1), [[1, 1, 1]], [], [1.0], [1] * 4, np.array(NAN), np.array(-1.0), np.float64(-1),
             np.array([0.1, 0.2]), np.ones((1, 3))]  # fmt: skip
SHARES = [*STRENGTHS, 1.5, -1e-9, [0.5, 0.5, 1.5]]
HIDDEN_STRENGTHS = [-1, NAN, INF, "a", None, 1j, {"a": 1}, [NAN] * 2, [-1, 0], [0, INF], ["a", 0], [None, 0], [[1, 1]],
                    [], [1.0], [1] * 3, np.array(NAN), [0.1, [0.1]]]  # fmt: skip
HIDDEN_SHARES = [*HIDDEN_STRENGTHS, 1.5, [0.5, 1.5]]
FLAGS = ["yes", None, 2, NAN, [True]]
COUNTS = [0, -1, 1.5, NAN, INF, "a", None, [1]]
POSITIVE = [0, -1, NAN, INF, "a", None, [0.1]]
NON_NEGATIVE = [-1, NAN, INF, "a", None, [0.1]]
RATES = [-0.1, 1, 1.0, 2, NAN, "a", None, [0.1]]

BAD = {
    "hidden_layer_sizes": [0, -1, 1.5, NAN, "a", "ab", b"ab", None, True, [0], [5, -1], [5.0], [5, "a"], [[5, 5]],
                           [True], [NAN], np.array([5.5]), np.array([[5]]), {"a": 1}, {5, 3}, {5: 1},
                           (5, [3])],
    "activation": ["relu6", "RELU", "", None, 1, ["relu"], ["relu"] * 3, ["relu", "relu6"], ["relu", None], ["relu", 1],
                   [["relu", "relu"]], {"relu": "tanh"}, NAN],
    "solver": ["newton", "LBFGS", None, 1],
    "penalty": ["l3", "none", "", 1, ["l1"], NAN, True, ["l1", "l2", "l3"], [None] * 4, ["l1", 1, "l2"], [["l1"] * 3],
                ["l1", ["l2"], "l1"]],
    "alpha": STRENGTHS,
    "l1_ratio": SHARES,
    "positive": FLAGS,
    "max_norm": [0, -1.0, NAN, INF, "a", 1j, [1.0], [1.0] * 4, [1.0, 0, None], [1, 1, "a"], [1, NAN, 1], [True] * 3,
                 [[1.0] * 3], [1.0, [2.0], 1.0]],
    "weight_decay": NON_NEGATIVE,
    "bias_penalty": STRENGTHS,
    "bias_l1_ratio": SHARES,
    "activity_penalty": HIDDEN_STRENGTHS,
    "activity_l1_ratio": HIDDEN_SHARES,
    "dropout": [*HIDDEN_SHARES, 1, 1.0, [0, 1.0]],
    "input_dropout": RATES,
    "dropout_kind": ["normal", "Gaussian", None, 1, ["alpha"], NAN],
    "input_noise": [-1, NAN, INF, "a", None, 1j, {"a": 1}, [-1, 0, 0], [0, INF, 0], ["a", 0, 0], [None, 0], [[1, 1]],
                    [NAN], [0, [0.1], 0]],
    "batch_norm": FLAGS,
    "layer_norm": FLAGS,
    "batch_size": [*COUNTS, "all"],
    "learning_rate": ["fast", None, 0.1],
    "learning_rate_end": NON_NEGATIVE,
    "schedule_epochs": [0, -1, 1.5, NAN, INF, "a", [1]],
    "warmup": NON_NEGATIVE,
    "clip_norm": [0, -1, NAN, INF, "a", [0.1]],
    "averaging": ["mean", True, 1, NAN, ["swa"]],
    "averaging_start": RATES,
    "ema_decay": RATES,
    "augmentation": ["mix", True, 1, NAN, ["mixup"]],
    "augmentation_strength": POSITIVE,
    "learning_rate_init": POSITIVE,
    "power_t": NON_NEGATIVE,
    "max_iter": COUNTS,
    "shuffle": FLAGS,
    "random_state": ["a", -1, 1.5, NAN, 2**40, [0]],
    "tol": NON_NEGATIVE,
    "verbose": ["a", None, -1, NAN],
    "warm_start": FLAGS,
    "momentum": [-0.1, 1.1, NAN, "a", None],
    "nesterovs_momentum": FLAGS,
    "early_stopping": FLAGS,
    "validation_fraction": RATES,
    "beta_1": RATES,
    "beta_2": RATES,
    "epsilon": POSITIVE,
    "n_iter_no_change": [0, -1, 1.5, NAN, -INF, "a", None],
    "max_fun": COUNTS,
}  # fmt: skip
BAD_OF_REGRESSOR = {
    "loss": ["hinge", "log_loss", None, 1],
    "delta": POSITIVE,
    "quantile": [0, 1, 0.0, 1.0, -0.1, 1.5, NAN, INF, "a", None, [], [0.5, 0.5], [0.9, 0.1], [0.1, 1.0], [0.1, "a"],
                 [0.1, [0.2]], [NAN], [[0.1, 0.9]], (0.1, None), np.array([0.9, 0.1]), {"a": 1}],
    "power": [0.5, 1e-9, 0.999, NAN, INF, -INF, "a", None, [1.5]],
}  # fmt: skip
BAD_OF_CLASSIFIER = {
    "class_weight": ["auto", 1, NAN, ("balanced",)],
    "loss": ["hinge", "squared_error", None, 1],
    "focal_gamma": NON_NEGATIVE,
    "label_smoothing": RATES,
}


def _cases():
    for cls, own in ((MLPRegressor, BAD_OF_REGRESSOR), (MLPClassifier, BAD_OF_CLASSIFIER)):
        for name, values in {**BAD, **own}.items():
            for value in values:
                yield pytest.param(cls, name, value, id=f"{cls.__name__}-{name}={value!r}".replace("\n", ""))


def _refused(estimator, method="fit", *arguments, **keywords):
    """Message of the refusal; the arguments are worse still, so that it must have come before a look at them."""
    before = dict(vars(estimator))
    with pytest.raises(ValueError) as error:
        getattr(estimator, method)(*(arguments or ("no data", None)), **keywords)
    assert vars(estimator).keys() == before.keys(), "the estimator has attributes that it had not before"
    assert all(vars(estimator)[name] is before[name] for name in before)
    return error


@pytest.mark.parametrize(("cls", "name", "value"), list(_cases()))
def test_a_bad_value_is_refused_before_any_work(cls, name, value):
    error = _refused(quick(cls, **{name: value}))
    message = str(error.value)
    assert error.type is InvalidParameterError
    assert name in message
    assert repr(value) in message, "the message does not tell the value"
    assert len(message.replace(repr(value), "")) < 200
    assert any(words in message for words in ("must be", "give one number, or")), "it does not say what is allowed"


@pytest.mark.parametrize("name", [name for cls in (MLPRegressor, MLPClassifier) for name in cls().get_params()])
def test_every_parameter_is_in_the_table(name):
    assert name in BAD or name in BAD_OF_REGRESSOR or name in BAD_OF_CLASSIFIER


@BOTH
@pytest.mark.parametrize("bad", [{"alpha": -1}, {"alpha": [1.0]}, {"hidden_layer_sizes": [0]}])
def test_partial_fit_refuses_bad_values_before_any_work(cls, bad):
    classes = {"classes": [0, 1]} if cls is MLPClassifier else {}
    assert next(iter(bad)) in str(_refused(quick(cls, **bad), "partial_fit", **classes).value)


# A set of parameters of which each is fine, and the words that must be said of them together.
CONTRADICTIONS = {
    "dropout with lbfgs": (
        {"solver": "lbfgs", "dropout": 0.1},
        ["lbfgs", "dropout", "0.1", "needs the same objective at every evaluation", "use solver='adam' or 'sgd'"],
    ),
    "dropout by layer with lbfgs": ({"solver": "lbfgs", "dropout": [0.0, 0.1]}, ["lbfgs", "[0.0, 0.1]"]),
    "input dropout with lbfgs": ({"solver": "lbfgs", "input_dropout": 0.1}, ["lbfgs", "input_dropout=0.1"]),
    "input noise that is none, with lbfgs": (
        {"solver": "lbfgs", "input_noise": [0.1, None]},
        ["input_noise must be", "[0.1, None]"],
    ),
    "input noise with lbfgs": (
        {"solver": "lbfgs", "input_noise": 0.1},
        ["lbfgs", "input_noise=0.1", "needs the same objective at every evaluation", "use solver='adam' or 'sgd'"],
    ),
    "input noise by column with lbfgs": ({"solver": "lbfgs", "input_noise": [0, 0.1]}, ["lbfgs", "[0, 0.1]"]),
    "alpha dropout without selu": (
        {"dropout_kind": "alpha", "dropout": 0.1},
        ["dropout_kind='alpha'", "activation='relu'", "use activation='selu', or dropout_kind='bernoulli'"],
    ),
    "alpha dropout with selu elsewhere": (
        {"dropout_kind": "alpha", "dropout": [0.0, 0.1], "activation": ["selu", "relu"]},
        ["dropout_kind='alpha'", "['selu', 'relu']"],
    ),
    "dropout without hidden layers": (
        {"hidden_layer_sizes": (), "dropout": 0.1},
        ["dropout=0.1", "hidden_layer_sizes is empty", "use input_dropout, or set dropout=0"],
    ),
    "activity penalty without hidden layers": (
        {"hidden_layer_sizes": (), "activity_penalty": 0.1},
        ["activity_penalty=0.1", "hidden_layer_sizes is empty", "set activity_penalty=0"],
    ),
    "dropout of a layer that is not there": (
        {"hidden_layer_sizes": (), "dropout": [0.1]},
        ["dropout", "[0.1]", "0 hidden layers"],
    ),
    "a schedule with lbfgs": (
        {"solver": "lbfgs", "learning_rate": "cosine"},
        ["learning_rate='cosine'", "solver='lbfgs'", "use solver='adam' or 'sgd', or set learning_rate='constant'"],
    ),
    "warm-up with lbfgs": ({"solver": "lbfgs", "warmup": 2}, ["warmup=2", "solver='lbfgs'", "set warmup=0.0"]),
    "clipping with lbfgs": (
        {"solver": "lbfgs", "clip_norm": 1.0},
        ["clip_norm=1.0", "solver='lbfgs'", "set clip_norm=None"],
    ),
    "averaging with lbfgs": (
        {"solver": "lbfgs", "averaging": "swa"},
        ["averaging='swa'", "solver='lbfgs'", "set averaging=None"],
    ),
    "augmentation with lbfgs": (
        {"solver": "lbfgs", "augmentation": "mixup"},
        ["lbfgs", "augmentation='mixup'", "use solver='adam' or 'sgd', or set augmentation=None"],
    ),
    "a cut of everything": (
        {"augmentation": "cutout", "augmentation_strength": 1.0},
        ["augmentation_strength=1.0", "augmentation='cutout'", "must be smaller than 1"],
    ),
    "a schedule that would rise at its end": (
        {"learning_rate": "cosine", "learning_rate_end": 0.1},
        ["learning_rate_end=0.1", "learning_rate_init=0.001", "make it smaller or equal"],
    ),
    "max_norm with lbfgs": (
        {"solver": "lbfgs", "max_norm": [None, 1.0, None]},
        ["lbfgs", "max_norm=[None, 1.0, None]", "use solver='adam' or 'sgd', or set max_norm=None"],
    ),
    "weight_decay with lbfgs": (
        {"solver": "lbfgs", "weight_decay": 0.1},
        ["lbfgs", "weight_decay=0.1", "no part of the objective", "use penalty='l2'"],
    ),
    "weight_decay that changes signs": (
        {"weight_decay": 10.0, "learning_rate_init": 0.1},
        ["weight_decay=10.0", "learning_rate_init=0.1", "weight_decay * learning_rate_init must be < 1"],
    ),
    "both normalisations": (
        {"batch_norm": True, "layer_norm": True},
        ["batch_norm=True and layer_norm=True exclude each other", "set one of them to False"],
    ),
    "batch norm with lbfgs": (
        {"solver": "lbfgs", "batch_norm": True},
        ["solver='lbfgs'", "batch_norm=True", "use solver='adam' or 'sgd', or layer_norm=True"],
    ),
    "batch norm without hidden layers": (
        {"hidden_layer_sizes": (), "batch_norm": True},
        ["batch_norm=True needs a hidden layer", "hidden_layer_sizes is empty", "set batch_norm=False"],
    ),
    "layer norm without hidden layers": (
        {"hidden_layer_sizes": (), "layer_norm": True},
        ["layer_norm=True needs a hidden layer", "hidden_layer_sizes is empty", "set layer_norm=False"],
    ),
    "layer norm of one unit": (
        {"hidden_layer_sizes": (5, 1), "layer_norm": True},
        ["layer_norm=True needs at least 2 units", "got hidden_layer_sizes=(5, 1)", "set layer_norm=False"],
    ),
    "early stopping without validation data": (
        {"early_stopping": True, "validation_fraction": 0.0},
        ["early_stopping=True", "X_val", "validation_fraction > 0"],
    ),
}


@BOTH
@pytest.mark.parametrize(("parameters", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_refused_before_any_work(cls, parameters, words):
    message = str(_refused(quick(cls, **parameters)).value)
    assert [word for word in words if word not in message] == []


@BOTH
@pytest.mark.parametrize("given", [("X_val",), ("y_val",), ("sample_weight_val",), ("X_val", "sample_weight_val")])
def test_validation_data_must_be_complete(cls, given):
    error = _refused(quick(cls), **dict.fromkeys(given, [[0.0]]))
    assert "X_val and y_val must be given together" in str(error.value)


@BOTH
def test_partial_fit_with_early_stopping_needs_validation_data(cls):
    X, y = data()
    classes = {"classes": [0, 1]} if cls is MLPClassifier else {}
    error = _refused(quick(cls, early_stopping=True), "partial_fit", X, y, **classes)
    assert "partial_fit does not support early_stopping=True" in str(error.value)
    assert "give X_val and y_val" in str(error.value)


def test_partial_fit_refuses_balanced_class_weights():
    X, y = data()
    error = _refused(quick(MLPClassifier, class_weight="balanced"), "partial_fit", X, y, classes=[0, 1])
    assert "class_weight='balanced' is not supported by partial_fit" in str(error.value)
    assert "compute_class_weight" in str(error.value)


# Good values ---------------------------------------------------------------------------------------------------------

GOOD = {
    "hidden_layer_sizes": [3, np.int64(3), (), [], (3,), [3, 2], np.array([3, 2]), range(2, 4)],
    "activation": ["identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
                   "softplus", ["gelu", "relu"], ("selu", "selu"), np.array(["elu", "tanh"])],
    "solver": ["adam", "sgd", "lbfgs"],
    "penalty": ["l1", "l2", "elasticnet", "group_lasso", "sparse_group_lasso", None, ["group_lasso", None, "l1"],
                np.array(["l2", "sparse_group_lasso", "elasticnet"])],
    "positive": [True, np.True_],
    "max_norm": [1, 0.5, 1e-3, [None, 1.0, 2], np.array([1.0, 0.1, 3.0]), (1, np.float32(2), None), [None] * 3],
    "weight_decay": [0, 0.1, 999.0],
    "alpha": [0, 0.0, 1, 10.0, np.float32(0.1), [0, 0.1, 1], np.zeros(3)],
    "l1_ratio": [0, 1, 0.5, (0.0, 0.5, 1.0)],
    "bias_penalty": [0, 1, 0.1],
    "bias_l1_ratio": [0, 1],
    "activity_penalty": [0, 1, (0.1, 0.0)],
    "activity_l1_ratio": [0, 1],
    "dropout": [0, 0.999, np.nextafter(1.0, 0.0), [0.0, 0.5]],
    "input_dropout": [0, 0.5],
    "dropout_kind": ["bernoulli", "batchwise", "gaussian", "alpha"],
    "input_noise": [0, 0.0, 1, np.float32(0.1), [0, 0.5, 2], (0, 0, 0), np.ones(3)],
    "batch_norm": [True, np.True_],
    "layer_norm": [True, np.True_],
    "batch_size": [1, 7, 30, np.int32(4), "auto"],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "clip_norm": [None, 1, 1e-300, 1e300],
    "averaging": [None, "swa", "ema"],
    "averaging_start": [0, np.nextafter(1.0, 0.0)],
    "ema_decay": [0, np.nextafter(1.0, 0.0)],
    "augmentation": [None, "mixup", "cutmix", "cutout"],
    "augmentation_strength": [1e-3, 1, 1e3],
    "power_t": [0, 1.0],
    "learning_rate_end": [0, 1.0],
    "schedule_epochs": [None, 1, np.int64(2)],
    "max_iter": [1, np.int64(2)],
    "shuffle": [False, np.True_],
    "random_state": [None, 2**32 - 1, np.random.RandomState(0)],
    "tol": [0, 0.0],
    "verbose": [False],
    "momentum": [0, 1],
    "beta_1": [0],
    "beta_2": [0],
    "n_iter_no_change": [1, INF],
    "max_fun": [1],
}  # fmt: skip


@BOTH
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_a_value_at_the_border_is_accepted(cls, name, value):
    X, y = data()
    estimator = quick(cls, **{name: value}).fit(X, y)
    assert np.isfinite(estimator.loss_)
    assert getattr(estimator, name) is value, "fit must not change parameters"


def _weights(estimator):
    return np.concatenate([a.ravel() for a in (*estimator.coefs_, *estimator.intercepts_)])


@BOTH
@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize(("name", "n_layers"), BY_LAYER.items())
def test_one_number_is_the_same_as_that_number_for_each_layer(cls, name, n_layers, kind):
    X, y = data()
    common = {"penalty": "elasticnet", "alpha": 0.1, "bias_penalty": 0.1, "activity_penalty": 0.1}
    one = quick(cls, **{**common, name: 0.3}).fit(X, y)
    many = quick(cls, **{**common, name: kind([0.3] * n_layers)}).fit(X, y)
    none = quick(cls, **{**common, name: None if name == "max_norm" else 0.0}).fit(X, y)
    np.testing.assert_array_equal(_weights(one), _weights(many))
    assert not np.array_equal(_weights(one), _weights(none)), "the parameter does nothing"


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_an_entry_of_alpha_acts_on_its_own_layer(layer, solver):
    X, y = data()
    alpha = np.where(np.arange(3) == layer, 1e4, 0.0)
    net = quick(MLPRegressor, solver=solver, penalty="l1", alpha=alpha, max_iter=50, tol=0.0).fit(X, y)
    assert [not coef.any() for coef in net.coefs_] == [i == layer for i in range(3)]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_an_entry_of_max_norm_acts_on_its_own_layer(layer):
    X, y = data()
    net = quick(MLPRegressor, max_norm=[1e-3 if i == layer else None for i in range(3)]).fit(X, y)
    assert [np.linalg.norm(coef, axis=0).max() <= 1e-3 for coef in net.coefs_] == [i == layer for i in range(3)]


def test_grid_search_over_entries_for_each_layer():
    X, y = data()
    grid = {"penalty": ["l1", ["group_lasso", None, "l2"]], "max_norm": [None, [1.0, None, 2.0]]}
    search = GridSearchCV(quick(MLPClassifier), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_an_entry_of_bias_penalty_acts_on_its_own_layer(layer):
    X, y = data()
    strength = np.where(np.arange(3) == layer, 1e4, 0.0)
    net = quick(MLPRegressor, bias_penalty=strength, bias_l1_ratio=1.0, max_iter=50).fit(X, y)
    assert [not intercept.any() for intercept in net.intercepts_] == [i == layer for i in range(3)]


@pytest.mark.parametrize("layer", [0, 1])
def test_an_entry_of_activity_penalty_acts_on_its_own_layer(layer):
    X, y = data()
    strength = np.where(np.arange(2) == layer, 1e3, 0.0)
    net = quick(MLPRegressor, activity_penalty=strength, max_iter=500, learning_rate_init=0.01).fit(X, y)
    first = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    second = np.maximum(first @ net.coefs_[1] + net.intercepts_[1], 0)
    assert (np.abs((first, second)[layer]).mean()) < 0.05
    if layer == 1:
        assert np.abs(first).mean() > 0.05


def test_penalty_none_is_alpha_zero_whatever_alpha():
    X, y = data()
    none, zero = quick(MLPRegressor, penalty=None, alpha=10.0), quick(MLPRegressor, alpha=0.0)
    np.testing.assert_array_equal(_weights(none.fit(X, y)), _weights(zero.fit(X, y)))


@pytest.mark.parametrize(("penalty", "l1_ratio"), [("l1", 1.0), ("l2", 0.0)])
def test_l1_and_l2_are_the_ends_of_the_elastic_net(penalty, l1_ratio):
    X, y = data()
    named = quick(MLPRegressor, penalty=penalty, alpha=0.01, l1_ratio=0.3).fit(X, y)
    elastic = quick(MLPRegressor, penalty="elasticnet", alpha=0.01, l1_ratio=l1_ratio).fit(X, y)
    np.testing.assert_array_equal(_weights(named), _weights(elastic))


# An estimator among estimators ---------------------------------------------------------------------------------------


def test_grid_search_over_a_pipeline_in_two_processes():
    X, y = load_diabetes(return_X_y=True)
    pipe = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            (64, 32), penalty="elasticnet", alpha=0.01, l1_ratio=0.7, dropout=[0.2, 0.1], activity_penalty=1e-4,
            random_state=0, max_iter=20,
        ),
    )  # fmt: skip
    grid = {"mlpregressor__penalty": ["l1", "l2"], "mlpregressor__alpha": np.logspace(-4, 0, 9)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(pipe, grid, n_jobs=2, cv=3).fit(X, y)
        again = clone(pipe).set_params(**search.best_params_).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["mlpregressor__penalty"] in ("l1", "l2")
    # The processes of joblib and this one give the same bits.
    np.testing.assert_array_equal(search.predict(X), again.predict(X))


def _grid_in_threads(net, X, y):
    with joblib.parallel_config("threading", n_jobs=2):
        return GridSearchCV(net, {"alpha": [0.0, 1.0]}, cv=2).fit(X, y).cv_results_["mean_test_score"]


AMONG_OTHERS = {
    "stacking": lambda net, X, y: StackingClassifier([("a", net), ("b", clone(net))]).fit(X, y).predict(X),
    "one against the rest": lambda net, X, y: OneVsRestClassifier(net).fit(X, np.arange(len(y)) % 3).predict(X),
    "calibration": lambda net, X, y: CalibratedClassifierCV(net, cv=2).fit(X, y).predict_proba(X),
    "curve by partial_fit": lambda net, X, y: learning_curve(net, X, y, cv=2, exploit_incremental_learning=True)[1],
    "grid in threads": _grid_in_threads,
    "permutation importance": lambda net, X, y: permutation_importance(net.fit(X, y), X, y).importances_mean,
    "selection of inputs": lambda net, X, y: SelectFromModel(
        net, importance_getter=lambda fitted: np.abs(fitted.coefs_[0]).sum(axis=1)
    ).fit_transform(X, y),
}


@pytest.mark.parametrize("use", AMONG_OTHERS.values(), ids=AMONG_OTHERS)
def test_an_estimator_works_within_those_of_scikit_learn(use):
    X, y = data()
    assert np.isfinite(use(quick(MLPClassifier), X, y)).all()


def _equal(a, b):
    """Whether two parameters are equal, arrays and nan included."""
    return type(a) is type(b) and np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))


@BOTH
def test_clone_and_set_params_keep_every_parameter(cls):
    other = {"hidden_layer_sizes": [5, 4], "alpha": np.array([1e-3, 1e-2, 0.1]), "dropout": (0.1, 0.2), "max_iter": 3}
    estimator = cls(**other)
    copied = clone(estimator)
    assert all(_equal(value, copied.get_params()[name]) for name, value in estimator.get_params().items())
    default = cls().set_params(**other)
    assert all(_equal(value, default.get_params()[name]) for name, value in estimator.get_params().items())
    assert vars(copied).keys() == copied.get_params().keys()


@BOTH
def test_a_fitted_estimator_clones_to_an_unfitted_one(cls):
    fitted = quick(cls).fit(*data())
    assert vars(clone(fitted)).keys() == fitted.get_params().keys()


@BOTH
def test_unknown_parameters_are_named(cls):
    with pytest.raises(ValueError, match="Invalid parameter 'l2_ratio'"):
        cls().set_params(l2_ratio=0.5)


@BOTH
def test_repr_shows_what_differs_from_the_defaults(cls):
    text = repr(cls((5,), alpha=[0.1, 0.2], penalty="l1"))
    assert text.replace("\n", "").replace(" ", "") == (
        f"{cls.__name__}(alpha=[0.1,0.2],hidden_layer_sizes=(5,),penalty='l1')"
    )


@BOTH
@pytest.mark.parametrize("fitted", [False, True])
def test_html_shows_every_parameter(cls, fitted):
    estimator = quick(cls, alpha=np.array([0.1, 0.2, 0.3]))
    if fitted:
        estimator.fit(*data())
    html = estimator_html_repr(make_pipeline(StandardScaler(), estimator))
    assert cls.__name__ in html
    assert [name for name in estimator.get_params() if name not in html] == []


@BOTH
def test_set_output_of_a_pipeline_reaches_the_network(cls):
    X, y = data()
    pandas = pytest.importorskip("pandas")
    pipe = make_pipeline(StandardScaler(), quick(cls)).set_output(transform="pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    pipe.fit(frame, y)
    assert list(pipe[-1].feature_names_in_) == ["a", "b", "c"]
    assert pipe.predict(frame).shape == (len(y),)


def _through_joblib(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = {
    "pickle": lambda e: pickle.loads(pickle.dumps(e)),
    "pickle protocol 2": lambda e: pickle.loads(pickle.dumps(e, protocol=2)),
    "deepcopy": copy.deepcopy,
    "joblib": _through_joblib,
}


@BOTH
@pytest.mark.parametrize("copier", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_copy_predicts_the_same_and_goes_on_training_the_same(cls, solver, copier):
    X, y = data()
    net = quick(cls, solver=solver, warm_start=True).fit(X, y, X_val=X, y_val=y)
    same = copier(net)
    np.testing.assert_array_equal(same.predict(X), net.predict(X))
    net.fit(X, y, X_val=X, y_val=y)
    assert not np.array_equal(_weights(net), _weights(same)), "copy and original share their weights"
    same.fit(X, y, X_val=X, y_val=y)
    np.testing.assert_array_equal(_weights(same), _weights(net))
    assert same.loss_curve_ == net.loss_curve_
    assert same.validation_scores_ == net.validation_scores_


@BOTH
def test_a_network_whose_weights_are_mapped_read_only_predicts_and_trains(cls, tmp_path):
    """joblib.load(mmap_mode="r") is how large estimators reach worker processes."""
    X, y = data()
    net = quick(cls).fit(X, y)
    joblib.dump(net, tmp_path / "net")
    mapped = joblib.load(tmp_path / "net", mmap_mode="r")
    assert isinstance(mapped.coefs_[0], np.memmap)
    np.testing.assert_array_equal(mapped.predict(X), net.predict(X))
    np.testing.assert_array_equal(_weights(mapped.partial_fit(X, y)), _weights(net.partial_fit(X, y)))


@BOTH
def test_the_state_is_arrays_and_plain_python(cls):
    """What skops and other safe formats can load without trusting code of ours."""
    net = quick(cls, early_stopping=True).fit(*data())

    def plain(value):
        if isinstance(value, dict):
            return all(map(plain, value)) and all(map(plain, value.values()))
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return value is None or isinstance(value, bool | int | float | str | np.ndarray | np.generic)

    assert [name for name, value in vars(net).items() if not plain(value)] == []


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (7,)},
        {"hidden_layer_sizes": (500, 500, 500)},
        {"activation": "tanh"},
        {"alpha": [1.0]},
        {"dropout": 0.5, "solver": "lbfgs"},
        {"penalty": "nonsense"},
        {"batch_norm": True},
        {"layer_norm": True},
    ],
    ids=repr,
)
def test_set_params_does_not_change_predictions_before_the_next_fit(cls, change):
    X, y = data()
    net = quick(cls).fit(X, y)
    before = net.predict(X)
    np.testing.assert_array_equal(net.set_params(**change).predict(X), before)


def test_set_params_of_the_loss_does_not_change_predictions_before_the_next_fit():
    X, y = data()
    net = quick(MLPRegressor, loss="poisson").fit(X, y)
    before = net.predict(X)
    np.testing.assert_array_equal(net.set_params(loss="squared_error").predict(X), before)


@BOTH
def test_the_weights_may_be_replaced_by_hand(cls):
    """As in scikit-learn, prediction looks at coefs_ and intercepts_ and at nothing hidden."""
    X, y = data()
    net = quick(cls).fit(X, y)
    net.coefs_ = [np.zeros_like(coef) for coef in net.coefs_]
    net.intercepts_ = [np.zeros_like(intercept) for intercept in net.intercepts_]
    assert len(np.unique(net.predict(X))) == 1


def test_the_public_names_are_the_documented_ones():
    assert set(skreg.__all__) >= {"MLPClassifier", "MLPRegressor", "DivergenceError", "Objective", "__version__"}
    assert all(hasattr(skreg, name) for name in skreg.__all__)


def test_what_has_been_checked_says_nothing_of_other_types():
    """Plain values are checked once; 1, 1.0 and True are equal, but not alike."""
    X, y = np.eye(4), np.arange(4.0)
    for _ in range(2):
        MLPRegressor((2,), max_iter=1, batch_size=1).fit(X, y)
        for wrong in ({"max_iter": 1.0}, {"batch_size": 1.0}, {"shuffle": 1}, {"alpha": "1"}):
            with pytest.raises(InvalidParameterError):
                MLPRegressor((2,), **{"max_iter": 1, "batch_size": 1} | wrong).fit(X, y)
