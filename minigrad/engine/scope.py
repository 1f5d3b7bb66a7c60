"""Scopes: names for groups of what is recorded, and for what a block assigns.

A block that builds a layer in a loop binds the same variables every time, so no mapping of names knows all of its
results afterwards. A scope remembers, when its block ends, which variables of the block hold what was recorded in it.
It keeps no graph alive, and costs nothing where nothing is recorded in a scope.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import CO_OPTIMIZED
from itertools import islice
from sys import getrefcount
from types import FrameType, FunctionType, ModuleType
from typing import Any
from weakref import WeakValueDictionary

from .arrays import Value
from .context import Path, Region
from .node import Node


class ScopeName(str):
    """The name of a scope that was entered once. ``assigned`` maps its block's variables to the nodes they held."""

    assigned: "WeakValueDictionary[str, Node]"

    def __new__(cls, name: str) -> "ScopeName":
        """Return the name of a scope in which nothing is assigned yet."""
        scope = super().__new__(cls, name)
        scope.assigned = WeakValueDictionary()
        return scope


class scope(Region):
    """Group what is recorded inside the context under a name; scopes nest. Pictures draw a scope as a box.

    What the block assigns is called by its variable where nothing else names it, such as ``layer 1.Z``. A scope holds
    in the thread or asyncio task that entered it, and in no other.

    Parameters
    ----------
    name : str
        What readings call it.

    Raises
    ------
    TypeError
        Where the name is no string, or empty.

    Examples
    --------
    >>> import minigrad as mg
    >>> W = mg.Tensor([1.0], name="W")
    >>> with mg.scope("layer 1"):
    ...     Z = 2 * W
    >>> Z.scope
    ('layer 1',)
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"scope: the name is a string that is not empty, not {name!r}")
        self.name = name

    def change(self, path: Path, token: ScopeName) -> Path:
        """Return the scopes with one more inside them."""
        return None if path is None else (*path, token)

    def __enter__(self) -> None:
        self.enter(ScopeName(self.name))

    def __exit__(self, *error: object) -> None:
        name: ScopeName = self.leave()
        for variable, value in _variables(sys._getframe(1)).items():
            if isinstance(value, Node) and value.scope and value.scope[-1] is name:
                name.assigned[variable] = value


# --- what variables hold ----------------------------------------------------------------------------------------------

_REFERENCES_TO_UNSHARED_COPY = 3  # the frame, a variable, getrefcount's argument
_MAX_SEARCHED_MEMBERS = 10_000
# What a notebook calls its history: the last results, inputs and outputs.
_HISTORY = re.compile(r"_+|_\d+|_(oh|ih|dh)|_i+\d*|In|Out")


def _variables(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a frame.

    The copy of a function's variables that the interpreter makes for this is emptied, for the frame would keep it;
    unless locals() gave it out. From Python 3.13 on there is no copy.
    """
    held = frame.f_locals
    copied = dict(held)
    if (
        frame.f_code.co_flags & CO_OPTIMIZED
        and isinstance(held, dict)
        and getrefcount(held) <= _REFERENCES_TO_UNSHARED_COPY
    ):
        held.clear()
    return copied


def names_of(t: Node, frame: FrameType) -> list[str]:
    """Return how the code of a frame and of its caller writes a node, or another one whose memory it shares.

    Frames of this package are left out.
    """
    names = []
    for place in (frame, frame.f_back):
        if place is not None and not place.f_globals.get("__name__", "").startswith(f"{_PACKAGE}."):
            free = frame.f_code.co_freevars if place is not frame else ()
            found = [(name, x) for name, x, _ in entries(_variables(place)) if isinstance(x, Node) and name not in free]
            names += [name if place is frame else f"{name} of its caller" for name, x in found if x.shares_memory(t)]
    return names


_PACKAGE = __name__.partition(".")[0]


def entries(mapping: Mapping[str, object]) -> Iterator[tuple[str, Any, str | None]]:
    """Yield what a mapping holds, and what its values hold: the name, the value, and the name of what holds it.

    Names that begin with an underscore come last, a notebook's history not at all.
    """
    keys = [key for key in mapping if isinstance(key, str) and not _HISTORY.fullmatch(key)]
    for key in sorted(keys, key=lambda key: key.startswith("_")):
        yield key, mapping[key], None
        if not isinstance(mapping[key], Node):
            for place, member in islice(members(mapping[key]), _MAX_SEARCHED_MEMBERS):
                yield f"{key}{place}", member, key


def members(x: Value) -> Iterable[tuple[str, Any]]:
    """Return what a list, a tuple, a dictionary or an object holds, with how one writes it; evaluate no property."""
    kind = type(x)  # isinstance would ask an object for its class, which may be a property
    if issubclass(kind, list | tuple):
        return ((f"[{i}]", member) for i, member in enumerate(x))
    if issubclass(kind, ModuleType | FunctionType | type):
        return ()
    try:
        held = x if issubclass(kind, dict) else object.__getattribute__(x, "__dict__")
    except AttributeError:  # a number, an array, an object with slots
        return ()
    return ((f".{key}", member) for key, member in dict.items(held) if isinstance(key, str))
