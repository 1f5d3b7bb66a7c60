"""The table of all functions of NumPy and SciPy: what it says of each is what happens when that is tried on Tensors."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import catalogue, trees
from minigrad.engine.rules import RULES

RNG = np.random.default_rng(4)
M, V, U = RNG.uniform(0.2, 0.9, (2, 2)), RNG.uniform(0.2, 0.9, 4), np.array([0.15, 0.35, 0.55, 0.85])
FUNCTIONS = dict(catalogue.functions())
ROWS = mg.rules().rows


def on(*arrays, with_=(), **options):
    """Arguments of a call: those that are differentiated, then others."""

    def call(f):
        return (lambda *args: f(*args, *with_, **options)), arrays

    return call


# How functions are called that take other arguments than one to three arrays.
CALLS = {
    "np.append": on(V, U),
    "np.apply_along_axis": lambda f: (lambda a: f(np.sum, 0, a), (M,)),
    "np.apply_over_axes": lambda f: (lambda a: f(np.sum, a, [0, 1]), (M,)),
    **dict.fromkeys(("np.arccosh", "np.acosh"), on(M + 1.5)),
    **dict.fromkeys(("np.array", "np.asarray"), lambda f: (lambda a: f(a, like=a), (M,))),
    "np.array_split": on(V, with_=(2,)),
    "np.astype": on(M, with_=(float,)),
    "np.bincount": lambda f: (lambda w: f([0, 1, 1, 2], w), (V,)),
    "np.broadcast_to": on(V, with_=((2, 4),)),
    "np.choose": lambda f: (lambda a, b: f(np.array([0, 1, 1, 0]), [a, b]), (V, U)),
    "np.clip": on(V, with_=(0.3, 0.6)),
    "np.setdiff1d": on(V, U),
    "np.compress": lambda f: (lambda a: f([True, False, True, True], a), (V,)),
    "np.copysign": on(V, with_=(-U,)),
    "np.cross": on(V[:3], U[:3]),
    "np.delete": on(V, with_=(1,)),
    "np.dsplit": on(RNG.normal(size=(1, 2, 2)), with_=(2,)),
    "np.einsum": lambda f: (lambda a, b: f("ij,jk->ik", a, b), (M, M + 1)),
    "np.expand_dims": on(V, with_=(0,)),
    "np.extract": lambda f: (lambda a: f([True, False, True, True], a), (V,)),
    "np.geomspace": lambda f: (lambda a, b: f(a, b, 4), (V[0], U[1])),
    "np.heaviside": lambda f: (lambda b: f(np.array([0.0, 1.0, 0.0, -1.0]), b), (V,)),
    "np.histogram": lambda f: (lambda w: f(U, 3, weights=w)[0], (V,)),
    "np.hsplit": on(V, with_=(2,)),
    "np.insert": on(V, with_=(1, 0.5)),
    "np.interp": lambda f: (lambda x, y: f(x, U, y), (np.array([0.2, 0.4]), V)),
    "np.ldexp": on(V, with_=(2,)),
    "np.linspace": lambda f: (lambda a, b: f(a, b, 4), (V[0], U[1])),
    "np.logspace": lambda f: (lambda a, b: f(a, b, 4), (V[0], U[1])),
    "np.meshgrid": on(V, U),
    "np.modf": on(V + 1),
    "np.moveaxis": on(M, with_=(0, 1)),
    "np.nanpercentile": on(V, with_=(30,)),
    "np.nanquantile": on(V, with_=(0.3,)),
    "np.pad": on(V, with_=(1,)),
    "np.partition": on(V, with_=(2,)),
    "np.percentile": on(V, with_=(30,)),
    "np.piecewise": lambda f: (lambda a: f(a, [U < 0.5], [np.exp, np.sin]), (V,)),
    "np.poly": on(V),
    "np.polyfit": lambda f: (lambda y: f(U, y, 1), (V,)),
    "np.quantile": on(V, with_=(0.3,)),
    "np.repeat": on(V, with_=(2,)),
    "np.reshape": on(V, with_=((2, 2),)),
    "np.resize": on(V, with_=((2, 3),)),
    "np.roll": on(V, with_=(1,)),
    "np.rollaxis": on(M, with_=(1,)),
    "np.select": lambda f: (lambda a, b: f([U < 0.3, U < 0.6], [a, b]), (V, U)),
    "np.split": on(V, with_=(2,)),
    "np.swapaxes": on(M, with_=(0, 1)),
    "np.take": on(V, with_=([0, 2, 2],)),
    "np.take_along_axis": on(V, with_=(np.array([1, 0, 3]), 0)),
    "np.tile": on(V, with_=(2,)),
    "np.vander": on(V, with_=(3,)),
    "np.vsplit": on(M, with_=(2,)),
    "np.where": lambda f: (lambda a, b: f(U < 0.5, a, b), (V, U)),
    "np.linalg.cholesky": lambda f: (lambda a: f(a @ a.T + np.eye(2)), (M,)),
    "np.linalg.cross": on(V[:3], U[:3]),
    "np.linalg.eigh": lambda f: (lambda a: f(a + a.T), (M,)),
    "np.linalg.eigvalsh": lambda f: (lambda a: f(a + a.T), (M,)),
    "np.linalg.matrix_power": on(M, with_=(3,)),
    "np.linalg.tensorinv": on(np.eye(4).reshape(2, 2, 4) + RNG.uniform(0, 0.1, (2, 2, 4)), ind=2),
    "np.linalg.tensorsolve": on(np.eye(4).reshape(2, 2, 4) + RNG.uniform(0, 0.1, (2, 2, 4)), M),
    "scipy.special.ndtri_exp": on(-V),
    "np.fft.hfft": on(V),
    "np.fft.irfft": on(V),
}
# Otherwise the first of these that NumPy takes.
ARGUMENTS = [
    lambda f: (f, (M,)),
    lambda f: (f, (M, M + 0.5)),
    lambda f: (lambda *arrays: f(arrays), (M, M + 0.5)),
    lambda f: (f, (V,)),
    lambda f: (f, (V, U)),
    lambda f: (f, (V, U, U / 2)),
    lambda f: (lambda *arrays: f(arrays), (V, U)),
]


def numbers_of(results):
    """Arrays of floating dtype among results, complex ones by their parts."""
    leaves = [results] if not isinstance(results, list | tuple) else trees.flatten(list(results))[0]
    parts = [part for y in leaves for part in ((y.real, y.imag) if np.iscomplexobj(y) else (y,))]
    return [y for y in parts if getattr(y, "dtype", np.dtype(int)).kind == "f"]


def called(name, function):
    if name in CALLS:
        return CALLS[name](function)
    if name.startswith("scipy"):
        return _of_ufunc(function)
    for arguments in ARGUMENTS:
        f, arrays = arguments(function)
        try:
            if numbers_of(f(*arrays)):
                return f, arrays
        except (TypeError, ValueError, IndexError, AttributeError):
            continue
    raise AssertionError(f"say how {name} is called")


def _of_ufunc(ufunc):
    """Every argument is differentiated, or only the last, where a closed form is missing for the others."""
    arrays = [V, 1.5 * U, V / 2, U][: ufunc.nin]
    f = lambda *args: ufunc(*args)  # noqa: E731
    try:
        mg.grad(lambda *args: sum(np.sum(y) for y in numbers_of(f(*args))), range(ufunc.nin))(*arrays)
    except TypeError as error:
        assert "has no closed form" in str(error)
        return (lambda x: ufunc(*(1.0, 2.0, 3.0)[: ufunc.nin - 1], x)), arrays[:1]
    return f, arrays


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "derivative"], ids=lambda row: row.function)
@pytest.mark.filterwarnings("ignore")
def test_a_function_with_a_derivative_has_it_to_second_order(row):
    f, arrays = called(row.function, FUNCTIONS[row.function])
    with np.errstate(all="ignore"):
        expected, got = numbers_of(f(*arrays)), numbers_of(f(*map(mg.Tensor, arrays)))
        kept = [i for i, y in enumerate(got) if isinstance(y, mg.Tensor) and y.requires_grad]
        assert kept, "nothing depends on its arguments"
        for i in kept:
            np.testing.assert_allclose(got[i].data, np.asarray(expected[i]), rtol=1e-9, atol=1e-12)
        mg.check_grads(lambda *args: [numbers_of(f(*args))[i] for i in kept], arrays)


RULES_OF_NUMPY = {name: RULES.get(f) for name, f in FUNCTIONS.items() if name.startswith("np.")}


@pytest.mark.parametrize("name", [name for name, rule in RULES_OF_NUMPY.items() if rule and rule.differentiable])
@pytest.mark.filterwarnings("ignore")
def test_the_facts_of_a_row_are_those_of_its_function(name, rng):
    rule, (f, arrays) = RULES_OF_NUMPY[name], called(name, FUNCTIONS[name])
    first = arrays[0]

    def values(i, x):
        with np.errstate(all="ignore"):
            return numbers_of(f(*arrays[:i], x, *arrays[i + 1 :]))

    def is_linear(i):
        b = 3 * rng.normal(size=arrays[i].shape)
        try:
            alike = zip(values(i, 2.5 * arrays[i] - 3 * b), values(i, arrays[i]), values(i, b), strict=True)
            return all(np.allclose(z, 2.5 * x - 3 * y) for z, x, y in alike)
        except ValueError:  # of knots that are not sorted
            return False

    together = {np.add, np.subtract, np.where}  # linear in their arguments taken together
    linear = [*itertools.takewhile(is_linear, range(len(arrays)))]
    assert rule.linear == len(linear) or (rule.linear == 0 and (rule.jumps or rule.function in together))
    if isinstance(rule.function, np.ufunc) and len(arrays) == 2:
        assert rule.symmetric == all(map(np.allclose, numbers_of(f(*arrays)), numbers_of(f(*arrays[::-1]))))
    kept = [all(np.array_equal(y, c * first) for y in values(0, c * first)) for c in (1, -1, 7)]
    assert rule.identity == (all(kept) and not rule.view) or rule.jumps
    assert rule.view == np.shares_memory(values(0, first)[0], first)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # np.trapz, of old releases of NumPy
@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "missing"], ids=lambda row: row.function)
def test_what_is_missing_is_refused_where_it_would_lose_a_gradient(row):
    function = FUNCTIONS[row.function]
    count = function.nin if isinstance(function, np.ufunc) else 1
    try:
        result = function(*[mg.Tensor(V)] * count)
    except (TypeError, ValueError):
        return
    assert result.requires_grad  # of a function in Python that calls others, or one that another test has taught


def test_few_are_missing():
    numpys = [row.kind for row in ROWS if row.function.startswith("np.")]
    assert numpys.count("missing") <= 0.03 * (numpys.count("missing") + numpys.count("derivative"))


def test_it_prints_and_is_searched():
    table = mg.rules()
    assert table["np.exp"] == ("np.exp", "derivative", "")
    assert table["np.floor"].kind == table["np.zeros_like"].kind == "none by nature"
    lines = repr(table).splitlines()
    assert lines[0].split() == ["function", "kind", "reason"] and lines[-1].startswith(f"{len(table.rows)} functions: ")
    assert {row.kind for row in table.rows} <= {"derivative", "none by nature", "not array-valued", "missing"}
    assert all(row.reason for row in table.rows if row.kind != "derivative")
