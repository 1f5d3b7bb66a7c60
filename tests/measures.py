"""Measures that tests compare, of functions and of their work."""

import sys
from inspect import signature

import numpy as np


def calls(f):
    """Return the number of calls, of Python and C functions, that ``f()`` makes: work, measured without a clock."""
    count = 0

    def event(frame, kind, argument):
        nonlocal count
        count += kind in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(event)
    try:
        f()
    finally:
        sys.setprofile(before)
    return count


def arity(function):
    """Return the number of arguments without a default. (Before NumPy 2.4, what is written in C has no signature.)"""
    if isinstance(function, np.ufunc):
        return function.nin
    written_in_c = {np.where: 3, np.dot: 2, np.inner: 2, np.concatenate: 1}
    if function in written_in_c:
        return written_in_c[function]
    return sum(p.default is p.empty and p.kind < p.VAR_POSITIONAL for p in signature(function).parameters.values())
