"""The page, in a real browser: what lights up, what a panel says; nothing hostile runs and nothing is requested."""

import json
import re
import shutil
from dataclasses import dataclass
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from measures import calls, contrast

import minigrad as mg
import minigrad.graph
from minigrad import check, draw
from minigrad.graph import Graph
from minigrad.readings.draw.page import _heat, _json, _statistics, _svg
from minigrad.text.words import printable

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
)


@pytest.fixture(scope="module")
def tab():
    """A tab of a browser, for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tab = browser.new_page()
        tab.addresses, tab.complaints = [], []
        tab.on("request", lambda request: tab.addresses.append(request.url))
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (tab.complaints.append(dialog.message), dialog.dismiss()))
        yield tab
        browser.close()


@dataclass
class View:
    """A page in the browser, and the drawing that it was made of."""

    page: Any
    drawing: Any

    def edges(self, selector):
        """The edges that a selector finds, as (tail, head) by name."""
        name = {id: name for id, name, _ in self.drawing.vertices}
        found = set(self.page.eval_on_selector_all(selector, "all => all.map(element => element.id)"))
        return {(name[tail], name[head]) for id, tail, head, _ in self.drawing.edge_list if id in found}

    def visible_edges(self):
        return self.edges(".edge:not(.off)")

    def node(self, name):
        return self.page.locator(f"#{next(id for id, known, _ in self.drawing.vertices if known == name)}")

    def point(self, name):
        """Move the mouse to a node, scrolled to where that shows."""
        node = self.node(name)
        node.evaluate("g => g.scrollIntoView({block: 'center', inline: 'center'})")
        box = node.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        return x, y

    def click(self, name):
        self.page.mouse.click(*self.point(name))

    def lit(self, name):
        self.point(name)
        return self.edges(".edge.on")

    def panel(self):
        return self.page.locator("#panel").inner_text()


@pytest.fixture
def view(tab, tmp_path):
    """Draws, renders to a page and opens it; afterwards nothing was requested but the page, and nothing complained."""

    def open_(drawing, scheme="light", width=1300, height=900, motion="no-preference"):
        path = tmp_path / "graph.html"
        drawing.render(path)
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(color_scheme=scheme, reduced_motion=motion)
        tab.mouse.move(0, 0)
        tab.addresses.clear()
        tab.goto(path.as_uri())
        return View(tab, drawing)

    tab.complaints.clear()
    yield open_
    assert tab.complaints == []
    assert tab.addresses == [(tmp_path / "graph.html").as_uri()]


def network(backward=True):
    """Two layers, cross-entropy and a penalty on the weights."""
    rng = np.random.default_rng(3)
    X, Y = mg.constant(rng.normal(size=(2, 30)), "X"), mg.constant(np.ones((1, 30)), "Y")
    W1, b1 = mg.Tensor(rng.normal(size=(4, 2)), name="W1"), mg.Tensor(np.zeros((4, 1)), name="b1")
    W2, b2 = mg.Tensor(rng.normal(size=(1, 4)), name="W2"), mg.Tensor(np.zeros((1, 1)), name="b2")
    with mg.scope("layer 1"):
        A1 = np.maximum((W1 @ X + b1).named("Z1"), 0).named("A1")
    with mg.scope("layer 2"):
        A2 = (1 / (1 + np.exp(-(W2 @ A1 + b2).named("Z2")))).named("A2")
    entropy = (-np.sum(Y * np.log(A2)) / 30).named("cross-entropy")
    penalty = (0.1 * (np.sum(np.square(W1)) + np.sum(np.square(W2)))).named("L2")
    J = (entropy + penalty).named("J")
    if backward:
        J.backward()
    return J


def node(J, name):
    return Graph(J).by_name[name]


def two_heads():
    W = mg.Tensor([[1.0, -2.0]], name="W")
    Z = (W * 3).named("Z")
    J = np.sum(Z).named("first") + np.sum(np.square(Z)).named("second")
    J.backward()
    return J.named("J")


# --- light ------------------------------------------------------------------------------------------------------------


def test_a_weight_lights_its_path_to_each_term(view):
    lit = view(draw(network())).lit("W2")
    assert lit == {
        *{("W2", "L2"), ("L2", "J")},
        *{("W2", "Z2"), ("Z2", "A2"), ("A2", "cross-entropy"), ("cross-entropy", "J")},
    }


@pytest.mark.parametrize("name", ["A2", "A1", "Z1", "b1"])
def test_an_activation_lights_no_edge_of_the_penalty(view, name):
    lit = view(draw(network())).lit(name)
    assert lit and not any("L2" in edge for edge in lit)
    assert not any(head.startswith("W") for _, head in lit)


def test_a_page_walks_the_graph_once_per_term(monkeypatch):
    drawing = draw(network())
    walks, walk = [], minigrad.graph.walk
    monkeypatch.setattr(minigrad.graph, "walk", lambda seeds: walks.append(seeds) or walk(seeds))
    drawing._content("html")
    drawing._content("html")
    assert len(walks) <= 2


def test_the_panel_shows_the_values_of_the_recording(view):
    J = network()
    W2 = node(J, "W2")
    W2.data[...] = 1e6
    opened = view(draw(J))
    opened.click("W2")
    assert "1e+06" not in opened.panel()
    assert "1e+06" not in draw(J).source


def test_a_term_lights_what_it_reaches_and_the_cost_lights_all(view):
    opened = view(draw(network()))
    assert opened.lit("L2") == {("W1", "L2"), ("W2", "L2"), ("L2", "J")}
    everything = opened.lit("J")
    assert {("W1", "L2"), ("X", "Z1"), ("W1", "Z1")} - everything == {("X", "Z1")}


def test_data_light_nothing_and_all_else_dims(view):
    opened = view(draw(network()))
    assert opened.lit("X") == set()
    opened.page.wait_for_timeout(200)
    assert float(opened.node("W1").evaluate("g => getComputedStyle(g).opacity")) < 0.3
    assert float(opened.node("X").evaluate("g => getComputedStyle(g).opacity")) == 1
    opened.page.mouse.move(1, 1)
    assert not opened.page.locator("#picture.lit").count()


def test_the_keyboard_lights_too_and_words_say_it(view):
    opened = view(draw(network()))
    opened.node("A2").focus()
    assert ("A2", "cross-entropy") in opened.edges(".edge.on")
    assert opened.page.inner_text("#status") == "A2 gets gradient from cross-entropy. No path: L2."


def test_a_chain_of_doublings_lights_at_once(view):
    x = mg.Tensor([1.0], name="x")
    y = x
    for k in range(60):
        y = (y + y).named(f"y{k}")
    opened = view(draw(np.sum(y).named("J")))
    assert len(opened.lit("x")) == 61


# --- switches ---------------------------------------------------------------------------------------------------------


def test_a_switch_hides_the_edges_of_its_term(view):
    opened = view(draw(network()))
    every = opened.visible_edges()
    switch = opened.page.get_by_role("switch", name="L2")
    assert switch.get_attribute("aria-checked") == "true" and "on" in switch.inner_text()
    switch.click()
    assert every - opened.visible_edges() == {("W1", "L2"), ("W2", "L2"), ("L2", "J")}
    assert switch.get_attribute("aria-checked") == "false" and "off" in switch.inner_text()
    assert opened.page.locator("#edge-1").count() and "L2" not in str(opened.lit("W2") & opened.visible_edges())
    switch.focus()
    opened.page.keyboard.press("Space")
    assert opened.visible_edges() == every


def test_an_edge_of_several_terms_stays_while_one_is_on(view):
    opened = view(draw(two_heads()))
    shared = ("W", "Z")
    strokes = opened.page.locator(".edge:has(path:nth-of-type(3)) path:not(.off)")
    before = strokes.count()
    opened.page.get_by_role("switch", name="first").click()
    assert shared in opened.visible_edges() and strokes.count() < before
    opened.page.get_by_role("switch", name="second").click()
    assert shared not in opened.visible_edges()


# --- the panel --------------------------------------------------------------------------------------------------------


def test_a_click_opens_a_panel_that_tells_all(view):
    J = network()
    W2 = node(J, "W2")
    opened = view(draw(J))
    opened.click("W2")
    told = opened.panel()
    assert "learned · 1 × 4 · float64" in told
    for a in (W2.data, W2.grad):
        for number in (a.min(), a.max(), a.mean(), np.linalg.norm(a)):
            assert f"{number:.4g}".replace("-", "−") in told
    assert f"norm {np.linalg.norm(0.2 * W2.data):.4g}" in told
    assert "dW2 = dZ2 A1ᵀ + 0.2 W2" in told
    assert opened.page.locator("#panel figure svg").count() == 2
    assert opened.page.locator("#panel figure").first.locator("rect").count() == 4
    opened.click("A2")
    told = opened.panel()
    assert re.search(r"L2\s+no path", told) and "no path leads from A2 to L2" in told


def test_the_panel_by_keyboard(view):
    opened = view(draw(network()))
    button = opened.node("W1")
    button.focus()
    label = button.get_attribute("aria-label")
    assert button.get_attribute("role") == "button" and re.fullmatch("W1 .*, learned", label)
    opened.page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert opened.page.evaluate("document.activeElement.textContent") == "W1"
    opened.page.mouse.move(1, 1)
    assert ("W1", "L2") in opened.edges(".edge.on"), "what is chosen stays lit"
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#panel").is_visible() and button.get_attribute("aria-expanded") == "false"
    assert opened.page.evaluate("document.activeElement.id") == button.get_attribute("id")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.getAttribute('role')") == "button"
    outline = opened.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px", "the focus is visible"


def test_before_backward_gradients_are_not_computed_yet(view):
    opened = view(draw(network(backward=False)))
    opened.click("W1")
    told = opened.panel()
    assert "Gradient: not computed yet" in told and "a path; not computed yet" in told and "gradient\n" not in told
    opened.click("b1")
    assert re.search(r"L2\s+no path", opened.panel())


def test_a_zero_is_told_from_no_path(view):
    W = mg.Tensor([[-1.0, -2.0]], name="W")
    b = mg.Tensor([1.0], name="b")
    J = (np.sum(np.maximum(W, 0)).named("closed") + np.sum(b * b).named("other")).named("J")
    J.backward()
    opened = view(draw(J))
    opened.click("W")
    told = opened.panel()
    assert re.search(r"closed\s+0 at these values, though there is a path", told) and re.search(
        r"other\s+no path", told
    )


def test_every_operation_has_a_panel_where_none_has_a_name(view):
    x = mg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    J = np.sum(np.exp(x) * 2)
    J.backward()
    opened = view(draw(J, detail="all"))
    opened.page.locator(".node").first.press("Enter")
    assert "2 × 2" in opened.panel()


def test_a_checked_derivation_is_marked(view):
    J = network()
    dA2, dZ2 = node(J, "A2").grad, node(J, "Z2").grad
    W2, A1, Z1 = (node(J, name).data for name in ("W2", "A1", "Z1"))
    wrong = W2.T @ dZ2 + 0.2 * W2.T  # the penalty, where no path leads to it
    dW2 = dZ2 @ A1.T + 0.2 * W2
    report = check(J, {"dA2": dA2, "dZ2": dZ2, "dA1": wrong, "dW2": dW2, "dZ1": wrong * (Z1 > 0)})
    drawing = draw(J, check=report)
    for name, mark in {"A1": "✗ wrong here", "Z1": "↳ inherited", "Z2": "✓ right"}.items():
        line = next(line for line in drawing.source.splitlines() if f'id="node-{name.lower()}"' in line)
        assert mark in line
    opened = view(drawing)
    assert opened.page.inner_text("#checked").startswith("Checked gradients: ✗ 1 wrong, ↳ 1 inherited, ✓ 3 right.")
    assert "✗ wrong here" in opened.node("A1").get_attribute("aria-label")
    opened.page.get_by_role("button", name="✗ dA1", exact=True).click()
    assert opened.node("A1").bounding_box()["x"] >= 0, "it is scrolled to"
    assert f"dA1: {report.mistakes[0].message}" in opened.panel() and "✗ wrong here" in opened.panel()


def test_a_report_of_another_graph_is_refused():
    report = check(two_heads(), {"dW": np.ones((1, 2))})
    with pytest.raises(ValueError, match=r"'W'.*no node of J"):
        draw(network(), check=report)


# --- hostile names ----------------------------------------------------------------------------------------------------

HOSTILE = (
    "</script><script>alert(1)</script>",
    "--><img src=x onerror=alert(1)>",
    "]]></style><svg onload=alert(1)>",
    "\"'`${alert(1)}\\",
    "line\nbreak\r\ttab %s %% &lt;&#60;",
    "\u202egnp.exe\u2066 \u2028\u2029",
    "javascript:alert(1)",
    "x" * 10_000,
)


def test_hostile_names_are_text_and_run_nowhere(view):
    leaves = []
    for name in HOSTILE:
        with mg.scope(name):
            leaves.append(mg.Tensor([[1.0, -2.0]], name=name))
    J = sum(np.sum(np.square(W)).named(W.name + "t") for W in leaves).named("J" + HOSTILE[0])
    J.backward()
    opened = view(draw(J, check=check(J, {name: 7 * W.grad for name, W in zip(HOSTILE, leaves, strict=True)})))
    for name in HOSTILE:
        opened.click(name)
        opened.page.eval_on_selector_all("details", "all => all.forEach(details => (details.open = true))")
        shown = opened.page.inner_text("#panel h2")
        assert shown == printable(name, 200) and shown in opened.panel()
    for _ in opened.page.locator("#lines li").all():
        opened.page.keyboard.press("n")
    assert opened.page.locator("#lines [aria-current]").count() == 1
    opened.page.keyboard.press("/")
    opened.page.keyboard.insert_text("<script>")
    opened.page.keyboard.press("Enter")
    assert opened.page.inner_text("#panel h2").startswith("</script><script>")
    assert opened.page.evaluate("location.hash").startswith("#node-")
    opened.page.get_by_role("switch").first.click()
    drawn = opened.page.text_content("#picture")
    assert all(printable(name, 40) in drawn for name in HOSTILE), "as the labels of scopes"
    assert opened.page.locator("script").count() == 2 and opened.page.locator("style").count() == 1
    assert opened.page.locator("img, a, iframe, foreignObject, image, use, [onload], [onerror]").count() == 0
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", opened.page.content())
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_policy_stops_a_script_that_should_ever_get_in(view):
    opened = view(draw(two_heads()))
    ran = opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return window.ran === true;
        }"""
    )
    assert not ran
    assert all("Content Security Policy" in text for text in opened.page.complaints)
    opened.page.complaints.clear()  # the browser says what it stopped


