"""Random programs hold in every reading; ``run.py`` tries as many as one likes."""

import numpy as np
import pytest
from programs import NAMESPACE, Line, Program
from readings import READINGS, divergence, edited, gradient, minimised, refused, second_derivative
from run import fuzz

import minigrad as mg

pytestmark = pytest.mark.filterwarnings("ignore:.*fork")  # where threads run, as those of JAX


def assert_no_divergence(tried, found):
    assert not found, "\n\n".join(f"seed {seed}, {name}\n{small}\n{wrong}" for seed, name, small, wrong in found)
    assert min(tried[reading.__name__] for reading in READINGS) > 0.5 * sum(tried.values()) / len(READINGS)


@pytest.mark.slow
def test_some_random_programs_hold_in_every_reading():
    assert_no_divergence(*fuzz(programs=20, seed=0))


@pytest.mark.slow
def test_a_minute_of_random_programs_holds_in_every_reading():
    assert_no_divergence(*fuzz(programs=10_000, seed=1000, seconds=60))


def one_line(text, *inputs):
    return Program(tuple(map(np.array, inputs)), (Line(len(inputs), text, named=True),), (f"np.mean(v{len(inputs)})",))


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("np.heaviside(v0, v1)", ([0.0, 2.0], [0.5, 1.5])),  # jumps to both sides
        ("np.intersect1d(v0, v1)", ([1.0, 2.0], [1.0, 3.0])),  # has another shape nearby
        ("np.union1d(v0, v1)", ([1.0, 2.0], [1.0, 3.0])),
        ("np.abs(v0)", ([0.0, 2.0],)),
        ("np.remainder(2.0, v0)", ([-1.0, -1.0],)),
    ],
)
def test_at_ties_no_derivative_is_asked_for(text, inputs):
    for reading in (gradient, second_derivative, edited):
        assert [divergence(one_line(text, *inputs), reading, seed) for seed in range(5)] == [None] * 5


def test_a_gradient_that_is_rounding_alone_is_no_mistake():
    lines = (Line(2, "v0 - v1 + v1"), Line(3, "v2 - np.mean(v2, axis=-1, keepdims=True)", named=True))
    inputs = np.array([[0.9], [-2.1]]), np.array([[0.3, -0.7, 1.9], [0.4, 1.3, -0.1]])
    program = Program(inputs, (*lines, Line(4, "np.std(v3, 1)")), ("np.mean(v4)",))
    assert [divergence(program, edited, seed) for seed in range(5)] == [None] * 5


@pytest.mark.parametrize(
    ("reading", "rule"),
    [
        (gradient, lambda g, y, x: g * 2 * x * x),
        (second_derivative, lambda g, y, x: g * 3 * x * mg.stop_gradient(x)),
    ],
)
def test_a_derivative_that_is_wrong_diverges(monkeypatch, reading, rule):
    monkeypatch.setitem(NAMESPACE, "cubed", mg.rule(lambda x: x**3, rule))
    assert "by differences" in divergence(one_line("cubed(v0)", [0.5, 2.0]), reading, 0)


def hang(program, rng):
    while True:
        pass


@pytest.mark.slow
def test_a_program_that_hangs_is_named():
    counts, [(seed, what, _, _)] = fuzz(programs=9, seed=3, readings=(hang,), hanging=0.5)
    assert (seed, what) == (3, "hang") and not counts


def test_a_divergence_is_found_and_minimised():
    def no_tanh(program, rng):
        return "tanh" if "np.tanh" in str(program.lines) else None

    lines = (Line(1, "np.exp(v0)"), Line(2, "np.tanh(v0)", named=True), Line(3, "v1 * v2"))
    program = Program((np.ones(2),), lines, ("np.sum(v3)", "np.sum(v2)"))
    assert divergence(program, no_tanh, 0) == "tanh" and not refused(program)
    small = minimised(program, no_tanh, 0)
    assert small.lines == (Line(2, "np.tanh(v0)"),) and small.terms == ("np.sum(v2)",)
