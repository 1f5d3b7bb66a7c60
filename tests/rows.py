"""What has to hold for every row of the table of rules: one check, for tables of functions and arguments."""

import numpy as np

import minigrad as mg
from minigrad import trees


def arrays_of(results):
    return [np.asarray(mg.stop_gradient(y)) for y in trees.flatten(results)[0]]


def assert_row(f, args, rtol=1e-9, order=2, atol=1e-12):
    """The value is NumPy's, in float32 and of strided arrays too; the derivatives are those of differences.

    What is derived and what is compiled compute the same.
    """
    args = tuple(np.asarray(x, float) for x in args)
    for kind, allowed in ((np.float64, rtol), (np.float32, 1e-3)):
        given = [x.astype(kind) for x in args]
        _assert_same(f(*[mg.Tensor(x) for x in given]), f(*given), allowed, max(atol, allowed * 1e-3))
    strided = [np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x for x in args]
    _assert_same(f(*[mg.Tensor(x) for x in strided]), f(*args), rtol, atol)
    mg.check_grads(f, args, order=order)

    def total(*args):
        return sum([np.sum(np.cos(y)) for y in trees.flatten(f(*args))[0]], 0.0)

    slopes = mg.grad(total, range(len(args)))
    eager = slopes(*args)
    _assert_same(mg.compile(slopes)(*args), eager, rtol, atol)
    _assert_derived(total, args, eager, rtol, atol)


def _assert_derived(total, args, eager, rtol, atol):
    leaves = [mg.Tensor(x, name=f"x{i}") for i, x in enumerate(args)]
    J = total(*leaves)
    derivation = mg.derive(J)
    namespace = {**derivation.inputs, **derivation.constants}
    exec(derivation.numpy(), namespace)
    for x, expected in zip(leaves, eager, strict=True):
        _assert_same(namespace[derivation.gradients[x.name]], expected, rtol, atol)
    assert derivation.latex().isprintable() or "\n" in derivation.latex()
    assert "digraph" in mg.draw(J, detail="all").source


def _assert_same(got, expected, rtol, atol):
    for y, z in zip(arrays_of(got), arrays_of(expected), strict=True):
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_allclose(y, z, rtol=rtol, atol=atol)
