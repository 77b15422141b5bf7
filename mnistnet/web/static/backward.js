// The backward pass, step by step in the video's order. What each step says comes from the server, as blocks.

import { $, SIDE, ask, el, largest, short, signed, strongest, way, withMessage } from "./helpers.js";
import { rowsOf, show } from "./network.js";
import { copy, label, layers, nameOf, neuronName, state } from "./state.js";

export async function askWish() {
  const digit = state.digit, [layer, neuron] = state.picked ?? [];
  if (layer && !rowsOf(layer).includes(neuron)) state.picked = null; // no longer among the most active ones
  const wish = await ask("wish", { pixels: state.pixels, label: label(), neuron: state.picked, ...copy() });
  if (digit === state.digit) state.wish = wish;
}
export async function go(step) {
  if (step >= 0) await askWish();
  state.step = Math.max(-1, Math.min(step, steps().length - 1));
  show();
}
/** Tell the three ways for a neuron. */
export async function pick(node) {
  if (!node || !state.pixels) return;
  state.picked = [node.layer, node.neuron];
  await go(1);
}

/** The steps, in the video's order. Each: title, detail(blocks), arrows(layer), lines(layer), what, and a hint. */
export function steps() {
  const top = layers();
  const passed = (to) => (layer) => layer === to + 1
    ? state.wish.passed[to - 1].flatMap((row, after) => row.map((value, before) => [before, after, value])) : null;
  const felt = (layer) => (layer === top ? state.wish.wish : state.wish.layers[layer - 1].nudges);
  const list = [
    { detail: (blocks) => table(blocks.find(isTable), label()), arrows: (l) => (l === top ? state.wish.wish : null),
      lines: () => null, what: "", hint: "Click a neuron to see its three ways." },
    { three: true, detail: items, what: "nudge for the weight", hint: "Lines are nudges for weights, arrows wishes. Click any other neuron to see its ways.",
      arrows: (l) => {
        const { layer, neuron, activation_nudges } = state.wish.three_ways;
        if (l === layer - 1) return activation_nudges;
        return l === layer ? rowsOf(l).map((n, row) => (n === neuron ? felt(l)[row] : 0)) : null;
      },
      lines: (l) => {
        const { layer, neuron, weight_nudges } = state.wish.three_ways, row = rowsOf(layer).indexOf(neuron);
        if (l !== layer) return null;
        return strongest(weight_nudges, 60).map((before) => [before, row, weight_nudges[before]]);
      } },
  ];
  for (let to = top - 1; to >= 1; to--) {
    const size = state.about.layer_sizes[to], kept = rowsOf(to).length;
    list.push({ detail: () => votes(to), arrows: (l) => (l === to || l === to + 1 ? felt(l) : null), lines: passed(to), what: "wishes of it",
      hint: kept < size ? `The ${kept} most active of ${size} neurons are shown.` : "" });
  }
  list.push({ wide: true, detail: gallery, arrows: (l) => (l === 1 ? felt(1) : null),
    what: "nudge for the weight", lines: (l) => (l > 1 ? null : state.wish.first_weights.flatMap((nudges, row) =>
      strongest(nudges, 8).map((pixel) => [pixel, row, nudges[pixel]]))) });
  return list.map((step, number) => ({ ...step, title: state.about.steps[number] }));
}

// The steps, told

/** A sentence with its signs as in print. */
const printed = (text) => text.replace(/(?<![\w-])-(?=[\d.])/g, "−").replaceAll("->", "→");
const paragraph = (text) => el("p", {}, printed(text));
const isTable = (block) => block.kind === "table";

export function showStep(current) {
  const count = steps().length;
  $("label").disabled = $("next").disabled = !state.thought;
  $("label").value = label();
  $("back").hidden = state.step < 0;
  $("back").textContent = state.step === 0 ? "← Forward pass" : "← Back";
  $("next").textContent = state.step < 0 ? "Follow its wishes →" : state.step === count - 1 ? "To the start ↺" : "Next →";
  if (!current) {
    const text = state.thought ? "Follow the backward pass from the output to the first weights, step by step." : "Draw a digit first.";
    $("story").replaceChildren(el("p", { class: "quiet" }, text));
    $("step").className = "";
    return $("detail").replaceChildren(contents());
  }
  const kept = document.activeElement?.closest?.("#detail") ? null : $("detail").scrollLeft;
  const { title, blocks } = state.wish.steps[state.step];
  $("story").replaceChildren(el("p", { class: "count" }, `Step ${state.step + 1} of ${count}`), el("h3", {}, title),
    ...blocks.filter(({ kind }) => kind === "paragraph").map(({ text }) => paragraph(text)), el("p", { class: "quiet" }, current.hint));
  $("step").className = current.wide ? "wide" : "";
  $("detail").replaceChildren(current.detail(blocks));
  $("detail").scrollLeft = kept ?? 0;
}

