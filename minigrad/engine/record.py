"""Recording: a call of a NumPy function on Tensors becomes a node of the graph.

There is one way, ``apply``, and for smooth reductions and ufuncs of one or two arguments, nearly all of a computation,
a ``recorder`` that does the same without the general case: with ``apply`` alone the smallest network of the benchmark
takes 2.8 times the time of hand-written NumPy instead of 2.0.
"""

import operator
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

import numpy as np

# They write the table of rules.
from . import elementwise, files, linear_algebra, polynomials, sequences, shapes, statistics  # noqa: F401
from .arrays import Options, Value, frozen, private
from .context import impure_calls, traced
from .errors import called, described, failed, no_rule
from .node import NO_OPTIONS, Node, result
from .primitives import array
from .rules import RULES, Function, Rule
from .ufuncs import METHODS

_NUMBERS = frozenset(
    {int, float, bool, np.float64, np.float32, np.float16, np.longdouble, np.int64, np.int32, np.bool_}
)
_ARRAYS = (np.ndarray, np.generic)
_SEQUENCES = (list, tuple)
_OPERANDS = (*_ARRAYS, int, float)
_COMPLEX = (*_ARRAYS, complex)


def apply(function: Function, args: tuple[Value, ...], options: Options = NO_OPTIONS) -> Value:
    """Call a function on the values of its arguments, and record the result.

    Parameters
    ----------
    function : callable
        A function of the table of rules.
    args : tuple
        The arguments through which a gradient may pass: Tensors, plain arrays, numbers; one at least is a Tensor.
    options : dict
        All other arguments.

    Returns
    -------
    Tensor or array
        A plain array for a non-differentiable function, unless a program is traced.

    Raises
    ------
    ValueError, TypeError, IndexError
        NumPy's error, with the Tensors named; TypeError for a function without a rule.
    """
    rule = RULES.get(function) or _learned(function, args)
    if rule.composed is not None:
        return _call_composed(function, rule.composed, args, options)
    operands: list[Value] = []
    primals: list[Value] = []
    tensor, requires, trace = None, False, traced.get()
    try:
        for a in args:
            if isinstance(a, Node):
                operands.append(a)
                primals.append(a.capture() if a.primal is None else a.primal)
                tensor, requires = a, requires or a.requires_grad
            else:
                operands.append(None)
                primals.append(a if type(a) in _NUMBERS else _constant(a))
        value = rule.implementation(*primals, **options) if trace is None else trace(rule, operands, primals, options)
        if rule.derivatives == () and trace is None:
            return value
        requires = requires and ((rule.smooth and len(args) == 1) or _passes_gradient(rule, tuple(operands)))
        if type(value) is tuple and not requires and trace is None:  # indices, such as those of np.where(t)
            return value
        if not isinstance(value, _ARRAYS):
            value = _one_array(value, rule)
    except (ValueError, TypeError, IndexError) as error:
        raise failed(function, args, error) from error
    assert tensor is not None
    node = result(rule, value, tuple(operands), tuple(primals), options, requires)
    return node if rule.pure else _noted(node)


def _noted(node: Node) -> Node:
    """Return the result of a function that is not pure; a program that is traced must call it too."""
    calls = impure_calls.get()
    if calls is not None:
        calls.append(node)
    return node


def _learned(function: Function, args: tuple[Value, ...]) -> Rule:
    """Return the row of a function that is met for the first time: those of SciPy and of numpy.fft are written then."""
    if getattr(function, "__module__", None) == "numpy.fft":
        import_module(".fourier", __package__)
    elif isinstance(function, np.ufunc) and "scipy.special" in sys.modules:
        import_module(".special", __package__)
    if function not in RULES:
        raise no_rule(function, args)
    return RULES[function]


def _constant(a: Value) -> Value:
    """Return the value of an argument that is no Tensor, for a node to keep."""
    if type(a) is np.ndarray:
        return private(a)
    if isinstance(a, slice):  # whose bounds may be arrays that change later
        return slice(*[None if bound is None else operator.index(bound) for bound in (a.start, a.stop, a.step)])
    if isinstance(a, _SEQUENCES):
        if not a:  # as an index: of floats it would be none
            return np.empty(0, np.intp)
        if any(isinstance(item, Node) for item in a):
            raise TypeError("a list of Tensors is no array: np.stack and np.concatenate make one that is recorded")
    return private(a)


def _one_array(value: Value, rule: Rule) -> Value:
    """Return a Python number that a function returned, as NumPy's."""
    if not rule.differentiable:
        raise TypeError(
            f"it gives a {type(value).__name__}, which differs from call to call, while a program is traced; "
            f"np.where chooses entries by value, and np.all(a == b) compares arrays"
        )
    if not isinstance(value, int | float):
        raise TypeError(f"a recorded function returns one array, not a {type(value).__name__}")
    return np.asarray(value)[()]


