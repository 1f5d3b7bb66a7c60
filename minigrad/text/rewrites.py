"""The rewrite rules: named equations between expressions, each with its side conditions.

A rule is given a call, whose arguments are rewritten already, and returns an expression with the same value, or None
where it does not apply. The readings choose from this list: ``derive`` those that make a line read as one writes it by
hand (``readings/derive/lines.py``), ``compile`` those that make a program faster (``readings/compile/optimize.py``).
Products and sums as such are ``normal_form``'s: here is what leads to them, and what follows from them.

``exact`` rules leave every bit of a value as it is; the others agree to rounding, and may not be applied where a value
decides something (a comparison, a ``floor``).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import cast, getitem
from minigrad.engine.reverse import BLAS, MAX_BLAS_SUM

from .expressions import LITERAL, PRODUCT, Expr, Shape, broadcast_shapes, evaluate, known
from .normal_form import (
    Aim,
    Apply,
    Rewrite,
    Rewriter,
    is_bool,
    is_number,
    monomial,
    one_plus,
    times_power,
    unbroadcast,
    without,
)

# --- what is known of functions ---------------------------------------------------------------------------------------

ORDER_KEEPING = frozenset({np.reshape, np.ravel, np.squeeze, np.expand_dims})  # the same entries in the same order
REARRANGING = ORDER_KEEPING | {np.transpose, np.swapaxes, np.moveaxis}

_SIGNS: dict[Any, tuple[int, ...]] = {
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


def decides(function: Any, dtype: Any) -> bool:
    """Return whether the result, of a ``dtype``, may jump at the smallest change of an argument."""
    return known(function).jumps or (function is cast and dtype.kind != "f")


REWRITES: list[Rewrite] = []
READING, RUNNING = Aim.READING, Aim.RUNNING
BOTH = READING | RUNNING


def rewrite(
    aim: Aim, *functions: Any, where: Callable[[Any], Any] | None = None, exact: bool = False
) -> Callable[[Apply], Rewrite]:
    """Enter a rule in the list, for calls of some functions, or of those ``where`` a condition holds."""

    def entered(apply: Apply) -> Rewrite:
        REWRITES.append(Rewrite(apply.__name__, where or frozenset(functions).__contains__, apply, aim, exact))
        return REWRITES[-1]

    return entered


# --- what need not be computed, or only once --------------------------------------------------------------------------


@rewrite(RUNNING, where=lambda function: known(function).identity, exact=True)
def an_identity_is_its_argument(m: Rewriter, e: Expr) -> Expr:
    """Rewrite +a as a, and so for the functions that change only what a gradient does."""
    return e.args[0]


@rewrite(RUNNING, where=lambda function: function is not np.broadcast_to, exact=True)
def constants_are_folded(m: Rewriter, e: Expr) -> Expr | None:
    """Replace a call of numbers and constants by its result, where that is no larger than they are."""
    arrays = [a for a in e.args if a.function is not LITERAL]
    if any(a not in m.constants for a in arrays):
        return None
    largest = max((math.prod(a.shape) for a in arrays), default=1)
    if math.prod(e.shape) > largest:
        return None
    result = evaluate(e, m.constants)
    return m.constant(result) if np.ndim(result) else m.literal(np.asarray(result)[()])


# --- repeated entries -------------------------------------------------------------------------------------------------


@rewrite(BOTH, np.broadcast_to, exact=True)
def a_repeat_of_a_repeat(m: Rewriter, e: Expr) -> Expr | None:
    """Repeating what is repeated is one repetition, and to its own shape none."""
    bare = unbroadcast(e.args[0])
    return m.repeated(bare, e.shape) if bare is not e.args[0] or bare.shape == e.shape else None


@rewrite(BOTH, where=lambda function: known(function).elementwise, exact=True)
def a_repeat_leaves_an_elementwise_function(m: Rewriter, e: Expr) -> Expr | None:
    """f(a repeated) = f(a) repeated, where other arguments do not give it the shape anyway."""
    bare = [unbroadcast(a) for a in e.args]
    if all(a is b for a, b in zip(bare, e.args, strict=True)):
        return None
    shape = broadcast_shapes(tuple([a.shape for a in bare]))
    return m.repeated(m.simplified(e.function, bare, e.options, shape, e.dtype), e.shape)


@rewrite(BOTH, *REARRANGING, getitem, exact=True)
def a_repeated_number_keeps_no_order(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a rearranged array of equal entries, or some entries of it, as one of another shape."""
    bare = unbroadcast(e.args[0])
    return m.repeated(bare, e.shape) if bare.shape == () else None


