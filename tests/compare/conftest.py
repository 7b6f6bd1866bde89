"""Small data, and comparisons of them that are made once."""

import numpy as np
import pandas as pd
import pytest

from skreg.compare import compare_models
from skreg.compare._files import read_dataset
from skreg.compare._run import compare_dataset


def make_frame(n_rows=72, seed=0):
    """Mixed columns; `price` is linear in `size` and `city`, `sold` follows it."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "noise": rng.normal(size=n_rows),
            "city": rng.choice(["Oslo", "Rome", "Łódź"], n_rows),
            "is_new": rng.random(n_rows) < 0.5,
        }
    )
    signal = 3 * frame["size"] + 2 * (frame["city"] == "Rome")
    frame["price"] = 10 + signal + 0.5 * rng.normal(size=n_rows)
    frame["sold"] = np.where(signal + rng.normal(size=n_rows) > 0.5, "yes", "no")
    frame.loc[3, "size"] = np.nan
    frame.loc[5, "city"] = None
    return frame


@pytest.fixture
def frame():
    return make_frame()


@pytest.fixture(scope="session")
def csv_path(tmp_path_factory):
    """A file with a name of a column, and a missing target, that need care."""
    path = tmp_path_factory.mktemp("data") / "houses.csv"
    frame = make_frame().rename(columns={"noise": "<script>alert('noise')</script>"})
    frame.loc[7, "price"] = np.nan
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def regression(csv_path):
    """Comparison on a file."""
    dataset, source = read_dataset(str(csv_path), "price", drop=["sold"])
    return compare_dataset(dataset, source=source, quick=True)


@pytest.fixture(scope="session")
def classification():
    """Comparison on a DataFrame in memory."""
    frame = make_frame()
    return compare_models(frame.drop(columns=["price", "sold"]), frame["sold"], quick=True)
