"""A recorded graph as a straight-line program.

    Statement(name, function, arguments, options, shape, dtype)    one node: name = function(*arguments, **options)
    Program(inputs, constants, statements, outputs, names)         statements in the order of recording
    linearize(roots, inputs)                                       the program that computes roots from inputs

An argument is a ``Name`` (of an input, a constant or an earlier statement) or a value that needs no name: a number, a
part of an index (slice, None, Ellipsis), a dtype. Arrays are named: ``Program.constants`` maps their names to them.
Functions are those of the table of rules, with its conventions: ``getitem(a, *index)``, ``stack(*arrays, axis=0)``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.graph import between

from . import spelling
from .numpy_code import Name, Names, spelled


@dataclass(frozen=True)
class Statement:
    """``name = function(*arguments, **options)``; the result has ``shape`` and ``dtype``."""

    name: Name
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def code(self, names: Names) -> str:
        """The statement as a line of NumPy."""
        texts = [spelled(a, names) for a in self.arguments]
        return f"{self.name} = {spelling.numpy(self.function, texts, self.options, names).code}"


@dataclass(frozen=True)
class Program:
    """Statements in order, from ``inputs`` and ``constants`` to ``outputs``; ``names`` gave out the identifiers."""

    inputs: tuple[Name, ...]
    constants: Mapping[Name, Any]
    statements: tuple[Statement, ...]
    outputs: tuple[Name, ...]
    names: Names = field(repr=False)


def linearize(roots: Sequence[Tensor], inputs: Sequence[Tensor], called: Mapping[Tensor, str] | None = None) -> Program:
    """The program that computes ``roots`` from ``inputs``, in the order of recording.

    Leaves that are no inputs, and arrays that were used without a Tensor, are its constants. ``called`` names nodes;
    others are named after their ``name``, or t1, t2, ...

    >>> import numpy as np, minigrad as mg
    >>> W, b = mg.Tensor(np.ones((2, 3)), name="W"), mg.Tensor(np.ones(2), name="b")
    >>> program = linearize([np.tanh(W.T @ b)], [W, b])
    >>> print(*(statement.code(program.names) for statement in program.statements), sep="\\n")
    t1 = W.T
    t2 = t1 @ b
    t3 = np.tanh(t2)
    """
    names, constants = Names(), dict[Name, Any]()
    wishes = called or {}
    known: dict[Tensor, Name] = {}

    def name_of(node: Tensor, letter: str) -> Name:
        wish = wishes.get(node, node.name)
        return names.fresh(wish) if wish else names.numbered(letter)

    for x in inputs:
        if x not in known:
            known[x] = name_of(x, "x")
    arrays: dict[int, Name] = {}

    def constant(a: Any) -> Any:
        """A value as an argument: arrays get a name, the same array the same."""
        if not isinstance(a, np.ndarray):
            return a
        if id(a) not in arrays:
            arrays[id(a)] = name = names.numbered("c")
            constants[name] = a
        return arrays[id(a)]

    statements = []
    for node in between(known, roots):
        if node.function is None:
            known[node] = name_of(node, "c")
            constants[known[node]] = node.value
            continue
        arguments = tuple(
            constant(a) if x is None else known[x] for x, a in zip(node.operands, node.primals, strict=True)
        )
        known[node] = name_of(node, "t")
        statements.append(Statement(known[node], node.function, arguments, node.options, node.shape, node.dtype))
    outputs = tuple(known[root] for root in roots)
    return Program(tuple(known[x] for x in inputs), constants, tuple(statements), outputs, names)