@rewrite(READING, cast)
def a_number_needs_no_cast(m: Rewriter, e: Expr) -> Expr | None:
    """Drop the cast of a plain number to floating point, all but its shape: it takes the dtype of what it meets."""
    number = unbroadcast(e.args[0])
    return m.repeated(number, e.shape) if is_number(number) and e.dtype.kind == "f" else None


# --- factors that are numbers -----------------------------------------------------------------------------------------
# In a program that is to run fast a product in normal form is a number times one expression: it costs nothing until the
# expression is needed as it is.


@rewrite(RUNNING, np.multiply, np.divide)
def a_number_is_a_factor(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a · c and a / c as a number times a, for a number c that leaves shape and dtype of a as they are."""
    a, number = e.args
    if e.function is np.multiply and a.function is LITERAL:
        a, number = number, a
    if number.function is not LITERAL or (a.shape, a.dtype) != (e.shape, e.dtype):
        return None
    c = float(number.value)
    if e.function is np.divide:
        c = 1 / c if c else 0.0
    return _times_number(m, c, a, e) if m.may_gather(c * factor_of(a)[0]) else None


@rewrite(RUNNING, np.negative)
def a_sign_is_a_factor(m: Rewriter, e: Expr) -> Expr:
    """Rewrite -a as -1 · a."""
    return _times_number(m, -1.0, e.args[0], e)


@rewrite(RUNNING, np.multiply, np.divide)
def numbers_leave_products(m: Rewriter, e: Expr) -> Expr | None:
    """(c · a) (d · b) = c d · a b, and so for quotients; a number is divided by what has a sign in front alone."""
    (c, a), (d, b) = (factor_of(x) if m.may_leave(x, e) else (1.0, x) for x in e.args)
    if e.args[0].function is LITERAL and abs(d) != 1:
        return None
    factor = c * d if e.function is np.multiply else c / d
    if c == d == 1 or not m.may_gather(factor):
        return None
    return _times_number(m, factor, m.simplified(e.function, (a, b), e.options, e.shape, e.dtype), e)


@rewrite(RUNNING, np.square, np.absolute)
def numbers_leave_squares(m: Rewriter, e: Expr) -> Expr | None:
    """(c · a)² = c² · a², and |c · a| = |c| · |a|."""
    c, a = factor_of(e.args[0])
    factor = c * c if e.function is np.square else abs(c)
    if c == 1 or not m.may_gather(factor):
        return None
    return _times_number(m, factor, m.simplified(e.function, (a,), e.options, e.shape, e.dtype), e)


@rewrite(RUNNING, np.add, np.subtract)
def signs_and_factors_leave_sums(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite c · a ± c · b as c · (a ± b) for equal arrays of numbers; a sign chooses addition or subtraction."""
    (c, a), (d, b) = map(factor_of, e.args)
    alike = all((x.shape, x.dtype) == (e.shape, e.dtype) for x in (a, b))
    common = abs(c) if alike and abs(c) == abs(d) else 1.0
    if common == 1 and c > 0 and d > 0:
        return None
    if e.function is np.subtract:
        d = -d
    negative = c < 0 and d < 0
    if c < 0 < d:
        (c, a), (d, b) = (d, b), (c, a)
    left, right = (_times_number(m, abs(f) / common, x, x) for f, x in ((c, a), (d, b)))
    function = np.add if (c < 0) == (d < 0) else np.subtract
    inner = m.simplified(function, (left, right), {}, e.shape, e.dtype)
    return _times_number(m, -common if negative else common, inner, e)


def factor_of(e: Expr) -> tuple[float, Expr]:
    """``e`` as a number, never 0, times an expression, where it is such a product."""
    return (float(e.terms[0][0]), e.args[0]) if e.function is PRODUCT else (1.0, e)


def _times_number(m: Rewriter, c: float, a: Expr, e: Expr) -> Expr:
    return a if c == 1 else m.product([(m.literal(c), 1), (a, 1)], e.shape, e.dtype)


# --- sums and products ------------------------------------------------------------------------------------------------


@rewrite(READING, np.add)
def a_sum_begins_with_its_first_summand(m: Rewriter, e: Expr) -> Expr | None:
    """0 + a = a, as Python's ``sum`` begins, where this leaves shape and dtype of a as they are."""
    zero, a = e.args
    return a if zero.value == 0 and (a.shape, a.dtype) == (e.shape, e.dtype) else None


@rewrite(READING, *_SIGNS)
def like_terms_are_added(m: Rewriter, e: Expr) -> Expr:
    """Return a + b, a - b, -a and +a in normal form."""
    return m.total(zip(_SIGNS[e.function], e.args, strict=True), e.shape, e.dtype)


@rewrite(READING, *_POWERS)
def factors_cancel(m: Rewriter, e: Expr) -> Expr:
    """Return a · b, a / b, a² and 1 / a in normal form."""
    return m.product(zip(e.args, _POWERS[e.function], strict=True), e.shape, e.dtype)


@rewrite(READING, np.where)
def a_choice_of_zero_is_a_product(m: Rewriter, e: Expr) -> Expr | None:
    """where(mask, a, 0) = a · mask, for a number a: an array might be infinite where it is not chosen."""
    mask, a, other = e.args
    if not (is_bool(mask) and is_number(a) and is_number(other) and other.value == 0) or e.options:
        return None
    return m.product([(a, 1), (mask, 1)], e.shape, e.dtype)


@rewrite(READING, PRODUCT)
def complement_of_a_sigmoid(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite u · y as 1 - y where y = 1 / (1 + u)."""
    coefficient, factors = monomial(e)
    for y, power in factors.items():
        u = _below_one_plus(m.definitions.get(y, y))
        if u is None or (times := min(factors.get(u, 0), power)) <= 0 or not (y.is_atom or power > times):
            continue
        rest = times_power(times_power(factors, u, -times), y, -times)
        other = m.total([(1, m.literal(1)), (-1, y)], y.shape, y.dtype)
        return m.product([(m.number(coefficient), 1), *rest.items(), (other, times)], e.shape, e.dtype)
    return None


def _below_one_plus(y: Expr) -> Expr | None:
    """Return u where y = 1 / (1 + u)."""
    if y.function is np.divide and y.args[0].value == 1:
        return one_plus(y.args[1])
    coefficient, factors = monomial(y)
    if coefficient == 1 and len(factors) == 1:
        ((base, power),) = factors.items()
        return one_plus(base) if power == -1 else None
    return None


# --- linear functions -------------------------------------------------------------------------------------------------


@rewrite(BOTH, where=lambda function: known(function).linear and function not in (*_SIGNS, *_POWERS, cast))
def scalars_leave_linear_functions(m: Rewriter, e: Expr) -> Expr | None:
    """f(s · a) = s · f(a) for a scalar s and a linear f; a matrix product, say, is linear in both arguments."""
    scalars: list[tuple[Expr, int]] = []
    rests = list(e.args)
    for i in range(known(e.function).linear):
        if m.may_leave(e.args[i], e):
            outer, rests[i] = m.split(e.args[i], lambda base: base.shape == ())
            scalars += outer
    if not scalars:
        return None
    inner = m.simplified(e.function, rests, e.options, e.shape, e.dtype)
    return m.product([*scalars, (inner, 1)], e.shape, e.dtype)


@rewrite(READING, np.sum)
def what_does_not_vary_leaves_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """Σ (a · b) = a · Σ b along axes along which a does not vary, where the sum keeps its dimensions."""
    (a,), axes = e.args, _summed(e)
    if not e.options.get("keepdims"):
        return None

    def is_constant(base: Expr) -> bool:
        lead = len(a.shape) - len(base.shape)
        return all(i < lead or base.shape[i - lead] == 1 for i in axes)

    outer, rest = m.split(a, is_constant)
    if not outer:
        return None
    inner = m.simplified(np.sum, (rest,), e.options, e.shape, e.dtype)
    return m.product([*outer, (inner, 1)], e.shape, e.dtype)


@rewrite(READING, np.sum)
def a_sum_of_equal_entries_is_a_count(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a = n · a along an axis of n entries along which a is repeated."""
    (a,), axes, keepdims = e.args, _summed(e), e.options.get("keepdims", False)
    bare = unbroadcast(a)
    if not (bare.shape == () or (keepdims and len(bare.shape) == len(a.shape))):
        return None
    if bare.shape == ():
        return m.product([(m.literal(math.prod(a.shape[i] for i in axes)), 1), (bare, 1)], e.shape, e.dtype)
    repeated = {i for i in axes if bare.shape[i] == 1 != a.shape[i]}
    if not repeated:
        return None
    options = {"axis": tuple(sorted(axes - repeated)), "keepdims": True}
    shape = tuple(1 if i in axes else n for i, n in enumerate(bare.shape))
    inner = m.simplified(np.sum, (bare,), options, shape, e.dtype)
    return m.product([(m.literal(math.prod(a.shape[i] for i in repeated)), 1), (inner, 1)], e.shape, e.dtype)


@rewrite(READING, np.sum)
def a_sum_of_one_entry_is_the_entry(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a = a along axes of length 1, where the sum keeps its dimensions."""
    (a,), axes = e.args, _summed(e)
    alone = all(a.shape[i] == 1 for i in axes) and (e.options.get("keepdims") or not axes)
    return m.repeated(unbroadcast(a), e.shape) if alone else None


@rewrite(READING, np.sum)
def shares_add_up_to_one(m: Rewriter, e: Expr) -> Expr | None:
    """Σ p = 1 along the axis of p = u / Σ u, as in a softmax."""
    definition = m.definitions.get(e.args[0])
    coefficient, factors = monomial(definition) if definition is not None else (1, {})
    if coefficient != 1 or len(factors) != 2:
        return None
    whole = next((base for base in factors if base.function is np.sum and factors[base] == -1), None)
    if whole is None or factors.get(whole.args[0]) != 1 or _summed(whole) != _summed(e):
        return None
    return m.number(1, e.shape, e.dtype) if whole.options.get("keepdims") or whole.shape == () else None


@rewrite(READING, PRODUCT)
def as_many_means_as_entries_are_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """n · mean(a) = Σ a, where the mean is of n entries: what is left of Σ (a - mean(a)), which is 0."""
    coefficient, factors = monomial(e)
    for mean, power in factors.items():
        if mean.function is not np.mean or power != 1 or not mean.options.keys() <= {"axis", "keepdims"}:
            continue
        (a,) = mean.args
        if abs(coefficient) * math.prod(mean.shape) == math.prod(a.shape) != 0 and mean.dtype == a.dtype:
            total = m.simplified(np.sum, (a,), mean.options, mean.shape, mean.dtype)
            rest, sign = without(factors, {mean: 1}), m.literal(1 if coefficient > 0 else -1)
            return m.product([(sign, 1), (total, 1), *rest.items()], e.shape, e.dtype)
    return None


@rewrite(READING, np.sum)
def sums_that_cancel(m: Rewriter, e: Expr) -> Expr | None:
    """Σ u · (a - b) = 0 where Σ u · a = Σ u · b."""
    (a,) = e.args
    _, factors = monomial(a)
    pairs = [base for base in factors if _is_pair(base)]
    if not e.options.get("keepdims") or len(pairs) != 1 or factors[pairs[0]] != 1:
        return None
    others = without(factors, {pairs[0]: 1}).items()
    parts = []
    for c, f in pairs[0].terms:
        part = m.product([*others, *f], a.shape, e.dtype)
        if any(map(_is_pair, monomial(part)[1])):
            return None
        parts.append((c, m.simplified(np.sum, (part,), e.options, e.shape, e.dtype)))
    zero = m.number(0, e.shape, e.dtype)
    return zero if m.total(parts, e.shape, e.dtype) is zero else None


def _is_pair(e: Expr) -> bool:
    return len(e.terms) == 2


@rewrite(READING, np.sum)
def axes_are_written_one_way(m: Rewriter, e: Expr) -> Expr:
    """Write a sum over all axes without axes, one over a single axis with its number, counted from the first."""
    axes, keepdims = _summed(e), bool(e.options.get("keepdims"))
    everything = len(axes) == len(e.args[0].shape) and not keepdims
    how: dict[str, Any] = {} if everything else {"axis": min(axes) if len(axes) == 1 else tuple(sorted(axes))}
    return m.call(np.sum, e.args, how | ({"keepdims": True} if keepdims else {}), e.shape, e.dtype)


def _summed(e: Expr) -> set[int]:
    """Return the axes that a sum is over."""
    count, axis = len(e.args[0].shape), e.options.get("axis")
    axes = range(count) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    return {i % count for i in axes} if count else set()


# --- sums as products in BLAS -----------------------------------------------------------------------------------------


@rewrite(RUNNING, np.mean)
def a_mean_is_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a mean as a sum divided by its count."""
    (a,) = e.args
    count = math.prod(a.shape) // max(1, math.prod(e.shape))
    if a.dtype not in BLAS or a.dtype != e.dtype or not count:
        return None
    return _times_number(m, 1 / count, m.simplified(np.sum, e.args, e.options, e.shape, e.dtype), e)


@rewrite(RUNNING, np.sum)
def a_sum_of_products_is_an_inner_product(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a · b over all entries is the inner product of a and b."""
    (a,) = e.args
    if e.dtype not in BLAS or a.dtype != e.dtype or e.options.get("axis") is not None or e.options.get("keepdims"):
        return None
    if a.function not in (np.square, np.multiply):
        return None
    factors = (*a.args, *a.args) if a.function is np.square else a.args
    if any((x.shape, x.dtype) != (a.shape, a.dtype) or x.function is LITERAL for x in factors):
        return None
    short = a.dtype == np.float64 or math.prod(a.shape) <= MAX_BLAS_SUM
    return m.call(np.vdot if short else inner, factors, {}, (), a.dtype)


@rewrite(RUNNING, np.sum)
def a_sum_along_an_axis_is_a_product_with_ones(m: Rewriter, e: Expr) -> Expr | None:
    """Σ A = A @ 1 along the rows of a stored matrix, and 1 @ A along its columns, which BLAS adds up faster."""
    (a,), axes, keepdims = e.args, _summed(e), e.options.get("keepdims")
    if e.dtype not in BLAS or a.dtype != e.dtype or len(a.shape) != 2 or len(axes) != 1:
        return None
    (axis,) = axes
    n = a.shape[axis]
    if not 0 < n <= MAX_BLAS_SUM or unbroadcast(a) is not a:  # repeated entries it would have to copy
        return None
    if axis:
        args = (a, m.constant(np.ones((n, 1) if keepdims else n, e.dtype)))
    else:
        args = (m.constant(np.ones((1, n) if keepdims else n, e.dtype)), a)
    return m.call(np.matmul, args, {}, e.shape, e.dtype)


def inner(a: Value, b: Value) -> Value:
    """Σ a · b over all entries of two arrays of one shape and dtype, in pieces as long as float32 can add up well."""
    a, b = a.ravel(), b.ravel()
    n = a.size - a.size % MAX_BLAS_SUM
    pieces = np.vecdot(a[:n].reshape(-1, MAX_BLAS_SUM), b[:n].reshape(-1, MAX_BLAS_SUM))
    return np.add.reduce(pieces) + np.dot(a[n:], b[n:])


# --- transposes, shapes and indices -----------------------------------------------------------------------------------


@rewrite(READING, np.swapaxes, exact=True)
def the_axes_of_a_matrix_swapped_are_a_transpose(m: Rewriter, e: Expr) -> Expr | None:
    """swapaxes(A, 0, 1) = Aᵀ for a matrix."""
    of_a_matrix = len(e.shape) == 2 and {i % 2 for i in e.options.values()} == {0, 1}
    return m.simplified(np.transpose, e.args, {}, e.shape, e.dtype) if of_a_matrix else None


@rewrite(BOTH, np.transpose, exact=True)
def a_transpose_of_a_transpose(m: Rewriter, e: Expr) -> Expr | None:
    """(Aᵀ)ᵀ = A, and aᵀ = a for a vector; for transposes that turn all axes around."""
    (a,) = e.args
    if e.options or len(e.shape) < 2:
        return a if len(e.shape) < 2 else None
    return a.args[0] if a.function is np.transpose and not a.options else None


@rewrite(READING, np.transpose)
def a_transpose_of_a_product(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite (A Bᵀ)ᵀ as B Aᵀ, where this saves a transpose."""
    (a,) = e.args
    if e.options or a.function is not np.matmul or any(len(x.shape) != 2 for x in (e, *a.args)):
        return None
    if all(x.function is not np.transpose for x in a.args):
        return None
    turned = [
        x.args[0] if x.function is np.transpose else m.call(np.transpose, (x,), {}, x.shape[::-1], x.dtype)
        for x in reversed(a.args)
    ]
    return m.call(np.matmul, turned, {}, e.shape, e.dtype)


@rewrite(BOTH, *ORDER_KEEPING, exact=True)
def a_reshape_of_a_reshape(m: Rewriter, e: Expr) -> Expr | None:
    """Only the last of several reshapes counts, and one to the shape that was there before not at all."""
    (a,) = e.args
    while a.function in ORDER_KEEPING:
        a = a.args[0]
    if a.shape == e.shape:
        return a
    return None if a is e.args[0] else m.call(np.reshape, (a,), {"shape": e.shape}, e.shape, e.dtype)


@rewrite(READING, np.reshape, np.expand_dims, exact=True)
def leading_axes_of_length_1_come_by_broadcasting(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite the reshape of a vector to a row as a repeat, which products and sums need not write."""
    (a,) = e.args
    return m.repeated(a, e.shape) if a.shape and e.shape == _led(a.shape, len(e.shape)) != a.shape else None


@rewrite(READING, np.reshape, np.squeeze)
def leading_axes_of_length_1_leave_a_product(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite the reshape of a product from a row to a vector as a product, where its factors need no reshape."""
    (a,) = e.args
    if a.function not in (PRODUCT, np.broadcast_to) or not e.shape or a.shape != _led(e.shape, len(a.shape)):
        return None
    coefficient, factors = monomial(a)
    parts = [(m.number(coefficient), 1)]
    for base, power in factors.items():
        shape = base.shape[max(0, len(base.shape) - len(e.shape)) :]
        bare = m.simplified(np.reshape, (base,), {"shape": shape}, shape, base.dtype) if shape != base.shape else base
        if bare.function is np.reshape:
            return None
        parts.append((bare, power))
    return m.product(parts, e.shape, e.dtype)


def _led(shape: Shape, count: int) -> Shape:
    """Return a shape with axes of length 1 before it, ``count`` axes in all."""
    return (1,) * (count - len(shape)) + shape


@rewrite(READING, np.reshape)
def an_axis_that_is_kept_and_dropped(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a sum that keeps its dimensions, reshaped to the others, as a plain sum."""
    (a,) = e.args
    if a.function is not np.sum or not a.options.get("keepdims"):
        return None
    axes = _summed(a)
    if e.shape != tuple(n for i, n in enumerate(a.shape) if i not in axes):
        return None
    return m.simplified(np.sum, a.args, {"axis": tuple(sorted(axes))}, e.shape, e.dtype)


@rewrite(BOTH, getitem)
def a_vector_needs_no_extra_axis(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite (A @ b[..., None])[..., 0] as A @ b for a vector b, and so on its left."""
    product, *index = e.args
    parts = [part.value for part in index]
    if product.function is not np.matmul or parts not in ([..., 0], [..., 0, slice(None)]):
        return None
    left, right = product.args
    side, added = (right, [..., None]) if len(parts) == 2 else (left, [..., None, slice(None)])
    if [p.value for p in side.args[1:]] != added or len(side.args[0].shape) != 1:
        return None
    vector = side.args[0]
    return m.call(np.matmul, (left, vector) if side is right else (vector, right), {}, e.shape, e.dtype)


# --- what is computed only once ---------------------------------------------------------------------------------------


@rewrite(RUNNING, np.greater, np.less, exact=True)
def the_mask_of_a_kink_is_that_of_its_result(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite (a > b) as (max(a, b) > b), where the maximum is computed anyway; and so for a minimum."""
    kink = np.maximum if e.function is np.greater else np.minimum
    result = m.find(kink, e.args, {}, e.shape)
    return m.call(e.function, (result, e.args[1]), {}, e.shape, e.dtype) if result is not None else None


@rewrite(RUNNING, np.multiply, exact=True)
def a_mask_is_cast_by_itself(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a · mask as a · cast(mask): NumPy casts inside a product through a buffer, which takes twice as long."""
    if e.dtype.kind != "f" or not any(is_bool(a) and a.shape for a in e.args):
        return None
    dtype = m.literal(e.dtype)
    args = [m.simplified(cast, (a, dtype), {}, a.shape, e.dtype) if is_bool(a) else a for a in e.args]
    return m.simplified(np.multiply, args, {}, e.shape, e.dtype)


@rewrite(RUNNING, where=lambda function: known(function).symmetric, exact=True)
def arguments_in_one_order(m: Rewriter, e: Expr) -> Expr:
    """f(a, b) = f(b, a), so that both are computed once; a number comes last. After this rule none is tried."""
    args = sorted(e.args, key=lambda a: (a.function is LITERAL, a.order))
    return m.call(e.function, args, e.options, e.shape, e.dtype)
