// The drunk man and the careful man: trainings side by side from the same first weights, and the paths they take.

import { drawCurves, thinned } from "./curves.js";
import { $, ask, el, percent, player, queue, short, svg, withMessage } from "./helpers.js";
import { settings } from "./learn.js";

const MOMENT = 100; // milliseconds of training between two pictures
const BETWEEN = 1500; // milliseconds between two looks at the paths, which take longer
const KINDS = ["first", "second", "third"];
const WIDTH = 500, HEIGHT = 400, SMALL = 220; // of the drawings

const run = { training: null, looked: 0, costs: [] };
let pause = () => {};

const count = (value) => Math.round(value).toLocaleString("en");
const name = ({ batch_size }, i, all) => {
  const man = batch_size === 1 ? " (drunk man)" : i === all.length - 1 && batch_size > 1000 ? " (careful man)" : "";
  return `${count(batch_size)}${man}`;
};

async function begin() {
  if (run.training) ask("leave", { training: run.training }).catch(() => {});
  run.training = null;
  const sizes = $("race-sizes").value.split(/[,\s]+/).filter(Boolean).map((word) => (word === "all" ? word : Number(word)));
  const { batch_size, ...others } = settings();
  const begun = await ask("race", { ...others, learning_rate: rate(), batch_sizes: sizes });
  Object.assign(run, { training: begun.training, looked: 0, costs: begun.trainings.map(() => []) });
  for (const id of ["race-plane", "race-stretches"]) $(id).replaceChildren();
  take(begun.trainings);
}
const rate = () => Number($("race-rate").value);

const turn = queue();
async function goOn() {
  if (!run.training) await begin();
  take((await ask("together", { training: run.training, milliseconds: MOMENT, learning_rate: rate() })).trainings);
  if (performance.now() - run.looked > BETWEEN) await look();
}
/** Draw the paths, and some steps one by one. */
async function look() {
  const found = await ask("survey", { training: run.training });
  run.looked = performance.now();
  take(found.trainings);
  drawPlane(found);
  drawStretches(found);
}
export function stopRace() {
  pause();
}

function take(trainings) {
  trainings.forEach((one, i) => { run.costs[i] = thinned([...run.costs[i], [one.seconds, one.held_out_cost]]); });
  const seconds = Math.max(...trainings.map((one) => one.seconds));
  drawCurves("race-costs", trainings.map((one, i) => [`${count(one.batch_size)} a step`, KINDS[i], run.costs[i]]), null, short, "s");
  const aSecond = (one, length) => (one.seconds ? short(length / one.seconds) : "–");
  $("race-figures").replaceChildren(...trainings.map((one, i, all) => el("tr", {},
    el("th", { scope: "row" }, el("i", { class: KINDS[i] }), name(one, i, all), one.diverged ? " (diverged)" : ""),
    ...[count(one.step), short(one.path_length), short(one.displacement), aSecond(one, one.path_length), aSecond(one, one.displacement), percent(one.held_out_accuracy)]
      .map((text) => el("td", {}, text)))));
  $("race-where").textContent = `${seconds.toFixed(1)} s of training each, from the same first weights.`;
}

/** Where the lines of equal cost cross the squares of a grid: "marching squares" (Lorensen and Cline 1987, in the plane). */
function* contours(costs, level) {
  const between = (a, b) => (level - a) / (b - a);
  for (let i = 0; i + 1 < costs.length; i++) {
    for (let j = 0; j + 1 < costs[i].length; j++) {
      const [a, b, c, d] = [costs[i][j], costs[i][j + 1], costs[i + 1][j + 1], costs[i + 1][j]];
      const crossings = [];
      if (a < level !== b < level) crossings.push([j + between(a, b), i]);
      if (b < level !== c < level) crossings.push([j + 1, i + between(b, c)]);
      if (d < level !== c < level) crossings.push([j + between(d, c), i + 1]);
      if (a < level !== d < level) crossings.push([j, i + between(a, d)]);
      for (let k = 0; k + 1 < crossings.length; k += 2) yield [crossings[k], crossings[k + 1]];
    }
  }
}

