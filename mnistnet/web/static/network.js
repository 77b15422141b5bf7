// The network: the forward pass of what is on the pad, drawn as columns of neurons with their strongest lines.

import { askWish, pick, showStep, steps } from "./backward.js";
import { judge, showTeaching } from "./fine_tune.js";
import { $, PIXELS, SIDE, ask, el, fromBase64, largest, percent, short, signed, svg, way, withMessage } from "./helpers.js";
import { active } from "./pad.js";
import { copy, layers, nameOf, neuronName, state } from "./state.js";

let waiting = null, asked = null, busy = false, settled = 0, rippled = null;

/** Think about what `body()` gives. Only the newest question waits while another is under way. */
export function think(body) {
  asked = waiting = { body, digit: state.digit, since: performance.now() };
  if (state.about) showAnswer();
  if (!busy) withMessage(work)();
}
async function work() {
  busy = true;
  try {
    while (waiting) {
      const { body, digit, since } = waiting;
      waiting = null;
      if (digit !== state.digit) continue;
      const thought = await ask("think", { ...body(), ...copy() });
      if (digit !== state.digit) continue;
      state.thought = thought;
      state.pixels = thought.pixels;
      state.wish = null; // it was of what was drawn before
      if (state.about) showNetwork();
      performance.measure("thought", { start: since });
      rest();
    }
  } finally {
    busy = false;
    if (waiting) withMessage(work)(); // asked anew, because the network that was asked is gone
  }
}
export function rest() {
  clearTimeout(settled);
  settled = setTimeout(withMessage(settle), 250);
}
/** The hand rests: say the answer aloud, and ask what takes longer. */
async function settle() {
  if (!state.thought || active !== null) return;
  if (state.step >= 0) await askWish();
  show();
  if (state.step < 0 && rippled !== state.pixels) sweep(true);
  rippled = state.pixels;
  $("said").textContent = $("answer").textContent;
  await judge();
  showTeaching();
}

export function thinkAgain() {
  if (state.pixels) think(() => ({ pixels: state.pixels }));
  else if (asked?.digit === state.digit) think(asked.body);
}
/** From now on ask this network: `session` names a visitor's own, null is the server's. */
export function switchTo(about, session) {
  Object.assign(state, { session, lessons: [] });
  if (state.about !== about) {
    Object.assign(state, { about, wish: null, step: -1, picked: null, thought: null });
    document.dispatchEvent(new Event("adopted"));
    show();
  }
  thinkAgain();
}

export const stage = $("stage"), network = $("network"), input = $("input");
export let nodes = null; // what stands on the stage: built anew when its size or the number of neurons changes

export function rowsOf(layer) { // the neurons shown of a layer, from 1
  return state.thought?.layers[layer - 1].neurons ?? [...Array(Math.min(16, state.about.layer_sizes[layer])).keys()];
}

