"""What networks are made of: activations, losses from logits, and initialisers, in the field's usual terms.

Plain NumPy on arrays or Tensors: on Tensors it records itself, and the table of rules does the rest. Logits are scores
before the sigmoid or softmax; a loss that takes logits is exact where one that takes probabilities overflows. Classes
lie along the last axis, and a loss is the mean over the examples. Shapes and dtypes are as NumPy makes them.

References
----------
I. Goodfellow, Y. Bengio and A. Courville, Deep Learning, MIT Press, 2016: overflow of the softmax in section 4.1,
losses in 6.2, activations in 6.3.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .engine.context import no_grad
from .engine.rules import rule
from .engine.tensor import Tensor

Array = Any  # a NumPy array or a Tensor; where a Tensor is given, a Tensor comes back

# --- activations ------------------------------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """Return max(x, 0), the rectified linear unit.

    Its derivative is the mask ``x > 0``: at 0 the subgradient 0 is taken.

    Parameters
    ----------
    x : array or Tensor
        Of any shape.

    Returns
    -------
    array or Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> from minigrad import nn
    >>> nn.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return np.maximum(x, 0)


def _sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e⁻ˣ), the logistic function; no power of e is above 1, so that nothing overflows.

    Parameters
    ----------
    x : array or Tensor
        Of any shape, of floating dtype.

    Returns
    -------
    array or Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, e.dtype.type(1), e) / (1 + e)


# The kink of |x| at 0 would give the line above the derivative 0 there; the rule gives the true one, 1/4.
_sigmoid.__name__ = _sigmoid.__qualname__ = "sigmoid"
sigmoid = rule(_sigmoid, lambda g, y, x: g * y * (1 - y))


def logsumexp(x: Array, axis: int = -1, keepdims: bool = False) -> Array:
    """Return log Σ eˣ along an axis.

    The greatest entry is taken out first, so that no power overflows; as a constant, for its gradient cancels.

    Parameters
    ----------
    x : array or Tensor
        Of any shape, of floating dtype.
    axis : int
        The axis along which is summed.
    keepdims : bool
        Whether that axis stays, with size 1.

    Returns
    -------
    array or Tensor
        Of the dtype of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.logsumexp(np.array([[1000.0, -np.inf], [-1000.0, -np.inf]]))
    array([ 1000., -1000.])
    """
    shift = _greatest(x, axis)
    powers = np.sum(np.exp(x - shift), axis=axis, keepdims=True)
    empty = powers == 0  # where all entries are -∞: so is the result, and no gradient passes
    total = np.where(empty, -np.inf, np.log(np.where(empty, 1, powers))) + shift
    return total if keepdims else np.squeeze(total, axis=axis)


def _greatest(x: Array, axis: int) -> Array:
    """Return the greatest entry along an axis, as a constant: 0 where it is infinite, for ∞ - ∞ is nothing."""
    with no_grad():
        greatest = np.max(x, axis=axis, keepdims=True)
        return np.where(np.isfinite(greatest), greatest, greatest.dtype.type(0))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Return log(eˣ / Σ eˣ) along an axis.

    Parameters
    ----------
    x : array or Tensor
        Of any shape, of floating dtype.
    axis : int
        The axis along which is summed.

    Returns
    -------
    array or Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    shifted = x - _greatest(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def softmax(x: Array, axis: int = -1) -> Array:
    """Return eˣ / Σ eˣ along an axis: probabilities, of logits.

    Parameters
    ----------
    x : array or Tensor
        Of any shape, of floating dtype.
    axis : int
        The axis along which is summed.

    Returns
    -------
    array or Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.softmax(np.array([[3.0, 3.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return np.exp(log_softmax(x, axis))


# --- losses -----------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Return the mean of -log softmax(logits)[label].

    Parameters
    ----------
    logits : array or Tensor
        Of shape (..., classes), of floating dtype.
    labels : array or Tensor of integers
        Of shape (...), each from 0 to classes - 1.

    Returns
    -------
    scalar or Tensor
        Of the dtype of ``logits``.

    Raises
    ------
    TypeError
        Where labels are no integers.
    ValueError
        Where the shapes do not fit, or a label is no class.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.cross_entropy(np.array([[0.0, 1000.0], [0.0, 0.0]]), np.array([0, 1])).round(4).item()
    500.3466
    """
    labels = labels if isinstance(labels, Tensor) else np.asarray(labels)
    classes = logits.shape[-1]
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: labels are of dtype {labels.dtype}; they are integers, the numbers of the classes"
        )
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"cross_entropy: labels of shape {labels.shape} do not fit logits of shape {logits.shape}; "
            f"give one label for each row of logits, shape {logits.shape[:-1]}"
        )
    if not isinstance(labels, Tensor) and labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"cross_entropy: labels go from {labels.min()} to {labels.max()}; of {classes} classes they go from 0 to "
            f"{classes - 1}"
        )
    rows = log_softmax(logits).reshape((-1, classes))
    return -np.mean(rows[np.arange(rows.shape[0]), labels.reshape(-1)])


