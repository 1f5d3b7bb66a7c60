"""Check gradients that were derived by hand."""

from .report import Check, Mistake, check

__all__ = ["Check", "Mistake", "check"]
