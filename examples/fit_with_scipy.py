"""Fit a model with SciPy's optimisers: they ask for a value and its gradient, and `mg.value_and_grad` gives both.

A damped oscillation is found in noisy measurements: by BFGS, by Newton's method with the Hessian, and by least squares
with the Jacobian. Run it: python examples/fit_with_scipy.py
"""

import numpy as np
from scipy import optimize

import minigrad as mg

TRUE = np.array([2.0, 0.3, 4.0, 0.5])  # amplitude, damping, frequency, phase
START = np.array([1.5, 0.5, 3.6, 0.0])


def measured(n=200, noise=0.1):
    t = np.linspace(0, 5, n)
    return t, model(TRUE, t) + noise * np.random.default_rng(0).normal(size=n)


def model(p, t):
    return p[0] * np.exp(-p[1] * t) * np.sin(p[2] * t + p[3])


def fits():
    """What each method of SciPy finds."""
    t, y = measured()

    def loss(p):
        return np.sum((model(p, t) - y) ** 2) / 2

    def residuals(p):
        return model(p, t) - y

    value_and_grad, hessian = mg.compile(mg.value_and_grad(loss)), mg.compile(mg.hessian(loss))
    return {
        "BFGS, gradient": optimize.minimize(value_and_grad, START, jac=True, method="BFGS"),
        "trust-exact, gradient and Hessian": optimize.minimize(
            value_and_grad, START, jac=True, hess=hessian, method="trust-exact"
        ),
        "least_squares, Jacobian": optimize.least_squares(residuals, START, jac=mg.jacobian(residuals)),
        "BFGS without a gradient": optimize.minimize(loss, START, method="BFGS"),
    }


def main():
    print("                                    amplitude  damping  frequency    phase    calls")
    for name, found in fits().items():
        print(f"{name:34s}", "".join(f"{x:10.4f}" for x in found.x), f"{found.nfev:8d}")
    print(f"{'the truth':34s}", "".join(f"{x:10.4f}" for x in TRUE))
    print("\nWithout a gradient SciPy takes differences, which call the model once more for each parameter.")


if __name__ == "__main__":
    main()
