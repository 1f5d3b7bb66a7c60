"""A node of the recorded graph: a value, and how it was computed.

No gradient can be wrong because an array was changed after it was recorded: the arrays that a node holds are private. A
leaf copies what it is made from, anonymous arrays are copied as they enter, results are made here, and ``.data`` hands
results out read-only. Only a leaf can be written (``W.data -= ...``), and it gives a recording its array for good: the
next ``.data`` is a copy.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Container, Iterable, Mapping
from operator import attrgetter
from sys import getrefcount
from threading import RLock
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from .arrays import REFERENCES_TO_UNSHARED_ARRAY, Array, Options, Value, like, read_only
from .context import Path, Watched, differentiated, scopes, traced, watcher
from .frames import computes
from .rules import Function, Rule

NO_OPTIONS: Options = {}  # shared by all nodes without options, and never written

_count = itertools.count()
_new = object.__new__
_class_of_results: type[Any] = object  # see record_as; read as an attribute of a node it costs 2 % of a recording

_accumulating = RLock()  # held where the two parts of a gradient are read and written
if hasattr(os, "register_at_fork"):  # a child process must not wait for a thread that it does not have
    os.register_at_fork(
        before=_accumulating.acquire, after_in_parent=_accumulating.release, after_in_child=_accumulating.release
    )

N = TypeVar("N", bound="Node")


class Node:
    """A node of the graph. ``Tensor`` is a Node that speaks NumPy's protocols.

    Attributes
    ----------
    name : str or None
        What the user calls it.
    requires_grad : bool
        Whether a gradient is sent to it.
    rule : Rule or None
        The rule of the function that computed it; None for a leaf.
    operands : tuple of (Node or None)
        One for each argument of that function: the node that was given, or None for anything else.
    primals : tuple
        The values of those arguments when the function was called: arrays, NumPy scalars, numbers, parts of an index.
        Nothing writes to them.
    options : dict
        The keyword options of that call.
    scope : tuple of str
        The scopes in which it was recorded, outermost first.
    order : int
        Counts nodes as they are made, so that a node has a greater order than what it was computed from.

    Notes
    -----
    The value is in one of two places, the other is None. ``primal`` is the value as recordings share it: nothing ever
    writes to it; a result's value is always there. ``_buffer`` is a leaf's array that ``.data`` may have handed out to
    be written. ``capture`` moves it to ``primal`` when a recording needs it; ``.data`` moves it back as a copy.

    The gradient is the sum of two parts, each None where there is nothing. ``_cotangent`` is what reverse walks have
    left: it may share memory with the cotangents of other nodes, and may be narrower than the value where it repeats
    itself. ``_grad`` is an array of the value's shape that nobody else holds, but for who got it from ``.grad``;
    reading ``.grad`` adds the first part to it.

    ``_source`` refers weakly to the node whose value ``detach`` gave to this constant. Results have neither ``_source``
    nor ``_buffer``.
    """

    __slots__ = (
        *("primal", "_buffer", "_grad", "_cotangent", "_source", "name", "requires_grad"),
        *("rule", "operands", "primals", "options", "scope", "order", "__weakref__"),
    )

    primal: Any
    _buffer: Array | None
    _grad: Array | None
    _cotangent: Any
    _source: ref[Node] | None
    name: str | None
    requires_grad: bool
    rule: Rule | None
    operands: tuple[Value, ...]
    primals: tuple[Value, ...]
    options: Options
    scope: tuple[str, ...]
    order: int

    def _become_leaf(self, primal: Value, name: str | None, requires_grad: bool) -> None:
        """Set every slot of a new node, so that it is a leaf that holds ``primal``."""
        self.primal = primal
        self._buffer = self._grad = self._cotangent = self._source = self.rule = None
        self.name = name
        self.requires_grad = requires_grad
        self.operands = self.primals = ()
        self.options = NO_OPTIONS
        self.scope = scopes.get() or ()
        self.order = next(_count)

    # --- how it was computed -----------------------------------------------------------------------------------------

    @property
    def function(self) -> Function | None:
        """The function that computed it; None for a leaf."""
        return None if self.rule is None else self.rule.function

    @property
    def op(self) -> str | None:
        """Name of the function that computed it, such as ``"matmul"``; None for a leaf."""
        function = self.function
        return None if function is None else getattr(function, "__name__", repr(function))

    @property
    def inputs(self: N) -> tuple[N, ...]:
        """The nodes it was computed from, in the order of the arguments; plain arrays and numbers are left out."""
        return tuple(x for x in self.operands if x is not None)

    @property
    def source(self) -> Any:
        """The node that this constant was detached from, while that exists; otherwise None."""
        return None if self.rule is not None or self._source is None else self._source()

    def describe(self) -> str:
        """Name, shape and dtype, as errors give them."""
        return f"{self.name or 'unnamed ' + (self.op or 'leaf')} {self.shape} {self.dtype}"

    # --- the value ---------------------------------------------------------------------------------------------------

    def capture(self) -> Value:
        """Return the leaf's value for a recording to keep: nothing may write to it from now on."""
        if self.primal is not None:
            return self.primal
        buffer = self._buffer
        assert buffer is not None
        if buffer.ndim == 0:
            return buffer[()]
        if getrefcount(self._buffer) - 1 > REFERENCES_TO_UNSHARED_ARRAY:  # one more reference is the variable above
            return buffer.copy("K")  # someone holds what .data gave out, and may write to it or to a view of it
        self.primal, self._buffer = buffer, None
        return buffer

    @property
    def _value(self) -> Value:
        """The current value, an array or a NumPy scalar: for reading only."""
        return self._buffer if self.primal is None else self.primal

    @property
    def data(self) -> Array:
        """The current value, an ndarray: a leaf's can be written in place, a result's is read-only."""
        self.refuse_escape(".data")
        if self.rule is not None:
            return read_only(self.primal)
        if self._buffer is None:
            self._buffer, self.primal = np.array(self.primal), None
        return self._buffer

    @data.setter
    def data(self, data: Value) -> None:
        if self.rule is not None:
            raise TypeError(
                f"cannot assign to .data of {self.describe()}, the result of {self.op}: a recorded value stays; "
                f"make a leaf of it with mg.Tensor(t.data)"
            )
        if data is not self._buffer:  # which it is at the end of ``W.data -= step``
            self._buffer, self.primal = like(self, data, "data"), None

    def refuse_escape(self, how: str) -> None:
        """Refuse to give a value out of a function that is traced or differentiated, where it would be a constant."""
        if traced.get():
            raise TypeError(
                f"{how} of {self.describe()} while a program is traced: its value differs from call to call; "
                f"choose by value with np.where, and return what is wanted outside"
            )
        start = differentiated.get()
        inside = start is not None and self.order >= start and "a function that is differentiated"
        inside = inside or (how != ".data" and type(scopes.get()) is Watched and "mg.debug()")
        if inside and self.requires_grad:
            raise TypeError(
                f"{how} of {self.describe()} inside {inside} would lose its gradient without a word: compute "
                f"with NumPy's functions (np.exp(t) for math.exp(t), A @ t for A.dot(t)); to leave it out of the "
                f"gradient, take t.detach() or mg.stop_gradient(t)"
            )

    def shares_memory(self, other: Node) -> bool:
        """Return whether NumPy would change both where it writes into one: they are one, or views of one array."""
        return self is other or (
            _viewed(self) is _viewed(other) and bool(np.may_share_memory(self._value, other._value))
        )

    # A result's value is read without a call of ``_value``: that saves 3 % of a Hessian-vector product.

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        shape: tuple[int, ...] = (self._value if self.primal is None else self.primal).shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the entries."""
        dtype: np.dtype[Any] = (self._value if self.primal is None else self.primal).dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        ndim: int = (self._value if self.primal is None else self.primal).ndim
        return ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        size: int = (self._value if self.primal is None else self.primal).size
        return size

    # --- the gradient ------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Array | None:
        """Sum of what each ``backward`` has sent here, an ndarray that is nobody else's; or None."""
        with _accumulating:
            g = self._cotangent
            if g is None and self._grad is None and computes(sys._getframe(1)):
                raise TypeError(
                    f"{self.describe()} has no gradient, its .grad is None: call J.backward() first, on a scalar J "
                    f"that is computed from it"
                )
            if g is not None:
                references = getrefcount(self._cotangent) - 1  # without the variable above
                shared = references > REFERENCES_TO_UNSHARED_ARRAY
                if shared or type(g) is not np.ndarray or g.base is not None or g.shape != self.shape:
                    g = np.array(np.broadcast_to(g, self.shape))
                total = g if self._grad is None else self._grad + g
                self._grad, self._cotangent = total, None
            return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not None and grad is not self._grad:
            grad = like(self, grad, "grad")
        self._grad, self._cotangent = grad, None

    def zero_grad(self) -> None:
        """Forget the gradient: ``.grad`` is None again."""
        self._grad = self._cotangent = None


