"""How NumPy code calls its functions: which arguments are arrays, which are options; and what an error says of it."""

from collections.abc import Callable
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from .arrays import is_tensor

# --- arguments --------------------------------------------------------------------------------------------------------


def arrays_and_options(
    function: Callable[..., Any], derivatives: tuple[Any, ...], args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort the arguments of a NumPy function: arrays by position, options by name, defaults left out."""
    names = _parameters(function)
    if not names:
        return args, options
    given = dict(zip(names, args, strict=False)) | options
    arrays = tuple(given.pop(name) for name in names[: len(derivatives)] if name in given)
    given = {key: option for key, option in given.items() if option is not None and option is not np._NoValue}
    known = _option_names(next(d for d in derivatives if d is not None))
    unknown = [f"{key}=" for key in given if known is not None and key not in known]
    if unknown:
        raise TypeError(
            f"np.{function.__name__} of {described(arrays)} with {', '.join(unknown)} is not recorded; leave it out"
        )
    for key, option in given.items():
        if is_tensor(option):
            raise TypeError(
                f"np.{function.__name__}: {key}= is {option.describe()}; it must be a plain value (t.item())"
            )
    return arrays, given


@lru_cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(signature(function).parameters)
    except ValueError:  # written in C, without a signature
        return ()


@lru_cache
def _option_names(derivative: Callable[..., Any]) -> frozenset[str] | None:
    """The options that a rule knows; None where it takes any."""
    parameters = signature(derivative).parameters.values()
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


def call_composed(
    function: Callable[..., Any], composed: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    try:
        return composed(*args, **options)
    except TypeError as error:
        try:
            signature(composed).bind(*args, **options)
        except TypeError as mismatch:
            raise TypeError(
                f"np.{function.__name__} of {described(args)}: {mismatch}; only these are recorded"
            ) from error
        raise


# --- errors -----------------------------------------------------------------------------------------------------------


def described(args: Any) -> str:
    """The arguments of a call, as errors give them."""
    return " and ".join(
        a.describe()
        if is_tensor(a)
        else f"array {a.shape} {a.dtype}"
        if isinstance(a, np.ndarray)
        else f"({described(a)})"
        if isinstance(a, list | tuple) and any(is_tensor(item) for item in a)
        else repr(a)[:60]
        for a in args
    )


def _function_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", repr(function))
    module = getattr(function, "__module__", None) or ""
    return f"np.{name}" if isinstance(function, np.ufunc) or module.startswith("numpy") else name


def no_rule(function: Callable[..., Any], args: tuple[Any, ...]) -> TypeError:
    name = _function_name(function)
    return TypeError(
        f"minigrad has no rule for {name}, called with {described(args)}; add its derivatives with "
        f"mg.rule({name}, lambda g, y, x: ...), or call it on plain arrays (t.data)"
    )


def failed(function: Callable[..., Any], args: tuple[Any, ...], error: Exception) -> Exception:
    """The error of a call that NumPy refused, with the Tensors named and the mend."""
    kind = next(k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
    return kind(f"{_function_name(function)} of {described(args)}: {_mend(function, args) or error}")


def _mend(function: Callable[..., Any], args: tuple[Any, ...]) -> str | None:
    """What does not fit, and what to do, for the two commonest misfits."""
    shapes = [np.shape(a) for a in args if not isinstance(a, slice | str | None)]
    if len(shapes) != 2 or not isinstance(function, np.ufunc):
        return None
    a, b = shapes
    if function is np.matmul:
        if not a or not b:
            return "a number has no matrix product; multiply with *"
        inner = b[-2] if len(b) > 1 else b[0]
        return f"the inner sizes differ, {a[-1]} and {inner}; transpose (.T) or reshape one" if a[-1] != inner else None
    for axis, (m, n) in enumerate(zip(reversed(a), reversed(b), strict=False), 1):
        if m != n and 1 not in (m, n):
            return f"the shapes do not broadcast, axis -{axis} has {m} and {n}; reshape one, such as x.reshape(-1, 1)"
    return None
