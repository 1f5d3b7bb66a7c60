"""What is said of an edit: its kind, a sentence, and the line that the learner is likely to have."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.node import reachable
from minigrad.engine.primitives import getitem, scatter
from minigrad.engine.tensor import Tensor
from minigrad.text import spelling
from minigrad.text.expressions import LITERAL, Expr, parts_of
from minigrad.text.numpy_code import ATOM, Names, Text, spelled
from minigrad.text.words import printable

from .edits import COMPARISONS, PRODUCTS, SUMS, Borrowed, assigned, mean_for_sum, negated, off_diagonal, overlaid
from .kinds import Kind
from .lines import Call, Formula, RightLine
from .search import Fit
from .steps import Step

_MAX_LINE_LENGTH = 160
_MAX_CORRECTION_LINES = 4
_MAX_REPEATED_LENGTH = 20  # of what is the same in the right line and in the edited one

_KINDS_LEFT_OUT: dict[Kind, set[Any]] = {
    Kind.WRONG_FACTOR: {np.power, np.square},
    Kind.INDEX: {getitem, scatter},
    Kind.WRONG_MASK: {*COMPARISONS},
    Kind.MISSING_MASK: {np.where},
    Kind.TRANSPOSED: {np.transpose, np.swapaxes},
    Kind.SHAPE: {np.reshape, np.broadcast_to},
}
_HELPERS = {
    scatter: "scatter(g, index, shape) is zeros of a shape, with g added at an index",
    "one_hot": "one_hot is 1 at the labels and 0 elsewhere",
}
_SENTENCES = {
    overlaid: "parts that overlap are written over one another (= for +=); they are to be added",
    assigned: "an index that occurs several times counts once (a[i] = g, a[i] += g): np.add.at(a, i, g) adds all",
}
_AVERAGED = {
    np.sum: "it is averaged; it is to be summed (np.sum for np.mean)",
    np.mean: "it is summed; it is to be averaged (np.mean for np.sum)",
}
_OFF_DIAGONAL = (
    "the diagonal of the Jacobian is left out",
    "the entries beside the diagonal of the Jacobian have the wrong sign",
)
_MEANT = "an elementwise product", "a matrix product (@)"
_BEFORE = {Kind.ORDER: "the factors are exchanged: ", Kind.WRONG_AXIS: "it is summed over the wrong axis: "}
_DIAGONAL = "the diagonal of a Jacobian stands for the whole: "


class Finding(NamedTuple):
    """What gives the learner's numbers: its kind, a sentence, the edit where it is one, and the likely statement."""

    kind: Kind
    text: str
    likely: str = ""
    fit: Fit | None = None


class Hole(NamedTuple):
    """A part whose place is shown, and not itself."""


def written(e: Formula, names: Names, changes: Mapping[Expr, Formula] | None = None) -> Text:
    """Return an expression as NumPy, with some parts changed."""
    texts: dict[Expr, Text] = {}

    def of(part: Formula) -> Text:
        return texts[part] if part in texts else written(part, names)

    if not isinstance(e, Expr):
        return _spelled(e, names, lambda part: written(part, names, changes))
    for part in parts_of([e]):
        if part.function is None:
            texts[part] = Text(part.value, ATOM)
        elif part.function is LITERAL:
            texts[part] = _number(part.value, names)
        else:
            texts[part] = spelling.numpy(part.function, [texts[a] for a in part.args], part.options, names)
        if changes and part in changes:
            texts[part] = _spelled(changes[part], names, of)
    return texts[e]


def _spelled(e: Formula, names: Names, of: Callable[[Expr], Text]) -> Text:
    """Return what stands for a part as NumPy; ``of`` writes the expressions in it."""
    if isinstance(e, Hole):
        return Text("…", ATOM)
    if isinstance(e, Call):
        return spelling.numpy(e.function, [_spelled(a, names, of) for a in e.args], e.options, names)
    if isinstance(e, Expr):
        return of(e)
    return _number(int(e) if isinstance(e, float) and e.is_integer() else e, names)


