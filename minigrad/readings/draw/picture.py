"""A picture as DOT text: which cost term reaches what, in one look.

Arrays are nodes, operations are labels on edges. An edge's colour says which cost term sends gradient along it,
parallel strokes that several do; the node says it in words too. "No path" is written, never drawn.

The width of a picture is what decides whether it can be read where it is shown, so a graph that is too wide
from left to right is set like text: rows from left to right, one below the other, a scope to a row.
"""

import html
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph, norm, places
from minigrad.text.words import colour_of, headline, listed, number, printable, sign_of, tinted

from .dot import (
    MAX_NAME_LENGTH,
    SMALL,
    attributes,
    escaped,
    families,
    forms,
    quoted,
    shape_of,
    sized,
    tip,
    values,
)
from .fold import MAX_VERTICES_APART, Edge, Fold, Vertex, unique_slugs, word
from .formulas import MAX_LINE_LENGTH, MAX_SUMMAND_LENGTH, MAX_TERM_LENGTH, Formulas, Summand
from .layout import Group, Layout, scopes, spine
from .measure import MAX_READABLE_WIDTH, PAGE_WIDTH

_FONT = 12
_CHARACTER_WIDTH = 0.6  # relative to its size, about
_BOX_GAP = 30.0  # points around the text of a box, and between boxes
_GREY = "#5f5f5f"
_LEARNED, _COMPUTED, _PLAIN = "#fbe3b0", "#e6edf6", "#ffffff"
_ARROWS = ("normal", "diamond", "dot", "empty", "odiamond", "odot")  # heads of edges that look like the terms' signs
_MAX_TERMS_APART = 8
_MAX_LEGEND_LENGTH = 92
_MAX_EDGE_CLASSES = 100  # more may be longer than Graphviz reads of a string
_MAX_TOOLTIP_TERMS = 40

WRONG, INHERITED, RIGHT = "✗ wrong here", "↳ inherited", "✓ right"  # a sign and words: they survive grey print
_MARKS = {WRONG: "#b3261e", INHERITED: "#5f5f5f", RIGHT: "#146c2e"}


