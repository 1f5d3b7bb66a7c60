"""The vocabulary that the readings share: names, scopes, cost terms, reach, paths, and the cotangents of each term.

A reading (picture, explanation, check, derivation) looks at the graph of one root through a ``Graph``: the nodes
oldest first, what each is called, which terms the root is a sum of, and for every node the terms that it has a path
to. Reachability is decided by the edges alone, never by a number: "no path" is a proof, not a gradient that happens to
be 0.
"""

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from heapq import heappop, heappush
from itertools import count, takewhile
from operator import attrgetter, or_
from typing import Any, NamedTuple

import numpy as np

from .engine.arrays import Array, Value
from .engine.node import ancestors, passes_gradient, reachable
from .engine.reverse import walk
from .engine.scope import entries
from .engine.tensor import Tensor

MAX_TRAILS = 3  # the others are counted
MAX_PATH_COUNT = 10**100
MAX_UNNAMED_TERMS = 12

_FLOAT32_ROUNDING = 1e-5  # of a sum


def sends_to(node: Tensor) -> list[Tensor]:
    """Return what a node passes its gradient on to, once per use."""
    if node.rule is not None and node.rule.gaps:
        return [x for x, ok in zip(node.operands, passes_gradient(node), strict=False) if ok and x is not None]
    return [x for x in node.operands if x is not None and x.requires_grad] if node.requires_grad else []


@dataclass(frozen=True)
class Term:
    """A summand of the root: ``root = Σ coefficient · node`` over its terms, up to numbers."""

    name: str
    node: Tensor
    coefficient: float


