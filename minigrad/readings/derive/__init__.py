"""Write a derivation out, as NumPy, LaTeX and text."""

from .derivation import Derivation, derive

__all__ = ["Derivation", "derive"]
