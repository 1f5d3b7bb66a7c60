"""The vocabulary of the readings: terms, names, reach and scopes."""

import weakref

import numpy as np
import pytest
from measures import calls

import minigrad as mg
from minigrad.engine.node import ancestors, passes_gradient
from minigrad.graph import Graph
from minigrad.text.words import headline


@pytest.fixture
def leaves():
    return mg.Tensor([1.0, 2.0], "a"), mg.Tensor([3.0, 4.0], "b"), mg.Tensor(5.0, "c")


def terms(J, **options):
    return {name: (t.node, t.coefficient) for name, t in Graph(J, **options).terms.items()}


# --- terms ------------------------------------------------------------------------------------------------------------


def test_named_summands_are_the_terms(leaves):
    a, b, c = leaves
    ce = np.sum(a * b).named("ce")
    l2 = (0.5 * (np.sum(a * a) + np.sum(b * b))).named("L2")
    assert terms(ce + l2) == {"ce": (ce, 1), "L2": (l2, 1)}  # L2 has a name and is not split
    assert terms(ce + c) == {"c": (c, 1), "ce": (ce, 1)}  # oldest first


def test_signs_and_constant_factors_multiply_along_the_way(leaves):
    a, b, c = leaves
    x, y, z = np.sum(a).named("x"), np.sum(b).named("y"), (c * c).named("z")
    J = -(x - 3 * (y - 0.25 * z) / 2) + 7
    assert terms(J) == {"x": (x, -1), "y": (y, 1.5), "z": (z, -0.375)}


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_summand_divided_by_zero_is_a_term_all_the_same(leaves):
    a, _, c = leaves
    x = np.sum(a).named("x")
    assert terms(c + x / 0.0) == {"c": (c, 1), "x": (x, np.inf)}


def test_a_term_that_occurs_twice_is_one(leaves):
    a, b, _ = leaves
    x, y = np.sum(a).named("x"), np.sum(b).named("y")
    assert terms(x + y + x) == {"x": (x, 2), "y": (y, 1)}
    assert terms(x - x + y) == {"x": (x, 0), "y": (y, 1)}


def test_unnamed_summands_are_numbered_whole(leaves):
    a, b, _ = leaves
    first, second = 2 * np.sum(a), -np.sum(b)
    assert terms(first + second) == {"term 1": (first, 1), "term 2": (second, 1)}
    taken = np.sum(a).named("term 1")
    assert terms(taken + second) == {"term 2": (second, 1), "term 1": (taken, 1)}


def test_one_summand_is_one_term_the_root_itself(leaves):
    a, _, c = leaves
    J = np.sum(a * a)
    assert terms(J) == {"output": (J, 1)}
    assert list(terms(J.named("J"))) == ["J"]
    product = c * np.sum(a)  # two differentiable factors are no sum
    assert terms(product) == {"output": (product, 1)}
    shifted = np.sum(a) + 3
    assert terms(shifted) == {"output": (shifted, 1)}


def test_a_root_that_is_no_scalar_is_one_term(leaves):
    a, b, _ = leaves
    J = a + b
    assert terms(J) == {"output": (J, 1)}


def test_a_root_of_constants_has_no_term():
    assert terms(mg.constant(2.0) * 3) == {}


def test_given_terms_override_names_and_order(leaves):
    a, b, _ = leaves
    x, y = np.sum(a), np.sum(b).named("y")
    assert terms(x + y, terms={"L2": y, "data": x}) == {"L2": (y, 1), "data": (x, 1)}
    whole = x + y
    assert terms(whole * 2 + x, terms={"both": whole}) == {"both": (whole, 2), "term 1": (x, 1)}
    with pytest.raises(ValueError, match="'z' of terms= is no summand of the root"):
        Graph(x + y, terms={"z": x * 3})
    with pytest.raises(TypeError, match="term 'z' is a float, not a Tensor"):
        Graph(x + y, terms={"z": 1.0})
    with pytest.raises(TypeError, match="the root is a ndarray, not a Tensor"):
        Graph(np.ones(2))


