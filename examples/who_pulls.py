"""Who pulls at the weights? Two tasks on one encoder, and how their gradients agree while it learns.

One encoder serves two heads: is a point inside the ring, and what is its angle? Each step is one walk per task, and
explain tells how much each of them sends to the encoder, and by the cosine whether they pull the same way. The figure
shows both over the training. Run it: python examples/who_pulls.py [FOLDER]; the figure goes into FOLDER.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg

STEPS, RATE = 400, 0.15
COLOURS = {"inside": "#0072b2", "angle": "#c05500"}


def data():
    """Points in the plane, in columns; whether each is inside the ring; the sine of twice its angle."""
    rng = np.random.default_rng(0)
    radius, angle = rng.uniform(0.2, 1.8, 200), rng.uniform(0, 2 * np.pi, 200)
    points = radius * np.stack([np.cos(angle), np.sin(angle)])
    return points, (radius < 1)[None].astype(float), np.sin(2 * angle)[None]


def parameters():
    rng = np.random.default_rng(1)
    shapes = {"W": (12, 2), "b": (12, 1), "V_inside": (1, 12), "V_angle": (1, 12)}
    return {name: mg.Tensor(rng.normal(0, 0.5, shape), name=name) for name, shape in shapes.items()}


def cost(p):
    points, inside, angle = data()
    H = np.tanh(p["W"] @ points + p["b"]).named("H")
    logits = p["V_inside"] @ H
    classify = np.mean(np.logaddexp(0, logits) - inside * logits).named("inside")
    regress = np.mean(np.square(p["V_angle"] @ H - angle)).named("angle")
    return (classify + regress).named("J")


def train(steps=STEPS):
    """Gradient descent; per step the norms of what each task sends to W, and the cosine between the two."""
    p, history = parameters(), {"inside": [], "angle": [], "cosine": []}
    for _ in range(steps):
        e = mg.explain(cost(p))
        for task in e.terms:
            history[task].append(np.linalg.norm(e.gradient("W", term=task)))
        history["cosine"].append(e.cosine("W", *e.terms))
        for name, x in p.items():
            x.data -= RATE * e.gradient(name)
    return history


def in_a_sentence(history):
    """What one sees."""
    cosine = np.array(history["cosine"])
    start, end = cosine[: len(cosine) // 10].mean(), cosine[-(len(cosine) // 10) :].mean()
    stronger = "inside" if history["inside"][-1] > history["angle"][-1] else "angle"
    against = np.mean(cosine < 0)
    return (
        f"The cosine goes from {start:+.2f} in the first tenth of the steps to {end:+.2f} in the last, and in "
        f"{against:.0%} of the steps the tasks pull against each other; at the end {stronger!r} pulls harder at W."
    )


def draw(history, path):
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    for task, colour in COLOURS.items():
        above.plot(history[task], color=colour, label=task)
    above.set(ylabel="norm of what arrives at W", yscale="log", title="Two tasks pull at one encoder")
    above.legend()
    below.plot(history["cosine"], color="#444444")
    below.axhline(0, color="#bbbbbb", zorder=0)
    below.set(ylabel="cosine between them", xlabel="step", ylim=(-1.05, 1.05))
    figure.savefig(path)
    plt.close(figure)


def main(folder="."):
    print(mg.explain(cost(parameters())))
    history = train()
    print(f"\n{in_a_sentence(history)}")
    figure = Path(folder) / "who_pulls.svg"
    draw(history, figure)
    print(f"\nThe figure of it: {figure.resolve()}")
    return history


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the figure goes (default: here)")
    main(parser.parse_args().folder)
