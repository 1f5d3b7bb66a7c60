"""Rewriting a program into a faster one that computes the same.

    optimize(program, inputs) -> Program

One sweep, oldest statement first, builds the new program: constants are folded, equal calls are made once, repeated
values (``broadcast_to``) are left to broadcasting, and constant factors and signs are gathered until a value is needed
as it is: what a statement stands for is held as ``factor · base`` (``Value``), so 2·g·a·c costs one product with 2·c,
and a negation goes into the next subtraction. Sums become products in BLAS: Σ a² = a·a, and a sum along an axis is a
product with ones. A second sweep drops what nothing needs, and lets what needs only inputs wait for its use.

All this agrees with the program as written to rounding. Where a value decides something (a comparison, ``floor``, an
``argmax``), rounding could turn the decision, so whatever such a function depends on is computed exactly as written.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.rules import BLAS, IMPLEMENTATIONS, LONGEST_SUM, RULES, cast, detached, getitem, identity
from minigrad.engine.tensor import Tensor
from minigrad.text.numpy_code import Name
from minigrad.text.program import Program, Statement

_LARGEST_FACTOR = 2.0**40  # gathered factors stay far from overflow, in every order of the products

# Functions that jump where they have a derivative; those whose derivative is 0 throughout are known by the table.
_JUMPING = frozenset({np.remainder, np.fmod, np.heaviside, np.copysign})

_IDENTITIES: frozenset[Callable[..., Any]] = frozenset({np.positive, np.conjugate, detached, identity})

# Linear functions of their first argument.
_LINEAR: tuple[Callable[..., Any], ...] = (
    *(np.transpose, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.cumsum),
    getitem,
)
_SYMMETRIC: frozenset[Callable[..., Any]] = frozenset({np.add, np.multiply, np.maximum, np.minimum})
# A mask of a kink is that of the function's result: max(x, 0) > 0 where x > 0. The result is needed anyway.
_KINK_OF_MASK: dict[Callable[..., Any], Callable[..., Any]] = {np.greater: np.maximum, np.less: np.minimum}


class Value(NamedTuple):
    """What a statement of the old program stands for: ``factor · base``."""

    base: Name
    factor: float = 1.0


class Spec(NamedTuple):
    """Shape and dtype of a name."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def optimize(program: Program, inputs: Iterable[Tensor]) -> Program:
    """The faster program; ``inputs`` are the Tensors that stand for the program's inputs, in their order."""
    sweep = _Sweep(program, [Spec(x.shape, x.dtype) for x in inputs])
    for statement in program.statements:
        sweep.visit(statement)
    outputs = tuple(sweep.output(name) for name in program.outputs)
    statements = _needed_in_time(sweep.statements, outputs)
    used = {a for s in statements for a in s.arguments if isinstance(a, Name)} | set(outputs)
    constants = {name: a for name, a in sweep.constants.items() if name in used}
    return Program(program.inputs, constants, tuple(statements), outputs, program.names)


def elementwise(function: Callable[..., Any]) -> bool:
    """Whether every entry of the result depends on the arguments' entries at its place alone."""
    return function is np.where or (isinstance(function, np.ufunc) and function.signature is None)


def _decides(statement: Statement) -> bool:
    flat = RULES.get(statement.function, ()) is None
    return flat or statement.function in _JUMPING or (statement.function is cast and statement.dtype.kind != "f")


def _exact(program: Program) -> set[Name]:
    """The names that a deciding function depends on."""
    exact: set[Name] = set()
    for statement in reversed(program.statements):
        if statement.name in exact or _decides(statement):
            exact.update(names_in(statement))
    return exact


def names_in(statement: Statement) -> list[Name]:
    return [a for a in statement.arguments if isinstance(a, Name)]