@pytest.mark.slow
def test_summands_are_read_in_linear_time():
    x = mg.Tensor(1.0, "x")

    def summands(n):
        J = x * x
        for _ in range(n):
            J = J + x
        return J

    short, long = summands(500), summands(5_000)
    assert Graph(long).terms["x"].coefficient == 5_000
    assert calls(lambda: Graph(long)) < 11 * calls(lambda: Graph(short))


def test_the_terms_of_sixty_doublings_are_one():
    y = x = mg.Tensor(1.0, "x")
    for _ in range(60):
        y = y + y
    assert terms(y) == {"x": (x, 2.0**60)}


def test_the_terms_add_up_to_the_gradient(leaves):
    a, b, c = leaves
    x, y = np.sum(a * b).named("x"), (np.sum(a) * c).named("y")
    J = 2 * x - y / 4 + np.prod(b)
    graph = Graph(J)
    total = sum(graph.cotangents(term).get(a, 0) for term in graph.terms)
    np.testing.assert_allclose(total, mg.gradients(J, [a])[0])


# --- what all readings see alike --------------------------------------------------------------------------------------


READINGS = [mg.explain, mg.derive, lambda J, **options: mg.check(J, {}, **options)]


@pytest.mark.parametrize("named", [True, False])
def test_a_constant_summand_is_a_term_that_reaches_nothing(named):
    W = mg.Tensor([1.0, 2.0], "W")
    old, fit = np.sum(np.square(W.detach())), np.sum(W * W)
    terms = {} if named else {"fit": fit, "old": old}
    if named:
        old.named("old"), fit.named("fit")
    J = (fit - 0.5 * old).named("J")
    graph = Graph(J, terms=terms)
    assert {name: t.coefficient for name, t in graph.terms.items()} == {"fit": 1.0, "old": -0.5}
    assert not any(graph.reaches(x, "old") for x in graph.nodes) and not graph.cotangents("old")
    assert mg.explain(J, terms=terms).reaches("old") == []
    assert "old: no path to W" in mg.derive(J, terms=terms).text()
    assert mg.check(J, {"dW": 2 * W.data}, terms=terms).ok
    assert "J = fit − 0.5 · old (constant)" in mg.draw(J, terms=terms).source


def test_an_offset_is_no_term_but_stands_in_the_headline(leaves):
    a, b, _ = leaves
    J = np.sum(a).named("x") + np.sum(b).named("y") - mg.constant(2.0, "k")
    assert list(Graph(J).terms) == ["x", "y"] and Graph(J).offset == -2.0
    assert headline(Graph(J)) == "output = x + y - 2"


@pytest.mark.parametrize("reading", READINGS)
def test_a_cost_is_a_scalar_that_depends_on_a_leaf(reading):
    for root in (mg.Tensor([1.0, 2.0], "W") * 2, np.sum(mg.constant([1.0], "c") * 2), mg.constant(1.0, "c")):
        with pytest.raises(ValueError, match="must be a scalar that depends on a leaf") as error:
            reading(root)
        assert "gradient=" not in str(error.value)


def test_a_given_term_has_one_name(leaves):
    a, b, _ = leaves
    x = np.sum(a).named("x")
    J = x + np.sum(b).named("y")
    graph = Graph(J, terms={"penalty": x})
    assert graph.names[x] == "penalty" and list(graph.terms) == ["penalty", "y"]
    assert " x" not in str(mg.explain(J, terms={"penalty": x}))
    with pytest.raises(ValueError, match="one node two names, 'first' and 'second'"):
        Graph(J, terms={"first": x, "second": x})


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_of_its_own_wins_and_the_mapping_names_the_rest():
    W, b = mg.Tensor([1.0], "W"), mg.Tensor([2.0])
    Z = W * b
    J = np.sum(Z)
    names = Graph(J, names={"V": W, "Z": Z, "n": 3, "other": mg.Tensor(1.0)}).names
    assert names == {W: "W", Z: "Z", b: "leaf 1", J: "output"}


