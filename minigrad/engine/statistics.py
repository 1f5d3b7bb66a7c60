"""Order, statistics, differences, and sums along an axis, in terms of sorting and sums.

A quantile lies between two entries of the sorted array and its gradient passes to these two, as in JAX; equal entries
are told apart by their place. A NaN that a function leaves out gets no gradient.
"""

import functools
import math
from typing import Any

import numpy as np

from .arrays import Axis, Value
from .axes import axes_of, count, from_rows, in_rows, kept_shape, slab
from .composed import compose, concatenated
from .primitives import array, getitem, nowhere_zero, scatter, unique
from .rules import RULES, Function
from .vjps import row

# --- sorting ----------------------------------------------------------------------------------------------------------


def _sort(g: Value, y: Value, a: Value, axis: int | None = -1, kind: object = None, stable: object = None) -> Value:
    """Send each cotangent back to where its entry came from: the order of the order."""
    if axis is None:
        return _sort(g, y, np.ravel(a)).reshape(a.shape)
    order = np.argsort(a, axis=axis, kind="stable")
    return np.take_along_axis(g, np.argsort(order, axis=axis), axis)


def _unique(
    ar: Value,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **options: object,
) -> Value:
    """Take the values from where they first stand; all else that is asked for is plain."""
    index, asked = unique(ar, part=1, axis=axis, **options), (return_index, return_inverse, return_counts)
    values = np.ravel(ar)[index] if axis is None else slab(ar, axis, index)
    plain = [unique(ar, part=part, axis=axis, **options) for part, wanted in enumerate(asked, 1) if wanted]
    return (values, *plain) if plain else values


row(np.sort, _sort)
row(unique, varying_shape=True)


def _quantile(
    g: Value, y: Value, a: Value, q: Value, axis: Axis = None, method: Any = "linear", keepdims: bool = False
) -> Value:
    """Send the cotangents to the places in the sorted rows that each quantile lies between, and from there back."""
    rows = in_rows(a, axis)
    n, levels = rows.shape[-1], np.ravel(q)
    place = np.quantile(np.arange(n, dtype=float), levels, method=method)  # of the numbers 0 ... n - 1
    weights = np.maximum(1 - np.abs(place[:, None] - np.arange(n)), 0).astype(a.dtype)
    in_order = np.moveaxis(g.reshape((len(levels), *rows.shape[:-1])), 0, -1) @ weights
    order = np.argsort(np.argsort(rows, axis=-1, kind="stable"), axis=-1)
    return from_rows(np.take_along_axis(in_order, order, -1), a, axis)


