"""Normal forms: products and sums are simplified, and written back as one writes them by hand."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine.context import recording, tracing
from minigrad.engine.node import ancestors
from minigrad.engine.primitives import scatter
from minigrad.text import rewrites
from minigrad.text.expressions import LITERAL, arguments_of, evaluate, parts_of
from minigrad.text.normal_form import Rewriter
from minigrad.text.numpy_code import ATOM, Names, Text
from minigrad.text.numpy_code import spelled as spelled_value
from minigrad.text.spelling import numpy as spell


class Recorded:
    """What is recorded of named Tensors, as expressions in normal form; what has a name is called by it."""

    def __init__(self, *roots):
        self.m = Rewriter(rewrites.REWRITES)
        self.values, self.of = {}, {}
        for node in ancestors(roots):
            if node.function is not None:
                args = arguments_of(node, self.of, self.value)
                e = self.m.simplified(node.function, args, node.options, node.shape, node.dtype)
            if node.name is not None:
                symbol = self.m.symbol(node.name, node.shape, node.dtype)
                self.values[symbol] = np.asarray(node.data)
                if node.function is not None:
                    self.m.define(symbol, e)
            self.of[node] = e if node.name is None else symbol

    def value(self, a, index=False):
        if np.ndim(a) == 0:
            return self.m.literal(a)
        symbol = self.m.symbol(f"c{len(self.values)}", a.shape, a.dtype)
        self.values[symbol] = a
        return symbol

    def written(self, node):
        """The code of a node, once it was seen to have the node's value."""
        e = self.m.spelled(self.of[node])
        value = np.broadcast_to(evaluate(e, self.values), node.shape)
        np.testing.assert_allclose(value, node.data, rtol=1e-5 if node.dtype == "f" else 1e-12, atol=1e-12)
        return text(e)


def text(e, names=None):
    names, texts = names or Names(), {}
    pending = [e]
    while pending:
        part = pending[-1]
        missing = [a for a in part.args if a not in texts]
        pending += missing
        if not missing:
            pending.pop()
            if part.function is None:
                texts[part] = Text(part.value, ATOM)
            elif part.function is LITERAL:
                texts[part] = spelled_value(part.value, names)
            else:
                texts[part] = spell(part.function, [texts[a] for a in part.args], dict(part.options), names)
    return texts[e].code


def letters():
    rng = np.random.default_rng(3)
    arrays = {name: rng.uniform(0.5, 2.0, 3) for name in "abc"}
    arrays |= {"A": rng.uniform(0.5, 2.0, (2, 3)), "B": rng.uniform(0.5, 2.0, (2, 3))}
    arrays |= {"s": np.array(0.7), "t": np.array(1.3)}
    return [mg.Tensor(a, name=name) for name, a in arrays.items()]


