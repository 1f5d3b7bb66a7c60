"""While a function is traced nothing large is computed: an ``Outline`` has the shape and dtype of an array, no entries.

``computed`` is what tracing calls in place of a function's implementation. NumPy itself says what shape and dtype a
result has: elementwise functions and matrix products are asked with one entry along each axis, others with arrays whose
entries are all the same number. Where that is not enough, as for the functions that a user has taught, the arrays are
computed after all, each once (``entries``).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.engine.node import reachable
from minigrad.engine.primitives import cast, getitem
from minigrad.engine.rules import Rule
from minigrad.engine.tensor import Tensor
from minigrad.text.expressions import Shape, broadcast_shapes, ours


class Outline(np.ndarray[Any, Any]):
    """The shape and dtype of an array. ``held`` are its entries, where they are known."""

    held: Any = None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            return _product(*args)
        if method == "__call__" and ufunc.signature is None and not options:
            return _elementwise(ufunc, args)
        return _outlined(getattr(ufunc, method)(*map(_plain, args), **options))


def outline(shape: Shape, dtype: Any, held: Any = None) -> Outline:
    """Return the outline of an array of a shape and a dtype."""
    made = np.ndarray.__new__(Outline, shape, dtype, _number(dtype), 0, (0,) * len(shape))
    if held is not None:
        made.held = held
    return made


def computed(rule: Rule, operands: Sequence[Tensor | None], primals: Sequence[Any], options: dict[str, Any]) -> Any:
    """Return the outline of what a function gives of the nodes and values that are its arguments.

    Raises TypeError where its shape depends on values.
    """
    if rule.varying_shape or (rule.function is getitem and any(_is_mask(x) for x in operands[1:])):
        raise TypeError(
            "the shape of the result depends on values, which differ from call to call; keep the shape and choose "
            "entries with np.where"
        )
    if rule.function is cast:
        return outline(primals[0].shape, np.dtype(primals[1]))
    if rule.elementwise:
        return _elementwise(rule.implementation, primals)
    if rule.function is np.matmul:
        return _product(*primals)
    if ours(rule.function):
        try:
            with np.errstate(all="ignore"):
                return _outlined(rule.implementation(*map(_plain, primals), **options))
        except Exception:  # it may be these numbers that it refuses
            pass
    values = [a if x is None else entries(x) for x, a in zip(operands, primals, strict=True)]
    result = rule.implementation(*values, **options)
    return outline(np.shape(result), result.dtype, result) if isinstance(result, np.ndarray | np.generic) else result


def entries(node: Tensor) -> Any:
    """Return the value of a node, computed of the values of its arguments."""

    def unknown(x: Tensor) -> Sequence[Tensor]:
        return x.inputs if isinstance(x._value, Outline) and x._value.held is None else ()

    for x in reachable([node], unknown):
        if unknown(x):
            assert x.rule is not None
            args = [a if y is None else _held(y._value) for y, a in zip(x.operands, x.primals, strict=True)]
            x._value.held = x.rule.implementation(*args, **x.options)
    return _held(node._value)


def _held(a: Any) -> Any:
    return a.held if isinstance(a, Outline) else a


def _is_mask(x: Tensor | None) -> bool:
    return x is not None and x.dtype.kind == "b"


def _elementwise(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    shapes = tuple([a.shape for a in args if isinstance(a, np.ndarray)])
    kinds: list[Any] = [getattr(a, "dtype", None) or type(a) for a in args]
    try:
        shape = broadcast_shapes(shapes)
    except ValueError:
        return function(*map(_plain, args))  # which says what does not fit
    made = [outline(shape, dtype) for dtype in _dtypes(function, *kinds)]
    return made[0] if len(made) == 1 else tuple(made)


@lru_cache
def _dtypes(function: Callable[..., Any], *kinds: Any) -> list[np.dtype[Any]]:
    """Return the dtypes of what an elementwise function gives of arrays, each by its dtype, and of Python's numbers."""
    with np.errstate(all="ignore"):
        results = function(*[_number(kind) if isinstance(kind, np.dtype) else kind(1) for kind in kinds])
    return [result.dtype for result in (results if type(results) is tuple else (results,))]


def _product(a: Any, b: Any) -> Any:
    """Return the outline of a @ b, asked with as few entries as NumPy needs to see whether the shapes fit."""
    a, b = _plain(a), _plain(b)
    result = np.matmul(a[..., :0, :] if a.ndim > 1 else a, b[..., :0] if b.ndim > 1 else b)
    batch = broadcast_shapes((a.shape[:-2], b.shape[:-2]))
    return outline((*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ())), result.dtype)


def _outlined(result: Any) -> Any:
    """Return the outline of what a function has computed of arrays whose entries mean nothing."""
    if isinstance(result, np.ndarray | np.generic):
        return outline(result.shape, result.dtype)
    return tuple(map(_outlined, result)) if type(result) is tuple else result


def _plain(a: Any) -> Any:
    """Return an outline as an array that repeats one number."""
    return a.view(np.ndarray) if isinstance(a, Outline) else a


@lru_cache
def _number(dtype: Any) -> Any:
    """Return an array of one number that most functions take: 1, and as a whole number, which may be an index, 0."""
    return np.full(1, dtype.kind == "f", dtype)
