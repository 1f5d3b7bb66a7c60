"""Where the vertices of a picture stand: one spine from top to bottom, and beside it what feeds it.

The spine is what is computed from what is computed. A leaf stands in the rank of the one vertex that uses it: to the
left where nothing else does, to the right where a cost term does too, and above where there is no room. A term that
only such leaves feed, such as a penalty on weights, stands beside them, so that its edges are a fan. Ranks come from
the edges of the spine alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minigrad.engine.tensor import Tensor

from .fold import Edge, Fold, Vertex


@dataclass
class Layout:
    """The ranks that are set, from left to right, and the edges that do not decide on ranks.

    ``beside`` are the edges within a rank, ``free`` those that bend around the spine; ``fan`` maps a penalty term to
    the vertex that it stands to the right of.
    """

    ranks: list[list[Vertex]] = field(default_factory=list)
    beside: set[Edge] = field(default_factory=set)
    free: set[Edge] = field(default_factory=set)
    fan: dict[Vertex, Vertex] = field(default_factory=dict)

    def weight(self, edge: Edge) -> str | None:
        """Return how much Graphviz shall straighten an edge: one of the spine much, one within a rank not at all."""
        if not self.ranks or edge in self.free:
            return None
        return "0" if edge in self.beside else "20"


def spine(
    picture: Fold, root: Tensor, terms: Mapping[Tensor, int], width: Mapping[Vertex, float], page: float
) -> Layout:
    """Return the layout of a picture from top to bottom, whose ranks are no wider than a page where that can be."""
    graph = _Neighbours(picture, root, terms)
    layout = Layout()
    rank_of: dict[Vertex, list[Vertex]] = {}
    for home, (left, right) in graph.homes(width, page).items():
        rank_of[home] = [*left, home, *right]
        layout.ranks.append(rank_of[home])
    placed = {v: rank for rank in layout.ranks for v in rank}
    _place_fans(graph, layout)
    _place_root(graph, layout, rank_of)
    for edge in picture.edges:
        if edge.tail in placed and placed[edge.tail] is placed.get(edge.head):
            layout.beside.add(edge)
        elif edge.head in layout.fan or (edge.tail in graph.leaves and edge.tail in placed):
            layout.free.add(edge)
    return layout


class _Neighbours:
    """The vertices by what they are: leaves, penalty terms, the root, and the spine."""

    def __init__(self, picture: Fold, root: Tensor, terms: Mapping[Tensor, int]) -> None:
        self.vertices = picture.vertices
        self.tails: dict[Vertex, list[Vertex]] = {v: [] for v in picture.vertices}
        self.heads: dict[Vertex, list[Vertex]] = {v: [] for v in picture.vertices}
        for edge in picture.edges:
            if edge.head not in self.heads[edge.tail]:
                self.tails[edge.head].append(edge.tail)
                self.heads[edge.tail].append(edge.head)
        self.root = next((v for v in picture.vertices if v.node is root), None)
        self.leaves = {v for v in picture.vertices if not self.tails[v] and v is not self.root}
        computed = [v for v in picture.vertices if v not in self.leaves and v is not self.root]
        sides = [v for v in computed if v.node in terms and self._is_fed_by_leaves(v)]
        if len(sides) == len(computed) and sides:  # the one with most tails is the spine
            sides.remove(max(sides, key=lambda v: len(self.tails[v])))
        self.sides = sides
        self.spine = [v for v in computed if v not in sides]

    def _is_fed_by_leaves(self, term: Vertex) -> bool:
        return self.leaves.issuperset(self.tails[term]) and all(head is self.root for head in self.heads[term])

    def homes(self, width: Mapping[Vertex, float], page: float) -> dict[Vertex, tuple[list[Vertex], list[Vertex]]]:
        """Return the leaves to the left and to the right of each vertex of the spine."""
        on_spine = set(self.spine)
        homes: dict[Vertex, tuple[list[Vertex], list[Vertex]]] = {v: ([], []) for v in self.spine}
        room = {v: page - width[v] for v in self.spine}
        for leaf in self.vertices:
            users = [v for v in self.heads[leaf] if v in on_spine] if leaf in self.leaves else []
            if not users or self._begins_the_spine(leaf, users):
                continue
            home = users[0]
            left, right = homes[home]
            side = right if len(self.heads[leaf]) > 1 or left else left
            if not side and width[leaf] <= room[home]:
                side.append(leaf)
                room[home] -= width[leaf]
        return homes

    def _begins_the_spine(self, leaf: Vertex, users: list[Vertex]) -> bool:
        """Whether a leaf is the data that the first vertex of the spine is computed from."""
        data = leaf.node is not None and not leaf.node.requires_grad
        first = users[0]
        others = [
            v for v in self.tails[first] if v not in self.leaves or (v.node is not None and not v.node.requires_grad)
        ]
        return data and others[0] is leaf


def _place_fans(graph: _Neighbours, layout: Layout) -> None:
    """Put each penalty term at the end of a rank in the middle of those that it is computed from."""
    taken: set[int] = set()
    for term in graph.sides:
        homes = [k for k, rank in enumerate(layout.ranks) if not set(graph.tails[term]).isdisjoint(rank)]
        if not homes:
            continue
        middle = homes[len(homes) // 2]
        free = [k for k in range(len(layout.ranks)) if k not in taken]
        if not free:
            continue
        place = min(free, key=lambda k: (abs(k - middle), k))
        taken.add(place)
        layout.fan[term] = layout.ranks[place][-1]
        layout.ranks[place].append(term)


def _place_root(graph: _Neighbours, layout: Layout, rank_of: Mapping[Vertex, list[Vertex]]) -> None:
    """Put the root beside the one summand that stands on the spine."""
    if graph.root is None:
        return
    summands = [v for v in graph.tails[graph.root] if v in rank_of]
    if len(summands) == 1 and layout.fan:
        rank_of[summands[0]].append(graph.root)
