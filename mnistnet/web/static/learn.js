// Learn: a training from random weights, taken step by step by the server and drawn here after every answer.

import { $, SIDE, ask, el, fromBase64, largest, percent, short, svg, withMessage } from "./helpers.js";
import { switchTo } from "./network.js";
import { nameOf, state } from "./state.js";

const SETTINGS = ["hidden", "activation", "loss", "optimizer", "learning_rate", "batch_size", "seed", "images"];
const PRESETS = {
  "3blue1brown": { hidden: "16, 16", activation: "sigmoid", loss: "quadratic", optimizer: "sgd", learning_rate: 3, batch_size: 100 },
  nielsen: { hidden: "30", activation: "sigmoid", loss: "quadratic", optimizer: "sgd", learning_rate: 3, batch_size: 10 },
  default: { hidden: "128", activation: "relu", loss: "cross_entropy", optimizer: "adam", learning_rate: 0.002, batch_size: 100 },
};
const TWISTS = {
  fast: ["Learning rate × 100", "Steps a hundred times too long. Watch the cost jump, and the neurons saturate: each step overshoots the valley."],
  zero: ["All weights zero at the start", "Every neuron of a layer starts alike, so all get the same nudges. Watch the first weights: they stay copies of one another."],
  sorted: ["Shuffle off", "The images come in the same order in every epoch. Watch the cost repeat its ups and downs from epoch to epoch."],
  wrong: ["A tenth of the labels at random", "One label in ten is drawn at random. Watch the cost stay up while the accuracy on true labels still rises."],
};
const MOMENT = 25; // milliseconds of training between two pictures
const MAX_POINTS = 600;

const run = { training: null, playing: false, busy: false, report: null, costs: [], accuracies: [] };

const rate = () => Number($("learn-learning_rate").value) * ($("learn-twist").value === "fast" ? 100 : 1);

function settings() {
  const value = (name) => $(`learn-${name}`).value;
  const hidden = value("hidden").split(/[,\s]+/).filter(Boolean).map(Number);
  const twist = value("twist"), batch = value("batch_size"), images = value("images");
  return {
    hidden, activation: value("activation"), loss: value("loss"), optimizer: value("optimizer"),
    learning_rate: rate(),
    batch_size: batch === "all" ? "all" : Number(batch), seed: Number(value("seed")) || 0,
    images: images === "all" ? "all" : Number(images),
    zero_start: twist === "zero", shuffle: twist !== "sorted", wrong_labels: twist === "wrong" ? 0.1 : 0,
  };
}

/** Begin anew, from the first weights. */
async function begin() {
  if (run.training) ask("leave", { training: run.training }).catch(() => {});
  Object.assign(run, { training: null, report: null, costs: [], accuracies: [] });
  const begun = await ask("begin", settings());
  run.training = begun.training;
  take(begun);
}
function startOver() {
  pause();
  return begin();
}

/** Let the training go on, by `steps` or for `milliseconds`, and draw what it has come to. */
export async function advance(more) {
  if (run.busy) return;
  run.busy = true;
  try {
    if (!run.training) await begin();
    take(await ask("advance", { training: run.training, learning_rate: rate(), pixels: state.pixels, ...more }));
  } catch (error) {
    pause();
    throw error;
  } finally {
    run.busy = false;
  }
}
export const oneStep = () => advance({ steps: 1, milliseconds: 1000 });
/** To the end of the epoch, drawn on the way. */
export async function oneEpoch() {
  pause();
  const whole = Math.floor(run.report?.epoch ?? 0) + 1;
  do {
    const left = Math.round((whole - (run.report?.epoch ?? 0)) * (run.report?.steps_an_epoch ?? 1e9));
    await advance({ steps: Math.max(1, left), milliseconds: MOMENT });
  } while (run.report.epoch < whole - 1e-9);
}

export function pause() {
  run.playing = false;
  $("learn-play").textContent = "Play";
}
export async function play() {
  if (run.playing) return pause();
  run.playing = true;
  $("learn-play").textContent = "Pause";
  while (run.playing) {
    await advance({ milliseconds: MOMENT });
    await new Promise(requestAnimationFrame);
  }
}

/** Keep what a report brings, and draw it. */
function take(report) {
  run.report = report;
  run.costs.push(...report.costs);
  run.accuracies.push([report.step, report.train_accuracy, report.held_out_accuracy]);
  for (const kept of ["costs", "accuracies"]) {
    while (run[kept].length > MAX_POINTS) run[kept] = run[kept].filter((_, i) => i % 2 || i === run[kept].length - 1);
  }
  showLearning();
}

