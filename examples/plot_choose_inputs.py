"""
Inputs chosen by a group lasso
==============================

Data in the style of madelon (Guyon 2003, the NIPS feature selection challenge): the classes are corners of
a cube in five dimensions, which no input tells apart alone, hidden among noise. A network on all inputs
learns the noise by heart.

The group lasso on the first layer makes inputs zero, but one penalty cannot do two things at once: where
it is strong enough to remove all noise, it has shrunk, or lost, what it should keep. So it does the one and
another network the other: the group lasso's norms rank the inputs, `SelectFromModel` takes the first few,
and a network without that penalty is fitted on these. How many, cross-validation says.
"""

# %%
# Data
# ----
# 5 inputs that count, 5 mixtures of them, and 190 of noise.

import sys
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import LassoNetClassifier, MLPClassifier

rng = np.random.default_rng(1)
corners = np.array(list(product([-1.0, 1.0], repeat=5)))
class_of_corner = rng.permutation(32) % 2
corner = rng.integers(32, size=4000)
informative = corners[corner] + 0.4 * rng.normal(size=(4000, 5))
X = np.hstack([informative, informative @ rng.normal(size=(5, 5)), rng.normal(size=(4000, 190))]).astype(np.float32)
y = class_of_corner[corner]
X_test, y_test, X, y = X[1500:], y[1500:], X[:1500], y[:1500]

# %%
# Choosing, and a network on what is chosen
# -----------------------------------------

steps = {"max_iter": 100, "learning_rate": "cosine", "learning_rate_init": 0.01, "random_state": 0}
chooser = MLPClassifier((64,), penalty=["group_lasso", "l2"], alpha=[0.002, 1e-3], **steps)
network = MLPClassifier((64,), alpha=3e-3, **steps)

numbers = [3, 5, 7, 10, 15, 20, 40]
pipeline = make_pipeline(StandardScaler(), SelectFromModel(chooser, threshold=-np.inf), network)
search = GridSearchCV(pipeline, {"selectfrommodel__max_features": numbers}, cv=3).fit(X, y)
chosen = search.best_params_["selectfrommodel__max_features"]

accuracy = {
    f"network, the group lasso's {chosen} inputs": search.score(X_test, y_test),
    "the group lasso's network itself": make_pipeline(StandardScaler(), chooser).fit(X, y).score(X_test, y_test),
    "network, all inputs": make_pipeline(StandardScaler(), network).fit(X, y).score(X_test, y_test),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X, y).score(X_test, y_test),
}
lasso_net = LassoNetClassifier((64,), n_features_to_select=chosen, random_state=0)
by_path = make_pipeline(StandardScaler(), lasso_net, network).fit(X, y)
accuracy[f"network, a LassoNet path's {chosen} inputs"] = by_path.score(X_test, y_test)
for name, value in accuracy.items():
    print(f"{name:40s} {value:.3f}")

# %%
# The figure
# ----------

norms = search.best_estimator_[1].estimator_.feature_importances_
ranks = np.argsort(-norms)[:40]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
is_real = ranks < 10
for mask, colour, label in ((is_real, "C0", "counts, or a mixture of those"), (~is_real, "0.7", "noise")):
    left.bar(np.flatnonzero(mask), norms[ranks[mask]], color=colour, label=label)
left.axvline(chosen - 0.5, color="0.3", linestyle=":")
left.set(xlabel="rank", ylabel="norm of the outgoing weights", title="The group lasso's first 40 inputs")
left.legend(frameon=False)

scores = [search.cv_results_["mean_test_score"], search.cv_results_["std_test_score"]]
right.errorbar(numbers, *scores, marker=".", color="C0", capsize=2, label="network on so many inputs (CV)")
for name, colour in (("network, all inputs", "C3"), ("logistic regression", "0.3")):
    right.axhline(accuracy[name], color=colour, linestyle="--", label=name)
right.set(xscale="log", xlabel="number of inputs", ylabel="accuracy", title="What they are worth")
right.set_xticks(numbers, numbers)
right.minorticks_off()
right.legend(frameon=False, loc="center", bbox_to_anchor=(0.46, 0.4), fontsize="small")

figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()
