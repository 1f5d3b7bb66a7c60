"""Elementwise calls fused into loops that numba compiles, for ``mg.compile(f, fast=True)``.

    in_loops(program)          the program with calls in regions that are fused
    kernel(calls, stored)      the loop of a region, as text, and what it is called with
    compiled(text)             the function, compiled once for every program that has the same loop

A result that is needed in the loop alone never reaches memory. What takes longer to load than to compute from what the
loop reads anyway is computed again, so that it need not be stored. Loops round as NumPy does, but for exp, log and tanh
(vectorized.py). What is not fused runs in NumPy, as without ``fast``.
"""

import functools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import cast
from minigrad.text.expressions import LITERAL, Expr, Shape, known

from .memory import Region, writes
from .optimize import Program, bytes_of, inputs_of

_MAX_LOOP_ARRAYS = 9  # of more, LLVM does not prove that they do not overlap, and uses no vectors
_MAX_LOOP_CALLS = 64
_CALLS_PER_LOAD = 16  # that take as long as to store an array and to load it again, about
_MAX_FUSION_DISTANCE = 64  # calls before a call among which one is looked for that can be fused with it

_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_TRANSCENDENTAL = {np.exp: "exp", np.log: "log", np.tanh: "tanh"}
_OPERATORS = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.divide: "{} / {}",
    np.negative: "-{}",
    np.square: "{0} * {0}",
    np.absolute: "abs({})",
    np.sqrt: "sqrt({})",
    np.maximum: "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",  # NaN where either is
    np.minimum: "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
    np.greater: "{} > {}",
    np.greater_equal: "{} >= {}",
    np.less: "{} < {}",
    np.less_equal: "{} <= {}",
    np.equal: "{} == {}",
    np.not_equal: "{} != {}",
}


@functools.cache
def compiled(text: str) -> Callable[..., None]:
    """Return the function that a text defines, compiled by numba when it is first called."""
    import numba

    from .vectorized import functions

    namespace: dict[str, Any] = {"float64": np.float64, "float32": np.float32, "sqrt": np.sqrt, **functions()}
    exec(text, namespace)
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    made: Callable[..., None] = numba.njit(**options)(namespace["kernel"])
    return made


# --- which calls are fused --------------------------------------------------------------------------------------------


def fusible(program: Program) -> set[Expr]:
    """Return the calls that a loop can make; one whose value decides something is computed to the bit as in NumPy."""
    return {e for e in program.calls if can_be_fused(e) and not (e.function in _TRANSCENDENTAL and e in program.exact)}


def can_be_fused(e: Expr) -> bool:
    """Return True if a loop has the function, for these arrays of one floating dtype."""
    others = inputs_of(e)
    if math.prod(e.shape) < 2 or not others or not writes(e):
        return False
    dtype = others[0].dtype
    if e.function is cast:
        return dtype in (*_FLOATS, np.dtype(bool)) and e.dtype in _FLOATS
    known = not e.options and (e.function in _TRANSCENDENTAL or e.function in _OPERATORS)
    alike = dtype in _FLOATS and all(a.dtype == dtype for a in others) and e.dtype in (dtype, np.dtype(bool))
    return known and alike and all(_is_number(a.value, dtype) for a in e.args if a.function is LITERAL)


def _is_number(value: Value, dtype: Any) -> bool:
    """Return whether a finite number takes the dtype of the arrays beside it."""
    return (type(value) in (int, float) or getattr(value, "dtype", None) == dtype) and math.isfinite(value)


def gathered(program: Program) -> list[Expr]:
    """Return the calls in an order in which those of one shape that can be fused follow each other where they may.

    A call waits for a later one of its shape where nothing between them needs it, and for both waits what only computes
    numbers.
    """
    calls, fused = program.calls, fusible(program)
    users: dict[Expr, list[Expr]] = {}
    for e in calls:
        for a in inputs_of(e):
            users.setdefault(a, []).append(e)
    placed: dict[Expr, None] = {}  # last first

    def may_wait(e: Expr) -> bool:
        return e not in placed and all(user in placed for user in users.get(e, ()))

    for place in reversed(range(len(calls))):
        e = calls[place]
        if e in placed:
            continue
        before = calls[max(0, place - _MAX_FUSION_DISTANCE) : place] if e in fused else []
        for earlier in reversed(before):
            if not earlier.shape and known(earlier.function).pure and may_wait(earlier):
                placed[earlier] = None
        placed[e] = None
        for earlier in reversed(before):
            if earlier in fused and earlier.shape == e.shape and may_wait(earlier):
                placed[earlier] = None
    return [*reversed(placed)]


