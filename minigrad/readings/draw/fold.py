"""What a picture shows of a graph: vertices, and between them edges into which the unnamed operations are folded.

An unnamed node is part of the expression of whatever uses it. An edge carries the bits of the terms that send gradient
along it: the terms that reach the head, where a gradient passes through the expression at all. An unnamed node that
several expressions share is folded into each while it is short; a long one becomes a vertex, so that folding takes
linear time.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from minigrad.engine.node import ancestors, passes_gradient
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.explain.reasons import is_relu
from minigrad.text import spelling

MAX_REPEATED_OPERATIONS = 40  # of an expression that several vertices may each fold
MAX_VERTICES_APART = 40  # above it repetitions are drawn once
MAX_EDGES_APART = 45  # above it too, unless all details are asked for
MAX_VERTICES = 150  # above it whole scopes and the middle of a graph are drawn as boxes
_VERTICES_AT_EACH_END = 8  # of a graph whose middle is drawn as one box
_MAX_SCOPE_DEPTH = 6


@dataclass(eq=False)
class Vertex:
    """A box of the picture: a node, or several that are drawn as one.

    ``id`` is the ``id`` attribute in DOT and SVG, ``dot`` the name of the node in DOT. ``node`` is None for a box that
    stands for several ``members``; ``name`` then says how many.
    """

    name: str
    node: Tensor | None
    scope: tuple[str, ...]
    members: list[Tensor]
    named: bool = True
    id: str = ""
    dot: str = ""

    @property
    def prefix(self) -> str:
        """What the names of its scope begin with, and go without in the box of the scope."""
        return f"{self.scope[-1]}." if self.scope else ""

    @property
    def title(self) -> str:
        """The name as it stands in the box of its scope."""
        return self.name.removeprefix(self.prefix)


@dataclass(eq=False)
class Edge:
    """A use of ``tail`` by ``head``; ``bits`` are the terms that send gradient along it.

    ``summands`` are the terms that the edge adds to the root: no gradient *of a term* flows there, but its colour does.
    """

    tail: Vertex
    head: Vertex
    bits: int = 0
    summands: int = 0


@dataclass
class Fold:
    """The vertices, oldest first, and the edges, by head; ``notes`` say what is drawn once for several."""

    vertices: list[Vertex]
    edges: list[Edge]
    notes: list[str] = field(default_factory=list)


def fold(graph: Graph, everything: bool) -> Fold:
    """Return the picture of ``graph``: its named nodes, or with ``everything`` all operations. Linear in the nodes."""
    vertices = _vertices(graph, everything)
    edges = [edge for vertex in vertices.values() for edge in _edges(graph, vertices, vertex)]
    terms = [term.node for term in graph.terms.values()]
    keep = {graph.root, *(terms if len(terms) <= MAX_VERTICES_APART else [])}
    picture = _thinned(Fold(list(vertices.values()), edges), keep, everything)
    _identify(picture.vertices)
    return picture


# --- vertices ---------------------------------------------------------------------------------------------------------


def _vertices(graph: Graph, everything: bool) -> dict[Tensor, Vertex]:
    shown = {x for x in graph.nodes if x in graph.names or (everything and x.function is not None)}
    _show_shared(graph, shown)
    count = 0
    vertices = {}
    for node in graph.nodes:
        if node in shown:
            name = graph.names.get(node)
            if name is None:
                count += 1
            vertices[node] = Vertex(
                name or f"{node.op} {count}", node, graph.scope(node)[:_MAX_SCOPE_DEPTH], [node], named=name is not None
            )
    return vertices


def _show_shared(graph: Graph, shown: set[Tensor]) -> None:
    """Add to ``shown`` the unnamed nodes that several shown ones need and that are too long to fold into each."""
    length: dict[Tensor, int] = {}
    for node in graph.nodes:
        if node.function is not None and node not in shown:
            length[node] = min(1 + sum([length.get(x, 0) for x in node.inputs]), MAX_REPEATED_OPERATIONS + 1)
    owner: dict[Tensor, Tensor | None] = {}  # the only shown node that needs it; None where several do
    for node in reversed(graph.nodes):
        if node in length:
            owners = {y if y in shown else owner[y] for y in graph.consumers[node]}
            if len(owners) == 1:
                owner[node] = owners.pop()
            elif length[node] <= MAX_REPEATED_OPERATIONS:
                owner[node] = None
            else:
                shown.add(node)


def slug(name: str) -> str:
    """Return a name for machines: lower case, runs of anything but letters and digits become one ``-``.

    >>> slug("Cross-entropy (mean)")
    'cross-entropy-mean-'
    """
    return re.sub(r"[\W_]+", "-", name.lower())[:100]


def unique_slugs(names: Iterable[str]) -> list[str]:
    """Return the slugs of ``names``, made unique with -2, -3 where two collide."""
    taken: dict[str, int] = {}
    slugs = []
    for name in names:
        stem = candidate = slug(name)
        while candidate in taken:
            taken[stem] += 1
            candidate = f"{stem}-{taken[stem]}"
        taken[candidate] = 1
        slugs.append(candidate)
    return slugs


def _identify(vertices: Iterable[Vertex]) -> None:
    """Give every vertex its id; named ones come first, so that no operation takes a name's."""
    ordered = sorted(vertices, key=lambda vertex: not vertex.named)
    for vertex, unique in zip(ordered, unique_slugs(v.name for v in ordered), strict=True):
        vertex.id = f"node-{unique}"
        vertex.dot = vertex.name if vertex.named and re.fullmatch(r"\w{1,100}", vertex.name) else vertex.id