def test_two_nodes_of_one_name_raise_and_say_which():
    W = mg.Tensor([1.0], "W")
    Z = (W * 2).named("W")
    with pytest.raises(
        ValueError, match=r"two nodes are called 'W': a leaf \(1,\) float64, and the result of multiply"
    ):
        Graph(np.sum(Z))
    A = W * 3
    with pytest.raises(ValueError, match="two nodes are called 'W'"):
        Graph(np.sum(A), names={"W": A})


def test_two_names_of_one_node_are_no_mistake():
    W = mg.Tensor([1.0])
    assert Graph(np.sum(W), names={"first": W, "second": W}).names[W] == "first"


def test_a_name_that_begins_with_an_underscore_loses_and_a_notebook_s_history_is_no_name():
    W, b = mg.Tensor([1.0]), mg.Tensor([2.0])
    J = np.sum(W * b)
    names = Graph(J, {"_": W, "_3": W, "__": b, "_i2": b, "_hidden": W, "weight": W, "_b": b, "Out": J}).names
    assert names == {W: "weight", b: "_b", J: "output"}


def dict_and_loop():
    """The commonest way to write a network: parameters in a dictionary, layers in a loop."""
    rng = np.random.default_rng(0)
    params = {f"{kind}{i}": mg.Tensor(rng.normal(size=(3, k))) for i in (1, 2, 3) for kind, k in (("W", 3), ("b", 1))}
    X = rng.normal(size=(3, 5))
    A = X
    for i in (1, 2, 3):
        with mg.scope(f"layer {i}"):
            Z = params[f"W{i}"] @ A + params[f"b{i}"]
            A = np.tanh(Z)
    L2 = sum(np.sum(params[f"W{i}"] ** 2) for i in (1, 2, 3))
    J = np.mean(A) + L2
    for t in params.values():
        t.zero_grad()
    return J, locals()


def test_names_are_looked_for_one_level_deep_and_a_scope_names_what_its_block_assigns():
    J, names = dict_and_loop()
    graph = Graph(J, names)
    layers = [f"layer {i}.{kind}" for i in (1, 2, 3) for kind in "ZA"]
    parameters = [f"params.{kind}{i}" for i in (1, 2, 3) for kind in "Wb"]
    assert {*graph.names.values()} == {*layers, *parameters, "L2", "J", "term 1"}
    assert graph.by_name["A"] is graph.by_name["layer 3.A"] is names["A"]
    assert graph.name_of_array(names["X"].copy()) == "X" and graph.name_of_array(names["X"] + 1) is None
    assert mg.derive(J, names).line("layer 1.Z") == "layer_1_Z = params_W1 @ X + params_b1"
    assert mg.explain(J, names).reaches("L2") == ["params.W1", "params.W2", "params.W3"]


def test_members_of_lists_and_objects_have_their_places_as_names():
    class Net:
        def __init__(self):
            self.W = mg.Tensor([1.0])

        @property
        def broken(self):
            raise RuntimeError

    net, layers, W = Net(), [mg.Tensor([2.0]), mg.Tensor([3.0])], mg.Tensor([4.0])
    layers.append(layers)
    J = np.sum(net.W * layers[0] * layers[1] * W)
    names = Graph(J, {"net": net, "layers": layers, "W": W, "all": [W], "np": np, "cycle": {"a": 1}}).names
    assert {*names.values()} == {"net.W", "layers[0]", "layers[1]", "W", "output"}


def test_a_scope_names_without_its_own_name_where_one_is_enough():
    x = mg.Tensor([1.0], "x")
    with mg.scope("encoder"):
        h = np.tanh(x)
    for _ in range(2):
        with mg.scope("step"):
            y = h * 2
            h = np.sin(y)
    names = Graph(np.sum(h)).names
    assert [*names.values()] == ["x", "encoder.h", "step.y", "step.h", "step.y 1", "step.h 1", "output"]
    with mg.scope("head"):
        z = np.sum(np.exp(x) * 1.0)
    assert Graph(z + 0.0).names[z] == "z"


