"""The libraries that the benchmark compares: each makes of a workload a function without arguments, ready to be timed.

A candidate takes a workload, its parameters and its data, and returns a function that computes everything anew, forward
and backward, and returns (value, gradients). It raises NotImplementedError for what the library cannot do, ImportError
where the library is absent. What can be prepared beforehand (conversion to the library's arrays) is.
"""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from minigrad import Tensor, compile, constant, gradients, hvp, value_and_grad

NUMPY = SimpleNamespace(
    exp=np.exp, log=np.log, tanh=np.tanh, sum=np.sum, square=np.square, relu=lambda x: np.maximum(x, 0)
)


def by_hand(workload, parameters, data):
    return lambda: workload.hand(*parameters, *data)


def products(workload, parameters, data):
    if workload.products is None:
        raise NotImplementedError
    return workload.products(*parameters, *data)


# --- minigrad -------------------------------------------------------------------------------------------------------


def backward(J, leaves):
    for leaf in leaves:
        leaf.zero_grad()
    J.backward()
    return [leaf.grad for leaf in leaves]


def minigrad_eager(workload, parameters, data, fresh=False, plain=False, ops=NUMPY, differentiate=backward):
    """minigrad by a way in: leaves that are kept or ``fresh`` in each step, data that are constants or ``plain``."""
    if workload.kind == "hvp":
        return _hessian_product(workload, parameters, data, lambda f: f)
    kept = [Tensor(p) for p in parameters]
    constants = data if plain else [constant(a) for a in data]

    def gradient():
        leaves = [Tensor(p) for p in parameters] if fresh else kept
        J = workload.loss(ops, *leaves, *constants)
        return J, differentiate(J, leaves)

    def terms():
        leaves = kept
        values = workload.loss(ops, *leaves, *constants)
        found = [gradients(value, leaves) for value in values]
        return values, [_or_zeros(g, p) for gs in found for g, p in zip(gs, parameters, strict=True)]

    return terms if workload.kind == "terms" else gradient


def _or_zeros(g, p):
    return np.zeros_like(p) if g is None else g


def minigrad_compiled(workload, parameters, data, compile=compile):
    n = len(parameters)
    if workload.kind == "hvp":
        return _hessian_product(workload, parameters, data, compile)

    def loss(*args):
        return workload.loss(NUMPY, *args)

    def terms(*args):
        ps, rest = args[:n], args[n:]
        results = [value_and_grad(lambda *ps, k=k: loss(*ps, *rest)[k], argnums=range(n))(*ps) for k in range(3)]
        return [value for value, _ in results], [g for _, gs in results for g in gs]

    f = compile(terms if workload.kind == "terms" else value_and_grad(loss, argnums=range(n)))
    return lambda: f(*parameters, *data)


def minigrad_transformed(workload, parameters, data):
    return minigrad_compiled(workload, parameters, data, lambda f: f)


def minigrad_fast(workload, parameters, data):
    return minigrad_compiled(workload, parameters, data, partial(compile, fast=True))


def _hessian_product(workload, parameters, data, transform):
    n = len(parameters)

    def product(*args):
        ps, rest, directions = args[:n], args[n:-n], args[-n:]
        return None, hvp(lambda *ps: workload.loss(NUMPY, *ps, *rest), ps, directions)

    f = transform(product)
    return lambda: f(*parameters, *data)


# --- the others -----------------------------------------------------------------------------------------------------


def _torch_ops(torch: Any) -> SimpleNamespace:
    def total(x, axis=None, keepdims=False):
        return torch.sum(x) if axis is None else torch.sum(x, axis, keepdim=keepdims)

    return SimpleNamespace(
        exp=torch.exp, log=torch.log, tanh=torch.tanh, sum=total, square=torch.square, relu=torch.relu
    )


def torch_eager(workload, parameters, data, transform: Callable[[Any], Any] = lambda f: f):
    import torch

    ops = _torch_ops(torch)
    leaves = [torch.tensor(p, requires_grad=True) for p in parameters]
    n = len(leaves)
    constants = [torch.tensor(a) for a in data]
    loss = transform(lambda *args: workload.loss(ops, *args))

    def gradient():
        J = loss(*leaves, *constants)
        return J, torch.autograd.grad(J, leaves)

    def terms():
        values = loss(*leaves, *constants)
        found = [
            torch.autograd.grad(value, leaves, retain_graph=k < 2, allow_unused=True) for k, value in enumerate(values)
        ]
        zeros = (torch.zeros_like(x) if g is None else g for gs in found for g, x in zip(gs, leaves, strict=True))
        return values, list(zeros)

    def product():
        first = torch.autograd.grad(loss(*leaves, *constants[:-n]), leaves, create_graph=True)
        return None, torch.autograd.grad(first, leaves, constants[-n:])

    return {"gradient": gradient, "terms": terms, "hvp": product}[workload.kind]


def torch_compiled(workload, parameters, data):
    import torch

    if workload.kind == "hvp":
        raise NotImplementedError  # torch.compile does not support double backward
    torch._dynamo.reset()
    return torch_eager(workload, parameters, data, lambda f: torch.compile(f, dynamic=False))


