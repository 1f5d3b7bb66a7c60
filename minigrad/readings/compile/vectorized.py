"""exp, log and tanh for numba, without branches and calls of the C library: a loop of them fills vector registers.

``functions()`` compiles them when they are first asked for, in float64 under the names of C, and in float32 as C writes
them (``expf``). They are within 2 units in the last place of the exact value for every argument, right at 0, at
infinities and for NaN, and give no warnings.

References
----------
Cody and Waite, Software Manual for the Elementary Functions (1980), for the reduction of the argument by log 2;
Moshier's Cephes, for the rational function of tanh; Sun's fdlibm, for the polynomial of log.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine.rules import Function

_LOG2 = {
    np.float64: (6.93147180369123816490e-01, 1.90821492927058770002e-10),
    np.float32: (0.693359375, -2.12194440e-4),
}
_TANH_TOP = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_BOTTOM = (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
_LOG = {
    np.float64: (
        *(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01),
        *(1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01),
    ),
    np.float32: (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
}


@functools.cache
def functions() -> dict[str, Function]:
    """Return the functions by name. Raises ImportError where numba is absent."""
    import numba

    jit = numba.njit(fastmath={"contract"}, error_model="numpy")
    found: dict[str, Function] = {}
    for dtype, suffix in ((np.float64, ""), (np.float32, "f")):
        exp = jit(_exp(dtype, jit))
        found |= {f"exp{suffix}": exp, f"tanh{suffix}": jit(_tanh(dtype, exp)), f"log{suffix}": jit(_log(dtype, jit))}
    return found


def _polynomial(coefficients: list[Any], jit: Function) -> Function:
    """Return the polynomial with these coefficients, the constant first."""
    terms = "".join(f"c{i} + x * (" for i in range(len(coefficients) - 1))
    text = f"lambda x: {terms}c{len(coefficients) - 1}{')' * (len(coefficients) - 1)}"
    made: Function = jit(eval(text, {f"c{i}": c for i, c in enumerate(coefficients)}))
    return made


def _exp(f: Any, jit: Function) -> Function:
    """Return exp, as 2ⁿ eʳ with |r| <= log(2) / 2 and Taylor's polynomial of eʳ."""
    degree, low, high = (13, f(-746), f(710)) if f is np.float64 else (7, f(-104), f(89))
    rest = _polynomial([f(1 / math.factorial(k)) for k in range(2, degree + 1)], jit)
    per_log2, (log2_high, log2_low) = f(1 / math.log(2)), map(f, _LOG2[f])
    one, half, shift, power_of_2 = f(1), f(0.5), _shift(f), _power_of_2(f)

    def exp(x: Any) -> Any:
        x = high if x > high else x
        x = low if x < low else x
        n = (x * per_log2 + shift) - shift
        r = (x - n * log2_high) - n * log2_low
        m = (n * half + shift) - shift  # 2ⁿ in two factors: it may be too small or too large for one
        return (one + (r + r * r * rest(r))) * power_of_2(m + shift) * power_of_2((n - m) + shift)

    return exp


def _tanh(f: Any, exp: Function) -> Function:
    """Return tanh, as 1 - 2 / (exp(2 |x|) + 1), or for small x as x + x³ P(x²) / Q(x²)."""
    (p2, p1, p0), (q2, q1, q0) = map(f, _TANH_TOP), map(f, _TANH_BOTTOM)
    one, two, border, largest = f(1), f(2), f(0.625), f(22)

    def tanh(x: Any) -> Any:
        u = abs(x)
        z = x * x
        e = exp(two * (largest if u > largest else u))
        top, bottom = z * ((p2 * z + p1) * z + p0), ((z + q2) * z + q1) * z + q0
        small = u < border
        w = (top if small else -two) / (bottom if small else e + one)
        return math.copysign((u if small else one) + (u if small else one) * w, x)

    return tanh


def _log(f: Any, jit: Function) -> Function:
    """Return log, as n log 2 + log m with m between √½ and √2."""
    rest = _polynomial([f(c) for c in _LOG[f]], jit)
    log2_high, log2_low = map(f, _LOG2[f])
    tiny, scale, power = f(np.finfo(f).tiny), f(2.0**54), f(54)
    zero, one, two, half, infinity, nan = f(0), f(1), f(2), f(0.5), f(math.inf), f(math.nan)
    exponent, mantissa = _exponent(f, jit), _mantissa(f)

    def log(x: Any) -> Any:
        subnormal = x < tiny
        a = x * scale if subnormal else x
        n = exponent(a) - power if subnormal else exponent(a)
        d = mantissa(a) - one
        s = d / (two + d)
        z = s * s
        square = half * d * d
        y = n * log2_high - ((square - (s * (square + z * rest(z)) + n * log2_low)) - d)
        y = x if (x == infinity) | (x != x) else y
        return y if x > zero else (-infinity if x == zero else (x if x != x else nan))

    return log


# --- the bits of numbers ----------------------------------------------------------------------------------------------


def _layout(f: Any) -> tuple[int, int]:
    """Return the bits of the mantissa, and what is added to the exponent."""
    return (52, 1023) if f is np.float64 else (23, 127)


def _shift(f: Any) -> Any:
    """Return what is added to a number to round it, so that its last bits are those of the exponent of 2 to it."""
    bits, bias = _layout(f)
    return f(1.5 * 2.0**bits + bias)


def _on_bits(f: Any, made: Callable[[Any, Any, Any], Any]) -> Function:
    """Return the function of a number whose bits ``made`` computes from the argument's, with LLVM's operations."""
    from numba import types
    from numba.extending import intrinsic

    kind, bits = (types.float64, types.int64) if f is np.float64 else (types.float32, types.int32)

    def typed(typing: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            integer, real = context.get_value_type(bits), context.get_value_type(kind)
            return builder.bitcast(made(builder, builder.bitcast(arguments[0], integer), integer), real)

        return kind(kind), code

    made_of_bits: Function = intrinsic(typed)
    return made_of_bits


def _power_of_2(f: Any) -> Function:
    """Return the function of n + shift that is 2ⁿ."""
    bits, _ = _layout(f)
    return _on_bits(f, lambda builder, x, integer: builder.shl(x, integer(bits)))


def _biased_exponent(f: Any, builder: Any, x: Any, integer: Any) -> Any:
    bits, bias = _layout(f)
    root = int(np.array(math.sqrt(0.5), f).view(f"i{f().itemsize}"))
    return builder.lshr(builder.add(x, integer((bias << bits) - root)), integer(bits))


def _exponent(f: Any, jit: Function) -> Function:
    """Return the function of m 2ⁿ that is n, with m between √½ and √2."""
    _, bias = _layout(f)
    shift = _shift(f)
    one_and_half = int((shift - f(bias)).view(f"i{f().itemsize}"))
    shifted = _on_bits(f, lambda builder, x, i: builder.add(_biased_exponent(f, builder, x, i), i(one_and_half)))

    def exponent(x: Any) -> Any:
        return shifted(x) - shift

    made: Function = jit(exponent)
    return made


def _mantissa(f: Any) -> Function:
    """Return the function of m 2ⁿ that is m."""
    bits, bias = _layout(f)

    def made(builder: Any, x: Any, integer: Any) -> Any:
        n = builder.sub(_biased_exponent(f, builder, x, integer), integer(bias))
        return builder.sub(x, builder.shl(n, integer(bits)))

    return _on_bits(f, made)
