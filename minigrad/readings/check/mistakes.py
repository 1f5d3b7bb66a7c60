"""The kinds of mistake that are made in derivations by hand, each a question to one wrong step.

A kind is recognised by making it: the step is recomputed with the mistake in it, from the recorded graph and the table
of rules, and where that gives the learner's numbers the mistake has a name. No kind knows a network. Two kinds of
question occur:

- is the answer this array? (a mask of another layer, a matrix not transposed, a sum not taken);
- is the answer ``base + t · direction``, and what is t? (a term left out is t = 0, doubled t = 2, a sign t = -1; a
  stale weight ``W - t · dW`` shows its own step size).

Every question is asked, and all that fit are told: different mistakes can give the same numbers.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.reverse import unbroadcast
from minigrad.engine.tensor import Tensor
from minigrad.text.words import printable

from .steps import Array, Edge, Step, broadcast_together, broadcasts, fits

SIGN = "sign"
FACTOR = "constant factor"
MISSING_TERM = "missing term"
DOUBLED_TERM = "doubled term"
NO_PATH = "term without a path"
TERM_GRADIENT = "wrong gradient of a term"
MISSING_PATH = "missing path"
MISSING_FACTOR = "missing activation factor"
MISSING_MASK = "missing mask"
WRONG_MASK = "wrong mask"
PRE_POST = "pre- for post-activation"
WRONG_FACTOR = "wrong activation factor"
TRANSPOSED = "transposed"
ORDER = "wrong order of factors"
OPERAND = "wrong operand"
UPSTREAM = "wrong upstream gradient"
NOT_SUMMED = "not summed"
AVERAGED = "averaged"
WRONG_AXIS = "summed over the wrong axis"
SHAPE = "wrong shape"
STALE = "stale value"
SUMMAND = "extra summand"
NOT_FINITE = "not finite"
UNKNOWN = "unknown"
RIGHT = "right"  # in another form, whose rounding is larger: no mistake

_ROUNDED = 1e-5  # a factor nearer to 1 is a constant rounded to float32
_MANY = 60  # edges; a step over more than these is asked only what concerns it as a whole


class Finding(NamedTuple):
    """A mistake that gives the learner's numbers: its kind, and what was done in place of what."""

    kind: str
    text: str


def diagnose(step: Step) -> list[Finding]:
    """All that gives the learner's numbers, the likeliest first, one finding per kind; nothing where no kind does."""
    if not np.all(np.isfinite(step.answer)):
        return [_first_not_finite(step)]
    parts = _OF_THE_PARTS if len(step.edges) <= _MANY else ()
    found: dict[str, Finding] = {}
    with np.errstate(all="ignore"):
        for question in (*_OF_THE_WHOLE, *parts):
            for finding in question(step):
                found.setdefault(finding.kind, finding)
        return list(found.values() or _any_factor(step))


# --- the step as a whole ----------------------------------------------------------------------------------------------


def _shape(step: Step) -> Iterator[Finding]:
    a, shape = step.answer, step.expected.shape
    if a.shape == shape:
        return
    if a.size == step.expected.size and step.matches(step.expected.reshape(a.shape)):
        mend = "keepdims=True is missing in a sum" if a.ndim < len(shape) else "reshape it"
        yield Finding(SHAPE, f"the numbers are right, but the shape is {a.shape} and should be {shape}: {mend}")


def _factor(step: Step) -> Iterator[Finding]:
    t = step.multiple(step.expected)
    if t is None:
        return
    if _is(t, -1, step, step.expected):
        yield Finding(SIGN, "the sign is wrong: multiply by -1")
    elif _is(t, 0, step, step.expected):
        yield Finding(MISSING_PATH, "it is zero, but a gradient does arrive here")
    elif words := _factor_in_words(step, t, step.expected):
        yield Finding(FACTOR, f"it is {words}")


def _any_factor(step: Step) -> Iterator[Finding]:
    """A factor that is no known number: said where nothing else explains it."""
    t = step.multiple(step.expected)
    if t is not None and abs(t - 1) > _ROUNDED and step.telling(step.expected):
        yield Finding(FACTOR, f"it is {t:.6g} times what it should be")


def _transposed(step: Step) -> Iterator[Finding]:
    e = step.expected
    if e.ndim > 1 and step.matches(e.T):
        yield Finding(TRANSPOSED, f"it is the transpose of what it should be{_shapes(step)}")


