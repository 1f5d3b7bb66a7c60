"""check_grads: the derivatives of a function against central differences."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import trees
from .engine.arrays import Value
from .engine.errors import called, refuse_one_array
from .engine.rules import Function
from .engine.tensor import Tensor
from .transforms import grad, jacfwd, jacrev, jvp
from .trees import Tree

_MAX_ROUNDINGS = 10


def check_grads(f: Function, args: Sequence[Tree], order: int = 2, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Compare the derivatives of ``f`` at ``args`` with central differences in float64.

    Every entry of the Jacobian is compared at its own scale, in reverse and in forward mode. For the second derivatives
    the results of f are weighted with fixed random numbers and summed. Of the gradient g of this sum the derivative
    along a random direction v is compared, entry by entry: in forward mode, and in reverse as the gradient of g · v,
    whose second derivatives are the third of f.

    Parameters
    ----------
    f : callable
        Returns an array or a tree of arrays, of floating dtype.
    args : sequence of array, number, or tree of them
        Of floating dtype.
    order : int
        The highest derivative that is compared.
    rtol, atol : float
        The error that is allowed to an entry: ``atol + rtol * abs(entry)``, ten times as much for each further
        derivative, and what rounding does to the differences.

    Raises
    ------
    AssertionError
        That names the worst entry: the argument, the index, both numbers.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.check_grads(np.tanh, (np.array([0.3, -2.0]),))
    """
    refuse_one_array("check_grads", args)
    leaves, structure = trees.flatten(tuple(args))
    arrays = [np.array(x._value if isinstance(x, Tensor) else x, dtype=np.float64) for x in leaves]

    @functools.wraps(f)
    def of_arrays(*arrays: Any) -> list[Value]:
        return trees.flatten(f(*trees.unflatten(structure, arrays)))[0]

    places, what = trees.paths(tuple(args), "args"), f"of {called(f)}"
    _check_jacobian(of_arrays, arrays, places, rtol, atol, what)
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, np.shape(y)) for y in of_arrays(*arrays)]

    def weighted(*arrays: Any) -> Value:
        return _dot(weights, of_arrays(*arrays))

    for _ in range(1, order):
        what, rtol, atol = f"of the gradient {what}", 10 * rtol, 10 * atol
        direction = [np.maximum(1.0, np.abs(x)) * rng.uniform(0.5, 1.5, x.shape) for x in arrays]
        weighted = _check_gradient(weighted, arrays, direction, places, rtol, atol, what)


def _check_jacobian(
    f: Callable[..., list[Value]], xs: list[Value], places: list[str], rtol: float, atol: float, what: str
) -> None:
    numeric, noise = _central_differences(f, xs)
    for mode, exact in (("reverse", jacrev(f, range(len(xs)))(*xs)), ("forward", jacfwd(f, range(len(xs)))(*xs))):
        for k, i in np.ndindex(len(exact), len(xs)):
            result = " for result" + _index((k,) if len(exact) > 1 else ())
            allowed = atol + rtol * np.abs(numeric[k][i]) + noise[k][i]
            where = f"{what} is wrong in {mode} mode, worst at {places[i]}"
            _compare(exact[k][i], numeric[k][i], allowed, where, xs[i].ndim, result)


def _check_gradient(
    f: Function, xs: list[Value], direction: list[Value], places: list[str], rtol: float, atol: float, what: str
) -> Function:
    """Check the derivative of the gradient of a scalar f along a direction, and return gradient · direction."""
    gradient = grad(f, range(len(xs)))

    def moved(t: Value) -> list[Value]:
        return [*gradient(*[x + t * v for x, v in zip(xs, direction, strict=True)])]

    def slope(*xs: Any) -> Value:
        return _dot(direction, gradient(*xs))

    numeric, noise = _central_differences(moved, [np.zeros(())])
    reverse, forward = grad(slope, range(len(xs)))(*xs), jvp(gradient, xs, direction)[1]
    for mode, exact in (("reverse", reverse), ("forward", forward)):
        for k, place in enumerate(places):
            allowed = atol + rtol * np.abs(numeric[k][0]) + noise[k][0]
            where = f"{what} is wrong in {mode} mode, worst at {place}"
            _compare(exact[k], numeric[k][0], allowed, where, xs[k].ndim)
    return slope


def _compare(exact: Value, numeric: Value, allowed: Value, where: str, ndim: int, result: str = "") -> None:
    """Compare derivatives by an array of ``ndim`` axes, which are the last ones."""
    error = np.abs(exact - numeric)
    if not np.all(error <= allowed):
        at = np.unravel_index(np.argmax(np.nan_to_num(error / allowed, nan=np.inf)), error.shape)
        of_x, of_result = _index(at[error.ndim - ndim :]), result + _index(at[: error.ndim - ndim])
        numbers = f"minigrad {exact[at]}, central differences {numeric[at]}"
        raise AssertionError(f"the derivative {where}{of_x}{of_result}: {numbers}")


def _dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    return sum([np.sum(x * y) for x, y in zip(xs, ys, strict=True)], 0.0)


def _index(index: Iterable[Value]) -> str:
    return "".join(f"[{int(i)}]" for i in index)


def _central_differences(f: Callable[..., list[Value]], xs: list[Value]) -> tuple[list[list[Value]], list[list[Value]]]:
    """Return the derivative of each result by each argument, and what rounding the results may add to it.

    The step is ∛ε · max(1, |x|), which balances rounding and truncation.
    """

    def values(*arrays: Any) -> list[Value]:
        return [np.asarray(y._value if isinstance(y, Tensor) else y, np.float64) for y in f(*arrays)]

    epsilon = np.finfo(np.float64).eps
    ys = values(*xs)
    numeric, noise = ([[np.empty((*y.shape, *x.shape)) for x in xs] for y in ys] for _ in range(2))
    for i, x in enumerate(xs):
        steps = np.cbrt(epsilon) * np.maximum(1.0, np.abs(x))
        for index in np.ndindex(x.shape):
            high, low = x.copy(), x.copy()
            high[index] += steps[index]
            low[index] -= steps[index]
            step, here = high[index] - low[index], (..., *index)
            ups, downs = values(*xs[:i], high, *xs[i + 1 :]), values(*xs[:i], low, *xs[i + 1 :])
            for k, (up, down) in enumerate(zip(ups, downs, strict=True)):
                numeric[k][i][here] = (up - down) / step
                noise[k][i][here] = (
                    _MAX_ROUNDINGS * epsilon * np.maximum(np.abs(up), np.abs(down)) / step * (up != down)
                )
    return numeric, noise
