import importlib.util
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import corpus
import numpy as np
import pytest
from measures import some_quick

import minigrad as mg
from minigrad.graph import Graph
from minigrad.readings.check import diagnosis
from minigrad.readings.check.kinds import Kind
from minigrad.readings.check.report import check
from minigrad.text import expressions

NETWORKS = pytest.mark.parametrize("network", corpus.NETWORKS, ids=lambda network: network.name)
SMALLEST_FIRST = pytest.mark.parametrize(
    "network",
    [
        pytest.param(network, id=network.name, marks=[] if network is corpus.LOGISTIC else [pytest.mark.slow])
        for network in corpus.NETWORKS
    ],
)


def question(seed=0, dtype=np.float64):
    return corpus.record(corpus.QUESTION, corpus.weights(corpus.QUESTION, seed), dtype)


# --- right derivations ------------------------------------------------------------------------------------------------


def right_weights(network):
    yield from (corpus.weights(network, seed) for seed in range(3))
    yield corpus.trained(network)
    yield {k: v - 4 if k.startswith("b") else v for k, v in corpus.weights(network).items()}  # some ReLUs are dead
    yield {k: 5 * v for k, v in corpus.weights(network).items()}  # some sigmoids are saturated
    yield {k: 30 * v for k, v in corpus.weights(network).items()}  # nearly all are


@SMALLEST_FIRST
@pytest.mark.usefixtures("unproved")  # saturated weights leave too few digits
@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
def test_a_right_derivation_raises_no_alarm(network, dtype):
    for leaves in right_weights(network):
        report = corpus.record(network, leaves, dtype).check()
        assert report.ok and not report.inherited, report
        unchecked = {target[1:] for target in network.statements} - set(report.right)
        assert all(any(note.startswith(f"d{name}: ") for note in report.notes) for name in unchecked)


@SMALLEST_FIRST
def test_a_step_in_float32_is_right(network):
    r = corpus.record(network, corpus.weights(network))
    for target, code in network.statements.items():
        assert r.check({target: f"np.float32({code}).astype(float)"}).ok
        assert r.check({target: code.replace("lam", "float(np.float32(lam))")}).ok


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_rounding_leaves_of_a_gradient_that_cancels_is_right(dtype):
    """A constant that is added to all entries of a row leaves their distances from its mean as they are: dJ/db is 0."""
    rng = np.random.default_rng(3)
    z, b = (mg.Tensor(rng.normal(size=size).astype(dtype), name=name) for name, size in (("z", (4, 7)), ("b", (4, 1))))
    u = z + b
    J = np.sum(np.tanh(u - np.mean(u, axis=1, keepdims=True))).named("J")
    J.backward()
    assert check(J, {"z": z.grad, "b": b.grad}).ok
    assert not check(J, {"z": z.grad, "b": b.grad + dtype(1e-3)}).ok


@pytest.mark.slow
def test_no_edit_asks_a_series_for_a_value_at_infinity(monkeypatch):
    special = pytest.importorskip("scipy.special")
    asked = []

    def applied(function, args, options):
        if function is special.hyp1f1:
            asked.append(args[2])
            return np.ones(np.shape(args[2]))  # SciPy's does not end at infinity
        return expressions.applied(function, args, options)

    monkeypatch.setattr("minigrad.readings.check.lines.applied", applied)
    x = mg.Tensor([[1.0, -1.0, -1.0], [-0.0, 0.0, -1.0], [3.0, -0.0, 1.0]], name="x")
    J = (0.5 * np.sum(np.square(special.exprel(x)))).named("J")
    J.backward()
    report = check(J, {"x": x.grad * np.linspace(1.5, 2.0, 9).reshape(3, 3)})
    assert report.mistakes[0].node == "x" and asked and not any(np.any(np.isinf(a)) for a in asked)


def test_no_edit_asks_lapack_for_singular_values_at_infinity(monkeypatch):
    asked = []

    def applied(function, args, options):
        if function is np.linalg.pinv:
            asked.append(args[0])  # LAPACK does not end at infinity
        return expressions.applied(function, args, options)

    monkeypatch.setattr("minigrad.readings.check.lines.applied", applied)
    x = mg.Tensor([[0.0, 2.0], [1.0, 0.5]], name="x")
    J = np.sum(np.linalg.pinv(1 / (1 + x * x))).named("J")
    J.backward()
    report = check(J, {"x": x.grad * [[1.5, 2.0], [0.7, 0.2]]})
    assert report.mistakes[0].node == "x" and len(asked) > 1 and not any(np.any(np.isinf(a)) for a in asked)


