"""The words and looks that all readings share: names as harmless text, lists, near names, numbers, tables, colours."""

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from minigrad.graph import Graph

# The colour of the k-th cost term: the palette of Okabe and Ito, which colour-blind eyes tell apart, without yellow and
# black, darkened until text in it reads on white (contrast 4.5 : 1).
#
# References: M. Okabe, K. Ito: Color Universal Design (2008), https://jfly.uni-koeln.de/color/;
# contrast as in WCAG 2.1, success criterion 1.4.3.
COLOURS = ("#0072b2", "#c05500", "#008662", "#a36186", "#966700", "#387597")

# The sign of the k-th cost term, for eyes and prints without colours.
SIGNS = "▶◆●▷◇○"

# The nearest that LaTeX's xcolor, MathJax and KaTeX all know by name.
COLOUR_NAMES = ("blue", "red", "teal", "purple", "olive", "gray")

MAX_LISTED_NAMES = 8


def printable(text: str, limit: int = 60) -> str:
    r"""Return a name as harmless text of one line: control characters are escaped, a long name is shortened.

    Parameters
    ----------
    text : str
        The name, which may hold anything.
    limit : int
        The length from which on it is cut.

    Returns
    -------
    str
        Text without line breaks, control characters and marks that reorder text.

    Examples
    --------
    >>> printable("W\n\x1b[31m1"), printable("W" * 10_000, limit=8)
    ('W\\n\\x1b[31m1', 'WWWWWWW…')
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)


def listed(names: Sequence[str], limit: int = MAX_LISTED_NAMES) -> str:
    """Return names as a sentence lists them; of more than ``limit`` the first, and how many more there are.

    >>> listed(["W1"]), listed(["W1", "W2", "b1"]), listed(["a", "b", "c"], limit=2)
    ('W1', 'W1, W2 and b1', 'a, b and 1 more')
    """
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit:,} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a number of things in words.

    >>> counted(1, "unit"), counted(1200, "unit"), counted(2, "entry", "entries")
    ('1 unit', '1,200 units', '2 entries')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def suggestions(wanted: str, known: Iterable[str]) -> str:
    """Return the known names that are near a wanted one, or where none is near, the first ones.

    >>> suggestions("w2", ["W1", "W2", "bias"]), suggestions("Z", ["W1", "W2"])
    ('W2 and W1', 'W1 and W2')
    """
    from difflib import get_close_matches  # costs an import, for error messages alone

    spelled = {name[:100].lower(): name for name in known}
    near = get_close_matches(wanted[:100].lower(), spelled, n=3, cutoff=0.4)
    return listed([printable(spelled[name]) for name in near or spelled])


def number(x: object, digits: int = 4) -> str:
    """Return a number with as many significant digits, without zeros at the end.

    >>> number(1.05384), number(1e-12 / 3, 3), number(211.0)
    ('1.054', '3.33e-13', '211')
    """
    return f"{float(x):.{digits}g}"  # type: ignore[arg-type]


# What stands for a character that a terminal does not have; of others what Unicode says, or their escape.
_PLAIN = {
    **{"⊙": "*", "·": ".", "Σ": "sum", "∂": "d", "𝟙": "1", "ᵀ": "^T", "²": "^2", "³": "^3", "⁻": "^-", "−": "-"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "∞": "inf", "…": "...", "–": "-", "√": "sqrt", "‖": "||"},
    **{"✗": "x", "✓": "ok", "↳": "|_", "×": "x", "÷": "/", "━": "-", "‘": "'", "’": "'", "“": '"', "”": '"'},
}


def encodable(text: str, encoding: str | None = None) -> str:
    """Return a text in characters that an encoding has, that of ``sys.stdout`` where none is given.

    >>> print(encodable("∂J/∂λ₁ = Σ 2 W₁ᵀ", "ascii"))
    dJ/dlambda1 = sum 2 W1^T
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        return "".join(_in_encoding(c, encoding) for c in text)


