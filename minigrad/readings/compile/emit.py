"""A program as Python source that runs it fast: planned memory, results written in place, large arrays in pieces.

    emit(program, inputs, arranged) -> Source    whose text defines workspace(), which returns run(*inputs)

``workspace`` allocates what a run needs; ``run`` is a closure over it. A result is written into an operand that is not
needed again, else into memory whose last use is over, else into memory of its own. What a run returns is allocated by
that run, so that it is the caller's own. Inputs and constants are never written to.

Large arrays are computed piece by piece where elementwise statements follow each other, so that what one writes is
still in the processor's cache when the next reads it; what only they need is no larger than a piece.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from sys import getrefcount
from typing import Any

import numpy as np

from minigrad.engine.rules import BLAS, IMPLEMENTATIONS, cast, concatenate, getitem, scatter, stack
from minigrad.text import spelling
from minigrad.text.numpy_code import ATOM, Name, Names, Text, spelled
from minigrad.text.program import Program, Statement

from .optimize import Spec, elementwise, inner, names_in

_BLOCKED = 2**19  # bytes of an array from which on it is computed in pieces: it leaves the cache before the next use
_PIECE = 2**17  # bytes of a piece, of which a statement reads two and writes one
_RECYCLED = 2**17  # bytes of a result from which on fresh memory would cost page faults
_FILLED = 2**18  # bytes of an array up to which it may stand for a number that it repeats
_KEPT = 2  # memories that a result alternates between: while one is an argument, the other is written
_UNUSED = 2  # references that getrefcount sees to what one list holds: that one and its own argument
_ALIGNMENT = 64  # bytes of a cache line
_LONGEST = 2000  # statements of one Python function; longer programs are split

_REDUCTIONS: dict[Callable[..., Any], np.ufunc] = {
    np.sum: np.add,
    np.prod: np.multiply,
    np.max: np.maximum,
    np.min: np.minimum,
}

_EXTREMA = (np.maximum, np.minimum)

# Functions whose result never shares memory with an argument; ufuncs are others.
_FRESH: frozenset[Callable[..., Any]] = frozenset(
    {
        *(np.where, np.var, np.std, np.mean, np.cumsum, np.outer, np.tensordot, np.linalg.norm, np.matmul),
        *(np.argmax, np.argmin, np.argsort, np.any, np.all, np.count_nonzero),
        *(cast, concatenate, scatter, stack, *_REDUCTIONS),
    }
)
_VIEWS: frozenset[Callable[..., Any]] = frozenset(
    {np.transpose, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.broadcast_to, getitem}
)
_COPYING = frozenset({np.reshape, np.ravel})  # which copy where they can make no view


@dataclass(frozen=True)
class Source:
    """The text that defines the function ``workspace``, and what its names mean."""

    text: str
    workspace: str
    namespace: dict[str, Any] = field(repr=False)


def emit(program: Program, inputs: Sequence[Spec], arranged: Callable[[list[str], Names], str]) -> Source:
    """The source of a program; ``arranged`` makes the expression to return of the texts of the outputs."""
    return _Writer(program, inputs).source(arranged)


# --- memory ---------------------------------------------------------------------------------------------------------


def _writes(statement: Statement) -> bool:
    """Whether the result can be written into memory that is already there."""
    if not statement.shape or statement.dtype.kind not in "biuf":
        return False
    if statement.function is np.matmul or statement.function in _REDUCTIONS:
        return True
    return isinstance(statement.function, np.ufunc) and elementwise(statement.function)


def _is_fresh(statement: Statement) -> bool:
    if statement.function is getitem:
        return any(isinstance(a, Name | np.ndarray) for a in statement.arguments[1:])
    return isinstance(statement.function, np.ufunc) or statement.function in _FRESH


@dataclass
class _Memory:
    """An array that holds the results of ``holders``, one after the other, from statement ``first`` to ``last``."""

    name: Name
    nbytes: int
    first: int
    last: int
    allocated: bool  # by the function that computes its first holder
    given: bool = False  # returned to the caller

    @property
    def planned(self) -> bool:
        return not self.allocated and not self.given


class _Plan:
    """Which memory every name lives in, and from when to when.

    ``owner`` maps a name that fills a memory of the program's own to that memory; ``shares`` maps every name to the
    holders of all memory that it may be a part of. A 0-d result is a NumPy scalar and shares nothing.
    """

    def __init__(self, program: Program, specs: dict[Name, Spec]) -> None:
        self.program = program
        self.specs = specs
        self.shares: dict[Name, frozenset[Name]] = {x: frozenset((x,)) for x in (*program.inputs, *program.constants)}
        self.last: dict[Name, int] = {}
        self.owner: dict[Name, _Memory] = {}
        self.memories: list[_Memory] = []
        self.run_of = {i: run for run in _runs(program.statements) for i in range(run.first, run.last + 1)}
        for i, statement in enumerate(program.statements):
            self.shares[statement.name] = self._shared(statement)
            for holder in self.shares[statement.name].union(*(self.shares[a] for a in names_in(statement))):
                self.last[holder] = i
        self.given = self._given()
        for i, statement in enumerate(program.statements):
            self._place(i, statement)

    def _shared(self, statement: Statement) -> frozenset[Name]:
        if not statement.shape:
            return frozenset()
        if _is_fresh(statement):
            return frozenset((statement.name,))
        return frozenset().union(*(self.shares[a] for a in names_in(statement))) or frozenset((statement.name,))

    def _given(self) -> set[int]:
        """The places of the outputs that can be returned as they are, so that no two returned arrays share memory."""
        made = {s.name: s for s in self.program.statements}
        end, taken, given = len(made), set[Name](), set[int]()
        for place, name in enumerate(self.program.outputs):
            held = self.shares[name]
            for holder in held:
                self.last[holder] = end
            statement = made.get(name)
            if statement is None or len(held) != 1 or statement.function is np.broadcast_to or held & taken:
                continue
            (holder,) = held
            if holder in made and _is_fresh(made[holder]):
                taken.add(holder)
                given.add(place)
        self.returned = taken
        return given

    def _place(self, i: int, statement: Statement) -> None:
        """Find the result's memory: that of an operand that is not needed again, or memory of its own."""
        name, spec = statement.name, Spec(statement.shape, statement.dtype)
        if self.shares[name] != {name} or not _is_fresh(statement):
            return
        writes = _writes(statement)
        if writes and elementwise(statement.function):
            for a in names_in(statement):
                if a in self.owner and self.last[a] == i and self.specs[a] == spec and self._only_whole(a, i):
                    memory = self.owner[name] = self.owner[a]
                    memory.last = self.last[name]
                    memory.given |= name in self.returned
                    return
        memory = _Memory(name, spec.size * spec.dtype.itemsize, i, self.last[name], not writes, name in self.returned)
        self.owner[name] = memory
        self.memories.append(memory)

    def _only_whole(self, a: Name, i: int) -> bool:
        """Whether the run of statement ``i`` reads the memory of ``a`` as it lies, through no other view."""
        run = self.run_of.get(i)
        statements = self.program.statements[run.first : run.last + 1] if run else ()
        return all(x in self.owner for s in statements for x in names_in(s) if a in self.shares.get(x, ()))

    def slots(self, skipped: set[Name]) -> tuple[list[int], dict[Name, int]]:
        """The sizes of the slots that the planned memories take, and the slot of each; a slot serves many in turn.

        The statements of a run take turns, so that what one of them uses is in use as long as the run.
        """
        sizes: list[int] = []
        until: list[int] = []
        slot_of: dict[Name, int] = {}
        for memory in self.memories:
            if not memory.planned or memory.name in skipped:
                continue
            run = self.run_of.get(memory.last)
            end = run.last if run else memory.last
            free = [k for k, busy in enumerate(until) if busy < memory.first]
            fitting = [k for k in free if sizes[k] >= memory.nbytes]
            if fitting:
                slot = min(fitting, key=sizes.__getitem__)
            elif free:
                slot = max(free, key=sizes.__getitem__)
            else:
                slot = len(sizes)
                sizes.append(0)
                until.append(0)
            sizes[slot], until[slot] = max(sizes[slot], memory.nbytes), end
            slot_of[memory.name] = slot
        return sizes, slot_of


