"""NumPy's functions of arrays, with their options: values, derivatives, and what the readings make of them.

Each call stands in a table with the shapes of its arguments x, y, z. Its values and dtypes are NumPy's, its derivatives
the differences', to second order; the program of its derivation and its compiled form give the same.
"""

import inspect

import numpy as np
import pytest
from measures import some_quick

import minigrad as mg

MASK = np.array([[True, False, True], [False, True, True]])
POINTS, KNOTS = np.array([0.2, 1.7, -1.0, 5.0, 2.5]), np.array([0.0, 1.0, 2.2, 3.0])
DATA = np.random.default_rng(1).normal(size=(2, 5))


def holes(x):
    """Put NaN at two places of an array of shape (2, 3)."""
    return np.where(np.array([[True, False, False], [False, True, False]]), np.nan, x)


SELECTION = {
    "np.roll(x, 1)": [(2, 3)],
    "np.roll(x, (1, -2), (0, -1))": [(2, 3)],
    "np.rot90(x)": [(2, 3)],
    "np.rot90(x, 3, (1, 2))": [(2, 3, 2)],
    "np.tril(x, 1)": [(3, 4)],
    "np.triu(x, k=-1)": [(2, 3, 4)],
    "np.tril(x)": [(3,)],
    "np.trace(x)": [(3, 3)],
    "np.trace(x, -1, axis1=-1, axis2=0)": [(3, 2, 4)],
    "np.trace(x, 1, 1, 0) * np.trace(x, 1, -2, -1)": [(3, 4)],
    "np.diag(x)": [(3,)],
    "np.diag(x, 1)": [(3, 3)],
    "np.diagonal(x, 1, -1, 0)": [(3, 2, 4)],
    "np.diagflat(x, -1)": [(2, 2)],
    "np.repeat(x, 2)": [(2, 2)],
    "np.repeat(x, [1, 0, 2], axis=1)": [(2, 3)],
    "np.tile(x, (2, 1, 2))": [(2, 2)],
    "np.tile(x, 2)": [()],
    "np.resize(x, (3, 3))": [(2, 2)],
    "np.lib.stride_tricks.sliding_window_view(x, 3)": [(6,)],
    "np.lib.stride_tricks.sliding_window_view(x, (2, 2))": [(3, 4)],
    "np.lib.stride_tricks.sliding_window_view(x, 2, axis=-1) * np.arange(2)": [(2, 3, 4)],
    "np.take(x, [0, 0, -1])": [(2, 3)],
    "np.take(x, 1, axis=-1)": [(2, 3)],
    "np.take(x, [[5, -7]], axis=1, mode='wrap')": [(2, 3)],
    "np.take(x, [[9, -7]], mode='clip')": [(2, 3)],
    "np.take_along_axis(x, np.argsort(x, 1), 1)": [(2, 3)],
    "np.take_along_axis(x, np.array([0, 0]), None)": [(2, 3)],
    "np.take_along_axis(x, np.array([[[0], [1]]]), axis=-2)": [(3, 2, 2)],
    "np.compress([True, False, True], x, axis=-1)": [(2, 3)],
    "np.extract(MASK, x)": [(2, 3)],
    "np.delete(x, 1, 1)": [(2, 3)],
    "np.delete(x, [1, 3])": [(2, 3)],
    "np.insert(x, 1, y, axis=0)": [(2, 3), (3,)],
    "np.insert(x, [1, 1], y, axis=1)": [(2, 3), (2, 2)],
    "np.insert(x, [0, 3], [7.0, 8.0])": [(2, 3)],
    "np.select([x > 0, x > -0.5], [x * y, y], x)": [(2, 3), (3,)],
    "np.select([x > 0], [x * y])": [(2, 3), (3,)],
    "np.choose(np.array([0, 1, 0]), [x, y])": [(2, 3), (3,)],
    "np.choose([4, -1, 2], (x, y), mode='wrap')": [(3,), ()],
    "np.choose([4, -1, 0], (x, y), mode='clip')": [(3,), (3,)],
    "np.fliplr(x) + np.flipud(x)": [(2, 3)],
    "np.rollaxis(x, -1) + np.rollaxis(x, 1, 3).sum()": [(2, 3, 4)],
    "np.rollaxis(x, 0, -1)": [(2, 3, 4)],
    "np.matrix_transpose(x)": [(2, 3, 4)],
    "np.apply_along_axis(np.sort, 0, x)": [(2, 3)],
    "np.apply_along_axis(lambda row: np.outer(row, row), 1, x)": [(2, 3, 2)],
    "np.apply_along_axis(np.sum, -1, x)": [(2, 0)],
    "np.reshape(x, (3, -1), order='F') * x.reshape(3, 2, order='F')": [(2, 3)],
    "np.ravel(x, 'F') * x.flatten(order='F')": [(2, 3, 2)],
    "np.transpose(x, 0) + x.transpose(-1)": [(3,)],
    "x[[]] + np.sum(x[:, []])": [(2, 0)],
    "np.outer(x, 2) + np.outer(0.5, x).T": [(3,)],
    "np.convolve(x, 2) + np.convolve(0.5, x)": [(3,)],
    "np.vander(x)": [(3,)],
    "np.vander(x, 4, increasing=True)": [(3,)],
    **{
        f"np.pad(x, {width}, {mode!r})": [(3, 4)]
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "maximum", "median")
        for width in (1, ((2, 1), (0, 2)))
    },
    "np.pad(x, 1)": [()],
    "np.pad(x, 4, 'reflect')": [(3, 2)],
    "np.pad(x, (1, 2), constant_values=((1, 2), (3, 4)))": [(2, 2)],
    "np.pad(x, 2, 'linear_ramp', end_values=((1, 2), (3, 4)))": [(2, 2)],
    "np.pad(x, 2, 'minimum', stat_length=2)": [(4, 3)],
}
JOINING = {
    **{
        f"np.{function}([x, y])  # {shapes[0]}": shapes
        for function in ("vstack", "hstack", "dstack", "column_stack")
        for shapes in ([(3,), (3,)], [(2, 3), (2, 3)], [(), ()])
    },
    **{f"np.{function}([[1.0, 2.0], x])": [(2,)] for function in ("vstack", "hstack", "dstack", "column_stack")},
    **{f"np.{function}(x)": [(2, 3)] for function in ("vstack", "hstack", "concatenate", "stack")},
    **{f"np.atleast_{n}d(x)  # {shape}": [shape] for n in (1, 2, 3) for shape in ((), (3,), (2, 3), (1, 2, 3))},
    "np.atleast_2d(x, y)": [(), (2,)],
    "np.append(x, y)": [(2, 3), (2,)],
    "np.append(x, y, axis=-1)": [(2, 3), (2, 1)],
    "np.append(x, 5.0)": [()],
    "np.stack([x, y], dtype=np.float64)": [(2,), (2,)],
    "np.concatenate([x, y], dtype=np.float64)": [(2,), (3,)],
    "np.block([[x, y], [y.T, 2 * np.eye(1)]])": [(2, 2), (2, 1)],
    "np.block([1.0, x, y])": [(), (3,)],
    "np.block([[x], [x]])": [(2, 3)],
    "np.block([[x], [y]])": [(3,), (3,)],
    "np.hsplit(x, 3)": [(2, 3)],
    "np.hsplit(x, [1])": [(3,)],
    "np.vsplit(x, 2)": [(2, 3)],
    "np.dsplit(x, 2)": [(2, 3, 2)],
    "np.array_split(x, 2, axis=-1)": [(2, 3)],
    "np.broadcast_arrays(x, y, 1.0)": [(2, 1), (3,)],
    "np.meshgrid(x, y)": [(2,), (3,)],
    "np.meshgrid(x, y, z, indexing='ij')": [(2,), (3,), ()],
    "np.meshgrid(x, y, sparse=True)": [(2,), (3,)],
    "np.kron(x, y)": [(2, 3), (2, 2)],
    "np.kron(y, x)": [(3,), (2, 2)],
    "np.kron([[1.0, 2.0]], x)": [(2, 2)],
}
ORDER = {
    "np.sort(x)": [(2, 4)],
    "np.sort(x, axis=0, kind='stable')": [(4, 2)],
    "np.sort(x, axis=None)": [(4, 2)],
    "np.sort(np.partition(x, 2))": [(5,)],
    "np.partition(x, 1, axis=0)[1]": [(5, 2)],
    **{
        f"np.{call}{options}": [shape]
        for call in ("median(x", "quantile(x, 0.3", "percentile(x, [[10, 20.0], [50, 100]]", "nanmedian(x", "ptp(x")
        for shape, options in (
            ((5,), ")"),
            ((4, 3), ", axis=0)"),
            ((3, 2), ", axis=(1, 0))"),
            ((2, 3, 2), ", axis=(0, -1), keepdims=True)"),
        )
    },
    **{
        f"np.quantile(x, [0.1, 0.5, 0.77], method={method!r})": [(7,)]
        for method in (
            *("inverted_cdf", "averaged_inverted_cdf", "hazen", "weibull", "median_unbiased"),
            *("lower", "higher", "midpoint", "nearest", "closest_observation"),
        )
    },
}
STATISTICS = {
    **{
        f"np.{function}(x, {options})": [(2, 3)]
        for function, every in {
            "sum": ("initial=0.3", "initial=0.3, where=MASK, axis=0", "dtype=np.float64, axis=(0, 1)"),
            "prod": ("where=MASK", "axis=-1, initial=2.0, keepdims=True"),
            "max": ("initial=0.3, where=MASK", "initial=0.3, axis=1"),
            "min": ("initial=0.3, where=MASK, axis=0",),
            "mean": ("where=MASK, axis=1, keepdims=True", "dtype=np.float64"),
            "var": ("where=MASK, axis=1", "correction=1", "mean=np.mean(x), dtype=np.float64"),
            "std": ("where=MASK, axis=1, ddof=0.5", "correction=1, axis=0"),
        }.items()
        for options in every
    },
    "np.max(x, initial=1.0, axis=0)": [(0, 2)],
    "np.sum(x, where=x > 0, initial=2)": [()],
    "x.sum(where=MASK) * x.mean(axis=0, where=MASK[:, :1])": [(2, 3)],
    "np.average(x)": [(3,)],
    "np.average(x, axis=1, weights=y**2 + 1)": [(2, 3), (3,)],
    "np.average(x, axis=(2, 0), weights=y**2 + 1)": [(2, 3, 4), (4, 2)],
    "np.average(x, axis=0, weights=y**2 + 1, keepdims=True, returned=True)": [(2, 3), (2, 3)],
    "np.std(x)": [()],
    "np.std(x, axis=0)": [(1, 3)],
    "np.cov(x)": [(2, 4)],
    "np.cov(x, y)": [(4,), (4,)],
    "np.cov(x[:2], x)": [(3, 4)],
    "np.cov(x, rowvar=False, bias=True)": [(4, 2)],
    "np.cov(x, rowvar=False)": [(4,)],
    "np.cov(x, y, rowvar=False)": [(4, 2), (4,)],
    "np.cov(x, ddof=0, fweights=[1, 2, 1, 3], aweights=[0.5, 1, 1, 2])": [(2, 4)],
    "np.cov(x, aweights=[0.5, 1, 1, 2])": [(2, 4)],
    "np.cov(x, aweights=[0.1, 0.2, 0.1, 0.2])": [(2, 4)],
    "np.corrcoef(x)": [(3, 5)],
    "np.corrcoef(x, y)": [(5,), (5,)],
    **{
        f"np.nan{function}(holes(x){options})": [(2, 3)]
        for function in ("sum", "prod", "mean", "var", "std", "max", "min", "median")
        for options in ("", ", axis=1, keepdims=True")
    },
    "np.nanquantile(holes(x), [0.2, 0.7], axis=1)": [(2, 3)],
    "np.nanquantile(x, [0.2, 0.7], axis=1)": [(2, 4, 3)],
    "np.nanmax(np.where([[True], [False]], x, np.nan), axis=1, initial=-9.0)": [(2, 3)],
    "np.var(x, mean=np.full((1, 1), 0.3))": [(2, 3)],
    "np.var(x, mean=np.full((2, 1), 0.3), axis=1, where=MASK, ddof=1)": [(2, 3)],
    "np.nanpercentile(holes(x), 30)": [(2, 3)],
    "np.nancumsum(holes(x), 1) + np.nancumprod(holes(x), 1)": [(2, 3)],
    "np.bincount([0, 2, 2, 1], x)": [(4,)],
    "np.bincount([0, 2, 2, 1], weights=x, minlength=6)": [(4,)],
    "np.histogram(DATA, 4, weights=x)[0]": [(2, 5)],
    "np.histogram(DATA, bins=[-1, 0, 0.5, 1], weights=x**2, density=True)[0]": [(2, 5)],
    "np.histogram(DATA, range=(-1, 1), weights=x)[0]": [(2, 5)],
}
ALONG_AN_AXIS = {
    **{
        f"np.einsum({subscripts!r}, x, y)": [(2, 3), (1, 3)]
        for subscripts in ("ij,ij->", "ij,ij->j", "ij,ij->ij", "ij,ij", "ij,kj->ik")
    },
    "np.einsum(x, [0, 1], y, [2, 1], [0, 2])": [(2, 3), (1, 3)],
    "np.einsum(x, [0, 1], y, [2, 1], [2, 0])": [(2, 3), (1, 3)],
    "np.einsum('...i,i->...', x, y)": [(3,), (3,)],
    "np.einsum('...a,ab->...b', x, y)": [(2, 3), (3, 2)],
    "np.einsum(x, [0, 0])": [(3, 3)],
    "np.einsum(x, [..., 0, 1], y, [..., 1, 30], [..., 0, 30])": [(2, 2, 3), (3, 2)],
    "np.cumsum(x, dtype=np.float64)": [(2, 3)],
    "np.cumprod(x)": [(2, 3)],
    "np.cumprod(x, axis=-1, dtype=np.float64)": [(2, 5)],
    "np.cumprod(x * [1, 0, 1, 0, 1])": [(5,)],
    "np.cumprod(x, 0)": [(0, 2)],
    "x.cumprod(0)": [()],
    "np.diff(x)": [(2, 4)],
    "np.diff(x, 2, axis=0)": [(4, 2)],
    "np.diff(x, n=5)": [(3,)],
    "np.diff(x, prepend=0, append=y)": [(2, 3), (2, 2)],
    "np.ediff1d(x, to_end=[1.0, 2.0], to_begin=0.0)": [(2, 3)],
    "np.gradient(x)": [(3, 4)],
    "np.gradient(x, 2.0, axis=1, edge_order=2)": [(3, 5)],
    "np.gradient(x, [0.0, 1.0, 3.0, 3.5], edge_order=2)": [(4,)],
    "np.gradient(x, 0.5, [0, 1.0, 4.0, 5.0])": [(3, 4)],
    "np.gradient(x, axis=(-1, 0))": [(2, 3)],
    "np.gradient(x, 2.0)": [(2, 3)],
    "np.trapezoid(x)": [(4,)],
    "np.trapezoid(x, y)": [(2, 4), (4,)],
    "np.trapezoid(x, y, axis=0)": [(4, 2), (4,)],
    "np.trapezoid(x, np.sort(y, axis=0), axis=0)": [(4, 2), (4, 2)],
    "np.trapezoid(x, dx=0.3, axis=0)": [(4, 2)],
    "np.interp(POINTS, KNOTS, x)": [(4,)],
    "np.interp(x, KNOTS, y, left=-1.0, right=2.0)": [(6,), (4,)],
    "np.interp(POINTS, KNOTS, x, period=4.0)": [(4,)],
    "np.interp(0.7, KNOTS, x)": [(4,)],
    "np.interp([0.0, 3.0], KNOTS, x, left=-1.0, right=2.0)": [(4,)],
    "np.interp([0.0, 1.0, 2.0], [1.0], x)": [(1,)],
    "np.interp([0.5, 1.0, 2.0], [0.0, 1.0, 1.0, 2.0, 2.0], x)": [(5,)],  # jumps inside and at the end
    "np.linspace(x, y, 5)": [(2,), ()],
    "np.linspace(x, y) + np.logspace(x, y)": [(), ()],
    "np.geomspace(np.exp(x), np.exp(y))": [(2,), (2,)],
    "np.geomspace(-np.exp(x), [-1.0, -5.0], 3, axis=1) * np.logspace(x, 1, 3, axis=1, dtype=np.float64)": [(2,)],
    "np.linspace(x, y, 3, dtype=np.float64)": [(2,), (2,)],
    "np.linspace(x, y, 2) * np.linspace(x, y, 1)": [(), ()],
    "np.apply_over_axes(np.sum, x, [0, 2])": [(2, 3, 2)],
    "np.apply_over_axes(np.cumsum, x, [0, 1])": [(2, 3)],
    "np.apply_over_axes(lambda a, axis: np.sum(a, axis, keepdims=True), x, 0)": [(2, 3)],
    "np.linspace(x, 3, 4, endpoint=False, axis=-1, retstep=True)": [(2,)],
    "np.logspace(x, 2.0, 3, base=2.0)": [()],
    "np.geomspace(np.exp(x), 8.0, 4)": [(2,)],
}
POLYNOMIALS = {
    **{
        f"np.{function}(x, y, {mode!r})  # {n}, {m}": [(n,), (m,)]
        for function in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
        for n, m in ((5, 3), (3, 5), (5, 2), (2, 5), (4, 4))
    },
    "np.correlate(x, [1.0, 2.0])": [(3,)],
    "np.convolve(x, y)": [(), ()],
    "np.polyval(x, y)": [(4,), (2, 3)],
    "np.polyval([1, 2, 3], x)": [(2,)],
    "np.polyadd(x, y) + np.polysub(y, x)": [(3,), (2,)],
    "np.polymul(x, y)": [(2,), (3,)],
    "np.poly(x)": [(3,)],
    "np.polyder(x, 2)": [(4,)],
    "np.polyder(x)": [(4,)],
    "np.polyint(x)": [(3,)],
    "np.polyint(x, 2, 3.0) * np.polyint(x, 2, None)": [(3,)],
    "np.polyint(x, 2, [1.0, 2.0])": [(3,)],
    "np.polyfit(np.arange(5.0), x, 2)": [(5,)],
    "np.polyfit(np.arange(5.0), x, 2, w=[1, 2, 3, 2, 1.0])": [(5, 2)],
}
METHODS_OF_UFUNCS = {
    f"np.{ufunc}.{call}": shapes
    for ufunc in ("add", "multiply", "maximum", "fmin", "logaddexp", "hypot", "subtract", "divide")
    for call, shapes in {
        "reduce(x)": [(3, 2)],
        "reduce(x, axis=-1, keepdims=True)": [(2, 5)],
        "accumulate(x)": [(6,)],
        "accumulate(x, axis=1)": [(2, 5)],
        "outer(x, y)": [(2,), (2, 2)],
        "reduceat(x, [0, 3, 1, 2])": [(5,)],
    }.items()
} | {
    "np.logaddexp.reduce(x, axis=(0, 2))": [(2, 3, 2)],
    "np.logaddexp.reduce(x, axis=None)": [(2, 3)],
    "np.subtract.reduce(x, initial=0.7)": [(3, 2)],
    "np.add.reduce(x, 1, np.float64, None, True, 1.0)": [(2, 3)],
    "np.add.reduceat(x, [0, 2], axis=-1)": [(2, 4)],
    "np.add(x, 1, dtype=np.float64)": [(2,)],
    "np.vecdot(x, y, axis=0) + np.vdot(x, y)": [(2, 3), (2, 3)],
    "np.vecdot(x, y, axis=1)": [(2, 3, 4), (2, 3, 4)],
    "np.vecdot(x, y)": [(2, 3, 4), (4,)],
    "np.dot(x, y)": [(2,), ()],
    "np.inner(x, y)": [(2,), ()],
    "np.divmod(9 * x, 0.7)": [(4,)],
    "np.modf(9 * x)": [(4,)],
}
CALLS = SELECTION | JOINING | ORDER | STATISTICS | ALONG_AN_AXIS | POLYNOMIALS | METHODS_OF_UFUNCS
if hasattr(np, "unstack"):  # NumPy 2.1
    CALLS |= {
        "np.unstack(x, axis=-1)": [(2, 3)],
        "np.cumulative_sum(x, axis=1, include_initial=True)": [(2, 3)],
        "np.cumulative_sum(x, axis=0, include_initial=True)": [(0, 2)],
        "np.cumulative_prod(x)": [()],
        "np.clip(x, min=-0.3, max=0.4)": [(2, 4)],
        "np.clip(x, max=0.4)": [(2, 4)],
    }
