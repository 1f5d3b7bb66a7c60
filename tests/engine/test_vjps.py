"""Every derivative against central differences (first and second order), and the conventions at kinks."""

import math

import numpy as np
import pytest
from measures import some_quick

import minigrad as mg
from minigrad.engine.rules import RULES

# --- domains: where a function is smooth, away from kinks and poles ---------------------------------------------------


def real(rng, shape):
    return rng.normal(size=shape)


def positive(rng, shape):
    return rng.uniform(0.5, 2.0, shape)


def nonzero(rng, shape):
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 2.0, shape)


def unit(rng, shape):
    return rng.uniform(-0.8, 0.8, shape)


def above_one(rng, shape):
    return rng.uniform(1.5, 3.0, shape)


def fraction(rng, shape):  # between two integers
    return rng.integers(-3, 3, shape) + rng.uniform(0.2, 0.8, shape)


UNARY = {
    **dict.fromkeys([np.negative, np.positive, np.conjugate, np.square, np.exp, np.exp2, np.expm1, np.sin], real),
    **dict.fromkeys([np.cos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.degrees, np.radians], real),
    **dict.fromkeys([np.rad2deg, np.deg2rad], real),
    **dict.fromkeys([np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt], positive),
    **dict.fromkeys([np.reciprocal, np.absolute, np.fabs], nonzero),
    **dict.fromkeys([np.arcsin, np.arccos, np.arctanh, np.tan], unit),
    np.arccosh: above_one,
}
BINARY = {
    **dict.fromkeys(
        [np.add, np.subtract, np.multiply, np.logaddexp, np.logaddexp2, np.maximum, np.minimum], (real, real)
    ),
    **dict.fromkeys([np.fmax, np.fmin], (real, real)),
    **dict.fromkeys([np.arctan2, np.hypot], (nonzero, nonzero)),
    **dict.fromkeys([np.power, np.float_power], (positive, real)),
    np.divide: (real, nonzero),
    np.remainder: (lambda rng, shape: 7 * fraction(rng, shape), lambda rng, shape: np.full(shape, 7.0)),
    np.fmod: (lambda rng, shape: 7 * fraction(rng, shape), lambda rng, shape: np.full(shape, 7.0)),
    np.copysign: (nonzero, nonzero),
}
SHAPES = [(), (3,), (2, 3), (0,), (2, 0)]
PAIRS = [((), ()), ((2, 3), (3,)), ((), (2, 3)), ((2, 1), (1, 3)), ((3,), (3,)), ((0, 3), (3,)), ((2, 1), (2, 0))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_unary_ufunc(function, shape, rng):
    mg.check_grads(function, (UNARY[function](rng, shape),))


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_binary_ufunc(function, shapes, rng):
    args = tuple(domain(rng, shape) for domain, shape in zip(BINARY[function], shapes, strict=True))
    mg.check_grads(function, args)


def test_every_differentiable_ufunc_has_a_rule():
    differentiable = {f for f, rule in RULES.items() if rule.differentiable}
    other = {np.isnat}  # of dates
    ufuncs = {f for f in vars(np).values() if isinstance(f, np.ufunc)}
    assert ufuncs - set(RULES) - other == set()
    checked = {*UNARY, *BINARY, np.heaviside, np.ldexp, np.matmul}
    assert ufuncs & differentiable == checked


# --- functions of arrays: function, shapes of the arguments -----------------------------------------------------------

ROWS, COLUMN = np.array([2, 0, 2]), np.array([[1], [0]])  # with an entry taken twice
MASK = np.array([[True, False, True], [False, False, True]])

REDUCTIONS = [
    (f"{name} {shape} {options}", lambda x, name=name, options=options: getattr(np, name)(x, **options), [shape])
    for name in ("sum", "mean", "prod", "max", "min", "var", "std")
    for shape, options in [
        ((), {}),
        ((4,), {}),
        ((4,), {"axis": 0, "keepdims": True}),
        ((2, 3), {}),
        ((2, 3), {"axis": 0}),
        ((2, 3), {"axis": -1, "keepdims": True}),
        ((2, 3, 2), {"axis": (0, 2)}),
        ((2, 3, 2), {"axis": (-1, 0), "keepdims": True}),
        ((2, 3), {"keepdims": True}),
        ((2, 3), {"axis": ()}),
        ((2, 0), {"axis": 0}),
        ((0, 2), {"axis": -1}),
    ]
    if not (name == "std" and (shape == () or options.get("axis") == ()))  # of one number: at its kink
]
CASES = [
    *REDUCTIONS,
    ("sum of nothing", np.sum, [(0,)]),
    ("prod of nothing", np.prod, [(0,)]),
    ("prod of nothing, axis", lambda x: np.prod(x, axis=1), [(3, 0)]),
    ("prod of five", np.prod, [(5,)]),
    ("var, ddof", lambda x: np.var(x, axis=1, ddof=1), [(2, 3)]),
    ("std, ddof", lambda x: np.std(x, ddof=1), [(2, 3)]),
    ("norm", np.linalg.norm, [(4,)]),
    ("norm of a matrix", np.linalg.norm, [(2, 3)]),
    ("norm, axis", lambda x: np.linalg.norm(x, axis=1, keepdims=True), [(2, 3)]),
    ("norm, two axes", lambda x: np.linalg.norm(x, axis=(0, 2)), [(2, 3, 2)]),
    ("cumsum", np.cumsum, [(2, 3)]),
    ("cumsum, axis", lambda x: np.cumsum(x, axis=1), [(2, 3)]),
    ("cumsum, axis -2", lambda x: np.cumsum(x, -2), [(2, 3)]),
    ("cumsum of a scalar", np.cumsum, [()]),
    ("reshape", lambda x: np.reshape(x, (3, 2)), [(2, 3)]),
    ("reshape, -1", lambda x: np.reshape(x, -1), [(2, 3)]),
    ("reshape to 0-d", lambda x: np.reshape(x, ()), [(1, 1)]),
    ("reshape method", lambda x: x.reshape(3, -1), [(2, 3)]),
    ("ravel", np.ravel, [(2, 3)]),
    ("flatten", lambda x: x.flatten(), [(2, 3)]),
    ("transpose", np.transpose, [(2, 3, 4)]),
    ("transpose, axes", lambda x: np.transpose(x, (2, 0, 1)), [(2, 3, 4)]),
    ("transpose method", lambda x: x.transpose(1, -1, 0), [(2, 3, 4)]),
    ("T", lambda x: x.T, [(2, 3)]),
    ("permute_dims", lambda x: np.permute_dims(x, (1, 0)), [(2, 3)]),
    ("swapaxes", lambda x: np.swapaxes(x, 0, -1), [(2, 3, 4)]),
    ("swapaxes method", lambda x: x.swapaxes(0, 1), [(2, 3, 4)]),
    ("moveaxis", lambda x: np.moveaxis(x, 0, -1), [(2, 3, 4)]),
    ("moveaxis, two", lambda x: np.moveaxis(x, (0, 1), (-1, 0)), [(2, 3, 4)]),
    ("squeeze", np.squeeze, [(1, 3, 1)]),
    ("squeeze, axis", lambda x: np.squeeze(x, axis=0), [(1, 3, 1)]),
    ("expand_dims", lambda x: np.expand_dims(x, 1), [(2, 3)]),
    ("expand_dims, two", lambda x: np.expand_dims(x, axis=(0, -1)), [(2, 3)]),
    ("broadcast_to", lambda x: np.broadcast_to(x, (4, 2, 3)), [(2, 1)]),
    ("broadcast_to from 0-d", lambda x: np.broadcast_to(x, (2, 3)), [()]),
    ("concatenate", lambda x, y: np.concatenate([x, y]), [(2, 3), (1, 3)]),
    ("concatenate, axis", lambda x, y, z: np.concatenate((x, y, z), axis=-1), [(2, 3), (2, 0), (2, 2)]),
    ("concatenate, flat", lambda x, y: np.concatenate([x, y], axis=None), [(2, 3), (2,)]),
    ("concatenate with itself", lambda x: np.concatenate([x, x]), [(2,)]),
    ("concatenate with an array", lambda x: np.concatenate([np.ones(2), x]), [(2,)]),
    ("stack", lambda x, y: np.stack([x, y]), [(2, 3), (2, 3)]),
    ("stack, axis", lambda x, y: np.stack((x, y), axis=-1), [(2, 3), (2, 3)]),
    ("stack of scalars", lambda x, y: np.stack([x, 2.0, y]), [(), ()]),
    ("vstack", lambda x, y: np.vstack([x, y]), [(3,), (2, 3)]),
    ("hstack", lambda x, y: np.hstack([x, y]), [(2, 3), (2, 1)]),
    ("hstack of vectors", lambda x, y: np.hstack([x, y]), [(3,), (2,)]),
    ("split", lambda x: np.split(x, 2)[1], [(4, 2)]),
    ("split at", lambda x: np.split(x, [1, 3], axis=1)[1] * np.split(x, [1, 3], axis=1)[1], [(2, 5)]),
    ("array_split", lambda x: np.array_split(x, 3)[0], [(5,)]),
    ("where", lambda x, y: np.where(MASK, x, y), [(2, 3), (3,)]),
    ("where, a scalar", lambda x: np.where(MASK, x, 0.0), [(2, 3)]),
    ("clip", lambda x: np.clip(x, -0.3, 0.3), [(2, 3)]),
    ("clip, one side", lambda x: np.clip(x, None, 0.3), [(2, 3)]),
    ("clip, keywords", lambda x: np.clip(x, a_min=-0.2, a_max=None), [(2, 3)]),
    ("clip method", lambda x: x.clip(-0.3, 0.3), [(2, 3)]),
    ("clip between Tensors", lambda x, low, high: np.clip(x, low - 1, high + 1), [(2, 3), (3,), ()]),
    ("flip", np.flip, [(2, 3)]),
    ("flip, axis", lambda x: np.flip(x, axis=1), [(2, 3)]),
    ("copy", np.copy, [(2, 3)]),
    ("x[1]", lambda x: x[1], [(2, 3)]),
    ("x[-1, 2]", lambda x: x[-1, 2], [(2, 3)]),
    ("x[:, ::-2]", lambda x: x[:, ::-2], [(2, 3)]),
    ("x[..., None]", lambda x: x[..., None], [(2, 3)]),
    ("x[...]", lambda x: x[...], [()]),
    ("x[()]", lambda x: x[()], [()]),
    ("x[5:]", lambda x: x[5:], [(3,)]),
    ("x[integers]", lambda x: x[ROWS], [(3, 2)]),
    ("x[list]", lambda x: x[[1, 1, 0]], [(3, 2)]),
    ("x[:, integers]", lambda x: x[:, ROWS], [(2, 3)]),
    ("x[integers, integers]", lambda x: x[COLUMN, ROWS], [(2, 3)]),
    ("x[integer, :, integers]", lambda x: x[1, :, ROWS], [(2, 2, 3)]),
    ("x[mask]", lambda x: x[MASK], [(2, 3)]),
    ("x[:, mask]", lambda x: x[:, MASK], [(2, 2, 3)]),
    ("x[nothing]", lambda x: x[np.array([], int)], [(3,)]),
    *[
        (f"matmul {a} {b}", np.matmul, [a, b])
        for a, b in [
            ((3,), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3,)),
            ((2, 3), (3, 4)),
            ((2, 0), (0, 3)),
            ((2, 2, 3), (3, 2)),
            ((2, 3), (4, 3, 2)),
            ((4, 1, 2, 3), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((3,), (2, 3, 2)),
        ]
    ],
    *[
        (f"dot {a} {b}", np.dot, [a, b])
        for a, b in [((), (2,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (3,))]
    ],
    ("dot, 4-d and 3-d", np.dot, [(2, 1, 2, 3), (2, 3, 2)]),
    ("dot method", lambda x: x.dot(np.arange(3.0)), [(2, 3)]),
    *[
        (f"inner {a} {b}", np.inner, [a, b])
        for a, b in [((), (2,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (2, 3))]
    ],
    ("outer", np.outer, [(3,), (2,)]),
    ("outer of matrices", np.outer, [(2, 2), (3,)]),
    ("outer of scalars", np.outer, [(), (2,)]),
    ("tensordot", np.tensordot, [(2, 3, 2), (3, 2, 2)]),
    ("tensordot, 1", lambda x, y: np.tensordot(x, y, 1), [(2, 3), (3, 2, 2)]),
    ("tensordot, 0", lambda x, y: np.tensordot(x, y, axes=0), [(2,), (3,)]),
    ("tensordot, one axis", lambda x, y: np.tensordot(x, y, axes=(-1, 0)), [(2, 3), (3, 2)]),
    ("tensordot, axes", lambda x, y: np.tensordot(x, y, axes=([2, 0], [0, -1])), [(2, 3, 4), (4, 3, 2)]),
    ("tensordot, axes crossed", lambda x, y: np.tensordot(x, y, axes=([0, 1], [1, 0])), [(2, 3), (3, 2, 2)]),
    ("vecdot", np.vecdot, [(2, 3), (3,)]),
    *[
        (f"einsum {subscripts}", lambda *x, s=subscripts: np.einsum(s, *x), shapes)
        for subscripts, shapes in [
            ("ij,jk->ik", [(2, 3), (3, 2)]),
            ("ij,jk", [(2, 3), (3, 2)]),
            ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 2)]),
            ("i,i->", [(3,), (3,)]),
            ("i,j->ji", [(3,), (2,)]),
            ("ii->i", [(3, 3)]),
            ("ii", [(3, 3)]),
            ("iij->j", [(2, 2, 3)]),
            ("iia->a", [(2, 2, 3)]),
            ("ij->j", [(1, 3)]),
            ("ij->", [(2, 3)]),
            ("ij->j", [(2, 3)]),
            ("ba", [(2, 3)]),
            ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
            ("...ij,...jk->...ik", [(2, 2, 3), (2, 3, 2)]),
            ("...ij,jk", [(2, 2, 3), (3, 2)]),
            ("...i->...", [(2, 3)]),
            ("i...,i...->...", [(2, 3), (2, 3)]),
            ("...i,...i", [(2, 1, 3), (2, 3)]),
            ("i , i -> i", [(3,), (3,)]),
            (",i->i", [(), (3,)]),
            ("iii->i", [(2, 2, 2)]),
        ]
    ],
    ("einsum of one twice", lambda x: np.einsum("i,i->", x, x), [(3,)]),
    ("einsum, optimize", lambda x, y: np.einsum("ij,jk->ik", x, y, optimize=True), [(2, 3), (3, 2)]),
    ("array on the left", lambda x: np.ones((2, 3)) @ x + np.arange(2.0) * x.sum(), [(3,)]),
    ("number on the left", lambda x: 1 / (2 + x * x) - 3 ** (x / 2), [(3,)]),
    ("list on the left", lambda x: [1.0, 2.0, 3.0] * x, [(3,)]),
    ("x ** 3", lambda x: x**3, [(3,)]),
    ("x ** 0", lambda x: x**0, [(3,)]),
    ("x ** 2.0", lambda x: x**2.0, [(3,)]),
    ("2 ** x", lambda x: 2**x, [(3,)]),
    ("abs", lambda x: abs(x) * -x, [(3,)]),
    ("% 2", lambda x: x % 0.7, [(3,)]),
    ("divmod", lambda x: np.divmod(x, 0.7)[1], [(3,)]),
    ("modf", lambda x: np.modf(x)[0], [(3,)]),
    ("add.reduce", lambda x: np.add.reduce(x), [(2, 3)]),
    ("multiply.reduce", lambda x: np.multiply.reduce(x, axis=-1, keepdims=True), [(2, 3)]),
    ("maximum.reduce", lambda x: np.maximum.reduce(x, 1), [(2, 3)]),
    ("minimum.reduce", lambda x: np.minimum.reduce(x, axis=None), [(2, 3)]),
    ("three methods", lambda x: x.sum(0).mean() * x.prod(axis=1).max() - x.var() + x.std(1).min(), [(2, 3)]),
    ("linear in x", lambda x: x, [(2, 3)]),
    ("a shared subexpression", lambda x: (x * x) * np.exp(x * x) + x, [(3,)]),
    ("heaviside", lambda x: np.heaviside(x, 0.5) * x, [(3,)]),
    ("ldexp", lambda x: np.ldexp(x, 3) * x, [(3,)]),
]


