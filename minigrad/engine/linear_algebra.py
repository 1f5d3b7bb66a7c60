"""Linear algebra: the rules of numpy.linalg, and what is composed of other functions.

A function of several results is composed of its parts, such as ``np.linalg.eigh(a).eigenvectors``, each a function with
a rule of its own. The cotangent of a symmetric matrix is symmetric, whichever triangle of it NumPy reads. Where there
is no derivative (of eigenvectors at repeated eigenvalues, of a direction at 0) an error says so.

References
----------
M. Giles (2008), An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation. F. Walter, L. Lehmann, R. Lamour (2012), On evaluating higher-order derivatives of the QR
decomposition of tall matrices with full column rank in forward and reverse mode algorithmic differentiation.
"""

import math
from typing import Any

import numpy as np
from numpy.linalg import _linalg

from .arrays import Axis, Value
from .axes import axes_of
from .borrowed import own_lines
from .composed import compose
from .primitives import array, concatenate, norm, nowhere_zero, others, ratio
from .rules import Function, dispatching
from .vjps import kept, others_of_two, part, row, spread, swap


def _eye(a: Value) -> Value:
    """Return the identity matrix of the shape of square matrices."""
    return np.eye(a.shape[-1], dtype=a.dtype)


def _columns(v: Value, a: Value) -> Value:
    """Scale the columns of matrices."""
    return a * v[..., None, :]


def _of_finite(function: Function) -> Function:
    """Return a function that refuses infinite entries, of which LAPACK's singular vectors may take for ever."""

    def implementation(a: Value, *args: object, **options: object) -> Value:
        if not np.all(np.isfinite(a)):
            raise np.linalg.LinAlgError(
                f"np.linalg.{function.__name__} of an array of shape {a.shape} with entries not finite"
            )
        return function(a, *args, **options)

    return implementation


# --- solving ----------------------------------------------------------------------------------------------------------


def _solve_right(g: Value, y: Value, a: Value, b: Value) -> Value:
    if b.ndim == 1:
        return np.linalg.solve(swap(a), g[..., None])[..., 0]
    return np.linalg.solve(swap(a), g)


def _solve_left(g: Value, y: Value, a: Value, b: Value) -> Value:
    right = _solve_right(g, y, a, b)
    return -right[..., None] * y[..., None, :] if b.ndim == 1 else -right @ swap(y)


_CUT = (
    "np.linalg.pinv has no derivative here where it leaves out singular values that are not 0; give a smaller rcond, "
    "or compute it from np.linalg.svd(a, full_matrices=False)"
)


def _pinv(g: Value, y: Value, a: Value, rcond: Value = None, rtol: Value = None, hermitian: bool = False) -> Value:
    """Return the derivative among matrices of the same rank: a cutoff may leave out no more than rounding."""
    cutoff = rtol if rcond is None else rcond
    if cutoff is not None:
        s, cutoff = np.linalg.svdvals(a), np.asarray(cutoff)[..., None]
        top, rounding = np.max(s, axis=-1, keepdims=True), max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
        kept = np.logical_or(np.greater(s, cutoff * top), np.less_equal(s, rounding * top)) | (cutoff >= 1)  # all is 0
        ones = np.min(np.where(kept, a.dtype.type(1), a.dtype.type(0)), axis=-1)
        g = g * nowhere_zero(ones, undefined=_CUT)[..., None, None]
    left, of_g = swap(y), swap(g)
    outside = (of_g - a @ y @ of_g) @ y @ left
    return outside - left @ g @ left + left @ y @ (of_g - of_g @ y @ a)


row(np.linalg.solve, _solve_left, _solve_right)
row(np.linalg.inv, lambda g, y, a: -swap(y) @ g @ swap(y))
row(np.linalg.pinv, _pinv, implementation=_of_finite(np.linalg.pinv))


# --- determinants -----------------------------------------------------------------------------------------------------


@dispatching
def cofactors(a: Value) -> Value:
    """Return the matrix of cofactors: the derivative of the determinant, of singular matrices too."""
    u, s, vh = np.linalg.svd(np.where(np.isfinite(a), a, np.nan))  # of infinite entries it may not return
    return np.sign(np.linalg.det(u @ vh))[..., None, None] * (u * others(s)[..., None, :]) @ vh


def _cofactors(g: Value, y: Value, a: Value) -> Value:
    """Return products of all singular values but two: a cofactor is the determinant of a part of the matrix."""
    u, s, vh = _u(a, full_matrices=False), np.linalg.svdvals(a), _vh(a, full_matrices=False)
    inner, of_two = swap(u) @ g @ swap(vh), others_of_two(s)
    diagonal = of_two @ np.sum(inner * _eye(a), axis=-1)[..., None]
    sign = np.sign(np.linalg.det(u @ vh))[..., None, None]
    return sign * (u @ (diagonal * _eye(a) - swap(of_two * inner)) @ vh)


