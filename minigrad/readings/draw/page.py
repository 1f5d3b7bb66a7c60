"""A picture as a page to explore: one HTML file that holds everything it needs and asks the network for nothing.

The page shows the picture as Graphviz set it. Pointing at a node lights the paths on which gradient reaches it, a term
can be switched off, and choosing a node opens a panel with what is known of it. The looks are in ``page.css``, the
behaviour in ``page.js``; here is what they are told.

Names are data and may be hostile. Three walls keep them text: the SVG is parsed, and only drawing elements are let
through; the data are JSON in which every character is escaped that HTML or JavaScript could take for syntax, and become
text nodes; and a Content-Security-Policy admits the one script and the one style by their hashes, and no request.
"""

import base64
import hashlib
import html
import json
from importlib import resources
from string import Template
from typing import Any
from xml.etree import ElementTree

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.graph import norm
from minigrad.readings.explain.explanation import Explanation
from minigrad.text.words import headline, number, printable

from .drawing import Drawing

_CELLS = 24  # of a heat map along each axis
_NAME = 200  # characters of a name
_REASON = 3_000  # characters of a why text
_VISITS = 3_000_000  # nodes that the why texts may look at in all, which keeps a page of a large graph to seconds

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
<p>Each colour is a cost term. It runs along the edges on which that term sends gradient.</p>
<div id="terms" role="group" aria-label="Cost terms"></div>
<p id="checked" hidden></p>
<p id="status" role="status"></p>
</header>
<main>
<div id="view">
<div id="zoom" role="group" aria-label="Size of the picture"></div>
<div id="picture">$svg</div>
</div>
<aside id="panel" aria-labelledby="panel-name" hidden></aside>
</main>
<script type="application/json" id="data">$data</script>
<script>$script</script>
</body>
</html>
""")


def page(drawing: Drawing) -> str:
    """Return the HTML of the page of a drawing. Raises RenderError where no Graphviz renders the picture."""
    facts = _Facts(drawing)
    nodes = [facts.of(*vertex) for vertex in drawing.vertices]
    style, script = _text("page.css"), _text("page.js")
    return _SHELL.substitute(
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'",
        title=html.escape(headline(drawing.graph, minus="−")),
        style=style,
        script=script,
        svg=_svg(drawing.pipe("svg"), nodes),
        data=_json({"terms": facts.terms, "nodes": nodes, "edges": _edges(drawing)}),
    )


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:
    """JSON in which nothing can end a script element or a line of a script: <, >, & and all but ASCII are escaped."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# --- the picture ------------------------------------------------------------------------------------------------------

_SVG = "http://www.w3.org/2000/svg"
_DRAWN = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text"}


def _svg(content: bytes, nodes: list[dict[str, Any]]) -> str:
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
            label = ", ".join([node["name"], node["kind"], *([node["mark"]["says"]] if node.get("mark") else [])])
            element.attrib |= {"role": "button", "tabindex": "0", "aria-label": label}
            element.attrib |= {"aria-expanded": "false", "aria-controls": "panel"}
    return ElementTree.tostring(root, encoding="unicode")


def _remove_background(root: ElementTree.Element) -> None:
    """Take out the background, the first polygon: the page has one of its own."""
    for parent in root.iter():
        background = parent.find(f"{{{_SVG}}}polygon")
        if background is not None:
            parent.remove(background)
            return


def _edges(drawing: Drawing) -> list[list[Any]]:
    """[id, tail, head, terms that send gradient along it, the terms that it adds to the root], all by index."""
    place = {id: k for k, (id, _, _) in enumerate(drawing.vertices)}
    term = {name: k for k, name in enumerate(drawing.graph.terms)}
    edges = []
    for edge, (id, tail, head, names) in zip(drawing.edges, drawing.edge_list, strict=True):
        summands = drawing.graph.terms_of(edge.summands)
        edges.append([id, place[tail], place[head], [term[name] for name in names], [term[name] for name in summands]])
    return edges


# --- what is known of a node ------------------------------------------------------------------------------------------


