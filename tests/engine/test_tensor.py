"""Tensor: recording, mutation safety, threads and tasks, memory, and what it says of bad input."""

import asyncio
import copy
import gc
import operator
import pickle
import threading
import time
import weakref

import numpy as np
import pytest

import minigrad as mg


def leaf(shape=(2, 3), name="W"):
    return mg.Tensor(np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape), name=name)


# --- recording --------------------------------------------------------------------------------------------------------


def test_attributes_of_leaf_result_and_constant():
    W, c = leaf(), mg.constant([1, 2, 3], name="c")
    Z = (W * c).named("Z")
    assert (W.op, W.inputs, W.grad, W.name, W.requires_grad) == (None, (), None, "W", True)
    assert (Z.op, Z.inputs, Z.name, Z.requires_grad) == ("multiply", (W, c), "Z", True)
    assert (Z.shape, Z.dtype, Z.ndim, Z.size, len(Z)) == ((2, 3), np.float64, 2, 6, 2)
    assert (c.requires_grad, c.dtype) == (False, np.int64)
    assert np.sum(Z).item() == float(np.sum(Z)) == 1 + 4 + 9 + 4 + 10 + 18
    assert [row.shape for row in Z] == [(3,), (3,)]
    assert f"{np.sum(Z):.1f}" == "46.0"


def test_an_input_that_is_used_twice_stands_twice():
    a = leaf(())
    assert (a + a).inputs == (a, a)


@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv", "matmul", "mod", "pow"])
@pytest.mark.parametrize("other", [leaf((3, 3), "V"), np.full((3, 3), 2.0), mg.constant(np.full((3, 3), 2))])
def test_operators_are_numpys_from_both_sides(symbol, other):
    operation, W = getattr(operator, symbol), leaf((3, 3))
    plain = other.data if isinstance(other, mg.Tensor) else other
    np.testing.assert_array_equal(operation(W, other).data, operation(W.data, plain))
    np.testing.assert_array_equal(operation(other, W).data, operation(plain, W.data))
    assert isinstance(operation(other, W), mg.Tensor)


@pytest.mark.parametrize("other", [2, 2.0, np.float32(2), np.array(2.0), True, [1.0, 2.0, 3.0], np.int64(3)])
def test_numbers_and_sequences_on_both_sides(other):
    W = leaf((3,))
    for f in (operator.add, operator.mul, operator.sub, operator.truediv):
        for args, plain in (((W, other), (W.data, other)), ((other, W), (other, W.data))):
            np.testing.assert_array_equal(f(*args).data, f(*plain))


def test_a_float32_tensor_stays_float32_with_python_numbers():
    x = mg.Tensor(np.float32([1, 2]))
    for y in (2 * x, x / 3, x**2, x**0.5, 1 - x, x + 1.5, np.maximum(x, 0), np.clip(x, 0.5, 1.5), x.mean() * 2.0):
        assert y.dtype == np.float32
    np.sum(2 * x).backward()
    assert x.grad.dtype == np.float32


def test_a_tensor_is_a_key():
    W, V = leaf(), leaf()
    assert {W: 1, V: 2}[V] == 2
    assert len({W, V, W}) == 2


def test_comparisons_give_plain_boolean_arrays():
    W = leaf()
    for mask in (W > 2, operator.lt(2, W), W >= W, W == 1, np.ones(3) != W, operator.ge(0, W)):
        assert type(mask) is np.ndarray and mask.dtype == bool


def test_detach_cuts_the_path():
    W = leaf()
    J = np.sum(W * W.detach())
    J.backward()
    np.testing.assert_array_equal(W.grad, W.data)
    assert W.detach().inputs == ()


def test_index_with_a_constant_tensor_and_with_any_sequence():
    import array

    W = leaf((3,))
    for index in (mg.constant([0, 0, 2]), [0, 0, 2], array.array("q", [0, 0, 2]), np.array([0, 0, 2], np.int8)):
        W.zero_grad()
        np.sum(W[index]).backward()
        np.testing.assert_array_equal(W.grad, [2, 0, 1])


