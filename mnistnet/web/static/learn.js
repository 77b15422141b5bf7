// Learn: a training from random weights, taken step by step by the server and drawn here after every answer.

import { drawCurves, thinned } from "./curves.js";
import { $, PIXELS, SIDE, ask, el, fromBase64, paintSigned, percent, player, queue, short, svg, toBase64, withMessage } from "./helpers.js";
import { switchTo } from "./network.js";
import { prepareRace, stopRace } from "./race.js";
import { nameOf, state } from "./state.js";

const VIEWS = ["think", "learn", "race"];
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

// costs: [step, seconds, cost]; accuracies: [step, seconds, training, held out]
const run = { training: null, report: null, costs: [], accuracies: [] };
let pause = () => {};

const rate = () => Number($("learn-learning_rate").value) * ($("learn-twist").value === "fast" ? 100 : 1);

/** What the controls say of a training. */
export function settings() {
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
const turn = queue(); // what changes the training waits for what changes it already
function startOver() {
  pause();
  return turn(begin);
}

/** Let the training go on, by `steps` or for `milliseconds`, and draw what it has come to. */
export const advance = (more) => turn(async () => {
  if (!run.training) await begin();
  take(await ask("advance", { training: run.training, learning_rate: rate(), pixels: state.pixels, ...more }));
});
const oneStep = () => advance({ steps: 1, milliseconds: 1000 });
/** To the end of the epoch, drawn on the way. */
async function oneEpoch() {
  pause();
  await turn(async () => { if (!run.training) await begin(); });
  const whole = Math.floor(run.report.epoch) + 1;
  do {
    const left = Math.round((whole - run.report.epoch) * run.report.steps_an_epoch);
    await advance({ steps: Math.max(1, left), milliseconds: MOMENT });
  } while (run.report.epoch < whole - 1e-9);
}

/** Keep what a report brings, and draw it. */
function take(report) {
  const before = run.report ?? { step: 0, seconds: 0 }, pace = (report.seconds - before.seconds) / (report.step - before.step || 1);
  run.report = report;
  run.costs = thinned([...run.costs, ...report.costs.map(([step, cost]) => [step, before.seconds + pace * (step - before.step), cost])]);
  run.accuracies = thinned([...run.accuracies, [report.step, report.seconds, report.train_accuracy, report.held_out_accuracy]]);
  showLearning();
  performance.mark("learned");
}

export function showLearning() {
  const { report } = run;
  $("learn-adopt").disabled = $("learn-save").disabled = !report;
  $("learn-lesson").textContent = report?.stuck ?? TWISTS[$("learn-twist").value]?.[1] ?? "";
  if (!report) return;
  const speed = report.seconds ? Math.round(report.step / report.seconds).toLocaleString("en") : "–";
  $("learn-where").textContent = `Step ${report.step.toLocaleString("en")}, epoch ${report.epoch.toFixed(2)}, ${report.seconds.toFixed(2)} s of training, ${speed} steps a second`;
  $("learn-reading").replaceChildren(...reading(report.reading));
  const unit = $("learn-against").value, column = unit === "steps" ? 0 : 1;
  const curve = (rows, of) => rows.filter((row) => row[of] !== null).map((row) => [row[column], row[of]]);
  const costs = curve(run.costs, 2), axis = unit === "steps" ? unit : "s";
  drawCurves("learn-costs", [["batches", "thin", costs], ["running mean", "bold", runningMean(costs)]], null, short, axis);
  drawCurves("learn-accuracies", [["training", "thin", curve(run.accuracies, 2)], ["held out", "bold", curve(run.accuracies, 3)]], 1, (value) => percent(value, 0), axis);
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
  return points.map(([at, cost], i) => {
    sum += cost - (i >= window ? points[i - window][1] : 0);
    return [at, sum / Math.min(i + 1, window)];
  });
}

/** The first layer's weights, an image a neuron: blue raises its sum, orange lowers it. */
function drawWeights({ first_weights, first_weights_scale }) {
  const bytes = new Int8Array(fromBase64(first_weights).buffer), count = bytes.length / PIXELS, columns = 4;
  const canvas = $("learn-weights"), rows = Math.ceil(count / columns), cell = SIDE + 1;
  if (canvas.width !== columns * cell || canvas.height !== rows * cell) Object.assign(canvas, { width: columns * cell, height: rows * cell });
  for (let neuron = 0; neuron < count; neuron++) {
    const values = Array.from(bytes.subarray(neuron * PIXELS, (neuron + 1) * PIXELS), (value) => value / 127);
    paintSigned(canvas, values, (neuron % columns) * cell, Math.floor(neuron / columns) * cell);
  }
  canvas.setAttribute("aria-label", `Weights of the first ${count} neurons of the first layer, at most ${short(first_weights_scale)}`);
}

/** What is taken for what: a row a true class, a column an answer; mistakes stand out in another colour. */
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
async function adopt() {
  pause();
  use(await ask("adopt", { training: run.training }));
}
function use({ session, ...about }) {
  setView("think");
  switchTo(about, session);
}
async function load(file) {
  if (!file) return;
  pause();
  use(await ask("load", { name: file.name, checkpoint: toBase64(new Uint8Array(await file.arrayBuffer())) }));
}
async function save() {
  const { checkpoint } = await ask("save", { training: run.training });
  const link = el("a", { download: `step-${run.report.step}.npz`, href: URL.createObjectURL(new Blob([fromBase64(checkpoint)])) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function setView(view) {
  document.body.dataset.view = view;
  for (const name of VIEWS) $(`view-${name}`).setAttribute("aria-pressed", String(name === view));
  if (view !== "learn") pause();
  if (view !== "race") stopRace();
}

function choose(preset) {
  for (const [name, value] of Object.entries(PRESETS[preset] ?? {})) $(`learn-${name}`).value = value;
  $("learn-preset").value = preset;
}

/** Open the page at a point of a lesson: #learn/3blue1brown?learning_rate=1&batch_size=10 */
function openAddress() {
  const [path, query] = location.hash.slice(1).split("?"), [view, preset] = path.split("/");
  if (!VIEWS.includes(view)) return;
  if (PRESETS[preset]) choose(preset);
  for (const [name, value] of new URLSearchParams(query ?? "")) {
    const key = name === "rate" ? "learning_rate" : name;
    if (SETTINGS.includes(key)) $(`learn-${key}`).value = value;
  }
  setView(view);
}

/** A reload goes on with the training that was under way, and with the visitor's own network. */
function keep() {
  const { training, costs, accuracies } = run;
  const form = Object.fromEntries([...SETTINGS, "preset", "twist", "against"].map((name) => [name, $(`learn-${name}`).value]));
  sessionStorage.setItem("training", JSON.stringify({ address: location.hash, view: document.body.dataset.view, form, training, costs, accuracies }));
}
async function goOn(kept) {
  for (const [name, value] of Object.entries(kept.form)) $(`learn-${name}`).value = value;
  setView(kept.view);
  if (!kept.training) return;
  const report = await ask("advance", { training: kept.training, steps: 0, milliseconds: 0 });
  const { training, costs, accuracies } = kept;
  Object.assign(run, { training, costs, accuracies, report });
  take(report);
}

export async function prepareLearning() {
  $("learn-preset").append(...Object.keys(PRESETS).map((name) => el("option", {}, name)));
  $("learn-twist").append(el("option", { value: "" }, "nothing"), ...Object.entries(TWISTS).map(([value, [name]]) => el("option", { value }, name)));
  choose("3blue1brown");
  $("learn-preset").addEventListener("change", withMessage(async () => { choose($("learn-preset").value); await startOver(); }));
  for (const name of [...SETTINGS, "twist"]) {
    if (name !== "learning_rate") $(`learn-${name}`).addEventListener("change", withMessage(startOver)); // the rate may change on the way
  }
  for (const [name, act] of Object.entries({ step: oneStep, epoch: oneEpoch, over: startOver, adopt, save })) {
    $(`learn-${name}`).addEventListener("click", withMessage(act));
  }
  pause = player($("learn-play"), () => advance({ milliseconds: MOMENT }));
  $("learn-against").addEventListener("change", showLearning);
  $("learn-load").addEventListener("click", () => $("learn-file").click());
  $("learn-file").addEventListener("change", withMessage(async () => {
    const [file] = $("learn-file").files;
    $("learn-file").value = ""; // so that the same file can be opened again
    await load(file);
  }));
  prepareRace();
  for (const view of VIEWS) $(`view-${view}`).addEventListener("click", withMessage(async () => { setView(view); if (view === "learn" && !run.training) await startOver(); }));
  setView("think");
  openAddress();
  addEventListener("hashchange", openAddress);
  addEventListener("pagehide", keep);
  showLearning();
  const kept = JSON.parse(sessionStorage.getItem("training"));
  if (kept?.address === location.hash) await goOn(kept);
}
