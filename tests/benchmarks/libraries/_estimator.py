"""What skreg and scikit-learn have in common."""


def parameters(workload):
    """Parameters of a network that is trained for exactly the epochs of the workload."""
    return {
        "hidden_layer_sizes": workload.hidden,
        "batch_size": workload.batch,
        "max_iter": workload.epochs,
        "tol": 0.0,
        "n_iter_no_change": 10**9,
        "random_state": 0,
    }
