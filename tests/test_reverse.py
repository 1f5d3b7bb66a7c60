"""The reverse walk: backward and gradients, by exact algebra."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.reverse import cotangents, upstream


@pytest.fixture
def net(rng):
    W1, W2 = mg.Tensor(rng.normal(size=(4, 3)), "W1"), mg.Tensor(rng.normal(size=(1, 4)), "W2")
    X = mg.constant(rng.normal(size=(3, 5)), "X")
    A1 = np.tanh(W1 @ X).named("A1")
    ce = np.mean(np.square(W2 @ A1))
    l2 = 0.1 * (np.sum(np.square(W1)) + np.sum(np.square(W2)))
    return W1, W2, A1, ce, l2


def test_two_terms_one_by_one_add_up_to_their_sum(net):
    W1, W2, A1, ce, l2 = net
    ce.backward()
    l2.backward()
    one_by_one = [t.grad for t in (W1, W2, A1)]
    for t in (W1, W2, A1):
        t.zero_grad()
    (ce + l2).backward()
    for t, g in zip((W1, W2, A1), one_by_one, strict=True):
        np.testing.assert_allclose(t.grad, g, rtol=1e-13)


def test_a_second_backward_adds_the_same_again(net):
    W1, _, A1, ce, _ = net
    ce.backward()
    first = W1.grad.copy(), A1.grad.copy()
    ce.backward()
    np.testing.assert_array_equal(W1.grad, 2 * first[0])
    np.testing.assert_array_equal(A1.grad, 2 * first[1])


def test_the_second_backward_through_a_shared_node_counts_its_cotangent_once():
    x = mg.Tensor(3.0)
    y = x * x
    z = y * y  # dz/dx = 4 x³
    z.backward()
    z.backward()
    assert x.grad == 2 * 4 * 27 and y.grad == 2 * 2 * 9


def test_no_path_is_none_and_constants_get_nothing(net):
    W1, W2, A1, ce, l2 = net
    assert mg.gradients(l2, [A1]) == [None]
    assert [g is None for g in mg.gradients(l2, [W1, A1, W2])] == [False, True, False]
    ce.backward()
    X = W1 @ np.ones((3, 1))
    assert X.grad is None
    assert all(x.grad is None for x in A1.inputs[0].inputs if not x.requires_grad)


def test_gradient_with_respect_to_an_intermediate_and_to_the_root(net):
    _, W2, A1, ce, _ = net
    gA1, gce = mg.gradients(ce, [A1, ce])
    np.testing.assert_allclose(gA1, 2 / 5 * W2.data.T @ (W2.data @ A1.data))
    assert gce == 1
    assert all(x.grad is None for x in (A1, W2, ce))


def test_only_nodes_on_a_path_are_visited(net):
    W1, W2, A1, ce, l2 = net
    J = ce + l2
    assert A1 not in set(upstream([J], {W2}))
    assert {W1, A1} <= set(upstream([J], {W1}))
    assert set(cotangents({J: np.float64(1)}, {W2})) == {W2}


def test_recorded_cotangents_equal_the_plain_ones(net):
    W1, W2, A1, ce, l2 = net
    plain = mg.gradients(ce + l2, [W1, W2, A1])
    recorded = mg.gradients(ce + l2, [W1, W2, A1], create_graph=True)
    for p, r in zip(plain, recorded, strict=True):
        assert isinstance(r, mg.Tensor)
        np.testing.assert_allclose(r.data, p, rtol=1e-13)


def test_a_leaf_is_its_own_gradient():
    x = mg.Tensor(2.0)
    x.backward()
    assert x.grad == 1
    assert mg.gradients(x, [x]) == [1]


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_result_with_one_element_needs_no_cotangent(shape):
    x = mg.Tensor(np.full(shape, 2.0))
    (x * x).backward()
    np.testing.assert_array_equal(x.grad, np.full(shape, 4.0))


def test_broadcasting_is_undone_with_shape_and_dtype():
    x, y = mg.Tensor(np.float32(2.0)), mg.Tensor(np.ones((3, 1), np.float32))
    z = x * y + np.ones((2, 3, 4))  # float64 from here on
    np.sum(z).backward()
    assert (x.grad.shape, x.grad.dtype, y.grad.shape, y.grad.dtype) == ((), np.float32, (3, 1), np.float32)
    assert x.grad == 24 and y.grad[0, 0] == 16


def test_values_that_pass_no_gradient_stop_the_walk():
    x, n = mg.Tensor([1.0, -2.0]), mg.Tensor([3.0, -4.0])
    J = np.sum(np.copysign(x, n))
    assert mg.gradients(J, [x, n])[1] is None
    assert not np.where(x, 1.0, 0.0).requires_grad
    assert not np.heaviside(x, 0.0).requires_grad


def test_gradients_says_what_is_no_tensor():
    x = mg.Tensor(1.0)
    with pytest.raises(TypeError, match="takes Tensors, not ndarray"):
        mg.gradients(x, [np.ones(1)])
    with pytest.raises(TypeError, match="takes Tensors, not float"):
        mg.gradients(1.0, [x])
