"""Averages of the weights on the way, which are what a fit returns and what is validated.

- swa: the mean of the weights at the ends of the last epochs; Izmailov et al. (2018), arXiv:1803.05407,
  after Polyak & Juditsky (1992), doi:10.1137/0330046.
- ema: an exponential moving average over all steps, divided by the sum of its weights as Adam's moments are.

Training goes on from the weights themselves: they stay in the optimizer's state beside the average.
"""

import numpy as np

from .._network import aligned_empty


class WeightAverage:
    """The average of a fit, kept in its `OptimizerState`.

    The state has the `average` and `iterate` (the weights that training goes on from), both None without
    averaging; `averaging` (what kind, in plain numbers); `averaging_since` (epochs before it); `n_averaged`.
    """

    def __init__(self, options, state, params):
        self._options, self._state = options, state
        if options.averaging is None:
            state.average = state.iterate = None
        elif state.iterate is not None:
            np.copyto(params, state.iterate)
        if state.averaging != self._kind:
            state.averaging, state.averaging_since, state.n_averaged = self._kind, state.n_epochs, 0
        if options.averaging is not None and state.average is None:
            state.average, state.n_averaged = aligned_empty(len(params), params.dtype), 0

    @property
    def _kind(self):
        options = self._options
        if options.averaging is None:
            return ()
        numbers = (options.ema_decay,) if options.averaging == "ema" else (options.averaging_start, self._length)
        return options.averaging, *numbers

    @property
    def _length(self):
        """Epochs of a round."""
        return self._options.schedule_epochs or self._options.max_iter

    def shown(self, params):
        """What a prediction would use now."""
        return self._state.average if self._state.n_averaged > 0 else params

    def rates(self, n_epochs, n_steps):
        """(how far the average goes to the weights after each step to come, number averaged after each epoch)."""
        if self._options.averaging == "ema":
            return self._rates_of_ema(n_epochs, n_steps)
        if self._options.averaging == "swa":
            return self._rates_of_swa(n_epochs, n_steps)
        return np.zeros(n_epochs * n_steps), np.zeros(n_epochs, np.int64)

    def _rates_of_ema(self, n_epochs, n_steps):
        counts = self._state.n_averaged + 1 + np.arange(n_epochs * n_steps)
        decay = self._options.ema_decay
        return (1 - decay) / (1 - decay**counts), np.ascontiguousarray(counts[n_steps - 1 :: n_steps])

    def _rates_of_swa(self, n_epochs, n_steps):
        rates, counts = np.zeros((n_epochs, n_steps)), np.empty(n_epochs, np.int64)
        first = min(self._options.averaging_start * self._length, self._length - 1)
        count = self._state.n_averaged
        for i in range(n_epochs):
            place = (self._state.n_epochs - self._state.averaging_since + i) % self._length
            count = 0 if place == 0 else count
            if place >= first:
                count += 1
                rates[i, -1] = 1 / count
            counts[i] = count
        return rates.ravel(), counts

    def finish(self, params):
        """The weights become the average; what they were is for the next fit."""
        if self._options.averaging is not None:
            self._state.iterate = params.copy()
            np.copyto(params, self.shown(params))
