"""
The path of a LassoNet
======================

A network that loses its inputs one by one as the penalty on its skip connection grows, on data in which
four of twelve inputs count: two linearly, one by its square and two of them only together.

Left, the norm of each input's skip connection over lambda, as in a Lasso path; right, the score on
validation data by the number of inputs.
"""

# %%
# Data
# ----
# The Lasso cannot see the inputs x3 and x4: they are not correlated with y.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LassoCV

from skreg import LassoNetRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(1500, 12))
y = X[:, 0] - 0.7 * X[:, 1] + X[:, 3] ** 2 - 1 + X[:, 0] * X[:, 4] + 0.3 * rng.normal(size=1500)
X_val, y_val, X, y = X[:500], y[:500], X[500:], y[500:]
informative = [0, 1, 3, 4]

# %%
# The path
# --------

net = LassoNetRegressor((32,), path_multiplier=1.05, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
lasso = LassoCV().fit(X, y)
print(f"LassoNet's last four inputs: {np.flatnonzero(net.selected(4))}, R^2 {net.score(X_val, y_val):.2f}")
print(f"Lasso: R^2 {lasso.score(X_val, y_val):.2f}")

# %%
# The figure
# ----------

path = net.path_
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
shown = path["lambda"] > 1e-2
# A line ends where its input leaves.
norms = np.where(path["skip_norm"] > 0, path["skip_norm"], np.nan)
for feature in range(X.shape[1]):
    counts = feature in informative
    left.plot(
        path["lambda"][shown], norms[shown, feature], color=f"C{informative.index(feature)}" if counts
        else "0.7", linewidth=2 if counts else 1, label=f"x{feature}" if counts else None, zorder=3 if counts else 2,
    )  # fmt: skip
left.axvline(net.lambda_, color="0.3", linestyle=":", label="smallest\nvalidation loss")
left.set(xscale="log", yscale="log", xlabel="lambda", ylabel="norm of the skip connection")
left.set_title("Each input on its way out")
left.legend(frameon=False, loc="lower right", fontsize="small")

numbers = np.unique(path["n_features"])
best = [path["validation_score"][path["n_features"] == number].max() for number in numbers]
right.plot(numbers, best, ".-", color="C0", label="LassoNet, best lambda with so many inputs")
right.axhline(lasso.score(X_val, y_val), color="0.3", linestyle="--", label="Lasso")
right.set(xlabel="number of inputs", ylabel="R^2 on validation data", title="What they are worth")
right.set_xticks(range(0, X.shape[1] + 1, 2))
right.legend(frameon=False, loc="lower right")

figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()