if hasattr(np, "matvec"):  # NumPy 2.2
    CALLS |= {"np.matvec(x, y)": [(2, 4, 3), (3,)], "np.vecmat(x, y)": [(3,), (2, 3, 4)]}
UNCOMPILED = {  # a shape that depends on values; a constant
    "np.unique(x)": [(3, 2)],
    "np.unique(x, return_index=True)[0]": [(3, 2)],
    "np.unique(x, axis=0)": [(3, 2)],
    "np.extract(x > 0, x)": [(2, 3)],
    **{f"np.trim_zeros(np.concatenate([[0.0], x, [0.0, 0.0]]), {trim!r})": [(3,)] for trim in ("fb", "F", "b")},
    "np.trim_zeros(0 * x)": [(3,)],
    "np.union1d(x, [0.0, 1.0])": [(3,)],
    "np.intersect1d(np.append(x, 1.0), [0.0, 1.0])": [(2,)],
    "np.setdiff1d(x, [1.0, 2.0])": [(3,)],
    "np.logaddexp.reduce(x)": [(0, 2)],
}


def function_of(call):
    return eval(f"lambda x, y=None, z=None: {call}", globals())


def arrays_of(result):
    return list(result) if isinstance(result, list | tuple) else [result]


@pytest.mark.parametrize(("call", "shapes"), some_quick((CALLS | UNCOMPILED).items()), ids=str)
def test_values_dtypes_and_derivatives(call, shapes, rng):
    f, args = function_of(call), [rng.normal(size=shape) for shape in shapes]
    for dtype, rtol in ((np.float32, 1e-4), (np.float64, 1e-10)):
        cast = [x.astype(dtype) for x in args]
        results = [arrays_of(f(*cast)), arrays_of(f(*map(mg.Tensor, cast)))]
        assert isinstance(f(*cast), tuple) == isinstance(f(*map(mg.Tensor, cast)), tuple)
        for expected, y in zip(*results, strict=True):
            value = y.data if isinstance(y, mg.Tensor) else y
            assert (value.shape, value.dtype) == (np.shape(expected), expected.dtype)
            np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol * 0.1)
    mg.check_grads(f, args)

    def weighted(*args):
        return sum(np.sum(y * np.arange(1.0, y.size + 1).reshape(y.shape)) for y in arrays_of(f(*args)))

    slopes = mg.grad(weighted, range(len(args)))
    strided = [np.asfortranarray(np.repeat(x, 2, axis=-1))[..., ::2] if x.ndim else x for x in args]
    for found, wanted in zip(slopes(*strided), slopes(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "shapes"), CALLS.items(), ids=str)
