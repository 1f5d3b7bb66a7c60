"""grad and its kin: against algebra, against each other, against finite differences, and against JAX."""

from collections import namedtuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import differences, transforms
from minigrad.engine import reverse
from minigrad.trees import flatten, match


def sum_of_cubes(x):
    return np.sum(x**3)


# --- values and forms -------------------------------------------------------------------------------------------------


def test_grad_of_a_scalar_is_a_scalar_and_nests():
    f = np.sin
    for derivative in (np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin):
        f = mg.grad(f)
        assert isinstance(f(0.7), np.float64)
        assert f(0.7) == pytest.approx(derivative(0.7), rel=1e-14)


def test_value_and_grad():
    value, g = mg.value_and_grad(sum_of_cubes)(np.array([1.0, 2.0]))
    assert value == 9 and isinstance(value, np.float64)
    np.testing.assert_array_equal(g, [3, 12])


def test_argnums():
    def f(x, y, z):
        return np.sum(x * y) * z

    x, y, z = np.array([1.0, 2.0]), np.array([3.0, 4.0]), 5.0
    np.testing.assert_array_equal(mg.grad(f, 1)(x, y, z), 5 * x)
    gz, gx = mg.grad(f, (2, 0))(x, y, z)
    assert gz == 11 and gx.tolist() == (5 * y).tolist()
    np.testing.assert_array_equal(mg.grad(f, -3)(x, y, z), 5 * y)
    assert type(mg.grad(f, (0,))(x, y, z)) is tuple
    with pytest.raises(ValueError, match=r"grad: f was called with 3 arguments, but argnums has 3"):
        mg.grad(f, 3)(x, y, z)


def test_trees_keep_their_form():
    Layer = namedtuple("Layer", "W b")

    def loss(p):
        return np.sum(p["layers"][0].W * p["layers"][0].b) + p["scale"] ** 2 + np.sum(p["layers"][1].b)

    p = {"layers": [Layer(np.ones(2), np.array([2.0, 3.0])), Layer(np.ones(3), np.ones(1))], "scale": 4.0}
    g = mg.grad(loss)(p)
    assert list(g) == ["layers", "scale"] and type(g["layers"][0]) is Layer and type(g["layers"]) is list
    assert g["layers"][0].W.tolist() == [2, 3] and g["scale"] == 8
    assert g["layers"][1].W.tolist() == [0, 0, 0]  # no path: zeros
    assert mg.grad(lambda p: p[1] * 2.0)((1.0, 3.0)) == (0, 2)


def test_other_arguments_may_be_integers_strings_and_functions():
    def f(x, n, how, g):
        return np.sum(g(x) ** n) if how == "sum" else 0.0

    assert mg.grad(f)(np.array([2.0]), 3, "sum", np.negative).tolist() == [-12]
    with pytest.raises(TypeError, match=r"int64: only floating-point data can have a gradient"):
        mg.grad(f, 1)(np.array([2.0]), 3, "sum", np.negative)


def test_a_result_that_does_not_depend_on_the_argument():
    assert mg.grad(lambda x: 3.0)(2.0) == 0
    assert mg.value_and_grad(lambda x: np.sum(np.ones(3)))(np.ones(2))[1].tolist() == [0, 0]
    assert mg.jacobian(lambda x: np.ones(3))(np.ones(2)).tolist() == [[0, 0]] * 3
    assert mg.hessian(lambda x: np.sum(x))(np.ones(2)).tolist() == [[0, 0], [0, 0]]


def test_float32_stays_float32():
    x = np.float32([1, 2])
    value, g = mg.value_and_grad(sum_of_cubes)(x)
    assert value.dtype == g.dtype == np.float32
    assert mg.hessian(sum_of_cubes)(x).dtype == np.float32
    assert mg.hvp(sum_of_cubes, (x,), (x,))[0].dtype == np.float32
    assert mg.jvp(np.sin, (x,), (x,))[1].dtype == np.float32
    assert mg.vjp(np.sin, x)[1](x)[0].dtype == np.float32


