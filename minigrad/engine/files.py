"""What writes arrays, into files or as text, writes the values of Tensors."""

import numpy as np

from .arrays import Value
from .composed import compose
from .context import traced
from .rules import Function


def _plain(a: Value) -> Value:
    return a.to_numpy() if hasattr(a, "to_numpy") else a


def _shown(a: Value) -> Value:
    return _plain(a) if traced.get() else getattr(a, "_value", a)


def _writing(function: Function, plain: Function = _plain) -> Function:
    def write(*args: Value, **options: Value) -> Value:
        return function(*map(plain, args), **{name: plain(option) for name, option in options.items()})

    return write


compose({function: _writing(function) for function in (np.save, np.savez, np.savez_compressed, np.savetxt)})
compose({function: _writing(function, _shown) for function in (np.array_repr, np.array_str, np.array2string)})
