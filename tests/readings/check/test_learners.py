"""Slips that learners make, each in a small network of its own: the right place, and the right name."""

import itertools

import corpus
import numpy as np
import pytest
from measures import some_quick

import minigrad as mg
from minigrad.readings.check.kinds import Kind

RNG = np.random.default_rng(11)
X = RNG.normal(size=(6, 3))

TWO_LAYERS = corpus.Network(
    "no biases, the pre-activations without a name",
    {"V": (3, 4), "U": (4, 2)},
    {"X": X, "Y": RNG.normal(size=(6, 2))},
    """
H = 1 / (1 + np.exp(-(X @ V)))
O = 1 / (1 + np.exp(-(H @ U)))
J = 0.5 * np.sum((O - Y) ** 2)
""",
    """
dO = O - Y
dU = H.T @ (dO * O * (1 - O))
dH = (dO * O * (1 - O)) @ U.T
dV = X.T @ (dH * H * (1 - H))
""",
)

SOFTMAX = corpus.Network(
    "attention: a softmax of scaled products",
    {"Q": (4, 3), "K": (4, 3), "V": (4, 2)},
    {"T": RNG.normal(size=(4, 2))},
    """
S = Q @ K.T / np.sqrt(3)
E = np.exp(S - np.max(S, axis=1, keepdims=True))
P = E / np.sum(E, axis=1, keepdims=True)
O = P @ V
J = 0.5 * np.sum((O - T) ** 2)
""",
    """
dO = O - T
dV = P.T @ dO
dP = dO @ V.T
dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
dQ = dS @ K / np.sqrt(3)
dK = dS.T @ Q / np.sqrt(3)
""",
)

DROPOUT = corpus.Network(
    "dropout after tanh, and a leaky ReLU",
    {"W": (3, 5), "U": (5, 2)},
    {"X": X, "Y": RNG.normal(size=(6, 2)), "mask": (RNG.random((6, 5)) > 0.4) * 1.0, "keep": 0.6},
    """
Z = X @ W
A = np.tanh(Z)
D = A * mask / keep
S = D @ U
R = np.where(S > 0, S, 0.1 * S)
J = 0.5 * np.sum((R - Y) ** 2)
""",
    """
dR = R - Y
dS = np.where(S > 0, dR, 0.1 * dR)
dU = D.T @ dS
dD = dS @ U.T
dA = dD * mask / keep
dZ = dA * (1 - A**2)
dW = X.T @ dZ
""",
)

RECURRENT = corpus.Network(
    "three steps of a recurrence",
    {"W": (3, 3), "V": (3, 2)},
    {"x0": X[:1], "x1": X[1:2], "x2": X[2:3], "Y": RNG.normal(size=(1, 2))},
    """
h0 = np.tanh(x0 @ W)
h1 = np.tanh(x1 + h0 @ W)
h2 = np.tanh(x2 + h1 @ W)
S = h2 @ V
J = 0.5 * np.sum((S - Y) ** 2)
""",
    """
dS = S - Y
dV = h2.T @ dS
dh2 = dS @ V.T
dh1 = (dh2 * (1 - h2**2)) @ W.T
dh0 = (dh1 * (1 - h1**2)) @ W.T
dW = x0.T @ (dh0 * (1 - h0**2)) + h0.T @ (dh1 * (1 - h1**2)) + h1.T @ (dh2 * (1 - h2**2))
""",
)

NORM = corpus.Network(
    "normalised columns",
    {"W": (3, 4), "gamma": (4,)},
    {"X": X, "T": RNG.normal(size=(6, 4))},
    """
x = X @ W
mu = np.mean(x, axis=0)
xmu = x - mu
var = np.mean(xmu**2, axis=0)
ivar = 1 / np.sqrt(var + 1e-5)
xhat = xmu * ivar
out = gamma * xhat
J = 0.5 * np.sum((out - T) ** 2)
""",
    """
dout = out - T
dgamma = np.sum(dout * xhat, axis=0)
dxhat = dout * gamma
dx = ivar / 6 * (6 * dxhat - dxhat.sum(0) - xhat * np.sum(dxhat * xhat, axis=0))
dW = X.T @ dx
""",
)

LOOKUP = corpus.Network(
    "a table of rows, one of them taken twice",
    {"E": (5, 3), "U": (3, 2)},
    {"i": np.array([0, 3, 3, 1]), "Y": RNG.normal(size=(4, 2))},
    """
h = E[[0, 3, 3, 1]]
S = h @ U
J = 0.5 * np.sum((S - Y) ** 2)
""",
    """
dS = S - Y
dU = h.T @ dS
dh = dS @ U.T
dE = np.array([dh[0], dh[3], 0 * dh[0], dh[1] + dh[2], 0 * dh[0]])
""",
)

