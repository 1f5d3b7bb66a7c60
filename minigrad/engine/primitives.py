"""Functions that the table of rules needs and NumPy does not have in this form: every array is an argument of its own.

On arrays they compute; on Tensors they record, as NumPy's functions do.
"""

import math
from typing import Any

import numpy as np

from .rules import dispatching

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dispatching
def identity(a: Any) -> Any:
    """Return a node of its own for the same value."""
    return a


@dispatching
def detach(a: Any) -> Any:
    """Return the same value, through which no gradient passes."""
    return a


@dispatching
def cast(a: Any, dtype: Any) -> Any:
    """Return ``a`` in another dtype."""
    return a.astype(dtype)


@dispatching
def getitem(a: Any, *index: Any) -> Any:
    """``a[index]``."""
    return a[index]


@dispatching
def scatter(g: Any, *index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``: the adjoint of indexing."""
    out = np.zeros(shape, g.dtype)
    if any(isinstance(part, np.ndarray | list) for part in index):
        np.add.at(out, index, g)  # an entry taken twice gets both cotangents
    else:
        out[index] = g
    return out


@dispatching
def concatenate(*arrays: Any, axis: int = 0) -> Any:
    """``np.concatenate(arrays, axis)``."""
    return np.concatenate(arrays, axis)


@dispatching
def stack(*arrays: Any, axis: int = 0) -> Any:
    """``np.stack(arrays, axis)``."""
    return np.stack(arrays, axis)


@dispatching
def einsum(*arrays: Any, subscripts: str, optimize: Any = False) -> Any:
    """``np.einsum(subscripts, *arrays)`` with subscripts written out: no ellipsis, no implied output."""
    return np.einsum(subscripts, *arrays, optimize=optimize)


def matmul(a: Any, b: Any) -> Any:
    """Return ``a @ b`` of plain arrays; for two matrices ``dot`` is the shorter way to the same product in BLAS."""
    return a.dot(b) if type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2 else a @ b


def slab(a: Any, axis: int, part: Any) -> Any:
    """Return ``a`` indexed by ``part`` along one axis."""
    return a[(slice(None),) * (axis % a.ndim) + (part,)]


def axes_of(a: Any, axis: Any) -> tuple[int, ...]:
    """Return the axes that ``axis=`` means for ``a``, counted from 0; a number has none, also for the axes 0 and -1."""
    if axis is None or a.ndim == 0:
        return tuple(range(a.ndim))
    return tuple(int(i) % a.ndim for i in (axis if isinstance(axis, tuple | list) else (axis,)))


def kept_shape(a: Any, axis: Any) -> tuple[int, ...]:
    """Return the shape of a reduction of ``a`` over ``axis`` with keepdims=True."""
    reduced = axes_of(a, axis)
    return tuple(1 if i in reduced else n for i, n in enumerate(a.shape))


def count(a: Any, axis: Any) -> int:
    """Return the number of entries that a reduction of ``a`` over ``axis`` makes one of."""
    return math.prod(a.shape[i] for i in axes_of(a, axis))
