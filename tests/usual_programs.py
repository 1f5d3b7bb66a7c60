"""Programs as people write them in plain NumPy: each a cost of its first argument's parameters, and the arguments.

Each runs on plain arrays; none knows of minigrad. ``PROGRAMS`` has them by name.
"""

import numpy as np

RNG = np.random.default_rng(7)
PROGRAMS = {}


def program(*args):
    """Enter a function into the table, with the arrays that it is tried on."""

    def enter(f):
        PROGRAMS[f.__name__] = f, args
        return f

    return enter


def normal(*shape, scale=0.5):
    return scale * RNG.normal(size=shape)


# --- likelihoods ------------------------------------------------------------------------------------------------------


@program(normal(3), normal(), normal(20, 3))
def gaussian_likelihood(mu, log_sigma, X):
    sigma = np.exp(log_sigma)
    return np.sum(0.5 * ((X - mu) / sigma) ** 2 + log_sigma + 0.5 * np.log(2 * np.pi))


@program(normal(3, 2), normal(3), normal(3), normal(12, 2))
def mixture(means, log_sigmas, logits, X):
    squared = ((X[:, None, :] - means) ** 2).sum(axis=-1)
    joint = logits - np.log(np.sum(np.exp(logits))) - squared / (2 * np.exp(2 * log_sigmas)) - 2 * log_sigmas
    top = joint.max(axis=1, keepdims=True)
    return -np.mean(top[:, 0] + np.log(np.exp(joint - top).sum(axis=1)))


@program(normal(2, 2), normal(2, 2), normal(15))
def kalman_filter(A, L, ys):
    Q, H, R = L @ L.T + 0.1 * np.eye(2), np.array([[1.0, 0.0]]), np.array([[0.3]])
    m, P, loss = np.zeros(2), np.eye(2), 0.0
    for y in ys:
        m, P = A @ m, A @ P @ A.T + Q
        v, S = y - H @ m, H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        m, P = m + K @ v, P - K @ S @ K.T
        loss += 0.5 * (v @ np.linalg.solve(S, v) + np.log(np.linalg.det(S)))
    return loss


@program(normal(8, 3))
def pca(X):
    centred = X - X.mean(axis=0)
    _, S, Vt = np.linalg.svd(centred, full_matrices=False)
    scores = centred @ Vt[:2].T
    return np.sum((centred - scores @ Vt[:2]) ** 2) + np.log(S[0] / S.sum())


@program(normal(2), normal(6, 1, scale=1.0), normal(6))
def gaussian_process(log_theta, X, y):
    length, noise = np.exp(log_theta)
    squared = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=-1)
    K = np.exp(-0.5 * squared / length**2) + (noise + 1e-6) * np.eye(len(X))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return 0.5 * y @ alpha + np.log(np.diag(L)).sum() + 0.5 * len(X) * np.log(2 * np.pi)


@program(normal(3), normal(10, 3), RNG.integers(0, 2, 10))
def logistic_regression(w, X, y):
    z = X @ w
    return np.mean(np.logaddexp(0, z) - y * z) + 0.1 * np.sum(w**2)


@program(normal(3), normal(10, 3), RNG.poisson(2.0, 10))
def poisson_regression(w, X, counts):
    rate = np.exp(X @ w)
    return np.sum(rate - counts * np.log(rate))


@program(normal(3), normal(), normal(10, 3), RNG.choice([-1.0, 1.0], 10))
def svm(w, b, X, y):
    return 0.5 * np.dot(w, w) + np.sum(np.maximum(0, 1 - y * (X.dot(w) + b)))


@program(normal(3), normal(3, 3), normal(3, 4), np.array([0, 2, 1, 3, 3]))
def hidden_markov_model(pi, A, B, observed):
    log_pi = pi - np.logaddexp.reduce(pi)
    log_A = A - np.logaddexp.reduce(A, axis=1, keepdims=True)
    log_B = B - np.logaddexp.reduce(B, axis=1, keepdims=True)
    alpha = log_pi + log_B[:, observed[0]]
    for o in observed[1:]:
        alpha = np.logaddexp.reduce(alpha[:, None] + log_A, axis=0) + log_B[:, o]
    return -np.logaddexp.reduce(alpha)


@program(normal(6, 3), normal(3, 3), np.array([0, 0, 1, 2, 1, 0]))
def conditional_random_field(emissions, transitions, tags):
    n = len(tags)
    score = emissions[np.arange(n), tags].sum() + transitions[tags[:-1], tags[1:]].sum()
    alpha = emissions[0]
    for t in range(1, n):
        m = alpha.max()
        alpha = m + np.log(np.exp(alpha - m) @ np.exp(transitions)) + emissions[t]
    return alpha.max() + np.log(np.exp(alpha - alpha.max()).sum()) - score