def _terms(step: Step) -> Iterator[Finding]:
    """One of several summands left out, doubled, or off by a factor."""
    if len(step.parts) < 2:
        return
    for name, part in step.parts.items():
        t = step.multiple(part, step.expected - part)
        if t is None or abs(t - 1) < _ROUNDED:
            continue
        is_term = name in map(printable, step.graph.terms)
        what = f"the {name} term" if is_term else f"what comes through {name}"
        if _is(t, 0, step, part):
            yield Finding(MISSING_TERM if is_term else MISSING_PATH, f"{what} is missing")
        elif _is(t, 2, step, part):
            yield Finding(DOUBLED_TERM, f"{what} is added twice")
        elif _is(t, -1, step, part):
            yield Finding(SIGN, f"{what} has the wrong sign")
        else:
            words = _factor_in_words(step, t, part)
            if words or step.telling(part):
                yield Finding(FACTOR, f"{what} is {words or f'{t:.6g} times what it should be'}")


def _no_path(step: Step) -> Iterator[Finding]:
    """Something of a cost term added where no path leads to it, here or at a node between here and the answers."""
    for x in dict.fromkeys((step.node, *step.between)):
        for term in step.graph.terms:
            if step.graph.reaches(x, term) and x is not step.node:
                continue
            for words, q in _borrowed(step, x, term):
                t = _multiple_added(step, x, q)
                if t is None or _is(t, 0, step, q):
                    continue
                if _simple(t) or step.telling(q):
                    yield _added(step, x, term, words if _is(t, 1, step, q) else f"{t:.4g} times {words}")


def _chained(step: Step) -> Iterator[Finding]:
    """The chain rule through a weight: the gradient of a cost term by it, in its place in a product, carried on."""
    for edge, raw, _ in step.shares:
        y, _, x = edge
        result, args = step.values.of(y)
        for term in step.graph.terms:
            if step.graph.reaches(step.node, term):
                continue
            for w, g in _term_gradients(step, term).items():
                for j in (j for j, o in enumerate(y.operands) if o is w and x is not w):
                    c = step.tried(edge, step.homework.sent(y), (result, (*args[:j], g, *args[j + 1 :])))
                    if c is None or c.shape != raw.shape:
                        continue
                    direction = step.carried({x: unbroadcast(c, x.shape)})
                    t = step.multiple(direction, step.expected)
                    if t is not None and _is(abs(t), 1, step, direction):
                        words = f"the gradient of {printable(term)} by {step.name(w)}, times d{step.name(y)},"
                        yield _added(step, step.node, term, words)


def _multiple_added(step: Step, x: Tensor, q: Array) -> float | None:
    """How many times q is added at x; where x is the node itself, q may have broadcast the answer to another shape."""
    if broadcasts(q.shape, x.shape):
        return step.multiple(step.carried({x: np.broadcast_to(q, x.shape)}), step.expected)
    shape = step.answer.shape
    if x is not step.node or not (broadcasts(q.shape, shape) and broadcasts(x.shape, shape)):
        return None
    return step.multiple(np.broadcast_to(q, shape), np.broadcast_to(step.expected, shape))


def _added(step: Step, x: Tensor, term: str, words: str) -> Finding:
    where = "" if x is step.node else f", on the way through d{step.name(x)}"
    if step.graph.reaches(x, term):
        return Finding(SUMMAND, f"{words} is added{where}, and has no place here")
    name, own = step.name(x), printable(term)
    leaves = [step.name(w) for w in _term_gradients(step, term)]
    made_of = (
        f"{own} is computed from {', '.join(leaves)} alone" if 0 < len(leaves) < 9 else f"{own} is not computed from it"
    )
    return Finding(
        NO_PATH, f"{words} is added{where}, but no path leads from {name} to {own}: {made_of}, so d{own}/d{name} is 0"
    )


