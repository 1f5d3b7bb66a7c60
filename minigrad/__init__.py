"""minigrad: plain NumPy code, its gradients, and the picture of which cost term reaches what.

>>> import numpy as np, minigrad as mg
>>> W = mg.Tensor([[1.0, -2.0]], name="W")
>>> J = np.sum(np.maximum(W, 0)) + 0.5 * np.sum(np.square(W))
>>> J.backward()
>>> W.grad
array([[ 2., -2.]])
"""

from .check import check
from .compile import compile
from .derive import derive
from .draw import draw
from .explain import explain
from .rules import rule
from .tensor import Tensor, constant, no_grad, scope
from .transforms import check_grads, grad, gradients, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "Tensor",
    "check",
    "check_grads",
    "compile",
    "constant",
    "derive",
    "draw",
    "explain",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "rule",
    "scope",
    "value_and_grad",
    "vjp",
]
