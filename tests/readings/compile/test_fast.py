"""compile(f, fast=True): loops that numba compiles agree with NumPy to rounding; what they cannot take runs there."""

import importlib.util
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg

rng = np.random.default_rng(3)


def test_without_numba_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"minigrad\[fast\]"):
        mg.compile(np.sum, fast=True)


pytest.importorskip("numba")
pytestmark = pytest.mark.slow  # the compiler takes seconds for each program


def agree(f, *args, **tolerance):
    """Check f compiled with numba against f itself; returns the compiled function."""
    compiled = mg.compile(f, fast=True)
    for _ in range(2):
        got, want = compiled(*args), f(*args)
        for a, b in zip(
            got if isinstance(got, tuple) else [got], want if isinstance(want, tuple) else [want], strict=True
        ):
            assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, **{"rtol": 1e-11, "atol": 1e-12} | tolerance)
    return compiled


# --- functions of the C library, without the library ------------------------------------------------------------------

WITHIN = 2  # units in the last place


def looped(function):
    def both(x):
        return function(x) * 1.0, x + 1.0

    return lambda x: mg.compile(both, fast=True)(x)[0]


ARGUMENTS = {
    np.exp: lambda n: np.concatenate([rng.uniform(-740, 709, n), rng.uniform(-1, 1, n), rng.normal(size=n) * 1e-5]),
    np.tanh: lambda n: np.concatenate([rng.uniform(-25, 25, n), rng.uniform(-1, 1, n), rng.normal(size=n) * 1e-5]),
    np.log: lambda n: np.concatenate(
        [np.exp(rng.uniform(-700, 700, n)), rng.uniform(0.5, 2, n), 1 + 1e-5 * rng.random(n)]
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", ARGUMENTS)
def test_the_last_places(function, dtype):
    x = ARGUMENTS[function](5000).astype(dtype)
    exact = function(x.astype(np.longdouble))
    ordinary = np.isfinite(exact.astype(dtype)) & (np.abs(exact) > np.finfo(dtype).tiny) & np.isfinite(x) & (x != 0)
    y, exact = looped(function)(x)[ordinary], exact[ordinary]
    assert np.max(np.abs(y - exact) / np.spacing(np.abs(exact).astype(dtype))) < WITHIN


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", ARGUMENTS)
def test_the_ends_of_the_line(function, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, 1, -1, 1e4, -1e4, 88.8, -103.5, 709.9, -745], dtype)
    want = function(x)
    got = looped(function)(x)
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.copysign(1, got)[want == want], np.copysign(1, want)[want == want])


# --- loops ------------------------------------------------------------------------------------------------------------


def layer(x, w, b):
    return np.tanh(np.maximum(x * w + b, 0.1) / (1 + np.exp(-x)) - np.square(b)) * 2.5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "shapes",
    [
        [(6, 7), (7,), (6, 1)],
        [(2, 3, 4), (3, 1), (4,)],
        [(5, 1), (1, 4), ()],
        [(3, 4), (1, 1), (3, 4)],
        [(1, 9), (9,), (1, 1)],
    ],
    ids=str,
)
def test_loops_broadcast_as_numpy_does(shapes, dtype):
    args = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    compiled = agree(layer, *args, rtol=50 * np.finfo(dtype).eps)
    assert "def kernel(" in compiled.source and "maximum(" not in compiled.source


def test_gradients_of_a_network():
    X, Y = rng.normal(size=(3, 40)), 1.0 * (rng.random((1, 40)) > 0.5)

    def loss(W1, b1, W2, b2):
        A = np.maximum(W1 @ X + b1, 0)
        P = 1 / (1 + np.exp(-(W2 @ A + b2)))
        return -np.mean(Y * np.log(P) + (1 - Y) * np.log(1 - P))

    parameters = [rng.normal(size=shape) for shape in ((5, 3), (5, 1), (1, 5), (1, 1))]
    agree(lambda *ps: mg.grad(loss, argnums=range(4))(*ps), *parameters)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a.T.copy().T[::-1],
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, a.size, 1).reshape(a.shape),
    ],
    ids=["Fortran", "strided", "reversed", "repeated", "byteswapped", "unaligned"],
)
def test_arrays_of_any_layout(change):
    x, b = rng.normal(size=(6, 5)), rng.normal(size=(6, 1))
    compiled = mg.compile(layer, fast=True)
    for given in (x, change(x), x):
        np.testing.assert_allclose(
            compiled(given, given, b), layer(x if given is x else change(x), given, b), rtol=1e-13
        )


