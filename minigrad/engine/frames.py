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
_LOADS = frozenset({"LOAD_FAST", "LOAD_CONST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_SMALL_INT"})
_USES = ("LOAD_ATTR", "LOAD_METHOD", "UNARY_NEGATIVE", "BINARY_", "STORE_SUBSCR")

# Packages that show and compare values, and give nothing back that a gradient could pass through.
_SHOWING = ("matplotlib.", "mpl_toolkits.", "numpy.testing")


def is_at(frame: FrameType, operation: str) -> bool:
    """Whether a frame is at a bytecode operation: ``array[i] = t`` and ``text % t`` take a float as float(t) does."""
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap.get(operation)


def _operations(frame: FrameType, count: int) -> list[tuple[str, int]]:
    """Return the operation that a frame is at and those after it, with their arguments, without its caches."""
    code, at = frame.f_code.co_code, frame.f_lasti
    pairs = zip(code[at : at + 60 : 2], code[at + 1 : at + 60 : 2], strict=False)
    return [(dis.opname[operation], argument) for operation, argument in pairs if operation][:count]


def asks_for_truth(frame: FrameType) -> str:
    """Return how the code that compares two things asks whether they do; "" where it takes the answer as it is."""
    now, after, later, *_ = *[name for name, _ in _operations(frame, 3)], "", ""
    if now == "COMPARE_OP":  # in a chain, and before "and", the answer is copied first
        return "a condition" if (later if after == "COPY" else after).startswith(_CONDITIONS) else ""
    if now.startswith(("CALL", "PRECALL")):
        return next((f"{name}()" for name in _COMPARING if name in frame.f_code.co_names), "")
    return "in" if now == "CONTAINS_OP" else ""


def computes(frame: FrameType) -> bool:
    """Whether the code computes at once with the attribute that it reads: with an entry, an operand, a method of it."""
    (now, _), *following = _operations(frame, 8)
    above = 0  # what lies above the attribute on the interpreter's stack
    for name, argument in following if now == "LOAD_ATTR" else ():
        if name in _LOADS:
            above += 1
        elif name in ("BUILD_SLICE", "BUILD_TUPLE"):
            above += 1 - argument
        else:
            return name.startswith(_USES) and above <= 1 + (name == "BINARY_SLICE") - name.startswith(
                ("LOAD_", "UNARY_")
            )
    return False


def calling_function() -> str | None:
    """Return the function of a package that makes an array of a Tensor, "" for other code, None to show values."""
    frame, name = sys._getframe(2), ""
    while not (module := frame.f_globals.get("__name__", "")).startswith(_SHOWING):
        if frame.f_back is None or not module.startswith(("numpy.", "scipy.", "pandas.")):
            return name
        package, function = module.partition("._")[0], frame.f_code.co_name
        home = package if hasattr(sys.modules[package], function) else package.partition(".")[0]
        frame, name = frame.f_back, f"{home.replace('numpy', 'np')}.{function}"
    return None
