"""Learning rates over the steps of a fit.

'constant', 'invscaling' and 'adaptive' are scikit-learn's. The others are functions of the share of the
schedule that is over, and need all of it.

- cosine: Loshchilov & Hutter (2017), arXiv:1608.03983, equation 5.
- one_cycle: Smith & Topin (2018), arXiv:1708.07120, with the smooth ramps of Howard & Gugger (2020),
  arXiv:2002.04688.
- log_cosine: Holzmüller, Grinsztajn & Steinwart (2024), arXiv:2407.04491, "coslog4".
- warm-up: Goyal et al. (2017), arXiv:1706.02677, section 2.2.
"""

import numpy as np

_FIRST_OF_CYCLE, _RISING_SHARE = 1 / 25, 0.3  # of one_cycle: the rate it starts from, how long it rises


def _ramp(done, start, end):
    """From start to end along half a cosine, while `done` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * done))


def cosine(done, end):
    return _ramp(done, 1.0, end)


def one_cycle(done, end):
    rising = _ramp(done / _RISING_SHARE, _FIRST_OF_CYCLE, 1.0)
    return np.where(done < _RISING_SHARE, rising, _ramp((done - _RISING_SHARE) / (1 - _RISING_SHARE), 1.0, end))


def log_cosine(done, end):
    """Four cosines, each twice as long as the one before, from and to the last rate."""
    return end + (1 - end) * 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * done)))


SHAPES = {"cosine": cosine, "one_cycle": one_cycle, "log_cosine": log_cosine}


class LearningRate:
    """The learning rates of the steps to come, and what becomes of them at the end of an epoch and on a plateau.

    Parameters
    ----------
    kind : {'constant', 'invscaling', 'adaptive'} or a name of `SHAPES`
    initial : float
        The largest rate.
    power_t : float
        Exponent of 'invscaling': initial / (number of samples seen + 1) ** power_t.
    end : float
        Rate at the end of a schedule with a shape.
    n_epochs : int
        Length of a schedule with a shape; then it begins anew.
    warmup : float
        Epochs in which the rate rises linearly to what it would be without warm-up.
    """

    SMALLEST_ADAPTIVE = 1e-6

    def __init__(self, kind, initial, power_t=0.5, end=0.0, n_epochs=1, warmup=0.0):
        self.kind, self.initial, self.power_t = kind, initial, power_t
        self.end, self.n_epochs, self.warmup = end, n_epochs, warmup
        self.current = initial

    @property
    def has_shape(self):
        """Whether it has a length, before whose end a plateau says nothing."""
        return self.kind in SHAPES

    @property
    def is_known_ahead(self):
        """Whether it does not depend on what happens at the ends of epochs."""
        return self.kind == "constant" or self.has_shape

    def of_steps(self, epoch, n_epochs, n_steps):
        """The rates of `n_epochs` epochs of `n_steps` steps each, with `epoch` epochs of the schedule before."""
        steps = epoch * n_steps + np.arange(n_epochs * n_steps)
        rates = np.full(len(steps), float(self.current))
        if self.has_shape:
            length = self.n_epochs * n_steps
            rates *= SHAPES[self.kind](steps % length / length, self.end / self.initial)
        if self.warmup > 0:
            rates *= np.minimum(1.0, (steps + 1) / (self.warmup * n_steps))
        return rates

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
