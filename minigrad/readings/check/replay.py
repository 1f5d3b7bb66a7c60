"""Parts of the recorded graph, recorded again: with other operations in it, or cut out of a graph that is too large."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minigrad.engine.context import recording, tracing
from minigrad.engine.record import apply
from minigrad.engine.tensor import Tensor

from .steps import Homework


def recorded_again(
    homework: Homework, nodes: Iterable[Tensor], changes: Mapping[Tensor, Callable[..., Any]] | None = None
) -> dict[Tensor, Any]:
    """Return copies of nodes, given oldest first, that are computed again, and of what they use, as leaves.

    ``changes`` maps nodes to what computes them in place of their functions.
    """
    copies: dict[Tensor, Any] = {}
    with recording(), tracing():
        for node in nodes:
            if node.function is None:
                continue
            for x, a in zip(node.operands, node.primals, strict=True):
                if x is not None and x not in copies:
                    copies[x] = Tensor(a, name=homework.graph.names.get(x), requires_grad=x.requires_grad)
            args = tuple([a if x is None else copies[x] for x, a in zip(node.operands, node.primals, strict=True)])
            change = (changes or {}).get(node)
            copy = apply(node.function, args, node.options) if change is None else change(*args)
            copies[node] = copy.named(homework.graph.names[node]) if node in homework.graph.names else copy
    return copies