@pytest.mark.parametrize(("f", "shapes"), some_quick(case[1:] for case in CASES), ids=[case[0] for case in CASES])
def test_function(f, shapes, rng):
    mg.check_grads(f, tuple(real(rng, shape) for shape in shapes))


EVERYTHING = [
    *[(f.__name__, f, [(domain, (2, 3))]) for f, domain in UNARY.items()],
    *[(f.__name__, f, list(zip(domains, [(2, 3), (3,)], strict=True))) for f, domains in BINARY.items()],
    *[(f"{f.__name__} of scalars", f, [(domain, ()) for domain in domains]) for f, domains in BINARY.items()],
    *[(name, f, [(real, shape) for shape in shapes]) for name, f, shapes in CASES],
]


@pytest.mark.parametrize("dtype", some_quick([np.float32, np.float16]), ids=["float32", "float16"])
@pytest.mark.parametrize(("f", "domains"), [case[1:] for case in EVERYTHING], ids=[case[0] for case in EVERYTHING])
def test_value_and_dtypes_are_numpys(f, domains, dtype, rng):
    args = [domain(rng, shape).astype(dtype) for domain, shape in domains]
    with np.errstate(all="ignore"):
        expected = f(*args)
        leaves = [mg.Tensor(x) for x in args]
        y = f(*leaves)
        assert (y.dtype, y.shape) == (expected.dtype, np.shape(expected))
        np.testing.assert_allclose(y.data, expected, rtol=4 * float(np.finfo(dtype).eps))
        first = [g for g in mg.gradients(np.sum(y), leaves, create_graph=True) if g is not None]
        assert {g.dtype for g in first} == {np.dtype(dtype)}
        J = sum(np.sum(g * g) for g in first)
        second = mg.gradients(J, leaves) if J.requires_grad else []
        assert {g.dtype for g in second if g is not None} <= {np.dtype(dtype)}


