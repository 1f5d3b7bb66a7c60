"""What other packages do with a transform as it stands: SciPy minimises it, and scikit-learn finds the same model."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

optimize = pytest.importorskip("scipy.optimize")


def network():
    """The cost of a small network with its leaves, and the program that is derived of it."""
    rng = np.random.default_rng(3)
    names = {"X": mg.constant(rng.normal(size=(6, 3))), "y": mg.constant(rng.normal(size=6))}
    names |= {"W": mg.Tensor(rng.normal(size=(3, 4))), "b": mg.Tensor(np.ones(4)), "v": mg.Tensor(rng.normal(size=4))}
    A = 1 / (1 + np.exp(-(names["X"] @ names["W"] + names["b"])))
    J = np.mean((A @ names["v"] - names["y"]) ** 2) + 0.1 * np.sum(names["W"] ** 2)
    J.backward()
    return names, mg.derive(J, names=names | {"A": A, "J": J}).numpy()


@pytest.mark.slow
def test_what_is_derived_runs_unchanged_on_dask_arrays():
    da = pytest.importorskip("dask.array")
    names, program = network()
    given = {name: da.from_array(t.data, chunks=2) for name, t in names.items()}
    exec(program, given)
    for name in ("W", "b", "v"):
        assert isinstance(given[f"d{name}"], da.Array)
        np.testing.assert_allclose(given[f"d{name}"].compute(), names[name].grad, rtol=1e-12)


@pytest.mark.slow
def test_what_is_derived_runs_on_jax_arrays_and_in_jax_with_another_import():
    jnp = pytest.importorskip("jax.numpy")
    names, program = network()
    for code in (program, program.replace("import numpy as np", "import jax.numpy as np")):
        given = {name: jnp.asarray(t.data) for name, t in names.items()}
        exec(code, given)
        for name in ("W", "b", "v"):
            np.testing.assert_allclose(given[f"d{name}"], names[name].grad, rtol=1e-4)


@pytest.mark.slow
def test_pandas_computes_with_tensors_from_either_side():
    pandas = pytest.importorskip("pandas")
    series, frame = pandas.Series([1.0, 2.0, 3.0]), pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    a, A = series.to_numpy(), frame.to_numpy()
    w, W = mg.Tensor([0.5, 1.0, 2.0], name="w"), mg.Tensor([[1.0, 2.0], [0.5, 1.0]])
    for y, expected in [
        (series * w, a * w.data),
        (w * series, a * w.data),
        (series - w, a - w.data),
        (1 / (1 + np.exp(-(w * series))), 1 / (1 + np.exp(-a * w.data))),
        (frame / W, A / W.data),
        (W @ frame, W.data @ A),
        (frame.to_numpy() @ W, A @ W.data),
    ]:
        assert isinstance(y, mg.Tensor) and y.requires_grad
        np.testing.assert_allclose(y.data, expected)
    np.testing.assert_allclose(mg.grad(lambda w: np.sum(series * w))(np.ones(3)), a)
    np.testing.assert_allclose(mg.Tensor(frame).data, A)
    for refused in (lambda: frame @ W, lambda: pandas.Series(w)):
        with pytest.raises(TypeError, match=r"pandas.* would lose its gradient.*df\.to_numpy\(\) computes"):
            refused()
    assert pandas.Series(mg.constant([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_matplotlib_shows_tensors():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x, losses = mg.Tensor([0.0, 1.0, 2.0], name="x"), [np.sum(mg.Tensor([1.0, i])) for i in range(3)]
    figure, ax = plt.subplots()
    (line,) = ax.plot(x, x * x)
    assert line.get_xydata().tolist() == [[0, 0], [1, 1], [2, 4]]
    assert ax.plot(losses)[0].get_ydata().tolist() == [1, 2, 3]
    assert ax.scatter(x, x * x, c=x).get_offsets().tolist() == [[0, 0], [1, 1], [2, 4]]
    assert [bar.get_height() for bar in ax.bar([0, 1, 2], x * x)] == [0, 1, 4]
    assert ax.hist(x * x, bins=2)[0].tolist() == [2, 1]
    assert ax.imshow(x.reshape(1, 3)).get_array().tolist() == [[0, 1, 2]]
    ax.errorbar(x, x, yerr=x), ax.fill_between(x, x, x * x), ax.contourf(np.ones((2, 3)) * x), ax.axhline(losses[0])
    plt.close(figure)


@pytest.mark.slow
def test_torch_makes_tensors_of_constants_and_not_of_what_has_a_gradient():
    torch = pytest.importorskip("torch")
    assert torch.tensor(mg.constant([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"plain array of W \(2,\) float64 would lose its gradient"):
        torch.tensor(mg.Tensor([1.0, 2.0], name="W"))


@pytest.mark.slow
def test_a_function_of_pytorch_is_taught_in_three_lines():
    torch = pytest.importorskip("torch")

    def selu(x):
        return torch.nn.functional.selu(torch.tensor(x)).numpy()

    def selu_vjp(g, y, x):
        return torch.func.vjp(torch.nn.functional.selu, torch.tensor(x))[1](torch.tensor(g))[0].numpy()

    f = mg.rule(selu, selu_vjp, pure=True)
    x = np.array([-1.0, 0.5, 2.0])
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    expected = scale * np.where(x > 0, 1.0, alpha * np.exp(x)) * 2 * f(x)
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(f(x) ** 2))(x), expected, rtol=1e-12)


@pytest.mark.slow
def test_an_estimator_of_scikit_learn_is_taught_in_three_lines(rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(20, 3))
    model = linear_model.LogisticRegression().fit(X, X[:, 0] > 0)

    def probability(x):
        return model.predict_proba(x)[:, 1]

    f = mg.rule(probability, lambda g, y, x: np.outer(g * y * (1 - y), model.coef_), pure=True)
    mg.check_grads(f, (X[:4],), order=1)


def rosenbrock(x, scale=100.0):
    return np.sum(scale * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("wrapped", [lambda f: f, mg.compile])
@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "SLSQP"])
def test_scipy_minimises_value_and_grad(method, wrapped):
    found = optimize.minimize(wrapped(mg.value_and_grad(rosenbrock)), np.zeros(4), jac=True, method=method, tol=1e-9)
    assert type(found.fun) in (float, np.float64)
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-4)


def test_scipy_takes_the_hessian_and_its_products_and_passes_arguments_on():
    f, x0 = mg.value_and_grad(rosenbrock), np.zeros(4)
    newton = optimize.minimize(f, x0, (10.0,), jac=True, hess=mg.hessian(rosenbrock), method="Newton-CG", tol=1e-9)
    np.testing.assert_allclose(newton.x, np.ones(4), atol=1e-6)

    def product(x, v):
        return mg.hvp(rosenbrock, (x,), (v,))[0]

    trust = optimize.minimize(f, x0, jac=True, hessp=product, method="trust-ncg", tol=1e-9)
    np.testing.assert_allclose(trust.x, np.ones(4), atol=1e-6)


@pytest.mark.slow
def test_an_l2_regularised_logistic_regression_has_scikit_learns_coefficients(rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(80, 5))
    y = (X @ rng.normal(size=5) + rng.normal(size=80) > 0.3).astype(float)
    strength = 0.7

    def loss(p):
        w, b = p[:-1], p[-1]
        return len(y) * nn.binary_cross_entropy_with_logits(X @ w + b, y) + strength / 2 * np.sum(w * w)

    ours = optimize.minimize(mg.value_and_grad(loss), np.zeros(6), jac=True, method="BFGS", options={"gtol": 1e-9})
    theirs = linear_model.LogisticRegression(C=1 / strength, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.x[:-1], theirs.coef_[0], atol=1e-6)
    np.testing.assert_allclose(ours.x[-1:], theirs.intercept_, atol=1e-6)
