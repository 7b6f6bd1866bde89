"""The networks that are trained, and random data for them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A network, the size of its data, and for how long it is trained.

    `n_classes` is 0 for regression on `n_targets` targets.
    """

    n_rows: int
    n_features: int
    hidden: tuple
    batch: int
    epochs: int
    n_targets: int = 1
    n_classes: int = 0
    dropout: float = 0.0

    @property
    def units(self):
        return self.n_features, *self.hidden, self.n_classes or self.n_targets

    def __str__(self):
        targets = "1 target" if self.n_targets == 1 else f"{self.n_targets} targets"
        output = f"{self.n_classes} classes" if self.n_classes else targets
        dropout = f", dropout {self.dropout}" if self.dropout else ""
        return (
            f"{self.n_rows} x {self.n_features}, {self.hidden}, batch {self.batch}, {self.epochs} epochs, "
            f"{output}{dropout}"
        )

    def operations(self):
        """Multiplications and additions of all matrix products; the first layer needs no gradient of its inputs."""
        products = [fan_in * fan_out * (3 if i else 2) for i, (fan_in, fan_out) in enumerate(pairwise(self.units))]
        return 2 * self.epochs * self.n_rows * sum(products)

    def data(self, dtype):
        """X, and y of a shape that every library takes."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_rows, self.n_features)).astype(dtype)
        signal = X @ rng.standard_normal((self.n_features, self.n_classes or self.n_targets)).astype(dtype)
        if self.n_classes:
            return X, signal.argmax(axis=1)
        y = np.tanh(signal / np.sqrt(self.n_features)).astype(dtype)
        return X, y.ravel() if self.n_targets == 1 else y


WORKLOADS = {
    "tiny": Workload(442, 10, (32,), 32, 100),
    "tab": Workload(20000, 8, (100,), 200, 10),
    "tab2": Workload(20000, 64, (128, 128), 128, 5),
    "tab2drop": Workload(20000, 64, (128, 128), 128, 5, dropout=0.3),
    "img": Workload(20000, 784, (256, 128), 128, 2, n_classes=10),
    "imgdrop": Workload(20000, 784, (256, 128), 128, 2, n_classes=10, dropout=0.5),
    "wide": Workload(8192, 512, (1024, 1024), 512, 2),
    "odd": Workload(5000, 13, (50,), 17, 5, n_targets=3),
    "odd2": Workload(10000, 77, (300, 77), 1000, 5, n_classes=26),
    "single": Workload(2000, 50, (13,), 1, 2),
    "deep": Workload(5000, 31, (33,) * 6, 100, 5, n_targets=2),
    "broad": Workload(500, 5000, (7,), 50, 5, n_classes=3),
}
