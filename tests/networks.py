"""Leaves and networks that several tests record."""

import numpy as np

import minigrad as mg


def leaf(shape=(2, 3), name="W"):
    """Return a leaf that holds 1, 2, 3 ..."""
    return mg.Tensor(np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape), name=name)


def forward(W1, W2, W3, b1, b2, b3, X, Y, lam, m):
    """The learner's network in plain NumPy: three layers, cross-entropy and an L2 penalty; all of it by name."""
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(Z2, 0)
    Z3 = W3 @ A2 + b3
    A3 = 1 / (1 + np.exp(-Z3))
    CE = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    L2 = (lam / (2 * m)) * (np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3)))
    J = CE + L2
    return locals()
