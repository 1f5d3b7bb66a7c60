"""Explain which cost term reaches what, how much, and why."""

from .explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