export function showLearning() {
  const { report } = run;
  $("learn-adopt").disabled = $("learn-save").disabled = !report;
  $("learn-lesson").textContent = TWISTS[$("learn-twist").value]?.[1] ?? "";
  if (!report) return;
  const speed = report.seconds ? Math.round(report.step / report.seconds).toLocaleString("en") : "–";
  $("learn-where").textContent = `Step ${report.step.toLocaleString("en")}, epoch ${report.epoch.toFixed(2)}, ${report.seconds.toFixed(2)} s of training, ${speed} steps a second`;
  $("learn-reading").replaceChildren(...reading(report.reading));
  drawCurves("learn-costs", [["batches", "thin", run.costs], ["running mean", "bold", runningMean(run.costs)]], null, short);
  drawCurves("learn-accuracies", [
    ["training", "thin", run.accuracies.filter((a) => a[1] !== null).map(([step, train]) => [step, train])],
    ["held out", "bold", run.accuracies.map(([step, , held]) => [step, held])]], 1, (value) => percent(value, 0));
  drawWeights(report);
  drawConfusion(report.confusion);
  $("learn-layers").replaceChildren(...report.layers.map(layerRow));
}

function reading(answer) {
  if (!answer) return [el("span", { class: "quiet" }, "Draw a digit: it is read again after every picture.")];
  return ["It reads ", el("b", {}, nameOf(answer.digit)), ` ${percent(answer.confidence, 0)}`, el("span", { class: "quiet" }, " (not calibrated)")];
}

/** The mean of the last few points at each of them. */
function runningMean(points, window = 15) {
  let sum = 0;
  return points.map(([step, cost], i) => {
    sum += cost - (i >= window ? points[i - window][1] : 0);
    return [step, sum / Math.min(i + 1, window)];
  });
}

/** Curves against steps, each with its name and last value at the right. */
function drawCurves(id, curves, most, format) {
  const width = 320, height = 150, left = 40, right = 96, top = 10, bottom = height - 20;
  const points = curves.flatMap(([, , values]) => values);
  if (!points.length) return $(id).replaceChildren();
  const last = Math.max(1, ...points.map(([step]) => step)), high = most ?? (Math.max(...points.map(([, value]) => value)) || 1);
  const x = (step) => left + ((width - left - right) * step) / last, y = (value) => bottom - ((bottom - top) * Math.min(value, high)) / high;
  const text = (attributes, words) => svg("text", attributes, words);
  let below = -Infinity;
  const ends = curves.filter(([, , values]) => values.length).map(([name, kind, values]) => [name, kind, values.at(-1)[1]])
    .sort((a, b) => b[2] - a[2]).map(([name, kind, value]) => [name, kind, value, below = Math.max(y(value) + 4, below + 26)]);
  const over = Math.max(0, below + 12 - bottom); // the lowest name must stay on the picture
  $(id).replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": ends.map(([name, , value]) => `${name} ${format(value)}`).join(", ") },
    ...[0, 0.5, 1].flatMap((share) => [svg("line", { class: "grid", x1: left, x2: width - right, y1: y(share * high), y2: y(share * high) }),
      text({ x: left - 5, y: y(share * high) + 4, "text-anchor": "end" }, format(share * high))]),
    text({ x: left, y: height - 4 }, "0"), text({ x: width - right, y: height - 4, "text-anchor": "end" }, `${last.toLocaleString("en")} steps`),
    ...curves.map(([, kind, values]) => svg("polyline", { class: kind, points: values.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ") })),
    ...ends.flatMap(([name, kind, value, at]) => [text({ class: kind, x: width - right + 6, y: at - over }, format(value)), text({ class: kind, x: width - right + 6, y: at - over + 12 }, name)])));
}

/** The first layer's weights, an image a neuron: blue raises its sum, orange lowers it. */
function drawWeights({ first_weights, first_weights_scale }) {
  const bytes = new Int8Array(fromBase64(first_weights).buffer), count = bytes.length / (SIDE * SIDE), columns = 4;
  const canvas = $("learn-weights"), rows = Math.ceil(count / columns), cell = SIDE + 1;
  if (canvas.width !== columns * cell || canvas.height !== rows * cell) Object.assign(canvas, { width: columns * cell, height: rows * cell });
  const c = canvas.getContext("2d"), image = c.createImageData(canvas.width, canvas.height);
  const colours = [[230, 159, 0], [86, 180, 233]];
  for (let neuron = 0; neuron < count; neuron++) {
    const left = (neuron % columns) * cell, top = Math.floor(neuron / columns) * cell;
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
      const value = bytes[neuron * SIDE * SIDE + pixel] / 127, colour = colours[value > 0 ? 1 : 0], strength = Math.sqrt(Math.abs(value));
      const at = 4 * ((top + Math.floor(pixel / SIDE)) * canvas.width + left + (pixel % SIDE));
      for (let k = 0; k < 3; k++) image.data[at + k] = 18 + (colour[k] - 18) * strength;
      image.data[at + 3] = 255;
    }
  }
  c.putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", `Weights of the first ${count} neurons of the first layer, at most ${short(first_weights_scale)}`);
}

