"""Draw a graph: DOT text that shows itself in notebooks and renders to files, with whatever Graphviz there is.

``dot`` on PATH is used; else pygraphviz, whose wheels bundle Graphviz. Where neither works the DOT text is saved, so
that it can be rendered elsewhere, and the error says where it is and what to install.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import graphviz  # type: ignore[import-untyped]

from minigrad.engine.arrays import Options
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.check.report import Check
from minigrad.text.markup import Shown
from minigrad.text.words import headline, listed, printable

from .fold import fold
from .measure import trouble
from .page import page
from .picture import INHERITED, RIGHT, WRONG, Writer
from .svg import mended

SUFFIXES = ("svg", "png", "pdf", "dot", "html")

_MAX_TROUBLE_PER_EDGE = 0.75  # in crossings: up to it no other layout is tried
_MAX_TREE_LINES = 60

_INSTALL = (
    'pip install "minigrad[render]" brings Graphviz along; or install it for the whole machine: '
    "apt install graphviz, brew install graphviz, conda install graphviz"
)


_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")  # of Linux
_NO_FONT = (
    "there is no font on this machine, so a PNG has no readable text; install one, such as apt install "
    "fonts-dejavu-core, or render an SVG"
)


def draw(
    J: Tensor,
    names: Mapping[str, object] | None = None,
    terms: Mapping[str, Tensor] | None = None,
    direction: str = "LR",
    detail: str = "named",
    check: Check | None = None,
) -> "Drawing":
    """Draw the graph of ``J``, as a graphviz.Digraph: notebooks show it, ``.render("graph.svg")`` writes it.

    Named nodes, cost terms, learned leaves and ``J`` itself are drawn (where nothing has a name: all operations);
    anonymous constants are hidden, scopes are boxes.

    Parameters
    ----------
    J : Tensor
        The root of the graph.
    names : mapping of str to anything, optional
        Names of Tensors, usually ``locals()``; what is no Tensor is ignored.
    terms : mapping of str to Tensor, optional
        Names of summands of ``J``, in place of the terms that are found.
    direction : {"LR", "TB"}
        Left to right, or top to bottom.
    detail : {"named", "all"}
        With "all" every operation is a node.
    check : Check, optional
        A report of ``mg.check`` on the same ``J`` and names, whose findings mark the gradients.

    Returns
    -------
    Drawing
        A node's ``id`` is ``node-NAME``, an edge's ``class`` has ``term-NAME`` for each term that sends gradient.

    Raises
    ------
    TypeError, ValueError
        Where an argument does not fit the others, or is not as described.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> W = mg.Tensor([[1.0, -2.0]], name="W")
    >>> J = np.sum(np.maximum(W, 0)).named("hinge") + np.sum(np.square(W)).named("L2")
    >>> [name for id, name, node in mg.draw(J).vertices]
    ['W', 'hinge', 'L2', 'output']
    """
    _check(direction=(direction, ("LR", "TB")), detail=(detail, ("named", "all")))
    graph = Graph(J, names, terms)
    everything = detail == "all" or not (names or terms or any(node.name for node in graph.nodes))
    return Drawing(Writer(graph, fold(graph, everything), direction, _marks(graph, check) if check else {}))


def _check(**given: tuple[str, tuple[str, ...]]) -> None:
    """Raise ValueError for an argument that is none of its choices."""
    for what, (value, choices) in given.items():
        if value not in choices:
            raise ValueError(f"draw: {what}={value!r} is none of {', '.join(map(repr, choices))}")


def _marks(graph: Graph, report: Check) -> dict[Tensor, tuple[str, str]]:
    """{node: (mark, message)} of the gradients that a report speaks of."""
    said = {
        **dict.fromkeys(report.right, (RIGHT, "")),
        **dict.fromkeys(report.inherited, (INHERITED, "Wrong only because an earlier step is.")),
        **{m.node: (WRONG, "\n".join((m.message, *m.correction))) for m in report.mistakes},
    }
    for name in said:
        if name not in graph.by_name:
            raise ValueError(
                f"draw: check= speaks of {printable(name)!r}, no node of {printable(graph.names[graph.root])}; "
                f"check and draw the same J with the same names="
            )
    return {graph.by_name[name]: mark for name, mark in said.items()}


class RenderError(RuntimeError):
    """There is no Graphviz to render with, or it failed."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """The picture of a graph, a graphviz.Digraph. Notebooks show it; ``.source`` is its DOT text.

    Attributes: ``graph``, the Graph that is drawn; ``vertices``, a list of (id, name, node) with the ``id`` that the
    vertex has in DOT and SVG, node None where a box stands for several; ``place``, {node: index of its vertex};
    ``edge_list``, a list of (id, tail id, head id,
    terms); ``colours``, {term: colour}; ``formulas``, {node: what it was computed by}; ``derivation``, that of the
    graph, None where it is large; ``marks``, {node: (mark, message)} of a check.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__(name="minigrad", body=_body(next(writer.layouts())))
        self._writer, self._own = writer, len(self.body)
        self._best = ("", "", b"")  # a source, the source of its best layout, and that as SVG
        self.graph, self.derivation, self.formulas = writer.graph, writer.written.derivation, writer.formulas
        self.colours, self.marks = dict(zip(writer.terms, writer.colours, strict=True)), writer.marks
        self.vertices = [(v.id, v.name, v.node) for v in writer.picture.vertices]
        self.place = {node: k for k, v in enumerate(writer.picture.vertices) for node in v.members}
        self.edge_list = [
            (f"edge-{k}", e.tail.id, e.head.id, self.graph.terms_of(e.bits))
            for k, e in enumerate(writer.picture.edges, 1)
        ]

    def render(
        self, filename: str | os.PathLike[str] = "graph.svg", view: bool = False, dpi: float | None = None
    ) -> str:
        """Write the picture to a file, whose suffix decides the kind: svg, png, pdf, dot or html.

        The file appears when it is complete, and not at all where something fails.

        Parameters
        ----------
        filename : str or path-like
            The path to write to.
        view : bool
            True to open the file as well.
        dpi : float, optional
            Pixels per inch of a PNG; 96 where none are given.

        Returns
        -------
        str
            The path.

        Raises
        ------
        ValueError
            For another suffix, and for a ``dpi`` that is not positive or not of a PNG.
        OSError
            Where the file cannot be written; the message names the path.
        RenderError
            Where no Graphviz renders; the DOT text is then left beside the file.
        """
        path = Path(filename)
        kind = path.suffix[1:].lower()
        if kind not in SUFFIXES:
            raise ValueError(f"cannot render {path}: the suffix decides the kind, one of .{', .'.join(SUFFIXES)}")
        if dpi is not None and (kind != "png" or not dpi > 0):
            raise ValueError(f"cannot render {path}: dpi={dpi!r} is no positive number of pixels per inch of a PNG")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot render {path}: there is no directory {path.parent}; create it first")
        try:
            _write(path, self._content(kind, dpi))
        except RenderError as error:
            saved = path.with_suffix(".dot")
            _write(saved, self.source.encode())
            raise RenderError(f"cannot render {path}: {error}. The picture is saved as DOT text in {saved}") from None
        if view:
            graphviz.view(str(path))
        return str(filename)

    def view(self, filename: str | os.PathLike[str] = "graph.svg") -> str:
        """Render to a file and open it."""
        return self.render(filename, view=True)

    def _content(self, kind: str, dpi: float | None = None) -> bytes:
        if kind == "dot":
            return str(self.source).encode()
        if kind == "html":
            return self._html().encode()
        return bytes(self.pipe(kind, dpi=dpi))

    def _html(self) -> str:
        return page(self._writer, self.pipe("svg"))

    def pipe(self, format: str = "svg", encoding: str | None = None, dpi: float | None = None) -> Any:
        """Return the picture as bytes, or with ``encoding`` as text, with every edge in it.

        Of several layouts the best is taken: a picture may be too wide in one, or its edges cross a lot. Graphviz also
        fails at some, or leaves an edge out, which would say that there is no path. Raises RenderError where no
        Graphviz renders, or none does it completely.
        """
        source, content = self._laid_out()
        if format != "svg":
            content = _rendered(source.replace("{", f"{{\ngraph [dpi={dpi}]", 1) if dpi else source, format)
        if format == "png" and not _has_fonts():
            warnings.warn(_NO_FONT, stacklevel=2)
        return content if encoding is None else content.decode(encoding)

    def _laid_out(self) -> tuple[str, bytes]:
        """Return the DOT text and the SVG of the best layout; that of ``source``, where it is good enough."""
        if self._best[0] == self.source:
            return self._best[1:]
        found: list[tuple[float, float, int, str, bytes]] = []
        for source in dict.fromkeys(map(self._with_additions, self._writer.layouts())):
            try:
                svg = self._complete(source)
            except RenderError:
                continue
            wide, hard = trouble(svg)
            found.append((hard, wide, len(found), source, svg))
            if not wide and hard <= _MAX_TROUBLE_PER_EDGE * len(self.edge_list):
                break
        if found:
            laid_out = min(found)[3:]
        else:
            source = self._with_additions(self._writer.without_layout())
            laid_out = source, self._complete(source)
        self._best = (self.source, *laid_out)
        return laid_out

    def _with_additions(self, lines: list[str]) -> str:
        """Return the DOT text of a layout with what a user has put in."""
        return str(graphviz.Digraph(name="minigrad", body=[*_body(lines), *self.body[self._own :]]).source)

    def _complete(self, source: str) -> bytes:
        """Return the SVG of a DOT text; raise an error where it lacks an edge."""
        svg = _rendered(source, "svg")
        groups = [part.partition(b'"') for part in svg.split(b'<g id="')]
        drawn = {id.removeprefix(b"a_").decode() for id, _, inside in groups if b"<path" in inside}
        name = {id: printable(name) for id, name, _ in self.vertices}
        lost = [f"{name[tail]} → {name[head]}" for id, tail, head, _ in self.edge_list if id not in drawn]
        if lost:
            raise RenderError(f"Graphviz leaves out {len(lost)} edges: {listed(lost)}")
        return svg

    def page(self, height: int = 640) -> "Page":
        """Return the page of ``.render("graph.html")``, which a notebook shows inline, ``height`` pixels high.

        Raises RenderError where no Graphviz renders.
        """
        return Page(self._html(), height)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> Options:
        """Return what a notebook shows: the picture, or where nothing renders the reason and a tree in text."""
        try:
            picture = self.pipe("svg", encoding="utf-8")
        except Exception as error:  # a display must not raise, whatever happened
            return {"text/plain": f"{headline(self.graph)}: no picture, because {error}\n\n{self.text()}"}
        says = f"The graph of {headline(self.graph)}. {' '.join(self.text().split())}"
        labelled = picture.replace("<svg ", f'<svg role="img" aria-label="{escape(says)}" ', 1)
        return {"image/svg+xml": labelled, "text/plain": self.text()}

    def text(self) -> str:
        """Return the picture as a tree in text: below each node what it is computed from, each but once.

        >>> import numpy as np, minigrad as mg
        >>> W, X = mg.Tensor([[1.0, 2.0]], name="W"), mg.constant([[3.0], [4.0]], name="X")
        >>> print(mg.draw(np.sum(W @ X).named("fit") + np.sum(np.square(W)).named("L2")).text())
        output
          fit
            W
            X
          L2
            W
        """
        tails: dict[str, list[str]] = {id: [] for id, _, _ in self.vertices}
        for _, tail, head, _ in self.edge_list:
            tails[head].append(tail)
        name = {id: printable(name) for id, name, _ in self.vertices}
        lines, told = list[str](), set[str]()
        stack = [(0, self.vertices[self.place[self.graph.root]][0])]
        while stack and len(lines) < _MAX_TREE_LINES:
            depth, id = stack.pop()
            lines.append("  " * min(depth, 20) + name[id] + " …" * (id in told and bool(tails[id])))
            if id not in told:
                told.add(id)
                stack += [(depth + 1, tail) for tail in reversed(tails[id])]
        return "\n".join([*lines, *["…"] * bool(stack)])


