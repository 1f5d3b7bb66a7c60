"""Where is the mistake in my derivation?

A learner derives the gradients of a network with an L2 penalty by hand (relu, relu, sigmoid; cross-entropy + L2), and
lets the penalty flow into dA2 by the chain rule. From there on everything differs from the course's notes: dA2, dZ2,
dW2, dA1, dZ1, dW1 and db1. One of these steps is wrong, and the others only follow from it. Run it: python
examples/check_my_homework.py
"""

import numpy as np

import minigrad as mg

m, lam = mg.constant(8, name="m"), mg.constant(0.7, name="lam")
rng = np.random.default_rng(0)
X = rng.normal(size=(2, 8))
Y = (rng.uniform(size=(1, 8)) > 0.5).astype(float)


def record():
    """The network, as any course writes it in NumPy; its Tensors by name."""
    sizes = (2, 5, 3, 1)
    W1, W2, W3 = (mg.Tensor(rng.normal(size=(sizes[i], sizes[i - 1]))) for i in (1, 2, 3))
    b1, b2, b3 = (mg.Tensor(rng.normal(size=(n, 1))) for n in sizes[1:])
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(Z2, 0)
    Z3 = W3 @ A2 + b3
    A3 = 1 / (1 + np.exp(-Z3))
    cross_entropy = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    L2 = lam / (2 * m) * (np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3)))
    J = cross_entropy + L2
    return {name: x for name, x in (locals() | {"m": m, "lam": lam}).items() if isinstance(x, mg.Tensor)}


def homework(n, penalty_in_dA2):
    """The learner's derivation in plain NumPy, a gradient a line; ``n`` holds the values of the forward pass."""
    m, lam = n["m"], n["lam"]
    dZ3 = (n["A3"] - Y) / m
    dW3 = dZ3 @ n["A2"].T + lam / m * n["W3"]
    db3 = np.sum(dZ3, axis=1, keepdims=True)
    dA2 = n["W3"].T @ dZ3
    if penalty_in_dA2:
        dA2 = dA2 + lam / m * n["W3"].T  # "L2 contains W3, and W3 multiplies A2, so the chain rule ..."
    dZ2 = dA2 * (n["Z2"] > 0)
    dW2 = dZ2 @ n["A1"].T + lam / m * n["W2"]
    db2 = np.sum(dZ2, axis=1, keepdims=True)
    dA1 = n["W2"].T @ dZ2
    dZ1 = dA1 * (n["Z1"] > 0)
    dW1 = dZ1 @ X.T + lam / m * n["W1"]
    db1 = np.sum(dZ1, axis=1, keepdims=True)
    return {name: g for name, g in locals().items() if name.startswith("d")}


def differing(gradients, tensors):
    """What a plain comparison with the right gradients flags."""
    tensors["J"].backward()
    return [name for name, g in gradients.items() if not np.allclose(g, tensors[name[1:]].grad)]


def main():
    tensors = record()
    values = {name: x.data for name, x in tensors.items()}
    terms = {"cross-entropy": tensors["cross_entropy"], "L2": tensors["L2"]}

    mine = homework(values, penalty_in_dA2=True)
    flagged = differing(mine, tensors)
    print(f"Compared with the right gradients, {len(flagged)} of my {len(mine)} are wrong: {', '.join(flagged)}.")
    print("But how many mistakes is that? Each step, checked by what I myself found before it:\n")
    report = mg.check(tensors["J"], mine, names=tensors, terms=terms)
    print(report)

    print("\nWithout that summand:\n")
    mended = mg.check(tensors["J"], homework(values, penalty_in_dA2=False), names=tensors, terms=terms)
    print(mended)
    print(
        "\nThe penalty is a function of the weights alone. A2 is computed from W1 and W2, never the other way round:\n"
        "A2 can change without any weight changing, and then L2 stays as it is, so dL2/dA2 = 0. The penalty changes\n"
        "dW1, dW2 and dW3, by (λ/m) W each, and no dA, dZ or db."
    )
    return report, mended


if __name__ == "__main__":
    main()
