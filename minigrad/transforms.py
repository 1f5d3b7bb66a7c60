"""Functions from functions to functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp.

As in JAX, a transform takes a function of arrays and returns one. Inside, the arguments become leaves of a graph of
their own; outside, arrays come back, and zeros where the result does not depend on an argument. Given Tensors (another
transform is at work, or the caller's graph) the answer is recorded by the same rules, so transforms nest.

Arguments and results are trees: arrays, numbers, or lists, tuples and dictionaries of them (see ``trees``). Arguments
that are differentiated are floating-point; what is passed by keyword is passed on, and not differentiated.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import trees
from .engine.arrays import INTEGERS, Options, Value, own, owned, plain
from .engine.context import differentiated, recording, traced
from .engine.errors import called, refuse_no_function, refuse_one_array, wrapping
from .engine.forward import push
from .engine.node import NO_OPTIONS
from .engine.primitives import identity
from .engine.record import apply
from .engine.reverse import on_path, walk, without_gaps
from .engine.rules import Function
from .engine.tensor import Tensor
from .trees import Tree

Argnums = int | Sequence[int]
_Values = Sequence[Value]


def gradients(y: Tensor, wrt: Sequence[Tensor], create_graph: bool = False) -> list[Value]:
    """Return dy/dx for each x of ``wrt``; touches no ``.grad``.

    Parameters
    ----------
    y : Tensor
        A scalar.
    wrt : sequence of Tensor
    create_graph : bool
        Whether the gradients are Tensors, recorded by the same rules, so that they can be differentiated again.

    Returns
    -------
    list of ndarray, Tensor or None
        Of the shape and dtype of each x; None where there is no path from x to y.

    Raises
    ------
    ValueError
        Where y is no scalar.
    TypeError
        Where something is no Tensor.
    RuntimeError
        Where y needs no gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> x, b = mg.Tensor(3.0), mg.Tensor(1.0)
    >>> dx, db = mg.gradients(x * x * x, [x, b], create_graph=True)
    >>> dx.item(), db, mg.gradients(dx, [x])
    (27.0, None, [array(18.)])
    """
    refuse_one_array("gradients", wrt)
    for x in (y, *wrt):
        if not isinstance(x, Tensor):
            raise TypeError(f"gradients: takes Tensors, not {type(x).__name__}; plain arrays belong to mg.grad")
    seeds, wanted = {y: _constant(y.seed()) if create_graph else y.seed()}, set(wrt)
    path = on_path([y])
    all_of_it = wanted.issuperset([x for x in path if x.rule is None])  # then no node leads elsewhere
    found = owned([*map(walk(seeds, wanted, create_graph=create_graph, path=path if all_of_it else None).get, wrt)])
    return [g if g is None or create_graph else np.asarray(g) for g in found]


def stop_gradient(tree: Tree) -> Tree:
    """Return the same values as constants: no gradient passes through them.

    Parameters
    ----------
    tree : array, Tensor, or tree of them
        Plain arrays and numbers stay as they are.

    Returns
    -------
    tree
        Of the same structure.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x * mg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return trees.map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, tree)


def _constant(a: Value) -> Tensor:
    return Tensor(a, requires_grad=False)


# --- one recorded call ------------------------------------------------------------------------------------------------


