"""Products and sums in normal form: how expressions are rewritten, and written back as one writes them by hand.

    product = coefficient · Π baseᵖᵒʷᵉʳ        sum = Σ coefficient · Π baseᵖᵒʷᵉʳ

A ``Rewriter`` makes expressions. ``call`` writes a call down as it is (what the user wrote); ``simplified`` rewrites it
first, by the rules of ``rewrites`` that the Rewriter was given; ``product`` and ``total`` make normal forms, in which
like terms are added and factors cancel. What has a name is called by it (``define``). ``spelled`` leads back from
normal forms to calls. Nothing recurses over an expression, and none is expanded: a sum in a product stays a factor.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options
from minigrad.engine.primitives import scatter

from .expressions import (
    LITERAL,
    ONE,
    PRODUCT,
    SUM,
    Coefficient,
    Expr,
    Expressions,
    Shape,
    broadcast_shapes,
    parts_of,
)

Factors = dict[Expr, int]

_MINUS_ONE = -ONE

MAX_PARTS = 16  # longer sums and products are not looked into: it bounds the work


Apply = Callable[["Rewriter", Expr], Expr | None]


class Rewrite(NamedTuple):
    """A rule: ``apply(rewriter, e)`` is an expression equal to ``e``, None where the rule does not apply.

    It is tried on calls of the functions that it ``concerns``. An ``exact`` one leaves every bit of the value as it is,
    others its value to rounding. A ``general`` one serves a program that shall run fast as well as a text.
    """

    name: str
    concerns: Callable[[Any], Any]
    apply: Apply
    exact: bool
    general: bool


class Rewriter(Expressions):
    """Expressions, and their normal forms.

    The ``rules`` are tried in their order on every call and product that is made, until one of them applies.
    """

    def __init__(self, rules: Sequence[Rewrite]) -> None:
        super().__init__()
        self.rules = rules
        self.exactly = False  # whether exact rules alone may be used
        self._concerning: dict[Any, list[Rewrite]] = {}  # the rules that concern a function
        self.names: dict[Expr, Expr] = {}  # normal form -> the symbol that stands for it
        self.definitions: dict[Expr, Expr] = {}  # and back
        self.sources: dict[Expr, Expr] = {}  # normal form -> what the user wrote; complete when any is spelled
        self.written: dict[Expr, Expr] = {}  # normal form -> what ``spelled`` returned for it
        self._patterns: dict[Expr, list[tuple[Factors, Expr]]] = {}  # first factor -> products, their short forms

    def simplified(self, function: Any, args: Sequence[Expr], options: Options, shape: Shape, dtype: Any) -> Expr:
        """Return the normal form of a call on expressions in normal form."""
        made = self._rewritten(Expr(function, tuple(args), options, shape, dtype))
        if made is None:
            made = self.call(function, args, options, shape, dtype)
        return self.names.get(made, made)

    def _rewritten(self, e: Expr) -> Expr | None:
        """Return what the first rule that applies makes of an expression."""
        if e.function not in self._concerning:  # to ask every rule at every call would take longer
            self._concerning[e.function] = [rule for rule in self.rules if rule.concerns(e.function)]
        for rule in self._concerning[e.function]:
            made = rule.apply(self, e) if rule.exact or not self.exactly else None
            if made is not None:
                return made
        return None

    def may_leave(self, a: Expr, e: Expr) -> bool:
        """Return whether scalar factors of the argument ``a`` may leave the call ``e``."""
        return True

    def may_gather(self, factor: float) -> bool:
        """Return whether a number may be gathered from several factors: it may overflow where they do not."""
        return True

    # --- names --------------------------------------------------------------------------------------------------------

    def define(self, symbol: Expr, definition: Expr) -> None:
        """From now on ``symbol`` stands for ``definition``, an expression in normal form, wherever it turns up.

        A product is found in larger ones too, and a reciprocal also upside down.
        """
        coefficient, factors = monomial(definition)
        if definition.is_atom or not factors or definition in self.names:
            return
        self.names[definition] = symbol
        self.definitions[symbol] = definition
        if definition.function is np.divide:  # a reciprocal that was opened before it had this name
            factors = {definition.args[1]: -1}
            self._patterns.pop(definition.args[1], None)
        if unbroadcast(definition) is definition and coefficient == 1:
            self._patterns.setdefault(next(iter(factors)), []).append((factors, symbol))

    def _named(self, factors: Factors) -> Factors:
        """Return the factors with the user's names for products of them."""
        for base in tuple(factors):
            if factors.get(base, 0) < 0 and base not in self._patterns:
                self._open_reciprocal(base)
            for pattern, short in self._patterns.get(base, ()):
                # a name y = 1 / d makes d = 1 / y; a sigmoid without a name leaves 1 + exp(u) above the line as it is
                times = _times(factors, pattern, inverse=short.is_atom)
                for b, p in pattern.items() if times else ():  # most do not divide
                    factors = times_power(factors, b, -p * times)
                factors = times_power(factors, short, times)
        return factors

    def _open_reciprocal(self, d: Expr) -> None:
        """Have a division by d = 1 + exp(u) become a product with y = 1 / d, as if this sigmoid had a name.

        Products with y have shorter forms (see ``complement_of_a_sigmoid``).
        """
        e = one_plus(d)
        if e is not None and e.function is np.exp:
            y = self.call(np.divide, (self.literal(1), d), {}, d.shape, d.dtype)
            self._patterns[d] = [({d: -1}, y)]

    # --- products and sums --------------------------------------------------------------------------------------------

    def number(self, coefficient: Coefficient, shape: Shape = (), dtype: Any = None) -> Expr:
        """Return a constant array of a shape."""
        exact = Fraction(coefficient) if isinstance(coefficient, int) else coefficient
        return self.repeated(self._product_of(exact, {}, dtype), shape)

    def repeated(self, e: Expr, shape: Shape) -> Expr:
        """``e`` broadcast to a shape."""
        return e if e.shape == shape else self.call(np.broadcast_to, (e,), {"shape": shape}, shape, e.dtype)

    def product(self, parts: Iterable[tuple[Expr, int]], shape: Shape, dtype: Any) -> Expr:
        """Π partᵖᵒʷᵉʳ, elementwise."""
        coefficient: Coefficient = ONE
        factors: Factors = {}
        for e, power in parts:
            c, inner = monomial(e)
            if c is not ONE and c == 0 and power < 0:  # no power is 0
                c, inner = ONE, {e: 1}
            if c is not ONE:
                coefficient *= c**power
            for base, p in inner.items():
                factors[base] = factors.get(base, 0) + p * power
        factors = {base: p for base, p in factors.items() if p}
        if coefficient is not ONE and coefficient == 0:
            return self.number(0, shape, dtype)
        return self.repeated(self._product_of(coefficient, self._named(factors), dtype), shape)

    def _product_of(self, coefficient: Coefficient, factors: Factors, dtype: Any) -> Expr:
        if not factors and isinstance(coefficient, float):
            return self.literal(coefficient)
        if not factors and isinstance(coefficient, Fraction) and coefficient.denominator == 1:
            return self.literal(coefficient.numerator)
        if len(factors) == 1 and (coefficient is ONE or coefficient in (1, -1)):
            ((base, power),) = factors.items()
            if power == 1 and coefficient == 1 and not is_bool(base):
                return base
            if power == 1 and base.function is SUM:
                return self._sum_of([(-c, dict(f)) for c, f in base.terms], dtype)
        made = self.normal(PRODUCT, [(coefficient, factors)], dtype)
        return self._rewritten(made) or made

    def total(self, parts: Iterable[tuple[Coefficient, Expr]], shape: Shape, dtype: Any) -> Expr:
        """Σ coefficient · part: like terms added, common factors taken out."""
        terms: dict[frozenset[tuple[Expr, int]], tuple[Coefficient, Factors]] = {}
        for sign, part in parts:
            e = unbroadcast(part)
            inside = e.function is SUM and len(e.terms) <= MAX_PARTS
            for c, factors in [(c, dict(f)) for c, f in e.terms] if inside else [monomial(e)]:
                key = frozenset(factors.items())
                signed = c if sign == 1 else _MINUS_ONE if sign == -1 and c is ONE else sign * c
                terms[key] = (terms[key][0] + signed, terms[key][1]) if key in terms else (signed, factors)
        return self.repeated(self._sum_of([t for t in terms.values() if t[0]], dtype), shape)

    def _sum_of(self, terms: list[tuple[Coefficient, Factors]], dtype: Any) -> Expr:
        if not terms:
            return self.literal(0)
        if len(terms) == 1:
            return self._product_of(*terms[0], dtype)
        scale, common = _common(terms)
        if scale == 1 and not common:
            return self.normal(SUM, terms, dtype)
        rest = [(c / scale, without(f, common)) for c, f in terms]
        inner = self.normal(SUM, rest, dtype)
        inner = self.names.get(inner, inner)
        return self._product_of(scale, self._named(times_power(common, inner, 1)), dtype)

    def split(self, e: Expr, leaves: Callable[[Expr], bool]) -> tuple[list[tuple[Expr, int]], Expr]:
        """Return the factors of ``e`` that satisfy ``leaves``, and the rest, of e's shape."""
        coefficient, factors = monomial(e)
        outer = [(base, p) for base, p in factors.items() if leaves(base)]
        inner = {base: p for base, p in factors.items() if not leaves(base)}
        if not inner or not (outer or coefficient != 1):
            return [], e
        if coefficient != 1:
            outer.append((self._product_of(coefficient, {}, e.dtype), 1))
        return outer, self.repeated(self._product_of(ONE, self._named(inner), e.dtype), e.shape)

    def multiplied_out(self, e: Expr, symbol: Expr, definition: Expr) -> Expr | None:
        """Return a product with its factor ``symbol`` put in and its sums multiplied out; None where that gets long.

        Sums of quotients come first, so that what they divide by can cancel.
        """
        (c, factors), (more, inside) = monomial(e), monomial(definition)
        factors = times_power(factors, symbol, -1)
        for base, power in inside.items():
            factors = times_power(factors, base, power)
        waiting, found = [(c * more, factors)], list[tuple[Coefficient, Factors]]()
        while waiting:
            coefficient, factors = waiting.pop()
            sums = [base for base, p in factors.items() if base.function is SUM and p > 0]
            if len(waiting) + len(found) + sum(len(base.terms) for base in sums) > MAX_PARTS:
                return None
            if sums:
                first = min(sums, key=lambda base: min(p for _, f in base.terms for _, p in f))
                for c, inner in first.terms:
                    multiplied = times_power(factors, first, -1)
                    for base, power in inner:
                        multiplied = times_power(multiplied, base, power)
                    waiting.append((coefficient * c, multiplied))
            else:
                found.append((coefficient, factors))
        terms = [(c, self.product(factors.items(), e.shape, e.dtype)) for c, factors in found]
        return self.total(terms, e.shape, e.dtype)

    # --- back to calls ------------------------------------------------------------------------------------------------

    def spelled(self, e: Expr) -> Expr:
        """Return a normal form as calls that NumPy can run.

        They are those that the user wrote (``sources``) where these are no longer, otherwise what one writes by hand.
        """
        done = self.written
        for part in parts_of([e], done.__contains__):
            if part not in done:  # what is written twice is written alike, but takes twice as long
                written = self._written(part, done)
                source = self.sources.get(part)
                done[part] = source if source is not None and source.size <= written.size else written
        return done[e]

    def exchanged(self, parts: Iterable[Expr], known: dict[Expr, Expr]) -> dict[Expr, Expr]:
        """Return ``parts``, parts first, with the ``known`` ones among theirs exchanged for others of their kinds.

        Where numbers are known, the same numbers in front of products are exchanged too.
        """
        numbers = {e.value: other.value for e, other in known.items()}
        for e in parts:
            known[e] = e if e.is_atom else self.again(e, known, numbers)
        return known

    def _written(self, e: Expr, done: Mapping[Expr, Expr]) -> Expr:
        """Return a normal form as calls, as one writes it by hand, given the calls ``done`` of its parts."""
        if e.is_atom:
            return e
        if e.function is PRODUCT:
            return self._written_product(e.terms[0][0], dict(e.terms[0][1]), e.dtype, done)
        if e.function is SUM:
            return self._written_sum(e, done)
        args = [done[a] for a in e.args]
        if e.function is np.broadcast_to and args[0].shape == ():
            return self._filled(args[0], e.shape, e.dtype)
        if e.function is np.broadcast_to and math.prod(args[0].shape) == math.prod(e.shape):
            return self.call(np.reshape, args, {"shape": e.shape}, e.shape, e.dtype)
        if e.function is scatter and args[0].function is LITERAL:  # which needs to know a dtype
            args[0] = self._filled(args[0], (), e.dtype)
        return self.call(e.function, args, e.options, e.shape, e.dtype)

    def _filled(self, value: Expr, shape: Shape, dtype: Any) -> Expr:
        kind = {} if dtype is None or dtype.kind != "f" or dtype == np.float64 else {"dtype": dtype}
        size = self.literal(shape)
        if value.value in (0, 1) and type(value.value) is not bool:
            return self.call(np.ones if value.value else np.zeros, (size,), kind, shape, dtype)
        if type(value.value) is int:
            value = self.literal(float(value.value))
        return self.call(np.full, (size, value), kind, shape, dtype)

    def _written_sum(self, e: Expr, done: Mapping[Expr, Expr]) -> Expr:
        """Return a sum as one writes it: the first positive summand leads."""
        terms = list(e.terms)
        lead = next((i for i, (c, _) in enumerate(terms) if c > 0), 0)
        c, factors = terms.pop(lead)
        written = self._written_product(c, dict(factors), e.dtype, done)
        for c, factors in terms:  # no coefficient is 0
            summand = self._written_product(max(c, -c), dict(factors), e.dtype, done)
            written = self._elementwise(np.add if c > 0 else np.subtract, written, summand, dtype=e.dtype)
        return written

    def _written_product(
        self, coefficient: Coefficient, factors: Factors, dtype: Any, done: Mapping[Expr, Expr]
    ) -> Expr:
        """Return a product as one writes it: ``(lam / m) * W``, ``X / m``, ``Y / (m * A)``."""
        leading = next((base for base, p in factors.items() if p > 0 and base.shape != ()), None)
        if leading is not None and leading.function is SUM and factors[leading] == 1 and len(factors) > 1:
            factors = {**without(factors, {leading: 1}), leading: 1}  # a sum does not lead: P * (a - b)
        negative = coefficient < 0
        above, below = self._numbers(max(coefficient, -coefficient), factors)
        above_arrays: list[Expr] = []
        below_arrays: list[Expr] = []
        for base, power in factors.items():
            e = self._power(done[base], abs(power), dtype)
            sides = (above, below) if e.shape == () else (above_arrays, below_arrays)
            sides[power < 0].append(e)
        if above_arrays and not below_arrays and above and below:
            over, under = self._chain(above, negative, dtype), self._chain(below, False, dtype)
            return self._chain([self._elementwise(np.divide, over, under, dtype=dtype), *above_arrays], False, dtype)
        over = self._chain(above + above_arrays or [self.literal(1)], negative, dtype)
        if not below and not below_arrays:
            return over
        return self._elementwise(np.divide, over, self._chain(below + below_arrays, False, dtype), dtype=dtype)

    def _numbers(self, coefficient: Coefficient, factors: Factors) -> tuple[list[Expr], list[Expr]]:
        """Return the numbers above and below the line. A product of booleans is no float, so it gets a factor 1.0."""
        booleans = factors and all(is_bool(base) for base in factors)
        if not isinstance(coefficient, Fraction):
            return [] if coefficient == 1 and factors and not booleans else [self.literal(coefficient)], []
        above: list[Expr] = []
        if coefficient.denominator == 1 and booleans:
            above = [self.literal(float(coefficient.numerator))]
        elif coefficient.numerator != 1:
            above = [self.literal(coefficient.numerator)]
        return above, [] if coefficient.denominator == 1 else [self.literal(coefficient.denominator)]

    def _power(self, e: Expr, power: int, dtype: Any) -> Expr:
        return e if power == 1 else self._elementwise(np.power, e, self.literal(power), dtype=dtype)

    def _chain(self, factors: list[Expr], negative: bool, dtype: Any) -> Expr:
        """Return the factors from left to right; a minus sign stands before the first, which may be a mask, as -1."""
        if negative and is_bool(factors[0]):
            factors = [self.literal(1), *factors]
        first, *rest = factors
        if negative and first.function is LITERAL:
            written = self.literal(-first.value)
        else:
            written = self._elementwise(np.negative, first, dtype=dtype) if negative else first
        for factor in rest:
            written = self._elementwise(np.multiply, written, factor, dtype=dtype)
        return written

    def _elementwise(self, function: Any, *args: Expr, dtype: Any) -> Expr:
        return self.call(function, args, {}, broadcast_shapes(tuple([a.shape for a in args])), dtype)


