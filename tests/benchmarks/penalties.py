"""What each penalty costs, in a fit that is short of arithmetic and in one that has much."""

from ._variants import compare

TITLE = "Cost of the penalties"
VARIANTS = {
    "none": {"penalty": None},
    "l2": {"penalty": "l2"},
    "l1": {"penalty": "l1"},
    "elastic net": {"penalty": "elasticnet"},
    "intercepts, l1": {"penalty": None, "bias_penalty": 1e-4, "bias_l1_ratio": 1.0},
    "activity, l1": {"penalty": None, "activity_penalty": 1e-4},
    "all": {"penalty": "elasticnet", "bias_penalty": 1e-4, "bias_l1_ratio": 0.5, "activity_penalty": 1e-4},
}


def run(options):
    return compare(TITLE, ["tab", "tab2"], VARIANTS, options)
