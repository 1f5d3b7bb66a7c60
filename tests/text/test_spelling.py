"""The table of spellings: its rows are of recorded functions, and every function can be written in mathematics."""

import numpy as np
import pytest
from measures import arity, some_quick

from minigrad.engine.primitives import powers
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
    learned_with_scipy = {powers}
    assert set(spelling.SPELLINGS) - set(RULES) - learned_with_scipy == {np.ones, np.zeros}


@pytest.mark.parametrize(
    ("function", "args", "latex", "unicode"),
    [
        (np.add, "ab", "a + b", "a + b"),
        (np.multiply, "ab", r"a \odot b", "a ⊙ b"),
        (np.matmul, "ab", "a b", "a b"),
        (np.divide, "ab", r"\frac{a}{b}", "a / b"),
        (np.greater_equal, "ab", r"\mathbf{1}[a \ge b]", "𝟙[a ≥ b]"),
        (np.not_equal, "ab", r"\mathbf{1}[a \ne b]", "𝟙[a ≠ b]"),
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


@pytest.mark.parametrize("function", some_quick(RULES), ids=lambda f: f.__name__)
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


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        *[
            ("W1", "W_1"),
            ("W_1", "W_1"),
            ("W_mu", r"W_\mu"),
            ("W_hh", "W_{hh}"),
            ("mu_0", r"\mu_0"),
            ("lam", r"\lambda"),
        ],
        *[
            ("cross_entropy", r"\mathrm{cross\_entropy}"),
            ("W_encoder", r"W_{\mathrm{encoder}}"),
            ("x1y", r"\mathrm{x1y}"),
        ],
        *[
            ("lam", r"\lambda"),
            ("x1y", r"\mathrm{x1y}"),
            ("loss2", r"\mathrm{loss}_2"),
            ("x''", "x''"),
            ("λ", r"\lambda"),
            ("layer 1.Z", r"\text{layer 1.Z}"),
        ],
        *[("50% off_", r"\text{50\% off\_}"), ("a→β", r"\text{a$\to$$\beta$}"), ("b_1_2", r"\mathrm{b\_1\_2}")],
    ],
)
def test_names_are_typeset(name, latex):
    assert Latex().name(name) == latex


@pytest.mark.parametrize(
    ("value", "unicode", "latex"),
    [
        *[(0.009478672985781991, "0.00948", "0.00948"), (2.0, "2", "2"), (0.5, "0.5", "0.5"), (7, "7", "7")],
        *[(1e-5, "1e-05", "10^{-5}"), (-2.5e-7, "-2.5e-07", r"-2.5 \cdot 10^{-7}"), (123_456.0, "123456", "123456")],
        *[(float("inf"), "∞", r"\infty"), (1 / 3, "0.333", "0.333")],
    ],
)
def test_numbers_have_the_digits_they_need(value, unicode, latex):
    assert Notation(3).literal(value).code == unicode and Latex(3).literal(value).code == latex
    assert float(Notation().literal(value).code.replace("∞", "inf")) == value