def test_an_array_of_halves_is_not_one_minus_itself():
    W = mg.Tensor([[0.3, -1.2]], name="W")
    J = np.sum(np.exp(W) * np.full((1, 2), 0.5)).named("J")
    (mistake,) = check(J, {"W": np.exp(W.data)}).mistakes
    assert mistake.node == "W"


def test_a_constant_by_which_there_is_no_derivative_is_none_that_is_asked_for():
    special = pytest.importorskip("scipy.special")
    x = mg.Tensor([0.5, 1.5], name="x")
    order = np.square(mg.constant([1.0, 2.0], name="n")).named("order")
    J = np.sum(special.jv(order, x)).named("J")
    J.backward()
    assert check(J, {"x": x.grad}).ok and [m.node for m in check(J, {"x": -x.grad}).mistakes] == ["x"]


def test_a_trial_value_that_lapack_refuses_is_no_error():
    x = mg.Tensor([[0.4, -0.4, -0.2], [1.4, 0.5, -0.5], [-1.6, 0.8, -0.6]], name="x")
    J = np.sum(np.square(np.linalg.cholesky(x @ x.T + np.eye(3)))).named("J")
    J.backward()
    (mistake,) = check(J, {"x": 2 * x.grad.T}).mistakes
    assert mistake.node == "x"


def test_where_one_entry_may_be_off_by_much_the_others_may_not():
    v = mg.Tensor([-0.99, 0.5, 2.0], name="v")
    J = np.sum(1 / (1 + v))
    J.backward()
    assert check(J, {"v": np.float32(v.grad).astype(float)}).ok
    assert not check(J, {"v": v.grad + np.array([0, 0.3, 0])}).ok


def test_noise_does_not_move_a_number_that_is_a_condition():
    v = mg.Tensor(np.linspace(0.1, 3, 30), name="v")
    J = np.sum(np.log(np.where(v + 0.1 - v - 0.1, v, 0.5 * v)))  # what rounding leaves, if anything, is true
    J.backward()
    assert check(J, {"v": v.grad}).ok
    assert not check(J, {"v": v.grad * 1.01}).ok


def test_a_mean_for_a_sum_below_a_fraction_is_reported():
    v = mg.Tensor([[0.5, -1.0, 2.0]], name="v")
    A = (np.exp(v) / np.sum(np.exp(v), axis=-1, keepdims=True))[..., None].named("A")
    dA, p = np.full((1, 3, 1), 1 / 3), A.data[..., 0]
    (mistake,) = check(np.mean(A), {"A": dA, "v": p * (dA[..., 0] - np.sum(p))}).mistakes  # the sum lacks dA
    assert mistake.node == "v"


@NETWORKS
def test_a_mistake_smaller_than_float32_rounding_is_found_where_the_digits_show_it(network):
    r = corpus.record(network, corpus.weights(network))
    penalised = [t for t, code in network.statements.items() if "lam" in code]
    for target in penalised:
        r = corpus.record(
            corpus.Network(
                network.name, network.leaves, network.data | {"lam": 1e-6}, network.forward, network.backward
            ),
            corpus.weights(network),
        )
        report = r.check({target: network.statements[target].replace("lam", "0")})
        assert [(m.node, m.kind) for m in report.mistakes] == [(target[1:], Kind.MISSING_TERM)]


# --- the corpus -------------------------------------------------------------------------------------------------------


@SMALLEST_FIRST
def test_every_single_mistake_is_found_where_it_is_and_named(network):
    r = corpus.record(network, corpus.weights(network))
    found = corpus.mutations(r)
    named = 0
    for mutation in found:
        report = r.check({mutation.target: mutation.code})
        assert [m.node for m in report.mistakes] == [mutation.target[1:]], (mutation, str(report))
        named += mutation.kind in corpus.kinds(report, mutation.target)
    assert named >= 0.95 * len(found) > 20


@pytest.mark.slow
def test_both_of_two_mistakes_are_found():
    """All but where an intermediate gradient has a shape that the steps after it cannot be judged by."""
    found = [both for network in corpus.NETWORKS for both in corpus.doubles(network, 25)]
    assert len(found) > 150 and np.mean(found) >= 0.95


