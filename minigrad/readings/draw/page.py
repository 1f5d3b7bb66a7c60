"""A picture as a page to explore: one HTML file that holds everything it needs and asks the network for nothing.

The page shows the picture as Graphviz set it, and beside it the derivation line by line. Pointing at a node, an edge or
a line lights what belongs together, a term can be switched off, choosing a node opens a panel with what is known of it,
and a player walks through both passes with their numbers. The looks are in ``page.css``, the behaviour in ``page.js``;
here is what they are told.

Names are data and may be hostile. Three walls keep them text: the SVG is parsed, and only drawing elements are let
through; the data are JSON in which every character is escaped that HTML or JavaScript could take for syntax, and become
text nodes; and a Content-Security-Policy admits the one script and the one style by their hashes, and no request.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources
from itertools import combinations
from string import Template
from typing import Any
from xml.etree import ElementTree

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.tensor import Tensor
from minigrad.graph import norm, places
from minigrad.readings.derive.derivation import Step
from minigrad.readings.explain.explanation import MAX_TERMS_WITH_COSINES, Explanation
from minigrad.text.expressions import Expr, evaluate
from minigrad.text.words import headline, number, printable, sign_of

from .fold import Fold, Vertex
from .formulas import as_given
from .picture import Writer

Json = Any  # what the script of the page reads: dictionaries, lists, texts and numbers

_MAX_HEAT_CELLS = 24  # along each axis
_MAX_FULL_SIZE = 6  # rows and columns of a matrix that is shown with all entries
_MAX_NAME_LENGTH = 200
_MAX_REASON_LENGTH = 3_000
_MAX_REASONS = 600
_MAX_REASON_VISITS = 3_000_000  # nodes in all, which keeps a page of a large graph to seconds

_SHELL = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
<div id="terms" role="group" aria-label="Cost terms"></div>
<p id="checked" hidden></p>
</header>
<main>
<section id="view" aria-label="Picture">
<div id="tools" role="group" aria-label="Tools of the picture"></div>
<div id="picture">$svg</div>
<p id="status" role="status"></p>
</section>
<div id="side">
<section id="panel" aria-labelledby="panel-name" tabindex="0" hidden></section>
<section id="derivation" aria-labelledby="derivation-name">
<div class="top"><h2 id="derivation-name">Derivation</h2><div id="player" role="group" aria-label="Player"></div></div>
<div id="lines" role="region" aria-label="Lines" tabindex="0"></div>
</section>
</div>
</main>
<script type="application/json" id="data">$data</script>
<script>$script</script>
</body>
</html>
""")


def page(writer: Writer, svg: bytes) -> str:
    """Return the HTML of the page of a picture, which Graphviz has rendered."""
    facts = _Facts(writer)
    nodes = [facts.of(vertex) for vertex in writer.picture.vertices]
    style, script = _text("page.css"), _text("page.js")
    return _SHELL.substitute(
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'",
        title=html.escape(headline(writer.graph, minus="−")),
        style=style,
        script=script,
        svg=_svg(svg, nodes),
        data=_json({"terms": facts.terms(), "nodes": nodes, "edges": _edges(writer.picture), "lines": facts.lines()}),
    )


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Json) -> str:
    """JSON in which nothing can end a script element or a line of a script: <, >, & and all but ASCII are escaped."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# --- the picture ------------------------------------------------------------------------------------------------------

_SVG = "http://www.w3.org/2000/svg"
_DRAWN = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text", "tspan"}


def _svg(content: bytes, nodes: list[Json]) -> str:
    """Graphviz's SVG for the inside of a page: drawing elements only, no links and no tooltips, every node a button."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(content)
    for parent in list(root.iter()):
        for child in list(parent):
            kind = str(child.tag).removeprefix(f"{{{_SVG}}}")
            if kind == "a":  # around everything that has a tooltip
                child.tag, child.attrib = f"{{{_SVG}}}g", {}
            elif kind not in _DRAWN:
                parent.remove(child)
        parent.attrib = {k: v for k, v in parent.attrib.items() if not k.startswith(("{", "on"))}
    _remove_background(root)
    root.attrib |= {"role": "group", "aria-label": "The graph: choose a node to read more"}
    told = {node["id"]: node for node in nodes}
    for element in root.iter(f"{{{_SVG}}}g"):
        node = told.get(element.get("id", ""))
        if node is not None:
            shown = " ".join("".join(text.itertext()) for text in element.iter(f"{{{_SVG}}}text"))
            element.attrib |= {"role": "button", "tabindex": "0", "aria-label": f"{shown}, {node['kind']}"}
            element.attrib |= {"aria-expanded": "false", "aria-controls": "panel"}
    return ElementTree.tostring(root, encoding="unicode")


