"""check_grads: the derivatives of a function against central differences."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import trees
from .engine.arrays import Value
from .engine.errors import called
from .engine.rules import Function
from .engine.tensor import Tensor
from .transforms import grad, jacfwd, jacrev
from .trees import Tree

_MAX_ROUNDINGS = 10


def check_grads(f: Function, args: Sequence[Tree], order: int = 2, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Compare the derivatives of ``f`` at ``args`` with central differences in float64.

    Every entry of the Jacobian is compared at its own scale, in reverse and in forward mode. For the second derivatives
    the results of f are weighted with fixed random numbers and summed, and the gradient of the sum is compared in turn.

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
    leaves, structure = trees.flatten(tuple(args))
    arrays = [np.array(x._value if isinstance(x, Tensor) else x, dtype=np.float64) for x in leaves]

    @functools.wraps(f)
    def of_arrays(*arrays: Any) -> list[Value]:
        return trees.flatten(f(*trees.unflatten(structure, arrays)))[0]

    places = trees.paths(tuple(args), "args")
    _check(of_arrays, arrays, places, order, rtol, atol, np.random.default_rng(0), f"of {called(f)}")


# A quoted annotation, so that importing minigrad does not import numpy.random.
def _check(
    f: Callable[..., list[Value]],
    xs: list[Value],
    places: list[str],
    order: int,
    rtol: float,
    atol: float,
    rng: "np.random.Generator",
    what: str,
) -> None:
    numeric, noise = _central_differences(f, xs)
    for mode, exact in (("reverse", jacrev(f, range(len(xs)))(*xs)), ("forward", jacfwd(f, range(len(xs)))(*xs))):
        for k, i in np.ndindex(len(exact), len(xs)):
            error, allowed = np.abs(exact[k][i] - numeric[k][i]), atol + rtol * np.abs(numeric[k][i]) + noise[k][i]
            if not np.all(error <= allowed):
                at = np.unravel_index(np.argmax(np.nan_to_num(error / allowed, nan=np.inf)), error.shape)
                y_at, x_at = at[: error.ndim - xs[i].ndim], at[error.ndim - xs[i].ndim :]
                raise AssertionError(
                    f"the derivative {what} is wrong in {mode} mode, worst at {places[i]}{_index(x_at)} for "
                    f"result{_index((k,) if len(exact) > 1 else ())}{_index(y_at)}: minigrad {exact[k][i][at]}, "
                    f"central differences {numeric[k][i][at]}"
                )
    if order > 1:
        weights = [rng.uniform(0.5, 1.5, np.shape(y)) for y in f(*xs)]

        def weighted(*arrays: Any) -> Value:
            return sum([np.sum(w * y) for w, y in zip(weights, f(*arrays), strict=True)], 0.0)

        for i, place in enumerate(places):
            further = f"of the derivative by {place} {what}"
            _check(lambda *xs, i=i: [grad(weighted, i)(*xs)], xs, places, order - 1, rtol * 10, atol * 10, rng, further)


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
