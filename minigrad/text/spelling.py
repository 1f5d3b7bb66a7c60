"""How every function is written: in NumPy, in LaTeX, in Unicode, and as a word on an edge of a picture.

``SPELLINGS`` has one row per function. A function without a row is written by its name: ``np.tanh(x)`` in NumPy,
``\\operatorname{tanh}(x)`` in LaTeX. To teach one more function to LaTeX, add its row here. The forms that rows choose
from stand in ``numpy_code`` and ``mathematics``.

    numpy(function, arguments, options, names) -> Text     a call in NumPy, given the Texts of its arguments
    mathematics(notation, e, arguments) -> Text            a call in LaTeX or Unicode
    word(function)                                         on an edge, None where it has none
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine import primitives

from . import mathematics as forms
from . import numpy_code as code
from .expressions import Expr
from .mathematics import Latex, Notation
from .numpy_code import Names, Text


@dataclass(frozen=True)
class Spelling:
    """How one function is written.

    ``sign`` is Python's operator. ``numpy`` is another name, or the form of its NumPy code, and ``positional`` are the
    options that are given by position. ``form`` is what it looks like in mathematics, ``latex`` and ``unicode`` the
    sign or name there, where it is not Python's. ``word`` stands on an edge.
    """

    sign: str = ""
    form: Callable[[Notation, Expr, Sequence[Text], str], Text | None] | None = None
    numpy: str | Callable[[Sequence[Text], dict[str, Any], Names], Text | None] = ""
    positional: tuple[str, ...] = ()
    latex: str = ""
    unicode: str = ""
    word: str | None = None


SPELLINGS: dict[Callable[..., Any], Spelling] = {
    np.add: Spelling("+", forms.added, word="+"),
    np.subtract: Spelling("-", forms.added, word="−"),
    np.negative: Spelling("-", forms.negative, word="−"),
    np.positive: Spelling("+", forms.unchanged, word=""),
    np.multiply: Spelling("*", forms.product, word="×"),
    np.divide: Spelling("/", forms.quotient, word="÷"),
    np.matmul: Spelling("@", forms.matrix_product, word="@"),
    np.power: Spelling("**", forms.power),
    np.square: Spelling(form=forms.power, word="(·)²"),
    np.sqrt: Spelling(word="√"),
    np.remainder: Spelling("%"),
    np.floor_divide: Spelling("//"),
    np.less: Spelling("<", forms.relation),
    np.less_equal: Spelling("<=", forms.relation, latex=r"\le", unicode="≤"),
    np.greater: Spelling(">", forms.relation),
    np.greater_equal: Spelling(">=", forms.relation, latex=r"\ge", unicode="≥"),
    np.equal: Spelling("==", forms.relation, latex="=", unicode="="),
    np.not_equal: Spelling("!=", forms.relation, latex=r"\ne", unicode="≠"),
    np.bitwise_or: Spelling("|"),
    np.bitwise_xor: Spelling("^"),
    np.bitwise_and: Spelling("&"),
    np.left_shift: Spelling("<<"),
    np.right_shift: Spelling(">>"),
    np.invert: Spelling("~"),
    np.absolute: Spelling(numpy="np.abs", word="|·|"),
    np.maximum: Spelling(latex=r"\max", unicode="max", word="max"),
    np.minimum: Spelling(latex=r"\min", unicode="min", word="min"),
    np.exp: Spelling(form=forms.exponential),
    **{
        function: Spelling(latex=f"\\{function.__name__}")
        for function in (
            *(np.log, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh),
            *(np.max, np.min),
        )
    },
    np.sum: Spelling(form=forms.total, word="Σ"),
    np.prod: Spelling(word="Π"),
    np.linalg.norm: Spelling(word="‖·‖"),
    np.transpose: Spelling(form=forms.transpose, numpy=code.transpose, positional=("axes",), word="ᵀ"),
    np.swapaxes: Spelling(form=forms.transpose, positional=("axis1", "axis2")),
    np.moveaxis: Spelling(positional=("source", "destination")),
    np.reshape: Spelling(numpy=code.reshape, word="reshape"),
    np.broadcast_to: Spelling(positional=("shape",)),
    np.ones: Spelling(form=forms.uniform, latex="1", unicode="ones"),
    np.zeros: Spelling(form=forms.uniform, latex="0", unicode="zeros"),
    primitives.getitem: Spelling(form=forms.index, numpy=code.getitem, word="[·]"),
    primitives.scatter: Spelling(numpy=code.scatter),
    primitives.cast: Spelling(numpy=code.cast),
    primitives.identity: Spelling(form=forms.unchanged, numpy=code.unchanged, word=""),
    primitives.detach: Spelling(form=forms.unchanged, numpy=code.unchanged),
    primitives.concatenate: Spelling(numpy=code.joined("np.concatenate")),
    primitives.stack: Spelling(numpy=code.joined("np.stack")),
    primitives.einsum: Spelling(form=forms.einsum, numpy=code.einsum),
}
_BY_NAME = Spelling()


def numpy(function: Callable[..., Any], arguments: Sequence[Text], options: Mapping[str, Any], names: Names) -> Text:
    """The NumPy expression of ``function(*arguments, **options)``.

    >>> names, (a, b, c) = Names(), [Text(x, code.ATOM) for x in "abc"]
    >>> numpy(np.matmul, [numpy(np.add, [a, b], {}, names), numpy(np.transpose, [c], {}, names)], {}, names).code
    '(a + b) @ c.T'
    >>> numpy(np.sum, [a], {"axis": 1, "keepdims": True}, names).code
    'np.sum(a, axis=1, keepdims=True)'
    """
    row = SPELLINGS.get(function, _BY_NAME)
    if row.sign and not options:
        if len(arguments) == 2:
            return code.binary(row.sign, *arguments)
        return Text(row.sign + code.enclosed(arguments[0], code.UNARY), code.UNARY)
    if callable(row.numpy):
        text = row.numpy(arguments, dict(options), names)
        if text is not None:
            return text
    parts = [a.code for a in arguments]
    given = dict(options)
    parts += [code.spelled(given.pop(key), names).code for key in row.positional if key in given]
    called = row.numpy if isinstance(row.numpy, str) and row.numpy else code.function_name(function, names)
    return code.call(called, parts, given, names)


def mathematics(notation: Notation, e: Expr, arguments: Sequence[Text]) -> Text:
    """A call in a notation, given the Texts of its arguments."""
    row = SPELLINGS.get(e.function, _BY_NAME)
    sign = row.latex if isinstance(notation, Latex) else row.unicode
    text = row.form(notation, e, arguments, sign or row.sign) if row.form else None
    return text or notation.named(e, arguments, sign)


def word(function: Callable[..., Any]) -> str | None:
    """What an edge of a picture says of a function; None where it has no word of its own."""
    return SPELLINGS.get(function, _BY_NAME).word
