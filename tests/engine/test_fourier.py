"""Fourier transforms: the parts are NumPy's, and gradients are real, those of differences and of JAX."""

import numpy as np
import pytest
from rows import assert_row

import minigrad as mg
from minigrad.engine.fourier import Complex

F = np.fft
RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 6))
H = RNG.normal(size=(2, 6)) + 1j * RNG.normal(size=(2, 6))
NORMS = (None, "ortho", "forward")


def parts(z):
    return [np.real(z), np.imag(z)]


CASES = [
    *[(f"fft {norm}", lambda x, norm=norm: parts(F.fft(x, norm=norm)), X) for norm in NORMS],
    *[(f"ifft {norm}", lambda x, norm=norm: parts(F.ifft(x, norm=norm)), X) for norm in NORMS],
    *[(f"rfft {norm}", lambda x, norm=norm: parts(F.rfft(x, norm=norm)), X) for norm in NORMS],
    *[(f"irfft {norm}", lambda x, norm=norm: F.irfft(F.rfft(x) * 2, norm=norm), Y) for norm in NORMS],
    ("irfft, odd", lambda x: F.irfft(F.rfft(x), n=5), X),
    ("irfft of real numbers", F.irfft, X),
    ("irfft, cut", lambda x: F.irfft(F.fft(x), n=4), X),
    ("hfft", lambda x: F.hfft(F.fft(x) * 1j), X),
    ("ihfft", lambda x: parts(F.ihfft(x)), X),
    ("fft, axis", lambda x: parts(F.fft(x, axis=0)), X),
    ("fft, longer", lambda x: parts(F.fft(x, n=7)), X),
    ("fft, shorter", lambda x: parts(F.fft(x, 3)), X),
    ("fft of fft", lambda x: parts(F.fft(F.fft(x), axis=0)), X),
    ("ifft of a product", lambda x: parts(F.ifft(F.fft(x) * H)), Y),
    ("product on the left", lambda x: parts(H * F.fft(x) - X[:, :1] + (1 + 2j) / F.fft(x)), Y),
    *[
        (f"{f.__name__}", lambda x, f=f: parts(f(f(x))), RNG.normal(size=(2, 3, 4)))
        for f in (F.fft2, F.fftn, F.ifft2, F.ifftn)
    ],
    ("fftn, s and axes", lambda x: parts(F.fftn(x, s=(3, 4), axes=(1, 0))), X),
    ("rfft2", lambda x: parts(F.rfft2(x)), RNG.normal(size=(2, 3, 4))),
    ("rfftn", lambda x: parts(F.rfftn(x, s=(3, 6), axes=(0, 1))), X),
    ("irfft2", lambda x: F.irfft2(F.rfft2(x) * H[:, :4]), Y),
    ("irfftn", lambda x: F.irfftn(F.fftn(x), s=(2, 7), axes=(0, 1)), X),
    ("fftshift", F.fftshift, X),
    ("ifftshift", lambda x: F.ifftshift(x, axes=1), X),
    ("fftshift of a transform", lambda x: parts(F.fftshift(F.fft(x), axes=(0,))), X),
    ("power spectrum", lambda x: np.abs(F.rfft(x)) ** 2, X),
    ("phase", lambda x: np.angle(F.fft(x + 5)), X),
    ("conj", lambda x: np.real(F.fft(x) * np.conj(F.fft(x))), X),
    ("sums and shapes", lambda x: parts(np.mean(F.fft(x), axis=0).reshape(5, 1) @ np.ones((1, 2))), X),
    ("index", lambda x: parts(F.fft(x)[:, 1:3].T), X),
    ("joined", lambda x: parts(np.concatenate([F.fft(x), F.ifft(x)])), X),
    ("exp and log", lambda x: parts(np.exp(F.fft(x)) + np.log(F.fft(x + 5))), X / 3),
    ("complex numbers beside real ones", lambda x: parts((1j * x + 2) / (x - H[:, :5]) - 1j + x), X),
    ("a wave", lambda x: parts(np.exp(1j * x) @ np.exp(-0.5j * x.T)), X),
    ("powers", lambda x: parts((1j * x + 2) ** 3 + F.fft(x + 1) ** -2 + (1j + x + 3) ** 0.4), X),
    (
        "norms",
        lambda x: [np.linalg.norm(F.fft(x), axis=1), np.linalg.norm(1j + x, "fro"), np.linalg.norm(1j + x, 3, 0)],
        X,
    ),
    ("square", lambda x: parts(np.square(F.fft(x)) / 2 - (-F.fft(x))), X),
]


@pytest.mark.slow
@pytest.mark.parametrize(("f", "x"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_transform(f, x):
    assert_row(f, [x], rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_gradients_are_those_of_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def energy(np):
        return lambda x: np.sum(np.abs(np.fft.fft(x)) ** 3) + np.sum(np.fft.irfft(np.fft.rfft(x) * H[0, 1]) ** 4)

    np.testing.assert_allclose(mg.grad(energy(np))(Y), jax.grad(energy(jax.numpy))(Y), rtol=1e-9)


def test_what_is_complex_says_what_to_do():
    z = F.fft(mg.Tensor(X, name="x"))
    assert isinstance(z, Complex) and (z.shape, z.ndim, z.size, len(z)) == ((2, 5), 2, 10, 2)
    for f in (np.sqrt, np.sort, np.asarray, lambda z: np.add.reduce(z), lambda z: z > 0, lambda z: np.add(z, 1, out=X)):
        with pytest.raises(TypeError, match=r"complex number of shape \(2, 5\) .*\.real and \.imag"):
            f(z)
    with pytest.raises(TypeError, match=r"\.real"):
        mg.grad(lambda x: np.sum(F.fft(x)))(X)
    with pytest.raises(ValueError, match=r"np\.fft\.fft of x .*norm='unit'"):
        F.fft(mg.Tensor(X, name="x"), norm="unit")
