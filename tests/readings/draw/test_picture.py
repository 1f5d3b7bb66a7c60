"""The picture: what is drawn, what the colours say, what machines can ask, and that it renders whatever there is."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import graphviz
import numpy as np
import pytest
from measures import calls, contrast, some_quick

import minigrad as mg
from minigrad import draw as draw_function
from minigrad.readings.draw import picture
from minigrad.readings.draw.drawing import Drawing, RenderError
from minigrad.readings.draw.fold import MAX_VERTICES, slug, unique_slugs
from minigrad.readings.draw.measure import trouble
from minigrad.readings.draw.svg import mended
from minigrad.text.words import COLOURS, printable, tinted

SVG = "{http://www.w3.org/2000/svg}"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no dot on PATH")


def question(layers: int = 3) -> mg.Tensor:
    """The network of the question: relu layers, a sigmoid, cross-entropy and an L2 penalty."""
    rng = np.random.default_rng(0)
    X = mg.constant(rng.normal(size=(2, 7)), "X")
    Y = mg.constant(np.float64(rng.random((1, 7)) > 0.5), "Y")
    sizes = [2, *[3] * (layers - 1), 1]
    A, penalty = X, 0.0
    for k in range(1, layers + 1):
        W = mg.Tensor(rng.normal(size=(sizes[k], sizes[k - 1])), name=f"W{k}")
        b = mg.Tensor(np.zeros((sizes[k], 1)), name=f"b{k}")
        with mg.scope(f"layer {k}"):
            Z = (W @ A + b).named(f"Z{k}")
            A = (np.maximum(Z, 0) if k < layers else 1 / (1 + np.exp(-Z))).named(f"A{k}")
        penalty = penalty + np.sum(np.square(W))
    ce = (-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / 7).named("CE")
    return (ce + (0.7 / 14 * penalty).named("L2")).named("J")


def svg(J: mg.Tensor, **options) -> ET.Element:
    return ET.fromstring(mg.draw(J, **options).pipe("svg"))


def groups(picture: ET.Element, kind: str) -> dict[str, ET.Element]:
    """{title: group} of the nodes, edges or clusters of an SVG."""
    found = [g for g in picture.iter(f"{SVG}g") if kind in g.get("class", "").split()]
    return {g.findtext(f"{SVG}title"): g for g in found}


def edges_of(J: mg.Tensor, **options) -> list[tuple[str, str, str, list[str]]]:
    """(tail, head, label, classes) of every edge in the DOT text, invisible ones left out."""
    found = re.findall(r'^\s*"([^"]+)" -> "([^"]+)" \[id=(.*)\]$', mg.draw(J, **options).source, re.M)
    return [
        (tail, head, *(next(iter(re.findall(rf' {key}="([^"]*)"', rest)), "").strip() for key in ("label", "class")))
        for tail, head, rest in found
    ]


def small() -> mg.Tensor:
    W, X = mg.Tensor([[1.0, -2.0]], name="W"), mg.constant([[1.0], [3.0]], "X")
    hinge = np.sum(np.maximum(W @ X, 0)).named("hinge")
    return (hinge + (0.5 * np.sum(np.square(W))).named("L2")).named("J")


# --- what is drawn ----------------------------------------------------------------------------------------------------


def skeleton(source: str) -> list[str]:
    """The lines of DOT text without the looks: ids, classes, colours, labels of edges."""
    lines = []
    for line in source.splitlines():
        if re.match(r'\s*"', line):
            kept = re.findall(r' ?\b((?:id|class|color|style|constraint)="[^"]*"|(?<=")label="[^"]*")', line)
            label = re.findall(r' label="([^"]*)"', line) if "->" in line else []
            lines.append(
                " ".join([line.split(" [")[0].strip(), *dict.fromkeys(kept), *(f"({x.strip()})" for x in label)])
            )
        elif "subgraph" in line or line.strip() == "}":
            lines.append(line.strip())
    return lines


def test_the_dot_text_of_two_terms():
    blue, red = COLOURS[:2]
    assert skeleton(mg.draw(small()).source) == [
        '"W" id="node-w"',
        '"X" id="node-x" style="dashed" color="#888888"',
        f'"hinge" id="node-hinge" style="rounded,filled" color="{blue}"',
        f'"L2" id="node-l2" style="rounded,filled" color="{red}"',
        '"J" id="node-j"',
        f'"W" -> "hinge" id="edge-1" class="term-hinge" color="{blue}"',
        '"X" -> "hinge" id="edge-2" color="#888888" style="dashed"',
        f'"W" -> "L2" id="edge-3" class="term-l2" color="{red}"',
        f'"hinge" -> "J" id="edge-4" class="summand-hinge" color="{blue}"',
        f'"L2" -> "J" id="edge-5" class="summand-l2" color="{red}"',
        "}",
    ]


def test_the_dot_text_of_nested_scopes():
    x = mg.Tensor(2.0, name="x")
    with mg.scope("outer"):
        y = np.exp(x).named("y")
        with mg.scope("inner"):
            z = np.log(y).named("z")
    assert skeleton(mg.draw(z * 3).source) == [
        "subgraph cluster_1 {",
        '"x" id="node-x"',
        '"y" id="node-y"',
        "subgraph cluster_2 {",
        '"z" id="node-z" style="rounded,filled" color="#0072b2"',
        "}",
        "}",
        '"output" id="node-output"',
        '"x" -> "y" id="edge-1" class="term-z" color="#0072b2"',
        '"y" -> "z" id="edge-2" class="term-z" color="#0072b2"',
        '"z" -> "output" id="edge-3" class="summand-z" color="#0072b2"',
        "}",
    ]


def test_layers_that_are_no_scopes_are_kept_together_unseen():
    x, penalty = mg.constant(np.ones((2, 3)), "x"), 0.0
    for k in range(1, 5):
        W = mg.Tensor(np.eye(2) / k, name=f"W{k}")
        x = np.tanh((W @ x).named(f"z{k}")).named(f"a{k}")
        penalty = penalty + np.sum(W * W)
    source = mg.draw((np.sum(x).named("fit") + (penalty * 0.1).named("L2")).named("J")).source
    layers = re.findall(r'peripheries="0"[^\n]*\n(.*?)\n\t}', source, re.S)
    assert [re.findall(r'^\s*"(\w+)"', layer, re.M) for layer in layers[:2]] == [["W1", "z1", "a1"], ["W2", "z2", "a2"]]


def test_the_same_program_gives_the_same_text():
    assert mg.draw(question()).source == mg.draw(question()).source
    assert mg.draw(question(), detail="all").source == mg.draw(question(), detail="all").source


def test_the_head_says_what_a_node_is_computed_by():
    J = question()
    assert node_words(J, "Z1") == "Z1 = W1 X + b1 3×7 dZ1 = dA1 ⊙ 𝟙[Z1 &#62; 0] no path to L2"
    assert "0.05 (Σ W1² + Σ W2² + Σ W3²)" in node_words(J, "L2")
    assert not any(label for _, _, label, _ in edges_of(J))


def test_a_long_formula_keeps_its_ends_in_two_lines():
    W = [mg.Tensor([1.0, 2.0], name=f"W{k}") for k in range(1, 41)]
    penalty = sum(np.sum(w * w) for w in W).named("L2")
    words = node_words((penalty + np.exp(W[0])[0].named("fit")).named("J"), "L2")
    assert words == "L2 = 200 Σ (W1 ⊙ W1) + Σ (W2 ⊙ W2) + … + Σ (W40 ⊙ W40)"


def test_the_spine_has_its_leaves_beside_it_and_penalties_beside_their_weights():
    ranks = re.findall(r"{rank=same; (.*)}", mg.draw(question()).source)
    assert [re.findall('"([^"]+)"', rank) for rank in ranks][:2] == [["b1", "Z1", "W1"], ["b2", "Z2", "W2", "L2"]]
    assert '"CE"; "J"' in ranks[-1]


def test_each_use_by_a_named_node_is_an_edge_and_uses_deep_inside_are_one():
    a = mg.Tensor([1.0], name="a")
    assert [(t, h) for t, h, *_ in edges_of((a + a).named("s"))] == [("a", "s"), ("a", "s")]
    assert [(t, h) for t, h, *_ in edges_of(np.exp(np.sin(a) * np.cos(a)).named("s"))] == [("a", "s")]


def test_names_and_terms_come_from_mappings():
    W = mg.Tensor([1.0, 2.0])
    fit, size = np.sum(np.exp(W)), np.sum(np.abs(W))
    J = fit + size
    drawing = mg.draw(J, names={"W": W, "J": J, "other": 3}, terms={"fit": fit, "size": size})
    assert [name for _, name, _ in drawing.vertices] == ["W", "fit", "size", "J"]
    assert [node for _, _, node in drawing.vertices] == [W, fit, size, J]
    assert drawing.graph.root is J


def test_without_any_name_all_operations_are_drawn():
    W = mg.Tensor([[1.0, 2.0]])
    drawing = mg.draw(np.sum(np.exp(W @ np.ones((2, 2)))))
    assert [name for _, name, _ in drawing.vertices] == ["leaf 1", "matmul 1", "exp 2", "output"]


def test_all_details_show_every_operation_and_no_anonymous_constant():
    J = question()
    drawing = mg.draw(J, detail="all")
    drawn = {node for _, _, node in drawing.vertices}
    assert drawn == {x for x in drawing.graph.nodes if x.function is not None or x in drawing.graph.names}
    assert all(x.name for x in drawn if x.function is None)


def test_data_is_dashed_and_leaves_intermediates_and_terms_differ():
    lines = mg.draw(question()).source.splitlines()
    look = {line.split('"')[1]: line for line in lines if re.match(r'\s*"\w+" \[id="node', line)}
    assert 'style="dashed"' in look["X"] and "data" in look["X"]
    assert picture._LEARNED in look["W1"] and picture._LEARNED in look["b1"]
    assert picture._COMPUTED in look["A1"]
    assert "rounded,filled" in look["CE"]


def test_the_node_says_in_words_what_its_gradient_is_made_of():
    J = question()
    words = {name: node_words(J, name) for name in ("W1", "A1")}
    assert words["W1"].endswith("dW1 = ▶ dZ1 Xᵀ + ◆ 0.1 W1")
    assert words["A1"] == "A1 = max(Z1, 0) 3×7 dA1 = W2ᵀ dZ2 no path to L2"
    text = mg.draw(J).source
    assert text.count("Gradients are not computed yet") == 1
    J.backward()
    assert "Gradients are not computed yet" not in mg.draw(J).source
    assert "reaches only W1–W3" in text and "no path from b1–b3, Z1–Z3, A1–A3" in text


def node_words(J: mg.Tensor, name: str) -> str:
    (line,) = [line for line in mg.draw(J).source.splitlines() if line.strip().startswith(f'"{name}" [')]
    label = line[line.index("label=<") + 7 :]
    return " ".join(re.sub(r"<[^>]*>", " ", label.replace("</FONT><FONT", "</FONT> <FONT")).split()).rstrip(" >]")


def test_tooltips_tell_a_path_with_gradient_zero_from_no_path():
    W, V = mg.Tensor([-1.0], name="W"), mg.Tensor([1.0], name="V")
    J = np.sum(np.maximum(W, 0)).named("hinge") + np.sum(V * V).named("size")
    J.backward()
    (W_line,) = [line for line in mg.draw(J).source.splitlines() if '"W" [' in line]
    assert "hinge: gradient of norm 0 (there is a path; the number is 0)" in W_line
    assert "size: no path" in W_line


def test_a_gradient_of_zeros_says_so_in_the_node():
    W, V = mg.Tensor([-1.0], name="W"), mg.Tensor([1.0], name="V")
    J = (np.sum(np.maximum(W, 0) * V).named("hinge") + np.sum(V * V).named("size")).named("J")
    assert "0 here" not in mg.draw(J).source
    J.backward()
    assert "hinge: 0 here no path to size" in node_words(J, "W")
    assert node_words(J, "V").endswith("hinge: 0 here")


@pytest.mark.parametrize("options", [{}, {"detail": "all"}])
def test_the_edges_from_a_term_to_the_root_carry_its_colour(options):
    W = mg.Tensor([1.0, -2.0], name="W")
    fit, size, third = np.sum(np.exp(W)).named("fit"), np.sum(W * W).named("size"), np.sum(np.abs(W)).named("third")
    J = ((fit - size * 2) / 3 + third).named("J")
    kinds = {(tail, head): kind for tail, head, _, kind in edges_of(J, **options)}
    by_head = [kind for (_, head), kind in kinds.items() if head == "J"]
    if options:
        assert sorted(by_head) == ["summand-fit summand-size", "summand-third"]
        assert [kind for (tail, _), kind in kinds.items() if tail == "size"] == ["summand-size"]
    else:
        assert sorted(by_head) == ["summand-fit", "summand-size", "summand-third"]
    assert "" not in kinds.values()


def random_graph(rng):
    """A graph with scopes, shared weights and recurrences."""
    weights = [mg.Tensor(rng.normal(size=(2, 2)), name=f"W{i}") for i in range(3)]
    states = [mg.constant(rng.normal(size=(2, 2)), "x")]
    for step in range(int(rng.integers(2, 6))):
        with mg.scope(f"step {step}"), mg.scope("cell"):
            for gate in range(int(rng.integers(1, 4))):
                W, h = weights[rng.integers(3)], states[rng.integers(len(states))]
                states.append(np.tanh(W @ h + states[-1]).named(f"h{step}{gate}"))
    fit = np.mean(np.square(states[-1])).named("fit")
    return (fit + sum(np.sum(W * W) for W in weights[: rng.integers(1, 4)]).named("L2")).named("J")


@needs_dot
@pytest.mark.slow
def test_every_edge_is_in_the_rendered_picture():
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawing = mg.draw(random_graph(rng))
        complete = {
            g.get("id") for g in ET.fromstring(drawing.pipe("svg")).iter(f"{SVG}g") if g.findall(f".//{SVG}path")
        }
        assert {id for id, *_ in drawing.edge_list} <= complete


@needs_dot
def test_a_layer_that_is_no_scope_has_no_background():
    A = mg.constant(np.ones((2, 3)), "X")
    for k in (1, 2):
        W, b = mg.Tensor(np.eye(2), name=f"W{k}"), mg.Tensor(np.zeros((2, 1)), name=f"b{k}")
        A = np.tanh((W @ A + b).named(f"Z{k}")).named(f"A{k}")
    layers = groups(svg(np.sum(A).named("J")), "cluster").values()
    fills = {polygon.get("fill") for layer in layers for polygon in layer.iter(f"{SVG}polygon")}
    assert layers and fills <= {"none", "transparent"}


def test_another_layout_is_used_where_an_edge_is_lost(monkeypatch):
    drawing = mg.draw(question())
    tried = []

    def rendered(source, kind):
        tried.append(source)
        lost = 'id="edge-3"' if len(tried) == 1 else "nothing"
        edges = [id for id in re.findall('id="edge-[0-9]+"', source) if id != lost]
        return ('<svg width="9pt" height="9pt">' + "".join(f"<g {id}><path/></g>" for id in edges)).encode()

    monkeypatch.setattr("minigrad.readings.draw.drawing._rendered", rendered)
    assert b'"edge-3"' in drawing.pipe("svg")
    assert len(tried) == 2 and tried[0] != tried[1]


@needs_dot
def test_dot_text_that_graphviz_cannot_read_is_an_error():
    drawing = mg.draw(question())
    drawing.body.append('\ta [label="x]\n')
    with pytest.raises(RenderError, match="syntax error"):
        drawing.pipe("svg")


def gated(steps):
    """A recurrent net with two gates, whose weights every step uses."""
    rng = np.random.default_rng(5)
    leaf = {n + g: mg.Tensor(rng.normal(size=(4, 4)), name=f"{n}_{g}") for n in "WU" for g in "zn"}
    h = mg.constant(np.zeros((2, 4)), name="h0")
    for t in range(1, steps + 1):
        x = mg.constant(rng.normal(size=(2, 4)), name=f"x{t}")
        with mg.scope(f"time {t}"):
            z = (1 / (1 + np.exp(-(x @ leaf["Wz"] + h @ leaf["Uz"])))).named(f"z{t}")
            n = np.tanh(x @ leaf["Wn"] + (z * h) @ leaf["Un"]).named(f"n{t}")
            h = ((1 - z) * h + z * n).named(f"h{t}")
    decay = sum(np.sum(np.square(W)) for W in leaf.values()).named("decay")
    return (np.mean(np.square(h)).named("fit") + decay).named("J")


def skipping(blocks):
    """A net whose blocks add to what they get."""
    rng = np.random.default_rng(6)
    h, weights = mg.constant(rng.normal(size=(3, 5)), name="x"), []
    for k in range(1, blocks + 1):
        with mg.scope(f"block {k}"):
            weights.append(mg.Tensor(rng.normal(size=(5, 5)), name=f"W{k}"))
            h = (h + np.tanh(h @ weights[-1])).named(f"h{k}")
    decay = sum(np.sum(np.square(W)) for W in weights).named("decay")
    return (np.mean(np.square(h)).named("fit") + decay).named("J")


@needs_dot
@pytest.mark.parametrize("root", [gated(2), gated(3), skipping(4)], ids=["two steps", "three steps", "skips"])
def test_shared_weights_and_skips_can_be_read_at_850_pixels(root):
    wide, hard = trouble(mg.draw(root).pipe("svg"))
    assert not wide and hard < 60


def test_arrays_without_a_name_are_explained():
    x, target = mg.Tensor([1.0, 2.0], name="x"), np.array([0.5, 0.25])
    J = np.sum(target * np.square(x) + (1 - target) * x).named("J")
    assert "Constant: c1 (2,) and c2 = 1 - c1." in mg.draw(J).source
    assert "Constant: target (2,) and c1 = 1 - target." in mg.draw(J, names={"target": target}).source


@pytest.mark.slow
def test_arrays_that_formulas_name_are_compared_in_linear_time():
    def drawing_of(n):
        W, rng = mg.Tensor(np.ones(2), name="W"), np.random.default_rng(0)
        J = np.sum(np.stack([np.sum(W * rng.normal(size=2)) for _ in range(n)])).named("J")
        return lambda: mg.draw(J)

    few, many = (calls(drawing_of(n)) for n in (100, 400))
    assert many < 5 * few


# --- machines ---------------------------------------------------------------------------------------------------------


@needs_dot
def test_hooks_are_found_by_a_plain_search_of_the_text():
    text = mg.draw(question()).pipe("svg", encoding="utf-8")
    assert text.count("term-l2") == 3 and 'id="node-w1"' in text


@needs_dot
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_the_edges_of_a_term_leave_exactly_what_it_reaches(direction):
    picture = svg(question(), direction=direction)
    edges, nodes = groups(picture, "edge"), groups(picture, "node")
    tails = {title.split("->")[0] for title, g in edges.items() if "term-l2" in g.get("class").split()}
    heads = {title.split("->")[1] for title, g in edges.items() if "term-l2" in g.get("class").split()}
    assert tails == {"W1", "W2", "W3"} and heads == {"L2"}
    assert "summand-l2" in edges["L2->J"].get("class").split()
    assert {g.get("id") for g in nodes.values()} == {f"node-{name.lower()}" for name in nodes}
    assert {"X", "W1", "b3", "Z2", "A1", "CE", "L2", "J", "Y"} <= set(nodes)


@needs_dot
def test_several_terms_are_parallel_strokes():
    W = mg.Tensor([1.0], name="W")
    h = np.exp(W).named("h")
    J = np.sum(h).named("one") + np.sum(h * h).named("two")
    edge = groups(svg(J), "edge")["W->h"]
    assert {"term-one", "term-two"} <= set(edge.get("class").split())
    strokes = [path.get("stroke") for path in edge.iter(f"{SVG}path")]
    assert set(COLOURS[:2]) <= set(strokes)


def test_no_gradient_passes_a_gap_in_a_folded_expression():
    a, b = mg.Tensor([1.0], name="a"), mg.Tensor([2.0], name="b")
    edges = edges_of(np.sum(np.copysign(a, 2 * b)).named("J"))
    assert {tail: classes for tail, _, _, classes in edges} == {"a": "term-j", "b": ""}


def test_slugs():
    assert slug("Cross-Entropy  (mean)") == "cross-entropy-mean-"
    assert slug("dJ_dW[1]") == "dj-dw-1-"
    assert unique_slugs(["W1", "w1", "w1-2", "W-1", "w1"]) == ["w1", "w1-2", "w1-2-2", "w-1", "w1-3"]


def test_long_names_that_differ_in_their_middle_stay_different():
    stem = "encoder.blocks.{}.attention.output_projection.weight"
    W = [mg.Tensor([1.0 + k], name=stem.format(f"{k:03}")) for k in range(30)]
    source = mg.draw(np.sum(sum(W) ** 2).named("J")).source
    titles = re.findall(r"<B>(encod[^<]*)</B>", source)
    assert len(titles) == len(set(titles)) == 30 and max(map(len, titles)) <= 22


def test_names_that_are_no_words_are_drawn_under_their_slug():
    x = mg.Tensor([1.0], name="a:b")
    drawing = mg.draw(np.exp(x).named("node"))
    assert '"node-a-b" -> "node"' in drawing.source
    assert [id for id, _, _ in drawing.vertices] == ["node-a-b", "node-node"]


# --- colours ----------------------------------------------------------------------------------------------------------


def test_contrast_is_that_of_the_accessibility_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert contrast("#ff0000", "#ffffff") == pytest.approx(3.998, abs=1e-3)


@pytest.mark.parametrize("colour", COLOURS)
def test_text_in_the_colour_of_a_term_can_be_read(colour):
    assert contrast(colour, "#ffffff") >= 4.5


def test_grey_text_can_be_read_and_black_on_every_fill():
    assert contrast(picture._GREY, "#ffffff") >= 4.5
    fills = [tinted(c, 0.86) for c in COLOURS]
    for fill in [picture._LEARNED, picture._COMPUTED, *fills]:
        assert contrast("#000000", fill) >= 4.5


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preserve", ["", 'xml:space="preserve" '])  # as older and newer versions of Graphviz write
def test_a_line_is_one_element_as_long_as_it_was_laid_out(preserve):
    texts = [
        f'<text {preserve}text-anchor="start" x="{x}" y="-5"{look}>{x}</text>' for x, look in ((12, ""), (30, " b"))
    ]
    box = '<polygon fill="none" points="50,0 10,0 10,-20 50,-20 50,0"/>'
    node = "\n".join(['<g id="node&#45;a" class="node">', box, *texts, "</g>", "</g>"])
    line = mended(node.encode()).decode().split("\n")[2]
    assert mended(node.encode()).startswith(b'<g id="node-a"')
    assert line.count("<text") == 1 and ">12<tspan" in line and ">30</tspan>" in line
    assert 'textLength="36.00" lengthAdjust="spacingAndGlyphs"' in line  # from 12 to 48, around the middle


def test_summands_of_several_terms_bear_their_signs():
    W, b = mg.Tensor([[1.0, 2.0]], name="W"), mg.Tensor([[0.5]], name="b")
    fit, L2, L1 = np.sum((W @ [[1.0], [1.0]] + b) ** 2), np.sum(W * W), np.sum(np.abs(W))
    J = fit.named("fit") + 0.5 * L2.named("L2") + L1.named("L1")
    assert node_words(J, "W").endswith("dW = ▶ 2 (W c1 + b) c1ᵀ + ◆ W + ● sign(W)")
    assert not set("▶◆●") & set(node_words(J, "b"))


def test_a_formula_is_not_cut_inside_a_bracket():
    x = mg.Tensor([1.0, 2.0], name="first_of_all")
    inside = np.concatenate([np.sin(x) * np.cos(x), np.exp(x) * np.tanh(x), np.log(x) * np.sqrt(x), x], axis=0)
    J = np.sum(np.tanh(inside).named("y"))
    for title in ("y", "output"):
        words = node_words(J, title)
        assert words.count("(") == words.count(")") and words.count("[") == words.count("]")


# --- width ------------------------------------------------------------------------------------------------------------


@needs_dot
@pytest.mark.parametrize(("layers", "direction"), some_quick([(3, "LR"), (1, "LR"), (6, "LR"), (1, "TB"), (3, "TB")]))
@pytest.mark.parametrize("done", [False, True])
def test_all_text_can_be_read_at_850_pixels(layers, direction, done):
    J = question(layers)
    if done:
        J.backward()
    picture = svg(J, direction=direction)
    width = float(picture.get("width").removesuffix("pt")) * 4 / 3
    sizes = [float(x.get("font-size")) for kind in ("text", "tspan") for x in picture.iter(f"{SVG}{kind}")]
    smallest = min(sizes) * 4 / 3
    assert smallest * min(1, 850 / width) >= 10


@needs_dot
def test_heads_that_have_no_room_beside_each_other_stand_below_each_other():
    rng = np.random.default_rng(0)
    x, W = mg.constant(rng.normal(size=(4, 3)), "x"), mg.Tensor(rng.normal(size=(3, 3)), name="W")
    h, J = np.tanh(x @ W).named("h"), 0.0
    for task in ("contours", "velocity", "identity", "distance", "category"):
        with mg.scope(task):
            out = (h @ mg.Tensor(rng.normal(size=(3, 2)), name=f"W_{task}")).named(f"out_{task}")
            J = J + np.mean(np.square(out)).named(task)
    width, height = (float(svg(J).get(side).removesuffix("pt")) for side in ("width", "height"))
    assert width <= 1.05 * picture.MAX_READABLE_WIDTH < height * 1.2


# --- hostile names ----------------------------------------------------------------------------------------------------

HOSTILE = [
    'quo"te',
    "<script>alert(1)</script>",
    "new\nline\r\ttab",
    "100% %s",
    "back\\slash \\N \\G",
    "\u202egnp.exe",
    "W" * 10_000,
    "&lt;b&gt; &amp; &#65;",
    "]]> --> }",
    "\x00\x1b[31m",
    "-",
    "graph",
    "1",
    "\ud800",
    "λ ‖·‖²",
]


@needs_dot
@pytest.mark.parametrize("name", some_quick(HOSTILE), ids=ascii)
def test_hostile_names_come_out_as_text(name):
    x = mg.Tensor([1.0, 2.0], name=name)
    with mg.scope(name):
        y = np.exp(x).named(f"{name}'")
    J = np.sum(y).named(f"term {name}") + np.sum(x * x).named("other")
    J.backward()
    for detail in ("named", "all"):
        picture = svg(J, detail=detail)
        shown = "".join(text.text or "" for text in picture.iter(f"{SVG}text"))
        start = printable(name, 18)[:10]
        assert start.replace(" ", "") in shown.replace("\xa0", "").replace(" ", "")
        assert not list(picture.iter(f"{SVG}script"))


# --- size -------------------------------------------------------------------------------------------------------------


def test_doublings_take_no_exponential_time():
    for name in (lambda x, k: x, lambda x, k: x.named(f"x{k}")):
        x = mg.Tensor([1.0], name="x")
        y = x
        for k in range(60):
            y = name(y + y, k)
        for detail in ("named", "all"):
            assert mg.draw(y, detail=detail).source


def chain(n: int, shared: int = 1) -> mg.Tensor:
    y = mg.Tensor([1.0], name="x")
    for _ in range(n):
        y = np.sin(y)
    return sum(np.exp(y * k).named(f"y{k}") for k in range(shared)) if shared > 1 else y


@pytest.mark.slow
@pytest.mark.parametrize("detail", ["named", "all"])
def test_a_long_chain_takes_linear_time(detail):
    short, long = chain(300), chain(3_000)
    assert calls(lambda: mg.draw(long, detail=detail)) < 11 * calls(lambda: mg.draw(short, detail=detail))


@pytest.mark.slow
def test_a_long_expression_that_many_use_is_walked_once():
    both, length, users = chain(500, shared=25), chain(500, shared=2), chain(50, shared=25)
    assert calls(lambda: mg.draw(both)) < calls(lambda: mg.draw(length)) + calls(lambda: mg.draw(users))
    drawing = mg.draw(chain(100, 5))
    assert [name for _, name, _ in drawing.vertices][:2] == ["x", "sin 1"]  # a vertex of its own


def rnn(steps: int) -> mg.Tensor:
    W, h = mg.Tensor(np.eye(2), name="W"), mg.constant(np.ones((2, 1)), "h0")
    for t in range(1, steps + 1):
        with mg.scope(f"step {t}"):
            a = (W @ h).named(f"a{t}")
            h = (np.tanh(a) * np.cos(mg.constant(t, f"x{t}"))).named(f"h{t}")
    return np.sum(h).named("J")


def test_repeated_scopes_are_drawn_once_and_the_picture_says_so():
    drawing = mg.draw(rnn(60))
    names = [name for _, name, _ in drawing.vertices]
    assert [n for n in names if n.startswith("h")] == ["h0", "h1"]
    assert "59 more like step 1" in names
    assert "Repeated scopes are drawn once" in drawing.source
    assert {(t, h) for t, h, *_ in edges_of(rnn(60))} >= {("h1", "node-59-more-like-step-1"), ("W", "a1")}
    assert "more like" in mg.draw(rnn(20)).source and "more like" not in mg.draw(rnn(10)).source


def test_scopes_that_share_many_weights_are_drawn_once_from_fewer_vertices_on():
    h = mg.constant(np.ones((1, 2)), "h0")
    gates = [mg.Tensor(np.eye(2), name=f"{kind}_{gate}") for gate in "abcd" for kind in "WUVb"]
    for t in (1, 2):
        with mg.scope(f"step {t}"):
            parts = [np.tanh(h @ W + h @ U * (h @ V) + b[0]) for W, U, V, b in zip(*[iter(gates)] * 4, strict=True)]
            for part, gate in zip(parts, "abcd", strict=True):
                part.named(f"{gate}{t}")
            h = (parts[0] * parts[1] + parts[2] * parts[3]).named(f"h{t}")
    names = [name for _, name, _ in mg.draw(np.sum(h).named("J")).vertices]
    assert len(names) < 40 and "1 more like step 1" in names and "h2" not in names


def test_the_legend_names_what_a_term_misses_where_one_line_has_room():
    x, J = mg.Tensor([1.0, 2.0], name="input_of_all_heads"), 0.0
    for task in ("contours", "velocity", "identity", "distance", "category"):
        J = J + np.sum(np.square(np.sin(mg.Tensor([1.0], name=f"weights_{task}") * x).named(f"out_{task}"))).named(task)
    (line,) = [line for line in mg.draw(J).source.split("<TR>") if "<B>velocity</B>" in line and "reaches" in line]
    assert "reaches only" in line and "no path" not in line


def test_what_only_repeated_scopes_use_is_drawn_with_them():
    names = [name for _, name, _ in mg.draw(rnn(60)).vertices]
    assert [name for name in names if name.startswith("x")] == ["x1"]


def test_other_crowds_become_boxes_too():
    x = y = mg.Tensor([1.0], name="x")
    for k in range(400):
        y = np.sin(y).named(f"{'pq'[k % 3 == 0]}{k}")
    drawing = mg.draw(y * x)
    assert len(drawing.vertices) <= MAX_VERTICES
    assert "The middle of the graph is drawn as one box" in drawing.source
    x = y = mg.Tensor([1.0], name="x")
    for k in range(20):
        with mg.scope("abcdefghijklmnopqrst"[k]):
            for i in range(10 + k):
                y = np.sin(y).named(f"{k}:{i}")
    drawing = mg.draw(y)
    assert len(drawing.vertices) <= MAX_VERTICES
    assert "Scopes are drawn as one box each" in drawing.source


@pytest.mark.slow
def test_the_legend_counts_nodes_that_are_not_drawn():
    x = y = mg.Tensor([1.0], name="x")
    for k in range(400):
        y = np.sin(y + (mg.Tensor([1.0], name="hidden") if k == 200 else 0)).named(f"y{k}")
    J = np.sum(y).named("fit") + np.sum(x * x).named("size")
    text = mg.draw(J).source
    assert "hidden" not in [name for _, name, _ in mg.draw(J).vertices]
    assert "reaches only x" in text and "no path from" in text and "hidden" in text


@needs_dot
def test_boxes_that_depend_on_each_other_are_laid_out():
    y = mg.Tensor([1.0], name="x")
    for k in range(210):
        with mg.scope("abcdefg"[k % 7]):
            y = np.sin(y).named(f"{'pqrs'[k * k % 4]}{k}")
    source = mg.draw(y).source
    dot = subprocess.run(["dot", "-Tsvg"], input=source.encode(), capture_output=True)
    assert dot.returncode == 0 and not dot.stderr


# --- many terms -------------------------------------------------------------------------------------------------------


def test_a_loop_over_samples_is_one_term_with_a_count():
    w = mg.Tensor([1.0, 2.0], name="w")
    J = sum(np.sum(np.square(w - k)) for k in range(300)) + np.sum(w * w).named("L2")
    drawing = mg.draw(J)
    assert [name for _, name, _ in drawing.vertices] == ["w", "300 summands", "L2", "output"]
    assert mg.explain(J).terms == ["300 summands", "L2"]


@pytest.mark.slow
@needs_dot
def test_a_thousand_named_terms_are_drawn_in_linear_time():
    def cost(n):
        w = mg.Tensor([1.0, 2.0], name="w")
        return sum(np.sum(np.square(w - k)).named(f"s{k}") for k in range(n))

    few, many = cost(200), cost(1600)
    assert calls(lambda: mg.draw(many)) <= 10 * calls(lambda: mg.draw(few))
    text = mg.draw(many).pipe("svg", encoding="utf-8")
    assert "and 1,592 more terms" in text and len(text) < 100_000


def test_every_term_has_a_look_of_its_own():
    w = mg.Tensor([1.0, 2.0], name="w")
    source = mg.draw(sum(np.sum(w**k).named(f"t{k}") for k in range(1, 13))).source
    looks = re.findall(r'"w" -> "t\d+" \[.*? color="([^"]+)".*? arrowhead="(\w+)"', source)
    assert len(set(looks)) == len({colour for colour, _ in looks}) == 12
    assert len({head for _, head in looks}) == 6  # which tell them apart in grey


# --- bad input and odd graphs -----------------------------------------------------------------------------------------


def test_bad_choices_name_the_good_ones():
    with pytest.raises(ValueError, match="direction='RL' is none of 'LR', 'TB'"):
        mg.draw(small(), direction="RL")
    with pytest.raises(ValueError, match="detail='full' is none of 'named', 'all'"):
        mg.draw(small(), detail="full")
    with pytest.raises(TypeError, match="the root is a ndarray"):
        mg.draw(np.ones(2))


@needs_dot
@pytest.mark.parametrize(
    "root",
    [
        lambda: mg.Tensor([1.0]),
        lambda: mg.constant([1.0], "c") + 1,
        lambda: mg.Tensor(np.zeros((0, 3)), name="empty") * 2,
        lambda: np.exp(mg.Tensor(np.ones((2, 3)), name="x")),
        lambda: np.log(mg.Tensor(-1.0, name="x")),
        lambda: mg.Tensor(1.0, name="x") - mg.Tensor(2.0, name="y"),
    ],
    ids=["a leaf", "no gradient", "size 0", "no scalar", "nan", "leaves as terms"],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_odd_graphs_are_drawn(root):
    assert list(svg(root()).iter(f"{SVG}text"))


# --- rendering --------------------------------------------------------------------------------------------------------


def test_the_drawing_is_a_digraph():
    assert isinstance(mg.draw(small()), graphviz.Digraph)
    assert isinstance(mg.draw(small()), Drawing)
    assert mg.draw is draw_function


def test_graphviz_is_imported_only_to_draw():
    code = "import sys, minigrad; assert 'graphviz' not in sys.modules; assert callable(minigrad.draw)"
    subprocess.run([sys.executable, "-c", code], check=True)


START = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}


@needs_dot
@pytest.mark.parametrize("kind", START)
def test_the_suffix_decides(kind, tmp_path):
    path = tmp_path / f"graph.{kind}"
    assert mg.draw(small()).render(str(path)) == str(path)
    assert path.read_bytes().startswith(START[kind])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", START)
def test_pygraphviz_renders_without_dot(kind, tmp_path, monkeypatch):
    pytest.importorskip("pygraphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / f"graph.{kind}"
    mg.draw(small()).render(path)
    assert path.read_bytes().startswith(START[kind])
    assert "image/svg+xml" in mg.draw(small())._repr_mimebundle_()


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any Graphviz."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    return tmp_path


def test_without_graphviz_the_error_says_what_was_saved_and_what_to_install(bare):
    drawing = mg.draw(small())
    with pytest.raises(RenderError) as error:
        drawing.render(bare / "graph.svg")
    assert str(bare / "graph.dot") in str(error.value)
    assert 'pip install "minigrad[render]"' in str(error.value) and "apt install graphviz" in str(error.value)
    assert (bare / "graph.dot").read_text(encoding="utf-8") == drawing.source
    assert [p.name for p in bare.iterdir()] == ["graph.dot"]


def test_a_notebook_display_never_raises(bare):
    shown = mg.draw(small())._repr_mimebundle_()
    first, *tree = shown["text/plain"].splitlines()
    assert set(shown) == {"text/plain"} and "pip install" in first and "digraph" not in shown["text/plain"]
    assert tree[1:] == mg.draw(small()).text().splitlines()


@needs_dot
def test_a_png_has_as_many_pixels_as_asked_for(tmp_path):
    def width(dpi):
        path = tmp_path / "graph.png"
        mg.draw(small()).render(path, dpi=dpi)
        return int.from_bytes(path.read_bytes()[16:20], "big")

    assert width(192) == pytest.approx(2 * width(96), abs=4)
    for name, dpi in (("graph.png", 0), ("graph.svg", 300)):
        with pytest.raises(ValueError, match=f"dpi={dpi} is no positive number of pixels per inch of a PNG"):
            mg.draw(small()).render(tmp_path / name, dpi=dpi)


@needs_dot
def test_a_png_without_any_font_warns(tmp_path, monkeypatch):
    monkeypatch.setattr("minigrad.readings.draw.drawing._FONT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.warns(UserWarning, match="no font on this machine"):
        mg.draw(small()).pipe("png")
    mg.draw(small()).pipe("svg")


def test_an_interrupted_rendering_leaves_no_file(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mg.draw(small()).render(tmp_path / "graph.dot")
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path):
    for name in ("graph.gif", "graph"):
        with pytest.raises(ValueError, match=r"one of \.svg, \.png, \.pdf, \.dot, \.html"):
            mg.draw(small()).render(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unwritable_paths_are_named_and_nothing_is_left(tmp_path):
    missing = tmp_path / "missing" / "graph.dot"
    with pytest.raises(FileNotFoundError, match="no directory"):
        mg.draw(small()).render(missing)
    (tmp_path / "graph.dot").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*graph\.dot"):
        mg.draw(small()).render(tmp_path / "graph.dot")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.dot"]


def test_a_failed_rendering_leaves_the_old_file(bare):
    (bare / "graph.svg").write_text("old")
    with pytest.raises(RenderError):
        mg.draw(small()).render(bare / "graph.svg")
    assert (bare / "graph.svg").read_text() == "old"