def test_only_drawing_elements_come_through():
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)">
        <!-- a comment --><script>alert(1)</script><style>@import "http://x"</style>
        <g id="node-w"><title>tooltip</title><a xlink:href="javascript:alert(1)" href="http://x"><text>W</text></a></g>
        <foreignObject><b>alert</b></foreignObject><image href="http://x"/><polygon points=""/></svg>"""
    text = _svg(svg, [{"id": "node-w", "name": "W", "kind": "learned"}])
    assert ">W</text>" in text and 'aria-label="W, learned"' in text
    assert not re.search("alert|http://x|tooltip|script|style|image|foreign|polygon|comment|xlink", text)


def test_json_holds_nothing_that_html_or_a_script_takes_for_syntax():
    text = _json(["</script>&\u2028\u2029é", {"<!--": "-->"}])
    assert not re.search("[<>&\u0080-\uffff]", text)
    assert json.loads(text) == ["</script>&\u2028\u2029é", {"<!--": "-->"}]


# --- the derivation and its player ------------------------------------------------------------------------------------


def small():
    """One layer and a penalty, of few numbers."""
    x, y = mg.constant([[1.0, -2.0, 0.5]], "x"), mg.constant([[0.0, 1.0, 1.0]], "y")
    w, b = mg.Tensor([[0.5]], name="w"), mg.Tensor([[0.25]], name="b")
    p = (w @ x + b).named("p")
    fit, ridge = np.sum(np.square(p - y)).named("fit"), (3 * np.sum(np.square(w))).named("ridge")
    J = (fit + ridge).named("J")
    J.backward()
    return J, {"w": w, "b": b, "p": p, "x": x, "y": y}


def current(opened):
    """The line that the player has come to, with its numbers; "" where it has not begun."""
    lines = opened.page.locator("#lines [aria-current]")
    return " ".join(lines.first.inner_text().split()) if lines.count() else ""


def known(opened):
    """The nodes that are lit."""
    name = {id: name for id, name, _ in opened.drawing.vertices}
    lit = opened.page.eval_on_selector_all(".node.on", "all => all.map(node => node.id)")
    return {name[id] for id in lit}


def test_the_derivation_stands_beside_the_picture(view):
    drawing = draw(network())
    opened = view(drawing)
    shown = [" ".join(text.split()) for text in opened.page.locator("#lines .formula").all_inner_texts()]
    steps = drawing.derivation.steps()
    assert len(shown) == len(steps["forward"]) + len(steps["backward"])
    assert "dW1 = dZ1 Xᵀ + 0.2 W1" in shown and "dA1 = W2ᵀ dZ2 no path to L2" in shown
    colours = opened.page.eval_on_selector_all(
        "#lines .formula .coloured", "all => all.map(e => [e.textContent, getComputedStyle(e).color])"
    )
    blue, orange = (f"rgb({int(c[1:3], 16)}, {int(c[3:5], 16)}, {int(c[5:], 16)})" for c in drawing.colours.values())
    assert ["dZ1 Xᵀ", blue] in colours and ["0.2 W1", orange] in colours


def test_a_line_lights_its_edges_and_its_node_and_they_light_it(view):
    opened = view(draw(network()))
    lines = opened.page.locator("#lines li")
    lines.filter(has_text="dW2 =").hover()
    assert opened.edges(".edge.on") == {("W2", "Z2"), ("W2", "L2")} and "W2" in known(opened)
    lines.filter(has_text=re.compile("^Z2 =")).hover()
    assert opened.edges(".edge.on") == {("W2", "Z2"), ("A1", "Z2"), ("b2", "Z2")}
    opened.point("W2")
    assert opened.page.locator("#lines li.on").all_inner_texts() == ["dW2 = dZ2 A1ᵀ + 0.2 W2"]
    id = next(id for id, tail, head, _ in opened.drawing.edge_list if (tail, head) == ("node-a1", "node-z2"))
    opened.page.locator(f"#{id} path").first.dispatch_event("pointerover")
    lit = opened.page.locator("#lines li.on").all_inner_texts()
    assert [text.split(" = ")[0] for text in lit] == ["Z2", "dA1"]


def test_the_player_walks_the_backward_pass_to_its_end_and_back(view):
    J, _ = small()
    opened = view(draw(J))
    symbols = [step.symbol for step in opened.drawing.derivation.steps()["backward"]]
    seen = []
    for _ in symbols:
        opened.page.get_by_role("button", name="Next line").click()
        seen.append(current(opened).split(" = ")[0])
    assert seen == symbols and seen[0] == "dJ" and known(opened) >= {"J", "fit", "ridge", "p", "w", "b"}
    opened.page.keyboard.press("n")
    assert current(opened).startswith(symbols[-1]), "there is no line after the last"
    for symbol in reversed(symbols[:-1]):
        opened.page.keyboard.press("b")
        assert current(opened).startswith(f"{symbol} =")
    assert known(opened) == {"J"} and opened.edges(".edge.on") == set()
    opened.page.keyboard.press("Escape")
    assert current(opened) == "" and not opened.page.locator("#picture.lit").count()


def test_a_line_shows_its_numbers_in_all_and_per_term(view):
    J, t = small()
    opened = view(draw(J))
    opened.page.locator("#lines li").filter(has_text="dw =").click()
    w, x, residual = t["w"].data, t["x"].data, t["p"].data - t["y"].data
    fit, ridge = (2 * residual @ x.T).item(), (6 * w).item()
    for what, number in {"dw =": fit + ridge, "fit sends": fit, "ridge sends": ridge}.items():
        shown = f"{number:.3g}".replace("-", "−")
        assert f"{what} {shown} 1 × 1, norm {abs(number):.4g}" in current(opened)
    opened.page.locator("#lines li").filter(has_text="dp =").click()
    row = " ".join(f"{entry:.3g}".replace("-", "−") for entry in (2 * residual).ravel())
    assert f"dp = {row} 1 × 3" in current(opened) and "sends" not in current(opened)


def test_what_is_known_so_far_is_lit_and_the_rest_is_dim(view):
    J, _ = small()
    opened = view(draw(J))
    opened.page.locator("#lines li").filter(has_text="dp =").click()
    opened.page.mouse.move(1, 1)
    assert "p" in known(opened) and known(opened).isdisjoint({"w", "b", "x"})
    assert opened.page.locator(".node.now").get_attribute("id") == "node-p"
    opened.page.locator("#lines li").filter(has_text=re.compile("^p =")).click()
    opened.page.mouse.move(1, 1)
    assert known(opened) >= {"p", "w", "b", "x"} and known(opened).isdisjoint({"J", "fit", "ridge"})


def test_it_plays_by_itself_forward_as_well(view):
    J, _ = small()
    opened = view(draw(J))
    opened.page.clock.install()
    opened.page.get_by_role("button", name="Play the forward pass").click()
    assert current(opened).startswith("p =")
    opened.page.clock.run_for(1500)
    assert current(opened).startswith("t1 = p - y t1 = 0.75 −1.75 −0.5")
    opened.page.clock.run_for(60_000)
    assert current(opened).split(" = ")[0] == opened.drawing.derivation.steps()["backward"][-1].symbol
    opened.page.keyboard.press("p")
    assert current(opened).startswith("dJ = 1")
    opened.page.keyboard.press("p")
    opened.page.clock.run_for(60_000)
    assert current(opened).startswith("dJ = 1"), "it rests"


def test_a_large_graph_is_not_written_out(view):
    y = mg.Tensor([1.0], name="x")
    for _ in range(1_100):
        y = y + 1
    opened = view(draw(np.sum(y).named("J")))
    assert "mg.derive" in opened.page.inner_text("#lines") and not opened.page.locator("#player").is_visible()


# --- the view ---------------------------------------------------------------------------------------------------------


def drawn_box(opened):
    """Where the whole of the picture is, in pixels of the window: left, top, right, bottom."""
    return opened.page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll(".node, .edge")].map((g) => g.getBoundingClientRect());
            const [sides, least] = [(key) => boxes.map((box) => box[key]), Math.min];
            return [least(...sides("left")), least(...sides("top")),
                    Math.max(...sides("right")), Math.max(...sides("bottom"))];
        }"""
    )


