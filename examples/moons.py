"""What does an L2 penalty do to the boundary between two classes?

Two half moons with noise, a network that is far too large for them, and the boundary that it finds without the penalty
and with it. Run it: python examples/moons.py [FOLDER]; the picture goes into FOLDER, or where you are.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from tqdm import trange

import minigrad as mg
from minigrad import nn, optim

PENALTIES, STEPS = (0.0, 1e-2), 1000


def data():
    """A few points to learn from, and many others."""
    return make_moons(60, noise=0.3, random_state=0), make_moons(2000, noise=0.3, random_state=1)


def initial_parameters(width=64):
    rng = np.random.default_rng(0)
    W = [nn.he_normal(rng, shape) for shape in ((2, width), (width, width), (width, 1))]
    return {"W": W, "b": [np.zeros(w.shape[1]) for w in W]}


def logits(p, X):
    for W, b in zip(p["W"][:-1], p["b"][:-1], strict=True):
        X = np.maximum(X @ W + b, 0)
    return (X @ p["W"][-1] + p["b"][-1]).reshape(-1)


def train(X, y, lam, steps=STEPS):
    def cost(p):
        fit = nn.binary_cross_entropy_with_logits(logits(p, X), y)
        return fit + lam / 2 * sum(np.sum(W**2) for W in p["W"])

    init, update = optim.adam(lr=0.01)
    step, p = mg.compile(mg.value_and_grad(cost)), initial_parameters()
    state = init(p)
    with trange(steps, desc=f"λ = {lam:g}", unit="step", disable=None) as bar:
        for _ in bar:
            value, gradient = step(p)
            p, state = update(gradient, state, p)
            bar.set_postfix(cost=f"{value:.3f}", refresh=False)
    return p


def accuracy(p, X, y):
    return np.mean((logits(p, X) > 0) == y)


def main(folder=".", steps=STEPS):
    learned, held_out = data()
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    x, y = np.meshgrid(np.linspace(-2, 3, 150), np.linspace(-1.5, 2, 150))
    scores = {}
    for ax, lam in zip(axes, PENALTIES, strict=True):
        p = train(*learned, lam, steps)
        scores[lam] = accuracy(p, *learned), accuracy(p, *held_out)
        z = logits(p, np.stack([x.reshape(-1), y.reshape(-1)], axis=1)).reshape(x.shape)
        ax.contourf(x, y, nn.sigmoid(z), levels=10, cmap="RdBu", alpha=0.6)
        ax.contour(x, y, z, levels=[0], colors="black")
        ax.scatter(*learned[0].T, c=learned[1], cmap="RdBu", edgecolors="black")
        ax.set_title(f"λ = {lam:g}: {scores[lam][0]:.0%} of the learned, {scores[lam][1]:.1%} of others")
        print(f"λ = {lam:g}: {scores[lam][0]:.1%} of what it learned from, {scores[lam][1]:.1%} of what it did not see")
    picture = Path(folder) / "moons.png"
    figure.savefig(picture)
    plt.close(figure)
    print(f"\nThe picture of it: {picture.resolve()}")
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    main(parser.parse_args().folder)