/** The steps to come, to begin at any of them. */
function contents() {
  return el("ol", { class: "contents" }, ...steps().map((step, number) => {
    const button = el("button", { type: "button", disabled: state.thought ? null : "" }, step.title);
    button.addEventListener("click", withMessage(() => go(number)));
    return el("li", {}, button);
  }));
}

/** A table of the report: every number tells all of its digits when pointed at; `chosen` is the row that stands out. */
function table({ caption, columns, rows }, chosen = -1) {
  const cell = (value, text) => (typeof value === "number"
    ? tipped(el("td", { class: /^[+-]/.test(text) ? way(value) : null }, printed(text)), value) : el("td", {}, printed(text)));
  return el("table", {}, caption ? el("caption", {}, caption) : null,
    el("thead", {}, el("tr", {}, ...columns.map(({ head }) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows.map(({ values, cells }, number) => el("tr", { class: number === chosen ? "chosen" : null },
      el("th", { scope: "row" }, cells[0]), ...values.slice(1).map((value, column) => cell(value, cells[column + 1]))))));
}
export const tipped = (node, value) => Object.assign(node, { tip: () => String(value) });

/** The items of a step side by side, each with its table. */
function items(blocks) {
  const parts = [];
  for (const block of blocks) {
    if (block.kind === "item") parts.push([paragraph(block.text)]);
    else if (isTable(block)) parts.at(-1).push(table(block));
  }
  return el("div", { class: "ways" }, ...parts.map((part) => el("div", {}, ...part)));
}

/** What each neuron of the layer after (a column) wishes of each neuron of layer `to` (a row), and the sums. */
function votes(to) {
  const rows = state.wish.passed[to - 1], { nudges, neurons } = state.wish.layers[to - 1], after = rowsOf(to + 1);
  const most = largest(rows.flat()), mostSum = largest(nudges), output = to === layers() - 1;
  const cell = (value, scale, words) => {
    const mark = el("span", { "aria-hidden": "true" }, value < 0 ? "▼" : "▲");
    mark.style.fontSize = `${(0.2 + 0.85 * Math.sqrt(Math.abs(value) / (scale || 1))).toFixed(2)}em`;
    const td = el("td", { class: way(value) }, mark, el("span", { class: "unseen" }, signed(value)));
    return Object.assign(td, { tip: () => `${words}\n${value}` });
  };
  const name = (neuron) => (output ? nameOf(neuron) : String(neuron));
  const head = el("tr", {}, el("th", { scope: "col" }, "neuron"), ...after.map((n) => el("th", { scope: "col" }, name(n))), el("th", { scope: "col" }, "sum"));
  const body = neurons.map((neuron, row) => el("tr", {}, el("th", { scope: "row" }, String(neuron)),
    ...after.map((n, column) => cell(rows[column][row], most, `${neuronName(to + 1, n)} wishes of ${neuronName(to, neuron)}`)),
    cell(nudges[row], mostSum, `all together wish of ${neuronName(to, neuron)}`)));
  return el("table", { class: "votes" }, el("thead", {}, head), el("tbody", {}, ...body));
}

function gallery() {
  const images = state.wish.first_weights, most = largest(images.map((image) => largest(image)));
  const colours = { up: [86, 180, 233], down: [230, 159, 0] };
  return el("div", { class: "gallery" }, ...images.map((nudges, row) => {
    const neuron = state.wish.layers[0].neurons[row], name = neuronName(1, neuron);
    const canvas = el("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": `nudges for the weights of ${name}, at most ${short(largest(nudges))}` });
    const c = canvas.getContext("2d"), image = c.createImageData(SIDE, SIDE);
    nudges.forEach((value, i) => {
      const strength = most ? Math.sqrt(Math.abs(value) / most) : 0, colour = colours[way(value)];
      image.data.set([...[18, 20, 24].map((dark, k) => dark + (colour[k] - dark) * strength), 255], 4 * i);
    });
    c.putImageData(image, 0, 0);
    canvas.tip = (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - box.left) / box.width) * SIDE), line = Math.floor(((event.clientY - box.top) / box.height) * SIDE);
      const value = nudges[line * SIDE + column];
      return value === undefined ? "" : `${name}, weight of pixel ${line * SIDE + column}\nnudge ${value}`;
    };
    return el("figure", {}, canvas, el("figcaption", {}, layers() === 1 ? `output ${nameOf(neuron)}` : `neuron ${neuron}`));
  }));
}