@pytest.mark.slow
def test_the_corpus_holds_every_kind():
    r = [corpus.record(network, corpus.weights(network)) for network in corpus.NETWORKS]
    kinds = {mutation.kind for recorded in r for mutation in corpus.mutations(recorded)}
    never_planted = {Kind.NOT_FINITE, Kind.UNKNOWN, Kind.NUMBER, Kind.DOUBLED_PATH, Kind.FUNCTION}
    never_planted |= {Kind.PRODUCT, Kind.DIAGONAL, Kind.INDEX, Kind.REVERSED, Kind.EXTRA_FACTOR}
    assert set(Kind) - kinds == never_planted | {Kind.COST}


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_first_wrong_step_comes_first_and_what_follows_from_it_apart():
    r = question()
    report = r.check({"dW1": "dZ1 @ X.T", "dZ2": "dA2"})
    assert [(m.node, m.kind) for m in report.mistakes] == [
        ("Z2", Kind.MISSING_MASK),
        ("W1", Kind.MISSING_TERM),
    ]
    assert set(report.inherited) == {"W2", "b2", "A1", "Z1", "b1"}
    assert set(report.right) == {"Z3", "W3", "b3", "A2"}
    assert not report.ok
    text = str(report).splitlines()
    assert text[0] == "2 of 11 steps are wrong."
    assert text[1].startswith("1. dZ2: the mask (Z2 > 0) is left out.")
    assert text[2:5] == ["   dZ2 = dA2 * (Z2 > 0)", "   likely yours: dZ2 = dA2", "2. dW1: the L2 term is missing."]
    assert text[5].startswith("   dW1 = dZ1 @ X.T + ")
    assert text[6:] == [
        "Wrong only because an earlier step is: db2, dW2, dA1, dZ1, db1.",
        "Right: dZ3, db3, dW3, dA2.",
    ]


def test_a_penalty_without_a_path_is_answered_with_the_reason():
    report = question().check({"dA2": "W3.T @ dZ3 + lam / m * W3.T"})
    (mistake,) = report.mistakes
    assert (mistake.node, mistake.kind) == ("A2", Kind.NO_PATH)
    assert "no path leads from A2 to L2: L2 is computed from W1, W2, W3 alone, so dL2/dA2 is 0" in mistake.message


def test_names_with_and_without_a_d():
    r = question()
    found = r.derive({"dW2": "-dZ2 @ A1.T - lam / m * W2"})
    with_d = check(r.J, found, names=r.tensors)
    without = check(r.J, {name[1:]: g for name, g in found.items()}, names=r.tensors)
    assert with_d == without
    assert [(m.kind, m.also) for m in with_d.mistakes] == [(Kind.SIGN, ())]


def test_a_name_that_begins_with_a_d_is_no_gradient_of_something_else():
    d = mg.Tensor([1.0, 2.0], name="dense")
    assert check(np.sum(d * d), {"dense": 2 * d.data}).ok
    assert check(np.sum(d * d), {"ddense": 2 * d.data}).ok


def test_a_mistake_between_given_steps_says_what_lies_between():
    r = question()
    found = r.derive({"dZ2": "dA2"})
    report = check(r.J, {k: found[k] for k in ("dA2", "dW2")}, names=r.tensors)
    (mistake,) = report.mistakes
    assert (mistake.node, mistake.kind) == ("W2", Kind.MISSING_MASK)
    assert "between dA2 and dW2; dZ2 is not given" in mistake.message


def test_a_single_gradient_is_checked_against_the_whole():
    r = question()
    right = r.derive()
    assert check(r.J, {"dW1": right["dW1"]}, names=r.tensors).ok
    (mistake,) = check(r.J, {"dW1": right["dW1"] - 0.1 * r.values["W1"]}, names=r.tensors).mistakes
    assert mistake.kind == Kind.MISSING_TERM


def test_two_kinds_that_give_the_same_numbers_are_both_told():
    W = mg.Tensor([[2.0, 0.5], [0.5, -1.0]], name="W")
    X = mg.constant([[1.0, 3.0], [3.0, 2.0]], name="X")
    Z = (W @ X).named("Z")
    J = np.sum(np.square(Z))
    report = check(J, {"dZ": 2 * Z.data, "dW": -2 * Z.data @ X.data})
    assert [m.kind for m in report.mistakes] == [Kind.SIGN]
    report = check(J, {"dZ": 2 * Z.data, "dW": X.data @ (2 * Z.data)})
    assert [m.kind for m in report.mistakes] == [Kind.ORDER]
    v = mg.Tensor([[3.0]], name="v")
    J = 0.5 * np.sum(np.square(v)).named("squares") + np.sum(v).named("L1")
    (mistake,) = check(J, {"dv": np.array([[3.0]])}).mistakes
    assert Kind.MISSING_TERM in (mistake.kind, *mistake.also)


