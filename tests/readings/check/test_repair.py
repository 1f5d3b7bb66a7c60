"""The learner's own statement, and the smallest edit of it that makes the step right."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.readings.check.kinds import Kind
from minigrad.readings.check.report import check

RNG = np.random.default_rng(21)
X, T = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2))
V, c, U = (mg.Tensor(RNG.normal(size=shape)) for shape in [(3, 4), (4,), (4, 2)])
P = X @ V + c
H = np.tanh(P)
O = H @ U  # noqa: E741
J = np.sum((O - T) ** 2) / 7 + 0.3 * np.sum(U**2)
NAMES = {"V": V, "c": c, "U": U, "P": P, "H": H, "O": O, "X": X, "T": T, "J": J}

RIGHT = {
    "dO": "dO = 2 * (O.data - T) / 7",
    "dU": "dU = H.data.T @ dO + 0.6 * U.data",
    "dH": "dH = dO @ U.data.T",
    "dP": "dP = (1.0 - H.data ** 2) * dH",
    "dV": "dV = X.T.dot(dP)",
    "dc": "dc = dP.sum(0)",
}


def mended(name, statement):
    """How a report mends a source with one other statement."""
    source = "\n".join((RIGHT | {name: statement}).values())
    report = check(J, source, names=NAMES)
    assert [m.node for m in report.mistakes] == [name[1:]], report
    repair = report.mistakes[0].repair
    if repair:
        lines = [line if line != report.mistakes[0].statement.text else repair[0] for line in source.split("\n")]
        assert check(J, "\n".join(lines), names=NAMES).ok or len(repair) > 1 or ";" in statement, report
    return repair


def test_the_right_statements_are_right():
    assert check(J, "\n".join(RIGHT.values()), names=NAMES).ok


@pytest.mark.parametrize(
    ("name", "statement", "repair"),
    [
        ("dP", "dP = (1.0 - H.data) * dH", "dP = (1.0 - H.data ** 2) * dH"),
        ("dP", "dP = (1.0 - P.data ** 2) * dH", "dP = (1.0 - H.data ** 2) * dH"),
        ("dO", "dO = 2 * (T - O.data) / 7", "dO = -2 * (T - O.data) / 7"),
        ("dO", "dO = (O.data - T) / 7", "dO = 2 * ((O.data - T) / 7)"),
        ("dV", "dV = dP.T @ X", "dV = (dP.T @ X).T"),
        ("dV", "dV = X.T @ dH", "dV = X.T @ dP"),
        ("dc", "dc = dP.mean(0)", "dc = np.sum(dP, axis=0)"),
        ("dc", "dc = dP.sum(axis=1)", "dc = np.sum(dP, axis=0)"),
        ("dc", "dc = dP", "dc = np.sum(dP, axis=0)"),
        ("dH", "dH = -dO @ U.data.T", "dH = dO @ U.data.T"),
    ],
)
def test_the_smallest_repair_is_a_change_of_the_learner_s_own_statement(name, statement, repair):
    assert mended(name, statement) == (repair,)


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("dP", "dP = 1 * dH"),
        ("dU", "dU = H.data.T @ dO"),
        ("dU", "dU = H.data.T @ dO + 0.3 * U.data"),
        ("dU", "dU = P.data.T @ dO + 0.6 * U.data"),
        ("dO", "dO = 2 * (O.data - T)"),
    ],
)
def test_a_repaired_statement_is_right(name, statement):
    assert mended(name, statement)


def test_a_variable_on_the_way_is_mended_where_it_is_made():
    assert mended("dP", "slope = 1 - H.data; dP = slope * dH") == ("slope = 1 - H.data ** 2",)


def test_a_repair_keeps_the_convention_of_the_learner():
    course = ["dO = 2 * (O - T)", "dU = H.T @ dO / 7 + 0.6 * U", "dH = dO @ U.T", "dP = dH * (1 - H)"]
    report = check(J, "\n".join([*course, "dV = X.T @ dP / 7", "dc = dP.sum(0) / 7"]), names=NAMES)
    assert [m.node for m in report.mistakes] == ["P"] and "convention" in report.notes[0]
    assert report.mistakes[0].repair == ("dP = dH * (1 - H ** 2)",)


def test_entries_that_are_written_out_are_statements():
    dO = 2 * (O.data - T) / 7
    report = check(J, {"dO": dO, "dU": dO.T @ H.data + 0.6 * U.data.T}, names={**NAMES, "dO": dO})
    (mistake,) = report.mistakes
    assert mistake.statement.text == "'dU': dO.T @ H.data + 0.6 * U.data.T" and "test_repair.py" in str(report)
    g = {"U": H.data.T @ dO}
    report = check(J, g, names=NAMES)
    assert report.mistakes[0].kind is Kind.MISSING_TERM and report.mistakes[0].repair == (
        "'U': H.data.T @ dO + 0.6 * U",
    )


def test_what_cannot_be_read_is_shown_as_it_is():
    shift = [0.5]
    report = check(J, "dO = 2 * (O - T) / 7 + max([0.5])", names={**NAMES, "shift": shift})
    (mistake,) = report.mistakes
    assert mistake.statement.text.endswith("max([0.5])") and mistake.repair == ()


def test_nothing_of_the_learner_s_is_called_to_read_it():
    calls = []

    def slope(a):
        calls.append(a)
        return 1 - a

    dO = 2 * (O.data - T) / 7
    dP = (dO @ U.data.T) * slope(H.data)
    report = check(J, {"dO": dO, "dP": dP}, names=NAMES)
    assert len(calls) == 1 and len(report.mistakes) == 1
