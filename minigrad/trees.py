"""Trees: arrays and numbers in lists, tuples, namedtuples and dictionaries, nested as deep as the caller likes.

    flatten    tree -> its leaves in one list, and its structure
    unflatten  structure, leaves -> tree
    match      the leaves of a second tree in the order of the first; an error names the place where they differ
    map        f of the leaves of one tree, or of several trees leaf by leaf
    paths      how each leaf is reached: ``params["layers"][0]``

What is no container is a leaf, and None is a tree without leaves. Dictionaries are paired by key: their leaves come in
the order of the sorted keys, whatever the order of insertion, which ``unflatten`` restores.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from operator import itemgetter, methodcaller
from typing import Any

import numpy as np

from .engine.arrays import Value
from .engine.errors import described
from .engine.rules import Function

Tree = Any  # a container, None, or a leaf of any type

# What is known of a tree beside its values, containers before what they hold:
#   (type, length)   a sequence
#   (dict, keys)     a dictionary, the keys in their order of insertion: a program may go through it in that order
#   None             None
#   dtype, shape     an array, in memory or in a file, or a NumPy scalar
#   type             another leaf, such as a Python number or a masked array
Structure = tuple[Any, ...]

_SEQUENCES, _ARRAYS = (list, tuple), (np.generic, np.memmap)


class _Keys(tuple[Any, ...]):
    """The keys of a dictionary, sorted."""

    values_of: Callable[[dict[Any, Tree]], Iterable[Tree]]  # the values of a dictionary with these keys, in their order


@lru_cache(typed=True)  # so that 1 and True, which are equal, stay what they are
def _keys(*inserted: Any) -> _Keys:
    try:
        keys = _Keys(sorted(inserted))
    except TypeError:  # keys of several types
        keys = _Keys(sorted(inserted, key=lambda key: (type(key).__qualname__, repr(key))))
    keys.values_of = itemgetter(*keys) if len(keys) > 1 else methodcaller("values")
    return keys


def flatten(tree: Tree) -> tuple[list[Value], Structure]:
    """Return the leaves of a tree in one list, and its structure.

    Structures are equal, and have the same hash, where the types of the containers, the lengths, the keys with their
    order of insertion, and the shapes and dtypes of the arrays are equal.

    >>> leaves, structure = flatten({"b": 1.0, "a": [2.0, None]})
    >>> leaves
    [2.0, 1.0]
    >>> unflatten(structure, [20, 10])
    {'b': 10, 'a': [20, None]}
    """
    leaves: list[Value] = []
    structure: list[Value] = []
    collect((tree,), leaves, structure)
    return leaves, tuple(structure)


def collect(branches: Iterable[Tree], leaves: list[Value], structure: list[Value]) -> None:
    """Append the leaves of some trees to ``leaves``, and their structures to ``structure``."""
    for x in branches:
        kind = type(x)
        if kind is np.ndarray:  # asked first, because a compiled function does this at each call
            leaves.append(x)
            structure.append(x.dtype)
            structure.append(x.shape)
        elif isinstance(x, dict):
            inserted = tuple(x)
            structure.append((dict, inserted))
            collect(_keys(*inserted).values_of(x), leaves, structure)
        elif isinstance(x, _SEQUENCES):
            structure.append((kind, len(x)))
            collect(x, leaves, structure)
        elif x is None:
            structure.append(None)
        else:
            leaves.append(x)
            structure += (x.dtype, x.shape) if isinstance(x, _ARRAYS) else (kind,)


def unflatten(structure: Structure, leaves: Iterable[Value]) -> Tree:
    """Return the tree of this structure with other leaves, of any type, and with the keys in the order of insertion."""
    at_once = _at_once(structure)
    return _built(iter(structure), iter(leaves)) if at_once is None else at_once(iter(leaves))


@lru_cache
def _at_once(structure: Structure) -> Function | None:
    """Return what makes a tree that is a leaf, or a list or tuple of leaves, without a search for its parts."""
    tree = _built(iter(structure), count())
    if type(tree) is int:
        return next
    return type(tree) if type(tree) in _SEQUENCES and [*tree] == [*range(len(tree))] else None


def _built(parts: Iterator[Value], leaves: Iterator[Value]) -> Tree:
    part = next(parts)
    if part is None:
        return None
    if type(part) is not tuple:
        if not isinstance(part, type):
            next(parts)  # the shape of an array of this dtype
        return next(leaves)
    kind, held = part
    if kind is dict:
        branches = {key: _built(parts, leaves) for key in _keys(*held)}
        return {key: branches[key] for key in held}
    sequence = [_built(parts, leaves) for _ in range(held)]
    return kind(*sequence) if hasattr(kind, "_fields") else kind(sequence)


def map(f: Function, tree: Tree, *others: Tree, names: Sequence[str] = ()) -> Tree:
    """Return the tree of ``f(leaf, *leaves of the others)``, of the structure of ``tree``.

    Raises ValueError as ``match`` does; ``names`` are the names of all the trees, for its text.

    >>> map(lambda p, g: p - 0.5 * g, {"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 4.0})
    {'a': -1.0, 'b': 1.0}
    """
    leaves, structure = flatten(tree)
    name, *other_names = names or [f"tree{i}" for i in range(1 + len(others))]
    columns = [match(tree, other, name, of_other) for other, of_other in zip(others, other_names, strict=True)]
    return unflatten(structure, [f(*row) for row in zip(leaves, *columns, strict=True)])


def match(tree: Tree, other: Tree, name: str, other_name: str) -> list[Value]:
    """Return the leaves of ``other`` in the order of those of ``tree``, whose shapes they have.

    Dictionaries are paired by key, lists and tuples by position, whatever the type of the sequence.

    Raises ValueError where the structures differ, or the shapes of two leaves: its text names the first such place, as
    it is reached from ``name`` and ``other_name``.
    """
    return list(_matched(tree, other, name, other_name))


def _matched(x: Tree, y: Tree, x_path: str, y_path: str) -> Iterator[Value]:
    xs, ys = branches(x), branches(y)
    if xs is None and ys is None:
        if _shape(x) != _shape(y):
            raise ValueError(f"{y_path} has shape {_shape(y)}, {x_path} {_shape(x)}; give both the same shape")
        yield y
    elif xs is None or ys is None or isinstance(x, dict) != isinstance(y, dict) or (x is None) != (y is None):
        raise ValueError(f"{y_path} is {_described(y)}, {x_path} {_described(x)}; give both the same structure")
    else:
        for one, two, path, of_one in ((xs, ys, y_path, x_path), (ys, xs, x_path, y_path)):
            for key in one:
                if key not in two:
                    content = f"{of_one} has {_content(one, x)}, {path} has {_content(two, x)}"
                    raise ValueError(f"{path}{_step(key)} is missing: {content}; give both the same structure")
        for key, branch in xs.items():
            yield from _matched(branch, ys[key], x_path + _step(key), y_path + _step(key))


def paths(tree: Tree, root: str) -> list[str]:
    """Return how each leaf is reached from ``root``, in the order of ``flatten``.

    >>> paths({"layers": [{"W": 1.0, "b": 2.0}], "scale": 3.0}, "params")
    ['params["layers"][0]["W"]', 'params["layers"][0]["b"]', 'params["scale"]']
    """
    held = branches(tree)
    if held is None:
        return [root]
    return [path for key, branch in held.items() for path in paths(branch, root + _step(key))]


def branches(tree: Tree) -> dict[Any, Tree] | None:
    """Return what a container holds by key or position, in the order of ``flatten``; None for a leaf."""
    if isinstance(tree, dict):
        return {key: tree[key] for key in _keys(*tree)}
    return dict(enumerate(tree or ())) if tree is None or isinstance(tree, _SEQUENCES) else None


def _shape(leaf: Any) -> tuple[int, ...]:
    return getattr(leaf, "shape", ())


def _step(key: Any) -> str:
    return f'["{key}"]' if isinstance(key, str) and '"' not in key else f"[{key!r}]"


def _content(held: dict[Any, Tree], tree: Tree) -> str:
    if isinstance(tree, dict):
        return f"the keys {{{', '.join(_step(key)[1:-1] for key in held)}}}"
    return f"the length {len(held)}"


def _described(tree: Tree) -> str:
    return f"a {type(tree).__name__}" if isinstance(tree, dict | list | tuple) else described((tree,))
