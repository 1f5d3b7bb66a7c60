"""Random programs in plain NumPy: made from the table of rules, so that a new rule is tried the day it is written.

A program is text, a line for each value. It runs on arrays, on Tensors, and on whatever else speaks NumPy.
"""

import importlib.util
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

import minigrad as mg
from minigrad.engine.errors import called
from minigrad.engine.rules import RULES

NAMESPACE = {"np": np}
if importlib.util.find_spec("scipy"):
    import scipy.special

    import minigrad.engine.special  # else its rules are in the table once a Tensor has met one

    NAMESPACE["scipy"] = scipy

UNARY = ("{f}({a})",)
BINARY = ("{f}({a}, {b})", "{f}({a}, {b})", "{f}({a}, 0.5)", "{f}(2.0, {a})")
OTHER = (
    *("{f}({a})", "{f}({a}, {b})", "{f}({a}, axis=0)", "{f}({a}, axis=-1)", "{f}({a}, axis=-1, keepdims=True)"),
    *("{f}([{a}, {b}])", "{f}([{a}, {b}], axis=-1)", "{f}({a}, 1)", "{f}({a}, (-1,))", "{f}({a} > {b}, {a}, {b})"),
)
SPECIAL = {
    # of a matrix that is not symmetric NumPy reads one half alone, and the gradient has both
    np.linalg.eigvalsh: ("{f}({a} + {a}.T)", "{f}({a} @ {a}.T)"),
    # without the summand, rounding decides whether there is a factor
    np.linalg.cholesky: ("{f}({a} @ {a}.T + np.eye(len({a})))",),
    np.interp: ("{f}({a}, np.sort({b}, axis=None), np.ravel({b}))",),  # of points in disorder NumPy makes nonsense
    np.polyint: ("{f}({a})", "{f}({a}, 2)"),  # how often, which is a whole number
    np.polyder: ("{f}({a})", "{f}({a}, 2)"),
}
WRITTEN = (
    *(
        "{a} + {b}",
        "{a} - {b}",
        "{a} * {b}",
        "{a} / (1 + {b} * {b})",
        "{a} @ {b}",
        "-{a}",
        "1 - {a}",
        "0.5 * {a}",
        "{a}**2",
    ),
    *("{a}**2", "{a}[0]", "{a}[..., ::-1]", "{a}[[0, 0, -1]]", "{a}.T", "{a}.reshape(-1)", "{a}[..., None]"),
    *("np.maximum({a}, 0)", "1 / (1 + np.exp(-{a}))", "np.exp({a}) / np.sum(np.exp({a}), axis=-1, keepdims=True)"),
    *(
        "{a} - {b} + {b}",
        "{a} - np.mean({a}, axis=-1, keepdims=True)",
        "np.where({a} > 0, {a}, 0.1 * {a})",
        "np.where({a} + 0.1 - {a} - 0.1, {b}, 0.5 * {b})",
        "np.log(1 + {a} * {a})",
    ),
)
COSTS = ("np.sum({a} * {a})", "np.sum(np.tanh({a}))", "np.mean({a})", "0.5 * np.sum(np.square({a}))")
SHAPES = ((3, 3), (3, 1), (1, 3), (3,), (), (2, 3))
LARGEST, MOST = 1e3, 60  # entry, and entries of a value


@lru_cache(maxsize=1000)
def _code(text):
    """Return a line compiled, as a program is run some thirty times."""
    return compile(text, "<program>", "eval")


@dataclass(frozen=True)
class Line:
    """One line: the value ``v<number>`` is computed by ``text``; it may get its name, and stand in a scope."""

    number: int
    text: str
    named: bool = False
    scope: str | None = None