def test_a_factor_that_the_leaves_make_good_is_a_convention():
    r, factor = question(), 7
    found = {k: g * factor if k[1] in "ZA" else g for k, g in r.derive().items()}
    report = check(r.J, found, names=r.tensors)
    assert report.ok and not report.inherited
    (note,) = report.notes
    assert f"factor {factor}" in note and "convention" in note and "dZ1" in note and "dW1" not in note


def test_a_mistake_within_a_convention_is_one_mistake():
    r = question()
    found = {k: g * 7 if k[1] in "ZA" else g for k, g in r.derive({"dZ1": "dA1"}).items()}
    report = check(r.J, found, names=r.tensors)
    assert [(m.node, m.kind) for m in report.mistakes] == [("Z1", Kind.MISSING_MASK)]


def test_a_forgotten_factor_is_no_convention_where_nothing_makes_it_good():
    r = question()
    report = r.check({"dZ3": "A3 - Y"})
    assert [(m.node, m.kind) for m in report.mistakes] == [("Z3", Kind.FACTOR)]
    assert len(report.inherited) == 10
    report = check(r.J, {"dZ3": r.values["A3"] - r.network.data["Y"]}, names=r.tensors)
    assert not report.ok


SLIPS_IN_THE_COURSE = {
    "dZ3": ("Y - A3", Kind.SIGN),
    "dA2": ("-(W3.T @ dZ3)", Kind.SIGN),
    "dZ2": ("dA2", Kind.MISSING_MASK),
    "dW2": ("dZ2 @ A1.T / m", Kind.MISSING_TERM),
    "db1": ("np.mean(dZ1, axis=1, keepdims=True) / m", Kind.AVERAGED),
    "dA1": ("W2.T @ dZ2 / m", Kind.FACTOR),
}


@pytest.mark.parametrize("target", SLIPS_IN_THE_COURSE)
def test_a_slip_anywhere_within_a_convention_is_one_mistake(target):
    """The convention of the course: 1/m in the gradients of weights and biases alone."""
    right = {"dZ3": "A3 - Y"}
    for layer, before in (("1", "X"), ("2", "A1"), ("3", "A2")):
        right[f"dW{layer}"] = f"dZ{layer} @ {before}.T / m + lam / m * W{layer}"
        right[f"db{layer}"] = f"np.sum(dZ{layer}, axis=1, keepdims=True) / m"
    r = question()
    assert r.check(right).ok
    code, kind = SLIPS_IN_THE_COURSE[target]
    report = r.check(right | {target: code})
    assert [m.node for m in report.mistakes] == [target[1:]], report
    assert kind in corpus.kinds(report, target), report


def test_all_gradients_downhill_are_a_convention_said_once():
    r = question()
    report = check(r.J, {k[1:]: -g for k, g in r.derive().items()}, names=r.tensors)
    assert report.ok and len(report.notes) == 1 and "down the hill" in report.notes[0]
    assert check(r.J, {k: -g for k, g in r.derive().items()}, names=r.tensors) == report
    slipped = check(r.J, {k[1:]: -g for k, g in r.derive({"dZ1": "dA1"}).items()}, names=r.tensors)
    assert [(m.node, m.kind) for m in slipped.mistakes] == [("Z1", Kind.MISSING_MASK)]


def test_a_sign_of_the_first_gradient_called_dX_is_a_mistake_though_all_others_follow():
    r = corpus.record(corpus.LINEAR, corpus.weights(corpus.LINEAR))
    first = next(iter(corpus.LINEAR.statements))
    (mistake,) = r.check({first: f"-({corpus.LINEAR.statements[first]})"}).mistakes
    assert mistake.kind == Kind.SIGN and "down the hill" in mistake.message
    named = {k[1:]: -g for k, g in r.derive().items()}
    assert check(r.J, named, names=r.tensors).ok


@pytest.mark.parametrize("factor", [-1, 7.3, -0.123])
def test_a_factor_on_one_gradient_is_no_convention(factor):
    X = np.random.default_rng(3).normal(size=(2, 5))
    W = mg.Tensor(np.random.default_rng(4).normal(size=(3, 2)), name="W")
    Z = (W @ X).named("Z")
    report = check(np.sum(np.square(Z)), {"dZ": factor * 2 * Z.data, "dW": 2 * Z.data @ X.T})
    assert len(report.mistakes) == 1


