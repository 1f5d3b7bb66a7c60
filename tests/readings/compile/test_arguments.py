"""What compiled functions take: numbers, containers, strings, instances, and arrays however they lie in memory.

The oracle is the function itself, run on the same arguments without Tensors.
"""

import math
import pickle
import random
import threading

import numpy as np
import pytest

import minigrad as mg

RNG = np.random.default_rng(7)
X = np.array([0.5, -1.5, 2.0])


def assert_identical(got, want):
    """Equal values, types and dtypes, to a few roundings."""
    if isinstance(want, tuple | list):
        assert type(got) is type(want)
        for x, y in zip(got, want, strict=True):
            assert_identical(x, y)
        return
    assert isinstance(got, np.ndarray | np.generic) == isinstance(want, np.ndarray | np.generic), (got, want)
    if isinstance(want, np.ndarray | np.generic):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, 1e-5 if want.dtype == np.float32 else 1e-12)
    else:
        assert (type(got), got) == (type(want), want)


# --- Python numbers ---------------------------------------------------------------------------------------------------

ARITHMETIC = [
    (lambda x, p, q: x + (p + q), [(True, True), (False, True), (True, True)]),
    (lambda x, p, q: x * (p - q), [(True, False), (False, True)]),
    (lambda x, n, k: x / n**k, [(3, 45), (7, 30)]),
    (lambda x, n, k: x * (n * k) + (n * k) // 10**12, [(2**45, 2**40), (3, 5)]),
    (lambda x, n, k: x + n // k + n % k - (-n // k), [(-7, 2), (7, -2), (8, 3)]),
    (lambda x, n, k: (x * n, n + k, n / k, n > k, -n, abs(n - k), ~n, n & k), [(5, 3), (2, 9)]),
    (lambda x, n, k: [n**k, k - 2 * n, (n == k) + n], [(11, 30), (2, 2)]),
    (lambda x, a, b: x * (a - b), [(1 + 2.0**-40, 1.0), (2.0, 1.0)]),
    (lambda x, a, n: x * a**n / (1 - a**n), [(0.9, 3), (0.99, 200)]),
    (lambda x, a, n: np.where(n > 3, x, a) + np.maximum(x, n) - np.minimum(a, x), [(0.5, 2), (1.5, 4)]),
    (lambda x, a, n: (np.exp(a), np.sqrt(n), np.add(a, n), np.stack([a, 1.0 * n]), x[n]), [(0.5, 1), (0.1, 2)]),
    (lambda x, a, n: (n * np.ones(2), a * np.float32(3), np.clip(x, -a, n), x**n), [(0.5, 1), (0.1, 2)]),
    (lambda x, a, n: x * n * n * n + a * a * x, [(1e-3, 10**6), (1.0, 1)]),
    (lambda x, p, q: (x + p, q * x, x > p, np.where(q, x, p), x == q), [(True, False), (False, True)]),
]


@pytest.mark.parametrize("f, numbers", ARITHMETIC)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_python_numbers_compute_as_pythons(f, numbers, dtype):
    traces = []

    def traced(*args):
        traces.append(args)
        return f(*args)

    compiled, x = mg.compile(traced), X.astype(dtype)
    for given in numbers:
        try:
            want = f(x, *given)
        except OverflowError:  # of an int that an int32 cannot hold
            with pytest.raises(OverflowError):
                compiled(x, *given)
        else:
            traces.clear()
            assert_identical(compiled(x, *given), want)
    assert not traces or dtype is np.int32


def test_errors_of_pythons_numbers_are_pythons():
    divided = mg.compile(lambda x, n: x / (1 // n))
    divided(X, 1)
    with pytest.raises(ZeroDivisionError):
        divided(X, 0)
    np.testing.assert_array_equal(divided(X, 1), X)
    with pytest.raises(OverflowError):
        mg.compile(lambda x, n: x + n)(np.ones(2, np.int8), 300)
    with pytest.raises(TypeError, match="no real number"):
        mg.compile(lambda x, a: x * a**0.5)(X, -1.0)


def test_gradients_of_python_numbers():
    def f(a, x, n):
        return np.sum(np.tanh(a * x) ** n)

    x = X.astype(np.float32)
    for a in (0.5, 2.0):
        assert_identical(mg.compile(mg.grad(f, argnums=(0, 1)))(a, x, 2), mg.grad(f, argnums=(0, 1))(a, x, 2))
    with pytest.raises(TypeError, match="floating"):
        mg.compile(mg.grad(f))(1, x, 2)


@pytest.mark.parametrize(
    "f",
    [lambda n: X[:n], lambda n: X if n > 1 else -X, lambda n: X * math.sqrt(n), lambda n: int(n)],
)
def test_a_number_does_not_leave_the_trace(f):
    with pytest.raises(TypeError, match="while a program is traced"):
        mg.compile(f)(2)


# --- signatures -------------------------------------------------------------------------------------------------------


def test_each_form_of_the_arguments_has_its_program():
    @mg.compile
    def f(x, mode=None, scale=1.0, **more):
        y = {"double": 2 * x, "half": x / 2}.get(mode, x) if isinstance(mode, str) else x
        if isinstance(mode, dict):
            y = y + sum(mode.values()) - 10 * len(more)
        return y * scale, len(more), mode is None

    eager = f.__wrapped__
    ways = [
        ((X,), {}),
        ((X, None), {}),
        ((X, "double"), {}),
        ((X, "half"), {}),
        ((X,), {"mode": "double"}),
        ((X, "other"), {"scale": 3}),
        ((X, "other", 3.0), {}),
        ((X, {"z": X}), {}),
        ((X,), {"z": X}),
        ((X, {}), {"z": X}),
        ((X, {"z": X, "a": 1}), {}),
        ((X, {"a": 1, "z": X}), {}),
        ((X, [X]), {}),
        ((X, (X,)), {}),
        ((X, [[X], []]), {}),
        ((X, True), {}),
        ((X, 1), {}),
        ((X, 1.0), {}),
    ]
    for _ in range(2):
        for args, options in ways:
            assert_identical(f(*args, **options), eager(*args, **options))
    assert len(f._programs) == len(ways)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_arrays_that_compute_in_their_own_way_are_refused_each_time():
    f = mg.compile(lambda x: (np.sum(x), x * x))
    for strange in (np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]]), np.matrix([[1.0, 2.0]])):
        for _ in range(2):
            with pytest.raises(TypeError, match=f"is a {type(strange).__name__}; pass a plain array"):
                f(strange)
            f(np.asarray(strange))


def test_arrays_in_files_are_arrays(tmp_path):
    on_disk = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3,))
    on_disk[:] = X
    f = mg.compile(lambda x: (x + 1, np.sum(x)))
    for x in (on_disk, X, on_disk):
        assert_identical(f(x), (X + 1, np.sum(X)))
    assert len(f._programs) == 1


