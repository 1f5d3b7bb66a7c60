"""The engine: plain NumPy code is recorded as a graph, and differentiated in reverse mode."""