def _passes_gradient(rule: Rule, operands: tuple[Value, ...]) -> bool:
    """Return True if a gradient passes to any operand."""
    wanted = [x is not None and x.requires_grad for x in operands]
    derivatives = rule.vjps(operands) if rule.differentiable else (None,) * len(operands)
    if any(wanted[len(derivatives) :]):
        raise TypeError(
            f"its rule has {len(derivatives)} derivatives; give one per argument, or None where none passes"
        )
    return any([want and d is not None for want, d in zip(wanted, derivatives, strict=False)])


# --- the fast way -----------------------------------------------------------------------------------------------------


def recorder(function: Function) -> Function:
    """Return what calls a ufunc, or a reduction of all of an array, on Tensors by position.

    As ``apply`` does it, without the general case where the rule is smooth.
    """
    rule, arguments = RULES.get(function), getattr(function, "nin", 1)
    if rule is None or arguments > 2:
        return lambda *args: apply(function, args)
    if arguments == 1:
        return _unary(rule)
    forward, reflected = operators(function)
    return lambda x, y: forward(x, y) if isinstance(x, Node) else reflected(y, x)


def _unary(rule: Rule) -> Callable[[Any], Any]:
    function = rule.function

    def record(x: Value) -> Value:
        if not rule.smooth:
            return apply(function, (x,))
        a = x.capture() if x.primal is None else x.primal
        implementation = rule.implementation  # called as rule.implementation(a) it costs 5 % more
        try:
            value = implementation(a)
        except (ValueError, TypeError) as error:
            raise failed(function, (x,), error) from error
        return result(rule, value, (x,), (a,), NO_OPTIONS, x.requires_grad)

    return record


def operators(ufunc: Function) -> tuple[Callable[[Any, Value], Value], Callable[[Any, Value], Value]]:
    """Return how a ufunc of two arguments is called as an operator, and how with a number or sequence on its left.

    One function for a number on either side would cost a tenth of ``t * 2``, 1 % of the smallest network's step.
    """
    rule = RULES[ufunc]

    def forward(x: Node, y: Value) -> Value:
        if not rule.smooth:
            return apply(ufunc, (x, y))
        a = x.capture() if x.primal is None else x.primal
        implementation = rule.implementation
        try:
            if isinstance(y, Node):
                b = y.capture() if y.primal is None else y.primal
                value = implementation(a, b)
                return result(rule, value, (x, y), (a, b), NO_OPTIONS, x.requires_grad or y.requires_grad)
            b = y if type(y) in _NUMBERS else _operand(y)
            if b is NotImplemented:
                return NotImplemented
            value = implementation(a, b)
        except (ValueError, TypeError) as error:
            return _complex_or_raise(ufunc, x, y, error)
        return result(rule, value, (x, None), (a, b), NO_OPTIONS, x.requires_grad)

    def reflected(y: Node, x: Value) -> Value:
        if not rule.smooth:
            return apply(ufunc, (x, y))
        b = y.capture() if y.primal is None else y.primal
        implementation = rule.implementation
        try:
            a = x if type(x) in _NUMBERS else _operand(x)
            if a is NotImplemented:
                return NotImplemented
            value = implementation(a, b)
        except (ValueError, TypeError) as error:
            return _complex_or_raise(ufunc, x, y, error)
        return result(rule, value, (None, y), (a, b), NO_OPTIONS, y.requires_grad)

    return forward, reflected


def _complex_or_raise(ufunc: Function, x: Value, y: Value, error: Exception) -> Value:
    """Return the result of a call that failed for a complex number, a pair of Tensors; or raise what names Tensors."""
    if not any(np.iscomplexobj(a) for a in (x, y) if isinstance(a, _COMPLEX)):
        raise failed(ufunc, (x, y), error) from error
    pair = import_module(".fourier", __package__).Complex
    return ufunc(*(pair(np.real(a), np.imag(a)) if np.iscomplexobj(a) else a for a in (x, y)))


def _operand(a: Value) -> Value:
    """Return the other operand of an operator, as a node may keep it; NotImplemented where it is no array."""
    a = _constant(a)
    return a if isinstance(a, _OPERANDS) else NotImplemented


# --- NumPy's ways of calling ------------------------------------------------------------------------------------------


