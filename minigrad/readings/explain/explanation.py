"""Which cost term reaches what, how much of a gradient comes from where, and why: the reading that answers in words.

The derivative is linear in its seed, so the gradient of J = Σ coefficient · term is the sum of what the terms send back
one by one: a reverse walk per term says how much of a node's gradient comes from it.

A zero is of one of two kinds, and they are never mixed up. *Structural*: no path leads from the node to the term; the
term is a function of other leaves, whatever their values. *Numeric*: a path is there, but a factor along it is 0 at
these values, as at a closed ReLU. The first is read off the edges, the second off the numbers.
"""

from collections.abc import Collection, Mapping
from itertools import combinations
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.arrays import Array, Value
from minigrad.engine.tensor import Tensor
from minigrad.graph import Graph, norm
from minigrad.readings.derive.derivation import Derivation
from minigrad.text.markup import Shown, paragraphs, table
from minigrad.text.words import aligned, encodable, folded, headline, number, printable, suggestions

from .reasons import Reasons

NO_PATH = "·"
MAX_TABLE_ROWS = 60
MAX_TERMS_WITH_COSINES = 3  # that reach one node


def explain(
    J: Tensor, names: Mapping[str, object] | None = None, terms: Mapping[str, Tensor] | None = None
) -> "Explanation":
    """Explain which term of a cost reaches which node, and how much of its gradient comes from there.

    Parameters
    ----------
    J : Tensor
        The cost, a scalar that depends on a leaf.
    names : mapping of str to anything, optional
        Names of Tensors, usually ``locals()``; what is no Tensor is ignored.
    terms : mapping of str to Tensor, optional
        Names of summands of ``J``, in place of the terms that are found.

    Returns
    -------
    Explanation
        It prints as a table, and can be asked further. Summands that depend on nothing that is learned are terms too.

    Raises
    ------
    TypeError
        Where ``J`` or a term is no Tensor.
    ValueError
        Where ``J`` is no scalar that depends on a leaf, a given term is no summand of it, or one name stands for two
        nodes.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> W, b = mg.Tensor([[3.0, 4.0]], name="W"), mg.Tensor([0.5], name="b")
    >>> fit = np.sum(W @ np.ones(2) + b).named("fit")
    >>> L2 = (0.5 * np.sum(np.square(W))).named("L2")
    >>> why = mg.explain((fit + L2).named("J"))
    >>> why.reaches("L2"), why.gradient("W", term="L2"), why.gradient("b", term="L2")
    (['W'], array([[3., 4.]]), None)
    >>> print(why.why("b", "L2"))
    ∂L2/∂b = 0, whatever the values: no path leads from b to L2.
    L2 is computed from the leaf W alone; b is no ancestor of it.
    """
    return Explanation(Graph.of_cost(J, names, terms), names or {})