# --- networks ---------------------------------------------------------------------------------------------------------


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@program({name: normal(4, 4) for name in "QKVO"}, normal(2, 5, 4))
def attention(W, X):
    heads = [(X @ W[name]).reshape(2, 5, 2, 2).transpose(0, 2, 1, 3) for name in "QKV"]
    q, k, v = heads
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones((5, 5))), scores, -np.inf)
    mixed = (softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(2, 5, 4)
    return np.mean((X + mixed @ W["O"]) ** 2)


@program(normal(6, 12), normal(12), normal(4, 5, 3))
def lstm(W, b, xs):
    h = c = np.zeros((5, 3))
    for x in xs:
        z = np.concatenate([x, h], axis=1) @ W + b
        i, f, o, g = np.split(z, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return np.sum(h**2)


@program([normal(5, 3) for _ in range(3)], normal(4, 2))
def gru(weights, xs):
    Wz, Wr, Wh = weights
    h = np.zeros(3)
    for x in xs:
        xh = np.hstack([x, h])
        z, r = sigmoid(xh @ Wz), sigmoid(xh @ Wr)
        h = (1 - z) * h + z * np.tanh(np.hstack((x, r * h)) @ Wh)
    return h @ h


@program(normal(3, 2, 3, 3), normal(3), normal(2, 2, 6, 6))
def convolution(kernels, b, images):
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
    out = np.maximum(np.einsum("nchwij,kcij->nkhw", windows, kernels) + b[:, None, None], 0)
    n, k, h, w = out.shape
    pooled = out.reshape(n, k, h // 2, 2, w // 2, 2).max(axis=(3, 5))
    return np.mean(pooled**2)


@program(normal(3), normal(8, 3), normal(3), np.array([0.3, 0.7, 0.1]))
def batch_norm(gamma, X, beta, target):
    normed = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
    return np.sum((np.tanh(gamma * normed + beta) - target) ** 2)


@program({"encoder": normal(4, 4), "decoder": normal(2, 4)}, normal(5, 4), normal(5, 2))
def variational_autoencoder(params, X, noise):
    mu, log_var = np.split(np.tanh(X @ params["encoder"]), 2, axis=1)
    z = mu + np.exp(0.5 * log_var) * noise
    reconstruction = np.sum((X - z @ params["decoder"]) ** 2)
    kl = -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var))
    return (reconstruction + kl) / len(X)


@program(normal(6, 3), normal(6, 3), np.array([0, 1, 4]), np.array([[1, 2], [3, 2], [5, 0]]))
def word2vec(inside, outside, words, others):
    u, v = inside[words], outside[others]
    scores = np.einsum("nd,nkd->nk", u, v)
    return -np.sum(np.log(sigmoid(scores[:, 0]))) - np.sum(np.log(sigmoid(-scores[:, 1:])))


@program(normal(5, 2), normal(4, 2), normal(5, 4), RNG.random((5, 4)) < 0.7)
def matrix_factorisation(U, V, ratings, seen):
    return np.sum(np.where(seen, ratings - U @ V.T, 0) ** 2) + 0.1 * (np.linalg.norm(U) ** 2 + np.sum(V * V))


@program(normal(3, 2), normal(6, 3), RNG.integers(0, 2, 6), normal(6))
def policy_gradient(theta, states, actions, rewards):
    returns = np.cumsum(rewards[::-1])[::-1]
    log_pi = np.log(softmax(states @ theta))
    advantage = (returns - returns.mean()) / returns.std()
    return -np.mean(log_pi[np.arange(len(actions)), actions] * advantage)


# --- physics, chemistry, optics ---------------------------------------------------------------------------------------


def runge_kutta(f, y, h, steps):
    path = [y]
    for _ in range(steps):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(y)
    return np.stack(path)


@program(np.array([0.6, 0.4, 0.5, 0.3]), np.array([1.0, 0.8]))
def predator_and_prey(rates, start):
    a, b, c, d = rates
    path = runge_kutta(lambda y: np.stack([y[0] * (a - b * y[1]), y[1] * (c * y[0] - d)]), start, 0.2, 6)
    return np.mean((path - 1.0) ** 2)


@program(normal(2, 4), normal(4, 2), normal(3, 2))
def neural_ode(W1, W2, y0):
    path = runge_kutta(lambda y: np.tanh(y @ W1) @ W2, y0, 0.3, 3)
    return np.sum(path[-1] ** 2)


@program(np.array([0.4, -0.7]), np.array([0.3, 0.2]))
def double_pendulum(angles, momenta):
    a, b = angles
    M = np.array([[2.0, 0.0], [0.0, 1.0]]) + np.cos(a - b) * np.array([[0.0, 1.0], [1.0, 0.0]])
    return 0.5 * momenta @ np.linalg.solve(M, momenta) - 9.81 * (2 * np.cos(a) + np.cos(b))


@program(np.array([0.8, 0.3]), np.linspace(0.1, 2.0, 8))
def chemical_kinetics(k, times):
    A = np.exp(-k[0] * times)
    B = k[0] / (k[1] - k[0]) * (np.exp(-k[0] * times) - np.exp(-k[1] * times))
    C = 1 - A - B
    return np.trapezoid(np.vstack([A, B, C]) ** 2, times, axis=1).sum()


@program(np.array([0.02, -0.015]), np.array([1.5, 1.6]), np.linspace(-0.3, 0.3, 5))
def lens(curvatures, indices, heights):
    y, slope, n = heights, np.zeros_like(heights), 1.0
    for c, m in zip(curvatures, indices, strict=True):
        incidence = np.arcsin(np.clip(c * y, -1, 1)) + np.arctan(slope)
        refracted = np.arcsin(n / m * np.sin(incidence))
        slope, n = np.tan(np.arctan(slope) + refracted - incidence), m
        y = y + 2.0 * slope
    return np.var(y) + np.ptp(y)


@program(normal(16), np.array(0.2))
def low_pass(signal, width):
    spectrum = np.fft.rfft(signal)
    gain = np.exp(-((np.fft.rfftfreq(16) / width) ** 2))
    smooth = np.fft.irfft(spectrum * gain, n=16)
    return np.sum((signal - smooth) ** 2) + np.sum(np.diff(smooth) ** 2)


@program(normal(5), np.array(0.7))
def interference(phases, wavelength):
    k = 2 * np.pi / wavelength
    x = np.linspace(-1, 1, 9)
    field = np.sum(np.exp(1j * (k * np.outer(x, np.arange(5)) * 0.3 + phases)), axis=1)
    intensity = np.abs(field) ** 2
    return intensity[4] / np.sum(intensity)


# --- finance, graphs, geometry ----------------------------------------------------------------------------------------


@program(np.array([90.0, 100.0, 115.0]), np.array(0.25), np.array(0.03))
def black_scholes(spot, volatility, rate):
    strike, t = 100.0, 0.5
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility**2) * t) / (volatility * np.sqrt(t))
    d2 = d1 - volatility * np.sqrt(t)
    cdf1, cdf2 = (0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (d + 0.044715 * d**3))) for d in (d1, d2))
    return np.sum(spot * cdf1 - strike * np.exp(-rate * t) * cdf2)