def _nanquantile(a: Value, q: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    a, level = array(a), np.asarray(q, a.dtype if isinstance(q, int | float) else None)  # a number changes no dtype
    rows = np.sort(in_rows(a, axis), axis=-1)  # NaN last
    place = (np.sum(~np.isnan(rows), axis=-1, keepdims=True) - 1) * np.ravel(level)
    low, high = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    lower, upper = (np.take_along_axis(rows, at, -1) for at in (low, high))
    y = lower + (upper - lower) * (place - low).astype(np.result_type(a.dtype, level))
    kept = kept_shape(a, axis) if keepdims else rows.shape[:-1]
    return np.moveaxis(y, -1, 0).reshape((*level.shape, *kept))


def _hundredths(q: Value) -> Value:
    return q / 100 if isinstance(q, int | float) else np.true_divide(q, 100)  # a number stays one, of no dtype


def _median(g: Value, y: Value, a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    return _quantile(g, y, a, 0.5, axis) if a.size else np.zeros_like(a)


row(np.quantile, _quantile)
row(np.median, _median)
compose(
    {
        np.partition: lambda a, kth, axis=-1, kind="introselect": np.take_along_axis(
            a, np.argpartition(a, kth, axis=axis, kind=kind), axis
        ),
        np.percentile: lambda a, q, *args, **options: np.quantile(a, _hundredths(q), *args, **options),
        np.unique: _unique,
        np.nanquantile: _nanquantile,
        np.nanpercentile: lambda a, q, *args, **options: _nanquantile(a, _hundredths(q), *args, **options),
        np.nanmedian: lambda a, axis=None, keepdims=False: (
            _nanquantile(a, 0.5, axis, keepdims) if a.size else np.mean(a, axis=axis, keepdims=keepdims)
        ),
    }
)

# --- reductions with all of their options -----------------------------------------------------------------------------

# What stands for an entry that where= leaves out, and how initial= comes in.
_NEUTRAL: dict[Function, tuple[float, Function]] = {
    np.sum: (0, np.add),
    np.prod: (1, np.multiply),
    **dict.fromkeys((np.max, np.amax), (-math.inf, np.maximum)),
    **dict.fromkeys((np.min, np.amin), (math.inf, np.minimum)),
}


def _reduction(
    function: Function,
    a: Value,
    axis: Axis = None,
    dtype: object = None,
    keepdims: bool = False,
    initial: Value = None,
    where: Value = True,
) -> Value:
    a, (neutral, combine) = array(a, dtype), _NEUTRAL[function]
    if initial is not None and not count(a, axis):
        return np.sum(a, axis=axis, keepdims=keepdims) + initial
    if where is not True:
        a = np.where(np.broadcast_to(where, a.shape), a, neutral)
    y = function(a, axis=axis, keepdims=keepdims)
    return y if initial is None else combine(y, initial)


def _mean(a: Value, axis: Axis = None, dtype: object = None, keepdims: bool = False, where: Value = True) -> Value:
    a = array(a, dtype)
    if where is True:
        return np.mean(a, axis=axis, keepdims=keepdims)
    number = np.sum(np.broadcast_to(where, a.shape).astype(a.dtype), axis=axis, keepdims=keepdims)
    return np.sum(a, axis=axis, keepdims=keepdims, where=where) / number


def _spread(
    root: bool,
    a: Value,
    axis: Axis = None,
    dtype: object = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Value = True,
    mean: Value = None,
    correction: float | None = None,
) -> Value:
    """Return the variance or its root, the standard deviation, which has the derivative 0 at 0."""
    a, ddof = array(a, dtype), ddof if correction is None else correction
    if where is True and mean is None:
        return (np.std if root else np.var)(a, axis=axis, ddof=ddof, keepdims=keepdims)
    mean = _mean(a, axis, keepdims=True, where=where) if mean is None else mean
    number = np.sum(np.broadcast_to(where, a.shape).astype(a.dtype), axis=axis, keepdims=keepdims)
    deviation = np.where(where, a - mean, 0)
    v = np.sum(np.square(deviation), axis=axis, keepdims=keepdims) / np.maximum(number - ddof, 0)
    return np.where(v > 0, np.sqrt(np.where(v > 0, v, 1)), v) if root else v


def _average(
    a: Value, axis: Axis = None, weights: Value = None, returned: bool = False, keepdims: bool = False
) -> Value:
    a = array(a)
    if weights is None:
        y, total = np.mean(a, axis=axis, keepdims=keepdims), a.dtype.type(count(a, axis))
    else:
        w = array(weights)
        if w.shape != a.shape:  # one weight for each place along the axes, in their order
            axes = axes_of(a, axis)
            w = np.transpose(w, np.argsort(axes)).reshape([n if i in axes else 1 for i, n in enumerate(a.shape)])
        total = np.sum(np.broadcast_to(w, a.shape), axis=axis, keepdims=keepdims)
        total = nowhere_zero(total, undefined="an average with weights that add up to 0 has no value")
        y = np.sum(a * w, axis=axis, keepdims=keepdims) / total
    return (y, np.broadcast_to(total, y.shape)) if returned else y


def _without_nan(function: Function) -> Function:
    def lines(a: Value, *args: Value, where: Value = True, **options: object) -> Value:
        return function(a, *args, where=~np.isnan(a) & where, **options)

    return lines


def _extremum_without_nan(function: Function) -> Function:
    def lines(a: Value, axis: Axis = None, keepdims: bool = False, initial: Value = None, where: Value = True) -> Value:
        valid = ~np.isnan(a) & where
        y = _reduction(function, a, axis, keepdims=keepdims, initial=initial, where=valid)
        return np.where(np.any(valid, axis=axis, keepdims=keepdims), y, math.nan) if initial is None else y

    return lines


for _function in _NEUTRAL:
    RULES[_function].general = functools.partial(_reduction, _function)
RULES[np.mean].general = _mean
RULES[np.var].general, RULES[np.std].general = functools.partial(_spread, False), functools.partial(_spread, True)

compose(
    {
        np.ptp: lambda a, axis=None, **keepdims: np.max(a, axis, **keepdims) - np.min(a, axis, **keepdims),
        np.average: _average,
        **{getattr(np, f"nan{f.__name__}"): _without_nan(f) for f in (np.sum, np.prod, np.mean, np.var, np.std)},
        **{getattr(np, f"nan{f.__name__}"): _extremum_without_nan(f) for f in (np.max, np.min)},
    }
)

# --- covariance -------------------------------------------------------------------------------------------------------


def _cov(
    m: Value,
    y: Value = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Value = None,
    fweights: Value = None,
    aweights: Value = None,
    dtype: object = None,
) -> Value:
    dtype = dtype or np.promote_types(array(m).dtype, np.float64)
    x = np.atleast_2d(array(m, dtype))
    x = x if rowvar or np.ndim(m) < 2 else x.T
    if y is not None:
        other = np.atleast_2d(array(y, dtype))
        x = np.concatenate([x, other if rowvar or np.ndim(y) < 2 else other.T])
    ddof = (0 if bias else 1) if ddof is None else ddof
    f, w = (1 if fweights is None else array(fweights)), (1 if aweights is None else array(aweights))
    for given in (f, w):
        if np.ndim(given) and np.shape(given) != x.shape[1:]:
            raise ValueError(f"weights of shape {np.shape(given)} for {x.shape[1]} observations; give one for each")
    weights = f * w * np.ones(x.shape[1], x.dtype)
    total = np.sum(weights)
    lost = ddof * np.sum(weights * w) / total
    deviation = x - (np.sum(x * weights, axis=1) / total)[:, None]
    return np.squeeze((deviation * weights) @ deviation.T / np.maximum(total - lost, 0))


def _corrcoef(x: Value, y: Value = None, rowvar: bool = True, dtype: object = None) -> Value:
    c = _cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.diagonal(c))
    return c / deviation[:, None] / deviation


# --- differences and sums along an axis -------------------------------------------------------------------------------


def _ediff1d(ary: Value, to_end: Value = None, to_begin: Value = None) -> Value:
    differences = np.diff(np.ravel(ary))
    parts = [np.ravel(part) for part in (to_begin, differences, to_end) if part is not None]
    return concatenated(parts, dtype=differences.dtype)


def _gradient(f: Value, *varargs: Value, axis: Axis = None, edge_order: int = 1) -> Value:
    axes = axes_of(f, axis)
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"{len(spacings)} spacings for {len(axes)} axes; give one for all, or one for each")
    derivatives = tuple(_slope(f, i, spacing, edge_order) for i, spacing in zip(axes, spacings, strict=True))
    return derivatives[0] if len(axes) == 1 else derivatives


