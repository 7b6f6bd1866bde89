"""Ready distributions of parameters for randomised searches."""

from dataclasses import dataclass

from scipy import stats

from ._compat import InvalidParameterError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, uniform or uniform in their logarithm; or 0 with probability `off`.

    It is a distribution as scikit-learn's searches take them.
    """

    low: float
    high: float
    log: bool = False
    off: float = 0.0

    def rvs(self, size=None, random_state=None):
        """Draw numbers, as the distributions of scipy.stats do."""
        kind = stats.loguniform(self.low, self.high) if self.log else stats.uniform(self.low, self.high - self.low)
        numbers = kind.rvs(size=size, random_state=random_state)
        if self.off == 0:
            return numbers
        return numbers * (stats.uniform().rvs(size=size, random_state=random_state) >= self.off)


_LIGHT = {
    "hidden_layer_sizes": [(32,), (64,), (128,), (256,), (64, 64)],
    "alpha": Range(1e-4, 0.3, log=True),
    "learning_rate": ["cosine"],
    "learning_rate_init": Range(1e-3, 1e-2, log=True),
    "max_iter": [100, 300],
}
_STANDARD = _LIGHT | {
    "penalty": ["l2", "l1", "elasticnet", "group_lasso"],
    "activation": ["relu", "tanh", "silu"],
    "dropout": Range(0.1, 0.6, off=0.5),
    "input_dropout": Range(0.02, 0.3, off=0.6),
    "batch_size": ["auto", 32],
}
_COCKTAIL = _STANDARD | {
    "weight_decay": Range(1e-4, 0.3, log=True, off=0.6),
    "max_norm": [None, None, 1.0, 3.0],
    "activity_penalty": Range(1e-5, 1e-2, log=True, off=0.7),
    "layer_norm": [False, False, True],
    "averaging": [None, None, "swa", "ema"],
}
_COCKTAIL_OF_DENSE = {
    "input_noise": Range(0.05, 0.5, off=0.6),
    "augmentation": [None, None, "mixup", "cutmix", "cutout"],
    "augmentation_strength": Range(0.1, 0.5),
}
_COCKTAIL_OF_CLASSIFIER = {"label_smoothing": Range(0.02, 0.2, off=0.5)}
_SPACES = {"light": _LIGHT, "standard": _STANDARD, "cocktail": _COCKTAIL}


def _one_of(name, value, allowed):
    if value not in allowed:
        raise InvalidParameterError(f"{name} must be one of {list(allowed)}, got {value!r}.")


def search_space(kind, level="standard", *, sparse=False, prefix="", library="sklearn"):
    """Distributions of parameters that a randomised search may draw from, each combination being allowed.

    For inputs of mean 0 and variance 1 and, in regression, a target of variance 1: put a StandardScaler before the
    network and a TransformedTargetRegressor around it.

    Parameters
    ----------
    kind : {'regressor', 'classifier'}
        Of MLPRegressor or of MLPClassifier.

    level : {'light', 'standard', 'cocktail'}, default='standard'
        How many parameters: 'light' has sizes, the strength of an l2 penalty, and the learning rate; 'standard'
        also the kind of the penalty, activation and dropout; 'cocktail' [1]_ also noise, augmentation,
        constraints, normalisation and averaging. Each holds the ones before. The more there are, the more draws
        they need: some 20, 50 and 100.

    sparse : bool, default=False
        Whether X is sparse; noise and augmentation, which would fill it, are then left out.

    prefix : str, default=''
        Put before each name, as ``'mlpregressor__'`` for a pipeline.

    library : {'sklearn', 'optuna'}, default='sklearn'
        'sklearn' is for RandomizedSearchCV and HalvingRandomSearchCV; 'optuna' gives Optuna's distributions, for
        OptunaSearchCV, and needs that package. There a number that may be 0 for scikit-learn starts near 0, and
        tuples of sizes are one of Optuna's categories.

    Returns
    -------
    space : dict
        Distributions or lists of values by name.

    Raises
    ------
    InvalidParameterError
        A ValueError: another kind, level or library.
    ImportError
        Optuna is asked for and not installed.

    References
    ----------
    .. [1] Kadra, Lindauer, Hutter & Grabocka (2021), "Well-tuned simple nets excel on tabular datasets",
       :arxiv:`2106.11189`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from skreg import MLPRegressor, search_space
    >>> X, y = load_diabetes(return_X_y=True)
    >>> space = search_space("regressor", "light")
    >>> sorted(space)
    ['alpha', 'hidden_layer_sizes', 'learning_rate', 'learning_rate_init', 'max_iter']
    >>> search = RandomizedSearchCV(MLPRegressor(random_state=0), space, n_iter=2, cv=2, random_state=0)
    >>> search.fit(X, y).best_params_["learning_rate"]
    'cosine'
    """
    _one_of("kind", kind, ("regressor", "classifier"))
    _one_of("level", level, _SPACES)
    _one_of("library", library, ("sklearn", "optuna"))
    space = dict(_SPACES[level])
    if level == "cocktail":
        space |= {} if sparse else _COCKTAIL_OF_DENSE
        space |= _COCKTAIL_OF_CLASSIFIER if kind == "classifier" else {}
    space = {prefix + name: values for name, values in space.items()}
    return space if library == "sklearn" else {name: _for_optuna(values) for name, values in space.items()}


def _for_optuna(values):
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution
    except ImportError as error:
        raise ImportError("library='optuna' needs the package optuna: pip install optuna.") from error
    if isinstance(values, Range):
        low = 0.0 if values.off and not values.log else values.low
        return FloatDistribution(low, values.high, log=values.log)
    return CategoricalDistribution(list(dict.fromkeys(values)))
