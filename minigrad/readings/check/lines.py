"""The right lines of a derivation, as expressions that can be evaluated and changed.

A step goes from the gradients that the learner gave to another one. Its right line is what ``derive`` writes between
them; what it leads through without being given is written into it. Two forms of it are known, with all the lines that
the names allow, and in one line where what is not given has no line of its own: a course writes the one or the other.
"""

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Array, Value
from minigrad.engine.primitives import getitem, scatter
from minigrad.engine.reverse import walk
from minigrad.engine.tensor import Tensor
from minigrad.readings.derive.lines import Lines
from minigrad.text.expressions import LITERAL, Expr, applied, parts_of

from .steps import Homework, broadcasts, double

_MAX_SERIES_ARGUMENT = 1e8  # of larger ones SciPy's series may take for ever
_MAX_REAPPLIED_OPERATIONS = 40  # longer formulas are not applied again
_TARGET_TOLERANCE = 1e-6  # relative
ELEMENTWISE = {np.multiply, np.divide, np.negative, np.add, np.subtract, np.where}


Formula = Any  # an expression, a Call, or a plain number


class Call(NamedTuple):
    """A changed expression: a function of expressions, calls and plain numbers."""

    function: Any
    args: tuple[Formula, ...]
    options: Mapping[str, Any] = {}

    def __hash__(self) -> int:
        return hash((self.function, self.args))


