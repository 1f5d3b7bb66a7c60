"""The search for the smallest edit of the right line that gives the learner's numbers.

All edits of the table are tried at all parts of the line, in the same way. Trying one means to compute the part as
edited. What that makes of the line follows without computing it where the line is linear in the part: a weighted sum of
the line's entries changes by the cotangent of the part times the change. The weights are random, so lines of equal sums
are equal; the few candidates that have the sums of the learner's numbers are computed in full.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice, takewhile
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad.engine.arrays import Array, Value
from minigrad.text.expressions import LITERAL, Expr

from .edits import DIRECTIONS, EDITS, Edit
from .kinds import Kind
from .lines import Call, Formula, RightLine, with_argument
from .steps import Step, broadcasts

_PROBE_COUNT = 3  # weighted sums by which lines are told apart
_SUM_ROUNDING = 1e-9  # relative
MAX_WORK = 8_000  # parts that are computed for one line, candidates included
_FLOAT32_ROUNDING = 1e-5  # a smaller change of a number is a constant rounded to float32
_MAX_EDITS_ALIKE = 40  # of a row at parts that are alike
MAX_LIKELY_WEIGHT = 1.2  # of an edit that is tried first, and together with another
_MAX_LESS_LIKELY = 0.1  # two edits of which one depends on the other
_MAX_USERS = 3  # parts that use what the other edit has changed
_MAX_ALIKE = 4  # parts; of more, all are edited at once before one is

T = TypeVar("T")


class Fit(NamedTuple):
    """An edit that gives the learner's numbers: what stands for some parts of a line.

    ``about`` is what an edit by an amount says of itself, ``amount`` the number that was fitted; ``second`` another
    edit that is needed too.
    """

    weight: float
    edit: Edit
    line: RightLine
    changes: dict[Expr, Formula]
    amount: float | None = None
    about: Any = None
    second: "Fit | None" = None

    @property
    def place(self) -> Expr:
        """The first part that the edit changes."""
        return next(iter(self.changes))

    @property
    def new(self) -> Formula:
        """What stands for the first part that is changed."""
        return self.changes[self.place]

    @property
    def factor(self) -> float | None:
        """The factor of the whole that is needed too, where the second edit is one."""
        second = self.second
        return None if second is None or second.edit is not _SCALED or second.amount is None else 1 + second.amount

    @property
    def everything(self) -> dict[Expr, Formula]:
        """The changes of this edit and the second one."""
        return self.changes | (self.second.changes if self.second is not None else {})


class Candidate(NamedTuple):
    """An edit of the table, and what it puts for which parts of the line."""

    edit: Edit
    changes: dict[Expr, Formula]


class Search:
    """The candidates for one step in one form of its line, and what each makes of the line's weighted sums."""

    def __init__(self, step: Step, line: RightLine, table: Sequence[Edit] = EDITS, most: int = MAX_WORK) -> None:
        self.step, self.line, self.table, self.most = step, line, table, most
        rng = np.random.default_rng(0)
        shape = step.answer.shape
        self.weights = [rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape) for _ in range(_PROBE_COUNT)]
        self.off = np.abs(step.answer - step.expected) > step.slack if shape == step.expected.shape else None
        if self.off is not None:
            self.weights.append(self.weights[0] * self.off)
        self.target = self._sums(step.answer)
        self.right = np.asarray(line.values[line.root])
        self.base = self._sums(self.right) if shape == self.right.shape else None
        slack = np.array([step.slack * np.sum(np.abs(w)) for w in self.weights])
        self.tolerance = slack + _SUM_ROUNDING * (np.abs(self.target) + 1e-300)
        self.work = 0
        self.rates = self._rates()
        self.candidates: list[Candidate] = []
        self.misfits: list[Candidate] = []  # edits that give their place a shape with which the rest cannot go on
        self.sums: list[Array] = []
        self._rows = np.empty((0, len(self.weights)))

    def _sums(self, a: Value) -> Array:
        return np.array([np.vdot(w, a) for w in self.weights])

    def _rates(self) -> dict[Expr, Array]:
        """Return, for each part in which the line is linear, its cotangents from the weighted sums, one a row."""
        if self.base is None:
            return {}
        try:
            found = self.line.rates(self.weights)
        except Exception:  # a function may have no derivative where the line uses it
            return {}
        rng = np.random.default_rng(1)
        linear = {}
        for e in found[0]:
            rate = np.stack([np.asarray(f[e], float).ravel() for f in found])
            a = np.asarray(self.line.values[e])
            moved = a + rng.uniform(0.5, 1.5, a.shape) * (1 + np.abs(a))
            root = self._rewritten({e: moved})
            if root is None:
                continue
            actual = self._sums(root) - self.base
            scale = np.abs(rate) @ np.abs(moved - a).ravel() + np.abs(self.base)
            if np.all(np.abs(rate @ (moved - a).ravel() - actual) <= 1e-9 * scale):
                linear[e] = rate
        return linear

    # --- single edits -------------------------------------------------------------------------------------------------

    def likely(self) -> list[Fit]:
        """Return the likely edits that give the learner's numbers, at one place or at all that are alike."""
        return self._singles([edit for edit in self.table if edit.weight <= MAX_LIKELY_WEIGHT])

    def unlikely(self) -> list[Fit]:
        """Return the other edits of the table that give the learner's numbers."""
        return self._singles([edit for edit in self.table if edit.weight > MAX_LIKELY_WEIGHT])

    def _singles(self, edits: list[Edit]) -> list[Fit]:
        for edit, place, new in self._while_short(self._every_edit(edits), self.most):
            self._try(edit, place, new)
        of_turns = self._of_turns() if edits[-1].weight > MAX_LIKELY_WEIGHT else iter(())
        for edit, changes in self._while_short(chain(self._everywhere(edits), of_turns), self.most):
            root = self._rewritten(changes)
            if root is not None and root.shape == self.step.answer.shape:
                self.candidates.append(Candidate(edit, changes))
                self.sums.append(self._sums(root))
        return self._fitting(1.0, 0.0)

    def _while_short(self, tries: Iterable[T], most: int) -> Iterator[T]:
        """Return what is tried, as long as it takes little enough work."""
        end = self.work + most
        return takewhile(lambda _: self.work < end, tries)

    def _stacked(self) -> Array:
        """Return the sums of all candidates, one a row."""
        if len(self._rows) < len(self.sums):
            self._rows = np.array(self.sums)
        return self._rows

    def _fitting(self, factor: float, weight: float) -> list[Fit]:
        """Return the candidates that give the learner's numbers up to a factor."""
        if not self.candidates:
            return []
        sums = factor * self._stacked()
        near = np.all(np.abs(sums - self.target) <= self.tolerance + _SUM_ROUNDING * np.abs(sums), axis=1)
        found = []
        for i in np.flatnonzero(near):
            edit, changes = self.candidates[i]
            if self._gives(changes, factor):
                found.append(Fit(edit.weight + weight, edit, self.line, changes))
        return found

    def _every_edit(self, edits: list[Edit]) -> Iterator[tuple[Edit, Expr, Formula]]:
        """Yield each edit at each part, the whole line first; a part that is used twice also at one of its uses.

        Gradients and their lines come first, and what many parts are like last: a slip in a loop is made in every turn.
        """
        lines = self.line.lines.definitions
        named = {self.line.root, *lines.keys(), *lines.values()}
        crowded = {e for group in self.line.alike if len(group) > _MAX_ALIKE for e in group}
        whole_first = self.line.order[::-1]
        for place in sorted(whole_first, key=lambda e: (e in crowded, e not in named)):
            for edit in edits:
                for new in edit.make(place, self.line):
                    yield edit, place, new
            for i, a in enumerate(place.args):
                if a.function is not LITERAL and self.line.is_shared(a):
                    for edit in edits:
                        for new in edit.make(a, self.line):
                            yield edit, place, with_argument(place, i, new)

    def _everywhere(self, edits: list[Edit]) -> Iterator[tuple[Edit, dict[Expr, Formula]]]:
        """Yield each edit at all parts that are alike, as a slip in a loop is made in every turn.

        A likely edit is also made at one of the uses of what each turn uses twice.
        """
        for group in (group for group in self.line.alike if not group[0].is_atom):
            for edit in edits:
                yield from _alike(edit, group, [edit.make(e, self.line) for e in group])
            for i in range(len(group[0].args)):
                if all(e.args[i].function is not LITERAL and self.line.is_shared(e.args[i]) for e in group):
                    for edit in (edit for edit in edits if edit.weight <= MAX_LIKELY_WEIGHT):
                        uses = [[with_argument(e, i, new) for new in edit.make(e.args[i], self.line)] for e in group]
                        yield from _alike(edit, group, uses)

    def _of_turns(self) -> Iterator[tuple[Edit, dict[Expr, Formula]]]:
        """Yield the values of another name in all turns of a loop: that of each turn, or of one before or after."""
        for group in self.line.alike:
            for family in self.line.families:
                for k in range(len(family) - len(group) + 1):
                    for news in (family[k : k + len(group)], family[k : k + len(group)][::-1]):
                        yield from ((_OF_TURNS, changes) for changes in _in_turns(group, news))

    def _try(self, edit: Edit, place: Expr, new: Formula) -> None:
        self.work += 1
        try:
            value = np.asarray(self.line.evaluate(new))
        except Exception:  # it does not fit its place
            return
        if value.dtype.kind not in "fbiu":
            return
        old = self.line.values[place]
        rate = self.rates.get(place)
        if rate is not None and broadcasts(value.shape, np.shape(old)):
            change = (value - old).ravel() if value.shape == np.shape(old) else (value - np.asarray(old)).ravel()
            if not np.any(change):
                return
            sums = self.base + rate @ change
        else:
            root = self._rewritten({place: value})
            if root is None and edit.weight <= MAX_LIKELY_WEIGHT:
                self.misfits.append(Candidate(edit, {place: new}))
            if root is None or root.shape != self.step.answer.shape:
                return
            if root.shape == self.right.shape and np.array_equal(root, self.right):
                return
            sums = self._sums(root)
        self.candidates.append(Candidate(edit, {place: new}))
        self.sums.append(sums)

    def _rewritten(self, changes: dict[Expr, Formula]) -> Array | None:
        """Return what a changed line is worth, repeated where the answer is larger, as += to an array of zeros does."""
        self.work += len(changes) + max(len(self.line.dependents(place)) for place in changes)
        try:
            a = np.asarray(self.line.rewritten(changes))
        except Exception:  # a part of another shape does not fit the rest
            return None
        larger = a.shape != self.step.answer.shape == self.right.shape and broadcasts(a.shape, self.right.shape)
        return np.broadcast_to(a, self.right.shape) if larger else a

    def _gives(self, changes: dict[Expr, Formula], factor: float = 1.0) -> bool:
        root = self._rewritten(changes)
        return root is not None and self.step.matches(factor * root)

    # --- edits by some amount -----------------------------------------------------------------------------------------

    def by_amount(self) -> list[Fit]:
        """Return the edits by an amount, such as a factor, of which some amount gives the learner's numbers."""
        if self.base is None:
            return []
        found = list(self._numbers())
        for e, rate in reversed(self.rates.items()):  # the whole first
            for edit in DIRECTIONS:
                for direction, about in edit.make(e, self.line):
                    t = self._amount(rate, direction, e)
                    if t is not None and abs(t) > _FLOAT32_ROUNDING:
                        new = Call(np.add, (e, t * direction)) if about is not None else scaled(e, 1 + t)
                        weight = (
                            1.0
                            if about is None and e is self.line.root and self.step.known_factor(1 + t)
                            else edit.weight
                        )
                        found.append(Fit(weight, edit, self.line, {e: new}, t, about))
        return found

    def _amount(self, rate: Array, direction: Value, e: Expr) -> float | None:
        old = self.line.values[e]
        if not broadcasts(np.shape(direction), np.shape(old)):
            return None
        direction = np.broadcast_to(direction, np.shape(old))
        p = rate @ np.asarray(direction, float).ravel()
        if not np.all(np.abs(p) > self.tolerance):
            return None
        t = (self.target - self.base) / p
        if not np.all(np.abs(t - t[0]) <= 1e-6 * (1 + np.abs(t[0])) + np.abs(self.tolerance / p)):
            return None
        best = float(np.median(t))
        root = self._rewritten({e: old + best * direction})
        if root is None or not self.step.matches(root):
            return None
        return best if self.step.telling(root - self.right) or abs(best - 1) < 1e-6 else None

    def _numbers(self) -> Iterator[Fit]:
        """Yield another number for one that the line has."""
        for e in reversed(self.line.order):
            for i, a in enumerate(e.args):
                c = self.line.values[a]
                if a.function is LITERAL and isinstance(c, int | float) and not isinstance(c, bool):
                    t = self._number(e, i, float(c))
                    if t is not None:
                        yield Fit(_NUMBER.weight, _NUMBER, self.line, {e: with_argument(e, i, t)}, t)

    def _number(self, e: Expr, i: int, c: float) -> float | None:
        """Return the number that gives the learner's numbers in place of an argument."""
        with suppress(Exception):  # a shape or an index is no number of the line
            slope = self._sums(self.line.rewritten({e: with_argument(e, i, c + 1)}) - self.right)[0]
            if abs(slope) > self.tolerance[0] and self.step.telling(self.right):
                t = float(round_off(c + (self.target - self.base)[0] / slope))
                if abs(t - c) > _FLOAT32_ROUNDING * abs(c) and self._gives({e: with_argument(e, i, t)}):
                    return t
        return None

    def upstream(self, k: float) -> Iterator[Fit]:
        """Yield a factor on each gradient that the line leads through, the last first."""
        for e in reversed(self.line.order):
            changes = {e: scaled(e, k)}
            if e in self.line.lines.definitions and self._gives(changes):
                yield Fit(_SCALED.weight, _SCALED, self.line, changes, k - 1)

    # --- several places -----------------------------------------------------------------------------------------------

    def with_a_factor(self, factors: Iterable[float]) -> list[Fit]:
        """Return the edits that give the learner's numbers up to a known factor."""
        found: list[Fit] = []
        for k in factors if self.step.telling(self.right) else ():
            second = Fit(1.5, _SCALED, self.line, {self.line.root: scaled(self.line.root, k)}, k - 1)
            found += [fit._replace(second=second) for fit in self._fitting(k, 1.5)]
        return found

    def pairs(self) -> list[Fit]:
        """Return pairs of edits at different places, independent of each other, that give the learner's numbers."""
        likely = [i for i, c in enumerate(self.candidates) if c.edit.weight <= MAX_LIKELY_WEIGHT]
        if self.base is None or len(likely) < 2:
            return []
        change = np.array([self.sums[i] for i in likely]) - self.base
        wanted = self.target - self.base
        tolerance = self.tolerance + 1e-8 * np.abs(wanted)
        order = np.argsort(change[:, 0])
        first, rest = change[order, 0], wanted[0] - change[:, 0]
        low = np.searchsorted(first, rest - tolerance[0])
        high = np.searchsorted(first, rest + tolerance[0], side="right")
        found = []
        for a in np.flatnonzero(high > low):
            for b in order[low[a] : high[a]]:
                if b > a and np.all(np.abs(change[a] + change[b] - wanted) <= tolerance):
                    found += self._together(self.candidates[likely[a]], self.candidates[likely[b]])
        return found

    def _together(self, one: Candidate, other: Candidate, more: float = 0.0) -> list[Fit]:
        """Return two edits as one, of their weights and ``more``, if they give the learner's numbers."""
        if not one.changes.keys().isdisjoint(other.changes) or not self._gives(one.changes | other.changes):
            return []
        second = Fit(other.edit.weight, other.edit, self.line, other.changes)
        weight = one.edit.weight + other.edit.weight + more
        return [Fit(weight, one.edit, self.line, one.changes, second=second)]

    def nested(self, most: int) -> list[Fit]:
        """Return pairs of likely edits of which one is of something that the other has changed."""
        edits = [edit for edit in self.table if edit.weight <= MAX_LIKELY_WEIGHT]
        inner = [
            *self.misfits,
            *(c for c in self.candidates if c.edit.weight <= MAX_LIKELY_WEIGHT and len(c.changes) == 1),
        ]
        tries = (
            (Candidate(edit, {place: new}), candidate)
            for candidate in inner
            for place in self.line.dependents(next(iter(candidate.changes)))[:_MAX_USERS]
            for edit in edits
            for new in edit.make(place, self.line)
        )
        pairs = self._while_short(tries, most)
        return [fit for one, other in pairs for fit in self._together(one, other, _MAX_LESS_LIKELY)]

    def on_some_entries(self) -> list[Fit]:
        """Return the edits that were made at some entries of the answer alone."""
        off = self.off
        if self.base is None or off is None or np.all(off) or np.sum(off) < 2:
            return []
        found, tolerance = [], self.tolerance[-1]
        k = self.step.multiple(np.where(off, self.right, 0.0), np.where(off, 0.0, self.right))
        if k is not None and self.step.telling(self.right[off]) and (k == -1 or self.step.known_factor(k)):
            found.append(
                Fit(_SCALED.weight + 1, _SCALED, self.line, {self.line.root: scaled(self.line.root, k)}, k - 1, off)
            )
        for (edit, changes), sums in zip(self.candidates, self.sums, strict=True):
            near = abs(sums[-1] - self.target[-1]) <= tolerance + _SUM_ROUNDING * abs(sums[-1])
            root = self._rewritten(changes) if near and edit.weight <= MAX_LIKELY_WEIGHT else None
            if root is not None and root.shape == off.shape:
                there = np.abs(root - self.step.answer) <= self.step.slack
                changed = np.abs(root - self.right) > self.step.slack
                if np.all(there[off]) and np.sum(changed) > np.sum(off):
                    found.append(Fit(edit.weight + 1, edit, self.line, changes, None, off))
        return found