def frame(opened):
    box = opened.page.locator("#picture").bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def is_in_sight(opened):
    (left, top, right, bottom), (x0, y0, x1, y1) = drawn_box(opened), frame(opened)
    return x0 - 1 <= left and y0 - 1 <= top and right <= x1 + 1 and bottom <= y1 + 1


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (390, 844)])
def test_it_opens_with_the_whole_picture_in_sight(view, width, height):
    opened = view(draw(network()), width=width, height=height)
    assert is_in_sight(opened) and frame(opened)[3] <= height
    left, _, right, _ = drawn_box(opened)
    assert right - left > 0.4 * width
    opened.page.set_viewport_size({"width": width, "height": height - 200})
    opened.page.wait_for_timeout(100)
    assert is_in_sight(opened), "it fits the window when that changes"


def test_wheel_zooms_at_the_mouse_and_fit_fits_again(view):
    opened = view(draw(network()))
    x, y = opened.point("W1")
    before = opened.node("W1").bounding_box()
    opened.page.mouse.wheel(0, -400)
    after = opened.node("W1").bounding_box()
    assert after["width"] > 1.5 * before["width"]
    assert abs(after["x"] + after["width"] / 2 - x) < 3 and abs(after["y"] + after["height"] / 2 - y) < 3
    assert not is_in_sight(opened)
    opened.page.get_by_role("button", name="Fit").click()
    assert is_in_sight(opened) and opened.node("W1").bounding_box() == before
    for key, larger in {"+": True, "-": False}.items():
        before = opened.node("W1").bounding_box()["width"]
        opened.page.keyboard.press(key)
        assert (opened.node("W1").bounding_box()["width"] > before) is larger
    for _ in range(60):
        opened.page.mouse.wheel(0, 4_000)
    assert opened.node("W1").bounding_box()["width"] > 5, "it does not vanish"


