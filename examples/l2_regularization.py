"""Why does an L2 penalty change every dW, but no dA and no db?

A network of three layers (relu, relu, sigmoid) learns to tell benign tumours from malignant ones, once without and once
with the penalty. Then its graph is drawn, and asked the two questions that a learner who worked the chain rule by hand
was left with. Run it: python examples/l2_regularization.py [FOLDER]; the picture goes into FOLDER, or where you are.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from tqdm import trange

import minigrad as mg
from minigrad import nn

LAMBDA = 2.0
STEPS, RATE = 2000, 0.05


def load():
    """Features, of mean 0 and spread 1, and labels, in columns: 211 examples to learn from, and 358 held out."""
    features, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(labels.size)
    learned, held_out = order[:211], order[211:]
    X = (features - features[learned].mean(axis=0)) / features[learned].std(axis=0)
    return (X[learned].T, labels[None, learned]), (X[held_out].T, labels[None, held_out])


def initial_parameters(inputs):
    """The same first weights every time; W holds W1, W2, W3, and b holds b1, b2, b3."""
    rng, sizes = np.random.default_rng(1), (inputs, 20, 3, 1)
    W = [mg.Tensor(nn.he_normal(rng, (sizes[i], sizes[i - 1])), name=f"W{i}") for i in (1, 2, 3)]
    b = [mg.Tensor(np.zeros((sizes[i], 1)), name=f"b{i}") for i in (1, 2, 3)]
    return W, b


def predict(W, b, X):
    """The probability of each example: what any course writes in NumPy, with names."""
    A = mg.constant(X, name="X")
    for i, (Wi, bi) in enumerate(zip(W, b, strict=True), 1):
        with mg.scope(f"layer {i}"):
            Z = (Wi @ A + bi).named(f"Z{i}")
            A = (np.maximum(Z, 0) if i < 3 else 1 / (1 + np.exp(-Z))).named(f"A{i}")
    return A


def penalty(W, lam, m):
    return lam / (2 * m) * sum(np.sum(np.square(Wi)) for Wi in W)


def cost(W, b, X, Y, lam):
    """J = cross-entropy + L2, with L2 = λ/(2m) · Σ Wl²."""
    m = Y.size
    A3 = predict(W, b, X)
    cross_entropy = (-np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m).named("cross-entropy")
    L2 = penalty(W, lam, m).named("L2")
    return (cross_entropy + L2).named("J")


def train(X, Y, lam):
    W, b = initial_parameters(X.shape[0])
    for _ in trange(STEPS, desc=f"λ = {lam}", unit="step", disable=None):
        cost(W, b, X, Y, lam).backward()
        for parameter in (*W, *b):
            parameter.data -= RATE * parameter.grad
            parameter.zero_grad()
    return W, b


def accuracy(W, b, X, Y):
    with mg.no_grad():
        return np.mean((predict(W, b, X) > 0.5) == Y)


def main(folder="."):
    learned, held_out = load()
    m = learned[1].size
    print(f"A network 30-20-3-1 learns from {m} tumours, {STEPS} steps, and then judges {held_out[1].size} others.\n")
    print("                accuracy           size of the weights, ‖Wl‖")
    print("           learned   held out         W1       W2       W3")
    for lam in (0.0, LAMBDA):
        W, b = train(*learned, lam)
        norms = "".join(f"{np.linalg.norm(Wi.data):9.2f}" for Wi in W)
        print(f"λ = {lam:g}     {accuracy(W, b, *learned):7.1%}   {accuracy(W, b, *held_out):8.1%}   {norms}")

    J = cost(W, b, *learned, LAMBDA)
    with_penalty, without = mg.explain(J), mg.explain(cost(W, b, *learned, 0.0))
    print("\n1) What is the derivative of the L2 cost with respect to A2?\n")
    print(with_penalty.why("A2", "L2"))
    print("\n2) Why does the penalty change the dW's, and no dA and no db?\n")
    print_who_is_reached(with_penalty, without)
    print("\nWhat it adds there is (λ/m) Wl, on top of what the cross-entropy sends back:\n")
    for i in range(3):
        print_share(W, i, with_penalty, m)
    print("\n(At these weights. A step later the weights are others, with the penalty and without, and so is the next")
    print("dA2: that is how training goes on, not a derivative.)")

    J.backward()
    picture = Path(folder) / "l2_regularization.svg"
    mg.draw(J, names={"Y": learned[1]}).render(picture)
    print(f"\nThe picture of it: {picture.resolve()}")
    return J


def print_who_is_reached(with_penalty, without):
    """What reachability says, and then what the numbers say at one and the same set of weights."""
    nodes = [name for name in with_penalty.nodes if name[0] in "WbZA"]
    reached = with_penalty.reaches("L2")
    changed = [x for x in nodes if not np.array_equal(with_penalty.gradient(x), without.gradient(x))]
    print("A gradient travels back along paths, and along nothing else.")
    print(f"    A path leads to L2 from    {', '.join(reached)}")
    print(f"    and no path from           {', '.join(x for x in nodes if x not in reached)}")
    print("So at the same weights, without the penalty and with it,")
    print(f"    these gradients differ:    {', '.join('d' + x for x in nodes if x in changed)}")
    print(f"    equal to the last bit:     {', '.join('d' + x for x in nodes if x not in changed)}")


def print_share(W, i, explanation, m):
    """What the penalty adds to dWi, against the formula, and against trying what one entry of Wi does to it."""
    name, share = W[i].name, explanation.gradient(W[i].name, term="L2")
    error = np.max(np.abs(share - LAMBDA / m * W[i].data))

    def tried(change):
        nudged = [Wl.data.copy() for Wl in W]
        nudged[i][0, 0] += change
        return penalty(nudged, LAMBDA, m)

    slope = (tried(1e-4) - tried(-1e-4)) / 2e-4
    print(
        f"    dL2/d{name} = (λ/m) {name} to within {error:.0e}; first entry {share[0, 0]:+.8f}, measured {slope:+.8f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    main(parser.parse_args().folder)
