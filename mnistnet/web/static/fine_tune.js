// Teaching a copy of the network: steps of gradient descent, and what comes of them.

import { tipped } from "./backward.js";
import { $, ask, el, percent, short, svg } from "./helpers.js";
import { switchTo, thinkAgain } from "./network.js";
import { copy, label, nameOf, state } from "./state.js";

const rate = () => 10 ** Number($("rate").value);

export async function judge() {
  const subject = { pixels: state.pixels, label: label() };
  const isStill = (other) => other?.pixels === subject.pixels && other.label === subject.label;
  if (!subject.pixels || isStill(state.lessons[0])) return; // the pad may have been cleared while its wish was asked
  const found = await ask("judge", { ...subject, ...copy() });
  if (isStill({ pixels: state.pixels, label: label() })) state.lessons = [{ ...found, ...subject, steps: 0 }];
}

let teaching = false;

export async function learn(at_random) {
  if (teaching) return;
  teaching = true;
  try {
    await judge();
    if (!state.lessons.length) return;
    const { pixels, label } = state.lessons[0], times = Number($("times").value);
    const found = await ask("learn", { pixels, label, rate: rate(), times, at_random, ...copy() });
    state.session = found.session;
    const { steps } = state.lessons.at(-1) ?? {};
    if (state.lessons[0]?.pixels === pixels && state.lessons[0].label === label) state.lessons.push({ ...found, steps: steps + times });
    else state.lessons = []; // something else was drawn, or meant, in the meantime
  } finally {
    teaching = false;
  }
  showTeaching();
  thinkAgain();
}

/** Forget what was taught: back to the network as it was. */
const forget = () => switchTo(state.original, null);
export async function reset() {
  const { session } = state;
  forget();
  if (session) await ask("forget", { session });
}

export function showTeaching() {
  const name = nameOf(label()), [first, last] = [state.lessons[0], state.lessons.at(-1)];
  $("teach-words").textContent = `Steps of gradient descent in your own copy. Train on this digit alone and the network starts to read everything as ${name}; steps on 100 random images repair it.`;
  $("rate-shown").textContent = Number(rate().toPrecision(2));
  $("alone").disabled = $("many").disabled = !state.thought;
  $("reset").disabled = !state.session;
  if (!first) {
    $("chart").replaceChildren();
    return $("figures").replaceChildren();
  }
  const looks = first === last ? [first] : [first, last];
  const row = (term, key, format) => el("tr", {}, el("th", { scope: "row" }, term),
    ...looks.map((lesson) => tipped(el("td", {}, format(lesson[key])), lesson[key])));
  const judges = state.about.judges.toLocaleString("en"), after = last.steps === 1 ? "after 1 step" : `after ${last.steps} steps`;
  const heads = first === last ? ["now"] : ["before", after];
  $("figures").replaceChildren(
    el("table", {}, el("thead", {}, el("tr", {}, el("td"), ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, row("Cost of this one", "cost", (value) => short(value)), row("Accuracy *", "accuracy", percent), row(`Called ${name} *`, "share", percent))),
    el("p", {}, `* of ${judges} test images`));
  $("chart").replaceChildren(...(state.lessons.length > 1 ? [chart()] : []));
}

function chart() {
  const width = 280, height = 130, left = 34, bottom = 108, top = 10, right = 66, end = state.lessons.at(-1).steps;
  const x = (steps) => left + ((width - left - right) * steps) / end, y = (share) => bottom - (bottom - top) * share;
  const line = (key, kind) => [
    svg("polyline", { class: kind, points: state.lessons.map((lesson) => `${x(lesson.steps)},${y(lesson[key])}`).join(" ") }),
    ...state.lessons.map((lesson) => Object.assign(svg("circle", { class: kind, cx: x(lesson.steps), cy: y(lesson[key]), r: 2.8 }),
      { tip: () => `after ${lesson.steps} steps\ncost ${lesson.cost}\naccuracy ${percent(lesson.accuracy)}\ncalled ${nameOf(label())} ${percent(lesson.share)}` })),
  ];
  const text = (attributes, words) => svg("text", attributes, words);
  const last = state.lessons.at(-1);
  let [a, s] = [y(last.accuracy), y(last.share)];
  if (Math.abs(a - s) < 13) [a, s] = a <= s ? [(a + s) / 2 - 7, (a + s) / 2 + 7] : [(a + s) / 2 + 7, (a + s) / 2 - 7];
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Accuracy and share called ${nameOf(label())} by steps taken; the figures above are the last` },
    ...[0, 0.5, 1].flatMap((share) => [svg("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
      text({ x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`)]),
    text({ x: left, y: height - 6 }, "0"), text({ x: width - right, y: height - 6, "text-anchor": "end" }, `${end} steps`),
    ...line("accuracy", "accuracy"), ...line("share", "share"),
    text({ class: "accuracy", x: width - right + 8, y: a + 4 }, "accuracy"), text({ class: "shared", x: width - right + 8, y: s + 4 }, `called ${nameOf(label())}`));
}
document.addEventListener("forgotten", forget);