# code, and how it is written; of several expressions the last, after those that have a name
WRITTEN = {
    "a * b / a": "b",
    "2 * a * 3": "6 * a",
    "a / 2 / 4": "a / 8",
    "a * 0.1": "0.1 * a",
    "a * 4.0": "4 * a",
    "a * 2 / 3": "(2 / 3) * a",
    "a * 2.0**53": "9007199254740992.0 * a",  # from here on floats are no exact integers
    "a * 2.0**60": "1.152921504606847e+18 * a",
    "a * 2**60": "1152921504606846976 * a",
    "a * np.float32(2)": "np.float32(2.0) * a",
    "a * -1": "-a",
    "-0.5 / a": "-0.5 / a",
    "a * a * a": "a**3",
    "1 / (a * a)": "1 / a**2",
    "(a * b) ** 2": "a**2 * b**2",
    "np.square(a * 2)": "4 * a**2",
    "a / (b * c)": "a / (b * c)",
    "2 / (3 * a)": "2 / (3 * a)",
    "a / a": "np.ones((3,))",
    "0 / a": "np.zeros((3,))",
    "a - a": "np.zeros((3,))",
    "a - a + 2": "np.full((3,), 2.0)",
    "np.where(a > 1, 0.3 * s / s, 0)": "0.3 * (a > 1)",  # what is left of the product is a number
    "a * 2 / 2 + b - a": "b",
    "np.maximum(0.5, a)": "np.maximum(0.5, a)",
    # numbers stand before arrays, in a fraction of their own
    "s * a / t": "(s / t) * a",
    "s * a * t / 3": "(s * t / 3) * a",
    "-2 * s / 3 * a": "(-2 * s / 3) * a",
    "t * a / (s * b)": "t * a / (s * b)",
    "a * b / s / 2": "a * b / (2 * s)",
    "-s / a": "-s / a",
    "s * t": "s * t",
    "np.sum(2 * s * a)": "2 * s * np.sum(a)",
    "A @ np.broadcast_to(s * t, (3,))": "A @ np.full((3,), s * t)",  # nothing but ones would stay
    # a product of masks is a number
    "0.5 * (a > 1) * 2": "1.0 * (a > 1)",
    "(a > 1) * 2": "2.0 * (a > 1)",
    "(a > 1) * (b > 1) * 1.0": "1.0 * (a > 1) * (b > 1)",
    "-1.0 * (a > 1)": "-1.0 * (a > 1)",
    "-1 * (a > 1) * a": "-1 * (a > 1) * a",
    "(a > 1) / 4": "(a > 1) / 4",
    # sums: like terms, common factors, the first positive summand
    "a + a + a / 2": "(5 / 2) * a",
    "-a + b": "b - a",
    "-a - b + c": "c - a - b",
    "-a - b": "-a - b",
    "a - (b - c)": "a - b + c",
    "-(b - 2 * a)": "2 * a - b",
    "2 * a - 2 * b": "2 * (a - b)",
    "2 * a - 4 * b": "2 * a - 4 * b",
    "(2 * a + 2 * b) / 2": "a + b",
    "(2 * a + 2 * b) * (a + b)": "2 * (a + b)**2",
    "(a + b) / (a + b)": "np.ones((3,))",
    "(a * c + b * c) / c": "a + b",
    "(a * c * c + b * c) * 3": "3 * c * (a * c + b)",
    "a / c + b / c": "(a + b) / c",
    "a / c + b * c": "a / c + b * c",
    "a / (b * b) + c / b": "(a / b + c) / b",
    "a / b - a": "a * (1 / b - 1)",
    # a sum of arrays does not lead
    "(a - b) * c": "c * (a - b)",
    "(a - b) * -1": "b - a",
    "(a - b) * (a + c)": "(a + c) * (a - b)",
    "(A - B) * (A - B)": "(A - B)**2",
    "s * (A - B) * a": "s * a * (A - B)",
    "(1 / a) * (A - B) * b": "b * (A - B) / a",
    "(A - B) / s": "(A - B) / s",
    "1 / (a - b)": "1 / (a - b)",
    # what has a name, also as a factor and below the line
    "(a * 0 + 1).named('p'), b / b": "np.ones((3,))",
    "(a * b).named('p'), a * a * b * b * c": "p**2 * c",
    "(a * b).named('p'), c / (a * b)": "c / p",
    "(a * b).named('p'), c * a / b": "c * a / b",
    "(a * b).named('p'), a * c": "a * c",
    "(2 * a * b).named('p'), 2 * a * b * c": "p * c",
    "(a - c).named('p'), b / (2 * a - 2 * c)": "b / (2 * p)",
    "np.square(a).named('p'), a * a * a * a": "p**2",
    "np.square(a).named('p'), b / (a * a)": "b / p",
    "np.square(a).named('p'), 1 / a": "1 / a",
    "(1 / (1 + a * a)).named('p'), a / (1 + a * a)": "a * p",
    "(1 / (1 + a)).named('p'), b * (1 + a)": "b / p",
    "(1 / (1 + np.exp(-a))).named('p'), b / (1 + np.exp(-a)), c / (1 + np.exp(-a))": "c * p",
    "b / (1 + np.exp(-a)), (1 / (1 + np.exp(-a))).named('p'), c / np.square(1 + np.exp(-a))": "c * p**2",
    "(1 / np.square(1 + a)).named('p'), (1 / (1 + a)).named('q'), b / np.square(1 + a)": "b * p",
    "np.exp(a) / np.square(np.exp(a) + c)": "np.exp(a) / (np.exp(a) + c)**2",  # no sigmoid
    "np.exp(a) / np.square(1 - np.exp(a))": "np.exp(a) / (1 - np.exp(a))**2",
    "np.exp(a) / np.square(1 + np.exp(a) + c)": "np.exp(a) / (1 + np.exp(a) + c)**2",
    "(a1 := b * np.exp(a)), np.exp(a).named('p'), c * a1": "c * b * p",
    "b / (1 + np.exp(-a)), c * (1 + np.exp(-a))": "c * (1 + np.exp(-a))",
}


