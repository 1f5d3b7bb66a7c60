"use strict";

// Names reach the document as text nodes and attribute values only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const [termsBox, checked, status, tools, picture, panel, player, listing] = [
  ...["terms", "checked", "status", "tools", "picture", "panel", "player", "lines"],
].map((id) => document.getElementById(id));
const nodes = data.nodes.map((facts, index) => ({ ...facts, index, group: document.getElementById(facts.id) }));
const edges = data.edges.map(([id, tail, head, terms, summands]) => ({
  ...{ tail, head, terms, summands, group: document.getElementById(id) },
  served: summands.length ? summands : terms,
}));
const lines = data.lines;
const isOn = data.terms.map(() => true);
let chosen = null; // the node that the panel is about
let step = -1; // the line that the player has come to

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "rect"].includes(tag);
  const element = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function button(text, label, act) {
  const element = make("button", { type: "button", "aria-label": label, title: label }, text);
  element.addEventListener("click", act);
  return element;
}

const listed = (names) =>
  names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join("");

// --- what belongs together: every subject lights nodes, edges and lines, and is said in words -------------------------

const ends = (lit) => lit.filter((edge) => !edge.served.length || edge.served.some((k) => isOn[k]))
  .flatMap((edge) => [edge.tail, edge.head]);
const linesOf = (pass, index) => lines.filter((line) => line.pass === pass && line.node === index);

// The paths on which gradient travels from the terms to a node.
function pathsOf(node) {
  const added = edges.filter((edge) => edge.head === node.index).flatMap((edge) => edge.summands);
  if (added.length) return edges.filter((edge) => edge.served.some((k) => added.includes(k))); // a sum of terms
  const lit = new Set();
  data.terms.forEach((term, k) => {
    const carriers = edges.filter((edge) => edge.terms.includes(k));
    if (term.node === node.index) carriers.forEach((edge) => lit.add(edge));
    const seen = new Set([node.index]);
    for (const place of seen) {
      for (const edge of carriers) {
        if (edge.tail === place) {
          lit.add(edge);
          seen.add(edge.head);
        }
      }
    }
    if (seen.has(term.node)) edges.filter((edge) => edge.summands.includes(k)).forEach((edge) => lit.add(edge));
  });
  return [...lit];
}

function ofNode(node) {
  const lit = pathsOf(node);
  const own = lines.filter((line) => line.node === node.index);
  return { nodes: [node.index, ...ends(lit)], edges: lit, lines: own, words: inWords(node) };
}

function ofEdge(edge) {
  const both = [...linesOf("forward", edge.head), ...(edge.served.length ? linesOf("backward", edge.tail) : [])];
  return { nodes: [edge.tail, edge.head], edges: [edge], lines: both, words: edgeInWords(edge) };
}

// A forward line is computed along the edges that arrive at its node, a backward line along those that leave it.
function edgesOf(line) {
  if (line.pass === "forward") return edges.filter((edge) => edge.head === line.node);
  return edges.filter((edge) => edge.tail === line.node && edge.served.length);
}

function ofLine(line) {
  const lit = edgesOf(line);
  return { nodes: [line.node, ...ends(lit)], edges: lit, lines: [line], words: formulaInWords(line) };
}

function ofStep() {
  const known = lines.slice(0, step + 1).filter((line) => line.pass === lines[step].pass);
  const given = lines[step].pass === "forward" ? nodes.filter((node) => !edges.some((e) => e.head === node.index)) : [];
  return {
    nodes: [...known.map((line) => line.node), ...given.map((node) => node.index)],
    edges: known.flatMap(edgesOf),
    lines: [lines[step]],
    words: `${known.length} of ${lines.filter((line) => line.pass === lines[step].pass).length}: ` +
      formulaInWords(lines[step]),
    now: lines[step].node,
  };
}

const INVITATION = "Point at a node, an edge or a line; choose a node to read more.";

function light(subject) {
  const shown = subject ?? (step >= 0 ? ofStep() : chosen && ofNode(chosen));
  const [litNodes, litEdges, litLines] = ["nodes", "edges", "lines"].map((key) => new Set(shown?.[key]));
  picture.classList.toggle("lit", Boolean(shown));
  for (const edge of edges) edge.group?.classList.toggle("on", litEdges.has(edge));
  for (const node of nodes) {
    node.group?.classList.toggle("on", litNodes.has(node.index));
    node.group?.classList.toggle("now", shown?.now === node.index);
  }
  for (const line of lines) line.element?.classList.toggle("on", litLines.has(line));
  status.textContent = shown?.words ?? INVITATION;
}

