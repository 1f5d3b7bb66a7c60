"""Where the cost is wrong, and not the gradients: they are right for a cost that one operation makes another.

A row that meets a column makes a table, as does a matrix product of all labels with all outputs; a sum over rows
without keepdims is a row, not a column; a mean stands for a sum. Each such operation is exchanged for the likely one,
and the gradients are judged once more.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph

from .diagnosis import Wrong
from .kinds import Kind
from .replay import recorded_again
from .steps import Homework
from .wording import Finding

_USUAL, _DOUBTFUL, _ODD = range(3)  # how sure it is that an operation is not meant, before any gradient is seen
_MAX_NODES = 1_000  # of a graph that is recorded again
_MAX_EXCHANGED = 6  # operations, one by one
_BROADCAST = {np.add, np.subtract, np.multiply, np.divide}
_REDUCTIONS = {np.sum, np.mean, np.max, np.min, np.amax, np.amin}


class Suspect(NamedTuple):
    """An operation of the cost that is likely to be another: what computes that, and what is said."""

    node: Tensor
    other: Function
    words: str
    doubt: int = _ODD


def of_the_cost(homework: Homework, wrong: Wrong) -> tuple[Wrong, list[str]]:
    """Return what is wrong with the steps, one mistake where it is the cost, and what there is to say besides."""
    found = _suspects(homework)
    guilty = _culprits(homework, found)
    said = _listed(homework, guilty or [suspect for suspect in found if suspect.doubt == _ODD])
    if guilty and guilty[0].doubt > _USUAL:
        first, *others = wrong
        text = f"the gradients are right for another cost, so it is the cost that is likely wrong: {said}"
        return {first: ([Finding(Kind.COST, text)], set(others))}, []
    if guilty:
        return wrong, [f"all gradients given are right for another cost: {said}. Is it the cost that is wrong?"]
    return wrong, [f"the cost may be meant otherwise: {said}."] if said else []


def _listed(homework: Homework, suspects: list[Suspect]) -> str:
    """Return what is said of operations, those that are alike together."""
    places: dict[str, list[str]] = {}
    for suspect in suspects:
        places.setdefault(suspect.words, []).append(_place(homework, suspect.node))
    return "; ".join(f"in {', '.join(dict.fromkeys(where))}, {words}" for words, where in places.items())


def _place(homework: Homework, node: Tensor) -> str:
    """Return the name of the first named node that a node is computed for."""
    while node not in homework.graph.names:
        node = homework.graph.consumers[node][0]
    return homework.name(node)


def _suspects(homework: Homework) -> list[Suspect]:
    """Return what may be wrong with a cost, the oddest first."""
    nodes = [node for node in homework.graph.nodes if node.requires_grad and node.function is not None]
    if len(nodes) > _MAX_NODES:
        return []
    found = [suspect for node in nodes for look in (_table, _products, _row, _average) for suspect in look(node)]
    return sorted(found, key=lambda suspect: -suspect.doubt)


def _culprits(homework: Homework, found: list[Suspect]) -> list[Suspect]:
    """Return the suspects that explain all: alike ones together, or a single one; empty where none does."""
    count = Counter(suspect.words for suspect in found)
    alike = [[s for s in found if s.words == words] for words in sorted(count)]
    groups = alike + [[s] for s in found[:_MAX_EXCHANGED] if count[s.words] > 1]
    return next((group for group in groups if _all_right(homework, group)), [])


def _all_right(homework: Homework, group: list[Suspect]) -> bool:
    """Return True if all gradients are right for the cost with other operations."""
    with suppress(Exception):  # what is meant need not fit the rest
        copies = recorded_again(homework, homework.graph.nodes, {s.node: s.other for s in group})
        root = copies[homework.graph.root]
        other = Homework(Graph.of_cost(root), {copies[x]: a for x, a in homework.as_given.items()})
        return other.nearly_right() and not other.wrong
    return False


def _table(node: Tensor) -> Iterator[Suspect]:
    """Yield (m,) that meets (m, 1)."""
    f: Any = node.function
    shapes = sorted(map(np.shape, node.primals), key=len)
    if f in _BROADCAST and [len(shape) for shape in shapes] == [1, 2]:
        row, column = shapes
        if column == (*row, 1) != (1, 1):
            words = f"a row {row} meets a column {column}, which makes a table {node.shape} of every "
            words += "entry with every other; give both one shape"
            yield Suspect(node, lambda *args: f(*[np.reshape(a, row) for a in args]), words)


def _products(node: Tensor) -> Iterator[Suspect]:
    """Yield a matrix product of every column with every other, of which only those of equal number are meant."""
    if node.function is np.matmul and node.ndim == 2 and node.size > 1:
        a, b = map(np.shape, node.primals)
        if a == b[::-1]:
            words = f"a matrix product {a} @ {b} makes a table {node.shape} of every label with every output; an "
            words += "elementwise product (*) is meant"
            yield Suspect(node, lambda x, y: np.multiply(np.transpose(x), y), words, _DOUBTFUL)


def _row(node: Tensor) -> Iterator[Suspect]:
    """Yield a reduction over the last axis that meets a square array as a row."""
    f: Any = node.function
    pairs = zip(node.operands, node.primals[::-1], strict=True) if f in _BROADCAST else ()
    for x, other in pairs:
        if x is not None and _is_column(x) and np.shape(other) == (x.size, x.size):
            words = (
                f"what was reduced over axis 1 is used as a row {x.shape}, but is a column: keepdims=True is missing"
            )
            yield Suspect(node, lambda *args: f(*[a[:, None] if np.ndim(a) == 1 else a for a in args]), words)


def _is_column(x: Tensor) -> bool:
    reduced = x.function in _REDUCTIONS and x.ndim == 1
    return reduced and np.ndim(x.primals[0]) == 2 and x.options.get("axis") in (1, -1)


def _average(node: Tensor) -> Iterator[Suspect]:
    """Yield a mean for a sum over everything, and a sum for a mean."""
    if node.function in (np.sum, np.mean) and node.size == 1:
        now, other = ("np.mean", np.sum) if node.function is np.mean else ("np.sum", np.mean)
        words = f"it has {now} where np.{other.__name__} is meant"
        yield Suspect(node, lambda a: other(a, **node.options), words, _USUAL)
