"""Why a cost term does or does not reach a node, in words: the paths, the factors along them, the evidence of absence.

Everything is asked of the edges first. Where a path exists, the factors of the chain rule are spelled by running the
table of rules on stand-ins for the nodes of a step: a formula here is what the reverse walk does.
Paths can be exponentially many: they are counted in one pass over the nodes, and only the shortest are listed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.context import recording, tracing
from minigrad.engine.node import passes_gradient
from minigrad.engine.reverse import on_path, pull, walk
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph, ancestors, printable
from minigrad.text import spelling
from minigrad.text.numpy_code import ATOM, CALL, Names, Text, literal

_PATHS = 3  # that are listed; the others are counted
_STEPS = 8  # of a path that are shown, half from each end
_LEAVES = 8  # that a sentence lists
_MANY = 10**100  # paths are counted up to here
_LONGEST = 100  # characters of a formula
_SPELLED = 16  # unnamed operations that a formula spells out
_DEPTH = 40  # operations inside each other in it


class Trail(NamedTuple):
    """A path as the named nodes along it, nearest first."""

    length: int
    node: Tensor
    rest: "Trail | None"


class Reasons:
    """The words for one graph.

    ``names`` are those of all Tensors that may be spoken of, ``idle`` the terms that are constants, ``copies`` the
    ``detached_copies``.
    """

    def __init__(
        self,
        graph: Graph,
        names: Mapping[Tensor, str],
        idle: Mapping[str, Tensor],
        copies: Mapping[Tensor, Tensor],
    ) -> None:
        self.graph = graph
        self.idle = idle
        self.copies = copies
        self._names = names
        self._routes: dict[str, dict[Tensor, tuple[int, list[Trail]]]] = {}

    def called(self, x: Tensor) -> str:
        """The name of a node, or the expression that an unnamed one was computed by, as harmless text."""
        return self._text(x, {}).code

    def _end(self, term: str) -> Tensor:
        return self.idle[term] if term in self.idle else self.graph.terms[term].node

    # --- no path -----------------------------------------------------------------------------------------------------

    def of_absence(self, x: Tensor, term: str) -> str:
        """Why no gradient of the term arrives at ``x``."""
        end, n, t = self._end(term), self.called(x), printable(term)
        above, below = set(ancestors(end)), set(ancestors(x))
        if end in below and end is not x:
            return f"{n} is computed from {t}, not {t} from {n}: gradients flow from {n} back to {t}, never forward."
        if x in above and not x.requires_grad:
            how = "is a constant" if x.function is None else "is computed from constants alone"
            used = f"{t} is computed from {n}, but {n} {how}" if x is not end else f"{t} {how}"
            return _lines(f"{used}, so no gradient is sent to it.", self.cuts(x, end))
        zero = f"∂{t}/∂{n} = 0, whatever the values: no path leads from {n} to {t}."
        if x in above:
            return _lines(zero, self._flat_use(x, above))
        evidence = f"{self.sources(term)[:-1]}; {n} is not upstream of it."
        shared = [self.called(y) for y in _leaves(below & above) if y.requires_grad and y is not x]
        return _lines(zero, evidence, self.cuts(x, end) or _held_fixed(n, t, shared))

    def sources(self, term: str) -> str:
        """The sentence that says which leaves a term is computed from."""
        leaves, t = _leaves(ancestors(self._end(term))), printable(term)
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
        above = set(ancestors(end))
        sentences: dict[str, None] = {}
        for copy, source in self.copies.items():
            if copy in above and (x is copy or x in set(ancestors(source))):
                above_it = "" if x is source or x is copy else f", which {self.called(source)} is computed from"
                cut = self._cut(copy, [self.called(end)])
                sentences[f"{cut}. Without that detach a path would lead to {self.called(x)}{above_it}."] = None
        return "\n".join([*sentences][:_PATHS])

    def of_detached(self) -> list[str]:
        """A sentence for each Tensor that a detach cut off and a term uses all the same."""
        above = {term: set(ancestors(self._end(term))) for term in (*self.graph.terms, *self.idle) if self.copies}
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
        uses, stack, seen = [], [x], {x}
        while stack:
            node = stack.pop()
            for y in self.graph.consumers[node]:
                if y not in above or y in seen:
                    continue
                if _arguments(y, node):
                    seen.add(y)
                    stack.append(y)
                else:
                    uses.append(f"{_np(y)} uses {self.called(node)}")
        return f"Its value is used, but only as a choice, an index or a sign, which are flat: {listed(uses)}."

    # --- paths -------------------------------------------------------------------------------------------------------

    def of_path(self, x: Tensor, term: str, gradient: Any) -> str:
        """How the term reaches ``x``: the paths, the factors along the shortest, and what arrives."""
        amount = self._amount(x, term, gradient)
        n, t = self.called(x), printable(term)
        if x is self._end(term):
            return _lines(f"{n} is the term itself.", amount)
        count, trails = self._paths(term)[x]
        ways = [_nodes_along(trail) for trail in trails]
        number = "" if count == 1 else f" ({_counted(count)} paths, counted operation by operation)"
        several = len(ways) > 1
        lead = "Several ways lead" if several else "A path leads"
        steps = [*pairwise(ways[0])][::-1]
        factors = _shown(steps, lambda step: f"∂{self.called(step[1])}/∂{self.called(step[0])}")
        return _lines(
            f"{lead} from {n} to {t}{number}{', the shortest:' if several else ':'}",
            *("    " + " → ".join(_shown(way, self.called)) for way in ways),
            f"The chain rule multiplies the factors along {'each, and adds the ways' if several else 'it'}:",
            f"    ∂{t}/∂{n} = {' · '.join(factors)}{' + …' * several}" if len(factors) > 1 else "",
            *(f"    {line}" for line in _shown(steps, lambda step: self._step(step[0], step[1], ways[0][-1]))),
            f"where dX stands for ∂{t}/∂X{' along the first way' * several}.",
            amount,
        )

    def _paths(self, term: str) -> dict[Tensor, tuple[int, list[Trail]]]:
        """For every named node the number of its paths to a term, and the few with the fewest named nodes.

        One pass, newest first; ways that unnamed operations split and join again are counted apart, listed once.
        """
        routes = self._routes.get(term)
        if routes is not None:
            return routes
        end, names = self._end(term), self.graph.names
        routes, pending = {}, {end: (1, [Trail(1, end, None)])}
        for node in on_path([end]):
            if node not in pending:
                continue
            count, trails = pending.pop(node)
            if node in names:
                if node is not end:
                    trails = [Trail(trail.length + 1, node, trail) for trail in trails]
                routes[node] = count, trails
            for x in _sends_to(node):
                more, others = pending.get(x, (0, trails))
                pending[x] = min(count + more, _MANY), trails if others is trails else _shortest(trails, others)
        self._routes[term] = routes
        return routes

    def _step(self, x: Tensor, y: Tensor, end: Tensor) -> str:
        """``dx = ...``: what the rules make of dy on all ways from y back to x through unnamed nodes."""
        between = self._between(x, y)
        gate = next((f"    ({gate})" for gate in map(_gate, between) if gate), "")
        dx, dy = _d(self.called(x)), _d(self.called(y))
        if len(between) <= _SPELLED:
            formula = self._spelled(x, between, "1" if y is end else dy)
            if len(formula) <= _LONGEST:
                return f"{dx} = {formula}{gate}"
        operations = ", ".join(_shown(between, lambda node: str(node.op)))
        return f"{dx} = {dy} sent back through {operations}{gate}"

    def _between(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """The unnamed nodes on the ways from y down to x, newest first; y is the first of them."""
        stack, below = [y], {y}
        while stack:
            for z in _sends_to(stack.pop()):
                if z not in below and z is not x and z not in self.graph.names:
                    below.add(z)
                    stack.append(z)
        on_way = {x}
        for node in sorted(below, key=attrgetter("order")):
            if not on_way.isdisjoint(_sends_to(node)):
                on_way.add(node)
        return sorted(on_way - {x}, key=attrgetter("order"), reverse=True)

    # --- formulas ----------------------------------------------------------------------------------------------------

    def _spelled(self, x: Tensor, between: list[Tensor], dy: str) -> str:
        """The reverse walk from y to x, run on stand-ins, as a formula."""
        own: dict[Tensor, Text] = {}
        on_way = {x, *between}
        with recording(), tracing():
            g = Tensor(np.ones(between[0].shape, between[0].dtype), requires_grad=False)
            own[g] = Text(dy, ATOM)
            found = {between[0]: g}
            for node in between:
                value = self._stand_in(node, node.primal, own)
                arguments = [self._stand_in(z, a, own) for z, a in zip(node.operands, node.primals, strict=True)]
                for z in dict.fromkeys(_sends_to(node)):
                    for i in _arguments(node, z) if z in on_way else ():
                        c = pull(node, i, found[node], value, tuple(arguments))
                        found[z] = found[z] + c if z in found else c
        return self._text(found[x], own).code

    def _stand_in(self, x: Tensor | None, value: Any, own: dict[Tensor, Text]) -> Any:
        """A constant that a rule can record with, spelled as the node that it stands for."""
        if x is None:
            return value
        constant = Tensor(value, requires_grad=False)
        own[constant] = self._text(x, {})
        return constant

    def _text(self, x: Tensor, known: dict[Tensor, Text], depth: int = 0) -> Text:
        """The name of a node, or the expression that an unnamed one was computed by; each node is spelled once."""
        text = known.get(x)
        if text is None:
            text = known[x] = self._new_text(x, known, depth)
        return text

    def _new_text(self, x: Tensor, known: dict[Tensor, Text], depth: int) -> Text:
        if x in self._names:
            return Text(printable(self._names[x]), ATOM)
        if x.function is np.broadcast_to and x.operands[0] is not None:  # the shapes say what repeats
            return self._text(x.operands[0], known, depth)
        if x.function is None:
            return _plain(x.value)
        return Text("…", ATOM) if depth > _DEPTH else self._expression(x, known, depth)

    def _expression(self, x: Tensor, known: dict[Tensor, Text], depth: int = 0) -> Text:
        arguments = []
        for operand, a in zip(x.operands, x.primals, strict=True):
            arguments.append(_plain(a) if operand is None else self._text(operand, known, depth + 1))
            if len(arguments[-1].code) > _LONGEST:
                return Text(f"{_np(x)}(…)", CALL)
        if x.function is np.multiply and _ONE in arguments:
            return arguments[1 - arguments.index(_ONE)]
        assert x.function is not None
        return spelling.numpy(x.function, arguments, x.options, Names())

    # --- numbers -----------------------------------------------------------------------------------------------------

    def _amount(self, x: Tensor, term: str, gradient: Any) -> str:
        t, root = printable(term), self.called(self.graph.root)
        c, size = self.graph.terms[term].coefficient, gradient.size
        times = "" if c == 1 else f" ({t} counts {c:.4g} times in {root})"
        if size and not gradient.any():
            return _lines(f"There is a path, but the number is 0 at these values{times}:", *self._zero_factors(x, term))
        bad, zeros = size - np.count_nonzero(np.isfinite(gradient)), size - np.count_nonzero(gradient)
        some = f"; {bad} of its {size} entries are not finite" if bad else ""
        some += f"; {zeros} of its {size} entries are 0" if zeros else ""
        return f"What {t} adds to ∂{root}/∂{self.called(x)} has norm {norm(gradient):.4g}{times}{some}."

    def _zero_factors(self, x: Tensor, term: str) -> list[str]:
        """The factors that turn a gradient into zeros on its way from the term to ``x``, nearest to ``x`` first."""
        every = walk(self.graph.seeds(term))
        found: list[str] = []
        stack, seen = [x], {x}
        while stack and len(found) < _PATHS:
            node = stack.pop()
            if node is self._end(term):
                found.append(f"the factor of {printable(term)} in {self.called(self.graph.root)} is 0")
            for y in self.graph.consumers[node]:
                if y not in every or y in seen:
                    continue
                if np.any(every[y]):
                    found += [self._zero_at(y, i, every[y]) for i in _arguments(y, node)]
                else:
                    seen.add(y)
                    stack.append(y)
        return [f"    {reason}." for reason in dict.fromkeys(found[:_PATHS])]

    def _zero_at(self, y: Tensor, index: int, g: Any) -> str:
        """Why a gradient that arrives at ``y`` does not arrive at its argument."""
        expression = self._expression(y, {}).code
        here = f"{self.called(y)} = {expression}" if y in self._names else expression
        if np.any(pull(y, index, g, y.primal, y.primals)):
            return f"{here}: what this use sends back is not 0, but with the other uses it adds up to exactly 0"
        if _is_relu(y):
            closed = y.size - np.count_nonzero(y.primal)
            if closed == y.size:
                return f"{here}: this ReLU is closed, at {_all_of(y.size, 'unit')}"
            return f"{here}: this ReLU is closed at {closed} of {y.size} units, and nothing arrives at the open ones"
        others = [i for i, a in enumerate(y.primals) if i != index and not np.any(a)]
        if y.function in (np.multiply, np.matmul) and others:
            operand = y.operands[others[0]]
            return f"{here}: the other factor, {self.called(operand) if operand is not None else 'a constant'}, is 0"
        if y.function is np.matmul or not (isinstance(y.function, np.ufunc) or y.function is np.where):
            return f"{here}: what arrives falls only where the factor is 0"
        factor = pull(y, index, np.ones_like(y.value), y.primal, y.primals)
        zeros = factor.size - np.count_nonzero(factor)
        if zeros == factor.size:
            return f"{here}: its derivative is 0, at {_all_of(zeros, 'entry')}"
        return f"{here}: its derivative is 0 at {zeros} of {factor.size} entries, and nothing arrives at the others"


# --- reading the graph ------------------------------------------------------------------------------------------------


def detached_copies(graph: Graph, outside: Mapping[str, Tensor]) -> dict[Tensor, Tensor]:
    """{constant: the node it was detached from}; a detached Tensor shares its value, or bears its name."""
    constants = [x for x in graph.nodes if x.function is None and not x.requires_grad]
    if not constants:
        return {}
    known = dict.fromkeys(graph.nodes)
    for x in outside.values():
        if x not in known:
            known.update(dict.fromkeys(ancestors(x)))
    owners: dict[int, Tensor] = {}
    for x in sorted(known, key=attrgetter("order")):
        if x.primal is not None:
            owners.setdefault(id(x.primal), x)
    called = {**outside, **graph.by_name}
    copies = {}
    for c in constants:
        source = owners.get(id(c.primal), c) if c.dtype.kind == "f" else c
        if source is c and c.name and c.name.endswith(" detached"):
            source = called.get(c.name.removesuffix(" detached"), c)
        if source is not c:
            copies[c] = source
    return copies


def _sends_to(y: Tensor) -> list[Tensor]:
    """What a node passes its gradient on to, once per use."""
    return [x for x, ok in zip(y.operands, passes_gradient(y), strict=False) if ok and x is not None]


def _arguments(y: Tensor, x: Tensor) -> list[int]:
    """The arguments of ``y`` through which it passes a gradient to ``x``."""
    return [i for i, ok in enumerate(passes_gradient(y)) if ok and y.operands[i] is x]


def _leaves(nodes: Iterable[Tensor]) -> list[Tensor]:
    return sorted((x for x in nodes if x.function is None), key=attrgetter("order"))


def _shortest(trails: list[Trail], others: list[Trail]) -> list[Trail]:
    merged = [*trails, *(trail for trail in others if not any(trail is mine for mine in trails))]
    return sorted(merged, key=attrgetter("length"))[:_PATHS]


def _nodes_along(trail: Trail | None) -> list[Tensor]:
    nodes = []
    while trail is not None:
        nodes.append(trail.node)
        trail = trail.rest
    return nodes


def _is_relu(y: Tensor) -> bool:
    constants = [a for x, a in zip(y.operands, y.primals, strict=True) if x is None]
    return y.function is np.maximum and bool(constants) and not np.any(constants[0])


def _gate(y: Tensor) -> str:
    return f"open at {np.count_nonzero(y.primal)} of {y.size} units" if _is_relu(y) else ""


# --- words ------------------------------------------------------------------------------------------------------------

_ONE = Text("1", ATOM)


def norm(a: Any) -> float | None:
    """The 2-norm of all entries, None of None."""
    return None if a is None else float(np.linalg.norm(np.asarray(a, np.float64).ravel()))


def _np(x: Tensor) -> str:
    return f"np.{x.op}" if getattr(np, x.op or "", None) is x.function else f"{x.op}"


def _plain(a: Any) -> Text:
    """An anonymous constant: a number as it is, an array by its shape, a part of an index as it is written."""
    if isinstance(a, np.ndarray) and a.ndim:
        return Text(f"[{'×'.join(map(str, a.shape))} array]", ATOM)
    if isinstance(a, np.generic | np.ndarray | float | int):
        return Text(f"{np.asarray(a).item():.6g}", ATOM)
    try:
        return literal(a)
    except TypeError:
        return Text("…", ATOM)


def _d(name: str) -> str:
    return f"d{name}" if name.isidentifier() else f"d({name})"


def _held_fixed(n: str, t: str, shared: list[str]) -> str:
    if not shared:
        return ""
    them = "it" if len(shared) == 1 else "them"
    back = f"{n} is computed from {listed(shared)}, never the other way round"
    return f"{back}: hold {them} fixed, and {t} stays as it is, whatever {n} is."


def _counted(count: int) -> str:
    return "more than 10^100" if count >= _MANY else f"{count:,}"


def _all_of(count: int, what: str) -> str:
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"its only {what}" if count == 1 else f"all {count} {plural}"


def listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    if len(names) > _LEAVES:
        return f"{', '.join(names[:_LEAVES])} and {len(names) - _LEAVES:,} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _shown(items: Sequence[Any], say: Callable[[Any], str]) -> list[str]:
    """What is said of each item, of a long list with a gap in the middle."""
    half = _STEPS // 2
    if len(items) <= _STEPS + 1:
        return [say(item) for item in items]
    return [*map(say, items[:half]), "…", *map(say, items[-half:])]


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