LOOPED = corpus.Network(
    "a convolution by a loop over positions",
    {"K": (3,), "b": (2,)},
    {"X": RNG.normal(size=(5, 6)), "Y": RNG.normal(size=(5, 4, 2))},
    """
columns = []
for i in range(4):
    columns.append(np.sum(X[:, i : i + 3] * K, axis=1, keepdims=True) + b)
C = np.stack(columns, axis=1)
A = np.tanh(C)
J = 0.5 * np.sum((A - Y) ** 2)
""",
    """
dA = A - Y
dC = dA * (1 - A**2)
dK = np.array([np.sum(dC.T * X[:, :4].T), np.sum(dC.T * X[:, 1:5].T), np.sum(dC.T * X[:, 2:].T)])
db = np.sum(dC, axis=(0, 1))
""",
)

LABELS = corpus.Network(
    "classes by number",
    {"W": (3, 4), "b": (4,)},
    {"X": X, "Y": np.eye(4)[[2, 0, 1, 2, 3, 0]]},
    """
S = X @ W + b
P = np.exp(S) / np.sum(np.exp(S), axis=1, keepdims=True)
J = -np.mean(np.log(P[np.arange(6), [2, 0, 1, 2, 3, 0]]))
""",
    """
dS = (P - Y) / 6
dW = X.T @ dS
db = np.sum(dS, axis=0)
""",
)

SLIPS = [
    (TWO_LAYERS, "dU", "H.T @ dO", Kind.MISSING_FACTOR),
    (TWO_LAYERS, "dH", "dO @ U.T", Kind.MISSING_FACTOR),
    (TWO_LAYERS, "dV", "X.T @ dH", Kind.MISSING_FACTOR),
    (TWO_LAYERS, "dV", "X.T @ (dH * H * H)", Kind.WRONG_FACTOR),
    (TWO_LAYERS, "dV", "X.T @ (dH / (1 + np.exp(-H)) * (1 - 1 / (1 + np.exp(-H))))", Kind.PRE_POST),
    (TWO_LAYERS, "dV", "X.T @ (H * (1 - H))", Kind.UPSTREAM),
    (SOFTMAX, "dS", "P * (1 - P) * dP", Kind.DIAGONAL),
    (SOFTMAX, "dS", "P * dP", Kind.MISSING_PATH),
    (SOFTMAX, "dS", "P * (dP - np.sum(dP * P, axis=0, keepdims=True))", Kind.WRONG_AXIS),
    (SOFTMAX, "dQ", "dS @ K", Kind.FACTOR),
    (SOFTMAX, "dK", "dS @ Q / np.sqrt(3)", Kind.TRANSPOSED),
    (SOFTMAX, "dS", "P @ (dP - np.sum(dP * P, axis=1, keepdims=True))", Kind.PRODUCT),
    (SOFTMAX, "dS", "P * (dP - 2 * dP * P + np.sum(dP * P, axis=1, keepdims=True))", Kind.DIAGONAL),
    (SOFTMAX, "dS", "P * dP - S * np.sum(dP * P, axis=1, keepdims=True)", Kind.OPERAND),
    (DROPOUT, "dZ", "dA @ (1 - A.T @ A)", Kind.PRODUCT),
    (DROPOUT, "dA", "dD / keep", Kind.MISSING_MASK),
    (DROPOUT, "dA", "dD * mask", Kind.FACTOR),
    (DROPOUT, "dZ", "dA * (1 - A)", Kind.WRONG_FACTOR),
    (DROPOUT, "dZ", "1 - A**2", Kind.UPSTREAM),
    (DROPOUT, "dS", "np.where(S > 0, dR, 0.1)", Kind.UPSTREAM),
    (RECURRENT, "dW", "h1.T @ (dh2 * (1 - h2**2))", Kind.MISSING_PATH),
    (RECURRENT, "dW", "x0.T @ (dh0 * (1 - h0**2))", Kind.MISSING_PATH),
    (RECURRENT, "dh1", "(dh2 * (1 - h2**2)) @ W", Kind.TRANSPOSED),
    (NORM, "dx", "dxhat * ivar", Kind.MISSING_PATH),
    (NORM, "dgamma", "np.mean(dout * xhat, axis=0)", Kind.AVERAGED),
    (LOOKUP, "dE", "np.array([dh[0], dh[3], 0 * dh[0], dh[2], 0 * dh[0]])", Kind.INDEX),
    (LOOPED, "dK", "np.sum(dC) + 0 * K", Kind.MISSING_FACTOR),
    (LOOPED, "db", "np.mean(dC, axis=(0, 1))", Kind.FACTOR),
    (LABELS, "dS", "(P - 0.5 * Y) / 6", Kind.FACTOR),
    (LABELS, "dS", "(P - 1) / 6", Kind.MISSING_MASK),
    (LABELS, "dS", "P - Y", Kind.FACTOR),
]


