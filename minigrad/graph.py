"""The vocabulary that the readings share: order, names, scopes, cost terms, and which term reaches which node.

A reading (picture, explanation, check, derivation) looks at the graph of one root through a ``Graph``: the nodes
oldest first, what each is called, which terms the root is a sum of, and for every node the terms that it has a path
to. Reachability is decided by the edges alone, never by a number: "no path" is a proof, not a gradient that happens to
be 0.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import repeat
from operator import attrgetter
from typing import Any

import numpy as np

from .engine.node import passes_gradient
from .engine.tensor import Tensor


def ancestors(root: Tensor) -> list[Tensor]:
    """Every node that ``root`` was computed from, constants and itself included, oldest first."""
    return between((), [root])


def between(known: Container[Tensor], roots: Iterable[Tensor]) -> list[Tensor]:
    """The nodes that ``roots`` were computed from, themselves included, but for those that are known and what these
    were computed from; oldest first.
    """
    seen = {root for root in roots if root not in known}
    stack = list(seen)
    while stack:
        for x in stack.pop().operands:
            if x is not None and x not in seen and x not in known:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=attrgetter("order"))


@dataclass(frozen=True)
class Term:
    """A summand of the root: ``root = Σ coefficient · node`` over its terms, up to constants."""

    name: str
    node: Tensor
    coefficient: float


class Graph:
    """The graph of ``root`` as the readings see it.

    ``names`` maps names to Tensors (``locals()`` will do: what is no Tensor, or not in the graph, is ignored); a name
    given with ``name=`` or ``.named`` wins. ``terms`` maps names to summands of the root, in place of their own names.

    Attributes: ``root``; ``nodes``, oldest first; ``names``, {node: name} for every named node, the root, the terms
    and the differentiable leaves ("leaf 1", ... where they have none); ``terms``, {name: Term}; ``reach``, {node:
    bits}, bit k set where a gradient of the k-th term arrives; ``consumers``, {node: nodes computed from it, oldest
    first}.

    Raises ValueError where one name is given to two nodes, or a given term is no summand of the root; TypeError where
    the root or a term is no Tensor.
    """

    def __init__(
        self, root: Tensor, names: Mapping[str, Any] | None = None, terms: Mapping[str, Tensor] | None = None
    ) -> None:
        for what, x in {"the root": root, **{f"term {name!r}": x for name, x in (terms or {}).items()}}.items():
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"{what} is a {type(x).__name__}, not a Tensor; a graph is recorded by computing on Tensors"
                )
        self.root = root
        self.nodes = ancestors(root)
        self.names = self._given_names(names or {})
        self.terms = self._find_terms(terms or {})
        self._name_the_rest()
        self.by_name = {name: node for node, name in self.names.items()}
        self.reach = self._find_reach()

    @cached_property
    def consumers(self) -> dict[Tensor, list[Tensor]]:
        consumers: dict[Tensor, list[Tensor]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                if operand is not None:
                    users = consumers[operand]
                    if not users or users[-1] is not node:
                        users.append(node)
        return consumers

    def _given_names(self, mapping: Mapping[str, Any]) -> dict[Tensor, str]:
        found = {node: node.name for node in self.nodes if node.name}
        nodes = set(self.nodes) if mapping else ()
        for name, x in mapping.items():
            if isinstance(x, Tensor) and x in nodes and x not in found:
                found[x] = name
        owner: dict[str, Tensor] = {}
        for node in sorted(found, key=attrgetter("order")):
            other = owner.setdefault(found[node], node)
            if other is not node:
                raise ValueError(
                    f"two nodes are called {found[node]!r}: {node_in_words(other)}, and {node_in_words(node)}; "
                    f"give one of them another name (.named, or names={{...}})"
                )
        return found

    def _find_terms(self, given: Mapping[str, Tensor]) -> dict[str, Term]:
        """Follow the root down through +, -, negation and constant factors; a named summand is not split further."""
        if not self.root.requires_grad:
            return {}
        called = {x: name for name, x in given.items()}
        coefficients: dict[Tensor, float] = {}
        pending, heap = {self.root: 1.0}, [(-self.root.order, self.root)]
        while heap:  # newest first, so that a summand is split once, when all its uses have been seen
            summand = heappop(heap)[1]
            coefficient = pending.pop(summand)
            node, factor, parts = self._split(summand, called)
            if not parts:
                coefficients[node] = coefficients.get(node, 0.0) + coefficient * factor
            for x, c in parts:
                if x not in pending:
                    heappush(heap, (-x.order, x))
                pending[x] = pending.get(x, 0.0) + coefficient * factor * c
        missing = [name for name, x in given.items() if x not in coefficients]
        if missing:
            raise ValueError(
                f"{' and '.join(map(repr, missing))} of terms= is no summand of "
                f"{self.names.get(self.root, 'the root')}: it must be added to it, with a constant factor at most"
            )
        ordered = [*called, *sorted((n for n in coefficients if n not in called), key=attrgetter("order"))]
        return {term.name: term for term in self._named_terms(ordered, called, coefficients)}

    def _split(self, summand: Tensor, called: Mapping[Tensor, str]) -> tuple[Tensor, float, list[tuple[Tensor, float]]]:
        """The node that a summand is a constant factor times, that factor, and the parts that the node is a sum of.

        Without parts the node is a term: a named one, or the summand as a whole.
        """
        node, factor = summand, 1.0
        while node not in called and (node is self.root or node not in self.names):
            parts = _summands(node) if self.root.size == 1 else None
            if parts is None:
                return summand, 1.0, []
            if len(parts) > 1:
                return node, factor, parts
            node, factor = parts[0][0], factor * parts[0][1]
        return node, factor, []

    def _named_terms(
        self, nodes: list[Tensor], called: dict[Tensor, str], coefficients: dict[Tensor, float]
    ) -> list[Term]:
        taken = {*called.values(), *self.names.values()}
        fresh = (f"term {i}" for i in range(1, len(nodes) + len(taken) + 1) if f"term {i}" not in taken)
        if len(nodes) == 1 and nodes[0] is self.root:
            called = {self.root: self.names.get(self.root, "output"), **called}
        return [Term(called.get(n) or self.names.get(n) or next(fresh), n, coefficients[n]) for n in nodes]

    def _name_the_rest(self) -> None:
        for term in self.terms.values():
            self.names.setdefault(term.node, term.name)
        self.names.setdefault(self.root, "output")
        taken = set(self.names.values())
        leaves = [x for x in self.nodes if x.function is None and x.requires_grad and x not in self.names]
        fresh = (f"leaf {i}" for i in range(1, len(leaves) + len(taken) + 1) if f"leaf {i}" not in taken)
        self.names.update(zip(leaves, fresh, strict=False))

    def _find_reach(self) -> dict[Tensor, int]:
        reach = dict.fromkeys(self.nodes, 0)
        for bit, term in enumerate(self.terms.values()):
            reach[term.node] |= 1 << bit
        for node in reversed(self.nodes):
            bits = reach[node]
            if bits:
                flags = passes_gradient(node) if node.rule is not None and node.rule.gaps else repeat(True)
                for x, passes in zip(node.operands, flags, strict=False):
                    if passes and x is not None and x.requires_grad:
                        reach[x] |= bits
        return reach

    def terms_of(self, bits: int) -> list[str]:
        """The names of the terms of a set of bits, as in ``reach``."""
        return [name for k, name in enumerate(self.terms) if bits >> k & 1]

    def reaches(self, node: Tensor, term: str) -> bool:
        """Whether a path leads from ``node`` to the term, so that the term sends a gradient to it."""
        return bool(self.reach[node] >> list(self.terms).index(term) & 1)

    def seeds(self, term: str) -> dict[Tensor, Any]:
        """The cotangent that a reverse walk of one term starts with: its coefficient in the root."""
        t = self.terms[term]
        return {t.node: np.full(t.node.shape, t.coefficient, t.node.dtype)[()]}

    def scope(self, node: Tensor) -> tuple[str, ...]:
        """The scope that a node belongs to: its own, or for a learned leaf made outside all scopes that of its use.

        A leaf that more than two scopes use belongs to what they have in common.
        """
        if node.scope or node.function is not None or not node.requires_grad:
            return node.scope
        used = list(dict.fromkeys(y.scope for y in self.consumers[node] if y.scope))
        if len(used) <= 2:
            return used[0] if used else ()
        common = used[0]
        for path in used[1:]:
            common = common[
                : next((i for i, (a, b) in enumerate(zip(common, path, strict=False)) if a != b), len(path))
            ]
        return common


def _summands(node: Tensor) -> list[tuple[Tensor, float]] | None:
    """The differentiable summands of a node with their constant factors; None where it is no such sum."""
    passing = [
        (x, i)
        for i, (x, ok) in enumerate(zip(node.operands, passes_gradient(node), strict=False))
        if ok and x is not None
    ]
    match node.function, passing:
        case np.add, [_, *_]:
            return [(x, 1.0) for x, _ in passing]
        case np.subtract, [_, *_]:
            return [(x, -1.0 if i else 1.0) for x, i in passing]
        case np.negative, [(x, _)]:
            return [(x, -1.0)]
        case np.multiply, [(x, i)]:
            return [(x, _number(node.primals[1 - i]))]
        case np.divide, [(x, 0)]:
            return [(x, float(np.divide(1.0, _number(node.primals[1]))))]
    return None


def _number(a: Any) -> float:
    return float(np.asarray(a).reshape(()))


def node_in_words(node: Tensor) -> str:
    """A node without its name, as errors give it: what made it, shape, dtype."""
    made = "a leaf" if node.function is None else f"the result of {node.op}"
    return f"{made} {node.shape} {node.dtype}"


def printable(text: str, limit: int = 60) -> str:
    """A name as harmless text of one line: what a terminal would obey or reorder is escaped, a long one shortened.

    >>> printable("W\\n\\x1b[31m1"), printable("W" * 10_000, limit=8)
    ('W\\\\n\\\\x1b[31m1', 'WWWWWWW…')
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)
