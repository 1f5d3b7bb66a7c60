"""What newcomers do in their first hour, and what comes of it: the right answer, or one message with the mend."""

import io
import json
import math
import pickle
import statistics
import warnings

import numpy as np
import pytest

import minigrad as mg


def names():
    """What the code below finds: leaves w (), W (3,), V (2, 3), a result J of W, a constant X, plain arrays a and A."""
    W = mg.Tensor([1.0, -2.0, 3.0], name="W")
    return {
        "w": mg.Tensor(-1.5, name="w"),
        "W": W,
        "V": mg.Tensor(np.ones((2, 3)), name="V"),
        "J": np.sum(W * W).named("J"),
        "X": mg.constant(np.ones((2, 3)), name="X"),
        **{"a": np.zeros(3), "A": np.zeros((2, 3)), "Y": np.array([[1.0], [0.0], [1.0]]), "io": io},
        **{"np": np, "mg": mg, "math": math, "json": json, "statistics": statistics, "pickle": pickle},
    }


# What is done, the error, and what its message says.
REFUSED = [
    # Python's own functions and conditions
    ("max(w, 0)", TypeError, r"max\(\) asks for w \(\) float64 < 0.*not recorded: np\.maximum"),
    ("min(0.0, w)", TypeError, r"min\(\) asks for w \(\) float64 .*np\.minimum"),
    ("max(W, 0)", ValueError, r"max\(\) asks for W \(3,\) float64 < 0.*np\.maximum.*np\.max\(t\)"),
    ("mg.grad(lambda x: max(0.0, 2 * x))(3.0)", TypeError, r"max\(\) asks for unnamed multiply .*np\.maximum"),
    ("0 < W < 2", ValueError, r"truth of W \(3,\) float64 > 0 is ambiguous where a condition.*\(a < t\) & \(t < b\)"),
    ("W > 0 and W < 2", ValueError, r"truth of W \(3,\) float64 > 0 is ambiguous.*3 answers.*np\.all or np\.any"),
    ("if W == a: pass", ValueError, r"truth of W \(3,\) float64 == array \(3,\) float64 is ambiguous.*np\.all"),
    ("while W > 0: pass", ValueError, r"truth of W \(3,\) float64 > 0 is ambiguous.*np\.where"),
    ("a = not V != 1", ValueError, r"truth of V \(2, 3\) float64 != 1 is ambiguous.*6 answers"),
    ("assert W == W", ValueError, r"truth of W \(3,\) float64 == W \(3,\) float64"),
    ("W in [W * 1, V]", ValueError, r"truth of .*W \(3,\) float64.* where in asks.*`is`"),
    ("[V * 1, V].index(V)", ValueError, r"truth of .*V \(2, 3\) float64.* where index\(\) asks.*`is`"),
    ("sorted([W * 1, W])", ValueError, r"truth of .*W \(3,\) float64.* where sorted\(\) asks"),
    ("if W: pass", ValueError, r"truth of W \(3,\) float64 is ambiguous.*np\.any or np\.all"),
    ("float(W)", ValueError, r"W \(3,\) float64: it has 3 elements; index one, or reduce"),
    ("f'{W:.3f}'", ValueError, r"W \(3,\) float64: it has 3 elements"),
    ("math.exp(W)", ValueError, r"W \(3,\) float64: it has 3 elements"),
    ("W ^ 2", TypeError, r"np\.bitwise_xor of W \(3,\) float64 and 2: .*a power is written \*\*"),
    ("np.concatenate(W, W)", TypeError, r"np\.concatenate of W .*in one list: np\.concatenate\(\[a, b\]\)"),
    ("mg.gradients(J, W)", TypeError, r"gradients takes .* list, \[x\] for one, not W \(3,\) float64"),
    ("mg.hvp(lambda x: np.sum(x * x), a, a)", TypeError, r"hvp takes .* in a tuple.*\[x\] for one, not array \(3,\)"),
    ("mg.jvp(lambda x: np.sum(x), a, a)", TypeError, r"jvp takes .* in a tuple.*not array \(3,\) float64 alone"),
    ("mg.check_grads(lambda x: np.sum(x), a)", TypeError, r"check_grads takes arrays in a tuple"),
    ("mg.explain(J, names=['W'])", TypeError, r"names= is a mapping .*locals\(\), not a list"),
    ("mg.relu", AttributeError, r"no attribute 'relu': mg\.nn\.relu is"),
    ("mg.tensor([1.0])", AttributeError, r"no attribute 'tensor': mg\.Tensor\(data\) makes a leaf"),
    ("mg.exp(W)", AttributeError, r"no attribute 'exp': np\.exp takes Tensors"),
    ("mg.jit(abs)", AttributeError, r"no attribute 'jit': mg\.compile"),
    ("from minigrad import tensors", ImportError, "cannot import name 'tensors'"),
    (
        "np.sum(mg.rule(abs, lambda g, y, x: None)(W)).backward()",
        TypeError,
        r"lambda> returned None; it returns an array",
    ),
    ("mg.grad(lambda x: math.exp(x))(1.0)", TypeError, r"would lose its gradient.*np\.exp.* for math\.exp"),
    ("mg.grad(lambda x: np.sum(x).item())(a)", TypeError, r"item\(\) of unnamed sum .*t\.detach\(\)"),
    ("for entry in w: pass", TypeError, r"iteration over w \(\) float64: it is 0-d; t\.item"),
    # before and after backward
    ("W.grad[0]", TypeError, r"W \(3,\) float64 has no gradient.*J\.backward\(\) first"),
    ("W.grad[:, 0]", TypeError, r"W \(3,\) float64 has no gradient"),
    ("W.data -= 0.1 * W.grad", TypeError, r"W \(3,\) float64 has no gradient.*J\.backward\(\) first"),
    ("W.grad * a", TypeError, r"W \(3,\) float64 has no gradient"),
    ("W.grad[1:2]", TypeError, r"W \(3,\) float64 has no gradient"),
    ("W.grad[0] = 1.0", TypeError, r"W \(3,\) float64 has no gradient"),
    ("W.grad.shape", TypeError, r"W \(3,\) float64 has no gradient"),
    ("-W.grad", TypeError, r"W \(3,\) float64 has no gradient"),
    ("(W * 2).backward()", ValueError, r"multiply \(3,\) float64, which is no scalar: reduce it.*gradient="),
    ("X.backward()", RuntimeError, r"X \(2, 3\) float64 needs no gradient: it is a constant.*mg\.Tensor\(data\)"),
    ("with mg.no_grad(): J = np.sum(W)\nJ.backward()", RuntimeError, r"needs no gradient.*outside mg\.no_grad"),
    ("np.sum(X * 2).backward()", RuntimeError, r"constants alone \(X \(2, 3\) float64\).*mg\.Tensor\(data\)"),
    ("W -= 0.1 * a", TypeError, r"W -= .*of W \(3,\) float64, a leaf.*W\.data -= "),
    ("W[0] = 5", TypeError, r"part of W \(3,\) float64.*np\.where.*t\.data\[\.\.\.\]"),
    ("del W[0]", TypeError, r"part of W \(3,\) float64.*np\.where"),
    ("J.data = 3.0", TypeError, r"\.data of J \(\) float64, the result of sum.*mg\.Tensor\(t\.data\)"),
    ("W.data = A", ValueError, r"data of W \(3,\) float64 cannot have shape \(2, 3\): reshape"),
    ("pickle.dumps(J)", TypeError, r"copy of J \(\) float64: only leaves.*\.detach\(\) or \.data"),
    # making Tensors
    ("mg.Tensor([1, 2, 3])", TypeError, r"Tensor \(3,\) int64: only floating-point.*mg\.constant"),
    ("mg.Tensor(['1', '2'])", TypeError, r"Tensor \(2,\) <U1: the data is not real numbers; .*dtype=float"),
    ("mg.Tensor([[1.0], [2.0, 3.0]])", ValueError, r"list of 2 parts that differ in length.*fill the short ones up"),
    ("W * [[1.0], [2.0, 3.0]]", ValueError, r"np\.multiply of W \(3,\) float64 .*differ in length"),
    ("mg.Tensor(W)", TypeError, r"not from W \(3,\) float64: use \.detach"),
    ("np.array([w, w])", TypeError, r"plain array of w \(\) float64 would lose its gradient.*np\.stack"),
    ("np.mean([w, w])", TypeError, r"np\.mean: making a plain array of w .*np\.stack"),
    ("a[:] = W", TypeError, r"plain array of W \(3,\) float64 would lose its gradient.*np\.where"),
    ("a += W", TypeError, r"np\.add with out= .*x = x \+ t"),
    ("np.full(3, w)", TypeError, r"np\.full: making a plain array of w"),
    ("mg.Tensor(np.ma.masked_array([1.0, 2.0], [0, 1]))", TypeError, r"MaskedArray \(2,\).*\.filled\(number\)"),
    ("mg.grad(np.sum)(np.ma.masked_array([1.0, 2.0], [0, 1]))", TypeError, r"MaskedArray \(2,\).*np\.asarray"),
    ("mg.jvp(np.sum, (a,), (np.ma.masked_array(a),))", TypeError, r"MaskedArray \(3,\).*np\.asarray"),
    # shapes
    ("X @ V", ValueError, r"np\.matmul of X \(2, 3\) float64 and V .*inner sizes differ, 3 and 2; transpose"),
    ("np.dot(V, a[:2])", ValueError, r"np\.dot: .*V \(2, 3\) float64 and array \(2,\).*transpose"),
    (
        "V + a[:2]",
        ValueError,
        r"np\.add of V \(2, 3\) float64 and array \(2,\) float64: .*axis -1 has 2 and 3; reshape",
    ),
    ("W[7]", IndexError, r"getitem of W \(3,\) float64 and 7: .*out of bounds"),
    ("mg.nn.mse(W, Y)", ValueError, r"mse: .*\(3,\) and .*\(3, 1\); reshape one"),
    # transforms and readings
    ("mg.grad(J)", TypeError, r"grad takes a function of arrays, not J \(\) float64; .*J\.backward\(\).*mg\.gradients"),
    ("mg.value_and_grad(J)", TypeError, r"value_and_grad takes a function of arrays, not J"),
    ("mg.hessian(J)", TypeError, r"hessian takes a function of arrays, not J"),
    ("mg.jvp(J, (a,), (a,))", TypeError, r"jvp takes a function of arrays, not J"),
    ("mg.grad(np.sum, a)", TypeError, r"grad: argnums are positions.*array \(3,\) float64; .*mg\.grad\(f\)\(x\)"),
    ("mg.grad(lambda x: x * 2)(a)", ValueError, r"grad: <lambda> returned unnamed multiply \(3,\).*np\.sum"),
    ("mg.grad(lambda x: None)(a)", TypeError, r"grad: <lambda> returned a NoneType; it must return one array"),
    ("mg.grad(np.sum)(3)", TypeError, r"int64: only floating-point.*write 1\.0"),
    ("mg.draw(J.data)", TypeError, r"the root is a ndarray, not a Tensor"),
    ("mg.check(J, {'w1': a}, names={'W': W})", ValueError, r"check: no node of J is called 'w1'.*names=locals\(\)"),
    # PyTorch's ways
    ("W.numpy()", AttributeError, r"W \(3,\) float64 has no \.numpy: t\.data"),
    ("W.value", AttributeError, r"W \(3,\) float64 has no \.value: t\.data"),
    ("W.clone()", AttributeError, r"no \.clone: t\.copy\(\)"),
    ("W.view(-1)", AttributeError, r"no \.view: t\.reshape"),
    ("W.cpu()", AttributeError, r"no \.cpu: leave it out"),
    ("W.requires_grad_()", AttributeError, r"no \.requires_grad_: mg\.Tensor\(t\.data\)"),
    ("W.grad_fn", AttributeError, r"no \.grad_fn: t\.op and t\.inputs"),
    ("W.relu()", AttributeError, r"no \.relu: mg\.nn\.relu\(t\)"),
    ("W.exp()", AttributeError, r"no \.exp: np\.exp\(t\)"),
    ("W.mm(V)", AttributeError, r"no \.mm: a @ b"),
    ("W.unsqueeze(0)", AttributeError, r"no \.unsqueeze: np\.expand_dims"),
    ("W.add_(1)", AttributeError, r"no \.add_: nothing writes into a recorded value; t\.data\[\.\.\.\]"),
    ("W.sort()", AttributeError, r"\.sort\(\) writes into W \(3,\) float64.*np\.sort"),
    ("W.foo", AttributeError, r"no attribute 'foo'"),
    ("np.exp(W, out=a)", TypeError, r"np\.exp with out= writes into an array"),
]