class _Call:
    """One recorded call ``f(*args, **options)``, with the arguments at ``argnums`` as leaves of its graph.

    leaves    the leaves of the tree of those arguments, for a sequence of ``argnums`` of their tuple, Tensors
    result    the tree that f returned; ``results`` are its leaves, Tensors
    aux       what f returned beside it, with ``has_aux``
    start     the order of the oldest node that may depend on those arguments
    path      the nodes that the results and ``aux`` depend on, newest first; all are of this call, unless ``recorded``
    recorded  whether answers are Tensors, because Tensors from outside take part
    """

    def __init__(
        self, what: str, f: Function, args: _Values, argnums: Argnums, has_aux: bool, options: Options = NO_OPTIONS
    ) -> None:
        refuse_no_function(what, f)
        refuse_one_array(what, args)
        self.what, self.f, self.has_aux = what, f, has_aux
        n, given = len(args), list(args)
        numbers = (argnums,) if isinstance(argnums, INTEGERS) else argnums
        try:
            places = [range(n)[i] for i in numbers]
        except IndexError:
            raise ValueError(f"{self.name} was called with {n} arguments, but argnums has {argnums}") from None
        several = numbers is argnums
        plain, self.structure = trees.flatten(tuple([args[i] for i in places]) if several else args[places[0]])
        with recording():
            self.leaves = [_leaf(x) for x in plain]
            primals = trees.unflatten(self.structure, self.leaves)
            for i, tree in zip(places, primals if several else (primals,), strict=True):
                given[i] = tree
            self.start = self.leaves[0].order if self.leaves else sys.maxsize
            outer = differentiated.get()
            token = differentiated.set(self.start if outer is None else min(outer, self.start))
            try:
                returned = f(*given, **options)
            finally:
                differentiated.reset(token)
        if len(set(places)) < len(places):  # the same argument twice: the last of its trees was given to f
            self.leaves, _ = trees.flatten(tuple([given[i] for i in places]))
        if has_aux and not (isinstance(returned, tuple) and len(returned) == 2):
            raise TypeError(
                f"{self.name} returned a {type(returned).__name__}; with has_aux it returns a tuple (result, aux)"
            )
        self.result: Tree = returned[0] if has_aux else returned
        self.aux: Tree = returned[1] if has_aux else None
        results, self.structure_of_result = trees.flatten(self.result)
        self.results = [y if isinstance(y, Tensor) else _constant(y) for y in results]
        aux = [x for x in trees.flatten(self.aux)[0] if isinstance(x, Tensor)] if has_aux else []
        self.path = on_path([*self.results, *aux])
        outside = bool(self.path) and self.path[-1].order < self.start
        self.recorded = traced.get() or any([x.rule is not None for x in self.leaves]) or outside

    @property
    def name(self) -> str:
        return f"{self.what}: {called(self.f)}"

    def scalar(self) -> Tensor:
        """Return the result, which must be one floating-point number."""
        if trees.branches(self.result) is not None:
            raise TypeError(
                f"{self.name} returned a {type(self.result).__name__}; it must return one array, a scalar, or "
                f"with has_aux=True a tuple (scalar, aux); mg.jacobian and mg.vjp take more results"
            )
        (y,) = self.floating()
        if y.size != 1:
            raise ValueError(f"{self.name} returned {y.describe()}, which is no scalar; use np.sum, or mg.jacobian")
        return y

    def floating(self) -> list[Tensor]:
        """Return the results, which must be floating-point: others have no derivative."""
        for y in self.results:
            if y.dtype.kind != "f":
                raise TypeError(
                    f"{self.name} returned {y.describe()}, and only floating-point results have a derivative; return "
                    f"1.0 times it, or beside the result with has_aux=True"
                )
        return self.results

    def pull(self, cotangents: _Values, create_graph: bool = False) -> list[Value]:
        """Return the cotangents of the leaves, given those of the results, None for zeros.

        With ``create_graph`` those that depend on Tensors are Tensors.
        """
        seeds: dict[Tensor, Value] = {}
        given, recorded = self._given(cotangents)
        for y, g in zip(self.results, given, strict=True):
            if g is not None and y.requires_grad:
                seeds[y] = seeds[y] + g if y in seeds else g
        path = None if self.recorded else self.path
        found = walk(seeds, set(self.leaves), create_graph=recorded or create_graph, path=path)
        return _or_zeros(found, self.leaves, recorded)

    def pusher(self, nodes: _Values) -> Function:
        """Return a function from tangents of the leaves, None for zeros, to those of nodes; plain arrays have zeros."""
        roots = [y for y in nodes if isinstance(y, Tensor)]
        path = without_gaps(roots, on_path(roots, self.leaves if self.recorded else None))

        def pushed(tangents: _Values) -> list[Value]:
            given, recorded = self._given(tangents)
            return _or_zeros(push(dict(zip(self.leaves, given, strict=True)), path, recorded), nodes, recorded)

        return pushed

    def _given(self, arrays: _Values) -> tuple[_Values, bool]:
        """Return cotangents or tangents as walks take them, and whether answers are Tensors."""
        if not self.recorded and not any([isinstance(a, Tensor) for a in arrays]):
            return arrays, False
        return [a if a is None or isinstance(a, Tensor) else _constant(a) for a in arrays], True

    def matched(self, structure: trees.Structure, like: Sequence[Tensor], other: Tree, *names: str) -> list[Value]:
        """Return the leaves of ``other``, which has this structure, paired with and of the dtypes of ``like``."""
        leaves, given = trees.flatten(other)
        if given == structure and all([type(g) is np.ndarray for g in leaves]):
            return leaves  # without the search for what differs: that saves 3 % of a Hessian-vector product
        try:
            leaves = trees.match(trees.unflatten(structure, like), other, *names)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return [g if isinstance(g, Tensor) else plain(g, x.dtype) for g, x in zip(leaves, like, strict=True)]

    def gradients(self, leaves: _Values) -> Value:
        """Return the trees of the arguments with other leaves; arrays that others see are copied."""
        return trees.unflatten(self.structure, owned(leaves))

    def value(self) -> Tree:
        return trees.unflatten(self.structure_of_result, map(self._given_out, self.results))

    def with_aux(self, *answers: Any) -> Value:
        """Return the answers, and the auxiliary result where f has one."""
        if self.has_aux:
            return *answers, trees.map(lambda x: self._given_out(x) if isinstance(x, Tensor) else x, self.aux)
        return answers if len(answers) > 1 else answers[0]

    def _given_out(self, y: Tensor) -> Value:
        return y if self.recorded else own(y._value)


