"""A traced graph as a program of expressions, rewritten so that it runs faster and computes the same.

    optimize(inputs, results) -> Program

The nodes become expressions, oldest first, and each is rewritten by rules (rewrites.py): constants are
folded, equal calls are made once, repeated values (``broadcast_to``) are left to broadcasting, sums become products in
BLAS. Constant factors and signs are gathered until a value is needed as it is: an expression may be a product
``factor · base``, so 2·g·a·c costs one product with 2·c, and a negation goes into the next subtraction.

All this agrees with the graph as recorded to rounding. Where a value decides something (a comparison, ``floor``, an
``argmax``), rounding could turn the decision, so whatever such a function depends on is computed exactly as written.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.node import ancestors
from minigrad.engine.reverse import BLAS
from minigrad.engine.tensor import Tensor
from minigrad.text.expressions import LITERAL, PRODUCT, Expr, Shape, arguments_of, known, parts_of
from minigrad.text.normal_form import Rewriter
from minigrad.text.numpy_code import Names
from minigrad.text.rewrites import deciding

from .rewrites import RUNNING, factor_of

_LARGEST_FACTOR = 2.0**40  # gathered factors stay far from overflow, in every order of the products


class Program(NamedTuple):
    """Calls in the order in which they are computed, from ``inputs`` and ``constants`` to ``outputs``.

    On what is ``exact`` a decision depends. ``names`` gave out the names of the symbols.
    """

    inputs: list[Expr]
    constants: Mapping[Expr, Value]
    calls: list[Expr]
    outputs: list[Expr]
    exact: set[Expr]
    names: Names


def optimize(inputs: Sequence[Tensor], results: Sequence[Tensor], impure: Sequence[Tensor] = ()) -> Program:
    """Return the program that computes ``results`` from ``inputs``, and makes each of the ``impure`` calls once."""
    made = _Optimizer()
    symbols = [made.symbol(made.fresh(x.name or "x"), x.shape, x.dtype) for x in inputs]
    of_node = dict(zip(inputs, symbols, strict=True))
    nodes = ancestors([*results, *impure], of_node)
    exact = _exact(nodes)
    uses = Counter([*results, *(x for node in nodes for x in node.operands)])
    for node in nodes:
        if node.rule is None:
            of_node[node] = made.value(node._value)
            continue
        made.exactly = node in exact or node.dtype not in BLAS  # a factor may leave float16, or need more than float64
        args = arguments_of(node, of_node, lambda a, index: made.value(a))
        if node.rule.pure:
            e = made.simplified(node.function, args, node.options, node.shape, node.dtype)
        else:
            e = made.once(node.function, [made.whole(a) for a in args], node.options, node.shape, node.dtype)
        if uses[node] > 1 and abs(factor_of(e)[0]) != 1:
            e = made.whole(e)  # a factor costs every use a product, a sign is free in sums and products
        of_node[node] = e
    outputs = [made.output(of_node[x]) for x in results]
    calls = [e for e in parts_of([*outputs, *(of_node[x] for x in impure)]) if not e.is_atom]
    calls = _shrinking(calls, outputs)
    used = {a for e in calls for a in e.args} | set(outputs)
    constants = {symbol: a for symbol, a in made.constants.items() if symbol in used}
    return Program(symbols, constants, calls, outputs, {of_node[x] for x in exact}, made.identifiers)


def _exact(nodes: Iterable[Tensor]) -> set[Tensor]:
    """Return the nodes that a decision depends on: all arguments of a deciding function, the condition of a choice."""
    exact: set[Tensor] = set()
    for node in sorted(nodes, key=lambda node: -node.order):
        exact.update(node.inputs if node in exact else deciding(node.function, node.dtype, node.operands))
    return exact


class _Optimizer(Rewriter):
    """Expressions that run fast. No argument of a call is a product in normal form: it is computed before the call."""

    def __init__(self) -> None:
        super().__init__(RUNNING)
        self.identifiers = Names()
        self.fresh = self.identifiers.fresh

    def value(self, a: Value) -> Expr:
        """Return a value that was recorded without a Tensor: an array is a constant, anything else a literal."""
        if isinstance(a, np.ndarray):
            return self.constant(a) if a.ndim else self.literal(a[()])
        return self.literal(a)

    def constant(self, a: Value, name: Any = None) -> Expr:
        return super().constant(a, lambda: self.identifiers.numbered("c"))

    def call(self, function: Any, args: Sequence[Expr], options: Options, shape: Shape, dtype: Any) -> Expr:
        return super().call(function, [self.whole(a) if a.terms else a for a in args], options, shape, dtype)

    def whole(self, e: Expr) -> Expr:
        """Return an expression as it is, a factor in front multiplied out."""
        if e.function is not PRODUCT:
            return e
        c, base = factor_of(e)
        if c == -1:
            small, large = sorted(base.args, key=size) if base.function is np.add else (base, base)
            if size(small) < size(large):  # -(a + b) = -a - b, where a repeats itself
                small = self.call(np.negative, (small,), {}, small.shape, small.dtype)
                return self.call(np.subtract, (small, large), {}, e.shape, e.dtype)
            return self.call(np.negative, (base,), {}, e.shape, e.dtype)
        return self.call(np.multiply, (base, self.literal(e.dtype.type(c))), {}, e.shape, e.dtype)

    def output(self, e: Expr) -> Expr:
        return self.constant(np.asarray(e.value)) if e.function is LITERAL else self.whole(e)

    def may_gather(self, factor: float) -> bool:
        return 1 / _LARGEST_FACTOR < abs(factor) < _LARGEST_FACTOR

    def may_leave(self, a: Expr, e: Expr) -> bool:
        """Return whether a factor of ``a`` may leave the call ``e``: the dtypes agree, and the array does not grow."""
        if a.function is not PRODUCT:
            return bool(a.dtype == e.dtype)
        c, _ = factor_of(a)
        grows = size(a) < size(e) and abs(c) != 1
        return a.dtype == e.dtype and not grows and self.may_gather(c)


def size(e: Expr) -> int:
    """Return the number of entries."""
    return math.prod(e.shape)


def bytes_of(e: Expr) -> int:
    """Return the bytes of a result."""
    return size(e) * int(e.dtype.itemsize)


def inputs_of(e: Expr) -> list[Expr]:
    """Return the arguments of a call that are no literals."""
    return [a for a in e.args if a.function is not LITERAL]


def _shrinking(calls: Sequence[Expr], outputs: Iterable[Expr]) -> list[Expr]:
    """Return the calls in an order in which less memory is in use: a mask is made before the array that it is made of.

    A call whose result takes less memory than the arguments that only it still needs is made as soon as it can be.
    """
    place = {e: i for i, e in enumerate(calls)}
    made = [[a for a in dict.fromkeys(e.args) if a in place] for e in calls]  # the arguments that are calls
    last, before = dict[Expr, int](), dict[Expr, int]()  # where a result is needed for the last time, and before that
    for i, args in enumerate(made):
        for a in args:
            last[a], before[a] = i, last.get(a, place[a])
    last |= dict.fromkeys(outputs, len(calls))
    ordered: list[list[Expr]] = [[] for _ in calls]
    for i, (e, args) in enumerate(zip(calls, made, strict=True)):
        freed = [a for a in args if last[a] == i and not known(a.function).view]
        if known(e.function).pure and bytes_of(e) < sum(map(bytes_of, freed)):
            place[e] = max([*(place[a] for a in args), *(before[a] for a in freed)])
        ordered[place[e]].append(e)
    return [e for group in ordered for e in group]
