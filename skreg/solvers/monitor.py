"""What is known of a fit while it runs: curves, the best weights so far, and when to stop."""

from dataclasses import dataclass, field

import numpy as np

from .._evaluate import evaluate


@dataclass
class Validation:
    """Rows that are not trained on.

    dataset : Dataset
    score : callable, raw prediction -> float (accuracy or R^2)
    """

    dataset: object
    score: object

    def measure(self, spec, params):
        """(mean loss + activity penalty, score) at `params`; the score is NaN where predictions are not finite."""
        raw = np.empty((self.dataset.n_samples, spec.layer_units[-1]), params.dtype)
        loss, activity = evaluate(spec, params, self.dataset, raw)
        return self.summary(loss + activity, raw)

    def summary(self, loss, raw):
        """The same of a loss and raw predictions that are known."""
        with np.errstate(over="ignore"):
            score = self.score(raw) if np.isfinite(raw).all() else np.nan
        return float(loss), float(score)


@dataclass
class History:
    """Curves and records that are fitted attributes and go on growing with warm_start and partial_fit."""

    loss_curve: list = field(default_factory=list)
    validation_loss_curve: list | None = None
    validation_scores: list | None = None
    best_loss: float | None = np.inf
    best_validation_score: float | None = None
    no_improvement_count: int = 0

    def snapshot(self):
        """What `restore` needs to forget all that comes after."""
        curves = {name: len(value) for name, value in vars(self).items() if isinstance(value, list)}
        return curves, {name: value for name, value in vars(self).items() if not isinstance(value, list)}

    def forget_best(self):
        """What comes is of another objective: only the curves go on."""
        self.best_loss, self.no_improvement_count = np.inf, 0
        self.best_validation_score = None

    def restore(self, snapshot):
        lengths, rest = snapshot
        for name, length in lengths.items():
            del getattr(self, name)[length:]
        vars(self).update(rest)


# A `Monitor.patience` that nothing exhausts.
ENDLESS = np.inf, 0.0, 0.0, np.inf


class Monitor:
    """Records each epoch in a `History`, keeps the best weights, and counts epochs without progress."""

    def __init__(self, history, *, validation, early_stopping, tol, n_iter_no_change, verbose):
        self.history, self.validation, self.early_stopping = history, validation, early_stopping
        self.tol, self.n_iter_no_change, self.verbose = tol, n_iter_no_change, verbose
        self.best_params = None
        if validation is not None and history.validation_scores is None:
            history.validation_loss_curve, history.validation_scores = [], []
        if early_stopping:
            history.best_loss = None
            if history.best_validation_score is None:
                history.best_validation_score = -np.inf
        elif history.best_loss is None:
            history.best_loss = np.inf

    def begin(self, params):
        """Weights to return to if no epoch is better."""
        if self.early_stopping:
            self.best_params = params.copy()

    @property
    def has_best(self):
        """Whether there are weights of an epoch to return to."""
        return self.early_stopping and self.history.best_validation_score > -np.inf

    def record(self, params, n_iter, loss, penalty, validated):
        """End of an epoch: `loss` is F on the training data, `penalty` its part on weights and biases.

        `validated` is what `Validation.measure` says of the parameters.
        """
        history, (validation_loss, score) = self.history, validated
        self._add_losses(n_iter, [loss])
        history.validation_loss_curve.append(float(validation_loss + penalty))
        history.validation_scores.append(score)
        self._say("Validation score: %f", score)
        if self.early_stopping:
            self._compare_scores(score, params)
        else:
            self._compare_losses([loss])

    def record_losses(self, n_iter, losses):
        """Ends of several epochs, the first of which has the number `n_iter`, without validation data."""
        self._add_losses(n_iter, losses)
        self._compare_losses(losses)

    def _add_losses(self, n_iter, losses):
        self.history.loss_curve += losses
        for number, loss in enumerate(losses, n_iter):
            self._say("Iteration %d, loss = %.8f", number, loss)

    def _compare_scores(self, score, params):
        history = self.history
        # The comparisons are as scikit-learn's: a NaN counts as progress, but never as best.
        worse = score < history.best_validation_score + self.tol
        history.no_improvement_count = history.no_improvement_count + 1 if worse else 0
        if score > history.best_validation_score:
            history.best_validation_score = score
            np.copyto(self.best_params, params)

    def _compare_losses(self, losses):
        history = self.history
        best, count = history.best_loss, history.no_improvement_count
        for loss in losses:
            count = count + 1 if loss > best - self.tol else 0
            best = min(best, loss)
        history.best_loss, history.no_improvement_count = best, count

    def diverged(self, loss):
        """Record an epoch whose objective was not finite."""
        self.history.loss_curve.append(loss)
        if self.validation is not None:
            self.history.validation_loss_curve.append(np.nan)
            self.history.validation_scores.append(float("nan"))

    @property
    def patience(self):
        """(best loss, tol, epochs without progress, how many there may be), as far as the training loss is a reason."""
        history = self.history
        if self.early_stopping:
            return ENDLESS
        return history.best_loss, self.tol, history.no_improvement_count, self.n_iter_no_change

    @property
    def has_stalled(self):
        return self.history.no_improvement_count > self.n_iter_no_change

    def stalled(self, action):
        """Say why progress has stopped and what happens now."""
        what = "Validation score" if self.early_stopping else "Training loss"
        self._say(
            "%s did not improve more than tol=%f for %d consecutive epochs. %s", what, self.tol, self.n_iter_no_change,
            action,
        )  # fmt: skip

    def _say(self, text, *values):
        if self.verbose:
            print(text % values)
