"""The lines of a derivation, as expressions: how each named node is computed, and how its gradient is.

The graph is cut at the nodes that have a name. A forward line computes a cut node from the cut nodes before it. For the
backward lines one reverse walk per cut node Z, run on Tensors and seeded with a symbol dZ, goes as far as the next cut
nodes X and gives

    dX = Σ over the cut nodes Z just downstream of X:  (dZ, pulled back along the unnamed nodes between them),

one ``Summand`` per Z. A summand belongs to the cost terms that Z has a path to. What the rules recorded is translated
into expressions, which the rules of ``text.rewrites`` rewrite as one writes them by hand.

What the other readings ask, of ``lines = Lines(graph)``:

    lines.forward[x], lines.backward[x]     the Line of a cut node x and that of its gradient; KeyError where x has none
    line.symbol, line.summands              dX, and the summands of its right side, as calls that NumPy can run
    summand.expression, .source, .terms     what Z = ``source`` sends to X; the cost terms it comes from, as bits
    lines.recorded                          {symbol: array}: what every node and every gradient was, all of one moment
    evaluate(summand.expression, lines.recorded)      its number; bind any part of it too, to try an edited line
    parts_of([summand.expression])                    every intermediate of the line, parts first

``readings.derive.derivation`` writes lines, and single expressions, as NumPy, LaTeX and Unicode.
"""

import heapq
import math
from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.context import recording, tracing
from minigrad.engine.node import ancestors, passes_gradient
from minigrad.engine.primitives import detach, getitem, identity
from minigrad.engine.record import apply
from minigrad.engine.reverse import walk
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.text import rewrites
from minigrad.text.expressions import LITERAL, Computation, Expr, arguments_of, computed, evaluate, key_of, parts_of
from minigrad.text.normal_form import Rewriter, monomial
from minigrad.text.numpy_code import Names

_MAX_FORM_OPERATIONS = 60  # of a definition that lines of one form share; a longer one would be walked for each
_MAX_DIGITS = 8  # of a number that a rule may know
_DOES_NOT_RUN = (TypeError, ValueError, AttributeError, IndexError, KeyError)


class Summand(NamedTuple):
    """A part of a line: ``source`` is the node that sends it, None where several parts were added up to a number.

    ``terms`` are the cost terms that it comes from, as bits of ``Graph.reach``.
    """

    expression: Expr
    source: Tensor | None = None
    terms: int = 0


class Line(NamedTuple):
    """``symbol = Σ summands``; ``missing`` are the cost terms with no path to the node, as bits of ``Graph.reach``."""

    symbol: Expr
    summands: tuple[Summand, ...]
    missing: int = 0

    @property
    def expressions(self) -> list[Expr]:
        """The expressions of the summands."""
        return [summand.expression for summand in self.summands]


class _Pattern(NamedTuple):
    """What a line sends, reusable for later lines of the same form.

    Such a line sends the expressions in ``parts`` with those in ``slots`` exchanged for its own; the first of these is
    the line's own node. It does so only where the ``defined`` symbols have the same definitions. ``sent`` has the
    expression that goes to each node, by the node's symbol; ``written`` how each of these expressions is spelled, and
    ``worth`` computes what they are worth.
    """

    slots: list[Expr]
    defined: dict[Expr, Expr]
    parts: list[Expr]
    sent: dict[Expr, Expr]
    written: dict[Expr, Expr]
    worth: Computation


