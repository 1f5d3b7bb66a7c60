"""Measures that tests compare."""

import sys


def calls(f):
    """Return the number of functions, of Python and of C, that ``f()`` calls: a measure of work that no clock disturbs."""
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