def in_loops(program: Program) -> tuple[Program, list[Region]]:
    """Return a program whose calls are fused in regions, and these: a region computes again what it need not load."""
    loops = _Loops(program)
    made: list[Expr] = []
    regions: list[Region] = []
    of: dict[Expr, Expr] = {}
    for again, own in loops.chosen():
        first, inside = len(made), dict[Expr, Expr]()
        for e in (*again, *own):
            args = tuple([inside.get(a) or of.get(a, a) for a in e.args])
            inside[e] = Expr(e.function, args, e.options, e.shape, e.dtype)
        made += inside.values()
        of |= {e: inside[e] for e in own}
        if len(inside) > 1 or (own[0].function in _TRANSCENDENTAL and own[0] in loops.fused):
            regions.append(Region(first, len(made) - 1, own[0].shape))
    outputs, exact = [of.get(e, e) for e in program.outputs], {of.get(e, e) for e in program.exact}
    return program._replace(calls=made, outputs=outputs, exact=exact), regions


class _Loops:
    """The calls of a program, divided into loops.

    They are chosen from the last to the first, as a loop stores what later ones load. What a loop costs is measured in
    bytes that are loaded or stored.
    """

    def __init__(self, program: Program) -> None:
        self.calls, self.fused = gathered(program), fusible(program)
        self.needed = set(program.outputs)
        self.place = {e: i for i, e in enumerate(self.calls)}
        self.inputs = {e: [*dict.fromkeys(inputs_of(e))] for e in self.calls}
        self.bytes = {a: bytes_of(a) for e in self.calls for a in (e, *self.inputs[e])}

    def chosen(self) -> list[tuple[list[Expr], list[Expr]]]:
        """Return the calls that follow each other: what each loop computes again, and for the first time."""
        parts = []
        end = len(self.calls)
        while end:
            e = self.calls[end - 1]
            if e in self.fused and e not in self.needed:  # all that it was for is computed again
                end -= 1
                continue
            again, own = self._ending(end) if e in self.fused else ([], [e])
            inside = {*again, *own}
            self.needed.update(a for x in inside for a in self.inputs[x] if a not in inside)
            parts.append((again, own))
            end = self.place[own[0]]
        return parts[::-1]

    def _ending(self, end: int) -> tuple[list[Expr], list[Expr]]:
        """Return the loop before ``end`` that costs least for each call, of those not too large."""
        shape = self.calls[end - 1].shape
        first = end - 1
        while first > max(0, end - 2 * _MAX_LOOP_CALLS) and self._alike(self.calls[first - 1], shape):
            first -= 1
        best: tuple[list[Expr], list[Expr]] = [], [self.calls[end - 1]]
        lowest = math.inf
        own: list[Expr] = []
        loaded, stored = set[Expr](), list[Expr]()
        for place in range(end - 1, max(first, end - _MAX_LOOP_CALLS) - 1, -1):
            e = self.calls[place]
            if e not in self.needed and e not in loaded:
                continue
            own.append(e)
            stored += [e] if e in self.needed else []
            loaded.discard(e)
            loaded.update(self.inputs[e])
            again, left, cost = self._again(loaded, shape, max(first, place - _MAX_LOOP_CALLS), len(own))
            cost = (cost + sum([self.bytes[e] for e in stored])) / len(own)
            if len(left) + len(stored) <= _MAX_LOOP_ARRAYS and cost <= lowest:
                best, lowest = (again, own[::-1]), cost
        return best

    def _alike(self, e: Expr, shape: Shape) -> bool:
        return e.shape == shape and e in self.fused

    def _again(
        self, loaded: Collection[Expr], shape: Shape, before: int, n: int
    ) -> tuple[list[Expr], Collection[Expr], float]:
        """Return what a loop of ``n`` calls computes again to load less, what it then loads, and the cost of both.

        Only what was computed ``before`` is: later results are in the processor's cache. Calls are taken back from the
        latest to the earliest, and those are chosen at which the cost is lowest.
        """
        left, taken = set(loaded), list[Expr]()
        cost: float = sum([self.bytes[a] for a in left])
        best: tuple[int, Collection[Expr], float] = (0, loaded, cost)
        heap: list[tuple[int, Expr]] = []
        more: Iterable[Expr] = loaded
        while n + 2 * len(taken) < _MAX_LOOP_CALLS:
            for a in more:
                if self._alike(a, shape) and self.place[a] < before and a.function not in _TRANSCENDENTAL:
                    heappush(heap, (-self.place[a], a))
            if not heap:
                break
            _, e = heappop(heap)
            left.remove(e)
            taken.append(e)
            more = [a for a in self.inputs[e] if a not in left]
            left.update(more)
            cost += sum([self.bytes[a] for a in more]) - self.bytes[e]
            cost += math.prod(shape) * e.dtype.itemsize / _CALLS_PER_LOAD
            if cost < best[2]:
                best = len(taken), set(left), cost
        return taken[: best[0]][::-1], *best[1:]