def _leaf(x: Value) -> Tensor:
    """Return a leaf; for a Tensor a node of its own, so that only this function's use of it counts."""
    if not isinstance(x, Tensor):
        return Tensor(x)
    leaf: Tensor = apply(identity, (x,))
    if leaf.dtype.kind != "f":
        raise TypeError(
            f"{x.describe()}: only floating-point arguments can have a gradient; choose others with argnums"
        )
    leaf.requires_grad = True
    return leaf


def _or_zeros(found: dict[Tensor, Value], nodes: _Values, recorded: bool) -> list[Value]:
    """Return what was found for each node, and zeros, Tensors where answers are, for a node without a path."""
    answers = []
    for x in nodes:
        answer = found.get(x) if isinstance(x, Tensor) else None
        if answer is None:
            zeros = np.zeros(x.shape, x.dtype if x.dtype.kind == "f" else float)
            answer = _constant(zeros) if recorded else zeros
        answers.append(answer)
    return answers


def _one(y: Tensor) -> Value:
    return np.ones(y.shape, y.dtype) if y.ndim else y.dtype.type(1)


# --- transforms -------------------------------------------------------------------------------------------------------


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that returns ``f(*args)`` and its gradient.

    Parameters
    ----------
    f : callable
        Of arrays, numbers, or trees of them; returns a scalar.
    argnums : int or sequence of int
        The arguments, by position, to differentiate with respect to, of floating dtype.
    has_aux : bool
        Whether f returns ``(scalar, aux)``, of which only the scalar is differentiated.

    Returns
    -------
    callable
        With f's arguments; returns ``(value, gradient)``, with ``has_aux`` ``((value, aux), gradient)``. The gradient
        has the structure, shapes and dtypes of the argument, with zeros where there is no path; for a sequence of
        ``argnums`` it is a tuple. Raises ValueError where f's result is no scalar, TypeError where arguments or the
        result are not floating-point.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> value, g = mg.value_and_grad(lambda p: np.sum(p["w"] ** 2))({"w": np.array([1.0, 3.0])})
    >>> float(value), g["w"]
    (10.0, array([2., 6.]))
    """

    @wrapping("value_and_grad", f, argnums)
    def value_and_gradient(*args: Any, **options: Any) -> tuple[Any, Any]:
        call = _Call("value_and_grad", f, args, argnums, has_aux, options)
        return call.with_aux(call.value()), call.gradients(call.pull([_one(call.scalar())]))

    return value_and_gradient


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that returns the gradient of ``f``, with ``has_aux`` ``(gradient, aux)``.

    Parameters and errors are those of ``value_and_grad``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> float(mg.grad(np.tanh)(0.0)), float(mg.grad(mg.grad(np.sin))(0.5))
    (1.0, -0.479425538604203)
    """

    @wrapping("grad", f, argnums)
    def gradient(*args: Any, **options: Any) -> Value:
        call = _Call("grad", f, args, argnums, has_aux, options)
        return call.with_aux(call.gradients(call.pull([_one(call.scalar())])))

    return gradient


