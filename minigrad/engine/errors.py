"""What errors say of a call: the function, the Tensors (name, shape, dtype), and the mend."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .arrays import INTEGERS, Value
from .node import Node
from .rules import RULES, Function

_PLAIN, _ASTYPE, _PRODUCT = "t.data is its plain array", "t.astype(dtype) casts it", "a @ b is the matrix product"
_ON_CPU = "leave it out: the values are NumPy's arrays, in memory"
_ONE_ARRAY = (Node, np.ndarray, np.generic, float)
_OPERATOR = "write it as an operator: + - * / **"
# Attributes of PyTorch's tensors, of pandas and of JAX, and what does the same here.
_ELSEWHERE = {
    **dict.fromkeys(("numpy", "value", "values", "array", "asnumpy"), _PLAIN),
    **dict.fromkeys(("float", "double", "half", "int", "long", "bool", "type"), _ASTYPE),
    **dict.fromkeys(("mm", "bmm", "mv", "matmul"), _PRODUCT),
    **dict.fromkeys(("cpu", "cuda", "to", "contiguous", "block_until_ready"), _ON_CPU),
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "neg"), _OPERATOR),
    **dict.fromkeys(("relu", "sigmoid", "softmax", "log_softmax", "logsumexp"), "mg.nn.{}(t) computes it"),
    **dict.fromkeys(("view", "reshape_as"), "t.reshape(shape) gives it another shape"),
    "clone": "t.copy() is a node of its own, mg.Tensor(t.data) a leaf",
    "requires_grad_": "mg.Tensor(t.data) is a leaf with gradient, t.detach() a constant",
    "retain_grad": "leave it out: after backward every Tensor on the way has its .grad",
    "is_leaf": "t.op is None for a leaf",
    "grad_fn": "t.op and t.inputs tell how it was computed",
    "unsqueeze": "np.expand_dims(t, axis) adds an axis",
    "permute": "t.transpose(axes) orders the axes",
    "expand": "np.broadcast_to(t, shape) repeats it",
    "cat": "np.concatenate([a, b]) joins Tensors",
    "append": "np.concatenate([a, b]) joins Tensors",
    "norm": "np.linalg.norm(t) computes it",
    "dim": "t.ndim is the number of axes",
    "numel": "t.size is the number of entries",
    "t": "t.T has the axes in reversed order",
}
# Methods of arrays that change them; np.sort and its like are functions all the same.
_WRITING = frozenset({"sort", "partition", "resize", "put", "fill", "setfield", "setflags", "byteswap", "itemset"})


def described(args: Any) -> str:
    """Return the arguments of a call, as errors give them."""
    return " and ".join(
        a.describe()
        if isinstance(a, Node)
        else f"array {a.shape} {a.dtype}"
        if isinstance(a, np.ndarray)
        else f"({described(a)})"
        if isinstance(a, list | tuple) and any(isinstance(item, Node) for item in a)
        else repr(a)[:60]
        for a in args
    )


def called(function: Function) -> str:
    """Return a function as its caller writes it: np.exp, np.linalg.norm."""
    name: str = getattr(function, "__name__", repr(function))
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{called(owner)}.{name}"
    module = getattr(function, "__module__", None) or ""
    if module.partition(".")[0] == "numpy":
        return f"np{module.removeprefix('numpy')}.{name}"
    # A ufunc has no module; some of NumPy's functions have a twin here that takes its arrays one by one.
    ours = isinstance(function, np.ufunc) or module == f"{__package__}.primitives"
    return f"np.{name}" if ours and hasattr(np, name) else name


def no_rule(function: Function, args: tuple[Value, ...]) -> TypeError:
    """Return the error of a call of a function that the table of rules does not know."""
    name = called(function)
    return TypeError(
        f"minigrad has no rule for {name}, called with {described(args)}; add its derivatives with "
        f"mg.rule({name}, lambda g, y, x: ...), or call it on plain arrays (t.data)"
    )


def failed(function: Function, args: tuple[Value, ...], error: Exception) -> Exception:
    """Return the error of a call that NumPy refused, with the Tensors named and the mend."""
    kind = next(k for k in (np.linalg.LinAlgError, IndexError, ValueError, TypeError) if isinstance(error, k))
    text = str(error)
    tensors = described(args)
    return kind(f"{called(function)}{'' if tensors in text else f' of {tensors}'}: {_mend(function, args) or text}")


def _mend(function: Function, args: tuple[Value, ...]) -> str | None:
    """Return what does not fit, and what to do, for the two commonest misfits."""
    shapes = [np.shape(a) for a in args if isinstance(a, Node | np.ndarray | np.generic | int | float)]
    if function is np.bitwise_xor:
        return "^ is the exclusive or of integers and bools; a power is written **"
    if function is np.matmul and len(shapes) == 2:
        a, b = shapes
        if not a or not b:
            return "a number has no matrix product; multiply with *"
        inner = b[-2] if len(b) > 1 else b[0]
        if a[-1] != inner:
            return f"the inner sizes differ, {a[-1]} and {inner}; transpose (.T) or reshape one"
        shapes = [a[:-2], b[:-2]]
    elif not isinstance(function, np.ufunc) and function is not np.where:
        return None
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
        if len(sizes) > 1:
            misfit = " and ".join(map(str, sorted(sizes)))
            return f"the shapes do not broadcast, axis -{axis} has {misfit}; reshape one, such as x.reshape(-1, 1)"
    return None


class Absent:
    """An attribute that arrays, or the Tensors of other libraries, have and Tensor has not: its error has the mend.

    With a ``__getattr__`` in its place, every attribute of a Tensor would take Python the general way: that costs the
    smallest network of the benchmark a tenth of its time.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, t: Node | None, kind: type) -> NoReturn:
        if t is None:
            raise AttributeError(f"type object 'Tensor' has no attribute {self._name!r}")
        raise _no_attribute(t, self._name)


