"""What writes arrays into files writes the values of Tensors."""

import numpy as np

from .arrays import Value
from .composed import compose
from .rules import Function


def _plain(a: Value) -> Value:
    return a.to_numpy() if hasattr(a, "to_numpy") else a


def _saving(function: Function) -> Function:
    def save(file: Value, *arrays: Value, **named: object) -> Value:
        return function(file, *map(_plain, arrays), **{name: _plain(a) for name, a in named.items()})

    return save


compose({function: _saving(function) for function in (np.save, np.savez, np.savez_compressed, np.savetxt)})