def _number(a: Value, names: Names) -> Text:
    if isinstance(a, np.ndarray) and a.ndim:
        a = a.flat[0]  # zeros or ones, for what is left out
    return spelled(float(f"{a:.6g}") if isinstance(a, float) else a, names)


def correction(line: RightLine, place: Expr) -> tuple[str, ...]:
    """Return the last of the statements that a right line is made of, and the one with an edited place.

    What they use that has no name of the learner's has a statement before them, or a comment after them.
    """
    lines, graph, edited, names = line.lines, line.lines.homework.graph, line.statement_of(place), Names()
    nodes = {**lines.symbols, **lines.gradients}
    unnamed = {str(e.value) for e, x in nodes.items() if x not in graph.names}
    shown: dict[str, Expr] = {}
    for symbol, body in reversed(({str(e.value): f for e, f in lines.formulas.items()} | line.statements).items()):
        is_last = symbol in line.statements and (len(shown) < _MAX_CORRECTION_LINES or symbol == edited)
        if is_last or symbol in unnamed.intersection(e.value for e in parts_of(shown.values()) if e.function is None):
            shown[symbol] = body
    used = [*parts_of(shown.values())]
    comments = dict.fromkeys(_HELPERS[e.function or e.value] for e in used if (e.function or e.value) in _HELPERS)
    constants = lines.lines.rewriter.constants.keys() - lines.definitions.keys()
    arrays = {e for e in used if e in constants and re.fullmatch(r"c\d+", e.value)}
    for node, formula in lines.formulas.items():
        if found := [e for e in parts_of([formula]) if e in arrays]:
            called = ", ".join(str(e.value) for e in found)
            comments[f"{called} as in {node.value} = {written(formula, names).code}"] = None
            arrays.difference_update(found)
    statements = (f"{symbol} = {written(body, names).code}" for symbol, body in reversed(shown.items()))
    return (*statements, *(f"# {comment}" for comment in comments))


