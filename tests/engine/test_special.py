"""SciPy's ufuncs: recorded when SciPy is there, with derivatives to second order."""

import subprocess
import sys

import numpy as np
import pytest
from rows import assert_row

import minigrad as mg

special = pytest.importorskip("scipy.special")

REAL = np.array([[-1.3, 0.4, 0.9], [-0.2, 1.7, 2.1]])
POSITIVE = np.array([[0.3, 0.8, 1.6], [2.2, 1.3, 0.6]])
UNIT = np.array([[0.2, 0.45, 0.9], [0.6, 0.35, 0.7]])

UNARY = {
    **dict.fromkeys(
        (
            *("expit", "log_expit", "erf", "erfc", "erfi", "erfcx", "dawsn", "ndtr", "log_ndtr", "exprel", "cosm1"),
            *("exp2", "exp10", "expm1", "sindg", "cosdg", "tandg", "i0", "i1", "i0e", "i1e", "j0", "j1", "sici"),
            *("shichi", "fresnel", "airy"),
        ),
        REAL,
    ),
    **dict.fromkeys(
        (
            *("gamma", "rgamma", "gammaln", "loggamma", "psi", "digamma", "entr", "log1p", "cbrt", "exp1", "expi"),
            *("y0", "y1", "k0", "k1", "k0e", "k1e", "cotdg", "spence"),
        ),
        POSITIVE,
    ),
    **dict.fromkeys(("logit", "erfinv", "erfcinv", "ndtri", "ellipk", "ellipe", "ellipkm1"), UNIT),
    "ndtri_exp": -POSITIVE,
}
TWO = {
    **dict.fromkeys(("xlogy", "rel_entr", "kl_div", "beta", "betaln", "poch", "boxcox", "powm1"), (POSITIVE, UNIT)),
    **dict.fromkeys(("huber", "pseudo_huber"), (POSITIVE, REAL)),
    **dict.fromkeys(("xlog1py", "owens_t"), (REAL, POSITIVE)),
    **dict.fromkeys(("boxcox1p", "inv_boxcox", "inv_boxcox1p"), (UNIT, UNIT)),
    "binom": (3 + POSITIVE, UNIT),
}
OF_LAST = {
    **{f"{f} of order {v}": (f, (v,), POSITIVE) for f in ("jv", "yv", "iv", "ive", "kv", "kve") for v in (0.0, 1.5)},
    **{f"{f} of order {n}": (f, (n,), POSITIVE) for f in ("jn", "yn", "kn", "expn") for n in (0, 1, 2)},
    **{f: (f, (1.4,), POSITIVE) for f in ("gammainc", "gammaincc", "hyp0f1")},
    **{f: (f, (1.4,), UNIT) for f in ("gammaincinv", "gammainccinv")},
    **{f: (f, (1.4, 2.3), UNIT) for f in ("betainc", "betaincc", "betaincinv", "betainccinv", "hyp1f1", "hyperu")},
    **{f: (f, (3.4,), POSITIVE) for f in ("stdtr", "chdtr", "chdtrc", "jve", "yve")},
    **{f: (f, (2.0,), POSITIVE) for f in ("pdtr", "pdtrc")},
    **{f: (f, (1.4, 2.3), POSITIVE) for f in ("fdtr", "fdtrc", "gdtr", "gdtrc")},
    "hyp2f1": ("hyp2f1", (0.5, 1.5, 2.0), UNIT),
    "zeta": ("zeta", (2.5,), POSITIVE),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_of_one_argument(name):
    f = getattr(special, name)
    assert_row(f, [UNARY[name]], rtol=1e-7)


def test_of_numbers():
    assert_row(lambda x: special.gammaln(np.sum(x)) * special.expit(x[0]), [POSITIVE[0]], rtol=1e-7)


def test_lamberts_function_is_real():
    mg.check_grads(lambda x: np.real(special.lambertw(x)), (POSITIVE,))
    np.testing.assert_allclose(special.lambertw(mg.Tensor(POSITIVE)).data, special.lambertw(POSITIVE).real)
    assert np.isnan(special.lambertw(mg.Tensor(-1.0)).data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWO)
def test_of_two_arguments(name):
    assert_row(getattr(special, name), TWO[name], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_LAST)
def test_of_the_last_argument(name):
    function, first, x = OF_LAST[name]
    f = getattr(special, function)
    assert_row(lambda x: f(*first, x), [x], rtol=1e-7)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_functions_that_are_no_ufuncs_say_what_takes_tensors(name):
    message = rf"scipy\.special\.{name} of .* \(3,\) float64 .*mg\.nn\.{name} takes Tensors"
    with pytest.raises(TypeError, match=message):
        mg.grad(lambda x: np.sum(getattr(special, name)(x)))(np.ones(3))


def test_a_list_of_tensors_names_the_function_that_cannot_take_it():
    with pytest.raises(TypeError, match=r"np\.linalg\.norm: .*np\.stack"):
        np.linalg.norm([mg.Tensor(1.0), mg.Tensor(2.0)])


def test_where_a_closed_form_is_missing_it_is_said():
    with pytest.raises(TypeError, match=r"scipy\.special\.gammainc by its argument a .*t\.data"):
        mg.grad(special.gammainc)(1.5, 0.5)


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (lambda x: special.xlogy(0.0, x), 0.0, 0.0),
        (special.i1, 0.0, 0.5),
        (special.rgamma, 0.0, 1.0),
        (special.rgamma, -3.0, -6.0),
        (mg.grad(special.rgamma), 0.0, 2 * np.euler_gamma),
        (special.ellipk, 0.0, np.pi / 8),
        (lambda p: special.boxcox(2.0, p), 0.0, np.log(2) ** 2 / 2),
        (special.exprel, 0.0, 0.5),
        (special.exprel, 3.0, (2 * np.exp(3) + 1) / 9),
        (special.exprel, -3.0, (1 - 4 * np.exp(-3)) / 9),
        (special.exprel, np.inf, np.inf),  # where the series of SciPy never ends
        (special.exprel, -1e17, 1e-34),
        (mg.grad(special.exprel), -1e3, 2e-9),
        (special.lambertw, 0.0, 1.0),
        (special.spence, 1.0, -1.0),
        (special.log_ndtr, -1e4, 1e4),
        (lambda x: special.shichi(x)[0], 0.0, 1.0),
    ],
)
def test_values_at_the_edges_of_formulas(f, x, slope):
    with np.errstate(invalid="ignore"):  # inf - inf where another formula holds
        assert mg.grad(f)(x) == pytest.approx(slope)