def test_a_drag_pans_and_chooses_nothing(view):
    opened = view(draw(network()))
    x, y = opened.point("W1")
    before = opened.node("W1").bounding_box()
    opened.page.mouse.down()
    opened.page.mouse.move(x + 50, y + 30, steps=5)
    opened.page.mouse.up()
    after = opened.node("W1").bounding_box()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((50, 30), abs=1)
    assert not opened.page.locator("#panel").is_visible()
    opened.click("W1")
    assert opened.page.locator("#panel").is_visible()


def test_two_fingers_pinch(view):
    opened = view(draw(network()), width=390, height=844)
    before, (x, y) = opened.node("W1").bounding_box()["width"], opened.point("W1")
    for kind, first, second in [("down", -20, 20), ("move", -40, 20), ("move", -40, 40), ("up", -40, 40)]:
        for id, dx in {1: first, 2: second}.items():
            opened.page.locator("#picture").dispatch_event(
                f"pointer{kind}", {"pointerId": id, "clientX": x + dx, "clientY": y, "pointerType": "touch"}
            )
    assert opened.node("W1").bounding_box()["width"] == pytest.approx(2 * before, rel=0.1)


def test_it_prints_on_one_page(view):
    opened = view(draw(network()))
    opened.page.mouse.wheel(0, -400)
    for landscape in (False, True):
        assert opened.page.pdf(landscape=landscape).count(b"/Type /Page\n") == 1


