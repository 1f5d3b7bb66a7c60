"""The single steps of a hand-made derivation: each recomputed from the learner's own gradients downstream of it.

A comparison with the true gradients flags everything that lies upstream of a mistake. A step alone does not: the
cotangents that the learner gave for the nearest nodes downstream are taken as they are, the walk goes on from them,
and what arrives at the next given node is what the learner should have found there. One walk serves all the steps.

The walk computes in double precision, whatever the data are, so that what it finds is exact to the learner's rounding.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache, reduce
from typing import Any

import numpy as np

from minigrad.engine.arrays import Array, Value
from minigrad.engine.node import Node, reachable
from minigrad.engine.reverse import walk
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.derive.lines import largest
from minigrad.text import rewrites
from minigrad.text.expressions import applied
from minigrad.text.words import printable

from .kinks import has_kink, moved
from .numbers import Numbers

_SINGLE = float(np.finfo(np.float32).eps)
_NOISE, _MARGIN = 4, 8  # noise per value in units of rounding, and how much more than its effect a gradient may be off
_STEPS_ROUNDING = 1000  # units, relative, of a gradient that was computed in several steps
_MAX_RELATIVE_ERROR = 1e-3  # of a float32 step in float64 data
_LEAST_SHARE = 1 / 500  # of what rounding may do to the entries of an answer: the least for any of them


def double(a: Value) -> Value:
    """Return a floating value in double precision; anything else as it is."""
    return a.astype(np.float64, copy=False) if getattr(a, "dtype", None) is not None and a.dtype.kind == "f" else a


def recomputed(node: Tensor, args: Iterable[Value]) -> Value:
    """Return the result of a node for other arguments."""
    return applied(node.function, args, node.options)


def _receivers(node: Tensor) -> list[Tensor]:
    """Return the nodes that a gradient of ``node`` passes to, constants included."""
    vjps = () if node.rule is None else node.rule.vjps(node.operands)
    return [x for x, d in zip(node.operands, vjps, strict=False) if x is not None and d is not None]


def _leading(graph: Graph, constants: set[Tensor]) -> set[Tensor]:
    """Return the constants that the root is computed from by way of some of ``constants``, and those."""
    leading = set(constants)
    for node in graph.nodes if constants else ():
        if not (node.requires_grad or leading.isdisjoint(node.operands)):
            leading.add(node)
    return leading


class Values:
    """What the rules see of each node, result and arguments: as recorded, or with noise.

    With noise each named value is off by a rounding error, and what has no name is computed from the values that are
    off, in the data's own dtype, so that how far a gradient moves says how far rounding may move it.
    """

    def __init__(self, nodes: Iterable[Tensor] = (), noise: Function = double, names: Container[Tensor] = ()) -> None:
        self._noisy: dict[Node, tuple[Value, tuple[Value, ...]]] = {}
        values: dict[Tensor, Value] = {}
        for node in nodes:
            if node.function is None:
                continue
            deciding = {*rewrites.deciding(node.function, node.dtype, node.operands)}  # noise is no jump
            args = []
            for x, a in zip(node.operands, node.primals, strict=True):
                if x is not None and x not in values:
                    values[x] = noise(a)
                args.append(a if x is None or x in deciding else values[x])
            steady = node.requires_grad and not deciding.issuperset(node.inputs)
            result = recomputed(node, args) if steady else node.primal
            exact = has_kink(node) or not steady
            self._noisy[node] = (node.primal, node.primals) if exact else (result, tuple(args))
            values[node] = noise(result) if node in names else result

    def of(self, node: Node) -> tuple[Value, tuple[Value, ...]]:
        """Return the result and the arguments of a node."""
        return self._noisy.get(node) or (double(node.primal), tuple(map(double, node.primals)))


class OneSided(Values):
    """The values as recorded, but on one side of every kink; ``ties`` counts the entries at kinks by node."""

    def __init__(self, nodes: Iterable[Tensor], side: int) -> None:
        super().__init__()
        self.ties: dict[Tensor, int] = {}
        for node in nodes:
            if node.function is not None and node.requires_grad:
                args, count = moved(node, self.of(node)[1], side)
                if count:
                    self.ties[node] = count
                    self._noisy[node] = recomputed(node, args), args


class Homework:
    """The gradients that a learner gave, and what each should be given the others.

    ``answers`` are ``as_given``, in double precision; ``expected`` is what each step gives from the answers downstream
    of it, ``truth`` what it gives from the root alone; ``blind`` holds the nodes whose answers have another number
    of entries, so that what follows from them cannot be told; ``doubtful`` those whose answers differ from
    what is expected by more than the rounding of one operation. All that takes more than one walk is computed for
    those alone. Gradients of constants can be given too.
    """

    def __init__(self, graph: Graph, answers: Mapping[Tensor, Array]) -> None:
        self.graph, self.numbers = graph, Numbers(graph)
        self.as_given = answers
        self.answers = {node: answer.astype(np.float64) for node, answer in answers.items()}
        self.values = Values()
        self.dtypes = {node.dtype for node in graph.nodes}
        self.epsilon = max(map(_epsilon, self.dtypes))
        self.coarse = {node for node, answer in answers.items() if _epsilon(answer.dtype) > self.epsilon}
        usable = {node: _fitted(answer, node.shape) for node, answer in self.answers.items()}
        self.blind = {node for node, answer in self.answers.items() if answer.size != node.size}
        self.given = {node: answer for node, answer in usable.items() if answer is not None}
        self.constants = _leading(graph, {node for node in answers if not node.requires_grad})
        self.cotangents = self.walk(self.given)
        self.expected = {node: self._at(self.cotangents, node) for node in answers}
        self.sizes, self.unchecked, self.doubtful = self._compared()

    def walk(self, given: Mapping[Tensor, Value]) -> dict[Tensor, Value]:
        """Return what arrives at each node from the root, where what is given is sent on in place of what arrived."""
        root = self.graph.root
        values = None if self.dtypes == {np.dtype(np.float64)} else self.values.of
        return walk({root: np.ones(root.shape)}, given=given, values=values, constants=self.constants)

    def _compared(self) -> tuple[dict[Tensor, float], list[Tensor], list[Tensor]]:
        """Return how large each step is, which of them are not finite, and which answers are doubtful."""
        nodes = [x for x, answer in self.answers.items() if answer.size and answer.shape == x.shape]
        if not nodes:
            return {x: largest(a) for x, a in self.expected.items()}, [], [*self.answers]
        answers, expected = (np.concatenate([a[x].ravel() for x in nodes]) for a in (self.answers, self.expected))
        known = np.isfinite(expected)
        starts = np.cumsum([0, *[x.size for x in nodes[:-1]]])
        with np.errstate(all="ignore"):
            rest = np.maximum.reduceat(np.where(known, np.abs(answers - expected), 0.0), starts)
        sizes = np.maximum.reduceat(np.where(known, np.abs(expected), 0.0), starts)
        right = rest <= _NOISE * _MARGIN * self.epsilon * sizes
        unchecked = [nodes[i] for i in np.flatnonzero(~np.logical_and.reduceat(known, starts))]
        found = dict(zip(nodes, sizes.tolist(), strict=True))
        others = (x for x in self.answers if x not in found)
        doubtful = [nodes[i] for i in np.flatnonzero(~right)] + [x for x in others if self.answers[x].shape != x.shape]
        return {x: found[x] if x in found else largest(a) for x, a in self.expected.items()}, unchecked, doubtful

    @cached_property
    def _between_doubtful(self) -> tuple[list[Tensor], list[Tensor]]:
        """The nodes that the doubtful steps lead through, oldest first, and the answers that they start from."""
        ends = {*self.doubtful}

        def senders(x: Tensor) -> list[Tensor]:
            return self.senders(x) if x in ends or x not in self.answers else []

        found = reachable(ends, senders)
        return found, [x for x in found if x in self.given and x not in ends]

    @cached_property
    def inside(self) -> set[Tensor]:
        """The nodes of the doubtful steps, without the answers that they start from."""
        nodes, sources = self._between_doubtful
        return {*nodes}.difference(sources)

    def senders(self, x: Tensor) -> list[Tensor]:
        """Return the nodes that a gradient passes from to a node, oldest first."""
        return [*self._senders(x)]

    def _senders(self, x: Tensor) -> Iterator[Tensor]:
        return (y for y in self.graph.consumers[x] if any(receiver is x for receiver in _receivers(y)))

    def computing(self, nodes: Iterable[Tensor]) -> list[Tensor]:
        """Return nodes, and those without a name that they are computed from, oldest first."""
        return reachable(nodes, lambda x: [y for y in x.inputs if y not in self.graph.names])

    def _again(self, values: Values, noise: Function = double) -> dict[Tensor, Array]:
        """Return what the doubtful steps give where values, and the answers that they start from, are others."""
        nodes, sources = self._between_doubtful
        seeds = {x: noise(self.given[x]) for x in sources}
        given = seeds | {x: noise(self.given[x]) for x in self.doubtful if x in self.given}
        if any(x is self.graph.root for x in nodes):
            seeds[self.graph.root] = np.ones(self.graph.root.shape)
        found = walk(seeds, {*self.doubtful}, given=given, values=values.of, constants=self.constants)
        return {x: self._at(found, x) for x in self.doubtful}

    def computed_from(self, answers: Iterable[Tensor]) -> set[Tensor]:
        """Return the nodes whose gradients are computed from these answers."""
        return set(reachable([x for y in answers for x in _receivers(y)], _receivers))

    def sent(self, node: Tensor) -> Value:
        """Return the cotangent that a node sends on: the learner's, where there is one."""
        return self.given[node] if node in self.given else self._at(self.cotangents, node)

    @staticmethod
    def _at(cotangents: Mapping[Tensor, Value], node: Tensor) -> Array:
        found = cotangents.get(node)
        return np.zeros(node.shape) if found is None else np.asarray(found)

    def missing(self, node: Tensor) -> int:
        """Return how many more entries are not finite in what is expected than in the answer."""
        return int(np.sum(~np.isfinite(self.expected[node]))) - int(np.sum(~np.isfinite(self.answers[node])))

    @cached_property
    def sides(self) -> list[dict[Tensor, Array]]:
        """What each step gives on the two sides of the kinks that the values are at; empty where they are at none."""
        nodes, _ = self._between_doubtful
        both = [OneSided(nodes, side) for side in (1, -1)]
        self.ties = both[0].ties
        return [self._again(values) for values in both] if self.ties else []

    def follows(self, node: Tensor, slack: float) -> bool:
        """Return True if an answer follows from the others: it is as expected, or another subgradient at a kink."""
        if agrees(self.answers[node], self.expected[node], slack):
            return True
        return bool(self.sides) and node in self.sides[0] and self._between(node, slack)

    def _between(self, node: Tensor, slack: float) -> bool:
        """Return True if an answer lies between those of both sides of the kinks, and adds up as they do."""
        answer, (left, right) = self.answers[node], [side[node] for side in self.sides]
        if answer.shape != left.shape:
            return False
        if agrees(answer, left, slack) or agrees(answer, right, slack):
            return True
        low, high = (reduce(f, (left, right, self.expected[node])) for f in (np.minimum, np.maximum))
        if np.sum(high - low > slack) > sum(self.ties.values()):
            return False
        conserved = abs(np.sum(left - right)) > slack or abs(np.sum(answer - left)) <= slack * answer.size
        return bool(np.all((answer >= low - slack) & (answer <= high + slack)) and conserved)

    @cached_property
    def off(self) -> set[Tensor]:
        """The nodes whose answers do not follow from the others."""
        return {x for x in self.doubtful if not self.follows(x, self.slack[x])}

    @cached_property
    def wrong(self) -> set[Tensor]:
        """The nodes whose answers neither follow from the others nor are the true gradients."""
        return {x for x in self.off if not self.is_true(x)}

    def is_true(self, node: Tensor) -> bool:
        """Return True if an answer is the true gradient, but for what many steps may lose of it."""
        return agrees(self.answers[node], self.truth[node], self._loose[node])

    def nearly_right(self) -> bool:
        """Return True if no answer is further from what is expected, or from the truth, than any rounding explains."""
        return all(
            any(
                agrees(self.answers[x], a[x], _MAX_RELATIVE_ERROR * largest(self.answers[x]))
                for a in (self.expected, self.truth)
            )
            for x in self.doubtful
        )

    def rest(self, senders: Iterable[Tensor]) -> dict[Tensor, Array]:
        """Return what each step gets where the answers of some nodes are zero."""
        found = self.walk({**self.given, **dict.fromkeys(senders)})
        return {node: self._at(found, node) for node in self.answers}

    @cached_property
    def truth(self) -> dict[Tensor, Array]:
        """The true gradient of each node that has an answer."""
        return {node: self.truth_of(node) for node in self.answers}

    def truth_of(self, node: Tensor) -> Array:
        """Return the true gradient at any node."""
        return self._at(self._true, node)

    @cached_property
    def _true(self) -> dict[Tensor, Value]:
        return self.walk({})

    @cached_property
    def term_gradients(self) -> dict[str, dict[Tensor, Array]]:
        """The gradient of each cost term at the named leaves that it is computed from."""
        found = {}
        for term in self.graph.terms:
            arrived = self.graph.cotangents(term)
            leaves = (x for x in self.graph.names if x.function is None and x in arrived)
            found[term] = {x: double(arrived[x]) for x in sorted(leaves, key=lambda x: x.order)}
        return found

    @cached_property
    def _loose(self) -> dict[Tensor, float]:
        """How far an answer may be off where a step was rounded to float32: its effect grows with its size."""
        more = _SINGLE / self.epsilon
        if more <= 1:
            return self.strict
        return {
            node: more * s if node in self.coarse else min(more * s, _MAX_RELATIVE_ERROR * self.sizes[node])
            for node, s in self.strict.items()
        }

    @cached_property
    def slack(self) -> dict[Tensor, float]:
        """How far an answer may be off: where nothing speaks for float32, the answers have the digits of the data."""
        return self._loose if self.single or self.coarse else self.strict

    @cached_property
    def single(self) -> set[Tensor]:
        """The nodes whose answers are off by more than the rounding of the data, as a step in float32 explains it."""
        off = (x for x in self.doubtful if not agrees(self.answers[x], self.expected[x], self.strict[x]))
        return {x for x in off if self.is_single(x, self.expected[x])}

    def is_single(self, node: Tensor, wanted: Array) -> bool:
        """Return True if a step in float32 explains how far each entry of a doubtful answer is from what is wanted.

        Where one entry may be off by much, the others may not, but for what chance leaves out of ``_moved``.
        """
        moved = _SINGLE / self.epsilon * _MARGIN * (self._moved[node] + self.epsilon * np.abs(self.expected[node]))
        strict, loose = self.strict[node], self._loose[node]
        return agrees(self.answers[node], wanted, np.clip(moved, _LEAST_SHARE * loose, loose).clip(strict))

    @cached_property
    def strict(self) -> dict[Tensor, float]:
        """How far an answer may be off by rounding, in the dtype of the data.

        For a doubtful one it is the effect of moving every value and answer by a rounding error; for the others what
        may add up on the way from the root.
        """
        epsilon = self.epsilon
        found = {x: _STEPS_ROUNDING * epsilon * size for x, size in self.sizes.items()}
        sizes = {x: max(self.sizes[x], largest(self.answers[x])) for x in self._moved}  # what a slip gives rounds too
        return found | {x: _MARGIN * (largest(m) + epsilon * sizes[x]) for x, m in self._moved.items()}

    @cached_property
    def _moved(self) -> dict[Tensor, Array]:
        """How far each entry of what is expected in the doubtful steps moves with every value and answer."""
        epsilon, nodes = self.epsilon, self.computing(self._between_doubtful[0])
        moved = {x: np.zeros(self.expected[x].shape) for x in self.doubtful}
        for seed in range(2):
            rng = np.random.default_rng(seed)

            def noise(a: Value, rng: np.random.Generator = rng) -> Value:
                if a.dtype.kind != "f":
                    return a
                return (a * (1 + _NOISE * epsilon * rng.uniform(-1, 1, a.shape))).astype(a.dtype, copy=False)

            for node, g in self._again(Values(nodes, noise, self.graph.names), noise).items():
                moved[node] = np.maximum(moved[node], np.abs(g - self.expected[node]))
        return moved

    def name(self, node: Tensor) -> str:
        """Return what a node is called in a report; one without a name by its operation."""
        return printable(self.graph.names.get(node) or f"the result of {node.op}")

    def value(self, node: Tensor) -> Value:
        """Return the value that a node had when it was recorded."""
        for y in self.graph.consumers[node]:
            return self.values.of(y)[1][next(i for i, x in enumerate(y.operands) if x is node)]
        return self.values.of(node)[0]

    def backward_order(self, node: Tensor) -> tuple[int, bool, int]:
        """Return a sort key for the order of a derivation by hand: when the last share of a gradient arrives."""
        oldest = next(self._senders(node), node)
        return -oldest.order, node.function is not None, -node.order