class Lines:
    """The lines of a graph, cut at all named nodes, or with ``kept`` at those, the leaves and the root alone.

    ``forward`` and ``backward`` map the cut nodes to their lines, in the order of the derivation; ``symbols`` and
    ``gradients`` to their symbols. ``titles`` maps every identifier to the user's name and whether it is the gradient
    of it. ``recorded`` maps symbols to what they stood for when the graph was recorded. Where ``wanted`` is given, only
    the gradients of these nodes, of the root and of the terms get lines. ``sinks`` maps every node with a path to the
    root to the cut nodes just downstream, whose gradients its own is made of; ``owner`` maps a node that is not cut to
    the one cut node in whose line it stands.

    Every backward line is proved: each summand, computed from what was recorded, is what the engine sends. One that is
    not is written without being simplified, and its node is in ``unproved``.
    """

    def __init__(
        self, graph: Graph, kept: Collection[Tensor] | None = None, wanted: Collection[Tensor] | None = None
    ) -> None:
        self.graph = graph
        self.rewriter = Rewriter(rewrites.REWRITES)
        self.names = Names()
        self.titles: dict[str, tuple[str, bool]] = {}
        self.recorded: dict[Expr, Value] = {}
        self.unproved: list[Tensor] = []
        kinds = {node.dtype for node in graph.nodes if node.dtype.kind == "f"}
        self._dtype = kinds.pop() if len(kinds) == 1 else None  # of all floats, where it is one
        self.sinks, self.owner = _cut(graph, graph.names if kept is None else kept)
        self.symbols, self.gradients = self._symbols()
        self._nodes = {symbol: x for x, symbol in self.symbols.items()}
        self._patterns: dict[Any, _Pattern] = {}
        self._held: dict[int, tuple[Expr, Value]] = {}  # the constants of arrays, found by the arrays' ids
        self._rank = {term.node: k for k, term in enumerate(graph.terms.values())}
        varying = (e for x, e in self.symbols.items() if x.requires_grad or x.function is not None)
        self._varying = {*self.gradients.values(), *varying}
        self.forward: dict[Tensor, Line] = {}
        self.plain: dict[Tensor, Expr] = {}
        self.normal: dict[Tensor, Expr] = {}
        for node in graph.nodes:
            self._translate_forward(node)
        self.backward = self._reverse(self._wanted(wanted))

    def _symbols(self) -> tuple[dict[Tensor, Expr], dict[Tensor, Expr]]:
        """Symbols of the cut nodes and of their gradients; names that users gave come first."""
        called = self.graph.names
        cut = [x for x in self.graph.nodes if x in called]
        unnamed = [x for x in self.graph.nodes if x in self.sinks and x not in called and x not in self.owner]
        symbols, gradients = {}, {}
        for x in cut:
            symbols[x] = self._symbol(self.names.fresh(called[x]), x, called[x], False)
        for x in cut:
            if x in self.sinks and x not in self.owner:
                gradients[x] = self._symbol(self.names.fresh("d" + called[x]), x, called[x], True)
        for x in unnamed:
            name = self.names.numbered("t")
            symbols[x] = self._symbol(name, x, name, False)
            gradients[x] = self._symbol(self.names.fresh("d" + name), x, name, True)
        return symbols, gradients

    def _symbol(self, name: str, x: Tensor, title: str, gradient: bool) -> Expr:
        self.titles[name] = (title, gradient)
        return self.rewriter.symbol(name, x.shape, x.dtype)

    # --- forward ------------------------------------------------------------------------------------------------------

    def _translate_forward(self, node: Tensor) -> None:
        symbol, value = self.symbols.get(node), self.graph.value(node)
        if symbol is not None:
            self.recorded[symbol] = value
        if node.function is None:
            self.plain[node] = self.normal[node] = symbol or self._value(value)
            return
        plain = self._call(node, self.plain, self._plainly)
        normal = self._call(node, _as_recorded(node, self.plain, self.normal), self.rewriter.simplified)
        if symbol is None:
            self.plain[node], self.normal[node] = plain, normal
            self.rewriter.sources.setdefault(normal, plain)
        else:
            self.plain[node] = self.normal[node] = symbol
            self.forward[node] = Line(symbol, (Summand(plain, node),))
            self.rewriter.define(symbol, normal)

    def _call(self, node: Tensor, known: Mapping[Tensor, Expr], make: Any) -> Expr:
        args = arguments_of(node, known, self._value)
        kept = node.function in (detach, identity)
        made: Expr = args[0] if kept else make(node.function, args, node.options, *_kind(node))
        return made

    def _plainly(self, function: Any, args: Sequence[Expr], options: Options, *kind: Any) -> Expr:
        """Return a call as the user wrote it."""
        first = rewrites.a_sum_begins_with_its_first_summand
        e = self.rewriter.call(function, args, options, *kind)
        return (first.apply(self.rewriter, e) if first.concerns(function) else None) or e

    def _value(self, a: Value, index: bool = False) -> Expr:
        """Return an argument that is no Tensor: a number, part of an index, or an anonymous array, to be named."""
        if isinstance(a, np.ndarray) and a.ndim:
            if index and a.ndim == 1 and 0 < a.size <= 8:
                return self.rewriter.literal(a.tolist())
            if id(a) not in self._held:
                constant = self.rewriter.constant(a, lambda: self._constant(a))
                self._held[id(a)] = constant, a
                self.recorded[constant] = a
            return self._held[id(a)][0]
        if isinstance(a, np.ndarray):
            a = a[()]
        if isinstance(a, np.generic) and (self._dtype is not None or a.dtype.kind == "b"):
            a = float(str(a)) if a.dtype.kind == "f" else a.item()  # as short as its own dtype reads it
        return self.rewriter.literal(a)

    def _constant(self, a: Value) -> str:
        title = self.graph.name_of_array(a)
        name = self.names.numbered("c") if title is None else self.names.fresh(title)
        self.titles[name] = (title or name, False)
        return name

    # --- backward -----------------------------------------------------------------------------------------------------

    def _wanted(self, wanted: Collection[Tensor] | None) -> Collection[Tensor]:
        """Return the nodes whose gradients get lines; what the others are, a walk tells."""
        if wanted is None:
            return self.gradients
        root = self.graph.root
        lined = {root, *self._rank, *wanted}
        known = walk({root: root.seed()}, {x for x in self.gradients if x not in lined})
        self.recorded |= {self.gradients[x]: g for x, g in known.items()}
        return lined

    def _reverse(self, wanted: Collection[Tensor]) -> dict[Tensor, Line]:
        """Return the lines of the gradients, from J upstream, the leaves of a layer right after the layer."""
        root, lines = self.graph.root, dict[Tensor, Line]()
        segments: dict[Tensor, list[Tensor]] = {}
        for node, cut in self.owner.items():
            segments.setdefault(cut, []).append(node)
        arrived: dict[Tensor, list[tuple[Tensor, Expr]]] = {x: [] for x in self.gradients}
        arrived[root] = [(root, self.rewriter.number(1, root.shape, root.dtype))]
        self.recorded[self.gradients[root]] = np.ones(root.shape, root.dtype)
        waiting = {x: len(self.sinks[x]) for x in self.gradients if x in wanted and x is not root}
        ready = [(*self._turn(x), x) for x in self.gradients if x not in waiting]
        heapq.heapify(ready)
        senders = {sink for x in waiting for sink in self.sinks[x]}
        while ready:
            x = heapq.heappop(ready)[-1]
            known = self.gradients[x]
            if x in wanted:
                lines[x], known = self._line(x, arrived.pop(x))
            for y, pulled, value in self._pulled(x, segments.get(x, []), known) if x in senders else ():
                if y not in waiting:
                    continue
                symbol = self.gradients[y]
                arrived[y].append((x, pulled))
                self.recorded[symbol] = self.recorded[symbol] + value if symbol in self.recorded else value
                waiting[y] -= 1
                if not waiting[y]:
                    heapq.heappush(ready, (*self._turn(y), y))
        return lines

    def _turn(self, x: Tensor) -> tuple[int, int]:
        """Return a sort key: leaves as soon as they can be, terms in their order, other nodes newest first."""
        if x.function is None:
            return (0, x.order)
        return (1, self._rank[x]) if x in self._rank else (2, -x.order)

    def _line(self, x: Tensor, arrived: list[tuple[Tensor, Expr]]) -> tuple[Line, Expr]:
        """Return the line of dx, and what stands for dx upstream: its symbol, or its value if a plain scalar."""
        reach, symbol = self.graph.reach, self.gradients[x]
        if len(arrived) > 1:
            arrived.sort(key=lambda item: (_first(reach[item[0]] or reach[x]), -item[0].order))
        summands = [Summand(e, source, reach[source] or reach[x]) for source, e in arrived]
        known, one = symbol, len(arrived) == 1
        if one or x.shape == ():
            total = arrived[0][1] if one else self.rewriter.total([(1, e) for _, e in arrived], *_kind(x))
            if x.shape == () and self._varying.isdisjoint(parts_of([total])):
                summands, known = [Summand(total, arrived[0][0] if one else None, reach[x])], total
            elif one:
                self.rewriter.define(symbol, total)
        written = tuple(s._replace(expression=self.rewriter.spelled(s.expression)) for s in summands)
        everything = (1 << len(self.graph.terms)) - 1
        missing = everything & ~reach[x] if reach[x] and x not in self._rank else 0
        return Line(symbol, written, missing), known

    def shorter(self, line: Line) -> Expr | None:
        """Return what a line equals with the gradient downstream put in, where that is shorter; otherwise None."""
        definitions, summand = self.rewriter.definitions, line.summands[0]
        sent = None if summand.source is None else self.gradients.get(summand.source)
        if len(line.summands) > 1 or sent not in definitions or line.symbol not in definitions:
            return None
        total, definition = definitions[line.symbol], definitions[sent]
        if monomial(total)[1].get(sent) != 1:
            return None
        found = self.rewriter.multiplied_out(total, sent, definition)
        if found is None or found.is_atom or self.rewriter.spelled(found).size >= summand.expression.size:
            return None
        written, used = self.rewriter.spelled(found), set(parts_of([total, definition]))
        if any(e not in used for e in parts_of([written]) if e.function is None):  # a gradient further upstream
            return None
        value = evaluate(summand.expression, self.recorded)
        agrees = _agrees(self._values([found])[found], np.asarray(value), self.recorded[sent])
        return written if agrees else None

    def _pulled(self, x: Tensor, segment: Sequence[Tensor], gradient: Expr) -> list[tuple[Tensor, Expr, Any]]:
        """Return dx pulled back to the next cut nodes, with its values: as in an earlier line of this form, or anew."""
        if x.function is None:
            return []
        nodes, sent = [*sorted(segment, key=lambda node: node.order), x], self.recorded[self.gradients[x]]
        with np.errstate(all="ignore"):
            values = walk({x: sent}, path=nodes[::-1])
        form, slots = self._form(nodes, gradient)
        pulled = self._as_before(form, slots, values, sent)
        if pulled is None:
            pulled = self._traced(nodes, gradient, sent, values)
            if not self.unproved:
                self._remember(form, slots, pulled)
        return [(y, e, values[y]) for y, e in pulled.items()]

    def _wrong(self, pulled: Mapping[Tensor, Expr], values: Mapping[Tensor, Value], sent: Value) -> list[Tensor]:
        """Return the nodes for which an expression is not worth what the engine sends."""
        worth = self._values(pulled.values())
        return [y for y, e in pulled.items() if not _agrees(worth[e], values[y], sent)]

    def _traced(
        self, nodes: Sequence[Tensor], gradient: Expr, sent: Value, values: Mapping[Tensor, Value]
    ) -> dict[Tensor, Expr]:
        """Return what a line sends, by a reverse walk on a recorded copy of its nodes."""
        with recording(), tracing(), np.errstate(all="ignore"):
            copies, stops, known = self._copied(nodes)
            seed = Tensor(sent, requires_grad=False)
            known[seed] = gradient
            found = walk({copies[nodes[-1]]: seed}, {copies[y] for y in stops}, create_graph=True)
        plain = {copy: self.plain[y] for y, copy in copies.items()}
        pulled = {y: found[copies[y]] for y in stops if copies[y] in found}
        traced = ancestors(pulled.values(), known)
        self._translate(traced, known, plain, self.rewriter.simplified)
        wrong = self._wrong({y: known[g] for y, g in pulled.items()}, values, sent)
        if wrong:
            self.unproved += wrong
            known |= plain | {node: known[node] for node in traced if node.function is None}
            self._translate(traced, known, plain, self._plainly)
        return {y: known[g] for y, g in pulled.items()}

    # Most lines of a long graph have the form of an earlier one: they differ in symbols and in data alone. What such a
    # line sends is the earlier expression with these exchanged, and is proved like any other.

    def _form(self, nodes: Sequence[Tensor], gradient: Expr) -> tuple[Any, list[Expr]]:
        """Return a key that lines of one form share, and the expressions in its slots."""
        inside = {node: i for i, node in enumerate(nodes)}
        slots: dict[Expr, int] = {}
        form: list[Any] = []

        def placed(e: Expr) -> Any:
            """Return the slot of a symbol, or of what no rule looks into; anything else, with its symbols, stays."""
            data = e.function is LITERAL and _is_data(e.value)
            if e.function is None or e.function is getitem or data:
                if e not in slots:
                    slots[e] = len(slots)
                    form.append((e.shape, e.dtype, data and e.value > 0))
                    if data:
                        slots[self.rewriter.literal(-e.value)] = len(slots)
                return slots[e]
            form.extend((placed(part), part) for part in parts_of([e]) if part.function is None)
            return e

        form += [placed(self.symbols[nodes[-1]]), placed(gradient)]
        for node in nodes:
            args: list[Any] = []
            for i, (y, a) in enumerate(zip(node.operands, node.primals, strict=True)):
                if y in inside:
                    args.append(-1 - inside[y])
                else:
                    e = self._value(a, i > 0 and node.function is getitem) if y is None else self.normal[y]
                    args.append((placed(e), None if y is None else y.requires_grad))
            options = key_of([*node.options.items()]) if node.options else ()
            form.append((node.function, options, *_kind(node), *args))
        return tuple(form), [*slots]

    def _remember(self, form: Any, slots: list[Expr], pulled: Mapping[Tensor, Expr]) -> None:
        """Keep what a line sends, unless other symbols than those of its slots stand in it."""
        written = {e: self.rewriter.spelled(e) for e in pulled.values()}
        short = {s: e for s in slots[1:] if (e := self.rewriter.definitions.get(s)) and e.size <= _MAX_FORM_OPERATIONS}
        defined = {s: e for s, e in short.items() if _made_of(slots, [e]) is not None}
        parts = _made_of(slots, [*written, *written.values(), *defined.values()])
        if parts is not None and _data_in(parts) <= {s.value for s in slots if s.function is LITERAL}:
            sent = {self.symbols[y]: e for y, e in pulled.items()}
            worth = Computation([written[e] for e in pulled.values()], slots)
            self._patterns[form] = _Pattern(slots, defined, parts, sent, written, worth)

    def _as_before(
        self, form: Any, slots: list[Expr], values: Mapping[Tensor, Value], arrived: Value
    ) -> dict[Tensor, Expr] | None:
        """Return what a line sends, from an earlier one of its form where the same definitions hold; otherwise None."""
        if form not in self._patterns:
            return None
        earlier, defined, parts, sent, written, worth = self._patterns[form]
        new = self.rewriter.exchanged(parts, dict(zip(earlier, slots, strict=True)))
        if any(self.rewriter.definitions.get(new[s]) is not new[e] for s, e in defined.items()):
            return None
        pulled = {self._nodes[new[s]]: new[e] for s, e in sent.items()}
        known = self.recorded
        try:
            with np.errstate(all="ignore"):
                found = worth([known[s] if s in known else evaluate(s, known) for s in slots])
        except _DOES_NOT_RUN:
            return None
        if not all(_agrees(a, values[y], arrived) for y, a in zip(pulled, found, strict=True)):
            return None
        for e, text in written.items():
            self.rewriter.written[new[e]] = new[text]
        return pulled

    def _values(self, expressions: Iterable[Expr]) -> dict[Expr, Value]:
        """Return what expressions, as they are written, are worth, parts that they share computed once.

        None of one that does not run.
        """
        known, written = self.recorded, {e: self.rewriter.spelled(e) for e in expressions}
        values: dict[Expr, Value] = {}
        with np.errstate(all="ignore"):
            for part in parts_of(written.values(), known.__contains__):
                try:
                    values[part] = known[part] if part in known else computed(part, values)
                except _DOES_NOT_RUN:
                    continue
        return {e: values.get(w) for e, w in written.items()}

    def _copied(self, nodes: Sequence[Tensor]) -> tuple[dict[Tensor, Tensor], list[Tensor], dict[Tensor, Expr]]:
        """Return a traced copy of the nodes, the leaves in it that take a gradient, and the expressions of all.

        What the nodes use is a leaf of the copy. An anonymous array becomes a constant, so that what the rules do with
        it is recorded too.
        """
        copies: dict[Tensor, Tensor] = {}
        known: dict[Tensor, Expr] = {}
        stops = []
        for node in nodes:
            args: list[Value] = []
            for i, (y, a) in enumerate(zip(node.operands, node.primals, strict=True)):
                if y is None and not (isinstance(a, np.ndarray) and a.ndim):
                    args.append(a)
                elif y is None:
                    args.append(Tensor(a, requires_grad=False))
                    known[args[-1]] = self._value(a, i > 0 and node.function is getitem)
                else:
                    if y not in copies:
                        copies[y] = Tensor(a, requires_grad=y.requires_grad)
                        known[copies[y]] = self.normal[y]
                        stops += [y] if y in self.gradients else []
                    args.append(copies[y])
            assert node.function is not None
            copies[node] = apply(node.function, tuple(args), node.options)
            known[copies[node]] = self.normal[node]
        return copies, stops, known

    def _translate(
        self, nodes: Iterable[Tensor], known: dict[Tensor, Expr], plain: dict[Tensor, Expr], make: Any
    ) -> None:
        """Translate what the rules recorded; what decides something is computed from the ``plain`` expressions."""
        for node in nodes:
            if node.function is None:
                known[node] = self._made_by_rule(node._value)
            else:
                for x in ancestors(rewrites.deciding(node.function, node.dtype, node.operands), plain):
                    args = () if x.function is None else arguments_of(x, plain, self._made_by_rule)
                    plain[x] = known[x] if x.function is None else self._plainly(x.function, args, x.options, *_kind(x))
                args = arguments_of(node, _as_recorded(node, plain, known), self._made_by_rule)
                known[node] = make(node.function, args, node.options, *_kind(node))

    def _made_by_rule(self, a: Value, index: bool = False) -> Expr:
        """Return an array that a rule made itself; one that is the same everywhere is a number, but for an index."""
        if index:
            return self._value(a, index)
        if isinstance(a, np.ndarray) and a.size and a.ndim and np.all(a == a.flat[0]):
            number = self._value(a.flat[0])
            return self.rewriter.simplified(np.broadcast_to, (number,), {"shape": a.shape}, a.shape, a.dtype)
        return self._value(a)