@dataclass(frozen=True)
class Program:
    """Inputs ``v0, v1, ...``, lines that compute more values, and the cost terms that are added up."""

    inputs: tuple
    lines: tuple
    terms: tuple

    def __str__(self):
        inputs = [f"v{i} = np.array({x.tolist()}, np.{x.dtype})" for i, x in enumerate(self.inputs)]
        lines = [f"v{line.number} = {line.text}" + ("  # named" if line.named else "") for line in self.lines]
        return "\n".join([*inputs, *lines, *(f"t{i} = {text}" for i, text in enumerate(self.terms))])

    def values(self, inputs=None):
        """Run it on arrays or Tensors, and return all its values and the terms, by name."""
        space = dict(NAMESPACE) | {f"v{i}": x for i, x in enumerate(self.inputs if inputs is None else inputs)}
        for line in self.lines:
            with mg.scope(line.scope) if line.scope else nullcontext():
                value = space[f"v{line.number}"] = eval(_code(line.text), space)
            fresh = isinstance(value, mg.Tensor) and value.name is None and value.op is not None
            if (
                line.named
                and fresh
                and all(value is not space[f"v{i}"] for i in range(line.number) if f"v{i}" in space)
            ):
                value.named(f"v{line.number}")
        for i, text in enumerate(self.terms):
            space[f"t{i}"] = eval(_code(text), space)
        return space

    def cost(self, *inputs):
        """Return the sum of the terms."""
        space = self.values(inputs)
        return sum(space[f"t{i}"] for i in range(len(self.terms)))

    def record(self):
        """Run it on learned leaves, and return the cost, its terms by name, and the leaves."""
        leaves = [mg.Tensor(x, name=f"v{i}") for i, x in enumerate(self.inputs)]
        space = self.values(leaves)
        terms = {f"t{i}": space[f"t{i}"] for i in range(len(self.terms))}
        J = sum(terms.values())
        if not isinstance(J, mg.Tensor) or not J.requires_grad:
            raise TypeError("nothing of this program is learned")
        return J, {name: term for name, term in terms.items() if isinstance(term, mg.Tensor)}, leaves

    @cached_property
    def derived(self):
        """A recording of it, as of ``record``, its derivation, and backward done: for all readings that need them."""
        J, terms, leaves = self.record()
        derivation = mg.derive(J, terms=terms)
        J.backward()
        return J, terms, leaves, derivation

    def away_from_ties(self, rng, scale=1e-2):
        """Return the program with other inputs nearby."""
        return replace(self, inputs=tuple(x + rng.normal(scale=scale, size=x.shape) for x in self.inputs))

    def smaller(self):
        """Return the programs that lack one line or one term."""
        for i in range(len(self.lines)):
            yield replace(self, lines=self.lines[:i] + self.lines[i + 1 :])
        if len(self.terms) > 1:
            for i in range(len(self.terms)):
                yield replace(self, terms=self.terms[:i] + self.terms[i + 1 :])
        for i, line in enumerate(self.lines):
            if line.named or line.scope:
                plain = replace(line, named=False, scope=None)
                yield replace(self, lines=(*self.lines[:i], plain, *self.lines[i + 1 :]))


def functions():
    """Return the functions of the table that have derivatives, as a program writes them, with the forms of a call."""
    found = {}
    for rule in [*RULES.values()]:
        function = rule.function
        name = called(function)
        if isinstance(function, np.ufunc) and not hasattr(np, function.__name__):
            name = f"scipy.special.{function.__name__}"
        if (rule.derivatives == () and rule.composed is None) or function is np.empty_like:  # of any values
            continue
        try:
            if eval(name, dict(NAMESPACE)) is function:
                if function in SPECIAL:
                    found[name] = SPECIAL[function]
                elif hasattr(function, "nin"):
                    found[name] = UNARY if function.nin == 1 else BINARY
                else:
                    found[name] = OTHER
        except (AttributeError, NameError, SyntaxError):
            continue
    return found


def _one(rng, these):
    """Return one of a sequence, as ``rng.choice`` does, which makes an array of it first."""
    return these[rng.integers(len(these))]


def program(rng, table):
    """Return a random program: each line is tried on arrays, and kept where its value is finite and small."""
    dtype = np.float32 if rng.random() < 0.1 else np.float64
    inputs = []
    for shape in SHAPES[: rng.integers(2, len(SHAPES) + 1)]:
        x = rng.normal(size=shape)
        inputs.append(np.asarray(np.round(2 * x) / 2 if rng.random() < 0.2 else x, dtype))
    names, space = [*table], dict(NAMESPACE) | {f"v{i}": x for i, x in enumerate(inputs)}
    lines, usable = [], [f"v{i}" for i in range(len(inputs))]
    for _ in range(60):
        if len(lines) == rng.integers(1, 12):
            break
        if rng.random() < 0.4:
            text = _one(rng, WRITTEN)
        else:
            name = names[rng.integers(len(names))]
            text = _one(rng, table[name]).replace("{f}", name)
        text = text.format(a=_one(rng, usable), b=_one(rng, usable))
        value = tried(text, space)
        if value is not None:
            number = len(inputs) + len(lines)
            space[f"v{number}"] = value
            usable.append(f"v{number}")
            lines.append(Line(number, text, rng.random() < 0.5, "block" if rng.random() < 0.2 else None))
    last = usable[-min(len(usable), rng.integers(1, 4)) :]
    terms = [_one(rng, COSTS).format(a=a) for a in last]
    return Program(tuple(inputs), tuple(lines), tuple(text for text in terms if tried(text, space) is not None))


def tried(text, space):
    """Return the value of a line on arrays; None where NumPy refuses it, or where it is no small finite array."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = eval(_code(text), dict(space))
    except Exception:  # whatever a random call may raise
        return None
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f" or not 0 < value.size <= MOST:
        return None
    return value if np.all(np.abs(value) < LARGEST) else None  # False for NaN too
