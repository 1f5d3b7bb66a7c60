"""A program as Python source that runs it: results are written in place, into memory planned beforehand.

    emit(program, arranged, fast) -> Source    whose text defines run(*inputs)

The text first allocates what a run needs, as planned by ``memory``, under global names: to compile a function that
closes over so many variables would take Python time that grows with their square.
"""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.engine.arrays import Array, Options, Value
from minigrad.engine.primitives import cast
from minigrad.engine.reverse import BLAS
from minigrad.text import spelling
from minigrad.text.expressions import LITERAL, Expr, Shape, known
from minigrad.text.numpy_code import ATOM, Name, Names, Text, spelled

from . import kernels
from .memory import COPYING, EXTREMA, Memory, Plan, Region, Run, is_fresh, runs
from .optimize import Program, inputs_of
from .rewrites import inner

_MAX_FILLED_BYTES = 2**18  # of an array that may stand for a number that it repeats
_CACHE_LINE_BYTES = 64


@dataclass(frozen=True)
class Source:
    """The text that defines the function called ``run``, and what its names mean; the loops that numba compiles."""

    text: str
    run: str
    kernels: list[str]
    namespace: Options = field(repr=False)


def emit(program: Program, arranged: Callable[[list[str], Names], str], fast: bool = False) -> Source:
    """Return the source of a program; ``arranged`` makes the expression to return of the texts of the outputs.

    Where ``fast``, elementwise calls are fused into loops that numba compiles.
    """
    if not fast:
        return _Writer(program, runs(program.calls)).source(arranged)
    return _Writer(*kernels.in_loops(program)).source(arranged)


