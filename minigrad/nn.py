"""What networks are made of: activations, losses from logits, and initialisers, in the field's usual terms.

Plain NumPy on arrays or Tensors: on Tensors it records itself, and the table of rules does the rest. Logits are scores
before the sigmoid or softmax; a loss that takes logits is exact where one that takes probabilities overflows. Classes
lie along the last axis, and a loss is the mean over the examples. Shapes and dtypes are as NumPy makes them.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .engine.rules import rule
from .engine.tensor import Tensor

# --- activations ------------------------------------------------------------------------------------------------------


def relu(x: Any) -> Any:
    """max(x, 0), of the shape and dtype of ``x``; its derivative is the mask ``x > 0``.

    >>> from minigrad import nn
    >>> nn.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return np.maximum(x, 0)


def _sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), of the shape and dtype of ``x``; no power of e here is above 1, so that nothing overflows.

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


def logsumexp(x: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """log Σ eˣ along an axis, which is summed away unless ``keepdims``.

    The greatest entry is taken out first, so that no power overflows; as a constant, for its gradient cancels.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.logsumexp(np.array([[1000.0, -np.inf], [-1000.0, -np.inf]]))
    array([ 1000., -1000.])
    """
    shift = _greatest(x, axis)
    total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axis)


def _greatest(x: Any, axis: int) -> Any:
    """The greatest entry along an axis, as a constant: 0 where it is infinite, for ∞ - ∞ is nothing."""
    greatest = np.max(x.detach() if isinstance(x, Tensor) else x, axis=axis, keepdims=True)
    return np.where(np.isfinite(greatest), greatest, greatest.dtype.type(0))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log(eˣ / Σ eˣ) along an axis, of the shape and dtype of ``x``.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    shifted = x - _greatest(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def softmax(x: Any, axis: int = -1) -> Any:
    """eˣ / Σ eˣ along an axis, of the shape and dtype of ``x``.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.softmax(np.array([[3.0, 3.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return np.exp(log_softmax(x, axis))


# --- losses -----------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean of -log softmax(logits)[label]: a number.

    ``logits`` has the shape (..., classes), ``labels`` are integers of the shape (...), each from 0 to classes - 1.

    Raises TypeError for labels that are no integers, ValueError where the shapes differ or a label is no class.

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


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
    """Mean of -t log σ(z) - (1 - t) log σ(-z): a number.

    ``targets`` are probabilities, from 0 to 1, of the shape of ``logits``.

    Raises ValueError where the shapes differ.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.binary_cross_entropy_with_logits(np.array([1000.0, -1000.0]), np.array([1.0, 1.0])).item()
    500.0
    """
    _same_shape("binary_cross_entropy_with_logits", logits, targets)
    zero = logits.dtype.type(0)
    return np.mean(targets * np.logaddexp(zero, -logits) + (1 - targets) * np.logaddexp(zero, logits))


def mse(predictions: Any, targets: Any) -> Any:
    """Mean of (prediction - target)²: a number.

    Raises ValueError where the shapes differ: (m, 1) and (m,) would give every difference of m by m pairs.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.mse(np.array([1.0, 2.0]), np.array([1.0, 4.0])).item()
    2.0
    """
    _same_shape("mse", predictions, targets)
    return np.mean(np.square(predictions - targets))


def _same_shape(loss: str, predictions: Any, targets: Any) -> None:
    if np.shape(predictions) != np.shape(targets):
        raise ValueError(
            f"{loss}: predictions of shape {np.shape(predictions)} and targets of shape {np.shape(targets)}; "
            f"reshape one, for broadcasting them would compare each with every other"
        )


# --- initialisers -----------------------------------------------------------------------------------------------------


def he_normal(rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike = float) -> np.ndarray[Any, Any]:
    """Weights of shape (outputs, inputs) drawn from N(0, 2 / inputs): relu keeps the size of what passes through.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> nn.he_normal(np.random.default_rng(0), (3, 50), np.float32).shape
    (3, 50)
    """
    return (rng.standard_normal(shape) * math.sqrt(2 / shape[1])).astype(dtype)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike = float) -> np.ndarray[Any, Any]:
    """Weights of shape (outputs, inputs) drawn evenly from ±√(6 / (inputs + outputs)), for tanh and sigmoid.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> bool(np.all(np.abs(nn.glorot_uniform(np.random.default_rng(0), (2, 4))) <= 1))
    True
    """
    limit = math.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(dtype)
