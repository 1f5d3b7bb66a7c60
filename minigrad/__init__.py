"""minigrad: plain NumPy code, its gradients, and the picture of which cost term reaches what.

>>> import numpy as np, minigrad as mg
>>> W = mg.Tensor([[1.0, -2.0]], name="W")
>>> J = np.sum(np.maximum(W, 0)) + 0.5 * np.sum(np.square(W))
>>> J.backward()
>>> W.grad
array([[ 2., -2.]])
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .rules import rule
from .tensor import Tensor, constant, no_grad, scope
from .transforms import check_grads, grad, gradients, hessian, hvp, jacobian, jvp, value_and_grad, vjp

if TYPE_CHECKING:
    from .check import check
    from .compile import compile
    from .derive import derive
    from .draw import draw
    from .explain import explain

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

_READINGS = frozenset({"check", "compile", "derive", "draw", "explain"})


class _Package(ModuleType):
    """Loads a reading when it is first asked for; ``mg.check`` is the function, not the room of the same name."""

    def __getattr__(self, name: str) -> Any:
        if name not in _READINGS:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{self.__name__}.{name}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _READINGS and isinstance(value, ModuleType)):  # the import system binds each room that it loads
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_READINGS})


sys.modules[__name__].__class__ = _Package
