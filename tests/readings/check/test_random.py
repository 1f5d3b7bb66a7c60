"""Random graphs: right derivations raise no alarm, and one edit planted in a derivation is found, whatever it is.

By hand: python tests/readings/check/test_random.py 300
"""

import ast
import copy
import sys
from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from minigrad.readings.check.report import check

UNARY = [
    *(np.tanh, np.exp, np.square, np.sin, np.abs, np.negative, np.transpose, np.cumsum),
    *(lambda a: np.maximum(a, 0), lambda a: 1 / (1 + np.exp(-a)), lambda a: np.log(1 + a**2), lambda a: a[::-1]),
    *(lambda a: np.where(a > 0, a, 0.1 * a), lambda a: np.sqrt(1 + a**2), lambda a: a[a.shape[0] // 2 :]),
    *(lambda a: np.sum(a, axis=0), lambda a: np.mean(a, axis=-1, keepdims=True), lambda a: np.max(a, axis=0)),
    *(lambda a: a - np.max(a, axis=-1, keepdims=True), lambda a: np.reshape(a, -1), lambda a: np.var(a, axis=0)),
    *(lambda a: a / np.sum(np.exp(a)), lambda a: np.stack([a, 2 * a]), lambda a: a[[0, 0, -1]]),
]
BINARY = [np.add, np.subtract, np.multiply, np.matmul, lambda a, b: a / (2 + b**2), np.maximum]
BINARY += [lambda a, b: np.concatenate([a, b]), lambda a, b: np.einsum("ij,kj->ik", a, b), np.add, np.matmul]


def network(rng, dtype):
    """A random cost of some random leaves, whose intermediates have names, most of them."""
    shapes = [(3, 4), (4, 3), (3, 3), (4,), (3, 1), (1, 4), ()]
    draw = [shapes[i] for i in rng.integers(0, len(shapes), 4)]
    values = [rng.normal(size=shape).astype(dtype) for shape in draw]
    if rng.random() < 0.25:  # entries that are equal, and at kinks
        values = [np.round(a) for a in values]
    nodes = [mg.Tensor(a, name=f"L{i}") for i, a in enumerate(values)]
    for i in range(int(rng.integers(3, 11))):
        picked = [nodes[int(k)] for k in rng.integers(max(0, len(nodes) - 5), len(nodes), 2)]
        try:
            if rng.random() < 0.5:
                made = UNARY[int(rng.integers(len(UNARY)))](picked[0])
            else:
                made = BINARY[int(rng.integers(len(BINARY)))](*picked)
        except (ValueError, TypeError, IndexError):  # shapes that do not fit
            continue
        if isinstance(made, mg.Tensor) and 0 < made.size < 200 and np.max(np.abs(made.data)) < 1e3:
            nodes.append(made.named(f"N{i}") if rng.random() < 0.8 else made)
    terms = [np.sum(x**2) if rng.random() < 0.5 else np.mean(np.tanh(x)) for x in nodes[-3:]]
    return sum(terms[1:], terms[0]).named("J")


def edits(statement, names):
    """The right side of a statement with each of its parts changed."""
    for parent in ast.walk(statement.value):
        for field, child in ast.iter_fields(parent):
            if isinstance(child, ast.expr) and not isinstance(parent, ast.keyword | ast.Attribute):
                for other in changes(child, names):
                    setattr(parent, field, other)
                    yield copy.deepcopy(statement)
                    setattr(parent, field, child)
    for other in changes(statement.value, names):
        yield ast.fix_missing_locations(ast.Assign(statement.targets, other, lineno=1))


def changes(e, names):
    yield ast.UnaryOp(ast.USub(), e)
    match e:
        case ast.BinOp(left=a, op=op, right=b):
            yield from (a, b)
            yield from (ast.BinOp(a, other(), b) for other in (ast.Add, ast.Mult) if not isinstance(op, other))
        case ast.Attribute(value=a, attr="T"):
            yield a
        case ast.Call(args=[a, *_]):
            yield a
        case ast.Name(id=name) if name != "np":
            yield from (ast.Name(other, ast.Load()) for other in names if other != name)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)


def computed(program, space):
    space = dict(space)
    with np.errstate(all="ignore"):
        exec(compile(ast.fix_missing_locations(program), "<derivation>", "exec"), space)
    return space


def trial(seed, dtype=np.float64):
    """What is made of one edit of one graph: right, wrong place, found, or nothing to try."""
    rng = np.random.default_rng(seed)
    J = network(rng, dtype)
    if not J.requires_grad:
        return "no graph"
    derivation = mg.derive(J)
    program = ast.parse(derivation.numpy())
    space = {**derivation.inputs, **derivation.constants, "np": np}
    right = computed(program, space)
    wanted = {f"d{node}": name for node, name in derivation.gradients.items()}
    given = {key: np.array(right[name]) for key, name in wanted.items() if name in right}
    report = check(J, given)
    assert report.ok, (seed, str(report))
    places = [
        i for i, s in enumerate(program.body) if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) in wanted
    ]
    rng.shuffle(places)
    for place in places[:3]:
        made = [*edits(program.body[place], [name for name in right if name[0] in "NL" or name in wanted.values()])]
        for k in rng.permutation(len(made))[:6]:
            body = [*program.body[:place], made[k], *program.body[place + 1 :]]
            try:
                wrong = computed(ast.Module(body, []), space)
                found = {key: np.asarray(wrong[name], dtype) for key, name in wanted.items() if name in wrong}
            except Exception:  # the edit does not run
                continue
            target = ast.unparse(program.body[place].targets[0])
            old, new = right[target], wrong[target]
            if np.shape(old) == np.shape(new) and np.max(np.abs(old - new)) < 1e-3 * (1 + np.max(np.abs(old))):
                continue
            if not all(np.all(np.isfinite(a)) and np.max(np.abs(a), initial=0) < 1e6 for a in found.values()):
                continue
            report = check(J, found)
            str(report)
            node = next(key for key, name in wanted.items() if name == target)[1:]
            if report.ok:
                return f"called right: {seed} {ast.unparse(made[k])}"
            return "found" if report.mistakes[0].node == node else f"another place: {seed} {ast.unparse(made[k])}"
    return "nothing planted"


@pytest.mark.parametrize("seed", range(30))
def test_a_planted_edit_is_found_and_a_right_derivation_is_called_right(seed):
    assert not trial(seed, np.float32 if seed % 3 == 0 else np.float64).startswith("called right")


if __name__ == "__main__":
    outcomes = [
        trial(seed, np.float32 if seed % 3 == 0 else np.float64) for seed in range(1000, 1000 + int(sys.argv[1]))
    ]
    print(*[outcome for outcome in outcomes if ":" in outcome], sep="\n")
    print(Counter(outcome.split(":")[0] for outcome in outcomes))
