"""The derivatives: one line of plain NumPy per function and argument.

A derivative is written as in a textbook. For ``y = f(a, b)`` and a scalar ``J`` computed from ``y``,

    derivative(g, y, a, b) = Σ g · ∂y/∂a,    where g = dJ/dy,

the vector-Jacobian product of ``f`` with the cotangent ``g``. The line sees the result ``y`` and the arguments as they
were given, and keyword options by name. It may return an array of the *broadcast* shape: the reverse walk sums it back
to the argument's own shape.

The lines are plain NumPy, and Tensors speak NumPy's protocols: on arrays a line computes, on Tensors it records. Second
derivatives, drawn backward graphs, written derivations and compiled programs all come from this one table.

Conventions at points without a derivative are those of courses and PyTorch: abs'(0) = 0; maximum and minimum of two
differentiable operands share the gradient in halves at a tie; against a constant the differentiable operand gets 0 at a
tie, so that ``np.maximum(Z, 0)`` has the mask ``Z > 0``; a reduction (max, min) shares it evenly among tied entries.
"""

import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np

from .arrays import INTEGERS, Axis, Value
from .axes import count, from_rows, in_rows, inverse, kept_shape, slab
from .primitives import (
    cast,
    concatenate,
    detach,
    einsum,
    getitem,
    identity,
    nowhere_zero,
    others,
    ratio,
    scatter,
    stack,
)
from .rules import Derivative, Derivatives, Function, Rule, define, dispatching, same

Chooser = Callable[[tuple[Value, ...]], Derivatives]


def row(function: Function, *derivatives: Derivative | None, **facts: Any) -> None:
    """Write the row of a function whose derivatives do not depend on which operands are constant."""
    define(Rule(function, derivatives, **facts))


def each(derivative: Derivative) -> Chooser:
    """Return derivatives of any number of arrays; ``derivative(i, g, y, *arrays)`` serves the ``i``-th."""
    return lambda operands: tuple(functools.partial(derivative, i) for i in range(len(operands)))


def _first_only(derivative: Derivative) -> Chooser:
    """Return derivatives of a function through whose first argument alone a gradient passes."""
    return lambda operands: (derivative, *(None for _ in operands[1:]))


PARTS: dict[Function, tuple[Function, str | int]] = {}  # the function that each is a part of, and its name there


def part(
    function: Function, name: str | int, *derivatives: Derivative, implementation: Function | None = None
) -> Function:
    """Write the row of one of the results of a function, and return it as a function of its own.

    ``implementation`` computes all the results, where it is not the function itself.
    """
    get = operator.itemgetter(name) if isinstance(name, int) else operator.attrgetter(name)
    whole = implementation or function

    def computed(a: Value, **options: object) -> Value:
        return get(whole(a, **options))

    computed.__name__ = name if isinstance(name, str) else function.__name__
    recorded = dispatching(computed)
    row(recorded, *derivatives)
    PARTS[recorded] = function, name
    return recorded


# --- what several derivatives need ------------------------------------------------------------------------------------