class Words:
    """The sentence for one edit."""

    def __init__(self, step: Step, fit: Fit) -> None:
        self.step, self.fit, self.line = step, fit, fit.line
        self.names = Names()

    def code(self, e: Formula, changes: dict[Expr, Formula] | None = None) -> str:
        """Return an expression as NumPy, cut off where it is too long."""
        code = written(e, self.names, changes).code
        return code if len(code) <= _MAX_LINE_LENGTH else code[: _MAX_LINE_LENGTH - 1] + "…"

    def finding(self) -> Finding:
        """Return the kind of mistake that the edit is, what to say of it, and the statements edited and right."""
        fit = self.fit
        if fit.edit.kind is Kind.NUMBER and fit.amount is not None:
            return Finding(Kind.NUMBER, self.sentence(Kind.NUMBER, fit.place, fit.new), self.likely(), fit)
        if fit.amount is not None:
            found = self._by_amount(fit.amount)
            return found._replace(text=found.text + self._where())
        kind = fit.edit.kind or self.kind(fit.place, fit.new)
        text = self.sentence(kind, fit.place, fit.new)
        if len(fit.changes) > 1:
            text += f", and so at {len(fit.changes) - 1} more place{'s' * (len(fit.changes) > 2)}"
        text += self._where()
        if (k := fit.factor) is not None:
            text += "; and all of it has the wrong sign" if k == -1 else f"; and all of it is {self.factor(k)}"
        elif fit.second is not None:
            text += f"; and {Words(self.step, fit.second).finding().text}"
        return Finding(kind, text, self.likely(), fit)

    def _where(self) -> str:
        """Return where the edit was made, if at some entries alone."""
        about = self.fit.about
        return f", at some entries: {entries(about)}" if isinstance(about, np.ndarray) else ""

    def likely(self) -> str:
        """Return the statement that an edit is in, edited; nothing where it cannot be written as one."""
        if self.fit.edit.make in (assigned, overlaid):
            return ""
        symbol = self.line.statement_of(self.fit.place)
        return f"{symbol} = {self.code(self.line.statements[symbol], self.fit.everything)}"

    # --- kinds --------------------------------------------------------------------------------------------------------

    def kind(self, place: Expr, new: Formula) -> Kind:
        """Return the kind of an edit whose row has none: what was left out, or what stands for what."""
        own_leaf = self.line.x.function is None and not self.carries(place)
        if own_leaf and self.line.lines.lines.symbols.get(self.line.x) in parts_of([place]):
            return Kind.TERM_GRADIENT
        if isinstance(new, np.ndarray):
            return self._kind_of_nothing(place, new)
        path = _path(place, new, self.line) if isinstance(new, Expr) else []
        if path:
            return self._kind_left_out(path, self.carries(new))
        if isinstance(new, Call) and new.function is place.function and len(new.args) == len(place.args):
            inner = [(a, b) for a, b in zip(place.args, new.args, strict=True) if a is not b]
            if len(inner) == 1:
                return self.kind(*inner[0])
        symbol = new.args[0] if isinstance(new, Call) and new.function is np.transpose else new
        return self._kind_of_other(place, symbol)

    def _kind_of_nothing(self, place: Expr, new: Formula) -> Kind:
        if not np.any(new):
            return Kind.MISSING_PATH if self.carries(place) else Kind.MISSING_FACTOR
        if self.carries(place):
            return Kind.UPSTREAM
        return Kind.MISSING_MASK if self._is_mask(place) else Kind.MISSING_FACTOR

    def _kind_left_out(self, path: list[tuple[Expr, list[Expr]]], carries: bool) -> Kind:
        """Return the kind of what is left out, by the functions on the way from the whole to what is left."""
        functions = {e.function for e, _ in path}
        (whole, _), (last, rest) = path[0], path[-1]
        left = next(a for a in self.line.parts(last) if a not in rest)
        others = [o for _, rest in path for o in rest]
        if carries and functions & SUMS and any(map(self.carries, others)):
            larger = np.size(self.line.values[left]) > np.size(self.line.values[whole])
            return Kind.NOT_SUMMED if functions & {np.sum, np.mean} and larger else Kind.MISSING_PATH
        if functions & PRODUCTS:
            if not carries and any(map(self.carries, others)):
                return Kind.UPSTREAM
            if any(map(self._is_mask, others)):
                return Kind.MISSING_MASK
            if all(np.ndim(self.line.values[o]) == 0 for e, rest in path if e.function in PRODUCTS for o in rest):
                return Kind.FACTOR
            return Kind.MISSING_FACTOR
        if functions & SUMS:
            return (
                Kind.MISSING_PATH if any(map(self.carries, others)) or self.carries(path[0][0]) else Kind.WRONG_FACTOR
            )
        if functions & {np.sum, np.mean}:
            users = self.line.users[path[0][0]]
            return Kind.DIAGONAL if any(user.function in SUMS for user in users) else Kind.NOT_SUMMED
        return next((kind for kind, those in _KINDS_LEFT_OUT.items() if functions & those), Kind.FUNCTION)

    def _kind_of_other(self, place: Expr, symbol: Any) -> Kind:
        lines = self.line.lines
        if symbol in lines.gradients:
            return Kind.UPSTREAM if self.carries(place) else Kind.OPERAND
        if all(user.function in COMPARISONS for user in self.line.users.get(place, [])) and self.line.users.get(place):
            return Kind.WRONG_MASK
        x, owner = lines.symbols.get(symbol), lines.symbols.get(place)
        if x is not None and owner is not None and x.shape == owner.shape:
            late, early = (x, owner) if x.order > owner.order else (owner, x)
            if elementwise_of(late, early) and x is not owner:
                return Kind.PRE_POST
        return Kind.WRONG_MASK if self._is_mask(place) else Kind.OPERAND

    def carries(self, e: Expr) -> bool:
        """Return True if a gradient is in an expression."""
        return any(part in self.line.lines.gradients for part in parts_of([e]))

    def _is_mask(self, e: Expr) -> bool:
        a = np.asarray(self.line.values[e])
        return a.ndim > 0 and bool(np.all((a == 0) | (a == 1))) and not self.carries(e)

    # --- sentences ----------------------------------------------------------------------------------------------------

    def sentence(self, kind: Kind, place: Expr, new: Formula) -> str:
        """Return the sentence that says what is wrong where an edit changed one part."""
        made, whole, old, now = self.fit.edit.make, place is self.line.root, self.code(place), self.code(new)
        if made in _SENTENCES:
            return _SENTENCES[made]
        if made is mean_for_sum and place.function in _AVERAGED:
            return _AVERAGED[place.function]
        if made is negated and new.function is np.negative:
            return self.wrong_sign(place)
        if kind is Kind.TRANSPOSED:
            if isinstance(new, Expr):
                return f"{now} is not transposed: {old} belongs here"
            return "it is the transpose of what it should be" if whole else f"{self.name(place)} is transposed"
        if isinstance(new, np.ndarray):
            if whole and not np.any(new):
                return "it is zero, but a gradient does arrive here"
            return f"{'the mask ' if kind is Kind.MISSING_MASK else ''}{old} is left out"
        if isinstance(new, Expr) and _path(place, new, self.line) and kind not in (Kind.WRONG_MASK, Kind.WRONG_FACTOR):
            summands = self.line.summands(place)
            if len(summands) > 2 and new in summands:
                return f"of {len(summands)} summands only {now} is there (is it = for += in a loop?)"
            left_out = self.left_out(kind, place, new)
            return f"{now} stands where {old} belongs" if left_out.count("…") > 1 else f"{left_out} is left out"
        if kind is Kind.EXTRA_FACTOR:
            return f"the factor {self.code(new.args[1])} has no place here"
        if made is off_diagonal:
            return _OFF_DIAGONAL[isinstance(new.args[0], Call)]
        if kind is Kind.REVERSED:
            return f"{'it' if whole else old} is reversed"
        after = f": {_MEANT[place.function is np.matmul]} is meant" if kind is Kind.PRODUCT else ""
        return _BEFORE.get(kind, "") + self.exchanged(place, new) + after

    def wrong_sign(self, place: Expr) -> str:
        """Return the sentence for a part that has the wrong sign."""
        whole = place is self.line.root
        return "the sign is wrong: multiply by -1" if whole else f"the sign of {self.name(place)} is wrong"

    def exchanged(self, place: Expr, new: Formula) -> str:
        """Return what stands where what belongs; a long argument of both is not written out."""
        if isinstance(new, Call) and new.function is place.function and len(new.args) == len(place.args) == 2:
            same = [a is b for a, b in zip(place.args, new.args, strict=True)]
            if sum(same) == 1 and len(self.code(place.args[same.index(True)])) > _MAX_REPEATED_LENGTH:
                args = [Hole() if a is b else b for a, b in zip(place.args, new.args, strict=True)]
                old = self.code(place, {place.args[same.index(True)]: Hole()})
                return f"{self.code(Call(new.function, tuple(args), new.options))} stands where {old} belongs"
        return f"{self.code(new)} stands where {self.code(place)} belongs"

    def name(self, place: Expr) -> str:
        """Return a part as NumPy, or the name of the gradient that it is the whole of."""
        named = (str(symbol.value) for symbol, body in self.line.lines.definitions.items() if body is place)
        return next(named, self.code(place))

    def left_out(self, kind: Kind, place: Expr, new: Expr) -> str:
        """Return what is left out, as NumPy, with a word for what it is."""
        code = self.code(place, {new: Hole()})
        if code.count("…") == 1 and code.startswith("… / "):
            return f"the division by {code.removeprefix('… / ')}"
        if code.count("…") == 1:
            for operator in ("*", "@", "+"):
                code = code.removeprefix(f"… {operator} ").removesuffix(f" {operator} …")
        words = {Kind.MISSING_MASK: "" if code.isidentifier() else "the mask ", Kind.DIAGONAL: _DIAGONAL}
        return words.get(kind, "the factor " if kind in (Kind.MISSING_FACTOR, Kind.FACTOR) else "") + code

    def factor(self, k: float) -> str:
        """Return the words for a factor by which a value is off."""
        return self.step.known_factor(k) or times(k)

    def _by_amount(self, t: float) -> Finding:
        fit, homework = self.fit, self.step.homework
        if isinstance(fit.about, Borrowed):
            return _added(self.step, fit.about, t)
        if fit.edit.kind is Kind.STALE:
            name = homework.name(fit.about)
            update = f"{name} {'-' if t < 0 else '+'} {abs(t):.4g} * d{name}"
            return Finding(Kind.STALE, f"{name} was updated before it was used: {update}")
        k = 1 + t
        whole = fit.place is self.line.root
        what = "it" if whole else self.name(fit.place)
        kind = Kind.SIGN if abs(k + 1) < 1e-6 else Kind.FACTOR
        if abs(k) < 1e-9:
            return Finding(Kind.MISSING_PATH if self.carries(fit.place) else Kind.MISSING_FACTOR, f"{what} is left out")
        if abs(k - 2) < 1e-6 and not whole:
            return Finding(Kind.DOUBLED_PATH, f"{what} is added twice")
        if kind is Kind.SIGN:
            return Finding(kind, self.wrong_sign(fit.place))
        edited = () if fit.place in self.line.lines.definitions else (self.likely(), fit)
        return Finding(kind, f"{what} is {self.factor(k)}", *edited)


