"""The derivation: forward and backward pass written out between the named nodes, as NumPy, LaTeX and text.

The same rules that compute gradients write them down. The graph is cut at the nodes that have a name. From every cut
node Z one reverse walk, run on Tensors and seeded with a symbol dZ, goes as far as the next cut nodes X and gives

    dX = Σ over the cut nodes Z just downstream of X:  (dZ, pulled back along the unnamed nodes between them),

one summand per Z. A summand belongs to the cost terms that Z has a path to; a node that a term has no path to says so.
What the rules recorded is translated into expressions, simplified by ``algebra``, and written by ``program`` (NumPy)
and ``notation`` (LaTeX, text).
"""

import heapq
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine.context import recording, tracing
from minigrad.engine.reverse import cotangents
from minigrad.engine.rules import detached, getitem, identity
from minigrad.engine.tensor import Tensor, apply
from minigrad.graph import Graph, between, passes_gradient, printable
from minigrad.text.algebra import LITERAL, Algebra, Expr, parts_of
from minigrad.text.notation import COLOURS, Latex, Notation, Unicode
from minigrad.text.program import ATOM, Names, Text, spell, spelled


def derive(
    J: Tensor, names: Mapping[str, Any] | None = None, terms: Mapping[str, Tensor] | None = None
) -> "Derivation":
    """Write out how J and its gradients are computed, between the nodes that have a name.

    ``names`` maps names to Tensors (``locals()`` will do), ``terms`` names to summands of J; see ``Graph``. The
    gradient of a node is called d and its name. Unnamed nodes are inlined; what is used twice becomes t1, t2, ...

    Raises ValueError where J is no scalar or a name is given twice, TypeError where J is no Tensor, RuntimeError where
    it needs no gradient.

    >>> import numpy as np, minigrad as mg
    >>> W, x = mg.Tensor([[1.0, -2.0]], name="W"), mg.constant([[3.0], [4.0]], name="x")
    >>> lam = mg.constant(0.1, name="lam")
    >>> z = (W @ x).named("z")
    >>> print(derive((np.sum(np.tanh(z)) + lam / 2 * np.sum(np.square(W))).named("J")).line("dW"))
    dW = dz @ x.T + lam * W
    """
    graph = Graph(J, names, terms)
    J.seed()  # raises where there is nothing to derive
    return Derivation(graph, _Translation(graph))


@dataclass(frozen=True)
class Line:
    """``symbol = Σ summands``; the cost terms of each summand, and those with no path, as bits of ``Graph.reach``."""

    symbol: Expr
    summands: tuple[Expr, ...]
    terms: tuple[int, ...] = ()
    missing: int = 0


# --- from the graph to expressions ------------------------------------------------------------------------------------


