"""Debugging: the first value or gradient that becomes NaN or infinite is named, with the line of the user's program.

Recording shows each node to the ``watcher`` of the context, and the reverse walk each cotangent.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .arrays import Value
from .context import Path, Region, watcher
from .errors import called, described
from .node import Node
from .rules import Derivative, Derivatives

_LIBRARIES = tuple([os.path.dirname(path) + os.sep for path in (os.path.dirname(__file__), np.__file__)])
_LIBRARIES += (contextlib.__file__,)  # whose frames stand between a transform that is decorated and its caller


class debug(Region):
    """A context that raises an error at the first value or gradient that becomes NaN or infinite.

    Inside it every node knows the line of the program that recorded it, and errors of ``backward`` give it. A Tensor
    that requires a gradient does not become a plain number (``float(t)``, ``t.item()``), for what is computed from that
    number has no gradient; ``t.data`` is its value. All this costs time: it is for finding a fault.

    Raises
    ------
    FloatingPointError
        Where the result of a function, or what its derivative sends to an argument, holds a NaN and nothing that it is
        computed from does; the same for an infinity.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> x = mg.Tensor([0.0, 1.0], name="x")
    >>> with mg.debug(), np.errstate(divide="ignore"):  # doctest: +ELLIPSIS
    ...     J = np.sum(np.sqrt(x))
    ...     J.backward()
    Traceback (most recent call last):
    FloatingPointError: the derivative of np.sqrt of x (2,) float64 sends inf at (0,) to x (2,) float64; np.sqrt...
    """

    def __init__(self) -> None:
        self._places: dict[int, str] = {}

    def change(self, path: Path, token: Any) -> Path:
        """Return the scopes as they are."""
        return path

    def __enter__(self) -> None:
        self.enter(watcher.set(self))

    def __exit__(self, *error: object) -> None:
        watcher.reset(self.leave())

    def see_node(self, node: Node) -> None:
        """Remember where a node is recorded, and refuse a result that becomes NaN or infinite."""
        self._places[node.order] = _line_of_the_program()
        fault = _first_fault(node.primal, node.primals)
        if fault:
            raise FloatingPointError(f"{_call(node)} gives {fault}, at {self._places[node.order]}; {_MEND}")

    def see_cotangents(self, node: Node, derivatives: Derivatives) -> Derivatives:
        """Return the derivatives of a node as functions that refuse a cotangent that becomes NaN or infinite."""

        def seeing(x: Node, derivative: Derivative) -> Derivative:
            def seen(g: Value, y: Value, *args: Value, **options: object) -> Value:
                try:
                    c = derivative(g, y, *args, **options)
                except Exception as error:
                    error.add_note(self.recorded_at(node))
                    raise
                fault = _first_fault(_value(c), (_value(g), node.primal, *node.primals))
                if fault:
                    raise FloatingPointError(
                        f"the derivative of {_call(node)} sends {fault} to {x.describe()}; {self.recorded_at(node)}; "
                        f"{_MEND}"
                    )
                return c

            return seen

        pairs = zip(node.operands, derivatives, strict=False)
        return tuple([None if x is None or derivative is None else seeing(x, derivative) for x, derivative in pairs])

    def recorded_at(self, node: Node) -> str:
        """Return where the program recorded a node, as part of a sentence."""
        assert node.function is not None
        place = self._places.get(node.order, "a place outside mg.debug()")
        return f"{called(node.function)} was recorded at {place}"


_MEND = "keep its arguments where it is finite (np.maximum(x, 1e-12), np.clip), or take smaller steps"


def _first_fault(value: Value, sources: Iterable[Value]) -> str | None:
    """Return the first NaN of an array that has one and whose sources have none, or infinity, with its index."""
    for test in (np.isnan, np.isinf):
        wrong = np.asarray(test(value)) if _inexact(value) else np.False_
        if wrong.any() and not any([np.any(test(source)) for source in sources if _inexact(source)]):
            index = tuple(np.argwhere(wrong)[0].tolist())
            return f"{np.asarray(value)[index]} at {index}" if index else f"{value}"
    return None


def _inexact(value: Value) -> bool:
    return isinstance(value, np.ndarray | np.generic | float) and np.asarray(value).dtype.kind in "fc"


def _value(g: Value) -> Value:
    return g._value if isinstance(g, Node) else g


def _call(node: Node) -> str:
    pairs = zip(node.operands, node.primals, strict=True)
    assert node.function is not None
    return f"{called(node.function)} of {described([a if x is None else x for x, a in pairs])}"


def _line_of_the_program() -> str:
    """Return file and line of the code that called this library, directly or through NumPy."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