def _borrowed(step: Step, x: Tensor, term: str) -> Iterator[tuple[str, Array]]:
    """What of a term could be added at x by mistake: its gradient elsewhere, its own form at x, the term itself."""
    own, t = printable(term), step.graph.terms[term]
    reached = step.graph.reaches(x, term)
    for w, g in _term_gradients(step, term).items():
        called = f"the gradient of {own} by {step.name(w)}"
        forms = {called: g, f"{called}, transposed,": g.T} if not reached and w is not x else {}
        for axis in range(g.ndim if forms else 0):
            forms[f"{called}, summed over axis {axis},"] = np.sum(g, axis=axis, keepdims=True)
            forms[f"{called}, summed over axis {axis} and transposed,"] = np.sum(g, axis=axis, keepdims=True).T
        yield from forms.items()
        value = step.homework.value(w)
        ratio = float(np.vdot(value, g) / (np.vdot(value, value) or 1.0))
        if not reached and ratio and np.allclose(g, ratio * value):
            yield f"{ratio:.4g} · {step.name(x)}, as if {step.name(x)} were in {own},", ratio * step.homework.value(x)
    if not reached and x.size > 1:
        yield f"a number ({own} itself is {t.coefficient * float(np.sum(t.node.value)):.4g})", np.ones(x.shape)


def _term_gradients(step: Step, term: str) -> dict[Tensor, Array]:
    """The gradient of one cost term at the named nodes that it is computed from."""
    homework, t = step.homework, step.graph.terms[term]
    cache = homework.term_gradients
    if term not in cache:
        found = {t.node: np.full(t.node.shape, t.coefficient)}
        for y in reversed(step.graph.nodes):
            for i, x in enumerate(y.operands) if y in found else ():
                if x is not None and x.requires_grad and step.graph.reaches(x, term):
                    c = unbroadcast(step.values.pull(y, i, found[y]), x.shape)
                    found[x] = found[x] + c if x in found else c
        leaves = (x for x in step.graph.names if x.function is None and x in found)
        cache[term] = {x: found[x] for x in sorted(leaves, key=lambda x: x.order)}
    return cache[term]


def _term_gradient(step: Step) -> Iterator[Finding]:
    """The gradient of another penalty than the one that was recorded: of a sum, of absolute values."""
    x = step.homework.value(step.node)
    for term in step.graph.terms:
        part = step.parts.get(printable(term))
        if part is None:
            continue
        name = step.name(step.node)
        directions = {
            f", the gradient of a sum of {name}": np.ones(x.shape),
            f" * sign({name}), the gradient of a sum of absolute values": np.sign(x),
            f" * {name}, the gradient of a sum of squares": x,
            f" * {name}**2, the squares themselves": x * x,
        }
        for words, q in directions.items():
            t = step.multiple(q, step.expected - part)
            if t is not None and not _is(t, 0, step, q) and step.telling(q) and not _parallel(q, part):
                yield Finding(TERM_GRADIENT, f"what is added for {printable(term)} is {t:.4g}{words}")


# --- the parts of a step ----------------------------------------------------------------------------------------------


def _paths(step: Step) -> Iterator[Finding]:
    """A path left out, or with a wrong sign or factor, where others go beside it."""
    whole = [step.expected, *step.parts.values()]
    for edge, _, share in step.shares:
        if any(np.allclose(share, part) for part in whole):
            continue
        if step.matches(step.expected - share):
            yield Finding(MISSING_PATH, f"the path through {_through(step, edge)} is missing")
        elif step.matches(step.expected - 2 * share):
            yield Finding(SIGN, f"the path through {_through(step, edge)} has the wrong sign")
        else:
            t = step.multiple(share, step.expected - share)
            words = t is not None and _factor_in_words(step, t, share)
            if words:
                yield Finding(FACTOR, f"what comes through {_through(step, edge)} is {words}")


def _sums(step: Step) -> Iterator[Finding]:
    """What broadcasting repeated is to be summed: not done, averaged, or done over other axes."""
    shape = step.node.shape
    for raw in step.last:
        if raw.shape == shape:
            continue
        total = unbroadcast(raw, shape)
        rest = step.expected - total
        count = raw.size // max(total.size, 1)
        if step.answer.shape == raw.shape and step.matches(raw + rest):
            yield Finding(NOT_SUMMED, f"it has one entry for each use; sum {raw.shape} to {shape}")
        mean = rest + total / max(count, 1)
        if count > 1 and step.answer.size == total.size and step.matches(mean.reshape(step.answer.shape)):
            yield Finding(AVERAGED, f"the {count} shares are averaged; they are to be summed (np.sum for np.mean)")
        if np.any(rest):
            continue
        for axes in (c for n in range(1, raw.ndim + 1) for c in combinations(range(raw.ndim), n)):
            wrong = np.sum(raw, axis=axes)
            if wrong.size == total.size and np.array_equal(wrong.reshape(shape), total):
                continue
            kept = np.sum(raw, axis=axes, keepdims=True)
            forms = [wrong, kept, kept.T, *([np.broadcast_to(kept, shape)] if broadcasts(kept.shape, shape) else [])]
            if any(map(step.matches, forms)):
                yield Finding(
                    WRONG_AXIS, f"it is summed over axis {_listed(axes)} of {raw.shape}; the result has shape {shape}"
                )


