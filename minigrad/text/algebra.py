"""The algebra that makes a derivation read as one writes it by hand.

``Algebra`` makes expressions, and rewrites them. ``call`` writes a call down as it is (what the user wrote);
``simplified`` puts it into normal form: like terms are added, factors cancel, scalars leave linear functions,
broadcasting of scalars dissolves in products, and what the user has a name for is called by it. ``spelled`` leads back
from normal form to calls, which the notations know. Nothing recurses, and no expression is expanded: a sum in a product
stays a factor.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.engine.rules import getitem, scatter

from .expressions import LITERAL, PRODUCT, SUM, Coefficient, Expr, Expressions, Shape, parts_of

Factors = dict[Expr, int]

_LONGEST = 16  # parts; a longer sum or product is not looked into, which bounds the work

_ADDITIVE: dict[Any, tuple[int, ...]] = {
    np.add: (1, 1),
    np.subtract: (1, -1),
    np.negative: (-1,),
    np.positive: (1,),
}
_POWERS: dict[Any, tuple[int, ...]] = {
    np.multiply: (1, 1),
    np.divide: (1, -1),
    np.square: (2,),
    np.reciprocal: (-1,),
}
_LINEAR = {
    *(np.transpose, np.reshape, np.swapaxes, np.moveaxis, np.squeeze, np.expand_dims, np.ravel, np.broadcast_to),
    *(np.sum, np.matmul, getitem, scatter),
}
_RESHAPING = {np.transpose, np.reshape, np.swapaxes, np.moveaxis, np.squeeze, np.expand_dims, np.ravel}


class Algebra(Expressions):
    """The expressions of one derivation, and their normal forms."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Expr, Expr] = {}  # normal form -> the symbol that stands for it
        self.monomials: dict[Expr, list[tuple[Factors, Expr]]] = {}  # first factor -> definitions
        self.complements: dict[Expr, Expr] = {}  # e -> y where y = 1 / (1 + e), so that e·y = 1 - y
        self.sources: dict[Expr, Expr] = {}  # normal form -> how the user wrote it
        self.shares: set[tuple[Expr, Any]] = set()  # (P, axis) where P = E / ΣE along the axis, so that ΣP = 1

    def call(self, function: Any, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any) -> Expr:
        """A call, as it is; but 0 + x, with which Python's sum begins, is x."""
        if function is np.add and args[0].function is LITERAL and args[0].value == 0 and args[1].shape == shape:
            return args[1]
        return super().call(function, args, options, shape, dtype)

    def define(self, symbol: Expr, definition: Expr) -> None:
        """From now on ``symbol`` stands for ``definition``, an expression in normal form, wherever it turns up.

        A product is found in larger ones too, and a reciprocal also upside down.
        """
        coefficient, factors = _monomial(definition)
        if definition.is_atom or not factors:
            return
        self.names[definition] = symbol
        if definition.function is np.divide:  # a reciprocal that was opened before it had this name
            factors = {definition.args[1]: -1}
            self.monomials.pop(definition.args[1])
        if definition.shape != symbol.shape or coefficient != 1 or factors == {definition: 1}:
            return
        first = next(iter(factors))
        self.monomials.setdefault(first, []).append((factors, symbol))
        e = _one_plus(first)
        if e is not None and factors == {first: -1}:
            self.complements[e] = symbol
        for whole in factors:
            if (
                whole.function is np.sum
                and len(factors) == 2
                and factors[whole] == -1
                and factors.get(whole.args[0]) == 1
            ):
                self.shares.add((symbol, whole.options.get("axis")))

    # --- normal form --------------------------------------------------------------------------------------------------

    def simplified(
        self, function: Any, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any
    ) -> Expr:
        """The normal form of a call on expressions in normal form."""
        made = self._normal(function, args, options, shape, dtype)
        return self.names.get(made, made)

    def _normal(
        self, function: Any, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any
    ) -> Expr:
        if function in _ADDITIVE:
            return self.total(list(zip(_ADDITIVE[function], args, strict=True)), shape, dtype)
        if function in _POWERS:
            return self.product(list(zip(args, _POWERS[function], strict=True)), shape, dtype)
        if function in _LINEAR:
            return self._linear(function, args, options, shape, dtype)
        if isinstance(function, np.ufunc) or function is np.where:
            args = self._without_broadcasts(args, shape)
        if function is np.where and args[2].value == 0 and _is_number(args[1].value) and not options:
            return self.product([(args[1], 1), (args[0], 1)], shape, dtype)
        return self.call(function, args, options, shape, dtype)

    def number(self, coefficient: Coefficient, shape: Shape = (), dtype: Any = None) -> Expr:
        """A constant array of a shape."""
        return self._broadcast(self._product_of(coefficient, {}, dtype), shape, dtype)

    def _broadcast(self, e: Expr, shape: Shape, dtype: Any) -> Expr:
        return e if e.shape == shape else self.call(np.broadcast_to, (e,), {"shape": shape}, shape, e.dtype or dtype)

    def product(self, parts: Iterable[tuple[Expr, int]], shape: Shape, dtype: Any) -> Expr:
        """Π partᵖᵒʷᵉʳ, elementwise."""
        coefficient: Coefficient = Fraction(1)
        factors: Factors = {}
        for e, power in parts:
            c, inner = _monomial(e)
            if c == 0 and power < 0:
                c, inner = Fraction(1), {e: 1}
            coefficient *= c**power
            for base, p in inner.items():
                factors[base] = factors.get(base, 0) + p * power
        factors = {base: p for base, p in factors.items() if p}
        if coefficient == 0:
            return self.number(Fraction(0), shape, dtype)
        return self._broadcast(self._product_of(coefficient, self._renamed(factors), dtype), shape, dtype)

    def _product_of(self, coefficient: Coefficient, factors: Factors, dtype: Any) -> Expr:
        if not factors and isinstance(coefficient, float):
            return self.literal(coefficient)
        if not factors and isinstance(coefficient, Fraction) and coefficient.denominator == 1:
            return self.literal(coefficient.numerator)
        if len(factors) == 1 and coefficient in (1, -1):
            ((base, power),) = factors.items()
            if power == 1 and coefficient == 1 and not _is_bool(base):
                return base
            if power == 1 and base.function is SUM:
                return self._sum_of([(-c, dict(f)) for c, f in base.terms], dtype)
        return self.normal(PRODUCT, [(coefficient, factors)], dtype)

    def _renamed(self, factors: Factors) -> Factors:
        """The factors with the user's names for products of them, and e·y as 1 - y where y = 1 / (1 + e)."""
        for base in tuple(factors):
            if factors.get(base, 0) < 0 and base not in self.monomials:
                self._open_reciprocal(base)
            for pattern, symbol in self.monomials.get(base, ()):
                times = _times(factors, pattern, symbol.is_atom)
                for b, p in pattern.items() if times else ():
                    factors = _with(factors, b, -p * times)
                factors = _with(factors, symbol, times)
        for e in tuple(factors):
            y = self.complements.get(e)
            if y is not None and factors[e] > 0 and factors.get(y, 0) > (0 if y.is_atom else factors[e]):
                times = min(factors[e], factors[y])
                other = self.total([(1, self.literal(1)), (-1, y)], y.shape, y.dtype)
                factors = _with(_with(_with(factors, e, -times), y, -times), other, times)
        return factors

    def _open_reciprocal(self, d: Expr) -> None:
        """Let y = 1 / (1 + exp(u)) be a thing of its own, though it has no name."""
        e = _one_plus(d)
        if e is not None and e.function is np.exp:
            y = self.call(np.divide, (self.literal(1), d), {}, d.shape, d.dtype)
            self.monomials[d] = [({d: -1}, y)]
            self.complements.setdefault(e, y)

    def total(self, parts: Iterable[tuple[Coefficient, Expr]], shape: Shape, dtype: Any) -> Expr:
        """Σ coefficient · part: like terms added, common factors taken out."""
        terms: dict[frozenset[tuple[Expr, int]], tuple[Coefficient, Factors]] = {}
        for sign, part in parts:
            e = _unbroadcast(part)
            inside = e.function is SUM and len(e.terms) <= _LONGEST
            for c, factors in [(c, dict(f)) for c, f in e.terms] if inside else [_monomial(e)]:
                key = frozenset(factors.items())
                earlier = terms[key][0] if key in terms else Fraction(0)
                terms[key] = (earlier + sign * c, terms[key][1] if key in terms else factors)
        return self._broadcast(self._sum_of([t for t in terms.values() if t[0] != 0], dtype), shape, dtype)

    def _sum_of(self, terms: list[tuple[Coefficient, Factors]], dtype: Any) -> Expr:
        if not terms:
            return self.literal(0)
        if len(terms) == 1:
            return self._product_of(*terms[0], dtype)
        scale, common = _common(terms)
        if scale == 1 and not common:
            return self.normal(SUM, terms, dtype)
        rest = [(c / scale, _less(f, common)) for c, f in terms]
        inner = self.normal(SUM, rest, dtype)
        inner = self.names.get(inner, inner)
        return self._product_of(scale, self._renamed({**common, inner: 1}), dtype)

    # --- linear functions ---------------------------------------------------------------------------------------------

    def _linear(
        self, function: Any, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any
    ) -> Expr:
        """Scalar factors leave the arguments; what is left is simplified by its own laws."""
        scalars: list[tuple[Expr, int]] = []
        rests = []
        for i, a in enumerate(args):
            outer, rest = self._split(a, lambda base: base.shape == ()) if i == 0 or function is np.matmul else ([], a)
            scalars += outer
            rests.append(rest)
        if function is np.sum:
            inner = self._summed(rests[0], options, shape, dtype)
        elif function is np.matmul:
            inner = self.call(function, rests, options, shape, dtype)
        else:
            inner = self._arranged(function, rests, options, shape, dtype)
        inner = self.names.get(inner, inner)
        return self.product([*scalars, (inner, 1)], shape, dtype) if scalars else inner

    def _split(self, e: Expr, leaves: Callable[[Expr], bool]) -> tuple[list[tuple[Expr, int]], Expr]:
        """The factors of ``e`` that satisfy ``leaves``, and the rest, of e's shape."""
        if _unbroadcast(e).function is not PRODUCT:
            return [], e
        coefficient, factors = _monomial(e)
        outer = [(base, p) for base, p in factors.items() if leaves(base)]
        inner = {base: p for base, p in factors.items() if not leaves(base)}
        if not inner or not (outer or coefficient != 1):
            return [], e
        if coefficient != 1:
            outer.insert(0, (self._product_of(coefficient, {}, e.dtype), 1))
        return outer, self._broadcast(self._product_of(Fraction(1), self._renamed(inner), e.dtype), e.shape, e.dtype)

    def _summed(self, a: Expr, options: Mapping[str, Any], shape: Shape, dtype: Any, nested: bool = False) -> Expr:
        """A sum over axes: an axis along which nothing varies is a factor, and so is what does not vary along any."""
        axis, keepdims = options.get("axis"), options.get("keepdims", False)
        axes = range(len(a.shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
        summed = {i % len(a.shape) for i in axes}

        def is_constant(base: Expr) -> bool:
            lead = len(a.shape) - len(base.shape)
            return all(i < lead or base.shape[i - lead] == 1 for i in summed)

        outer, rest = self._split(a, is_constant) if keepdims else ([], a)
        bare = _unbroadcast(rest)
        count = 1
        if bare.shape == () or (keepdims and len(bare.shape) == len(a.shape)):
            lead = len(a.shape) - len(bare.shape)
            repeated = {i for i in summed if i < lead or (bare.shape[i - lead] == 1 and a.shape[i] != 1)}
            count = math.prod(a.shape[i] for i in repeated)
            summed, rest = (set(), bare) if bare.shape == () else (summed - repeated, bare)
        if all(rest.shape[i] == 1 for i in summed) and (keepdims or not summed):
            inner = rest
        elif keepdims and (rest, _axis(summed)) in self.shares:
            inner = self.literal(1)
        elif keepdims and not nested and self._cancels(rest, options, shape, dtype):
            inner = self.literal(0)
        else:
            how: dict[str, Any] = {} if len(summed) == len(rest.shape) and not keepdims else {"axis": _axis(summed)}
            inner_shape = tuple(1 if i in summed else n for i, n in enumerate(rest.shape)) if keepdims else shape
            inner = self.call(np.sum, (rest,), how | ({"keepdims": True} if keepdims else {}), inner_shape, dtype)
        if not outer and count == 1:
            return self._broadcast(inner, shape, dtype)
        return self.product([*outer, (self.literal(count), 1), (inner, 1)], shape, dtype)

    def _cancels(self, a: Expr, options: Mapping[str, Any], shape: Shape, dtype: Any) -> bool:
        """Whether the sums of the parts of a short sum, or of a product with one, add up to 0."""
        _, factors = _monomial(a)
        inner = next((base for base in factors if base.function is SUM and len(base.terms) == 2), None)
        if inner is None or factors[inner] != 1:
            return False
        others = list(_less(factors, {inner: 1}).items())
        parts = []
        for c, f in inner.terms:
            part = self.product([*others, *f], a.shape, dtype)
            parts.append((c, self._summed(part, options, shape, dtype, nested=True)))
        return self.total(parts, shape, dtype) is self.number(Fraction(0), shape, dtype)

    def _arranged(
        self, function: Any, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any
    ) -> Expr:
        """The laws of transposes, reshapes and repetition."""
        a = args[0]
        bare = _unbroadcast(a)
        if function is np.broadcast_to:
            return self._broadcast(bare, shape, dtype)
        if bare.shape == () and function in _RESHAPING:
            return self._broadcast(bare, shape, dtype)
        of_matrix = function is np.swapaxes and len(shape) == 2 and {i % 2 for i in options.values()} == {0, 1}
        if of_matrix or (function is np.transpose and not options):
            return self._transposed(a, shape, dtype)
        if function is getitem:
            return self._indexed(args, options, shape, dtype)
        if function in _RESHAPING and function is not np.transpose and a.shape == shape and a.size <= 1:
            return a
        if function is np.reshape:
            return self._reshaped(a, shape, dtype)
        return self.call(function, args, options, shape, dtype)

    def _transposed(self, a: Expr, shape: Shape, dtype: Any) -> Expr:
        if len(shape) < 2:
            return a
        if a.function is np.transpose and not a.options:
            return a.args[0]
        if a.function is np.matmul and len(shape) == 2 and all(len(x.shape) == 2 for x in a.args):
            left, right = a.args
            if any(x.function is np.transpose for x in a.args):  # (A Bᵀ)ᵀ = B Aᵀ
                turned = [self._transposed(x, x.shape[::-1], dtype) for x in (right, left)]
                return self.call(np.matmul, turned, {}, shape, dtype)
        return self.call(np.transpose, (a,), {}, shape, dtype)

    def _indexed(self, args: Sequence[Expr], options: Mapping[str, Any], shape: Shape, dtype: Any) -> Expr:
        """``(A @ b[..., None])[..., 0]`` is ``A @ b`` for a vector b, and so on its left."""
        a, *index = args
        parts = [part.value for part in index]
        if a.function is np.matmul and parts in ([..., 0], [..., 0, slice(None)]):
            left, right = a.args
            side = right if len(parts) == 2 else left
            added = [..., None] if len(parts) == 2 else [..., None, slice(None)]
            if side.function is getitem and [p.value for p in side.args[1:]] == added and len(side.args[0].shape) == 1:
                vector = side.args[0]
                return self.call(np.matmul, (left, vector) if len(parts) == 2 else (vector, right), {}, shape, dtype)
        return self.call(getitem, args, options, shape, dtype)

    def _reshaped(self, a: Expr, shape: Shape, dtype: Any) -> Expr:
        while a.function is np.reshape:
            a = a.args[0]
        if a.shape == shape:
            return a
        if a.function is np.sum and a.options.get("keepdims"):  # summed for keeps, then dropped: a plain sum
            axis = a.options["axis"]
            summed = set(axis) if isinstance(axis, tuple) else {axis}
            if shape == tuple(n for i, n in enumerate(a.shape) if i not in summed):
                how = {} if not shape else {"axis": axis}
                return self.call(np.sum, a.args, how, shape, dtype)
        return self.call(np.reshape, (a,), {"shape": shape}, shape, dtype)

    def _without_broadcasts(self, args: Sequence[Expr], shape: Shape) -> Sequence[Expr]:
        bare = [_unbroadcast(a) for a in args]
        return bare if _broadcast(tuple([a.shape for a in bare])) == shape else args

    # --- back to calls ------------------------------------------------------------------------------------------------

    def spelled(self, e: Expr) -> Expr:
        """``e`` as calls: as the user wrote it where that is no longer, otherwise as one writes it by hand."""
        done: dict[Expr, Expr] = {}
        for part in parts_of([e]):
            done[part] = self._shorter(part, self._written(part, done))
        return done[e]

    def _shorter(self, e: Expr, written: Expr) -> Expr:
        source = self.sources.get(e)
        return source if source is not None and source.size <= written.size else written

    def _written(self, e: Expr, done: Mapping[Expr, Expr]) -> Expr:
        if e.is_atom:
            return e
        if e.function is PRODUCT:
            return self._written_product(e.terms[0][0], dict(e.terms[0][1]), e.dtype, done)
        if e.function is SUM:
            return self._written_sum(e, done)
        args = [done[a] for a in e.args]
        if e.function is np.broadcast_to and args[0].shape == ():
            return self._filled(args[0], e.shape, e.dtype)
        return self.call(e.function, args, e.options, e.shape, e.dtype)

    def _filled(self, value: Expr, shape: Shape, dtype: Any) -> Expr:
        kind = {} if dtype is None or dtype.kind != "f" or dtype == np.float64 else {"dtype": dtype}
        size = self.literal(shape)
        if value.function is LITERAL and value.value in (0, 1):
            return self.call(np.ones if value.value else np.zeros, (size,), kind, shape, dtype)
        if value.function is LITERAL and isinstance(value.value, int):
            value = self.literal(float(value.value))
        return self.call(np.full, (size, value), kind, shape, dtype)

    def _written_sum(self, e: Expr, done: Mapping[Expr, Expr]) -> Expr:
        """The first positive summand leads."""
        terms = list(e.terms)
        lead = next((i for i, (c, _) in enumerate(terms) if c > 0), 0)
        c, factors = terms.pop(lead)
        written = self._written_product(c, dict(factors), e.dtype, done)
        for c, factors in terms:
            summand = self._written_product(c if c > 0 else -c, dict(factors), e.dtype, done)
            shape = _broadcast((written.shape, summand.shape))
            written = self.call(np.add if c > 0 else np.subtract, (written, summand), {}, shape, e.dtype)
        return written

    def _written_product(
        self, coefficient: Coefficient, factors: Factors, dtype: Any, done: Mapping[Expr, Expr]
    ) -> Expr:
        """A product as one writes it: ``(lam / m) * W``, ``X / m``, ``Y / (m * A)``."""
        leading = next((base for base, p in factors.items() if p > 0 and base.shape != ()), None)
        if leading is not None and leading.function is SUM and factors[leading] == 1 and len(factors) > 1:
            factors = {**_less(factors, {leading: 1}), leading: 1}  # a sum does not lead: P * (a - b)
        sign, coefficient = (-1, -coefficient) if coefficient < 0 else (1, coefficient)
        above, below = self._numbers(coefficient, factors, dtype)
        above_arrays: list[Expr] = []
        below_arrays: list[Expr] = []
        for base, power in factors.items():
            e = self._power(done[base], abs(power), dtype)
            sides = (above, below) if e.shape == () else (above_arrays, below_arrays)
            sides[power < 0].append(e)
        if above_arrays and not below_arrays and above and below:
            first = self._quotient(self._chain(above, sign, dtype), self._chain(below, 1, dtype), dtype)
            return self._chain([first, *above_arrays], 1, dtype)
        over = above + above_arrays or [self.literal(1)]
        under = below + below_arrays
        numerator = self._chain(over, sign, dtype)
        return self._quotient(numerator, self._chain(under, 1, dtype), dtype) if under else numerator

    def _numbers(self, coefficient: Coefficient, factors: Factors, dtype: Any) -> tuple[list[Expr], list[Expr]]:
        """The numbers above and below the line. A product of booleans is no float, so it gets a factor 1.0."""
        if not isinstance(coefficient, Fraction):
            return [self.literal(coefficient)], []
        flat = coefficient.denominator == 1 and factors and all(_is_bool(base) for base in factors)
        above: list[Expr] = []
        if flat:
            above = [self.literal(float(coefficient.numerator))]
        elif coefficient.numerator != 1:
            above = [self.literal(coefficient.numerator)]
        return above, [] if coefficient.denominator == 1 else [self.literal(coefficient.denominator)]

    def _power(self, e: Expr, power: int, dtype: Any) -> Expr:
        return e if power == 1 else self.call(np.power, (e, self.literal(power)), {}, e.shape, dtype)

    def _chain(self, factors: list[Expr], sign: int, dtype: Any) -> Expr:
        first, *rest = factors
        if sign < 0 and first.function is LITERAL:
            written = self.literal(-first.value)
        else:
            written = first if sign > 0 else self.call(np.negative, (first,), {}, first.shape, dtype)
        for factor in rest:
            shape = _broadcast((written.shape, factor.shape))
            written = self.call(np.multiply, (written, factor), {}, shape, dtype)
        return written

    def _quotient(self, above: Expr, below: Expr, dtype: Any) -> Expr:
        return self.call(np.divide, (above, below), {}, _broadcast((above.shape, below.shape)), dtype)


# --- views of an expression -------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _broadcast(shapes: tuple[Shape, ...]) -> Shape:
    return np.broadcast_shapes(*shapes)


def _is_number(value: Any) -> bool:
    """A plain number, to be computed with here; NumPy's scalars bring a dtype of their own, and stay as they are."""
    return type(value) in (int, float, bool) and math.isfinite(value)


def _exact(value: float) -> Coefficient:
    if type(value) is int or (float(value).is_integer() and abs(value) < 2**53):
        return Fraction(value)
    return value


def _is_bool(e: Expr) -> bool:
    return e.dtype is not None and e.dtype.kind == "b"


def _unbroadcast(e: Expr) -> Expr:
    return e.args[0] if e.function is np.broadcast_to else e


def _monomial(e: Expr) -> tuple[Coefficient, Factors]:
    """``e`` as coefficient · Π baseᵖᵒʷᵉʳ, up to broadcasting."""
    e = _unbroadcast(e)
    if e.function is LITERAL and _is_number(e.value):
        return _exact(e.value), {}
    if e.function is PRODUCT and len(e.args) <= _LONGEST:
        return e.terms[0][0], dict(e.terms[0][1])
    return Fraction(1), {e: 1}


def _one_plus(d: Expr) -> Expr | None:
    """e where d = 1 + e."""
    if d.function is SUM and len(d.terms) == 2 and all(c == 1 for c, _ in d.terms):
        constant, others = ([f for _, f in d.terms if bool(f) is flag] for flag in (False, True))
        if len(constant) == 1 and len(others[0]) == 1 and others[0][0][1] == 1:
            return others[0][0][0]
    return None


def _times(factors: Factors, pattern: Factors, inverse: bool) -> int:
    """How often a pattern divides the factors; with ``inverse`` a pattern of one base also its reciprocal."""
    if len(pattern) == 1 and inverse:
        ((base, power),) = pattern.items()
        return factors.get(base, 0) // power if factors.get(base, 0) % power == 0 else 0
    return min(factors.get(base, 0) // p if factors.get(base, 0) * p > 0 else 0 for base, p in pattern.items())


def _with(factors: Factors, base: Expr, power: int) -> Factors:
    """The factors times one more power."""
    combined = {**factors, base: factors.get(base, 0) + power}
    return {b: p for b, p in combined.items() if p}


def _less(factors: Factors, common: Factors) -> Factors:
    return {b: p - common.get(b, 0) for b, p in factors.items() if p != common.get(b, 0)}


def _common(terms: list[tuple[Coefficient, Factors]]) -> tuple[Coefficient, Factors]:
    """What all terms share: a number up to sign, and factors."""
    first = terms[0][0] if terms[0][0] > 0 else -terms[0][0]
    scale = first if all(c in (first, -first) for c, _ in terms) else Fraction(1)
    common: Factors = {}
    for base, power in terms[0][1].items():
        powers = [f.get(base, 0) for _, f in terms]
        if all(p * power > 0 for p in powers):
            common[base] = min(powers, key=abs)
    return scale, common


def _axis(axes: set[int]) -> Any:
    return min(axes) if len(axes) == 1 else tuple(sorted(axes))
