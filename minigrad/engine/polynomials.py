"""Convolutions, and polynomials given by their coefficients: a product of polynomials is a convolution.

Leading zeros are coefficients like others: unlike NumPy's, a product of Tensors keeps them.
"""

from typing import Any

import numpy as np

from .arrays import Value
from .composed import compose
from .primitives import array
from .rules import RULES
from .vjps import row

row(
    np.convolve,
    lambda g, y, a, v: np.correlate(g, np.atleast_1d(v), "valid").reshape(a.shape),
    lambda g, y, a, v: np.correlate(g, np.atleast_1d(a), "valid").reshape(v.shape),
    linear=2,
    symmetric=True,
)


def _convolve(a: Value, v: Value, mode: Any = "full") -> Value:
    full = np.convolve(a, v)
    n, m = sorted((np.size(a), np.size(v)))
    start, length = {"full": (0, n + m - 1), "same": ((n - 1) // 2, m), "valid": (n - 1, m - n + 1)}[mode]
    return full[start : start + length]


def _correlate(a: Value, v: Value, mode: Any = "valid") -> Value:
    if np.size(v) > np.size(a):  # NumPy exchanges them: for mode="same" the middle is that of the other end
        return _correlate(v, a, mode)[::-1]
    return np.convolve(a, np.atleast_1d(array(v))[::-1], mode)


RULES[np.convolve].general = _convolve


def _polyval(p: Value, x: Value) -> Value:
    x, y = array(x), np.zeros_like(array(x))
    for coefficient in array(p):
        y = y * x + coefficient
    return y


def _coefficients(p: Value) -> Value:
    p = np.atleast_1d(array(p))
    if p.ndim != 1:
        raise ValueError(f"coefficients of shape {p.shape}; give those of one polynomial, in a row")
    return p


def _aligned(a1: Value, a2: Value) -> Value:
    """Return coefficients with zeros in front of the shorter ones."""
    a1, a2 = (np.atleast_1d(array(a)) for a in (a1, a2))
    n = max(len(a1), len(a2))
    return tuple(a if len(a) == n else np.pad(_coefficients(a), (n - len(a), 0)) for a in (a1, a2))


def _poly(seq_of_zeros: Value) -> Value:
    zeros = np.atleast_1d(array(seq_of_zeros))
    if zeros.ndim != 1:
        raise TypeError("of a matrix is not recorded; give its eigenvalues: np.poly(np.linalg.eigvalsh(A))")
    coefficients = np.ones(1, zeros.dtype)
    for zero in zeros:
        coefficients = np.pad(coefficients, (0, 1)) - zero * np.pad(coefficients, (1, 0))
    return coefficients


def _polyder(p: Value, m: int = 1) -> Value:
    p = _coefficients(p)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


def _polyint(p: Value, m: int = 1, k: Value = 0) -> Value:
    p = _coefficients(p)
    for constant in np.broadcast_to(0 if k is None else k, m):
        p = np.append(p / np.arange(len(p), 0, -1), constant)
    return p


def _polyfit(x: Value, y: Value, deg: int, w: Value = None) -> Value:
    """Return the coefficients of least squares, each column of the matrix scaled to length 1 as NumPy does."""
    matrix, y = np.vander(x, deg + 1), array(y)
    if w is not None:
        matrix, y = matrix * array(w)[:, None], (y.T * w).T
    scale = np.sqrt(np.sum(matrix * matrix, axis=0))
    return ((np.linalg.pinv(matrix / scale) @ y).T / scale).T


compose(
    {
        np.correlate: _correlate,
        np.polyval: _polyval,
        np.polyadd: lambda a1, a2: np.add(*_aligned(a1, a2)),
        np.polysub: lambda a1, a2: np.subtract(*_aligned(a1, a2)),
        np.polymul: lambda a1, a2: np.convolve(_coefficients(a1), _coefficients(a2)),
        np.poly: _poly,
        np.polyder: _polyder,
        np.polyint: _polyint,
        np.polyfit: _polyfit,
    }
)
