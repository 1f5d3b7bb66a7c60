"""The arrays that nodes hold are their own: copied on the way in, read-only on the way out. Real numbers only."""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Value = Any  # what NumPy's functions take and give: an array or a number, or a Tensor in its place
Axis = int | tuple[int, ...] | None
Options = Mapping[str, Any]  # keyword arguments by name
INTEGERS = (int, np.integer)
REFERENCES_TO_UNSHARED_ARRAY = 2  # an attribute or a list, and getrefcount's argument


def leaf_array(data: Value, name: str | None, requires_grad: bool) -> Array:
    """Return a private, writable copy of a leaf's data."""
    array = data.copy("K") if type(data) is np.ndarray else plain(data)
    kind = array.dtype.kind
    if kind == "f" or (kind in "biu" and not requires_grad):
        return array
    called = f"Tensor {name or ''} {array.shape} {array.dtype}".replace("  ", " ")
    if kind not in "biu":
        raise TypeError(f"{called}: the data is not real numbers; np.asarray(data, dtype=float) converts what can be")
    raise TypeError(
        f"{called}: only floating-point data can have a gradient; write 1.0 for 1, use "
        f"np.asarray(data, dtype=float), or make it a constant: mg.constant(data)"
    )


def like(t: Any, data: Value, what: str) -> Array:
    """Return a private, writable copy of ``data`` with the shape and dtype of the node ``t``, to be its ``what``."""
    array = plain(data)
    if array.shape != t.shape:
        raise ValueError(f"{what} of {t.describe()} cannot have shape {array.shape}: reshape it to {t.shape}")
    if not np.can_cast(array.dtype, t.dtype, "same_kind"):
        raise TypeError(f"{what} of {t.describe()} cannot be made of {array.dtype} data: convert it first (.astype)")
    return array.astype(t.dtype, copy=False)


def plain(data: Value, dtype: Any = None) -> Array:
    """Return a copy of data as a plain array, of what would mean the same in one."""
    _refuse_subclass(data)
    try:
        return np.array(data, dtype)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"a {type(data).__name__} of {len(data)} parts that differ in length is no array: fill the short ones up "
            f"to one length, or keep each as an array of its own"
        ) from None


def _refuse_subclass(a: Value) -> None:
    """Refuse an array whose mask, or whose own product, a plain array would not have."""
    if isinstance(a, np.ndarray) and type(a) is not np.ndarray and not isinstance(a, np.memmap):
        raise TypeError(
            f"{type(a).__name__} {a.shape} computes in its own way; take np.asarray of it, .filled(number) of what is "
            f"masked"
        )


def private(a: Value) -> Value:
    """Return an anonymous constant as a node may keep it: arrays are copied, sequences become arrays."""
    if isinstance(a, np.ndarray):
        if type(a) is not np.ndarray:
            _refuse_subclass(a)
        if a.dtype.kind not in "biuf":
            raise TypeError(f"array {a.shape} {a.dtype}: Tensors compute with real numbers only")
        return a.copy("K") if a.ndim else a[()]
    if isinstance(a, complex | np.complexfloating | str):
        raise TypeError(f"{a!r}: Tensors compute with real numbers only")
    return private(plain(a)) if hasattr(a, "__iter__") else a


def owned(arrays: Sequence[Value]) -> list[Value]:
    """Return arrays that are the caller's own: those that others see are copied. Tensors and None stay."""
    unshared = [getrefcount(arrays[i]) <= REFERENCES_TO_UNSHARED_ARRAY for i in range(len(arrays))]
    return [*map(own, arrays, unshared)]


def own(a: Value, unshared: bool = False) -> Value:
    """Return a copy of an array, unless it has memory that nobody else sees."""
    if not isinstance(a, np.ndarray) or (unshared and type(a) is np.ndarray and a.base is None and a.ndim):
        return a
    return np.array(a)[()]


def frozen(option: Any) -> Any:
    """Return an option as a node may keep it: what could be changed later is copied, lists become tuples."""
    if isinstance(option, list | tuple):
        return tuple([frozen(item) for item in option])
    if isinstance(option, dict):
        return {key: frozen(item) for key, item in option.items()}
    return np.array(option) if isinstance(option, np.ndarray) else option


def read_only(value: Value) -> Array:
    """Return a copy that cannot be written: a view would lead to what it shows by its ``base``."""
    array = np.array(value)
    array.setflags(write=False)
    return array


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed arrays for the next ones, where it is glibc.

    glibc gives arrays from 128 kB on back to the system when they are freed, and to fetch their pages anew in every
    step costs more than to compute what stands in them: without this a step of a network of 784-256-128-1 units takes
    half as long again. Arrays up to 32 MB, the largest limit that glibc takes, are kept, and up to 1 GB of free memory
    in all: with a quarter of that a step of 20 operations on a million numbers takes two and a half times as long.

    References
    ----------
    mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 2**25)
        mallopt(_TRIM_THRESHOLD, 2**30)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them
keep_freed_memory()