function inWords(node) {
  if (!node.shares) return `${node.name}: ${node.kind}.`;
  const own = data.terms.findIndex((term) => term.node === node.index);
  const named = (path) => data.terms.filter((_, k) => (node.shares[k] !== null) === path).map((term) => term.name);
  const [from, without] = [named(true), named(false)];
  if (own >= 0) {
    const tails = new Set(edges.filter((edge) => edge.terms.includes(own)).map((edge) => edge.tail));
    const reached = nodes.filter((other) => tails.has(other.index)).map((other) => other.name);
    return `${node.name} sends gradient to ${listed(reached) || "nothing"}.`;
  }
  if (!from.length) return `${node.name}: no path to any term.`;
  return `${node.name} gets gradient from ${listed(from)}.${without.length ? ` No path: ${listed(without)}.` : ""}`;
}

function edgeInWords(edge) {
  const [tail, head] = [nodes[edge.tail].name, nodes[edge.head].name];
  if (edge.summands.length) return `${tail} is a summand of ${head}.`;
  const terms = edge.terms.map((k) => data.terms[k].name);
  return `${tail} → ${head}: ${terms.length ? `gradient of ${listed(terms)} comes back` : "no gradient comes back"}.`;
}

// --- switches --------------------------------------------------------------------------------------------------------

function show() {
  for (const edge of edges) {
    const on = edge.served.filter((k) => isOn[k]);
    edge.group?.classList.toggle("off", edge.served.length > 0 && on.length === 0);
    const left = new Set(on.map((k) => data.terms[k].colour));
    const gone = new Set(edge.served.map((k) => data.terms[k].colour).filter((colour) => !left.has(colour)));
    for (const stroke of edge.group?.querySelectorAll("path") ?? []) {
      stroke.classList.toggle("off", left.size > 0 && gone.has(stroke.getAttribute("stroke")));
    }
  }
  for (const node of nodes) {
    const arriving = (node.shares ?? []).flatMap((share, k) => (share === null ? [] : [k]));
    node.group?.classList.toggle("idle", arriving.length > 0 && !arriving.some((k) => isOn[k]));
  }
}

function swatch(term) {
  const element = make("span", { class: "swatch", "aria-hidden": "true" }, term.sign);
  element.style.color = term.colour;
  return element;
}

data.terms.forEach((term, k) => {
  const state = make("small", {}, "on");
  const toggle = make("button", { type: "button", role: "switch", "aria-checked": "true" });
  toggle.append(swatch(term), make("span", { class: "name" }, term.name), state);
  toggle.addEventListener("click", () => {
    isOn[k] = !isOn[k];
    toggle.setAttribute("aria-checked", isOn[k]);
    state.textContent = isOn[k] ? "on" : "off";
    show();
  });
  termsBox.append(toggle);
});

// --- formulas and numbers --------------------------------------------------------------------------------------------

const signed = (text, first) => (first ? [text] : text.startsWith("-") ? [" − ", text.slice(1)] : [" + ", text]);
const formulaInWords = (line) =>
  `${line.symbol} = ${line.summands.map(([text], k) => signed(text, k === 0).join("")).join("")}`;

function coloured(text, terms, several) {
  const element = make("span", {}, text);
  if (terms.length === 1) {
    if (several) element.dataset.sign = data.terms[terms[0]].sign;
    element.className = "coloured";
    element.style.setProperty("--own", data.terms[terms[0]].colour);
  }
  return element;
}

// The summands in the colours of their terms, where those differ with their signs too; what has no path in grey.
function formula(line) {
  const several = new Set(line.summands.map(([, terms]) => terms.join())).size > 1;
  const parts = line.summands.flatMap(([text, terms], k) => {
    const [code, sign] = signed(text, k === 0).reverse();
    return [sign ?? null, coloured(code, terms, several)];
  });
  const missing = line.missing.map((k) => data.terms[k].name);
  return make("span", { class: "formula" }, make("b", {}, line.symbol), " = ", ...parts,
    line.shorter ? make("span", { class: "quiet" }, ` = ${line.shorter}`) : null,
    missing.length ? make("small", {}, `  no path to ${listed(missing)}`) : null);
}