def _remove_background(root: ElementTree.Element) -> None:
    """Take out the background, the first polygon: the page has one of its own."""
    for parent in root.iter():
        background = parent.find(f"{{{_SVG}}}polygon")
        if background is not None:
            parent.remove(background)
            return


def _edges(picture: Fold) -> list[Json]:
    """[id, tail, head, terms that send gradient along it, the terms that it adds to the root], all by index."""
    place = {vertex: k for k, vertex in enumerate(picture.vertices)}
    return [
        [f"edge-{k}", place[e.tail], place[e.head], places(e.bits), places(e.summands)]
        for k, e in enumerate(picture.edges, 1)
    ]


# --- the derivation ---------------------------------------------------------------------------------------------------


def _line(step: Step, recorded: Mapping[Expr, Value]) -> Json:
    """Return a line: its formula by summands, each with its terms, and its numbers."""
    line, texts = step.line, [as_given(printable(text, _MAX_REASON_LENGTH)) for text in step.summands]
    with np.errstate(all="ignore"):
        value = recorded[line.symbol] if line.symbol in recorded else evaluate(line.expressions[0], recorded)
    return {
        "symbol": as_given(step.symbol),
        "summands": [[text, places(s.terms)] for text, s in zip(texts, line.summands, strict=True)],
        "shorter": as_given(printable(step.shorter, _MAX_REASON_LENGTH)),
        "missing": places(line.missing),
        "numbers": _entries(value),
    }


def _entries(a: Value) -> Json:
    """Return shape and norm of an array, and all entries of a small one, as rows."""
    a = np.asarray(a, np.float64)
    rows = a.reshape(1, -1) if a.ndim < 2 else a
    small = a.ndim <= 2 and max(rows.shape) <= _MAX_FULL_SIZE
    all_entries = [[_number(x, 3) for x in row] for row in rows] if small else None
    return {"shape": _shape(a.shape), "norm": _number(norm(a)), "rows": all_entries}


# --- what is known of the graph ---------------------------------------------------------------------------------------


