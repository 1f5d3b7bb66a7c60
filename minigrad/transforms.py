"""Functions from functions to functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp; and check_grads.

As in JAX, a transform takes a function of arrays and returns one. Inside, the arguments become leaves of a graph of
their own; outside, arrays come back, and zeros where the result does not depend on an argument. Given Tensors (another
transform is at work, or the caller's graph) the answer is recorded by the same rules, so transforms nest.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import trees
from .engine.context import differentiating, recording
from .engine.errors import called
from .engine.primitives import identity
from .engine.record import apply
from .engine.reverse import on_path, walk
from .engine.tensor import Tensor

Function = Callable[..., Any]


def gradients(y: Tensor, wrt: Sequence[Tensor], create_graph: bool = False) -> list[Any]:
    """dy/dx for each x of ``wrt``, of x's shape and dtype; None where there is no path from x to y.

    ``y`` is a scalar. With ``create_graph`` the gradients are Tensors, recorded by the same rules, and can be
    differentiated again. Touches no ``.grad``.

    Raises ValueError where y is no scalar, TypeError where something is no Tensor, RuntimeError where y needs no
    gradient.

    >>> import minigrad as mg
    >>> x, b = mg.Tensor(3.0), mg.Tensor(1.0)
    >>> dx, db = mg.gradients(x * x * x, [x, b], create_graph=True)
    >>> dx.item(), db, mg.gradients(dx, [x])
    (27.0, None, [array(18.)])
    """
    for x in (y, *wrt):
        if not isinstance(x, Tensor):
            raise TypeError(f"gradients: takes Tensors, not {type(x).__name__}; plain arrays belong to mg.grad")
    found = _cotangents({y: y.seed()}, wrt, create_graph)
    return [g if g is None or create_graph else np.array(g) for g in map(found.get, wrt)]


def _cotangents(seeds: dict[Tensor, Any], wrt: Sequence[Tensor], recorded: bool) -> dict[Tensor, Any]:
    if recorded:
        seeds = {y: g if isinstance(g, Tensor) else _constant(g) for y, g in seeds.items()}
    return walk(seeds, set(wrt), create_graph=recorded)


def _constant(a: Any) -> Tensor:
    return Tensor(a, requires_grad=False)


# --- one recorded call ------------------------------------------------------------------------------------------------


class _Call:
    """One recorded call ``y = f(*args)``, with the arguments at ``argnums`` as leaves of its graph."""

    def __init__(self, f: Function, args: Sequence[Any], argnums: int | Sequence[int], what: str) -> None:
        self.single = isinstance(argnums, int)
        indices: tuple[int, ...] = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for i in indices:
            if not -len(args) <= i < len(args):
                raise ValueError(f"{what}: argnums has {i}, but {called(f)} was called with {len(args)} arguments")
        self.chosen = tuple(args[i] for i in indices)
        flat, self.structure = trees.flatten(self.chosen)
        with recording():
            self.leaves = [_leaf(x) for x in flat]
            given = list(args)
            for i, tree in zip(indices, trees.unflatten(self.structure, self.leaves), strict=True):
                given[i] = tree
            with differentiating(self.leaves[0].order if self.leaves else 0):
                y = f(*given)
            if isinstance(y, list | tuple | dict) or y is None:
                raise TypeError(f"{what}: {called(f)} returned a {type(y).__name__}; it must return one array")
            self.y = y if isinstance(y, Tensor) else _constant(y)
        own = set(self.leaves)
        self.recorded = any(isinstance(x, Tensor) for x in flat) or any(
            node.function is None and node not in own for node in on_path([self.y])
        )

    def pull(self, seed: Any, recorded: bool) -> list[Any]:
        """Cotangents of the leaves, zeros where there is no path."""
        found = _cotangents({self.y: seed}, self.leaves, recorded) if self.y.requires_grad else {}
        return [self.zeros(x, recorded) if found.get(x) is None else found[x] for x in self.leaves]

    @staticmethod
    def zeros(x: Tensor, recorded: bool) -> Any:
        zeros = np.zeros(x.shape, x.dtype)
        return _constant(zeros) if recorded else zeros

    def arranged(self, gradients: list[Any]) -> Any:
        """Gradients in the form of the arguments: plain arrays are the caller's own."""
        own = [g if isinstance(g, Tensor) else np.array(g)[()] for g in gradients]
        arranged = trees.unflatten(self.structure, own)
        return arranged[0] if self.single else arranged

    def value(self) -> Any:
        return self.y if self.recorded else np.array(self.y.value)[()]