# --- views of an expression -------------------------------------------------------------------------------------------


def is_number(e: Expr) -> bool:
    """Return whether ``e`` is a plain number, to compute with here; NumPy's scalars bring a dtype, and stay."""
    return type(e.value) in (int, float, bool) and math.isfinite(e.value)


def is_bool(e: Expr) -> bool:
    """Return whether an expression is known to be boolean."""
    return e.dtype is not None and bool(e.dtype.kind == "b")


def unbroadcast(e: Expr) -> Expr:
    """Return what a repeated array repeats, any other expression itself."""
    return e.args[0] if e.function is np.broadcast_to else e


def monomial(e: Expr) -> tuple[Coefficient, Factors]:
    """``e`` as coefficient · Π baseᵖᵒʷᵉʳ, up to broadcasting."""
    e = unbroadcast(e)
    if is_number(e):
        return _exact(e.value), {}
    if e.function is PRODUCT and len(e.args) <= MAX_PARTS:
        return e.terms[0][0], dict(e.terms[0][1])
    return ONE, {e: 1}


def one_plus(d: Expr) -> Expr | None:
    """Return e where d = 1 + e."""
    if len(d.terms) == 2 and all(c == 1 for c, _ in d.terms):
        constant, others = ([f for _, f in d.terms if bool(f) is flag] for flag in (False, True))
        if len(constant) == 1 and len(others[0]) == 1 and others[0][0][1] == 1:
            return others[0][0][0]
    return None


