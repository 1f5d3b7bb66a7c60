"""Convolutions, and polynomials given by their coefficients: a product of polynomials is a convolution.

Leading zeros are coefficients like others: unlike NumPy's, a product of Tensors keeps them.
"""

from typing import Any

import numpy as np

from .arrays import Value
from .borrowed import own_lines
from .composed import compose
from .primitives import array
from .rules import RULES, Function
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


def _coefficients(p: Value) -> Value:
    p = np.atleast_1d(array(p))
    if p.ndim != 1:
        raise ValueError(f"coefficients of shape {p.shape}; give those of one polynomial, in a row")
    return p


def _of_coefficients(function: Function) -> Function:
    lines = own_lines(function)
    return lambda p, *args, **options: lines(_coefficients(p), *args, **options)


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
        np.polymul: lambda a1, a2: np.convolve(_coefficients(a1), _coefficients(a2)),
        np.polyder: _of_coefficients(np.polyder),
        np.polyint: _of_coefficients(np.polyint),
        np.polyfit: _polyfit,
    }
)
