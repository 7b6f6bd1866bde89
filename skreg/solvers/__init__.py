"""Minimisers of the objective: mini-batch (stochastic.py) and full batch (lbfgs.py)."""