def _activations(step: Step) -> Iterator[Finding]:
    """The factor of an elementwise function between two nodes of one shape: left out, or another's."""
    for u in dict.fromkeys((step.node, *step.between, *(e.x for e in step.edges if _ends(e.y)))):
        ahead = [y for y in dict.fromkeys(e.y for e in step.edges) if y.shape == u.shape and y.order > u.order]
        arrives = _at(step, u)
        for x in (y for y in ahead if y in step.graph.names):
            g = step.homework.sent(x)
            d = step.carried({x: np.ones(x.shape)}, to=u)
            share = step.carried({x: g}, to=u)
            elementwise = np.allclose(d * g, share) and u.ndim > 0 and bool(np.any(g))
            for finding, factor in _other_factors(step, u, x, d, elementwise):
                if step.replaces(u, share, factor * g):
                    yield finding
            if np.allclose(share, arrives) and step.matches(step.expected + step.carried({u: g * (g > 0) - share})):
                yield Finding(WRONG_MASK, f"the mask is of the gradient, d{step.name(x)} > 0, not of {step.name(u)}")


def _other_factors(step: Step, u: Tensor, x: Tensor, d: Array, elementwise: bool) -> Iterator[tuple[Finding, Any]]:
    """What the derivative d of x by u could be mistaken for."""
    mask = elementwise and bool(np.all((d == 0) | (d == 1)))
    here = f"between {step.name(x)} and {step.name(u)}"
    own = f"the mask {here}" if mask else f"the derivative of {step.name(x)} by {step.name(u)}"
    yield Finding(MISSING_MASK if mask else MISSING_FACTOR, f"{own} is missing"), 1.0
    if not elementwise:
        return
    if not mask:
        yield Finding(WRONG_FACTOR, f"{own} is applied twice"), d * d
    right = {
        form for form, f in _FORMS.items() if any(np.allclose(f(step.homework.value(m)), d, 1e-5, 1e-6) for m in (u, x))
    }
    for m, name in sorted(step.homework.arrays, key=lambda named: named[0].shape != u.shape):
        if not broadcast_together(m.shape, u.shape):
            continue
        for form, f in (*_FORMS.items(), ("the derivative taken at {}", lambda a: step.derivative_at(u, x, a))):
            factor = f(step.homework.value(m))
            if factor is None or np.array_equal(factor, d):
                continue
            if np.allclose(factor, d, 1e-5, 8 * step.homework.epsilon):
                yield Finding(RIGHT, f"{form.format(name)} is {own}"), factor
                continue
            kind = WRONG_MASK if mask else PRE_POST if m is u or m is x else OPERAND
            if not mask and form in _FORMS and form not in right:
                kind = WRONG_FACTOR
            yield Finding(kind, f"{form.format(name)} stands where {own} belongs"), factor


_FORMS: dict[str, Callable[[Any], Any]] = {
    "{} > 0": lambda a: a > 0,
    "{} >= 0": lambda a: a >= 0,
    "{} < 0": lambda a: a < 0,
    "{} itself": lambda a: a,
    "{0} * (1 - {0})": lambda a: a * (1 - a),
    "1 - {}": lambda a: 1 - a,
    "1 - {}**2": lambda a: 1 - a * a,
}


