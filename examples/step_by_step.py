"""Matt Mazur's "A Step by Step Backpropagation Example", number by number.

The post (2015) works one round of backpropagation by hand: two inputs, two hidden and two output neurons, all sigmoid.
Here its forward pass is typed in as it stands, and the graph gives every number that the post prints but the closing
ones, which are not right.
Run it: python examples/step_by_step.py [FOLDER]; the picture goes into FOLDER, or where you are.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import trange

import minigrad as mg

INPUTS, TARGETS = (0.05, 0.10), (0.01, 0.99)
WEIGHTS = (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)
B1, B2, RATE = 0.35, 0.60, 0.5

# What the post prints, as it prints it.
FORWARD = {
    "net_h1": "0.3775",
    "out_h1": "0.593269992",
    "out_h2": "0.596884378",
    "net_o1": "1.105905967",
    "out_o1": "0.75136507",
    "out_o2": "0.772928465",
    "E_o1": "0.274811083",
    "E_o2": "0.023560026",
    "E": "0.298371109",
}
BACKWARD = {
    ("E", "out_o1"): "0.74136507",
    ("out_o1", "net_o1"): "0.186815602",
    ("net_o1", "w5"): "0.593269992",
    ("E", "w5"): "0.082167041",
    ("E", "net_o1"): "0.138498562",
    ("net_o1", "out_h1"): "0.40",
    ("E_o1", "net_o1"): "0.138498562",
    ("E_o1", "out_h1"): "0.055399425",
    ("E_o2", "out_h1"): "-0.019049119",
    ("E", "out_h1"): "0.036350306",
    ("out_h1", "net_h1"): "0.241300709",
    ("net_h1", "w1"): "0.05",
    ("E", "w1"): "0.000438568",
}
UPDATED = {
    "w5": "0.35891648",
    "w6": "0.408666186",
    "w7": "0.511301270",
    "w8": "0.561370121",
    "w1": "0.149780716",
    "w2": "0.19956143",
    "w3": "0.24975114",
    "w4": "0.29950229",
}
POST_OUTPUTS = (0.015912196, 0.984065734)  # after 10,000 rounds


def initial_weights():
    return {f"w{i}": mg.Tensor(value, name=f"w{i}") for i, value in enumerate(WEIGHTS, 1)}


def neuron(which, a, b, wa, wb, bias):
    """The post's net and out of a neuron with the inputs a and b."""
    net = (wa * a + wb * b + bias * 1).named(f"net_{which}")
    return net, (1 / (1 + np.exp(-net))).named(f"out_{which}")


def forward(w):
    """The post's forward pass; every quantity that it names, by name."""
    with mg.scope("hidden layer"):
        net_h1, out_h1 = neuron("h1", *INPUTS, w["w1"], w["w2"], B1)
        net_h2, out_h2 = neuron("h2", *INPUTS, w["w3"], w["w4"], B1)
    with mg.scope("output layer"):
        net_o1, out_o1 = neuron("o1", out_h1, out_h2, w["w5"], w["w6"], B2)
        net_o2, out_o2 = neuron("o2", out_h1, out_h2, w["w7"], w["w8"], B2)
    E_o1 = (0.5 * (TARGETS[0] - out_o1) ** 2).named("E_o1")
    E_o2 = (0.5 * (TARGETS[1] - out_o2) ** 2).named("E_o2")
    E = (E_o1 + E_o2).named("E")
    nodes = (net_h1, out_h1, net_h2, out_h2, net_o1, out_o1, net_o2, out_o2, E_o1, E_o2, E)
    return w | {node.name: node for node in nodes}


def update(w):
    """All weights at once, each by its own gradient; the biases stay, as in the post."""
    for weight in w.values():
        weight.data -= RATE * weight.grad
        weight.zero_grad()


def one_round(w):
    forward(w)["E"].backward()
    update(w)


def one_stale_round(w):
    """The mistake of the post's first script: w5 to w8 are updated, and the error is sent back through the new ones."""
    n = forward(w)
    n["E"].backward()
    through_o1, through_o2 = n["net_o1"].grad, n["net_o2"].grad
    for name in ("w1", "w2", "w3", "w4"):
        w[name].zero_grad()
    update({name: w[name] for name in ("w5", "w6", "w7", "w8")})
    n["out_h1"].backward(through_o1 * w["w5"].data + through_o2 * w["w7"].data)
    n["out_h2"].backward(through_o1 * w["w6"].data + through_o2 * w["w8"].data)
    update({name: w[name] for name in ("w1", "w2", "w3", "w4")})


def error_after(rounds, one=one_round):
    w = initial_weights()
    for _ in trange(rounds, desc="rounds", disable=None if rounds > 1 else True):
        one(w)
    return forward(w)["E"].item()


def as_printed(value, printed):
    """The value, to as many digits as the post gives."""
    return f"{float(value):.{len(printed.partition('.')[2])}f}"


def compare(what, value, printed):
    """A line of the story; a number that is not the post's is marked."""
    ours = as_printed(value, printed)
    print(f"    {what:16} {ours:>13}" + ("" if ours == printed else f"   but the post has {printed}"))


def main(folder="."):
    w = initial_weights()
    n = forward(w)
    n["E"].backward()
    print("The forward pass:")
    for name, printed in FORWARD.items():
        compare(name, n[name].item(), printed)
    print("\nThe backward pass, for each pair of the post the derivative of one by the other:")
    for (y, x), printed in BACKWARD.items():
        compare(f"d{y}/d{x}", mg.gradients(n[y], [n[x]])[0], printed)
    picture = Path(folder) / "step_by_step.svg"
    mg.draw(n["E"]).render(picture)
    update(w)
    print("\nThe weights after one round at rate 0.5:")
    for name, printed in UPDATED.items():
        compare(f"{name}+", w[name].item(), printed)
    print(f"\nThe graph before that round: {picture.resolve()}\n")
    closing_numbers()


def closing_numbers():
    after_1, after_10000, stale = error_after(1), error_after(10_000), error_after(1, one_stale_round)
    print(f"""\
Up to here every digit is the post's, but for a last one where it goes on with a number that it has rounded.
Its closing numbers are not right:

    after one round        E = {after_1:.17f}     the post has 0.291027924
    after 10,000 rounds    E = {after_10000:.15e}   the post has 0.0000351085

The post's first script updated w5 to w8 and then sent the error back through the new weights. Done that way, one
round gives {stale:.9f}. But the chain rule takes all derivatives at one point, the old weights, as the post's own
text says. (Its last number fits neither way: the outputs printed beside it give {error_of(*POST_OUTPUTS):.10f}.)""")


def error_of(out_o1, out_o2):
    return 0.5 * ((TARGETS[0] - out_o1) ** 2 + (TARGETS[1] - out_o2) ** 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    main(parser.parse_args().folder)
