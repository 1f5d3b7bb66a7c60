"""compile(f): a function of arrays, traced once, that runs as a straight-line NumPy program.

    trace      f runs once on Tensors in place of its arguments, inside ``tracing``: everything it computes is recorded
    optimize   the graph of its results becomes a program of expressions that computes the same faster   (optimize.py)
    memory     every result gets its place in memory                                                     (memory.py)
    emit       the program becomes Python source that writes into this memory                            (emit.py)

A graph is recorded for one signature: the form, shapes and dtypes of the arguments. The compiled function keeps a
program for each of the latest signatures.
"""

import functools
import inspect
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import trees
from minigrad.engine.context import recording, tracing
from minigrad.engine.errors import called
from minigrad.engine.node import ancestors, leaf_holding
from minigrad.engine.primitives import detach, getitem, identity
from minigrad.engine.record import apply
from minigrad.engine.tensor import Tensor
from minigrad.text.expressions import known
from minigrad.text.numpy_code import Names

from .emit import Source, emit
from .optimize import optimize

Function = Callable[..., Any]

_SIGNATURES = 32  # programs that a compiled function keeps
_NUMBERS = (bool, int, float)


def compile(f: Function) -> "Compiled":
    """Return a faster function with the results of ``f``, like ``jax.jit`` for NumPy code.

    On the first call for each form, shapes and dtypes of the arguments, ``f`` runs once on Tensors, and its operations
    become a straight-line program with constants folded, equal expressions computed once, and memory planned
    beforehand; ``.source`` is its text. The programs of the latest 32 signatures are kept, each with the memory for its
    intermediate results.

    Parameters
    ----------
    f : callable
        It takes arrays, numbers, and lists, tuples and dicts of them, and returns the same; it may be a transform, such
        as ``mg.value_and_grad(loss)``, or a whole training step with an optimiser's update.

    Returns
    -------
    Compiled
        A function whose results agree with those of ``f`` to rounding; they are new arrays, the caller's own. No
        argument is written to. Threads may call one compiled function at the same time. Called with Tensors (inside
        another transform, say) it simply calls ``f``.

    Raises
    ------
    TypeError
        Where ``f`` is no function. The compiled function raises it for an argument that is no array of real numbers,
        and, while tracing, where ``f`` branches on a value, takes a value out (``float``, ``.data``), makes a shape
        depend on values, or draws from NumPy's or Python's global random numbers.

    Notes
    -----
    A Python number counts as a 0-d array: of the widest floating dtype among the arguments; an int as int64, or as that
    dtype where it is narrower. What ``f`` reads from elsewhere is read when it is traced, and stays; Tensors that ``f``
    uses from outside are read at each call. Side effects of ``f`` (printing, appending to a list) happen while it is
    traced and never again, and random numbers would stay the same: pass them as arguments.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> step = mg.compile(mg.value_and_grad(lambda w: np.sum(np.square(w))))
    >>> value, g = step(np.array([1.0, 3.0]))
    >>> float(value), g
    (10.0, array([2., 6.]))
    """
    if not callable(f):
        raise TypeError(f"compile takes a function, not {type(f).__name__} {f!r}")
    return Compiled(f)