class _Facts:
    """What the page tells of terms, of lines, and of nodes."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.graph, self.derivation = writer, writer.graph, writer.written.derivation
        self.explanation = Explanation(self.graph, {}, self.derivation)
        self.reasons = min(_MAX_REASONS, _MAX_REASON_VISITS // max(len(self.graph.nodes), 1))  # that may still be given
        self.place = {node: k for k, vertex in enumerate(writer.picture.vertices) for node in vertex.members}

    def terms(self) -> list[Json]:
        """Return the name of each term, its vertex by index, and its looks."""
        return [
            {
                **{"name": printable(name, _MAX_NAME_LENGTH), "node": self.place.get(term.node)},
                **{"colour": self.writer.colours[k], "sign": sign_of(k)},
            }
            for k, (name, term) in enumerate(self.graph.terms.items())
        ]

    def lines(self) -> list[Json]:
        """Return the lines of both passes; none of a graph so large that it is not written out."""
        if self.derivation is None:
            return []
        lines, told = self.derivation.lines, []
        of = {s: x for symbols in (lines.symbols, lines.gradients) for x, s in symbols.items()}
        for name, steps in self.derivation.steps().items():
            for step in steps:
                node = of.get(step.line.symbol)  # None of a temporary
                sent = self._sent(node) if node is not None and name == "backward" else []
                parts = [[k, _entries(part)] for k, part in enumerate(sent) if part is not None]
                facts = {"pass": name, "node": -1 if node is None else self.place.get(node, -1)}
                told.append({**facts, **_line(step, lines.recorded), "parts": parts if len(parts) > 1 else []})
        return told

    def _sent(self, node: Tensor) -> list[Value | None]:
        """Return what each term sends to a node; None where there is no path."""
        return [self.graph.cotangents(term).get(node) for term in self.graph.terms]

    def of(self, vertex: Vertex) -> Json:
        """Return the facts of a vertex; of a box that stands for several nodes only its name."""
        node = vertex.node
        facts: Json = {"id": vertex.id, "name": printable(vertex.name, _MAX_NAME_LENGTH)}
        if node is None:
            return {**facts, "kind": "several nodes, drawn as one"}
        value, grad = self.graph.value(node), node.grad
        facts |= {"kind": self._kind(node), "shape": _shape(node.shape), "dtype": str(node.dtype)}
        facts |= {"value": _statistics(value), "gradient": None if grad is None else _statistics(grad)}
        facts["heat"] = [_heat(value), None if grad is None else _heat(grad)]
        if node in self.writer.marks:
            mark, message = self.writer.marks[node]
            lines = [printable(line, _MAX_REASON_LENGTH) for line in message.splitlines()]
            facts["mark"] = {"says": mark, "lines": lines}
        if node.requires_grad and (node is not self.graph.root or self.graph.reach[node]):
            facts |= {"shares": self._shares(node), "cosines": self._cosines(node)}
            facts["why"] = [self._why_not(node, k, term) for k, term in enumerate(self.graph.terms)]
        return facts

    def _kind(self, node: Tensor) -> str:
        if node is self.graph.root:
            return "the cost, which is differentiated"
        if node in self.writer.of_term:
            return "a cost term"
        if node.requires_grad:
            return "computed" if node.function else "learned"
        return "computed, without gradient" if node.function else "data"

    def _shares(self, node: Tensor) -> list[Json]:
        """Per term: None where there is no path, else [norm, part of the sum of norms], or [] before backward."""
        norms = [None if part is None else norm(part) for part in self._sent(node)]
        if not self.writer.computed:
            return [None if n is None else [] for n in norms]
        whole = sum(filter(None, norms))
        return [
            None if n is None else [_number(n), round(n / whole, 4) if whole and np.isfinite(whole) else 0]
            for n in norms
        ]

    def _cosines(self, node: Tensor) -> list[str]:
        """Return how far the terms that reach a node pull together, in words."""
        terms = self.graph.terms_of(self.graph.reach[node])
        if not self.writer.computed or len(terms) > MAX_TERMS_WITH_COSINES:
            return []
        called = {term: printable(term, _MAX_NAME_LENGTH) for term in terms}
        return [
            f"cosine {self.graph.cosine(node, a, b):.2f}".replace("-", "−") + f" between {called[a]} and {called[b]}"
            for a, b in combinations(terms, 2)
        ]

    def _why_not(self, node: Tensor, k: int, term: str) -> str:
        """Why a term does not reach a node; "" where it does, of an operation without a name, and after many texts."""
        if node not in self.graph.names or self.graph.reach[node] >> k & 1:
            return ""
        self.reasons -= 1
        return self.explanation.reason(self.graph.names[node], term) if self.reasons >= 0 else ""


def _shape(shape: tuple[int, ...]) -> str:
    if len(shape) < 2:
        return f"({shape[0]},)" if shape else "a scalar"
    return " × ".join(map(str, shape))


def _number(x: Value, digits: int = 4) -> str:
    return number(x, digits).replace("-", "−")


def _statistics(a: Value) -> list[str]:
    """Minimum, maximum, mean, norm, zeros, and what is not finite, in words."""
    a = np.asarray(a, np.float64)
    finite = a[np.isfinite(a)]
    zeros = f"{a.size - np.count_nonzero(a)} of {a.size}"
    bad = f"{a.size - finite.size} of {a.size}" if finite.size < a.size else ""
    if not finite.size:
        return ["–", "–", "–", "–", zeros, bad]
    with np.errstate(over="ignore"):
        return [*map(_number, (finite.min(), finite.max(), finite.mean(), norm(finite))), zeros, bad]


def _heat(a: Value) -> Json:
    """Return a heat map of a matrix: the means of blocks, in hundredths of ``scale``. None for a single number.

    A vector is a row; the axes after the first are laid side by side.
    """
    a = np.asarray(a, np.float64)
    if a.size < 2:
        return None
    matrix = a.reshape(1, -1) if a.ndim < 2 else a.reshape(len(a), -1)
    with np.errstate(all="ignore"):
        cells = _blocks(_blocks(matrix).T).T
    known = np.isfinite(cells)
    scale = float(np.max(np.abs(cells[known]), initial=0.0))
    values = np.rint(np.where(known, cells, 0) / (scale or 1.0) * 100).astype(int).astype(object)
    values[~known] = None
    return {
        "cells": values.tolist(),
        "scale": _number(scale),
        "shape": " × ".join(map(str, matrix.shape)) if matrix.shape != cells.shape else "",
    }


def _blocks(matrix: Value) -> Value:
    """Return the means of at most ``_MAX_HEAT_CELLS`` runs of rows."""
    if len(matrix) <= _MAX_HEAT_CELLS:
        return matrix
    bounds = np.linspace(0, len(matrix), _MAX_HEAT_CELLS + 1).astype(int)
    return np.add.reduceat(matrix, bounds[:-1]) / np.diff(bounds)[:, None]
