"""NumPy code: every function of the table has a runnable spelling, and no name carries code."""

import ast
import keyword

import numpy as np
import pytest
from measures import arity

import minigrad as mg
from minigrad.engine import primitives, rules
from minigrad.engine.node import ancestors
from minigrad.text.numpy_code import ATOM, Names, Text, identifier, literal, spelled
from minigrad.text.spelling import numpy as spell


def spelt(expression, **arrays):
    """The NumPy code of what an expression records."""
    names, texts = Names(), {}
    tensors = {name: mg.Tensor(a, name=name) for name, a in arrays.items()}
    for node in ancestors([expression(**tensors)]):
        if node.function is None:
            texts[node] = Text(node.name, ATOM)
            continue
        pairs = zip(node.operands, node.primals, strict=True)
        arguments = [
            texts[x] if x is not None else Text("c", ATOM) if np.ndim(a) else spelled(a, names) for x, a in pairs
        ]
        texts[node] = spell(node.function, arguments, node.options, names)
    return texts[node].code


A = np.arange(1.0, 13.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (lambda a: a + 1, "a + 1"),
        (lambda a: 2.5 - a, "2.5 - a"),
        (lambda a: a**-0.5, "a**-0.5"),
        (lambda a: a @ a.T, "a @ a.T"),
        (lambda a: -a, "-a"),
        (lambda a: np.sum(np.abs(a), axis=1, keepdims=True), "np.sum(np.abs(a), axis=1, keepdims=True)"),
        (lambda a: a[1:, None], "a[1:, None]"),
        (lambda a: a[..., ::-2], "a[..., ::-2]"),
        (lambda a: a[-1], "a[-1]"),
        (lambda a: a.reshape(-1, 6), "a.reshape(-1, 6)"),
        (lambda a: np.transpose(a, (1, 0)), "np.transpose(a, (1, 0))"),
        (lambda a: np.swapaxes(a, 0, 1), "np.swapaxes(a, 0, 1)"),
        (lambda a: np.broadcast_to(a, (2, 3, 4)), "np.broadcast_to(a, (2, 3, 4))"),
        (lambda a: np.concatenate([a, a], axis=1), "np.concatenate([a, a], axis=1)"),
        (lambda a: np.stack([a, a]), "np.stack([a, a])"),
        (lambda a: np.einsum("ij,kj->ik", a, a), 'np.einsum("ij,kj->ik", a, a)'),
        (lambda a: np.tensordot(a, a, axes=2), "np.tensordot(a, a, axes=2)"),
        (lambda a: np.linalg.norm(a, axis=0), "np.linalg.norm(a, axis=0)"),
        (lambda a: a.astype(np.float32), "a.astype(np.float32)"),
        (lambda a: a * np.float32(0.5), "a * np.float32(0.5)"),
        (lambda a: np.maximum(a, -np.inf), "np.maximum(a, -np.inf)"),
        (lambda a: np.where(A > 5, a, 0), "np.where(c, a, 0)"),
        (lambda a: primitives.scatter(a[0], slice(1, None), shape=(5,)), "scatter(a[0], np.s_[1:], (5,))"),
    ],
)
def test_a_call_reads_as_one_writes_it(expression, text):
    assert spelt(expression, a=A) == text