def jax_jit(workload, parameters, data):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", parameters[0].dtype == np.float64)
    ops = SimpleNamespace(
        exp=jnp.exp, log=jnp.log, tanh=jnp.tanh, sum=jnp.sum, square=jnp.square, relu=lambda x: jnp.maximum(x, 0)
    )
    args = [jnp.asarray(a) for a in (*parameters, *data)]
    n = len(parameters)

    def loss(*args):
        return workload.loss(ops, *args)

    def terms(*args):
        ps, rest = args[:n], args[n:]
        results = [jax.value_and_grad(lambda *ps, k=k: loss(*ps, *rest)[k], argnums=range(n))(*ps) for k in range(3)]
        return [value for value, _ in results], [g for _, gs in results for g in gs]

    def product(*args):
        ps, rest, directions = args[:n], args[n:-n], args[-n:]
        gradient = jax.grad(lambda *ps: loss(*ps, *rest), argnums=range(n))
        return None, jax.jvp(gradient, ps, directions)[1]

    kinds = {"gradient": jax.value_and_grad(loss, argnums=range(n)), "terms": terms, "hvp": product}
    f = jax.jit(kinds[workload.kind])
    return lambda: jax.block_until_ready(f(*args))


def hips_autograd(workload, parameters, data):
    import autograd
    import autograd.numpy as anp

    ops = SimpleNamespace(
        exp=anp.exp, log=anp.log, tanh=anp.tanh, sum=anp.sum, square=anp.square, relu=lambda x: anp.maximum(x, 0)
    )
    n = len(parameters)

    def loss(ps, rest):
        return workload.loss(ops, *ps, *rest)

    def terms():
        results = [autograd.value_and_grad(lambda ps, k=k: loss(ps, data)[k])(parameters) for k in range(3)]
        return [value for value, _ in results], [g for _, gs in results for g in gs]

    def product():
        def slope(ps):
            first = autograd.grad(loss)(ps, data[:-n])
            return sum(anp.sum(g * v) for g, v in zip(first, data[-n:], strict=True))

        return None, autograd.grad(slope)(parameters)

    gradient = autograd.value_and_grad(loss)
    kinds = {"gradient": lambda: gradient(parameters, data), "terms": terms, "hvp": product}
    return kinds[workload.kind]


def mygrad(workload, parameters, data):
    import mygrad as my

    if workload.kind == "hvp":
        raise NotImplementedError  # it has first derivatives alone
    ops = SimpleNamespace(
        exp=my.exp, log=my.log, tanh=my.tanh, sum=my.sum, square=my.square, relu=lambda x: my.maximum(x, 0)
    )
    leaves = [my.tensor(p) for p in parameters]

    def once(k: int | None = None):
        for leaf in leaves:
            leaf.null_grad()
        value = workload.loss(ops, *leaves, *data)
        value = value if k is None else value[k]
        value.backward()
        return value.item(), [_or_zeros(leaf.grad, leaf.data) for leaf in leaves]

    def terms():  # a backward frees the graph, so every term needs its own
        results = [once(k) for k in range(3)]
        return [value for value, _ in results], [g for _, gs in results for g in gs]

    return terms if workload.kind == "terms" else once


def micrograd(workload, parameters, data):
    """Scalars one by one, sums in pairs (its backward recurses), with exp and log made of its own parts."""
    import math
    import sys

    from micrograd.engine import Value

    if parameters[0].shape != (20, 2) or workload.kind != "gradient":
        raise NotImplementedError  # it would take minutes
    sys.setrecursionlimit(10_000)

    def unary(x, y, slope):
        out = Value(y, (x,))

        def backward():
            x.grad += slope * out.grad

        out._backward = backward
        return out

    def exp(x):
        return unary(x, math.exp(x.data), math.exp(x.data))

    def log(x):
        return unary(x, math.log(x.data), 1 / x.data)

    def total(values):
        values = list(values)
        while len(values) > 1:
            values = [sum(values[i : i + 2], start=Value(0.0)) for i in range(0, len(values), 2)]
        return values[0]

    def layer(W, b, inputs):
        return [total(w * x for w, x in zip(row, inputs, strict=True)) + c for row, (c,) in zip(W, b, strict=True)]

    def run():
        tensors = [[[Value(float(x)) for x in row] for row in p] for p in parameters]
        W1, W2, W3, b1, b2, b3 = tensors
        X, Y = data
        m = X.shape[1]
        losses = []
        for x, (y,) in zip(X.T.tolist(), Y.T.tolist(), strict=True):
            A1 = [z.relu() for z in layer(W1, b1, x)]
            A2 = [z.relu() for z in layer(W2, b2, A1)]
            (z,) = layer(W3, b3, A2)
            p = (exp(-z) + 1) ** -1
            losses.append(log(p) * y + log(1 - p) * (1 - y))
        squares = total(w * w for W in (W1, W2, W3) for row in W for w in row)
        J = total(losses) * (-1 / m) + squares * (0.7 / (2 * m))
        J.backward()
        return J.data, [np.array([[x.grad for x in row] for row in p]) for p in tensors]

    return run


# The ways in that a user of minigrad takes: the first is the one that the other libraries are compared with.
AS_WRITTEN = SimpleNamespace(**vars(NUMPY) | {"square": lambda x: x * x})
ROADS: dict[str, Callable[..., Callable[[], Any]]] = {
    "kept leaves": minigrad_eager,
    "fresh leaves": partial(minigrad_eager, fresh=True),
    "plain data": partial(minigrad_eager, plain=True),
    "fresh, plain, W * W": partial(minigrad_eager, fresh=True, plain=True, ops=AS_WRITTEN),
    "gradients": partial(minigrad_eager, differentiate=gradients),
    "value_and_grad": minigrad_transformed,
}

CANDIDATES: dict[str, Callable[..., Callable[[], Any]]] = {
    "NumPy by hand": by_hand,
    "minigrad": minigrad_eager,
    "minigrad compiled": minigrad_compiled,
    "minigrad fast": minigrad_fast,
    "PyTorch": torch_eager,
    "torch.compile": torch_compiled,
    "JAX jit": jax_jit,
    "HIPS autograd": hips_autograd,
    "MyGrad": mygrad,
    "micrograd": micrograd,
    "products alone": products,
}