def call_ufunc(ufunc: np.ufunc, method: str, args: tuple[Value, ...], options: Options) -> Value:
    """Record a call of a ufunc with options, or of one of its methods."""
    _refuse_writing(ufunc, options)
    if method in METHODS:
        return _call_composed(getattr(ufunc, method), partial(METHODS[method], ufunc), args, options)
    rule = RULES.get(ufunc) or _learned(ufunc, args)
    if method == "at":
        raise TypeError(
            f"{called(ufunc)}.at of {described(args)} writes into an array, which cannot be recorded; "
            f"np.bincount(index, weights) adds up by index"
        )
    if rule.composed is not None or not rule.differentiable:
        return apply(ufunc, args, options)
    if options.keys() <= {"dtype", "casting", "order", "subok"}:
        dtype = options.get("dtype")  # the others choose what is allowed and how memory is laid out, not a value
        return ufunc(*(args if dtype is None else [array(a, dtype) for a in args]))
    raise TypeError(
        f"{called(ufunc)} with {', '.join(f'{key}=' for key in options)} of {described(args)} is not recorded; call it "
        f"plainly, and choose with np.where"
    )


def _refuse_writing(function: Function, options: Options) -> None:
    if options.get("out") is not None:
        raise TypeError(
            f"{called(function)} with out= writes into an array, which cannot be recorded; use the result "
            f"instead (for x += t on a plain array x: x = x + t)"
        )


def call_function(function: Function, args: tuple[Value, ...], options: Options) -> Value:
    """Record a call of a NumPy function as its caller wrote it, arrays and options in any order."""
    rule = RULES.get(function)
    if rule is None or rule.composed is not None:
        return apply(function, args, options)
    _refuse_writing(function, options)
    derivatives = rule.derivatives
    if isinstance(derivatives, tuple) and derivatives and isinstance(function, type(np.sum)):
        given = args, options
        args, options, unknown = _arrays_and_options(function, derivatives, args, options)
        if unknown and rule.general is not None:
            return _call_composed(function, rule.general, *given)
        if unknown:
            raise TypeError(
                f"{called(function)} of {described(args)} with {', '.join(unknown)} is not recorded; "
                f"compute the same with other functions, or on plain arrays (t.data)"
            )
    return apply(function, args, _frozen_options(function, options) if options else NO_OPTIONS)


def _arrays_and_options(
    function: Function, derivatives: tuple[Value, ...], args: tuple[Value, ...], options: Options
) -> tuple[tuple[Value, ...], Options, list[str]]:
    """Sort the arguments of a NumPy function: arrays by position, options by name, and those no derivative knows."""
    defaults, names, known = _parameters(function, derivatives)
    if not defaults:
        return args, options, []
    given = dict(zip(defaults, args, strict=False), **options)
    arrays = tuple([given.pop(name) for name in names if name in given])
    given = {
        key: option
        for key, option in given.items()
        if option is not np._NoValue and (option is not None or defaults.get(key) is not None)
    }
    return arrays, given, [] if known is None else [f"{key}=" for key in given if key not in known]


def _frozen_options(function: Function, options: Options) -> Options:
    """Return the options of a call as a node may keep them."""
    for key, option in options.items():
        if isinstance(option, Node):
            raise TypeError(
                f"{called(function)}: {key}= is {option.describe()}, through which no gradient passes; "
                f"give its plain value (t.data)"
            )
    return {key: frozen(option) for key, option in options.items()}


@lru_cache
def _parameters(
    function: Function, derivatives: tuple[Value, ...]
) -> tuple[Options, tuple[str, ...], frozenset[str] | None]:
    """Return a NumPy function's parameters with their defaults, which of them are arrays, and the options a rule knows.

    A function in C that has no signature has no defaults; None stands for the options of a rule that takes any.
    """
    try:
        parameters = dict(signature(function).parameters)
    except ValueError:
        parameters = {}
    defaults = {"shape" if name == "newshape" else name: p.default for name, p in parameters.items()}  # until NumPy 2.1
    of_rule = signature(next(d for d in derivatives if d is not None)).parameters
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in of_rule.values())
    return defaults, tuple(defaults)[: len(derivatives)], None if takes_any else frozenset(of_rule)


def _call_composed(function: Function, lines: Function, args: tuple[Value, ...], options: Options) -> Value:
    """Call ``lines`` in place of ``function``; errors name ``function``."""
    if options:
        _refuse_writing(function, options)
        options = {key: option for key, option in options.items() if key != "out" and option is not np._NoValue}
    try:
        return lines(*args, **options)
    except (ValueError, TypeError, IndexError) as error:
        try:
            signature(lines).bind(*args, **options)
        except TypeError as mismatch:
            raise TypeError(f"{called(function)} of {described(args)} is not recorded so: {mismatch}") from None
        if str(error).startswith(called(function)):
            raise
        raise failed(function, args, error) from error
