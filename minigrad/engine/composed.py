"""Functions that are written in terms of others: np.clip is a maximum and a minimum, np.dot a product or a tensordot.

They need no derivative of their own: called on Tensors they run these lines of plain NumPy, which record.
"""

import itertools
from string import ascii_letters
from typing import Any

import numpy as np

from .arrays import INTEGERS, Value
from .axes import slab
from .primitives import array, concatenate, einsum, stack
from .rules import Function, Rule, define


def _clip(a: Value, a_min: Value = None, a_max: Value = None, *, min: Value = None, max: Value = None) -> Value:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _dot(a: Value, b: Value) -> Value:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return a @ b if np.ndim(b) <= 2 else np.tensordot(a, b, axes=(-1, -2))


def _inner(a: Value, b: Value) -> Value:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return a @ b if np.ndim(a) == np.ndim(b) == 1 else np.tensordot(a, b, axes=(-1, -1))  # which gives the same, longer


def concatenated(arrays: Value, axis: int | None = 0, dtype: object = None, casting: Any = "same_kind") -> Value:
    """``np.concatenate``, of arrays, Tensors and sequences of them."""
    if axis is not None and np.ndim(axis):
        raise TypeError("the arrays come in one list: np.concatenate([a, b])")
    parts = [array(a, dtype, casting) for a in arrays]
    parts = [np.ravel(part) for part in parts] if axis is None else parts
    return concatenate(*parts, axis=axis or 0)


def _stack(arrays: Value, axis: int = 0, dtype: object = None) -> Value:
    return stack(*[array(a, dtype) for a in arrays], axis=axis)


def split(a: Value, indices_or_sections: Value, axis: int = 0) -> list[Value]:
    """``np.split``."""
    if isinstance(indices_or_sections, INTEGERS) and a.shape[axis] % indices_or_sections:
        raise ValueError(
            f"np.split: axis {axis} of shape {a.shape} has no {indices_or_sections} equal parts; "
            f"np.array_split takes unequal ones"
        )
    return array_split(a, indices_or_sections, axis)


def array_split(a: Value, indices_or_sections: Value, axis: int = 0) -> list[Value]:
    """``np.array_split``."""
    if isinstance(indices_or_sections, INTEGERS):
        size, larger = divmod(a.shape[axis], int(indices_or_sections))
        edges = [i * size + min(i, larger) for i in range(int(indices_or_sections) + 1)]
    else:
        edges = [0, *map(int, indices_or_sections), a.shape[axis]]
    return [slab(a, axis, slice(i, j)) for i, j in itertools.pairwise(edges)]


def _vecdot(a: Value, b: Value, axis: int = -1) -> Value:
    a, b = (x if axis == -1 else np.moveaxis(x, axis, -1) for x in (a, b))  # no node that changes nothing
    return np.sum(a * b, axis=-1)


def _in_letters(*operands: Value) -> tuple[str, tuple[Value, ...]]:
    """Return the subscripts and the arrays of ``np.einsum(A, [0, 1], B, [1, 2], [0, 2])``."""
    letters = sorted(ascii_letters)  # in the order of the numbers, which is that of an implied output
    terms = ["".join("..." if i is ... else letters[i] for i in numbers) for numbers in operands[1::2]]
    output = [""] if len(operands) % 2 == 0 else ["->", *("..." if i is ... else letters[i] for i in operands[-1])]
    return ",".join(terms) + "".join(output), operands[: 2 * len(terms) : 2]


def _einsum(subscripts: Value, *arrays: Value, optimize: object = False) -> Value:
    """Write the subscripts out, as NumPy's documentation of einsum defines them."""
    if not isinstance(subscripts, str):
        subscripts, arrays = _in_letters(subscripts, *arrays)
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(
            f"np.einsum: {subscripts!r} has {len(terms)} terms for {len(arrays)} arrays; give one per array"
        )
    dots = [np.ndim(a) - len(t.replace("...", "")) if "..." in t else 0 for t, a in zip(terms, arrays, strict=True)]
    spare = "".join([c for c in ascii_letters if c not in subscripts][: max(dots)])
    terms = [t.replace("...", spare[len(spare) - n :]) for t, n in zip(terms, dots, strict=True)]
    output = output.replace("...", spare)
    if not arrow:
        used = "".join(terms)
        output = spare + "".join(sorted(c for c in set(used) if used.count(c) == 1 and c not in spare))
    written = f"{','.join(terms)}->{output}"
    return einsum(*arrays, subscripts=written, **({"optimize": optimize} if optimize else {}))


def compose(table: dict[Function, Function]) -> None:
    """Write the rows of functions that are run as lines of plain NumPy."""
    for function, lines in table.items():
        define(Rule(function, (), composed=lines))


_COMPOSED: dict[Function, Function] = {
    np.clip: _clip,
    np.dot: _dot,
    np.inner: _inner,
    np.einsum: _einsum,
    np.concatenate: concatenated,
    np.stack: _stack,
    np.split: split,
    np.array_split: array_split,
    np.copy: lambda a, order="K", subok=False: +a,
    np.divmod: lambda a, b: (a // b, a % b),
    np.modf: lambda a: (a - np.trunc(a), np.trunc(a)),
    np.vecdot: _vecdot,
    np.empty_like: lambda a, dtype=None, order="K", subok=True, shape=None, **device: np.empty(
        a.shape if shape is None else shape, dtype or a.dtype
    ),
}
if hasattr(np, "matvec"):  # NumPy 2.2
    _COMPOSED |= {
        np.matvec: lambda a, b: (a @ b[..., None])[..., 0],
        np.vecmat: lambda a, b: (a[..., None, :] @ b)[..., 0, :],
    }
compose(_COMPOSED)