def _slope(f: Value, axis: int, spacing: Value, edge_order: int) -> Value:
    """Return the slope of a parabola through each entry and its neighbours; at the ends by two entries, or by three."""
    n = f.shape[axis]
    if n <= edge_order:
        raise ValueError(f"axis {axis} has {n} entries; edge_order={edge_order} takes {edge_order + 1}")
    f, h = np.moveaxis(f, axis, -1), np.diff(spacing) if np.ndim(spacing) else spacing * np.ones(n - 1)
    h = h.astype(f.dtype if f.dtype.kind == "f" else float)
    chord = (f[..., 1:] - f[..., :-1]) / h
    before, after = h[:-1], h[1:]
    inner = (chord[..., :-1] * after + chord[..., 1:] * before) / (before + after)
    first, last = chord[..., :1], chord[..., -1:]
    if edge_order == 2:
        bend = (chord[..., 1:] - chord[..., :-1]) / (before + after)
        first, last = first - bend[..., :1] * h[:1], last + bend[..., -1:] * h[-1:]
    return np.moveaxis(np.concatenate([first, inner, last], axis=-1), -1, axis)


def _interp(
    x: Value, xp: Value, fp: Value, left: Value = None, right: Value = None, period: float | None = None
) -> Value:
    x, xp, fp = array(x), array(xp), array(fp)
    if period is not None:
        x, xp = x % abs(period), xp % abs(period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(len(xp) - 2, 0))
    (x0, x1), (y0, y1) = ((getitem(p, i), getitem(p, np.minimum(i + 1, len(xp) - 1))) for p in (xp, fp))
    width = np.where(x1 == x0, 1, x1 - x0)  # of a single point, or of one given twice
    y = np.where(x1 == x0, y1, y0 + (x - x0) * (y1 - y0) / width)
    y = np.where(x < xp[0], fp[0] if left is None or period else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None or period else right, y)