def test_its_derivation_runs_and_it_compiles(call, shapes, rng):
    f, args = function_of(call), [rng.normal(size=shape) for shape in shapes]

    def loss(*args):
        return sum(np.sum(np.square(y)) for y in arrays_of(f(*args)))

    value, gradients = mg.value_and_grad(loss, range(len(args)))(*args)
    compiled = mg.compile(mg.value_and_grad(loss, range(len(args))))(*args)
    np.testing.assert_allclose(compiled[0], value)
    leaves = [mg.Tensor(x, name=name) for x, name in zip(args, "xyz", strict=False)]
    J = loss(*leaves)
    derivation = mg.derive(J)
    exec(derivation.numpy(), namespace := {**derivation.inputs, **derivation.constants})
    assert derivation.latex() and mg.draw(J).source
    for name, expected, theirs in zip("xyz", gradients, compiled[1], strict=False):
        np.testing.assert_allclose(theirs, expected, rtol=1e-9, atol=1e-12)
        if name in derivation.gradients.values() or f"d{name}" in namespace:
            np.testing.assert_allclose(namespace[f"d{name}"], expected, rtol=1e-9, atol=1e-12)


# --- where there is no derivative: the documented conventions ---------------------------------------------------------

KINKS = {
    "np.sort(x) * [1, 2, 3]": ([2.0, 1.0, 2.0], [2, 1, 3]),  # equal entries are told apart by their place
    "np.median(x)": ([2.0, 1.0, 2.0, 2.0], [0.5, 0, 0.5, 0]),
    "np.quantile(x, 0.5)": ([2.0, 2.0, 2.0], [0, 1, 0]),
    "np.max(x, initial=2.0)": ([2.0, 1.0], [0, 0]),  # against a constant, as np.maximum
    "np.nanmax(x)": ([3.0, np.nan, 3.0], [0.5, 0, 0.5]),
    "np.nanmean(x)": ([3.0, np.nan, 3.0], [0.5, 0, 0.5]),
    "np.std(x, where=[True, True, False])": ([3.0, 3.0, 1.0], [0, 0, 0]),
    "np.cumprod(x)": ([2.0, 0.0, 3.0, 0.0], [1, 8, 0, 0]),
    "np.multiply.accumulate(x)": ([2.0, 0.0, 3.0, 0.0], [1, 8, 0, 0]),
    "np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 3.0])": ([1.0, -1.0, 5.0, 0.0, 2.0], [2, 0, 0, 1, 2]),
    "np.unique(x)": ([2.0, 1.0, 2.0], [1, 1, 0]),  # the first of equal entries
    "np.logaddexp.reduce(x)": ([-np.inf, -np.inf, 0.0], [0, 0, 1]),
    "np.ptp(x)": ([1.0, 1.0], [0, 0]),
}


