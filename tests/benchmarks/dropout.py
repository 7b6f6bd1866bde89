"""What dropout costs, or gains: the same fit with and without."""

from ._variants import compare

TITLE = "Cost of dropout"
VARIANTS = {
    "without": {},
    "hidden units 0.5": {"dropout": 0.5},
    "hidden units 0.5, batchwise": {"dropout": 0.5, "dropout_kind": "batchwise"},
    "inputs 0.2": {"input_dropout": 0.2},
    "both": {"dropout": 0.5, "input_dropout": 0.2},
    "both, batchwise": {"dropout": 0.5, "input_dropout": 0.2, "dropout_kind": "batchwise"},
}


def run(options):
    return compare(TITLE, ["tab2", "img"], VARIANTS, options)