# --- arrays -----------------------------------------------------------------------------------------------------------


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


def read_only(a):
    a = a.copy()
    a.setflags(write=False)
    return a


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "repeated": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder()),
}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("shape", [(5, 5), (300, 300)])
def test_arrays_however_they_lie_in_memory(lie, shape):
    def f(a, b):
        return (
            *(np.sum(a * b), np.sum(a, axis=0), a @ b.T, a.reshape(-1)[::3], a.T.reshape(-1), a.ravel() + 1, a.T),
            *(np.maximum(a * 2 - b, 0) + a, np.max(b, axis=1), np.sum(np.square(a)), a[1:, ::-1] * 3),
        )

    a, b = (RNG.normal(size=shape) for _ in range(2))
    compiled = mg.compile(f)
    for x, y in [(a, b), (lie(a), b), (a, lie(b)), (lie(a), lie(a)), (b, b.T), (b.T, lie(a)), (a, b)]:
        kept = np.array(x), np.array(y)
        results = compiled(x, y)
        for got, want in zip(results, f(*kept), strict=True):
            np.testing.assert_allclose(got, want, 1e-9, 1e-9)
            assert got.dtype == want.dtype
            assert not any(np.shares_memory(got, z) for z in (x, y))
        assert np.array_equal(x, kept[0])
        assert np.array_equal(y, kept[1])


