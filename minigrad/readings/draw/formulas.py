"""The formulas of a picture: the derivation's lines, as short as a box can hold them."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from minigrad.engine.arrays import Array, Value
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.derive.derivation import Derivation, derivation_of
from minigrad.text.expressions import Expr, key_of
from minigrad.text.words import number

from .dot import size_of
from .fold import word

# In characters: of a line in the head of a box, of one in a term's, and of a summand in the body.
MAX_LINE_LENGTH, MAX_TERM_LENGTH, MAX_SUMMAND_LENGTH = 36, 28, 34
MAX_HEAD_LINES = 2  # a longer formula is cut in its middle
MAX_TOOLTIP_FORMULA_LENGTH = 160
MAX_FORMULA_OPERATIONS = 200
_MAX_SUMMANDS, _MAX_SUMMANDS_OF_A_TERM = 4, 2  # in a box, such as the uses of a weight

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")  # boxes have names as users gave them
_INNERMOST = re.compile(r"[(\[][^()\[\]]*[)\]]")
_BETWEEN = re.compile(r" (?![+-] )")  # a space where a line breaks badly, as a sum breaks before + or -
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
                found[x] = text if 0 < len(text) <= MAX_TOOLTIP_FORMULA_LENGTH else f"{x.op}(…)"
        return found

    def head(self, x: Tensor, width: int, prefix: str = "") -> list[str]:
        """Return what a node was computed by, as mathematics, in lines; of a very long one the function alone.

        Names go without ``prefix``.
        """
        if x.function is None:
            return []
        text = self._written(self._forward(x), "unicode", prefix) if self.derivation is not None else ""
        for limit in range(width * MAX_HEAD_LINES, width, -4):
            cut = _cut(text, limit)
            if any(cut.count(left) != cut.count(right) for left, right in ("()", "[]")):
                continue
            whole = _INNERMOST.sub(lambda bracket: bracket[0].replace(" ", "\xa0"), cut)
            for unbroken in (_BETWEEN.sub("\xa0", whole), _BETWEEN.sub("\xa0", cut), cut.replace("Σ ", "Σ\xa0")):
                lines = textwrap.wrap(unbroken, width, break_long_words=False, break_on_hyphens=False)
                if 0 < len(lines) <= MAX_HEAD_LINES and max(map(len, lines)) <= width:
                    return [line.replace("\xa0", " ") for line in lines]
        return [f"{word(x)}(…)"] if word(x).isidentifier() else []

    def gradient(self, x: Tensor, prefix: str = "") -> list[Summand]:
        """Return the summands of a node's gradient, as mathematics; names go without ``prefix``."""
        if self.derivation is None or x not in self.derivation.lines.backward:
            return []
        line = self.derivation.lines.backward[x]
        summands = line.summands
        shorter = self.derivation.lines.shorter(line) if len({s.terms for s in summands}) == 1 else None
        if shorter is not None:
            summands = (summands[0]._replace(expression=shorter),)
        found = [Summand(self._written(s.expression, "unicode", prefix), s.terms) for s in summands]
        of_one_term = max(Counter(s.terms for s in found).values())
        short = all(0 < len(s.text) <= MAX_SUMMAND_LENGTH for s in found)
        fits = short and len(found) <= _MAX_SUMMANDS and of_one_term <= _MAX_SUMMANDS_OF_A_TERM
        return found if fits else []

    def constants(self) -> dict[str, str]:
        """Return {how it is written: what it is} of the arrays that are no nodes: a shape, or 1 - another."""
        arrays = self.derivation.lines.rewriter.constants if self.derivation is not None else {}
        rests: dict[Value, Expr] = {}  # the first array whose difference from 1 has these entries
        told: dict[str, str] = {}
        for symbol, a in arrays.items():
            rest = rests.get(_entries(a))
            what = size_of(symbol.shape) if rest is None else f"= 1 - {self._written(rest, 'unicode')}"
            told[self._written(symbol, "unicode")] = what
            rests.setdefault(_entries(1 - a), symbol)
        return told

    def _forward(self, x: Tensor) -> Expr:
        assert self.derivation is not None
        lines = self.derivation.lines
        return lines.forward[x].expressions[0] if x in lines.forward else lines.plain[x]

    def _written(self, e: Expr, notation: str, prefix: str = "") -> str:
        assert self.derivation is not None
        if e.size > MAX_FORMULA_OPERATIONS:
            return ""
        text = self.derivation.written(e, notation)
        if notation == "numpy":
            return text
        if prefix:
            text = re.sub(rf"(?<![\w.])(d?){re.escape(prefix)}", r"\1", text)
        return as_given(_NUMBER.sub(lambda digits: number(float(digits[0]), 3), text))


def _cut(text: str, limit: int) -> str:
    """Return a formula without its middle where it is long: a sum keeps its first summands and its last."""
    words = text.split(" ")
    if len(text) <= limit:
        return text
    end = next(k for k in range(1, len(words) + 1) if len(" ".join(words[-k:])) > limit / 3 or k == len(words)) - 1
    last = words[len(words) - max(end, 1) :]
    room = limit - len(" ".join(last)) - 3
    first = next(k for k in range(len(words)) if len(" ".join(words[: k + 1])) > room)
    summands = [k + 1 for k, word in enumerate(words[:first]) if word in "+-"]
    return " ".join([*words[: summands[-1] if summands else first], "…", *last])


def _entries(a: Array) -> Value:
    """Return a key that arrays of equal numbers share, of whatever dtype and sign of zero."""
    return key_of(np.asarray(a, float) + 0.0)


def as_given(text: str) -> str:
    """Return mathematics with the names of users as they stand in boxes: W1 for W₁."""
    return text.translate(_SUBSCRIPTS)
