"""NumPy code: identifiers, literals, and the forms that calls are written in.

``Text(code, binding)`` carries how tightly its outermost operator binds, so that expressions nest with the parentheses
that Python needs and no more. Text is runnable where ``np`` is NumPy, ``names.namespace`` is bound, and
``names.prelude()`` (the definitions of helpers that NumPy lacks) has run.

``Names`` gives out identifiers. They are the program's own: whatever a user called a Tensor, what is emitted is a valid
identifier that is no keyword, no builtin, and unique, so no name can carry code.

Which form a function has is said by the table in ``spelling``.
"""

import ast
import builtins
import inspect
import keyword
import math
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Options, Value
from minigrad.engine.rules import Function


class Name(str):
    """An identifier of a program, told apart from a string that is a value."""

    __slots__ = ()


class Text(NamedTuple):
    """An expression as text, and how tightly its outermost operator binds."""

    code: str
    binding: int


# How tightly Python's operators bind, loosest first. To Python the four from REMAINDER to MATRIX_PRODUCT are equals; to
# a reader they are not, so one stands inside another in parentheses, but for ``a * b / c``.
COMPARISON, OR, XOR, AND, SHIFT, SUM, REMAINDER, QUOTIENT, PRODUCT, MATRIX_PRODUCT, UNARY, POWER, CALL, ATOM = range(14)

BINDINGS = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), COMPARISON),
    **{"|": OR, "^": XOR, "&": AND, "<<": SHIFT, ">>": SHIFT, "+": SUM, "-": SUM},
    **{"*": PRODUCT, "/": QUOTIENT, "@": MATRIX_PRODUCT, "%": REMAINDER, "//": REMAINDER, "**": POWER},
}

_HELPERS = {
    "special": "from scipy import special\n",
    "scatter": '''def scatter(g, index, shape):
    """Zeros of a shape, with g added at an index: the gradient of x[index]."""
    out = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(out, index, g)
    return out
''',
}

_MAX_IDENTIFIER_LENGTH = 60
_RESERVED = frozenset({"np", *keyword.kwlist, *dir(builtins), *_HELPERS})


# --- names ------------------------------------------------------------------------------------------------------------


def identifier(name: str) -> str:
    """Return a valid identifier that looks like ``name``: neither keyword nor builtin, and without leading underscores.

    >>> identifier("W1"), identifier("layer 1"), identifier("lambda"), identifier("2x"), identifier("__import__('os')")
    ('W1', 'layer_1', 'lambda_', 'x2x', 'import_os')
    """
    plain = unicodedata.normalize("NFKC", name[: 4 * _MAX_IDENTIFIER_LENGTH])  # as Python itself normalizes identifiers
    kept = "".join(c if ("x" + c).isidentifier() else " " for c in plain).replace("_", " ")
    joined = unicodedata.normalize("NFKC", "_".join(kept.split())[:_MAX_IDENTIFIER_LENGTH])
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
        self._defined: dict[Function, tuple[Name, str]] = {}
        self.namespace: dict[str, Any] = {}

    def fresh(self, wish: str) -> Name:
        """Return an identifier like ``wish`` that was not given out before."""
        base = name = identifier(wish)
        while name in self._taken:
            self._counts[base] = self._counts.get(base, 1) + 1
            name = f"{base}_{self._counts[base]}"
        self._taken.add(name)
        return Name(name)

    def numbered(self, letter: str) -> Name:
        """Return the next of c1, c2, ... that was not given out before."""
        while True:
            self._counts[letter] = self._counts.get(letter, 0) + 1
            name = f"{letter}{self._counts[letter]}"
            if name not in self._taken:
                self._taken.add(name)
                return Name(name)

    def bind(self, value: Value, wish: str) -> Name:
        """Return the identifier under which the text may use ``value``, an object that has no spelling."""
        if id(value) not in self._bound:
            self._bound[id(value)] = name = self.fresh(wish)
            self.namespace[name] = value
        return self._bound[id(value)]

    def helper(self, name: str) -> str:
        """Return the name of a helper, and enter its definition in the prelude."""
        self._helpers.add(name)
        return name

    def define(self, function: Function) -> Name:
        """Return the name of a function of minigrad's, and enter its source in the prelude, without annotations."""
        if function not in self._defined:
            name = self.fresh(function.__name__)
            whole: Any = inspect.unwrap(function)
            definition = ast.parse(inspect.getsource(whole)).body[0]
            assert isinstance(definition, ast.FunctionDef)
            definition.decorator_list = []
            for part in ast.walk(definition):
                match part:
                    case ast.arg():
                        part.annotation = None
                    case ast.FunctionDef():
                        part.returns = None
                        part.name = name if part is definition else part.name
                    case ast.Name() if isinstance(used := whole.__globals__.get(part.id), FunctionType):
                        part.id = self.define(used)
            self._defined[function] = name, ast.unparse(definition) + "\n"
        return self._defined[function][0]

    def prelude(self) -> str:
        """Return the definitions of the helpers that were used so far."""
        helpers = [_HELPERS[name] for name in sorted(self._helpers)]
        return "\n\n".join([*helpers, *(definition for _, definition in self._defined.values())])


# --- literals --------------------------------------------------------------------------------------------------------


def spelled(a: Value, names: Names) -> Text:
    """Return an argument as text: a Name as it is, another value as a literal, or bound to a name if it has none."""
    if isinstance(a, Name):
        return Text(a, ATOM)
    try:
        return literal(a)
    except TypeError:
        return Text(names.bind(a, "value"), ATOM)


