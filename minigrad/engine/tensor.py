"""Tensor: a node of the recorded graph, and how plain NumPy code becomes one.

A Tensor speaks NumPy's own protocols. ``np.exp(t)``, ``t * 2``, ``array @ t`` and ``np.sum(t)`` all end in ``apply``,
which computes the value with NumPy and remembers function, operands and primals (the argument values) in a new node.

No gradient can be wrong because an array was changed after it was recorded. What a node holds is private: a leaf
copies what it is made from, anonymous arrays are copied as they enter, results are made here, and ``.data`` hands
results out read-only. Only a leaf can be written (``W.data -= ...``), and it gives a recording its array for good: the
next ``.data`` is a copy.
"""

from __future__ import annotations

import dis
import itertools
import operator
import sys
from collections.abc import Callable, Iterator
from sys import getrefcount
from types import FrameType
from typing import Any

import numpy as np

from .arrays import Array, frozen, leaf_array, like, operand, private, read_only
from .calls import arrays_and_options, call_composed, called, described, failed, frozen_options, no_rule
from .composed import COMPOSED
from .context import no_grad, recording, scope, scopes, traced, tracing
from .reverse import walk
from .rules import GAPS, IMPLEMENTATIONS, RECORDERS, RULES, cast, derivatives_of, detached, getitem

__all__ = ["Tensor", "apply", "constant", "no_grad", "recording", "scope", "tracing"]

_Unary = Callable[["Tensor"], "Tensor"]
_Binary = Callable[["Tensor", Any], "Tensor"]

_count = itertools.count()
_new = object.__new__
_NO_OPTIONS: dict[str, Any] = {}  # shared by all nodes without options, and never written
_SOLE_OWNER = 2  # references that getrefcount sees to an array held by one attribute: that one and its own argument
_NUMBERS = frozenset(
    {int, float, bool, np.float64, np.float32, np.float16, np.longdouble, np.int64, np.int32, np.bool_}
)

_ARRAYS = (np.ndarray, np.generic)

# ufunc.reduce is a function of its own.
_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}


# --- recording --------------------------------------------------------------------------------------------------------


def apply(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any] = _NO_OPTIONS) -> Any:
    """Call ``function`` on the values of ``args`` and record the result as a node.

    ``args`` are arrays: Tensors, plain arrays, numbers; everything else is an option. A flat function gives a plain
    array. Raises TypeError for a function without a rule, and NumPy's error, with the Tensors named, where the call
    fails.
    """
    try:
        derivatives = RULES[function]
    except KeyError:
        raise no_rule(function, args) from None
    operands: tuple[Tensor | None, ...]
    try:
        if len(args) == 1 and type(args[0]) is Tensor:  # the same as below, without loops
            (x,) = operands = args
            primals: tuple[Any, ...] = (x._capture() if x.primal is None else x.primal,)
            requires = x.requires_grad
        else:
            operands = tuple([a if type(a) is Tensor else None for a in args])
            primals = tuple([_primal(a) for a in args])
            requires = any([x.requires_grad for x in operands if x is not None])
        value = IMPLEMENTATIONS.get(function, function)(*primals, **options)
        if derivatives is None:
            if not traced.get():
                return value
            if not isinstance(value, _ARRAYS):
                raise TypeError(
                    f"it gives a {type(value).__name__}, which differs from call to call, while a program is traced; "
                    f"np.where chooses entries by value, and np.all(a == b) compares arrays"
                )
            requires = False
        else:
            if not isinstance(value, _ARRAYS):
                value = _one_array(value)
            if requires and (function in GAPS or len(args) > 1):
                requires = _passes_gradient(function, operands)
    except (ValueError, TypeError, IndexError) as error:
        raise failed(function, args, error) from error
    return _node(function, value, operands, primals, options, requires)


