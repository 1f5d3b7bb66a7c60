"""The learner's own code: which of their variables are gradients, running their backward pass, and finding their lines.

Their code runs on copies of the plain values of the graph, so nothing that it does changes the graph.
"""

import ast
import inspect
import linecache
import math
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CellType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph

_QUOTES = ("'", '"')


class Statement(NamedTuple):
    """A statement of the learner's: the file and line that it is at, its text, and what it assigns to what.

    ``value`` is None where it does something else with its target than to assign to it. The entry of a dictionary
    that is written out counts as a statement; its target is the key.
    """

    place: str
    text: str
    target: str = ""
    value: ast.expr | None = None

    def rewritten(self, value: Value) -> str:
        """Return the statement with another value."""
        return f"{self.target}{':' if self.target.startswith(_QUOTES) else ' ='} {ast.unparse(value)}"


class Code(NamedTuple):
    """The gradients that code computed, the statements that assign them, and what there is to say of it."""

    gradients: Options
    statements: dict[str, Statement]
    notes: list[str]
    space: Mapping[str, object] = {}


def _place(file: str, line: Any) -> str:
    """Return a file and line, or the cell of a notebook and line, as a report shows them."""
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell = None if shell is None else shell.compile.format_code_name(file)
    return f"{Path(file).name}:{line}" if cell is None else f"{cell[1]}, line {line}"


def gradients_in(graph: Graph, space: Mapping[str, object]) -> dict[str, Value]:
    """Return the gradients in a namespace: each dX, or entry of a list or dictionary, whose X is a node."""
    found: dict[str, Any] = {}
    for name, value in space.items():
        if name.startswith("d") and name[1:] in graph.by_name and _is_array(value):
            found[name] = value
    for name, value in space.items():
        if isinstance(value, list | tuple | dict) and not name.startswith("_"):
            for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
                node = _node_of_entry(graph, name, key)
                if node is not None and _is_array(entry):
                    found.setdefault("d" + node, entry)
    return found


def _node_of_entry(graph: Graph, name: str, key: Any) -> str | None:
    """Return the node whose gradient an entry is: h[2] for dh[2], W1 for grads["W1"] and grads["dW1"]."""
    wishes = [f"{name[1:]}[{key!r}]", f"{name[1:]}{key}", f"{name[1:]}.{key}"] if name.startswith("d") else []
    if isinstance(key, str):
        wishes += [key[1:]] if key.startswith("d") else []
        wishes += [key] if "grad" in name.lower() or name.startswith("d") else []
    return next((wish for wish in wishes if wish in graph.by_name), None)


def _is_array(value: Value) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def run(backward: Function | str, graph: Graph, names: Mapping[str, object]) -> Code:
    """Run a backward pass, given as a function or its source, on the plain values of what the names stand for.

    Parameters, globals and what a function encloses are found by name among the names. What the function leaves in its
    variables is looked at, and what it returns. Where it raises, the gradients found until then count, and a note says
    where.
    """
    space: dict[str, Any] = {name: _plain(value) for name, value in names.items()}
    older = {name: (a, np.array(a)) for name, a in gradients_in(graph, space).items()}
    text, first, file, notes = _source(backward)
    if isinstance(backward, str):
        space = {"np": np, **space}
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            return _unparsed(graph, names, error)
        notes += _watched(lambda: exec(compile(tree, file, "exec"), space), file)
    else:
        tree = ast.parse(text)
        result: dict[str, Any] = {}
        made = _on_copies(backward, space)
        notes += _watched(lambda: result.update(dreturned=made()), file, backward.__code__, space)
        space |= {"dreturned": result["dreturned"]} if isinstance(result.get("dreturned"), dict) else {}
    ast.increment_lineno(tree, first - 1)
    found = gradients_in(graph, space)
    for name, (a, before) in older.items():
        if name in found and found[name] is a and np.array_equal(a, before, equal_nan=True):  # no work of this pass
            del found[name]
    return Code(found, _statements(tree, file), notes, space)


