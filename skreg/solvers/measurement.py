"""What passes through the network at the end of each epoch: rows to measure the objective on, and validation data."""

import numpy as np

from .._evaluate import BLOCK, Evaluation
from .._network import Workspace

# Of predictions and weights at the ends of epochs that run in one call.
_MOST_BYTES = 8 * 2**20


def rows_to_measure(dataset, seed):
    """The rows on which the objective is measured anew after each epoch, always the same ones.

    Few enough to cost next to nothing, where there are many: of n rows, n / 64, but at least 256.
    """
    weights = dataset.sample_weight
    if weights is not None and dataset.rows is not None:
        weights = weights[dataset.rows]
    candidates = dataset.n_samples if weights is None else np.flatnonzero(weights)
    n_candidates = dataset.n_samples if weights is None else len(candidates)
    n_rows = max(256, dataset.n_samples // 64)
    if n_candidates <= n_rows:
        return dataset.compact()
    rows = np.sort(np.random.default_rng(seed).choice(candidates, n_rows, replace=False))
    return dataset.take(rows, dataset.dtype).with_mean_weight()


class Measurement:
    """Measures a network while the kernel that trains it runs on.

    Without noise, augmentation, validation data or averaging the loss of an epoch is the mean of what the batches met,
    which costs nothing. Otherwise it is measured anew, so that it has no noise and belongs to the same weights as the
    validation loss.

    Attributes
    ----------
    rows : Dataset or None
        What the objective is measured on, where that is done.
    validation : Validation or None
    is_apart : bool
        Whether the kernel must stop after each epoch for it: averages of weights need statistics of batch
        normalisation of their own.
    """

    def __init__(self, spec, rows=None, validation=None, *, is_apart=False, keeps_params=False):
        self._spec, self.rows, self.validation, self.is_apart = spec.without_noise, rows, validation, is_apart
        self._keeps_params = keeps_params and not is_apart
        self._passes = []

    @classmethod
    def of_fit(cls, spec, options, dataset, seed, monitor):
        """What a fit needs."""
        validation, averages = monitor.validation, options.averaging is not None
        if not (spec.has_noise or averages or options.augmentation or validation is not None):
            return cls(spec)
        is_apart = spec.normalization == "batch" and averages and validation is not None
        return cls(
            spec, rows_to_measure(dataset, seed), validation, is_apart=is_apart, keeps_params=monitor.early_stopping
        )

    def begin(self, n_members):
        """Make ready for kernels with so many threads."""
        if self.rows is None or self.is_apart:
            return
        self._passes = [self._pass(self.rows, n_members)]
        if self.validation is not None:
            self._passes.append(self._pass(self.validation.dataset, n_members, self._spec.layer_units[-1]))

    def _pass(self, dataset, n_members, n_columns=0):
        workspace = Workspace(
            self._spec, min(BLOCK, dataset.n_samples), dataset.dtype, dataset.is_sparse, n_members, forward_only=True
        )
        return Evaluation(self._spec, dataset, workspace, n_columns)

    def most_at_once(self, params):
        """Epochs whose results take little memory."""
        n_bytes = params.nbytes if self._keeps_params else 0
        if self.validation is not None:
            n_bytes += self.validation.dataset.n_samples * self._spec.layer_units[-1] * params.itemsize
        return max(1, _MOST_BYTES // max(n_bytes, 1))

    def arguments(self, n_epochs, params):
        """The kernel's: address of the stage, tables, counters, and room for parameters."""
        from ..kernels.evaluation import STAGES
        from ..kernels.stages import NO_ADDRESS

        for a_pass in self._passes:
            a_pass.make_room(n_epochs)
        stage = STAGES["evaluation"].address(params.dtype) if self._passes else NO_ADDRESS
        tables = np.array([a_pass.table for a_pass in self._passes], np.int64).reshape(-1)
        self._kept = np.empty((n_epochs if self._keeps_params else 0, len(params)), params.dtype)
        return stage, tables, np.zeros(n_epochs * len(self._passes), np.int64), self._kept.reshape(-1)

    def shown_after(self, epoch, otherwise):
        """The parameters at the end of one of the last epochs, if they are kept."""
        return self._kept[epoch] if self._keeps_params else otherwise

    def validated_after(self, epoch):
        """(validation loss, score) at the end of one of the last epochs."""
        _, a_pass = self._passes
        loss = a_pass.terms[epoch].sum() / self.validation.dataset.n_samples
        return self.validation.summary(loss, a_pass.prediction[epoch])
