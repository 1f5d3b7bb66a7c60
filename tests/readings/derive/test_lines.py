"""The lines of a derivation as expressions: their values are those of the recording, summand by summand."""

import sys

import numpy as np
import pytest
from networks import forward

import minigrad as mg
from minigrad.engine.reverse import walk
from minigrad.graph import Graph
from minigrad.readings.derive.derivation import Derivation
from minigrad.readings.derive.lines import Lines
from minigrad.text.expressions import computed, evaluate, parts_of

RNG = np.random.default_rng(0)


@pytest.fixture
def lines():
    shapes = {"W1": (5, 2), "W2": (3, 5), "W3": (1, 3), "b1": (5, 1), "b2": (3, 1), "b3": (1, 1)}
    leaves = [mg.Tensor(RNG.normal(size=shape), name=name) for name, shape in shapes.items()]
    X, Y = mg.constant(RNG.normal(size=(2, 7)), name="X"), mg.constant(np.arange(7.0)[None] % 2, name="Y")
    names = forward(*leaves, X, Y, mg.constant(0.7, name="lam"), mg.constant(7, name="m"))
    return Lines(Graph(names["J"], names))


def test_every_line_has_the_value_of_its_node(lines):
    node_of = lines.graph.by_name
    assert list(lines.forward) == [node_of[name] for name in ("Z1", "A1", "Z2", "A2", "Z3", "A3", "CE", "L2", "J")]
    for node, line in lines.forward.items():
        (summand,) = line.summands
        np.testing.assert_allclose(evaluate(summand.expression, lines.recorded), node._value)
    found = walk({lines.graph.root: np.ones(())})
    assert set(lines.backward) == {node for node in found if node in lines.graph.names}
    for node, line in lines.backward.items():
        total = sum(evaluate(summand.expression, lines.recorded) for summand in line.summands)
        np.testing.assert_allclose(total, found[node])


def test_a_summand_is_what_one_node_sends(lines):
    node_of = lines.graph.by_name
    line = lines.backward[node_of["W3"]]
    assert [s.source for s in line.summands] == [node_of["Z3"], node_of["L2"]]
    assert [lines.graph.terms_of(s.terms) for s in line.summands] == [["CE"], ["L2"]]
    derivation = Derivation(lines)
    by_l2 = line.summands[1].expression
    assert derivation.written(by_l2, "numpy") == "(lam / m) * W3"
    assert derivation.written(by_l2, "unicode") == "(λ / m) W₃"
    assert derivation.written(by_l2, "latex") == r"\frac{\lambda}{m} W_3"
    assert [s.source for s in lines.backward[node_of["A2"]].summands] == [node_of["Z3"]]


def test_a_part_of_a_line_can_be_given_another_value(lines):
    (summand,) = lines.backward[lines.graph.by_name["A2"]].summands
    transposed = next(e for e in parts_of([summand.expression]) if e.function is np.transpose)
    other = evaluate(summand.expression, {**lines.recorded, transposed: np.ones((3, 1))})
    np.testing.assert_allclose(other, np.ones((3, 1)) * lines.recorded[lines.gradients[lines.graph.by_name["Z3"]]])


def by_engine(J):
    """Return the lines of J, after a look whether each adds up to what the engine finds."""
    lines = Lines(Graph(J))
    found = walk({J: np.ones(())})
    for node, line in lines.backward.items():
        total = sum(evaluate(summand.expression, lines.recorded) for summand in line.summands)
        np.testing.assert_allclose(total, found[node], rtol=1e-12)
    assert not lines.unproved
    return lines


@pytest.mark.parametrize("condition", [lambda W: W + 0.1 - W - 0.1, lambda W: (W + 0.1 - W - 0.1) * W])
def test_a_number_as_condition_is_computed_as_recorded(condition):
    W = mg.Tensor([1.0, 2.0, 0.7], name="W")
    assert np.any(condition(W.data)), "rounding leaves something, which is true"
    by_engine(np.sum(np.where(condition(W), W * W, 3 * W)))


def steps(n, step):
    w, h = mg.Tensor(RNG.normal(size=(3, 1)), name="w"), mg.constant(RNG.normal(size=(3, 2)), name="h0")
    for i in range(n):
        h = step(w, h, RNG.normal(size=(3, 2)), i).named(f"h{i + 1}")
    return np.sum(h).named("J")


def traced(J, monkeypatch):
    """Return how many lines of J are found by a recorded walk, not by exchanging the symbols of another."""
    count, trace = 0, Lines._traced

    def counted(*args):
        nonlocal count
        count += 1
        return trace(*args)

    monkeypatch.setattr(Lines, "_traced", counted)
    by_engine(J)
    monkeypatch.undo()
    return count


