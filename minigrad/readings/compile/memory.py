"""Which memory every result of a program lives in, and which calls are computed piece by piece.

    Plan(program, regions).owner[e]    the Memory that a result fills
    Plan(program, regions).slots(...)  which memories take turns in one piece of it
    runs(calls)                        elementwise calls of large arrays that follow each other

A result is written into an operand that is not needed again, else into memory whose last use is over, else into memory
of its own. What a program returns is allocated by the run that returns it, so that it is the caller's own. Inputs and
constants are never written to.

Large arrays are computed piece by piece where elementwise calls follow each other, so that what one writes is still in
the processor's cache when the next reads it; what only they need is no larger than a piece.
"""

import math
from bisect import bisect, insort
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import groupby

import numpy as np

from minigrad.engine.primitives import cast, getitem
from minigrad.text.expressions import LITERAL, Expr, Shape, known, ours

from .optimize import Program, bytes_of, inputs_of

_MIN_BLOCKED_BYTES = 2**19  # a larger array leaves the cache before its next use, and is computed in pieces
_PIECE_BYTES = 2**17  # a call reads two pieces and writes one

EXTREMA = (np.maximum, np.minimum)
COPYING = frozenset({np.reshape, np.ravel})  # which copy where they can make no view


# --- memory -----------------------------------------------------------------------------------------------------------


def writes(e: Expr) -> bool:
    """Return True if the result can be written into memory that is already there."""
    if e.dtype.kind not in "biuf":
        return False
    reduces = known(e.function).reduces
    if reduces in EXTREMA:  # NumPy 2.0.0 writes wrong ones of reversed arrays
        return False
    return e.function is np.matmul or reduces is not None or is_entrywise(e)


def is_entrywise(e: Expr) -> bool:
    """Return True if each entry of a result, written into memory, depends on the entries at its place alone."""
    if e.function is cast:
        return bool(np.can_cast(e.args[0].dtype, e.dtype, "same_kind"))
    return isinstance(e.function, np.ufunc) and known(e.function).elementwise


def is_fresh(e: Expr) -> bool:
    """Return True if the result never shares memory with an argument."""
    if e.function is getitem:
        return any(a.function is not LITERAL for a in e.args[1:])
    return ours(e.function) and not known(e.function).view


@dataclass(eq=False)
class Memory:
    """An array that holds several results, one after the other, from call ``first`` to ``last``."""

    holder: Expr  # the first of them
    nbytes: int
    first: int
    last: int
    allocated: bool  # by the function that computes its first holder
    given: bool = False  # returned to the caller

    @property
    def planned(self) -> bool:
        """Return True if it is planned beforehand: neither allocated by a function nor returned to the caller."""
        return not self.allocated and not self.given