def times(k: float) -> str:
    """Return the words for a factor by which a value is off."""
    return f"{k:.6g} times what it should be"


def entries(mask: Value) -> str:
    """Return which entries of an array a mask marks, in a few words."""
    found = np.argwhere(mask)
    for axis in range(mask.ndim):
        if len(set(found[:, axis])) == 1 and mask.ndim > 1 and len(found) == mask.size // mask.shape[axis]:
            return f"{'row' if axis == 0 else 'column' if axis == 1 else f'axis {axis}:'} {found[0, axis]}"
    listed = ", ".join(str([int(i) for i in index]) for index in found[:4])
    return listed + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def _added(step: Step, q: Borrowed, t: float) -> Finding:
    homework, name, own = step.homework, step.homework.name(q.x), printable(q.term)
    words = q.words if abs(t - 1) < 1e-6 else f"{t:.4g} times {q.words}"
    where = "" if q.x is step.node else f", on the way through d{name}"
    leaves = ", ".join(map(homework.name, homework.term_gradients[q.term]))
    made = f"{own} is computed from {leaves} alone" if leaves else f"{own} is not computed from it"
    text = f"{words} is added{where}, but no path leads from {name} to {own}: {made}, so d{own}/d{name} is 0"
    return Finding(Kind.NO_PATH, text)


def _path(place: Expr, new: Formula, line: RightLine) -> list[tuple[Expr, list[Expr]]]:
    """Return the expressions from one to a part of it, each with its other parts; empty if it is no part."""
    stack: list[tuple[Expr, list[tuple[Expr, list[Expr]]]]] = [(place, [])]
    while stack:
        e, path = stack.pop()
        if e is new:
            return path
        if len(path) < 8:
            parts = line.parts(e)
            stack += [(a, [*path, (e, [o for o in parts if o is not a])]) for a in parts]
    return []


def elementwise_of(late: Tensor, early: Tensor) -> bool:
    """Return True if one node is computed from another by elementwise functions of nothing else."""
    nodes = reachable([late], lambda x: [] if x is early else x.inputs)
    functions = [x.function for x in nodes if x is not early]
    reached = len(functions) < len(nodes)
    return reached and all(isinstance(f, np.ufunc) and f is not np.matmul for f in functions)
