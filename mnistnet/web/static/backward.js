// The video's story, step by step: the backward pass, and what all examples make of it. What each step says comes from
// the server, as blocks.

import { $, SIDE, ask, el, largest, paintSigned, precise, short, strongest, svg, way, withMessage } from "./helpers.js";
import { rowsOf, show, sweep } from "./network.js";
import { copy, label, layers, nameOf, neuronName, state } from "./state.js";

export async function askWish(step = state.step) {
  const digit = state.digit, [layer, neuron] = state.picked ?? [];
  if (layer && !rowsOf(layer).includes(neuron)) state.picked = null; // no longer among the most active ones
  const wish = await ask("wish", { pixels: state.pixels, label: label(), neuron: state.picked, ...copy() });
  if (digit !== state.digit) return;
  Object.assign(state, { wish, around: null });
  if (!steps()[step].later) return;
  const around = await ask("average", { pixels: state.pixels, label: label(), ...copy() });
  if (wish === state.wish) state.around = around;
}
export async function go(step) {
  const wanted = Math.max(-1, Math.min(step, steps().length - 1));
  if (wanted >= 0) await askWish(wanted);
  state.step = wanted;
  show();
  sweep(wanted < 0, steps()[wanted]);
}
/** Tell the three ways for a neuron. */
export async function pick(node) {
  if (!node || !state.pixels) return;
  state.picked = [node.layer, node.neuron];
  await go(1);
}

/** The steps, in the video's order. Each: title, detail(blocks), arrows(layer), lines(layer), what, a hint; and `later`
    for those that follow the backward pass. */