def _leaf(x: Any) -> Tensor:
    """A leaf for a plain argument; for a Tensor a node of its own, so that only this function's use of it counts."""
    if not isinstance(x, Tensor):
        return Tensor(x)
    leaf: Tensor = apply(identity, (x,))
    if leaf.dtype.kind != "f":
        raise TypeError(
            f"{x.describe()}: only floating-point arguments can have a gradient; choose others with argnums"
        )
    leaf.requires_grad = True
    return leaf


def _scalar_seed(call: _Call, f: Function, what: str) -> Any:
    if call.y.size != 1:
        raise ValueError(
            f"{what}: {called(f)} returned {call.y.describe()}, which is no scalar; use np.sum, or mg.jacobian"
        )
    return np.ones(call.y.shape, call.y.dtype)[()]


# --- transforms -------------------------------------------------------------------------------------------------------


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns ``f(*args)`` and its gradient with respect to the arguments at ``argnums``.

    Arguments are arrays, numbers, or lists, tuples and dicts of them, of floating dtype where they are differentiated;
    the gradient has the same form, with zeros where there is no path. For a tuple of ``argnums`` it is a tuple.

    The returned function raises ValueError where f's result is no scalar, TypeError for integer arguments.

    >>> import numpy as np, minigrad as mg
    >>> value, g = mg.value_and_grad(lambda p: np.sum(p["w"] ** 2))({"w": np.array([1.0, 3.0])})
    >>> float(value), g["w"]
    (10.0, array([2., 6.]))
    """

    @functools.wraps(f)
    def value_and_gradient(*args: Any) -> tuple[Any, Any]:
        call = _Call(f, args, argnums, "value_and_grad")
        return call.value(), call.arranged(call.pull(_scalar_seed(call, f, "value_and_grad"), call.recorded))

    return value_and_gradient


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns the gradient of ``f``; see ``value_and_grad``.

    >>> import numpy as np, minigrad as mg
    >>> float(mg.grad(np.tanh)(0.0)), float(mg.grad(mg.grad(np.sin))(0.5))
    (1.0, -0.479425538604203)
    """

    @functools.wraps(f)
    def gradient(*args: Any) -> Any:
        call = _Call(f, args, argnums, "grad")
        return call.arranged(call.pull(_scalar_seed(call, f, "grad"), call.recorded))

    return gradient


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """``f(*primals)`` and its pullback, from a cotangent of the result to a tuple of cotangents of the arguments.

    >>> import numpy as np, minigrad as mg
    >>> y, pullback = mg.vjp(np.exp, np.zeros(2))
    >>> pullback(np.array([1.0, 2.0]))
    (array([1., 2.]),)
    """
    call = _Call(f, primals, range(len(primals)), "vjp")

    def pullback(cotangent: Any) -> Any:
        recorded = call.recorded or isinstance(cotangent, Tensor)
        seed = cotangent if isinstance(cotangent, Tensor) else np.asarray(cotangent, call.y.dtype)
        if seed.shape != call.y.shape:
            raise ValueError(f"vjp: the cotangent has shape {seed.shape}, the result {call.y.shape}")
        return call.arranged(call.pull(seed, recorded))

    return call.value(), pullback


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and its directional derivative along ``tangents``, which have the primals' form.

    The pullback is linear in its cotangent; the derivative of that linear map, transposed, is the pushforward.

    >>> import numpy as np, minigrad as mg
    >>> mg.jvp(lambda x: x * x, (np.array([3.0]),), (np.array([2.0]),))
    (array([9.]), array([12.]))
    """
    call = _Call(f, primals, range(len(primals)), "jvp")
    directions = _tangents(call, tangents, "jvp")
    cotangent = Tensor(np.zeros(call.y.shape, call.y.dtype))
    pulled = _seeds(call.pull(cotangent, True), directions)
    recorded = call.recorded or any(isinstance(t, Tensor) for t in directions)
    pushed = _cotangents(pulled, [cotangent], recorded).get(cotangent)
    return call.value(), call.zeros(cotangent, recorded) if pushed is None else pushed


def _tangents(call: _Call, tangents: Sequence[Any], what: str) -> list[Any]:
    try:
        directions = trees.match(call.chosen, tuple(tangents), "primals", "tangents")
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return [t if isinstance(t, Tensor) else np.array(t, x.dtype) for t, x in zip(directions, call.leaves, strict=True)]


def _seeds(nodes: list[Tensor], weights: list[Any]) -> dict[Tensor, Any]:
    """The seeds of Σ ⟨weight, node⟩, in which a node may stand twice."""
    seeds: dict[Tensor, Any] = {}
    for node, weight in zip(nodes, weights, strict=True):
        if node.requires_grad:
            seeds[node] = seeds[node] + weight if node in seeds else weight
    return seeds


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns d f / d argument, of the result's shape followed by the argument's; one walk per entry.

    >>> import numpy as np, minigrad as mg
    >>> mg.jacobian(lambda x: x[::-1] * 2)(np.array([1.0, 2.0]))
    array([[0., 2.],
           [2., 0.]])
    """

    def jacobian_of_f(*args: Any) -> Any:
        call = _Call(f, args, argnums, "jacobian")
        basis = np.eye(call.y.size, dtype=call.y.dtype).reshape(call.y.size, *call.y.shape)
        rows = [call.pull(row, call.recorded) for row in basis]
        return call.arranged([_stacked(x, call.y.shape, [row[i] for row in rows]) for i, x in enumerate(call.leaves)])

    return jacobian_of_f


