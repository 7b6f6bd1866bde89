"""
A penalised network beside the Lasso
====================================

The Lasso and a network with the same penalty, on scikit-learn's diabetes data, both over the same grid
of `alpha`. Without a hidden layer, and with `solver="lbfgs"`, the network *is* the Lasso. With one it can
bend, and the l1 penalty still sets whole inputs to zero, but fewer of them at most strengths: an input leaves
only when the weights to all hidden units are zero.

The figure shows, for each `alpha`, the cross-validated R^2 and the number of inputs in use.
"""

# %%
# Data and models
# ---------------
# Inputs and target are scaled, so that one grid of `alpha` serves both models.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import MLPRegressor

X, y = load_diabetes(return_X_y=True)
alphas = np.logspace(-2.5, 0.05, 9)
folds = KFold(5, shuffle=True, random_state=0)
models = {
    "Lasso": lambda alpha: Lasso(alpha=alpha),
    "skreg, no hidden layer": lambda alpha: MLPRegressor((), penalty="l1", alpha=alpha, solver="lbfgs"),
    "skreg, 16 hidden units": lambda alpha: MLPRegressor(
        (16,), "tanh", penalty="l1", alpha=[alpha, alpha / 10], solver="lbfgs", max_iter=3000, tol=1e-3, random_state=0
    ),
}


# %%
# Scores and inputs in use
# ------------------------
# An input is in use if any weight that leaves it is not zero. The zeros are exact: no threshold is needed.


def weights_of_inputs(fitted):
    """Weights that leave the inputs, shape (n_features, n_units)."""
    estimator = fitted.regressor_[-1]
    return estimator.coef_[:, None] if isinstance(estimator, Lasso) else estimator.coefs_[0]


def score(model):
    """(mean R^2, mean number of inputs in use) over the folds."""
    scaled = TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler())
    result = cross_validate(scaled, X, y, cv=folds, return_estimator=True)
    used = [np.any(weights_of_inputs(fitted) != 0, axis=1).sum() for fitted in result["estimator"]]
    return result["test_score"].mean(), np.mean(used)


results = {name: np.array([score(make(alpha)) for alpha in alphas]) for name, make in models.items()}

# %%
# The figure
# ----------

figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), layout="constrained")
for (name, values), style in zip(results.items(), ["-", "--", "-"], strict=True):
    width = 4 if name == "Lasso" else 2
    top.semilogx(alphas, values[:, 0], style, linewidth=width, alpha=0.8, label=name)
    bottom.semilogx(alphas, values[:, 1], style, linewidth=width, alpha=0.8)
top.set(ylabel="R$^2$, 5 folds", title="The same penalty, with and without a hidden layer")
top.legend()
bottom.set(xlabel="alpha", ylabel="inputs in use, of 10")
for axes in (top, bottom):
    axes.grid(alpha=0.3)
figure.savefig(sys.argv[1], dpi=120) if len(sys.argv) > 1 else plt.show()

for name, values in results.items():
    best = values[:, 0].argmax()
    r2, used = values[best]
    print(f"{name:24s} best R2 {r2:.3f} at alpha = {alphas[best]:.3g}, {used:.1f} inputs in use")
