"""Optimisers as pure functions: parameters, gradients and state go in, new parameters and a new state come out.

Parameters are arrays, or lists, tuples and dictionaries of them; gradients and state have the same structure, and are
paired with the parameters by key. Nothing is changed in place and everything is plain NumPy, so a whole training step,
loss and update, can be compiled as one function.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import trees
from .engine.arrays import Value
from .trees import Tree

_TREE_NAMES = ("params", "grads", "state")  # for errors


class Optimizer(NamedTuple):
    """``init(params)`` gives the first state; ``update(grads, state, params)`` gives the next parameters and state."""

    init: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]


def sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Return gradient descent, with momentum and weight decay.

    v ← momentum · v + g + weight_decay · p, then p ← p - lr · v, as PyTorch has it: weight decay is the gradient of the
    penalty weight_decay / 2 · Σ p².

    Parameters
    ----------
    lr : float
        The learning rate.
    momentum : float
    weight_decay : float

    Returns
    -------
    Optimizer
        Its state is the tree of velocities v, at first 0.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl and G. Hinton, On the importance of initialization and momentum in deep learning,
    ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import optim
    >>> init, update = optim.sgd(lr=0.1)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> params, state = update({"w": np.array([10.0, 0.0])}, init(params), params)
    >>> params["w"]
    array([0., 2.])
    """

    def update(grads: Tree, velocities: Tree, params: Tree) -> tuple[Tree, Tree]:
        velocities = trees.map(
            lambda p, g, v: momentum * v + g + weight_decay * p, params, grads, velocities, names=_TREE_NAMES
        )
        return trees.map(lambda p, v: p - lr * v, params, velocities), velocities

    return Optimizer(_zeros, update)


class AdamState(NamedTuple):
    """The number of steps taken, and the running means of the gradients and of their squares."""

    step: Any
    mean: Tree
    square: Tree


def adam(lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Return Adam: steps of the gradient's running mean, divided by the root of that of its square.

    p ← p - lr · m̂ / (√v̂ + eps), where m̂ and v̂ are the running means of g and g², freed of their start at 0.

    Parameters
    ----------
    lr : float
        The learning rate.
    beta1, beta2 : float
        What stays of the running means at each step.
    eps : float

    Returns
    -------
    Optimizer
        Its state is an ``AdamState``.

    References
    ----------
    D. P. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1; arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import optim
    >>> init, update = optim.adam(lr=0.1)
    >>> params = [np.array([1.0, 2.0])]
    >>> params, state = update([np.array([1e-3, -1e3])], init(params), params)
    >>> params[0].round(4)
    array([0.9, 2.1])
    """

    def init(params: Tree) -> AdamState:
        return AdamState(np.zeros(()), _zeros(params), _zeros(params))

    def update(grads: Tree, state: AdamState, params: Tree) -> tuple[Tree, AdamState]:
        step = state.step + 1
        mean = _average(beta1, params, grads, state.mean)
        square = _average(beta2, params, trees.map(np.square, grads), state.square)
        of_mean, of_square = 1 - beta1**step, 1 - beta2**step

        def moved(p: Value, m: Value, v: Value) -> Value:
            root = np.sqrt(v / of_square.astype(v.dtype))
            return p - lr * (m / of_mean.astype(m.dtype)) / (root + eps)

        return trees.map(moved, params, mean, square), AdamState(step, mean, square)

    return Optimizer(init, update)


def _average(beta: float, params: Tree, grads: Tree, earlier: Tree) -> Tree:
    """Return the running means that were ``earlier`` after one more step."""
    return trees.map(lambda p, g, mean: beta * mean + (1 - beta) * g, params, grads, earlier, names=_TREE_NAMES)


def _zeros(params: Tree) -> Tree:
    return trees.map(np.zeros_like, params)