def _agrees(found: Value, value: Value, sent: Value) -> bool:
    """Return whether what was found is a value to rounding; ``sent`` is what it is made of."""
    if found is None:
        return False
    try:
        difference = np.abs(np.subtract(found, value, dtype=value.dtype))
    except ValueError:
        return False
    if difference.shape != value.shape:
        return False
    worst = np.maximum.reduce(difference, None, initial=0.0)
    if not math.isfinite(worst):  # where the engine has no number, any will do
        worst = np.maximum.reduce(difference, None, initial=0.0, where=np.isfinite(value))
    if worst == 0:
        return True
    kind = np.finfo(value.dtype)  # below its smallest normal number, vanishing gradients have few digits
    return bool(worst <= kind.eps**0.4 * largest(value) + 1e3 * kind.eps * largest(sent) + kind.tiny)


def largest(a: Value) -> float:
    """Return the largest finite magnitude in an array."""
    size = max(float(np.maximum.reduce(a, None, initial=0.0)), -float(np.minimum.reduce(a, None, initial=0.0)))
    return size if math.isfinite(size) else float(np.max(np.abs(a), where=np.isfinite(a), initial=0.0))


def _is_data(value: Value) -> bool:
    """Return whether a number has so many digits that it is data, not a constant that rules know, as 2 or 0.5."""
    return type(value) is float and len(repr(value)) > _MAX_DIGITS and math.isfinite(value)