class Row(NamedTuple):
    """What the table says of one node.

    ``kind`` is "learned", "intermediate", "constant", or "outside" for a learned leaf that the root is not computed
    from; ``norms`` has, per term, the norm of what it adds to the gradient, None where there is no path; ``total`` is
    the norm of the gradient.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    norms: dict[str, float | None]
    total: float | None

    def share(self, term: str) -> float | None:
        """Return the term's norm as a part of the sum of all terms' norms; None where there is no path or all are 0."""
        part, whole = self.norms[term], sum(n for n in self.norms.values() if n is not None)
        return part / whole if part is not None and whole else None


class Explanation(Shown):
    """The answer of ``explain``; ``str`` gives the table.

    Every method raises ValueError for a name that it does not know, and lists the near ones.

    Attributes
    ----------
    terms : list of str
        The names of the terms.
    nodes : list of str
        The names of the nodes that the root is computed from, oldest first.
    unreached : list of str
        The names of the learned leaves that no term reaches, those of ``names=`` that the root is not computed from at
        all included.
    graph : Graph
        The graph that it reads.
    """

    def __init__(self, graph: Graph, names: Mapping[str, object], derivation: Derivation | None = None) -> None:
        self.graph = graph
        self._outside = _outside(graph, names)
        names_of = {x: name for name, x in self._outside.items()} | graph.names
        self._nodes = self._outside | graph.by_name
        self._reasons = Reasons(graph, names_of, derivation)
        self.terms = list(graph.terms)
        term_nodes = {term.node for term in graph.terms.values()}
        inside = sorted((x for x in names_of if x in graph.reach), key=attrgetter("order"))
        self.nodes = [names_of[x] for x in inside if x is not graph.root or x in term_nodes]
        self._stray = [name for name, x in self._outside.items() if x.function is None and x.requires_grad]
        in_graph = [x for x in graph.nodes if x.function is None and x.requires_grad and not graph.reach[x]]
        self.unreached = [*(graph.names[x] for x in in_graph), *self._stray]

    # --- what it can be asked ----------------------------------------------------------------------------------------

    def gradient(self, node: str, term: str | None = None) -> Array | None:
        """Return what a term adds to d(root)/d(node), its coefficient in the root included; without ``term`` the total.

        An array of the node's shape and dtype that is the caller's own, or None where there is no path.
        """
        x, asked = self._node(node), self.terms if term is None else [self._term(term)]
        if term is None and x is self.graph.root:
            return np.ones(x.shape, x.dtype)
        parts = [self.graph.cotangents(name)[x] for name in asked if x in self.graph.cotangents(name)]
        return np.array(sum(parts[1:], parts[0])) if parts else None

    def reaches(self, term: str) -> list[str]:
        """Return the names of the nodes with a path to the term, oldest first; the term itself is left out."""
        end, called = self.graph.terms[self._term(term)].node, self._nodes
        return [n for n in self.nodes if called[n] is not end and self.graph.reaches(called[n], term)]

    def cosine(self, node: str, first: str, second: str) -> float | None:
        """Return the cosine of the angle between what two terms add to d(root)/d(node).

        1 where they pull the same way, -1 where they pull against each other, as at the end of a training, where they
        hold each other in balance; None where one has no path, NaN where one adds nothing but zeros.

        Examples
        --------
        >>> import numpy as np, minigrad as mg
        >>> w = mg.Tensor([3.0, 4.0], name="w")
        >>> J = np.sum(np.square(w - 1)).named("fit") + np.sum(np.square(w)).named("L2")
        >>> round(mg.explain(J).cosine("w", "fit", "L2"), 3)
        0.998
        """
        return self.graph.cosine(self._node(node), self._term(first), self._term(second))

    def why(self, node: str, term: str) -> str:
        """Return why the term does or does not reach the node, in words.

        With a path: the shortest paths, how many there are, and the factor that the chain rule takes from each step;
        where the gradient is 0 all the same, which factor is. Without one: the evidence. Lines and characters are such
        as the terminal has.
        """
        return encodable(folded(self.reason(node, term)))

    def reason(self, node: str, term: str) -> str:
        """Return what ``why`` does, in Unicode and in lines of any length."""
        x, gradient = self._node(node), self.gradient(node, self._term(term))
        if gradient is None:
            return self._reasons.of_absence(x, term)
        return self._reasons.of_path(x, term, gradient)

    def rows(self) -> list[Row]:
        """Return the table as data: a row per node of ``nodes`` and per learned leaf the root is not computed from."""
        return [self._row(name) for name in (*self.nodes, *self._stray)]

    def __repr__(self) -> str:
        cells, notes = self._table()
        lines = [folded(self._headline()), "", *aligned(cells, left=2), "", *map(folded, notes)]
        return encodable("\n".join(lines))

    def _html(self) -> str:
        cells, notes = self._table()
        return paragraphs([self._headline()], "font-weight:bold") + table(cells, left=2) + paragraphs(notes)

    # --- the table ---------------------------------------------------------------------------------------------------

    def _table(self) -> tuple[list[list[str]], list[str]]:
        """Return the rows, the head first, and what is said below them; of a long table the middle is left out."""
        shown = [*self.nodes, *self._stray]
        left_out = max(len(shown) - MAX_TABLE_ROWS, 0)
        if left_out:
            half = MAX_TABLE_ROWS // 2
            shown = [*shown[:half], *shown[-half:]]
        rows = [self._row(name) for name in shown]
        meetings = dict.fromkeys(tuple(t for t, n in row.norms.items() if n is not None) for row in rows)
        few = max(map(len, meetings)) <= MAX_TERMS_WITH_COSINES
        pairs = list(dict.fromkeys(pair for terms in meetings for pair in combinations(terms, 2))) if few else []
        called = ["cosine"] if len(pairs) == 1 else [f"cos({printable(a)}, {printable(b)})" for a, b in pairs]
        cells = [["node", "", *map(printable, self.terms), "total", *called]]
        cells += [[*self._cells(row), *(_hundredths(self.cosine(row.name, *pair)) for pair in pairs)] for row in rows]
        if left_out:
            cells.insert(1 + MAX_TABLE_ROWS // 2, [f"… {left_out:,} more (.nodes)", *[""] * (len(cells[0]) - 1)])
        return cells, self._notes(bool(pairs), few)

    def _row(self, name: str) -> Row:
        x = self._node(name)
        if name in self._outside:
            kind = "outside"
        else:
            kind = "constant" if not x.requires_grad else "intermediate" if x.function else "learned"
        norms = {term: _norm(self.graph.cotangents(term).get(x)) for term in self.terms}
        return Row(name, kind, x.shape, x.dtype, norms, _norm(self.gradient(name)))

    @staticmethod
    def _cells(row: Row) -> list[str]:
        kind = {"intermediate": "", "outside": "learned "}.get(row.kind, row.kind + " ")
        norms = [NO_PATH if n is None else number(n, 3) for n in (*row.norms.values(), row.total)]
        return [printable(row.name), f"{kind}{row.shape}", *norms]

    def _headline(self) -> str:
        return f"{headline(self.graph)} = {number(self.graph.root.item(), 6)}"

    def _notes(self, cosines: bool, few: bool) -> list[str]:
        root = self._reasons.called(self.graph.root)
        notes = [
            f"A number is the norm of what a term adds to ∂{root}/∂node; what the terms add makes up the total.",
            f"{NO_PATH} means no path: the term does not depend on the node, whatever the values.",
            "0 means a path on which a factor is 0 at these values. why(node, term) tells which, and why.",
        ]
        if cosines or not few:
            which = "The cosine" if few else "cosine(node, term, term)"
            notes.append(f"{which} is 1 where two terms pull the same way, -1 where they pull against each other.")
        for name, term in self.graph.terms.items():
            if not term.node.requires_grad:
                notes.append(f"{printable(name)} reaches nothing that is learned: {self._reasons.sources(name)}")
        for name in self.unreached:
            why = "no term reaches it" if name not in self._outside else f"{root} is not computed from it"
            notes.append(f"{printable(name)} is learned, but {why}.")
        return [*notes, *self._reasons.of_detached()]

    # --- names -------------------------------------------------------------------------------------------------------

    def _node(self, name: str) -> Tensor:
        return self._nodes[_known("node", name, self._nodes)]

    def _term(self, name: str) -> str:
        return _known("term", name, self.terms)


def _outside(graph: Graph, names: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the Tensors of ``names`` that the root is not computed from, under names that no node has."""
    found: dict[Tensor, str] = {}
    for key, x in names.items():
        if isinstance(x, Tensor) and x not in graph.reach:
            found.setdefault(x, x.name or key)
    return {name: x for x, name in found.items() if name not in graph.by_name}


def _known(what: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise ValueError(f"explain knows no {what} called {printable(name)!r}; there are {suggestions(name, known)}")
    return name


def _hundredths(cosine: float | None) -> str:
    return "" if cosine is None else f"{cosine:.2f}"


def _norm(a: Value) -> float | None:
    return None if a is None else norm(a)
