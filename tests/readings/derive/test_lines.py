"""The lines of a derivation as expressions: their values are those of the recording, summand by summand."""

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
