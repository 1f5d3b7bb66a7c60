"""Usual programs in plain NumPy run unchanged under the transforms and readings, which all say the same."""

import numpy as np
import pytest
from usual_programs import PROGRAMS

import minigrad as mg
from minigrad import trees


def _floating(tree):
    return all(np.asarray(leaf).dtype.kind == "f" for leaf in trees.flatten(tree)[0])


def _flat(tree):
    return [np.asarray(leaf) for leaf in trees.flatten(tree)[0]]


def _assert_same(got, expected, **tolerance):
    for a, b in zip(_flat(got), _flat(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **{"rtol": 1e-9, "atol": 1e-12} | tolerance)


@pytest.fixture(params=PROGRAMS)
def program(request):
    """A program, its arguments, and the places of those that it is differentiated by: all that are of floats."""
    f, args = PROGRAMS[request.param]
    return f, args, tuple(i for i, tree in enumerate(args) if _floating(tree))


def test_gradients_are_those_of_differences(program):
    f, args, places = program
    value, gradients = mg.value_and_grad(f, places)(*args)
    assert type(value) is np.float64
    np.testing.assert_allclose(value, f(*args), rtol=1e-12)
    rng = np.random.default_rng(0)
    for i, gradient in zip(places, gradients, strict=True):
        direction = trees.map(lambda leaf: rng.normal(size=np.shape(leaf)), args[i])

        def moved(h, i=i, direction=direction):
            steps = iter(_flat(direction))
            return f(*args[:i], trees.map(lambda leaf: leaf + h * next(steps), args[i]), *args[i + 1 :])

        h = 1e-5
        slope = (8 * (moved(h) - moved(-h)) - moved(2 * h) + moved(-2 * h)) / (12 * h)
        pushed = sum(np.sum(a * b) for a, b in zip(_flat(gradient), _flat(direction), strict=True))
        np.testing.assert_allclose(pushed, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_it_compiles(program):
    f, args, places = program
    step = mg.value_and_grad(f, places)
    compiled = mg.compile(step)
    _assert_same(compiled(*args), step(*args))
    other = [trees.map(lambda leaf: 1.01 * leaf, tree) if i in places else tree for i, tree in enumerate(args)]
    _assert_same(compiled(*other), step(*other))


@pytest.mark.slow
def test_its_readings_agree(program):
    f, args, places = program
    gradients = mg.grad(f, places)(*args)
    names = iter(f"x{n}" for n in range(100))
    given = [
        trees.map(lambda leaf: mg.Tensor(leaf, name=next(names)), tree) if i in places else tree
        for i, tree in enumerate(args)
    ]
    J = f(*given)
    derivation = mg.derive(J)
    exec(derivation.numpy(), namespace := {**derivation.inputs, **derivation.constants})
    explanation = mg.explain(J)
    leaves = [leaf for i in places for leaf in trees.flatten(given[i])[0]]
    for leaf, expected in zip(leaves, _flat(gradients), strict=True):
        if leaf.name not in derivation.gradients:
            assert not np.any(expected)
            continue
        _assert_same(namespace[derivation.gradients[leaf.name]], expected)
        _assert_same(explanation.gradient(leaf.name), expected)
        parts = [explanation.gradient(leaf.name, term=term) for term in explanation.terms]
        _assert_same(sum(part for part in parts if part is not None), expected)
    assert derivation.latex() and str(explanation)
    for detail in ("named", "all"):
        assert mg.draw(J, detail=detail).source.startswith("digraph")