def test_results_are_the_callers_own():
    x = np.ones(3)
    g = mg.grad(lambda a: np.sum(a))(x)
    gx, gy = mg.grad(lambda a, b: np.sum(a + b), (0, 1))(x, x)
    for array in (g, gx, mg.value_and_grad(np.sum)(x)[1], mg.jvp(lambda a: a, (x,), (x,))[1], mg.jacobian(np.sin)(x)):
        array[...] = 9
    t = np.ones(3)
    for array in (mg.vjp(lambda a: a, x)[1](t)[0], mg.vjp(lambda a: a, x)[0], mg.jvp(lambda a: a, (x,), (t,))[0]):
        array[...] = 9
    assert x.tolist() == gy.tolist() == t.tolist() == [1, 1, 1]


def test_a_hessian_vector_product_is_the_callers_own_and_zero_where_the_gradient_is_constant():
    x, v = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    hx, hy = mg.hvp(lambda x, y: np.sum(0.5 * x * x + 3 * y), (x, x), (v, v))
    assert hx.tolist() == [3, 4] and hy.tolist() == [0, 0]
    hx[...] = 9
    assert v.tolist() == [3, 4]
    assert mg.hvp(lambda x: np.sum(2 * x), (x,), (v,))[0].tolist() == [0, 0]
    assert mg.hvp(lambda x: np.ones(()), (x,), (v,))[0].tolist() == [0, 0]


# --- nesting ----------------------------------------------------------------------------------------------------------


def test_perturbation_confusion():
    # d/dx [x · d/dy (x + y)] = 1, and 2 where the two levels are confused
    assert mg.grad(lambda x: x * mg.grad(lambda y: x + y)(1.0))(1.0) == 1
    # d/dx [x · d/dy (x · y)] = 2x
    assert mg.grad(lambda x: x * mg.grad(lambda y: x * y)(5.0))(3.0) == 6
    # the inner variable is the outer one itself: d/dx [d/dy y³ at y = x] = 6x
    assert mg.grad(lambda x: mg.grad(lambda y: y**3)(x))(2.0) == 12
    # the inner derivative sees only its own use of x: d/dx [d/dy (x y²) at y = x] = 4x
    assert mg.grad(lambda x: mg.grad(lambda y: x * y * y)(x))(3.0) == 12


def test_a_closure_over_outer_tensors_is_recorded():
    W = mg.Tensor([1.0, 2.0], name="W")
    g = mg.grad(lambda x: np.sum(W * x * x))(np.array([3.0, 4.0]))
    assert isinstance(g, mg.Tensor)
    np.sum(g).backward()
    assert W.grad.tolist() == [6, 8]
    value, _ = mg.value_and_grad(lambda x: np.sum(W * x))(np.ones(2))
    assert isinstance(value, mg.Tensor) and mg.gradients(value, [W])[0].tolist() == [1, 1]


def test_given_tensors_the_answer_is_recorded():
    x = mg.Tensor([1.0, 2.0])
    g = mg.grad(sum_of_cubes)(x)
    np.sum(g).backward()
    assert x.grad.tolist() == [6, 12]


def test_transforms_work_inside_no_grad():
    with mg.no_grad():
        assert mg.grad(mg.grad(np.sin))(0.5) == pytest.approx(-np.sin(0.5))
        assert not (mg.Tensor(1.0) * 2).requires_grad
        assert mg.hvp(sum_of_cubes, (np.ones(2),), (np.ones(2),))[0].tolist() == [6, 6]
        assert mg.jvp(np.sin, (0.0,), (1.0,))[1] == 1


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_hessian_hvp_jvp_of_grad_and_jacobian_of_grad_agree(rng):
    x, v = rng.normal(size=5), rng.normal(size=5)
    H = mg.hessian(rosenbrock)(x)
    np.testing.assert_allclose(H, H.T, rtol=1e-12)
    np.testing.assert_allclose(mg.jacobian(mg.grad(rosenbrock))(x), H)
    np.testing.assert_allclose(mg.hvp(rosenbrock, (x,), (v,))[0], H @ v)
    np.testing.assert_allclose(mg.jvp(mg.grad(rosenbrock), (x,), (v,))[1], H @ v)
    np.testing.assert_allclose(mg.grad(lambda x: mg.grad(rosenbrock)(x) @ v)(x), H @ v)
    np.testing.assert_allclose(mg.vjp(mg.grad(rosenbrock), x)[1](v)[0], H @ v)
    (tangent,) = (mg.jvp(lambda x: mg.vjp(rosenbrock, x)[1](1.0)[0], (x,), (v,))[1],)
    np.testing.assert_allclose(tangent, H @ v)


