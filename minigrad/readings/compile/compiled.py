"""compile(f): a function of arrays, traced once, that runs as a straight-line NumPy program.

    trace      f runs once on Tensors in place of its arguments, inside ``tracing``: everything it computes is recorded,
               but for its values                                                                        (outlines.py)
    optimize   the graph of its results becomes a program of expressions that computes the same faster   (optimize.py)
    memory     every result gets its place in memory                                                     (memory.py)
    emit       the program becomes Python source that writes into this memory                            (emit.py)

A graph is recorded for one signature: the form, shapes and dtypes of the arguments, and strings among them. The
compiled function keeps a program for each of the latest signatures. Python numbers are arguments too (numbers.py).

Nothing is locked: threads that meet a new signature at once each trace it, and the last program stays. A lock held
while f runs would hang a forked process, or two functions that wait for each other.
"""

import builtins
import functools
import importlib.util
import inspect
import sys
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from types import MethodType
from typing import Any

import numpy as np

from minigrad import trees
from minigrad.engine.arrays import Options, Value
from minigrad.engine.context import collection_paused, noting, recording, tracing, watcher
from minigrad.engine.errors import called
from minigrad.engine.node import leaf_holding
from minigrad.engine.primitives import detach, identity
from minigrad.engine.record import apply
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor
from minigrad.text import markup
from minigrad.text.numpy_code import Names

from . import outlines
from .emit import emit
from .numbers import NUMBERS, Arithmetic, Number
from .optimize import optimize
from .randomness import has_drawn, random_states

_MAX_PROGRAMS = 32  # that a compiled function keeps


def compile(f: Function, *, fast: bool = False) -> "Compiled":
    """Return a faster function with the results of ``f``, like ``jax.jit`` for NumPy code.

    On the first call for each form, shapes and dtypes of the arguments, ``f`` runs once on Tensors, and its operations
    become a straight-line program, whose text is ``.source``: constants folded, equal expressions computed once, memory
    planned beforehand. The programs of the latest 32 signatures are kept, with memory for intermediate results.

    Parameters
    ----------
    f : callable
        It takes arrays, numbers, strings, None, and lists, tuples and dicts of them, and returns arrays and numbers in
        the same containers; it may be a transform, such as ``mg.value_and_grad(loss)``, a whole training step with an
        optimiser's update, or a method.
    fast : bool
        Whether elementwise operations are fused into loops that numba (extra ``fast``) compiles, which takes seconds
        once in a process. exp, log and tanh are then within 2 units in the last place, and overflow warns no more.

    Returns
    -------
    Compiled
        A function whose results agree with those of ``f`` to rounding; they are new arrays, the caller's own. No
        argument is written to. Threads may call one compiled function at the same time. Called with Tensors (inside
        another transform, say) it simply calls ``f``. It pickles where ``f`` does, and is traced anew where it arrives.

    Raises
    ------
    TypeError
        Where ``f`` is no function. The compiled function raises it for an argument that is no array of real numbers,
        and, while tracing, where ``f`` branches on a value, takes a value out (``float``, ``.data``), makes a shape
        depend on values, or draws random numbers.
    ImportError
        Where numba is not installed, and ``fast`` asks for it.

    Notes
    -----
    Python numbers compute as in ``f`` itself: with each other as Python's, beside an array in its dtype. A string has a
    program of its own. The arrays of a method's instance are arguments, each other attribute has a program of its own.
    What ``f`` reads from elsewhere is read when it is traced, and stays; Tensors from outside are read at each call.
    Side effects of ``f`` (printing, appending to a list) happen while it is traced and never again. Pass random numbers
    as arguments, or draw them in a function taught by ``mg.rule``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> step = mg.compile(mg.value_and_grad(lambda w: np.sum(np.square(w))))
    >>> value, g = step(np.array([1.0, 3.0]))
    >>> float(value), g
    (10.0, array([2., 6.]))
    """
    return Compiled(f, fast) if (method := _method(f)) is None else _BoundMethod(method, fast)


