"""The forward walk: a pure function from tangents to tangents.

For a direction in which the leaves move, the tangent of a node y is its derivative along that direction, an array of
y's shape. The chain rule forward:

    tangent(y) = Σ over the arguments x of y:  ∂y/∂x · tangent(x),

so one pass over the nodes, oldest first, has the tangents of all arguments before the node itself is visited.

The table of rules has the transposed products ``g · ∂y/∂x`` alone, and they are enough. Where a rule is pointwise the
derivative is a diagonal, its own transpose; where it is linear in an argument, the function itself takes the tangent in
its place; elsewhere the product is linear in ``g``, and the derivative by ``g`` transposes it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from .arrays import Value
from .context import recording, watcher
from .node import N, Node, leaf_holding
from .primitives import cast
from .record import apply
from .reverse import recorded, summed, walk
from .rules import Derivative, Function, same


def push(tangents: Mapping[N, Value], path: list[N], create_graph: bool = False) -> dict[N, Value]:
    """Return the tangents of the nodes that depend on those that have one.

    Parameters
    ----------
    tangents : mapping of Node to array
        Of the shape and dtype of each node, None for zeros; other leaves stay where they are.
    path : list of Node
        What ``on_path`` of the nodes that are asked for returns; other nodes are not visited.
    create_graph : bool
        Whether the tangents are Tensors, as those given must be, recorded by the same rules.

    Returns
    -------
    dict
        A tangent for each node; none where there is no path. Arrays may share memory: copy before writing.
    """
    if create_graph:
        with recording():
            return _pushed(tangents, path, True)
    return _pushed(tangents, path, False)


def _pushed(tangents: Mapping[N, Value], path: list[N], create_graph: bool) -> dict[N, Value]:
    found, watch = dict(tangents), watcher.get()
    for node in reversed(path):
        rule: Any = node.rule
        if rule is None:
            continue
        y, args, operands, options = node.primal, node.primals, node.operands, node.options
        if create_graph:
            y, args = recorded(node)
        derivatives = rule.derivatives
        if type(derivatives) is not tuple:
            derivatives = derivatives(operands)
        if watch is not None:
            derivatives = watch.see_cotangents(node, derivatives)
        call = partial(_call, rule.function) if create_graph else rule.implementation
        total, i = None, -1
        for x in operands:
            i += 1
            t, derivative = found.get(x), derivatives[i]
            if t is None or derivative is None:
                continue
            if rule.pointwise:
                part = t if derivative is same else derivative(t, y, *args, **options)
            elif i < rule.linear:
                part = call(*args[:i], t, *args[i + 1 :], **options)
            elif rule.cotangents is not None:  # it joins arrays, and is linear in all of them together
                parts = [found.get(x) for x in operands]
                parts = [np.zeros_like(a) if t is None else t for t, a in zip(parts, node.primals, strict=True)]
                total = call(*parts, **options)
                break
            else:
                part = _transposed(derivative, t, node, i, y, args, create_graph)
            total = part if total is None else total if part is None else total + part
        if total is None:
            continue
        if total.shape != y.shape:
            total = np.broadcast_to(total, y.shape)
        found[node] = total if total.dtype is y.dtype else cast(total, y.dtype)
    return found


def _call(function: Function, *args: Value, **options: Any) -> Value:
    return apply(function, args, options)


def _transposed(
    derivative: Derivative, t: Value, node: Node, i: int, y: Value, args: tuple[Value, ...], create_graph: bool
) -> Value:
    """Return ∂y/∂x · t, the derivative of ⟨g · ∂y/∂x, t⟩ by g, for the ``i``-th argument x; None where it is 0."""
    g = leaf_holding(type(node), np.zeros(y.shape, y.dtype)[()], requires_grad=True)
    with recording():
        product = derivative(g, y, *args, **node.options)
        shape = node.primals[i].shape
        product = product if product.shape == shape else summed(product, shape, node)
    on_g = isinstance(product, Node) and product.requires_grad
    return walk({product: t}, {g}, create_graph=create_graph).get(g) if on_g else None