function build() {
  const count = layers(), names = state.about.labels.map(String);
  const tail = Math.min(100, 42 + 8.5 * Math.max(...names.map((name) => name.length)));
  const width = Math.max(stage.clientWidth, 150 + 62 * count), height = width < 520 ? 470 : Math.min(560, 300 + width / 4.5);
  const side = Math.round(Math.max(76, Math.min(190, width * 0.2)));
  const margin = width < 520 ? 10 : 24, top = 36;
  network.setAttribute("viewBox", `0 0 ${width} ${height}`);
  network.setAttribute("width", width);
  network.setAttribute("height", height);
  network.replaceChildren();
  input.style.left = `${margin}px`;
  input.style.top = `${(height - side) / 2}px`;
  input.style.width = input.style.height = `${side}px`;
  const first = margin + side + (width - margin - side) * (count === 1 ? 0.4 : Math.max(0.1, 0.34 / count + 0.05));
  const last = width - tail - (width < 520 ? 0 : 14);
  nodes = { width, height, margin, side, lines: [], columns: [], shape: shape() };
  const title = (x, text) => network.append(svg("text", { class: "title", x, y: 20 }, text));
  title(margin + side / 2, width < 520 ? "pixels" : "784 pixels");
  const under = svg("g");
  network.append(under);
  for (let layer = 1; layer <= count; layer++) {
    const x = count === 1 ? last : first + ((last - first) * (layer - 1)) / (count - 1);
    const neurons = rowsOf(layer), gap = (height - top - 14) / neurons.length, output = layer === count;
    const radius = Math.min(output ? 13 : 11.5, gap * 0.4);
    const size = state.about.layer_sizes[layer];
    title(x, output ? "output" : neurons.length === size ? `${size}${width < 520 ? "" : " neurons"}` : `${neurons.length} of ${size}`);
    under.append(nodes.lines[layer] = svg("g"));
    nodes.columns[layer] = neurons.map((_, row) => {
      const y = top + gap * (row + 0.5);
      const node = svg("g", { class: "neuron", tabindex: -1, role: "button" }, svg("circle", { cx: x, cy: y, r: radius }),
        svg("path", { class: "arrow" }), svg("rect", { class: "hit", x: x - 20, y: y - gap / 2, width: 40, height: gap }));
      if (!output) node.append(node.number = svg("text", { class: "index", x, y }));
      if (output) node.append(svg("text", { class: "name", x: x + radius + 20, y }, names[row]));
      Object.assign(node, { layer, row, x, y, radius, room: Math.min(26, gap * 0.85) });
      network.append(node);
      return node;
    });
  }
  nodes.columns[count][0].setAttribute("tabindex", 0);
}
const shape = () => [stage.clientWidth, ...Array.from({ length: layers() }, (_, i) => rowsOf(i + 1).length)].join();

/** Where a line begins: at a pixel, or at a neuron. */
export function from(layer, index) {
  if (layer > 0) return nodes.columns[layer][index];
  const { margin, height, side } = nodes;
  return {
    x: margin + ((index % SIDE) + 0.5) * (side / SIDE),
    y: (height - side) / 2 + (Math.floor(index / SIDE) + 0.5) * (side / SIDE),
    radius: 0,
  };
}

/** Set an attribute, if that changes it: most of them stay as they are while one draws. */
function put(node, name, value) {
  node.had ??= {};
  if (node.had[name] !== value) node.setAttribute(name, node.had[name] = value);
}

/** Draw lines into `layer`: [index before, row, value]; widths are in proportion to the largest value. */
function drawLines(layer, lines, what, faint = false) {
  const most = largest(lines.map((line) => line[2])) || 1;
  const group = nodes.lines[layer], widest = layer === 1 ? 2.6 : 4.2;
  while (group.children.length > lines.length) group.lastChild.remove();
  lines.forEach(([before, row, value], i) => {
    const line = group.children[i] ?? group.appendChild(svg("line")), share = Math.abs(value) / most;
    const hidden = share < 0.012; // nobody would see it
    put(line, "display", hidden ? "none" : "");
    if (hidden) return;
    const a = from(layer - 1, before), b = nodes.columns[layer][row];
    put(line, "x1", a.x + a.radius);
    put(line, "y1", a.y);
    put(line, "x2", b.x - b.radius);
    put(line, "y2", b.y);
    put(line, "class", way(value));
    put(line, "stroke-width", (0.35 + widest * share).toFixed(1));
    put(line, "stroke-opacity", (faint ? 0.13 : 0.3 + 0.6 * share).toFixed(2));
    line.tip = () => `${what}\n${signed(value)}`;
    line.row = row;
  });
}