def test_a_step_that_is_repeated_is_simplified_once(monkeypatch):
    def step(w, h, x, i):
        return 1 / (1 + np.exp(-(w * h + x)))

    few = traced(steps(6, step), monkeypatch)
    assert traced(steps(20, step), monkeypatch) == few
    derivation = Derivation(by_engine(steps(9, step)))
    first = derivation.line("dh3")
    for i in range(4, 8):
        assert derivation.line(f"dh{i}") == first.replace("h4", f"h{i + 1}").replace("h3", f"h{i}")


@pytest.mark.parametrize(
    "step",
    [
        lambda w, h, x, i: np.tanh(h * w + (h.detach() if i % 2 else h)),
        lambda w, h, x, i: (i + 2) * np.sin(w * h) + h,
        lambda w, h, x, i: np.sin(w * (h if i % 2 else x) + h),
        lambda w, h, x, i: np.sum(w * h, axis=i % 2, keepdims=True) * x,
        lambda w, h, x, i: np.where(h > 0.1 * i, w, h) * h,
    ],
)
def test_steps_that_differ_in_more_than_their_symbols_are_told_apart(step):
    by_engine(steps(7, step))


@pytest.mark.parametrize(
    "step",
    [
        lambda w, h, a: np.tanh(w * h + a),
        lambda w, h, a: np.tanh(w * h) * (h - a),
        lambda w, h, a: np.cos(h - a) * np.sin(a * w) - a,
    ],
)
def test_steps_that_differ_in_a_number_of_data_are_simplified_once(step, monkeypatch):
    def of_data(w, h, x, i):
        return step(w, h, abs(float(x[0, 0])))

    few = traced(steps(6, of_data), monkeypatch)
    assert traced(steps(20, of_data), monkeypatch) == few


@pytest.mark.parametrize(
    "number",
    [
        lambda i: 0.123456789 + 1e-9 * i,
        lambda i: (-1) ** i * 0.123456789,
        lambda i: (1.0, 0.5, 0.123456789, 2.0)[i % 4],
    ],
)
def test_numbers_of_data_are_told_apart(number):
    def step(w, h, x, i):
        return np.tanh(number(i) * np.sin(w * h) - (number(i + 1) - h) * (h / number(1) + w))

    by_engine(steps(9, step))


@pytest.mark.parametrize("turned", [False, True])
def test_a_line_whose_symbols_are_defined_otherwise_is_no_repetition(turned):
    parts = []
    for i in range(4):
        u = np.exp(mg.Tensor([0.3, 0.1 * i], name=f"a{i}")).named(f"u{i}")
        y = (u - 3 if (i > 1) is turned else 1 / (1 + u)).named(f"y{i}")
        parts.append(np.sum(u * y * mg.Tensor([2.0, 3.0], name=f"w{i}")).named(f"z{i}"))
    by_engine(sum(parts[1:], parts[0]).named("J"))


def test_gradients_that_vanish_are_rounded_near_the_smallest_number():
    w, h = mg.Tensor(np.float32(0.43), name="w"), mg.Tensor(np.float32([0.4, 0.7]), name="h0")
    for i in range(110):
        h = np.tanh(w * h - np.float32(0.3)).named(f"h{i + 1}")
    assert not Lines(Graph(np.sum(h).named("J"))).unproved


def computed_for(n, monkeypatch):
    """Return how many parts are computed to prove the lines of a join of n named nodes."""
    xs = [mg.Tensor(np.array([0.1 * i, 1.0]), name=f"x{i}") for i in range(n)]
    count = 0

    def counted(e, values):
        nonlocal count
        count += 1
        return computed(e, values)

    monkeypatch.setattr("minigrad.readings.derive.lines.computed", counted)
    Lines(Graph(np.sum(np.tanh(np.concatenate([np.sin(x) for x in xs]))).named("J")))
    return count


def test_what_a_join_is_made_of_is_computed_once_for_all_that_it_joins(monkeypatch):
    few, many = computed_for(10, monkeypatch), computed_for(40, monkeypatch)
    assert few < many < 5 * few


def test_a_long_recurrence_is_derived_in_linear_time():
    def work(n):
        calls, J = [], steps(n, lambda w, h, x, i: np.tanh(w * h + float(x[0, 0])))
        sys.setprofile(lambda frame, event, argument: calls.append(event))
        try:
            mg.derive(J).numpy()
        finally:
            sys.setprofile(None)
        return len(calls)

    assert work(200) < 2.2 * work(100)
