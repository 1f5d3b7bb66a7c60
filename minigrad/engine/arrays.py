"""The arrays that a node holds are its own: copied on the way in, read-only on the way out.

Real numbers only.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

# glibc gives arrays from 128 kB on back to the system when they are freed, and to fetch their pages again costs more
# than to compute what stands in them. Once it has seen a larger one freed, it keeps what is no larger. This one, as
# large as counts, is never touched, and so costs nothing (mallopt(3), M_MMAP_THRESHOLD).
np.empty(2**25 - 2**16, np.uint8)


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


def like(t: Any, data: Any, what: str) -> Array:
    """A private, writable copy of ``data`` with the shape and dtype of the Tensor ``t``, to be its ``what``."""
    array = np.array(data)
    if array.shape != t.shape:
        raise ValueError(f"{what} of {t.describe()} cannot have shape {array.shape}: reshape it to {t.shape}")
    if not np.can_cast(array.dtype, t.dtype, "same_kind"):
        raise TypeError(f"{what} of {t.describe()} cannot be made of {array.dtype} data: convert it first (.astype)")
    return array.astype(t.dtype, copy=False)


def private(a: Any) -> Any:
    """An anonymous constant as a node may keep it: arrays and sequences are copied."""
    if isinstance(a, np.ndarray):
        if type(a) is not np.ndarray and not isinstance(a, np.memmap):
            raise TypeError(f"{type(a).__name__} {a.shape} computes in its own way; take np.asarray of it")
        if a.dtype.kind not in "biuf":
            raise TypeError(f"array {a.shape} {a.dtype}: Tensors compute with real numbers only")
        return a.copy("K") if a.ndim else a[()]
    if isinstance(a, complex | np.complexfloating | str):
        raise TypeError(f"{a!r}: Tensors compute with real numbers only")
    return private(_stacked(a)) if hasattr(a, "__iter__") else a


def operand(a: Any) -> Any:
    """The other operand of an operator, as a node may keep it; NotImplemented where it is no array."""
    a = private(a)
    return a if isinstance(a, np.ndarray | np.generic | int | float) else NotImplemented


def _stacked(sequence: Any) -> Array:
    if isinstance(sequence, list | tuple) and any(map(is_tensor, sequence)):
        raise TypeError("a list of Tensors is no array: np.stack and np.concatenate make one that is recorded")
    return np.array(sequence)


def frozen(option: Any) -> Any:
    """An option as a node may keep it: what could be changed later is copied, lists become tuples."""
    if isinstance(option, list | tuple):
        return tuple(frozen(item) for item in option)
    return np.array(option) if isinstance(option, np.ndarray) else option


def read_only(value: Any) -> Array:
    """A copy that cannot be written: a view would lead to what it shows by its ``base``."""
    array = np.array(value)
    array.setflags(write=False)
    return array