@pytest.mark.parametrize(("code", "expected"), WRITTEN.items())
def test_it_is_written_as_one_writes_it_by_hand(code, expected):
    with recording(), tracing():
        nodes = eval(f"lambda a, b, c, A, B, s, t: [{code}]", {"np": np})(*letters())
    assert Recorded(*nodes).written(nodes[-1]) == expected


def test_a_number_is_filled_into_an_array_of_its_dtype():
    m = Rewriter(rewrites.REWRITES)
    for value, expected in (
        (np.float32(2), "np.full((3,), np.float32(2.0), dtype=np.float32)"),
        (1.5, "np.full((3,), 1.5)"),
        (True, "np.full((3,), True)"),
    ):
        assert text(m.spelled(m.repeated(m.literal(value), (3,)))) == expected
    assert text(m.spelled(m.repeated(m.literal(np.float32(1)), (3,)))) == "np.ones((3,), dtype=np.float32)"


@pytest.mark.parametrize(("negations", "expected"), [(0, "b + a"), (2, "a + b")])
def test_what_the_user_wrote_is_kept_where_it_is_no_longer(negations, expected):
    m = Rewriter(rewrites.REWRITES)
    a, b = (m.symbol(name, (3,), np.dtype(float)) for name in "ab")
    kind = {}, (3,), np.dtype(float)
    total, theirs = m.simplified(np.add, (a, b), *kind), m.call(np.add, (b, a), *kind)
    for _ in range(negations):
        theirs = m.call(np.negative, (theirs,), *kind)
    m.sources[total] = theirs
    assert text(m.spelled(total)) == expected


@pytest.mark.parametrize(
    ("p", "product", "expected"),
    [
        ("a + b / c", "c * p", "b + c * a"),
        ("a - b / c", "c * p * (a + b / c)", "c * a**2 - b**2 / c"),
        ("a - b", "p * (a + b)", "a**2 - b**2"),
        ("a - b", "c * p / (a + b)", "c * p / (a + b)"),  # a sum below stays
        ("b / a + c / b", "b * p / c", "1 + b**2 / (c * a)"),
    ],
)
def test_sums_are_multiplied_out(p, product, expected):
    named = eval(f"lambda a, b, c, A, B, s, t: ({p}).named('p')", {"np": np})
    tensors = letters()
    y = named(*tensors)
    made = Recorded(z := eval(f"lambda p, a, b, c, A, B, s, t: {product}")(y, *tensors))
    e = made.m.multiplied_out(made.of[z], made.of[y], made.m.definitions[made.of[y]])
    np.testing.assert_allclose(evaluate(e, made.values), z.data)
    assert text(made.m.spelled(e)) == expected


def test_what_gets_long_is_not_multiplied_out():
    a, b, *_ = letters()
    p, u = (a - b).named("p"), a + b
    made = Recorded(z := p * u * u * u * u)
    assert made.m.multiplied_out(made.of[z], made.of[p], made.m.definitions[made.of[p]]) is None


def test_zero_below_the_line_stays_there():
    m = Rewriter(rewrites.REWRITES)
    a = m.symbol("a", (3,), np.dtype(float))
    assert text(m.spelled(m.product([(a, 1), (m.literal(0), -1)], (3,), a.dtype))) == "a / 0"


def test_parts_are_exchanged_in_products_sums_and_calls():
    m = Rewriter(rewrites.REWRITES)
    kind = {}, (3,), np.dtype(float)
    a, b, c = (m.symbol(name, *kind[1:]) for name in "abc")
    product = m.simplified(np.multiply, (a, b), *kind)
    total = m.simplified(np.subtract, (product, a), *kind)
    root = m.simplified(np.exp, (total,), *kind)
    new = m.exchanged([part for part in parts_of([root]) if part is not a], {a: c})
    assert text(m.spelled(new[root])) == "np.exp(c * (b - 1))"
    e = m.simplified(np.multiply, (a, m.literal(3)), *kind)
    assert text(m.spelled(m.exchanged([e], {a: b, m.literal(3): m.literal(5)})[e])) == "5 * b"


def test_a_number_that_is_put_at_an_index_has_a_dtype():
    m = Rewriter(rewrites.REWRITES)
    e = m.call(scatter, (m.literal(1), m.literal(0)), {"shape": (3,)}, (3,), np.dtype("f"))
    assert text(m.spelled(e)) == "scatter(np.ones((), dtype=np.float32), np.s_[0], (3,))"
