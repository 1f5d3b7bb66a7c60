"""The derivation: forward and backward pass written out between the named nodes, as NumPy, LaTeX and text.

The same rules that compute gradients write them down: ``lines`` makes a line of expressions for every named node and
its gradient, and here they are written by ``text.spelling``. A summand
belongs to cost terms; a node that a term has no path to says so.

    derivation.line("dW1")              a line in NumPy, by name
    derivation.written(e, "latex")      one expression of ``derivation.lines``, in NumPy ("numpy"), LaTeX or Unicode
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.context import collection_paused
from minigrad.engine.primitives import getitem
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.text import spelling
from minigrad.text.expressions import LITERAL, Expr, parts_of
from minigrad.text.mathematics import Latex, Notation, digits_that_tell_apart
from minigrad.text.numpy_code import ATOM, Names, Text, spelled
from minigrad.text.words import colour_name, encodable, folded, printable, suggestions

from .lines import Line, Lines, Summand


@collection_paused()
def derive(
    J: Tensor, names: Mapping[str, object] | None = None, terms: Mapping[str, Tensor] | None = None
) -> "Derivation":
    """Write out how J and its gradients are computed, between the nodes that have a name.

    The gradient of a node is called d and its name. Unnamed nodes are inlined; what is used twice becomes t1, t2, ...

    Parameters
    ----------
    J : Tensor
        The cost, a scalar that depends on a leaf.
    names : mapping of str to anything, optional
        Names of Tensors, usually ``locals()``; what is no Tensor is ignored.
    terms : mapping of str to Tensor, optional
        Names of summands of ``J``, in place of the terms that are found.

    Returns
    -------
    Derivation
        It prints as text, shows itself as LaTeX in notebooks, and writes a NumPy program.

    Raises
    ------
    TypeError
        Where ``J`` or a term is no Tensor.
    ValueError
        Where ``J`` is no scalar that depends on a leaf, a given term is no summand of it, or one name stands for two
        nodes.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> W, x = mg.Tensor([[1.0, -2.0]], name="W"), mg.constant([[3.0], [4.0]], name="x")
    >>> lam = mg.constant(0.1, name="lam")
    >>> z = (W @ x).named("z")
    >>> print(derive((np.sum(np.tanh(z)) + lam / 2 * np.sum(np.square(W))).named("J")).line("dW"))
    dW = dz @ x.T + lam * W
    """
    return Derivation(Lines(Graph.of_cost(J, names, terms)))


def derivation_of(graph: Graph) -> "Derivation | None":
    """Return the derivation of a graph for its formulas; None where the graph is so large that writing takes long."""
    return Derivation(Lines(graph)) if len(graph.nodes) <= MAX_DERIVED_NODES else None


MAX_DERIVED_NODES = 1_000  # of a graph that is written out for its formulas

_MAX_EXPRESSION_LENGTH = 120  # of a longer one a part gets a name
_MAX_STATEMENT_LENGTH = 100  # of one in one line
_MAX_LISTED_TERMS = 4
_MAX_SUMMANDS = 50  # more are added in several statements
_MAX_INLINE_OPERATIONS = 60  # of a line on its own, without temporaries

# What may be written twice: too short for a name, and as cheap as one.
_CHEAP = {
    *(np.add, np.subtract, np.multiply, np.divide, np.negative, np.transpose, np.reshape, np.swapaxes, getitem),
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.broadcast_to),
    *(np.ones, np.zeros, np.full),
}


def _is_cheap(e: Expr) -> bool:
    """Return whether this is an atom, one operation on one array (``1 - A``) or two on scalars (``lam / (2 * m)``)."""
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

    def literal(self, value: Value) -> Text:
        return spelled(value, self.names)


class Step(NamedTuple):
    """A line as it is written: a symbol, the summands that it is the sum of, and a shorter formula or ""."""

    line: Line
    symbol: str
    summands: list[str]
    shorter: str


class Derivation:
    """A derivation, to be written as NumPy, LaTeX or text; ``print`` shows the text, notebooks the LaTeX.

    ``exec(d.numpy(), {**d.inputs, **d.constants})`` runs it.

    Attributes
    ----------
    gradients : dict of str to str
        For the name of each node, the identifier of its gradient.
    lines : Lines
        The same as expressions.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._graph = graph = lines.graph
        self._titles = lines.titles
        self._numpy = _Numpy(lines.names)
        self._short: dict[Expr, Expr] = {}  # what has a name of its own, and that name
        self._uses = _uses(e for part in (lines.forward, lines.backward) for x in part.values() for e in x.expressions)
        floats = (e.value for e in self._uses if e.function is LITERAL and isinstance(e.value, float))
        digits = digits_that_tell_apart(floats)
        self._notations: dict[str, _Numpy | Notation] = {
            **{"numpy": self._numpy, "latex": Latex(digits), "unicode": Notation(digits)}
        }
        self._texts: dict[Expr, Text] = {}
        self._codes: dict[Expr, list[str]] = {}  # the summands of each line in NumPy, by its symbol
        self._forward = self._with_temporaries(lines.forward.values())
        self._backward = self._with_temporaries(lines.backward.values())
        self._cut_off = [name for x, name in graph.names.items() if x.requires_grad and x not in lines.sinks]
        self.gradients = {graph.names[x]: e.value for x, e in lines.gradients.items() if x in graph.names}

    @property
    def inputs(self) -> Options:
        """Copies of the values that leaves and named constants had, by their identifiers in the program."""
        return {x.value: np.array(self.lines.recorded[x])[()] for x in self._leaves()}

    @property
    def constants(self) -> Options:
        """Copies of the anonymous arrays (c1, c2, ...), and the functions that are not NumPy's."""
        arrays = {symbol.value: a.copy() for symbol, a in self.lines.rewriter.constants.items()}
        return arrays | self._numpy.names.namespace

    def _leaves(self) -> list[Expr]:
        return [symbol for x, symbol in self.lines.symbols.items() if x.function is None]

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, str]:
        """Return what a notebook shows."""
        return {"text/latex": f"$${self.latex()}$$", "text/plain": self.text()}

    def _with_temporaries(self, lines: Iterable[Line]) -> list[Line]:
        """Return the lines, each after those of the temporaries it uses first: what occurs twice, or is too long."""
        complete: list[Line] = []
        texts = self._texts
        for line in lines:
            summands = line.expressions
            whole = summands[0] if len(summands) == 1 else None
            for e in parts_of(summands, texts.__contains__):
                if e not in texts:
                    texts[e] = self._text(e, texts, self._numpy)
                    long = len(texts[e].code) > _MAX_EXPRESSION_LENGTH
                    if not e.is_atom and e is not whole and (self._repeated(e) or (long and e not in summands)):
                        code = texts[e].code
                        complete.append(Line(self._temporary(e), (Summand(e),)))
                        self._codes[complete[-1].symbol] = [code]
            complete.append(line)
            self._codes[line.symbol] = [texts[e].code for e in summands]
            if whole is not None and self._repeated(whole):
                self._short.setdefault(whole, line.symbol)
                texts[whole] = Text(self._short[whole].value, ATOM)
        return complete

    def _repeated(self, e: Expr) -> bool:
        return self._uses[e] > 1 and not _is_cheap(e)

    def _temporary(self, e: Expr) -> Expr:
        name = self._numpy.names.numbered("t")
        self._titles[name] = (name, False)
        self._short[e] = self.lines.rewriter.symbol(name, e.shape, e.dtype)
        self._texts[e] = Text(name, ATOM)
        return self._short[e]

    def _text(self, e: Expr, texts: Mapping[Expr, Text], notation: "_Numpy | Notation") -> Text:
        if e.function is None:
            return notation.symbol(e.value, *self._titles[e.value])
        if e.function is LITERAL:
            return notation.literal(e.value)
        arguments = [texts[a] for a in e.args]
        if isinstance(notation, _Numpy):
            return spelling.numpy(e.function, arguments, e.options, notation.names)
        return spelling.mathematics(notation, e, arguments)

    def _summands(self, line: Line, notation: "_Numpy | Notation", short: Mapping[Expr, Expr]) -> list[Text]:
        """Return the texts of a line's summands, with the names that ``short`` has for parts of them."""
        return self._written(line.expressions, notation, lambda e: e in short and short[e] is not line.symbol)

    def _written(
        self, roots: Sequence[Expr], notation: "_Numpy | Notation", is_short: Callable[[Expr], bool]
    ) -> list[Text]:
        texts: dict[Expr, Text] = {}
        for e in parts_of(roots, is_short):
            texts[e] = self._text(self._short[e] if is_short(e) else e, texts, notation)
        return [texts[e] for e in roots]

    def written(self, e: Expr, notation: str = "unicode") -> str:
        """Return one expression of ``lines``, without temporaries; ``notation`` is "numpy", "latex" or "unicode"."""
        return self._written([e], self._notations[notation], lambda e: False)[0].code

    # --- NumPy --------------------------------------------------------------------------------------------------------

    def numpy(self) -> str:
        """Return a program that computes every named node and its gradient, under their names, from the inputs.

        A comment names the cost terms of a gradient, and those that have no path to the node.
        """
        forward = [code for line in self._forward for code in self._statements(line)]
        backward = [code for line in self._backward for code in self._statements(line)]
        backward += [f"# {printable(name)}: no path to any term" for name in self._cut_off]
        sections = ["import numpy as np", self._numpy.names.prelude().rstrip(), self._header()]
        sections += ["\n".join(["# forward", *forward]) if forward else "", "\n".join(["# backward", *backward])]
        return "\n\n".join(section for section in sections if section) + "\n"

    def _header(self) -> str:
        """Return what the program needs to be given."""
        constants = {symbol.value: symbol.shape for symbol in self.lines.rewriter.constants}
        constants |= dict.fromkeys(self._numpy.names.namespace, ())
        given = {"inputs": {x.value: x.shape for x in self._leaves()}, "constants": constants}
        return "\n".join(_listing(kind, shapes) for kind, shapes in given.items() if shapes)

    def line(self, name: str) -> str:
        """Return the statement of one node, such as ``line("Z3")``, or of its gradient, ``line("dZ3")``, in NumPy.

        Raises KeyError where there is none, with the names that are near.
        """
        lines = {line.symbol.value: line for line in (*self._forward, *self._backward)}
        titles = {("d" if gradient else "") + title: key for key, (title, gradient) in self._titles.items()}
        line = lines.get(titles.get(name, name))
        if line is None:
            known = [title for title, key in titles.items() if key in lines]
            raise KeyError(f"no line for {printable(name)!r}; there are {suggestions(name, known)}")
        short = {} if sum(e.size for e in line.expressions) <= _MAX_INLINE_OPERATIONS else self._short
        return f"{line.symbol.value} = {added([t.code for t in self._summands(line, self._numpy, short)])}"

    def _statements(self, line: Line) -> list[str]:
        """Return a line as statements, broken where it is too long."""
        texts, name, comment = self._codes[line.symbol], line.symbol.value, self._comment(line)
        code = f"{name} = {added(texts)}"
        if len(code) <= _MAX_STATEMENT_LENGTH or len(texts) == 1:
            return [code + (f"  # {comment}" if comment else "")]
        statements = []
        for start in range(0, len(texts), _MAX_SUMMANDS):
            part = texts[start : start + _MAX_SUMMANDS]
            signed = [added([t]) if not i and not start else added(["", t])[1:] for i, t in enumerate(part)]
            body = [f"    {code}" for code in ([name, *signed] if start else signed)]
            statements.append("\n".join([f"{name} = (", *body, ")"]))
        return [*([f"# {comment}"] if comment else []), *statements]

    def _comment(self, line: Line) -> str:
        """Return the terms that the gradient comes from, where there are several, and those that have no path."""
        bits = 0
        for summand in line.summands:
            bits |= summand.terms
        parts = [self._listed(bits, " + ")] if bits & (bits - 1) else []
        if line.missing:
            title, _ = self._titles[line.symbol.value]
            parts.append(f"{self._listed(line.missing)}: no path to {printable(title)}")
        return "; ".join(parts)

    def _listed(self, bits: int, between: str = ", ") -> str:
        """Return the names of some terms; of many the first."""
        terms = self._graph.terms_of(bits)
        rest = [f"{len(terms) - _MAX_LISTED_TERMS} more"] if len(terms) > _MAX_LISTED_TERMS + 1 else []
        return between.join([*map(printable, terms[: _MAX_LISTED_TERMS if rest else None]), *rest])

    # --- mathematics --------------------------------------------------------------------------------------------------

    def steps(self, notation: str = "unicode") -> dict[str, list[Step]]:
        """Return the lines of the passes "forward" and "backward", in one of the notations of ``written``."""
        spelled, passes = self._notations[notation], {"forward": self._forward, "backward": self._backward}
        return {name: [self._step(line, spelled) for line in lines] for name, lines in passes.items()}

    def _step(self, line: Line, notation: "_Numpy | Notation") -> Step:
        summands = [text.code for text in self._summands(line, notation, self._short)]
        formula = self.lines.shorter(line)
        shorter = "" if formula is None else self._written([formula], notation, lambda e: False)[0].code
        return Step(line, self._text(line.symbol, {}, notation).code, summands, shorter)

    def text(self) -> str:
        """Return the derivation in Unicode as far as the terminal has it, with the same comments as the program."""
        lines = []
        for heading, steps in self.steps().items():
            lines += ["", heading] if steps else []
            for line, symbol, summands, shorter in steps:
                comment = self._comment(line)
                lines.append(f"  {symbol} = {added(summands)}" + (f"    # {comment}" if comment else ""))
                lines += [f"  {' ' * len(symbol)} = {shorter}"] if shorter else []
        lines += [f"  # {printable(name)}: no path to any term" for name in self._cut_off]
        return encodable(folded("\n".join(lines[1:])))

    def latex(self) -> str:
        """Return the derivation as an ``aligned`` environment, for MathJax, KaTeX, and LaTeX with amsmath and xcolor.

        Names in scripts that pdflatex has no letters for, such as Chinese, compile with lualatex or xelatex and a
        package with their font, such as ctex.

        Where J has several terms, a summand has the colour of the term that it comes from, nearly as in pictures, and
        in a sum its name below.
        """
        notation, several, rows = Latex(), len(self._graph.terms) > 1, []
        for heading, steps in self.steps("latex").items():
            rows += [rf"& \textbf{{{heading}}}"] if steps else []
            for line, symbol, codes, shorter in steps:
                terms = [summand.terms for summand in line.summands]
                if any(terms) and several:
                    named = len(set(terms)) > 1
                    codes = [self._coloured(code, bits, named) for code, bits in zip(codes, terms, strict=True)]
                row = f"{symbol} &= {added(codes)}"
                if line.missing:
                    title, _ = self._titles[line.symbol.value]
                    row += " && " + notation.words(f"{self._listed(line.missing)}: no path to ") + notation.name(title)
                rows += [row, f"&= {shorter}"] if shorter else [row]
        rows += ["& " + notation.words(f"{name}: no path to any term") for name in self._cut_off]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _coloured(self, code: str, bits: int, named: bool) -> str:
        """Return a summand in the colour of its term, where it comes from one alone; ``named`` puts the name below."""
        sign, code = ("-", code[1:]) if code.startswith("-") else ("", code)
        if bits & (bits - 1) == 0 and bits:
            code = rf"{{\color{{{colour_name(bits.bit_length() - 1)}}}{{{code}}}}}"
        if named:
            terms = Latex().words(self._listed(bits, " + "))
            code = rf"\underbrace{{{code}}}_{{{terms}}}"
        return sign + code


def _listing(kind: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return a comment that lists names and shapes."""
    items = [f"{name} {shape}".replace(" ", "\xa0") if shape else name for name, shape in shapes.items()]  # unbroken
    wrapped = textwrap.fill(
        f"{kind}: {', '.join(items)}", _MAX_STATEMENT_LENGTH, initial_indent="# ", subsequent_indent="#     "
    )
    return wrapped.replace("\xa0", " ")


def _uses(roots: Iterable[Expr]) -> dict[Expr, int]:
    """How often each expression stands in the lines."""
    uses: dict[Expr, int] = {}
    waiting = [*roots]
    while waiting:
        e = waiting.pop()
        if e not in uses:
            waiting += e.args
        uses[e] = uses.get(e, 0) + 1
    return uses


def added(codes: Sequence[str]) -> str:
    """Return a sum of texts; the sign of a negative one joins it."""
    first, *rest = codes
    return first + "".join(f" - {code[1:]}" if code.startswith("-") else f" + {code}" for code in rest)
