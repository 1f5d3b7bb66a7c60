r"""How every function is written: in NumPy, in LaTeX, in Unicode, and as a word on an edge of a picture.

``SPELLINGS`` has one row per function. A function without a row is written by its name: ``np.expm1(x)`` in
NumPy, ``\operatorname{expm1}(x)`` in LaTeX. To teach one more function to LaTeX, add its row here. The forms that rows
choose from stand in ``numpy_code`` and ``mathematics``.

    numpy(function, arguments, options, names) -> Text     a call in NumPy, given the Texts of its arguments
    mathematics(notation, e, arguments) -> Text            a call in LaTeX or Unicode
    word(function)                                         on an edge, None where it has none
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.engine import linear_algebra, primitives
from minigrad.engine.arrays import Options
from minigrad.engine.rules import Function
from minigrad.engine.vjps import PARTS

from . import mathematics as forms
from . import numpy_code as code
from .expressions import Expr, known
from .mathematics import Latex, Notation
from .numpy_code import Names, Text


@dataclass(frozen=True)
class Spelling:
    """How one function is written.

    Attributes
    ----------
    form
        What it looks like in mathematics; None where it is called by its name.
    numpy
        Another name in NumPy code, or the form of its code.
    positional
        The options that NumPy code gives by position.
    latex, unicode
        Its sign or name in mathematics, where it is not Python's operator.
    word
        What stands on an edge; None where its name does.
    """

    form: Callable[[Notation, Expr, Sequence[Text], str], Text | None] | None = None
    numpy: str | Callable[[Sequence[Text], Options, Names], Text | None] = ""
    positional: tuple[str, ...] = ()
    latex: str = ""
    unicode: str = ""
    word: str | None = None


SPELLINGS: dict[Function, Spelling] = {
    np.add: Spelling(forms.added, word="+"),
    np.subtract: Spelling(forms.added, word="−"),
    np.negative: Spelling(forms.negative, word="−"),
    np.positive: Spelling(forms.unchanged, word=""),
    np.multiply: Spelling(forms.product, word="×"),
    np.divide: Spelling(forms.quotient, word="÷"),
    np.matmul: Spelling(forms.matrix_product, word="@"),
    np.power: Spelling(forms.power),
    np.square: Spelling(forms.power, word="(·)²"),
    np.sqrt: Spelling(word="√"),
    np.less: Spelling(forms.relation),
    np.less_equal: Spelling(forms.relation, latex=r"\le", unicode="≤"),
    np.greater: Spelling(forms.relation),
    np.greater_equal: Spelling(forms.relation, latex=r"\ge", unicode="≥"),
    np.equal: Spelling(forms.relation, latex="=", unicode="="),
    np.not_equal: Spelling(forms.relation, latex=r"\ne", unicode="≠"),
    np.absolute: Spelling(forms.absolute, numpy="np.abs", word="|·|"),
    np.maximum: Spelling(latex=r"\max", unicode="max", word="max"),
    np.minimum: Spelling(latex=r"\min", unicode="min", word="min"),
    np.exp: Spelling(forms.exponential),
    **{
        function: Spelling(latex=f"\\{function.__name__}")
        for function in (
            *(np.log, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh),
            *(np.max, np.min),
        )
    },
    np.sum: Spelling(forms.total, word="Σ"),
    np.prod: Spelling(word="Π"),
    primitives.norm: Spelling(numpy="np.linalg.norm", word="‖·‖"),
    np.transpose: Spelling(forms.transpose, numpy=code.transpose, positional=("axes",), word="ᵀ"),
    np.swapaxes: Spelling(forms.transpose, positional=("axis1", "axis2")),
    np.moveaxis: Spelling(positional=("source", "destination")),
    np.reshape: Spelling(numpy=code.reshape, word="reshape"),
    np.broadcast_to: Spelling(positional=("shape",)),
    np.roll: Spelling(positional=("shift",)),
    np.tile: Spelling(positional=("reps",)),
    np.repeat: Spelling(positional=("repeats",)),
    **dict.fromkeys((np.tril, np.triu, np.diag), Spelling(positional=("k",))),
    np.quantile: Spelling(positional=("q",)),
    primitives.pad: Spelling(numpy="np.pad", positional=("pad_width", "mode")),
    np.ones: Spelling(forms.uniform, latex="1", unicode="ones"),
    np.zeros: Spelling(forms.uniform, latex="0", unicode="zeros"),
    primitives.getitem: Spelling(forms.index, numpy=code.getitem, word="[·]"),
    primitives.scatter: Spelling(numpy=code.scatter),
    primitives.cast: Spelling(numpy=code.cast),
    primitives.identity: Spelling(forms.unchanged, numpy=code.unchanged, word=""),
    primitives.detach: Spelling(forms.unchanged, numpy=code.unchanged),
    primitives.concatenate: Spelling(numpy=code.joined("np.concatenate")),
    primitives.stack: Spelling(numpy=code.joined("np.stack")),
    primitives.einsum: Spelling(forms.einsum, numpy=code.einsum),
    primitives.ratio: Spelling(forms.quotient, numpy=code.ratio),
    primitives.nowhere_zero: Spelling(forms.unchanged, numpy=code.unchanged),
    **{
        function: Spelling(numpy=code.defined(function))
        for function in (primitives.others, primitives.powers, linear_algebra.cofactors)
    },
}
_BY_NAME = Spelling()


def numpy(function: Function, arguments: Sequence[Text], options: Options, names: Names) -> Text:
    """Return the NumPy expression of ``function(*arguments, **options)``.

    >>> names, (a, b, c) = Names(), [Text(x, code.ATOM) for x in "abc"]
    >>> numpy(np.matmul, [numpy(np.add, [a, b], {}, names), numpy(np.transpose, [c], {}, names)], {}, names).code
    '(a + b) @ c.T'
    >>> numpy(np.sum, [a], {"axis": 1, "keepdims": True}, names).code
    'np.sum(a, axis=1, keepdims=True)'
    """
    if function in PARTS:
        return code.part(*PARTS[function], [a.code for a in arguments], options, names)
    row, sign = SPELLINGS.get(function, _BY_NAME), sign_of(function)
    if sign and not options:
        if len(arguments) == 2:
            return code.binary(sign, *arguments)
        return Text(sign + code.enclosed(arguments[0], code.UNARY), code.UNARY)
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
    """Return a call in a notation, given the Texts of its arguments."""
    row = SPELLINGS.get(e.function, _BY_NAME)
    sign = row.latex if isinstance(notation, Latex) else row.unicode
    text = row.form(notation, e, arguments, sign or sign_of(e.function)) if row.form else None
    return text or notation.named(e, arguments, sign)


def sign_of(function: Function) -> str:
    """Python's operator for a function, which the table of rules has; "" where it is called by name."""
    return known(function).sign or ""


def word(function: Function) -> str | None:
    """Return what an edge of a picture says of a function; None where it has no word of its own."""
    return SPELLINGS.get(function, _BY_NAME).word
