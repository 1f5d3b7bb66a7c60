"""What is wrong with a step: what concerns it as a whole, then the smallest edit of its right line that explains it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.readings.derive.derivation import Derivation
from minigrad.text.expressions import parts_of
from minigrad.text.numpy_code import Names
from minigrad.text.words import printable

from .kinds import Kind
from .lines import RightLine, RightLines
from .replay import part_of
from .search import Fit, Search
from .steps import Homework, Step, agrees
from .wording import Finding, Words, times, written

Wrong = dict[Tensor, tuple[list[Finding], set[Tensor]]]  # what is wrong with a step, and the others it explains

_FLOAT32_ROUNDING = 1e-5  # a factor nearer to 1 is a constant rounded to float32
_MAX_LESS_LIKELY = 0.15  # than the first, of what is told beside it
_MAX_NAMES = 80  # of a graph whose lines are searched as a whole
_MAX_NODES = 1_000  # of the same
_MAX_STEPS_CUT_OUT = 20  # of a larger graph
_MAX_CORRECTION_LINES = 10  # temporaries included; a longer one is not shown
_FEW_CORRECTION_LINES = 4
_MAX_SENDERS = 100  # of a step that is asked what each contributes
_MAX_WORK_OF_TWO = 30_000  # parts that are computed for two edits that depend on one another
_MAX_FITS_IN_WORDS = 8  # the likeliest
_MAX_SHORT_OPERATIONS = 10  # that an edit may exchange at no cost
_WEIGHT_OF_LENGTH = 0.02  # of each more
_MAX_PARTS = 400  # of a line; longer ones are asked only what concerns them as a whole


class Diagnosis:
    """The findings for the steps of one homework.

    In a graph of many names the first wrong steps are cut out, and each has a diagnosis of its own, so that the time
    does not grow with the square of the names.
    """

    def __init__(self, homework: Homework) -> None:
        self.homework = homework
        self._lines: dict[tuple[RightLines, Tensor], RightLine | None] = {}
        self._parts: dict[Tensor, tuple[Diagnosis, Step]] = {}
        self._searches: dict[Tensor, list[Search]] = {}

    @cached_property
    def form(self) -> RightLines | None:
        """The right lines by way of every name; None where the graph has many."""
        graph = self.homework.graph
        return RightLines(self.homework) if len(graph.names) <= _MAX_NAMES and len(graph.nodes) <= _MAX_NODES else None

    @cached_property
    def direct(self) -> RightLines:
        """The right lines of which each is one step, as a course writes it that names less."""
        return RightLines(self.homework, self.homework.answers)

    @cached_property
    def derivation(self) -> Derivation | None:
        """The lines by way of every name, to be written."""
        return Derivation(self.form.lines) if self.form else None

    def _near(self, step: Step) -> "tuple[Diagnosis, Step]":
        """Return the diagnosis that has the lines of a step, and the step in it."""
        if self.form or step.node in self._parts or len(self._parts) == _MAX_STEPS_CUT_OUT:
            return self._parts.get(step.node, (self, step))
        part = part_of(step)
        self._parts[step.node] = (self, step) if part is None else (Diagnosis(part.homework), part.step(step))
        return self._parts[step.node]

    def right_line(self, step: Step) -> tuple[Step, RightLine | None]:
        """Return a step, in its part where the graph is large, and its right line, None where there is none."""
        near, step = self._near(step)
        return step, near._line(near.form, step) if near.form else None

    def correction(self, step: Step, right: str = "") -> tuple[str, ...]:
        """Return the lines that lead to a step, ``right`` among them, and comments on what is no name of the learner's.

        Of the derivation's lines those are left out that the others do not use.
        """
        near, step = self._near(step)
        if near.derivation is None:
            return (right,) if right else ()
        found: dict[str, str] = {}
        right = right or near._closed_statement(step)
        for node in [*step.between, step.node]:
            with suppress(KeyError):  # a constant has no line
                line = near.derivation.line("d" + step.graph.names[node])
                found[_target(line)] = line
        if right and not right.endswith("…"):
            found = ({} if _target(right) in found else {_target(right): right}) | found
            found[_target(right)] = right
        wanted, shown = {_target(right), *[*found][-1:]}, list[str]()
        for symbol, line in reversed(found.items()):
            if symbol in wanted and (len(shown) < _FEW_CORRECTION_LINES or symbol == _target(right)):
                shown.insert(0, line)
                wanted |= {*_identifiers(line)}
        return tuple(
            [re.sub(r"\d\.\d{7,}", lambda n: f"{float(n[0]):.6g}", line) for line in near._with_temporaries(shown)]
        )

    def _with_temporaries(self, lines: list[str]) -> tuple[str, ...]:
        """Return lines with those of the temporaries that they use before them, and comments after them."""
        assert self.derivation is not None
        derivation, comments, arrays = self.derivation, list[str](), dict[str, dict[str, None]]()
        for name in (waiting := [name for line in lines for name in _identifiers(line)]):
            if re.fullmatch(r"d?t\d+", name) and not any(line.startswith(f"{name} = ") for line in lines):
                with suppress(KeyError):  # the learner's own
                    if len(lines) > _MAX_CORRECTION_LINES:
                        return ()
                    lines = [derivation.line(name), *lines]
                    waiting += _identifiers(lines[0])
            elif name in _HELPERS:
                comments.append(f"# {_HELPERS[name]}")
            elif re.fullmatch(r"c\d+", name) and name not in self.homework.graph.by_name:
                for line in self._uses(name):
                    arrays.setdefault(line, {})[name] = None
        return (
            *lines,
            *dict.fromkeys(comments),
            *(f"# {', '.join(names)} as in {line}" for line, names in arrays.items()),
        )

    def _uses(self, constant: str) -> list[str]:
        """Return the first line of the forward pass that an array without a name is in."""
        assert self.form is not None
        lines = self.form.lines.forward.values()
        using = (line for line in lines if any(e.value == constant for e in parts_of(line.expressions)))
        return [self.derivation.line(line.symbol.value) for line in islice(using, 1) if self.derivation is not None]

    def follows(self, step: Step) -> bool:
        """Return True if the answer is what a right line gives, though another form of it would round less."""
        return any(step.matches(line.values[line.root]) for line in self._lines_of(step))

    def of(self, step: Step, others: Sequence[Step] = (), thorough: bool = True) -> tuple[list[Finding], set[Tensor]]:
        """Return all that gives the learner's numbers, the likeliest first, one finding per kind; may be empty.

        Where the search is not ``thorough`` only likely edits are tried.

        The second result are those of other wrong steps that the first finding explains too.
        """
        if not np.all(np.isfinite(step.answer)):
            return [_first_not_finite(step)], set()
        with np.errstate(all="ignore"):
            whole = [*_shape(step), *_exchanged(step), *_factor(step), *_terms(step)]
            certain = any(finding.kind is not Kind.FACTOR for finding in whole)
            near, own = self._near(step)
            fits = [] if certain and not (step.between and others) else near._fits(own, bool(whole) or not thorough)
            edited, shared = self._told(fits, near, own, others)
            first = certain and not (shared and np.any(step.answer))
            findings = [*whole, *edited] if first else [*edited, *whole]
            found: dict[Kind, Finding] = {}
            for finding in findings:
                if finding.text not in [other.text for other in found.values()]:
                    found.setdefault(finding.kind, finding)
            return list(found.values()), shared

    def of_two(self, step: Step, others: Sequence[Step]) -> tuple[list[Finding], set[Tensor]]:
        """Return what two edits explain, where one alone explains nothing; the second result as of ``of``."""
        near, own = self._near(step)
        with np.errstate(all="ignore"):
            searches = near._searches.get(own.node, [])
            fits = [fit for s in searches for fit in (*s.pairs(), *s.nested(_MAX_WORK_OF_TWO // len(searches)))]
            return self._told(fits, near, own, others)

    def _told(
        self, fits: list[Fit], near: "Diagnosis", own: Step, others: Sequence[Step]
    ) -> tuple[list[Finding], set[Tensor]]:
        """Return the likeliest fits in words, and the other steps that the first one explains."""
        explained = {id(fit): self._explained(fit, others) if near is self else [] for fit in fits}
        fits = sorted(fits, key=lambda fit: (-len(explained[id(fit)]), _cost(fit)))
        told = [fit for fit in fits[:_MAX_FITS_IN_WORDS] if fit.weight <= fits[0].weight + _MAX_LESS_LIKELY]
        return [Words(own, fit).finding() for fit in told], set(explained[id(fits[0])]) if fits else set()

    def _explained(self, fit: Fit, others: Sequence[Step]) -> list[Tensor]:
        """Return the other steps whose answers an edit gives too, because their lines share what is edited."""
        found = []
        for step in others:
            line, changes = self._line(fit.line.lines, step), fit.everything if fit.factor is None else fit.changes
            if line is not None and all(place in line.values for place in changes):
                with suppress(Exception):  # a part of another shape does not fit there
                    if step.matches((fit.factor or 1.0) * np.asarray(line.rewritten(changes))):
                        found.append(step.node)
        return found

    def _fits(self, step: Step, likely: bool) -> list[Fit]:
        """Return the edits that give the learner's numbers, the likeliest first; with ``likely`` none but those."""
        searches = [Search(step, line) for line in (*self._closed(step), *self._lines_of(step))]
        found = [fit for search in searches for fit in search.likely()]
        k = step.multiple(step.expected) if likely and step.between else None
        if k is not None and (step.known_factor(k) or abs(k + 1) < _FLOAT32_ROUNDING):
            found += [fit for search in searches for fit in search.upstream(k)]
        if likely or found:
            return sorted(found, key=lambda fit: fit.weight)
        found = [fit for search in searches for fit in (*search.unlikely(), *search.by_amount())]
        if not found:
            factors = (-1.0, *self.homework.numbers.factors)
            for s in searches:
                found += [*s.summands(), *s.with_a_factor(factors), *s.on_some_entries()]
        self._searches[step.node] = searches
        return sorted(found, key=lambda fit: fit.weight)

    def _closed(self, step: Step) -> list[RightLine]:
        """Return the right line of a step from the cost, with the gradient of the output as output minus target."""
        if self.form is None or {*step.sources} - {self.homework.graph.root}:
            return []
        line = self._line(self.form, step)
        closed = self.form.closed(line) if line is not None else None
        return [closed] if closed is not None else []

    def _closed_statement(self, step: Step) -> str:
        """Return the right statement of a step as output minus target, where it is that; else nothing."""
        names = self.form.lines.gradients if self.form else {}
        open_line = self._line(self.form, step) if self.form else None
        closed = [line for line in self._closed(step) if open_line is not None and line.root is not open_line.root]
        return f"{names[step.node].value} = {written(closed[0].root, Names()).code}" if closed else ""

    def _lines_of(self, step: Step) -> Iterator[RightLine]:
        """Yield the right lines of a step: by way of every name, and in one line where that is another."""
        first = self._line(self.form, step) if self.form else None
        if first is not None:
            yield first
        if self.form and step.between:
            line = self._line(self.direct, step)
            if line is not None and (first is None or line.code != first.code):
                yield line

    def _line(self, form: RightLines, step: Step) -> RightLine | None:
        """Return the right line of a step, None where it is too long or has other gradients in it than the step has."""
        key = form, step.node
        if key not in self._lines:
            self._lines[key] = None
            if step.node in form.lines.backward:
                line = RightLine(form, step.node)
                used = {x for e in line.order if (x := form.gradients.get(e)) in self.homework.answers}
                if used <= {*step.sources, self.homework.graph.root} and len(line.order) <= _MAX_PARTS:
                    self._lines[key] = line
        return self._lines[key]