def absent_attributes() -> set[str]:
    """Return the names of attributes that ``Absent`` has a mend for."""
    functions = {getattr(f, "__name__", "") for f in RULES}
    known = {name for name in functions if not name.startswith("_") and getattr(np, name, None) in RULES}
    arrays = {name for name in dir(np.ndarray) if not name.startswith("_")}
    in_place = {f"{name}_" for name in (*_ELSEWHERE, "zero", "fill", "copy", "clamp", "exp", "sqrt") if name[-1] != "_"}
    return known | arrays | _ELSEWHERE.keys() | _WRITING | in_place


def _no_attribute(t: Node, name: str) -> AttributeError:
    """Return the error of an attribute that arrays, or the Tensors of other libraries, have."""
    if name in _WRITING:
        mend = "np.sort, np.partition, np.resize, np.full_like and np.where give a new array instead"
        return AttributeError(f".{name}() writes into {t.describe()}, which stays as it is: {mend}")
    return AttributeError(f"{t.describe()} has no .{name}: {_elsewhere(name)}")


def _elsewhere(name: str) -> str:
    if name in _ELSEWHERE:
        return _ELSEWHERE[name].format(name)
    if name.endswith("_"):
        return "nothing writes into a recorded value; t.data[...] = new changes a leaf, t.zero_grad() forgets .grad"
    return f"its plain array has, t.data.{name}" if hasattr(np.ndarray, name) else f"np.{name}(t) computes it"


def refuse_no_function(what: str, f: Any, argnums: Any = 0) -> None:
    """Refuse what is given to a transform for a function, and an argument of f for its position."""
    if not callable(f):
        raise TypeError(
            f"{what} takes a function of arrays, not {described([f])}; of a Tensor J that is computed, J.backward() "
            f"leaves the gradients in .grad, and mg.gradients(J, [W]) returns them"
        )
    numbers = (argnums,) if isinstance(argnums, INTEGERS) else argnums
    if not all([isinstance(i, INTEGERS) for i in numbers]):
        raise TypeError(
            f"{what}: argnums are positions of arguments, not {described([argnums])}; it returns a function, which "
            f"takes the arguments of f: mg.{what}(f)(x)"
        )


def refuse_one_array(what: str, arrays: Any) -> None:
    """Refuse one array where several come in a tuple or a list."""
    if isinstance(arrays, _ONE_ARRAY):
        raise TypeError(f"{what} takes arrays in a tuple or a list, [x] for one, not {described([arrays])} alone")


def wrapping(what: str, f: Function, argnums: Any) -> Callable[[Function], Function]:
    """Return the decorator of the function that a transform makes of f."""
    refuse_no_function(what, f, argnums)
    return functools.wraps(f)
