"""Functions that the table of rules needs and NumPy does not have in this form: every array is an argument of its own.

On arrays they compute; on Tensors they record, as NumPy's functions do.
"""

from typing import Any

import numpy as np

from .arrays import Value
from .rules import dispatching


@dispatching
def identity(a: Value) -> Value:
    """Return a node of its own for the same value."""
    return a


@dispatching
def detach(a: Value) -> Value:
    """Return the same value, through which no gradient passes."""
    return a


@dispatching
def cast(a: Value, dtype: object) -> Value:
    """Return ``a`` in another dtype."""
    return a.astype(dtype)


@dispatching
def getitem(a: Value, *index: Value) -> Value:
    """``a[index]``."""
    return a[index]


@dispatching
def scatter(g: Value, *index: Value, shape: tuple[int, ...]) -> Value:
    """Zeros of ``shape`` with ``g`` added at ``index``: the adjoint of indexing."""
    out = np.zeros(shape, np.asarray(g).dtype)
    if any(isinstance(part, np.ndarray | list) for part in index):
        np.add.at(out, index, g)  # an entry taken twice gets both cotangents
    else:
        out[index] = g  # the same in less time
    return out


@dispatching
def concatenate(*arrays: Value, axis: int) -> Value:
    """``np.concatenate(arrays, axis)``."""
    return np.concatenate(arrays, axis)


@dispatching
def stack(*arrays: Value, axis: int) -> Value:
    """``np.stack(arrays, axis)``."""
    return np.stack(arrays, axis)


@dispatching
def einsum(*arrays: Value, subscripts: str, optimize: Any = False) -> Value:
    """``np.einsum(subscripts, *arrays)`` with subscripts written out: no ellipsis, no implied output."""
    return np.einsum(subscripts, *arrays, optimize=optimize)


@dispatching
def norm(a: Value, **options: Any) -> Value:
    """``np.linalg.norm(a, **options)`` of vectors."""
    return np.linalg.norm(a, **options)


@dispatching
def ratio(a: Value, b: Value) -> Value:
    """Return ``a / b``, and 0 where both are 0."""
    return a / np.where(b == 0, b.dtype.type(1), b)


@dispatching
def nowhere_zero(a: Value, undefined: str) -> Value:
    """Return a copy of what is divided by; where it is 0, ``undefined`` says what has no value."""
    if not np.all(a):
        raise ValueError(undefined)
    return +a


@dispatching
def others(a: Value) -> Value:
    """For every entry of the last axis the product of the others, exact where entries are 0 (no division).

    Pairs are multiplied, the pairs' others found in the same way, each half of a pair gets the other half: O(n).
    Exponents are kept apart, so that no product overflows that is not an answer.
    """

    def products(a: Value, power: Value) -> Value:
        if a.shape[-1] < 2:
            return np.ones_like(a), np.zeros_like(power)
        half = (a.shape[-1] + 1) // 2
        pad = [(0, 0)] * (a.ndim - 1) + [(0, a.shape[-1] % 2)]
        pairs, more = np.frexp(np.pad(a, pad, constant_values=1).reshape((*a.shape[:-1], half, 2)))
        powers = np.pad(power, pad).reshape(more.shape) + more
        rest, shift = products(pairs.prod(axis=-1), powers.sum(axis=-1))
        swapped = (rest[..., None] * pairs[..., ::-1], shift[..., None] + powers[..., ::-1])
        return tuple(part.reshape((*a.shape[:-1], 2 * half))[..., : a.shape[-1]] for part in swapped)

    return np.ldexp(*products(a, np.zeros(a.shape, int)))


@dispatching
def powers(x: Value, p: Value, q: Value, c: Value) -> Value:
    """Return xᵖ (1 - x)^q eᶜ, of which the densities of gamma and beta distributions are made, by its logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(p * np.log(np.where(p == 0, 1, x)) + q * np.log1p(np.where(q == 0, 0, -x)) + c)


@dispatching
def pad(a: Value, *, pad_width: Value, mode: Any = "constant") -> Value:
    """``np.pad`` with zeros or by a mode that repeats entries."""
    return np.pad(a, pad_width, mode)


@dispatching
def unique(ar: Value, *, part: int, **options: Any) -> Value:
    """Return where ``np.unique`` first finds each value (1), which one each entry has (2), and how many have it (3)."""
    return np.unique(ar, return_index=True, return_inverse=True, return_counts=True, **options)[part]


def array(a: Value, dtype: object = None, casting: Any = "unsafe") -> Value:
    """Return a number or sequence as an array; one that has Tensors in it, however deep, is stacked."""
    if dtype is not None:
        return array(a).astype(dtype, casting=casting)
    if hasattr(a, "__array_function__"):
        return a
    parts = [array(item) for item in a] if isinstance(a, list | tuple) else []
    return np.asarray(a) if all(type(part) is np.ndarray for part in parts) else np.stack(parts)
