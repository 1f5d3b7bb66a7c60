"""Elementwise calls fused into loops that numba compiles, for ``mg.compile(f, fast=True)``.

    gathered(program)          the calls in an order in which those that can be fused follow each other
    regions(program)           which of them are fused
    kernel(calls, stored)      the loop of a region, as text, and what it is called with
    compiled(text)             the function, compiled once for every program that has the same loop

A result that is needed in the loop alone never reaches memory. Loops round as NumPy does, but for exp, log and tanh
(vectorized.py). What is not fused runs in NumPy, as without ``fast``.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.primitives import cast
from minigrad.text.expressions import LITERAL, Expr, Shape

from .memory import Region, writes
from .optimize import Program, inputs_of

_MAX_LOOP_ARRAYS = 9  # of more, LLVM does not prove that they do not overlap, and uses no vectors
_MAX_LOOP_CALLS = 48
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
    made: Callable[..., None] = numba.njit(error_model="numpy", nogil=True)(namespace["kernel"])
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

    A call waits for a later one of its shape where nothing between them needs it.
    """
    calls, fused = program.calls, fusible(program)
    users: dict[Expr, list[Expr]] = {}
    for e in calls:
        for a in inputs_of(e):
            users.setdefault(a, []).append(e)
    placed: dict[Expr, None] = {}  # last first
    for place in reversed(range(len(calls))):
        e = calls[place]
        if e in placed:
            continue
        placed[e] = None
        for earlier in reversed(calls[max(0, place - _MAX_FUSION_DISTANCE) : place] if e in fused else ()):
            alike = earlier in fused and earlier.shape == e.shape and earlier not in placed
            if alike and all(user in placed for user in users.get(earlier, ())):
                placed[earlier] = None
    return [*reversed(placed)]


def regions(program: Program) -> Iterator[Region]:
    """Yield the regions of calls that are fused."""
    last, fused = last_uses(program), fusible(program)
    calls = program.calls
    first = 0
    while first < len(calls):
        if calls[first] not in fused:
            first += 1
            continue
        end, arrays = first, set[Expr]()
        while end < len(calls) and end - first < _MAX_LOOP_CALLS and calls[end].shape == calls[first].shape:
            if calls[end] not in fused:
                break
            read = arrays.union(inputs_of(calls[end])).difference(calls[first:end])
            stored = [e for e in calls[first : end + 1] if last.get(e, 0) > end]
            if end > first and len(read) + len(stored) > _MAX_LOOP_ARRAYS:
                break
            arrays, end = read, end + 1
        if end - first > 1 or calls[first].function in _TRANSCENDENTAL:
            yield Region(first, end - 1, calls[first].shape)
        first = end


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
    if e.function is cast:
        return f"{e.dtype.name}({of[e.args[0]]})"
    dtype = inputs_of(e)[0].dtype
    args = [_number(a.value, dtype) if a.function is LITERAL else of[a] for a in e.args]
    if e.function in _TRANSCENDENTAL:
        return f"{_TRANSCENDENTAL[e.function]}{'f' if dtype == np.float32 else ''}({args[0]})"
    return _OPERATORS[e.function].format(*args)


def _number(value: Value, dtype: Any) -> str:
    text = repr(float(value))
    return text if dtype == np.float64 else f"float32({text})"
