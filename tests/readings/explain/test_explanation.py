"""Which term reaches what: against exact algebra, against the sum of the terms, and in words."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from measures import calls
from networks import forward

import minigrad as mg
import minigrad.graph

LAMBDA, M = 0.7, 12
EXAMPLE = Path(__file__).parents[3] / "examples" / "which_loss_reaches_what.py"


def rng():
    return np.random.default_rng(0)


def leaf(name, *shape):
    return mg.Tensor(rng().normal(size=shape), name=name)


def question():
    """The learner's network: relu, relu, sigmoid; cross-entropy + λ/(2m) Σ Wl²; named by ``names=`` alone."""
    r = rng()
    X, Y = mg.constant(r.normal(size=(2, M)), name="X"), mg.constant(r.random((1, M)) > 0.5, name="Y")
    W1, W2, W3 = (mg.Tensor(r.normal(size=shape)) for shape in ((5, 2), (3, 5), (1, 3)))
    b1, b2, b3 = (mg.Tensor(np.full((n, 1), 0.1)) for n in (5, 3, 1))
    names = forward(W1, W2, W3, b1, b2, b3, X, Y, LAMBDA, M)
    names["CE"].named("cross-entropy")
    names["L2"].named("L2")
    return names["J"], names


def vae():
    r, W, V, S = rng(), leaf("W", 4, 3), leaf("V", 3, 2), leaf("S", 2, 4)
    M_ = leaf("M", 2, 4)
    X = mg.constant(r.normal(size=(3, 7)), name="X")
    H = np.tanh(W @ X).named("H")
    mu, logvar = (M_ @ H).named("mu"), (S @ H).named("logvar")
    z = (mu + np.exp(0.5 * logvar) * r.normal(size=(2, 7))).named("z")
    reconstruction = np.mean(np.square(V @ z - X)).named("reconstruction")
    kl = (-0.5 * np.mean(1 + logvar - np.square(mu) - np.exp(logvar))).named("KL")
    return (reconstruction + 0.1 * kl).named("J")


def gan():
    G, D = leaf("G", 3, 2), leaf("D", 1, 3)
    real, noise = rng().normal(size=(3, 6)), rng().normal(size=(2, 6))
    fake = np.tanh(G @ noise).named("fake")
    generator = np.mean(np.logaddexp(0, -(D @ fake))).named("generator")
    on_real = np.mean(np.logaddexp(0, -(D @ real))).named("on real")
    on_fake = np.mean(np.logaddexp(0, D @ fake.detach())).named("on fake")
    return (generator + on_real + on_fake).named("J")


def auxiliary_heads():
    W = [leaf(f"W{i}", 3, 3) for i in range(4)]
    heads, H = [leaf(f"V{i}", 1, 3) for i in range(4)], mg.constant(rng().normal(size=(3, 5)), name="X")
    J = 0.0
    for i in range(4):
        H = np.tanh(W[i] @ H).named(f"H{i}")
        J = J + 0.5**i * np.mean(np.square(heads[i] @ H - 1)).named(f"head {i}")
    return J.named("J")


def closed_relu():
    Z, w = mg.Tensor([-1.0, -2.0, -3.0], name="Z"), mg.Tensor([1.0, 2.0, 3.0], name="w")
    A = np.maximum(Z, 0).named("A")
    return (np.sum(A * w).named("fit") - np.sum(np.square(w)).named("pull")).named("J")


