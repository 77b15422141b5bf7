// Small helpers: elements, numbers in words, asking the server, messages.

export const $ = (id) => document.getElementById(id);
export const SIDE = 28, PIXELS = SIDE * SIDE;
const SVG = "http://www.w3.org/2000/svg";

/** Make an element: el("td", {class: "up"}, "text", child, ...). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

export const toBase64 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};
export const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
/** A number with three digits that count, however small: 0.0312, 1.2 × 10⁻⁵. */
export function short(value, sign = false) {
  const plus = sign && value > 0 ? "+" : "";
  const size = Math.abs(value);
  if (size === 0 || size >= 1e-3) return (plus + Number(value.toPrecision(3))).replace("-", "−").replace(/e\+?/, " × 10^");
  const [digits, power] = value.toExponential(1).split("e");
  const raised = [...String(+power)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
  return `${plus}${digits} × 10${raised}`.replace("-", "−");
}
/** A number for a tip: five digits, which is more than a picture shows. */
export const precise = (value) => String(Number(value.toPrecision(5))).replace("-", "−");
export const signed = (value) => short(value, true);
export const way = (value) => (value < 0 ? "down" : "up");
export const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
/** The indices of the values that are largest in size. */
export const strongest = (values, count) =>
  [...values.keys()].filter((i) => values[i]).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a])).slice(0, count);

const DARK = [18, 20, 24], RISE = [86, 180, 233], FALL = [230, 159, 0]; // the stage, and its blue and orange
/** Draw values of -1 to 1 into a canvas of SIDE x SIDE, or a part of it: blue raises, orange lowers. */
export function paintSigned(canvas, values, left = 0, top = 0) {
  const c = canvas.getContext("2d"), image = c.createImageData(SIDE, SIDE);
  values.forEach((value, i) => {
    const strength = Math.sqrt(Math.abs(value)), colour = value > 0 ? RISE : FALL;
    image.data.set([...DARK.map((dark, k) => dark + (colour[k] - dark) * strength), 255], 4 * i);
  });
  c.putImageData(image, left, top);
}

export class Refused extends Error {}

const TRIES = 5, PAUSE = 1000; // of a server that is busy with other visitors' pictures, and milliseconds between

/** Ask the server. Throws Refused with its sentence. */
export async function ask(name, body = {}) {
  let response, answer;
  try {
    for (let tries = TRIES; ; tries--) {
      response = await fetch(`/api/${name}`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
      answer = await response.json();
      if (response.status !== 503 || tries === 1) break;
      await new Promise((later) => setTimeout(later, PAUSE));
    }
  } catch {
    throw new Refused("The server does not answer. Is mnistnet demo still running?");
  }
  if (response.ok) return answer;
  if (response.status === 410) document.dispatchEvent(new Event("forgotten")); // our copy of the network is gone
  throw new Refused(answer.error);
}

/** Let a button play and pause: it asks for `go` again and again. Returns what pauses it. */
export function player(button, go) {
  let playing = null; // names the loop, so that one which was paused ends even if another has begun
  const pause = () => {
    playing = null;
    button.textContent = "Play";
  };
  button.addEventListener("click", withMessage(async () => {
    if (playing) return pause();
    const mine = playing = {};
    button.textContent = "Pause";
    try {
      while (playing === mine) {
        await go();
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      if (playing === mine) pause();
      throw error;
    }
  }));
  return pause;
}
/** Return what lets acts wait for one another: each begins when the one before has ended, well or not. */
export function queue() {
  let last = Promise.resolve();
  return (act) => (last = last.catch(() => {}).then(act));
}

let hideTimer = 0;
function showMessage(sentence) {
  $("message").textContent = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  $("message").hidden = false;
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => { $("message").hidden = true; }, 7000);
}
/** Let a handler's refusals be said, not lost. */
export const withMessage = (handler) => async (...args) => {
  try {
    await handler(...args);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showMessage(error.message);
  }
};
