"""A recorded graph as a straight-line program, and the NumPy spelling of its statements.

    Statement(name, function, arguments, options, shape, dtype)    one node: name = function(*arguments, **options)
    Program(inputs, constants, statements, outputs, names)         statements in the order of recording
    linearize(roots, inputs)                                       the program that computes roots from inputs

An argument is a ``Name`` (of an input, a constant or an earlier statement) or a value that needs no name: a number, a
part of an index (slice, None, Ellipsis), a dtype. Arrays are named: ``Program.constants`` maps their names to them.
Functions are those of the table of rules, with its conventions: ``getitem(a, *index)``, ``stack(*arrays, axis=0)``.

    spell(function, arguments, options, names) -> Text   the expression of one call, given the Texts of its arguments
    spelled(argument, names) -> Text                     the Text of an argument: a Name or a plain value
    statement.code(names) -> str                         "Z1 = W1 @ X + b1" for a statement

``Text(code, binding)`` carries how tightly its outermost operator binds, so that expressions nest with the parentheses
that Python needs and no more. Text is runnable where ``np`` is NumPy, ``names.namespace`` is bound, and
``names.prelude()`` (the definitions of helpers that NumPy lacks) has run.

``Names`` gives out identifiers. They are the program's own: whatever a user called a Tensor, what is emitted is a valid
identifier that is no keyword, no builtin, and unique, so no name can carry code.
"""

import builtins
import keyword
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import rules
from minigrad.engine.tensor import Tensor
from minigrad.graph import between


class Name(str):
    """An identifier of a program, told apart from a string that is a value."""

    __slots__ = ()


class Text(NamedTuple):
    """A Python expression, and how tightly its outermost operator binds."""

    code: str
    binding: int


# How tightly Python's operators bind, loosest first. To Python the four from REMAINDER to MATRIX_PRODUCT are equals; to
# a reader they are not, so one stands inside another in parentheses, but for ``a * b / c``.
COMPARISON, OR, XOR, AND, SHIFT, SUM, REMAINDER, QUOTIENT, PRODUCT, MATRIX_PRODUCT, UNARY, POWER, CALL, ATOM = range(14)

_BINARY: dict[Callable[..., Any], tuple[str, int]] = {
    np.less: ("<", COMPARISON),
    np.less_equal: ("<=", COMPARISON),
    np.greater: (">", COMPARISON),
    np.greater_equal: (">=", COMPARISON),
    np.equal: ("==", COMPARISON),
    np.not_equal: ("!=", COMPARISON),
    np.bitwise_or: ("|", OR),
    np.bitwise_xor: ("^", XOR),
    np.bitwise_and: ("&", AND),
    np.left_shift: ("<<", SHIFT),
    np.right_shift: (">>", SHIFT),
    np.add: ("+", SUM),
    np.subtract: ("-", SUM),
    np.multiply: ("*", PRODUCT),
    np.divide: ("/", QUOTIENT),
    np.matmul: ("@", MATRIX_PRODUCT),
    np.remainder: ("%", REMAINDER),
    np.floor_divide: ("//", REMAINDER),
    np.power: ("**", POWER),
}
_UNARY: dict[Callable[..., Any], str] = {np.negative: "-", np.positive: "+", np.invert: "~"}

# Options that read best by position.
_POSITIONAL = {
    np.broadcast_to: ("shape",),
    np.swapaxes: ("axis1", "axis2"),
    np.moveaxis: ("source", "destination"),
    np.transpose: ("axes",),
}
_SPOKEN = {np.absolute: "np.abs"}

_HELPERS = {
    "scatter": '''def scatter(g, index, shape):
    """Zeros of a shape, with g added at an index: the gradient of x[index]."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out
'''
}

_LONGEST = 60  # characters of an identifier
_RESERVED = frozenset({"np", *keyword.kwlist, *dir(builtins), *_HELPERS})


# --- names ------------------------------------------------------------------------------------------------------------


def identifier(name: str) -> str:
    """A valid identifier that looks like ``name``: neither keyword nor builtin, and without leading underscores.

    >>> identifier("W1"), identifier("layer 1"), identifier("lambda"), identifier("2x"), identifier("__import__('os')")
    ('W1', 'layer_1', 'lambda_', 'x2x', 'import_os')
    """
    plain = unicodedata.normalize("NFKC", name[: 4 * _LONGEST])  # as Python itself normalizes identifiers
    kept = "".join(c if ("x" + c).isidentifier() else " " for c in plain).replace("_", " ")
    joined = unicodedata.normalize("NFKC", "_".join(kept.split())[:_LONGEST])
    if not joined.isidentifier():
        joined = "x" + joined
    return joined + "_" if joined in _RESERVED else joined


