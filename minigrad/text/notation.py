"""Mathematics as people write it: LaTeX and Unicode spellings of names, numbers and calls.

A ``Notation`` turns a call and the Texts of its arguments into a Text, as ``program.spell`` does for NumPy. Elementwise
products of arrays are ⊙, matrix products and scalar factors stand side by side, a comparison is the indicator 𝟙[...],
and a function that has no sign of its own is called by its name. Names come from users: here they become harmless text.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine.rules import detached, einsum, getitem, identity
from minigrad.graph import printable

from .expressions import LITERAL, Expr
from .program import ATOM, CALL, COMPARISON, MATRIX_PRODUCT, POWER, PRODUCT, REMAINDER, SUM, UNARY, Text, literal

# One per cost term, in order: the palette of Okabe and Ito, which colour-blind eyes tell apart, without yellow and
# black, darkened until text in it reads on white (contrast 4.5 : 1).
COLOURS = ("#0072b2", "#c05500", "#008662", "#a36186", "#966700", "#387597")

_WORDS = [
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
]
_GREEK = dict(zip(_WORDS, "αβγδεζηθικλμνξοπρστυφχψω", strict=True)) | {"lam": "λ", "eps": "ε"}
_COMMANDS = {letter: f"\\{word}" for word, letter in _GREEK.items() if word in _WORDS and word != "omicron"}
_LONGEST = 60  # characters of a name

_SPOKEN = {np.maximum: "max", np.minimum: "min"}


class Notation:
    """How one kind of text writes mathematics. Subclasses give the signs; what stands where is the same in all."""

    elementwise: str  # between the factors of an elementwise product
    matrix: str  # between those of a matrix product
    times: str  # between two numbers
    relations: dict[Any, str]

    def symbol(self, identifier: str, title: str, gradient: bool) -> Text:
        """The symbol of the node called ``title``, or of its gradient."""
        return Text(("d" if gradient else "") + self.name(title), ATOM)

    def name(self, name: str) -> str:
        """A user's name, as text that can do no harm."""
        raise NotImplementedError

    def words(self, text: str) -> str:
        """Plain text inside mathematics."""
        raise NotImplementedError

    def number(self, code: str) -> Text:
        raise NotImplementedError

    def function(self, name: str) -> str:
        raise NotImplementedError

    def brackets(self, code: str) -> str:
        raise NotImplementedError

    def fraction(self, above: Text, below: Text) -> Text:
        raise NotImplementedError

    def transposed(self, code: str) -> str:
        raise NotImplementedError

    def raised(self, code: str, power: str, elementwise: bool) -> Text:
        raise NotImplementedError

    def indicator(self, relation: str) -> str:
        raise NotImplementedError

    def total(self, code: str, axes: str) -> str:
        raise NotImplementedError

    def uniform(self, digit: str, shape: tuple[int, ...]) -> str:
        raise NotImplementedError

    def literal(self, value: Any) -> Text:
        """A number, or a part of an index."""
        code = literal(value).code
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            return self.number(repr(value.item() if isinstance(value, np.number) else value))
        return Text(self.words(code[6:-1] if code.startswith("np.s_[") else code), ATOM)

    def call(self, e: Expr, args: Sequence[Text]) -> Text:
        """The Text of a call, given those of its arguments."""
        sign = _SIGNS.get(e.function)
        return (sign(self, e, args) if sign else None) or self.named(e, args)

    def named(self, e: Expr, args: Sequence[Text]) -> Text:
        name = str(_SPOKEN.get(e.function) or getattr(e.function, "__name__", "f"))
        given = [a.code for a in args] + [self.words(f"{key} {_plain(value)}") for key, value in e.options.items()]
        return Text(self.function("f" if name == "<lambda>" else name) + self.brackets(", ".join(given)), CALL)

    def enclosed(self, text: Text, binding: int) -> str:
        return text.code if text.binding >= binding else self.brackets(text.code)

    def right(self, text: Text, binding: int) -> str:
        """An operand to the right of an operator, where a sign of its own would meet it."""
        return self.brackets(text.code) if text.code.startswith("-") else self.enclosed(text, binding)


def _plain(value: Any) -> str:
    try:
        return literal(value).code
    except TypeError:
        return type(value).__name__