def test_parentheses_are_those_that_python_and_readers_need():
    names, (a, b, c) = Names(), (Text(x, ATOM) for x in "abc")

    def op(function, *args):
        return spell(function, args, {}, names)

    add, sub, mul, div, dot, neg, power = np.add, np.subtract, np.multiply, np.divide, np.matmul, np.negative, np.power
    cases = {
        "(a + b) * c": op(mul, op(add, a, b), c),
        "a - (b - c)": op(sub, a, op(sub, b, c)),
        "a - b - c": op(sub, op(sub, a, b), c),
        "a / (b * c)": op(div, a, op(mul, b, c)),
        "(a / b) * c": op(mul, op(div, a, b), c),
        "a * b / c": op(div, op(mul, a, b), c),
        "(a @ b) * c": op(mul, op(dot, a, b), c),
        "-a * b": op(mul, op(neg, a), b),
        "-(a + b)": op(neg, op(add, a, b)),
        "(-a)**b": op(power, op(neg, a), b),
        "(a**b)**c": op(power, op(power, a, b), c),
        "a * (b > c)": op(mul, a, op(np.greater, b, c)),
        "(a == b) == c": op(np.equal, op(np.equal, a, b), c),
        "(a > b) | c": op(np.bitwise_or, op(np.greater, a, b), c),
        "(a @ b).T": op(np.transpose, op(dot, a, b)),
    }
    for text, spelling in cases.items():
        assert spelling.code == text
        ast.parse(text)


@pytest.mark.parametrize(
    "value",
    [
        *(
            0,
            -3,
            0.1,
            -1e-300,
            np.float32(0.1),
            np.float64(0.1),
            np.int8(-4),
            np.bool_(True),
            True,
            np.inf,
            -np.inf,
            None,
        ),
        *((1,), (2, 3), [0, 1], "ij->j", slice(1, None), slice(None, None, -1), ..., range(1, 3), np.dtype("float32")),
        np.float32("nan"),
    ],
    ids=repr,
)
def test_a_literal_evaluates_to_its_value_and_type(value):
    back = eval(literal(value).code, {"np": np})
    assert repr(np.dtype(back) if isinstance(value, np.dtype) else back) == repr(value)


def is_numpys(function):
    if isinstance(function, np.ufunc):  # not one of SciPy's, which other tests may have met
        return getattr(np, function.__name__, None) is function
    return function.__module__.startswith("numpy")


@pytest.mark.parametrize(
    "function",
    [f for f, row in rules.RULES.items() if row.composed is None and f is not np.reshape and is_numpys(f)],
    ids=lambda f: f.__name__,
)
def test_every_function_of_the_table_has_a_spelling(function):
    names = Names()
    arguments = [Text(f"x{i}", ATOM) for i in range(arity(function))]
    text = spell(function, arguments, {}, names).code
    seen = []

    class Probe(np.lib.mixins.NDArrayOperatorsMixin):
        def __array_ufunc__(self, ufunc, *_, **__):
            seen.append(ufunc)

        def __array_function__(self, called, *_, **__):
            seen.append(called)

        @property
        def T(self):
            seen.append(np.transpose)

    eval(text, {"np": np, **{a.code: Probe() for a in arguments}, **dict.fromkeys(names.namespace, seen.append)})
    assert seen and (seen[0] is function or names.namespace or names_the_same(seen[0], function))


def names_the_same(a, b):
    """np.round and np.around, np.max and np.amax: one function under two names."""
    return a.__name__ == b.__name__


def test_what_has_no_literal_is_bound():
    names, thing = Names(), object()
    assert names.namespace[spelled(thing, names).code] is thing
    assert spelled(thing, names) == spelled(thing, names)


HOSTILE = [
    "__import__('os').system('false')",
    "x\nimport os",
    "lambda",
    "None",
    "np",
    "print",
    "",
    "2x",
    "__class__",
    "a b",
    "ﬁ",
    "W" * 10_000,
    "λ",
    "\u202eabc",
    "'; drop",
    "scatter",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_identifier_carries_no_code(name):
    made = identifier(name)
    assert made.isidentifier() and not keyword.iskeyword(made) and made not in {"np", "print", "scatter"}
    assert len(made) < 80 and not made.startswith("_")
    (statement,) = ast.parse(made).body
    assert isinstance(statement.value, ast.Name) and statement.value.id == made  # as Python itself normalizes it


def test_names_are_given_out_once():
    names = Names()
    given = [names.fresh(name) for name in HOSTILE * 2] + [names.numbered("c") for _ in range(3)]
    assert len(set(given)) == len(given)
    assert names.fresh("c4") == "c4" and names.numbered("c") == "c5"