NAMES_OF_SLIPS = [f"{target} = {code}" for _, target, code, _ in SLIPS]


@pytest.mark.parametrize(("network", "target", "code", "kind"), some_quick(SLIPS), ids=NAMES_OF_SLIPS)
def test_a_slip_of_a_learner_is_found_and_named(network, target, code, kind):
    r = corpus.record(network, corpus.weights(network))
    assert r.check().ok
    report = r.check({target: code})
    assert [m.node for m in report.mistakes] == [target[1:]], report
    assert kind in corpus.kinds(report, target), report


@pytest.mark.parametrize(
    ("network", "target", "code", "kind"), some_quick(SLIPS), ids=[f"{s[1]} = {s[2]}" for s in SLIPS]
)
def test_a_slip_is_one_mistake_where_the_leaves_alone_are_given(network, target, code, kind):
    r = corpus.record(network, corpus.weights(network))
    found = r.derive({target: code})
    report = corpus.check(r.J, {"d" + name: found["d" + name] for name in network.leaves}, names=r.tensors)
    assert len(report.mistakes) <= 2 and report.mistakes, report
    assert report.mistakes[0].kind is not Kind.UNKNOWN, report


def test_a_number_that_is_off_in_every_turn_of_a_loop_is_named():
    r = corpus.record(RECURRENT, corpus.weights(RECURRENT))
    found = r.derive()
    dh2 = found["dh2"]
    dh1 = (dh2 * (0.5 - r.values["h2"] ** 2)) @ r.values["W"].T
    dh0 = (dh1 * (0.5 - r.values["h1"] ** 2)) @ r.values["W"].T
    (mistake,) = corpus.check(r.J, {"dh2": dh2, "dh0": dh0}, names=r.tensors).mistakes
    assert mistake.kind == Kind.NUMBER and "more place" in mistake.message


def test_what_follows_from_a_gradient_of_another_size_is_no_mistake_of_its_own():
    r = corpus.record(TWO_LAYERS, corpus.weights(TWO_LAYERS))
    report = r.check({"dO": "np.sum(O - Y, axis=1, keepdims=True)"})
    assert [m.node for m in report.mistakes] == ["O"] and "once dO has its shape" in report.notes[-1], report


def test_a_slip_and_a_factor_of_all_are_one_mistake_of_all_leaves():
    r = corpus.record(DROPOUT, corpus.weights(DROPOUT))
    found = r.derive({"dA": "1.5 * dD / keep"})
    report = corpus.check(r.J, {"dW": found["dW"], "dU": found["dU"]}, names=r.tensors)
    assert [m.node for m in report.mistakes] == ["W"] and "mask is left out; and all of it" in str(report), report


def test_a_factor_on_a_gradient_that_is_not_given_is_one_mistake_of_all_that_follow():
    r = corpus.record(DROPOUT, corpus.weights(DROPOUT))
    for k in (-1, 6):
        found = r.derive({"dA": f"{k} * dD * mask / keep"})
        report = corpus.check(r.J, {"dW": found["dW"], "dU": found["dU"]}, names=r.tensors)
        assert [m.node for m in report.mistakes] == ["W"] and report.right == ["U"]
    found = r.derive({"dD": "6 * dS @ U.T", "dU": "6 * D.T @ dS"})
    report = corpus.check(r.J, {"dW": found["dW"], "dU": found["dU"]}, names=r.tensors)
    assert len(report.mistakes) == 1 and report.inherited and "is 6 times too large" in str(report), report


def test_the_sigmoid_of_a_sigmoid_is_written_as_it_was_computed():
    net = corpus.Network(
        "a sigmoid of minus one times z",
        {"z": (5, 3)},
        {"y": RNG.normal(size=(5, 3))},
        "a = 1 / (1 + np.exp(-1 * z))\nJ = 0.5 * np.sum((a - y) ** 2)\n",
        "da = a - y\ndz = da * a * (1 - a)\n",
    )
    r = corpus.record(net, corpus.weights(net))
    (mistake,) = r.check({"dz": "da / (1 + np.exp(-a)) * (1 - 1 / (1 + np.exp(-a)))"}).mistakes
    assert mistake.kind is Kind.PRE_POST and mistake.message.startswith(
        "1 / (1 + np.exp(-1 * a)) stands where a belongs"
    )