/** Let what was drawn appear in the order in which it is computed: activations forward, wishes of a step backward. */
export function sweep(forward, current = null) {
  if (!nodes || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const hidden = forward ? "inset(0 100% 0 0)" : "inset(0 0 0 100%)", count = layers();
  const wished = (layer) => current.arrows(layer) || current.lines(layer);
  const last = forward ? 0 : Math.max(0, ...Array.from({ length: count }, (_, i) => (wished(i + 1) ? i + 1 : 0)));
  for (let layer = 1; layer <= count; layer++) {
    const at = (place) => ({ duration: 260, delay: 200 * place, fill: "backwards", easing: "ease-out" });
    if (forward || current.lines(layer)) nodes.lines[layer].animate({ clipPath: [hidden, "inset(0)"] }, at(forward ? layer - 1 : last - layer + 0.5));
    if (forward) for (const node of nodes.columns[layer]) node.firstChild.animate({ opacity: [0.15, 1] }, at(layer - 0.5));
    else if (current.arrows(layer)) for (const node of nodes.columns[layer]) node.querySelector(".arrow").animate({ opacity: [0, 1] }, at(last - layer));
  }
}

function drawArrow(node, value, most) {
  const path = node.querySelector(".arrow"), share = most ? Math.abs(value ?? 0) / most : 0;
  if (share < 0.004) return put(path, "d", "");
  const length = 4 + share * (node.room - 4), turn = value < 0 ? 1 : -1;
  const x = node.x + node.radius + 9, head = Math.min(5, 2 + length / 5), tip = node.y + turn * length / 2;
  put(path, "d", `M${x} ${node.y - turn * length / 2}V${tip}m${-head} ${-turn * head}L${x} ${tip}l${head} ${-turn * head}`);
  put(path, "class", `arrow ${way(value)}`);
}

/** Show all that is state. */
export function show() {
  if (!state.about) return;
  const current = showNetwork();
  showStep(current);
  showTeaching();
}
/** Show what changes with every stroke; the rest waits until the hand rests. */
function showNetwork() {
  if (!nodes || nodes.shape !== shape()) build();
  const { thought } = state, current = state.wish && state.step >= 0 ? steps()[state.step] : null;
  showInput();
  showAnswer();
  for (let layer = 1; layer <= layers(); layer++) {
    const own = thought?.layers[layer - 1], wished = state.wish?.layers[layer - 1];
    const most = Math.max(1, largest(own?.activations ?? [0]));
    const arrows = current?.arrows(layer) ?? null, longest = largest(arrows ?? [0]);
    nodes.columns[layer].forEach((node, row) => {
      const neuron = rowsOf(layer)[row], activation = own?.activations[row];
      const light = Math.round(18 + 237 * Math.abs(activation ?? 0) / most);
      put(node.firstChild, "fill", `rgb(${light} ${light} ${light})`);
      if (node.number) {
        node.number.textContent = neuron;
        put(node.number, "class", light > 115 ? "index on-light" : "index");
      }
      drawArrow(node, arrows?.[row], longest);
      node.classList.toggle("answer", layer === layers() && thought?.digit === neuron);
      node.classList.toggle("picked", Boolean(current?.three && state.wish.three_ways.layer === layer && state.wish.three_ways.neuron === neuron));
      node.neuron = neuron;
      const words = [neuronName(layer, neuron)];
      if (own) words.push(`activation ${short(activation)}`);
      if (current) {
        if (wished.nudges) words.push(`nudge ${signed(wished.nudges[row])}`);
        if (wished.slopes) words.push(`slope of its function ${short(wished.slopes[row])}`);
        if (layer === layers()) words.push(`wish ${signed(state.wish.wish[row])}`);
        words.push(`nudge for its bias ${signed(wished.bias_nudges[row])}`);
      }
      node.tip = () => words.join("\n");
      put(node, "aria-label", words.join(", "));
    });
    const lines = current?.lines(layer);
    if (lines) drawLines(layer, lines, current.what);
    else drawLines(layer, thought ? forwardLines(layer) : [], layer === 1 ? "weight × pixel" : "weight × activation", Boolean(current));
  }
  showLegend(current);
  return current;
}
const forwardLines = (layer) => state.thought.lines[layer - 1].flatMap((line, row) =>
  layer === 1 ? line.map(([pixel, value]) => [pixel, row, value]) : line.map((value, before) => [before, row, value]));

function showInput() {
  const c = input.getContext("2d"), image = c.createImageData(SIDE, SIDE);
  const bytes = state.pixels ? fromBase64(state.pixels) : new Uint8Array(PIXELS);
  bytes.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  c.putImageData(image, 0, 0);
  input.tip = (event) => {
    const box = input.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map((part) => Math.min(SIDE - 1, Math.max(0, Math.floor(part * SIDE))));
    return `pixel ${y * SIDE + x} (row ${y}, column ${x})\n${short(bytes[y * SIDE + x] / 255)}`;
  };
}

function showAnswer() {
  const { thought } = state;
  if (!thought) {
    const drawn = state.strokes.length || state.backdrop;
    return $("answer").replaceChildren(el("span", { class: "quiet" }, drawn ? "Not read yet." : "No digit yet."));
  }
  const order = [...thought.probabilities.keys()].sort((a, b) => thought.probabilities[b] - thought.probabilities[a]);
  const answer = [el("b", {}, nameOf(thought.digit)), ` ${percent(thought.confidence)}`];
  if (thought.unsure) {
    // A percentage would lend weight to what the network has never seen, or cannot tell apart.
    const perhaps = order.slice(0, 2).map((d) => nameOf(d)).join(", or ");
    return $("answer").replaceChildren("Unsure; perhaps ", el("b", {}, perhaps));
  }
  $("answer").replaceChildren("It reads ", ...answer, thought.calibrated ? "" : el("span", { class: "quiet" }, " (not calibrated)"));
}

function showLegend(current) {
  if (nodes.legend === Boolean(current)) return;
  nodes.legend = Boolean(current);
  const key = (kind, text) => el("li", {}, el("i", { class: kind }), text);
  const [more, less, width] = current
    ? ["wants more", "wants less", "arrows and lines: how much, each layer to its own largest"]
    : ["pushes up", "pushes down", "width: weight × activation"];
  $("legend").replaceChildren(key("lamp", "activation"), key("more", more), key("less", less), el("li", {}, width), el("li", {}, "a circle is a neuron, a column a layer"));
}

network.addEventListener("click", withMessage((event) => pick(event.target.closest(".neuron"))));
network.addEventListener("keydown", withMessage(async (event) => {
  const node = event.target.closest(".neuron");
  const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  if (!node) return;
  if (step) {
    const column = nodes.columns[node.layer + step[0]];
    const next = column?.[Math.min(column.length - 1, Math.max(0, node.row + step[1]))];
    if (next) {
      node.setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    }
  } else if (event.key === "Enter" || event.key === " ") await pick(node);
  else return;
  event.preventDefault();
}));
/** Lines into the neuron under the pointer stand out. */
network.addEventListener("pointerover", (event) => {
  const node = event.target.closest(".neuron");
  for (const group of nodes?.lines ?? []) for (const line of group?.children ?? []) line.style.strokeOpacity = "";
  if (node) for (const line of nodes.lines[node.layer].children) line.style.strokeOpacity = line.row === node.row ? 1 : 0.06;
});
network.addEventListener("pointerleave", () => {
  for (const group of nodes?.lines ?? []) for (const line of group?.children ?? []) line.style.strokeOpacity = "";
});

/** Numbers beside the pointer, or the focus: of anything that has a `tip`. */
function showTip(event) {
  let node = event.target;
  while (node && !node.tip && !node.dataset?.tip) node = node.parentNode;
  const tip = $("tip"), text = node?.tip?.(event) ?? node?.dataset?.tip;
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const focus = event.type === "focusin" ? node.getBoundingClientRect() : null;
  const [x, y] = focus ? [focus.right, focus.bottom] : [event.clientX, event.clientY];
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${y + 16 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 16}px`;
}
for (const kind of ["pointermove", "pointerdown", "focusin"]) document.addEventListener(kind, showTip);
for (const kind of ["focusout", "scroll"]) document.addEventListener(kind, () => { $("tip").hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") $("tip").hidden = $("message").hidden = true; });
