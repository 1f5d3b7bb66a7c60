"""The numbers of a computation by which derivations go wrong: the lengths of axes, and constants."""

from functools import cached_property

import numpy as np

from minigrad.graph import Graph

_ROUNDING = 1e-6  # relative, of a factor that was fitted


class Numbers:
    """The numbers that are in a graph, and the words for each as a factor."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def lengths(self) -> list[float]:
        """The lengths of axes, which are the numbers that means divide by, and one by them."""
        found = sorted({n for node in self.graph.nodes for n in node.shape if n > 1}, reverse=True)
        return [float(n) for n in found] + [1 / n for n in found]

    @cached_property
    def scalars(self) -> set[float]:
        """The numbers that functions have as arguments."""
        primals = (a for node in self.graph.nodes for a in node.primals if isinstance(a, int | float | np.number))
        return {float(a) for a in primals if np.isfinite(a)}

    @cached_property
    def divisors(self) -> list[float]:
        """What a mean may divide by: the lengths, the whole numbers that the graph has, and one by each."""
        whole = [k for n in sorted(self.scalars) if n > 2 and n.is_integer() for k in (n, 1 / n)]
        return list(dict.fromkeys([*self.lengths, *whole]))

    @cached_property
    def counts(self) -> set[int]:
        """The numbers of entries that are summed, over all axes or all but one."""
        return {node.size // n for node in self.graph.nodes for n in (1, *node.shape) if n} - {0, 1}

    @cached_property
    def factors(self) -> dict[float, str]:
        """The constant factors by which derivations go wrong, with what to say of each."""
        found = {2.0: "2 times too large", 0.5: "half of what it should be"}
        for n in (int(n) for n in self.lengths if n > 2):
            found = {
                float(n): f"{n} times too large (is a factor 1/{n} missing?)",
                1 / n: f"{n} times too small (is a factor 1/{n} applied twice?)",
                1 / n**2: f"{n**2} times too small (is a factor 1/{n} applied three times?)",
                float(n) ** 2: f"{n**2} times too large (are two factors 1/{n} missing?)",
                2.0 * n: f"{2 * n} times too large (2 times {n})",
                0.5 / n: f"{2 * n} times too small (2 times {n})",
                n / (n - 1): f"{n}/{n - 1} times what it should be ({n - 1} stands for {n})",
                (n - 1) / n: f"{n - 1}/{n} times what it should be ({n} stands for {n - 1})",
            } | found
        for k in sorted({abs(k) for k in self.scalars} - {0.0, 1.0}):
            found.setdefault(k, f"{k:.6g} times what it should be")
            found.setdefault(1 / k, f"too small by the factor {k:.6g}")
        return found | {-k: f"of the wrong sign, and {words}" for k, words in found.items()}

    def factor(self, k: float) -> str | None:
        """Return the words for a factor that is known, None for any other."""
        found = next((words for f, words in self.factors.items() if abs(k - f) <= _ROUNDING * abs(f)), None)
        n = 1 / k if k else 0.0
        if found is None and n > 0 and abs(n - round(n)) < _ROUNDING * n and round(n) in self.counts:
            return f"{round(n)} times too small (an average of {round(n)} entries for their sum?)"
        return found
