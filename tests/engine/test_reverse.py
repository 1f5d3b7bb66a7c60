"""The reverse walk: backward and gradients, by exact algebra."""

import weakref
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from measures import calls

import minigrad as mg
from minigrad.engine.reverse import on_path, pull, unbroadcast, walk
from minigrad.engine.rules import RULES, Rule, define, dispatching


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
    assert A1 not in set(on_path([J], {W2}))
    assert {W1, A1} <= set(on_path([J], {W1}))
    assert set(walk({J: np.float64(1)}, {W2})) == {W2}


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


def test_the_cotangent_of_a_sum_is_whole_where_it_is_read_and_where_a_rule_needs_it():
    x, b, w = mg.Tensor(np.ones((3, 4))), mg.Tensor(np.ones((1, 4))), mg.Tensor(np.ones((4, 2)))
    whole = x + b  # b is repeated: the sum counts every copy
    total = np.sum(np.square(whole)) + np.sum(whole @ w) + np.sum(np.sum(np.exp(x), axis=1)) + np.mean(12 * x)
    total.backward()
    assert np.array_equal(whole.grad, np.full((3, 4), 6.0))
    assert np.array_equal(b.grad, np.full((1, 4), 18.0))
    assert np.array_equal(w.grad, np.full((4, 2), 6.0))
    assert np.allclose(x.grad, 7 + np.e)
    assert all(node.grad.shape == node.shape for node in (whole, x, b, w))


def test_the_cotangent_of_a_mean_is_whole_where_it_is_read():
    x, c = mg.Tensor(np.ones((3, 4))), np.arange(4.0)
    np.sum(np.mean(x, axis=0, keepdims=True) * c).backward()
    assert np.array_equal(x.grad, np.broadcast_to(c / 3, (3, 4)))


def test_a_rule_of_the_users_own_gets_the_whole_cotangent():
    shapes = []

    def doubled(g, y, a):
        shapes.append(g.shape)
        return 2 * g

    twice = mg.rule(lambda a: 2 * a, doubled)
    x = mg.Tensor(np.ones(3))
    np.sum(twice(x)).backward()
    assert shapes == [(3,)]
    assert np.array_equal(x.grad, [2.0, 2.0, 2.0])


def test_a_pointwise_rule_that_the_user_replaces_gets_the_whole_cotangent():
    old = replace(RULES[np.square])
    try:
        mg.rule(np.square, lambda g, y, a: 2 * a * g.reshape(3))
        x = mg.Tensor(np.ones(3))
        np.sum(np.square(x)).backward()
        assert np.array_equal(x.grad, [2.0, 2.0, 2.0])
    finally:
        define(old)


def test_gradients_share_no_memory_with_each_other_or_the_graph():
    a, b = mg.Tensor(np.ones((2, 3))), mg.Tensor(np.ones((2, 3)))
    c = a + b  # a, b and c have the same cotangent
    d = np.exp(c)
    J = np.sum(d)  # d's cotangent repeats J's
    J.backward()
    nodes = [a, b, c, d, J]
    grads = [node.grad for node in nodes]
    assert all(type(g) is np.ndarray for g in grads)
    assert not any(np.shares_memory(g, h) for g, h in combinations(grads, 2))
    assert not any(np.shares_memory(g, np.asarray(node._value)) for g in grads for node in nodes)


