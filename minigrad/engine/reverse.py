"""The reverse walk: a pure function from seeds to cotangents.

For a scalar J and a node x, the cotangent of x is dJ/dx, an array of x's shape. The chain rule in reverse:

    cotangent(x) = Σ over the nodes y computed from x:  cotangent(y) · ∂y/∂x,

so one pass over the nodes, newest first, has every consumer's part of a cotangent before the node itself is visited.
Nodes are numbered as they are recorded; newest first is therefore a topological order, and no walk recurses.

A cotangent that repeats itself may stay narrow: of size 1 along an axis of its node, or without the axis. The cotangent
of what a sum adds up is one number repeated. Left narrow it costs nothing to make, and what pointwise derivatives make
of it costs little: without this the smallest network of the benchmark takes a fifth more time.

The walk knows no function: it asks the table of rules, undoes broadcasting and checks what the rule returned.
"""

import functools
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from sys import getrefcount
from typing import Any

import numpy as np

from .arrays import Value
from .context import recording, watcher
from .errors import described
from .node import N, Node, passes_gradient
from .primitives import cast
from .record import apply
from .rules import Function, same

Values = Callable[[Node], tuple[Any, tuple[Any, ...]]]
_Some = Collection[N] | None

_MIN_IN_PLACE = 2**12  # to see whose memory a smaller array is costs more than its sum in place saves
BLAS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
MAX_BLAS_SUM = 2**14  # terms in float32: BLAS does not add in pairs, as NumPy does
_ONES = {dtype: np.ones((MAX_BLAS_SUM, 1), dtype) for dtype in BLAS}
_add_reduce: Function = np.add.reduce
_order = attrgetter("order")


def walk(
    seeds: Mapping[N, Value],
    wrt: Collection[N] | None = None,
    *,
    given: Mapping[N, Value] | None = None,
    values: Values | None = None,
    create_graph: bool = False,
    narrow: bool = False,
    constants: Collection[N] = (),
    path: list[N] | None = None,
) -> dict[N, Value]:
    """Return the cotangents of the nodes that the seeds depend on.

    Parameters
    ----------
    seeds : mapping of Node to array
        dJ/dseed by other ways than through the other seeds.
    wrt : collection of Node, optional
        The nodes whose cotangents are wanted; all if left out. Others are not visited unless a path leads through them.
    given : mapping of Node to (array or None), optional
        What a node sends on in place of what arrived there, which stays in the answer; None where it sends nothing.
    values : callable, optional
        ``values(node)`` gives the result and the arguments that the rules see in place of the recorded ones.
    create_graph : bool
        Whether cotangents are Tensors, recorded by the same rules; of plain seeds those that depend on Tensors are.
    narrow : bool
        Whether a cotangent that repeats itself may stay narrow, as the module's text says.
    constants : collection of Node
        Nodes that cotangents are sent to although they require no gradient.
    path : list of Node, optional
        What ``on_path(seeds)`` returns, where it is known already; other nodes are not visited.

    Returns
    -------
    dict
        A cotangent for each node; none where there is no path. Arrays may share memory: copy before writing.

    Raises
    ------
    RuntimeError
        Where a rule returns another shape than its argument's; with ``create_graph`` where a leaf was updated since.
    """
    if create_graph:
        return _recording_walk(seeds, wrt, given=given, values=recorded, constants=constants, path=path)
    nodes = on_path(seeds, wrt, constants) if path is None else path
    wanted = None if path is not None or (wrt is None and not constants) else set(nodes)
    found = {x: g for x, g in seeds.items() if (x.requires_grad or x in constants) and (wanted is None or x in wanted)}
    sent = (lambda x, none: given.get(x, found.get(x))) if given else found.get if wrt is None else found.pop
    narrowed = _walked(nodes, found, sent, wanted, None if given else wrt, values)
    return found if narrow else found | {x: np.broadcast_to(found[x], x.shape) for x in narrowed & found.keys()}


def _recording_walk(*args: Any, **options: Any) -> dict[Any, Value]:
    with recording():
        return walk(*args, **options)


