"""DOT text and its HTML-like labels: names and numbers in few characters, none of which is syntax."""

import re
from collections.abc import Iterable

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph, norm
from minigrad.text.words import number, printable

SMALL = 10  # points of most text
MAX_NAME_LENGTH = 18  # in a node
_MAX_TOOLTIP_LENGTH = 2_500  # escaped it is below the 16,384 characters that Graphviz reads of a string

_ENTITIES = str.maketrans({c: f"&#{ord(c)};" for c in "&<>\"'\\"})


def escaped(text: str) -> str:
    """Text for DOT and for its HTML-like labels: nothing in it is a tag, an entity, a quote or an escape."""
    return text.translate(_ENTITIES)


def forms(names: Iterable[str]) -> dict[str, str]:
    """Return {name: a form of it}: of a long name its beginning and, among others that begin so, where they differ."""
    limit = MAX_NAME_LENGTH
    found = {name: printable(name, limit) for name in names}
    alike: dict[str, list[str]] = {}
    for name, form in found.items():
        alike.setdefault(form, []).append(name)
    taken = set(alike)
    for group in (group for group in alike.values() if len(group) > 1):
        first, last = min(group), max(group)
        same = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        for k, name in enumerate(group):
            differs = name[max(same - 2, limit // 3) :]
            form = f"{printable(name[: limit // 3])}…{printable(differs, limit * 2 // 3)}"
            found[name] = form if form not in taken else f"{form}{k}"
            taken.add(found[name])
    return found


def tip(lines: Iterable[str]) -> str:
    """Return lines as a tooltip."""
    text = "\n".join(printable(line, _MAX_TOOLTIP_LENGTH) for line in lines)[:_MAX_TOOLTIP_LENGTH]
    return escaped(text).replace("\n", "&#10;")


def sized(text: str, points: int = SMALL, colour: str | None = None, bold: bool = False) -> str:
    """Return a part of an HTML-like label in its size, colour and weight."""
    if not text:
        return ""
    ink = f' COLOR="{colour}"' if colour else ""
    return f'<FONT POINT-SIZE="{points}"{ink}>{f"<B>{text}</B>" if bold else text}</FONT>'


def attributes(**attributes: str | None) -> str:
    """Attributes in brackets; a value <...> is an HTML-like label, every other is quoted (and escaped already)."""
    given = {key.strip("_"): value for key, value in attributes.items() if value is not None}
    return "[" + " ".join(f"{key}={v if v[:1] == '<' else quoted(v)}" for key, v in given.items()) + "]"


def quoted(text: str) -> str:
    """Return an escaped text in quotes."""
    return f'"{text}"'


def shape_of(graph: Graph, node: Tensor) -> str:
    """Return the shape of a node; of a scalar its value."""
    return size_of(node.shape) if node.ndim else f"= {number(graph.value(node), 3)}"


def size_of(shape: tuple[int, ...]) -> str:
    """Return a shape as 3×4 or (3,)."""
    return f"({shape[0]},)" if len(shape) == 1 else "×".join(map(str, shape))


def families(names: list[str], limit: int = 6) -> str:
    """Names in few characters: W1, W2, W3 as W1–W3."""
    groups: dict[str, list[str]] = {}
    for name in names:
        match = re.fullmatch(r"(.*?\D)(\d{1,6})", name)
        groups.setdefault(match[1] if match else name, []).append(match[2] if match else "")
    parts: list[str] = []
    for stem, numbers in groups.items():
        counted = list(map(int, filter(None, numbers)))
        if len(numbers) > 2 and counted == list(range(counted[0], counted[0] + len(numbers))):
            parts.append(f"{stem}{numbers[0]}–{stem}{numbers[-1]}")
        else:
            parts.extend(stem + number for number in numbers)
    rest = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + rest


def values(a: Value) -> str:
    """Return what a tooltip tells of the entries of an array."""
    a = np.asarray(a, float)
    if a.size < 2:
        return f"value {number(a.item(), 6)}" if a.size else "no values"
    with np.errstate(all="ignore"):
        told = {"mean": a.mean(), "std": a.std(), "min": a.min(), "max": a.max(), "norm": norm(a)}
    return ", ".join(f"{what} {number(x, 3)}" for what, x in told.items())
