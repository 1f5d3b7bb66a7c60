"""What writes arrays into files writes the values of Tensors."""

from typing import Any

import numpy as np

from .composed import compose
from .rules import Function


def _plain(a: Any) -> Any:
    return a.to_numpy() if hasattr(a, "to_numpy") else a


def _saving(function: Function) -> Function:
    def save(file: Any, *arrays: Any, **named: Any) -> Any:
        return function(file, *map(_plain, arrays), **{name: _plain(a) for name, a in named.items()})

    return save


compose({function: _saving(function) for function in (np.save, np.savez, np.savez_compressed, np.savetxt)})
