"""Why a cost term does or does not reach a node, in words: the paths, the factors along them, the evidence of absence.

Everything is asked of the edges first. Where a path exists, the factors of the chain rule are the lines of the
derivation: the same step is written the same way everywhere. Paths can be exponentially many: they are counted in one
pass over the nodes, and only the shortest are listed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.node import ancestors, passes_gradient, reachable
from minigrad.engine.reverse import pull
from minigrad.engine.tensor import Tensor
from minigrad.graph import MAX_PATH_COUNT, MAX_TRAILS, Graph, norm
from minigrad.readings.derive.derivation import Derivation, added, derivation_of
from minigrad.text.expressions import Expr, parts_of
from minigrad.text.words import counted, listed, number, printable

MAX_PATH_STEPS = 8  # half from each end
MAX_FORMULA_OPERATIONS = 40
MAX_FORMULA_LENGTH = 100


class Reasons:
    """The words for one graph.

    ``names`` are those of all Tensors that may be spoken of; ``derivation``, where there is one already, that of the
    graph, whose lines are the formulas.
    """

    def __init__(self, graph: Graph, names: Mapping[Tensor, str], derivation: Derivation | None = None) -> None:
        self.graph = graph
        self.copies = {x: x.source for x in graph.nodes if x.source is not None}
        self._names = names
        self._derivation = derivation

    @cached_property
    def derivation(self) -> Derivation | None:
        """The derivation of the graph, whose lines are the formulas; None where the graph is too large for it."""
        return self._derivation or derivation_of(self.graph)

    def called(self, x: Tensor) -> str:
        """Return the name of a node, or the expression that an unnamed one was computed by, as harmless text."""
        return printable(self._names[x]) if x in self._names else self._expression(x)

    def _expression(self, x: Tensor) -> str:
        """Return what a node was computed by, or where that is long only the function."""
        if self.derivation is not None and x in self.graph.reach:
            lines = self.derivation.lines
            (e,) = lines.forward[x].expressions if x in lines.forward else (lines.plain[x],)
            written = self._written([e])
            if written:
                return written
        return f"{_np(x)}(…)" if x.function else "an unnamed leaf"

    def _written(self, summands: Sequence[Expr]) -> str:
        """Return a sum in NumPy; "" where it is long."""
        if self.derivation is None or sum(e.size for e in summands) > MAX_FORMULA_OPERATIONS:
            return ""
        code = added([self.derivation.written(e, "numpy") for e in summands])
        return code if len(code) <= MAX_FORMULA_LENGTH else ""

    def _end(self, term: str) -> Tensor:
        return self.graph.terms[term].node

    # --- no path -----------------------------------------------------------------------------------------------------

    def of_absence(self, x: Tensor, term: str) -> str:
        """Why no gradient of the term arrives at ``x``."""
        end, n, t = self._end(term), self.called(x), printable(term)
        above, below = set(ancestors([end])), set(ancestors([x]))
        if end in below and end is not x:
            return f"{n} is computed from {t}, not {t} from {n}: gradients flow from {n} back to {t}, never forward."
        if x in above and not x.requires_grad:
            how = "is a constant" if x.function is None else "is computed from constants alone"
            used = f"{t} is computed from {n}, but {n} {how}" if x is not end else f"{t} {how}"
            return _lines(f"{used}, so no gradient is sent to it.", self.cuts(x, end))
        zero = f"∂{t}/∂{n} = 0, whatever the values: no path leads from {n} to {t}."
        if x in above:
            return _lines(zero, self._flat_use(x, above))
        evidence = f"{self.sources(term)[:-1]}; {n} is no ancestor of it."
        shared = [self.called(y) for y in _leaves(below & above) if y.requires_grad and y is not x]
        return _lines(zero, evidence, self.cuts(x, end) or _held_fixed(n, t, shared))

    def sources(self, term: str) -> str:
        """Return the sentence that says which leaves a term is computed from."""
        leaves, t = _leaves(ancestors([self._end(term)])), printable(term)
        learned = [self.called(x) for x in leaves if x.requires_grad]
        told = [x for x in leaves if not x.requires_grad and (x in self._names or x in self.copies)]
        constants = [*dict.fromkeys(self._constant(x) for x in told)]
        if not learned:
            return f"{t} is computed from constants alone{': ' if constants else ''}{listed(constants)}."
        also = f" (and the constant{'s' * (len(constants) > 1)} {listed(constants)})" if constants else ""
        return f"{t} is computed from the lea{'f' if len(learned) == 1 else 'ves'} {listed(learned)} alone{also}."

    def _constant(self, x: Tensor) -> str:
        return self.called(x) if x in self._names else f"a copy of {self.called(self.copies[x])} made by detach"

    def cuts(self, x: Tensor, end: Tensor) -> str:
        """Where a path from ``x`` to ``end`` would have led, had a detach not cut it off."""
        above = set(ancestors([end]))
        sentences: dict[str, None] = {}
        for copy, source in self.copies.items():
            if copy in above and (x is copy or x in set(ancestors([source]))):
                above_it = "" if x is source or x is copy else f", which {self.called(source)} is computed from"
                cut = self._cut(copy, [self.called(end)])
                sentences[f"{cut}. Without that detach a path would lead to {self.called(x)}{above_it}."] = None
        return "\n".join([*sentences][:MAX_TRAILS])

    def of_detached(self) -> list[str]:
        """Return a sentence for each Tensor that a detach cut off and a term uses all the same."""
        above = {term: set(ancestors([self._end(term)])) for term in self.graph.terms if self.copies}
        using: dict[str, tuple[Tensor, list[str]]] = {}
        for copy in self.copies:
            users = [printable(term) for term in above if copy in above[term]]
            known = using.setdefault(self._constant(copy), (copy, []))[1]
            known += [user for user in users if user not in known]
        return [f"{self._cut(copy, users)}." for copy, users in using.values() if users]

    def _cut(self, copy: Tensor, users: list[str]) -> str:
        original, use = self.called(self.copies[copy]), "uses" if len(users) == 1 else "use"
        value = f"{listed(users)} {use} {self._constant(copy)}: the value of {original}"
        return f"{value}, cut off from it, so that no gradient goes back to {original}"

    def _flat_use(self, x: Tensor, above: set[Tensor]) -> str:
        """How ``x`` is used on its way to a term that no gradient comes back from."""
        users = self.graph.consumers

        def passed_on(node: Tensor) -> list[Tensor]:
            return [y for y in users[node] if y in above and _arguments(y, node)]

        uses = [
            f"{_np(y)} uses {self.called(node)}"
            for node in reachable([x], passed_on)
            for y in users[node]
            if y in above and not _arguments(y, node)
        ]
        return f"Its value is used, but only as a choice, an index or a sign, whose derivative is 0: {listed(uses)}."

    # --- paths -------------------------------------------------------------------------------------------------------

    def of_path(self, x: Tensor, term: str, gradient: Value) -> str:
        """How the term reaches ``x``: the paths, the factors along the shortest, and what arrives."""
        amount = self._amount(x, term, gradient)
        n, t = self.called(x), printable(term)
        if x is self._end(term):
            return _lines(f"{n} is the term itself.", amount)
        count, trails = self.graph.paths(term)[x]
        ways = [trail.nodes() for trail in trails]
        how_many = "more than 10^100" if count >= MAX_PATH_COUNT else f"{count:,}"
        also = "" if count == 1 else f" ({how_many} paths, counted operation by operation)"
        several = len(ways) > 1
        lead = "Several ways lead" if several else "A path leads"
        steps = [*pairwise(ways[0])][::-1]
        factors = _shown(steps, lambda step: f"∂{self.called(step[1])}/∂{self.called(step[0])}")
        return _lines(
            f"{lead} from {n} to {t}{also}{', the shortest:' if several else ':'}",
            *("    " + " → ".join(_shown(way, self.called)) for way in ways),
            f"The chain rule multiplies the factors along {'each, and adds the ways' if several else 'it'}:",
            f"    ∂{t}/∂{n} = {' · '.join(factors)}{' + …' * several}" if len(factors) > 1 else "",
            *_shown(steps, lambda step: self._step(step[0], step[1], term)),
            f"where dX is what {t} adds to ∂{self.called(self.graph.root)}/∂X{' along the first way' * several}.",
            amount,
        )

    def _step(self, x: Tensor, y: Tensor, term: str) -> str:
        """Return ``dx = ...``: what dy sends back on all ways from y to x through unnamed nodes."""
        between = self.graph.between(x, y)
        opened = [f"    (open at {np.count_nonzero(y.primal)} of {y.size} units)" for y in between if is_relu(y)]
        formulas = self._formulas(x, between, term)
        if not formulas:
            operations = ", ".join(_shown(between, lambda node: str(node.op)))
            formulas = [f"{_d(self.called(x))} = {_d(self.called(y))} sent back through {operations}"]
        return "\n".join(f"    {line}" for line in formulas) + "".join(opened[:1])

    def _formulas(self, x: Tensor, between: list[Tensor], term: str) -> list[str]:
        """Return the derivation's lines for what y, the first of ``between``, sends to x; none where one is long.

        There are several lines where unnamed nodes between them have lines of their own.
        """
        if self.derivation is None:
            return []
        lines, on_way, formulas = self.derivation.lines, set(between), list[str]()
        for z in [z for z in between[1:] if z in lines.gradients] + [x]:
            summands = [s.expression for s in lines.backward[z].summands if s.source in on_way]
            code = self._written(summands) if summands else ""
            if not code or not self._is_of(term, between[0], summands):
                return []
            if z is not x:
                formulas.append(f"{lines.symbols[z].value} = {self._expression(z)}")
            formulas.append(f"{lines.gradients[z].value} = {code}")
        return formulas

    def _is_of(self, term: str, y: Tensor, summands: Sequence[Expr]) -> bool:
        """Return whether summands that y sends are those of the term alone.

        They are where they contain dy. Where dy is a number that was put in its place, another term may have a part in
        it.
        """
        lines = self.derivation.lines if self.derivation else None
        alone = self.graph.terms_of(self.graph.reach[y]) == [term]
        return alone or (lines is not None and lines.gradients[y] in parts_of(summands))

    # --- numbers -----------------------------------------------------------------------------------------------------

    def _amount(self, x: Tensor, term: str, gradient: Value) -> str:
        t, root = printable(term), self.called(self.graph.root)
        c, size = self.graph.terms[term].coefficient, gradient.size
        times = "" if c == 1 else f" ({t} counts {number(c)} times in {root})"
        if size and not gradient.any():
            return _lines(f"There is a path, but the number is 0 at these values{times}:", *self._zero_factors(x, term))
        bad, zeros = size - np.count_nonzero(np.isfinite(gradient)), size - np.count_nonzero(gradient)
        some = f"; {bad} of its {size} entries are not finite" if bad else ""
        some += f"; {zeros} of its {size} entries are 0" if zeros else ""
        return f"What {t} adds to ∂{root}/∂{self.called(x)} has norm {number(norm(gradient))}{times}{some}."

    def _zero_factors(self, x: Tensor, term: str) -> list[str]:
        """Return the factors that make a gradient zero on its way from the term to ``x``, nearest to ``x`` first."""
        arriving = self.graph.cotangents(term)
        users = {node: [y for y in self.graph.consumers[node] if y in arriving] for node in self.graph.nodes}
        found: dict[str, None] = {}
        for node in reachable([x], lambda node: [y for y in users[node] if not np.any(arriving[y])]):
            if node is self._end(term):
                found[f"the factor of {printable(term)} in {self.called(self.graph.root)} is 0"] = None
            for y in users[node]:
                if np.any(arriving[y]):
                    found |= dict.fromkeys(self._zero_at(y, i, arriving[y]) for i in _arguments(y, node))
            if len(found) >= MAX_TRAILS:
                break
        return [f"    {reason}." for reason in [*found][:MAX_TRAILS]]

    def _zero_at(self, y: Tensor, index: int, g: Value) -> str:
        """Why a gradient that arrives at ``y`` does not arrive at its argument."""
        expression = self._expression(y)
        here = f"{self.called(y)} = {expression}" if y in self._names else expression
        if np.any(pull(y, index, g)):
            return f"{here}: what this use sends back is not 0, but with the other uses it adds up to exactly 0"
        if is_relu(y):
            closed = y.size - np.count_nonzero(y.primal)
            if closed == y.size:
                return f"{here}: this ReLU is closed, at {_all_of(y.size, 'unit')}"
            return f"{here}: this ReLU is closed at {closed} of {y.size} units, and nothing arrives at the open ones"
        others = [i for i, a in enumerate(y.primals) if i != index and not np.any(a)]
        if y.function in (np.multiply, np.matmul) and others:
            operand = y.operands[others[0]]
            return f"{here}: the other factor, {self.called(operand) if operand is not None else 'a constant'}, is 0"
        if y.rule is not None and y.rule.pointwise and not np.any(pull(y, index, np.ones_like(y._value))):
            return f"{here}: its derivative is 0, at {_all_of(y.primals[index].size, 'entry', 'entries')}"
        return f"{here}: what this use sends back adds up to exactly 0"


# --- reading the graph ------------------------------------------------------------------------------------------------


def _arguments(y: Tensor, x: Tensor) -> list[int]:
    """Return the arguments of ``y`` through which it passes a gradient to ``x``."""
    return [i for i, ok in enumerate(passes_gradient(y)) if ok and y.operands[i] is x]


def _leaves(nodes: Iterable[Tensor]) -> list[Tensor]:
    return sorted((x for x in nodes if x.function is None), key=attrgetter("order"))


def is_relu(y: Tensor) -> bool:
    """Return whether a node is the larger of a value and 0."""
    constants = [a for x, a in zip(y.operands, y.primals, strict=True) if x is None]
    return y.function is np.maximum and bool(constants) and not np.any(constants[0])


# --- words ------------------------------------------------------------------------------------------------------------


def _np(x: Tensor) -> str:
    return f"np.{x.op}" if getattr(np, x.op or "", None) is x.function else f"{x.op}"


def _d(name: str) -> str:
    return f"d{name}" if name.isidentifier() else f"d({name})"


def _held_fixed(n: str, t: str, shared: list[str]) -> str:
    if not shared:
        return ""
    them = "it" if len(shared) == 1 else "them"
    back = f"{n} is computed from {listed(shared)}, never the other way round"
    return f"{back}: hold {them} fixed, and {t} stays as it is, whatever {n} is."


def _all_of(count: int, singular: str, plural: str = "") -> str:
    return f"its only {singular}" if count == 1 else f"all {counted(count, singular, plural)}"


def _shown(items: Sequence[Any], say: Callable[[Any], str]) -> list[str]:
    """Return what is said of each item, of a long list with a gap in the middle."""
    half = MAX_PATH_STEPS // 2
    if len(items) <= MAX_PATH_STEPS + 1:
        return [say(item) for item in items]
    return [*map(say, items[:half]), "…", *map(say, items[-half:])]


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
