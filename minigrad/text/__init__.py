"""Expressions, and how they are written: as NumPy, as mathematics, in words."""