/** What is taken for what: a row a true class, a column an answer; a mistake is orange. */
function drawConfusion(confusion) {
  const rows = confusion.map((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    return el("tr", {}, el("th", { scope: "row" }, nameOf(truth).slice(0, 6)), ...row.map((count, answer) => {
      const td = el("td", { class: truth === answer ? "right" : "wrong" }, count ? String(count) : "");
      td.style.setProperty("--share", Math.sqrt(count / total).toFixed(2));
      return Object.assign(td, { tip: () => `${count} of ${total} images of ${nameOf(truth)} are called ${nameOf(answer)}` });
    }));
  });
  $("learn-confusion").replaceChildren(el("thead", {}, el("tr", {}, el("td"), ...confusion.map((_, d) => el("th", { scope: "col" }, nameOf(d).slice(0, 6))))), el("tbody", {}, ...rows));
}

/** Weights and gradients of a layer as histograms, and how many of its neurons cannot learn. */
function layerRow({ weights, gradients, silent }, number, all) {
  const bars = ({ counts, largest: most }, what) => {
    const high = Math.max(...counts), width = 84, height = 26, step = width / counts.length;
    const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${what}, to ${short(most)} on either side` },
      ...counts.map((count, i) => svg("rect", { x: i * step, width: step - 0.6, y: height - height * Math.sqrt(count / high), height: height * Math.sqrt(count / high) })));
    return el("td", {}, node, el("span", { class: "quiet" }, `± ${short(most)}`));
  };
  const name = number === all.length - 1 ? "output" : `hidden ${number + 1}`;
  return el("tr", {}, el("th", { scope: "row" }, name), bars(weights, `Weights of layer ${number + 1}`), bars(gradients, `Gradient of layer ${number + 1}`),
    el("td", {}, silent === null ? "" : percent(silent, 0)));
}

/** Let the other views ask this very network. */
export async function adopt() {
  pause();
  const { session, ...about } = await ask("adopt", { training: run.training });
  setView("think");
  switchTo(about, session);
}
export async function save() {
  const { checkpoint } = await ask("save", { training: run.training });
  const link = el("a", { download: `step-${run.report.step}.npz`, href: URL.createObjectURL(new Blob([fromBase64(checkpoint)])) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function setView(view) {
  document.body.dataset.view = view;
  for (const name of ["think", "learn"]) $(`view-${name}`).setAttribute("aria-pressed", String(name === view));
  if (view !== "learn") pause();
}

function choose(preset) {
  for (const [name, value] of Object.entries(PRESETS[preset] ?? {})) $(`learn-${name}`).value = value;
  $("learn-preset").value = preset;
}

/** Open the page at a point of a lesson: #learn/3blue1brown?learning_rate=1&batch_size=10 */
export function openAddress() {
  const [path, query] = location.hash.slice(1).split("?"), [view, preset] = path.split("/");
  if (view !== "learn") return;
  if (PRESETS[preset]) choose(preset);
  for (const [name, value] of new URLSearchParams(query ?? "")) {
    const key = name === "rate" ? "learning_rate" : name;
    if (SETTINGS.includes(key)) $(`learn-${key}`).value = value;
  }
  setView("learn");
}

export function prepareLearning() {
  $("learn-preset").append(...Object.keys(PRESETS).map((name) => el("option", {}, name)));
  $("learn-twist").append(el("option", { value: "" }, "nothing"), ...Object.entries(TWISTS).map(([value, [name]]) => el("option", { value }, name)));
  choose("3blue1brown");
  $("learn-preset").addEventListener("change", withMessage(async () => { choose($("learn-preset").value); await startOver(); }));
  for (const name of [...SETTINGS, "twist"]) {
    if (name !== "learning_rate") $(`learn-${name}`).addEventListener("change", withMessage(startOver)); // the rate may change on the way
  }
  for (const [name, act] of Object.entries({ play, step: oneStep, epoch: oneEpoch, over: startOver, adopt, save })) {
    $(`learn-${name}`).addEventListener("click", withMessage(act));
  }
  $("view-think").addEventListener("click", () => setView("think"));
  $("view-learn").addEventListener("click", withMessage(async () => { setView("learn"); if (!run.training) await startOver(); }));
  setView("think");
  openAddress();
  showLearning();
}