class RightLines:
    """The right lines of all steps in one form, and the values of what they are made of."""

    has_every_place = False  # whether a factor may be missing anywhere, as it may in a line of the learner's
    extras: Mapping[Expr, Value] = {}  # parts of another line that may be missing, with their values

    def __init__(self, homework: Homework, kept: Collection[Tensor] | None = None) -> None:
        self.homework = homework
        self.lines = lines = Lines(homework.graph, kept, homework.inside)
        self.values: dict[Expr, Value] = {e: double(a) for e, a in lines.recorded.items()}
        self.symbols: dict[Expr, Tensor] = {e: x for x, e in lines.symbols.items()}
        self.values |= {e: homework.value(x) for e, x in self.symbols.items()}
        self.gradients: dict[Expr, Tensor] = {e: x for x, e in lines.gradients.items()}
        self.formulas = {line.symbol: line.summands[0].expression for line in lines.forward.values()}
        self.definitions: dict[Expr, Expr] = {}
        self._shapes: dict[tuple[int, ...], tuple[list[Expr], Array]] = {}
        self._differences: dict[Expr, Expr | None] = {}
        for e, x in self.gradients.items():
            self.values.pop(e, None)
            if x in homework.answers:
                self.values[e] = homework.sent(x)
            elif x in lines.backward:
                self.definitions[e] = self.body(x)
            elif x.function is None:
                self.values[e] = homework.sent(x)
        self._define_complements()

    def _define_complements(self) -> None:
        """Write an array without a name as 1 - Y where it is that."""
        for e, a in reversed(self.lines.recorded.items()):
            others = (o for o in self._of_shape(e.shape)[0] if o is not e and np.array_equal(a, 1 - self.values[o]))
            other = next(others, None) if e in self.lines.rewriter.constants and e.dtype.kind == "f" else None
            if other is not None and other not in self.definitions:
                one = self.lines.rewriter.literal(1)
                self.definitions[e] = self.lines.rewriter.call(np.subtract, (one, other), {}, e.shape, e.dtype)

    def body(self, x: Tensor) -> Expr:
        """Return the right side of the line of a gradient."""
        total, *rest = self.lines.backward[x].expressions
        for e in rest:
            total = self.lines.rewriter.call(np.add, (total, e), {}, x.shape, x.dtype)
        return total

    def closed(self, line: "RightLine") -> "RightLine | None":
        """Return a line with one of its parts, the largest, as ``k * (output - target)``; None where none is such.

        ``target`` is a value that the graph has, or an array of zeros and ones.
        """
        for part in reversed(line.order):
            if part in line.carrying and part.shape and part.function in ELEMENTWISE:
                e = self._difference(part, np.asarray(line.values[part]))
                if e is not None and e is not part:
                    lines = copy.copy(self)
                    others = parts_of([line.root, *self.definitions.values()], {part}.__contains__)
                    new = self.lines.rewriter.exchanged((other for other in others if other is not part), {part: e})
                    lines.definitions = {d: new[body] for d, body in self.definitions.items()}
                    return RightLine(lines, line.x, new[line.root])
        return None

    def _difference(self, part: Expr, a: Array) -> Expr | None:
        """Return an array as ``k * (output - target)``, for an output of its shape."""
        if part not in self._differences:
            self._differences[part] = next(self._as_differences(part, a), None)
        return self._differences[part]

    def _as_differences(self, part: Expr, a: Array) -> Iterator[Expr]:
        algebra, (symbols, values) = self.lines.rewriter, self._of_shape(part.shape)
        factors = np.array([1.0, 2.0, *[k * n for n in self.homework.numbers.divisors for k in (1, 2)]])
        axes = tuple(range(1, 1 + a.ndim))
        learned = [e in self.symbols and self.symbols[e].requires_grad for e in symbols]  # 0 and 1 differ by 1 often
        outputs = [(e, v) for e, v, computed in zip(symbols, values, learned, strict=True) if computed]
        outputs += [(algebra.call(np.exp, (e,), {}, part.shape, part.dtype), np.exp(v)) for e, v in outputs]
        for output, v in outputs:
            targets = v - a / factors.reshape(-1, *[1] * a.ndim)
            ones = np.where(targets > 0.5, 1.0, 0.0)
            labels = np.all(np.abs(targets - ones) <= _TARGET_TOLERANCE, axes) & ~np.all(ones, axes)
            first = targets.reshape(len(factors), -1)[:, :1] - values.reshape(len(symbols), -1)[:, 0]
            for i in np.flatnonzero(labels | np.any(np.abs(first) <= _TARGET_TOLERANCE, axis=1)):
                target = self._target(targets[i], output, ones[i] if labels[i] else None)
                if target is not None:
                    error = algebra.call(np.subtract, (output, target), {}, part.shape, part.dtype)
                    k = float(factors[i])
                    by, number = (np.divide, 1 / k) if k < 1 else (np.multiply, k)
                    whole = (error, algebra.literal(round(number)))
                    yield error if k == 1 else algebra.call(by, whole, {}, part.shape, part.dtype)

    def _target(self, a: Array, output: Expr, ones: Array | None) -> Expr | None:
        """Return the value that an array is equal to, other than the output; a symbol for zeros and ones."""
        if not np.any(np.abs(a) > _TARGET_TOLERANCE):
            return None
        symbols, values = self._of_shape(a.shape)
        near = np.flatnonzero(np.all(np.abs(values - a) <= _TARGET_TOLERANCE, axis=tuple(range(1, 1 + a.ndim))))
        found = next((symbols[i] for i in near if symbols[i] is not output), None)
        if found is None and ones is not None:
            found = self.lines.rewriter.symbol("one_hot", a.shape, a.dtype)
            self.values[found] = ones
        return found

    def _of_shape(self, shape: tuple[int, ...]) -> tuple[list[Expr], Array]:
        """Return the symbols whose values have a shape, and these."""
        if shape not in self._shapes:
            found = [(e, a) for e, a in self.values.items() if np.shape(a) == shape and e not in self.definitions]
            self._shapes[shape] = [e for e, _ in found], np.array([a for _, a in found])
        return self._shapes[shape]

    def computed_with(self, symbol: Expr, others: Callable[[Expr], list[Formula]], depth: int = 1) -> Iterator[Formula]:
        """Yield a named value as it is computed, but with something else in place of a part, atoms first.

        With a larger ``depth`` what it is computed from is changed in the same way.
        """
        formula = self.formulas.get(symbol)
        if formula is not None and formula.size <= _MAX_REAPPLIED_OPERATIONS:
            for part in sorted(parts_of([formula]), key=lambda part: not part.is_atom):
                if part is not formula and part.function is not LITERAL:
                    inner = self.computed_with(part, others, depth - 1) if depth > 1 else ()
                    yield from (self._with(formula, part, new) for new in [*others(part), *inner])

    def _with(self, e: Expr, old: Expr, new: Formula) -> Formula:
        """Return an expression with one part for another."""
        if e is old:
            return new
        return e if e.is_atom else Call(e.function, tuple([self._with(a, old, new) for a in e.args]), e.options)


