"""Linear algebra: values as NumPy's, derivatives to second order as those of differences, and where there are none."""

import math

import numpy as np
import pytest
from measures import some_quick
from rows import assert_row

import minigrad as mg

L = np.linalg
SQUARE, STACK = (3, 3), (2, 3, 3)
B = np.array([1.0, 2.0, -3.0])
ORDERS = [None, 1, 2, -1, -2, math.inf, -math.inf, "fro", "nuc"]


def of_symmetric(f):
    return lambda a: f(a + np.swapaxes(a, -1, -2))


def of_definite(f):
    return lambda a: f(a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1], dtype=a.dtype))


def squares(parts):
    """Free of the signs that vectors have by chance."""
    return [part * part for part in parts]


CASES = [
    *[(f"solve {b}", L.solve, [a, b]) for a in (SQUARE, STACK) for b in ((3,), (3, 2), (2, 3, 1))],
    ("inv", L.inv, [STACK]),
    ("pinv, tall", L.pinv, [(4, 2)]),
    ("pinv, wide", lambda a: L.pinv(a, rcond=1e-8), [(2, 2, 3)]),
    ("pinv, nothing cut", lambda a: L.pinv(a, rtol=np.array([1e-3, 1e-9])), [(2, 2, 3)]),
    ("det", L.det, [STACK]),
    ("slogdet", lambda a: L.slogdet(a).sign * L.slogdet(a)[1], [STACK]),
    ("cholesky", of_definite(L.cholesky), [STACK]),
    ("cholesky, upper", of_definite(lambda a: L.cholesky(a, upper=True)), [SQUARE]),
    ("eigvalsh", of_symmetric(L.eigvalsh), [STACK]),
    ("eigh, values", of_symmetric(lambda a: L.eigh(a).eigenvalues), [SQUARE]),
    ("eigh, vectors", of_symmetric(lambda a: squares(L.eigh(a))), [STACK]),
    ("eigh, upper", of_symmetric(lambda a: squares(L.eigh(a, UPLO="U"))), [SQUARE]),
    ("svdvals", L.svdvals, [(2, 3, 4)]),
    ("svd, values", lambda a: L.svd(a, compute_uv=False), [(3, 2)]),
    ("svd", lambda a: squares(L.svd(a)), [SQUARE]),
    ("svd, tall", lambda a: squares(L.svd(a, full_matrices=False)), [(4, 2)]),
    ("svd, wide", lambda a: squares(L.svd(a, full_matrices=False)), [(2, 2, 4)]),
    ("qr", lambda a: [*L.qr(a)], [STACK]),
    ("qr, tall", lambda a: [*L.qr(a)], [(4, 2)]),
    ("qr, wide", lambda a: [*L.qr(a, mode="complete")], [(2, 4)]),
    ("qr, r", lambda a: L.qr(a, mode="r"), [(4, 2)]),
    ("lstsq", lambda a, b: L.lstsq(a, b, rcond=None)[0], [(5, 3), (5,)]),
    ("lstsq, residuals", lambda a, b: [*L.lstsq(a, b)[:2]], [(5, 3), (5, 2)]),
    ("lstsq, wide", lambda a, b: L.lstsq(a, b)[0], [(2, 3), (2,)]),
    *[(f"matrix_power {n}", lambda a, n=n: L.matrix_power(a, n), [STACK]) for n in (-2, 1, 5)],
    ("multi_dot", lambda a, b, c: L.multi_dot([a, b, c]), [(2, 3), (3, 4), (4, 2)]),
    ("multi_dot of vectors", lambda a, b, c: L.multi_dot([a, b, c]), [(3,), (3, 4), (4,)]),
    *[(f"norm {p}", lambda x, p=p: L.norm(x, p), [(4,)]) for p in (None, 1, 2, 3, 1.5, math.inf, -math.inf, -1)],
    *[(f"norm of a matrix, {p}", lambda x, p=p: L.norm(x, p), [(3, 4)]) for p in ORDERS],
    *[(f"norm, axes, {p}", lambda x, p=p: L.norm(x, p, (-1, 0), keepdims=True), [(3, 2, 4)]) for p in ORDERS],
    ("norm, axis", lambda x: L.norm(x, axis=1, keepdims=True), [(2, 3)]),
    ("vector_norm", L.vector_norm, [(2, 3)]),
    ("vector_norm, axes", lambda x: L.vector_norm(x, axis=(0, 2), ord=3, keepdims=True), [(2, 3, 2)]),
    ("vector_norm, axis", lambda x: L.vector_norm(x, axis=1, ord=1), [(2, 3)]),
    ("matrix_norm", L.matrix_norm, [STACK]),
    ("matrix_norm, nuclear", lambda a: L.matrix_norm(a, ord="nuc"), [STACK]),
    *[(f"cond {p}", lambda a, p=p: L.cond(a, p), [STACK]) for p in (None, 1, -2)],
    ("cross", np.cross, [(2, 3), (3,)]),
    ("cross, axis", lambda a, b: np.cross(a, b, axis=0), [(3, 2), (3, 2)]),
    ("linalg.cross", lambda a, b: L.cross(a, b, axis=0), [(3, 2), (3, 2)]),
    ("tensorsolve", L.tensorsolve, [(2, 3, 6), (2, 3)]),
    ("tensorsolve, axes", lambda a, b: L.tensorsolve(a, b, axes=(0, 2)), [(2, 6, 3), (6,)]),
    ("tensorinv", lambda a: L.tensorinv(a, ind=2), [(2, 3, 6)]),
    ("linalg.outer", L.outer, [(2,), (3,)]),
    ("linalg.vecdot", lambda a, b: L.vecdot(a, b, axis=0), [(3, 2), (3, 2)]),
    ("linalg.matmul", L.matmul, [SQUARE, SQUARE]),
    ("linalg.tensordot", lambda a, b: L.tensordot(a, b, axes=1), [SQUARE, SQUARE]),
    ("matrix_transpose", L.matrix_transpose, [STACK]),
]


