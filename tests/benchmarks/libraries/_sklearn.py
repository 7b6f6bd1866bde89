"""Training with scikit-learn, which has no dropout."""

from sklearn.neural_network import MLPClassifier, MLPRegressor

from ._estimator import parameters


def make_fit(workload, dtype):
    if workload.dropout:
        return None
    X, y = workload.data(dtype)
    network = (MLPClassifier if workload.n_classes else MLPRegressor)(**parameters(workload))
    return lambda: network.fit(X, y)