def binary_cross_entropy_with_logits(logits: Array, targets: Array) -> Array:
    """Return the mean of -t log σ(z) - (1 - t) log σ(-z).

    Parameters
    ----------
    logits : array or Tensor
        The z, of any shape, of floating dtype.
    targets : array or Tensor
        The t, probabilities from 0 to 1, of the shape of ``logits``.

    Returns
    -------
    scalar or Tensor

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.binary_cross_entropy_with_logits(np.array([1000.0, -1000.0]), np.array([1.0, 1.0])).item()
    500.0
    """
    _same_shape("binary_cross_entropy_with_logits", logits, targets)
    zero = logits.dtype.type(0)
    return np.mean(targets * np.logaddexp(zero, -logits) + (1 - targets) * np.logaddexp(zero, logits))


def mse(predictions: Array, targets: Array) -> Array:
    """Return the mean of (prediction - target)², the mean squared error.

    Parameters
    ----------
    predictions, targets : array or Tensor
        Of the same shape.

    Returns
    -------
    scalar or Tensor

    Raises
    ------
    ValueError
        Where the shapes differ: (m, 1) and (m,) would give every difference of m by m pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.mse(np.array([1.0, 2.0]), np.array([1.0, 4.0])).item()
    2.0
    """
    _same_shape("mse", predictions, targets)
    return np.mean(np.square(predictions - targets))


def _same_shape(loss: str, predictions: Array, targets: Array) -> None:
    if np.shape(predictions) != np.shape(targets):
        raise ValueError(
            f"{loss}: predictions of shape {np.shape(predictions)} and targets of shape {np.shape(targets)}; "
            f"reshape one, for broadcasting them would compare each with every other"
        )


# --- initialisers -----------------------------------------------------------------------------------------------------


def he_normal(rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike = float) -> Array:
    """Return weights drawn from N(0, 2 / inputs), with which relu keeps the mean square of what passes through.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
        (outputs, inputs), of the weights W in ``W @ x``.
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, Delving Deep into Rectifiers, ICCV 2015, equation 10; arXiv:1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.he_normal(np.random.default_rng(0), (3, 50), np.float32).shape
    (3, 50)
    """
    return (rng.standard_normal(shape) * math.sqrt(2 / shape[1])).astype(dtype)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike = float) -> Array:
    """Return weights drawn evenly from ±√(6 / (inputs + outputs)), for tanh and sigmoid.

    Their variance 2 / (inputs + outputs) lies between what keeps the variance of activations on the way forward, and
    that of gradients on the way back.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
        (outputs, inputs), of the weights W in ``W @ x``.
    dtype : dtype

    Returns
    -------
    ndarray

    References
    ----------
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    equation 16.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn
    >>> bool(np.all(np.abs(nn.glorot_uniform(np.random.default_rng(0), (2, 4))) <= 1))
    True
    """
    limit = math.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(dtype)
