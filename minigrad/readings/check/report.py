"""Check gradients that were derived by hand: the first wrong step, and what is wrong with it.

>>> import numpy as np, minigrad as mg
>>> W = mg.Tensor([[1.0, -2.0]], name="W")
>>> X = mg.constant([[3.0, 1.0, 2.0], [1.0, 4.0, 3.0]], name="X")
>>> Z = (W @ X).named("Z")
>>> squares = (0.5 * np.sum(np.square(Z))).named("squares")
>>> L2 = (0.5 * np.sum(np.square(W))).named("L2")
>>> J = squares + L2
>>> dZ = Z.data
>>> print(mg.check(J, {"dZ": dZ, "dW": dZ @ X.data.T}))
1 of 2 steps is wrong.
1. dW: the L2 term is missing.
   <doctest minigrad.readings.check.report[8]>:1: 'dW': dZ @ X.data.T
   dW = dZ @ X.T + W
Right: dZ.
"""

import sys
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minigrad.engine.arrays import Array
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.text import markup
from minigrad.text.words import encodable, folded, printable, suggestions

from .conventions import Convention, convention_of
from .cost import of_the_cost
from .diagnosis import Diagnosis, Wrong, unknown
from .kinds import Kind
from .repair import Repair, repaired
from .source import Code, Statement, gradients_in, run, statements_before
from .steps import Homework, Step, agrees
from .wording import Finding

_MAX_STATEMENT_LENGTH = 160
_MAX_LISTED = 30
_MAX_THOROUGH = 2  # mistakes of no likely kind that are looked into at length
_MAX_NAMES_BETWEEN = 6  # two gradients
_MAX_OTHER_LENGTH = 100  # characters of another mistake that gives the same numbers
_MAX_OTHER_MISTAKES = 2  # that give the same numbers, in words


