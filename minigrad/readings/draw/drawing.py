"""A drawing: DOT text that shows itself in notebooks and renders to files, with whatever Graphviz there is.

``dot`` on PATH is used; else pygraphviz, whose wheels bundle Graphviz. Where neither works the DOT text is saved, so
that it can be rendered elsewhere, and the error says where it is and what to install.
"""

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import graphviz  # type: ignore[import-untyped]

from minigrad.engine.arrays import Options
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.derive.derivation import Derivation
from minigrad.text.markup import Shown
from minigrad.text.words import headline, listed, printable

from .fold import Edge, Vertex
from .measure import trouble
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


class RenderError(RuntimeError):
    """There is no Graphviz to render with, or it failed."""


class _LayoutError(RenderError):
    """Graphviz failed at this DOT text, or left something out; it may do better with another."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """The picture of a graph, a graphviz.Digraph. Notebooks show it; ``.source`` is its DOT text.

    Attributes: ``graph``, the Graph that is drawn; ``vertices``, a list of (id, name, node) with the ``id`` that the
    vertex has in DOT and SVG, node None where a box stands for several; ``place``, {node: index of its vertex};
    ``edge_list``, a list of (id, tail id, head id,
    terms); ``colours``, {term: colour}; ``formulas``, {node: what it was computed by}; ``derivation``, that of the
    graph, None where it is large; ``marks``, {node: (mark, message)} of a check.
    """

    def __init__(
        self,
        graph: Graph,
        vertices: list[Vertex],
        edges: list[Edge],
        lines: list[str],
        layouts: Callable[[], Iterable[list[str]]],
        plain: Callable[[], list[str]],
        colours: Mapping[str, str],
        formulas: Mapping[Tensor, str],
        derivation: Derivation | None,
        marks: Mapping[Tensor, tuple[str, str]],
        page: "Callable[[Drawing], str]",
    ) -> None:
        super().__init__(name="minigrad", body=_body(lines))
        self._layouts, self._plain, self._own = layouts, plain, len(lines)
        self._best = ("", "", b"")  # a source, the source of its best layout, and that as SVG
        self.graph = graph
        self.derivation, self._page = derivation, page
        self.colours, self.formulas, self.marks = colours, formulas, marks
        self.vertices = [(v.id, v.name, v.node) for v in vertices]
        self.place = {node: k for k, v in enumerate(vertices) for node in v.members}
        self.edges = edges
        self.edge_list = [(f"edge-{k}", e.tail.id, e.head.id, graph.terms_of(e.bits)) for k, e in enumerate(edges, 1)]

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
            return self._page(self).encode()
        return bytes(self.pipe(kind, dpi=dpi))

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
        for source in dict.fromkeys(map(self._with_additions, self._layouts())):
            try:
                svg = self._complete(source)
            except _LayoutError:
                continue
            wide, hard = trouble(svg)
            found.append((hard, wide, len(found), source, svg))
            if not wide and hard <= _MAX_TROUBLE_PER_EDGE * len(self.edges):
                break
        if found:
            laid_out = min(found)[3:]
        else:
            source = self._with_additions(self._plain())
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
        lost = [
            f"{printable(edge.tail.name)} → {printable(edge.head.name)}"
            for edge, (id, *_) in zip(self.edges, self.edge_list, strict=True)
            if id not in drawn
        ]
        if lost:
            raise _LayoutError(f"Graphviz leaves out {len(lost)} edges: {listed(lost)}")
        return svg

    def page(self, height: int = 640) -> "Page":
        """Return the page of ``.render("graph.html")``, which a notebook shows inline, ``height`` pixels high.

        Raises RenderError where no Graphviz renders.
        """
        return Page(self._page(self), height)

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
        unreadable = re.search("syntax error|in label of", said)  # so would be every other layout
        raise (RenderError if unreadable else _LayoutError)(f"dot failed: {said or error}") from None
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
    except pygraphviz.DotError as error:
        raise RenderError(f"Graphviz cannot read this DOT text: {error}") from None
    except (OSError, ValueError, AttributeError) as error:  # an old release, built without a layout engine
        raise _LayoutError(f"there is no `dot` on PATH, and pygraphviz failed ({error}); {_INSTALL}") from None


def _write(path: Path, content: bytes) -> None:
    """Write a file at once: to a temporary file beside it, which then takes its place."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        if not isinstance(error, OSError):  # an interrupt
            raise
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror}") from None


def _has_fonts() -> bool:
    folders = [Path(folder).expanduser() for folder in _FONT_FOLDERS]
    return sys.platform != "linux" or any(path.is_file() for folder in folders for path in folder.rglob("*.[ot]t[cf]"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