def test_jacobian_by_columns_and_by_rows(rng):
    def f(x, y):
        return np.stack([np.sum(x * y), np.prod(x), y[0]])

    x, y = rng.normal(size=(2,)), rng.normal(size=(2,))
    Jx, Jy = mg.jacobian(f, (0, 1))(x, y)
    assert Jx.shape == Jy.shape == (3, 2)
    for i, e in enumerate(np.eye(2)):
        np.testing.assert_allclose(mg.jvp(f, (x, y), (e, 0 * e))[1], Jx[:, i])
        np.testing.assert_allclose(mg.jvp(f, (x, y), (0 * e, e))[1], Jy[:, i])
    _, pullback = mg.vjp(f, x, y)
    for i, e in enumerate(np.eye(3)):
        np.testing.assert_allclose(pullback(e), [Jx[i], Jy[i]])
    assert mg.jacobian(lambda x: x.sum())(x).shape == (2,)
    assert mg.jacobian(lambda x: x[:0])(x).shape == (0, 2)


def test_jvp_where_the_derivative_does_not_depend_on_the_argument():
    x = np.array([1.0, 2.0])
    assert mg.jvp(lambda x: 3 * x, (x,), (x,))[1].tolist() == [3, 6]
    assert mg.jvp(lambda x: np.ones(2), (x,), (x,))[1].tolist() == [0, 0]
    assert mg.jvp(lambda p: p["a"] * p["b"], ({"a": x, "b": 2.0},), ({"a": x, "b": 1.0},))[1].tolist() == [3, 6]


def test_tangents_are_paired_with_their_primals_by_key():
    primals, tangents = {"a": 2.0, "b": 3.0}, {"b": 10.0, "a": 1.0}
    assert mg.jvp(lambda p: p["a"] * p["b"], (primals,), (tangents,))[1] == 1 * 3 + 2 * 10
    (product,) = mg.hvp(lambda p: p["a"] ** 2 * p["b"], (primals,), (tangents,))
    assert product == {"a": 2 * 3 * 1 + 2 * 2 * 10, "b": 2 * 2 * 1}


def test_none_is_an_empty_subtree():
    g = mg.grad(lambda p: np.sum(p["W"] ** 2) if p["b"] is None else 0.0)({"W": np.ones(2), "b": None})
    assert g["W"].tolist() == [2, 2] and g["b"] is None
    assert mg.grad(lambda x, _: x * x, (0, 1))(3.0, None) == (6, None)


def test_third_derivative_through_three_transforms():
    assert mg.grad(lambda x: mg.hvp(lambda y: y**4, (x,), (1.0,))[0])(2.0) == 48


# --- against JAX ------------------------------------------------------------------------------------------------------

X, Y, S = np.array([0.3, -1.2, 2.0]), np.array([[0.5], [1.5]]), 0.7
PARAMS = {"W": Y * X, "b": [X[:2], (S, None)]}


def a_tree(np):
    return lambda x, y: {"z": np.tanh(x) * y, "a": [np.sum(x * x), (np.exp(y[0]), None)]}


def of_a_tree(np):
    return lambda p, scale=1.0: (p["b"][0] @ np.tanh(p["W"]) * scale, p["b"][1][0] ** 2 * p["W"][:, 0])


def a_norm(np):
    return lambda x: np.max(x) * np.linalg.norm(np.tanh(x)) + np.sum(np.where(x > 0, np.log1p(x * x), x**3))


def with_aux(np):
    return lambda x, y: (np.sum(x * y * y), {"last": x * y, "text": ["text", None]})


def with_aux_of_a_tree(np):
    return lambda x, y: ((x * y, {"s": np.sum(x)}), (np.sum(y),))


def an_option(np):
    return lambda x, power, scale=1.0: np.sum(x**power) * scale


