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


def _row(function: Value, *slopes: Function | str) -> None:
    """Write the row of a function that works entry by entry, given its derivative by each argument: slope(y, *args).

    For an argument by which it has none in closed form its name is given.
    """
    if function not in RULES:  # which a user may have taught already
        pointwise(function, *(_unknown(function, s) if isinstance(s, str) else _vjp(s) for s in slopes))


def _vjp(slope: Function) -> Derivative:
    return lambda g, y, *args: g * slope(y, *args)


def _unknown(function: Value, argument: str) -> Derivative:
    def derivative(*_: Value) -> Value:
        raise TypeError(
            f"the derivative of scipy.special.{function.__name__} by its argument {argument} has no closed form; "
            f"give the argument as a plain number or array (t.data)"
        )

    return derivative


def _with_complement(function: Value, complement: Value, *unknown: str, slope: Function) -> None:
    """Write the rows of a function and of 1 minus it, or of their inverses."""
    _row(function, *unknown, slope)
    _row(complement, *unknown, lambda *args: -slope(*args))


# --- logistic, entropies, robust losses -------------------------------------------------------------------------------

_row(sp.expit, lambda y, x: y * (1 - y))
_row(sp.log_expit, lambda y, x: sp.expit(-x))
_row(sp.logit, lambda y, x: 1 / (x * (1 - x)))
_row(sp.xlogy, lambda y, a, b: np.log(b), lambda y, a, b: a / np.where((a == 0) & (b == 0), 1.0, b))
_row(sp.xlog1py, lambda y, a, b: np.log1p(b), lambda y, a, b: a / np.where((a == 0) & (b == -1), 1.0, 1 + b))
_row(sp.entr, lambda y, x: -(np.log(x) + 1))
_row(sp.rel_entr, lambda y, a, b: np.log(a) - np.log(b) + 1, lambda y, a, b: -(a / b))
_row(sp.kl_div, lambda y, a, b: np.log(a) - np.log(b), lambda y, a, b: 1 - a / b)
_row(
    sp.huber, lambda y, d, r: np.maximum(np.abs(r) - d, 0), lambda y, d, r: np.where(np.abs(r) <= d, r, d * np.sign(r))
)
_row(
    sp.pseudo_huber,
    lambda y, d, r: 2 * y / d - r * (r / d) / np.sqrt(1 + (r / d) ** 2),
    lambda y, d, r: r / np.sqrt(1 + (r / d) ** 2),
)

# --- elementary functions ---------------------------------------------------------------------------------------------


def _slope_of_exprel(x: Value) -> Value:
    """Return the derivative of (eˣ - 1) / x; near 0, where it cancels, by its series, which SciPy never ends at inf."""
    near = np.abs(x) < 1
    series = sp.hyp1f1(2.0, 3.0, np.where(near, x, 0.0)) / 2
    x = np.where(near, 1.0, x)
    y = sp.exprel(x)
    return np.where(near, series, np.where(x > 0, y * (1 - 1 / x) + 1 / x, (np.exp(x) - y) / x))


_row(sp.cbrt, lambda y, x: 1 / (3 * y * y))
_row(sp.exp2, lambda y, x: y * math.log(2))
_row(sp.exp10, lambda y, x: y * math.log(10))
_row(sp.expm1, lambda y, x: y + 1)
_row(sp.log1p, lambda y, x: 1 / (1 + x))
_row(sp.cosm1, lambda y, x: -np.sin(x))
_row(sp.sindg, lambda y, x: (math.pi / 180) * sp.cosdg(x))
_row(sp.cosdg, lambda y, x: -(math.pi / 180) * sp.sindg(x))
_row(sp.tandg, lambda y, x: (math.pi / 180) * (1 + y * y))
_row(sp.cotdg, lambda y, x: -(math.pi / 180) * (1 + y * y))
_row(sp.exprel, lambda y, x: _slope_of_exprel(x))
_row(sp.powm1, lambda y, a, b: b * np.power(a, b - 1), lambda y, a, b: (y + 1) * np.log(a))
_row(
    sp.radian,
    lambda y, d, m, s: math.pi / 180,
    lambda y, d, m, s: math.pi / 10_800,
    lambda y, d, m, s: math.pi / 648_000,
)


def _power_slope(log_x: Value, power: Value) -> Value:
    """Return the derivative of (xᵖ - 1) / p by p, of log x and p."""
    return log_x * log_x * _slope_of_exprel(power * log_x)


_row(sp.boxcox, lambda y, x, p: np.power(x, p - 1), lambda y, x, p: _power_slope(np.log(x), p))
_row(sp.boxcox1p, lambda y, x, p: np.power(1 + x, p - 1), lambda y, x, p: _power_slope(np.log1p(x), p))
_row(
    sp.inv_boxcox, lambda y, x, p: np.power(y, 1 - p), lambda y, x, p: -_power_slope(np.log(y), p) * np.power(y, 1 - p)
)
_row(
    sp.inv_boxcox1p,
    lambda y, x, p: np.power(1 + y, 1 - p),
    lambda y, x, p: -_power_slope(np.log1p(y), p) * np.power(1 + y, 1 - p),
)