def test_a_gradient_copied_with_a_wrong_sign_is_no_convention():
    rng = np.random.default_rng(0)
    W, U = mg.Tensor(rng.normal(size=(4, 4)), name="W"), mg.Tensor(rng.normal(size=(4, 2)), name="U")
    h = mg.Tensor(rng.normal(size=(4, 3)))
    named = {"W": W, "U": U}
    for t in range(6):
        named[f"h{t}"] = h = np.tanh(W @ h + U @ rng.normal(size=(2, 3)))
    J = np.sum(np.square(h))
    J.backward()
    right = {name: x.grad for name, x in named.items()}
    report = check(J, right | {"h3": -right["h3"]}, names=named)
    assert {m.node for m in report.mistakes} == {"h3"} and not report.notes


def test_a_maximum_is_checked_to_the_last_digits():
    x = mg.Tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]], name="x")
    largest = np.max(x, axis=1).named("largest")
    dlargest = 2 * largest.data
    dx = np.where(x.data == largest.data[:, None], dlargest[:, None], 0)
    J = np.sum(np.square(largest))
    assert check(J, {"dlargest": dlargest, "dx": dx}).ok
    assert [m.node for m in check(J, {"dlargest": dlargest, "dx": dx + 1e-3}).mistakes] == ["x"]


def test_a_mistake_of_no_kind_is_told_with_its_size():
    r = question()
    noise = np.random.default_rng(1).normal(size=(4, 7))
    r.values["noise"] = noise
    report = r.check({"dA2": "W3.T @ dZ3 + noise"})
    (mistake,) = report.mistakes
    assert mistake.kind == Kind.UNKNOWN
    assert "of no kind I know" in mistake.message and "100% of the entries" in mistake.message
    worst = np.unravel_index(np.argmax(np.abs(noise)), noise.shape)
    assert f"worst at [{worst[0]}, {worst[1]}] by {np.max(np.abs(noise)):.4g}" in mistake.message


def test_the_stale_weight_of_mazurs_script():
    r = question()
    report = r.check({"dA2": "(W3 - 0.5 * dW3).T @ dZ3"})
    (mistake,) = report.mistakes
    assert mistake.kind == Kind.STALE and "W3 - 0.5 * dW3" in mistake.message


def test_the_gradient_of_data_can_be_checked_too():
    r = question()
    right = r.derive()
    assert check(r.J, right | {"dX": r.values["W1"].T @ right["dZ1"]}, names=r.tensors).ok
    report = check(r.J, right | {"dX": -r.values["W1"].T @ right["dZ1"]}, names=r.tensors)
    assert [(m.node, m.kind) for m in report.mistakes] == [("X", Kind.SIGN)]


def test_given_terms_are_called_as_given():
    r = question()
    terms = {"data": r.tensors["CE"], "weight decay": r.tensors["L2"]}
    report = check(r.J, r.derive({"dW2": "dZ2 @ A1.T"}), names=r.tensors, terms=terms)
    assert "weight decay term is missing" in report.mistakes[0].message


def test_a_step_through_a_node_of_two_arguments_has_its_mistake_found():
    rng = np.random.default_rng(3)
    V, U = mg.Tensor(rng.normal(size=(4, 5)), name="V"), mg.Tensor(rng.normal(size=(5, 2)), name="U")
    X = rng.normal(size=(6, 4))
    H = np.tanh(X @ V).named("H")
    S = (H @ U).named("S")
    J = np.sum(np.square(S))
    report = check(J, {"dU": H.data.T @ (2 * S.data), "dV": X.T @ (2 * S.data @ U.data.T)})
    assert [(m.node, m.kind) for m in report.mistakes] == [("V", Kind.MISSING_FACTOR)]
    assert report.mistakes[0].likely == "dV = c1.T @ dH"


def joined(p):
    return np.concatenate([p, p, np.ones((2, 1))], axis=1)


def chosen(p):
    return np.where(np.abs(p) < 1.5, p * 0.5, p - 0.5)


def stacked(p):
    return np.stack([+np.exp(np.tanh(p)), np.ones((2, 1))], axis=1)


@pytest.mark.parametrize("function", [joined, chosen, stacked, lambda p: np.max(p, axis=0) + p])
def test_a_sign_mistake_beyond_any_function_is_called_one(function):
    p = mg.Tensor([[1.0], [2.0]], name="p")
    v = function(p).named("v")
    J = np.mean(v**2)
    J.backward()
    (mistake,) = check(J, {"dv": v.grad, "dp": -p.grad}).mistakes
    assert (mistake.node, mistake.kind) == ("p", Kind.SIGN)