# --- ways to a node ---------------------------------------------------------------------------------------------------


def test_search_finds_a_node(view):
    opened = view(draw(network()))
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("w")
    assert known(opened) == {"W1", "W2"} and opened.page.inner_text("#status").startswith("2 of 13 nodes: W1 and W2")
    opened.page.keyboard.press("Enter")
    assert opened.page.inner_text("#panel h2") == "W1"
    opened.page.keyboard.press("/")
    opened.page.keyboard.press("Enter")
    assert opened.page.inner_text("#panel h2") == "W2"
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("nothing")
    assert opened.page.inner_text("#status") == "0 of 13 nodes."


def test_arrow_keys_walk_along_edges(view):
    opened = view(draw(network()))
    opened.node("J").focus()
    linked = {frozenset((tail, head)) for _, tail, head, _ in opened.drawing.edge_list}
    keys = ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"]
    here, visited = "node-j", {"node-j"}
    for key in [*["ArrowUp"] * 6, *keys * 6]:
        opened.page.keyboard.press(key)
        there = opened.page.evaluate("document.activeElement.id")
        assert there == here or frozenset((here, there)) in linked
        here = there
        visited.add(here)
    assert len(visited) > 5


def test_a_link_leads_to_a_node(view, tab, tmp_path):
    drawing = draw(network())
    opened = view(drawing)
    opened.click("W2")
    assert tab.evaluate("location.hash") == "#node-w2"
    tab.evaluate("location.hash = '#node-a1'")
    tab.wait_for_timeout(50)
    assert tab.inner_text("#panel h2") == "A1"
    tab.reload()
    assert tab.inner_text("#panel h2") == "A1"
    tab.addresses[:] = tab.addresses[:1]


