"""Ranges between two numbers, sets of values, and what else makes a sequence of another length."""

import numpy as np

from .arrays import Axis, Value
from .axes import axes_of
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


def _setdiff1d(ar1: Value, ar2: Value) -> Value:
    values = np.unique(array(ar1))
    return values[np.isin(values, ar2, invert=True)]


def _intersect1d(ar1: Value, ar2: Value) -> Value:
    values = np.unique(array(ar1))
    return values[np.isin(values, ar2)]


def _trim_zeros(filt: Value, trim: str = "fb", axis: Axis = None) -> Value:
    """Return the smallest part, along some axes, that holds all entries but zeros."""
    axes = axes_of(filt, axis)
    index = [slice(None)] * filt.ndim
    for i, places in enumerate(np.nonzero(filt)):
        if i in axes and not len(places):
            index[i] = slice(0)
        elif i in axes:
            first, last = int(places.min()), int(places.max()) + 1
            index[i] = slice(first if "f" in trim.lower() else None, last if "b" in trim.lower() else None)
    return filt[tuple(index)]


compose(
    {
        np.linspace: _linspace,
        np.geomspace: _geomspace,
        np.setdiff1d: _setdiff1d,
        np.intersect1d: _intersect1d,
        np.setxor1d: lambda ar1, ar2: np.sort(np.concatenate([_setdiff1d(ar1, ar2), _setdiff1d(ar2, ar1)])),
        np.trim_zeros: _trim_zeros,
    }
)