class _Sweep:
    """The new program while it is built.

    ``values`` maps the old program's names to what they stand for, a Value or a number; ``calls`` maps a call to the
    name of its result, ``made`` a name to its statement.
    """

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        self.names = program.names
        self.exact = _exact(program)
        self.uses = Counter(chain(program.outputs, *(names_in(s) for s in program.statements)))
        self.constants = dict(program.constants)
        self.statements: list[Statement] = []
        self.made: dict[Name, Statement] = {}
        self.calls: dict[Any, Name] = {}
        self.old = {s.name: Spec(s.shape, s.dtype) for s in program.statements}
        self.specs = dict(zip(program.inputs, inputs, strict=True))
        self.values: dict[Name, Any] = {name: Value(name) for name in program.inputs}
        for name, a in program.constants.items():
            self.specs[name] = Spec(np.shape(a), np.asarray(a).dtype)
            self.values[name] = Value(name) if np.ndim(a) else np.asarray(a)[()]
        self.old |= self.specs

    # --- what a name stands for --------------------------------------------------------------------------------------

    def visit(self, statement: Statement) -> None:
        meaning = self.values.__getitem__ if elementwise(statement.function) else self.whole
        arguments = [meaning(a) if isinstance(a, Name) else a for a in statement.arguments]
        value = self._folded(statement, arguments)
        if value is None and statement.dtype.kind == "f" and statement.name not in self.exact:
            rewrite = _REWRITES.get(statement.function)
            value = rewrite(self, statement, arguments) if rewrite else None
        if value is None:
            value = Value(self.call(statement, [self.named(a) for a in arguments]))
        if isinstance(value, Value) and abs(value.factor) != 1 and self.uses[statement.name] > 1:
            value = Value(self.named(value))  # a factor costs every use a product, a sign is free in sums and products
        self.values[statement.name] = value

    def _folded(self, statement: Statement, arguments: Sequence[Any]) -> Any:
        """What needs no call: an identity, a repeated number, a result of constants that is no larger than they are."""
        if statement.function in _IDENTITIES:
            return arguments[0]
        if statement.function is np.broadcast_to:
            return None if isinstance(arguments[0], Value) else statement.dtype.type(arguments[0])
        arrays = [a for a in arguments if isinstance(a, Value)]
        if any(a.base not in self.constants for a in arrays):
            return None
        largest = max((self.specs[a.base].size for a in arrays), default=1)
        if math.prod(statement.shape) > largest and (arrays or not elementwise(statement.function)):
            return None
        function = IMPLEMENTATIONS.get(statement.function, statement.function)
        values = [self.constants[self.named(a)] if isinstance(a, Value) else a for a in arguments]
        result = function(*values, **statement.options)
        return Value(self.constant(result)) if np.ndim(result) else np.asarray(result)[()]

    def constant(self, a: Any) -> Name:
        name = self.names.numbered("c")
        self.constants[name] = a
        self.specs[name] = Spec(a.shape, a.dtype)
        return name

    def whole(self, name: Name) -> Any:
        """What a name stands for, with all its entries where that is a repeated number."""
        value, spec = self.values[name], self.old[name]
        if isinstance(value, Value) or not spec.shape:
            return value
        return Value(self.result(np.broadcast_to, [value], spec, {"shape": spec.shape}))

    def output(self, name: Name) -> Name:
        value = self.whole(name)
        return self.named(value) if isinstance(value, Value) else self.constant(np.asarray(value))

    def ones(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Name:
        key = ("ones", shape, dtype)
        if key not in self.calls:
            self.calls[key] = self.constant(np.ones(shape, dtype))
        return self.calls[key]

    def named(self, a: Any) -> Any:
        """An argument of a call: for a Value the name that holds it."""
        if not isinstance(a, Value):
            return a
        if a.factor == 1:
            return a.base
        spec = self.specs[a.base]
        if a.factor == -1:
            return self.result(np.negative, [a.base], spec)
        return self.result(np.multiply, [a.base, spec.dtype.type(a.factor)], spec)

    def call(self, statement: Statement, arguments: Sequence[Any]) -> Name:
        """The name of the result of the statement's function on new arguments."""
        spec = Spec(statement.shape, statement.dtype)
        if not elementwise(statement.function):
            return self.result(statement.function, arguments, spec, statement.options)
        bare = [self._unrepeated(a) for a in arguments]
        shape = np.broadcast_shapes(*(self.specs[a].shape if isinstance(a, Name) else np.shape(a) for a in bare))
        name = self.result(statement.function, bare, Spec(shape, statement.dtype), statement.options)
        return name if shape == statement.shape else self.result(np.broadcast_to, [name], spec, {"shape": spec.shape})

    def _unrepeated(self, a: Any) -> Any:
        """What a repeated array repeats: an elementwise function repeats it by itself."""
        made = self.made.get(a) if isinstance(a, Name) else None
        return made.arguments[0] if made is not None and made.function is np.broadcast_to else a

    def result(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        spec: Spec,
        options: Mapping[str, Any] | None = None,
    ) -> Name:
        """The name of a call's result; an equal call is made once."""
        options = options or {}
        arguments = self._ordered(function, arguments)
        key = (function, *map(_key, arguments), *((k, repr(v)) for k, v in sorted(options.items())))
        if key not in self.calls:
            self.calls[key] = name = self.names.numbered("v")
            self.specs[name] = spec
            self.made[name] = Statement(name, function, tuple(arguments), options, *spec)
            self.statements.append(self.made[name])
        return self.calls[key]

    def _ordered(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Sequence[Any]:
        """The arguments of a symmetric function in one order, a number last; a kink's mask from the kink's result."""
        if function in _SYMMETRIC:
            return sorted(arguments, key=lambda a: (not isinstance(a, Name), str(a)))
        kink = _KINK_OF_MASK.get(function)
        if kink is not None:
            return [self.calls.get((kink, *map(_key, arguments)), arguments[0]), arguments[1]]
        return arguments

    # --- factors -----------------------------------------------------------------------------------------------------

    def scaled(self, a: Any, factor: float, size: int) -> Value | None:
        """``factor · a`` for a statement of ``size`` entries; None where the factor is better applied as written.

        A factor is applied before a value grows, and one that nears overflow is not gathered.
        """
        if not isinstance(a, Value) or not 1 / _LARGEST_FACTOR < abs(a.factor * factor) < _LARGEST_FACTOR:
            return None
        if self.specs[a.base].size < size and abs(a.factor) != 1:
            a = Value(self.named(a))
        return Value(a.base, a.factor * factor)

    def apart(self, a: Any, statement: Statement) -> Value:
        """An array argument of a product, with the factor that the product can carry in its stead."""
        if self.specs[a.base].dtype != statement.dtype:
            return Value(self.named(a))
        return self.scaled(a, 1.0, math.prod(statement.shape)) or Value(self.named(a))

    def product(self, statement: Statement, arguments: Sequence[Any], factor: float) -> Value | None:
        """``factor`` times the statement's function of the arguments' bases; None where the factor nears overflow."""
        if not 1 / _LARGEST_FACTOR < abs(factor) < _LARGEST_FACTOR:
            return None
        return Value(self.call(statement, [a.base if isinstance(a, Value) else a for a in arguments]), factor)


def _key(a: Any) -> Any:
    return a if isinstance(a, Name) else (type(a).__name__, repr(a))


def _factor(a: Any, statement: Statement, other: Any, sweep: _Sweep) -> float | None:
    """The number ``a`` as a factor of ``other``; None where it is none, or the product has another shape or dtype."""
    if isinstance(a, Value) or not isinstance(other, Value):
        return None
    return float(a) if sweep.specs[other.base] == (statement.shape, statement.dtype) else None


# --- one function's rewriting: (sweep, statement, arguments) -> Value, or None to call it as written ----------------


def _multiply(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    for a, b in (arguments, arguments[::-1]):
        if not isinstance(b, Value):
            factor = _factor(b, statement, a, sweep)
            return None if factor is None else sweep.scaled(a, factor, 0)
    return _matmul(sweep, statement, arguments)


def _matmul(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    a, b = (sweep.apart(a, statement) for a in arguments)
    return sweep.product(statement, [a, b], a.factor * b.factor)


def _divide(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    a, b = arguments
    if not isinstance(b, Value):
        factor = _factor(b, statement, a, sweep)
        return sweep.scaled(a, 1 / factor, 0) if factor else None
    b = sweep.apart(b, statement)
    if not isinstance(a, Value):
        return sweep.product(statement, [a, b], 1 / b.factor) if abs(b.factor) == 1 else None
    a = sweep.apart(a, statement)
    return sweep.product(statement, [a, b], a.factor / b.factor)


def _negative(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    return sweep.scaled(arguments[0], -1.0, 0)


def _add(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    return _sum_of(sweep, statement, arguments, 1.0)


def _subtract(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    return _sum_of(sweep, statement, arguments, -1.0)


def _sum_of(sweep: _Sweep, statement: Statement, arguments: Sequence[Any], sign: float) -> Value:
    """a ± b, with the signs in the choice of add or subtract, and a factor that both have in front."""
    (a, p), (b, q) = ((x.base, x.factor) if isinstance(x, Value) else (x, 1.0) for x in arguments)
    spec = Spec(statement.shape, statement.dtype)
    common = abs(p) if abs(p) == abs(q) and sweep.specs.get(a) == sweep.specs.get(b) == spec else 1.0
    left, right = (
        sweep.named(Value(x, abs(f) / common)) if isinstance(x, Name) else x for x, f in ((a, p), (b, q * sign))
    )
    if p < 0 < q * sign:
        left, right = right, left
    function = np.add if (p < 0) == (q * sign < 0) else np.subtract
    signed = Statement(statement.name, function, (), {}, *spec)
    return Value(sweep.call(signed, [left, right]), -common if p < 0 and q * sign < 0 else common)


def _square(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    return sweep.product(statement, arguments, arguments[0].factor ** 2)


def _absolute(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    return sweep.product(statement, arguments, abs(arguments[0].factor))


def _linear(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    a, *rest = arguments
    a = sweep.apart(a, statement)
    return sweep.product(statement, [a, *(sweep.named(x) for x in rest)], a.factor)


def _sum(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    """A sum as a product in BLAS, which needs no squares or products of its own and adds faster."""
    (a,) = arguments
    shape, dtype = sweep.specs[a.base]
    axis, keepdims = statement.options.get("axis"), statement.options.get("keepdims", False)
    if dtype not in BLAS or dtype != statement.dtype:
        return None
    if axis is None and not keepdims:
        total = _sum_of_products(sweep, a.base)
        if total is not None:
            return Value(total, a.factor)
    if isinstance(axis, tuple) and len(axis) == 1:
        (axis,) = axis
    if len(shape) == 2 and isinstance(axis, int) and 0 < shape[axis] <= LONGEST_SUM and _is_stored(sweep, a.base):
        n, spec = shape[axis], Spec(statement.shape, dtype)
        if axis % 2:
            operands = [a.base, sweep.ones((n, 1) if keepdims else (n,), dtype)]
        else:
            operands = [sweep.ones((1, n) if keepdims else (n,), dtype), a.base]
        return Value(sweep.result(np.matmul, operands, spec), a.factor)
    return _linear(sweep, statement, arguments)


def _sum_of_products(sweep: _Sweep, name: Name) -> Name | None:
    """Σ a · b, or Σ (a · b ± c · d) as two sums: each product is rounded either way."""
    total, made = _inner(sweep, name), sweep.made.get(name)
    if total is not None or made is None or made.function not in (np.add, np.subtract):
        return total
    if any(not isinstance(a, Name) or sweep.specs[a] != sweep.specs[name] for a in made.arguments):
        return None
    parts = [_inner(sweep, a) for a in made.arguments]
    return None if None in parts else sweep.result(made.function, parts, Spec((), made.dtype))


def _inner(sweep: _Sweep, name: Name) -> Name | None:
    """Σ a · b for the product that a name is."""
    factors, spec = _factors(sweep, name), sweep.specs[name]
    if factors is None or any(sweep.specs[x].shape != spec.shape for x in factors):
        return None
    short = spec.dtype == np.float64 or spec.size <= LONGEST_SUM
    return sweep.result(np.vdot if short else inner, factors, Spec((), spec.dtype))


def _factors(sweep: _Sweep, name: Name) -> list[Any] | None:
    """The two arrays whose product a name is."""
    made = sweep.made.get(name)
    if made is None or made.function not in (np.square, np.multiply):
        return None
    factors = [*made.arguments, *made.arguments] if made.function is np.square else [*made.arguments]
    return factors if all(isinstance(x, Name) and sweep.specs[x].dtype == made.dtype for x in factors) else None


def _is_stored(sweep: _Sweep, name: Name) -> bool:
    """Whether a name has entries of its own, as BLAS wants them; repeated ones it would have to copy."""
    made = sweep.made.get(name)
    return made is None or made.function is not np.broadcast_to


def _mean(sweep: _Sweep, statement: Statement, arguments: Sequence[Any]) -> Value | None:
    (a,) = arguments
    spec, size = sweep.specs[a.base], math.prod(statement.shape)
    if spec.dtype not in BLAS or not size or not spec.size:
        return None
    total = Statement(statement.name, np.sum, (), statement.options, statement.shape, statement.dtype)
    value = _sum(sweep, total, arguments)
    return None if value is None else sweep.scaled(value, size / spec.size, 0)


_REWRITES: dict[Callable[..., Any], Callable[[_Sweep, Statement, Sequence[Any]], Value | None]] = {
    np.multiply: _multiply,
    np.divide: _divide,
    np.negative: _negative,
    np.add: _add,
    np.subtract: _subtract,
    np.square: _square,
    np.absolute: _absolute,
    np.matmul: _matmul,
    np.mean: _mean,
    np.sum: _sum,
    **dict.fromkeys(_LINEAR, _linear),
}


def inner(a: Any, b: Any) -> Any:
    """Σ a · b over all entries of two arrays of one shape and dtype, in pieces as long as float32 can add up well."""
    a, b = a.ravel(), b.ravel()
    n = a.size - a.size % LONGEST_SUM
    pieces = np.vecdot(a[:n].reshape(-1, LONGEST_SUM), b[:n].reshape(-1, LONGEST_SUM))
    return np.add.reduce(pieces) + np.dot(a[n:], b[n:])


# --- what is needed, when it is needed ------------------------------------------------------------------------------


def _needed_in_time(statements: Sequence[Statement], outputs: Iterable[Name]) -> list[Statement]:
    """What the outputs depend on; statements that need inputs and constants alone wait for their first use."""
    needed, kept = set(outputs), []
    for statement in reversed(statements):
        if statement.name in needed:
            needed.update(names_in(statement))
            kept.append(statement)
    kept.reverse()
    made = {s.name for s in kept}
    waiting = {s.name: s for s in kept if made.isdisjoint(names_in(s))}
    ordered: list[Statement] = []
    for statement in kept:
        if statement.name not in waiting:
            ordered.extend(waiting.pop(a) for a in dict.fromkeys(names_in(statement)) if a in waiting)
            ordered.append(statement)
    return [*ordered, *waiting.values()]
