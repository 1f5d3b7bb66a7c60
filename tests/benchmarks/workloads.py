"""What the benchmark computes: losses that any library can run, and their gradients as an expert writes them in NumPy.

A loss takes ``ops``, the library's functions under NumPy's names, then parameters and data. ``hand`` takes arrays and
returns the value and the gradients with respect to the parameters, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

PENALTY = 0.7
STEPS = 50


@dataclass(frozen=True)
class Workload:
    """A loss with its hand-written gradients, and the arguments: ``parameters`` to differentiate by, then data.

    ``kind`` says what is differentiated: "gradient", the value and gradients of a scalar loss; "terms", the gradients
    of each of several losses; "hvp", the Hessian of the loss times ``directions``.
    """

    name: str
    loss: Callable[..., Any]
    hand: Callable[..., Any]
    make: Callable[[np.random.Generator], tuple[list[Any], list[Any]]]
    kind: str = "gradient"
    products: Callable[..., Callable[[], None]] | None = None

    def arguments(self, dtype: Any) -> tuple[list[Any], list[Any]]:
        """Parameters and data, the same in every run."""
        parameters, data = self.make(np.random.default_rng(0))
        return [a.astype(dtype) for a in parameters], [a.astype(dtype) for a in data]


# --- a network of three layers, with cross-entropy and an L2 penalty ------------------------------------------------


def network_loss(ops, W1, W2, W3, b1, b2, b3, X, Y):
    m = X.shape[1]
    A1 = ops.relu(W1 @ X + b1)
    A2 = ops.relu(W2 @ A1 + b2)
    A3 = 1 / (1 + ops.exp(-(W3 @ A2 + b3)))
    cross_entropy = -ops.sum(Y * ops.log(A3) + (1 - Y) * ops.log(1 - A3)) / m
    squares = ops.sum(ops.square(W1)) + ops.sum(ops.square(W2)) + ops.sum(ops.square(W3))
    return cross_entropy + PENALTY / (2 * m) * squares


def network_by_hand(W1, W2, W3, b1, b2, b3, X, Y):
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(Z2, 0)
    A3 = 1 / (1 + np.exp(-(W3 @ A2 + b3)))
    cross_entropy = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    squares = np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3))
    dZ3 = (A3 - Y) / m
    dW3 = dZ3 @ A2.T + PENALTY / m * W3
    db3 = np.sum(dZ3, axis=1, keepdims=True)
    dZ2 = W3.T @ dZ3 * (Z2 > 0)
    dW2 = dZ2 @ A1.T + PENALTY / m * W2
    db2 = np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    dW1 = dZ1 @ X.T + PENALTY / m * W1
    db1 = np.sum(dZ1, axis=1, keepdims=True)
    return cross_entropy + PENALTY / (2 * m) * squares, (dW1, dW2, dW3, db1, db2, db3)


def network_data(sizes, m):
    def make(rng):
        weights = [rng.normal(size=(b, a)) * a**-0.5 for a, b in pairwise(sizes)]
        biases = [rng.normal(size=(b, 1)) * 0.1 for b in sizes[1:]]
        return [*weights, *biases], [rng.normal(size=(sizes[0], m)), 1.0 * (rng.random((1, m)) > 0.5)]

    return make


def network_products(W1, W2, W3, b1, b2, b3, X, Y):
    """The matrix products of a step alone, with outputs allocated beforehand."""
    Z1, Z2, Z3 = W1 @ X, W2 @ (W1 @ X), W3 @ (W2 @ (W1 @ X))
    G1, G2, dW1, dW2, dW3 = Z1.copy(), Z2.copy(), W1.copy(), W2.copy(), W3.copy()

    def run():
        np.dot(W1, X, Z1)
        np.dot(W2, Z1, Z2)
        np.dot(W3, Z2, Z3)
        np.dot(Z3, Z2.T, dW3)
        np.dot(W3.T, Z3, G2)
        np.dot(G2, Z1.T, dW2)
        np.dot(W2.T, G2, G1)
        np.dot(G1, X.T, dW1)

    return run


def network(name, sizes, m):
    return Workload(name, network_loss, network_by_hand, network_data(sizes, m), products=network_products)


# --- a recurrent network --------------------------------------------------------------------------------------------


def recurrent_loss(ops, Wx, Wh, b, Wy, X, Y):
    h = ops.tanh(Wx @ X[0] + b)
    for t in range(1, STEPS):
        h = ops.tanh(Wx @ X[t] + Wh @ h + b)
    return ops.sum(ops.square(Wy @ h - Y))


def recurrent_by_hand(Wx, Wh, b, Wy, X, Y):
    states = [np.tanh(Wx @ X[0] + b)]
    for t in range(1, STEPS):
        states.append(np.tanh(Wx @ X[t] + Wh @ states[-1] + b))
    error = Wy @ states[-1] - Y
    dWy = 2 * error @ states[-1].T
    dh = Wy.T @ (2 * error)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in range(STEPS - 1, -1, -1):
        dz = dh * (1 - states[t] * states[t])
        dWx += dz @ X[t].T
        db += np.sum(dz, axis=1, keepdims=True)
        if t:
            dWh += dz @ states[t - 1].T
            dh = Wh.T @ dz
    return np.sum(np.square(error)), (dWx, dWh, db, dWy)


def recurrent_data(rng):
    shapes = [(64, 16), (64, 64), (64, 1), (8, 64)]
    parameters = [rng.normal(size=shape) * shape[1] ** -0.5 for shape in shapes]
    return parameters, [rng.normal(size=(STEPS, 16, 32)), rng.normal(size=(8, 32))]


# --- a long chain of elementwise operations -------------------------------------------------------------------------


def chain(name, rounds, n):
    """``rounds`` times four operations, one after the other, on ``n`` numbers."""

    def loss(ops, w, b, x):
        y = x
        for _ in range(rounds):
            y = 1 - ops.relu(y * w + b)
        return ops.sum(y)

    def by_hand(w, b, x):
        inputs, masks = [], []
        y = x
        for _ in range(rounds):
            inputs.append(y)
            z = y * w + b
            masks.append(z > 0)
            y = 1 - np.maximum(z, 0)
        g = np.ones_like(y)
        dw, db = np.zeros_like(w), np.zeros_like(b)
        for y_in, mask in zip(reversed(inputs), reversed(masks), strict=True):
            g = -g * mask
            dw += g * y_in
            db += g
            g = g * w
        return np.sum(y), (dw, db)

    def data(rng):
        return [rng.uniform(0.8, 0.99, n), rng.normal(size=n) * 0.1], [rng.normal(size=n)]

    return Workload(name, loss, by_hand, data)


# --- logistic regression --------------------------------------------------------------------------------------------


def logistic_loss(ops, w, b, X, y):
    p = 1 / (1 + ops.exp(-(X @ w + b)))
    return -ops.sum(y * ops.log(p) + (1 - y) * ops.log(1 - p)) / X.shape[0] + 0.01 * ops.sum(ops.square(w))


def logistic_by_hand(w, b, X, y):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    value = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / X.shape[0] + 0.01 * np.sum(np.square(w))
    dz = (p - y) / X.shape[0]
    return value, (X.T @ dz + 0.02 * w, np.sum(dz, axis=0, keepdims=True))


def logistic_data(rng):
    X = rng.normal(size=(10_000, 50))
    return [rng.normal(size=(50, 1)) * 0.1, np.zeros((1, 1))], [X, 1.0 * (rng.random((10_000, 1)) > 0.5)]


# --- a softmax classifier of two layers -----------------------------------------------------------------------------


def softmax_loss(ops, W1, b1, W2, b2, X, Y):
    Z = ops.tanh(X @ W1 + b1) @ W2 + b2
    return (ops.sum(ops.log(ops.sum(ops.exp(Z), axis=1))) - ops.sum(Z * Y)) / X.shape[0]


def softmax_by_hand(W1, b1, W2, b2, X, Y):
    m = X.shape[0]
    A = np.tanh(X @ W1 + b1)
    Z = A @ W2 + b2
    E = np.exp(Z)
    total = np.sum(E, axis=1, keepdims=True)
    dZ = (E / total - Y) / m
    dH = dZ @ W2.T * (1 - A * A)
    value = (np.sum(np.log(total)) - np.sum(Z * Y)) / m
    return value, (X.T @ dH, np.sum(dH, axis=0, keepdims=True), A.T @ dZ, np.sum(dZ, axis=0, keepdims=True))


def softmax_data(rng):
    parameters = [
        rng.normal(size=(64, 128)) / 8,
        np.zeros((1, 128)),
        rng.normal(size=(128, 10)) / 11,
        np.zeros((1, 10)),
    ]
    return parameters, [rng.normal(size=(512, 64)), np.eye(10)[rng.integers(10, size=512)]]


# --- three terms with a shared encoder, each differentiated by itself -----------------------------------------------


def terms_loss(ops, W, U, V, X, Y):
    code = ops.tanh(W @ X)
    rebuilt = U @ code
    return ops.sum(ops.square(rebuilt - X)), ops.sum(ops.square(V @ code - Y)), ops.sum(ops.square(code))


def terms_by_hand(W, U, V, X, Y):
    code = np.tanh(W @ X)
    slope = 1 - code * code
    rebuilt, scored = U @ code - X, V @ code - Y
    first = ((U.T @ (2 * rebuilt) * slope) @ X.T, 2 * rebuilt @ code.T, np.zeros_like(V))
    second = ((V.T @ (2 * scored) * slope) @ X.T, np.zeros_like(U), 2 * scored @ code.T)
    third = ((2 * code * slope) @ X.T, np.zeros_like(U), np.zeros_like(V))
    values = np.sum(np.square(rebuilt)), np.sum(np.square(scored)), np.sum(np.square(code))
    return values, (*first, *second, *third)


def terms_data(rng):
    parameters = [rng.normal(size=shape) * shape[1] ** -0.5 for shape in ((32, 64), (64, 32), (10, 32))]
    return parameters, [rng.normal(size=(64, 256)), rng.normal(size=(10, 256))]


# --- a Hessian-vector product ---------------------------------------------------------------------------------------


def hvp_by_hand(W1, W2, W3, b1, b2, b3, X, Y, V1, V2, V3, c1, c2, c3):
    """The gradients of the network, differentiated along the directions V and c. (ReLU has no second derivative.)"""
    m = X.shape[1]
    Z1, R1 = W1 @ X + b1, V1 @ X + c1
    M1 = Z1 > 0
    A1, S1 = Z1 * M1, R1 * M1
    Z2, R2 = W2 @ A1 + b2, V2 @ A1 + W2 @ S1 + c2
    M2 = Z2 > 0
    A2, S2 = Z2 * M2, R2 * M2
    A3 = 1 / (1 + np.exp(-(W3 @ A2 + b3)))
    R3 = V3 @ A2 + W3 @ S2 + c3
    dZ3, eZ3 = (A3 - Y) / m, A3 * (1 - A3) * R3 / m
    dZ2, eZ2 = W3.T @ dZ3 * M2, (V3.T @ dZ3 + W3.T @ eZ3) * M2
    eZ1 = (V2.T @ dZ2 + W2.T @ eZ2) * M1
    eW3 = eZ3 @ A2.T + dZ3 @ S2.T + PENALTY / m * V3
    eW2 = eZ2 @ A1.T + dZ2 @ S1.T + PENALTY / m * V2
    eW1 = eZ1 @ X.T + PENALTY / m * V1
    sums = (np.sum(e, axis=1, keepdims=True) for e in (eZ1, eZ2, eZ3))
    return None, (eW1, eW2, eW3, *sums)


def hvp_data(rng):
    parameters, data = network_data((2, 20, 3, 1), 211)(rng)
    return parameters, [*data, *(rng.normal(size=p.shape) for p in parameters)]


WORKLOADS = [
    network("2-20-3-1, m=211", (2, 20, 3, 1), 211),
    network("784-256-128-1, m=128", (784, 256, 128, 1), 128),
    network("784-512-256-1, m=4096", (784, 512, 256, 1), 4096),
    Workload("50-step tanh RNN", recurrent_loss, recurrent_by_hand, recurrent_data),
    chain("chain of 1,000 operations", 250, 10_000),
    chain("20 operations on 1,000,000 numbers", 5, 1_000_000),
    Workload("logistic regression 10,000 x 50", logistic_loss, logistic_by_hand, logistic_data),
    Workload("two-layer softmax classifier", softmax_loss, softmax_by_hand, softmax_data),
    Workload("three terms, a gradient each", terms_loss, terms_by_hand, terms_data, "terms"),
    Workload("Hessian-vector product, 2-20-3-1", network_loss, hvp_by_hand, hvp_data, "hvp"),
]