def _in_encoding(c: str, encoding: str) -> str:
    name = unicodedata.name(c, "")
    letter = name.removeprefix("GREEK SMALL LETTER ").lower() if name.startswith("GREEK SMALL LETTER ") else ""
    for candidate in (c, _PLAIN.get(c), letter.replace("lamda", "lambda"), unicodedata.normalize("NFKD", c)):
        try:
            if candidate and candidate.encode(encoding):
                return candidate
        except UnicodeEncodeError:
            pass
    return c.encode("ascii", "backslashreplace").decode()


def folded(text: str) -> str:
    """Return a text whose lines are no wider than the terminal; where there is none as it is."""
    width = shutil.get_terminal_size((0, 0)).columns
    return "\n".join(part for line in text.split("\n") for part in _folded(line, width))


def _folded(line: str, width: int) -> list[str]:
    if not width or len(line) <= width:
        return [line]
    indent = " " * min(len(line) - len(line.lstrip()) + 4, width // 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def weighted_sum(parts: Iterable[tuple[float, str]], times: str = "·", minus: str = "-") -> str:
    """Return a sum of names, each with its coefficient.

    >>> weighted_sum([(1.0, "cross-entropy"), (-0.5, "L2")])
    'cross-entropy - 0.5·L2'
    """
    text = ""
    for coefficient, name in parts:
        sign = minus if coefficient < 0 else "+"
        factor = "" if abs(coefficient) == 1 else number(abs(coefficient)) + times
        text += f" {sign} {factor}{name}" if text else f"{minus * (sign == minus)}{factor}{name}"
    return text


def headline(graph: Graph, write: Callable[[str], str] = printable, times: str = "·", minus: str = "-") -> str:
    """Return what the root of a graph is the sum of, or where it is one term its name; ``write`` writes a name.

    Summands that need no gradient are called constant.

    >>> import numpy as np, minigrad as mg
    >>> W = mg.Tensor([1.0, 2.0], name="W")
    >>> fit, old = np.sum(W).named("fit"), np.sum(W.detach()).named("old")
    >>> headline(Graph((2 * fit - old + 7).named("J")))
    'J = 2·fit - old (constant) + 7'
    """
    root = write(graph.names[graph.root])
    if not graph.terms or any(term.node is graph.root for term in graph.terms.values()):
        return root
    parts = [
        (term.coefficient, write(name) + " (constant)" * (not term.node.requires_grad))
        for name, term in graph.terms.items()
    ]
    more = f" + … ({len(parts) - MAX_LISTED_NAMES:,} more)" if len(parts) > MAX_LISTED_NAMES else ""
    rest = graph.offset
    sign = f" {minus if rest < 0 else '+'} {number(abs(rest))}" if rest else ""
    return f"{root} = {weighted_sum(parts[:MAX_LISTED_NAMES], times, minus)}{more}{sign}"


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Return the rows of a table as lines; the first ``left`` columns are set to the left, the others to the right.

    >>> aligned([["node", "norm"], ["W1", "0.373"]], left=1)
    ['node   norm', 'W1    0.373']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def colour_of(index: int) -> str:
    """Return the colour of the cost term with this index, as ``#rrggbb``; from the seventh on they repeat, darker.

    >>> colour_of(0), colour_of(6), colour_of(12)
    ('#0072b2', '#003c5e', '#002940')
    """
    dark = 1 + 0.9 * (index // len(COLOURS))
    return _scaled(COLOURS[index % len(COLOURS)], lambda c: c / dark)


def sign_of(index: int) -> str:
    """Return the sign of the cost term with this index.

    >>> sign_of(1), sign_of(7)
    ('◆', '◆')
    """
    return SIGNS[index % len(SIGNS)]


def colour_name(index: int) -> str:
    """Return the name of a colour near ``colour_of(index)``, as LaTeX has it."""
    return COLOUR_NAMES[index % len(COLOUR_NAMES)]


def tinted(colour: str, share: float) -> str:
    """Return a colour mixed with white; ``share`` is that of white.

    >>> tinted("#0072b2", 0.86)
    '#dbebf4'
    """
    return _scaled(colour, lambda c: c * (1 - share) + 255 * share)


def _scaled(colour: str, change: Callable[[int], float]) -> str:
    return "#" + "".join(f"{round(change(int(colour[i : i + 2], 16))):02x}" for i in (1, 3, 5))
