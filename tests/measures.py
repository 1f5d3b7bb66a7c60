"""Measures that tests compare, of functions, of their work, and of colours."""

import sys
from inspect import signature

import numpy as np
import pytest


def some_quick(cases):
    """Return cases, or tuples of parameters, for a test that is slow for all but the first of five."""
    cases = [case if isinstance(case, tuple | list) else (case,) for case in cases]
    return [pytest.param(*case, marks=[pytest.mark.slow] if i % 5 else []) for i, case in enumerate(cases)]


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
    written_in_c = {np.where: 3, np.dot: 2, np.inner: 2, np.vdot: 2, np.concatenate: 1}
    if function in written_in_c:
        return written_in_c[function]
    try:
        parameters = signature(function).parameters.values()
    except ValueError:
        return 1
    return sum(p.default is p.empty and p.kind < p.VAR_POSITIONAL for p in parameters)


def contrast(a, b):
    """The contrast of two colours "#rrggbb" as WCAG defines it: (L + 0.05) / (l + 0.05), L and l their luminances."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
