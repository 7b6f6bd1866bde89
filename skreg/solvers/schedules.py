"""Learning rates over the epochs, as scikit-learn's SGD optimizer has them."""


class LearningRate:
    """The current learning rate, and what becomes of it at the end of an epoch and on a plateau.

    Parameters
    ----------
    kind : {'constant', 'invscaling', 'adaptive'}
    initial : float
    power_t : float
        Exponent of 'invscaling': initial / (number of samples seen + 1) ** power_t.
    """

    SMALLEST_ADAPTIVE = 1e-6

    def __init__(self, kind, initial, power_t):
        self.kind, self.initial, self.power_t = kind, initial, power_t
        self.current = initial

    @property
    def is_constant(self):
        """Whether it changes at no end of an epoch, and a plateau ends the training."""
        return self.kind == "constant"

    def end_epoch(self, n_samples_seen):
        if self.kind == "invscaling":
            self.current = self.initial / (n_samples_seen + 1) ** self.power_t

    def plateau(self):
        """Called when progress has stopped. Returns what to do, as a sentence, and whether to stop."""
        if self.kind != "adaptive":
            return "Stopping.", True
        if self.current <= self.SMALLEST_ADAPTIVE:
            return "Learning rate too small. Stopping.", True
        self.current /= 5.0
        return f"Setting learning rate to {self.current:f}", False
