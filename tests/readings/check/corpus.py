"""Networks with right derivations by hand, and every kind of mistake made in every statement where it can be made.

A network is forward code and backward code, both plain NumPy text; a mistake is a change of one backward statement's
text. Run as a program (python tests/corpus.py [PAIRS]) it prints the table: how often each kind was found at the right
step, and named right.
"""

import ast
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.readings.check.kinds import Kind
from minigrad.readings.check.report import Check, check

M = 7  # samples


@dataclass(frozen=True)
class Network:
    """Shapes of the leaves, forward code that ends in J, and backward code, one statement a line."""

    name: str
    leaves: dict[str, tuple[int, ...]]
    data: dict[str, Any]
    forward: str
    backward: str
    terms: tuple[str, ...] = ()

    @property
    def statements(self) -> dict[str, str]:
        lines = (line.split("#")[0].strip() for line in self.backward.strip().splitlines())
        return dict(line.split(" = ", 1) for line in lines if line)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


_X = _rng(1).normal(size=(3, M))
_BITS = (_rng(2).random((1, M)) > 0.5) * 1.0
_ONE_HOT = np.eye(3)[:, _rng(3).integers(0, 3, M)]

LOGISTIC = Network(
    "logistic regression, depth 1",
    {"W1": (1, 3), "b1": (1, 1)},
    {"X": _X, "Y": _BITS, "lam": 0.7, "m": M},
    """
Z1 = W1 @ X + b1
A1 = 1 / (1 + np.exp(-Z1))
CE = -1 / m * np.sum(Y * np.log(A1) + (1 - Y) * np.log(1 - A1))
L2 = lam / (2 * m) * np.sum(np.square(W1))
J = CE + L2
""",
    """
dA1 = -(Y / A1 - (1 - Y) / (1 - A1)) / m
dZ1 = dA1 * (A1 * (1 - A1))
dW1 = dZ1 @ X.T + lam / m * W1
db1 = np.sum(dZ1, axis=1, keepdims=True)
""",
)

SOFTMAX = Network(
    "tanh, softmax, depth 2, batch mean",
    {"W1": (4, 3), "b1": (4, 1), "W2": (3, 4), "b2": (3, 1)},
    {"X": _X, "Y": _ONE_HOT, "lam": 0.3, "m": M},
    """
Z1 = W1 @ X + b1
A1 = np.tanh(Z1)
Z2 = W2 @ A1 + b2
E = np.exp(Z2)
P = E / np.sum(E, axis=0, keepdims=True)
CE = -np.mean(np.sum(Y * np.log(P), axis=0))
L2 = lam / (2 * m) * (np.sum(W1**2) + np.sum(W2**2))
J = CE + L2
""",
    """
dZ2 = (P - Y) / m
dW2 = dZ2 @ A1.T + lam / m * W2
db2 = np.sum(dZ2, axis=1, keepdims=True)
dA1 = W2.T @ dZ2
dZ1 = dA1 * (1 - A1**2)
dW1 = dZ1 @ X.T + lam / m * W1
db1 = np.sum(dZ1, axis=1, keepdims=True)
""",
)

QUESTION = Network(
    "relu, relu, sigmoid, depth 3",
    {"W1": (5, 3), "b1": (5, 1), "W2": (4, 5), "b2": (4, 1), "W3": (1, 4), "b3": (1, 1)},
    {"X": _X, "Y": _BITS, "lam": 0.7, "m": M},
    """
Z1 = W1 @ X + b1
A1 = np.maximum(Z1, 0)
Z2 = W2 @ A1 + b2
A2 = np.maximum(Z2, 0)
Z3 = W3 @ A2 + b3
A3 = 1 / (1 + np.exp(-Z3))
CE = -1 / m * np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))
L2 = lam / (2 * m) * (np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3)))
J = CE + L2
""",
    """
dZ3 = (A3 - Y) / m
dW3 = dZ3 @ A2.T + lam / m * W3
db3 = np.sum(dZ3, axis=1, keepdims=True)
dA2 = W3.T @ dZ3
dZ2 = dA2 * (Z2 > 0)
dW2 = dZ2 @ A1.T + lam / m * W2
db2 = np.sum(dZ2, axis=1, keepdims=True)
dA1 = W2.T @ dZ2
dZ1 = dA1 * (Z1 > 0)
dW1 = dZ1 @ X.T + lam / m * W1
db1 = np.sum(dZ1, axis=1, keepdims=True)
""",
)

