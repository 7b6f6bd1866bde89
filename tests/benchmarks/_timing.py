"""Seconds."""

import time


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def best_of(function, repeats):
    """The fastest of several calls, after one that does not count."""
    function()
    return min(seconds(function) for _ in range(repeats))


def best_of_each(functions, repeats):
    """The fastest call of each of several functions, in turn, so that a busy moment of the machine hits all alike."""
    for function in functions:
        function()
    rounds = [[seconds(function) for function in functions] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def best_of_many(function, repeats, at_least=0.02):
    """The same for a call that is too short for the clock: the mean of as many as fill `at_least` seconds."""
    function()
    count = max(1, round(at_least / max(seconds(function), 1e-7)))

    def many():
        for _ in range(count):
            function()

    return best_of(many, repeats) / count