def _cost(fit: Fit) -> float:
    """Return how far down a fit is in the order of telling: the unlikely, and the long."""
    return fit.weight + _WEIGHT_OF_LENGTH * max(0, fit.place.size - _MAX_SHORT_OPERATIONS)


_HELPERS = {
    "scatter": "scatter(g, index, shape) is zeros of a shape, with g added at an index",
    "one_hot": "one_hot is 1 at the labels and 0 elsewhere",
}


def _target(line: str) -> str:
    return line.partition(" = ")[0]


def _identifiers(line: str) -> list[str]:
    """Return the names on the right side of a statement."""
    return re.findall(r"(?<![\w.])[^\W\d]\w*", line.partition(" = ")[2])


# --- the step as a whole ----------------------------------------------------------------------------------------------


def _shape(step: Step) -> Iterator[Finding]:
    a, shape = step.answer, step.expected.shape
    if a.shape == shape:
        return
    if a.size == step.expected.size and step.matches(step.expected.reshape(a.shape)):
        mend = "keepdims=True is missing in a sum" if a.ndim < len(shape) else "reshape it"
        yield Finding(Kind.SHAPE, f"the numbers are right, but the shape is {a.shape} and should be {shape}: {mend}")


def _factor(step: Step) -> Iterator[Finding]:
    t = step.multiple(step.expected)
    if t is None:
        return
    if _is(t, -1, step, step.expected):
        yield Finding(Kind.SIGN, "the sign is wrong: multiply by -1" + _downhill(step))
    elif _is(t, 0, step, step.expected):
        yield Finding(Kind.MISSING_PATH, "it is zero, but a gradient does arrive here")
    elif words := step.known_factor(t):
        yield Finding(Kind.FACTOR, f"it is {words}")