function drawPlane({ paths, x, y, costs, shares, trainings }) {
  const known = costs.flat().filter((cost) => cost !== null), low = Math.min(...known), high = Math.max(...known);
  const across = (value) => (WIDTH * (value - x[0])) / (x.at(-1) - x[0] || 1), up = (value) => HEIGHT - (HEIGHT * (value - y[0])) / (y.at(-1) - y[0] || 1);
  const cell = [WIDTH / (x.length - 1), HEIGHT / (y.length - 1)];
  const levels = Array.from({ length: 12 }, (_, i) => low * (high / low || 1) ** ((i + 0.5) / 12));
  const lines = levels.map((level) => svg("path", {
    class: "contour", d: [...contours(costs, level)].map((ends) => ends.map(([j, i], k) => `${k ? "L" : "M"}${(j * cell[0]).toFixed(1)} ${(HEIGHT - i * cell[1]).toFixed(1)}`).join("")).join(""),
  }));
  const tracks = paths.map((path, i) => svg("polyline", { class: KINDS[i], points: path.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(" ") }));
  const ends = paths.map((path, i) => svg("circle", { class: KINDS[i], cx: across(path.at(-1)[0]), cy: up(path.at(-1)[1]), r: 5 }));
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Paths in the plane of most motion, over contours of the cost from ${short(low)} to ${short(high)}` },
    ...lines, ...tracks, svg("circle", { class: "start", cx: across(paths[0][0][0]), cy: up(paths[0][0][1]), r: 6 }), ...ends);
  drawing.tip = (event) => {
    const box = drawing.getBoundingClientRect();
    const j = Math.round(((event.clientX - box.left) / box.width) * (x.length - 1)), i = Math.round((1 - (event.clientY - box.top) / box.height) * (y.length - 1));
    return costs[i]?.[j] == null ? "" : `cost here: ${short(costs[i][j])}`;
  };
  $("race-plane").replaceChildren(drawing);
  $("race-shares").textContent = `The plane in which there is most motion, ${percent(shares[0] + shares[1], 0)} of it. Ring: the first weights. Thin lines: equal cost, from ${short(low)} to ${short(high)}.`;
}

/** Every step of a stretch of each training, each in its own plane and to its own scale. */
function drawStretches({ stretches, trainings }) {
  $("race-stretches").replaceChildren(...stretches.map((points, i) => {
    const reach = Math.max(1e-12, ...points.flat().map(Math.abs)), scale = (value) => (SMALL / 2) * (1 + (0.92 * value) / reach);
    const length = points.slice(1).reduce((sum, [a, b], k) => sum + Math.hypot(a - points[k][0], b - points[k][1]), 0);
    const displacement = Math.hypot(...points.at(-1)), words = `${points.length - 1} step${points.length === 2 ? "" : "s"}: length ${short(length)}, displacement ${short(displacement)}`;
    const whose = `${name(trainings[i], i, trainings)} images a step`;
    return el("figure", {}, svg("svg", { viewBox: `0 0 ${SMALL} ${SMALL}`, role: "img", "aria-label": `${whose}: ${words}` },
      svg("polyline", { class: KINDS[i], points: points.map(([a, b]) => `${scale(a).toFixed(1)},${scale(-b).toFixed(1)}`).join(" ") }),
      svg("circle", { class: "start", cx: scale(0), cy: scale(0), r: 5 })), el("figcaption", {}, words));
  }));
}

export function prepareRace() {
  pause = player($("race-play"), () => turn(goOn));
  const startOver = withMessage(() => {
    pause();
    return turn(begin);
  });
  $("race-over").addEventListener("click", startOver);
  $("race-sizes").addEventListener("change", startOver);
}
