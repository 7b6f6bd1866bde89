"""Ready distributions of parameters for randomised searches."""

from dataclasses import dataclass

from scipy import stats
from sklearn.utils import check_random_state

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
        random_state = check_random_state(random_state)  # one stream for both draws, whatever is given
        kind = stats.loguniform(self.low, self.high) if self.log else stats.uniform(self.low, self.high - self.low)
        numbers = kind.rvs(size=size, random_state=random_state)
        if self.off == 0:
            return numbers
        return numbers * (stats.uniform().rvs(size=size, random_state=random_state) >= self.off)


# For inputs and targets of variance 1, tried on six tables of 97 to 2600 rows with 8 to 1107 inputs. Where a list has
# a value twice it is drawn twice as often.
_LIGHT = {
    # 16 or 32 units are enough for hundreds of rows; more pay with thousands.
    "hidden_layer_sizes": [(16,), (32,), (64,), (128,), (32, 32), (64, 64)],
    # F is a mean over the samples, and a target of variance 1 pulls at a weight with a force below 1: from 0.1 on
    # nearly all weights of a network are zero under l1, and below 0.001 hundreds of rows are learned by heart.
    "alpha": Range(1e-3, 0.1, log=True),
    # A rate that falls to 0 ends at a minimum of F, where zeros are exact. 200 epochs that start at 2 to 20 times
    # Adam's usual rate come near it even where an epoch is one batch: penalties decide, not the number of steps.
    "learning_rate": ["cosine"],
    "learning_rate_init": Range(2e-3, 2e-2, log=True),
    "max_iter": [200],
}
_STANDARD = _LIGHT | {
    # l2 where many inputs count a little; one of those with zeros where few count, or there are more inputs than rows.
    "penalty": ["l2", "l2", "l2", "l1", "elasticnet", "group_lasso"],
    # The smooth ones generalise better from few rows, and tanh bounds what an outlying row does. 'identity' is the
    # linear model: a search that does not try it cannot say that a network pays.
    "activation": ["tanh", "tanh", "silu", "silu", "relu", "identity"],
    "dropout": Range(0.05, 0.5, off=0.4),
    "input_dropout": Range(0.02, 0.25, off=0.5),
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
