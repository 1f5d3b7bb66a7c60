"""Expressions, and how they are written: as NumPy, as mathematics, in words.

expressions    the one type between a recorded graph and any text or program made of it
normal_form    products and sums in which like terms are added, and how they are written back
rewrites       the named rules by which expressions are rewritten
spelling       the table of how each function is written: in NumPy, LaTeX, Unicode, on an edge of a picture
numpy_code     the forms of NumPy code that the table chooses from
mathematics    the forms of LaTeX and Unicode
markup         HTML for notebooks
words          text that is printed: names, numbers, lists, colours
"""
