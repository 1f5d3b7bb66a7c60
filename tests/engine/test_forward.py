"""The forward walk: tangents against those that the reverse walk gives, and by exact algebra."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import primitives
from minigrad.engine.rules import RULES

taught = mg.rule(
    lambda a, b: np.flip(a) * np.sum(b),
    lambda g, y, a, b: np.flip(g) * np.sum(b),
    lambda g, y, a, b: np.broadcast_to(np.sum(g * np.flip(a)), b.shape),
)

FUNCTIONS = {
    "a node that is used twice": lambda a, b: (a * b) @ (a * b) + np.exp(a * b),
    "an argument that is broadcast": lambda a, b: np.ones((2, 3, 3)) + a[:, None] * b,
    "the derivative 1, broadcast": lambda a, b: np.ones((4, 3)) + a,
    "a view, read by index": lambda a, b: a[::-1][[0, 0, 2]] * b.reshape(3, 1),
    "a condition and a constant": lambda a, b: np.where(np.array([True, False, True]), a, 2.0) - b,
    "a tie": lambda a, b: np.maximum(a, 1 * a) + np.minimum(b, np.array([0.5, 1.0, -1.0])),
    "no function of its own transpose": lambda a, b: np.cumprod(a) + np.max(b) + np.sort(a * b),
    "a matrix product of both": lambda a, b: np.outer(a, b) @ np.outer(b, a) @ a,
    "joined": lambda a, b: np.concatenate([a, b, a * b, np.ones(2)]) * 3,
    "joined along another axis": lambda a, b: np.stack([a, np.zeros(3), a * b], axis=1),
    "einsum": lambda a, b: np.einsum("i,j,i->ij", a, b, a),
    "linear in its first argument": lambda a, b: a / b + np.cumsum(np.negative(a)) + np.mean(b),
    "a rule that was taught": lambda a, b: taught(a, b) + taught(b, a * a),
    "another dtype": lambda a, b: a.astype(np.float32).astype(float) * b,
    "a constant value": lambda a, b: mg.stop_gradient(a) * b + np.floor(a),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_both_modes_agree_and_so_do_their_derivatives(f, rng):
    a, b, v, w = rng.normal(size=(4, 3))
    y, tangent = mg.jvp(f, (a, b), (v, w))
    g = rng.normal(size=y.shape)
    (da, db) = mg.vjp(f, a, b)[1](g)
    assert tangent.shape == y.shape and tangent.dtype == y.dtype
    np.testing.assert_allclose(np.sum(tangent * g), da @ v + db @ w, rtol=1e-6)

    def along(a, b):
        return np.sum(g * mg.jvp(f, (a, b), (v, w))[1])

    def slopes(a, b):
        return mg.grad(lambda a, b: np.sum(g * f(a, b)), (0, 1))(a, b)

    reverse_over_forward = mg.grad(along, (0, 1))(a, b)
    forward_over_reverse = mg.jvp(slopes, (a, b), (v, w))[1]
    forward_over_forward = [mg.jvp(along, (a, b), (e, 0 * e))[1] for e in np.eye(3)]
    np.testing.assert_allclose(reverse_over_forward, forward_over_reverse, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(forward_over_forward, forward_over_reverse[0], rtol=1e-6, atol=1e-12)


def test_a_step_along_the_direction_does_what_the_tangent_says():
    x, v = np.array([0.3, -0.4]), np.array([1.0, 2.0])

    def f(x):
        return np.log1p(np.exp(x)) * x[::-1] / (1 + x @ x)

    h = 1e-6
    np.testing.assert_allclose(mg.jvp(f, (x,), (v,))[1], (f(x + h * v) - f(x - h * v)) / (2 * h), rtol=1e-9)


def test_a_direction_may_depend_on_what_is_differentiated():
    assert mg.grad(lambda v: mg.jvp(np.square, (3.0,), (v * v,))[1])(5.0) == 2 * 3 * 2 * 5
    assert mg.grad(lambda x: mg.jvp(np.square, (x,), (x,))[1])(5.0) == 4 * 5  # of 2 x²


def test_joining_many_arrays_takes_one_call(monkeypatch):
    places = []
    scatter = RULES[primitives.scatter]
    monkeypatch.setattr(scatter, "implementation", lambda *args, **options: places.append(args))
    tangent = mg.jvp(lambda x: np.stack([x[i] * x[i] for i in range(4)]), (np.arange(4.0),), (np.ones(4),))[1]
    assert tangent.tolist() == [0, 2, 4, 6] and not places


def test_nothing_is_pushed_through_no_grad_and_outside_tensors():
    def f(x):
        with mg.no_grad():
            factor = x * x
        return factor * x

    assert mg.jvp(f, (3.0,), (1.0,))[1] == 9
    outside = mg.Tensor(2.0)
    y, tangent = mg.jvp(lambda x: outside * outside * x, (3.0,), (1.0,))
    assert y.item() == 12 and tangent.item() == 4
    tangent.backward()
    assert outside.grad == 4


def test_a_derivative_that_is_zero_moves_nothing():
    flat = mg.rule(lambda x, w: np.floor(x) * w, lambda g, y, x, w: np.zeros(2), lambda g, y, x, w: g * np.floor(x))
    x, v = np.array([1.5, 2.5]), np.ones(2)
    assert mg.jvp(lambda x: 2 * np.cumsum(flat(x, 1.0)), (x,), (v,))[1].tolist() == [0, 0]
    assert mg.jvp(lambda x: flat(x, x), (x,), (v,))[1].tolist() == [1, 2]
    assert mg.grad(lambda v: np.sum(mg.jvp(lambda x: np.cumsum(flat(x, 1.0)), (x,), (v,))[1]))(v).tolist() == [0, 0]
    assert mg.hvp(lambda x: np.sum(np.cumsum(flat(x, 1.0))), (x,), (v,))[0].tolist() == [0, 0]


def test_a_condition_needs_no_derivative():
    unknown = mg.rule(lambda x: x > 1, lambda g, y, x: 1 / 0)
    x, v = np.array([0.5, 2.0]), np.array([1.0, 3.0])
    assert mg.jvp(lambda x: np.where(unknown(x), x * x, x), (x,), (v,))[1].tolist() == [1, 12]
    assert mg.hvp(lambda x: np.sum(np.where(unknown(x), x * x, x)), (x,), (v,))[0].tolist() == [0, 6]


def test_a_rule_that_returns_a_wrong_shape_is_named():
    wrong = mg.rule(lambda x: x * 2, lambda g, y, x: np.ones(7) * np.sum(g))
    with pytest.raises(RuntimeError, match=r"returned a cotangent of shape \(7,\) for an argument of shape \(2,\)"):
        mg.jvp(wrong, (np.ones(2),), (np.ones(2),))


def test_what_becomes_infinite_is_refused_while_debugging():
    with np.errstate(all="ignore"), mg.debug(), pytest.raises(FloatingPointError, match=r"the derivative of np\.sqrt"):
        mg.jvp(np.sqrt, (np.zeros(1),), (np.ones(1),))