def kept(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return the cotangent of a reduction of ``a`` in the shape that keepdims=True gives, which broadcasts to a's."""
    return g if axis is None or keepdims else g.reshape(kept_shape(a, axis))  # not where it has that shape already


def spread(g: Value, a: Value, axis: Axis, keepdims: bool) -> Value:
    """Give every entry of ``a`` the cotangent of the entry of the reduction that it went into."""
    return np.broadcast_to(kept(g, None, a, axis, keepdims), a.shape)


def _one(a: Value) -> Value:
    return a.dtype.type(1)


def _zero(a: Value) -> Value:
    return a.dtype.type(0)


def _finite(a: Value) -> Value:
    """Return a logarithm with 0 in place of -inf, so that what is 0 as a share of the sum 0 is 0, not NaN."""
    return np.where(a == -math.inf, _zero(a), a)


def swap(a: Value) -> Value:
    """Return the matrix transpose of a stack of matrices."""
    return np.swapaxes(a, -1, -2)


# --- elementwise ------------------------------------------------------------------------------------------------------

pointwise = functools.partial(row, pointwise=True)

# Operators are faster than their ufuncs on NumPy scalars, and the same on arrays.
pointwise(np.add, same, same, sign="+", symmetric=True, implementation=operator.add)
pointwise(np.subtract, same, lambda g, y, a, b: -g, sign="-", implementation=operator.sub)
pointwise(
    np.multiply,
    lambda g, y, a, b: g * b,
    lambda g, y, a, b: g * a,
    sign="*",
    linear=2,
    symmetric=True,
    implementation=operator.mul,
)
pointwise(
    np.divide,
    lambda g, y, a, b: g / b,
    lambda g, y, a, b: -g * y / b,
    sign="/",
    linear=1,
    implementation=operator.truediv,
)
pointwise(np.negative, lambda g, y, a: -g, sign="-", linear=1, implementation=operator.neg)
pointwise(np.positive, same, sign="+", linear=1, identity=True, implementation=operator.pos)
pointwise(np.conjugate, same, linear=1, identity=True)
pointwise(np.reciprocal, lambda g, y, a: -g * y * y)
pointwise(np.square, lambda g, y, a: 2 * g * a)
pointwise(np.sqrt, lambda g, y, a: 0.5 * g / y)
pointwise(np.cbrt, lambda g, y, a: g / (3 * y * y))
pointwise(np.absolute, lambda g, y, a: g * np.sign(a), implementation=abs)
pointwise(np.fabs, lambda g, y, a: g * np.sign(a))
pointwise(
    np.remainder, same, lambda g, y, a, b: -g * np.floor_divide(a, b), sign="%", jumps=True, implementation=operator.mod
)
pointwise(np.fmod, same, lambda g, y, a, b: -g * np.trunc(a / b), jumps=True)
pointwise(np.copysign, lambda g, y, a, b: g * np.sign(a) * np.copysign(_one(a), b), None, jumps=True)
pointwise(np.heaviside, None, lambda g, y, a, b: g * (a == 0), jumps=True)
pointwise(np.ldexp, lambda g, y, a, n: np.ldexp(g, n), None, linear=1)

pointwise(np.exp, lambda g, y, a: g * y)
pointwise(np.exp2, lambda g, y, a: g * y * math.log(2))
pointwise(np.expm1, lambda g, y, a: g * (y + 1))
pointwise(np.log, lambda g, y, a: g / a)
pointwise(np.log2, lambda g, y, a: g / (a * math.log(2)))
pointwise(np.log10, lambda g, y, a: g / (a * math.log(10)))
pointwise(np.log1p, lambda g, y, a: g / (1 + a))
for _logarithm, _exponential in ((np.logaddexp, np.exp), (np.logaddexp2, np.exp2)):
    pointwise(
        _logarithm,
        lambda g, y, a, b, exp=_exponential: g * exp(a - _finite(y)),
        lambda g, y, a, b, exp=_exponential: g * exp(b - _finite(y)),
        symmetric=True,
    )

pointwise(np.sin, lambda g, y, a: g * np.cos(a))
pointwise(np.cos, lambda g, y, a: -g * np.sin(a))
pointwise(np.tan, lambda g, y, a: g * (1 + y * y))
pointwise(np.arcsin, lambda g, y, a: g / np.sqrt(1 - a * a))
pointwise(np.arccos, lambda g, y, a: -g / np.sqrt(1 - a * a))
pointwise(np.arctan, lambda g, y, a: g / (1 + a * a))
pointwise(
    np.arctan2, lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b), jumps=True
)
pointwise(np.hypot, lambda g, y, a, b: g * ratio(a, y), lambda g, y, a, b: g * ratio(b, y), symmetric=True)
pointwise(np.sinh, lambda g, y, a: g * np.cosh(a))
pointwise(np.cosh, lambda g, y, a: g * np.sinh(a))
pointwise(np.tanh, lambda g, y, a: g * (1 - y * y))
pointwise(np.arcsinh, lambda g, y, a: g / np.sqrt(1 + a * a))
pointwise(np.arccosh, lambda g, y, a: g / np.sqrt(a * a - 1))
pointwise(np.arctanh, lambda g, y, a: g / (1 - a * a))
for _degrees in (np.degrees, np.rad2deg):
    pointwise(_degrees, lambda g, y, a: g * (180 / math.pi), linear=1)
for _radians in (np.radians, np.deg2rad):
    pointwise(_radians, lambda g, y, a: g * (math.pi / 180), linear=1)


def _power_base(g: Value, y: Value, a: Value, b: Value) -> Value:
    """Return g b aᵇ⁻¹, and 0 where b = 0, whatever a is: of a power that is no infinity there."""
    lowered = (b and b - 1) if isinstance(b, int | float) else np.where(b == 0, 1, b - 1)
    return g * b * np.power(a, lowered)


