"""Draw a graph, and render it to files and pages."""

from .drawing import Drawing, RenderError, draw

__all__ = ["Drawing", "RenderError", "draw"]