class _Translation:
    """The graph as lines of expressions.

    ``forward`` and ``backward`` are the lines; ``titles`` maps every identifier to the user's name and whether it is
    the gradient of it; ``inputs`` and ``constants`` map identifiers to arrays.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.algebra = Algebra()
        self.names = Names()
        self.titles: dict[str, tuple[str, bool]] = {}
        self.inputs: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self._arrays: dict[Any, Expr] = {}
        kinds = {node.dtype for node in graph.nodes if node.dtype.kind == "f"}
        self._dtype = kinds.pop() if len(kinds) == 1 else None  # of all floats, where it is one
        self.sinks, self.owner = _cut(graph)
        self.symbols, self.gradients = self._symbols()
        self._rank = {term.node: k for k, term in enumerate(graph.terms.values())}
        computed = (e for x, e in self.symbols.items() if x.requires_grad or x.function is not None)
        self._varying = {*self.gradients.values(), *computed}
        self.forward: list[Line] = []
        self.plain: dict[Tensor, Expr] = {}
        self.normal: dict[Tensor, Expr] = {}
        for node in graph.nodes:
            self._translate(node)
        self.backward = self._reverse()

    def _symbols(self) -> tuple[dict[Tensor, Expr], dict[Tensor, Expr]]:
        """Symbols of the cut nodes and of their gradients; names that users gave come first."""
        called = self.graph.names
        cut = [x for x in self.graph.nodes if x in called]
        unnamed = [x for x in self.graph.nodes if x in self.sinks and x not in called and x not in self.owner]
        symbols, gradients = {}, {}
        for x in cut:
            symbols[x] = self._symbol(self.names.fresh(called[x]), x, called[x], False)
        for x in cut:
            if x in self.sinks:
                gradients[x] = self._symbol(self.names.fresh("d" + called[x]), x, called[x], True)
        for x in unnamed:
            name = self.names.numbered("t")
            symbols[x] = self._symbol(name, x, name, False)
            gradients[x] = self._symbol(self.names.fresh("d" + name), x, name, True)
        return symbols, gradients

    def _symbol(self, name: str, x: Tensor, title: str, gradient: bool) -> Expr:
        self.titles[name] = (title, gradient)
        return self.algebra.symbol(name, x.shape, x.dtype)

    # --- forward ------------------------------------------------------------------------------------------------------

    def _translate(self, node: Tensor) -> None:
        symbol = self.symbols.get(node)
        if node.function is None:
            if symbol is None:
                symbol = self._value(node.value)
            else:
                self.inputs[symbol.value] = node.value
            self.plain[node] = self.normal[node] = symbol
            return
        plain = self._call(node, self.plain, self.algebra.call)
        normal = self._call(node, self.normal, self.algebra.simplified)
        if symbol is None:
            self.plain[node], self.normal[node] = plain, normal
            self.algebra.sources.setdefault(normal, plain)
        else:
            self.plain[node] = self.normal[node] = symbol
            self.forward.append(Line(symbol, (plain,)))
            self.algebra.define(symbol, normal)

    def _call(self, node: Tensor, known: Mapping[Tensor, Expr], make: Any) -> Expr:
        index = node.function is getitem
        args = [
            self._value(a, i > 0 and index) if x is None else known[x]
            for i, (x, a) in enumerate(zip(node.operands, node.primals, strict=True))
        ]
        kept = node.function in (detached, identity)
        made: Expr = args[0] if kept else make(node.function, args, node.options, *_kind(node))
        return made

    def _value(self, a: Any, index: bool = False) -> Expr:
        """An argument that is no Tensor: a number, a part of an index, or an anonymous array, which gets a name."""
        if isinstance(a, np.ndarray) and a.ndim:
            if index and a.ndim == 1 and 0 < a.size <= 8:
                return self.algebra.literal(a.tolist())
            return self._array(a)
        if isinstance(a, np.ndarray):
            a = a[()]
        if isinstance(a, np.generic) and (self._dtype is not None or a.dtype.kind == "b"):
            a = float(str(a)) if a.dtype.kind == "f" else a.item()  # as short as its own dtype reads it
        return self.algebra.literal(a)

    def _array(self, a: Any) -> Expr:
        key = (a.shape, a.dtype.str, a.tobytes())
        if key not in self._arrays:
            name = self.names.numbered("c")
            self.titles[name] = (name, False)
            self.constants[name] = a
            self._arrays[key] = self.algebra.symbol(name, a.shape, a.dtype)
        return self._arrays[key]

    # --- backward -----------------------------------------------------------------------------------------------------

    def _reverse(self) -> list[Line]:
        """The gradients in the order of a course: from J upstream, the leaves of a layer right after the layer."""
        root, lines = self.graph.root, []
        segments: dict[Tensor, list[Tensor]] = {}
        for node, cut in self.owner.items():
            segments.setdefault(cut, []).append(node)
        arrived: dict[Tensor, list[tuple[Tensor, Expr]]] = {x: [] for x in self.gradients}
        waiting = {x: len(self.sinks[x]) for x in self.gradients}
        ready = [(*self._turn(root), root)]
        while ready:
            x = heapq.heappop(ready)[-1]
            line, known = self._line(x, arrived.pop(x))
            lines.append(line)
            for y, pulled in self._pulled(x, segments.get(x, []), known):
                arrived[y].append((x, pulled))
                waiting[y] -= 1
                if not waiting[y]:
                    heapq.heappush(ready, (*self._turn(y), y))
        return lines

    def _turn(self, x: Tensor) -> tuple[int, int]:
        """Leaves as soon as they can be, terms in their order, other nodes newest first."""
        if x.function is None:
            return (0, x.order)
        return (1, self._rank[x]) if x in self._rank else (2, -x.order)

    def _line(self, x: Tensor, arrived: list[tuple[Tensor, Expr]]) -> tuple[Line, Expr]:
        """The line of dx, and what stands for dx upstream: its symbol, or its value where that is a plain scalar."""
        reach, symbol = self.graph.reach, self.gradients[x]
        if x is self.graph.root:
            arrived = [(x, self.algebra.number(1, x.shape, x.dtype))]
        labelled = [(reach[source] or reach[x], -source.order, e) for source, e in arrived]
        labelled.sort(key=lambda item: (item[0] & -item[0], item[1]))
        total = arrived[0][1] if len(arrived) == 1 else self.algebra.total([(1, e) for _, e in arrived], *_kind(x))
        known = symbol
        if x.shape == () and self._varying.isdisjoint(parts_of([total])):
            labelled, known = [(reach[x], 0, total)], total
        elif len(arrived) == 1:
            self.algebra.define(symbol, total)
        summands = tuple(self.algebra.spelled(e) for _, _, e in labelled)
        everything = (1 << len(self.graph.terms)) - 1
        missing = everything & ~reach[x] if reach[x] and x not in self._rank else 0
        return Line(symbol, summands, tuple(bits for bits, _, _ in labelled), missing), known

    def _pulled(self, x: Tensor, segment: Sequence[Tensor], gradient: Expr) -> list[tuple[Tensor, Expr]]:
        """dx pulled back to the next cut nodes: the reverse walk along a recorded copy of the nodes between."""
        if x.function is None:
            return []
        known: dict[Tensor, Expr] = {}
        with recording(), tracing(), np.errstate(all="ignore"):
            copies, stops = self._copied([*sorted(segment, key=lambda node: node.order), x], known)
            seed = Tensor(np.ones(x.shape, x.dtype), requires_grad=False)
            known[seed] = gradient
            found = cotangents({copies[x]: seed}, {copies[y] for y in stops}, recorded=True)
        pulled = [(y, found[copies[y]]) for y in stops if copies[y] in found]
        self._record([g for _, g in pulled], known)
        return [(y, known[g]) for y, g in pulled]

    def _copied(self, nodes: Sequence[Tensor], known: dict[Tensor, Expr]) -> tuple[dict[Tensor, Tensor], list[Tensor]]:
        """A traced copy of the nodes, in which what they use is a leaf; and those leaves that take a gradient.

        An anonymous array becomes a constant, so that what the rules do with it is recorded too.
        """
        copies: dict[Tensor, Tensor] = {}
        stops = []
        for node in nodes:
            args: list[Any] = []
            for i, (y, a) in enumerate(zip(node.operands, node.primals, strict=True)):
                if y is None and not (isinstance(a, np.ndarray) and a.ndim):
                    args.append(a)
                    continue
                copy = copies.get(y) if y is not None else None
                if copy is None:
                    copy = Tensor(a, requires_grad=y is not None and y.requires_grad)
                    known[copy] = (
                        self.normal[y] if y is not None else self._value(a, i > 0 and node.function is getitem)
                    )
                    if y is not None:
                        copies[y] = copy
                        if y in self.gradients:
                            stops.append(y)
                args.append(copy)
            assert node.function is not None
            copies[node] = apply(node.function, tuple(args), node.options)
            known[copies[node]] = self.normal[node]
        return copies, stops

    def _record(self, roots: Iterable[Tensor], known: dict[Tensor, Expr]) -> None:
        """Translate what the rules recorded."""
        for node in between(known, roots):
            if node.function is None:
                known[node] = self._made_by_rule(node.value)
            else:
                args = [
                    self._made_by_rule(a) if x is None else known[x]
                    for x, a in zip(node.operands, node.primals, strict=True)
                ]
                known[node] = self.algebra.simplified(node.function, args, node.options, *_kind(node))

    def _made_by_rule(self, a: Any) -> Expr:
        """An array that a rule made itself; one that is the same everywhere is a number."""
        if isinstance(a, np.ndarray) and a.size and a.ndim and np.all(a == a.flat[0]):
            number = self._value(a.flat[0])
            return self.algebra.simplified(np.broadcast_to, (number,), {"shape": a.shape}, a.shape, a.dtype)
        return self._value(a)


def _kind(x: Tensor) -> tuple[tuple[int, ...], Any]:
    return x.shape, x.dtype


def _cut(graph: Graph) -> tuple[dict[Tensor, dict[Tensor, None]], dict[Tensor, Tensor]]:
    """Cut the graph at the named nodes, and at unnamed ones that gradients reach from several cut nodes.

    For every node with a path to the root the cut nodes just downstream; and for every other node on a path the one cut
    node that it belongs to.
    """
    sinks: dict[Tensor, dict[Tensor, None]] = {graph.root: {}}
    owner: dict[Tensor, Tensor] = {}
    for node in reversed(graph.nodes):
        if node not in sinks:
            continue
        if node not in graph.names and len(sinks[node]) == 1:
            owner[node] = next(iter(sinks[node]))
        for x, passes in zip(node.operands, passes_gradient(node), strict=False):
            if passes and x is not None:
                sinks.setdefault(x, {})[owner.get(node, node)] = None
    return sinks, owner


# --- from expressions to text -----------------------------------------------------------------------------------------

_LONG = 120  # characters of an expression, from where on a part of it gets a name
_WIDE = 100  # characters of a statement in one line
_MANY = 4  # names of terms in a list
_PER_STATEMENT = 50  # summands; more are added in several statements
_INLINE = 60  # operations of a line on its own, which uses no temporaries up to there

# What may be written twice: too short for a name, and as cheap as one.
_CHEAP = {
    *(np.add, np.subtract, np.multiply, np.divide, np.negative, np.transpose, np.reshape, np.swapaxes, getitem),
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.broadcast_to),
    *(np.ones, np.zeros, np.full),
}


def _is_cheap(e: Expr) -> bool:
    """An atom; one operation on one array, as in ``1 - A`` or ``A.T``; two on scalars, as in ``lam / (2 * m)``."""
    if e.is_atom:
        return True
    arrays = sum(a.shape != () for a in e.args)
    short = 1 if arrays else 2
    return e.function in _CHEAP and arrays <= 1 and e.size <= short


class _Numpy:
    """NumPy as a notation."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def symbol(self, identifier: str, title: str, gradient: bool) -> Text:
        return Text(identifier, ATOM)

    def literal(self, value: Any) -> Text:
        return spelled(value, self.names)

    def call(self, e: Expr, args: Sequence[Text]) -> Text:
        return spell(e.function, args, e.options, self.names)


