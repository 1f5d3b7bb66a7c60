"""The derivatives of SciPy's ufuncs. This file is imported when a Tensor first meets one of them, SciPy itself never.

References
----------
NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov: chapters 5 to 8, 10, 13, 15 and 19.
"""

import math
from importlib import import_module
from typing import Any

import numpy as np

from .arrays import Value
from .composed import compose
from .primitives import powers
from .rules import RULES, Derivative, Function
from .vjps import part, pointwise

sp: Any = import_module("scipy.special")  # which has no types
_ROOT = math.sqrt(math.pi)


def _unknown(function: Value, argument: str) -> Derivative:
    """Return the derivative by an argument by which it has no closed form: an error."""

    def derivative(*_: Value) -> Value:
        raise TypeError(
            f"the derivative of scipy.special.{function.__name__} by its argument {argument} has no closed form; "
            f"give the argument as a plain number or array (t.data)"
        )

    return derivative


def _of_last(function: Value, arguments: str, derivative: Derivative) -> None:
    """Write the row of a function whose derivative by its last argument alone has a closed form."""
    _row(function, *(_unknown(function, argument) for argument in arguments.split()), derivative)


def _row(function: Value, *derivatives: Derivative) -> None:
    if function not in RULES:  # which a user may have taught already
        pointwise(function, *derivatives)


# --- logistic, entropies, robust losses -------------------------------------------------------------------------------

_row(sp.expit, lambda g, y, x: g * y * (1 - y))
_row(sp.log_expit, lambda g, y, x: g * sp.expit(-x))
_row(sp.logit, lambda g, y, x: g / (x * (1 - x)))
_row(
    sp.xlogy,
    lambda g, y, a, b: g * np.log(b),
    lambda g, y, a, b: g * (a / np.where((a == 0) & (b == 0), 1.0, b)),
)
_row(
    sp.xlog1py,
    lambda g, y, a, b: g * np.log1p(b),
    lambda g, y, a, b: g * (a / np.where((a == 0) & (b == -1), 1.0, 1 + b)),
)
_row(sp.entr, lambda g, y, x: -g * (np.log(x) + 1))
_row(sp.rel_entr, lambda g, y, a, b: g * (np.log(a) - np.log(b) + 1), lambda g, y, a, b: -g * (a / b))
_row(sp.kl_div, lambda g, y, a, b: g * (np.log(a) - np.log(b)), lambda g, y, a, b: g * (1 - a / b))
_row(
    sp.huber,
    lambda g, y, d, r: g * np.maximum(np.abs(r) - d, 0),
    lambda g, y, d, r: g * np.where(np.abs(r) <= d, r, d * np.sign(r)),
)
_row(
    sp.pseudo_huber,
    lambda g, y, d, r: g * (2 * y / d - r * (r / d) / np.sqrt(1 + (r / d) ** 2)),
    lambda g, y, d, r: g * r / np.sqrt(1 + (r / d) ** 2),
)

# --- elementary functions ---------------------------------------------------------------------------------------------


def _slope_of_exprel(x: Value) -> Value:
    """Return the derivative of (eˣ - 1) / x; near 0, where it cancels, by its series, which SciPy never ends at inf."""
    near = np.abs(x) < 1
    series = sp.hyp1f1(2.0, 3.0, np.where(near, x, 0.0)) / 2
    x = np.where(near, 1.0, x)
    y = sp.exprel(x)
    return np.where(near, series, np.where(x > 0, y * (1 - 1 / x) + 1 / x, (np.exp(x) - y) / x))


_row(sp.cbrt, lambda g, y, x: g / (3 * y * y))
_row(sp.exp2, lambda g, y, x: g * y * math.log(2))
_row(sp.exp10, lambda g, y, x: g * y * math.log(10))
_row(sp.expm1, lambda g, y, x: g * (y + 1))
_row(sp.log1p, lambda g, y, x: g / (1 + x))
_row(sp.cosm1, lambda g, y, x: -g * np.sin(x))
_row(sp.sindg, lambda g, y, x: g * (math.pi / 180) * sp.cosdg(x))
_row(sp.cosdg, lambda g, y, x: -g * (math.pi / 180) * sp.sindg(x))
_row(sp.tandg, lambda g, y, x: g * (math.pi / 180) * (1 + y * y))
_row(sp.cotdg, lambda g, y, x: -g * (math.pi / 180) * (1 + y * y))
_row(sp.exprel, lambda g, y, x: g * _slope_of_exprel(x))
_row(sp.powm1, lambda g, y, a, b: g * b * np.power(a, b - 1), lambda g, y, a, b: g * (y + 1) * np.log(a))
_row(
    sp.radian,
    lambda g, y, d, m, s: g * (math.pi / 180),
    lambda g, y, d, m, s: g * (math.pi / 10_800),
    lambda g, y, d, m, s: g * (math.pi / 648_000),
)