@pytest.mark.parametrize(("call", "x", "expected"), [(call, *case) for call, case in KINKS.items()], ids=[*KINKS])
def test_conventions(call, x, expected):
    f = function_of(call)
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(f(x)))(np.array(x)), expected, atol=1e-15)


@pytest.mark.parametrize(
    "f",
    [
        *(np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
        *(lambda x, i=i: np.unique(x, *[i == k for k in range(3)]) for i in range(3)),
    ],
)
def test_values_of_a_set_are_those_of_numpy_nan_by_nan(f):
    x = np.array([[2.0, np.nan], [1.0, 2.0], [np.nan, 1.0]])
    for got, expected in zip(arrays_of(f(mg.Tensor(x))), arrays_of(f(x)), strict=True):
        np.testing.assert_array_equal(mg.stop_gradient(got), expected)


@pytest.mark.skipif("axis" not in inspect.signature(np.trim_zeros).parameters, reason="of vectors alone in this NumPy")
@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": (0, -1), "trim": "b"}, {"trim": "f"}])
def test_zeros_around_a_matrix_are_trimmed_on_all_sides(options):
    a = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, -2.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    W = mg.Tensor(a)
    trimmed = np.trim_zeros(W, **options)
    assert np.array_equal(trimmed.data, np.trim_zeros(a, **options))
    np.sum(trimmed * trimmed).backward()
    assert np.array_equal(W.grad, 2 * a)