row(cofactors, _cofactors)
row(np.linalg.det, lambda g, y, a: g[..., None, None] * cofactors(a))
_sign = part(np.linalg.slogdet, "sign")
_logabsdet = part(np.linalg.slogdet, "logabsdet", lambda g, y, a: g[..., None, None] * swap(np.linalg.inv(a)))


# --- decompositions ---------------------------------------------------------------------------------------------------


def _cholesky(g: Value, y: Value, a: Value, upper: bool = False) -> Value:
    low, of_low = (swap(y), swap(g)) if upper else (y, g)
    half = (swap(low) @ of_low) * (np.tri(a.shape[-1], dtype=a.dtype) - _eye(a) / 2)
    left = np.linalg.solve(swap(low), half + swap(half))
    return swap(np.linalg.solve(swap(low), swap(left))) / 2


def _differences(w: Value, what: str) -> Value:
    """Return w[j] - w[i] at [i, j], 1 on the diagonal; those that are rounding alone are an error."""
    gaps = w[..., None, :] - w[..., :, None]
    rounding = np.finfo(w.dtype).eps * w.shape[-1] * np.max(np.abs(w), axis=-1, keepdims=True)[..., None]
    return nowhere_zero(np.where(np.abs(gaps) <= rounding, w.dtype.type(0), gaps) + _eye(gaps), undefined=what)


def _eigenvectors(g: Value, y: Value, a: Value, **of: Any) -> Value:
    inner = swap(y) @ g
    gaps = _differences(np.linalg.eigvalsh(a, **of), "eigenvectors of eigenvalues that repeat have no derivative")
    return y @ ((inner - swap(inner)) / (2 * gaps)) @ swap(y)


def _eigenvalues(g: Value, y: Value, a: Value, UPLO: str = "L") -> Value:
    v = _eigh_vectors(a, UPLO=UPLO)
    return _columns(g, v) @ swap(v)


def _left_vectors(g: Value, u: Value, s: Value, vh: Value) -> Value:
    """Return the cotangent of a matrix u s vh, given that of u."""
    inner = swap(u) @ g
    gaps = _differences(s * s, "singular vectors of singular values that repeat have no derivative")
    c = u @ _columns(s, (inner - swap(inner)) / gaps) @ vh
    if u.shape[-2] == u.shape[-1]:
        return c
    divisor = nowhere_zero(s, undefined="singular vectors of the singular value 0 have no derivative")
    return c + _columns(1 / divisor, g - u @ inner) @ vh


def _u_part(g: Value, y: Value, a: Value, full_matrices: bool) -> Value:
    return _left_vectors(g, y, np.linalg.svdvals(a), _vh(a, full_matrices=False))


def _vh_part(g: Value, y: Value, a: Value, full_matrices: bool) -> Value:
    return swap(_left_vectors(swap(g), swap(y), np.linalg.svdvals(a), swap(_u(a, full_matrices=False))))


def _singular_values(g: Value, y: Value, a: Value) -> Value:
    return _columns(g, _u(a, full_matrices=False)) @ _vh(a, full_matrices=False)


def _by_triangle(a: Value, q: Value, m: Value, r: Value) -> Value:
    """Return (a + q m) r⁻ᵀ, where m is the symmetric matrix with the lower triangle of ``m``."""
    low = np.tri(m.shape[-1], dtype=m.dtype)
    symmetric = m * low + swap(m * (low - _eye(m)))
    return swap(np.linalg.solve(r, swap(a + q @ symmetric)))


def _q_part(g: Value, y: Value, a: Value) -> Value:
    return _by_triangle(g, y, -swap(g) @ y, _r(a))


def _r_part(g: Value, y: Value, a: Value) -> Value:
    q = _q(a)
    return _by_triangle(0 * q, q, y @ swap(g), y)


row(np.linalg.cholesky, _cholesky)
row(np.linalg.eigvalsh, _eigenvalues)
row(np.linalg.svdvals, _singular_values)
_eigh_vectors = part(np.linalg.eigh, "eigenvectors", _eigenvectors)
_u = part(np.linalg.svd, "U", _u_part, implementation=_of_finite(np.linalg.svd))
_vh = part(np.linalg.svd, "Vh", _vh_part, implementation=_of_finite(np.linalg.svd))
_q, _r = part(np.linalg.qr, "Q", _q_part), part(np.linalg.qr, "R", _r_part)


def _svd(a: Value, full_matrices: bool = True, compute_uv: bool = True) -> Value:
    s = np.linalg.svdvals(a)
    if not compute_uv:
        return s
    if full_matrices and a.shape[-2] != a.shape[-1]:
        raise TypeError("the vectors that full_matrices=True adds have no derivative; give full_matrices=False")
    return _linalg.SVDResult(_u(a, full_matrices=False), s, _vh(a, full_matrices=False))


