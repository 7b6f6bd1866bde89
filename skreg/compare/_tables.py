"""The models that are compared, as data; regression and classification differ only here."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import ElasticNetCV, LassoCV, LogisticRegressionCV

from ._models import BOOSTING, DUMMY, LINEAR, NETWORK, Model


class Budget(NamedTuple):
    """How much is tried.

    `alphas` and `network_alphas` are strengths of a penalty on the mean loss of a scaled target,
    which mean the same for any number of rows. `n_updates` is how often the weights of a network
    are updated in one fit.
    """

    n_folds: int
    n_inner_folds: int
    alphas: tuple
    network_alphas: tuple
    l1_ratios: tuple
    network_l1_ratios: tuple
    dropouts: tuple
    hidden_layer_sizes: tuple
    max_leaf_nodes: tuple
    n_trees: tuple
    n_updates: int


FULL = Budget(
    n_folds=5,
    n_inner_folds=3,
    alphas=tuple(np.logspace(-4, 0.5, 10)),
    network_alphas=(0.0001, 0.001, 0.003, 0.01, 0.03, 0.1),
    l1_ratios=(0.2, 0.5, 0.8),
    network_l1_ratios=(0.3, 0.7),
    dropouts=(0.1, 0.3),
    hidden_layer_sizes=((32,), (64, 32)),
    max_leaf_nodes=(4, 16),
    n_trees=(30, 100, 300),
    n_updates=2000,
)
QUICK = FULL._replace(
    n_folds=3,
    network_alphas=(0.0003, 0.003, 0.03, 0.1),
    l1_ratios=(0.5,),
    network_l1_ratios=(0.5,),
    dropouts=(0.2,),
    hidden_layer_sizes=((32,),),
    n_trees=(50, 200),
    n_updates=1000,
)


def budget_for(quick):
    """Budget of a quick or a full run."""
    return QUICK if quick else FULL


# -- linear models ---------------------------------------------------------------------------


def ridge_space(setting):
    # Ridge penalises the sum of the losses, not their mean.
    return {"alpha": [setting.n_rows * alpha for alpha in setting.budget.alphas]}


def lasso_path(setting):
    return LassoCV(cv=setting.inner_cv, max_iter=10_000)


def elastic_net_path(setting):
    ratios = [*setting.budget.l1_ratios, 0.95]
    return ElasticNetCV(l1_ratio=ratios, alphas=50, cv=setting.inner_cv, max_iter=10_000)


def logistic_path(setting, l1_ratios=(0.0,), **solver):
    return LogisticRegressionCV(
        Cs=[1 / (setting.n_rows * alpha) for alpha in setting.budget.alphas[::-1]],
        l1_ratios=l1_ratios,
        cv=setting.inner_cv,
        scoring=setting.scoring,
        use_legacy_attributes=False,
        random_state=setting.seed,
        **solver,
    )


# Only saga knows both penalties. Its last digits cost most of the time and do not change which
# strength is chosen, so that the tolerance is loose while tuning.
LOOSE = {"solver": "saga", "tol": 1e-3, "max_iter": 200}


def logistic_l1_path(setting):
    return logistic_path(setting, l1_ratios=(1.0,), **LOOSE)


def logistic_elastic_net_path(setting):
    return logistic_path(setting, l1_ratios=setting.budget.l1_ratios, **LOOSE)


def logistic_l2(setting):
    return {"max_iter": 1000}


def logistic_saga(setting):
    return {"solver": "saga", "tol": 3e-4, "max_iter": 1000, "random_state": setting.seed}


def logistic_l1(setting):
    return {"l1_ratio": 1.0, **logistic_saga(setting)}


# -- boosting ---------------------------------------------------------------------------------


def boosting(setting):
    return {"early_stopping": False, "random_state": setting.seed}


def boosting_space(setting):
    return {
        "max_iter": list(setting.budget.n_trees),
        "max_leaf_nodes": list(setting.budget.max_leaf_nodes),
    }


# -- networks ---------------------------------------------------------------------------------


def network(setting):
    """Parameters of all networks; the number of updates does not depend on the rows."""
    batch_size = int(np.clip(setting.n_rows // 8, 16, 200))
    n_batches = -(-setting.n_rows // batch_size)
    return {
        "batch_size": batch_size,
        "learning_rate_init": 0.005,
        "max_iter": int(np.clip(setting.budget.n_updates // n_batches, 10, 500)),
        "random_state": setting.seed,
    }


def network_l1(setting):
    return {"penalty": "l1", **network(setting)}


def network_elastic_net(setting):
    return {"penalty": "elasticnet", **network(setting)}


def network_space(setting):
    return {
        "alpha": list(setting.budget.network_alphas),
        "hidden_layer_sizes": list(setting.budget.hidden_layer_sizes),
    }


def elastic_net_space(setting):
    return {"l1_ratio": list(setting.budget.network_l1_ratios), **network_space(setting)}


def dropout_space(setting):
    return {"dropout": list(setting.budget.dropouts), **network_space(setting)}


def networks(path):
    """The four networks, of the class at `path`."""
    return (
        Model("Network l2", NETWORK, path, network, network_space),
        Model("Network l1", NETWORK, path, network_l1, network_space),
        Model("Network elastic net", NETWORK, path, network_elastic_net, elastic_net_space),
        Model("Network dropout", NETWORK, path, network, dropout_space),
    )


# -- tables -----------------------------------------------------------------------------------

SK = "sklearn."
LOGISTIC = SK + "linear_model.LogisticRegression"

REGRESSION = (
    Model("Mean (dummy)", DUMMY, SK + "dummy.DummyRegressor"),
    Model("Ridge", LINEAR, SK + "linear_model.Ridge", space=ridge_space),
    Model(
        "Lasso",
        LINEAR,
        SK + "linear_model.Lasso",
        own_search=lasso_path,
        tuned_names=("alpha",),
    ),
    Model(
        "ElasticNet",
        LINEAR,
        SK + "linear_model.ElasticNet",
        own_search=elastic_net_path,
        tuned_names=("alpha", "l1_ratio"),
    ),
    Model(
        "HistGradientBoosting",
        BOOSTING,
        SK + "ensemble.HistGradientBoostingRegressor",
        boosting,
        boosting_space,
        takes_sparse=False,
    ),
    *networks("skreg.MLPRegressor"),
)

CLASSIFICATION = (
    Model("Class shares (dummy)", DUMMY, SK + "dummy.DummyClassifier"),
    Model(
        "Logistic l2",
        LINEAR,
        LOGISTIC,
        logistic_l2,
        own_search=logistic_path,
        tuned_names=("C",),
    ),
    Model(
        "Logistic l1",
        LINEAR,
        LOGISTIC,
        logistic_l1,
        own_search=logistic_l1_path,
        tuned_names=("C",),
    ),
    Model(
        "Logistic elastic net",
        LINEAR,
        LOGISTIC,
        logistic_saga,
        own_search=logistic_elastic_net_path,
        tuned_names=("C", "l1_ratio"),
    ),
    Model(
        "HistGradientBoosting",
        BOOSTING,
        SK + "ensemble.HistGradientBoostingClassifier",
        boosting,
        boosting_space,
        takes_sparse=False,
    ),
    *networks("skreg.MLPClassifier"),
)


def models_for(task, is_sparse):
    """Models that can be compared on a task, and a note on those that cannot."""
    table = REGRESSION if task.is_regression else CLASSIFICATION
    usable = tuple(model for model in table if model.takes_sparse or not is_sparse)
    left_out = [model.name for model in table if model not in usable]
    notes = [f"Left out {name}: it takes no sparse inputs." for name in left_out]
    return usable, notes