@pytest.mark.parametrize(("code", "kind", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_it_is_refused_with_the_mend(code, kind, message):
    with pytest.raises(kind, match=message):
        exec(code, names())


@pytest.mark.parametrize("code", ["a[0] = W[0]", "a[1] += W[1]", "A[0, 1] = J"])
def test_a_tensor_that_is_stored_in_an_entry_is_refused_with_the_mend(code):
    """NumPy puts an error of its own on top, "setting an array element with a sequence"."""
    with pytest.raises(ValueError, match="array element") as refused:
        exec(code, names())
    assert "would lose its gradient" in str(refused.value.__cause__) and "np.where" in str(refused.value.__cause__)


# What is done, and what comes of it.
RIGHT = [
    ("max(W, key=lambda entry: entry.item()).item()", 3.0),
    ("max([J, w]) is J", True),
    ("sorted([J, w])[0] is w", True),
    ("min(W).item()", -2.0),
    ("'up' if J > 0 else 'down'", "up"),
    ("0 < J < 100", True),
    ("np.all(W == W)", True),
    ("any(t is W for t in [V, W])", True),
    ("((W > 0) & (W < 2)).tolist()", [True, False, False]),
    ("(mask := W > 0).sum()", 2),
    ("bool(np.all((0 < V) == (V > 0)))", True),
    ("{W: 'weights', V: 'others'}[W]", "weights"),
    ("W.grad is None and W.grad == None and not W.grad", True),
    ("[t.grad for t in (W, V)]", [None, None]),
    ("W.grad or 0", 0),
    ("[W.grad, 2 * 3, max(1, 2)][1:]", [6, 2]),
    ("f'{J:.1f} {J}' + ' %.2f' % J", "14.0 Tensor(14., name='J', op='sum') 14.00"),
    ("json.dumps({'loss': J.item(), 'W': W.tolist()})", '{"loss": 14.0, "W": [1.0, -2.0, 3.0]}'),
    ("sum(W).item()", 2.0),
    ("round(J).item()", 14.0),
    ("float(J), int(J), math.sqrt(w * w)", (14.0, 14, 1.5)),
    ("mg.grad(lambda x: np.maximum(x, 0) * 2)(3.0)", 2.0),
    ("mg.grad(lambda x: x * x if x > 0 else -x)(3.0)", 6.0),
    ("mg.Tensor([1, 2, 3], requires_grad=False).size", 3),
    ("np.stack([w, w * 2]).tolist()", [-1.5, -3.0]),
    ("len(V), V.shape, V.T.shape", (2, (2, 3), (3, 2))),
    ("pickle.loads(pickle.dumps({'W': W}))['W'].tolist()", [1.0, -2.0, 3.0]),
    ("np.testing.assert_allclose(W, [1, -2, 3])", None),
    ("[entry.op for entry in W]", ["getitem"] * 3),
]


@pytest.mark.parametrize(("code", "answer"), RIGHT, ids=[row[0] for row in RIGHT])
def test_it_is_right(code, answer):
    assert eval(code, names()) == answer


def test_tensors_are_saved_as_arrays(tmp_path):
    W = mg.Tensor([[1.0, -2.0]])
    np.save(tmp_path / "W.npy", W * 2)
    np.savez(tmp_path / "all.npz", W, double=W * 2)
    np.savetxt(tmp_path / "W.txt", W, fmt="%.1f")
    assert np.load(tmp_path / "W.npy").tolist() == [[2.0, -4.0]]
    with np.load(tmp_path / "all.npz") as saved:
        assert (saved["arr_0"].tolist(), saved["double"].tolist()) == ([[1.0, -2.0]], [[2.0, -4.0]])
    assert (tmp_path / "W.txt").read_text() == "1.0 -2.0\n"
    with pytest.raises(TypeError, match=r"to_numpy\(\) of .* would lose its gradient"):
        mg.grad(lambda x: np.save(tmp_path / "x.npy", x) or np.sum(x))(np.ones(2))


def test_a_column_of_labels_against_a_row_of_predictions_is_warned_of():
    """Their difference is a table of every pair, and its mean square is no error of the predictions."""
    x, W = np.linspace(0, 1, 6).reshape(3, 2), mg.Tensor([0.5, -0.2], name="W")
    for Y in (np.ones((3, 1)), mg.constant(np.ones((3, 1)), "Y")):
        A = (x @ W).named("A")
        with pytest.warns(
            UserWarning, match=r"np\.subtract of A \(3,\) float64 and .*\(3, 1\).*3 x 3.*\.reshape\(-1\)"
        ):
            np.mean((A - Y) ** 2).backward()
    with pytest.warns(UserWarning, match="every other"):
        mg.grad(lambda w: np.mean((Y - x @ w) ** 2))(np.ones(2))
    with pytest.warns(UserWarning, match="all 2 x 2"):
        np.mean((W - np.ones((2, 1))) ** 2).backward()
    with pytest.warns(UserWarning, match="of A .* and P"):
        np.mean((A - mg.Tensor(np.ones(3)).reshape(3, 1).named("P")) ** 2).backward()


def test_pairs_that_are_meant_are_not_warned_of():
    t = mg.Tensor([1.0, 2.0, 4.0])
    X = mg.Tensor(np.ones((3, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.sum((t[:, None] - t) ** 2).backward()
        np.sum((X - t) ** 2 + (t.reshape(3, 1) - t)).backward()
        np.sum(mg.Tensor([[1.0]]) - mg.Tensor([1.0])).backward()