class Derivation:
    """A derivation, to be written as NumPy, LaTeX or text; ``print`` shows the text, notebooks the LaTeX.

    ``exec(d.numpy(), {**d.inputs, **d.constants})`` runs it. Attributes: ``inputs``, the values of leaves and named
    constants by the identifiers that the program has for them; ``constants``, those of anonymous arrays (c1, c2, ...)
    and of functions that are not NumPy's; ``gradients``, {name of a node: identifier of its gradient}.
    """

    def __init__(self, graph: Graph, translation: _Translation) -> None:
        self._graph = graph
        self._titles = translation.titles
        self._algebra = translation.algebra
        self._numpy = _Numpy(translation.names)
        self._short: dict[Expr, Expr] = {}  # what has a name of its own, and that name
        self._uses = _uses(e for line in (*translation.forward, *translation.backward) for e in line.summands)
        self._texts: dict[Expr, Text] = {}
        self._forward = self._with_temporaries(translation.forward)
        self._backward = self._with_temporaries(translation.backward)
        self._cut_off = [name for x, name in graph.names.items() if x.requires_grad and x not in translation.sinks]
        self.inputs = translation.inputs
        self.constants = {**translation.constants, **translation.names.namespace}
        self.gradients = {graph.names[x]: e.value for x, e in translation.gradients.items() if x in graph.names}

    def __str__(self) -> str:
        return self.text()

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def _with_temporaries(self, lines: Sequence[Line]) -> list[Line]:
        """The lines, each after those of the temporaries that it uses first: what occurs twice, or is too long."""
        complete: list[Line] = []
        texts = self._texts
        for line in lines:
            for e in parts_of(line.summands, self._short.__contains__):
                if e not in texts:
                    texts[e] = self._text(e, texts, self._numpy)
                    long = len(texts[e].code) > _LONG and e not in line.summands
                    if not e.is_atom and e not in line.summands and (long or self._repeated(e)):
                        complete.append(Line(self._temporary(e), (e,)))
            complete.append(line)
            if len(line.summands) == 1 and self._repeated(line.summands[0]):
                self._short.setdefault(line.summands[0], line.symbol)
                texts[line.summands[0]] = Text(self._short[line.summands[0]].value, ATOM)
        return complete

    def _repeated(self, e: Expr) -> bool:
        return self._uses[e] > 1 and not _is_cheap(e)

    def _temporary(self, e: Expr) -> Expr:
        name = self._numpy.names.numbered("t")
        self._titles[name] = (name, False)
        self._short[e] = self._algebra.symbol(name, e.shape, e.dtype)
        self._texts[e] = Text(name, ATOM)
        return self._short[e]

    def _text(self, e: Expr, texts: Mapping[Expr, Text], notation: "_Numpy | Notation") -> Text:
        if e.function is None:
            return notation.symbol(e.value, *self._titles[e.value])
        if e.function is LITERAL:
            return notation.literal(e.value)
        return notation.call(e, [texts[a] for a in e.args])

    def _summands(self, line: Line, notation: "_Numpy | Notation", short: Mapping[Expr, Expr]) -> list[Text]:
        """The texts of a line's summands, with the names that ``short`` has for parts of them."""

        def is_short(e: Expr) -> bool:
            return e in short and short[e] is not line.symbol

        texts: dict[Expr, Text] = {}
        for e in parts_of(line.summands, is_short):
            texts[e] = self._text(short[e] if is_short(e) else e, texts, notation)
        return [texts[e] for e in line.summands]

    # --- NumPy --------------------------------------------------------------------------------------------------------

    def numpy(self) -> str:
        """A program: run where the inputs are bound, it leaves every named node and its gradient under their names.

        A comment names the cost terms of a gradient, and those that have no path to the node.
        """
        forward = [code for line in self._forward for code in self._statements(line)]
        backward = [code for line in self._backward for code in self._statements(line)]
        backward += [f"# {printable(name)}: no path to any term" for name in self._cut_off]
        sections = ["import numpy as np", self._numpy.names.prelude().rstrip(), self._header()]
        sections += ["\n".join(["# forward", *forward]) if forward else "", "\n".join(["# backward", *backward])]
        return "\n\n".join(section for section in sections if section) + "\n"

    def _header(self) -> str:
        """What the program needs to be given."""
        given = {"inputs": self.inputs, "constants": self.constants}
        return "\n".join(_listing(kind, arrays) for kind, arrays in given.items() if arrays)

    def line(self, name: str) -> str:
        """The statement of one node, such as ``line("Z3")``, or of its gradient, ``line("dZ3")``, in NumPy.

        Raises KeyError where there is none, with the names that are near.
        """
        lines = {line.symbol.value: line for line in (*self._forward, *self._backward)}
        titles = {("d" if gradient else "") + title: key for key, (title, gradient) in self._titles.items()}
        line = lines.get(titles.get(name, name))
        if line is None:
            raise KeyError(_no_line(name, [title for title, key in titles.items() if key in lines]))
        short = {} if sum(e.size for e in line.summands) <= _INLINE else self._short
        return f"{line.symbol.value} = {_added([t.code for t in self._summands(line, self._numpy, short)])}"

    def _statements(self, line: Line) -> list[str]:
        """A line as statements, broken where it is too long."""
        texts, name, comment = self._summands(line, self._numpy, self._short), line.symbol.value, self._comment(line)
        code = f"{name} = {_added([t.code for t in texts])}"
        if len(code) <= _WIDE or len(texts) == 1:
            return [code + (f"  # {comment}" if comment else "")]
        statements = []
        for start in range(0, len(texts), _PER_STATEMENT):
            part = texts[start : start + _PER_STATEMENT]
            signed = [_added([t.code]) if not i and not start else _added(["", t.code])[1:] for i, t in enumerate(part)]
            body = [f"    {code}" for code in ([name, *signed] if start else signed)]
            statements.append("\n".join([f"{name} = (", *body, ")"]))
        return [*([f"# {comment}"] if comment else []), *statements]

    def _comment(self, line: Line) -> str:
        """The terms that the gradient comes from, where there are several, and those that have no path."""
        bits = 0
        for part in line.terms:
            bits |= part
        parts = [self._listed(bits, " + ")] if bits & (bits - 1) else []
        if line.missing:
            title, _ = self._titles[line.symbol.value]
            parts.append(f"{self._missing(line)}: no path to {printable(title)}")
        return "; ".join(parts)

    def _missing(self, line: Line) -> str:
        return self._listed(line.missing)

    def _listed(self, bits: int, between: str = ", ") -> str:
        """The names of some terms; of many the first."""
        terms = self._graph.terms_of(bits)
        rest = [f"{len(terms) - _MANY} more"] if len(terms) > _MANY + 1 else []
        return between.join([*map(printable, terms[: _MANY if rest else None]), *rest])

    # --- mathematics --------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The derivation in Unicode, with the same comments as the program."""
        notation = Unicode()
        lines = []
        for heading, section in (("forward", self._forward), ("backward", self._backward)):
            lines += ["", heading] if section else []
            for line in section:
                summands = [t.code for t in self._summands(line, notation, self._short)]
                symbol = self._text(line.symbol, {}, notation).code
                comment = self._comment(line)
                lines.append(f"  {symbol} = {_added(summands)}" + (f"    # {comment}" if comment else ""))
        lines += [f"  # {printable(name)}: no path to any term" for name in self._cut_off]
        return "\n".join(lines[1:])

    def latex(self) -> str:
        """The derivation as an ``aligned`` environment, for MathJax and KaTeX.

        Where J has several terms, a summand has the colour of the term that it comes from, as in pictures, and in a sum
        its name below.
        """
        notation = Latex()
        rows = []
        for line in (*self._forward, *self._backward):
            texts = self._summands(line, notation, self._short)
            if line.terms and len(self._graph.terms) > 1:
                named = len(set(line.terms)) > 1
                codes = [self._coloured(t.code, bits, named) for t, bits in zip(texts, line.terms, strict=True)]
            else:
                codes = [t.code for t in texts]
            row = f"{self._text(line.symbol, {}, notation).code} &= {_added(codes)}"
            if line.missing:
                title, _ = self._titles[line.symbol.value]
                row += " && " + notation.words(f"{self._missing(line)}: no path to ") + notation.name(title)
            rows.append(row)
        rows += ["& " + notation.words(f"{name}: no path to any term") for name in self._cut_off]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _coloured(self, code: str, bits: int, named: bool) -> str:
        """A summand in the colour of its term, where it comes from one alone; ``named`` puts the name below."""
        sign, code = ("-", code[1:]) if code.startswith("-") else ("", code)
        if bits & (bits - 1) == 0 and bits:
            colour = COLOURS[(bits.bit_length() - 1) % len(COLOURS)]
            code = rf"{{\color{{{colour}}} {code}}}"
        if named:
            terms = Latex().words(self._listed(bits, " + "))
            code = rf"\underbrace{{{code}}}_{{{terms}}}"
        return sign + code


def _listing(kind: str, arrays: Mapping[str, Any]) -> str:
    """A comment that lists names and shapes."""
    shapes = {name: () if callable(a) else np.shape(a) for name, a in arrays.items()}
    items = [f"{name} {shape}".replace(" ", "\xa0") if shape else name for name, shape in shapes.items()]  # unbroken
    wrapped = textwrap.fill(f"{kind}: {', '.join(items)}", _WIDE, initial_indent="# ", subsequent_indent="#     ")
    return wrapped.replace("\xa0", " ")


def _no_line(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # for this message alone

    near = get_close_matches(name, known) or known[:9]
    return f"no line for {printable(name)!r}; there are {', '.join(map(printable, near))}"


def _uses(roots: Iterable[Expr]) -> dict[Expr, int]:
    """How often each expression stands in the lines."""
    listed = list(roots)
    uses: dict[Expr, int] = {}
    for used in (*listed, *(a for e in parts_of(listed) for a in e.args)):
        uses[used] = uses.get(used, 0) + 1
    return uses


def _added(codes: Sequence[str]) -> str:
    """A sum of texts; the sign of a negative one joins it."""
    first, *rest = codes
    return first + "".join(f" - {code[1:]}" if code.startswith("-") else f" + {code}" for code in rest)
