"""The reverse walk: a pure function from seeds to cotangents.

For a scalar J and a node x, the cotangent of x is dJ/dx, an array of x's shape. The chain rule in reverse:

    cotangent(x) = Σ over the nodes y computed from x:  cotangent(y) · ∂y/∂x,

so one pass over the nodes, newest first, has every consumer's share of a node before the node itself is visited. Nodes
are numbered as they are recorded; newest first is therefore a topological order, and no walk here recurses.

The walk knows no function: it asks the table of rules, undoes broadcasting and checks what the rule returned.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from .rules import POINTWISE, RULES, SHARES, cast, derivatives_of, same, unbroadcast

if TYPE_CHECKING:
    from .tensor import Tensor

_LARGE = 2**12  # entries from which on memory costs more than to look whose it is
_OURS = 3  # references that getrefcount sees to a cotangent of the walk's own: in found, in a variable, its argument


def upstream(roots: Iterable["Tensor"], wrt: Collection["Tensor"] | None = None) -> list["Tensor"]:
    """The nodes that ``roots`` depend on differentiably, themselves included, newest first.

    With ``wrt`` only those with a path to one of ``wrt``.
    """
    seen = {root for root in roots if root.requires_grad}
    nodes = list(seen)
    for node in nodes:  # which grows as it is read
        for x in node.operands:
            if x is not None and x.requires_grad and x not in seen:
                seen.add(x)
                nodes.append(x)
    nodes.sort(key=attrgetter("order"), reverse=True)
    if wrt is None:
        return nodes
    on_path = set(wrt)
    for node in reversed(nodes):
        if not on_path.isdisjoint(node.operands):
            on_path.add(node)
    return [node for node in nodes if node in on_path]


def cotangents(
    seeds: Mapping["Tensor", Any], wrt: Collection["Tensor"] | None = None, recorded: bool = False
) -> dict["Tensor", Any]:
    """Cotangents of every node upstream of the seeds, or with ``wrt`` of those alone, given those of the seeds.

    A seed is dJ/dseed by other ways than through the other seeds. Cotangents are arrays, or with ``recorded`` Tensors,
    made by the same rules, whose own derivatives can be taken. Arrays may share memory: copy before writing. Seeds with
    no path to ``wrt`` are left out of the answer, like all nodes with no path.

    Raises RuntimeError where a rule returns another shape than its argument's, or where a recorded walk needs the
    value of a leaf that was updated after the recording.
    """
    found, narrow = walk(seeds, wrt, recorded)
    for x in narrow.intersection(found):
        found[x] = np.broadcast_to(found[x], x.shape)
    return found


def walk(
    seeds: Mapping["Tensor", Any], wrt: Collection["Tensor"] | None = None, recorded: bool = False
) -> tuple[dict["Tensor", Any], set["Tensor"]]:
    """``cotangents``, and the nodes whose cotangent may still have to be broadcast to their shape.

    An array that repeats itself is left as what it repeats: the cotangent of the terms of a sum is such an array, and
    what a pointwise function makes of it may be another.
    """
    shares = {} if recorded else SHARES
    nodes = upstream(seeds, wrt)
    on_path = seeds if wrt is None else set(nodes)
    found = {node: g for node, g in seeds.items() if node.requires_grad and node in on_path}
    get = found.get
    narrow: set[Tensor] = set()
    for node in nodes:
        function = node.function
        if function is None:
            continue
        g = get(node)
        if g is None:  # reached only through arguments that pass no gradient on
            continue
        if wrt is not None and node not in wrt:
            del found[node]
        operands, primals, options = node.operands, node.primals, node.options
        if recorded:
            y, arguments = node, _recorded_arguments(node)
        else:
            y, arguments = node.primal, primals
        repeats = node in narrow
        if repeats and not _takes_a_share(node):
            g, repeats = np.broadcast_to(g, y.shape), False
        derivatives = RULES[function]
        if type(derivatives) is not tuple:
            derivatives = derivatives_of(function, operands)
        plain = 0 if options else len(arguments)
        i = -1
        for derivative in derivatives:
            i += 1  # zip would cost more, and so would unpacking the arguments of nearly every call
            x = operands[i]
            if x is None or derivative is None or not x.requires_grad or (wrt is not None and x not in on_path):
                continue
            if derivative is same:
                c = g
            elif plain == 2:
                c = derivative(g, y, arguments[0], arguments[1])
            elif derivative in shares:
                c = shares[derivative](g, arguments[0], **options)
            elif plain == 1:
                c = derivative(g, y, arguments[0])
            else:
                c = derivative(g, y, *arguments, **options)
            a = primals[i]
            if c.shape != a.shape:
                if repeats or derivative in shares:
                    narrow.add(x)
                else:
                    c = _undone(c, a.shape, node)
            if c.dtype is not a.dtype and c.dtype != a.dtype:
                c = cast(c, a.dtype)
            earlier = get(x)
            found[x] = c if earlier is None else earlier + c if c.size < _LARGE else _sum(found, x, c)
    return found, narrow


def _takes_a_share(node: "Tensor") -> bool:
    """Whether the derivatives take a share for the whole cotangent: it stands for as many entries of every operand."""
    if node.function not in POINTWISE:
        return False
    if len(node.primals) == 1:
        return True
    shape, arguments = node.primal.shape, zip(node.operands, node.primals, strict=True)
    return all([a.shape == shape for x, a in arguments if x is not None and x.requires_grad])


def _sum(found: dict["Tensor", Any], x: "Tensor", c: Any) -> Any:
    """found[x] + c, in the memory of found[x] where nobody else sees that."""
    ours = getrefcount(found[x]) == _OURS
    earlier = found[x]
    if ours and type(earlier) is np.ndarray and earlier.base is None and earlier.shape == c.shape:
        earlier += c
        return earlier
    return earlier + c


def _undone(c: Any, shape: tuple[int, ...], node: "Tensor") -> Any:
    """The cotangent of an argument that broadcasting repeated."""
    try:
        return unbroadcast(c, shape)
    except ValueError:
        raise RuntimeError(
            f"the rule of {node.op} returned a cotangent of shape {c.shape} for an argument of shape {shape}; "
            f"a derivative returns the argument's shape, or one that broadcasting made of it (see mg.rule)"
        ) from None


def _recorded_arguments(node: "Tensor") -> tuple[Any, ...]:
    """The arguments of a node, Tensors where they were Tensors, so that a rule run on them records."""
    for x, a in zip(node.operands, node.primals, strict=True):
        if x is not None and x.function is None and x.value is not a and not np.array_equal(x.value, a, equal_nan=True):
            raise RuntimeError(
                f"{x.describe()} was updated after {node.op} had used it, so a derivative of this derivative would mix "
                f"old and new values; record the computation again, or take create_graph gradients before the update"
            )
    return tuple(a if x is None else x for x, a in zip(node.operands, node.primals, strict=True))