def vjp(f: Function, *primals: Tree, has_aux: bool = False) -> Value:
    """Return ``f(*primals)`` and its pullback, which gives vector-Jacobian products.

    Parameters
    ----------
    f : callable
        Returns a tree of arrays; with ``has_aux`` a tuple of that and an auxiliary result.
    *primals : tree of arrays
        Of floating dtype.
    has_aux : bool

    Returns
    -------
    result : tree
    pullback : callable
        From a cotangent, with the structure and the shapes of the result, to a tuple of cotangents of the primals.
        Raises ValueError for another structure or shape.
    aux : tree
        Only with ``has_aux``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> y, pullback = mg.vjp(np.exp, np.zeros(2))
    >>> pullback(np.array([1.0, 2.0]))
    (array([1., 2.]),)
    """
    call = _Call("vjp", f, primals, range(len(primals)), has_aux)

    def pullback(cotangent: Tree) -> Value:
        if trees.branches(call.result) is None and not isinstance(cotangent, Tensor):
            cotangent = np.asarray(cotangent)  # a list too
        return call.gradients(
            call.pull(call.matched(call.structure_of_result, call.results, cotangent, "result", "cotangent"))
        )

    return call.with_aux(call.value(), pullback)


def jvp(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False) -> Value:
    """Return ``f(*primals)`` and its derivative along ``tangents``, a Jacobian-vector product.

    Parameters
    ----------
    f : callable
        Returns a tree of arrays; with ``has_aux`` a tuple of that and an auxiliary result.
    primals : sequence of trees of arrays
        Of floating dtype.
    tangents : sequence
        With the structure and the shapes of the primals. Raises ValueError for others.
    has_aux : bool

    Returns
    -------
    result, derivative : tree
    aux : tree
        Only with ``has_aux``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.jvp(lambda x: x * x, (np.array([3.0]),), (np.array([2.0]),))
    (array([9.]), array([12.]))
    """
    call = _Call("jvp", f, primals, range(len(primals)), has_aux)
    directions = call.matched(call.structure, call.leaves, tuple(tangents), "primals", "tangents")
    derivatives = owned(call.pusher(call.results)(directions))
    return call.with_aux(call.value(), trees.unflatten(call.structure_of_result, derivatives))


