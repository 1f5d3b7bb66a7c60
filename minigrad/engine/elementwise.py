"""Elementwise functions that are no ufuncs, and those of several results."""

import math

import numpy as np

from .arrays import Value
from .composed import compose
from .primitives import detach
from .vjps import part, row

_ANGLES = np.arange(256) * (2 * math.pi / 256)  # enough for all x whose I₀(x) is a float64


def _sinc(g: Value, y: Value, x: Value) -> Value:
    """Return (cos πx - sinc x) / x, and near 0, where that cancels, its Taylor series."""
    series = [(-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(12, 0, -1)]
    near = np.abs(x) < 0.5
    small, large = np.where(near, x, 0), np.where(near, 1, x)
    slope = 0 * small
    for coefficient in series:
        slope = slope * small * small + coefficient
    return g * np.where(near, slope * small, (np.cos(math.pi * large) - np.sinc(large)) / large)


def _i0(g: Value, y: Value, x: Value) -> Value:
    """Return I₁, the mean of cos t exp(x cos t) over a period: the trapezoidal rule is exact to rounding."""
    cos = np.cos(_ANGLES).astype(x.dtype)
    return g * np.mean(cos * np.exp(x[..., None] * cos), axis=-1)


row(np.sinc, _sinc)
row(np.i0, _i0)
row(np.unwrap, lambda g, y, p, **options: g, jumps=True)
_exponent = part(np.frexp, 1)


def _nan_to_num(x: Value, copy: bool = True, nan: Value = 0.0, posinf: Value = None, neginf: Value = None) -> Value:
    largest = np.finfo(x.dtype).max
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == math.inf, largest if posinf is None else posinf, x)
    return np.where(x == -math.inf, -largest if neginf is None else neginf, x)


def _piecewise(x: Value, condlist: Value, funclist: Value, *args: Value, **options: object) -> Value:
    conditions = condlist if np.ndim(condlist[0]) == x.ndim else [condlist]
    otherwise = [~np.any(np.stack(conditions), axis=0)] if len(funclist) == len(conditions) + 1 else []
    y = np.zeros(x.shape, x.dtype)
    for condition, function in zip([*conditions, *otherwise], funclist, strict=True):
        if callable(function):  # is never called outside of its condition, where it may have no value
            inside = detach(np.ravel(x)[np.argmax(condition)]) if x.size else 0
            function = function(np.where(condition, x, inside), *args, **options)
        y = np.where(condition, function, y)
    return y


def _frexp(x: Value) -> Value:
    exponent = _exponent(x)
    return np.ldexp(x, -exponent), exponent


compose(
    {
        np.frexp: _frexp,
        np.imag: lambda val: np.zeros(val.shape, val.dtype),
        np.nan_to_num: _nan_to_num,
        np.piecewise: _piecewise,
        np.real: lambda val: +val,
    }
)