def _products(step: Step) -> Iterator[Finding]:
    """A matrix product with a factor not transposed, its factors exchanged, or multiplied elementwise."""
    for (y, i, x), raw, _ in step.shares:
        if y.function is not np.matmul or raw.ndim != 2:
            continue
        g, other = np.asarray(step.homework.sent(y)), step.values.of(y)[1][1 - i]
        if g.ndim != 2 or np.ndim(other) != 2:
            continue
        name = _argument(step, y, 1 - i)
        for turned_g, as_it_is, exchanged in product((False, True), repeat=3):
            factors = (g.T if turned_g else g), (other if as_it_is else other.T)
            left, right = factors if (i == 0) != exchanged else factors[::-1]
            if left.shape[1] != right.shape[0] or not step.replaces(x, raw, left @ right):
                continue
            if exchanged and turned_g and as_it_is:
                yield Finding(TRANSPOSED, "the product is the transpose of what it should be")
            elif exchanged:
                place = "first" if i == 0 else "second"
                yield Finding(ORDER, f"the factors are exchanged: d{step.name(y)} comes {place}")
            else:
                yield Finding(TRANSPOSED, f"d{step.name(y)} is transposed" if turned_g else f"{name} is not transposed")
        for p in (other, other.T):
            if broadcasts(p.shape, g.shape) and step.replaces(x, raw, g * p):
                yield Finding(ORDER, f"{name} is multiplied elementwise (*); a matrix product (@) belongs here")


def _operands(step: Step) -> Iterator[Finding]:
    """Another value where a rule takes one: of another layer, of before the activation, transposed."""
    named = [(m, step.homework.value(m), name) for m, name in step.homework.arrays]
    for edge, raw, _ in step.shares:
        y, i, x = edge
        result, args = step.values.of(y)
        for j, (owner, a) in enumerate(zip((y, *y.operands), (result, *args), strict=True)):
            factor = y.function is np.matmul and j == 2 - i  # the other factor, of whatever shape fits
            for m, value, name in named:
                if m is owner or not np.ndim(a) or (np.shape(a) != value.shape and not factor):
                    continue
                for q, called in ((value, name), (value.T, f"{name}.T"))[: 1 + factor]:
                    seen = (q, args) if j == 0 else (result, (*args[: j - 1], q, *args[j:]))
                    candidate = step.tried(edge, step.homework.sent(y), seen)
                    if candidate is None or np.array_equal(candidate, raw, equal_nan=True):
                        continue
                    if step.replaces(x, raw, candidate):
                        known = owner is not None and owner in step.graph.names
                        right = step.name(owner) if known and owner is not None else "another value"
                        yield Finding(_kind_of_operand(step, owner, m), f"{called} stands where {right} belongs")


def _kind_of_operand(step: Step, owner: Tensor | None, m: Tensor) -> str:
    """A value before its activation for the one after it, or the other way round, is a mistake of its own."""
    if owner is None or m.shape != owner.shape or (m.function is None and owner.function is None):
        return OPERAND
    late, early = (m, owner) if m.order > owner.order else (owner, m)
    return PRE_POST if _elementwise_of(late, early) else OPERAND


def _elementwise_of(late: Tensor, early: Tensor) -> bool:
    """Whether one node is computed from another by elementwise functions of nothing else."""
    stack, seen = [late], {late}
    found = False
    while stack:
        node = stack.pop()
        if node is early:
            found = True
            continue
        if not isinstance(node.function, np.ufunc) or node.function is np.matmul or len(seen) > 50:
            return False
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return found


def _upstream(step: Step) -> Iterator[Finding]:
    """The gradient of another node sent on in place of the right one."""
    named = {x: step.homework.sent(x) for x in step.graph.names if x in step.homework.edges}
    for source in step.sources:
        edges = [edge for edge in step.edges if edge.y is source]
        rest = step.expected - step.parts["d" + step.name(source)]
        for other, g in named.items():
            if other is source or other is step.node:
                continue
            shares = [_sent_instead(step, edge, g) for edge in edges]
            if all(share is not None for share in shares) and step.matches_sum(sum(shares), rest):
                yield Finding(UPSTREAM, f"d{step.name(other)} stands where d{step.name(source)} belongs")


def _sent_instead(step: Step, edge: Edge, g: Any) -> Any:
    """What arrives at the node along an edge from a source with another gradient there; None where it does not fit."""
    c = step.tried(edge, g, step.values.of(edge.y))
    if c is None or (edge.x is step.node and not fits(c, edge.x)):
        return c
    if not fits(c, edge.x):
        return step.carried({edge.x: np.broadcast_to(c, edge.x.shape)}) if broadcasts(c.shape, edge.x.shape) else None
    return step.carried({edge.x: unbroadcast(c, edge.x.shape)})


