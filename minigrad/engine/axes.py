"""What ``axis=`` means for an array or a Tensor: the axes, the shape that is kept, the entries that become one."""

import math

import numpy as np

from .arrays import Axis, Value


def slab(a: Value, axis: int, part: Value) -> Value:
    """Return ``a`` indexed by ``part`` along one axis."""
    return a[(slice(None),) * (axis % a.ndim) + (part,)]


def axes_of(a: Value, axis: Axis) -> tuple[int, ...]:
    """Return the axes that ``axis=`` means for ``a``, counted from 0; a number has none, also for the axes 0 and -1."""
    if axis is None or a.ndim == 0:
        return tuple(range(a.ndim))
    return tuple(int(i) % a.ndim for i in (axis if isinstance(axis, tuple | list) else (axis,)))


def kept_shape(a: Value, axis: Axis) -> tuple[int, ...]:
    """Return the shape of a reduction of ``a`` over ``axis`` with keepdims=True."""
    reduced = axes_of(a, axis)
    return tuple(1 if i in reduced else n for i, n in enumerate(a.shape))


def inverse(axes: Value, ndim: int) -> tuple[int, ...]:
    """Return the order of axes that undoes a transpose by ``axes``."""
    return tuple(int(i) for i in np.argsort([int(axis) % ndim for axis in np.ravel(axes)]))


def _reduced_last(a: Value, axis: Axis) -> tuple[int, ...]:
    """Return the axes of ``a`` in the order in which those that a reduction goes over come last."""
    reduced = axes_of(a, axis)
    return (*(i for i in range(a.ndim) if i not in reduced), *reduced)


def in_rows(a: Value, axis: Axis) -> Value:
    """Return ``a`` with the entries that a reduction over ``axis`` makes one of in a row, the last axis."""
    order, reduced = _reduced_last(a, axis), axes_of(a, axis)
    moved = a if order == tuple(range(a.ndim)) else np.transpose(a, order)  # no node that changes nothing
    return moved if len(reduced) == 1 else moved.reshape((*moved.shape[: a.ndim - len(reduced)], count(a, axis)))


def from_rows(rows: Value, a: Value, axis: Axis) -> Value:
    """Return what ``in_rows(a, axis)`` gives in the axes of ``a`` again."""
    order = _reduced_last(a, axis)
    return np.transpose(rows.reshape([a.shape[i] for i in order]), inverse(order, a.ndim))


def count(a: Value, axis: Axis) -> int:
    """Return the number of entries that a reduction of ``a`` over ``axis`` makes one of."""
    return math.prod(a.shape[i] for i in axes_of(a, axis))
