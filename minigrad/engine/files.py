"""What writes arrays, into files or as text, writes the values of Tensors."""

import numpy as np

from .arrays import Value
from .composed import compose
from .rules import Function


def _plain(a: Value) -> Value:
    return a.to_numpy() if hasattr(a, "to_numpy") else a


def _writing(function: Function) -> Function:
    def write(*args: Value, **options: Value) -> Value:
        return function(*map(_plain, args), **{name: _plain(option) for name, option in options.items()})

    return write


_SAVING = (np.save, np.savez, np.savez_compressed, np.savetxt)
compose({function: _writing(function) for function in (*_SAVING, np.array_repr, np.array_str, np.array2string)})