def _one_array(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise TypeError(f"a recorded function returns one array, not a {type(value).__name__}")
    return np.asarray(value)[()]


def _passes_gradient(function: Callable[..., Any], operands: tuple[Tensor | None, ...]) -> bool:
    """Whether a gradient passes to any operand."""
    derivatives = derivatives_of(function, operands)
    wanted = [x is not None and x.requires_grad for x in operands]
    if any(wanted[len(derivatives) :]):
        raise TypeError(
            f"its rule has {len(derivatives)} derivatives; give one per argument, or None where none passes"
        )
    return any([want and d is not None for want, d in zip(wanted, derivatives, strict=False)])


def _primal(a: Any) -> Any:
    """The value of an argument, for a node to keep."""
    kind = type(a)
    if kind is Tensor:
        return a._capture() if a.primal is None else a.primal
    return a if kind in _NUMBERS else private(a)


def _node(
    function: Callable[..., Any],
    value: Any,
    operands: tuple[Tensor | None, ...],
    primals: tuple[Any, ...],
    options: dict[str, Any],
    requires: bool,
) -> Tensor:
    path = scopes.get()
    if path is None:
        return holding(value)
    node = _new(Tensor)
    node.primal = value
    node._grad = node._cotangent = node.name = None
    node.requires_grad = requires
    node.function = function
    node.operands = operands
    node.primals = primals
    node.options = options
    node.scope = path
    node.order = next(_count)
    return node


def holding(value: Any, name: str | None = None, requires_grad: bool = False) -> Tensor:
    """A leaf that holds ``value`` as it is, without a copy until it is to be written. Nobody else may write to it."""
    leaf = Tensor(0.0, name, requires_grad)
    leaf._buffer, leaf.primal = None, value
    return leaf


def _recorder(function: np.ufunc, operation: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """``apply`` of a smooth ufunc, without the general case: the path that nearly all of a computation takes.

    ``operation`` is the same as an operator, which is faster on scalars.
    """
    operation = operation or function

    def unary(x: Tensor) -> Any:
        a = x._capture() if x.primal is None else x.primal
        try:
            value = operation(a)
        except TypeError as error:
            raise failed(function, (x,), error) from error
        return _node(function, value, (x,), (a,), _NO_OPTIONS, x.requires_grad)

    def binary(x: Any, y: Any) -> Any:
        try:
            if type(x) is Tensor:
                a = x._capture() if x.primal is None else x.primal
                if type(y) is Tensor:
                    b = y._capture() if y.primal is None else y.primal
                    operands: tuple[Tensor | None, Tensor | None] = (x, y)
                    requires = x.requires_grad or y.requires_grad
                else:
                    b = y if type(y) in _NUMBERS else operand(y)
                    operands, requires = (x, None), x.requires_grad
            else:
                a = x if type(x) in _NUMBERS else operand(x)
                b = y._capture() if y.primal is None else y.primal
                operands, requires = (None, y), y.requires_grad
            if a is NotImplemented or b is NotImplemented:
                return NotImplemented
            value = operation(a, b)
        except (ValueError, TypeError) as error:
            raise failed(function, (x, y), error) from error
        return _node(function, value, operands, (a, b), _NO_OPTIONS, requires)

    return unary if function.nin == 1 else binary


def _ufunc_recorder(function: np.ufunc) -> Callable[..., Any]:
    if function in COMPOSED:
        return lambda *args: call_composed(function, COMPOSED[function], args, _NO_OPTIONS)
    if RULES.get(function) is None or function in GAPS or function.nin > 2:
        return lambda *args: apply(function, args)
    return RECORDERS.setdefault(function, _recorder(function))


def _operator(function: np.ufunc, operation: Callable[[Any, Any], Any]) -> tuple[_Binary, _Binary]:
    """The operator and its reflected twin."""
    binary = _recorder(function, operation)
    return binary, lambda self, other: binary(other, self)


def _flat(function: np.ufunc) -> Callable[[Tensor, Any], Any]:
    return lambda self, other: apply(function, (self, other))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function as a method of Tensor."""

    def method(self: Tensor, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__, method.__doc__ = function.__name__, f"np.{function.__name__} of this Tensor; the same arguments."
    return method


class Tensor:
    """An array that remembers how it was computed: a node of the graph.

    Made directly it is a leaf; its data is a copy of ``data`` (an array, a nested list, a number), of real floating
    dtype. ``requires_grad=False`` makes it a constant, of any real dtype (see ``constant``). NumPy functions and
    operators on Tensors give Tensors and record; comparisons give plain boolean arrays.

    Attributes: ``data`` (ndarray), ``grad`` (ndarray or None), ``name``, ``op`` (the function's name, None for a leaf),
    ``inputs`` (the Tensors it was computed from), ``scope``, ``shape``, ``dtype``, ``ndim``, ``size``, ``T``,
    ``requires_grad``.

    Raises TypeError for data that is not real numbers, and for integer data unless ``requires_grad=False``.

    >>> import numpy as np, minigrad as mg
    >>> W = mg.Tensor([[1.0, 2.0]], name="W")
    >>> J = np.sum(np.square(W))
    >>> J.backward(); W.grad
    array([[2., 4.]])
    """

    __slots__ = (
        *("primal", "_buffer", "_grad", "_cotangent", "name", "requires_grad"),
        *("function", "operands", "primals", "options", "scope", "order", "__weakref__"),
    )

    primal: Any
    _buffer: Array | None
    _grad: Array | None
    _cotangent: Any
    name: str | None
    requires_grad: bool
    function: Callable[..., Any] | None
    operands: tuple[Tensor | None, ...]
    primals: tuple[Any, ...]
    options: dict[str, Any]
    scope: tuple[str, ...]
    order: int

    def __init__(self, data: Any, name: str | None = None, requires_grad: bool = True) -> None:
        self._buffer = leaf_array(data, name, requires_grad)
        self.primal = self._grad = self._cotangent = self.function = None
        self.name = _checked_name(name)
        self.requires_grad = bool(requires_grad)
        self.operands = self.primals = ()
        self.options = _NO_OPTIONS
        self.scope = scopes.get() or ()
        self.order = next(_count)

    # --- the value ---------------------------------------------------------------------------------------------------

    def _capture(self) -> Any:
        """The leaf's array for a recording to keep: nothing may write to it from now on."""
        buffer = self._buffer
        assert buffer is not None
        if buffer.ndim == 0:
            return buffer[()]
        if getrefcount(self._buffer) - 1 > _SOLE_OWNER:  # one more reference is the variable above
            return buffer.copy("K")  # someone holds what .data gave out, and may write to it or to a view of it
        self.primal, self._buffer = buffer, None
        return buffer

    @property
    def value(self) -> Any:
        """The current value, an array or a NumPy scalar: for reading only."""
        return self._buffer if self.primal is None else self.primal

    @property
    def data(self) -> Array:
        """The current value, an ndarray: a leaf's can be written in place, a result's is read-only."""
        self._escapes("data")
        if self.function is not None:
            return read_only(self.primal)
        if self._buffer is None:
            self._buffer, self.primal = np.array(self.primal), None
        return self._buffer

    @data.setter
    def data(self, data: Any) -> None:
        if self.function is not None:
            raise TypeError(
                f"cannot assign to .data of {self.describe()}, the result of {self.op}: a recorded value stays; "
                f"make a leaf of it with mg.Tensor(t.data)"
            )
        if data is not self._buffer:  # which it is at the end of ``W.data -= step``
            self._buffer, self.primal = like(self, data, "data"), None

    @property
    def grad(self) -> Array | None:
        """Sum of what each ``backward`` has sent here, an ndarray that is nobody else's; or None."""
        g = self._cotangent
        if g is not None:
            shared = getrefcount(self._cotangent) - 1 > _SOLE_OWNER  # one more reference is the variable above
            if shared or type(g) is not np.ndarray or g.base is not None or g.shape != self.value.shape:
                g = np.array(np.broadcast_to(g, self.shape))
            self._grad = g if self._grad is None else self._grad + g
            self._cotangent = None
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not None and grad is not self._grad:
            grad = like(self, grad, "grad")
        self._grad, self._cotangent = grad, None

    def zero_grad(self) -> None:
        """Forget the gradient: ``.grad`` is None again."""
        self._grad = self._cotangent = None

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(self.value.size)

    def item(self) -> float:
        """The value of a Tensor with one element, as a Python number. Raises ValueError where it has more."""
        self._escapes("item()")
        if self.size != 1:
            raise ValueError(
                f"item of {self.describe()}: it has {self.size} elements; index one, or reduce it (np.sum)"
            )
        number: float = self.value.item()
        return number

    def __float__(self) -> float:
        if self.requires_grad and scopes.get() is not None and _stores_an_item(sys._getframe(1)):
            raise TypeError(
                f"storing {self.describe()} in a plain array would lose its gradient without a word: np.stack and "
                f"np.concatenate join Tensors, np.where replaces entries, and t.data is the plain value"
            )
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        number: Any = self.item()
        return operator.index(number)

    def __bool__(self) -> bool:
        self._escapes("bool()")
        if self.size != 1:
            raise ValueError(
                f"the truth of {self.describe()} is ambiguous: it has {self.size} elements; use np.any or np.all, "
                f"or np.where to choose elementwise"
            )
        return bool(self.value)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"len of {self.describe()}: it is 0-d")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(f"iteration over {self.describe()}: it is 0-d")
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self._escapes("np.asarray")
        if self.requires_grad and scopes.get() is not None:
            raise TypeError(
                f"making a plain array of {self.describe()} would lose its gradient without a word: np.stack or "
                f"np.concatenate join Tensors, np.where replaces entries, and t.data is the plain value"
            )
        return np.array(self.value, dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copied or pickled leaf is a leaf of its own; a result is not copied without its graph."""
        if self.function is not None:
            raise TypeError(f"copy of {self.describe()}: only leaves are copied and pickled; use .detach() or .data")
        return Tensor, (np.array(self.value), self.name, self.requires_grad)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        kind = f", op={self.op!r}" if self.op else ""
        flag = "" if self.requires_grad else ", requires_grad=False"
        return f"Tensor({np.array2string(np.asarray(self.value), prefix='Tensor(', separator=', ')}{name}{kind}{flag})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def _escapes(self, how: str) -> None:
        """Refuse to give a value out of a traced program, where it would be taken for a constant."""
        if traced.get():
            raise TypeError(
                f"{how} of {self.describe()} while a program is traced: its value differs from call to call; "
                f"choose by value with np.where, and return what is wanted outside"
            )

    # --- the node ----------------------------------------------------------------------------------------------------

    @property
    def op(self) -> str | None:
        """Name of the function that computed it, such as ``"matmul"``; None for a leaf."""
        return None if self.function is None else getattr(self.function, "__name__", repr(self.function))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The Tensors it was computed from, in the order of the arguments; plain arrays and numbers are left out."""
        return tuple(x for x in self.operands if x is not None)

    def named(self, name: str) -> Tensor:
        """Give it a name, and return it.

        >>> import minigrad as mg
        >>> (2 * mg.Tensor([1.0])).named("Z").name
        'Z'
        """
        self.name = _checked_name(name)
        return self

    def describe(self) -> str:
        """Name, shape and dtype, as errors give them."""
        return f"{self.name or 'unnamed ' + (self.op or 'leaf')} {self.shape} {self.dtype}"

    def detach(self) -> Tensor:
        """A constant with the same value, cut off from the graph: no gradient passes."""
        if traced.get():
            recorded: Tensor = apply(detached, (self,))
            return recorded
        value = self._capture() if self.primal is None else self.primal
        return holding(value, self.name and f"{self.name} detached")

    def backward(self, gradient: Any = None) -> None:
        """Add d(self)/d(node) to ``.grad`` of every node that self depends on, intermediates too.

        ``gradient`` is the cotangent of self, of its shape; it may be left out for a scalar. Each call computes its own
        cotangents afresh, so ``a.backward(); b.backward()`` adds up to what ``(a + b).backward()`` gives.

        Raises ValueError for a non-scalar without ``gradient`` and for one of another shape; RuntimeError where self
        needs no gradient.
        """
        if traced.get():
            raise RuntimeError("backward while a program is traced would leave .grad as a side effect: use mg.grad")
        found, _ = walk({self: self.seed(gradient)})
        for node, g in found.items():
            earlier = node._cotangent
            node._cotangent = g if earlier is None else earlier + g

    def seed(self, gradient: Any = None) -> Any:
        """The cotangent that a reverse walk from here starts with: ``gradient``, checked, or 1 for a scalar."""
        if not self.requires_grad:
            raise RuntimeError(f"{self.describe()} needs no gradient: {self._cut_off()}")
        if gradient is None:
            if self.value.size != 1:
                raise ValueError(
                    f"backward from {self.describe()}, which is no scalar: reduce it (np.sum, np.mean), or give its "
                    f"cotangent as gradient=, an array of its shape"
                )
            return self.dtype.type(1) if self.value.ndim == 0 else np.ones(self.shape, self.dtype)
        return like(self, gradient.value if isinstance(gradient, Tensor) else gradient, "the cotangent")[()]

    def _cut_off(self) -> str:
        """Which constants keep a gradient out."""
        leaves, seen, stack = [], {self}, [self]
        while stack:
            node = stack.pop()
            if node.function is None:
                leaves.append(node)
            for x in node.inputs:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        if self.function is None:
            return "it is a constant; make it a leaf with mg.Tensor(data)"
        leaves.sort(key=lambda leaf: leaf.order)
        some = ", ".join(leaf.describe() for leaf in leaves[:5]) + (" and more" if len(leaves) > 5 else "")
        return f"it is computed from constants alone ({some}), or in mg.no_grad; leaves are made with mg.Tensor(data)"

    # --- NumPy's protocols -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method == "__call__" and not options:
            recorder = RECORDERS.get(ufunc) or _ufunc_recorder(ufunc)
            return recorder(*args)
        if options.get("out") is not None:
            raise TypeError(
                f"{called(ufunc)} with out= writes into an array, which cannot be recorded; use the result "
                f"instead (for x += t on a plain array x: x = x + t)"
            )
        reduction = _REDUCTIONS.get(ufunc) if method == "reduce" else None
        if reduction is not None:
            return reduction(args[0], **{"axis": args[1] if len(args) > 1 else 0, **options})
        if RULES.get(ufunc, ()) is None and method == "__call__":
            return apply(ufunc, args, options)
        how = f" with {', '.join(f'{key}=' for key in options)}" if method == "__call__" else f".{method}"
        raise TypeError(f"{called(ufunc)}{how} of {described(args)} is not recorded; call it plainly")

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if not options and len(args) == 1 and function in RULES:
            return apply(function, args)
        composed = COMPOSED.get(function)
        if composed is not None:
            return call_composed(function, composed, args, options)
        derivatives = RULES.get(function, ())
        if type(derivatives) is tuple and derivatives and isinstance(function, type(np.sum)):
            args, options = arrays_and_options(function, derivatives, args, options)
        return apply(function, args, frozen_options(function, options) if options else _NO_OPTIONS)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        part: Tensor = apply(getitem, (self, *parts))
        return part

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            f"cannot assign to a part of {self.describe()}: recorded values stay as they are; np.where(mask, new, t) "
            f"replaces entries, np.stack and np.concatenate build an array of Tensors, t.data[...] = new changes a leaf"
        )

    __add__, __radd__ = _operator(np.add, operator.add)
    __sub__, __rsub__ = _operator(np.subtract, operator.sub)
    __mul__, __rmul__ = _operator(np.multiply, operator.mul)
    __truediv__, __rtruediv__ = _operator(np.divide, operator.truediv)
    __matmul__, __rmatmul__ = _operator(np.matmul, IMPLEMENTATIONS[np.matmul])
    __mod__, __rmod__ = _operator(np.remainder, operator.mod)
    _power, __rpow__ = _operator(np.power, operator.pow)
    __neg__: _Unary = _recorder(np.negative, operator.neg)
    __pos__: _Unary = _recorder(np.positive, operator.pos)
    __abs__: _Unary = _recorder(np.absolute, abs)

    def __pow__(self, exponent: Any) -> Tensor:
        if type(exponent) is int and exponent == 2:  # as NumPy itself computes it
            square: Tensor = apply(np.square, (self,))
            return square
        return self._power(exponent)

    # Comparisons are elementwise, as NumPy's; as a key of a dict or set a Tensor is itself.
    __hash__ = object.__hash__
    __lt__, __le__ = _flat(np.less), _flat(np.less_equal)
    __gt__, __ge__ = _flat(np.greater), _flat(np.greater_equal)
    __eq__, __ne__ = _flat(np.equal), _flat(np.not_equal)
    __and__, __or__, __xor__ = _flat(np.bitwise_and), _flat(np.bitwise_or), _flat(np.bitwise_xor)
    __floordiv__ = _flat(np.floor_divide)

    def __rfloordiv__(self, other: Any) -> Any:
        return apply(np.floor_divide, (other, self))

    def __invert__(self) -> Any:
        return apply(np.invert, (self,))

    sum, mean, prod, max, min = _method(np.sum), _method(np.mean), _method(np.prod), _method(np.max), _method(np.min)
    var, std, cumsum = _method(np.var), _method(np.std), _method(np.cumsum)
    clip, dot = _method(np.clip), _method(np.dot)
    swapaxes, squeeze, ravel, flatten = _method(np.swapaxes), _method(np.squeeze), _method(np.ravel), _method(np.ravel)
    argmax, argmin, argsort = _method(np.argmax), _method(np.argmin), _method(np.argsort)
    any, all, round, nonzero = _method(np.any), _method(np.all), _method(np.round), _method(np.nonzero)

    def reshape(self, *shape: Any) -> Tensor:
        """The same entries in another shape, given as a tuple or as numbers."""
        reshaped: Tensor = apply(np.reshape, (self,), {"shape": frozen(shape[0] if len(shape) == 1 else shape)})
        return reshaped

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, given as a tuple or as numbers; reversed without any."""
        order = axes[0] if len(axes) == 1 else axes
        transposed: Tensor = apply(np.transpose, (self,), {"axes": tuple(order)} if order else _NO_OPTIONS)
        return transposed

    @property
    def T(self) -> Tensor:
        return self.transpose()

    def astype(self, dtype: Any) -> Tensor:
        """A copy in another dtype; the cotangent is cast back on its way here."""
        dtype = np.dtype(dtype)
        copy: Tensor = apply(cast, (self if dtype.kind == "f" else self.detach(), dtype))
        return copy


def _stores_an_item(frame: FrameType) -> bool:
    """Whether a frame is at ``array[i] = t``, for which NumPy asks t for its float as ``float(t)`` does."""
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap["STORE_SUBSCR"]


def constant(data: Any, name: str | None = None) -> Tensor:
    """A named constant: a leaf without gradient, of any real dtype. Its data is a copy of ``data``.

    Plain arrays and numbers in a computation are anonymous constants; this one has a name in pictures and derivations.

    >>> import minigrad as mg
    >>> mg.constant([1, 2], name="X").requires_grad
    False
    """
    return Tensor(data, name, requires_grad=False)


def _checked_name(name: Any) -> str | None:
    if name is None or (isinstance(name, str) and name):
        return name
    raise TypeError(f"a Tensor's name is a string that is not empty, or None, not {name!r}")
