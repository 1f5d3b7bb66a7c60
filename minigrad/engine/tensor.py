"""Tensor: a node of the graph that speaks NumPy's own protocols, so that plain NumPy code on Tensors records itself.

``np.exp(t)``, ``t * 2``, ``array @ t`` and ``np.sum(t)`` all come here, by ``__array_ufunc__``, ``__array_function__``
and the operators, and go on to ``record``.
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Callable, Iterator
from sys import getrefcount
from types import FrameType
from typing import Any

import numpy as np

from .arrays import Array, Value, frozen, leaf_array, like
from .context import differentiated, scopes, traced
from .errors import Absent, absent_attributes, described
from .frames import asks_for_truth, calling_function, is_at
from .node import NO_OPTIONS, Node, accumulate, ancestors, leaf_holding, record_as
from .primitives import cast, detach, getitem
from .record import apply, call_function, call_ufunc, operators, recorder
from .reverse import walk
from .rules import RULES, Function
from .scope import names_of

_record: Callable[..., Tensor] = apply
_RECORDERS: dict[Function, Function] = {
    function: recorder(function) for function, rule in RULES.items() if rule.reduces or isinstance(function, np.ufunc)
}


def _update(ufunc: np.ufunc, sign: str) -> Callable[[Tensor, Any], Any]:
    """Return the operator that updates a leaf in place inside ``no_grad``, and rebinds the name of other Tensors."""

    def update(self: Tensor, other: Value) -> Value:
        start = differentiated.get()
        if self.rule is not None or not self.requires_grad or (start is not None and self.order >= start):
            held = getrefcount(self) > _REFERENCES_OF_A_NAME or (self.rule is not None and self.rule.view)
            if held and self.ndim:  # NumPy's numbers do not change
                _refuse_other_names(self, sign, sys._getframe(1))
            return NotImplemented  # Python then computes self - other, and gives the result the name
        if scopes.get() is not None:
            name = self.name or "t"
            raise TypeError(
                f"{name} {sign} ... of {self.describe()}, a leaf, would give its name to a result, and the graph would "
                f"grow in every step: write {name}.data {sign} ..., or update it inside mg.no_grad()"
            )
        ufunc(self.data, other._value if isinstance(other, Tensor) else other, out=self.data)
        return self

    return update


def _comparison(ufunc: np.ufunc, sign: str) -> Callable[[Tensor, Any], Any]:
    """Return the operator that compares: its answer is a plain array, and errors of its truth are those of here."""
    record = _RECORDERS[ufunc]

    def compare(self: Tensor, other: Value) -> Value:
        answer = record(self, other)
        chooses = self.requires_grad and not isinstance(other, Tensor) and scopes.get() is not None
        if (chooses or answer.size != 1) and (how := asks_for_truth(sys._getframe(1))):
            _refuse_truth(f"{self.describe()} {sign} {described([other])}", how, answer.size)
        return answer

    return compare


def _refuse_truth(comparison: str, how: str, size: int) -> None:
    """Refuse to ask several answers for one truth, and what chooses between a Tensor and a number unrecorded."""
    if how in ("max()", "min()"):
        raise (TypeError if size == 1 else ValueError)(
            f"Python's {how} asks for {comparison}, and a choice by value is not recorded: np.{how[:3]}imum(a, b) is, "
            f"entry by entry; np.{how[:3]}(t) is that of all entries, t.item() the plain number"
        )
    if size != 1:
        raise ValueError(
            f"the truth of {comparison} is ambiguous where {how} asks for it: it has {size} answers; np.all or np.any "
            f"make one of them, np.where chooses entry by entry, (a < t) & (t < b) is a chain; `is` asks whether two "
            f"names are one Tensor"
        )


def _refuse_other_names(t: Tensor, sign: str, frame: FrameType) -> None:
    """Refuse ``b += ...`` after ``b = a``: NumPy changes the array that both names have, and here a would stay."""
    if len(names := names_of(t, frame)) > 1:
        raise TypeError(
            f"{sign} on {t.describe()}, of whose memory {' and '.join(names[:5])} are names here: NumPy would change "
            f"it under each of them, and a recorded value stays; write x = x {sign[:-1]} ..., which gives one name "
            f"alone to the result"
        )


class _Probe:
    """What ``t += ...`` sees of the references to t where one name holds it."""

    def __iadd__(self, other: object) -> int:
        return getrefcount(self)


def _references_of_a_name() -> int:
    probe: Any = _Probe()
    probe += 0
    return int(probe)


_REFERENCES_OF_A_NAME = _references_of_a_name()


def _methods(*functions: Function) -> list[Function]:
    """Return functions of NumPy as methods of Tensor."""

    def method_of(function: Function) -> Function:
        def method(self: Tensor, *args: Any, **options: Any) -> Value:
            return function(self, *args, **options)

        name = function.__name__
        method.__name__, method.__doc__ = name, f"np.{name} of this Tensor; the same arguments."
        return method

    return [method_of(function) for function in functions]


class Tensor(Node):
    """An array that remembers how it was computed: a node of the graph.

    Made directly it is a leaf. NumPy functions and operators on Tensors give Tensors and record; comparisons give plain
    boolean arrays.

    Parameters
    ----------
    data : array_like
        Real numbers of any shape, of floating dtype where a gradient is wanted. The Tensor keeps a copy.
    name : str, optional
        What readings call it.
    requires_grad : bool
        Whether gradients are sent to it; False makes it a constant (see ``constant``).

    Attributes
    ----------
    data : ndarray
        The value. A leaf's can be written in place, a result's is read-only.
    grad : ndarray or None
        The sum of what each ``backward`` has sent here.
    op : str or None
        The name of the function that computed it; None for a leaf.
    inputs : tuple of Tensor
        The Tensors it was computed from.
    scope : tuple of str
        The scopes in which it was recorded, outermost first.

    Raises
    ------
    TypeError
        For data that is not real numbers, and for integer data unless ``requires_grad=False``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> W = mg.Tensor([[1.0, 2.0]], name="W")
    >>> J = np.sum(np.square(W))
    >>> J.backward(); W.grad
    array([[2., 4.]])
    """

    __slots__ = ()
    __module__ = "minigrad"  # its address in pickles, whatever becomes of the modules within

    def __init__(self, data: Value, name: str | None = None, requires_grad: bool = True) -> None:
        if isinstance(data, Node):
            raise TypeError(
                f"a Tensor is made from plain data, not from {data.describe()}: use .detach(), or mg.Tensor(t.data)"
            )
        array = leaf_array(data, name, requires_grad)
        primal = array if array.ndim else array[()]
        self._become_leaf(primal, name if name is None else _checked_name(name), bool(requires_grad))

    # --- the value ---------------------------------------------------------------------------------------------------

    def item(self, *index: Any) -> float:
        """Return an entry as a Python number: the only one, or the one at an index, in all axes or in a row.

        Raises
        ------
        ValueError
            Where it has more entries, and no index says which.
        """
        self.refuse_escape("item()")
        if index:
            number: float = self._value.item(*index)
            return number
        return self._number()

    def to_numpy(self) -> Array:
        """Return a plain copy of the value, as pandas does: plots ask for it."""
        self.refuse_escape("to_numpy()")
        return np.array(self._value)

    def tolist(self) -> Any:
        """Return the entries as Python numbers in nested lists."""
        self.refuse_escape("tolist()")
        return self._value.tolist()

    def _number(self) -> float:
        if self.size != 1:
            raise ValueError(
                f"item of {self.describe()}: it has {self.size} elements; index one, or reduce it (np.sum)"
            )
        number: float = self._value.item()
        return number

    def __float__(self) -> float:
        caller = sys._getframe(1)
        if self.requires_grad and scopes.get() is not None and is_at(caller, "STORE_SUBSCR"):
            raise TypeError(
                f"storing {self.describe()} in a plain array would lose its gradient without a word: np.stack and "
                f"np.concatenate join Tensors, np.where replaces entries, and t.data is the plain value"
            )
        return float(self._printed(caller, "float()"))

    def __int__(self) -> int:
        return int(self._printed(sys._getframe(1), "int()"))

    def _printed(self, caller: FrameType, how: str) -> float:
        """Return the number; inside a function that is differentiated to ``"%.3f" % t`` alone, which only prints it."""
        if traced.get() or not is_at(caller, "BINARY_OP"):
            self.refuse_escape(how)
        return self._number()

    def __index__(self) -> int:
        number: Any = self.item()
        return operator.index(number)

    def __bool__(self) -> bool:
        if traced.get():
            self.refuse_escape("bool()")
        if self.size != 1:
            raise ValueError(
                f"the truth of {self.describe()} is ambiguous: it has {self.size} elements; use np.any or np.all, "
                f"or np.where to choose elementwise"
            )
        return bool(self._value)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, str]:
        """Return what a notebook shows: what it is, its values, and its gradient where there is one."""
        from html import escape  # costs an import, for notebooks alone

        parts = [("tensor", self.describe()), ("values", np.array2string(self._value, threshold=60))]
        parts += [] if self.grad is None else [("gradient", np.array2string(self.grad, threshold=60))]
        rows = "".join(
            f'<tr><th scope="row">{what}</th><td style="text-align:left"><pre>{escape(text)}</pre></td></tr>'
            for what, text in parts
        )
        return {"text/html": f"<table>{rows}</table>", "text/plain": repr(self)}

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"len of {self.describe()}: it is 0-d; t.item() is its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(f"iteration over {self.describe()}: it is 0-d; t.item() is its number")
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if dtype is not None and np.dtype(dtype).kind in "biu" and not traced.get():  # there is no gradient to lose
            return np.array(self._value, dtype=dtype)
        caller = calling_function()
        if caller in _TWINS and self.requires_grad:
            raise TypeError(f"{caller} of {self.describe()} makes a plain array of it; {_TWINS[caller]} takes Tensors")
        self.refuse_escape(caller or "np.asarray")
        if self.requires_grad and scopes.get() is not None and caller is not None:
            raise TypeError(
                f"{caller}{': ' if caller else ''}making a plain array of {self.describe()} would lose its gradient "
                f"without a word: np.stack or np.concatenate join Tensors, np.where replaces entries, A @ t computes "
                f"A.dot(t), t.data is the plain value"
                f"{'; df.to_numpy() computes with Tensors' if caller.startswith('pandas.') else ''}"
            )
        return np.array(self._value, dtype=dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self.__array__().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._value.__dlpack_device__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a leaf is copied and pickled: as a leaf of its own. A result is not copied without its graph."""
        self.refuse_escape("a copy")
        if self.rule is not None:
            raise TypeError(f"copy of {self.describe()}: only leaves are copied and pickled; use .detach() or .data")
        return Tensor, (np.array(self._value), self.name, self.requires_grad)

    def __repr__(self) -> str:
        if traced.get():
            return f"Tensor({self.describe()}, traced)"
        name = f", name={self.name!r}" if self.name else ""
        kind = f", op={self.op!r}" if self.op else ""
        flag = "" if self.requires_grad else ", requires_grad=False"
        return f"Tensor({np.array2string(np.asarray(self._value), prefix='Tensor(', separator=', ')}{name}{kind}{flag})"

    def __format__(self, spec: str) -> str:
        if spec and traced.get():
            self.refuse_escape("the text")
        return format(self._number(), spec) if spec else str(self)

    # --- the node ----------------------------------------------------------------------------------------------------

    def named(self, name: str) -> Tensor:
        """Give it a name, and return it.

        Parameters
        ----------
        name : str
            The name, not empty.

        Returns
        -------
        Tensor
            This Tensor.

        Examples
        --------
        >>> import minigrad as mg
        >>> (2 * mg.Tensor([1.0])).named("Z").name
        'Z'
        """
        self.name = _checked_name(name)
        return self

    def detach(self) -> Tensor:
        """Return a constant with the same value, cut off from the graph: no gradient passes."""
        if traced.get():
            return _record(detach, (self,))
        constant = leaf_holding(type(self), self.capture(), self.name and f"{self.name} detached")
        constant._source = weakref.ref(self)
        return constant

    def backward(self, gradient: Value = None) -> None:
        """Add d(self)/d(node) to ``.grad`` of every node that self depends on, intermediates too.

        Each call computes its own cotangents afresh, so ``a.backward(); b.backward()`` adds up to what
        ``(a + b).backward()`` gives.

        Parameters
        ----------
        gradient : array_like, optional
            The cotangent of self, of its shape; 1 for a scalar.

        Raises
        ------
        ValueError
            For a non-scalar without ``gradient``, and for a ``gradient`` of another shape.
        RuntimeError
            Where self needs no gradient.
        """
        if traced.get():
            raise RuntimeError("backward while a program is traced would leave .grad as a side effect: use mg.grad")
        accumulate(walk({self: self.seed(gradient)}, narrow=True))

    def seed(self, gradient: Value = None) -> Value:
        """Return the cotangent that a reverse walk from here starts with: ``gradient``, checked, or 1 for a scalar."""
        if not self.requires_grad:
            raise RuntimeError(f"{self.describe()} needs no gradient: {self._cut_off()}")
        if gradient is None:
            if self._value.size != 1:
                raise ValueError(
                    f"backward from {self.describe()}, which is no scalar: reduce it (np.sum, np.mean), or give its "
                    f"cotangent as gradient=, an array of its shape"
                )
            return self.dtype.type(1) if self._value.ndim == 0 else np.ones(self.shape, self.dtype)
        return like(self, gradient._value if isinstance(gradient, Tensor) else gradient, "the cotangent")[()]

    def _cut_off(self) -> str:
        """Return which constants keep a gradient out."""
        if self.rule is None:
            return "it is a constant; make it a leaf with mg.Tensor(data), or compute it outside mg.no_grad"
        leaves = [x for x in ancestors([self]) if x.rule is None]
        some = ", ".join(leaf.describe() for leaf in leaves[:5]) + (" and more" if len(leaves) > 5 else "")
        return f"it is computed from constants alone ({some}), or in mg.no_grad; leaves are made with mg.Tensor(data)"

    # --- NumPy's protocols -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Value:
        if method == "__call__" and not options:
            record = _RECORDERS.get(ufunc) or _RECORDERS.setdefault(ufunc, recorder(ufunc))
            return record(*args)
        return call_ufunc(ufunc, method, args, options)

    def __array_function__(
        self, function: Function, types: Any, args: tuple[Value, ...], options: dict[str, Any]
    ) -> Value:
        if options or len(args) != 1:
            return call_function(function, args, options)
        record = _RECORDERS.get(function) if isinstance(args[0], Node) else None
        return apply(function, args) if record is None else record(*args)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        return _record(getitem, (self, *parts))

    def __setitem__(self, index: Any, value: Value = None) -> None:
        raise TypeError(
            f"cannot change a part of {self.describe()}: recorded values stay as they are; np.where(mask, new, t) "
            f"replaces entries, np.stack and np.concatenate build an array of Tensors, t.data[...] = new changes a leaf"
        )

    __delitem__ = __setitem__

    # An array on the left, as in array * t, calls the ufunc itself and so __array_ufunc__; a number or a list, which
    # knows no ufuncs, comes to the reflected operators.
    __add__, __radd__ = operators(np.add)
    __sub__, __rsub__ = operators(np.subtract)
    __mul__, __rmul__ = operators(np.multiply)
    __truediv__, __rtruediv__ = operators(np.divide)
    __floordiv__, __rfloordiv__ = operators(np.floor_divide)
    __matmul__, __rmatmul__ = operators(np.matmul)
    __mod__, __rmod__ = operators(np.remainder)
    _power, __rpow__ = operators(np.power)
    __iadd__, __isub__ = _update(np.add, "+="), _update(np.subtract, "-=")
    __imul__, __itruediv__ = _update(np.multiply, "*="), _update(np.divide, "/=")
    __ipow__, __imod__ = _update(np.power, "**="), _update(np.remainder, "%=")
    __ifloordiv__, __imatmul__ = _update(np.floor_divide, "//="), _update(np.matmul, "@=")
    __neg__, __pos__, __abs__ = _RECORDERS[np.negative], _RECORDERS[np.positive], _RECORDERS[np.absolute]
    __invert__ = _RECORDERS[np.invert]
    __and__, __rand__ = operators(np.bitwise_and)
    __or__, __ror__ = operators(np.bitwise_or)
    __xor__, __rxor__ = operators(np.bitwise_xor)
    __lshift__, __rlshift__ = operators(np.left_shift)
    __rshift__, __rrshift__ = operators(np.right_shift)

    def __pow__(self, exponent: Value) -> Tensor:
        if type(exponent) is int and exponent == 2:  # as NumPy itself computes it
            return _record(np.square, (self,))
        power: Tensor = self._power(exponent)
        return power

    # Comparisons are elementwise, as NumPy's; as a key of a dict or set a Tensor is itself.
    __hash__ = object.__hash__
    __lt__, __le__ = _comparison(np.less, "<"), _comparison(np.less_equal, "<=")
    __gt__, __ge__ = _comparison(np.greater, ">"), _comparison(np.greater_equal, ">=")
    __eq__, __ne__ = _comparison(np.equal, "=="), _comparison(np.not_equal, "!=")

    __divmod__, __rdivmod__ = operators(np.divmod)

    def __round__(self, decimals: int = 0) -> Value:
        return np.round(self, decimals)

    def reshape(self, *shape: Any, **options: Any) -> Value:
        """Return the same entries in another shape, given as a tuple or as numbers."""
        wanted = frozen(shape[0] if len(shape) == 1 else shape)
        if options:
            return np.reshape(self, wanted, **options)
        return _record(np.reshape, (self,), {"shape": wanted})

    def transpose(self, *axes: Any) -> Tensor:
        """Return the axes in another order, given as a tuple or as numbers; reversed without any."""
        order = tuple(axes[0]) if len(axes) == 1 and np.ndim(axes[0]) else axes
        return _record(np.transpose, (self,), NO_OPTIONS if order in ((), (None,)) else {"axes": order})

    @property
    def T(self) -> Tensor:
        """The axes in reversed order."""
        return _record(np.transpose, (self,))

    def flatten(self, order: Any = "C") -> Value:
        """Return all entries in a row."""
        return np.ravel(self, order=order)

    def compress(self, condition: Value, axis: int | None = None) -> Value:
        """Return the entries, or parts along an axis, where a condition holds."""
        return np.compress(condition, self, axis)

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Tensor:
        """Return a copy in another dtype; the cotangent is cast back on its way here."""
        dtype = np.dtype(dtype)
        if dtype.kind not in "biuf":
            raise TypeError(
                f"astype of {self.describe()}: Tensors hold real numbers, not {dtype}; t + 0j is a complex number of "
                f"Tensors, t.data.astype(dtype) a plain array"
            )
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(f"astype of {self.describe()}: it is not cast to {dtype} by the rule {casting!r}")
        return _record(cast, (self if dtype.kind == "f" else self.detach(), dtype))

    # What else an array has.
    all, any, argmax, argmin, nonzero = _methods(np.all, np.any, np.argmax, np.argmin, np.nonzero)
    argsort, argpartition, searchsorted = _methods(np.argsort, np.argpartition, np.searchsorted)
    sum, mean, std, var, prod, max, min = _methods(np.sum, np.mean, np.std, np.var, np.prod, np.max, np.min)
    cumsum, cumprod, dot, trace, clip, round = _methods(np.cumsum, np.cumprod, np.dot, np.trace, np.clip, np.round)
    ravel, squeeze, swapaxes, diagonal = _methods(np.ravel, np.squeeze, np.swapaxes, np.diagonal)
    copy, repeat, take, choose, conjugate = _methods(np.copy, np.repeat, np.take, np.choose, np.conjugate)
    mT, flat, real, imag = map(property, _methods(np.matrix_transpose, np.ravel, np.real, np.imag))
    itemsize, nbytes = (property(operator.attrgetter(f"_value.{name}")) for name in ("itemsize", "nbytes"))
    strides, device = (property(operator.attrgetter(f"_value.{name}")) for name in ("strides", "device"))
    conj = conjugate

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(vars(Tensor).get(name), Absent)]

    __pandas_priority__ = 5000  # above a DataFrame's: it leaves series * t to Tensor


for _name in absent_attributes() - set(dir(Tensor)):
    setattr(Tensor, _name, Absent(_name))

# Functions that make plain arrays of what they are given, and what computes the same of Tensors.
_TWINS = {f"scipy.special.{name}": f"mg.nn.{name}" for name in ("softmax", "log_softmax", "logsumexp")}
_TWINS["np.as_strided"] = "np.lib.stride_tricks.sliding_window_view"


record_as(Tensor)


def constant(data: Value, name: str | None = None) -> Tensor:
    """Return a named constant: a leaf without gradient.

    Plain arrays and numbers in a computation are anonymous constants; this one has a name in pictures and derivations.

    Parameters
    ----------
    data : array_like
        Real numbers of any shape and dtype; the constant keeps a copy.
    name : str, optional
        What readings call it.

    Returns
    -------
    Tensor
        A leaf with ``requires_grad=False``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.constant([1, 2], name="X").requires_grad
    False
    """
    return Tensor(data, name, requires_grad=False)


def _checked_name(name: Any) -> str | None:
    if name is None or (isinstance(name, str) and name):
        return name
    raise TypeError(f"a Tensor's name is a string that is not empty, or None, not {name!r}")
