"""The table of rules: a row for each function, which says all that minigrad knows of what it computes.

``RULES[np.exp]`` is a ``Rule``: its derivatives, and the facts that readings ask for (is it linear, does it work entry
by entry, may its result be a view). The rows themselves are written in ``vjps`` and ``composed``; ``mg.rule`` adds one.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import FunctionType
from typing import Any

import numpy as np

from .arrays import Value

Function = Callable[..., Any]
Derivative = Callable[..., Any]
Derivatives = tuple[Derivative | None, ...]


@dataclass(eq=False, slots=True)
class Rule:
    """What is known of a function.

    Attributes
    ----------
    function : callable
        The function, as users call it.
    derivatives : tuple of (callable or None), or callable
        ``derivatives[i](g, y, *args, **options)`` is the vector-Jacobian product for argument ``i``; None where no
        gradient passes through that argument. Empty for a non-differentiable function: its derivative is 0 wherever
        it has one. A callable takes the operands (Tensors; None for a constant) and returns such a tuple.
    gaps : bool
        Whether there is an argument through which no gradient passes.
    smooth : bool
        Whether it is differentiable in every argument: a gradient passes to each operand that requires one.
    elementwise : bool
        Whether every entry of the result depends on the arguments' entries at its place alone.
    composed : callable or None
        Plain NumPy in terms of other functions, which is run in place of this one; it needs no derivatives.
    general : callable or None
        The same function with the options that its derivatives do not know, in terms of calls without them.
    implementation : callable
        The same function on plain arrays and NumPy scalars, without the cost of NumPy's conveniences.
    repeated : callable or None
        For a reduction that gives every entry the same cotangent: ``repeated(g, y, a, **options)`` is its derivative
        before it is repeated along the reduced axes.
    cotangents : callable or None
        For a function that joins many arrays, linear in them together: ``cotangents(g, y, *args, **options)`` gives
        what goes to each, in less time than one derivative after the other.
    pointwise : bool
        Whether each entry of a cotangent that the derivatives return depends on that entry of ``g`` alone, so that a
        ``g`` of size 1 along an axis may stand for one that repeats along it.
    linear : int
        The number of leading arguments in each of which it is linear, the others held fixed; ``sys.maxsize`` for any.
    symmetric : bool
        Whether its two arguments may be exchanged.
    identity : bool
        Whether its value is that of its argument.
    jumps : bool
        Whether its value jumps somewhere, so that rounding of an argument can change it by much; a function whose
        derivative is 0 everywhere does.
    view : bool
        Whether the result may share memory with the first argument.
    reduces : np.ufunc or None
        The ufunc whose ``reduce`` it is.
    pure : bool
        Whether it depends on its arguments alone and changes nothing, so that one call may stand for several.
    varying_shape : bool
        Whether the shape of its result depends on the values of its arguments.
    sign : str or None
        The sign that people write it with, such as ``+`` or ``@``; None where it is called by its name.
    """

    function: Function
    derivatives: Derivatives | Callable[[tuple[Value, ...]], Derivatives]
    gaps: bool = False
    smooth: bool = field(init=False)
    elementwise: bool = field(init=False)
    composed: Function | None = None
    general: Function | None = None
    implementation: Any = None
    repeated: Derivative | None = None
    cotangents: Function | None = None
    pointwise: bool = False
    linear: int = 0
    symmetric: bool = False
    identity: bool = False
    jumps: bool = False
    view: bool = False
    reduces: np.ufunc | None = None
    pure: bool = True
    varying_shape: bool = False
    sign: str | None = None

    def __post_init__(self) -> None:
        self.implementation = self.implementation or plain(self.function)
        if type(self.derivatives) is tuple:
            self.gaps = None in self.derivatives
        self.smooth = self.derivatives != () and not self.gaps
        self.jumps |= self.derivatives == () and self.composed is None
        ufunc = isinstance(self.function, np.ufunc) and self.function.signature is None
        self.elementwise = self.function is np.where or ufunc

    @property
    def differentiable(self) -> bool:
        """Return True if it has a derivative that is not 0 everywhere."""
        return self.smooth or self.gaps

    def vjps(self, operands: tuple[Value, ...]) -> Derivatives:
        """Return the derivatives for these operands (None for a constant): one per argument, or none at all."""
        return self.derivatives if isinstance(self.derivatives, tuple) else self.derivatives(operands)


RULES: dict[Function, Rule] = {}


def define(row: Rule) -> None:
    """Enter a row into the table. The row of a function that is known already changes, for those who hold it."""
    known = RULES.setdefault(row.function, row)
    for fact in fields(Rule):
        setattr(known, fact.name, getattr(row, fact.name))


def rule(function: Function, *derivatives: Derivative | None, pure: bool = False) -> Function:
    """Teach minigrad the derivatives of a function.

    Parameters
    ----------
    function : callable
        A ufunc (NumPy's or SciPy's), a NumPy function that dispatches on its arguments, or your own function from
        arrays to one array.
    *derivatives : callable or None
        ``derivatives[i](g, y, *args, **options)`` is the vector-Jacobian product for argument ``i``: ``g`` is the
        cotangent of the result ``y``, of its shape, and it returns an array of the shape of ``args[i]``, or of a shape
        that broadcasting made of it. Written in NumPy it works for second derivatives too. It must not write to what
        it is given. None says that no gradient passes through that argument; without any derivative the function is
        non-differentiable, and gives plain arrays.
    pure : bool
        Whether your function depends on its arguments alone and changes nothing else. A compiled program calls one
        that may draw random numbers or keep a state as often as it is written, and in that order; of a pure one it
        calls what it needs, equal calls once. NumPy's functions and ufuncs are pure.

    Returns
    -------
    callable
        The function to call: the same one, or for your own function one that records.

    Raises
    ------
    TypeError
        Where something is not callable.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> softplus = mg.rule(lambda x: np.log1p(np.exp(x)), lambda g, y, x: g / (1 + np.exp(-x)))
    >>> x = mg.Tensor([0.0], name="x")
    >>> softplus(x).backward(np.array([1.0])); x.grad
    array([0.5])
    """
    for part in (function, *derivatives):
        if part is not None and not callable(part):
            raise TypeError(f"rule: {part!r} is not callable; give a function and one derivative per argument, or None")
    if isinstance(function, np.ufunc | type(np.sum)):  # which dispatch on their arguments already
        pure = True
    else:
        function = dispatching(_copying(function))
    vjps = tuple(d and _checked(d) for d in derivatives)
    define(Rule(function, vjps, pure=pure, jumps=True))  # nobody knows where it jumps
    return function


def _copying(function: Function) -> Function:
    """Return the function with a copy for a result: what a user's function returns may be changed later."""

    @functools.wraps(function)
    def copying(*args: Any, **options: Any) -> Value:
        result = function(*args, **options)
        return result.copy("K") if type(result) is np.ndarray else result

    return copying


