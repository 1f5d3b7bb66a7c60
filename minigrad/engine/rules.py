"""The derivative table: one line of plain NumPy per function and argument.

A derivative is written as in a textbook. For ``y = f(a, b)`` and a scalar ``J`` computed from ``y``,

    derivative(g, y, a, b) = Σ g · ∂y/∂a,    where g = dJ/dy,

the vector-Jacobian product of ``f`` with the cotangent ``g``. The line sees the result ``y`` and the arguments as they
were given, and keyword options by name. It may return an array of the *broadcast* shape: the engine sums it back to the
argument's own shape, here for every rule at once (``unbroadcast``).

The lines are plain NumPy, and Tensors speak NumPy's protocols: on arrays a line computes, on Tensors it records. Second
derivatives, drawn backward graphs, written derivations and compiled programs all come from this one table.

Conventions. A kink has the derivative that courses and PyTorch use: abs'(0) = 0; maximum and minimum of two
differentiable operands share the gradient in halves at a tie; against a constant the differentiable operand gets 0 at a
tie, so that ``np.maximum(Z, 0)`` has the mask ``Z > 0``; a reduction (max, min) shares it evenly among tied entries.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Derivative = Callable[..., Any]
Derivatives = tuple[Derivative | None, ...]

# function -> one derivative per argument (None: no path through that argument), or a function that chooses them by the
# operands (Tensors; None for a constant), or None for a function that is flat wherever it has a derivative at all.
RULES: dict[Callable[..., Any], Derivatives | Callable[[tuple[Any, ...]], Derivatives] | None] = {}

# The functions with a rule through some of whose arguments no gradient passes.
GAPS: set[Callable[..., Any]] = set()

# A cotangent that repeats itself can stay what it repeats (see reverse.walk). Derivative of a reduction -> the share
# that it repeats, ``share(g, a, **options)``; and the functions whose derivatives take such a share as it is.
SHARES: dict[Derivative, Derivative] = {}
POINTWISE: set[Callable[..., Any]] = set()

# function -> plain NumPy in terms of other functions, for what needs no rule of its own (see composed.py).
COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}

# ufunc -> how it is recorded, made at its first call on a Tensor and forgotten where its rule changes.
RECORDERS: dict[np.ufunc, Callable[..., Any]] = {}

# function -> the same function on arrays, without the cost of NumPy's Python-side conveniences.
IMPLEMENTATIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


def rule(function: Callable[..., Any], *derivatives: Derivative | None) -> Callable[..., Any]:
    """Teach minigrad the derivatives of a function.

    ``function`` is a ufunc (NumPy's or SciPy's), a NumPy function that dispatches on its arguments, or your own
    function from arrays to one array. ``derivatives[i](g, y, *args, **options)`` is the vector-Jacobian product for
    argument ``i``: ``g`` is the cotangent of the result ``y`` (same shape), and it returns an array of ``args[i]``'s
    shape, or of a shape that broadcasting made of it. Write it in NumPy, and it works for second derivatives too; what
    it is given it must not write to.
    ``None`` says that no gradient passes through that argument; a rule without derivatives says the function has none,
    and gives plain arrays.

    Returns the function to call: the same one, or for your own function its recording twin.

    >>> import numpy as np, minigrad as mg
    >>> softplus = mg.rule(lambda x: np.log1p(np.exp(x)), lambda g, y, x: g / (1 + np.exp(-x)))
    >>> x = mg.Tensor([0.0], name="x")
    >>> softplus(x).backward(np.array([1.0])); x.grad
    array([0.5])

    Raises TypeError where something is not callable.
    """
    for part in (function, *derivatives):
        if part is not None and not callable(part):
            raise TypeError(f"rule: {part!r} is not callable; give a function and one derivative per argument, or None")
    if not isinstance(function, np.ufunc | type(np.sum)):  # NumPy's own dispatch on their arguments already
        function = dispatching(function)
    RULES[function] = derivatives or None
    COMPOSED.pop(function, None)
    RECORDERS.pop(function, None)  # type: ignore[call-overload]
    POINTWISE.discard(function)
    if None in derivatives:
        GAPS.add(function)
    return function


def dispatching(implementation: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of our own ask its arguments for NumPy's ``__array_function__``, as NumPy's functions do."""

    @functools.wraps(implementation)
    def function(*args: Any, **options: Any) -> Any:
        for argument in args:
            kind = type(argument)
            if kind is not np.ndarray and hasattr(kind, "__array_function__"):
                return argument.__array_function__(function, (kind,), args, options)
        return implementation(*args, **options)

    IMPLEMENTATIONS[function] = implementation
    return function