class Writer:
    """Writes the DOT text of a picture."""

    def __init__(
        self,
        graph: Graph,
        picture: Fold,
        direction: str,
        marks: Mapping[Tensor, tuple[str, str]],
    ) -> None:
        self.graph, self.picture, self.direction, self.marks = graph, picture, direction, marks
        self.terms = list(graph.terms)
        self.colours = [colour_of(k) for k in range(len(self.terms))]
        self.strokes = self._strokes()
        self.classes = dict(zip(self.terms, unique_slugs(self.terms), strict=True))
        self.of_term = {term.node: k for k, term in enumerate(graph.terms.values())}
        self.called = forms([*graph.names.values(), *(v.title for v in picture.vertices)])
        self.written = Formulas(graph)
        self.formulas = self.written.in_numpy(v.node for v in picture.vertices if v.node is not None)
        self.heads = {
            v: self.written.head(v.node, MAX_TERM_LENGTH if v.node in self.of_term else MAX_LINE_LENGTH, v.prefix)
            for v in picture.vertices
            if v.node is not None and v.named
        }
        shown = (v.node for v in picture.vertices if v.node is not None and v.node.requires_grad)
        self.computed = any(node.grad is not None for node in shown)
        self.looks = {v: self._look(v) for v in picture.vertices}
        self.width = {v: _width(look["label"]) for v, look in self.looks.items()}

    def _name(self, name: str) -> str:
        return escaped(self.called[name])

    def _strokes(self) -> list[float]:
        """Return the width of each term's edges: a term that reaches fewer nodes has the thicker ones."""
        drawn = [self.graph.reach[v.node] for v in self.picture.vertices if v.node is not None]
        reached = [sum(bits >> k & 1 for bits in drawn) for k in range(len(self.terms))]
        most, fewest = max(reached, default=0), min(reached, default=0)
        return [2.6 - 1.2 * (n - fewest) / (most - fewest or 1) for n in reached]

    def layouts(self) -> Iterator[list[str]]:
        """Yield the DOT text in layouts for ever narrower pages; of a crowd in one, as each takes long."""
        if self.direction == "LR" and _widest_path(self.picture, self.width) <= PAGE_WIDTH:
            yield self._lines(scopes(self.picture), self.direction)
        for part in (1.0, 0.75, 0.5) if len(self.picture.vertices) <= MAX_VERTICES_APART else (1.0,):
            page_width = part * MAX_READABLE_WIDTH
            yield self._lines(spine(self.picture, self.graph.root, self.of_term, self.width, page_width))

    def without_layout(self) -> list[str]:
        """Return the DOT text without rows and scopes, at which Graphviz may fail."""
        return self._lines(Layout(dict.fromkeys(self.picture.vertices, ())))

    def _lines(self, layout: Layout, direction: str = "TB") -> list[str]:
        return [
            *self._defaults(direction),
            *self._boxes(layout),
            *[self._edge(k, edge, layout) for k, edge in enumerate(self.picture.edges, 1)],
            *_rank_lines(layout),
        ]

    def _defaults(self, direction: str) -> list[str]:
        font = {"fontname": "Helvetica,Arial,sans-serif"}
        tight = {"nodesep": "0.12", "ranksep": "0.23" if direction == "TB" else "0.15", "pad": "0.1"}
        order = {"rankdir": direction, "newrank": "true", "mclimit": "4"}
        return [
            "graph " + attributes(bgcolor="white", tooltip="minigrad", **order, **tight, **font),
            "graph " + attributes(label=self._legend, labelloc="t", labeljust="l", fontsize=str(_FONT)),
            "node " + attributes(shape="plain", fontsize=str(_FONT), **font),
            "edge " + attributes(fontsize=str(SMALL), fontcolor="#333333", arrowsize="0.6", **font),
        ]

    # nodes and clusters

    def _boxes(self, layout: Layout) -> Iterator[str]:
        """Return the vertices, in the clusters of their groups."""
        tree: dict[Group, list[Vertex | Group]] = {(): []}
        for vertex, group in layout.groups.items():
            for depth in range(len(group)):
                if group[: depth + 1] not in tree:
                    tree[group[: depth + 1]] = []
                    tree[group[:depth]].append(group[: depth + 1])
            tree[group].append(vertex)
        number = itertools.count(1)

        def inside(group: Group) -> Iterator[str]:
            for item in tree[group]:
                if isinstance(item, Vertex):
                    yield self._nodes[item]
                else:
                    yield f"subgraph cluster_{next(number)} {{"
                    yield f"graph {_cluster(item[-1])}"
                    yield from inside(item)
                    yield "}"

        return inside(())

    @cached_property
    def _nodes(self) -> dict[Vertex, str]:
        return {vertex: self._node(vertex) for vertex in self.picture.vertices}

    def _node(self, vertex: Vertex) -> str:
        return f"{quoted(vertex.dot)} " + attributes(
            id=vertex.id, tooltip=tip(self._told(vertex)), **self.looks[vertex]
        )

    def _look(self, vertex: Vertex) -> dict[str, str]:
        node = vertex.node
        name = sized(self._name(vertex.title), _FONT, bold=True)
        if node is None:
            text = sized(f"… {escaped(printable(vertex.name, 40))}<BR/>{len(vertex.members)} nodes, drawn as one")
            return {"shape": "box", "style": "dashed", "margin": "0.08,0.04", "height": "0", "label": f"<{text}>"}
        box = {"shape": "box", "margin": "0.08,0.05", "height": "0", "width": "0"}
        title = f"<{name} {sized(escaped(shape_of(self.graph, node)), _FONT)}{self._mark(node)}>"
        if node is self.graph.root:
            return {**box, "peripheries": "2", "label": title}
        if node in self.of_term:
            ink = self.colours[self.of_term[node]]
            look = {"style": "rounded,filled", "color": ink, "fillcolor": tinted(ink, 0.86), "penwidth": "1.5"}
            below = "".join(f"<BR/>{sized(escaped(line))}" for line in self.heads.get(vertex, []))
            return {**box, **look, "label": f"{title[:-1]}{below}>"}
        if not vertex.named:
            return {**box, "style": "rounded", "color": "#888888", "label": f"<{sized(escaped(word(node)))}>"}
        if not node.requires_grad:
            text = f"{sized(self._name(vertex.title), colour=_GREY)} {sized(shape_of(self.graph, node), colour=_GREY)}"
            what = "data" if node.function is None else "no gradient"
            return {**box, "style": "dashed", "color": "#888888", "label": f"<{text}<BR/>{sized(what, colour=_GREY)}>"}
        return {"label": self._table(vertex, node)}

    def _table(self, vertex: Vertex, node: Tensor) -> str:
        fill = _LEARNED if node.function is None else _COMPUTED
        is_ = escaped(" = " + "\n".join(self.heads[vertex])) if self.heads.get(vertex) else ""
        formula = "<BR/>".join(sized(line, 11) for line in is_.split("\n"))
        shape = sized(f" {shape_of(self.graph, node)}", colour=_GREY)
        head = f"{sized(self._name(vertex.title), _FONT, bold=True)}{formula}{shape}"
        return (
            '<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" COLOR="#777777">'
            f'<TR><TD BGCOLOR="{fill}">{head}</TD></TR>'
            f'<TR><TD BGCOLOR="{_PLAIN}">{self._gradient(vertex, node)}</TD></TR></TABLE>>'
        )

    def _gradient(self, vertex: Vertex, node: Tensor) -> str:
        """Return the gradient of a node, its summands in the colours of their terms; where that is long, the terms."""
        bits, summands = self.graph.reach[node], self.written.gradient(node, vertex.prefix)
        if not summands:
            reaching = places(bits)
            summands = [Summand(self.called[self.terms[k]], 1 << k) for k in reaching[:_MAX_TERMS_APART]]
            if len(reaching) > _MAX_TERMS_APART:
                summands.append(Summand(f"{len(reaching) - _MAX_TERMS_APART:,} more", 0))
        lines = self._sum(f"d{self._name(vertex.title)} = ", summands) if bits else []
        sending = self.graph.terms_of(bits) if self.computed else []
        zero = [self.called[name] for name in sending if not np.any(self.graph.cotangents(name)[node])]
        if zero:
            lines.append(sized(f"{escaped(families(zero, 3))}: 0 here", colour=_GREY))
        missing = [self.called[name] for k, name in enumerate(self.terms) if not bits >> k & 1]
        if missing:
            said = textwrap.wrap(f"no path to {families(missing, 3)}", MAX_SUMMAND_LENGTH)
            lines += [sized(escaped(line), colour=_GREY) for line in said]
        return "<BR/>".join(lines) + self._mark(node)

    def _sum(self, symbol: str, summands: list[Summand]) -> list[str]:
        """Return a sum in one line, or where that is long in a line per summand."""
        parts, several = [], len({bits for _, bits in summands}) > 1
        for k, (text, bits) in enumerate(summands):
            term = places(bits)[0] if bits.bit_count() == 1 else None
            colour = None if term is None else self.colours[term]
            mark = sign_of(term) if several and term is not None else ""
            sign = "− " if text.startswith("-") and k else "+ " if k else ""
            unsigned = text.removeprefix("-") if sign else text
            parts.append(sized(sign) + sized(mark, colour=colour) + sized(escaped(unsigned), colour=colour))
        fits = sum(len(text) + 3 for text, _ in summands) <= MAX_SUMMAND_LENGTH
        joined = [sized(" ").join(parts)] if fits else parts
        return [sized(symbol) + joined[0], *joined[1:]]

    def _mark(self, node: Tensor) -> str:
        """Return what a check found of the gradient of a node."""
        if node not in self.marks:
            return ""
        mark, _ = self.marks[node]
        return f"<BR/>{sized(mark, colour=_MARKS[mark], bold=True)}"

    def _told(self, vertex: Vertex) -> list[str]:
        """Return the lines of a tooltip."""
        node = vertex.node
        if node is None:
            return [f"{len(vertex.members)} nodes, drawn as one"]
        lines = [f"{vertex.name}: shape {node.shape}, {node.dtype}"]
        if node in self.formulas:
            lines.append(f"{printable(vertex.name, MAX_NAME_LENGTH)} = {self.formulas[node]}")
        lines.append(values(self.graph.value(node)))
        if node.requires_grad and node is not self.graph.root:
            lines += [
                self._share(k, name, node)
                for k, name in enumerate(self.terms[:_MAX_TOOLTIP_TERMS])
                if node is not self.graph.terms[name].node
            ]
            grad = node.grad
            lines.append("gradient: not computed yet" if grad is None else f"norm of .grad {number(norm(grad), 3)}")
        if node in self.marks:
            lines += ": ".join(filter(None, self.marks[node])).splitlines()
        return lines

    def _share(self, k: int, name: str, node: Tensor) -> str:
        if not self.graph.reach[node] >> k & 1:
            return f"{name}: no path"
        if not self.computed:
            return f"{name}: has a path"
        length = norm(self.graph.cotangents(name)[node])
        zero = "" if length else " (there is a path; the number is 0)"
        return f"{name}: gradient of norm {number(length, 3)}{zero}"

    # edges

    def _edge(self, k: int, edge: Edge, layout: Layout) -> str:
        served = places(edge.bits or edge.summands)
        names = [self.terms[k] for k in served]
        colours = [self.colours[k] for k in served[:_MAX_TERMS_APART]] or ["#888888"]
        kind = "term" if edge.bits else "summand"
        classes = [f"{kind}-{self.classes[name]}" for name in names[:_MAX_EDGE_CLASSES]]
        arrow = f"{edge.tail.name} → {edge.head.name}"
        told = f"{arrow}: gradient of {', '.join(names)}" if edge.bits else f"{arrow}: no gradient"
        if edge.summands:
            told = f"{', '.join(names)}: summand{'s' * (len(names) > 1)} of {edge.head.name}"
        dashed = None if served else "dashed"
        return f"{quoted(edge.tail.dot)} -> {quoted(edge.head.dot)} " + attributes(
            id=f"edge-{k}",
            class_=" ".join(classes) or None,
            color=":white:".join(colours),
            penwidth=None if dashed else f"{min(self.strokes[k] for k in served):.2g}",
            arrowhead=_ARROWS[served[0] % len(_ARROWS)] if len(served) == 1 else None,
            style=dashed,
            **layout.attributes(edge),
            tooltip=tip([told]),
        )

    # the legend

    @cached_property
    def _legend(self) -> str:
        """Return what the root is, what each colour is, and in words what each term reaches."""
        title = headline(self.graph, self.called.__getitem__, times=" · ", minus="−")
        note = " ".join(self._notes())
        rows = [f"<B>{escaped(line)}</B>" for line in textwrap.wrap(title, _MAX_LEGEND_LENGTH)]
        below = [sized(escaped(line), colour=_GREY) for line in textwrap.wrap(note, _MAX_LEGEND_LENGTH)]
        if note and len(title) + len(note) < _MAX_LEGEND_LENGTH:
            rows = [f"{rows[0]} &#160; {below.pop()}"]
        ends = {self.graph.root, *self.of_term}
        nodes = [x for x in self.graph.nodes if x in self.graph.names and x.requires_grad and x not in ends]
        for k, name in enumerate(self.terms[:_MAX_TERMS_APART]):
            line = ("──" if self.strokes[k] < 2 else "━━") + sign_of(k)
            ink = sized(f"{line} <B>{self._name(name)}</B>", _FONT, self.colours[k])
            first, *more = textwrap.wrap(self._reach_in_words(k, nodes), _MAX_LEGEND_LENGTH)
            rows += [f"{ink} {escaped(first)}", *map(escaped, more)]
        if len(self.terms) > _MAX_TERMS_APART:
            rows.append(f"and {len(self.terms) - _MAX_TERMS_APART:,} more terms")
        rows += below
        cells = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
        return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'

    def _notes(self) -> list[str]:
        shown = " ".join(html.unescape(re.sub("<[^>]*>", " ", look["label"])) for look in self.looks.values())
        constants = [
            f"{title} {what}"
            for title, what in self.written.constants().items()
            if re.search(rf"(?<!\w){re.escape(title)}(?!\w)", shown)
        ]
        known = [f"Constant: {listed(constants)}."] if constants else []
        waiting = ["Gradients are not computed yet."] if self.terms and not self.computed else []
        return [*known, *self.picture.notes, *waiting]

    def _reach_in_words(self, k: int, nodes: list[Tensor]) -> str:
        reached = [self.called[self.graph.names[x]] for x in nodes if self.graph.reach[x] >> k & 1]
        missed = [self.called[self.graph.names[x]] for x in nodes if not self.graph.reach[x] >> k & 1]
        if not missed:
            return "reaches every node"
        if not reached:
            return "reaches no node"
        if len(reached) > len(missed):
            return f"reaches every node but {families(missed)}: no path"
        some, others = f"reaches only {families(reached)}", f": no path from {families(missed)}"
        return some + (others if len(some + others) <= _MAX_LEGEND_LENGTH else "")


