"""The result of a comparison, and its views: table, picture, page, Python."""

from dataclasses import dataclass, field
from pathlib import Path

from ._advice import advise
from ._display import explain, plain_table
from ._judge import ModelResult
from ._records import records
from ._source import MEMORY, Source


@dataclass(repr=False)
class Comparison:
    """What :func:`skreg.compare_models` returns.

    Printed, it shows the table and the advice.

    Attributes
    ----------
    table : DataFrame, or list of dict without pandas
        One row for each model, highest score first.
    best_estimator_ : estimator
        The chosen model with its preprocessing, fitted to all rows.
    best_params_ : dict
        Its parameters, tuned on all rows.
    results : list of ModelResult
        One for each model: scores on each fold, chosen parameters, the test of the difference to
        the best linear model, and the fit to all rows.
    chosen : ModelResult
        The model that the advice names.
    advice : str
        Which model to choose and why, in a sentence.
    task : str
        'regression' or 'classification'.
    task_reason : str
        How the task was decided.
    score_name : str
        The score that decides.
    explanation : list of str
        What the columns of the printed table mean, a sentence each.
    n_folds : int
        Outer folds.
    notes : list of str
        What was left out and what failed, a sentence each.
    warnings : list of str
        The warnings that were silenced while fitting, a sentence for each kind.
    elapsed : float
        Seconds.
    seed : int
        Seed of the folds and the models.
    """

    dataset: object
    scores: object
    results: list[ModelResult]
    ratio: float
    n_folds: int
    seed: int
    quick: bool = False
    elapsed: float = 0.0
    notes: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    source: Source = MEMORY

    def __post_init__(self):
        self.chosen, self.advice = advise(self.results, self.ratio, self.score_name, len(self.dataset.input_names))

    @property
    def task(self):
        return self.dataset.task.kind

    @property
    def task_reason(self):
        return self.dataset.task.reason

    @property
    def score_name(self):
        return self.scores.label

    @property
    def explanation(self):
        """What the columns of the table mean, a sentence each."""
        return list(explain(self))

    @property
    def best_estimator_(self):
        """The chosen model with its preprocessing, fitted to all rows."""
        return self.chosen.estimator

    @property
    def best_params_(self):
        """Parameters of the chosen model, tuned on all rows."""
        return self.chosen.params

    @property
    def table(self):
        """One row for each model, highest score first.

        A DataFrame with the names of the models as index if pandas is installed, else a list of
        dicts.

        - `score` is the mean over the folds of the score that decides, `score_name`, and `score_std`
          its standard deviation.
        - `extra_score` is the mean of a second score, which decides nothing: the root mean squared
          error, in units of the target, or the accuracy.
        - `difference` is to the best linear model, `difference_low` and `difference_high` are the 95 %
          interval, `p_value` is that of the corrected t-test, and `verdict` says it in words.
        - `zero_weights` is the share of the weights that are zero and `inputs_used` the number of
          inputs with an effect, in the fit to all rows; `inputs` is how many there are. NaN for models
          without weights.
        - `fit_time` is that of one fit with the chosen parameters, `tune_time` that of choosing them,
          in seconds, mean over the folds.
        """
        rows = records(self)
        try:
            import pandas as pd
        except ImportError:
            return rows
        return pd.DataFrame(rows).set_index("model")

    def input_names(self, name=None):
        """Names of the inputs that a model uses in the fit to all rows.

        Parameters
        ----------
        name : str or None
            Name of the model; the chosen one by default.

        Returns
        -------
        list of str
            All names for models without weights.
        """
        result = self.chosen if name is None else self.result(name)
        names = self.dataset.input_names
        return names if result.used_inputs is None else [names[i] for i in result.used_inputs]

    def result(self, name):
        """Result of the model of that name."""
        found = {result.name: result for result in self.results}
        if name not in found:
            raise KeyError(f"No model {name!r}; there are {', '.join(found)}.")
        return found[name]

    def code(self, name=None):
        """Python that rebuilds a model, by default the chosen one, from the same data."""
        from ._recipe import recipe

        return recipe(self, self.chosen if name is None else self.result(name))

    def plot(self, ax=None):
        """Draw the scores of the folds and their means, highest first.

        Parameters
        ----------
        ax : matplotlib Axes or None
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from ._plot import plot_scores

        return plot_scores(self, ax)

    def to_html(self, path=None):
        """The report as one self-contained page.

        Parameters
        ----------
        path : str, Path or None
            Where to write it; None to return it only.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ImportError
            If jinja2 or matplotlib is not installed.
        """
        from ._report import render

        page = render(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def __str__(self):
        return f"{plain_table(self)}\n\n{self.advice}"

    def __repr__(self):
        return f"<Comparison of {len(self.results)} models: {self.advice}>"