def jacobian(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that returns the derivatives of ``f``, as the cheaper of ``jacfwd`` and ``jacrev`` does.

    Parameters
    ----------
    f : callable
        Returns a tree of arrays; with ``has_aux`` a tuple of that and an auxiliary result.
    argnums : int or sequence of int
        The arguments, by position, to differentiate with respect to, of floating dtype.
    has_aux : bool

    Returns
    -------
    callable
        With f's arguments; returns the result's tree with, in place of each array y, the argument's tree with, in place
        of each array x, an array of shape ``(*y.shape, *x.shape)``; for a sequence of ``argnums`` the inner tree is a
        tuple of trees. With ``has_aux`` it returns a tuple of that and the auxiliary result. Raises TypeError where
        arguments or results are not floating-point.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.jacobian(lambda x: x[::-1] * 2)(np.array([1.0, 2.0]))
    array([[0., 2.],
           [2., 0.]])
    """
    return _jacobian("jacobian", f, argnums, has_aux)


def jacfwd(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function of ``jacobian``, computed column by column: for arguments with few entries.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.jacfwd(lambda x: np.stack([x, x * x]))(3.0)
    array([1., 6.])
    """
    return _jacobian("jacfwd", f, argnums, has_aux)


def jacrev(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function of ``jacobian``, computed row by row: for results with few entries.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.jacrev(np.prod)(np.array([2.0, 3.0]))
    array([3., 2.])
    """
    return _jacobian("jacrev", f, argnums, has_aux)


def _jacobian(what: str, f: Function, argnums: Argnums, has_aux: bool) -> Function:
    @wrapping(what, f, argnums)
    def jacobian_of_f(*args: Any, **options: Any) -> Value:
        call = _Call(what, f, args, argnums, has_aux, options)
        n, m = (sum([x.size for x in nodes]) for nodes in (call.leaves, call.floating()))
        forward = what == "jacfwd" or (what != "jacrev" and n < m)
        blocks = _by_columns(call) if forward else _by_rows(call)
        return call.with_aux(trees.unflatten(call.structure_of_result, [call.gradients(row) for row in blocks]))

    return jacobian_of_f


def _by_rows(call: _Call) -> list[list[Value]]:
    """Return the derivatives of each result by each leaf, with one reverse walk for each entry of the results."""
    blocks = []
    for k, y in enumerate(call.results):
        rows = [call.pull(_only(k, e, call.results)) for e in _basis(y)]
        blocks.append([_stacked([row[i] for row in rows], 0, y, x) for i, x in enumerate(call.leaves)])
    return blocks


def _by_columns(call: _Call) -> list[list[Value]]:
    """Return the derivatives of each result by each leaf, with one forward walk for each entry of the leaves."""
    pushed = call.pusher(call.results)
    blocks: list[list[Value]] = [[] for _ in call.results]
    for i, x in enumerate(call.leaves):
        columns = [pushed(_only(i, e, call.leaves)) for e in _basis(x)]
        for k, y in enumerate(call.results):
            blocks[k].append(_stacked([column[k] for column in columns], -1, y, x))
    return blocks


def _basis(x: Tensor) -> Value:
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def _only(i: int, e: Any, nodes: Sequence[Tensor]) -> list[Value]:
    return [e if k == i else None for k in range(len(nodes))]


def _stacked(parts: _Values, axis: int, y: Tensor, x: Tensor) -> Value:
    """Return the derivatives of y with respect to x, of their rows or columns."""
    shape = (*y.shape, *x.shape)
    return np.stack(parts, axis=axis).reshape(shape) if parts else np.zeros(shape, x.dtype)


def hessian(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that returns the second derivatives of ``f``: the Jacobian of its Jacobian.

    Parameters are those of ``jacobian``; f often returns a scalar.

    Returns
    -------
    callable
        With f's arguments; returns what ``jacobian``'s function returns with, in place of each array, once more the
        argument's tree: arrays of shape ``(*y.shape, *x1.shape, *x2.shape)``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.hessian(lambda x: x[0] * x[1])(np.array([1.0, 2.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    return _jacobian("hessian", _jacobian("hessian", f, argnums, has_aux), argnums, has_aux)


def hvp(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> Value:
    """Return the Hessian of a scalar ``f`` times ``tangents``, without the Hessian.

    The gradient is recorded, and the tangents are pushed forward through the recording.

    Parameters
    ----------
    f : callable
        Returns a scalar.
    primals : sequence of trees of arrays
        Of floating dtype.
    tangents : sequence
        With the structure and the shapes of the primals. Raises ValueError for others.

    Returns
    -------
    tuple
        With the structure, shapes and dtypes of the primals.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    call = _Call("hvp", f, primals, range(len(primals)), False)
    gradient = call.pull([_one(call.scalar())], create_graph=True)
    directions = call.matched(call.structure, call.leaves, tuple(tangents), "primals", "tangents")
    return call.gradients(call.pusher(gradient)(directions))