class Compiled(markup.Shown):
    """What ``compile`` returns: call it as the function it was made of.

    ``source`` is the Python text of the program that ran last, ``derivation`` its readable form.
    """

    def __init__(self, f: Function, fast: bool) -> None:
        if not callable(f):
            raise TypeError(f"compile takes a function, not {type(f).__name__} {f!r}")
        if fast and importlib.util.find_spec("numba") is None:
            raise ImportError("compile with fast=True needs numba, the extra `fast`: pip install minigrad[fast]")
        functools.update_wrapper(self, f)
        self._function, self._fast = f, fast
        self._programs: OrderedDict[Any, _Runner] = OrderedDict()
        self._methods: dict[type, _Method] = {}
        self._last: _Runner | None = None

    def __call__(self, *args: Any, **options: Any) -> Value:
        """Return what the function returns, computed by the program for these arguments."""
        if watcher.get() is not None:  # mg.debug() is shown each result
            return self._function(*args, **options)
        leaves: list[Value] = []
        structure: list[Any] = [len(args)]
        trees.collect(args, leaves, structure)
        if options:
            trees.collect((options,), leaves, structure)
        structure += [x for x in leaves if type(x) in _STATIC]
        signature = tuple(structure)
        runner = self._programs.get(signature)
        if runner is None:
            if any(isinstance(x, Tensor) for x in leaves):
                return self._function(*args, **options)
            runner = self._last = self._programs[signature] = _Runner(self._function, args, options, self._fast)
            if len(self._programs) > _MAX_PROGRAMS:
                self._programs.popitem(last=False)
            return runner.first(leaves)
        if runner is not self._last:
            self._last = runner
            with suppress(KeyError):  # where another thread has dropped it
                self._programs.move_to_end(signature)
        return runner(leaves)

    def __repr__(self) -> str:
        return f"<compiled {called(self._function)}>"

    def _html(self) -> str:
        if self._last is None:
            return markup.paragraphs([f"{called(self._function)}, compiled when it is first called"])
        head = markup.paragraphs([f"{called(self._function)}, compiled; the program that ran last:"])
        return head + markup.code(self.source)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the method of an instance, as a function in a class does."""
        if instance is None:
            return self
        kind = type(instance)
        if kind not in self._methods:
            self._methods[kind] = _Method(_of_attributes(self._function, kind), self._fast)
        return MethodType(self._methods[kind], instance)

    def __reduce__(self) -> Any:
        """Return how it is pickled: by name where that leads to it, as a decorated function's, else as what f is."""
        with suppress(AttributeError, KeyError):
            name: str = vars(self)["__qualname__"]
            if attrgetter(name)(sys.modules[self.__module__]) is self:
                return name
        return functools.partial(compile, fast=self._fast), (self._function,)

    @property
    def source(self) -> str:
        """The text of the program that ran last. Raises RuntimeError before the first call."""
        source = self._ran().source
        return "\n".join([*source.kernels, source.text])

    @property
    def derivation(self) -> Any:
        """``mg.derive`` of the first differentiable scalar that f returned, for the signature of the last call.

        f is traced again, on ones: a derivation does not depend on values. Raises RuntimeError before the first call,
        TypeError where no such scalar is returned.
        """
        from minigrad.readings.derive.derivation import derive  # imported when something is derived

        with np.errstate(all="ignore"):
            trace = self._ran().retraced()
        scalars = [x for x in trace.results if isinstance(x, Tensor) and x.requires_grad and x.size == 1]
        if not scalars:
            raise TypeError(f"derivation of {called(self._function)}: it returns no differentiable scalar")
        return derive(scalars[0])

    def _ran(self) -> "_Runner":
        if self._last is None:
            raise RuntimeError(f"{called(self._function)} has no program yet: call it once")
        return self._last


# --- methods --------------------------------------------------------------------------------------------------------


class _Method(Compiled):
    """The compiled function of the attributes of an instance, called with the instance."""

    def __call__(self, instance: Any, *args: Any, **options: Any) -> Value:
        attributes = trees.map(lambda x: x if _is_argument(x) and type(x) not in NUMBERS else _Kept(x), vars(instance))
        return super().__call__(attributes, *args, **options)


class _BoundMethod(_Method):
    """The compiled function of a method of one instance, whose attributes are read at each call."""

    def __init__(self, f: MethodType, fast: bool) -> None:
        super().__init__(_of_attributes(f.__func__, type(f.__self__)), fast)
        self._bound = f

    def __call__(self, *args: Any, **options: Any) -> Value:
        return super().__call__(self._bound.__self__, *args, **options)

    def __reduce__(self) -> Any:
        return functools.partial(compile, fast=self._fast), (self._bound,)


def _method(f: Any) -> MethodType | None:
    """Return the method of an instance that f is, or that a call of f calls; None where there is none."""
    method = f.__call__ if callable(f) and not isinstance(f, MethodType | Compiled) else f
    if not isinstance(method, MethodType) or isinstance(method.__func__, Compiled):
        return None
    return method if hasattr(method.__self__, "__dict__") and not isinstance(method.__self__, type) else None


