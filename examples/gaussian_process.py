"""Learn the length, the height and the noise of a Gaussian process: maximise the likelihood of what was measured.

    log p(y) = -½ yᵀ K⁻¹ y - ½ log |K| - n/2 log 2π,   K = height² exp(-|x - x'|² / 2 length²) + noise² I

Its gradient goes through np.linalg.cholesky, solve and slogdet. Run it: python examples/gaussian_process.py

References
----------
C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press 2006, algorithm 2.1.
"""

import numpy as np
from scipy import optimize

import minigrad as mg


def measured(n=40):
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 10, n))
    return x, np.sin(x) + 0.2 * rng.normal(size=n)


def kernel(p, a, b):
    return p["height"] ** 2 * np.exp(-((a[:, None] - b) ** 2) / (2 * p["length"] ** 2))


def log_likelihood(logs, x, y):
    """The likelihood, of the logarithms of length, height and noise, so that these stay above 0."""
    p = parameters(logs)
    K = kernel(p, x, x) + p["noise"] ** 2 * np.eye(len(x))
    whitened = np.linalg.solve(np.linalg.cholesky(K), y)  # ‖L⁻¹y‖² = yᵀ K⁻¹ y for K = L Lᵀ
    return -np.sum(whitened**2) / 2 - np.linalg.slogdet(K)[1] / 2 - len(x) / 2 * np.log(2 * np.pi)


def parameters(logs):
    return dict(zip(("length", "height", "noise"), np.exp(logs), strict=True))


def fit(x, y):
    objective = mg.value_and_grad(lambda logs: -log_likelihood(logs, x, y))
    return optimize.minimize(objective, np.log([3.0, 0.5, 0.5]), jac=True, method="L-BFGS-B")


def predict(p, x, y, new):
    """Mean and deviation of the process at new places."""
    K, across = kernel(p, x, x) + p["noise"] ** 2 * np.eye(len(x)), kernel(p, new, x)
    mean = across @ np.linalg.solve(K, y)
    variance = p["height"] ** 2 - np.sum(across * np.linalg.solve(K, across.T).T, axis=1)
    return mean, np.sqrt(np.maximum(variance, 0))


def main():
    x, y = measured()
    found = fit(x, y)
    p = parameters(found.x)
    print(f"log likelihood {-found.fun:.3f} after {found.nfev} calls")
    print(", ".join(f"{name} {value:.3f}" for name, value in p.items()), "(the noise is 0.2 in truth)")
    new = np.linspace(0, 10, 6)
    for at, mean, deviation in zip(new, *predict(p, x, y, new), strict=True):
        print(f"f({at:4.1f}) = {mean:6.3f} ± {deviation:.3f}    sin: {np.sin(at):6.3f}")
    return p


if __name__ == "__main__":
    main()