def test_a_file_in_memory(tmp_path):
    x = rng.normal(size=(6, 5))
    x.tofile(tmp_path / "x")
    agree(layer, np.memmap(tmp_path / "x", float, "r", shape=(6, 5)), x, x)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int64, np.int8, bool])
def test_what_numba_is_not_given_runs_in_numpy(dtype):
    x = rng.normal(size=20).astype(dtype)
    compiled = agree(lambda x: (x + x) * x + x, x, rtol=0)
    assert "kernel" not in compiled.source


def test_functions_that_loops_lack_stand_between_them():
    compiled = agree(lambda x: np.arctan(x * 2 + 1) * x - 1, rng.normal(size=(4, 5)))
    assert "arctan(" in compiled.source and "kernel_2(" in compiled.source


def test_a_number_of_numpy_keeps_its_precision_in_a_comparison():
    x = np.full(8, 0.1, np.float32)
    agree(lambda x: (x * 1 > np.float64(0.1)) * x + x, x, rtol=0)


def test_products_that_cancel_are_rounded_as_in_numpy():
    x, y = rng.normal(size=(2, 1000)) * 1e6
    agree(lambda x, y: np.sum(x * y - y * x), x, y, rtol=0, atol=0)
    agree(lambda x, y: np.floor(x * y - x), x, y, rtol=0, atol=0)


def test_what_a_decision_depends_on_is_computed_to_the_bit():
    x = rng.normal(size=10_000)
    compiled = agree(lambda x: np.floor(np.exp(x) * 1e15) + x, x, rtol=0, atol=0)
    assert "def kernel" not in compiled.source


def test_not_a_number_passes_through_extrema():
    x, y = np.array([np.nan, 1.0, 2.0, 3.0]), np.array([0.0, np.nan, 5.0, 1.0])
    agree(lambda x, y: (np.maximum(x, y) + np.minimum(y, x)) * 2.0, x, y)


def test_inputs_are_not_written_to_and_results_are_the_caller_s_own():
    x = rng.normal(size=50)
    kept = x.copy()
    compiled = mg.compile(lambda x: (x * 2 + 1, x * 3 - 1), fast=True)
    first, second = compiled(x)
    copies = first.copy(), second.copy()
    compiled(x + 1)
    np.testing.assert_array_equal((x, first, second), (kept, *copies))


def test_equal_loops_are_compiled_once():
    def unrolled(x, W):
        for _ in range(20):
            x = np.tanh(W @ x + 1)
        return x

    compiled = agree(unrolled, rng.normal(size=(8, 3)), rng.normal(size=(8, 8)))
    assert compiled.source.count("def kernel") == 1


def folded(w, x, steps):
    for _ in range(steps):
        x = 1 - np.maximum(x * w + 0.1, 0)
    return np.sum(x)


def test_value_and_gradient_of_elementwise_calls_are_one_loop():
    w, x = rng.uniform(0.5, 1, (2, 60))
    compiled = agree(mg.value_and_grad(lambda w, x: folded(w, x, 3)), w, x, rtol=0, atol=0)
    assert compiled.source.count("kernel") == 2  # its definition and its call


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_backward_computes_again_what_it_need_not_load(dtype):
    w, x = rng.uniform(0.5, 1, (2, 60)).astype(dtype)
    compiled = agree(mg.grad(lambda w, x: folded(w, x, 100)), w, x, rtol=0, atol=0)
    assert compiled.source.count("memory(") < 60  # of the 200 arrays that the vjps need


def test_a_number_that_a_loop_needs_is_computed_before_it():
    def f(x):
        y = x * x + 1
        z = y / np.sum(y) - 1
        return z * np.max(z) + y

    agree(f, rng.normal(size=30))


@pytest.mark.slow
def test_threads_share_a_compiled_function():
    compiled = mg.compile(mg.grad(lambda x: np.sum(layer(x, x, x))), fast=True)
    xs = [rng.normal(size=(30, 20)) for _ in range(40)]
    want = [mg.grad(lambda x: np.sum(layer(x, x, x)))(x) for x in xs]
    with ThreadPoolExecutor(8) as pool:
        for a, b in zip(pool.map(compiled, xs), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_it_pickles():
    again = pickle.loads(pickle.dumps(mg.compile(math.prod, fast=True)))
    assert again._fast


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def apply(self, x):
        return np.exp(x * self.factor) + 1


def test_methods():
    Scaled.fast = mg.compile(Scaled.apply, fast=True)
    x = rng.normal(size=12)
    np.testing.assert_allclose(Scaled(2.0).fast(x), np.exp(2 * x) + 1, rtol=1e-14)
    np.testing.assert_allclose(Scaled(3.0).fast(x), np.exp(3 * x) + 1, rtol=1e-14)