INF = np.inf


@pytest.mark.parametrize(
    ("f", "x", "derivatives"),
    [
        (lambda x: special.gammainc(1.0, x), 0.0, (1, -1, 1)),  # 1 - exp(-x)
        (lambda x: special.gammainc(2.0, x), 0.0, (0, 1, -2)),  # whose derivative is x exp(-x)
        (lambda x: special.gammaincc(3.0, x), 0.0, (0, 0, -1)),  # -x² exp(-x) / 2
        (lambda x: special.gammainc(0.5, x), 0.0, (INF, -INF)),
        (lambda x: special.gammainc(1e5, x), 1e5, (1 / np.sqrt(2e5 * np.pi),)),  # Stirling
        (lambda x: special.pdtr(0.0, x), 0.0, (-1, 1, -1)),  # exp(-x)
        (lambda x: special.pdtrc(1.0, x), 0.0, (0, 1, -2)),
        (lambda x: special.chdtr(4.0, x), 0.0, (0, 1 / 4, -1 / 4)),  # x exp(-x/2) / 4
        (lambda x: special.gdtr(2.0, 2.0, x), 0.0, (0, 4, -16)),  # 4x exp(-2x)
        (lambda x: special.gammaincinv(1.0, x), 0.0, (1, 1, 2)),  # -log(1 - x)
        (lambda x: special.betainc(1.0, 1.0, x), 0.0, (1, 0, 0)),  # x
        (lambda x: special.betainc(1.0, 2.0, x), 0.0, (2, -2, 0)),  # 2x - x²
        (lambda x: special.betainc(1.0, 2.0, x), 1.0, (0, -2, 0)),
        (lambda x: special.betaincc(2.0, 2.0, x), 0.0, (0, -6, 12)),  # 1 - 3x² + 2x³
        (lambda x: special.betaincc(2.0, 2.0, x), 1.0, (0, 6, 12)),
        (lambda x: special.betainc(0.5, 0.5, x), 0.5, (2 / np.pi, 0, 8 / np.pi)),  # 2 arcsin(√x) / π
        (lambda x: special.betainc(0.5, 0.5, x), 0.0, (INF, -INF)),
        (lambda x: special.betainc(0.5, 1.0, x), 0.0, (INF, -INF)),  # √x
        (lambda x: special.betaincinv(2.0, 1.0, x), 0.25, (1, -2, 12)),  # √x
        (lambda x: special.fdtr(2.0, 2.0, x), 0.0, (1, -2, 6)),  # x / (1 + x)
        (lambda x: special.fdtrc(4.0, 2.0, x), 0.0, (0, -8, 96)),  # 1 - (2x / (2x + 1))²
        (lambda x: special.stdtr(1.0, x), 0.0, (1 / np.pi, 0, -2 / np.pi)),  # arctan(x) / π + 1/2
    ],
)
def test_distributions_have_every_derivative_at_the_ends_of_their_range(f, x, derivatives):
    for wanted in derivatives:
        f = mg.grad(f)
        assert f(x) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_the_derivative_of_a_density_by_its_shape():
    mg.check_grads(lambda a: mg.grad(lambda x: special.gammainc(a, x))(0.7), (1.4,))
    mg.check_grads(lambda a: mg.grad(lambda x: special.betainc(a, 1 / a, x))(0.7), (1.4,))


