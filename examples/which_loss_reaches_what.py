"""Which loss reaches what? A network with two heads, and a detach that somebody forgot.

A shared encoder H feeds two heads. The first classifies; the second shall match the features of a frozen teacher, so
that the encoder learns from it too. While the second was being written, its author cut it off with ``H.detach()``, to
leave the encoder alone. The detach was never taken out: J still adds the term up, every log still shows its number, and
nothing learns from it. Run it: python examples/which_loss_reaches_what.py [FOLDER]; the pictures go into FOLDER.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg

WEIGHT = 0.5  # of the matching term


def data():
    """Sixty points in two noisy rings, one per class, in columns."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    angle, radius = rng.uniform(0, 2 * np.pi, 60), 1 + labels + rng.normal(0, 0.1, 60)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)]), labels[None, :].astype(float)


def parameters():
    rng = np.random.default_rng(1)
    shapes = {"W_encoder": (8, 2), "b_encoder": (8, 1), "W_class": (1, 8), "b_class": (1, 1)}
    return {name: mg.Tensor(rng.normal(0, 0.7, shape), name=name) for name, shape in shapes.items()}


def losses(p, detached):
    """J = classify + 0.5·match, as its author left it (detached) or meant it; and the two terms."""
    x, y = data()
    X, Y = mg.constant(x, name="X"), mg.constant(y, name="Y")
    teacher = mg.constant(np.random.default_rng(2).normal(0, 0.5, (3, 8)), name="teacher")
    target = mg.constant(np.stack([x[0] * x[1], x[0] ** 2, x[1] ** 2]), name="target")
    with mg.scope("encoder"):
        H = np.tanh(p["W_encoder"] @ X + p["b_encoder"]).named("H")
    with mg.scope("classifier"):
        logits = (p["W_class"] @ H + p["b_class"]).named("logits")
        classify = np.mean(np.logaddexp(0, logits) - Y * logits).named("classify")
    with mg.scope("matcher"):
        features = H.detach() if detached else H
        match = np.mean(np.square(teacher @ features - target)).named("match")
    return (classify + WEIGHT * match).named("J"), classify, match


def train(detached, steps=300, rate=0.2):
    """Gradient descent on J; prints the terms before and after, and returns them."""
    p = parameters()
    before = losses(p, detached)
    for _ in range(steps):
        gradients = mg.gradients(losses(p, detached)[0], list(p.values()))
        for x, g in zip(p.values(), gradients, strict=True):
            x.data -= rate * g
    after = losses(p, detached)
    for old, new in zip(before[1:], after[1:], strict=True):
        print(f"    {old.name:<9}{old.item():8.4f} -> {new.item():.4f}")
    return after[1:]


def main(folder="."):
    J, *_ = losses(parameters(), detached=True)
    print("Two terms, one encoder. Which of them does the encoder learn from?\n")
    print(mg.explain(J))
    print("\nWhy does match send nothing to W_encoder? Is its gradient just small?\n")
    print(mg.explain(J).why("W_encoder", "match"))
    print("\nSo 300 steps of gradient descent on J lower one term, and not the other:\n")
    train(detached=True)

    mended, *_ = losses(parameters(), detached=False)
    print("\nThe same with the detach taken out:\n")
    print(mg.explain(mended))
    print()
    print(mg.explain(mended).why("W_encoder", "match"))
    print("\nand 300 steps on that:\n")
    train(detached=False)

    print()
    for name, root in (("forgotten_detach", J), ("mended", mended)):
        root.backward()
        picture = Path(folder) / f"which_loss_{name}.svg"
        mg.draw(root).render(picture)
        print(f"The picture of it, {name.replace('_', ' ')}: {picture.resolve()}")
    return J, mended


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the pictures go (default: here)")
    main(parser.parse_args().folder)
