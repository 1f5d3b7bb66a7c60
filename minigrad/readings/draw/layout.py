"""Where the vertices of a picture stand: one spine from top to bottom, and beside it what feeds it.

The spine is what is computed from what is computed. A leaf stands in the row of the one vertex that uses it: to the
left where nothing else does, to the right where a cost term does too, and above where there is no room. A term that
only such leaves feed, such as a penalty on weights, stands beside them, so that its edges are a fan. What does not
depend on each other stands side by side while a page has room for it, and else below each other.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from minigrad.engine.tensor import Tensor

from .fold import Edge, Fold, Vertex

Group = tuple[str | int, ...]  # scopes by name, the innermost last, and a number for a layer that is no scope


@dataclass
class Layout:
    """The rows of vertices, those that stand beside each other in a rank, and edges that do not decide on rows.

    ``row`` is empty where Graphviz decides. ``ranks`` go from left to right; ``free`` edges are not to be straight;
    ``fan`` maps a penalty term to the vertex that it stands to the right of; ``near`` maps a vertex to the last row of
    what it is computed from, from where its edge is to be straight.
    """

    groups: dict[Vertex, Group]
    row: dict[Vertex, int] = field(default_factory=dict)
    ranks: list[list[Vertex]] = field(default_factory=list)
    free: set[Edge] = field(default_factory=set)
    fan: dict[Vertex, Vertex] = field(default_factory=dict)
    near: dict[Vertex, int] = field(default_factory=dict)

    def attributes(self, edge: Edge) -> dict[str, str]:
        """Return what Graphviz shall know of an edge: how many rows it spans, and how much to straighten it."""
        if edge.tail not in self.row or edge.head not in self.row:
            return {}
        rows = self.row[edge.head] - self.row[edge.tail]
        straight = edge.summands or self.row[edge.tail] == self.near.get(edge.head)
        weight = "0" if not rows or edge in self.free else "20" if straight else "1"
        return {"weight": weight, **({"minlen": str(rows)} if rows > 1 else {})}


def scopes(picture: Fold) -> Layout:
    """Return the layout in which Graphviz decides on all but the scopes."""
    return Layout({v: v.scope for v in picture.vertices})


def spine(
    picture: Fold, root: Tensor, terms: Mapping[Tensor, int], width: Mapping[Vertex, float], page: float
) -> Layout:
    """Return the layout of a picture from top to bottom, whose rows are no wider than a page where that can be."""
    graph = _Neighbours(picture, root, terms)
    layout = scopes(picture)
    page -= max([width[v] for v in graph.sides], default=0.0)
    layout.ranks, above = graph.ranks(width, page)
    _group(graph, layout, above)
    _place_rows(graph, layout, above, width, page)
    _place_fans(graph, layout)
    _place_root(graph, layout)
    placed = {v: rank for rank in layout.ranks for v in rank}
    for home, rank in zip(graph.spine, layout.ranks, strict=True):
        layout.row |= dict.fromkeys(rank, layout.row[home])
    for edge in picture.edges:
        beside = edge.tail in placed and placed[edge.tail] is placed.get(edge.head)
        down = edge.tail in layout.row and edge.head in layout.row and layout.row[edge.tail] < layout.row[edge.head]
        if beside:
            continue
        if edge.head in layout.fan or (edge.tail in graph.leaves and edge.tail in placed) or not down:
            layout.free.add(edge)
        else:
            layout.near[edge.head] = max(layout.row[edge.tail], layout.near.get(edge.head, layout.row[edge.tail]))
    return layout


class _Neighbours:
    """The vertices by what they are: leaves, penalty terms, the root, and the spine."""

    def __init__(self, picture: Fold, root: Tensor, terms: Mapping[Tensor, int]) -> None:
        self.vertices = picture.vertices
        self.tails: dict[Vertex, list[Vertex]] = {v: [] for v in picture.vertices}
        self.heads: dict[Vertex, list[Vertex]] = {v: [] for v in picture.vertices}
        for tail, head in dict.fromkeys((edge.tail, edge.head) for edge in picture.edges):
            self.tails[head].append(tail)
            self.heads[tail].append(head)
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

    def ranks(
        self, width: Mapping[Vertex, float], page: float
    ) -> tuple[list[list[Vertex]], dict[Vertex, list[Vertex]]]:
        """Return the spine as ranks, each a vertex with the leaves beside it, and {vertex: the leaves above it}.

        A leaf belongs to the first vertex of the spine that uses it.
        """
        leaves: dict[Vertex, list[Vertex]] = {v: [] for v in self.spine}
        for leaf in [v for v in self.vertices if v in self.leaves]:
            users = [v for v in self.heads[leaf] if v in leaves]
            if users:
                leaves[users[0]].append(leaf)
        ranks, above = list[list[Vertex]](), {}
        for home in self.spine:
            left, right, above[home], room = list[Vertex](), list[Vertex](), list[Vertex](), page - width[home]
            for leaf in leaves[home]:
                side = right if len(self.heads[leaf]) > 1 or left else left
                if side or width[leaf] > room or self._begins_the_spine(leaf, home):
                    above[home].append(leaf)
                else:
                    side.append(leaf)
                    room -= width[leaf]
            ranks.append([*left, home, *right])
        return ranks, above

    def _begins_the_spine(self, leaf: Vertex, first: Vertex) -> bool:
        """Return True if a leaf is the data that the first vertex of the spine is computed from."""

        def is_data(v: Vertex) -> bool:
            return v.node is not None and not v.node.requires_grad

        others = [v for v in self.tails[first] if v not in self.leaves or is_data(v)]
        return is_data(leaf) and others[0] is leaf


def _group(graph: _Neighbours, layout: Layout, above: Mapping[Vertex, list[Vertex]]) -> None:
    """Put leaves into the scope of what they stand beside, and what no leaf begins into the layer before it."""
    groups = layout.groups
    for number, (home, rank) in enumerate(zip(graph.spine, layout.ranks, strict=True)):
        before = graph.tails[home][-1]
        follows = len(rank) == 1 and not above[home] and before not in graph.leaves
        goes_on = follows and groups[before][:-1] == home.scope
        group: Group = groups[before] if goes_on else (*home.scope, number)
        beside = [v for v in rank if v.scope == home.scope[: len(v.scope)]]
        inside = [v for v in above[home] if home.scope and v.scope == home.scope]
        groups |= dict.fromkeys([*beside, *inside], group)


def _place_rows(
    graph: _Neighbours,
    layout: Layout,
    above: Mapping[Vertex, list[Vertex]],
    width: Mapping[Vertex, float],
    page: float,
) -> None:
    """Give every vertex of the spine the first row below what it is computed from that has room for its group."""
    used: dict[int, dict[Group, float]] = defaultdict(lambda: defaultdict(float))
    span: dict[Group, range] = {}
    row = layout.row
    for home, rank in zip(graph.spine, layout.ranks, strict=True):
        group = home.scope or layout.groups[home]
        leaves, own = above[home], sum(width[v] for v in rank)
        top = max([row[v] for v in graph.tails[home] if v in row], default=-1) + 1 + bool(leaves)
        for place in range(top, max(used, default=top) + 3):
            inside = span.get(group, range(place, place + 1))
            rows = range(min(place - bool(leaves), inside[0]), max(place, inside[-1]) + 1)
            wide = max(own + used[place][group], *(used[k][group] for k in rows))
            others = max([sum(w for g, w in used[k].items() if g != group) for k in rows])
            if wide + others <= page or (not others and not used[place][group]):
                break
        span[group] = rows
        for k in rows:
            used[k][group] = wide
        row |= dict.fromkeys(rank, place)
        for leaf in leaves:
            outside = layout.groups[leaf] != layout.groups[home]
            k = place - 1
            while outside and used[k] and sum(used[k].values()) + width[leaf] > page:
                k -= 1
            used[k][layout.groups[leaf] if outside else group] += width[leaf]
            row[leaf] = k
    if graph.root is not None:
        row[graph.root] = max([row[v] for v in graph.tails[graph.root] if v in row], default=0) + 1


def _place_fans(graph: _Neighbours, layout: Layout) -> None:
    """Put each penalty term at the end of a rank in the middle of those that it is computed from."""
    free = set(range(len(layout.ranks)))
    for term in graph.sides:
        homes = [k for k, rank in enumerate(layout.ranks) if not set(graph.tails[term]).isdisjoint(rank)]
        if homes and free:
            middle = homes[len(homes) // 2]
            place = min(free, key=lambda k: (abs(k - middle), k))
            free.remove(place)
            layout.fan[term] = layout.ranks[place][-1]
            layout.ranks[place].append(term)


def _place_root(graph: _Neighbours, layout: Layout) -> None:
    """Put the root beside the one summand that stands on the spine."""
    if graph.root is not None:
        summands = [k for k, v in enumerate(graph.spine) if graph.root in graph.heads[v]]
        if len(summands) == 1 and layout.fan:
            layout.ranks[summands[0]].append(graph.root)