// A number as it is, a small matrix in full, of all arrays shape and norm.
function entries(numbers) {
  if (numbers.shape === "a scalar") return [numbers.rows[0][0]];
  const row = (cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  return [
    numbers.rows && make("table", { class: "matrix" }, make("tbody", {}, ...numbers.rows.map(row))),
    make("span", { class: "quiet" }, `${numbers.shape}, norm ${numbers.norm}`),
  ];
}

function numbersOf(line) {
  const whole = make("div", {}, make("span", {}, `${line.symbol} =`), ...entries(line.numbers));
  const parts = line.parts.map(([k, numbers]) =>
    make("div", {}, swatch(data.terms[k]), make("span", {}, `${data.terms[k].name} sends`), ...entries(numbers)));
  return make("div", { class: "numbers" }, whole, ...parts);
}

// --- the derivation and its player -----------------------------------------------------------------------------------

const speed = 1400; // milliseconds that the player stays at a line
let timer = null;

for (const pass of ["forward", "backward"]) {
  const own = lines.filter((line) => line.pass === pass);
  if (!own.length) continue;
  const play = button("Play", `Play the ${pass} pass`, () => start(lines.indexOf(own[0])));
  listing.append(make("div", { class: "top" }, make("h3", {}, pass === "forward" ? "Forward" : "Backward"), play));
  const list = make("ol");
  for (const line of own) {
    const head = make("button", { type: "button", class: "line" }, formula(line));
    head.addEventListener("click", () => go(lines.indexOf(line)));
    line.element = make("li", {}, head);
    line.element.addEventListener("pointerenter", () => light(ofLine(line)));
    line.element.addEventListener("pointerleave", () => light());
    list.append(line.element);
  }
  listing.append(list);
}
if (!lines.length) listing.append(make("p", { class: "quiet" }, "The graph is large: mg.derive writes it out."));

function go(to) {
  lines[step]?.element.querySelector(".numbers").remove();
  lines[step]?.element.removeAttribute("aria-current");
  step = Math.max(-1, Math.min(lines.length - 1, to));
  const line = lines[step];
  if (line) {
    line.element.setAttribute("aria-current", "step");
    line.element.append(numbersOf(line));
    scrollToLine(line);
    if (!fitted && nodes[line.node]) bringIntoSight(nodes[line.node]);
  }
  light();
}

function scrollToLine(line) {
  const [inner, outer] = [line.element.getBoundingClientRect(), listing.getBoundingClientRect()];
  listing.scrollTop += inner.top - outer.top - outer.height / 3;
}

const firstBackward = lines.findIndex((line) => line.pass === "backward");
const next = () => go(step < 0 ? firstBackward : step + 1);

function start(from) {
  stop();
  go(from);
  timer = setInterval(() => (step < lines.length - 1 ? next() : stop()), speed);
  playButton.textContent = "Pause";
}

function stop() {
  clearInterval(timer);
  timer = null;
  playButton.textContent = "Play";
}

const playOrPause = () => {
  if (timer !== null) stop();
  else start(step < 0 || step === lines.length - 1 ? firstBackward : step + 1);
};
const byHand = (act) => () => {
  stop();
  act();
};
const playButton = button("Play", "Play the backward pass, or pause (p)", playOrPause);
const steps = {
  b: byHand(() => go(step - 1)),
  n: byHand(next),
  p: playOrPause,
};
playButton.removeAttribute("aria-label");
player.append(
  button("◂", "Line before (b)", steps.b),
  playButton,
  button("▸", "Next line (n)", steps.n),
  button("■", "Stop, and show the whole picture (Escape)", byHand(() => go(-1))),
);
player.hidden = !lines.length;

// --- the panel -------------------------------------------------------------------------------------------------------

const WORDS = ["min", "max", "mean", "norm", "zeros", "not finite"];

function statistics(node) {
  const columns = [node.value, node.gradient].filter((column) => column);
  const head = make("tr", {}, make("td"), make("th", { scope: "col" }, "value"));
  if (node.gradient) head.append(make("th", { scope: "col" }, "gradient"));
  const rows = WORDS.filter((word, k) => columns.some((column) => column[k])).map((word) => {
    const k = WORDS.indexOf(word);
    return make("tr", {}, make("th", { scope: "row" }, word), ...columns.map((c) => make("td", {}, c[k] || "none")));
  });
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function heatMap(map, what) {
  const [rows, columns] = [map.cells.length, map.cells[0].length];
  const size = Math.min(16, 312 / columns, 240 / rows);
  const label = `${what}: colours from −${map.scale} to ${map.scale}`;
  const drawn = make("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${columns} ${rows}` });
  drawn.setAttribute("width", columns * size);
  drawn.setAttribute("height", rows * size);
  map.cells.forEach((row, y) =>
    row.forEach((cell, x) => {
      if (cell === 0) return;
      const kind = cell === null ? "unknown" : cell < 0 ? "negative" : "positive";
      const opacity = cell === null ? 1 : Math.abs(cell) / 100;
      drawn.append(make("rect", { x, y, width: 1, height: 1, class: kind, "fill-opacity": opacity }));
    }),
  );
  const key = make("span", { class: "key", "aria-hidden": "true" });
  const caption = make("figcaption", {}, make("b", {}, what), make("br"), `−${map.scale}`, key, map.scale);
  if (map.shape) caption.append(make("br"), `${map.shape}, shown as means of blocks`);
  if (map.cells.flat().includes(null)) caption.append(make("br"), "grey: not finite");
  return make("figure", {}, drawn, caption);
}

function shareRow(term, share, why) {
  const words =
    share === null ? "no path" : !share.length ? "a path; not computed yet"
    : share[0] === "0" ? "0 at these values, though there is a path" : `norm ${share[0]}, ${(share[1] * 100).toFixed(0)} %`;
  const name = make("span", {}, swatch(term), " ", term.name);
  const row = make("div", { class: "share" });
  row.append(make("div", { class: "row" }, name, make("span", { class: "small" }, words)));
  if (share?.length) {
    const bar = make("div", { class: "bar" });
    bar.style.background = term.colour;
    bar.style.width = `${share[1] * 100}%`;
    row.append(make("div", { class: "track", "aria-hidden": "true" }, bar));
  }
  if (why) {
    const details = make("details", {}, make("summary", {}, "Why not?"), make("pre", {}, why));
    details.open = data.terms.length <= 3;
    row.append(details);
  }
  return row;
}

const VERDICTS = { "✗": "wrong", "↳": "inherited", "✓": "right" };

function verdict(node) {
  const kind = VERDICTS[node.mark.says[0]];
  const [message = "", ...code] = node.mark.lines;
  const text = kind === "wrong" ? `d${node.name}: ${message}` : message;
  const box = make("div", { class: `mark ${kind}` }, make("b", {}, node.mark.says), text);
  if (code.length) box.append(make("pre", {}, code.join("\n")));
  return box;
}

function contents(node) {
  const close = button("Close", "Close the panel (Escape)", () => choose(null));
  const title = make("h2", { id: "panel-name", tabindex: "-1" }, node.name);
  const parts = [make("div", { class: "top" }, title, close)];
  parts.push(make("p", { class: "quiet" }, [node.kind, node.shape, node.dtype].filter(Boolean).join(" · ")));
  parts.push(...lines.filter((line) => line.node === node.index).map((line) => make("p", {}, formula(line))));
  if (node.mark) parts.push(verdict(node));
  if (!node.value) return parts;
  if (node.shares) {
    parts.push(make("h3", {}, "What its gradient is made of"));
    parts.push(...data.terms.map((term, k) => shareRow(term, node.shares[k], node.why[k])));
    parts.push(...node.cosines.map((words) => make("p", { class: "small" }, words)));
  }
  parts.push(make("h3", {}, "Numbers"), statistics(node));
  if (node.shares && !node.gradient) parts.push(make("p", { class: "quiet small" }, "Gradient: not computed yet."));
  const maps = node.heat.map((map, k) => map && heatMap(map, ["Value", "Gradient"][k])).filter(Boolean);
  if (maps.length) parts.push(make("h3", {}, "Entries"), make("div", { class: "maps" }, ...maps));
  return parts;
}

function choose(node) {
  const before = chosen;
  chosen = node;
  before?.group?.classList.remove("chosen");
  before?.group?.setAttribute("aria-expanded", "false");
  panel.hidden = node === null;
  panel.replaceChildren(...(node === null ? [] : contents(node)));
  if (node === null) {
    before?.group?.focus({ preventScroll: true });
  } else {
    if (step >= 0) byHand(() => go(-1))();
    node.group.classList.add("chosen");
    node.group.setAttribute("aria-expanded", "true");
    bringIntoSight(node);
    panel.scrollTop = 0;
    panel.querySelector("h2").focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
    const line = linesOf("backward", node.index)[0];
    if (line) scrollToLine(line);
  }
  if (location.protocol !== "about:") history.replaceState(null, "", node === null ? "#" : `#${node.id}`);
  light();
}

// --- what a check found ----------------------------------------------------------------------------------------------

const marked = nodes.filter((node) => node.mark);
if (marked.length) {
  const of = (kind) => marked.filter((node) => VERDICTS[node.mark.says[0]] === kind);
  const counts = Object.entries(VERDICTS).map(([sign, kind]) => `${sign} ${of(kind).length} ${kind}`);
  checked.append(`Checked gradients: ${counts.join(", ")}.`);
  for (const node of of("wrong").reverse()) {
    const jump = make("button", { type: "button" }, `✗ d${node.name}`);
    jump.addEventListener("click", () => choose(node));
    checked.append(" ", jump);
  }
  checked.hidden = false;
}

// --- the view: a box of the picture's own coordinates, of the shape of its frame -------------------------------------

const drawing = picture.querySelector("svg");
const { width, height } = drawing.viewBox.baseVal;
const whole = drawing.getAttribute("viewBox");
const view = { x: width / 2, y: height / 2, scale: 1 }; // its centre, and pixels per point
const READABLE = 1; // pixels per point, at which text has 10 pixels and more
let fitted = true;
const fitting = () => Math.min(2, Math.max(0.01, Math.min(picture.clientWidth / width, picture.clientHeight / height)));

function look() {
  const [w, h] = [picture.clientWidth / view.scale, picture.clientHeight / view.scale];
  drawing.setAttribute("viewBox", `${view.x - w / 2} ${view.y - h / 2} ${w} ${h}`);
}

function fit() {
  Object.assign(view, { x: width / 2, y: height / 2, scale: fitting() });
  fitted = true;
  look();
}

function pan(dx, dy) {
  view.x = Math.min(width, Math.max(0, view.x - dx / view.scale));
  view.y = Math.min(height, Math.max(0, view.y - dy / view.scale));
  fitted = false;
  look();
}

// The point of the picture under (x, y) of the window stays there.
function zoom(factor, x, y) {
  const box = picture.getBoundingClientRect();
  const [dx, dy] = [(x ?? box.x + box.width / 2) - box.x - box.width / 2, (y ?? box.y + box.height / 2) - box.y - box.height / 2];
  const scale = Math.min(6, Math.max(Math.min(fitting(), 1) / 2, view.scale * factor));
  view.x += dx / view.scale - dx / scale;
  view.y += dy / view.scale - dy / scale;
  view.scale = scale;
  pan(0, 0);
}

function bringIntoSight(node) {
  const [inner, outer] = [node.group.getBoundingClientRect(), picture.getBoundingClientRect()];
  const inside = inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;
  if (!inside) {
    pan(outer.x + outer.width / 2 - inner.x - inner.width / 2, outer.y + outer.height / 2 - inner.y - inner.height / 2);
  }
}

// Choose a node that may be too small to be read.
function visit(node) {
  choose(node);
  if (view.scale >= READABLE) return;
  const box = node.group.getBoundingClientRect();
  zoom(READABLE / view.scale, box.x + box.width / 2, box.y + box.height / 2);
  bringIntoSight(node);
}

new ResizeObserver(() => (fitted ? fit() : look())).observe(picture);
picture.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 4 : 1); // a pinch is ctrl + wheel
    zoom(Math.exp(-pixels / 500), event.clientX, event.clientY);
  },
  { passive: false },
);

