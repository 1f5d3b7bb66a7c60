"""Parts of the recorded graph, recorded again: with other operations in it, or cut out of a graph that is too large."""

from collections.abc import Iterable, Mapping

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.context import recording, tracing
from minigrad.engine.record import apply
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph

from .steps import Homework, Step

_MAX_OPERATIONS = 400


def recorded_again(
    homework: Homework, nodes: Iterable[Tensor], changes: Mapping[Tensor, Function] | None = None
) -> dict[Tensor, Value]:
    """Return copies of nodes, given oldest first, that are computed again, and of what they use, as leaves.

    ``changes`` maps nodes to what computes them in place of their functions.
    """
    copies: dict[Tensor, Value] = {}
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


def part_of(step: Step) -> Step | None:
    """Return a step in a homework of its own, cut out of one that is too large; None where it is too large itself.

       That has the operations from the gradients that the step starts from to its own.
    The cost is one of which the sources have the gradients that the learner gave: the sum of each times its gradient.
    """
    homework, ends = step.homework, {*step.sources, *step.inside}
    if len(ends) > _MAX_OPERATIONS:
        return None
    copies = recorded_again(homework, homework.computing(ends))
    with recording():
        sent = [np.sum(copies[x] * np.asarray(homework.sent(x))) for x in step.sources]
        costs = [copies[homework.graph.root]] if homework.graph.root in step.inside else []
        graph = Graph.of_cost(sum(sent[1:] + costs, sent[0]) if sent else costs[0])
    given = {copies[x]: np.asarray(homework.sent(x)) for x in step.sources}
    own = copies[step.node]
    return Step(Homework(graph, given | {own: homework.as_given[step.node]}), own, step.slack)
