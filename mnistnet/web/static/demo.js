// The page of `mnistnet demo`. It draws; all numbers come from the server, over POST under /api/ (docs/demo.md).
//
//   1. small helpers        4. the network            7. teaching
//   2. what is known        5. the backward pass      8. start
//   3. the pad              6. its steps, told

// ---- 1. Small helpers

const $ = (id) => document.getElementById(id);
const SIDE = 28, PIXELS = SIDE * SIDE;
const SVG = "http://www.w3.org/2000/svg";

/** Make an element: el("td", {class: "up"}, "text", child, ...). */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

const toBase64 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
/** A number with three digits that count, however small: 0.0312, 1.2 × 10⁻⁵. */
function short(value, sign = false) {
  const plus = sign && value > 0 ? "+" : "";
  const size = Math.abs(value);
  if (size === 0 || size >= 1e-3) return (plus + Number(value.toPrecision(3))).replace("-", "−").replace(/e\+?/, " × 10^");
  const [digits, power] = value.toExponential(1).split("e");
  const raised = [...String(+power)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
  return `${plus}${digits} × 10${raised}`.replace("-", "−");
}
const signed = (value) => short(value, true);
const way = (value) => (value < 0 ? "down" : "up");
const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
/** The indices of the values that are largest in size. */
const strongest = (values, count) =>
  [...values.keys()].filter((i) => values[i]).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a])).slice(0, count);

class Refused extends Error {}

