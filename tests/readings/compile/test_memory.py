"""Memory: tracing computes no values, what needs values gets them, and what a program keeps is as small as can be."""

import re
import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import compile
from minigrad.readings.compile.emit import aligned


def two_layers(W, V, X):
    hidden = np.maximum(W @ X, 0)
    return np.mean(np.square(V @ hidden - 1)) + np.sum(np.abs(W))


def test_a_first_call_takes_no_more_memory_than_a_later_one():
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape) for shape in ((100, 30), (5, 100), (30, 2_000))]
    step = compile(mg.value_and_grad(two_layers, argnums=(0, 1)))
    step(*[a[:, :3] if a.shape[1] == 2_000 else a for a in args])  # what is imported and remembered
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(2):
            tracemalloc.reset_peak()
            results = step(*args)
            peaks.append(tracemalloc.get_traced_memory()[1])
            del results
    finally:
        tracemalloc.stop()
    assert peaks[0] < 1.15 * peaks[1]


def spread(K, y):
    """The log likelihood of a Gaussian process, which has no value where K is singular."""
    L = np.linalg.cholesky(K @ K.T + 2 * np.eye(3))
    return np.sum(np.square(np.linalg.solve(L, y))) + 2 * np.sum(np.log(np.diagonal(L)))


def windows(x, i):
    """Sums over indices, sorted parts and joined parts."""
    return np.sum(np.concatenate([x[i], np.sort(x)[::-1], np.cumsum(x)]) * np.arange(2 * x.size + i.size))


@pytest.mark.parametrize(
    "f, args",
    [
        (spread, (np.array([[1.0, 2, 0], [0, 1, 1], [3, 0, 1]]), np.array([1.0, -1, 2]))),
        (windows, (np.array([3.0, -1, 2, 0.5]), np.array([2, 2, 0]))),
        (lambda x, i: x[i] * np.where(x > i, x, 2 * x).sum(), (np.array([4.0, 0.5]), np.int64(1))),
    ],
)
def test_functions_that_refuse_some_values_are_traced(f, args):
    value, gradient = compile(mg.value_and_grad(f))(*args)
    expected, by_walk = mg.value_and_grad(f)(*args)
    np.testing.assert_allclose(value, expected)
    np.testing.assert_allclose(gradient, by_walk)


def test_a_function_of_one_s_own_sees_the_values_of_the_call_and_once_in_it():
    seen = []

    def noted(x):
        seen.append(x.copy())
        return x + 1

    log = mg.rule(noted, lambda g, y, x: g)
    step = compile(lambda x: np.sum(log(log(2 * x) @ np.ones(2)) + 0 * x[0]))
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    for sign in (1, -1):
        inside = 2 * sign * x
        assert step(sign * x) == pytest.approx(np.sum((inside + 1).sum(axis=1) + 1))
        np.testing.assert_allclose(seen[-2], inside)
        np.testing.assert_allclose(seen[-1], (inside + 1).sum(axis=1))
    assert len(seen) == 4


def test_a_function_of_one_s_own_may_refuse_values():
    def root(x):
        assert np.all(x > 5), "it is for large numbers"
        return np.sqrt(x)

    own = mg.rule(root, lambda g, y, x: g / (2 * y), pure=True)
    step = compile(mg.value_and_grad(lambda x: np.sum(own(x * x))))
    value, gradient = step(np.array([3.0, 4.0]))
    assert value == 7.0 and gradient.tolist() == [1.0, 1.0]


def test_shapes_that_do_not_fit_are_refused_in_numpy_s_words():
    with pytest.raises(ValueError, match="do not broadcast"):
        compile(lambda x, y: x + np.exp(y))(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="inner sizes differ"):
        compile(lambda x, y: x @ np.exp(y))(np.ones((2, 2)), np.ones(3))


def test_what_is_printed_while_a_function_is_traced_shows_no_numbers(capsys):
    def loss(x):
        print(np.exp(x))
        return np.sum(x)

    compile(loss)(np.array([0.25, 0.5]))
    assert capsys.readouterr().out == "Tensor(unnamed exp (2,) float64, traced)\n"


def test_masks_are_kept_in_place_of_what_they_are_made_of():
    rounds, n = 20, 1_000

    def loss(w, x):
        for _ in range(rounds):
            x = 1 - np.maximum(x * w, 0)
        return np.sum(x)

    step = compile(mg.value_and_grad(loss))
    step(*np.random.default_rng(0).normal(size=(2, n)))
    kept = sum(map(int, re.findall(r"memory\((\d+)\)", step.source)))
    assert kept <= n * (rounds * (8 + 1) + 5 * 8)  # an array and a mask of each round, and what is worked on


def test_memories_that_take_turns_are_one_array():
    def f(A, x):
        for _ in range(9):
            x = np.tanh(A @ x)
        return x

    compiled = compile(f)
    A, x = np.eye(3) / 2, np.ones((3, 2))
    np.testing.assert_allclose(compiled(A, x), f(A, x))
    made = re.findall(r"= (ndarray\(.*\))", compiled.source)
    assert len(made) == len(set(made)) == 2


def compiled_for(f, x):
    compiled = compile(f)
    np.testing.assert_allclose(compiled(x), f(x))
    assert np.asarray(compiled(x)).dtype == f(x).dtype
    return compiled.source


@pytest.mark.parametrize(
    ("f", "made"),
    [
        (lambda x: 2 * np.tanh(np.exp(np.sin(x))), ["empty"]),  # by the run that returns it, and written to four times
        (lambda x: np.exp(x) @ np.tanh(np.exp(x)), ["memory", "memory", "empty"]),
        (lambda x: 2 * np.sum(x) + 1, []),  # a number needs none
        (lambda x: np.sum(x) * np.float64(3), []),
    ],
)
def test_no_result_has_more_memory_than_it_needs(f, made):
    source = compiled_for(f, np.ones((3, 3), np.float32))
    assert re.findall(r"\b(empty|memory|array)\(", source) == made


def test_a_view_of_memory_that_stays_is_made_once():
    source = compiled_for(lambda x: np.exp(x) @ np.tanh(np.exp(x).T), np.eye(3))
    assert source.index(".T") < source.index("def run")


def test_a_number_is_an_array_as_large_as_its_call_is_fast_with():
    compiled = compile(lambda x: np.power(np.maximum(x, 0.5) * 3.0, 2.5))
    compiled(np.ones((3, 3)))
    numbers = [value.shape for value in compiled._last.source.namespace.values() if type(value) is np.ndarray]
    assert sorted(numbers) == [(), (3, 3)]
    assert "2.5" in compiled.source  # NumPy knows some powers by their number


@pytest.mark.parametrize(("shape", "n"), [((1, 2**16), 2**16), ((2**16,), 2**16), ((2**6, 2**10), 2**6)])
def test_what_leaves_the_cache_is_computed_in_pieces(shape, n):
    source = compiled_for(lambda x: np.tanh(np.exp(np.sin(x))), np.ones(shape))
    (loop,) = re.findall(r"range\(0, (\d+), (\d+)\)", source)
    assert tuple(map(int, loop)) == (n, n // 4)  # pieces of 128 KiB
    assert re.findall(r"^        (\w+)\(", source, re.M) == ["sin", "exp", "tanh"]
    assert "range" in compiled_for(lambda x: np.exp(np.sin(x)), np.ones(shape))


@pytest.mark.parametrize("nbytes", [1, 64, 1000])
def test_memory_begins_at_a_cache_line(nbytes):
    assert aligned(nbytes).nbytes == nbytes
    assert not any(aligned(nbytes).ctypes.data % 64 for _ in range(9))