def _viewed(x: Node) -> Node:
    """Return the node of whose memory a node may be a view."""
    while x.rule is not None and x.rule.view and x.operands[0] is not None:
        x = x.operands[0]
    return x


def accumulate(cotangents: Mapping[Any, Any]) -> None:
    """Add to the gradient of every node what a reverse walk has found for it: to all, or if interrupted to none."""
    earlier = {}
    with _accumulating:
        try:
            for x, g in cotangents.items():
                if x._cotangent is not None:
                    earlier[x] = x._cotangent
                    x._cotangent = x._cotangent + g
                else:
                    x._cotangent = g
        except BaseException:
            for x, g in cotangents.items():
                if x in earlier or x._cotangent is g:
                    x._cotangent = earlier.get(x)
            raise


def leaf_holding(kind: type[N], primal: Value, name: str | None = None, requires_grad: bool = False) -> N:
    """Return a leaf of a class that holds ``primal`` as it is; nobody may write to it from now on."""
    leaf: N = _new(kind)
    leaf._become_leaf(primal, name, requires_grad)
    return leaf


def record_as(kind: type[Node]) -> None:
    """Make the results of functions nodes of this class."""
    global _class_of_results
    _class_of_results = kind


def result(
    rule: Rule,
    value: Value,
    operands: tuple[Value, ...],
    primals: tuple[Value, ...],
    options: Options,
    requires_grad: bool,
) -> Value:
    """Return the node of a call that was just computed; in ``no_grad`` a leaf.

    While a program is traced, ``no_grad`` keeps out gradients alone: the value differs from call to call.
    """
    path = scopes.get()
    if type(path) is not tuple:
        return _unrecorded_or_watched(path, rule, value, operands, primals, options, requires_grad)
    node = _new(_class_of_results)
    node.primal = value
    node._grad = node._cotangent = node.name = None
    node.requires_grad = requires_grad
    node.rule = rule
    node.operands = operands
    node.primals = primals
    node.options = options
    node.scope = path
    node.order = next(_count)
    return node


