"""Functions that NumPy itself writes in Python, in terms of others: run on Tensors, its own lines record.

They begin with ``asarray`` or its like, which would make a plain array of a Tensor. So here they run with other names
for these, which leave Tensors as they are.
"""

import sys
from functools import cache
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .arrays import Value
from .composed import compose
from .primitives import array
from .rules import Function


def _leaving_tensors(make: Function) -> Function:
    """Return one of NumPy's functions that make arrays, which leaves Tensors, and stacks sequences of them."""

    def made(a: Value, dtype: Any = None, **options: Any) -> Value:
        given = array(a, dtype)
        return make(a, dtype, **options) if isinstance(given, np.ndarray) else given

    return made


_MAKING = {make.__name__: _leaving_tensors(make) for make in (np.array, np.asarray, np.asanyarray)}


@cache
def _names(module: str) -> dict[str, Any]:
    """Return the names that the functions of a module of NumPy run with here."""
    theirs = vars(sys.modules[module])
    ours = theirs | _MAKING
    for name, value in theirs.items():
        if isinstance(value, ModuleType) and hasattr(value, "asarray"):
            ours[name] = SimpleNamespace(**vars(value) | _MAKING)
        elif isinstance(value, FunctionType) and value.__globals__ is theirs:
            ours[name] = _renamed(value, ours)
    return ours


def _renamed(lines: Any, names: dict[str, Any]) -> Function:
    renamed = FunctionType(lines.__code__, names, lines.__name__, lines.__defaults__, lines.__closure__)
    renamed.__kwdefaults__ = lines.__kwdefaults__
    return renamed


def own_lines(function: Any) -> Function:
    """Return the lines in which NumPy writes one of its functions, for Tensors."""
    lines = getattr(function, "__wrapped__", function)
    return _renamed(lines, _names(lines.__module__))


_BORROWED = (
    *(np.append, np.apply_over_axes, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.diag_indices_from, np.diff),
    *(np.dsplit, np.dstack, np.flip, np.fliplr, np.flipud, np.full_like, np.hsplit, np.hstack, np.iscomplexobj),
    *(np.isrealobj, np.logspace, np.matrix_transpose, np.ndim, np.ones_like, np.poly, np.polyadd, np.polysub),
    *(np.polyval, np.real_if_close, np.rollaxis, np.setdiff1d, np.shape, np.size, np.take_along_axis),
    *(np.trapezoid, np.tril_indices_from, np.trim_zeros, np.triu_indices_from, np.union1d),
    *(np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values, np.vsplit, np.vstack, np.zeros_like),
    *(np.linalg.cross, np.linalg.diagonal, np.linalg.matmul, np.linalg.matrix_norm, np.linalg.matrix_power),
    *(np.linalg.matrix_transpose, np.linalg.multi_dot, np.linalg.outer, np.linalg.tensordot, np.linalg.tensorinv),
    *(np.linalg.trace, np.linalg.vecdot, np.linalg.vector_norm),
    *(getattr(np, name) for name in ("cumulative_prod", "cumulative_sum") if hasattr(np, name)),  # NumPy 2.1
)
compose({function: own_lines(function) for function in _BORROWED})