def test_arrays_without_axes_are_scalars():
    def f(x, y):
        return x + 1, x * y, np.exp(x), y / 2

    for x in (np.array(2.0), np.float64(3.0)):
        assert_identical(mg.compile(f)(x, np.float32(2)), f(np.float64(x), np.float32(2)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_empty_arrays_keep_their_shapes(shape):
    def f(x):
        sums = np.sum(x), np.sum(x, axis=-1), np.sum(x, axis=0, keepdims=True)
        return x * 2, x.T, sums, np.exp(x) * 1.0, x @ np.ones((shape[-1], 2)), x[..., None]

    assert_identical(mg.compile(f)(np.ones(shape)), f(np.ones(shape)))
    assert mg.compile(mg.grad(lambda x: np.sum(x * x)))(np.ones(shape)).shape == shape


# --- methods and pickles ----------------------------------------------------------------------------------------------


class Model:
    def __init__(self, scale, activation=np.tanh):
        self.scale, self.activation = scale, activation
        self.layers = [{"W": np.full((2, 3), scale), "name": "first"}]
        self.offset = mg.Tensor([1.0, 2.0])

    @mg.compile
    def predict(self, x, power=1):
        return self.activation(self.layers[0]["W"] @ x + self.offset) * self.scale**power

    @property
    def doubled(self):
        return 2 * self.scale

    @mg.compile
    def twice(self, x):
        return self.predict(x) * self.doubled

    @mg.compile
    def count(self, x):
        self.calls = 1
        return x


def test_methods_follow_their_instance():
    def want(m, x, power=1):
        return m.activation(m.layers[0]["W"] @ x + m.offset.data) * m.scale**power

    m, other = Model(0.5), Model(2, np.sin)
    for _ in range(2):
        for instance in (m, other):
            assert_identical(instance.predict(X), want(instance, X))
            assert_identical(instance.predict(X, power=2), want(instance, X, 2))
            assert_identical(instance.twice(X), want(instance, X) * 2 * instance.scale)
        m.scale = 3.0
        m.layers[0]["W"] -= 0.25
        m.offset.data *= 2
        m.activation = np.cos
    assert_identical(m.predict(X), want(m, X))
    assert "cos" in m.predict.source
    with pytest.raises(TypeError, match=r"assigns self\.calls"):
        m.count(X)


class Layers:
    def __init__(self):
        self.W, self.depth, self.signed, self.rate = np.eye(3), 2, True, 0.5

    def __call__(self, x):
        for _ in range(self.depth):
            x = np.tanh(self.W @ x) if self.signed else np.sin(self.W @ x)
        return x * math.sqrt(self.rate)


def test_a_method_that_is_compiled_for_its_instance_follows_it_too():
    layers, x = Layers(), np.arange(3.0)
    compiled = [mg.compile(layers), mg.compile(layers.__call__)]
    changes = {"depth": 3, "signed": False, "rate": -0.0, "W": np.eye(3) / 4}
    for name, value in [("W", layers.W), *changes.items()]:
        setattr(layers, name, value)
        assert all(np.array_equal(f(x), layers(x)) for f in compiled)
    layers.W[0] = 5
    assert np.array_equal(pickle.loads(pickle.dumps(compiled[0]))(x), layers(x))
    assert np.array_equal(compiled[1](x), layers(x)) and "sin(" in compiled[1].source


@mg.compile
def halved(x):
    return x / 2


def tripled(x):
    return x * 3


def test_compiled_functions_pickle():
    compiled, m = mg.compile(tripled), Model(0.5)
    compiled(X), halved(X)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps((compiled, halved, m.predict), protocol))
        assert again[1] is halved
        assert_identical((again[0](X), again[2](X)), (3 * X, m.predict(X)))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(mg.compile(lambda x: x))


def test_random_numbers_that_another_thread_draws_meanwhile_are_not_the_function_s():
    threads = [threading.Thread(target=random.random)]

    def f(x):
        if threads:  # as a worker's heartbeat does, once in a while
            threads[0].start()
            threads.pop().join()
        return x * 2

    assert mg.compile(f)(np.array([1.0, 3.0])).tolist() == [2.0, 6.0]
    with pytest.raises(RuntimeError, match="draws random numbers"):
        mg.compile(lambda x: x * random.random())(np.ones(2))


class Noisy:
    def __init__(self):
        self.generator = np.random.default_rng(0)

    def noise(self, x):
        return x + self.generator.normal(size=2)


def drawing_functions():
    rng, old, python, holder = np.random.default_rng(1), np.random.RandomState(2), random.Random(3), {"noisy": Noisy()}
    yield lambda x: x * rng.random(2)
    yield mg.grad(lambda x: np.sum(x * (old.rand(2) > 0.5)))
    yield lambda x, draw=python: x * draw.random()
    yield lambda x: [RNG.normal() * part for part in x]
    yield lambda x: holder["noisy"].noise(x)
    yield Noisy().noise


@pytest.mark.parametrize("f", [*drawing_functions()])
def test_a_generator_that_the_function_holds_is_not_drawn_from_once_for_all_calls(f):
    with pytest.raises(RuntimeError, match=r"draws random numbers .* pass them as arguments"):
        mg.compile(f)(np.ones(2))


def test_a_taught_function_may_draw_from_its_generator():
    one, other = np.random.default_rng(4), np.random.default_rng(4)
    noise = mg.rule(lambda x: x + one.random(2), lambda g, y, x: g)
    compiled, unused = mg.compile(lambda x: noise(x) * 2), np.random.default_rng(5)
    for x in np.ones((3, 2)):
        assert np.array_equal(compiled(x), 2 * (x + other.random(2)))
    assert np.array_equal(mg.compile(lambda x: (unused, x)[1])(X), X)
