"""Kinks: where a function has no one derivative, but a left and a right one, and anything between is a subgradient.

``max``, ``sort``, ``median`` and ``maximum`` where two entries are equal, ``abs`` and ``copysign`` at 0, ``where`` at
entries where both branches are equal, and ``Z * (Z > 0)`` where Z is 0. At such entries the arguments that the rules
see are moved to the one side, or to the other, so that the rules give the derivatives of both sides.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.tensor import Tensor

Moved = tuple[tuple[Any, ...], int]  # arguments, and at how many entries they were moved

_RELATIVE_STEP = 1e-9  # orders entries that are equal, and no others


def _of_two(side: int, a: Value, b: Value) -> Moved:
    tie = np.asarray(a == b)
    return (a + side * tie, b), int(np.sum(tie))


def _of_first(side: int, a: Value, *others: Value) -> Moved:
    tie = np.asarray(a == 0)
    return (a + side * tie, *others), int(np.sum(tie))


def _of_all(side: int, a: Value) -> Moved:
    """Return the moved argument of a function that orders: the first of equal entries wins, or the last."""
    counts = np.unique(a, return_counts=True)[1]
    order = np.arange(a.size).reshape(a.shape) / max(a.size, 1)
    return (a - side * _RELATIVE_STEP * order * (1 + np.abs(a)),), int(np.sum(counts[counts > 1]))


def _of_branches(side: int, c: Value, a: Value, b: Value) -> Moved:
    tie = np.asarray(a == b) & np.ones(np.shape(c), bool)
    return (np.where(tie, side > 0, c), a, b), int(np.sum(tie))


def _of_mask(side: int, a: Value, b: Value) -> Moved:
    """Return the moved factors of a product with the mask of one of them, another way to write a ReLU."""
    for z, m in ((a, b), (b, a)):
        if np.shape(z) == np.shape(m) and (np.array_equal(m, z > 0) or np.array_equal(m, z >= 0)):
            moved = np.where(z == 0, float(side > 0), m)
            return (((z, moved) if z is a else (moved, z)), int(np.sum(z == 0)))
    return (a, b), 0


_MOVES: dict[Any, Callable[..., Moved]] = {
    **dict.fromkeys((np.maximum, np.minimum, np.fmax, np.fmin), _of_two),
    **dict.fromkeys((np.absolute, np.fabs, np.copysign), _of_first),
    **dict.fromkeys((np.max, np.min, np.amax, np.amin, np.sort, np.median, np.quantile), _of_all),
    np.where: _of_branches,
    np.multiply: _of_mask,
}


def has_kink(node: Tensor) -> bool:
    """Return True if the derivative of a node's function jumps somewhere, so that noise must not move its arguments."""
    return node.function in _MOVES and node.function is not np.multiply


def moved(node: Tensor, args: tuple[Value, ...], side: int) -> Moved:
    """Return the arguments of a node on one side of the kinks they are at, and the number of entries at one."""
    move = _MOVES.get(node.function)
    return (args, 0) if move is None else move(side, *args)