def test_one_less_than_a_length_is_a_known_factor():
    r = corpus.record(NORM, corpus.weights(NORM))
    (mistake,) = r.check({"dgamma": "np.sum(dout * xhat, axis=0) * 6 / 5"}).mistakes
    assert mistake.kind == Kind.FACTOR and "5 stands for 6" in mistake.message


def test_a_sum_over_everything_in_every_turn_of_a_loop_is_spread_by_the_zeros_it_is_added_to():
    rng = np.random.default_rng(3)
    x, b = rng.normal(size=(2, 5, 3)), mg.Tensor(np.zeros(4), name="b")
    W = mg.Tensor(rng.normal(size=(3, 4)), name="W")
    z = [(x[t] @ W + b).named(f"z{t}") for t in range(2)]
    J = sum(np.sum(np.sin(a)) for a in z)
    given = {f"dz{t}": np.cos(a.data) for t, a in enumerate(z)}
    (mistake,) = mg.check(J, given | {"db": np.zeros(4) + sum(np.sum(g) for g in given.values())}).mistakes
    assert mistake.node == "b" and mistake.kind is Kind.WRONG_AXIS, mistake.message


def test_a_state_in_place_of_a_gate_is_another_operand_though_it_came_from_another_shape():
    rng = np.random.default_rng(5)
    x, U = rng.normal(size=(5, 3)), mg.Tensor(rng.normal(size=(3, 4)), name="U")
    y = np.sin(U[:1])
    z = np.tanh(x @ U).named("z")
    h = (np.ones((5, 1)) @ (y**2) + x[:, :1]).named("h")
    c = mg.Tensor(rng.normal(size=(5, 4)), name="c")
    out = (np.exp(c) * z + h).named("out")
    dout = 2 * out.data
    (mistake,) = mg.check(np.sum(out**2), {"dout": dout, "dc": dout * np.exp(c.data) * h.data}).mistakes
    assert mistake.node == "c" and mistake.kind is Kind.OPERAND, mistake.message


def test_zeros_and_ones_are_no_output_from_which_a_target_is_taken():
    rng = np.random.default_rng(4)
    X, labels = rng.normal(size=(5, 2)), [0, 2, 1, 1, 0]
    W = mg.Tensor(rng.normal(size=(2, 3)), name="W")
    S = (X @ W).named("S")
    margin = ((S - S[np.arange(5), labels].reshape(-1, 1) + 1) * (1 - np.eye(3)[labels])).named("margin")
    data, penalty = (np.sum(np.maximum(margin, 0)) / 5).named("data"), (0.3 * np.sum(W * W)).named("penalty")
    from_data, from_penalty = mg.gradients(data, [W])[0], mg.gradients(penalty, [W])[0]
    report = str(mg.check(data + penalty, {"W": 5 * from_data + from_penalty}))
    assert "division by 5 is left out" in report and "dmargin = (margin > 0) / 5" in report, report


def test_a_factor_of_what_a_named_value_is_computed_from_is_left_out():
    rng = np.random.default_rng(5)
    r = mg.Tensor(rng.normal(size=(4, 3)), name="r")
    s = np.sqrt(np.mean(r**2, axis=1, keepdims=True) + 1e-3).named("s")
    n = (r / s).named("n")
    G = rng.normal(size=(4, 3))
    dn, spread = G, -np.sum(G / s.data**2, axis=1, keepdims=True)  # -np.sum(G * r / s**2, ...)
    (mistake,) = mg.check(np.sum(n * G), {"dn": dn, "ds": spread}).mistakes
    assert mistake.node == "s" and mistake.kind is Kind.OPERAND and "1 / s stands where n belongs" in mistake.message


def test_another_list_in_every_turn_of_a_loop():
    rng = np.random.default_rng(6)
    b = mg.Tensor(rng.normal(size=3), name="b")
    inputs, T = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    z = [(x * b + b).named(f"z{i}") for i, x in enumerate(inputs)]
    a = [np.tanh(x).named(f"a{i}") for i, x in enumerate(z)]
    J = sum(np.sum((x - t) ** 2) for x, t in zip(a, T, strict=True))
    da = [2 * (x.data - t) for x, t in zip(a, T, strict=True)]
    dz = [d * (1 - x.data**2) for d, x in zip(da, a, strict=True)]
    given = {f"da{i}": d for i, d in enumerate(da)} | {f"dz{i}": d for i, d in enumerate(dz)}
    (mistake,) = mg.check(J, given | {"db": sum(d * (1 + x) for d, x in zip(da, inputs, strict=True))}).mistakes
    assert mistake.node == "b" and mistake.kind is Kind.UPSTREAM and "and so at 2 more places" in mistake.message


