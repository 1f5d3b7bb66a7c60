"""Python numbers among the arguments of a traced function: they compute as Python's, whose integers have no end.

While f is traced, a ``Number`` stands for such an argument. With another Python number it gives a Number, computed by
Python's own operator: ``Arithmetic`` remembers how, and does it again at each call, before the program runs. Beside an
array it becomes an input of the program, of the dtype that NumPy gives a Python number there; alone it has the dtype
that NumPy gives it by itself.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine.arrays import Value
from minigrad.engine.node import leaf_holding
from minigrad.engine.rules import Function
from minigrad.engine.tensor import Tensor

NUMBERS = (bool, int, float)


class Arithmetic:
    """What f computes with the Python numbers of a call.

    ``values`` are the leaves of f's arguments, and the numbers computed from them in the order of ``steps``; ``inputs``
    are the leaves of the graph that hold one of them, by its place and the dtype it takes, None for Python's type.
    """

    def __init__(self, leaves: Sequence[Value]) -> None:
        self.values = [x if type(x) in NUMBERS else None for x in leaves]
        self.steps: list[Callable[[list[Value]], Value]] = []
        self.inputs: dict[tuple[int, Any], Tensor] = {}

    def computed(self, function: Function, *args: Any) -> "Number":
        """Return the Number that a function gives of Numbers and numbers."""

        def step(values: list[Value]) -> Value:
            return function(*[values[x.place] if isinstance(x, Number) else x for x in args])

        value = step(self.values)
        if type(value) not in NUMBERS:
            raise TypeError(f"{function.__name__} of Python numbers gives {value!r}, which is no real number")
        self.steps.append(step)
        self.values.append(value)
        return Number(self, len(self.values) - 1)

    def given(self, leaves: list[Value]) -> list[Value]:
        """Return what the ``inputs`` are in a call with these leaves of its arguments."""
        values = [*leaves]
        for step in self.steps:
            values.append(step(values))
        return [values[place] if dtype is None else dtype.type(values[place]) for place, dtype in self.inputs]


class Number(Tensor):
    """A Python number of which the trace knows that it differs from call to call."""

    __slots__ = ("arithmetic", "place")

    def __init__(self, arithmetic: Arithmetic, place: int, name: str | None = None) -> None:
        self.arithmetic, self.place = arithmetic, place
        self._become_leaf(None, name, False)

    @property
    def _value(self) -> Value:
        """The number as a 0-d array."""
        return np.asarray(self.arithmetic.values[self.place])

    def capture(self) -> Value:
        """Return the number as it is alone, for a recording to keep."""
        return self.as_input(self.dtype).primal

    def as_input(self, dtype: Any) -> Tensor:
        """Return the leaf of the graph that holds the number as a ``dtype``: for its own dtype this one."""
        inputs, key = self.arithmetic.inputs, (self.place, dtype)
        if key not in inputs:
            a = np.array(self.arithmetic.values[self.place], object if dtype is None else dtype)
            if dtype is not None and dtype == self.dtype:  # NumPy takes None for float64
                self.primal, inputs[key] = a[()], self
            else:
                inputs[key] = leaf_holding(Tensor, a if dtype is None else a[()], self.name)
        return inputs[key]

    def detach(self) -> "Number":
        """Return the number, through which no gradient passes anyway."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Value:
        kinds: Sequence[Any] = [_kind(x) for x in args]
        if any(isinstance(kind, np.dtype) for kind in kinds):
            kinds = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
        return super().__array_ufunc__(ufunc, method, *map(_as_input, args, kinds), **options)

    def __array_function__(self, function: Any, types: Any, args: tuple[Value, ...], options: dict[str, Any]) -> Value:
        if function is np.where:  # which takes Python numbers as ufuncs do
            condition, *choices = args
            kinds = [_kind(x) for x in choices]
            dtype = np.result_type(*[kind if isinstance(kind, np.dtype) else kind(0) for kind in kinds])
            args = condition, *[_as_input(x, dtype) for x in choices]
        return super().__array_function__(function, types, args, options)


def _kind(x: Value) -> Any:
    """Return the dtype of an array, or the type of a Python number."""
    if type(x) is Number:
        x = x.arithmetic.values[x.place]
    if type(x) in NUMBERS:
        return np.dtype(bool) if type(x) is bool else type(x)
    return x.dtype if isinstance(x, Tensor) else np.asarray(x).dtype


def _as_input(x: Value, kind: Any) -> Value:
    """Return an argument of a function of arrays: for a Number an input of the dtype that the function takes."""
    return x if type(x) is not Number else x.as_input(kind if isinstance(kind, np.dtype) else x.dtype)


def _operator(function: Function, ufunc: np.ufunc) -> tuple[Function, Function]:
    """Return an operator of Numbers, and its reflected twin; ``ufunc`` is that of arrays."""

    def forward(self: Number, *other: Any) -> Value:
        if all(type(x) in (*NUMBERS, Number) for x in other):
            return self.arithmetic.computed(function, self, *other)
        return ufunc(self, *other)

    def reflected(self: Number, other: Value) -> Value:
        return self.arithmetic.computed(function, other, self) if type(other) in NUMBERS else ufunc(other, self)

    return forward, reflected


for _name, _ufunc in {
    **{"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide},
    **{"mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor},
    **{"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal},
    **{"ne": np.not_equal, "neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert},
}.items():
    _forward, _reflected = _operator(getattr(operator, f"__{_name}__"), _ufunc)
    setattr(Number, f"__{_name}__", _forward)
    if hasattr(Tensor, f"__r{_name}__"):
        setattr(Number, f"__r{_name}__", _reflected)
