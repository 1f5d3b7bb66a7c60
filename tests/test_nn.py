import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(4, 3))
LABELS = np.array([2, 0, 1, 1])
TARGETS = RNG.uniform(size=(4, 3))

FUNCTIONS = {
    "sigmoid": nn.sigmoid,
    "softmax": nn.softmax,
    "softmax of columns": lambda z: nn.softmax(z, axis=0),
    "log_softmax": nn.log_softmax,
    "logsumexp": nn.logsumexp,
    "logsumexp keepdims": lambda z: nn.logsumexp(z, axis=0, keepdims=True),
    "cross_entropy": lambda z: nn.cross_entropy(z, LABELS),
    "binary cross-entropy": lambda z: nn.binary_cross_entropy_with_logits(z, TARGETS),
    "mse": lambda z: nn.mse(z, TARGETS),
    "relu": nn.relu,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_agree_with_central_differences(name):
    mg.check_grads(FUNCTIONS[name], (Z,))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays(name):
    z = mg.Tensor(Z.astype(np.float32))
    targets = TARGETS.astype(np.float32)
    losses = {"binary cross-entropy": nn.binary_cross_entropy_with_logits, "mse": nn.mse}
    y = losses[name](z, targets) if name in losses else FUNCTIONS[name](z)
    y.backward(np.ones(y.shape, np.float32))
    assert y.dtype == z.grad.dtype == np.float32


@pytest.mark.slow
def test_against_pytorch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    labels, targets = torch.tensor(LABELS), torch.tensor(TARGETS)
    theirs = {
        "sigmoid": torch.sigmoid,
        "softmax": lambda z: F.softmax(z, -1),
        "softmax of columns": lambda z: F.softmax(z, 0),
        "log_softmax": lambda z: F.log_softmax(z, -1),
        "logsumexp": lambda z: torch.logsumexp(z, -1),
        "logsumexp keepdims": lambda z: torch.logsumexp(z, 0, keepdim=True),
        "cross_entropy": lambda z: F.cross_entropy(z, labels),
        "binary cross-entropy": lambda z: F.binary_cross_entropy_with_logits(z, targets),
        "mse": lambda z: F.mse_loss(z, targets),
        "relu": F.relu,
    }
    for scale in (1.0, 30.0, 1000.0):
        for name, function in FUNCTIONS.items():
            ours, their = mg.Tensor(scale * Z), torch.tensor(scale * Z, requires_grad=True)
            y, expected = function(ours), theirs[name](their)
            seed = np.random.default_rng(1).normal(size=y.shape)
            y.backward(seed)
            expected.backward(torch.tensor(seed))
            np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-12, atol=1e-15, err_msg=name)
            np.testing.assert_allclose(ours.grad, their.grad.numpy(), rtol=1e-10, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("x", [-1000.0, -50.0, 0.0, 50.0, 1000.0])
def test_extreme_logits_give_finite_gradients(x):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for name, function in FUNCTIONS.items():
            z = mg.Tensor(np.full((4, 3), x))
            y = function(z)
            y.backward(np.ones(y.shape))
            assert np.all(np.isfinite(z.grad)), name


def test_sigmoid_is_exact_far_out_and_has_its_true_slope_at_zero():
    x = np.array([-700.0, -50.0, 0.0, 50.0])
    np.testing.assert_allclose(nn.sigmoid(x), 1 / (1 + np.exp(-x)), rtol=1e-15)
    assert mg.grad(nn.sigmoid)(0.0) == 0.25


def test_logsumexp_of_infinities():
    with np.errstate(divide="ignore"):
        x = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 2.0]])
        np.testing.assert_array_equal(nn.logsumexp(x), [-np.inf, np.inf, 2.0])


def test_losses_are_exact_for_confident_right_answers():
    z = np.array([[40.0], [-40.0]])
    loss = nn.binary_cross_entropy_with_logits(z, np.array([[1.0], [0.0]]))
    np.testing.assert_allclose(loss, np.exp(-40.0), rtol=1e-15)


def test_cross_entropy_takes_any_leading_shape():
    logits, labels = RNG.normal(size=(2, 5, 3)), RNG.integers(3, size=(2, 5))
    expected = -np.mean([nn.log_softmax(logits)[i, j, labels[i, j]] for i in range(2) for j in range(5)])
    np.testing.assert_allclose(nn.cross_entropy(logits, labels), expected)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.cross_entropy(Z, LABELS.astype(float)), TypeError, "float64"),
        (lambda: nn.cross_entropy(Z, LABELS[:3]), ValueError, r"\(3,\).*\(4, 3\)"),
        (lambda: nn.cross_entropy(Z, LABELS - 1), ValueError, "-1 to 1"),
        (lambda: nn.cross_entropy(Z, LABELS + 1), ValueError, "1 to 3"),
        (lambda: nn.mse(mg.Tensor(Z[:, :1]), Z[:, 0]), ValueError, r"mse.*\(4, 1\).*\(4,\)"),
        (lambda: nn.binary_cross_entropy_with_logits(Z, Z[0]), ValueError, r"\(4, 3\).*\(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_initialisers_keep_the_scale_of_what_passes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 500))
    he, glorot = nn.he_normal(rng, (300, 400)), nn.glorot_uniform(rng, (300, 400))
    assert np.mean(np.square(nn.relu(he @ x))) == pytest.approx(1.0, rel=0.05)
    assert np.mean(np.square(glorot)) == pytest.approx(2 / 700, rel=0.05)
    assert nn.he_normal(rng, (2, 3), np.float32).dtype == nn.glorot_uniform(rng, (2, 3), np.float32).dtype == np.float32


def test_logsumexp_of_nothing_is_flat():
    x = np.array([[-np.inf, -np.inf], [-np.inf, 1.0]])
    with np.errstate(all="raise"):
        assert np.array_equal(mg.grad(lambda x: nn.logsumexp(x)[1])(x), [[0, 0], [0, 1]])
        assert np.array_equal(mg.vjp(nn.logsumexp, x)[1](np.ones(2))[0], [[0, 0], [0, 1]])
    assert np.array_equal(nn.logsumexp(x), [-np.inf, 1.0])
