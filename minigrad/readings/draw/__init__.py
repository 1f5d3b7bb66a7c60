"""Draw a graph, and render it to files and pages."""

from .drawing import Drawing, RenderError
from .picture import draw

__all__ = ["Drawing", "RenderError", "draw"]
