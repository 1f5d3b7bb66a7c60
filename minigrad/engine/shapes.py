"""Functions that choose, move, repeat, pad and join entries: linear maps whose rule follows from where entries go.

Most are one family: run on the numbers of the entries such a function tells where each went, and its derivative adds
each cotangent to the entry that it came from. Those that a reader knows by name have a row, the others are composed.
"""

import functools
import math
from typing import Any

import numpy as np

from .arrays import Value, frozen
from .axes import slab
from .composed import compose, concatenated
from .primitives import array, cast, concatenate, getitem, pad, scatter
from .rules import RULES, Function
from .vjps import row

_row = functools.partial(row, linear=1)


# --- one array, whose entries are chosen ------------------------------------------------------------------------------


def _selection(function: Function, **facts: object) -> None:
    """Write the row of a function that moves or repeats the entries of an array, and leaves 0 elsewhere."""
    _row(function, functools.partial(_put_back, function), **facts)


def _put_back(function: Function, g: Value, y: Value, a: Value, **options: object) -> Value:
    numbers = function(np.arange(1, a.size + 1).reshape(a.shape), **options)  # 0 is no entry
    return scatter(np.ravel(g), np.ravel(numbers), shape=(a.size + 1,))[1:].reshape(a.shape)


def _unpadded(g: Value, y: Value, a: Value, pad_width: Value, mode: Any = "constant") -> Value:
    """Cut off the zeros around the entries; what was copied from an entry is added to it."""
    if mode != "constant" or isinstance(pad_width, dict):
        return _put_back(pad, g, y, a, pad_width=pad_width, mode=mode)
    before = np.broadcast_to(pad_width, (a.ndim, 2))[:, 0].tolist()
    return g[tuple(slice(start, start + n) for start, n in zip(before, a.shape, strict=True))]