def test_a_scope_keeps_no_graph_alive():
    with mg.scope("block"):
        y = mg.Tensor([1.0], "x") * 2
    gone = weakref.ref(y)
    scope = y.scope
    del y
    assert gone() is None and scope == ("block",)
    names = locals()
    with mg.scope("block"):
        z = mg.Tensor([1.0], "x") * 2
    assert names["scope"] == z.scope


# --- reach ------------------------------------------------------------------------------------------------------------


def test_reach_is_decided_by_edges_not_by_numbers():
    W, b = mg.Tensor([[-1.0]], "W"), mg.Tensor([[-1.0]], "b")
    A = np.maximum(W @ np.ones((1, 1)) + b, 0).named("A")  # closed: every gradient through it is 0
    ce, l2 = np.sum(A).named("ce"), np.sum(W * W).named("L2")
    graph = Graph(ce + l2)
    assert [graph.reaches(x, "ce") for x in (W, b, A)] == [True, True, True]
    assert [graph.reaches(x, "L2") for x in (W, b, A)] == [True, False, False]
    assert graph.terms_of(graph.reach[W]) == ["ce", "L2"]


def test_the_value_of_the_recording_outlives_an_update():
    W, b = mg.Tensor([1.0, 2.0], "W"), mg.Tensor([0.0, 0.0], "b")
    J = np.sum(W * W + b)
    graph = Graph(J)
    W.data -= 1.0
    np.testing.assert_array_equal(graph.value(W), [1.0, 2.0])
    np.testing.assert_array_equal(graph.value(b), [0.0, 0.0])
    assert graph.value(J) == J.item() == 5.0
    leaf = mg.Tensor(3.0)
    assert Graph(leaf).value(leaf) == 3.0


@pytest.mark.parametrize("reading", [mg.derive, mg.draw, mg.explain, lambda J: mg.check(J, {"dW": np.ones(2)})])
def test_a_leaf_that_is_two_arrays_in_one_cost_has_no_readings(reading):
    W, x = mg.Tensor([1.0, 2.0], "W"), mg.constant([3.0, np.nan], "x")
    held = W.data, x.data  # so that each use copies them
    state = np.sum(np.tanh(W) * np.isnan(x) + np.where(np.isnan(x), 0, x))
    reading(state * np.sum(W))
    W.data[1] -= 0.5
    J = state + np.sum(W * W)
    with pytest.raises(ValueError, match=r"W \(2,\) float64 was updated while .* was recorded.*\.detach\(\)"):
        reading(J)
    assert np.array_equal(mg.gradients(J, [W])[0], [2.0, 1 - np.tanh(2.0) ** 2 + 3.0]) and held[0] is W.data


def test_cotangents_of_a_term_are_found_once(monkeypatch, leaves):
    a, b, _ = leaves
    graph = Graph(2.0 * np.sum(a).named("x") + np.sum(a * b).named("y"))
    first = graph.cotangents("x")
    monkeypatch.setattr("minigrad.graph.walk", None)
    assert graph.cotangents("x") is first
    np.testing.assert_array_equal(first[a], [2.0, 2.0])
    assert b not in first


# --- paths ------------------------------------------------------------------------------------------------------------


def test_paths_are_counted_and_the_shortest_kept():
    x = mg.Tensor(1.0, "x")
    h = (x * x).named("h")
    J = (np.sin(h) + x).named("J")
    number, trails = Graph(J, terms={"J": J}).paths("J")[x]
    assert number == 3
    assert [trail.nodes() for trail in trails] == [[x, J], [x, h, J]]


def test_between_has_the_unnamed_nodes_on_the_way():
    x, y = mg.Tensor(1.0, "x"), mg.Tensor(2.0, "y")
    s = np.sin(x)
    J = (np.exp(s) * np.cos(y)).named("J")
    assert Graph(J).between(x, J) == [J, J.inputs[0], s]


# --- reach of several terms -------------------------------------------------------------------------------------------