def _shifted(a: Value, step: int, axis: int) -> Value:
    """Return ``a`` moved forward along an axis, zeros behind it."""
    return np.concatenate([slab(a, axis, slice(step, None)), np.zeros_like(slab(a, axis, slice(step)))], axis)


def _cumprod(g: Value, y: Value, a: Value, axis: int | None = None) -> Value:
    """Return the product before each entry times s, where sᵢ = gᵢ + aᵢ₊₁ sᵢ₊₁: no division, so zeros do no harm.

    The recurrence is solved for 1, 2, 4, ... steps at once.
    """
    if axis is None or a.ndim == 0:
        return _cumprod(g.reshape(-1), y.reshape(-1), a.reshape(-1), 0).reshape(a.shape)
    one, n = np.ones_like(slab(a, axis, slice(1))), a.shape[axis]
    factor, s, step = np.concatenate([slab(a, axis, slice(1, None)), one], axis), g, 1
    while step < n:
        ahead = [_shifted(x, step, axis) for x in (s, factor)]
        s, factor, step = s + factor * ahead[0], factor * ahead[1], 2 * step
    return np.concatenate([one, slab(y, axis, slice(-1))], axis) * s


row(np.cumprod, _cumprod)
for _function in (np.cumsum, np.cumprod):
    RULES[_function].general = lambda a, axis=None, dtype=None, f=_function: f(array(a, dtype), axis)


# --- counts -----------------------------------------------------------------------------------------------------------


def _bincount(x: Value, weights: Value = None, minlength: int = 0) -> Value:
    length = max(int(np.max(x, initial=-1)) + 1, minlength)
    return scatter(np.ones(np.shape(x), np.intp) if weights is None else array(weights, float), x, shape=(length,))


def _histogram(a: Value, bins: Value = 10, range: Value = None, density: Value = None, weights: Value = None) -> Value:
    """Add up the weights in each bin; the bins themselves are constants."""
    edges, x = np.histogram_bin_edges(a, bins, range), np.ravel(a)
    inside = np.flatnonzero((x >= edges[0]) & (x <= edges[-1]))
    bin_of = np.clip(np.searchsorted(edges, x[inside], side="right") - 1, 0, len(edges) - 2)
    w = np.ones(x.shape, np.intp) if weights is None else np.ravel(weights)
    counts = scatter(w[inside], bin_of, shape=(len(edges) - 1,))
    return counts / np.diff(edges) / np.sum(counts) if density else counts, edges


compose(
    {
        np.cov: _cov,
        np.corrcoef: _corrcoef,
        np.ediff1d: _ediff1d,
        np.gradient: _gradient,
        np.interp: _interp,
        np.nancumsum: lambda a, axis=None: np.cumsum(np.where(np.isnan(a), 0, a), axis),
        np.nancumprod: lambda a, axis=None: np.cumprod(np.where(np.isnan(a), 1, a), axis),
        np.bincount: _bincount,
        np.histogram: _histogram,
    }
)
