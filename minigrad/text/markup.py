"""HTML for notebooks: tables, paragraphs and code, in which what users named stays text."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


class Shown:
    """What notebooks show by ``_html``, and wherever there is no HTML as it is printed."""

    def _html(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, str]:
        """Return what a notebook shows."""
        return {"text/html": self._html(), "text/plain": str(self)}


def table(rows: Sequence[Sequence[str]], left: int) -> str:
    """Return a table whose first row is its head; the first ``left`` columns are set to the left.

    >>> table([["node", "norm"], ["W<1>", "0.373"]], left=1)[7:83]
    '<thead><tr><th scope="col" style="text-align:left">node</th><th scope="col" '
    """
    head, *body = rows
    heads = "".join(_cell("th", text, k < left, ' scope="col"') for k, text in enumerate(head))
    lines = ("".join(_cell("td", text, k < left) for k, text in enumerate(row)) for row in body)
    return (
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )


def _cell(tag: str, text: str, left: bool, more: str = "") -> str:
    return f'<{tag}{more} style="text-align:{"left" if left else "right"}">{html.escape(text)}</{tag}>'


def paragraphs(texts: Iterable[str], style: str = "") -> str:
    """Return texts as paragraphs."""
    styled = f' style="{style}"' if style else ""
    return "".join(f"<p{styled}>{html.escape(text)}</p>" for text in texts)


def code(text: str) -> str:
    """Return code as it stands."""
    return f"<pre>{html.escape(text)}</pre>"