class Step:
    """One answer, and the part of the graph between it and the answers, or the root, that it is computed from.

    ``inside`` are the nodes of that part, ``sources`` the nodes downstream where it begins.
    """

    def __init__(self, homework: Homework, node: Tensor, slack: float) -> None:
        self.homework, self.node, self.slack = homework, node, slack
        self.answer, self.expected = homework.answers[node], homework.expected[node]
        self.graph, self.values, self.name = homework.graph, homework.values, homework.name
        newest_first = reachable([node], self._downstream)[::-1]
        self.inside = {x for x in newest_first if x is node or x not in homework.answers}
        self.sources = [x for x in newest_first if x not in self.inside]
        ends = {self.graph.root, node, *(term.node for term in self.graph.terms.values())}
        self.between = [x for x in newest_first if x in self.graph.names and x in self.inside and x not in ends]

    def _downstream(self, x: Tensor) -> list[Tensor]:
        """Return the nodes that send to a node on the way from the answers to the step; none behind an answer."""
        if x is not self.node and x in self.homework.answers:
            return []
        return self.homework.senders(x)

    def _sent_by(self, source: Tensor, g: Value) -> Array:
        """Return what one node alone sends to the node of the step, by no way through another answer."""
        stops = dict.fromkeys(x for x in self.homework.answers if x is not source)
        found = walk({source: g}, {self.node}, given=stops, values=self.values.of, constants=self.homework.constants)
        return np.asarray(found[self.node]) if self.node in found else np.zeros(self.node.shape)

    @cached_property
    def parts(self) -> dict[str, Array]:
        """The summands of the expected answer, by what sends them: an answer downstream, or a cost term."""
        parts = {"d" + self.name(x): self._sent_by(x, self.homework.sent(x)) for x in self.sources}
        for name, term in self.graph.terms.items():
            if term.node in self.inside:
                parts[printable(name)] = self._sent_by(term.node, np.full(term.node.shape, term.coefficient))
        return parts

    def known_factor(self, k: float) -> str | None:
        """Return what is said of a factor that is known, None of any other."""
        return self.homework.numbers.factor(k)

    def matches(self, candidate: Value) -> bool:
        """Return True if the answer is the candidate, to rounding."""
        a = np.asarray(candidate)
        if a.shape == self.expected.shape and not np.all(np.isfinite(a) | ~np.isfinite(self.expected)):
            return False
        return agrees(self.answer, a, self.slack)

    def multiple(self, direction: Value, base: Value = 0.0) -> float | None:
        """Return the t for which the answer is base + t · direction, None where no such t can be told."""
        direction = np.asarray(direction)
        if direction.shape != self.answer.shape or np.shape(base) not in ((), self.answer.shape):
            return None
        rest = self.answer - base
        size = largest(direction)
        if not size > 4 * self.slack or not np.all(np.isfinite(rest)) or not np.isfinite(size):
            return None
        unit = direction / size
        t = float(np.vdot(unit, rest) / np.vdot(unit, unit)) / size
        return t if agrees(rest, t * direction, self.slack * max(1.0, abs(t))) else None

    def telling(self, direction: Value) -> bool:
        """Return True if a multiple of the direction is hit by no accident: it has several entries that count."""
        return int(np.sum(np.abs(direction) > 1e-3 * largest(direction))) > 2


def agrees(answer: Array, expected: Array, slack: float | Array) -> bool:
    """Return True if two arrays are equal to within slack, wherever the second is finite."""
    if answer.shape != expected.shape:
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(answer - expected) <= slack, where=np.isfinite(expected)))


@lru_cache(maxsize=4096)
def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return True if broadcasting makes one shape of another."""
    try:
        return shape == to or np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _epsilon(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


def _fitted(answer: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the answer as the steps after it would use it, None where its shape cannot be mended."""
    if answer.shape == shape:
        return answer
    if answer.T.shape == shape:
        return answer.T
    if answer.size == int(np.prod(shape)):
        return answer.reshape(shape)
    try:
        return np.broadcast_to(answer, shape)
    except ValueError:
        return None
