"""Expressions: equal ones are made once, different ones are told apart, and their values are NumPy's."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine.node import ancestors
from minigrad.engine.primitives import scatter
from minigrad.text.expressions import PRODUCT, SUM, Expressions, arguments_of, evaluate, key_of, parts_of

F = np.dtype(float)
A = np.arange(6.0).reshape(2, 3)


def test_equal_expressions_are_one_object():
    made = Expressions()
    x, y = made.symbol("x", (2,), F), made.symbol("y", (2,), F)
    assert made.symbol("x", (2,), F) is x is not y
    total = made.call(np.add, (x, y), {}, (2,), F)
    assert made.call(np.add, (x, y), {}, (2,), F) is total is not made.call(np.add, (y, x), {}, (2,), F)
    one = made.call(np.sum, (x,), {"axis": 0, "keepdims": True}, (1,), F)
    assert made.call(np.sum, (x,), {"keepdims": True, "axis": 0}, (1,), F) is one
    assert made.call(np.sum, (x,), {"axis": 0}, (), F) is not one
    assert x.order < y.order < total.order < one.order


class Same:
    def __repr__(self):
        return "Same()"


def changed(a, i):
    a = a.copy()
    a[i] += 1
    return a


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (0.1, np.float64(0.1)),
        (np.float32(0.1), np.float64(0.1)),
        ((0, 1), (False, True)),
        ((0, 1), [0, 1]),
        (slice(1, None), slice(True, None)),
        (np.zeros(10_000), changed(np.zeros(10_000), 5000)),  # which print alike
        (np.zeros(3), np.zeros(3, np.float32)),
        (Same(), Same()),
    ],
)
def test_values_that_only_compare_or_print_alike_are_told_apart(a, b):
    assert key_of(a) != key_of(b) and key_of(a) == key_of(a)


def test_equal_values_have_one_key():
    for value in (3, 0.1, "ij", None, ..., slice(1, 2), np.float32(2), np.dtype("f"), (1, (2.0, None)), A):
        twin = value.copy() if value is A else value
        assert key_of(value) == key_of(twin)
    assert key_of(float("nan")) == key_of(float("nan"))
    assert key_of(A.T) == key_of(np.ascontiguousarray(A.T))


def test_an_expression_has_the_value_of_the_node_that_it_was_made_of():
    x = mg.Tensor(A, name="x")
    node = np.sum(np.tanh(x.T @ np.ones((2, 1)))[1:, 0] * 2.0)
    made = Expressions()
    known, bindings = {x: made.symbol("x", x.shape, F)}, {}
    bindings[known[x]] = A

    def value(a, index):
        e = made.literal(a) if np.ndim(a) == 0 else made.symbol("c", np.shape(a), F)
        return bindings.setdefault(e, a) is None or e

    for y in ancestors([node]):
        if y is not x:
            known[y] = made.call(y.function, arguments_of(y, known, value), y.options, y.shape, y.dtype)
    assert evaluate(known[node], bindings) == node.item()
    intermediate = next(e for e in parts_of([known[node]]) if e.function is np.tanh)
    changed_value = evaluate(known[node], {**bindings, intermediate: np.ones((3, 1))})
    assert changed_value == 4


def test_what_is_taken_twice_is_added_twice():
    made = Expressions()
    g = made.symbol("g", (3,), F)
    e = made.call(scatter, (g, made.literal([0, 0, 1])), {"shape": (2,)}, (2,), F)
    np.testing.assert_array_equal(evaluate(e, {g: np.array([1.0, 2.0, 4.0])}), [3.0, 4.0])


def test_a_normal_form_has_a_value():
    made = Expressions()
    x, y = made.symbol("x", (2, 3), F), made.symbol("y", (3,), F)
    values = {x: A + 1, y: np.array([1.0, 2.0, 4.0])}
    product = made.normal(PRODUCT, [(3, {x: 2, y: -1})], F)
    total = made.normal(SUM, [(2, {product: 1}), (-1, {y: 1}), (0.5, {})], F)
    assert product.shape == total.shape == (2, 3)
    np.testing.assert_allclose(evaluate(total, values), 6 * (A + 1) ** 2 / values[y] - values[y] + 0.5)
    with pytest.raises(KeyError, match="no value for y"):
        evaluate(total, {x: A})


def test_parts_come_before_what_they_are_parts_of():
    made = Expressions()
    e = x = made.symbol("x", (), F)
    for _ in range(5000):
        e = made.call(np.add, (e, e), {}, (), F)
    parts = parts_of([e])
    assert len(parts) == 5001 and parts[0] is x and parts[-1] is e
    assert parts_of([e], lambda part: part is e.args[0]) == [e.args[0], e]
    assert e.size == 10**6


def test_an_array_is_one_constant_however_often_it_is_used():
    made = Expressions()
    c = made.constant(A, lambda: "c1")
    assert made.constant(A.copy(), lambda: "c2") is c and c.value == "c1" and list(made.constants) == [c]
    assert made.constant(A.astype("f"), lambda: "c2") is not c


def test_an_earlier_call_can_be_found():
    made = Expressions()
    x, y = made.symbol("x", (2,), F), made.symbol("y", (2,), F)
    total = made.call(np.add, (x, y), {}, (2,), F)
    assert made.find(np.add, (x, y), {}, (2,)) is total and made.find(np.add, (y, x), {}, (2,)) is None
