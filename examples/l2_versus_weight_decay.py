"""Are an L2 penalty and weight decay the same? For SGD they are, for Adam they are not.

The penalty λ/2 ‖W‖² adds λW to the gradient; weight decay takes the share lr·λ off the weights beside the step. SGD
multiplies the gradient by lr, so that both take lr·λW off. Adam divides the gradient by its running size, the penalty's
share with it: weights with large gradients are decayed less. Run it: python examples/l2_versus_weight_decay.py [FOLDER]

References
----------
I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from tqdm import trange

import minigrad as mg
from minigrad import nn, optim

LAMBDA, STEPS = 0.1, 300


def data():
    """Features of very different sizes: this is where the two ways part."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)) * np.array([10.0, 3.0, 1.0, 1.0, 0.3, 0.1])
    return X, (X @ rng.normal(size=6) + rng.normal(size=200) > 0).astype(float)


def train(optimiser, way, lr, steps=STEPS):
    """The weights after each step, with the penalty in the cost (L2) or the decay beside the step."""
    X, y = data()
    init, update = optimiser(lr)
    W = np.ones(X.shape[1])
    penalised = LAMBDA if way == "L2" else 0.0

    def cost(W):
        return nn.binary_cross_entropy_with_logits(X @ W, y) + penalised / 2 * np.sum(W**2)

    gradient, state, path = mg.compile(mg.grad(cost)), init(W), []
    for _ in trange(steps, desc=f"{optimiser.__name__}, {way}", unit="step", disable=None):
        decay = 0.0 if way == "L2" else lr * LAMBDA * W
        W, state = update(gradient(W), state, W)
        W = W - decay
        path.append(W)
    return np.array(path)


def main(folder="."):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
    differences = {}
    for ax, (optimiser, lr) in zip(axes, ((optim.sgd, 0.01), (optim.adam, 0.02)), strict=True):
        paths = {way: train(optimiser, way, lr) for way in ("L2", "weight decay")}
        for (way, path), style in zip(paths.items(), ("-", "--"), strict=True):
            ax.plot(path, style, color="C0" if way == "L2" else "C1", label=[way, *["_"] * 5])
        name = optimiser.__name__
        differences[name] = np.max(np.abs(paths["L2"] - paths["weight decay"]))
        ax.set(title=f"{name}: the largest difference is {differences[name]:.1g}", xlabel="step")
        print(f"{name}: on {STEPS} steps the weights differ by at most {differences[name]:.1g}")
    axes[0].set_ylabel("weights")
    axes[0].legend()
    picture = Path(folder) / "l2_versus_weight_decay.svg"
    figure.savefig(picture)
    plt.close(figure)
    print(f"\nThe picture of it: {picture.resolve()}")
    return differences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    main(parser.parse_args().folder)