@dataclass(frozen=True)
class Mistake:
    """A wrong step: the node whose gradient it is, the kind of mistake, and what is wrong in words.

    ``also`` lists other kinds of mistake that would give the same numbers; ``correction`` is the right NumPy, a line
    for each gradient from those given to this one; ``likely`` the line as the learner is likely to have it, where the
    mistake is known; ``statement`` their own statement, where their code can be read, and ``repair``
    their statements with the smallest edit that makes the step right.
    """

    node: str
    kind: Kind
    message: str
    also: tuple[Kind, ...] = ()
    correction: tuple[str, ...] = ()
    likely: str = ""
    statement: Statement | None = None
    repair: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Check(markup.Shown):
    """What ``check`` found.

    ``mistakes`` are the wrong steps, in the order of a derivation, the first wrong step first; ``inherited`` the names
    of nodes whose gradients are wrong only because an earlier step is; ``right`` the names of all others that can be
    recomputed; ``notes`` what else is to be said, such as a convention that was recognised. Printed it is a report.
    """

    mistakes: list[Mistake]
    inherited: list[str]
    right: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if every gradient is right."""
        return not self.mistakes

    def _lines(self) -> list[str]:
        """Return the report; lines that begin with a space are code."""
        total = len(self.mistakes) + len(self.inherited) + len(self.right)
        if self.ok:
            lines = [f"All {total} gradients are right." if total > 1 else "The gradient is right."]
        else:
            lines = [f"{len(self.mistakes)} of {total} steps {'is' if len(self.mistakes) == 1 else 'are'} wrong."]
        for i, mistake in enumerate(self.mistakes[:_MAX_LISTED], 1):
            lines.append(f"{i}. d{printable(mistake.node)}: {mistake.message}")
            if mistake.statement is not None:
                place, text = mistake.statement.place, mistake.statement.text
                lines.append(f"   {printable(place)}: {printable(text, _MAX_STATEMENT_LENGTH)}")
            lines += [f"   mended: {printable(line, _MAX_STATEMENT_LENGTH)}" for line in mistake.repair]
            lines += [f"   {line}" for line in mistake.correction]
            if mistake.likely and mistake.statement is None:
                lines.append(f"   likely yours: {mistake.likely}")
        if self.mistakes[_MAX_LISTED:]:
            lines.append(f"Wrong too: {_listed([mistake.node for mistake in self.mistakes[_MAX_LISTED:]])}.")
        if self.inherited:
            lines.append(f"Wrong only because an earlier step is: {_listed(self.inherited)}.")
        if self.right and not self.ok:
            lines.append(f"Right: {_listed(self.right)}.")
        return [*lines, *(f"Note: {note}" for note in self.notes)]

    def __str__(self) -> str:
        lines = (line if line.startswith(" ") else folded(line) for line in self._lines())
        return encodable("\n".join(lines))

    def __repr__(self) -> str:
        return str(self)

    def _html(self) -> str:
        lines = self._lines()
        return "".join(
            markup.code(line.strip()) if line.startswith(" ") else markup.paragraphs([line]) for line in lines
        )


def check(
    J: Tensor,
    gradients: Mapping[str, Any] | Function | str | None = None,
    names: Mapping[str, object] | None = None,
    terms: Mapping[str, Tensor] | None = None,
) -> Check:
    """Find the first wrong step among gradients of J that were derived by hand, and say what is wrong with it.

    ``gradients`` maps names of nodes, with or without a leading d (``"dW3"`` or ``"W3"``), to arrays; any of them may
    be left out, and the steps between the others are then checked as one. Without it every dX of ``names`` whose X is a
    node is taken, and so are the entries of lists and dictionaries (``dh[2]``, ``grads["W1"]``). It may also be a
    function that computes the gradients, or its source: it is run on copies of the values that ``names`` stand for.
    Where the learner's code can be read, a mistake shows their statement, and the statement as its smallest edit makes
    it right. ``names`` and ``terms`` as in the other readings.

    Each step is recomputed from the learner's own gradients downstream of it: a step that follows from them is right,
    even where its numbers are wrong because an earlier step is (``.inherited``). A difference that rounding explains,
    of the data's own dtype or of a float32 step, is no mistake. A constant factor that goes through all intermediate
    gradients and is made good in the leaves' (1/m in dW and db, not in dZ and dA) is a convention and no mistake; a
    note says so.

    Raises ValueError for a name that no node of J has (with the near ones), for a node given twice, and for a J that
    is no scalar; TypeError for what is not an array of real numbers. A wrong shape, NaN and inf are reported as
    mistakes.
    """
    graph = Graph.of_cost(J, names, terms)
    code = _code(graph, gradients, names or {})
    answers = _answers(graph, code.gradients, names or {})
    if not answers and gradients is None:
        raise ValueError("check: names= holds no gradient: no dX whose X is a node; give them, as in {'dW': dW}")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the cost recorded again; the report says what may be wrong with it
        homework = Homework(graph, answers)
        called = any(key.startswith("d") and key[1:] in graph.by_name for key in code.gradients)
        convention = convention_of(homework, called) if homework.wrong else None
        notes = list(code.notes)
        if convention is not None:
            notes.append(_note(homework, convention))
            homework = convention.taken_out(homework)
        diagnosis = Diagnosis(homework)
        wrong = _wrong(homework, diagnosis)
        if wrong:
            wrong, doubts = of_the_cost(homework, wrong)
            notes += doubts
    if wrong and not code.statements:
        frame = sys._getframe(1)
        space = {**frame.f_globals, **frame.f_locals, **(names or {})}
        code = code._replace(statements=statements_before(frame), space=space)
    return _report(diagnosis, wrong, notes, _theirs(diagnosis, wrong, code, convention))


def _code(graph: Graph, gradients: Any, names: Mapping[str, object]) -> Code:
    """Return the gradients, wherever they come from, and the statements of the code that was run for them."""
    if gradients is None:
        return Code(gradients_in(graph, names), {}, [])
    if isinstance(gradients, str) or (callable(gradients) and not isinstance(gradients, Mapping)):
        return run(gradients, graph, names)
    return Code(dict(gradients), {}, [])


def _answers(graph: Graph, gradients: Mapping[str, Any], names: Mapping[str, object]) -> dict[Tensor, Array]:
    """Return the learner's arrays by node."""
    found: dict[Tensor, Array] = {}
    for key, value in gradients.items():
        node = graph.by_name.get(key[1:] if key.startswith("d") and key[1:] in graph.by_name else key)
        if node is None:
            raise ValueError(_unknown_name(graph, key, names))
        if node in found:
            raise ValueError(
                f"check: the gradient of {printable(graph.names[node])} is given twice, with a d and without"
            )
        array = np.asarray(value._value if isinstance(value, Tensor) else value)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"check: {printable(key)} is no array of real numbers but {type(value).__name__} ({array.dtype}); "
                f"leave out what you have not derived"
            )
        found[node] = array if array.dtype.kind == "f" else array.astype(np.float64)
    return found