class RightLine:
    """The right line of one step, with the lines that it uses: each part is computed once, after its own parts.

    ``order`` holds the parts, parts first; ``values`` what each is worth; ``root`` the whole.
    """

    def __init__(self, lines: RightLines, x: Tensor, root: Expr | None = None) -> None:
        self.lines, self.x = lines, x
        self.root = lines.body(x) if root is None else root
        self.order = list(self._parts(self.root))
        self._dependents: dict[Expr, list[Expr]] = {}
        self.values: dict[Expr, Value] = {}
        for e in self.order:
            self.values[e] = self._computed(e, self.values)

    @cached_property
    def namespace(self) -> list[tuple[Expr, Any]]:
        """The values that a learner may have taken: all but the answer itself, and what is computed from it."""
        later = self.lines.homework.computed_from([self.x]) | {self.x}
        return [(e, a) for e, a in self.lines.values.items() if e.is_atom and self.lines.gradients.get(e) not in later]

    @cached_property
    def families(self) -> list[list[Expr]]:
        """The values that differ only in the numbers of their names, by these numbers."""
        groups: dict[Any, list[Expr]] = {}
        for e, a in self.namespace:
            if np.ndim(a):
                groups.setdefault((str(e.value).rstrip("0123456789"), np.shape(a)), []).append(e)
        return [sorted(group, key=lambda e: (len(e.value), e.value)) for group in groups.values() if len(group) > 1]

    @cached_property
    def statements(self) -> dict[str, Expr]:
        """The right sides of the statements that the line is made of, its own the last."""
        definitions = self.lines.definitions
        own = next(e for e, x in self.lines.gradients.items() if x is self.x)
        return {str(e.value): definitions[e] for e in self.order if e in definitions} | {str(own.value): self.root}

    def statement_of(self, place: Expr) -> str:
        """Return what the last statement is called that a part is in."""
        return next(s for s, body in reversed(self.statements.items()) if place in parts_of([body]))

    def fitting(self, shape: tuple[int, ...]) -> list[Expr]:
        """Return the arrays that a learner may have taken where one of a shape belongs."""
        return [e for e, a in self.namespace if np.size(a) > 1 and broadcasts(np.shape(a), shape)]

    def of_shape(self, shape: tuple[int, ...]) -> list[Expr]:
        """Return the values of a shape that a learner may have taken."""
        return [e for e, a in self.namespace if np.shape(a) == shape]

    def _parts(self, root: Expr) -> Iterator[Expr]:
        done: set[Expr] = set()
        stack = [(root, False)]
        while stack:
            e, ready = stack.pop()
            if ready:
                yield e
            elif e not in done:
                done.add(e)
                stack.append((e, True))
                stack += [(part, False) for part in self.parts(e)]

    def parts(self, e: Expr) -> tuple[Expr, ...]:
        """Return what an expression is made of; a gradient that is not given is made of its own line."""
        definition = self.lines.definitions.get(e)
        return e.args if definition is None else (definition,)

    def _computed(self, e: Expr, values: Mapping[Expr, Value]) -> Value:
        if e.function is LITERAL:
            return e.value
        if e.function is not None:
            compute = applied if values is self.values else _tried
            return compute(e.function, [values[a] for a in e.args], e.options)
        definition = self.lines.definitions.get(e)
        return self.lines.values[e] if definition is None else values[definition]

    @cached_property
    def users(self) -> dict[Expr, list[Expr]]:
        """The parts that each part is used in."""
        found: dict[Expr, list[Expr]] = {e: [] for e in self.order}
        for e in self.order:
            for a in dict.fromkeys(self.parts(e)):
                found[a].append(e)
        return found

    def dependents(self, place: Expr) -> list[Expr]:
        """Return the parts that are computed from one, parts first."""
        if place not in self._dependents:
            marked = {place}
            for e in self.order:
                if not marked.isdisjoint(self.parts(e)):
                    marked.add(e)
            self._dependents[place] = [e for e in self.order if e in marked and e is not place]
        return self._dependents[place]

    def node(self, e: Expr) -> Tensor | None:
        """Return the node that a part is the whole gradient of: of the step's own, or of one that it leads through."""
        if e is self.root:
            return self.x
        gradient = next((symbol for symbol, body in self.lines.definitions.items() if body is e), None)
        return None if gradient is None else self.lines.gradients.get(gradient)

    def products(self, e: Expr) -> list[tuple[Formula, Formula]]:
        """Return the ways to write a product as one of two factors: as it is, and the gradient times all the rest."""
        factors, stack = [], [e]
        while stack:
            part = stack.pop()
            if part.function is np.multiply:
                stack += [part.args[1], part.args[0]]
            else:
                factors.append(part)
        found: list[tuple[Formula, Formula]] = [(e.args[0], e.args[1])]
        for k, factor in enumerate(factors):
            others: list[Formula] = factors[:k] + factors[k + 1 :]
            if len(factors) > 2 and factor in self.carrying:
                rest = others[0]
                for other in others[1:]:
                    rest = Call(np.multiply, (rest, other))
                found.append((factor, rest))
        return found

    @cached_property
    def carrying(self) -> set[Expr]:
        """The parts that a gradient is in."""
        found: set[Expr] = set()
        for e in self.order:
            if e in self.lines.gradients or not found.isdisjoint(self.parts(e)):
                found.add(e)
        return found

    def source(self, e: Expr) -> Expr | None:
        """Return the gradient that a part is an elementwise multiple of, None where there is no such gradient."""
        found: set[Expr] = set()
        stack = [e]
        while stack:
            part = stack.pop()
            inner = [a for a in part.args if a in self.carrying]
            if inner and part.shape == e.shape and part.function in ELEMENTWISE:
                stack += inner
            else:
                found.add(part)
        (source, *others) = found
        return None if others or source is e else source

    @cached_property
    def alike(self) -> list[list[Expr]]:
        """The parts that differ only in lengths, indices and the numbers of names, as the turns of a loop do."""
        patterns: dict[Expr, int] = {}
        known: dict[Any, int] = {}
        groups: dict[int, list[Expr]] = {}
        for e in self.order:
            name = str(e.value).rstrip("0123456789") if e.function is None else repr(e.value)
            args = e.args[:1] if e.function in (getitem, scatter) else e.args
            key = (e.function, name, str(e.options), len(e.shape), *[patterns[a] for a in args])
            patterns[e] = known.setdefault(key, len(known))
            groups.setdefault(patterns[e], []).append(e)
        return [group for group in groups.values() if len(group) > 1]

    def is_shared(self, e: Expr) -> bool:
        """Return True if a part is used in several places."""
        users = self.users[e]
        return len(users) > 1 or (len(users) == 1 and users[0].args.count(e) > 1)

    def summands(self, e: Expr) -> list[Expr]:
        """Return the parts that an expression is the sum of; none where it is no sum."""
        found = []
        stack = [e] if e.function is np.add else []
        while stack:
            part = stack.pop()
            if part.function is np.add and part.shape == e.shape:
                stack += [part.args[1], part.args[0]]
            else:
                found.append(part)
        return found

    def rewritten(self, changes: Mapping[Expr, Formula]) -> Value:
        """Return what the line is worth where some parts are changed, each computed from its changed parts."""
        values = dict(self.values)
        for e in self._affected(*changes):
            if e not in changes:
                values[e] = self._computed(e, values)
                continue
            if len(changes) > 1:
                with suppress(Exception):  # its parts may no longer fit
                    values[e] = self._computed(e, values)
            values[e] = self.evaluate(changes[e], values)
        return values[self.root]

    def _affected(self, place: Expr, *others: Expr) -> list[Expr]:
        """Return some parts and those that are computed from them, parts first."""
        if not others:
            return [place, *self.dependents(place)]
        found = {place, *others}.union(*[self.dependents(e) for e in (place, *others)])
        return [e for e in self.order if e in found]

    @cached_property
    def code(self) -> tuple[Any, ...]:
        """What tells two lines apart that are made of the same symbols."""
        number = {e: k for k, e in enumerate(self.order)}
        return tuple(
            (str(e.value) if e.is_atom else e.function, *[number[a] for a in self.parts(e)]) for e in self.order
        )

    def evaluate(self, e: Formula, values: Mapping[Expr, Value] | None = None) -> Value:
        """Return the value of a changed expression, of the values of its parts or those that are given."""
        if isinstance(e, Call):
            return _tried(e.function, [self.evaluate(a, values) for a in e.args], e.options)
        if not isinstance(e, Expr) or e.function is LITERAL:
            return e.value if isinstance(e, Expr) else e
        known = self.values if values is None else values
        return known[e] if e in known else self.lines.values[e]

    def rates(self, weights: Iterable[Array]) -> list[dict[Expr, Value]]:
        """Return, for each array of weights of the line's entries, how fast their weighted sum grows with each part."""
        tensors: dict[Expr, Value] = {}
        for e in self.order:
            if e.function is LITERAL:
                tensors[e] = e.value
            elif e.function is None and e in self.lines.definitions:
                tensors[e] = tensors[self.lines.definitions[e]]
            elif e.function is None:
                a = self.lines.values[e]
                tensors[e] = Tensor(a) if np.asarray(a).dtype.kind == "f" else a
            else:
                tensors[e] = e.function(*[tensors[a] for a in e.args], **e.options)
        root = tensors[self.root]
        found = [walk({root: w}) for w in weights]
        return [{e: f[t] for e, t in tensors.items() if isinstance(t, Tensor) and t in f} for f in found]


def _tried(function: Any, args: list[Value], options: Mapping[str, Any]) -> Value:
    """Return the result of a function in an edited line; NaN where a series of SciPy, or LAPACK, might never end."""
    series = isinstance(function, np.ufunc) and getattr(np, function.__name__, None) is not function
    if series or getattr(function, "__module__", None) == "numpy.linalg":
        largest = _MAX_SERIES_ARGUMENT if series else np.inf
        arrays = [isinstance(a, np.ndarray | np.generic | float) for a in args]
        args = [np.where(np.abs(a) < largest, a, np.nan) if array else a for a, array in zip(args, arrays, strict=True)]
    return applied(function, args, options)


def with_argument(e: Expr, i: int, new: Formula) -> Call:
    """Return a call with another i-th argument."""
    return Call(e.function, (*e.args[:i], new, *e.args[i + 1 :]), e.options)
