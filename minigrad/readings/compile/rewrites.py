"""The rewrite rules of programs that shall run fast: those of ``text.rewrites`` that are general, and those below."""

import functools
import math

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import cast
from minigrad.engine.reverse import MAX_BLAS_SUM
from minigrad.text.expressions import LITERAL, PRODUCT, Expr, evaluate, known
from minigrad.text.normal_form import Rewriter, is_bool, unbroadcast
from minigrad.text.rewrites import REWRITES, rewrite, summed_axes

RUNNING = [rule for rule in REWRITES if rule.general]
running = functools.partial(rewrite, rules=RUNNING)

# --- what need not be computed ----------------------------------------------------------------------------------------


@running(where=lambda function: known(function).identity, exact=True)
def an_identity_is_its_argument(m: Rewriter, e: Expr) -> Expr:
    """Rewrite +a as a, and so for the functions that change only what a gradient does."""
    return e.args[0]


@running(where=lambda function: function is not np.broadcast_to, exact=True)
def constants_are_folded(m: Rewriter, e: Expr) -> Expr | None:
    """Replace a call of numbers and constants by its result, where that is no larger than they are."""
    if any(a.function is not LITERAL and a not in m.constants for a in e.args):
        return None
    if math.prod(e.shape) > max(math.prod(a.shape) for a in e.args):
        return None
    result = evaluate(e, m.constants)
    return m.constant(result) if np.ndim(result) else m.literal(np.asarray(result)[()])


# --- factors that are numbers -----------------------------------------------------------------------------------------
# A product in normal form is a number times one expression: it costs nothing until the expression is needed as it is.
# Rules that are not exact are tried on results in float32 and float64 alone (see ``optimize``).