def test_copies_and_pickles_of_a_leaf_are_leaves_of_their_own():
    W = leaf()
    for twin in (copy.copy(W), copy.deepcopy(W), pickle.loads(pickle.dumps(W))):
        twin.data[...] = 0
        assert (twin.name, twin.requires_grad, W.data.min()) == ("W", True, 1)
        assert twin.order != W.order
    with pytest.raises(TypeError, match=r"copy of unnamed multiply \(2, 3\) float64.*detach"):
        copy.deepcopy(W * 2)


# --- no silently wrong gradient by mutation ---------------------------------------------------------------------------

# Each takes W, X (leaf and constant) and an anonymous array, and changes what it can of them, or of J's graph.
CHANGES = {
    "leaf.data": lambda W, X, a, J: W.data.__setitem__(..., 9),
    "leaf.data.T": lambda W, X, a, J: W.data.T.__setitem__(..., 9),
    "leaf.data.base": lambda W, X, a, J: (W.data[:1].base).__setitem__(..., 9),
    "constant.data": lambda W, X, a, J: X.data.__setitem__(..., 9),
    "anonymous array": lambda W, X, a, J: a.__setitem__(..., 9),
    "view of the anonymous array": lambda W, X, a, J: a.T[1:].__setitem__(..., 9),
    "memoryview": lambda W, X, a, J: memoryview(W.data).__setitem__((0, 0), 9.0),
    "asarray, no_grad": lambda W, X, a, J: mg.no_grad()(lambda: np.asarray(W).__setitem__(..., 9))(),
    "asarray, constant": lambda W, X, a, J: np.asarray(X).__setitem__(..., 9),
    "assignment": lambda W, X, a, J: setattr(W, "data", np.full((2, 2), 9.0)),
    "step": lambda W, X, a, J: setattr(W, "data", operator.isub(W.data, 9.0)),
    "copyto": lambda W, X, a, J: np.copyto(W.data, 9.0),
    "out": lambda W, X, a, J: np.multiply(W.data, 9.0, out=W.data),
    "sort": lambda W, X, a, J: W.data[::-1].sort(axis=0),
    "setflags": lambda W, X, a, J: (W.data.setflags(write=True), W.data.fill(9)),
    "detached leaf": lambda W, X, a, J: W.detach().data.fill(9),
    "data of the transposed leaf": lambda W, X, a, J: W.T.data.base and W.T.data.base.fill(9),
    "grad": lambda W, X, a, J: (J.backward(), W.grad.fill(9), W.zero_grad()),
}
VIEWS_BEFORE = {
    "leaf.data": lambda W, X, a: W.data,
    "view of leaf.data": lambda W, X, a: W.data.T[:1],
    "memoryview": lambda W, X, a: np.asarray(memoryview(W.data)),
    "constant.data": lambda W, X, a: X.data,
    "view of constant.data": lambda W, X, a: X.data.reshape(-1),
    "anonymous array": lambda W, X, a: a,
}


def recorded():
    W, X = mg.Tensor([[1.0, 2.0], [3.0, 4.0]], "W"), mg.constant([[1.0, -1.0], [2.0, 0.5]], "X")
    return W, X, np.array([[0.5, 1.0], [1.5, 2.0]])


def cost(W, X, a):
    Z = W @ X
    return np.sum(Z * Z * a + np.exp(W.T) * W[::-1] / a)


def expected():
    W, X, a = recorded()
    (g,) = mg.gradients(cost(W, X, a), [W])
    return g


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_recording_does_not_matter(change):
    W, X, a = recorded()
    J = cost(W, X, a)
    CHANGES[change](W, X, a, J)
    J.backward()
    np.testing.assert_allclose(W.grad, expected(), rtol=1e-14)


@pytest.mark.parametrize("view", VIEWS_BEFORE)
@pytest.mark.parametrize("used_before", [False, True])
def test_a_view_made_before_recording_does_not_matter(view, used_before):
    W, X, a = recorded()
    if used_before:
        cost(W, X, a).backward()
        W.zero_grad()
    held = VIEWS_BEFORE[view](W, X, a)
    J = cost(W, X, a)
    held[...] = 9
    J.backward()
    np.testing.assert_allclose(W.grad, expected(), rtol=1e-14)


