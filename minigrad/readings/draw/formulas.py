"""The formulas of a picture: the derivation's lines, as short as a box can hold them."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.derive.derivation import Derivation, derivation_of
from minigrad.text.expressions import Expr
from minigrad.text.words import number

MAX_HEAD = 36  # characters of a formula in the head of a box
MAX_TERM = 28  # characters of the formula of a cost term
MAX_SUMMAND = 34  # characters of a summand in its body
MAX_TOOLTIP = 160  # characters of a formula in a tooltip
MAX_OPERATIONS = 60  # of a formula that is written at all

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")  # boxes have names as users gave them
_NUMBER = re.compile(r"\d+\.\d+(?:e[+-]?\d+)?")


class Summand(NamedTuple):
    """A part of a gradient, and the terms that it comes from, as bits of ``Graph.reach``."""

    text: str
    terms: int


class Formulas:
    """What the named nodes of a graph are computed by, and what their gradients are; "" and [] where that is long.

    ``derivation`` is None where the graph is so large that it is not written out.
    """

    def __init__(self, graph: Graph) -> None:
        self.derivation: Derivation | None = derivation_of(graph)

    def in_numpy(self, nodes: Iterable[Tensor]) -> dict[Tensor, str]:
        """Return what nodes were computed by, in NumPy; of a long one only the function."""
        if self.derivation is None:
            return {}
        found = {}
        for x in nodes:
            if x.function is not None:
                text = self._written(self._forward(x), "numpy")
                found[x] = text if 0 < len(text) <= MAX_TOOLTIP else f"{x.op}(…)"
        return found

    def head(self, x: Tensor, limit: int = MAX_HEAD) -> str:
        """Return what a node was computed by, as mathematics; "" where it has more characters than ``limit``."""
        if self.derivation is None or x.function is None:
            return ""
        text = self._written(self._forward(x), "unicode")
        return text if len(text) <= limit else ""

    def gradient(self, x: Tensor) -> list[Summand]:
        """Return the summands of a node's gradient, as mathematics."""
        if self.derivation is None or x not in self.derivation.lines.backward:
            return []
        summands = self.derivation.lines.backward[x].summands
        found = [Summand(self._written(s.expression, "unicode"), s.terms) for s in summands]
        return found if all(0 < len(s.text) <= MAX_SUMMAND for s in found) and len(found) <= 4 else []

    def _forward(self, x: Tensor) -> Expr:
        assert self.derivation is not None
        lines = self.derivation.lines
        return lines.forward[x].expressions[0] if x in lines.forward else lines.plain[x]

    def _written(self, e: Expr, notation: str) -> str:
        assert self.derivation is not None
        if e.size > MAX_OPERATIONS:
            return ""
        text = self.derivation.written(e, notation)
        if notation == "numpy":
            return text
        return as_given(_NUMBER.sub(lambda digits: number(float(digits[0]), 3), text))


def as_given(text: str) -> str:
    """Return mathematics with the names of users as they stand in boxes: W1 for W₁."""
    return text.translate(_SUBSCRIPTS)
