"""What is recorded, from whichever side a Tensor meets an array, and with which dtype."""

import operator

import numpy as np
import pytest
from networks import leaf

import minigrad as mg


def test_an_input_that_is_used_twice_stands_twice():
    a = leaf(())
    assert (a + a).inputs == (a, a)


@pytest.mark.parametrize("other", [2, 2.0, np.float32(2), np.array(2.0), True, [1.0, 2.0, 3.0], np.int64(3)])
def test_numbers_and_sequences_on_both_sides(other):
    W = leaf((3,))
    for f in (operator.add, operator.mul, operator.sub, operator.truediv):
        for args, plain in (((W, other), (W.data, other)), ((other, W), (other, W.data))):
            np.testing.assert_array_equal(f(*args).data, f(*plain))


def test_a_float32_tensor_stays_float32_with_python_numbers():
    x = mg.Tensor(np.float32([1, 2]))
    for y in (2 * x, x / 3, x**2, x**0.5, 1 - x, x + 1.5, np.maximum(x, 0), np.clip(x, 0.5, 1.5), x.mean() * 2.0):
        assert y.dtype == np.float32
    np.sum(2 * x).backward()
    assert x.grad.dtype == np.float32


def test_detach_cuts_the_path():
    W = leaf()
    J = np.sum(W * W.detach())
    J.backward()
    np.testing.assert_array_equal(W.grad, W.data)
    assert W.detach().inputs == ()
