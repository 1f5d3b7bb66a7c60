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
   dW = dZ @ X.T + W
Right: dZ.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.engine.node import ancestors
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph
from minigrad.readings.derive.derivation import Derivation
from minigrad.readings.derive.lines import Lines
from minigrad.text.words import printable, suggestions

from .mistakes import FACTOR, RIGHT, SIGN, Finding, diagnose, unknown
from .steps import Array, Homework, Step, agrees

_FEW = 4  # lines of a correction
_NEAR = 1e-4  # a factor fitted to numbers of few digits is a known factor when it is this near


@dataclass(frozen=True)
class Mistake:
    """A wrong step: the node whose gradient it is, the kind of mistake, and what is wrong in words.

    ``also`` lists other kinds of mistake that would give the same numbers; ``correction`` is the right NumPy, a line
    for each gradient from those given to this one.
    """

    node: str
    kind: str
    message: str
    also: tuple[str, ...] = ()
    correction: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
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
        """Whether every gradient is right."""
        return not self.mistakes

    def __str__(self) -> str:
        total = len(self.mistakes) + len(self.inherited) + len(self.right)
        if self.ok:
            lines = [f"All {total} gradients are right." if total > 1 else "The gradient is right."]
        else:
            lines = [f"{len(self.mistakes)} of {total} steps {'is' if len(self.mistakes) == 1 else 'are'} wrong."]
        for i, mistake in enumerate(self.mistakes, 1):
            lines.append(f"{i}. d{printable(mistake.node)}: {mistake.message}")
            lines += [f"   {line}" for line in mistake.correction]
        if self.inherited:
            lines.append(f"Wrong only because an earlier step is: {_listed(self.inherited)}.")
        if self.right and not self.ok:
            lines.append(f"Right: {_listed(self.right)}.")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def check(
    J: Tensor,
    gradients: Mapping[str, Any],
    names: Mapping[str, Any] | None = None,
    terms: Mapping[str, Tensor] | None = None,
) -> Check:
    """Find the first wrong step among gradients of J that were derived by hand, and say what is wrong with it.

    ``gradients`` maps names of nodes, with or without a leading d (``"dW3"`` or ``"W3"``), to arrays; any of them may
    be left out, and the steps between the others are then checked as one. ``names`` and ``terms`` as in the other
    readings.

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
    answers = _answers(graph, gradients, names or {})
    with np.errstate(all="ignore"):
        homework = Homework(graph, answers)
        wrong = _wrong(homework)
        notes = []
        scaled = _convention(homework, wrong)
        if scaled is not None:
            homework, wrong, note = scaled
            notes.append(note)
    derivation = Derivation(Lines(graph)) if wrong else None
    return _report(homework, wrong, notes, derivation)


def _answers(graph: Graph, gradients: Mapping[str, Any], names: Mapping[str, Any]) -> dict[Tensor, Array]:
    """The learner's arrays by node."""
    found: dict[Tensor, Array] = {}
    for key, value in gradients.items():
        node = graph.by_name.get(key[1:] if key.startswith("d") and key[1:] in graph.by_name else key)
        if node is None:
            raise ValueError(_unknown_name(graph, key, names))
        if node in found:
            raise ValueError(
                f"check: the gradient of {printable(graph.names[node])} is given twice, with a d and without"
            )
        array = np.asarray(value.value if isinstance(value, Tensor) else value)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"check: {printable(key)} is no array of real numbers but {type(value).__name__} ({array.dtype}); "
                f"leave out what you have not derived"
            )
        found[node] = array if array.dtype.kind == "f" else array.astype(np.float64)
    return found


def _unknown_name(graph: Graph, key: str, names: Mapping[str, Any]) -> str:
    root = printable(graph.names[graph.root])
    for name in (key, key.removeprefix("d")):
        if isinstance(names.get(name), Tensor):
            return f"check: {printable(name)} is a Tensor, but {root} is not computed from it: it has no gradient"
    spellings = [f"d{name}" for name in graph.by_name]
    return (
        f"check: no node of {root} is called {printable(key.removeprefix('d'))!r} (gradient {printable(key)!r}); "
        f"there are {suggestions(key, spellings)}. Names come from name=, .named or names=locals()"
    )


def _wrong(homework: Homework) -> dict[Tensor, list[Finding]]:
    """The steps that do not follow from the answers downstream of them, in backward order, with what is wrong.

    Within what a float32 step explains, a step is wrong only where a kind of mistake explains it to the last digits.
    """
    found = {}
    for node in sorted(homework.answers, key=homework.backward_order):
        answer, expected = homework.answers[node], homework.expected[node]
        strict, loose = homework.strict[node], homework.loose[node]
        if agrees(answer, expected, strict):
            continue
        findings = diagnose(Step(homework, node, strict))
        rounding = agrees(answer, expected, loose)
        step = Step(homework, node, loose)
        if not findings and not rounding:
            findings = diagnose(step) or [unknown(step)]
        right = (rounding and not findings) or any(finding.kind == RIGHT for finding in findings)
        if not right and homework.blind.isdisjoint(step.sources):
            found[node] = findings
    return found


