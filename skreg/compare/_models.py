"""What a model of the comparison is: an estimator, and how its parameters are tuned."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GridSearchCV

DUMMY, LINEAR, BOOSTING, NETWORK = "dummy", "linear", "boosting", "network"


class Setting(NamedTuple):
    """What the parameters of a model may depend on besides the data."""

    n_rows: int
    seed: int
    budget: object
    inner_cv: object
    scoring: str


def nothing(setting):
    """No parameters."""
    return {}


@dataclass(frozen=True)
class Model:
    """One row of the comparison.

    Attributes
    ----------
    name : str
        As shown in the table.
    family : str
        'dummy', 'linear', 'boosting' or 'network'.
    path : str
        Where to import the estimator from.
    fixed : callable
        Given a `Setting`, the parameters that are not tuned.
    space : callable or None
        Given a `Setting`, the grid of parameters that are tuned by :class:`GridSearchCV`.
    own_search : callable or None
        Given a `Setting`, an unfitted estimator that tunes itself along a path of penalties.
    tuned_names : tuple of str
        The parameters that `own_search` chooses.
    takes_sparse : bool
        Whether it can be fitted to sparse inputs.
    """

    name: str
    family: str
    path: str
    fixed: Callable = nothing
    space: Callable | None = None
    own_search: Callable | None = None
    tuned_names: tuple = ()
    takes_sparse: bool = True

    def estimator(self, setting, **tuned):
        """Unfitted estimator with the fixed and the given parameters."""
        module, _, name = self.path.rpartition(".")
        estimator_class = getattr(import_module(module), name)
        return estimator_class(**self.fixed(setting), **tuned)

    def tune(self, X, y, setting):
        """Parameters chosen by cross-validation on preprocessed data.

        Parameters
        ----------
        X, y : array-like
            Encoded inputs and, for regression, a scaled target.
        setting : Setting

        Returns
        -------
        dict
            Parameters for :meth:`estimator`.
        """
        if self.own_search is not None:
            search = self.own_search(setting).fit(X, y)
            chosen = {name: getattr(search, f"{name}_") for name in self.tuned_names}
        elif self.space is not None:
            search = GridSearchCV(
                self.estimator(setting),
                self.space(setting),
                scoring=setting.scoring,
                cv=setting.inner_cv,
                refit=False,
            )
            chosen = search.fit(X, y).best_params_
        else:
            chosen = {}
        return {name: _rounded(value) for name, value in chosen.items()}


def _rounded(value):
    """A float with three digits, as the report shows it; other values as they are."""
    is_float = np.asarray(value).dtype.kind == "f"
    return float(f"{np.asarray(value).item():.3g}") if is_float else value