class _Facts:
    """What the panel says of the nodes of a drawing."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing, self.graph = drawing, drawing.graph
        self.explanation = Explanation(self.graph, {}, drawing.derivation)
        shown = {node for _, _, node in drawing.vertices if node is not None and node.requires_grad}
        self.computed = any([node.grad is not None for node in shown])
        self.reasons = _VISITS // max(len(self.graph.nodes), 1)  # that may still be given
        place = {node: k for k, (_, _, node) in enumerate(drawing.vertices) if node is not None}
        self.terms = [
            {"name": printable(name, _NAME), "colour": drawing.colours[name], "node": place.get(term.node)}
            for name, term in self.graph.terms.items()
        ]

    def of(self, id: str, name: str, node: Tensor | None) -> dict[str, Any]:
        """Return the facts of a vertex; of a box that stands for several nodes only its name."""
        facts: dict[str, Any] = {"id": id, "name": printable(name, _NAME)}
        if node is None:
            return {**facts, "kind": "several nodes, drawn as one"}
        facts |= {"kind": self._kind(node), "shape": _shape(node), "dtype": str(node.dtype)}
        value = self.graph.value(node)
        facts |= {"value": _statistics(value), "gradient": None, "heat": [_heat(value), None]}
        if node.grad is not None:
            facts |= {"gradient": _statistics(node.grad), "heat": [_heat(value), _heat(node.grad)]}
        if node in self.drawing.formulas:
            facts["formula"] = printable(self.drawing.formulas[node], _REASON)
        if node in self.drawing.marks:
            mark, message = self.drawing.marks[node]
            facts["mark"] = {"says": mark, "lines": [printable(line, _REASON) for line in message.splitlines()]}
        if node.requires_grad and (node is not self.graph.root or self.graph.reach[node]):
            facts["shares"] = self._shares(node)
            facts["why"] = [self._why(node, term) for term in self.graph.terms]
        return facts

    def _kind(self, node: Tensor) -> str:
        if node is self.graph.root:
            return "the cost, which is differentiated"
        if any(term.node is node for term in self.graph.terms.values()):
            return "a cost term"
        if node.requires_grad:
            return "computed" if node.function else "learned"
        return "computed, without gradient" if node.function else "data"

    def _shares(self, node: Tensor) -> list[Any]:
        """Per term: None where there is no path, else [norm, part of the sum of norms], or [] before backward."""
        paths = [self.graph.reach[node] >> k & 1 for k in range(len(self.graph.terms))]
        if not self.computed:
            return [[] if path else None for path in paths]
        norms = [
            norm(self.graph.cotangents(term)[node]) if path else None
            for term, path in zip(self.graph.terms, paths, strict=True)
        ]
        whole = sum(n for n in norms if n is not None)
        return [
            None if n is None else [_number(n), round(n / whole, 4) if whole and np.isfinite(whole) else 0]
            for n in norms
        ]

    def _why(self, node: Tensor, term: str) -> str:
        """Why a term does or does not reach a node; "" of an operation without a name."""
        name = self.graph.names.get(node)
        if name is None:
            return ""
        self.reasons -= 1
        if self.reasons < 0:
            return f"This graph is large: ask mg.explain(…).why({printable(name)!r}, {printable(term)!r})."
        text = self.explanation.why(name, term)
        return text if len(text) <= _REASON else text[:_REASON] + "…"


def _shape(node: Tensor) -> str:
    if node.ndim < 2:
        return f"({node.shape[0]},)" if node.ndim else "a scalar"
    return " × ".join(map(str, node.shape))


def _number(x: Any) -> str:
    return number(x).replace("-", "−")


def _statistics(a: Any) -> list[str]:
    """Minimum, maximum, mean, norm, zeros, and what is not finite, in words."""
    a = np.asarray(a, np.float64)
    finite = a[np.isfinite(a)]
    zeros = f"{a.size - np.count_nonzero(a)} of {a.size}"
    bad = f"{a.size - finite.size} of {a.size}" if finite.size < a.size else ""
    if not finite.size:
        return ["–", "–", "–", "–", zeros, bad]
    with np.errstate(over="ignore"):
        return [*map(_number, (finite.min(), finite.max(), finite.mean(), norm(finite))), zeros, bad]


def _heat(a: Any) -> dict[str, Any] | None:
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


def _blocks(matrix: Any) -> Any:
    """Return the means of at most ``_CELLS`` runs of rows."""
    if len(matrix) <= _CELLS:
        return matrix
    bounds = np.linspace(0, len(matrix), _CELLS + 1).astype(int)
    return np.add.reduceat(matrix, bounds[:-1]) / np.diff(bounds)[:, None]
