"""The one expression type between the recorded graph and every text or program made of it.

An ``Expr`` is a symbol, a literal, a call of a function on expressions, or, in normal form, a product or a sum:

    product = coefficient · Π baseᵖᵒʷᵉʳ        sum = Σ coefficient · Π baseᵖᵒʷᵉʳ

``Expressions`` makes each expression once, so that equal ones are the same object: making an expression is the search
for common subexpressions. An expression is made after its parts, and ``order`` says when, so that sorting by ``order``
gives a program in which everything is computed before it is used. Nothing here recurses.

    Expressions().call(np.add, (x, y), {}, shape, dtype)   the expression of a call
    arguments_of(node, known, value)                       the arguments of a recorded node as expressions
    parts_of(roots)                                        what expressions are made of, parts first
    evaluate(e, bindings)                                  the value of an expression, computed with NumPy
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.primitives import getitem, scatter
from minigrad.engine.rules import RULES, Rule
from minigrad.engine.tensor import Tensor

Shape = tuple[int, ...]
Coefficient = Fraction | float  # exact where it can be
Term: TypeAlias = "tuple[Coefficient, tuple[tuple[Expr, int], ...]]"

ONE = Fraction(1)  # most coefficients are this object: to see that costs less than to compute with it

LITERAL, PRODUCT, SUM = "literal", "product", "sum"
_MAX_SIZE = 10**6
_ORDER_BEFORE_MADE = 2**62  # greater than that of any part


class Expr:
    """An expression. Made by ``Expressions``, and never changed.

    A symbol has a ``value``, its name, and no function; a literal has a value and the function ``LITERAL``; both are
    atoms, without parts. In a PRODUCT or a SUM ``terms`` holds the monomials, and ``args`` their bases. ``size`` is the
    number of operations, repetitions counted, up to a limit.
    """

    __slots__ = ("args", "dtype", "function", "is_atom", "options", "order", "shape", "size", "terms", "value")

    def __init__(
        self,
        function: Any,
        args: "tuple[Expr, ...]",
        options: Options,
        shape: Shape,
        dtype: Any,
        value: Any = None,
        terms: "tuple[Term, ...]" = (),
        order: int = _ORDER_BEFORE_MADE,
    ) -> None:
        self.function, self.args, self.options, self.shape, self.dtype = function, args, options, shape, dtype
        self.value, self.terms, self.order = value, terms, order
        self.is_atom = function is None or function is LITERAL
        size = 0 if self.is_atom else 1
        for a in args:
            size += a.size
        self.size: int = size if size < _MAX_SIZE else _MAX_SIZE

    def __repr__(self) -> str:
        inner = repr(self.value) if self.is_atom else ", ".join(repr(a.order) for a in self.args)
        return f"<Expr {self.order}: {getattr(self.function, '__name__', self.function)}({inner}) {self.shape}>"


class Expressions:
    """Makes expressions, equal ones once. ``constants`` holds the arrays that some symbols stand for."""

    def __init__(self) -> None:
        self.constants: dict[Expr, Value] = {}
        self._made: dict[Any, Expr] = {}

    def symbol(self, name: str, shape: Shape, dtype: Any) -> Expr:
        """Return the symbol of a name, a shape and a dtype."""
        return self._expr((None, name), None, (), {}, shape, dtype, name)

    def constant(self, a: Value, name: Callable[[], str] = lambda: "c") -> Expr:
        """Return the symbol of an array that never changes, one for equal arrays; ``name()`` names a new one."""
        key = ("constant", key_of(a))
        if key not in self._made:
            self.constants[self._expr(key, None, (), {}, np.shape(a), np.asarray(a).dtype, name())] = a
        return self._made[key]

    def literal(self, value: Value) -> Expr:
        """Return the expression of a number, or of a part of an index."""
        return self._expr((LITERAL, key_of(value)), LITERAL, (), {}, (), _dtype_of(value), value)

    def call(self, function: Any, args: Sequence[Expr], options: Options, shape: Shape, dtype: Any) -> Expr:
        """Return the expression of a call, as it is."""
        args = tuple(args)
        return self._expr(_key_of_call(function, args, options, shape), function, args, options, shape, dtype)

    def once(self, function: Any, args: Sequence[Expr], options: Options, shape: Shape, dtype: Any) -> Expr:
        """Return the expression of a call that no other call equals."""
        return self._expr(object(), function, tuple(args), options, shape, dtype)

    def find(self, function: Any, args: Sequence[Expr], options: Options, shape: Shape) -> Expr | None:
        """Return a call that was made before; None where it was not."""
        return self._made.get(_key_of_call(function, tuple(args), options, shape))

    def normal(self, kind: str, terms: "Iterable[tuple[Coefficient, Mapping[Expr, int]]]", dtype: Any) -> Expr:
        """Return a PRODUCT, which has one term, or a SUM, of factors given as {base: power}."""
        held = tuple([(c, tuple(factors.items())) for c, factors in terms])
        bases = tuple(dict.fromkeys([base for _, factors in held for base, _ in factors]))
        shape = broadcast_shapes(tuple({base.shape for base in bases}))
        return self._expr(_key_of_normal(kind, held, dtype), kind, bases, {}, shape, dtype, None, held)

    def again(self, e: Expr, args: Mapping[Expr, Expr], numbers: Mapping[Value, Value]) -> Expr:
        """Return a call, PRODUCT or SUM with other arguments of the same kinds, and other ``numbers`` in front."""
        others = tuple([args[a] for a in e.args])
        if not e.terms:
            return self.call(e.function, others, e.options, e.shape, e.dtype)
        held = tuple(
            [
                (numbers.get(c, c) if numbers else c, tuple([(args[base], p) for base, p in factors]))
                for c, factors in e.terms
            ]
        )
        key = _key_of_normal(e.function, held, e.dtype)
        return self._expr(key, e.function, others, e.options, e.shape, e.dtype, None, held)

    def _expr(self, key: Any, *fields: Any) -> Expr:
        """Return the expression of a key, made of its fields where there is none."""
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Expr(*fields)
            found.order = len(self._made)
        return found


def _key_of_call(function: Any, args: tuple[Expr, ...], options: Options, shape: Shape) -> Value:
    if not options:
        return function, args, shape
    return function, args, shape, *[(name, key_of(option)) for name, option in sorted(options.items())]


def _key_of_normal(kind: str, terms: "tuple[Term, ...]", dtype: Any) -> Value:
    held = frozenset([(1 if c is ONE else c, frozenset(factors)) for c, factors in terms])
    return kind, held, None if dtype is None else dtype.str


def key_of(value: Value) -> Value:
    """Return a key that two values share only where they are the same value of the same type."""
    match value:
        case np.ndarray():
            return np.ndarray, value.shape, value.dtype.str, hashlib.blake2b(np.ascontiguousarray(value).data).digest()
        case tuple() | list():
            return (type(value), *map(key_of, value))
        case slice():
            return slice, key_of(value.start), key_of(value.stop), key_of(value.step)
        case None | bool() | int() | float() | str() | np.generic() | np.dtype():
            return type(value), repr(value)
    return type(value), id(value)  # of an object that the expression keeps alive


def _dtype_of(value: Value) -> Value:
    if isinstance(value, np.generic):
        return value.dtype
    return np.dtype(type(value)) if type(value) in (int, float, bool) else None


@lru_cache(maxsize=4096)
def broadcast_shapes(shapes: tuple[Shape, ...]) -> Shape:
    """NumPy's, remembered."""
    return np.broadcast_shapes(*shapes)


