"""Elementwise functions that are no ufuncs: values as NumPy's, derivatives as those of differences."""

import math

import numpy as np
import pytest
from rows import assert_row

import minigrad as mg

X = np.array([[-1.3, 0.4, 0.9], [-0.2, 1.7, 2.6]])
PHASES = np.cumsum(np.array([[0.1, 2.5, 3.0, 2.9], [1.0, -3.0, -2.9, 0.5]]), axis=1) % 6.0

CASES = [
    ("sinc", np.sinc, X),
    ("sinc near 0", np.sinc, np.array([0.0, 1e-8, 0.3, -0.4999])),
    ("i0", np.i0, X),
    ("unwrap", np.unwrap, PHASES),
    ("unwrap, axis and period", lambda p: np.unwrap(p, axis=0, period=4.0), PHASES),
    ("nan_to_num", np.nan_to_num, X),
    ("float_power", lambda x: np.float_power(np.abs(x), 1.5).astype(x.dtype), X),
    ("frexp", lambda x: np.frexp(x)[0] * np.frexp(x)[1], X),
    ("real", np.real, X),
    ("conj", np.conj, X),
    ("real_if_close", lambda x: np.real_if_close(x) * x, X),
    ("piecewise", lambda x: np.piecewise(x, [x < 0, x > 2], [np.exp, 3.0, lambda x: x * x]), X),
    ("piecewise of nothing", lambda x: np.piecewise(x, [x < 0], [np.exp, 3.0]), np.zeros(0)),
    ("piecewise, 0 elsewhere", lambda x: np.piecewise(x, [x < 0], [np.exp]), X),
    ("piecewise by rows", lambda x: np.piecewise(x, np.eye(3, dtype=bool)[:2], [np.exp, np.sin]), X[0]),
    ("piecewise by a list", lambda x: np.piecewise(x, [True, False, True], [np.exp, 3.0]), X[0]),
    ("piecewise of one", lambda x: np.piecewise(x, x < 0, [np.exp, np.sin]), X[0]),
]


@pytest.mark.parametrize(("f", "x"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_function(f, x):
    assert_row(f, [x], rtol=1e-8)


@pytest.mark.parametrize("x", [0.3, 0.4999, 0.5001, 1.4])
def test_the_slope_of_sinc_is_exact_on_both_sides_of_its_series(x):
    np.testing.assert_allclose(mg.grad(np.sinc)(x), (math.cos(math.pi * x) - np.sinc(x)) / x, rtol=1e-13)


def test_i0_of_large_numbers():
    special = pytest.importorskip("scipy.special")
    x = np.array([-600.0, -30.0, 0.0, 5.0, 700.0])
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(np.i0(x)))(x), special.i1(x), rtol=1e-12, atol=1e-15)


def test_what_is_not_finite_is_replaced_by_constants():
    x = np.array([math.nan, math.inf, -math.inf, 2.0])
    for options in ({}, {"nan": 1.0, "posinf": 5.0, "neginf": -5.0}):
        f = lambda x, options=options: np.nan_to_num(x, **options)  # noqa: E731
        np.testing.assert_array_equal(f(mg.Tensor(x)).data, f(x))
        assert np.array_equal(mg.grad(lambda x, f=f: np.sum(f(x)))(x), [0, 0, 0, 1])


@pytest.mark.parametrize(
    "f", [np.angle, np.imag, np.isreal, np.iscomplexobj, np.isrealobj, lambda x: np.where(x), np.isposinf]
)
def test_flat_function_gives_what_numpy_gives(f):
    np.testing.assert_equal(f(mg.Tensor(X)), f(X))


def test_a_piece_is_not_computed_outside_of_its_condition():
    x = np.array([-1.0, 0.0, 4.0])
    with np.errstate(all="raise"):
        slope = mg.grad(lambda x: np.sum(np.piecewise(x, [x > 0], [np.sqrt, lambda x: -x])))(x)
    assert np.array_equal(slope, [-1, -1, 0.25])