def _trace(g: Value, y: Value, a: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    diagonal = np.eye(a.shape[axis1], a.shape[axis2], offset, dtype=a.dtype)
    if a.ndim == 2 and axis1 % 2 == 0:
        return g * diagonal
    return np.moveaxis(np.reshape(g, (*g.shape, 1, 1)) * diagonal, (-2, -1), (axis1, axis2))


_row(np.roll, lambda g, y, a, shift, axis=None: np.roll(g, np.negative(shift).tolist(), axis))
_row(np.rot90, lambda g, y, m, k=1, axes=(0, 1): np.rot90(g, -k, axes), view=True)
_row(np.tril, lambda g, y, m, k=0: np.tril(g, k))
_row(np.triu, lambda g, y, m, k=0: np.triu(g, k))
_row(np.trace, _trace)
for _view in (np.diagonal, np.diag):
    _selection(_view, view=True)
_selection(np.lib.stride_tricks.sliding_window_view, view=True)
for _copy in (np.diagflat, np.repeat, np.tile, np.resize):
    _selection(_copy)
_row(pad, _unpadded)


def _in_order(a: Value, shape: Value, order: str = "C", copy: Value = None) -> Value:
    """Reshape with the first axis as the fastest for order="F": that is reshaping the transpose."""
    if order not in ("C", "F"):
        raise TypeError(f"order={order!r} goes by the layout in memory; take 'C' or 'F'")
    if order == "C":
        return np.reshape(a, shape)
    return np.reshape(np.transpose(a), shape[::-1] if isinstance(shape, tuple | list) else shape).T


RULES[np.reshape].general = _in_order
RULES[np.ravel].general = lambda a, order="C": _in_order(a, -1, order)


# --- where entries are taken from, put in, or left out ----------------------------------------------------------------


def _flat(a: Value, axis: int | None) -> tuple[Value, int]:
    """Return an array and the axis that a function goes along: for None that of all entries in a row."""
    return (np.ravel(a), 0) if axis is None else (array(a), axis)


def _take(a: Value, indices: Value, axis: int | None = None, mode: str = "raise") -> Value:
    a, axis = _flat(a, axis)
    n, indices = a.shape[axis], array(indices)
    if mode != "raise":
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return getitem(a, *(slice(None),) * (axis % a.ndim), indices)


def _compress(condition: Value, a: Value, axis: int | None = None) -> Value:
    a, axis = _flat(a, axis)
    return slab(a, axis, np.flatnonzero(condition))


def _delete(arr: Value, obj: Value, axis: int | None = None) -> Value:
    a, axis = _flat(arr, axis)
    return slab(a, axis, np.delete(np.arange(a.shape[axis]), obj))


def _insert(arr: Value, obj: Value, values: Value, axis: int | None = None) -> Value:
    """Insert the numbers of the new entries between those of the old ones: they say which entry comes where."""
    a, axis = _flat(arr, axis)
    new = array(values)
    old_numbers, new_numbers = (np.arange(x.size).reshape(x.shape) for x in (a, new))
    places = np.insert(old_numbers, obj, a.size + new_numbers, axis=axis)
    return concatenate(np.ravel(a), cast(np.ravel(new), a.dtype), axis=0)[places]


def _select(condlist: Value, choicelist: Value, default: Value = 0) -> Value:
    chosen = default
    for condition, choice in reversed([*zip(condlist, choicelist, strict=True)]):
        chosen = np.where(condition, choice, chosen)
    return chosen


def _choose(a: Value, choices: Value, mode: str = "raise") -> Value:
    a, choices = array(a), [*choices]
    if mode != "raise":
        a = a % len(choices) if mode == "wrap" else np.clip(a, 0, len(choices) - 1)
    elif np.any((a < 0) | (a >= len(choices))):
        raise ValueError(f"an index is none of the {len(choices)} choices; mode='wrap' or 'clip' takes it as one")
    chosen = _select([a == i for i in range(1, len(choices))], choices[1:], choices[0])
    return np.broadcast_to(chosen, np.broadcast_shapes(np.shape(chosen), np.shape(a)))


_STATISTICS: dict[Any, Function] = {"mean": np.mean, "maximum": np.max, "minimum": np.min, "median": np.median}


def _pad(array: Value, pad_width: Value, mode: Any = "constant", **options: Any) -> Value:
    """Pad by moving entries, which a ramp weights; what does not depend on them is added."""
    odd, width = options.get("reflect_type") == "odd", frozen(pad_width)
    if mode in _STATISTICS:
        return _pad_by(_STATISTICS[mode], array, pad_width, **options)
    if odd or mode not in ("constant", "empty", "edge", "reflect", "symmetric", "wrap", "linear_ramp"):
        raise TypeError(f"mode={mode!r} {'with an odd reflection ' * odd}is not recorded; np.concatenate joins parts")
    zeros = np.zeros(array.shape, array.dtype)
    if mode == "linear_ramp":
        padded = pad(array, pad_width=width, mode="edge") * np.pad(zeros + 1, pad_width, mode)
    else:
        padded = pad(array, pad_width=width, **({} if mode in ("constant", "empty") else {"mode": mode}))
    if np.any(options.get("constant_values", options.get("end_values", 0))):
        padded = padded + np.pad(zeros, pad_width, mode, **options)
    return padded


def _pad_by(statistic: Function, a: Value, pad_width: Value, stat_length: Value = None) -> Value:
    """Pad axis after axis by a statistic of the entries at each end, or of so many of them."""
    sizes = np.broadcast_to(pad_width, (a.ndim, 2)).tolist()
    lengths = np.broadcast_to(np.asarray(stat_length, object), (a.ndim, 2))
    for axis, ((before, after), of_axis) in enumerate(zip(sizes, lengths, strict=True)):
        n = a.shape[axis]
        first, last = (min(length or n, n) for length in of_axis)
        start = np.repeat(statistic(slab(a, axis, slice(first)), axis=axis, keepdims=True), before, axis)
        end = np.repeat(statistic(slab(a, axis, slice(n - last, n)), axis=axis, keepdims=True), after, axis)
        a = concatenate(start, a, end, axis=axis)
    return a


# --- several arrays ---------------------------------------------------------------------------------------------------


def _block(arrays: Value) -> Value:
    def depth_of(item: Value) -> int:
        return 1 + max(map(depth_of, item), default=0) if isinstance(item, list) else 0

    def leaves(item: Value) -> Value:
        return [leaf for part in item for leaf in leaves(part)] if isinstance(item, list) else [item]

    depth = depth_of(arrays)
    ndim = max(depth, *map(np.ndim, leaves(arrays)))

    def joined(item: Value, axis: int) -> Value:
        if isinstance(item, list):
            return concatenated([joined(part, axis + 1) for part in item], axis)
        a = array(item)
        return a.reshape((1,) * (ndim - a.ndim) + a.shape)

    return joined(arrays, -depth)


def _broadcast_arrays(*args: Value, subok: bool = False) -> Value:
    arrays = [array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple(np.broadcast_to(a, shape) for a in arrays)


def _meshgrid(*xi: Value, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Value:
    ndim = len(xi)
    grid = [np.reshape(x, (1,) * i + (-1,) + (1,) * (ndim - 1 - i)) for i, x in enumerate(xi)]
    if indexing == "xy" and ndim > 1:
        grid = [np.swapaxes(x, 0, 1) for x in grid]
    return tuple(grid) if sparse else _broadcast_arrays(*grid)


def _kron(a: Value, b: Value) -> Value:
    a, b = array(a), array(b)
    ndim = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    spread_a = [m for n in of_a for m in (n, 1)]
    spread_b = [m for n in of_b for m in (1, n)]
    return (a.reshape(spread_a) * b.reshape(spread_b)).reshape([n * m for n, m in zip(of_a, of_b, strict=True)])


def _vander(x: Value, N: int | None = None, increasing: bool = False) -> Value:
    powers = np.arange(len(x) if N is None else N)
    if np.ndim(x) != 1:
        raise ValueError(f"an array of shape {np.shape(x)} has no Vandermonde matrix; give numbers in a row")
    return array(x)[:, None] ** (powers if increasing else powers[::-1])


def _apply_along_axis(func1d: Function, axis: int, arr: Value, *args: Value, **kwargs: object) -> Value:
    rows, first = np.moveaxis(array(arr), axis, -1), axis % np.ndim(arr)
    in_line = rows.reshape((math.prod(rows.shape[:-1]), rows.shape[-1]))
    results = np.stack([array(func1d(row, *args, **kwargs)) for row in in_line])
    y = results.reshape(rows.shape[:-1] + results.shape[1:])
    return np.moveaxis(y, range(rows.ndim - 1, y.ndim), range(first, first + results.ndim - 1))


def _no_writing(*args: Value, **options: object) -> Value:
    raise TypeError(
        "it writes into an array, which cannot be recorded; np.where(mask, new, t) gives an array with other entries"
    )


compose(
    {
        np.take: _take,
        np.compress: _compress,
        np.extract: lambda condition, arr: _compress(np.ravel(condition), arr),
        np.delete: _delete,
        np.insert: _insert,
        np.select: _select,
        np.choose: _choose,
        np.pad: _pad,
        np.column_stack: lambda tup: concatenated([a if np.ndim(a) > 1 else np.atleast_2d(a).T for a in tup], 1),
        np.block: _block,
        np.broadcast_arrays: _broadcast_arrays,
        np.meshgrid: _meshgrid,
        np.kron: _kron,
        np.vander: _vander,
        np.apply_along_axis: _apply_along_axis,
        np.result_type: lambda *args: np.result_type(*(getattr(a, "dtype", a) for a in args)),
        np.astype: lambda x, dtype, copy=True: x.astype(dtype),
        np.array: lambda object, dtype=None, **options: array(object, dtype),
        np.asarray: lambda a, dtype=None, **options: array(a, dtype),
        **dict.fromkeys((np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal, np.copyto), _no_writing),
    }
)
if hasattr(np, "unstack"):  # NumPy 2.1
    compose({np.unstack: lambda x, axis=0: tuple(slab(x, axis, i) for i in range(x.shape[axis]))})