def _walked(
    nodes: list[N], found: dict[N, Value], sent: Function, wanted: _Some[N], wrt: _Some[N], values: Values | None
) -> set[N]:
    """Complete ``found``, and return the nodes whose cotangent may be narrower than their shape."""
    narrowed, watch = set[N](), watcher.get()
    for node in nodes:
        rule: Any = node.rule
        g = None if rule is None else sent(node, None)  # with ``wrt`` it is freed, unless it is wanted
        if g is None:  # a leaf, or reached only through arguments that pass no gradient on
            continue
        if wrt is not None and node in wrt:
            found[node] = g
        y, operands, options = node.primal, node.operands, node.options
        args = primals = node.primals  # of the primals, which are no nodes, shapes and dtypes take less time to ask for
        if values is not None:
            y, args = values(node)
        g_is_narrow = node in narrowed
        if g_is_narrow and not _takes_narrow(node):  # any other has its full shape
            g, g_is_narrow = np.broadcast_to(g, y.shape), False
        derivatives: Any = rule.derivatives
        if rule.repeated is not None:
            derivatives, g_is_narrow = (rule.repeated,), True
        elif type(derivatives) is not tuple:
            derivatives = _chosen(node, g, y, args)
        if watch is not None:
            derivatives = watch.see_cotangents(node, derivatives)
        i, count = -1, 0 if options else len(args)  # 0 for the general call, with options
        for derivative in derivatives:
            i += 1  # enumerate and range cost 1 % and 3 % of the smallest network's step
            x, a = operands[i], primals[i]
            if x is None or derivative is None or (x not in wanted if wanted else not x.requires_grad):
                continue
            if derivative is same:
                c = g
            elif count == 2:  # unpacking them costs 3 % of the smallest network's step, for one argument 1 %
                c = derivative(g, y, args[0], args[1])
            elif count == 1:
                c = derivative(g, y, args[0])
            else:
                c = derivative(g, y, *args, **options)
            if c.shape != a.shape:
                if g_is_narrow:
                    narrowed.add(x)
                else:
                    c = summed(c, a.shape, node)
            if c.dtype is not a.dtype:
                c = cast(c, a.dtype)
            earlier = found.get(x)
            found[x] = c if earlier is None else earlier + c if c.size < _MIN_IN_PLACE else _sum(found, x, c)
    return narrowed


def _chosen(node: Node, g: Value, y: Value, args: tuple[Value, ...]) -> Any:
    """Return the derivatives for the operands of a node; of a rule that joins, ones whose cotangents are known."""
    rule: Any = node.rule
    if rule.cotangents is None:
        return rule.derivatives(node.operands)
    return [lambda *args, c=c, **options: c for c in rule.cotangents(g, y, *args, **node.options)]


def pull(node: Node, i: int, g: Value) -> Value:
    """Return the vector-Jacobian product of one node: what it sends to its ``i``-th argument.

    Parameters
    ----------
    node : Node
        The result of a function.
    i : int
        An argument through which a gradient passes (see ``passes_gradient``).
    g : array
        The cotangent of the node, of its shape.

    Returns
    -------
    array
        Of the shape and dtype of the argument.
    """
    assert node.rule is not None
    derivative = node.rule.vjps(node.operands)[i]
    assert derivative is not None
    a = node.primals[i]
    c = derivative(g, node.primal, *node.primals, **node.options)
    return cast(c if c.shape == a.shape else summed(c, a.shape, node), a.dtype)


def on_path(roots: Iterable[N], wrt: Collection[N] | None = None, constants: Collection[N] = ()) -> list[N]:
    """Return the nodes that ``roots`` depend on differentiably, themselves included, newest first.

    With ``wrt`` only those with a path to one of ``wrt``. Nodes that are older than all of ``wrt`` are not looked at.
    ``constants`` are included although they require no gradient.
    """
    oldest = min([x.order for x in wrt]) if wrt else None
    seen = {root for root in roots if root.requires_grad or root in constants}
    nodes = list(seen)
    for node in nodes:  # which grows as it is read
        for x in node.operands:
            if (
                x is not None
                and (x.requires_grad or x in constants)
                and x not in seen
                and (oldest is None or x.order >= oldest)
            ):
                seen.add(x)
                nodes.append(x)
    nodes.sort(key=_order, reverse=True)
    if wrt is None:
        return nodes
    leading = set(wrt)
    for node in reversed(nodes):
        if not leading.isdisjoint(node.operands):
            leading.add(node)
    return [node for node in nodes if node in leading]


def without_gaps(roots: Iterable[N], path: list[N]) -> list[N]:
    """Return the nodes of a path by which a gradient reaches any of ``roots``: none that only chooses, as a condition.

    ``path`` is what ``on_path(roots)`` returns.
    """
    if not any([node.rule is not None and node.rule.gaps for node in path]):
        return path
    reached = set(roots)
    for node in path:
        if node in reached:
            reached.update([x for x, passes in zip(node.operands, passes_gradient(node), strict=True) if passes])
    return [node for node in path if node in reached]


# --- shapes -----------------------------------------------------------------------------------------------------------


def unbroadcast(g: Value, shape: tuple[int, ...]) -> Value:
    """Sum ``g`` over the axes along which broadcasting repeated an array of ``shape``: the adjoint of broadcasting.

    Raises ValueError where broadcasting could not have made ``g``'s shape of ``shape``.
    """
    axes, ones = _broadcast_axes(shape, g.shape, g.dtype)
    if isinstance(g, Node):
        total = apply(np.sum, (g,), {"axis": axes, "keepdims": True})
    else:
        total = g.dot(ones) if ones is not None else _add_reduce(g, axes, None, None, True)
    return total.reshape(shape) if g.ndim > len(shape) else total  # of that shape already