# --- edges ------------------------------------------------------------------------------------------------------------


def _edges(graph: Graph, vertices: dict[Tensor, Vertex], head: Vertex) -> list[Edge]:
    """One edge per direct use of a vertex by ``head``, and one for all uses deep inside its expression."""
    assert head.node is not None
    passes = {head.node: True}  # whether a gradient gets from the head to a node of its expression
    direct: list[tuple[Tensor, bool]] = []
    deep: dict[Tensor, bool] = {}
    for node in (head.node, *reversed(ancestors(head.node.inputs, vertices))):
        for x, flag in zip(node.operands, passes_gradient(node), strict=False):
            if x is None:
                continue
            passed = passes[node] and flag
            if x not in vertices:
                passes[x] = passes.get(x, False) or passed
            elif node is head.node:
                direct.append((x, passed))
            else:
                deep[x] = deep.get(x, False) or passed
    reach = graph.reach[head.node]
    return [
        Edge(vertices[x], head, reach * passed, graph.adds_up[x] * (passed and not reach))
        for x, passed in (*direct, *deep.items())
    ]


def word(node: Tensor) -> str:
    """Return an operation in the notation of a course: @, relu, Σ, ..."""
    if is_relu(node):
        return "relu"
    exponents = [a for x, a in zip(node.operands, node.primals, strict=False) if x is None and np.ndim(a) == 0]
    if node.function in (np.power, np.float_power) and exponents:
        return f"(·)^{exponents[0]:.3g}"
    return (node.function and spelling.word(node.function)) or node.op or ""


# --- crowds -----------------------------------------------------------------------------------------------------------


def _thinned(picture: Fold, keep: set[Tensor], everything: bool) -> Fold:
    """Return a picture of about ``MAX_VERTICES`` vertices or fewer; a note counts what is drawn once for several."""
    if len(picture.vertices) > MAX_VERTICES_APART or (len(picture.edges) > MAX_EDGES_APART and not everything):
        picture = _merged(picture, *_repetitions(picture.vertices, keep, fewest=3 if everything else 2))
    for thin in (_scopes, _middle):
        if len(picture.vertices) > MAX_VERTICES:
            picture = _merged(picture, *thin(picture.vertices, keep))
    return picture


_Boxes = dict[Vertex, Vertex]  # vertex -> the box that it is drawn as part of


