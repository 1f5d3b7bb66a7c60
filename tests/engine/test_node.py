"""Graphs: what a node costs in memory, how deep they may be, and that nothing keeps them."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from networks import leaf

import minigrad as mg


def chain(n):
    x = mg.Tensor(0.5, name="x")
    y = x
    for _ in range(n):
        y = y + 1.0
    return x, y


@pytest.mark.slow
def test_a_million_operations():
    x, y = chain(1_000_000)
    y.backward()
    del y
    assert x.grad == 1


@pytest.mark.slow
def test_bytes_per_operation_do_not_grow():
    def peak(n):
        tracemalloc.start()
        _, y = chain(n)
        y.backward()
        bytes_used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_used

    small, large = peak(2_000), peak(32_000)  # a power of two apart: hash tables are as full
    assert large < 20 * small


def test_the_last_reference_frees_the_graph_at_once():
    gc.disable()
    try:
        W = leaf()
        Z = np.exp(W @ np.ones((3, 1)))
        J = np.sum(Z * Z[0] + np.where(Z > 1, Z, 0) + np.concatenate([Z, Z])[:2])
        J.backward()
        mg.gradients(J, [W], create_graph=True)
        watched = [weakref.ref(node) for node in (Z, J)]
        del Z, J
        assert [ref() for ref in watched] == [None, None]
    finally:
        gc.enable()


def test_sixty_doublings():
    x = mg.Tensor(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60
