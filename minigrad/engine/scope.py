"""Scopes: names for groups of what is recorded, and for what a block assigns.

A block that builds a layer in a loop binds the same variables every time, so no mapping of names knows all of its
results afterwards. A scope remembers, when its block ends, which variables of the block hold what was recorded in it.
It keeps no graph alive, and costs nothing where nothing is recorded in a scope.
"""

import sys
from inspect import CO_OPTIMIZED
from sys import getrefcount
from types import FrameType
from weakref import WeakValueDictionary

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
        for variable, value in variables(sys._getframe(1)).items():
            if value.scope and value.scope[-1] is name:
                name.assigned[variable] = value


_REFERENCES_TO_UNSHARED_COPY = 3  # the frame, a variable, getrefcount's argument


def variables(frame: FrameType) -> dict[str, Node]:
    """Return the variables of a frame that hold nodes.

    The copy of a function's variables that the interpreter makes for this is emptied, for the frame would keep it;
    unless locals() gave it out. From Python 3.13 on there is no copy.
    """
    held = frame.f_locals
    nodes = {name: value for name, value in held.items() if isinstance(value, Node)}
    if (
        frame.f_code.co_flags & CO_OPTIMIZED
        and isinstance(held, dict)
        and getrefcount(held) <= _REFERENCES_TO_UNSHARED_COPY
    ):
        held.clear()
    return nodes
