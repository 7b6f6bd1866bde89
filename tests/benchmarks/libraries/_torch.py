"""Training with PyTorch, as its tutorials do it, with the fused Adam."""

from itertools import pairwise

import torch
from torch import nn


def _network(workload, dtype):
    layers = []
    for fan_in, fan_out in pairwise(workload.units):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        if workload.dropout:
            layers.append(nn.Dropout(workload.dropout))
    n_last = 2 if workload.dropout else 1  # nothing comes after the last linear layer
    return nn.Sequential(*layers[:-n_last]).to(dtype)


def make_fit(workload, dtype):
    X, y = map(torch.from_numpy, workload.data(dtype))
    y = y if workload.n_classes or y.ndim == 2 else y[:, None]
    loss = nn.CrossEntropyLoss() if workload.n_classes else nn.MSELoss()

    def fit():
        torch.manual_seed(0)
        network = _network(workload, X.dtype)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
        for _ in range(workload.epochs):
            for rows in torch.randperm(len(X)).split(workload.batch):
                optimizer.zero_grad()
                loss(network(X[rows]), y[rows]).backward()
                optimizer.step()

    return fit
