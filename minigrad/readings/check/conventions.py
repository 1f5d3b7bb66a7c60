"""Conventions: what a course leaves out of all intermediate gradients, or turns round in all of them.

Two are known. A factor, such as the 1/m of a mean, stands in the gradients of the leaves instead of in those of the
intermediates: dZ = A - Y and dW = 1/m · dZ Xᵀ. And all gradients point down the hill (error = y - output), for weights
to which they are added. Each factor that is known is tried, whatever step is off, and the reading with the fewest wrong
steps is kept.

What a step should be is linear in the gradients that it is computed from. With the convention k it is

    from_given + k · rest    for an intermediate,        from_given / k + rest    for a leaf,

where ``from_given`` is what the intermediates that are given send and ``rest`` what comes from the root by other ways,
so two walks serve for all factors.
"""

from collections.abc import Container, Mapping
from typing import NamedTuple

from minigrad.engine.arrays import Array
from minigrad.engine.tensor import Tensor

from .steps import Homework, agrees


class Convention(NamedTuple):
    """The factor that the gradients of some nodes carry, against the true ones."""

    factor: float
    scaled: frozenset[Tensor]

    def taken_out(self, homework: Homework) -> Homework:
        """Return the same homework with the true gradients."""
        answers = {
            node: (answer / self.factor).astype(answer.dtype) if node in self.scaled else answer
            for node, answer in homework.as_given.items()
        }
        return Homework(homework.graph, answers)


def convention_of(homework: Homework, derivatives: bool) -> Convention | None:
    """Return the convention with fewer wrong steps than there are without one, None where there is none.

    ``derivatives`` says whether the gradients are called dX. Then a sign that goes through all of them may as well be a
    slip in the first one, and is one as long as it explains no more than that.
    """
    graph = homework.graph
    ends = {graph.root, *(term.node for term in graph.terms.values())}
    inner = frozenset(x for x in homework.given if x.function is not None and x not in ends)
    everything = frozenset(x for x in homework.given if x not in ends)
    if not everything:
        return None
    best, fewest = None, len(homework.wrong)
    leaves = {x for x in homework.off if x.function is None}
    rest = homework.rest(inner) if inner and leaves else {}
    for k in homework.numbers.lengths if rest else ():
        wrong = _wrong(homework, inner, rest, k, fewest)
        if len(wrong) < fewest and leaves - wrong:
            best, fewest = Convention(k, inner), len(wrong)
    if len(everything) > 1 and inner:
        downhill = len(_wrong(homework, everything, homework.rest(everything), -1.0, fewest)) + derivatives
        best = Convention(-1.0, everything) if downhill < fewest else best
    return best


def _wrong(
    homework: Homework, scaled: Container[Tensor], rest: Mapping[Tensor, Array], k: float, most: int
) -> set[Tensor]:
    """Return the nodes, ``most`` at most, whose answers do not follow from the others where some carry a factor."""
    found: set[Tensor] = set()
    for node, answer in homework.answers.items():
        if len(found) == most:
            break
        of_given = homework.expected[node] - rest[node]
        expected: Array = of_given + k * rest[node] if node in scaled else of_given / k + rest[node]
        slack = homework.slack[node] * max(abs(k), 1 / abs(k), 1.0)
        copied = node in scaled and agrees(answer, k * homework.truth[node], slack)
        if not agrees(answer, expected, slack) and not copied:
            found.add(node)
    return found