@pytest.mark.parametrize("change", ["leaf.data", "assignment", "step", "constant.data"])
def test_a_change_before_a_second_derivative_raises_or_does_not_matter(change):
    W, X, a = recorded()
    J = cost(W, X, a)
    CHANGES[change](W, X, a, J)
    with pytest.raises(RuntimeError, match=r"[WX] \(2, 2\) float64 was updated after .* had used it.*record"):
        mg.gradients(J, [W], create_graph=True)

    W, X, a = recorded()
    (g,) = mg.gradients(cost(W, X, a), [W], create_graph=True)
    (right,) = mg.gradients(np.sum(g * g), [W])
    CHANGES[change](W, X, a, J)
    np.testing.assert_array_equal(mg.gradients(np.sum(g * g), [W])[0], right)


def test_a_result_cannot_be_written():
    W, _, _ = recorded()
    Z = W * 2
    for array in (Z.data, W.T.data, Z.data.T, Z.reshape(4).data):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    own = Z.data
    own.setflags(write=True)  # a copy: the caller may do as they like with it
    own[...] = 0
    base = Z.reshape(4).data.base
    assert base is None
    np.testing.assert_array_equal(Z.data, W.data * 2)
    with pytest.raises(TypeError, match=r"\.data of unnamed multiply \(2, 2\) float64.*mg\.Tensor"):
        Z.data = np.zeros((2, 2))


def test_gradients_are_nobody_elses():
    x, y = leaf((3,), "x"), leaf((3,), "y")
    seed = np.ones(3)
    z = x + y
    z.backward(seed)
    x.grad[...] = 9
    seed[...] = 7
    for t in (y, z):
        np.testing.assert_array_equal(t.grad, 1)
    gx, gy = mg.gradients(np.sum(x + y), [x, y])
    gx[...] = 9
    np.testing.assert_array_equal(gy, 1)


def test_assigned_data_and_grad_are_copies():
    W, new = leaf((2,)), np.ones(2)
    W.data = new
    W.grad = new
    new[...] = 9
    np.testing.assert_array_equal(W.data, 1)
    np.testing.assert_array_equal(W.grad, 1)


def test_options_given_as_lists_may_be_changed_later():
    W = leaf((2, 3, 4))
    order, shape = [2, 0, 1], [4, 6]
    J = np.sum(np.transpose(W, order) * np.arange(24.0).reshape(4, 2, 3))
    K = np.sum(W.reshape(shape) * np.arange(24.0).reshape(4, 6))
    order[:], shape[:] = [0, 1, 2], [1, 1]
    J.backward()
    np.testing.assert_array_equal(W.grad, np.transpose(np.arange(24.0).reshape(4, 2, 3), (1, 2, 0)))
    W.zero_grad()
    K.backward()
    np.testing.assert_array_equal(W.grad, np.arange(24.0).reshape(2, 3, 4))


def test_the_usual_updates_work_and_older_graphs_keep_their_gradients():
    W = mg.Tensor([1.0, 2.0], name="W")
    J = np.sum(W**3)
    J.backward()
    W.data -= 0.1 * W.grad
    np.testing.assert_allclose(W.data, [0.7, 0.8])
    W.data = W.data * 2
    np.testing.assert_allclose(W.data, [1.4, 1.6])
    W.grad *= 0.5
    np.testing.assert_allclose(W.grad, [1.5, 6.0])
    W.zero_grad()
    J.backward()
    np.testing.assert_allclose(W.grad, [3.0, 12.0])  # at the old W
    W.zero_grad()
    np.sum(W**3).backward()
    np.testing.assert_allclose(W.grad, 3 * np.array([1.4, 1.6]) ** 2)


def test_a_view_held_through_training_goes_on_showing_the_leaf():
    W = mg.Tensor([1.0, 2.0], name="W")
    held = W.data
    J = np.sum(W * W)
    held -= 1.0
    np.testing.assert_array_equal(W.data, [0.0, 1.0])
    J.backward()
    np.testing.assert_array_equal(W.grad, [2.0, 4.0])


# --- memory and depth -------------------------------------------------------------------------------------------------


def chain(n):
    x = mg.Tensor(0.5, name="x")
    y = x
    for _ in range(n):
        y = y + 1.0
    return x, y


@pytest.mark.slow
def test_a_million_operations():
    x, y = chain(1_000_000)
    y.backward()
    del y
    assert x.grad == 1