class Names:
    """The identifiers of one program, each given out once; and the objects that its text needs under some of them."""

    def __init__(self) -> None:
        self._taken = set(_RESERVED)
        self._counts: dict[str, int] = {}
        self._bound: dict[int, Name] = {}
        self._helpers: set[str] = set()
        self.namespace: dict[str, Any] = {}

    def fresh(self, wish: str) -> Name:
        """An identifier like ``wish`` that was not given out before."""
        base = name = identifier(wish)
        while name in self._taken:
            self._counts[base] = self._counts.get(base, 1) + 1
            name = f"{base}_{self._counts[base]}"
        self._taken.add(name)
        return Name(name)

    def numbered(self, letter: str) -> Name:
        """The next of c1, c2, ... that was not given out before."""
        while True:
            self._counts[letter] = self._counts.get(letter, 0) + 1
            name = f"{letter}{self._counts[letter]}"
            if name not in self._taken:
                self._taken.add(name)
                return Name(name)

    def bind(self, value: Any, wish: str) -> Name:
        """The identifier under which the text may use ``value``, an object that has no spelling."""
        if id(value) not in self._bound:
            self._bound[id(value)] = name = self.fresh(wish)
            self.namespace[name] = value
        return self._bound[id(value)]

    def helper(self, name: str) -> str:
        self._helpers.add(name)
        return name

    def prelude(self) -> str:
        """The definitions of the helpers that were used so far."""
        return "\n\n".join(_HELPERS[name] for name in sorted(self._helpers))


# --- the program ------------------------------------------------------------------------------------------------------


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
        return f"{self.name} = {spell(self.function, texts, self.options, names).code}"


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


# --- spelling ---------------------------------------------------------------------------------------------------------


def spelled(a: Any, names: Names) -> Text:
    """An argument as text: a Name as it is, any other value as a literal, or bound to a name where it has none."""
    if isinstance(a, Name):
        return Text(a, ATOM)
    try:
        return literal(a)
    except TypeError:
        return Text(names.bind(a, "value"), ATOM)


def literal(a: Any) -> Text:
    """The literal of a plain value: evaluated, it has the same value and type.

    Raises TypeError for a value that has no literal.
    """
    if isinstance(a, np.ndarray) and a.ndim == 0:
        a = a[()]
    match a:
        case None | bool() | str():
            return Text(repr(a), ATOM)
        case np.generic():
            return Text(f"np.{type(a).__name__}({_number(a.item() if a.itemsize <= 8 else str(a))})", CALL)
        case int() | float():
            code = _number(a)
            return Text(code, UNARY if code.startswith("-") else ATOM)
        case tuple() | list():
            items = ", ".join(literal(item).code for item in a)
            if isinstance(a, list):
                return Text(f"[{items}]", ATOM)
            return Text(f"({items},)" if len(a) == 1 else f"({items})", ATOM)
        case np.dtype():
            return Text(f"np.{a.type.__name__}", CALL)
        case _ if a is Ellipsis or isinstance(a, slice):
            return Text(f"np.s_[{_index_part(a)}]", CALL)
    raise TypeError(f"{type(a).__name__} has no literal")


def _number(a: Any) -> str:
    if isinstance(a, float) and not math.isfinite(a):
        return "np.nan" if a != a else "np.inf" if a > 0 else "-np.inf"
    return repr(a)