@pytest.mark.parametrize(("f", "shapes"), some_quick(case[1:] for case in CASES), ids=[case[0] for case in CASES])
def test_function(f, shapes, rng):
    assert_row(f, [rng.normal(size=shape) for shape in shapes], rtol=1e-7, atol=1e-9)


DEEP = (2, 2, 3, 3)  # a stack of stacks: an axis that is counted from the wrong end is another one


@pytest.mark.parametrize(
    "f",
    [
        of_definite(L.cholesky),
        of_symmetric(L.eigvalsh),
        L.det,
        L.diagonal,
        L.trace,
        lambda a: [*L.qr(a[..., :2, :])],
        lambda a: L.vecdot(a, a + 1),
        lambda a: np.cross(a, a[..., ::-1]),
        lambda a: L.vector_norm(a, axis=(0, 1)),
    ],
)
def test_stacks_of_stacks(f, rng):
    assert_row(f, [rng.normal(size=DEEP)], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("f", "a"),
    [
        (lambda a: L.matrix_power(a, 0) @ a, np.ones((2, 2))),  # which has no inverse
        (lambda a: L.cond(a, 2), np.array([[1.0, 2.0], [0.0, 3.0], [4.0, 0.0]])),
    ],
)
def test_what_other_matrices_are_not_told_apart_by(f, a):
    assert_row(f, [a], rtol=1e-7, atol=1e-9)


def test_the_vectors_of_a_square_matrix_have_derivatives_where_a_singular_value_is_0():
    A = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 1.0], [2.0, 2.0, 1.0]])
    of_last = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]) / np.sqrt(3)  # moves the kernel's row alone
    mg.check_grads(lambda t: L.svd(A + t * (A @ of_last))[0][:, :2] ** 2, (np.array(0.0),), atol=1e-5)


def test_least_squares_leave_out_what_rcond_says():
    a, b = np.diag([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(L.lstsq(mg.Tensor(a), b, rcond=0.5)[0].data, [1 / 3, 0, 2])


def test_a_norm_is_recorded_with_the_options_that_were_given():
    W = mg.Tensor(np.ones((2, 3)), name="W")
    assert L.norm(W, axis=0).options == {"axis": 0} and L.norm(W).options == {}


SINGULAR = {
    "rank 2": np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, -1.0]]),
    "rank 1": np.outer([1.0, 2.0, -1.0], [3.0, 1.0, 2.0]),
    "0": np.zeros((3, 3)),
    "1": np.eye(3),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_a_determinant_is_a_polynomial_also_of_singular_matrices(name):
    mg.check_grads(L.det, (SINGULAR[name],), atol=1e-6)


def test_symmetric_matrices_have_symmetric_gradients():
    A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 5.0]])
    for f in (lambda A: np.sum(L.cholesky(A)), lambda A: np.sum(L.eigh(A).eigenvectors[:, 0] ** 4)):
        g = mg.grad(f)(A)
        assert np.allclose(g, g.T)
        mg.check_grads(lambda t, f=f: f(A + t * np.diag([1.0, 2.0, 3.0])), (np.array(0.3),))


def test_eigenvalues_that_repeat_have_derivatives_and_their_vectors_none():
    assert np.allclose(mg.grad(lambda A: np.sum(L.eigvalsh(A) ** 3))(2 * np.eye(3)), 12 * np.eye(3))
    assert np.allclose(mg.grad(lambda A: np.sum(L.svdvals(A)))(2 * np.eye(3)), np.eye(3))
    nearly = np.diag([1.0, 1.0 + 2e-16, 3.0])
    for A in (np.eye(3), nearly):
        with pytest.raises(ValueError, match="eigenvalues that repeat have no derivative"):
            mg.grad(lambda A: L.eigh(A)[1][0, 0])(A)
        with pytest.raises(ValueError, match="singular values that repeat have no derivative"):
            mg.grad(lambda A: L.svd(A)[0][0, 0])(A)
        with pytest.raises(ValueError, match="eigenvalues that repeat"):
            mg.hessian(lambda A: np.sum(L.eigvalsh(A) ** 2))(A)


