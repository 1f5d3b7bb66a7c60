"""What a rendered picture costs the eye: a page that is too wide, edges that cross or run over boxes, and height."""

import re

import numpy as np

PAGE_WIDTH = 637.0  # points, the 850 px of a README: what is no wider is shown at its natural size
MAX_READABLE_WIDTH = 1.33 * PAGE_WIDTH  # scaled to a page, what is no wider has text of 10 px

PART = re.compile(rb'<g id="(node|edge)-.*?</g>', re.DOTALL)
SHAPE = re.compile(rb'<(?:path|polygon) [^>]*?(?: d|points)="([^"]*)"')
_SIZE = re.compile(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"')
_CORNERS = 8  # of each Bézier curve, as a polyline
_TALL, _WIDE = 50.0, 0.5  # points of height, and of width beyond a page, that trouble the eye as much as a crossing
_HIDDEN = 100  # crossings that an edge over a box is as bad as

_Points = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def trouble(svg: bytes) -> tuple[float, float]:
    """Return the points that a picture is too wide, and how hard it is to read, in crossings."""
    width, height = map(float, _SIZE.findall(svg)[0])
    shapes: dict[bytes, list[_Points]] = {b"node": [], b"edge": []}
    for part in PART.finditer(svg):
        found = [points_of(shape) for shape in SHAPE.findall(part[0])]
        shapes[part[1]] += found[:1] if part[1] == b"edge" else [np.concatenate(found)] if found else []
    lines = [_polyline(path) for path in shapes[b"edge"]]
    hidden = _over(lines, [(box.min(0), box.max(0)) for box in shapes[b"node"]])
    wide = max(0.0, width - MAX_READABLE_WIDTH)
    return wide, crossings(lines) + _HIDDEN * hidden + height / _TALL + wide / _WIDE


def crossings(lines: list[_Points]) -> int:
    """Return how often two polylines cross each other.

    >>> crossings([np.array([[0.0, 0], [2, 2]]), np.array([[0.0, 2], [2, 0]]), np.array([[3.0, 0], [3, 2]])])
    1
    """
    if not lines:
        return 0
    starts, ends = np.concatenate([line[:-1] for line in lines]), np.concatenate([line[1:] for line in lines])
    found, after = 0, 0
    for line in lines:
        after += len(line) - 1
        a, b, c, d = line[:-1, None], line[1:, None], starts[None, after:], ends[None, after:]
        found += int(np.sum((_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)))
    return found


def _turn(a: _Points, b: _Points, c: _Points) -> _Points:
    """Return twice the signed areas of triangles: their signs say to which side of a line from a to b each c lies."""
    return np.asarray((b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0])


def _over(lines: list[_Points], boxes: list[tuple[_Points, _Points]]) -> int:
    """Return how many boxes lie under a line; a line ends at the border of its own."""
    return sum(bool(np.any(np.all((low + 1 < line) & (line < high - 1), 1))) for line in lines for low, high in boxes)


def points_of(shape: bytes) -> _Points:
    """Return the points of a path or of a polygon."""
    return np.array(re.findall(rb"-?[\d.]+", shape), float).reshape(-1, 2)


def _polyline(points: _Points) -> _Points:
    """Return points along a path of Bézier curves, which is given by its ends and controls."""
    t = np.arange(1, _CORNERS + 1)[:, None] / _CORNERS
    weights = np.stack([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3])
    curves = [np.einsum("kij,kj->ij", weights, points[k : k + 4]) for k in range(0, len(points) - 3, 3)]
    return np.concatenate([points[:1], *curves])