NETWORKS = [lambda: question()[0], vae, gan, auxiliary_heads, closed_relu]


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_the_terms_add_up_to_the_gradient(network):
    J = network()
    e = mg.explain(J)
    nodes = [e.graph.by_name[name] for name in e.nodes]
    inner = [x for x in nodes if x.requires_grad and x is not J]
    for x, g in zip(inner, mg.gradients(J, inner), strict=True):
        name = e.graph.names[x]
        parts = [part for term in e.terms if (part := e.gradient(name, term=term)) is not None]
        np.testing.assert_allclose(sum(parts), g, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(e.gradient(name), g, rtol=1e-12, atol=1e-15)
        assert e.gradient(name).dtype == x.dtype


@pytest.mark.parametrize("network", NETWORKS)
def test_none_is_where_the_edges_lead_nowhere_and_only_there(network):
    e = mg.explain(network())
    for term in e.terms:
        reached = {name for name in e.nodes if e.gradient(name, term=term) is not None}
        assert reached == {name for name in e.nodes if e.graph.reaches(e.graph.by_name[name], term)}
        assert set(e.reaches(term)) == reached - {term}


def test_the_penalty_reaches_the_weights_and_adds_lambda_over_m_times_each():
    J, names = question()
    e = mg.explain(J, names)
    assert e.terms == ["cross-entropy", "L2"]
    assert e.reaches("L2") == ["W1", "W2", "W3"]
    assert not {"A1", "A2", "A3", "Z1", "Z2", "Z3", "b1", "b2", "b3"} - set(e.reaches("cross-entropy"))
    for name in ("W1", "W2", "W3"):
        np.testing.assert_allclose(e.gradient(name, term="L2"), LAMBDA / M * names[name].data, rtol=1e-14)
    assert e.gradient("A2", term="L2") is None


def test_a_coefficient_is_part_of_what_a_term_adds():
    w = mg.Tensor([1.0, 2.0], name="w")
    e = mg.explain((np.sum(w).named("up") - 3 * np.sum(w * w).named("down") / 2).named("J"))
    np.testing.assert_array_equal(e.gradient("w", term="down"), [-3.0, -6.0])
    np.testing.assert_array_equal(e.gradient("w"), [-2.0, -5.0])


def test_gradients_are_the_callers_own():
    J, names = question()
    e = mg.explain(J, names)
    for term in (None, "L2"):
        first = e.gradient("W1", term=term)
        kept = first.copy()
        assert type(first) is np.ndarray
        first[...] = 7.0
        np.testing.assert_array_equal(e.gradient("W1", term=term), kept)
    assert names["W1"].grad is None
    assert type(e.gradient("L2")) is np.ndarray


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_has_norms_and_dots():
    J, names = question()
    e = mg.explain(J, names)
    lines = {line.split()[0]: line for line in str(e).splitlines() if line}
    assert lines["A2"].split()[-2:] == ["·", f"{np.linalg.norm(e.gradient('A2')):.3g}"]
    assert lines["W1"].split()[-3] == f"{np.linalg.norm(e.gradient('W1', term='L2')):.3g}"
    assert "learned" in lines["W1"] and "constant" in lines["X"] and "J = cross-entropy + L2" in lines["J"]
    assert "no path" in str(e) and repr(e) == str(e)


def test_the_rows_are_the_table_as_data():
    rows = {row.name: row for row in mg.explain(vae()).rows()}
    assert rows["X"].kind == "constant" and rows["W"].kind == "learned" and rows["H"].kind == "intermediate"
    assert rows["V"].norms["KL"] is None and rows["V"].share("KL") is None and rows["V"].share("reconstruction") == 1
    assert rows["W"].shape == (4, 3) and rows["W"].share("KL") + rows["W"].share("reconstruction") == pytest.approx(1)


def test_a_long_table_is_cut_and_says_so():
    x = mg.Tensor(0.5, name="x")
    y = x
    for i in range(200):
        y = np.sin(y).named(f"y{i}")
    text = str(mg.explain(y))
    assert len(text.splitlines()) < 80 and "141 more" in text


# --- why: no path -----------------------------------------------------------------------------------------------------


def test_no_path_is_shown_by_what_the_term_is_computed_from():
    J, names = question()
    e = mg.explain(J, names)
    assert e.why("A2", "L2") == (
        "∂L2/∂A2 = 0, whatever the values: no path leads from A2 to L2.\n"
        "L2 is computed from the leaves W1, W2 and W3 alone; A2 is no ancestor of it.\n"
        "A2 is computed from W1 and W2, never the other way round: "
        "hold them fixed, and L2 stays as it is, whatever A2 is."
    )
    assert "b1 is no ancestor of it" in e.why("b1", "L2")
    assert "X is a constant, so no gradient" in e.why("X", "cross-entropy")
    assert "J is computed from L2, not L2 from J" in e.why("J", "L2")
    assert "no path leads from L2 to cross-entropy" in e.why("L2", "cross-entropy")


def test_a_use_without_gradient_is_no_path():
    x, y = mg.Tensor([1.0, 2.0], name="x"), mg.Tensor([1.0, -1.0], name="y")
    e = mg.explain(np.sum(np.copysign(x, np.tanh(y).named("h"))).named("J"))
    assert e.unreached == ["y"] and e.gradient("y") is None
    assert "np.copysign uses h" in e.why("y", "J")


@pytest.mark.parametrize("named", [True, False])
def test_a_detach_is_found_whether_or_not_the_node_has_a_name(named):
    W, V = leaf("W", 3, 2), leaf("V", 1, 3)
    H = np.tanh(W @ np.ones((2, 4)))
    if named:
        H.named("H")
    fit = np.sum(V @ H.detach()).named("fit")
    e = mg.explain(fit, {"W": W, "H": H})
    assert e.unreached == ["W"] and e.gradient("W") is None
    assert "Without that detach a path would lead to W, which H is computed from." in e.why("W", "fit")
    assert "W is learned, but fit is not computed from it" in str(e) and "so that no gradient goes back to H" in str(e)


def test_a_term_of_constants_is_a_term_that_reaches_nothing():
    W, frozen = leaf("W", 2, 2), mg.constant(np.ones((2, 2)), name="frozen")
    H = np.tanh(W).named("H")
    fit, dead = np.sum(H).named("fit"), np.sum(frozen * H.detach()).named("dead")
    for e in (mg.explain(fit + 0.5 * dead), mg.explain(fit + dead, terms={"dead": dead})):
        assert set(e.terms) == {"fit", "dead"} and e.reaches("dead") == [] and e.gradient("W", term="dead") is None
        assert "dead is computed from constants alone: frozen and H detached" in str(e)
        assert "Without that detach a path would lead to W" in e.why("W", "dead")
    offset = mg.constant(3.0, name="offset")
    assert mg.explain(fit + offset).terms == ["fit"]
    with pytest.raises(ValueError, match="no summand"):
        mg.explain(fit + 1, terms={"dead": dead})


def test_a_constant_that_is_only_called_detached_gets_no_sentence():
    W, other = leaf("W", 2, 2), mg.constant(np.ones((2, 2)), name="W detached")
    text = str(mg.explain(np.sum(W * other).named("fit")))
    assert "cut off" not in text
    H = (2.0 * W).named("H")
    fit = np.sum(W * H.detach().named("target")).named("fit")
    assert "fit uses target: the value of H, cut off from it" in str(mg.explain(fit, {"H": H}))


def test_the_discriminator_on_fakes_does_not_reach_the_generator():
    e = mg.explain(gan())
    assert "G" in e.reaches("generator") and e.reaches("on fake") == ["D"] == e.reaches("on real")
    assert "fake detached" in e.why("G", "on fake")


# --- why: a path ------------------------------------------------------------------------------------------------------


def test_a_path_is_listed_with_its_factors():
    J, names = question()
    e = mg.explain(J, names)
    assert "W2 → L2" in e.why("W2", "L2") and "dW2 = 0.05833333333333333 * W2" in e.why("W2", "L2")
    text = e.why("W1", "cross-entropy")
    assert "W1 → Z1 → A1 → Z2 → A2 → Z3 → A3 → cross-entropy" in text
    assert "= ∂cross-entropy/∂A3 · ∂A3/∂Z3 · ∂Z3/∂A2 · ∂A2/∂Z2 · ∂Z2/∂A1 · ∂A1/∂Z1 · ∂Z1/∂W1" in text
    assert "dA2 = W3.T @ dZ3" in text and "dZ1 = dA1 * (Z1 > 0)" in text and "dW1 = dZ1 @ X.T" in text
    assert "dZ3 = dA3 * A3 * (1 - A3)" in text
    assert f"open at {np.count_nonzero(names['A1'].data)} of {5 * M} units" in text


@pytest.mark.parametrize(
    ("node", "term"),
    [("W1", "L2"), ("W3", "L2"), *((node, "cross-entropy") for node in ("W1", "b2", "A2", "A3", "W3"))],
)
def test_the_factors_are_the_gradient(node, term):
    """What ``why`` prints is run, step by step, against the reverse walk."""
    J, names = question()
    e = mg.explain(J, names)
    values = {name: x.data for name, x in names.items() if isinstance(x, mg.Tensor)} | {"np": np}
    for line in e.why(node, term).splitlines():
        if line.startswith("    d"):
            target, _, formula = line.strip().partition(" = ")
            values[target] = eval(formula.partition("    (")[0], values)
    np.testing.assert_allclose(values[f"d{node}"], e.gradient(node, term=term), rtol=1e-5)


def test_a_factor_through_shared_unnamed_nodes_has_the_lines_of_the_derivation():
    a = mg.Tensor([1.0, 2.0], name="a")
    shared = np.exp(a)
    J = (np.sum(shared * shared).named("one") + 3 * np.sum(np.sin(shared)).named("two")).named("J")
    text = mg.explain(J).why("a", "two").splitlines()
    assert [line.strip() for line in text if " = " in line] == [
        "t1 = np.exp(a)",
        "dt1 = 3 * np.cos(t1)",
        "da = dt1 * t1",
    ]


def test_a_number_that_several_terms_send_is_not_taken_for_that_of_one():
    W = mg.Tensor([1.0, 2.0], name="W")
    s = np.sum(W).named("s")
    J = (s * 2).named("two") + (s * 3).named("three")
    text = mg.explain(J).why("W", "three")
    assert "5" not in text and "dW = ds sent back through sum" in text


def test_paths_are_counted_not_listed():
    x = mg.Tensor(1.0, name="x")
    y = x
    for _ in range(60):
        y = y + y
    assert f"{2**60:,} paths" in mg.explain(np.square(y).named("J")).why("x", "J")
    y = x
    for i in range(400):
        y = (np.sin(y).named(f"a{i}") * np.cos(y).named(f"b{i}")).named(f"y{i}")
    text = mg.explain(y).why("x", "y399")
    assert "more than 10^100 paths" in text and len(text) < 3000


def test_the_shortest_way_comes_first():
    x = mg.Tensor(1.0, name="x")
    long = np.sin(np.sin(np.sin(x).named("a")).named("b")).named("c")
    text = mg.explain((long * np.cos(x).named("short") * 1.0).named("J")).why("x", "J").splitlines()
    assert text[1].strip() == "x → short → J" and text[2].strip() == "x → a → b → c → J"


# --- why: a path, and the number is 0 ---------------------------------------------------------------------------------


def test_a_closed_relu_is_a_number_not_a_missing_path():
    e = mg.explain(closed_relu())
    np.testing.assert_array_equal(e.gradient("Z", term="fit"), np.zeros(3))
    assert e.gradient("Z", term="pull") is None
    assert "There is a path" in e.why("Z", "fit")
    assert "A = np.maximum(Z, 0): this ReLU is closed, at all 3 units" in e.why("Z", "fit")
    line = next(line for line in str(e).splitlines() if line.startswith("Z "))
    assert line.split()[-3:] == ["0", "·", "0"]


def test_a_relu_that_is_open_only_where_nothing_arrives():
    Z = mg.Tensor([1.0, -2.0], name="Z")
    e = mg.explain(np.sum(np.maximum(Z, 0).named("A") * np.array([0.0, 1.0])).named("J"))
    assert "closed at 1 of 2 units" in e.why("Z", "J")


def test_the_zero_factor_is_named():
    w, lam = mg.Tensor([1.0, 2.0], name="w"), mg.constant(0.0, name="lam")
    V, z = mg.Tensor(np.zeros((1, 2)), name="V"), mg.Tensor([0.0, 0.0], name="z")
    penalty = (lam * np.sum(w * w)).named("penalty")
    score, flat = np.sum(V @ w.reshape(2, 1)).named("score"), np.sum(np.square(z)).named("flat")
    gone = np.sum(w - w).named("gone")
    e = mg.explain((penalty + score + flat + gone + 0 * np.sum(w).named("off")).named("J"))
    assert "the other factor, lam, is 0" in e.why("w", "penalty")
    assert "the other factor, V, is 0" in e.why("w", "score")
    assert "np.square(z): its derivative is 0, at all 2 entries" in e.why("z", "flat")
    assert "adds up to exactly 0" in e.why("w", "gone")
    assert "the factor of off in J is 0" in e.why("w", "off")


# --- names and bad input ----------------------------------------------------------------------------------------------


def test_unknown_names_are_answered_with_near_ones():
    J, names = question()
    e = mg.explain(J, names)
    for ask in (lambda: e.gradient("dW2"), lambda: e.why("W22", "L2"), lambda: e.gradient("w2")):
        with pytest.raises(ValueError, match=r"no node .*W2"):
            ask()
    for ask in (lambda: e.gradient("W2", term="l2"), lambda: e.why("W2", "L 2"), lambda: e.reaches("L_2")):
        with pytest.raises(ValueError, match=r"no term .*L2"):
            ask()


@pytest.mark.parametrize("name", ["W\n2\x1b[31m", "\u202eW", "</script>", "%s{0}", "a" * 10_000])
def test_hostile_names_come_out_as_harmless_text(name):
    W, H = mg.Tensor([1.0, -1.0], name=name), mg.Tensor([1.0, 2.0], name="b")
    e = mg.explain((np.sum(np.maximum(W, 0)).named(name + "!") + np.sum(H).named("other")).named("J"))
    texts = [str(e), e.why(name, name + "!"), e.why(name, "other"), e.why("b", name + "!")]
    with pytest.raises(ValueError) as unknown:
        e.why(name + "?", "other")
    for text in (*texts, str(unknown.value)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert len(text) < 4000
    np.testing.assert_array_equal(e.gradient(name), [1.0, 0.0])


def test_what_has_no_gradient_is_refused():
    with pytest.raises(TypeError, match="not a Tensor"):
        mg.explain(3.0)
    with pytest.raises(ValueError, match="scalar"):
        mg.explain(mg.Tensor([1.0, 2.0]) * 2)
    with pytest.raises(ValueError, match="X"):
        mg.explain(np.sum(mg.constant([1.0], name="X")))


def test_one_term_and_an_unnamed_graph_work():
    W = mg.Tensor([3.0, 4.0])
    e = mg.explain(np.sum(W * W))
    assert e.terms == ["output"] and e.reaches("output") == ["leaf 1"] and "output" in str(e)
    np.testing.assert_array_equal(e.gradient("leaf 1"), [6.0, 8.0])


# --- cost -------------------------------------------------------------------------------------------------------------


def large(operations=5_000):
    x = mg.Tensor(0.5, name="x")
    h = x
    for i in range(operations):
        h = np.sin(h) if i % 2 else h * 1.0001
    terms = [np.square(h * float(k)).named(f"t{k}") for k in range(1, 6)]
    return sum(terms[1:], terms[0]), terms


def test_it_costs_little_more_than_a_backward_pass_per_term():
    J, terms = large()

    def backward():
        for term in terms:
            term.backward()

    assert calls(lambda: str(mg.explain(J))) < 1.5 * calls(backward)


@pytest.mark.slow
def test_why_is_quick_on_a_long_chain():
    short, long = (mg.explain(large(n)[0]) for n in (500, 5_000))
    assert calls(lambda: long.why("x", "t1")) < 11 * calls(lambda: short.why("x", "t1"))
    assert len(long.why("x", "t1")) < 1000


def test_no_walk_per_node(monkeypatch):
    """A graph is walked once per term, however many nodes are asked for."""
    J, names = question()
    e = mg.explain(J, names)
    walks, walk = [], minigrad.graph.walk
    monkeypatch.setattr(minigrad.graph, "walk", lambda seeds: walks.append(seeds) or walk(seeds))
    str(e), e.rows(), [(e.gradient(name), [e.why(name, term) for term in e.terms]) for name in e.nodes]
    assert len(walks) == 2


# --- do the terms pull together? --------------------------------------------------------------------------------------


def two_pulls(first, second, scale=1.0):
    """Two terms that send given vectors to w, and one that sends nothing there."""
    w, v = mg.Tensor(np.zeros(len(first)), name="w"), mg.Tensor([1.0], name="v")
    a, b = np.sum(w * (scale * np.array(first))).named("a"), np.sum(w * np.array(second)).named("b")
    return mg.explain((a + b + np.sum(v * 2).named("c")).named("J"))


@pytest.mark.parametrize(
    ("first", "second", "cosine"),
    [
        ([3.0, 4.0], [3.0, 4.0], 1),
        ([3.0, 4.0], [-6.0, -8.0], -1),
        ([3.0, 4.0], [4.0, -3.0], 0),
        ([1, 0], [1, 1], 0.5**0.5),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_cosine_is_that_of_the_angle_between_what_two_terms_send(first, second, cosine, scale):
    e = two_pulls(first, second, scale)
    assert e.cosine("w", "a", "b") == pytest.approx(cosine, abs=1e-12) == e.cosine("w", "b", "a")


def test_there_is_no_cosine_where_a_term_has_no_path():
    e = two_pulls([1.0], [2.0])
    assert e.cosine("w", "a", "c") is None and e.cosine("v", "a", "b") is None
    assert np.isnan(two_pulls([0.0, 0.0], [1.0, 2.0]).cosine("w", "a", "b"))
    with pytest.raises(ValueError, match="no term called 'd'"):
        e.cosine("w", "a", "d")


def test_the_table_has_the_cosine_where_two_terms_meet():
    lines = str(two_pulls([3.0, 4.0], [-3.0, -4.0])).splitlines()
    assert lines[2].endswith("cosine") and next(line for line in lines if line.startswith("w ")).endswith(" -1.00")
    assert "-1 where they pull against each other" in str(two_pulls([1.0], [1.0]))
    w = mg.Tensor([1.0, 2.0], name="w")
    five = mg.explain(sum(np.sum(w**k).named(f"t{k}") for k in range(1, 6)).named("J"))
    assert "cos(" not in str(five) and "cosine(node, term, term)" in str(five)
    x = mg.Tensor([1.0], name="x")
    assert "cosine" not in str(mg.explain(np.sum(x).named("one") + np.sum(mg.Tensor([2.0], name="y")).named("two")))


def test_at_a_minimum_two_terms_hold_each_other_in_balance():
    a, lam = rng().normal(size=(6, 3)), 0.8
    y = rng().normal(size=6)
    w = mg.Tensor(np.linalg.solve(a.T @ a + lam * np.eye(3), a.T @ y), name="w")
    J = np.sum(np.square(a @ w - y)).named("fit") + (lam * np.sum(np.square(w))).named("ridge")
    assert mg.explain(J).cosine("w", "fit", "ridge") == pytest.approx(-1, abs=1e-9)


# --- the example ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("which_loss_reaches_what", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_finds_the_term_that_reaches_nothing(example, tmp_path, capsys):
    cut, mended = example.main(tmp_path)
    told = capsys.readouterr().out
    assert "match reaches nothing that is learned" in told and "cut off from it" in told
    assert mg.explain(cut).reaches("match") == []
    assert mg.explain(mended).reaches("match") == ["W_encoder", "b_encoder", "H"]
    assert {path.name for path in tmp_path.iterdir()} == {"which_loss_forgotten_detach.svg", "which_loss_mended.svg"}


def test_the_mended_term_is_learned_from(example, capsys):
    _, cut = example.train(detached=True)
    _, mended = example.train(detached=False)
    assert mended.item() < 0.7 * cut.item()
