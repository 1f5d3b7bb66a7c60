"""What every reading must hold for any program: each function returns what is wrong, or None."""

import copy
import warnings

import numpy as np
from slips import check, outcome

import minigrad as mg
from minigrad.engine.reverse import walk
from minigrad.graph import Graph
from minigrad.readings.check.steps import OneSided
from minigrad.readings.explain.explanation import Explanation

try:
    from pygraphviz import AGraph  # which reads DOT
except ImportError:
    AGraph = None

STEP = 1e-6
SETS = ("np.unique", "np.union1d", "np.intersect1d", "np.setdiff1d", "np.setxor1d")


def close(found, wanted, dtype, scale=0.0):
    """Whether two arrays are one but for rounding."""
    if np.shape(found) != np.shape(wanted):
        return False
    rtol, atol = (2e-3, 1e-6) if dtype == np.float32 else (1e-6, 1e-9)
    size = max(scale, float(np.max(np.abs(wanted), initial=0.0)))
    return bool(np.all(np.abs(np.asarray(found) - wanted) <= rtol * size + atol))


def value(program, rng):
    """The value of the cost is NumPy's."""
    J, _, _ = program.record()
    wanted = program.cost(*program.inputs)
    return None if close(J.data, wanted, J.dtype) else f"value {J.data} for {wanted}"


def _directions(program, rng):
    return tuple(rng.normal(size=x.shape).astype(x.dtype) for x in program.inputs)


def _moved(program, directions, step):
    return [x + step * u for x, u in zip(program.inputs, directions, strict=True)]


def _slope(f, program, directions, step):
    """Return the differences to both sides, of which the mean is the slope but at kinks and jumps."""
    middle = f(*program.inputs)
    return [(f(*_moved(program, directions, h)) - middle) / h for h in (step, -step)]


def _apart(found, f, program, directions, allowed, size):
    """Return what a derivative is not, its quotient of differences; None where it is or where there is none to see."""
    try:
        sides = _slope(f, program, directions, STEP)
        slope = (sides[0] + sides[1]) / 2
        if not np.isfinite(slope) or abs(found - slope) <= allowed * (1 + abs(slope) + size):
            return None
        halves = _slope(f, program, directions, STEP / 2)
    except ValueError:  # a shape changes here
        return None
    smooth = np.ptp([*sides, *halves]) <= allowed * (1 + max(map(abs, sides)))  # else there is a kink or a jump
    return f"{found} along a direction, by differences {slope}" if smooth else None


def gradient(program, rng):
    """The derivative along a random direction is the quotient of differences."""
    if any(name in str(program.lines) for name in SETS):  # of equal entries one is left
        program = program.away_from_ties(rng)
        if refused(program):
            return None
    if program.inputs[0].dtype != np.float64:
        return None
    wrong = _wrong_gradient(program, copy.deepcopy(rng))
    if wrong and OneSided(Graph(program.record()[0]).nodes, 1).ties:  # of several in one path none need be a derivative
        away = program.away_from_ties(rng)
        wrong = None if refused(away) else _wrong_gradient(away, rng)
    return wrong


def _wrong_gradient(program, rng):
    directions = _directions(program, rng)
    gradients = mg.grad(program.cost, argnums=range(len(program.inputs)))(*program.inputs)
    found = sum(np.sum(g * u) for g, u in zip(gradients, directions, strict=True))
    wrong = _apart(found, program.cost, program, directions, 1e-4, sum(np.abs(g).sum() for g in gradients))
    return wrong and f"derivative {wrong}"