def _unknown_name(graph: Graph, key: str, names: Mapping[str, object]) -> str:
    root = printable(graph.names[graph.root])
    for name in (key, key.removeprefix("d")):
        if isinstance(names.get(name), Tensor):
            return f"check: {printable(name)} is a Tensor, but {root} is not computed from it: it has no gradient"
    spellings = [f"d{name}" for name in graph.by_name]
    return (
        f"check: no node of {root} is called {printable(key.removeprefix('d'))!r} (gradient {printable(key)!r}); "
        f"there are {suggestions(key, spellings)}. Names come from name=, .named or names=locals()"
    )


def _wrong(homework: Homework, diagnosis: Diagnosis) -> Wrong:
    """Return the steps that do not follow from the answers downstream of them, in backward order, with what is wrong.

    Within what a float32 step explains, a step is wrong only where a kind of mistake explains it to the last digits.
    Of many wrong steps only those that are told are asked for their kind.
    """
    found, unnamed = Wrong(), list[Step]()
    waiting = _off(homework)
    while waiting:
        step, rounding = waiting.pop(0)
        if diagnosis.follows(step):
            continue
        asked = len(found) < _MAX_LISTED
        others = [*unnamed, *(other for other, _ in waiting)]
        thorough = len(unnamed) < _MAX_THOROUGH
        findings, explained = diagnosis.of(step, others, thorough) if asked else ([], set[Tensor]())
        if not findings and not rounding:
            findings = [unknown(step)]
            unnamed.append(step)
        if findings and homework.blind.isdisjoint(step.sources):
            found = _told(found, step, findings, explained)
            waiting = [(other, rounded) for other, rounded in waiting if other.node not in explained]
    for step in unnamed[:_MAX_THOROUGH]:
        others = [other for other in unnamed if other is not step]
        findings, explained = diagnosis.of_two(step, others) if step.node in found else ([], set[Tensor]())
        if findings:
            found = _told(found, step, findings, explained)
    return found


def _told(found: Wrong, step: Step, findings: list[Finding], explained: set[Tensor]) -> Wrong:
    """Return what is wrong with a step too, and not with those that it explains."""
    return {x: said for x, said in found.items() if x not in explained} | {step.node: (findings, explained)}


def _off(homework: Homework) -> list[tuple[Step, bool]]:
    """Return the steps that are off by more than rounding, and whether a float32 step explains each."""
    found = []
    for node in sorted(homework.doubtful, key=homework.backward_order):
        strict, rounding = homework.strict[node], node in homework.single
        if not homework.follows(node, strict) and not agrees(homework.answers[node], homework.truth[node], strict):
            found.append((Step(homework, node, strict if rounding else homework.slack[node]), rounding))
    return found


def _note(homework: Homework, convention: Convention) -> str:
    """Return what is said of a convention."""
    if convention.factor == -1:
        return (
            "all gradients point down the hill, as errors (y - output) do that are added to the weights: "
            "a convention, not a mistake; dJ/dW has the other sign."
        )
    names = _listed(homework.graph.names[node] for node in homework.answers if node in convention.scaled)
    k = convention.factor
    factor = f"{k:.6g}" if k >= 1 else f"1/{1 / k:.6g}"
    return (
        f"{names} carry the factor {factor} against the true gradients, and the gradients of the leaves make it good: "
        f"a convention that many courses follow, not a mistake. The lines shown are those of the true gradients."
    )


def _theirs(diagnosis: Diagnosis, wrong: Wrong, code: Code, convention: Convention | None) -> dict[Tensor, Repair]:
    """Return, for the wrong steps, the learner's statements, and how they are mended."""
    found: dict[Tensor, Repair] = {}
    for node in [node for node, (findings, _) in wrong.items() if findings[0].kind is not Kind.COST][:_MAX_LISTED]:
        scale = convention.factor if convention is not None and node in convention.scaled else 1.0
        step, right = diagnosis.right_line(Step(diagnosis.homework, node, diagnosis.homework.slack[node]))
        with np.errstate(all="ignore"):
            repair = repaired(step, right, scale, code.space, code.statements)
        if repair is not None:
            found[node] = repair
    return found


