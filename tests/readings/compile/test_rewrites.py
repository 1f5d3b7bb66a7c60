"""What the rewriting of a program leaves to compute: the calls of the program, and their values against NumPy's."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import compile

RNG = np.random.default_rng(0)
MATRIX, VECTOR = RNG.normal(size=(3, 3)), RNG.normal(size=3)
COLUMN = mg.constant(RNG.normal(size=(3, 1)))


def calls_of(compiled):
    """Return the functions that a program calls, in their order, but for views and indices."""
    return re.findall(r"^    (?:v\d+ = )?(?!empty|memory)(\w+)\(", compiled.source.split("def run")[1], re.M)


def assert_eager(compiled, f, *args, rtol=1e-12):
    with np.errstate(all="ignore"):
        got, want = compiled(*args), f(*args)
    got, want = ([*map(np.asarray, y if isinstance(y, tuple) else [y])] for y in (got, want))
    for y, z in zip(got, want, strict=True):
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_allclose(y, z, rtol, rtol)


def relu(a):
    return np.maximum(a, 0)


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        # constants are folded where this takes no memory
        (lambda x, v: np.broadcast_to(2.0, (3, 3)) * x, "multiply"),
        (lambda x, v: x * (np.ones((3, 3)) * 2 + 1), "multiply"),
        (lambda x, v: x * np.exp(mg.constant(2.0)) * mg.constant(3.0), "multiply"),
        (lambda x, v: x + COLUMN * COLUMN.T, "multiply add"),
        # numbers are gathered, if one use needs them, and stay with the smaller array, which a sign need not do
        (lambda x, v: 2 * (x * 3) / 4, "multiply"),
        (lambda x, v: (2 * x) * (3 * np.sin(x)), "sin multiply multiply"),
        (lambda x, v: (lambda s: (s @ x, s * x))(2 * np.exp(x)), "exp multiply dot multiply"),
        (lambda x, v: x * np.tanh(2 * v), "multiply tanh multiply"),
        (lambda x, v: x / (2 * np.tanh(v)), "tanh multiply divide"),
        (lambda x, v: 3 / (2 * x), "multiply divide"),
        (lambda x, v: np.sin(3 / -x), "divide negative sin"),
        (lambda x, v: x + x * -v, "multiply subtract"),
        # large ones go no further
        (lambda x, v: (x * 2.0**30) @ (x * 2.0**30) @ x, "dot multiply dot"),
        (lambda x, v: (x * 2.0**30) * (np.sin(x) * 2.0**30), "sin multiply multiply multiply"),
        (lambda x, v: x * 2.0**20 * 2.0**19, "multiply"),
        (lambda x, v: x * 2.0**20 * 2.0**20, "multiply multiply"),
        (lambda x, v: x / 2.0**20 / 2.0**19, "multiply"),
        (lambda x, v: x / 2.0**20 / 2.0**20, "multiply divide"),
        (lambda x, v: x / 0 + x * 0, "divide multiply add"),
        # signs and common factors leave sums of equal arrays
        (lambda x, v: -(-x - 1) - x, "add subtract"),
        (lambda x, v: 2 * x + 2 * np.sin(x), "sin add multiply"),
        (lambda x, v: 2 * x - 2 * np.sin(x), "sin subtract multiply"),
        (lambda x, v: np.exp(-x - np.sin(x)), "sin add negative exp"),
        (lambda x, v: np.exp(-2 * x + 2 * np.sin(x)), "sin subtract multiply exp"),
        (lambda x, v: 2 * v + 2 * np.sin(v)[:, None], "sin multiply multiply add"),
        # sums are products in BLAS
        (lambda x, v: np.sum(x * np.sin(x)), "sin vdot"),
        (lambda x, v: np.sum(x * x), "vdot"),
        (lambda x, v: np.sum(v * x[0], axis=0), "vdot"),
        (lambda x, v: np.sum(x * x, axis=0), "multiply dot"),
        (lambda x, v: np.sum(x * x, keepdims=True), "multiply add_reduce"),
        (lambda x, v: np.sum(x * v), "multiply add_reduce"),
        (lambda x, v: np.sum(np.sin(x), axis=1), "sin dot"),
        (lambda x, v: np.sum(np.sin(x), axis=0, keepdims=True), "sin dot"),
        (lambda x, v: np.sum(np.sin(v), axis=0), "sin add_reduce"),
        (lambda x, v: np.sum(x[:, :, None] * v, axis=1), "multiply add_reduce"),
        (lambda x, v: np.sum(np.broadcast_to(v, (3, 3)), axis=0), "add_reduce"),
        (lambda x, v: np.mean(np.sin(x), axis=1), "sin dot multiply"),
        # what is equal is computed once
        (lambda x, v: np.exp(x) * np.exp(x) + np.exp(x), "exp multiply add"),
        (lambda x, v: (lambda g: g * x + (1 + g))(-np.exp(x)), "exp multiply subtract subtract"),
        (lambda x, v: np.sum(x * x) - np.sum(x * np.sin(x)), "vdot sin vdot"),
        (lambda x, v: (x + v) * (v + x), "add multiply"),
        (lambda x, v: [x * 2, np.sin(x)][0], "multiply"),
        (lambda x, v: mg.stop_gradient(np.sin(x)) * 2, "sin multiply"),
        # masks are cast by themselves
        (lambda x, v: np.sin(x) * (x > 0), "sin greater copyto multiply"),
        (lambda x, v: np.sin(x) * (v[0] > 0), "sin multiply"),
        (lambda x, v: (x > 0) * np.arange(3), "greater multiply"),
        (lambda x, v: np.sin(x).astype(np.float16) * (x > 0), "sin copyto greater copyto multiply"),
        # calls that free memory come early
        (lambda x, v: (lambda a: (np.cos(np.tan(x)), a > 1))(np.exp(np.sin(x))), "sin exp greater tan cos"),
        (lambda x, v: (lambda a: (a, np.cos(np.tan(x)), a > 1))(np.exp(np.sin(x))), "sin exp tan cos greater"),
        (lambda x, v: (lambda a: (np.cos(np.tan(x)), a > 1))(x.T), "tan cos greater"),
    ],
)
def test_no_more_calls_than_needed(f, calls):
    compiled = compile(f)
    assert_eager(compiled, f, MATRIX, VECTOR)
    assert calls_of(compiled) == calls.split()


def test_a_mask_is_made_of_the_result_that_is_needed_anyway():
    compiled = compile(lambda x: (relu(x), (lambda y: (relu(y), y > 0, np.minimum(y, 2), y < 2))(np.tan(x)), x > 1))
    compiled(MATRIX)
    made = re.findall(r"(?:maximum|minimum)\(.*out=(\w+)\)", compiled.source)
    assert re.findall(r"(?:greater|less)\((\w+),", compiled.source) == [*made[1:], "x"]


@pytest.mark.parametrize(
    "f", [lambda x: np.where(x * 0.1 * 10 - x, 1.0, x), lambda x: np.arctan2(x * (1 / 3) * 3 - x, -1.0)]
)
def test_what_decides_a_choice_is_computed_as_written(f):
    x = np.arange(1.0, 50) / 7
    assert np.array_equal(compile(f)(x), f(x)) and len({*np.sign(f(x) - 1.5)}) > 1


def test_what_is_gathered_from_whole_numbers_does_not_overflow():
    x = np.array([2**40, 3])

    def f(x):
        return (x * 0.5) * (x * 0.5)

    assert_eager(compile(f), f, x)


@pytest.mark.parametrize("shape", [(2**14 + 1, 2), (2, 2**14 + 5), (2**14, 2), (2, 2**14), (0, 2), (2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_in_blas_are_as_long_as_their_dtype_can_add_up(shape, dtype):
    x = RNG.uniform(size=shape).astype(dtype)
    exact = x.astype(np.longdouble)
    f = compile(lambda x: (np.sum(x * x), np.sum(x, 0), np.sum(x, 1, keepdims=True), np.sum(np.square(x[0:1]))))
    wanted = np.sum(exact**2), np.sum(exact, 0), np.sum(exact, 1, keepdims=True), np.sum(exact[:1] ** 2)
    for got, want in zip(f(x), wanted, strict=True):
        assert (np.shape(got), got.dtype) == (np.shape(want), dtype)
        np.testing.assert_allclose(got, want.astype(float), 1e-5 if dtype == np.float32 else 1e-12)
    pieces = [dtype == np.float32 and size > 2**14 for size in (x.size, x[0:1].size)]
    assert (f.source.count("inner("), f.source.count("vdot(")) == (sum(pieces), 2 - sum(pieces))
    assert ("add_reduce(" in f.source) == (max(shape) > 2**14)


@pytest.mark.parametrize("x", [np.zeros((0, 2)), np.arange(6).reshape(2, 3)])
@pytest.mark.filterwarnings("ignore:(Mean of empty|invalid value)")
def test_means_of_nothing_and_of_whole_numbers(x):

    def f(x):
        return (np.mean(x), np.mean(x, axis=0), np.mean(x, axis=1))

    assert_eager(compile(f), f, x)
