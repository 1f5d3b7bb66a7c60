"""The rewrite rules: named equations between expressions, each with its side conditions.

A rule is given a call, whose arguments are rewritten already, and returns an expression with the same value, or None
where it does not apply. By this list a line reads as one writes it by hand (``readings/derive/lines.py``); the
``general`` rules of it serve programs that shall run fast too (``readings/compile/rewrites.py``).
Products and sums as such are ``normal_form``'s: here is what leads to them, and what follows from them.

``exact`` rules leave every bit of a value as it is; the others agree to rounding, and may not be applied where a value
decides something (a comparison, a ``floor``, the condition of a choice).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import cast, getitem, scatter

from .expressions import LITERAL, PRODUCT, Expr, Shape, broadcast_shapes, known
from .normal_form import (
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


def deciding(function: Any, dtype: Any, operands: Sequence[Value]) -> list[Value]:
    """Return those operands at whose smallest change the result, of a ``dtype``, may jump.

    They are all of a comparison, and a number as the condition of a choice: it is true unless it is exactly 0.
    """
    found = [x for x in operands if x is not None]
    if known(function).jumps or (function is cast and dtype.kind != "f"):
        return found
    return [x for x in found if x is operands[0] and x.dtype.kind != "b"] if function is np.where else []


REWRITES: list[Rewrite] = []


def rewrite(
    *functions: Any,
    where: Callable[[Any], Any] | None = None,
    exact: bool = False,
    general: bool = False,
    rules: list[Rewrite] = REWRITES,
) -> Callable[[Apply], Rewrite]:
    """Enter a rule in a list, for calls of some functions, or of those ``where`` a condition holds."""

    def entered(apply: Apply) -> Rewrite:
        rules.append(Rewrite(apply.__name__, where or frozenset(functions).__contains__, apply, exact, general))
        return rules[-1]

    return entered


# --- repeated entries -------------------------------------------------------------------------------------------------


@rewrite(np.broadcast_to, exact=True, general=True)
def a_repeat_of_a_repeat(m: Rewriter, e: Expr) -> Expr | None:
    """Repeating what is repeated is one repetition, and to its own shape none."""
    bare = unbroadcast(e.args[0])
    return m.repeated(bare, e.shape) if bare is not e.args[0] or bare.shape == e.shape else None


@rewrite(where=lambda function: known(function).elementwise, exact=True, general=True)
def a_repeat_leaves_an_elementwise_function(m: Rewriter, e: Expr) -> Expr | None:
    """f(a repeated) = f(a) repeated, where other arguments do not give it the shape anyway."""
    if all([a.function is not np.broadcast_to for a in e.args]):
        return None
    bare = [unbroadcast(a) for a in e.args]
    shape = broadcast_shapes(tuple([a.shape for a in bare]))
    return m.repeated(m.simplified(e.function, bare, e.options, shape, e.dtype), e.shape)


@rewrite(*REARRANGING, getitem, exact=True, general=True)
def a_repeated_number_keeps_no_order(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a rearranged array of equal entries, or some entries of it, as one of another shape."""
    bare = unbroadcast(e.args[0])
    return m.repeated(bare, e.shape) if bare.shape == () else None


@rewrite(cast)
def a_number_needs_no_cast(m: Rewriter, e: Expr) -> Expr | None:
    """Drop the cast of a plain number to floating point, all but its shape: it takes the dtype of what it meets."""
    number = unbroadcast(e.args[0])
    return m.repeated(number, e.shape) if is_number(number) and e.dtype.kind == "f" else None


# --- sums and products ------------------------------------------------------------------------------------------------


@rewrite(np.add)
def a_sum_begins_with_its_first_summand(m: Rewriter, e: Expr) -> Expr | None:
    """0 + a = a, as Python's ``sum`` begins, where this leaves shape and dtype of a as they are."""
    zero, a = e.args
    return a if zero.value == 0 and (a.shape, a.dtype) == (e.shape, e.dtype) else None


@rewrite(*_SIGNS)
def like_terms_are_added(m: Rewriter, e: Expr) -> Expr:
    """Return a + b, a - b, -a and +a in normal form."""
    return m.total(zip(_SIGNS[e.function], e.args, strict=True), e.shape, e.dtype)


@rewrite(*_POWERS)
def factors_cancel(m: Rewriter, e: Expr) -> Expr:
    """Return a · b, a / b, a² and 1 / a in normal form."""
    return m.product(zip(e.args, _POWERS[e.function], strict=True), e.shape, e.dtype)