DEEP = Network(
    "relu, tanh, sigmoid, relu, linear, depth 5, all of one width",
    {f"W{k}": (3, 3) for k in range(1, 6)} | {f"b{k}": (3, 1) for k in range(1, 6)},
    {"X": _X, "Y": _rng(4).normal(size=(3, M)), "m": M},
    """
Z1 = W1 @ X + b1
A1 = np.maximum(Z1, 0)
Z2 = W2 @ A1 + b2
A2 = np.tanh(Z2)
Z3 = W3 @ A2 + b3
A3 = 1 / (1 + np.exp(-Z3))
Z4 = W4 @ A3 + b4
A4 = np.maximum(Z4, 0)
Z5 = W5 @ A4 + b5
J = np.mean(np.sum((Z5 - Y) ** 2, axis=0))
""",
    "dZ5 = 2 * (Z5 - Y) / m\n"
    + "".join(
        f"dW{k} = dZ{k} @ {before}.T\ndb{k} = np.sum(dZ{k}, axis=1, keepdims=True)\n{after}"
        for k, before, after in [
            (5, "A4", "dA4 = W5.T @ dZ5\ndZ4 = dA4 * (Z4 > 0)\n"),
            (4, "A3", "dA3 = W4.T @ dZ4\ndZ3 = dA3 * (A3 * (1 - A3))\n"),
            (3, "A2", "dA2 = W3.T @ dZ3\ndZ2 = dA2 * (1 - A2**2)\n"),
            (2, "A1", "dA1 = W2.T @ dZ2\ndZ1 = dA1 * (Z1 > 0)\n"),
            (1, "X", ""),
        ]
    ),
)

SHARED = Network(
    "one weight used in two layers, tanh, depth 3, L2",
    {"V": (4, 3), "W": (4, 4), "b": (4, 1), "U": (2, 4)},
    {"X": _X, "Y": _rng(5).normal(size=(2, M)), "lam": 0.5},
    """
H0 = V @ X
Z1 = W @ H0 + b
H1 = np.tanh(Z1)
Z2 = W @ H1 + b
H2 = np.tanh(Z2)
O = U @ H2
squares = 0.5 * np.sum((O - Y) ** 2)
L2 = lam / 2 * np.sum(W**2)
J = squares + L2
""",
    """
dO = O - Y
dU = dO @ H2.T
dH2 = U.T @ dO
dZ2 = dH2 * (1 - H2**2)
dH1 = W.T @ dZ2
dZ1 = dH1 * (1 - H1**2)
dW = dZ2 @ H1.T + dZ1 @ H0.T + lam * W
db = np.sum(dZ2, axis=1, keepdims=True) + np.sum(dZ1, axis=1, keepdims=True)
dH0 = W.T @ dZ1
dV = dH0 @ X.T
""",
)