def _unrecorded_or_watched(
    path: Path,
    rule: Rule,
    value: Value,
    operands: tuple[Value, ...],
    primals: tuple[Value, ...],
    options: Options,
    requires_grad: bool,
) -> Value:
    """Return what ``result`` does in ``no_grad``, or where a watcher has to see the node."""
    if path is None and not traced.get():
        return leaf_holding(_class_of_results, value)
    token = scopes.set(() if path is None else tuple(path))
    try:
        node = result(rule, value, operands, primals, options, requires_grad and path is not None)
    finally:
        scopes.reset(token)
    if path is not None:
        watcher.get().see_node(node)
    return node


# --- searching the graph ----------------------------------------------------------------------------------------------


def reachable(roots: Iterable[N], along: Callable[[N], Iterable[N]], known: Container[N] = ()) -> list[N]:
    """Return the nodes that can be reached from ``roots``, themselves included, oldest first.

    Parameters
    ----------
    roots : iterable of Node
        Where the search starts.
    along : callable
        The nodes that are next to a node, in the direction of the search.
    known : container of Node
        Nodes that are left out, and not searched behind.
    """
    seen = {root for root in roots if root not in known}
    stack = list(seen)
    while stack:
        for x in along(stack.pop()):
            if x not in seen and x not in known:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=attrgetter("order"))


def ancestors(roots: Iterable[N], known: Container[N] = ()) -> list[N]:
    """Return the nodes that ``roots`` were computed from, themselves and constants included, oldest first."""
    return reachable(roots, attrgetter("inputs"), known)


def passes_gradient(node: Node) -> tuple[bool, ...]:
    """Return for each argument of a node True if a gradient passes from the node to it."""
    if node.rule is None or not node.requires_grad:
        return (False,) * len(node.operands)
    flags = tuple([x is not None and x.requires_grad for x in node.operands])
    if not node.rule.gaps:
        return flags
    return tuple([flag and d is not None for flag, d in zip(flags, node.rule.vjps(node.operands), strict=False)])