def test_a_scalar_for_a_number():
    rng = np.random.default_rng(7)
    r, small = mg.Tensor(3 * rng.normal(size=8), name="r"), mg.Tensor(0.3, name="small")
    near = np.abs(r.data) <= 1
    huber = np.where(near, 0.5 * r**2, np.abs(r) - 0.5)
    dr = np.where(near, r.data, 0.3 * np.sign(r.data)) / 8
    (mistake,) = mg.check(np.mean(huber) + small, {"dr": dr, "dsmall": 1.0}).mistakes
    assert mistake.node == "r" and mistake.kind is Kind.NUMBER and "small" in mistake.message


def test_one_plus_the_labels_for_one_minus_them():
    rng = np.random.default_rng(8)
    Y = (rng.random(6) > 0.5) * 1.0
    P = mg.Tensor(rng.uniform(0.2, 0.8, 6), name="P")
    J = -np.sum(Y * np.log(P) + (1 - Y) * np.log(1 - P))
    (mistake,) = mg.check(J, {"dP": -(Y / P.data - (1 + Y) / (1 - P.data))}, names={"Y": Y}).mistakes
    assert mistake.kind is Kind.SIGN and "1 + Y stands where 1 - Y belongs" in mistake.message


def test_a_closed_form_in_a_turn_of_a_loop_over_samples():
    rng = np.random.default_rng(9)
    W, labels = mg.Tensor(rng.normal(size=(3, 4)), name="W"), [2, 0]
    a = [mg.Tensor(rng.normal(size=4), name=f"a{i}") for i in range(2)]
    given, J = {}, 0.0
    for i, label in enumerate(labels):
        e = np.exp(W @ a[i])
        p = (e / np.sum(e)).named(f"p{i}")
        J = J - np.log(p[label]) / 2
        given[f"da{i}"] = W.data.T @ ((p.data - 1.0) / 2)  # 1 is to be subtracted at the label alone
    first = mg.check(J, given).mistakes[0]
    assert first.kind is Kind.MISSING_MASK and "one_hot" in first.message, first.message


def test_a_factor_at_some_entries():
    rng = np.random.default_rng(10)
    S, mask = mg.Tensor(rng.normal(size=(6, 4)), name="S"), rng.random((6, 4)) > 0.5
    g = 2 * S.data
    (mistake,) = mg.check(np.sum(S**2), {"dS": np.where(mask, g / 4, g)}).mistakes
    assert mistake.kind is Kind.FACTOR and "4 times too small" in mistake.message and "entries" in mistake.message


def test_a_slip_in_a_loop_over_layers_of_different_widths_is_one():
    rng = np.random.default_rng(12)
    sizes, values = (3, 5, 4, 2), {"A0": rng.normal(size=(3, 6))}
    W = [mg.Tensor(rng.normal(size=(n, m)), name=f"W{i}") for i, (m, n) in enumerate(itertools.pairwise(sizes), 1)]
    A = [mg.constant(values["A0"], name="A0")]
    for i, w in enumerate(W, 1):
        A.append((1 / (1 + np.exp(-(w @ A[-1])))).named(f"A{i}"))
    dA, found = 2 * A[-1].data, {}
    for i in (3, 2, 1):
        dZ = dA * A[i].data * A[i].data  # for A * (1 - A)
        found[f"dW{i}"], dA = dZ @ A[i - 1].data.T, W[i - 1].data.T @ dZ
    del found["dW3"]
    first = mg.check(np.sum(A[-1] ** 2), found).mistakes[0]
    assert first.node == "W2" and "belongs, and so at 1 more place" in first.message, first.message


def test_a_long_gradient_at_another_row():
    W, V = mg.Tensor([[0.5, -1.0], [2.0, 0.3], [-0.4, 1.1]], name="W"), mg.Tensor([1.5, -0.6], name="V")
    J = np.sum(np.square(np.tanh(W[0] * V) - 0.25)).named("J")
    J.backward()
    wrong = np.roll(W.grad, 1, axis=0)
    (mistake,) = mg.check(J, {"dW": wrong, "dV": V.grad}).mistakes
    assert mistake.node == "W" and "np.s_[1], (3, 2)) stands where" in str(mistake)