class Page(Shown):
    """A page to show inline, in a frame that it cannot leave; ``content`` is its HTML."""

    def __init__(self, content: str, height: int) -> None:
        self.content, self.height = content, height

    def __repr__(self) -> str:
        return f"<a page of {len(self.content):,} characters>"

    def _html(self) -> str:
        return (
            f'<iframe title="The graph, to explore" sandbox="allow-scripts allow-downloads" '
            f'style="width:100%;height:{int(self.height)}px;border:0" srcdoc="{escape(self.content)}"></iframe>'
        )


def _body(lines: list[str]) -> list[str]:
    return [f"\t{line}\n" for line in lines]


def _rendered(source: str, kind: str) -> bytes:
    """Return DOT text as a file of this kind, by ``dot`` or the Graphviz that pygraphviz brings along."""
    try:
        content = bytes(graphviz.pipe("dot", kind, source.encode(), quiet=True))
    except graphviz.ExecutableNotFound:
        content = _bundled(source, kind)
    except graphviz.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise RenderError(f"dot failed: {said or error}") from None
    return mended(content) if kind == "svg" else content


def _bundled(source: str, kind: str) -> bytes:
    try:
        import pygraphviz
    except ImportError:
        raise RenderError(f"there is no `dot` on PATH and no pygraphviz; {_INSTALL}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(pygraphviz.AGraph(string=source).draw(format=kind, prog="dot"))
    except (OSError, ValueError, AttributeError) as error:  # such as an old release, built without a layout engine
        raise RenderError(f"there is no `dot` on PATH, and pygraphviz failed ({error}); {_INSTALL}") from None


def _write(path: Path, content: bytes) -> None:
    """Write a file at once: to a temporary directory beside it, from where it takes its place."""
    try:
        with tempfile.TemporaryDirectory(prefix=".minigrad-", dir=path.parent) as folder:
            written = Path(folder, "graph")
            written.write_bytes(content)
            os.replace(written, path)
    except OSError as error:
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror}") from None


def _has_fonts() -> bool:
    folders = [Path(folder).expanduser() for folder in _FONT_FOLDERS]
    return sys.platform != "linux" or any(path.is_file() for folder in folders for path in folder.rglob("*.[ot]t[cf]"))