/** Ask the server. Throws Refused with its sentence. */
async function ask(name, body = {}) {
  let response, answer;
  try {
    response = await fetch(`/api/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    answer = await response.json();
  } catch {
    throw new Refused("The server does not answer. Is mnistnet demo still running?");
  }
  if (response.ok) return answer;
  if (response.status === 410) forget();
  throw new Refused(answer.error);
}

let hush = 0;
function say(sentence) {
  $("message").textContent = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  $("message").hidden = false;
  clearTimeout(hush);
  hush = setTimeout(() => { $("message").hidden = true; }, 7000);
}
/** Let a handler's refusals be said, not lost. */
const spoken = (handler) => async (...args) => {
  try {
    await handler(...args);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message);
  }
};

// ---- 2. What is known

const known = {
  about: null, // what the server shows
  strokes: [], // of the pad: {width, points: [[x, y], ...]}, in 0 to 1
  backdrop: null, // a picture under the strokes: something drawImage takes
  pixels: null, // the 28x28 that the network sees, bytes in base64, as it came from the server
  digit: 0, // counts the digits that were shown, so that late answers about an earlier one are dropped
  meant: null, // the label that was chosen by hand, or came with a test digit
  thought: null, // the answer of /api/think
  wish: null, // the answer of /api/wish
  step: -1, // of the backward pass; -1: the forward pass is shown
  picked: null, // [layer, neuron] whose three ways are told
  session: null, // names our copy of the network, once it has learned something
  lessons: [], // {steps, cost, accuracy, share} after each lesson; the first, before any, says of which pixels and label
};
const label = () => known.meant ?? known.thought?.digit ?? 0;
const nameOf = (digit) => known.about.labels[digit];
const copy = () => (known.session ? { session: known.session } : {});
const layers = () => known.about.layer_sizes.length - 1;

function neuronName(layer, neuron) {
  if (layer === layers()) return `output ${nameOf(neuron)}`;
  return `neuron ${neuron} of hidden layer ${layer}`;
}

// ---- 3. The pad

const pad = $("pad"), pen = { x: 0.5, y: 0.5, down: false, shown: false };

function paint(canvas, ink, paper, rough = false) {
  const c = canvas.getContext("2d"), size = canvas.width;
  c.fillStyle = paper;
  c.fillRect(0, 0, size, size);
  if (known.backdrop && !rough) {
    const { width, height } = known.backdrop, scale = size / Math.max(width, height);
    c.imageSmoothingEnabled = scale < 4;
    c.drawImage(known.backdrop, (size - width * scale) / 2, (size - height * scale) / 2, width * scale, height * scale);
  }
  c.strokeStyle = c.fillStyle = ink;
  c.lineCap = c.lineJoin = "round";
  for (const { width, points } of known.strokes) {
    c.lineWidth = width * size;
    c.beginPath();
    c.moveTo(points[0][0] * size, points[0][1] * size + 0.01); // a dot needs some length to be seen
    for (const [x, y] of points) c.lineTo(x * size, y * size);
    c.stroke();
  }
}

function showPad() {
  const style = getComputedStyle(document.documentElement);
  paint(pad, style.getPropertyValue("--pen"), style.getPropertyValue("--paper"));
  if (pen.shown) {
    const c = pad.getContext("2d");
    c.strokeStyle = style.getPropertyValue(pen.down ? "--down" : "--up");
    c.lineWidth = 5;
    c.beginPath();
    c.arc(pen.x * pad.width, pen.y * pad.width, brush() * pad.width / 2 + 5, 0, 7);
    c.stroke();
  }
  const empty = !known.strokes.length && !known.backdrop;
  $("hint").hidden = !empty || pen.shown;
  $("undo").disabled = !known.strokes.length;
  $("clear").disabled = empty;
}

const brush = () => $("brush").value / 280;

function begin(x, y) {
  if (known.backdrop || !known.strokes.length) fresh();
  known.strokes.push({ width: brush(), points: [[x, y]] });
  drawn();
}
function goOn(x, y) {
  known.strokes.at(-1).points.push([x, y]);
  drawn();
}
/** The drawing has changed: think about it. */
function drawn() {
  showPad();
  if (known.strokes.length) think(picture);
  else nothing();
}
const small = el("canvas", { width: 200, height: 200 });
function picture() {
  paint(small, "#000", "#fff", true);
  return { picture: small.toDataURL("image/png").split(",")[1] };
}

/** Another digit begins: what was said about the last one no longer holds. */
function fresh() {
  Object.assign(known, { strokes: [], backdrop: null, meant: null, step: -1, picked: null, wish: null, lessons: [] });
  known.digit += 1;
  $("source").textContent = "A picture can also be dropped or pasted anywhere on this page.";
}
/** The pad is empty. */
function nothing() {
  fresh();
  Object.assign(known, { pixels: null, thought: null });
  showPad();
  show();
}

let active = null; // the pointer that draws
const place = (event) => {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};
pad.addEventListener("pointerdown", (event) => {
  if (active !== null || event.button) return;
  active = event.pointerId;
  pad.setPointerCapture(active);
  pen.shown = pen.down = false;
  begin(...place(event));
});
pad.addEventListener("pointermove", (event) => {
  if (event.pointerId !== active) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  for (const each of passed.slice(0, -1)) known.strokes.at(-1)?.points.push(place(each));
  if (known.strokes.length) goOn(...place(event));
});
for (const end of ["pointerup", "pointercancel"]) {
  pad.addEventListener(end, (event) => {
    if (event.pointerId !== active) return;
    active = null;
    rest();
  });
}

pad.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.06 : 0.02;
  const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (move) {
    pen.x = Math.min(1, Math.max(0, pen.x + move[0]));
    pen.y = Math.min(1, Math.max(0, pen.y + move[1]));
    pen.shown = true;
    if (pen.down && known.strokes.length) goOn(pen.x, pen.y);
  } else if (event.key === " ") {
    pen.shown = true;
    pen.down = !pen.down;
    if (pen.down) begin(pen.x, pen.y);
  } else if (event.key === "z" || event.key === "Z") undo();
  else if (event.key === "Delete" || event.key === "Backspace") clear();
  else return;
  event.preventDefault();
  showPad();
});
pad.addEventListener("blur", () => { pen.shown = pen.down = false; showPad(); });

function undo() {
  if (!known.strokes.length) return;
  pen.down = false;
  known.strokes.pop();
  drawn();
}
function clear() {
  pen.down = false;
  nothing();
}

async function randomDigit() {
  const drawn = await ask("draw");
  fresh();
  known.meant = drawn.label;
  known.backdrop = inkOf(fromBase64(drawn.pixels));
  $("source").textContent = `Test image ${drawn.index.toLocaleString("en")}, labelled ${nameOf(drawn.label)}. Draw to begin anew.`;
  showPad();
  think(() => ({ pixels: drawn.pixels }));
}
/** A 28x28 image as ink on the pad's paper. */
function inkOf(bytes) {
  const canvas = el("canvas", { width: SIDE, height: SIDE }), c = canvas.getContext("2d");
  c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--pen");
  bytes.forEach((value, i) => {
    c.globalAlpha = value / 255;
    c.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
  });
  return canvas;
}

const LARGEST = 700_000, SIDEWAYS = 1600; // bytes that are sent as they are; pixels a side of what is larger

async function openPicture(file) {
  if (!file) return;
  let bitmap = null, blob = file;
  try {
    bitmap = await createImageBitmap(file);
  } catch { /* of a kind that this browser does not read; the server may */ }
  if (file.size > LARGEST) {
    if (!bitmap) throw new Refused(`${file.name}: not a picture that this browser can read`);
    const scale = Math.min(1, SIDEWAYS / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    const c = canvas.getContext("2d");
    c.fillStyle = "#fff";
    c.fillRect(0, 0, canvas.width, canvas.height);
    c.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  }
  const body = { picture: toBase64(new Uint8Array(await blob.arrayBuffer())) };
  await ask("think", body); // refused? Then what is on the pad stays.
  fresh();
  known.backdrop = bitmap;
  $("source").textContent = `${file.name || "A picture"}, read as mnistnet predict reads it. Draw to begin anew.`;
  showPad();
  think(() => body);
}

// ---- 4. The network

let waiting = null, busy = false, settled = 0;

/** Think about what `body()` gives. Only the newest question waits while another is under way. */
function think(body) {
  waiting = { body, digit: known.digit, asked: performance.now() };
  if (!busy) spoken(work)();
}
async function work() {
  busy = true;
  try {
    while (waiting) {
      const { body, digit, asked } = waiting;
      waiting = null;
      if (digit !== known.digit) continue;
      const thought = await ask("think", { ...body(), ...copy() });
      if (digit !== known.digit) continue;
      known.thought = thought;
      known.pixels = thought.pixels;
      known.wish = null; // it was of what was drawn before
      if (known.about) showNetwork();
      performance.measure("thought", { start: asked });
      rest();
    }
  } finally {
    busy = false;
  }
}
function rest() {
  clearTimeout(settled);
  settled = setTimeout(spoken(settle), 250);
}
/** The hand rests: say the answer aloud, and ask what takes longer. */
async function settle() {
  if (!known.thought || active !== null) return;
  if (known.step >= 0) await askWish();
  show();
  $("said").textContent = $("answer").textContent;
  await judge();
  showTeaching();
}

function thinkAgain() {
  if (known.pixels) think(() => ({ pixels: known.pixels }));
}

const stage = $("stage"), network = $("network"), input = $("input");
let nodes = null; // what stands on the stage: built anew when its size or the number of neurons changes

function rowsOf(layer) { // the neurons shown of a layer, from 1
  return known.thought?.layers[layer - 1].neurons ?? [...Array(Math.min(16, known.about.layer_sizes[layer])).keys()];
}

function build() {
  const count = layers(), names = known.about.labels.map(String);
  const tail = Math.min(100, 42 + 8.5 * Math.max(...names.map((name) => name.length)));
  const width = Math.max(stage.clientWidth, 150 + 62 * count), height = width < 520 ? 400 : Math.min(560, 300 + width / 4.5);
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
    const size = known.about.layer_sizes[layer];
    title(x, output ? "output" : neurons.length === size ? `${size}${width < 520 ? "" : " neurons"}` : `${neurons.length} of ${size}`);
    under.append(nodes.lines[layer] = svg("g"));
    nodes.columns[layer] = neurons.map((_, row) => {
      const y = top + gap * (row + 0.5);
      const node = svg("g", { class: "neuron", tabindex: -1, role: "button" }, svg("circle", { cx: x, cy: y, r: radius }),
        svg("path", { class: "arrow" }));
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
function from(layer, index) {
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

function drawArrow(node, value, most) {
  const path = node.querySelector(".arrow"), share = most ? Math.abs(value ?? 0) / most : 0;
  if (share < 0.004) return put(path, "d", "");
  const length = 4 + share * (node.room - 4), turn = value < 0 ? 1 : -1;
  const x = node.x + node.radius + 9, head = Math.min(5, 2 + length / 5), tip = node.y + turn * length / 2;
  put(path, "d", `M${x} ${node.y - turn * length / 2}V${tip}m${-head} ${-turn * head}L${x} ${tip}l${head} ${-turn * head}`);
  put(path, "class", `arrow ${way(value)}`);
}

/** Show all that is known. */
function show() {
  if (!known.about) return;
  const current = showNetwork();
  showStep(current);
  showTeaching();
}
/** Show what changes with every stroke; the rest waits until the hand rests. */
function showNetwork() {
  if (!nodes || nodes.shape !== shape()) build();
  const { thought } = known, current = known.wish && known.step >= 0 ? steps()[known.step] : null;
  showInput();
  showAnswer();
  for (let layer = 1; layer <= layers(); layer++) {
    const own = thought?.layers[layer - 1], wished = known.wish?.layers[layer - 1];
    const most = Math.max(1, largest(own?.activations ?? [0]));
    const arrows = current?.arrows(layer) ?? null, longest = largest(arrows ?? [0]);
    nodes.columns[layer].forEach((node, row) => {
      const neuron = rowsOf(layer)[row], activation = own?.activations[row];
      const light = Math.round(18 + 237 * Math.abs(activation ?? 0) / most);
      put(node.firstChild, "fill", `rgb(${light} ${light} ${light})`);
      drawArrow(node, arrows?.[row], longest);
      node.classList.toggle("answer", layer === layers() && thought?.digit === neuron);
      node.classList.toggle("picked", Boolean(current?.three && known.wish.three_ways.layer === layer && known.wish.three_ways.neuron === neuron));
      node.neuron = neuron;
      const words = [neuronName(layer, neuron)];
      if (own) words.push(`activation ${short(activation)}`);
      if (current) {
        if (wished.nudges) words.push(`nudge ${signed(wished.nudges[row])}`);
        if (wished.slopes) words.push(`slope of its function ${short(wished.slopes[row])}`);
        if (layer === layers()) words.push(`wish ${signed(known.wish.wish[row])}`);
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
const forwardLines = (layer) => known.thought.lines[layer - 1].flatMap((line, row) =>
  layer === 1 ? line.map(([pixel, value]) => [pixel, row, value]) : line.map((value, before) => [before, row, value]));

function showInput() {
  const c = input.getContext("2d"), image = c.createImageData(SIDE, SIDE);
  const bytes = known.pixels ? fromBase64(known.pixels) : new Uint8Array(PIXELS);
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
  const { thought } = known;
  if (!thought) return $("answer").replaceChildren(el("span", { class: "quiet" }, "No digit yet."));
  const order = [...thought.probabilities.keys()].sort((a, b) => thought.probabilities[b] - thought.probabilities[a]);
  const answer = [el("b", {}, nameOf(thought.digit)), ` ${percent(thought.confidence)}`];
  if (thought.unsure) {
    // A percentage would lend weight to what the network has never seen.
    const perhaps = order.slice(0, 2).map((d) => nameOf(d)).join(", or ");
    return $("answer").replaceChildren("Unsure: unlike what it has learned; perhaps ", el("b", {}, perhaps));
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
  $("legend").replaceChildren(key("lamp", "activation"), key("more", more), key("less", less), el("li", {}, width));
}

network.addEventListener("click", spoken((event) => pick(event.target.closest(".neuron"))));
network.addEventListener("keydown", spoken(async (event) => {
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
  while (node && !node.tip) node = node.parentNode;
  const tip = $("tip"), text = node?.tip?.(event);
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

// ---- 5. The backward pass

async function askWish() {
  const digit = known.digit, [layer, neuron] = known.picked ?? [];
  if (layer && !rowsOf(layer).includes(neuron)) known.picked = null; // no longer among the most active ones
  const wish = await ask("wish", { pixels: known.pixels, label: label(), neuron: known.picked, ...copy() });
  if (digit === known.digit) known.wish = wish;
}
async function go(step) {
  if (step >= 0) await askWish();
  known.step = Math.max(-1, Math.min(step, steps().length - 1));
  show();
}
/** Tell the three ways for a neuron. */
async function pick(node) {
  if (!node || !known.pixels) return;
  known.picked = [node.layer, node.neuron];
  await go(1);
}

/** The steps, in the video's order. Each: title, tell() for the text, detail(), arrows(layer), lines(layer), what. */
function steps() {
  const top = layers();
  const passed = (to) => (layer) => layer === to + 1
    ? known.wish.passed[to - 1].flatMap((row, after) => row.map((value, before) => [before, after, value])) : null;
  const felt = (layer) => (layer === top ? known.wish.wish : known.wish.layers[layer - 1].nudges);
  const list = [
    { title: "What the output wishes", tell: tellOutput, detail: outputTable, arrows: (l) => (l === top ? known.wish.wish : null),
      lines: () => null, what: "" },
    { title: "Three ways for one neuron", three: true, tell: tellWays, detail: ways, what: "nudge for the weight",
      arrows: (l) => {
        const { layer, neuron, activation_nudges } = known.wish.three_ways;
        if (l === layer - 1) return activation_nudges;
        return l === layer ? rowsOf(l).map((n, row) => (n === neuron ? felt(l)[row] : 0)) : null;
      },
      lines: (l) => {
        const { layer, neuron, weight_nudges } = known.wish.three_ways, row = rowsOf(layer).indexOf(neuron);
        if (l !== layer) return null;
        return strongest(weight_nudges, 60).map((before) => [before, row, weight_nudges[before]]);
      } },
  ];
  for (let to = top - 1; to >= 1; to--) {
    list.push({ title: to === top - 1 ? "All wishes added up" : `The same for hidden layer ${to}`, tell: () => tellSum(to),
      detail: () => votes(to), arrows: (l) => (l === to || l === to + 1 ? felt(l) : null), lines: passed(to), what: "wishes of it" });
  }
  list.push({ title: "Back to the first weights", wide: true, tell: tellFirst, detail: gallery, arrows: (l) => (l === 1 ? felt(1) : null),
    what: "nudge for the weight", lines: (l) => (l > 1 ? null : known.wish.first_weights.flatMap((nudges, row) =>
      strongest(nudges, 8).map((pixel) => [pixel, row, nudges[pixel]]))) });
  return list;
}

// ---- 6. Its steps, told

const p = (...parts) => el("p", {}, ...parts);
const b = (text, kind) => el("b", { class: kind }, text);

function showStep(current) {
  const count = steps().length;
  $("label").disabled = $("next").disabled = !known.thought;
  $("label").value = label();
  $("back").hidden = known.step < 0;
  $("back").textContent = known.step === 0 ? "← Forward pass" : "← Back";
  $("next").textContent = known.step < 0 ? "Follow its wishes →" : known.step === count - 1 ? "To the start ↺" : "Next →";
  if (!current) {
    const text = known.thought
      ? `Every example has wishes: what would have to change so that this is read as ${nameOf(label())}? Follow them from the output back to the first weights, step by step. That is backpropagation.`
      : "Draw a digit first. Then follow its wishes from the output back to the first weights, step by step.";
    $("story").replaceChildren(el("p", { class: "quiet" }, text));
    $("step").className = "";
    return $("detail").replaceChildren(contents());
  }
  const kept = document.activeElement?.closest?.("#detail") ? null : $("detail").scrollLeft;
  $("story").replaceChildren(el("p", { class: "count" }, `Step ${known.step + 1} of ${count}`), el("h3", {}, current.title), ...current.tell());
  $("step").className = current.wide ? "wide" : "";
  $("detail").replaceChildren(current.detail());
  $("detail").scrollLeft = kept ?? 0;
}

/** The steps to come, to begin at any of them. */
function contents() {
  return el("ol", { class: "contents" }, ...steps().map((step, number) => {
    const button = el("button", { type: "button", disabled: known.thought ? null : "" }, step.title);
    button.addEventListener("click", spoken(() => go(number)));
    return el("li", {}, button);
  }));
}

function tellOutput() {
  const { wish, cost, prediction } = known.wish, own = wish[label()];
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
  const { target, wish, cost_terms } = known.wish, activations = known.wish.layers.at(-1).activations;
  const head = el("tr", {}, ...["output", "is", "should be", "wish", "adds to cost"].map((t) => el("th", { scope: "col" }, t)));
  const rows = activations.map((a, d) => el("tr", { class: d === label() ? "chosen" : null }, el("th", { scope: "row" }, nameOf(d)),
    tipped(el("td", {}, a.toFixed(3)), a), el("td", {}, String(target[d])),
    tipped(el("td", { class: way(wish[d]) }, `${wish[d] < 0 ? "↓ −" : "↑ +"}${Math.abs(wish[d]).toFixed(3)}`), wish[d]),
    tipped(el("td", {}, cost_terms[d].toFixed(4)), cost_terms[d])));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
const tipped = (node, value) => Object.assign(node, { tip: () => String(value) });

function tellWays() {
  const { layer, neuron } = known.wish.three_ways, row = rowsOf(layer).indexOf(neuron);
  const own = layer === layers() ? known.wish.wish[row] : known.wish.layers[layer - 1].nudges[row];
  return [
    p(`${upper(neuronName(layer, neuron))} should go `, b(own < 0 ? "down" : "up", way(own)), ". Three things decide its activation, so there are three ways to get there. Lines show what its weights wish",
      layer > 1 ? ", arrows what it wishes of the neurons behind it." : "."),
    p("Click any other neuron to hear it."),
  ];
}
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function ways() {
  const told = known.wish.three_ways, { layer, reach } = told;
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
  const last = to === layers() - 1, size = known.about.layer_sizes[to], kept = rowsOf(to).length;
  const rest = kept < size ? ` The ${kept} most active of ${size} neurons are shown.` : "";
  if (last) {
    return [
      p("The third way cannot be taken directly, but it can be passed on. Every output has its own idea of what the layer before should do, in proportion to its weights and to how much it needs to change."),
      p(`A column is what one output wishes; a row added up is what all ten together wish of that neuron: its nudge.${rest}`),
    ];
  }
  return [
    p(`Now hidden layer ${to + 1} has wishes as the output had, so it can do the same: add up, for each neuron of hidden layer ${to}, what all of them wish.`),
    p(`A neuron that is almost off or almost fully on hardly moves, whatever is wished of it: its slope there is small, and so is its column.${rest}`),
  ];
}

/** What each neuron of the layer after (a column) wishes of each neuron of layer `to` (a row), and the sums. */
function votes(to) {
  const rows = known.wish.passed[to - 1], { nudges, neurons } = known.wish.layers[to - 1], after = rowsOf(to + 1);
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
  const black = fromBase64(known.pixels).filter((value) => !value).length;
  return [
    p("And so down to the first weights. Each neuron here has 784, one for each pixel, and what they get is the picture itself, times what the neuron wishes: ",
      b("blue", "up"), " for more, ", b("orange", "down"), " for less."),
    p(`The ${black} black pixels bring nothing: a weight behind a dark pixel made no difference, so this example has no wish for it.`),
    p("All nudges together, for every weight and bias, are minus the gradient. To follow them a little way is to learn from this example."),
  ];
}

function gallery() {
  const images = known.wish.first_weights, most = largest(images.map((image) => largest(image)));
  const colours = { up: [86, 180, 233], down: [230, 159, 0] };
  return el("div", { class: "gallery" }, ...images.map((nudges, row) => {
    const neuron = known.wish.layers[0].neurons[row], name = neuronName(1, neuron);
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

// ---- 7. Teaching

const rate = () => 10 ** Number($("rate").value);

async function judge() {
  const subject = { pixels: known.pixels, label: label() };
  const isStill = (other) => other?.pixels === subject.pixels && other.label === subject.label;
  if (!subject.pixels || isStill(known.lessons[0])) return; // the pad may have been cleared while its wish was asked
  const found = await ask("judge", { ...subject, ...copy() });
  if (isStill({ pixels: known.pixels, label: label() })) known.lessons = [{ ...found, ...subject, steps: 0 }];
}

let teaching = false;

async function learn(at_random) {
  if (teaching) return;
  teaching = true;
  try {
    await judge();
    if (!known.lessons.length) return;
    const { pixels, label } = known.lessons[0], times = Number($("times").value);
    const found = await ask("learn", { pixels, label, rate: rate(), times, at_random, ...copy() });
    known.session = found.session;
    const { steps } = known.lessons.at(-1) ?? {};
    if (known.lessons[0]?.pixels === pixels && known.lessons[0].label === label) known.lessons.push({ ...found, steps: steps + times });
    else known.lessons = []; // something else was drawn, or meant, in the meantime
  } finally {
    teaching = false;
  }
  showTeaching();
  thinkAgain();
}

/** Forget what was taught: back to the network as it was. */
function forget() {
  known.session = null;
  known.lessons = [];
  thinkAgain();
}
async function reset() {
  const { session } = known;
  forget();
  if (session) await ask("forget", { session });
}

function showTeaching() {
  const name = nameOf(label()), [first, last] = [known.lessons[0], known.lessons.at(-1)];
  $("teach-words").textContent = `Steps of gradient descent in a copy of your own. Heed one example alone, and it finds a ${name} in ever more; the average over 100 at random heals it.`;
  $("rate-shown").textContent = Number(rate().toPrecision(2));
  $("alone").disabled = $("many").disabled = !known.thought;
  $("reset").disabled = !known.session;
  if (!first) {
    $("chart").replaceChildren();
    return $("figures").replaceChildren();
  }
  const looks = first === last ? [first] : [first, last];
  const row = (term, key, format) => el("tr", {}, el("th", { scope: "row" }, term),
    ...looks.map((lesson) => tipped(el("td", {}, format(lesson[key])), lesson[key])));
  const judges = known.about.judges.toLocaleString("en"), after = last.steps === 1 ? "after 1 step" : `after ${last.steps} steps`;
  const heads = first === last ? ["now"] : ["before", after];
  $("figures").replaceChildren(
    el("table", {}, el("thead", {}, el("tr", {}, el("td"), ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, row("Cost of this one", "cost", (value) => short(value)), row("Accuracy *", "accuracy", percent), row(`Called ${name} *`, "share", percent))),
    p(`* of ${judges} test images`));
  $("chart").replaceChildren(...(known.lessons.length > 1 ? [chart()] : []));
}

function chart() {
  const width = 280, height = 130, left = 34, bottom = 108, top = 10, right = 66, end = known.lessons.at(-1).steps;
  const x = (steps) => left + ((width - left - right) * steps) / end, y = (share) => bottom - (bottom - top) * share;
  const line = (key, kind) => [
    svg("polyline", { class: kind, points: known.lessons.map((lesson) => `${x(lesson.steps)},${y(lesson[key])}`).join(" ") }),
    ...known.lessons.map((lesson) => Object.assign(svg("circle", { class: kind, cx: x(lesson.steps), cy: y(lesson[key]), r: 2.8 }),
      { tip: () => `after ${lesson.steps} steps\ncost ${lesson.cost}\naccuracy ${percent(lesson.accuracy)}\ncalled ${nameOf(label())} ${percent(lesson.share)}` })),
  ];
  const text = (attributes, words) => svg("text", attributes, words);
  const last = known.lessons.at(-1);
  let [a, s] = [y(last.accuracy), y(last.share)];
  if (Math.abs(a - s) < 13) [a, s] = a <= s ? [(a + s) / 2 - 7, (a + s) / 2 + 7] : [(a + s) / 2 + 7, (a + s) / 2 - 7];
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Accuracy and share called ${nameOf(label())} by steps taken; the figures above are the last` },
    ...[0, 0.5, 1].flatMap((share) => [svg("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
      text({ x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`)]),
    text({ x: left, y: height - 6 }, "0"), text({ x: width - right, y: height - 6, "text-anchor": "end" }, `${end} steps`),
    ...line("accuracy", "accuracy"), ...line("share", "share"),
    text({ class: "accuracy", x: width - right + 8, y: a + 4 }, "accuracy"), text({ class: "shared", x: width - right + 8, y: s + 4 }, `called ${nameOf(label())}`));
}

// ---- 8. Start

$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", clear);
$("brush").addEventListener("input", showPad);
$("random").addEventListener("click", spoken(randomDigit));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", spoken(async () => {
  const [file] = $("file").files;
  await openPicture(file);
  $("file").value = ""; // so that the same file can be opened again
}));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", spoken(async (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  await openPicture(event.dataTransfer.files[0]);
}));
document.addEventListener("paste", spoken((event) => openPicture(event.clipboardData.files[0])));

$("label").addEventListener("change", spoken(async () => {
  known.meant = Number($("label").value);
  known.picked = null;
  if (known.step >= 0) await askWish();
  await judge();
  show();
}));
$("back").addEventListener("click", spoken(() => go(known.step - 1)));
$("next").addEventListener("click", spoken(() => go(known.step === steps().length - 1 ? -1 : known.step + 1)));
$("rate").addEventListener("input", showTeaching);
$("alone").addEventListener("click", spoken(() => learn(false)));
$("many").addEventListener("click", spoken(() => learn(true)));
$("reset").addEventListener("click", spoken(reset));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showPad);

spoken(async () => {
  known.about = await ask("describe");
  const { name, layer_sizes, parameters, labels, quadratic } = known.about;
  $("about").textContent = `The network ${name}: ${layer_sizes.join(" – ")} neurons, ${parameters.toLocaleString("en")} weights and biases`;
  $("label").append(...labels.map((text, value) => el("option", { value }, text)));
  $("rate").value = quadratic ? 0 : -1;
  showPad();
  show();
  new ResizeObserver(show).observe(stage);
})();