class Compiled:
    """What ``compile`` returns: call it as the function it was made of.

    ``source`` is the Python text of the program that ran last, ``derivation`` its readable form.
    """

    def __init__(self, f: Function) -> None:
        functools.update_wrapper(self, f)
        self._function = f
        self._programs: OrderedDict[Any, _Runner] = OrderedDict()
        self._lock = threading.RLock()
        self._last: _Runner | None = None

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return what the function returns, computed by the program for these arguments."""
        leaves: list[Any] = []
        structure: list[Any] = []
        trees.collect(args, leaves, structure)
        if options:
            trees.collect((options,), leaves, structure)
        signature = tuple(structure)
        runner = self._programs.get(signature)
        if runner is None:
            if any(isinstance(x, Tensor) for x in leaves):
                return self._function(*args, **options)
            runner = self._compiled(signature, args, options)
        elif runner is not self._last:
            with self._lock:
                if signature in self._programs:
                    self._programs.move_to_end(signature)
        self._last = runner
        return runner(leaves)

    def _compiled(self, signature: Any, args: tuple[Any, ...], options: dict[str, Any]) -> "_Runner":
        with self._lock:
            runner = self._programs.get(signature)  # another thread may have been faster
            if runner is None:
                runner = self._programs[signature] = _Runner(self._function, args, options)
                if len(self._programs) > _SIGNATURES:
                    self._programs.popitem(last=False)
        return runner

    @property
    def source(self) -> str:
        """The text of the program that ran last. Raises RuntimeError before the first call."""
        return self._ran().source.text

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


def _array(x: Any, dtype: np.dtype[Any] | None) -> Any:
    """Return an argument as a program takes it: an array, or a NumPy scalar for a 0-d array or a number."""
    return dtype.type(x) if dtype is not None else x if x.ndim else x[()]


def _number_dtypes(leaves: Sequence[Any]) -> list[np.dtype[Any] | None]:
    """Return the dtype that each Python number counts as; None for arrays."""
    floating = [x.dtype for x in leaves if type(x) not in _NUMBERS and x.dtype.kind == "f"]
    widest = np.result_type(*floating) if floating else np.dtype(np.float64)
    of_int = np.dtype(np.int64) if widest.itemsize >= 8 else widest
    of_kind = {bool: np.dtype(np.bool_), int: of_int, float: widest}
    return [of_kind.get(type(x)) for x in leaves]


def _checked(x: Any, path: str, f: Function) -> None:
    """Raise TypeError for an argument that is no array of real numbers."""
    if type(x) in _NUMBERS or (isinstance(x, np.generic | np.ndarray) and x.dtype.kind in "biuf"):
        if type(x) is not np.ndarray and isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
            raise TypeError(f"{called(f)}: argument {path} is a {type(x).__name__}; pass a plain array (np.asarray)")
        return
    what = f"an array of {x.dtype}" if isinstance(x, np.ndarray | np.generic) else f"{type(x).__name__} {x!r:.40}"
    raise TypeError(
        f"{called(f)}: argument {path} is {what}; a compiled function takes arrays of real numbers, numbers, and "
        f"lists, tuples and dicts of them"
    )


def _argument_paths(f: Function, args: tuple[Any, ...], options: dict[str, Any]) -> list[str]:
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
    """One recorded run of f: the nodes that stand for its arguments, and what it returned, structure and leaves."""

    arguments: list[Tensor]
    structure: trees.Structure
    results: list[Tensor]
    start: int  # the order that divides what was there before from what f recorded

    def outer(self) -> list[Tensor]:
        """Return the Tensors made before the trace that its results directly depend on."""
        found: dict[Tensor, None] = {}
        seen = {*self.results, *self.arguments}
        stack = list(seen.difference(self.arguments))
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
    f: Function, call: trees.Structure, arrays: Sequence[Any], paths: Sequence[str], guarded: bool = True
) -> _Trace:
    """Run f on Tensors in place of the arrays; ``call`` is the structure of its arguments.

    Where ``guarded``, an argument is the result of a function, which unlike a leaf gives no value out while traced.
    """
    before = _random_states()
    with recording(), tracing():
        leaves = [leaf_holding(Tensor, x, path, x.dtype.kind == "f") for x, path in zip(arrays, paths, strict=True)]
        start = Tensor(0.0).order
        nodes = [_guarded(x) for x in leaves] if guarded else leaves
        args, options = trees.unflatten(call, nodes)
        tree = f(*args, **options)
    if before != _random_states()[: len(before)]:
        raise RuntimeError(
            f"{called(f)} draws random numbers while it is traced, which would be the same in every call: draw "
            f"them outside, and pass them as arguments"
        )
    results, structure = trees.flatten(tree)
    return _Trace(nodes, structure, [_result(x, f) for x in results], start)


def _guarded(x: Tensor) -> Tensor:
    node: Tensor = apply(identity if x.requires_grad else detach, (x,))
    return node.named(x.name) if x.name else node


def _random_states() -> list[Any]:
    """Return the states of the global random generators of those modules that are imported already."""
    states: list[Any] = []
    if "random" in sys.modules:
        states.append(sys.modules["random"].getstate())
    if "numpy.random" in sys.modules:
        state = np.random.get_state(legacy=False)
        states.append({key: np.asarray(part).tobytes() for key, part in state["state"].items()})
    return states


def _result(x: Any, f: Function) -> Tensor:
    """Return a leaf of what f returned, as a node; checked."""
    if not isinstance(x, Tensor):
        if not isinstance(x, np.ndarray | np.generic | bool | int | float):
            raise TypeError(
                f"{called(f)} returned {type(x).__name__} {x!r:.40}; a compiled function returns arrays, numbers, and "
                f"lists, tuples and dicts of them"
            )
        return Tensor(x, requires_grad=False)
    return x


def _refuse_varying_shapes(f: Function, nodes: Sequence[Tensor]) -> None:
    for node in nodes:
        mask = node.function is getitem and any(x is not None and x.dtype.kind == "b" for x in node.operands[1:])
        if mask or known(node.function).varying_shape:
            raise TypeError(
                f"{called(f)}: the shape of {node.describe()} depends on values, which differ from call to call; keep "
                f"the shape and choose entries with np.where"
            )


# --- running --------------------------------------------------------------------------------------------------------


class _Runner:
    """The program of one signature, and the workspaces in which it runs: one for each thread that is running it."""

    def __init__(self, f: Function, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        given, structure = trees.flatten((args, options))
        paths = _argument_paths(f, args, options)
        for x, path in zip(given, paths, strict=True):
            _checked(x, path, f)
        self.dtypes = _number_dtypes(given)
        arrays = [_array(x, dtype) for x, dtype in zip(given, self.dtypes, strict=True)]
        self.plain = all(type(x) is np.ndarray and x.ndim for x in given)
        trace = _trace(f, structure, arrays, paths)
        outer = trace.outer()
        self.outer = [x if x.function is None else x.detach() for x in outer]
        self.source = _source(f, trace, [*trace.arguments, *outer])
        self.namespace = {"__builtins__": {"range": range, "min": min}, **self.source.namespace}
        exec(self.source.text, self.namespace)
        self.workspaces: list[Function] = []
        ones = [np.broadcast_to(np.ones((), x.dtype), x.shape) for x in arrays]
        self.retraced = functools.partial(_trace, f, structure, ones, paths, False)

    def __call__(self, leaves: list[Any]) -> Any:
        if not self.plain:
            leaves = [_array(x, dtype) for x, dtype in zip(leaves, self.dtypes, strict=True)]
        try:
            run = self.workspaces.pop()
        except IndexError:
            run = self.namespace[self.source.workspace]()
        try:
            return run(*leaves, *[_array(x.value, None) for x in self.outer])
        finally:
            self.workspaces.append(run)


def _source(f: Function, trace: _Trace, inputs: Sequence[Tensor]) -> Source:
    for result in trace.results:
        _refuse_varying_shapes(f, ancestors([result]))

    def arranged(texts: list[str], names: Names) -> str:
        return _text(trees.unflatten(trace.structure, texts), names)

    return emit(optimize(inputs, trace.results), arranged)