def _power_exponent(g: Value, y: Value, a: Value, b: Value) -> Value:
    """aᵇ ln a, and 0 where a = 0, the limit for b > 0."""
    return g * y * np.log(np.where(a == 0, 1, a))


pointwise(np.power, _power_base, _power_exponent, sign="**", implementation=operator.pow)
pointwise(np.float_power, _power_base, _power_exponent)


def _extremum(function: Function, wins: Derivative, ties: Derivative = np.equal) -> None:
    """Write the row of maximum or its kin: the winner takes the gradient, at a tie two operands take half each."""

    def of_both(g: Value, y: Value, mine: Value, other: Value) -> Value:
        return g * wins(mine, other) + 0.5 * g * ties(mine, other)

    both = (lambda g, y, a, b: of_both(g, y, a, b), lambda g, y, a, b: of_both(g, y, b, a))
    one = (lambda g, y, a, b: g * wins(a, b), lambda g, y, a, b: g * wins(b, a))

    def by_operands(operands: tuple[Value, ...]) -> Derivatives:
        a, b = operands
        return both if a is not None and b is not None and a.requires_grad and b.requires_grad else one

    define(Rule(function, by_operands, pointwise=True, symmetric=True))


_extremum(np.maximum, np.greater)
_extremum(np.minimum, np.less)
_extremum(np.fmax, lambda a, b: (a > b) | (np.isnan(b) & (a == a)), lambda a, b: (a == b) | ((a != a) & (b != b)))
_extremum(np.fmin, lambda a, b: (a < b) | (np.isnan(b) & (a == a)), lambda a, b: (a == b) | ((a != a) & (b != b)))

pointwise(
    np.where,
    None,
    lambda g, y, condition, a, b: np.where(condition, g, _zero(g)),
    lambda g, y, condition, a, b: np.where(condition, _zero(g), g),
)


# --- reductions -------------------------------------------------------------------------------------------------------


