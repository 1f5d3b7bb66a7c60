"""Random programs hold in every reading; ``run.py`` tries as many as one likes."""

import numpy as np
import pytest
from programs import Line, Program
from readings import READINGS, divergence, minimised, refused
from run import fuzz


def assert_no_divergence(tried, found):
    assert not found, "\n\n".join(f"seed {seed}, {name}\n{small}\n{wrong}" for seed, name, small, wrong in found)
    assert min(tried[reading.__name__] for reading in READINGS) > 0.5 * sum(tried.values()) / len(READINGS)


@pytest.mark.slow
def test_some_random_programs_hold_in_every_reading():
    assert_no_divergence(*fuzz(programs=20, seed=0))


@pytest.mark.slow
def test_a_minute_of_random_programs_holds_in_every_reading():
    assert_no_divergence(*fuzz(programs=10_000, seed=1000, seconds=60))


def test_a_divergence_is_found_and_minimised():
    def no_tanh(program, rng):
        return "tanh" if "np.tanh" in str(program.lines) else None

    lines = (Line(1, "np.exp(v0)"), Line(2, "np.tanh(v0)", named=True), Line(3, "v1 * v2"))
    program = Program((np.ones(2),), lines, ("np.sum(v3)", "np.sum(v2)"))
    assert divergence(program, no_tanh, 0) == "tanh" and not refused(program)
    small = minimised(program, no_tanh, 0)
    assert small.lines == (Line(2, "np.tanh(v0)"),) and small.terms == ("np.sum(v2)",)