def test_a_term_computed_from_another_reaches_it():
    x = mg.Tensor(2.0, "x")
    u = (x * x).named("u")
    v = (u * 3 * u).named("v")
    graph = Graph(u + v)
    assert graph.terms_of(graph.reach[u]) == ["u", "v"]
    assert graph.terms_of(graph.reach[v]) == ["v"]


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: np.where(x > 0, y, 0.0),
        lambda x, y: np.where(mg.Tensor([1.0, 0.0]) * x, y, 0.0),
        lambda x, y: y * x.detach(),
        lambda x, y: y[np.argsort(x)],
        lambda x, y: y * np.sign(x),
        lambda x, y: np.copysign(y, x),
        lambda x, y: y + 0 * x.data,
    ],
)
def test_no_gradient_passes_here(f):
    x, y = mg.Tensor([1.0, 2.0], "x"), mg.Tensor([3.0, 4.0], "y")
    J = np.sum(f(x, y))
    graph = Graph(J)
    assert graph.reach[y] == 1
    assert graph.reach.get(x, 0) == 0
    assert mg.gradients(J, [x, y])[0] is None


def test_passes_gradient_tells_argument_by_argument():
    x = mg.Tensor([1.0, 2.0], "x")
    assert passes_gradient(x * np.ones(2)) == (True, False)
    assert passes_gradient(np.where(x > 0, x, x)) == (False, True, True)
    assert passes_gradient(x[1:]) == (True, False)
    assert passes_gradient(mg.constant(1.0) * 2) == (False, False)


def test_reach_agrees_with_gradients_over_random_graphs(rng):
    for _ in range(20):
        nodes = [mg.Tensor(rng.normal(), f"x{i}") for i in range(3)] + [mg.constant(1.0, "k")]
        for _ in range(15):
            i, j = rng.integers(len(nodes), size=2)
            f = [np.add, np.multiply, np.maximum, lambda a, b: np.where(a > 0, b, 1.0), lambda a, b: a - b.detach()]
            nodes.append(f[rng.integers(5)](nodes[i], nodes[j]))
        x, y = (np.tanh(nodes[-1] + nodes[0]) * 1.0).named("x"), np.exp(nodes[-2] * nodes[1]).named("y")
        graph = Graph(x + y)
        for term, t in graph.terms.items():
            for node, found in zip(graph.nodes, mg.gradients(t.node, graph.nodes), strict=True):
                assert graph.reaches(node, term) == (found is not None)


# --- order and scopes -------------------------------------------------------------------------------------------------


def test_ancestors_come_oldest_first_and_once():
    x = mg.Tensor(1.0)
    y = x * x
    z = y + x * y
    nodes = ancestors([z])
    assert nodes[0] is x and nodes[-1] is z and len(nodes) == len(set(nodes)) == 4
    assert all(p.order < n.order for n in nodes for p in n.inputs)


def test_consumers():
    x = mg.Tensor(1.0, "x")
    y = x * x
    z = y + x
    consumers = Graph(z).consumers
    assert consumers[x] == [y, z] and consumers[z] == []


def test_a_learned_leaf_belongs_to_the_scope_of_its_use():
    W, V, X = mg.Tensor([1.0], "W"), mg.Tensor([1.0], "V"), mg.constant([1.0], "X")
    with mg.scope("net"), mg.scope("layer 1"):
        Z = W * X
    with mg.scope("net"), mg.scope("layer 2"):
        A = Z * V
        made_here = mg.Tensor([1.0])
    with mg.scope("penalty"):
        J = np.sum(A + made_here) + np.sum(V * V)
    graph = Graph(J)
    assert graph.scope(W) == ("net", "layer 1")
    assert graph.scope(V) == ("net", "layer 2")  # the first of two
    assert graph.scope(X) == ()  # data belongs nowhere
    assert graph.scope(made_here) == graph.scope(A) == ("net", "layer 2")
    assert graph.scope(J) == ("penalty",)


def test_a_leaf_that_many_scopes_share_belongs_to_what_they_have_in_common():
    W, h = mg.Tensor([0.5], "W"), mg.constant([1.0])
    for step in range(4):
        with mg.scope("rnn"), mg.scope(f"step {step}"):
            h = np.tanh(W * h)
    assert Graph(np.sum(h)).scope(W) == ("rnn",)