def _evenly(function: Function, repeated: Derivative, **facts: Any) -> None:
    """Row of a reduction that gives every entry the same cotangent: that of what it went into, times a number."""

    def derivative(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
        return np.broadcast_to(repeated(g, y, a, axis, keepdims), a.shape)

    row(function, derivative, repeated=repeated, linear=1, **facts)


def _kept_mean(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    n = max(count(a, axis), 1)
    part = g / n if n <= float(np.finfo(a.dtype).max) else g * (1 / n)  # float16 has no number above 65,504
    return kept(part, y, a, axis, keepdims)


def others_of_two(a: Value) -> Value:
    """For two different entries of the last axis the product of all but the two; for one twice 0."""
    one = np.eye(a.shape[-1], dtype=a.dtype)
    return others(np.where(one == 1, _one(a), a[..., None, :])) * (1 - one)


def _prod(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    return spread(g, a, axis, keepdims) * from_rows(others(in_rows(a, axis)), a, axis)


def _max(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    tied = a == spread(y, a, axis, keepdims)
    ones = np.where(tied, _one(a), _zero(a))  # none where y is NaN: 0 / 0 passes it on
    share = g / np.sum(ones, axis=axis, keepdims=keepdims)
    return spread(share, a, axis, keepdims) * ones


def _deviation(a: Value, axis: Axis) -> Value:
    return a - np.mean(a, axis=axis, keepdims=True)


def _var(g: Value, y: Value, a: Value, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Value:
    return spread(g * (2 / _freedom(a, axis, ddof)), a, axis, keepdims) * _deviation(a, axis)


def _std(g: Value, y: Value, a: Value, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Value:
    if count(a, axis) == 1:  # is 0 whatever the entry is
        return spread(0 * g / _freedom(a, axis, ddof), a, axis, keepdims)
    direction = ratio(_deviation(a, axis), kept(y, None, a, axis, keepdims))
    return spread(g / _freedom(a, axis, ddof), a, axis, keepdims) * direction


def _freedom(a: Value, axis: Axis, ddof: float) -> float:
    return max(count(a, axis) - ddof, 0) or math.nan


def _cumsum(g: Value, y: Value, a: Value, axis: int | None = None) -> Value:
    along = axis or 0
    return np.flip(np.cumsum(np.flip(g, along), axis=along), along).reshape(a.shape)


_add_reduce: Function = np.add.reduce

_evenly(
    np.sum,
    kept,
    reduces=np.add,
    implementation=lambda a, axis=None, keepdims=False: _add_reduce(a, axis, None, None, keepdims),
)
_evenly(np.mean, _kept_mean)
row(np.prod, _prod, reduces=np.multiply)
for _largest in (np.max, np.amax):
    row(_largest, _max, reduces=np.maximum)
for _smallest in (np.min, np.amin):
    row(_smallest, _max, reduces=np.minimum)
row(np.var, _var)
row(np.std, _std)
row(np.cumsum, _cumsum, linear=1)


# --- shapes -----------------------------------------------------------------------------------------------------------


_view = functools.partial(row, linear=1, view=True)

_view(np.reshape, lambda g, y, a, shape=None: g.reshape(a.shape), implementation=lambda a, shape: a.reshape(shape))
_view(np.ravel, lambda g, y, a: g.reshape(a.shape))
_view(np.squeeze, lambda g, y, a, axis=None: g.reshape(a.shape))
_view(np.expand_dims, lambda g, y, a, axis=None: g.reshape(a.shape))
_view(
    np.transpose,
    lambda g, y, a, axes=None: g.T if axes is None else np.transpose(g, inverse(axes, a.ndim)),
    implementation=lambda a, axes=None: a.transpose(axes),
)
_view(np.swapaxes, lambda g, y, a, axis1, axis2: np.swapaxes(g, axis1, axis2))
_view(np.moveaxis, lambda g, y, a, source, destination: np.moveaxis(g, destination, source))
_view(np.broadcast_to, lambda g, y, a, shape: g)


# --- primitives -------------------------------------------------------------------------------------------------------


def _joining(function: Function, places: Function) -> None:
    """Write the row of a function that joins arrays; ``places(y, arrays, axis)`` is where in y each of them stands."""

    def derivative(i: int, g: Value, y: Value, *arrays: Value, axis: int) -> Value:
        return slab(g, axis, places(y, arrays, axis)[i])

    def cotangents(g: Value, y: Value, *arrays: Value, axis: int) -> Value:
        return (slab(g, axis, place) for place in places(y, arrays, axis))

    define(Rule(function, each(derivative), cotangents=cotangents))


def _stretches(y: Value, arrays: Value, axis: int) -> list[slice]:
    ends = itertools.accumulate([a.shape[axis] for a in arrays], initial=0)
    return [slice(*pair) for pair in itertools.pairwise(ends)]


_AT_ZERO = (
    "a length or deviation that is 0 has no second derivative; its square has one: write np.sum(np.square(x)) for "
    "np.linalg.norm(x)**2, np.var(x) for np.std(x)**2"
)

row(identity, same, linear=1, identity=True)
row(detach, None, identity=True)
row(cast, same, None, linear=1)  # the walk gives the cotangent a's own dtype
row(others, lambda g, y, a: (g[..., None, :] @ others_of_two(a))[..., 0, :])
pointwise(nowhere_zero, same, linear=1)
pointwise(
    ratio,
    lambda g, y, a, b: g / nowhere_zero(b, undefined=_AT_ZERO),
    lambda g, y, a, b: -g * y / nowhere_zero(b, undefined=_AT_ZERO),
    linear=1,
)
_scattered = _first_only(lambda g, y, a, *index: scatter(g, *index, shape=a.shape))
define(Rule(getitem, _scattered, gaps=True, linear=1, view=True))
define(Rule(scatter, _first_only(lambda g, y, a, *index, shape: getitem(g, *index)), gaps=True, linear=1))
_joining(concatenate, _stretches)
_joining(stack, lambda y, arrays, axis: range(len(arrays)))


# --- products ---------------------------------------------------------------------------------------------------------


def matmul(a: Value, b: Value) -> Value:
    """Return ``a @ b`` of plain arrays; for two matrices ``dot`` is the shorter way to the same product in BLAS."""
    return a.dot(b) if type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2 else a @ b


def _matmul_left(g: Value, y: Value, a: Value, b: Value) -> Value:
    if a.ndim == b.ndim == 2:  # the general case holds of these too, but takes longer
        return matmul(g, b.T)
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    if a.ndim == 1:
        return (g[..., None, :] @ swap(b))[..., 0, :]
    return g @ swap(b)


def _matmul_right(g: Value, y: Value, a: Value, b: Value) -> Value:
    if a.ndim == b.ndim == 2:  # as above
        return matmul(a.T, g)
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (swap(a) @ g[..., None])[..., 0]
    return swap(a) @ g


def _contracted(a: Value, b: Value, axes: Value) -> tuple[list[int], list[int]]:
    """Return the axes of ``a`` and of ``b`` that a tensordot sums over, counted from 0."""
    if isinstance(axes, INTEGERS):
        return list(range(a.ndim - axes, a.ndim)), list(range(axes))
    of_a, of_b = ([axis] if isinstance(axis, INTEGERS) else list(axis) for axis in axes)
    return [i % a.ndim for i in of_a], [i % b.ndim for i in of_b]


def _free(a: Value, contracted: list[int]) -> list[int]:
    return [i for i in range(a.ndim) if i not in contracted]


def _tensordot_left(g: Value, y: Value, a: Value, b: Value, axes: Value = 2) -> Value:
    of_a, of_b = _contracted(a, b, axes)
    free_a, free_b = _free(a, of_a), _free(b, of_b)
    product = np.tensordot(g, b, axes=(list(range(len(free_a), g.ndim)), free_b))
    return np.transpose(product, inverse(free_a + [of_a[of_b.index(i)] for i in sorted(of_b)], a.ndim))


def _tensordot_right(g: Value, y: Value, a: Value, b: Value, axes: Value = 2) -> Value:
    of_a, of_b = _contracted(a, b, axes)
    free_a, free_b = _free(a, of_a), _free(b, of_b)
    product = np.tensordot(a, g, axes=(free_a, list(range(len(free_a)))))
    return np.transpose(product, inverse([of_b[of_a.index(i)] for i in sorted(of_a)] + free_b, b.ndim))


def _einsum_part(i: int, g: Value, y: Value, *arrays: Value, subscripts: str, **how: object) -> Value:
    """Return the cotangent takes the output's letters, the answer the argument's own.

    A letter that only this argument has, or has at its full size, was summed away: ones give it back. A letter that it
    has twice is a diagonal: an identity matrix puts the answer there.
    """
    inputs, output = subscripts.split("->")
    letters = inputs.split(",")
    terms = [output, *letters[:i], *letters[i + 1 :]]
    operands = [g, *arrays[:i], *arrays[i + 1 :]]
    wanted: list[str] = []
    for letter, n in zip(letters[i], arrays[i].shape, strict=True):
        if letter in wanted:
            fresh = next(c for c in ascii_letters if c not in subscripts and c not in wanted)
            terms.append(letter + fresh)
            operands.append(np.eye(n, dtype=arrays[i].dtype))
            wanted.append(fresh)
        else:
            sizes = [x.shape[term.index(letter)] for term, x in zip(terms, operands, strict=True) if letter in term]
            if max(sizes, default=-1) < n:  # nowhere else, or of size 1 there
                terms.append(letter)
                operands.append(np.ones(n, dtype=arrays[i].dtype))
            wanted.append(letter)
    return einsum(*operands, subscripts=f"{','.join(terms)}->{''.join(wanted)}", **how)


row(np.matmul, _matmul_left, _matmul_right, sign="@", linear=2, implementation=matmul)
row(np.tensordot, _tensordot_left, _tensordot_right, linear=2)
row(
    np.outer,
    lambda g, y, a, b: (g @ np.ravel(b)).reshape(a.shape),
    lambda g, y, a, b: (np.ravel(a) @ g).reshape(b.shape),
    linear=2,
)
define(Rule(einsum, each(_einsum_part), linear=sys.maxsize))


# --- non-differentiable functions -------------------------------------------------------------------------------------

# Their derivative is 0 wherever they have one: the result says nothing about a gradient, and is a plain array.
for _function in (
    *(np.sign, np.floor, np.ceil, np.rint, np.trunc, np.spacing, np.nextafter, np.signbit),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.isnan, np.isinf, np.isfinite),
    *(np.argmax, np.argmin, np.argsort, np.count_nonzero, np.searchsorted, np.round, np.around, np.fix),
    *(np.isclose, np.allclose, np.array_equal, np.array_equiv, np.isin, np.isneginf, np.isposinf, np.isreal),
    *(np.iscomplex, np.angle, np.gcd, np.lcm, np.bitwise_count, np.argpartition, np.digitize, np.nanargmax),
    *(np.nanargmin, np.histogram_bin_edges, np.linalg.matrix_rank),
):
    row(_function)
for _sign, _ufunc in {
    **{">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal},
    **{"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor, "~": np.invert, "//": np.floor_divide},
    **{"<<": np.left_shift, ">>": np.right_shift},
}.items():
    row(_ufunc, sign=_sign)
for _varying in (np.argwhere, np.nonzero, np.flatnonzero):
    row(_varying, varying_shape=True)
row(np.all, reduces=np.logical_and)
row(np.any, reduces=np.logical_or)