const pointers = new Map(); // of the fingers, or the mouse, that are down: where they are
let dragged = false;

picture.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  if (!pointers.size) dragged = false;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
});
picture.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
  if (!dragged && Math.hypot(dx, dy) < 4) return;
  if (!dragged) picture.setPointerCapture(event.pointerId);
  dragged = true;
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (!other) return pan(dx, dy);
  const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  pan(dx / 2, dy / 2);
  zoom(apart({ x: event.clientX, y: event.clientY }) / apart(before), (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
});
for (const end of ["pointerup", "pointercancel"]) {
  picture.addEventListener(end, (event) => pointers.delete(event.pointerId));
}
addEventListener("beforeprint", () => drawing.setAttribute("viewBox", whole));
addEventListener("afterprint", look);

// --- copies ----------------------------------------------------------------------------------------------------------

// The picture as it is shown, as a file of its own.
function asFile() {
  const copy = drawing.cloneNode(true);
  copy.setAttribute("viewBox", whole);
  copy.setAttribute("width", `${width}pt`);
  copy.setAttribute("height", `${height}pt`);
  for (const element of [...copy.querySelectorAll(".off")]) element.remove();
  for (const element of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["role", "tabindex", "aria-label", "aria-expanded", "aria-controls"]) element.removeAttribute(name);
    element.classList.remove("on", "now", "idle", "chosen");
  }
  return new XMLSerializer().serializeToString(copy);
}