@pytest.mark.parametrize("slope", [lambda a: a, lambda a: a[:]])
def test_a_gradient_can_be_written_where_a_rule_returned_its_argument(slope):
    half_square = mg.rule(lambda a: np.sum(a * a) / 2, lambda g, y, a: slope(a))
    x = mg.Tensor(np.ones(3))
    y = x * 2.0
    half_square(y).backward()
    y.grad[...] = 7
    assert np.array_equal(y.data, [2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    "join", [lambda a, b: a + b, lambda a, b: a.T + b.T, lambda a, b: np.mean(a, axis=0, keepdims=True) * b]
)
def test_adding_a_share_changes_no_other_cotangent(join):
    a, b = mg.Tensor(np.ones((50, 100))), mg.Tensor(np.ones((50, 100)))
    older = np.square(a)
    J = np.sum(older) + np.sum(np.exp(join(a, b)))
    plain, recorded = walk({J: np.float64(1)}), walk({J: mg.constant(1.0)}, create_graph=True)
    assert all(np.array_equal(plain[node], recorded[node]._value) for node in on_path([J]))


def test_a_walk_returns_what_is_wanted_alone():
    x, other = mg.Tensor(2.0), mg.Tensor(3.0)
    y, z = x * x, other * other
    assert walk({y: 1.0, z: 1.0}, [x]) == {x: 4.0}


@pytest.mark.parametrize("n", [2, 2**12, 2**14 + 1])  # of which larger ones are added in place, and summed by NumPy
def test_cotangents_of_any_size_are_added_and_change_no_other(n):
    x, b = mg.Tensor(np.linspace(-1, 1, n)), mg.Tensor(np.ones((2, 1)))
    y = x + np.tanh(x)
    z = np.sum((y + x * y + np.exp(x)) * b)
    z.backward()
    np.testing.assert_allclose(y.grad, 2 * (1 + x.data))
    np.testing.assert_allclose(x.grad, 2 * (1 + x.data) * (2 - np.tanh(x.data) ** 2) + 2 * y.data + 2 * np.exp(x.data))
    np.testing.assert_allclose(b.grad, np.full((2, 1), np.sum(y.data + x.data * y.data + np.exp(x.data))))


@pytest.fixture
def doubled():
    """A function with a pointwise derivative, and what that gave, each with the shape of the cotangent that it got."""
    function, given = dispatching(lambda a: 2 * a), []

    def derivative(g, y, a):
        c = np.broadcast_to(g, a.shape) * 2
        given.append((weakref.ref(c), g.shape))
        return c

    define(Rule(function, (derivative,), pointwise=True))
    yield function, given
    del RULES[function]


@pytest.mark.parametrize(("n", "in_place"), [(2**11, False), (2**12, True)])
def test_a_large_cotangent_is_summed_in_the_memory_of_its_first_part(doubled, n, in_place):
    function, given = doubled
    x = mg.Tensor(np.ones(n))
    found = walk({function(x): np.ones(n), function(x): np.ones(n), function(x): np.ones(n)}, {x})
    assert np.array_equal(found[x], np.full(n, 6.0)) and len(given) == 3
    assert (given[0][0]() is found[x]) == in_place


def test_a_pointwise_derivative_of_the_engine_gets_one_number_for_a_repeated_cotangent(doubled):
    function, given = doubled
    x, b = mg.Tensor(np.ones((2, 3))), mg.Tensor(np.ones(3))
    np.sum(function(x)).backward()
    np.sum(function(x) * 3).backward()
    np.sum(function(x) + b).backward()  # of the two arguments of np.add b needs the cotangent whole
    assert [shape for _, shape in given] == [(), (), (2, 3)]


def test_a_recorded_cotangent_of_what_was_broadcast_is_a_sum(rng):
    b, x = mg.Tensor(rng.normal(size=(3, 1))), rng.normal(size=(3, 4))
    (db,) = mg.gradients(np.sum(np.exp(b + x)), [b], create_graph=True)
    assert db.function is np.sum
    np.testing.assert_allclose(db.data, np.sum(np.exp(b.data + x), axis=1, keepdims=True))


def test_more_axes_than_broadcasting_made_are_said():
    with pytest.raises(ValueError, match=r"broadcasting does not make \(3,\) of \(1, 3\)"):
        unbroadcast(np.ones(3), (1, 3))


def test_a_given_cotangent_is_sent_on_in_place_of_what_arrived(net):
    W1, W2, A1, ce, _ = net
    seeds = {ce: np.float64(1)}
    plain, tripled = walk(seeds), walk(seeds, given={A1: 3 * walk(seeds)[A1]})
    np.testing.assert_allclose(tripled[W1], 3 * plain[W1], rtol=1e-13)
    np.testing.assert_array_equal(tripled[A1], plain[A1])
    stopped = walk(seeds, given={A1: None})
    assert W1 not in stopped and np.array_equal(stopped[W2], plain[W2])


def test_a_walk_with_other_values_is_that_of_another_computation(net):
    """With every value negated tanh has the same slope, and both products change their sign twice."""
    W1, _, _, ce, _ = net

    def negated(node):
        return -node.primal, tuple(-a for a in node.primals)

    J = np.sum(W1 * W1)
    np.testing.assert_allclose(walk({J: np.float64(1)}, values=negated)[W1], -2 * W1.data)
    assert (
        walk({ce: np.float64(1)}, values=lambda node: (node.primal, node.primals)).keys()
        == walk({ce: np.float64(1)}).keys()
    )


def test_the_parts_that_nodes_send_add_up_to_the_cotangent(net):
    W1, W2, A1, ce, l2 = net
    J = ce + l2
    found = walk({J: np.float64(1)})
    for x in (W1, W2, A1):
        parts = [pull(y, i, found[y]) for y in found for i, z in enumerate(y.operands) if z is x]
        np.testing.assert_allclose(sum(parts), found[x], rtol=1e-13)


def test_nodes_older_than_what_is_wanted_are_not_looked_at():
    x = mg.Tensor(1.0)
    for _ in range(100):
        y = x = x * 1.5
    z = y * 2.0
    assert on_path([z], [y]) == [z, y]
    assert calls(lambda: on_path([z], [y])) < 50


def test_constants_get_cotangents_where_they_are_asked_for():
    w, c = mg.Tensor([2.0, 3.0]), mg.constant([5.0, 7.0])
    unused = np.exp(mg.constant([1.0]))
    J = np.sum(w * c)
    found = walk({J: np.float64(1)}, constants={c})
    assert np.array_equal(found[c], w.data) and np.array_equal(found[w], c.data) and unused not in found
    assert c not in walk({J: np.float64(1)}) and set(on_path([J], [c], constants={c})) == {c, J, *J.inputs}
    assert set(on_path([J])) == {w, J, *J.inputs}
    assert walk({c: np.ones(2)}, constants={c}).keys() == {c} and walk({c: np.ones(2)}) == {}


def test_a_leaf_with_nan_that_was_not_updated_can_be_differentiated_again():
    x = mg.Tensor([1.0, np.nan])
    J = np.sum(x * x)
    x.data = x.data.copy()
    assert mg.gradients(J, [x], create_graph=True)[0].data[0] == 2.0


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.vstack, np.block])
def test_what_joins_many_tensors_takes_time_in_proportion(join):
    def work(n):
        xs = [mg.Tensor([float(i), 1.0]) for i in range(n)]
        J = np.sum(join(xs) ** 2)
        count = calls(J.backward) + calls(lambda: mg.gradients(np.sum(join(xs) ** 2), xs, create_graph=True))
        assert xs[n // 2].grad.tolist() == [n // 2 * 2.0, 2.0]
        return count

    assert work(400) < 2.2 * work(200)


def test_one_vjp_has_the_argument_s_shape_and_dtype(rng):
    a, b = mg.Tensor(rng.normal(size=(3, 1)).astype(np.float32), "a"), mg.Tensor(rng.normal(size=(1, 2)), "b")
    g = rng.normal(size=(3, 2))
    found = pull(a / b, 0, g)
    assert (found.shape, found.dtype) == ((3, 1), np.float32)
    np.testing.assert_allclose(found, np.sum(g / b.data, axis=1, keepdims=True), rtol=1e-6)
    assert np.array_equal(pull(np.sum(b, axis=0), 0, np.array([3.0, 5.0])), [[3.0, 5.0]])
    assert np.array_equal(pull(np.sum(b, axis=1), 0, np.array([3.0])), [[3.0, 3.0]])
    assert np.array_equal(pull(np.concatenate([a, a]), 1, np.arange(6.0)[:, None]), [[3.0], [4.0], [5.0]])
    s = mg.Tensor(2.0)
    assert pull(s - s * s, 1, np.ones(())) == -1


def test_a_given_cotangent_is_sent_on_in_a_recorded_walk_too():
    x = mg.Tensor([2.0], "x")
    y = x * x
    J = np.sum(y * 3)
    found = walk({J: mg.constant(1.0)}, given={y: mg.constant([10.0])}, create_graph=True)
    assert found[x].data == 40.0 and mg.gradients(np.sum(found[x]), [x])[0] == 20.0


def test_a_cotangent_that_repeats_itself_is_recorded_at_its_full_shape_inside_no_grad():
    s, x = mg.Tensor(2.0), mg.Tensor(np.ones(3))
    y = s * np.sum(x)
    with mg.no_grad():
        (dx,) = mg.gradients(y, [x], create_graph=True)
    assert dx.shape == (3,)
    assert mg.gradients(np.sum(dx * dx), [s]) == [12.0]


def test_a_cotangent_stays_narrow_beside_a_constant_of_another_shape():
    x, c = mg.Tensor(np.ones((3, 2)), "x"), mg.constant(np.ones(2), "c")
    assert walk({np.sum(x * c, axis=0, keepdims=True): np.ones((1, 2))}, narrow=True)[x].shape == (1, 2)
    assert walk({np.sum(x * mg.Tensor(c.data)): np.ones(())}, narrow=True)[x].shape == (3, 2)
    assert walk({np.sum(np.cumsum(x, axis=0)): np.ones(())}, narrow=True)[x].shape == (3, 2)


@pytest.mark.parametrize(("subscripts", "shapes"), [("ij,jk->ik", [(2, 3), (3, 2)]), ("i,ij->j", [(2,), (2, 3)])])
def test_the_cotangent_of_a_product_is_a_product_of_two(subscripts, shapes):
    tensors = [mg.Tensor(np.ones(shape)) for shape in shapes]
    y = np.einsum(subscripts, *tensors)
    found = walk({y: mg.Tensor(np.ones(y.shape))}, create_graph=True)
    assert [len(found[x].primals) for x in tensors] == [2, 2]


def test_what_requires_no_gradient_is_on_no_path():
    x, c = mg.Tensor(2.0), mg.constant(3.0)
    assert on_path([c]) == [] and on_path([c, x]) == [x] and on_path([c], constants=[c]) == [c]
