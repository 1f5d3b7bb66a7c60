"""Compile a function into a straight-line NumPy program."""

from .compiled import compile

__all__ = ["compile"]
