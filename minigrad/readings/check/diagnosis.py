"""What is wrong with a step: what concerns it as a whole, then the smallest edit of its right line that explains it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.text.words import printable

from .kinds import Kind
from .lines import RightLine, RightLines
from .replay import part_of
from .search import MAX_WORK, Fit, Search
from .steps import Homework, Step, agrees
from .wording import Finding, Words, correction, times

Wrong = dict[Tensor, tuple[list[Finding], set[Tensor]]]  # what is wrong with a step, and the others it explains

_FLOAT32_ROUNDING = 1e-5  # a factor nearer to 1 is a constant rounded to float32
_MAX_LESS_LIKELY = 0.15  # than the first, of what is told beside it
_MAX_NAMES = 80  # of a graph whose lines are searched as a whole
_MAX_NODES = 1_000  # of the same
_MAX_STEPS_CUT_OUT = 20  # of a larger graph
_MAX_SENDERS = 100  # of a step that is asked what each contributes
_MAX_WORK_OF_ALL = 60_000  # parts that are computed for all steps, except that each is granted the least
_MIN_WORK = 2_000  # the least that is granted to a line, however much was spent before
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

    def _near(self, step: Step) -> "tuple[Diagnosis, Step]":
        """Return the diagnosis that has the lines of a step, and the step in it."""
        if self.form or step.node in self._parts or len(self._parts) == _MAX_STEPS_CUT_OUT:
            return self._parts.get(step.node, (self, step))
        part = part_of(step)
        self._parts[step.node] = (self, step) if part is None else (Diagnosis(part.homework), part)
        return self._parts[step.node]

    def right_line(self, step: Step) -> tuple[Step, RightLine | None]:
        """Return a step, in its part where the graph is large, and its right line, None where there is none."""
        near, step = self._near(step)
        return step, near._line(near.form, step) if near.form else None

    def correction(self, step: Step, fit: Fit | None = None) -> tuple[str, ...]:
        """Return the lines that lead to a step, those of the finding that is told where an edit is."""
        near, own = self._near(step)
        lines = [fit.line] if fit is not None else [*near._closed(own), *near._lines_of(own)]
        return correction(lines[0], lines[0].root if fit is None else fit.place) if lines else ()

    def follows(self, step: Step) -> bool:
        """Return True if the answer is what a right line gives, though another form of it would round less."""
        values = [line.values[line.root] for line in self._lines_of(step)]
        return any(step.matches(a) and step.homework.is_single(step.node, a) for a in values)

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
        spent = sum(search.work for searches in self._searches.values() for search in searches)
        most = max(_MIN_WORK, min(MAX_WORK, (_MAX_WORK_OF_ALL - spent) // 4))
        searches = [Search(step, line, most=most) for line in (*self._closed(step), *self._lines_of(step))]
        self._searches[step.node] = searches
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
                found += [*s.with_a_factor(factors), *s.on_some_entries()]
        return sorted(found, key=lambda fit: fit.weight)

    def _closed(self, step: Step) -> list[RightLine]:
        """Return the right line of a step from the cost, with the gradient of the output as output minus target."""
        if self.form is None or {*step.sources} - {self.homework.graph.root}:
            return []
        line = self._line(self.form, step)
        closed = self.form.closed(line) if line is not None else None
        return [closed] if closed is not None else []

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
    turned = all(agrees(-a, homework.truth[x], homework.slack[x]) for x, a in homework.answers.items())
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