CASES = {
    "grad of three levels": lambda m, np: m.grad(m.grad(m.grad(lambda x: np.sin(x) * x)))(S),
    "grad, keyword argument": lambda m, np: m.grad(an_option(np))(X, 2, scale=S),
    "value_and_grad, two arguments": lambda m, np: m.value_and_grad(an_option(np), (0, 2))(X, 3, S),
    "grad, has_aux": lambda m, np: m.grad(with_aux(np), has_aux=True)(X, Y)[0],
    "value_and_grad, has_aux": lambda m, np: m.value_and_grad(with_aux(np), (1, 0), has_aux=True)(X, Y)[1],
    "has_aux inside grad": lambda m, np: m.grad(
        lambda x: (
            np.sum(np.stack(m.grad(with_aux(np), has_aux=True)(x, Y)[0]) ** 2)
            + np.sum(m.grad(with_aux(np), has_aux=True)(x, Y)[1]["last"] ** 3)
        )
    )(X),
    "vjp to a tree": lambda m, np: m.vjp(a_tree(np), X, Y)[1]({"a": [S, (Y[0], None)], "z": Y * X}),
    "vjp, has_aux": lambda m, np: m.vjp(with_aux_of_a_tree(np), X, Y, has_aux=True)[1]((Y * X, {"s": S})),
    "jvp from trees to trees": lambda m, np: m.jvp(of_a_tree(np), (PARAMS, S), (PARAMS, 2 * S)),
    "jvp, has_aux": lambda m, np: m.jvp(with_aux_of_a_tree(np), (X, Y), (2 * X, Y), has_aux=True),
    "jvp of grad": lambda m, np: m.jvp(m.grad(a_norm(np)), (X,), (2 * X,)),
    "vjp of jvp": lambda m, np: m.vjp(lambda x: m.jvp(a_norm(np), (x,), (X,))[1], 2 * X)[1](S),
    "jacobian of a tree": lambda m, np: m.jacobian(a_tree(np), (1, 0))(X, Y),
    "jacobian, has_aux": lambda m, np: m.jacobian(with_aux_of_a_tree(np), has_aux=True)(X, Y),
    "jacfwd": lambda m, np: m.jacfwd(of_a_tree(np))(PARAMS, scale=S),
    "jacrev": lambda m, np: m.jacrev(of_a_tree(np))(PARAMS, scale=S),
    "jacfwd of jacrev": lambda m, np: m.jacfwd(m.jacrev(a_tree(np)), (1,))(X, Y),
    "jacrev of jacfwd": lambda m, np: m.jacrev(m.jacfwd(a_tree(np)), (1,))(X, Y),
    "hessian of a scalar": lambda m, np: m.hessian(a_norm(np))(X),
    "hessian of a vector": lambda m, np: m.hessian(lambda x: np.tanh(x) * x[0])(X),
    "hessian from trees to trees": lambda m, np: m.hessian(of_a_tree(np))(PARAMS, S),
    "hessian, two arguments": lambda m, np: m.hessian(a_tree(np), (0, 1))(X, Y),
    "hessian, has_aux": lambda m, np: m.hessian(with_aux_of_a_tree(np), (0, 1), has_aux=True)(X, Y),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_against_jax(name):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jax.jacobian = jax.jacrev
    ours, theirs = CASES[name](mg, np), jax.jit(lambda: CASES[name](jax, jax.numpy))()
    leaves, _ = flatten(ours)
    assert all(isinstance(x, np.ndarray | np.float64) for x in leaves)
    expected = [np.asarray(x) for x in match(ours, theirs, "ours", "theirs")]
    for x, e in zip(leaves, expected, strict=True):
        np.testing.assert_allclose(x, e, rtol=1e-12, atol=1e-14)


# --- auxiliary results, argnums, and what is given out ----------------------------------------------------------------


def test_an_auxiliary_result_is_given_out_as_it_is_but_for_tensors():
    (value, aux), _ = mg.value_and_grad(with_aux(np), has_aux=True)(X, Y)
    assert isinstance(value, np.float64) and type(aux["last"]) is np.ndarray and aux["text"] == ["text", None]
    np.testing.assert_array_equal(aux["last"], X * Y)
    assert mg.jacobian(with_aux(np), has_aux=True)(X, Y)[1]["text"] == ["text", None]


def test_plain_arrays_in_plain_arrays_out_nested_ones_too():
    inner = mg.grad(lambda a: mg.grad(lambda b: a * b**2)(3.0))(2.0)
    assert type(inner) is np.float64 and inner == 6
    nested = mg.hessian(lambda a: mg.jvp(lambda b: a * b**3, (np.ones(2),), (np.ones(2),))[1])(np.ones(2))
    assert type(nested) is np.ndarray and not nested.any()
    own = mg.grad(lambda a: a * mg.Tensor(2.0) * mg.gradients(mg.Tensor(1.0) * a, [a])[0])(2.0)
    assert type(own) is np.float64 and own == 2  # a Tensor that f made itself does not come from outside


def test_an_auxiliary_result_keeps_its_path_to_tensors_from_outside():
    W = mg.Tensor(2.0)
    _, aux = mg.grad(lambda x: (x * x, W * x), has_aux=True)(3.0)
    assert mg.gradients(aux, [W])[0] == 3


def test_repeated_arguments_and_numpy_integers():
    x = np.array([1.0, 2.0])
    first, second = mg.grad(sum_of_cubes, (0, 0))(x)
    assert first.tolist() == second.tolist() == [3, 12]
    first[:] = 0
    assert second.tolist() == [3, 12]
    g = mg.grad(lambda x, y: np.sum(x * y), (0, -1, 1))(x, 3 * x)
    assert [a.tolist() for a in g] == [[3, 6], [1, 2], [1, 2]]
    for argnums in (np.int64(0), -1):
        assert mg.grad(sum_of_cubes, argnums)(x).tolist() == [3, 12]
    assert mg.grad(sum_of_cubes, np.array([0]))(x)[0].tolist() == [3, 12]


def test_stop_gradient_takes_tensors_plain_arrays_and_trees():
    assert mg.grad(lambda x: x * mg.stop_gradient(x) ** 2)(3.0) == 9
    W = mg.Tensor([1.0, 2.0], name="W")
    plain = np.ones(2)
    stopped = mg.stop_gradient({"W": W * 2, "plain": [plain, None, 3]})
    assert not stopped["W"].requires_grad and stopped["W"].data.tolist() == [2, 4]
    assert stopped["plain"][0] is plain and stopped["plain"][1:] == [None, 3]


def test_a_transform_of_constants_is_recorded_while_a_program_is_traced():
    step = mg.compile(lambda n: mg.grad(lambda w: np.sum(w * n * mg.stop_gradient(n)))(np.ones(3)))
    for n in (np.arange(3), np.arange(3) + 1):
        np.testing.assert_array_equal(step(n), n * n)


def test_a_result_that_is_not_to_depend_on_the_arguments_is_a_constant():
    x = np.array([1.0, -2.0])
    for f in (
        lambda x: 3.0,
        lambda x: 1.0 * np.sum(x > 0),
        lambda x: 1.0 if x[0] > 0 else 2.0,
        lambda x: float(mg.stop_gradient(x[0])),
        lambda x: mg.stop_gradient(np.sum(x)),
    ):
        assert mg.grad(f)(x).tolist() == [0, 0]
    W = mg.Tensor(2.0)
    assert mg.grad(lambda _: W * float(W))(None) is None


def test_jacobian_chooses_the_cheaper_mode(monkeypatch):
    walks = []
    for name in ("walk", "push"):
        walk = getattr(transforms, name)
        monkeypatch.setattr(transforms, name, lambda *args, n=name, f=walk, **kw: walks.append(n) or f(*args, **kw))
    wide = mg.jacobian(lambda x: np.outer(x, np.arange(100.0)))(np.array([1.0, 2.0]))
    assert wide.shape == (2, 100, 2) and walks == ["push", "push"]
    walks.clear()
    assert mg.jacobian(lambda x: x[:2] * 2)(np.arange(100.0)).shape == (2, 100) and walks == ["walk", "walk"]


def test_a_result_may_stand_twice_in_the_tree():
    assert mg.vjp(lambda x: [y := x * 2, y, x], 3.0)[1]([1.0, 10.0, 100.0]) == (122,)
    assert mg.jvp(lambda x: [y := x * 2, y, x], (3.0,), (1.0,))[1] == [2, 2, 1]


def test_jvp_and_vjp_of_integer_results_are_zero_as_in_jax():
    y, dy = mg.jvp(lambda x: (x * 2, np.argmax(x)), (X,), (X,))
    assert y[1] == 2 and dy[1] == 0 and dy[0].tolist() == (2 * X).tolist()
    assert mg.vjp(lambda x: {"i": np.argmax(x), "y": x[0]}, X)[1]({"i": 0, "y": 1.0})[0].tolist() == [1, 0, 0]


# --- check_grads ------------------------------------------------------------------------------------------------------


def test_check_grads_finds_a_wrong_first_derivative_and_names_the_entry():
    wrong = mg.rule(lambda x: x * x * x, lambda g, y, x: g * 3 * x * x * np.array([1.0, 1.0, 1.01]))
    with pytest.raises(AssertionError, match=r"reverse mode, worst at args\[0\]\[2\] for result\[2\]: minigrad 27\.2"):
        mg.check_grads(wrong, (np.array([1.0, 2.0, 3.0]),), order=1)


def test_check_grads_finds_a_derivative_that_is_wrong_only_in_second_order():
    def cube(g, y, x):
        return g * 3 * np.square(x.detach() if isinstance(x, mg.Tensor) else x)

    wrong = mg.rule(lambda x: x * x * x, cube)
    mg.check_grads(wrong, (np.array([1.0, 2.0]),), order=1)
    for order in (2, 3):
        with pytest.raises(
            AssertionError, match=r"the derivative of the gradient of .* at args\[0\]\[\d\]: minigrad 0"
        ):
            mg.check_grads(wrong, (np.array([1.0, 2.0]),), order)


def test_check_grads_finds_a_mixed_derivative_that_is_wrong():
    def rule(held):
        return mg.rule(lambda x, z: x * z * z, lambda g, y, x, z: g * z * held(z), lambda g, y, x, z: g * 2 * x * z)

    args = np.array([1.0, 2.0]), np.array([0.5, 3.0])
    mg.check_grads(rule(lambda z: z), args, order=3)
    mg.check_grads(rule(mg.stop_gradient), args, order=1)
    with pytest.raises(AssertionError, match=r"of the gradient of .* mode, worst at args\[\d\]\[\d\]: minigrad"):
        mg.check_grads(rule(mg.stop_gradient), args)


def test_check_grads_finds_a_derivative_that_is_wrong_only_in_third_order():
    def linearised(g, y, x):
        here = mg.stop_gradient(x)
        return g * (3 * here * here + 6 * here * (x - here))

    cubed = mg.rule(lambda x: x * x * x, linearised)
    mg.check_grads(cubed, (np.array([1.0, 2.0]),))
    with pytest.raises(AssertionError, match=r"the derivative of the gradient of the gradient of"):
        mg.check_grads(cubed, (np.array([1.0, 2.0]),), order=3)


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-3])
@pytest.mark.parametrize("reduced", [np.sum, lambda y: y, lambda y: {"y": [y]}])
def test_check_grads_compares_each_entry_at_its_own_scale(scale, reduced):
    def both(x, rule):
        return reduced(np.stack([scale * x[0], rule(x[1])]))

    right = mg.rule(lambda x: 2.0 * x, lambda g, y, x: 2.0 * g)
    wrong = mg.rule(lambda x: 2.0 * x, lambda g, y, x: 7.0 * g)
    x = np.array([1.0, 3.0])
    mg.check_grads(lambda x: both(x, right), (x,))
    with pytest.raises(AssertionError, match=r"at args\[0\]\[1\] for result.*: minigrad 7\.0, central .* 2"):
        mg.check_grads(lambda x: both(x, wrong), (x,))