@program(normal(4), normal(12, 4, scale=0.1))
def portfolio(logits, returns):
    w = softmax(logits)
    covariance = np.cov(returns, rowvar=False)
    return -(returns.mean(axis=0) @ w) / np.sqrt(w @ covariance @ w) + 0.1 * np.sum(np.abs(w - 0.25))


@program(normal(3, 2), normal(10, 2))
def soft_k_means(centres, X):
    squared = np.sum(X**2, axis=1)[:, None] - 2 * X @ centres.T + np.sum(centres**2, axis=1)
    assignment = softmax(-5 * squared, axis=1)
    return np.average(squared, weights=assignment)


@program(normal(4, 4))
def page_rank(logits):
    links = softmax(logits, axis=0)
    rank = np.full(4, 0.25)
    for _ in range(8):
        rank = 0.85 * links @ rank + 0.15 / 4
    return -np.sum(rank * np.log(rank))


@program(normal(4, 2), normal(5, 2))
def sinkhorn(X, Y):
    cost = np.linalg.norm(X[:, None] - Y[None], axis=-1) ** 2
    f, g = np.zeros(4), np.zeros(5)
    for _ in range(5):
        f = -0.5 * np.log(np.mean(np.exp((g - cost) / 0.5), axis=1))
        g = -0.5 * np.log(np.mean(np.exp((f[:, None] - cost) / 0.5), axis=0))
    plan = np.exp((f[:, None] + g - cost) / 0.5) / 20
    return np.sum(plan * cost)


@program(normal(6), np.sort(RNG.uniform(0, 5, 9)), normal(9))
def spline(heights, x, y):
    knots = np.arange(6.0)
    return np.mean((np.interp(x, knots, heights) - y) ** 2) + 0.1 * np.sum(np.diff(heights, 2) ** 2)


@program(normal(9), np.linspace(-1, 1, 9))
def polynomial_fit(y, x):
    coefficients = np.polyfit(x, y, 3)
    return np.sum(np.polyval(coefficients, np.array([1.2, 1.5])) ** 2) + np.sum((np.polyval(coefficients, x) - y) ** 2)


@program(normal(4, 2))
def procrustes(X):
    Y = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    U, S, Vt = np.linalg.svd((Y - Y.mean(0)).T @ (X - X.mean(0)))
    return np.sum(((X - X.mean(0)) @ (U @ Vt).T - Y) ** 2) - np.prod(S)


@program(normal(5), normal(5))
def ranking(scores, relevance):
    differences = scores[:, None] - scores[None, :]
    pairs = np.triu(np.ones((5, 5)), 1) * np.sign(relevance[:, None] - relevance)
    return np.sum(np.abs(pairs) * np.log1p(np.exp(-pairs * differences))) / np.count_nonzero(pairs)