def _width(label: str) -> float:
    """About how many points a vertex takes, with the gap after it."""
    lines = [re.findall(r'POINT-SIZE="(\d+)"[^>]*>(?:<B>)?([^<]*)', line) for line in re.split("<BR/>|</TR>", label)]
    return _BOX_GAP + _CHARACTER_WIDTH * max(
        sum(int(size) * len(html.unescape(run)) for size, run in line) for line in lines
    )


def _cluster(name: str | int) -> str:
    if isinstance(name, int):  # a layer that is no scope: it is kept together, and not seen
        return attributes(label="", peripheries="0", margin="0", bgcolor="transparent")
    look = {"color": "#c4c4c4", "fillcolor": "#f6f6f6", "style": "rounded,filled", "margin": "6", "fontsize": "11"}
    label = escaped(printable(name, 40)).replace("&#92;", "&#92;" * 2)  # a backslash escapes in a label that is no HTML
    return attributes(label=label, labeljust="l", tooltip=tip([name]), **look)


def _widest_path(picture: Fold, width: dict[Vertex, float]) -> float:
    """Points that the picture takes when it is drawn from left to right."""
    widest = dict(width)  # of the paths to a vertex
    for edge in picture.edges:
        widest[edge.head] = max(widest[edge.head], widest[edge.tail] + width[edge.head])
    return max(widest.values())


def _rank_lines(layout: Layout) -> list[str]:
    """Return what holds ranks together: each in order from left to right, penalty terms at a distance."""
    lines = []
    for rank in layout.ranks:
        if len(rank) > 1:
            lines.append(f"{{rank=same; {' '.join(quoted(v.dot) + ';' for v in rank)}}}")
            for left, right in itertools.pairwise(rank):
                far = " minlen=2" if layout.fan.get(right) is left else ""
                lines.append(f"{quoted(left.dot)} -> {quoted(right.dot)} [style=invis{far}]")
    return lines
