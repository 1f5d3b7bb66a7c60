"""What the code that calls is about to do, read from its frame, where a call by itself does not tell.

``if t > 0`` asks a plain array for its truth, and ``W.grad[0]`` asks None for an entry: the errors of NumPy and of
Python would name neither the Tensor nor the mend.
"""

import dis
import sys
from types import FrameType

# Functions of Python that compare what they are given, and ask each answer for its truth.
_COMPARING = ("max", "min", "sorted", "sort", "index", "count", "remove")
_CONDITIONS = ("POP_JUMP", "JUMP_IF", "TO_BOOL", "UNARY_NOT")
# Operations that compute with the top of the interpreter's stack, and how many values lie above what they are of.
_USES = {"LOAD_ATTR": 0, "LOAD_METHOD": 0, "UNARY_NEGATIVE": 0, "BINARY_SUBSCR": 1, "BINARY_OP": 1, "STORE_SUBSCR": 1}
_USES["BINARY_SLICE"] = 2

# Packages that show and compare values, and give nothing back that a gradient could pass through.
_SHOWING = ("matplotlib.", "mpl_toolkits.", "numpy.testing")


def is_at(frame: FrameType, operation: str) -> bool:
    """Return whether a frame is at a bytecode operation: ``a[i] = t`` and ``text % t`` take a float as float(t)."""
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap.get(operation)


def _operations(frame: FrameType, count: int) -> list[tuple[str, int]]:
    """Return the operation that a frame is at and those after it, and by how much each lets the stack grow."""
    code = frame.f_code.co_code[frame.f_lasti :][:60]
    pairs = [(code[i], code[i + 1]) for i in range(0, len(code), 2) if code[i]][:count]  # 0 is a cache
    return [(dis.opname[i], dis.stack_effect(i, argument if i >= dis.HAVE_ARGUMENT else None)) for i, argument in pairs]


def asks_for_truth(frame: FrameType) -> str:
    """Return how the code that compares two things asks whether they do; "" where it takes the answer as it is."""
    now, after, later, *_ = *[name for name, _ in _operations(frame, 3)], "", ""
    if now == "COMPARE_OP":  # in a chain, and before "and", the answer is copied first
        return "a condition" if (later if after == "COPY" else after).startswith(_CONDITIONS) else ""
    if now.startswith(("CALL", "PRECALL")):
        return next((f"{name}()" for name in _COMPARING if name in frame.f_code.co_names), "")
    return "in" if now == "CONTAINS_OP" else ""


def computes(frame: FrameType) -> bool:
    """Return whether the code computes at once with the attribute it reads: an entry, an operand, a method of it."""
    (now, _), *following = _operations(frame, 8)
    above = 0  # values that lie above the attribute on the stack
    for name, growth in following if now == "LOAD_ATTR" else ():
        if name in _USES:
            return above <= _USES[name]
        if not name.startswith(("LOAD_", "BUILD_")):
            return False
        above += growth
    return False


def calling_function() -> str | None:
    """Return the function of a package that makes an array of a Tensor, "" for other code, None to show values."""
    frame, name = sys._getframe(2), ""
    while not (module := frame.f_globals.get("__name__", "")).startswith(_SHOWING):
        if frame.f_back is None or not module.startswith(("numpy.", "scipy.", "pandas.")):
            return name
        package, function = module.partition("._")[0], frame.f_code.co_qualname
        owner, _, method = function.partition(".")
        home = package if hasattr(sys.modules[package], owner) else package.partition(".")[0]
        if "<locals>" not in function:
            name = f"{home.replace('numpy', 'np')}.{owner if method.startswith('__') else function}"
        frame = frame.f_back
    return None