def _data_in(parts: Iterable[Expr]) -> set[float]:
    """Return the data among the numbers of expressions."""
    numbers = [e.value for e in parts if e.function is LITERAL] + [c for e in parts for c, _ in e.terms]
    return {c for c in numbers if _is_data(c)}


def _made_of(slots: Iterable[Expr], roots: Iterable[Expr]) -> list[Expr] | None:
    """Return the parts of expressions, parts first, but for what stands in the slots; None if other symbols do."""
    held = set(slots)
    parts = [e for e in parts_of(roots, held.__contains__) if e not in held]
    return parts if all([e.function is not None for e in parts]) else None


def _kind(x: Tensor) -> tuple[tuple[int, ...], Any]:
    return x.shape, x.dtype


def _as_recorded(node: Tensor, plain: Mapping[Tensor, Expr], known: Mapping[Tensor, Expr]) -> Mapping[Tensor, Expr]:
    """Return the known expressions, with the plain ones of those operands that decide something."""
    exact = {x: plain[x] for x in rewrites.deciding(node.function, node.dtype, node.operands)}
    return ChainMap(exact, known) if exact else known  # type: ignore[arg-type]  # of a ChainMap only the first is written


def _first(bits: int) -> int:
    return bits & -bits


def _cut(graph: Graph, kept: Collection[Tensor]) -> tuple[dict[Tensor, dict[Tensor, None]], dict[Tensor, Tensor]]:
    """Cut the graph at the root, leaves and kept nodes, and at others that gradients reach from several cut nodes.

    Returns ``sinks``, for every node with a path to the root the cut nodes just downstream, whose lines send it its
    gradient; and ``owner``, for every node on a path that is not cut the one cut node in whose line it stands.
    """
    sinks: dict[Tensor, dict[Tensor, None]] = {graph.root: {}}
    owner: dict[Tensor, Tensor] = {}
    for node in reversed(graph.nodes):
        if node not in sinks:
            continue
        ends = node is graph.root or node.function is None or node in kept
        if not ends and len(sinks[node]) == 1:
            owner[node] = next(iter(sinks[node]))
        for x, passes in zip(node.operands, passes_gradient(node), strict=False):
            if passes and x is not None:
                sinks.setdefault(x, {})[owner.get(node, node)] = None
    return sinks, owner