def test_check_grads_checks_the_forward_mode_too(monkeypatch):
    monkeypatch.setattr(
        differences, "jacfwd", lambda f, argnums: mg.jacrev(lambda *xs: [2.0 * y for y in f(*xs)], argnums)
    )
    with pytest.raises(AssertionError, match=r"is wrong in forward mode, worst at args\[0\]\[1\] for result\[1\]"):
        mg.check_grads(np.square, (np.array([0.0, 1.0]),))


def test_check_grads_finds_nan_and_small_errors_and_passes_trees():
    nan = mg.rule(lambda x: x * 1.0, lambda g, y, x: g * np.nan)
    with pytest.raises(AssertionError, match="nan"):
        mg.check_grads(nan, (1.0,), order=1)
    slightly = mg.rule(lambda x: x * 1.0, lambda g, y, x: g * 1.0001)
    with pytest.raises(AssertionError):
        mg.check_grads(slightly, (1.0,), order=1)
    mg.check_grads(lambda p: p["a"] * np.sum(p["b"][0]), ({"a": 2.0, "b": [np.ones(2)]},))


# --- bad input --------------------------------------------------------------------------------------------------------


def vector(x):
    return x * 2


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (
            lambda: mg.grad(vector)(np.ones(2)),
            ValueError,
            r"grad: vector returned unnamed multiply \(2,\).*mg\.jacobian",
        ),
        (lambda: mg.value_and_grad(vector)(np.ones(2)), ValueError, r"value_and_grad: vector returned .*no scalar"),
        (lambda: mg.hvp(vector, (np.ones(2),), (np.ones(2),)), ValueError, r"hvp: vector returned .*no scalar"),
        (lambda: mg.grad(lambda x: (x, x))(1.0), TypeError, r"grad: <lambda> returned a tuple; it must return one"),
        (lambda: mg.grad(lambda x: None)(1.0), TypeError, r"grad: <lambda> returned a NoneType"),
        (lambda: mg.grad(lambda x: 3)(1.0), TypeError, r"grad: <lambda> returned .*int64, and only floating-point"),
        (lambda: mg.grad(lambda x: np.any(x > 0))(np.ones(2)), TypeError, r"returned .* bool, and only floating-point"),
        (lambda: mg.jacobian(lambda x: {"a": np.argmax(x)})(np.ones(2)), TypeError, r"jacobian: .*int64.*has_aux=True"),
        (lambda: mg.hessian(np.argmax)(np.ones(2)), TypeError, r"hessian: np\.argmax returned .*int64"),
        (lambda: mg.grad(lambda x: x, has_aux=True)(1.0), TypeError, r"returned a Tensor; with has_aux it returns"),
        (lambda: mg.vjp(lambda x: [x, x], 1.0)[1]((1.0,)), ValueError, r"cotangent\[1\] is missing: result has"),
        (
            lambda: mg.vjp(vector, np.ones(2))[1](np.ones(3)),
            ValueError,
            r"vjp: vector: cotangent has shape \(3,\), result \(2,\)",
        ),
        (
            lambda: mg.jvp(vector, (np.ones(2),), (np.ones(3),)),
            ValueError,
            r"jvp: vector: tangents\[0\] has shape \(3,\)",
        ),
        (lambda: mg.jvp(vector, (np.ones(2),), ()), ValueError, r"jvp: vector: tangents\[0\] is missing: primals has"),
        (
            lambda: mg.hvp(sum_of_cubes, (np.ones(2),), (None,)),
            ValueError,
            r"hvp: sum_of_cubes: tangents\[0\] is None, primals",
        ),
        (lambda: mg.grad(vector)(), ValueError, r"vector was called with 0 arguments, but argnums has 0"),
        (lambda: mg.grad(sum_of_cubes)("a"), TypeError, r"the data is not real numbers"),
        (lambda: mg.grad(sum_of_cubes)(mg.constant([1])), TypeError, r"unnamed leaf \(1,\) int64: only floating-point"),
    ],
)
def test_bad_input(act, kind, message):
    with pytest.raises(kind, match=message):
        act()


def test_the_path_of_a_call_is_searched_once(monkeypatch):
    x = np.linspace(0.1, 1, 3)
    _, pullback = mg.vjp(lambda x: np.tanh(x) ** 2 + mg.Tensor(np.ones(3)), x)
    monkeypatch.setattr(reverse, "on_path", None)
    for g in np.eye(3):
        np.testing.assert_allclose(pullback(g)[0], g * 2 * np.tanh(x) * (1 - np.tanh(x) ** 2))