@running(np.multiply, np.divide)
def a_number_is_a_factor(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a · c and a / c as a number times a, for a number c that leaves the dtype of a as it is."""
    a, number = e.args
    if e.function is np.multiply and a.function is LITERAL:
        a, number = number, a
    if number.function is not LITERAL or number.value == 0 or a.dtype != e.dtype:
        return None
    c = float(number.value)
    if e.function is np.divide:
        c = 1 / c
    return _times_number(m, c, a, e) if m.may_gather(c * factor_of(a)[0]) else None


@running(np.negative)
def a_sign_is_a_factor(m: Rewriter, e: Expr) -> Expr:
    """Rewrite -a as -1 · a."""
    return _times_number(m, -1.0, e.args[0], e)


@running(np.multiply, np.divide)
def numbers_leave_products(m: Rewriter, e: Expr) -> Expr | None:
    """(c · a) (d · b) = c d · a b, and so for quotients; beside a number only a sign leaves."""
    if not _have_factors(e):
        return None
    (c, a), (d, b) = (factor_of(x) if m.may_leave(x, e) else (1.0, x) for x in e.args)
    factor = c * d if e.function is np.multiply else c / d
    if abs(factor) != 1 and any(x.function is LITERAL for x in e.args):
        return None
    if c == d == 1 or not m.may_gather(factor):
        return None
    return _times_number(m, factor, m.simplified(e.function, (a, b), e.options, e.shape, e.dtype), e)


@running(np.add, np.subtract)
def signs_and_factors_leave_sums(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite c · a ± c · b as c · (a ± b) for equal arrays of numbers; a sign chooses addition or subtraction."""
    if not _have_factors(e):
        return None
    (c, a), (d, b) = map(factor_of, e.args)
    alike = all((x.shape, x.dtype) == (e.shape, e.dtype) for x in (a, b))
    common = abs(c) if alike and abs(c) == abs(d) else 1.0  # neither c nor d is ever 0
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


def _have_factors(e: Expr) -> bool:
    return any([a.function is PRODUCT for a in e.args])


def factor_of(e: Expr) -> tuple[float, Expr]:
    """``e`` as a number, never 0, times an expression, where it is such a product."""
    return (float(e.terms[0][0]), e.args[0]) if e.function is PRODUCT else (1.0, e)


def _times_number(m: Rewriter, c: float, a: Expr, e: Expr) -> Expr:
    return a if c == 1 else m.product([(m.literal(c), 1), (a, 1)], e.shape, e.dtype)


# --- sums as products in BLAS -----------------------------------------------------------------------------------------


@running(np.mean)
def a_mean_is_a_sum(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a mean as a sum divided by its count."""
    (a,) = e.args
    count = math.prod(a.shape) // max(1, math.prod(e.shape))
    if a.dtype != e.dtype or not count:
        return None
    return _times_number(m, 1 / count, m.simplified(np.sum, e.args, e.options, e.shape, e.dtype), e)


@running(np.sum)
def a_sum_of_products_is_an_inner_product(m: Rewriter, e: Expr) -> Expr | None:
    """Σ a · b over all entries is the inner product of a and b."""
    (a,) = e.args
    if e.shape or a.function not in (np.square, np.multiply):
        return None
    factors = (*a.args, *a.args) if a.function is np.square else a.args
    if any((x.shape, x.dtype) != (a.shape, a.dtype) for x in factors):
        return None
    short = a.dtype == np.float64 or math.prod(a.shape) <= MAX_BLAS_SUM
    return m.call(np.vdot if short else inner, factors, {}, (), a.dtype)


@running(np.sum)
def a_sum_along_an_axis_is_a_product_with_ones(m: Rewriter, e: Expr) -> Expr | None:
    """Σ A = A @ 1 along the rows of a stored matrix, and 1 @ A along its columns, which BLAS adds up faster."""
    (a,), axes, keepdims = e.args, summed_axes(e), e.options.get("keepdims")
    if len(a.shape) != 2 or len(axes) != 1:
        return None
    (axis,) = axes
    n = a.shape[axis]
    if n > MAX_BLAS_SUM or unbroadcast(a) is not a:  # repeated entries it would have to copy
        return None
    if axis:
        args = (a, m.constant(np.ones((n, 1) if keepdims else n, e.dtype)))
    else:
        args = (m.constant(np.ones((1, n) if keepdims else n, e.dtype)), a)
    return m.call(np.matmul, args, {}, e.shape, e.dtype)


def inner(a: Value, b: Value) -> Value:
    """Σ a · b over all entries of two arrays of one shape and dtype, in pieces as long as float32 can add up well."""
    a, b = a.ravel(), b.ravel()
    shape = a.size // MAX_BLAS_SUM, MAX_BLAS_SUM
    n = math.prod(shape)
    return np.add.reduce(np.vecdot(a[:n].reshape(shape), b[:n].reshape(shape))) + np.dot(a[n:], b[n:])


# --- what is computed only once ---------------------------------------------------------------------------------------


@running(np.greater, np.less, exact=True)
def the_mask_of_a_kink_is_that_of_its_result(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite (a > b) as (max(a, b) > b), where the maximum is computed anyway; and so for a minimum."""
    kink = np.maximum if e.function is np.greater else np.minimum
    result = m.find(kink, e.args, {}, e.shape)
    return m.call(e.function, (result, e.args[1]), {}, e.shape, e.dtype) if result is not None else None


@running(np.multiply, exact=True)
def a_mask_is_cast_by_itself(m: Rewriter, e: Expr) -> Expr | None:
    """Rewrite a · mask as a · cast(mask): NumPy casts inside a product through a buffer, which takes twice as long."""
    if e.dtype.kind != "f" or not any(is_bool(a) and a.shape for a in e.args):
        return None
    dtype = m.literal(e.dtype)
    args = [m.simplified(cast, (a, dtype), {}, a.shape, e.dtype) if is_bool(a) else a for a in e.args]
    return m.simplified(np.multiply, args, {}, e.shape, e.dtype)


@running(where=lambda function: known(function).symmetric, exact=True)
def arguments_in_one_order(m: Rewriter, e: Expr) -> Expr:
    """f(a, b) = f(b, a), so that both are computed once; a number comes last. After this rule none is tried."""
    args = sorted(e.args, key=lambda a: (a.function is LITERAL, a.order))
    return m.call(e.function, args, e.options, e.shape, e.dtype)