def _convention(
    homework: Homework, wrong: dict[Tensor, list[Finding]]
) -> tuple[Homework, dict[Tensor, list[Finding]], str] | None:
    """The same homework with one factor taken out of all intermediate gradients, where that sets most of it right.

    One such factor is a convention where the leaves' gradients make it good, so that these become right with it.
    """
    first = next((node for node, findings in wrong.items() if findings[0].kind in (SIGN, FACTOR)), None)
    if first is None or first.function is None:
        return None
    t = Step(homework, first, homework.loose[first]).multiple(homework.expected[first])
    if not t:
        return None
    t = next((k for k in (-1.0, *homework.factors) if abs(t - k) < _NEAR * abs(k)), t)
    scaled = {node for node in ancestors([first]) if node in homework.answers and node.function is not None}
    mended = Homework(
        homework.graph, {n: (a / t).astype(a.dtype) if n in scaled else a for n, a in homework.as_given.items()}
    )
    left = _wrong(mended)
    everywhere = all(node in scaled or node.function is None or node.size == 1 for node in homework.answers)
    consistent = not any(node in scaled and findings[0].kind in (SIGN, FACTOR) for node, findings in left.items())
    compensated = any(node not in scaled and node not in left for node in wrong)
    most = 2 * len(left) < len(wrong) and (everywhere or len(wrong) - len(left) > 2)
    if not (consistent and compensated and most):
        return None
    names = _listed(homework.graph.names[node] for node in mended.answers if node in scaled)
    factor = f"{t:.6g}" if abs(t) >= 1 or t == 0 else f"1/{1 / t:.6g}"
    note = (
        f"{names} carry the factor {factor} against the true gradients, and the gradients of the leaves make it good: "
        f"a convention that many courses follow, not a mistake."
    )
    return mended, left, note


def _report(
    homework: Homework, wrong: dict[Tensor, list[Finding]], notes: list[str], derivation: Derivation | None
) -> Check:
    graph = homework.graph
    mistakes = [_mistake(homework, node, findings, derivation) for node, findings in wrong.items()]
    affected = homework.computed_from(wrong)
    inherited: list[str] = []
    right: list[str] = []
    for node in sorted(homework.answers.keys() - wrong.keys(), key=homework.backward_order):
        answer, expected = homework.answers[node], homework.expected[node]
        unknown_entries = int(np.sum(~np.isfinite(expected))) - int(np.sum(~np.isfinite(answer)))
        if unknown_entries > 0:
            notes.append(
                f"d{homework.name(node)}: {unknown_entries} of {answer.size} entries could not be checked, "
                f"because the recomputed step is not finite there"
            )
        if node in affected and not agrees(answer, homework.truth[node], homework.loose[node]):
            inherited.append(graph.names[node])
        elif not unknown_entries or unknown_entries < answer.size:
            right.append(graph.names[node])
    after_blind = homework.computed_from(homework.blind)
    if unjudged := [name for name in inherited if graph.by_name[name] in after_blind]:
        blind = _listed(map(homework.name, homework.blind))
        notes.append(f"{_listed(unjudged)} can be judged once {blind} has its shape.")
    return Check(mistakes, inherited, right, notes)


def _mistake(homework: Homework, node: Tensor, findings: list[Finding], derivation: Derivation | None) -> Mistake:
    step = Step(homework, node, homework.loose[node])
    first, *others = findings
    message = f"{first.text}."
    if others:
        message += f" (The same numbers come about if {'; or if '.join(f.text for f in others)}.)"
    if step.between:
        missing, verb = _listed(map(homework.name, step.between)), "is" if len(step.between) == 1 else "are"
        ends = _listed(map(homework.name, step.sources or [step.graph.root]))
        message += f" It lies between {ends} and d{homework.name(node)}; {missing} {verb} not given."
    lines = _corrected(homework, [*step.between, node], derivation)
    return Mistake(homework.graph.names[node], first.kind, message, tuple(f.kind for f in others), lines)


def _corrected(homework: Homework, nodes: list[Tensor], derivation: Derivation | None) -> tuple[str, ...]:
    """The lines of the derivation that lead to the last of the nodes; none for a constant, which has no line."""
    lines = []
    for node in nodes[-_FEW:]:
        with suppress(KeyError):
            if derivation is not None:
                lines.append(derivation.line("d" + homework.graph.names[node]))
    return tuple(lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"d{printable(name)}" for name in names)