def _power_slope(log_x: Value, power: Value) -> Value:
    """Return the derivative of (xᵖ - 1) / p by p, of log x and p."""
    return log_x * log_x * _slope_of_exprel(power * log_x)


_row(
    sp.boxcox,
    lambda g, y, x, p: g * np.power(x, p - 1),
    lambda g, y, x, p: g * _power_slope(np.log(x), p),
)
_row(
    sp.boxcox1p,
    lambda g, y, x, p: g * np.power(1 + x, p - 1),
    lambda g, y, x, p: g * _power_slope(np.log1p(x), p),
)
_row(
    sp.inv_boxcox,
    lambda g, y, x, p: g * np.power(y, 1 - p),
    lambda g, y, x, p: -g * _power_slope(np.log(y), p) * np.power(y, 1 - p),
)
_row(
    sp.inv_boxcox1p,
    lambda g, y, x, p: g * np.power(1 + y, 1 - p),
    lambda g, y, x, p: -g * _power_slope(np.log1p(y), p) * np.power(1 + y, 1 - p),
)

# --- error function and normal distribution ---------------------------------------------------------------------------

_row(sp.erf, lambda g, y, x: g * (2 / _ROOT) * np.exp(-x * x))
_row(sp.erfc, lambda g, y, x: -g * (2 / _ROOT) * np.exp(-x * x))
_row(sp.erfi, lambda g, y, x: g * (2 / _ROOT) * np.exp(x * x))
_row(sp.erfcx, lambda g, y, x: g * (2 * x * y - 2 / _ROOT))
_row(sp.erfinv, lambda g, y, x: g * (_ROOT / 2) * np.exp(y * y))
_row(sp.erfcinv, lambda g, y, x: -g * (_ROOT / 2) * np.exp(y * y))
_row(sp.dawsn, lambda g, y, x: g * (1 - 2 * x * y))
_row(sp.ndtr, lambda g, y, x: g * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
_row(sp.log_ndtr, lambda g, y, x: g * np.exp(-x * x / 2 - y) / math.sqrt(2 * math.pi))
_row(sp.ndtri, lambda g, y, x: g * math.sqrt(2 * math.pi) * np.exp(y * y / 2))
_row(sp.ndtri_exp, lambda g, y, x: g * math.sqrt(2 * math.pi) * np.exp(x + y * y / 2))
_row(
    sp.owens_t,
    lambda g, y, h, a: -g * sp.erf(a * h / math.sqrt(2)) * np.exp(-h * h / 2) / math.sqrt(8 * math.pi),
    lambda g, y, h, a: g * np.exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
)

# --- gamma and beta ---------------------------------------------------------------------------------------------------

_row(sp.gamma, lambda g, y, x: g * y * sp.psi(x))


def _rgamma(g: Value, y: Value, x: Value) -> Value:
    """Return -ψ(x) / Γ(x), and for x < 1/2, where ψ has its poles, the same by Euler's reflection."""
    left, right = np.where(x < 0.5, x, 0), np.where(x < 0.5, 1, x)
    slope = np.cos(math.pi * left) - sp.psi(1 - left) * np.sin(math.pi * left) / math.pi
    return g * np.where(x < 0.5, sp.gamma(1 - left) * slope, -y * sp.psi(right))


_row(sp.rgamma, _rgamma)
for _logarithm in (sp.gammaln, sp.loggamma):
    _row(_logarithm, lambda g, y, x: g * sp.psi(x))
_row(sp.psi, lambda g, y, x: g * sp.zeta(2.0, x))
_of_last(sp._ufuncs._zeta, "x", lambda g, y, x, q: -g * x * sp.zeta(x + 1, q))
_row(
    sp.beta,
    lambda g, y, a, b: g * y * (sp.psi(a) - sp.psi(a + b)),
    lambda g, y, a, b: g * y * (sp.psi(b) - sp.psi(a + b)),
)
_row(
    sp.betaln,
    lambda g, y, a, b: g * (sp.psi(a) - sp.psi(a + b)),
    lambda g, y, a, b: g * (sp.psi(b) - sp.psi(a + b)),
)
_row(
    sp.poch,
    lambda g, y, a, m: g * y * (sp.psi(a + m) - sp.psi(a)),
    lambda g, y, a, m: g * y * sp.psi(a + m),
)
_row(
    sp.binom,
    lambda g, y, n, k: g * y * (sp.psi(n + 1) - sp.psi(n - k + 1)),
    lambda g, y, n, k: g * y * (sp.psi(n - k + 1) - sp.psi(k + 1)),
)


pointwise(
    powers,
    # Of the powers p - 1 and q - 1 those that are left: no x divides, which may be 0 or 1.
    lambda g, y, x, p, q, c: (
        g * (p * np.where(q == 0, 1, 1 - x) - q * np.where(p == 0, 1, x)) * powers(x, p - (p != 0), q - (q != 0), c)
    ),
    lambda g, y, x, p, q, c: g * sp.xlogy(y, x),
    lambda g, y, x, p, q, c: g * sp.xlog1py(y, -x),
    lambda g, y, x, p, q, c: g * y,
)


def _gamma_density(a: Value, x: Value) -> Value:
    return powers(x, a - 1, 0.0, -x - sp.gammaln(a))


def _beta_density(a: Value, b: Value, x: Value) -> Value:
    return powers(x, a - 1, b - 1, -sp.betaln(a, b))


_of_last(sp.gammainc, "a", lambda g, y, a, x: g * _gamma_density(a, x))
_of_last(sp.gammaincc, "a", lambda g, y, a, x: -g * _gamma_density(a, x))
_of_last(sp.gammaincinv, "a", lambda g, y, a, x: g / _gamma_density(a, y))
_of_last(sp.gammainccinv, "a", lambda g, y, a, x: -g / _gamma_density(a, y))
_of_last(sp.betainc, "a b", lambda g, y, a, b, x: g * _beta_density(a, b, x))
_of_last(sp.betaincc, "a b", lambda g, y, a, b, x: -g * _beta_density(a, b, x))
_of_last(sp.betaincinv, "a b", lambda g, y, a, b, x: g / _beta_density(a, b, y))
_of_last(sp.betainccinv, "a b", lambda g, y, a, b, x: -g / _beta_density(a, b, y))

# --- distribution functions -------------------------------------------------------------------------------------------


def _t_density(df: Value, x: Value) -> Value:
    logarithm = sp.gammaln((df + 1) / 2) - sp.gammaln(df / 2) - (df + 1) / 2 * np.log1p(x * x / df)
    return np.exp(logarithm) / np.sqrt(math.pi * df)


def _f_density(m: Value, n: Value, x: Value) -> Value:
    total = m * x + n
    return _beta_density(m / 2, n / 2, m * x / total) * m * n / total**2


_of_last(sp.stdtr, "df", lambda g, y, df, x: g * _t_density(df, x))
_of_last(sp.chdtr, "v", lambda g, y, v, x: g * _gamma_density(v / 2, x / 2) / 2)
_of_last(sp.chdtrc, "v", lambda g, y, v, x: -g * _gamma_density(v / 2, x / 2) / 2)
_of_last(sp.fdtr, "dfn dfd", lambda g, y, m, n, x: g * _f_density(m, n, x))
_of_last(sp.fdtrc, "dfn dfd", lambda g, y, m, n, x: -g * _f_density(m, n, x))
_of_last(sp.gdtr, "a b", lambda g, y, a, b, x: g * a * _gamma_density(b, a * x))
_of_last(sp.gdtrc, "a b", lambda g, y, a, b, x: -g * a * _gamma_density(b, a * x))
_of_last(sp.pdtr, "k", lambda g, y, k, m: -g * _gamma_density(np.floor(k) + 1, m))
_of_last(sp.pdtrc, "k", lambda g, y, k, m: g * _gamma_density(np.floor(k) + 1, m))

# --- Bessel functions -------------------------------------------------------------------------------------------------

_row(sp.j0, lambda g, y, x: -g * sp.j1(x))
_row(sp.y0, lambda g, y, x: -g * sp.y1(x))
_row(sp.i0, lambda g, y, x: g * sp.i1(x))
_row(sp.k0, lambda g, y, x: -g * sp.k1(x))
_row(sp.j1, lambda g, y, x: g * (sp.j0(x) - sp.jv(2.0, x)) / 2)
_row(sp.y1, lambda g, y, x: g * (sp.y0(x) - sp.yv(2.0, x)) / 2)
_row(sp.i1, lambda g, y, x: g * (sp.i0(x) + sp.iv(2.0, x)) / 2)
_row(sp.k1, lambda g, y, x: -g * (sp.k0(x) + sp.kv(2.0, x)) / 2)
_row(sp.i0e, lambda g, y, x: g * (sp.i1e(x) - np.sign(x) * y))
_row(sp.k0e, lambda g, y, x: g * (y - sp.k1e(x)))
_row(sp.i1e, lambda g, y, x: g * ((sp.i0e(x) + sp.ive(2.0, x)) / 2 - np.sign(x) * y))
_row(sp.k1e, lambda g, y, x: g * (y - (sp.k0e(x) + sp.kve(2.0, x)) / 2))
for _bessel in (sp.jv, sp.yv, sp.yn, sp.jve, sp.yve):
    _of_last(_bessel, "v", lambda g, y, v, x, f=_bessel: g * (f(v - 1, x) - f(v + 1, x)) / 2)
_of_last(sp.iv, "v", lambda g, y, v, x: g * (sp.iv(v - 1, x) + sp.iv(v + 1, x)) / 2)
_of_last(sp.ive, "v", lambda g, y, v, x: g * ((sp.ive(v - 1, x) + sp.ive(v + 1, x)) / 2 - np.sign(x) * y))
_of_last(sp.kve, "v", lambda g, y, v, x: g * (y - (sp.kve(v - 1, x) + sp.kve(v + 1, x)) / 2))
for _bessel in (sp.kv, sp.kn):
    _of_last(_bessel, "v", lambda g, y, v, x, f=_bessel: -g * (f(v - 1, x) + f(v + 1, x)) / 2)

# --- integrals, elliptic and hypergeometric functions -----------------------------------------------------------------

_row(sp.exp1, lambda g, y, x: -g * np.exp(-x) / x)
_row(sp.expi, lambda g, y, x: g * np.exp(x) / x)
_of_last(
    sp.expn,
    "n",
    lambda g, y, n, x: -g * np.where(n == 0, np.exp(-x) * (1 + x) / (x * x), sp.expn(np.maximum(n - 1, 0), x)),
)
_row(sp.spence, lambda g, y, x: -g * sp.hyp2f1(1.0, 1.0, 2.0, 1 - x))
_row(sp.ellipk, lambda g, y, x: g * (math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, x))
_row(sp.ellipkm1, lambda g, y, x: -g * (math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, 1 - x))
_row(sp.ellipe, lambda g, y, x: -g * (math.pi / 8) * sp.hyp2f1(0.5, 1.5, 2.0, x))
_of_last(sp.hyp0f1, "v", lambda g, y, v, x: g / v * sp.hyp0f1(v + 1, x))
_of_last(sp.hyp1f1, "a b", lambda g, y, a, b, x: g * (a / b) * sp.hyp1f1(a + 1, b + 1, x))
_of_last(sp.hyp2f1, "a b c", lambda g, y, a, b, c, x: g * (a * b / c) * sp.hyp2f1(a + 1, b + 1, c + 1, x))
_of_last(sp.hyperu, "a b", lambda g, y, a, b, x: -g * a * sp.hyperu(a + 1, b + 1, x))

_SEVERAL: dict[Function, tuple[Derivative, ...]] = {  # ufuncs of several results, and the derivative of each
    sp.sici: (lambda g, y, x: g * np.sinc(x / math.pi), lambda g, y, x: g * np.cos(x) / x),
    sp.shichi: (lambda g, y, x: g * (sp.exprel(x) + sp.exprel(-x)) / 2, lambda g, y, x: g * np.cosh(x) / x),
    sp.fresnel: (
        lambda g, y, x: g * np.sin(math.pi / 2 * x * x),
        lambda g, y, x: g * np.cos(math.pi / 2 * x * x),
    ),
    sp.airy: (
        lambda g, y, x: g * sp.airy(x)[1],
        lambda g, y, x: g * x * sp.airy(x)[0],
        lambda g, y, x: g * sp.airy(x)[3],
        lambda g, y, x: g * x * sp.airy(x)[2],
    ),
}


def _tuple_of(parts: list[Value]) -> Function:
    return lambda x: tuple(part(x) for part in parts)


compose(
    {
        function: _tuple_of([part(function, i, derivative) for i, derivative in enumerate(derivatives)])
        for function, derivatives in _SEVERAL.items()
    }
)

# --- Lambert's function, of real values -------------------------------------------------------------------------------

_principal = part(sp.lambertw, "real", lambda g, y, x: g / (x + np.exp(y)))


def _lambertw(z: Value, k: Value, tol: Value) -> Value:
    """Return the principal branch where it is real, and NaN elsewhere."""
    if np.any(k):
        raise TypeError("of Tensors the principal branch alone is recorded, k=0")
    return np.where(z < -1 / math.e, math.nan, _principal(z))


compose({sp._ufuncs._lambertw: _lambertw})

for _step_function in (sp.gammasgn, sp.round):
    pointwise(_step_function)