def _checked(derivative: Derivative) -> Derivative:
    """Return a user's derivative, which copies what it returns, and says where that is no array."""
    copying = _copying(derivative)

    @functools.wraps(derivative)
    def checked(*args: Any, **options: Any) -> Value:
        c = copying(*args, **options)
        if not hasattr(c, "shape"):
            name = getattr(derivative, "__qualname__", repr(derivative))
            raise TypeError(f"the derivative {name} returned {c!r:.40}; it returns an array, such as np.zeros_like(x)")
        return c

    return checked


def dispatching(implementation: Function) -> Function:
    """Return a function that asks its arguments for ``__array_function__``, as NumPy's functions do."""

    @functools.wraps(implementation)
    def function(*args: Any, **options: Any) -> Value:
        for argument in args:
            kind = type(argument)
            if kind is not np.ndarray and hasattr(kind, "__array_function__"):
                return argument.__array_function__(function, (kind,), args, options)
        return implementation(*args, **options)

    return function


def plain(function: Function) -> Function:
    """Return what a function of ``dispatching`` does to plain arrays; another function as it is."""
    return getattr(function, "__wrapped__", function) if isinstance(function, FunctionType) else function


def same(g: Value, y: Value, *args: Any) -> Value:
    """Return the derivative 1: the cotangent passes as it is."""
    return g
