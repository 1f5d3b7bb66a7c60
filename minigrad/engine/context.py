"""What holds around the code that runs: the scopes it is in, whether it is recorded, whether it is traced.

Each thread and each asyncio task has its own, so that a ``no_grad`` or a ``scope`` in one does not leak into another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# The scopes around the code that runs, outermost first; None where nothing is recorded.
scopes: ContextVar[tuple[str, ...] | None] = ContextVar("minigrad_scopes", default=())
# While a program is traced, non-differentiable functions (comparisons, sign, argmax) are recorded too: their value
# differs from call to call.
traced: ContextVar[bool] = ContextVar("minigrad_traced", default=False)
# While a transform runs the function that it differentiates: the order of the first node that may depend on its
# arguments. None elsewhere.
differentiated: ContextVar[int | None] = ContextVar("minigrad_differentiated", default=None)


@contextmanager
def no_grad() -> Iterator[None]:
    """Return a context in which nothing is recorded: results are constants. Also a decorator.

    It holds in the thread or asyncio task that entered it, and in no other.

    Examples
    --------
    >>> import minigrad as mg
    >>> W = mg.Tensor([1.0], name="W")
    >>> with mg.no_grad():
    ...     (2 * W).requires_grad
    False
    """
    token = scopes.set(None)
    try:
        yield
    finally:
        scopes.reset(token)


@contextmanager
def recording() -> Iterator[None]:
    """Return a context in which results are recorded, also inside ``no_grad``: a transform needs its own graph."""
    token = scopes.set(scopes.get() or ())
    try:
        yield
    finally:
        scopes.reset(token)


@contextmanager
def tracing() -> Iterator[None]:
    """Return a context in which non-differentiable functions record too, so that all of a computation is written."""
    token = traced.set(True)
    try:
        yield
    finally:
        traced.reset(token)


@contextmanager
def differentiating(start: int) -> Iterator[None]:
    """Return a context in which no value leaves a node that requires a gradient and is not older than ``start``."""
    outer = differentiated.get()
    token = differentiated.set(start if outer is None else min(outer, start))
    try:
        yield
    finally:
        differentiated.reset(token)