def _repetitions(vertices: list[Vertex], keep: set[Tensor], fewest: int) -> tuple[_Boxes, str]:
    """Scopes side by side that hold the same operations: of ``fewest`` or more the first stays."""
    inside: dict[tuple[str, ...], list[Vertex]] = {}
    for vertex in vertices:
        for depth in range(1, len(vertex.scope) + 1):
            inside.setdefault(vertex.scope[:depth], []).append(vertex)
    siblings: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in inside:
        siblings.setdefault(path[:-1], []).append(path)
    boxes: _Boxes = {}
    for parent in sorted(siblings, key=len):
        for _, alike in groupby(siblings[parent], lambda path: _signature(inside[path], len(path))):
            run = list(alike)
            others = [v for path in run[1:] for v in inside[path] if v.node not in keep and v not in boxes]
            if len(run) >= fewest and others:
                box = Vertex(f"{len(run) - 1} more like {run[0][-1]}", None, parent, _members(others))
                boxes |= dict.fromkeys(others, box)
    return boxes, "Repeated scopes are drawn once."


def _signature(vertices: list[Vertex], depth: int) -> tuple[Any, ...]:
    """Return what a scope computes, numbers in names aside."""
    computed = [v for v in vertices if v.node is None or v.node.function is not None]
    return tuple((_stem(v.name), getattr(v.node, "op", None), tuple(map(_stem, v.scope[depth:]))) for v in computed)


def _stem(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _scopes(vertices: list[Vertex], keep: set[Tensor]) -> tuple[_Boxes, str]:
    """Whole scopes as boxes, the innermost first, until the picture is small enough."""
    boxes: _Boxes = {}
    for depth in range(max(len(v.scope) for v in vertices), 0, -1):
        groups: dict[tuple[str, ...], list[Vertex]] = {}
        for vertex in vertices:
            if len(vertex.scope) >= depth and vertex.node not in keep:
                groups.setdefault(vertex.scope[:depth], []).append(vertex)
        for path, group in groups.items():
            if len(group) > 1:
                boxes |= dict.fromkeys(group, Vertex(path[-1], None, path[:-1], _members(group)))
        if len(vertices) - len(boxes) + len(set(boxes.values())) <= MAX_VERTICES:
            break
    return boxes, "Scopes are drawn as one box each."


def _middle(vertices: list[Vertex], keep: set[Tensor]) -> tuple[_Boxes, str]:
    """All but the oldest and the newest."""
    middle = [v for v in vertices[_VERTICES_AT_EACH_END:-_VERTICES_AT_EACH_END] if v.node not in keep]
    box = Vertex("the middle", None, (), _members(middle))
    return dict.fromkeys(middle, box), "The middle of the graph is drawn as one box."


def _members(vertices: list[Vertex]) -> list[Tensor]:
    return [x for vertex in vertices for x in vertex.members]


def _take_leaves_along(picture: Fold, boxes: _Boxes) -> None:
    """Add the leaves that one box alone uses to it: repeated steps take their data with them."""
    users: dict[Vertex, set[Vertex | None]] = {}
    for edge in picture.edges:
        users.setdefault(edge.tail, set()).add(boxes.get(edge.head))
    for leaf, (box, *others) in users.items():
        if box and not others and leaf not in boxes and leaf.node is not None and leaf.node.function is None:
            boxes[leaf] = box
            box.members.append(leaf.node)


def _merged(picture: Fold, boxes: _Boxes, note: str) -> Fold:
    if not boxes:
        return picture
    _take_leaves_along(picture, boxes)
    vertices = list(dict.fromkeys(boxes.get(v, v) for v in picture.vertices))
    edges: dict[Any, Edge] = {}
    for edge in picture.edges:
        tail, head = boxes.get(edge.tail, edge.tail), boxes.get(edge.head, edge.head)
        if (tail, head) == (edge.tail, edge.head):
            edges[edge] = edge
        elif tail is not head:
            merged = edges.setdefault((tail, head), Edge(tail, head))
            merged.bits |= edge.bits
            merged.summands |= edge.summands
    return Fold(vertices, list(edges.values()), [*picture.notes, note])
