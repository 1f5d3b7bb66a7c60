"""What other packages do with a transform as it stands: SciPy minimises it, and scikit-learn finds the same model."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

optimize = pytest.importorskip("scipy.optimize")


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
