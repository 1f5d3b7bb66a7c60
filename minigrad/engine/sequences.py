"""Ranges between two numbers, sets of values, and what else makes a sequence of another length."""

import numpy as np

from .arrays import Value
from .composed import compose
from .primitives import array


def _linspace(
    start: Value,
    stop: Value,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: object = None,
    axis: int = 0,
) -> Value:
    length = stop - start
    steps = num - 1 if endpoint else num
    parts = (np.arange(num) / max(steps, 1)).reshape((num,) + (1,) * length.ndim).astype(length.dtype)
    y = np.moveaxis(start * (1 - parts) + stop * parts, 0, axis)
    y = array(y, dtype)
    return (y, length / steps) if retstep else y


def _geomspace(
    start: Value, stop: Value, num: int = 50, endpoint: bool = True, dtype: object = float, axis: int = 0
) -> Value:
    """Return numbers of one sign, whose logarithms are in equal steps; float64 unless another dtype is asked for."""
    logarithms = _linspace(np.log(np.abs(start)), np.log(np.abs(stop)), num, endpoint)
    return np.moveaxis(np.sign(start) * np.exp(logarithms), 0, axis).astype(dtype)


def _intersect1d(ar1: Value, ar2: Value) -> Value:
    values = np.unique(array(ar1))
    return values[np.isin(values, ar2)]


compose(
    {
        np.linspace: _linspace,
        np.geomspace: _geomspace,
        np.intersect1d: _intersect1d,
        np.setxor1d: lambda ar1, ar2: np.sort(np.concatenate([np.setdiff1d(ar1, ar2), np.setdiff1d(ar2, ar1)])),
    }
)
