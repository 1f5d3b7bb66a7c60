"""Mathematics as people write it: LaTeX and Unicode forms of names, numbers and calls.

A ``Notation`` writes names, numbers and brackets; a form, such as ``quotient``, says what stands where in a call. Which
form and sign a function has is said by the table in ``spelling``. Elementwise products of arrays are ⊙, matrix products
and scalar factors stand side by side, a comparison is the indicator 𝟙[...], and a function that has no form of its own
is called by its name. Names come from users: here they become harmless text.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from minigrad.engine.arrays import Value

from .expressions import LITERAL, Expr
from .numpy_code import ATOM, CALL, COMPARISON, MATRIX_PRODUCT, POWER, PRODUCT, REMAINDER, SUM, UNARY, Text, literal
from .words import printable

_WORDS = [
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
]
_GREEK = dict(zip(_WORDS, "αβγδεζηθικλμνξοπρστυφχψω", strict=True)) | {"lam": "λ", "eps": "ε"}
_COMMANDS = {letter: f"\\{word}" for word, letter in _GREEK.items() if word in _WORDS and word != "omicron"}
_MAX_NAME_LENGTH = 60
_MAX_INTEGER_IN_DIGITS = 1e6
_CAPITALS = ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"]
_COMMANDS |= {letter: f"\\{word}" for letter, word in zip("ΓΔΘΛΞΠΣΥΦΨΩ", _CAPITALS, strict=True)}
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot", "\u0308": "ddot", "\u20d7": "vec"}


def digits_that_tell_apart(numbers: Iterable[float], least: int = 3) -> int:
    """Return how many significant digits keep different numbers different.

    >>> digits_that_tell_apart([0.1, 1 / 3, 0.33334])
    5
    """
    different = set(numbers)
    return next(d for d in range(least, 18) if d == 17 or len({f"{x:.{d}g}" for x in different}) == len(different))


class Notation:
    """Mathematics in Unicode. What stands where is the same in every notation; subclasses write the parts otherwise.

    Numbers have at most so many significant ``digits``.
    """

    def __init__(self, digits: int = 17) -> None:
        self.digits = digits

    elementwise = " ⊙ "  # between the factors of an elementwise product
    times = " · "  # between two numbers
    transposed = "{}ᵀ"
    absolute = "|{}|"
    indicator = "𝟙[{}]"  # of a relation: 1 where it holds, 0 elsewhere

    def symbol(self, identifier: str, title: str, gradient: bool) -> Text:
        """Return the symbol of the node called ``title``, or of its gradient."""
        return Text(("d" if gradient else "") + self.name(title), ATOM)

    def name(self, name: str) -> str:
        """Return a user's name, as text that can do no harm: ``W1`` is W₁, ``lam`` is λ."""
        match = re.fullmatch(r"([^\W\d_]+)_?(\d*)", name) if len(name) <= _MAX_NAME_LENGTH else None
        if not match:
            return printable(name, _MAX_NAME_LENGTH)
        word, index = match.groups()
        return _GREEK.get(word, word) + index.translate(_SUBSCRIPTS)

    def words(self, text: str) -> str:
        """Plain text inside mathematics."""
        return printable(text)

    def number(self, code: str) -> Text:
        """Return the text of a number, given as Python code."""
        return Text(code.replace("inf", "∞"), UNARY if code.startswith("-") else ATOM)

    def function(self, name: str) -> str:
        """Return the name of a function."""
        return printable(name)

    def brackets(self, code: str) -> str:
        """Return a text in brackets."""
        return f"({code})"

    def fraction(self, above: Text, below: Text) -> Text:
        """Return the fraction of two texts."""
        return Text(f"{self.enclosed(above, PRODUCT)} / {self.right(below, POWER)}", REMAINDER)

    def raised(self, code: str, power: str, elementwise: bool) -> Text:
        """Return a text raised to a power, elementwise or not."""
        if re.fullmatch(r"-?\d+", power):
            return Text(code + power.translate(_SUPERSCRIPTS), POWER)
        return Text(code + "^" + (power if re.fullmatch(r"[\w.]+", power) else self.brackets(power)), POWER)

    def total(self, code: str, axes: str) -> str:
        """Return the sum of a text over some axes."""
        return f"Σ{f'[{axes}]' if axes else ''} {code}"

    def uniform(self, sign: str, shape: tuple[int, ...]) -> str:
        """Return an array of a shape whose entries all equal what the sign says."""
        return f"{sign}({', '.join(map(str, shape))})"

    def literal(self, value: Value) -> Text:
        """Return the text of a number, or of a part of an index."""
        code = literal(value).code
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            return self.number(self.shortened(value.item() if isinstance(value, np.number) else value))
        return Text(self.words(code[6:-1] if code.startswith("np.s_[") else code), ATOM)

    def shortened(self, x: float) -> str:
        """Return a number as Python code, with no more digits than it needs."""
        if isinstance(x, int):
            return repr(x)
        if x.is_integer() and abs(x) <= _MAX_INTEGER_IN_DIGITS:
            return repr(int(x))
        return min(repr(x), f"{x:.{self.digits}g}", key=len)

    def named(self, e: Expr, args: Sequence[Text], sign: str) -> Text:
        """Return a call by the function's sign, or its name."""
        name = getattr(e.function, "__name__", "f")
        given = [a.code for a in args] + [self.words(f"{key} {_plain(value)}") for key, value in e.options.items()]
        function = sign or self.function("f" if name == "<lambda>" else name)
        return Text(function + self.brackets(", ".join(given)), CALL)

    def enclosed(self, text: Text, binding: int) -> str:
        """Return an operand, in brackets where it binds less tightly than it must."""
        return text.code if text.binding >= binding else self.brackets(text.code)

    def right(self, text: Text, binding: int) -> str:
        """Return an operand to the right of an operator, where a sign of its own would meet it."""
        return self.brackets(text.code) if text.code.startswith("-") else self.enclosed(text, binding)