def derivatives_of(function: Callable[..., Any], operands: tuple[Any, ...]) -> Derivatives:
    """The derivatives of a function in the table for these operands: one per argument, none for a flat function."""
    found = RULES[function]
    return found(operands) if callable(found) else found or ()


def _each(derivative: Derivative) -> Callable[[tuple[Any, ...]], Derivatives]:
    """Rule of a function of any number of arrays; ``derivative(i, g, y, *arrays)`` serves the ``i``-th."""
    return lambda operands: tuple(functools.partial(derivative, i) for i in range(len(operands)))


def same(g: Any, y: Any, *args: Any) -> Any:
    """The derivative 1: the cotangent passes as it is. (The walk knows it, to save the call.)"""
    return g


# --- what several derivatives need ------------------------------------------------------------------------------------


_add_reduce: Callable[..., Any] = np.add.reduce  # np.sum of an array, without the conveniences
BLAS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
LONGEST_SUM = 2**14  # terms that BLAS may add up in float32: it does not add in pairs, as NumPy does
_ONES = {dtype: np.ones((LONGEST_SUM, 1), dtype) for dtype in BLAS}


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which broadcasting repeated an array of ``shape``: the adjoint of broadcasting.

    Raises ValueError where broadcasting could not have made ``g``'s shape of ``shape``.
    """
    axes, ones = _repeated(shape, g.shape, g.dtype)
    if type(g) is not np.ndarray:
        total = np.sum(g, axis=axes, keepdims=True)
    else:
        total = g.dot(ones) if ones is not None else _add_reduce(g, axes, None, None, True)
    return total.reshape(shape) if g.ndim > len(shape) else total


@functools.lru_cache(maxsize=4096)
def _repeated(shape: tuple[int, ...], broadcast: tuple[int, ...], dtype: Any) -> tuple[tuple[int, ...], Any]:
    """The axes along which broadcasting repeated, and the ones that a matrix with repeated columns is summed by."""
    lead = len(broadcast) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, broadcast[lead:], strict=True)):
        raise ValueError(f"broadcasting does not make {broadcast} of {shape}")
    axes = (*range(lead), *(i for i, n in enumerate(shape, lead) if n != broadcast[i]))
    by_product = len(broadcast) == 2 and axes == (1,) and dtype in BLAS and broadcast[1] <= LONGEST_SUM
    return axes, _ONES[dtype][: broadcast[1]] if by_product else None


def _kept(g: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The cotangent of a reduction of ``a`` in the shape that it has with keepdims=True, which broadcasts to a's."""
    return g if axis is None or keepdims else g.reshape(_kept_shape(a, axis))


