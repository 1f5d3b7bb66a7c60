"""The table of spellings: its rows are of recorded functions, and every function can be written in mathematics."""

import numpy as np
import pytest
from measures import arity

from minigrad.engine.rules import RULES
from minigrad.text import spelling
from minigrad.text.expressions import Expressions
from minigrad.text.mathematics import Latex, Notation
from minigrad.text.numpy_code import ATOM, Text

F = np.dtype(float)


def written(function, notation, *args, **options):
    made = Expressions()
    expressions = [made.symbol(a, (2, 2), F) for a in args]
    e = made.call(function, expressions, options, (2, 2), F)
    return spelling.mathematics(notation, e, [Text(a, ATOM) for a in args]).code


def test_every_row_is_of_a_function_that_is_recorded_or_made_by_simplifying():
    assert set(spelling.SPELLINGS) - set(RULES) == {np.ones, np.zeros}


@pytest.mark.parametrize(
    ("function", "args", "latex", "unicode"),
    [
        (np.add, "ab", "a + b", "a + b"),
        (np.multiply, "ab", r"a \odot b", "a ⊙ b"),
        (np.matmul, "ab", "a b", "a b"),
        (np.divide, "ab", r"\frac{a}{b}", "a / b"),
        (np.greater_equal, "ab", r"\mathbb{1}[a \ge b]", "𝟙[a ≥ b]"),
        (np.not_equal, "ab", r"\mathbb{1}[a \ne b]", "𝟙[a ≠ b]"),
        (np.square, "a", r"a^{\odot 2}", "a²"),
        (np.exp, "a", "e^{a}", "e^a"),
        (np.log, "a", r"\log(a)", "log(a)"),
        (np.tanh, "a", r"\tanh(a)", "tanh(a)"),
        (np.maximum, "ab", r"\max(a, b)", "max(a, b)"),
        (np.sum, "a", r"\sum a", "Σ a"),
        (np.transpose, "a", r"a^{\top}", "aᵀ"),
        (np.zeros, "a", r"\mathbf{0}_{2 \times 2}", "zeros(2, 2)"),
        (np.expm1, "a", r"\operatorname{expm1}(a)", "expm1(a)"),
    ],
)
def test_mathematics(function, args, latex, unicode):
    assert written(function, Latex(), *args) == latex
    assert written(function, Notation(), *args) == unicode


@pytest.mark.parametrize("function", [*RULES], ids=lambda f: f.__name__)
def test_every_function_can_be_written_in_mathematics(function):
    count = arity(function) or 1
    options = {np.swapaxes: {"axis1": 0, "axis2": 1}}.get(function, {})
    if function.__name__ == "einsum":
        options = {"subscripts": "ij->ji"}
    for notation in (Latex(), Notation()):
        text = written(function, notation, *"abcdefgh"[:count], **options)
        assert "a" in text and text.isprintable()


def test_words_on_edges():
    assert [spelling.word(f) for f in (np.matmul, np.sum, np.positive, np.tanh)] == ["@", "Σ", "", None]
