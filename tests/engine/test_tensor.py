"""A Tensor's attributes and operators, copies, and where its plain value may be asked for."""

import copy
import operator
import pickle

import numpy as np
import pytest
from networks import leaf

import minigrad as mg


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


@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv", "matmul", "mod", "pow"])
@pytest.mark.parametrize("other", [leaf((3, 3), "V"), np.full((3, 3), 2.0), mg.constant(np.full((3, 3), 2))])
def test_operators_are_numpys_from_both_sides(symbol, other):
    operation, W = getattr(operator, symbol), leaf((3, 3))
    plain = other.data if isinstance(other, mg.Tensor) else other
    np.testing.assert_array_equal(operation(W, other).data, operation(W.data, plain))
    np.testing.assert_array_equal(operation(other, W).data, operation(plain, W.data))
    assert isinstance(operation(other, W), mg.Tensor)


def test_a_tensor_is_a_key():
    W, V = leaf(), leaf()
    assert {W: 1, V: 2}[V] == 2
    assert len({W, V, W}) == 2


def test_comparisons_give_plain_boolean_arrays():
    W = leaf()
    for mask in (W > 2, operator.lt(2, W), W >= W, W == 1, np.ones(3) != W, operator.ge(0, W)):
        assert type(mask) is np.ndarray and mask.dtype == bool


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


def test_storing_in_a_plain_array_tells_of_the_gradient():
    a, s = np.zeros(3), leaf((), "s")
    with pytest.raises(ValueError) as raised:  # NumPy puts an error of its own in front
        a[1] = s
    assert "storing s () float64 in a plain array would lose its gradient" in str(raised.value.__cause__)


def test_float_of_a_tensor_is_allowed_where_it_is_asked_for():
    a, s = np.zeros(3), leaf((), "s")
    a[1] = float(s)
    with mg.no_grad():
        a[2] = s
    a[0] = mg.constant(2.0)
    np.testing.assert_array_equal(a, [2, 1, 1])
    assert int(s) == 1 and [10, 20][mg.constant(1)] == 20


METHODS = {
    *{f".{name}()" for name in ("copy", "trace", "diagonal", "cumprod", "conj", "squeeze", "tolist", "flatten")},
    *(".take([0, 0])", ".repeat(2, axis=0)", ".cumprod(1)", ".round(1)", ".std(ddof=1)", ".max(0, initial=0.0)"),
    *(".reshape(3, 2, order='F')", ".reshape((-1, 3), order='F')", ".ravel('F')", ".astype(float, copy=False)"),
    *(".item(1)", ".item(1, 0)", ".nbytes", ".itemsize", ".strides", ".mT", ".argpartition(1)", ".flat[3]", ".T.size"),
    *(
        ".compress([True, False], 0)",
        ".sum(dtype=np.float32)",
        ".transpose(None)",
        ".transpose((1, 0))",
        ".dot([1, 2, 3])",
    ),
}


@pytest.mark.parametrize("call", sorted(METHODS))
def test_methods_are_an_arrays(call):
    x = np.array([[0.5, -1.25, 2.0], [3.0, 0.25, -0.5]])
    got = eval(f"t{call}", {"t": mg.Tensor(x), "np": np})
    np.testing.assert_equal(got.data if isinstance(got, mg.Tensor) else got, eval(f"x{call}", {"x": x, "np": np}))


def test_arrays_of_tensors_are_made_like_a_tensor():
    a, b = leaf((), "a"), leaf((), "b")
    y = np.array([[a, 2.0], [b, a * b]], like=a)
    assert y.shape == (2, 2)
    assert [float(g) for g in mg.gradients(np.sum(y * [[1, 2], [3, 4]]), [a, b])] == [5.0, 7.0]
    assert type(np.asarray([1.0, 2.0], like=a)) is np.ndarray


@pytest.mark.parametrize("write", [np.array_repr, np.array_str, np.array2string])
def test_numpy_writes_a_tensor_s_value_as_text(write):
    W = leaf()
    assert write(W, precision=2) == write(W.data, precision=2)


def test_axes_may_be_an_array():
    t, axes = mg.Tensor(np.arange(6.0).reshape(1, 2, 3)), np.array([2, 0, 1])
    for moved in (t.transpose(axes), t.transpose(*axes), t.transpose([2, 0, 1]), np.transpose(t, axes)):
        assert np.array_equal(moved.data, t.data.transpose(2, 0, 1))
    assert t.transpose().shape == t.transpose(None).shape == (3, 2, 1)
