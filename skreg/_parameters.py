"""What values the parameters of both estimators may have, where one value alone can tell."""

from numbers import Integral, Real

import numpy as np

from ._augmentation import KINDS as AUGMENTATIONS
from ._compat import Interval, Options, one_of
from ._spec import DROPOUT_KINDS
from ._steps import LEARNING_RATES
from ._weight_terms import PENALTIES

NON_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="both")
RATE = Interval(Real, 0, 1, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")

CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", COUNT],
    "activation": "no_validation",  # by _spec.py, which names all that there are
    "solver": [one_of("lbfgs", "sgd", "adam")],
    "penalty": [one_of(*filter(None, PENALTIES)), None, "array-like"],
    "alpha": [NON_NEGATIVE, "array-like"],
    "l1_ratio": [SHARE, "array-like"],
    "positive": ["boolean"],
    "max_norm": [POSITIVE, None, "array-like"],
    "weight_decay": [NON_NEGATIVE],
    "bias_penalty": [NON_NEGATIVE, "array-like"],
    "bias_l1_ratio": [SHARE, "array-like"],
    "activity_penalty": [NON_NEGATIVE, "array-like"],
    "activity_l1_ratio": [SHARE, "array-like"],
    "dropout": [RATE, "array-like"],
    "input_dropout": [RATE],
    "dropout_kind": [one_of(*DROPOUT_KINDS)],
    "input_noise": [NON_NEGATIVE, "array-like"],
    "batch_norm": ["boolean"],
    "layer_norm": ["boolean"],
    "batch_size": [one_of("auto"), COUNT],
    "learning_rate": [one_of(*LEARNING_RATES)],
    "learning_rate_init": [POSITIVE],
    "power_t": [NON_NEGATIVE],
    "learning_rate_end": [NON_NEGATIVE],
    "schedule_epochs": [COUNT, None],
    "warmup": [NON_NEGATIVE],
    "clip_norm": [POSITIVE, None],
    "averaging": [one_of("swa", "ema"), None],
    "averaging_start": [RATE],
    "ema_decay": [RATE],
    "augmentation": [one_of(*AUGMENTATIONS), None],
    "augmentation_strength": [POSITIVE],
    "max_iter": [COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NON_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [SHARE],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [RATE],
    "beta_1": [RATE],
    "beta_2": [RATE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [COUNT, Options(Real, {np.inf})],
    "max_fun": [COUNT],
}