def last_uses(program: Program) -> dict[Expr, int]:
    """Return where each expression is an argument for the last time."""
    last = {a: i for i, e in enumerate(program.calls) for a in e.args}
    return last | dict.fromkeys(program.outputs, len(program.calls))


# --- the text of a loop -----------------------------------------------------------------------------------------------


def kernel(
    calls: Sequence[Expr], stored: Sequence[Expr], place: Callable[[Expr], Any]
) -> tuple[str, list[tuple[Expr, Shape]]]:
    """Return the loop of some calls of one shape as text, and the arrays that it is called with.

    Each is an expression, and the shape it is given. ``place(e)`` tells which arrays are the same memory.
    """
    inside = set(calls)
    read = [a for a in dict.fromkeys(a for e in calls for a in inputs_of(e)) if a not in inside]
    axes = _merged_axes(calls[0].shape, [a.shape for a in read])
    parameters: dict[Any, str] = {}
    arguments: list[tuple[Expr, Shape]] = []
    of: dict[Expr, str] = {}
    indices = "ijklmnop"
    lines: list[list[str]] = [[] for _ in range(len(axes) + 1)]
    for e in [*read, *stored]:
        present = [k for k, group in enumerate(axes) if _varies(e.shape, calls[0].shape, group)]
        key = (place(e), len(present))
        if key not in parameters:
            parameters[key] = f"a{len(parameters) + 1}"
            arguments.append((e, tuple([math.prod(calls[0].shape[i] for i in axes[k]) for k in present]) or (1,)))
        if e in inside:
            continue
        of[e] = f"x{len(of) + 1}" if e.shape else parameters[key]
        if e.shape:
            index = ", ".join(indices[k] for k in present) or "0"
            lines[present[-1] + 1 if present else 0].append(f"{of[e]} = {parameters[key]}[{index}]")
    for e in calls:
        of[e] = f"y{len(of) + 1}"
        lines[-1].append(f"{of[e]} = {_spelled(e, of)}")
    full = ", ".join(indices[: len(axes)])
    lines[-1] += [f"{parameters[place(e), len(axes)]}[{full}] = {of[e]}" for e in stored]
    result = parameters[place(stored[0]), len(axes)]
    text = [f"def kernel({', '.join(parameters.values())}):"]
    for k, inner in enumerate(lines):
        text += ["    " * (k + 1) + line for line in inner]
        if k < len(axes):
            text.append("    " * (k + 1) + f"for {indices[k]} in range({result}.shape[{k}]):")
    return "\n".join(text), arguments


def _merged_axes(shape: Shape, operands: Sequence[Shape]) -> list[list[int]]:
    """Return the axes of a loop: groups of neighbours along which the same operands vary."""
    axes: list[tuple[list[bool], list[int]]] = []
    for axis, n in enumerate(shape):
        varying = [_varies(operand, shape, [axis]) for operand in operands]
        if n > 1 and axes and axes[-1][0] == varying:
            axes[-1][1].append(axis)
        elif n > 1:
            axes.append((varying, [axis]))
    return [group for _, group in axes]


def _varies(operand: Shape, shape: Shape, group: Sequence[int]) -> bool:
    """Return whether an operand that is broadcast to a shape varies along some axes of it."""
    lead = len(shape) - len(operand)
    return any(axis >= lead and operand[axis - lead] > 1 for axis in group)


def _spelled(e: Expr, of: dict[Expr, str]) -> str:
    dtype = inputs_of(e)[0].dtype
    if e.function is cast and dtype.kind == "b":  # LLVM would convert integers, which takes longer
        return f"{_number(1, e.dtype)} if {of[e.args[0]]} else {_number(0, e.dtype)}"
    if e.function is cast:
        return f"{e.dtype.name}({of[e.args[0]]})"
    args = [_number(a.value, dtype) if a.function is LITERAL else of[a] for a in e.args]
    if e.function in _TRANSCENDENTAL:
        return f"{_TRANSCENDENTAL[e.function]}{'f' if dtype == np.float32 else ''}({args[0]})"
    return _OPERATORS[e.function].format(*args)


def _number(value: Value, dtype: Any) -> str:
    text = repr(float(value))
    return text if dtype == np.float64 else f"float32({text})"