ELASTIC = Network(
    "two penalties, samples in rows, sigmoid, depth 2",
    {"W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,)},
    {"X": _X.T, "Y": _rng(6).normal(size=(M, 2)), "alpha": 0.2, "beta": 0.4, "m": M},
    """
Z1 = X @ W1 + b1
A1 = 1 / (1 + np.exp(-Z1))
Z2 = A1 @ W2 + b2
MSE = np.sum((Z2 - Y) ** 2) / m
L1 = alpha * (np.sum(np.abs(W1)) + np.sum(np.abs(W2)))
L2 = beta / 2 * (np.sum(W1**2) + np.sum(W2**2))
J = MSE + L1 + L2
""",
    """
dZ2 = 2 / m * (Z2 - Y)
dW2 = A1.T @ dZ2 + alpha * np.sign(W2) + beta * W2
db2 = np.sum(dZ2, axis=0)
dA1 = dZ2 @ W2.T
dZ1 = dA1 * (A1 * (1 - A1))
dW1 = X.T @ dZ1 + alpha * np.sign(W1) + beta * W1
db1 = np.sum(dZ1, axis=0)
""",
)

LINEAR = Network(
    "relu, depth 4, weights alone, a sum of squares",
    {"W1": (5, 3), "W2": (5, 5), "W3": (4, 5), "W4": (2, 4)},
    {"X": _X, "Y": _rng(7).normal(size=(2, M))},
    """
Z1 = W1 @ X
A1 = np.maximum(Z1, 0)
Z2 = W2 @ A1
A2 = np.maximum(Z2, 0)
Z3 = W3 @ A2
A3 = np.tanh(Z3)
Z4 = W4 @ A3
J = np.sum((Z4 - Y) ** 2)
""",
    """
dZ4 = 2 * (Z4 - Y)
dW4 = dZ4 @ A3.T
dA3 = W4.T @ dZ4
dZ3 = dA3 * (1 - A3**2)
dW3 = dZ3 @ A2.T
dA2 = W3.T @ dZ3
dZ2 = dA2 * (Z2 > 0)
dW2 = dZ2 @ A1.T
dA1 = W2.T @ dZ2
dZ1 = dA1 * (Z1 > 0)
dW1 = dZ1 @ X.T
""",
)

NETWORKS = [LOGISTIC, SOFTMAX, QUESTION, DEEP, SHARED, ELASTIC, LINEAR]


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass
class Recorded:
    """A network at given weights: its graph, its values as plain arrays, its right gradients."""

    network: Network
    J: mg.Tensor
    tensors: dict[str, Any]
    values: dict[str, Any]

    def derive(self, changed: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run the backward code, with some statements changed."""
        found: dict[str, Any] = {}
        with np.errstate(all="ignore"):  # saturated weights, and what mistakes do
            for target, code in (self.network.statements | dict(changed or {})).items():
                found[target] = eval(code, {"np": np}, self.values | found)
        return found

    def check(self, changed: Mapping[str, str] | None = None) -> Check:
        return check(self.J, self.derive(changed), names=self.tensors)


def weights(network: Network, seed: int = 0) -> dict[str, Any]:
    rng = _rng(seed)
    return {name: rng.normal(size=shape) for name, shape in network.leaves.items()}


def record(network: Network, leaves: Mapping[str, Any], dtype: Any = np.float64) -> Recorded:
    data = {k: np.asarray(v, dtype) if np.ndim(v) else v for k, v in network.data.items()}
    tensors: dict[str, Any] = {name: mg.Tensor(np.asarray(a, dtype)) for name, a in leaves.items()}
    tensors |= {k: mg.constant(v) if np.ndim(v) else v for k, v in data.items()}
    with np.errstate(all="ignore"):
        exec(network.forward, {"np": np}, tensors)
    values = {k: v.data.copy() if isinstance(v, mg.Tensor) else v for k, v in tensors.items()}
    return Recorded(network, tensors["J"], tensors, values)


def trained(network: Network, steps: int = 300, rate: float = 0.05) -> dict[str, Any]:
    """Weights after gradient descent by the network's own backward code."""
    leaves = weights(network)
    for _ in range(steps):
        found = record(network, leaves).derive()
        leaves = {name: a - rate * found["d" + name] for name, a in leaves.items()}
    return leaves


# --- mistakes ---------------------------------------------------------------------------------------------------------


def _summands(code: str) -> list[str]:
    """The summands of a sum, as text."""
    parts: list[str] = []
    stack = [ast.parse(code, mode="eval").body]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            stack += [node.right, node.left]
        else:
            parts.append(ast.unparse(node))
    return parts


def _replaced(code: str, change: Callable[[ast.AST], Iterator[ast.AST]]) -> Iterator[str]:
    """The code with one node changed, for each node and each change of it."""
    tree = ast.parse(code, mode="eval")
    for parent in ast.walk(tree):
        for field, child in ast.iter_fields(parent):
            places = list(enumerate(child)) if isinstance(child, list) else [(None, child)]
            for index, node in places:
                if not isinstance(node, ast.expr):
                    continue
                for other in change(node):
                    if index is None:
                        setattr(parent, field, other)
                    else:
                        child[index] = other
                    yield ast.unparse(tree)
                    if index is None:
                        setattr(parent, field, node)
                    else:
                        child[index] = node


def _parsed(code: str) -> ast.AST:
    return ast.parse(code, mode="eval").body


def _products(code: str, change: Callable[[str, str], Iterator[str]]) -> Iterator[str]:
    """The code with one matrix product changed; ``change`` gets both factors as text."""

    def of(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield from map(_parsed, change(ast.unparse(node.left), ast.unparse(node.right)))

    yield from _replaced(code, of)


def _factors(code: str, change: Callable[[str, str], Iterator[str]]) -> Iterator[str]:
    """The code of dZ = dA * factor changed; ``change`` gets both."""
    node = _parsed(code)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and ast.unparse(node.left).startswith("d"):
        yield from change(ast.unparse(node.left), ast.unparse(node.right))


def _names(code: str) -> list[str]:
    return sorted({node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)} - {"np"})


def _mistakes_in(r: Recorded, target: str, code: str) -> Iterator[tuple[str, str]]:
    """Every mistake that can be made in a statement: its kind and the changed code, some of which cannot run."""
    yield Kind.SIGN, f"-({code})"
    for factor in ("2", "0.5", str(M), f"1 / {M}", f"1 / {M}**2"):
        yield Kind.FACTOR, f"{factor} * ({code})"
    parts, node = _summands(code), target[1:]
    penalties = [p for p in parts if any(c in _names(p) for c in ("lam", "alpha", "beta"))]
    for p in penalties:
        rest = [q for q in parts if q is not p]
        yield Kind.MISSING_TERM, " + ".join(rest)
        yield Kind.DOUBLED_TERM, f"{code} + {p}"
        yield Kind.FACTOR, " + ".join([*rest, f"0.5 * {p}"])
        yield Kind.SIGN, " + ".join([*rest, f"-({p})"])
        coefficient = p.rsplit("*", 1)[0]
        yield Kind.TERM_GRADIENT, " + ".join([*rest, f"{coefficient} * np.ones_like({node})"])
    others = [p for p in parts if p not in penalties]
    if len(others) > 1:
        for p in others:
            yield Kind.MISSING_PATH, " + ".join(q for q in parts if q is not p)
    coefficient = {"lam": "lam / m" if "m" in r.network.data else "lam", "beta": "beta"}
    for symbol, c in coefficient.items():
        if symbol in r.network.data and not penalties and np.ndim(r.values.get(node, 0)):
            yield Kind.NO_PATH, f"{code} + {c} * {node}"
            if re.fullmatch(r"W\d?\.T @ d\w+", code):
                yield Kind.NO_PATH, f"{code} + {c} * ({code})"
            for w in r.network.leaves:
                if w.startswith("W") and node[0] != "b":
                    yield Kind.NO_PATH, f"{code} + {c} * {w}.T"
                    yield Kind.NO_PATH, f"{code} + {c} * {w}"
    yield from _factor_mistakes(r, code)
    yield from _product_mistakes(r, code)
    yield from _sum_mistakes(code, r.values[node].size if np.ndim(r.values.get(node, 0)) else 1)


def _factor_mistakes(r: Recorded, code: str) -> Iterator[tuple[str, str]]:
    for upstream, factor in [tuple(c.split("|")) for c in _factors(code, lambda g, f: iter([f"{g}|{f}"]))]:
        mask = ">" in factor
        yield Kind.MISSING_MASK if mask else Kind.MISSING_FACTOR, upstream
        (own,) = _names(factor)
        pre = own.replace("A", "Z").replace("H", "Z")
        for other in r.values:
            if other[0] in "AZHX" and other != own and np.ndim(r.values[other]):
                kind = Kind.WRONG_MASK if mask else Kind.PRE_POST if other == pre else Kind.OPERAND
                yield kind, f"{upstream} * ({factor.replace(own, other)})"
        if mask:
            yield Kind.WRONG_MASK, f"{upstream} * ({upstream} > 0)"
            yield Kind.WRONG_MASK, f"{upstream} * ({own} < 0)"
            yield Kind.WRONG_MASK, f"{upstream} * {own}"
        else:
            form = f"{own} * (1 - {own})" if "**" in factor else f"1 - {own}**2"
            yield Kind.WRONG_FACTOR, f"{upstream} * ({form})"


def _product_mistakes(r: Recorded, code: str) -> Iterator[tuple[str, str]]:
    if "@" not in code:
        return
    if "+" not in code:
        yield Kind.TRANSPOSED, f"({code}).T"

    def untransposed(a: str, b: str) -> Iterator[str]:
        if a.endswith(".T"):
            yield f"{a[:-2]} @ {b}"
        if b.endswith(".T"):
            yield f"{a} @ {b[:-2]}"

    def with_other(a: str, b: str) -> Iterator[str]:
        for other, value in r.values.items():
            if np.ndim(value) == 2 and other[0] in "AWXHUV":
                for old, new in ((a, f"{other}.T @ {b}"), (b, f"{a} @ {other}.T")):
                    if old.endswith(".T") and old != f"{other}.T":
                        yield new

    def pre_activation(a: str, b: str) -> Iterator[str]:
        for old, form in ((a, f"{{}} @ {b}"), (b, f"{a} @ {{}}")):
            pre = old.replace("A", "Z").replace("H", "Z")
            if pre != old and pre[:-2] in r.values:
                yield form.format(pre)

    def other_gradient(a: str, b: str) -> Iterator[str]:
        for other in r.network.statements:
            for old, form in ((a, f"{{}} @ {b}"), (b, f"{a} @ {{}}")):
                if old.startswith("d") and other != old and np.ndim(r.values[other[1:]]) == 2 and other[1] in "AZHO":
                    yield form.format(other)

    def stale(a: str, b: str) -> Iterator[str]:
        for old, form in ((a, f"{{}} @ {b}"), (b, f"{a} @ {{}}")):
            if old[:-2] in r.network.leaves:
                yield form.format(f"({old[:-2]} - 0.1 * d{old[:-2]}).T")

    for kind, change in {
        Kind.TRANSPOSED: untransposed,
        Kind.ORDER: lambda a, b: iter([f"{b} @ {a}"]),
        Kind.OPERAND: with_other,
        Kind.PRE_POST: pre_activation,
        Kind.UPSTREAM: other_gradient,
        Kind.STALE: stale,
    }.items():
        for changed in _products(code, change):
            yield kind, changed


def _sum_mistakes(code: str, size: int) -> Iterator[tuple[str, str]]:
    node = _parsed(code)
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "np.sum"):
        return
    inner, keep = ast.unparse(node.args[0]), ", keepdims=True" if "keepdims" in code else ""
    axis = 1 if "axis=1" in code else 0
    yield Kind.NOT_SUMMED, inner
    yield Kind.AVERAGED, f"np.mean({inner}, axis={axis}{keep})"
    yield Kind.WRONG_AXIS, f"np.sum({inner}, axis={1 - axis}{keep})"
    yield Kind.WRONG_AXIS if size > 1 else Kind.SHAPE, f"np.sum({inner})"
    if keep:
        yield Kind.SHAPE, f"np.sum({inner}, axis={axis})"


@dataclass(frozen=True)
class Mutation:
    kind: str
    target: str
    code: str


def mutations(r: Recorded) -> list[Mutation]:
    """The mistakes in statements of a network that run and change a number or a shape."""
    right = r.derive()
    found: dict[tuple[str, str], Mutation] = {}
    for target, code in r.network.statements.items():
        for kind, changed in _mistakes_in(r, target, code):
            try:
                wrong = r.derive({target: changed})
            except (ValueError, NameError):
                continue
            a, b = np.asarray(wrong[target]), right[target]
            if a.shape != b.shape or not np.allclose(a, b, rtol=1e-6, atol=1e-9):
                found.setdefault((target, changed), Mutation(kind, target, changed))
    return list(found.values())


def pairs(found: list[Mutation], count: int, seed: int = 0) -> list[tuple[Mutation, Mutation]]:
    """A sample of pairs of mistakes in different statements."""
    every = [(a, b) for a, b in combinations(found, 2) if a.target != b.target]
    return random.Random(seed).sample(every, min(count, len(every)))


def kinds(report: Check, target: str) -> set[str]:
    """The kinds that a report gives for a node; empty where it reports none."""
    return {kind for m in report.mistakes if m.node == target[1:] for kind in (m.kind, *m.also)}


def _show(network: Network, what: str, report: Check) -> None:
    print(f"{network.name}: {what}\n{report}\n")


def singles(network: Network, table: dict[str, Counter[str]]) -> None:
    """Try every single mistake, count, and show what was not found or not named."""
    r = record(network, weights(network))
    for mutation in mutations(r):
        report = r.check({mutation.target: mutation.code})
        reported = kinds(report, mutation.target)
        found = bool(reported) and len(report.mistakes) == 1
        named = found and mutation.kind in reported
        row = table.setdefault(mutation.kind, Counter())
        row.update(tried=1, placed=found, named=named, first=named and report.mistakes[0].kind == mutation.kind)
        if not named:
            _show(network, f"{mutation.target} = {mutation.code} [{mutation.kind}]", report)


def _same(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9, atol=1e-12)


def doubles(network: Network, count: int) -> Iterator[bool]:
    """For a sample of pairs: whether both mistakes were found, and no other; show those that were not."""
    r = record(network, weights(network))
    right = r.derive()
    for a, b in pairs(mutations(r), count):
        try:
            gradients = r.derive({a.target: a.code, b.target: b.code})
        except ValueError:  # the second cannot run after the first, whose shape is wrong
            continue
        if any(_same(gradients[m.target], right[m.target]) for m in (a, b)):  # they undo each other
            continue
        report = check(r.J, gradients, names=r.tensors)
        found = {m.node for m in report.mistakes} == {a.target[1:], b.target[1:]}
        if not found:
            _show(network, f"{a} and {b}", report)
        yield found


def main(count: int) -> None:
    start = time.perf_counter()
    table: dict[str, Counter[str]] = {}
    for network in NETWORKS:
        singles(network, table)
    both = [found for network in NETWORKS for found in doubles(network, count)]
    print(f"{'kind':28}{'tried':>7}{'right step':>12}{'named':>8}{'named first':>13}")
    for kind, row in [*sorted(table.items()), ("all", sum(table.values(), Counter()))]:
        print(f"{kind:28}{row['tried']:7}{row['placed']:12}{row['named']:8}{row['first']:13}")
    print(f"pairs: both found, and no more, in {sum(both)} of {len(both)}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