def times_power(factors: Factors, base: Expr, power: int) -> Factors:
    """Return the factors times one more power."""
    combined = {**factors, base: factors.get(base, 0) + power}
    return {b: p for b, p in combined.items() if p}


def without(factors: Factors, common: Factors) -> Factors:
    """Return the factors divided by some that they have in common."""
    return {b: p - common.get(b, 0) for b, p in factors.items() if p != common.get(b, 0)}


def _exact(value: float) -> Coefficient:
    if type(value) is int or (float(value).is_integer() and abs(value) < 2**53):
        return Fraction(value)
    return value


def _times(factors: Factors, pattern: Factors, inverse: bool) -> int:
    """Return how often a pattern divides the factors; with ``inverse`` less than 0 times where its reciprocal does."""
    if len(pattern) == 1 and inverse:
        ((base, power),) = pattern.items()
        times, rest = divmod(factors.get(base, 0), power)
        return 0 if rest else times
    return max(0, min(factors.get(base, 0) // p for base, p in pattern.items()))


def _common(terms: list[tuple[Coefficient, Factors]]) -> tuple[Coefficient, Factors]:
    """Return what all terms share: a number up to sign, and factors."""
    scale: Coefficient = ONE
    if all([c not in (1, -1) for c, _ in terms]):
        first = max(terms[0][0], -terms[0][0])
        scale = first if all(c in (first, -first) for c, _ in terms) else ONE
    common: Factors = {}
    for base, power in terms[0][1].items():
        powers = [f.get(base, 0) for _, f in terms]
        if all(p * power > 0 for p in powers):
            common[base] = min(powers, key=abs)
    return scale, common
