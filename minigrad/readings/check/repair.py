"""The smallest edit of the learner's own statement that makes a step right: the same table, searched the other way.

Their statement is read as an expression whose symbols are their variables, with the values that these have. A variable
that is no gradient, such as ``delta``, is read as the statement that makes it. Where that gives the numbers that they
gave, the search looks for the edits of it that give the right ones.

Nothing of theirs is called: a statement that does more than NumPy on variables is not read, and has no repair.
"""

import ast
import copy
from collections.abc import Mapping
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.rules import RULES
from minigrad.engine.tensor import Tensor
from minigrad.text import spelling
from minigrad.text.expressions import LITERAL, Expr, Expressions, applied
from minigrad.text.numpy_code import ATOM, Names, Text

from .edits import EDITS, REDUCTIONS, Edit, Edits
from .lines import Call, Formula, RightLine, RightLines
from .search import Search
from .source import Statement, Values, statements_of
from .steps import Step, agrees, double
from .wording import written

_MAX_LESS_LIKELY = 0.15  # than the first, of an edit that is shorter
_MAX_STATEMENT_DEPTH = 5  # statements that make what another one uses
_OPERATORS: dict[type[ast.AST], Any] = {
    **{ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power},
    **{ast.MatMult: np.matmul, ast.USub: np.negative, ast.Gt: np.greater, ast.GtE: np.greater_equal},
    **{ast.Lt: np.less, ast.LtE: np.less_equal, ast.Eq: np.equal, ast.NotEq: np.not_equal},
}
_NAMES_IN_TABLE = {"dot": np.matmul, "max": np.max, "min": np.min}


class Own(RightLines):
    """The statements of a learner as lines, and the variables that they may be made of."""

    def __init__(self, step: Step, space: Mapping[str, object], statements: Mapping[str, Statement]) -> None:
        self.homework, self.statements, self.space = step.homework, statements, space
        self.made = Expressions()
        self.places: dict[Expr, list[tuple[Statement, ast.expr]]] = {}
        self.values: dict[Expr, Value] = {}
        self.gradients: dict[Expr, Tensor] = {}
        self.symbols, self.definitions, self.formulas = {}, {}, {}
        self.has_every_place = True
        by_name, answers = step.graph.by_name, step.homework.answers
        asked = any(".data" in statement.text for statement in statements.values())
        for name, value in space.items():
            if name in by_name and isinstance(value, Tensor | np.ndarray):
                is_asked = isinstance(value, Tensor) or (asked and isinstance(value, Values))
                self._symbol(f"{name}.data" if is_asked else name, value)
            elif name.startswith("d") and by_name.get(name[1:]) in answers:
                self.gradients[self._symbol(name, value)] = by_name[name[1:]]

    def _symbol(self, text: str, value: Value) -> Expr:
        a = double(np.asarray(value._value if isinstance(value, Tensor) else value))
        symbol = self.made.symbol(text, a.shape, a.dtype)
        self.values[symbol] = a if a.ndim else a[()]
        return symbol

    def read(self, e: ast.expr, statement: Statement, depth: int = 0) -> Expr:
        """Return an expression of theirs; raises where it cannot be read."""
        match e:
            case ast.Constant(value=int() | float() as value):
                found = self.made.literal(value)
            case ast.BinOp(left=a, op=op, right=b) | ast.Compare(left=a, ops=[op], comparators=[b]):
                found = self._call(_OPERATORS[type(op)], [self.read(x, statement, depth) for x in (a, b)], {})
            case ast.UnaryOp(op=ast.USub(), operand=a):
                found = self._call(np.negative, [self.read(a, statement, depth)], {})
            case ast.Attribute(value=a, attr="T"):
                found = self._call(np.transpose, [self.read(a, statement, depth)], {})
            case ast.Call(func=ast.Attribute(value=a, attr=name), args=args):
                args = args if isinstance(a, ast.Name) and a.id == "np" else [a, *args]
                found = self._function(name, args, e.keywords, statement, depth)
            case ast.Name() | ast.Attribute() | ast.Subscript() if not any(
                isinstance(x, ast.Call) for x in ast.walk(e)
            ):
                return self._variable(e, statement, depth)
            case _:
                raise LookupError(ast.unparse(e))
        self.places.setdefault(found, []).append((statement, e))
        return found

    def _function(
        self, name: str, args: list[ast.expr], keywords: list[ast.keyword], statement: Statement, depth: int
    ) -> Expr:
        function = _NAMES_IN_TABLE.get(name) or getattr(np, name)
        options = {str(k.arg): ast.literal_eval(k.value) for k in keywords}
        if function in REDUCTIONS and len(args) == 2:
            args, options["axis"] = args[:1], ast.literal_eval(args[1])
        if function not in RULES or not options.keys() <= {"axis", "keepdims"}:
            raise LookupError(name)
        return self._call(function, [self.read(x, statement, depth) for x in args], options)

    def _call(self, function: Any, args: list[Expr], options: Options) -> Expr:
        value = applied(function, [self.values[a] if a.function is not LITERAL else a.value for a in args], options)
        found = self.made.call(function, args, options, np.shape(value), np.asarray(value).dtype)
        self.values[found] = value
        return found

    def _variable(self, e: ast.expr, statement: Statement, depth: int) -> Expr:
        """Return a variable, or what the statement that makes it says, where it is no gradient."""
        text = ast.unparse(e)
        symbol, made = self._symbol(text, eval(text, {}, dict(self.space))), self.statements.get(text)
        if (
            made is not None
            and made.value is not None
            and symbol not in self.gradients
            and depth < _MAX_STATEMENT_DEPTH
        ):
            try:
                found = self.read(made.value, made, depth + 1)
            except Exception:  # it does more than can be read
                found = symbol
            if not found.is_atom and np.array_equal(self.values[found], self.values[symbol]):
                return found
        self.places.setdefault(symbol, []).append((statement, e))
        return symbol