@pytest.mark.parametrize("f", [L.inv, L.cholesky, lambda a: L.solve(a, np.ones(2))])
def test_what_numpy_refuses_is_refused_with_its_error(f):
    with pytest.raises(L.LinAlgError, match=r"of A \(2, 2\) float64"):
        f(mg.Tensor(np.zeros((2, 2)), name="A"))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (L.svd, r"np\.linalg\.svd of A .*give full_matrices=False"),
        (lambda A: L.qr(A, mode="complete"), r"np\.linalg\.qr of A .*mode='reduced'"),
        (lambda A: L.eig(A.T @ A), r"np\.linalg\.eig .*np\.linalg\.eigh"),
        (lambda A: L.norm(A, 3), r"np\.linalg\.norm of A .*ord=3 is no norm of matrices"),
        (lambda A: L.norm(A[0], "fro"), r"np\.linalg\.norm .*ord='fro' is no norm of vectors"),
        (lambda A: L.norm(A[0], (-1,)), r"np\.linalg\.norm .*ord=\(-1,\) is no norm of vectors"),
        (lambda A: L.norm(A[None], 2), r"np\.linalg\.norm .*one axis or two"),
        (lambda A: np.gradient(A, edge_order=2), r"np\.gradient of A .*axis 1 has 2 entries; edge_order=2 takes 3"),
        (lambda A: np.pad(A, 1, "reflect", reflect_type="odd"), r"np\.pad of A .*odd reflection.*np\.concatenate"),
        (lambda A: np.pad(A, 1, lambda *args: None), r"np\.pad of A .*is not recorded"),
        (lambda A: np.choose([0, 2], [A[0], A[1]]), r"np\.choose .*none of the 2 choices"),
        (lambda A: np.choose([0, -1], [A[0], A[1]]), r"np\.choose .*none of the 2 choices"),
        (lambda A: np.poly(A[:2]), r"np\.poly: .*np\.linalg\.eigvalsh"),
        (lambda A: np.cross(A, A), r"np\.cross of A .*three entries"),
    ],
)
def test_what_has_no_derivative_says_what_to_do(f, message):
    with pytest.raises((TypeError, ValueError), match=message):
        f(mg.Tensor(np.arange(6.0).reshape(3, 2) + np.eye(3, 2), name="A"))


@pytest.mark.parametrize(
    "f", [lambda x: L.norm(x) ** 2, lambda x: np.hypot(x[0], x[1]) ** 2, lambda x: np.std(x) ** 2], ids=str
)
def test_lengths_of_0_have_a_first_derivative_and_no_second(f):
    x = np.zeros(2)
    assert np.array_equal(mg.grad(f)(x), x)
    with pytest.raises(ValueError, match="has no second derivative; its square has one"):
        mg.hessian(f)(x)
    with pytest.raises(ValueError, match="has no second derivative"):
        mg.compile(mg.hessian(f))(x)


def test_the_number_of_entries_that_are_not_0_is_flat():
    x = mg.Tensor([3.0, 0.0, -1.0])
    assert L.norm(x, 0) == 2 and type(L.norm(x, 0)) is np.float64


@pytest.mark.parametrize(
    "f", [lambda a: L.pinv(a, 0.5), lambda a: L.pinv(a, rtol=0.5), lambda a: L.lstsq(a, B, 0.5)[0]]
)
def test_a_cutoff_that_leaves_out_singular_values_has_no_derivative(f):
    with pytest.raises(ValueError, match=r"pinv.*singular values that are not 0.*smaller rcond"):
        mg.grad(lambda a: np.sum(f(a)))(np.diag([3.0, 1.0, 2.0]))


def test_a_cutoff_of_rounding_alone_keeps_the_rank():
    def f(a):
        return np.sum(L.pinv(np.outer(a, B), 1e-9))  # b aᵀ / (|a|² |b|²)

    a = np.array([2.0, -1.0, 0.5])
    scale = B.sum() / (B @ B)
    assert np.allclose(mg.grad(f)(a), scale * (1 / (a @ a) - 2 * a * a.sum() / (a @ a) ** 2))


def test_a_cutoff_that_leaves_out_everything_has_the_derivative_0():
    assert np.array_equal(mg.grad(lambda a: np.sum(L.pinv(a, 1)))(np.array([[3.0, 1.0], [0.5, 2.0]])), np.zeros((2, 2)))


@pytest.mark.parametrize("f", [np.linalg.pinv, lambda a: np.linalg.svd(a)[0]])
def test_infinite_entries_are_refused_where_they_would_hang(f):
    with pytest.raises(np.linalg.LinAlgError, match=r"linalg\.(pinv|svd)"):
        f(mg.Tensor([[np.inf, 1.0], [1.0, 2.0]]))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_determinant_of_infinite_entries_has_no_derivative():
    J = np.linalg.det(mg.Tensor([[np.inf, 1.0], [1.0, 2.0]]))
    with pytest.raises(np.linalg.LinAlgError, match="not converge"):
        J.backward()


def test_a_part_of_several_results_bears_its_name():
    assert np.linalg.slogdet(mg.Tensor(np.eye(2))).logabsdet.function.__name__ == "logabsdet"
