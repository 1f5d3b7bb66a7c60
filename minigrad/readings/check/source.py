"""The learner's own code: which of their variables are gradients, running their backward pass, and finding their lines.

Their code runs on copies of the plain values of the graph, so nothing that it does changes the graph.
"""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph


class Statement(NamedTuple):
    """A statement of the learner's: the file and line that it is at, and its text."""

    place: str
    text: str


class Code(NamedTuple):
    """The gradients that code computed, the statements that assign them, and what there is to say of it."""

    gradients: dict[str, Any]
    statements: dict[str, Statement]
    notes: list[str]


def gradients_in(graph: Graph, space: Mapping[str, Any]) -> dict[str, Any]:
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


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def run(backward: Callable[..., Any] | str, graph: Graph, names: Mapping[str, Any]) -> Code:
    """Run a backward pass, given as a function or its source, on the plain values of what the names stand for.

    Parameters are found by name among the names. What the function leaves in its variables is looked at, and what it
    returns. Where it raises, the gradients found until then count, and a note says where.
    """
    space: dict[str, Any] = {name: _plain(value) for name, value in names.items()}
    if isinstance(backward, str):
        text, first, file = textwrap.dedent(backward), 1, "<backward>"
        space = {"np": np, **space}
    else:
        space = {**backward.__globals__, **inspect.getclosurevars(backward).nonlocals, **space}
        try:
            lines, first = inspect.getsourcelines(backward)
        except (OSError, TypeError):
            return _called(backward, graph, space, "its source cannot be read")
        text, file = textwrap.dedent("".join(lines)), inspect.getfile(backward)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        if isinstance(backward, str):
            raise ValueError(f"check: the source of the backward pass cannot be parsed: {error}") from None
        return _called(backward, graph, space, "its source cannot be parsed")
    ast.increment_lineno(tree, first - 1)
    body = tree.body[0].body if len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef) else tree.body
    nested = [node for s in body[:-1] for node in ast.walk(s) if isinstance(node, ast.Return)]
    if nested and not isinstance(backward, str):
        return _called(backward, graph, space, "it returns from within")
    if not isinstance(backward, str):
        parameters = inspect.signature(backward).parameters.values()
        space = {p.name: p.default for p in parameters if p.default is not p.empty} | space
    notes = _execute(body, space, file)
    result = space.pop("_returned", None)
    found = gradients_in(graph, space)
    if isinstance(result, dict):
        found |= gradients_in(graph, {"dreturned": result})
    return Code(found, _statements(body, file), notes)


def _execute(body: list[ast.stmt], space: dict[str, Any], file: str) -> list[str]:
    """Run statements one after the other; return a note where one raises."""
    for statement in body:
        if isinstance(statement, ast.Return):
            target = ast.Name("_returned", ast.Store())
            statement = ast.copy_location(ast.Assign([target], statement.value or ast.Constant(None)), statement)
        program = ast.fix_missing_locations(ast.Module([statement], []))
        try:
            exec(compile(program, file, "exec"), space)
        except Exception as error:  # of the learner's code, whatever it is
            place = f"{Path(file).name}:{statement.lineno}"
            return [f"{place}: {type(error).__name__}: {error}. The gradients found until there are checked."]
    return []


def _called(backward: Callable[..., Any], graph: Graph, space: dict[str, Any], why: str) -> Code:
    """Return the gradients that a function returns, where it cannot be looked into."""
    wanted = {p.name: space[p.name] for p in inspect.signature(backward).parameters.values() if p.name in space}
    result = backward(**wanted)
    found = gradients_in(graph, {"dreturned": result} if isinstance(result, dict) else {})
    return Code(found, {}, [f"{backward.__name__}: {why}, so what it returns is checked by its numbers alone."])


def _plain(value: Any) -> Any:
    """Return a copy that shares nothing with the graph."""
    if isinstance(value, Tensor):
        return np.array(value.value)
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
    first, last = frame.f_code.co_firstlineno, frame.f_lineno
    body = [s for s in ast.walk(tree) if isinstance(s, ast.Assign | ast.AugAssign) and first <= s.lineno < last]
    return _statements(sorted(body, key=lambda s: s.lineno), file)


def _statements(body: list[Any], file: str) -> dict[str, Statement]:
    """Return the last statement that assigns to each variable or entry, by its text."""
    found = {}
    for statement in _assignments(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                found[ast.unparse(part)] = Statement(f"{Path(file).name}:{statement.lineno}", ast.unparse(statement))
    return found


def _assignments(body: list[ast.stmt]) -> Iterator[ast.Assign | ast.AugAssign]:
    for statement in body:
        yield from (s for s in ast.walk(statement) if isinstance(s, ast.Assign | ast.AugAssign))