class Latex(Notation):
    """Mathematics in LaTeX."""

    elementwise, times, circle = r" \odot ", r" \cdot ", r"\odot "
    transposed, absolute, indicator = r"{}^{{\top}}", r"\left|{}\right|", r"\mathbf{{1}}[{}]"

    def name(self, name: str) -> str:
        r"""Return a name as it is typeset: W_1, \lambda, W_{hh}, W_\mu; a word is upright, anything else text."""
        if len(name) > _MAX_NAME_LENGTH or not re.fullmatch(r"[^\W\d_]\w*'*", name):
            return self.words(name)
        plain, primes = name.rstrip("'"), "'" * name.count("'")
        match = re.fullmatch(r"([^\W\d_]+?)_?(\d+)|([^\W\d_]+)_([^\W_]+)|([^\W\d_]+)", plain)
        stem, index = (match[1] or match[3] or match[5], match[2] or match[4] or "") if match else (plain, "")
        if index and not index.isdecimal() and len(_GREEK.get(stem, stem)) > 1:  # cross_entropy
            stem, index = plain, ""
        below = f"_{self.index(index)}" if index else ""
        return self.letter(stem) + primes + below

    def letter(self, word: str) -> str:
        """Return the letter or the word that a name is, or begins with."""
        letter = _GREEK.get(word, word)
        if len(letter) == 1 or (letter[0] == "d" and len(letter) == 2 and letter.isalpha()):
            return _COMMANDS.get(letter, letter if letter.isascii() else self.words(letter))
        return rf"\mathrm{{{word.replace('_', chr(92) + '_')}}}" if word.isascii() else self.words(word)

    def index(self, word: str) -> str:
        """Return what stands below a name."""
        if len(word) == 1 and word.isascii():
            return word
        return _COMMANDS.get(_GREEK.get(word, ""), "") or f"{{{word if len(word) < 3 else self.letter(word)}}}"

    def words(self, text: str) -> str:
        """Return plain text inside mathematics, with LaTeX's special characters escaped."""
        parts: list[str] = []
        for c in printable(text, _MAX_NAME_LENGTH):
            if c in _ACCENTS and parts:
                parts[-1] = rf"$\{_ACCENTS[c]}{{{parts[-1].strip('$')}}}$"
            else:
                parts.append(self._character(c))
        return r"\text{" + "".join(parts) + "}"

    def _character(self, c: str) -> str:
        """Return a character of a text: a command that MathJax and KaTeX know too, or of 𝐗 and 𝓛 the plain letter."""
        signs = {"\\": r"\backslash", "~": r"\sim", "^": r"\wedge", "<": r"\langle", ">": r"\rangle", "→": r"\to"}
        signs |= {"|": "|", "−": "-", "‖": r"\|", "∂": r"\partial", "∇": r"\nabla", "∞": r"\infty", "∑": r"\sum"}
        command = (signs | _COMMANDS).get(c)
        if command:
            return f"${command}$"
        plain = unicodedata.normalize("NFKC", c)
        return "\\" + c if c in "{}$&#_%" else plain if ord(c) > 0x2000 and plain.isalpha() and plain.isascii() else c

    def number(self, code: str) -> Text:
        """Return a number in LaTeX, an exponent as a power of 10."""
        code = code.replace("inf", r"\infty").replace("nan", r"\text{nan}")
        mantissa, e, exponent = code.partition("e")
        if e and "text" not in code:
            return Text(rf"{mantissa} \cdot 10^{{{int(exponent)}}}".removeprefix(r"1 \cdot "), UNARY)
        return Text(code, UNARY if code.startswith("-") else ATOM)

    def function(self, name: str) -> str:
        """Return the name of a function as an operator name."""
        escaped = name.replace("_", r"\_") if name.isidentifier() and name.isascii() else "f"
        return rf"\operatorname{{{escaped}}}"

    def brackets(self, code: str) -> str:
        """Return a text in brackets that grow with fractions and sums."""
        return rf"\left({code}\right)" if "frac" in code or "sum" in code else f"({code})"

    def fraction(self, above: Text, below: Text) -> Text:
        """Return the fraction of two texts; a sum of fractions stands beside the fraction, in brackets."""
        if above.binding == SUM and "frac" in above.code:
            return Text(rf"\frac{{1}}{{{below.code}}} {self.brackets(above.code)}", PRODUCT)
        return Text(rf"\frac{{{above.code}}}{{{below.code}}}", UNARY)

    def raised(self, code: str, power: str, elementwise: bool) -> Text:
        """Return a text raised to a power, with a circle where it is elementwise."""
        return Text(f"{code}^{{{self.circle if elementwise else ''}{power}}}", POWER)

    def total(self, code: str, axes: str) -> str:
        """Return the sum of a text, with the axes below the sign."""
        below = f"_{{{self.words(axes)}}}" if axes else ""
        return rf"\sum{below} {code}"

    def uniform(self, sign: str, shape: tuple[int, ...]) -> str:
        """Return an array of equal entries as a bold sign with its shape as index."""
        return rf"\mathbf{{{sign}}}_{{" + r" \times ".join(map(str, shape)) + "}"


