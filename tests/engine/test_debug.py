"""mg.debug names the first value or gradient that becomes NaN or infinite, and where the program recorded it."""

import inspect
import math

import numpy as np
import pytest
from networks import leaf

import minigrad as mg


def line_after(text):
    """Where this test's caller has a line, as errors give it."""
    frame = inspect.currentframe().f_back
    lines, start = inspect.getsourcelines(frame.f_code)
    return f"test_debug.py:{start + next(i for i, line in enumerate(lines) if text in line)}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_value_that_becomes_nan_is_named_with_its_line():
    x = mg.Tensor([1.0, -1.0], name="x")
    with pytest.raises(FloatingPointError) as caught, mg.debug():
        y = np.log(x)
        np.sum(y * 2)
    assert "np.log of x (2,) float64 gives nan at (1,)" in str(caught.value)
    assert line_after("y = np.log(x)") in str(caught.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_gradient_that_becomes_infinite_is_named_with_the_line_of_its_node():
    x = mg.Tensor([[0.0, 1.0]], name="x")
    with pytest.raises(FloatingPointError) as caught, mg.debug():
        root = np.sqrt(x)
        J = np.sum(root)
        J.backward()
    assert "the derivative of np.sqrt of x (1, 2) float64 sends inf at (0, 0) to x" in str(caught.value)
    assert line_after("root = np.sqrt(x)") in str(caught.value)
    assert x.grad is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_transforms_and_compiled_functions_are_watched_too():
    def loss(w):
        return np.sum(w**1.5)

    with mg.debug(), pytest.raises(FloatingPointError) as caught:
        mg.hessian(loss)(np.array([0.0, 1.0]))
    assert line_after("mg.hessian(loss)") in str(caught.value)
    compiled = mg.compile(mg.grad(lambda w: np.sum(np.log(w))))
    assert compiled(np.array([0.0, 2.0])).tolist() == [np.inf, 0.5]
    with mg.debug(), pytest.raises(FloatingPointError, match=r"np\.log of .* gives -inf at \(0,\)"):
        compiled(np.array([0.0, 2.0]))


def test_infinities_that_were_put_in_are_no_fault():
    x = mg.Tensor([1.0, 2.0], name="x")
    with mg.debug():
        np.sum(np.exp(x + np.array([0.0, -np.inf]))).backward()
    assert x.grad.tolist() == [math.exp(1.0), 0.0]


def test_errors_of_a_taught_derivative_give_the_line_of_the_call():
    shape = mg.rule(lambda x: x * 2, lambda g, y, x: g[:1])
    raising = mg.rule(lambda x: x * 2, lambda g, y, x: {}["absent"])
    x = mg.Tensor([1.0, 2.0, 3.0], name="x")
    with mg.debug():
        J = np.sum(shape(x))
        K = np.sum(raising(x))
        with pytest.raises(RuntimeError, match=r"returned a cotangent of shape \(1,\)") as caught:
            J.backward()
        assert line_after("J = np.sum(shape(x))") in str(caught.value)
        with pytest.raises(KeyError) as caught:
            K.backward()
        assert line_after("K = np.sum(raising(x))") in caught.value.__notes__[0]


def test_no_tensor_that_needs_a_gradient_becomes_a_number_while_debugging():
    w = mg.Tensor(1.0, name="w")
    with mg.debug():
        for escape in (float, math.exp, mg.Tensor.item, int):
            with pytest.raises(TypeError, match=r"inside mg.debug\(\) would lose its gradient.*stop_gradient"):
                escape(w)
        assert float(mg.constant(2.0)) == 2.0 and float(w.detach()) == 1.0
        assert f"{w * 2:.1f}" == "2.0" and (w * 2).data == 2.0
        with mg.no_grad():
            assert float(w * 2) == 2.0
        w.data -= 1.0
    assert float(w) == 0.0


def test_scopes_and_transforms_inside_are_watched_too():
    with np.errstate(all="ignore"), mg.debug(), mg.scope("layer"):
        assert (leaf() * 2).scope == ("layer",)
        with pytest.raises(FloatingPointError, match=r"np\.divide"):
            mg.grad(lambda x: x / (x - x))(1.0)
        with pytest.raises(FloatingPointError, match=r"np\.divide of .* and unnamed sqrt"):
            mg.hvp(lambda x: np.sum(np.sqrt(x) ** 2), (np.zeros(1),), (np.ones(1),))


def test_nothing_is_watched_after_it():
    with np.errstate(all="ignore"):
        with pytest.raises(FloatingPointError), mg.debug():
            np.log(mg.Tensor(-1.0))
        assert np.isnan(np.log(mg.Tensor(-1.0)).data)