export function steps() {
  const top = layers();
  const passed = (to) => (layer) => layer === to + 1
    ? state.wish.passed[to - 1].flatMap((row, after) => row.map((value, before) => [before, after, value])) : null;
  const felt = (layer) => (layer === top ? state.wish.wish : state.wish.layers[layer - 1].nudges);
  const list = [
    { detail: (blocks) => table(blocks.find(isTable), label()), arrows: (l) => (l === top ? state.wish.wish : null),
      lines: () => null, what: "", hint: "Click a neuron to see its three ways." },
    { three: true, paragraphs: 2, detail: (blocks) => el("div", {}, weightsOf(), items(blocks)), what: "nudge for the weight", hint: "Lines are nudges for weights, arrows wishes. Click any other neuron to see its ways.",
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
  const later = { later: true, paragraphs: 1, detail: inOrder, arrows: () => null, lines: () => null, what: "" };
  const averaged = () => `Over ${state.around.examples.toLocaleString("en")} training images${state.around.test_images ? ` and ${state.around.test_images.toLocaleString("en")} test images` : ""}.`;
  list.push({ ...later, lines: (l) => mostSensitive(l), what: "nudge for the weight", hint: () => "Lines are the largest nudges for weights of each layer." },
    { ...later, hint: averaged },
    { ...later, hint: averaged, link: true });
  return list.map((step, number) => ({ ...step, title: state.about.steps[number] }));
}

// The steps, told

/** The weights of a layer that the cost is most sensitive to. */
function mostSensitive(layer) {
  const { weight_nudges } = state.wish.layers[layer - 1], rows = weight_nudges ?? state.wish.first_weights;
  const all = rows.flatMap((row, after) => strongest(row, 30).map((before) => [before, after, row[before]]));
  return all.sort((a, b) => Math.abs(b[2]) - Math.abs(a[2])).slice(0, 40);
}

/** A sentence with its signs as in print. */
const printed = (text) => text.replace(/(?<![\w-])-(?=[\d.])/g, "−").replace(/ ([-+]) (?=\d)/g, (_, sign) => ` ${sign === "-" ? "−" : sign}\u00a0`).replaceAll("->", "→");
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
  const told = current.later ? state.around?.steps[state.step - state.wish.steps.length] : state.wish.steps[state.step];
  const head = [el("p", { class: "count" }, `Step ${state.step + 1} of ${count}`), el("h3", {}, current.title)];
  $("step").className = current.wide ? "wide" : "";
  if (!told) { // another digit came meanwhile, whose average is being asked for
    $("story").replaceChildren(...head);
    return $("detail").replaceChildren();
  }
  const { blocks } = told, hint = current.later ? current.hint() : current.hint;
  const paragraphs = blocks.filter(({ kind }) => kind === "paragraph").slice(0, current.paragraphs);
  $("story").replaceChildren(...head, ...paragraphs.map(({ text }) => paragraph(text)), el("p", { class: "quiet" }, hint));
  if (current.link) {
    $("story").append(el("p", {}, "See the steps of mini-batches taken, from random weights on: ", el("a", { href: "#learn" }, "watch it learn"), ", or ",
      el("a", { href: "#race" }, "the drunk man beside the careful man"), "."));
  }
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
export const tipped = (node, value) => Object.assign(node, { tip: () => precise(value) });

/** All blocks of a step but its first paragraph, which is told beside it. */
function inOrder(blocks) {
  const nodes = blocks.slice(1).map((block) => (isTable(block) ? table(block) : paragraph(block.text)));
  return el("div", { class: "blocks" }, ...nodes);
}

/** The weights of the neuron whose three ways are told: an image, or bars beside the activations before it. */
function weightsOf() {
  const { layer, neuron, neurons, weights, behind } = state.wish.three_ways, most = largest(weights) || 1, name = neuronName(layer, neuron);
  if (layer === 1) {
    const canvas = el("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": `weights of ${name}, at most ${short(most)}` });
    paintSigned(canvas, weights.map((value) => value / most));
    canvas.tip = tipOfPixel(canvas, (pixel) => `${name}, pixel ${pixel}: ${precise(behind[pixel])}\nits weight ${precise(weights[pixel])}`);
    return el("figure", { class: "weights" }, canvas, el("figcaption", {}, "Its weights, one for each pixel: blue raises its sum, orange lowers it."));
  }
  const pitch = 15, width = 320, middle = 172, reach = 92, height = pitch * neurons.length + 16;
  const bars = neurons.flatMap((before, row) => {
    const y = 16 + pitch * row, length = (reach * Math.abs(weights[row])) / most, light = Math.round(18 + (237 * Math.abs(behind[row])) / (largest(behind) || 1));
    const bar = svg("rect", { class: way(weights[row]), x: weights[row] < 0 ? middle - length : middle, y: y + 2, width: length, height: pitch - 4 });
    return [svg("text", { x: 16, y: y + 11, "text-anchor": "end" }, String(before)), svg("circle", { cx: 30, cy: y + 7, r: 6, fill: `rgb(${light} ${light} ${light})` }),
      svg("text", { x: 70, y: y + 11, "text-anchor": "end" }, behind[row].toFixed(2)), bar, svg("text", { x: width, y: y + 11, "text-anchor": "end" }, `${weights[row] < 0 ? "−" : "+"}${Math.abs(weights[row]).toFixed(2)}`)];
  });
  return el("figure", { class: "weights" }, svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The activations before ${name}, and its weights` },
    svg("text", { x: 70, y: 10, "text-anchor": "end" }, "activation"), svg("text", { x: width, y: 10, "text-anchor": "end" }, "weight"), ...bars));
}
/** A tip for each pixel of an image. */
function tipOfPixel(canvas, words) {
  return (event) => {
    const box = canvas.getBoundingClientRect();
    const [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share) => Math.floor(share * SIDE));
    return column >= 0 && column < SIDE && row >= 0 && row < SIDE ? words(row * SIDE + column) : "";
  };
}

/** The items of a step side by side, each with its table. */
function items(blocks) {
  const parts = [];
  for (const block of blocks) {
    if (block.kind === "item") parts.push([paragraph(block.text)]);
    else if (isTable(block)) parts.at(-1).push(table(block));
  }
  const last = blocks.length > 2 ? paragraph(blocks.at(-1).text) : null; // no item where no nudge can help
  return el("div", { class: "ways" }, ...parts.map((part) => el("div", {}, ...part)), last);
}

/** What each neuron of the layer after (a column) wishes of each neuron of layer `to` (a row), and the sums. */
function votes(to) {
  const rows = state.wish.passed[to - 1], { nudges, neurons } = state.wish.layers[to - 1], after = rowsOf(to + 1);
  const most = largest(rows.flat()), mostSum = largest(nudges), output = to === layers() - 1;
  const power = Math.floor(Math.log10(most || 1)) - 1; // two digits for the largest
  const cell = (value, scale, words) => {
    const mark = el("span", { "aria-hidden": "true" }, value < 0 ? "▼" : "▲");
    mark.style.fontSize = `${(0.2 + 0.85 * Math.sqrt(Math.abs(value) / (scale || 1))).toFixed(2)}em`;
    const number = Math.round(value / 10 ** power);
    return Object.assign(el("td", { class: way(value) }, mark, el("span", { class: "number" }, number ? `${number}`.replace("-", "−") : "·")),
      { tip: () => `${words}\n${precise(value)}` });
  };
  const name = (neuron) => (output ? nameOf(neuron) : String(neuron));
  const head = el("tr", {}, el("th", { scope: "col" }, "neuron"), ...after.map((n) => el("th", { scope: "col" }, name(n))), el("th", { scope: "col" }, "sum"));
  const body = neurons.map((neuron, row) => el("tr", {}, el("th", { scope: "row" }, String(neuron)),
    ...after.map((n, column) => cell(rows[column][row], most, `${neuronName(to + 1, n)} wishes of ${neuronName(to, neuron)}`)),
    cell(nudges[row], mostSum, `all together wish of ${neuronName(to, neuron)}`)));
  return el("table", { class: "votes" }, el("caption", {}, `in units of ${short(10 ** power)}`), el("thead", {}, head), el("tbody", {}, ...body));
}

function gallery() {
  const images = state.wish.first_weights, most = largest(images.map((image) => largest(image)));
  return el("div", { class: "gallery" }, ...images.map((nudges, row) => {
    const neuron = state.wish.layers[0].neurons[row], name = neuronName(1, neuron);
    const canvas = el("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": `nudges for the weights of ${name}, at most ${short(largest(nudges))}` });
    paintSigned(canvas, nudges.map((value) => value / (most || 1)));
    canvas.tip = tipOfPixel(canvas, (pixel) => `${name}, weight of pixel ${pixel}\nnudge ${precise(nudges[pixel])}`);
    return el("figure", {}, canvas, el("figcaption", {}, layers() === 1 ? `output ${nameOf(neuron)}` : `neuron ${neuron}`));
  }));
}