@rewrite(np.where)
def a_choice_of_zero_is_a_product(m: Rewriter, e: Expr) -> Expr | None:
    """where(mask, a, 0) = a · mask, for a number a: an array might be infinite where it is not chosen."""
    mask, a, other = e.args
    if not (is_bool(mask) and is_number(a) and is_number(other) and other.value == 0):
        return None
    return m.product([(a, 1), (mask, 1)], e.shape, e.dtype)


@rewrite(PRODUCT)
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


@rewrite(where=lambda function: known(function).linear and function not in (*_SIGNS, *_POWERS, cast), general=True)
def scalars_leave_linear_functions(m: Rewriter, e: Expr) -> Expr | None:
    """f(s · a) = s · f(a) for a scalar s and a linear f; a matrix product, say, is linear in both arguments."""
    scalars: list[tuple[Expr, int]] = []
    rests = list(e.args)
    for i in range(min(known(e.function).linear, len(e.args))):  # none of most functions: not to ask saves time
        if m.may_leave(e.args[i], e):
            outer, rests[i] = m.split(e.args[i], lambda base: base.shape == ())
            scalars += outer
    if not scalars:
        return None
    inner = m.simplified(e.function, rests, e.options, e.shape, e.dtype)
    return m.product([*scalars, (inner, 1)], e.shape, e.dtype)


@rewrite(np.sum)
def what_does_not_vary_leaves_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """Σ (a · b) = a · Σ b along axes along which a does not vary, where the sum keeps its dimensions."""
    (a,), axes = e.args, summed_axes(e)
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