def _index_part(part: Any) -> str:
    """A plain part of an index, as it stands between brackets."""
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        start, stop, step = ("" if p is None else literal(p).code for p in (part.start, part.stop, part.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return literal(part).code


def _index(parts: Sequence[Text]) -> str:
    """The parts of an index between brackets; slices lose the ``np.s_`` that they need elsewhere."""
    codes = [p.code[6:-1] if p.code.startswith("np.s_[") else p.code for p in parts]
    return f"[{', '.join(codes) or '()'}]"


def enclosed(text: Text, binding: int) -> str:
    """``text`` as an operand that must bind at least so tightly."""
    return text.code if text.binding >= binding else f"({text.code})"


def spell(function: Callable[..., Any], arguments: Sequence[Text], options: Mapping[str, Any], names: Names) -> Text:
    """The NumPy expression of ``function(*arguments, **options)``.

    >>> names, (a, b, c) = Names(), [Text(x, ATOM) for x in "abc"]
    >>> spell(np.matmul, [spell(np.add, [a, b], {}, names), spell(np.transpose, [c], {}, names)], {}, names).code
    '(a + b) @ c.T'
    >>> spell(np.sum, [a], {"axis": 1, "keepdims": True}, names).code
    'np.sum(a, axis=1, keepdims=True)'
    """
    if not options and len(arguments) == 2 and function in _BINARY:
        return _binary(*_BINARY[function], *arguments)
    if not options and len(arguments) == 1 and function in _UNARY:
        return Text(_UNARY[function] + enclosed(arguments[0], UNARY), UNARY)
    own = _OWN.get(function)
    if own is not None:
        text = own(arguments, dict(options), names)
        if text is not None:
            return text
    parts = [a.code for a in arguments]
    given = dict(options)
    parts += [spelled(given.pop(key), names).code for key in _POSITIONAL.get(function, ()) if key in given]
    return _call(_function(function, names), parts, given, names)


def _binary(operator: str, binding: int, left: Text, right: Text) -> Text:
    """An operator between two operands; all but the power and comparisons take their like on the left."""
    if binding == POWER:
        return Text(f"{enclosed(left, CALL)}**{enclosed(right, UNARY)}", POWER)
    if REMAINDER <= binding <= MATRIX_PRODUCT:
        bare = left.binding in ((QUOTIENT, PRODUCT) if binding == QUOTIENT else (binding,))
        return Text(f"{enclosed(left, 0 if bare else UNARY)} {operator} {enclosed(right, UNARY)}", binding)
    return Text(
        f"{enclosed(left, binding + (binding == COMPARISON))} {operator} {enclosed(right, binding + 1)}", binding
    )


def _call(function: str, arguments: Iterable[str], options: Mapping[str, Any], names: Names) -> Text:
    keywords = (f"{key}={spelled(value, names).code}" for key, value in options.items())
    return Text(f"{function}({', '.join((*arguments, *keywords))})", CALL)


def _function(function: Callable[..., Any], names: Names) -> str:
    """How the text calls a function: as NumPy's, or by a name that is bound to it."""
    name = getattr(function, "__name__", "")
    if function in _SPOKEN:
        return _SPOKEN[function]
    for module, path in ((np, "np"), (np.linalg, "np.linalg")):
        if getattr(module, name, None) is function:
            return f"{path}.{name}"
    return names.bind(function, "function" if name == "<lambda>" else name or "function")


def _keep_first(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    return arguments[0]


def _spell_transpose(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text | None:
    return None if options else Text(enclosed(arguments[0], CALL) + ".T", CALL)


def _spell_reshape(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    shape = options["shape"]
    sizes = ", ".join(literal(n).code for n in shape) if isinstance(shape, tuple) and shape else literal(shape).code
    return Text(f"{enclosed(arguments[0], CALL)}.reshape({sizes})", CALL)


def _spell_getitem(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    return Text(enclosed(arguments[0], CALL) + _index(arguments[1:]), CALL)


def _spell_scatter(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    g, *index = arguments
    return _call(names.helper("scatter"), [g.code, f"np.s_{_index(index)}", literal(options["shape"]).code], {}, names)


def _spell_cast(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    return Text(f"{enclosed(arguments[0], CALL)}.astype({arguments[1].code})", CALL)


def _spell_joined(function: str) -> Callable[[Sequence[Text], dict[str, Any], Names], Text]:
    def joined(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
        axis = {key: value for key, value in options.items() if value != 0}
        return _call(function, [f"[{', '.join(a.code for a in arguments)}]"], axis, names)

    return joined


def _spell_einsum(arguments: Sequence[Text], options: dict[str, Any], names: Names) -> Text:
    subscripts = literal(options.pop("subscripts")).code.replace("'", '"')
    return _call("np.einsum", [subscripts, *(a.code for a in arguments)], options, names)


# The spellings of the functions that are not called by a NumPy name; None where the general form will do.
_OWN: dict[Callable[..., Any], Callable[[Sequence[Text], dict[str, Any], Names], Text | None]] = {
    rules.getitem: _spell_getitem,
    rules.scatter: _spell_scatter,
    rules.cast: _spell_cast,
    rules.detached: _keep_first,
    rules.identity: _keep_first,
    rules.concatenate: _spell_joined("np.concatenate"),
    rules.stack: _spell_joined("np.stack"),
    rules.einsum: _spell_einsum,
    np.transpose: _spell_transpose,
    np.reshape: _spell_reshape,
}