# --- kinks ------------------------------------------------------------------------------------------------------------


def gradient(f, *args):
    return mg.grad(lambda *args: np.sum(f(*args)), tuple(range(len(args))))(*map(np.array, args))


NAN_FREE_KINKS = [
    ("abs", np.abs, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
    ("fabs", np.fabs, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
    ("maximum at a tie", np.maximum, [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]], [[0.5, 0, 1], [0.5, 1, 0]]),
    ("minimum at a tie", np.minimum, [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]], [[0.5, 1, 0], [0.5, 0, 1]]),
    ("fmax, nan", np.fmax, [[1.0, math.nan, 3.0], [math.nan, 3.0, 3.0]], [[1, 0, 0.5], [0, 1, 0.5]]),
    ("fmin, nan", np.fmin, [[1.0, math.nan, 3.0], [math.nan, 3.0, 3.0]], [[1, 0, 0.5], [0, 1, 0.5]]),
    ("relu", lambda x: np.maximum(x, 0), [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
    ("relu, 0 on the left", lambda x: np.maximum(0, x), [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
    ("against a constant", lambda x: np.minimum(x, mg.constant([1.0, 1.0])), [[1.0, 0.0]], [[0, 1]]),
    ("a constant against x", lambda x: np.maximum(mg.constant([1.0, 1.0]), x), [[1.0, 2.0]], [[0, 1]]),
    ("maximum of x and x", lambda x: np.maximum(x, x), [[1.0, 2.0]], [[1, 1]]),
    ("clip at its bounds", lambda x: np.clip(x, 0.0, 1.0), [[-1.0, 0.0, 0.5, 1.0, 2.0]], [[0, 0, 1, 0, 0]]),
    ("max, tied", np.max, [[[3.0, 1.0], [3.0, 3.0]]], [[[1 / 3, 0], [1 / 3, 1 / 3]]]),
    ("min, tied, axis", lambda x: np.min(x, axis=0), [[[1.0, 1.0], [1.0, 3.0]]], [[[0.5, 1], [0.5, 0]]]),
    ("prod, one zero", np.prod, [[2.0, 0.0, 3.0]], [[0, 6, 0]]),
    ("prod, two zeros", np.prod, [[2.0, 0.0, 0.0]], [[0, 0, 0]]),
    ("prod of huge numbers and 0", np.prod, [[0.0, 1e-200, 1e200, 1e200]], [[1e200, 0, 0, 0]]),
    ("fmax of nan and nan", np.fmax, [[math.nan], [math.nan]], [[0.5], [0.5]]),
    ("fmin of nan and nan", np.fmin, [[math.nan], [math.nan]], [[0.5], [0.5]]),
    ("logaddexp of nothing", np.logaddexp, [[-math.inf, -math.inf], [-math.inf, 1.0]], [[0, 0], [0, 1]]),
    ("logaddexp2 of nothing", np.logaddexp2, [[-math.inf, -math.inf], [-math.inf, 1.0]], [[0, 0], [0, 1]]),
    ("norm at 0", np.linalg.norm, [[0.0, 0.0]], [[0, 0]]),
    ("hypot at 0", np.hypot, [0.0, 0.0], [0, 0]),
    ("std at 0", np.std, [[2.0, 2.0]], [[0, 0]]),
    ("std of one number", np.std, [2.0], [0]),
    ("power at 0", lambda x: x**2.0, [[0.0, -3.0]], [[0, -6]]),
    ("power n at 0", lambda x, n: x**n, [[0.0], [0.0]], [[0], [0]]),
    ("power 0 at 0", lambda x: x**0.0, [[0.0]], [[0]]),
    ("power 1 at 0", lambda x, n: x**n, [[0.0], [1.0]], [[1], [0]]),
    ("square at 0", np.square, [[0.0]], [[0]]),
    ("where guards nothing but its own", lambda x: np.where(x > 0, x, 0.0), [[-1.0, 2.0]], [[0, 1]]),
    ("remainder of negatives", lambda x, y: x % y, [[-7.0, 7.0], [3.0, -3.0]], [[1, 1], [3, 3]]),
    ("fmod of negatives", np.fmod, [[-7.0, 7.0], [3.0, -3.0]], [[1, 1], [2, 2]]),
    ("heaviside at 0", np.heaviside, [[-1.0, 0.0], [0.5, 0.5]], [[0, 0], [0, 1]]),
    ("copysign", np.copysign, [[-2.0, 2.0, 0.0], [1.0, -1.0, 1.0]], [[-1, -1, 0], [0, 0, 0]]),
]


@pytest.mark.parametrize("f", [np.max, np.min], ids=["max", "min"])
def test_an_extremum_of_nan_passes_nan_on(f):
    with np.errstate(all="ignore"):
        assert np.array_equal(
            np.isnan(gradient(lambda x: f(x, axis=1), [[1.0, math.nan], [2.0, 3.0]])[0])[:, 0], [1, 0]
        )


@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize("f", [np.var, np.std])
def test_a_spread_with_no_degree_of_freedom_has_no_gradient(f):
    assert np.all(np.isnan(gradient(lambda x: f(x, ddof=2), [1.0, 2.0])))


def test_the_second_derivative_of_prod_is_exact_at_zeros():
    hessian = mg.hessian(np.prod)(np.array([0.0, 0.0, 2.0, 1e200]))
    assert np.array_equal(hessian, [[0, 2e200, 0, 0], [2e200, 0, 0, 0], [0] * 4, [0] * 4])


@pytest.mark.parametrize(("f", "args", "expected"), [k[1:] for k in NAN_FREE_KINKS], ids=[k[0] for k in NAN_FREE_KINKS])
def test_kink(f, args, expected):
    for got, right in zip(gradient(f, *args), expected, strict=True):
        np.testing.assert_allclose(got, right, atol=1e-15)


def test_second_derivative_of_prod_with_zeros():
    hessian = mg.hessian(np.prod)(np.array([2.0, 0.0, 0.0]))
    np.testing.assert_array_equal(hessian, [[0, 0, 0], [0, 0, 2], [0, 2, 0]])


def test_prod_of_many_numbers_neither_overflows_nor_divides():
    x = np.full(2001, 0.9)
    x[7] = 0.0
    expected = np.zeros(2001)
    expected[7] = 0.9**2000
    np.testing.assert_allclose(mg.grad(np.prod)(x), expected)


@pytest.mark.parametrize("reduce", [np.sum, np.prod, np.max, np.min])
@pytest.mark.parametrize("axis", [0, -1])
def test_reductions_of_a_number_along_an_axis(reduce, axis):
    x = mg.Tensor(2.0)
    assert reduce(x, axis=axis).data == 2
    assert mg.gradients(reduce(x, axis=axis), [x]) == [1]


# --- against PyTorch --------------------------------------------------------------------------------------------------

A, B = [[1.0, -2.0, 0.0], [0.5, 0.5, 3.0]], [[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]]
PEERS = {
    "maximum": (np.maximum, "maximum", [A, B]),
    "minimum": (np.minimum, "minimum", [A, B]),
    "relu": (lambda x: np.maximum(x, 0), "relu", [A]),
    "abs": (np.abs, "abs", [A]),
    "amax": (np.max, "amax", [A]),
    "amin": (np.min, "amin", [[[1.0, 1.0, 2.0]]]),
    "prod": (np.prod, "prod", [A]),
    "prod, two zeros": (np.prod, "prod", [[0.0, 0.0, 2.0]]),
    "norm": (np.linalg.norm, "norm", [A]),
    "norm at 0": (np.linalg.norm, "norm", [[0.0, 0.0]]),
    "logaddexp": (np.logaddexp, "logaddexp", [A, B]),
    "arctan2": (np.arctan2, "atan2", [A, B]),
    "hypot": (np.hypot, "hypot", [A, [1.0, 2.0, 3.0]]),
    "var": (lambda x: np.var(x, ddof=1), "var", [A]),
    "std": (lambda x: np.std(x, ddof=1), "std", [A]),
    "cumsum": (lambda x: np.cumsum(x, axis=0) * x, lambda x: x.cumsum(0) * x, [A]),
    "matmul": (lambda x, y: x @ y.T, lambda x, y: x @ y.T, [A, B]),
    "repeated index": (lambda x: x[[0, 0, 1]] ** 3, lambda x: x[[0, 0, 1]] ** 3, [A]),
    "power": (np.power, "pow", [[[1.0, 2.0, 0.5]], B]),
    "remainder": (np.remainder, "remainder", [A, [0.7, -0.3, 0.9]]),
    "einsum": (
        lambda x, y: np.einsum("ij,kj->ik", x, y),
        lambda x, y: __import__("torch").einsum("ij,kj->ik", x, y),
        [A, B],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_against_pytorch(name):
    torch = pytest.importorskip("torch")
    f, theirs, args = PEERS[name]
    theirs = getattr(torch, theirs) if isinstance(theirs, str) else theirs
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in args]
    theirs(*tensors).sum().backward()
    for ours, tensor in zip(gradient(f, *args), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-12, atol=1e-14)