@pytest.mark.filterwarnings("ignore:floating point number truncated")
@pytest.mark.parametrize("name", ["pdtr", "pdtrc", "yn", "kn", "expn"])
def test_an_order_that_is_rounded_down_is_computed_as_written(name):
    orders = np.arange(1.0, 40.0)
    f = mg.compile(lambda n: getattr(special, name)(n * (1 / 3) * 3, 2.0))
    np.testing.assert_allclose(f(orders), getattr(special, name)(orders * (1 / 3) * 3, 2.0), rtol=1e-12)


def test_a_density_is_written_as_the_program_that_computes_it():
    x, w = mg.Tensor(np.array([0.0, 0.5, 2.0]), name="x"), mg.Tensor(np.array([1.0, 2.0, 3.0]), name="w")
    J = np.sum(w * special.gammainc(2.0, x))
    derivation = mg.derive(J)
    space = {**derivation.inputs, **derivation.constants}
    exec(derivation.numpy(), space)
    np.testing.assert_allclose(space["dx"], w.data * x.data * np.exp(-x.data), rtol=1e-12)
    assert derivation.latex() and not derivation.lines.unproved
    second = mg.compile(mg.grad(lambda x: np.sum(mg.grad(lambda x: np.sum(special.gammainc(2.0, x)))(x))))
    np.testing.assert_allclose(second(x.data), (1 - x.data) * np.exp(-x.data), atol=1e-12)


def test_scipy_is_not_imported_and_its_ufuncs_are_learned_when_met():
    code = (
        "import sys, minigrad as mg; t = mg.Tensor(0.5); assert 'scipy' not in sys.modules\n"
        "from scipy import special; y = special.expit(t); assert y.requires_grad; print(mg.grad(special.erf)(0.0))"
    )
    assert float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) > 1


def test_a_rule_that_a_user_taught_stays():
    code = (
        "import minigrad as mg; from scipy import special; mg.rule(special.erf, lambda g, y, x: 7 * g)\n"
        "special.expit(mg.Tensor(0.5)); print(mg.grad(special.erf)(0.0))"
    )
    assert float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) == 7