@rewrite(np.sum)
def a_sum_of_equal_entries_is_a_count(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a = n · a along an axis of n entries along which a is repeated."""
    (a,), axes, keepdims = e.args, summed_axes(e), e.options.get("keepdims", False)
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


@rewrite(np.sum)
def a_sum_of_one_entry_is_the_entry(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a = a along axes of length 1, where the sum keeps its dimensions."""
    (a,), axes = e.args, summed_axes(e)
    alone = all(a.shape[i] == 1 for i in axes) and (e.options.get("keepdims") or not axes)
    return m.repeated(unbroadcast(a), e.shape) if alone else None


@rewrite(np.sum)
def shares_add_up_to_one(m: Rewriter, e: Expr) -> Expr | None:
    """Σ p = 1 along the axis of p = u / Σ u, as in a softmax."""
    definition = m.definitions.get(e.args[0])
    if definition is None:
        return None
    coefficient, factors = monomial(definition)
    if coefficient != 1 or len(factors) != 2:
        return None
    whole = next((base for base in factors if base.function is np.sum and factors[base] == -1), None)
    if whole is None or factors.get(whole.args[0]) != 1 or summed_axes(whole) != summed_axes(e):
        return None
    return m.number(1, e.shape, e.dtype) if whole.options.get("keepdims") or whole.shape == () else None


@rewrite(PRODUCT)
def as_many_means_as_entries_are_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite n · mean(a) as Σ a, for the mean of n entries, so that Σ (a - mean(a)) is seen to be 0."""
    coefficient, factors = monomial(e)
    for mean, power in factors.items():
        if mean.function is not np.mean or power != 1 or not mean.options.keys() <= {"axis", "keepdims"}:
            continue
        (a,) = mean.args
        count = math.prod(a.shape) // max(1, math.prod(mean.shape))
        if count and coefficient in (count, -count) and mean.dtype == a.dtype:
            total = m.simplified(np.sum, (a,), mean.options, mean.shape, mean.dtype)
            rest, sign = without(factors, {mean: 1}), m.literal(1 if coefficient > 0 else -1)
            return m.product([(sign, 1), (total, 1), *rest.items()], e.shape, e.dtype)
    return None


@rewrite(np.sum)
def sums_that_cancel(m: Rewriter, e: Expr) -> Expr | None:
    """Σ u · (a - b) = 0 where Σ u · a = Σ u · b."""
    (a,) = e.args
    _, factors = monomial(a)
    pairs = [base for base in factors if _is_pair(base)]
    if not e.options.get("keepdims") or len(pairs) != 1 or factors[pairs[0]] != 1:
        return None  # nothing leaves a sum that drops its axes, so none of these is seen to cancel
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


@rewrite(np.sum)
def axes_are_written_one_way(m: Rewriter, e: Expr) -> Expr:
    """Write a sum over all axes without axes, one over a single axis with its number, counted from the first."""
    axes, keepdims = summed_axes(e), bool(e.options.get("keepdims"))
    everything = len(axes) == len(e.args[0].shape) and not keepdims
    how: dict[str, Any] = {} if everything else {"axis": min(axes) if len(axes) == 1 else tuple(sorted(axes))}
    return m.call(np.sum, e.args, how | ({"keepdims": True} if keepdims else {}), e.shape, e.dtype)


def summed_axes(e: Expr) -> set[int]:
    """Return the axes that a sum is over."""
    count, axis = len(e.args[0].shape), e.options.get("axis")
    axes = range(count) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    return {i % count for i in axes} if count else set()


# --- transposes, shapes and indices -----------------------------------------------------------------------------------


@rewrite(np.swapaxes, exact=True)
def the_axes_of_a_matrix_swapped_are_a_transpose(m: Rewriter, e: Expr) -> Expr | None:
    """swapaxes(A, 0, 1) = Aᵀ for a matrix."""
    of_a_matrix = len(e.shape) == 2 and {i % 2 for i in e.options.values()} == {0, 1}
    return m.simplified(np.transpose, e.args, {}, e.shape, e.dtype) if of_a_matrix else None


@rewrite(np.transpose, exact=True, general=True)
def a_transpose_of_a_transpose(m: Rewriter, e: Expr) -> Expr | None:
    """(Aᵀ)ᵀ = A, and aᵀ = a for a vector; for transposes that turn all axes around."""
    (a,) = e.args
    if e.options or len(e.shape) < 2:
        return a if len(e.shape) < 2 else None
    return a.args[0] if a.function is np.transpose and not a.options else None


@rewrite(np.transpose, np.moveaxis, exact=True, general=True)
def axes_that_stay_where_they_are(m: Rewriter, e: Expr) -> Expr | None:
    """Drop a transpose to the order of axes that there is, and a move of axes to where they are."""
    before, after = e.options.get("axes", ()), range(len(e.shape))
    if e.function is np.moveaxis:
        before, after = e.options["source"], e.options["destination"]
    return e.args[0] if np.array_equal(before, after) else None


@rewrite(np.transpose)
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


@rewrite(*ORDER_KEEPING, exact=True, general=True)
def a_reshape_of_a_reshape(m: Rewriter, e: Expr) -> Expr | None:
    """Only the last of several reshapes counts, and one to the shape that was there before not at all."""
    (a,) = e.args
    while a.function in ORDER_KEEPING:
        a = a.args[0]
    if a.shape == e.shape:
        return a
    return None if a is e.args[0] else m.call(np.reshape, (a,), {"shape": e.shape}, e.shape, e.dtype)


@rewrite(scatter, exact=True, general=True)
def entries_put_back_in_order_are_reshaped(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite as many entries as there are places, added at slices and new axes, as a reshape."""
    g, *index = e.args
    if math.prod(g.shape) != math.prod(e.shape) or any(part.function is not LITERAL for part in index):
        return None
    backwards = any(isinstance(part.value, slice) and (part.value.step or 1) < 0 for part in index)
    if backwards or any(isinstance(part.value, list) for part in index):
        return None
    return m.simplified(np.reshape, (g,), {"shape": e.shape}, e.shape, e.dtype)


@rewrite(np.reshape, np.expand_dims, exact=True)
def leading_axes_of_length_1_come_by_broadcasting(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite the reshape of a vector to a row as a repeat, which products and sums need not write."""
    (a,) = e.args
    return m.repeated(a, e.shape) if a.shape and e.shape == _led(a.shape, len(e.shape)) != a.shape else None


@rewrite(np.reshape, np.squeeze)
def leading_axes_of_length_1_leave_a_product(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite the reshape of a product from a row to a vector as a product, where its factors need no reshape."""
    (a,) = e.args
    if a.function not in (PRODUCT, np.broadcast_to) or a.shape != _led(e.shape, len(a.shape)):
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


@rewrite(np.reshape)
def an_axis_that_is_kept_and_dropped(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a sum that keeps its dimensions, reshaped to the others, as a plain sum."""
    (a,) = e.args
    if a.function is not np.sum or not a.options.get("keepdims"):
        return None
    axes = summed_axes(a)
    if e.shape != tuple(n for i, n in enumerate(a.shape) if i not in axes):
        return None
    return m.simplified(np.sum, a.args, {"axis": tuple(sorted(axes))}, e.shape, e.dtype)


@rewrite(getitem, general=True)
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
