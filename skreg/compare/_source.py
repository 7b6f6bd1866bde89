"""Where the data came from: a name for the report, and Python that reads them again."""

from dataclasses import dataclass

from ._recipe import quoted


@dataclass(frozen=True)
class Source:
    """Where the data came from.

    Attributes
    ----------
    name : str
        For the heading of the report.
    imports : tuple of str
        Lines that the code below needs.
    code : tuple of str
        Lines that make ``X`` and ``y``.
    """

    name: str
    imports: tuple
    code: tuple


MEMORY = Source("data in memory", (), ("# X and y are the data that were compared on.",))

DIABETES = Source(
    "scikit-learn's diabetes data",
    ("from sklearn.datasets import load_diabetes",),
    ("X, y = load_diabetes(return_X_y=True, as_frame=True)",),
)


def file_source(path, target, read_call, drop=()):
    """Source of a file that is read by pandas.

    Parameters
    ----------
    path : str
        As given by the user.
    target : str
        Column of the target.
    read_call : str
        The call that reads the file, such as ``pd.read_csv('a.csv')``.
    drop : sequence of str
        Columns that are left out.
    """
    columns = ", ".join(quoted(name) for name in (target, *drop))
    code = (
        f"data = {read_call}",
        f"y = data[{quoted(target)}]",
        f"X = data.drop(columns=[{columns}])",
    )
    return Source(path, ("import pandas as pd",), code)