def _stale(step: Step) -> Iterator[Finding]:
    """A leaf after its update: the answer is linear in the step size, and the fit gives it."""
    homework = step.homework
    for edge, raw, _ in step.shares:
        result, args = step.values.of(edge.y)
        for j, w in enumerate(edge.y.operands):
            if w is None or w.function is not None or not w.requires_grad:
                continue
            for d in (homework.given.get(w), homework.truth_of(w)):
                if d is None or not np.any(d):
                    continue
                moved = step.tried(edge, homework.sent(edge.y), (result, (*args[:j], args[j] - d, *args[j + 1 :])))
                if moved is None or moved.shape != raw.shape:
                    continue
                direction = step.carried({edge.x: unbroadcast(moved - raw, edge.x.shape)})
                t = None if _parallel(direction, step.expected) else step.multiple(direction, step.expected)
                if t is not None and step.telling(direction):  # parallel to all of it, a factor would look the same
                    updated = f"{step.name(w)} {'-' if t > 0 else '+'} {abs(t):.4g} * d{step.name(w)}"
                    yield Finding(STALE, f"{step.name(w)} was updated before it was used: {updated}")


# --- what the kinds share ---------------------------------------------------------------------------------------------


def _at(step: Step, u: Tensor) -> Any:
    return step.expected if u is step.node else step.homework.sent(u)


def _ends(y: Tensor) -> bool:
    """Whether a node is no elementwise function, so that a chain of these ends at its arguments or its result."""
    return not isinstance(y.function, np.ufunc) or y.function is np.matmul


def _is(t: float, k: float, step: Step, direction: Any) -> bool:
    return abs(t - k) <= max(1e-9, 2 * step.slack / float(np.max(np.abs(direction))))


def _parallel(a: Any, b: Any) -> bool:
    return bool(np.vdot(a, b) ** 2 >= (1 - 1e-9) * np.vdot(a, a) * np.vdot(b, b))


def _simple(t: float) -> bool:
    return any(abs(abs(t) - k) < 1e-6 * k for k in (1, 2, 0.5))


def _factor_in_words(step: Step, t: float, direction: Any) -> str | None:
    """A factor that is known: 2, the length of an axis or a number of the computation, turned over or squared."""
    for k, words in step.homework.factors.items():
        if _is(t, k, step, direction):
            return words
    return None


def _through(step: Step, edge: Edge) -> str:
    return step.name(edge.y) if edge.y in step.graph.names else f"{edge.y.op}"


def _argument(step: Step, y: Tensor, j: int) -> str:
    x = y.operands[j]
    return "a constant" if x is None else step.name(x)


def _listed(axes: tuple[int, ...]) -> str:
    return " and ".join(map(str, axes))


def _shapes(step: Step) -> str:
    return "" if step.answer.shape == step.expected.shape else f": {step.answer.shape} for {step.expected.shape}"


def _first_not_finite(step: Step) -> Finding:
    index = tuple(int(k) for k in np.argwhere(~np.isfinite(step.answer))[0])
    count = int(np.sum(~np.isfinite(step.answer)))
    where = f" at {list(index)}" if index else ""
    return Finding(
        NOT_FINITE,
        f"{step.answer[index]}{where}, the first of {count} of {step.answer.size} entries; a finite number is expected",
    )


def unknown(step: Step) -> Finding:
    """What can be said of a mistake of no kind: how far off, and where."""
    a, e = step.answer, step.expected
    if a.shape != e.shape:
        return Finding(SHAPE, f"its shape is {a.shape} and should be {e.shape}")
    rest = np.abs(a - e)
    worst = tuple(int(k) for k in np.unravel_index(np.argmax(rest), rest.shape))
    share = np.mean(rest > step.slack)
    with np.errstate(all="ignore"):
        ratio = a[e != 0] / e[e != 0]
    ratios = (
        f"ratio {np.min(ratios_ := ratio):.4g} to {np.max(ratios_):.4g}, median {np.median(ratios_):.4g}; "
        if ratio.size
        else ""
    )
    at = f" at {list(worst)}" if worst else ""
    return Finding(
        UNKNOWN,
        f"wrong here, of no kind I know: {ratios}{share:.0%} of the entries are off, worst{at} by {rest[worst]:.4g} "
        f"({a[worst]:.6g} for {e[worst]:.6g})",
    )


Question = Callable[[Step], Iterator[Finding]]
_OF_THE_WHOLE: tuple[Question, ...] = (_shape, _sums, _factor, _terms, _transposed)
_OF_THE_PARTS: tuple[Question, ...] = (
    *(_activations, _products, _operands, _upstream, _stale),
    *(_no_path, _chained, _term_gradient, _paths),
)