def _report(diagnosis: Diagnosis, wrong: Wrong, notes: list[str], theirs: Mapping[Tensor, Repair]) -> Check:
    homework = diagnosis.homework
    graph = homework.graph
    notes += _kinks(homework, wrong)
    for node in theirs:
        findings, _ = wrong[node]
        if theirs[node].repair and findings[0].kind is Kind.UNKNOWN:
            findings[0] = findings[0]._replace(text="wrong here, and right as it is mended below")
    mistakes = [_mistake(diagnosis, node, *found) for node, found in wrong.items()]
    mistakes = [replace(m, **theirs[x]._asdict()) if x in theirs else m for x, m in zip(wrong, mistakes, strict=True)]
    explained = set().union(*[others for _, others in wrong.values()])
    affected = homework.computed_from([*wrong, *explained])
    missing = {x: homework.missing(x) for x in homework.unchecked}
    inherited: list[str] = []
    right: list[str] = []
    for node in sorted(homework.answers.keys() - wrong.keys(), key=homework.backward_order):
        answer = homework.answers[node]
        unknown_entries = missing.get(node, 0)
        if unknown_entries > 0:
            notes.append(
                f"d{homework.name(node)}: {unknown_entries} of {answer.size} entries could not be checked, "
                f"because the recomputed step is not finite there"
            )
        if node in explained or (node in affected and not homework.is_true(node)):
            inherited.append(graph.names[node])
        elif not unknown_entries or unknown_entries < answer.size:
            right.append(graph.names[node])
    after_blind = homework.computed_from(homework.blind)
    if unjudged := [name for name in inherited if graph.by_name[name] in after_blind]:
        first = sorted(homework.blind - after_blind, key=homework.backward_order)
        notes.append(f"{_listed(unjudged)} can be judged once {_listed(map(homework.name, first))} has its shape.")
    return Check(mistakes, inherited, right, notes)


def _kinks(homework: Homework, wrong: Wrong) -> list[str]:
    """Return what is said of answers that are other subgradients than those that ``backward`` gives."""
    chosen = [
        node
        for node in homework.doubtful
        if node not in wrong
        and not agrees(homework.answers[node], homework.expected[node], homework.slack[node])
        and homework.follows(node, homework.slack[node])
    ]
    if not chosen:
        return []
    where = ", ".join(f"{homework.name(y)} ({count})" for y, count in homework.ties.items())
    names = _listed(homework.graph.names[x] for x in sorted(chosen, key=homework.backward_order))
    return [f"{names}: at a kink (entries where {where} has a left and a right derivative) any value between is right."]


def _mistake(diagnosis: Diagnosis, node: Tensor, findings: list[Finding], explained: Collection[Tensor]) -> Mistake:
    homework = diagnosis.homework
    step = Step(homework, node, homework.slack[node])
    first, *others = findings
    message = f"{first.text}."
    telling = [other for other in others if other.kind is not Kind.FACTOR or first.fit is None]  # it is said already
    if short := [other.text for other in telling if len(other.text) <= _MAX_OTHER_LENGTH]:
        message += f" (The same numbers come about if {'; or if '.join(short[:_MAX_OTHER_MISTAKES])}.)"
    if step.between:
        missing = _listed(map(homework.name, step.between), _MAX_NAMES_BETWEEN)
        verb = "is" if len(step.between) == 1 else "are"
        ends = _listed(map(homework.name, step.sources or [step.graph.root]), _MAX_NAMES_BETWEEN)
        message += f" It lies between {ends} and d{homework.name(node)}; {missing} {verb} not given."
    if explained:
        names = _listed(homework.name(x) for x in sorted(explained, key=homework.backward_order))
        message += f" The same slip explains {names}."
    lines = diagnosis.correction(step, first.fit)
    return Mistake(homework.graph.names[node], first.kind, message, tuple(f.kind for f in others), lines, first.likely)


def _listed(names: Iterable[str], most: int = _MAX_LISTED) -> str:
    called = [f"d{printable(name)}" for name in names]
    return ", ".join(called[:most]) + (f" and {len(called) - most} more" if len(called) > most else "")
