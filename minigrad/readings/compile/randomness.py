"""Random generators that a function may draw from: what they gave while it was traced would be the same in every call.

Those of the modules ``random`` and ``numpy.random`` everybody has; others are found in what the function's code names:
in its closure, its globals and defaults, in the functions that it calls and the instances that it belongs to.
"""

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from types import CodeType, FunctionType, MethodType
from typing import Any

from minigrad.engine.node import Node
from minigrad.engine.scope import members

_MAX_SEARCHED = 10_000  # objects


def random_states(roots: Iterable[Any]) -> dict[Any, bytes]:
    """Return the states of the random generators that everybody has, and of those that functions or objects hold."""
    states: dict[Any, bytes] = {}
    if "random" in sys.modules:
        states["random"] = pickle.dumps(sys.modules["random"].getstate())
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        states["numpy.random"] = pickle.dumps(numpy_random.get_state(legacy=False))
    return states | {id(x): state for x in _searched(roots) if (state := _state(x)) is not None}


def has_drawn(before: Mapping[Any, bytes], roots: Iterable[Any], allowed: Iterable[Any]) -> bool:
    """Return whether a state is no longer what it was, but for generators that ``allowed`` functions hold."""
    now, theirs = random_states(roots), {id(x) for x in _searched(allowed)}
    return any(now.get(key, state) != state for key, state in before.items() if key not in theirs)


# How the state of a generator is read, by its module and class.
_GENERATORS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("numpy.random", "Generator"): lambda x: x.bit_generator.state,
    ("numpy.random", "RandomState"): lambda x: x.get_state(legacy=False),
    ("random", "Random"): lambda x: x.getstate() if type(x) is sys.modules["random"].Random else None,
}


def _state(x: Any) -> bytes | None:
    """Return the state of a random generator, None for anything else."""
    for (module, kind), state in _GENERATORS.items():
        if module in sys.modules and isinstance(x, getattr(sys.modules[module], kind)):
            return pickle.dumps(state(x))
    return None


def _searched(roots: Iterable[Any]) -> Iterator[Any]:
    """Yield what functions and objects name and hold, and what that does, each once."""
    stack = list(roots)
    seen: dict[int, Any] = {}  # which keeps what properties made, so that no other object has its id
    while stack and len(seen) < _MAX_SEARCHED:
        x = stack.pop()
        if id(x) in seen or isinstance(x, Node):
            continue
        seen[id(x)] = x
        yield x
        if isinstance(x, FunctionType):
            stack += _held_by_function(x)
        elif isinstance(x, MethodType):
            stack += [x.__func__, x.__self__]
        elif isinstance(x, partial):
            stack += [x.func, *x.args, *x.keywords.values()]
        else:
            stack += [member for _, member in islice(members(x), _MAX_SEARCHED)]


def _held_by_function(f: FunctionType) -> Iterator[Any]:
    for cell in f.__closure__ or ():
        with suppress(ValueError):  # of a variable that has no value yet
            yield cell.cell_contents
    yield from (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
    if f.__module__ and f.__module__.partition(".")[0] not in ("minigrad", "numpy", "scipy"):
        yield from (f.__globals__[name] for name in _names(f.__code__) if name in f.__globals__)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code uses, and that of functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
