"""Weights of the samples that weights of classes mean."""

from numbers import Real

import numpy as np


def check_class_weight(class_weight):
    """Refuse a number that is no weight."""
    for weights in class_weight if isinstance(class_weight, list) else [class_weight]:
        for label, weight in weights.items() if isinstance(weights, dict) else ():
            if not isinstance(weight, Real) or not 0 <= weight < np.inf:
                raise ValueError(
                    f"class_weight must be a finite number >= 0 for each class, got {weight!r} for {label!r}."
                )


def weights_by_class(class_weight, classes, y, sample_weight):
    """Weight of each row of one target, by its class.

    Parameters
    ----------
    class_weight : dict or 'balanced'
        Classes that are not in the dict have weight 1.
    classes : ndarray of shape (n_classes,)
        All that there may be, ascending; `y` may lack some.
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        Counted by 'balanced', so that a weight of 2 is the row twice there too, and one of 0 no row.

    Returns
    -------
    weights : ndarray of shape (n_samples,)
    """
    if isinstance(class_weight, list):
        raise ValueError("class_weight must be a dict or 'balanced'; a list of dicts is for multilabel targets.")
    codes = np.searchsorted(classes, y)
    if class_weight == "balanced":
        return _balanced(codes, len(classes), sample_weight)[codes]
    has_weight = [label in class_weight for label in classes]
    if not all(has_weight) and sum(has_weight) < len(class_weight):
        unknown = [label for label in class_weight if label not in classes]
        raise ValueError(f"class_weight has weights for {unknown}, but the classes are {classes.tolist()}.")
    return np.array([class_weight.get(label, 1.0) for label in classes])[codes]


def _balanced(codes, n_classes, sample_weight):
    totals = _sums_by_class(codes, n_classes, sample_weight)
    is_there = totals > 0
    weights = np.zeros(n_classes)
    weights[is_there] = totals.sum() / (is_there.sum() * totals[is_there])
    return weights


def _sums_by_class(codes, n_classes, sample_weight):
    """To the last bit the same for any order of the rows: weights are added by size."""
    if sample_weight is not None:
        order = np.lexsort((sample_weight, codes))
        codes, sample_weight = codes[order], sample_weight[order]
    return np.bincount(codes, sample_weight, n_classes)


def weights_by_labels(class_weight, Y, sample_weight):
    """The same for multilabel targets: the product over the labels, each of which has classes 0 and 1."""
    if isinstance(class_weight, dict):
        raise ValueError("class_weight must be 'balanced' or a list of dicts, one for each label, got one dict.")
    each = class_weight if isinstance(class_weight, list) else [class_weight] * Y.shape[1]
    if len(each) != Y.shape[1]:
        raise ValueError(f"class_weight has {len(each)} entries, but y has {Y.shape[1]} labels.")
    classes = np.arange(2)
    return np.prod([weights_by_class(one, classes, y, sample_weight) for one, y in zip(each, Y.T, strict=True)], axis=0)