def _spread(g: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    """Give every entry of ``a`` the cotangent of the entry of the reduction that it went into."""
    return np.broadcast_to(_kept(g, a, axis, keepdims), a.shape)


def axes_of(a: Any, axis: Any) -> tuple[int, ...]:
    if axis is None or a.ndim == 0:  # NumPy takes the axes 0 and -1 of a number for none
        return tuple(range(a.ndim))
    return tuple(int(i) % a.ndim for i in (axis if isinstance(axis, tuple | list) else (axis,)))


def _kept_shape(a: Any, axis: Any) -> tuple[int, ...]:
    """Shape of a reduction of ``a`` over ``axis`` with keepdims=True."""
    reduced = axes_of(a, axis)
    return tuple(1 if i in reduced else n for i, n in enumerate(a.shape))


def _count(a: Any, axis: Any) -> int:
    return math.prod(a.shape[i] for i in axes_of(a, axis))


def _nonzero(a: Any) -> Any:
    """``a`` with 1 in place of 0: a safe divisor where the numerator is 0 too."""
    return np.where(a == 0, _one(a), a)


def _one(a: Any) -> Any:
    return a.dtype.type(1)


def _zero(a: Any) -> Any:
    return a.dtype.type(0)


def _swap(a: Any) -> Any:
    """The matrix transpose of a stack of matrices."""
    return np.swapaxes(a, -1, -2)


# --- elementwise ------------------------------------------------------------------------------------------------------

rule(np.add, same, same)
rule(np.subtract, same, lambda g, y, a, b: -g)
rule(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
rule(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
rule(np.negative, lambda g, y, a: -g)
rule(np.positive, same)
rule(np.conjugate, same)
rule(np.reciprocal, lambda g, y, a: -g * y * y)
rule(np.square, lambda g, y, a: 2 * g * a)
rule(np.sqrt, lambda g, y, a: 0.5 * g / y)
rule(np.cbrt, lambda g, y, a: g / (3 * y * y))
rule(np.absolute, lambda g, y, a: g * np.sign(a))
rule(np.fabs, lambda g, y, a: g * np.sign(a))
rule(np.remainder, same, lambda g, y, a, b: -g * np.floor_divide(a, b))
rule(np.fmod, same, lambda g, y, a, b: -g * np.trunc(a / b))
rule(np.copysign, lambda g, y, a, b: g * np.sign(a) * np.copysign(_one(a), b), None)
rule(np.heaviside, None, lambda g, y, a, b: g * (a == 0))
rule(np.ldexp, lambda g, y, a, n: np.ldexp(g, n), None)

rule(np.exp, lambda g, y, a: g * y)
rule(np.exp2, lambda g, y, a: g * y * math.log(2))
rule(np.expm1, lambda g, y, a: g * (y + 1))
rule(np.log, lambda g, y, a: g / a)
rule(np.log2, lambda g, y, a: g / (a * math.log(2)))
rule(np.log10, lambda g, y, a: g / (a * math.log(10)))
rule(np.log1p, lambda g, y, a: g / (1 + a))
rule(np.logaddexp, lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y))
rule(np.logaddexp2, lambda g, y, a, b: g * np.exp2(a - y), lambda g, y, a, b: g * np.exp2(b - y))

rule(np.sin, lambda g, y, a: g * np.cos(a))
rule(np.cos, lambda g, y, a: -g * np.sin(a))
rule(np.tan, lambda g, y, a: g * (1 + y * y))
rule(np.arcsin, lambda g, y, a: g / np.sqrt(1 - a * a))
rule(np.arccos, lambda g, y, a: -g / np.sqrt(1 - a * a))
rule(np.arctan, lambda g, y, a: g / (1 + a * a))
rule(np.arctan2, lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b))
rule(np.hypot, lambda g, y, a, b: g * (a / _nonzero(y)), lambda g, y, a, b: g * (b / _nonzero(y)))
rule(np.sinh, lambda g, y, a: g * np.cosh(a))
rule(np.cosh, lambda g, y, a: g * np.sinh(a))
rule(np.tanh, lambda g, y, a: g * (1 - y * y))
rule(np.arcsinh, lambda g, y, a: g / np.sqrt(1 + a * a))
rule(np.arccosh, lambda g, y, a: g / np.sqrt(a * a - 1))
rule(np.arctanh, lambda g, y, a: g / (1 - a * a))
for _degrees in (np.degrees, np.rad2deg):
    rule(_degrees, lambda g, y, a: g * (180 / math.pi))
for _radians in (np.radians, np.deg2rad):
    rule(_radians, lambda g, y, a: g * (math.pi / 180))


def _power_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    """b aᵇ⁻¹, and 0 where b = 0, whatever a is."""
    lowered = (b - 1 if b else 1) if isinstance(b, int | float) else np.where(b == 0, 1, b - 1)
    return g * b * np.power(a, lowered)


def _power_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """aᵇ ln a, and 0 where a = 0, the limit for b > 0."""
    return g * y * np.log(np.where(a == 0, 1, a))


for _power in (np.power, np.float_power):
    rule(_power, _power_base, _power_exponent)


def _extremum(function: Callable[..., Any], wins: Derivative) -> None:
    """maximum and its kin: the winner takes the gradient; at a tie two differentiable operands take half each."""

    def of_both(g: Any, y: Any, mine: Any, other: Any) -> Any:
        return g * wins(mine, other) + 0.5 * g * (mine == other)

    both = (lambda g, y, a, b: of_both(g, y, a, b), lambda g, y, a, b: of_both(g, y, b, a))
    one = (lambda g, y, a, b: g * wins(a, b), lambda g, y, a, b: g * wins(b, a))

    def by_operands(operands: tuple[Any, ...]) -> Derivatives:
        a, b = operands
        return both if a is not None and b is not None and a.requires_grad and b.requires_grad else one

    RULES[function] = by_operands


_extremum(np.maximum, lambda a, b: a > b)
_extremum(np.minimum, lambda a, b: a < b)
_extremum(np.fmax, lambda a, b: (a > b) | np.isnan(b))
_extremum(np.fmin, lambda a, b: (a < b) | np.isnan(b))

rule(
    np.where,
    None,
    lambda g, y, condition, a, b: np.where(condition, g, _zero(g)),
    lambda g, y, condition, a, b: np.where(condition, _zero(g), g),
)

POINTWISE.update(RULES)


# --- reductions -------------------------------------------------------------------------------------------------------


def _evenly(function: Callable[..., Any], share: Derivative) -> None:
    """Rule of a reduction that gives every entry the same share of the cotangent of what it went into."""

    def derivative(g: Any, y: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.broadcast_to(share(g, a, axis, keepdims), a.shape)

    SHARES[derivative] = share
    rule(function, derivative)


def _kept_mean(g: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _kept(g / max(_count(a, axis), 1), a, axis, keepdims)


def _product_of_others(a: Any) -> Any:
    """For every entry of the last axis the product of the others, exact where entries are 0 (no division).

    Pairs are multiplied, the pairs' others found in the same way, each half of a pair gets the other half: O(n).
    """
    n = a.shape[-1]
    if n < 2:
        return np.ones(a.shape, a.dtype)
    if n % 2:
        a = np.concatenate([a, np.ones((*a.shape[:-1], 1), a.dtype)], axis=-1)
    pairs = a.reshape((*a.shape[:-1], a.shape[-1] // 2, 2))
    left, right = pairs[..., 0], pairs[..., 1]
    others = _product_of_others(left * right)
    return np.stack([others * right, others * left], axis=-1).reshape(a.shape)[..., :n]


def _prod(g: Any, y: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    reduced = axes_of(a, axis)
    order = (*(i for i in range(a.ndim) if i not in reduced), *reduced)
    moved = np.transpose(a, order)
    rows = moved.reshape((*moved.shape[: a.ndim - len(reduced)], _count(a, axis)))
    others = np.transpose(_product_of_others(rows).reshape(moved.shape), tuple(int(i) for i in np.argsort(order)))
    return _spread(g, a, axis, keepdims) * others


def _max(g: Any, y: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    tied = a == _spread(y, a, axis, keepdims)
    share = g / np.sum(np.where(tied, _one(a), _zero(a)), axis=axis, keepdims=keepdims)
    return np.where(tied, _spread(share, a, axis, keepdims), _zero(a))


def _deviation(a: Any, axis: Any) -> Any:
    return a - np.mean(a, axis=axis, keepdims=True)


def _var(g: Any, y: Any, a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return _spread(g * (2 / _freedom(a, axis, ddof)), a, axis, keepdims) * _deviation(a, axis)


def _std(g: Any, y: Any, a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return _spread(g / (_freedom(a, axis, ddof) * _nonzero(y)), a, axis, keepdims) * _deviation(a, axis)


def _freedom(a: Any, axis: Any, ddof: float) -> float:
    return max(_count(a, axis) - ddof, 0) or math.nan


def _norm(g: Any, y: Any, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """a / ‖a‖₂, and 0 at a = 0, the subgradient of least norm."""
    return _spread(g / _nonzero(y), a, axis, keepdims) * a


def _cumsum(g: Any, y: Any, a: Any, axis: int | None = None) -> Any:
    along = axis or 0
    return np.flip(np.cumsum(np.flip(g, along), axis=along), along).reshape(a.shape)


_evenly(np.sum, _kept)
_evenly(np.mean, _kept_mean)
rule(np.prod, _prod)
for _reduction in (np.max, np.min, np.amax, np.amin):
    rule(_reduction, _max)
rule(np.var, _var)
rule(np.std, _std)
rule(np.linalg.norm, _norm)
rule(np.cumsum, _cumsum)

IMPLEMENTATIONS[np.sum] = lambda a, axis=None, keepdims=False: _add_reduce(a, axis, None, None, keepdims)


# --- shapes -----------------------------------------------------------------------------------------------------------


def _inverse(axes: Any, ndim: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort([axis % ndim for axis in axes]))


rule(np.reshape, lambda g, y, a, shape=None: g.reshape(a.shape))
rule(np.ravel, lambda g, y, a: g.reshape(a.shape))
rule(np.squeeze, lambda g, y, a, axis=None: g.reshape(a.shape))
rule(np.expand_dims, lambda g, y, a, axis=None: g.reshape(a.shape))
rule(np.transpose, lambda g, y, a, axes=None: g.T if axes is None else np.transpose(g, _inverse(axes, a.ndim)))
rule(np.swapaxes, lambda g, y, a, axis1, axis2: np.swapaxes(g, axis1, axis2))
rule(np.moveaxis, lambda g, y, a, source, destination: np.moveaxis(g, destination, source))
rule(np.broadcast_to, lambda g, y, a, shape: g)

IMPLEMENTATIONS[np.reshape] = lambda a, shape: a.reshape(shape)
IMPLEMENTATIONS[np.transpose] = lambda a, axes=None: a.transpose(axes)

# A cast is linear; the engine gives the cotangent the argument's own dtype.
cast = rule(lambda a, dtype: a.astype(dtype), same)
cast.__name__ = "cast"

# A node of its own for the same value.
identity = rule(lambda a: a, same)
identity.__name__ = "identity"

# The value goes on, the gradient does not. Only a traced program records it; elsewhere a detached Tensor is a new leaf.
detached = rule(lambda a: a, None)
detached.__name__ = "detach"


@dispatching
def getitem(a: Any, *index: Any) -> Any:
    return a[index]


@dispatching
def scatter(g: Any, *index: Any, shape: tuple[int, ...]) -> Any:
    """An array of zeros of ``shape`` in which ``g`` is added at ``index``: the adjoint of indexing."""
    out = np.zeros(shape, g.dtype)
    if any(isinstance(part, np.ndarray) for part in index):
        np.add.at(out, index, g)  # an entry taken twice gets both cotangents
    else:
        out[index] = g
    return out


def _first_only(derivative: Derivative) -> Callable[[tuple[Any, ...]], Derivatives]:
    return lambda operands: (derivative, *(None for _ in operands[1:]))


RULES[getitem] = _first_only(lambda g, y, a, *index: scatter(g, *index, shape=a.shape))
GAPS |= {getitem, scatter}
RULES[scatter] = _first_only(lambda g, y, a, *index, shape: getitem(g, *index))


@dispatching
def concatenate(*arrays: Any, axis: int = 0) -> Any:
    """np.concatenate, with the arrays as arguments of their own."""
    return np.concatenate(arrays, axis)


@dispatching
def stack(*arrays: Any, axis: int = 0) -> Any:
    """np.stack, with the arrays as arguments of their own."""
    return np.stack(arrays, axis)


def slab(g: Any, axis: int, part: Any) -> Any:
    return g[(slice(None),) * (axis % g.ndim) + (part,)]


def _concatenate_part(i: int, g: Any, y: Any, *arrays: Any, axis: int = 0) -> Any:
    start = sum(a.shape[axis] for a in arrays[:i])
    return slab(g, axis, slice(start, start + arrays[i].shape[axis]))


RULES[concatenate] = _each(_concatenate_part)
RULES[stack] = _each(lambda i, g, y, *arrays, axis=0: slab(g, axis, i))


# --- products ---------------------------------------------------------------------------------------------------------


def _matmul(a: Any, b: Any) -> Any:
    """a @ b; for two matrices ``dot`` is the shorter way to the same product in BLAS."""
    return a.dot(b) if type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2 else a @ b


def _matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return _matmul(g, b.T)
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    if a.ndim == 1:
        return (g[..., None, :] @ _swap(b))[..., 0, :]
    return g @ _swap(b)


def _matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return _matmul(a.T, g)
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (_swap(a) @ g[..., None])[..., 0]
    return _swap(a) @ g


def _contracted(a: Any, b: Any, axes: Any) -> tuple[list[int], list[int]]:
    """The axes of ``a`` and of ``b`` that a tensordot sums over, counted from 0."""
    if isinstance(axes, int | np.integer):
        return list(range(a.ndim - axes, a.ndim)), list(range(axes))
    of_a, of_b = ([axis] if isinstance(axis, int | np.integer) else list(axis) for axis in axes)
    return [i % a.ndim for i in of_a], [i % b.ndim for i in of_b]


def _free(a: Any, contracted: list[int]) -> list[int]:
    return [i for i in range(a.ndim) if i not in contracted]


def _tensordot_left(g: Any, y: Any, a: Any, b: Any, axes: Any = 2) -> Any:
    of_a, of_b = _contracted(a, b, axes)
    free_a, free_b = _free(a, of_a), _free(b, of_b)
    product = np.tensordot(g, b, axes=(list(range(len(free_a), g.ndim)), free_b))
    return np.transpose(product, _inverse(free_a + [of_a[of_b.index(i)] for i in sorted(of_b)], max(a.ndim, 1)))


def _tensordot_right(g: Any, y: Any, a: Any, b: Any, axes: Any = 2) -> Any:
    of_a, of_b = _contracted(a, b, axes)
    free_a, free_b = _free(a, of_a), _free(b, of_b)
    product = np.tensordot(a, g, axes=(free_a, list(range(len(free_a)))))
    return np.transpose(product, _inverse([of_b[of_a.index(i)] for i in sorted(of_a)] + free_b, max(b.ndim, 1)))


@dispatching
def einsum(*arrays: Any, subscripts: str, optimize: Any = False) -> Any:
    """np.einsum, with the arrays first and the subscripts written out (no ellipsis, no implied output)."""
    return np.einsum(subscripts, *arrays, optimize=optimize)


def _einsum_part(i: int, g: Any, y: Any, *arrays: Any, subscripts: str, optimize: Any = False) -> Any:
    """The cotangent takes the output's letters, the answer the argument's own.

    A letter that only this argument has was summed away: ones give it back. A letter that it has twice is a diagonal:
    an identity matrix puts the answer there.
    """
    inputs, output = subscripts.split("->")
    letters = inputs.split(",")
    terms = [output, *letters[:i], *letters[i + 1 :]]
    operands = [g, *arrays[:i], *arrays[i + 1 :]]
    wanted: list[str] = []
    for letter, n in zip(letters[i], arrays[i].shape, strict=True):
        if letter in wanted:
            fresh = next(c for c in LETTERS if c not in subscripts and c not in wanted)
            terms.append(letter + fresh)
            operands.append(np.eye(n, dtype=arrays[i].dtype))
            wanted.append(fresh)
        else:
            if not any(letter in term for term in terms):
                terms.append(letter)
                operands.append(np.ones(n, dtype=arrays[i].dtype))
            wanted.append(letter)
    return einsum(*operands, subscripts=f"{','.join(terms)}->{''.join(wanted)}", optimize=optimize)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

rule(np.matmul, _matmul_left, _matmul_right)
rule(np.tensordot, _tensordot_left, _tensordot_right)
rule(
    np.outer,
    lambda g, y, a, b: (g @ b.reshape(-1)).reshape(a.shape),
    lambda g, y, a, b: (a.reshape(-1) @ g).reshape(b.shape),
)
RULES[einsum] = _each(_einsum_part)

IMPLEMENTATIONS[np.matmul] = _matmul


# --- flat functions ---------------------------------------------------------------------------------------------------

# Flat wherever they have a derivative: the result says nothing about a gradient, and is a plain array.
for _flat in (
    *(np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.spacing, np.nextafter, np.signbit),
    *(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.isnan, np.isinf, np.isfinite),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift),
    *(np.argmax, np.argmin, np.argsort, np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero, np.searchsorted),
    *(np.any, np.all, np.round, np.around, np.fix, np.isclose, np.allclose, np.array_equal, np.unique),
):
    RULES[_flat] = None
