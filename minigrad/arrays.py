"""The arrays that a node holds are its own: copied on the way in, read-only on the way out.

Real numbers only.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def is_tensor(a: Any) -> bool:
    """Whether ``a`` is a Tensor, for the rooms below ``tensor.py``."""
    return hasattr(a, "operands")


def leaf_array(data: Any, name: str | None, requires_grad: bool) -> Array:
    """A private, writable copy of a leaf's data."""
    if is_tensor(data):
        raise TypeError(
            f"a Tensor is made from plain data, not from {data.describe()}: use .detach(), or mg.Tensor(t.data)"
        )
    array = np.array(data)
    called = f"Tensor {name or ''} {array.shape} {array.dtype}".replace("  ", " ")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{called}: the data is not real numbers")
    if requires_grad and array.dtype.kind != "f":
        raise TypeError(
            f"{called}: only floating-point data can have a gradient; write 1.0 for 1, use "
            f"np.asarray(data, dtype=float), or make it a constant: mg.constant(data)"
        )
    return array


def private(a: Any) -> Any:
    """An anonymous constant as a node may keep it: arrays and sequences are copied."""
    if isinstance(a, np.ndarray):
        if a.dtype.kind not in "biuf":
            raise TypeError(f"array {a.shape} {a.dtype}: Tensors compute with real numbers only")
        return a.copy("K") if a.ndim else a[()]
    if isinstance(a, list | tuple):
        return private(_stacked(a))
    if isinstance(a, complex | np.complexfloating | str):
        raise TypeError(f"{a!r}: Tensors compute with real numbers only")
    return a


def operand(a: Any) -> Any:
    """The other operand of an operator, as a node may keep it; NotImplemented where it is no array."""
    a = private(a)
    return a if isinstance(a, np.ndarray | np.generic | int | float) else NotImplemented


def _stacked(sequence: list[Any] | tuple[Any, ...]) -> Array:
    if any(is_tensor(item) for item in sequence):
        raise TypeError("a list of Tensors is no array: np.stack or np.concatenate make one that is recorded")
    return np.array(sequence)


def read_only(value: Any) -> Array:
    """A view that cannot be written, nor made writable: what it shows may not change."""
    array = base = np.asarray(value)
    while isinstance(base, np.ndarray):
        base.setflags(write=False)
        base = base.base  # type: ignore[assignment]
    return array.view()
