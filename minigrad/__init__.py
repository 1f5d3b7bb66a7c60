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
from typing import TYPE_CHECKING, Any

from .engine.context import no_grad
from .engine.debug import debug
from .engine.rules import rule
from .engine.scope import scope
from .engine.tensor import Tensor, constant

if TYPE_CHECKING:
    from . import nn, optim
    from .catalogue import rules
    from .differences import check_grads
    from .readings.check import Check, Mistake, check
    from .readings.compile import compile
    from .readings.derive import Derivation, derive
    from .readings.draw import Drawing, RenderError, draw
    from .readings.explain import Explanation, explain
    from .transforms import (
        grad,
        gradients,
        hessian,
        hvp,
        jacfwd,
        jacobian,
        jacrev,
        jvp,
        stop_gradient,
        value_and_grad,
        vjp,
    )

__version__ = "0.1.0"

# Leaves that version 0.1.0 pickled name the module that Tensor had then.
sys.modules[f"{__name__}.tensor"] = sys.modules[f"{__name__}.engine.tensor"]

__all__ = ["Tensor", "constant", "debug", "nn", "no_grad", "optim", "rule", "rules", "scope"]
__all__ += ["check_grads", "grad", "gradients", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp"]
__all__ += ["stop_gradient", "value_and_grad", "vjp"]
__all__ += ["Check", "Derivation", "Drawing", "Explanation", "Mistake", "RenderError"]
__all__ += ["check", "compile", "derive", "draw", "explain"]

# What is loaded when it is first asked for, so that importing minigrad costs little more than importing NumPy.
_LAZY = {
    name: room
    for room, names in {
        "transforms": "grad gradients hessian hvp jacfwd jacobian jacrev jvp stop_gradient value_and_grad vjp",
        "differences": "check_grads",
        "catalogue": "rules",
        "readings.check": "Check Mistake check",
        "readings.compile": "compile",
        "readings.derive": "Derivation derive",
        "readings.draw": "Drawing RenderError draw",
        "readings.explain": "Explanation explain",
    }.items()
    for name in names.split()
}
_MODULES = frozenset({"nn", "optim"})


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_elsewhere(name)}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value


def _elsewhere(name: str) -> str:
    """Return what to write for a name that other libraries have."""
    import numpy

    if name in ("numpy", "np"):
        return ": NumPy's own functions take Tensors, import numpy as np"
    if name in ("tensor", "Variable", "Parameter", "variable"):
        return ": mg.Tensor(data) makes a leaf"
    if name in ("jit", "function"):
        return ": mg.compile(f) makes a fast function of f"
    if not name.startswith("_") and hasattr(import_module(f"{__name__}.nn"), name):
        return f": mg.nn.{name} is"
    return f": np.{name} takes Tensors" if callable(getattr(numpy, name, None)) and not name.startswith("_") else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