async function asImage() {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(asFile())}`;
  await image.decode();
  const canvas = make("canvas", { width: Math.ceil(width * 2.5), height: Math.ceil(height * 2.5) });
  const brush = canvas.getContext("2d");
  brush.fillStyle = "white";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// Into the clipboard, or where a browser does not let us, into a file.
async function copy(kind, blob) {
  try {
    if (kind === "svg") await navigator.clipboard.writeText(await blob.text());
    else await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    status.textContent = `The picture is copied, as ${kind.toUpperCase()}.`;
  } catch {
    make("a", { href: URL.createObjectURL(blob), download: `graph.${kind}` }).click();
    status.textContent = `The picture is saved, as graph.${kind}.`;
  }
}

// --- search ----------------------------------------------------------------------------------------------------------

const search = make("input", { type: "search", placeholder: "Search  /", "aria-label": "Search for a node", enterkeyhint: "go" });
let found = [];

search.addEventListener("input", () => {
  const wanted = search.value.trim().toLowerCase();
  found = wanted ? nodes.filter((node) => node.name.toLowerCase().includes(wanted)) : [];
  const words = `${found.length} of ${nodes.length} nodes${found.length ? `: ${listed(found.slice(0, 6).map((n) => n.name))}` : ""}.`;
  light(wanted ? { nodes: found.map((node) => node.index), edges: [], lines: [], words } : undefined);
});
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !found.length) return;
  visit(found[0]);
  found.push(found.shift());
});

tools.append(
  search,
  button("−", "Smaller (-)", () => zoom(1 / 1.25)),
  button("+", "Larger (+)", () => zoom(1.25)),
  button("Fit", "Fit the whole picture (0)", fit),
  button("SVG", "Copy as SVG", () => copy("svg", new Blob([asFile()], { type: "image/svg+xml" }))),
  button("PNG", "Copy as PNG", async () => copy("png", await asImage())),
);

// --- what a hand does ------------------------------------------------------------------------------------------------

const at = (event, kind, things) => {
  const group = event.target.closest(kind);
  return (group && things.find((thing) => thing.group === group)) ?? null;
};
const nodeAt = (event) => at(event, ".node", nodes);

picture.addEventListener("pointerover", (event) => {
  const [node, edge] = [nodeAt(event), at(event, ".edge", edges)];
  light(node ? ofNode(node) : edge ? ofEdge(edge) : undefined);
});
picture.addEventListener("pointerleave", () => light());
picture.addEventListener("focusin", (event) => {
  const node = nodeAt(event);
  if (node) light(ofNode(node));
});
picture.addEventListener("focusout", () => light());
picture.addEventListener("click", (event) => {
  const node = nodeAt(event);
  if (node !== null && !dragged) choose(node);
});

// The neighbour that lies in a direction: near, and not far aside.
function neighbour(node, [right, down]) {
  const centre = (other) => {
    const box = other.group.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [x, y] = centre(node);
  const linked = edges.filter((edge) => edge.tail === node.index || edge.head === node.index)
    .map((edge) => nodes[edge.tail === node.index ? edge.head : edge.tail]);
  const cost = (other) => {
    const [dx, dy] = [centre(other)[0] - x, centre(other)[1] - y];
    const ahead = dx * right + dy * down;
    return ahead > 0 ? ahead + 2 * Math.abs(dx * down + dy * right) : Infinity;
  };
  const best = linked.reduce((a, b) => (a && cost(a) <= cost(b) ? a : b), null);
  return best && cost(best) < Infinity ? best : null;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEYS = { ...steps, "/": () => search.focus(), "+": () => zoom(1.25), "-": () => zoom(1 / 1.25), 0: fit };

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (step >= 0) byHand(() => go(-1))();
    else if (chosen !== null) choose(null);
    return;
  }
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const node = nodeAt(event);
  const other = ARROWS[event.key] && (node ?? chosen) && !listing.contains(event.target) &&
    neighbour(node ?? chosen, ARROWS[event.key]);
  if (node !== null && (event.key === "Enter" || event.key === " ")) choose(node);
  else if (other) {
    if (chosen !== null) choose(other);
    other.group.focus({ preventScroll: true });
    bringIntoSight(other);
  } else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});

const follow = () => {
  const node = nodes.find((node) => new URL(`#${node.id}`, location).hash === location.hash);
  if (node && node !== chosen) visit(node);
};
addEventListener("hashchange", follow);

show();
fit();
light();
follow();