class Repair(NamedTuple):
    """The statement of the learner's that makes a gradient, and the statements as they are right."""

    statement: Statement
    repair: tuple[str, ...] = ()


def repaired(
    step: Step, right: RightLine | None, scale: float, space: Mapping[str, object], statements: Mapping[str, Statement]
) -> Repair | None:
    """Return the learner's statement for a step, with the smallest edit that makes it right where one is found.

    ``scale`` is the factor that a convention gives the gradient, against the true one; ``right`` the right line.
    """
    turned = copy.copy(step)
    turned.answer, turned.expected = scale * step.expected, scale * step.answer
    turned.slack = step.slack * max(1.0, abs(scale))
    name = step.graph.names[step.node]
    found = statements_of(name, statements)
    for statement in found:
        own = Own(step, space, statements)
        with suppress(Exception):  # it does more than can be read
            line = RightLine(own, step.node, own.read(statement.value or ast.Constant(None), statement))
            if agrees(np.asarray(line.values[line.root]), turned.expected, turned.slack):
                return Repair(statement, _smallest(turned, line, own, right))
    return next((Repair(statement) for statement in found if statement.target in ("", f"d{name}")), None)


def _smallest(turned: Step, line: RightLine, own: Own, right: RightLine | None) -> tuple[str, ...]:
    """Return the statements with the likely edit that changes them least."""
    if right is not None:
        own.extras = {e: a for e, a in right.values.items() if not e.is_atom and e is not right.root}
        own.values |= own.extras
    search = Search(turned, line, (*EDITS, _MORE))
    fits = search.likely() or [*search.unlikely(), *search.by_amount()] or search.pairs()
    likely = [fit for fit in fits if fit.weight <= min(f.weight for f in fits) + _MAX_LESS_LIKELY]
    mended = [_rewritten(own, fit.everything) for fit in likely]
    return min(mended, key=_change, default=((), ()))[1]


def _change(texts: tuple[tuple[str, ...], tuple[str, ...]]) -> int:
    """Return how many characters differ; what is written anew counts twice."""
    old, new = map(" ".join, texts)
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(i2 - i1 + 2 * (j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")


def _one_summand_more(e: Expr, line: RightLine) -> Edits:
    """Yield a sum with a part of the right line."""
    for part, a in line.lines.extras.items():
        if np.shape(a) == np.shape(line.values[e]) and np.ndim(a):
            yield Call(np.add, (e, part))
            yield Call(np.subtract, (e, part))


_MORE = Edit(_one_summand_more, 1.4)


def _rewritten(own: Own, changes: Mapping[Expr, Formula]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the statements in which some expressions are, as they are and with others in their place."""
    places = [(place, new) for old, new in changes.items() for place in own.places[old]]
    nodes = {id(e): ast.parse(_text(own, new), mode="eval").body for (_, e), new in places}
    statements = dict.fromkeys([statement for (statement, _), _ in places])
    return tuple([s.text for s in statements]), tuple([s.rewritten(_replaced(s.value, nodes)) for s in statements])


def _replaced(e: Formula, nodes: Mapping[int, ast.expr]) -> Formula:
    """Return a copy of a syntax tree with some of its nodes exchanged."""
    if id(e) in nodes:
        return nodes[id(e)]
    new = copy.copy(e)
    for name, part in ast.iter_fields(e):
        if isinstance(part, ast.AST):
            setattr(new, name, _replaced(part, nodes))
        elif isinstance(part, list):
            setattr(new, name, [_replaced(x, nodes) if isinstance(x, ast.AST) else x for x in part])
    return new


def _text(own: Own, e: Formula) -> str:
    """Return a changed expression as NumPy, what they wrote themselves as they wrote it."""
    if isinstance(e, Call):
        parts = [Text(f"({_text(own, a)})", ATOM) for a in e.args]
        return spelling.numpy(e.function, parts, dict(e.options), Names()).code
    if isinstance(e, Expr) and e in own.places:
        return ast.unparse(own.places[e][0][1])
    return written(e, Names()).code