def second_derivative(program, rng):
    """The second derivative along a random direction is the quotient of differences of the first."""
    if program.inputs[0].dtype != np.float64:
        return None
    program = program.away_from_ties(rng)  # at which the gradient is one of many and has no derivative
    if refused(program):
        return None
    directions, every = _directions(program, rng), range(len(program.inputs))

    def first(*inputs):
        gradients = mg.grad(program.cost, argnums=every)(*inputs)
        return sum(np.sum(g * u) for g, u in zip(gradients, directions, strict=True))

    try:
        products = mg.hvp(program.cost, program.inputs, directions)
    except (TypeError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
        said = ("second derivative", "values that repeat have no derivative")
        return None if any(words in str(error) for words in said) else f"second derivative: {error}"
    found = sum(np.sum(g * u) for g, u in zip(products, directions, strict=True))
    wrong = _apart(found, first, program, directions, 1e-3, sum(np.abs(g).sum() for g in products))
    return wrong and f"second derivative {wrong}"


def terms_add_up(program, rng):
    """What the terms send to each node is what backward leaves there."""
    derived, dtype = program.derived[3], program.inputs[0].dtype
    graph = derived.lines.graph
    explanation = Explanation(graph, {}, derived)
    for name in explanation.nodes:
        found, wanted = explanation.gradient(name), graph.by_name[name].grad
        parts = [explanation.gradient(name, term) for term in explanation.terms]
        scale = sum(float(np.abs(part).max(initial=0)) for part in parts if part is not None)
        if (found is None) != (wanted is None) or (wanted is not None and not close(found, wanted, dtype, scale)):
            return f"explain gives {found} for the gradient of {name}, backward {wanted}"
        for term in explanation.terms:
            explanation.why(name, term)
    return str(explanation) and None


def derivation(program, rng):
    """The program that derive writes gives what backward leaves, and no line failed its proof."""
    derived, dtype = program.derived[3], program.inputs[0].dtype
    space = {**derived.inputs, **derived.constants}
    exec(derived.numpy(), space)
    by_name = derived.lines.graph.by_name
    scale = max([float(np.abs(x.grad).max(initial=0)) for x in by_name.values() if x.grad is not None], default=0.0)
    for name, variable in derived.gradients.items():
        if not close(space[variable], by_name[name].grad, dtype, 1e-3 * scale):
            return f"derive gives {space[variable]} for {name}, backward {by_name[name].grad}\n{derived.numpy()}"
    if derived.lines.unproved:
        return f"not proved: {[x.describe() for x in derived.lines.unproved]}"
    return derived.latex() and derived.text() and None


def compiled(program, rng, fast=False):
    """The compiled function is the eager one, at first and with other values and layouts."""
    f = mg.value_and_grad(program.cost, argnums=range(len(program.inputs)))
    g = mg.compile(f, fast=fast)
    others = [np.array(x * 0.75, order="F") for x in program.inputs]
    eager = {}
    for inputs in (program.inputs, others, program.inputs):
        before = [x.copy() for x in inputs]
        try:
            found = g(*inputs)
            wanted = eager[id(inputs)] = eager.get(id(inputs)) or f(*inputs)
        except TypeError as error:
            if "while a program is traced" in str(error) or "depends on values" in str(error):
                return None  # a shape or a choice that differs from call to call
            raise
        if not all(np.array_equal(x, y) for x, y in zip(inputs, before, strict=True)):
            return "compiled wrote to an argument"
        scale = max([float(np.abs(x[np.isfinite(x)]).max(initial=0)) for x in wanted[1]], default=0.0)
        for x, y in zip([found[0], *found[1]], [wanted[0], *wanted[1]], strict=True):
            finite = np.isfinite(y)
            if not np.array_equal(finite, np.isfinite(x)):
                return f"compiled gives {x}, eager {y}"
            if not close(np.where(finite, x, 0), np.where(finite, y, 0), x.dtype, scale):
                return f"compiled gives {x}, eager {y}"
    return None


def fused(program, rng):
    """And so it is with loops that numba compiles."""
    return compiled(program, rng, fast=True)


def checked(program, rng):
    """Right gradients are right, and of a derivation with one planted slip its node is the first wrong step."""
    J, terms, *_ = program.derived
    graph = Graph(J, terms=terms)
    cotangents = walk({J: J.seed()})
    named = {x: name for name, x in graph.by_name.items() if x in cotangents and x is not J}
    report = check(J, {name: cotangents[x] for x, name in named.items()}, terms=terms)
    if not report.ok:
        return f"check calls right gradients wrong:\n{report}"
    inner = [x for x in named if x.rule is not None and np.all(np.abs(cotangents[x]) > 1e-6)]
    if not inner:
        return None
    wrong = inner[rng.integers(len(inner))]
    factor = rng.uniform(1.5, 2, wrong.shape) if rng.random() < 0.25 else rng.choice([2, 0.5])
    slip = np.asarray(cotangents[wrong] * factor, wrong.dtype)
    after = walk({J: J.seed()}, given={wrong: slip})
    gradients = {name: slip if x is wrong else after[x] for x, name in named.items()}
    report = check(J, gradients, terms=terms)
    if report.ok and any("kink" in note for note in report.notes):
        return None  # where any value between two derivatives is right
    if report.ok or report.mistakes[0].node != named[wrong]:
        return f"a slip in {named[wrong]} is not found there:\n{report}"
    return None


def edited(program, rng):
    """A derivation with one edit is not called right; at ties it may be, if it is not near them."""
    again = copy.deepcopy(rng)
    if not outcome(program, rng).startswith("called right"):
        return None
    program = program.away_from_ties(np.random.default_rng(0))
    if refused(program) or _is_rounding(program):
        return None
    found = outcome(program, again)
    return found if found.startswith("called right") else None


def _is_rounding(program):
    """Whether a gradient is made of rounding errors, such as that of the std of what is 0: last bits change it."""
    nearby = program.away_from_ties(np.random.default_rng(1), 1e-13)
    ours, others = (p.derived[3].lines.graph.by_name for p in (program, nearby))
    pairs = [(x.grad, others[name].grad) for name, x in ours.items() if x.grad is not None and name in others]
    return any(not np.allclose(a, b, 1e-4, 1e-7) for a, b in pairs)


def drawn(program, rng):
    """The picture, of the named nodes or of all, has every edge and no other, and Graphviz takes its DOT."""
    J, terms, *_ = program.derived
    drawing = mg.draw(J, terms=terms, detail="all" if rng.random() < 0.5 else "named")
    node = {id: x for id, _, x in drawing.vertices}
    if all(x is not None for x in node.values()):  # and several are drawn as one
        found = {(node[tail], node[head]) for _, tail, head, _ in drawing.edge_list}
        wrong = found ^ {(x, y) for y in node.values() for x in _used_by(y, set(node.values()))}
        if wrong:
            return f"edges too many or too few: {[(x.describe(), y.describe()) for x, y in wrong]}"
    if AGraph is None:
        return None
    with AGraph(string=drawing.source) as read:
        edges = sum(bool(edge.attr["id"]) for edge in read.edges())
    return None if edges == len(drawing.edge_list) else f"Graphviz reads {edges} edges of\n{drawing.source}"


def _used_by(y, shown):
    """Return the nodes that are shown and that y is computed from, by way of none that is."""
    seen, waiting = set(), [y]
    for node in waiting:
        new = set(node.inputs) - seen
        seen |= new
        waiting += new - shown
    return seen & shown


READINGS = (value, gradient, second_derivative, terms_add_up, derivation, compiled, checked, edited, drawn)


def refused(program):
    """Whether recording refuses the program, or its gradient has no formula, or is not finite, as of a root at 0."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            J, _, _ = program.record()
    except (TypeError, ValueError, IndexError, NameError):  # the last where a line was left out that others need
        return True
    wrong = divergence(J, _infinite, 0)
    return wrong == "infinite" or (wrong is not None and "no closed form" in wrong)


def _infinite(J, rng):
    finite = all(np.all(np.isfinite(g)) for g in walk({J: J.seed()}).values())
    return None if finite else "infinite"


def divergence(program, reading, seed):
    """Return what is wrong with a reading of a program; None where nothing is."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reading(program, np.random.default_rng(seed))
    except Exception as error:  # no program may make a reading raise
        return f"{type(error).__name__}: {error}"


def minimised(program, reading, seed):
    """Return the smallest program, by leaving out lines and terms one by one, that still diverges."""
    shrinking = True
    while shrinking:
        shrinking = False
        for smaller in program.smaller():
            if not refused(smaller) and divergence(smaller, reading, seed) is not None:
                program, shrinking = smaller, True
                break
    return program
