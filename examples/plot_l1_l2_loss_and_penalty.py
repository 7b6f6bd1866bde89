"""
L1 and L2, as loss and as penalty
=================================

The same two functions, the absolute value and the square, do different things in the two places where
a model has them.

- As *loss* they measure residuals. The square asks for the mean: a residual ten times as large counts
  a hundred times as much and pulls ten times as hard. The absolute value asks for the median: each
  row pulls with the same force, however far away it is. Outliers therefore bend a model that is
  fitted by squares. Huber's loss is the square near zero and the absolute value beyond `delta`.
- As *penalty* they measure weights. The square pulls the less the smaller a weight is, and so makes
  all small and none zero; the absolute value pulls all with the same force and sets to zero
  those for which the data pull less.
"""

# %%
# The loss: a curve with outliers
# -------------------------------
# One row in eight has a target that is far too large. The network is the same in all three fits, and
# has the same small penalty; only the loss differs. The errors are those against the true curve.

import sys

import matplotlib.pyplot as plt
import numpy as np

from skreg import MLPRegressor

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 160))
true_curve = np.sin(1.5 * x) + 0.3 * x
is_outlier = rng.random(160) < 1 / 8
y = true_curve + 0.2 * rng.normal(size=160) + is_outlier * rng.uniform(4, 8, 160)

losses = {
    "squared_error (L2)": {"loss": "squared_error"},
    "absolute_error (L1)": {"loss": "absolute_error"},
    "huber, delta=0.3": {"loss": "huber", "delta": 0.3},
}
curves = {}
for name, loss in losses.items():
    network = MLPRegressor((12,), "tanh", alpha=1e-3, solver="lbfgs", max_iter=3000, tol=1e-3, random_state=0, **loss)
    curves[name] = network.fit(x[:, None], y).predict(x[:, None])
    print(f"loss    {name:20s} mean distance from the curve {np.abs(curves[name] - true_curve).mean():.3f}")

# %%
# The penalty: inputs that do not matter
# --------------------------------------
# Three of twelve inputs matter. Without a hidden layer the network is Ridge or Lasso, so that there is
# one weight an input to look at. The loss is the absolute error in both, as this target has outliers too.

X = rng.normal(size=(200, 12))
target = X[:, :3] @ [2.0, -1.5, 1.0] + 0.5 * rng.normal(size=200) + (rng.random(200) < 1 / 8) * 10
alphas = np.logspace(-2, 0.5, 25)
paths = {}
for penalty in ("l2", "l1"):
    fits = [
        MLPRegressor((), loss="absolute_error", penalty=penalty, alpha=alpha, solver="lbfgs").fit(X, target)
        for alpha in alphas
    ]
    paths[penalty] = np.array([fitted.coefs_[0][:, 0] for fitted in fits])
    n_zero = (paths[penalty][10] == 0).sum()
    print(f"penalty {penalty:20s} {n_zero} of 12 weights are exactly zero at alpha = {alphas[10]:.3f}")

# %%
# The figure
# ----------

figure, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
top = axes[0, 0].get_gridspec()
for unused in axes[0]:
    unused.remove()
loss_axes = figure.add_subplot(top[0, :])
loss_axes.plot(x, y, ".", color="0.6", markersize=5, label="data")
loss_axes.plot(x, true_curve, ":", color="black", label="true curve")
for (name, curve), color in zip(curves.items(), ["tab:red", "tab:blue", "tab:green"], strict=True):
    loss_axes.plot(x, curve, "--" if "huber" in name else "-", color=color, linewidth=2, label=name)
loss_axes.set(xlabel="x", ylabel="y", title="As loss: outliers pull the mean, not the median")
loss_axes.legend(loc="upper left", ncols=3)
loss_axes.set_ylim(-3, 14)
titles = {"l2": "As penalty, L2: all weights shrink, none is zero", "l1": "As penalty, L1: inputs leave one by one"}
for at, (penalty, path) in zip(axes[1], paths.items(), strict=True):
    at.semilogx(alphas, path[:, 3:], color="0.7")
    at.semilogx(alphas, path[:, :3], color="tab:blue", linewidth=2)
    at.plot([], [], color="tab:blue", linewidth=2, label="inputs that matter")
    at.plot([], [], color="0.7", label="inputs that do not")
    at.set(xlabel="alpha", ylabel="weight", title=titles[penalty], ylim=(-1.8, 3.2))
    at.legend(loc="upper right")
for at in (loss_axes, *axes[1]):
    at.grid(alpha=0.3)
figure.savefig(sys.argv[1], dpi=120) if len(sys.argv) > 1 else plt.show()