def summed(c: Value, shape: tuple[int, ...], node: Node) -> Value:
    """Return what a derivative of ``node`` returned, broadcasting undone."""
    if node.function is np.subtract:
        _warn_of_every_pair(node)
    try:
        return unbroadcast(c, shape)
    except ValueError:
        watch = watcher.get()
        raise RuntimeError(
            f"the rule of {node.op} returned a cotangent of shape {c.shape} for an argument of shape {shape}; "
            f"a derivative returns the argument's shape, or one that broadcasting made of it (see mg.rule)"
            + ("" if watch is None else f"; {watch.recorded_at(node)}")
        ) from None


def _warn_of_every_pair(node: Node) -> None:
    """Warn where a vector and a column of its length, not made by an index for this, are subtracted: A - Y."""
    shapes = [np.shape(a) for a in node.primals]
    n = node.primal.shape[0]
    meant = any([x is not None and x.name is None and x.rule is not None and x.rule.view for x in node.operands])
    copied = all([x is not None and x.name is None and x.rule is None for x in node.operands])  # by a reading
    if n > 1 and sorted(shapes) == [(n,), (n, 1)] and not meant and not copied:
        given = described([a if x is None else x for x, a in zip(node.operands, node.primals, strict=True)])
        warnings.warn(
            f"np.subtract of {given} subtracts each from every other, and all {n} x {n} differences enter the "
            f"cost: give both one shape, with .reshape(-1)",
            stacklevel=2,
        )


@functools.lru_cache(maxsize=4096)
def _broadcast_axes(shape: tuple[int, ...], broadcast: tuple[int, ...], dtype: Any) -> tuple[tuple[int, ...], Any]:
    """Return the axes along which broadcasting repeated, and the ones that a matrix with repeated columns is summed by.

    The product with ones is what makes the gradient of a bias: in BLAS it takes half the time of NumPy's sum.
    """
    lead = len(broadcast) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, broadcast[lead:], strict=True)):
        raise ValueError(f"broadcasting does not make {broadcast} of {shape}")
    axes = (*range(lead), *(i for i, n in enumerate(shape, lead) if n != broadcast[i]))
    by_product = len(broadcast) == 2 and axes == (1,) and dtype in BLAS and broadcast[1] <= MAX_BLAS_SUM
    return axes, _ONES[dtype][: broadcast[1]] if by_product else None


# --- cotangents that repeat themselves --------------------------------------------------------------------------------


def _takes_narrow(node: Node) -> bool:
    """Return True if a node's derivatives may run on a narrow cotangent: its operands all have its own shape."""
    rule = node.rule
    assert rule is not None
    if not rule.pointwise:
        return False
    primals = node.primals
    if len(primals) > 1:  # a single one has its shape; to look at each in an ``all`` costs the smallest network 2 %
        shape = node.primal.shape
        for x, a in zip(node.operands, primals, strict=True):
            if x is not None and x.requires_grad and a.shape != shape:
                return False
    return True


# --- sums -------------------------------------------------------------------------------------------------------------


def _sum(found: dict[N, Value], x: N, c: Value) -> Value:
    """found[x] + c, in the memory of found[x] where nobody else sees that.

    A weight of a recurrence gets a cotangent from every step: in place, the sum takes half the time.
    """
    ours = getrefcount(found[x]) == _OURS
    earlier = found[x]
    if ours and type(earlier) is np.ndarray and earlier.base is None and earlier.shape == c.shape:
        earlier += c
        return earlier
    return earlier + c


def _references_of_a_cotangent() -> int:
    """Return what ``_sum`` counts for a cotangent that only the dictionary and one variable of its caller refer to."""
    found = {0: np.zeros(())}
    earlier = found[0]
    return getrefcount(found[0]) + 0 * earlier.size  # only so that the variable is used


_OURS = _references_of_a_cotangent()


# --- recorded walks ---------------------------------------------------------------------------------------------------


def recorded(node: Node) -> tuple[Any, tuple[Value, ...]]:
    """Return a node and its arguments, nodes where they were nodes, so that a rule run on them records."""
    args, i = list(node.primals), -1
    for x in node.operands:
        i += 1  # as in the walk
        if x is None:
            continue  # most leaves hold the very array still, which needs no comparison
        if x.rule is None and x.primal is not args[i] and not np.array_equal(x._value, args[i], equal_nan=True):
            raise RuntimeError(
                f"{x.describe()} was updated after {node.op} had used it, so a derivative of this derivative would mix "
                f"old and new values; record the computation again, or take create_graph gradients before the update"
            )
        args[i] = x
    return node, tuple(args)
