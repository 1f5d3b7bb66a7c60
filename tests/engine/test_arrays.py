"""No gradient is silently wrong because an array was changed."""

import operator

import numpy as np
import pytest
from networks import leaf

import minigrad as mg

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
