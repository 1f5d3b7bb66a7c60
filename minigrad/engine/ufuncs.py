"""The methods of ufuncs in terms of calls: ``np.logaddexp.reduce(t)``, ``np.multiply.outer(t, u)``."""

import functools
import itertools

import numpy as np

from .arrays import Axis, Value
from .axes import axes_of, in_rows, kept_shape, slab
from .primitives import array
from .rules import RULES, Function

# Their entries may be combined in pairs, and the pairs again.
_ASSOCIATIVE = frozenset(
    (*(np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin), *(np.logaddexp, np.logaddexp2, np.hypot))
)
_REDUCTIONS = {rule.reduces: rule.function for rule in [*RULES.values()] if rule.reduces is not None}
_ACCUMULATIONS: dict[np.ufunc, Function] = {np.add: np.cumsum, np.multiply: np.cumprod}


def _reduce(
    ufunc: np.ufunc,
    a: Value,
    axis: Axis = 0,
    dtype: object = None,
    out: None = None,
    keepdims: bool = False,
    initial: Value = None,
    **where: object,
) -> Value:
    """Reduce by the function that does it, in log n steps, or entry after entry."""
    a = array(a, dtype)
    if ufunc in _REDUCTIONS:
        given = {} if initial is None else {"initial": initial}
        return _REDUCTIONS[ufunc](a, axis=axis, keepdims=keepdims, **given, **where)
    if where:
        raise TypeError("where= is not recorded; np.where puts a neutral number in place of what is left out")
    reduced = axes_of(a, axis)
    if len(reduced) > 1 and ufunc not in _ASSOCIATIVE:
        raise ValueError(f"the order counts; reduce along one axis, not along {len(reduced)}")
    rows = np.moveaxis(in_rows(a, axis), -1, 0)
    if initial is not None:
        rows = np.concatenate([np.full((1, *rows.shape[1:]), initial, a.dtype), rows])
    if not len(rows):
        return ufunc.reduce(np.empty(a.shape, a.dtype), axis=axis, keepdims=keepdims)
    y = _in_pairs(ufunc, rows) if ufunc in _ASSOCIATIVE else functools.reduce(ufunc, rows)
    return y.reshape(kept_shape(a, axis)) if keepdims else y


def _in_pairs(ufunc: np.ufunc, rows: Value) -> Value:
    while len(rows) > 1:
        half = len(rows) // 2
        pairs = ufunc(rows[:half], rows[half : 2 * half])
        rows = np.concatenate([pairs, rows[2 * half :]]) if len(rows) % 2 else pairs
    return rows[0]


def _accumulate(ufunc: np.ufunc, a: Value, axis: int = 0, dtype: object = None, out: None = None) -> Value:
    """Accumulate by the function that does it, by 1, 2, 4, ... entries at once, or entry after entry."""
    a = array(a, dtype)
    if ufunc in _ACCUMULATIONS:
        return _ACCUMULATIONS[ufunc](a, axis=axis)
    rows, step = np.moveaxis(a, axis, 0), 1
    if ufunc not in _ASSOCIATIVE:
        return np.moveaxis(np.stack([*itertools.accumulate(rows, ufunc)]), 0, axis) if len(rows) else a
    while step < len(rows):
        rows, step = np.concatenate([rows[:step], ufunc(rows[:-step], rows[step:])]), 2 * step
    return np.moveaxis(rows, 0, axis)


def _outer(ufunc: np.ufunc, a: Value, b: Value, **options: object) -> Value:
    a, b = array(a), array(b)
    return ufunc(a.reshape(a.shape + (1,) * b.ndim), b, **options)


def _reduceat(
    ufunc: np.ufunc, a: Value, indices: Value, axis: int = 0, dtype: object = None, out: None = None
) -> Value:
    a, starts = array(a, dtype), [*map(int, indices)]
    ends = [*starts[1:], a.shape[axis]]
    parts = [slab(a, axis, slice(i, max(j, i + 1))) for i, j in zip(starts, ends, strict=True)]
    return np.concatenate([_reduce(ufunc, part, axis, keepdims=True) for part in parts], axis)


METHODS: dict[str, Function] = {
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
    "reduceat": _reduceat,
}
