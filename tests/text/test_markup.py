"""What notebooks show of every reading: HTML in which names are text, LaTeX, and the printed text beside it."""

import re

import numpy as np
import pytest

import minigrad as mg

NAME = "<img src=x onerror=alert(1)>&"


def cost():
    W, X = mg.Tensor([[1.0, -2.0]], name=NAME), mg.constant([[3.0], [4.0]], name="X")
    J = (np.sum(W @ X).named("fit") + np.sum(np.square(W)).named("L2")).named("J")
    J.backward()
    return J, W


def compiled():
    f = mg.compile(lambda x: np.sum(np.square(x)))
    f(np.ones(3))
    return f


SHOWN = {
    "Tensor": lambda: cost()[1],
    "explain": lambda: mg.explain(cost()[0]),
    "check": lambda: mg.check(cost()[0], {NAME: np.array([[1.0, 2.0]])}),
    "compile": compiled,
    "derive": lambda: mg.derive(cost()[0]),
}


@pytest.mark.parametrize("make", SHOWN.values(), ids=SHOWN)
def test_a_notebook_shows_it_in_text_and_more(make):
    thing = make()
    shown = thing._repr_mimebundle_(include=None, exclude=None)
    assert shown["text/plain"] == (str(thing) if not isinstance(thing, mg.Tensor) else repr(thing))
    if "text/latex" in shown:
        assert shown["text/latex"] == f"$${thing.latex()}$$" and "<" not in shown["text/latex"]
    else:
        assert "<img" not in shown["text/html"] and not re.search("&(?!(lt|gt|amp|quot|#x27);)", shown["text/html"])


def test_the_tables_hold_what_is_printed():
    J, W = cost()
    html = mg.explain(J)._repr_mimebundle_()["text/html"]
    assert html.count("<tr>") == 1 + len(mg.explain(J).nodes) and "J = fit + L2 = 0" in html
    assert f">{np.linalg.norm(2 * W.data):.3g}</td>" in html and html.count('<th scope="col"') == 6
    report = mg.check(J, {NAME: np.array([[1.0, 2.0]])})
    assert repr(report) == str(report) and report._repr_mimebundle_()["text/html"].startswith(
        "<p>1 of 1 steps is wrong."
    )
    assert "[[5. 0.]]" in W._repr_mimebundle_()["text/html"], "the gradient"


def test_what_is_compiled_shows_its_program_once_it_has_one():
    f = mg.compile(lambda x: np.sum(np.square(x)))
    assert "<pre>" not in f._repr_mimebundle_()["text/html"]
    assert "vdot(x, x)" in compiled()._repr_mimebundle_()["text/html"]