class Trail(NamedTuple):
    """A path as the named nodes along it, nearest first; ``length`` is their number."""

    length: int
    node: Tensor
    rest: "Trail | None"

    def nodes(self) -> list[Tensor]:
        """Return the nodes along the path, the term last."""
        nodes: list[Tensor] = []
        trail: Trail | None = self
        while trail is not None:
            nodes.append(trail.node)
            trail = trail.rest
        return nodes


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
        self, root: Tensor, names: Mapping[str, object] | None = None, terms: Mapping[str, Tensor] | None = None
    ) -> None:
        _check_arguments(root, names or {}, terms or {})
        self.root = root
        self.nodes = ancestors([root])
        self._nodes = set(self.nodes)
        self._leaf_values = self._values_of_leaves()
        self._mapping = names or {}
        self.names = self._given_names(names or {}, terms or {})
        self.terms = self._find_terms(terms or {})
        self._name_the_rest()
        self.by_name |= {name: node for node, name in self.names.items()}
        self.reach = self._find_reach()
        self._cotangents: dict[str, Mapping[Tensor, Value]] = {}
        self._paths: dict[str, Mapping[Tensor, tuple[int, list[Trail]]]] = {}

    def name_of_array(self, a: Array) -> str | None:
        """Return what ``names`` calls a plain array that entered the computation, found by its values."""
        return self._arrays.get(_key(a))

    @cached_property
    def _arrays(self) -> dict[Any, str]:
        given = [(name, a) for name, a, _ in entries(self._mapping) if isinstance(a, np.ndarray) and a.ndim]
        return {_key(a): name for name, a in reversed(given) if a.dtype.kind in "biuf" and a.shape in self._shapes}

    @cached_property
    def _shapes(self) -> set[tuple[int, ...]]:
        """The shapes of the plain arrays that entered the computation."""
        pairs = (pair for node in self.nodes for pair in zip(node.operands, node.primals, strict=True))
        return {a.shape for x, a in pairs if x is None and isinstance(a, np.ndarray)}

    @classmethod
    def of_cost(
        cls, J: Tensor, names: Mapping[str, object] | None = None, terms: Mapping[str, Tensor] | None = None
    ) -> "Graph":
        """Return the graph of a cost, which must be a scalar that depends on a leaf.

        Raises
        ------
        TypeError
            Where ``J`` or a term is no Tensor.
        ValueError
            Where ``J`` has more than one entry or depends on no leaf with a gradient, and as for every Graph.
        """
        _check_arguments(J, names or {}, terms or {})
        if J.size != 1:
            raise ValueError(
                f"{J.describe()} is no scalar: a cost must be a scalar that depends on a leaf; reduce it, such as "
                f"np.sum(...) or np.mean(...)"
            )
        if not J.requires_grad:
            leaves = [x.describe() for x in ancestors([J]) if x.function is None]
            some = ", ".join(leaves[:5]) + (" and more" if len(leaves) > 5 else "")
            raise ValueError(
                f"{J.describe()} needs no gradient: it is computed from constants alone ({some}), or in mg.no_grad; a "
                f"cost must be a scalar that depends on a leaf, which is made with mg.Tensor(data)"
            )
        return cls(J, names, terms)

    @cached_property
    def consumers(self) -> dict[Tensor, list[Tensor]]:
        """{node: the nodes computed from it, oldest first}."""
        consumers: dict[Tensor, list[Tensor]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                if operand is not None:
                    users = consumers[operand]
                    if not users or users[-1] is not node:
                        users.append(node)
        return consumers

    def _given_names(self, mapping: Mapping[str, object], terms: Mapping[str, Tensor]) -> dict[Tensor, str]:
        """Return {node: name}; the name of a given term wins over a name of its own, and that over the mapping's.

        What nothing else names is called by the variable that a scope's block assigned it to.
        """
        nodes = self._nodes
        own = {node: node.name for node in self.nodes if node.name} | {x: n for n, x in terms.items() if x in nodes}
        direct, inside = _names_in(mapping, nodes)
        found = {**direct, **own}
        owner: dict[str, Tensor] = {}
        for node in sorted(found, key=attrgetter("order")):
            other = owner.setdefault(found[node], node)
            if other is not node:
                raise ValueError(
                    f"two nodes are called {found[node]!r}: {node_in_words(other)}, and {node_in_words(node)}; "
                    f"give one of them another name (.named, or names={{...}})"
                )
        found |= {x: name for x, name in inside.items() if x not in own and owner.setdefault(name, x) is x}
        found |= self._assigned_names({x: found[x] for x in self.nodes if x in found}, own)
        self.by_name = owner
        return found

    def _assigned_names(self, found: Mapping[Tensor, str], own: Container[Tensor]) -> dict[Tensor, str]:
        """Return {node: name} of what the blocks of scopes assigned, with the scope's name where one is not enough."""
        scopes = {id(x.scope[-1]): x.scope[-1] for x in self.nodes if x.scope}
        assigned = {
            x: (variable, scope)
            for scope in scopes.values()
            for variable, x in getattr(scope, "assigned", {}).items()
            if x not in own and x in self._nodes and found.get(x, variable) == variable
        }
        uses = Counter([variable for variable, _ in assigned.values()])
        uses.update({name for x, name in found.items() if x not in assigned})
        names: dict[Tensor, str] = {}
        taken = {name for x, name in found.items() if x not in assigned}
        for x in sorted(assigned, key=attrgetter("order")):
            variable, scope = assigned[x]
            called = variable if uses[variable] == 1 else f"{scope}.{variable}"
            names[x] = called if called not in taken else next(_fresh(called, taken))
            taken.add(names[x])
        return names

    def _find_terms(self, given: Mapping[str, Tensor]) -> dict[str, Term]:
        """Follow the root down through +, -, negation and constant factors; a named summand is not split further."""
        if not self.root.requires_grad:
            return {}
        called = {x: name for name, x in given.items()}
        if len(called) < len(given):
            twice = next(name for name, x in given.items() if called[x] != name)
            raise ValueError(f"terms= gives one node two names, {twice!r} and {called[given[twice]]!r}; leave one out")
        coefficients: dict[Tensor, float] = {}
        pending, heap = {self.root: 1.0}, [(-self.root.order, self.root)]
        unnamed: dict[Tensor, int] = {}  # how many summands without a name a summand is the sum of, 0 where one has one
        sums: dict[Tensor, list[Tensor]] = {}
        while heap:  # newest first, so that a summand is split once, when all its uses have been seen
            summand = heappop(heap)[1]
            coefficient = pending.pop(summand)
            node, factor, parts = self._split(summand, called)
            sums[summand] = [x for x, _ in parts]
            if not parts:
                unnamed[summand] = int(node not in self.names)
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
        crowds = self._crowds(sums, unnamed) if len(coefficients) > MAX_UNNAMED_TERMS else {}
        if crowds and not crowds.items() <= given.items():
            return self._find_terms({**given, **crowds})
        others = sorted((n for n in coefficients if n not in called), key=lambda n: (not n.requires_grad, n.order))
        ordered = [*called, *others]
        return {term.name: term for term in self._named_terms(ordered, called, coefficients)}

    def _crowds(self, sums: dict[Tensor, list[Tensor]], unnamed: dict[Tensor, int]) -> dict[str, Tensor]:
        """Return the sums of many summands without names, as of a loop over samples, that are one term each."""
        for node in reversed(sums):
            if sums[node]:
                below = [unnamed[x] for x in sums[node]]
                unnamed[node] = min(sum(below), MAX_PATH_COUNT) if all(below) else 0
        crowds: dict[str, Tensor] = {}
        for node in reachable([self.root], lambda x: [] if unnamed[x] > MAX_UNNAMED_TERMS else sums[x]):
            if unnamed[node] > MAX_UNNAMED_TERMS:
                name = f"{unnamed[node]:,} summands"
                crowds[name if name not in crowds else next(_fresh(name, crowds))] = node
        return crowds

    def _split(self, summand: Tensor, called: Mapping[Tensor, str]) -> tuple[Tensor, float, list[tuple[Tensor, float]]]:
        """Return the node of which a summand is a multiple, the constant factor, and the summands of the node.

        Without parts the node is a term: a named one, or the summand as a whole.
        """
        node, factor = summand, 1.0
        while node not in called and (node is self.root or node not in self.names):
            parts = self._summands(node, called) if self.root.size == 1 else None
            if parts is None:
                return summand, 1.0, []
            if len(parts) > 1:
                return node, factor, parts
            node, factor = parts[0][0], factor * parts[0][1]
        return node, factor, []

    def _summands(self, node: Tensor, called: Container[Tensor]) -> list[tuple[Tensor, float]] | None:
        """Return the summands of a node with their constant factors; None where it is no sum.

        What needs no gradient is a summand too, unless it is a leaf that is no term by name: an offset.
        """
        sent = set(sends_to(node))
        parts = [
            (x, i)
            for i, x in enumerate(node.operands)
            if x is not None and (x in sent or x.function is not None or x.source is not None or x in called)
        ]
        if node.function in (np.multiply, np.divide) and len(parts) > 1:  # a factor has no name, or no gradient
            parts = [(x, i) for x, i in parts if x in sent] or [(x, i) for x, i in parts if x in self.names]
        match node.function, parts:
            case np.add, [_, *_]:
                return [(x, 1.0) for x, _ in parts]
            case np.subtract, [_, *_]:
                return [(x, -1.0 if i else 1.0) for x, i in parts]
            case np.negative, [(x, _)]:
                return [(x, -1.0)]
            case np.multiply, [(x, i)]:
                return [(x, _number(node.primals[1 - i]))]
            case np.divide, [(x, 0)]:
                return [(x, float(np.divide(1.0, _number(node.primals[1]))))]
        return None

    def _named_terms(
        self, nodes: list[Tensor], called: dict[Tensor, str], coefficients: dict[Tensor, float]
    ) -> list[Term]:
        taken = set(self.names.values())
        fresh = {True: _fresh("term", taken), False: _fresh("constant term", taken)}
        if len(nodes) == 1 and nodes[0] is self.root:
            called = {self.root: self.names.get(self.root, "output"), **called}
        names = (called.get(n) or self.names.get(n) or next(fresh[n.requires_grad]) for n in nodes)
        return [Term(name, n, coefficients[n]) for name, n in zip(names, nodes, strict=True)]

    def _name_the_rest(self) -> None:
        for term in self.terms.values():
            self.names.setdefault(term.node, term.name)
        self.names.setdefault(self.root, "output")
        leaves = [x for x in self.nodes if x.function is None and x.requires_grad and x not in self.names]
        self.names.update(zip(leaves, _fresh("leaf", set(self.names.values())), strict=False))

    def _find_reach(self) -> dict[Tensor, int]:
        reach = dict.fromkeys(self.nodes, 0)
        for bit, term in enumerate(self.terms.values()):
            if term.node.requires_grad:
                reach[term.node] |= 1 << bit
        for node in reversed(self.nodes):
            bits = reach[node]
            if bits:
                for x in sends_to(node):
                    reach[x] |= bits
        return reach

    # --- terms and their gradients -----------------------------------------------------------------------------------

    def terms_of(self, bits: int) -> list[str]:
        """Return the names of the terms of a set of bits, as in ``reach``."""
        return [self._term_names[k] for k in places(bits)]

    @cached_property
    def _term_names(self) -> list[str]:
        return list(self.terms)

    def reaches(self, node: Tensor, term: str) -> bool:
        """Return whether a path leads from ``node`` to the term, so that the term sends a gradient to it."""
        return bool(self.reach.get(node, 0) >> list(self.terms).index(term) & 1)

    @cached_property
    def adds_up(self) -> dict[Tensor, int]:
        """{node: bits}, the terms that a node is or is a sum of on the way to the root; 0 inside a term."""
        found: dict[Tensor, int] = {term.node: 1 << k for k, term in enumerate(self.terms.values())}
        for node in self.nodes:
            if node not in found:
                parts = () if self.reach[node] else sends_to(node)
                found[node] = reduce(or_, [found[x] for x in parts], 0)
        return found

    def cotangents(self, term: str) -> Mapping[Tensor, Value]:
        """Return what a term adds to d root/d node, {node: array}, for every node with a path to the term.

        The term's coefficient in the root is included. The graph is walked once per term; the arrays are shared, so
        copy before writing.
        """
        if term not in self._cotangents:
            t = self.terms[term]
            seed = np.full(t.node.shape, t.coefficient, t.node.dtype)[()]
            self._cotangents[term] = walk({t.node: seed})
        return self._cotangents[term]

    def cosine(self, node: Tensor, first: str, second: str) -> float | None:
        """Return the cosine between what two terms send to a node; None where one has no path, NaN where it sends 0."""
        sent = [self.cotangents(term)[node] for term in (first, second) if node in self.cotangents(term)]
        if len(sent) < 2:
            return None
        with np.errstate(all="ignore"):  # each is scaled, so that squares stay finite
            a, b = (np.ravel(g).astype(np.float64) / np.max(np.abs(g), initial=0.0) for g in sent)
            return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))

    @property
    def offset(self) -> float:
        """What the root is apart from its terms: the constants that are added to it."""
        parts = [term.coefficient * float(self.value(term.node).item()) for term in self.terms.values()]
        rest = float(self.value(self.root).item()) - math.fsum(parts)
        return 0.0 if abs(rest) <= _FLOAT32_ROUNDING * math.fsum(map(abs, parts)) or not math.isfinite(rest) else rest

    def value(self, node: Tensor) -> Value:
        """Return the value that a node had when the graph was recorded; a leaf may have been updated since."""
        return self._leaf_values.get(node, node._value)

    def _values_of_leaves(self) -> dict[Tensor, Value]:
        """Return what leaves were when the graph was recorded, all of one moment: a name stands for one array."""
        values: dict[Tensor, Value] = {}
        pairs = (pair for node in self.nodes for pair in zip(node.operands, node.primals, strict=True))
        for x, a in pairs:
            if x is not None and x.function is None:
                known = values.setdefault(x, a)
                if known is not a and not np.array_equal(known, a, equal_nan=True):
                    raise ValueError(
                        f"{x.describe()} was updated while {self.root.describe()} was recorded, which is computed from "
                        f"it before and after: update it between costs, and .detach() what stays of an earlier one"
                    )
        return values

    # --- paths -------------------------------------------------------------------------------------------------------

    def paths(self, term: str) -> Mapping[Tensor, tuple[int, list[Trail]]]:
        """Return for every named node the number of its paths to a term, and the few with the fewest named nodes.

        One pass, newest first; ways that unnamed operations split and join again are counted apart, listed once.
        """
        if term not in self._paths:
            end = self.terms[term].node
            routes: dict[Tensor, tuple[int, list[Trail]]] = {}
            pending = {end: (1, [Trail(1, end, None)])}
            for node in reversed(reachable([end], sends_to)):
                number, trails = pending.pop(node)
                if node in self.names:
                    if node is not end:
                        trails = [Trail(trail.length + 1, node, trail) for trail in trails]
                    routes[node] = number, trails
                for x in sends_to(node):
                    more, others = pending.get(x, (0, trails))
                    pending[x] = min(number + more, MAX_PATH_COUNT), _shortest(trails, others)
            self._paths[term] = routes
        return self._paths[term]

    def between(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """Return y and the unnamed nodes on the ways from y back to x, both named, newest first."""
        on_way = {x}
        for node in (*reachable(sends_to(y), sends_to, self.names), y):
            if not on_way.isdisjoint(sends_to(node)):
                on_way.add(node)
        return sorted(on_way - {x}, key=attrgetter("order"), reverse=True)

    # --- scopes ------------------------------------------------------------------------------------------------------

    def scope(self, node: Tensor) -> tuple[str, ...]:
        """Return the scope of a node: its own, or for a learned leaf made outside all scopes that of its use.

        A leaf that more than two scopes use belongs to what they have in common.
        """
        if node.scope or node.function is not None or not node.requires_grad:
            return node.scope
        used = list(dict.fromkeys(y.scope for y in self.consumers[node] if y.scope))
        if len(used) <= 2:
            return used[0] if used else ()
        return tuple(steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*used, strict=False)))


