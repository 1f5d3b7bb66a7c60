"""The readings of a recorded graph: draw, explain, check, derive, compile. Each folder is one of them."""