def known(function: Any) -> Rule:
    """Return what the engine knows of a function; nothing of one that it has no row for."""
    return RULES.get(function) or Rule(function, ())


def ours(function: Any) -> bool:
    """Return whether a function is NumPy's or minigrad's, not one that a user wrote: that might do anything."""
    return isinstance(function, np.ufunc) or function.__module__.startswith(("numpy", "minigrad"))


def arguments_of(node: Tensor, known: Mapping[Tensor, Expr], value: Callable[[Any, bool], Expr]) -> list[Expr]:
    """Return the arguments of a node: those of ``known`` for its operands, ``value(a, indexes)`` for other values."""
    index = node.function in (getitem, scatter)
    return [
        value(a, index and i > 0) if x is None else known[x]
        for i, (x, a) in enumerate(zip(node.operands, node.primals, strict=True))
    ]


def parts_of(roots: Iterable[Expr], known: Callable[[Expr], bool] = lambda e: False) -> list[Expr]:
    """Return all parts of ``roots``, themselves included, parts first, without the parts of ``known`` expressions."""
    seen = set(roots)
    stack = [e for e in seen if not known(e)]
    while stack:
        for part in stack.pop().args:
            if part not in seen:
                seen.add(part)
                if not known(part):
                    stack.append(part)
    return sorted(seen, key=attrgetter("order"))


def evaluate(e: Expr, bindings: Mapping[Expr, Value]) -> Value:
    """Return the value of an expression. ``bindings`` gives the values of its symbols, or of any other parts.

    Raises KeyError for a symbol that has no value.

    >>> made = Expressions()
    >>> x = made.symbol("x", (2,), np.dtype(float))
    >>> y = made.call(np.multiply, (x, made.literal(3)), {}, (2,), np.dtype(float))
    >>> evaluate(y, {x: np.array([1.0, 2.0])}), evaluate(y, {y: 7})
    (array([3., 6.]), 7)
    """
    values: dict[Expr, Value] = {}
    for part in parts_of([e], bindings.__contains__):
        values[part] = bindings[part] if part in bindings else computed(part, values)
    return values[e]


def computed(e: Expr, values: Mapping[Expr, Value]) -> Value:
    """Return the value of an expression, of the values of its parts."""
    if e.function is LITERAL:
        return np.array(e.value) if isinstance(e.value, list) else e.value  # an index, as short as it is written
    if e.function is PRODUCT or e.function is SUM:
        products = [float(c) * math.prod(values[base] ** power for base, power in f) for c, f in e.terms]
        return sum(products[1:], products[0])
    if e.function is None:
        raise KeyError(f"no value for {e.value}")
    return applied(e.function, [values[a] for a in e.args], e.options)


class Computation:
    """Expressions to be computed time and again, of other values in their ``slots``, which may be any parts of them."""

    def __init__(self, roots: Iterable[Expr], slots: Sequence[Expr]) -> None:
        places = {e: i for i, e in enumerate(slots)}
        self._steps: list[tuple[Any, list[int], Options]] = []
        for e in parts_of(roots, places.__contains__):
            if e not in places:
                places[e] = len(places)
                function = partial(computed, e, {}) if e.is_atom else known(e.function).implementation
                self._steps.append((function, [places[a] for a in e.args], e.options))
        self._roots = [places[e] for e in roots]

    def __call__(self, values: Iterable[Value]) -> list[Value]:
        """Return what the expressions are worth, given the values in the slots."""
        found = [*values]
        for function, places, options in self._steps:
            found.append(function(*[found[i] for i in places], **options))
        return [found[i] for i in self._roots]


def applied(function: Any, args: Iterable[Value], options: Options) -> Value:
    """Return the result of a function on plain arrays, as its row of the table computes it."""
    return known(function).implementation(*args, **options)
