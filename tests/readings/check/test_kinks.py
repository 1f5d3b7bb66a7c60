"""Where a derivative jumps every subgradient is right, and nothing else is."""

import numpy as np
import pytest
from measures import some_quick

import minigrad as mg
from minigrad.readings.check.report import check

RELUS = {
    "maximum": (lambda z: np.maximum(z, 0), 0.0),
    "product with a mask": (lambda z: z * (z > 0), 0.0),
    "leaky maximum": (lambda z: np.maximum(0.1 * z, z), 0.1),
    "leaky where": (lambda z: np.where(z > 0, z, 0.1 * z), 0.1),
}


def recorded(act):
    """A layer with entries of Z that are exactly 0."""
    rng = np.random.default_rng(7)
    W = mg.Tensor(rng.normal(size=(2, 3)), name="W")
    X = np.array([[1.0, 0.0, 2.0, -1.0], [2.0, 0.0, -1.0, 1.0], [0.5, 0.0, 1.0, 1.0]])
    Z = (W @ X).named("Z")
    A = act(Z).named("A")
    V = rng.normal(size=(1, 2))
    S = (V @ A).named("S")
    J = np.sum((S - 1) ** 2)
    dS = 2 * (S.data - 1)
    return J, Z.data, X, {"S": dS, "A": V.T @ dS}


def derived(act, slope):
    J, z, x, found = recorded(act)
    dZ = found["A"] * slope(z)
    return J, found | {"Z": dZ, "W": dZ @ x.T}


@pytest.mark.parametrize("name", RELUS)
@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_any_slope_between_both_sides_is_right_at_zero(name, at_zero):
    act, low = RELUS[name]
    J, found = derived(act, lambda z: np.where(z > 0, 1, np.where(z < 0, low, low + at_zero * (1 - low))))
    assert check(J, found).ok


@pytest.mark.parametrize("name", some_quick(RELUS))
def test_everything_else_at_a_kink_is_checked(name):
    act, low = RELUS[name]
    for slope in (lambda z: np.where(z > 0, 1, np.where(z < 0, low, 1.5)), lambda z: np.where(z >= 0, -1, low)):
        report = check(*derived(act, slope))
        assert [m.node for m in report.mistakes] == ["Z"], report


def test_a_note_says_where_another_subgradient_was_taken():
    J, found = derived(RELUS["maximum"][0], lambda z: z >= 0)
    (note,) = check(J, found).notes
    assert note.startswith("dZ") and "A (2)" in note


def test_a_shared_maximum_may_go_to_one_entry_but_adds_up():
    W = mg.Tensor([2.0, 2.0, 1.0], name="W")
    J = 3 * np.max(W)
    for right in ([1.5, 1.5, 0], [3, 0, 0], [0, 3, 0], [1, 2, 0]):
        assert check(J, {"W": np.array(right, float)}).ok, right
    for wrong in ([3, 3, 0], [0, 0, 0], [-1.5, -1.5, 0], [4, -1, 0], [1.5, 0, 1.5]):
        assert not check(J, {"W": np.array(wrong, float)}).ok, wrong


def test_equal_entries_may_be_sorted_in_any_order():
    W = mg.Tensor([2.0, 1.0, 2.0], name="W")
    for J, either, other, wrong in (
        (np.sum(np.sort(W) * [1, 2, 4]), [2, 1, 4], [4, 1, 2], [4, 1, 4]),
        (5 * np.median(W), [5, 0, 0], [0, 0, 5], [0, 5, 0]),
        (3 * np.ptp(W), [3, -3, 0], [0, -3, 3], [0, 3, 0]),
    ):
        half = np.add(either, other) / 2
        assert all(check(J, {"W": np.array(right, float)}).ok for right in (either, other, half))
        assert not check(J, {"W": np.array(wrong, float)}).ok


@pytest.mark.parametrize("absolute", [np.abs, np.fabs, lambda A: np.copysign(A, 1.0)])
def test_the_absolute_value_at_zero(absolute):
    A = mg.Tensor([0.0, 2.0], name="A")
    J = np.sum(absolute(A))
    assert all(check(J, {"A": np.array([s, 1.0])}).ok for s in (-1.0, 0.3, 1.0))
    assert not any(check(J, {"A": np.array([s, t])}).ok for s, t in ((1.2, 1.0), (0.0, -1.0), (0.0, 0.0)))


@pytest.mark.parametrize("function", [np.remainder, np.fmod])
@pytest.mark.parametrize("factor", [-1, 0, 0.5, 2])
def test_a_derivative_is_checked_where_the_value_jumps(function, factor):
    a, b = mg.Tensor([1.5, -2.0], name="a"), mg.Tensor([0.5, 2.0], name="b")
    J = np.sum(np.exp(function(a, b)) * [1.0, 3.0]).named("J")
    J.backward()
    assert check(J, {"a": a.grad, "b": b.grad}).ok
    assert [m.node for m in check(J, {"a": a.grad, "b": factor * b.grad}).mistakes] == ["b"]
