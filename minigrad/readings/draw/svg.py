"""The SVG of Graphviz, such that browsers show it as it was laid out, in whatever fonts they have."""

import re

from .measure import PART, SHAPE, points_of

_HOOK = re.compile(rb'(?<= )(?:id|class)="[^"]*"')
_RUN = rb'<text (?:xml:space="preserve" )?text-anchor="start" x="([^"]*)" y="%s"([^>]*)>([^<]*)</text>\n'
_LINE = re.compile(_RUN % rb"([^\"]*)" + rb"(?:" + _RUN % rb"\2" + rb")*")


def mended(svg: bytes) -> bytes:
    """Return an SVG with hyphens in ids and classes, one text element per line, and lines that fit their boxes.

    Graphviz writes hyphens as &#45;, which a text search would miss.
    """
    svg = _LINE.sub(_in_one, _HOOK.sub(lambda hook: hook[0].replace(b"&#45;", b"-"), svg))
    return PART.sub(lambda part: _fitted(part[0]) if part[1] == b"node" else part[0], svg)


def _in_one(line: re.Match[bytes]) -> bytes:
    """Return the texts of one line as one element: in a browser's font each part begins where the last one ends."""
    (_, look, first), *rest = re.findall(_RUN % rb"[^\"]*", line[0])
    spans = b"".join(b"<tspan%s%s>%s</tspan>" % (more, _plain(more), text) for _, more, text in rest)
    place = b'xml:space="preserve" text-anchor="start" x="%s" y="%s"' % (line[1], line[2])
    return b"<text %s%s>%s%s</text>\n" % (place, look, first, spans)


def _plain(look: bytes) -> bytes:
    """Return the attributes that a part of a line would else take from the first part."""
    defaults = {b"fill": b"#000000", b"font-weight": b"normal"}
    return b"".join(b' %s="%s"' % default for default in defaults.items() if b" " + default[0] not in look)


def _fitted(node: bytes) -> bytes:
    """Return a node whose lines, set around its middle, are as long as Graphviz took them to be."""
    shape = SHAPE.search(node)
    if shape is None:
        return node
    x = points_of(shape[1])[:, 0]
    middle = (x.min() + x.max()) / 2

    def fit(start: re.Match[bytes]) -> bytes:
        length = b'%s textLength="%.2f" lengthAdjust="spacingAndGlyphs"'
        return length % (start[0], 2 * (middle - float(start[1])))

    return re.sub(rb'<text xml:space="preserve" text-anchor="start" x="([^"]*)"', fit, node)