def literal(a: Value) -> Text:
    """Return the literal of a plain value: evaluated, it has the same value and type.

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
        case range():
            return Text(repr(a), CALL)
        case np.dtype():
            return Text(f"np.{a.type.__name__}", CALL)
        case _ if a is Ellipsis or isinstance(a, slice):
            return Text(f"np.s_[{_index_part(a)}]", CALL)
    raise TypeError(f"{type(a).__name__} has no literal")


def _number(a: Value) -> str:
    if isinstance(a, float) and not math.isfinite(a):
        return "np.nan" if a != a else "np.inf" if a > 0 else "-np.inf"
    return repr(a)


def _index_part(part: Value) -> str:
    """Return a plain part of an index, as it stands between brackets."""
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        start, stop, step = ("" if p is None else literal(p).code for p in (part.start, part.stop, part.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return literal(part).code


def _index(parts: Sequence[Text]) -> str:
    """Return the parts of an index between brackets; slices lose the ``np.s_`` that they need elsewhere."""
    codes = [p.code[6:-1] if p.code.startswith("np.s_[") else p.code for p in parts]
    return f"[{', '.join(codes) or '()'}]"


def enclosed(text: Text, binding: int) -> str:
    """``text`` as an operand that must bind at least so tightly."""
    return text.code if text.binding >= binding else f"({text.code})"


def binary(operator: str, left: Text, right: Text) -> Text:
    """Return an operator between two operands; all but the power and comparisons take their like on the left."""
    binding = BINDINGS[operator]
    if binding == POWER:
        return Text(f"{enclosed(left, CALL)}**{enclosed(right, UNARY)}", POWER)
    if REMAINDER <= binding <= MATRIX_PRODUCT:
        bare = left.binding in ((QUOTIENT, PRODUCT) if binding == QUOTIENT else (binding,))
        return Text(f"{enclosed(left, 0 if bare else UNARY)} {operator} {enclosed(right, UNARY)}", binding)
    return Text(
        f"{enclosed(left, binding + (binding == COMPARISON))} {operator} {enclosed(right, binding + 1)}", binding
    )


def call(function: str, arguments: Iterable[str], options: Options, names: Names) -> Text:
    """Return a call with positional arguments and options as keywords."""
    keywords = (f"{key}={spelled(value, names).code}" for key, value in options.items())
    return Text(f"{function}({', '.join((*arguments, *keywords))})", CALL)


def part(function: Function, name: str | int, arguments: Iterable[str], options: Options, names: Names) -> Text:
    """Return one of the results of a call, such as ``np.linalg.eigh(a).eigenvectors`` or ``np.frexp(a)[1]``."""
    whole = call(function_name(function, names), arguments, options, names)
    return Text(whole.code + (f"[{name}]" if isinstance(name, int) else f".{name}"), CALL)


def function_name(function: Function, names: Names) -> str:
    """Return how the text calls a function: as NumPy's or SciPy's, or by a name that is bound to it."""
    if path := _path(function):
        return path
    name = getattr(function, "__name__", "")
    if getattr(sys.modules.get("scipy.special"), name, None) is function:
        return f"{names.helper('special')}.{name}"
    return names.bind(function, "function" if name == "<lambda>" else name or "function")


@lru_cache
def _path(function: Function) -> str | None:
    name = getattr(function, "__name__", "")
    modules = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft, "np.lib.stride_tricks": np.lib.stride_tricks}
    return next((f"{path}.{name}" for path, module in modules.items() if getattr(module, name, None) is function), None)


# --- forms of calls: of (Texts of the arguments, options, names) a Text, or None where the general form will do -------


def unchanged(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return the first argument as it is."""
    return arguments[0]


def transpose(arguments: Sequence[Text], options: Options, names: Names) -> Text | None:
    """Return a transpose as ``a.T``, or None where options name axes."""
    return None if options else Text(enclosed(arguments[0], CALL) + ".T", CALL)


def reshape(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return a reshape as a call of the array's method."""
    shape = options["shape"]
    sizes = ", ".join(literal(n).code for n in shape) if isinstance(shape, tuple) and shape else literal(shape).code
    return Text(f"{enclosed(arguments[0], CALL)}.reshape({sizes})", CALL)


def getitem(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return an array with its index between brackets."""
    return Text(enclosed(arguments[0], CALL) + _index(arguments[1:]), CALL)


def scatter(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return a call of the helper ``scatter``."""
    g, *index = arguments
    return call(names.helper("scatter"), [g.code, f"np.s_{_index(index)}", literal(options["shape"]).code], {}, names)


def ratio(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return a quotient that is 0 where it would be 0 / 0."""
    divisor = arguments[1].code
    return binary("/", arguments[0], Text(f"np.where({divisor} == 0, 1, {divisor})", CALL))


def defined(function: Function) -> Callable[[Sequence[Text], Options, Names], Text]:
    """Return the form of a function that NumPy lacks: a call of its own definition, which enters the prelude."""

    def written(arguments: Sequence[Text], options: Options, names: Names) -> Text:
        return call(names.define(function), [a.code for a in arguments], options, names)

    return written


def cast(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return a cast as ``a.astype(dtype)``."""
    return Text(f"{enclosed(arguments[0], CALL)}.astype({arguments[1].code})", CALL)


def joined(function: str) -> Callable[[Sequence[Text], Options, Names], Text]:
    """Return the form of a function that joins a list of arrays; axis 0 is left out."""

    def written(arguments: Sequence[Text], options: Options, names: Names) -> Text:
        axis = {key: value for key, value in options.items() if value != 0}
        return call(function, [f"[{', '.join(a.code for a in arguments)}]"], axis, names)

    return written


def einsum(arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return a call of ``np.einsum``, its subscripts first."""
    given = dict(options)
    subscripts = literal(given.pop("subscripts")).code.replace("'", '"')
    return call("np.einsum", [subscripts, *(a.code for a in arguments)], given, names)
