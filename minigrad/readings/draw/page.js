"use strict";

// Names reach the document as text nodes and attribute values only, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const [termsBox, checked, status, zoomBox, picture, panel] = [
  ...["terms", "checked", "status", "zoom", "picture", "panel"],
].map((id) => document.getElementById(id));
const nodes = data.nodes.map((facts, index) => ({ ...facts, index, group: document.getElementById(facts.id) }));
const edges = data.edges.map(([id, tail, head, terms, summands]) => ({
  ...{ tail, head, terms, summands, group: document.getElementById(id) },
  served: summands.length ? summands : terms,
}));
const isOn = data.terms.map(() => true);
let chosen = null;

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "rect"].includes(tag);
  const element = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const listed = (names) =>
  names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join("");

// --- light: the paths on which gradient travels from the terms to a node ---------------------------------------------

function pathsOf(node) {
  const added = edges.filter((edge) => edge.head === node.index).flatMap((edge) => edge.summands);
  if (added.length) return new Set(edges.filter((edge) => edge.served.some((k) => added.includes(k)))); // a sum of terms
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
  return lit;
}

const INVITATION = "Point at a node to light its paths; choose it to read more.";

function light(node) {
  picture.classList.toggle("lit", node !== null);
  const lit = node === null ? new Set() : pathsOf(node);
  const ends = new Set(node === null ? [] : [node.index]);
  for (const edge of edges) {
    edge.group?.classList.toggle("on", lit.has(edge));
    if (lit.has(edge) && edge.served.some((k) => isOn[k])) ends.add(edge.tail).add(edge.head);
  }
  for (const other of nodes) other.group?.classList.toggle("on", ends.has(other.index));
  status.textContent = node === null ? INVITATION : inWords(node);
}

function inWords(node) {
  if (!node.shares) return `${node.name}: ${node.kind}.`;
  const own = data.terms.findIndex((term) => term.node === node.index);
  const named = (path) => data.terms.filter((_, k) => (node.shares[k] !== null) === path).map((term) => term.name);
  const [from, without] = [named(true), named(false)];
  if (own >= 0) {
    const ends = new Set(edges.filter((edge) => edge.terms.includes(own)).map((edge) => edge.tail));
    const reached = nodes.filter((other) => ends.has(other.index)).map((other) => other.name);
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
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  element.style.background = term.colour;
  return element;
}

data.terms.forEach((term, k) => {
  const state = make("small", {}, "on");
  const button = make("button", { type: "button", role: "switch", "aria-checked": "true" });
  button.append(swatch(term), make("span", { class: "name" }, term.name), state);
  button.addEventListener("click", () => {
    isOn[k] = !isOn[k];
    button.setAttribute("aria-checked", isOn[k]);
    state.textContent = isOn[k] ? "on" : "off";
    show();
  });
  termsBox.append(button);
});

// --- the panel -------------------------------------------------------------------------------------------------------

const WORDS = ["min", "max", "mean", "norm", "zeros", "not finite"];

function statistics(node) {
  const columns = [node.value, node.gradient].filter((column) => column);
  const head = make("tr", {}, make("th"), make("th", { scope: "col" }, "value"));
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
    const title = share === null ? "Why not?" : "How?";
    const details = make("details", {}, make("summary", {}, title), make("pre", {}, why));
    details.open = data.terms.length <= 3 && share === null;
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
  const close = make("button", { type: "button", "aria-label": "Close the panel" }, "Close");
  close.addEventListener("click", () => choose(null));
  const title = make("h2", { id: "panel-name", tabindex: "-1" }, node.name);
  const parts = [make("div", { class: "top" }, title, close)];
  parts.push(make("p", { class: "quiet" }, [node.kind, node.shape, node.dtype].filter(Boolean).join(" · ")));
  if (node.formula) parts.push(make("p", {}, make("code", {}, `${node.name} = ${node.formula}`)));
  if (node.mark) parts.push(verdict(node));
  if (!node.value) return parts;
  if (node.shares) {
    parts.push(make("h3", {}, "What its gradient is made of"));
    parts.push(...data.terms.map((term, k) => shareRow(term, node.shares[k], node.why[k])));
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
    before?.group?.focus();
  } else {
    node.group.classList.add("chosen");
    node.group.setAttribute("aria-expanded", "true");
    node.group.scrollIntoView({ block: "nearest", inline: "nearest" });
    panel.scrollTop = 0;
    panel.querySelector("h2").focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  }
  light(node);
}

// --- what a check found ----------------------------------------------------------------------------------------------

const marked = nodes.filter((node) => node.mark);
if (marked.length) {
  const of = (kind) => marked.filter((node) => VERDICTS[node.mark.says[0]] === kind);
  const counts = Object.entries(VERDICTS).map(([sign, kind]) => `${sign} ${of(kind).length} ${kind}`);
  checked.append(`Checked gradients: ${counts.join(", ")}.`);
  for (const node of of("wrong").reverse()) {
    const button = make("button", { type: "button" }, `✗ d${node.name}`);
    button.addEventListener("click", () => choose(node));
    checked.append(" ", button);
  }
  checked.hidden = false;
}

// --- what a hand does ------------------------------------------------------------------------------------------------

const nodeAt = (event) => {
  const group = event.target.closest(".node");
  return (group && nodes.find((node) => node.group === group)) ?? null;
};

picture.addEventListener("pointerover", (event) => {
  light(nodeAt(event) ?? chosen);
  const edge = edges.find((edge) => edge.group && edge.group === event.target.closest(".edge"));
  if (edge) status.textContent = edgeInWords(edge);
});
picture.addEventListener("pointerleave", () => light(chosen));
picture.addEventListener("focusin", (event) => light(nodeAt(event) ?? chosen));
picture.addEventListener("focusout", () => light(chosen));
picture.addEventListener("click", (event) => {
  const node = nodeAt(event);
  if (node !== null) choose(node);
});
picture.addEventListener("keydown", (event) => {
  const node = nodeAt(event);
  if (node !== null && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    choose(node);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen !== null) choose(null);
});

const drawing = picture.querySelector("svg");
const natural = (drawing.viewBox.baseVal.width * 4) / 3;
let scale = 1;

function resize(to) {
  scale = Math.min(4, Math.max(0.25, to));
  drawing.style.width = `${natural * scale}px`;
  drawing.style.height = "auto";
}

const fitting = () => (picture.clientWidth - 24) / natural;
for (const [text, label, next] of [
  ["−", "Smaller", () => scale / 1.25],
  ["+", "Larger", () => scale * 1.25],
  ["Fit", "Fit to the width", fitting],
]) {
  const button = make("button", { type: "button", "aria-label": label, title: label }, text);
  button.addEventListener("click", () => resize(next()));
  zoomBox.append(button);
}
resize(Math.max(0.9, Math.min(1, fitting()))); // at 0.9 the smallest text has 12 pixels
show();
light(null);