class Latex(Notation):
    elementwise, matrix, times, circle = r" \odot ", " ", r" \cdot ", r"\odot "
    relations = {  # noqa: RUF012
        **{np.less: "<", np.less_equal: r"\le", np.greater: ">", np.greater_equal: r"\ge"},
        **{np.equal: "=", np.not_equal: r"\ne"},
    }
    known = frozenset({"log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "arcsin", "arccos", "arctan"})

    def name(self, name: str) -> str:
        """``W1`` is W_1, ``lam`` is λ, ``W_hh`` is W_{hh}; a longer word stands upright, anything else is text."""
        match = re.fullmatch(r"([^\W\d_]+)_?(\d+|(?<=_)[A-Za-z0-9]{1,8})?('*)", name) if len(name) <= _LONGEST else None
        if not match:
            return self.words(name)
        word, index, primes = match.groups(default="")
        letter = _GREEK.get(word, word)
        if len(letter) > 1 and not (letter[0] == "d" and len(letter) == 2):
            letter = rf"\mathrm{{{letter}}}" if letter.isascii() else self.words(letter)
        letter = _COMMANDS.get(letter, letter)
        if len(letter) == 1 and not letter.isascii():
            letter = self.words(letter)
        return letter + primes + (f"_{index}" if len(index) == 1 else f"_{{{index}}}" if index else "")

    def words(self, text: str) -> str:
        escapes = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
        escapes |= {"<": r"\textless{}", ">": r"\textgreater{}"}  # so that it is safe inside a page too
        plain = printable(text, _LONGEST)
        return r"\text{" + "".join(escapes.get(c, "\\" + c if c in "{}$&#_%" else c) for c in plain) + "}"

    def number(self, code: str) -> Text:
        code = code.replace("inf", r"\infty").replace("nan", r"\text{nan}")
        mantissa, e, exponent = code.partition("e")
        if e and "text" not in code:
            return Text(rf"{mantissa} \cdot 10^{{{int(exponent)}}}", UNARY)
        return Text(code, UNARY if code.startswith("-") else ATOM)

    def function(self, name: str) -> str:
        escaped = name.replace("_", r"\_") if name.isidentifier() and name.isascii() else "f"
        return f"\\{name}" if name in self.known else rf"\operatorname{{{escaped}}}"

    def brackets(self, code: str) -> str:
        return rf"\left({code}\right)" if "frac" in code or "sum" in code else f"({code})"

    def fraction(self, above: Text, below: Text) -> Text:
        if above.binding == SUM and "frac" in above.code:
            return Text(rf"\frac{{1}}{{{below.code}}} {self.brackets(above.code)}", PRODUCT)
        return Text(rf"\frac{{{above.code}}}{{{below.code}}}", UNARY)

    def transposed(self, code: str) -> str:
        return code + r"^{\top}"

    def raised(self, code: str, power: str, elementwise: bool) -> Text:
        return Text(f"{code}^{{{self.circle if elementwise else ''}{power}}}", POWER)

    def indicator(self, relation: str) -> str:
        return rf"\mathbb{{1}}[{relation}]"

    def total(self, code: str, axes: str) -> str:
        below = f"_{{{self.words(axes)}}}" if axes else ""
        return rf"\sum{below} {code}"

    def uniform(self, digit: str, shape: tuple[int, ...]) -> str:
        return rf"\mathbf{{{digit}}}_{{" + r" \times ".join(map(str, shape)) + "}"


class Unicode(Notation):
    elementwise, matrix, times = " ⊙ ", " ", " · "
    relations = {  # noqa: RUF012
        **{np.less: "<", np.less_equal: "≤", np.greater: ">", np.greater_equal: "≥"},
        **{np.equal: "=", np.not_equal: "≠"},
    }

    def name(self, name: str) -> str:
        """``W1`` is W₁, ``lam`` is λ."""
        match = re.fullmatch(r"([^\W\d_]+)_?(\d*)", name) if len(name) <= _LONGEST else None
        if not match:
            return printable(name, _LONGEST)
        word, index = match.groups()
        return _GREEK.get(word, word) + index.translate(_SUBSCRIPTS)

    def words(self, text: str) -> str:
        return printable(text)

    def number(self, code: str) -> Text:
        return Text(code.replace("inf", "∞"), UNARY if code.startswith("-") else ATOM)

    def function(self, name: str) -> str:
        return printable(name)

    def brackets(self, code: str) -> str:
        return f"({code})"

    def fraction(self, above: Text, below: Text) -> Text:
        return Text(f"{self.enclosed(above, PRODUCT)} / {self.right(below, POWER)}", REMAINDER)

    def transposed(self, code: str) -> str:
        return code + "ᵀ"

    def raised(self, code: str, power: str, elementwise: bool) -> Text:
        if re.fullmatch(r"-?\d+", power):
            return Text(code + power.translate(_SUPERSCRIPTS), POWER)
        return Text(code + "^" + (power if re.fullmatch(r"[\w.]+", power) else self.brackets(power)), POWER)

    def indicator(self, relation: str) -> str:
        return f"𝟙[{relation}]"

    def total(self, code: str, axes: str) -> str:
        return f"Σ{f'[{axes}]' if axes else ''} {code}"

    def uniform(self, digit: str, shape: tuple[int, ...]) -> str:
        return f"{'ones' if digit == '1' else 'zeros'}({', '.join(map(str, shape))})"


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# --- what stands where ------------------------------------------------------------------------------------------------


def _sum(operator: str) -> Callable[[Notation, Expr, Sequence[Text]], Text]:
    def written(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
        left, right = notation.enclosed(args[0], SUM), notation.right(args[1], SUM + (operator == "-"))
        return Text(f"{left} {operator} {right}", SUM)

    return written


def _negative(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    return Text("-" + notation.right(args[0], REMAINDER), UNARY)


def _product(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    """Arrays are multiplied elementwise; a scalar stands before what it scales."""
    a, b = e.args
    left, right = args
    if a.shape != () and b.shape != ():
        factor = notation.brackets(left.code) if left.binding == MATRIX_PRODUCT else notation.enclosed(left, PRODUCT)
        return Text(factor + notation.elementwise + notation.right(right, UNARY), PRODUCT)
    sign = notation.times if b.function is LITERAL or right.code[:1].isdigit() else " "
    factor = notation.enclosed(left, PRODUCT)
    binding = MATRIX_PRODUCT if right.binding == MATRIX_PRODUCT else min(right.binding, PRODUCT)
    return Text(factor + sign + notation.right(right, REMAINDER), max(binding, REMAINDER))


def _matrix_product(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    left, right = notation.enclosed(args[0], MATRIX_PRODUCT), notation.right(args[1], UNARY)
    return Text(left + notation.matrix + right, MATRIX_PRODUCT)


def _quotient(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    above, below = args
    if above.binding == UNARY and above.code.startswith("-"):
        return Text("-" + notation.fraction(Text(above.code[1:], MATRIX_PRODUCT), below).code, UNARY)
    return notation.fraction(above, below)


def _transpose(notation: Notation, e: Expr, args: Sequence[Text]) -> Text | None:
    of_matrices = e.function is np.swapaxes and {e.options["axis1"], e.options["axis2"]} == {-1, -2}
    if e.options and not of_matrices:
        return None
    return Text(notation.transposed(notation.enclosed(args[0], CALL)), POWER)


def _power(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    power = args[1].code if len(args) > 1 else "2"
    return notation.raised(notation.enclosed(args[0], CALL), power, e.args[0].shape != ())


def _exp(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    return notation.raised("e", args[0].code, False)


def _relation(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    left, right = (notation.enclosed(a, COMPARISON + 1) for a in args)
    return Text(notation.indicator(f"{left} {notation.relations[e.function]} {right}"), CALL)


def _total(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    axis = e.options.get("axis")
    axes = "" if axis is None else f"axis {axis}" if isinstance(axis, int) else f"axes {', '.join(map(str, axis))}"
    return Text(notation.total(notation.enclosed(args[0], MATRIX_PRODUCT), axes), REMAINDER)


def _index(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    return Text(f"{notation.enclosed(args[0], CALL)}[{', '.join(a.code for a in args[1:])}]", CALL)


def _uniform(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    return Text(notation.uniform("1" if e.function is np.ones else "0", e.shape), CALL)


def _unchanged(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    return args[0]


def _einsum(notation: Notation, e: Expr, args: Sequence[Text]) -> Text:
    given = [notation.words(e.options["subscripts"].replace("->", " → ")), *(a.code for a in args)]
    return Text(notation.function("einsum") + notation.brackets(", ".join(given)), CALL)


_SIGNS: dict[Any, Callable[[Notation, Expr, Sequence[Text]], Text | None]] = {
    **{np.add: _sum("+"), np.subtract: _sum("-"), np.negative: _negative, np.positive: _unchanged},
    **{np.multiply: _product, np.matmul: _matrix_product, np.divide: _quotient},
    **{np.transpose: _transpose, np.swapaxes: _transpose, np.square: _power, np.power: _power, np.exp: _exp},
    **{np.sum: _total, np.ones: _uniform, np.zeros: _uniform},
    **{getitem: _index, einsum: _einsum, detached: _unchanged, identity: _unchanged},
    **dict.fromkeys(Latex.relations, _relation),
}
