"""Errors and warnings of skreg."""


def divergence_message(epoch, learning_rate, parameter, kept):
    """What has happened, `kept` being what the estimator holds now, and what to do."""
    rate = "" if learning_rate is None else f" with learning rate {learning_rate:g}"
    advice = "" if learning_rate is None else f" or choose a smaller {parameter}"
    return (
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed. Training diverged in epoch {epoch}{rate}; {kept}. Scale the inputs and the target{advice}."
    )


class DivergenceError(ValueError):
    """Training left the finite numbers; the estimator holds the weights of the last finite epoch.

    Attributes
    ----------
    epoch : int
        Epoch (or L-BFGS iteration), counted from 1, at which the objective was no longer finite.
    learning_rate : float or None
        Learning rate in that epoch; None for ``solver="lbfgs"``, which has none.
    parameter : str, default='learning_rate_init'
        The estimator's parameter that it comes from.
    """

    def __init__(self, epoch, learning_rate, parameter="learning_rate_init"):
        self.epoch, self.learning_rate, self.parameter = epoch, learning_rate, parameter
        kept = "the weights of the last finite epoch were kept"
        super().__init__(divergence_message(epoch, learning_rate, parameter, kept))

    def __reduce__(self):
        return type(self), (self.epoch, self.learning_rate, self.parameter)
