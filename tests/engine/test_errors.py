"""Bad input: every error names the operation, the Tensors, and the mend."""

import numpy as np
import pytest
from networks import leaf

import minigrad as mg

W, X, v, s, c = leaf((2, 3)), leaf((2, 4), "X"), leaf((3,), "v"), leaf((), "s"), mg.constant([1, 2, 3], "c")


def statement(code):
    return lambda: exec(code, {"np": np, "W": W, "v": v, "s": s, "a": np.zeros(3), "A": np.zeros((2, 3))})


BAD = [
    (
        lambda: W + X,
        ValueError,
        r"np\.add of W \(2, 3\) float64 and X \(2, 4\) float64: .*axis -1 has 3 and 4; reshape",
    ),
    (lambda: np.ones(5) * W, ValueError, r"np\.multiply of array \(5,\) float64 and W .*reshape"),
    (lambda: W @ X, ValueError, r"np\.matmul of W \(2, 3\) float64 and X .*inner sizes differ, 3 and 2; transpose"),
    (lambda: np.ones((4, 2)) @ W @ W, ValueError, r"np\.matmul of unnamed matmul \(4, 3\) float64 and W .*transpose"),
    (lambda: W @ 2, ValueError, r"np\.matmul of W .* and 2: .*multiply with \*"),
    (lambda: np.stack([W, W]) @ np.ones((3, 3, 2)), ValueError, r"np\.matmul .*axis -1 has 2 and 3; reshape"),
    (lambda: np.where(v > 0, v, X), ValueError, r"np\.where of array \(3,\) bool and v .* and X .*axis -1 has 3 and 4"),
    (lambda: np.dot(W, X), ValueError, r"np\.dot: np\.matmul of W .* and X .*transpose"),
    (lambda: np.concatenate([W, X]), ValueError, r"np\.concatenate of W .* and X .*must match"),
    (lambda: np.stack([W, X]), ValueError, r"np\.stack of W .* and X .*same shape"),
    (lambda: np.split(v, 2), ValueError, r"np\.split: .*\(3,\).*np\.array_split"),
    (lambda: np.split(v, 2, axis=3), IndexError, r"np\.split of v \(3,\) float64"),
    (lambda: W.reshape(5), ValueError, r"np\.reshape of W \(2, 3\) float64: .*size 6 into shape \(5,\)"),
    (lambda: W[5], IndexError, r"np\.getitem|getitem of W \(2, 3\) float64 and 5: .*out of bounds"),
    (lambda: W[s], IndexError, r"getitem of W .* and s \(\) float64: only integers"),
    (lambda: np.sum(W, axis=5), IndexError, r"np\.sum of W .*axis 5"),
    (lambda: np.einsum("ij,jk", W), ValueError, r"np\.einsum: 'ij,jk' has 2 terms for 1"),
    (
        lambda: np.lib.stride_tricks.as_strided(W, (2, 2), (8, 8)),
        TypeError,
        r"as_strided of W .*sliding_window_view takes",
    ),
    (lambda: np.sum(W, where=np.ones(5)), ValueError, r"np\.sum of W .*\(5,\)"),
    (lambda: np.median(W, out=np.zeros(3)), TypeError, r"np\.median with out= writes into an array"),
    (lambda: np.quantile(W, 0.5, weights=np.ones(3)), TypeError, r"np\.quantile of W .* with weights= is not recorded"),
    (lambda: np.sort(W, order="a"), TypeError, r"np\.sort of W .* with order= is not recorded"),
    (lambda: np.ravel(W, "K"), TypeError, r"np\.ravel of W .*order='K' goes by the layout in memory; take 'C' or 'F'"),
    (lambda: np.pad(W, 1, "reflect", reflect_type="odd"), TypeError, r"np\.pad of W .*odd.*np\.concatenate"),
    (lambda: np.choose([0, 3], [v, v]), ValueError, r"np\.choose of .*none of the 2 choices; mode="),
    (lambda: np.put(W, 0, 1.0), TypeError, r"np\.put of W .*writes into an array.*np\.where"),
    (lambda: np.fill_diagonal(W, 0.0), TypeError, r"np\.fill_diagonal of W .*writes into an array.*np\.where"),
    (lambda: np.add.at(W, 0, 1.0), TypeError, r"np\.add\.at of W .*writes into an array.*np\.bincount"),
    (lambda: np.subtract.reduce(W, axis=(0, 1)), ValueError, r"np\.subtract\.reduce of W .*order counts"),
    (lambda: np.logaddexp.reduce(W, where=W > 0), TypeError, r"np\.logaddexp\.reduce of W .*where=.*np\.where"),
    (lambda: np.mean([W, W]), TypeError, r"np\.mean: making a plain array of W .*np\.stack"),
    (lambda: np.ones(2).dot(W), TypeError, r"a plain array of W .* A @ t computes A\.dot\(t\)"),
    (lambda: np.cov(W, fweights=[1]), ValueError, r"np\.cov of W .*weights of shape \(1,\) for 3 observations"),
    (lambda: np.polyint(W), ValueError, r"np\.polyint of W .*coefficients of shape \(2, 3\)"),
    (lambda: np.vander(W), ValueError, r"np\.vander of W .*shape \(2, 3\).*in a row"),
    (lambda: np.linalg.matrix_power(v, 2), np.linalg.LinAlgError, r"matrix_power of v .*at least two-dimensional"),
    (lambda: W.sort(), AttributeError, r"\.sort\(\) writes into W \(2, 3\) float64.*np\.sort"),
    (lambda: W.tobytes(), AttributeError, r"W \(2, 3\) float64 has no \.tobytes.*t\.data\.tobytes"),
    (lambda: W.foo, AttributeError, r"'Tensor' object has no attribute 'foo'"),
    (lambda: W.astype(int, casting="safe"), TypeError, r"astype of W .*int64.*'safe'"),
    (lambda: np.clip(W, 0, 1, dtype=float), TypeError, r"np\.clip of W .*dtype"),
    (
        lambda: np.add(W, 1, where=W > 0),
        TypeError,
        r"np\.add with where= of W .* is not recorded; call it plainly.*np\.where",
    ),
    (lambda: np.add(W, 1, out=np.zeros((2, 3))), TypeError, r"np\.add with out= .*x = x \+ t"),
    (statement("a += v"), TypeError, r"np\.add with out= .*x = x \+ t"),
    (lambda: np.sum(W, axis=s), TypeError, r"np\.sum: axis= is s \(\) float64"),
    (lambda: W + "a", TypeError, r"np\.add of W .* and 'a': .*real numbers"),
    (lambda: np.maximum(W, 1j), TypeError, r"maximum of a complex number .* Tensors are real"),
    (lambda: np.array([None]) * W, TypeError, r"np\.multiply of array \(1,\) object and W .*real numbers"),
    (lambda: W * np.ma.masked_array([1.0, 2.0, 3.0]), TypeError, r"np\.multiply of .*MaskedArray.*np\.asarray"),
    (lambda: [s, 1.0] * v, TypeError, r"np\.multiply of .*np\.stack"),
    (lambda: mg.Tensor([1, 2], name="k"), TypeError, r"Tensor k \(2,\) int64: only floating-point.*mg\.constant"),
    (lambda: mg.Tensor("abc"), TypeError, r"Tensor \(\) <U3: the data is not real numbers"),
    (lambda: mg.Tensor(W), TypeError, r"not from W \(2, 3\) float64: use \.detach"),
    (lambda: mg.Tensor(1.0, name=3), TypeError, r"name is a string.* not 3"),
    (lambda: W.named(""), TypeError, r"name is a string that is not empty"),
    (
        lambda: setattr(W, "data", np.ones(5)),
        ValueError,
        r"data of W \(2, 3\) float64 cannot have shape \(5,\): reshape",
    ),
    (lambda: setattr(c, "data", [1.5, 2, 3]), TypeError, r"data of c \(3,\) int64 cannot be made of float64"),
    (lambda: setattr(W, "data", np.ones((2, 3)) * 1j), TypeError, r"data of W .* cannot be made of complex128"),
    (lambda: setattr(W, "data", W * 2), TypeError, r"plain array of unnamed multiply .*t\.data"),
    (
        lambda: setattr(W, "grad", np.ones(5)),
        ValueError,
        r"grad of W \(2, 3\) float64 cannot have shape \(5,\): reshape",
    ),
    (lambda: (W * 2).backward(), ValueError, r"backward from unnamed multiply \(2, 3\) float64.*np\.sum.*gradient="),
    (lambda: (W * 2).backward(np.ones(3)), ValueError, r"cotangent of unnamed multiply .* shape \(3,\): .*\(2, 3\)"),
    (lambda: c.backward(), RuntimeError, r"c \(3,\) int64 needs no gradient: it is a constant; .*mg\.Tensor"),
    (lambda: (c * 2).sum().backward(), RuntimeError, r"unnamed sum .* needs no gradient: .*c \(3,\) int64.*mg\.Tensor"),
    (lambda: (v.detach() * c).sum().backward(), RuntimeError, r"v detached \(3,\) float64, c \(3,\)|c .*v detached"),
    (lambda: bool(W), ValueError, r"truth of W \(2, 3\) float64 is ambiguous.*np\.any or np\.all.*np\.where"),
    (lambda: float(v), ValueError, r"item of v \(3,\) float64: it has 3 elements; index"),
    (lambda: len(s), TypeError, r"len of s \(\) float64: it is 0-d"),
    (lambda: iter(s), TypeError, r"iteration over s \(\) float64: it is 0-d"),
    (statement("W[0] = 1"), TypeError, r"part of W \(2, 3\) float64.*np\.where.*np\.stack"),
    (statement("A[1] = v"), TypeError, r"plain array of v \(3,\) float64.*np\.stack.*t\.data"),
    (statement("A[:, 1:] = s"), TypeError, r"plain array of s \(\) float64.*np\.stack.*t\.data"),
    (lambda: np.array([s, s]), TypeError, r"plain array of s \(\) float64.*np\.stack"),
    (lambda: np.asarray(v), TypeError, r"plain array of v \(3,\) float64.*np\.stack"),
    (lambda: mg.scope("").__enter__(), TypeError, r"scope: the name is a string that is not empty"),
    (lambda: mg.rule(3), TypeError, r"rule: 3 is not callable"),
]


@pytest.mark.parametrize(("act", "kind", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_input(act, kind, message):
    with pytest.raises(kind, match=message):
        act()