# --- pieces ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """Elementwise statements ``first`` to ``last`` of one large shape, computed piece by piece along ``axis``."""

    first: int
    last: int
    shape: tuple[int, ...]
    axis: int
    step: int

    def whole(self, shape: tuple[int, ...]) -> bool:
        """Whether an operand of ``shape`` is the same for all pieces."""
        axis = self.axis - (len(self.shape) - len(shape))
        return axis < 0 or shape[axis] == 1

    def piece(self, name: str, shape: tuple[int, ...], part: str) -> str:
        axis = self.axis - (len(self.shape) - len(shape))
        return f"{name}[{':, ' * axis}{part}]"

    def piece_shape(self) -> tuple[int, ...]:
        return (*self.shape[: self.axis], self.step, *self.shape[self.axis + 1 :])


def _runs(statements: Sequence[Statement]) -> Iterable[_Run]:
    def shape_of(i: int) -> tuple[int, ...] | None:
        return statements[i].shape if elementwise(statements[i].function) and _writes(statements[i]) else None

    for shape, group in groupby(range(len(statements)), shape_of):
        indices = list(group)
        itemsize = max(statements[i].dtype.itemsize for i in indices)
        if shape is None or len(indices) < 2 or math.prod(shape) * itemsize < _BLOCKED:
            continue
        axis = next(k for k, n in enumerate(shape) if n > 1)
        step = max(1, _PIECE // (itemsize * math.prod(shape[axis + 1 :])))
        if step < shape[axis]:
            yield _Run(indices[0], indices[-1], shape, axis, step)


# --- text -----------------------------------------------------------------------------------------------------------


@dataclass
class _Line:
    """Lines of ``run``, the local names that they need, and those that they define."""

    text: str
    needs: set[str]
    defines: set[str]


class _Writer:
    """The text of a program, written statement by statement."""

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        self.program = program
        self.names = program.names
        self.specs = dict(zip(program.inputs, inputs, strict=True))
        self.specs |= {name: Spec(np.shape(a), np.asarray(a).dtype) for name, a in program.constants.items()}
        self.specs |= {s.name: Spec(s.shape, s.dtype) for s in program.statements}
        self.plan = _Plan(program, self.specs)
        self.run_of = self.plan.run_of
        self.pieces = self._piece_memories()
        self.texts = {x: str(x) for x in program.inputs}
        self.locals: set[str] = set(program.inputs)
        self.numbers: dict[Any, Name] = {}
        self.filled: set[str] = set()
        self.names.namespace["np"] = np
        self.workspace: list[str] = []
        self.lines: list[_Line] = []
        for name, a in program.constants.items():
            self.texts[name] = str(name)
            self.names.namespace[name] = a if np.ndim(a) else np.asarray(a)[()]

    def _piece_memories(self) -> set[Name]:
        """The memories that one run alone uses: they need hold no more than a piece."""
        found = set()
        for memory in self.plan.memories:
            run = self.run_of.get(memory.first)
            if run is not None and memory.planned and memory.last <= run.last:
                found.add(memory.name)
        return found

    def source(self, arranged: Callable[[list[str], Names], str]) -> Source:
        self._allocate()
        statements = self.program.statements
        i = 0
        while i < len(statements):
            run = self.run_of.get(i)
            if run is None:
                self._write(i, statements[i])
                i += 1
            else:
                self._write_run(run)
                i = run.last + 1
        result = arranged([self._output(place, name) for place, name in enumerate(self.program.outputs)], self.names)
        self.lines.append(_Line(f"return {result}", self._needed(*self.program.outputs), set()))
        main, workspace = self.names.fresh("run"), self.names.fresh("workspace")
        functions = _functions(main, self.program.inputs, self.lines, self.names)
        text = _function(workspace, (), [*self.workspace, *functions, f"return {main}"])
        return Source(text + "\n", workspace, self.names.namespace)

    def _allocate(self) -> None:
        sizes, slot_of = self.plan.slots(self.pieces)
        slots = [self.names.numbered("slot") for _ in sizes]
        for slot, size in zip(slots, sizes, strict=True):
            self.workspace.append(f"{slot} = {self._bound('memory', aligned)}({size})")
        placed = {m.name: m for m in self.plan.memories}
        for name, memory in placed.items():
            shape, dtype = self.specs[name]
            if name in self.pieces:
                shape = self.run_of[memory.first].piece_shape()
                place = f"{self._bound('memory', aligned)}({math.prod(shape) * dtype.itemsize})"
            elif name in slot_of:
                place = str(slots[slot_of[name]])
            else:
                self.locals.add(name)
                continue
            self.workspace.append(
                f"{name} = {self._bound('ndarray', np.ndarray)}({shape}, {self._dtype(dtype)}, {place})"
            )

    def _dtype(self, dtype: np.dtype[Any]) -> Name:
        return self._bound(dtype.name, dtype)

    def _bound(self, wish: str, value: Any) -> Name:
        return self.numbers.get(wish) or self.numbers.setdefault(wish, self.names.bind(value, wish))

    def _needed(self, *names: Any) -> set[str]:
        return {self.texts[a] for a in names if isinstance(a, Name)} & self.locals

    # --- statements --------------------------------------------------------------------------------------------------

    def _write(self, i: int, statement: Statement) -> None:
        name, memory = statement.name, self.plan.owner.get(statement.name)
        if memory is None or memory.allocated:
            self._write_expression(statement)
            return
        self.texts[name] = memory.name
        call = self._call(statement, [self._text(a, statement) for a in statement.arguments], memory.name)
        self.lines.append(
            _Line("\n".join((*self._fresh(i, memory), call)), self._needed(*statement.arguments, name), set())
        )
        self._define(i, memory)

    def _fresh(self, i: int, memory: _Memory) -> list[str]:
        """The allocation of memory that is returned, where statement ``i`` is the first to write to it."""
        if not memory.given or memory.first != i:
            return []
        shape, dtype = self.specs[memory.name]
        if memory.nbytes < _RECYCLED:
            return [f"{memory.name} = {self._bound('empty', np.empty)}({shape}, {self._dtype(dtype)})"]
        results = self.names.numbered("results")
        self.workspace.append(f"{results} = {self._bound('Results', _Results)}({shape}, {self._dtype(dtype)})")
        return [f"{memory.name} = {results}.fresh()"]

    def _define(self, i: int, memory: _Memory) -> None:
        if memory.given and memory.first == i:
            self.lines[-1].needs.discard(memory.name)
            self.lines[-1].defines.add(memory.name)

    def _write_expression(self, statement: Statement) -> None:
        name = str(statement.name)
        line = f"{name} = {self._expression(statement)}"
        self.texts[statement.name] = name
        if self._stays(statement):
            self.workspace.append(line)
            return
        self.locals.add(name)
        self.lines.append(_Line(line, self._needed(*statement.arguments), {name}))

    def _stays(self, statement: Statement) -> bool:
        """Whether the result is a view, for good, of memory that stays."""
        if statement.function not in _VIEWS or _is_fresh(statement) or not statement.shape:
            return False
        if self._needed(*statement.arguments):
            return False
        a = statement.arguments[0]
        return isinstance(a, Name) and (statement.function not in _COPYING or a in self.plan.owner)

    def _expression(self, statement: Statement) -> str:
        function, arguments = statement.function, statement.arguments
        if function in _REDUCTIONS or function is np.matmul:
            return self._call(statement, [self._text(a, statement) for a in arguments], None)
        scalar = elementwise(function) and not statement.shape
        if function in _VIEWS or scalar:
            kept = any(self.specs[a].dtype == statement.dtype for a in names_in(statement))
            texts = [self._spelled(_plain(a, statement) if scalar and kept else a) for a in arguments]
            code = spelling.numpy(function, texts, statement.options, self.names).code
        else:
            implementation = IMPLEMENTATIONS.get(function, function)
            called = self.names.bind(implementation, getattr(function, "__name__", "function"))
            options = [f"{key}={spelled(value, self.names).code}" for key, value in statement.options.items()]
            code = f"{called}({', '.join([*(self._spelled(a).code for a in arguments), *options])})"
        return (
            code if statement.shape or isinstance(function, np.ufunc) or function in (np.vdot, inner) else f"{code}[()]"
        )

    def _spelled(self, a: Any) -> Text:
        return Text(self.texts[a], ATOM) if isinstance(a, Name) else spelled(a, self.names)

    def _call(self, statement: Statement, arguments: Sequence[str], out: str | None) -> str:
        """The call that writes its result into ``out``."""
        function, options = statement.function, statement.options
        if function in _REDUCTIONS:
            ufunc = _REDUCTIONS[function]
            axis, keepdims = (
                spelled(options.get(k, d), self.names).code for k, d in (("axis", None), ("keepdims", False))
            )
            reduce = self._bound(f"{ufunc.__name__}_reduce", ufunc.reduce)
            return f"{reduce}({arguments[0]}, {axis}, None, {out}, {keepdims})"
        if function is np.matmul:
            specs = [self.specs[a] for a in names_in(statement)]
            plain = len(specs) == 2 and all(len(s.shape) <= 2 and s.dtype == statement.dtype for s in specs)
            fast = plain and statement.dtype in BLAS
            function = np.dot if fast else np.matmul
        called = self._bound(function.__name__, function)
        if options or function in _EXTREMA:  # which take no output by position
            given = [f"{key}={spelled(value, self.names).code}" for key, value in options.items()]
            return f"{called}({', '.join([*arguments, f'out={out}', *given])})"
        return f"{called}({', '.join([*arguments, *([out] if out else [])])})"

    def _text(self, a: Any, statement: Statement) -> str:
        """An argument of a call; a number next to an array is an array too, which NumPy need not convert."""
        if isinstance(a, Name):
            return self.texts[a]
        return self._number(a, statement, statement.shape)

    def _number(self, a: Any, statement: Statement, shape: tuple[int, ...]) -> str:
        """A number as an array; of ``shape`` where it is the limit of an extremum, which is vectorised for arrays."""
        others = [self.specs[x] for x in names_in(statement)]
        if len(others) != 1 or others[0].dtype.kind != "f" or statement.function is np.power or not _is_number(a):
            return spelled(a, self.names).code
        if isinstance(a, np.generic) and a.dtype != others[0].dtype:
            return spelled(a, self.names).code
        number = others[0].dtype.type(a)
        filled = statement.function in _EXTREMA and math.prod(shape) * number.itemsize <= _FILLED
        return self._bound_number(number, shape if filled else ())

    def _bound_number(self, a: Any, shape: tuple[int, ...]) -> Name:
        key = (a.dtype, repr(a), shape)
        if key not in self.numbers:
            self.numbers[key] = self.names.numbered("k")
            self.names.namespace[self.numbers[key]] = np.full(shape, a)
            if shape:
                self.filled.add(self.numbers[key])
        return self.numbers[key]

    def _write_run(self, run: _Run) -> None:
        """A loop over pieces."""
        statements = self.program.statements[run.first : run.last + 1]
        allocations, heads, calls = [], dict[str, str](), []
        needs, defines = set[str](), set[str]()
        for i, statement in enumerate(statements, run.first):
            memory = self.plan.owner[statement.name]
            self.texts[statement.name] = memory.name
            allocations += self._fresh(i, memory)
            needs |= self._needed(*statement.arguments, statement.name)
            if memory.given and memory.first == i:
                defines.add(memory.name)
            arguments = [
                self._piece(a, run, heads) if isinstance(a, Name) else self._number_piece(a, statement, run, heads)
                for a in statement.arguments
            ]
            calls.append(self._call(statement, arguments, self._piece(statement.name, run, heads)))
        start, stop = self.names.fresh("i"), self.names.fresh("j")
        header = f"for {start} in range(0, {run.shape[run.axis]}, {run.step}):"
        body = [f"{stop} = {start} + {run.step}", *(h.format(i=start, j=stop) for h in heads.values()), *calls]
        text = "\n".join([*allocations, header, *(f"    {line}" for line in body)])
        self.lines.append(_Line(text, needs - defines, defines))

    def _piece(self, name: Name, run: _Run, heads: dict[str, str]) -> str:
        """The name of an operand's piece, which ``heads`` defines."""
        shape, text = self.specs[name].shape, self.texts[name]
        if run.whole(shape):
            return text
        memory = self.plan.owner.get(name)
        if memory is not None and memory.name in self.pieces:
            return self._first_part(text, run, heads)
        return self._part(text, shape, "{i}:{j}", run, heads)

    def _number_piece(self, a: Any, statement: Statement, run: _Run, heads: dict[str, str]) -> str:
        text = self._number(a, statement, run.piece_shape())
        return self._first_part(text, run, heads) if text in self.filled else text

    def _first_part(self, text: str, run: _Run, heads: dict[str, str]) -> str:
        """As much as the current piece takes of what is as large as a piece: the last one may be smaller."""
        return self._part(text, run.shape, f":min({{j}}, {run.shape[run.axis]}) - {{i}}", run, heads)

    def _part(self, text: str, shape: tuple[int, ...], part: str, run: _Run, heads: dict[str, str]) -> str:
        if text not in heads:
            heads[text] = f"{self.names.numbered('p')} = {run.piece(text, shape, part)}"
        return heads[text].split(" ", 1)[0]

    def _output(self, place: int, name: Name) -> str:
        text = self.texts[name]
        return (
            text
            if place in self.plan.given or not self.specs[name].shape
            else f"{self._bound('array', np.array)}({text})"
        )


def _is_number(a: Any) -> bool:
    return isinstance(a, int | float | np.number) and not isinstance(a, bool)


def _plain(a: Any, statement: Statement) -> Any:
    """A number as Python's, where that leaves the result's dtype as it is."""
    return a.item() if isinstance(a, np.float32 | np.float64) and a.dtype == statement.dtype else a


def aligned(nbytes: int) -> Any:
    """Uninitialised memory that begins at a cache line."""
    raw = np.empty(nbytes + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + nbytes]


class _Results:
    """Arrays for the large results of a run, each the caller's own for as long as anyone refers to it.

    The pages of fresh memory cost more than to fill them. So the memory of a result is kept, and used again once the
    only reference to it is the one here: every array that shows it, or a part of it, refers to it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self.nbytes = math.prod(shape) * dtype.itemsize
        self.kept: list[Any] = []

    def fresh(self) -> Any:
        for i in range(len(self.kept)):
            if getrefcount(self.kept[i]) == _UNUSED:
                return np.ndarray(self.shape, self.dtype, self.kept[i])
        memory = np.empty(self.nbytes, np.uint8)
        self.kept = [*self.kept, memory][-_KEPT:]
        return np.ndarray(self.shape, self.dtype, memory)


def _functions(run: str, inputs: Sequence[str], lines: Sequence[_Line], names: Names) -> list[str]:
    """The function ``run``, and those that it calls in turn where it would be too long for one."""
    parts = [lines[i : i + _LONGEST] for i in range(0, len(lines), _LONGEST)]
    needed_later = [set[str]()]
    for part in reversed(parts[1:]):
        needed_later.append(needed_later[-1].union(*(line.needs for line in part)))
    needed_later.reverse()
    text, calls = [], []
    for part, later in zip(parts[:-1], needed_later, strict=False):
        defined = set[str]().union(*(line.defines for line in part))
        given = sorted(set[str]().union(*(line.needs for line in part)) - defined)
        returned = sorted(defined & later)
        name = names.fresh("part")
        body = [*(line.text for line in part), f"return ({''.join(f'{x}, ' for x in returned)})"]
        text.append(_function(name, given, body))
        calls.append(f"{''.join(f'{x}, ' for x in returned)}{'= ' if returned else ''}{name}({', '.join(given)})")
    return [*text, _function(run, inputs, [*calls, *(line.text for line in parts[-1])])]


def _function(name: str, parameters: Iterable[str], body: Iterable[str]) -> str:
    return "\n".join(
        [f"def {name}({', '.join(parameters)}):", *(f"    {s}" for part in body for s in part.splitlines())]
    )