def _alike(
    edit: Edit, group: list[Expr], made: Sequence[Iterable[Formula]]
) -> Iterator[tuple[Edit, dict[Expr, Formula]]]:
    """Yield what an edit makes of each part, the first of all together, then the second, ..."""
    found = [list(islice(news, _MAX_EDITS_ALIKE)) for news in made]
    if len({len(news) for news in found}) == 1:
        yield from ((edit, dict(zip(group, news, strict=True))) for news in zip(*found, strict=True))


def _in_turns(group: list[Expr], news: list[Expr]) -> Iterator[dict[Expr, Formula]]:
    """Yield a value for each part that is alike, or for one of its arguments."""
    turned = [Call(np.transpose, (new,)) for new in news]
    shape = news[0].shape
    for values, fitting in ((news, shape), (turned, shape[::-1]))[: len(shape)]:
        if group[0].shape == fitting and not any(e is new for e, new in zip(group, news, strict=True)):
            yield dict(zip(group, values, strict=True))
        for i, a in enumerate(group[0].args):
            if a.shape == fitting:
                yield {e: with_argument(e, i, new) for e, new in zip(group, values, strict=True)}


def scaled(e: Expr, k: float) -> Call:
    """Return a part times a number, as a quotient where that is shorter."""
    k = round_off(k)
    n = round(1 / k) if abs(k) > 1e-9 else 0
    if n > 1 and abs(n * k - 1) < _SUM_ROUNDING:
        return Call(np.divide, (e, n))
    return Call(np.multiply, (int(k) if k == round(k) else k, e))


def round_off(t: float) -> float:
    """Return a fitted number without its rounding."""
    short = float(f"{t:.9g}")
    return short if abs(short - t) <= 1e-9 * abs(t) else float(t)


def _nothing(e: Expr, line: RightLine) -> Iterator[Formula]:
    return iter(())


_OF_TURNS = Edit(_nothing, 1.6)
_NUMBER = Edit(_nothing, 1.4, Kind.NUMBER)
_SCALED = Edit(_nothing, 1.5, Kind.FACTOR)
