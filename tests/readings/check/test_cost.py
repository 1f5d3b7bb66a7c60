"""Gradients that are right for another cost than the one that is recorded."""

import numpy as np

import minigrad as mg
from minigrad.readings.check.kinds import Kind
from minigrad.readings.check.report import check


def regression(cost, seed=3, width=1):
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(7, 4)), rng.normal(size=7)
    W, c = mg.Tensor(rng.normal(size=(4, width)), name="W"), mg.Tensor(np.full(width, 0.2), name="c")
    out = (X @ W + c).named("out")
    dout = 2 * (out.data - t[:, None])
    return cost(out, t).named("J"), {"dout": dout, "dW": X.T @ dout, "dc": dout.sum(0)}


def test_a_row_that_meets_a_column_is_said_to_be_the_mistake():
    J, gradients = regression(lambda out, t: np.sum((out - t) ** 2))
    report = check(J, gradients)
    (mistake,) = report.mistakes
    assert mistake.kind is Kind.COST and "a row (7,) meets a column (7, 1)" in mistake.message and "in J" in str(report)
    assert check(regression(lambda out, t: np.sum((out - t[:, None]) ** 2))[0], gradients).ok


def test_a_slip_beside_a_table_is_no_reason_to_blame_the_cost_alone():
    J, gradients = regression(lambda out, t: np.sum((out - t) ** 2))
    report = check(J, gradients | {"dW": gradients["dW"][::-1]})
    assert Kind.COST not in [m.kind for m in report.mistakes] and "may be meant otherwise" in report.notes[-1]


def test_a_matrix_product_of_all_labels_with_all_outputs_is_found_in_both_halves_of_a_cost():
    rng = np.random.default_rng(6)
    X, Y = rng.normal(size=(3, 5)), np.array([[0.0, 1, 1, 0, 1]])
    v = mg.Tensor(rng.normal(size=(1, 3)), name="v")
    P = (1 / (1 + np.exp(-(v @ X)))).named("P")
    J = -np.sum(Y.T @ np.log(P) + (1 - Y).T @ np.log(1 - P)) / 5
    (mistake,) = check(J, {"dv": (P.data - Y) @ X.T / 5}).mistakes
    assert mistake.kind is Kind.COST and "(5, 1) @ (1, 5)" in mistake.message


def test_a_sum_for_a_mean_may_be_the_fault_of_either():
    J, gradients = regression(lambda out, t: np.mean((out - t[:, None]) ** 2))
    report = check(J, gradients)
    assert report.mistakes[0].kind is Kind.FACTOR and "np.mean where np.sum is meant" in report.notes[-1]
    assert not check(J, {name: g / 7 if name != "dW" else g for name, g in gradients.items()}).notes


def test_a_reduction_without_keepdims_is_pointed_out_where_it_becomes_a_row():
    rng = np.random.default_rng(1)
    S = mg.Tensor(rng.normal(size=(4, 4)), name="S")
    Z = (S - np.max(S, axis=1)).named("Z")
    J = np.sum(Z**2)
    report = check(J, {"dZ": 2 * Z.data, "dS": 2 * Z.data})
    assert "in Z, what was reduced over axis 1 is used as a row (4,), but is a column" in report.notes[-1]