class _Kept:
    """An attribute that is no argument: a program serves this very number, or object, whatever it equals."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.key = (type(held), repr(held) if type(held) in NUMBERS else id(held))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


_STATIC = frozenset({str, _Kept})


def _of_attributes(f: Function, kind: type) -> Function:
    """Return the function that calls the method f on an instance with the given attributes."""

    @functools.wraps(f)
    def method(attributes: Options, *args: Any, **options: Any) -> Value:
        instance: Any = object.__new__(kind)
        given = trees.map(lambda x: x.held if isinstance(x, _Kept) else x, attributes)
        vars(instance).update(given)
        result = f(instance, *args, **options)
        for name, x in vars(instance).items():
            if name not in given or x is not given[name]:
                raise TypeError(
                    f"{called(f)} assigns self.{name} while it is traced, which would happen once: return the new "
                    f"value, and assign it outside"
                )
        return result

    return method


# --- forms: arrays and numbers, and lists, tuples and dicts of them -------------------------------------------------


def _text(tree: Any, names: Names) -> str:
    """Return the expression of a tree whose leaves are texts; keys and types are bound to names."""
    if isinstance(tree, dict):
        items = [f"{names.bind(key, 'key')}: {_text(x, names)}" for key, x in tree.items()]
        return f"{{{', '.join(items)}}}"
    if isinstance(tree, list):
        return f"[{', '.join(_text(x, names) for x in tree)}]"
    if isinstance(tree, tuple):
        joined = "".join(f"{_text(x, names)}, " for x in tree)
        return f"{names.bind(type(tree), 'form') if hasattr(tree, '_fields') else ''}({joined})"
    return str(tree)


# --- arguments ------------------------------------------------------------------------------------------------------


def _is_array(x: Value) -> bool:
    return isinstance(x, np.ndarray | np.generic)


def _is_argument(x: Value) -> bool:
    """Return whether a program takes this: a number, a string, or an array of real numbers."""
    real = _is_array(x) and x.dtype.kind in "biuf"
    plain = type(x) is np.ndarray or isinstance(x, np.generic | np.memmap)
    return type(x) in (*NUMBERS, str) or (real and plain)


def _array(x: Value) -> Value:
    """Return an array as a program takes it: a NumPy scalar where it is 0-d."""
    return x if x.ndim else x[()]


def _checked(x: Value, path: str, f: Function) -> None:
    """Raise TypeError for an argument that is no array of real numbers."""
    if _is_argument(x) or type(x) is _Kept:
        return
    if _is_array(x) and x.dtype.kind in "biuf":
        raise TypeError(f"{called(f)}: argument {path} is a {type(x).__name__}; pass a plain array (np.asarray)")
    what = f"an array of {x.dtype}" if _is_array(x) else f"{type(x).__name__} {x!r:.40}"
    raise TypeError(
        f"{called(f)}: argument {path} is {what}; a compiled function takes arrays of real numbers, numbers, "
        f"strings, and lists, tuples and dicts of them"
    )


def _argument_paths(f: Function, args: tuple[Value, ...], options: Options) -> list[str]:
    try:
        parameters = [p.name for p in inspect.signature(f).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        parameters = []
    named = [parameters[i] if i < len(parameters) else f"x{i + 1}" for i in range(len(args))]
    given = [*zip(named, args, strict=True), *((name, options[name]) for name in trees.branches(options) or ())]
    return [path for name, x in given for path in trees.paths(x, name)]


# --- tracing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trace:
    """One recorded run of f: the nodes that stand for its arrays, and what it returned, structure and leaves."""

    arguments: list[Tensor]
    arithmetic: Arithmetic
    structure: trees.Structure
    results: list[Tensor]
    impure: list[Tensor]  # the calls of functions that are not pure
    start: int  # the order that divides what was there before from what f recorded

    @property
    def inputs(self) -> list[Tensor]:
        """The nodes that a call gives values to: those of its arrays, and of what it computes of numbers."""
        return [*self.arguments, *self.arithmetic.inputs.values()]

    def outer(self) -> list[Tensor]:
        """Return the Tensors made before the trace that its results directly depend on."""
        found: dict[Tensor, None] = {}
        seen = {*self.results, *self.impure, *self.inputs}
        stack = list(seen.difference(self.inputs))
        while stack:
            node = stack.pop()
            if node.order < self.start:
                found[node] = None
                continue
            for x in node.inputs:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return list(found)


def _trace(
    f: Function,
    call: trees.Structure,
    given: Sequence[Value],
    paths: Sequence[str],
    running: bool = True,
    again: int = 2,
) -> _Trace:
    """Run f on Tensors in place of its arrays and numbers; ``call`` is the structure of its arguments.

    Where the trace is for ``running``, no values are computed, and an argument is the result of a function, so that its
    gradient is not taken unless f does. Where random numbers were drawn, f is run ``again``: it may have been another
    thread that drew them.
    """
    before = random_states([f, *given])
    arithmetic = Arithmetic(given)
    with recording(), tracing(outlines.computed) if running else tracing(), noting() as impure:
        start = Tensor(0.0).order
        nodes: list[Any] = [*given]
        for i, (x, path) in enumerate(zip(given, paths, strict=True)):
            if type(x) in NUMBERS:
                nodes[i] = Number(arithmetic, i, path)
            elif _is_array(x):
                a = _array(x)
                value = outlines.outline(a.shape, a.dtype, a) if running else a
                leaf = leaf_holding(Tensor, value, path, a.dtype.kind == "f")
                nodes[i] = _guarded(leaf) if running else leaf
        args, options = trees.unflatten(call, nodes)
        tree = f(*args, **options)
    if has_drawn(before, [f, *given], [x.rule.implementation for x in impure]):
        if again:
            return _trace(f, call, given, paths, running, again - 1)
        raise RuntimeError(
            f"{called(f)} draws random numbers while it is traced, which would be the same in every call: draw "
            f"them outside, and pass them as arguments"
        )
    leaves, structure = trees.flatten(tree)
    results = [_result(x, f, arithmetic) for x in leaves]
    arguments = [node for node, x in zip(nodes, given, strict=True) if _is_array(x)]
    return _Trace(arguments, arithmetic, structure, results, impure, start)


def _guarded(x: Tensor) -> Tensor:
    node: Tensor = apply(identity if x.requires_grad else detach, (x,))
    return node.named(x.name) if x.name else node


def _result(x: Value, f: Function, arithmetic: Arithmetic) -> Tensor:
    """Return a leaf of what f returned, as a node; checked."""
    if type(x) in NUMBERS:
        x = arithmetic.computed(type(x), x)
    if not isinstance(x, Tensor):
        if not _is_array(x):
            raise TypeError(
                f"{called(f)} returned {type(x).__name__} {x!r:.40}; a compiled function returns arrays, numbers, and "
                f"lists, tuples and dicts of them"
            )
        return Tensor(x, requires_grad=False)
    return x.as_input(None) if isinstance(x, Number) else x


# --- running --------------------------------------------------------------------------------------------------------


class _Runner:
    """The program of one signature, and the workspaces in which it runs: one for each thread that is running it."""

    @collection_paused()
    def __init__(self, f: Function, args: tuple[Value, ...], options: Options, fast: bool) -> None:
        given, structure = trees.flatten((args, options))
        paths = _argument_paths(f, args, options)
        for x, path in zip(given, paths, strict=True):
            _checked(x, path, f)
        trace = _trace(f, structure, given, paths)
        self.arithmetic = trace.arithmetic
        self.plain = not self.arithmetic.inputs and all(type(x) is np.ndarray and x.ndim for x in given)
        outer = trace.outer()
        self.outer = [x if x.function is None else x.detach() for x in outer]
        program = optimize([*trace.inputs, *outer], trace.results, trace.impure)
        self.source = emit(program, lambda texts, names: _text(trees.unflatten(trace.structure, texts), names), fast)
        self.made = (trace.structure, trace.results) if trace.impure else None
        self.code = builtins.compile(self.source.text, f"<compiled {called(f)}>", "exec")
        self.workspaces: list[Function] = []
        ones = [np.broadcast_to(np.ones((), x.dtype), x.shape) if _is_array(x) else x for x in given]
        self.retraced = functools.partial(_trace, f, structure, ones, paths, False)

    def first(self, leaves: list[Value]) -> Value:
        """Return the results for the leaves that were traced; functions that are not pure are not called again."""
        if self.made is None:
            return self(leaves)
        structure, results = self.made
        self.made = None
        return trees.unflatten(structure, [np.array(outlines.entries(x))[()] for x in results])

    def __call__(self, leaves: list[Value]) -> Value:
        if not self.plain:
            leaves = [*(_array(x) for x in leaves if _is_array(x)), *self.arithmetic.given(leaves)]
        try:
            run = self.workspaces.pop()
        except IndexError:
            run = self._workspace()
        try:
            return run(*leaves, *[_array(x._value) for x in self.outer])
        finally:
            self.workspaces.append(run)

    def _workspace(self) -> Function:
        """Return the program with memory of its own."""
        namespace = {"__builtins__": {"range": range, "min": min}, **self.source.namespace}
        exec(self.code, namespace)
        run: Function = namespace.pop(self.source.run)  # which refers to the others, and none to it
        return run
