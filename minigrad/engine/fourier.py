"""Fourier transforms of Tensors, in real arithmetic.

Tensors are real, so a transform gives a pair of them, its real and imaginary part, that computes as a complex number
does. What is real again (``z.real``, ``np.abs(z)``, ``np.fft.irfft(z)``) is a Tensor, and its gradients are real. The
two parts of the discrete Fourier transform are linear maps with symmetric matrices: each is its own adjoint.
"""

import functools
import math
from typing import Any

import numpy as np

from .arrays import Axis, Options, Value
from .axes import axes_of, slab
from .borrowed import own_lines
from .composed import compose
from .primitives import concatenate
from .rules import RULES, Function
from .vjps import part

_real: Function = part(np.fft.fft, "real", lambda g, y, x, axis: _real(g, axis=axis))
_imag: Function = part(np.fft.fft, "imag", lambda g, y, x, axis: _imag(g, axis=axis))


class Complex(np.lib.mixins.NDArrayOperatorsMixin):
    """A pair of real Tensors, or arrays, that computes as the complex number ``real + i imag``."""

    shape = property(lambda self: np.shape(self.real))
    ndim = property(lambda self: self.real.ndim)
    size = property(lambda self: self.real.size)
    T = property(lambda self: self.each(np.transpose))

    def __init__(self, real: Value, imag: Value) -> None:
        self.real, self.imag = real, imag

    def each(self, function: Function) -> "Complex":
        """Return the complex number of what a function gives of either part."""
        return Complex(function(self.real), function(self.imag))

    def conj(self) -> "Complex":
        """Return the complex conjugate."""
        return Complex(self.real, -self.imag)

    def reshape(self, *shape: Value) -> "Complex":
        """Return the same entries in another shape."""
        return self.each(lambda x: x.reshape(*shape))

    def __getitem__(self, index: Value) -> "Complex":
        return self.each(lambda x: x[index])

    def __len__(self) -> int:
        return len(self.real)

    def __repr__(self) -> str:
        return f"Complex({self.real!r}, {self.imag!r})"

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Value:
        raise self._refused("a plain array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Value, **options: object) -> Value:
        if method != "__call__" or options:
            raise self._refused(ufunc.__name__)
        parts = [Complex(a.real, a.imag) if np.iscomplexobj(a) else a for a in args]
        return self.__array_function__(ufunc, (), parts, {})

    def __array_function__(self, function: Function, types: Value, args: Value, options: Options) -> Value:
        rule = RULES.get(function)
        if function in _FUNCTIONS:
            return _FUNCTIONS[function](*args, **{name: given for name, given in options.items() if given is not None})
        if function in _LINEAR or (rule is not None and rule.linear == 1):
            first, *others = args
            return Complex(*(function(_of(take, first), *others, **options) for take in (np.real, np.imag)))
        if rule is not None and rule.linear == 2:
            return _product(functools.partial(function, **options), *args)
        raise self._refused(function.__name__)

    def _refused(self, what: str) -> TypeError:
        return TypeError(
            f"{what} of a complex number of shape {self.shape} is not recorded: Tensors are real; compute with its "
            f".real and .imag, np.abs(z) and np.angle(z)"
        )


def _of(take: Function, z: Value) -> Value:
    """Return the real or the imaginary part of an array, or of each of a list."""
    return [take(x) for x in z] if isinstance(z, list | tuple) else take(z)


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _product(function: Function, z: Value, w: Value) -> Complex:
    """Return a product of complex numbers, of which one may be real; ``function`` is that of real ones."""
    if not isinstance(z, Complex):
        return Complex(function(z, w.real), function(z, w.imag))
    if not isinstance(w, Complex):
        return z.each(lambda x: function(x, w))
    real = function(z.real, w.real) - function(z.imag, w.imag)
    return Complex(real, function(z.real, w.imag) + function(z.imag, w.real))


def _sum(function: Function) -> Function:
    """Return a sum or difference of complex numbers, of which one may be real."""

    def total(z: Value, w: Value) -> Complex:
        real = function(np.real(z), np.real(w))
        parts = [x.imag if isinstance(x, Complex) else real.dtype.type(0) for x in (z, w)]
        return Complex(real, np.broadcast_to(function(*parts), real.shape))

    return total


def _divide(z: Value, w: Value) -> Complex:
    if not isinstance(w, Complex):
        return _product(np.multiply, z, 1 / w)
    length = np.square(w.real) + np.square(w.imag)
    return _product(np.multiply, z, w.conj()).each(lambda x: x / length)


def _exp(z: Complex) -> Complex:
    length = np.exp(z.real)
    return Complex(length * np.cos(z.imag), length * np.sin(z.imag))


def _power(z: Value, exponent: Value) -> Value:
    """Return a power with a whole exponent as a product, as NumPy does, and others by the logarithm."""
    if not isinstance(exponent, int) or exponent == 0:
        return np.exp(exponent * np.log(z))
    power = functools.reduce(np.multiply, [z] * (abs(exponent) - 1), z)
    return power if exponent >= 0 else 1 / power


def _norm(x: Value, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Value:
    if ord == "nuc" or (ord in (2, -2) and len(axes_of(x, axis)) == 2):
        raise x._refused(f"np.linalg.norm with ord={ord!r}")
    return np.linalg.norm(np.abs(x), ord, axis, keepdims)


_ARITHMETIC: dict[Function, Function] = {
    np.absolute: lambda z: np.hypot(z.real, z.imag),
    np.add: _sum(np.add),
    np.conjugate: Complex.conj,
    np.divide: _divide,
    np.exp: _exp,
    np.log: lambda z: Complex(np.log(abs(z)), np.angle(z)),
    np.power: _power,
    np.square: lambda z: z * z,
    np.subtract: _sum(np.subtract),
}
_LINEAR = frozenset((np.concatenate, np.stack, np.flip, np.roll, np.cumsum))

# --- transforms -------------------------------------------------------------------------------------------------------


def _each(function: Function, z: Value) -> Value:
    return z.each(function) if isinstance(z, Complex) else function(z)


def _fitted(z: Value, n: int, axis: int) -> Value:
    """Return an array cut to n entries along an axis, or filled up with zeros."""

    def fitted(x: Value) -> Value:
        zeros = np.zeros([max(n - m, 0) if i == axis else m for i, m in enumerate(x.shape)], x.dtype)
        return slab(x, axis, slice(n)) if n <= x.shape[axis] else concatenate(x, zeros, axis=axis)

    return z if n == z.shape[axis] else _each(fitted, z)


def _scale(norm: str | None, n: int, inverse: bool) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"norm={norm!r} is none of 'backward', 'ortho' and 'forward'")
    divided = norm == "forward" if not inverse else norm in (None, "backward")
    return 1 / int(n) if divided else 1 / math.sqrt(n) if norm == "ortho" else 1.0


def _fft(z: Value, n: int | None = None, axis: int = -1, norm: str | None = None, inverse: bool = False) -> Complex:
    axis = axis % z.ndim
    n = z.shape[axis] if n is None else n
    z, factor = _fitted(z, n, axis), _scale(norm, n, inverse)
    if isinstance(z, Complex):
        real = _real(z.real, axis=axis) - _imag(z.imag, axis=axis)
        imag = _imag(z.real, axis=axis) + _real(z.imag, axis=axis)
    else:
        real, imag = _real(z, axis=axis), _imag(z, axis=axis)
    return Complex(real, imag) if factor == 1 else Complex(real * factor, imag * factor)


def _ifft(z: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Complex:
    """Return the conjugate of the transform of the conjugate."""
    return _fft(z.conj() if isinstance(z, Complex) else z, n, axis, norm, inverse=True).conj()


def _first_half(transform: Function) -> Function:
    """Return a transform of real numbers: the other half of it is the conjugate of this one."""

    def half(x: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Complex:
        spectrum: Complex = transform(x, n, axis, norm)
        return spectrum.each(lambda y: slab(y, axis, slice(y.shape[axis] // 2 + 1)))

    return half


def _irfft(z: Value, n: int | None = None, axis: int = -1, norm: str | None = None) -> Value:
    """Return the inverse of a spectrum whose other half is the conjugate of this one."""
    axis = axis % z.ndim
    n = 2 * (z.shape[axis] - 1) if n is None else n
    half = _fitted(z, n // 2 + 1, axis)

    def other(x: Value) -> Value:
        return slab(slab(x, axis, slice(1, (n + 1) // 2)), axis, slice(None, None, -1))

    real, imag = np.real(half), half.imag if isinstance(half, Complex) else None
    y = _real(concatenate(real, other(real), axis=axis), axis=axis)
    if imag is not None:
        y = y + _imag(concatenate(imag, -other(imag), axis=axis), axis=axis)
    return y * _scale(norm, n, inverse=True)


_FOURIER: dict[Function, Function] = {
    np.fft.fft: _fft,
    np.fft.ifft: _ifft,
    np.fft.rfft: _first_half(_fft),
    np.fft.irfft: _irfft,
    np.fft.ihfft: _first_half(_ifft),
    **{
        function: own_lines(function)
        for function in (
            *(np.fft.fft2, np.fft.fftn, np.fft.ifft2, np.fft.ifftn, np.fft.rfft2, np.fft.rfftn, np.fft.irfft2),
            *(np.fft.irfftn, np.fft.hfft, np.fft.fftshift, np.fft.ifftshift),
        )
    },
}
_FUNCTIONS: dict[Function, Function] = {
    **_ARITHMETIC,
    **_FOURIER,
    np.angle: lambda z, deg=False: np.arctan2(z.imag, z.real) * (180 / math.pi if deg else 1),
    np.imag: lambda val: val.imag,
    np.iscomplex: lambda x: x.imag != 0,
    np.iscomplexobj: lambda x: True,
    np.isreal: lambda x: x.imag == 0,
    np.linalg.norm: _norm,
    np.real: lambda val: val.real,
    np.shape: lambda a: a.shape,
}
compose(_FOURIER)