# --- error function and normal distribution ---------------------------------------------------------------------------

_with_complement(sp.erf, sp.erfc, slope=lambda y, x: (2 / _ROOT) * np.exp(-x * x))
_row(sp.erfi, lambda y, x: (2 / _ROOT) * np.exp(x * x))
_row(sp.erfcx, lambda y, x: 2 * x * y - 2 / _ROOT)
_with_complement(sp.erfinv, sp.erfcinv, slope=lambda y, x: (_ROOT / 2) * np.exp(y * y))
_row(sp.dawsn, lambda y, x: 1 - 2 * x * y)
_row(sp.ndtr, lambda y, x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
_row(sp.log_ndtr, lambda y, x: np.exp(-x * x / 2 - y) / math.sqrt(2 * math.pi))
_row(sp.ndtri, lambda y, x: math.sqrt(2 * math.pi) * np.exp(y * y / 2))
_row(sp.ndtri_exp, lambda y, x: math.sqrt(2 * math.pi) * np.exp(x + y * y / 2))
_row(
    sp.owens_t,
    lambda y, h, a: -sp.erf(a * h / math.sqrt(2)) * np.exp(-h * h / 2) / math.sqrt(8 * math.pi),
    lambda y, h, a: np.exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
)

# --- gamma and beta ---------------------------------------------------------------------------------------------------

_row(sp.gamma, lambda y, x: y * sp.psi(x))


def _rgamma(y: Value, x: Value) -> Value:
    """Return -ψ(x) / Γ(x), and for x < 1/2, where ψ has its poles, the same by Euler's reflection."""
    left, right = np.where(x < 0.5, x, 0), np.where(x < 0.5, 1, x)
    slope = np.cos(math.pi * left) - sp.psi(1 - left) * np.sin(math.pi * left) / math.pi
    return np.where(x < 0.5, sp.gamma(1 - left) * slope, -y * sp.psi(right))


_row(sp.rgamma, _rgamma)
for _logarithm in (sp.gammaln, sp.loggamma):
    _row(_logarithm, lambda y, x: sp.psi(x))
_row(sp.psi, lambda y, x: sp.zeta(2.0, x))
_row(sp._ufuncs._zeta, "x", lambda y, x, q: -x * sp.zeta(x + 1, q))
_row(sp.beta, lambda y, a, b: y * (sp.psi(a) - sp.psi(a + b)), lambda y, a, b: y * (sp.psi(b) - sp.psi(a + b)))
_row(sp.betaln, lambda y, a, b: sp.psi(a) - sp.psi(a + b), lambda y, a, b: sp.psi(b) - sp.psi(a + b))
_row(sp.poch, lambda y, a, m: y * (sp.psi(a + m) - sp.psi(a)), lambda y, a, m: y * sp.psi(a + m))
_row(
    sp.binom,
    lambda y, n, k: y * (sp.psi(n + 1) - sp.psi(n - k + 1)),
    lambda y, n, k: y * (sp.psi(n - k + 1) - sp.psi(k + 1)),
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


_with_complement(sp.gammainc, sp.gammaincc, "a", slope=lambda y, a, x: _gamma_density(a, x))
_with_complement(sp.gammaincinv, sp.gammainccinv, "a", slope=lambda y, a, x: 1 / _gamma_density(a, y))
_with_complement(sp.betainc, sp.betaincc, "a", "b", slope=lambda y, a, b, x: _beta_density(a, b, x))
_with_complement(sp.betaincinv, sp.betainccinv, "a", "b", slope=lambda y, a, b, x: 1 / _beta_density(a, b, y))

# --- distribution functions -------------------------------------------------------------------------------------------


def _t_density(df: Value, x: Value) -> Value:
    logarithm = sp.gammaln((df + 1) / 2) - sp.gammaln(df / 2) - (df + 1) / 2 * np.log1p(x * x / df)
    return np.exp(logarithm) / np.sqrt(math.pi * df)


def _f_density(m: Value, n: Value, x: Value) -> Value:
    total = m * x + n
    return _beta_density(m / 2, n / 2, m * x / total) * m * n / total**2


_row(sp.stdtr, "df", lambda y, df, x: _t_density(df, x))
_with_complement(sp.chdtr, sp.chdtrc, "v", slope=lambda y, v, x: _gamma_density(v / 2, x / 2) / 2)
_with_complement(sp.fdtr, sp.fdtrc, "dfn", "dfd", slope=lambda y, m, n, x: _f_density(m, n, x))
_with_complement(sp.gdtr, sp.gdtrc, "a", "b", slope=lambda y, a, b, x: a * _gamma_density(b, a * x))
_with_complement(sp.pdtrc, sp.pdtr, "k", slope=lambda y, k, m: _gamma_density(np.floor(k) + 1, m))

# --- Bessel functions -------------------------------------------------------------------------------------------------

_row(sp.j0, lambda y, x: -sp.j1(x))
_row(sp.y0, lambda y, x: -sp.y1(x))
_row(sp.i0, lambda y, x: sp.i1(x))
_row(sp.k0, lambda y, x: -sp.k1(x))
_row(sp.j1, lambda y, x: (sp.j0(x) - sp.jv(2.0, x)) / 2)
_row(sp.y1, lambda y, x: (sp.y0(x) - sp.yv(2.0, x)) / 2)
_row(sp.i1, lambda y, x: (sp.i0(x) + sp.iv(2.0, x)) / 2)
_row(sp.k1, lambda y, x: -(sp.k0(x) + sp.kv(2.0, x)) / 2)
_row(sp.i0e, lambda y, x: sp.i1e(x) - np.sign(x) * y)
_row(sp.k0e, lambda y, x: y - sp.k1e(x))
_row(sp.i1e, lambda y, x: (sp.i0e(x) + sp.ive(2.0, x)) / 2 - np.sign(x) * y)
_row(sp.k1e, lambda y, x: y - (sp.k0e(x) + sp.kve(2.0, x)) / 2)
for _bessel in (sp.jv, sp.yv, sp.yn, sp.jve, sp.yve):
    _row(_bessel, "v", lambda y, v, x, f=_bessel: (f(v - 1, x) - f(v + 1, x)) / 2)
_row(sp.iv, "v", lambda y, v, x: (sp.iv(v - 1, x) + sp.iv(v + 1, x)) / 2)
_row(sp.ive, "v", lambda y, v, x: (sp.ive(v - 1, x) + sp.ive(v + 1, x)) / 2 - np.sign(x) * y)
_row(sp.kve, "v", lambda y, v, x: y - (sp.kve(v - 1, x) + sp.kve(v + 1, x)) / 2)
for _bessel in (sp.kv, sp.kn):
    _row(_bessel, "v", lambda y, v, x, f=_bessel: -(f(v - 1, x) + f(v + 1, x)) / 2)

# --- integrals, elliptic and hypergeometric functions -----------------------------------------------------------------

_row(sp.exp1, lambda y, x: -np.exp(-x) / x)
_row(sp.expi, lambda y, x: np.exp(x) / x)
_row(sp.expn, "n", lambda y, n, x: -np.where(n == 0, np.exp(-x) * (1 + x) / (x * x), sp.expn(np.maximum(n - 1, 0), x)))
_row(sp.spence, lambda y, x: -sp.hyp2f1(1.0, 1.0, 2.0, 1 - x))
_row(sp.ellipk, lambda y, x: (math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, x))
_row(sp.ellipkm1, lambda y, x: -(math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, 1 - x))
_row(sp.ellipe, lambda y, x: -(math.pi / 8) * sp.hyp2f1(0.5, 1.5, 2.0, x))
_row(sp.hyp0f1, "v", lambda y, v, x: 1 / v * sp.hyp0f1(v + 1, x))
_row(sp.hyp1f1, "a", "b", lambda y, a, b, x: (a / b) * sp.hyp1f1(a + 1, b + 1, x))
_row(sp.hyp2f1, "a", "b", "c", lambda y, a, b, c, x: (a * b / c) * sp.hyp2f1(a + 1, b + 1, c + 1, x))
_row(sp.hyperu, "a", "b", lambda y, a, b, x: -a * sp.hyperu(a + 1, b + 1, x))

for _of_whole_order in (sp.pdtr, sp.pdtrc, sp.yn, sp.kn, sp.expn):  # which they round down to
    RULES[_of_whole_order].jumps = True

_SEVERAL: dict[Function, tuple[Function, ...]] = {  # ufuncs of several results, and the derivative of each
    sp.sici: (lambda y, x: np.sinc(x / math.pi), lambda y, x: np.cos(x) / x),
    sp.shichi: (lambda y, x: (sp.exprel(x) + sp.exprel(-x)) / 2, lambda y, x: np.cosh(x) / x),
    sp.fresnel: (lambda y, x: np.sin(math.pi / 2 * x * x), lambda y, x: np.cos(math.pi / 2 * x * x)),
    sp.airy: (
        lambda y, x: sp.airy(x)[1],
        lambda y, x: x * sp.airy(x)[0],
        lambda y, x: sp.airy(x)[3],
        lambda y, x: x * sp.airy(x)[2],
    ),
}


def _tuple_of(parts: list[Value]) -> Function:
    return lambda x: tuple(part(x) for part in parts)


compose(
    {
        function: _tuple_of([part(function, i, _vjp(slope)) for i, slope in enumerate(slopes)])
        for function, slopes in _SEVERAL.items()
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
