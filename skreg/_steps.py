"""What can be refused of the parameters that shape the steps of adam and sgd, and of no other solver."""

from .solvers.schedules import SHAPES

_OF_SGD = ("invscaling", "adaptive")  # scikit-learn's, which other solvers take for 'constant'
LEARNING_RATES = ("constant", *_OF_SGD, *SHAPES)


def learning_rate_of(estimator):
    """The schedule that the solver follows."""
    ignored = estimator.learning_rate in _OF_SGD and estimator.solver != "sgd"
    return "constant" if ignored else estimator.learning_rate


def check_steps(estimator):
    """Refuse what makes no sense together, before any work."""
    if estimator.solver == "lbfgs":
        _refuse_with_lbfgs(estimator)
    if estimator.learning_rate in SHAPES and estimator.learning_rate_end > estimator.learning_rate_init:
        raise ValueError(
            f"learning_rate_end={estimator.learning_rate_end!r} is larger than "
            f"learning_rate_init={estimator.learning_rate_init!r}, the largest rate of "
            f"learning_rate={estimator.learning_rate!r}: make it smaller or equal."
        )


def _refuse_with_lbfgs(estimator):
    neutral = {"warmup": 0.0, "clip_norm": None, "averaging": None}
    if estimator.learning_rate in SHAPES:
        neutral["learning_rate"] = "constant"
    for name, value in neutral.items():
        if getattr(estimator, name) != value:
            raise ValueError(
                f"{name}={getattr(estimator, name)!r} is for steps on mini-batches, but solver='lbfgs' searches the "
                f"length of its steps: use solver='adam' or 'sgd', or set {name}={value!r}."
            )