def test_a_node_too_small_to_read_is_brought_near(view):
    x = mg.Tensor([1.0], name="x")
    for k in range(30):
        x = np.tanh(x).named(f"y{k}")
    opened = view(draw(np.sum(x).named("J"), direction="TB"))
    assert opened.node("y17").bounding_box()["height"] < 20
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("y17")
    opened.page.keyboard.press("Enter")
    assert opened.node("y17").bounding_box()["height"] > 25
    (x0, y0, x1, y1), box = frame(opened), opened.node("y17").bounding_box()
    assert x0 <= box["x"] <= x1 and y0 <= box["y"] <= y1


# --- copies -----------------------------------------------------------------------------------------------------------


def test_the_picture_is_copied_as_it_is_shown(view, tab):
    opened = view(draw(network()))
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.get_by_role("switch", name="L2").click()
    opened.page.get_by_role("button", name="Copy as SVG").click()
    tab.get_by_text("The picture is copied, as SVG.").wait_for()
    copied = ElementTree.fromstring(tab.evaluate("navigator.clipboard.readText()"))
    assert copied.get("viewBox").startswith("0.00 0.00") and not [e for e in copied.iter() if e.get("tabindex")]
    ids = {element.get("id") for element in copied.iter()}
    assert "node-w1" in ids and not [id for id, *_, terms in opened.drawing.edge_list if terms == ["L2"] and id in ids]
    opened.page.get_by_role("button", name="Copy as PNG").click()
    tab.get_by_text("The picture is copied, as PNG.").wait_for()
    size = """async () => {
        const [item] = await navigator.clipboard.read();
        const bitmap = await createImageBitmap(await item.getType("image/png"));
        return [bitmap.width, bitmap.height];
    }"""
    width, height = (float(copied.get(side).removesuffix("pt")) for side in ("width", "height"))
    assert tab.evaluate(size) == pytest.approx([2.5 * width, 2.5 * height], abs=2)


