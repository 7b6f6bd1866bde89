"""The comparison as rows of numbers."""

import numpy as np


def by_score(results):
    """Results with the highest mean first; those without a score last."""
    return sorted(results, key=lambda result: (np.isnan(result.mean), -result.mean))


def records(comparison):
    """One dict for each model, highest score first."""
    n_inputs = len(comparison.dataset.input_names)
    return [_record(result, n_inputs) for result in by_score(comparison.results)]


def _record(result, n_inputs):
    used = result.used_inputs
    return {
        "model": result.name,
        "score": result.mean,
        "score_std": result.std,
        "extra_score": float(np.mean(result.extras)),
        "difference": result.test.mean,
        "difference_low": result.test.low,
        "difference_high": result.test.high,
        "p_value": result.test.p_value,
        "verdict": result.verdict,
        "zero_weights": np.nan if result.zero_share is None else result.zero_share,
        "inputs_used": np.nan if used is None else len(used),
        "inputs": n_inputs,
        "fit_time": result.fit_time,
        "tune_time": result.tune_time,
    }
