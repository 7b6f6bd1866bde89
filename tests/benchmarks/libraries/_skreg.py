"""Training with skreg."""

from skreg import MLPClassifier, MLPRegressor

from ._estimator import parameters


def make_fit(workload, dtype):
    X, y = workload.data(dtype)
    network = (MLPClassifier if workload.n_classes else MLPRegressor)(**parameters(workload), dropout=workload.dropout)
    return lambda: network.fit(X, y)
