// The backward pass, step by step in the video's order, and what each step says.

import { $, SIDE, ask, el, fromBase64, largest, short, signed, strongest, way, withMessage } from "./helpers.js";
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

/** The steps, in the video's order. Each: title, tell() for the text, detail(), arrows(layer), lines(layer), what. */
export function steps() {
  const top = layers();
  const passed = (to) => (layer) => layer === to + 1
    ? state.wish.passed[to - 1].flatMap((row, after) => row.map((value, before) => [before, after, value])) : null;
  const felt = (layer) => (layer === top ? state.wish.wish : state.wish.layers[layer - 1].nudges);
  const list = [
    { title: "What the output wishes", tell: tellOutput, detail: outputTable, arrows: (l) => (l === top ? state.wish.wish : null),
      lines: () => null, what: "" },
    { title: "Three ways for one neuron", three: true, tell: tellWays, detail: ways, what: "nudge for the weight",
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
    list.push({ title: to === top - 1 ? "All wishes added up" : `The same for hidden layer ${to}`, tell: () => tellSum(to),
      detail: () => votes(to), arrows: (l) => (l === to || l === to + 1 ? felt(l) : null), lines: passed(to), what: "wishes of it" });
  }
  list.push({ title: "Back to the first weights", wide: true, tell: tellFirst, detail: gallery, arrows: (l) => (l === 1 ? felt(1) : null),
    what: "nudge for the weight", lines: (l) => (l > 1 ? null : state.wish.first_weights.flatMap((nudges, row) =>
      strongest(nudges, 8).map((pixel) => [pixel, row, nudges[pixel]]))) });
  return list;
}

// The steps, told

export const p = (...parts) => el("p", {}, ...parts);
export const b = (text, kind) => el("b", { class: kind }, text);

export function showStep(current) {
  const count = steps().length;
  $("label").disabled = $("next").disabled = !state.thought;
  $("label").value = label();
  $("back").hidden = state.step < 0;
  $("back").textContent = state.step === 0 ? "← Forward pass" : "← Back";
  $("next").textContent = state.step < 0 ? "Follow its wishes →" : state.step === count - 1 ? "To the start ↺" : "Next →";
  if (!current) {
    const text = state.thought
      ? `Every example has wishes: what would have to change so that this is read as ${nameOf(label())}? Follow them from the output back to the first weights, step by step. That is backpropagation.`
      : "Draw a digit first. Then follow its wishes from the output back to the first weights, step by step.";
    $("story").replaceChildren(el("p", { class: "quiet" }, text));
    $("step").className = "";
    return $("detail").replaceChildren(contents());
  }
  const kept = document.activeElement?.closest?.("#detail") ? null : $("detail").scrollLeft;
  $("story").replaceChildren(el("p", { class: "count" }, `Step ${state.step + 1} of ${count}`), el("h3", {}, current.title), ...current.tell());
  $("step").className = current.wide ? "wide" : "";
  $("detail").replaceChildren(current.detail());
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

function tellOutput() {
  const { wish, cost, prediction } = state.wish, own = wish[label()];
  const right = prediction === label();
  return [
    p(right ? "It is read as it should be, and yet not perfectly: " : `It is read as ${nameOf(prediction)}. `,
      `The cost of this one example is ${short(cost)}.`),
    p(`Output ${nameOf(label())} should go `, b("up", "up"), ` by ${short(own)}, all others `, b("down", "down"),
      " by what they have. The arrows are in proportion to that: what is far off wishes loudest."),
    p("We cannot set activations, only weights and biases. Click a neuron to see how."),
  ];
}

function outputTable() {
  const { target, wish, cost_terms } = state.wish, activations = state.wish.layers.at(-1).activations;
  const head = el("tr", {}, ...["output", "is", "should be", "wish", "adds to cost"].map((t) => el("th", { scope: "col" }, t)));
  const rows = activations.map((a, d) => el("tr", { class: d === label() ? "chosen" : null }, el("th", { scope: "row" }, nameOf(d)),
    tipped(el("td", {}, a.toFixed(3)), a), el("td", {}, String(target[d])),
    tipped(el("td", { class: way(wish[d]) }, `${wish[d] < 0 ? "↓ −" : "↑ +"}${Math.abs(wish[d]).toFixed(3)}`), wish[d]),
    tipped(el("td", {}, cost_terms[d].toFixed(4)), cost_terms[d])));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
export const tipped = (node, value) => Object.assign(node, { tip: () => String(value) });

function tellWays() {
  const { layer, neuron } = state.wish.three_ways, row = rowsOf(layer).indexOf(neuron);
  const own = layer === layers() ? state.wish.wish[row] : state.wish.layers[layer - 1].nudges[row];
  return [
    p(`${upper(neuronName(layer, neuron))} should go `, b(own < 0 ? "down" : "up", way(own)), ". Three things decide its activation, so there are three ways to get there. Lines show what its weights wish",
      layer > 1 ? ", arrows what it wishes of the neurons behind it." : "."),
    p("Click any other neuron to hear it."),
  ];
}
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function ways() {
  const told = state.wish.three_ways, { layer, reach } = told;
  const moves = (value) => ["Alone it would move the neuron’s sum by ", b(signed(value)), "."];
  const who = (i) => (layer === 1 ? `pixel ${told.neurons[i]}` : `neuron ${told.neurons[i]}`);
  const list = (values, other, word) => strongest(values, 3).flatMap((i) => [el("br"), `${who(i)}, ${word} ${short(other[i])}: `, b(signed(values[i]), way(values[i]))]);
  const parts = [
    [el("dt", {}, "1. Change the bias"), el("dd", {}, "by ", b(signed(told.bias_nudge), way(told.bias_nudge)), ". ", ...moves(reach.bias))],
    [el("dt", {}, "2. Change the weights, in proportion to the activations behind them"),
      el("dd", {}, ...moves(reach.weights), " Bright neurons matter most:", ...list(told.weight_nudges, told.behind, "activation"))],
    [el("dt", {}, "3. Change the activations behind, in proportion to the weights"), told.activation_nudges
      ? el("dd", {}, ...moves(reach.activations), " Strong weights matter most:", ...list(told.activation_nudges, told.weights, "weight"))
      : el("dd", {}, "They are pixels, and pixels are given.")],
  ];
  return el("dl", { class: "ways" }, ...parts.map((part) => el("div", {}, ...part)));
}

function tellSum(to) {
  const last = to === layers() - 1, size = state.about.layer_sizes[to], kept = rowsOf(to).length;
  const rest = kept < size ? ` The ${kept} most active of ${size} neurons are shown.` : "";
  if (last) {
    return [
      p("The third way cannot be taken directly, but it can be passed on. Every output has its own idea of what the layer before should do, in proportion to its weights and to how much it needs to change."),
      p(`A column is what one output wishes; a row added up is what all of them together wish of that neuron: its nudge.${rest}`),
    ];
  }
  return [
    p(`Now hidden layer ${to + 1} has wishes as the output had, so it can do the same: add up, for each neuron of hidden layer ${to}, what all of them wish.`),
    p(`A neuron that is almost off or almost fully on hardly moves, whatever is wished of it: its slope there is small, and so is its column.${rest}`),
  ];
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

function tellFirst() {
  const black = fromBase64(state.pixels).filter((value) => !value).length;
  return [
    p("And so down to the first weights. Each neuron here has 784, one for each pixel, and what they get is the picture itself, times what the neuron wishes: ",
      b("blue", "up"), " for more, ", b("orange", "down"), " for less."),
    p(`The ${black} black pixels bring nothing: a weight behind a dark pixel made no difference, so this example has no wish for it.`),
    p("All nudges together, for every weight and bias, are minus the gradient. To follow them a little way is to learn from this example."),
  ];
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
