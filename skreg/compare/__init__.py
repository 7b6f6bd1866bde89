"""Compare linear models, boosting and regularised networks on one data set.

:func:`compare_models` does it in Python, ``python -m skreg compare`` on the command line. Only
NumPy, SciPy, scikit-learn and numba are needed to compare; the picture and the page need the
extra ``skreg[compare]``.
"""

from ._comparison import Comparison
from ._errors import InputError
from ._run import compare_models

__all__ = ["Comparison", "InputError", "compare_models"]
