"""What holds around the code that runs: the scopes it is in, whether it is recorded, traced, garbage is collected.

Each thread and each asyncio task has its own, so that a ``no_grad`` or a ``scope`` in one does not leak into another.
"""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from contextvars import ContextVar, Token
from typing import Any

Path = tuple[str, ...] | None

# The scopes around the code that runs, outermost first; None where nothing is recorded.
scopes: ContextVar[Path] = ContextVar("minigrad_scopes", default=())
# While a program is traced: what computes the result of a function in place of its implementation, from its rule, the
# operands, the primals and the options. Non-differentiable functions (comparisons, sign, argmax) are recorded then too:
# their value differs from call to call. None elsewhere.
traced: ContextVar[Any] = ContextVar("minigrad_traced", default=None)
# The results of functions that are not pure, in the order in which they were called, while somebody notes them.
impure_calls: ContextVar[list[Any] | None] = ContextVar("minigrad_impure_calls", default=None)
# While a transform runs the function that it differentiates: the order of the first node that may depend on its
# arguments. None elsewhere.
differentiated: ContextVar[int | None] = ContextVar("minigrad_differentiated", default=None)
# The regions that the code is in, outermost first, each with what it was entered with and the scopes around it.
_entered: ContextVar[tuple[tuple["Region", Any, Path], ...]] = ContextVar("minigrad_regions", default=())
# What sees each node that is recorded and each cotangent, inside mg.debug().
watcher: ContextVar[Any] = ContextVar("minigrad_watcher", default=None)


class Watched(tuple[str, ...]):
    """Scopes inside which ``watcher`` sees what is recorded: to ask each time costs more than to look at their type."""

    __slots__ = ()


_AS_IT_IS = nullcontext()


class Region(ContextDecorator):
    """A context that changes ``scopes``. Regions end in any order: those of two generators end as these are closed."""

    def change(self, path: Path, token: Any) -> Path:
        """Return what the region makes of the scopes around it; ``token`` is what it was entered with."""
        raise NotImplementedError

    def enter(self, token: Any) -> None:
        """Begin the region."""
        around = scopes.get()
        _entered.set((*_entered.get(), (self, token, around)))
        path = self.change(around, token)
        scopes.set(path if path is None or watcher.get() is None else Watched(path))

    def leave(self) -> Any:
        """End the region, and return what it was last entered with."""
        if all(region is not self for region, _, _ in _entered.get()):
            raise RuntimeError(
                f"{type(self).__name__} ends in a thread or task that has not entered it, such as one that closes a "
                f"generator: end it where it began"
            )
        *outer, (region, token, around) = _entered.get()
        inner = []
        while region is not self:
            inner.append((region, token))
            region, token, around = outer.pop()
        _entered.set(tuple(outer))
        scopes.set(around)
        for other, its_token in reversed(inner):
            other.enter(its_token)
        return token

    def __enter__(self) -> None:
        self.enter(None)

    def __exit__(self, *error: object) -> None:
        self.leave()


class no_grad(Region):
    """A context in which nothing is recorded: results are constants. Also a decorator.

    It holds in the thread or asyncio task that entered it, and in no other.

    Examples
    --------
    >>> import minigrad as mg
    >>> W = mg.Tensor([1.0], name="W")
    >>> with mg.no_grad():
    ...     (2 * W).requires_grad
    False
    """

    def change(self, path: Path, token: Any) -> None:
        """Return None: nothing is recorded."""


class _Recording(Region):
    def change(self, path: Path, token: Any) -> tuple[str, ...]:
        """Return no scopes."""
        return ()


def recording() -> AbstractContextManager[None]:
    """Return a context in which results are recorded, also inside ``no_grad``: a transform needs its own graph."""
    return _Recording() if scopes.get() is None else _AS_IT_IS


class _Setting:
    """A context in which a variable of the code around it has another value."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[Any], value: Any) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> Any:
        self._token: Token[Any] = self._variable.set(self._value)
        return self._value

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._token)


def _computed(rule: Any, operands: Any, primals: Any, options: Any) -> Any:
    return rule.implementation(*primals, **options)


def tracing(computed: Any = _computed) -> _Setting:
    """Return a context in which non-differentiable functions record too, so that all of a computation is written.

    ``computed(rule, operands, primals, options)`` computes the result of a function.
    """
    return _Setting(traced, computed)


def noting() -> _Setting:
    """Return a context that gives a list, to which the results of functions that are not pure are added."""
    return _Setting(impure_calls, [])


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause Python's search for cycles, in all threads: of many objects that stay, it visits each several times.

    What is in no cycle is freed as ever.
    """
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()
