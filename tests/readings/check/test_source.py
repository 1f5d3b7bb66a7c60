"""Gradients taken from the learner's own names and code."""

import linecache
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad.readings.check.kinds import Kind
from minigrad.readings.check.report import check


def layer(seed=8):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3, 5))
    W, b = mg.Tensor(rng.normal(size=(4, 3))), mg.Tensor(np.zeros((4, 1)))
    Z = W @ X + b
    A = np.tanh(Z)
    return X, W, b, Z, A, np.sum(A**2)


def test_every_dX_among_the_names_is_taken_and_its_statement_shown():
    X, W, b, Z, A, J = layer()
    dA = 2 * A.data
    dZ = dA * (1 - A.data)
    dW = dZ @ X.T
    db = dZ.sum(1, keepdims=True)
    report = check(J, names=locals())
    (mistake,) = report.mistakes
    assert mistake.node == "Z" and {*report.inherited, *report.right} == {"A", "W", "b"}, (dW, db)
    assert mistake.statement.text == "dZ = dA * (1 - A.data)" and mistake.statement.place.startswith("test_source.py:")
    assert "dZ = dA * (1 - A.data)" in str(report) and mistake.correction[-1] == "dZ = dA * (1 - A**2)"


def test_entries_of_dictionaries_and_lists_count():
    X, W, b, Z, A, J = layer()
    dA = 2 * A.data
    dZ = dA * (1 - A.data**2)
    grads = {"W": dZ, "db": dZ.sum(1, keepdims=True), "learning rate": 0.1}
    report = check(J, names={"W": W, "b": b, "Z": Z, "A": A, "dA": dA, "dZ": dZ, "grads": grads})
    assert [m.node for m in report.mistakes] == ["W"] and set(report.right) == {"A", "Z", "b"}
    h = [np.tanh(W @ X).named("h0")]
    h.append(np.tanh(h[0] * 2).named("h1"))
    J = np.sum(h[1])
    dh = [2 * (1 - h[1].data ** 2), np.ones((4, 5))]
    assert check(J, names={"dh": dh}).ok
    assert [m.node for m in check(J, names={"dh": [-dh[0], dh[1]]}).mistakes] == ["h0"]


def test_values_kept_in_a_dictionary_are_no_gradients():
    _X, W, _b, _Z, A, J = layer()
    report = check(J, names={"W": W, "A": A, "cache": {"A": A.data, "W": W.data}, "dA": 2 * A.data})
    assert report.ok and report.right == ["A"]


def test_a_function_is_run_on_copies_and_looked_into():
    X, W, b, Z, A, J = layer()

    def backward(W, A, slope=2):
        dA = slope * A
        dZ = dA
        A *= 0
        W[:] = 0
        return {"W": dZ @ X.T, "b": dZ.sum(1)}

    before = W.data.copy(), A.data.copy()
    report = check(J, backward, names={"W": W, "b": b, "Z": Z, "A": A})
    assert np.array_equal(W.data, before[0]) and np.array_equal(A.data, before[1])
    assert [(m.node, m.kind) for m in report.mistakes] == [("Z", Kind.MISSING_FACTOR), ("b", Kind.SHAPE)]
    assert report.mistakes[0].statement.text == "dZ = dA"


def test_a_function_that_raises_is_reported_at_its_line_with_what_it_found():
    _X, W, _b, Z, A, J = layer()
    source = "dA = 2 * A\ndZ = -dA\ndW = dZ @ dA\n"
    report = check(J, source, names={"W": W, "Z": Z, "A": A})
    assert [m.node for m in report.mistakes] == ["Z"] and report.right == ["A"]
    assert report.notes[0].startswith("<backward>:3: ValueError")


def test_a_source_that_cannot_be_read_falls_back_to_the_numbers():
    _X, W, _b, _Z, A, J = layer()
    space = {}
    exec("def backward(A):\n    return {'dA': -2 * A}", space)
    report = check(J, space["backward"], names={"W": W, "A": A})
    assert [(m.node, m.kind) for m in report.mistakes] == [("A", Kind.SIGN)] and not report.mistakes[0].statement
    assert "its source cannot be read" in report.notes[0]
    with pytest.raises(ValueError, match="cannot be parsed"):
        check(J, "dA = = 2", names={"A": A})


def test_a_source_that_cannot_be_parsed_leaves_the_gradients_among_the_names():
    *_, A, J = layer()
    report = check(J, "dA = = 2", names={"A": A, "dA": 3 * A.data})
    assert [m.node for m in report.mistakes] == ["A"] and "cannot be parsed" in report.notes[0]


def test_a_function_may_return_from_within_and_use_what_it_encloses():
    X, W, _b, Z, A, J = layer()

    def relu(a):
        return a * (a > 0)

    def backward(early=True):
        dA = 2 * A.data
        dZ = relu(dA) * (1 - A.data**2)
        W.data[:] = 0
        if early:
            return {"W": dZ @ X.T}
        return None

    report = check(J, backward, names={"W": W, "Z": Z, "A": A, "X": X})
    assert [m.node for m in report.mistakes] == ["Z"] and report.inherited == ["W"] and np.all(W.data != 0)
    assert report.mistakes[0].statement.text.startswith("dZ = relu(dA)") and "test_source.py" in str(report)


def test_a_function_that_raises_in_a_loop_keeps_what_it_found():
    _X, W, _b, Z, A, J = layer()

    def backward():
        for k in range(3):
            dA = 2.0 * A.data
            if k:
                dZ = dA.T @ dA
                raise RuntimeError(f"no {dZ.shape}")

    report = check(J, backward, names={"W": W, "Z": Z, "A": A})
    assert [m.node for m in report.mistakes] == ["Z"] and report.right == ["A"]
    assert "test_source.py:" in report.notes[0] and "RuntimeError: no (5, 5)" in report.notes[0]
    with pytest.raises(TypeError, match="is no function"):
        check(J, print, names={"W": W})


def test_names_without_a_gradient_are_an_error():
    _X, W, _b, _Z, A, J = layer()
    with pytest.raises(ValueError, match="holds no gradient"):
        check(J, names={"W": W, "A": A})


def test_a_gradient_that_the_function_does_not_compute_is_not_counted_as_its_own():
    X, W, b, Z, A, J = layer()
    dA, dW = 2 * A.data, np.ones((4, 3))

    def backward():
        dZ = dA * (1 - A.data**2)
        return {"db": dZ.sum(1, keepdims=True)}

    report = check(J, backward, names=locals())
    assert report.ok and set(report.right) == {"Z", "b"}, (X, W, b, Z, dW)


CELL = "43269147.py"  # a name such as a kernel compiles the code of a cell under


def test_a_cell_of_a_notebook_is_called_by_its_number(monkeypatch):
    compiler = SimpleNamespace(format_code_name={CELL: ("Cell", "In[7]")}.get)
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    W = mg.Tensor([1.0, 2.0, 3.0], name="W")
    space = {"check": check, "J": np.sum(W**2), "W": W, "dW": None}
    text = "\ndef backward(W):\n    dW = 3 * W\n\nreport = check(J, backward, names={'W': W})\n"
    monkeypatch.setitem(linecache.cache, CELL, (len(text), None, text.splitlines(True), CELL))
    exec(compile(text, CELL, "exec"), space)
    assert space["report"].mistakes[0].statement.place == "In[7], line 3"