# --- access -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def axe():
    """The program that looks for what keeps people from using a page."""
    return resources.files(pytest.importorskip("axe_core_python")).joinpath("axe.min.js").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(axe, view, scheme):
    opened = view(draw(network()), scheme)
    opened.page.evaluate(axe)
    for act in (lambda: None, lambda: opened.click("W2"), lambda: opened.page.keyboard.press("n")):
        act()
        opened.page.mouse.move(1, 1)
        opened.page.wait_for_timeout(200)
        options = {"preload": False, "rules": {"label-content-name-mismatch": {"enabled": True}}}
        found = opened.page.evaluate("options => axe.run(options)", options)
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    opened.page.complaints[:] = [text for text in opened.page.complaints if "Canvas2D" not in text]  # of axe itself


# --- in a notebook ----------------------------------------------------------------------------------------------------


def test_a_notebook_shows_the_page_in_a_frame(tab, tmp_path):
    leaf = mg.Tensor([1.0, 2.0], name='"><script>alert(1)</script>')
    J = (np.sum(np.square(leaf)).named("square") + np.sum(leaf).named("sum")).named("J")
    html = draw(J).page(height=500)._repr_mimebundle_()["text/html"]
    assert re.fullmatch(r'<iframe title="[^"<>]*" sandbox="[^"<>]*" style="[^"<>]*" srcdoc="[^"<>]*"></iframe>', html)
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html><meta charset=utf-8>{html}", encoding="utf-8")
    tab.complaints.clear()
    tab.goto((tmp_path / "notebook.html").as_uri())
    frame = tab.frame_locator("iframe")
    frame.locator(".node").first.click()
    assert frame.locator("#panel h2").inner_text() == printable(leaf.name)
    frame.get_by_role("button", name="Next line").click()
    assert frame.locator("#lines [aria-current]").inner_text().startswith("dJ = 1")
    assert tab.complaints == []


def test_a_notebook_s_picture_says_in_words_what_it_shows():
    shown = draw(small()[0])._repr_mimebundle_()
    picture = ElementTree.fromstring(shown["image/svg+xml"])
    assert picture.get("role") == "img" and picture.get("aria-label").startswith("The graph of J = fit + ridge. J fit")
    assert shown["text/plain"].splitlines()[:4] == ["J", "  fit", "    p", "      b"]


# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(view, scheme):
    opened = view(draw(network()), scheme, width=390, height=844)
    opened.click("W1")
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture, panel = (opened.page.locator(id).bounding_box() for id in ("#picture", "#panel"))
    assert panel["y"] >= picture["y"] + picture["height"], "the panel stands below the picture"
    sizes = opened.page.evaluate(
        """() => {
            return [...document.querySelectorAll("body *")]
                .filter((e) => !(e instanceof SVGElement) && e.checkVisibility())
                .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
                .map((e) => parseFloat(getComputedStyle(e).fontSize));
        }"""
    )
    assert min(sizes) >= 11.9


def colours(css):
    return dict(re.findall(r"--(\w+): (#\w{6})", css))


def test_text_contrasts_in_light_and_in_dark():
    css = resources.files("minigrad.readings.draw").joinpath("page.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    for scheme in (colours(light), {**colours(light), **colours(dark)}):
        for text in ("ink", "quiet", "wrong", "right", "focus"):
            for ground in ("paper", "ground"):
                assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)


def test_the_picture_s_colours_contrast_in_the_dark(view):
    """Dark mode turns the picture's lightness round: the colours of the terms must still be readable."""
    W = mg.Tensor([1.0, 2.0], name="W")
    J = sum((k * np.sum(np.square(W))).named(f"t{k}") for k in range(1, 7)).named("J")
    opened = view(draw(J), scheme="dark")
    assert opened.page.evaluate("getComputedStyle(document.querySelector('#picture svg')).filter").startswith("invert")
    for colour in (*opened.drawing.colours.values(), "#5f5f5f", "#333333", "#b3261e", "#146c2e"):
        assert contrast(turned(colour), "#101215") >= 4.5, colour
    assert contrast(turned("#fbe3b0"), turned("#000000")) >= 4.5


def turned(colour):
    """What ``invert(1) hue-rotate(180deg)`` makes of a colour, by the matrix of the filter's definition."""
    weights = np.array([0.213, 0.715, 0.072])
    rotate = 2 * np.ones((3, 1)) * weights - np.eye(3)
    rgb = 255 - np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return "#" + "".join(f"{int(c):02x}" for c in np.clip(np.rint(rotate @ rgb), 0, 255))


def test_who_wants_less_motion_gets_none(view):
    for motion, duration in {"no-preference": "0.15s", "reduce": "0s"}.items():
        opened = view(draw(two_heads()), motion=motion)
        assert opened.node("W").evaluate("g => getComputedStyle(g).transitionDuration") == duration


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_statistics_count_what_is_not_finite():
    assert _statistics(np.array([0.0, -2.0, 4.0])) == ["−2", "4", "0.6667", "4.472", "1 of 3", ""]
    assert _statistics(np.array([np.nan, np.inf, 3.0]))[-2:] == ["0 of 3", "2 of 3"]
    assert _statistics(np.array([np.nan]))[0] == "–"
    assert _statistics(np.zeros((0, 3)))[0] == "–"
    assert _statistics(np.float16([60_000, 60_000]))[3] == "8.485e+04"


def test_a_heat_map_is_the_means_of_blocks():
    assert _heat(np.array(3.0)) is None and _heat(np.zeros((0, 2))) is None
    assert _heat(np.array([[1.0, -2.0], [0.0, np.nan]])) == {
        "cells": [[50, -100], [0, None]],
        "scale": "2",
        "shape": "",
    }
    assert _heat(np.zeros(3))["cells"] == [[0, 0, 0]]
    big = _heat(np.arange(48.0 * 100).reshape(48, 10, 10))
    assert len(big["cells"]) == 24 and len(big["cells"][0]) == 24 and big["shape"] == "48 × 100"
    two = np.repeat([[1.0, -1.0]], 24, axis=0).repeat(24, axis=1)
    assert _heat(two)["cells"] == [[100] * 12 + [-100] * 12] * 24


def test_a_page_of_a_thousand_nodes_is_small_and_quick():
    def blocks(n):
        y = x = mg.Tensor(np.ones(100), name="x")
        for k in range(n):
            with mg.scope(f"block {k}"):
                y = (np.tanh(y) + x).named(f"y{k}")
        J = (np.sum(y).named("first") + np.sum(np.square(x)).named("second")).named("J")
        J.backward()
        return draw(J)

    short, long = blocks(60), blocks(600)
    assert calls(long.page) < 11 * calls(short.page)
    assert len(long.page().content) < 2_000_000
    assert len(long.vertices) <= 160