def _stacked(x: Tensor, shape: tuple[int, ...], rows: list[Any]) -> Any:
    if not rows:
        return np.zeros((*shape, *x.shape), x.dtype)
    return np.stack(rows).reshape((*shape, *x.shape))


def hessian(f: Function, argnums: int = 0) -> Function:
    """A function that returns the second derivatives of a scalar ``f``, of the argument's shape twice.

    >>> import numpy as np, minigrad as mg
    >>> mg.hessian(lambda x: x[0] * x[1])(np.array([1.0, 2.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar ``f`` times ``tangents``, without the Hessian: a tuple of the primals' form.

    The gradient is recorded, and the reverse walk from it, seeded with the tangents, gives Hᵀv = Hv.

    >>> import numpy as np, minigrad as mg
    >>> mg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    call = _Call(f, primals, range(len(primals)), "hvp")
    first = call.pull(_scalar_seed(call, f, "hvp"), True)
    directions = _tangents(call, tangents, "hvp")
    seeds = _seeds(first, directions)
    recorded = call.recorded or any(isinstance(t, Tensor) for t in directions)
    found = _cotangents(seeds, call.leaves, recorded)
    return call.arranged([call.zeros(x, recorded) if found.get(x) is None else found[x] for x in call.leaves])


# --- against finite differences ---------------------------------------------------------------------------------------


def check_grads(f: Function, args: Sequence[Any], order: int = 2, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Compare the derivatives of ``f`` at ``args``, up to ``order``, with central differences in float64.

    ``args`` are arrays of floating dtype, numbers, or trees of them. The result of f, of any shape, is weighted with
    fixed random numbers and summed; the gradient of that sum is compared entry by entry, then differentiated and
    compared in turn.

    Raises AssertionError that names the worst entry: the argument, the index, both numbers.

    >>> import numpy as np, minigrad as mg
    >>> mg.check_grads(np.tanh, (np.array([0.3, -2.0]),))
    """
    leaves, structure = trees.flatten(tuple(args))
    flat = [np.array(x.value if isinstance(x, Tensor) else x, dtype=np.float64) for x in leaves]

    def of_arrays(*arrays: Any) -> Any:
        return f(*trees.unflatten(structure, arrays))

    _check(of_arrays, flat, order, rtol, atol, np.random.default_rng(0), f"of {called(f)}")


# A quoted annotation, so that importing minigrad does not import numpy.random.
def _check(
    f: Function, args: list[Any], order: int, rtol: float, atol: float, rng: "np.random.Generator", what: str
) -> None:
    def plain(*arrays: Any) -> Any:
        y = f(*arrays)
        return y.value if isinstance(y, Tensor) else y

    weights = rng.uniform(0.5, 1.5, np.shape(plain(*args)))

    def weighted(*arrays: Any) -> Any:
        return np.sum(weights * f(*arrays))

    exact = grad(weighted, range(len(args)))(*args)
    for i, x in enumerate(args):
        numeric = _central_differences(lambda x, i=i: np.sum(weights * plain(*args[:i], x, *args[i + 1 :])), x)
        error = np.abs(exact[i] - numeric) - rtol * np.maximum(np.abs(numeric), np.max(np.abs(numeric), initial=0.0))
        if error.size and not np.max(error) <= atol:
            worst = np.unravel_index(np.argmax(np.where(np.isnan(error), math.inf, error)), x.shape)
            raise AssertionError(
                f"the derivative {what} is wrong, worst at argument {i}{[int(k) for k in worst] if worst else ''}: "
                f"minigrad {np.asarray(exact[i])[worst]}, central differences {numeric[worst]}"
            )
    if order > 1:
        for i in range(len(args)):
            _check(
                grad(weighted, i),
                args,
                order - 1,
                rtol * 10,
                atol * 10,
                rng,
                f"of the derivative by argument {i} {what}",
            )


def _central_differences(f: Function, x: Any) -> Any:
    """Central differences with the step ∛ε · max(1, |x|), which balances rounding and truncation."""
    steps = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(x))
    numeric = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        high, low = x.copy(), x.copy()
        high[index] += steps[index]
        low[index] -= steps[index]
        numeric[index] = (f(high) - f(low)) / (high[index] - low[index])
    return numeric