def _exchanged(step: Step) -> Iterator[Finding]:
    """Yield a finding where the answer is the gradient of another node."""
    homework = step.homework
    for other, expected in homework.expected.items():
        if other is not step.node and expected.shape == step.answer.shape and step.matches(expected):
            own, name = homework.name(step.node), homework.name(other)
            both = agrees(homework.answers[other], step.expected, step.slack)
            text = f"it is the gradient of {name}" + (f": d{own} and d{name} are exchanged" if both else "")
            apart = other not in homework.computed_from([step.node]) and step.node not in homework.computed_from(
                [other]
            )
            if apart and step.telling(expected):
                yield Finding(Kind.UPSTREAM, text)
                return


def _downhill(step: Step) -> str:
    """Return what is added where all gradients have the other sign, so that it may be meant."""
    homework = step.homework
    if len(homework.answers) < 2 or any(agrees(a, homework.truth[x], step.slack) for x, a in homework.answers.items()):
        return ""
    turned = all(agrees(-a, homework.truth[x], homework.loose[x]) for x, a in homework.answers.items())
    return (
        " (all others follow: if they point down the hill, to be added to the weights, it is meant so)"
        if turned
        else ""
    )


def _terms(step: Step) -> Iterator[Finding]:
    """Yield what one of several senders contributes, where it is left out, doubled, or off by a factor."""
    if len(step.sources) > _MAX_SENDERS or len(step.parts) < 2:
        return
    for name, part in step.parts.items():
        t = step.multiple(part, step.expected - part)
        if t is None or abs(t - 1) < _FLOAT32_ROUNDING:
            continue
        is_term = name in map(printable, step.graph.terms)
        what = f"the {name} term" if is_term else f"what comes through {name}"
        what = f"{name} of the cost" if is_term and re.fullmatch(r"term( \d+)?", name) else what
        if _is(t, 0, step, part):
            yield Finding(Kind.MISSING_TERM if is_term else Kind.MISSING_PATH, f"{what} is missing")
        elif _is(t, 2, step, part):
            yield Finding(Kind.DOUBLED_TERM if is_term else Kind.DOUBLED_PATH, f"{what} is added twice")
        elif _is(t, -1, step, part):
            yield Finding(Kind.SIGN, f"{what} has the wrong sign")
        else:
            words = step.known_factor(t)
            if words or (is_term and step.telling(part)):
                yield Finding(Kind.FACTOR, f"{what} is {words or times(t)}")


