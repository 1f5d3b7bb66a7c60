"""How NumPy code calls its functions: which arguments are arrays, which are options; and what an error says of it."""

from collections.abc import Callable
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from .arrays import frozen, is_tensor

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
            f"{called(function)} of {described(arrays)} with {', '.join(unknown)} is not recorded; leave it out"
        )
    return arrays, given


def frozen_options(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options of a call as a node may keep them."""
    for key, option in options.items():
        if is_tensor(option):
            raise TypeError(
                f"{called(function)}: {key}= is {option.describe()}, through which no gradient passes; "
                f"give its plain value (t.data)"
            )
    return {key: frozen(option) for key, option in options.items()}


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
    """Call ``composed`` in place of ``function``; errors name ``function``."""
    try:
        return composed(*args, **options)
    except (ValueError, TypeError, IndexError) as error:
        try:
            signature(composed).bind(*args, **options)
        except TypeError as mismatch:
            raise TypeError(f"{called(function)} of {described(args)} is not recorded so: {mismatch}") from None
        if str(error).startswith(called(function)):
            raise
        raise failed(function, args, error) from error


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


def called(function: Callable[..., Any]) -> str:
    """A function as its caller writes it: np.exp, np.linalg.norm."""
    name: str = getattr(function, "__name__", repr(function))
    module = getattr(function, "__module__", None) or ""
    if module.partition(".")[0] == "numpy":
        return f"np{module.removeprefix('numpy')}.{name}"
    # A ufunc has no module; some of NumPy's functions have a twin here that takes its arrays one by one.
    ours = isinstance(function, np.ufunc) or module == f"{__package__}.rules"
    return f"np.{name}" if ours and hasattr(np, name) else name


def no_rule(function: Callable[..., Any], args: tuple[Any, ...]) -> TypeError:
    name = called(function)
    return TypeError(
        f"minigrad has no rule for {name}, called with {described(args)}; add its derivatives with "
        f"mg.rule({name}, lambda g, y, x: ...), or call it on plain arrays (t.data)"
    )


def failed(function: Callable[..., Any], args: tuple[Any, ...], error: Exception) -> Exception:
    """The error of a call that NumPy refused, with the Tensors named and the mend."""
    kind = next(k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
    text = str(error)
    tensors = described(args)
    return kind(f"{called(function)}{'' if tensors in text else f' of {tensors}'}: {_mend(function, args) or text}")


def _mend(function: Callable[..., Any], args: tuple[Any, ...]) -> str | None:
    """What does not fit, and what to do, for the two commonest misfits."""
    shapes = [np.shape(a) for a in args if is_tensor(a) or isinstance(a, np.ndarray | np.generic | int | float)]
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
