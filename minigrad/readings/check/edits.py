"""How a right line goes wrong: a table of edits, one a row.

An edit takes a part of a line and gives what may stand there by mistake; some see what the part is used in. None knows
a network: the search tries all at every part, and what does not fit its place is dropped.

A kind of mistake is added by adding a row.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import scatter
from minigrad.engine.tensor import Tensor
from minigrad.text.expressions import LITERAL, Expr
from minigrad.text.words import printable

from .kinds import Kind
from .lines import ELEMENTWISE, Call, Formula, RightLine, with_argument
from .steps import Homework

Edits = Iterator[Formula]

PRODUCTS = {np.multiply, np.divide, np.matmul}
REDUCTIONS = {np.sum, np.mean, np.max, np.min}
SUMS = {np.add, np.subtract}
COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)

_MAX_FUNCTIONS_LEFT_OUT = 5


def part_of_it(e: Expr, line: RightLine) -> Edits:
    """Yield each part alone, the rest left out: dA for dA * A * (1 - A), g for np.sum(g), A for 1 - A, B for B.T."""
    stack = [(part, 1) for part in e.args]
    seen = set()
    while stack:
        part, depth = stack.pop()
        if part not in seen and part.function is not LITERAL:
            seen.add(part)
            yield part
            stack += [(inner, depth + 1) for inner in part.args] if depth < _MAX_FUNCTIONS_LEFT_OUT else []


def negated(e: Expr, line: RightLine) -> Edits:
    """Yield the part with the other sign, or - for + and + for -."""
    if e.function in SUMS:
        yield Call(np.subtract if e.function is np.add else np.add, e.args)
    users = line.users[e] or [e]
    subtracted = all(user.function in SUMS and user.args[1] is e is not user.args[0] for user in users)
    even = {*COMPARISONS, np.negative}
    if e.function is not np.negative and not subtracted and not all(user.function in even for user in users):
        yield Call(np.negative, (e,))


def turned(e: Expr, line: RightLine) -> Edits:
    """Yield the transpose of the part."""
    users = line.users[e]
    if np.ndim(line.values[e]) > 1 and not (users and all(user.function in REDUCTIONS for user in users)):
        yield Call(np.transpose, (e,))


def exchanged(e: Expr, line: RightLine) -> Edits:
    """Yield a matrix product, difference or quotient with its arguments exchanged."""
    if e.function in (np.matmul, np.subtract, np.divide):
        yield Call(e.function, e.args[::-1])


def other_product(e: Expr, line: RightLine) -> Edits:
    """Yield * for @ and @ for *, each with its factors transposed or not."""
    if e.function is np.matmul:
        a, b = e.args
        for x, y in ((a, b), (_bare(a), b), (a, _bare(b)), (_bare(a), _bare(b))):
            yield Call(np.multiply, (x, y))
    pairs = [pair for a, b in line.products(e) for pair in ((a, b), (b, a))] if e.function is np.multiply else []
    pairs += [(e.args[0], e.args[0])] if e.function is np.power and e.args[1].value == 2 else []
    for x, y in pairs:
        yield Call(np.matmul, (x, y))
        yield Call(np.matmul, (Call(np.transpose, (x,)), y))
        yield Call(np.matmul, (x, Call(np.transpose, (y,))))


def _bare(e: Expr) -> Formula:
    return e.args[0] if e.function is np.transpose else Call(np.transpose, (e,))


def other_sum(e: Expr, line: RightLine) -> Edits:
    """Yield the sum over other axes, over all, or with keepdims changed."""
    if e.function not in REDUCTIONS:
        return
    a = e.args[0]
    keep = e.options.get("keepdims", False)
    for axis in (None, *range(np.ndim(line.values[a]))):
        for kept in (keep, not keep):
            if (axis, kept) != (e.options.get("axis"), keep):
                options = ({} if axis is None else {"axis": axis}) | ({"keepdims": True} if kept else {})
                yield Call(e.function, (a,), options)


def mean_for_sum(e: Expr, line: RightLine) -> Edits:
    """Yield a mean for a sum, or a sum for a mean."""
    if e.function in (np.sum, np.mean):
        yield Call(np.mean if e.function is np.sum else np.sum, e.args, e.options)


def summed_too(e: Expr, line: RightLine) -> Edits:
    """Yield a sum or mean where none belongs."""
    axes = range(np.ndim(line.values[e]))
    for options in (*({"axis": axis} | kept for axis in axes for kept in ({"keepdims": True}, {})), {}):
        yield from (Call(function, (e,), options) for function in (np.sum, np.mean))


def other_comparison(e: Expr, line: RightLine) -> Edits:
    """Yield another comparison, a comparison of another value, or one in place of a mask."""
    if e.function in COMPARISONS:
        yield from (Call(function, e.args) for function in COMPARISONS if function is not e.function)
        yield from (Call(e.function, (s, e.args[1])) for s in line.fitting(e.args[0].shape) if s is not e.args[0])
    elif np.asarray(line.values[e]).dtype.kind == "b" and np.ndim(line.values[e]):
        yield Call(np.logical_not, (e,))
        for symbol in line.fitting(e.shape):
            yield from (Call(f, (symbol, 0)) for f in (np.greater, np.greater_equal, np.less))


def off_diagonal(e: Expr, line: RightLine) -> Edits:
    """Yield a sum by a Jacobian without its diagonal, or with the other sign everywhere but there."""
    if e.function is np.sum and e.options.get("keepdims") and any(user.function in SUMS for user in line.users[e]):
        (diagonal,) = e.args
        yield Call(np.subtract, (e, diagonal))
        yield Call(np.subtract, (Call(np.multiply, (2, diagonal)), e))


def one_of_two(e: Expr, line: RightLine) -> Edits:
    """Yield a * b - z * c for a * (b - c): another value in one of the two products that are written as one."""
    for a, total in (e.args, e.args[::-1]) if e.function is np.multiply else ():
        if total.function in SUMS:
            b, c = total.args
            for value in line.of_shape(np.shape(line.values[a])):
                for x, y in ((a, value), (value, a)):
                    yield Call(total.function, (Call(np.multiply, (x, b)), Call(np.multiply, (y, c))))


def assigned(e: Expr, line: RightLine) -> Edits:
    """Yield = for +=: of what is used several times the last counts."""
    if e.function is scatter:
        yield Call(_assigned, e.args, e.options)


def _assigned(g: Value, *index: Any, shape: tuple[int, ...]) -> Value:
    out = np.zeros(shape)
    out[index if len(index) > 1 else index[0]] = g
    return out


def overlaid(e: Expr, line: RightLine) -> Edits:
    """Yield = for += in a loop over parts that overlap: where several are written, the last counts."""
    parts = line.summands(e)
    if len(parts) > 1 and not any(user.function is np.add for user in line.users[e]):
        yield Call(in_turn, tuple(parts))
        yield Call(in_turn, tuple(parts[::-1]))


def in_turn(*parts: Formula) -> Formula:
    """Return the arrays written one over another, each where it is not 0."""
    out = np.zeros_like(parts[0])
    for part in parts:
        out = np.where(part == 0, out, part)
    return out


def reversed_(e: Expr, line: RightLine) -> Edits:
    """Yield the part reversed along one axis or along all."""
    a = line.values[e]
    for axis in range(np.ndim(a)):
        yield Call(np.flip, (e,), {"axis": axis})
    if np.ndim(a) > 1:
        yield Call(np.flip, (e,))


def powers(e: Expr, line: RightLine) -> Edits:
    """Yield another power for a power, and the square and the root of anything else."""
    if e.function is np.power:
        base, n = e.args
        for k in (1, 2, 3, -1, -2, -3, 0.5, -0.5):
            if n.value != k:
                yield Call(np.power, (base, float(k)))
    elif np.ndim(line.values[e]):
        yield Call(np.power, (e, 2))
        yield Call(np.sqrt, (Call(np.absolute, (e,)),))


def other_number(e: Expr, line: RightLine) -> Edits:
    """Yield the part with a number off by one, doubled, halved, or of the other sign, or a scalar for the number."""
    for i, a in enumerate(e.args):
        if a.function is LITERAL and type(a.value) in (int, float):
            halves = [] if a.value % 2 and a.value > 1 else [a.value / 2]  # nobody writes 3.5 for 7
            for number in (a.value + 1, a.value - 1, 2 * a.value, *halves, -a.value, *line.of_shape(())):
                if number != a.value:
                    yield with_argument(e, i, number)


def functions(e: Expr, line: RightLine) -> Edits:
    """Yield a simple function of a value for the value: its slope as an activation, its mask, its sign."""
    if np.ndim(line.values[e]) and e.function is not LITERAL:
        yield from _functions_of(e)


def _functions_of(e: Formula) -> Edits:
    yield Call(np.subtract, (1, e))
    yield Call(np.add, (1, e))
    yield Call(np.multiply, (e, Call(np.subtract, (1, e))))
    yield Call(np.subtract, (1, Call(np.power, (e, 2))))
    yield Call(np.greater, (e, 0))
    yield Call(np.greater_equal, (e, 0))
    yield Call(np.less, (e, 0))
    yield Call(np.sign, (e,))
    yield Call(np.exp, (e,))
    yield Call(np.reciprocal, (e,))
    yield Call(np.divide, (1, Call(np.add, (1, Call(np.exp, (Call(np.negative, (e,)),))))))


def one_factor_more(e: Expr, line: RightLine) -> Edits:
    """Yield the line with a factor too many, such as the slope of an activation that is in it already."""
    lines = line.lines
    if e is line.root or e in lines.definitions.values() or (lines.has_every_place and e in line.carrying):
        yield from _times_slopes(e, line)


def other_slope(e: Expr, line: RightLine) -> Edits:
    """Yield g times another slope for that of an elementwise function: one of another value, or another one."""
    source = line.source(e) if e in line.carrying and e.function in ELEMENTWISE else None
    if source is not None:
        yield from _times_slopes(source, line)


def _times_slopes(g: Expr, line: RightLine) -> Edits:
    """Yield a gradient times a value of its shape, or times a function of one."""
    for symbol in line.of_shape(np.shape(line.values[g])) if g.shape else ():
        if symbol not in line.lines.gradients:
            yield Call(np.multiply, (g, symbol))
            yield from (Call(np.multiply, (g, slope)) for slope in _functions_of(symbol))


def other_value(e: Expr, line: RightLine) -> Edits:
    """Yield another value, of any shape that fits."""
    if e.function is LITERAL:
        return
    shape = np.shape(line.values[e])
    for symbol, a in line.namespace:
        if symbol is e or not np.ndim(a):
            continue
        if e.function is None or np.shape(a) == shape:
            yield symbol
        if np.ndim(a) > 1 and (e.function is None or np.shape(a)[::-1] == shape):
            yield Call(np.transpose, (symbol,))


def one_or_none(e: Expr, line: RightLine) -> Edits:
    """Yield nothing for it: 1 in a product, 0 in a sum."""
    if e.function is not LITERAL and np.ndim(line.values[e]):
        shape = np.shape(line.values[e])
        yield np.ones(shape)
        yield np.zeros(shape)


def applied_again(e: Expr, line: RightLine) -> Edits:
    """Yield f(A) for A = f(Z): the activation of what is activated already."""
    yield from line.lines.computed_with(e, lambda part: [e] if part.shape == e.shape else [])


def otherwise_computed(e: Expr, line: RightLine) -> Edits:
    """Yield a named value as it is computed, with a part of that left out: 1 / s for A = Z / s."""
    yield from line.lines.computed_with(e, lambda part: [*part.args, *([1] if part.is_atom and part.shape else [])], 2)


# --- by some amount ---------------------------------------------------------------------------------------------------


def times(e: Expr, line: RightLine) -> Edits:
    """Yield the part itself, so that k times it is tried."""
    yield line.values[e], None


def updated(e: Expr, line: RightLine) -> Edits:
    """Yield dW for a weight W, so that W - rate * dW is tried."""
    x = line.lines.symbols.get(e)
    if x is not None and x.function is None and x.requires_grad:
        homework = line.lines.homework
        for d in (homework.given.get(x), homework.truth_of(x)):
            if d is not None and np.any(d):
                yield d, x


def chained(e: Expr, line: RightLine) -> Edits:
    """Yield the gradient of a cost term by a weight, for the weight in a product: the chain rule carried on."""
    w = line.lines.symbols.get(e)
    if w is not None and w.function is None:
        for term, gradients in line.lines.homework.term_gradients.items():
            if w in gradients and not line.lines.homework.graph.reaches(line.x, term):
                words = f"the gradient of {printable(term)} by {e.value}, carried on,"
                yield gradients[w], Borrowed(term, line.x, words)


def added(e: Expr, line: RightLine) -> Edits:
    """Yield something of a cost term, added where no path leads to it."""
    x, homework = line.node(e), line.lines.homework
    for term in homework.graph.terms:
        if x is not None and not homework.graph.reaches(x, term):
            yield from ((direction, Borrowed(term, x, words)) for words, direction in _borrowed(homework, x, term))


class Borrowed(NamedTuple):
    """Something of a cost term that was added to the gradient of a node."""

    term: str
    x: Tensor
    words: str


def _borrowed(homework: Homework, x: Tensor, term: str) -> Iterator[tuple[str, Any]]:
    """Yield what of a term may be added at x by mistake: its gradient elsewhere, its form at x, a number."""
    own, name = printable(term), homework.name(x)
    for w, g in homework.term_gradients[term].items():
        called = f"the gradient of {own} by {homework.name(w)}"
        yield called, g
        yield f"{called}, transposed,", g.T
        value = homework.value(w)
        ratio = float(np.vdot(value, g) / (np.vdot(value, value) or 1.0))
        if ratio and np.allclose(g, ratio * value):
            yield f"{ratio:.4g} · {name}, as if {name} were in {own},", ratio * homework.value(x)
    if x.size > 1:
        t = homework.graph.terms[term]
        yield f"a number ({own} itself is {t.coefficient * float(np.sum(t.node._value)):.4g})", np.ones(x.shape)


class Edit(NamedTuple):
    """A row of the table: what it makes of a part, how likely it is (small weights first), and its kind.

    A kind that is None follows from what is changed.
    """

    make: Callable[[Expr, RightLine], Edits]
    weight: float
    kind: Kind | None = None


EDITS = (
    Edit(negated, 1.0, Kind.SIGN),
    Edit(part_of_it, 1.0),
    Edit(mean_for_sum, 1.0, Kind.AVERAGED),
    Edit(turned, 1.0, Kind.TRANSPOSED),
    Edit(exchanged, 1.0, Kind.ORDER),
    Edit(other_product, 1.1, Kind.PRODUCT),
    Edit(other_sum, 1.1, Kind.WRONG_AXIS),
    Edit(other_comparison, 1.1, Kind.WRONG_MASK),
    Edit(off_diagonal, 1.1, Kind.DIAGONAL),
    Edit(assigned, 1.0, Kind.INDEX),
    Edit(overlaid, 1.2, Kind.INDEX),
    Edit(reversed_, 1.3, Kind.REVERSED),
    Edit(powers, 1.3, Kind.NUMBER),
    Edit(one_or_none, 1.2),
    Edit(other_number, 1.2, Kind.NUMBER),
    Edit(other_value, 1.5),
    Edit(applied_again, 1.5, Kind.PRE_POST),
    Edit(otherwise_computed, 1.6),
    Edit(functions, 1.6, Kind.WRONG_FACTOR),
    Edit(other_slope, 1.6, Kind.WRONG_FACTOR),
    Edit(one_factor_more, 1.6, Kind.EXTRA_FACTOR),
    Edit(one_of_two, 1.6, Kind.OPERAND),
    Edit(summed_too, 1.8, Kind.WRONG_AXIS),
)

# The changes by an amount that the learner's numbers tell: each row gives directions, with what is to be said of them.
DIRECTIONS = (
    Edit(times, 2.0),
    Edit(updated, 1.9, Kind.STALE),
    Edit(chained, 1.9, Kind.NO_PATH),
    Edit(added, 1.9, Kind.NO_PATH),
)