def _qr(a: Value, mode: str = "reduced") -> Value:
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise TypeError(f"what mode={mode!r} adds has no derivative; give mode='reduced' or 'r'")
    square = a if m >= n else a[..., :m]  # of all columns a slice would be an operation more
    q, r = _q(square), _r(square)
    if m < n:
        r = concatenate(r, swap(q) @ a[..., m:], axis=-1)
    return r if mode == "r" else _linalg.QRResult(q, r)


def _no_eig(a: Value) -> Value:
    raise TypeError(
        "eigenvalues of a matrix that is not symmetric may be complex, and Tensors compute with real numbers only; "
        "np.linalg.eigh and np.linalg.eigvalsh are recorded for symmetric matrices"
    )


# --- norms ------------------------------------------------------------------------------------------------------------


def _norm_part(g: Value, y: Value, a: Value, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return a / ‖a‖₂, or sign(a) |a|ᵖ⁻¹ / ‖a‖ₚᵖ⁻¹; 0 at a = 0, the subgradient of least norm."""
    direction = ratio(a, kept(y, None, a, axis, keepdims))
    return spread(g, a, axis, keepdims) * (direction if ord == 2 else np.sign(a) * np.abs(direction) ** (ord - 1))


row(norm, _norm_part)

_numpy_norm = own_lines(np.linalg.norm)
_NUMPY_NORMS: dict[int, tuple[Any, ...]] = {  # by the number of axes
    1: (0, 1, math.inf, -math.inf),
    2: (1, -1, 2, -2, math.inf, -math.inf, "nuc"),
}


def _norm(x: Value, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return norms that are lengths by their own rule, which has a value at 0, and others by NumPy's lines."""
    ndim = len(axes_of(x, axis))
    euclidean = ord is None or (ord == 2 and ndim == 1) or (ord in ("f", "fro") and ndim == 2)
    if not euclidean:
        if ndim not in _NUMPY_NORMS:
            raise ValueError(f"ord={ord!r} is a norm of vectors or matrices; give one axis or two")
        if ord in _NUMPY_NORMS[ndim]:
            return _numpy_norm(x, ord, axis, keepdims)
        if ndim == 2:
            raise ValueError(f"ord={ord!r} is no norm of matrices; there are 1, 2, -1, -2, inf, -inf, 'fro' and 'nuc'")
        if isinstance(ord, str) or np.ndim(ord):
            raise ValueError(f"ord={ord!r} is no norm of vectors; leave it out, or give a number")
    options = {"ord": None if euclidean else ord, "axis": axis, "keepdims": keepdims or None}
    return norm(x, **{name: option for name, option in options.items() if option is not None})


def _cond(x: Value, p: Value = None) -> Value:
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return _norm(x, p, (-2, -1)) * _norm(np.linalg.inv(x), p, (-2, -1))


# --- what is composed -------------------------------------------------------------------------------------------------


def _lstsq(a: Value, b: Value, rcond: float | None = None) -> Value:
    m, n = a.shape
    x = np.linalg.pinv(a, np.finfo(np.result_type(a.dtype, 1.0)).eps * max(m, n) if rcond is None else rcond) @ b
    residuals = np.sum(np.square(b - a @ x), axis=0, keepdims=b.ndim == 1)
    return x, residuals if m > n else residuals[:0], np.linalg.matrix_rank(a), np.linalg.svdvals(a)


def _tensorsolve(a: Value, b: Value, axes: Value = None) -> Value:
    if axes is not None:
        a = np.moveaxis(a, axes, range(-len(axes), 0))
    shape = a.shape[np.ndim(b) :]
    return np.linalg.solve(a.reshape(-1, math.prod(shape)), np.ravel(b)).reshape(shape)


def _cross(a: Value, b: Value, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Value:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if not a.shape[-1] == b.shape[-1] == 3:
        raise ValueError("a cross product is of vectors with three entries; append a 0 to those with two")
    product = a * np.roll(b, -1, -1) - np.roll(a, -1, -1) * b
    return np.moveaxis(np.roll(product, -1, -1), -1, axisc)


compose(
    {
        np.cross: _cross,
        np.vdot: lambda a, b: np.ravel(array(a)) @ np.ravel(array(b)),
        np.linalg.cond: _cond,
        np.linalg.eig: _no_eig,
        np.linalg.eigh: lambda a, UPLO="L": _linalg.EighResult(
            np.linalg.eigvalsh(a, UPLO), _eigh_vectors(a, UPLO=UPLO)
        ),
        np.linalg.eigvals: _no_eig,
        np.linalg.lstsq: _lstsq,
        np.linalg.norm: _norm,
        np.linalg.qr: _qr,
        np.linalg.slogdet: lambda a: _linalg.SlogdetResult(_sign(a), _logabsdet(a)),
        np.linalg.svd: _svd,
        np.linalg.tensorsolve: _tensorsolve,
    }
)
