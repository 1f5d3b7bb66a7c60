"""Long trainings, deep graphs and many interruptions: nothing grows, and nothing is left half done."""

import sys

import numpy as np
import pytest
from networks import forward

import minigrad as mg


@pytest.mark.slow
def test_a_hundred_thousand_training_steps_do_not_grow():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 7)), np.arange(7.0)[None] % 2
    sizes = ((5, 2), (3, 5), (1, 3), (5, 1), (3, 1), (1, 1))
    parameters = [mg.Tensor(0.1 * rng.normal(size=size)) for size in sizes]

    def train(steps):
        for _ in range(steps):
            forward(*parameters, X, Y, 0.7, 7)["J"].backward()
            for p in parameters:
                p.data -= 0.01 * p.grad
                p.zero_grad()

    train(1_000)
    before = sys.getallocatedblocks()
    train(100_000)
    assert sys.getallocatedblocks() - before < 1_000


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_graphs_of_ten_thousand_operations_in_a_row_are_read(named):
    x = y = mg.Tensor(np.array([0.5, -0.2]), name="x")
    for i in range(5_000):
        y = np.tanh(y * 1.01)
        if named:
            y.named(f"h{i}")
    J = np.sum(y)
    J.backward()
    assert "x" in str(mg.explain(J)) and "x" in mg.draw(J).source
    derivation = mg.derive(J)
    space = {**derivation.inputs, **derivation.constants}
    exec(derivation.numpy(), space)
    np.testing.assert_allclose(space["dx"], x.grad, rtol=1e-9)
    gradients = {"x": x.grad} | ({"h4999": np.ones(2)} if named else {})
    assert mg.check(J, gradients).ok


@pytest.mark.slow
def test_a_hundred_thousand_named_nodes_are_explained_and_checked():
    y = mg.Tensor(np.array([0.5, -0.2]), name="x")
    nodes = [y] + [y := np.tanh(y).named(f"h{i}") for i in range(100_000)]
    J = np.sum(y)
    J.backward()
    explanation, report = mg.explain(J), mg.check(J, {node.name: node.grad for node in nodes})
    assert report.ok and not report.notes
    np.testing.assert_allclose(explanation.gradient("x"), nodes[0].grad)