def test_bytes_per_operation_do_not_grow():
    import tracemalloc

    def peak(n):
        tracemalloc.start()
        _, y = chain(n)
        y.backward()
        bytes_used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_used

    small, large = peak(2_000), peak(32_000)  # a power of two apart: hash tables are as full
    assert large < 20 * small


def test_the_last_reference_frees_the_graph_at_once():
    gc.disable()
    try:
        W = leaf()
        Z = np.exp(W @ np.ones((3, 1)))
        J = np.sum(Z * Z[0] + np.where(Z > 1, Z, 0) + np.concatenate([Z, Z])[:2])
        J.backward()
        mg.gradients(J, [W], create_graph=True)
        watched = [weakref.ref(node) for node in (Z, J)]
        del Z, J
        assert [ref() for ref in watched] == [None, None]
    finally:
        gc.enable()


def test_sixty_doublings():
    x = mg.Tensor(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


# --- threads and tasks ------------------------------------------------------------------------------------------------


def test_no_grad_and_scope_stay_in_their_thread():
    W, seen, inside, done = leaf(), {}, threading.Event(), threading.Event()

    def other():
        inside.wait()
        seen["other"] = (W * 2).scope, (W * 2).requires_grad
        with mg.scope("other"):
            done.set()
            time.sleep(0.01)

    thread = threading.Thread(target=other)
    thread.start()
    with mg.no_grad(), mg.scope("main"):
        inside.set()
        done.wait()
        seen["main"] = (W * 2).requires_grad
    with mg.scope("main"):
        seen["scope"] = (W * 2).scope
    thread.join()
    assert seen == {"other": ((), True), "main": False, "scope": ("main",)}


def test_no_grad_and_scope_stay_in_their_task():
    W = leaf()

    async def task(name, grad):
        with mg.scope(name) if grad else mg.no_grad():
            await asyncio.sleep(0)
            first = W * 2
            await asyncio.sleep(0)
            return first.scope, first.requires_grad, (W * 2).requires_grad

    async def main():
        with mg.scope("main"):
            return await asyncio.gather(task("a", True), task("b", False), task("c", True))

    assert asyncio.run(main()) == [(("main", "a"), True, True), ((), False, False), (("main", "c"), True, True)]
    assert (W * 2).scope == ()


def test_no_grad_and_scope_end_with_an_exception_and_nest():
    W = leaf()
    with pytest.raises(KeyError), mg.no_grad(), mg.scope("a"):
        raise KeyError
    assert (W * 2).requires_grad and (W * 2).scope == ()
    with mg.scope("a"), mg.scope("b"):
        assert (W * 2).scope == ("a", "b")

    @mg.no_grad()
    def evaluate():
        return W * 2

    assert not evaluate().requires_grad and not evaluate().requires_grad


# --- bad input: every error names the operation, the Tensors, and the mend --------------------------------------------

W, X, v, s, c = leaf((2, 3)), leaf((2, 4), "X"), leaf((3,), "v"), leaf((), "s"), mg.constant([1, 2, 3], "c")


def statement(code):
    return lambda: exec(code, {"np": np, "W": W, "v": v, "s": s, "a": np.zeros(3), "A": np.zeros((2, 3))})


BAD = [
    (
        lambda: W + X,
        ValueError,
        r"np\.add of W \(2, 3\) float64 and X \(2, 4\) float64: .*axis -1 has 3 and 4; reshape",
    ),
    (lambda: np.ones(5) * W, ValueError, r"np\.multiply of array \(5,\) float64 and W .*reshape"),
    (lambda: W @ X, ValueError, r"np\.matmul of W \(2, 3\) float64 and X .*inner sizes differ, 3 and 2; transpose"),
    (lambda: np.ones((4, 2)) @ W @ W, ValueError, r"np\.matmul of unnamed matmul \(4, 3\) float64 and W .*transpose"),
    (lambda: W @ 2, ValueError, r"np\.matmul of W .* and 2: .*multiply with \*"),
    (lambda: np.stack([W, W]) @ np.ones((3, 3, 2)), ValueError, r"np\.matmul .*axis -1 has 2 and 3; reshape"),
    (lambda: np.where(v > 0, v, X), ValueError, r"np\.where of array \(3,\) bool and v .* and X .*axis -1 has 3 and 4"),
    (lambda: np.dot(W, X), ValueError, r"np\.dot: np\.matmul of W .* and X .*transpose"),
    (lambda: np.concatenate([W, X]), ValueError, r"np\.concatenate of W .* and X .*must match"),
    (lambda: np.stack([W, X]), ValueError, r"np\.stack of W .* and X .*same shape"),
    (lambda: np.split(v, 2), ValueError, r"np\.split: .*\(3,\).*np\.array_split"),
    (lambda: np.split(v, 2, axis=3), IndexError, r"np\.split of v \(3,\) float64"),
    (lambda: W.reshape(5), ValueError, r"np\.reshape of W \(2, 3\) float64: .*size 6 into shape \(5,\)"),
    (lambda: W[5], IndexError, r"np\.getitem|getitem of W \(2, 3\) float64 and 5: .*out of bounds"),
    (lambda: W[s], IndexError, r"getitem of W .* and s \(\) float64: only integers"),
    (lambda: np.sum(W, axis=5), IndexError, r"np\.sum of W .*axis 5"),
    (lambda: np.einsum("ij,jk", W), ValueError, r"np\.einsum: 'ij,jk' has 2 terms for 1"),
    (lambda: np.einsum(W, [0, 1]), TypeError, r"np\.einsum of Tensors takes its subscripts as a string"),
    (lambda: np.linalg.norm(W, ord=1), TypeError, r"np\.linalg\.norm of W .* with ord= is not recorded"),
    (lambda: np.sum(W, where=W > 0), TypeError, r"np\.sum of W .* with where= is not recorded"),
    (lambda: np.clip(W, 0, 1, dtype=float), TypeError, r"np\.clip of W .*dtype"),
    (lambda: np.add(W, 1, where=W > 0), TypeError, r"np\.add with where= of W .* is not recorded; call it plainly"),
    (lambda: np.add.accumulate(v), TypeError, r"np\.add\.accumulate of v .* is not recorded"),
    (lambda: np.add(W, 1, out=np.zeros((2, 3))), TypeError, r"np\.add with out= .*x = x \+ t"),
    (statement("a += v"), TypeError, r"np\.add with out= .*x = x \+ t"),
    (lambda: np.sum(W, axis=s), TypeError, r"np\.sum: axis= is s \(\) float64"),
    (lambda: np.where(v), TypeError, r"np\.where of v .* returns one array, not a tuple"),
    (lambda: W + "a", TypeError, r"np\.add of W .* and 'a': .*real numbers"),
    (lambda: W * 1j, TypeError, r"np\.multiply of W .* and 1j: .*real numbers"),
    (lambda: np.ones(3, complex) * W, TypeError, r"np\.multiply of array \(3,\) complex128 and W .*real numbers"),
    (lambda: np.array([None]) * W, TypeError, r"np\.multiply of array \(1,\) object and W .*real numbers"),
    (lambda: W * np.ma.masked_array([1.0, 2.0, 3.0]), TypeError, r"np\.multiply of .*MaskedArray.*np\.asarray"),
    (lambda: [s, 1.0] * v, TypeError, r"np\.multiply of .*np\.stack"),
    (lambda: mg.Tensor([1, 2], name="k"), TypeError, r"Tensor k \(2,\) int64: only floating-point.*mg\.constant"),
    (lambda: mg.Tensor("abc"), TypeError, r"Tensor \(\) <U3: the data is not real numbers"),
    (lambda: mg.Tensor(W), TypeError, r"not from W \(2, 3\) float64: use \.detach"),
    (lambda: mg.Tensor(1.0, name=3), TypeError, r"name is a string.* not 3"),
    (lambda: W.named(""), TypeError, r"name is a string that is not empty"),
    (
        lambda: setattr(W, "data", np.ones(5)),
        ValueError,
        r"data of W \(2, 3\) float64 cannot have shape \(5,\): reshape",
    ),
    (lambda: setattr(c, "data", [1.5, 2, 3]), TypeError, r"data of c \(3,\) int64 cannot be made of float64"),
    (lambda: setattr(W, "data", np.ones((2, 3)) * 1j), TypeError, r"data of W .* cannot be made of complex128"),
    (lambda: setattr(W, "data", W * 2), TypeError, r"plain array of unnamed multiply .*t\.data"),
    (
        lambda: setattr(W, "grad", np.ones(5)),
        ValueError,
        r"grad of W \(2, 3\) float64 cannot have shape \(5,\): reshape",
    ),
    (lambda: (W * 2).backward(), ValueError, r"backward from unnamed multiply \(2, 3\) float64.*np\.sum.*gradient="),
    (lambda: (W * 2).backward(np.ones(3)), ValueError, r"cotangent of unnamed multiply .* shape \(3,\): .*\(2, 3\)"),
    (lambda: c.backward(), RuntimeError, r"c \(3,\) int64 needs no gradient: it is a constant; .*mg\.Tensor"),
    (lambda: (c * 2).sum().backward(), RuntimeError, r"unnamed sum .* needs no gradient: .*c \(3,\) int64.*mg\.Tensor"),
    (lambda: (v.detach() * c).sum().backward(), RuntimeError, r"v detached \(3,\) float64, c \(3,\)|c .*v detached"),
    (lambda: bool(W), ValueError, r"truth of W \(2, 3\) float64 is ambiguous.*np\.any or np\.all.*np\.where"),
    (lambda: float(v), ValueError, r"item of v \(3,\) float64: it has 3 elements; index"),
    (lambda: len(s), TypeError, r"len of s \(\) float64: it is 0-d"),
    (lambda: iter(s), TypeError, r"iteration over s \(\) float64: it is 0-d"),
    (statement("W[0] = 1"), TypeError, r"part of W \(2, 3\) float64.*np\.where.*np\.stack"),
    (statement("A[1] = v"), TypeError, r"plain array of v \(3,\) float64.*np\.stack.*t\.data"),
    (statement("A[:, 1:] = s"), TypeError, r"plain array of s \(\) float64.*np\.stack.*t\.data"),
    (lambda: np.array([s, s]), TypeError, r"plain array of s \(\) float64.*np\.stack"),
    (lambda: np.asarray(v), TypeError, r"plain array of v \(3,\) float64.*np\.stack"),
    (lambda: mg.scope("").__enter__(), TypeError, r"scope: the name is a string that is not empty"),
    (lambda: mg.rule(3), TypeError, r"rule: 3 is not callable"),
]


@pytest.mark.parametrize(("act", "kind", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_input(act, kind, message):
    with pytest.raises(kind, match=message):
        act()


def test_storing_in_a_plain_array_tells_of_the_gradient():
    a = np.zeros(3)
    with pytest.raises(ValueError) as raised:  # NumPy puts an error of its own in front
        a[1] = s
    assert "storing s () float64 in a plain array would lose its gradient" in str(raised.value.__cause__)


def test_float_of_a_tensor_is_allowed_where_it_is_asked_for():
    a = np.zeros(3)
    a[1] = float(s)
    with mg.no_grad():
        a[2] = s
    a[0] = mg.constant(2.0)
    np.testing.assert_array_equal(a, [2, 1, 1])
    assert int(s) == 1 and [10, 20][mg.constant(1)] == 20


def test_a_rule_with_too_few_derivatives_loses_no_gradient_silently():
    scale = mg.rule(lambda x, k: x * k, lambda g, y, x, k: g * k)
    np.sum(scale(v, 2.0)).backward()
    with pytest.raises(TypeError, match=r"of v \(3,\) float64 and s \(\) float64: its rule has 1 derivatives.*None"):
        scale(v, s)
    with pytest.raises(TypeError, match=r"returns one array, not a list"):
        mg.rule(lambda x: [x], lambda g, y, x: g)(v)
    assert (mg.rule(lambda x: float(x.sum()), lambda g, y, x: g * np.ones_like(x))(v)).dtype == np.float64


def test_a_rule_that_returns_a_wrong_shape_is_named():
    wrong = mg.rule(lambda x: x * 2, lambda g, y, x: g[:-1])
    with pytest.raises(RuntimeError, match=r"cotangent of shape \(2,\) for an argument of shape \(3,\).*mg\.rule"):
        np.sum(wrong(v)).backward()