class _Writer:
    """The text of a program, written call by call."""

    def __init__(self, program: Program, regions: Iterable[Region]) -> None:
        self.program = program
        self.names = program.names
        self.plan = Plan(program, regions)
        self.last_uses = kernels.last_uses(program)
        self.run_of = self.plan.run_of
        self.pieces = self._piece_memories()
        self.texts: dict[Expr, str] = {x: x.value for x in (*program.inputs, *program.constants)}
        self.called: dict[Memory, str] = {memory: self.names.numbered("v") for memory in self.plan.memories}
        self.locals: set[str] = {x.value for x in program.inputs}
        self.bound: dict[tuple[str, Any], Name] = {}
        self.numbers: dict[tuple[Any, ...], Name] = {}
        self.filled: set[str] = set()
        self.flat: dict[tuple[str, Shape], str] = {}
        self.kernels: dict[str, Name] = {}
        self.names.namespace |= {"np": np, "special": sys.modules.get("scipy.special")}
        self.workspace: list[str] = []
        self.lines: list[str] = []  # of ``run``
        for symbol, a in program.constants.items():
            self.names.namespace[symbol.value] = a if np.ndim(a) else np.asarray(a)[()]

    def _piece_memories(self) -> set[Memory]:
        """Return the memories that one run alone uses: they need hold no more than a piece, and in a loop nothing."""
        found = set()
        for memory in self.plan.memories:
            run = self.run_of.get(memory.first)
            if run is not None and memory.planned and memory.last <= run.last:
                found.add(memory)
        return found

    def source(self, arranged: Callable[[list[str], Names], str]) -> Source:
        self._allocate()
        calls = self.program.calls
        i = 0
        while i < len(calls):
            run = self.run_of.get(i)
            if run is None:
                self._write(i, calls[i])
                i += 1
            else:
                if isinstance(run, Run):
                    self._write_run(run)
                else:
                    self._write_kernel(run)
                i = run.last + 1
        result = arranged([self._output(place, e) for place, e in enumerate(self.program.outputs)], self.names)
        main = self.names.fresh("run")
        head = f"def {main}({', '.join([x.value for x in self.program.inputs])}):"
        body = [f"    {line}" for line in (*self.lines, f"return {result}")]
        loops = [text.replace("kernel", name, 1) for text, name in self.kernels.items()]
        return Source("\n".join([*self.workspace, head, *body, ""]), main, loops, self.names.namespace)

    def _allocate(self) -> None:
        sizes, slot_of = self.plan.slots(self.pieces)
        slots = [self.names.numbered("slot") for _ in sizes]
        for slot, size in zip(slots, sizes, strict=True):
            self.workspace.append(f"{slot} = {self._bound('memory', aligned)}({size})")
        made: dict[str, str] = {}  # what makes an array, and its name: memories that take turns may be one array
        for memory, name in self.called.items():
            shape, dtype = memory.holder.shape, memory.holder.dtype
            if memory in self.pieces:
                run = self.run_of[memory.first]
                if not isinstance(run, Run):
                    continue
                shape = run.piece_shape()
                place = f"{self._bound('memory', aligned)}({math.prod(shape) * dtype.itemsize})"
            elif memory in slot_of:
                place = str(slots[slot_of[memory]])
            else:
                self.locals.add(name)
                continue
            array = f"{self._bound('ndarray', np.ndarray)}({shape}, {self._dtype(dtype)}, {place})"
            self.called[memory] = made.setdefault(array, name) if memory in slot_of else name
            if self.called[memory] is name:
                self.workspace.append(f"{name} = {array}")

    def _dtype(self, dtype: np.dtype[Any]) -> Name:
        return self._bound(dtype.name, dtype)

    def _bound(self, wish: str, value: Value) -> Name:
        if (wish, value) not in self.bound:
            self.bound[wish, value] = self.names.bind(value, wish)
        return self.bound[wish, value]

    # --- calls -------------------------------------------------------------------------------------------------------

    def _write(self, i: int, e: Expr) -> None:
        memory = self.plan.owner.get(e)
        if memory is None or memory.allocated:
            self._write_expression(e, memory)
            return
        name = self._place(i, e)
        self.lines.append(self._call(e, [self._argument(a, e) for a in e.args], name))

    def _place(self, i: int, e: Expr) -> str:
        """Return what call ``i`` writes into, which it allocates where it is the first to write what is returned."""
        memory = self.plan.owner[e]
        self.texts[e] = name = self.called[memory]
        if memory.given and memory.first == i:
            shape, dtype = memory.holder.shape, memory.holder.dtype
            self.lines.append(f"{name} = {self._bound('empty', np.empty)}({shape}, {self._dtype(dtype)})")
        return name

    def _write_expression(self, e: Expr, memory: Memory | None) -> None:
        self.texts[e] = name = self.called[memory] if memory is not None else self.names.numbered("v")
        line = f"{name} = {self._expression(e)}"
        if self._stays(e):
            self.workspace.append(line)
            return
        self.locals.add(name)
        self.lines.append(line)

    def _stays(self, e: Expr) -> bool:
        """Return True if the result is a view, for good, of memory that stays."""
        if not known(e.function).view or is_fresh(e) or not e.shape:
            return False
        if any(self.texts[a] in self.locals for a in inputs_of(e)):
            return False
        a = e.args[0]
        if e.function is np.diag and len(a.shape) == 1:  # which makes a matrix of a vector
            return False
        return a.function is not LITERAL and (e.function not in COPYING or a in self.plan.owner)

    def _expression(self, e: Expr) -> str:
        """Return a call that makes its result itself."""
        function = e.function
        if known(function).reduces or function is np.matmul:
            return self._call(e, [self._argument(a, e) for a in e.args], None)
        scalar = known(function).elementwise and not e.shape
        if known(function).view or scalar:
            kept = any(a.dtype == e.dtype for a in inputs_of(e))
            texts = [self._spelled(a, plainly=scalar and kept and a.dtype == e.dtype) for a in e.args]
            code = spelling.numpy(function, texts, e.options, self.names).code
        else:
            implementation = known(function).implementation
            called = self.names.bind(implementation, getattr(function, "__name__", "function"))
            options = [f"{key}={spelled(value, self.names).code}" for key, value in e.options.items()]
            code = f"{called}({', '.join([*(self._spelled(a).code for a in e.args), *options])})"
        as_it_is = e.shape or isinstance(function, np.ufunc) or function in (np.vdot, inner)
        return code if as_it_is else f"{code}[()]"

    def _spelled(self, a: Expr, plainly: bool = False) -> Text:
        """Return an argument; ``plainly`` writes NumPy's number as Python's, where the result's dtype is the same."""
        if a.function is not LITERAL:
            return Text(self.texts[a], ATOM)
        plain = plainly and isinstance(a.value, np.float32 | np.float64)
        return spelled(a.value.item() if plain else a.value, self.names)

    def _call(self, e: Expr, arguments: Sequence[str], out: str | None) -> str:
        """Return the call that writes its result into ``out``."""
        function, options = e.function, e.options
        ufunc = known(function).reduces
        if ufunc is not None:
            axis, keepdims = (
                spelled(options.get(k, d), self.names).code for k, d in (("axis", None), ("keepdims", False))
            )
            reduce = self._bound(f"{ufunc.__name__}_reduce", ufunc.reduce)
            return f"{reduce}({arguments[0]}, {axis}, None, {out}, {keepdims})"
        if function is cast and out:
            return f"{self._bound('copyto', np.copyto)}({out}, {arguments[0]})"
        if function is np.matmul:
            plain = all(len(a.shape) <= 2 and a.dtype == e.dtype for a in e.args)
            function = np.dot if plain and e.dtype in BLAS else np.matmul
        called = self._bound(function.__name__, function)
        if options or function in EXTREMA:  # which take no output by position
            given = [f"{key}={spelled(value, self.names).code}" for key, value in options.items()]
            return f"{called}({', '.join([*arguments, f'out={out}', *given])})"
        return f"{called}({', '.join([*arguments, *([out] if out else [])])})"

    def _argument(self, a: Expr, e: Expr) -> str:
        """Return an argument of a call; a number next to an array is an array too, which NumPy need not convert."""
        return self.texts[a] if a.function is not LITERAL else self._number(a.value, e, e.shape)

    def _number(self, a: Value, e: Expr, shape: Shape) -> str:
        """Return a number as an array, of ``shape`` where it is the limit of an extremum (vectorised for arrays)."""
        others = inputs_of(e)
        if len(others) != 1 or others[0].dtype.kind != "f" or e.function is np.power or not _is_number(a):
            return spelled(a, self.names).code
        if isinstance(a, np.generic) and a.dtype != others[0].dtype:
            return spelled(a, self.names).code
        loops = getattr(e.function, "types", None)
        if loops and not any(
            loop.startswith(2 * others[0].dtype.char) for loop in loops
        ):  # np.ldexp's are whole numbers
            return spelled(a, self.names).code
        number = others[0].dtype.type(a)
        filled = e.function in EXTREMA and math.prod(shape) * number.itemsize <= _MAX_FILLED_BYTES
        return self._bound_number(number, shape if filled else ())

    def _bound_number(self, a: Value, shape: Shape) -> Name:
        key = (a.dtype, repr(a), shape)
        if key not in self.numbers:
            self.numbers[key] = self.names.numbered("k")
            self.names.namespace[self.numbers[key]] = np.full(shape, a)
            if shape:
                self.filled.add(self.numbers[key])
        return self.numbers[key]

    # --- loops -------------------------------------------------------------------------------------------------------

    def _write_kernel(self, region: Region) -> None:
        """Write the call of a loop that numba compiles."""
        calls = self.program.calls[region.first : region.last + 1]
        for i, e in enumerate(calls, region.first):
            self._place(i, e)
        stored = [e for e in calls if self.last_uses.get(e, 0) > region.last]
        text, arguments = kernels.kernel(calls, stored, self.texts.__getitem__)
        if text not in self.kernels:
            self.kernels[text] = self.names.bind(kernels.compiled(text), "kernel")
        given = ", ".join(self._reshaped(e, shape) for e, shape in arguments)
        self.lines.append(f"{self.kernels[text]}({given})")

    def _reshaped(self, e: Expr, shape: Shape) -> str:
        """Return an array in the shape in which a loop takes it."""
        text = self.texts[e]
        if shape == e.shape or not e.shape:
            return text
        memory = self.plan.owner.get(e)
        if memory is None or not memory.planned:
            return f"{text}.reshape({', '.join(map(str, shape))})"
        if (text, shape) not in self.flat:
            self.flat[text, shape] = self.names.numbered("w")
            self.workspace.append(f"{self.flat[text, shape]} = {text}.reshape({', '.join(map(str, shape))})")
        return self.flat[text, shape]

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _write_run(self, run: Run) -> None:
        """Write a loop over pieces."""
        heads, calls = dict[str, str](), []
        for i, e in enumerate(self.program.calls[run.first : run.last + 1], run.first):
            self._place(i, e)
            *arguments, out = (self._piece(a, e, run, heads) for a in (*e.args, e))
            calls.append(self._call(e, arguments, out))
        start, stop = self.names.fresh("i"), self.names.fresh("j")
        self.lines.append(f"for {start} in range(0, {run.shape[run.axis]}, {run.step}):")
        body = [f"{stop} = {start} + {run.step}", *(h.format(i=start, j=stop) for h in heads.values()), *calls]
        self.lines += [f"    {line}" for line in body]

    def _piece(self, a: Expr, e: Expr, run: Run, heads: dict[str, str]) -> str:
        """Return the name of the piece of an argument of ``e``, or of its result, which ``heads`` defines."""
        number = a.function is LITERAL
        text = self._number(a.value, e, run.piece_shape()) if number else self.texts[a]
        if text not in self.filled if number else run.whole(a.shape):
            return text
        shape, part = a.shape, "{i}:{j}"
        if number or self.plan.owner.get(a) in self.pieces:  # as large as a piece: the last one may be smaller
            shape, part = run.shape, f":min({{j}}, {run.shape[run.axis]}) - {{i}}"
        if text not in heads:
            heads[text] = f"{self.names.numbered('p')} = {run.piece(text, shape, part)}"
        return heads[text].split(" ", 1)[0]

    def _output(self, place: int, e: Expr) -> str:
        kept = place in self.plan.given or not e.shape
        return self.texts[e] if kept else f"{self._bound('array', np.array)}({self.texts[e]})"


def _is_number(a: Value) -> bool:
    return isinstance(a, int | float | np.number) and not isinstance(a, bool)


def aligned(nbytes: int) -> Array:
    """Uninitialised memory that begins at a cache line."""
    raw = np.empty(nbytes + _CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % _CACHE_LINE_BYTES
    return raw[start : start + nbytes]
