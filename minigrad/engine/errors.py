"""What errors say of a call: the function, the Tensors (name, shape, dtype), and the mend."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .node import Node


def described(args: Any) -> str:
    """Return the arguments of a call, as errors give them."""
    return " and ".join(
        a.describe()
        if isinstance(a, Node)
        else f"array {a.shape} {a.dtype}"
        if isinstance(a, np.ndarray)
        else f"({described(a)})"
        if isinstance(a, list | tuple) and any(isinstance(item, Node) for item in a)
        else repr(a)[:60]
        for a in args
    )


def called(function: Callable[..., Any]) -> str:
    """Return a function as its caller writes it: np.exp, np.linalg.norm."""
    name: str = getattr(function, "__name__", repr(function))
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{called(owner)}.{name}"
    module = getattr(function, "__module__", None) or ""
    if module.partition(".")[0] == "numpy":
        return f"np{module.removeprefix('numpy')}.{name}"
    # A ufunc has no module; some of NumPy's functions have a twin here that takes its arrays one by one.
    ours = isinstance(function, np.ufunc) or module == f"{__package__}.primitives"
    return f"np.{name}" if ours and hasattr(np, name) else name


def no_rule(function: Callable[..., Any], args: tuple[Any, ...]) -> TypeError:
    """Return the error of a call of a function that the table of rules does not know."""
    name = called(function)
    return TypeError(
        f"minigrad has no rule for {name}, called with {described(args)}; add its derivatives with "
        f"mg.rule({name}, lambda g, y, x: ...), or call it on plain arrays (t.data)"
    )


def failed(function: Callable[..., Any], args: tuple[Any, ...], error: Exception) -> Exception:
    """Return the error of a call that NumPy refused, with the Tensors named and the mend."""
    kind = next(k for k in (np.linalg.LinAlgError, IndexError, ValueError, TypeError) if isinstance(error, k))
    text = str(error)
    tensors = described(args)
    return kind(f"{called(function)}{'' if tensors in text else f' of {tensors}'}: {_mend(function, args) or text}")


def _mend(function: Callable[..., Any], args: tuple[Any, ...]) -> str | None:
    """Return what does not fit, and what to do, for the two commonest misfits."""
    shapes = [np.shape(a) for a in args if isinstance(a, Node | np.ndarray | np.generic | int | float)]
    if function is np.matmul and len(shapes) == 2:
        a, b = shapes
        if not a or not b:
            return "a number has no matrix product; multiply with *"
        inner = b[-2] if len(b) > 1 else b[0]
        if a[-1] != inner:
            return f"the inner sizes differ, {a[-1]} and {inner}; transpose (.T) or reshape one"
        shapes = [a[:-2], b[:-2]]
    elif not isinstance(function, np.ufunc) and function is not np.where:
        return None
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
        if len(sizes) > 1:
            misfit = " and ".join(map(str, sorted(sizes)))
            return f"the shapes do not broadcast, axis -{axis} has {misfit}; reshape one, such as x.reshape(-1, 1)"
    return None