def _source(backward: Function | str) -> tuple[str, int, str, list[str]]:
    """Return the source of a backward pass, its first line and its file, and a note where it cannot be read."""
    if isinstance(backward, str):
        return textwrap.dedent(backward), 1, "<backward>", []
    if not isinstance(backward, FunctionType | MethodType):
        raise TypeError(
            f"check: {backward!r} is no function; give a function, its source, or a dictionary of gradients"
        )
    file = backward.__code__.co_filename
    try:
        lines, first = inspect.getsourcelines(backward)
        ast.parse(text := textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return "", 1, file, [f"{backward.__name__}: its source cannot be read, so it is checked by its numbers alone."]
    return text, first, file, []


def _unparsed(graph: Graph, names: Mapping[str, object], error: SyntaxError) -> Code:
    """Return the gradients among the names, for a source that cannot be parsed."""
    found = gradients_in(graph, names)
    why = f"the source of the backward pass cannot be parsed: {error}"
    if not found:
        raise ValueError(f"check: {why}") from None
    return Code(found, {}, [f"{why}. The gradients among the names are checked."])


def _on_copies(backward: Any, space: Mapping[str, object]) -> Callable[[], Any]:
    """Return a call of a function on the values of a namespace: as parameters, globals and what it encloses."""
    enclosed = inspect.getclosurevars(backward).nonlocals
    cells = tuple([CellType(space.get(name, enclosed.get(name))) for name in backward.__code__.co_freevars])
    seen = {**backward.__globals__, **{name: a for name, a in space.items() if name in backward.__globals__}}
    made = FunctionType(backward.__code__, seen, backward.__name__, backward.__defaults__, cells)
    made.__kwdefaults__ = backward.__kwdefaults__
    given = {name: space[name] for name in inspect.signature(backward).parameters if name in space}
    first = (backward.__self__,) if isinstance(backward, MethodType) else ()
    return lambda: made(*first, **given)


def _watched(run: Callable[[], Any], file: str, code: Any = None, space: dict[str, Any] | None = None) -> list[str]:
    """Run code of the learner's, and put what a function of theirs leaves in its variables into a namespace.

    Returns a note where it raises.
    """

    def leave(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code and space is not None:
            space.update(frame.f_locals)

    outer = sys.getprofile()
    sys.setprofile(leave if code is not None else outer)
    try:
        run()
    except Exception as error:  # of the learner's code, whatever it is
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
        place = _place(file, lines[0] if lines else "?")
        return [f"{place}: {type(error).__name__}: {error}. The gradients found until there are checked."]
    finally:
        sys.setprofile(outer)
    return []


class Values(np.ndarray):
    """The values of a Tensor, which may be asked for its ``data``."""

    @property
    def data(self) -> Any:
        """The values alone."""
        return self.view(np.ndarray)


def _plain(value: Value) -> Value:
    """Return a copy that shares nothing with the graph."""
    if isinstance(value, Tensor):
        return np.array(value._value).view(Values)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value
    return {key: _plain(entry) for key, entry in value.items()} if type(value) is dict else value


def statements_before(frame: FrameType) -> dict[str, Statement]:
    """Return the last statements of a caller, above the line that runs, that assign to each variable."""
    file = frame.f_code.co_filename
    text = "".join(linecache.getlines(file, frame.f_globals))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    return _statements(tree, file, frame.f_code.co_firstlineno, frame.f_lineno)


def _between(tree: ast.AST, first: float, last: float) -> Iterator[Any]:
    """Yield what assigns to variables or entries and begins in some lines; elsewhere nothing is looked at."""
    waiting = [tree]
    for node in waiting:  # which grows as it is read
        for part in ast.iter_child_nodes(node):
            if getattr(part, "lineno", first) <= last and getattr(part, "end_lineno", last) >= first:
                waiting.append(part)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Dict) and first <= node.lineno:
            yield node


def _statements(tree: ast.AST, file: str, first: float = 0, last: float = math.inf) -> dict[str, Statement]:
    """Return the last statement in some lines that assigns to each variable or entry, by its text."""
    found = {}
    for statement in sorted(_between(tree, first, last), key=lambda part: part.lineno):
        if isinstance(statement, ast.Dict):
            for key, part in zip(statement.keys, statement.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    entry = Statement(_place(file, part.lineno), "", repr(key.value), part)
                    found[f"[{key.value!r}]"] = entry._replace(text=entry.rewritten(part))
            continue
        place, text = _place(file, statement.lineno), ast.unparse(statement)
        for target, value in _pairs(statement):
            name = ast.unparse(target)
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                found[target.value.id] = Statement(place, text)
            made = Statement(place, text, name)
            plain = value is not None and isinstance(statement, ast.Assign)
            found[name] = made._replace(text=made.rewritten(value), value=value) if plain else made
    return found


def _pairs(statement: ast.Assign | ast.AugAssign) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield each target of a statement, and the expression that it gets."""
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
        if not isinstance(target, ast.Tuple):
            yield target, statement.value
        elif isinstance(statement.value, ast.Tuple) and len(statement.value.elts) == len(target.elts):
            yield from zip(target.elts, statement.value.elts, strict=True)
        else:
            yield from ((part, None) for part in target.elts)


def statements_of(name: str, statements: Mapping[str, Statement]) -> list[Statement]:
    """Return the statements that may make the gradient of a node: a variable's, or those of entries, the last first."""
    entries = (f"[{f'd{name}'!r}]", f"[{name!r}]")
    own = [statements[f"d{name}"]] if f"d{name}" in statements else []
    return own or [made for text, made in reversed([*statements.items()]) if text.endswith(entries)]