def _plain(value: Value) -> str:
    try:
        return literal(value).code
    except TypeError:
        return type(value).__name__


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# --- what stands where ------------------------------------------------------------------------------------------------


def added(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a sum or a difference."""
    left, right = notation.enclosed(args[0], SUM), notation.right(args[1], SUM + (sign == "-"))
    return Text(f"{left} {sign} {right}", SUM)


def negative(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return an operand with a minus sign."""
    return Text("-" + notation.right(args[0], REMAINDER), UNARY)


def product(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Arrays are multiplied elementwise; a scalar stands before what it scales."""
    a, b = e.args
    left, right = args
    if a.shape != () and b.shape != ():
        factor = notation.brackets(left.code) if left.binding == MATRIX_PRODUCT else notation.enclosed(left, PRODUCT)
        return Text(factor + notation.elementwise + notation.right(right, UNARY), PRODUCT)
    between = notation.times if b.function is LITERAL or right.code[:1].isdigit() else " "
    factor = notation.enclosed(left, PRODUCT)
    binding = MATRIX_PRODUCT if right.binding == MATRIX_PRODUCT else min(right.binding, PRODUCT)
    return Text(factor + between + notation.right(right, REMAINDER), max(binding, REMAINDER))


def matrix_product(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a matrix product."""
    left, right = notation.enclosed(args[0], MATRIX_PRODUCT), notation.right(args[1], UNARY)
    return Text(f"{left} {right}", MATRIX_PRODUCT)


def quotient(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a quotient as a fraction, with a minus sign before it."""
    above, below = args
    if above.binding == UNARY and above.code.startswith("-"):
        return Text("-" + notation.fraction(Text(above.code[1:], MATRIX_PRODUCT), below).code, UNARY)
    return notation.fraction(above, below)


def transpose(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text | None:
    """Return a transpose, or None where options name other axes than the last two."""
    of_matrices = e.function is np.swapaxes and {e.options["axis1"], e.options["axis2"]} == {-1, -2}
    if e.options and not of_matrices:
        return None
    return Text(notation.transposed.format(notation.enclosed(args[0], CALL)), POWER)


def power(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a power, a square where no exponent is given."""
    power = args[1].code if len(args) > 1 else "2"
    return notation.raised(notation.enclosed(args[0], CALL), power, e.args[0].shape != ())


def absolute(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return an absolute value."""
    return Text(notation.absolute.format(args[0].code), CALL)


def exponential(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a power of e."""
    return notation.raised("e", args[0].code, False)


def relation(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return the indicator of a comparison."""
    left, right = (notation.enclosed(a, COMPARISON + 1) for a in args)
    return Text(notation.indicator.format(f"{left} {sign} {right}"), CALL)


def total(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a sum over axes."""
    axis = e.options.get("axis")
    axes = "" if axis is None else f"axis {axis}" if isinstance(axis, int) else f"axes {', '.join(map(str, axis))}"
    return Text(notation.total(notation.enclosed(args[0], MATRIX_PRODUCT), axes), REMAINDER)


def index(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return an array with its index between brackets."""
    return Text(f"{notation.enclosed(args[0], CALL)}[{', '.join(a.code for a in args[1:])}]", CALL)


def uniform(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return an array of equal entries, such as zeros or ones."""
    return Text(notation.uniform(sign, e.shape), CALL)


def unchanged(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return the first argument as it is."""
    return args[0]


def einsum(notation: Notation, e: Expr, args: Sequence[Text], sign: str) -> Text:
    """Return a call of einsum, with an arrow in its subscripts."""
    given = [notation.words(e.options["subscripts"].replace("->", " → ")), *(a.code for a in args)]
    return Text(notation.function("einsum") + notation.brackets(", ".join(given)), CALL)