def _is(t: float, k: float, step: Step, direction: np.ndarray) -> bool:
    return abs(t - k) <= max(1e-9, 2 * step.slack / float(np.max(np.abs(direction))))


def _first_not_finite(step: Step) -> Finding:
    index = tuple(int(k) for k in np.argwhere(~np.isfinite(step.answer))[0])
    count = int(np.sum(~np.isfinite(step.answer)))
    where = f" at {list(index)}" if index else ""
    return Finding(
        Kind.NOT_FINITE,
        f"{step.answer[index]}{where}, the first of {count} of {step.answer.size} entries; a finite number is expected",
    )


def unknown(step: Step) -> Finding:
    """Return what can be said of a mistake of no kind: by what factor, or how far off, and where."""
    a, e = step.answer, step.expected
    t = step.multiple(e)
    if t is not None and np.count_nonzero(e) > 1:
        return Finding(Kind.FACTOR, f"it is {times(t)}")
    if a.shape != e.shape:
        return Finding(Kind.SHAPE, f"its shape is {a.shape} and should be {e.shape}")
    rest = np.abs(a - e)
    worst = tuple(int(k) for k in np.unravel_index(np.argmax(rest), rest.shape))
    share = np.mean(rest > step.slack)
    with np.errstate(all="ignore"):
        ratio = a[e != 0] / e[e != 0]
    ratios = ""
    if ratio.size:
        ratios = f"ratio {np.min(ratio):.4g} to {np.max(ratio):.4g}, median {np.median(ratio):.4g}; "
    at = f" at {list(worst)}" if worst else ""
    return Finding(
        Kind.UNKNOWN,
        f"wrong here, of no kind I know: {ratios}{share:.0%} of the entries are off, worst{at} by {rest[worst]:.4g} "
        f"({a[worst]:.6g} for {e[worst]:.6g})",
    )
