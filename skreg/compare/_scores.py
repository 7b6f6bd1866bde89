"""Which score decides, which score tunes, and which is shown besides."""

from typing import NamedTuple

from sklearn.metrics import accuracy_score, get_scorer, root_mean_squared_error


class Scores(NamedTuple):
    """Names of the scores of a task.

    Attributes
    ----------
    label : str
        The score that decides, as shown; 1 is perfect.
    scorer : str
        The same as one of scikit-learn's scorers.
    tuning : str
        The scorer that parameters are tuned by.
    extra_label : str
        A second score, only shown.
    """

    label: str
    scorer: str
    tuning: str
    extra_label: str

    def measure(self, model, X, y):
        """The deciding and the second score of a fitted model."""
        extra = root_mean_squared_error if self.scorer == "r2" else accuracy_score
        return float(get_scorer(self.scorer)(model, X, y)), float(extra(y, model.predict(X)))


def scores_for(task):
    """Scores of a task.

    Regression is scored by R². Classification is scored by the area under the ROC curve, which
    a model that always names the most frequent class cannot raise above 1/2 and which needs no
    threshold; with more than two classes it is the mean over the classes, each against the
    rest. The parameters are tuned by the squared error and the log loss: both can be computed
    on the smallest folds and go on telling models apart where the area is already 1.
    """
    if task.is_regression:
        return Scores("R²", "r2", "neg_mean_squared_error", "RMSE")
    if task.n_classes == 2:
        return Scores("ROC AUC", "roc_auc", "neg_log_loss", "accuracy")
    return Scores("mean ROC AUC", "roc_auc_ovr", "neg_log_loss", "accuracy")