def test_an_index_counted_once_is_found():
    table, U = mg.Tensor(np.random.default_rng(5).normal(size=(4, 3)), name="table"), np.ones((3, 2))
    rows = np.array([2, 0, 2, 2])
    h = table[rows].named("h")
    S = (h @ U).named("S")
    dh = 2 * S.data @ U.T
    dtable = np.zeros((4, 3))
    dtable[rows] += dh
    (mistake,) = check(np.sum(S**2), {"S": 2 * S.data, "h": dh, "table": dtable}).mistakes
    assert (mistake.node, mistake.kind) == ("table", Kind.INDEX) and "np.add.at" in mistake.message


def test_one_slip_upstream_of_several_given_gradients_is_one_mistake():
    r = question()
    found = r.derive({"dZ2": "dA2"})
    report = check(r.J, {k: found[k] for k in found if k[1] in "Wb"}, names=r.tensors)
    (mistake,) = report.mistakes
    assert mistake.kind == Kind.MISSING_MASK and mistake.likely == "dZ2 = dA2"
    assert set(report.inherited) | {mistake.node} == {"W2", "b2", "W1", "b1"}
    assert "The same slip explains" in mistake.message


def test_exchanged_gradients_are_said_to_be():
    rng = np.random.default_rng(6)
    Q, K = mg.Tensor(rng.normal(size=(3, 4)), name="Q"), mg.Tensor(rng.normal(size=(3, 4)), name="K")
    S = (Q @ K.T).named("S")
    dS = 2 * S.data
    report = check(np.sum(S**2), {"S": dS, "Q": dS.T @ Q.data, "K": dS @ K.data})
    assert [m.kind for m in report.mistakes] == [Kind.UPSTREAM] * 2
    assert "dQ and dK are exchanged" in report.mistakes[0].message + report.mistakes[1].message.replace(
        "dK and dQ", "dQ and dK"
    )


# --- bad input --------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_an_error_that_lists_the_near_ones():
    r = question()
    with pytest.raises(ValueError, match=r"no node of J is called 'w22'.*dW2"):
        check(r.J, {"dw22": np.zeros(3)}, names=r.tensors)
    with pytest.raises(ValueError, match="there are "):
        check(r.J, {"***": np.zeros(3)}, names=r.tensors)
    with pytest.raises(ValueError, match="J is not computed from it"):
        check(r.J, {"dV": np.zeros(3)}, names=r.tensors | {"V": mg.Tensor([1.0])})


def test_one_node_twice_is_an_error():
    r = question()
    with pytest.raises(ValueError, match="W2 is given twice"):
        check(r.J, {"dW2": np.zeros((4, 5)), "W2": np.zeros((4, 5))}, names=r.tensors)


@pytest.mark.parametrize("value", [None, "W", np.array([1j]), {"a": 1}])
def test_what_is_no_array_of_numbers_is_an_error(value):
    r = question()
    with pytest.raises(TypeError, match="dW2 is no array of real numbers"):
        check(r.J, {"dW2": value}, names=r.tensors)


def test_a_cost_must_be_a_scalar_that_depends_on_a_leaf():
    W = mg.Tensor([1.0, 2.0], name="W")
    with pytest.raises(ValueError, match="must be a scalar"):
        check(W * 2, {"dW": np.zeros(2)})
    with pytest.raises(ValueError, match="depends on a leaf"):
        check(mg.constant(1.0), {})


@pytest.mark.parametrize("shape", some_quick([[(5, 4)], [(20,)], [(4,)], [(3, 3, 3)], [()], [(0,)], [(1, 4, 5)]]))
def test_a_wrong_shape_is_a_mistake_and_what_follows_is_no_other(shape):
    r = question()
    report = check(r.J, r.derive() | {"dW2": np.ones(shape)}, names=r.tensors)
    assert [m.node for m in report.mistakes] == ["W2"]
    assert report.mistakes[0].message
    report = check(r.J, r.derive() | {"dA2": np.ones(shape)}, names=r.tensors)
    assert report.mistakes[0].node == "A2"


def test_what_a_wrong_shape_makes_impossible_to_judge_is_said():
    r = question()
    report = check(r.J, r.derive() | {"dZ1": np.ones((2, 7)), "dW1": np.ones((5, 3))}, names=r.tensors)
    assert [m.node for m in report.mistakes] == ["Z1"]
    assert report.notes == ["dW1 can be judged once dZ1 has its shape."]