def _names_in(mapping: Mapping[str, object], nodes: Container[Tensor]) -> tuple[dict[Tensor, str], dict[Tensor, str]]:
    """Return the names that a mapping gives to nodes directly, and those from one level inside its values.

    Where a list, a dictionary or an object holds a node that has no name of its own, its members are called by their
    places in it, even one that a variable holds too: a loop over parameters leaves such a variable behind.
    """
    direct: dict[Tensor, str] = {}
    containers: dict[str, dict[Tensor, str]] = {}
    for name, x, container in entries(mapping):
        if type(x) is Tensor and x in nodes:
            found = direct if container is None else containers.setdefault(container, {})
            found.setdefault(x, name)
    inside: dict[Tensor, str] = {}
    for members in containers.values():
        if not all(x in direct and not direct[x].startswith("_") for x in members):
            for x, name in members.items():
                inside.setdefault(x, name)
    return direct, inside


def _check_arguments(root: Any, names: Any, terms: Mapping[str, Any]) -> None:
    if not isinstance(names, Mapping):
        raise TypeError(
            f"names= is a mapping of names to what they hold, such as locals(), not a {type(names).__name__}"
        )
    for what, x in {"the root": root, **{f"term {name!r}": x for name, x in terms.items()}}.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{what} is a {type(x).__name__}, not a Tensor; a graph is recorded by computing on Tensors"
            )


def _key(a: Array) -> Value:
    return a.shape, a.dtype.str, a.tobytes()


def _fresh(stem: str, taken: Container[str]) -> Iterator[str]:
    return (name for i in count(1) if (name := f"{stem} {i}") not in taken)


def _shortest(trails: list[Trail], others: list[Trail]) -> list[Trail]:
    if trails is others:
        return trails
    merged = [*trails, *(trail for trail in others if not any(trail is mine for mine in trails))]
    return sorted(merged, key=attrgetter("length"))[:MAX_TRAILS]


def places(bits: int) -> list[int]:
    """Return which bits are set.

    >>> places(0b1101)
    [0, 2, 3]
    """
    found = []
    while bits:
        found.append((bits & -bits).bit_length() - 1)
        bits &= bits - 1
    return found


def _number(a: Value) -> float:
    return float(np.asarray(a).reshape(()))


def node_in_words(node: Tensor) -> str:
    """Return a node without its name, as errors give it: what made it, shape, dtype."""
    made = "a leaf" if node.function is None else f"the result of {node.op}"
    return f"{made} {node.shape} {node.dtype}"


def norm(a: Value) -> float:
    """Return the 2-norm of all entries."""
    return float(np.linalg.norm(np.asarray(a, np.float64).ravel()))