class Plan:
    """Which memory every result lives in, and from when to when.

    ``owner`` maps an expression that fills a memory of the program's own to that memory; ``shares`` maps every
    expression to the holders of all memory that it may be a part of. A 0-d result is a NumPy scalar and shares nothing.
    """

    def __init__(self, program: Program, regions: "Iterable[Region]") -> None:
        self.program = program
        self.shares: dict[Expr, frozenset[Expr]] = {x: frozenset((x,)) for x in (*program.inputs, *program.constants)}
        self.last: dict[Expr, int] = {}
        self.owner: dict[Expr, Memory] = {}
        self.memories: list[Memory] = []
        for i, e in enumerate(program.calls):
            self.shares[e] = self._shared(e)
            for holder in self.shares[e].union(*(self.shares[a] for a in inputs_of(e))):
                self.last[holder] = i
        self.run_of: dict[int, Region] = {}
        self.viewed: dict[Region, set[Expr]] = {}  # memory that a run reads through a view, not as it lies
        for run in regions:
            self.run_of |= dict.fromkeys(range(run.first, run.last + 1), run)
            read = {x for e in program.calls[run.first : run.last + 1] for x in inputs_of(e)}
            self.viewed[run] = {holder for x in read if self.shares[x] != {x} for holder in self.shares[x]}
        self.given = self._given()
        for i, e in enumerate(program.calls):
            self._place(i, e)

    def _shared(self, e: Expr) -> frozenset[Expr]:
        if not e.shape:
            return frozenset()
        if is_fresh(e):
            return frozenset((e,))
        return frozenset().union(*(self.shares[a] for a in inputs_of(e))) or frozenset((e,))

    def _given(self) -> set[int]:
        """Return the places of the outputs that can be returned as they are, no two of which share memory."""
        made = set(self.program.calls)
        self.returned: set[Expr] = set()
        given = set[int]()
        for place, e in enumerate(self.program.outputs):
            held = self.shares[e]
            for holder in held:
                self.last[holder] = len(made)
            if e not in made or len(held) != 1 or e.function is np.broadcast_to or held & self.returned:
                continue
            (holder,) = held
            if holder in made and is_fresh(holder):
                self.returned.add(holder)
                given.add(place)
        return given

    def _place(self, i: int, e: Expr) -> None:
        """Find the result's memory: that of an operand that is not needed again, or memory of its own."""
        if self.shares[e] != {e} or not is_fresh(e):
            return
        viewed = self.viewed[self.run_of[i]] if i in self.run_of else ()
        for a in inputs_of(e) if writes(e) and is_entrywise(e) else ():
            alike = (a.shape, a.dtype) == (e.shape, e.dtype)
            if alike and a in self.owner and self.last[a] == i and a not in viewed:
                memory = self.owner[e] = self.owner[a]
                memory.last = self.last[e]
                memory.given |= e in self.returned
                return
        memory = Memory(e, bytes_of(e), i, self.last[e], not writes(e), e in self.returned)
        self.owner[e] = memory
        self.memories.append(memory)

    def slots(self, skipped: Container[Memory]) -> tuple[list[int], dict[Memory, int]]:
        """Return the sizes of the slots for the planned memories, and the slot of each; a slot serves many in turn.

        The calls of a run take turns, so that what one of them uses is in use as long as the run.
        """
        sizes: list[int] = []
        slot_of: dict[Memory, int] = {}
        busy: list[tuple[int, int]] = []  # a heap: the last call that uses a slot, and the slot
        free: list[tuple[int, int]] = []  # sorted: the size of a slot, and the slot
        for memory in self.memories:
            if not memory.planned or memory in skipped:
                continue
            run = self.run_of.get(memory.last)
            end = run.last if run else memory.last
            while busy and busy[0][0] < memory.first:
                _, slot = heappop(busy)
                insort(free, (sizes[slot], slot))
            if free:  # the smallest that is large enough, else the largest, which grows
                _, slot = free.pop(min(bisect(free, (memory.nbytes, -1)), len(free) - 1))
            else:
                slot = len(sizes)
                sizes.append(0)
            sizes[slot] = max(sizes[slot], memory.nbytes)
            heappush(busy, (end, slot))
            slot_of[memory] = slot
        return sizes, slot_of


# --- pieces ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Region:
    """Elementwise calls ``first`` to ``last`` of one shape, computed together."""

    first: int
    last: int
    shape: Shape


@dataclass(frozen=True)
class Run(Region):
    """Calls of one large shape, computed piece by piece along ``axis``."""

    axis: int
    step: int

    def whole(self, shape: Shape) -> bool:
        """Return whether an operand of ``shape`` is the same for all pieces."""
        axis = self.axis - (len(self.shape) - len(shape))
        return axis < 0 or shape[axis] == 1

    def piece(self, name: str, shape: Shape, part: str) -> str:
        """Return the code of an operand's piece: ``name`` indexed by ``part`` along the axis of the run."""
        axis = self.axis - (len(self.shape) - len(shape))
        return f"{name}[{':, ' * axis}{part}]"

    def piece_shape(self) -> Shape:
        """Return the shape of a full piece."""
        return (*self.shape[: self.axis], self.step, *self.shape[self.axis + 1 :])


def runs(calls: Sequence[Expr]) -> Iterator[Run]:
    """Yield the runs of elementwise calls of one large shape that follow each other."""

    def shape_of(i: int) -> Shape | None:
        return calls[i].shape if writes(calls[i]) and is_entrywise(calls[i]) else None

    for shape, group in groupby(range(len(calls)), shape_of):
        indices = list(group)
        if shape is None or len(indices) < 2:
            continue
        itemsize = max(calls[i].dtype.itemsize for i in indices)
        if math.prod(shape) * itemsize < _MIN_BLOCKED_BYTES:
            continue
        axis = next(k for k, n in enumerate(shape) if n > 1)
        step = max(1, _PIECE_BYTES // (itemsize * math.prod(shape[axis + 1 :])))
        if step < shape[axis]:
            yield Run(indices[0], indices[-1], shape, axis, step)