def test_weights_updated_after_the_recording_change_nothing():
    r = question()
    gradients = r.derive()
    for name in r.network.leaves:
        r.tensors[name].data -= 0.5 * gradients["d" + name]
    assert check(r.J, gradients, names=r.tensors).ok
    report = check(r.J, r.derive({"dW2": "dZ2 @ A1.T"}), names=r.tensors)
    assert [(m.node, m.kind) for m in report.mistakes] == [("W2", Kind.MISSING_TERM)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_with_its_first_place(bad):
    r = question()
    r.values["bad"] = np.where(np.arange(7) == 3, bad, 0)
    report = r.check({"dA2": "W3.T @ dZ3 + bad"})
    assert [(m.node, m.kind) for m in report.mistakes] == [("A2", Kind.NOT_FINITE)]
    assert f"{bad} at [0, 3], the first of 4 of 28 entries" in report.mistakes[0].message


def test_entries_that_cannot_be_recomputed_are_said_to_be_unchecked():
    x = mg.Tensor([0.0, 4.0], name="x")
    with np.errstate(divide="ignore"):
        report = check(np.sum(np.sqrt(x)), {"dx": np.array([5.0, 0.25])})
    assert report.ok and "1 of 2 entries could not be checked" in report.notes[0]


HOSTILE = ["</script><script>alert(1)</script>", "W\n2\x1b[31m", "\u202eW", "%s{0}{x}", "W" * 10_000, '"; import os']


@pytest.mark.parametrize("name", some_quick(HOSTILE))
def test_hostile_names_come_out_as_harmless_text(name):
    W = mg.Tensor([[1.0, 2.0, -3.0]], name=name)
    Z = (W * 3.0).named("Z" + name)
    J = np.sum(np.square(Z)).named(f"cost {name}") + np.sum(np.square(W)).named(f"L2 {name}")
    right = {"d" + name: 20 * W.data, "dZ" + name: 6 * W.data}
    wrong = [right | {"d" + name: 18 * W.data + k} for k in (2, 2 * np.sign(W.data), W.data)]
    for gradients in (*wrong, right | {"dZ" + name: np.full((1, 3), np.nan)}, {"d" + name: W.data**3}):
        assert_harmless(check(J, gradients))
    with pytest.raises(ValueError) as error:
        check(J, {name + "?": W.data})
    assert str(error.value).isprintable() and len(str(error.value)) < 2_000


def assert_harmless(report):
    text = str(report)
    assert report.mistakes
    assert all(c.isprintable() for line in text.splitlines() for c in line) and len(text) < 5_000
    corrections = sum(len(m.correction) + bool(m.likely) for m in report.mistakes)
    others = bool(report.inherited) + bool(report.right) + len(report.notes)
    assert text.count("\n") == len(report.mistakes) + corrections + others


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_step_of_many_operations_without_names_is_answered_in_few_lines():
    W = mg.Tensor(np.linspace(0.1, 1, 6).reshape(2, 3), name="W")
    h = W
    for _ in range(700):
        h = np.tanh(h) + 0.1
    A = h.named("A")
    J = np.sum((A * A).named("B"))
    J.backward()
    report = check(J, {"dA": A.grad / 2, "dW": 3 * W.grad})
    assert [m.node for m in report.mistakes] == ["A", "W"] and len(str(report).splitlines()) < 20, report


def recurrence(n):
    """A recurrence of n steps, of which the middle one is wrong, with all gradients by hand."""
    rng = np.random.default_rng(4)
    U, s, x = mg.Tensor(0.4 * rng.normal(size=(2, 2)), name="U"), np.zeros((2, 1)), rng.normal(size=(n, 2, 1))
    states = []
    for k in range(n):
        states.append(np.tanh((U @ s).named(f"a{k}") + x[k]).named(f"s{k}"))
        s = states[-1]
    gradients, sent, dU = {}, 0, 0
    for k in reversed(range(n)):
        ds = 2 * states[k].data + sent
        da = ds * (1 - states[k].data ** (1 if k == n // 2 else 2))
        gradients |= {f"ds{k}": ds, f"da{k}": da}
        dU = dU + (da @ states[k - 1].data.T if k else 0)
        sent = U.data.T @ da
    return np.sum(np.square(np.stack(states))), gradients | {"dU": dU}


def counted(J, gradients):
    """The report on gradients, and how many functions were called for it."""
    calls = Counter()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        report = check(J, gradients)
    finally:
        sys.setprofile(None)
    return report, calls["call"] + calls["c_call"]


def test_a_right_step_costs_little():
    J, _ = recurrence(300)
    J.backward()
    names = {node.name: node for node in Graph(J).nodes if node.name}
    right = {"d" + name: node.grad for name, node in names.items() if node.grad is not None}
    report, calls = counted(J, right)
    assert report.ok and len(report.right) == len(right) and calls < 400 * len(right), calls / len(right)


@pytest.mark.slow
def test_many_slips_cost_no_more_than_those_that_are_told():
    counts = []
    for n in (200, 400):
        J, gradients = recurrence(n)
        _, calls = counted(J, {name: -g if name.startswith("da") else g for name, g in gradients.items()})
        counts.append(calls)
    assert counts[1] < 2.2 * counts[0], counts


@pytest.mark.slow
def test_the_work_grows_with_the_steps_of_a_recurrence_and_no_faster():
    counts, peaks = [], []
    for n in (200, 400):
        J, gradients = recurrence(n)
        report, calls = counted(J, gradients)
        assert [m.node for m in report.mistakes] == [f"a{n // 2}"] and report.mistakes[0].kind is Kind.WRONG_FACTOR
        assert len(str(report)) < 2000
        counts.append(calls)
        tracemalloc.start()
        check(J, gradients)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert counts[1] < 2.2 * counts[0] and peaks[1] < 2.2 * peaks[0], (counts, peaks)


@pytest.mark.slow
def test_a_slip_in_every_step_of_a_long_recurrence_is_told_without_end_of_words():
    J, gradients = recurrence(120)
    report = check(J, {name: -g if name.startswith("da") else g for name, g in gradients.items()})
    assert len(report.mistakes) > 100 and len(str(report)) < 9000, len(str(report))


def test_sixty_doublings_and_a_deep_chain():
    x = mg.Tensor([1.0, 2.0], name="x")
    y = x
    for _ in range(60):
        y = y + y
    report = check(np.sum(y), {"dx": np.full(2, 2.0**60)})
    assert report.ok
    assert [m.kind for m in check(np.sum(y), {"dx": np.full(2, -(2.0**60))}).mistakes] == [Kind.SIGN]
    y = x
    for k in range(3_000):
        y = (y * 1.001).named(f"y{k}")
    gradients = {f"dy{k}": np.full(2, 1.001 ** (2_999 - k)) for k in range(0, 3_000, 100)}
    assert check(np.sum(y), gradients).ok
    report = check(np.sum(y), {k: g * 2 if int(k[2:]) <= 1_500 else g for k, g in gradients.items()})
    assert [(m.node, m.kind) for m in report.mistakes] == [("y1500", Kind.FACTOR)]
    assert report.inherited == [f"y{k}" for k in range(1_400, -1, -100)]


# --- the example ------------------------------------------------------------------------------------------------------


def test_the_example_finds_the_question_s_own_mistake(capsys):
    path = Path(__file__).parents[3] / "examples" / "check_my_homework.py"
    spec = importlib.util.spec_from_file_location("check_my_homework", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    report, mended = module.main()
    assert [(m.node, m.kind) for m in report.mistakes] == [("A2", Kind.NO_PATH)]
    assert set(report.inherited) == {"Z2", "W2", "b2", "A1", "Z1", "W1", "b1"}
    assert mended.ok
    story = capsys.readouterr().out
    assert "no path leads from A2 to L2" in story and "All 11 gradients are right." in story


def test_steps_that_nothing_explains_share_the_work_of_the_search(monkeypatch):
    searches = []

    class Counted(diagnosis.Search):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            searches.append(self)

    monkeypatch.setattr(diagnosis, "Search", Counted)
    monkeypatch.setattr(diagnosis, "_MAX_WORK_OF_ALL", 4 * diagnosis.MAX_WORK)
    rng = np.random.default_rng(3)
    Z = X = mg.Tensor(rng.normal(size=(4, 3)), name="X")
    weights = [mg.Tensor(rng.normal(size=(3, 3)), name=f"W{i}") for i in range(3)]
    for i, W in enumerate(weights):
        Z = np.tanh(Z @ W + X).named(f"A{i}")
    guesses = {W.name: rng.normal(size=W.shape) for W in weights}
    assert len(mg.check(np.sum(Z * Z), guesses).mistakes) == len(weights)
    first, last = (max(s.most for s in searches if s.step.name(s.step.node) == name) for name in ("W2", "W0"))
    assert last < first
